"""Derivatives, graph to graph: JVP (forward) and VJP (reverse), recorded into the open graph.

Both copy the primal nodes into the open graph and apply the primitives' rules beside them.
Contributions to one adjoint become a single ``accumulate`` node, in the order in which the reverse
sweep meets them; only lowering makes it an addition in place. A cotangent or tangent that is None
is zero and makes no node.

References
----------
Griewank, A. and Walther, A. (2008). Evaluating Derivatives, 2nd ed., SIAM, sections 3.1-3.3.
"""

from collections import defaultdict

from ._core import copy_node
from .errors import DifferentiationError
from .graph import CONSTANT, INPUT, Graph, current_graph, describe_location, open_graph
from .primitives.base import is_floating, mark_selective
from .primitives.elementwise import accumulate

# Primitives whose rules make cotangents that are zero by selection.
_SELECTIONS = {
    "select", "maximum", "minimum", "max", "min", "mulz", "relu", "relu_gate", "max_gate",
    "min_gate",
}  # fmt: skip


def inline(graph, operands):
    """Apply the nodes of a closed graph to operands in the innermost open graph.

    Returns
    -------
    list of Value
    """
    env = dict(zip(graph.inputs, operands, strict=True))
    target = current_graph()
    with _located(target):
        for node in graph.nodes:
            _copy(node, env, target)
    return [env[v] for v in graph.outputs]


def record_jvp(graph, primals, tangents):
    """Apply a graph and its derivative along tangents.

    Parameters
    ----------
    graph : Graph
        Closed.
    primals : sequence of Value
    tangents : sequence of Value or None

    Returns
    -------
    outputs : list of Value
    output_tangents : list of Value or None
    """
    target = current_graph()
    env = dict(zip(graph.inputs, primals, strict=True))
    dots = {v: t for v, t in zip(graph.inputs, tangents, strict=True) if t is not None}
    location = target.location
    for node in graph.nodes:
        outputs = _copy(node, env, target)
        if outputs is None or node.primitive.stops:
            continue
        incoming = [dots.get(operand) for operand in node.operands]
        if all(t is None for t in incoming) or not any(map(is_floating, outputs)):
            continue
        with _note(node):
            operands = [env[operand] for operand in node.operands]
            outgoing = node.primitive.jvp(incoming, operands, outputs, **node.attributes)
        for value, tangent in zip(node.outputs, outgoing, strict=True):
            if tangent is not None:
                dots[value] = tangent
    target.location = location
    return [env[v] for v in graph.outputs], [dots.get(v) for v in graph.outputs]


class ReverseSweep:
    """A graph applied in the innermost open graph, ready to be pulled back.

    Parameters
    ----------
    graph : Graph
        Closed.
    primals : sequence of Value
        Operands for its inputs.
    active : sequence of bool
        Which inputs derivatives are wanted for.
    selective : bool
        Whether the cotangents that will come may be zeros by selection.

    Attributes
    ----------
    outputs : list of Value
    active : set of Value
        Those of ``outputs`` and before that depend on an active input.
    """

    def __init__(self, graph, primals, active, selective=False):
        target = current_graph()
        env = dict(zip(graph.inputs, primals, strict=True))
        reached = {v for v, a in zip(graph.inputs, active, strict=True) if a and is_floating(v)}
        before_selection = _before_selection(graph) if graph_has_loops(graph) else ()
        self.records = []
        location = target.location
        for node in graph.nodes:
            wanted = [operand in reached for operand in node.operands]
            passes = True in wanted and not node.primitive.stops
            floating = [v for v in node.outputs if is_floating(v)] if passes else ()
            if not floating:
                _copy(node, env, target)
                continue
            operands = [env[operand] for operand in node.operands]
            context = None
            target.location = node.location
            if hasattr(node.primitive, "widen"):
                flagged = selective or any(v in before_selection for v in node.outputs)
                outputs, context = node.primitive.widen(
                    operands, wanted, flagged, **node.attributes
                )
                env.update(zip(node.outputs, outputs, strict=True))
            else:
                outputs = _copy(node, env, target)
            reached.update(floating)
            self.records.append((node, operands, outputs, wanted, context))
        target.location = location
        self.inputs = list(graph.inputs)
        self.source_outputs = list(graph.outputs)
        self.outputs = [env[v] for v in graph.outputs]
        self.active = {env[v] for v in graph.outputs if v in reached}

    def pull(self, cotangents, totals=None):
        """Record the reverse sweep from cotangents of the outputs (None for zero).

        Parameters
        ----------
        cotangents : sequence of Value or None
        totals : dict, optional
            Takes the cotangent of every value of the graph that has one.

        Returns
        -------
        list of Value or None
            Cotangents of the inputs.
        """
        contributions = defaultdict(list)
        target = current_graph()
        location = target.location
        for value, cotangent in zip(self.source_outputs, cotangents, strict=True):
            if cotangent is not None:
                contributions[value].append(cotangent)
        for node, operands, outputs, want, context in reversed(self.records):
            incoming = [_total(contributions.pop(v, None)) for v in node.outputs]
            # A list, as this is done for every node and a generator takes longer.
            if all([ct is None for ct in incoming]):  # noqa: C419
                continue
            if totals is not None:
                totals.update(zip(node.outputs, incoming, strict=True))
            marked = target.table.get("selective")
            flagged = marked is not None and all(ct is None or ct in marked for ct in incoming)
            target.location = node.location
            extra = node.attributes if context is None else {**node.attributes, "context": context}
            try:
                outgoing = node.primitive.vjp(incoming, operands, outputs, want, **extra)
            except DifferentiationError as error:
                _locate(error, node)
                raise
            for operand, want_it, ct in zip(node.operands, want, outgoing, strict=True):
                if ct is not None and want_it:
                    if flagged:
                        mark_selective(ct)
                    contributions[operand].append(ct)
        target.location = location
        return [_total(contributions.get(v)) for v in self.inputs]


def _total(contributions):
    if not contributions:
        return None
    if len(contributions) == 1:
        return contributions[0]
    total = accumulate(*contributions)
    marked = current_graph().table.get("selective")
    if marked is not None and all(ct in marked for ct in contributions):
        mark_selective(total)
    return total


class _located:
    """Nodes copied inside keep their locations; afterwards the enclosing trace's count again."""

    def __init__(self, graph):
        self.graph = graph

    def __enter__(self):
        self.outer = self.graph.location

    def __exit__(self, kind, error, traceback):
        self.graph.location = self.outer
        return False


class _note:
    """Nodes recorded inside carry the location of ``node``, and so do errors."""

    def __init__(self, node):
        self.node = node

    def __enter__(self):
        current_graph().location = self.node.location

    def __exit__(self, kind, error, traceback):
        if isinstance(error, DifferentiationError):
            _locate(error, self.node)
        return False


def _locate(error, node):
    """Add to an error where its node was recorded."""
    if node.location is not None and not getattr(error, "located", False):
        error.located = True
        error.args = (f"{error.args[0]} (recorded at {describe_location(node.location)})",)


def _copy(node, env, target):
    """Apply one node of another graph in ``target``; None for inputs and constants."""
    primitive = node.primitive
    if primitive is INPUT:
        if node.outputs[0] not in env:
            raise DifferentiationError("a graph was applied to too few operands")
        return None
    if primitive is CONSTANT:
        env[node.outputs[0]] = target.constant(node.attributes["value"])
        return None
    return copy_node(node, env, target)


def subgraph(graph, cuts, outputs, name, keep_inputs=False, keep=()):
    """The part of a graph between ``cuts`` and ``outputs``, as a closed graph of its own.

    Parameters
    ----------
    graph : Graph
    cuts : sequence of Value
        Become inputs, in this order, if the outputs need them.
    outputs : sequence of Value
    name : str
    keep_inputs : bool
        Keep all cuts as inputs, needed or not.
    keep : set of Value
        Cuts that are kept in any case.

    Returns
    -------
    Graph
    list of Value
        The cuts that became inputs.
    """
    cut_set = set(cuts)
    needed = set(outputs)
    for node in reversed(graph.nodes):
        if any(v in needed and v not in cut_set for v in node.outputs):
            needed.update(node.operands)
    used = [v for v in cuts if keep_inputs or v in needed or v in keep]
    env = {}
    with open_graph(name) as target:
        for value in used:
            env[value] = target.add_input(value.shape, value.dtype, value.weak)
        for node in graph.nodes:
            if node.primitive is not INPUT and any(
                v in needed and v not in env for v in node.outputs
            ):
                inner = dict(env)
                _copy(node, inner, target)
                for value in node.outputs:
                    env.setdefault(value, inner[value])
        target.close([env[v] for v in outputs])
    return target, used


def graph_has_loops(graph):
    """Whether any node has a body."""
    return any(isinstance(a, Graph) for node in graph.nodes for a in node.attributes.values())


def _before_selection(graph):
    """Values that flow into a selection, so that their cotangents may be zeros by selection."""
    found = set()
    for node in reversed(graph.nodes):
        if _selects(node) or any(v in found for v in node.outputs):
            found.update(node.operands)
    return found


def _selects(node):
    """Whether a node is a selection, or a loop with one in its body."""
    return node.primitive.name in _SELECTIONS or any(
        isinstance(a, Graph) and any(map(_selects, a.nodes)) for a in node.attributes.values()
    )
