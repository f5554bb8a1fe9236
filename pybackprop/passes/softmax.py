"""Writes log-sum-exps and softmaxes out, the last pass before tiles.

With t the largest element over the axes, or 0 where that is not finite, and s the sum of
e = exp(x - t),

    logsumexp(x) = log(s) + t,    softmax(x) = e / s,    log_softmax(x) = (x - t) - log(s)

and since equal nodes are one, a value and its derivative share t, e and s. A cotangent that is the
same all over the axes divides the sums, of which there are fewer than exponentials. Sums of rows
that hold a number are at least 1, so that max(s, 1) in the place of s gives the weights 0 to rows
of -inf alone, and changes no others.
"""

from ..differentiate import _copy
from ..graph import CONSTANT, Graph, open_graph
from ..primitives import elementwise as e
from ..primitives import reduction
from ..primitives.base import constant
from ..primitives.control import scan
from ..primitives.reduction import restore
from ..primitives.softmax import log_softmax, logsumexp, softmax
from .anew import nodes_anew

_WRITTEN_OUT = (logsumexp, softmax, log_softmax)


def write_out(graph):
    """The graph without the primitives of :mod:`pybackprop.primitives.softmax`.

    Parameters
    ----------
    graph : Graph
        Closed.

    Returns
    -------
    Graph
        The same graph if it has none.
    """
    if not _has_any(graph):
        return graph
    from . import LOCAL

    env = {}
    with open_graph(graph.name, LOCAL) as target:
        for node in nodes_anew(graph, target, env):
            target.location = node.location
            if node.primitive is scan:
                attributes = {**node.attributes, "body": write_out(node.attributes["body"])}
                outputs = scan(*[env[o] for o in node.operands], **attributes)
                env.update(zip(node.outputs, outputs, strict=True))
            elif node.primitive in _WRITTEN_OUT:
                env[node.outputs[0]] = _written_out(node, env)
            elif node.primitive is e.multiply and _scales_weights(node) is not None:
                env[node.outputs[0]] = _scaled_weights(node, env)
            else:
                _copy(node, env, target)
        if graph.reverse_start is not None and target.reverse_start is None:
            target.reverse_start = len(target.nodes)
        target.close([env[v] for v in graph.outputs])
    from .dead import remove

    return remove(target)


def _has_any(graph):
    return any(
        node.primitive in _WRITTEN_OUT
        or any(isinstance(a, Graph) and _has_any(a) for a in node.attributes.values())
        for node in graph.nodes
        if node.primitive is not CONSTANT
    )


def _written_out(node, env):
    x, axes = env[node.operands[0]], node.attributes["axes"]
    if node.primitive is logsumexp:
        top, _, total = _parts(x, axes)
        return e.add(e.log(total), top)
    if node.primitive is log_softmax:
        top, _, total = _parts(x, axes)
        shifted = e.subtract(x, restore(top, x.shape, axes))
        return e.subtract(shifted, restore(e.log(total), x.shape, axes))
    exponentials, total = _exponentials(x, node)
    return e.multiply(exponentials, restore(e.reciprocal(total), x.shape, axes))


def _parts(x, axes, guarded=True):
    """The shift, the exponentials and their sum."""
    top = reduction.max_(x, axes=axes)
    if guarded:
        top = e.finite(top)
    exponentials = e.exp_normal(e.subtract(x, restore(top, x.shape, axes)))
    return top, exponentials, reduction.sum_(exponentials, axes=axes)


def _exponentials(x, node):
    """What a softmax divides, and by what."""
    guarded = node.attributes["guarded"]
    _, exponentials, total = _parts(x, node.attributes["axes"], guarded)
    return exponentials, e.maximum(total, constant(1, x.dtype)) if guarded else total


def _scales_weights(node):
    """The operand number of a softmax that is multiplied by one number per row, or None."""
    for i, weights in enumerate(node.operands):
        other = node.operands[1 - i]
        if weights.node.primitive is softmax and weights.shape == node.outputs[0].shape:
            axes, missing = weights.node.attributes["axes"], weights.ndim - other.ndim
            if all(axis < missing or other.shape[axis - missing] == 1 for axis in axes):
                return i
    return None


def _scaled_weights(node, env):
    i = _scales_weights(node)
    weights, factor = node.operands[i], env[node.operands[1 - i]]
    x, axes = env[weights.node.operands[0]], weights.node.attributes["axes"]
    exponentials, total = _exponentials(x, weights.node)
    return e.multiply(exponentials, e.divide(factor, restore(total, x.shape, axes)))
