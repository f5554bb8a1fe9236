"""Storage: where values are, and where they go.

Places come from the plan: a slot of the arena, a constant of the tape, an output, or the place in a
sum or concatenation that a value is computed into.
"""

from .._core import StorageBase, whole_ref
from .instruction import BOOL, SCALAR
from .layout import CONST, Root
from .reuse import taken_by_sum


class Storage(StorageBase):
    """The part of :class:`~.emit.Lowering` that finds places for values.

    What is done for every node is in ``_storage.pxi``.
    """

    def constant(self, array):
        """A constant array in the tape."""
        data = array.tobytes()
        key = (array.dtype.str, data)
        root = self.constants.get(key)
        if root is None:
            root = self.constants[key] = Root(CONST, len(data), data=data)
        return whole_ref(root, array.shape, array.dtype)

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
            outer = self.scope.targets.get(slot.value)
            in_zeros = outer is not None and outer.slot is not None and outer.slot.zeroed
            slot.started = slot.started or adding or (slot.summing and in_zeros)
            if adding:
                slot.zero_first = False
        return slot.ref

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

    def _untruth(self, ref):
        if not ref.truth:
            return ref
        place = self.temporary((), BOOL)
        self.emit("SSTORE", place, self._addressable(ref), flags=SCALAR)
        return place.broadcasted(ref.shape)
