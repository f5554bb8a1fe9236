# Lowering: the symbolic instructions, what their operands view, and their bytes.
#
# A tape may have a hundred thousand of them. pybackprop/lowering says what they are for.

cdef enum:
    SCALAR_FLAG = 1 << 15
    FRAME_FLAG = 1 << 8  # of the result; those of the operands follow

cdef object pack_operand = Struct("<IIq").pack

cdef struct Packed:
    uint16_t op
    uint16_t flags
    uint32_t params
    uint32_t operands[4]


cdef class Root:
    """A region of memory.

    Attributes
    ----------
    kind : str
        One of the constants of :mod:`pybackprop.lowering.layout`.
    size : int
        Bytes.
    number : int
        Of an input or output.
    parent, offset, bump, loop
        Of a window: the region it moves over, where it starts, its step in bytes, and its loop.
    data : bytes or None
        Of a constant.
    address : int
        In the arena or among the constants, once planned; -1 before.
    first, last : int
        The first and last instruction that touch it; -1 before they are known.
    home : Local or None
        Of a slot that belongs to the steps of a parallel loop.
    version : int
        How often other values have taken its storage over.
    """

    cdef public object kind, size, number, data, parent, offset, bump, loop
    cdef public object base, home
    cdef public int64_t address
    cdef public Py_ssize_t first, last
    cdef public bint pinned
    cdef public int version

    def __init__(self, kind, size, number=0, data=None, parent=None, offset=0, bump=0, loop=None):
        self.kind = kind
        self.size = size
        self.number = number
        self.data = data
        self.parent = parent
        self.offset = offset
        self.bump = bump
        self.loop = loop
        self.address = self.first = self.last = -1

    def ultimate(self):
        """The region that a window moves over in the end."""
        cdef Root root = self
        while root.kind == "window":
            root = root.parent
        return root


cdef class Ref:
    """A strided view of a root.

    Attributes
    ----------
    root : Root
    offset : int
        Bytes from the start of the root.
    shape : tuple of int
    strides : tuple of int
        Bytes, signed.
    dtype : numpy.dtype
    truth : bool
        A truth value kept as a float64 slot.
    ahead : int
        How many frames after the loop's current one.
    """

    cdef public Root root
    cdef public object offset, dtype
    cdef public tuple shape, strides
    cdef public bint truth
    cdef public object ahead

    def __init__(self, Root root, offset, tuple shape, tuple strides, dtype, bint truth=False,
                 ahead=0):
        self.root = root
        self.offset = offset
        self.shape = shape
        self.strides = strides
        self.dtype = dtype
        self.truth = truth
        self.ahead = ahead

    @property
    def size(self):
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    cpdef Ref viewed(self, offset, tuple shape, tuple strides):
        """Another view of the same root."""
        cdef Ref view = Ref.__new__(Ref)
        view.root, view.dtype, view.truth, view.ahead = self.root, self.dtype, self.truth, self.ahead
        view.offset, view.shape, view.strides = offset, shape, strides
        return view

    cpdef Ref broadcasted(self, shape):
        """The view repeated to a shape."""
        cdef Py_ssize_t extra = len(shape) - len(self.shape), axis
        cdef list strides = [0] * extra
        for axis in range(len(self.shape)):
            kept = self.shape[axis] != 1 or shape[extra + axis] == 1
            strides.append(self.strides[axis] if kept else 0)
        return self.viewed(self.offset, tuple(shape), tuple(strides))

    def planes(self):
        """A complex view as one of its real and imaginary parts, along a new first axis."""
        dtype = self.dtype.type().real.dtype
        return Ref(self.root, self.offset, (2, *self.shape), (dtype.itemsize, *self.strides), dtype,
                   ahead=self.ahead)

    def reshaped(self, tuple shape not None):
        """The view with another shape, or None if that needs a copy."""
        strides = reshape_strides(self.shape, self.strides, shape, self.dtype.itemsize)
        return None if strides is None else self.viewed(self.offset, shape, strides)

    def transposed(self, axes):
        """The view with its axes in another order."""
        return self.viewed(
            self.offset,
            tuple([self.shape[axis] for axis in axes]),
            tuple([self.strides[axis] for axis in axes]),
        )

    def sliced(self, starts, stops, steps):
        """The part ``[start:stop:step]`` per axis."""
        cdef list shape = [], strides = []
        cdef Py_ssize_t axis
        offset = 0
        for axis in range(len(self.shape)):
            start, step, stride = starts[axis], steps[axis], self.strides[axis]
            shape.append((stops[axis] - start + step - (1 if step > 0 else -1)) // step)
            strides.append(stride * step)
            offset += start * stride
        # Nothing is there, not even a first element.
        offset = self.offset if 0 in shape else self.offset + offset
        return self.viewed(offset, tuple(shape), tuple(strides))

    def flipped(self, axes):
        """The view with axes reversed."""
        offset, strides = self.offset, list(self.strides)
        for axis in axes:
            offset += max(self.shape[axis] - 1, 0) * strides[axis]
            strides[axis] = -strides[axis]
        return self.viewed(offset, self.shape, tuple(strides))

    def is_contiguous(self):
        """Whether elements lie one after another in C order."""
        step = self.dtype.itemsize
        cdef Py_ssize_t axis
        for axis in range(len(self.shape) - 1, -1, -1):
            extent = self.shape[axis]
            if extent != 1 and self.strides[axis] != step:
                return False
            step *= extent
        return True


cdef class Instruction:
    """A symbolic instruction: operands are refs, or None.

    ``writes`` and ``reads`` are the same refs for liveness; ``loop`` is the loop record of a begin
    or end.
    """

    cdef public object op, flags, params, loop
    cdef public Ref d, a, b, c

    def __init__(self, op, Ref d=None, Ref a=None, Ref b=None, Ref c=None, flags=0,
                 params=(), loop=None):
        self.op = op
        self.d, self.a, self.b, self.c = d, a, b, c
        self.flags = flags
        self.params = params
        self.loop = loop

    def refs(self):
        """All operands that are there."""
        return [r for r in (self.d, self.a, self.b, self.c) if r is not None]


cpdef Ref whole_ref(Root root, tuple shape, dtype):
    """The view of a root as one C-contiguous array."""
    cdef Ref ref = Ref.__new__(Ref)
    ref.root, ref.offset, ref.dtype, ref.ahead = root, 0, dtype, 0
    ref.shape = shape
    ref.strides = contiguous_strides(shape, dtype.itemsize) if shape else shape
    return ref


def contiguous_strides(shape, itemsize):
    """Strides in bytes of a C-contiguous array."""
    cdef list strides = []
    step = itemsize
    for extent in reversed(shape):
        strides.append(step)
        if extent > 1:
            step *= extent
    strides.reverse()
    return tuple(strides)


def reshape_strides(tuple shape not None, tuple strides not None, tuple new_shape not None,
                    itemsize):
    """Strides that give a view another shape without a copy, or None.

    Groups of axes that are contiguous among themselves are matched from the left with groups of
    new axes of the same number of elements.
    """
    cdef Py_ssize_t i = 0, j = 0, i_end, j_end, axis, count = len(new_shape)
    for extent in new_shape:
        if extent != 1:
            break
    else:
        return contiguous_strides(new_shape, itemsize)
    if 0 in new_shape:
        return contiguous_strides(new_shape, itemsize)
    cdef list extents = [], steps = [], result = [0] * count
    for axis in range(len(shape)):
        if shape[axis] != 1:
            extents.append(shape[axis])
            steps.append(strides[axis])
    while j < count:
        if new_shape[j] == 1:
            j += 1
            continue
        old_count, new_count = extents[i], new_shape[j]
        i_end, j_end = i + 1, j + 1
        while old_count != new_count:
            if new_count < old_count:
                new_count *= new_shape[j_end]
                j_end += 1
            else:
                # The axis joined must continue the one before it.
                if steps[i_end - 1] != steps[i_end] * extents[i_end]:
                    return None
                old_count *= extents[i_end]
                i_end += 1
        step = steps[i_end - 1]
        for axis in range(j_end - 1, j - 1, -1):
            result[axis] = step
            step *= new_shape[axis]
        i, j = i_end, j_end
    return tuple(result)


def collapse(shape, list strides not None):
    """The fewest loops that walk several views of one shape together.

    Parameters
    ----------
    shape : tuple of int
    strides : list of tuple of int
        One per view.

    Returns
    -------
    extents : list of int
        Outermost first; empty for a single element.
    steps : list of list of int
        Per view, the stride of each loop.
    """
    cdef Py_ssize_t axis, k, views = len(strides)
    cdef list kept, extents = [], steps = [[] for _ in strides]
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        joins = bool(extents)
        for k in range(views):
            if not joins:
                break
            kept = steps[k]
            joins = kept[len(kept) - 1] == strides[k][axis] * extent
        if joins:
            extents[len(extents) - 1] *= extent
        else:
            extents.append(extent)
        for k in range(views):
            kept = steps[k]
            if joins:
                kept[len(kept) - 1] = strides[k][axis]
            else:
                kept.append(strides[k][axis])
    return extents, steps


cdef enum:
    MOST_AXES = 32
    MOST_VIEWS = 4


def map_instruction(op, Ref place, tuple operands not None):
    """An elementwise instruction over refs, which broadcast to the shape of the first.

    Parameters
    ----------
    op : str
    place : Ref
        Of the result.
    operands : tuple of Ref
        At most three.

    Returns
    -------
    Instruction or None
        None if it takes more than three loops, or a stride that kernels do not walk, or if there is
        no element, or a truth value kept as a number.
    """
    cdef Py_ssize_t ndim = len(place.shape), n_views = len(operands) + 1, axis, k
    cdef int64_t steps[MOST_VIEWS][MOST_AXES]
    cdef int64_t extents[MOST_AXES]
    cdef int64_t extent, item
    cdef int loops = 0, flags = 0
    cdef bint joins
    cdef Ref view
    cdef list views = [place]
    cdef tuple strides
    if ndim > MOST_AXES or n_views > MOST_VIEWS:
        return None
    for view in operands:
        if view.truth:
            return None
        views.append(view if view.shape == place.shape else view.broadcasted(place.shape))
    for axis in range(ndim):
        extent = place.shape[axis]
        if extent == 1:
            continue
        if extent == 0:
            return None
        joins = loops > 0
        for k in range(n_views):
            strides = (<Ref>views[k]).strides
            steps[k][loops] = strides[axis]
            joins = joins and steps[k][loops - 1] == steps[k][loops] * extent
        if joins:
            extents[loops - 1] *= extent
            for k in range(n_views):
                steps[k][loops - 1] = steps[k][loops]
        else:
            extents[loops] = extent
            loops += 1
    if loops > 3:
        return None
    cdef list params = [1, 1, 1] + [0] * (2 * MOST_VIEWS)
    for axis in range(loops):
        params[3 - loops + axis] = extents[axis]
    for k in range(n_views):
        item = (<Ref>views[k]).dtype.itemsize
        if loops and steps[k][loops - 1] != item:
            if k == 0 or steps[k][loops - 1] != 0:
                return None
            flags |= 1 << (k - 1)
        for axis in range(loops - 1):
            params[3 + 2 * k + 3 - loops + axis] = steps[k][axis]
    return Instruction(op, *views, flags=flags, params=params)


cdef class Packer:
    """Writes instructions as docs/tape.md describes them, and what they refer to.

    Parameters
    ----------
    codes : callable
        Gives the number of a dtype.

    Attributes
    ----------
    names : dict of str to int
        Numbers of the instructions met.
    operands : list of bytes
    params : list of int
    """

    cdef readonly dict names
    cdef readonly list operands, params
    cdef dict operand_numbers, param_numbers, known_codes
    cdef object codes

    def __init__(self, codes):
        self.names, self.operands, self.params = {}, [], []
        self.operand_numbers, self.param_numbers, self.known_codes = {}, {}, {}
        self.codes = codes

    def pack(self, list instructions not None):
        """The bytes of instructions, whose roots have their addresses and bases."""
        cdef Instruction instruction
        cdef list parts = []
        for instruction in instructions:
            parts.append(self.packed(instruction))
        return b"".join(parts)

    cdef bytes packed(self, Instruction instruction):
        cdef Packed packed
        cdef int k
        cdef uint32_t flags = instruction.flags
        cdef bint scalar = flags & SCALAR_FLAG
        cdef Ref ref
        op = instruction.op
        packed.op = self.names.setdefault(op, len(self.names))
        packed.flags = 0
        packed.params = PBP_NONE
        packed.operands[0] = PBP_NONE
        if instruction.loop is not None:
            packed.operands[1] = packed.operands[2] = packed.operands[3] = PBP_NONE
            packed.operands[0] = instruction.loop.number
            return (<char *>&packed)[:sizeof(packed)]
        # Which operand of a scalar instruction is in an array.
        cdef int array = 1 if op == "SLOAD" else 0 if op == "SSTORE" else -1
        for k in range(4):
            ref = (instruction.d, instruction.a, instruction.b, instruction.c)[k]
            if ref is None:
                packed.operands[k] = PBP_NONE
            elif scalar and k != array:
                packed.operands[k] = self.slot(ref, k, &packed.flags)
            else:
                packed.operands[k] = self.operand(ref)
        packed.flags |= flags & ~SCALAR_FLAG if array >= 0 else flags
        if instruction.params:
            packed.params = self.parameters(tuple(instruction.params))
        return (<char *>&packed)[:sizeof(packed)]

    cdef uint32_t slot(self, Ref ref, int k, uint16_t *flags) except? 0xFFFFFFFE:
        cdef Root root = ref.root
        cdef int64_t place = ref.offset
        if root.kind == "arena":
            place += root.address
            if root.home is not None:
                flags[0] |= FRAME_FLAG << k
        else:
            place += ref.ahead * abs(root.bump)
            flags[0] |= FRAME_FLAG << k
        return place >> 3

    cdef uint32_t operand(self, Ref ref) except? 0xFFFFFFFE:
        base, offset = locate(ref.root, ref.offset + ref.ahead * abs(ref.root.bump))
        dtype = FLOAT64 if ref.truth and ref.dtype == BOOL else ref.dtype
        # Hashes of dtypes are slow.
        code = self.known_codes.get(dtype.num)
        if code is None:
            code = self.known_codes[dtype.num] = self.codes(dtype)
        key = (base, code, offset)
        number = self.operand_numbers.get(key)
        if number is None:
            number = self.operand_numbers[key] = len(self.operands)
            self.operands.append(pack_operand(base, code, offset))
        return number

    cdef uint32_t parameters(self, tuple words) except? 0xFFFFFFFE:
        number = self.param_numbers.get(words)
        if number is None:
            number = self.param_numbers[words] = len(self.params)
            self.params.extend(words)
        return number


cpdef tuple locate(Root root, offset):
    """Base number and byte offset of a place in a root."""
    if root.home is not None:
        return root.home.window.base, root.address + offset
    if root.kind == "arena":
        return 0, root.address + offset
    if root.kind == "const":
        return 1, root.address + offset
    return root.base, offset
