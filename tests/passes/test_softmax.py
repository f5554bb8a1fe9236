"""Log-sum-exp, softmax and log-softmax: values and derivatives also where rows are extreme."""

import numpy as np
import pytest
from scipy import special as scipy_special

import pybackprop as bp
from pybackprop import special

RNG = np.random.default_rng(8)
INF = np.inf
ROWS = [
    [0.0, 1.0, 2.0],
    [-INF, -INF, -INF],
    [-INF, 0.0, -INF],
    [INF, 0.0, 1.0],
    [np.nan, 0.0, 1.0],
    [1000.0, 1001.0, -5.0],
    [-1000.0, -1001.0, -2000.0],
    [5.0, 5.0, 5.0],
]


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1, None, (0, 1), -1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_like_scipy(name, axis, dtype):
    x = RNG.normal(size=(4, 5)).astype(dtype) * 30
    found = bp.compile(lambda x: getattr(special, name)(x, axis=axis))(x)
    wanted = getattr(scipy_special, name)(x, axis=axis)
    assert found.dtype == dtype
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=30 * tolerance)


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_extreme_rows_like_scipy(name, row):
    x = np.array(row)
    with np.errstate(all="ignore"):
        wanted = getattr(scipy_special, name)(x)
    found = bp.compile(getattr(special, name))(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    keep = bp.compile(lambda x: special.logsumexp(x, axis=0, keepdims=True))(x)
    assert keep.shape == (1,)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_slopes_of_extreme_rows(row):
    """Those of a log-sum-exp are the softmax, and 0 for a row of -inf alone."""
    x = np.array(row)
    with np.errstate(all="ignore"):
        weights = scipy_special.softmax(x)
    if np.all(x == -INF):
        weights = np.zeros(3)
    slopes = [bp.grad(special.logsumexp)(x), bp.jacobian(special.logsumexp, mode="forward")(x)]
    if np.any(x == INF):
        # inf / inf has no value; the other elements' 0 survives the reverse sweep only.
        assert np.isnan(slopes[1][0])
        slopes, weights = slopes[:1], np.where(x == INF, np.nan, 0.0)
    for slope in slopes:
        np.testing.assert_allclose(slope, weights, rtol=1e-14)


def test_selected_away():
    """No NaN of a row that a selection leaves out comes back."""

    def f(x):
        return np.sum(np.where(x[:, 0] > 0, special.logsumexp(x, axis=1), 0.0))

    x = np.array([[1.0, 2.0], [-1.0, np.nan], [-1.0, INF], [3.0, -INF]])
    slope = bp.grad(f)(x)
    np.testing.assert_array_equal(slope[1:3], 0)
    np.testing.assert_allclose(slope[[0, 3]], scipy_special.softmax(x[[0, 3]], axis=1), rtol=1e-14)


def cross_entropy(w, x, labels):
    z = x @ w
    return np.mean(special.logsumexp(z, axis=1) - z[np.arange(len(labels)), labels])


def weights_in_a_loop(w, x, labels):
    def step(carry, row):
        return carry + special.logsumexp(row @ w), special.softmax(row @ w)[0]

    total, firsts = bp.scan(step, 0.0, x)
    return total + np.sum(firsts**2)


@pytest.mark.parametrize("function", [cross_entropy, weights_in_a_loop], ids=lambda f: f.__name__)
@pytest.mark.parametrize("rows", [50, 400])
def test_in_tiles_and_loops(function, rows):
    x, labels = RNG.normal(size=(rows, 4)), RNG.integers(0, 3, rows)
    w, direction = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    gradient = bp.grad(function)
    slope = gradient(w, x, labels)
    h = 1e-5
    ways = (function(w + h * direction, x, labels) - function(w - h * direction, x, labels)) / h / 2
    assert np.sum(slope * direction) == pytest.approx(float(ways), rel=1e-7)
    _, curved = bp.jvp(lambda w: gradient(w, x, labels), (w,), (direction,))
    ways = gradient(w + h * direction, x, labels) - gradient(w - h * direction, x, labels)
    np.testing.assert_allclose(curved, ways / h / 2, rtol=1e-6, atol=1e-6)


def test_few_instructions():
    """Forward: maximum, its finite part, difference, exponential, sum, logarithm, sum with the
    maximum, total; reverse: one division per row and one product per element."""
    x = RNG.normal(size=(200, 20))
    tape = bp.value_and_grad(lambda x: np.sum(special.logsumexp(x, axis=1))).lower(x).tape
    assert tape.n_instructions <= 13, str(tape)


def test_sparse_pattern():
    pytest.importorskip("scipy.sparse")
    x = RNG.normal(size=(30, 3))
    for function in (special.softmax, special.log_softmax):
        found = bp.jacobian(lambda x, f=function: f(x, axis=1), sparse=True)(x)
        assert found.nnz == 30 * 9
        dense = bp.jacobian(lambda x, f=function: f(x, axis=1))(x).reshape(90, 90)
        np.testing.assert_allclose(found.toarray(), dense, rtol=1e-13, atol=1e-15)
