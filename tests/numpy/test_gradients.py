"""Derivatives of the surface's compositions: central differences, first and second order."""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp
import pybackprop.special as special

rng = np.random.default_rng(1)
X, W = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
POSITIVE = np.abs(X) + 0.3
INDEX = np.array([2, 0, 2])
ORDER = np.argsort(W, 1)


def s(y):
    return np.sum(np.sin(y))


CASES = {
    "mean, var, std": (lambda a: s(a.mean(0)) + s(a.var(1)) + s(a.std(0, ddof=1)), X),
    "max, min": (lambda a: s(np.max(a, 1)) + s(np.min(a)) + s(np.ptp(a, 0)), X),
    "prod": (lambda a: s(np.prod(a, 0)) + s(np.cumprod(a, 0)) + s(np.cumsum(a, 1)), X),
    "sum where": (lambda a: np.sum(a**2, where=W > 0) + s(np.mean(a**2, 0, where=W > -1)), X),
    "norm": (lambda a: np.linalg.norm(a) + np.sum(np.linalg.norm(a, axis=1)), X),
    "norms": (lambda a: np.linalg.norm(a, 1) + np.linalg.norm(a[0], 3), X),
    "integer arrays": (lambda a: s(a[INDEX]) + s(a[:, [1, 1, 0]]) + s(a[np.arange(3), INDEX]), X),
    "slices": (lambda a: s(a[::-1, ::2]) + s(a[0]) + s(a[:, None, 1]), X),
    "take": (lambda a: s(np.take_along_axis(a, ORDER, 1)) + s(np.take(a, INDEX, 0)), X),
    "diagonals": (lambda a: s(np.diag(a)) + s(np.diag(a[0], 1)) + s(np.tril(a)) + np.trace(a), X),
    "matmul": (lambda a: s(a @ W.T) + s(a.T @ W) + s(a @ W[0]), X),
    "products": (lambda a: s(np.outer(a[0], a[1])) + s(np.kron(a, W[:2, :2])) + np.vdot(a, a), X),
    "tensordot": (lambda a: s(np.tensordot(a, W, ((0,), (0,)))), X),
    "einsum": (lambda a: s(np.einsum("ij,kj->ik", a, W)) + s(np.einsum("ij,ij,kj->k", a, a, W)), X),
    "einsum diagonal": (lambda a: np.einsum("ii,ij->", a[:, :3], a), X),
    "roll, tile": (lambda a: s(np.roll(a, 1, 1) * W) + s(np.tile(a, (2, 2)) ** 2), X),
    "repeat, pad": (lambda a: s(np.repeat(a, 2, 0)) + s(np.pad(a, ((1, 2), (0, 1))) + 1), X),
    "pad reflect": (lambda a: s(np.pad(a, 1, "reflect")) + s(np.flip(a) * W), X),
    "join": (lambda a: s(np.stack([a, 2 * a], 1)) + s(np.concatenate([a, W])), X),
    "split": (lambda a: s(np.split(a, 2, 1)[1]) + s(np.array([a[0, 0], a[1, 1] * 2])), X),
    "clip": (lambda a: s(np.clip(a, -0.5, 0.5)) + s(np.maximum(a, 0.1)) + s(np.abs(a)), X),
    "where": (lambda a: s(np.where(a > 0, a, a**2)) + s(bp.relu(a)), X),
    "erf": (lambda a: s(special.erf(a)) + s(special.erfc(a)) + s(special.expit(a)), X),
    "ndtr": (lambda a: s(special.ndtr(a)) + s(special.log_ndtr(a * 3)) + s(bp.softplus(a)), X),
    "log_ndtr": (lambda a: np.sum(special.log_ndtr(a - 24)) / 24, X),
    "softmax": (lambda a: s(special.softmax(a, axis=0)) + s(special.log_softmax(a)), X),
    "logsumexp": (lambda a: s(special.logsumexp(a, axis=1)) + s(np.logaddexp(a, W)), X),
    "logit": (lambda a: s(special.logit(a / (a + 1))) + s(special.entr(a)), POSITIVE),
    "xlogy": (lambda a: s(special.xlogy(a, a)) + s(special.xlog1py(a, a)), POSITIVE),
    "power": (lambda a: s(a**2) + s(a**3) + s(a**4) + s(a**-1) + s(a**-2), POSITIVE),
    "roots": (lambda a: s(a**0.5) + s(a**1.5) + s(2**a) + s(a**a), POSITIVE),
    "two": (lambda a: s(np.arctan2(a, W)) + s(np.hypot(a, W)) + s(np.copysign(a, W)), X),
    "remainder": (lambda a: s(np.fmod(a, 0.7)) + s(a % 0.7) + s(np.fmax(a, W)), X),
    "linspace": (lambda a: s(bnp.linspace(a[0, 0], a[1, 1], 7)) + s(bnp.full((2,), a[0, 0])), X),
    "average": (lambda a: np.average(a, weights=np.exp(a)), X),
}
# Updates exist on traced arrays only.
UPDATES = {
    "set": lambda a: s(a.at[0].set(W[0])) + s(a.at[:, 1:3].set(a[:, :2] ** 2) * W),
    "add": lambda a: s(a.at[INDEX, 1].add(a[0, 0])) + s(a.at[1:, ::2].add(3 * a[:2, :2])),
    "repeated set": lambda a: s(a.at[INDEX].set(a * W)),
    "strided set": lambda a: s(a.at[1:, ::2].set(3 * a[:2, :2] ** 2)),
}


def central(function, x, h):
    result = []
    for i in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i] = h
        result.append((function(x + step) - function(x - step)) / (2 * h))
    return np.reshape(result, x.shape + np.shape(result[0]))


def check(function, x):
    value, gradient = bp.value_and_grad(function)(x)
    expected = central(bp.compile(function), x, 1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)
    expected = central(bp.grad(function), x, 1e-5)
    np.testing.assert_allclose(bp.hessian(function)(x), expected, rtol=1e-4, atol=1e-4)
    return value


@pytest.mark.parametrize("name", CASES)
def test_functions(name):
    function, x = CASES[name]
    value = check(function, x)
    if "bp" not in function.__code__.co_names:
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(value, function(x), rtol=1e-12)


@pytest.mark.parametrize("name", UPDATES)
def test_updates(name):
    check(UPDATES[name], X)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.linalg.norm, [0.0, 0.0], [0, 0]),
        (lambda a: np.sum(bp.relu(a)), [-1.0, 0.0, 1.0], [0, 0, 1]),
        (lambda a: np.sum(np.clip(a, 0, 1)), [-1.0, 0.0, 0.5, 1.0, 2.0], [0, 0.5, 1, 0.5, 0]),
        (lambda a: np.sum(np.where(a > 0, np.sqrt(a), 0.0)), [0.0, 4.0, -1.0], [0, 0.25, 0]),
        (lambda a: np.sum(np.where(a > 0, np.log(a), a)), [0.0, 4.0, -1.0], [1, 0.25, 1]),
        (lambda a: np.sum(np.abs(a)), [0.0, -2.0], [0, -1]),
        (np.max, [1.0, 1.0, 0.0], [0.5, 0.5, 0]),
        (lambda a: np.sqrt(a[0]), [0.0], [np.inf]),
        (special.logsumexp, [-np.inf, -np.inf], [0, 0]),
        (special.logsumexp, [-np.inf, 0.0], [0, 1]),
        (lambda a: np.logaddexp(a[0], a[1]), [0.0, 0.0], [0.5, 0.5]),
        (lambda a: np.logaddexp(a[0], a[1]), [-np.inf, 0.0], [0, 1]),
        (lambda a: special.xlogy(a[0], 3.0), [0.0], [np.log(3.0)]),
        (lambda a: special.xlogy(a[0], 0.0), [0.0], [0.0]),
        (lambda a: np.sum(a**0), [0.0, np.nan], [0, 0]),
        (lambda a: np.prod(a), [0.0, 2.0, 3.0], [6, 0, 0]),
    ],
)
def test_conventions(function, x, expected):
    np.testing.assert_allclose(bp.grad(function)(np.array(x)), expected, rtol=1e-14)


def test_hypot_at_zero():
    """As the 2-norm: the middle of all slopes, and nothing of second order."""
    f = lambda x: np.hypot(x[0], x[1])  # noqa: E731
    np.testing.assert_array_equal(bp.grad(f)(np.zeros(2)), 0)
    np.testing.assert_array_equal(bp.hessian(f)(np.zeros(2)), 0)
    assert bp.jvp(f, (np.zeros(2),), (np.ones(2),))[1] == 0
    np.testing.assert_allclose(bp.grad(f)(np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("swapped", [False, True])
def test_logaddexp_of_zero_is_softplus(swapped):
    z = np.array([-np.inf, -800.0, -1.0, -0.0, 0.0, 1e-300, 30.0, 800.0, np.inf, np.nan])

    def f(z):
        return np.logaddexp(z, 0) if swapped else np.logaddexp(np.zeros((1, 1)), z)

    compiled = bp.compile(f)
    y = compiled(z)
    with np.errstate(all="ignore"):
        expected, slope = f(z), 1 / (1 + np.exp(-z[1:8]))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-15)
    assert {n.primitive.name for n in compiled.graph.nodes} >= {"softplus"}
    assert "select" not in str(compiled.graph)
    g = bp.grad(lambda z: np.sum(f(z)))(z[1:8])
    np.testing.assert_allclose(g, slope, rtol=4e-16)
