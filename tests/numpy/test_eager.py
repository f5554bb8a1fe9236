"""The surface on plain arrays: computed at once through the engine, with NumPy's results."""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.errors import UnsupportedError

X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]])
I = np.array([[1, 0, 2], [2, 2, 0]])  # noqa: E741
CALLS = [
    ("add", X, 1.5),
    ("add", 1, 2),
    ("subtract", X, X[0]),
    ("power", X, 2),
    ("power", 2.0, X),
    ("exp", X),
    ("maximum", X, 0),
    ("less", X, 1.0),
    ("logical_not", X > 0),
    ("hypot", X, X[::-1]),
    ("sin", 0.5),
    ("floor_divide", I, 2),
    ("divide", I, 4),
    ("sqrt", I),
    ("sum", X),
    ("sum", X, 0),
    ("sum", I),
    ("sum", [1, 2]),
    ("mean", X, 1),
    ("mean", I),
    ("var", X),
    ("std", X, 0),
    ("prod", X),
    ("max", X, 1),
    ("min", X),
    ("argmax", X),
    ("any", X > 1, 0),
    ("all", X),
    ("cumsum", X, 1),
    ("cumprod", X, 0),
    ("ptp", X),
    ("average", X, 0),
    ("matmul", X, X.T),
    ("dot", X, X[0]),
    ("inner", X, X),
    ("outer", X[0], X[1]),
    ("tensordot", X, X.T, 1),
    ("einsum", "ij,kj->ik", X, X),
    ("einsum", "ij->j", X),
    ("vdot", X, X),
    ("kron", X, X),
    ("reshape", X, (3, 2)),
    ("ravel", X),
    ("transpose", X),
    ("swapaxes", X, 0, 1),
    ("moveaxis", X, 0, 1),
    ("expand_dims", X, 1),
    ("squeeze", X[:1]),
    ("broadcast_to", X[0], (4, 3)),
    ("concatenate", [X, X]),
    ("concatenate", (X, X[:, :1]), 1),
    ("stack", [X, X], -1),
    ("stack", [1.0, 2.0]),
    ("hstack", [X, X]),
    ("vstack", [X[0], X[1]]),
    ("flip", X),
    ("roll", X, 1, 0),
    ("tile", X, (2, 1)),
    ("repeat", X, 2, 0),
    ("pad", X, 1),
    ("pad", X, ((0, 1), (2, 0)), "edge"),
    ("where", X > 0, X, 0.0),
    ("clip", X, -1, 1),
    ("round", X, 1),
    ("take", X, [0, 2], 1),
    ("take", X, I),
    ("take_along_axis", X, I, 1),
    ("diag", X[0]),
    ("diagonal", X),
    ("trace", X),
    ("tril", X),
    ("triu", X, 1),
    ("diff", X),
    ("isclose", X, X),
    ("allclose", X, X),
    ("astype", X, np.float32),
    ("linspace", 0, 1, 5),
    ("arange", 4),
    ("zeros", (2, 2)),
    ("eye", 3),
    ("full", 2, 3.0),
    ("zeros_like", X),
    ("nan_to_num", X),
    ("rot90", X),
    ("count_nonzero", X > 0),
]


@pytest.mark.parametrize("case", CALLS, ids=lambda c: c[0])
def test_as_numpy(case):
    name, *arguments = case
    if not hasattr(np, name):
        pytest.skip("not in this NumPy")
    expected, found = getattr(np, name)(*arguments), getattr(bnp, name)(*arguments)
    assert isinstance(found, (np.ndarray, np.generic, bool, int, float))
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


def test_keywords_and_several_results():
    np.testing.assert_allclose(bnp.sum(a=X, axis=1, keepdims=True), X.sum(1, keepdims=True))
    parts = bnp.split(X, 3, axis=1)
    assert [p.shape for p in parts] == [(2, 1)] * 3
    mean, weight = bnp.average(X, weights=np.abs(X), returned=True)
    np.testing.assert_allclose([mean, weight], np.average(X, weights=np.abs(X), returned=True))
    np.testing.assert_allclose(bnp.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))
    np.testing.assert_allclose(bnp.divmod(X, 2.0)[1], X % 2)


def test_static_arguments_are_told_apart():
    for order in (0.0, -0.0, 1.0, True, 2, 2.0):
        np.testing.assert_array_equal(bnp.clip(X, order, 3), np.clip(X, order, 3))
    for exponent in (2, 2.0, 3):
        found = bnp.power(I, exponent)
        assert found.dtype == np.power(I, exponent).dtype
        np.testing.assert_array_equal(found, np.power(I, exponent))


def test_strides_and_layouts():
    for x in (X[:, ::-1], np.asfortranarray(X), X[:, :0], np.broadcast_to(X[0], (3, 3))):
        np.testing.assert_allclose(bnp.tanh(x), np.tanh(x))
        np.testing.assert_allclose(bnp.sum(x, 0), np.sum(x, 0))


def test_errors_are_numpys():
    with pytest.raises(ValueError):
        bnp.add(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError):
        bnp.reshape(X, (5, 5))
    with pytest.raises(IndexError):
        bnp.take(X, 7, axis=0)
    with pytest.raises(IndexError):
        bnp.take(X, np.array([7]), axis=0)
    with pytest.raises(UnsupportedError):
        bnp.sin(np.ones(2, np.float16))


def test_special_functions():
    np.testing.assert_allclose(bp.special.logsumexp(X, axis=1), np.log(np.sum(np.exp(X), 1)))
    np.testing.assert_allclose(bp.special.softmax(X, axis=0).sum(0), 1)
    np.testing.assert_array_equal(bp.special.relu(X), np.maximum(X, 0))
