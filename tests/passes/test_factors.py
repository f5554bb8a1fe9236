"""Known factors of derivatives are gathered: the same slopes, with fewer and smaller products."""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.lowering as lowering
from pybackprop.numpy import where

RNG = np.random.default_rng(5)
N = 300


def student(w, s, x, y):
    z = (y - x @ w) * np.exp(-s)
    return -2.5 * np.sum(np.log1p(z**2 / 4.0)) - N * s


def several_readers(w, s, x, y):
    z = 3.0 * (x @ w) * s
    return np.sum(np.sin(2.0 * z)) / 7.0 + np.mean(z**2) * s + np.sum(np.tanh(-z) * y)


def selected(w, s, x, y):
    z = x @ w
    return np.mean(where(z > 0, 5.0 * np.log(np.abs(z)) / s, -0.25 * z)) * 2.0


def kept(w, s, x, y):
    return 0.5 * np.sum((x * w * s) ** 2 / (1.0 + y[:, None] ** 2)) / 11.0


FUNCTIONS = [student, several_readers, selected, kept]


def arguments(dtype=np.float64):
    parts = (RNG.normal(size=4), np.array(0.7), RNG.normal(size=(N, 4)), RNG.normal(size=N))
    return [a.astype(dtype) for a in parts]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_slopes_stay(function, dtype, monkeypatch):
    given = arguments(dtype)
    value, slopes = bp.value_and_grad(function, argnums=(0, 1, 2, 3))(*given)
    with monkeypatch.context() as patch:
        patch.setattr(lowering, "gather", lambda graph: graph)
        wanted, others = bp.value_and_grad(function, argnums=(0, 1, 2, 3))(*given)
    assert value == wanted
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    for one, other in zip(slopes, others, strict=True):
        assert one.dtype == dtype
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


def products_of(function, *given):
    text = str(bp.grad(function, argnums=(0, 1)).lower(*given).tape).split("reverse\n")[1]
    return [line for line in text.splitlines() if f"[{N}]" in line and "MUL" in line]


def test_factors_leave_sums_and_products():
    # Of 2.5, 2, 1/4 and the scale only one product with the residuals is left, the division.
    assert products_of(student, *arguments()) == []


@pytest.mark.parametrize("factor", [np.inf, 0.0, np.nan, -1.0])
def test_selected_away_stays_zero(factor):
    """A factor that is not finite reaches nothing that a selection left out."""

    def f(x, k):
        return np.sum(where(x > 0, x, 0.0) * k)

    x = np.linspace(-1.0, 1.0, N)
    slope = bp.grad(f)(x, np.array(factor))
    np.testing.assert_array_equal(slope[x <= 0], 0)
    np.testing.assert_array_equal(slope[x > 0], factor)


def test_products_of_factors_that_have_no_place_in_the_dtype():
    """1e-30 * 1e-30 is no float32, but what it multiplies may bring it back."""

    def f(x):
        return np.sum((x * np.float32(1e-30)) * np.float32(1e-30) * x * np.float32(1e38))

    x = np.linspace(1e10, 2e10, N, dtype=np.float32)
    slope = bp.grad(f)(x)
    np.testing.assert_allclose(slope, 2e-22 * x.astype(float), rtol=1e-5)


def test_mapped_gradients():
    """What ``vmap`` makes of a derivative counts as one."""

    def price(x):
        return np.sum(np.sin(0.5 * x) ** 2) * 3.0

    xs = RNG.normal(size=(N, 3))
    value, slopes = bp.vmap(bp.value_and_grad(price))(xs)
    np.testing.assert_allclose(slopes, 1.5 * np.sin(xs), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(value, 3.0 * np.sum(np.sin(0.5 * xs) ** 2, axis=1), rtol=1e-14)


def test_quotients_that_differ_by_a_power_of_two_are_one():
    def mixture(x):
        return np.mean(bp.special.logsumexp(x, axis=1) * 0.5) - np.mean(
            bp.special.softmax(x, axis=1)[:, 0] ** 2
        )

    x = RNG.normal(size=(N, 3))
    bp.check_grads(mixture, (x,))

    def quotients(x):
        a, b = np.mean(np.log(x)), np.sum(np.sqrt(x) * np.log(x))
        return 3.0 * a - b

    text = str(bp.grad(quotients).lower(np.abs(x[:, 0])).tape)
    assert text.count("DIV") + text.count("RECIPROCAL") <= 2
    bp.check_grads(quotients, (np.abs(x[:, 0]) + 0.5,))
