"""The gradient check finds wrong derivatives, and no others."""

import collections

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import DifferentiationError, GradientCheckError
from pybackprop.testing import check_jvp, check_vjp, numerical_derivative

Pair = collections.namedtuple("Pair", "left right")


def test_right_derivatives_pass():
    rng = np.random.default_rng(0)
    bp.check_grads(lambda x, y: np.sum(np.sin(x) * y), (np.arange(3.0), 2.0))
    bp.check_grads(lambda x: np.tanh(x @ x.T), (rng.normal(size=(3, 2)),))
    bp.check_grads(lambda x: x**3, (np.array([0.0, -1.5, 1e5]),), order=3)
    bp.check_grads(lambda x: np.log(x) * 1e6, (np.array([1e-6, 1.0, 1e6]),))
    bp.check_grads(lambda x: 1e6 + np.sin(x), (1.0,), order=1)


def test_trees():
    def f(p, scale, n):
        a = p["a"].left * scale + p["a"].right[0]
        return {"y": [a * n, None], "n": n + 1, "name": "text", "z": np.sum(p["b"] ** 2)}

    p = {"a": Pair(np.arange(3.0), [2.0]), "b": np.ones((2, 2))}
    bp.check_grads(f, (p, np.float64(1.5), 3))
    check_jvp(f, (p, 1.5, 3))
    check_vjp(f, (p, 1.5, 3))


def test_float32():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 3)).astype("f4"), rng.normal(size=(3, 2)).astype("f4")
    bp.check_grads(lambda x, w: np.mean(np.tanh(x @ w) ** 2), (x, w))

    def loop(x):
        return bp.scan(
            lambda c, _: (c * np.float32(0.5) + x.astype("f4"), None), x.astype("f4"), None, 3
        )

    bp.check_grads(loop, (np.float32(1.5),))


def test_loops():
    def f(p):
        c, ys = bp.scan(lambda c, _: (c * p[0] + np.sin(c) * p[1], c), p[2], None, length=5)
        return c + np.sum(ys**2)

    bp.check_grads(f, (np.array([0.5, 0.7, 1.3]),))


def test_large_arguments_are_sampled():
    bp.check_grads(lambda x: np.sum(np.exp(-(x**2))), (np.linspace(-2, 2, 5000),), order=1)


def test_kinks_nearby():
    bp.check_grads(bp.relu, (np.array([-1.0, 1e-4, -1e-4, 3.0]),))
    bp.check_grads(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0), (np.array([0.01, -2.0]),))


def test_wrong_derivatives_are_named():
    def f(p, y):
        return bp.stop_gradient(p["w"]) * p["w"] * y

    args = ({"w": np.array([[1.0, 2.0]])}, 3.0)
    with pytest.raises(GradientCheckError) as caught:
        bp.check_grads(f, args)
    text = str(caught.value)
    assert (
        "f: the forward-mode derivative of output 0 at [0, 0] by argument 0['w'] at [0, 0]" in text
    )
    assert "expected 6" in text
    assert "found 3" in text
    with pytest.raises(GradientCheckError, match="reverse-mode"):
        bp.check_grads(f, args, modes="reverse")
    with pytest.raises(GradientCheckError, match=r"argument 0\['w'\] at \[0, 0\]"):
        check_vjp(f, args)
    with pytest.raises(GradientCheckError):
        check_jvp(f, args)


def test_wrong_second_derivative():
    def f(x):
        frozen = bp.stop_gradient(x)
        return frozen**3 + 3 * frozen**2 * (x - frozen)

    bp.check_grads(f, (1.3,), order=1)
    with pytest.raises(GradientCheckError, match="the forward derivative of f: "):
        bp.check_grads(f, (1.3,), order=2)


def test_small_errors_are_found():
    wrong = 1 + 1e-5

    def f(x):
        return (
            np.sum(np.sin(x))
            + bp.stop_gradient(np.sum(np.sin(x))) * (wrong - 1) * 0
            + (wrong - 1) * (np.sum(x) - bp.stop_gradient(np.sum(x)))
        )

    with pytest.raises(GradientCheckError):
        bp.check_grads(f, (np.array([0.3, 1.1]),), order=1)
    bp.check_grads(f, (np.array([0.3, 1.1]),), order=1, rtol=1e-4)
    bp.check_grads(f, (np.array([0.3, 1.1]),), order=1, atol=1e-4)


def test_bad_arguments():
    with pytest.raises(DifferentiationError, match="no argument is floating"):
        bp.check_grads(lambda n: n * 2, (3,))
    with pytest.raises(DifferentiationError, match="nothing floating"):
        bp.check_grads(lambda x: x > 0, (3.0,))
    with pytest.raises(ValueError, match="modes"):
        bp.check_grads(np.sin, (1.0,), modes=("fwd",))
    with pytest.raises(ValueError, match="order"):
        bp.check_grads(np.sin, (1.0,), order=0)
    with pytest.raises(GradientCheckError, match="not finite"):
        bp.check_grads(np.log, (-1.0,))


def test_numerical_derivative():
    found, errors = numerical_derivative(
        lambda t: [np.exp(np.array([1.0, 2.0]) * t), np.array(t**3)]
    )
    np.testing.assert_allclose(found[0], [1, 2], rtol=1e-12)
    np.testing.assert_allclose(found[1], 0, atol=1e-12)
    assert (errors[0] < 1e-10).all()
    found, _ = numerical_derivative(lambda t: [np.log(np.array(1e-3 + t))])
    np.testing.assert_allclose(found[0], 1000, rtol=1e-9)
