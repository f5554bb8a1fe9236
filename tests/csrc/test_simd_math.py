"""Elementary functions of ``csrc/src/simd_math.h``: error in ulp, special values, equal bits.

The header is compiled with ``simd_math_loops.c`` into one shared library per instruction set that
this processor runs, and called over arrays through ctypes.  Errors are taken against the C
library's long double functions where those have digits to spare, and against mpmath for a few
arguments where they do not or where argument reduction is what is tested.
"""

import ctypes
import math
import os
import pathlib
import platform
import re
import shutil
import subprocess

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "csrc" / "src"
COMPILER = os.environ.get("CC", "cc").split()
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]

pytestmark = pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="no C compiler")

# Largest error allowed in ulp, float64 and float32, and the intervals to draw float64 arguments
# from beside random bit patterns.  The bounds are the errors stated in the header, rounded up.
UNARY = {
    "exp": (1.1, 1.1, [(-746, 710), (-1, 1)]),
    "exp2": (0.95, 0.6, [(-1080, 1025), (-1, 1)]),
    "expm1": (1.4, 1.2, [(-40, 710), (-1, 1), (-0.01, 0.01), (-3, 3)]),
    "log": (0.9, 0.9, [(0.5, 2), (0, 1e3), (0.99, 1.01)]),
    "log2": (0.9, 0.6, [(0.5, 2), (0, 1e3), (0.99, 1.01)]),
    "log10": (0.9, 0.6, [(0.5, 2), (0, 1e3), (0.99, 1.01)]),
    "log1p": (1.0, 1.0, [(-1, 1), (-1, 100), (-0.01, 0.01)]),
    "sin": (0.9, 1.0, [(-7, 7), (-1e3, 1e3), (-3e6, 3e6)]),
    "cos": (0.9, 1.0, [(-7, 7), (-1e3, 1e3), (-3e6, 3e6)]),
    "tan": (1.1, 0.6, [(-7, 7), (-1e3, 1e3), (-3e6, 3e6)]),
    "asin": (0.9, 0.6, [(-1, 1), (0.99, 1)]),
    "acos": (0.9, 0.6, [(-1, 1), (0.99, 1), (-1, -0.99)]),
    "atan": (0.9, 0.6, [(-1, 1), (-5, 5), (-100, 100)]),
    "sinh": (1.8, 0.6, [(-711, 711), (-2, 2), (-20, 20)]),
    "cosh": (1.0, 0.6, [(-711, 711), (-2, 2), (-20, 20)]),
    "tanh": (1.9, 1.8, [(-22, 22), (-1, 1), (-0.1, 0.1)]),
    "asinh": (1.1, 0.6, [(-10, 10), (-1e3, 1e3), (-1, 1)]),
    "acosh": (1.1, 0.6, [(1, 2), (1, 100), (1, 1.01)]),
    "atanh": (1.1, 0.6, [(-1, 1), (0.99, 1), (-0.1, 0.1)]),
    "cbrt": (0.6, 0.6, [(-10, 10), (1, 8)]),
    "erf": (1.5, 0.6, [(-6, 6), (-1, 1), (0.8, 1.2)]),
    "erfc": (1.8, 0.6, [(-6, 28), (-1, 1), (0, 6)]),
    "gauss": (1.0, 0.6, [(-28, 28), (-1, 1), (0, 6)]),
    "sigmoid": (1.6, 1.6, [(-746, 40), (-2, 2), (-40, 40)]),
    "softplus": (1.8, 1.8, [(-746, 40), (-2, 2), (-40, 40)]),
}
BINARY = {"atan2": (1.5, 0.6), "pow": (1.0, 0.6), "hypot": (1.0, 0.6)}
TRIGONOMETRIC = ("sin", "cos", "tan")

inf, nan = math.inf, math.nan
AWKWARD = [
    0.0, -0.0, 1.0, -1.0, inf, -inf, nan, 0.5, -0.5, 2.0, 10.0, 1000.0, 8.0, 27.0, 710.0, -746.0,
    5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308,
    2.0**-54, -(2.0**-30), 709.782712893384, -745.1332191019411, -1074.0, -1022.5,
]  # fmt: skip


def processor_has(words):
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return found is not None and set(words) <= set(found[1].split())


def instruction_sets():
    sets = {"baseline": []}
    if platform.machine().lower() in ("x86_64", "amd64"):
        if processor_has(["avx2", "fma", "bmi2"]):
            sets["v3"] = ["-march=x86-64-v3"]
        if processor_has(["avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"]):
            sets["v4"] = ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    return sets


def compiler_accepts(options):
    command = [*COMPILER, *options, "-x", "c", "-E", os.devnull]
    return subprocess.run(command, capture_output=True).returncode == 0


SETS = instruction_sets()


class Library:
    """One build of the loops, and the compiler's report on what it vectorised."""

    def __init__(self, folder, name, options):
        target = folder / f"loops_{name}.so"
        command = [*COMPILER, "-std=c11", *FLAGS, *options, "-shared", "-fPIC", f"-I{INCLUDE}"]
        command += [str(HERE / "simd_math_loops.c"), "-o", str(target)]
        version = subprocess.run([*COMPILER, "--version"], capture_output=True, text=True).stdout
        self.is_gcc = "Free Software Foundation" in version
        report = ["-fopt-info-vec-optimized"] if self.is_gcc else []
        done = subprocess.run([*command, *report, "-lm"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.vectorised = {
            int(m[1]) for m in re.finditer(r"loops\.c:(\d+):.*loop vectorized", done.stderr)
        }
        self.handle = ctypes.CDLL(str(target))

    def __call__(self, kind, name, *arguments):
        """y of loop_, single_ or trig_ NAME; float32 arguments choose the float32 function."""
        suffix = "f" if arguments[0].dtype == np.float32 else ""
        y = np.empty_like(arguments[0])
        function = getattr(self.handle, f"{kind}_{name}{suffix}")
        function(ctypes.c_int64(y.size), *(ctypes.c_void_p(a.ctypes.data) for a in (y, *arguments)))
        return y

    def error(self, name, y, *arguments):
        suffix = "f" if y.dtype == np.float32 else ""
        e = np.empty(y.size)
        function = getattr(self.handle, f"error_{name}{suffix}")
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (e, y, *arguments))
        function(ctypes.c_int64(y.size), *pointers)
        return e


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simd_math")
    accepted = {name: options for name, options in SETS.items() if compiler_accepts(options)}
    return {name: Library(folder, name, options) for name, options in accepted.items()}


@pytest.fixture(scope="module")
def fast(libraries):
    """The widest instruction set here."""
    return libraries[list(libraries)[-1]]


def draw(name, dtype, count):
    """Arguments from the function's intervals, random bit patterns and the awkward list."""
    rng = np.random.default_rng(1)
    bits = np.uint64 if dtype == np.float64 else np.uint32
    parts = [rng.integers(0, np.iinfo(bits).max, count, dtype=bits).view(dtype)]
    parts += [rng.uniform(a, b, count).astype(dtype) for a, b in UNARY[name][2]]
    with np.errstate(over="ignore"):
        parts.append(np.array(AWKWARD).astype(dtype))
    return np.concatenate(parts)


def draw_pairs(name, dtype, count):
    rng = np.random.default_rng(2)
    bits = np.uint64 if dtype == np.float64 else np.uint32
    x, y = rng.integers(0, np.iinfo(bits).max, (2, count), dtype=bits).view(dtype)
    u, v = rng.uniform(-1, 1, (2, count))
    pairs = [(x, y), (u * 3, v * 20), (u, u * np.exp2(v * 60)), (np.abs(u), np.abs(v) * 1e-3)]
    if name == "pow":
        wide = np.exp(u * 10)
        near = 1 + u * np.exp2(-30 * np.abs(v))
        integer = np.round(v * 40)
        pairs += [(wide, v * 740 / np.abs(np.log(wide))), (u * 9, integer)]
        with np.errstate(divide="ignore"):
            pairs.append((np.abs(near), np.clip(700 * v / np.log(np.abs(near)), -1e300, 1e300)))
    else:
        scale = np.exp2(np.round(v * 1000))
        pairs += [(u * scale, rng.uniform(-1, 1, count) * scale), (u * scale, v)]
    special = np.array([*AWKWARD, -8.0, 3.0, 1 + 2.0**-52, 2.0**52 + 1, -(2.0**53) + 1, 2.0**60])
    pairs.append([a.ravel() for a in np.meshgrid(special, special)])
    with np.errstate(over="ignore"):
        return tuple(np.concatenate([p[i].astype(dtype) for p in pairs]) for i in (0, 1))


def same_bits(a, b):
    """Equal to the bit, except that every NaN equals every other."""
    integer = np.uint64 if a.dtype == np.float64 else np.uint32
    return (a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_header_alone_compiles_without_a_warning(tmp_path, standard):
    source = tmp_path / "alone.c"
    source.write_text('#include "simd_math.h"\nint main(void) { return 0; }\n')
    command = [*COMPILER, f"-std={standard}", "-pedantic", *WARNINGS, f"-I{INCLUDE}", "-c"]
    done = subprocess.run(
        [*command, str(source), "-o", str(tmp_path / "alone.o")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="long double has no digits to spare"
)


@long_double
@pytest.mark.parametrize("name", UNARY)
def test_unary_error(libraries, fast, name):
    for dtype, bound in zip((np.float64, np.float32), UNARY[name][:2], strict=True):
        x = draw(name, dtype, 20000)
        y = fast("single" if name in TRIGONOMETRIC else "loop", name, x)
        e = fast.error(name, y, x)
        worst = np.argmax(e)
        assert e[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r}: {e[worst]:.3f} ulp"


@long_double
@pytest.mark.parametrize("name", BINARY)
def test_binary_error(fast, name):
    for dtype, bound in zip((np.float64, np.float32), BINARY[name], strict=True):
        x, z = draw_pairs(name, dtype, 20000)
        y = fast("loop", name, x, z)
        e = fast.error(name, y, x, z)
        worst = np.argmax(e)
        assert e[worst] <= bound, f"{name}({x[worst]!r}, {z[worst]!r}): {e[worst]:.3f} ulp"


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_same_bits_in_loops_single_calls_and_instruction_sets(libraries, name):
    for dtype in (np.float64, np.float32):
        if name in BINARY:
            arguments = draw_pairs(name, dtype, 3000)
        else:
            arguments = (draw(name, dtype, 3000),)
        kind = "trig" if name in TRIGONOMETRIC else "loop"
        first = None
        for label, library in libraries.items():
            whole = library(kind, name, *arguments)
            single = library("single", name, *arguments)
            odd = library(kind, name, *(a[1:-2].copy() for a in arguments))
            first = whole if first is None else first
            for other in (single, first):
                differ = np.flatnonzero(~same_bits(whole, other))
                assert differ.size == 0, (label, [a[differ[:3]] for a in arguments])
            assert same_bits(odd, whole[1:-2]).all()


def test_loops_are_vectorised(libraries):
    lines = (HERE / "simd_math_loops.c").read_text().splitlines()
    loops = {i + 1: line for i, line in enumerate(lines) if re.match(r"LOOP[12]\(", line)}
    assert len(loops) == 2 * (len(UNARY) + len(BINARY))
    for label in ("v3", "v4"):
        library = libraries.get(label)
        if library is None or not library.is_gcc:
            continue
        missed = [line for i, line in loops.items() if i not in library.vectorised]
        assert missed == []


SPECIAL = {
    "exp": [(0, 1), (-0.0, 1), (inf, inf), (-inf, 0), (710, inf), (-746, 0)],
    "exp2": [(0, 1), (10, 1024), (-1074, 5e-324), (1024, inf), (-1076, 0), (-inf, 0)],
    "expm1": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -1), (5e-324, 5e-324)],
    "log": [(1, 0), (0, -inf), (-0.0, -inf), (inf, inf), (-1, nan), (-inf, nan)],
    "log2": [(1, 0), (8, 3), (5e-324, -1074), (0, -inf), (-1, nan), (inf, inf)],
    "log10": [(1, 0), (1000, 3), (1e22, 22), (0, -inf), (-1, nan), (inf, inf)],
    "log1p": [(0, 0), (-0.0, -0.0), (-1, -inf), (-2, nan), (inf, inf), (5e-324, 5e-324)],
    "sin": [(0, 0), (-0.0, -0.0), (inf, nan), (-inf, nan), (-5e-324, -5e-324)],
    "cos": [(0, 1), (-0.0, 1), (inf, nan)],
    "tan": [(0, 0), (-0.0, -0.0), (inf, nan), (5e-324, 5e-324)],
    "asin": [(0, 0), (-0.0, -0.0), (1, math.pi / 2), (-1, -math.pi / 2), (1.1, nan)],
    "acos": [(1, 0), (-1, math.pi), (0, math.pi / 2), (-1.1, nan)],
    "atan": [(0, 0), (-0.0, -0.0), (inf, math.pi / 2), (-inf, -math.pi / 2), (1, math.pi / 4)],
    "sinh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (5e-324, 5e-324)],
    "cosh": [(0, 1), (inf, inf), (-inf, inf)],
    "tanh": [(0, 0), (-0.0, -0.0), (inf, 1), (-inf, -1), (5e-324, 5e-324)],
    "asinh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (-5e-324, -5e-324)],
    "acosh": [(1, 0), (inf, inf), (0.5, nan), (-inf, nan)],
    "atanh": [(0, 0), (-0.0, -0.0), (1, inf), (-1, -inf), (2, nan), (-inf, nan)],
    "cbrt": [(0, 0), (-0.0, -0.0), (27, 3), (-8, -2), (inf, inf), (-inf, -inf)],
    "erf": [(0, 0), (-0.0, -0.0), (inf, 1), (-inf, -1), (7, 1)],
    "erfc": [(0, 1), (inf, 0), (-inf, 2), (28, 0), (-7, 2)],
    "gauss": [(0, 1), (inf, 0), (-inf, 0), (28, 0), (-28, 0)],
    "sigmoid": [(0, 0.5), (inf, 1), (-inf, 0), (-800, 0), (800, 1)],
    "softplus": [(0, math.log(2)), (inf, inf), (-inf, 0), (1e300, 1e300), (-800, 0)],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(libraries, name):
    cases = [*SPECIAL[name], (nan, nan)]
    x = np.array([c[0] for c in cases], float)
    want = np.array([c[1] for c in cases], float)
    for library in libraries.values():
        got = library("single", name, x)
        assert same_bits(got, want).all(), (x, got, want)
        narrow = np.abs(x) != 5e-324
        with np.errstate(over="ignore", under="ignore"):
            x32, want32 = x.astype(np.float32)[narrow], want.astype(np.float32)[narrow]
        got = library("single", name, x32)
        fits = np.abs(x[narrow]) < 1e20  # others are infinite in float32, another case
        fits |= np.isinf(x[narrow]) | np.isnan(x[narrow])
        got, want32 = got[fits], want32[fits]
        close = np.isclose(got, want32, rtol=1.2e-7, atol=0, equal_nan=True)
        assert (close & ((np.signbit(got) == np.signbit(want32)) | np.isnan(got))).all()


# C99 F.9.4.4; atan2: F.9.1.4; hypot: F.9.4.3.
POW = [
    (-0.0, -3, -inf), (0.0, -3, inf), (-0.0, -2, inf), (0, -0.5, inf), (-0.0, -inf, inf),
    (-0.0, 3, -0.0), (0.0, 3, 0.0), (-0.0, 2, 0.0), (-0.0, 0.5, 0.0), (0, inf, 0),
    (-1, inf, 1), (-1, -inf, 1), (1, nan, 1), (1, inf, 1), (nan, 0, 1), (nan, -0.0, 1),
    (inf, 0, 1), (-8, 3, -512), (-8, 2, 64), (-8, 1 / 3, nan), (-0.5, 2.5, nan), (0.5, -inf, inf),
    (2, -inf, 0), (0.5, inf, 0), (2, inf, inf), (-2, inf, inf), (-inf, -3, -0.0), (-inf, -2, 0),
    (-inf, -0.5, 0), (-inf, 3, -inf), (-inf, 2, inf), (-inf, 0.5, inf), (inf, -1, 0),
    (inf, 1e-300, inf), (nan, 1, nan), (2, nan, nan), (10, 22, 1e22), (2, -1074, 5e-324),
    (2, 1023.0, 2.0**1023), (2, 1024, inf), (-2, 1025, -inf), (-1, 2.0**53 + 2, 1),
    (-1, 2.0**53 - 1, -1), (-1, 1e300, 1), (1 + 2.0**-52, 1e300, inf), (1 - 2.0**-53, 1e300, 0),
    (5e-324, 1, 5e-324), (5e-324, -1, inf), (1.7976931348623157e308, 1, 1.7976931348623157e308),
]  # fmt: skip
PI = math.pi
ATAN2 = [
    (0.0, -0.0, PI), (-0.0, -0.0, -PI), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (0.0, -1, PI),
    (-0.0, -1, -PI), (0.0, 1, 0.0), (-0.0, 1, -0.0), (-1, 0.0, -PI / 2), (1, -0.0, PI / 2),
    (1, -inf, PI), (-1, -inf, -PI), (1, inf, 0.0), (-1, inf, -0.0), (inf, 1, PI / 2),
    (-inf, -5, -PI / 2), (inf, -inf, 3 * PI / 4), (-inf, -inf, -3 * PI / 4), (inf, inf, PI / 4),
    (-inf, inf, -PI / 4), (nan, 1, nan), (1, nan, nan), (1, 1, PI / 4), (5e-324, 5e-324, PI / 4),
    (1e308, -1e308, 3 * PI / 4), (5e-324, 1e308, 0.0), (-5e-324, 1, -5e-324),
]  # fmt: skip
HYPOT = [
    (inf, nan, inf), (nan, -inf, inf), (nan, 1, nan), (3, -4, 5), (0, -0.0, 0), (1e308, 1, 1e308),
    (5e-324, 0, 5e-324), (3e-320, 4e-320, 5e-320), (1.7e308, 1.7e308, inf), (-3e200, 4e200, 5e200),
]  # fmt: skip


@pytest.mark.parametrize("name, table", [("pow", POW), ("atan2", ATAN2), ("hypot", HYPOT)])
def test_special_pairs(libraries, name, table):
    x, z, want = (np.array(column, float) for column in zip(*table, strict=True))
    for library in libraries.values():
        got = library("loop", name, x, z)
        wrong = ~same_bits(got, want)
        if name == "hypot":
            wrong &= ~np.isclose(got, want, rtol=2.3e-16, atol=5e-324)
        assert not wrong.any(), list(zip(x[wrong], z[wrong], got[wrong], want[wrong], strict=True))


@pytest.mark.parametrize("name", TRIGONOMETRIC)
def test_reduction_near_multiples_of_half_pi_and_far_out(fast, name):
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(3)
    near = np.round(np.exp(rng.uniform(0, 14, 60))) * (PI / 2)
    far = np.exp2(rng.uniform(21, 1024, 60)) * 0.999
    # the double closest to a multiple of pi/2 of all (Muller 2016, ch. 11), and both limits
    edge = np.array([6381956970095103.0 * 2.0**797, 2.0**21, 2.0**21 * (1 + 2.0**-52), 1e22, PI])
    x = np.concatenate([near, np.nextafter(near, 0), far, edge])
    x = np.concatenate([x, -x])
    got = fast("trig", name, x)
    assert same_bits(got, fast("single", name, x)).all()
    with mpmath.workprec(1400):
        for a, y in zip(x.tolist(), got.tolist(), strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(a))
            assert abs(mpmath.mpf(y) - exact) <= 1.1 * math.ulp(float(exact)), (name, a, y)
    x32 = np.concatenate([near.astype(np.float32), np.float32([2.0**15, 29528.6152, 1e30, 3e38])])
    got32 = fast("trig", name, x32)
    assert same_bits(got32, fast("single", name, x32)).all()
    with mpmath.workprec(300):
        for a, y in zip(x32.tolist(), got32.tolist(), strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(a))
            assert abs(mpmath.mpf(y) - exact) <= 1.0 * float(np.spacing(np.float32(abs(exact))))


@pytest.mark.parametrize("name", TRIGONOMETRIC)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_array_forms_with_rare_arguments_and_in_place(fast, name, dtype):
    x = np.linspace(-50, 50, 1000, dtype=dtype)
    x[[5, 300, 999]] = [1e10, nan, -inf]
    want = fast("single", name, x)
    assert same_bits(fast("trig", name, x), want).all()
    in_place = x.copy()
    suffix = "f" if dtype == np.float32 else ""
    pointer = ctypes.c_void_p(in_place.ctypes.data)
    getattr(fast.handle, f"trig_{name}{suffix}")(ctypes.c_int64(x.size), pointer, pointer)
    assert same_bits(in_place, want).all()
    assert fast("trig", name, x[:0]).size == 0


def test_symmetry_and_monotone_ends(fast):
    x = draw("tanh", np.float64, 5000)
    for name in ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "cbrt", "erf"):
        assert same_bits(fast("single", name, -x), -fast("single", name, x)).all(), name
    for name in ("cos", "cosh"):
        assert same_bits(fast("single", name, -x), fast("single", name, x)).all(), name
    for name in ("tanh", "erf", "sigmoid"):
        y = fast("single", name, x)
        assert (np.abs(y[~np.isnan(x)]) <= 1).all(), name
