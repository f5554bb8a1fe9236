"""The optimisers against updates written by hand in NumPy, alone and within a compiled step."""

from collections import namedtuple

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import errors, optim


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(3, 2)).astype(dtype),
        "rest": [rng.normal(size=2).astype(dtype), np.asarray(0.5, dtype)[()]],
    }


def leaves(tree):
    return [tree["w"], *tree["rest"]]


def objective(p, x):
    z = np.tanh(x @ p["w"] + p["rest"][0])
    return np.sum(z**2) * p["rest"][1] + 0.1 * p["rest"][1] ** 2


def by_hand(name, steps, grad, p, rate=0.1):
    """A few updates in the words of the papers."""
    x = [np.array(a, copy=True) for a in leaves(p)]
    v = [np.zeros_like(a) for a in x]
    s = [np.zeros_like(a) for a in x]
    for t in range(1, steps + 1):
        g = leaves(grad({"w": x[0], "rest": [x[1], x[2]]}))
        for i in range(len(x)):
            if name == "sgd":
                x[i] = x[i] - rate * g[i]
            elif name == "momentum":
                v[i] = 0.9 * v[i] + g[i]
                x[i] = x[i] - rate * v[i]
            elif name == "nesterov":
                v[i] = 0.9 * v[i] + g[i]
                x[i] = x[i] - rate * (g[i] + 0.9 * v[i])
            else:
                v[i] = 0.9 * v[i] + (1 - 0.9) * g[i]
                s[i] = 0.999 * s[i] + (1 - 0.999) * g[i] ** 2
                m_hat = v[i] / (1 - 0.9**t)
                s_hat = s[i] / (1 - 0.999**t)
                x[i] = x[i] - rate * m_hat / (np.sqrt(s_hat) + 1e-8)
    return x


OPTIMIZERS = {
    "sgd": optim.sgd(0.1),
    "momentum": optim.sgd(0.1, momentum=0.9),
    "nesterov": optim.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optim.adam(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_updates_agree_with_numpy_by_hand(name, compiled, dtype):
    optimizer = OPTIMIZERS[name]
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(dtype)
    grad = bp.grad(lambda p: objective(p, x))
    expected = by_hand(name, 7, grad, parameters(dtype))

    def step(p, state):
        return optimizer.update(p, bp.grad(lambda p: objective(p, x))(p), state)

    if compiled:
        step = bp.compile(step)
    p = parameters(dtype)
    state = optimizer.init(p)
    for _ in range(7):
        p, state = step(p, state)
    assert state.count == 7
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    for ours, theirs in zip(leaves(p), expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    if compiled:
        assert len(step.forms) == 1, "the state that comes out is of the form that goes in"


def test_structure_is_kept():
    Point = namedtuple("Point", ["x", "y"])
    p = Point(np.ones(2), (np.ones(()), {"a": np.ones((1, 0))}))
    for optimizer in OPTIMIZERS.values():
        new, state = optimizer.update(p, p, optimizer.init(p))
        assert type(new) is Point
        assert new.y[1]["a"].shape == (1, 0)
        new, _ = bp.compile(optimizer.update)(new, p, state)
        assert type(new) is Point


def test_arguments_are_left_alone():
    p, g = np.ones(3), np.full(3, 2.0)
    for optimizer in OPTIMIZERS.values():
        state = optimizer.init(p)
        optimizer.update(p, g, state)
        np.testing.assert_array_equal(p, np.ones(3))
        np.testing.assert_array_equal(g, np.full(3, 2.0))
        assert state.count == 0


@pytest.mark.parametrize("make", [optim.sgd, optim.adam])
def test_learning_rate_may_be_a_function_of_the_count(make):
    def schedule(count):
        return 0.1 / (1 + count)

    optimizer = make(schedule)
    p = np.array([1.0, -2.0])
    compiled = bp.compile(optimizer.update)
    ours, state = p.copy(), optimizer.init(p)
    theirs, other = p.copy(), optimizer.init(p)
    for count in range(4):
        fixed = make(schedule(count))
        theirs, other = fixed.update(theirs, 2 * theirs, other)
        ours, state = compiled(ours, 2 * ours, state)
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_learning_rate_may_be_traced():
    def after(rate):
        optimizer = optim.sgd(rate, momentum=0.5)
        p = np.array([1.0, 3.0])
        state = optimizer.init(p)
        for _ in range(2):
            p, state = optimizer.update(p, 2 * p, state)
        return np.sum(p**2)

    rate, h = 0.1, 1e-6
    numeric = (after(rate + h) - after(rate - h)) / (2 * h)
    np.testing.assert_allclose(bp.grad(after)(rate), numeric, rtol=1e-6)


def test_adam_scale_of_the_gradient_does_not_matter():
    optimizer = optim.adam(0.01, epsilon=0.0)
    p = np.array([0.0, 0.0])
    new, _ = optimizer.update(p, np.array([1e-6, -1e6]), optimizer.init(p))
    np.testing.assert_allclose(new, [-0.01, 0.01], rtol=1e-12)


def test_a_zero_gradient_leaves_adam_finite():
    optimizer = optim.adam(0.1)
    p = np.ones(2)
    new, state = bp.compile(optimizer.update)(p, np.zeros(2), optimizer.init(p))
    np.testing.assert_array_equal(new, p)
    np.testing.assert_array_equal(state.square, 0)


def test_refusals():
    with pytest.raises(ValueError, match="momentum"):
        optim.sgd(0.1, momentum=1.0)
    with pytest.raises(ValueError, match="nesterov"):
        optim.sgd(0.1, nesterov=True)
    with pytest.raises(ValueError, match="beta2"):
        optim.adam(beta2=-0.1)
    optimizer = optim.adam(0.1)
    with pytest.raises(errors.DifferentiationError, match="int64"):
        optimizer.init(np.arange(3))
    state = optimizer.init([np.ones(2)])
    with pytest.raises(TypeError, match="structure"):
        optimizer.update([np.ones(2)], (np.ones(2),), state)
    with pytest.raises(TypeError, match="shape"):
        optimizer.update([np.ones(2)], [np.ones(1)], state)


# ---- gradient_descent ---------------------------------------------------------------------------


def quadratic(x):
    return 0.5 * x[0] ** 2 + 2.0 * x[1] ** 2


def test_gradient_descent_returns_the_path():
    x = np.array([1.0, -1.0])
    path = optim.gradient_descent(quadratic, x, 0.1, 20)
    assert path.shape == (21, 2)
    for point in path:
        np.testing.assert_allclose(point, x, rtol=1e-13)
        x = x - 0.1 * x * np.array([1.0, 4.0])


def test_gradient_descent_of_containers_and_numbers():
    path = optim.gradient_descent(
        lambda p: p["a"] ** 2 + np.sum(p["b"]), {"a": 2.0, "b": np.ones(2)}, 0.5, 2
    )
    np.testing.assert_allclose(path["a"], [2.0, 0.0, 0.0])
    np.testing.assert_allclose(path["b"], [[1, 1], [0.5, 0.5], [0, 0]])


def test_gradient_descent_without_a_step():
    np.testing.assert_array_equal(optim.gradient_descent(np.sin, 1.0, 0.1, 0), [1.0])
    with pytest.raises(ValueError, match="negative"):
        optim.gradient_descent(np.sin, 1.0, 0.1, -1)


def test_gradient_descent_too_large_a_rate_diverges():
    path = optim.gradient_descent(quadratic, np.array([1.0, 1.0]), 0.6, 3000)
    assert not np.isfinite(path[-1, 1])
    assert abs(path[-1, 0]) < 1e-300


def test_gradient_descent_can_be_differentiated():
    def last(rate):
        return quadratic(optim.gradient_descent(quadratic, np.array([1.0, -1.0]), rate, 5)[-1])

    h = 1e-6
    numeric = (last(0.1 + h) - last(0.1 - h)) / (2 * h)
    np.testing.assert_allclose(bp.grad(last)(0.1), numeric, rtol=1e-6)


def test_gradient_descent_refuses_integers():
    with pytest.raises(errors.DifferentiationError, match="int64"):
        optim.gradient_descent(lambda x: np.sum(x * x), np.array([1, 2]), 0.1, 1)
