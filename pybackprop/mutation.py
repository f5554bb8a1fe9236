"""Assignment into traced arrays: arrays that users hold and change, over nodes that never change.

A function that assigns into an array of its own is traced a second time, into a
:class:`MutableGraph`. There, what the user holds is a *handle*: a :class:`.graph.Value` that is no
output of a node itself but says which output it stands for at the moment. Every operation gives out
a new handle, so that two arrays are two handles even where equal nodes are one; operands are looked
up when a node is recorded. Assigning computes the new contents and lets the handle stand for them.

What NumPy makes a view of another array is a handle that remembers its source and the rearranging
primitive in between (reshape, transpose, slice, flip, broadcast, real and imaginary part). When the
source has changed it is computed anew; an assignment through it goes the other way, into the
source. Functions that do not assign never come here and pay nothing.
"""

import numpy as np

from ._core import rebind
from .errors import TraceError
from .graph import CONSTANT, INPUT, Graph, Value, _stack, leaked
from .passes import assigned
from .primitives import elementwise as ew
from .primitives import shaping

__all__ = [
    "MutableGraph", "Retrace", "Root", "is_array", "note_array", "separate", "settle",
    "writable_graph",
]  # fmt: skip


class Retrace(BaseException):
    """Stops the trace of a function that assigns; the trace begins again in a mutable graph.

    No ``Exception``, so that the traced function does not catch it by mistake.
    """

    def __init__(self, root):
        super().__init__("a traced function assigns into an array")
        self.root = root


class Root:
    """One outermost trace in this thread, in a ``with`` block; those within may be nested.

    Attributes
    ----------
    mutable : bool
        Whether graphs of user code are mutable ones.
    wanted : bool
        Whether an assignment has asked for that.
    """

    def __init__(self, mutable=False):
        self.mutable = mutable
        self.wanted = False

    def __enter__(self):
        self.outer = _stack.root
        _stack.root = self
        return self

    def __exit__(self, kind, error, traceback):
        _stack.root = self.outer
        return False


class View:
    """How a handle follows from another one.

    Attributes
    ----------
    source : Value
        The handle that it is a view of.
    seen : Value
        What the source stood for when the view was computed last.
    primitive, attributes
        What makes the view of the source.
    version : int
        The graph's version up to which ``seen`` is known to be right.
    """

    __slots__ = ("attributes", "primitive", "seen", "source", "version")

    def __init__(self, source, seen, primitive, attributes, version):
        self.source = source
        self.seen = seen
        self.primitive = primitive
        self.attributes = attributes
        self.version = version


class MutableGraph(Graph):
    """A graph under trace that gives out handles.

    Attributes
    ----------
    views : dict of Value to View
        The handles that are views.
    protected : dict of Value to str
        Handles that cannot be assigned to, and why.
    zero_dimensional : set of Value
        Handles of 0-d arrays, which ``+=`` changes; other 0-d handles are NumPy's scalars.
    viewing : bool
        Whether rearranging primitives make views now; see :func:`pybackprop.numpy._assign.entry`.
    version : int
        Counts assignments.
    """

    def __init__(self, name="graph", rewrites=(), locate=False):
        super().__init__(name, rewrites, locate)
        self.handles = True
        self.views = {}
        self.protected = {}
        self.zero_dimensional = set()
        self.viewing = False
        self.version = 0

    # ---- handles --------------------------------------------------------------------------------

    def handle(self, canonical, weak=None):
        """A new handle that stands for an output of a node."""
        weak = canonical.weak if weak is None else weak
        return Value(canonical.node, canonical.index, canonical.shape, canonical.dtype, weak)

    def current(self, handle):
        """The output that a handle of this graph stands for."""
        view = self.views.get(handle)
        if view is not None and view.version != self.version:
            self._refresh(handle, view)
        return handle.node.outputs[handle.index]

    def _refresh(self, handle, view):
        chain = []
        while view is not None and view.version != self.version:
            chain.append((handle, view))
            handle = view.source
            view = self.views.get(handle)
        for handle, view in reversed(chain):
            source = view.source.node.outputs[view.source.index]
            if source is not view.seen:
                (fresh,) = self._make(view.primitive, (source,), view.attributes)
                rebind(handle, fresh)
                view.seen = source
            view.version = self.version

    # ---- building -------------------------------------------------------------------------------

    def record(self, primitive, operands, attributes):
        """Add a node; see :func:`.graph.apply`."""
        operands = [
            x if isinstance(x, Value) and x.node.graph is self else self.adopt(x) for x in operands
        ]
        current = tuple(map(self.current, operands))
        outputs = self._make(primitive, current, attributes)
        if primitive.multiple:
            return tuple(map(self.handle, outputs))
        result = self.handle(outputs[0])
        if self.viewing and primitive in _VIEWS:
            source = operands[0]
            if primitive is not shaping.reshape or reshapes_in_place(self, source, result.shape):
                self.views[result] = View(source, current[0], primitive, attributes, self.version)
        return result

    def _make(self, primitive, operands, attributes):
        """Outputs of a new node; of what was assigned, what is read is known."""
        if primitive is shaping.slice_:
            if operands[0].node.primitive is shaping.slice_set:
                source, bounds = assigned.read(self, operands[0], **attributes)
                if bounds is None:
                    return (source,)
                attributes = dict(zip(("starts", "stops", "steps"), bounds, strict=True))
                operands = (source,)
        elif primitive is shaping.slice_set:
            simpler = assigned.write(*operands, attributes)
            if simpler is not None:
                return (simpler,)
        return self.add(primitive, operands, attributes)

    def constant(self, array, weak=False):
        """A handle of a constant."""
        return self.handle(super().constant(array, weak))

    def add_input(self, shape, dtype, weak=False, name=None):
        """Append an input and return a handle of it."""
        return self.handle(super().add_input(shape, dtype, weak, name))

    def adopt(self, operand):
        """A new handle of this graph for what ``operand`` stands for now."""
        if not isinstance(operand, Value):
            return self.constant(operand)
        graph = operand.node.graph
        if graph is self:
            return self.handle(self.current(operand), operand.weak)
        if operand.node.primitive is CONSTANT:
            return self.constant(operand.node.attributes["value"], operand.weak)
        if graph.closed:
            raise leaked(operand)
        outer = graph.current(operand) if graph.handles else operand
        inner = self.captured.get(outer)
        if inner is None:
            inner = super().add_input(outer.shape, outer.dtype, operand.weak)
            self.captured[outer] = inner
        result = self.handle(inner, operand.weak)
        self.protected[result] = CAPTURED
        return result

    def close(self, outputs):
        """Set the outputs and refuse any further node."""
        self.outputs = [self.current(self.adopt(output)) for output in outputs]
        needed = set(self.outputs)
        for node in reversed(self.nodes):
            if any(v in needed for v in node.outputs):
                needed.update(node.operands)
        kept = []
        for number, node in enumerate(self.nodes):
            if number == self.reverse_start:
                self.reverse_start = len(kept)
            if node.primitive is INPUT or any(v in needed for v in node.outputs):
                kept.append(node)
        self.nodes = kept
        self.closed = True
        self.table = {}
        self.memory = {}
        self.views = {}
        return self

    # ---- assigning ------------------------------------------------------------------------------

    def assign(self, handle, contents):
        """Let a handle, and what it is a view of, have new contents of its shape and dtype.

        Raises
        ------
        ValueError
            If the array is read-only, as a broadcast one is.
        TraceError
            If it belongs to a function around the one that is traced.
        """
        self.current(handle)
        new = self.current(contents)
        pending = []
        while True:
            reason = self.protected.get(handle)
            if reason is not None:
                raise TraceError(reason) if reason is CAPTURED else ValueError(reason)
            view = self.views.get(handle)
            if view is None:
                break
            if view.primitive is shaping.broadcast_to:
                raise ValueError(READ_ONLY)
            pending.append(view)
            handle = view.source
        for view in pending:
            new = self._behind(view, new)
        rebind(handle, new)
        self.version += 1

    def _behind(self, view, new):
        """What the source of a view holds once the view holds ``new``."""
        primitive, attributes = view.primitive, view.attributes
        old = self.current(view.source)
        if primitive is shaping.reshape:
            return self.add(primitive, (new,), {"shape": old.shape})[0]
        if primitive is shaping.transpose:
            axes = shaping.inverse_permutation(attributes["axes"])
            return self.add(primitive, (new,), {"axes": axes})[0]
        if primitive is shaping.flip:
            return self.add(primitive, (new,), attributes)[0]
        if primitive in (ew.real, ew.imag):
            kept = self.add(ew.imag if primitive is ew.real else ew.real, (old,), {})[0]
            parts = (new, kept) if primitive is ew.real else (kept, new)
            return self.add(ew.make_complex, parts, {})[0]
        return self._make(shaping.slice_set, (old, new), attributes)[0]


_VIEWS = (
    shaping.reshape, shaping.transpose, shaping.slice_, shaping.flip, shaping.broadcast_to,
    ew.real, ew.imag,
)  # fmt: skip
READ_ONLY = "assignment destination is read-only"
CAPTURED = (
    "an array of the enclosing function cannot be assigned into from a function that is "
    "transformed within it (scan, vmap, grad ...): pass it as an argument (for scan: in the carry) "
    "and return it, or assign into a copy"
)


# ---- which reshapes are views -------------------------------------------------------------------


def layout(graph, handle):
    """An array without memory of its own that has the strides NumPy would give the handle.

    What is no view counts as contiguous in C order. The elements must not be looked at.
    """
    chain = []
    view = graph.views.get(handle)
    while view is not None:
        chain.append(view)
        handle = view.source
        view = graph.views.get(handle)
    strides, step = [], 1
    for extent in reversed(handle.shape):
        strides.append(step)
        step *= max(extent, 1)
    array = np.lib.stride_tricks.as_strided(
        np.empty(1, np.int8), handle.shape, tuple(reversed(strides))
    )
    for view in reversed(chain):
        attributes = view.attributes
        if view.primitive is shaping.reshape:
            array = _reshaped(array, attributes["shape"])
        elif view.primitive is shaping.transpose:
            array = array.transpose(attributes["axes"])
        elif view.primitive is shaping.flip:
            array = np.flip(array, attributes["axes"])
        elif view.primitive is shaping.broadcast_to:
            array = np.broadcast_to(array, attributes["shape"])
        elif view.primitive in (ew.real, ew.imag):
            twice = tuple(2 * stride for stride in array.strides)
            array = np.lib.stride_tricks.as_strided(array, array.shape, twice)
        else:
            bounds = (attributes[name] for name in ("starts", "stops", "steps"))
            array = array[tuple(map(slice, *bounds))]
    return array


def _reshaped(array, shape):
    """A view of another shape, or None where NumPy would have to copy."""
    if hasattr(np, "from_dlpack") and np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        try:
            return np.reshape(array, shape, copy=False)
        except ValueError:
            return None
    result = array.view()
    try:
        result.shape = shape
    except AttributeError:
        return None
    return result


def reshapes_in_place(graph, handle, shape):
    """Whether NumPy's reshape of what the handle stands for is a view."""
    return graph.views.get(handle) is None or _reshaped(layout(graph, handle), shape) is not None


# ---- what the surface asks ----------------------------------------------------------------------


def separate(value):
    """A handle of its own for an array that NumPy would have copied."""
    graph = value.node.graph
    if not graph.handles or graph.closed:
        return value
    return graph.handle(graph.current(value), value.weak)


def note_array(value):
    """Note that a 0-d value is an array of NumPy's, which ``+=`` changes, and no scalar."""
    if not value.shape:
        graph = value.node.graph
        if graph.handles:
            graph.zero_dimensional.add(value)
        else:
            graph.table.setdefault("zero_dimensional", set()).add(value)
    return value


def is_array(value):
    """Whether ``+=`` changes the array instead of giving the name to a new one."""
    if value.shape:
        return True
    graph = value.node.graph
    if graph.handles:
        return value in graph.zero_dimensional or value in graph.views
    noted = graph.table.get("zero_dimensional")
    return noted is not None and value in noted


def writable_graph(value, doing):
    """The mutable graph that an array can be assigned in; begins the trace anew to get one.

    Parameters
    ----------
    value : Value
        The array that is assigned to.
    doing : str
        Names the place, for errors.
    """
    graph, root = value.node.graph, _stack.root
    if graph.closed:
        raise leaked(value)
    if graph is not _stack.graph:
        if graph.stands or root is None:
            raise TraceError(
                f"{doing()}: values of a graph built by hand cannot be assigned into; use "
                "x = x.at[i].set(v), and x = x + v for x += v"
            )
        raise TraceError(f"{doing()}: {CAPTURED}")
    if graph.handles:
        return graph
    if root is None or graph.stands or not graph.locate:
        raise TraceError(f"{doing()}: arrays can be assigned into within a traced function only")
    root.wanted = True
    raise Retrace(root)


def settle(graph, rewrites):
    """A closed mutable graph as a plain one, with local rewrites applied.

    Returns
    -------
    Graph
    """
    result = Graph(graph.name, rewrites, locate=True)
    env = {}
    boundary = graph.reverse_start
    _stack.graphs.append(result)
    outer, _stack.graph = _stack.graph, result
    try:
        for number, node in enumerate(graph.nodes):
            if number == boundary:
                result.reverse_start = len(result.nodes)
            result.location = node.location
            if node.primitive is INPUT:
                value = node.outputs[0]
                env[value] = result.add_input(
                    value.shape, value.dtype, value.weak, node.attributes["name"]
                )
            elif node.primitive is CONSTANT:
                value = node.outputs[0]
                env[value] = result.constant(node.attributes["value"], value.weak)
            else:
                made = node.primitive(*[env[o] for o in node.operands], **node.attributes)
                made = made if node.primitive.multiple else (made,)
                env.update(zip(node.outputs, made, strict=True))
        result.location = None
        result.close([env[v] for v in graph.outputs])
    finally:
        _stack.graphs.pop()
        _stack.graph = outer
    return result
