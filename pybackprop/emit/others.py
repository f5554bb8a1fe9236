"""Instructions that stand alone: products, indices, cumulative sums, and reductions of integers.

Each is written as plain loops with its extents in place. Large products of the native backend go
to the core's kernels, which give the same bits.
"""

import numpy as np

from ..errors import UnsupportedError
from .rows import c_type, table

ACC, COLUMNS, REVERSE = 8, 16, 32
_LARGE_PRODUCT = 2000
LINALG = ("LU", "LU_SOLVE", "INV", "CHOLESKY", "TRIANGULAR", "COFACTORS", "QR", "SVD")
LINALG += ("EIGH", "EIG", "EXPM")
_POLL = 1 << 20


def write_other(writer, instruction):
    """Append the code of an instruction.

    Raises
    ------
    UnsupportedError
        If there is none.
    """
    write = _WRITERS.get(instruction.op)
    if write is None:
        raise UnsupportedError(
            f"the instruction {instruction.op} cannot be written as C; use backend='interpreter'"
        )
    writer.open("{")
    write(writer, instruction)
    writer.close()


def _typed(writer, instruction, *letters):
    """Declare pointers named after operands."""
    for letter in letters:
        ref = getattr(instruction, letter)
        text = writer.pointer(ref)
        kind = writer.kind(ref)
        const = "" if letter == "d" else "const "
        writer.line(f"{const}{kind} *const {letter} = {text};")


def _unsigned(dtype):
    if dtype.kind == "f":
        return c_type(dtype)
    return "uint64_t" if dtype.itemsize == 8 else "uint32_t"


# ---- products -----------------------------------------------------------------------------------


def _matmul(writer, instruction):
    m, n, k, *strides, batch, c_batch, a_batch, b_batch = instruction.params
    adds = 1 if instruction.flags & ACC else 0
    single = instruction.d.dtype.itemsize == 4
    small = _is_small(m, n, k, *strides)
    if writer.host and not small and m * n * k * batch > _LARGE_PRODUCT:
        values = ", ".join(map(str, instruction.params))
        writer.line(f"static const int64_t params[13] = {{{values}}};")
        refs = ", ".join(writer.pointer(r) for r in (instruction.d, instruction.a, instruction.b))
        writer.open(f"if (host->matmul(host, {int(single)}, params, {refs}, {adds}) != 0) {{")
        writer.line("return 8;")
        writer.close()
        return
    _typed(writer, instruction, "d", "a", "b")
    places = ["d", "a", "b"]
    if batch != 1:
        writer.open(f"for (int64_t o = 0; o < {batch}; o++) {{")
        places = [f"d + o * {c_batch}", f"a + o * {a_batch}", f"b + o * {b_batch}"]
    c, a, b = places
    c_row, c_col, a_row, a_col, b_row, b_col = strides
    if small:
        writer.line(
            f"pbp_small_matmul{'f' if single else ''}({m}, {n}, {k}, {c}, {c_row}, "
            f"{a}, {a_row}, {a_col}, {b}, {b_row}, {b_col}, {adds});"
        )
    else:
        writer.line(
            f"pbp_matmul{'f' if single else ''}({m}, {n}, {k}, {c}, {c_row}, {c_col}, "
            f"{a}, {a_row}, {a_col}, "
            f"{b}, {b_row}, {b_col}, {adds});"
        )
    if batch != 1:
        writer.close()


def _linalg(writer, instruction):
    """Linear algebra is always the core's own, so only the native backend has it."""
    if not writer.host:
        raise UnsupportedError(
            f"{instruction.op} of linear algebra cannot be exported as C; save the function with "
            "bp.save and run its tape with the C core"
        )
    single = instruction.d.dtype.itemsize == 4
    values = ", ".join(map(str, instruction.params))
    writer.line(f"static const int64_t params[{len(instruction.params)}] = {{{values}}};")
    refs = [writer.pointer(r) for r in (instruction.d, instruction.a)]
    refs.append(refs[1] if instruction.b is None else writer.pointer(instruction.b))
    row = f"{table()[instruction.op]['number']} /* {instruction.op} */"
    call = f"host->linalg(host, {row}, {int(single)}, params, {', '.join(refs)})"
    writer.line(f"const int failure = {call};")
    writer.open("if (failure != 0) {")
    writer.line(f"host->instruction = {writer.numbers[id(instruction)]};")
    writer.line("return failure;")
    writer.close()


def _is_small(m, n, k, c_row, c_col, a_row, a_col, b_row, b_col):
    """Whether a product gets code of its own: few terms, by rows, in chains."""
    return min(m, n) > 1 and n <= 8 and k <= 8 and m * n * k <= 512 and c_col == 1


def _sparse_matmul(writer, instruction):
    """The core's kernel if there is one, else a chain per element as it defines."""
    m, _, _, groups, n, d_row, d_group, c_row, c_group = instruction.params
    single = instruction.d.dtype.itemsize == 4
    suffix = "f" if single else ""
    values = ", ".join(map(str, instruction.params))
    writer.line(f"static const int64_t params[9] = {{{values}}};")
    if writer.host:
        letters = (instruction.d, instruction.a, instruction.b, instruction.c)
        refs = ", ".join(writer.pointer(r) for r in letters)
        writer.open(f"if (host->sparse(host, {int(single)}, params, {refs}) != 0) {{")
        writer.line("return 8;")
        writer.close()
        return
    _typed(writer, instruction, "d", "a", "b", "c")
    writer.open(f"for (int64_t i = 0; i < {m}; i++) {{")
    writer.open(f"for (int64_t g = 0; g < {groups}; g++) {{")
    writer.open(f"for (int64_t j = 0; j < {n}; j++) {{")
    kind = c_type(instruction.d.dtype)
    writer.line(f"{kind} s = 0;")
    writer.open(f"for (int64_t e = b[i]; e < b[{m} + i]; e++) {{")
    place = f"c[b[{2 * m} + e] * {c_row} + g * {c_group} + j]"
    writer.line(f"s = pbp_fma{suffix}(a[e], {place}, s);")
    writer.close()
    writer.line(f"d[i * {d_row} + g * {d_group} + j] = s;")
    writer.close()
    writer.close()
    writer.close()
    writer.open(f"if (!pbp_sparse_finite{suffix}(params, c)) {{")
    writer.open("for (int64_t p = 0; p < params[1]; p++) {")
    writer.line(f"pbp_sparse_spoil{suffix}(params, p, d, b, c);")
    writer.close()
    writer.close()


# ---- indices ------------------------------------------------------------------------------------


def _index(writer, instruction, source, bound):
    """Declare i, an index made non-negative and checked."""
    number = writer.numbers[id(instruction)]
    writer.line(f"const int64_t raw = {source};")
    writer.line(f"const int64_t i = raw < 0 ? raw + {bound} : raw;")
    writer.open(f"if ((uint64_t)i >= (uint64_t){bound}) {{")
    if writer.host:
        writer.line(f"host->instruction = {number};")
        writer.line("host->values[0] = raw;")
        writer.line(f"host->values[1] = {bound};")
    writer.line("return 5;")
    writer.close()


def _index_loops(writer, instruction):
    outer, n, bound, inner, index_outer = instruction.params
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    writer.open(f"for (int64_t k = 0; k < {n}; k++) {{")
    first = f"o * {index_outer} + k" if index_outer else "k"
    _index(writer, instruction, f"b[{first}]", bound)
    return n, bound, inner


def _index_end(writer, n, inner, outer):
    writer.poll_every("k", n, inner + 1)
    writer.close()
    writer.poll_every("o", outer, n * (inner + 1), inside=n * (inner + 1) > 2 * _POLL)
    writer.close()


def _gather(writer, instruction):
    _typed(writer, instruction, "d", "a", "b")
    n, bound, inner = _index_loops(writer, instruction)
    if inner == 1:
        writer.line(f"d[o * {n} + k] = a[o * {bound} + i];")
    else:
        item = instruction.d.dtype.itemsize
        writer.line(
            f"memcpy(d + (o * {n} + k) * {inner}, a + (o * {bound} + i) * {inner}, {inner * item});"
        )
    _index_end(writer, n, inner, instruction.params[0])


def _scatter(writer, instruction):
    _typed(writer, instruction, "d", "a", "b")
    n, bound, inner = _index_loops(writer, instruction)
    to, source = f"(o * {bound} + i) * {inner}", f"(o * {n} + k) * {inner}"
    if instruction.op == "SCATTER_SET":
        writer.line(f"memcpy(d + {to}, a + {source}, {inner * instruction.d.dtype.itemsize});")
    else:
        kind, wide = c_type(instruction.d.dtype), _unsigned(instruction.d.dtype)
        writer.open(f"for (int64_t l = 0; l < {inner}; l++) {{")
        total = f"({wide})d[{to} + l] + ({wide})a[{source} + l]"
        writer.line(f"d[{to} + l] = ({kind})({total});")
        writer.close()
    _index_end(writer, n, inner, instruction.params[0])


def _wrap(writer, instruction):
    n, bound = instruction.params
    _typed(writer, instruction, "d", "a")
    writer.open(f"for (int64_t k = 0; k < {n}; k++) {{")
    _index(writer, instruction, "a[k]", bound)
    writer.line("d[k] = i;")
    writer.poll_every("k", n, 1)
    writer.close()


# ---- along an axis ------------------------------------------------------------------------------


# ---- order --------------------------------------------------------------------------------------

_ORDERED = {
    "bool": "u8", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16", "int32": "i32",
    "uint32": "u32", "int64": "i64", "uint64": "u64", "float32": "f32", "float64": "f64",
}  # fmt: skip


def _argsort(writer, instruction):
    outer, n = instruction.params
    _typed(writer, instruction, "d", "a")
    writer.line("pbp_sorting sorting;")
    writer.line("int64_t done = 0;")
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    writer.line(f"pbp_sorting_begin(&sorting, {n}, d + o * {n});")
    writer.open("while (sorting.top > 0) {")
    suffix = _ORDERED[instruction.a.dtype.name]
    writer.line(f"done += pbp_argsort_{suffix}(&sorting, a + o * {n}, d + o * {n});")
    for line in writer.poll_lines(f"done > {_POLL}", 8 * _POLL):
        writer.line(line)
    writer.line(f"done = done > {_POLL} ? 0 : done;")
    writer.close()
    writer.close()


def _search(writer, instruction):
    outer, n, m, right, a_outer = instruction.params
    _typed(writer, instruction, "d", "a", "b")
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    writer.open(f"for (int64_t k = 0; k < {m}; k++) {{")
    suffix = _ORDERED[instruction.a.dtype.name]
    call = f"pbp_search_{suffix}({n}, a + o * {a_outer}, b[o * {m} + k], {right})"
    writer.line(f"d[o * {m} + k] = {call};")
    _index_end(writer, m, 8, outer)


def _cumulate(writer, instruction):
    outer, n, inner = instruction.params
    dtype = instruction.d.dtype
    kind, wide = c_type(dtype), _unsigned(dtype)
    sign = "+" if instruction.op == "CUMSUM" else "*"
    _typed(writer, instruction, "d", "a")
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    writer.open(f"for (int64_t k = 0; k < {n}; k++) {{")
    reverse = instruction.flags & REVERSE
    row = f"({n - 1} - k)" if reverse else "k"
    writer.line(f"const int64_t at = (o * {n} + {row}) * {inner};")
    before = f"at {'+' if reverse else '-'} {inner} + l"
    writer.open(f"for (int64_t l = 0; l < {inner}; l++) {{")
    writer.line(
        f"d[at + l] = k == 0 ? a[at + l] : ({kind})(({wide})d[{before}] {sign} ({wide})a[at + l]);"
    )
    writer.close()
    writer.poll_every("k", n, inner)
    writer.close()
    writer.poll_every("o", outer, n * inner, inside=n * inner > 2 * _POLL)
    writer.close()


def _reduce(writer, instruction):
    """SUM, PROD, MAX_OF, MIN_OF of integers and truth values, or of nothing; ARGMAX and ARGMIN."""
    outer, rows, cols, d_outer, d_row, a_outer, a_row = instruction.params[:7]
    columns = bool(instruction.flags & COLUMNS)
    d_item, item = instruction.d.dtype.itemsize, instruction.a.dtype.itemsize
    n, results = (rows, cols) if columns else (cols, rows)
    step, a_next, d_next = (a_row, item, d_item) if columns else (item, a_row, d_row)
    _typed(writer, instruction, "d", "a")
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    writer.open(f"for (int64_t r = 0; r < {results}; r++) {{")
    kind = c_type(instruction.a.dtype)
    writer.line(
        f"const {kind} *const x = a + o * {a_outer // item} + r * {a_next // item};"
        if n else "(void)a;"
    )  # fmt: skip
    place = f"d[o * {d_outer // d_item} + r * {d_next // d_item}]"
    body = _arg_body if instruction.op.startswith("ARG") else _fold_body
    body(writer, instruction, place, n, step // item)
    writer.close()
    writer.poll_every("o", outer, results * n)
    writer.close()


def _fold_body(writer, instruction, place, n, step):
    dtype, op = instruction.a.dtype, instruction.op
    kind, wide = c_type(dtype), _unsigned(dtype)
    if op in ("SUM", "PROD", "DOT"):
        sign = "*" if op == "PROD" else "+"
        start = f"({wide}){place}" if instruction.flags & ACC else "0" if sign == "+" else "1"
        writer.line(f"{wide} s = {start};")
        if n:
            writer.open(f"for (int64_t i = 0; i < {n}; i++) {{")
            writer.line(f"s {sign}= ({wide})x[i * {step}];")
            writer.close()
        writer.line(f"{place} = ({kind})s;")
        return
    better = ">" if op == "MAX_OF" else "<"
    writer.line(f"{kind} s = x[0];")
    writer.open(f"for (int64_t i = 1; i < {n}; i++) {{")
    writer.line(f"s = x[i * {step}] {better} s ? x[i * {step}] : s;")
    writer.close()
    writer.line(f"{place} = s;")


def _arg_body(writer, instruction, place, n, step):
    kind = c_type(instruction.a.dtype)
    better = ">" if instruction.op == "ARGMAX" else "<"
    floating = instruction.a.dtype.kind == "f"
    writer.line(f"{kind} s = x[0];")
    writer.line("int64_t where = 0;")
    going = " && s == s" if floating else ""
    writer.open(f"for (int64_t i = 1; i < {n}{going}; i++) {{")
    writer.line(f"const {kind} y = x[i * {step}];")
    met = " || y != y" if floating else ""
    writer.open(f"if (y {better} s{met}) {{")
    writer.line("s = y;")
    writer.line("where = i;")
    writer.close()
    writer.close()
    writer.line(f"{place} = where;")


# ---- Fourier transforms -------------------------------------------------------------------------


def _fft(writer, instruction):
    outer, n, inner = instruction.params[:3]
    real = instruction.op == "FFT_REAL"
    _typed(writer, instruction, *("dab" if real else "dabc"))
    values = ", ".join(map(str, instruction.params))
    writer.line(f"static const int64_t params[{len(instruction.params)}] = {{{values}}};")
    suffix = "" if instruction.d.dtype.itemsize == 8 else "f"
    writer.open(f"for (int64_t o = 0; o < {outer}; o++) {{")
    rest = "NULL, b" if real else "b, c"
    writer.line(f"pbp_fft{suffix}(params, o, o + 1, d, a, {rest});")
    writer.poll_every("o", outer, 8 * n * inner)
    writer.close()


# ---- powers of integers -------------------------------------------------------------------------


def _power(writer, instruction):
    """POW of signed integers, whose exponents are looked at first."""
    from ..lowering.layout import collapse

    refs = [instruction.d, instruction.a, instruction.b]
    shape = instruction.d.shape
    views = [r if r.shape == shape else r.broadcasted(shape) for r in refs]
    extents, steps = collapse(shape, [v.strides for v in views])
    for ref, letter in zip(refs, "dab", strict=True):
        kind = writer.kind(ref)
        name = writer.pointer(ref)
        writer.line(f"{'const ' if letter != 'd' else ''}{kind} *const {letter} = {name};")
    item = np.dtype(instruction.d.dtype).itemsize
    at = {
        letter: " + ".join([f"i{k} * {s // item}" for k, s in enumerate(step) if s] or ["0"])
        for letter, step in zip("dab", steps, strict=True)
    }

    def over(text):
        for k, extent in enumerate(extents):
            writer.open(f"for (int64_t i{k} = 0; i{k} < {extent}; i{k}++) {{")
        for line in text:
            writer.line(line)
        for _ in extents:
            writer.close()

    number = writer.numbers[id(instruction)]
    fail = f"host->instruction = {number}; return 6;" if writer.host else "return 6;"
    over([f"if (b[{at['b']}] < 0) {{ {fail} }}"])
    kind = c_type(instruction.d.dtype)
    over([f"d[{at['d']}] = ({kind})pbp_power((uint64_t)a[{at['a']}], (uint64_t)b[{at['b']}]);"])


_WRITERS = {
    **dict.fromkeys(LINALG, _linalg),
    "MATMUL": _matmul, "SPARSE_MATMUL": _sparse_matmul, "GATHER": _gather,
    "SCATTER_SET": _scatter, "SCATTER_ADD": _scatter,
    "WRAP": _wrap, "CUMSUM": _cumulate, "CUMPROD": _cumulate, "SUM": _reduce, "PROD": _reduce,
    "MAX_OF": _reduce, "MIN_OF": _reduce, "DOT": _reduce, "ARGMAX": _reduce, "ARGMIN": _reduce,
    "POW": _power, "ARGSORT": _argsort, "SEARCH": _search,
    "FFT": _fft, "FFT_REAL": _fft,
}  # fmt: skip
