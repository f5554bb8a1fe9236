"""Discrete distributions."""

import math

from .._special.common import like, plus
from ..primitives import elementwise as ew
from ..primitives import special as sp
from ..special import xlog1py, xlogy
from ._base import Discrete, positive, valid

_xlogy, _xlog1py = xlogy.traced, xlog1py.traced


def _probability(p):
    return valid(p, lambda v: (v >= 0) & (v <= 1))


def _count(n):
    return ew.select(
        ew.logical_and(ew.less_equal(like(0, n), n), ew.equal(ew.floor(n), n)),
        n,
        like(math.nan, n),
    )


class Poisson(Discrete):
    """The Poisson distribution, p(k) = mu**k exp(-mu) / k!."""

    name, shapes = "poisson", ("mu",)

    def check(self, mu):
        return (valid(mu, lambda v: v >= 0),)

    def mass(self, k, mu):
        return ew.subtract(ew.subtract(_xlogy(k, mu), sp.lgamma(plus(k, 1))), mu)

    def below(self, k, mu):
        return sp.gammaincc.at(0, plus(k, 1), mu)

    def above(self, k, mu):
        return sp.gammainc.at(0, plus(k, 1), mu)


class Bernoulli(Discrete):
    """One trial: 1 with probability p, else 0."""

    name, shapes = "bernoulli", ("p",)

    def check(self, p):
        return (_probability(p),)

    def last(self, p):
        return like(1, p)

    def mass(self, k, p):
        return ew.add(_xlogy(k, p), _xlog1py(ew.subtract(like(1, k), k), ew.negative(p)))

    def below(self, k, p):
        return ew.subtract(like(1, p), p)

    def above(self, k, p):
        return p


def _log_choose(n, k):
    """Log of the binomial coefficient: -log(n + 1) - log B(k + 1, n - k + 1)."""
    beta = sp.betaln(plus(k, 1), plus(ew.subtract(n, k), 1))
    return ew.negative(ew.add(ew.log1p(n), beta))


class Binom(Discrete):
    """The number of successes in n trials of probability p."""

    name, shapes = "binom", ("n", "p")

    def check(self, n, p):
        return _count(n), _probability(p)

    def last(self, n, p):
        return n

    def mass(self, k, n, p):
        rest = ew.subtract(n, k)
        powers = ew.add(_xlogy(k, p), _xlog1py(rest, ew.negative(p)))
        return ew.add(_log_choose(n, k), powers)

    def below(self, k, n, p):
        return sp.betainc(ew.subtract(n, k), plus(k, 1), ew.subtract(like(1, p), p))

    def above(self, k, n, p):
        return sp.betainc(plus(k, 1), ew.subtract(n, k), p)


class Nbinom(Discrete):
    """The number of failures before the n-th success, n real and positive."""

    name, shapes = "nbinom", ("n", "p")

    def check(self, n, p):
        return positive(n), valid(p, lambda v: (v > 0) & (v <= 1))

    def mass(self, k, n, p):
        # log(gamma(n + k) / (gamma(k + 1) gamma(n)))
        choose = ew.negative(ew.add(sp.betaln(n, plus(k, 1)), ew.log(ew.add(n, k))))
        powers = ew.add(ew.multiply(n, ew.log(p)), _xlog1py(k, ew.negative(p)))
        return ew.add(choose, powers)

    def below(self, k, n, p):
        return sp.betainc(n, plus(k, 1), p)

    def above(self, k, n, p):
        return sp.betainc(plus(k, 1), n, ew.subtract(like(1, p), p))


class Geom(Discrete):
    """The number of trials to the first success, 1, 2 ..."""

    name, shapes = "geom", ("p",)
    low = 1

    def check(self, p):
        return (valid(p, lambda v: (v > 0) & (v <= 1)),)

    def mass(self, k, p):
        return ew.add(_xlog1py(plus(k, -1), ew.negative(p)), ew.log(p))

    def below(self, k, p):
        return ew.negative(ew.expm1(ew.multiply(k, ew.log1p(ew.negative(p)))))

    def above(self, k, p):
        return ew.exp(ew.multiply(k, ew.log1p(ew.negative(p))))


class Betabinom(Discrete):
    """The number of successes in n trials whose probability is beta(a, b) distributed."""

    name, shapes = "betabinom", ("n", "a", "b")

    def check(self, n, a, b):
        return _count(n), positive(a), positive(b)

    def last(self, n, a, b):
        return n

    def mass(self, k, n, a, b):
        rest = ew.subtract(n, k)
        ratio = ew.subtract(sp.betaln(ew.add(k, a), ew.add(rest, b)), sp.betaln(a, b))
        return ew.add(_log_choose(n, k), ratio)


poisson, bernoulli, binom, nbinom = Poisson(), Bernoulli(), Binom(), Nbinom()
geom, betabinom = Geom(), Betabinom()
