"""Moves known factors of derivatives outward, to where there is least to multiply.

A reverse sweep is full of numbers that multiply everything on the way: 1/n of a mean, 2 of a
square, a scale of the model. The pass carries such factors past products, sums and products of
matrices until something needs the value itself. Factors that meet become one, a sum of many
elements is multiplied instead of the elements, and what reaches an accumulation melts into it.

Only the derivative's nodes are touched, and only values used once, so nothing is computed twice.
Of a derivative NumPy does not say in which order factors are multiplied; results change by
rounding, and where they overflow or underflow on the way.
"""

import math
from collections import Counter

import numpy as np

from .._core import copy_node
from ..graph import CONSTANT, INPUT, open_graph
from ..primitives import elementwise as e
from ..primitives import linalg, reduction, shaping
from ..primitives.base import constant, constant_value

# Fewer elements than this are not worth the pass.
_LEAST = 64
_VIEWS = (shaping.reshape, shaping.transpose, shaping.slice_)
# Linear in the first operand, and 0 where that is 0.
_GATED = (e.mulz, e.tanh_back, e.sigmoid_back, e.relu_gate)


class _Scaled:
    """A value that still has to be multiplied by a number and by values of one element.

    ``divisor`` is what the base is the reciprocal of, if it is one that nothing else reads.
    """

    def __init__(self, base, number=1.0, values=(), divisor=None):
        self.base, self.number, self.values = base, number, values
        self.divisor = divisor
        self.made = None

    @property
    def plain(self):
        return self.number == 1.0 and not self.values

    def times(self, base, other=None):
        """The same factors, and those of another value, on another base."""
        if other is None:
            return _Scaled(base, self.number, self.values)
        return _Scaled(base, self.number * other.number, self.values + other.values)

    def value(self):
        """What it stands for."""
        if self.made is None:
            factors = [*self.values, *self._numbers()]
            factor = None
            for value in factors:
                factor = value if factor is None else e.multiply(factor, value)
            self.made = self.base if factor is None else e.multiply(self.base, factor)
        return self.made

    def _numbers(self):
        number, dtype = self.number, self.base.dtype
        if number == 1.0:
            return []
        limits = np.finfo(dtype)
        if limits.tiny <= abs(number) <= limits.max:
            return [constant(number, dtype)]
        # Two factors whose product has no place in the dtype, though what they multiply may.
        root = math.sqrt(abs(number))
        self.base = e.multiply(self.base, constant(math.copysign(root, number), dtype))
        return [constant(root, dtype)]


def gather(graph):
    """The graph with the factors of its derivatives gathered.

    Parameters
    ----------
    graph : Graph
        Closed.

    Returns
    -------
    Graph
        The same one if there is nothing to gain.
    """
    boundary = graph.reverse_start
    if boundary is None or not any(
        node.primitive in (e.multiply, e.negative) and node.outputs[0].size >= _LEAST
        for node in graph.nodes[boundary:]
    ):
        return graph
    from . import LOCAL
    from .dead import remove

    with open_graph(graph.name, LOCAL) as target:
        gathering = _Gathering(graph, target)
        for number, node in enumerate(graph.nodes):
            if number == boundary:
                target.reverse_start = len(target.nodes)
            gathering.apply(node, number >= boundary)
        if target.reverse_start is None:
            target.reverse_start = len(target.nodes)
        target.close([gathering.value(v) for v in graph.outputs])
    return remove(target)


class _Gathering:
    def __init__(self, graph, target):
        self.target = target
        self.env = {}
        self.uses = Counter(graph.outputs)
        self.consumers = {}
        late = graph.nodes[graph.reverse_start :]
        for node in graph.nodes:
            for operand in node.operands:
                self.uses[operand] += 1
        for node in late:
            for operand in node.operands:
                self.consumers.setdefault(operand, []).append(node)
        # Where a value's factors end up multiplying fewer elements, whatever reads it: how many.
        self.landing = {}
        for node in reversed(late):
            if node.primitive is not INPUT and not node.primitive.multiple:
                (value,) = node.outputs
                readers = self.consumers.get(value, ())
                if readers and len(readers) == self.uses[value]:
                    if all(_leaves_out(value, reader) for reader in readers):
                        outs = [reader.outputs[0] for reader in readers]
                        size = max(self.landing.get(out, out.size) for out in outs)
                        if size < value.size:
                            self.landing[value] = size

    def value(self, value):
        """The value of the new graph for one of the old."""
        return self.env[value].value()

    def apply(self, node, late):
        """Apply a node, with its operands' factors left out where it can hand them on."""
        if node.primitive is INPUT:
            (value,) = node.outputs
            made = self.target.add_input(
                value.shape, value.dtype, value.weak, node.attributes["name"]
            )
            self.env[value] = _Scaled(made)
            return
        self.target.location = node.location
        if late and node.primitive is not CONSTANT and not node.primitive.multiple:
            (out,) = node.outputs
            scaled = self._scaled(node, out) if out.dtype.kind == "f" else None
            if scaled is not None:
                if not self._hands_on(out):
                    scaled = _Scaled(scaled.value())
                elif self.uses[out] != 1:
                    scaled.divisor = None
                self.env[out] = scaled
                return
        plain = {o: self.value(o) for o in node.operands}
        copy_node(node, plain, self.target)
        for value in node.outputs:
            self.env[value] = _Scaled(plain[value])
        if late and node.primitive is e.reciprocal and self.uses[node.outputs[0]] == 1:
            self.env[node.outputs[0]].divisor = plain[node.operands[0]]

    def _hands_on(self, value):
        """Whether all that read a value can leave out its factors, and nothing is lost by that."""
        if value in self.landing:
            return True
        readers = self.consumers.get(value, ())
        if self.uses[value] != 1 or not readers or not _leaves_out(value, readers[0]):
            return False
        return readers[0].outputs[0].size <= value.size

    def _scaled(self, node, out):
        """The node's output with factors, or None if it is an ordinary node."""
        primitive = node.primitive
        first = self.env[node.operands[0]]
        if primitive is e.multiply:
            return self._product(node, out)
        if primitive is e.negative:
            return _Scaled(first.base, -first.number, first.values, first.divisor)
        if all(self.env[o].plain for o in node.operands):
            return None
        if primitive in (*_VIEWS, reduction.sum_):
            return first.times(primitive(first.base, **node.attributes))
        if primitive is linalg.matmul:
            second = self.env[node.operands[1]]
            return first.times(primitive(first.base, second.base, **node.attributes), second)
        if primitive is e.divide:
            return first.times(e.divide(first.base, self.value(node.operands[1])))
        if primitive in _GATED:
            base, number = first.base, first.number
            for value in first.values:
                # A factor that may be 0 or infinite stays inside.
                base = e.multiply(base, value)
            return _Scaled(primitive(base, self.value(node.operands[1])), number)
        return None

    def _product(self, node, out):
        for i, operand in enumerate(node.operands):
            other = node.operands[1 - i]
            factor, rest = self.env[operand], self.env[other]
            if other.shape != out.shape or operand.size != 1 or out.size == 1:
                continue
            number = constant_value(operand)
            if number is None and factor.plain and operand.ndim == 0:
                values = (*rest.values, factor.base)
                return _Scaled(rest.base, rest.number, values, rest.divisor)
            if number and math.isfinite(number):
                product = float(np.dtype(out.dtype).type(rest.number * number))
                if product and math.isfinite(product):
                    number *= rest.number
                    return _Scaled(rest.base, number, rest.values, rest.divisor)
        pair = [self.env[o] for o in node.operands]
        for i, operand in enumerate(node.operands):
            inverse, other = pair[i], pair[1 - i]
            if inverse.divisor is not None and operand.shape == out.shape and inverse is not other:
                return other.times(e.divide(other.base, inverse.divisor), inverse)
        first, second = pair
        return first.times(e.multiply(first.base, second.base), second)


def _leaves_out(value, node):
    """Whether a node is linear in one of its operands."""
    primitive = node.primitive
    if primitive.multiple or node.outputs[0].dtype.kind != "f":
        return False
    if primitive in (e.divide, *_GATED):
        first, second = node.operands[:2]
        return value is first and value is not second
    return primitive in (e.multiply, e.negative, reduction.sum_, linalg.matmul, *_VIEWS)
