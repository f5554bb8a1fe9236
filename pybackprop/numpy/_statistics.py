"""Order statistics, reductions that leave NaN out, and covariances, on values.

Quantiles are interpolated between two gathers from the sorted rows, so their derivative is the
weight of each of the two elements.

References
----------
R. J. Hyndman and Y. Fan (1996), Sample quantiles in statistical packages, The American
Statistician 50(4), 361-365: the nine methods that NumPy names.
"""

import math

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import indexing, ordering
from ..primitives import reduction as red
from ..primitives.base import broadcast, filled
from ._common import (
    BOOL,
    FLOAT64,
    INT64,
    as_value,
    axes_of,
    cast,
    holds_value,
    no_out,
    promoted,
    reduced_axes,
    scalar,
    unsupported,
)
from ._eager import composed
from ._products import conjugated, matmul
from ._reduction import (
    argmax,
    argmin,
    average,
    cumprod,
    cumsum,
    max,
    min,
    var,
)
from ._shaping import permute, to_shape

# The shift of each continuous method: (alpha, beta) in n q + alpha + q (1 - alpha - beta) - 1.
_SHIFTS = {
    "averaged_inverted_cdf": None, "interpolated_inverted_cdf": (0, 1), "hazen": (0.5, 0.5),
    "weibull": (0, 0), "linear": None, "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8), "midpoint": None,
}  # fmt: skip
_DISCRETE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")


def _even(x):
    two = scalar(2, x.dtype)
    return ew.equal(ew.remainder(x, two), scalar(0, x.dtype))


def _rounded(product):
    """A product that is rounded before anything is added, for comparisons that depend on it."""
    return ew.stop_gradient(product)


def _virtual(method, n, q):
    """Where the quantile lies among the sorted elements 0 ... n - 1, and how far between two.

    ``n`` and ``q`` are values of one floating dtype that broadcast.

    Returns
    -------
    (position, weight of the next element)
        The weight is None where the position is one of an element.
    """
    one, zero = scalar(1, q.dtype), scalar(0, q.dtype)
    inclusive = ew.multiply(ew.subtract(n, one), q)
    if method in ("lower", "higher", "nearest"):
        rounded = {"lower": ew.floor, "higher": ew.ceil, "nearest": ew.rint}[method]
        return rounded(inclusive), None
    if method in ("inverted_cdf", "closest_observation"):
        position = ew.subtract(_rounded(ew.multiply(n, q)), one)
        if method == "closest_observation":
            position = ew.subtract(position, scalar(0.5, q.dtype))
        low = ew.floor(position)
        stays = ew.equal(position, low)
        if method == "closest_observation":
            stays = ew.logical_and(stays, ew.logical_not(_even(low)))
        return ew.maximum(ew.select(stays, low, ew.add(low, one)), zero), None
    if method == "linear":
        position = inclusive
    elif method == "midpoint":
        ends = ew.add(ew.floor(inclusive), ew.ceil(inclusive))
        position = ew.multiply(scalar(0.5, q.dtype), ends)
    elif method == "averaged_inverted_cdf":
        position = ew.subtract(_rounded(ew.multiply(n, q)), one)
    else:
        alpha, beta = _SHIFTS[method]
        shift = ew.add(scalar(alpha, q.dtype), ew.multiply(q, scalar(1 - alpha - beta, q.dtype)))
        position = ew.subtract(ew.add(ew.multiply(n, q), shift), one)
    weight = ew.subtract(position, ew.floor(position))
    if method == "averaged_inverted_cdf":
        half = scalar(0.5, q.dtype)
        weight = ew.select(ew.equal(weight, zero), half, one)
    elif method == "midpoint":
        whole = ew.equal(weight, zero)
        weight = ew.select(whole, zero, scalar(0.5, q.dtype))
    return position, weight


def _interpolated(low, high, weight):
    """Between two elements, exact at both and monotonic, in NumPy's arithmetic."""
    span = ew.subtract(high, low)
    one, half = scalar(1, weight.dtype), scalar(0.5, weight.dtype)
    low, high, span = (cast(x, weight.dtype) for x in (low, high, span))
    from_low = ew.add(low, ew.multiply(span, weight))
    from_high = ew.subtract(high, ew.multiply(span, ew.subtract(one, weight)))
    return ew.select(ew.less(weight, half), from_low, from_high)


def _rows(x, axis):
    """``x`` as rows along one or several axes, with the shape that is left."""
    axes = axes_of(axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in kept)
    count = math.prod(x.shape[i] for i in axes)
    rows = to_shape(permute(x, (*kept, *axes)), (math.prod(shape), count))
    return rows, axes, shape


def _sorted_rows(rows):
    outer, n = rows.shape
    read = indexing.gather(to_shape(rows, (outer, n, 1)), ordering.argsort(rows))
    return to_shape(read, (outer, n))


def _pick(rows, places):
    """Elements of each row at its places, (outer, count)."""
    outer, n = rows.shape
    read = indexing.gather(to_shape(rows, (outer, n, 1)), places)
    return to_shape(read, places.shape)


def _at_fractions(x, q, axis, method, keepdims, skip_nan):
    """Quantiles: the shape of ``q`` first, then that of ``x`` without the axes."""
    if method not in _SHIFTS and method not in _DISCRETE:
        names = sorted((*_SHIFTS, *_DISCRETE))
        raise ValueError(f"{method!r} is not a valid method. Use one of: {names}")
    interpolates = method in _SHIFTS
    source = x.dtype
    if x.dtype == BOOL:
        raise TypeError("numpy boolean subtract, the `-` operator, is not supported")
    rows, axes, shape = _rows(x, axis)
    outer, n = rows.shape
    fractions = to_shape(q, (1, q.size))
    result = _result_dtype(x, q, interpolates)
    if n == 0 and not skip_nan:
        raise IndexError("index -1 is out of bounds for axis 0 with size 0")
    if n == 0:
        values = filled((outer, q.size), np.nan, result)
        return _placed(values, q, x, axes, shape, keepdims)
    rows = _sorted_rows(rows)
    work = fractions.dtype
    if source.kind == "f":
        missing = red.sum_(cast(ew.isnan(rows), INT64), axes=(1,))
        missing = to_shape(missing, (outer, 1))
    if skip_nan and source.kind == "f":
        length = ew.subtract(scalar(n, INT64), missing)
        number = cast(length, work)
    else:
        length, number = scalar(n, INT64), scalar(n, work)
    position, weight = _virtual(method, number, fractions)
    last = ew.maximum(ew.subtract(length, scalar(1, INT64)), scalar(0, INT64))
    zero = scalar(0, INT64)
    low = ew.floor(position)
    low = cast(ew.select(ew.isnan(position), scalar(0, work), low), INT64)
    first = broadcast(ew.minimum(ew.maximum(low, zero), last), (outer, q.size))
    values = _pick(rows, first)
    if interpolates:
        above = ew.add(low, scalar(1, INT64))
        second = broadcast(ew.minimum(ew.maximum(above, zero), last), (outer, q.size))
        weight = cast(broadcast(weight, (outer, q.size)), result)
        # Beyond both ends the two elements are one.
        values = _interpolated(values, _pick(rows, second), weight)
    values = cast(values, result)
    if source.kind == "f":
        none = ew.equal(missing, scalar(n, INT64))
        bad = none if skip_nan else ew.less(zero, missing)
        values = ew.select(bad, scalar(np.nan, result), values)
    if result.kind == "f":
        unknown = ew.isnan(fractions)
        if not _known_false(unknown):
            values = ew.select(unknown, scalar(np.nan, result), values)
    return _placed(values, q, x, axes, shape, keepdims)


def _weighted(x, q, axis, keepdims, weights, skip_nan):
    """Quantiles of weighted elements, where the sum of weights first reaches the fraction."""
    if not holds_value(weights) and np.any(np.asarray(weights) < 0):
        raise ValueError("Weights must be non-negative.")
    weights = as_value(weights)
    rows, axes, shape = _rows(x, axis)
    outer, n = rows.shape
    if weights.shape != x.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        if weights.shape != tuple(x.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along axis.")
        spaced = tuple(m if i in axes else 1 for i, m in enumerate(x.shape))
        weights = broadcast(to_shape(weights, spaced), x.shape)
    weights = cast(_rows(weights, axis)[0], FLOAT64)
    if not n:
        raise IndexError("index -1 is out of bounds for axis 0 with size 0")
    places = ordering.argsort(rows)
    rows, weights = _pick(rows, places), _pick(weights, places)
    skip_nan = skip_nan and x.dtype.kind == "f"
    if skip_nan:
        weights = ew.select(ew.isnan(rows), scalar(0, FLOAT64), weights)
    share = cumsum.traced(weights, 1)
    total = share[:, n - 1 :]
    share = cast(ew.divide(share, total), q.dtype)
    zero = scalar(0, q.dtype)
    # What has no weight yet is before every fraction, 0 too.
    share = ew.select(ew.equal(share, zero), scalar(-1, q.dtype), share)
    wanted = broadcast(to_shape(q, (1, q.size)), (outer, q.size))
    found = ew.minimum(ordering.search(share, wanted, right=False), scalar(n - 1, INT64))
    values = _pick(rows, found)
    if x.dtype.kind == "f":
        # Elements that are NaN stand last.
        unknown = ew.isnan(rows[:, :1] if skip_nan else rows[:, n - 1 :])
        bad = ew.logical_or(unknown, ew.logical_not(ew.isfinite(total)))
        values = ew.select(bad, scalar(np.nan, x.dtype), values)
    return _placed(values, q, x, axes, shape, keepdims)


def _known_false(value):
    from ..graph import CONSTANT

    return value.node.primitive is CONSTANT and not value.node.attributes["value"].any()


def _result_dtype(x, q, interpolates):
    if not interpolates:
        return x.dtype
    if x.dtype.kind != "f":
        return np.result_type(FLOAT64, q.dtype)
    return x.dtype if q.weak or not q.ndim else np.result_type(x.dtype, q.dtype)


def _placed(values, q, x, axes, shape, keepdims):
    count = q.size
    if keepdims:
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    turned = permute(values, (1, 0)) if count != 1 else values
    return to_shape(turned, (*q.shape, *shape))


def _fractions(q, x, most):
    """``q`` as a value of a floating dtype between 0 and 1."""
    if not holds_value(q):
        numbers = np.asarray(q)
        name = "Quantiles" if most == 1 else "Percentiles"
        if numbers.size and not (np.all(numbers >= 0) and np.all(numbers <= most)):
            raise ValueError(f"{name} must be in the range [0, {most}]")
        weak = not isinstance(q, (np.ndarray, np.generic)) and not numbers.ndim
        narrow = weak and x.dtype.kind == "f"
        dtype = x.dtype if narrow else np.result_type(numbers.dtype, np.float32)
        dtype = dtype if numbers.dtype.kind == "f" or narrow else FLOAT64
        value = as_value(np.asarray(numbers / most if most != 1 else numbers, dtype))
        return value
    value = as_value(q)
    if value.dtype.kind != "f":
        value = cast(value, FLOAT64)
    return value if most == 1 else ew.divide(value, scalar(most, value.dtype))


def _quantile(a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation, most,
              skip_nan=False):  # fmt: skip
    no_out(out)
    if interpolation is not None:
        method = interpolation
    x = as_value(a)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        return _weighted(x, _fractions(q, x, most), axis, keepdims, weights, skip_nan)
    return _at_fractions(x, _fractions(q, x, most), axis, method, keepdims, skip_nan)


@composed(2)
def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False,
             *, weights=None, interpolation=None):  # fmt: skip
    """See ``numpy.quantile``; all methods; weights as NumPy has them. ``q`` may be traced."""
    return _quantile(a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation, 1)


@composed(2)
def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False,
               *, weights=None, interpolation=None):  # fmt: skip
    """See ``numpy.percentile``; all methods; weights as NumPy has them. ``q`` may be traced."""
    return _quantile(
        a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation, 100
    )


@composed(2)
def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False,
                *, weights=None, interpolation=None):  # fmt: skip
    """See ``numpy.nanquantile``; NaN where there is nothing else."""
    return _quantile(
        a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation, 1, True
    )


@composed(2)
def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear",
                  keepdims=False, *, weights=None, interpolation=None):  # fmt: skip
    """See ``numpy.nanpercentile``; NaN where there is nothing else."""
    return _quantile(
        a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation, 100, True
    )


def _middle(a, axis, out, keepdims, skip_nan):
    no_out(out)
    x = as_value(a)
    rows, axes, shape = _rows(x, axis)
    outer, n = rows.shape
    floating = x.dtype.kind in "fc"
    result = x.dtype if floating else FLOAT64
    if n == 0:
        y = filled((outer,), np.nan, result)
    else:
        rows = _sorted_rows(rows)
        one, two = scalar(1, INT64), scalar(2, INT64)
        length = filled((outer, 1), n, INT64)
        if floating:
            missing = to_shape(red.sum_(cast(ew.isnan(rows), INT64), axes=(1,)), (outer, 1))
            if skip_nan:
                length = ew.subtract(length, missing)
        above = ew.floor_divide(length, two)
        below = ew.maximum(ew.floor_divide(ew.subtract(length, one), two), scalar(0, INT64))
        above = ew.minimum(above, scalar(n - 1, INT64))
        if skip_nan or n % 2 == 0:
            total = ew.add(cast(_pick(rows, below), result), cast(_pick(rows, above), result))
            y = ew.multiply(total, scalar(0.5, result))
        else:
            y = cast(_pick(rows, above), result)
        if floating and not skip_nan:
            y = ew.select(ew.less(scalar(0, INT64), missing), scalar(np.nan, result), y)
        y = to_shape(y, (outer,))
    if keepdims:
        shape = tuple(1 if i in axes else m for i, m in enumerate(x.shape))
    return to_shape(y, shape)


@composed()
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """See ``numpy.median``; of an even number of elements, half the slope to each of two."""
    return _middle(a, axis, out, keepdims, False)


@composed()
def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """See ``numpy.nanmedian``."""
    return _middle(a, axis, out, keepdims, True)


# ---- without NaN --------------------------------------------------------------------------------


def _known(a):
    x = as_value(a)
    return x, (ew.logical_not(ew.isnan(x)) if x.dtype.kind == "f" else True)


def _nan_extreme(a, axis, out, keepdims, initial, where, extreme, neutral):
    no_out(out)
    x, known = _known(a)
    if known is True:
        return extreme.traced(x, axis, None, keepdims, initial, where)
    result = x.dtype
    if where is not True and initial is None:
        raise ValueError("nanmax and nanmin with where= need initial=")
    without = ew.select(known, x, scalar(neutral, result))
    y = extreme.traced(without, axis, None, keepdims, initial, where)
    chosen = known if where is True else ew.logical_and(known, as_value(where, BOOL))
    some = max.traced(chosen, axis, None, keepdims)
    if initial is not None:
        return y
    return ew.select(some, y, scalar(np.nan, result))


@composed()
def nanmax(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.nanmax``; NaN where there is nothing else."""
    return _nan_extreme(a, axis, out, keepdims, initial, where, max, -np.inf)


@composed()
def nanmin(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """See ``numpy.nanmin``; NaN where there is nothing else."""
    return _nan_extreme(a, axis, out, keepdims, initial, where, min, np.inf)


def _nan_position(a, axis, out, keepdims, position, neutral):
    no_out(out)
    x, known = _known(a)
    if known is True:
        return position.traced(x, axis, None, keepdims=keepdims)
    without = ew.select(known, x, scalar(neutral, x.dtype))
    y = position.traced(without, axis, None, keepdims=keepdims)
    some = max.traced(known, axis, None, keepdims)
    extent = x.size if axis is None or not x.ndim else x.shape[axis]
    # A position outside of the array where NumPy raises, so that the run raises as well.
    y = ew.select(some, y, scalar(extent, INT64))
    return indexing.wrap_index(y, bound=extent)


@composed()
def nanargmax(a, axis=None, out=None, *, keepdims=False):
    """See ``numpy.nanargmax``; IndexError when it runs on nothing but NaN."""
    return _nan_position(a, axis, out, keepdims, argmax, -np.inf)


@composed()
def nanargmin(a, axis=None, out=None, *, keepdims=False):
    """See ``numpy.nanargmin``; IndexError when it runs on nothing but NaN."""
    return _nan_position(a, axis, out, keepdims, argmin, np.inf)


def _both(known, where):
    if known is True or where is True:
        return where if known is True else known
    return ew.logical_and(known, as_value(where, BOOL))


@composed()
def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None,
           correction=None):  # fmt: skip
    """See ``numpy.nanvar``; NaN where too few elements are left."""
    x, known = _known(a)
    if mean is not None:
        unsupported("mean= of nanvar is not supported on traced values")
    ddof = ddof if correction is None else correction
    axis = axis if x.ndim or known is True else reduced_axes(axis, 0)
    y = var.traced(x, axis, dtype, out, ddof, keepdims, where=_both(known, where))
    if known is True:
        return y
    count = red.sum_(cast(known, INT64), axes=axes_of(axis, x.ndim))
    return ew.select(
        ew.less_equal(to_shape(count, y.shape), scalar(int(np.ceil(ddof)), INT64))
        if float(ddof).is_integer()
        else ew.less_equal(cast(to_shape(count, y.shape), FLOAT64), scalar(ddof, FLOAT64)),
        scalar(np.nan, y.dtype),
        y,
    )


@composed()
def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None,
           correction=None):  # fmt: skip
    """See ``numpy.nanstd``; NaN where too few elements are left."""
    return ew.sqrt(
        nanvar.traced(
            a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction
        )
    )


def _nan_cumulative(a, axis, dtype, out, cumulative, neutral):
    x, known = _known(a)
    if known is not True:
        x = ew.select(known, x, scalar(neutral, x.dtype))
    return cumulative.traced(x, axis, dtype, out)


@composed()
def nancumsum(a, axis=None, dtype=None, out=None):
    """See ``numpy.nancumsum``."""
    return _nan_cumulative(a, axis, dtype, out, cumsum, 0)


@composed()
def nancumprod(a, axis=None, dtype=None, out=None):
    """See ``numpy.nancumprod``."""
    return _nan_cumulative(a, axis, dtype, out, cumprod, 1)


# ---- covariances --------------------------------------------------------------------------------


def _observations(m, rowvar):
    x = as_value(m)
    if x.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    x = to_shape(x, (1, x.size)) if x.ndim < 2 else x
    return x if rowvar or x.shape[0] == 1 else permute(x, (1, 0))


@composed()
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *,
        dtype=None):  # fmt: skip
    """See ``numpy.cov``; weights may be traced."""
    from ..primitives.shaping import concatenate

    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    scalar_result = y is None and as_value(m).ndim < 2
    x = _observations(m, rowvar)
    if y is not None:
        other = as_value(y)
        if other.ndim > 2:
            raise ValueError("y has more than 2 dimensions")
        other = to_shape(other, (1, other.size)) if other.ndim < 2 else other
        if not rowvar and other.shape[0] != 1:
            other = permute(other, (1, 0))
        x = concatenate(*promoted(x, other), axis=0)
    kind = np.result_type(x.dtype, np.float64) if dtype is None else np.dtype(dtype)
    x = cast(x, kind)
    ddof = (0 if bias else 1) if ddof is None else int(ddof)
    weights = None
    for given, name in ((fweights, "fweights"), (aweights, "aweights")):
        if given is None:
            continue
        one = as_value(given)
        if one.ndim != 1:
            raise RuntimeError(f"cannot handle multidimensional {name}")
        if one.shape[0] != x.shape[1]:
            raise RuntimeError(f"incompatible numbers of samples and {name}")
        if name == "fweights" and one.dtype.kind not in "iu":
            raise TypeError("fweights must be integer")
        one = cast(one, kind)
        weights = one if weights is None else ew.multiply(weights, one)
    center = average.traced(x, 1, weights)
    if weights is None:
        fact = scalar(float(np.max([x.shape[1] - ddof, 0])), kind)
    else:
        total = red.sum_(weights, axes=(0,))
        fact = total
        if ddof and aweights is None:
            fact = ew.subtract(total, scalar(ddof, kind))
        elif ddof:
            squares = ew.multiply(weights, cast(as_value(aweights), kind))
            share = ew.divide(red.sum_(squares, axes=(0,)), total)
            fact = ew.subtract(total, ew.multiply(scalar(ddof, kind), share))
        fact = ew.maximum(fact, scalar(0, kind))
    x = ew.subtract(x, to_shape(center, (x.shape[0], 1)))
    weighted = x if weights is None else ew.multiply(x, to_shape(weights, (1, x.shape[1])))
    c = ew.divide(matmul.traced(x, permute(conjugated(weighted), (1, 0))), fact)
    return to_shape(c, ()) if c.size == 1 or scalar_result else c


@composed()
def corrcoef(x, y=None, rowvar=True, *, dtype=None, **ignored):
    """See ``numpy.corrcoef``."""
    from ._picking import diagonal
    from ._selection import clip

    c = cov.traced(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return ew.divide(c, c)
    variances = diagonal.traced(c)
    is_complex = c.dtype.kind == "c"
    spread = ew.sqrt(ew.real(variances) if is_complex else variances)
    spread = cast(spread, c.dtype)
    n = spread.shape[0]
    c = ew.divide(ew.divide(c, to_shape(spread, (n, 1))), to_shape(spread, (1, n)))
    if is_complex:
        return ew.make_complex(*[clip.traced(p, -1, 1) for p in (ew.real(c), ew.imag(c))])
    return clip.traced(c, -1, 1)
