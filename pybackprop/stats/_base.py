"""What a distribution is: parameters by SciPy's names, methods on traced values and on arrays.

A family gives its formulas for the standard form; location and scale, the edges of the support and
NaN for parameters outside their domain are done here once. Outside of its support a log-density is
-inf and has derivative 0: the formula runs on a point inside in place of the operand.
"""

import math
from types import MappingProxyType

from .._special.common import floats, like
from ..graph import Value
from ..numpy._eager import surface
from ..primitives import elementwise as ew
from ..primitives.base import constant_value

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def valid(x, condition):
    """A parameter, NaN where a condition on it fails.

    Parameters
    ----------
    x : Value
    condition : callable
        Takes and returns a value or a number.
    """
    number = constant_value(x)
    if number is not None and bool(condition(number)):
        return x
    return ew.select(condition(x), x, like(math.nan, x))


def positive(x):
    """A parameter that must be positive."""
    return valid(x, lambda v: v > 0)


def log1mexp(x):
    """log(1 - exp(x)) for x <= 0, accurate at both ends."""
    near = ew.less(like(-math.log(2), x), x)
    inner = ew.log(ew.negative(ew.expm1(ew.select(near, x, like(-1, x)))))
    outer = ew.log1p(ew.negative(ew.exp(ew.select(near, like(-1, x), x))))
    return ew.select(near, inner, outer)


class Distribution:
    """A family of distributions.

    Attributes
    ----------
    name : str
    shapes : tuple of str
        Names of the shape parameters, in SciPy's order.
    """

    name = ""
    shapes = ()
    tail = ("loc", "scale")
    defaults = MappingProxyType({"loc": 0.0, "scale": 1.0})

    def __init__(self):
        self._compiled = {}

    def __repr__(self):
        return f"<pybackprop.stats.{self.name}>"

    def _run(self, method, function, x, args, kwargs):
        names = (*self.shapes, *self.tail)
        if len(args) > len(names):
            raise TypeError(f"{self.name}.{method} takes at most {1 + len(names)} arguments")
        given = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names or key in given:
                raise TypeError(f"{self.name}.{method} got an unexpected argument {key!r}")
            given[key] = value
        missing = [n for n in names if n not in given and n not in self.defaults]
        if missing:
            raise TypeError(f"{self.name}.{method} needs {', '.join(missing)}")
        # A location and scale that are not given are not computed with.
        present = tuple(n for n in names if n in given)
        key = method, present
        call = self._compiled.get(key)
        if call is None:

            def call(*operands):
                x, *rest = floats(*operands)
                return function(x, dict(zip(present, rest, strict=True)))

            call.__name__ = f"{self.name}_{method}"
            call = self._compiled.setdefault(key, surface(-1)(call))
        return call(x, *[given[n] for n in present])


def _method(name, text):
    def method(self, x, *args, **kwargs):
        function = getattr(self, "_" + name + "_of", None)
        if function is None:
            raise NotImplementedError(f"{self.name}.{name} has no formula here")
        return self._run(name, function, x, args, kwargs)

    method.__name__ = name
    method.__doc__ = f"""{text}

        Parameters are those of SciPy's distribution of this name, by position or keyword; all
        broadcast. Works on traced values and on arrays.
        """
    return method


class Continuous(Distribution):
    """A continuous distribution with location and scale.

    Formulas take the standardised operand and the shape parameters: ``density`` (its logarithm)
    and, where they exist, ``log_below``, ``log_above``, ``below``, ``above`` (of the distribution
    function), ``quantile`` and ``upper_quantile``, of the probability of more.

    Attributes
    ----------
    low, high : float
        Edges of the support of the standard form; -inf and inf need no test.
    inside : float
        A point within, where everything is finite.
    """

    low, high, inside = -math.inf, math.inf, 0.5
    below = above = log_below = log_above = quantile = upper_quantile = None

    logpdf = _method("logpdf", "The logarithm of the density.")
    pdf = _method("pdf", "The density.")
    cdf = _method("cdf", "The probability of no more than x.")
    sf = _method("sf", "The probability of more than x.")
    logcdf = _method("logcdf", "The logarithm of the probability of no more than x.")
    logsf = _method("logsf", "The logarithm of the probability of more than x.")
    ppf = _method("ppf", "The quantile of a probability, NaN outside [0, 1].")
    isf = _method("isf", "What is exceeded with a probability, NaN outside [0, 1].")

    def check(self, *shapes):
        """The shape parameters, NaN where they are not allowed."""
        return tuple(positive(s) for s in shapes)

    def edges(self, *shapes):
        """Edges of the support, as numbers or values."""
        return self.low, self.high

    def _standard(self, x, given):
        shapes = self.check(*[given[n] for n in self.shapes])
        scale = positive(given["scale"]) if "scale" in given else None
        z = ew.subtract(x, given["loc"]) if "loc" in given else x
        return (ew.divide(z, scale) if scale is not None else z), shapes, scale

    def _support(self, z, shapes):
        """Where z is outside below and above, or None; NaN is inside."""
        low, high = self.edges(*shapes)
        under = over = None
        if not (isinstance(low, float) and low == -math.inf):
            under = ew.less(z, low if type(low) is Value else like(low, z))
        if not (isinstance(high, float) and high == math.inf):
            over = ew.less(high if type(high) is Value else like(high, z), z)
        return under, over

    def _guarded(self, formula, x, given, under, over, scaled=False):
        """A formula inside the support, numbers below and above it."""
        z, shapes, scale = self._standard(x, given)
        beneath, beyond = self._support(z, shapes)
        safe = z
        if beneath is not None or beyond is not None:
            outside = beneath if beyond is None else beyond
            if beneath is not None and beyond is not None:
                outside = ew.logical_or(beneath, beyond)
            safe = ew.select(outside, self.point(z, *shapes), z)
        value = formula(safe, *shapes)
        if scaled and scale is not None:
            value = ew.subtract(value, ew.log(scale))
        # What is outside has the parameters' NaN all the same.
        for condition, number in ((beneath, under), (beyond, over)):
            if condition is not None:
                nan = ew.isnan(value)
                edge = ew.select(nan, ew.stop_gradient(value), like(number, z))
                value = ew.select(condition, edge, value)
        return value

    def point(self, z, *shapes):
        """A point of the support where everything is finite."""
        return like(self.inside, z)

    def _logpdf_of(self, x, given):
        return self._guarded(self.density, x, given, -math.inf, -math.inf, scaled=True)

    def _pdf_of(self, x, given):
        return ew.exp(self._logpdf_of(x, given))

    def _pick(self, method, *formulas):
        """The first formula that exists, with what turns it into what is wanted."""
        for formula, turn in formulas:
            if formula is not None:
                return lambda z, *shapes: turn(formula(z, *shapes))
        raise NotImplementedError(f"{self.name}.{method} has no formula here")

    def _cdf_of(self, x, given):
        formula = self._pick(
            "cdf", (self.below, _same), (self.log_below, ew.exp), (self.above, _rest)
        )
        return self._guarded(formula, x, given, 0.0, 1.0)

    def _sf_of(self, x, given):
        formula = self._pick(
            "sf", (self.above, _same), (self.log_above, ew.exp), (self.below, _rest)
        )
        return self._guarded(formula, x, given, 1.0, 0.0)

    def _logcdf_of(self, x, given):
        formula = self._pick(
            "logcdf", (self.log_below, _same), (self.log_above, log1mexp), (self.below, ew.log)
        )
        return self._guarded(formula, x, given, -math.inf, 0.0)

    def _logsf_of(self, x, given):
        formula = self._pick(
            "logsf", (self.log_above, _same), (self.log_below, log1mexp), (self.above, ew.log)
        )
        return self._guarded(formula, x, given, 0.0, -math.inf)

    def _ppf_of(self, q, given):
        return self._quantile_of(self._pick("ppf", (self.quantile, _same)), q, given)

    def _isf_of(self, q, given):
        return self._quantile_of(self._pick("isf", (self.upper_quantile, _same)), q, given)

    def _quantile_of(self, formula, q, given):
        shapes = self.check(*[given[n] for n in self.shapes])
        q = valid(q, lambda v: (v >= 0) & (v <= 1))
        value = formula(q, *shapes)
        if "scale" in given:
            value = ew.multiply(value, positive(given["scale"]))
        return ew.add(value, given["loc"]) if "loc" in given else value


def _same(x):
    return x


def _rest(x):
    return ew.subtract(like(1, x), x)


class Discrete(Distribution):
    """A distribution on whole numbers, with a location.

    Formulas take the shifted operand and the shape parameters: ``mass`` (its logarithm) and, where
    they exist, ``below`` and ``above``.
    """

    tail = ("loc",)
    defaults = MappingProxyType({"loc": 0.0})
    low = 0
    below = above = None

    logpmf = _method("logpmf", "The logarithm of the probability of k, -inf for other numbers.")
    pmf = _method("pmf", "The probability of k, 0 for other numbers.")
    cdf = _method("cdf", "The probability of no more than k.")
    sf = _method("sf", "The probability of more than k.")

    def check(self, *shapes):
        """The shape parameters, NaN where they are not allowed."""
        raise NotImplementedError

    def last(self, *shapes):
        """The largest number possible, or None."""
        return None

    def _parts(self, k, given):
        shapes = self.check(*[given[n] for n in self.shapes])
        k = ew.subtract(k, given["loc"]) if "loc" in given else k
        return k, shapes

    def _bounds(self, k, shapes):
        under = ew.less(k, like(self.low, k))
        last = self.last(*shapes)
        return under, None if last is None else ew.less(last, k)

    def _logpmf_of(self, k, given):
        k, shapes = self._parts(k, given)
        under, over = self._bounds(k, shapes)
        outside = ew.logical_or(under, ew.not_equal(ew.floor(k), k))
        outside = outside if over is None else ew.logical_or(outside, over)
        outside = ew.logical_and(outside, ew.logical_not(ew.isnan(k)))
        value = self.mass(ew.select(outside, like(self.low, k), k), *shapes)
        edge = ew.select(ew.isnan(value), ew.stop_gradient(value), like(-math.inf, k))
        return ew.select(outside, edge, value)

    def _pmf_of(self, k, given):
        return ew.exp(self._logpmf_of(k, given))

    def _stepwise(self, formula, k, given, under, over):
        k, shapes = self._parts(k, given)
        k = ew.floor(k)
        beneath, beyond = self._bounds(k, shapes)
        last = self.last(*shapes)
        if last is not None:
            beyond = ew.less_equal(last, k)
        outside = beneath if beyond is None else ew.logical_or(beneath, beyond)
        value = formula(ew.select(outside, like(self.low, k), k), *shapes)
        for condition, number in ((beneath, under), (beyond, over)):
            if condition is not None:
                edge = ew.select(ew.isnan(value), ew.stop_gradient(value), like(number, k))
                value = ew.select(condition, edge, value)
        return value

    def _cdf_of(self, k, given):
        if self.below is None:
            raise NotImplementedError(f"{self.name}.cdf has no formula here")
        return self._stepwise(self.below, k, given, 0.0, 1.0)

    def _sf_of(self, k, given):
        if self.above is None:
            raise NotImplementedError(f"{self.name}.sf has no formula here")
        return self._stepwise(self.above, k, given, 1.0, 0.0)
