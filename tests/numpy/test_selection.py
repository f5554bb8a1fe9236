"""where, clip, round, comparisons, creation and norms against NumPy."""

import numpy as np
import pytest
from reference import NEP50, call, compare

import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError

X = np.array([[-2.5, -0.5, 0.0], [0.5, 1.5, np.nan]])


@pytest.mark.parametrize("first", ["bool", "int8", "int64", "float32", "float64"])
@pytest.mark.parametrize("second", ["bool", "uint8", "int64", "float32", "float64"])
def test_where_dtypes(first, second):
    a, b = np.ones((2, 3), first), np.zeros(3, second)
    compare(lambda c, x, y: np.where(c > 0, x, y), X, a, b)
    if NEP50:
        compare(lambda c, x: [np.where(c > 0, x, 2.5), np.where(c, 1, x)], X, a)


def test_where_shapes():
    compare(lambda a: np.where(a[:, :1] > 0, a, a[0]), X)
    compare(lambda a: np.where(np.array([True, False, True]), a, 0.0), X)
    compare(lambda a: np.where(True, a, 0.0), X)
    with pytest.raises(ValueError):
        call(lambda a: np.where(a > 0, a), X)


def test_clip():
    for low, high in ((-1, 1), (None, 0.5), (0, None), (np.array([0, -1, 1]), 2.0)):
        compare(lambda a: np.clip(a, low, high), X)
        compare(lambda a: a.clip(low, high), X)
    compare(lambda a: np.clip(a, a_min=-1, a_max=1), X)
    compare(lambda a: np.clip(a, 1, 3), np.arange(6, dtype=np.int8))
    compare(lambda a: np.clip(a, 0.5, 3), np.arange(6))
    compare(lambda a: a.clip(max=1.0), X)


def test_round():
    x = np.array([0.5, 1.5, 2.5, -0.5, 1234.5678, np.inf, np.nan])
    for decimals in (0, 1, 2, -2):
        compare(lambda a: [np.round(a, decimals), a.round(decimals), np.around(a, decimals)], x)
    compare(np.round, np.arange(3))


def test_closeness():
    y = X + 1e-9
    compare(
        lambda a, b: [np.isclose(a, b), np.isclose(a, b, equal_nan=True), np.allclose(a, b)], X, y
    )
    compare(lambda a, b: [np.isclose(a, 0.0), np.isclose(b, a + 1)], X, y)
    assert call(np.array_equal, X[0], X[0])[0]
    assert not call(np.array_equal, X[0], X[:, 0])[0]


def test_nan_to_num():
    x = np.array([np.nan, np.inf, -np.inf, 2.0])
    compare(lambda a: [np.nan_to_num(a), np.nan_to_num(a, nan=1.0, posinf=5.0, neginf=-5.0)], x)
    compare(np.nan_to_num, np.arange(3))


def test_diff():
    x = np.arange(12.0).reshape(3, 4) ** 2
    compare(lambda a: [np.diff(a), np.diff(a, 2), np.diff(a, axis=0), np.diff(a, n=5)], x)
    compare(lambda a: [np.diff(a, prepend=0), np.diff(a, append=a[:, :2], axis=1)], x)
    compare(lambda a: np.diff(a > 4), x)
    compare(np.ediff1d, x)


# ---- creation -----------------------------------------------------------------------------------


def test_likes():
    for dtype in ("float32", "int8"):
        x = np.ones((2, 3), dtype)
        compare(lambda a: [np.zeros_like(a), np.ones_like(a), np.full_like(a, 3)], x)
        compare(lambda a: [np.zeros_like(a, dtype=float), np.ones_like(a, shape=(4,))], x)
    compare(lambda a: np.full_like(a, a[0, 0] * 2), np.ones((2, 3)))
    assert np.zeros_like(np.ones(3)).shape == (3,)


def test_linspace():
    for num in (0, 1, 2, 7):
        for end in (True, False):
            compare(lambda a, b: np.linspace(a, b, num, end), np.float64(1), np.float64(4))
    compare(lambda a, b: np.linspace(a, b, 5), np.array([1.0, 2.0]), np.array([[4.0], [5.0]]))
    (y,) = call(lambda a: bnp.linspace(0, a, 4), np.float64(3))
    np.testing.assert_array_equal(y, [0, 1, 2, 3])


def test_meshgrid_and_full():
    x, y = np.arange(3.0), np.arange(4.0)
    for options in ({}, {"indexing": "ij"}, {"sparse": True}):
        compare(lambda a, b: np.meshgrid(a, b, **options), x, y)
    (z,) = call(lambda a: bnp.full((2, 2), a[1]), x)
    np.testing.assert_array_equal(z, np.ones((2, 2)))


def test_plain_creation():
    np.testing.assert_array_equal(bnp.arange(3), [0, 1, 2])
    assert type(bnp.zeros((2, 3))) is np.ndarray
    assert bnp.eye(3).shape == (3, 3)
    np.testing.assert_array_equal(bnp.linspace(0, 1, 3), [0, 0.5, 1])
    with pytest.raises(ControlFlowError, match="arange"):
        call(lambda a: bnp.arange(a), np.int64(3))
    with pytest.raises(ControlFlowError):
        call(lambda a: bnp.zeros(a), np.int64(3))


# ---- norms --------------------------------------------------------------------------------------


def test_norms():
    x = np.arange(-5.0, 7.0).reshape(3, 4)
    for order in (None, 1, 2, np.inf, -np.inf, 0, 3, 0.5, -1):
        compare(lambda a: np.linalg.norm(a[0], order), x)
        compare(lambda a: np.linalg.norm(a, order, axis=1, keepdims=True), x)
        if order is not None and hasattr(np.linalg, "vector_norm"):
            compare(lambda a: np.linalg.vector_norm(a, ord=order, axis=0), x)
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        compare(lambda a: np.linalg.norm(a, order), x)
        compare(lambda a: np.linalg.norm(a, order, axis=(1, 0), keepdims=True), x)
    for order in (2, -2, "nuc"):
        compare(lambda a: np.linalg.norm(a, order), x[:2], rtol=1e-13)
    compare(lambda a: [np.linalg.norm(a.reshape(3, 2, 2)), np.linalg.norm(a.astype(int))], x)
    compare(lambda a: np.linalg.matrix_power(a, 5), x[:3, :3] / 9)
    compare(lambda a: np.linalg.matrix_power(a, 0), x[:3, :3] / 9)
    compare(lambda a: np.linalg.norm(a), np.zeros(3))
    compare(lambda a: np.linalg.norm(a), np.array([np.nan, 1.0]))
