"""Planning before instructions are emitted: what goes straight where, and what melts into what.

A :class:`Slot` stands for the storage of a value that several producers fill: an ``accumulate``
node's sum, or the parts of a ``concatenate`` or ``pad``. A :class:`Target` tells a producer that
its result belongs into (a view of) a slot. Contributions that come as views, or from producers
that others read as well, are added when the owner is reached.
"""

from .._core import Slot, Target, find_uses
from ..primitives import elementwise as e
from ..primitives import indexing, linalg, reduction, shaping

VIEWS = (shaping.reshape, shaping.transpose, shaping.broadcast_to, shaping.slice_, shaping.flip)
_ALIASES = (*VIEWS, e.stop_gradient, e.as_parts)
_MAPS = (e.Elementwise, e.Comparison, e.Bits, e.Select, e.Convert)
_DIRECT = {
    reduction.sum_,
    linalg.matmul,
    linalg.sparse_matmul,
    linalg.weighted_sparse_matmul,
    indexing.scatter_add,
    shaping.pad,
}


class Scope:
    """The plan of one graph: the top one, or the body of a loop.

    Attributes
    ----------
    graph : Graph
    kept : frozenset of Value
        The outputs, which are read after the last node.
    consumers : dict of Value to list of Node
    number : dict of Node to int
    targets : dict of Value to Target
    slots : dict of Value to Slot
    fused : dict of Value to Node
        Products computed inside their consumer.
    """

    def __init__(self, graph, fixed=None):
        self.graph = graph
        self.kept = frozenset(graph.outputs)
        self.consumers, self.number = find_uses(graph.nodes)
        self.targets = dict(fixed or {})
        self.slots = {}
        self.fused = {}
        for node in reversed(graph.nodes):
            plan = _PLANS.get(node.primitive)
            if plan is not None:
                plan(self, node)

    def single(self, value):
        """Whether one operand of one node is the only use."""
        return value not in self.kept and len(self.consumers[value]) == 1

    def _fuse_product(self, node):
        (out,) = node.outputs
        if out.dtype.kind != "f" or out in self.fused:
            return
        for operand in (node.operands[1], node.operands[0]):
            if self._fusible(operand, out.shape):
                self.fused[operand] = node
                return

    def _fuse_negated(self, node):
        (operand,), (out,) = node.operands, node.outputs
        if out.dtype.kind == "f" and out not in self.fused:
            if self._fusible(operand, out.shape):
                self.fused[operand] = node

    def _fuse_dot(self, node):
        (operand,) = node.operands
        if (
            operand.dtype.kind == "f"
            and operand.size != 1
            and self._fusible(operand, operand.shape)
        ):
            groups = reduced_groups(operand.shape, node.attributes["axes"])
            if groups in ("R", "KR", "RK", "KRK"):
                self.fused[operand] = node

    def _fusible(self, value, shape):
        return (
            value.node.primitive in (e.multiply, e.square)
            and self.single(value)
            and value not in self.targets
            and value.shape == shape
        )

    def _plan_sum(self, node):
        (out,) = node.outputs
        slot = self.slots[out] = Slot(out, summing=True)
        for operand in node.operands:
            if self.single(operand) and operand not in self.targets and self._direct(operand):
                self.targets[operand] = Target(slot, operand=operand)

    def _direct(self, operand):
        primitive = operand.node.primitive
        return (
            isinstance(primitive, _MAPS)
            or primitive in _DIRECT
            or primitive in (shaping.reshape, shaping.transpose, e.accumulate)
        )

    def _plan_parts(self, node):
        (out,) = node.outputs
        axis = node.attributes["axis"]
        slot = self.slots[out] = Slot(out, summing=False)
        position = 0
        for operand in node.operands:
            end = position + operand.shape[axis]
            if self.single(operand) and operand not in self.targets:
                if self._direct(operand) or operand.node.primitive is shaping.concatenate:
                    view = _Window.of_axis(out.shape, axis, position, end)
                    self.targets[operand] = Target(
                        slot, operand=operand, views=(view,), partial=True
                    )
            position = end

    def _plan_pad(self, node):
        (out,), (operand,) = node.outputs, node.operands
        lows, interiors = node.attributes["lows"], node.attributes["interiors"]
        window = shaping.pad_window(operand.shape, lows, interiors)
        view = _Window(
            tuple(s.start for s in window),
            tuple(s.stop for s in window),
            tuple(s.step for s in window),
        )
        target = self.targets.get(out)
        slot = None
        if target is None:
            slot = self.slots[out] = Slot(out, summing=False, zero_first=True)
            target = Target(slot, operand=operand, views=(view,), partial=True)
        else:
            if target.slot is None or not (target.slot.summing or target.slot.zero_first):
                # Nobody else fills the gaps around it with zeros.
                slot = self.slots[out] = Slot(out, summing=False, zero_first=True)
                target = Target(slot, operand=operand, views=(view,), partial=True)
            else:
                target = target.through(view, partial=True)
        if self.single(operand) and operand not in self.targets and self._direct(operand):
            self.targets[operand] = target

    def _plan_view(self, node):
        (out,), (operand,) = node.outputs, node.operands
        target = self.targets.get(out)
        if target is None or operand in self.targets:
            return
        if not (self.single(operand) and self._direct(operand)):
            return
        if node.primitive is shaping.reshape:
            view = _Reshaped(operand.shape)
        else:
            view = _Transposed(shaping.inverse_permutation(node.attributes["axes"]))
        self.targets[operand] = target.through(view)

    # ---- when a value is read last --------------------------------------------------------------

    def position(self, node):
        """The number of the node in whose place a node's instruction is emitted."""
        while node.outputs[0] in self.fused:
            node = self.fused[node.outputs[0]]
        return self.number[node]

    def last_read(self, value, ignoring=None):
        """The number of the last node that reads a value, also through views; -1 if none does."""
        last = -1
        stack = [value]
        while stack:
            for node in self.consumers.get(stack.pop(), ()):
                if node is ignoring:
                    continue
                last = max(last, self.position(node))
                if node.primitive in _ALIASES or node.primitive in (
                    shaping.pad,
                    shaping.concatenate,
                ):
                    stack.append(node.outputs[0])
        return last

    def views_of(self, value):
        """Values that may be views of a value, itself left out."""
        found, stack = set(), [value]
        while stack:
            for node in self.consumers.get(stack.pop(), ()):
                if node.primitive in _ALIASES and node.outputs[0] not in found:
                    found.add(node.outputs[0])
                    stack.append(node.outputs[0])
        return found

    def first_write(self, node):
        """The number of the first node that writes into the slot of a node's output."""
        slot = self.slots.get(node.outputs[0])
        first = self.number[node]
        if slot is not None:
            for value, target in self.targets.items():
                if target.slot is slot and value.node in self.number:
                    first = min(first, self._first_of(value.node))
        return first

    def _first_of(self, node):
        return self.first_write(node) if node.outputs[0] in self.slots else self.number[node]


class _Window:
    def __init__(self, starts, stops, steps):
        self.starts, self.stops, self.steps = starts, stops, steps

    @classmethod
    def of_axis(cls, shape, axis, start, stop):
        starts, stops = [0] * len(shape), list(shape)
        starts[axis], stops[axis] = start, stop
        return cls(tuple(starts), tuple(stops), (1,) * len(shape))

    def __call__(self, ref):
        return ref.sliced(self.starts, self.stops, self.steps)


class _Reshaped:
    def __init__(self, shape):
        self.shape = shape

    def __call__(self, ref):
        return ref.reshaped(self.shape)


class _Transposed:
    def __init__(self, axes):
        self.axes = axes

    def __call__(self, ref):
        return ref.transposed(self.axes)


# By primitive, what is planned at a node.
_PLANS = {
    e.add: Scope._fuse_product,
    e.subtract: Scope._fuse_product,
    e.negative: Scope._fuse_negated,
    reduction.sum_: Scope._fuse_dot,
    e.accumulate: Scope._plan_sum,
    shaping.concatenate: Scope._plan_parts,
    shaping.pad: Scope._plan_pad,
    shaping.reshape: Scope._plan_view,
    shaping.transpose: Scope._plan_view,
}


def reduced_groups(shape, axes):
    """Kept (K) and reduced (R) groups of neighbouring axes longer than one, such as "KR"."""
    groups = ""
    for axis, extent in enumerate(shape):
        if extent != 1:
            kind = "R" if axis in axes else "K"
            if not groups.endswith(kind):
                groups += kind
    return groups
