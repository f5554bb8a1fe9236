"""The native backend: the same bits as the interpreter over the whole instruction set, the cache,
the compiler that is not there, threads, pickles, and export for embedding.

Compilation is what these tests spend their time on, so it is done without optimisation but where
vector code is the point: the emitted C has one meaning whatever the compiler makes of it.
"""

import concurrent.futures
import ctypes
import os
import pickle
import random
import shutil
import subprocess
import sys

import numpy as np
import programs
import pytest
import samples

import pybackprop as bp
from pybackprop import native
from pybackprop._core import Tape, flatten_tree, instruction_table
from pybackprop.errors import UnsupportedError
from pybackprop.graph import open_graph
from pybackprop.lowering import assemble, lowered
from pybackprop.lowering.tape import container

COMPILERS = [c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler found")


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """A cache of its own, and a compiler in a hurry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYBACKPROP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PYBACKPROP_CFLAGS", "-O0")
        yield


@pytest.fixture
def optimised(monkeypatch):
    monkeypatch.delenv("PYBACKPROP_CFLAGS")


def assert_same(function, *args):
    """Both backends give the same bits."""
    expected = flatten_tree(bp.compile(function)(*args))[1]
    result = flatten_tree(bp.compile(function, backend="native")(*args))[1]
    for x, y in zip(expected, result, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f"), (x, y)


def gradient(function):
    return bp.value_and_grad(function).function


# ---- every instruction --------------------------------------------------------------------------


def _applications():
    for number, listed in enumerate(samples.SAMPLES.values()):
        for sample in listed:
            if "body" not in sample.attributes:
                yield number, sample
                if sample.floating:
                    yield number, sample.with_dtype(np.float32)


@pytest.mark.parametrize("part", range(8))
def test_every_primitive(part):
    """All samples of an eighth of the primitives, in one graph."""
    chosen = [s for number, s in _applications() if number % 8 == part]
    arrays = []
    with open_graph("all", ()) as graph:
        outputs = []
        for sample in chosen:
            operands = [graph.add_input(a.shape, a.dtype) for a in sample.arrays]
            arrays += sample.arrays
            result = sample.primitive(*operands, **sample.attributes)
            outputs += result if isinstance(result, (tuple, list)) else [result]
        graph.close(outputs)
    lowering = lowered(graph)
    sections = container(assemble(lowering))
    plain, fast = Tape(sections), Tape(sections)
    native.attach(fast, lowering)
    with np.errstate(all="ignore"):
        for x, y in zip(plain.run(arrays), fast.run(arrays), strict=True):
            assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integers(dtype):
    """Wrapping, divisions, shifts, conversions and reductions of integers."""
    low, high = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    rng = np.random.default_rng(3)
    x = rng.integers(low, high, (5, 7), np.int64 if dtype == "bool" else dtype).astype(dtype)
    y = rng.integers(0, 2, (5, 7)).astype(dtype) if dtype == "bool" else (x // 3 + 1).astype(dtype)

    def f(x, y):
        made = [x & y, x | y, x ^ y, ~x, x == y, x < y, np.max(x, 0), np.min(y, 1)]
        made += [np.argmax(x, 1), np.argmin(y, 0), np.where(x < y, x, y), x.astype(np.float32)]
        made += [x.astype(np.int8), x.astype(np.uint64), x.astype(bool)]
        if dtype != "bool":
            made += [x + y, x - y, x * y, x // y, x % y, -x, abs(x), np.sign(x), x >> 2, x << 3]
            made += [np.sum(x), np.sum(x, 0), np.prod(y, 1), np.cumsum(x, 1), np.maximum(x, y)]
            made += [y ** (x % 5 if dtype[0] == "u" else abs(x % 5))]
        return made

    assert_same(f, x, y)


def test_conversions_of_floats():
    x = np.array([0.0, -0.0, 1.5, -2.5, 300.7, -1e10, 3e19, np.nan, np.inf, -np.inf, 2.0**63])

    def f(x):
        kinds = (bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64,
                 np.uint64, np.float32)  # fmt: skip
        return [x.astype(k) for k in kinds] + [x.astype(np.float32).astype(k) for k in kinds]

    with np.errstate(all="ignore"):
        assert_same(f, x)


# ---- programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(6))
def test_random_programs(part):
    """Values and gradients of random programs, several in one compilation."""
    drawn = [programs.draw(random.Random(1000 + 4 * part + k), n_steps=14) for k in range(4)]
    inputs = [programs.inputs_of(p.shapes, k) for k, p in enumerate(drawn)]

    def f(inputs):
        total = 0.0
        for program, xs in zip(drawn, inputs, strict=True):
            total = total + program.scalar(*xs)
        return total

    with np.errstate(all="ignore"):
        assert_same(gradient(f), inputs)


def _pendulum(x, forces):
    def step(carry, force):
        angle, speed = carry
        speed = speed - 0.1 * np.sin(angle) * x[0] + force
        return (angle + 0.1 * speed, speed), speed * speed

    (angle, _), squares = bp.scan(step, (x[1], x[2]), forces)
    return angle + np.mean(squares)


def _nested(x):
    def outer(carry, row):
        def inner(c, v):
            return np.tanh(c * v + carry), c * v

        c, products = bp.scan(inner, carry, row, reverse=True)
        return c, np.sum(products)

    c, sums = bp.scan(outer, 0.5, x)
    return c * np.sum(sums)


def _vectors(x):
    def step(carry, v):
        a, count, found = carry
        a = np.tanh(a * v + x)
        return (a, count + 1, found | (a[0] > 0.5)), a[:2]

    (a, count, found), ys = bp.scan(step, (x * 0.5, 0, False), x)
    return np.sum(a) + count * np.sum(ys**2) + np.where(found, 1.0, 2.0)


@pytest.mark.parametrize("second", [False, True])
def test_loops(second):
    """Scans forward and in reverse, nested, with frames, arrays, counters and truth values."""
    rng = np.random.default_rng(0)
    x, forces, matrix = rng.normal(size=6), rng.normal(size=30), rng.normal(size=(4, 5))

    def f(x, forces, matrix):
        def total(x):
            return _pendulum(x[:3], forces) + _vectors(x) + _nested(matrix * x[3])

        value, slope = bp.value_and_grad(total)(x)
        if not second:
            return value, slope
        return bp.hvp(total)(x, forces[:6])

    assert_same(f, x, forces, matrix)


@pytest.mark.parametrize("n", [15, 16, 17, 511, 513, 4095, 4097, 10_000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_order_of_sums(n, dtype):
    """Sums fused into what they add up keep lanes, blocks and pairs."""
    x = np.random.default_rng(n).normal(size=n).astype(dtype)

    def f(x):
        y = np.exp(x) * x
        return np.sum(y), np.sum(y * x), np.max(np.sin(x)), np.min(y), np.prod(1 + x / n), y

    assert_same(f, x)


def _sums_of_residuals(x, y):
    e = y - (1.5 * x + 0.25)
    return np.sum(e * e), np.sum(e * x), np.sum(e), np.prod(1 + e * 1e-3), e[1:-1] @ y[2:]


@pytest.mark.parametrize("n", [15, 16, 33, 497, 4096, 4099, 4130, 8192, 10_001])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_in_one_loop(n, dtype):
    """Sums of what takes no elementary function are taken beside each other, lane by lane."""
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n)).astype(dtype)
    assert_same(_sums_of_residuals, x, y)


def test_sums_of_rows_in_one_loop(optimised):
    """The same in vector registers, with rows and a reverse sweep around it."""
    x, y = np.random.default_rng(3).normal(size=(2, 5, 4099))

    def f(x, y):
        rows = [np.stack(_sums_of_residuals(x[i], y[i])) for i in range(2)]
        return np.sum((x * y - 1) ** 2, -1), np.sum(np.stack(rows)), x - y

    assert_same(f, x, y)
    assert_same(gradient(lambda x: np.sum(f(x, y)[0] * np.arange(1.0, 6))), x)


def test_rows_and_columns(optimised):
    """Reductions of short and long rows, and over rows, of matrices in several layouts."""
    rng = np.random.default_rng(2)
    x, y, z = rng.normal(size=(200, 3)), rng.normal(size=(40, 33)), rng.normal(size=(3, 40, 20))

    def f(x, y, z):
        made = []
        for a in (x, y, y.T, z, np.transpose(z, (2, 0, 1))):
            e = np.exp(a - np.max(a, -1, keepdims=True))
            made += [e / np.sum(e, -1, keepdims=True), np.sum(np.sin(a), 0), np.max(a * a, 0)]
            made += [np.sum(a * e, -1), np.sum(e)]
        return made

    assert_same(f, x, y, z)


def test_tiles_and_products(optimised):
    """A network over rows by tiles, its products by the core's kernels and by plain loops."""
    rng = np.random.default_rng(4)
    x, labels = rng.normal(size=(3000, 6)), rng.integers(0, 4, 3000)
    weights = {"a": rng.normal(size=(6, 8)), "b": rng.normal(size=8), "c": rng.normal(size=(8, 4))}

    def loss(weights, x, labels):
        hidden = np.maximum(x @ weights["a"] + weights["b"], 0)
        logits = hidden @ weights["c"]
        top = np.max(logits, 1, keepdims=True)
        return np.mean(
            np.log(np.sum(np.exp(logits - top), 1))
            + top[:, 0]
            - np.take_along_axis(logits, labels[:, None], 1)[:, 0]
        )

    assert_same(gradient(loss), weights, x, labels)
    single = {k: v.astype(np.float32) for k, v in weights.items()}
    assert_same(gradient(loss), single, x.astype(np.float32), labels)


def test_huge_angles(optimised):
    """Chunks in which an argument is beyond the fast form are computed again, in place too."""
    x = np.random.default_rng(1).normal(size=1000)
    x[[3, 500, 999]] = [1e30, np.inf, -3e7]

    def f(x):
        y = np.sin(x) + np.cos(2 * x)
        return y, np.sum(np.tan(x) * y), np.sum(np.sin(np.reshape(x, (20, 50))), 0)

    with np.errstate(all="ignore"):
        assert_same(f, x)
        assert_same(gradient(lambda x: np.sum(np.sin(x) * x)), x)


def test_every_row_is_written():
    """No elementwise row lacks an expression in some dtype."""
    from pybackprop.emit.rows import expression, is_elementwise

    for row in instruction_table():
        if not is_elementwise(row["name"]) or row["name"] in ("CAST", "COPY"):
            continue
        for name in row["dtypes"]:
            text = expression(
                row["name"], ["a1", "b1", "c1"][: row["arity"]], np.dtype(name), np.dtype(name)
            )
            assert "T" not in text.replace("INT", "").replace("NAN", "").replace("FINITY", "")


# ---- calls --------------------------------------------------------------------------------------


def test_errors_at_run_time():
    f = bp.compile(lambda x, i: np.sin(x)[i], backend="native")
    with pytest.raises(IndexError, match="index 7 is out of range for an axis of 5"):
        f(np.arange(5.0), np.array([1, 7]))
    assert f(np.arange(5.0), np.array([-1])) == np.sin(4.0)
    g = bp.compile(lambda x, y: x**y, backend="native")
    with pytest.raises(Exception, match="negative integer power") as native_error:
        g(np.array([2, 3]), np.array([1, -1]))
    with pytest.raises(Exception, match="negative integer power") as plain_error:
        bp.compile(lambda x, y: x**y)(np.array([2, 3]), np.array([1, -1]))
    assert type(native_error.value) is type(plain_error.value)


def test_bind_and_options():
    f = bp.value_and_grad(lambda x: np.sum(np.exp(x)), backend="native")
    x = np.array([0.0, 1.0])
    bound = f.bind(x)
    value, slope = bound()
    x[:] = 2.0
    bound()
    assert value[()] == np.exp(2.0) * 2
    assert np.all(slope == np.exp(2.0))
    assert "pbp_native_entry" in f.tape.library.source
    assert bp.compile(lambda x: x * 2, backend="auto").lower(1.0).tape.library is None
    with pytest.raises(ValueError, match="'auto', 'interpreter' or 'native'"):
        bp.compile(lambda x: x, backend="gpu")


def test_a_tape_that_ran_takes_no_native_code():
    f = bp.compile(lambda x: x * 2)
    f(1.0)
    with pytest.raises(ValueError, match="before the first run"):
        f.tape.attach(1, 0, object())


def test_pickle_compiles_again():
    f = bp.compile(np.sinh, backend="native")
    expected = f(np.arange(4.0))
    again = pickle.loads(pickle.dumps(f))
    assert np.array_equal(again(np.arange(4.0)), expected)
    assert again.tape.library is not None


def test_threads_share_a_function():
    f = bp.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2), backend="native")
    arrays = [np.random.default_rng(k).normal(size=500) for k in range(8)]
    expected = [f(a) for a in arrays]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for (value, slope), (v, s) in zip(expected, pool.map(f, arrays), strict=True):
                assert value == v
                assert np.array_equal(slope, s)


# ---- compiler and cache -------------------------------------------------------------------------


def test_without_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnsupportedError, match="needs a C compiler, and none was found; install"):
        bp.compile(lambda x: x + 1, backend="native")(1.0)
    assert bp.compile(lambda x: x + 1, backend="auto")(1.0) == 2.0
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UnsupportedError, match="CC='no-such-compiler' is no command"):
        bp.compile(lambda x: x + 1, backend="native")(1.0)


def test_libraries_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path / "cache"))

    def f(x):
        return np.sum(x * 3)

    bp.compile(f, backend="native")(np.arange(3.0))
    kept = list((tmp_path / "cache").iterdir())
    assert [p.suffix for p in kept] == [".so"]
    before = kept[0].stat().st_mtime_ns
    monkeypatch.setattr(native, "_compile", None)
    assert bp.compile(f, backend="native")(np.arange(4.0)[1:]) == 18.0
    assert kept[0].stat().st_mtime_ns == before


def test_a_folder_of_others_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.raises(UnsupportedError, match="which others can write to; name a folder"):
        bp.compile(lambda x: x * 11, backend="native")(1.0)
    monkeypatch.setenv("PYBACKPROP_CACHE", os.devnull + "/cache")
    with pytest.raises(UnsupportedError, match="cannot be made"):
        bp.compile(lambda x: x * 11, backend="native")(1.0)


@pytest.mark.parametrize("isa", ["base", "v3"])
def test_lesser_instruction_sets(isa, monkeypatch):
    """Both backends are restricted alike, and still agree to the bit."""
    monkeypatch.setenv("PYBACKPROP_ISA", isa)
    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(50, 7)), rng.normal(size=7)

    def f(x, w):
        z = np.tanh(x @ w)
        return np.sum(z * np.exp(z)), np.sin(x) / np.cosh(x), _pendulum(w[:3], z), x.T @ x

    assert_same(f, x, w)


def test_a_damaged_library_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path))

    def f(x):
        return x * 7 - 2

    bp.compile(f, backend="native")(1.0)
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.write_bytes(b"not a library")
    assert bp.compile(f, backend="native")(1.0) == 5.0


def test_processes_compile_the_same_at_once(tmp_path):
    code = (
        "import numpy as np, pybackprop as bp\n"
        "f = bp.value_and_grad(lambda x: np.sum(np.exp(x) * 0.37), backend='native')\n"
        "print(repr(float(f(np.arange(4.0))[0])))"
    )
    root = os.path.dirname(os.path.dirname(bp.__file__))
    environment = {**os.environ, "PYBACKPROP_CACHE": str(tmp_path), "PYTHONPATH": root}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    printed = {p.communicate(timeout=120)[0] for p in started}
    assert len(printed) == 1
    assert all(p.returncode == 0 for p in started)
    assert [p.suffix for p in tmp_path.iterdir()] == [".so"]


def test_too_long_for_a_compiler():
    draw = random.Random(3)

    def f(x):
        for _ in range(12_000):
            # In no order, so that nothing repeats.
            x = draw.choice((np.sin, np.cos, np.tanh, np.exp, np.negative))(x) * 0.99
        return x

    with pytest.raises(UnsupportedError, match=r"do not repeat.*bp\.scan"):
        bp.compile(f, backend="native").lower(0.5)


def test_long_straight_code_is_cut():
    """Statements in several C functions, with values that go from one to the next."""

    def f(x):
        y, kept = x, []
        for k in range(500):
            y = y * 0.75 + x / (k + 1.5)
            if k % 50 == 0:
                kept.append(y)
        return y + sum(kept)

    assert_same(gradient(f), 0.7)
    text = bp.compile(f, backend="native").lower(0.7).tape.library.source
    assert text.count("int part_") > 1


# ---- export -------------------------------------------------------------------------------------


_BIDIAGONAL = np.eye(60) - np.eye(60, k=-1)


def _point(p, xs, index, scale):
    y = np.tanh(xs @ p["w"] + p["b"])[index] * scale
    sparse = _BIDIAGONAL @ np.resize(p["w"], (60, 9))
    return np.sum(y**2) + _pendulum(p["b"], xs[:, 0]) + np.sum(sparse**3)


@pytest.mark.parametrize("language", ["c99", "c++"])
def test_export(tmp_path, language):
    """The files compile alone without a warning, and compute the same."""
    rng = np.random.default_rng(5)
    p = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}
    args = (p, rng.normal(size=(6, 2)), np.array([0, 5, -1, 2]), 1.5)
    f = bp.value_and_grad(_point)
    value, slope = f(*args)
    path = f.export_c(tmp_path / "made", "point")
    header = path.with_suffix(".h").read_text()
    assert "int point(const double *p_w, const double *p_b, const double *xs," in header
    command = [COMPILERS[0], "-std=c99", "-pedantic"]
    if language == "c++":
        if not shutil.which("c++"):
            pytest.skip("no C++ compiler")
        command = ["c++", "-x", "c++"]
    library = tmp_path / "point.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([*command, *flags, str(path), "-o", str(library), "-lm"], check=True)
    work = np.empty(int(header.split("POINT_WORK ")[-1].split()[0]) + 1)
    work[-1] = 123.0
    arrays = [np.asarray(a) for a in flatten_tree(args)[1]]
    outputs = [np.empty(()), np.empty((2, 3)), np.empty(3)]
    function = ctypes.CDLL(str(library)).point
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in [*arrays, *outputs, work]]
    assert function(*pointers) == 0
    assert work[-1] == 123.0
    expected = [value, *flatten_tree(slope)[1]]
    for x, y in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)
    arrays[3][1] = 6
    assert function(*pointers) == 5


def test_export_needs_a_form_and_a_name(tmp_path):
    f = bp.compile(lambda x: x * 2)
    with pytest.raises(ValueError, match="compiled when it is first called"):
        f.export_c(tmp_path, "double_it")
    f(1.0)
    for name in ("2x", "a-b", "double", ""):
        with pytest.raises(ValueError, match="C identifier"):
            f.export_c(tmp_path, name)
