"""What keeps every element: conversions of dtype, sums of contributions, stopped gradients."""

import numpy as np

from ..base import NotDifferentiable, Primitive, broadcast, same_dtype


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


convert, accumulate, stop_gradient = Convert(), Accumulate(), StopGradient()
