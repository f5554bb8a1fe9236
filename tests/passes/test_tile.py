"""Sweeps by tiles give what sweeps over all the rows give, at every number of rows and for every
shape of work."""

import numpy as np
import pytest
from programs import difference

import pybackprop as bp
import pybackprop.lowering as lowering
from pybackprop.errors import UnsupportedError

RNG = np.random.default_rng(0)


def logistic(w, x, y):
    z = x @ w
    return np.mean(np.logaddexp(0.0, z) - y * z) + 0.1 * np.sum(w * w)


def network(w, x, y):
    hidden = np.tanh(x @ np.outer(w, w))
    return np.sum((np.sum(hidden * w, axis=1) - y) ** 2)


def softmax(w, x, y):
    z = x * w
    z = z - np.max(z, axis=1, keepdims=True)
    return -np.mean(z[:, 0] - np.log(np.sum(np.exp(z), axis=1)) * y)


def normalised(w, x, y):
    """The rows are needed twice: the second time with a mean over all of them."""
    z = x @ w
    z = (z - np.mean(z)) / np.sqrt(np.mean((z - np.mean(z)) ** 2) + 1e-3)
    return np.mean(np.where(z > 0, z * y, -z * 0.1))


def gathered(w, x, y):
    return np.sum(np.sin(w[(np.arange(x.shape[0]) * 7) % 3]) * x[:, 1] * y)


def strided(w, x, y):
    return np.sum(np.exp(-((x[::-1] * w) ** 2)).T[:, ::2]) + np.sum(np.sin(y[::-1]) * y)


def gate(w, x, y):
    return np.sum(np.maximum(x @ w, 0.0) * np.minimum(y, 0.5)) + np.max(y * w[0]) * np.min(x)


LOSSES = [logistic, network, softmax, normalised, gathered, strided, gate]


def untiled(function, arguments, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(lowering, "has_long_axis", lambda nodes, least: False)
        return bp.value_and_grad(function, argnums=(0, 1, 2))(*arguments)


@pytest.mark.parametrize("rows", [128, 129, 300, 1000, 1024, 2049, 5000, 20_000])
@pytest.mark.parametrize("function", LOSSES, ids=lambda f: f.__name__)
def test_same_as_without(function, rows, monkeypatch):
    arguments = (RNG.normal(size=3), RNG.normal(size=(rows, 3)), RNG.normal(size=rows))
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 2e-4)):
        narrow = [a.astype(dtype) for a in arguments]
        value, slopes = bp.value_and_grad(function, argnums=(0, 1, 2))(*narrow)
        wanted, others = untiled(function, narrow, monkeypatch)
        assert value.dtype == dtype
        assert abs(value - wanted) <= tolerance * (1 + abs(wanted))
        for one, other in zip(slopes, others, strict=True):
            scale = 1 + np.max(np.abs(other))
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)
    if rows <= 1024:
        value, slopes = bp.value_and_grad(function, argnums=(0, 1, 2))(*arguments)
        assert value == pytest.approx(float(function(*arguments)), rel=1e-11)
        steps = [RNG.normal(size=a.shape) for a in arguments]
        slope = difference(function, arguments, steps)
        if slope is not None:
            terms = [np.sum(g * d) for g, d in zip(slopes, steps, strict=True)]
            assert sum(terms) == pytest.approx(float(slope), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("function", [logistic, network, softmax], ids=lambda f: f.__name__)
def test_tiles_are_used(function):
    arguments = (np.zeros(3), np.zeros((50_000, 3)), np.zeros(50_000))
    form = bp.value_and_grad(function).lower(*arguments)
    assert form.tape.n_loops >= 1
    rows = 50_000 * 8
    assert form.tape.arena_bytes < 5 * rows


@pytest.mark.parametrize("function", LOSSES, ids=lambda f: f.__name__)
def test_derivatives_of_derivatives(function):
    arguments = (RNG.normal(size=3), RNG.normal(size=(700, 3)), RNG.normal(size=700))
    found = bp.hessian(function)(*arguments)
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found, found.T, rtol=1e-8, atol=1e-8)
    gradient = bp.grad(function)
    for k, e in enumerate(np.eye(3)):
        ways = [
            (
                gradient(arguments[0] + h * e, *arguments[1:])
                - gradient(arguments[0] - h * e, *arguments[1:])
            )
            / (2 * h)
            for h in (1e-5, 3e-6)
        ]
        scale = 1 + np.max(np.abs(found))
        if np.max(np.abs(ways[0] - ways[1])) < 1e-6 * scale:
            np.testing.assert_allclose(found[k], ways[1], rtol=0, atol=1e-5 * scale)


def test_rows_in_a_loop_and_in_vmap():
    x, y = RNG.normal(size=(900, 3)), RNG.normal(size=900)

    def descend(w):
        slope = bp.grad(logistic)
        return bp.scan(lambda w, _: (w - 0.1 * slope(w, x, y), None), w, None, 4)[0]

    w = np.zeros(3)
    for _ in range(4):
        w = w - 0.1 * bp.grad(logistic)(w, x, y)
    np.testing.assert_allclose(bp.compile(descend)(np.zeros(3)), w, rtol=1e-12)
    starts = RNG.normal(size=(4, 3))
    found = bp.vmap(bp.grad(logistic), in_axes=(0, None, None))(starts, x, y)
    for start, one in zip(starts, found, strict=True):
        np.testing.assert_allclose(one, bp.grad(logistic)(start, x, y), rtol=1e-10)


@pytest.mark.parametrize("function", LOSSES, ids=lambda f: f.__name__)
def test_same_bits_on_any_number_of_threads(function):
    arguments = (RNG.normal(size=3), RNG.normal(size=(20_000, 3)), RNG.normal(size=20_000))
    value, slopes = bp.value_and_grad(function, argnums=(0, 1, 2))(*arguments)
    for threads in (2, 3, 4):
        compiled = bp.value_and_grad(function, argnums=(0, 1, 2), threads=threads)
        for _ in range(3):
            other, others = compiled(*arguments)
            assert other == value
            for one, two in zip(slopes, others, strict=True):
                np.testing.assert_array_equal(one, two)


def kernel_sum(x, w):
    apart = x[:, None, :] - x[None, :, :]
    k = np.exp(-0.7 * np.sum(apart**2, -1))
    return w @ (k @ w)


def energy(x, w):
    """Pairs with a diagonal left out, and two functions of the distance."""
    apart = x[:, None, :] - x[None, :, :]
    squares = np.sum(apart * apart, axis=2) + np.eye(x.shape[0])
    inverse = 1.0 / squares
    return np.sum(w[:, None] * w * (inverse**2 - inverse)) + np.sum(np.log(squares), axis=1) @ w


def distances(x, w):
    """Pairs without a short axis, their features computed first."""
    z = np.tanh(x @ np.array([0.5, -1.0, 2.0])) * w
    k = 1.0 / (1.0 + (z[:, None] - z[None, :]) ** 2)
    return np.sum(np.log1p(k)) + np.max(np.sum(k, axis=0))


@pytest.mark.parametrize("points", [63, 64, 100, 131])
@pytest.mark.parametrize("function", [kernel_sum, energy, distances], ids=lambda f: f.__name__)
def test_all_pairs(function, points, monkeypatch):
    arguments = (RNG.normal(size=(points, 3)), RNG.normal(size=points))
    value, slopes = bp.value_and_grad(function, argnums=(0, 1))(*arguments)
    assert value == pytest.approx(float(function(*arguments)), rel=1e-12)
    with monkeypatch.context() as patch:
        patch.setattr(lowering, "has_long_axis", lambda nodes, least: False)
        _, others = bp.value_and_grad(function, argnums=(0, 1))(*arguments)
    for one, other in zip(slopes, others, strict=True):
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * points * scale)
    steps = [RNG.normal(size=a.shape) for a in arguments]
    slope = difference(function, arguments, steps)
    if slope is not None:
        terms = sum(np.sum(g * d) for g, d in zip(slopes, steps, strict=True))
        assert terms == pytest.approx(float(slope), rel=1e-6, abs=1e-6)


def test_pairs_run_by_tiles_of_columns():
    x, w = RNG.normal(size=(100, 3)), RNG.normal(size=100)
    form = bp.value_and_grad(kernel_sum).lower(x, w)
    assert form.tape.n_loops == 1
    # One row of pairs (100, 3) is 2,400 bytes; all of them are 240,000.
    assert form.tape.arena_bytes < 60_000


def test_both_backends_give_the_same_bits_for_pairs():
    x, w = RNG.normal(size=(100, 3)), RNG.normal(size=100)
    value, slope = bp.value_and_grad(kernel_sum)(x, w)
    try:
        other, another = bp.value_and_grad(kernel_sum, backend="native")(x, w)
    except UnsupportedError as missing:
        pytest.skip(str(missing))
    assert value == other
    np.testing.assert_array_equal(slope, another)
