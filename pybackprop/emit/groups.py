"""Groups as C: one loop body for neighbouring elementwise instructions and the sums that end them.

Each element's values are local variables; a view is loaded once and stored once. Sums over rows
keep the order that docs/tape.md states: the body puts what is summed into a buffer of a few
hundred elements, or leaves it where it is stored, and the lanes take it from there. Trigonometric
functions run in their fast form; if an argument was too large for it, the chunk is computed
again.
"""

import math
import re
from collections import Counter

from ..lowering.layout import collapse
from .rows import TRIGONOMETRIC, c_type, expression, is_function
from .schedule import ACC, COLUMNS

_IDENTIFIER = re.compile(r"\b[a-z]\w*\b")
_CHUNK_SUMS = 512
# Elements of a row whose lanes are folded together, and what lanes start from.
_BLOCK = 4096
_LANE_STARTS = {"SUM": "0", "DOT": "0", "PROD": "1"}
_SHORT = 16
# Rows as short as this are one scalar loop body, sums and all; longer ones are cut at elementary
# functions, whose loops are vectorised.
_LEAST_CUT = 8
_FEW_ROWS = 8192
_CHUNK_TRIGONOMETRY = 256
_CHUNK_PLAIN = 1 << 16
_POLL = 1 << 20


class GroupWriter:
    """Writes one group.

    Parameters
    ----------
    writer : FunctionWriter
    group : Group
    """

    def __init__(self, writer, group):
        self.writer, self.group = writer, group
        self.pointers = {}
        self.singles = {}
        self.buffers = {}
        self.constants, self.before = {}, []
        self.count = 0
        self._lay_out()

    def _lay_out(self):
        storage = self.writer.storage
        views = [v for m in self.group.members for v in (*m.operands, m.result)]
        self.walked = [
            v for v in views if v.root not in storage.local and (v.shape == self.group.shape)
            and any(v.strides)
        ]  # fmt: skip
        shape = self.group.shape
        results = [m.result for m in self.group.members if m.reduces]
        walked = [*self.walked, *results]
        lists = [v.strides for v in walked]
        self.extents, steps = collapse(shape, lists or [_steps_of(shape)])
        self.axes = {id(v): s for v, s in zip(walked, steps, strict=False)}
        self.turned = self._turn()
        self._face_results()
        self.n = self.extents[-1]
        self.rows = [m for m in self.group.members if m.reduces and not self._by_columns(m)]
        functions = sum(is_function(m.instruction.op) for m in self.group.members)
        short = self.n < _LEAST_CUT or not functions
        self.in_body = short and any(self.n < lanes_of(m) for m in self.rows)
        self.fast = self.group.has_trigonometry and self.n >= 16 and not self.in_body
        bare = all(m.reduces for m in self.group.members) and len(self.rows) == len(
            self.group.members
        )
        self.bare = (
            bare
            and not self.in_body
            and all(self._is_direct(v) for m in self.rows for v in m.operands)
        )
        self.narrow = (
            len(self.group.members) == 1 and len(self.extents) >= 2 and self.n < _SHORT
            and not self.turned and self.group.reduces and not self.rows
        )  # fmt: skip
        self.in_lanes = (
            not self.in_body
            and not functions
            and self.group.vector
            and (not bare or len(self.rows) > 1)
            and self._fills_lanes()
        )
        # One reduction of short rows takes many rows side by side, and reads them once.
        self.across = (
            self.turned and len(self.group.members) == 1 and self.group.reduces and not self.in_body
        )
        self.chunk = None
        if self.in_lanes:
            pass
        elif self.fast:
            self.chunk = _CHUNK_TRIGONOMETRY
        elif self.rows and not self.in_body and not self.bare:
            self.chunk = _CHUNK_SUMS
        elif self.n * len(self.group.members) > 2 * _POLL and not self.in_body and not self.bare:
            self.chunk = _CHUNK_PLAIN
        self.delayed = self.fast and self._overwrites()
        self.pieces = [list(self.group.members)]
        if functions > 1 and not self.in_body and self.n >= _LEAST_CUT:
            self.chunk = self.chunk or _CHUNK_SUMS
            self.pieces = list(_cut(self.group.members))
        if self.chunk is not None:
            self.chunk = min(self.chunk, self.n)
        self.crossing = self._crossing()

    def _fills_lanes(self):
        """Whether the sums of rows, and there are some, can all be taken in one loop of lanes."""
        return (
            bool(self.rows)
            and all(m.instruction.op in _LANE_STARTS for m in self.rows)
            and len({lanes_of(m) for m in self.rows}) == 1
            and self.n >= lanes_of(self.rows[0])
        )

    def _crossing(self):
        """Give the views whose values go from one piece of the body to another by a buffer."""
        local = self.writer.storage.local
        keys, made = set(), {}
        for number, piece in enumerate(self.pieces):
            for member in piece:
                for view in member.operands:
                    if made.get(view.key, number) != number and (
                        view.root in local or self.delayed
                    ):
                        keys.add(view.key)
                if not member.reduces:
                    made[member.result.key] = number
        return keys

    def _turn(self):
        """Have short rows walked column by column, for longer loops; tell whether that was done.

        Not where whole rows are written and nothing costs more than that: the compiler unrolls a
        row of a few elements and takes rows side by side; columns would be written in steps.
        """
        extents = self.extents
        reductions = [m for m in self.group.members if m.reduces]
        if not reductions and not any(is_function(m.instruction.op) for m in self.group.members):
            if all(self.axes[id(v)][-1] == v.item for v in self._walked_results()):
                return False
        short = _SHORT if reductions else _SHORT // 2
        if len(extents) < 2 or extents[-1] >= short or not _SHORT <= extents[-2] <= _FEW_ROWS:
            return False
        if any(_columns_flag(m) or m.instruction.flags & ACC for m in reductions):
            return False
        self._swap_last_axes()
        return True

    def _face_results(self):
        """Walk a transposition along its results: a line is written once, and read from many."""
        extents = self.extents
        if len(extents) < 2 or self.turned or self.group.reduces or not 8 <= extents[-2] <= 64:
            return
        results = self._walked_results()
        if not results or not all(
            self.axes[id(v)][-2] == v.item and abs(self.axes[id(v)][-1]) >= 64 for v in results
        ):
            return
        self._swap_last_axes()

    def _swap_last_axes(self):
        for steps in (self.extents, *self.axes.values()):
            steps[-1], steps[-2] = steps[-2], steps[-1]

    def _walked_results(self):
        return [m.result for m in self.group.members if id(m.result) in self.axes]

    def _by_columns(self, member):
        """Whether the elements of a loop belong to different results of a reduction."""
        return self.turned or _columns_flag(member)

    def _overwrites(self):
        """Whether computing an element twice would read what was written the first time."""
        written = {m.result.key for m in self.group.members if not m.reduces}
        read = {v.key for m in self.group.members for v in m.operands}
        local = self.writer.storage.local
        return any(k in read and k[0] not in local for k in written) or any(
            m.reduces and self._by_columns(m) for m in self.group.members
        )

    def _is_direct(self, view):
        """Whether a row of a view can be read where it is by a function."""
        if view.root in self.writer.storage.local or view.is_single():
            return False
        return self.axes[id(view)][-1] == view.item

    # ---- the loops ------------------------------------------------------------------------------

    def write(self):
        """Append the group to the writer's lines."""
        w = self.writer
        for member in self.group.members:
            for view in member.operands:
                if view.is_single() and view.root not in w.storage.local:
                    self.singles[view.key] = w.value(view.ref)
        w.open("{")
        inner = self._inner()
        outer = self.extents[:-2] if self.narrow or self.across else self.extents[:-1]
        for axis, extent in enumerate(outer):
            name = f"i{axis}"
            w.open(f"for (int64_t {name} = 0; {name} < {extent}; {name}++) {{")
        w.lines.extend(w.margin() + line for line in [*self._pointer_lines(), *self.before])
        w.lines.extend(w.margin() + line for line in inner)
        work = math.prod(self.extents[len(outer) :]) * len(self.group.members)
        for axis in range(len(outer) - 1, -1, -1):
            if axis == 0:
                w.poll_every("i0", self.extents[0], work, inside=work > 2 * _POLL)
            work *= self.extents[axis]
            w.close()
        w.close()

    def _pointer_lines(self):
        lines = []
        for name, view, steps in self.pointers.values():
            const = "const " if name[0] == "p" else ""
            last = 2 if self.narrow or self.across else 1
            terms = [f"i{k} * {s}" for k, s in enumerate(steps[:-last]) if s]
            place = self.writer.address(view.ref)
            terms = "".join(f" + {t}" if not t.endswith(")") else t for t in terms)
            kind = self._kind(view)
            lines.append(f"{const}{kind} *const {name} = ({const}{kind} *)({place}{terms});")
        return lines

    def _kind(self, view):
        return "double" if view.ref.truth else c_type(view.ref.dtype)

    def _inner(self):
        """Give the lines inside the outer loops."""
        if self.in_lanes:
            return self._in_lanes()
        if self.bare:
            return self._bare()
        if self.narrow:
            return self._narrow()
        if self.across:
            return self._across()
        lines = []
        for k, member in enumerate(self.rows):
            kind = self._kind(member.operands[0])
            if self.in_body:
                first = "1" if member.instruction.op == "PROD" else "0"
                lines.append(f"{kind} s{k} = {first};")
            elif self._stateful():
                state = f"{member.instruction.op}{_suffix(kind)}"
                lines.append(f"pbp_state_{state} s{k};")
                lines.append(f"pbp_begin_{state}(&s{k});")
        body = self._body_lines()
        buffers = [f"{kind} {name}[{self.chunk}];" for name, kind in self.buffers.values()]
        lines = buffers + lines + body
        for k, member in enumerate(self.rows):
            kind = self._kind(member.operands[0])
            value = f"s{k}"
            if not self.in_body and self._stateful():
                value = f"pbp_end_{member.instruction.op}{_suffix(kind)}(&s{k})"
            lines.append(self._finish(member, value))
        return lines

    def _stateful(self):
        return self.chunk is not None and self.n > self.chunk

    def _bare(self):
        lines = []
        for member in self.rows:
            kind = self._kind(member.operands[0])
            args = [self._pointer(v) for v in member.operands]
            call = f"pbp_row_{member.instruction.op}{_suffix(kind)}"
            lines.append(self._finish(member, f"{call}({self.n}, {args[0]}, {args[-1]})"))
        return lines

    def _in_lanes(self):
        """Give one loop of rounds of lanes, in which all that is summed stays in registers."""
        blocks, rest = divmod(self.n, _BLOCK)
        names = [f"{m.instruction.op}{_suffix(self._kind(m.operands[0]))}" for m in self.rows]
        sums = list(enumerate(names))
        if blocks == 0 or (blocks == 1 and not rest):
            return [
                *self._block_in_lanes("0", self.n),
                *(self._finish(self.rows[k], f"pbp_fold_{name}(s{k})") for k, name in sums),
            ]
        push = [f"pbp_push_{name}(&w{k}, pbp_fold_{name}(s{k}));" for k, name in sums]
        block = [*self._block_in_lanes("j", _BLOCK), *push]
        if self.n > 2 * _POLL:
            block += self.writer.poll_lines(
                f"(j & {_POLL - 1}) == 0", _POLL * len(self.group.members)
            )
        lines = [
            *(f"pbp_state_{name} w{k};" for k, name in sums),
            *(f"pbp_begin_{name}(&w{k});" for k, name in sums),
            f"for (int64_t j = 0; j < {blocks * _BLOCK}; j += {_BLOCK}) {{",
            *_indented(block),
            "}",
        ]
        if rest >= lanes_of(self.rows[0]):
            last = [*self._block_in_lanes(str(blocks * _BLOCK), rest), *push]
            lines += ["{", *_indented(last), "}"]
        elif rest:
            # Fewer elements than lanes are added one after another.
            self.in_body = True
            (body,) = self._body("i", False)
            self.in_body = False
            kind = self._kind(self.rows[0].operands[0])
            last = [
                *(
                    f"{kind} s{k} = {_LANE_STARTS[m.instruction.op]};"
                    for k, m in enumerate(self.rows)
                ),
                f"for (int64_t i = {blocks * _BLOCK}; i < {self.n}; i++) {{",
                *_indented(body),
                "}",
                *(f"pbp_push_{name}(&w{k}, s{k});" for k, name in sums),
            ]
            lines += ["{", *_indented(last), "}"]
        return [
            *lines,
            *(self._finish(self.rows[k], f"pbp_end_{name}(&w{k})") for k, name in sums),
        ]

    def _starts(self, index):
        """Set what the sums of rows start from."""
        return [f"s{k}{index} = {_LANE_STARTS[m.instruction.op]};" for k, m in enumerate(self.rows)]

    def _block_in_lanes(self, start, count):
        """Give the lanes ``s0``, ``s1`` ... of the elements from ``start`` on."""
        lanes = lanes_of(self.rows[0])
        kind = self._kind(self.rows[0].operands[0])
        rounds, rest = divmod(count, lanes)
        (body,) = self._body("i + l", False)
        begin = "" if start == "0" else f"{start} + "
        lines = [
            *(f"{kind} s{k}[{lanes}];" for k in range(len(self.rows))),
            f"for (int l = 0; l < {lanes}; l++) {{",
            *_indented(self._starts("[l]")),
            "}",
            f"for (int64_t i = {start}; i < {begin}{rounds * lanes}; i += {lanes}) {{",
            *_indented(
                ["PBP_LOOP", f"for (int l = 0; l < {lanes}; l++) {{", *_indented(body), "}"]
            ),
            "}",
        ]
        if rest:
            lines += [
                f"for (int64_t i = {begin}{rounds * lanes}, l = 0; l < {rest}; l++) {{",
                *_indented(body),
                "}",
            ]
        return lines

    def _narrow(self):
        """Give a sum over the rows of a few columns, which stay in registers."""
        (member,) = self.group.members
        op, kind = member.instruction.op, self._kind(member.operands[0])
        axis = len(self.extents) - 2
        rows = self.extents[axis]
        out = self._pointer(member.result, write=True)
        extreme = op in ("MAX_OF", "MIN_OF")
        names = []
        for view in member.operands:
            steps = self.axes[id(view)]
            names.append(
                f"{self._pointer(view)}[i{axis} * {steps[axis] // view.item} + {{}}"
                f"{f' * {steps[-1] // view.item}' if steps[-1] != view.item else ''}]"
            )
        lines = []
        for i in range(self.n):
            first = f"{out}[{i}]"
            if not member.instruction.flags & ACC:
                at = names[0].format(i).replace(f"i{axis} *", "0 *")
                first = at if extreme else "1" if op == "PROD" else "0"
            lines.append(f"{kind} s{i} = {first};")
        step = f"PBP_{op}_STEP({_suffix(kind)}, s%d, {names[0]}, {names[-1]})"
        body = [f"s{i} = {(step % i).replace('{}', str(i))};" for i in range(self.n)]
        lines += [
            f"for (int64_t i{axis} = 0; i{axis} < {rows}; i{axis}++) {{",
            *_indented(body),
            "}",
        ]
        return [*lines, *(f"{out}[{i}] = s{i};" for i in range(self.n))]

    def _across(self):
        """Give the reduction of many short rows, each one chain in a register."""
        (member,) = self.group.members
        op, kind = member.instruction.op, self._kind(member.operands[0])
        out = self._pointer(member.result, write=True)
        step = self.axes[id(member.result)][-1] // member.result.item
        extreme = op in ("MAX_OF", "MIN_OF")
        body = []
        for k in range(self.extents[-2]):
            names = []
            for view in member.operands:
                along, row = (n // view.item for n in self.axes[id(view)][-2:])
                names.append(f"{self._pointer(view)}[i * {row} + {k * along}]")
            first = "1" if op == "PROD" else "0"
            before = f"s{k - 1}" if k else first
            text = f"PBP_{op}_STEP({_suffix(kind)}, {before}, {names[0]}, {names[-1]})"
            body.append(f"const {kind} s{k} = {names[0] if extreme and k == 0 else text};")
        body.append(f"{out}[i * {step}] = s{self.extents[-2] - 1};")
        head = ["PBP_LOOP"] if self.group.vector else []
        return [*head, f"for (int64_t i = 0; i < {self.n}; i++) {{", *_indented(body), "}"]

    def _finish(self, member, value):
        """Put the sum of a row where it belongs."""
        adds = member.instruction.flags & ACC
        place = self.writer.storage.variables.get(member.result.root)
        if place is None:
            place = f"*{self._pointer(member.result, write=True)}"
        else:
            self.writer.hoist(member.result.root)
        return f"{place} = {place} + {value};" if adds else f"{place} = {value};"

    # ---- the body -------------------------------------------------------------------------------

    def _body_lines(self):
        if self.chunk is None:
            return [
                *self._loop_over(str(self.n), self._body("i", False)),
                *self._reduced("0", str(self.n)),
            ]
        whole = not self._stateful()
        lines = []
        base, count = ("0", str(self.n)) if whole else ("j", "m")
        index = "i" if whole else "j + i"
        if self.fast:
            lines.append("uint64_t beyond = 0;")
            lines += self._loop_over(count, self._body(index, True))
            again = self._loop_over(count, self._body(index, False), vector=False)
            lines += ["if (beyond != 0) {", *_indented(again), "}"]
            if self.delayed:
                lines += self._loop_over(count, [self._late(index)])
        else:
            lines += self._loop_over(count, self._body(index, False))
        lines += self._reduced(base, count)
        if whole:
            return lines
        if self.n > 2 * _POLL:
            lines += self.writer.poll_lines(
                f"(j & {_POLL - 1}) == 0", _POLL * len(self.group.members)
            )
        size = f"const int64_t m = {self.n} - j < {self.chunk} ? {self.n} - j : {self.chunk};"
        return [
            f"for (int64_t j = 0; j < {self.n}; j += {self.chunk}) {{",
            *_indented([size, *lines]),
            "}",
        ]

    def _loop_over(self, count, pieces, vector=True):
        head = ["PBP_LOOP"] if vector and not self.in_body and self.group.vector else []
        lines = []
        for body in pieces:
            if body:
                lines += [*head, f"for (int64_t i = 0; i < {count}; i++) {{", *_indented(body), "}"]
        return lines

    def _reduced(self, base, count):
        """Give what is done after the elements of a chunk: the lanes take them."""
        if self.in_body:
            return []
        lines = []
        for k, member in enumerate(self.rows):
            kind = self._kind(member.operands[0])
            op = f"{member.instruction.op}{_suffix(kind)}"
            args = []
            for view in member.operands:
                if self._passes(view):
                    name = self._pointer(view)
                    args.append(name if base == "0" else f"{name} + {base}")
                else:
                    args.append(self.buffers[view.key][0])
            both = f"{args[0]}, {args[-1]}"
            if self._stateful():
                lines.append(f"pbp_chunk_{op}(&s{k}, {count}, {both});")
            else:
                lines.append(f"const {kind} s{k} = pbp_block_{op}({count}, {both});")
        return lines

    def _passes(self, view):
        """Whether a summed view is read from memory rather than from a buffer."""
        if not self._is_direct(view):
            return False
        written = {m.result.key for m in self.group.members if not m.reduces}
        return not (self.delayed and view.key in written)

    def _body(self, index, fast):
        """Give the lines for one element, in pieces of which each is a loop."""
        self.stored = {}
        return [self._piece(piece, index, fast) for piece in self.pieces]

    def _piece(self, piece, index, fast):
        lines, env, stored = [], {}, {}
        local = self.writer.storage.local
        for member in piece:
            names = [self._operand(v, index, env, lines) for v in member.operands]
            if member.reduces:
                self._reduce_in_body(member, names, index, lines)
                continue
            instruction = member.instruction
            ref = instruction.d
            op, names, dtype = plain_operation(instruction, names)
            if fast and op in TRIGONOMETRIC:
                double = dtype.itemsize == 8
                size, limit = ("fabs", "PBP_TRIG_LIMIT") if double else ("fabsf", "PBP_TRIG_LIMITF")
                lines.append(f"beyond |= {size}({names[0]}) <= {limit} ? 0 : 1;")
            text = None
            if self.fast and not fast:
                text = self.writer.call(op, names, dtype)
            text = text or expression(op, names, dtype, ref.dtype, fast)
            name = self._name("t")
            lines.append(f"const {c_type(ref.dtype)} {name} = {text};")
            env[member.result.key] = name
            stored[member.result.key] = member.result
        for key, view in stored.items():
            if view.root not in local:
                self.stored[key] = view
                if not self.delayed:
                    lines.append(f"{self._element(view, index, write=True)} = {env[key]};")
            if key in self.crossing or (self.delayed and view.root not in local):
                line = f"{self._buffer(view)}[i] = {env[key]};"
                if line not in lines:
                    lines.append(line)
        return _used(lines)

    def _operand(self, view, index, env, lines):
        name = env.get(view.key)
        if name is None:
            name = self.singles.get(view.key) or self._constant_of_row(view)
        if name is None:
            name = env[view.key] = self._name("x")
            made = self.buffers.get(view.key) if view.key in self.crossing else None
            place = f"{made[0]}[i]" if made else self._element(view, index)
            lines.append(f"const {self._kind(view)} {name} = {place};")
        return name

    def _constant_of_row(self, view):
        """Name what is read once before the loop: an element that all of a row shares."""
        steps = self.axes.get(id(view))
        if steps is None or steps[-1] != 0 or any(m.result.same(view) for m in self.group.members):
            return None
        name = self.constants.get(view.key)
        if name is None:
            name = self.constants[view.key] = self._name("r")
            pointer = self._pointer(view)
            self.before.append(f"const {self._kind(view)} {name} = *{pointer};")
        return name

    def _reduce_in_body(self, member, names, index, lines):
        op = member.instruction.op
        kind = self._kind(member.operands[0])
        step = f"PBP_{op}_STEP({_suffix(kind)}, %s, {names[0]}, {names[-1]})"
        extreme = op in ("MAX_OF", "MIN_OF")
        if self._by_columns(member):
            if self.delayed:
                for view, name in zip(member.operands, names, strict=True):
                    lines.append(f"{self._buffer(view)}[i] = {name};")
                return
            lines.append(self._column_step(member, names, index))
        elif self.in_lanes and not self.in_body:
            k = self.rows.index(member)
            lines.append(f"s{k}[l] = {step % f's{k}[l]'};")
        elif self.in_body:
            k = self.rows.index(member)
            text = step % f"s{k}"
            lines.append(f"s{k} = {f'i == 0 ? {names[0]} : ' if extreme else ''}{text};")
        else:
            for view, name in zip(member.operands, names, strict=True):
                if not self._passes(view) and view.key not in self.crossing:
                    line = f"{self._buffer(view)}[i] = {name};"
                    if line not in lines:
                        lines.append(line)

    def _column_step(self, member, names, index):
        op = member.instruction.op
        place = self._element(member.result, index, write=True)
        kind = self._kind(member.operands[0])
        axis = self.axes[id(member.result)].index(0)
        first = "1" if op == "PROD" else "0"
        before = place if member.instruction.flags & ACC else f"(i{axis} == 0 ? {first} : {place})"
        text = f"PBP_{op}_STEP({_suffix(kind)}, {before}, {names[0]}, {names[-1]})"
        if op in ("MAX_OF", "MIN_OF"):
            text = f"i{axis} == 0 ? {names[0]} : " + text.replace(before, place)
        return f"{place} = {text};"

    def _late(self, index):
        """Give what waits until it is certain that a chunk is right."""
        lines = []
        for key, view in self.stored.items():
            name = self.buffers[key][0]
            lines.append(f"{self._element(view, index, write=True)} = {name}[i];")
        for member in self.group.members:
            if member.reduces and self._by_columns(member):
                names = [f"{self.buffers[v.key][0]}[i]" for v in member.operands]
                lines.append(self._column_step(member, names, index))
        return lines

    # ---- names ----------------------------------------------------------------------------------

    def _name(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def _buffer(self, view):
        made = self.buffers.get(view.key)
        if made is None:
            made = self.buffers[view.key] = (f"b{len(self.buffers)}", self._kind(view))
        return made[0]

    def _pointer(self, view, write=False):
        """Give a pointer to the first element of a row of a view."""
        key = (view.key, write)
        made = self.pointers.get(key)
        if made is None:
            name = f"{'q' if write else 'p'}{len(self.pointers)}"
            made = self.pointers[key] = (name, view, self.axes[id(view)])
        return made[0]

    def _element(self, view, index, write=False):
        name = self._pointer(view, write)
        step = self.axes[id(view)][-1] // view.item
        if step == 0:
            return f"*{name}"
        if step == 1:
            return f"{name}[{index}]"
        return f"{name}[{index} * {step}]" if index == "i" else f"{name}[({index}) * {step}]"


def _cut(members):
    """Members in pieces of one elementary function each: more run out of vector registers."""
    piece, full = [], False
    for member in members:
        function = is_function(member.instruction.op)
        if function and full:
            yield piece
            piece, full = [], False
        piece.append(member)
        full |= function
    yield piece


def plain_operation(instruction, names):
    """Row, operands and dtype of an instruction that copies, clears or computes."""
    op, d = instruction.op, instruction.d
    if op == "ZERO":
        return "MOV", ["0"], d.dtype
    if op == "COPY":
        return ("ADD" if len(names) == 2 else "MOV"), names, d.dtype
    first = instruction.b if op == "SELECT" else instruction.a
    return op, names, first.dtype


def lanes_of(member):
    """Give the number of lanes of a row sum."""
    return 16 if member.operands[0].item == 8 else 32


def _columns_flag(member):
    return bool(member.instruction.flags & COLUMNS)


def _suffix(kind):
    return "f" if kind == "float" else ""


def _steps_of(shape):
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= n
    return tuple(reversed(steps))


def _indented(lines):
    return ["    " + line for line in lines]


def _used(lines):
    """Lines without constants that nothing names."""
    while True:
        counts = Counter(_IDENTIFIER.findall("\n".join(lines)))
        kept = [
            line for line in lines
            if not line.startswith("const ")
            or counts[line.split(" = ", 1)[0].rsplit(" ", 1)[1]] > 1
        ]  # fmt: skip
        if len(kept) == len(lines):
            return lines
        lines = kept
