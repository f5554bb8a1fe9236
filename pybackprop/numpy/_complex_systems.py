"""Linear systems of complex matrices, by real ones.

``a x = b`` with complex a of n rows is a real system of 2 n rows: a + i b acts on pairs of parts as
``[[a, -b], [b, a]]``. So solutions and inverses go through the real kernels, with their derivatives
and their errors for singular matrices. Determinants are not to be had that way; they come from an
elimination with row pivots, written as a loop.
"""

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction, shaping
from ..primitives.base import broadcast, constant, filled
from ._shaping import to_shape


def embedded(a):
    """The real matrices that act on pairs of parts as complex matrices do."""
    re, im = ew.real(a), ew.imag(a)
    last = a.ndim - 1
    above = shaping.concatenate(re, ew.negative(im), axis=last)
    below = shaping.concatenate(im, re, axis=last)
    return shaping.concatenate(above, below, axis=last - 1)


def stacked(b):
    """Real parts above imaginary parts."""
    return shaping.concatenate(ew.real(b), ew.imag(b), axis=b.ndim - 2)


def unstacked(x):
    """The complex matrices whose parts lie one above the other."""
    axis, n = x.ndim - 2, x.shape[-2] // 2
    return ew.make_complex(shaping.slice_axis(x, axis, 0, n), shaping.slice_axis(x, axis, n, 2 * n))


def inverse(a, real_inverse):
    """Inverses, by a function for real ones."""
    n = a.shape[-1]
    return unstacked(shaping.slice_axis(real_inverse(embedded(a)), a.ndim - 1, 0, n))


def pivots(a):
    """The pivots of an elimination with row exchanges, and the sign of the exchanges.

    Parameters
    ----------
    a : (..., n, n) Value, n >= 1
        Complex.

    Returns
    -------
    pivots : (..., n) Value
        In the first axis instead of the last: (n, ...).
    sign : (...) Value
        Complex 1 or -1.
    """
    from ..loops import scan

    n, lead, ndim = a.shape[-1], a.shape[:-2], a.ndim
    rows = np.arange(n).reshape(n, 1)
    # The part that is left stands in the upper left corner; below it are zeros.
    left = np.arange(n)[None, :] < n - np.arange(n)[:, None]

    def step(state, remaining):
        m, sign = state
        first = shaping.slice_axis(m, ndim - 1, 0, 1)
        size = ew.abs_(ew.stop_gradient(to_shape(first, (*lead, n))))
        size = ew.select(remaining, size, constant(-1, size.dtype))
        best = to_shape(reduction.argmax(size, axis=ndim - 2), (*lead, 1, 1))
        chosen = ew.equal(broadcast(best, (*lead, n, 1)), constant(rows, np.int64))
        zero, one = constant(0, a.dtype), constant(1, a.dtype)
        pivot = reduction.sum_(ew.select(chosen, m, zero), axes=(ndim - 2,))
        pivot = to_shape(pivot, (*lead, 1, n))
        top = shaping.slice_axis(m, ndim - 2, 0, 1)
        m = ew.select(chosen, top, m)
        head = shaping.slice_axis(pivot, ndim - 1, 0, 1)
        safe = ew.select(ew.equal(head, zero), one, head)
        column = shaping.slice_axis(m, ndim - 1, 0, 1)
        m = ew.subtract(m, ew.multiply(ew.divide(column, safe), pivot))
        m = shaping.slice_axis(shaping.slice_axis(m, ndim - 2, 1, n), ndim - 1, 1, n)
        none = (0,) * ndim
        m = shaping.pad(m, lows=none, highs=(0,) * len(lead) + (1, 1), interiors=none)
        turned = ew.equal(to_shape(best, lead), constant(0, np.int64))
        sign = ew.multiply(sign, ew.select(turned, one, constant(-1, a.dtype)))
        return (m, sign), to_shape(head, lead)

    (_, sign), found = scan(step, (a, filled(lead, 1, a.dtype)), constant(left))
    return found, sign


def determinant(a):
    """Determinants; their derivative is NaN-free but where the matrix is singular not defined."""
    if not a.shape[-1]:
        return filled(a.shape[:-2], 1, a.dtype)
    found, sign = pivots(a)
    return ew.multiply(sign, reduction.prod(found, axes=(0,)))


def sign_and_logarithm(a):
    """The phase of determinants and the logarithm of their sizes."""
    if not a.shape[-1]:
        from ..primitives.base import real_dtype, zeros

        return filled(a.shape[:-2], 1, a.dtype), zeros(a.shape[:-2], real_dtype(a.dtype))
    found, sign = pivots(a)
    phase = ew.multiply(sign, reduction.prod(ew.sign(found), axes=(0,)))
    return phase, reduction.sum_(ew.log(ew.abs_(found)), axes=(0,))
