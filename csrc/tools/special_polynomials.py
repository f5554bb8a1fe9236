"""Coefficients of the polynomials in ``csrc/src/special_math.h``.

Each row of ``TARGETS`` names a smooth function, an interval and a number of coefficients.  The
polynomial is the one through the function's values at the Chebyshev points of the interval, which
is within a small factor of the best (Trefethen, Approximation Theory and Approximation Practice,
2013, chapter 16), in 60-digit arithmetic, as powers of t in [-1, 1] or of the argument itself; its
coefficients are rounded to float64 and printed as C literals, lowest first, with the largest error
relative to the function, in bits, before and after rounding.  Needs mpmath; runs about a minute.

Usage: python csrc/tools/special_polynomials.py [name ...]
"""

import sys

from mpmath import (
    besseli,
    besselj,
    besseljzero,
    bessely,
    cos,
    digamma,
    erfc,
    erfinv,
    euler,
    exp,
    findroot,
    gamma,
    log,
    loggamma,
    lu_solve,
    matrix,
    mp,
    mpf,
    pi,
    sqrt,
)  # fmt: skip

mp.dps = 60
TINY = mpf("1e-25")


def away(function):
    """Take a function beside its removable singularity at 0, where it is needed to 25 digits."""
    return lambda t: function(t if abs(t) > TINY else TINY)


def powers(function, low, high, n, centred):
    """Coefficients, lowest first, in t = (2 x - low - high) / (high - low) or in x itself."""
    middle, radius = (mpf(low) + high) / 2, (mpf(high) - low) / 2
    points = [cos(pi * (k + mpf(1) / 2) / n) for k in range(n)]
    system, right = matrix(n, n), matrix(n, 1)
    for row, t in enumerate(points):
        x = middle + radius * t
        base = t if centred else x
        for column in range(n):
            system[row, column] = base**column
        right[row] = function(x)
    return list(lu_solve(system, right))


def horner(coefficients, x):
    """Sum of c[i] x^i."""
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


PSI_ROOT = findroot(digamma, mpf("1.4616"))
J0_ZEROS = [besseljzero(0, k) for k in (1, 2)]
J1_ZEROS = [besseljzero(1, k) for k in (1, 2)]


def phase(order):
    """Give the phase of J + i Y less x - (2 order + 1) pi / 4, times x, as a function of 1/x^2."""

    def function(u):
        x = 1 / sqrt(max(u, TINY))
        if x > 300:
            m = mpf(4 * order * order)
            # DLMF 10.18.18
            return (
                (m - 1) / 8
                + (m - 1) * (m - 25) / 384 * u
                + (m - 1) * (m * m - 114 * m + 1073) / 5120 * u**2
                + (m - 1) * (5 * m**3 - 1535 * m * m + 54703 * m - 375733) / 229376 * u**3
            )
        base = x - (2 * order + 1) * pi / 4
        j, y = besselj(order, x), bessely(order, x)
        # atan2 of the turned pair, which is small
        return x * mp.atan2(y * cos(base) - j * mp.sin(base), j * cos(base) + y * mp.sin(base))

    return function


def modulus(order):
    """Give sqrt(pi x / 2 (J^2 + Y^2)) as a function of 1/x^2."""

    def function(u):
        x = 1 / sqrt(max(u, TINY))
        return sqrt(pi * x / 2 * (besselj(order, x) ** 2 + bessely(order, x) ** 2))

    return function


def log_gamma_tail(u):
    """(log gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2) x as a function of 1/x^2."""
    x = 1 / sqrt(max(u, mpf("1e-16")))
    return (loggamma(x) - (x - mpf(1) / 2) * log(x) + x - log(2 * pi) / 2) * x


def digamma_tail(u):
    """(log x - 1 / (2 x) - digamma(x)) x^2 as a function of 1/x^2."""
    x = 1 / sqrt(max(u, mpf("1e-16")))
    return (log(x) - 1 / (2 * x) - digamma(x)) * x * x


def inverse_centre(z):
    """erfinv(x) / x as a function of x^2."""
    x = sqrt(max(z, TINY))
    return erfinv(x) / x


def inverse_tail(s):
    """erfcinv(q) / s by s = sqrt(-log q)."""
    y = sqrt(s * s - log(2) / 2)
    for _ in range(9):
        c = erfc(y)
        y += (log(c) + s * s) * c * sqrt(pi) / 2 * exp(y * y)
    return y / s


def scaled_i(order):
    """sqrt(x) exp(-x) I(x) as a function of 1/x."""

    def function(u):
        x = 1 / max(u, mpf("1e-4"))
        if u < mpf("1e-4"):
            m = mpf(4 * order * order)
            e, total, term = u / 8, mpf(1), mpf(1)
            for k in range(1, 12):
                term *= -(m - (2 * k - 1) ** 2) * e / k
                total += term
            return total / sqrt(2 * pi)
        return besseli(order, x) * exp(-x) * sqrt(x)

    return function


def levelled(z):
    """Factor that makes the quotients of J0 and J1 by their zeros change little over [0, 64]."""
    return (1 + z / 16) ** 2


# name: function, interval, number of coefficients, whether centred
TARGETS = {
    "lgamma": (away(lambda t: loggamma(2 + t) / t), mpf("-0.5"), mpf("0.5"), 21, False),
    "lgamma_tail": (log_gamma_tail, 0, mpf(1) / 64, 8, False),
    "gamma": (lambda x: gamma(x), 2, 3, 19, True),
    "digamma": (
        lambda x: digamma(x) / (x - PSI_ROOT) if abs(x - PSI_ROOT) > TINY else mp.psi(1, PSI_ROOT),
        1, mpf("2.25"), 25, True,
    ),
    "digamma_tail": (digamma_tail, 0, mpf(1) / 64, 8, False),
    "erfinv": (inverse_centre, 0, mpf(".2501"), 14, False),
    "erfcinv_middle": (inverse_tail, mpf("0.832"), 4, 12, True),
    "erfcinv_tail": (lambda v: inverse_tail(1 / v), mpf("0.036"), mpf("0.25"), 10, True),
    "i0": (lambda z: besseli(0, sqrt(z)), 0, 144, 20, False),
    "i1": (away(lambda z: besseli(1, sqrt(z)) / sqrt(z)), 0, 144, 19, False),
    "i0_tail": (scaled_i(0), 0, mpf(1) / 12, 19, True),
    "i1_tail": (scaled_i(1), 0, mpf(1) / 12, 19, True),
    "j0": (
        lambda z: besselj(0, sqrt(z)) * levelled(z)
        / ((z - J0_ZEROS[0] ** 2) * (z - J0_ZEROS[1] ** 2)),
        0, 64, 17, True,
    ),
    "j1": (
        away(lambda z: besselj(1, sqrt(z)) / sqrt(z) * levelled(z)
             / ((z - J1_ZEROS[0] ** 2) * (z - J1_ZEROS[1] ** 2))),
        0, 64, 17, True,
    ),
    "y0": (
        away(lambda z: bessely(0, sqrt(z)) - 2 / pi * log(sqrt(z) / 2) * besselj(0, sqrt(z))),
        0, 64, 17, True,
    ),
    "y1": (
        away(lambda z: (bessely(1, sqrt(z)) - 2 / pi
                        * (log(sqrt(z) / 2) * besselj(1, sqrt(z)) - 1 / sqrt(z))) / sqrt(z)),
        0, 64, 17, True,
    ),
    "phase0": (phase(0), 0, mpf(1) / 64, 14, True),
    "phase1": (phase(1), 0, mpf(1) / 64, 14, True),
    "modulus0": (modulus(0), 0, mpf(1) / 64, 14, True),
    "modulus1": (modulus(1), 0, mpf(1) / 64, 14, True),
}  # fmt: skip


def literal(c):
    """C's hexadecimal literal."""
    mantissa, exponent = float(c).hex().split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{exponent}"


def pair(name, value):
    """Print a number as the sum of two doubles."""
    high = float(value)
    print(f"{name}: {literal(high)} + {literal(float(value - high))}")


def main(names):
    """Print the polynomials named, or all, and the zeros that they leave out."""
    if not names:
        pair("digamma root", PSI_ROOT)
        for k in (0, 1):
            pair(f"j0 zero {k}", J0_ZEROS[k])
            pair(f"j1 zero {k}", J1_ZEROS[k])
        pair("euler", euler)
    for name in names or TARGETS:
        function, low, high, n, centred = TARGETS[name]
        found = powers(function, low, high, n, centred)
        final = [mpf(float(c)) for c in found]
        before = after = mpf(0)
        for i in range(97):
            x = mpf(low) + (mpf(high) - low) * (i + mpf(1) / 2) / 97
            at = (2 * x - low - high) / (mpf(high) - low) if centred else x
            exact = function(x)
            before = max(before, abs(horner(found, at) / exact - 1))
            after = max(after, abs(horner(final, at) / exact - 1))
        print(f"{name}: 2^{float(log(before, 2)):.1f}, rounded 2^{float(log(after, 2)):.1f}")
        for c in final:
            print("   ", literal(c))


if __name__ == "__main__":
    main(sys.argv[1:])
