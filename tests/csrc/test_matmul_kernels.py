"""Matrix products of csrc/src/kernels_matmul.c, each instruction set by itself.

The kernel file is compiled as the build does, once per instruction set that this CPU has, and
called through ctypes. Expected bits come from a second implementation below, element by element,
in the orders that kernels_matmul.h states; as every instruction set with fused multiply-add has to
match it, they also match each other. Operands end or begin at an inaccessible page, so that a
read or write outside them ends the test run.
"""

import ctypes
import itertools
import math
import mmap
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "csrc" / "src" / "kernels_matmul.c"
FLAGS = "-std=c11 -O3 -fPIC -shared -ffp-contract=off -fno-math-errno -fno-trapping-math".split()
WARNINGS = "-Wall -Wextra -Wconversion -Wshadow -Werror".split()
DTYPES = {"f64": np.float64, "f32": np.float32}
CC = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")

pytestmark = pytest.mark.skipif(CC is None, reason="needs a C compiler")

REFERENCE = r"""
#include <math.h>
#include <stdint.h>
#define DEFINE(T, D, L, FMA) \
static T block_##D(int64_t k, const T *x, int64_t dx, const T *y, int64_t dy) { \
    T lane[L] = {0}; int64_t n = k < L ? 1 : L; \
    for (int64_t p = 0; p < k; p++) lane[p % n] = FMA(x[p * dx], y[p * dy], lane[p % n]); \
    for (int64_t h = n / 2; h > 0; h /= 2) for (int64_t j = 0; j < h; j++) lane[j] += lane[j + h]; \
    return lane[0]; } \
static T dot_##D(int64_t k, const T *x, int64_t dx, const T *y, int64_t dy) { \
    int64_t blocks = (k + 4095) / 4096, left = 1; \
    if (blocks == 1) return block_##D(k, x, dx, y, dy); \
    while (2 * left < blocks) left *= 2; \
    return dot_##D(left * 4096, x, dx, y, dy) + \
           dot_##D(k - left * 4096, x + left * 4096 * dx, dx, y + left * 4096 * dy, dy); } \
void reference_##D(int64_t m, int64_t n, int64_t k, T *c, int64_t cr, int64_t cc, const T *a, \
                   int64_t ar, int64_t ac, const T *b, int64_t br, int64_t bc, int acc) { \
    int dots = (n == 1 && ac == 1) || (m == 1 && br == 1); \
    for (int64_t i = 0; i < m; i++) for (int64_t j = 0; j < n; j++) { \
        T *out = c + i * cr + j * cc; const T *x = a + i * ar, *y = b + j * bc; \
        if (k == 0) { *out = acc ? *out : 0; continue; } \
        if (dots) { T d = dot_##D(k, x, ac, y, br); *out = acc ? *out + d : d; continue; } \
        int few = (n == 1 && ar == 1 && cr == 1 && m > 1 && m * sizeof(T) <= 192) || \
                  (m == 1 && bc == 1 && cc == 1 && n > 1 && n * sizeof(T) <= 192); \
        if (few) { T s[4] = {0}, d; \
            for (int64_t p = 0; p < k; p++) s[p % 4] = FMA(x[p * ac], y[p * br], s[p % 4]); \
            d = (s[0] + s[1]) + (s[2] + s[3]); *out = acc ? *out + d : d; continue; } \
        T s = acc ? *out : 0; \
        for (int64_t p = 0; p < k; p++) s = FMA(x[p * ac], y[p * br], s); \
        *out = s; } }
DEFINE(double, f64, 16, fma)
DEFINE(float, f32, 32, fmaf)
"""


def cpu_flags():
    """Names of the CPU's features, as Linux prints them."""
    path = Path("/proc/cpuinfo")
    return set(path.read_text().split()) if path.exists() else set()


def instruction_sets():
    """Suffix to compiler flags, for what can run here."""
    sets = {"base": []}
    if platform.machine() == "x86_64":
        if {"avx2", "fma", "bmi2"} <= cpu_flags():
            sets["v3"] = ["-march=x86-64-v3"]
        if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"} <= cpu_flags():
            sets["v4"] = ["-march=x86-64-v4"]
    return sets


ISAS = instruction_sets()
FUSED = [isa for isa in ISAS if isa != "base" or platform.machine() == "aarch64"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Shared libraries by suffix, and the reference as 'reference'."""
    folder = tmp_path_factory.mktemp("matmul")
    (folder / "reference.c").write_text(REFERENCE)
    jobs = {"reference": [*FLAGS, *ISAS.get("v3", []), str(folder / "reference.c"), "-lm"]}
    for isa, march in ISAS.items():
        jobs[isa] = [*FLAGS, *WARNINGS, *march, f"-DPBP_ISA={isa}", str(SOURCE)]
    running = {
        name: subprocess.Popen([CC, *args, "-o", str(folder / f"{name}.so")])
        for name, args in jobs.items()
    }
    assert all(process.wait() == 0 for process in running.values())
    return {name: ctypes.CDLL(str(folder / f"{name}.so")) for name in jobs}


_libc = ctypes.CDLL(None, use_errno=True)
_used = []  # fenced memory of the current check ...
_free = {}  # ... and of earlier ones, by size


def fenced(count, dtype, at_end):
    """An array of count elements against an inaccessible page, behind it or before it."""
    page = mmap.PAGESIZE
    size = int(count) * np.dtype(dtype).itemsize
    inner = max(-(-size // page), 1) * page
    if not _free.get(inner):
        memory = mmap.mmap(-1, inner + 2 * page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (address, address + page + inner):
            assert _libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
        _free.setdefault(inner, []).append(memory)
    memory = _free[inner].pop()
    _used.append((inner, memory))
    offset = page + inner - size if at_end else page
    return np.frombuffer(memory, dtype=dtype, count=int(count), offset=offset)


def release():
    """Let later checks have the fenced memory."""
    for inner, memory in _used:
        _free[inner].append(memory)
    _used.clear()


def layout(rows, columns, order):
    """Strides in elements, offset of element (0, 0) and extent of memory, by the order's name."""
    strides = {
        "row": (columns, 1),
        "column": (1, rows),
        "padded": (columns + 3, 1),
        "padded_column": (1, rows + 5),
        "both": (2 * columns + 1, 2),
        "reversed": (-columns, -1),
        "broadcast": (0, 1),
    }[order]
    span = [(extent - 1) * stride for extent, stride in zip((rows, columns), strides, strict=True)]
    if rows == 0 or columns == 0:
        return strides, 0, 0
    return strides, -sum(s for s in span if s < 0), 1 + sum(abs(s) for s in span)


class Operand:
    """A matrix in fenced memory with a layout."""

    def __init__(self, rows, columns, order, name, rng, at_end):
        self.strides, offset, extent = layout(rows, columns, order)
        self.memory = fenced(extent, DTYPES[name], at_end)
        self.memory[:] = rng.standard_normal(extent)
        size = self.memory.itemsize
        self.pointer = ctypes.c_void_p(self.memory.ctypes.data + offset * size)
        self.matrix = np.lib.stride_tricks.as_strided(
            self.memory[offset:], (rows, columns), [s * size for s in self.strides]
        )


def call(library, symbol, sizes, c, a, b, accumulate, scratch=None):
    """Run a product; scratch is the suffix pair of a kernel, None for the reference."""

    def pair(operand):
        return [ctypes.c_int64(stride) for stride in operand.strides]

    integers = [ctypes.c_int64(size) for size in sizes]
    arguments = [*integers, c.pointer, *pair(c), a.pointer, *pair(a), b.pointer, *pair(b)]
    arguments.append(ctypes.c_int(accumulate))
    if scratch is not None:
        ask = getattr(library, f"pbp_matmul_scratch_{scratch}")
        ask.restype = ctypes.c_size_t
        need = ask(*integers, *pair(c), *pair(a), *pair(b))
        room = fenced(-(-need // 64) * 64, np.uint8, at_end=True) if need else None
        if room is not None:
            room[:] = 0xFF  # NaN, should any of it be read before it is written
        arguments.append(ctypes.c_void_p(room.ctypes.data if room is not None else None))
    function = getattr(library, symbol)
    function.restype = None
    function(*arguments)


def check(build, isa, name, m, n, k, orders=("row", "row", "row"), accumulate=0, special=False):
    """Compare one product with the reference: bits where fused, else values."""
    results = []
    for library in ("reference", isa):
        rng = np.random.default_rng(m * 10007 + n * 101 + k)
        at_end = (m + n + k) % 3 != 0
        c, a, b = (
            Operand(*shape, order, name, rng, at_end)
            for shape, order in zip(((m, n), (m, k), (k, n)), orders, strict=True)
        )
        if special and a.memory.size and b.memory.size:
            some = a.memory[:: max(a.memory.size // 5, 1)]
            some[:] = np.resize([np.inf, np.nan, -0.0, 0.0, -np.inf, 1.0], some.size)
            b.memory[:: max(b.memory.size // 3, 1)] = 0.0
        if library == "reference":
            call(build[library], f"reference_{name}", (m, n, k), c, a, b, accumulate)
        else:
            suffix = f"{name}_{isa}"
            call(build[isa], f"pbp_matmul_{suffix}", (m, n, k), c, a, b, accumulate, suffix)
        results.append(c.memory.copy())
    expected, got = results
    message = f"{isa} {name} {m}x{n}x{k} {orders} accumulate={accumulate}"
    if isa in FUSED:
        bits = f"u{expected.itemsize}"
        same = (expected.view(bits) == got.view(bits)) | (np.isnan(expected) & np.isnan(got))
        assert same.all(), message
    else:
        error = 4 * (k + 4) * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(got, expected, rtol=error, atol=error * 10, err_msg=message)
    release()


each_isa = pytest.mark.parametrize("isa", list(ISAS))
each_dtype = pytest.mark.parametrize("name", list(DTYPES))


@each_isa
@each_dtype
def test_every_small_size(build, isa, name):
    for m, n, k in itertools.product((1, 2, 5, 8, 9, 13), range(52), (0, 1, 3)):
        check(build, isa, name, m, n, k, accumulate=(m + n) % 2)
    for m, n in itertools.product(range(20), (1, 7, 16, 33)):
        check(build, isa, name, m, n, 5, ("row", "column", "row"), accumulate=m % 2)


@each_isa
@each_dtype
@pytest.mark.parametrize("accumulate", [0, 1])
def test_every_layout(build, isa, name, accumulate):
    orders = ("row", "column", "padded", "padded_column", "both", "reversed", "broadcast")
    for a, b, c in itertools.product(orders, orders, orders[:4]):
        for m, n, k in ((7, 10, 12), (33, 41, 19), (1, 37, 40), (37, 1, 40), (1, 1, 35)):
            check(build, isa, name, m, n, k, (c, a, b), accumulate)


@each_isa
@each_dtype
def test_shapes_of_a_network(build, isa, name):
    for batch in (1, 5, 32, 130):
        for n, k in ((128, 64), (64, 128), (10, 64)):
            check(build, isa, name, batch, n, k)
            check(build, isa, name, k, n, batch, ("row", "column", "row"), accumulate=1)
            check(build, isa, name, batch, k, n, ("row", "row", "column"))


@each_isa
@each_dtype
def test_blocks(build, isa, name):
    for orders in itertools.product(("row", "column"), repeat=3):
        check(build, isa, name, 131, 259, 530, orders, accumulate=1)
    check(build, isa, name, 300, 300, 700, ("row", "column", "row"))
    check(build, isa, name, 70, 1100, 300, ("row", "padded_column", "row"))
    check(build, isa, name, 50, 60, 1100, ("row", "both", "both"))
    check(build, isa, name, 1100, 10, 70, ("row", "column", "row"), accumulate=1)  # narrow


@each_isa
@each_dtype
def test_vectors(build, isa, name):
    for k in (1, 15, 16, 17, 31, 32, 33, 63, 100, 4095, 4096, 4097, 4111, 20500, 28700):
        for m in (1, 2, 3, 7):
            for accumulate in (0, 1):
                check(build, isa, name, m, 1, k, accumulate=accumulate)
                check(build, isa, name, 1, m, k, ("row", "row", "column"), accumulate)
                check(build, isa, name, m, 1, k, ("row", "row", "both"), accumulate)
    for m in (1, 3, 8, 30, 47, 48, 49, 130, 2100, 5000):
        for k in (1, 2, 3, 4, 9):
            check(build, isa, name, m, 1, k, ("row", "column", "row"), accumulate=k % 2)
            check(build, isa, name, 1, m, k, accumulate=k % 2)
            check(build, isa, name, 1, m, k, ("padded_column", "row", "row"), accumulate=k % 2)
            check(build, isa, name, m, 1, k, ("padded", "column", "both"), accumulate=k % 2)


@each_isa
@each_dtype
def test_special_values(build, isa, name):
    for m, n, k in ((3, 4, 5), (20, 10, 30), (40, 1, 50), (1, 40, 50), (100, 200, 300)):
        for orders in itertools.product(("row", "column"), repeat=3):
            check(build, isa, name, m, n, k, orders, special=True)


@each_dtype
def test_bits_do_not_depend_on_the_caller_cutting(build, name):
    for isa in FUSED:
        rng = np.random.default_rng(0)
        m, n, k = 60, 50, 300
        suffix = f"{name}_{isa}"
        c, a, b = (Operand(*s, "row", name, rng, True) for s in ((m, n), (m, k), (k, n)))
        call(build[isa], f"pbp_matmul_{suffix}", (m, n, k), c, a, b, 0, suffix)
        whole = c.matrix.copy()
        size = c.memory.itemsize
        for p, i in itertools.product((0, 100, 200), (0, 30)):
            part = [Operand(0, 0, "row", name, rng, True) for _ in range(3)]
            for piece, full, offset in zip(part, (c, a, b), (i * n, i * k + p, p * n), strict=True):
                piece.strides = full.strides
                piece.pointer = ctypes.c_void_p(full.pointer.value + offset * size)
            call(build[isa], f"pbp_matmul_{suffix}", (30, n, 100), *part, int(p > 0), suffix)
        np.testing.assert_array_equal(c.matrix, whole)


@each_dtype
def test_accuracy_of_a_long_dot(build, name):
    for isa in ISAS:
        rng = np.random.default_rng(1)
        suffix = f"{name}_{isa}"
        shapes = ((1, 1), (1, 10**6), (10**6, 1))
        c, a, b = (Operand(*s, "row", name, rng, True) for s in shapes)
        call(build[isa], f"pbp_matmul_{suffix}", (1, 1, 10**6), c, a, b, 0, suffix)
        exact = math.fsum(a.matrix[0].astype(float) * b.matrix[:, 0].astype(float))
        assert abs(c.matrix[0, 0] - exact) < 1e4 * np.finfo(DTYPES[name]).eps


@each_isa
@each_dtype
def test_against_numpy(build, isa, name):
    rng = np.random.default_rng(2)
    suffix = f"{name}_{isa}"
    for m, n, k in ((5, 6, 7), (64, 10, 32), (200, 150, 100), (1, 128, 64), (100, 1, 64)):
        c, a, b = (Operand(*s, "row", name, rng, True) for s in ((m, n), (m, k), (k, n)))
        start = c.matrix.copy()
        call(build[isa], f"pbp_matmul_{suffix}", (m, n, k), c, a, b, 1, suffix)
        error = 10 * k * np.finfo(DTYPES[name]).eps
        np.testing.assert_allclose(c.matrix, start + a.matrix @ b.matrix, rtol=error, atol=error)
