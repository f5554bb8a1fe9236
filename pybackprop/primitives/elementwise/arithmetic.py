"""The elementwise family, and the arithmetic with which its derivative rules are written.

:class:`Elementwise` turns partials into both derivative rules; that takes products and negation, so
they are in this file. The other modules of the package build on this one.
"""

import numpy as np

from ..base import (
    Primitive,
    add_tangents,
    align,
    broadcast,
    broadcast_shapes,
    constant,
    is_selective,
    mark_selective,
    product,
    require_float,
    same_dtype,
    unbroadcast,
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

    def __init__(self):
        super().__init__()
        self.joint = type(self).infer in (Elementwise.infer, Numeric.infer)

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
        partials = self.partials(*operands, y=outputs[0])
        for partial, operand, want in zip(partials, operands, wanted, strict=True):
            if not want or partial is None:
                result.append(None)
                continue
            if type(partial) is int:
                term = ct if partial == 1 else _negate_cotangent(ct)
            else:
                term = product(ct, partial)
            result.append(term if term.shape == operand.shape else unbroadcast(term, operand.shape))
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
        dtype = same_dtype(self.name, *operands)
        if dtype.kind not in "iuf" and not (self.complexes and dtype.kind == "c"):
            raise TypeError(f"{self.name} is not defined for dtype {dtype}")
        return joint_shape(operands), dtype


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


class Square(Numeric):
    """y = x**2. Partial: 2 x."""

    name, instruction, function = "square", "SQUARE", np.square
    complexes = True

    def partials(self, x, *, y):
        return (multiply(x, constant(2, x.dtype)),)


add, subtract, multiply, mulz, divide = Add(), Subtract(), Multiply(), Mulz(), Divide()
reciprocal, negative, square = Reciprocal(), Negative(), Square()
