"""Where emitted code keeps values: C variables, the arena, or nowhere but in a loop body.

A slot of one element that is touched inside one C function is a variable, which the compiler
keeps in a register. A temporary that one group writes and reads element by element is in no
memory at all. The others share the arena by their lives, counted in steps; what a group makes takes
the place of what it reads last, element by element, so that a tile stays as small as its arrays.
"""

from .._core import Memory, aligned, rounded
from ..lowering.layout import ARENA, WINDOW
from .reroll import Rolled
from .schedule import Block, Group, LoopStep, Other

_STATEMENTS = 300


class Touch:
    """How a root is used over the program."""

    __slots__ = (
        "bodies",
        "first",
        "functions",
        "kinds",
        "last",
        "moved",
        "read",
        "single",
        "steps",
    )

    def __init__(self):
        self.functions, self.bodies, self.steps, self.kinds = set(), set(), set(), set()
        self.first = self.last = None
        self.moved = self.read = False
        self.single = True


class Storage:
    """The places of all roots of a program.

    Attributes
    ----------
    functions : list of list of Step
        The steps at the top, cut into C functions.
    touches : dict of Root to Touch
    variables : dict of Root to str
        Names; the C type is that of the touch's only kind.
    local : set of Root
        Those that are in no memory.
    addresses : dict of Root to int
    homes : dict of Local to (int, int)
        Of the memory of a parallel loop's steps, which addresses of its roots count from: where the
        first step's is, and how much each has.
    arena_bytes : int
    """

    def __init__(self, steps, at_once=True):
        self.functions = list(_cut(steps))
        self.at_once, self.homes = at_once, {}
        self.touches = {}
        self.variables, self.local, self.addresses = {}, set(), {}
        self._count = 0
        self._loops, self._rolled = [], []
        for number, function in enumerate(self.functions):
            self._walk(function, number, (number,))
        for step in self._rolled:
            self.local |= step.find_local(self.touches)
        for root, touch in self.touches.items():
            if root.kind != ARENA or root.pinned or root in self.local:
                continue
            if self._is_variable(root, touch):
                self.variables[root] = f"v{len(self.variables)}"
            elif self._is_local(root, touch):
                self.local.add(root)
        self.arena_bytes = self._plan()

    # ---- uses -----------------------------------------------------------------------------------

    def _walk(self, steps, function, body):
        for step in steps:
            step.number = self._count
            self._count += 1
            if isinstance(step, LoopStep):
                begin = step.number
                self._walk(step.body, function, (*body, begin))
                self._loops.append((begin, self._count))
                self._count += 1
            elif isinstance(step, Block):
                for instruction in step.instructions:
                    self._note_instruction(instruction, step, function, body)
            elif isinstance(step, Other):
                self._note_instruction(step.instruction, step, function, body, whole=True)
            elif isinstance(step, Rolled):
                self._rolled.append(step)
                for instruction in step.instructions:
                    self._note_instruction(instruction, step, function, body)
            else:
                for member in step.members:
                    self._note_instruction(member.instruction, step, function, body)

    def _note_instruction(self, instruction, step, function, body, whole=False):
        d = instruction.d
        reads = [r for r in (instruction.a, instruction.b, instruction.c) if r is not None]
        for ref in [*reads, d]:
            root = ref.root.ultimate()
            touch = self.touches.get(root)
            if touch is None:
                touch = self.touches[root] = Touch()
                touch.first = step.number
            touch.last = step.number
            touch.functions.add(function)
            touch.bodies.add(body)
            touch.steps.add(step)
            touch.kinds.add("float64" if ref.truth else ref.dtype.name)
            touch.moved |= ref.root.kind == WINDOW
            touch.read |= ref is not d
            spread = any(s for n, s in zip(ref.shape, ref.strides, strict=True) if n != 1)
            touch.single &= not spread and ref.offset == 0 and not ref.ahead
            if instruction.op in ("SCATTER_SET", "SCATTER_ADD") and ref is d:
                touch.read = True

    def _is_variable(self, root, touch):
        return (
            root.size <= 8
            and touch.single
            and not touch.moved
            and not any(isinstance(step, Rolled) for step in touch.steps)
            and len(touch.kinds) == 1
            and len(touch.functions) == 1
        )

    def _is_local(self, root, touch):
        if len(touch.steps) != 1:
            return False
        (step,) = touch.steps
        if not isinstance(step, Group):
            return False
        written = set()
        for member in step.members:
            for view in member.operands:
                if view.root is root and view.key not in written:
                    return False
            if member.result.root is root:
                if member.reduces:
                    return False
                written.add(member.result.key)
        return True

    # ---- the arena ------------------------------------------------------------------------------

    def _plan(self):
        lives = []
        for root, touch in self.touches.items():
            if root.kind != ARENA or root in self.variables or root in self.local:
                continue
            first, last = touch.first, touch.last
            # Inner loops are listed before outer ones.
            for begin, end in self._loops:
                if last < begin or first > end or (begin < first and last < end):
                    continue
                first, last = min(first, begin), max(last, end)
            lives.append((first, last, root))
        by_home = {}
        for life in lives:
            by_home.setdefault(life[2].home, []).append(life)
        top = self._allocate(by_home.pop(None, []))
        for home, members in by_home.items():
            size = self._allocate(members)
            self.homes[home] = top, size
            top += size * (home.window.loop.trip if self.at_once else 1)
        return top

    def _allocate(self, lives):
        """Give roots their addresses, from 0 on; returns how much they take."""
        lives.sort(key=lambda life: life[:2])
        memory, ending = Memory(0), {}
        position = 0
        for number in range(self._count):
            while position < len(lives) and lives[position][0] == number:
                _, last, root = lives[position]
                old = self._replaced(root, number, ending.get(number, ()))
                if old is None:
                    self.addresses[root] = memory.take(rounded(root.size))
                else:
                    self.addresses[root] = self.addresses[old]
                    ending[number].remove(old)
                ending.setdefault(last, []).append(root)
                position += 1
            for root in ending.pop(number, ()):
                memory.give(self.addresses[root], rounded(root.size))
        return aligned(memory.top)

    def _replaced(self, root, number, ending):
        """Give a root whose place another may take in the group where it is read last, or None."""
        if not ending or root.pinned:
            return None
        group = next((s for s in self.touches[root].steps if s.number == number), None)
        # Trigonometry may compute a chunk twice, and then reads its arguments again.
        if not isinstance(group, Group) or group.has_trigonometry:
            return None
        kinds, size = self.touches[root].kinds, rounded(root.size)
        for old in ending:
            if old.pinned or rounded(old.size) != size or len(kinds) != 1:
                continue
            if self.touches[old].kinds == kinds and _is_replaced(group.members, old, root):
                return old
        return None


def _is_replaced(members, old, new):
    """Whether each element of an old root is read for the last time before it is written in a new.

    Loads of a piece of a body come before its stores, so a reader may be the writer.
    """
    seen = place = None
    for member in members:
        for view in member.operands:
            if view.root is old:
                if member.reduces or seen is not None:
                    return False
                if place is not None and not _same_place(view, place):
                    return False
                place = view
        views = [member.result, *(v for v in member.operands if v.root is new)]
        for view in views:
            if view.root is old:
                return False
            if view.root is new:
                if place is None or not _same_place(view, place):
                    return False
                if view is member.result:
                    if member.reduces:
                        return False
                    seen = view
    return seen is not None


def _same_place(view, other):
    """Whether elements of two roots are at the same places, counted from where the roots begin."""
    return view.shape == other.shape and view.key[1:] == other.key[1:]


def weight(step):
    """Give the number of C statements of a step, about."""
    if isinstance(step, LoopStep):
        return 2 + sum(map(weight, step.body))
    if isinstance(step, Block):
        return len(step.instructions)
    if isinstance(step, Rolled):
        return step.period + 2
    return 2 * len(step.members) if isinstance(step, Group) else 3


def is_parallel(function):
    """Whether a C function is the steps of a parallel loop."""
    return len(function) == 1 and isinstance(function[0], LoopStep) and function[0].loop.parallel


def _cut(steps):
    """Give the steps in pieces of a few hundred statements, parallel loops by themselves."""
    piece, found = [], False
    for step in steps:
        if is_parallel([step]):
            if piece:
                yield from _cut_sequence(piece)
            yield [step]
            piece, found = [], True
        else:
            piece.append(step)
    if piece or not found:
        yield from _cut_sequence(piece)


def _cut_sequence(steps):
    if sum(map(weight, steps)) <= 2 * _STATEMENTS:
        yield steps
        return
    piece, size = [], 0
    for step in steps:
        parts = [step]
        if isinstance(step, Block) and len(step.instructions) > _STATEMENTS:
            parts = list(_pieces(step))
        for part in parts:
            if piece and size + weight(part) > _STATEMENTS:
                yield piece
                piece, size = [], 0
            piece.append(part)
            size += weight(part)
    yield piece


def _pieces(block):
    for start in range(0, len(block.instructions), _STATEMENTS):
        part = Block()
        part.instructions = block.instructions[start : start + _STATEMENTS]
        part.reads, part.writes = block.reads, block.writes
        yield part
