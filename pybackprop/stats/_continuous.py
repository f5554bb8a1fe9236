"""Continuous distributions."""

import math

from .._special.common import like, plus, times
from ..primitives import elementwise as ew
from ..primitives import special as sp
from ..special import log_expit, logit, xlog1py, xlogy
from ._base import HALF_LOG_2PI, Continuous, log1mexp, valid

_xlogy, _xlog1py = xlogy.traced, xlog1py.traced


def _half_square(z):
    return times(ew.square(z), 0.5)


class Norm(Continuous):
    """The normal distribution: loc is the mean, scale the standard deviation.

    log p(z) = -z**2 / 2 - log(2 pi) / 2.
    """

    name = "norm"

    def density(self, z):
        return ew.subtract(like(-HALF_LOG_2PI, z), _half_square(z))

    def below(self, z):
        return sp.ndtr(z)

    def above(self, z):
        return sp.ndtr(ew.negative(z))

    def log_below(self, z):
        return sp.log_ndtr(z)

    def log_above(self, z):
        return sp.log_ndtr(ew.negative(z))

    def quantile(self, q):
        return sp.ndtri(q)

    def upper_quantile(self, q):
        return ew.negative(self.quantile(q))


class StudentT(Continuous):
    """Student's t distribution with df degrees of freedom.

    log p(z) = -(df + 1) / 2 log(1 + z**2 / df) - log(df) / 2 - log B(df / 2, 1 / 2).
    """

    name, shapes = "t", ("df",)

    def density(self, z, df):
        kernel = ew.multiply(times(plus(df, 1), 0.5), ew.log1p(ew.divide(ew.square(z), df)))
        norm = ew.add(sp.betaln(times(df, 0.5), like(0.5, df)), times(ew.log(df), 0.5))
        return ew.negative(ew.add(kernel, norm))


def _tangent(x, above, below):
    """tan(pi x), for |x| > 1/4 by the distances from 1/2 and -1/2, so that ends are exact."""
    high, low = ew.less(like(0.25, x), x), ew.less(x, like(-0.25, x))
    far = ew.select(high, above, ew.select(low, below, like(0.25, x)))
    outer = ew.reciprocal(ew.tan(times(far, math.pi)))
    inner = ew.tan(times(ew.select(ew.logical_or(high, low), like(0, x), x), math.pi))
    return ew.select(high, outer, ew.select(low, ew.negative(outer), inner))


class Cauchy(Continuous):
    """The Cauchy distribution, p(z) = 1 / (pi (1 + z**2))."""

    name = "cauchy"

    def density(self, z):
        return ew.subtract(like(-math.log(math.pi), z), ew.log1p(ew.square(z)))

    def below(self, z):
        return times(ew.arctan2(like(1, z), ew.negative(z)), 1 / math.pi)

    def above(self, z):
        return times(ew.arctan2(like(1, z), z), 1 / math.pi)

    def quantile(self, q):
        return _tangent(plus(q, -0.5), ew.subtract(like(1, q), q), q)

    def upper_quantile(self, q):
        return ew.negative(self.quantile(q))


class Laplace(Continuous):
    """The double exponential distribution, p(z) = exp(-|z|) / 2; its slope at 0 is 0."""

    name = "laplace"

    def density(self, z):
        return ew.subtract(like(-math.log(2), z), ew.abs_(z))

    def _half(self, z):
        return times(ew.exp(ew.negative(ew.abs_(z))), 0.5)

    def below(self, z):
        half = self._half(z)
        return ew.select(ew.less(like(0, z), z), ew.subtract(like(1, z), half), half)

    def above(self, z):
        return self.below(ew.negative(z))

    def log_below(self, z):
        upper = ew.log1p(ew.negative(self._half(z)))
        return ew.select(ew.less(like(0, z), z), upper, plus(z, -math.log(2)))

    def log_above(self, z):
        return self.log_below(ew.negative(z))

    def quantile(self, q):
        twice = times(q, 2)
        upper = ew.less(like(0.5, q), q)
        lower = ew.log(ew.select(upper, like(1, q), twice))
        rest = ew.subtract(like(2, q), ew.select(upper, twice, like(1, q)))
        return ew.select(upper, ew.negative(ew.log(rest)), lower)

    def upper_quantile(self, q):
        return ew.negative(self.quantile(q))


class Logistic(Continuous):
    """The logistic distribution, p(z) = exp(-z) / (1 + exp(-z))**2."""

    name = "logistic"

    def density(self, z):
        return ew.negative(ew.add(ew.softplus(z), ew.softplus(ew.negative(z))))

    def below(self, z):
        return ew.sigmoid(z)

    def above(self, z):
        return ew.sigmoid(ew.negative(z))

    def log_below(self, z):
        return log_expit.traced(z)

    def log_above(self, z):
        return log_expit.traced(ew.negative(z))

    def quantile(self, q):
        return logit.traced(q)

    def upper_quantile(self, q):
        return ew.negative(self.quantile(q))


class Lognorm(Continuous):
    """The distribution of exp(s y), y standard normal."""

    name, shapes = "lognorm", ("s",)
    low, inside = 0.0, 1.0

    def _z(self, x, s):
        return ew.divide(ew.log(x), s)

    def density(self, x, s):
        zero = ew.equal(x, like(0, x))
        logarithm = ew.log(ew.select(zero, like(1, x), x))
        norm = ew.add(ew.log(s), ew.add(logarithm, like(HALF_LOG_2PI, x)))
        value = ew.negative(ew.add(_half_square(ew.divide(logarithm, s)), norm))
        return ew.select(zero, like(-math.inf, x), value)

    def below(self, x, s):
        return sp.ndtr(self._z(x, s))

    def above(self, x, s):
        return sp.ndtr(ew.negative(self._z(x, s)))

    def log_below(self, x, s):
        return sp.log_ndtr(self._z(x, s))

    def log_above(self, x, s):
        return sp.log_ndtr(ew.negative(self._z(x, s)))

    def quantile(self, q, s):
        return ew.exp(ew.multiply(s, sp.ndtri(q)))

    def upper_quantile(self, q, s):
        return ew.reciprocal(self.quantile(q, s))


class Expon(Continuous):
    """The exponential distribution, p(z) = exp(-z) for z >= 0; scale is the mean."""

    name = "expon"
    low = 0.0

    def density(self, z):
        return ew.negative(z)

    def below(self, z):
        return ew.negative(ew.expm1(ew.negative(z)))

    def above(self, z):
        return ew.exp(ew.negative(z))

    def log_below(self, z):
        return log1mexp(ew.negative(z))

    def log_above(self, z):
        return ew.negative(z)

    def quantile(self, q):
        return ew.negative(ew.log1p(ew.negative(q)))

    def upper_quantile(self, q):
        return ew.negative(ew.log(q))


class Gamma(Continuous):
    """The gamma distribution, p(z) = z**(a-1) exp(-z) / gamma(a)."""

    name, shapes = "gamma", ("a",)
    low, inside = 0.0, 1.0

    def density(self, z, a):
        return ew.subtract(ew.subtract(_xlogy(plus(a, -1), z), z), sp.lgamma(a))

    def below(self, z, a):
        return sp.gammainc.at(0, a, z)

    def above(self, z, a):
        return sp.gammaincc.at(0, a, z)


class Chi2(Continuous):
    """The chi-squared distribution with df degrees of freedom: gamma(df / 2), scale 2."""

    name, shapes = "chi2", ("df",)
    low, inside = 0.0, 1.0

    def density(self, z, df):
        half = times(df, 0.5)
        norm = ew.add(sp.lgamma(half), times(half, math.log(2)))
        return ew.subtract(ew.subtract(_xlogy(plus(half, -1), z), times(z, 0.5)), norm)

    def below(self, z, df):
        return sp.gammainc.at(0, times(df, 0.5), times(z, 0.5))

    def above(self, z, df):
        return sp.gammaincc.at(0, times(df, 0.5), times(z, 0.5))


class Invgamma(Continuous):
    """The distribution of 1 / y, y gamma(a): p(z) = z**-(a+1) exp(-1/z) / gamma(a)."""

    name, shapes = "invgamma", ("a",)
    low, inside = 0.0, 1.0

    def density(self, z, a):
        zero = ew.equal(z, like(0, z))
        safe = ew.select(zero, like(1, z), z)
        power = ew.multiply(plus(a, 1), ew.log(safe))
        value = ew.negative(ew.add(ew.add(power, ew.reciprocal(safe)), sp.lgamma(a)))
        return ew.select(zero, like(-math.inf, z), value)

    def below(self, z, a):
        return sp.gammaincc.at(0, a, ew.reciprocal(z))

    def above(self, z, a):
        return sp.gammainc.at(0, a, ew.reciprocal(z))


class Beta(Continuous):
    """The beta distribution, p(z) = z**(a-1) (1-z)**(b-1) / B(a, b) on [0, 1]."""

    name, shapes = "beta", ("a", "b")
    low, high = 0.0, 1.0

    def density(self, z, a, b):
        powers = ew.add(_xlog1py(plus(b, -1), ew.negative(z)), _xlogy(plus(a, -1), z))
        return ew.subtract(powers, sp.betaln(a, b))

    def below(self, z, a, b):
        return sp.betainc(a, b, z)

    def above(self, z, a, b):
        return sp.betainc(b, a, ew.subtract(like(1, z), z))


class Uniform(Continuous):
    """The uniform distribution on [loc, loc + scale]."""

    name = "uniform"
    low, high = 0.0, 1.0

    def density(self, z):
        return times(z, 0)

    def below(self, z):
        return z

    def above(self, z):
        return ew.subtract(like(1, z), z)

    def quantile(self, q):
        return q

    def upper_quantile(self, q):
        return ew.subtract(like(1, q), q)


class Truncnorm(Continuous):
    """The normal distribution on [a, b], in standard deviations from the mean."""

    name, shapes = "truncnorm", ("a", "b")

    def check(self, a, b):
        ordered = ew.less(a, b)
        return ew.select(ordered, a, like(math.nan, a)), ew.select(ordered, b, like(math.nan, b))

    def edges(self, a, b):
        return a, b

    def point(self, z, a, b):
        # the middle, or a finite edge
        left, right = ew.isfinite(a), ew.isfinite(b)
        zero = like(0, z)
        one = ew.select(left, a, ew.select(right, b, zero))
        two = ew.select(right, b, ew.select(left, a, zero))
        return ew.stop_gradient(times(ew.add(one, two), 0.5))

    def _log_mass(self, a, b):
        # By the tails that are small: log(ndtr(b) - ndtr(a)) without cancellation.
        zero, one = like(0, a), like(1, a)
        right = ew.less(zero, a)
        low, high = ew.select(right, ew.negative(b), a), ew.select(right, ew.negative(a), b)
        central = ew.less(zero, high)
        safe_low, safe_high = (
            ew.select(central, ew.negative(one), low),
            ew.select(central, zero, high),
        )
        top = sp.log_ndtr(safe_high)
        far = ew.equal(safe_low, like(-math.inf, a))
        near = ew.select(far, ew.negative(one), safe_low)
        below = ew.select(far, like(-math.inf, a), ew.subtract(sp.log_ndtr(near), top))
        one_sided = ew.add(top, log1mexp(below))
        rest = ew.add(
            sp.ndtr(ew.select(central, low, ew.negative(one))),
            sp.ndtr(ew.negative(ew.select(central, high, one))),
        )
        return ew.select(central, ew.log1p(ew.negative(rest)), one_sided)

    def density(self, z, a, b):
        kernel = ew.add(_half_square(z), like(HALF_LOG_2PI, z))
        return ew.negative(ew.add(kernel, self._log_mass(a, b)))

    def log_below(self, z, a, b):
        return ew.subtract(self._log_mass(a, z), self._log_mass(a, b))

    def log_above(self, z, a, b):
        return ew.subtract(self._log_mass(z, b), self._log_mass(a, b))


class WeibullMin(Continuous):
    """The Weibull distribution, p(z) = c z**(c-1) exp(-z**c)."""

    name, shapes = "weibull_min", ("c",)
    low, inside = 0.0, 1.0

    def density(self, z, c):
        power = ew.power(z, c)
        return ew.subtract(ew.add(ew.log(c), _xlogy(plus(c, -1), z)), power)

    def below(self, z, c):
        return ew.negative(ew.expm1(ew.negative(ew.power(z, c))))

    def log_above(self, z, c):
        return ew.negative(ew.power(z, c))

    def log_below(self, z, c):
        return log1mexp(ew.negative(ew.power(z, c)))

    def quantile(self, q, c):
        return ew.power(ew.negative(ew.log1p(ew.negative(q))), ew.reciprocal(c))

    def upper_quantile(self, q, c):
        return ew.power(ew.negative(ew.log(q)), ew.reciprocal(c))


class Pareto(Continuous):
    """The Pareto distribution, p(z) = b z**-(b+1) for z >= 1."""

    name, shapes = "pareto", ("b",)
    low, inside = 1.0, 2.0

    def density(self, z, b):
        return ew.subtract(ew.log(b), ew.multiply(plus(b, 1), ew.log(z)))

    def below(self, z, b):
        return ew.negative(ew.expm1(self.log_above(z, b)))

    def log_above(self, z, b):
        return ew.negative(ew.multiply(b, ew.log(z)))

    def log_below(self, z, b):
        return log1mexp(self.log_above(z, b))

    def quantile(self, q, b):
        return ew.exp(ew.negative(ew.divide(ew.log1p(ew.negative(q)), b)))

    def upper_quantile(self, q, b):
        return ew.exp(ew.negative(ew.divide(ew.log(q), b)))


class GumbelR(Continuous):
    """The Gumbel distribution of maxima, p(z) = exp(-z - exp(-z))."""

    name = "gumbel_r"

    def density(self, z):
        return ew.negative(ew.add(z, ew.exp(ew.negative(z))))

    def log_below(self, z):
        return ew.negative(ew.exp(ew.negative(z)))

    def above(self, z):
        return ew.negative(ew.expm1(self.log_below(z)))

    def log_above(self, z):
        return log1mexp(self.log_below(z))

    def quantile(self, q):
        return ew.negative(ew.log(ew.negative(ew.log(q))))

    def upper_quantile(self, q):
        return ew.negative(ew.log(ew.negative(ew.log1p(ew.negative(q)))))


class GumbelL(Continuous):
    """The Gumbel distribution of minima, p(z) = exp(z - exp(z))."""

    name = "gumbel_l"

    def density(self, z):
        return ew.subtract(z, ew.exp(z))

    def below(self, z):
        return ew.negative(ew.expm1(self.log_above(z)))

    def log_below(self, z):
        return log1mexp(self.log_above(z))

    def log_above(self, z):
        return ew.negative(ew.exp(z))

    def quantile(self, q):
        return ew.log(ew.negative(ew.log1p(ew.negative(q))))

    def upper_quantile(self, q):
        return ew.log(ew.negative(ew.log(q)))


class Gennorm(Continuous):
    """The generalised normal distribution, p(z) = beta exp(-|z|**beta) / (2 gamma(1 / beta))."""

    name, shapes = "gennorm", ("beta",)

    def _power(self, z, beta):
        return ew.power(ew.abs_(z), beta)

    def density(self, z, beta):
        norm = ew.subtract(ew.log(beta), sp.lgamma(ew.reciprocal(beta)))
        return ew.subtract(plus(norm, -math.log(2)), self._power(z, beta))

    def _half(self, z, beta):
        return times(sp.gammaincc.at(0, ew.reciprocal(beta), self._power(z, beta)), 0.5)

    def below(self, z, beta):
        half = self._half(z, beta)
        return ew.select(ew.less(z, like(0, z)), half, ew.subtract(like(1, half), half))

    def above(self, z, beta):
        return self.below(ew.negative(z), beta)


class Wrapcauchy(Continuous):
    """The wrapped Cauchy distribution on [0, 2 pi], with 0 < c < 1.

    p(z) = (1 - c**2) / (2 pi (1 + c**2 - 2 c cos(z))).
    """

    name, shapes = "wrapcauchy", ("c",)
    low, high, inside = 0.0, 2 * math.pi, 1.0

    def check(self, c):
        return (valid(c, lambda v: (v > 0) & (v < 1)),)

    def density(self, z, c):
        # 1 + c**2 - 2 c cos(z) = (1 - c)**2 + 4 c sin(z / 2)**2
        near = ew.square(ew.subtract(like(1, c), c))
        far = ew.multiply(times(c, 4), ew.square(ew.sin(times(z, 0.5))))
        mass = ew.add(ew.log1p(ew.negative(c)), ew.log1p(c))
        return ew.subtract(plus(mass, -math.log(2 * math.pi)), ew.log(ew.add(near, far)))


class Halfnorm(Continuous):
    """The distribution of |y|, y standard normal."""

    name = "halfnorm"
    low = 0.0

    def density(self, z):
        return ew.subtract(like(0.5 * math.log(2 / math.pi), z), _half_square(z))

    def below(self, z):
        return ew.erf(times(z, math.sqrt(0.5)))

    def above(self, z):
        return times(sp.ndtr(ew.negative(z)), 2)

    def log_above(self, z):
        return plus(sp.log_ndtr(ew.negative(z)), math.log(2))

    def quantile(self, q):
        return times(sp.erfinv(q), math.sqrt(2))

    def upper_quantile(self, q):
        return times(sp.erfcinv(q), math.sqrt(2))


class Halfcauchy(Continuous):
    """The distribution of |y|, y standard Cauchy."""

    name = "halfcauchy"
    low = 0.0

    def density(self, z):
        return ew.subtract(like(math.log(2 / math.pi), z), ew.log1p(ew.square(z)))

    def below(self, z):
        return times(ew.arctan(z), 2 / math.pi)

    def above(self, z):
        return times(ew.arctan2(like(1, z), z), 2 / math.pi)

    def quantile(self, q):
        half = times(q, 0.5)
        return _tangent(half, times(ew.subtract(like(1, q), q), 0.5), half)


class Vonmises(Continuous):
    """The von Mises distribution on the circle, p(z) = exp(kappa cos z) / (2 pi I0(kappa)).

    As SciPy has it, the support is the whole line: the density is not divided by its turns.
    """

    name, shapes = "vonmises", ("kappa",)

    def check(self, kappa):
        return (valid(kappa, lambda v: v >= 0),)

    def density(self, z, kappa):
        less = times(ew.square(ew.sin(times(z, 0.5))), -2)
        norm = plus(ew.log(sp.i0e(kappa)), math.log(2 * math.pi))
        return ew.subtract(ew.multiply(kappa, less), norm)


norm, t, cauchy, laplace, logistic = Norm(), StudentT(), Cauchy(), Laplace(), Logistic()
lognorm, expon, gamma, chi2, invgamma = Lognorm(), Expon(), Gamma(), Chi2(), Invgamma()
beta, uniform, truncnorm, weibull_min = Beta(), Uniform(), Truncnorm(), WeibullMin()
pareto, gumbel_r, halfnorm, halfcauchy = Pareto(), GumbelR(), Halfnorm(), Halfcauchy()
vonmises, gumbel_l, gennorm, wrapcauchy = Vonmises(), GumbelL(), Gennorm(), Wrapcauchy()
