"""Trigonometric and hyperbolic functions and their inverses."""

import numpy as np

from ..base import constant, is_selective, product
from .arithmetic import Elementwise, add, divide, multiply, negative, reciprocal, square, subtract
from .comparisons import equal
from .exponentials import sqrt
from .selections import select


class Sin(Elementwise):
    """y = sin(x). Partial: cos(x)."""

    name, instruction, function = "sin", "SIN", np.sin
    complexes = True

    def partials(self, x, *, y):
        return (cos(x),)


class Cos(Elementwise):
    """y = cos(x). Partial: -sin(x)."""

    name, instruction, function = "cos", "COS", np.cos
    complexes = True

    def partials(self, x, *, y):
        return (negative(sin(x)),)


class Tan(Elementwise):
    """y = tan(x). Partial: 1 + y**2."""

    name, instruction, function = "tan", "TAN", np.tan
    complexes = True

    def partials(self, x, *, y):
        return (add(square(y), constant(1, x.dtype)),)


def _one_minus_square(x):
    # (1 - x)(1 + x) keeps its accuracy near |x| = 1, where 1 - x**2 loses it.
    one = constant(1, x.dtype)
    return multiply(subtract(one, x), add(one, x))


class Arcsin(Elementwise):
    """y = arcsin(x). Partial: 1 / sqrt(1 - x**2). Domain: |x| <= 1."""

    name, instruction, function = "arcsin", "ASIN", np.arcsin
    complexes = True

    def partials(self, x, *, y):
        return (reciprocal(sqrt(_one_minus_square(x))),)


class Arccos(Elementwise):
    """y = arccos(x). Partial: -1 / sqrt(1 - x**2). Domain: |x| <= 1."""

    name, instruction, function = "arccos", "ACOS", np.arccos
    complexes = True

    def partials(self, x, *, y):
        return (negative(reciprocal(sqrt(_one_minus_square(x)))),)


class Arctan(Elementwise):
    """y = arctan(x). Partial: 1 / (1 + x**2)."""

    name, instruction, function = "arctan", "ATAN", np.arctan
    complexes = True

    def partials(self, x, *, y):
        return (reciprocal(add(square(x), constant(1, x.dtype))),)


class Arctan2(Elementwise):
    """y = angle of (b, a) in (-pi, pi]. Partials: b / (a**2 + b**2) and -a / (a**2 + b**2)."""

    name, instruction, arity, function = "arctan2", "ATAN2", 2, np.arctan2

    def partials(self, a, b, *, y):
        r = reciprocal(add(square(a), square(b)))
        return (multiply(b, r), negative(multiply(a, r)))


class Hypot(Elementwise):
    """y = sqrt(a**2 + b**2) without overflow. Partials: a / y and b / y, 0 where y is 0."""

    name, instruction, arity, function = "hypot", "HYPOT", 2, np.hypot

    def partials(self, a, b, *, y):
        zero, one = constant(0, y.dtype), constant(1, y.dtype)
        flat = equal(y, zero)
        safe = select(flat, one, y)
        return (select(flat, zero, divide(a, safe)), select(flat, zero, divide(b, safe)))


class Sinh(Elementwise):
    """y = sinh(x). Partial: cosh(x)."""

    name, instruction, function = "sinh", "SINH", np.sinh
    complexes = True

    def partials(self, x, *, y):
        return (cosh(x),)


class Cosh(Elementwise):
    """y = cosh(x). Partial: sinh(x)."""

    name, instruction, function = "cosh", "COSH", np.cosh
    complexes = True

    def partials(self, x, *, y):
        return (sinh(x),)


class Tanh(Elementwise):
    """y = tanh(x). Partial: 1 - y**2."""

    name, instruction, function = "tanh", "TANH", np.tanh
    complexes = True

    def jvp(self, tangents, operands, outputs):
        return [tanh_back(tangents[0], outputs[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,), (y,) = cotangents, outputs
        if is_selective(ct):
            # In a branch that is not taken y may be NaN.
            return [product(ct, subtract(constant(1, y.dtype), square(y)))]
        return [tanh_back(ct, y)]


class TanhBack(Elementwise):
    """y = a (1 - b**2): what flows through b = tanh(x). Partials: 1 - b**2 and -2 a b."""

    name, instruction, arity = "tanh_back", "TANH_BACK", 2
    complexes = True

    def evaluate(self, a, b):
        return np.asarray(a * (1 - b * b), dtype=a.dtype)

    def partials(self, a, b, *, y):
        slope = subtract(constant(1, b.dtype), square(b))
        return (slope, multiply(multiply(a, b), constant(-2, b.dtype)))


class Arcsinh(Elementwise):
    """y = arcsinh(x). Partial: 1 / sqrt(x**2 + 1)."""

    name, instruction, function = "arcsinh", "ASINH", np.arcsinh
    complexes = True

    def partials(self, x, *, y):
        one = constant(1, x.dtype)
        if x.dtype.kind == "c":
            return (reciprocal(sqrt(add(square(x), one))),)
        return (reciprocal(hypot(x, one)),)


class Arccosh(Elementwise):
    """y = arccosh(x). Partial: 1 / sqrt((x - 1)(x + 1)). Domain: x >= 1."""

    name, instruction, function = "arccosh", "ACOSH", np.arccosh
    complexes = True

    def partials(self, x, *, y):
        one = constant(1, x.dtype)
        below, above = subtract(x, one), add(x, one)
        if x.dtype.kind == "c":
            # The root of the product is on the wrong branch left of the imaginary axis.
            return (reciprocal(multiply(sqrt(below), sqrt(above))),)
        return (reciprocal(sqrt(multiply(below, above))),)


class Arctanh(Elementwise):
    """y = arctanh(x). Partial: 1 / (1 - x**2). Domain: |x| <= 1."""

    name, instruction, function = "arctanh", "ATANH", np.arctanh
    complexes = True

    def partials(self, x, *, y):
        return (reciprocal(_one_minus_square(x)),)


sin, cos, tan = Sin(), Cos(), Tan()
arcsin, arccos, arctan, arctan2, hypot = Arcsin(), Arccos(), Arctan(), Arctan2(), Hypot()
sinh, cosh, tanh, tanh_back = Sinh(), Cosh(), Tanh(), TanhBack()
arcsinh, arccosh, arctanh = Arcsinh(), Arccosh(), Arctanh()
