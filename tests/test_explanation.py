"""What explain shows is right, and is what the text says."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import DifferentiationError


def network(x, y, w1, b1, w2, b2):
    a1 = bp.relu(w1 * x + b1)
    a2 = bp.relu(w2 * a1 + b2)
    J = (a2 - y) ** 2 / 2
    return J


POINT = (1.0, 5.0, 2.0, 0.0, 3.0, 1.0)


def by_name(explanation):
    return {node.name: node for node in explanation.nodes}


def check_consistency(e):
    """Adjoints obey the chain rule edge by edge; paths add up to the gradient."""
    nodes = by_name(e)
    total = dict.fromkeys(nodes, 0.0)
    for edge in e.edges:
        adjoint = np.asarray(nodes[edge.target].adjoint, float)
        axes = adjoint.ndim
        assert edge.derivative.shape == adjoint.shape + nodes[edge.source].value.shape
        total[edge.source] = total[edge.source] + np.tensordot(adjoint, edge.derivative, axes)
    for name, node in nodes.items():
        if name != e.output and node.adjoint is not None:
            np.testing.assert_allclose(total[name], node.adjoint, rtol=1e-12, atol=1e-14)
    for name, paths in e.paths.items():
        assert len(paths) == e.path_counts[name]
        for path in paths:
            if 0.0 not in path.factors:
                assert path.product == pytest.approx(np.prod(path.factors), rel=1e-12)
        np.testing.assert_allclose(
            sum(p.product for p in paths), e.derivatives[name], rtol=1e-10, atol=1e-12
        )
    for name, difference in e.differences.items():
        np.testing.assert_allclose(difference, e.derivatives[name], rtol=1e-6, atol=1e-8)


def test_the_small_network():
    e = bp.explain(network, *POINT)
    nodes = by_name(e)
    assert nodes["a1"].value == 2
    assert nodes["a2"].value == 7
    assert nodes["J"].value == e.value == 2
    assert nodes["w1"].adjoint == 6
    assert e.gradient == (12, -2, 6, 6, 4, 2)
    assert nodes["a2"].adjoint == 2
    assert nodes["a1"].adjoint == 6
    (path,) = e.paths["w1"]
    assert path.steps[0] == "w1"
    assert path.steps[-1] == "J"
    assert {"a1", "a2"} < set(path.steps)
    assert path.product == 6
    assert e.differences["w1"] == pytest.approx(6, rel=1e-9)
    assert (e.n_nodes, e.n_parameters) == (9, 6)
    assert nodes["a1"].line == "a1 = bp.relu(w1 * x + b1)"
    check_consistency(e)
    assert bp.grad(network, argnums=(2,))(*POINT)[0] == 6


def test_the_text():
    text = str(bp.explain(network, *POINT))
    assert text.startswith("network(x, y, w1, b1, w2, b2) = 2\n")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "w1 input 2 6" in lines
    assert "a1 relu(v2) 2 6 # a1 = bp.relu(w1 * x + b1)" in lines
    assert "a1 -> v3 3" in lines
    assert "w1 -> v1 -> v2 -> a1 -> v3 -> v4 -> a2 -> v5 -> v6 -> J" in lines
    assert "1 * 1 * 1 * 3 * 1 * 1 * 1 * 4 * 0.5 = 6" in lines
    assert "sum 6, gradient 6, central difference 6" in lines
    assert "Steps: N = 9 nodes, P = 6 parameters." in lines
    assert "about N + P = 15 steps" in text
    assert "N x P = 54 steps" in text


def test_maximum_instead_of_relu():
    def f(x, w):
        return (np.maximum(w * x, 0) - 5) ** 2 / 2

    check_consistency(bp.explain(f, 1.0, 7.0))


def test_several_paths():
    def f(x, y):
        return x * y + np.sin(x) * x

    e = bp.explain(f, 2.0, 3.0)
    assert sorted(len(p.steps) for p in e.paths["x"]) == [3, 3, 4]
    expected = 3 + np.sin(2) + 2 * np.cos(2)
    assert sum(p.product for p in e.paths["x"]) == pytest.approx(expected)
    assert e.gradient[0] == pytest.approx(expected)
    assert "sum 3.077, gradient 3.077, central difference 3.077" in str(e)
    check_consistency(e)


def test_the_same_operand_twice():
    e = bp.explain(lambda x: x * x * x, 2.0)
    assert e.path_counts["x"] == 3
    assert e.gradient == (12.0,)
    check_consistency(e)


def test_arrays_and_trees():
    def f(p, x):
        h = np.tanh(x @ p["w"] + p["b"][0])
        return np.mean(h**2)

    p = {"w": np.linspace(-1, 1, 6).reshape(3, 2), "b": [np.ones(2), None]}
    e = bp.explain(f, p, np.arange(6.0).reshape(2, 3) / 6)
    assert set(e.paths) >= {"p['w'][2, 1]", "p['b'][0][1]", "x[1, 2]"}
    np.testing.assert_allclose(
        e.gradient[0]["w"], bp.grad(f)(p, np.arange(6.0).reshape(2, 3) / 6)["w"]
    )
    assert e.gradient[0]["b"][1] is None
    check_consistency(e)
    assert by_name(e)["h"].value.shape == (2, 2)
    assert str(e)


def test_loops():
    def f(p):
        c, ys = bp.scan(lambda c, _: (c * p[0] + np.sin(c) * p[1], c), p[2], None, length=5)
        return c + np.sum(ys**2)

    check_consistency(bp.explain(f, np.array([0.5, 0.7, 1.3])))


def test_many_paths_are_not_all_listed():
    def f(x):
        for _ in range(40):
            x = x * x / x
        return x

    e = bp.explain(f, 1.1, max_paths=7)
    assert e.path_counts["x"] == 3**40
    assert len(e.paths["x"]) == 7
    assert f"... and {e.path_counts['x'] - 7} more paths, not listed" in str(e)
    assert e.gradient[0] == pytest.approx(1)


def test_large_arrays():
    e = bp.explain(lambda x, w: np.sum(np.tanh(x * w)), np.linspace(0, 1, 1000), 2.0)
    assert not e.paths
    edge = next(edge for edge in e.edges if edge.target == "v2")
    assert edge.derivative is None
    np.testing.assert_allclose(edge.diagonal, 1 - np.tanh(2 * np.linspace(0, 1, 1000)) ** 2)
    text = str(e)
    assert "too many elements" in text
    assert "more parameters" in text
    assert len(text) < 5000


def test_dead_relu_and_selection():
    e = bp.explain(lambda w, x: np.where(x > 0, np.sqrt(x), bp.relu(-w * w)) + w * 0.5, 2.0, -1.0)
    assert e.gradient == (0.5, 0.0)
    assert all(np.isfinite(p.product) for paths in e.paths.values() for p in paths)
    check_consistency(bp.explain(lambda w: bp.relu(-w), 2.0))


def test_unused_and_integer_arguments():
    e = bp.explain(lambda x, n, unused: x * n, 2.0, 3, 1.0)
    assert e.gradient == (3.0, None, 0.0)
    assert e.path_counts == {"x": 1, "unused": 0}
    assert str(e)
    e = bp.explain(lambda x: x, 2.0)
    assert (e.value, e.gradient, e.n_nodes) == (2.0, (1.0,), 0)
    assert str(e)


def test_float32():
    e = bp.explain(lambda x: np.sum(np.exp(x)), np.float32([0, 1]))
    assert e.gradient[0].dtype == np.float32
    assert str(e)


def test_compiled_and_handmade():
    e = bp.explain(bp.compile(network), *POINT)
    assert e.gradient[2] == 6
    g = bp.Graph()
    x = g.input(name="x")
    g.output(np.sin(x) * x)
    e = bp.explain(g.compile(), 2.0)
    assert e.path_counts == {"x": 2}


def test_refusals():
    for f in (lambda x: (x, x), lambda x: np.stack([x, x]), lambda x: x > 0, lambda x: 1.0):
        with pytest.raises(DifferentiationError):
            bp.explain(f, 2.0)


def test_other_profilers_go_on():
    import sys

    def profiler(frame, event, argument):
        pass

    sys.setprofile(profiler)
    try:
        bp.explain(lambda x: x * x, 2.0)
        assert sys.getprofile() is profiler
        with pytest.raises(ZeroDivisionError):
            bp.explain(lambda x: x / (1 // 0), 2.0)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
