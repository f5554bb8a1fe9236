"""Transformations of functions that use traced values of the function around them."""

import gc

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import errors


def from_vjp(x):
    _, pullback = bp.vjp(lambda y: x * y * y, 2.0)
    return pullback(1.0)[0] * x


CASES = {
    "grad, no perturbation confused": (lambda x: x * bp.grad(lambda y: x + y)(2.0), 1.0),
    "grad": (lambda x: x * bp.grad(lambda y: x * y * y)(2.0), 24.0),
    "jvp": (lambda x: bp.jvp(lambda y: x * y * y, (2.0,), (1.0,))[1], 4.0),
    "vjp": (from_vjp, 24.0),
    "vmap": (lambda x: np.sum(bp.vmap(lambda y: x * y * y)(np.arange(3.0))), 5.0),
    "hessian": (lambda x: np.sum(bp.hessian(lambda y: x * np.sum(y**2))(np.ones(3))), 6.0),
    "jacobian": (lambda x: np.sum(bp.jacobian(lambda y: x * y**2)(np.ones(3))), 6.0),
    "compile": (lambda x: bp.compile(lambda y: x * y)(4.0), 4.0),
    "scan": (lambda x: bp.scan(lambda c, _: (c * x, None), 1.0, length=2)[0], 6.0),
}


@pytest.mark.parametrize("name", CASES)
def test_plain_arguments_and_a_captured_value(name):
    function, expected = CASES[name]
    np.testing.assert_allclose(bp.grad(function)(3.0), expected, rtol=1e-14)


def test_a_pullback_keeps_its_function():
    output, pullback = bp.vjp(lambda y: y * y, 2.0)
    gc.collect()
    assert output == 4.0
    assert pullback(1.0) == (4.0,)


def test_a_leaked_value_is_still_refused():
    kept = []

    def leak(x):
        kept.append(x)
        return x * x

    bp.grad(leak)(1.0)
    with pytest.raises(errors.TraceError):
        bp.grad(lambda y: y * kept[0])(1.0)
