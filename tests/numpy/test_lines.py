"""Functions of samples along a line, and polynomials: NumPy's values and derivatives."""

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp
import pybackprop.numpy as bnp

rng = np.random.default_rng(5)
X = rng.normal(size=(3, 5))
LONG = rng.normal(size=70)
INTS = rng.integers(-4, 9, (3, 5))
KNOTS, HEIGHTS = np.array([-1.5, -0.5, 0.1, 0.8, 2.0]), rng.normal(size=5)
UNEVEN = np.array([0.0, 0.5, 2.0, 2.5, 4.0])
OFFSETS = np.arange(5) * 2.5

VALUES = {
    "cumulative": lambda a: (
        np.cumulative_sum(a, axis=1, include_initial=True),
        np.cumulative_prod(a[0]),
        np.cumulative_prod(a, axis=0, include_initial=True),
    ),
    "ediff1d": lambda a: (np.ediff1d(a), np.ediff1d(a, to_end=a[0, :2], to_begin=1)),
    "diff": lambda a: (np.diff(a, 2), np.diff(a, axis=0, prepend=0, append=a[:1])),
    "trapezoid": lambda a: (
        np.trapezoid(a),
        np.trapezoid(a, UNEVEN, axis=1),
        np.trapezoid(a, a**2, axis=0),
        np.trapezoid(a, dx=2),
    ),
    "gradient": lambda a: np.gradient(a),
    "gradient edges": lambda a: np.gradient(a, 2, 0.5, edge_order=2),
    "gradient uneven": lambda a: np.gradient(a, UNEVEN, axis=1),
    "gradient uneven edges": lambda a: np.gradient(a, UNEVEN, axis=1, edge_order=2),
    "gradient even coordinates": lambda a: np.gradient(a[0], np.arange(5)),
    "unwrap": lambda a: (np.unwrap(a * 4), np.unwrap(a * 4, axis=0, period=3, discont=2)),
    "convolve": lambda a: (np.convolve(a[0], a[1]), np.convolve(a[0], a[1, :2], "same")),
    "convolve modes": lambda a: (
        np.convolve(a[0, :2], a[1], "same"),
        np.convolve(a[0], a[1, :3], "valid"),
    ),
    "correlate": lambda a: (
        np.correlate(a[0], a[1]),
        np.correlate(a[0], a[1, :2], "same"),
        np.correlate(a[0, :4], a[1], "same"),
        np.correlate(a[0, :2], a[1], "full"),
        np.correlate(a[0, :2], a[1], "valid"),
    ),
    "cross": lambda a: (np.cross(a[:, :3], a[:, 2:]), np.cross(a, a[::-1], axis=0)),
    "cross axes": lambda a: np.cross(a, a[:, ::-1], axisa=0, axisb=0, axisc=0),
    "vander": lambda a: (
        np.vander(a[0]),
        np.vander(a[0], 3, True),
        np.vander(a[0], 0),
        np.vander(np.sign(a[0]), 70),
        np.vander(np.sign(a[0]), 70, True),
    ),
    "polyval": lambda a: (np.polyval(a[0], a[1]), np.polyval([2, 0, 1], a), np.polyval(a[0], 2)),
    "polyadd": lambda a: (np.polyadd(a[0], a[1, :2]), np.polysub(a[0, :3], a[1])),
    "polymul": lambda a: np.polymul(a[0] ** 2 + 1, a[1] ** 2 + 1),
    "polyder": lambda a: (np.polyder(a[0]), np.polyder(a[0], 3), np.polyint(a[0])),
    "polyint": lambda a: np.polyint(a[0], 2, [3, 4]),
    "sinc": lambda a: np.sinc(a),
    "i0": lambda a: np.i0(a),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), INTS, INTS.astype(np.int16)],
                         ids=["f8", "f4", "i8", "i2"])  # fmt: skip
def test_values(name, x):
    same(VALUES[name], x)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (70, 1), (70, 20), (70, 70), (3, 50), (33, 17)])
def test_lengths_of_convolutions(n, m):
    a, v = rng.normal(size=n), rng.normal(size=m)
    for mode in ("full", "same", "valid"):
        same(lambda a, v, mode=mode: (np.convolve(a, v, mode), np.correlate(a, v, mode)), a, v)


@pytest.mark.parametrize("x", [X, X.astype(np.float32), INTS], ids=["f8", "f4", "i8"])
def test_interp(x):
    same(
        lambda a: (
            np.interp(a, KNOTS, HEIGHTS),
            np.interp(a, KNOTS, HEIGHTS, left=-7, right=np.nan),
            np.interp(a, KNOTS[::-1], HEIGHTS, period=3.0),
            np.interp(a, KNOTS[:1], HEIGHTS[:1], left=3),
        ),
        x,
    )
    at_knots = np.concatenate([KNOTS, [np.nan, -np.inf, np.inf]])
    same(lambda a: np.interp(a, KNOTS, HEIGHTS), at_knots)


def _spaces(a):
    if isinstance(a, np.ndarray):
        return (
            np.linspace(a[0], a[1], 4, axis=1),
            np.logspace(a[0], a[1], 3, base=2.5),
            np.geomspace(a[0] ** 2 + 1, np.exp(a[1]), 4, axis=-1),
            np.geomspace(-1 - a[0] ** 2, -3.0, 3, endpoint=False),
        )
    return (
        bnp.linspace(a[0], a[1], 4, axis=1),
        bnp.logspace(a[0], a[1], 3, base=2.5),
        bnp.geomspace(a[0] ** 2 + 1, np.exp(a[1]), 4, axis=-1),
        bnp.geomspace(-1 - a[0] ** 2, -3.0, 3, endpoint=False),
    )


def test_spaces():
    same(_spaces, X)
    differentiable(_spaces, X)


DERIVATIVES = {
    "cumulative": lambda a: np.cumulative_prod(a, axis=1, include_initial=True),
    "trapezoid": lambda a: np.trapezoid(a**2, np.exp(a), axis=0),
    "gradient": lambda a: np.gradient(a**2, edge_order=2),
    "gradient by coordinates": lambda a: np.gradient(a[0], OFFSETS + a[1], edge_order=2),
    "gradient by spacing": lambda a: np.gradient(a, 1 + a[0, 0] ** 2, axis=1),
    "unwrap": lambda a: np.unwrap(a * 4),
    "interp": lambda a: np.interp(a, KNOTS, HEIGHTS),
    "interp by heights": lambda a: np.interp(X[0], KNOTS, a[1] ** 2),
    "interp by knots": lambda a: np.interp(X[0], OFFSETS / 5 - 1 + a[0] * 0.1, a[1]),
    "interp by period": lambda a: np.interp(a * 3, KNOTS, a[1], period=5 + a[0, 0] * 0.1),
    "convolve": lambda a: np.convolve(a[0], a[1], "same"),
    "convolve long": lambda a: np.convolve(LONG, np.tile(a[0], 4) * a[1, 1], "valid"),
    "correlate": lambda a: np.correlate(a[0], a[1, :2], "full"),
    "cross": lambda a: np.cross(a[:, :3], a[:, 2:]),
    "vander": lambda a: np.vander(a[0]),
    "polyval": lambda a: np.polyval(a[0], a[1:]),
    "polymul": lambda a: np.polymul(a[0], a[1]),
    "polyint": lambda a: np.polyint(a[0] ** 2, 2, a[1]),
    "polydiv": lambda a: bnp.polydiv(a[0], 3 + a[1, :2]) if isinstance(a, bp.graph.Value)
    else [_padded(p, n) for p, n in zip(np.polydiv(a[0], 3 + a[1, :2]), (4, 1), strict=True)],
    "poly": lambda a: np.poly(a[0]),
    "poly of a matrix": lambda a: np.poly(a @ a.T),
    "polyfit by points": lambda a: np.polyfit(a[0], a[1], 1, w=np.exp(a[0])),
    "polyfit covariance": lambda a: np.polyfit(a[0], a[1], 1, cov=True)[1],
    "polyfit": lambda a: np.polyfit(UNEVEN, a[0] ** 2, 2, w=HEIGHTS**2),
    "sinc": lambda a: np.sinc(a),
    "i0": lambda a: np.i0(a),
    "sinc near 0": lambda a: np.sinc(a * 1e-2) * 1e4,
}  # fmt: skip


def _padded(p, n):
    return np.concatenate([np.zeros(n - len(p)), p])


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    differentiable(DERIVATIVES[name], X)


def test_sinc_at_zero():
    assert bp.grad(np.sinc)(0.0) == 0
    np.testing.assert_allclose(bp.grad(bp.grad(np.sinc))(0.0), -(np.pi**2) / 3, rtol=1e-15)
    x = np.linspace(-3, 3, 1001)
    np.testing.assert_allclose(bp.compile(np.sinc)(x), np.sinc(x), rtol=1e-13, atol=1e-16)


def test_interp_at_knots():
    slopes = np.diff(HEIGHTS) / np.diff(KNOTS)
    gradient = bp.grad(lambda a: np.sum(np.interp(a, KNOTS, HEIGHTS)))(KNOTS)
    np.testing.assert_allclose(gradient, np.append(slopes, slopes[-1]), rtol=1e-14)
    outside = bp.grad(lambda a: np.sum(np.interp(a, KNOTS, HEIGHTS)))(np.array([-9.0, 9, np.inf]))
    np.testing.assert_array_equal(outside, 0)


def test_polynomials():
    x = np.array([1.0, 2.0, -3.0, 0.5])
    same(lambda a: (np.poly(a), np.polydiv(a, [2.0, 1.0])), x)
    same(lambda a: np.polyfit(np.arange(4.0), a, 2), x, rtol=1e-9)
    same(lambda a: np.polyfit(np.arange(4.0), np.stack([a, a**2], 1), 1, w=[1, 2, 1, 3]), x,
         rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"cov": True}, {"cov": "unscaled"}, {"full": True}])
@pytest.mark.parametrize("columns", [None, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_polyfit_with_traced_points(options, columns, weighted):
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=12), rng.uniform(0.5, 2, 12)
    y = rng.normal(size=12 if columns is None else (12, columns))
    weights = {"w": w} if weighted else {}

    def fitted(x, y):
        found = np.polyfit(x, y, 3, **options, **weights)
        # NumPy's rank is of int32.
        return [v for k, v in enumerate(found) if k != 2] if "full" in options else found

    same(fitted, x, y, rtol=1e-9)


def test_roots():
    for p in ([1.0, -3, 2, 5], [2.0, 1], [1, 2j, 3], [1.0, 2, 0, 0], [4, -4, 1, 7], [3.0]):
        found = bp.compile(np.roots)(np.array(p))
        assert found.dtype == np.complex128
        np.testing.assert_allclose(np.poly(found) * p[0], p, atol=1e-12)
    p = np.array([1.0, -3, 2, 5])
    bp.check_grads(np.roots, (p,), order=2)
    # dr/dp_k = -r^(n - k) / p'(r)
    r = bp.compile(np.roots)(p)
    wanted = -(r[:, None] ** np.arange(3, -1, -1)) / np.polyval(np.polyder(p), r)[:, None]
    np.testing.assert_allclose(bp.jacobian(np.roots, mode="forward")(p), wanted, rtol=1e-10)


COMPLEX = X + 1j * X[::-1, ::-1]
COMPLEX_FUNCTIONS = {
    "gradient": lambda z: np.gradient(z, axis=1),
    "gradients": lambda z: np.gradient(z, 0.5, 2.0),
    "sinc": lambda z: np.sinc(z * 0.7),
    "sinc near 0": lambda z: np.sinc(z * 0.05),
    "interp": lambda z: np.interp(np.array([-9, 0.2, 0.5, 9]), np.arange(5) / 4, z[0], left=1j),
    "median": lambda z: np.median(z, axis=1),
    "nanmedian": lambda z: np.nanmedian(z, axis=0),
    "polydiv": lambda z: np.polydiv(z[0], z[1, :2])[0],
    "poly": lambda z: np.poly(z[0]),
    "poly of a matrix": lambda z: np.poly(z @ z.T),
}


@pytest.mark.parametrize("name", COMPLEX_FUNCTIONS)
def test_complex_numbers(name):
    f = COMPLEX_FUNCTIONS[name]
    same(f, COMPLEX, rtol=1e-11)
    bp.check_grads(f, (COMPLEX,), order=2)
    single = bp.compile(f)(COMPLEX.astype(np.complex64))
    if name not in ("interp",):
        assert all(x.dtype == np.complex64 for x in np.atleast_1d(single))


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: np.cumulative_sum(a), ValueError, "axis"),
        (lambda a: np.gradient(a, axis=1, edge_order=3), ValueError, "edge_order"),
        (lambda a: np.gradient(a[:1]), ValueError, "too small"),
        (lambda a: np.gradient(a, [1.0, 2.0], axis=0), ValueError, "match"),
        (lambda a: np.interp(a, KNOTS, HEIGHTS[:2]), ValueError, "same length"),
        (lambda a: np.interp(a, [], []), ValueError, "empty"),
        (lambda a: np.convolve(a, a), ValueError, "too deep"),
        (lambda a: np.convolve(a[0], a[0, :0]), ValueError, "empty"),
        (lambda a: np.convolve(a[0], a[0], "some"), ValueError, "mode"),
        (lambda a: np.cross(a, a), ValueError, "dimension"),
        (lambda a: np.roots(a), ValueError, "rank-1"),
        (lambda a: np.roots(np.zeros(3) * a[0, 0]), np.linalg.LinAlgError, "converge"),
        (lambda a: np.polyfit(a[0], a[1], -1), ValueError, "deg"),
        (lambda a: np.polyfit(a[0], a[1], 4, cov=True), ValueError, "exceed order"),
        (lambda a: np.poly(a), ValueError, "square"),
        (lambda a: np.vander(a), ValueError, "one-dimensional"),
    ],
)
def test_refusals(function, error, words):
    with pytest.raises(error, match=words):
        bp.compile(function)(X)
