# Places of values while a graph is lowered: what pybackprop/lowering/storage.py does for every node.


cdef class Slot:
    """Storage filled by several producers.

    Attributes
    ----------
    value : Value
        What it holds in the end.
    summing : bool
        Contributions overlap and add up; otherwise they are disjoint parts.
    ref : Ref or None
        Where it is, once the first producer has asked.
    started : bool
        Whether it holds something that further contributions must be added to.
    zero_first : bool
        Whether the parts leave gaps, which are zero.
    zeroed : bool
        Whether it was zeroed before its parts came, so that each finds zeros.
    delivered : set of Value
        Operands of the owner that are in place.
    """

    cdef public object value
    cdef public Ref ref
    cdef public bint summing, started, zero_first, zeroed
    cdef readonly set delivered

    def __init__(self, value, bint summing, bint zero_first=False):
        self.value = value
        self.summing = summing
        self.zero_first = zero_first
        self.delivered = set()


cdef class Target:
    """Where the result of a producer belongs.

    Attributes
    ----------
    slot : Slot or None
    ref : Ref or None
        A fixed place, if there is no slot.
    operand : Value
        The operand of the slot's owner that is delivered with it.
    views : tuple of callables
        From the owner's storage to the part: applied in order.
    partial : bool
        Whether the views cover a part of the storage only.
    """

    cdef readonly Slot slot
    cdef readonly Ref ref
    cdef readonly object operand
    cdef readonly tuple views
    cdef readonly bint partial

    def __init__(self, Slot slot=None, Ref ref=None, operand=None, tuple views=(),
                 bint partial=False):
        self.slot = slot
        self.ref = ref
        self.operand = operand
        self.views = views
        self.partial = partial

    def through(self, view, bint partial=False):
        """The target of a value that this target's value is a view of."""
        return Target(
            self.slot, self.ref, self.operand, (*self.views, view), self.partial or partial
        )


cdef class StorageBase:
    """The state of lowering that finding a place needs; see :class:`pybackprop.lowering.Lowering`."""

    cdef public list instructions
    cdef public dict refs
    cdef public object scope, local

    def __init__(self):
        self.instructions = []
        self.refs = {}

    def emit(self, op, Ref d=None, Ref a=None, Ref b=None, Ref c=None, flags=0,
             params=()):
        """Append an instruction."""
        self.instructions.append(Instruction(op, d, a, b, c, flags, params))

    def _whole(self, Root root not None, ValueBase value not None):
        return whole_ref(root, value.shape, value.dtype)

    cpdef Root new_root(self, size):
        """A new slot of the arena, or of the step of the parallel loop that is being emitted."""
        cdef Root root = Root("arena", size)
        root.home = self.local
        return root

    cpdef Ref temporary(self, tuple shape, dtype):
        """New storage in the arena."""
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        return whole_ref(self.new_root(max(size, 1)), shape, dtype)

    cpdef Ref fresh(self, ValueBase value):
        """New storage in the arena for a value."""
        return self.temporary(value.shape, value.dtype)

    cpdef Ref ref(self, ValueBase value):
        """Where a value is."""
        ref = self.refs.get(value)
        if ref is None:
            if value.node.primitive is not constant_leaf:
                raise AssertionError(f"{value!r} is used before it is computed")
            ref = self.refs[value] = self.constant(value.node.attributes["value"])
        return ref

    cpdef tuple destination(self, ValueBase value):
        """Where to compute a value, and whether to add to what is there.

        Returns
        -------
        Ref
        bool
        """
        cdef Target target = self.scope.targets.get(value)
        cdef Slot slot
        cdef Ref ref
        cdef bint adding = False
        if target is None:
            return self.fresh(value), False
        slot = target.slot
        if slot is None:
            ref = target.ref
        else:
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
                self._settle(slot)
                return self.fresh(value), False
        if slot is not None:
            slot.delivered.add(target.operand)
            if slot.summing:
                slot.started = True
        return ref, adding

    def produce(self, ValueBase value not None, emit, bint adds=False, bint contiguous=False):
        """Have ``emit(ref, adding)`` compute a value into its destination.

        ``adds`` tells whether it can add to what is there; ``contiguous`` whether it needs
        contiguous storage.
        """
        cdef Ref place, temporary
        cdef bint adding
        place, adding = self.destination(value)
        self.refs[value] = place
        # A truth value that is carried as a number is made as a byte first.
        if (adding and not adds) or place.truth or (contiguous and not place.is_contiguous()):
            temporary = self.fresh(value)
            emit(temporary, False)
            self.copy(place, temporary, adding)
        else:
            emit(place, adding)

    def bytes_of(self, ValueBase value not None):
        """A ref of a value in which truth values are bytes."""
        cdef Ref ref = self.ref(value)
        return self._untruth(ref) if ref.truth else ref


def find_uses(list nodes not None):
    """What reads values, and the numbers of nodes.

    Returns
    -------
    consumers : dict of Value to list of Node
        A node that reads a value twice is there twice.
    numbers : dict of Node to int
    """
    cdef dict consumers = {}, numbers = {}
    cdef Node node
    cdef Py_ssize_t number
    for number in range(len(nodes)):
        node = nodes[number]
        numbers[node] = number
        for operand in node.operands:
            known = consumers.get(operand)
            if known is None:
                consumers[operand] = [node]
            else:
                (<list>known).append(node)
    return consumers, numbers
