"""The whole C file: what is pasted, constants, functions, and the entry that calls them in turn."""

from collections import Counter

import numpy as np

from ..errors import UnsupportedError
from ..lowering.layout import CONST, INPUT, OUTPUT
from ..primitives.base import real_dtype
from .paste import needed
from .reroll import Rolled, reroll
from .rows import c_type, expression, is_function, literal, table
from .schedule import Block, LoopStep, build
from .storage import Storage, is_parallel, weight
from .writer import FunctionWriter

MOST_STATEMENTS = 10_000
_MOST_INLINE = 3
_HOST = """typedef struct pbp_native_host pbp_native_host;
typedef int (*pbp_native_part)(const void *const *inputs, void *const *outputs, char *arena,
                               const char *consts, pbp_native_host *host, int64_t first,
                               int64_t last);
struct pbp_native_host {
    int (*poll)(pbp_native_host *host, int64_t nanoseconds);
    int (*matmul)(pbp_native_host *host, int single, const int64_t *params, void *c, const void *a,
                  const void *b, int accumulate);
    int (*sparse)(pbp_native_host *host, int single, const int64_t *params, void *d, const void *a,
                  const void *b, const void *c);
    int (*linalg)(pbp_native_host *host, uint32_t row, int single, const int64_t *params,
                  void *d, const void *a, const void *b);
    int (*parallel)(pbp_native_host *host, pbp_native_part part, int64_t steps,
                    const void *const *inputs, void *const *outputs, char *arena,
                    const char *consts);
    uint32_t instruction;
    int64_t values[2];
};"""
_INCLUDES = "#include <math.h>\n#include <stdint.h>\n#include <string.h>"
_CONTRACTION = "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif"


class Source:
    """Emitted C.

    Attributes
    ----------
    text : str
    arena_bytes : int
        What a run needs.
    scalar : bool
        Whether there is no loop over elements in it, so that the compiler need not look for
        vectors.
    """

    def __init__(self, text, arena_bytes, scalar):
        self.text, self.arena_bytes, self.scalar = text, arena_bytes, scalar


class SectionConstants:
    """Constants where the tape's section ``consts`` has them."""

    def __init__(self):
        self.used = False

    def address(self, root, offset):
        """Give the C expression of a place in a constant."""
        self.used = True
        return f"K + {root.address + offset}"

    def base(self, root):
        """Give the C expression of where a constant begins."""
        return self.address(root, 0)


class ArrayConstants:
    """Constants as arrays of the file."""

    def __init__(self):
        self.names = {}
        self.lines = []
        self.used = False

    def note(self, ref):
        """Learn the dtype of a constant from a ref of it."""
        root = ref.root.ultimate()
        if root.kind is CONST and root not in self.names:
            name = self.names[root] = f"k{len(self.names)}"
            values = np.frombuffer(root.data, ref.dtype)
            words = ", ".join(literal(v, ref.dtype) for v in values)
            kind = c_type(ref.dtype)
            self.lines.append((name, f"static const {kind} {name}[{len(values)}] = {{{words}}};"))

    def address(self, root, offset):
        """Give the C expression of a place in a constant."""
        name = f"(const char *){self.names[root]}"
        return f"{name} + {offset}" if offset else name

    def base(self, root):
        """Give the C expression of where a constant begins."""
        return self.address(root, 0)


def emit_native(lowering):
    """Give the file that the native backend compiles: one function ``pbp_native_entry``.

    Parameters
    ----------
    lowering : Lowering
        After :func:`~pybackprop.lowering.assemble`, which has given constants their places.

    Returns
    -------
    Source
    """
    program = _Program(lowering, SectionConstants(), host=True)
    arguments = (
        "const void *const *inputs, void *const *outputs, void *arena, const void *consts,\n"
        "                     pbp_native_host *host"
    )
    entry = [
        f"int pbp_native_entry({arguments})",
        "{",
        "    (void)inputs, (void)outputs, (void)arena, (void)consts, (void)host;",
        *program.calls("inputs, outputs, (char *)arena, (const char *)consts"),
        "}",
    ]
    declared = f"int pbp_native_entry({arguments});"
    text = program.file([_HOST, declared], "\n".join(entry))
    return Source(text, program.storage.arena_bytes, program.scalar)


class Parameter:
    """A parameter of an exported function.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
    shape : tuple of int
    data : numpy.ndarray or None
        Of an input that is part of the function, and no parameter.
    """

    def __init__(self, name, dtype, shape, data=None):
        self.name, self.dtype, self.shape, self.data = name, dtype, shape, data

    def __str__(self):
        extents = "".join(f"[{n}]" for n in self.shape)
        parts = ", each two numbers: real part, imaginary part" if self.dtype.kind == "c" else ""
        return f"{self.name}  {self.dtype}{extents}{parts}"


def emit_export(lowering, name, inputs, outputs, about):
    """Give a C file and its header, that need nothing else.

    Parameters
    ----------
    lowering : Lowering
    name : str
        Of the function and the files.
    inputs, outputs : list of Parameter
        In the tape's order.
    about : str
        The first line of the header.

    Returns
    -------
    code, header : str
    """
    constants = ArrayConstants()
    for instruction in lowering.instructions:
        for ref in instruction.refs():
            constants.note(ref)
    program = _Program(lowering, constants, host=False)
    given = [p for p in inputs if p.data is not None]
    parameters = ", ".join(
        [f"const {c_type(p.dtype)} *{p.name}" for p in inputs if p.data is None]
        + [f"{c_type(p.dtype)} *{p.name}" for p in outputs]
        + ["double *work"]
    )
    prototype = f"int {name}({parameters})"
    arrays = [_array(p.name, p.data) for p in given]
    body = [
        prototype,
        "{",
        *_pointers("const void *", "inputs", inputs),
        *_pointers("void *", "outputs", outputs),
        *program.calls("inputs, outputs, (char *)work"),
        "}",
    ]
    if not program.functions:
        body.insert(-2, "    (void)inputs, (void)outputs, (void)work;")
    used = "\n".join(program.functions)
    named = [line for array, line in constants.lines if f"{array})" in used or f"{array} " in used]
    include = f'#include "{name}.h"'
    words = -(-program.storage.arena_bytes // 8)
    code = program.file([*named, *arrays], "\n".join(body), include)
    return code, _header(name, prototype, inputs, outputs, words, about)


def _array(name, data):
    if data.dtype.kind == "c":
        data = data.reshape(-1).view(real_dtype(data.dtype))
    words = ", ".join(literal(v, data.dtype) for v in data.reshape(-1))
    return f"static const {c_type(data.dtype)} {name}[{max(data.size, 1)}] = {{{words or '0'}}};"


def _pointers(kind, name, parameters):
    names = ", ".join(p.name for p in parameters) or "0"
    return [f"    {kind} {name}[{max(len(parameters), 1)}] = {{{names}}};"]


def _header(name, prototype, inputs, outputs, words, about):
    listed = [f"     {p}" for p in inputs if p.data is None]
    made = [f"     {p}" for p in outputs]
    guard = f"{name.upper()}_H"
    return "\n".join([
        f"/* {about}",
        "",
        "   Inputs, C-contiguous, read only:",
        *(listed or ["     none"]),
        "   Outputs, which overlap nothing:",
        *(made or ["     none"]),
        f"   work: {name.upper()}_WORK doubles of scratch memory, NULL if that is 0; its content",
        "   is free before and after. It may be on the caller's stack, static, or one per thread.",
        "",
        "   Returns 0; 5 if an index is out of range, 6 for an integer to a negative power: then",
        "   outputs hold anything. Nothing is allocated and there is no other state, so any number",
        "   of threads may call at once, each with its own work.",
        "",
        "   Compile with, for example,",
        "",
        "     cc -std=c99 -O3 -march=native -ffp-contract=off -fno-math-errno \\",
        f"       -fno-trapping-math -c {name}.c",
        "",
        "   and link with -lm. -ffast-math would break the functions. With fused multiply-add",
        "   (-march or -mfma) the results are those of pybackprop to the bit. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stdint.h>",
        "",
        f"#define {name.upper()}_WORK {words}",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        *_wrapped(prototype + ";"),
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ])  # fmt: skip


def _wrapped(line):
    """Give a prototype in lines of at most 100 columns."""
    indent = " " * (line.index("(") + 1)
    lines, current = [], ""
    for number, part in enumerate(line.split(", ")):
        part = part if number == 0 else f"{part}"
        if current and len(current) + 2 + len(part) > 98:
            lines.append(current + ",")
            current = indent + part
        else:
            current = f"{current}, {part}" if current else part
    return [*lines, current]


class _Program:
    """All functions of a file."""

    def __init__(self, lowering, constants, host):
        steps = build(lowering)
        if sum(map(_statements, steps)) > MOST_STATEMENTS:
            steps = reroll(steps)
        _check_size(steps)
        self.storage = Storage(steps, at_once=host)
        self.constants, self.host = constants, host
        self.scalar = all(map(_is_scalar, steps))
        self.n_inputs = len(lowering.inputs)
        numbers = {id(i): n for n, i in enumerate(lowering.instructions)}
        often, self.outlined = _often(steps), {}
        self.functions = []
        for function in self.storage.functions:
            writer = FunctionWriter(self.storage, numbers, constants, host, often, self.outlined)
            writer.parallel = function[0] if is_parallel(function) else None
            writer.write(function)
            self.functions.append(self._function(writer, len(self.functions), host))

    def _function(self, writer, number, host):
        parameters = "const void *const *inputs, void *const *outputs, char *PBP_RESTRICT A"
        if host:
            parameters += ", const char *K,\n                pbp_native_host *host"
        if writer.parallel is not None:
            parameters += ", int64_t first, int64_t last"
        top = [
            "    (void)inputs, (void)outputs, (void)A" + (", (void)K, (void)host;" if host else ";")
        ]
        roots = [r for r in writer.used if r != "A" and r.kind in (INPUT, OUTPUT)]
        for root in sorted(roots, key=lambda r: (r.kind, r.number)):
            if root.kind == INPUT:
                top.append(
                    f"    const char *PBP_RESTRICT const in{root.number} = "
                    f"(const char *)inputs[{root.number}];"
                )
            else:
                top.append(
                    f"    char *PBP_RESTRICT const out{root.number} = "
                    f"(char *)outputs[{root.number}];"
                )
        top += [f"    {line}" for line in writer.hoisted.values()]
        text = "\n".join([*top, *writer.lines, "    return 0;"])
        return f"PBP_CALL int part_{number}({parameters})\n{{\n{text}\n}}"

    def calls(self, arguments):
        """Lines that call the functions one after the other."""
        lines = ["    int status = 0;"] if self.functions else []
        for number, function in enumerate(self.storage.functions):
            call = f"part_{number}({arguments}{', host' if self.host else ''}"
            if is_parallel(function):
                steps = function[0].loop.trip
                call += f", 0, {steps}"
                if self.host:
                    call = f"host->parallel(host, part_{number}, {steps}, {arguments}"
            lines.append(f"    status = {call});")
            lines += ["    if (status != 0) {", "        return status;", "    }"]
        return [*lines, "    return 0;"]

    def file(self, declarations, entry, include=None):
        """Give the text of the file."""
        code = "\n\n".join(self.functions)
        wrappers = [_wrapper(op, name, dtype) for (op, dtype), name in self.outlined.items()]
        body = "\n\n".join([*wrappers, code, entry])
        pasted = needed(body)
        parts = [include, _INCLUDES, _CONTRACTION, pasted, *declarations, body]
        return "\n\n".join(p for p in parts if p) + "\n"


def _is_scalar(step):
    if isinstance(step, LoopStep):
        return all(map(_is_scalar, step.body))
    return isinstance(step, (Block, Rolled))


def _check_size(steps):
    count = sum(_statements(s) for s in steps)
    if count > MOST_STATEMENTS:
        raise UnsupportedError(
            f"the function has {count} statements on single numbers in a row that do not repeat, "
            f"and a C compiler takes minutes for more than {MOST_STATEMENTS}; write the repetition "
            "as bp.scan, or use backend='interpreter'"
        )


def _statements(step):
    if isinstance(step, LoopStep):
        return sum(map(_statements, step.body))
    return len(step.instructions) if isinstance(step, Block) else weight(step)


def _often(steps):
    """Elementary functions that so many statements call that they are better called out of line.

    Returns
    -------
    set of (str, str)
        Instruction and dtype.
    """
    counts = Counter()
    for instruction in _all_statements(steps):
        if instruction.a is not None and is_function(instruction.op):
            counts[instruction.op, instruction.a.dtype.name] += 1
    return {key for key, n in counts.items() if n > _MOST_INLINE}


def _wrapper(op, name, dtype):
    """Give the function that calls an elementary function out of line."""
    kind = c_type(np.dtype(dtype))
    names = ["a", "b"][: table()[op]["arity"]]
    dtype = np.dtype(dtype)
    text = expression(op, names, dtype, dtype)
    arguments = ", ".join(f"{kind} {x}" for x in names)
    return f"PBP_CALL {kind} {name}({arguments})\n{{\n    return {text};\n}}"


def _all_statements(steps):
    for step in steps:
        if isinstance(step, LoopStep):
            yield from _all_statements(step.body)
        elif isinstance(step, Block):
            yield from step.instructions
        elif isinstance(step, Rolled):
            yield from step.first
