"""Complex numbers and their parts.

Cotangents follow the convention of docs/conventions.md: that of z = x + i y is X - i Y for
cotangents X and Y of its parts, so holomorphic rules need no conjugation.
"""

import numpy as np

from ..base import Primitive, broadcast, real_dtype, require_float, same_dtype, zeros
from .arithmetic import negative
from .structure import convert


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


real, imag, make_complex, conj = Real(), Imag(), MakeComplex(), Conj()
as_parts, from_parts = AsParts(), FromParts()
