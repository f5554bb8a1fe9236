"""Distributions against SciPy: values, edges, derivatives by every parameter in both modes."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import stats as ours

theirs = pytest.importorskip("scipy.stats")
rng = np.random.default_rng(12)

# Points and parameters inside the domain: name -> (points, shapes).
CONTINUOUS = {
    "norm": (rng.normal(size=9) * 3, ()),
    "t": (rng.normal(size=9) * 3, (3.5,)),
    "cauchy": (rng.normal(size=9) * 9, ()),
    "laplace": (rng.normal(size=9) * 3, ()),
    "logistic": (rng.normal(size=9) * 5, ()),
    "lognorm": (rng.uniform(0.1, 5, 9), (0.7,)),
    "expon": (rng.uniform(0, 5, 9), ()),
    "gamma": (rng.uniform(0.1, 9, 9), (2.3,)),
    "chi2": (rng.uniform(0.1, 9, 9), (4.5,)),
    "invgamma": (rng.uniform(0.2, 5, 9), (2.2,)),
    "beta": (rng.uniform(0.02, 0.98, 9), (1.7, 3.1)),
    "uniform": (rng.uniform(0.02, 0.98, 9), ()),
    "truncnorm": (rng.uniform(-0.9, 1.9, 9), (-1.0, 2.0)),
    "weibull_min": (rng.uniform(0.1, 4, 9), (1.6,)),
    "pareto": (rng.uniform(1.05, 6, 9), (2.4,)),
    "gumbel_r": (rng.normal(size=9) * 2, ()),
    "halfnorm": (rng.uniform(0.02, 4, 9), ()),
    "halfcauchy": (rng.uniform(0.02, 9, 9), ()),
    "vonmises": (rng.uniform(-3, 3, 9), (1.8,)),
    "gumbel_l": (rng.normal(size=9) * 2, ()),
    "gennorm": (rng.normal(size=9) * 2, (1.4,)),
    "wrapcauchy": (rng.uniform(0.1, 6, 9), (0.6,)),
}
DISCRETE = {
    "poisson": ([0, 1, 4, 9], (3.3,)),
    "bernoulli": ([0, 1, 1, 0], (0.3,)),
    "binom": ([0, 3, 7, 12], (12, 0.35)),
    "nbinom": ([0, 1, 4, 9], (2.7, 0.4)),
    "geom": ([1, 2, 5, 9], (0.3,)),
    "betabinom": ([0, 3, 7, 12], (12, 1.4, 2.2)),
}
METHODS = ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf")


def has(name, method):
    if name in ("t", "vonmises", "wrapcauchy"):
        return method in ("logpdf", "pdf")
    if name in ("gamma", "chi2", "invgamma", "beta", "truncnorm", "gennorm"):
        return method not in ("ppf", "isf")
    return name != "halfcauchy" or method != "isf"


@pytest.mark.parametrize("method", [*METHODS, "ppf", "isf"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_values(name, method):
    x, shapes = CONTINUOUS[name]
    function = getattr(getattr(ours, name), method)
    if not has(name, method):
        with pytest.raises(NotImplementedError, match=name):
            function(x, *shapes)
        return
    if method in ("ppf", "isf"):
        x = np.array([0.0, 1e-9, 0.2, 0.5, 0.8, 1 - 1e-9, 1.0, -0.1, 1.1, np.nan])
    for given in ({}, {"loc": 0.25, "scale": 1.75}):
        moved = x if method in ("ppf", "isf") or not given else 0.25 + 1.75 * x
        wanted = getattr(getattr(theirs, name), method)(moved, *shapes, **given)
        found = function(moved, *shapes, **given)
        # SciPy rounds (1 + q) / 2 and pi q / 2 before it goes on.
        rtol = 3e-7 if name.startswith("half") and method in ("ppf", "isf") else 2e-12
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-13)
        # By position, traced, with names; float32 stays float32.
        np.testing.assert_array_equal(function(moved, *shapes, *given.values()), found)
        traced = bp.compile(lambda v, *s: function(v, *s, **given))
        np.testing.assert_allclose(traced(moved, *shapes), found, rtol=1e-14, atol=1e-15)
        assert function(moved.astype(np.float32), *shapes, **given).dtype == np.float32


@pytest.mark.parametrize("name", CONTINUOUS)
def test_edges(name):
    """Outside of the support, at its edges, with NaN and with parameters that are not allowed."""
    _, shapes = CONTINUOUS[name]
    x = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 2.5, 100.0, np.inf, -np.inf, np.nan])
    for method in METHODS:
        if not has(name, method):
            continue
        with np.errstate(all="ignore"):
            wanted = getattr(getattr(theirs, name), method)(x, *shapes)
        found = getattr(getattr(ours, name), method)(x, *shapes)
        # SciPy has NaN at some infinities, and -inf where a tail underflows.
        finite = np.isfinite(x) | np.isnan(x)
        finite &= np.isfinite(wanted) | ~np.isfinite(found)
        np.testing.assert_allclose(found[finite], wanted[finite], rtol=2e-12, atol=1e-13)
    bad = [(-1.0,) * len(shapes), (np.nan,) * len(shapes)] if shapes else []
    for wrong in bad:
        assert np.isnan(getattr(ours, name).logpdf(0.5, *wrong))
    for scale in (-1.0, 0.0, np.nan):
        assert np.isnan(getattr(ours, name).logpdf(0.5, *shapes, 0.0, scale))


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_derivatives(name):
    """By the operand, shapes, location and scale: differences, both modes, second order."""
    discrete = name in DISCRETE
    points, shapes = DISCRETE[name] if discrete else CONTINUOUS[name]
    points = np.asarray(points, float)
    weights = np.linspace(0.5, 1.5, points.size)
    method = "logpmf" if discrete else "logpdf"
    ours_of, theirs_of = (getattr(getattr(m, name), method) for m in (ours, theirs))
    if discrete:
        counts = 1 if name in ("binom", "betabinom") else 0
        fixed, parameters = shapes[:counts], shapes[counts:]

        def call(f, *p):
            return f(points, *fixed, *p)
    else:
        parameters = (*shapes, 0.25, 1.75)
        points = 0.25 + 1.75 * points

        def call(f, *p):
            return f(p[-1], *p[:-1])

        parameters = (*parameters, points)

    def total(*p):
        return np.sum(weights * call(ours_of, *p))

    def reference(*p):
        return np.sum(weights * call(theirs_of, *p))

    gradient = bp.grad(total, argnums=tuple(range(len(parameters))))
    found = gradient(*parameters)
    directions = [rng.uniform(-1, 1, np.shape(p)) for p in parameters]
    smooth = name != "uniform"
    h = 1e-5

    def moved(s):
        return [p + s * d for p, d in zip(parameters, directions, strict=True)]

    along = sum(np.sum(g * d) for g, d in zip(found, directions, strict=True))
    difference = (reference(*moved(h)) - reference(*moved(-h))) / (2 * h)
    assert np.isclose(along, difference, rtol=3e-7, atol=1e-7)
    _, forward = bp.jvp(total, tuple(map(np.asarray, parameters)), tuple(directions))
    assert np.isclose(forward, along, rtol=1e-11, atol=1e-12)

    def slope(*p):
        return sum(np.sum(g * d) for g, d in zip(gradient(*p), directions, strict=True))

    second = bp.grad(slope, argnums=tuple(range(len(parameters))))(*parameters)
    second = sum(np.sum(g * d) for g, d in zip(second, directions, strict=True))
    _, both = bp.jvp(slope, tuple(map(np.asarray, parameters)), tuple(directions))
    assert np.isclose(both, second, rtol=1e-9, atol=1e-9)
    if smooth:
        wide = (slope(*moved(h)) - slope(*moved(-h))) / (2 * h)
        assert np.isclose(second, wide, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "expon",
        "gamma",
        "beta",
        "lognorm",
        "pareto",
        "truncnorm",
        "weibull_min",
        "invgamma",
        "halfnorm",
        "uniform",
        "chi2",
    ],
)
def test_no_derivative_outside(name):
    _, shapes = CONTINUOUS[name]
    x = np.array([-3.0, -2.0, 0.5 if name != "pareto" else 1.5])

    def total(x, *shapes):
        values = getattr(ours, name).logpdf(x, *shapes)
        return np.sum(np.where(np.isfinite(values), values, 0.0))

    def summed(x, *shapes):
        return np.sum(getattr(ours, name).logpdf(x, *shapes))

    for function in (total, summed):
        toward_x, *rest = bp.grad(function, argnums=tuple(range(1 + len(shapes))))(x, *shapes)
        np.testing.assert_array_equal(toward_x[:2], 0.0)
        alone = bp.grad(function, argnums=tuple(range(1 + len(shapes))))(x[2:], *shapes)
        np.testing.assert_allclose(np.array(rest), np.array(alone[1:]), rtol=1e-13)
        assert np.isfinite(toward_x).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_values(name):
    _, shapes = DISCRETE[name]
    k = np.array([-1, 0, 1, 2, 3, 7, 12, 13, 40])
    for method in ("logpmf", "pmf", "cdf", "sf"):
        function = getattr(getattr(ours, name), method)
        if name == "betabinom" and method in ("cdf", "sf"):
            with pytest.raises(NotImplementedError, match="betabinom"):
                function(k, *shapes)
            continue
        for given in ({}, {"loc": 2}):
            wanted = getattr(getattr(theirs, name), method)(k, *shapes, **given)
            np.testing.assert_allclose(
                function(k, *shapes, **given), wanted, rtol=2e-12, atol=1e-14
            )
        halves = getattr(getattr(theirs, name), method)(k + 0.5, *shapes)
        np.testing.assert_allclose(function(k + 0.5, *shapes), halves, rtol=2e-12, atol=1e-14)
    assert np.isnan(getattr(ours, name).logpmf(1.0, *[-1.0] * len(shapes)))


def test_multivariate_normal():
    dim = 3
    root = rng.normal(size=(dim, dim))
    cov, mean = root @ root.T + np.eye(dim), rng.normal(size=dim)
    x = rng.normal(size=(5, dim))
    for points in (x, x[0], x.reshape(5, 1, dim)):
        np.testing.assert_allclose(
            ours.multivariate_normal.logpdf(points, mean, cov),
            theirs.multivariate_normal.logpdf(points.squeeze(), mean, cov).reshape(
                points.shape[:-1]
            ),
            rtol=1e-12,
        )  # fmt: skip
    for some in (2.5, np.array([0.5, 1.0, 2.0])):
        np.testing.assert_allclose(
            ours.multivariate_normal.logpdf(x, mean, some),
            theirs.multivariate_normal.logpdf(x, mean, some),
            rtol=1e-12,
        )
    np.testing.assert_allclose(
        ours.multivariate_normal.pdf(x[:, 0], 0.5, 2.0),
        theirs.multivariate_normal.pdf(x[:, 0], 0.5, 2.0),
        rtol=1e-12,
    )

    def total(x, mean, root):
        return np.sum(ours.multivariate_normal.logpdf(x, mean, root @ root.T + np.eye(dim)))

    bp.check_grads(total, (x, mean, root), order=2)
    with pytest.raises(ValueError, match="square"):
        ours.multivariate_normal.logpdf(x, mean, np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError):
        ours.multivariate_normal.logpdf(x, mean, -np.eye(dim))


def test_multinomial():
    p = np.array([0.2, 0.3, 0.5])
    x = np.array([[1, 2, 3], [6, 0, 0], [0, 0, 6], [1, 1, 1]])
    np.testing.assert_allclose(
        ours.multinomial.logpmf(x, 6, p), theirs.multinomial.logpmf(x, 6, p), rtol=1e-13
    )
    slope = bp.grad(lambda q: np.sum(ours.multinomial.logpmf(x[:3], 6, q)))(p)
    np.testing.assert_allclose(slope, x[:3].sum(0) / p, rtol=1e-13)
    # A probability of 0 of what does not occur: 0 log 0 = 0.
    edge = bp.grad(lambda q: ours.multinomial.logpmf(x[1], 6, q))(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(edge, [6.0, 0.0, 0.0])


def test_dirichlet():
    alpha = np.array([0.7, 1.0, 2.5])
    x = rng.dirichlet(alpha, 4).T
    np.testing.assert_allclose(
        ours.dirichlet.logpdf(x, alpha), theirs.dirichlet.logpdf(x, alpha), rtol=1e-12
    )
    np.testing.assert_allclose(
        ours.dirichlet.logpdf(x[:2], alpha), theirs.dirichlet.logpdf(x, alpha), rtol=1e-11
    )
    bp.check_grads(lambda x, a: np.sum(ours.dirichlet.logpdf(x, a)), (x, alpha), order=2)
    assert ours.dirichlet.logpdf(np.array([-0.5, 1.0, 0.5]), alpha) == -np.inf


def test_wrong_arguments():
    with pytest.raises(TypeError, match="needs df"):
        ours.t.logpdf(1.0)
    with pytest.raises(TypeError, match="unexpected argument 'sigma'"):
        ours.norm.logpdf(1.0, sigma=2.0)
    with pytest.raises(TypeError, match="at most 3"):
        ours.norm.logpdf(1.0, 2.0, 3.0, 4.0)
    assert repr(ours.norm) == "<pybackprop.stats.norm>"


@pytest.mark.parametrize("backend", ["interpreter", "native"])
def test_a_model_runs_in_both_backends(backend):
    y = rng.normal(size=50)

    def loss(loc, log_scale):
        prior = ours.norm.logpdf(loc, 0.0, 10.0) + ours.gamma.logpdf(np.exp(log_scale), 2.0)
        return prior + np.sum(ours.t.logpdf(y, 4.0, loc, np.exp(log_scale)))

    def reference(loc, log_scale):
        prior = theirs.norm.logpdf(loc, 0.0, 10.0) + theirs.gamma.logpdf(np.exp(log_scale), 2.0)
        return prior + np.sum(theirs.t.logpdf(y, 4.0, loc, np.exp(log_scale)))

    value, slopes = bp.value_and_grad(loss, argnums=(0, 1), backend=backend)(0.3, -0.2)
    assert np.isclose(value, reference(0.3, -0.2), rtol=1e-12)
    h = 1e-6
    assert np.isclose(slopes[0], (reference(0.3 + h, -0.2) - reference(0.3 - h, -0.2)) / (2 * h))
