"""Views and parts: what moves elements, mostly without an instruction.

Rearrangements are views of their operands. Sums of contributions, concatenations and paddings find
most of their parts in place already.
"""

import numpy as np

from ..primitives.base import constant_value
from ..primitives.shaping import pad_window
from .instruction import F64, SCALAR
from .plan import Slot
from .reuse import taken_over
from .scalars import is_scalar


class Views:
    """The part of :class:`~.emit.Lowering` that lowers what moves elements."""

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
        base_is_zero = is_zero(x)

        def emit(place, adding):
            if base_is_zero:
                self.zero(place)
            else:
                self.copy(place, self.bytes_of(x))
            self.copy(written(place), self.bytes_of(updates))

        self.produce(value, emit)

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


def _padded_part(ref, node):
    """The part of a padded array's storage that holds the operand of the ``pad`` node."""
    window = pad_window(
        node.operands[0].shape, node.attributes["lows"], node.attributes["interiors"]
    )
    return ref.sliced(
        tuple(w.start for w in window), tuple(w.stop for w in window), tuple(w.step for w in window)
    )


def is_zero(value):
    """Whether a value is known to be zero everywhere, and not minus zero."""
    number = constant_value(value)
    return number == 0 and not np.signbit(number)
