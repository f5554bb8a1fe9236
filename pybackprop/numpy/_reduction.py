"""NumPy's reductions and cumulative functions on values."""

import math
import operator

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction as red
from ..primitives.base import filled
from ..primitives.shaping import reshape
from ._common import (
    BOOL,
    FLOAT64,
    INT64,
    UINT64,
    as_value,
    axes_of,
    cast,
    check_dtype,
    no_out,
    one_axis,
    promoted,
    reduced_axes,
    scalar,
    unsupported,
)
from ._eager import surface
from ._ufuncs import truth


def _finish(y, shape, axes, keepdims):
    if not isinstance(keepdims, (bool, np.bool_)):
        keepdims = operator.index(keepdims)
    if keepdims and axes:
        return reshape(y, shape=red.kept_shape(shape, axes))
    return y


def _count(shape, axes):
    return math.prod(shape[axis] for axis in axes)


def _wide(dtype):
    """The dtype in which sums and products of small integers are taken."""
    if dtype.kind in "bi":
        return INT64
    return UINT64 if dtype.kind == "u" else dtype


def _selected(x, where, neutral):
    if where is True or where is None:
        return x
    return ew.select(as_value(where, BOOL), x, scalar(neutral, x.dtype))


def _fold(reduction, combine, neutral, a, axis, dtype, out, keepdims, initial, where):
    no_out(out)
    x = as_value(a)
    x = cast(x, _wide(x.dtype) if dtype is None else check_dtype(dtype))
    selected = _selected(x, where, neutral)
    axes = reduced_axes(axis, x.ndim)
    if selected.shape != x.shape:
        raise ValueError("where= of a reduction must broadcast to the shape of the array")
    y = _finish(reduction(selected, axes=axes), x.shape, axes, keepdims) if axes else selected
    return y if initial is None else combine(y, as_value(initial, x.dtype))


@surface()
def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.sum``."""
    if dtype is not None and np.dtype(dtype) == BOOL:
        return any.traced(a, axis, out, keepdims)
    return _fold(red.sum_, ew.add, 0, a, axis, dtype, out, keepdims, initial, where)


@surface()
def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.prod``."""
    if dtype is not None and np.dtype(dtype) == BOOL:
        return all.traced(a, axis, out, keepdims)
    return _fold(red.prod, ew.multiply, 1, a, axis, dtype, out, keepdims, initial, where)


def _mean_dtype(x, dtype):
    if dtype is not None:
        return check_dtype(dtype)
    return x.dtype if x.dtype.kind in "fc" else FLOAT64


def _number_of(x, axes, where, keepdims):
    """How many elements each result is the mean of: a number, or a value if ``where`` selects."""
    if where is True or where is None:
        return float(_count(x.shape, axes))
    chosen = cast(
        ew.select(as_value(where, BOOL), filled(x.shape, 1, x.dtype), scalar(0, x.dtype)), x.dtype
    )
    return _finish(red.sum_(chosen, axes=axes), x.shape, axes, keepdims)


def _ratio(total, count):
    if isinstance(count, float):
        count = scalar(count, total.dtype)
    return ew.divide(total, count)


@surface()
def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    """See ``numpy.mean``."""
    no_out(out)
    x = as_value(a)
    result = _mean_dtype(x, dtype)
    if result.kind not in "fc":
        # NumPy adds up in the integer dtype asked for and truncates the quotient to it.
        total = sum.traced(x, axis, result, None, keepdims, None, where)
        quotient = ew.divide(
            cast(total, FLOAT64), scalar(_count(x.shape, axes_of(axis, x.ndim)), FLOAT64)
        )
        return cast(quotient, result)
    x = cast(x, result)
    axes = axes_of(axis, x.ndim)
    total = red.sum_(_selected(x, where, 0), axes=axes) if axes else _selected(x, where, 0)
    total = _finish(total, x.shape, axes, keepdims)
    return _ratio(total, _number_of(x, axes, where, keepdims))


@surface()
def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None,
        correction=None):  # fmt: skip
    """See ``numpy.var``; squares of deviations from the mean, which is stable."""
    no_out(out)
    ddof = ddof if correction is None else correction
    x = as_value(a)
    x = cast(x, _mean_dtype(x, dtype))
    if x.dtype.kind not in "fc":
        unsupported(f"var with dtype {x.dtype} is not supported; use a floating dtype")
    axes = axes_of(axis, x.ndim)
    count = _number_of(x, axes, where, True)
    if mean is None:
        total = red.sum_(_selected(x, where, 0), axes=axes) if axes else _selected(x, where, 0)
        center = _ratio(_finish(total, x.shape, axes, True), count)
    else:
        center = as_value(mean, x.dtype)
    squares = _selected(squared_size(ew.subtract(x, center)), where, 0)
    if not isinstance(count, float) and count.dtype.kind == "c":
        count = ew.real(count)
    total = red.sum_(squares, axes=axes) if axes else squares
    total = _finish(total, x.shape, axes, keepdims)
    if isinstance(count, float):
        count = max_of(count - ddof, 0.0)
    else:
        if not keepdims and axes:
            count = reshape(count, shape=total.shape)
        count = ew.maximum(ew.subtract(count, scalar(ddof, count.dtype)), scalar(0, count.dtype))
    return _ratio(total, count)


def squared_size(x):
    """x**2, or |x|**2 of a complex value."""
    if x.dtype.kind != "c":
        return ew.square(x)
    return ew.add(ew.square(ew.real(x)), ew.square(ew.imag(x)))


def max_of(a, b):
    """The larger of two Python numbers (``max`` is NumPy's here)."""
    return a if a > b else b


@surface()
def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None,
        correction=None):  # fmt: skip
    """See ``numpy.std``."""
    return ew.sqrt(
        var.traced(
            a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction
        )
    )


def _extreme(reduction, combine, combine_bools, a, axis, out, keepdims, initial, where):
    no_out(out)
    x = as_value(a)
    if x.dtype == BOOL:
        combine = combine_bools
    axes = reduced_axes(axis, x.ndim)
    if where is not True and where is not None:
        if initial is None:
            raise ValueError("max and min with where= need initial=")
        x = ew.select(as_value(where, BOOL), x, as_value(initial, x.dtype))
    if initial is not None and _count(x.shape, axes) == 0:
        y = as_value(initial, x.dtype)
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        from ..primitives.base import broadcast

        return _finish(broadcast(y, shape), x.shape, axes, keepdims)
    y = _finish(reduction(x, axes=axes), x.shape, axes, keepdims) if axes else x
    return y if initial is None else combine(y, as_value(initial, x.dtype))


@surface()
def max(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.max``."""
    return _extreme(red.max_, ew.maximum, ew.logical_or, a, axis, out, keepdims, initial, where)


@surface()
def min(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.min``."""
    return _extreme(red.min_, ew.minimum, ew.logical_and, a, axis, out, keepdims, initial, where)


amax, amin = max, min


@surface()
def ptp(a, axis=None, out=None, keepdims=False):
    """See ``numpy.ptp``."""
    x = as_value(a)
    top = max.traced(x, axis, out, keepdims)
    return ew.subtract(top, min.traced(x, axis, out, keepdims))


def _truths(reduction, neutral, a, axis, out, keepdims, where):
    no_out(out)
    x = truth(as_value(a))
    x = _selected(x, where, neutral)
    axes = reduced_axes(axis, x.ndim)
    if not axes:
        return x
    if _count(x.shape, axes) == 0:
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        return _finish(filled(shape, neutral, BOOL), x.shape, axes, keepdims)
    return _finish(reduction(x, axes=axes), x.shape, axes, keepdims)


@surface()
def any(a, axis=None, out=None, keepdims=False, *, where=True):
    """See ``numpy.any``."""
    return _truths(red.max_, False, a, axis, out, keepdims, where)


@surface()
def all(a, axis=None, out=None, keepdims=False, *, where=True):
    """See ``numpy.all``."""
    return _truths(red.min_, True, a, axis, out, keepdims, where)


@surface()
def count_nonzero(a, axis=None, *, keepdims=False):
    """See ``numpy.count_nonzero``."""
    x = cast(truth(as_value(a)), INT64)
    axes = reduced_axes(axis, x.ndim)
    return _finish(red.sum_(x, axes=axes), x.shape, axes, keepdims) if axes else x


def _position(reduction, a, axis, out, keepdims):
    no_out(out)
    x = as_value(a)
    if x.dtype == BOOL:
        x = cast(x, np.dtype(np.uint8))
    shape = x.shape
    if axis is None:
        y = reduction(reshape(x, shape=(x.size,)), axis=0)
        return reshape(y, shape=(1,) * len(shape)) if keepdims and shape else y
    if not shape and axis in (0, -1):
        return filled((), 0, INT64)
    axis = one_axis(axis, len(shape))
    return _finish(reduction(x, axis=axis), shape, (axis,), keepdims)


@surface()
def argmax(a, axis=None, out=None, *, keepdims=False):
    """See ``numpy.argmax``."""
    return _position(red.argmax, a, axis, out, keepdims)


@surface()
def argmin(a, axis=None, out=None, *, keepdims=False):
    """See ``numpy.argmin``."""
    return _position(red.argmin, a, axis, out, keepdims)


def _cumulative(primitive, a, axis, dtype, out):
    no_out(out)
    x = as_value(a)
    x = cast(x, _wide(x.dtype) if dtype is None else check_dtype(dtype))
    if axis is None or not x.ndim:
        if axis is not None:
            one_axis(axis, 1)
        x, axis = reshape(x, shape=(x.size,)), 0
    return primitive(x, axis=one_axis(axis, x.ndim), reverse=False)


@surface()
def cumsum(a, axis=None, dtype=None, out=None):
    """See ``numpy.cumsum``."""
    return _cumulative(red.cumsum, a, axis, dtype, out)


@surface()
def cumprod(a, axis=None, dtype=None, out=None):
    """See ``numpy.cumprod``."""
    return _cumulative(red.cumprod, a, axis, dtype, out)


@surface()
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    """See ``numpy.average``."""
    if weights is None:
        result = mean.traced(a, axis, keepdims=keepdims)
        x = as_value(a)
        count = filled(result.shape, _count(x.shape, axes_of(axis, x.ndim)), result.dtype)
        return (result, count) if returned else result
    x, w = promoted(a, weights)
    if x.dtype.kind not in "fc":
        x, w = cast(x, FLOAT64), cast(w, FLOAT64)
    if w.shape != x.shape:
        if axis is None or w.ndim != 1:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        position = one_axis(axis, x.ndim)
        if w.shape[0] != x.shape[position]:
            raise ValueError("Length of weights not compatible with specified axis.")
        w = reshape(w, shape=tuple(w.shape[0] if i == position else 1 for i in range(x.ndim)))
    axes = axes_of(axis, x.ndim)
    weighted = red.sum_(ew.multiply(x, w), axes=axes)
    if w.shape == x.shape:
        scale = red.sum_(w, axes=axes)
    else:
        scale = red.sum_(w, axes=tuple(range(w.ndim)))
    result = _finish(ew.divide(weighted, scale), x.shape, axes, keepdims)
    if returned:
        from ..primitives.base import broadcast

        return result, broadcast(scale, result.shape)
    return result


def _without_nan(a, number):
    x = as_value(a)
    if x.dtype.kind not in "fc":
        return x
    return ew.select(ew.isnan(x), scalar(number, x.dtype), x)


@surface()
def nansum(a, axis=None, dtype=None, out=None, keepdims=False):
    """See ``numpy.nansum``."""
    return sum.traced(_without_nan(a, 0), axis, dtype, out, keepdims)


@surface()
def nanprod(a, axis=None, dtype=None, out=None, keepdims=False):
    """See ``numpy.nanprod``."""
    return prod.traced(_without_nan(a, 1), axis, dtype, out, keepdims)


@surface()
def nanmean(a, axis=None, dtype=None, out=None, keepdims=False):
    """See ``numpy.nanmean``."""
    x = as_value(a)
    if x.dtype.kind not in "fc":
        return mean.traced(x, axis, dtype, out, keepdims)
    axis = axis if x.ndim else reduced_axes(axis, 0)
    return mean.traced(x, axis, dtype, out, keepdims, where=ew.logical_not(ew.isnan(x)))
