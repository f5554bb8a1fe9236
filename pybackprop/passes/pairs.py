"""All pairs: two axes that come from one, such as those of ``x[:, None] - x[None, :]``.

Values of one row (the points) meet as values of pairs, once along each axis. Followed through the
points, both axes are one class, and neither can be tiled. So the pass cuts between small values and
large ones: what a node of pairs reads of the points becomes an alias, a value of its own, of which
only one axis matters. Then the pairs have two classes, one for each axis.

Where pairs have a short last axis (coordinates), one class moves there: its rows become columns,
for the whole array at once, and the other class is tiled.
"""

from ..graph import CONSTANT, INPUT, Graph, Node, Value
from ..primitives.base import Primitive
from .columns import is_long

# Pairs are large if there are so many, and values of points are so much smaller.
_LEAST_PAIRS, _SMALLER = 4096, 16


class Alias(Primitive):
    """y = x, as a value that is linked to nothing. Made after differentiation."""

    name = "alias"

    def infer(self, x):
        return x.shape, x.dtype

    def lower(self, lowering, node):
        lowering.alias(node)


alias = Alias()


def separate(graph, classes):
    """The graph with aliases between points and pairs.

    Parameters
    ----------
    graph : Graph
    classes : iterable of list of (Value, int)
        Classes of axes of its values.

    Returns
    -------
    Graph
        The same one if no value has two axes of one class.
    int
        Number of elements from which on a value is one of pairs; 0 if there are none.
    """
    most = 0
    for members in classes:
        seen = set()
        for value, _ in members:
            if value in seen:
                most = max(most, value.size)
            seen.add(value)
    if most < _LEAST_PAIRS:
        return graph, 0
    least = most // _SMALLER
    result = Graph(graph.name)
    env = {}
    for number, node in enumerate(graph.nodes):
        if number == graph.reverse_start:
            result.reverse_start = len(result.nodes)
        operands = [env[o] for o in node.operands]
        if node.primitive not in (INPUT, CONSTANT) and not node.primitive.multiple:
            if any(v.size >= least for v in (*operands, *node.outputs)):
                operands = [
                    o if o.size >= least or o.size <= 1 else _add(result, alias, (o,), o)
                    for o in operands
                ]
        copy = Node(node.primitive, tuple(operands), node.attributes, result, node.location)
        copy.outputs = tuple([Value(copy, v.index, v.shape, v.dtype, v.weak) for v in node.outputs])
        result.nodes.append(copy)
        env.update(zip(node.outputs, copy.outputs, strict=True))
        if node.primitive is INPUT:
            result.inputs.append(copy.outputs[0])
    result.inputs.sort(key=lambda v: v.node.attributes["position"])
    return result.close([env[v] for v in graph.outputs]), least


def _add(graph, primitive, operands, like):
    node = Node(primitive, operands, {}, graph, like.node.location)
    node.outputs = (Value(node, 0, like.shape, like.dtype),)
    graph.nodes.append(node)
    return node.outputs[0]


def gains_from_columns(members, least):
    """Whether most pairs have a short last axis, which a class would make long.

    Parameters
    ----------
    members : list of (Value, int)
    least : int
        As :func:`separate` gives it.
    """
    gain = loss = 0
    for value, axis in members:
        if value.size >= least and value.node.primitive not in (INPUT, CONSTANT):
            if not is_long(value.shape[-1]):
                gain += value.size
            elif axis != value.ndim - 1:
                loss += value.size
    return gain > 2 * loss
