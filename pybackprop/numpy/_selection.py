"""Functions that choose between elements or compare arrays: where, clip, round and others."""

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import shaping
from ._common import (
    BOOL,
    FLOAT64,
    as_value,
    holds_value,
    is_number,
    no_out,
    one_axis,
    promoted,
    refuse_conversion,
    scalar,
)
from ._eager import surface
from ._ufuncs import (
    OPERATIONS,
    absolute,
    add,
    equal,
    isfinite,
    less_equal,
    logical_and,
    logical_or,
    multiply,
    subtract,
    truth,
)


@surface(3)
def where(condition, x=None, y=None, /):
    """See ``numpy.where``, of three arguments. No NaN or infinity of the side not taken leaks."""
    if x is None or y is None:
        if (x is None) != (y is None):
            raise ValueError("either both or neither of x and y should be given")
        refuse_conversion(
            as_value(condition),
            "where with one argument",
            "the number of positions would depend on data; use np.where(condition, x, y)",
        )
    condition = truth(as_value(condition))
    if not (type(x) is Value and type(y) is Value and x.dtype is y.dtype):
        x, y = promoted(x, y)
    return ew.select(condition, x, y)


@surface(3)
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None, dtype=None):
    """See ``numpy.clip``: ``minimum(maximum(a, a_min), a_max)``, also in its derivative."""
    no_out(out)
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    y = as_value(a) if not is_number(a) else a
    if low is not None:
        y = OPERATIONS["maximum"](y, low)
    if high is not None:
        y = OPERATIONS["minimum"](y, high)
    return as_value(y)


@surface()
def round(a, decimals=0, out=None):
    """See ``numpy.round``; halves go to even."""
    no_out(out)
    x = as_value(a)
    if x.dtype.kind not in "fc":
        if x.dtype == BOOL:
            return ew.rint(as_value(x, np.dtype(np.float64)))
        if decimals < 0:
            wide, factor = as_value(x, FLOAT64), scalar(10.0**-decimals, FLOAT64)
            rounded = ew.multiply(ew.rint(ew.divide(wide, factor)), factor)
            return ew.convert(rounded, dtype=x.dtype)
        return x
    if decimals == 0:
        return ew.rint(x)
    factor = scalar(10.0 ** abs(decimals), x.dtype)
    if decimals > 0:
        return ew.divide(ew.rint(ew.multiply(x, factor)), factor)
    return ew.multiply(ew.rint(ew.divide(x, factor)), factor)


around = round


@surface(2)
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """See ``numpy.isclose``."""
    a, b = promoted(a, b)
    if a.dtype.kind not in "fc":
        a, b = as_value(a, np.dtype(np.float64)), as_value(b, np.dtype(np.float64))
    bound = add.traced(multiply.traced(absolute.traced(b), rtol), atol)
    near = less_equal.traced(absolute.traced(subtract.traced(a, b)), bound)
    result = logical_or.traced(logical_and.traced(near, isfinite.traced(b)), equal.traced(a, b))
    if equal_nan:
        result = ew.logical_or(result, ew.logical_and(ew.isnan(a), ew.isnan(b)))
    return result


@surface(2)
def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """See ``numpy.allclose``."""
    from ._reduction import all

    return all.traced(isclose.traced(a, b, rtol, atol, equal_nan))


@surface(2)
def array_equal(a1, a2, equal_nan=False):
    """See ``numpy.array_equal``."""
    from ._reduction import all

    a, b = promoted(a1, a2)
    if a.shape != b.shape:
        return scalar(False, BOOL)
    same = ew.equal(a, b)
    if equal_nan and a.dtype.kind in "fc":
        same = ew.logical_or(same, ew.logical_and(ew.isnan(a), ew.isnan(b)))
    return all.traced(same)


@surface(2)
def array_equiv(a1, a2):
    """See ``numpy.array_equiv``: whether the arrays are equal as broadcast."""
    from ..primitives.base import broadcast_shapes
    from ._reduction import all

    a, b = promoted(a1, a2)
    try:
        broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return scalar(False, BOOL)
    return all.traced(ew.equal(a, b))


@surface()
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """See ``numpy.nan_to_num``."""
    value = as_value(x)
    if value.dtype.kind == "c":
        parts = (ew.real(value), ew.imag(value))
        return ew.make_complex(*[nan_to_num.traced(p, copy, nan, posinf, neginf) for p in parts])
    if value.dtype.kind != "f":
        return value
    limits = np.finfo(value.dtype)
    high = scalar(float(limits.max) if posinf is None else posinf, value.dtype)
    low = scalar(float(limits.min) if neginf is None else neginf, value.dtype)
    infinite = ew.isinf(value)
    positive = ew.less(scalar(0.0, value.dtype), value)
    finite = ew.select(ew.isnan(value), scalar(nan, value.dtype), value)
    return ew.select(infinite, ew.select(positive, high, low), finite)


@surface()
def diff(a, n=1, axis=-1, prepend=None, append=None):
    """See ``numpy.diff``."""
    x = as_value(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    axis = one_axis(axis, x.ndim)
    pieces = []
    for extra, first in ((prepend, True), (append, False)):
        if extra is not None:
            extra = as_value(extra)
            if not extra.ndim:
                from ..primitives.base import broadcast

                extra = broadcast(extra, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
            pieces.insert(0 if first else len(pieces), extra)
        if first:
            pieces.append(x)
    if len(pieces) > 1:
        x = shaping.concatenate(*promoted(*pieces), axis=axis)
    for _ in range(n):
        extent = x.shape[axis]
        if extent == 0:
            return x
        later = shaping.slice_axis(x, axis, 1, extent)
        earlier = shaping.slice_axis(x, axis, 0, extent - 1)
        x = ew.not_equal(later, earlier) if x.dtype == BOOL else ew.subtract(later, earlier)
    return x


@surface()
def real(val):
    """See ``numpy.real``."""
    x = as_value(val)
    return ew.real(x) if x.dtype.kind == "c" else x


def real_if_close(a, tol=100):
    """See ``numpy.real_if_close``; of traced complex values the dtype would depend on the data."""
    if not holds_value(a):
        return np.real_if_close(a, tol)
    x = as_value(a)
    if x.dtype.kind == "c":
        refuse_conversion(x, "real_if_close", "its dtype would depend on data; use np.real")
    return x


@surface()
def imag(val):
    """See ``numpy.imag``."""
    from ..primitives.base import zeros

    x = as_value(val)
    return ew.imag(x) if x.dtype.kind == "c" else zeros(x.shape, x.dtype)


@surface()
def iscomplex(x):
    """See ``numpy.iscomplex``."""
    part = imag.traced(x)
    return ew.not_equal(part, scalar(0, part.dtype))


@surface()
def isreal(x):
    """See ``numpy.isreal``."""
    return ew.logical_not(iscomplex.traced(x))


@surface()
def angle(z, deg=False):
    """See ``numpy.angle``."""
    from ._ufuncs import arctan2, rad2deg

    z = as_value(z)
    turn = arctan2.traced(imag.traced(z), real.traced(z))
    return rad2deg.traced(turn) if deg else turn
