"""Elementwise primitives: arithmetic, elementary functions, comparisons, selections.

An elementwise primitive broadcasts its operands as NumPy does. It names its instruction and gives
its partials, from which both derivative rules follow. A partial may be a value, the numbers 1 and
-1 (nothing is multiplied), or None (zero).

Convention at kinks: where the two sides differ, the value that treats them alike is taken: ties of
``maximum`` and ``minimum`` share equally, |x|' = 0 and sign' = 0 at 0; see
``docs/conventions.md``.
"""

import math

import numpy as np

from .base import (
    FLOATS,
    NotDifferentiable,
    Primitive,
    add_tangents,
    align,
    broadcast,
    broadcast_shapes,
    constant,
    is_selective,
    mark_selective,
    product,
    real_dtype,
    require_float,
    same_dtype,
    unbroadcast,
    zeros,
)


class Elementwise(Primitive):
    """A primitive applied to each element.

    Attributes
    ----------
    instruction : str
        The MAP row that runs it.
    arity : int
    function : callable or None
        NumPy's counterpart.
    floats_only : bool
        Whether integers are refused (the surface promotes them first).
    complexes : bool
        Whether complex operands are allowed; :mod:`pybackprop.passes.planes` has the rule.
    """

    instruction = ""
    arity = 1
    function = None
    floats_only = True
    complexes = False

    def infer(self, *operands):
        if self.floats_only:
            require_float(self.name, *operands, complexes=self.complexes)
        dtype = same_dtype(self.name, *operands)
        return joint_shape(operands), dtype

    def evaluate(self, *arrays):
        if self.function is None:
            return None
        with np.errstate(all="ignore"):
            return np.asarray(type(self).function(*arrays), dtype=arrays[0].dtype)

    def partials(self, *operands, y):
        """Local derivatives by operand, given the output ``y``."""
        raise NotImplementedError(self.name)

    def jvp(self, tangents, operands, outputs):
        (y,) = outputs
        terms = []
        for partial, tangent in zip(self.partials(*operands, y=y), tangents, strict=True):
            if partial is None or tangent is None:
                continue
            if isinstance(partial, int):
                term = tangent if partial == 1 else negative(tangent)
            else:
                term = multiply(tangent, partial)
            terms.append(broadcast(term, y.shape))
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,) = cotangents
        result = []
        for partial, operand, want in zip(
            self.partials(*operands, y=outputs[0]), operands, wanted, strict=True
        ):
            if not want or partial is None:
                result.append(None)
                continue
            if isinstance(partial, int):
                term = ct if partial == 1 else _negate_cotangent(ct)
            else:
                term = product(ct, partial)
            result.append(unbroadcast(term, operand.shape))
        return result

    def batch(self, operands, batched, size, **attributes):
        ndim = max(o.ndim - b for o, b in zip(operands, batched, strict=True))
        return [self(*align(operands, batched, ndim), **attributes)]

    def lower(self, lowering, node):
        lowering.map(self.instruction, node)


def joint_shape(operands):
    """The shape that operands broadcast to; quick where all but scalars have one shape."""
    result = ()
    for operand in operands:
        shape = operand.shape
        if shape and shape != result:
            if result:
                return broadcast_shapes(*[o.shape for o in operands])
            result = shape
    return result


def _negate_cotangent(ct):
    result = negative(ct)
    return mark_selective(result) if is_selective(ct) else result


class Numeric(Elementwise):
    """Elementwise on integers and floats alike."""

    floats_only = False

    def infer(self, *operands):
        dtype = operands[0].dtype
        if dtype in FLOATS and all([o.dtype is dtype and o.shape == () for o in operands]):
            return (), dtype
        dtype = same_dtype(self.name, *operands)
        if dtype.kind not in "iuf" and not (self.complexes and dtype.kind == "c"):
            raise TypeError(f"{self.name} is not defined for dtype {dtype}")
        return joint_shape(operands), dtype


# ---- arithmetic ---------------------------------------------------------------------------------


class Add(Numeric):
    """y = a + b."""

    name, instruction, arity, function = "add", "ADD", 2, np.add
    complexes = True

    def partials(self, a, b, *, y):
        return (1, 1)


class Subtract(Numeric):
    """y = a - b."""

    name, instruction, arity, function = "subtract", "SUB", 2, np.subtract
    complexes = True

    def partials(self, a, b, *, y):
        return (1, -1)


class Multiply(Numeric):
    """y = a b."""

    name, instruction, arity, function = "multiply", "MUL", 2, np.multiply
    complexes = True

    def partials(self, a, b, *, y):
        return (b, a)


class Mulz(Elementwise):
    """y = a b, but 0 wherever a is 0, even if b is infinite or NaN.

    A selection's zero cotangent a times the partial b of the branch that was not taken. The tangent
    is mulz(a', b) + mulz(a, b'), so the primitive is closed under differentiation.
    """

    name, instruction, arity = "mulz", "MULZ", 2
    complexes = True

    def evaluate(self, a, b):
        with np.errstate(all="ignore"):
            return np.where(a == 0, np.zeros((), a.dtype), a * b)

    def jvp(self, tangents, operands, outputs):
        (a, b), (da, db) = operands, tangents
        shape = outputs[0].shape
        terms = [
            broadcast(mulz(x, w), shape)
            for x, w in ((da, b), (a, db))
            if x is not None and w is not None
        ]
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (a, b), (ct,) = operands, cotangents
        toward_a = unbroadcast(product(ct, b), a.shape) if wanted[0] else None
        toward_b = None
        if wanted[1]:
            # a is a zero by selection: so is the cotangent of b.
            toward_b = unbroadcast(mark_selective(mulz(a, ct)), b.shape)
        return [toward_a, toward_b]


class Divide(Elementwise):
    """y = a / b. Partials: 1 / b and -y / b."""

    name, instruction, arity, function = "divide", "DIV", 2, np.divide
    complexes = True

    def partials(self, a, b, *, y):
        r = reciprocal(b)
        return (r, negative(multiply(y, r)))


class Reciprocal(Elementwise):
    """y = 1 / x. Partial: -y**2."""

    name, instruction = "reciprocal", "RECIPROCAL"
    complexes = True
    function = np.reciprocal

    def partials(self, x, *, y):
        return (negative(square(y)),)


class Negative(Numeric):
    """y = -x."""

    name, instruction, function = "negative", "NEG", np.negative
    complexes = True

    def partials(self, x, *, y):
        return (-1,)


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


class Square(Numeric):
    """y = x**2. Partial: 2 x."""

    name, instruction, function = "square", "SQUARE", np.square
    complexes = True

    def partials(self, x, *, y):
        return (multiply(x, constant(2, x.dtype)),)


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


# ---- exponentials and logarithms ----------------------------------------------------------------


class Exp(Elementwise):
    """y = exp(x). Partial: y."""

    name, instruction, function = "exp", "EXP", np.exp
    complexes = True

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


# ---- trigonometry -------------------------------------------------------------------------------


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
    """y = sqrt(a**2 + b**2) without overflow. Partials: a / y and b / y."""

    name, instruction, arity, function = "hypot", "HYPOT", 2, np.hypot

    def partials(self, a, b, *, y):
        return (divide(a, y), divide(b, y))


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


# ---- functions of machine learning and statistics -----------------------------------------------


class Erf(Elementwise):
    """y = 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    Partial: 2/sqrt(pi) exp(-x**2).
    """

    name, instruction = "erf", "ERF"

    def partials(self, x, *, y):
        return (multiply(exp(negative(square(x))), constant(2 / math.sqrt(math.pi), x.dtype)),)


class Erfc(Elementwise):
    """y = 1 - erf(x), accurate for large x. Partial: -2/sqrt(pi) exp(-x**2)."""

    name, instruction = "erfc", "ERFC"

    def partials(self, x, *, y):
        return (multiply(exp(negative(square(x))), constant(-2 / math.sqrt(math.pi), x.dtype)),)


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


# ---- rounding -----------------------------------------------------------------------------------


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


# ---- selections ---------------------------------------------------------------------------------


class Extremum(Numeric):
    """The larger or smaller of two; NaN if either is. At a tie both operands get half."""

    arity = 2
    gate = None

    def _share(self, flow, x, other):
        return type(self).gate(flow, x, other)

    def jvp(self, tangents, operands, outputs):
        shape = outputs[0].shape
        terms = [
            broadcast(self._share(tangents[i], operands[i], operands[1 - i]), shape)
            for i in (0, 1)
            if tangents[i] is not None
        ]
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,) = cotangents
        return [
            unbroadcast(
                mark_selective(self._share(ct, operands[i], operands[1 - i])), operands[i].shape
            )
            if wanted[i]
            else None
            for i in (0, 1)
        ]


class Gate(Elementwise):
    """What flows to an operand of a selection: y = a, a share of it, or 0, by the other operands.

    A selection and not a product, so what does not flow is 0 even if a is infinite. Linear in a,
    constant in the rest.
    """

    def jvp(self, tangents, operands, outputs):
        if tangents[0] is None:
            return [None]
        return [broadcast(self(tangents[0], *operands[1:]), outputs[0].shape)]

    def vjp(self, cotangents, operands, outputs, wanted):
        rest = [None] * (len(operands) - 1)
        if not wanted[0]:
            return [None, *rest]
        flow = mark_selective(self(cotangents[0], *operands[1:]))
        return [unbroadcast(flow, operands[0].shape), *rest]


class MaxGate(Gate):
    """y = a where b > c or b is NaN, a / 2 where b = c, else 0: the flow to b in max(b, c)."""

    name, instruction, arity = "max_gate", "MAX_GATE", 3
    complexes = True

    def evaluate(self, a, b, c):
        return np.where((b > c) | (b != b), a, np.where(b == c, a / 2, 0)).astype(a.dtype)


class MinGate(Gate):
    """y = a where b < c or b is NaN, a / 2 where b = c, else 0: the flow to b in min(b, c)."""

    name, instruction, arity = "min_gate", "MIN_GATE", 3
    complexes = True

    def evaluate(self, a, b, c):
        return np.where((b < c) | (b != b), a, np.where(b == c, a / 2, 0)).astype(a.dtype)


class ReluGate(Gate):
    """y = 0 where b <= 0, else a: the flow through relu(b), none at 0."""

    name, instruction, arity = "relu_gate", "RELU_GATE", 2

    def evaluate(self, a, b):
        return np.where(b <= 0, np.zeros((), a.dtype), a)


class Finite(Elementwise):
    """y = x where x is finite, else 0: infinities and NaN become 0, with derivative 0."""

    name, instruction = "finite", "FINITE"

    def evaluate(self, x):
        return np.where(np.isfinite(x), x, np.zeros((), x.dtype))

    def partials(self, x, *, y):
        return (convert(isfinite(x), dtype=x.dtype),)

    def vjp(self, cotangents, operands, outputs, wanted):
        found = super().vjp(cotangents, operands, outputs, wanted)
        return [None if ct is None else mark_selective(ct) for ct in found]


class Relu(Elementwise):
    """y = 0 where x <= 0, else x (NaN stays). The derivative at 0 is 0."""

    name, instruction = "relu", "RELU"

    def evaluate(self, x):
        return np.where(x <= 0, np.zeros((), x.dtype), x)

    def jvp(self, tangents, operands, outputs):
        return [relu_gate(tangents[0], operands[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        # Gated by y, not x: one array less to keep.
        return [mark_selective(relu_gate(cotangents[0], outputs[0]))]


max_gate, min_gate, relu_gate, relu = MaxGate(), MinGate(), ReluGate(), Relu()


class Maximum(Extremum):
    """y = max(a, b)."""

    name, instruction, function = "maximum", "MAX", np.maximum
    complexes = True
    gate = staticmethod(max_gate)


class Minimum(Extremum):
    """y = min(a, b)."""

    name, instruction, function = "minimum", "MIN", np.minimum
    complexes = True
    gate = staticmethod(min_gate)


class Select(Primitive):
    """y = a where the condition holds, else b.

    The derivative flows to the branch taken only; the zero that the other gets is a zero by
    selection, see :func:`pybackprop.primitives.base.product`.
    """

    name = "select"
    instruction = "SELECT"

    def infer(self, condition, a, b):
        if condition.dtype != np.bool_:
            raise TypeError(f"select needs a bool condition, not {condition.dtype}")
        dtype = same_dtype("select", a, b)
        return broadcast_shapes(condition.shape, a.shape, b.shape), dtype

    def evaluate(self, condition, a, b):
        return np.where(condition, a, b)

    def jvp(self, tangents, operands, outputs):
        (condition, _, _), (_, da, db), (y,) = operands, tangents, outputs
        if da is None and db is None:
            return [None]
        zero = constant(0, y.dtype)
        chosen = select(condition, zero if da is None else da, zero if db is None else db)
        return [broadcast(chosen, y.shape)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,), (condition, a, b) = cotangents, operands
        zero = constant(0, ct.dtype)
        result = [None, None, None]
        if wanted[1]:
            result[1] = unbroadcast(mark_selective(select(condition, ct, zero)), a.shape)
        if wanted[2]:
            result[2] = unbroadcast(mark_selective(select(condition, zero, ct)), b.shape)
        return result

    batch = Elementwise.batch

    def lower(self, lowering, node):
        lowering.map("SELECT", node)


# ---- comparisons and truth values ---------------------------------------------------------------


class Comparison(NotDifferentiable):
    """A truth value per element."""

    instruction = ""
    function = None
    complexes = False

    def infer(self, *operands):
        same_dtype(self.name, *operands)
        return joint_shape(operands), np.dtype(np.bool_)

    def evaluate(self, *arrays):
        with np.errstate(all="ignore"):
            return np.asarray(type(self).function(*arrays))

    batch = Elementwise.batch
    lower = Elementwise.lower


class FloatTest(Comparison):
    """A question to one float."""

    def infer(self, x):
        require_float(self.name, x, complexes=self.complexes)
        return x.shape, np.dtype(np.bool_)


class Equal(Comparison):
    """a == b."""

    name, instruction, function = "equal", "EQ", np.equal


class NotEqual(Comparison):
    """a != b."""

    name, instruction, function = "not_equal", "NE", np.not_equal


class Less(Comparison):
    """a < b."""

    name, instruction, function = "less", "LT", np.less


class LessEqual(Comparison):
    """a <= b."""

    name, instruction, function = "less_equal", "LE", np.less_equal


class IsNan(FloatTest):
    """Whether x is NaN."""

    name, instruction, function = "isnan", "ISNAN", np.isnan
    complexes = True


class IsInf(FloatTest):
    """Whether x is infinite."""

    name, instruction, function = "isinf", "ISINF", np.isinf
    complexes = True


class IsFinite(FloatTest):
    """Whether x is neither infinite nor NaN."""

    name, instruction, function = "isfinite", "ISFINITE", np.isfinite
    complexes = True


class Signbit(FloatTest):
    """Whether the sign bit is set."""

    name, instruction, function = "signbit", "SIGNBIT", np.signbit


class Bits(NotDifferentiable):
    """Logical on bool, bitwise on integers."""

    instruction = ""
    function = None

    def infer(self, *operands):
        dtype = same_dtype(self.name, *operands)
        if dtype.kind not in "biu":
            raise TypeError(f"{self.name} is not defined for dtype {dtype}")
        return broadcast_shapes(*[o.shape for o in operands]), dtype

    def evaluate(self, *arrays):
        return np.asarray(type(self).function(*arrays))

    batch = Elementwise.batch
    lower = Elementwise.lower


class And(Bits):
    """a & b."""

    name, instruction, function = "and", "AND", np.bitwise_and


class Or(Bits):
    """a | b."""

    name, instruction, function = "or", "OR", np.bitwise_or


class Xor(Bits):
    """a ^ b."""

    name, instruction, function = "xor", "XOR", np.bitwise_xor


class Not(Bits):
    """~a."""

    name, instruction, function = "not", "NOT", np.invert


class Shift(Bits):
    """Rows of two integers that truth values lack."""

    def infer(self, *operands):
        shape, dtype = super().infer(*operands)
        if dtype.kind == "b":
            raise TypeError(f"{self.name} is not defined for bool")
        return shape, dtype


class LeftShift(Shift):
    """a << b."""

    name, instruction, function = "left_shift", "SHL", np.left_shift


class RightShift(Shift):
    """a >> b."""

    name, instruction, function = "right_shift", "SHR", np.right_shift


class Gcd(Shift):
    """Greatest common divisor of abs(a) and abs(b); 0 of two zeros."""

    name, instruction, function = "gcd", "GCD", np.gcd


# ---- complex numbers and their parts ------------------------------------------------------------
#
# Cotangents follow the convention of docs/conventions.md: that of z = x + i y is X - i Y for
# cotangents X and Y of its parts, so holomorphic rules need no conjugation.


class Part(Primitive):
    """The real or imaginary part of a complex value."""

    function = None

    def infer(self, x):
        if x.dtype.kind != "c":
            raise TypeError(f"{self.name} is not defined for dtype {x.dtype}")
        return x.shape, real_dtype(x.dtype)

    def evaluate(self, x):
        return np.ascontiguousarray(type(self).function(x)).reshape(x.shape)

    def jvp(self, tangents, operands, outputs):
        return [self(tangents[0])]

    def batch(self, operands, batched, size):
        return [self(operands[0])]


class Real(Part):
    """y = Re x. Cotangent: ct."""

    name, function = "real", np.real

    def vjp(self, cotangents, operands, outputs, wanted):
        return [convert(cotangents[0], dtype=operands[0].dtype)]


class Imag(Part):
    """y = Im x. Cotangent: -i ct."""

    name, function = "imag", np.imag

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,) = cotangents
        return [make_complex(zeros(ct.shape, ct.dtype), negative(ct))]


class MakeComplex(Primitive):
    """y = a + i b, for real a and b of one shape. Cotangents: Re ct and -Im ct."""

    name = "make_complex"

    def infer(self, a, b):
        dtype = same_dtype(self.name, a, b)
        require_float(self.name, a)
        if a.shape != b.shape:
            raise TypeError("make_complex needs parts of one shape")
        return a.shape, np.result_type(dtype, np.complex64)

    def evaluate(self, a, b):
        y = np.empty(a.shape, np.result_type(a.dtype, np.complex64))
        y.real, y.imag = a, b
        return y

    def jvp(self, tangents, operands, outputs):
        parts = [
            zeros(x.shape, x.dtype) if t is None else t
            for t, x in zip(tangents, operands, strict=True)
        ]
        return [make_complex(*parts)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,) = cotangents
        return [
            real(ct) if wanted[0] else None,
            negative(imag(ct)) if wanted[1] else None,
        ]

    def batch(self, operands, batched, size):
        shape = next(o.shape for o, b in zip(operands, batched, strict=True) if b)
        return [make_complex(*[broadcast(o, shape) for o in operands])]


class Conj(Primitive):
    """y = the complex conjugate of x. Cotangent: the conjugate of ct."""

    name = "conj"

    def infer(self, x):
        if x.dtype.kind != "c":
            raise TypeError(f"conj is not defined for dtype {x.dtype}")
        return x.shape, x.dtype

    def evaluate(self, x):
        return np.conj(x)

    def jvp(self, tangents, operands, outputs):
        return [conj(tangents[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        return [conj(cotangents[0])]

    def batch(self, operands, batched, size):
        return [conj(operands[0])]


class AsParts(Primitive):
    """y[0] = Re x, y[1] = Im x, for an input x. Made after differentiation."""

    name = "as_parts"

    def infer(self, x):
        return (2, *x.shape), real_dtype(x.dtype)

    def lower(self, lowering, node):
        # One pass takes the parts apart; a few numbers are read where they are.
        few = node.operands[0].size <= 2
        lowering.alias(node, lambda ref: ref.planes() if few else lowering.contiguous(ref.planes()))


class FromParts(Primitive):
    """y = x[0] + i x[1], for an output y. Made after differentiation."""

    name = "from_parts"

    def infer(self, x):
        return x.shape[1:], np.result_type(x.dtype, np.complex64)

    def lower(self, lowering, node):
        source = lowering.ref(node.operands[0])
        lowering.produce(
            node.outputs[0], lambda place, adding: lowering.copy(place.planes(), source)
        )


# ---- dtypes and structure -----------------------------------------------------------------------


class Convert(Primitive):
    """y = x in another dtype. Linear between floating dtypes; no derivative from or to integers.

    From complex to real it is the real part.
    """

    name = "convert"

    def infer(self, x, *, dtype):
        return x.shape, np.dtype(dtype)

    def evaluate(self, x, *, dtype):
        with np.errstate(all="ignore"):
            if x.dtype.kind == "c" and np.dtype(dtype).kind not in "bc":
                x = x.real  # NumPy's value without its warning
            return x.astype(dtype)

    def jvp(self, tangents, operands, outputs, *, dtype):
        if tangents[0] is None or np.dtype(dtype).kind not in "fc":
            return [None]
        return [convert(tangents[0], dtype=dtype)]

    def vjp(self, cotangents, operands, outputs, wanted, *, dtype):
        return [convert(cotangents[0], dtype=operands[0].dtype) if wanted[0] else None]

    def batch(self, operands, batched, size, *, dtype):
        return [convert(operands[0], dtype=dtype)]

    def lower(self, lowering, node):
        lowering.map("CAST", node)


class Accumulate(Primitive):
    """y = c1 + c2 + ..., in this order: all contributions to one adjoint.

    Kept as one node so that lowering can add each contribution into the adjoint in place.
    """

    name = "accumulate"

    def infer(self, *operands):
        dtype = same_dtype(self.name, *operands)
        for operand in operands:
            if operand.shape != operands[0].shape:
                raise TypeError("accumulate needs operands of one shape")
        return operands[0].shape, dtype

    def evaluate(self, *arrays):
        total = arrays[0]
        for array in arrays[1:]:
            total = total + array
        return np.asarray(total)

    def jvp(self, tangents, operands, outputs):
        present = [t for t in tangents if t is not None]
        if len(present) < 2:
            return [present[0] if present else None]
        return [accumulate(*present)]

    def vjp(self, cotangents, operands, outputs, wanted):
        return [cotangents[0] if want else None for want in wanted]

    def batch(self, operands, batched, size):
        shape = next(o.shape for o, b in zip(operands, batched, strict=True) if b)
        return [accumulate(*[broadcast(o, shape) for o in operands])]

    def lower(self, lowering, node):
        lowering.accumulate(node)


class StopGradient(NotDifferentiable, Primitive):
    """y = x, with derivative zero."""

    name = "stop_gradient"

    def infer(self, x):
        return x.shape, x.dtype

    def evaluate(self, x):
        return x

    def batch(self, operands, batched, size):
        return [stop_gradient(operands[0])]

    def lower(self, lowering, node):
        lowering.alias(node)


add, subtract, multiply, mulz, divide = Add(), Subtract(), Multiply(), Mulz(), Divide()
reciprocal, negative, abs_, sign, square = Reciprocal(), Negative(), Absolute(), Sign(), Square()
power, floor_divide, remainder, fmod = Power(), FloorDivide(), Remainder(), Fmod()
exp, exp2, expm1, log, log2, log10, log1p = Exp(), Exp2(), Expm1(), Log(), Log2(), Log10(), Log1p()
sqrt, cbrt, sin, cos, tan = Sqrt(), Cbrt(), Sin(), Cos(), Tan()
arcsin, arccos, arctan, arctan2, hypot = Arcsin(), Arccos(), Arctan(), Arctan2(), Hypot()
sinh, cosh, tanh, arcsinh, arccosh, arctanh = (
    Sinh(), Cosh(), Tanh(), Arcsinh(), Arccosh(), Arctanh(),
)  # fmt: skip
erf, erfc, sigmoid, softplus = Erf(), Erfc(), Sigmoid(), Softplus()
tanh_back, sigmoid_back = TanhBack(), SigmoidBack()
floor, ceil, rint, trunc, finite = Floor(), Ceil(), Rint(), Trunc(), Finite()
copysign, nextafter = Copysign(), Nextafter()
maximum, minimum, select = Maximum(), Minimum(), Select()
equal, not_equal, less, less_equal = Equal(), NotEqual(), Less(), LessEqual()
isnan, isinf, isfinite, signbit = IsNan(), IsInf(), IsFinite(), Signbit()
logical_and, logical_or, logical_xor, logical_not = And(), Or(), Xor(), Not()
left_shift, right_shift, gcd = LeftShift(), RightShift(), Gcd()
real, imag, make_complex, conj = Real(), Imag(), MakeComplex(), Conj()
as_parts, from_parts = AsParts(), FromParts()
convert, accumulate, stop_gradient = Convert(), Accumulate(), StopGradient()
