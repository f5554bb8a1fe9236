"""Functions that pick elements by position: take, diagonals, triangles."""

import math

import numpy as np

from ..graph import Value, current_graph
from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import broadcast, broadcast_shapes, zeros
from ._common import BOOL, INT64, as_value, cast, holds_value, no_out, one_axis, scalar
from ._eager import surface
from ._indexing import getitem
from ._reduction import sum
from ._shaping import permute, to_shape


@surface(2)
def take(a, indices, axis=None, out=None, mode="raise"):
    """See ``numpy.take``."""
    no_out(out)
    x = as_value(a)
    if axis is None or not x.ndim:
        x, axis = to_shape(x, (x.size,)), 0 if axis is None else axis
    axis = one_axis(axis, x.ndim)
    extent = x.shape[axis]
    if isinstance(indices, (list, tuple)) and not holds_value(indices):
        indices = np.asarray(indices)
    if mode != "raise":
        indices = as_value(indices, INT64) if isinstance(indices, Value) else np.asarray(indices)
        if mode == "clip":
            if isinstance(indices, Value):
                low, high = scalar(0, INT64), scalar(extent - 1, INT64)
                indices = ew.minimum(ew.maximum(indices, low), high)
            else:
                indices = np.clip(indices, 0, extent - 1)
        elif mode == "wrap":
            if isinstance(indices, Value):
                indices = ew.remainder(indices, scalar(extent, INT64))
            else:
                indices = indices % extent
        else:
            raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if isinstance(indices, (bool, np.bool_)) or getattr(indices, "dtype", None) == BOOL:
        raise TypeError("cannot take at bool indices")
    return getitem(x, (*[slice(None)] * axis, indices))


@surface(2)
def take_along_axis(arr, indices, axis=-1):
    """See ``numpy.take_along_axis``."""
    x = as_value(arr)
    index = as_value(indices)
    if axis is None:
        x, index, axis = to_shape(x, (x.size,)), to_shape(index, (index.size,)), 0
    if index.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    axis = one_axis(axis, x.ndim)
    index = cast(index, INT64)
    others = [i for i in range(x.ndim) if i != axis]
    lead = broadcast_shapes(
        tuple(x.shape[i] for i in others), tuple(index.shape[i] for i in others)
    )
    order = (*others, axis)
    source = broadcast(permute(x, order), (*lead, x.shape[axis]))
    places = broadcast(permute(index, order), (*lead, index.shape[axis]))
    outer = math.prod(lead)
    read = indexing.gather(
        to_shape(source, (outer, x.shape[axis], 1)), to_shape(places, (outer, places.shape[-1]))
    )
    y = to_shape(read, places.shape)
    return permute(y, shaping.inverse_permutation(order))


@surface()
def diagonal(a, offset=0, axis1=0, axis2=1):
    """See ``numpy.diagonal``: a strided slice of the flattened matrices."""
    x = as_value(a)
    first, second = one_axis(axis1, x.ndim), one_axis(axis2, x.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    rest = [i for i in range(x.ndim) if i not in (first, second)]
    x = permute(x, (*rest, first, second))
    rows, columns = x.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    count = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    count = max(count, 0)
    lead = x.shape[:-2]
    if not count:
        return zeros((*lead, 0), x.dtype)
    flat = to_shape(x, (*lead, rows * columns))
    step = columns + 1
    return shaping.slice_(
        flat,
        starts=(*[0] * len(lead), start),
        stops=(*lead, start + (count - 1) * step + 1),
        steps=(*[1] * len(lead), step if count > 1 else 1),
    )


@surface()
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """See ``numpy.trace``."""
    return sum.traced(diagonal.traced(a, offset, axis1, axis2), -1, dtype, out)


@surface()
def diag(v, k=0):
    """See ``numpy.diag``: a strided slice, or zeros put between the elements."""
    x = as_value(v)
    if x.ndim == 2:
        return diagonal.traced(x, k)
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    count = x.shape[0]
    side = count + abs(k)
    if not count:
        return zeros((side, side), x.dtype)
    low = k if k >= 0 else -k * side
    high = side * side - low - ((count - 1) * (side + 1) + 1)
    spaced = shaping.pad(x, lows=(low,), highs=(high,), interiors=(side if count > 1 else 0,))
    return to_shape(spaced, (side, side))


@surface()
def diagflat(v, k=0):
    """See ``numpy.diagflat``."""
    x = as_value(v)
    return diag.traced(to_shape(x, (x.size,)), k)


def _triangle(m, k, lower):
    x = as_value(m)
    if not x.ndim:
        raise ValueError("a triangle needs at least one dimension")
    rows, columns = x.shape[-2:] if x.ndim > 1 else x.shape * 2
    mask = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    zero = scalar(0, x.dtype)
    mask = current_graph().constant(mask)
    return ew.select(mask, x, zero) if lower else ew.select(mask, zero, x)


@surface()
def tril(m, k=0):
    """See ``numpy.tril``."""
    return _triangle(m, k, True)


@surface()
def triu(m, k=0):
    """See ``numpy.triu``."""
    return _triangle(m, k, False)
