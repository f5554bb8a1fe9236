"""Writes out what stays whole until derivatives are taken, the last pass before tiles.

Log-sum-exps and softmaxes: with t the largest element over the axes, or 0 where that is not
finite, and s the sum of e = exp(x - t),

    logsumexp(x) = log(s) + t,    softmax(x) = e / s,    log_softmax(x) = (x - t) - log(s)

and since equal nodes are one, a value and its derivative share t, e and s. A cotangent that is the
same all over the axes divides the sums, of which there are fewer than exponentials. Sums of rows
that hold a number are at least 1, so that max(s, 1) in the place of s gives the weights 0 to rows
of -inf alone, and changes no others.

Powers of half-integers become square roots where the base cannot be negative: pow(-inf, 1.5) is
inf, and the derivative of x sqrt(x) at 0 is NaN, but that of the power has been taken by now.
"""

import math

from .._core import copy_node
from ..graph import CONSTANT, INPUT, open_graph
from ..primitives import elementwise as e
from ..primitives import reduction, shaping
from ..primitives.base import constant, constant_value
from ..primitives.control import scan
from ..primitives.reduction import restore
from ..primitives.softmax import log_softmax, logsumexp, softmax
from .anew import nodes_anew

_VIEWS = (shaping.reshape, shaping.transpose, shaping.broadcast_to, shaping.slice_)
_WRITTEN_OUT = {logsumexp, softmax, log_softmax}


# The square root and what it is multiplied by.
_HALVES = {
    0.5: lambda x, root: root,
    1.5: lambda x, root: e.multiply(x, root),
    2.5: lambda x, root: e.multiply(e.square(x), root),
    -0.5: lambda x, root: e.reciprocal(root),
    -1.5: lambda x, root: e.multiply(e.reciprocal(x), e.reciprocal(root)),
}
# How far up a base is looked at.
_DEPTH = 6


def write_out(graph, origins=None):
    """The graph without the primitives of :mod:`pybackprop.primitives.softmax` and such powers.

    Parameters
    ----------
    graph : Graph
        Closed.
    origins : dict of Value to Value, optional
        Of a loop's body: what its inputs are slices of, or the same as.

    Returns
    -------
    Graph
        The same graph if it has none.
    """
    origins = origins or {}
    if not _has_any(graph, origins):
        return graph
    from . import LOCAL

    env = {}
    with open_graph(graph.name, LOCAL) as target:
        for node in nodes_anew(graph, target, env):
            target.location = node.location
            if node.primitive is scan:
                body = write_out(node.attributes["body"], {**origins, **_origins_in(node)})
                attributes = {**node.attributes, "body": body}
                outputs = scan(*[env[o] for o in node.operands], **attributes)
                env.update(zip(node.outputs, outputs, strict=True))
            elif node.primitive in _WRITTEN_OUT:
                env[node.outputs[0]] = _written_out(node, env)
            elif node.primitive is e.multiply and _scales_weights(node) is not None:
                env[node.outputs[0]] = _scaled_weights(node, env)
            elif _is_half_power(node, origins):
                base, exponent = node.operands
                x = env[base]
                env[node.outputs[0]] = _HALVES[constant_value(exponent)](x, e.sqrt(x))
            else:
                copy_node(node, env, target)
        if graph.reverse_start is not None and target.reverse_start is None:
            target.reverse_start = len(target.nodes)
        target.close([env[v] for v in graph.outputs])
    from .dead import remove

    return remove(target)


def _has_any(graph, origins):
    for node in graph.nodes:
        primitive = node.primitive
        if primitive in _WRITTEN_OUT or (primitive is e.power and _is_half_power(node, origins)):
            return True
        if primitive is scan:
            if _has_any(node.attributes["body"], {**origins, **_origins_in(node)}):
                return True
    return False


def _origins_in(node):
    """What the inputs of a loop's body are made of, but for its carries."""
    consts = node.attributes["n_consts"]
    after = consts + node.attributes["n_carry"]
    pairs = list(zip(node.attributes["body"].inputs, node.operands, strict=True))
    return dict(pairs[:consts] + pairs[after:])


def _is_half_power(node, origins):
    if node.primitive is not e.power:
        return False
    base, exponent = node.operands
    return (
        base.shape == node.outputs[0].shape
        and base.dtype == node.outputs[0].dtype
        and base.dtype.kind == "f"
        and constant_value(exponent) in _HALVES
        and _never_negative(base, origins, _DEPTH)
    )


def _never_negative(value, origins, depth):
    """Whether no element is below 0, nor -0; NaN may be."""
    number = constant_value(value)
    if number is not None:
        return isinstance(number, float) and math.copysign(1, number) > 0
    node = value.node
    primitive, operands = node.primitive, node.operands
    if primitive is INPUT and value in origins:
        value = origins[value]
        return _never_negative(value, origins, depth)
    if primitive in (INPUT, CONSTANT) or not depth:
        return False
    if primitive in (e.square, e.exp, e.abs_, e.cosh):
        return True
    if primitive is scan:
        place = value.index
        body = node.attributes["body"]
        if place < node.attributes["n_carry"]:
            return False
        inside = {**origins, **_origins_in(node)}
        return _never_negative(body.outputs[place], inside, depth - 1)
    if primitive is e.multiply and operands[0] is operands[1]:
        return True
    if primitive not in (e.add, e.multiply, e.divide, e.sqrt, reduction.sum_, *_VIEWS):
        return False
    return all(_never_negative(o, origins, depth - 1) for o in operands)


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
