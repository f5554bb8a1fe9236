"""Truth values and bits: comparisons, questions to one float, logic, shifts. No derivatives."""

import numpy as np

from ..base import NotDifferentiable, broadcast_shapes, require_float, same_dtype
from .arithmetic import Elementwise, joint_shape


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


equal, not_equal, less, less_equal = Equal(), NotEqual(), Less(), LessEqual()
isnan, isinf, isfinite, signbit = IsNan(), IsInf(), IsFinite(), Signbit()
logical_and, logical_or, logical_xor, logical_not = And(), Or(), Xor(), Not()
left_shift, right_shift, gcd = LeftShift(), RightShift(), Gcd()
