"""Transformations of whole functions: products, matrices, containers, nesting."""

import collections
import dataclasses

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import DifferentiationError
from pybackprop.graph import open_graph
from pybackprop.passes import LOCAL

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
X = RNG.normal(size=3)


def quadratic(x):
    return 0.5 * x @ A @ x + np.sum(np.sin(x))


def gradient(x):
    return 0.5 * (A + A.T) @ x + np.cos(x)


def curvature(x):
    return 0.5 * (A + A.T) - np.diag(np.sin(x))


def test_grad_and_value():
    value, slope = bp.value_and_grad(quadratic)(X)
    assert value == pytest.approx(quadratic(X))
    np.testing.assert_allclose(slope, gradient(X))
    np.testing.assert_allclose(bp.grad(quadratic)(X), gradient(X))


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian(mode):
    np.testing.assert_allclose(bp.jacobian(gradient, mode=mode)(X), curvature(X), rtol=1e-12)
    wide = bp.jacobian(lambda x: np.outer(x, x[:2]) * np.sum(x), mode=mode)(X)
    assert wide.shape == (3, 2, 3)
    total = np.sum(X)
    expected = np.zeros((3, 2, 3))
    for i in range(3):
        for j in range(2):
            expected[i, j] += X[i] * X[j]
            expected[i, j, i] += X[j] * total
            expected[i, j, j] += X[i] * total
    np.testing.assert_allclose(wide, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_of_containers(mode):
    def f(p, x):
        return {"a": p["w"] @ x, "b": np.sum(p["w"]) * x[0]}

    w = RNG.normal(size=(2, 3))
    found = bp.jacobian(f, argnums=(0, 1), mode=mode)({"w": w}, X)
    np.testing.assert_allclose(found["a"][1], w)
    np.testing.assert_allclose(found["b"][0]["w"], np.full((2, 3), X[0]))
    np.testing.assert_allclose(found["b"][1], [w.sum(), 0, 0])
    expected = np.zeros((2, 2, 3))
    expected[[0, 1], [0, 1]] = X
    np.testing.assert_allclose(found["a"][0]["w"], expected)


def test_hessian():
    np.testing.assert_allclose(bp.hessian(quadratic)(X), curvature(X), rtol=1e-12)
    for mode in ("forward", "reverse"):
        found = bp.jacobian(bp.jacobian(quadratic, mode=mode), mode=mode)(X)
        np.testing.assert_allclose(found, curvature(X), rtol=1e-12)


def test_hessian_of_two_arguments():
    def f(a, b):
        return np.sum(a) ** 2 * b**3

    found = bp.hessian(f, argnums=(0, 1))(X, 0.7)
    s = X.sum()
    np.testing.assert_allclose(found[0][0], np.full((3, 3), 2 * 0.7**3))
    np.testing.assert_allclose(found[0][1], np.full(3, 6 * s * 0.7**2))
    np.testing.assert_allclose(found[1][0], np.full(3, 6 * s * 0.7**2))
    np.testing.assert_allclose(found[1][1], 6 * s**2 * 0.7)


def test_hvp():
    v = RNG.normal(size=3)
    np.testing.assert_allclose(bp.hvp(quadratic)(X, v), curvature(X) @ v, rtol=1e-12)
    tree = bp.hvp(lambda p: np.sum(p["a"] ** 2 * p["b"]))({"a": X, "b": 2.0}, {"a": v, "b": 1.0})
    np.testing.assert_allclose(tree["a"], 4 * v + 2 * X, rtol=1e-12)
    assert tree["b"] == pytest.approx(2 * X @ v)
    second = bp.hvp(lambda s, x: s * quadratic(x), argnums=1)(3.0, X, v)
    np.testing.assert_allclose(second, 3 * curvature(X) @ v, rtol=1e-12)


def test_vjp_and_jvp():
    v = RNG.normal(size=3)
    value, pullback = bp.vjp(gradient, X)
    np.testing.assert_allclose(value, gradient(X))
    np.testing.assert_allclose(pullback(v)[0], curvature(X).T @ v, rtol=1e-12)
    np.testing.assert_allclose(pullback(2 * v)[0], 2 * curvature(X).T @ v, rtol=1e-12)
    value, dot = bp.jvp(gradient, (X,), (v,))
    np.testing.assert_allclose(value, gradient(X))
    np.testing.assert_allclose(dot, curvature(X) @ v, rtol=1e-12)
    _, dot = bp.jvp(lambda a, b: {"s": a * b, "c": 3.0}, (2.0, 5.0), (1.0, 0.0))
    assert dot["s"] == 5.0


def test_vjp_keeps_its_function_and_arguments():
    x = X.copy()
    _, pullback = bp.vjp(lambda x: np.sin(x), x)
    x[:] = 0
    np.testing.assert_allclose(pullback(np.ones(3))[0], np.cos(X))

    class Model:
        def __init__(self, scale):
            self.scale = scale

        def value(self, x):
            return np.sum(self.scale * x**2)

    for scale in (1.0, 2.0, 3.0):
        _, pullback = bp.vjp(Model(scale).value, X)
        np.testing.assert_allclose(pullback(1.0)[0], 2 * scale * X)
        _, dot = bp.jvp(Model(scale).value, (X,), (np.ones(3),))
        np.testing.assert_allclose(dot, 2 * scale * X.sum())


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Model:
    weight: np.ndarray
    bias: float


def test_containers():
    def f(p, m, rest):
        return p.x * np.sum(m.weight) + p.y * m.bias + rest[0]["k"] * rest[1][0]

    args = (Point(2.0, 3.0), Model(np.ones(3), 0.5), [{"k": 4.0}, (5.0,)])
    value, (p, m, rest) = bp.value_and_grad(f, argnums=(0, 1, 2))(*args)
    assert value == pytest.approx(2 * 3 + 1.5 + 20)
    assert type(p) is Point and p == Point(3.0, 0.5)
    assert type(m) is Model and m.bias == 3.0
    np.testing.assert_array_equal(m.weight, np.full(3, 2.0))
    assert rest == [{"k": 5.0}, (4.0,)]


def test_argnums():
    def f(a, b, c):
        return a * b**2 * c**3

    assert bp.grad(f, argnums=-1)(2.0, 3.0, 5.0) == pytest.approx(2 * 9 * 75)
    assert bp.grad(f, argnums=(2, 0))(2.0, 3.0, 5.0) == pytest.approx((2 * 9 * 75, 9 * 125))
    assert bp.grad(f, argnums=(1,))(2.0, 3.0, 5.0) == pytest.approx((2 * 6 * 125,))
    for bad in (3, -4, (0, 0)):
        with pytest.raises(ValueError, match="argnums"):
            bp.grad(f, argnums=bad)(2.0, 3.0, 5.0)


def test_has_aux():
    def f(x):
        return np.sum(x**2), {"twice": 2 * x, "n": 3, "name": "aux", "none": None}

    (value, aux), slope = bp.value_and_grad(f, has_aux=True)(X)
    assert (
        value == pytest.approx(X @ X)
        and aux["n"] == 3
        and aux["name"] == "aux"
        and aux["none"] is None
    )
    np.testing.assert_allclose(aux["twice"], 2 * X)
    slope2, aux = bp.grad(f, has_aux=True)(X)
    np.testing.assert_allclose(slope, slope2)
    with pytest.raises(TypeError, match="pair"):
        bp.grad(lambda x: np.sum(x), has_aux=True)(X)


def test_gradient_of_what_does_not_depend():
    np.testing.assert_array_equal(bp.grad(lambda x, y: np.sum(y))(X, X), np.zeros(3))
    np.testing.assert_array_equal(bp.grad(lambda x: np.sum(np.floor(x)))(X), np.zeros(3))
    np.testing.assert_array_equal(
        bp.jacobian(lambda x: np.arange(2.0) + 0 * x[0])(X), np.zeros((2, 3))
    )
    np.testing.assert_array_equal(bp.hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))
    _, pullback = bp.vjp(lambda x: np.sign(x), X)
    np.testing.assert_array_equal(pullback(np.ones(3))[0], np.zeros(3))
    assert bp.grad(lambda x: np.sum(x.astype(int)) * 1.0)(X).shape == (3,)


# ---- nesting ------------------------------------------------------------------------------------


def test_no_perturbation_confusion():
    # d/dx [x d/dy (x + y)] = 1
    f = bp.grad(lambda x: x * bp.grad(lambda y: x + y)(2.0))
    assert f(3.0) == 1.0
    g = bp.grad(lambda x: x * bp.jvp(lambda y: x * y, (2.0,), (1.0,))[1])
    assert g(3.0) == 6.0
    inner_jvp = bp.jvp(lambda x: x * bp.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (3.0,), (1.0,))
    assert inner_jvp == (3.0, 1.0)
    h = bp.grad(lambda x: x * bp.grad(lambda y: y * bp.grad(lambda z: x * y * z**2)(1.0))(x))
    # z: 2 x y; y: d/dy (2 x y^2) = 4 x y at y = x: 4 x^2; so d/dx 4 x^3
    assert h(1.5) == pytest.approx(12 * 1.5**2)


def test_vjp_inside():
    def f(x):
        value, pullback = bp.vjp(lambda y: np.sin(y) * x, x)
        return np.sum(pullback(np.ones(3))[0] * value)

    # Partial of the inner function by y only: sum cos(x) x * sin(x) x
    def plain(x):
        return np.sum(np.cos(x) * x * np.sin(x) * x)

    value, slope = bp.value_and_grad(f)(X)
    assert value == pytest.approx(plain(X))
    np.testing.assert_allclose(
        slope, 2 * X * np.sin(X) * np.cos(X) + X**2 * np.cos(2 * X), rtol=1e-12
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_higher_derivatives(order):
    f, exact = np.sin, [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for _ in range(order):
        f = bp.grad(f)
    assert f(0.7) == pytest.approx(exact[order - 1](0.7), rel=1e-14)

    def forward(g):
        return lambda x: bp.jvp(g, (x,), (1.0,))[1]

    f = np.exp
    for _ in range(order):
        f = forward(f)
    assert f(0.3) == pytest.approx(np.exp(0.3), rel=1e-14)


def test_everything_nested():
    w = RNG.normal(size=(3, 2))
    x = RNG.normal(size=(4, 3))

    def loss(w, row):
        return np.sum(np.tanh(row @ w) ** 2)

    per_row = bp.vmap(bp.grad(loss), in_axes=(None, 0))(w, x)
    for i in range(4):
        np.testing.assert_allclose(per_row[i], bp.grad(loss)(w, x[i]), rtol=1e-12)
    # The gradient of the norms of the gradients of the rows.
    total = bp.grad(lambda w: np.sum(bp.vmap(bp.grad(loss), in_axes=(None, 0))(w, x) ** 2))
    one_by_one = sum(bp.grad(lambda w, r=r: np.sum(bp.grad(loss)(w, r) ** 2))(w) for r in x)
    np.testing.assert_allclose(total(w), one_by_one, rtol=1e-11)
    found = bp.vmap(bp.hessian(lambda r: loss(w, r)))(x)
    assert found.shape == (4, 3, 3)
    np.testing.assert_allclose(found[2], bp.hessian(lambda r: loss(w, r))(x[2]), rtol=1e-11)
    assert bp.compile(bp.grad(bp.compile(quadratic)))(X).shape == (3,)


def test_inner_functions_see_outer_values():
    def f(x):
        y = np.sin(x)
        return bp.grad(lambda z: np.sum(z * y * x))(x).sum()

    np.testing.assert_allclose(bp.grad(f)(X), np.cos(X) * X + np.sin(X), rtol=1e-13)


def test_stop_gradient():
    slope = bp.grad(lambda x: np.sum(bp.stop_gradient(np.sin(x)) * x))(X)
    np.testing.assert_allclose(slope, np.sin(X))
    tree = bp.grad(lambda x: np.sum(bp.stop_gradient({"a": x, "n": 2})["a"] * x) * 2)(X)
    np.testing.assert_allclose(tree, 2 * X)
    assert bp.jvp(lambda x: bp.stop_gradient(x) * x, (3.0,), (1.0,)) == (9.0, 3.0)
    assert bp.grad(bp.grad(lambda x: bp.stop_gradient(x) * x**2))(3.0) == 6.0


def test_shared_value_has_one_sum_of_contributions():
    form = bp.grad(lambda x: np.sum(x * np.sin(x) * np.cos(x) + x)).lower(X)
    sums = [n for n in form.graph.nodes if n.primitive.name == "accumulate"]
    assert len(sums) <= 2 and max(len(n.operands) for n in sums) >= 3


def test_derivative_graphs_are_well_typed():
    def f(x):
        return np.sum(np.max(np.outer(np.sin(x), x), axis=1) * np.cumprod(x))

    for g in (bp.grad(f), bp.hessian(f), bp.vmap(bp.grad(f)), bp.hvp(f)):
        args = {"hvp": (X, X), "vma": (np.stack([X, X]),)}.get(g.__name__[:3], (X,))
        g.lower(*args).graph.check()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: bp.grad(lambda x: x)(X), "scalar"),
        (lambda: bp.grad(lambda x: (x, x))(1.0), "jacobian"),
        (lambda: bp.grad(lambda x: 3.0)(1.0), "depend"),
        (lambda: bp.grad(lambda x: np.sum(x))(np.arange(3)), "int64"),
        (lambda: bp.grad(lambda x: np.sum(x))(3), "int64"),
        (lambda: bp.grad(lambda x: np.argmax(x))(X), "i64"),
        (lambda: bp.jacobian(lambda x: np.argmax(x))(X), "no derivative"),
        (lambda: bp.jvp(np.sin, (1,), (1.0,)), "float"),
    ],
)
def test_no_derivative(call, text):
    with pytest.raises(DifferentiationError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: bp.jvp(np.sin, (X,), (X[:2],)), "shape"),
        (lambda: bp.jvp(np.sin, (X,), (X, X)), "structure"),
        (lambda: bp.jvp(np.sin, (X.astype(np.float32),), ("a",)), "str"),
        (lambda: bp.vjp(np.sin, X)[1](np.ones(2)), "shape"),
        (lambda: bp.vjp(np.sin, X)[1]((np.ones(3), 1)), "structure"),
        (lambda: bp.hvp(quadratic)(X, np.ones(2)), "shape"),
    ],
)
def test_bad_directions(call, text):
    with pytest.raises(TypeError, match=text):
        call()


# ---- deep graphs --------------------------------------------------------------------------------


def test_deep_chain_needs_no_recursion():
    """2 10^4 nodes in a row: traced, differentiated, lowered, run, printed, deleted."""

    def f(x):
        y = x
        for _ in range(10_000):
            y = np.sin(y) * 0.999
        return np.sum(y)

    gradient = bp.value_and_grad(f)
    value, slope = gradient(np.array([0.5, 0.7]))
    y, d = np.array([0.5, 0.7]), np.ones(2)
    for _ in range(10_000):
        d = d * np.cos(y) * 0.999
        y = np.sin(y) * 0.999
    np.testing.assert_allclose(value, y.sum(), rtol=1e-9)
    np.testing.assert_allclose(slope, d, rtol=1e-9)
    assert len(str(gradient.graph)) > 10_000
    gradient.graph.check()
    del gradient


def test_deep_chain_without_passes():
    with open_graph("deep", LOCAL) as graph:
        x = graph.add_input((), np.float64)
        y = x
        for k in range(20_000):
            y = y + x if k % 2 else np.sin(y)
        graph.close([y])
    assert len(graph.nodes) >= 20_000
    graph.check()
    del graph, x, y
