"""Special functions against SciPy, mpmath at the extremes, and conventions."""

import numpy as np
import pytest
from reference import NEP50, call

import pybackprop as bp
import pybackprop.special as ours

theirs = pytest.importorskip("scipy.special")
Z = np.array([-40.0, -25, -20.1, -19.9, -5, -1, -0.3, -0.0, 0, 0.2, 1, 3, 9, 40, np.inf, np.nan])
P = np.array(
    [0, 1e-300, 1e-5, 0.2, 0.25, 0.3, 0.49999999, 0.5, 0.50001, 0.75, 0.9, 1, -1, 2, np.nan]
)


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "expit", "log_expit", "ndtr", "log_ndtr", "entr", "logit"]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_of_one(name, dtype):
    x = (P if name == "logit" else Z).astype(dtype)
    with np.errstate(all="ignore"):
        expected = getattr(theirs, name)(x)
    tolerance = 3e-13 if dtype == "float64" else 2e-5
    if not NEP50 and name in ("logit", "expit"):
        pytest.skip("the SciPy of that time is less accurate than ours")
    for function in (getattr(ours, name), getattr(theirs, name)):
        (y,) = call(function, x)
        assert y.dtype == expected.dtype
        smallest = np.finfo(dtype).tiny
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=smallest)


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_products_with_logarithms(name):
    x = np.array([0.0, 1.0, -2.0, np.nan, np.inf])[:, None]
    y = np.array([0.0, -1.0, 0.5, 3.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        expected = getattr(theirs, name)(x, y)
    for function in (getattr(ours, name), getattr(theirs, name)):
        np.testing.assert_allclose(call(function, x, y)[0], expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(dtype):
    x = np.array([0, 1, 1]).astype(dtype)
    (y,) = call(theirs.erf, x)
    assert y.dtype == theirs.erf(x).dtype
    np.testing.assert_allclose(y, theirs.erf(x), rtol=1e-6)


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
def test_along_axes(name, axis):
    x = np.random.default_rng(0).normal(size=(3, 4)) * 100
    (y,) = call(lambda a: getattr(ours, name)(a, axis=axis), x)
    np.testing.assert_allclose(y, getattr(theirs, name)(x, axis=axis), rtol=1e-12)
    (y,) = call(lambda a: getattr(ours, name)(a, axis=axis), x.astype(np.float32))
    assert y.dtype == np.float32


@pytest.mark.parametrize(("dtype", "low"), [("float64", -760), ("float32", -110)])
def test_softmax_weights_are_normal_numbers_or_zero(dtype, low):
    x = np.linspace(low, 0, 4001).astype(dtype)
    y = bp.compile(lambda a: ours.softmax(a, axis=0))(np.stack([x, 0 * x]))
    exact = np.exp(x.astype(np.longdouble)) / (1 + np.exp(x.astype(np.longdouble)))
    tiny, eps = np.finfo(dtype).tiny, np.finfo(dtype).eps
    normal = exact > 1.01 * tiny
    assert np.max(np.abs(y[0] - exact)[normal] / exact[normal]) < 4 * eps
    assert 0 < normal.sum() < x.size
    assert np.all((y[0] == 0) | (y[0] >= tiny / 2))
    assert np.all(y[0][exact < 0.99 * tiny] == 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_logsumexp_of_infinities():
    for x in ([-np.inf, -np.inf], [-np.inf, 0.0], [np.inf, 0.0], [np.nan, 1.0], [1e308, 1e308]):
        (y,) = call(ours.logsumexp, np.array(x))
        np.testing.assert_allclose(y, theirs.logsumexp(x))
    assert call(ours.logsumexp, np.zeros(0))[0] == -np.inf


def test_logsumexp_options():
    x, b = np.arange(6.0).reshape(2, 3), np.array([1.0, 0.0, 2.0])
    (y,) = call(lambda a, w: ours.logsumexp(a, axis=1, b=w, keepdims=True), x, b)
    np.testing.assert_allclose(y, theirs.logsumexp(x, axis=1, b=b, keepdims=True))


def test_activations():
    x = np.array([-1.0, -0.0, 0.0, 2.0, np.nan])
    np.testing.assert_array_equal(call(ours.relu, x)[0], [0, 0, 0, 2, np.nan])
    np.testing.assert_array_equal(call(ours.relu, np.array([-1, 2]))[0], [0, 2])
    np.testing.assert_allclose(call(ours.sigmoid, x)[0], theirs.expit(x))
    x = x[:-1] * 1000
    np.testing.assert_allclose(call(ours.softplus, x)[0], np.logaddexp(0, x))


def test_tail_of_log_ndtr():
    mpmath = pytest.importorskip("mpmath")
    for x in (-20.5, -30.0, -100.0, -1e5):
        with mpmath.workdps(50):
            exact = float(mpmath.log(mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2))
        np.testing.assert_allclose(call(ours.log_ndtr, np.array(x))[0], exact, rtol=1e-14)
