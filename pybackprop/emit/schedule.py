"""What is emitted in which order: instructions as a tree of steps.

A step is a block of statements on single elements, a group of elementwise instructions and
reductions over one space of elements, any other instruction, or a loop. An instruction moves up
past steps that it does not depend on to the group that it fits in, and statements to the block
before, so that groups get long.
"""

import math

from ..lowering.layout import WINDOW
from .rows import TRIGONOMETRIC, is_elementwise, is_vector

REDUCTIONS = {"SUM", "PROD", "MAX_OF", "MIN_OF", "DOT"}
ACC, COLUMNS = 8, 16
_FARTHEST = 24
_LONGEST = 64


class View:
    """Where a ref is, apart from the windows it is seen through.

    Attributes
    ----------
    root : Root
        Not a window.
    chain : tuple
        The loops that move it, each with its step in bytes.
    offset : int
    shape, strides : tuple of int
        Without axes of extent one.
    item : int
    ref : Ref
    """

    __slots__ = ("chain", "item", "offset", "ref", "root", "shape", "strides")

    def __init__(self, ref, shape=None, strides=None):
        root, chain = ref.root, []
        offset = ref.offset + ref.ahead * abs(root.bump)
        while root.kind == WINDOW:
            offset += root.offset
            if root.bump:
                chain.append((id(root.loop), root.bump))
            root = root.parent
        self.ref = ref
        self.root, self.chain, self.offset = root, tuple(chain), offset
        shape = ref.shape if shape is None else shape
        strides = ref.strides if strides is None else strides
        kept = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
        self.shape = tuple(n for n, _ in kept)
        self.strides = tuple(s for _, s in kept)
        self.item = 8 if ref.truth else ref.dtype.itemsize

    @property
    def key(self):
        """What tells it from other views."""
        return self.root, self.chain, self.offset, self.strides, self.item

    def is_single(self):
        """Whether it reaches one element only."""
        return not any(self.strides)

    def same(self, other):
        """Whether each element is at the place of the other's."""
        return self.key == other.key

    def span(self):
        """Give the first byte and the one behind the last."""
        low = high = self.offset
        for n, s in zip(self.shape, self.strides, strict=True):
            low, high = (low + (n - 1) * s, high) if s < 0 else (low, high + (n - 1) * s)
        return low, high + self.item

    def apart(self, other):
        """Whether it is certain that they share no byte."""
        if self.root is not other.root:
            return True
        if self.chain != other.chain:
            return False
        a, b = self.span(), other.span()
        if a[1] <= b[0] or b[1] <= a[0]:
            return True
        (start, width, steps), (other_start, other_width, other_steps) = (
            self._pieces(),
            other._pieces(),
        )
        period = math.gcd(*steps, *other_steps)
        if not period:
            return False
        distance = (other_start - start) % period
        return distance >= width and period - distance >= other_width

    def _pieces(self):
        """Start and width of contiguous pieces, and the distances at which they repeat."""
        width = self.item
        start = self.span()[0]
        steps = []
        for n, s in sorted(zip(self.shape, self.strides, strict=True), key=lambda p: abs(p[1])):
            if abs(s) == width:
                width *= n
            elif s:
                steps.append(abs(s))
        return start, width, steps

    def reshaped(self, shape):
        """Give the view with another shape of as many elements, or None."""
        if shape == self.shape:
            return self
        ref = self.ref.viewed(self.ref.offset, self.shape, self.strides).reshaped(shape)
        return None if ref is None else View(ref)


class Step:
    """A part of the program; ``reads`` and ``writes`` are roots."""

    def __init__(self):
        self.reads, self.writes = set(), set()
        self.number = None

    def note(self, reads, writes):
        """Add what an instruction touches."""
        self.reads |= reads
        self.writes |= writes

    def depends(self, reads, writes):
        """Whether something that reads and writes roots must stay on its side of the step."""
        return not (
            self.writes.isdisjoint(reads)
            and self.writes.isdisjoint(writes)
            and self.reads.isdisjoint(writes)
        )


class Block(Step):
    """Statements: instructions on single elements."""

    def __init__(self):
        super().__init__()
        self.instructions = []


class Other(Step):
    """An instruction by itself."""

    def __init__(self, instruction):
        super().__init__()
        self.instruction = instruction


class LoopStep(Step):
    """A loop and the steps inside."""

    def __init__(self, loop, body):
        super().__init__()
        self.loop, self.body = loop, body
        for step in body:
            self.note(step.reads, step.writes)


class Member:
    """An instruction in a group: its views over the group's space of elements."""

    __slots__ = ("instruction", "operands", "result")

    def __init__(self, instruction, result, operands):
        self.instruction, self.result, self.operands = instruction, result, operands

    @property
    def reduces(self):
        """Whether it is a reduction."""
        return self.instruction.op in REDUCTIONS

    def is_narrow(self):
        """Whether it sums the rows of a few columns, which needs a loop of its own."""
        columns = self.reduces and self.instruction.flags & COLUMNS
        return bool(columns) and self.operands[0].shape[-1] < 16

    def reshaped(self, shape):
        """Give the same over another shape, or None."""
        views = [v.reshaped(shape) for v in (self.result, *self.operands)]
        if any(v is None for v in views):
            return None
        return Member(self.instruction, views[0], views[1:])


class Group(Step):
    """Instructions in one loop body.

    Attributes
    ----------
    shape : tuple of int
        The space of elements.
    members : list of Member
    """

    def __init__(self, member, shape):
        super().__init__()
        self.shape = shape
        self.members = [member]
        self.vector = is_vector(member.instruction.op)

    @property
    def reduces(self):
        """Whether a reduction has settled the axes."""
        return any(m.reduces for m in self.members)

    @property
    def has_trigonometry(self):
        """Whether a function is in it that has a fast form for small arguments."""
        return any(m.instruction.op in TRIGONOMETRIC for m in self.members)

    def add(self, member, shape):
        """Take a member in, if it fits; whether it did."""
        if len(self.members) >= _LONGEST:
            return False
        if (is_vector(member.instruction.op)) != self.vector:
            return False
        if any(m.is_narrow() for m in (self.members[0], member)):
            return False
        members, space = self.members, self.shape
        if shape != space:
            if math.prod(shape) != math.prod(space):
                return False
            fitted = None if member.reduces else member.reshaped(space)
            if fitted is not None:
                member = fitted
            elif self.reduces:
                return False
            else:
                members = [m.reshaped(shape) for m in members]
                if any(m is None for m in members):
                    return False
                space = shape
        if member.reduces and not any(
            m.result.same(o) for m in members for o in member.operands if not m.reduces
        ):
            # Over what is in memory anyway, it is better by itself.
            return False
        if not all(_fits(m, member) for m in members):
            return False
        self.shape = space
        self.members = [*members, member]
        return True


def _fits(old, new):
    for result, others in ((old.result, new.operands), (new.result, old.operands)):
        reduces = old.reduces if result is old.result else new.reduces
        for other in others:
            if not (result.apart(other) or (not reduces and result.same(other))):
                return False
    if old.result.apart(new.result):
        return True
    return old.result.same(new.result) and not old.reduces and not new.reduces


def member_of(instruction):
    """Give an elementwise instruction or a reduction as a member of a group, and its shape."""
    if instruction.op in REDUCTIONS:
        return _reduction(instruction)
    operands = [View(r) for r in (instruction.a, instruction.b, instruction.c) if r is not None]
    shape = tuple(n for n in instruction.d.shape if n != 1)
    if instruction.op == "COPY" and instruction.flags & ACC:
        operands.insert(0, View(instruction.d))
    return Member(instruction, View(instruction.d), operands), shape


def _reduction(instruction):
    outer, rows, cols, d_outer, d_row, a_outer, a_row, b_outer, b_row = instruction.params[:9]
    extents = (outer, rows, cols)
    d = instruction.d
    columns = bool(instruction.flags & COLUMNS)
    d_steps = (d_outer, 0, d.dtype.itemsize) if columns else (d_outer, d_row, 0)
    operands = [
        View(ref.viewed(ref.offset, extents, (*steps, ref.dtype.itemsize)))
        for ref, steps in ((instruction.a, (a_outer, a_row)), (instruction.b, (b_outer, b_row)))
        if ref is not None
    ]
    result = View(d.viewed(d.offset, extents, d_steps))
    return Member(instruction, result, operands), result.shape


def build(lowering):
    """Give the tree of steps of a finished lowering."""
    steps, stack = [], []
    for instruction in lowering.instructions:
        if instruction.op == "LOOP_BEGIN":
            stack.append(steps)
            steps = []
        elif instruction.op == "LOOP_END":
            body, steps = steps, stack.pop()
            steps.append(LoopStep(instruction.loop, body))
        else:
            _place(steps, instruction)
    return steps


def touched(instruction):
    """Give the roots that an instruction reads, and those that it writes."""
    reads = {
        r.root.ultimate() for r in (instruction.a, instruction.b, instruction.c) if r is not None
    }
    return reads, {instruction.d.root.ultimate()}


def is_statement(instruction):
    """Whether it works on single elements."""
    op = instruction.op
    if op in ("SLOAD", "SSTORE"):
        return True
    if _may_fail(instruction):
        return False
    return (op == "ZERO" or is_elementwise(op)) and instruction.d.size == 1


def _may_fail(instruction):
    """Whether it is a power of integers, whose exponents are checked first."""
    return instruction.op == "POW" and instruction.a.dtype.kind == "i"


def _place(steps, instruction):
    reads, writes = touched(instruction)
    if is_statement(instruction):
        step = _block_for(steps, reads, writes)
        step.instructions.append(instruction)
    elif not _may_fail(instruction) and (
        instruction.op == "ZERO" or is_elementwise(instruction.op) or _is_reduction(instruction)
    ):
        step = _group_for(steps, instruction, reads, writes)
    else:
        step = Other(instruction)
        steps.append(step)
    step.note(reads, writes)


def _is_reduction(instruction):
    return (
        instruction.op in REDUCTIONS
        and instruction.a.dtype.kind == "f"
        and 0 not in instruction.params[:3]
    )


def _block_for(steps, reads, writes):
    """Give the latest block that a statement may be appended to, or a new early one."""
    position = len(steps)
    for k in range(len(steps) - 1, max(-1, len(steps) - 1 - _FARTHEST), -1):
        if isinstance(steps[k], Block):
            return steps[k]
        if steps[k].depends(reads, writes):
            break
        position = k
    step = Block()
    steps.insert(position, step)
    return step


def _group_for(steps, instruction, reads, writes):
    """Give the group that an instruction has joined, or a new one."""
    member, shape = member_of(instruction)
    for k in range(len(steps) - 1, max(-1, len(steps) - 1 - _FARTHEST), -1):
        step = steps[k]
        if isinstance(step, Group) and step.add(member, shape):
            return step
        if step.depends(reads, writes):
            break
    steps.append(Group(member, shape))
    return steps[-1]
