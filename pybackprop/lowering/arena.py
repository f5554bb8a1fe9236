"""The arena plan: when every slot lives, and where.

A slot lives from the first instruction that touches it to the last; if that range crosses the
border of a loop, it covers the loop. Slots whose lives do not overlap share memory. An elementwise
result takes the place of an operand of the same layout that dies there.
"""

from bisect import bisect_left, insort

from .layout import ARENA

ALIGNMENT = 64
# Instructions whose kernels allow the result to be an operand, element by element.
IN_PLACE = {
    "MOV", "NEG", "ABS", "SIGN", "SQUARE", "ADD", "SUB", "MUL", "MAX", "MIN", "RECIPROCAL",
    "SQRT", "CBRT", "EXP", "EXP_NORMAL", "GAUSS", "EXP2", "EXPM1", "LOG", "LOG2", "LOG10", "LOG1P",
    "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "SINH", "COSH", "TANH", "ASINH", "ACOSH",
    "ATANH", "ERF", "ERFC", "SIGMOID", "SOFTPLUS", "FLOOR", "CEIL", "RINT", "TRUNC", "FINITE",
    "DIV", "MULZ", "FMA", "FMS", "FNMA", "NMUL", "TANH_BACK", "SIGMOID_BACK", "RELU",
    "RELU_GATE", "MAX_GATE", "MIN_GATE",
}  # fmt: skip


def plan(lowering):
    """Give every arena root of a lowering its address; returns the bytes of image and arena."""
    image = 0
    for root in lowering.image.values():
        root.address = image
        image += 8
    top = -(-image // ALIGNMENT) * ALIGNMENT
    roots = _lives(lowering)
    by_home = {}
    for root in roots:
        by_home.setdefault(root.home, []).append(root)
    main = by_home.pop(None, [])
    for home, members in by_home.items():
        # A part of one block per step; cache lines are not shared.
        size = -(-_allocate(lowering, members, 0) // ALIGNMENT) * ALIGNMENT
        home.window.size = home.window.bump = size
        home.window.parent.size = size * home.window.loop.trip
    return image, _allocate(lowering, main, top)


def _lives(lowering):
    """Set ``first`` and ``last`` of all arena roots; returns these in order of first use."""
    roots = []
    for number, instruction in enumerate(lowering.instructions):
        if instruction.loop is not None:
            touched = instruction.loop.windows
        else:
            touched = [r.root for r in instruction.refs()]
        for root in touched:
            if root.kind is not ARENA:
                root = root.ultimate()
                if root.kind is not ARENA:
                    continue
            if root.pinned:
                continue
            if root.first is None:
                root.first = number
                roots.append(root)
            root.last = number
    # Inner loops were closed before outer ones, but begun after: inner first.
    borders = sorted(((loop.end - loop.begin, loop) for loop in lowering.loops), key=lambda p: p[0])
    if borders:
        _stretch(roots, [loop for _, loop in borders])
    roots.sort(key=lambda root: root.first)
    return roots


def _stretch(roots, loops):
    for root in roots:
        for loop in loops:
            begin, end = loop.begin, loop.end
            if root.last < begin or root.first > end or (begin < root.first and root.last < end):
                continue
            root.first, root.last = min(root.first, begin), max(root.last, end)


def _allocate(lowering, roots, top):
    starting, ending = {}, {}
    for root in roots:
        starting.setdefault(root.first, []).append(root)
        ending.setdefault(root.last, []).append(root)
    memory = _Memory(top)
    taken = set()
    instructions = lowering.instructions
    for number in sorted({*starting, *ending}):
        for root in starting.get(number, ()):
            donor = _donor(instructions[number], root, number) if root.address is None else None
            if donor is not None and donor not in taken:
                taken.add(donor)
                root.address = donor.address
            else:
                root.address = memory.take(_rounded(root.size))
        for root in ending.get(number, ()):
            if root not in taken:
                memory.give(root.address, _rounded(root.size))
    return memory.top


def _donor(instruction, root, number):
    """An operand's root that dies at this instruction and whose place the result may take."""
    d = instruction.d
    if instruction.op not in IN_PLACE or d is None or d.root is not root or root.first == root.last:
        return None
    for operand in (instruction.a, instruction.b, instruction.c):
        if (
            operand is not None
            and operand.root.last == number
            and operand.root.kind is ARENA
            and operand.root is not root
            and operand.root.home is root.home
            and not operand.root.pinned
            and _rounded(operand.root.size) == _rounded(root.size)
            and operand.offset == d.offset
            and operand.strides == d.strides
            and operand.shape == d.shape
            and operand.dtype.itemsize == d.dtype.itemsize
            and not _seen_otherwise(operand, instruction)
        ):  # fmt: skip
            return operand.root
    return None


def _seen_otherwise(operand, instruction):
    """Whether an operand's root is another operand's too, which views it in another way."""
    for other in (instruction.a, instruction.b, instruction.c):
        if other is not None and other is not operand and other.root is operand.root:
            if (other.offset, other.strides) != (operand.offset, operand.strides):
                return True
    return False


def _rounded(size):
    return -(-size // 8) * 8 if size < ALIGNMENT else -(-size // ALIGNMENT) * ALIGNMENT


class _Memory:
    """Free blocks by address and small ones by size; best fit."""

    def __init__(self, top):
        self.top = top
        self.small = {}
        self.addresses = []
        self.sizes = {}

    def take(self, size):
        if size < ALIGNMENT:
            stack = self.small.get(size)
            if stack:
                return stack.pop()
            address = self.top
            self.top += size
            return address
        best = None
        for address in self.addresses:
            free = self.sizes[address]
            if free >= size and (best is None or free < self.sizes[best]):
                best = address
                if free == size:
                    break
        if best is None:
            address = -(-self.top // ALIGNMENT) * ALIGNMENT
            if self.addresses:
                # Extend a free block at the very end.
                last = self.addresses[-1]
                if last + self.sizes[last] == self.top:
                    self.addresses.pop()
                    del self.sizes[last]
                    address = last
            self.top = address + size
            return address
        free = self.sizes.pop(best)
        del self.addresses[bisect_left(self.addresses, best)]
        if free > size:
            insort(self.addresses, best + size)
            self.sizes[best + size] = free - size
        return best

    def give(self, address, size):
        if size < ALIGNMENT:
            self.small.setdefault(size, []).append(address)
            return
        index = bisect_left(self.addresses, address)
        if index < len(self.addresses) and self.addresses[index] == address + size:
            size += self.sizes.pop(self.addresses[index])
            del self.addresses[index]
        if index > 0:
            before = self.addresses[index - 1]
            if before + self.sizes[before] == address:
                self.sizes[before] += size
                return
        self.addresses.insert(index, address)
        self.sizes[address] = size
