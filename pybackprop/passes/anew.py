"""Recording a graph anew, node by node: what passes share that replace some nodes by others."""

from ..graph import INPUT


def nodes_anew(graph, target, env, as_input=lambda value: value):
    """The nodes of ``graph`` that compute something, for a pass that records them in ``target``.

    Inputs are added to the target, and its reverse sweep starts where the graph's does, as the
    nodes are gone through.

    Parameters
    ----------
    graph, target : Graph
        A closed graph, and the open one that it is recorded in.
    env : dict
        Gets the target's values for the graph's inputs.
    as_input : callable, optional
        What stands for an input, from the target's value of it.

    Yields
    ------
    Node
    """
    for number, node in enumerate(graph.nodes):
        if number == graph.reverse_start:
            target.reverse_start = len(target.nodes)
        if node.primitive is INPUT:
            (value,) = node.outputs
            env[value] = as_input(
                target.add_input(value.shape, value.dtype, value.weak, node.attributes["name"])
            )
        else:
            yield node
