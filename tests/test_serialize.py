"""Saved and pickled functions: the same bits without source, and damage found out."""

import collections
import copy
import dataclasses
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import _core
from pybackprop.errors import TapeError
from pybackprop.graph import open_graph
from pybackprop.lowering.tape import container, sections_of
from pybackprop.serialize import from_bytes, to_bytes

Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Layer:
    w: object
    b: object


def loss(w, x):
    return np.mean(np.tanh(x @ w) ** 2)


def decay(p):
    def step(c, k):
        return c * p[0] + np.sin(p[1]) * k, c

    c, ys = bp.scan(step, p[2], np.arange(5.0))
    return c * c + np.sum(ys)


W = np.linspace(-1, 1, 6).reshape(3, 2)
X = np.arange(12.0).reshape(4, 3) / 7
P = np.array([0.5, 0.7, 1.3])
LONGER = np.array([0.5, 0.7, 1.3, 2.0])


def saved(compiled, **options):
    file = io.BytesIO()
    bp.save(compiled, file, **options)
    return file.getvalue()


def reloaded(compiled, **options):
    return bp.load(saved(compiled, **options))


def same(a, b):
    _, a = _core.flatten_tree(a)
    _, b = _core.flatten_tree(b)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert type(x) is type(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


# ---- values -------------------------------------------------------------------------------------


def test_all_forms_bit_for_bit():
    f = bp.value_and_grad(loss)
    calls = [
        (W, X),
        (W, X[:1]),
        (W.astype("f4"), X.astype("f4")),
        (W, X[::2]),
        (W[:, :1].copy(), X),
    ]
    expected = [f(*args) for args in calls]
    g = reloaded(f)
    assert list(g.forms) == list(f.forms)
    for args, result in zip(calls, expected, strict=True):
        same(g(*args), result)
    assert g.tape.n_instructions == f.tape.n_instructions
    assert g.memory == f.memory
    assert g.cost == f.cost
    assert g.__name__ == f.__name__


def test_loop():
    f = bp.value_and_grad(decay)
    f(P)
    same(reloaded(f)(P), f(P))


def _called(f, *args, **kwargs):
    f(*args, **kwargs)
    return f


def test_another_process(tmp_path):
    f = _called(bp.value_and_grad(decay), P)
    bp.save(f, tmp_path / "decay.tape")
    code = (
        "import sys, numpy as np, pybackprop as bp\n"
        "f = bp.load(sys.argv[1])\n"
        "value, gradient = f(np.array([0.5, 0.7, 1.3]))\n"
        "print(value.hex(), gradient.tobytes().hex())\n"
        "h = bp.jacobian(f)(np.array([0.5, 0.7, 1.3]))\n"
        "print(h[1].shape, np.allclose(h[1], h[1].T))\n"
    )
    folder = os.path.dirname(os.path.dirname(bp.__file__))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "decay.tape")],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": folder}, check=True,
    )  # fmt: skip
    value, gradient = f(P)
    assert done.stdout.splitlines() == [f"{value.hex()} {gradient.tobytes().hex()}", "(3, 3) True"]


def test_paths_and_files(tmp_path):
    f = _called(bp.compile(loss), W, X)
    bp.save(f, str(tmp_path / "a"))
    bp.save(f, tmp_path / "b")
    with open(tmp_path / "c", "wb") as file:
        bp.save(f, file)
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes() == saved(f)
    with open(tmp_path / "c", "rb") as file:
        same(bp.load(file)(W, X), f(W, X))
    with pytest.raises(FileNotFoundError):
        bp.load(tmp_path / "nothing")


def test_structures():
    def f(p, *, scale=2.0, extra=None):
        total = np.sum(p["a"].left * scale) + np.sum(p["a"].right) + p["b"].w * p["b"].b
        out = {"total": total, 3: [total, (p["b"].w, None)]}
        return out, "text", 7, 2.5, True, Pair(total * 2, 1j)

    g = bp.compile(f)
    p = {"a": Pair(np.ones(3), 2.0), "b": Layer(np.float32(2.0), np.array(4.0))}
    expected = g(p, scale=3.0)
    h = reloaded(g)
    result = h(p, scale=3.0)
    same(result, expected)
    assert repr(result) == repr(expected)
    assert type(result[5]) is Pair
    # The order of a dict does not matter, nor does it to arrays that need a copy.
    swapped = {"b": p["b"], "a": Pair(np.ones(6)[::2], 2.0)}
    same(h(swapped, scale=3.0), expected)
    same(g(swapped, scale=3.0), expected)


def test_static_arguments():
    f = bp.compile(lambda x, n, mode: x**n if mode == "power" else x * n, static_argnums=(1, 2))
    x = np.arange(3.0)
    expected = [f(x, 2, "power"), f(x, 2, "times"), f(x, 2.0, "times")]
    g = reloaded(f)
    same([g(x, 2, "power"), g(x, 2, "times"), g(x, 2.0, "times")], expected)
    with pytest.raises(TypeError, match="no form for"):
        g(x, 3, "power")


def test_numbers_of_similar_kinds():
    f = _called(bp.compile(lambda x, y: x * y + 1), 2.0, np.float64(3.0))
    g = reloaded(f)
    for args in [(2.0, 3.0), (np.float64(2.0), np.array(3.0)), (2, np.float64(3.0))]:
        assert g(*args) == 7.0
    with pytest.raises(TypeError, match="float32"):
        g(np.float32(2.0), 3.0)


def test_many_forms_hit_from_c():
    f = bp.compile(lambda x: x + 1)
    for n in range(1, 9):
        f(np.zeros(n))
    g = reloaded(f)
    assert len(g._entries) == 4
    for n in range(1, 9):
        same(g(np.zeros(n)), np.ones(n))


def test_large_constants():
    table = np.random.default_rng(0).normal(size=(100, 100))
    f = _called(bp.grad(lambda x: x @ table @ x), np.ones(100))
    data = saved(f)
    assert len(data) < 1.6 * table.nbytes  # the graph shares the tape's constants
    g = bp.load(data)
    same(g(np.ones(100)), f(np.ones(100)))
    np.testing.assert_allclose(bp.jacobian(g)(np.ones(100)), table + table.T)


def test_too_large_constants(monkeypatch):
    import pybackprop.serialize as module

    monkeypatch.setattr(module, "LARGEST_CONSTANTS", 1000)
    table = np.arange(200.0)
    f = _called(bp.compile(lambda x: x * table), 1.0)
    with pytest.raises(ValueError, match="pass large arrays as arguments"):
        saved(f)


# ---- again a function ---------------------------------------------------------------------------


def test_differentiated_again():
    f = _called(bp.compile(loss), W, X)
    g = reloaded(f)
    same(bp.value_and_grad(g)(W, X), bp.value_and_grad(loss)(W, X))
    np.testing.assert_allclose(bp.hessian(g)(W, X), bp.hessian(loss)(W, X), rtol=1e-12, atol=1e-14)
    same(bp.vmap(g, in_axes=(0, None))(np.stack([W, 2 * W]), X)[1], f(2 * W, X))


def test_inside_another_function():
    g = reloaded(_called(bp.compile(loss), W, X))
    h = bp.compile(lambda w: g(w, X) + g(2 * w, X))
    np.testing.assert_allclose(h(W), loss(W, X) + loss(2 * W, X))
    loop = reloaded(_called(bp.compile(decay), P))
    same(bp.value_and_grad(loop)(P), bp.value_and_grad(decay)(P))


def test_rows_swept_by_tiles():
    """The graph is saved as it was before tiling, which has no derivative rules."""

    def f(w, x):
        return np.mean(np.log1p(np.exp(x @ w)) + np.sin(x[:, 0]))

    w, x = np.ones(3), np.random.default_rng(0).normal(size=(3000, 3))
    f = _called(bp.compile(f), w, x)
    g = reloaded(f)
    same(g(w, x), f(w, x))
    same(bp.value_and_grad(g)(w, x), bp.value_and_grad(f)(w, x))


def test_stop_gradient_survives():
    f = _called(bp.compile(lambda x: bp.stop_gradient(x) * x), 3.0)
    assert bp.grad(reloaded(f))(3.0) == 3.0


def test_saved_twice():
    f = _called(bp.value_and_grad(decay), P)
    once = saved(f)
    assert saved(bp.load(once)) == once


def test_graph_is_the_same():
    f = _called(bp.value_and_grad(decay), P)
    g = reloaded(f)
    assert str(g.graph) == str(f.graph)
    assert g.graph.check() is g.graph
    places = [n.location for n in g.graph.nodes if n.location is not None]
    assert {place[0] for place in places} <= {"test_serialize.py"}
    assert places


def test_without_graph():
    f = _called(bp.compile(loss), W, X)
    g = reloaded(f, graph=False)
    same(g(W, X), f(W, X))
    with pytest.raises(TapeError, match="without its graph"):
        bp.grad(g)(W, X)
    same(bp.load(saved(g))(W, X), f(W, X))


def test_long_graph():
    """No recursion, in writing or reading."""

    def f(x):
        for i in range(3000):
            x = np.sin(x) + i
        return x

    g = _called(bp.compile(f), 1.0)
    h = reloaded(g)
    assert h(1.0) == g(1.0)
    assert len(h.graph.nodes) == len(g.graph.nodes)


def test_bind_and_lower():
    f = _called(bp.value_and_grad(loss), W, X)
    g = reloaded(f)
    bound = g.bind(W, X)
    same([np.asarray(x) for x in bound()], [np.asarray(x) for x in f(W, X)])
    assert g.lower(W, X).tape is g.tape
    with pytest.raises(TypeError, match="no form"):
        g.lower(W, X[:, :2])


def test_copies_are_the_function():
    f = _called(bp.compile(loss), W, X)
    assert copy.copy(f) is f
    assert copy.deepcopy({"f": f})["f"] is f


# ---- pickle -------------------------------------------------------------------------------------


def test_pickle_by_reference():
    f = bp.compile(loss)
    again = pickle.loads(pickle.dumps(f))
    assert type(again) is type(f)
    same(again(W, X), f(W, X))
    again = pickle.loads(pickle.dumps(f))
    assert len(again.forms) == 1
    same(again(W, X[:2]), f(W, X[:2]))


@bp.value_and_grad
def decorated(w):
    return np.sum(w**2)


def test_pickle_transformations():
    made = [
        bp.value_and_grad(loss, (0, 1)), bp.grad(loss, argnums=1), bp.jacobian(loss),
        bp.hessian(loss), bp.vmap(bp.grad(loss), (None, 0)), bp.grad(bp.compile(loss)),
    ]  # fmt: skip
    for f in made:
        uncalled = pickle.loads(pickle.dumps(f))
        x = X[:, None] if "vmap" in f.__name__ else X
        expected = f(W, x)
        for again in (uncalled, pickle.loads(pickle.dumps(f))):
            assert type(again) is type(f)
            assert again.__name__ == f.__name__
            same(again(W, x), expected)
            same(again(W, x[:2]), f(W, x[:2]))
    f = bp.hvp(loss)
    same(pickle.loads(pickle.dumps(f))(W, X, W), f(W, X, W))


def test_pickle_decorated():
    before = pickle.dumps(decorated)
    assert pickle.loads(before) is decorated
    decorated(W)
    same(pickle.loads(pickle.dumps(decorated))(W), decorated(W))


def test_pickle_forms_alone():
    f = _called(bp.value_and_grad(lambda w: np.sum(w**3)), W)
    g = pickle.loads(pickle.dumps(f))
    same(g(W), f(W))
    with pytest.raises(TypeError, match="no form"):
        g(W[:1])
    same(pickle.loads(pickle.dumps(g))(W), f(W))


def test_pickle_of_nothing():
    with pytest.raises(TypeError, match="call it once"):
        pickle.dumps(bp.compile(lambda x: x))


# ---- wrong uses ---------------------------------------------------------------------------------


def test_wrong_uses(tmp_path):
    f = bp.compile(loss)
    with pytest.raises(ValueError, match="no form yet"):
        bp.save(f, io.BytesIO())
    f(W, X)
    with pytest.raises(TypeError, match="takes the function first"):
        bp.save(io.BytesIO(), f)
    with pytest.raises(TypeError, match="compiled function"):
        bp.save(loss, io.BytesIO())
    with pytest.raises(TypeError, match="binary"):
        bp.load(io.StringIO("x"))
    g = _called(bp.compile(lambda x: (x, object)), 1.0)
    with pytest.raises(TypeError, match="cannot be saved"):
        bp.save(g, io.BytesIO())
    g = reloaded(f)
    with pytest.raises(TypeError, match=r"float64\[3,2\], float64\[4,3\]"):
        g(W)
    with pytest.raises(TypeError):
        g("text")
    with open_graph() as graph:
        value = graph.add_input((3, 2), float)
    with pytest.raises(bp.errors.LeakedValueError):
        g(value, X)


# ---- damage -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    f = bp.value_and_grad(decay)
    f(P)
    f(LONGER)
    return saved(f)


def attempt(data, P=P):
    """Load and use; True if it worked, False if refused cleanly."""
    try:
        f = bp.load(data)
        f.graph.check()
    except (TapeError, MemoryError):
        return False
    return True


def test_every_bit_counts(data):
    rng = random.Random(1)
    for _ in range(600):
        bad = bytearray(data)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        attempt(bytes(bad))
    contents = sections_of(data)["params"]
    for start in (data.index(contents), data.index(b'"version"')):
        bad = bytearray(data)
        bad[start] ^= 1
        with pytest.raises(TapeError, match="checksum"):
            bp.load(bytes(bad))


def test_truncation(data):
    # The last section is followed by padding, which is not missed.
    end = len(data.rstrip(b"\0"))
    for n in [0, 1, 7, 8, 15, 16, 100, *range(200, end, 97), end - 1]:
        with pytest.raises(TapeError):
            bp.load(data[:n])


def test_hostile_sections(data):
    """Damage with no checksums to notice it."""
    sections = sections_of(data)
    del sections["crc32"], sections["form.1"]
    assert attempt(container(sections))
    rng = random.Random(2)
    for _ in range(800):
        name = rng.choice(
            ["signature", "graph", "graph", "header", "bases", "loops", "instructions"]
        )
        bad = bytearray(sections[name])
        for _ in range(rng.choice([1, 1, 3])):
            bad[rng.randrange(len(bad))] = rng.choice(b'0123456789[]{}",-x\x00\xff')
        attempt(container({**sections, name: bytes(bad)}))


REPLACEMENTS = [None, -1, 0, 1, 10**30, 1.5, "x", "*", [], [[]], {}, {"a": 1}, True, [0] * 50]


def test_hostile_json(data):
    sections = sections_of(data)
    del sections["crc32"], sections["form.1"]
    rng = random.Random(3)
    for name in ("signature", "graph"):
        for _ in range(400):
            described = json.loads(sections[name])
            mutate(described, rng)
            attempt(container({**sections, name: json.dumps(described).encode()}))
        for text in (b"", b"[" * 100000, b"7", b'{"version": 2}', b"\xff", b"{}", b"null"):
            assert not attempt(container({**sections, name: text}))


def mutate(data, rng):
    """Replace something, somewhere."""
    while True:
        keys = list(data) if isinstance(data, dict) else range(len(data))
        key = rng.choice(keys)
        inner = data[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.8:
            data = inner
            continue
        data[key] = copy.deepcopy(rng.choice(REPLACEMENTS))
        return


def test_versions(data):
    bad = bytearray(data)
    struct.pack_into("<I", bad, 8, 0)
    with pytest.raises(TapeError, match="version 0 is not supported"):
        bp.load(bytes(bad))
    sections = sections_of(data)
    for name in ("signature", "graph"):
        described = json.loads(sections[name])
        described["version"] = 99
        bad = {**sections, name: json.dumps(described).encode()}
        del bad["crc32"]
        with pytest.raises(TapeError, match="99"):
            _ = bp.load(container(bad)).graph
    described = json.loads(sections["graph"])
    described["primitives"][-1] = "new_primitive"
    bad = {**sections, "graph": json.dumps(described).encode()}
    del bad["crc32"]
    f = bp.load(container(bad))
    f(P)
    with pytest.raises(TapeError, match="new_primitive"):
        _ = f.graph


def test_a_bare_tape(data):
    sections = {k: v for k, v in sections_of(data).items() if k not in ("signature", "crc32")}
    with pytest.raises(TapeError, match="no signature"):
        bp.load(container(sections))


def test_file_is_a_tape_for_the_core(data):
    tape = _core.Tape(data)
    f = bp.value_and_grad(decay)
    for result, expected in zip(tape.run([LONGER]), f(LONGER), strict=True):
        assert result.tobytes() == np.asarray(expected).tobytes()


def test_bytes_round_trip():
    f = _called(bp.compile(loss), W, X)
    name, static, forms = from_bytes(to_bytes(f))
    assert (name, static, len(forms)) == ("loss", frozenset(), 1)
    assert forms[0].sections == f.lower(W, X).sections
