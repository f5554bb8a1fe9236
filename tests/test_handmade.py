"""Graphs built by hand."""

import gc
import io
import threading

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import graph as graphs
from pybackprop.errors import LeakedValueError, TraceError


def small():
    g = bp.Graph("small")
    x = g.input(name="x")
    w = g.input(shape=3, name="w")
    g.output(np.sum(np.tanh(w * x)) + g.apply("exp", x))
    return g


def expected(x, w):
    return np.sum(np.tanh(w * x)) + np.exp(x)


W = np.array([0.5, -1.0, 2.0])


def test_values_and_gradients():
    g = small()
    f = g.compile()
    assert f(0.7, W) == pytest.approx(expected(0.7, W), rel=1e-14)
    assert f(0.7, w=W) == f(w=W, x=0.7) == f(0.7, W)
    assert f(1, W) == pytest.approx(expected(1.0, W), rel=1e-14)
    value, (dx, dw) = bp.value_and_grad(f, argnums=(0, 1))(0.7, W)
    reference = bp.value_and_grad(expected, argnums=(0, 1))(0.7, W)
    assert value == reference[0]
    np.testing.assert_allclose(dx, reference[1][0], rtol=1e-14)
    np.testing.assert_allclose(dw, reference[1][1], rtol=1e-14)
    np.testing.assert_allclose(g.grad(1)(0.7, W), dw)
    np.testing.assert_allclose(g.value_and_grad(1)(0.7, W)[1], dw)
    bp.check_grads(f, (0.7, W))


def test_looking():
    g = small()
    assert g.check() is g
    assert [n.primitive.name for n in g.nodes] == [
        "input", "input", "multiply", "tanh", "sum", "exp", "add",
    ]  # fmt: skip
    assert len(g.edges) == 7
    source, node, position = g.edges[0]
    assert source is g.inputs[1]
    assert node is g.nodes[2]
    assert position == 0
    assert str(g).startswith("graph small(x: f64[], w: f64[3])\n")
    assert repr(g) == "<Graph small: 2 inputs, 7 nodes>"


def test_several_outputs_and_constants():
    g = bp.Graph()
    x = g.input(shape=(2,), dtype=np.float32)
    two = g.constant(2.0)
    assert two.weak
    table = np.arange(6.0).reshape(2, 3)
    g.output(x * two, 1 - x, x @ table, table)
    table[:] = 0
    a, b, c, d = g.compile()(np.float32([1, 2]))
    np.testing.assert_array_equal(a, np.float32([2, 4]))
    assert a.dtype == b.dtype == np.float32
    np.testing.assert_array_equal(c, [6, 9, 12])
    assert d.sum() == 15


def test_surface():
    g = bp.Graph()
    x = g.input(shape=(3,), name="x")
    y = np.where(x > 0, np.sqrt(np.abs(x)), x[0])
    y = y + bp.relu(x) + bp.special.softmax(x) + np.stack([x[0], x[1], 2.0])
    y = y.reshape(3, 1) * np.ones((1, 2)) - np.linalg.norm(x)
    c, ys = bp.scan(lambda c, row: (c + row, c), np.zeros(2), y)
    g.output(np.sum(c) + np.mean(ys), np.array([x[0], x[1] * 2]))

    def f(x):
        y = np.where(x > 0, np.sqrt(np.abs(x)), x[0])
        y = y + bp.relu(x) + bp.special.softmax(x) + np.stack([x[0], x[1], 2.0])
        y = y.reshape(3, 1) * np.ones((1, 2)) - np.linalg.norm(x)
        c, ys = bp.scan(lambda c, row: (c + row, c), np.zeros(2), y)
        return np.sum(c) + np.mean(ys), np.array([x[0], x[1] * 2])

    x = np.array([0.3, -0.4, 1.0])
    for ours, theirs in zip(g.compile()(x), bp.compile(f)(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    g.check()


def test_apply_by_name():
    g = bp.Graph()
    x = g.input(dtype=np.float32)
    y = g.apply("add", x, 1)
    assert y.dtype == np.float32
    y = g.apply("multiply", 2.0, y)
    z = g.apply("sum", g.input(shape=(2, 3)), axes=(1,))
    assert z.shape == (2,)
    with pytest.raises(ValueError, match="did you mean 'tan' or 'tanh'"):
        g.apply("tahn", x)
    with pytest.raises(TypeError):
        g.apply("tanh", x, axes=3)
    with pytest.raises(TypeError):
        g.apply("add", x, z)


def test_a_graph_stays_open():
    g = bp.Graph()
    x = g.input(name="x")
    y = x * 2
    g.output(y)
    first = g.compile()
    assert first(3.0) == 6
    g.output(y + x)
    assert first(4.0) == 8
    assert g.compile()(3.0) == (6, 9)


def test_two_graphs_at_once():
    a, b = bp.Graph("a"), bp.Graph("b")
    x, y = a.input(), b.input()
    p = x * 2.5 + 1
    q = np.sin(y) * 3 + y
    p = p - 4.0
    a.output(p)
    b.output(q)
    assert a.compile()(2.0) == 2
    assert b.compile()(0.5) == np.sin(0.5) * 3 + 0.5
    with pytest.raises(TraceError, match="another graph"):
        p + q
    with pytest.raises(TraceError, match="another graph"):
        a.output(q)
    with a:
        assert bp.numpy.sum(x + 1).node.graph is a


def test_other_work_goes_on_beside():
    """While a graph stands, calls on plain arrays compile and run as ever."""
    g = bp.Graph()
    x = g.input(shape=3)
    y = x + 1
    n = len(g.nodes)
    assert bp.grad(lambda x: x**2)(3.0) == 6
    assert isinstance(bp.numpy.sum(np.ones(3)), np.float64)
    assert bp.scan(lambda c, x: (c + x, None), 0.0, np.arange(3.0))[0] == 3
    assert isinstance(bp.relu(np.ones(2)), np.ndarray)
    assert isinstance(bp.numpy.broadcast_arrays(np.ones(2), 1.0)[1], np.ndarray)
    assert isinstance(bp.numpy.zeros(3), np.ndarray)
    bp.jvp(np.sin, (1.0,), (1.0,))
    assert len(g.nodes) == n
    g.output(y)
    np.testing.assert_array_equal(g.compile()(np.zeros(3)), np.ones(3))


def test_transformations_of_its_values():
    g = bp.Graph()
    x = g.input()
    g.output(bp.grad(lambda x: x**3)(x), bp.vmap(lambda s: s * x)(np.arange(2.0)))
    d, v = g.compile()(2.0)
    assert d == 12
    np.testing.assert_array_equal(v, [0, 2])


def test_inside_traced_functions():
    f = small().compile()
    h = bp.compile(lambda x: f(x, W) + f(2 * x, W))
    assert h(0.3) == pytest.approx(expected(0.3, W) + expected(0.6, W), rel=1e-14)
    np.testing.assert_allclose(
        bp.vmap(f, in_axes=(0, None))(np.ones(4), W), [f(1.0, W)] * 4, rtol=1e-13
    )


def test_saving():
    f = small().compile()
    f(0.7, W)
    file = io.BytesIO()
    bp.save(f, file)
    assert bp.load(file.getvalue())(0.7, W) == f(0.7, W)


def test_wrong_uses():
    g = bp.Graph()
    x = g.input(name="x", shape=(2,))
    with pytest.raises(ValueError, match="no output yet"):
        g.compile()
    with pytest.raises(ValueError, match="already"):
        g.input(name="x")
    with pytest.raises(ValueError, match="identifier"):
        g.input(name="a b")
    with pytest.raises(ValueError, match="negative"):
        g.input(shape=(-1,))
    with pytest.raises(TypeError):
        g.input(dtype=object)
    with pytest.raises(TypeError):
        g.constant("text")
    with pytest.raises(ValueError, match="broadcast"):
        x + np.ones(3)
    with pytest.raises(bp.errors.ControlFlowError):
        bool(x[0] > 0)
    g.output(x)
    f = g.compile()
    with pytest.raises(TypeError, match="shape"):
        f(np.zeros(3))
    with pytest.raises(TypeError, match="missing"):
        f()
    with pytest.raises(TypeError, match="'y'"):
        f(x=np.zeros(2), y=np.zeros(2))
    h = bp.Graph()
    h.output(h.input(dtype=np.float32) * 2)
    with pytest.raises(TypeError, match="astype"):
        h.compile()(np.float64(1.0))
    assert h.compile()(1.5) == 3


def test_life_and_threads():
    g = bp.Graph()
    x = g.input()
    results = []

    def work():
        results.append(graphs.current_graph())
        with g:
            results.append((x * 2).node.graph is g)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [None, True]
    assert graphs.current_graph() is g
    other = bp.Graph()
    assert graphs.current_graph() is other
    del other
    gc.collect()
    assert (x * 2).node.graph is g
    del g, x, work
    gc.collect()
    assert graphs.current_graph() is None
    with bp.Graph() as g:
        x = g.input()
    g.close([x])
    with pytest.raises(LeakedValueError):
        x * 2
