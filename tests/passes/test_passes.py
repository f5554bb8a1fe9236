"""Passes: each keeps every value and a well-typed graph, and does what it is there for."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import OPERATIONS, draw, inputs_of

import pybackprop as bp
from pybackprop.errors import TraceError
from pybackprop.graph import CONSTANT, INPUT, Graph, Node, Value, open_graph
from pybackprop.passes import LOCAL, common, dead, fold, loops, optimize, simplify
from pybackprop.primitives import elementwise as e
from pybackprop.primitives import shaping
from pybackprop.primitives.base import constant

X = np.linspace(-1.5, 1.5, 6)
CHAINS = {
    "none": (),
    "fold": (fold.rewrite,),
    "simplify": (simplify.rewrite,),
    "common": (common.rewrite,),
    "all": LOCAL,
}


def build(function, rewrites, *arrays):
    """The closed and checked graph of a function."""
    with open_graph("test", rewrites) as graph:
        values = [graph.add_input(np.shape(a), np.asarray(a).dtype) for a in arrays]
        result = function(*values)
        graph.close(result if isinstance(result, (tuple, list)) else [result])
    return graph.check()


def work(graph):
    """Nodes that compute something."""
    return [n for n in graph.nodes if n.primitive not in (INPUT, CONSTANT)]


def names(graph):
    return [n.primitive.name for n in work(graph)]


# The reference interpreter runs no loops.
NAMES = [n for n in OPERATIONS if n not in ("scan", "cumprod", "prod")]
programs = st.randoms(use_true_random=False).map(lambda rng: draw(rng, n_steps=14, names=NAMES))


@pytest.mark.parametrize("chain", CHAINS)
@settings(max_examples=40)
@given(program=programs)
def test_values_stay(chain, program):
    inputs = inputs_of(program.shapes)
    graph = build(lambda *a: list(program.outputs(*a)), CHAINS[chain], *inputs)
    for result in (graph, dead.remove(graph).check(), optimize(graph).check()):
        for found, wanted in zip(
            reference.run(result, *inputs), program.outputs(*inputs), strict=True
        ):
            scale = 1 + np.max(np.abs(wanted), initial=0.0)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * scale)


@settings(max_examples=40)
@given(program=programs)
def test_gradients_stay(program):
    """The graph of value and gradient, with and without passes, by the reference interpreter and
    the engine."""
    inputs = inputs_of(program.shapes)
    numbers = tuple(range(len(inputs)))
    record = bp.value_and_grad(lambda *a: program.scalar(*a), argnums=numbers)

    def flat(*a):
        value, slopes = record.function(*a)
        return [value, *slopes]

    plain = build(flat, (), *inputs)
    full = optimize(build(flat, LOCAL, *inputs)).check()
    assert len(work(full)) <= len(work(plain))
    value, slopes = record(*inputs)
    for one, other, compiled in zip(
        reference.run(plain, *inputs), reference.run(full, *inputs), [value, *slopes], strict=True
    ):
        scale = 1 + np.max(np.abs(one), initial=0.0)
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-11 * scale)
        np.testing.assert_allclose(compiled, one, rtol=0, atol=1e-11 * scale)


# ---- folding ------------------------------------------------------------------------------------


def test_constants_fold():
    graph = build(lambda x: x * (np.float64(2.0) + e.exp(constant(0.0))), LOCAL, X)
    assert names(graph) == ["multiply"]
    assert any(n.primitive is CONSTANT and n.attributes["value"].item() == 3.0 for n in graph.nodes)


def test_large_constants_stay():
    graph = build(lambda x: x + e.sin(constant(np.ones(5000))), (fold.rewrite,), np.ones(5000))
    assert "sin" in names(graph)


# ---- simplification -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: x * 1.0, []),
        (lambda x: 1.0 * x, []),
        (lambda x: x - 0.0, []),
        (lambda x: x + (-0.0), []),
        (lambda x: np.negative(-x), []),
        (lambda x: x / 1.0, []),
        (lambda x: x**1, []),
        (lambda x: x.reshape(2, 3).reshape(6), []),
        (lambda x: x.reshape(2, 3).T.T.reshape(-1), []),
        (lambda x: x[:], []),
        (lambda x: x[1:][2:4], ["slice"]),
        (lambda x: x * x, ["square"]),
        (lambda x: x + (-x * 1.0), ["subtract"]),
        (lambda x: x * 0.0, ["multiply"]),
        (lambda x: x + 0.0, ["add"]),
        (lambda x: x - x, ["subtract"]),
        (lambda x: x / x, ["divide"]),
        (lambda x: np.where(True, x, 2 * x), None),
        (lambda x: x.astype(np.float64), []),
    ],
)
def test_algebra(function, left):
    graph = dead.remove(build(function, LOCAL, X))
    if left is not None:
        assert names(graph) == left
    np.testing.assert_array_equal(reference.run(graph, X)[0], function(X))


AWKWARD = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1.7e308])


@pytest.mark.parametrize("a", [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, np.nan, 3.0])
@pytest.mark.parametrize(
    "function",
    [
        lambda x, a: x + a,
        lambda x, a: a + x,
        lambda x, a: x - a,
        lambda x, a: a - x,
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: x / a,
        lambda x, a: a / x,
        lambda x, a: -x * a,
        lambda x, a: -(x * a),
        lambda x, a: x * a * 2.0,
        lambda x, a: x * a * a,
        lambda x, a: np.maximum(x, a),
        lambda x, a: np.where(x > a, x, a),
        lambda x, a: (x - a) * -1.0,
        lambda x, a: x**a,
        lambda x, a: -(x + a) + (-x),
        lambda x, a: np.copysign(a, x) * -1.0,
    ],
)
def test_special_values(function, a):
    """No rewrite changes a zero's sign, or where NaN and infinities are."""
    with np.errstate(all="ignore"):
        wanted = function(AWKWARD, a)
        found = reference.run(build(lambda x: function(x, a), LOCAL, AWKWARD), AWKWARD)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-15, atol=1e-323)
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(wanted)[number])


def test_broadcasts_are_implicit():
    graph = dead.remove(build(lambda x: np.broadcast_to(x, (4, 6)) * np.ones((4, 6)), LOCAL, X))
    assert "broadcast_to" not in names(graph) or len(names(graph)) <= 2


def test_slice_of_concatenation():
    graph = dead.remove(build(lambda x, y: np.concatenate([x, y])[7:9], LOCAL, X, X))
    assert names(graph) == ["slice"]
    np.testing.assert_array_equal(reference.run(graph, X, 2 * X)[0], 2 * X[1:3])


@pytest.mark.parametrize("first", [(0, 6, 1), (1, 6, 2), (2, 5, 3), (4, 4, 1), (0, 6, 5)])
@pytest.mark.parametrize(
    "second", [(0, None, 1), (1, None, 2), (0, 0, 1), (1, 2, 1), (None, None, 3)]
)
def test_slices_of_slices(first, second):
    def f(x):
        return x[slice(*first)][slice(*second)]

    graph = build(f, LOCAL, X)
    np.testing.assert_array_equal(reference.run(graph, X)[0], f(X))


# ---- common subexpressions ----------------------------------------------------------------------


def test_slices_beside_each_other_are_one():
    def beside(x, y):
        return np.concatenate([x[0:2], x[2:5], y]), np.concatenate([x[:1], x[1:3]])

    graph = build(beside, LOCAL, X, X)
    assert names(graph).count("concatenate") == 1
    first, second = bp.compile(beside)(X, X + 1)
    np.testing.assert_array_equal(first, np.concatenate([X[:5], X + 1]))
    np.testing.assert_array_equal(second, X[:3])

    def apart(x):
        return (
            np.concatenate([x[0:2], x[3:5]]), np.concatenate([x[::2], x[1::2]]),
            np.concatenate([x[2:4], x[0:2]]),
        )  # fmt: skip

    assert names(build(apart, LOCAL, X)).count("concatenate") == 3
    table = X.reshape(2, 3)
    joined = bp.compile(lambda t: np.concatenate([t[:, :1], t[:, 1:2]], axis=1))(table)
    np.testing.assert_array_equal(joined, table[:, :2])
    crossed = bp.compile(lambda t: np.concatenate([t[:1, :1], t[1:, 1:]], axis=0))(table[:, :2])
    np.testing.assert_array_equal(crossed, [[X[0]], [X[4]]])


def test_equal_nodes_are_one():
    graph = build(lambda x, y: (np.sin(x) * y + 1, y * np.sin(x) + 1), LOCAL, X, X)
    assert names(graph).count("sin") == names(graph).count("multiply") == 1
    graph = build(lambda x, y: (x - y, y - x), LOCAL, X, X)
    assert names(graph) == ["subtract", "subtract"]
    graph = build(lambda x: (x.astype(np.float32), x.astype(np.int32), x[1:], x[:-1]), LOCAL, X)
    assert len(names(graph)) == 4


def test_zeros_of_both_signs_are_two_constants():
    graph = build(lambda x: (x * 0.0, x * -0.0), LOCAL, X)
    first, second = reference.run(graph, np.ones(6))
    assert not np.signbit(first).any() and np.signbit(second).all()


# ---- dead code ----------------------------------------------------------------------------------


def test_dead_nodes_go_and_inputs_stay():
    def f(x, y):
        np.sin(y)
        return x * 2

    graph = dead.remove(build(f, (), X, X))
    assert names(graph) == ["multiply"] and len(graph.inputs) == 2


def test_dead_carries_and_outputs_of_loops_go():
    def f(x):
        (a, _), (y, _) = bp.scan(
            lambda c, v: ((c[0] * v, c[1] + np.exp(c[1])), (c[0], c[1])), (1.0, 0.0), x
        )
        return a + np.sum(y)

    graph = optimize(build(f, LOCAL, X)).check()
    (node,) = [n for n in graph.nodes if n.primitive.name == "scan"]
    assert node.attributes["n_carry"] == 1 and len(node.outputs) == 2
    assert "exp" not in str(graph)


# ---- loops --------------------------------------------------------------------------------------


def test_invariants_leave_the_loop():
    def f(x):
        return bp.scan(lambda c, v: (c * np.exp(np.sum(x)) + v, None), 0.0, x)[0]

    graph = loops.simplify(build(f, LOCAL, X)).check()
    (node,) = [n for n in graph.nodes if n.primitive.name == "scan"]
    assert "exp" not in str(node.attributes["body"])
    assert "exp" in names(graph)


def test_constants_move_into_the_loop():
    def f(x):
        return bp.scan(lambda c, v: (c * (np.float64(2.0) * 3.0) + v, None), 0.0, x)[0]

    graph = optimize(build(f, LOCAL, X)).check()
    (node,) = [n for n in graph.nodes if n.primitive.name == "scan"]
    assert node.attributes["n_consts"] == 0


def test_a_sum_of_two_alike_is_a_product():
    """So the factor before residuals that a likelihood squares multiplies sums, not elements."""

    def f(x, s):
        error = x - 1.0
        return np.exp(s) * np.sum(error * error)

    graph = bp.value_and_grad(f)
    graph(np.ones(100), 0.5)
    assert "accumulate" not in names(graph.graph)


# ---- the check of graphs ------------------------------------------------------------------------


def test_check_finds_what_is_wrong():
    graph = build(lambda x: np.sin(x) * 2, (), X)
    bad = graph.nodes[1]
    right = bad.outputs
    bad.outputs = (Value(bad, 0, (5,), X.dtype),)
    with pytest.raises(TraceError, match="should have outputs"):
        graph.check()
    bad.outputs = right
    graph.check()
    graph.nodes.reverse()
    with pytest.raises(TraceError, match="not computed before"):
        graph.check()
    graph.nodes.reverse()
    other = Graph()
    graph.outputs.append(other.add_input((), float))
    with pytest.raises(TraceError, match="not computed in this graph"):
        graph.check()


def test_check_looks_into_bodies():
    graph = build(lambda x: bp.scan(lambda c, v: (c * v, None), 1.0, x)[0], (), X)
    (node,) = [n for n in graph.nodes if n.primitive.name == "scan"]
    body = node.attributes["body"]
    inner = body.nodes[-1]
    body.nodes[-1] = Node(shaping.reshape, inner.operands[:1], {"shape": ()}, body, None)
    body.nodes[-1].outputs = inner.outputs
    body.nodes.insert(0, body.nodes.pop())
    with pytest.raises(TraceError):
        graph.check()
