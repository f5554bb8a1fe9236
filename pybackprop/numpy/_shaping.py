"""NumPy's functions that rearrange, join and split, on values."""

import itertools
import math
import operator

import numpy as np

from ..graph import Value, recording
from ..primitives import elementwise as ew
from ..primitives import shaping
from ..primitives.base import broadcast_shapes, normalize_axis
from ._common import (
    as_value,
    axes_of,
    cast,
    check_dtype,
    no_out,
    one_axis,
    promoted,
    reduced_axes,
    shape_of,
    spread,
    static_index,
    unsupported,
)
from ._eager import surface


def to_shape(x, shape):
    """``x`` in another shape; itself if it has that shape."""
    return x if x.shape == shape else shaping.reshape(x, shape=shape)


def permute(x, axes):
    """``x`` with its axes in another order; itself if nothing moves."""
    axes = tuple(axes)
    return x if axes == tuple(range(x.ndim)) else shaping.transpose(x, axes=axes)


@surface()
def reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    """See ``numpy.reshape``."""
    shape = newshape if shape is None else shape
    x = as_value(a)
    shape = shape_of(shape)
    if shape.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        if rest == 0 or x.size % rest:
            raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
        shape = tuple(x.size // rest if n == -1 else n for n in shape)
    if min(shape, default=0) < 0:
        raise ValueError("negative dimensions are not allowed")
    if order == "F":
        turned = to_shape(permute(x, range(x.ndim)[::-1]), shape[::-1])
        return permute(turned, range(len(shape))[::-1])
    if order not in ("C", "A"):
        unsupported(f"order={order!r} is not supported")
    return to_shape(x, shape)


@surface()
def ravel(a, order="C"):
    """See ``numpy.ravel``."""
    return (
        reshape.traced(a, -1, "C" if order == "K" else order)
        if as_value(a).size
        else to_shape(as_value(a), (0,))
    )


@surface()
def transpose(a, axes=None):
    """See ``numpy.transpose``."""
    x = as_value(a)
    if axes is None:
        return permute(x, range(x.ndim)[::-1])
    axes = shape_of(axes)
    if len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    return permute(x, [normalize_axis(axis, x.ndim) for axis in axes])


permute_dims = transpose


@surface()
def matrix_transpose(x, /):
    """See ``numpy.matrix_transpose``."""
    x = as_value(x)
    if x.ndim < 2:
        raise ValueError("matrix transpose needs at least two dimensions")
    return swapaxes.traced(x, -1, -2)


@surface()
def swapaxes(a, axis1, axis2):
    """See ``numpy.swapaxes``."""
    x = as_value(a)
    first, second = one_axis(axis1, x.ndim), one_axis(axis2, x.ndim)
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    return permute(x, order)


@surface()
def moveaxis(a, source, destination):
    """See ``numpy.moveaxis``."""
    x = as_value(a)
    source, destination = shape_of(source), shape_of(destination)
    if len(source) != len(destination):
        raise ValueError("source and destination must have the same number of elements")
    source = [normalize_axis(axis, x.ndim) for axis in source]
    destination = [normalize_axis(axis, x.ndim) for axis in destination]
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise ValueError("repeated axis in moveaxis")
    order = [axis for axis in range(x.ndim) if axis not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return permute(x, order)


@surface()
def rollaxis(a, axis, start=0):
    """See ``numpy.rollaxis``."""
    x = as_value(a)
    axis = one_axis(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise np.exceptions.AxisError(start, x.ndim + 1)
    start -= axis < start
    order = [i for i in range(x.ndim) if i != axis]
    order.insert(start, axis)
    return permute(x, order)


@surface()
def expand_dims(a, axis):
    """See ``numpy.expand_dims``."""
    x = as_value(a)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    axes = axes_of(axis, x.ndim + count)
    rest = iter(x.shape)
    return to_shape(x, tuple(1 if i in axes else next(rest) for i in range(x.ndim + count)))


@surface()
def squeeze(a, axis=None):
    """See ``numpy.squeeze``."""
    x = as_value(a)
    if axis is None:
        return to_shape(x, tuple(n for n in x.shape if n != 1))
    axes = reduced_axes(axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return to_shape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


@surface()
def broadcast_to(array, shape, subok=False):
    """See ``numpy.broadcast_to``."""
    x = as_value(array)
    shape = shape_of(shape)
    if x.shape == shape:
        return x
    return shaping.broadcast_to(x, shape=shape)


def broadcast_arrays(*args, subok=False):
    """See ``numpy.broadcast_arrays``."""
    if not any(isinstance(x, Value) for x in args) and not recording():
        return np.broadcast_arrays(*args)
    values = [as_value(x) for x in args]
    shape = broadcast_shapes(*[v.shape for v in values]) if values else ()
    return tuple(spread(v, shape) for v in values)


def _at_least(ndim, place):
    def at_least(*arrays):
        results = []
        for a in arrays:
            x = (
                a
                if isinstance(a, (Value, np.ndarray))
                else np.asarray(a)
                if not _traced(a)
                else as_value(a)
            )
            if x.ndim < ndim:
                x = reshape(x, place(x.shape))
            results.append(x)
        return results[0] if len(results) == 1 else tuple(results)

    at_least.__name__ = at_least.__qualname__ = f"atleast_{ndim}d"
    at_least.__doc__ = f"See ``numpy.atleast_{ndim}d``."
    return at_least


def _traced(x):
    from ._common import holds_value

    return holds_value(x)


atleast_1d = _at_least(1, lambda shape: (1,))
atleast_2d = _at_least(2, lambda shape: (1,) * (2 - len(shape)) + shape)
atleast_3d = _at_least(
    3,
    lambda shape: (
        (1, *shape, 1) if len(shape) < 2 and shape else (*shape, 1) if shape else (1, 1, 1)
    ),
)


# ---- joining and splitting ----------------------------------------------------------------------


def _parts(arrays, dtype=None):
    if isinstance(arrays, Value):
        arrays = [arrays[i] for i in range(arrays.shape[0])]
    arrays = list(arrays)
    if not arrays:
        raise ValueError("need at least one array")
    if dtype is not None:
        return [as_value(a, check_dtype(dtype)) for a in arrays]
    return promoted(*arrays)


@surface()
def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """See ``numpy.concatenate``."""
    no_out(out)
    parts = _parts(arrays, dtype)
    if axis is None:
        parts, axis = [to_shape(p, (p.size,)) for p in parts], 0
    if not parts[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    axis = one_axis(axis, parts[0].ndim)
    return parts[0] if len(parts) == 1 else shaping.concatenate(*parts, axis=axis)


concat = concatenate


@surface()
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """See ``numpy.stack``."""
    no_out(out)
    parts = _parts(arrays, dtype)
    shape = parts[0].shape
    if any(p.shape != shape for p in parts):
        raise ValueError("all input arrays must have the same shape")
    axis = one_axis(axis, len(shape) + 1)
    if axis == 0:
        from ._common import join

        return join(parts)
    return _joined([to_shape(p, (*shape[:axis], 1, *shape[axis:])) for p in parts], axis)


def _joined(parts, axis):
    return parts[0] if len(parts) == 1 else shaping.concatenate(*parts, axis=axis)


@surface()
def hstack(tup, *, dtype=None, casting="same_kind"):
    """See ``numpy.hstack``."""
    parts = [_lift(p, 1) for p in _parts(tup, dtype)]
    return concatenate.traced(parts, 0 if parts[0].ndim == 1 else 1)


@surface()
def vstack(tup, *, dtype=None, casting="same_kind"):
    """See ``numpy.vstack``."""
    return concatenate.traced([_lift(p, 2) for p in _parts(tup, dtype)], 0)


@surface()
def dstack(tup):
    """See ``numpy.dstack``."""
    return concatenate.traced([atleast_3d(p) for p in _parts(tup)], 2)


@surface()
def column_stack(tup):
    """See ``numpy.column_stack``."""
    parts = [to_shape(p, (p.size, 1)) if p.ndim < 2 else p for p in _parts(tup)]
    return concatenate.traced(parts, 1)


row_stack = vstack


def _lift(x, ndim):
    return to_shape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


@surface()
def append(arr, values, axis=None):
    """See ``numpy.append``."""
    return concatenate.traced([as_value(arr), as_value(values)], axis)


def array_split(ary, indices_or_sections, axis=0):
    """See ``numpy.array_split``."""
    x = ary if isinstance(ary, Value) or not _traced(ary) else as_value(ary)
    x = x if isinstance(x, Value) else np.asarray(x)
    axis = one_axis(axis, x.ndim)
    extent = x.shape[axis]
    if np.ndim(indices_or_sections):
        cuts = [0, *[static_index(i, "a split position") for i in indices_or_sections], extent]
    else:
        sections = static_index(indices_or_sections, "a number of sections")
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extra = divmod(extent, sections)
        cuts = np.cumsum([0] + [each + 1] * extra + [each] * (sections - extra)).tolist()
    lead = (slice(None),) * axis
    return [x[(*lead, slice(a, b))] for a, b in itertools.pairwise(cuts)]


def split(ary, indices_or_sections, axis=0):
    """See ``numpy.split``."""
    if not np.ndim(indices_or_sections):
        sections = static_index(indices_or_sections, "a number of sections")
        extent = np.shape(ary)[axis]
        if sections <= 0 or extent % sections:
            raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


def hsplit(ary, indices_or_sections):
    """See ``numpy.hsplit``."""
    return split(ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1)


def vsplit(ary, indices_or_sections):
    """See ``numpy.vsplit``."""
    return split(ary, indices_or_sections, 0)


def dsplit(ary, indices_or_sections):
    """See ``numpy.dsplit``."""
    return split(ary, indices_or_sections, 2)


def unstack(x, /, *, axis=0):
    """See ``numpy.unstack``."""
    axis = one_axis(axis, np.ndim(x))
    lead = (slice(None),) * axis
    return tuple(x[(*lead, i)] for i in range(np.shape(x)[axis]))


# ---- flips, rolls, repetitions ------------------------------------------------------------------


@surface()
def flip(m, axis=None):
    """See ``numpy.flip``."""
    x = as_value(m)
    axes = tuple(i for i in axes_of(axis, x.ndim) if x.shape[i] > 1)
    return shaping.flip(x, axes=axes) if axes else x


@surface()
def fliplr(m):
    """See ``numpy.fliplr``."""
    return flip.traced(m, 1)


@surface()
def flipud(m):
    """See ``numpy.flipud``."""
    return flip.traced(m, 0)


@surface()
def rot90(m, k=1, axes=(0, 1)):
    """See ``numpy.rot90``."""
    x = as_value(m)
    first, second = [normalize_axis(axis, x.ndim) for axis in axes]
    if first == second:
        raise ValueError("Axes must be different.")
    k = operator.index(k) % 4
    if k == 0:
        return x
    if k == 2:
        return flip.traced(x, (first, second))
    if k == 1:
        return swapaxes.traced(flip.traced(x, second), first, second)
    return flip.traced(swapaxes.traced(x, first, second), second)


@surface()
def roll(a, shift, axis=None):
    """See ``numpy.roll``."""
    x = as_value(a)
    if axis is None:
        rolled = roll.traced(to_shape(x, (x.size,)), int(np.sum(shift)), 0)
        return to_shape(rolled, x.shape)
    shifts, axes = np.broadcast_arrays(shape_of(shift), shape_of(axis))
    for amount, position in zip(shifts.tolist(), axes.tolist(), strict=True):
        position = one_axis(position, x.ndim)
        extent = x.shape[position]
        cut = -amount % extent if extent else 0
        if cut:
            tail = shaping.slice_axis(x, position, cut, extent)
            x = shaping.concatenate(tail, shaping.slice_axis(x, position, 0, cut), axis=position)
    return x


@surface()
def tile(A, reps):
    """See ``numpy.tile``."""
    x, reps = as_value(A), shape_of(reps)
    ndim = x.ndim if x.ndim > len(reps) else len(reps)
    reps = (1,) * (ndim - len(reps)) + reps
    if min(reps, default=1) < 0:
        raise ValueError("negative dimensions are not allowed")
    x = _lift(x, ndim)
    if all(r == 1 for r in reps):
        return x
    inner = tuple(n for extent in x.shape for n in (1, extent))
    outer = tuple(n for pair in zip(reps, x.shape, strict=True) for n in pair)
    repeated = spread(to_shape(x, inner), outer)
    return to_shape(repeated, tuple(r * n for r, n in zip(reps, x.shape, strict=True)))


@surface()
def repeat(a, repeats, axis=None):
    """See ``numpy.repeat``."""
    x = as_value(a)
    if axis is None:
        x, axis = to_shape(x, (x.size,)), 0
    x = x if x.ndim else to_shape(x, (1,))
    axis = one_axis(axis, x.ndim)
    extent = x.shape[axis]
    if isinstance(repeats, Value):
        static_index(repeats, "the shape of the result of repeat")
    counts = np.asarray(repeats)
    if counts.size != 1:
        from ._picking import take

        return take.traced(x, np.repeat(np.arange(extent), counts), axis)
    count = operator.index(counts.item())
    if count < 0:
        raise ValueError("repeats may not contain negative values.")
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    single = to_shape(x, (*before, extent, 1, *after))
    return to_shape(
        spread(single, (*before, extent, count, *after)), (*before, extent * count, *after)
    )


# ---- dtype and copies ---------------------------------------------------------------------------


@surface()
def astype(x, dtype, /, *, copy=True, device=None):
    """See ``numpy.astype``."""
    value = as_value(x)
    dtype = check_dtype(dtype)
    if value.weak and value.dtype == dtype:
        # The result is an array's dtype, no Python number's.
        strong = ew.convert(value, dtype=dtype)
        return strong
    if value.dtype.kind == "c":
        return ew.convert(value, dtype=dtype)  # the real part, if it is to be real
    return cast(value, dtype)


def copy(a, order="K", subok=False):
    """See ``numpy.copy``; a value is immutable and is its own copy."""
    if isinstance(a, Value):
        return a
    return as_value(a) if _traced(a) else np.array(a)
