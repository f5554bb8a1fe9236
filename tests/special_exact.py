"""Special functions by mpmath, element by element, to the precision of longdouble: the source of
values and differences that is independent of the library."""

import mpmath
import numpy as np
from mpmath import mp


def precise(function, digits=40):
    """An mpmath function of numbers, on arrays that broadcast, as longdouble."""

    def one(*numbers):
        with mpmath.workdps(digits):
            arguments = [mpmath.mpf(np.format_float_scientific(x, 30)) for x in numbers]
            value = function(*arguments)
            return np.longdouble(mpmath.nstr(mpmath.re(value), 30))

    wide = np.vectorize(one, otypes=[np.longdouble])
    return lambda *arrays: wide(*[np.asarray(a, np.longdouble) for a in arrays])


def _gammainc(k, a, x):
    function = lambda t: mp.gammainc(t, 0, x, regularized=True)  # noqa: E731
    return mp.diff(function, a, int(k)) if k else function(a)


def _betainc(order):
    def function(a, b, x):
        def inner(s, t):
            return mp.betainc(s, t, 0, x, regularized=True)

        return mp.diff(inner, (a, b), order) if any(order) else inner(a, b)

    return function


def zeta(k, s, q):
    """The k-th derivative of the Hurwitz zeta function by Euler's and Maclaurin's formula."""
    terms = 30 + int(s)

    def function(t):
        w = q + terms
        total = mp.fsum((q + i) ** -t for i in range(terms))
        total += w ** (1 - t) / (t - 1) + w**-t / 2
        for j in range(1, 20):
            total += (
                mp.bernoulli(2 * j) / mp.factorial(2 * j) * mp.rf(t, 2 * j - 1)
                * w ** (-t - 2 * j + 1)
            )  # fmt: skip
        return total

    return mp.diff(function, s, int(k)) if k else function(s)


def ierfcx(n, x):
    """Repeated integrals of erfc, scaled, by the recurrence with digits to lose."""
    with mpmath.workdps(100):
        before, value = 2 / mp.sqrt(mp.pi), mp.exp(x * x) * mp.erfc(x)
        for i in range(1, int(n) + 1):
            before, value = value, (before - 2 * x * value) / (2 * i)
        return value


def _erfcinv(q):
    y = mp.erfinv(1 - q)
    for _ in range(3):
        y += (mp.erfc(y) - q) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
    return y


EXACT = {
    name: precise(function)
    for name, function in {
        "lgamma": lambda x: mp.log(abs(mp.gamma(x))),
        "digamma": mp.digamma,
        "gamma": mp.gamma,
        "rgamma": mp.rgamma,
        "betaln": lambda a, b: mp.log(mp.beta(a, b)),
        "zeta": zeta,
        "gammainc": _gammainc,
        "gammaincc": lambda k, a, x: (1 if k == 0 else 0) - _gammainc(k, a, x),
        "betainc": _betainc((0, 0)),
        "betainc_a": _betainc((1, 0)),
        "betainc_b": _betainc((0, 1)),
        "betainc_aa": _betainc((2, 0)),
        "betainc_ab": _betainc((1, 1)),
        "betainc_bb": _betainc((0, 2)),
        "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x),
        "ierfcx": ierfcx,
        "ndtr": mp.ncdf,
        "log_ndtr": lambda x: mp.log(mp.ncdf(x)),
        "ndtri": lambda p: -mp.sqrt(2) * _erfcinv(2 * p),
        "erfinv": mp.erfinv,
        "erfcinv": _erfcinv,
        "expi": mp.ei,
        "expn": mp.expint,
        "exprel": lambda k, x: mp.hyp1f1(k + 1, k + 2, x) / (k + 1),
        "log1prel": lambda k, x: (
            (-1) ** int(k) * mp.factorial(k) * mp.hyp2f1(k + 1, k + 1, k + 2, -x) / (k + 1)
        ),
        "spence": lambda x: mp.polylog(2, 1 - x),
        "jv": mp.besselj,
        "yv": mp.bessely,
        "iv": mp.besseli,
        "ive": lambda n, x: mp.besseli(n, x) * mp.exp(-abs(x)),
        "kv": mp.besselk,
        "kve": lambda n, x: mp.besselk(n, x) * mp.exp(x),
        "i0": lambda x: mp.besseli(0, x),
        "i1": lambda x: mp.besseli(1, x),
        "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
        "i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
    }.items()
}
