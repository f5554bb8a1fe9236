"""Long straight code back into loops.

Tracing unrolls a Python loop over scalars, and a C compiler needs minutes for ten thousand
statements in a row. Where a sequence of instructions repeats, with other operands, it becomes a
loop: places that move evenly are computed from the counter, others come from tables. It is the
same instructions in the same order on the same places, so results do not change.
"""

import numpy as np

from ..lowering.layout import ARENA, CONST, INPUT, OUTPUT
from .schedule import Block, Step, touched

SCALAR = 1 << 15
_WINDOW = 12  # instructions that must be alike before a repetition is looked at
_FEWEST = 4  # iterations
_LEAST = 64  # instructions that a loop must stand for
_LONGEST = 4096  # instructions of one iteration
_CANDIDATES = 32  # periods that are tried from one place


class Rolled(Step):
    """A sequence of instructions on single elements that repeats.

    Attributes
    ----------
    period : int
        Instructions of one iteration.
    instructions : list of Instruction
        Of all iterations.
    makers : dict or None
        Which statement makes an operand, once :meth:`find_local` has found out.
    """

    def __init__(self, instructions, period):
        super().__init__()
        self.instructions, self.period = instructions, period
        self.makers = None
        for instruction in instructions:
            self.note(*touched(instruction))

    @property
    def first(self):
        """The instructions of the first iteration."""
        return self.instructions[: self.period]

    def find_local(self, touches):
        """Roots that no other iteration and no other step touches.

        Returns
        -------
        set of Root
        """
        seen, shared = {}, set()
        for number, instruction in enumerate(self.instructions):
            iteration = number // self.period
            for ref in instruction.refs():
                root = ref.root
                if seen.setdefault(root, iteration) != iteration:
                    shared.add(root)
        local = {
            root
            for root in seen
            if root not in shared
            and root.kind == ARENA
            and not root.pinned
            and touches[root].steps == {self}
        }
        self.makers = self._find_makers()
        for j, column in enumerate(self.columns):
            for letter in "abc":
                if getattr(column[0], letter) is not None and self.makers[j, letter] is None:
                    local.difference_update(getattr(i, letter).root for i in column)
        # A statement stores its results in all iterations or in none.
        before = None
        while before != len(local):
            before = len(local)
            for column in self.columns:
                roots = {i.d.root for i in column}
                if not roots <= local:
                    local -= roots
        return local

    @property
    def columns(self):
        """Per statement, its instructions in all iterations."""
        return [self.instructions[j :: self.period] for j in range(self.period)]

    def _find_makers(self):
        """Per operand, which statement of the same iteration makes it, if always the same one."""
        found, latest = {}, {}
        for number, instruction in enumerate(self.instructions):
            j = number % self.period
            if j == 0:
                latest = {}
            for letter in "abc":
                ref = getattr(instruction, letter)
                if ref is None:
                    continue
                maker = latest.get((ref.root, ref.offset))
                if number < self.period:
                    found[j, letter] = maker
                elif found[j, letter] != maker:
                    found[j, letter] = None
            latest[instruction.d.root, instruction.d.offset] = j
        return found


def reroll(steps):
    """The steps with the repetitions of straight code at the top as loops.

    Parameters
    ----------
    steps : list of Step

    Returns
    -------
    list of Step
    """
    result = []
    for step in steps:
        if isinstance(step, Block) and len(step.instructions) >= _LEAST:
            result.extend(_parts(step))
        else:
            result.append(step)
    return result


def _parts(block):
    """A block as blocks and loops."""
    instructions = block.instructions
    kinds = _numbered([_kind(i) for i in instructions])
    following = _next_alike(kinds)
    ends = {}
    straight, position = [], 0
    while position < len(instructions):
        period, count = _best_period(kinds, following, position, ends)
        if count:
            if straight:
                yield _straight(block, straight)
                straight = []
            stop = position + count * period
            yield Rolled(instructions[position:stop], period)
            position = stop
        else:
            straight.append(instructions[position])
            position += 1
    if straight:
        yield _straight(block, straight)


def _best_period(kinds, following, position, ends):
    """The period that saves most statements from here on, and how often it repeats; else 0, 0.

    Loops inside of loops, and loops in which every tenth step differs, have several.
    """
    best, saved, later = (0, 0), 0, position
    for _ in range(_CANDIDATES):
        if not following[later]:
            break
        later += following[later]
        period = later - position
        if period > _LONGEST:
            break
        count = (_end_of_repetition(kinds, position, period, ends) - position) // period + 1
        if count >= _FEWEST and count * period >= _LEAST and (count - 1) * period > saved:
            best, saved = (period, count), (count - 1) * period
    return best


def _straight(block, instructions):
    part = Block()
    part.instructions = instructions
    part.reads, part.writes = block.reads, block.writes
    return part


def _kind(instruction):
    """What must be alike in every iteration; None for what is not put into loops."""
    if instruction.op in ("COPY", "ZERO", "CAST"):
        return None
    places = []
    for ref in (instruction.d, instruction.a, instruction.b, instruction.c):
        if ref is None:
            places.append(None)
            continue
        root = ref.root
        if root.kind == ARENA:
            where = "literal" if root.pinned else "arena"
        elif root.kind in (INPUT, OUTPUT):
            where = (root.kind, root.number)
        elif root.kind == CONST:
            where = "literal"
        else:
            return None
        places.append((where, ref.truth, ref.dtype.name))
    return (instruction.op, instruction.flags, *places)


def _numbered(kinds):
    """Kinds as numbers; those of None are all different."""
    numbers, result = {}, []
    for position, kind in enumerate(kinds):
        if kind is None:
            result.append(-1 - position)
        else:
            result.append(numbers.setdefault(kind, len(numbers)))
    return result


def _next_alike(kinds):
    """Per position, how far ahead the same few kinds begin again; 0 if they do not."""
    result, latest = [0] * len(kinds), {}
    for position in range(len(kinds) - _WINDOW, -1, -1):
        key = tuple(kinds[position : position + _WINDOW])
        later = latest.get(key)
        if later is not None and later - position <= _LONGEST:
            result[position] = later - position
        latest[key] = position
    return result


def _end_of_repetition(kinds, position, period, ends):
    """The first position from which kinds differ from those one period later."""
    end = ends.get(period, 0)
    if end <= position:
        end = position
        last = len(kinds) - period
        while end < last and kinds[end] == kinds[end + period]:
            end += 1
        ends[period] = end
    return end


# ---- writing ------------------------------------------------------------------------------------


def write_rolled(writer, step):
    """Write the loop of a :class:`Rolled` step with a :class:`~.writer.FunctionWriter`."""
    _RolledWriter(writer, step).write()


class _RolledWriter:
    def __init__(self, writer, step):
        self.writer, self.step = writer, step
        self.count = len(step.instructions) // step.period
        self.tables = {}
        self.counter = writer.name("t")

    def write(self):
        writer = self.writer
        names, lines = {}, []
        for j, column in enumerate(self.step.columns):
            operands = []
            for letter in "abc":
                if getattr(column[0], letter) is None:
                    continue
                maker = self.step.makers[j, letter]
                refs = [getattr(i, letter) for i in column]
                operands.append(names[maker] if maker is not None else self._read(refs))
            text = writer.text(column[0], operands)
            name = names[j] = writer.name("x")
            kind = writer.kind(column[0].d)
            lines.append(f"const {kind} {name} = {text};")
            if column[0].d.root not in writer.storage.local:
                place = self._place([i.d for i in column])
                lines.append(f"*({kind} *)({place}) = {name};")
            else:
                lines.append(f"(void){name};")
        # In a block of its own, for the tables.
        writer.open("{")
        for (kind, text), name in self.tables.items():
            writer.line(f"static const {kind} {name}[{self.count}] = {{{text}}};")
        counter = self.counter
        writer.open(f"for (int64_t {counter} = 0; {counter} < {self.count}; {counter}++) {{")
        for line in lines:
            writer.line(line)
        writer.close()
        writer.close()

    def _read(self, refs):
        """The C expression of an operand."""
        writer, first = self.writer, refs[0]
        if _is_literal(first.root):
            texts = [writer.value(ref) for ref in refs]
            if len(set(texts)) == 1:
                return texts[0]
            return f"{self._table(writer.kind(first), texts)}[{self.counter}]"
        kind = writer.kind(first)
        const = "const " if first.root.kind == INPUT else ""
        return f"(*({const}{kind} *)({self._place(refs)}))"

    def _place(self, refs):
        """The C expression of an address."""
        writer, first = self.writer, refs[0].root
        if first.kind == ARENA:
            base = "A"
            writer.used.add("A")
            offsets = np.array([writer.storage.addresses[r.root] + r.offset for r in refs])
        else:
            base = writer.base(first)
            offsets = np.array([r.offset for r in refs])
        steps = np.unique(np.diff(offsets))
        if len(steps) > 1:
            return f"{base} + {self._table('int64_t', offsets.tolist())}[{self.counter}]"
        if steps[0] == 0:
            return f"{base} + {offsets[0]}"
        sign, step = ("-", -steps[0]) if steps[0] < 0 else ("+", steps[0])
        return f"{base} + {offsets[0]} {sign} {self.counter} * {step}"

    def _table(self, kind, numbers):
        """The name of a table of as many entries as iterations; equal ones are one."""
        text = ", ".join(map(str, numbers))
        name = self.tables.get((kind, text))
        if name is None:
            name = self.tables[kind, text] = self.writer.name("q")
        return name


def _is_literal(root):
    return root.kind == CONST or (root.kind == ARENA and root.pinned)
