"""Reductions over axes and cumulative sums.

Reduced axes are dropped; the surface restores them for ``keepdims``.
"""

import numpy as np

from .base import (
    Linear,
    NotDifferentiable,
    Primitive,
    broadcast,
    is_selective,
    mark_selective,
    product,
)
from .elementwise import (
    add,
    convert,
    equal,
    logical_or,
    multiply,
    not_equal,
    reciprocal,
    select,
)
from .shaping import flip, reshape


class Reduction(Primitive):
    """A reduction over ``axes``, a sorted tuple of non-negative axes."""

    instruction = ""
    function = None
    kinds = "iufc"

    def infer(self, x, *, axes):
        if x.dtype.kind not in self.kinds:
            raise TypeError(f"{self.name} is not defined for dtype {x.dtype}")
        return tuple(n for axis, n in enumerate(x.shape) if axis not in axes), x.dtype

    def evaluate(self, x, *, axes):
        with np.errstate(all="ignore"):
            return np.asarray(type(self).function(x, axis=axes), dtype=x.dtype)

    def batch(self, operands, batched, size, *, axes):
        return [self(operands[0], axes=tuple(axis + 1 for axis in axes))]

    def lower(self, lowering, node):
        lowering.reduce(self.instruction, node)


def kept_shape(shape, axes):
    """The shape with the given axes of size one."""
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))


def restore(reduced, shape, axes):
    """A reduced value with its axes back, as size one, to broadcast against the original."""
    return reshape(reduced, shape=kept_shape(shape, axes))


class Sum(Linear, Reduction):
    """y = sum of x over axes. Order of additions: see docs/tape.md."""

    name, instruction, function = "sum", "SUM", np.sum

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        shape = operands[0].shape
        return [broadcast(restore(cotangents[0], shape, axes), shape)]


class Prod(Reduction):
    """y = product of x over axes.

    The partial by an element is the product of all the others, from exclusive products from both
    ends, so it is right when elements are zero.
    """

    name, instruction, function = "prod", "PROD", np.prod

    def _others(self, x, axes):
        # Flatten the reduced axes into one, last.
        from .shaping import transpose

        kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
        order = kept + axes
        moved = transpose(x, axes=order)
        count = 1
        for axis in axes:
            count *= x.shape[axis]
        flat = reshape(moved, shape=(*(x.shape[a] for a in kept), count))
        before = exclusive_cumprod(flat, reverse=False)
        after = exclusive_cumprod(flat, reverse=True)
        others = reshape(multiply(before, after), shape=moved.shape)
        inverse = [0] * x.ndim
        for position, axis in enumerate(order):
            inverse[axis] = position
        return transpose(others, axes=tuple(inverse))

    def jvp(self, tangents, operands, outputs, *, axes):
        return [sum_(multiply(tangents[0], self._others(operands[0], axes)), axes=axes)]

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        ct = restore(cotangents[0], operands[0].shape, axes)
        if is_selective(cotangents[0]):
            mark_selective(ct)
        return [product(ct, self._others(operands[0], axes))]


def exclusive_cumprod(x, reverse):
    """Product of all elements before (after) each along the last axis."""
    from .base import filled
    from .shaping import concatenate, slice_axis

    axis = x.ndim - 1
    extent = x.shape[axis]
    if extent == 0:
        return x
    one = filled((*x.shape[:-1], 1), 1, x.dtype)
    if reverse:
        rest = cumprod(slice_axis(x, axis, 1, extent), axis=axis, reverse=True)
        return concatenate(rest, one, axis=axis)
    rest = cumprod(slice_axis(x, axis, 0, extent - 1), axis=axis, reverse=False)
    return concatenate(one, rest, axis=axis)


class Extreme(Reduction):
    """The largest or smallest element over axes; NaN if there is one.

    Ties share the derivative equally.
    """

    kinds = "biufc"

    def infer(self, x, *, axes):
        for axis in axes:
            if x.shape[axis] == 0:
                raise ValueError(
                    f"zero-size array to reduction operation {self.function.__name__} which has "
                    "no identity"
                )
        return super().infer(x, axes=axes)

    def _weights(self, x, y, axes):
        top = restore(y, x.shape, axes)
        hit = logical_or(equal(x, top), not_equal(x, x))
        ones = convert(hit, dtype=x.dtype)
        return hit, reciprocal(sum_(ones, axes=axes))

    def jvp(self, tangents, operands, outputs, *, axes):
        from .base import constant

        hit, weight = self._weights(operands[0], outputs[0], axes)
        zero = constant(0, operands[0].dtype)
        return [multiply(sum_(select(hit, tangents[0], zero), axes=axes), weight)]

    def vjp(self, cotangents, operands, outputs, wanted, *, axes):
        from .base import constant

        shape = operands[0].shape
        hit, weight = self._weights(operands[0], outputs[0], axes)
        share = restore(multiply(cotangents[0], weight), shape, axes)
        zero = constant(0, operands[0].dtype)
        return [mark_selective(select(hit, share, zero))]


class Max(Extreme):
    """y = largest x over axes."""

    name, instruction, function = "max", "MAX_OF", np.max


class Min(Extreme):
    """y = smallest x over axes."""

    name, instruction, function = "min", "MIN_OF", np.min


class ArgExtreme(NotDifferentiable, Primitive):
    """The index (int64) of the first extreme along one axis; of the first NaN if there is one."""

    instruction = ""
    function = None

    def infer(self, x, *, axis):
        if x.shape[axis] == 0:
            raise ValueError(f"attempt to get {self.name} of an empty sequence")
        return x.shape[:axis] + x.shape[axis + 1 :], np.dtype(np.int64)

    def evaluate(self, x, *, axis):
        return np.asarray(type(self).function(x, axis=axis))

    def batch(self, operands, batched, size, *, axis):
        return [self(operands[0], axis=axis + 1)]

    def lower(self, lowering, node):
        lowering.reduce(self.instruction, node)


class Argmax(ArgExtreme):
    """Index of the largest."""

    name, instruction, function = "argmax", "ARGMAX", np.argmax


class Argmin(ArgExtreme):
    """Index of the smallest."""

    name, instruction, function = "argmin", "ARGMIN", np.argmin


class Cumulative(Primitive):
    """Each element combined with all before it (after it, if ``reverse``) along one axis."""

    instruction = ""
    function = None

    def infer(self, x, *, axis, reverse):
        if x.dtype.kind not in "iufc":
            raise TypeError(f"{self.name} is not defined for dtype {x.dtype}")
        return x.shape, x.dtype

    def evaluate(self, x, *, axis, reverse):
        if reverse:
            x = np.flip(x, axis)
        y = type(self).function(x, axis=axis, dtype=x.dtype)
        return np.flip(y, axis) if reverse else y

    def batch(self, operands, batched, size, *, axis, reverse):
        return [self(operands[0], axis=axis + 1, reverse=reverse)]

    def lower(self, lowering, node):
        lowering.cumulate(self.instruction, node)


class Cumsum(Linear, Cumulative):
    """y = cumulative sum. Its transpose is the cumulative sum from the other end."""

    name, instruction, function = "cumsum", "CUMSUM", np.cumsum

    def vjp(self, cotangents, operands, outputs, wanted, *, axis, reverse):
        return [cumsum(cotangents[0], axis=axis, reverse=not reverse)]


class Cumprod(Cumulative):
    """y = cumulative product.

    The derivative is that of the recurrence y[i] = y[i-1] x[i], written as a scan, so it is right
    at zeros.
    """

    name, instruction, function = "cumprod", "CUMPROD", np.cumprod

    def _loop(self, x, tangent_or_cotangent, y, axis, reverse, transposed):
        from .base import filled, zeros
        from .control import scan_values
        from .shaping import concatenate, inverse_permutation, slice_axis, transpose

        order = (axis, *(a for a in range(x.ndim) if a != axis))
        inverse = inverse_permutation(order)
        lead = [transpose(v, axes=order) for v in (x, tangent_or_cotangent, y)]
        if reverse:
            lead = [flip(v, axes=(0,)) for v in lead]
        x0, t0, y0 = lead
        extent, rest = x0.shape[0], x0.shape[1:]
        if extent == 0:
            return tangent_or_cotangent
        one = filled((1, *rest), 1, x.dtype)
        previous = concatenate(one, slice_axis(y0, 0, 0, extent - 1), axis=0)
        if transposed:
            # w[i] = ct[i] + x[i+1] w[i+1];  x_bar[i] = w[i] y[i-1]
            following = concatenate(
                slice_axis(x0, 0, 1, extent), zeros((1, *rest), x.dtype), axis=0
            )

            def step(carry, item):
                ct, factor, before = item
                total = add(ct, multiply(factor, carry))
                return total, multiply(total, before)

            result = scan_values(
                step, zeros(rest, x.dtype), (t0, following, previous), extent, reverse=True
            )
        else:
            # y'[i] = y'[i-1] x[i] + y[i-1] x'[i]
            def step(carry, item):
                factor, tangent, before = item
                total = add(multiply(carry, factor), multiply(before, tangent))
                return total, total

            result = scan_values(
                step, zeros(rest, x.dtype), (x0, t0, previous), extent, reverse=False
            )
        if reverse:
            result = flip(result, axes=(0,))
        return transpose(result, axes=inverse)

    def jvp(self, tangents, operands, outputs, *, axis, reverse):
        return [self._loop(operands[0], tangents[0], outputs[0], axis, reverse, transposed=False)]

    def vjp(self, cotangents, operands, outputs, wanted, *, axis, reverse):
        return [self._loop(operands[0], cotangents[0], outputs[0], axis, reverse, transposed=True)]


sum_, prod, max_, min_ = Sum(), Prod(), Max(), Min()
argmax, argmin, cumsum, cumprod = Argmax(), Argmin(), Cumsum(), Cumprod()
