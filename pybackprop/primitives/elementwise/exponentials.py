"""Powers, exponentials, logarithms, and the functions of statistics that are made of them."""

import math

import numpy as np

from ..base import add_tangents, broadcast, constant, is_selective, product, unbroadcast
from .arithmetic import (
    Elementwise,
    Numeric,
    add,
    divide,
    multiply,
    mulz,
    reciprocal,
    square,
    subtract,
)
from .comparisons import equal, less_equal, logical_and
from .selections import select


class Power(Numeric):
    """y = a**b. Partials: b a**(b-1) and y log a.

    Toward a the partial is 0 where b is 0; toward b it is 0 where a is 0 and b >= 0, the limit
    from the right. For a < 0 the partial toward b is NaN, as no real derivative exists.
    """

    name, instruction, arity, function = "power", "POW", 2, np.power
    complexes = True

    def partials(self, a, b, *, y):
        return (self._toward_a, self._toward_b)

    def _slope(self, a, b):
        zero = constant(0, a.dtype)
        one = constant(1, a.dtype)
        # b - 1 is replaced where b is 0, so that 0 ** -1 does not appear.
        exponent = select(equal(b, zero), one, subtract(b, one))
        return multiply(b, power(a, exponent))

    def _logarithm(self, a, b, y):
        zero = constant(0, a.dtype)
        flat = logical_and(equal(a, zero), less_equal(zero, b))
        return multiply(y, log(select(flat, constant(1, a.dtype), a)))

    def jvp(self, tangents, operands, outputs):
        (a, b), (y,) = operands, outputs
        terms = []
        if tangents[0] is not None:
            terms.append(broadcast(multiply(tangents[0], self._slope(a, b)), y.shape))
        if tangents[1] is not None:
            # Along directions that leave b alone, the NaN of a negative base stays out.
            terms.append(broadcast(mulz(tangents[1], self._logarithm(a, b, y)), y.shape))
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (a, b), (y,), (ct,) = operands, outputs, cotangents
        toward_a = unbroadcast(product(ct, self._slope(a, b)), a.shape) if wanted[0] else None
        toward_b = (
            unbroadcast(product(ct, self._logarithm(a, b, y)), b.shape) if wanted[1] else None
        )
        return [toward_a, toward_b]


class Exp(Elementwise):
    """y = exp(x). Partial: y."""

    name, instruction, function = "exp", "EXP", np.exp
    complexes = True

    def partials(self, x, *, y):
        return (y,)


class ExpNormal(Elementwise):
    """y = exp(x), 0 where that is subnormal: a term of a sum whose largest is 1. Partial: y.

    Products with subnormal numbers take a hundred times as long on common processors.
    """

    name, instruction = "exp_normal", "EXP_NORMAL"

    def evaluate(self, x):
        y = np.exp(x)
        return np.where(y < np.finfo(x.dtype).tiny, np.zeros((), x.dtype), y)

    def partials(self, x, *, y):
        return (y,)


class Exp2(Elementwise):
    """y = 2**x. Partial: y log 2."""

    name, instruction, function = "exp2", "EXP2", np.exp2
    complexes = True

    def partials(self, x, *, y):
        return (multiply(y, constant(math.log(2), y.dtype)),)


class Expm1(Elementwise):
    """y = exp(x) - 1. Partial: y + 1."""

    name, instruction, function = "expm1", "EXPM1", np.expm1
    complexes = True

    def partials(self, x, *, y):
        return (exp(x),)


class Log(Elementwise):
    """y = log(x). Partial: 1 / x. Domain: x >= 0; -inf at 0, NaN below."""

    name, instruction, function = "log", "LOG", np.log
    complexes = True

    def partials(self, x, *, y):
        return (reciprocal(x),)


class Log2(Elementwise):
    """y = log2(x). Partial: 1 / (x log 2)."""

    name, instruction, function = "log2", "LOG2", np.log2
    complexes = True

    def partials(self, x, *, y):
        return (divide(constant(1 / math.log(2), x.dtype), x),)


class Log10(Elementwise):
    """y = log10(x). Partial: 1 / (x log 10)."""

    name, instruction, function = "log10", "LOG10", np.log10
    complexes = True

    def partials(self, x, *, y):
        return (divide(constant(1 / math.log(10), x.dtype), x),)


class Log1p(Elementwise):
    """y = log(1 + x), accurate for small |x|.

    Partial: 1 / (1 + x). Domain: x > -1; -inf at -1, NaN below.
    """

    name, instruction, function = "log1p", "LOG1P", np.log1p
    complexes = True

    def partials(self, x, *, y):
        return (reciprocal(add(x, constant(1, x.dtype))),)


class Sqrt(Elementwise):
    """y = sqrt(x). Partial: 1 / (2 y); infinite at 0. NaN below 0."""

    name, instruction, function = "sqrt", "SQRT", np.sqrt
    complexes = True

    def partials(self, x, *, y):
        return (divide(constant(0.5, x.dtype), y),)


class Cbrt(Elementwise):
    """y = x**(1/3), real. Partial: 1 / (3 y**2)."""

    name, instruction, function = "cbrt", "CBRT", np.cbrt

    def partials(self, x, *, y):
        return (divide(constant(1 / 3, x.dtype), square(y)),)


class Gauss(Elementwise):
    """y = exp(-x**2), to the last digits where the square has many. Partial: -2 x y.

    It is what ``erfc`` computes on the way: native code that needs both does so once.
    """

    name, instruction = "gauss", "GAUSS"

    def evaluate(self, x):
        return np.exp(-(x.astype(np.longdouble) ** 2)).astype(x.dtype)

    def partials(self, x, *, y):
        return (multiply(multiply(x, constant(-2, x.dtype)), y),)


class Erf(Elementwise):
    """y = 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    Partial: 2/sqrt(pi) exp(-x**2).
    """

    name, instruction = "erf", "ERF"

    def partials(self, x, *, y):
        return (multiply(gauss(x), constant(2 / math.sqrt(math.pi), x.dtype)),)


class Erfc(Elementwise):
    """y = 1 - erf(x), accurate for large x. Partial: -2/sqrt(pi) exp(-x**2)."""

    name, instruction = "erfc", "ERFC"

    def partials(self, x, *, y):
        return (multiply(gauss(x), constant(-2 / math.sqrt(math.pi), x.dtype)),)


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)). Partial: y (1 - y)."""

    name, instruction = "sigmoid", "SIGMOID"

    def jvp(self, tangents, operands, outputs):
        return [sigmoid_back(tangents[0], outputs[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,), (y,) = cotangents, outputs
        if is_selective(ct):
            # In a branch that is not taken y may be NaN.
            return [product(ct, multiply(y, subtract(constant(1, y.dtype), y)))]
        return [sigmoid_back(ct, y)]


class SigmoidBack(Elementwise):
    """y = a b (1 - b): what flows through b = sigmoid(x). Partials: b (1 - b) and a (1 - 2 b)."""

    name, instruction, arity = "sigmoid_back", "SIGMOID_BACK", 2

    def evaluate(self, a, b):
        return np.asarray(a * (b * (1 - b)), dtype=a.dtype)

    def partials(self, a, b, *, y):
        one = constant(1, b.dtype)
        return (
            multiply(b, subtract(one, b)),
            multiply(a, subtract(one, multiply(b, constant(2, b.dtype)))),
        )


class Softplus(Elementwise):
    """y = log(1 + exp(x)) without overflow. Partial: sigmoid(x)."""

    name, instruction = "softplus", "SOFTPLUS"

    def partials(self, x, *, y):
        return (sigmoid(x),)


power, sqrt, cbrt = Power(), Sqrt(), Cbrt()
exp_normal, gauss = ExpNormal(), Gauss()
exp, exp2, expm1, log, log2, log10, log1p = Exp(), Exp2(), Expm1(), Log(), Log2(), Log10(), Log1p()
erf, erfc, sigmoid, softplus = Erf(), Erfc(), Sigmoid(), Softplus()
sigmoid_back = SigmoidBack()
