"""Error functions, the normal distribution, exponential integrals and powers."""

import math

import numpy as np

from ..numpy._eager import surface
from ..primitives import elementwise as ew
from ..primitives import special as sp
from .common import floats, like, order, plus, register, times

__all__ = [
    "boxcox", "boxcox1p", "cosm1", "erfcinv", "erfcx", "erfinv", "exp1", "expi", "expn", "exprel",
    "huber", "inv_boxcox", "inv_boxcox1p", "kl_div", "log_ndtr", "ndtr", "ndtri", "powm1",
    "pseudo_huber", "rel_entr", "spence",
]  # fmt: skip


@surface()
def erfcx(x):
    """``exp(x**2) * erfc(x)``, see ``scipy.special.erfcx``."""
    return sp.erfcx(*floats(x))


@surface()
def erfinv(y):
    """The inverse of ``erf``, see ``scipy.special.erfinv``."""
    return sp.erfinv(*floats(y))


@surface()
def erfcinv(y):
    """The inverse of ``erfc``, see ``scipy.special.erfcinv``."""
    return sp.erfcinv(*floats(y))


@surface()
def ndtr(x):
    """The distribution function of the standard normal, see ``scipy.special.ndtr``."""
    return sp.ndtr(*floats(x))


@surface()
def log_ndtr(x):
    """``log(ndtr(x))``, also where ``ndtr`` underflows, see ``scipy.special.log_ndtr``."""
    return sp.log_ndtr(*floats(x))


@surface()
def ndtri(y):
    """The inverse of ``ndtr``, see ``scipy.special.ndtri``."""
    return sp.ndtri(*floats(y))


@surface()
def expi(x):
    """The exponential integral Ei, see ``scipy.special.expi``."""
    return sp.expi(*floats(x))


@surface(1)
def _expn(x, n):
    (x,) = floats(x)
    return sp.expn(floats(n)[0] if hasattr(n, "node") else _orders(n, x), x)


def _orders(n, x):
    from ..primitives.base import constant

    return constant(np.asarray(n), x.dtype)


def expn(n, x):
    """The generalised exponential integral of integer order, see ``scipy.special.expn``.

    Parameters
    ----------
    n : int or array of int
        Not negative (NaN otherwise).
    x : array
        Not negative (NaN otherwise).

    Raises
    ------
    ValueError
        If the order is no integer.
    """
    return _expn(x, order("expn", n))


@surface()
def exp1(x):
    """The exponential integral E1, NaN below 0, see ``scipy.special.exp1``."""
    (x,) = floats(x)
    return sp.expn.at(1, x)


@surface()
def exprel(x):
    """``(exp(x) - 1) / x``, 1 at 0, see ``scipy.special.exprel``."""
    (x,) = floats(x)
    return sp.exprel.at(0, x)


@surface()
def spence(z):
    """The dilogarithm of 1 - z for real z, see ``scipy.special.spence``."""
    return sp.spence(*floats(z))


@surface()
def cosm1(x):
    """``cos(x) - 1``, accurate near 0, see ``scipy.special.cosm1``."""
    (x,) = floats(x)
    return times(ew.square(ew.sin(times(x, 0.5))), -2)


@surface(2)
def powm1(x, y):
    """``x**y - 1``, accurate near 1, see ``scipy.special.powm1``."""
    x, y = floats(x, y)
    zero, one = like(0, x), like(1, x)
    positive = ew.less(zero, x)
    exponent = ew.multiply(y, ew.log(ew.select(positive, x, one)))
    near = ew.logical_and(positive, ew.less(ew.abs_(exponent), like(0.5, x)))
    small = ew.expm1(ew.select(near, exponent, zero))
    return ew.select(near, small, plus(ew.power(x, y), -1))


@surface(2)
def boxcox(x, lmbda):
    """``(x**lmbda - 1) / lmbda``, log(x) at 0, see ``scipy.special.boxcox``."""
    x, lmbda = floats(x, lmbda)
    zero, one = like(0, x), like(1, x)
    end = ew.equal(x, zero)
    logarithm = ew.log(ew.select(end, one, x))
    value = ew.multiply(logarithm, sp.exprel.at(0, ew.multiply(lmbda, logarithm)))
    positive = ew.less(zero, lmbda)
    low = ew.negative(ew.reciprocal(ew.select(positive, lmbda, one)))
    return ew.select(end, ew.select(positive, low, like(-math.inf, x)), value)


@surface(2)
def boxcox1p(x, lmbda):
    """``boxcox(1 + x, lmbda)``, accurate near 0, see ``scipy.special.boxcox1p``."""
    x, lmbda = floats(x, lmbda)
    zero = like(0, x)
    end = ew.equal(x, like(-1, x))
    logarithm = ew.log1p(ew.select(end, zero, x))
    value = ew.multiply(logarithm, sp.exprel.at(0, ew.multiply(lmbda, logarithm)))
    positive = ew.less(zero, lmbda)
    low = ew.negative(ew.reciprocal(ew.select(positive, lmbda, like(1, x))))
    return ew.select(end, ew.select(positive, low, like(-math.inf, x)), value)


def _inv_boxcox_log(y, lmbda):
    return ew.multiply(y, sp.log1prel.at(0, ew.multiply(lmbda, y)))


@surface(2)
def inv_boxcox(y, lmbda):
    """The inverse of ``boxcox``, see ``scipy.special.inv_boxcox``."""
    return ew.exp(_inv_boxcox_log(*floats(y, lmbda)))


@surface(2)
def inv_boxcox1p(y, lmbda):
    """The inverse of ``boxcox1p``, see ``scipy.special.inv_boxcox1p``."""
    return ew.expm1(_inv_boxcox_log(*floats(y, lmbda)))


def _relative(x, y):
    """The product x log(x / y) where both are positive, else 0, and where that is so."""
    zero, one = like(0, x), like(1, x)
    both = ew.logical_and(ew.less(zero, x), ew.less(zero, y))
    safe_x, safe_y = ew.select(both, x, one), ew.select(both, y, one)
    value = ew.multiply(safe_x, ew.log(ew.divide(safe_x, safe_y)))
    edge = ew.logical_and(ew.equal(x, zero), ew.less_equal(zero, y))
    broken = ew.logical_or(ew.isnan(x), ew.isnan(y))
    return both, edge, broken, value


@surface(2)
def rel_entr(x, y):
    """``x log(x / y)``, 0 at x = 0, inf outside, see ``scipy.special.rel_entr``."""
    x, y = floats(x, y)
    both, edge, broken, value = _relative(x, y)
    outside = ew.select(edge, like(0, x), like(math.inf, x))
    return ew.select(both, value, ew.select(broken, ew.add(x, y), outside))


@surface(2)
def kl_div(x, y):
    """``x log(x / y) - x + y``, y at x = 0, inf outside, see ``scipy.special.kl_div``."""
    x, y = floats(x, y)
    both, edge, broken, value = _relative(x, y)
    value = ew.add(ew.subtract(value, x), y)
    outside = ew.select(edge, y, like(math.inf, x))
    return ew.select(both, value, ew.select(broken, ew.add(x, y), outside))


@surface(2)
def huber(delta, r):
    """Huber's loss, quadratic up to ``delta``, see ``scipy.special.huber``."""
    delta, r = floats(delta, r)
    size = ew.abs_(r)
    inner = times(ew.square(r), 0.5)
    outer = ew.multiply(delta, ew.subtract(size, times(delta, 0.5)))
    value = ew.select(ew.less_equal(size, delta), inner, outer)
    return ew.select(ew.less(delta, like(0, r)), like(math.inf, r), value)


@surface(2)
def pseudo_huber(delta, r):
    """A smooth form of Huber's loss, see ``scipy.special.pseudo_huber``."""
    delta, r = floats(delta, r)
    zero, one = like(0, r), like(1, r)
    positive = ew.less(zero, delta)
    safe = ew.select(positive, delta, one)
    ratio = ew.square(ew.divide(r, safe))
    value = ew.multiply(ew.square(safe), ew.expm1(times(ew.log1p(ratio), 0.5)))
    value = ew.select(positive, value, zero)
    return ew.select(ew.less(delta, zero), like(math.inf, r), value)


register(
    erfcx, erfinv, erfcinv, ndtr, log_ndtr, ndtri, expi, expn, exp1, exprel, spence, cosm1, powm1,
    boxcox, boxcox1p, inv_boxcox, inv_boxcox1p, rel_entr, kl_div, huber, pseudo_huber,
)  # fmt: skip
