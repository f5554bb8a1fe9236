"""Reductions and cumulative functions against NumPy."""

import numpy as np
import pytest
from reference import call, compare
from surface import same

import pybackprop as bp
from pybackprop.errors import UnsupportedError

SHAPES = [(), (5,), (3, 4), (2, 3, 4), (1, 4, 1)]
DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def sample(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 5, shape).astype(dtype)


def axes_of(shape):
    yield None
    yield from range(-len(shape), len(shape))
    if len(shape) > 1:
        yield (0, 1)
        yield (-1, 0)
        yield ()


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "any", "all"])
@pytest.mark.parametrize("shape", SHAPES)
def test_axes(name, shape):
    x = sample(shape)
    function = getattr(np, name)
    for axis in axes_of(shape):
        compare(lambda a: function(a, axis=axis), x)
        compare(lambda a: function(a, axis=axis, keepdims=True), x)
        compare(lambda a: getattr(a, name)(axis), x)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "max", "min", "any", "all", "ptp"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(name, dtype):
    x = sample((3, 4), dtype)
    if name == "ptp" and dtype == "bool":
        return
    tolerance = 1e-6 if dtype == "float32" else None
    compare(lambda a: getattr(np, name)(a), x, rtol=tolerance)
    compare(lambda a: getattr(np, name)(a, axis=0), x[::-1, ::2], rtol=tolerance)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(name):
    for shape in [(5,), (3, 4), (2, 3, 4)]:
        x = np.round(sample(shape) * 2)
        function = getattr(np, name)
        for axis in [None, *range(-len(shape), len(shape))]:
            compare(lambda a: function(a, axis=axis), x)
            compare(lambda a: function(a, axis=axis, keepdims=True), x)
    compare(lambda a: getattr(a, name)(), np.array([1.0, np.nan, 0.0, np.nan]))
    compare(getattr(np, name), np.array([False, True, False]))
    compare(getattr(np, name), np.array(3.0))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cumulative(name, dtype):
    x = sample((3, 4), dtype)
    for axis in (None, 0, 1, -1):
        compare(lambda a: getattr(np, name)(a, axis=axis), x)
        compare(lambda a: getattr(a, name)(axis), x)
    compare(getattr(np, name), np.array(2.0))


def test_dtype_argument():
    x = sample((3, 4), "int32")
    for name in ("sum", "prod", "mean", "cumsum"):
        for dtype in ("float32", "float64", "int64"):
            compare(lambda a: getattr(np, name)(a, dtype=dtype), x, rtol=1e-6)
    compare(lambda a: np.var(a, dtype=np.float32), x, rtol=1e-6)


def test_where_and_initial():
    x = sample((3, 4))
    mask = x > 0
    for name in ("sum", "prod", "mean", "var", "std"):
        compare(lambda a: getattr(np, name)(a, axis=1, where=mask), x)
        compare(lambda a: getattr(np, name)(a, where=a > 0), x)
        compare(lambda a: getattr(np, name)(a, axis=0, keepdims=True, where=mask), x)
    compare(lambda a: [np.sum(a, initial=3.0), np.prod(a, axis=0, initial=2.0)], x)
    compare(lambda a: [np.max(a, initial=0.5), np.min(a, axis=1, initial=0.5)], x)
    compare(lambda a: np.max(a, axis=1, initial=-1.0, where=mask), x)
    compare(lambda a: [np.any(a > 0, axis=1, where=mask), np.all(a > 0, where=mask)], x)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("ddof", [0, 1, 2.5, 20])
def test_degrees_of_freedom(ddof):
    x = sample((3, 4))
    compare(lambda a: [np.var(a, ddof=ddof), np.std(a, 0, ddof=ddof), a.var(1, ddof=ddof)], x)


def test_variance_is_stable():
    compare(lambda a: np.var(a), 1e8 + sample(100), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty(shape):
    x = np.zeros(shape)
    compare(lambda a: [np.sum(a), np.prod(a), np.mean(a), np.var(a), np.any(a), np.all(a)], x)
    compare(lambda a: [np.sum(a, 0), np.mean(a, 0), np.any(a, 0), np.all(a, 0, keepdims=True)], x)
    compare(lambda a: [np.cumsum(a), np.cumsum(a, 0)], x)
    compare(lambda a: np.max(a, initial=2.0), x)
    with pytest.raises(ValueError, match="zero-size"):
        call(np.max, x)
    with pytest.raises(ValueError, match="empty"):
        call(np.argmax, x)


def test_nan_passes():
    x = np.array([1.0, np.nan, np.inf])
    compare(lambda a: [np.max(a), np.min(a), np.sum(a), np.any(a), np.all(a)], x)
    compare(lambda a: [np.nansum(a), np.nanprod(a)], x)
    compare(lambda a: np.nanmean(a[:2]), x)


def test_average_and_counts():
    x, w = sample((3, 4)), np.abs(sample((3, 4), seed=1))
    compare(lambda a, b: np.average(a, weights=b), x, w)
    compare(lambda a, b: np.average(a, axis=1, weights=b[0]), x, w)
    compare(lambda a: [np.average(a), np.average(a, axis=0)], x)
    compare(lambda a, b: np.average(a, 0, b, returned=True), x, w)
    compare(lambda a: [np.count_nonzero(a > 0), np.count_nonzero(a > 0, axis=1)], x)


def test_bad_arguments():
    x = np.zeros((2, 3))
    with pytest.raises(np.exceptions.AxisError):
        call(lambda a: a.sum(2), x)
    with pytest.raises(ValueError, match="duplicate"):
        call(lambda a: a.sum((0, 0)), x)
    with pytest.raises(UnsupportedError, match="out="):
        call(lambda a: np.sum(a, axis=0, out=np.zeros(3)), x)


@pytest.mark.parametrize("name", ["nanmean", "nanvar", "nanstd", "nanargmax", "nansum", "sum"])
def test_numbers_have_the_axes_that_numpy_gives_them(name):
    same(lambda x: getattr(np, name)(x, axis=0), np.array(2.0))
    same(lambda x: getattr(np, name)(x, axis=-1, keepdims=True), np.array(2.0))


@pytest.mark.parametrize("options", [{"keepdims": "a"}, {"axis": True}, {"axis": 0.0}])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "any", "nanmean"])
def test_options_that_are_no_integers(name, options):
    x = np.ones((2, 3))
    with pytest.raises(TypeError, match="integer"):
        getattr(np, name)(x, **options)
    with pytest.raises(TypeError, match="integer"):
        bp.compile(lambda x: getattr(np, name)(x, **options))(x)
