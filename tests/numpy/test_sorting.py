"""Sorting, searching and counting: NumPy's values, derivatives, awkward inputs."""

import os
import shutil

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError

COMPILERS = [c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)]
rng = np.random.default_rng(3)
X = rng.normal(size=(3, 5))
INTS = rng.integers(-4, 9, (3, 5))
NAN = np.array([[3.0, np.nan, -0.0, 0.0, np.inf], [1, 1, -np.inf, np.nan, 1], [2, 1, 0, -1, -2]])
EDGES = np.array([-2.0, -0.5, 0.0, 0.5, 3.0])
COUNTS = np.array([1, 3, 0, 3, 2])

VALUES = {
    "sort": lambda a: (np.sort(a), np.sort(a, 0), np.sort(a, None), np.sort(a, kind="stable")),
    "argsort": lambda a: (np.argsort(a, kind="stable"), np.argsort(a, 0, "stable")),
    "argsort flat": lambda a: np.argsort(a, None, "stable"),
    "partition": lambda a: np.partition(a, 2, 0)[2],
    "argpartition": lambda a: np.take_along_axis(a, np.argpartition(a, 1, 1), 1)[:, 1],
    "lexsort": lambda a: (np.lexsort((a[0], a[1])), np.lexsort(a > 0), np.lexsort(a, 0)),
    "searchsorted": lambda a: (
        np.searchsorted(EDGES, a),
        np.searchsorted(np.sort(a[0]), a, "right"),
        np.searchsorted(a[1], a, sorter=np.argsort(a[1], kind="stable")),
    ),
    "digitize": lambda a: (
        np.digitize(a, EDGES),
        np.digitize(a, EDGES[::-1], right=True),
        np.digitize(a[0], np.sort(a[1])),
    ),
    "isin": lambda a: (np.isin(a, [1.0, -2.0, 3.0]), np.isin([1.0, 2.0], a, invert=True)),
    "histogram": lambda a: (
        np.histogram(a, 4, (-2, 3)),
        np.histogram(a, EDGES),
        np.histogram(a, EDGES, density=True),
        np.histogram(a, EDGES, weights=np.abs(INTS)),
        np.histogram(a, EDGES, weights=np.cos(INTS)),
    ),
}
FINITE = {
    "histogram by range": lambda a: (np.histogram(a, 6), np.histogram_bin_edges(a, 3)),
    "histogram of one value": lambda a: np.histogram(a * 0 + 1, 3),
    "histogram2d": lambda a: np.histogram2d(a[0], a[1], 3, [[-3, 9], [-4, 9]]),
    "histogramdd": lambda a: np.histogramdd(a.T, (2, 3, 2), density=True),
    "histogramdd of a list": lambda a: np.histogramdd([a[0], a[1]], [EDGES, EDGES], weights=a[2]),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), NAN, INTS, INTS.astype(np.int8)],
                         ids=["f8", "f4", "nan", "i8", "i1"])  # fmt: skip
def test_values(name, x):
    if name == "lexsort" and x is NAN:
        pytest.skip("NumPy's lexsort of NaN is none")
    same(VALUES[name], x)


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("x", [X, INTS], ids=["f8", "i8"])
def test_values_of_finite(name, x):
    same(FINITE[name], x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "uint32", "uint64"])
def test_dtypes(dtype):
    x = rng.integers(0, 200, (4, 30)).astype(dtype)
    same(lambda a: (np.sort(a), np.argsort(a, 0, "stable"), np.searchsorted(a[0] * 0, a)), x)


@pytest.mark.parametrize("n", [0, 1, 2, 20, 21, 500, 5000])
def test_lengths_and_patterns(n):
    patterns = [
        rng.normal(size=n), np.arange(n) * 1.0, np.arange(n)[::-1] * 1.0, np.zeros(n),
        rng.integers(0, 3, n) * 1.0, np.arange(n) % (n // 2 + 1) * 1.0,
    ]  # fmt: skip
    for x in patterns:
        same(lambda a: (np.sort(a), np.argsort(a, kind="stable")), np.ascontiguousarray(x))


def test_hard_for_quicksort():
    """An input on which medians of three split off two elements at a time."""
    n = 4096
    x = np.empty(n)
    half = n // 2
    for i in range(half):
        x[i] = i + 1 if i % 2 == 0 else half + i + (half % 2)
        x[half + i] = 2 * (i + 1)
    same(lambda a: (np.sort(a), np.argsort(a, kind="stable")), x)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (1,), (1, 1)])
def test_small(shape):
    x = np.ones(shape)
    same(lambda a: (np.sort(a, -1), np.sort(a, None)), x) if shape else same(
        lambda a: np.sort(a, None), x
    )
    same(lambda a: np.searchsorted(EDGES, a), x)
    same(lambda a: np.histogram(a, 3, (0, 2)), x)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda a: np.sort(a**2, 0), X),
        (lambda a: np.sort(a, None)[::2] ** 2, X),
        (lambda a: np.partition(a, 1, 1)[:, 1], X),
        (lambda a: np.histogram(X, EDGES, weights=a**2)[0], X),
        (lambda a: np.histogram(X, EDGES, weights=np.exp(a), density=True)[0], X),
        (lambda a: np.bincount(COUNTS, weights=a[0] ** 2, minlength=6), X),
        (lambda a: a[np.argsort(a[:, 0])] * INTS, X),
    ],
)
def test_derivatives(function, x):
    differentiable(function, x)


def test_ties_keep_their_places():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    gradient = bp.grad(lambda a: np.sum(np.sort(a) * weights))(x)
    np.testing.assert_array_equal(gradient, [100, 1, 1000, 10])


def test_bincount():
    f = bp.compile(lambda i: np.bincount(i, minlength=5))
    np.testing.assert_array_equal(f(COUNTS), [1, 1, 1, 2, 0])
    with pytest.raises(IndexError):
        f(COUNTS + 2)
    with pytest.raises(IndexError):
        f(COUNTS - 1)
    with pytest.raises(ControlFlowError, match="minlength"):
        bp.compile(lambda i: np.bincount(i))(COUNTS)
    same(lambda w: np.bincount(COUNTS, w, 2), X[0])


def test_vmap():
    x = rng.normal(size=(4, 3, 5))
    np.testing.assert_array_equal(bp.vmap(lambda a: np.sort(a, 0))(x), np.sort(x, 1))
    found = bp.vmap(lambda a, v: np.searchsorted(np.sort(a[0]), v))(x, x[:, 1])
    wanted = [np.searchsorted(np.sort(a[0]), a[1]) for a in x]
    np.testing.assert_array_equal(found, wanted)
    found = bp.vmap(lambda v: np.searchsorted(EDGES, v, "right"))(x)
    np.testing.assert_array_equal(found, np.searchsorted(EDGES, x, "right"))


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: np.sort(a, 5), np.exceptions.AxisError, "axis 5"),
        (lambda a: np.sort(a[0, 0]), np.exceptions.AxisError, "axis -1"),
        (lambda a: np.sort(a, kind="bubble"), ValueError, "kind"),
        (lambda a: np.partition(a, 9), ValueError, "out of bounds"),
        (lambda a: np.searchsorted(a, 1.0), ValueError, "too deep"),
        (lambda a: np.searchsorted(a[0], a, side="up"), ValueError, "side"),
        (lambda a: np.histogram(a, "auto"), ControlFlowError, "number of bins"),
        (lambda a: np.histogram(a, 0), ValueError, "positive"),
        (lambda a: np.histogram(a, 3, (2, 1)), ValueError, "larger than min"),
        (lambda a: np.histogram(a, [2, 1, 3]), ValueError, "monotonically"),
        (lambda a: np.digitize(a, [0, 2, 1]), ValueError, "monotonically"),
        (lambda a: np.real_if_close(a + 1j), ControlFlowError, "np.real"),
    ],
)
def test_refusals(function, error, words):
    with pytest.raises(error, match=words):
        bp.compile(function)(X)


def test_plain_arrays_are_numpys():
    np.testing.assert_array_equal(bnp.sort(X), np.sort(X))
    np.testing.assert_array_equal(bnp.bincount(COUNTS), np.bincount(COUNTS))
    np.testing.assert_array_equal(bnp.histogram(X, "auto")[0], np.histogram(X, "auto")[0])


@pytest.mark.skipif(not COMPILERS, reason="no C compiler found")
def test_native(tmp_path, monkeypatch):
    """Both backends give the same bits, in values and gradients."""
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path))
    monkeypatch.setenv("PYBACKPROP_CFLAGS", "-O0")

    def f(a):
        order = np.argsort(a[0], kind="stable")
        heights = np.interp(a[1], np.sort(a[2]), a[0])
        return np.sum(np.quantile(a, [0.2, 0.7], 0) ** 2) + np.sum(heights * np.cos(order))

    for dtype in (np.float64, np.float32):
        x = rng.normal(size=(3, 300)).astype(dtype)
        plain = bp.value_and_grad(f, backend="interpreter")(x)
        compiled = bp.value_and_grad(f, backend="native")(x)
        np.testing.assert_array_equal(plain[1], compiled[1])
        assert plain[0] == compiled[0]
    counts = bp.compile(lambda i: (np.argsort(i, kind="stable"), np.gcd(i, 12)), backend="native")
    found = counts(INTS[0])
    np.testing.assert_array_equal(found[0], np.argsort(INTS[0], kind="stable"))
    np.testing.assert_array_equal(found[1], np.gcd(INTS[0], 12))


def test_complex_numbers():
    z = np.array([3 + 1j, 1 - 2j, 1 + 5j, np.nan + 1j, 1 + np.nan * 1j])
    same_bits = bp.compile(lambda a: (np.sort(a), np.argsort(a, kind="stable")))(z)
    np.testing.assert_array_equal(same_bits[0], np.sort(z))
    np.testing.assert_array_equal(same_bits[1], np.argsort(z, kind="stable"))
    for x in (X[0], X[0].astype(np.float32), INTS[0].astype(np.int8), z[:3]):
        found, wanted = bp.compile(np.sort_complex)(x), np.sort_complex(x)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    same(lambda a: np.real_if_close(a), X)
