"""Primitives that rearrange elements: all linear, all without arithmetic.

``slice`` (positive steps) and ``pad`` (with zeros, also between elements) are each other's
transpose, so are ``broadcast_to`` and summation, ``concatenate`` and slices. NumPy's other
rearrangements are composed of these.
"""

import numpy as np

from ..graph import element_count
from .base import Linear, Primitive, broadcast, broadcast_shapes, same_dtype, unbroadcast


class Reshape(Linear):
    """y = x in another shape, elements in C order."""

    name = "reshape"

    def infer(self, x, *, shape):
        if element_count(shape) != x.size:
            raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
        return tuple(shape), x.dtype

    def evaluate(self, x, *, shape):
        return x.reshape(shape)

    def vjp(self, cotangents, operands, outputs, wanted, *, shape):
        return [reshape(cotangents[0], shape=operands[0].shape)]

    def batch(self, operands, batched, size, *, shape):
        return [reshape(operands[0], shape=(size, *shape))]

    def lower(self, lowering, node):
        lowering.view(node)


class Transpose(Linear):
    """y = x with its axes in another order."""

    name = "transpose"

    def infer(self, x, *, axes):
        if sorted(axes) != list(range(x.ndim)):
            raise ValueError(f"axes {axes} do not match an array of {x.ndim} dimensions")
        return tuple(x.shape[axis] for axis in axes), x.dtype

    def evaluate(self, x, *, axes):
        return x.transpose(axes)

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        return [transpose(cotangents[0], axes=inverse_permutation(axes))]

    def batch(self, operands, batched, size, *, axes):
        return [transpose(operands[0], axes=(0, *(axis + 1 for axis in axes)))]

    def lower(self, lowering, node):
        lowering.view(node)


class BroadcastTo(Linear):
    """y = x repeated along new axes and along axes of size one."""

    name = "broadcast_to"

    def infer(self, x, *, shape):
        if broadcast_shapes(x.shape, shape) != tuple(shape):
            raise ValueError(
                "operands could not be broadcast together with remapped shapes "
                f"{x.shape} -> {shape}"
            )
        return tuple(shape), x.dtype

    def evaluate(self, x, *, shape):
        # A broadcast constant stays one: what reads it broadcasts by itself.
        return None

    def vjp(self, cotangents, operands, outputs, wanted, *, shape):
        return [unbroadcast(cotangents[0], operands[0].shape)]

    def batch(self, operands, batched, size, *, shape):
        x = operands[0]
        inner = (1,) * (len(shape) - x.ndim + 1) + x.shape[1:]
        return [broadcast_to(reshape(x, shape=(size, *inner)), shape=(size, *shape))]

    def lower(self, lowering, node):
        lowering.view(node)


class Slice(Linear):
    """y = x[start : stop : step, ...] per axis, with 0 <= start <= stop <= extent and step >= 1."""

    name = "slice"

    def infer(self, x, *, starts, stops, steps):
        for start, stop, step, extent in zip(starts, stops, steps, x.shape, strict=True):
            if not (0 <= start <= stop <= extent and step >= 1):
                raise ValueError(f"slice {start}:{stop}:{step} is not within an axis of {extent}")
        shape = tuple(
            -((start - stop) // step)
            for start, stop, step in zip(starts, stops, steps, strict=True)
        )
        return shape, x.dtype

    def evaluate(self, x, *, starts, stops, steps):
        return x[tuple(map(slice, starts, stops, steps))]

    def vjp(self, cotangents, operands, outputs, wanted, *, starts, stops, steps):
        shape, extents = outputs[0].shape, operands[0].shape
        highs = tuple(
            extent - start - (count - 1) * step - 1 if count else extent - start
            for start, step, count, extent in zip(starts, steps, shape, extents, strict=True)
        )
        return [pad(cotangents[0], lows=starts, highs=highs, interiors=tuple(s - 1 for s in steps))]

    def batch(self, operands, batched, size, *, starts, stops, steps):
        return [slice_(operands[0], starts=(0, *starts), stops=(size, *stops), steps=(1, *steps))]

    def lower(self, lowering, node):
        lowering.view(node)


class SliceSet(Primitive):
    """y = x, with y[start : stop : step, ...] = updates; bounds as for ``slice``.

    Linear in both. Toward x the cotangent with zeros in the slice, toward updates its slice.
    """

    name = "slice_set"

    def infer(self, x, updates, *, starts, stops, steps):
        dtype = same_dtype(self.name, x, updates)
        shape, _ = slice_.infer(x, starts=starts, stops=stops, steps=steps)
        if updates.shape != shape:
            raise ValueError(f"{self.name}: updates of shape {updates.shape}, not {shape}")
        return x.shape, dtype

    def evaluate(self, x, updates, *, starts, stops, steps):
        y = x.copy()
        y[tuple(map(slice, starts, stops, steps))] = updates
        return y

    def jvp(self, tangents, operands, outputs, **place):
        from .base import zeros

        dx, du = (
            zeros(o.shape, o.dtype) if t is None else t
            for t, o in zip(tangents, operands, strict=True)
        )
        return [slice_set(dx, du, **place)]

    def vjp(self, cotangents, operands, outputs, wanted, **place):
        from .base import zeros

        (ct,) = cotangents
        # The slice first, so that lowering can write the zeros where the cotangent is.
        toward_updates = slice_(ct, **place) if wanted[1] else None
        toward_x = None
        if wanted[0]:
            toward_x = slice_set(ct, zeros(operands[1].shape, ct.dtype), **place)
        return [toward_x, toward_updates]

    def batch(self, operands, batched, size, *, starts, stops, steps):
        x, updates = (
            o if b else broadcast(o, (size, *o.shape))
            for o, b in zip(operands, batched, strict=True)
        )
        return [slice_set(x, updates, starts=(0, *starts), stops=(size, *stops), steps=(1, *steps))]

    def lower(self, lowering, node):
        lowering.slice_set(node)


class Pad(Linear):
    """y = x with zeros before, after and between its elements, per axis."""

    name = "pad"

    def infer(self, x, *, lows, highs, interiors):
        if min((*lows, *highs, *interiors), default=0) < 0:
            raise ValueError("pad widths must not be negative")
        shape = tuple(
            low + high + extent + max(extent - 1, 0) * interior
            for low, high, interior, extent in zip(lows, highs, interiors, x.shape, strict=True)
        )
        return shape, x.dtype

    def evaluate(self, x, *, lows, highs, interiors):
        shape, _ = self.infer(x, lows=lows, highs=highs, interiors=interiors)
        y = np.zeros(shape, x.dtype)
        y[pad_window(x.shape, lows, interiors)] = x
        return y

    def vjp(self, cotangents, operands, outputs, wanted, *, lows, highs, interiors):
        window = pad_window(operands[0].shape, lows, interiors)
        starts, stops, steps = zip(*[(s.start, s.stop, s.step) for s in window], strict=True)
        return [slice_(cotangents[0], starts=starts, stops=stops, steps=steps)]

    def batch(self, operands, batched, size, *, lows, highs, interiors):
        return [pad(operands[0], lows=(0, *lows), highs=(0, *highs), interiors=(0, *interiors))]

    def lower(self, lowering, node):
        lowering.pad(node)


class Flip(Linear):
    """y = x with the order along the given axes reversed."""

    name = "flip"

    def infer(self, x, *, axes):
        return x.shape, x.dtype

    def evaluate(self, x, *, axes):
        return np.flip(x, axes)

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        return [flip(cotangents[0], axes=axes)]

    def batch(self, operands, batched, size, *, axes):
        return [flip(operands[0], axes=tuple(axis + 1 for axis in axes))]

    def lower(self, lowering, node):
        lowering.view(node)


class Concatenate(Primitive):
    """y = the operands one after another along an axis."""

    name = "concatenate"

    def infer(self, *operands, axis):
        dtype = same_dtype("concatenate", *operands)
        first = operands[0].shape
        for operand in operands:
            shape = operand.shape
            if len(shape) != len(first) or any(
                a != b for i, (a, b) in enumerate(zip(shape, first, strict=True)) if i != axis
            ):
                raise ValueError(
                    "all the input array dimensions except for the concatenation axis must match "
                    f"exactly, but the shapes are {', '.join(str(o.shape) for o in operands)}"
                )
        extent = sum(operand.shape[axis] for operand in operands)
        return (*first[:axis], extent, *first[axis + 1 :]), dtype

    def evaluate(self, *arrays, axis):
        return np.concatenate(arrays, axis)

    def jvp(self, tangents, operands, outputs, *, axis):
        from .base import zeros

        parts = [
            zeros(o.shape, o.dtype) if t is None else t
            for t, o in zip(tangents, operands, strict=True)
        ]
        return [concatenate(*parts, axis=axis)]

    def vjp(self, cotangents, operands, outputs, wanted, *, axis):
        (ct,) = cotangents
        result, position = [], 0
        for operand, want in zip(operands, wanted, strict=True):
            end = position + operand.shape[axis]
            result.append(slice_axis(ct, axis, position, end) if want else None)
            position = end
        return result

    def batch(self, operands, batched, size, *, axis):
        parts = [
            o if b else broadcast(o, (size, *o.shape))
            for o, b in zip(operands, batched, strict=True)
        ]
        return [concatenate(*parts, axis=axis + 1)]

    def lower(self, lowering, node):
        lowering.concatenate(node)


def pad_window(shape, lows, interiors):
    """The slices of a padded array that hold the elements of the original one."""
    return tuple(
        slice(low, low + (extent - 1) * (interior + 1) + 1 if extent else low, interior + 1)
        for low, interior, extent in zip(lows, interiors, shape, strict=True)
    )


def slice_axis(x, axis, start, stop):
    """x[..., start:stop, ...] along one axis."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return slice_(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


def inverse_permutation(axes):
    """The permutation that undoes ``axes``."""
    inverse = [0] * len(axes)
    for position, axis in enumerate(axes):
        inverse[axis] = position
    return tuple(inverse)


reshape, transpose, broadcast_to = Reshape(), Transpose(), BroadcastTo()
slice_, slice_set, pad = Slice(), SliceSet(), Pad()
flip, concatenate = Flip(), Concatenate()
