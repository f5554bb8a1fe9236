"""Derivatives, graph to graph: JVP (forward) and VJP (reverse), recorded into the open graph.

Both copy the primal nodes into the open graph and apply the primitives' rules beside them.
Contributions to one adjoint become a single ``accumulate`` node, in the order in which the reverse
sweep meets them; only lowering makes it an addition in place. A cotangent or tangent that is None
is zero and makes no node.

References
----------
Griewank, A. and Walther, A. (2008). Evaluating Derivatives, 2nd ed., SIAM, sections 3.1-3.3.
"""

from ._core import Sweep, bodies, copy_node
from .errors import DifferentiationError
from .graph import INPUT, current_graph, describe_location, open_graph
from .primitives.base import is_floating
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
            copy_node(node, env, target)
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
        outputs = copy_node(node, env, target)
        incoming = [dots.get(operand) for operand in node.operands]
        if (
            all(t is None for t in incoming)
            or node.primitive.stops
            or not any(map(is_floating, outputs))
        ):
            continue
        with _note(node):
            operands = [env[operand] for operand in node.operands]
            outgoing = node.primitive.jvp(incoming, operands, outputs, **node.attributes)
        for value, tangent in zip(node.outputs, outgoing, strict=True):
            if tangent is not None:
                dots[value] = tangent
    target.location = location
    return [env[v] for v in graph.outputs], [dots.get(v) for v in graph.outputs]


class ReverseSweep(Sweep):
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

        def widened(node, operands, wanted):
            flagged = selective or any(v in before_selection for v in node.outputs)
            return node.primitive.widen(operands, wanted, flagged, **node.attributes)

        self._apply(graph, env, reached, target, widened)
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
        contributions = {}
        for value, cotangent in zip(self.source_outputs, cotangents, strict=True):
            if cotangent is not None:
                contributions.setdefault(value, []).append(cotangent)
        return self._back(contributions, self.inputs, current_graph(), accumulate, _locate, totals)


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
        if error is not None:
            _locate(error, self.node)
        return False


def _locate(error, node):
    """Add to an error about derivatives where its node was recorded."""
    if not isinstance(error, DifferentiationError):
        return
    if node.location is not None and not getattr(error, "located", False):
        error.located = True
        error.args = (f"{error.args[0]} (recorded at {describe_location(node.location)})",)


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
                copy_node(node, inner, target)
                for value in node.outputs:
                    env.setdefault(value, inner[value])
        target.close([env[v] for v in outputs])
    return target, used


def graph_has_loops(graph):
    """Whether any node has a body."""
    return bool(bodies(graph.nodes))


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
        any(map(_selects, body.nodes)) for body in bodies([node])
    )
