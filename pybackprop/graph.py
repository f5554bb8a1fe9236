"""The static graph: immutable typed nodes, in an order in which they can be computed.

A :class:`Node` applies a primitive to operands under static attributes and has a tuple of outputs.
An output is a :class:`Value`: what users hold while a function is traced, and what nodes have as
operands; the edges of the graph are these operand links. A :class:`Graph` is a list of nodes
with inputs and outputs. Bodies of loops are closed graphs held as attributes.

Graphs are built by :func:`apply`, which records into the innermost open graph of the current
thread. Values of an enclosing open graph are captured as further inputs; values of a closed one
have leaked. NumPy's operators and protocols are put onto :class:`Value` by
:mod:`pybackprop.dispatch`.
"""

import dis
import os
import sys
import weakref
from _thread import _local

import numpy as np

from ._core import GraphBase, Node, ValueBase, apply, bodies, connect, has_complex
from .errors import LeakedValueError, TraceError

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_SHORT = {
    "bool": "bool", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16",
    "int32": "i32", "uint32": "u32", "int64": "i64", "uint64": "u64",
    "float32": "f32", "float64": "f64", "complex64": "c64", "complex128": "c128",
}  # fmt: skip


# Constants up to this many bytes are recognised by their content, larger ones by identity.
_MOST_COMPARED = 1 << 20


class Value(ValueBase):
    """One output of a node: an array of known shape and dtype whose numbers come later.

    Attributes
    ----------
    node : Node
        The node that makes it.
    index : int
        Which of the node's outputs it is.
    shape : tuple of int
    dtype : numpy.dtype
    weak : bool
        Whether it stands for a Python number, whose dtype gives way in promotion (NEP 50).
    """

    __slots__ = ()

    def __repr__(self):
        return f"<{describe(self)} traced by pybackprop>"


class Graph(GraphBase):
    """Nodes in an order of computation, with inputs and outputs.

    Users build one by hand through ``bp.Graph()`` (see :mod:`pybackprop.handmade`); tracing and the
    transformations build theirs with :func:`open_graph`.

    Attributes
    ----------
    name : str
    nodes : list of Node
        Constants and inputs included.
    inputs, outputs : list of Value
    reverse_start : int or None
        Number of the first node of the reverse sweep, in a graph that has one.
    stands : bool
        Whether nodes are recorded into it while no graph is open, see :func:`stand`.
    handles : bool
        Whether it gives out handles of nodes' outputs, see :mod:`pybackprop.mutation`.
    """

    stands = False

    def __init__(self, name="graph", rewrites=(), locate=False):
        self.name = name
        self.nodes = []
        self.inputs = []
        self.outputs = []
        self.reverse_start = None
        self.captured = {}
        self.rewrites = rewrites
        self.locate = locate
        self.location = None
        self.closed = False
        self.refusal = None
        self.table = {}
        self.memory = {}

    # ---- building -----------------------------------------------------------------------------

    def add_input(self, shape, dtype, weak=False, name=None):
        """Append an input and return its value."""
        attributes = {"position": len(self.inputs), "name": name}
        node = Node(INPUT, (), attributes, self, self.location)
        value = Value(node, 0, tuple(shape), np.dtype(dtype), weak)
        node.outputs = (value,)
        self.nodes.append(node)
        self.inputs.append(value)
        return value

    def constant(self, array, weak=False):
        """The value of a constant; equal small constants are one node."""
        array = np.asarray(array)
        small = array.size <= 16
        if array.nbytes <= _MOST_COMPARED:
            key = (array.dtype, array.shape, array.tobytes(), weak)
        else:
            key = ("id", id(array))
        known = self.memory.get(key)
        if known is not None:
            return known[0]
        if small or array.flags.writeable:
            # Frozen here: a later change of the caller's array must not change results.
            frozen = np.array(array, order="C")
        else:
            frozen = np.ascontiguousarray(array).reshape(array.shape)
        frozen.flags.writeable = False
        if frozen.dtype.byteorder not in "=|":
            frozen = frozen.astype(frozen.dtype.newbyteorder("="))
        node = Node(CONSTANT, (), {"value": frozen}, self, None)
        value = Value(node, 0, frozen.shape, frozen.dtype, weak)
        node.outputs = (value,)
        self.nodes.append(node)
        # The array is kept as well: as long as it lives, no other has its id.
        self.memory[key] = (value, array)
        return value

    def adopt(self, operand):
        """The value of this graph that stands for ``operand``.

        That is a value of this or an enclosing graph, or anything that NumPy makes an array of.
        """
        if isinstance(operand, Value):
            graph = operand.node.graph
            if graph is self:
                return operand
            weak = operand.weak
            if graph.handles and not graph.closed:
                operand = graph.current(operand)
            inner = self.captured.get(operand)
            if inner is not None:
                return inner
            if operand.node.primitive is CONSTANT:
                return self.constant(operand.node.attributes["value"], weak)
            if graph.closed:
                raise leaked(operand)
            inner = self.add_input(operand.shape, operand.dtype, weak)
            self.captured[operand] = inner
            return inner
        return self.constant(operand)

    def close(self, outputs):
        """Set the outputs and refuse any further node."""
        self.outputs = [self.adopt(output) for output in outputs]
        self.closed = True
        self.table = {}
        self.memory = {}
        return self

    # ---- looking ------------------------------------------------------------------------------

    @property
    def edges(self):
        """All operand links, as ``(producer Value, consumer Node, position)``."""
        return [
            (operand, node, position)
            for node in self.nodes
            for position, operand in enumerate(node.operands)
        ]

    def names(self):
        """A short printable name for every value."""
        names = {}
        for node in self.nodes:
            for value in node.outputs:
                if node.primitive is INPUT:
                    names[value] = node.attributes["name"] or f"x{node.attributes['position']}"
                elif node.primitive is CONSTANT and value.size == 1:
                    names[value] = repr(node.attributes["value"].item())
                else:
                    names[value] = f"%{len(names)}"
        return names

    def __str__(self):
        names = self.names()
        head = ", ".join(f"{names[v]}: {describe(v)}" for v in self.inputs)
        lines = [f"graph {self.name}({head})"]
        for number, node in enumerate(self.nodes):
            if number == self.reverse_start:
                lines.append("  # reverse sweep")
            if node.primitive is INPUT or (
                node.primitive is CONSTANT and node.outputs[0].size == 1
            ):
                continue
            left = ", ".join(names[v] for v in node.outputs)
            arguments = [names[v] for v in node.operands]
            inner = []
            for key, attribute in node.attributes.items():
                if isinstance(attribute, Graph):
                    inner.append(attribute)
                else:
                    shown = describe(node.outputs[0]) if key == "value" else repr(attribute)
                    arguments.append(f"{key}={shown}")
            kinds = ", ".join(map(describe, node.outputs))
            lines.append(f"  {left} = {node.primitive.name}({', '.join(arguments)})  {kinds}")
            for body in inner:
                lines.extend("    | " + line for line in str(body).splitlines())
        lines.append(f"  return {', '.join(names[v] for v in self.outputs)}")
        return "\n".join(lines)

    def __repr__(self):
        return f"<Graph {self.name}: {len(self.inputs)} inputs, {len(self.nodes)} nodes>"

    def check(self):
        """Raise unless every node is well typed and uses only values computed before it.

        Returns
        -------
        Graph
            This graph.

        Raises
        ------
        TraceError
            Naming the node that is wrong.
        """
        seen = set()
        for node in self.nodes:
            for operand in node.operands:
                if operand not in seen:
                    raise TraceError(f"{node!r} uses a value that is not computed before it")
            if node.primitive is not INPUT and node.primitive is not CONSTANT:
                inferred = node.primitive.infer(*node.operands, **node.attributes)
                if not node.primitive.multiple:
                    inferred = [inferred]
                found = [(v.shape, v.dtype) for v in node.outputs]
                if [(tuple(s), np.dtype(d)) for s, d in inferred] != found:
                    raise TraceError(f"{node!r} should have outputs {inferred}")
            for body in bodies([node]):
                body.check()
            seen.update(node.outputs)
        for output in self.outputs:
            if output not in seen:
                raise TraceError(f"output {output!r} is not computed in this graph")
        return self


class Leaf:
    """Stands in for a primitive in the nodes of inputs and constants."""

    multiple = False

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name

    def __reduce__(self):
        return (_leaf, (self.name,))


INPUT = Leaf("input")
CONSTANT = Leaf("constant")


def _leaf(name):
    return INPUT if name == "input" else CONSTANT


# ---- the stack of open graphs -------------------------------------------------------------------


# threading.local, without the millisecond that importing threading takes.
class _Stack(_local):
    graph = None
    root = None  # the outermost trace that runs, see mutation.Root

    def __init__(self):
        self.graphs = []
        self.standing = []  # weak references to graphs built by hand, the one used last at the end


_stack = _Stack()


class open_graph:
    """Open a graph for building in a ``with`` block; :func:`apply` records into the innermost.

    Parameters
    ----------
    name : str
    rewrites : tuple of callables
        Local passes that every new node is offered to, see :mod:`pybackprop.passes`.
    locate : bool
        Whether to note the user's line for every node.
    graph : Graph, optional
        A graph to go on with.
    close : bool
        Whether the graph is complete at the end of the block.
    """

    def __init__(self, name="graph", rewrites=(), locate=False, graph=None, close=True):
        if graph is None:
            root = _stack.root
            if locate and root is not None and root.mutable:
                from .mutation import MutableGraph

                graph = MutableGraph(name, (), locate)
            else:
                graph = Graph(name, rewrites, locate)
        self.graph = graph
        self.close = close

    def __enter__(self):
        _stack.graphs.append(self.graph)
        _stack.graph = self.graph
        return self.graph

    def __exit__(self, kind, error, traceback):
        _stack.graphs.pop()
        _stack.graph = _stack.graphs[-1] if _stack.graphs else None
        if self.close:
            self.graph.closed = True
        return False


def current_graph():
    """The innermost open graph of this thread, or else the standing one, or None."""
    graph = _stack.graph
    if graph is None:
        standing = _stack.standing
        while standing:
            graph = standing[-1]()
            if graph is not None and not graph.closed:
                return graph
            standing.pop()
        return None
    return graph


def recording():
    """Whether a graph is open in this thread; one that only stands does not count."""
    return _stack.graph is not None


def stand(graph):
    """Make a graph the one that :func:`apply` records into while none is open.

    Graphs built by hand stand, so that operators work on their values with no ``with`` block. Of
    several, each gets the nodes whose operands are its own. They stand in the thread that made or
    used them last.
    """
    standing = _stack.standing
    if not standing or standing[-1]() is not graph:
        standing[:] = [other for other in standing if other() is not graph]
        standing.append(weakref.ref(graph))


def _standing_of(primitive, operands):
    """The standing graph that operands belong to."""
    values = [operand for operand in operands if isinstance(operand, Value)]
    values.sort(key=lambda value: value.node.primitive is CONSTANT)
    for value in values:
        graph = value.node.graph
        if graph.stands and not graph.closed:
            stand(graph)
            return graph
    if values:
        raise leaked(values[0])
    graph = current_graph()
    if graph is None:
        raise TraceError(f"{primitive.name} needs an open graph")
    return graph


def leaked(value):
    """The error for a value whose graph is no longer being built."""
    return LeakedValueError(
        f"{value!r}, made at {describe_location(value.node.location)}, was used outside of the "
        "function that made it; return it from the function instead of storing it"
    )


# ---- small helpers ------------------------------------------------------------------------------


def element_count(shape):
    """Number of elements of a shape, as a Python integer that cannot overflow."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def describe(value):
    """Dtype and shape, such as ``f64[3,4]``."""
    return f"{_SHORT.get(value.dtype.name, value.dtype.name)}[{','.join(map(str, value.shape))}]"


def find_location():
    """The innermost frame outside of this package: ``(code, last instruction)``."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if not name.startswith(_PACKAGE):
            if not name.startswith("<") and (os.sep + "numpy" + os.sep) in name:
                frame = frame.f_back
                continue
            return (code, frame.f_lasti)
        frame = frame.f_back
    return None


def describe_location(location):
    """A location as ``file:line``."""
    if location is None:
        return "an unknown place"
    code, instruction = location
    if isinstance(code, str):
        return f"{code}:{instruction}"
    line = code.co_firstlineno
    for start, number in dis.findlinestarts(code):
        if start > instruction:
            break
        if number is not None:
            line = number
    return f"{code.co_filename}:{line}"


connect(Value, _stack, _standing_of, find_location, (INPUT, CONSTANT))

__all__ = [
    "CONSTANT", "INPUT", "Graph", "Leaf", "Node", "Value", "apply", "current_graph", "describe",
    "describe_location", "element_count", "find_location", "has_complex", "leaked", "open_graph",
    "recording", "stand",
]  # fmt: skip
