"""Sorting, searching and counting, on values.

All orders are stable, whatever ``kind`` asks for, with NaN last. Sorted values are gathers at the
positions of one ``argsort`` node, so their derivative goes to the elements that were sorted; of
equal ones, to each at its own place.
"""

import math

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import indexing, ordering, shaping
from ..primitives import reduction as red
from ..primitives.base import filled, zeros
from ..primitives.shaping import inverse_permutation
from ._common import (
    BOOL,
    FLOAT64,
    INT64,
    as_value,
    cast,
    common_dtype,
    holds_value,
    is_number,
    one_axis,
    promoted,
    refuse_conversion,
    scalar,
    static_index,
)
from ._eager import composed
from ._picking import take_along_axis
from ._shaping import flip, permute, to_shape

_KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")


def rows_of(x, axis):
    """``x`` as rows along an axis, with what puts a result of the same shape back."""
    order = (*[i for i in range(x.ndim) if i != axis], axis)
    moved = permute(x, order)
    outer = math.prod(moved.shape[:-1])

    def back(y):
        return permute(to_shape(y, moved.shape), inverse_permutation(order))

    return to_shape(moved, (outer, moved.shape[-1])), back


def sorted_positions(x, axis):
    """The stable permutation that sorts ``x`` along an axis."""
    rows, back = rows_of(x, axis)
    return back(ordering.argsort(rows))


def sorted_values(x, axis):
    """``x`` sorted along an axis, NaN last."""
    rows, back = rows_of(x, axis)
    outer, n = rows.shape
    read = indexing.gather(to_shape(rows, (outer, n, 1)), ordering.argsort(rows))
    return back(to_shape(read, (outer, n)))


def _prepared(a, axis, kind, order, values):
    x = as_value(a)
    if kind not in _KINDS:
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if axis is None:
        return to_shape(x, (x.size,)), 0
    if not x.ndim:
        if axis in (0, -1) and not values:
            return to_shape(x, (1,)), 0
        raise np.exceptions.AxisError(axis, 0)
    return x, one_axis(axis, x.ndim)


@composed()
def sort(a, axis=-1, kind=None, order=None, *, stable=None, descending=False):
    """See ``numpy.sort``; always stable, and from the largest if ``descending``."""
    x, axis = _prepared(a, axis, kind, order, True)
    y = sorted_values(x, axis)
    return shaping.flip(y, axes=(axis,)) if descending else y


@composed()
def argsort(a, axis=-1, kind=None, order=None, *, stable=None, descending=False):
    """See ``numpy.argsort``; always stable, and from the largest if ``descending``."""
    x, axis = _prepared(a, axis, kind, order, False)
    if not descending:
        return sorted_positions(x, axis)
    # Equal elements keep their order: the last of the reversed ones comes first.
    turned = sorted_positions(shaping.flip(x, axes=(axis,)), axis)
    last = scalar(x.shape[axis] - 1, turned.dtype)
    return ew.subtract(last, shaping.flip(turned, axes=(axis,)))


def _check_kth(kth, extent):
    if not extent:
        return
    for k in np.ravel([static_index(k, "a position of partition") for k in np.ravel(kth)]):
        if not -extent <= k < extent:
            raise ValueError(f"kth(={k}) out of bounds ({extent})")


@composed()
def partition(a, kth, axis=-1, kind="introselect", order=None):
    """See ``numpy.partition``; the result is sorted throughout, as NumPy allows it to be."""
    x, axis = _prepared(a, axis, None, order, True)
    _check_kth(kth, x.shape[axis])
    return sorted_values(x, axis)


@composed()
def argpartition(a, kth, axis=-1, kind="introselect", order=None):
    """See ``numpy.argpartition``; the positions that sort throughout."""
    x, axis = _prepared(a, axis, None, order, False)
    _check_kth(kth, x.shape[axis])
    return sorted_positions(x, axis)


@composed()
def lexsort(keys, axis=-1):
    """See ``numpy.lexsort``: by the last key first."""
    keys = [keys[i] for i in range(keys.shape[0])] if isinstance(keys, Value) else list(keys)
    keys = [as_value(k) for k in keys]
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if any(k.shape != keys[0].shape for k in keys):
        raise ValueError("all keys need to be the same shape")
    if not keys[0].ndim:
        return filled((), 0, INT64)
    axis = one_axis(axis, keys[0].ndim)
    places = sorted_positions(keys[0], axis)
    for key in keys[1:]:
        again = sorted_positions(take_along_axis.traced(key, places, axis), axis)
        places = take_along_axis.traced(places, again, axis)
    return places


# ---- searching ----------------------------------------------------------------------------------


def search(rows, wanted, side):
    """Places of ``wanted`` (any shape) in one sorted row."""
    found = ordering.search(
        to_shape(rows, (1, rows.size)), to_shape(wanted, (1, wanted.size)), right=side == "right"
    )
    return to_shape(found, wanted.shape)


@composed(2)
def searchsorted(a, v, side="left", sorter=None, *, x1=None, x2=None):
    """See ``numpy.searchsorted``."""
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got {side!r})")
    rows, wanted = promoted(a, v)
    if rows.ndim != 1:
        raise ValueError("object too deep for desired array")
    if sorter is not None:
        if np.shape(sorter) != rows.shape:
            raise ValueError("sorter.size must equal input array length")
        rows = take_along_axis.traced(rows, as_value(sorter, INT64), 0)
    return search(rows, wanted, side)


@composed(2)
def digitize(x, bins, right=False):
    """See ``numpy.digitize``; traced bins are taken for increasing or decreasing by their ends."""
    static = None if holds_value(bins) else np.asarray(bins)
    if static is not None:
        steps = np.diff(static)
        if static.ndim == 1 and not (np.all(steps >= 0) or np.all(steps <= 0)):
            raise ValueError("bins must be monotonically increasing or decreasing")
    x, bins = promoted(x, bins)
    if bins.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    side = "left" if right else "right"
    rising = search(bins, x, side)
    if bins.shape[0] < 2 or (static is not None and np.all(np.diff(static) >= 0)):
        return rising
    count = scalar(bins.shape[0], INT64)
    falling = ew.subtract(count, search(flip.traced(bins), x, side))
    if static is not None:
        return falling
    return ew.select(ew.less(bins[-1], bins[0]), falling, rising)


@composed(2)
def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """See ``numpy.isin``."""
    x, tests = promoted(element, test_elements)
    if not tests.size:
        return filled(x.shape, bool(invert), BOOL)
    rows = sorted_values(to_shape(tests, (tests.size,)), 0)
    place = ew.minimum(search(rows, x, "left"), scalar(rows.size - 1, INT64))
    found = ew.equal(take_flat(rows, place), x)
    return ew.logical_not(found) if invert else found


def take_flat(x, places):
    """Elements of a row at an array of positions, checked when the tape runs."""
    read = indexing.gather(to_shape(x, (1, x.size, 1)), to_shape(places, (places.size,)))
    return to_shape(read, places.shape)


# ---- counting -----------------------------------------------------------------------------------


def checked(places, bound):
    """Positions of which negative ones are errors too, when the tape runs."""
    wrong = ew.less(places, scalar(0, INT64))
    return ew.select(wrong, scalar(bound, INT64), places)


def counts(places, weights, length):
    """How often each of 0, 1 ... length - 1 is among positions, or the sum of its weights."""
    if weights is None:
        weights = filled(places.shape, 1, INT64)
    base = zeros((1, length, 1), weights.dtype)
    places = to_shape(places, (places.size,))
    y = indexing.scatter_add(base, places, to_shape(weights, (1, weights.size, 1)))
    return to_shape(y, (length,))


@composed()
def bincount(x, /, weights=None, minlength=0):
    """See ``numpy.bincount``.

    Of traced ``x`` the result has length ``minlength``, and larger elements raise IndexError
    when the compiled function runs.
    """
    minlength = static_index(minlength, "minlength")
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    places = as_value(x)
    if places.ndim != 1:
        raise ValueError("object too deep for desired array")
    if places.dtype.kind not in "biu":
        raise TypeError(f"Cannot cast array data from {places.dtype} to int64 by the rule 'safe'")
    if holds_value(x):
        if not minlength:
            refuse_conversion(
                places,
                "bincount",
                "the length of its result depends on data; give it as minlength",
            )
        length = minlength
        places = checked(cast(places, INT64), length)
    else:
        numbers = np.asarray(x)
        if numbers.size and numbers.min() < 0:
            raise ValueError("'list' argument must have no negative elements")
        length = int(numbers.max()) + 1 if numbers.size else 0
        length = length if length > minlength else minlength
        places = cast(places, INT64)
    if weights is not None:
        weights = as_value(weights)
        if weights.shape != places.shape:
            raise ValueError("The weights and list don't have the same length.")
        weights = cast(weights, FLOAT64)
    if not length:
        return zeros((0,), INT64 if weights is None else FLOAT64)
    return counts(places, weights, length)


def _edges(x, bins, limits):
    """The edges of bins along one dimension, as a value of one axis."""
    if isinstance(bins, str):
        refuse_conversion(
            x, f"bins={bins!r}", "the number of bins depends on data; give it, or the edges"
        )
    if not np.ndim(bins):
        from ._creation import linspace

        bins, kinds = static_index(bins, "a number of bins"), []
        if bins < 1:
            raise ValueError("`bins` must be positive, when an integer")
        if limits is not None:
            low, high = limits
            static = not holds_value([low, high])
            if static and low > high:
                raise ValueError("max must be larger than min in range parameter.")
            if static and not (np.isfinite(low) and np.isfinite(high)):
                raise ValueError(f"supplied range of [{low}, {high}] is not finite")
            kinds = [k if is_number(k) else as_value(k) for k in (low, high)]
            low, high = as_value(low), as_value(high)
        elif not x.size:
            low, high = as_value(0.0), as_value(1.0)
        else:
            axes = tuple(range(x.ndim))
            low, high = red.min_(x, axes=axes), red.max_(x, axes=axes)
        common = common_dtype(*kinds, x) if kinds else x.dtype
        common = common if common.kind == "f" else FLOAT64
        low, high = cast(low, common), cast(high, common)
        half = ew.select(ew.equal(low, high), scalar(0.5, common), scalar(0, common))
        low, high = ew.subtract(low, half), ew.add(high, half)
        return linspace(low, high, bins + 1)
    if not holds_value(bins):
        static = np.asarray(bins)
        if static.ndim == 1 and np.any(static[:-1] > static[1:]):
            raise ValueError("`bins` must increase monotonically, when an array")
    edges = as_value(bins)
    if edges.ndim != 1:
        raise ValueError("`bins` must be 1d, when an array")
    return edges


def _bin_of(x, edges):
    """The bin of each element, with whether it is in any."""
    x, rows = promoted(x, edges)
    last = rows.shape[0] - 2
    place = ew.subtract(search(rows, x, "right"), scalar(1, INT64))
    at_end = ew.equal(x, rows[-1])
    place = ew.select(at_end, scalar(last, INT64), place)
    known = ew.logical_and(
        ew.less_equal(scalar(0, INT64), place), ew.less_equal(place, scalar(last, INT64))
    )
    return ew.select(known, place, scalar(0, INT64)), known


def _weighted(known, weights):
    """What each element adds to its bin: 1 or its weight, nothing if it is in none."""
    if weights is None:
        return cast(known, INT64)
    return ew.select(known, weights, scalar(0, weights.dtype))


def _histogram_weights(weights, x):
    if weights is None:
        return None
    weights = as_value(weights)
    if weights.shape != x.shape:
        raise ValueError("weights should have the same shape as a.")
    if weights.dtype.kind == "b":
        return cast(weights, INT64)
    return to_shape(weights, (weights.size,))


@composed()
def histogram(a, bins=10, range=None, density=None, weights=None):
    """See ``numpy.histogram``; differentiable by the weights and the edges.

    The number of bins must be known while tracing.
    """
    x = as_value(a)
    if x.dtype == BOOL:
        x = cast(x, np.dtype(np.uint8))
    weights = _histogram_weights(weights, x)
    edges = _edges(x, bins, range)
    place, known = _bin_of(to_shape(x, (x.size,)), edges)
    y = counts(place, _weighted(known, weights), edges.shape[0] - 1)
    if density:
        edges_float = edges if edges.dtype.kind == "f" else cast(edges, FLOAT64)
        widths = ew.subtract(edges_float[1:], edges_float[:-1])
        y = y if y.dtype.kind == "f" else cast(y, FLOAT64)
        y, widths = promoted(y, widths)
        y = ew.divide(ew.divide(y, widths), red.sum_(y, axes=(0,)))
    return y, edges


@composed()
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """See ``numpy.histogram_bin_edges``; the number of bins must be known while tracing."""
    x = as_value(a)
    return _edges(cast(x, np.dtype(np.uint8)) if x.dtype == BOOL else x, bins, range)


@composed()
def histogramdd(sample, bins=10, range=None, density=None, weights=None):
    """See ``numpy.histogramdd``; the numbers of bins must be known while tracing."""
    if isinstance(sample, Value) or (not isinstance(sample, (tuple, list))):
        points = as_value(sample)
        if points.ndim > 2:
            raise ValueError("sample must have one or two dimensions")
        points = to_shape(points, (points.size, 1)) if points.ndim < 2 else points
        columns = [points[:, i] for i in _range(points.shape[1])]
    else:
        columns = [as_value(c) for c in sample]
    count = len(columns)
    if isinstance(bins, Value) or (not np.ndim(bins) and not isinstance(bins, (tuple, list))):
        bins = [bins] * count
    if len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    limits = [None] * count if range is None else range
    if len(limits) != count:
        raise ValueError("range argument must have one entry per dimension")
    weights = _histogram_weights(weights, columns[0])
    edges, place, known = [], None, None
    for column, along, limit in zip(columns, bins, limits, strict=True):
        edge = _edges(column, along, limit)
        bin_number, inside = _bin_of(column, edge)
        edges.append(edge)
        if place is None:
            place, known = bin_number, inside
        else:
            extent = scalar(edge.shape[0] - 1, INT64)
            place = ew.add(ew.multiply(place, extent), bin_number)
            known = ew.logical_and(known, inside)
    shape = tuple(edge.shape[0] - 1 for edge in edges)
    weights = filled(place.shape, 1.0, FLOAT64) if weights is None else cast(weights, FLOAT64)
    y = to_shape(counts(place, _weighted(known, weights), math.prod(shape)), shape)
    if density:
        total = red.sum_(y, axes=tuple(_range(count)))
        for axis, edge in enumerate(edges):
            edge = cast(edge, FLOAT64)
            widths = ew.subtract(edge[1:], edge[:-1])
            y = ew.divide(y, to_shape(widths, _along(axis, widths.size, count)))
        y = ew.divide(y, total)
    return y, edges


_range = range


def _along(axis, extent, ndim):
    return tuple(extent if i == axis else 1 for i in _range(ndim))


@composed(2)
def histogram2d(x, y, bins=10, range=None, density=None, weights=None):
    """See ``numpy.histogram2d``; the numbers of bins must be known while tracing."""
    if not isinstance(bins, Value) and np.ndim(bins) == 1 and len(bins) not in (1, 2):
        bins = [np.asarray(bins)] * 2
    elif isinstance(bins, Value) and bins.ndim == 1:
        bins = [bins] * 2
    found, edges = histogramdd.traced([x, y], bins, range, density, weights)
    return found, edges[0], edges[1]


# ---- complex numbers ----------------------------------------------------------------------------


@composed()
def sort_complex(a):
    """See ``numpy.sort_complex``: by real part, then by imaginary part; the result is complex."""
    y = sort.traced(a)
    if y.dtype.kind == "c":
        return y
    small = y.dtype.kind in "iu" and y.dtype.itemsize <= 2
    return cast(y, np.dtype(np.complex64 if small else np.complex128))
