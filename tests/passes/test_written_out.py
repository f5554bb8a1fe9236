"""Half-integer powers become square roots where that is the same."""

import numpy as np
import pytest

import pybackprop as bp

X = np.array([0.0, 1e-320, 1e-210, 0.3, 2.0, 7e5, 1e210, np.inf, np.nan])


def rows(function, *args):
    return str(bp.compile(function).lower(*args).tape)


@pytest.mark.parametrize("exponent", [0.5, 1.5, 2.5, -0.5, -1.5])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_those_of_the_power(exponent, dtype):
    x = X.astype(dtype)
    tape = rows(lambda x: np.abs(x) ** exponent, x)
    assert "SQRT" in tape and "POW" not in tape
    ours = bp.compile(lambda x: np.abs(x) ** exponent)(x)
    exact = np.power(x.astype(np.longdouble), exponent).astype(dtype)
    np.testing.assert_allclose(ours, exact, rtol=3 * np.finfo(dtype).eps)


def test_bases_that_may_be_negative_keep_the_power():
    x = np.array([-np.inf, -1.0, 4.0])
    assert "POW" in rows(lambda x: np.power(x, 1.5), x)
    assert "POW" in rows(lambda x: np.power(x**2 - 1.0, 1.5), x)
    assert "POW" in rows(lambda x: np.power(np.abs(x), 1.25), x)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(bp.compile(lambda x: np.power(x, 1.5))(x), x**1.5)


def test_derivatives_at_zero_stay():
    def f(x):
        return np.sum(np.power(x**2, 1.5))

    np.testing.assert_array_equal(bp.grad(f)(np.array([0.0, 2.0])), [0.0, 12.0])
    np.testing.assert_allclose(bp.hessian(f)(np.array([0.5, 2.0])), np.diag([3.0, 12.0]))


def test_bases_from_loops():
    def step(p, _):
        r = np.sum(p**2) + 0.1
        return p - 0.01 * p / r**1.5, r

    def f(p):
        p, r = bp.scan(step, p, np.arange(5.0))
        return np.sum(p**2) + np.sum(r)

    p = np.array([0.3, -0.7])
    tape = str(bp.grad(f).lower(p).tape)
    assert tape.count("SQRT") == 2 and "POW" not in tape
    bp.check_grads(f, (p,), order=2)
