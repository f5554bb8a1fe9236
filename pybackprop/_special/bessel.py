"""Bessel functions of integer order."""

import numpy as np

from ..graph import Value
from ..numpy._eager import surface
from ..primitives import special as sp
from ..primitives.base import constant
from .common import floats, order, register

__all__ = [
    "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jn", "jv", "k0", "k0e", "k1", "k1e", "kn",
    "kv", "kve", "y0", "y1", "yn", "yv",
]  # fmt: skip


@surface()
def i0(x):
    """The modified Bessel function of order 0, see ``scipy.special.i0``."""
    return sp.i0(*floats(x))


@surface()
def i1(x):
    """The modified Bessel function of order 1, see ``scipy.special.i1``."""
    return sp.i1(*floats(x))


@surface()
def i0e(x):
    """``exp(-abs(x)) * i0(x)``, see ``scipy.special.i0e``; derivative 0 at 0."""
    return sp.i0e(*floats(x))


@surface()
def i1e(x):
    """``exp(-abs(x)) * i1(x)``, see ``scipy.special.i1e``."""
    return sp.i1e(*floats(x))


def _fixed(name, primitive, number, text):
    def function(x):
        return primitive.at(number, *floats(x))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{text}, see ``scipy.special.{name}``."
    return surface()(function)


j0 = _fixed("j0", sp.jv, 0, "The Bessel function of the first kind of order 0")
j1 = _fixed("j1", sp.jv, 1, "The Bessel function of the first kind of order 1")
y0 = _fixed("y0", sp.yv, 0, "The Bessel function of the second kind of order 0")
y1 = _fixed("y1", sp.yv, 1, "The Bessel function of the second kind of order 1")
k0 = _fixed("k0", sp.kv, 0, "The modified Bessel function of the second kind of order 0")
k1 = _fixed("k1", sp.kv, 1, "The modified Bessel function of the second kind of order 1")
k0e = _fixed("k0e", sp.kve, 0, "``exp(x) * k0(x)``")
k1e = _fixed("k1e", sp.kve, 1, "``exp(x) * k1(x)``")


def _family(name, primitive, text, first=None):
    def inner(x, n):
        if type(n) is Value:
            return primitive(*floats(n, x))
        (x,) = floats(x)
        if first and np.ndim(n) == 0 and abs(int(n)) < 2:
            return first[abs(int(n))](x)
        return primitive(constant(np.asarray(n), x.dtype), x)

    inner.__name__ = inner.__qualname__ = name
    compiled = surface(1)(inner)

    def function(v, z):
        return compiled(z, order(name, v))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}, see ``scipy.special.{name}``.

    Parameters
    ----------
    v : int or array of int
        The order; to differentiate, a plain number or array.
    z : array

    Raises
    ------
    ValueError
        If the order is no integer.
    """
    return function


jv = _family("jv", sp.jv, "The Bessel function of the first kind of integer order")
yv = _family("yv", sp.yv, "The Bessel function of the second kind of integer order")
iv = _family("iv", sp.iv, "The modified Bessel function of integer order", (sp.i0, sp.i1))
ive = _family("ive", sp.ive, "``exp(-abs(z)) * iv(v, z)``", (sp.i0e, sp.i1e))
kv = _family("kv", sp.kv, "The modified Bessel function of the second kind of integer order")
kve = _family("kve", sp.kve, "``exp(z) * kv(v, z)``")
jn, yn, kn = jv, yv, kv

register(
    i0, i1, i0e, i1e, j0, j1, y0, y1, k0, k1, k0e, k1e, jv, yv, iv, ive, kv, kve,
    jn=jv, yn=yv, kn=kv,
)  # fmt: skip
