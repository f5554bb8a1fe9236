"""Tracing: a Python function run once on values instead of numbers leaves a graph.

:func:`trace` is the way in for the compiler; :func:`trace_inner` for transformations that meet a
function inside another traced function: it traces it into a graph of its own, in which values of
the outer graph appear as captured inputs, so that differentiating the inner function never
confuses its variables with the outer ones.
"""

import numpy as np

from ._core import flatten, flatten_tree
from .errors import CapturedValueError, TraceError
from .graph import Value, describe_location, open_graph
from .mutation import Retrace, Root, note_array, separate, settle


class Traced:
    """A function traced into a closed graph.

    Attributes
    ----------
    graph : Graph
        Inputs: the traced leaves in order, then captured values.
    operands : list
        For an inner function: what its inputs stand for in the enclosing graph.
    leaf_inputs : list of int
        Per leaf of the arguments, the number of the graph's input, or -1.
    out_tree : Tree
    out_kinds : list
        Per leaf of the result ``("value", k)`` for output k, or ``("constant", object)``.
    """

    def __init__(self, graph, operands, leaf_inputs, out_tree, out_kinds):
        self.graph = graph
        self.operands = operands
        self.leaf_inputs = leaf_inputs
        self.out_tree = out_tree
        self.out_kinds = out_kinds

    def rebuild(self, values):
        """The function's result with ``values`` for the graph's outputs."""
        values = [separate(v) if isinstance(v, Value) else v for v in values]
        return self.out_tree.unflatten(
            [values[x] if kind == "value" else x for kind, x in self.out_kinds]
        )


def trace(function, signature, rewrites=(), name=None):
    """Trace a function for a signature of its arguments.

    Parameters
    ----------
    function : callable
    signature : Signature
    rewrites : tuple
        Local passes for the graph.
    name : str, optional

    Returns
    -------
    Traced

    Raises
    ------
    TraceError
        Or another exception that names the user's line, if the function does what a static graph
        cannot record.

    Notes
    -----
    A function that assigns into its arrays is called a second time, see :mod:`.mutation`.
    """
    name = name or getattr(function, "__name__", "function")
    with Root() as root:
        try:
            traced = _trace(function, signature, rewrites, name)
        except Retrace as request:
            if request.root is not root:
                raise
        if not root.wanted:
            return traced
    with Root(mutable=True):
        traced = _trace(function, signature, (), name)
        traced.graph = settle(traced.graph, rewrites)
    return traced


def _trace(function, signature, rewrites, name):
    with open_graph(name, rewrites, locate=True) as graph:
        leaves, leaf_inputs = [], []
        for number, (kind, dtype, shape) in enumerate(signature.leaves):
            if kind == "object" or dtype is None:
                raise TraceError(
                    f"{name} was called with an argument that is no array, number or container of "
                    f"these (leaf {number}); mark it static with static_argnums"
                )
            leaf_inputs.append(len(graph.inputs))
            leaf = graph.add_input(shape, dtype, weak=kind in ("float", "int", "complex"))
            if kind == "array" and not shape:
                note_array(leaf)
            leaves.append(leaf)
        _name_inputs(function, signature, leaves)
        args, kwargs = signature.unflatten(leaves)
        out_tree, out_kinds, outputs = _run(function, args, kwargs, graph)
        graph.close(outputs)
    _refuse_captured(graph)
    return Traced(graph, None, leaf_inputs, out_tree, out_kinds)


def trace_inner(
    function, args, kwargs, lift=lambda number, leaf: isinstance(leaf, Value), shapes=None
):
    """Trace a function into a graph of its own, inside another graph.

    Parameters
    ----------
    function : callable
    args, kwargs
        Arguments; leaves may be values of the enclosing graph, arrays and numbers.
    lift : callable
        ``lift(number, leaf)`` tells which leaves become inputs; others are constants of the inner
        graph.
    shapes : callable, optional
        ``shapes(number, value)`` gives the shape that the function sees, for vectorisation.

    Returns
    -------
    Traced
    """
    signature, leaves = flatten(args, kwargs)
    leaves = [as_traceable(leaf) for leaf in leaves]
    name = getattr(function, "__name__", "function")
    with open_graph(name, (), locate=True) as graph:
        operands, seen, leaf_inputs = [], [], []
        for number, leaf in enumerate(leaves):
            if not lift(number, leaf):
                leaf_inputs.append(-1)
                seen.append(leaf)
                continue
            value = leaf if isinstance(leaf, Value) else _Aval(leaf)
            shape = value.shape if shapes is None else shapes(number, value)
            leaf_inputs.append(len(operands))
            operands.append(leaf)
            seen.append(graph.add_input(shape, value.dtype, value.weak))
        inner_args, inner_kwargs = signature.unflatten(seen)
        out_tree, out_kinds, outputs = _run(function, inner_args, inner_kwargs, graph)
        graph.close(outputs)
    operands += list(graph.captured)
    return Traced(graph, operands, leaf_inputs, out_tree, out_kinds)


class _Aval:
    """Shape and dtype of a plain leaf."""

    def __init__(self, leaf):
        array = np.asarray(leaf)
        self.shape, self.dtype = array.shape, array.dtype
        self.weak = type(leaf) in (int, float, complex)


def as_traceable(leaf):
    """A leaf as tracing wants it: object arrays of values become one value."""
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        from .numpy import as_value

        return as_value(leaf)
    return leaf


def contains_value(leaves):
    """Whether any leaf is traced."""
    for leaf in leaves:
        if isinstance(leaf, Value):
            return True
        if isinstance(leaf, np.ndarray) and leaf.dtype == object:
            if any(isinstance(x, Value) for x in leaf.flat):
                return True
    return False


def _run(function, args, kwargs, graph):
    """Call the user's function; returns structure and values of what it returned."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        if graph.refusal is not None and error is not graph.refusal:
            raise graph.refusal from error
        raise
    out_tree, leaves = flatten_tree(result)
    out_kinds, outputs = [], []
    for leaf in leaves:
        leaf = as_traceable(leaf)
        if isinstance(leaf, (Value, np.ndarray, np.generic)):
            out_kinds.append(("value", len(outputs)))
            outputs.append(leaf)
        else:
            out_kinds.append(("constant", leaf))
    return out_tree, out_kinds, outputs


def _name_inputs(function, signature, leaves):
    """Give inputs the names of the parameters, for printing."""
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:
        return
    names = code.co_varnames[: code.co_argcount]
    try:
        args, _ = signature.unflatten(leaves)
    except Exception:  # printing must not stop a compilation
        return
    for name, argument in zip(names, args, strict=False):
        if isinstance(argument, Value):
            argument.node.attributes["name"] = name


def _refuse_captured(graph):
    for value in graph.captured:
        raise CapturedValueError(
            f"{graph.name} uses a traced value of another function, made at "
            f"{describe_location(value.node.location)}; pass it as an argument"
        )
