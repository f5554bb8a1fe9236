"""The emitter by itself: what joins a group, what becomes a variable, what is in no memory, what is
pasted, and exact literals. No compiler is needed."""

import re

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.emit import emit_native
from pybackprop.emit.paste import needed
from pybackprop.emit.rows import expression, literal
from pybackprop.emit.schedule import Block, Group, LoopStep, View, build
from pybackprop.emit.storage import Storage
from pybackprop.errors import UnsupportedError
from pybackprop.lowering import assemble, lowered
from pybackprop.lowering.layout import ARENA, Ref, Root


def lowering_of(function, *args):
    form = bp.compile(function).lower(*args)
    lowering = lowered(form.graph)
    assemble(lowering)
    return lowering


def steps_of(function, *args):
    return build(lowering_of(function, *args))


def text_of(function, *args):
    return emit_native(lowering_of(function, *args)).text


def body(text):
    return text[text.index("int part_0(") :]


X = np.arange(40.0)


def test_neighbours_join_and_temporaries_vanish():
    lowering = lowering_of(lambda x: np.sum(np.exp(x) * x + 1.0), X)
    steps = build(lowering)
    groups = [s for s in steps if isinstance(s, Group)]
    assert len(groups) == 1
    assert groups[0].members[-1].reduces
    storage = Storage(steps)
    assert storage.arena_bytes == 0
    assert len(storage.variables) >= 1


def test_statements_move_out_of_the_way():
    """A number computed between two array operations does not part them."""

    def f(x, a):
        y = np.sin(x) * 2.0
        b = np.exp(a) + 1.0
        return y * b

    steps = steps_of(f, X, 0.5)
    assert sum(isinstance(s, Group) for s in steps) == 1
    assert isinstance(steps[0], Block)


def test_what_depends_on_a_sum_waits():
    steps = steps_of(lambda x: np.exp(x) / np.sum(np.exp(x)), X)
    assert sum(isinstance(s, Group) for s in steps) == 2


def test_shifted_views_do_not_join():
    """Neighbours of an element are written by other turns of the loop."""

    def f(x):
        y = np.concatenate([x[1:] * 2.0, x[:1]])
        return y[:-1] + y[1:]

    groups = [s for s in steps_of(f, X) if isinstance(s, Group)]
    assert len(groups) > 1


def test_loop_carries_are_variables():
    def f(x):
        return bp.scan(lambda c, v: (c * 0.5 + v, None), 0.0, x)[0]

    steps = steps_of(f, X)
    assert any(isinstance(s, LoopStep) for s in steps)
    text = body(text_of(f, X))
    loop = text[text.index("for (int64_t t0 = 0; t0 < 40; t0++) {") :]
    assert "(A +" not in loop


def test_frames_are_carried_in_variables():
    """The chain of a scan that keeps primals does not go through memory."""

    def f(x):
        return bp.scan(lambda c, v: (np.sin(c) * v, None), 0.5, x)[0]

    text = body(text_of(bp.value_and_grad(f).function, X))
    loop = text[text.index("for (int64_t t0") : text.index("for (int64_t t1")]
    (name,) = re.findall(r"^ +(c\d+) = m\d+;$", loop, re.M)
    assert f"pbp_sin({name})" in loop


def test_views_apart():
    root = Root(ARENA, 400)
    strided = [View(Ref(root, k * 8, (10,), (16,), np.dtype(float))) for k in (0, 1)]
    assert strided[0].apart(strided[1])
    assert not strided[0].apart(strided[0])
    whole = View(Ref(root, 0, (20,), (8,), np.dtype(float)))
    assert not whole.apart(strided[1])
    assert whole.apart(View(Ref(root, 160, (5,), (8,), np.dtype(float))))
    columns = [View(Ref(root, k, (4, 2), (32, 8), np.dtype(float))) for k in (0, 8, 16)]
    assert columns[0].apart(columns[2])
    assert not columns[0].apart(columns[1])
    assert columns[0].apart(View(Ref(Root(ARENA, 8), 0, (4, 2), (32, 8), np.dtype(float))))


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, -2.5, 0.1, 1e300, 5e-324, 123456789.125, -1e22, np.inf, -np.inf]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_literals_are_exact(value, dtype):
    with np.errstate(over="ignore"):
        number = dtype(value)
    text = literal(number, np.dtype(dtype)).strip("()").replace("double)", "")
    if "INFINITY" in text:
        assert np.isinf(number)
        assert text.startswith("-") == (number < 0)
        return
    text = text.removesuffix("f") if dtype is np.float32 else text
    read = dtype(float.fromhex(text) if "x" in text else float(text))
    assert read == number
    assert np.signbit(read) == np.signbit(number)


def test_literals_of_integers():
    assert literal(np.int64(-(2**63)), np.dtype("int64")) == "(-9223372036854775807 - 1)"
    assert literal(np.uint64(2**64 - 1), np.dtype("uint64")) == "18446744073709551615u"
    assert literal(np.bool_(True), np.dtype("bool")) == "1"


def test_expressions():
    f8, f4, i4 = np.dtype("f8"), np.dtype("f4"), np.dtype("i4")
    assert expression("FMA", ["x", "y", "z"], f8, f8) == "pbp_fma(x, y, z)"
    assert expression("EXP", ["x"], f4, f4) == "pbp_expf(x)"
    assert expression("SIN", ["x"], f8, f8, fast=True) == "pbp_sin_fast(x)"
    assert expression("ADD", ["x", "y"], i4, i4) == "(int32_t)((uint32_t)x + (uint32_t)y)"
    with pytest.raises(UnsupportedError, match="SHL of float64"):
        expression("SHL", ["x", "y"], f8, f8)


def test_only_what_is_used_is_pasted():
    text = needed("y = pbp_expf(x);")
    assert "pbp_expf(float x)" in text
    assert "pbp_exp_scalef" in text
    assert "pbp_tanh" not in text
    assert needed("y = x + 1;") == ""
    assert len(needed("pbp_row_DOT(n, a, b)")) < 20_000


def test_text_does_not_depend_on_the_process():
    """The cache lives on equal texts for equal functions."""

    def f(x, y):
        return np.sum(np.tanh(x * y) + np.where(x > 0, y, x))

    made = {text_of(bp.value_and_grad(f).function, X, X) for _ in range(3)}
    assert len(made) == 1


def test_what_a_group_makes_takes_the_place_of_what_it_reads_last():
    """A product is shifted, scaled by its rows' sums and multiplied back: one array, not three."""

    def f(x, w, shift):
        y = x @ w - shift
        return (y * np.sum(y * y, 1, keepdims=True)) @ w.T

    x, w, shift = np.ones((40, 30)), np.ones((30, 50)), np.ones(50)
    assert emit_native(lowering_of(f, x, w, shift)).arena_bytes < 1.5 * 40 * 50 * 8


def test_what_is_read_elsewhere_keeps_its_place():
    """The product is read one row further on, where an in-place loop would have written."""

    def f(x, w):
        y = x @ w
        return (y[1:] - y[:-1]) @ w.T

    source = emit_native(lowering_of(f, np.ones((41, 30)), np.ones((30, 50))))
    assert source.arena_bytes >= 2 * 40 * 50 * 8
