"""The scalar class: instructions on float64 of one element, in slots.

A truth value that is computed here is a float64 in its slot, and becomes a byte when something
needs that.
"""

import numpy as np

from .instruction import BOOL, F64, SCALAR
from .layout import ARENA, CONST, WINDOW, Ref, Root

# How an instruction adds its result to what is there.
ADDING = {"MUL": "FMA", "NMUL": "FNMA", "NEG": "SUB"}


def adding_operands(op, operands, base):
    """The operands of an instruction of ``ADDING`` that adds to ``base``."""
    return (base, *operands) if op == "NEG" else (*operands, base)


class Scalars:
    """The part of :class:`~.emit.Lowering` that computes in slots."""

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
        if op in ADDING and not adding:
            other = self._ready_contribution(value)
        if other is not None:
            op, operands = ADDING[op], adding_operands(op, operands, self._addressable(other))
        if adding and op in ADDING and self._in_slot(place):
            self.emit(ADDING[op], place, *adding_operands(op, operands, place), flags=SCALAR)
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


def is_scalar(value):
    """Whether a value is computed in the scalar class: one float64, or one truth value."""
    if value.shape and value.size != 1:
        return False
    dtype = value.dtype
    return dtype is F64 or dtype is BOOL or dtype == F64 or dtype == BOOL
