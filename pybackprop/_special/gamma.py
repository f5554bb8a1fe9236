"""Gamma functions and what is made of them: beta, zeta, incomplete gamma and beta functions."""

import math

import numpy as np

from ..graph import Value
from ..numpy._eager import surface
from ..primitives import elementwise as ew
from ..primitives import special as sp
from .common import floats, like, order, plus, register, times

__all__ = [
    "beta", "betainc", "betaincc", "betaln", "binom", "digamma", "factorial", "gamma", "gammainc",
    "gammaincc", "gammaln", "gammasgn", "loggamma", "multigammaln", "poch", "polygamma", "psi",
    "rgamma", "zeta",
]  # fmt: skip


@surface()
def gamma(x):
    """The gamma function, see ``scipy.special.gamma``; NaN at negative integers."""
    return sp.gamma(*floats(x))


@surface()
def gammaln(x):
    """``log(abs(gamma(x)))``, see ``scipy.special.gammaln``."""
    return sp.lgamma(*floats(x))


@surface()
def loggamma(x):
    """``log(gamma(x))`` for real x, NaN below 0, see ``scipy.special.loggamma``."""
    (x,) = floats(x)
    return ew.select(ew.less(x, like(0, x)), like(math.nan, x), sp.lgamma(x))


@surface()
def gammasgn(x):
    """The sign of ``gamma(x)``, NaN at negative integers, see ``scipy.special.gammasgn``."""
    (x,) = floats(x)
    zero, one = like(0, x), like(1, x)
    whole = ew.floor(x)
    odd = ew.subtract(whole, times(ew.floor(times(whole, 0.5)), 2))
    below = ew.select(ew.equal(whole, x), like(math.nan, x), ew.subtract(one, times(odd, 2)))
    value = ew.select(ew.less(x, zero), below, one)
    return ew.select(ew.equal(x, zero), ew.copysign(one, x), ew.select(ew.isnan(x), x, value))


@surface()
def rgamma(x):
    """``1 / gamma(x)``, 0 at the poles, see ``scipy.special.rgamma``."""
    return sp.rgamma(*floats(x))


@surface()
def digamma(x):
    """The derivative of ``gammaln``, see ``scipy.special.digamma``."""
    return sp.digamma(*floats(x))


psi = digamma


@surface()
def _factorial(n):
    (n,) = floats(n)
    return ew.select(ew.less(n, like(0, n)), like(0, n), sp.gamma(plus(n, 1)))


def factorial(n, exact=False):
    """``gamma(n + 1)``, 0 for negative n, see ``scipy.special.factorial``.

    Raises
    ------
    ValueError
        For ``exact=True``, which Python integers alone can give.
    """
    if exact:
        raise ValueError("factorial with exact=True is not supported; use math.factorial")
    return _factorial(n)


@surface(1)
def _polygamma(x, n):
    (x,) = floats(x)
    if type(n) is Value:
        (n,) = floats(n)
        power = ew.exp(sp.lgamma(plus(n, 1)))
        half = ew.floor(times(n, 0.5))
        sign = plus(times(ew.subtract(n, ew.add(half, half)), 2), -1)
        value = ew.multiply(ew.multiply(sign, power), sp.hurwitz(plus(n, 1), x))
        return ew.select(ew.equal(n, like(0, n)), sp.digamma(x), value)
    n = np.asarray(n)
    if n.ndim == 0:
        if int(n) == 0:
            return sp.digamma(x)
        factor = (-1.0) ** (int(n) + 1) * (math.gamma(int(n) + 1) if n < 171 else math.inf)
        return times(sp.hurwitz(like(int(n) + 1, x), x), factor)
    factors = [(-1.0) ** (k + 1) * (math.gamma(k + 1) if k < 171 else math.inf) for k in n.flat]
    from ..primitives.base import constant

    factor = constant(np.reshape(factors, n.shape), x.dtype)
    safe = constant(np.maximum(n, 1) + 1, x.dtype)
    value = ew.multiply(factor, sp.hurwitz(safe, x))
    return ew.select(constant(n == 0), sp.digamma(x), value)


def polygamma(n, x):
    """The n-th derivative of ``digamma``, see ``scipy.special.polygamma``.

    Parameters
    ----------
    n : int or array of int
        The order, not negative.
    x : array

    Raises
    ------
    ValueError
        If the order is known to be negative or no integer.

    Examples
    --------
    >>> import pybackprop as bp
    >>> round(float(bp.special.polygamma(1, 1.0)), 6)                # pi**2 / 6
    1.644934
    """
    n = order("polygamma", n)
    if type(n) is not Value and np.any(np.asarray(n) < 0):
        raise ValueError("polygamma needs an order that is not negative")
    return _polygamma(x, n)


@surface(1)
def _multigammaln(a, d):
    (a,) = floats(a)
    total = like(0.25 * d * (d - 1) * math.log(math.pi), a)
    for j in range(d):
        total = ew.add(total, sp.lgamma(plus(a, -0.5 * j)))
    return total


def multigammaln(a, d):
    """Log of the multivariate gamma function, see ``scipy.special.multigammaln``.

    Parameters
    ----------
    a : array
        Above ``(d - 1) / 2``.
    d : int
        The dimension, a plain number.

    Raises
    ------
    ValueError
        If ``d`` is no positive integer, or a plain ``a`` is too small.
    """
    number = order("multigammaln", d)
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"multigammaln needs a positive integer dimension, not {d!r}")
    if type(a) is not Value and np.any(np.asarray(a) <= 0.5 * (number - 1)):
        raise ValueError(f"condition a ({a!s}) > 0.5 * (d-1) ({0.5 * (number - 1)}) not met")
    return _multigammaln(a, number)


@surface(2)
def betaln(a, b):
    """``log(abs(beta(a, b)))``, see ``scipy.special.betaln``."""
    return sp.betaln(*floats(a, b))


def _signs(*operands):
    sign = None
    for x in operands:
        one = gammasgn.traced(x)
        sign = one if sign is None else ew.multiply(sign, one)
    return sign


@surface(2)
def beta(a, b):
    """``gamma(a) gamma(b) / gamma(a + b)``, see ``scipy.special.beta``."""
    a, b = floats(a, b)
    positive = ew.logical_and(ew.less(like(0, a), a), ew.less(like(0, b), b))
    sign = ew.select(positive, like(1, a), _signs(a, b, ew.add(a, b)))
    return ew.multiply(sign, ew.exp(sp.betaln(a, b)))


@surface(2)
def binom(n, k):
    """The binomial coefficient, n and k real, see ``scipy.special.binom``."""
    n, k = floats(n, k)
    rest = ew.subtract(n, k)
    up, low, high = plus(n, 1), plus(k, 1), plus(rest, 1)
    # gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1)); the reciprocals are 0 at poles.
    small = ew.multiply(ew.multiply(sp.gamma(up), sp.rgamma(low)), sp.rgamma(high))
    zero = like(0, n)
    inside = ew.logical_and(
        ew.less(like(-1, n), n), ew.logical_and(ew.less_equal(zero, k), ew.less_equal(zero, rest))
    )
    safe_k, safe_rest = ew.select(inside, k, zero), ew.select(inside, rest, zero)
    large = ew.exp(
        ew.negative(
            ew.add(
                sp.betaln(plus(safe_k, 1), plus(safe_rest, 1)),
                ew.log1p(ew.add(safe_k, safe_rest)),
            )
        )
    )
    return ew.select(ew.logical_and(inside, ew.less(like(20, n), n)), large, small)


@surface(2)
def poch(z, m):
    """``gamma(z + m) / gamma(z)``, see ``scipy.special.poch``."""
    z, m = floats(z, m)
    top = ew.add(z, m)
    value = ew.exp(ew.subtract(sp.lgamma(top), sp.lgamma(z)))
    zero, one = like(0, z), like(1, z)
    positive = ew.logical_and(ew.less(zero, z), ew.less(zero, top))
    sign = ew.select(positive, one, _signs(top, z))
    return ew.select(ew.equal(m, zero), one, ew.multiply(sign, value))


@surface(2)
def gammainc(a, x):
    """The regularised lower incomplete gamma function, see ``scipy.special.gammainc``.

    Derivatives with respect to ``a`` exist to third order, those to ``x`` to any order.
    """
    return sp.gammainc.at(0, *floats(a, x))


@surface(2)
def gammaincc(a, x):
    """The regularised upper incomplete gamma function, see ``scipy.special.gammaincc``.

    Derivatives as those of :func:`gammainc`.
    """
    return sp.gammaincc.at(0, *floats(a, x))


@surface(3)
def betainc(a, b, x):
    """The regularised incomplete beta function, see ``scipy.special.betainc``.

    Derivatives with respect to ``a`` and ``b`` exist to second order, those to ``x`` to any order.
    """
    return sp.betainc(*floats(a, b, x))


@surface(3)
def betaincc(a, b, x):
    """``1 - betainc(a, b, x)``, see ``scipy.special.betaincc``."""
    a, b, x = floats(a, b, x)
    return sp.betainc(b, a, ew.subtract(like(1, x), x))


@surface(2)
def _hurwitz(x, q):
    x, q = floats(x, q)
    below = ew.less(x, like(1, x))
    return ew.select(below, like(math.nan, x), sp.hurwitz(ew.select(below, like(2, x), x), q))


@surface()
def _riemann(x):
    (x,) = floats(x)
    # zeta(x) = 2 (2 pi)**(x-1) sin(pi x / 2) gamma(1 - x) zeta(1 - x) below 0.
    one, zero = like(1, x), like(0, x)
    low = ew.less(x, zero)
    right = sp.hurwitz(ew.select(low, like(2, x), x), one)
    mirrored = ew.subtract(one, ew.select(low, x, like(-1, x)))
    turn = times(mirrored, 0.5)
    # sin(pi x / 2) = cos(pi (1 - x) / 2), reduced exactly
    reduced = ew.subtract(turn, times(ew.rint(times(turn, 0.5)), 2))
    wave = ew.cos(times(reduced, math.pi))
    odd = ew.equal(ew.subtract(turn, ew.floor(turn)), like(0.5, x))
    wave = ew.subtract(wave, ew.select(odd, ew.stop_gradient(wave), zero))
    scale = ew.exp(ew.subtract(sp.lgamma(mirrored), times(mirrored, math.log(2 * math.pi))))
    left = ew.multiply(times(ew.multiply(wave, scale), 2), sp.hurwitz(mirrored, one))
    return ew.select(low, left, right)


def zeta(x, q=None):
    """The Riemann zeta function or, given ``q``, that of Hurwitz, see ``scipy.special.zeta``.

    Parameters
    ----------
    x : array
        NaN for x below 1 where ``q`` is given, as SciPy has it.
    q : array, optional

    Examples
    --------
    >>> import pybackprop as bp
    >>> round(float(bp.grad(bp.special.zeta)(2.0)), 6)
    -0.937548
    """
    return _riemann(x) if q is None else _hurwitz(x, q)


register(
    gamma, gammaln, loggamma, gammasgn, rgamma, betaln, beta, binom, poch, gammainc, gammaincc,
    betainc, betaincc, psi=digamma, digamma=digamma, _zeta=_hurwitz, _riemann_zeta=_riemann,
)  # fmt: skip
