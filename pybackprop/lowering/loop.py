"""Loops: a scan's body between begin and end instructions.

Values that the reverse sweep will read live in frames, one per step, in one block of the arena:
stacked outputs that only other scans read, and carries if they are among these. Such a carry is
read in the frame of the step and written straight into the next. Any other carry has one slot; the
new value is computed into it where nothing reads the old one later, and copied at the end of the
step otherwise. Stacked inputs and outputs are windows that move by one step.
"""

import numpy as np

from ..graph import CONSTANT, INPUT
from ..primitives import control
from ..primitives import elementwise as e
from .instruction import F64, SCALAR, Instruction, Loop
from .layout import ARENA, WINDOW, Ref, Root, contiguous_strides
from .plan import VIEWS, Scope, Target
from .scalars import is_scalar

BOOL = np.dtype(np.bool_)


def lower_scan(low, node):
    """Emit a scan node; ``low`` is the :class:`~.emit.Lowering`."""
    if node.attributes["length"] == 0:
        _lower_nothing(low, node)
    else:
        _LoopLowering(low, node).run()


def _lower_nothing(low, node):
    n_consts, n_carry = node.attributes["n_consts"], node.attributes["n_carry"]
    for value, init in zip(node.outputs[:n_carry], node.operands[n_consts:], strict=False):
        low.refs[value] = low.ref(init)
    for value in node.outputs[n_carry:]:
        low.refs[value] = low.fresh(value)


class _LoopLowering:
    def __init__(self, low, node):
        attributes = node.attributes
        self.low = low
        self.node = node
        self.body = attributes["body"]
        self.trip = attributes["length"]
        self.backward = attributes["reverse"]
        n_consts, self.n_carry = attributes["n_consts"], attributes["n_carry"]
        self.const_inputs = self.body.inputs[:n_consts]
        self.carry_inputs = self.body.inputs[n_consts : n_consts + self.n_carry]
        self.x_inputs = self.body.inputs[n_consts + self.n_carry :]
        self.consts = node.operands[:n_consts]
        self.inits = node.operands[n_consts : n_consts + self.n_carry]
        self.xs = node.operands[n_consts + self.n_carry :]
        self.carry_outputs = self.body.outputs[: self.n_carry]
        self.y_values = self.body.outputs[self.n_carry :]
        self.y_outer = node.outputs[self.n_carry :]
        self.frame_bytes = 0
        self.block = None
        self.frame = None
        self.targets = {}

    def run(self):
        low = self.low
        for value in [v for n in self.body.nodes for v in n.outputs]:
            low.refs.pop(value, None)
        self.loop = Loop(self.trip, low.loop)
        framed = [i for i, v in enumerate(self.y_outer) if self._only_scans_read(v)]
        framed_values = {self.y_values[i] for i in framed}
        framed_carries = [i for i, v in enumerate(self.carry_inputs) if v in framed_values]
        if framed:
            self.block = low.new_root(0)
            self.frame = Root(WINDOW, 0, parent=self.block, loop=self.loop)
            self.loop.windows.append(self.frame)
            self.loop.frame = self.frame
        self._bind_consts()
        carries = self._bind_carries(framed_carries)
        x_refs = self._bind_xs()
        places = self._place_frames(framed, framed_carries, carries)
        y_places = self._place_ys(framed)
        self._place_carries(framed_carries, carries)
        # The body.
        self.loop.begin = len(low.instructions)
        low.instructions.append(Instruction("LOOP_BEGIN", loop=self.loop))
        low.loops.append(self.loop)
        outer_loop, low.loop = low.loop, self.loop
        low.refs.update(x_refs)
        scope = Scope(self.body, self.targets)
        for new, old in self.accumulators:
            # The sum is kept where the carry is, which holds the first contribution.
            scope.slots[new].started = True
            scope.slots[new].delivered.add(old)
        low.emit_graph(self.body, scope)
        self._finish_step(framed, framed_carries, carries, places, y_places)
        low.loop = outer_loop
        self.loop.end = len(low.instructions)
        low.instructions.append(Instruction("LOOP_END", loop=self.loop))
        self._publish(framed, framed_carries, carries, places, y_places)

    # ---- before the loop ------------------------------------------------------------------------

    def _only_scans_read(self, value):
        scope = self.low.scope
        readers = scope.consumers.get(value, ())
        return (
            bool(readers)
            and value not in scope.kept
            and all(
                reader.primitive is control.scan
                and all(
                    i >= reader.attributes["n_consts"] + reader.attributes["n_carry"]
                    for i, operand in enumerate(reader.operands)
                    if operand is value
                )
                for reader in readers
            )
        )

    def _bind_consts(self):
        low = self.low
        for inner, operand in zip(self.const_inputs, self.consts, strict=True):
            ref = low.ref(operand)
            if is_scalar(operand):
                ref = low._addressable(ref)
                if ref.root.kind == WINDOW:
                    # A slot of an outer frame is out of reach inside.
                    copy = low.temporary((), F64)
                    copy.truth = ref.truth
                    low.emit("MOV", copy, ref, flags=SCALAR)
                    ref = copy
                ref = Ref(
                    ref.root, ref.offset, inner.shape, (8,) * inner.ndim, inner.dtype, ref.truth
                )
            low.refs[inner] = ref

    def _bind_carries(self, framed_carries):
        low = self.low
        places = []
        for i, (inner, init) in enumerate(zip(self.carry_inputs, self.inits, strict=True)):
            truth = is_scalar(inner) and inner.dtype == BOOL
            if i in framed_carries:
                offset = self._frame_slot(inner, truth)
                place = self._view(self.frame, offset, inner, truth)
                low.copy(self._view(self.block, offset, inner, truth), low.ref(init))
            else:
                item = 8 if truth else inner.dtype.itemsize
                root = low.new_root(max(inner.size * item, 1))
                place = self._view(root, 0, inner, truth)
                source = low.ref(init)
                if (
                    source.root.kind == "const"
                    and not any(source.root.data)
                    and not is_scalar(inner)
                ):
                    low.zero(place)
                else:
                    low.copy(place, source)
            low.refs[inner] = place
            places.append(place)
        return places

    def _frame_slot(self, value, truth=False):
        item = 8 if truth else value.dtype.itemsize
        offset = self.frame_bytes
        self.frame_bytes += -(-max(value.size * item, 1) // 8) * 8
        return offset

    def _view(self, root, offset, value, truth=False, ahead=0):
        item = 8 if truth else value.dtype.itemsize
        strides = contiguous_strides(value.shape, item)
        return Ref(root, offset, value.shape, strides, value.dtype, truth, ahead)

    def _bind_xs(self):
        """Windows over the stacked inputs, shared by those that move alike."""
        low = self.low
        groups = {}
        for inner, operand in zip(self.x_inputs, self.xs, strict=True):
            ref = low.ref(operand)
            if 0 in ref.shape:
                # Nothing to read: the window stays where it is.
                ref = ref.viewed(0, ref.shape, (0,) * len(ref.shape))
            step = ref.strides[0]
            start = ref.offset + (self.trip - 1) * step if self.backward else ref.offset
            bump = -step if self.backward else step
            groups.setdefault((ref.root, bump), []).append((inner, ref, start))
        result = {}
        best = None
        for (root, bump), members in groups.items():
            first = min(start + _lowest(ref) for _, ref, start in members)
            first -= first % 8 if root.kind == ARENA and bump % 8 == 0 else 0
            window = Root(WINDOW, 0, parent=root, offset=first, bump=bump, loop=self.loop)
            self.loop.windows.append(window)
            for inner, ref, start in members:
                view = Ref(
                    window, start - first, inner.shape, ref.strides[1:], inner.dtype, ref.truth
                )
                window.size = max(window.size, view.offset + _extent(view))
                result[inner] = view
            scalars = [
                inner
                for inner, ref, start in members
                if is_scalar(inner) and (ref.truth or inner.dtype == F64)
            ]
            if scalars and bump % 8 == 0 and root.kind == ARENA:
                if best is None or len(scalars) > best[0]:
                    best = (len(scalars), window)
        if best is not None and self.loop.frame is None:
            self.loop.frame = best[1]
        return result

    # ---- where the body's outputs go ------------------------------------------------------------

    def _computed(self, value):
        """Whether the body computes the value, so that it can be computed into its place."""
        primitive = value.node.primitive
        return (
            primitive not in (INPUT, CONSTANT, *VIEWS, e.stop_gradient)
            and value not in self.targets
        )

    def _place_frames(self, framed, framed_carries, carries):
        """A frame slot for every framed output; None where it is a carry's own."""
        ahead = {}
        for i in framed_carries:
            value = self.carry_outputs[i]
            place = carries[i]
            following = Ref(
                place.root, place.offset, place.shape, place.strides, place.dtype, place.truth, 1
            )
            if self._computed(value):
                self.targets[value] = Target(ref=following)
                ahead[value] = following
        places = {}
        known = {v: carries[i] for i, v in enumerate(self.carry_inputs) if i in framed_carries}
        for i in framed:
            value = self.y_values[i]
            if value in known:
                places[i] = known[value]
            elif value in ahead:
                places[i] = ahead[value]
            else:
                truth = is_scalar(value) and value.dtype == BOOL
                place = self._view(self.frame, self._frame_slot(value, truth), value, truth)
                places[i] = known[value] = place
                if self._computed(value):
                    self.targets[value] = Target(ref=place)
        return places

    def _place_ys(self, framed):
        """Windows over the stacked outputs that are not framed."""
        low = self.low
        places = {}
        for i, (value, outer) in enumerate(zip(self.y_values, self.y_outer, strict=True)):
            if i in framed:
                continue
            whole, adding = low.destination(outer)
            if adding or whole.ahead:
                whole = low.fresh(outer)
                low.scope.targets.pop(outer, None)
            step = whole.strides[0] if value.size else 0
            start = whole.offset + ((self.trip - 1) * step if self.backward else 0)
            window = Root(
                WINDOW, 0, parent=whole.root, offset=start, loop=self.loop,
                bump=-step if self.backward else step,
            )  # fmt: skip
            self.loop.windows.append(window)
            place = Ref(window, 0, value.shape, whole.strides[1:], value.dtype)
            window.size = _extent(place)
            places[i] = (place, whole)
            if self._computed(value) and not is_scalar(value):
                self.targets[value] = Target(ref=place)
        return places

    def _place_carries(self, framed_carries, carries):
        """Carries whose new value can be computed over the old one."""
        outputs = list(self.body.outputs)
        scope = Scope(self.body, self.targets)
        self.accumulators = []
        for i, (old, new) in enumerate(zip(self.carry_inputs, self.carry_outputs, strict=True)):
            if i in framed_carries or not self._computed(new):
                continue
            views = scope.views_of(old)
            if any(v is old or v in views for v in outputs) or new.node not in scope.number:
                continue
            node = new.node
            if node.primitive is e.accumulate and any(o is old for o in node.operands):
                count = sum(1 for o in node.operands if o is old or o in views)
                others = scope.last_read(old, ignoring=node)
                if count == 1 and others < scope.first_write(node):
                    self.accumulators.append((new, old))
                    self.targets[new] = Target(ref=carries[i])
                continue
            last, first = scope.last_read(old), scope.first_write(node)
            same = is_scalar(new) or (
                isinstance(node.primitive, e.Elementwise)
                and all(o.shape == new.shape for o in node.operands if o is old)
                and not any(
                    scope.position(reader) == last
                    for v in views
                    for reader in scope.consumers.get(v, ())
                )
            )
            if node.primitive is control.scan or not isinstance(node.primitive, e.Elementwise):
                same = False
            if last < first or (last == first == scope.number[node] and same):
                self.targets[new] = Target(ref=carries[i])

    # ---- the end of a step ----------------------------------------------------------------------

    def _finish_step(self, framed, framed_carries, carries, places, y_places):
        low = self.low
        for i, (place, _) in y_places.items():
            source = low.ref(self.y_values[i])
            if source.root is not place.root:
                low.copy(place, source)
        for i in framed:
            source, place = low.ref(self.y_values[i]), places[i]
            if not _same_place(source, place):
                low.copy(place, source)
        for i in framed_carries:
            place = carries[i]
            following = Ref(
                place.root, place.offset, place.shape, place.strides, place.dtype, place.truth, 1
            )
            source = low.ref(self.carry_outputs[i])
            if not _same_place(source, following):
                low.copy(following, source)
        moves = []
        for i, place in enumerate(carries):
            if i in framed_carries:
                continue
            source = low.ref(self.carry_outputs[i])
            if not _same_place(source, place):
                moves.append((place, source))
        self._move_together(moves)

    def _move_together(self, moves):
        """Copies as if all at once: a source is read before another move overwrites it."""
        low = self.low
        while moves:
            for k, (place, _) in enumerate(moves):
                blocked = any(
                    source.root is place.root for j, (_, source) in enumerate(moves) if j != k
                )
                if not blocked:
                    place, source = moves.pop(k)
                    low.copy(place, source)
                    break
            else:
                place, source = moves[0]
                copy = low.temporary(source.shape, source.dtype)
                copy.truth = source.truth
                if source.truth:
                    copy = low.temporary((), F64)
                    copy.truth = True
                low.copy(copy, source)
                moves[0] = (place, copy)

    def _publish(self, framed, framed_carries, carries, places, y_places):
        """Refs of the scan's outputs for the code after the loop."""
        low = self.low
        if self.frame is not None:
            size = self.frame_bytes
            self.frame.bump = size
            self.frame.size = 2 * size
            self.block.size = (self.trip + 1) * size
        for i, outer in enumerate(self.node.outputs[: self.n_carry]):
            place = carries[i]
            if i in framed_carries:
                place = Ref(
                    self.block, place.offset + self.trip * self.frame_bytes, place.shape,
                    place.strides, place.dtype, place.truth,
                )  # fmt: skip
            low.refs[outer] = place
        for i, outer in enumerate(self.y_outer):
            if i in framed:
                place = places[i]
                size = self.frame_bytes
                start = place.offset + place.ahead * size
                step = -size if self.backward else size
                if self.backward:
                    start += (self.trip - 1) * size
                low.refs[outer] = Ref(
                    self.block, start, outer.shape, (step, *place.strides), outer.dtype, place.truth
                )
            else:
                low.refs[outer] = y_places[i][1]


def _same_place(a, b):
    return a.root is b.root and a.offset == b.offset and a.ahead == b.ahead


def _lowest(ref):
    """The lowest byte that a step's slice reaches, from its start; 0 or negative."""
    return sum(min((n - 1) * s, 0) for n, s in zip(ref.shape[1:], ref.strides[1:], strict=True))


def _extent(ref):
    """The bytes from the start of a view to behind its last."""
    item = 8 if ref.truth else ref.dtype.itemsize
    if 0 in ref.shape:
        return 0
    return item + sum(max((n - 1) * s, 0) for n, s in zip(ref.shape, ref.strides, strict=True))
