"""Functions of samples along a line: differences, integrals, interpolation, convolution."""

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import shaping
from ..primitives.base import broadcast, zeros
from ._common import (
    FLOAT64,
    INT64,
    as_value,
    axes_of,
    cast,
    holds_value,
    is_number,
    no_out,
    one_axis,
    promoted,
    scalar,
    unsupported,
)
from ._eager import composed
from ._products import conjugated, matmul
from ._reduction import cumprod, cumsum, sum
from ._selection import diff
from ._shaping import permute, to_shape
from ._sorting import search, sorted_positions, take_flat
from ._ufuncs import OPERATIONS

add, subtract, multiply, divide = (
    OPERATIONS[name] for name in ("add", "subtract", "multiply", "divide")
)


def part(x, axis, start, stop):
    """``x[start:stop]`` along an axis."""
    span = range(x.shape[axis])[start:stop]
    return shaping.slice_axis(x, axis, span.start, span.stop)


def along(x, axis, ndim):
    """A one-dimensional value along one of ``ndim`` axes."""
    return to_shape(x, tuple(x.size if i == axis else 1 for i in range(ndim)))


def _no_bool(x):
    if x.dtype.kind == "b":
        raise TypeError("numpy boolean subtract, the `-` operator, is not supported")
    return x


# ---- sums and differences -----------------------------------------------------------------------


def _cumulative(cumulate, neutral, x, axis, dtype, out, include_initial):
    no_out(out)
    x = as_value(x)
    if axis is None:
        if x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` is required.")
        axis = 0
    x = to_shape(x, (1,)) if not x.ndim else x
    axis = one_axis(axis, x.ndim)
    y = cumulate.traced(x, axis, dtype)
    if include_initial:
        shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        y = shaping.concatenate(broadcast(scalar(neutral, y.dtype), shape), y, axis=axis)
    return y


@composed()
def cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """See ``numpy.cumulative_sum``."""
    return _cumulative(cumsum, 0, x, axis, dtype, out, include_initial)


@composed()
def cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """See ``numpy.cumulative_prod``."""
    return _cumulative(cumprod, 1, x, axis, dtype, out, include_initial)


@composed(3)
def ediff1d(ary, to_end=None, to_begin=None):
    """See ``numpy.ediff1d``."""
    x = _no_bool(as_value(ary))
    steps = diff.traced(to_shape(x, (x.size,)))
    pieces = [steps]
    for extra, place in ((to_begin, 0), (to_end, 2)):
        if extra is None:
            continue
        extra = as_value(extra, x.dtype) if is_number(extra) else as_value(extra)
        if not np.can_cast(extra.dtype, x.dtype, "same_kind"):
            raise TypeError(
                "dtype of the ends must be compatible with input `ary` under the `same_kind` rule."
            )
        pieces.insert(place, cast(to_shape(extra, (extra.size,)), x.dtype))
    return pieces[0] if len(pieces) == 1 else shaping.concatenate(*pieces, axis=0)


@composed(2)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """See ``numpy.trapezoid``."""
    y = as_value(y)
    axis = one_axis(axis, y.ndim)
    width = dx
    if x is not None:
        x = as_value(x)
        if x.ndim == 1:
            width = along(diff.traced(x), axis, y.ndim)
        else:
            width = diff.traced(x, axis=axis)
    pairs = add(part(y, axis, 1, None), part(y, axis, None, -1))
    return sum.traced(divide(multiply(width, pairs), 2.0), axis)


def _spacings(f, varargs, axes):
    """The step of each axis: a scalar, or the differences of its coordinates."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and not np.ndim(varargs[0]):
        return [varargs[0]] * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    steps = []
    for given, axis in zip(varargs, axes, strict=True):
        if not np.ndim(given):
            steps.append(given)
            continue
        if np.ndim(given) != 1:
            raise ValueError("distances must be either scalars or 1d")
        if np.shape(given)[0] != f.shape[axis]:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        if not holds_value(given):
            coordinates = np.asarray(given)
            if coordinates.dtype.kind in "iu":
                coordinates = coordinates.astype(np.float64)
            gaps = np.diff(coordinates)
            steps.append(gaps[0] if np.all(gaps == gaps[0]) else as_value(gaps))
        else:
            gaps = diff.traced(as_value(given))
            steps.append(gaps if gaps.dtype.kind == "f" else cast(gaps, FLOAT64))
    return steps


def _slope(f, axis, step, edge_order):
    ndim = f.ndim

    def at(start, stop=None):
        stop = (start + 1 or None) if stop is None else stop
        return part(f, axis, start, stop)

    def combined(*terms):
        total = None
        for weight, piece in terms:
            term = multiply(weight, piece)
            total = term if total is None else add(total, term)
        return total

    after, center, before = part(f, axis, 2, None), part(f, axis, 1, -1), part(f, axis, None, -2)
    uniform = not (isinstance(step, Value) and step.ndim)
    if uniform:
        inner = divide(subtract(after, before), multiply(2.0, step))
        first = last = step
    else:
        gaps = along(step, axis, ndim)
        left, right = part(gaps, axis, 0, -1), part(gaps, axis, 1, None)
        both = add(left, right)
        a = divide(OPERATIONS["negative"](right), multiply(left, both))
        b = divide(subtract(right, left), multiply(left, right))
        c = divide(left, multiply(right, both))
        inner = combined((a, before), (b, center), (c, after))
        first, last = part(gaps, axis, 0, 1), part(gaps, axis, -1, None)
    if edge_order == 1:
        start = divide(subtract(at(1), at(0)), first)
        end = divide(subtract(at(-1), at(-2)), last)
    elif uniform:
        start = combined((divide(-1.5, step), at(0)), (divide(2.0, step), at(1)),
                         (divide(-0.5, step), at(2)))  # fmt: skip
        end = combined((divide(0.5, step), at(-3)), (divide(-2.0, step), at(-2)),
                       (divide(1.5, step), at(-1)))  # fmt: skip
    else:
        start = _one_sided(first, part(gaps, axis, 1, 2), at(0), at(1), at(2), combined)
        flipped = _one_sided(last, part(gaps, axis, -2, -1), at(-1), at(-2), at(-3), combined)
        end = OPERATIONS["negative"](flipped)
    pieces = [start, inner, end] if inner.shape[axis] else [start, end]
    return shaping.concatenate(*promoted(*pieces), axis=axis)


def _one_sided(near, far, f0, f1, f2, combined):
    """The slope at f0 of the parabola through three points, at distances near and near + far."""
    both = add(near, far)
    a = divide(OPERATIONS["negative"](add(near, both)), multiply(near, both))
    b = divide(both, multiply(near, far))
    c = divide(OPERATIONS["negative"](near), multiply(far, both))
    return combined((a, f0), (b, f1), (c, f2))


@composed(-1)
def gradient(f, *varargs, axis=None, edge_order=1):
    """See ``numpy.gradient``; the spacing may be traced.

    Traced coordinates are taken for uneven ones, whose formula is the even one where they are
    even.
    """
    x = _no_bool(as_value(f))
    axes = axes_of(axis, x.ndim)
    if isinstance(axis, (tuple, list)):
        axes = tuple(one_axis(a, x.ndim) for a in axis)
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    if x.dtype.kind == "c":
        re, im = (
            gradient.traced(plane, *varargs, axis=axis, edge_order=edge_order)
            for plane in (ew.real(x), ew.imag(x))
        )
        if len(axes) == 1:
            return ew.make_complex(re, im)
        return tuple(map(ew.make_complex, re, im))
    if x.dtype.kind != "f":
        x = cast(x, FLOAT64)
    steps = _spacings(x, varargs, axes)
    slopes = []
    for position, step in zip(axes, steps, strict=True):
        if x.shape[position] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least "
                "(edge_order + 1) elements are required."
            )
        slopes.append(cast(_slope(x, position, step, edge_order), x.dtype))
    if len(axes) == 1:
        return slopes[0]
    return tuple(slopes)


@composed()
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """See ``numpy.unwrap``; ``period`` and ``discont`` must be numbers."""
    x = as_value(p)
    axis = one_axis(axis, x.ndim)
    if holds_value([discont, period]):
        unsupported("unwrap with a traced period or discont is not supported")
    whole = x.dtype.kind in "iu" and isinstance(period, (int, np.integer))
    discont = period / 2 if discont is None else discont
    if not x.shape[axis]:
        return x if x.dtype.kind == "f" or whole else cast(x, FLOAT64)
    steps = diff.traced(x, axis=axis)
    if whole:
        high, rest = period // 2, period % 2
        ambiguous = rest == 0
    else:
        high, ambiguous = period / 2, True
    low = -high
    remainder = OPERATIONS["remainder"](subtract(steps, low), period)
    turned = add(remainder, low)
    if ambiguous:
        edge = ew.logical_and(OPERATIONS["equal"](turned, low), OPERATIONS["greater"](steps, 0))
        turned = ew.select(edge, scalar(high, turned.dtype), turned)
    turned, steps = promoted(turned, steps)
    correction = subtract(turned, steps)
    small = OPERATIONS["less"](OPERATIONS["absolute"](steps), discont)
    correction = ew.select(small, scalar(0, correction.dtype), correction)
    later = add(part(x, axis, 1, None), cumsum.traced(correction, axis))
    later = cast(later, correction.dtype)
    return shaping.concatenate(*promoted(part(x, axis, 0, 1), later), axis=axis)


# ---- interpolation ------------------------------------------------------------------------------


@composed(5)
def interp(x, xp, fp, left=None, right=None, period=None):
    """See ``numpy.interp``.

    The derivative is that of the piece at ``x``; at a point of ``xp`` that of the piece to its
    right, at the last one to its left.
    """
    x, xp, fp = (as_value(v) for v in (x, xp, fp))
    if fp.dtype.kind == "c":
        planes = []
        for plane in (ew.real, ew.imag):
            ends = [e if e is None else plane(as_value(e, fp.dtype)) for e in (left, right)]
            planes.append(interp.traced(x, xp, plane(fp), *ends, period))
        return ew.make_complex(*planes)
    x, xp, fp = (cast(v, FLOAT64) for v in (x, xp, fp))
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if xp.shape != fp.shape:
        raise ValueError("fp and xp are not of the same length.")
    if not xp.size:
        raise ValueError("array of sample points is empty")
    if period is not None:
        if not holds_value(period) and period == 0:
            raise ValueError("period must be a non-zero value")
        period = ew.abs_(as_value(period, FLOAT64))
        x, xp = ew.remainder(x, period), ew.remainder(xp, period)
        order = sorted_positions(xp, 0)
        xp, fp = take_flat(xp, order), take_flat(fp, order)
        before, after = (
            ew.subtract(part(xp, 0, -1, None), period),
            ew.add(part(xp, 0, 0, 1), period),
        )
        xp = shaping.concatenate(before, xp, after, axis=0)
        fp = shaping.concatenate(part(fp, 0, -1, None), fp, part(fp, 0, 0, 1), axis=0)
        left = right = None
    first, last = xp[0], xp[-1]
    low = fp[0] if left is None else as_value(left, FLOAT64)
    high = fp[-1] if right is None else as_value(right, FLOAT64)
    n = xp.shape[0]
    if n == 1:
        y = ew.select(ew.isnan(x), x, broadcast(fp[0], x.shape))
    else:
        found = search(xp, x, "right")
        limit = scalar(n - 2, INT64)
        place = ew.minimum(
            ew.maximum(ew.subtract(found, scalar(1, INT64)), scalar(0, INT64)), limit
        )
        after = ew.add(place, scalar(1, INT64))
        x0, x1, f0, f1 = (take_flat(v, p) for v in (xp, fp) for p in (place, after))
        # Outside of all pieces x is replaced, so that nothing infinite or NaN leaks from there.
        inside = ew.logical_not(ew.logical_or(ew.less(x, first), ew.less(last, x)))
        at = ew.select(inside, x, x0)
        width = ew.subtract(x1, x0)
        flat = ew.equal(width, scalar(0, FLOAT64))
        slope = ew.divide(ew.subtract(f1, f0), ew.select(flat, scalar(1, FLOAT64), width))
        from_left = ew.add(ew.multiply(slope, ew.subtract(at, x0)), f0)
        from_right = ew.add(ew.multiply(slope, ew.subtract(at, x1)), f1)
        y = ew.select(ew.equal(at, x1), from_right, from_left)
    y = ew.select(ew.less(x, first), low, y)
    return ew.select(ew.less(last, x), high, y)


# ---- convolution --------------------------------------------------------------------------------


def convolved(long, short):
    """The full convolution of two values of one dtype, the longer one first.

    The long one is cut into blocks, each a row of a matrix; a product with the shifted copies of
    the short one gives each block's convolution, and the parts that reach into the next block are
    added there.
    """
    n, m = long.shape[0], short.shape[0]
    side = m if m > 16 else 16
    blocks = -(-n // side)
    rows = shaping.pad(long, lows=(0,), highs=(blocks * side - n,), interiors=(0,))
    rows = to_shape(rows, (blocks, side))
    # Row i of the matrix is the short one, moved i to the right: rows of one element more than
    # they should have, read one after the other, move by one each.
    period = 2 * side + 1
    line = shaping.pad(short, lows=(0,), highs=(period - m,), interiors=(0,))
    copies = to_shape(broadcast(to_shape(line, (1, period)), (side, period)), (side * period,))
    shifted = to_shape(shaping.slice_axis(copies, 0, 0, side * 2 * side), (side, 2 * side))
    y = matmul.traced(rows, shifted)
    here = to_shape(part(y, 1, 0, side), (blocks * side,))
    after = to_shape(part(y, 1, side, None), (blocks * side,))
    empty = zeros((side,), y.dtype)
    total = ew.add if y.dtype.kind != "b" else ew.logical_or
    y = total(shaping.concatenate(here, empty, axis=0), shaping.concatenate(empty, after, axis=0))
    return part(y, 0, 0, n + m - 1)


def _trimmed(y, n, m, mode, start):
    if mode == "full":
        return y
    if mode == "same":
        return part(y, 0, start, start + n)
    if mode == "valid":
        return part(y, 0, m - 1, n)
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


def _two_lines(a, v):
    a, v = promoted(a, v)
    a, v = (to_shape(x, (1,)) if not x.ndim else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    return a, v


def _mode(mode):
    names = ("valid", "same", "full")
    return names[mode] if isinstance(mode, int) and 0 <= mode < 3 else mode


@composed(2)
def convolve(a, v, mode="full"):
    """See ``numpy.convolve``; a product of matrices."""
    a, v = _two_lines(a, v)
    if not a.size:
        raise ValueError("a cannot be empty")
    if not v.size:
        raise ValueError("v cannot be empty")
    long, short = (a, v) if a.size >= v.size else (v, a)
    n, m = long.size, short.size
    return _trimmed(convolved(long, short), n, m, _mode(mode), (m - 1) // 2)


@composed(2)
def correlate(a, v, mode="valid"):
    """See ``numpy.correlate``; a product of matrices."""
    if not as_value(a).ndim or not as_value(v).ndim:
        raise ValueError("object of too small depth for desired array")
    a, v = _two_lines(a, v)
    if not a.size or not v.size:
        raise ValueError("first and second argument cannot be empty")
    v = conjugated(shaping.flip(v, axes=(0,)) if v.size > 1 else v)
    swapped = v.size > a.size
    long, short = (v, a) if swapped else (a, v)
    n, m = long.size, short.size
    start = m // 2 if swapped else (m - 1) // 2
    return _trimmed(convolved(long, short), n, m, _mode(mode), start)


# ---- products of vectors ------------------------------------------------------------------------


@composed(2)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """See ``numpy.cross``; vectors of two components have a third one of 0."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = promoted(a, b)
    if not a.ndim or not b.ndim:
        raise ValueError("At least one array has zero dimension")
    moved = []
    for x, position in ((a, axisa), (b, axisb)):
        position = one_axis(position, x.ndim)
        x = permute(x, (*[i for i in range(x.ndim) if i != position], position))
        if x.shape[-1] not in (2, 3):
            raise ValueError("incompatible dimensions for cross product (dimension must be 2 or 3)")
        moved.append([x[..., i] for i in range(x.shape[-1])])
    left, right = moved

    def minor(i, j):
        return ew.subtract(ew.multiply(left[i], right[j]), ew.multiply(left[j], right[i]))

    if len(left) == len(right) == 2:
        return minor(0, 1)
    if len(left) == 2:
        parts = [ew.multiply(left[1], right[2]), ew.negative(ew.multiply(left[0], right[2]))]
    elif len(right) == 2:
        parts = [ew.negative(ew.multiply(left[2], right[1])), ew.multiply(left[2], right[0])]
    else:
        parts = [minor(1, 2), minor(2, 0)]
    parts.append(minor(0, 1))
    shape = parts[0].shape
    y = shaping.concatenate(*[to_shape(p, (*shape, 1)) for p in parts], axis=len(shape))
    position = one_axis(axisc, y.ndim)
    order = list(range(len(shape)))
    order.insert(position, len(shape))
    return permute(y, order)


# ---- a function of one number -------------------------------------------------------------------


@composed()
def i0(x):
    """See ``numpy.i0``: the modified Bessel function of order 0."""
    from ..primitives.special import i0 as bessel

    y = as_value(x)
    if y.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    return bessel(y if y.dtype.kind == "f" else cast(y, FLOAT64))


@composed()
def sinc(x):
    """See ``numpy.sinc``; by its series about 0, where the quotient has no derivative."""
    y = as_value(x)
    if y.dtype.kind not in "fc":
        y = cast(y, FLOAT64)
    dtype = y.dtype
    y = ew.multiply(y, scalar(np.pi, dtype))
    square = ew.square(y)
    size = ew.abs_(ew.stop_gradient(square))
    small = ew.less(size, scalar(0.25, size.dtype))
    # sin(y) / y = sum over k of (-1)^k y^(2k) / (2k + 1)!
    coefficient, coefficients = 1.0, [1.0]
    for k in range(1, 9):
        coefficient /= -(2 * k) * (2 * k + 1)
        coefficients.append(coefficient)
    near = ew.select(small, square, scalar(0, dtype))
    series = scalar(coefficients[-1], dtype)
    for c in coefficients[-2::-1]:
        series = ew.add(ew.multiply(series, near), scalar(c, dtype))
    far = ew.select(small, scalar(1, dtype), y)
    return ew.select(small, series, ew.divide(ew.sin(far), far))
