"""Coefficients of the polynomials in ``csrc/src/simd_math.h``.

Each row of ``TARGETS`` names a smooth function, a positive weight, an interval and a number of
coefficients.  ``remez`` finds the polynomial whose largest weighted error on a fine Chebyshev grid
is smallest: it solves for a polynomial whose error alternates on n + 1 reference points, moves the
points to the extrema of the error, and repeats (Remez 1934; Muller, Elementary Functions, 2016,
section 3.5).  The coefficients are rounded to float64 or float32 and printed as C literals together
with the weighted error, in bits, before and after rounding.  Needs mpmath; runs about ten seconds.

Usage: python csrc/tools/minimax.py [name ...]
"""

import sys

from mpmath import (
    asin,
    atan,
    atanh,
    cos,
    erf,
    erfc,
    exp,
    expm1,
    log,
    lu_solve,
    matrix,
    mp,
    mpf,
    pi,
    sin,
    sqrt,
)  # fmt: skip

mp.prec = 200


def rounded(x, bits):
    """X to the nearest number of so many bits."""
    with mp.workprec(bits):
        return +x


def horner(coefficients, x):
    """Sum of c[i] x^i."""
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def extrema(error):
    """Grid indices of the largest error between two changes of its sign."""
    found = []
    for i, e in enumerate(error):
        if e == 0:
            continue
        if found and (error[found[-1]] > 0) == (e > 0):
            if abs(e) > abs(error[found[-1]]):
                found[-1] = i
        else:
            found.append(i)
    return found


def thinned(found, error, count):
    """Drop extrema down to `count`, still alternating: the weakest end, or the weakest pair."""
    while len(found) > count:
        weakest = min(range(len(found)), key=lambda k: abs(error[found[k]]))
        if len(found) == count + 1:
            found.pop(0 if abs(error[found[0]]) < abs(error[found[-1]]) else -1)
        elif weakest in (0, len(found) - 1):
            found.pop(weakest)
        else:
            right = abs(error[found[weakest + 1]]) < abs(error[found[weakest - 1]])
            first = weakest if right else weakest - 1
            del found[first : first + 2]
    return found


def remez(function, weight, low, high, n, rounds=12):
    """Find the n coefficients of the minimax polynomial, lowest first, and its error."""
    low, high = mpf(low), mpf(high)
    size = 40 * (n + 1)
    grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * k / (size - 1)) for k in range(size)]
    values, weights = [function(x) for x in grid], [weight(x) for x in grid]
    points = [round((size - 1) * k / n) for k in range(n + 1)]
    for _ in range(rounds):
        system, right = matrix(n + 1, n + 1), matrix(n + 1, 1)
        for row, i in enumerate(points):
            for column in range(n):
                system[row, column] = grid[i] ** column * weights[i]
            system[row, n] = (-1) ** row
            right[row] = values[i] * weights[i]
        solution = lu_solve(system, right)
        coefficients, levelled = [solution[i] for i in range(n)], abs(solution[n])
        error = [
            w * (horner(coefficients, x) - v) for x, v, w in zip(grid, values, weights, strict=True)
        ]
        largest = max(abs(e) for e in error)
        moved = thinned(extrema(error), error, n + 1)
        if len(moved) < n + 1 or moved == points or largest < levelled * mpf("1.0005"):
            break
        points = moved
    return coefficients, largest


def series(term, limit, value):
    """Take term(x) away from its removable singularity at 0, value(x) within `limit` of it."""
    return lambda x: term(x) if abs(x) > mpf(limit) else value(x)


LN2 = log(mpf(2))
EXP = series(lambda x: (expm1(x) - x) / x**2, "1e-20", lambda x: mpf(1) / 2 + x / 6)
EXP2 = series(lambda x: (mpf(2) ** x - 1 - x * LN2) / x**2, "1e-25", lambda x: LN2**2 / 2)
LOG = series(
    lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, "1e-30", lambda z: mpf(2) / 3 + 2 * z / 5
)
POW = series(lambda z: (LOG(z) - mpf(2) / 3) / z, "1e-15", lambda z: mpf(2) / 5 + 2 * z / 7)
SIN = series(
    lambda z: (sin(sqrt(z)) - sqrt(z)) / sqrt(z) ** 3, "1e-20", lambda z: -mpf(1) / 6 + z / 120
)
COS = series(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, "1e-14", lambda z: mpf(1) / 24 - z / 720)
ASIN = series(
    lambda z: (asin(sqrt(z)) - sqrt(z)) / sqrt(z) ** 3, "1e-20", lambda z: mpf(1) / 6 + 3 * z / 40
)
ATAN = series(
    lambda z: (atan(sqrt(z)) - sqrt(z)) / sqrt(z) ** 3, "1e-20", lambda z: -mpf(1) / 3 + z / 5
)
ERF = series(lambda z: erf(sqrt(z)) / sqrt(z) - 1, "1e-30", lambda z: 2 / sqrt(pi) - 1)


SLOPE = rounded(1 / sqrt(pi) - mpf(1) / 2, 53)


def scaled_erfc(q):
    """Give ((1 + 2 a) exp(a^2) erfc(a) - 1 - SLOPE (1 + q)) / (1 - q^2), q = (a - 4) / (a + 4)."""
    t = max(1 + q, mpf("1e-25"))
    a = 4 * t / (2 - t)
    return ((1 + 2 * a) * exp(a * a) * erfc(a) - 1 - SLOPE * t) / (t * (2 - t))


R = LN2 / 2 * mpf("1.001")
S2 = ((sqrt(2) - 1) / (sqrt(2) + 1) * mpf("1.0005")) ** 2
Z, ZF = (pi / 4 * mpf("1.001")) ** 2, (pi / 4 * mpf("1.005")) ** 2
HALF = mpf("0.5001")
LAST = (mpf("27.3") - 4) / (mpf("27.3") + 4)


def plus(shift, power=1):
    """Weight |x|^power + shift: the term's size beside what it is added to."""
    return lambda x: abs(x) ** power + mpf(shift)


# name: function, weight, interval, number of coefficients, bits
TARGETS = {
    "exp": (EXP, plus(".01"), -R, R, 11, 53),
    "expf": (EXP, plus(".01"), -R, R, 6, 24),
    "exp2": (EXP2, plus(".01"), -HALF, HALF, 11, 53),
    "log": (LOG, plus(".001"), 0, S2, 7, 53),
    "logf": (LOG, plus(".001"), 0, S2, 3, 24),
    "log1p": (LOG, plus(".001"), 0, mpf(1) / 9 * mpf("1.0001"), 10, 53),
    "log1pf": (LOG, plus(".001"), 0, mpf(1) / 9 * mpf("1.0001"), 4, 24),
    "pow": (POW, plus("1e-5", 2), 0, S2, 9, 53),
    "sin": (SIN, plus(".003"), 0, Z, 6, 53),
    "cos": (COS, plus(".0003", 2), 0, Z, 6, 53),
    "sinf": (SIN, plus(".003"), 0, ZF, 3, 24),
    "cosf": (COS, plus(".0003", 2), 0, ZF, 3, 24),
    "asin": (ASIN, plus(".003"), 0, mpf(".2501"), 12, 53),
    "atan": (ATAN, plus(".003"), 0, mpf(".41422") ** 2, 11, 53),
    "cbrt": (lambda x: x ** (-mpf(1) / 3), lambda x: x ** (mpf(1) / 3), 1, 2, 6, 53),
    "erf": (ERF, lambda z: mpf(1), 0, mpf("1.0001"), 12, 53),
    "erf_tail": (lambda a: -log(erfc(a)), lambda a: erfc(a) + mpf(2) ** -62, 1, 6, 20, 53),
    "erfc": (scaled_erfc, lambda q: 1 - q * q + mpf(".01"), -1, LAST, 23, 53),
}


def literal(c, bits):
    """C's hexadecimal literal."""
    mantissa, exponent = float(c).hex().split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{exponent}{'f' if bits == 24 else ''}"


def main(names):
    """Print the polynomials named, or all."""
    for name in names or TARGETS:
        function, weight, low, high, n, bits = TARGETS[name]
        coefficients, error = remez(function, weight, low, high, n)
        final = [rounded(c, bits) for c in coefficients]
        step = (mpf(high) - low) / 500
        after = max(
            weight(x) * abs(horner(final, x) - function(x))
            for x in (low + step * (i + mpf(1) / 2) for i in range(500))
        )
        print(f"{name}: 2^{float(log(error, 2)):.1f}, rounded 2^{float(log(after, 2)):.1f}")
        for c in final:
            print("   ", literal(c, bits))


if __name__ == "__main__":
    main(sys.argv[1:])
