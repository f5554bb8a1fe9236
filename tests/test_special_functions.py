"""SciPy's special functions by name: values and dtypes, as ufuncs on traced values, orders,
derivatives where they are delicate, what does not dispatch, both backends."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mp

import pybackprop as bp
from pybackprop import special as ours
from pybackprop.errors import DifferentiationError, UnsupportedError

theirs = pytest.importorskip("scipy.special")
rng = np.random.default_rng(21)
X = np.array([0.3, 0.7, 1.0, 1.6, 2.5, 4.0])
Q = X / 5
SIGNED = np.array([-2.6, -1.3, -0.2, 0.4, 1.1, 3.2])

# name: operands
CALLS = {
    "gamma": [SIGNED], "gammaln": [SIGNED], "loggamma": [X], "gammasgn": [SIGNED],
    "rgamma": [SIGNED], "digamma": [SIGNED], "psi": [X], "erfcx": [SIGNED], "erfinv": [Q],
    "erfcinv": [2 * Q], "ndtr": [SIGNED], "log_ndtr": [SIGNED], "ndtri": [Q], "expi": [SIGNED],
    "exp1": [X], "exprel": [SIGNED], "spence": [X], "cosm1": [SIGNED], "i0": [SIGNED],
    "i1": [SIGNED], "i0e": [SIGNED], "i1e": [SIGNED], "j0": [SIGNED], "j1": [SIGNED], "y0": [X],
    "y1": [X], "k0": [X], "k1": [X], "k0e": [X], "k1e": [X], "betaln": [X, X[::-1]],
    "beta": [X, X[::-1]], "binom": [X + 1, Q], "poch": [X, X[::-1]], "gammainc": [X, X[::-1]],
    "gammaincc": [X, X[::-1]], "betainc": [X, X[::-1], Q], "betaincc": [X, X[::-1], Q],
    "rel_entr": [X, X[::-1]], "kl_div": [X, X[::-1]], "huber": [np.array(1.0), SIGNED],
    "pseudo_huber": [np.array(1.5), SIGNED], "boxcox": [X, np.array(0.3)],
    "boxcox1p": [X, np.array(-0.3)], "inv_boxcox": [Q, np.array(0.3)],
    "inv_boxcox1p": [Q, np.array(0.3)], "powm1": [X, np.array(0.3)],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_values_and_dispatch(name):
    operands = CALLS[name]
    function, ufunc = getattr(ours, name), getattr(theirs, name)
    wanted = ufunc(*operands)
    found = function(*operands)
    np.testing.assert_allclose(found, wanted, rtol=4e-13, atol=1e-15)
    traced = bp.compile(lambda *a: ufunc(*a))(*operands)
    np.testing.assert_array_equal(traced, found)
    narrow = [o.astype(np.float32) for o in operands]
    small = function(*narrow)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, wanted, rtol=3e-5, atol=1e-6)
    whole = [np.array([1, 2], np.int64)] * len(operands)
    assert function(*whole).dtype == ufunc(*whole).dtype == np.float64


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("gammasgn", "huber")])
def test_derivatives(name):
    """First and second order of every operand by differences of SciPy's and of our slopes."""
    operands = [np.array(o, float) for o in CALLS[name]]
    function, ufunc = getattr(ours, name), getattr(theirs, name)
    directions = [rng.uniform(-1, 1, o.shape) for o in operands]
    numbers = tuple(range(len(operands)))

    def moved(h):
        return [o + h * d for o, d in zip(operands, directions, strict=True)]

    def slope(*a):
        _, dot = bp.jvp(function, a, tuple(directions))
        return dot

    dot = slope(*operands)
    h = 1e-5
    difference = (ufunc(*moved(h)) - ufunc(*moved(-h))) / (2 * h)
    np.testing.assert_allclose(dot, difference, rtol=2e-6, atol=2e-8)
    bars = bp.grad(lambda *a: np.sum(function(*a)), argnums=numbers)(*operands)
    along = sum(np.sum(b * d) for b, d in zip(bars, directions, strict=True))
    assert np.isclose(along, np.sum(dot), rtol=1e-11, atol=1e-12)
    seconds = bp.grad(lambda *a: np.sum(slope(*a)), argnums=numbers)(*operands)
    _, forward = bp.jvp(slope, tuple(operands), tuple(directions))
    along = sum(np.sum(b * d) for b, d in zip(seconds, directions, strict=True))
    assert np.isclose(along, np.sum(forward), rtol=1e-9, atol=1e-10)
    difference = (slope(*moved(h)) - slope(*moved(-h))) / (2 * h)
    np.testing.assert_allclose(forward, difference, rtol=3e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["jv", "yv", "iv", "ive", "kv", "kve", "expn"])
def test_orders(name):
    function, ufunc = getattr(ours, name), getattr(theirs, name)
    for n in (0, 1, 3, -2 if name != "expn" else 5, 2.0, np.array([[0], [2]])):
        np.testing.assert_allclose(function(n, X), ufunc(n, X), rtol=2e-13)
        traced = bp.compile(lambda x: ufunc(n, x))(X)
        np.testing.assert_allclose(traced, ufunc(n, X), rtol=2e-13)
        gradient = bp.grad(lambda x: np.sum(function(n, x)))(X)
        h = 1e-5
        wanted = (ufunc(n, X + h) - ufunc(n, X - h)) / (2 * h)
        wanted = wanted.sum(0) if np.ndim(n) else wanted
        np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-9)
    integers = bp.compile(function)(np.array([0, 1, 2, 3, 4, 5]), X)
    np.testing.assert_allclose(integers, ufunc(np.arange(6), X), rtol=2e-13)
    with pytest.raises(ValueError, match="integer"):
        function(0.5, X)


def test_polygamma_and_zeta():
    for n in (0, 1, 2, 7):
        np.testing.assert_allclose(ours.polygamma(n, X), theirs.polygamma(n, X), rtol=1e-13)
    np.testing.assert_allclose(
        ours.polygamma([[0], [3]], X), theirs.polygamma([[0], [3]], X), rtol=1e-13
    )
    np.testing.assert_allclose(
        bp.grad(lambda x: np.sum(ours.polygamma(2, x)))(X), theirs.polygamma(3, X), rtol=1e-13
    )
    third = bp.grad(bp.grad(bp.grad(ours.digamma)))(1.5)
    assert np.isclose(third, theirs.polygamma(3, 1.5), rtol=1e-13)
    with pytest.raises(ValueError, match="negative"):
        ours.polygamma(-1, 1.0)
    s = np.array([1.5, 2.0, 9.0])
    np.testing.assert_allclose(ours.zeta(s, 0.7), theirs.zeta(s, 0.7), rtol=1e-13)
    s = np.array([-7.5, -4.0, -1.0, 0.0, 0.5, 1.0, 1.5, 30.0])
    np.testing.assert_allclose(ours.zeta(s), theirs.zeta(s), rtol=2e-12, atol=1e-15)
    for at in (-3.3, -4.0, 0.4, 2.5):
        wanted = float(mp.diff(mp.zeta, at))
        assert np.isclose(bp.grad(ours.zeta)(at), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(
        ours.zeta([0.5, 1.0, 2.0], [1.0, 2.0, 0.0]), [np.nan, np.inf, np.inf]
    )


def test_integer_families():
    np.testing.assert_allclose(ours.factorial([0, 1, 5, -1]), [1, 1, 120, 0])
    np.testing.assert_allclose(
        ours.multigammaln(X + 2, 3), [theirs.multigammaln(x + 2, 3) for x in X], rtol=1e-13
    )
    with pytest.raises(ValueError, match="not met"):
        ours.multigammaln(0.5, 3)
    with pytest.raises(ValueError, match="exact"):
        ours.factorial(3, exact=True)


def parameter_derivative(function, a, *orders):
    with mp.workdps(40):
        return float(mp.diff(function, tuple(map(mp.mpf, a)), orders))


@pytest.mark.parametrize("a", [(0.4, 0.3), (3.2, 2.0), (3.2, 6.5), (25.0, 22.0), (0.05, 2.5)])
def test_parameter_of_gammainc(a):
    def lower(s, x):
        return mp.gammainc(s, 0, x, regularized=True)

    for order in (1, 2, 3):
        f, g = ours.gammainc, ours.gammaincc
        for _ in range(order):
            f, g = bp.grad(f), bp.grad(g)
        wanted = parameter_derivative(lower, a, order, 0)
        assert np.isclose(f(*a), wanted, rtol=1e-11, atol=1e-14)
        assert np.isclose(g(*a), -wanted, rtol=1e-11, atol=1e-14)
    mixed = bp.grad(bp.grad(ours.gammainc, argnums=1), argnums=0)(*a)
    assert np.isclose(mixed, parameter_derivative(lower, a, 1, 1), rtol=1e-11)
    other = bp.grad(bp.grad(ours.gammainc, argnums=0), argnums=1)(*a)
    assert np.isclose(other, mixed, rtol=1e-11)


def test_gammainc_of_large_parameters():
    """Temme's expansion, near the mean and where hardly anything is left."""
    a = 1.01e6
    for step in (-20, -6, -1, -0.01, 0, 0.3, 2, 6):
        x = a + step * np.sqrt(a)
        with mp.workdps(40):
            # The series of DLMF 8.11.4.
            term = total = mp.mpf(1)
            n = mp.mpf(a)
            while term > total * mp.mpf(10) ** -38:
                n += 1
                term *= x / n
                total += term
            lower = total * mp.exp(a * mp.log(x) - x - mp.loggamma(mp.mpf(a) + 1))
            upper = float(1 - lower)
        np.testing.assert_allclose(ours.gammainc(a, x), float(lower), rtol=1e-13)
        np.testing.assert_allclose(ours.gammaincc(a, x), upper, rtol=3e-13 * max(1, step))


def test_gammainc_of_huge_parameters():
    for a in (1e10, 1e13):
        z = np.array([-3.0, -0.5, 0.5, 3])
        p, q = ours.gammainc(a, a + z * np.sqrt(a)), ours.gammaincc(a, a + z * np.sqrt(a))
        # The first terms of Edgeworth's series.
        bell = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        normal = theirs.ndtr(z) - bell * (z**2 - 1) / (3 * np.sqrt(a))
        np.testing.assert_allclose(p, normal, rtol=1000 / a)
        np.testing.assert_allclose(p + q, 1, rtol=1e-15)
    for x, wanted in ((1e299, 0.0), (1.1e300, 1.0)):
        assert ours.gammainc(1e300, x) == wanted and ours.gammaincc(1e300, x) == 1 - wanted


@pytest.mark.parametrize("a", [(0.6, 1.4, 0.3), (3.0, 2.0, 0.8), (20.0, 35.0, 0.3)])
def test_parameters_of_betainc(a):
    def regularised(s, t, x):
        return mp.betainc(s, t, 0, x, regularized=True)

    for orders in ((1, 0, 0), (0, 1, 0), (2, 0, 0), (1, 1, 0), (0, 2, 0), (1, 0, 1), (0, 1, 1)):
        f = ours.betainc
        for number, times in enumerate(orders):
            for _ in range(times):
                f = bp.grad(f, argnums=number)
        wanted = parameter_derivative(regularised, a, *orders)
        assert np.isclose(f(*a), wanted, rtol=1e-10, atol=1e-14), orders


def test_orders_that_do_not_exist_are_named():
    f = ours.betainc
    for _ in range(3):
        f = bp.grad(f)
    with pytest.raises(DifferentiationError, match=r"betainc .* order 2"):
        f(1.5, 2.5, 0.3)
    f = ours.gammainc
    for _ in range(4):
        f = bp.grad(f)
    with pytest.raises(DifferentiationError, match=r"gammainc .* order 3"):
        f(1.5, 2.5)


def test_delicate_derivatives():
    """Where formulas written with the function itself would cancel or be 0 times infinity."""
    # log_ndtr far below 0: the slope is about -x, its own slope about -1.
    x = -300.0
    with mp.workdps(50):
        exact = [float(mp.diff(lambda t: mp.log(mp.ncdf(t)), x, k)) for k in (1, 2, 3)]
    slope = ours.log_ndtr
    for wanted in exact:
        slope = bp.grad(slope)
        assert np.isclose(slope(x), wanted, rtol=1e-12)
    # exprel, boxcox at 0.
    f = ours.exprel
    for k in range(1, 5):
        f = bp.grad(f)
        assert np.isclose(f(0.0), 1 / (k + 1), rtol=1e-15)
    assert bp.grad(ours.boxcox, argnums=1)(2.0, 0.0) == pytest.approx(math.log(2) ** 2 / 2)
    # Poles of gamma are zeros of rgamma.
    np.testing.assert_allclose(
        [bp.grad(ours.rgamma)(x) for x in (0.0, -1.0, -2.0, -3.0)], [1, -1, 2, -6], rtol=1e-14
    )
    assert bp.grad(ours.spence)(1.0) == -1.0
    assert bp.grad(bp.grad(ours.spence))(1.0) == 0.5
    assert bp.grad(ours.i1)(0.0) == 0.5
    assert bp.grad(ours.i0e)(0.0) == 0.0
    assert bp.grad(ours.j1)(0.0) == 0.5
    # The edges of the entropies: no NaN.
    np.testing.assert_array_equal(
        ours.kl_div([0.0, 1.0, -1.0], [2.0, 0.0, 1.0]), [2, np.inf, np.inf]
    )
    np.testing.assert_array_equal(
        bp.grad(lambda x: np.sum(ours.rel_entr(x, np.array([2.0, 3.0]))))(np.array([0.0, -1.0])),
        [0.0, 0.0],
    )


def test_logsumexp_with_sign():
    x, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    for options in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}):
        for weights in (None, b):
            wanted = theirs.logsumexp(x, b=weights, return_sign=True, **options)
            found = ours.logsumexp(x, b=weights, return_sign=True, **options)
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda x: theirs.logsumexp(x), "pybackprop.special.logsumexp"),
        (lambda x: theirs.softmax(x), "pybackprop.special.softmax"),
        (lambda x: theirs.polygamma(1, x), "pybackprop.special.polygamma"),
        (lambda x: theirs.multigammaln(x, 2), "pybackprop.special.multigammaln"),
    ],
)
def test_functions_that_do_not_dispatch_name_ours(call, instead):
    for x in (X, 1.5):
        with pytest.raises(UnsupportedError, match=instead):
            bp.compile(call)(x)


def test_distributions_of_scipy_name_ours():
    stats = pytest.importorskip("scipy.stats")
    linalg = pytest.importorskip("scipy.linalg")
    with pytest.raises(UnsupportedError, match=r"pybackprop.stats.norm.logpdf"):
        bp.compile(lambda x: stats.norm.logpdf(x))(X)
    with pytest.raises(UnsupportedError, match=r"pybackprop.stats.poisson.logpmf"):
        bp.compile(lambda x: stats.poisson.logpmf(3, x))(X)
    with pytest.raises(UnsupportedError, match="compose it"):
        bp.compile(lambda x: stats.skew(x))(X)
    with pytest.raises(UnsupportedError, match=r"pybackprop.linalg.cholesky"):
        bp.compile(lambda x: linalg.cholesky(x))(np.eye(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backends_agree_to_the_bit(dtype):
    x = rng.uniform(0.3, 4, 300).astype(dtype)

    def many(x):
        total = ours.gammaln(x) + ours.digamma(x) * ours.erfcx(x) + ours.i0e(x) * ours.log_ndtr(-x)
        total = total + ours.jv(3, x) + ours.kv(1, x) + ours.gamma(x) + ours.zeta(x + 1, x)
        return np.sum(total * ours.gammainc(x, x + 1) + ours.betainc(x, 2.5, x / 5))

    results = [bp.value_and_grad(many, backend=backend)(x) for backend in ("interpreter", "native")]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == dtype


def test_inside_a_scan():
    """Scalars of a loop's body, three operands included."""

    def total(a):
        def step(carry, x):
            carry = carry + ours.gammaln(a + x) * ours.betainc(a, x, 0.4) + ours.jv(1, carry)
            return carry, ours.expi(carry)

        last, ys = bp.scan(step, a, X)
        return last + np.sum(ys)

    value, slope = bp.value_and_grad(total)(1.3)

    def plain(a):
        carry, ys = a, 0.0
        for x in X:
            carry = carry + theirs.gammaln(a + x) * theirs.betainc(a, x, 0.4) + theirs.jv(1, carry)
            ys += theirs.expi(carry)
        return carry + ys

    assert np.isclose(value, plain(1.3), rtol=1e-12)
    assert np.isclose(slope, (plain(1.3 + 1e-6) - plain(1.3 - 1e-6)) / 2e-6, rtol=1e-7)


def test_vmap():
    a, x = rng.uniform(0.5, 3, (4, 1)), rng.uniform(0.5, 3, (4, 5))
    np.testing.assert_array_equal(bp.vmap(ours.gammainc)(a, x), ours.gammainc(a, x))
    np.testing.assert_array_equal(bp.vmap(lambda v: ours.jv(2, v))(x), ours.jv(2, x))


def test_mpmath_precision_is_untouched():
    assert mpmath.mp.dps == 15


def test_extreme_arguments_end():
    """Loops have limits: huge orders and arguments give limits or NaN, soon."""
    huge = [0.0, 1e-300, 1.0, 1e5, 1e10, 1e17, 1e300, np.inf, -1e300, -np.inf, np.nan]
    a, x = (g.ravel() for g in np.meshgrid(huge, huge))
    for name in ("zeta", "betaln", "beta", "binom", "poch", "gammaincc"):
        if name == "gammaincc":
            keep = np.minimum(a, x) < 1e9
            a, x = a[keep], x[keep]
        getattr(ours, name)(a, x)
    for name in ("jv", "yv", "iv", "ive", "kv", "kve", "expn"):
        for n in (0, 1, 7, 3000, 10**5, 10**9):
            getattr(ours, name)(n, np.array(huge))
    for name in ("expi", "exprel", "spence", "gamma", "rgamma", "digamma", "erfcx", "exp1"):
        getattr(ours, name)(np.array(huge))
    # SciPy has NaN there.
    assert ours.ive(2, 1e12) == pytest.approx(1 / math.sqrt(2e12 * math.pi), rel=1e-11)
    assert ours.zeta(1e300, 100.0) == 0.0
