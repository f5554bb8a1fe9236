"""Selections: which of several operands passes, and the gates through which derivatives flow.

What is not chosen gets a zero by selection, see :func:`pybackprop.primitives.base.product`, so no
NaN leaks out of it.
"""

import numpy as np

from ..base import (
    Primitive,
    add_tangents,
    broadcast,
    broadcast_shapes,
    constant,
    mark_selective,
    same_dtype,
    unbroadcast,
)
from .arithmetic import Elementwise, Numeric
from .comparisons import isfinite
from .structure import convert


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


maximum, minimum, select, finite = Maximum(), Minimum(), Select(), Finite()
