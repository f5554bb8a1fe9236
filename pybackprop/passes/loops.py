"""Loops: what does not change from step to step leaves the body.

Constants move into a body, so that they can fold there; nodes that depend only on values shared by
all steps are hoisted out and computed once; bodies are simplified like any other graph.
"""

from .._core import copy_node
from ..batching import record_batch
from ..differentiate import graph_has_loops, subgraph
from ..graph import CONSTANT, INPUT, apply, current_graph, open_graph
from ..primitives.base import constant_value, filled
from ..primitives.control import move_captured_first, scan
from .anew import nodes_anew

# What is worth computing ahead of a loop, and how many bytes that may take.
_HEAVY = {
    "matmul", "sparse_matmul", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin",
    "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh",
    "arccosh", "arctanh", "sigmoid", "softplus", "erf", "erfc", "gauss", "power", "cbrt",
    "logsumexp", "softmax", "log_softmax",
}  # fmt: skip
_MOST_AHEAD = 1 << 25


def simplify(graph):
    """The graph with every loop's body cleaned."""
    if not graph_has_loops(graph):
        return graph
    from . import LOCAL

    env = {}
    with open_graph(graph.name, LOCAL) as target:
        for node in nodes_anew(graph, target, env):
            if node.primitive is scan:
                target.location = node.location
                operands = [env[o] for o in node.operands]
                outputs = apply_clean(operands, **node.attributes)
                env.update(zip(node.outputs, outputs, strict=True))
            else:
                copy_node(node, env, target)
        target.close([env[v] for v in graph.outputs])
    return target


def lift_ahead(operands, *, body, n_consts, n_carry, length, reverse):
    """Compute ahead, for all steps at once, what costs much and depends on the slices alone.

    Products and elementary functions of one small slice after the other become one product, or one
    long vector; so do their adjoints after the reverse loop.

    Returns
    -------
    operands : list of Value
        With the results as further xs.
    body : Graph
    """
    consts, xs = body.inputs[:n_consts], body.inputs[n_consts + n_carry :]
    steady, ahead, heavy = set(consts), set(xs), set()
    for node in body.nodes:
        if node.primitive is CONSTANT:
            steady.update(node.outputs)
        elif node.primitive is INPUT or node.primitive.multiple:
            continue
        elif all(o in steady for o in node.operands):
            steady.update(node.outputs)
        elif all(o in steady or o in ahead for o in node.operands):
            ahead.update(node.outputs)
            if node.primitive.name in _HEAVY or any(o in heavy for o in node.operands):
                heavy.update(node.outputs)
    needed = set(body.outputs)
    for node in body.nodes:
        if node.primitive.multiple or not any(v in heavy for v in node.outputs):
            needed.update(node.operands)
    frontier = [v for node in body.nodes for v in node.outputs if v in heavy and v in needed]
    if not frontier or sum(v.size * v.dtype.itemsize for v in frontier) * length > _MOST_AHEAD:
        return operands, body
    outer = dict(zip(body.inputs, operands, strict=True))
    part, used = subgraph(body, consts + xs, frontier, f"ahead of {body.name}")
    slices = set(xs)
    results, _ = record_batch(part, [outer[v] for v in used], [v in slices for v in used], length)
    rest, _ = subgraph(body, body.inputs + frontier, body.outputs, body.name, keep_inputs=True)
    return list(operands) + results, rest


def apply_clean(operands, *, body, n_consts, n_carry, length, reverse):
    """Apply a scan in the open graph with constants inside and invariants outside of its body."""
    from . import LOCAL

    env = {}
    outer = {}
    for inner, operand in zip(body.inputs[:n_consts], operands, strict=False):
        outer[inner] = operand
    for inner, operand in zip(
        body.inputs[n_consts + n_carry :], operands[n_consts + n_carry :], strict=True
    ):
        number = constant_value(operand)
        if number is not None:
            outer[inner] = filled(inner.shape, number, inner.dtype)
    # A carry that the body hands on as it is does not change either.
    fixed = [i for i in range(n_carry) if body.outputs[i] is body.inputs[n_consts + i]]
    for i in fixed:
        outer[body.inputs[n_consts + i]] = operands[n_consts + i]
    varying = [v for v in body.inputs[n_consts:] if v not in outer]
    kept = [
        o
        for v, o in zip(body.inputs[n_consts:], operands[n_consts:], strict=True)
        if v not in outer
    ]
    # Invariant nodes are applied in the enclosing graph, so the body captures their results.
    for node in body.nodes:
        if node.primitive in (INPUT, CONSTANT):
            continue
        if node.operands and all(o in outer or o.node.primitive is CONSTANT for o in node.operands):
            if all(o.node.primitive is CONSTANT for o in node.operands):
                continue
            scope = dict(outer)
            for o in node.operands:
                if o.node.primitive is CONSTANT:
                    scope[o] = o.node.attributes["value"]
            result = node.primitive(
                *[current_graph().adopt(scope[o]) for o in node.operands], **node.attributes
            )
            results = result if node.primitive.multiple else (result,)
            outer.update(zip(node.outputs, results, strict=True))
    with open_graph(body.name, LOCAL) as inner_graph:
        for value in varying:
            env[value] = inner_graph.add_input(value.shape, value.dtype, value.weak)
        for value, operand in outer.items():
            env[value] = operand
        for node in body.nodes:
            if node.primitive is INPUT or node.outputs[0] in outer:
                continue
            if node.primitive is scan:
                nested = apply_clean(
                    [inner_graph.adopt(env[o]) for o in node.operands], **node.attributes
                )
                env.update(zip(node.outputs, nested, strict=True))
            else:
                copy_node(node, env, inner_graph)
        inner_graph.close([env[v] for i, v in enumerate(body.outputs) if i not in fixed])
    captured = list(inner_graph.captured)
    inner_graph = move_captured_first(inner_graph, len(varying))
    results = apply(
        scan, *captured, *kept, body=inner_graph, n_consts=len(captured),
        n_carry=n_carry - len(fixed), length=length, reverse=reverse,
    )  # fmt: skip
    results = iter(results)
    return tuple(
        operands[n_consts + i] if i in fixed else next(results) for i in range(len(body.outputs))
    )
