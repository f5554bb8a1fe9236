"""Choosing, inserting, removing, applying: NumPy's values and derivatives, clear refusals."""

import warnings

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError

rng = np.random.default_rng(6)
X = rng.normal(size=(3, 4))
INTS = rng.integers(-4, 9, (3, 4))
MASK = np.array([True, False, True, True])
PICK = np.array([2, 0, 1, 1])

VALUES = {
    "select": lambda a: (
        np.select([a > 1, a < 0], [a, a * 2], 3),
        np.select([a[0] > 0, MASK], [1, a], -1.5),
    ),
    "choose": lambda a: (
        np.choose(PICK, [a[0], a[1] * 2, 7]),
        np.choose([5, -1, 0, 2], a, mode="wrap"),
        np.choose([5, -1, 0, 2], a, mode="clip"),
    ),
    "piecewise": lambda a: (
        np.piecewise(a, [a < 0, a >= 1], [lambda v: -v, 5]),
        np.piecewise(a, [a < 0], [lambda v, k: v * k, lambda v, k: v + k], 2),
        np.piecewise(a[0], a[0] > 0, [3, 4]),
    ),
    "compress": lambda a: (np.compress(MASK, a, 1), np.compress([1, 0, 1], a), a.compress(MASK, 1)),
    "extract": lambda a: np.extract(INTS > 2, a),
    "delete": lambda a: (
        np.delete(a, 1, 0),
        np.delete(a, [0, -1], 1),
        np.delete(a, slice(0, 5, 2)),
        np.delete(a, MASK, 1),
        np.delete(a, [], 1),
    ),
    "insert": lambda a: (
        np.insert(a, 1, 5, 0),
        np.insert(a, [1, 3, 3], a[:, :3] * 2, 1),
        np.insert(a, 2, a[0, :3], 1),
        np.insert(a, [2], a[:, :3], 1),
        np.insert(a, [0, -1, 12], [1, 2, 3]),
        np.insert(a, slice(0, 2), 9, 0),
    ),
    "resize": lambda a: (np.resize(a, (2, 7)), np.resize(a, 5), np.resize(a, (0, 2))),
    "block": lambda a: (
        np.block([[a, a[:, :1]], [a[:1], a[:1, :1] * 2]]),
        np.block([a[0], 1, a[1]]),
        np.block(a),
    ),
    "apply_along_axis": lambda a: (
        np.apply_along_axis(np.sum, 0, a),
        np.apply_along_axis(lambda r: r[::-1] * 2, 1, a),
        np.apply_along_axis(lambda r: np.outer(r, r), 0, a),
        np.apply_along_axis(lambda r, k: r[k], 1, a, 2),
    ),
    "apply_over_axes": lambda a: np.apply_over_axes(np.sum, a, [0, 1]),
    "ix_": lambda a: a[np.ix_([0, 2], [1, 1, 3])] + a[np.ix_([True, False, True], PICK[:3])],
    "indices": lambda a: (
        a[np.triu_indices_from(a)],
        a[:, :3][np.diag_indices_from(a[:, :3])],
        a[np.tril_indices_from(a, -1)],
    ),
    "equiv": lambda a: (np.array_equiv(a, a[:1]), np.array_equiv(a, a[:, :2])),
    "questions": lambda a: (np.isscalar(a), np.common_type(a)(1), np.iterable([1])),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), INTS], ids=["f8", "f4", "i8"])
def test_values(name, x):
    same(VALUES[name], x)


DERIVATIVES = {
    "select": lambda a: np.select([a > 1, a < 0], [a**3, np.exp(a)], a[0, 0]),
    "choose": lambda a: np.choose(PICK, [a[0], a[1] ** 2, 7.0]),
    "piecewise": lambda a: np.piecewise(a, [a < 0, a >= 0.3], [np.exp, lambda v: v**3]),
    "compress": lambda a: np.compress(MASK, a**2, 1),
    "delete": lambda a: np.delete(a, 1, 1) ** 2,
    "insert": lambda a: np.insert(a, [1, 2], a[:, :2] ** 2, 1),
    "resize": lambda a: np.resize(a, (5, 3)) ** 2,
    "block": lambda a: np.block([[a, a[:, :1] ** 2], [a[:1], a[:1, :1] * 2]]),
    "apply": lambda a: np.apply_along_axis(lambda r: np.outer(r, r), 0, a),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    differentiable(DERIVATIVES[name], X)


def test_piecewise_does_not_leak():
    f = bp.grad(lambda a: np.sum(np.piecewise(a, [a > 0], [np.sqrt, lambda v: v * 2])))
    np.testing.assert_allclose(f(np.array([0.0, 4.0, -1.0])), [2, 0.25, 2])


def test_index_arithmetic():
    same(lambda i: (np.unravel_index(i, (3, 4, 5)), np.unravel_index(i, (3, 4, 5), "F")), PICK)
    same(lambda i: np.ravel_multi_index((i, i + 1), (3, 4)), PICK)
    same(lambda i: np.ravel_multi_index((i - 5, i + 9), (3, 4), ("wrap", "clip"), "F"), PICK)
    for function in (lambda i: np.unravel_index(i, (2, 2)), lambda i: np.choose(i, [1.0, 2.0])):
        compiled = bp.compile(function)
        compiled(np.array([0, 1]))
        for bad in ([0, 4], [-1, 0]):
            with pytest.raises(IndexError):
                compiled(np.array(bad))
    with pytest.raises(IndexError):
        bp.compile(lambda i: np.ravel_multi_index((i, i), (3, 4)))(PICK + 1)


def test_vectorize():
    def pick(a, b):
        return bnp.where(a > b, a - b, a * b)

    f = bnp.vectorize(pick)
    wanted = np.where(X > X[:1], X - X[:1], X * X[:1])
    np.testing.assert_allclose(bp.compile(lambda a: f(a, a[:1]))(X), wanted)
    np.testing.assert_allclose(f(X, X[:1]), wanted)
    g = bnp.vectorize(lambda m, v: m @ v, signature="(m,n),(n)->(m)")
    m = rng.normal(size=(5, 1, 2, 3))
    v = rng.normal(size=(4, 3))
    wanted = np.einsum("aimn,bn->abm", m, v)
    np.testing.assert_allclose(bp.compile(lambda a, b: g(a, b))(m, v), wanted)
    h = bnp.vectorize(lambda x, power: x**power, excluded={1, "power"})
    np.testing.assert_allclose(bp.grad(lambda a: np.sum(h(a, 3)))(X), 3 * X**2)
    two = bnp.vectorize(lambda x: (x, 2 * x))
    np.testing.assert_allclose(bp.compile(lambda a: two(a)[1])(X), 2 * X)


UNSHAPED = [
    lambda a: np.nonzero(a), lambda a: a.nonzero(), lambda a: np.flatnonzero(a),
    lambda a: np.argwhere(a > 0), lambda a: np.unique(a), lambda a: np.unique_values(a),
    lambda a: np.setdiff1d(a, [1.0]), lambda a: np.intersect1d([1.0], a),
    lambda a: np.union1d(a, a), lambda a: np.trim_zeros(a[0]), lambda a: np.extract(a > 0, a),
    lambda a: np.compress(a[0] > 0, a, 1), lambda a: np.delete(a, a[0] > 0, 1),
    lambda a: np.insert(a, np.argmax(a), 1), lambda a: np.ix_(a[0] > 0),
    lambda a: np.array_str(a), lambda a: np.save("nowhere", a), lambda a: np.hamming(a),
    lambda a: a.tobytes(), lambda a: np.fromiter(a, float), lambda a: np.may_share_memory(a, a),
]  # fmt: skip


@pytest.mark.parametrize("function", UNSHAPED)
def test_what_depends_on_data_is_refused(function):
    with pytest.raises(ControlFlowError):
        bp.compile(function)(X)


def test_sorting_in_place():
    def f(a):
        y = a * 2
        y.sort()
        z = a[::-1].copy()
        z.sort(0)
        z.partition(1)
        return y, z

    same(f, X)
    with pytest.raises(ControlFlowError, match="resize"):
        bp.compile(lambda a: a.resize(2))(X)


def test_plain_arrays_are_numpys():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(bnp.nonzero(X > 0), np.nonzero(X > 0))
        np.testing.assert_array_equal(bnp.unique(INTS), np.unique(INTS))
        np.testing.assert_array_equal(bnp.hamming(5), np.hamming(5))
        x = X.copy()
        bnp.put(x, 0, 9)
        assert x[0, 0] == 9


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: np.select([a], [a]), TypeError, "boolean"),
        (lambda a: np.select([], [a]), ValueError, "same length"),
        (lambda a: np.piecewise(a, [a > 0], [1, 2, 3]), ValueError, "functions are expected"),
        (lambda a: np.delete(a, 7, 0), IndexError, "out of bounds"),
        (lambda a: np.insert(a, 7, 0, 0), IndexError, "out of bounds"),
        (lambda a: np.resize(a, (-1, 2)), ValueError, "non-negative"),
        (lambda a: np.block([[a], a]), ValueError, "mismatched"),
        (lambda a: np.apply_along_axis(np.sum, 3, a), np.exceptions.AxisError, "axis 3"),
        (lambda a: a.strides, AttributeError, "no memory"),
        (lambda a: a.ctypes, AttributeError, "no memory"),
    ],
)
def test_refusals(function, error, words):
    with pytest.raises(error, match=words):
        bp.compile(function)(X)
