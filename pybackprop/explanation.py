"""What backpropagation did at one point: values, local derivatives, adjoints and paths.

The graph is the one that the user's code recorded, before any pass. One tape computes everything
that is shown: the value of every node, its adjoint by the reverse sweep, and the local derivative
of every edge by the rule of the node's primitive. For small graphs the chain rule is spelled out
as a sum over all paths.
"""

import inspect
import linecache
import os
import sys
from dataclasses import dataclass

import numpy as np

from ._core import Tape, flatten
from .api import compile as compile_function
from .compiled import as_plain
from .differentiate import ReverseSweep
from .errors import DifferentiationError
from .explanation_text import lines_of, numbers
from .graph import CONSTANT, INPUT, Value, describe, describe_location, open_graph
from .lowering import lower
from .lowering.tape import container
from .passes import LOCAL, optimize
from .primitives.base import constant, filled, is_floating, mark_selective
from .primitives.elementwise import Elementwise
from .testing import leaf_names, numerical_derivative
from .trace import trace

__all__ = ["Edge", "Explanation", "Node", "Path", "explain"]

_MOST_ROWS = 32  # of a local Jacobian
_MOST_RULES = 2000  # applications of rules for all of them
_MOST_ELEMENTS = 2000  # of the graph in which paths are counted
_MOST_CHECKS = 64  # elements checked by differences


@dataclass(frozen=True)
class Node:
    """A node as it is explained.

    Attributes
    ----------
    name : str
        The variable that held it when the function returned, or ``v1``, ``v2`` ...
    primitive : str
    operands : tuple of str
    value, adjoint : numpy.ndarray or None
        Adjoint: the derivative of the function by this value; None if there is none.
    location : str
        File and line.
    line : str
        The text there, if it can be read.
    """

    name: str
    primitive: str
    operands: tuple
    value: np.ndarray
    adjoint: np.ndarray | None
    location: str
    line: str


@dataclass(frozen=True)
class Edge:
    """An operand link.

    Attributes
    ----------
    source, target : str
    position : int
        Which operand of ``target`` it is.
    derivative : numpy.ndarray or None
        Local derivative of target by source, of shape ``target.shape + source.shape``; None if that
        would be large.
    diagonal : numpy.ndarray or None
        If that is large and the node works element by element: each element's local derivative.
    """

    source: str
    target: str
    position: int
    derivative: np.ndarray | None
    diagonal: np.ndarray | None = None


@dataclass(frozen=True)
class Path:
    """A way from an input to the output.

    Attributes
    ----------
    steps : tuple of str
        The values passed, from the input to the output; elements of arrays as ``x[0]``.
    factors : tuple of float
        The local derivatives along it.
    product : float
    """

    steps: tuple
    factors: tuple
    product: float


class Explanation:
    """The result of :func:`explain`; ``str()`` of it is a text to read.

    Attributes
    ----------
    name : str
    value : float
    gradient : tuple
        Per positional argument its gradient, in its structure; None for leaves that are not
        floating.
    nodes : list of Node
        In the order of computation, inputs first.
    edges : list of Edge
    paths : dict of str to list of Path
        Per floating input element; empty if the graph is too large.
    path_counts : dict of str to int
        Number of paths there are, listed or not.
    differences : dict of str to float
        Central differences by input element, as a check.
    n_nodes, n_parameters : int
        Nodes computed, and floating input elements.
    """

    def __init__(self, name, value, gradient, nodes, edges, output):
        self.name = name
        self.value = value
        self.gradient = gradient
        self.nodes = nodes
        self.edges = edges
        self.output = output
        self.paths = {}
        self.path_counts = {}
        self.differences = {}
        self.derivatives = {}
        self.n_nodes = sum(1 for node in nodes if node.primitive not in ("input", "constant"))
        self.n_parameters = 0

    def __str__(self):
        return "\n".join(lines_of(self))

    def __repr__(self):
        return f"<Explanation of {self.name}: {self.n_nodes} nodes, {self.n_parameters} parameters>"


def explain(fn, *args, max_paths=100):
    """Show how backpropagation computes the gradient of a function at a point.

    Parameters
    ----------
    fn : callable
        Returns a floating scalar.
    *args
        Arrays, numbers and nested containers.
    max_paths : int
        How many paths are listed at most.

    Returns
    -------
    Explanation
        Print it.

    Raises
    ------
    DifferentiationError
        If the function does not return one floating scalar, or computes complex values.

    Examples
    --------
    >>> import pybackprop as bp
    >>> def f(x, y):
    ...     p = x * y
    ...     return p + x
    >>> print(bp.explain(f, 2.0, 3.0))
    f(x, y) = 8
    <BLANKLINE>
    Nodes                        value      adjoint
      x     input                2          4
      y     input                3          2
      p     multiply(x, y)       6          1          # p = x * y
      v1    add(p, x)            8          1          # return p + x
    <BLANKLINE>
    Edges                        local derivative
      x -> p                     3
      y -> p                     2
      p -> v1                    1
      x -> v1                    1
    <BLANKLINE>
    Paths: along each, the local derivatives multiply; over all of them, the products add up
      from x
        x -> p -> v1             3 * 1 = 3
        x -> v1                  1
        sum 4, gradient 4, central difference 4
      from y
        y -> p -> v1             2 * 1 = 2
        sum 2, gradient 2, central difference 2
    <BLANKLINE>
    Steps: N = 2 nodes, P = 2 parameters.
      One forward and one reverse sweep give the gradient by all parameters: about N + P = 4 steps.
      Bumping each parameter in turn, to check, runs all nodes each time: N x P = 4 steps.
    """
    signature, leaves = flatten(args)
    leaves = [as_plain(leaf) for leaf in leaves]
    args, _ = signature.unflatten(leaves)
    signature, leaves = flatten(args)
    known = {}
    with _variables(known):
        traced = trace(fn, signature, rewrites=())
    graph = traced.graph
    for node in graph.nodes:
        if any(v.dtype.kind == "c" for v in node.outputs):
            raise DifferentiationError(
                "explain shows real values only, and the function computes a complex one at "
                f"{describe_location(node.location)}; write it with real and imaginary parts"
            )
    if [kind for kind, _ in traced.out_kinds] != ["value"]:
        raise DifferentiationError("explain needs a function that returns one floating scalar")
    output = graph.outputs[0]
    if output.shape != () or not is_floating(output):
        raise DifferentiationError(
            "explain needs a function that returns a floating scalar, and it returned "
            f"{describe(output)}"
        )
    arrays = [np.asarray(x, v.dtype) for x, v in zip(leaves, graph.inputs, strict=True)]
    labels = leaf_names(signature.tree.from_description(_arguments(signature)), _parameters(fn))
    return _Explainer(fn, args, traced, output, arrays, labels, known).run(max_paths)


def _arguments(signature):
    """The description of the positional arguments alone."""
    return signature.tree.describe()["tuple"][0]


def _parameters(fn):
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return ()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


class _variables:
    """Collects, while user code is traced, what variables hold values when functions return."""

    def __init__(self, known):
        self.known = known

    def __enter__(self):
        self.before = sys.getprofile()
        sys.setprofile(self.event)

    def __exit__(self, kind, error, traceback):
        sys.setprofile(self.before)
        return False

    def event(self, frame, event, argument):
        if event != "return" or frame.f_code.co_filename.startswith(_NOT_USERS):
            return
        for name, value in frame.f_locals.items():
            if type(value) is Value and name.isidentifier():
                self.known.setdefault(value, name)


_NOT_USERS = tuple(
    os.path.dirname(os.path.abspath(file)) + os.sep for file in (__file__, np.__file__)
)


class _Explainer:
    def __init__(self, fn, args, traced, output, arrays, labels, known):
        self.fn = fn
        self.args = args
        self.traced = traced
        self.graph = traced.graph
        self.output = output
        self.arrays = arrays
        self.live = _live_nodes(self.graph, output)
        self.names = self._names(labels, known)
        self.inputs = [v for v in self.graph.inputs if is_floating(v)]

    def _names(self, labels, known):
        names, used = {}, set()
        for value, label in zip(self.graph.inputs, labels, strict=True):
            names[value] = label
            used.add(label)
        number = 0
        for node in self.live:
            for value in node.outputs:
                if value in names:
                    continue
                if node.primitive is CONSTANT:
                    names[value] = numbers(node.attributes["value"])
                    continue
                name = known.get(value)
                if name is None:
                    number += 1
                    while f"v{number}" in used:
                        number += 1
                    name = f"v{number}"
                elif name in used:
                    copy = 2
                    while f"{name}_{copy}" in used:
                        copy += 1
                    name = f"{name}_{copy}"
                names[value] = name
                used.add(name)
        return names

    def run(self, max_paths):
        values, adjoints, jacobians, diagonals = self._compute()
        nodes = []
        for node in self.live:
            if node.primitive is CONSTANT:
                continue
            place = "" if node.location is None else describe_location(node.location)
            file, _, line = place.rpartition(":")
            text = linecache.getline(file, int(line)).strip() if place else ""
            for value in node.outputs:
                nodes.append(
                    Node(
                        self.names[value], node.primitive.name,
                        tuple(self.names[v] for v in node.operands),
                        values[value], adjoints.get(value), place, text,
                    )
                )  # fmt: skip
        edges = [
            Edge(self.names[edge[0]], self.names[edge[1]], edge[2], jacobian, diagonals.get(edge))
            for edge, jacobian in jacobians.items()
        ]
        gradients = [
            adjoints.get(v, np.zeros(v.shape, v.dtype)) if is_floating(v) else None
            for v in self.graph.inputs
        ]
        gradients = [g[()] if g is not None and g.ndim == 0 else g for g in gradients]
        leaf_gradients = [gradients[k] for k in self.traced.leaf_inputs]
        gradient = flatten(self.args)[0].unflatten(leaf_gradients)[0]
        result = Explanation(
            self.graph.name,
            values[self.output][()],
            gradient,
            nodes,
            edges,
            self.names[self.output],
        )
        result.n_parameters = sum(v.size for v in self.inputs)
        result.arguments = [self.names[v] for v in self.graph.inputs]
        for value in self.inputs:
            adjoint = np.ravel(adjoints.get(value, np.zeros(value.shape)))
            for index in range(value.size):
                result.derivatives[self._element(value, index)] = float(adjoint[index])
        self._differences(result)
        self._paths(result, values, jacobians, max_paths)
        return result

    # ---- numbers ------------------------------------------------------------------------------

    def _compute(self):
        """Values, adjoints and local derivatives, from one tape."""
        graph = self.graph
        everything = [v for node in self.live for v in node.outputs]
        graph.outputs = everything
        wanted = {}
        with open_graph("explain", LOCAL) as target:
            primals = [target.add_input(v.shape, v.dtype) for v in graph.inputs]
            sweep = ReverseSweep(graph, primals, [True] * len(primals))
            env = dict(zip(everything, sweep.outputs, strict=True))
            env.update(zip(graph.inputs, primals, strict=True))
            for value in everything:
                wanted["value", value] = env[value]
            seeds = [constant(1, v.dtype) if v is self.output else None for v in everything]
            totals = {}
            cotangents = sweep.pull(seeds, totals)
            totals.update(zip(graph.inputs, cotangents, strict=True))
            totals.setdefault(self.output, constant(1, self.output.dtype))
            for value, total in totals.items():
                if total is not None:
                    wanted["adjoint", value] = total
            shapes = self._record_jacobians(sweep, wanted)
            outputs = list(dict.fromkeys(wanted.values()))
            target.close(outputs)
        tape = Tape(container(lower(optimize(target))))
        results = dict(zip(outputs, tape.run(self.arrays), strict=True))
        values = {k: results[v] for (kind, k), v in wanted.items() if kind == "value"}
        adjoints = {k: results[v] for (kind, k), v in wanted.items() if kind == "adjoint"}
        jacobians = {}
        for edge, by_rows in shapes.items():
            jacobians[edge] = self._assemble(edge, by_rows, wanted, results)
        for value, array in zip(graph.inputs, self.arrays, strict=True):
            values[value] = array
        diagonals = {k: results[v] for (kind, k), v in wanted.items() if kind == "diagonal"}
        return values, adjoints, jacobians, diagonals

    def _record_jacobians(self, sweep, wanted):
        """Apply rules to unit vectors; tells per edge whether they give rows, columns or None."""
        live, budget, edges = set(self.live), _MOST_RULES, {}
        for node, operands, outputs, want, context in sweep.records:
            if node not in live:
                continue
            floating = [v for v in node.outputs if is_floating(v)]
            rows = sum(v.size for v in floating)
            by_rows = rows <= min(_MOST_ROWS, budget)
            for position, (source, needed) in enumerate(zip(node.operands, want, strict=True)):
                columns = source.size
                by_columns = not by_rows and columns <= min(_MOST_ROWS, budget)
                kind = "rows" if by_rows else "columns" if by_columns else None
                for target in floating:
                    if needed:
                        edges[source, target, position] = kind
                if needed and by_columns:
                    budget -= columns
                    self._record_columns(node, operands, outputs, position, wanted)
            if by_rows:
                budget -= rows
                self._record_rows(node, operands, outputs, want, context, wanted)
            elif isinstance(node.primitive, Elementwise):
                (target,) = outputs
                ones = mark_selective(filled(target.shape, 1, target.dtype))
                pulled = node.primitive.vjp([ones], operands, outputs, want, **node.attributes)
                for position, (source, part) in enumerate(zip(node.operands, pulled, strict=True)):
                    if part is not None and part.shape == target.shape:
                        wanted["diagonal", (source, node.outputs[0], position)] = part
        return edges

    def _record_rows(self, node, operands, outputs, want, context, wanted):
        extra = {} if context is None else {"context": context}
        for k, target in enumerate(node.outputs):
            if not is_floating(target):
                continue
            for row in range(target.size):
                seeds = [None] * len(outputs)
                seeds[k] = mark_selective(constant(_unit(target, row)))
                pulled = node.primitive.vjp(
                    seeds, operands, outputs, want, **node.attributes, **extra
                )
                for position, cotangent in enumerate(pulled):
                    if want[position] and cotangent is not None:
                        key = (node.operands[position], target, position, row)
                        wanted["row", key] = cotangent

    def _record_columns(self, node, operands, outputs, position, wanted):
        source = node.operands[position]
        for column in range(source.size):
            tangents = [None] * len(operands)
            tangents[position] = constant(_unit(source, column))
            pushed = node.primitive.jvp(tangents, operands, outputs, **node.attributes)
            for target, tangent in zip(node.outputs, pushed, strict=True):
                if tangent is not None:
                    wanted["column", (source, target, position, column)] = tangent

    @staticmethod
    def _assemble(edge, kind, wanted, results):
        source, target, _ = edge
        if kind is None:
            return None
        jacobian = np.zeros((target.size, source.size))
        for k in range(target.size if kind == "rows" else source.size):
            value = wanted.get((kind[:-1], (*edge, k)))
            if value is not None:
                part = results[value].ravel()
                if kind == "rows":
                    jacobian[k] = part
                else:
                    jacobian[:, k] = part
        return jacobian.reshape(target.shape + source.shape)

    def _differences(self, result):
        if result.n_parameters > _MOST_CHECKS:
            return
        signature, leaves = flatten(self.args)
        compiled = compile_function(self.fn)
        for number, leaf in enumerate(leaves):
            value = self.graph.inputs[self.traced.leaf_inputs[number]]
            if not is_floating(value):
                continue
            base = np.asarray(leaf, np.float64)
            for index in range(value.size):
                scale = max(1.0, abs(float(base.flat[index])))

                def moved(t, number=number, base=base, index=index):
                    array = base.copy()
                    array.flat[index] += t
                    changed = list(leaves)
                    changed[number] = array if array.ndim else float(array)
                    args, _ = signature.unflatten(changed)
                    return [np.asarray(compiled(*args), np.float64)]

                derivatives, _ = numerical_derivative(moved, 0.01 * scale)
                result.differences[self._element(value, index)] = float(derivatives[0])

    # ---- paths --------------------------------------------------------------------------------

    def _element(self, value, index):
        name = self.names[value]
        if value.shape == ():
            return name
        place = np.unravel_index(index, value.shape)
        return f"{name}[{', '.join(str(int(i)) for i in place)}]"

    def _paths(self, result, values, jacobians, max_paths):
        elements = sum(v.size for node in self.live for v in node.outputs)
        if elements > _MOST_ELEMENTS or any(j is None for j in jacobians.values()):
            return
        # Elements are pairs of numbers: values cannot be compared.
        order = {v: k for k, v in enumerate(values)}
        self.numbered = list(values)
        ahead = {}
        for (source, target, _), jacobian in jacobians.items():
            matrix = jacobian.reshape(target.size, source.size)
            single = matrix.size == 1
            for row, column in zip(*np.nonzero((matrix != 0) | single), strict=True):
                step = ((order[target], int(row)), float(matrix[row, column]))
                ahead.setdefault((order[source], int(column)), []).append(step)
        end = (order[self.output], 0)
        counts = {end: 1}
        for node in reversed(self.live):
            for value in node.outputs:
                for index in range(value.size):
                    at = (order[value], index)
                    if at != end:
                        counts[at] = sum(counts.get(to, 0) for to, _ in ahead.get(at, ()))
        left = max_paths
        for value in self.inputs:
            for index in range(value.size):
                start, name = (order[value], index), self._element(value, index)
                result.path_counts[name] = counts.get(start, 0)
                result.paths[name] = found = self._enumerate(start, end, ahead, counts, left)
                left -= len(found)

    def _enumerate(self, start, end, ahead, counts, limit):
        found, stack = [], [((start,), ())]
        while stack and len(found) < limit:
            passed, factors = stack.pop()
            at = passed[-1]
            if at == end:
                steps = tuple(self._element(self.numbered[k], i) for k, i in passed)
                # A branch not taken contributes nothing, whatever its other derivatives are.
                product = 0.0 if 0.0 in factors else float(np.prod(factors))
                found.append(Path(steps, factors, product))
                continue
            for to, factor in reversed(ahead.get(at, ())):
                if counts.get(to):
                    stack.append(((*passed, to), (*factors, factor)))
        return found


def _live_nodes(graph, output):
    """Inputs, and the nodes that the output depends on."""
    needed, live = {output}, []
    for node in reversed(graph.nodes):
        if node.primitive is INPUT or any(v in needed for v in node.outputs):
            needed.update(node.operands)
            live.append(node)
    return live[::-1]


def _unit(value, index):
    unit = np.zeros(value.shape, value.dtype)
    unit.reshape(-1)[index] = 1
    return unit
