"""Vectorisation, graph to graph: a graph applied to many inputs along a new leading axis."""

from ._core import copy_node
from .graph import current_graph
from .primitives.base import broadcast


def record_batch(graph, operands, batched, size):
    """Apply a graph to operands of which some have a batch axis as axis 0.

    Parameters
    ----------
    graph : Graph
        Closed.
    operands : sequence of Value
    batched : sequence of bool
    size : int
        Extent of the batch axis.

    Returns
    -------
    outputs : list of Value
    flags : list of bool
        Which outputs have the batch axis.
    """
    target = current_graph()
    env = dict(zip(graph.inputs, operands, strict=True))
    with_batch = {v for v, b in zip(graph.inputs, batched, strict=True) if b}
    location = target.location
    for number, node in enumerate(graph.nodes):
        if number == graph.reverse_start and target.reverse_start is None:
            target.reverse_start = len(target.nodes)
        flags = [operand in with_batch for operand in node.operands]
        if not any(flags):
            copy_node(node, env, target)
            continue
        target.location = node.location
        outputs = node.primitive.batch(
            [env[operand] for operand in node.operands], flags, size, **node.attributes
        )
        for value, output in zip(node.outputs, outputs, strict=True):
            if output.ndim == value.ndim:
                output = broadcast(output, (size, *value.shape))
            env[value] = output
            with_batch.add(value)
    target.location = location
    return [env[v] for v in graph.outputs], [v in with_batch for v in graph.outputs]
