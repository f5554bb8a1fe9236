"""Dead code: nodes that no output needs, and outputs and carries of loops that nothing reads."""

from ..differentiate import subgraph
from ..graph import CONSTANT, INPUT, Graph, Node, Value
from ..primitives.control import scan


def remove(graph):
    """The graph without dead nodes. Inputs stay, so its signature does not change."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.primitive is INPUT:
            kept.append(node)
        elif not needed.isdisjoint(node.outputs):
            kept.append(node)
            if node.primitive is scan:
                needed.update(_live_operands(node, needed))
            else:
                needed.update(node.operands)
    kept.reverse()
    if any(node.primitive is scan for node in kept):
        return _rebuild(graph, kept, needed)
    return _selection(graph, kept)


def _selection(graph, kept):
    """A graph of some of the nodes of another one, which both then share."""
    result = Graph(graph.name)
    result.nodes = kept
    result.inputs, result.outputs = graph.inputs, graph.outputs
    result.closed = True
    boundary = graph.reverse_start
    if boundary is not None:
        late = set(graph.nodes[boundary:])
        result.reverse_start = next(
            (i for i, n in enumerate(kept) if n in late and n.primitive not in (CONSTANT, INPUT)),
            len(kept),
        )
    return result


def _rebuild(graph, kept, needed):
    result = Graph(graph.name)
    env = {}
    boundary = graph.reverse_start
    reverse_nodes = set(graph.nodes[boundary:]) if boundary is not None else set()
    for node in kept:
        if node in reverse_nodes and result.reverse_start is None:
            if node.primitive not in (CONSTANT, INPUT):
                result.reverse_start = len(result.nodes)
        if node.primitive is scan:
            _narrow(result, node, env, needed)
            continue
        copy = Node(
            node.primitive,
            tuple([env[operand] for operand in node.operands]),
            node.attributes,
            result,
            node.location,
        )
        copy.outputs = tuple([Value(copy, v.index, v.shape, v.dtype, v.weak) for v in node.outputs])
        result.nodes.append(copy)
        env.update(zip(node.outputs, copy.outputs, strict=True))
        if node.primitive is INPUT:
            result.inputs.append(copy.outputs[0])
    result.inputs.sort(key=lambda v: v.node.attributes["position"])
    if boundary is not None and result.reverse_start is None:
        result.reverse_start = len(result.nodes)
    return result.close([env[v] for v in graph.outputs])


def _live(node, needed):
    """Which carries and ys of a scan are needed, and by which body inputs."""
    body, n_consts, n_carry = (node.attributes[k] for k in ("body", "n_consts", "n_carry"))
    live_outputs = {i for i, v in enumerate(node.outputs) if v in needed}
    while True:
        wanted = {body.outputs[i] for i in live_outputs}
        for inner in reversed(body.nodes):
            if any(v in wanted for v in inner.outputs):
                wanted.update(inner.operands)
        grown = set(live_outputs)
        for i in range(n_carry):
            if body.inputs[n_consts + i] in wanted:
                grown.add(i)
        if grown == live_outputs:
            live_inputs = {i for i, v in enumerate(body.inputs) if v in wanted}
            live_inputs.update(n_consts + i for i in live_outputs if i < n_carry)
            return live_outputs, live_inputs
        live_outputs = grown


def _live_operands(node, needed):
    _, live_inputs = _live(node, needed)
    return [operand for i, operand in enumerate(node.operands) if i in live_inputs]


def _narrow(result, node, env, needed):
    attributes = node.attributes
    body, n_consts, n_carry = (attributes[k] for k in ("body", "n_consts", "n_carry"))
    live_outputs, live_inputs = _live(node, needed)
    outputs = [v for i, v in enumerate(body.outputs) if i in live_outputs]
    cuts = [v for i, v in enumerate(body.inputs) if i in live_inputs]
    narrowed, _ = subgraph(body, cuts, outputs, body.name, keep_inputs=True)
    narrowed = remove(narrowed)
    copies = result.add(
        scan,
        tuple([env[o] for i, o in enumerate(node.operands) if i in live_inputs]),
        {
            "body": narrowed,
            "n_consts": sum(1 for i in live_inputs if i < n_consts),
            "n_carry": sum(1 for i in live_outputs if i < n_carry),
            "length": attributes["length"],
            "reverse": attributes["reverse"],
        },
    )
    copies[0].node.location = node.location
    alive = [v for i, v in enumerate(node.outputs) if i in live_outputs]
    env.update(zip(alive, copies, strict=True))
