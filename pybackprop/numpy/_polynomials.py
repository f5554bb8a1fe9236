"""Polynomials by their coefficients, the highest power first, on values.

Leading zeros cannot be seen in a trace, so results keep the length that the operands' lengths
give, where NumPy would trim them.
"""

import operator

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import shaping
from ..primitives.base import broadcast, filled
from ._common import (
    FLOAT64,
    as_value,
    cast,
    holds_value,
    promoted,
    refuse_conversion,
    static_index,
    unsupported,
)
from ._eager import composed
from ._lines import convolved, part
from ._products import matmul
from ._shaping import to_shape
from ._spectral import eigvals, lstsq
from ._systems import inv
from ._ufuncs import OPERATIONS

# More steps than these are no longer written out one by one.
_MOST_STEPS = 64

add, multiply = OPERATIONS["add"], OPERATIONS["multiply"]


def _line(p):
    p = as_value(p)
    p = to_shape(p, (1,)) if not p.ndim else p
    if p.ndim != 1:
        raise ValueError("Polynomial must be 1d only.")
    return p


@composed(2)
def polyval(p, x):
    """See ``numpy.polyval``, by Horner's rule."""
    p = as_value(p)
    x = as_value(x)
    y = filled(x.shape, 0, x.dtype)
    for i in range(p.shape[0]):
        y = add(multiply(y, x), p[i])
    return y


def _sum_of(a, b, combine):
    a, b = promoted(_line(a), _line(b))
    n = a.shape[0] if a.shape[0] > b.shape[0] else b.shape[0]
    return combine(_longer(a, n), _longer(b, n))


def _longer(p, n):
    extra = n - p.shape[0]
    return shaping.pad(p, lows=(extra,), highs=(0,), interiors=(0,)) if extra else p


@composed(2)
def polyadd(a1, a2):
    """See ``numpy.polyadd``."""
    return _sum_of(a1, a2, ew.add)


@composed(2)
def polysub(a1, a2):
    """See ``numpy.polysub``."""
    return _sum_of(a1, a2, ew.subtract)


@composed(2)
def polymul(a1, a2):
    """See ``numpy.polymul``; leading zeros stay."""
    a, b = promoted(_line(a1), _line(a2))
    return convolved(a, b) if a.size >= b.size else convolved(b, a)


@composed(2)
def polydiv(u, v):
    """See ``numpy.polydiv``; quotient and remainder, whose leading zeros stay."""
    u, v = promoted(_line(u), _line(v))
    if u.dtype.kind not in "fc":
        u, v = cast(u, FLOAT64), cast(v, FLOAT64)
    n, m = u.shape[0], v.shape[0]
    if n < m:
        return filled((1,), 0, u.dtype), u
    head = v[0]
    rest, digits = u, []
    for k in range(n - m + 1):
        digit = ew.divide(rest[k], head)
        digits.append(to_shape(digit, (1,)))
        taken = shaping.pad(ew.multiply(digit, v), lows=(k,), highs=(n - m - k,), interiors=(0,))
        rest = ew.subtract(rest, taken)
    quotient = digits[0] if len(digits) == 1 else shaping.concatenate(*digits, axis=0)
    remainder = part(rest, 0, n - m + 1, None) if m > 1 else filled((1,), 0, u.dtype)
    return quotient, remainder


@composed()
def polyder(p, m=1):
    """See ``numpy.polyder``."""
    m = static_index(m, "an order")
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    if not as_value(p).ndim:
        raise TypeError("len() of unsized object")
    p = _line(p)
    for _ in range(m):
        n = p.shape[0] - 1
        if n < 1:
            return filled((0,), 0, np.result_type(p.dtype, np.int64))
        p = multiply(part(p, 0, 0, n), as_value(np.arange(n, 0, -1)))
    return p


@composed()
def polyint(p, m=1, k=None):
    """See ``numpy.polyint``; the constants ``k`` may be traced."""
    m = static_index(m, "an order")
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    if m > 1000:
        unsupported("polyint of an order above 1000 is not supported")
    if not as_value(p).ndim:
        raise TypeError("len() of unsized object")
    p = _line(p)
    constants = as_value(0.0 if k is None else k)
    constants = to_shape(constants, (constants.size,))
    if constants.size == 1 and m > 1:
        constants = broadcast(constants, (m,))
    if constants.size < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        n = p.shape[0]
        divided = OPERATIONS["divide"](p, as_value(np.arange(n, 0, -1)))
        pieces = promoted(divided, part(constants, 0, i, i + 1))
        p = shaping.concatenate(*pieces, axis=0)
    return p


@composed()
def poly(seq_of_zeros):
    """See ``numpy.poly``, of zeros or of a square matrix, whose eigenvalues are the zeros.

    Complex zeros give complex coefficients: whether they come in pairs is known only at the run.
    """
    zeros_ = as_value(seq_of_zeros)
    real = zeros_.dtype.kind != "c"
    if zeros_.ndim == 2:
        if zeros_.shape[0] != zeros_.shape[1] or not zeros_.size:
            raise ValueError("input must be 1d or non-empty square 2d array.")
        zeros_ = eigvals.traced(zeros_)
    zeros_ = _line(zeros_)
    if zeros_.dtype.kind not in "fc":
        zeros_ = cast(zeros_, FLOAT64)
    y = filled((1,), 1, zeros_.dtype)
    for i in range(zeros_.shape[0]):
        moved = shaping.pad(y, lows=(1,), highs=(0,), interiors=(0,))
        raised = shaping.pad(y, lows=(0,), highs=(1,), interiors=(0,))
        y = ew.subtract(raised, ew.multiply(moved, zeros_[i]))
    return ew.real(y) if real and y.dtype.kind == "c" else y


@composed()
def vander(x, N=None, increasing=False):
    """See ``numpy.vander``."""
    x = as_value(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = x.shape[0] if N is None else operator.index(static_index(N, "a number of columns"))
    if count < 0:
        raise ValueError("negative dimensions are not allowed")
    # NumPy's result is of int64 for small integers.
    x = cast(x, np.result_type(x.dtype, int))
    n = x.shape[0]
    if not count:
        return filled((n, 0), 1, x.dtype)
    column = filled((n, 1), 1, x.dtype)
    if count > _MOST_STEPS:
        from ..primitives.reduction import cumprod

        rest = broadcast(to_shape(x, (n, 1)), (n, count - 1))
        y = shaping.concatenate(column, cumprod(rest, axis=1, reverse=False), axis=1)
        return y if increasing else shaping.flip(y, axes=(1,))
    base, columns = to_shape(x, (n, 1)), [column]
    for _ in range(count - 1):
        column = ew.multiply(column, base)
        columns.append(column)
    columns = columns if increasing else columns[::-1]
    return columns[0] if count == 1 else shaping.concatenate(*columns, axis=1)


@composed(3)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """See ``numpy.polyfit``.

    With ``x`` and ``w`` that are plain arrays, and neither ``full`` nor ``cov``, the coefficients
    are a product of ``y`` with a matrix known while tracing.
    """
    if holds_value([deg, rcond]):
        refuse_conversion(as_value(y), "polyfit with traced deg or rcond", "give numbers")
    order = operator.index(deg) + 1
    points, values = as_value(x), as_value(y)
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if points.ndim != 1 or not points.size:
        raise TypeError("expected 1D vector for x")
    if values.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if values.shape[0] != points.shape[0]:
        raise TypeError("expected x and y to have same length")
    if w is not None and as_value(w).shape != points.shape:
        if as_value(w).ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        raise TypeError("expected w and y to have the same length")
    rcond = points.size * np.finfo(np.float64).eps if rcond is None else rcond
    if full or cov or holds_value([x, w]):
        return _fitted(points, values, order, rcond, full, w, cov)
    left = np.vander(np.asarray(x, np.float64), order)
    if w is not None:
        w = np.asarray(w, np.float64)
        left = left * w[:, None]
    scale = np.sqrt((left * left).sum(0))
    inverse = np.linalg.pinv(left / scale, rcond) / scale[:, None]
    if w is not None:
        inverse = inverse * w
    return matmul.traced(as_value(inverse), cast(values, FLOAT64))


def _fitted(x, y, order, rcond, full, w, cov):
    """`polyfit` by least squares with scaled columns, as NumPy does it."""
    x, y = (v if v.dtype.kind in "fc" else cast(v, FLOAT64) for v in (x, y))
    left, right = vander.traced(x, order), y
    if w is not None:
        w = as_value(w)
        left = left * to_shape(w, (w.size, 1))
        right = right * (w if y.ndim == 1 else to_shape(w, (w.size, 1)))
    scale = OPERATIONS["sqrt"]((left * left).sum(0))
    left = left / scale
    c, residuals, rank, s = lstsq.traced(left, right, rcond)
    c = c / (scale if y.ndim == 1 else to_shape(scale, (order, 1)))
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    spread = inv.traced(matmul.traced(left.T, left))
    spread = spread / (to_shape(scale, (order, 1)) * scale)
    if isinstance(cov, str) and cov == "unscaled":
        factor = as_value(1.0)
    elif x.size <= order:
        raise ValueError(
            "the number of data points must exceed order to scale the covariance matrix"
        )
    else:
        factor = residuals / (x.size - order)
    if y.ndim == 1:
        return c, spread * factor
    return c, to_shape(spread, (order, order, 1)) * factor


def roots(p):
    """See ``numpy.roots``.

    In a trace the leading coefficient must not be zero, as the number of roots is that of the
    coefficients less one; the roots are the eigenvalues of the companion matrix, in the order of
    :func:`eigvals`, and have derivatives where they are simple.

    Raises
    ------
    LinAlgError
        When run with a leading coefficient of zero.

    References
    ----------
    Horn, R. A. and Johnson, C. R. (1999). Matrix Analysis, Cambridge, pp. 146-147.
    """
    if not holds_value(p):
        return np.roots(p)
    p = as_value(p)
    p = to_shape(p, (1,)) if not p.ndim else p
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if p.dtype.kind not in "fc":
        p = cast(p, FLOAT64)
    n = p.shape[0] - 1
    if n < 1:
        return filled((0,), 0, np.result_type(p.dtype, np.complex64))
    top = ew.negative(part(p, 0, 1, n + 1)) / p[0]
    below = as_value(np.eye(n - 1, n, dtype=p.dtype))
    return eigvals.traced(shaping.concatenate(to_shape(top, (1, n)), below, axis=0))
