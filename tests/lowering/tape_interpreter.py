"""Runs a tape in Python, as docs/tape.md says: every instruction is a NumPy expression on views of
byte buffers.

Independent of the core and of the compiler: it reads the bytes of the container only. The arena
starts full of rubbish, every byte
that an instruction reads must have been written before, and no view may leave its base, so an
error of the memory plan shows.
"""

import math
import struct

import matrices
import numpy as np
import special_exact

NONE = 0xFFFFFFFF
DTYPES = [
    np.dtype(n)
    for n in (
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
    )
]
SA, SB, SC, ACC, COLUMNS, REVERSE = 1, 2, 4, 8, 16, 32
SCALAR = 1 << 15
F64 = DTYPES[10]


def _vector(function):
    return lambda x: np.vectorize(function, otypes=[float])(np.asarray(x, float)).astype(
        np.asarray(x).dtype
    )


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _exp_normal(x):
    y = np.exp(x)
    return np.where(y < np.finfo(x.dtype).tiny, 0, y)


def _integer_safe(function):
    def safe(a, b):
        if np.asarray(a).dtype.kind in "iu":
            return np.where(b == 0, 0, function(a, np.where(b == 0, 1, b))).astype(
                np.asarray(a).dtype
            )
        return function(a, b)

    return safe


def _gate(better):
    return lambda a, b, c: np.where(
        better(b, c) | (b != b), a, np.where(b == c, a * 0.5, 0)
    ).astype(np.asarray(a).dtype)


MAPS = {
    "MOV": lambda a: a,
    "NEG": np.negative,
    "ABS": np.abs,
    "SIGN": np.sign,
    "SQUARE": lambda a: a * a,
    "RECIPROCAL": lambda a: 1 / a,
    "SQRT": np.sqrt,
    "CBRT": np.cbrt,
    "EXP": np.exp,
    "EXP_NORMAL": _exp_normal,
    "GAUSS": lambda x: np.exp(-(x.astype(np.longdouble) ** 2)).astype(x.dtype),
    "EXP2": np.exp2,
    "EXPM1": np.expm1,
    "LOG": np.log,
    "LOG2": np.log2,
    "LOG10": np.log10,
    "LOG1P": np.log1p,
    "SIN": np.sin,
    "COS": np.cos,
    "TAN": np.tan,
    "ASIN": np.arcsin,
    "ACOS": np.arccos,
    "ATAN": np.arctan,
    "SINH": np.sinh,
    "COSH": np.cosh,
    "TANH": np.tanh,
    "ASINH": np.arcsinh,
    "ACOSH": np.arccosh,
    "ATANH": np.arctanh,
    "ERF": _vector(math.erf),
    "ERFC": _vector(math.erfc),
    "SIGMOID": _sigmoid,
    "SOFTPLUS": lambda a: np.logaddexp(a, np.zeros((), np.asarray(a).dtype)),
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "RINT": np.rint,
    "TRUNC": np.trunc,
    "FINITE": lambda a: np.where(np.isfinite(a), a, np.zeros_like(a)),
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "MAX": np.maximum,
    "MIN": np.minimum,
    "ATAN2": np.arctan2,
    "HYPOT": np.hypot,
    "FMOD": np.fmod,
    "COPYSIGN": np.copysign,
    "NEXTAFTER": np.nextafter,
    "FLOOR_DIV": _integer_safe(np.floor_divide),
    "MOD": _integer_safe(np.remainder),
    "POW": np.power,
    "MULZ": lambda a, b: np.where(a == 0, np.zeros((), np.asarray(a).dtype), a * b),
    "TANH_BACK": lambda a, b: a * (1 - b * b),
    "SIGMOID_BACK": lambda a, b: a * (b * (1 - b)),
    "NMUL": lambda a, b: -(a * b),
    "FMA": lambda a, b, c: a * b + c,
    "FMS": lambda a, b, c: a * b - c,
    "FNMA": lambda a, b, c: c - a * b,
    "RELU": lambda a: np.where(a <= 0, np.zeros((), a.dtype), a),
    "RELU_GATE": lambda a, b: np.where(b <= 0, np.zeros((), a.dtype), a),
    "MAX_GATE": _gate(np.greater),
    "MIN_GATE": _gate(np.less),
    "NOT": np.invert,
    "AND": np.bitwise_and,
    "OR": np.bitwise_or,
    "XOR": np.bitwise_xor,
    "SHL": np.left_shift,
    "SHR": np.right_shift,
    "GCD": np.gcd,
    "ISNAN": np.isnan,
    "ISINF": np.isinf,
    "ISFINITE": np.isfinite,
    "SIGNBIT": np.signbit,
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "SELECT": np.where,
    "CAST": lambda a: a,
}
MAPS |= {name.upper(): function for name, function in special_exact.EXACT.items()}
SCALAR_LOGIC = {
    "NOT": lambda a: a == 0,
    "AND": lambda a, b: (a != 0) & (b != 0),
    "OR": lambda a, b: (a != 0) | (b != 0),
    "XOR": lambda a, b: (a != 0) != (b != 0),
    "SELECT": lambda a, b, c: np.where(a != 0, b, c),
}
REDUCTIONS = {
    "SUM": np.sum,
    "PROD": np.prod,
    "MAX_OF": np.max,
    "MIN_OF": np.min,
    "ARGMAX": np.argmax,
    "ARGMIN": np.argmin,
}


class Base:
    """A region of memory: a buffer, which of its bytes are written, and where it starts now."""

    def __init__(self, buffer, written, start, size, writable):
        self.buffer, self.written = buffer, written
        self.start, self.size = start, size
        self.writable = writable


class Interpreter:
    """A tape, ready to run.

    Parameters
    ----------
    data : bytes
        The container.
    """

    def __init__(self, data):
        self.sections = sections = {}
        assert data[:8] == b"PBPTAPE\0"
        for i in range(struct.unpack_from("<I", data, 12)[0]):
            name, start, size = struct.unpack_from("<16sQQ", data, 16 + 32 * i)
            sections[name.rstrip(b"\0").decode()] = data[start : start + size]
        header = struct.unpack("<QQIIII", sections["header"][:32])
        self.arena_bytes, self.image_bytes, self.n_inputs, self.n_outputs = header[:4]
        self.names = sections["names"].decode().split("\0")
        self.code = list(struct.iter_unpack("<HHIIIII", sections["instructions"]))
        self.operands = list(struct.iter_unpack("<IIq", sections["operands"]))
        self.records = list(struct.iter_unpack("<IIIIqqqq", sections["bases"]))
        self.loops = list(struct.iter_unpack("<qIIIIII", sections["loops"]))
        self.params = np.frombuffer(sections["params"], "<i8").tolist()
        self.arrays = []
        position, table = 0, sections["arrays"]
        while position < len(table):
            code, ndim = struct.unpack_from("<II", table, position)
            shape = struct.unpack_from(f"<{ndim}q", table, position + 8)
            self.arrays.append((DTYPES[code], shape))
            position += 8 + 8 * ndim

    def run(self, *inputs, arena=None):
        """The outputs, as a list of arrays."""
        if arena is None:
            arena = np.full(self.arena_bytes, 0xCB, np.uint8)
        consts = np.frombuffer(self.sections["consts"], np.uint8)
        arena[: self.image_bytes] = consts[: self.image_bytes]
        written = np.zeros(self.arena_bytes, bool)
        written[: self.image_bytes] = True
        everything = np.ones(consts.size, bool)
        self.bases = [
            Base(arena, written, 0, arena.size, True),
            Base(consts, everything, 0, consts.size, False),
        ]
        outputs = []
        for k, (dtype, shape) in enumerate(self.arrays):
            if k < self.n_inputs:
                array = np.ascontiguousarray(inputs[k], dtype)
                assert array.shape == tuple(shape) or array.size == 1 == math.prod(shape)
                buffer = np.frombuffer(array.tobytes(), np.uint8)
                self.bases.append(Base(buffer, np.ones(buffer.size, bool), 0, buffer.size, False))
            else:
                buffer = np.full(math.prod(shape) * dtype.itemsize, 0xCB, np.uint8)
                self.bases.append(Base(buffer, np.zeros(buffer.size, bool), 0, buffer.size, True))
                outputs.append((buffer, dtype, shape))
        self.bases += [None] * (len(self.records) - len(self.bases))
        self.frame = None
        with np.errstate(all="ignore"):
            self._span(0, len(self.code))
        for base in self.bases[2 + self.n_inputs : 2 + self.n_inputs + self.n_outputs]:
            assert base.written.all(), "an output is not written whole"
        return [buffer.view(dtype).reshape(shape) for buffer, dtype, shape in outputs]

    # ---- control --------------------------------------------------------------------------------

    def _span(self, start, stop):
        number = start
        while number < stop:
            name = self.names[self.code[number][0]]
            if name == "LOOP_BEGIN":
                number = self._loop(self.loops[self.code[number][3]])
            else:
                self._step(name, *self.code[number][1:])
            number += 1

    def _loop(self, record):
        trip, first, count, frame, begin, end, _ = record
        outer = self.frame
        for step in range(trip):
            for number in range(first, first + count):
                kind, parent, _, _, offset, bump, size, _ = self.records[number]
                assert kind == 4
                over = self.bases[parent]
                start = offset + step * bump
                assert 0 <= start and start + size <= over.size, "a window leaves its parent"
                self.bases[number] = Base(
                    over.buffer, over.written, over.start + start, size, over.writable
                )
            if frame != NONE:
                self.frame = frame
            self._span(begin + 1, end)
            self.frame = outer
        return end

    # ---- views ----------------------------------------------------------------------------------

    def _view(self, operand, shape, strides, write=False, read=True):
        number, code, offset = self.operands[operand]
        base, dtype = self.bases[number], DTYPES[code]
        strides = tuple(strides)
        if 0 in shape:
            return np.zeros(shape, dtype)
        reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
        low = offset + sum(min(r, 0) for r in reach)
        high = offset + sum(max(r, 0) for r in reach) + dtype.itemsize
        assert 0 <= low and high <= base.size, "an operand leaves its base"
        start = base.start + offset
        bytes_shape, bytes_strides = (*shape, dtype.itemsize), (*strides, 1)
        flags = np.ndarray(bytes_shape, bool, base.written, start, bytes_strides)
        if read:
            assert flags.all(), "an operand was not written before it is read"
        if write:
            assert base.writable, "an input or constant is written"
            flags[...] = True
        return np.ndarray(shape, dtype, base.buffer, start, strides)

    def _slot(self, number, framed):
        base = self.bases[self.frame if framed else 0]
        assert 0 <= 8 * number and 8 * number + 8 <= base.size, "a slot leaves its base"
        return base, base.start + 8 * number

    def _get(self, number, framed):
        base, start = self._slot(number, framed)
        assert base.written[start : start + 8].all(), "a slot was not written before it is read"
        return (
            base.buffer[start : start + 8].view(F64)[0]
            if start % 8 == 0
            else np.frombuffer(base.buffer[start : start + 8].tobytes(), F64)[0]
        )

    def _set(self, number, framed, value):
        base, start = self._slot(number, framed)
        assert framed or 8 * number >= self.image_bytes, "a constant slot is written"
        base.written[start : start + 8] = True
        base.buffer[start : start + 8] = np.frombuffer(np.float64(value).tobytes(), np.uint8)

    # ---- instructions ---------------------------------------------------------------------------

    def _step(self, name, flags, at, d, a, b, c):
        if flags & SCALAR:
            self._scalar(name, flags, d, (a, b, c))
        elif name == "SLOAD":
            self._set(d, flags & 256, float(self._view(a, (), ())))
        elif name == "SSTORE":
            self._view(d, (), (), write=True, read=False)[...] = self._get(a, flags & 512)
        elif name in MAPS:
            self._map(name, flags, self.params[at : at + 11], d, (a, b, c))
        elif name in REDUCTIONS or name == "DOT":
            self._reduce(name, flags, self.params[at : at + 11], d, a, b)
        elif name == "SPARSE_MATMUL":
            self._sparse_matmul(self.params[at : at + 9], d, a, b, c)
        else:
            getattr(self, "_" + name.lower())(flags, at, d, a, b)

    def _scalar(self, name, flags, d, operands):
        values = [
            self._get(x, flags & bit)
            for x, bit in zip(operands, (512, 1024, 2048), strict=True)
            if x != NONE
        ]
        function = SCALAR_LOGIC.get(name) or MAPS[name]
        self._set(d, flags & 256, float(function(*values)))

    def _map(self, name, flags, params, d, operands):
        shape, rest = tuple(params[:3]), params[3:]
        views = []
        for k, operand in enumerate(operands):
            if operand == NONE:
                continue
            item = DTYPES[self.operands[operand][1]].itemsize
            strides = (*rest[2 * k + 2 : 2 * k + 4], 0 if flags & (SA, SB, SC)[k] else item)
            views.append(self._view(operand, shape, strides))
        dtype = DTYPES[self.operands[d][1]]
        result = np.asarray(MAPS[name](*views)).astype(dtype)
        self._view(d, shape, (*rest[:2], dtype.itemsize), True, False)[...] = result

    def _reduce(self, name, flags, params, d, a, b):
        (outer, rows, cols), rest = params[:3], params[3:]
        source = self._input(a, (outer, rows, cols), rest[2:4])
        if name == "DOT":
            source = source * self._input(b, (outer, rows, cols), rest[4:6])
            name = "SUM"
        dtype = DTYPES[self.operands[d][1]]
        axis = 1 if flags & COLUMNS else 2
        shape = (outer, cols) if flags & COLUMNS else (outer, rows)
        strides = (rest[0], dtype.itemsize) if flags & COLUMNS else (rest[0], rest[1])
        result = REDUCTIONS[name](source, axis=axis)
        self._write(d, shape, strides, result, flags & ACC)

    def _input(self, operand, shape, steps):
        return self._view(operand, shape, (*steps, DTYPES[self.operands[operand][1]].itemsize))

    def _write(self, d, shape, strides, result, adding):
        place = self._view(d, shape, strides, True, bool(adding))
        place[...] = (place + result if adding else result).astype(place.dtype)

    def _matmul(self, flags, at, d, a, b):
        m, n, k, *strides = self.params[at : at + 13]
        steps, (batch, *jumps) = strides[:6], strides[6:]
        item = DTYPES[self.operands[d][1]].itemsize
        steps, jumps = [s * item for s in steps], [s * item for s in jumps]
        left = self._view(a, (batch, m, k), (jumps[1], *steps[2:4]))
        right = self._view(b, (batch, k, n), (jumps[2], *steps[4:6]))
        self._write(d, (batch, m, n), (jumps[0], *steps[:2]), left @ right, flags & ACC)

    def _sparse_matmul(self, params, d, a, b, c):
        m, k, nonzeros, groups, n, *strides = params
        item = DTYPES[self.operands[d][1]].itemsize
        d_row, d_group, c_row, c_group = (s * item for s in strides)
        values = self._view(a, (nonzeros,), (item,))
        pattern = self._view(b, (2 * m + nonzeros,), (8,))
        begins, ends, columns = np.split(pattern, [m, 2 * m])
        matrix = np.zeros((m, k), values.dtype)
        for i in range(m):
            row = slice(begins[i], ends[i])
            matrix[i, columns[row]] = values[row]
        right = self._view(c, (k, groups, n), (c_row, c_group, item))
        product = np.tensordot(matrix, right, 1)
        self._write(d, (m, groups, n), (d_row, d_group, item), product, 0)

    def _copy(self, flags, at, d, a, b):
        ndim = self.params[at]
        words = self.params[at + 1 : at + 1 + 3 * ndim]
        shape = words[:ndim]
        source = self._view(a, shape, words[2 * ndim :]).copy()
        self._write(d, shape, words[ndim : 2 * ndim], source, flags & ACC)

    def _zero(self, flags, at, d, a, b):
        number, _, offset = self.operands[d]
        base, size = self.bases[number], self.params[at]
        assert base.writable and 0 <= offset and offset + size <= base.size
        base.buffer[base.start + offset : base.start + offset + size] = 0
        base.written[base.start + offset : base.start + offset + size] = True

    def _index(self, at):
        return self.params[at : at + 5]

    def _positions(self, operand, outer, count, bound, step):
        index = self._view(operand, (outer, count), (8 * step, 8)).copy()
        index = np.where(index < 0, index + bound, index)
        if index.size and (index.min() < 0 or index.max() >= bound):
            raise IndexError("position out of range")
        return index

    def _dense(self, operand, shape, write=False, read=True):
        item = DTYPES[self.operands[operand][1]].itemsize
        strides = (shape[1] * shape[2] * item, shape[2] * item, item)
        return self._view(operand, shape, strides, write, read)

    def _gather(self, flags, at, d, a, b):
        outer, count, bound, inner, step = self._index(at)
        index = self._positions(b, outer, count, bound, step)
        source = self._dense(a, (outer, bound, inner))
        place = self._dense(d, (outer, count, inner), True, False)
        for o in range(outer):
            place[o] = source[o, index[o]]

    def _scatter(self, at, d, a, b, adding):
        outer, count, bound, inner, step = self._index(at)
        index = self._positions(b, outer, count, bound, step)
        source = self._dense(a, (outer, count, inner))
        place = self._dense(d, (outer, bound, inner), True)
        for o in range(outer):
            for k in range(count):
                place[o, index[o, k]] = source[o, k] + (place[o, index[o, k]] if adding else 0)

    def _scatter_add(self, flags, at, d, a, b):
        self._scatter(at, d, a, b, True)

    def _scatter_set(self, flags, at, d, a, b):
        self._scatter(at, d, a, b, False)

    def _wrap(self, flags, at, d, a, b):
        count, bound = self.params[at : at + 2]
        index = self._view(a, (count,), (8,))
        if count and (index.min() < -bound or index.max() >= bound):
            raise IndexError("position out of range")
        self._view(d, (count,), (8,), True, False)[...] = np.where(index < 0, index + bound, index)

    def _argsort(self, flags, at, d, a, b):
        outer, n = self.params[at : at + 2]
        source = self._dense(a, (outer, n, 1))
        place = self._dense(d, (outer, n, 1), True, False)
        place[...] = np.argsort(source, axis=1, kind="stable")

    def _search(self, flags, at, d, a, b):
        outer, n, m, right, step = self.params[at : at + 5]
        item = DTYPES[self.operands[a][1]].itemsize
        rows = self._view(a, (outer, n), (step * item, item))
        wanted = self._dense(b, (outer, m, 1))
        place = self._dense(d, (outer, m, 1), True, False)
        for o in range(outer):
            side = "right" if right else "left"
            place[o, :, 0] = np.searchsorted(rows[o], wanted[o, :, 0], side)

    def _cumulate(self, function, flags, at, d, a):
        shape = self.params[at : at + 3]
        source = self._dense(a, shape)
        if flags & REVERSE:
            result = np.flip(function(np.flip(source, 1), axis=1, dtype=source.dtype), 1)
        else:
            result = function(source, axis=1, dtype=source.dtype)
        self._dense(d, shape, True, False)[...] = result

    # ---- linear algebra: params batch m n k a_step b_step mode ----

    def _stack(self, operand, number, step, *shape, write=False):
        item = DTYPES[self.operands[operand][1]].itemsize
        strides = [item]
        for extent in reversed(shape[1:]):
            strides.insert(0, strides[0] * extent)
        size = item * math.prod(shape)
        return self._view(operand, (number, *shape), (size * step, *strides), write, not write)

    def _linalg(self, function, at, d, a, b=None, packed=0, result=0):
        batch, _, n, k, a_step, b_step, mode = self.params[at : at + 7]
        arrays = [self._stack(a, batch, a_step, n + packed, n).copy()]
        if b is not None:
            arrays.append(self._stack(b, batch, b_step, n, k).copy())
        place = self._stack(d, batch, 1, n + result, n if b is None else k, write=True)
        place[...] = function(*arrays, mode)

    def _lu(self, flags, at, d, a, b):
        self._linalg(lambda x, mode: matrices.lu(x), at, d, a, result=2)

    def _inv(self, flags, at, d, a, b):
        self._linalg(lambda x, mode: matrices.inverse(x), at, d, a)

    def _cholesky(self, flags, at, d, a, b):
        self._linalg(lambda x, mode: matrices.cholesky(x), at, d, a)

    def _cofactors(self, flags, at, d, a, b):
        self._linalg(lambda x, mode: matrices.cofactors(x), at, d, a)

    def _lu_solve(self, flags, at, d, a, b):
        self._linalg(
            lambda x, y, mode: matrices.solve_packed(x, y, transposed=bool(mode & 1)),
            at, d, a, b, packed=2,
        )  # fmt: skip

    def _triangular(self, flags, at, d, a, b):
        def solve(t, y, mode):
            return matrices.triangular(
                t, y, lower=bool(mode & 2), transposed=bool(mode & 1), unit=bool(mode & 4)
            )

        self._linalg(solve, at, d, a, b)

    def _factors(self, at, d, a, function):
        """Several results, one after the other in d."""
        batch, m, n, k, _, _, mode = self.params[at : at + 7]
        results = function(self._stack(a, batch, 1, m, n).copy(), k, mode)
        flat = np.concatenate([np.ravel(r) for r in results])
        item = DTYPES[self.operands[d][1]].itemsize
        self._view(d, flat.shape, (item,), True, False)[...] = flat

    def _qr(self, flags, at, d, a, b):
        def function(x, k, mode):
            q, r = matrices.qr(x, k if k else min(x.shape[-2:]))
            return (q, r) if k else (r,)

        self._factors(at, d, a, function)

    def _svd(self, flags, at, d, a, b):
        def function(x, k, mode):
            if mode & 1:
                return matrices.svd(x, full=bool(mode & 2))
            return (np.linalg.svd(x, compute_uv=False),)

        self._factors(at, d, a, function)

    def _eigh(self, flags, at, d, a, b):
        def function(x, k, mode):
            return matrices.eigh(x, upper=bool(mode & 2))[: 1 + (mode & 1)]

        self._factors(at, d, a, function)

    def _eig(self, flags, at, d, a, b):
        def function(x, k, mode):
            return matrices.eig(x)[: 4 if mode & 1 else 2]

        self._factors(at, d, a, function)

    def _expm(self, flags, at, d, a, b):
        self._linalg(lambda x, mode: matrices.expm(x), at, d, a)

    def _cumsum(self, flags, at, d, a, b):
        self._cumulate(np.cumsum, flags, at, d, a)

    def _cumprod(self, flags, at, d, a, b):
        self._cumulate(np.cumprod, flags, at, d, a)
