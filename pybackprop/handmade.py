"""Graphs built by hand, node by node: ``bp.Graph()``.

A graph built by hand *stands*: while no function is being traced, operators and NumPy functions
on its values record into it (see :func:`pybackprop.graph.stand`), so no ``with`` block is needed.
It stays open; compiling takes a copy.
"""

import difflib
import inspect

import numpy as np

from . import api
from . import graph as graphs
from .errors import TraceError
from .graph import CONSTANT, INPUT, Value, current_graph, describe, open_graph, stand
from .numpy._common import as_value, check_dtype, common_dtype, is_number
from .primitives import find, names
from .primitives.elementwise import convert

__all__ = ["Graph"]


class Graph(graphs.Graph):
    """A graph built by hand.

    Parameters
    ----------
    name : str, optional

    Attributes
    ----------
    nodes : list of Node
        Inputs and constants included, in the order of computation; each has ``primitive``,
        ``operands``, ``attributes`` and ``outputs``.
    edges : list of tuple
        Operand links ``(producer Value, consumer Node, position)``.
    inputs, outputs : list of Value

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> g = bp.Graph()
    >>> x = g.input(name="x")
    >>> w = g.input(shape=(3,), name="w")
    >>> y = np.sum(np.tanh(w * x)) + g.apply("exp", x)
    >>> g.output(y)
    >>> print(g)
    graph graph(x: f64[], w: f64[3])
      %2 = multiply(w, x)  f64[3]
      %3 = tanh(%2)  f64[3]
      %4 = sum(%3, axes=(0,))  f64[]
      %5 = exp(x)  f64[]
      %6 = add(%4, %5)  f64[]
      return %6
    >>> f = g.compile()
    >>> f(0.0, np.ones(3))
    np.float64(1.0)
    >>> g.value_and_grad()(0.0, w=np.ones(3))
    (np.float64(1.0), np.float64(4.0))
    """

    stands = True

    def __init__(self, name="graph"):
        super().__init__(str(name), (), locate=True)
        stand(self)

    def __enter__(self):
        self.opened = open_graph(graph=self, close=False)
        return self.opened.__enter__()

    def __exit__(self, kind, error, traceback):
        return self.opened.__exit__(kind, error, traceback)

    # ---- building -----------------------------------------------------------------------------

    def input(self, shape=(), dtype=float, name=None):
        """Add an input.

        Parameters
        ----------
        shape : int or tuple of int
        dtype : dtype_like
        name : str, optional
            By which the compiled function takes it; ``x0``, ``x1`` ... by its number if not given.

        Returns
        -------
        Value
            Takes operators and NumPy functions.
        """
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        shape = tuple(int(n) for n in shape)
        if any(n < 0 for n in shape):
            raise ValueError(f"an extent must not be negative: {shape}")
        name = f"x{len(self.inputs)}" if name is None else name
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"the name of an input must be an identifier, which {name!r} is not")
        if name in self._input_names():
            raise ValueError(f"there is an input {name!r} already")
        stand(self)
        return self.add_input(shape, check_dtype(dtype, "input"), name=name)

    def constant(self, array, weak=None):
        """Add a constant; equal small ones are one node.

        Parameters
        ----------
        array : array_like
            Copied, unless it is read only.
        weak : bool, optional
            Whether its dtype gives way to that of other operands; for Python numbers only, if not
            given.

        Returns
        -------
        Value
        """
        if weak is None:
            weak = type(array) in (int, float)
        array = np.asarray(array)
        check_dtype(array.dtype, "constant")
        return super().constant(array, weak)

    def apply(self, primitive, *operands, **attributes):
        """Add a node by the name of its primitive.

        Parameters
        ----------
        primitive : str
            Such as ``"tanh"``.
        *operands : Value or array_like
            Numbers become constants of the dtype of the others.
        **attributes
            Static parameters of the primitive.

        Returns
        -------
        Value or tuple of Value

        Raises
        ------
        ValueError
            If there is no such primitive.
        TypeError
            If operands do not fit it.
        """
        found = find(primitive)
        if found is None:
            near = difflib.get_close_matches(str(primitive), names(), 3)
            advice = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"there is no primitive {primitive!r}{advice}")
        with self:
            numbers = [x for x in operands if is_number(x)]
            others = [
                x if isinstance(x, Value) else as_value(x) for x in operands if not is_number(x)
            ]
            dtype = common_dtype(*others, *numbers) if numbers else None
            others = iter(others)
            values = [as_value(x, dtype) if is_number(x) else next(others) for x in operands]
            return found(*values, **attributes)

    def output(self, *values):
        """Add outputs, in this order."""
        for value in values:
            with self:
                self.outputs.append(self.adopt(as_value(value)))

    def adopt(self, operand):
        """The value of this graph for an operand; see :meth:`pybackprop.graph.Graph.adopt`."""
        if isinstance(operand, Value):
            other = operand.node.graph
            if other is not self and operand.node.primitive is not CONSTANT and not other.closed:
                raise TraceError(
                    f"{operand!r} belongs to another graph, {other.name!r}, than {self.name!r}; "
                    "a node's operands must be of one graph. With several graphs by hand, build "
                    "in `with g:`"
                )
        return super().adopt(operand)

    def check(self):
        """Raise unless every node is well typed; see :meth:`pybackprop.graph.Graph.check`.

        Returns
        -------
        Graph
            This graph.

        Raises
        ------
        TraceError
            Naming the node that is wrong.
        """
        return super().check()

    # ---- using --------------------------------------------------------------------------------

    def _input_names(self):
        return [v.node.attributes["name"] for v in self.inputs]

    def compile(self, **options):
        """Compile the graph as it is now.

        Parameters
        ----------
        **options
            As for :func:`pybackprop.compile`.

        Returns
        -------
        Compiled
            Takes the inputs in their order, or by name; returns the output, or a tuple if there
            are several.
        """
        return api.compile(self._function(), **options)

    def value_and_grad(self, argnums=0, **options):
        """The only output and its gradient; see :func:`pybackprop.value_and_grad`."""
        return api.value_and_grad(self._function(), argnums, **options)

    def grad(self, argnums=0, **options):
        """The gradient of the only output; see :func:`pybackprop.grad`."""
        return api.grad(self._function(), argnums, **options)

    def _function(self):
        """A function that applies a copy of this graph."""
        if not self.outputs:
            raise ValueError(f"{self.name} has no output yet; name one with g.output(y)")
        copy = self._copy()
        names = self._input_names()
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])

        def run(*args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            operands = [
                _fit(given[name], like, name) for name, like in zip(names, copy.inputs, strict=True)
            ]
            from .differentiate import inline

            results = inline(copy, operands)
            return results[0] if len(results) == 1 else tuple(results)

        run.__name__ = run.__qualname__ = self.name
        run.__doc__ = f"The graph {self.name!r}, built by hand."
        run.__signature__ = signature
        return run

    def _copy(self):
        """A closed graph with the same nodes."""
        copy, env = graphs.Graph(self.name), {}
        for node in self.nodes:
            (first, *_) = node.outputs
            if node.primitive is INPUT:
                name = node.attributes["name"]
                env[first] = copy.add_input(first.shape, first.dtype, first.weak, name)
            elif node.primitive is CONSTANT:
                env[first] = copy.constant(node.attributes["value"], first.weak)
            else:
                copy.location = node.location
                outputs = copy.add(
                    node.primitive, tuple(env[v] for v in node.operands), node.attributes
                )
                env.update(zip(node.outputs, outputs, strict=True))
        return copy.close([env[v] for v in self.outputs])


def _fit(argument, like, name):
    """An argument as a value of the shape and dtype of an input."""
    value = current_graph().adopt(as_value(argument))
    if value.shape != like.shape:
        raise TypeError(f"{name} must be of shape {like.shape}, and is {describe(value)}")
    if value.dtype == like.dtype:
        return value
    weak = value.weak and like.dtype.kind == "f"
    if not weak and not np.can_cast(value.dtype, like.dtype, "safe"):
        raise TypeError(
            f"{name} must be {like.dtype.name}, and is {describe(value)}; convert it with astype"
        )
    return convert(value, dtype=like.dtype)
