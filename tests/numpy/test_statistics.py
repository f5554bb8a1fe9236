"""Order statistics, reductions without NaN, covariances: NumPy's values and derivatives."""

import warnings

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp

rng = np.random.default_rng(4)
X = rng.normal(size=(3, 5))
INTS = rng.integers(-4, 9, (3, 5))
NAN = X.copy()
NAN[0, 1] = NAN[1, 3] = NAN[1, 0] = np.nan
Q = np.array([[0.0, 0.3], [0.5, 1.0]])
METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen "
    "weibull linear median_unbiased normal_unbiased lower higher midpoint nearest"
).split()
W, FREQUENCIES = np.abs(X[0]) + 0.1, np.array([1, 2, 0, 3, 1])


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), NAN, INTS], ids=["f8", "f4", "nan", "i8"])
def test_methods(method, x):
    same(
        lambda a: (
            np.quantile(a, 0.37, method=method),
            np.quantile(a, Q, 1, method=method, keepdims=True),
            np.percentile(a, [10, 50.5], 0, method=method),
            np.nanquantile(a, 0.62, (0, 1), method=method),
            np.nanpercentile(a, Q * 100, 1, method=method),
        ),
        x,
    )


@pytest.mark.parametrize("x", [X, X.astype(np.float32), NAN, INTS], ids=["f8", "f4", "nan", "i8"])
def test_weights(x):
    options = {"method": "inverted_cdf"}
    same(
        lambda a: (
            np.quantile(a, 0.4, 1, weights=W, **options),
            np.quantile(a, Q, 0, weights=W[:3] * [0, 1, 1], keepdims=True, **options),
            np.percentile(a, 30, weights=np.abs(X), **options),
            np.quantile(a, [0.1, 1], (0, 1), weights=np.abs(X), **options),
        ),
        x,
    )
    if x is X:
        differentiable(lambda a: np.quantile(a, Q, 1, weights=W, **options), x)


def test_weights_without_nan():
    x = X.copy()
    x[0, 1] = x[1, :3] = np.nan
    x[2] = np.nan
    options = {"method": "inverted_cdf", "axis": 1}
    for q in (0.0, 0.3, 1.0):
        for weights in (np.abs(X), W):
            found = bp.compile(lambda a: np.nanquantile(a, q, weights=weights, **options))(x)
            assert np.isnan(found[2])
            # NumPy's own fails for matrices.
            for row, weight, value in zip(x[:2], np.broadcast_to(weights, x.shape), found):  # noqa: B905
                known = ~np.isnan(row)
                expected = np.quantile(row[known], q, weights=weight[known], method="inverted_cdf")
                assert value == expected
    bp.check_grads(lambda a: np.nanpercentile(a, 30, weights=W, **options), (X,), order=2)


VALUES = {
    "median": lambda a: (np.median(a), np.median(a, 0), np.median(a, 1, keepdims=True)),
    "median over axes": lambda a: np.median(a[None], (0, 2)),
    "nanmedian": lambda a: (np.nanmedian(a), np.nanmedian(a, 0), np.nanmedian(a, 1)),
    "nanmax": lambda a: (np.nanmax(a, 1), np.nanmin(a), np.nanmax(a, 0, keepdims=True)),
    "nanmax initial": lambda a: np.nanmax(a, 1, initial=3, where=INTS > 3),
    "nanargmax": lambda a: (np.nanargmax(a), np.nanargmin(a, 1), np.nanargmax(a, 0, keepdims=True)),
    "nanvar": lambda a: (np.nanvar(a), np.nanvar(a, 0, ddof=1), np.nanstd(a, 1, keepdims=True)),
    "nansum": lambda a: (np.nansum(a, 0), np.nanprod(a, 1), np.nanmean(a, 1)),
    "nancumsum": lambda a: (np.nancumsum(a), np.nancumsum(a, 1), np.nancumprod(a, 0)),
    "cov": lambda a: (np.cov(a), np.cov(a, rowvar=False), np.cov(a[0]), np.cov(a[0], a[1])),
    "cov options": lambda a: (np.cov(a, bias=True), np.cov(a, ddof=0), np.cov(a, ddof=3)),
    "cov weights": lambda a: (
        np.cov(a, aweights=W),
        np.cov(a, fweights=FREQUENCIES),
        np.cov(a, fweights=FREQUENCIES, aweights=W, ddof=2),
    ),
    "corrcoef": lambda a: (np.corrcoef(a), np.corrcoef(a[0], a[1]), np.corrcoef(a[0])),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), NAN, INTS], ids=["f8", "f4", "nan", "i8"])
def test_values(name, x):
    if name.startswith(("cov", "corr")) and x is NAN:
        pytest.skip("all NaN")
    same(VALUES[name], x)


DERIVATIVES = {
    "quantile": lambda a: np.quantile(a, 0.37, 1),
    "quantiles": lambda a: np.percentile(a, [12.0, 40.0, 91.0], 0, method="hazen"),
    "by fraction": lambda a: np.quantile(X, a[0, :2] ** 2 / (1 + a[0, :2] ** 2), 1),
    "median": lambda a: np.median(a, 0) * np.median(a[:2]),
    "nanquantile": lambda a: np.nanquantile(np.where(INTS > 0, a, np.nan), 0.4, 0),
    "nanmedian": lambda a: np.nanmedian(np.where(INTS > 0, a, np.nan), 1),
    "nanmax": lambda a: np.nanmax(np.where(INTS > 0, a**2, np.nan), 1),
    "nanvar": lambda a: np.nanvar(np.where(INTS > 0, a, np.nan), 1, ddof=1),
    "nanstd": lambda a: np.nanstd(np.where(INTS > 0, a, np.nan), 1),
    "nancumprod": lambda a: np.nancumprod(np.where(INTS > 0, a, np.nan), 1),
    "cov": lambda a: np.cov(a),
    "cov weights": lambda a: np.cov(a, aweights=np.exp(a[0])),
    "corrcoef": lambda a: np.corrcoef(a[:2]) * np.arange(4.0).reshape(2, 2),
    "var": lambda a: np.var(a, 1, ddof=1) * np.std(a, 1),
    "sum where": lambda a: np.sum(a**2, 1, where=INTS > 0, initial=2.0),
    "prod": lambda a: np.prod(a * (INTS > 0), 1) + np.prod(a, 0)[:3],
    "mean where": lambda a: np.mean(a**2, 1, where=INTS > 0) + np.var(a, 1, where=INTS > 0),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    differentiable(DERIVATIVES[name], X)


def test_second_derivative_of_prod_with_zeros():
    x = np.array([0.0, 2.0, 0.0, 3.0])
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[2, 0] = 6.0
    np.testing.assert_array_equal(bp.hessian(np.prod)(x), expected)
    one = np.array([0.0, 2.0, 3.0])
    np.testing.assert_array_equal(bp.hessian(np.prod)(one), [[0, 3, 2], [3, 0, 0], [2, 0, 0]])
    zero = bp.hessian(lambda a: np.cumprod(a)[-1])(one)
    np.testing.assert_array_equal(zero, [[0, 3, 2], [3, 0, 0], [2, 0, 0]])


def test_nothing_but_nan():
    x = np.full((2, 3), np.nan)
    same(lambda a: (np.nanmedian(a, 1), np.nanmax(a, 1), np.nanquantile(a, 0.5, 1)), x)
    same(lambda a: (np.nanvar(a, 1), np.nanmean(a), np.nansum(a)), x)
    with pytest.raises(IndexError):
        bp.compile(lambda a: np.nanargmax(a, 1))(x)


@pytest.mark.parametrize("shape", [(), (1,), (1, 2)])
def test_small(shape):
    same(lambda a: (np.median(a), np.quantile(a, 0.3), np.nanquantile(a, [0.3, 1], -1))
         if shape else np.median(a), np.ones(shape))  # fmt: skip


def test_empty():
    same(lambda a: (np.median(a), np.median(a, 1), np.nanmedian(a, 0)), np.ones((3, 0)))


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: np.quantile(a, 1.5), ValueError, "range"),
        (lambda a: np.percentile(a, -1), ValueError, "range"),
        (lambda a: np.quantile(a, 0.5, method="best"), ValueError, "valid method"),
        (lambda a: np.quantile(a, 0.5, weights=W, method="hazen"), ValueError, "weights"),
        (lambda a: np.quantile(a, 0.5, 1, weights=-W, method="inverted_cdf"), ValueError, "negat"),
        (lambda a: np.cov(a[None]), ValueError, "2 dimensions"),
        (lambda a: np.cov(a, fweights=W), TypeError, "integer"),
        (lambda a: np.cov(a, aweights=W[:2]), RuntimeError, "incompatible"),
        (lambda a: np.median(a, 2), np.exceptions.AxisError, "axis 2"),
    ],
)  # fmt: skip
def test_refusals(function, error, words):
    with pytest.raises(error, match=words):
        bp.compile(function)(X)
