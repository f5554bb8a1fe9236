"""Special functions as elementwise primitives: one class each, with partials that are closed.

Functions whose derivatives cancel when they are written with the function itself come as families
with an order: the order is an operand, a whole number that is constant, so that one instruction
serves a family. ``exprel(k, x)`` is the k-th derivative of (exp(x) - 1) / x, ``zeta(k, s, q)``
that of the Hurwitz zeta function by s, and so on. Orders have no derivative.

References: NIST Digital Library of Mathematical Functions, chapters 5 to 8, 10 and 25.
"""

import math

import numpy as np

from ..errors import DifferentiationError
from .base import (
    add_tangents,
    broadcast,
    constant,
    constant_value,
    is_constant,
    product,
    unbroadcast,
)
from .elementwise import (
    Elementwise,
    add,
    equal,
    exp,
    floor,
    less_equal,
    log,
    log1p,
    logical_and,
    multiply,
    mulz,
    negative,
    reciprocal,
    select,
    sign,
    square,
    subtract,
)


class Special(Elementwise):
    """A special function: no evaluation by NumPy, so constants are not folded.

    ``partials`` gives functions without arguments, so that those that are not wanted are not made:
    they may be costly, or may not exist.
    """

    def jvp(self, tangents, operands, outputs):
        (y,) = outputs
        terms = []
        for partial, tangent in zip(self.partials(*operands, y=y), tangents, strict=True):
            if partial is not None and tangent is not None:
                terms.append(broadcast(multiply(tangent, partial()), y.shape))
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,), (y,) = cotangents, outputs
        return [
            unbroadcast(product(ct, partial()), operand.shape) if want and partial else None
            for partial, operand, want in zip(
                self.partials(*operands, y=y), operands, wanted, strict=True
            )
        ]


class Ordered(Special):
    """A family of functions: the first operand is the order, a constant whole number.

    ``largest`` is the largest order that there is an instruction for; to go beyond it by a
    derivative is an error.
    """

    largest = math.inf

    def order(self, operand):
        """The order as an array, mostly of one number."""
        if is_constant(operand):
            return operand.node.attributes["value"]
        number = constant_value(operand)
        if number is None:
            raise DifferentiationError(
                f"{self.name} of an order that is computed in the function has no derivative; pass "
                "the order as a plain number"
            )
        return np.asarray(number)

    def at(self, order, *operands):
        """The member of the family of a given order."""
        if np.max(order) > self.largest:
            raise DifferentiationError(
                f"derivatives of {self.name} with respect to its parameter are supported to order "
                f"{self.largest}, not {np.max(order):g}"
            )
        return self(constant(order, operands[0].dtype), *operands)


def _times(x, factor):
    return multiply(x, constant(factor, x.dtype))


def _plus(x, number):
    return add(x, constant(number, x.dtype))


def hurwitz(s, q):
    """The Hurwitz zeta function, s a number or a value."""
    if not hasattr(s, "dtype"):
        s = constant(s, q.dtype)
    return zeta.at(0, s, q)


# ---- gamma functions ----------------------------------------------------------------------------


class Lgamma(Special):
    """y = log |gamma(x)|. Partial: digamma(x)."""

    name, instruction = "lgamma", "LGAMMA"

    def partials(self, x, *, y):
        return (lambda: digamma(x),)


class Digamma(Special):
    """y = d/dx log |gamma(x)|. Partial: the trigamma function, zeta(2, x)."""

    name, instruction = "digamma", "DIGAMMA"

    def partials(self, x, *, y):
        return (lambda: hurwitz(2, x),)


class Gamma(Special):
    """y = gamma(x). Partial: y digamma(x)."""

    name, instruction = "gamma", "GAMMA"

    def partials(self, x, *, y):
        return (lambda: multiply(y, digamma(x)),)


class Rgamma(Special):
    """y = 1 / gamma(x). Partial: -y digamma(x); at the poles of gamma, x = -n, (-1)^n n!."""

    name, instruction = "rgamma", "RGAMMA"

    def partials(self, x, *, y):
        return (lambda: self._slope(x),)

    def _slope(self, x):
        zero, one = constant(0, x.dtype), constant(1, x.dtype)
        pole = logical_and(less_equal(x, zero), equal(floor(x), x))
        n = select(pole, negative(x), zero)
        odd = subtract(n, _times(floor(_times(n, 0.5)), 2))
        residue = multiply(subtract(one, _times(odd, 2)), gamma(add(n, one)))
        regular = select(pole, one, x)
        return select(pole, residue, negative(multiply(rgamma(regular), digamma(regular))))


class Betaln(Special):
    """y = log |beta(a, b)|. Partials: digamma(a) - digamma(a + b), the same for b."""

    name, instruction, arity = "betaln", "BETALN", 2

    def partials(self, a, b, *, y):
        return (
            lambda: subtract(digamma(a), digamma(add(a, b))),
            lambda: subtract(digamma(b), digamma(add(a, b))),
        )


class Zeta(Ordered):
    """y = k-th derivative by s of zeta(s, q), the sum of (q + n)**-s over n = 0, 1 ...

    Partials: the next order; -s zeta(k, s + 1, q) - k zeta(k - 1, s + 1, q).
    """

    name, instruction, arity = "zeta", "ZETA", 3
    largest = 5

    def partials(self, k, s, q, *, y):
        order = self.order(k)

        def toward_q():
            after = _plus(s, 1)
            slope = multiply(s, self.at(order, after, q))
            if order.any():
                slope = add(slope, _times(self.at(order - 1, after, q), order))
            return negative(slope)

        return (None, lambda: self.at(order + 1, s, q), toward_q)


# ---- incomplete gamma and beta functions --------------------------------------------------------


class IncompleteGamma(Ordered):
    """The k-th derivative by a of P(a, x) or Q(a, x).

    Partials: the next order; plus or minus the k-th derivative by a of the density
    x**(a-1) exp(-x) / gamma(a).
    """

    arity = 3
    largest = 3
    negated = False

    def partials(self, k, a, x, *, y):
        order = int(self.order(k))
        return (None, lambda: self.at(order + 1, a, x), lambda: self._density(order, a, x))

    def _density(self, order, a, x):
        # mulz: x**0 is 1 at 0.
        exponent = mulz(_plus(a, -1), log(x))
        density = exp(subtract(exponent, add(x, lgamma(a))))
        if order:
            slope = subtract(log(x), digamma(a))
            factor = slope
            if order > 1:
                bend = hurwitz(2, a)
                factor = subtract(square(slope), bend)
            if order > 2:
                # psi'' = -2 zeta(3, a)
                factor = add(
                    multiply(slope, subtract(square(slope), _times(bend, 3))),
                    _times(hurwitz(3, a), 2),
                )
            density = multiply(density, factor)
        return negative(density) if self.negated else density


class Gammainc(IncompleteGamma):
    """The regularised lower incomplete gamma function P(a, x) and its derivatives by a."""

    name, instruction = "gammainc", "GAMMAINC"


class Gammaincc(IncompleteGamma):
    """The regularised upper incomplete gamma function Q(a, x) and its derivatives by a."""

    name, instruction = "gammaincc", "GAMMAINCC"
    negated = True


class IncompleteBeta(Special):
    """A derivative by the parameters of I_x(a, b).

    Partials: further derivatives, to second order; the same derivative of the density
    x**(a-1) (1-x)**(b-1) / beta(a, b).
    """

    arity = 3
    by = ""

    def partials(self, a, b, x, *, y):
        return (
            lambda: self._next("a", a, b, x),
            lambda: self._next("b", a, b, x),
            lambda: self._density(a, b, x),
        )

    def _next(self, parameter, a, b, x):
        member = "".join(sorted(self.by + parameter))
        if member not in INCOMPLETE_BETA:
            raise DifferentiationError(
                "derivatives of betainc with respect to its parameters are supported to order 2, "
                "not 3"
            )
        return INCOMPLETE_BETA[member](a, b, x)

    def _density(self, a, b, x):
        log_x, log_y = log(x), log1p(negative(x))
        exponent = add(mulz(_plus(a, -1), log_x), mulz(_plus(b, -1), log_y))
        density = exp(subtract(exponent, betaln(a, b)))
        if not self.by:
            return density
        both = digamma(add(a, b))
        slopes = {
            "a": add(subtract(log_x, digamma(a)), both),
            "b": add(subtract(log_y, digamma(b)), both),
        }
        factor = slopes[self.by[0]]
        if len(self.by) == 2:
            factor = add(multiply(factor, slopes[self.by[1]]), hurwitz(2, add(a, b)))
            if self.by != "ab":
                factor = subtract(factor, hurwitz(2, a if self.by == "aa" else b))
        return multiply(density, factor)


class Betainc(IncompleteBeta):
    """The regularised incomplete beta function I_x(a, b)."""

    name, instruction = "betainc", "BETAINC"


class BetaincA(IncompleteBeta):
    """Its derivative by a."""

    name, instruction, by = "betainc_a", "BETAINC_A", "a"


class BetaincB(IncompleteBeta):
    """Its derivative by b."""

    name, instruction, by = "betainc_b", "BETAINC_B", "b"


class BetaincAA(IncompleteBeta):
    """Its second derivative by a."""

    name, instruction, by = "betainc_aa", "BETAINC_AA", "aa"


class BetaincAB(IncompleteBeta):
    """Its derivative by a and b."""

    name, instruction, by = "betainc_ab", "BETAINC_AB", "ab"


class BetaincBB(IncompleteBeta):
    """Its second derivative by b."""

    name, instruction, by = "betainc_bb", "BETAINC_BB", "bb"


# ---- error functions ----------------------------------------------------------------------------


class Erfcx(Special):
    """y = exp(x**2) erfc(x). Partial: -2 ierfcx(1, x)."""

    name, instruction = "erfcx", "ERFCX"

    def partials(self, x, *, y):
        return (lambda: _times(ierfcx.at(1, x), -2),)


class Ierfcx(Ordered):
    """y = exp(x**2) times the n-th repeated integral of erfc.

    Partial: -2 (n + 1) ierfcx(n + 1, x), where 2 x y - ierfcx(n - 1, x) would cancel.
    """

    name, instruction, arity = "ierfcx", "IERFCX", 2

    def partials(self, n, x, *, y):
        after = self.order(n) + 1
        return (None, lambda: _times(self.at(after, x), -2 * after))


class Ndtr(Special):
    """y = the distribution function of the standard normal. Partial: exp(-x**2/2) / sqrt(2 pi)."""

    name, instruction = "ndtr", "NDTR"

    def partials(self, x, *, y):
        return (lambda: _times(exp(_times(square(x), -0.5)), 1 / math.sqrt(2 * math.pi)),)


class LogNdtr(Special):
    """y = log(ndtr(x)). Partial: sqrt(2 / pi) / erfcx(-x / sqrt(2))."""

    name, instruction = "log_ndtr", "LOG_NDTR"

    def partials(self, x, *, y):
        return (
            lambda: _times(reciprocal(erfcx(_times(x, -math.sqrt(0.5)))), math.sqrt(2 / math.pi)),
        )


class Ndtri(Special):
    """The inverse of ndtr. Partial: sqrt(2 pi) exp(y**2 / 2)."""

    name, instruction = "ndtri", "NDTRI"

    def partials(self, x, *, y):
        return (lambda: _times(exp(_times(square(y), 0.5)), math.sqrt(2 * math.pi)),)


class Erfinv(Special):
    """The inverse of erf. Partial: sqrt(pi) / 2 exp(y**2)."""

    name, instruction = "erfinv", "ERFINV"

    def partials(self, x, *, y):
        return (lambda: _times(exp(square(y)), math.sqrt(math.pi) / 2),)


class Erfcinv(Special):
    """The inverse of erfc. Partial: -sqrt(pi) / 2 exp(y**2)."""

    name, instruction = "erfcinv", "ERFCINV"

    def partials(self, x, *, y):
        return (lambda: _times(exp(square(y)), -math.sqrt(math.pi) / 2),)


# ---- exponential integrals and their kin --------------------------------------------------------


class Expi(Special):
    """y = integral of exp(t) / t from -inf to x. Partial: exp(x) / x."""

    name, instruction = "expi", "EXPI"

    def partials(self, x, *, y):
        return (lambda: multiply(exp(x), reciprocal(x)),)


class Expn(Ordered):
    """y = integral of exp(-x t) / t**n from 1 to inf. Partial: -expn(n - 1, x)."""

    name, instruction, arity = "expn", "EXPN", 2

    def partials(self, n, x, *, y):
        order = self.order(n)

        def slope():
            regular = self.at(np.maximum(order - 1, 0), x)
            if order.all():
                return negative(regular)
            first = multiply(y, _plus(reciprocal(x), 1))
            return negative(select(constant(order == 0), first, regular))

        return (None, slope)


class Exprel(Ordered):
    """y = k-th derivative of (exp(x) - 1) / x, 1 / (k + 1) at 0. Partial: the next order."""

    name, instruction, arity = "exprel", "EXPREL", 2

    def partials(self, k, x, *, y):
        after = self.order(k) + 1
        return (None, lambda: self.at(after, x))


class Log1prel(Ordered):
    """y = k-th derivative of log(1 + x) / x, which is 1 at 0. Partial: the next order."""

    name, instruction, arity = "log1prel", "LOG1PREL", 2

    def partials(self, k, x, *, y):
        after = self.order(k) + 1
        return (None, lambda: self.at(after, x))


class Spence(Special):
    """y = integral of log(t) / (1 - t) from 1 to x. Partial: -log(x) / (x - 1), -1 at 1."""

    name, instruction = "spence", "SPENCE"

    def partials(self, x, *, y):
        return (lambda: negative(log1prel.at(0, _plus(x, -1))),)


# ---- Bessel functions ---------------------------------------------------------------------------


class Bessel(Ordered):
    """A Bessel function of integer order n.

    Partial: (y(n - 1) + sign y(n + 1)) / 2 of the same family, turned for K; the same order is
    added where it is scaled by an exponential.
    """

    arity = 2
    before, behind = 0.5, 0.5

    def partials(self, n, x, *, y):
        order = self.order(n)
        return (
            None,
            lambda: self.added(
                add(
                    _times(self.at(order - 1, x), self.before),
                    _times(self.at(order + 1, x), self.behind),
                ),
                x,
                y,
            ),
        )

    def added(self, slope, x, y):
        """The slope with what the scaling adds to it."""
        return slope


class Jv(Bessel):
    """y = J_n(x). Partial: (J_(n-1) - J_(n+1)) / 2."""

    name, instruction, behind = "jv", "JV", -0.5


class Yv(Bessel):
    """y = Y_n(x). Partial: (Y_(n-1) - Y_(n+1)) / 2."""

    name, instruction, behind = "yv", "YV", -0.5


class Iv(Bessel):
    """y = I_n(x). Partial: (I_(n-1) + I_(n+1)) / 2."""

    name, instruction = "iv", "IV"


class Ive(Bessel):
    """y = exp(-|x|) I_n(x). Partial: that of I_n, scaled, less sign(x) y."""

    name, instruction = "ive", "IVE"

    def added(self, slope, x, y):
        return subtract(slope, multiply(sign(x), y))


class Kv(Bessel):
    """y = K_n(x). Partial: -(K_(n-1) + K_(n+1)) / 2."""

    name, instruction, before, behind = "kv", "KV", -0.5, -0.5


class Kve(Bessel):
    """y = exp(x) K_n(x). Partial: that of K_n, scaled, plus y."""

    name, instruction, before, behind = "kve", "KVE", -0.5, -0.5

    def added(self, slope, x, y):
        return add(slope, y)


class I0(Special):
    """y = I_0(x). Partial: I_1(x)."""

    name, instruction = "i0", "I0"

    def partials(self, x, *, y):
        return (lambda: i1(x),)


class I1(Special):
    """y = I_1(x). Partial: (I_0(x) + I_2(x)) / 2."""

    name, instruction = "i1", "I1"

    def partials(self, x, *, y):
        return (lambda: _times(add(i0(x), iv.at(2, x)), 0.5),)


class I0e(Special):
    """y = exp(-|x|) I_0(x). Partial: exp(-|x|) I_1(x) - sign(x) y, 0 at 0."""

    name, instruction = "i0e", "I0E"

    def partials(self, x, *, y):
        return (lambda: subtract(i1e(x), multiply(sign(x), y)),)


class I1e(Special):
    """y = exp(-|x|) I_1(x). Partial: that of I_1, scaled, less sign(x) y."""

    name, instruction = "i1e", "I1E"

    def partials(self, x, *, y):
        return (lambda: subtract(_times(add(i0e(x), ive.at(2, x)), 0.5), multiply(sign(x), y)),)


lgamma, digamma, gamma, rgamma, betaln = Lgamma(), Digamma(), Gamma(), Rgamma(), Betaln()
zeta, gammainc, gammaincc = Zeta(), Gammainc(), Gammaincc()
betainc = Betainc()
INCOMPLETE_BETA = {
    member.by: member
    for member in (betainc, BetaincA(), BetaincB(), BetaincAA(), BetaincAB(), BetaincBB())
}
erfcx, ierfcx, ndtr, log_ndtr, ndtri = Erfcx(), Ierfcx(), Ndtr(), LogNdtr(), Ndtri()
erfinv, erfcinv = Erfinv(), Erfcinv()
expi, expn, exprel, log1prel, spence = Expi(), Expn(), Exprel(), Log1prel(), Spence()
jv, yv, iv, ive, kv, kve = Jv(), Yv(), Iv(), Ive(), Kv(), Kve()
i0, i1, i0e, i1e = I0(), I1(), I0e(), I1e()
