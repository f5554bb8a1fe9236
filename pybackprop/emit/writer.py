"""One C function: its statements, loops, groups and other instructions as lines of text.

Places in memory are read into constants once per straight stretch of code and remembered until
something may have changed them. The slots of a frame that one step writes for the next are
carried in variables as well, so that a loop's chain of dependences does not go through memory.
"""

import numpy as np

from ..lowering.layout import ARENA, CONST, INPUT, WINDOW
from .groups import GroupWriter, plain_operation
from .others import write_other
from .reroll import Rolled, write_rolled
from .rows import c_type, expression, is_function, literal
from .schedule import ACC, Block, Group, LoopStep, Other, View

F64 = np.dtype(np.float64)
SCALAR = 1 << 15
_POLL = 1 << 20


class FunctionWriter:
    """Writes one function.

    Attributes
    ----------
    lines : list of str
    storage : Storage
    numbers : dict of int to int
        By the identity of an instruction, its number in the tape.
    constants : ConstantTable
    host : bool
        Whether there is a host to poll and to multiply large matrices.
    often : set of (str, str)
        Instruction and dtype of functions that many statements call.
    outlined : dict of (str, str) to str
        By instruction and dtype, the functions that are called out of line.
    used : set of Root
        Regions that the code names.
    parallel : LoopStep or None
        The loop of which the function runs some steps.
    """

    def __init__(self, storage, numbers, constants, host, often, outlined):
        self.often, self.outlined = often, outlined
        self.storage, self.numbers, self.constants, self.host = storage, numbers, constants, host
        self.lines, self.depth = [], 1
        self.used, self.windows = set(), {}
        self.declared, self.hoisted = set(), {}
        self.cache = {}
        self.carried, self.following = {}, {}
        self.count = 0
        self.loops = 0
        self.parallel = None

    # ---- text -----------------------------------------------------------------------------------

    def margin(self):
        """Give what a line begins with."""
        return "    " * self.depth

    def line(self, text):
        """Append a line."""
        self.lines.append(self.margin() + text)

    def open(self, text):
        """Append a line and indent what follows."""
        self.line(text)
        self.depth += 1

    def close(self):
        """End what was opened."""
        self.depth -= 1
        self.line("}")

    def name(self, letter):
        """Give a new name."""
        self.count += 1
        return f"{letter}{self.count}"

    def poll_lines(self, condition, work):
        """Lines that ask the host whether to go on, after ``work`` elements."""
        if not self.host:
            return []
        return [
            f"if ({condition} && host->poll(host, {max(work, 1)}) != 0) {{",
            "    return 8;",
            "}",
        ]

    def poll_every(self, counter, extent, work, inside=False):
        """Poll every million elements of a loop whose steps take ``work`` elements each."""
        if inside or extent * work <= 2 * _POLL:
            return
        every = max(1, _POLL // max(work, 1))
        condition = f"{counter} % {every} == {every - 1}" if every > 1 else "1"
        for line in self.poll_lines(condition, every * work):
            self.line(line)

    # ---- places ---------------------------------------------------------------------------------

    def base(self, root):
        """Give the C expression of where a region begins."""
        if root.kind == ARENA:
            address = self.storage.addresses[root]
            name = self._arena(root)
            return f"{name} + {address}" if address else name
        if root.kind == CONST:
            return self.constants.base(root)
        self.used.add(root)
        if root.kind == WINDOW:
            self.base(root.parent)
            name = self.windows.get(root)
            if name is None:
                name = self.windows[root] = f"w{len(self.windows)}"
            return name
        return f"{'in' if root.kind == INPUT else 'out'}{root.number}"

    def _arena(self, root):
        """Name the memory that a root of the arena is in: all, or a step's of a parallel loop."""
        self.used.add("A")
        return "A" if root.home is None else "L"

    def address(self, ref):
        """Give the C expression of where a ref begins, without parentheses."""
        offset = ref.offset + ref.ahead * abs(ref.root.bump)
        root = ref.root
        if root.kind == ARENA:
            return f"{self._arena(root)} + {self.storage.addresses[root] + offset}"
        if root.kind == CONST:
            return self.constants.address(root, offset)
        base = self.base(root)
        return f"{base} + {offset}" if offset else base

    def pointer(self, ref, kind=None):
        """Give a pointer to the first element of a ref."""
        kind = kind or self.kind(ref)
        name = self.storage.variables.get(ref.root)
        if name is not None:
            self.hoist(ref.root)
            return f"&{name}"
        if ref.root.kind == ARENA and ref.root.pinned:
            name = self.name("m")
            self.line(f"const {kind} {name} = {self._literal(ref)};")
            return f"&{name}"
        const = "const " if ref.root.ultimate().kind in (INPUT, CONST) else ""
        return f"({const}{kind} *)({self.address(ref)})"

    def kind(self, ref):
        """Give the C type of an element of a ref."""
        return "double" if ref.truth else c_type(ref.dtype)

    def hoist(self, root):
        """Have a variable declared at the top of the function."""
        if root not in self.declared:
            (kind,) = self.storage.touches[root].kinds
            self.declared.add(root)
            self.hoisted[root] = f"{c_type(np.dtype(kind))} {self.storage.variables[root]} = 0;"

    def _literal(self, ref):
        data = ref.root.data[ref.offset : ref.offset + ref.dtype.itemsize]
        if ref.root.kind == ARENA:
            return literal(np.frombuffer(ref.root.data, F64)[0], F64)
        return literal(np.frombuffer(data, ref.dtype)[0], ref.dtype)

    def value(self, ref):
        """Give a name or literal of the single element of a ref."""
        root = ref.root
        if root.kind == CONST or (root.kind == ARENA and root.pinned):
            return self._literal(ref)
        name = self.storage.variables.get(root)
        if name is not None:
            self.hoist(root)
            return name
        key = View(ref, (), ()).key
        name = self.cache.get(key) or self.carried.get(key)
        if name is None:
            name = self.cache[key] = self.name("m")
            kind = self.kind(ref)
            const = "const " if root.ultimate().kind in (INPUT, CONST) else ""
            self.line(f"const {kind} {name} = *({const}{kind} *)({self.address(ref)});")
        return name

    def forget(self, view):
        """Drop what is remembered of memory that a view may share."""
        for key in [k for k in self.cache if k[0] is view.root]:
            if key[1] != view.chain or _meet(key, view):
                del self.cache[key]

    # ---- steps ----------------------------------------------------------------------------------

    def write(self, steps):
        """Write steps one after the other."""
        for step in steps:
            if isinstance(step, Block):
                for instruction in step.instructions:
                    self._statement(instruction)
                continue
            if isinstance(step, LoopStep):
                self._loop(step)
            elif isinstance(step, Group):
                GroupWriter(self, step).write()
            elif isinstance(step, Rolled):
                write_rolled(self, step)
            else:
                write_other(self, step.instruction)
            for key in [k for k in self.cache if k[0] in step.writes]:
                del self.cache[key]

    def _statement(self, instruction):
        op, d = instruction.op, instruction.d
        refs = [r for r in (instruction.a, instruction.b, instruction.c) if r is not None]
        touch = self.storage.touches[d.root.ultimate()]
        if d.root in self.storage.variables and not touch.read:
            return
        if op == "COPY" and instruction.flags & ACC:
            refs.insert(0, d)
        self._store(d, self.text(instruction, [self.value(r) for r in refs]))

    def text(self, instruction, names):
        """Give the C expression of a statement's result, operands by their names."""
        op, d = instruction.op, instruction.d
        if op in ("SLOAD", "SSTORE"):
            (name,) = names
            if self.kind(instruction.a) != "double":
                return f"(double)({name} != 0)"
            return f"(uint8_t)({name} != 0)" if self.kind(d) != "double" else name
        if instruction.flags & SCALAR:
            return self._called(op, names, F64) or expression(op, names, F64, F64)
        op, names, dtype = plain_operation(instruction, names)
        return self._called(op, names, dtype) or expression(op, names, dtype, d.dtype)

    def call(self, op, names, dtype):
        """Give the call of an elementary function out of line, or None if it is no such row."""
        if not is_function(op) or dtype.kind != "f":
            return None
        name = f"call_{op.lower()}{'f' if dtype.itemsize == 4 else ''}"
        self.outlined[op, dtype.name] = name
        return f"{name}({', '.join(names)})"

    def _called(self, op, names, dtype):
        """Give the same, where statements call it often."""
        return self.call(op, names, dtype) if (op, dtype.name) in self.often else None

    def _store(self, ref, text):
        name = self.storage.variables.get(ref.root)
        kind = self.kind(ref)
        if name is not None:
            touch = self.storage.touches[ref.root]
            if ref.root in self.declared:
                self.line(f"{name} = {text};")
            elif len(touch.bodies) == 1 and not any(
                isinstance(s, (Group, Other)) and ref.root in s.writes for s in touch.steps
            ):
                self.declared.add(ref.root)
                self.line(f"{kind} {name} = {text};")
            else:
                self.hoist(ref.root)
                self.line(f"{name} = {text};")
            return
        view = View(ref, (), ())
        self.forget(view)
        name = self.cache[view.key] = self.name("m")
        if view.key in self.following:
            self.following[view.key] = name
        self.line(f"const {kind} {name} = {text};")
        self.line(f"*({kind} *)({self.address(ref)}) = {name};")

    # ---- loops ----------------------------------------------------------------------------------

    def _loop(self, step):
        loop = step.loop
        outer_cache, outer_carried = self.cache, dict(self.carried)
        self.cache = {k: n for k, n in outer_cache.items() if k[0] not in step.writes}
        counter = f"t{self.loops}"
        self.loops += 1
        carried = self._carry(step)
        outer_lines, self.lines = self.lines, []
        self.depth += 1
        for here, following, name in carried:
            self.carried[here] = name
            self.following[following] = None
        self.write(step.body)
        for _, following, name in carried:
            self.line(f"{name} = {self.following.pop(following)};")
        body, self.lines = self.lines, outer_lines
        work = max(1, sum(map(_work, step.body)))
        self.depth -= 1
        first, last = ("first", "last") if step is self.parallel else ("0", loop.trip)
        self.open(f"for (int64_t {counter} = {first}; {counter} < {last}; {counter}++) {{")
        for home, (start, size) in self.storage.homes.items():
            if home.window.loop is loop:
                # One after the other, all steps use the first one's memory, which stays in cache.
                each = f" + first * {size}" if self.storage.at_once and last == "last" else ""
                self.line(f"char *const L = A + {start}{each};")
        for window in loop.windows:
            if window in self.used:
                self.line(self._window(window, counter))
        self.lines.extend(body)
        self.poll_every(counter, loop.trip, work, inside=work > 2 * _POLL)
        self.close()
        self.cache, self.carried = outer_cache, outer_carried

    def _window(self, window, counter):
        const = "const " if window.ultimate().kind in (INPUT, CONST) else ""
        if window.parent.kind == CONST:
            text = self.constants.address(window.parent, window.offset)
        else:
            text = self.base(window.parent) + (f" + {window.offset}" if window.offset else "")
        step = f" + {counter} * {window.bump}" if window.bump > 0 else ""
        step = f" - {counter} * {-window.bump}" if window.bump < 0 else step
        return f"{const}char *const {self.windows[window]} = {text}{step};"

    def _carry(self, step):
        """Slots of the frame that are read here and written for the next step, as variables.

        Returns
        -------
        list of (key here, key of the next step's, name)
        """
        loop, written, read = step.loop, {}, {}
        for inner in step.body:
            if not isinstance(inner, Block):
                continue
            for instruction in inner.instructions:
                for ref in (instruction.a, instruction.b, instruction.c):
                    if ref is not None and ref.root.kind == WINDOW and not ref.ahead:
                        read[ref.root, ref.offset] = ref
                d = instruction.d
                if d.root.kind == WINDOW:
                    written.setdefault((d.root, d.offset, d.ahead), []).append(d)
        carried = []
        others = [s for s in step.body if not isinstance(s, Block)]
        for (root, offset), ref in read.items():
            following = written.get((root, offset, 1))
            if following is None or len(following) != 1 or root.loop is not loop:
                continue
            if (root, offset, 0) in written or any(root.ultimate() in s.writes for s in others):
                continue
            kind = self.kind(ref)
            name = self.name("c")
            before = type(ref)(root.parent, root.offset + offset, (), (), ref.dtype, ref.truth)
            self.line(f"{kind} {name} = {self.value(before)};")
            carried.append((View(ref, (), ()).key, View(following[0], (), ()).key, name))
        return carried


def _meet(key, view):
    """Whether remembered memory shares bytes with a view of the same region and loops."""
    start, item = key[2], key[4]
    low, high = view.span()
    return low < start + item and start < high


def _work(step):
    """Give the number of elements that a step works on, about."""
    if isinstance(step, LoopStep):
        return step.loop.trip * sum(map(_work, step.body))
    if isinstance(step, (Block, Rolled)):
        return len(step.instructions)
    if isinstance(step, Group):
        size = 1
        for extent in step.shape:
            size *= extent
        return size * len(step.members)
    return other_work(step.instruction)


def other_work(instruction):
    """Give the number of elements that an instruction works on, about."""
    params = instruction.params
    if instruction.op == "MATMUL":
        m, n, k = params[:3]
        return (m * n * k // 8 + m * n) * params[9]
    if instruction.op == "SPARSE_MATMUL":
        m, _, nonzeros, groups, n = params[:5]
        return (nonzeros // 4 + m) * groups * n
    size = max(r.size for r in instruction.refs())
    return size if not params else max(size, params[0])
