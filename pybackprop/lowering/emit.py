"""Emission: walks a graph and appends symbolic instructions.

The methods named after kinds of nodes (``map``, ``reduce``, ``matmul`` ...) are what primitives'
``lower`` calls. They work on :class:`~.layout.Ref` views; addresses come later. A float64 of one
element is computed in the scalar class, in slots of the arena or of a loop's frame; everything
else in the array class.
"""

import numpy as np

from ..graph import CONSTANT, INPUT, element_count
from ..primitives.base import constant_value
from ..primitives.shaping import pad_window
from .layout import ARENA, CONST, OUTPUT, WINDOW, Ref, Root, collapse, contiguous_strides
from .layout import INPUT as INPUT_KIND
from .plan import Scope, Slot, Target, reduced_groups
from .reuse import taken_by_sum, taken_over

F64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
SA, SB, SC, ACC, COLUMNS, REVERSE = 1, 2, 4, 8, 16, 32
SCALAR = 1 << 15
_COMPARES = {"EQ", "NE", "LT", "LE", "ISNAN", "ISINF", "ISFINITE", "SIGNBIT"}
_LOGICAL = {"AND", "OR", "XOR", "NOT"}
# Rows that the scalar class lacks: integers, and functions of three operands.
_ARRAY_ONLY = {
    "SHL", "SHR", "GCD", "ZETA", "GAMMAINC", "GAMMAINCC", "BETAINC", "BETAINC_A", "BETAINC_B",
    "BETAINC_AA", "BETAINC_AB", "BETAINC_BB",
}  # fmt: skip


# How an instruction adds its result to what is there.
_ADDING = {"MUL": "FMA", "NMUL": "FNMA", "NEG": "SUB"}


def _adding_operands(op, operands, base):
    return (base, *operands) if op == "NEG" else (*operands, base)


class Instruction:
    """A symbolic instruction: operands are refs, or None.

    ``writes`` and ``reads`` are the same refs for liveness; ``loop`` is the loop record of a begin
    or end.
    """

    __slots__ = ("a", "b", "c", "d", "flags", "loop", "op", "params")

    def __init__(self, op, d=None, a=None, b=None, c=None, flags=0, params=(), loop=None):
        self.op = op
        self.d, self.a, self.b, self.c = d, a, b, c
        self.flags = flags
        self.params = params
        self.loop = loop

    def refs(self):
        """All operands that are there."""
        return [r for r in (self.d, self.a, self.b, self.c) if r is not None]


class Loop:
    """A loop record.

    Attributes
    ----------
    trip : int
    windows : list of Root
    frame : Root or None
        The window that scalar instructions address as their frame.
    parent : Loop or None
    begin, end : int
        Instruction numbers.
    parallel : bool
        Whether its steps may run at the same time.
    """

    def __init__(self, trip, parent, parallel=False):
        self.trip = trip
        self.parent = parent
        self.windows = []
        self.frame = None
        self.begin = self.end = None
        self.number = None
        self.parallel = parallel


class Lowering:
    """The state of lowering one graph.

    Attributes
    ----------
    graph : Graph
    instructions : list of Instruction
    loops : list of Loop
    inputs, outputs : list of Root
    constants : list of Root
    image : dict
        Scalar constants by their bits, each in a pinned slot of the arena.
    position : int
        The number of the node that is being emitted.
    local : Local or None
        The memory of the steps of the parallel loop that is being emitted.
    reverse_start : int
        Number of the first instruction of the reverse section.
    """

    def __init__(self, graph):
        self.graph = graph
        self.instructions = []
        self.loops = []
        self.refs = {}
        self.cache = {}
        self.constants = {}
        self.image = {}
        self.scope = None
        self.position = 0
        self.loop = None
        self.local = None
        self.reverse_start = None
        self.inputs = [
            Root(INPUT_KIND, v.size * v.dtype.itemsize, number=i)
            for i, v in enumerate(graph.inputs)
        ]
        self.outputs = [
            Root(OUTPUT, v.size * v.dtype.itemsize, number=i) for i, v in enumerate(graph.outputs)
        ]

    # ---- the walk -------------------------------------------------------------------------------

    def run(self):
        """Emit the whole graph."""
        graph = self.graph
        for root, value in zip(self.inputs, graph.inputs, strict=True):
            self.refs[value] = self._whole(root, value)
        fixed = {}
        for root, value in zip(self.outputs, graph.outputs, strict=True):
            if value not in fixed and not is_scalar(value) and value.node.primitive is not INPUT:
                fixed[value] = Target(ref=self._whole(root, value))
        self.emit_graph(graph, Scope(graph, fixed))
        for root, value in zip(self.outputs, graph.outputs, strict=True):
            place = self._whole(root, value)
            source = self.ref(value)
            if source.root is not root:
                if place.dtype.kind == "c":
                    place, source = place.planes(), source.planes()
                self.copy(place, source)
        if self.reverse_start is None:
            self.reverse_start = len(self.instructions)

    def emit_graph(self, graph, scope):
        """Emit the nodes of a graph or body under a plan."""
        outer, self.scope = self.scope, scope
        before = self.position
        for number, node in enumerate(graph.nodes):
            self.position = number
            if graph is self.graph and number == graph.reverse_start:
                self.reverse_start = len(self.instructions)
            if node.primitive is INPUT or node.primitive is CONSTANT:
                continue
            if node.outputs[0] in scope.fused:
                continue
            node.primitive.lower(self, node)
        self.scope, self.position = outer, before

    def emit(self, op, d=None, a=None, b=None, c=None, flags=0, params=()):
        """Append an instruction."""
        self.instructions.append(Instruction(op, d, a, b, c, flags, params))

    # ---- storage --------------------------------------------------------------------------------

    def _whole(self, root, value):
        if not value.shape:
            return Ref(root, 0, (), (), value.dtype)
        return Ref(
            root, 0, value.shape, contiguous_strides(value.shape, value.dtype.itemsize), value.dtype
        )

    def fresh(self, value):
        """New storage in the arena for a value."""
        return self._whole(self.new_root(max(value.size * value.dtype.itemsize, 1)), value)

    def new_root(self, size):
        """A new slot of the arena, or of the step of the parallel loop that is being emitted."""
        root = Root(ARENA, size)
        root.home = self.local
        return root

    def temporary(self, shape, dtype):
        """New storage in the arena."""
        size = max(element_count(shape) * dtype.itemsize, 1)
        return Ref(self.new_root(size), 0, shape, contiguous_strides(shape, dtype.itemsize), dtype)

    def ref(self, value):
        """Where a value is."""
        ref = self.refs.get(value)
        if ref is None:
            node = value.node
            if node.primitive is not CONSTANT:
                raise AssertionError(f"{value!r} is used before it is computed")
            ref = self.refs[value] = self.constant(node.attributes["value"])
        return ref

    def constant(self, array):
        """A constant array in the tape."""
        data = array.tobytes()
        key = (array.dtype.str, data)
        root = self.constants.get(key)
        if root is None:
            root = self.constants[key] = Root(CONST, len(data), data=data)
        strides = contiguous_strides(array.shape, array.dtype.itemsize)
        return Ref(root, 0, array.shape, strides, array.dtype)

    def destination(self, value):
        """Where to compute a value, and whether to add to what is there.

        Returns
        -------
        Ref
        bool
        """
        target = self.scope.targets.get(value)
        if target is None:
            return self.fresh(value), False
        if target.slot is None:
            ref, adding = target.ref, False
        else:
            slot = target.slot
            ref = self.slot_ref(slot)
            adding = slot.started
            if not slot.started and target.partial and (slot.summing or slot.zero_first):
                self.zero(ref)
                slot.started = slot.summing
                adding = slot.summing
                slot.zero_first = False
        for view in target.views:
            ref = view(ref)
            if ref is None:
                self._settle(target.slot)
                return self.fresh(value), False
        if target.slot is not None:
            target.slot.delivered.add(target.operand)
            if target.slot.summing:
                target.slot.started = True
        return ref, adding

    def _settle(self, slot):
        """Zero a sum that has claimed its place in an outer sum and will not be written at once."""
        if slot is not None and slot.summing and not slot.started:
            outer = self.scope.targets.get(slot.value)
            if outer is not None and outer.slot is not None:
                self.zero(slot.ref)
                slot.started = True

    def slot_ref(self, slot):
        """The storage of a slot, made when it is first asked for."""
        if slot.ref is None and slot.summing:
            slot.ref = taken_by_sum(self, slot)
            if slot.ref is not None:
                slot.started = True
                slot.zero_first = False
        if slot.ref is None:
            slot.ref, adding = self.destination(slot.value)
            slot.started = slot.started or adding
            if adding:
                slot.zero_first = False
        return slot.ref

    def produce(self, value, emit, adds=False, contiguous=False):
        """Have ``emit(ref, adding)`` compute a value into its destination.

        ``adds`` tells whether it can add to what is there; ``contiguous`` whether it needs
        contiguous storage.
        """
        place, adding = self.destination(value)
        self.refs[value] = place
        if (adding and not adds) or (contiguous and not place.is_contiguous()):
            temporary = self.fresh(value)
            emit(temporary, False)
            self.copy(place, temporary, add=adding)
        else:
            emit(place, adding)

    def contiguous(self, ref):
        """The ref, or a contiguous copy of what it views."""
        if ref.is_contiguous():
            return ref
        key = (
            ref.root, ref.root.version, ref.offset, ref.shape, ref.strides, ref.ahead, self.loop,
            self.local,
        )  # fmt: skip
        copy = self.cache.get(key)
        if copy is None:
            copy = self.cache[key] = self.temporary(ref.shape, ref.dtype)
            self.copy(copy, ref)
        return copy

    def bytes_of(self, value):
        """A ref of a value in which truth values are bytes."""
        ref = self.ref(value)
        return self._untruth(ref)

    def _untruth(self, ref):
        if not ref.truth:
            return ref
        place = self.temporary((), BOOL)
        self.emit("SSTORE", place, self._addressable(ref), flags=SCALAR)
        return place.broadcasted(ref.shape)

    # ---- the scalar class -----------------------------------------------------------------------

    def _in_slot(self, ref):
        if ref.dtype is not F64 and ref.dtype != F64 and not ref.truth:
            return False
        root = ref.root
        if root.kind is ARENA:
            return True
        return root.kind == WINDOW and self.loop is not None and root is self.current_frame()

    def current_frame(self):
        """The window that scalar instructions address as their frame here."""
        loop = self.loop
        while loop is not None:
            if loop.frame is not None:
                return loop.frame
            loop = loop.parent
        return None

    def _addressable(self, ref):
        """A slot that holds what ``ref`` holds."""
        if self._in_slot(ref):
            return ref
        if ref.root.kind == CONST:
            return self.image_slot(ref)
        key = (ref.root, ref.root.version, ref.offset, ref.ahead, self.loop)
        slot = self.cache.get(key)
        if slot is None:
            slot = self.temporary((), F64)
            slot.truth = ref.dtype == BOOL
            if ref.truth:
                # A truth slot of an outer frame: read it as the float64 that it is.
                source = Ref(ref.root, ref.offset, (), (), F64, ahead=ref.ahead)
            else:
                source = ref
            self.emit("SLOAD", slot, source, flags=SCALAR)
            self.cache[key] = slot
        return slot

    def image_slot(self, ref):
        """The slot of a scalar constant, set when a workspace is made."""
        slot = self.cache.get((ref.root, ref.offset))
        if slot is None:
            slot = self.cache[ref.root, ref.offset] = self._make_image_slot(ref)
        return slot

    def _make_image_slot(self, ref):
        data = ref.root.data[ref.offset : ref.offset + ref.dtype.itemsize]
        number = np.frombuffer(data, ref.dtype)[0]
        bits = np.float64(number).tobytes()
        root = self.image.get(bits)
        if root is None:
            root = self.image[bits] = Root(ARENA, 8, data=bits)
            root.pinned = True
        return Ref(root, 0, (), (), F64, truth=ref.dtype == BOOL)

    def slot(self, value):
        """A slot that holds a scalar value."""
        ref = self.refs.get(value)
        if ref is not None and ref.root.kind is ARENA and ref.dtype is F64:
            return ref
        return self._addressable(self.ref(value))

    def scalar(self, op, value, *operands):
        """Compute a scalar value in the scalar class; operands are slots."""
        truth = value.dtype == BOOL
        place, adding = self.destination(value)
        if truth and not place.truth:
            # Bytes are made when something needs them.
            slot = self.temporary((), F64)
            slot.truth = True
            self.emit(op, slot, *operands, flags=SCALAR)
            self.refs[value] = slot
            if value in self.scope.targets:
                self.copy(place, slot)
            return
        other = None
        if op in _ADDING and not adding:
            other = self._ready_contribution(value)
        if other is not None:
            op, operands = _ADDING[op], _adding_operands(op, operands, self._addressable(other))
        if adding and op in _ADDING and self._in_slot(place):
            self.emit(_ADDING[op], place, *_adding_operands(op, operands, place), flags=SCALAR)
        elif adding:
            slot = self.temporary((), F64)
            self.emit(op, slot, *operands, flags=SCALAR)
            self._add_scalar(place, slot)
        elif self._in_slot(place):
            self.emit(op, place, *operands, flags=SCALAR)
        else:
            slot = self.temporary((), F64)
            self.emit(op, slot, *operands, flags=SCALAR)
            self.emit("SSTORE", place, slot, flags=SCALAR)
            self.refs[value] = slot
            return
        self.refs[value] = place

    def _add_scalar(self, place, slot):
        if self._in_slot(place):
            self.emit("ADD", place, place, slot, flags=SCALAR)
        else:
            total = self.temporary((), F64)
            self.emit("SLOAD", total, place, flags=SCALAR)
            self.emit("ADD", total, total, slot, flags=SCALAR)
            self.emit("SSTORE", place, total, flags=SCALAR)

    # ---- elementwise ----------------------------------------------------------------------------

    def map(self, op, node):
        """An elementwise node."""
        (value,) = node.outputs
        operands = list(node.operands)
        if op in ("ADD", "SUB"):
            fused = [o for o in operands if self.scope.fused.get(o) is node]
            if fused:
                op, operands = self._multiply_add(op, operands, fused[0])
        elif op == "SQUARE" and self._adds(value):
            op, operands = "MUL", [operands[0], operands[0]]
        elif op == "NEG" and self.scope.fused.get(operands[0]) is node:
            inner = operands[0].node.operands
            op, operands = "NMUL", list(inner) if len(inner) == 2 else [inner[0]] * 2
        if is_scalar(value) and all(map(is_scalar, operands)) and op not in _ARRAY_ONLY:
            if op == "CAST":
                if value.dtype == F64:
                    self.scalar("MOV", value, self.slot(operands[0]))
                    return
            else:
                self.scalar(op, value, *[self.slot(o) for o in operands])
                return
        refs = [self.bytes_of(o) for o in operands]

        adds = op in _ADDING and value.dtype.kind == "f"

        def emit(place, adding):
            base = place if adding else self._ready_contribution(value) if adds else None
            if base is None:
                self.map_refs(op, place, *refs)
            else:
                self.map_refs(_ADDING[op], place, *_adding_operands(op, refs, base))

        self.produce(value, emit, adds=adds)

    def _ready_contribution(self, value):
        """Another contribution to the same sum, there already, to be added with this first one."""
        target = self.scope.targets.get(value)
        if target is None or target.slot is None or target.partial or target.views:
            return None
        slot = target.slot
        if not slot.summing or len(slot.delivered) != 1:
            return None
        operands = slot.value.node.operands
        for operand in operands:
            ref = self.refs.get(operand)
            if ref is None or operand in slot.delivered or operand.shape != value.shape:
                continue
            # One that is there twice is left to the owner, which adds it as often.
            if sum(other is operand for other in operands) == 1:
                slot.delivered.add(operand)
                return ref
        return None

    def _adds(self, value):
        target = self.scope.targets.get(value)
        return target is not None and target.slot is not None and target.slot.summing

    def _multiply_add(self, op, operands, product):
        inner = product.node
        factors = list(inner.operands) if len(inner.operands) == 2 else [inner.operands[0]] * 2
        first = operands[0] is product
        other = operands[1] if first else operands[0]
        if op == "ADD":
            return "FMA", [*factors, other]
        return ("FMS" if first else "FNMA"), [*factors, other]

    def map_refs(self, op, place, *operands):
        """A MAP instruction over refs, which broadcast to the shape of ``place``."""
        shape = place.shape
        if 0 in shape:
            return
        if place.size == 1 and self._scalar_refs(op, place, operands):
            return
        refs = [self._untruth(o) for o in operands]
        views = [r.broadcasted(shape) if r.shape != shape else r for r in refs]
        extents, steps = collapse(shape, [place.strides] + [v.strides for v in views])
        inner = [s[-1] for s in steps] if extents else []
        items = [place.dtype.itemsize] + [v.dtype.itemsize for v in views]
        if extents and inner[0] != items[0]:
            temporary = self.temporary(shape, place.dtype)
            same = [temporary if r is place else r for r in refs]
            if any(r is place for r in refs):
                self.copy(temporary, place)
            self.map_refs(op, temporary, *same)
            self.copy(place, temporary)
            return
        for i, view in enumerate(views):
            if extents and inner[i + 1] not in (0, items[i + 1]):
                refs[i] = self.contiguous(refs[i])
                self.map_refs(op, place, *refs)
                return
            if len(extents) > 3 and 0 in steps[i + 1]:
                full = self.temporary(shape, view.dtype)
                self.copy(full, view)
                refs[i] = full
                self.map_refs(op, place, *refs)
                return
        if len(extents) > 3:
            for i, view in enumerate(views):
                if not view.is_contiguous():
                    refs[i] = self.contiguous(view)
                    self.map_refs(op, place, *refs)
                    return
            temporary = self.temporary(shape, place.dtype)
            self.map_refs(op, temporary, *refs)
            self.copy(place, temporary)
            return
        loops = [1] * (3 - len(extents)) + extents
        params = list(loops)
        flags = 0
        for k in range(4):
            if k < len(steps):
                full = [0] * (3 - len(extents)) + steps[k]
                params += full[:2]
                if k and extents and full[2] == 0:
                    flags |= (SA, SB, SC)[k - 1]
            else:
                params += [0, 0]
        self.emit(op, place, *views, flags=flags, params=params)

    def _scalar_refs(self, op, place, operands):
        """Emit in the scalar class if everything is float64 of one element."""
        refs = [place, *operands]
        if op in _ARRAY_ONLY or op == "CAST":
            return False
        if not all(r.size == 1 and (r.dtype == F64 or r.dtype == BOOL) for r in refs):
            return False
        if place.dtype == BOOL and op not in _COMPARES and op not in _LOGICAL:
            return False
        slots = [self._addressable(o) for o in operands]
        if self._in_slot(place):
            self.emit(op, place, *slots, flags=SCALAR)
        else:
            slot = self.temporary((), F64)
            self.emit(op, slot, *slots, flags=SCALAR)
            self.emit("SSTORE", place, slot, flags=SCALAR)
        return True

    # ---- copies and views -----------------------------------------------------------------------

    def copy(self, place, source, add=False):
        """Copy what ``source`` views, broadcast, to ``place``, or add it."""
        if place.shape != source.shape:
            source = source.broadcasted(place.shape)
        if 0 in place.shape:
            return
        if place.size == 1 and (place.dtype == F64 or (place.truth or source.truth)):
            slot = self._addressable(source)
            if add:
                self._add_scalar(place, slot)
            elif self._in_slot(place):
                self.emit("MOV", place, slot, flags=SCALAR)
            else:
                self.emit("SSTORE", place, slot, flags=SCALAR)
            return
        extents, steps = collapse(place.shape, [place.strides, source.strides])
        item = place.dtype.itemsize
        simple = len(extents) <= 3 and (
            not extents or (steps[0][-1] == item and steps[1][-1] in (0, item))
        )
        if simple:
            if add:
                self.map_refs("ADD", place, place, source)
            else:
                self.map_refs("MOV", place, source)
            return
        params = [len(extents), *extents, *steps[0], *steps[1]]
        self.emit("COPY", place, source, flags=ACC if add else 0, params=params)

    def zero(self, place):
        """Fill with zeros."""
        if 0 in place.shape:
            return
        if place.is_contiguous():
            self.emit("ZERO", place, params=[place.size * place.dtype.itemsize])
        else:
            self.copy(place, self.constant(np.zeros((), place.dtype)).broadcasted(place.shape))

    def alias(self, node, view=None):
        """A node whose output is its operand, or a view of it."""
        ref = self.ref(node.operands[0])
        self.refs[node.outputs[0]] = ref if view is None else view(ref)

    def view(self, node):
        """A rearranging node: a view of its operand where that is possible."""
        (value,), (operand,) = node.outputs, node.operands
        target = self.scope.targets.get(operand)
        if target is not None and operand not in self.scope.slots:
            own = self.scope.targets.get(value)
            if own is not None and own.slot is not None and own.slot is target.slot:
                if target.operand in target.slot.delivered:
                    self.refs[value] = None
                    return
        ref = self.ref(operand)
        attributes = node.attributes
        name = node.primitive.name
        if name == "reshape":
            view = ref.reshaped(value.shape)
            if view is None:
                view = self.contiguous(ref).reshaped(value.shape)
        elif name == "transpose":
            view = ref.transposed(attributes["axes"])
        elif name == "broadcast_to":
            view = ref.broadcasted(value.shape)
        elif name == "slice":
            view = ref.sliced(attributes["starts"], attributes["stops"], attributes["steps"])
        else:
            view = ref.flipped(attributes["axes"])
        self.refs[value] = view

    def copied(self, value, ref):
        """A copy of what a value is now, as its storage is about to be overwritten."""
        if is_scalar(value) and self._in_slot(ref):
            slot = self.temporary((), F64)
            slot.truth = ref.truth
            self.emit("MOV", slot, ref, flags=SCALAR)
            return slot.reshaped(value.shape)
        place = self.fresh(value)
        self.copy(place, ref)
        return place

    def slice_set(self, node):
        """An array with a slice replaced, where the old array was if nothing needs that."""
        (value,), (x, updates) = node.outputs, node.operands
        bounds = [node.attributes[name] for name in ("starts", "stops", "steps")]

        def written(ref):
            return ref.sliced(*bounds)

        place = taken_over(self, x, node, written)
        if place is not None:
            source = self.bytes_of(updates)
            if source.root is place.root:
                source = self.copied(updates, source)
            self.refs[value] = place
            self.copy(written(place), source)
            return
        base_is_zero = _is_zero(x)

        def emit(place, adding):
            if base_is_zero:
                self.zero(place)
            else:
                self.copy(place, self.bytes_of(x))
            self.copy(written(place), self.bytes_of(updates))

        self.produce(value, emit)

    # ---- sums of contributions, parts -----------------------------------------------------------

    def accumulate(self, node):
        """The sum of contributions, of which most are in place already."""
        (value,) = node.outputs
        slot = self.scope.slots[value]
        place = self.slot_ref(slot)
        rest = [self.ref(o) for o in node.operands if o not in slot.delivered]
        if not slot.started and len(rest) >= 2:
            self.map_refs("ADD", place, rest[0], rest[1])
            rest = rest[2:]
            slot.started = True
        for source in rest:
            self.copy(place, source, add=slot.started)
            slot.started = True
        self.refs[value] = place

    def concatenate(self, node):
        """Parts beside each other, of which some are in place already."""
        (value,) = node.outputs
        slot = self.scope.slots[value]
        place = self.slot_ref(slot)
        axis = node.attributes["axis"]
        starts, stops = [0] * value.ndim, list(value.shape)
        for operand in node.operands:
            stops[axis] = starts[axis] + operand.shape[axis]
            if operand not in slot.delivered:
                part = place.sliced(tuple(starts), tuple(stops), (1,) * value.ndim)
                self.copy(part, self.ref(operand), add=slot.started)
            starts[axis] = stops[axis]
        self.refs[value] = place

    def pad(self, node):
        """Zeros around an operand, which may be in place already."""
        (value,), (operand,) = node.outputs, node.operands
        slot = self.scope.slots.get(value)
        if slot is None:
            # Its operand goes straight to where the padded array would be added.
            target = self.scope.targets[value]
            if target.operand in target.slot.delivered:
                self.refs[value] = None
                return
            owner = self.slot_ref(target.slot)
            if not target.slot.started:
                if target.slot.summing or target.slot.zero_first:
                    self.zero(owner)
                target.slot.started = target.slot.summing
                target.slot.zero_first = False
            ref = owner
            for view in target.views:
                ref = None if ref is None else view(ref)
            if ref is None:
                slot = self.scope.slots[value] = Slot(value, summing=False, zero_first=True)
                slot.ref = self.fresh(value)
            else:
                target.slot.delivered.add(target.operand)
                self.copy(_padded_part(ref, node), self.ref(operand), add=target.slot.started)
                self.refs[value] = None
                return
        place = self.slot_ref(slot)
        if operand not in slot.delivered:
            if slot.zero_first:
                self.zero(place)
                slot.zero_first = False
            self.copy(_padded_part(place, node), self.ref(operand), add=slot.started)
        self.refs[value] = place

    # ---- reductions -----------------------------------------------------------------------------

    def reduce(self, op, node):
        """A reduction over axes (attribute ``axes`` or ``axis``)."""
        (value,) = node.outputs
        (operand,) = node.operands
        axes = node.attributes.get("axes")
        axes = (node.attributes["axis"],) if axes is None else axes
        if self.scope.fused.get(operand) is node:
            inner = operand.node
            factors = list(inner.operands) if len(inner.operands) == 2 else [inner.operands[0]] * 2
            sources = [self.bytes_of(f).broadcasted(operand.shape) for f in factors]
            op = "DOT"
        else:
            sources = [self.bytes_of(operand)]
        adds = op in ("SUM", "DOT")
        self.produce(
            value,
            lambda place, adding: self.reduce_refs(op, place, sources, axes, adding),
            adds=adds,
        )

    def reduce_refs(self, op, place, sources, axes, adding):
        """A REDUCE instruction, or several, over refs of one shape."""
        if 0 in place.shape:
            return
        shape = sources[0].shape
        groups = reduced_groups(shape, axes)
        if 0 in shape:
            # Nothing to reduce: one empty row per result.
            flat = place.reshaped((place.size,))
            if flat is None or not flat.is_contiguous():
                temporary = self.temporary((place.size,), place.dtype)
                self._empty_reduction(op, temporary, sources)
                self.copy(place, temporary.reshaped(place.shape), add=adding)
            elif not adding:
                self._empty_reduction(op, flat, sources)
            return
        if groups in ("", "K"):
            # Only axes of extent one are reduced.
            if op.startswith("ARG"):
                self.zero(place)
            else:
                view = sources[0].reshaped(place.shape)
                source = (
                    view if view is not None else self.contiguous(sources[0]).reshaped(place.shape)
                )
                self.copy(place, source, add=adding)
            return
        kept = [a for a in range(len(shape)) if a not in axes]
        d_strides = [0] * len(shape)
        for axis, stride in zip(kept, place.strides, strict=True):
            d_strides[axis] = stride
        if self._reduce_once(op, place, sources, axes, d_strides, groups, adding):
            return
        if groups.count("R") > 1 and op in ("SUM", "PROD", "MAX_OF", "MIN_OF"):
            # The last run of reduced axes first, then the rest.
            last = [a for a in axes if shape[a] != 1]
            tail = []
            for axis in range(len(shape) - 1, -1, -1):
                if axis in axes:
                    tail.append(axis)
                elif shape[axis] != 1 and tail and any(shape[a] != 1 for a in tail):
                    break
            tail = tuple(sorted(a for a in tail if a in last or shape[a] == 1))
            middle_shape = tuple(n for a, n in enumerate(shape) if a not in tail)
            middle = self.temporary(middle_shape, sources[0].dtype)
            self.reduce_refs(op, middle, sources, tail, False)
            rest = tuple(a - sum(1 for t in tail if t < a) for a in axes if a not in tail)
            self.reduce_refs(op, place, [middle], rest, adding)
            return
        if 0 not in axes:
            copied = sum(source.size for source in sources if not source.is_contiguous())
            parts = _parts([place, *sources], copied)
            for part in parts or ():
                self.reduce_refs(op, part[0], part[1:], tuple(axis - 1 for axis in axes), adding)
            if parts:
                return
        copies = []
        for source in sources:
            copies.append(self.contiguous(source))
        if self._reduce_once(op, place, copies, axes, d_strides, groups, adding):
            return
        temporary = self.temporary(place.shape, place.dtype)
        for axis, stride in zip(kept, temporary.strides, strict=True):
            d_strides[axis] = stride
        if not self._reduce_once(op, temporary, copies, axes, d_strides, groups, False):
            raise AssertionError(f"cannot lower {op} over {axes} of {shape}")
        self.copy(place, temporary, add=adding)

    def _empty_reduction(self, op, flat, sources):
        item = flat.dtype.itemsize
        params = [1, flat.size, 0, 0, item] + [0] * 6
        views = [s.viewed(s.offset, (0,), (s.dtype.itemsize,)) for s in sources]
        self.emit(op, flat, *views, params=params)

    def _reduce_once(self, op, place, sources, axes, d_strides, groups, adding):
        shape = sources[0].shape
        if groups.count("R") > 1:
            return False
        # Collapse kept and reduced axes apart, so that no loop mixes them.
        extents, kinds, steps = [], [], [[] for _ in range(len(sources) + 1)]
        views = [d_strides] + [list(s.strides) for s in sources]
        for axis, extent in enumerate(shape):
            if extent == 1:
                continue
            kind = axis in axes
            if (
                extents
                and kinds[-1] == kind
                and all(k[-1] == v[axis] * extent for k, v in zip(steps, views, strict=True))
            ):
                extents[-1] *= extent
                for k, v in zip(steps, views, strict=True):
                    k[-1] = v[axis]
            else:
                extents.append(extent)
                kinds.append(kind)
                for k, v in zip(steps, views, strict=True):
                    k.append(v[axis])
        if kinds.count(True) != 1:
            return False
        where = kinds.index(True)
        columns = where != len(kinds) - 1
        if len(extents) > 3 or (columns and where != len(kinds) - 2):
            return False
        items = [place.dtype.itemsize] + [s.dtype.itemsize for s in sources]
        if any(steps[i + 1][-1] != items[i + 1] for i in range(len(sources))):
            return False
        if columns and steps[0][-1] != items[0]:
            return False
        fill = 3 - len(extents)
        params = [1] * fill + extents
        for k in range(4):
            if k < len(steps):
                full = [0] * fill + steps[k]
                if k == 0 and not columns:
                    params += full[:2]
                elif k == 0:
                    params += [full[0], 0]
                else:
                    params += full[:2]
            else:
                params += [0, 0]
        flags = (COLUMNS if columns else 0) | (ACC if adding else 0)
        self.emit(op, place, *sources, flags=flags, params=params)
        return True

    # ---- products, indices, cumulative ----------------------------------------------------------

    def matmul(self, node):
        """A stack of matrix products."""
        (value,) = node.outputs
        a, b = (self.ref(o) for o in node.operands)
        attributes = node.attributes
        if attributes["transpose_a"]:
            a = a.transposed((*range(value.ndim - 2), value.ndim - 1, value.ndim - 2))
        if attributes["transpose_b"]:
            b = b.transposed((*range(value.ndim - 2), value.ndim - 1, value.ndim - 2))
        self.produce(value, lambda place, adding: self.matmul_refs(place, a, b, adding), adds=True)

    def matmul_refs(self, place, a, b, adding):
        """MATMUL over refs."""
        if 0 in place.shape:
            return
        item = place.dtype.itemsize
        m, n = place.shape[-2:]
        k = a.shape[-1]
        refs = [place, a, b]
        for i in (1, 2):
            if any(s % item for s in refs[i].strides):
                refs[i] = self.contiguous(refs[i])
        lead = place.shape[:-2]
        extents, steps = collapse(lead, [r.strides[:-2] for r in refs])
        c_row, c_col = place.strides[-2:]
        by_lines = c_row == item or c_col == item or m == 1 or n == 1
        if len(extents) > 1 and by_lines:
            parts = _parts(refs, sum(r.size for r in refs[1:] if not r.is_contiguous()))
            for part in parts or ():
                self.matmul_refs(*part, adding)
            if parts:
                return
        if len(extents) > 1 or not by_lines:
            temporary = self.temporary(place.shape, place.dtype)
            copies = [r if r.is_contiguous() else self.contiguous(r) for r in refs[1:]]
            self.matmul_refs(temporary, *copies, False)
            self.copy(place, temporary, add=adding)
            return
        if n == 1 and c_row != item:
            c_col = item
        if m == 1 and c_col != item:
            c_row = item
        strides = [c_row, c_col, *refs[1].strides[-2:], *refs[2].strides[-2:]]
        params = [m, n, k] + [s // item for s in strides]
        params.append(extents[0] if extents else 1)
        params += [s[0] // item if extents else 0 for s in steps]
        self.emit("MATMUL", *refs, flags=ACC if adding else 0, params=params)

    def linalg(self, op, node, operands, sizes, mode=0):
        """Linear algebra on batches of matrices."""
        from .linalg import lower_linalg

        lower_linalg(self, op, node, operands, sizes, mode)

    def wrap(self, node):
        """Positions checked against a bound."""
        (value,), (operand,) = node.outputs, node.operands
        source = self.contiguous(self.ref(operand))
        params = [value.size, node.attributes["bound"]]
        self.produce(
            value,
            lambda place, adding: self.emit("WRAP", place, source, params=params),
            contiguous=True,
        )

    def gather(self, node):
        """Elements read at positions."""
        (value,) = node.outputs
        x, positions = node.operands
        a, b = self.contiguous(self.bytes_of(x)), self.contiguous(self.ref(positions))
        params = _index_params(x.shape, positions)
        self.produce(
            value,
            lambda place, adding: (
                self.emit("GATHER", place, a, b, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def scatter(self, op, node):
        """Updates written or added at positions."""
        (value,) = node.outputs
        x, positions, updates = node.operands
        b = self.contiguous(self.ref(positions))
        a = self.contiguous(self.bytes_of(updates))
        params = _index_params(x.shape, positions)
        base_is_zero = _is_zero(x)
        place = None if base_is_zero else taken_over(self, x, node, None)
        if place is not None and a.root is not place.root and b.root is not place.root:
            self.refs[value] = place
            if updates.size:
                self.emit(op, place, a, b, params=params)
            return

        def emit(place, adding):
            if adding:
                if not base_is_zero:
                    self.copy(place, self.bytes_of(x), add=True)
            elif base_is_zero:
                self.zero(place)
            else:
                self.copy(place, self.bytes_of(x))
            if updates.size:
                self.emit(op, place, a, b, params=params)

        self.produce(value, emit, adds=op == "SCATTER_ADD", contiguous=True)

    def cumulate(self, op, node):
        """A cumulative sum or product along one axis."""
        (value,), (operand,) = node.outputs, node.operands
        axis = node.attributes["axis"]
        source = self.contiguous(self.ref(operand))
        shape = value.shape
        params = [element_count(shape[:axis]), shape[axis], element_count(shape[axis + 1 :])]
        flags = REVERSE if node.attributes["reverse"] else 0
        self.produce(
            value,
            lambda place, adding: (
                self.emit(op, place, source, flags=flags, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def argsort(self, node):
        """The permutation that sorts each row."""
        (value,), (operand,) = node.outputs, node.operands
        source = self.contiguous(self.ref(operand))
        self.produce(
            value,
            lambda place, adding: (
                self.emit("ARGSORT", place, source, params=list(value.shape))
                if value.size
                else None
            ),
            contiguous=True,
        )

    def search(self, node):
        """Places of values in sorted rows."""
        (value,) = node.outputs
        rows, wanted = node.operands
        a, b = self.contiguous(self.ref(rows)), self.contiguous(self.ref(wanted))
        outer, n = value.shape[0], rows.shape[1]
        right = int(node.attributes["right"])
        params = [outer, n, value.shape[1], right, n if rows.shape[0] == outer else 0]
        self.produce(
            value,
            lambda place, adding: (
                self.emit("SEARCH", place, a, b, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def fft(self, node):
        """A Fourier transform: its planes, then room for work, in one slot of the arena."""
        from ..primitives.fft import plan

        (value,), axis = node.outputs, node.attributes["axis"]
        shape = value.shape[1:]
        *planes, table = [self.contiguous(self.ref(o)) for o in node.operands]
        inner, chosen = element_count(shape[axis + 1 :]), plan(shape[axis], value.dtype)
        chunk = chosen.chunk(inner, value.dtype.itemsize)
        work = chosen.work(inner, chunk, len(planes) == 1)
        place = self.temporary((value.size + work,), value.dtype)
        params = [
            element_count(shape[:axis]), shape[axis], inner, chunk, chosen.length,
            len(chosen.factors), chosen.table.size, *chosen.factors,
        ]  # fmt: skip
        self.emit("FFT" if len(planes) == 2 else "FFT_REAL", place, *planes, table, params=params)
        strides = contiguous_strides(value.shape, value.dtype.itemsize)
        self.refs[value] = place.viewed(0, value.shape, strides)

    def scan(self, node):
        """A loop."""
        from .loop import lower_scan

        lower_scan(self, node)

    def tiles(self, node):
        """A loop over tiles of rows."""
        from .tiles import lower_tiles

        lower_tiles(self, node)


# An instruction costs about as much as copying this many elements.
_INSTRUCTION = 64


def _parts(refs, copied):
    """Views of equal leading axes cut along the first, where that is cheaper than copying."""
    extent = refs[0].shape[0]
    if extent * _INSTRUCTION > copied:
        return None
    return [
        [r.viewed(r.offset + i * r.strides[0], r.shape[1:], r.strides[1:]) for r in refs]
        for i in range(extent)
    ]


def _padded_part(ref, node):
    """The part of a padded array's storage that holds the operand of the ``pad`` node."""
    window = pad_window(
        node.operands[0].shape, node.attributes["lows"], node.attributes["interiors"]
    )
    return ref.sliced(
        tuple(w.start for w in window), tuple(w.stop for w in window), tuple(w.step for w in window)
    )


def _is_zero(value):
    """Whether a value is known to be zero everywhere, and not minus zero."""
    number = constant_value(value)
    return number == 0 and not np.signbit(number)


def _index_params(shape, positions):
    count = positions.shape[-1]
    return [shape[0], count, shape[1], shape[2], count if positions.ndim == 2 else 0]


def is_scalar(value):
    """Whether a value is computed in the scalar class: one float64, or one truth value."""
    if value.shape and value.size != 1:
        return False
    dtype = value.dtype
    return dtype is F64 or dtype is BOOL or dtype == F64 or dtype == BOOL
