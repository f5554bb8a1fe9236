# The arena plan: how long slots live, and where. pybackprop/lowering/arena.py says what for.

cdef enum:
    CACHE_LINE = 64  # bytes; larger slots begin at multiples of it


cpdef int64_t aligned(int64_t size) noexcept:
    """The next multiple of a cache line."""
    return (size + CACHE_LINE - 1) & ~(CACHE_LINE - 1)


cpdef int64_t rounded(int64_t size) noexcept:
    """Bytes that a slot of ``size`` bytes takes."""
    return (size + 7) & ~7 if size < CACHE_LINE else aligned(size)


cdef class Memory:
    """Free blocks by address and small ones by size; best fit.

    Parameters
    ----------
    top : int
        Where it begins.

    Attributes
    ----------
    top : int
        Bytes used so far.
    """

    cdef readonly int64_t top
    cdef list small  # addresses of free blocks of each multiple of 8 bytes
    cdef int64_t *starts  # of the free larger blocks, ascending
    cdef int64_t *sizes
    cdef Py_ssize_t count, room

    def __cinit__(self):
        self.starts = self.sizes = NULL

    def __init__(self, int64_t top):
        self.top = top
        self.small = [[] for _ in range(CACHE_LINE // 8)]
        self.count = self.room = 0

    def __dealloc__(self):
        free(self.starts)
        free(self.sizes)

    cpdef int64_t take(self, int64_t size) except -1:
        """The address of a new block of a rounded size."""
        cdef int64_t address
        cdef Py_ssize_t i, best = -1
        cdef list stack
        if size < CACHE_LINE:
            stack = self.small[size >> 3]
            if stack:
                return stack.pop()
            address = self.top
            self.top += size
            return address
        for i in range(self.count):
            if self.sizes[i] >= size and (best < 0 or self.sizes[i] < self.sizes[best]):
                best = i
                if self.sizes[i] == size:
                    break
        if best < 0:
            address = aligned(self.top)
            i = self.count - 1
            if i >= 0 and self.starts[i] + self.sizes[i] == self.top:
                # Extend a free block at the very end.
                address = self.starts[i]
                self.count = i
            if size > INT64_MAX - address:
                raise OverflowError("more bytes than 64 bits can count")
            self.top = address + size
            return address
        address = self.starts[best]
        if self.sizes[best] > size:
            self.starts[best] += size
            self.sizes[best] -= size
        else:
            self.move(best + 1, best)
        return address

    cpdef give(self, int64_t address, int64_t size):
        """Free a block."""
        cdef Py_ssize_t low = 0, high = self.count, middle
        if size < CACHE_LINE:
            (<list>self.small[size >> 3]).append(address)
            return
        while low < high:
            middle = (low + high) // 2
            if self.starts[middle] < address:
                low = middle + 1
            else:
                high = middle
        cdef bint joins = low < self.count and self.starts[low] == address + size
        if low > 0 and self.starts[low - 1] + self.sizes[low - 1] == address:
            self.sizes[low - 1] += size
            if joins:
                self.sizes[low - 1] += self.sizes[low]
                self.move(low + 1, low)
            return
        if joins:
            self.sizes[low] += size
        else:
            self.move(low, low + 1)
            self.sizes[low] = size
        self.starts[low] = address

    cdef int move(self, Py_ssize_t old, Py_ssize_t new) except -1:
        """Move the blocks from number ``old`` on."""
        cdef Py_ssize_t count = self.count - old, room
        cdef void *starts
        cdef void *sizes
        if new + count > self.room:
            room = 2 * (new + count)
            starts = realloc(self.starts, room * sizeof(int64_t))
            if starts != NULL:
                self.starts = <int64_t *>starts
            sizes = realloc(self.sizes, room * sizeof(int64_t))
            if sizes != NULL:
                self.sizes = <int64_t *>sizes
            if starts == NULL or sizes == NULL:
                raise MemoryError
            self.room = room
        memmove(self.starts + new, self.starts + old, count * sizeof(int64_t))
        memmove(self.sizes + new, self.sizes + old, count * sizeof(int64_t))
        self.count = new + count
        return 0


def find_lives(list instructions not None, list loops not None):
    """Set ``first`` and ``last`` of all arena roots.

    Parameters
    ----------
    instructions : list of Instruction
    loops : list of Loop
        Inner ones before those around them.

    Returns
    -------
    list of Root
        In order of first use.
    """
    cdef Instruction instruction
    cdef Ref ref
    cdef Root root
    cdef Py_ssize_t number, k
    cdef list roots = []
    for number in range(len(instructions)):
        instruction = instructions[number]
        if instruction.loop is not None:
            for window in instruction.loop.windows:
                touch(window, number, roots)
            continue
        for k in range(4):
            ref = (instruction.d, instruction.a, instruction.b, instruction.c)[k]
            if ref is not None:
                touch(ref.root, number, roots)
    # Where a loop is between the first use of a root and the last, but for one that only it uses.
    cdef list borders = [(loop.begin, loop.end) for loop in loops]
    cdef Py_ssize_t begin, end
    for begin, end in borders:
        for root in roots:
            if root.last < begin or root.first > end or (begin < root.first and root.last < end):
                continue
            root.first, root.last = min(root.first, begin), max(root.last, end)
    roots.sort(key=attrgetter("first"))
    return roots


cdef int touch(Root root, Py_ssize_t number, list roots) except -1:
    while root.kind == "window":
        root = root.parent
    if root.kind == "arena" and not root.pinned:
        if root.first < 0:
            root.first = number
            roots.append(root)
        root.last = number
    return 0


def give_addresses(list instructions not None, list roots not None, int64_t top, in_place):
    """Give roots their addresses.

    Parameters
    ----------
    instructions : list of Instruction
    roots : list of Root
        In order of first use.
    top : int
        Where free memory begins.
    in_place : set of str
        Instructions whose result may take the place of an operand.

    Returns
    -------
    int
        Where it ends.
    """
    cdef Memory memory = Memory(top)
    cdef Root root, donor
    cdef list ending = sorted(roots, key=attrgetter("last"))
    cdef Py_ssize_t begun = 0, ended = 0, count = len(roots), number
    cdef set taken = set()
    while ended < count:
        number = (<Root>ending[ended]).last
        if begun < count:
            number = min(number, (<Root>roots[begun]).first)
        while begun < count and (<Root>roots[begun]).first == number:
            root = roots[begun]
            begun += 1
            donor = donor_of(instructions[number], root, number, in_place)
            if donor is not None and donor not in taken:
                taken.add(donor)
                root.address = donor.address
            else:
                root.address = memory.take(rounded(root.size))
        while ended < count and (<Root>ending[ended]).last == number:
            root = ending[ended]
            ended += 1
            if root not in taken:
                memory.give(root.address, rounded(root.size))
    return memory.top


cdef Root donor_of(Instruction instruction, Root root, Py_ssize_t number, in_place):
    """An operand's root that dies at this instruction and whose place the result may take."""
    cdef Ref d = instruction.d, operand, other
    cdef Root old
    cdef tuple operands = (instruction.a, instruction.b, instruction.c)
    cdef bint otherwise
    if d is None or d.root is not root or root.first == root.last or instruction.op not in in_place:
        return None
    for operand in operands:
        if operand is None:
            continue
        old = operand.root
        if (
            old.last != number or old.kind != "arena" or old is root or old.home is not root.home
            or old.pinned or rounded(old.size) != rounded(root.size)
            or operand.offset != d.offset or operand.strides != d.strides
            or operand.shape != d.shape or operand.dtype.itemsize != d.dtype.itemsize
        ):
            continue
        # It may be another operand's too, which views it in another way.
        otherwise = False
        for other in operands:
            if other is not None and other is not operand and other.root is old:
                if other.offset != operand.offset or other.strides != operand.strides:
                    otherwise = True
        if not otherwise:
            return old
    return None
