"""Sizes, signs, remainders and rounding: linear or constant but for kinks and jumps."""

import numpy as np

from ..base import (
    NotDifferentiable,
    constant,
    is_selective,
    mark_selective,
    product,
    real_dtype,
    zeros,
)
from .arithmetic import Elementwise, Numeric, divide, multiply, negative
from .comparisons import equal
from .complexes import conj, imag, make_complex, real
from .selections import select
from .structure import convert


class Absolute(Numeric):
    """y = |x|. Partial: sign(x), 0 at 0.

    For complex x the result is real: y' = Re(conj(sign(x)) x'), and the cotangent is
    ct conj(sign(x)).
    """

    name, instruction, function = "abs", "ABS", np.abs
    complexes = True

    def infer(self, x):
        shape, dtype = super().infer(x)
        return shape, real_dtype(dtype)

    def evaluate(self, x):
        with np.errstate(all="ignore"):
            return np.asarray(np.abs(x))

    def partials(self, x, *, y):
        return (sign(x),)

    def jvp(self, tangents, operands, outputs):
        if operands[0].dtype.kind != "c":
            return super().jvp(tangents, operands, outputs)
        return [real(multiply(conj(sign(operands[0])), tangents[0]))]

    def vjp(self, cotangents, operands, outputs, wanted):
        (x,), (ct,) = operands, cotangents
        if x.dtype.kind != "c":
            return super().vjp(cotangents, operands, outputs, wanted)
        wide = convert(ct, dtype=x.dtype)
        return [product(mark_selective(wide) if is_selective(ct) else wide, conj(sign(x)))]


class Sign(Numeric):
    """y = -1, 0 or 1 by the sign of x. Partial: 0.

    For complex x it is x / |x|, 0 at 0, and y' = i y Im(conj(y) x') / |x|.
    """

    name, instruction, function = "sign", "SIGN", np.sign
    complexes = True

    def evaluate(self, x):
        if x.dtype.kind != "c":
            return super().evaluate(x)
        with np.errstate(all="ignore"):
            size = np.abs(x)
            return np.asarray(np.where(size == 0, 0, x / np.where(size == 0, 1, size)), x.dtype)

    def partials(self, x, *, y):
        return (None,)

    def _across(self, weight, x):
        # weight / |x|, without the NaN of 0 / 0.
        size = abs_(x)
        one = constant(1, size.dtype)
        return divide(weight, select(equal(size, constant(0, size.dtype)), one, size))

    def jvp(self, tangents, operands, outputs):
        (x,), (y,) = operands, outputs
        if x.dtype.kind != "c":
            return super().jvp(tangents, operands, outputs)
        turn = self._across(imag(multiply(conj(y), tangents[0])), x)
        return [multiply(make_complex(zeros(turn.shape, turn.dtype), turn), y)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (x,), (y,), (ct,) = operands, outputs, cotangents
        if x.dtype.kind != "c":
            return super().vjp(cotangents, operands, outputs, wanted)
        turn = self._across(imag(multiply(ct, y)), x)
        return [multiply(make_complex(zeros(turn.shape, turn.dtype), turn), conj(y))]


class FloorDivide(NotDifferentiable, Numeric):
    """y = floor(a / b). Partials: 0."""

    name, instruction, arity, function = "floor_divide", "FLOOR_DIV", 2, np.floor_divide


class Remainder(Numeric):
    """y = a - b floor(a / b). Partials: 1 and -floor(a / b)."""

    name, instruction, arity, function = "remainder", "MOD", 2, np.remainder

    def partials(self, a, b, *, y):
        return (1, negative(floor_divide(a, b)))


class Fmod(Elementwise):
    """y = a - b trunc(a / b). Partials: 1 and -trunc(a / b)."""

    name, instruction, arity, function = "fmod", "FMOD", 2, np.fmod

    def partials(self, a, b, *, y):
        return (1, negative(trunc(divide(a, b))))


class Stepwise(NotDifferentiable, Elementwise):
    """Constant between its jumps: the partial is 0."""


class Floor(Stepwise):
    """y = the largest integer <= x."""

    name, instruction, function = "floor", "FLOOR", np.floor


class Ceil(Stepwise):
    """y = the smallest integer >= x."""

    name, instruction, function = "ceil", "CEIL", np.ceil


class Rint(Stepwise):
    """y = the nearest integer, ties to even."""

    name, instruction, function = "rint", "RINT", np.rint
    complexes = True


class Trunc(Stepwise):
    """y = x without its fraction."""

    name, instruction, function = "trunc", "TRUNC", np.trunc


class Copysign(Elementwise):
    """y = |a| with the sign of b. Partials: sign(a) copysign(1, b) and 0."""

    name, instruction, arity, function = "copysign", "COPYSIGN", 2, np.copysign

    def partials(self, a, b, *, y):
        return (multiply(sign(a), copysign(constant(1, a.dtype), b)), None)


class Nextafter(Elementwise):
    """y = the float next to a toward b. Partials: 1 and 0."""

    name, instruction, arity, function = "nextafter", "NEXTAFTER", 2, np.nextafter

    def partials(self, a, b, *, y):
        return (1, None)


abs_, sign = Absolute(), Sign()
floor_divide, remainder, fmod = FloorDivide(), Remainder(), Fmod()
floor, ceil, rint, trunc = Floor(), Ceil(), Rint(), Trunc()
copysign, nextafter = Copysign(), Nextafter()
