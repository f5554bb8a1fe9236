"""Storage: where values are, and where they go.

Places come from the plan: a slot of the arena, a constant of the tape, an output, or the place in a
sum or concatenation that a value is computed into.
"""

from ..graph import CONSTANT, element_count
from .instruction import BOOL, SCALAR
from .layout import ARENA, CONST, Ref, Root, contiguous_strides
from .reuse import taken_by_sum


class Storage:
    """The part of :class:`~.emit.Lowering` that finds places for values."""

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
                slot.zeroed = not slot.summing
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
            outer = self.scope.targets.get(slot.value)
            in_zeros = outer is not None and outer.slot is not None and outer.slot.zeroed
            slot.started = slot.started or adding or (slot.summing and in_zeros)
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
        # A truth value that is carried as a number is made as a byte first.
        unfit = place.truth or (contiguous and not place.is_contiguous())
        if (adding and not adds) or unfit:
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
