"""``numpy.pad`` in all its modes, on values, one axis after the other."""

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import shaping
from ._common import as_value, cast, holds_value, is_number, scalar, spread, unsupported
from ._eager import surface
from ._picking import take

_STATISTICS = ("maximum", "minimum", "mean", "median")
_OPTIONS = {
    "constant": ("constant_values",), "linear_ramp": ("end_values",),
    "reflect": ("reflect_type",), "symmetric": ("reflect_type",), "edge": (), "wrap": (),
    "empty": (), **dict.fromkeys(_STATISTICS, ("stat_length",)),
}  # fmt: skip


def _pairs(given, ndim):
    """NumPy's width argument as pairs of each axis."""
    widths = np.asarray(given)
    if widths.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    pairs = [tuple(pair) for pair in np.broadcast_to(widths, (ndim, 2)).tolist()]
    if any(w < 0 for pair in pairs for w in pair):
        raise ValueError("index can't contain negative values")
    return pairs


@surface()
def pad(array, pad_width, mode="constant", **kwargs):
    """See ``numpy.pad``; all modes but functions. Values to pad with may be traced."""
    x = as_value(array)
    if callable(mode):
        unsupported("pad with a function is not supported; use np.concatenate")
    if mode not in _OPTIONS:
        raise ValueError(f"mode {mode!r} is not supported")
    wrong = set(kwargs) - set(_OPTIONS[mode])
    if wrong:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {wrong}")
    if isinstance(pad_width, dict):
        pairs = [pad_width.get(i, pad_width.get(i - x.ndim, 0)) for i in range(x.ndim)]
        pad_width = [w if isinstance(w, (tuple, list)) else (w, w) for w in pairs]
    widths = _pairs(pad_width, x.ndim)
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        return _by_positions(x, widths, mode, kwargs.get("reflect_type", "even"))
    if mode in _STATISTICS:
        return _by_statistics(x, widths, mode, kwargs.get("stat_length"))
    if mode == "linear_ramp":
        return _by_ramps(x, widths, kwargs.get("end_values", 0))
    return _by_constants(x, widths, kwargs.get("constant_values", 0))


def _around(x, axis, low, high):
    """``x`` between two blocks, of which an empty one is None."""
    parts = [p for p in (low, x, high) if p is not None]
    return x if len(parts) == 1 else shaping.concatenate(*parts, axis=axis)


def _with_extent(shape, axis, extent):
    return (*shape[:axis], extent, *shape[axis + 1 :])


# ---- from positions -----------------------------------------------------------------------------


def _by_positions(x, widths, mode, reflect_type):
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"unsupported reflect_type {reflect_type!r}")
    for axis, pair in enumerate(widths):
        if pair == (0, 0):
            continue
        n = x.shape[axis]
        if reflect_type == "odd" and mode in ("reflect", "symmetric") and n:
            if not (n == 1 and mode == "reflect"):
                x = _odd(x, axis, pair, mode)
                continue
        x = take.traced(x, np.pad(np.arange(n), pair, mode), axis)
    return x


def _odd(x, axis, pair, mode):
    """The extension that is odd about both ends: it grows by the same step every two lengths."""
    n = x.shape[axis]
    edge = mode == "symmetric"
    half = n if edge else n - 1
    place = np.arange(-pair[0], n + pair[1])
    turns, rest = np.divmod(place, 2 * half)
    back = rest >= half + (not edge)
    source = np.where(back, 2 * half - edge - rest, rest)
    shape = tuple(place.size if i == axis else 1 for i in range(x.ndim))

    def column(numbers):
        return cast(as_value(numbers.reshape(shape)), x.dtype)

    first = shaping.slice_axis(x, axis, 0, 1)
    last = shaping.slice_axis(x, axis, n - 1, n)
    inside = ew.multiply(take.traced(x, source, axis), column(np.where(back, -1, 1)))
    # 2 last where the way goes back, and twice the whole rise per turn.
    raised = ew.multiply(last, column(2 * turns + 2 * back))
    lowered = ew.multiply(first, column(2 * turns))
    return ew.subtract(ew.add(inside, raised), lowered)


# ---- from statistics ----------------------------------------------------------------------------


def _by_statistics(x, widths, mode, lengths):
    from . import _reduction, _statistics

    function = {
        "maximum": _reduction.max, "minimum": _reduction.min, "mean": _reduction.mean,
        "median": _statistics.median,
    }[mode]  # fmt: skip
    if lengths is None:
        pairs = [(None, None)] * x.ndim
    else:
        pairs = [tuple(p) for p in np.broadcast_to(np.asarray(lengths), (x.ndim, 2)).tolist()]
        if any(n < 0 for pair in pairs for n in pair):
            raise ValueError("index can't contain negative values")
    for axis, (pair, stat) in enumerate(zip(widths, pairs, strict=True)):
        n = x.shape[axis]
        blocks = []
        for width, length, at_end in zip(pair, stat, (False, True), strict=True):
            length = n if length is None or length > n else length
            if length == 0 and mode in ("maximum", "minimum"):
                raise ValueError("stat_length of 0 yields no value for padding")
            if not width:
                blocks.append(None)
                continue
            span = (n - length, n) if at_end else (0, length)
            y = function.traced(shaping.slice_axis(x, axis, *span), axis, keepdims=True)
            if x.dtype.kind != "f" and y.dtype.kind == "f":
                y = ew.rint(y)
            blocks.append(spread(cast(y, x.dtype), _with_extent(x.shape, axis, width)))
        x = _around(x, axis, *blocks)
    return x


# ---- from numbers -------------------------------------------------------------------------------


def _numbers(given, ndim):
    """Numbers or values to pad with, as pairs of each axis."""
    if isinstance(given, Value) and not given.ndim:
        return [[given, given]] * ndim
    if holds_value(given):
        given = as_value(given)
        given = spread(given, (ndim, 2))
        return [[given[i, 0], given[i, 1]] for i in range(ndim)]
    return np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()


def _number(number, dtype):
    if isinstance(number, Value):
        return cast(number, dtype)
    return scalar(number if dtype.kind == "f" else int(number), dtype)


def _by_ramps(x, widths, ends):
    from ._creation import linspace

    ends = _numbers(ends, x.ndim)
    for axis, (pair, end) in enumerate(zip(widths, ends, strict=True)):
        blocks = []
        for width, target, at_end in zip(pair, end, (False, True), strict=True):
            if not width:
                blocks.append(None)
                continue
            n = x.shape[axis]
            edge = shaping.slice_axis(x, axis, *((n - 1, n) if at_end else (0, 1)))
            shape = tuple(1 if i == axis else m for i, m in enumerate(edge.shape))
            start = spread(_number(target, x.dtype), shape)
            ramp = linspace(start, edge, width, endpoint=False, dtype=x.dtype)
            # The new axis is first; the ramp belongs where the edge was.
            ramp = shaping.reshape(ramp, shape=tuple(
                m for i, m in enumerate(ramp.shape) if i != axis + 1))  # fmt: skip
            order = list(range(1, x.ndim))
            order.insert(axis, 0)
            ramp = shaping.transpose(ramp, axes=tuple(order)) if axis else ramp
            blocks.append(shaping.flip(ramp, axes=(axis,)) if at_end and width > 1 else ramp)
        x = _around(x, axis, *blocks)
    return x


def _by_constants(x, widths, constants):
    if is_number(constants) and constants == 0:
        if all(pair == (0, 0) for pair in widths):
            return x
        lows, highs = zip(*widths, strict=True) if widths else ((), ())
        return shaping.pad(x, lows=lows, highs=highs, interiors=(0,) * x.ndim)
    constants = _numbers(constants, x.ndim)
    for axis, (pair, numbers) in enumerate(zip(widths, constants, strict=True)):
        blocks = [
            spread(_number(number, x.dtype), _with_extent(x.shape, axis, width)) if width else None
            for width, number in zip(pair, numbers, strict=True)
        ]
        x = _around(x, axis, *blocks)
    return x
