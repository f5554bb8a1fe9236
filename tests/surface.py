"""How functions of NumPy's surface are tested: values by NumPy, derivatives by differences.

A case is a function written with ``np.*``, so that NumPy itself evaluates the reference, both the
value and the central differences that derivatives are compared with.
"""

import numpy as np

import pybackprop as bp


def leaves(result):
    """Arrays in a result, in order."""
    if isinstance(result, (tuple, list)):
        return [leaf for item in result for leaf in leaves(item)]
    return [np.asarray(result)]


def same(function, *arrays, rtol=1e-12, **options):
    """Assert NumPy's values, shapes and dtypes of a compiled function."""
    with np.errstate(all="ignore"):
        wanted = leaves(function(*arrays))
    found = leaves(bp.compile(function, **options)(*arrays))
    assert len(found) == len(wanted)
    for f, w in zip(found, wanted, strict=True):
        assert f.dtype == w.dtype, (f.dtype, w.dtype)
        assert f.shape == w.shape, (f.shape, w.shape)
        if w.dtype.kind in "fc":
            tolerance = rtol if w.dtype in (np.float64, np.complex128) else 3e-6
            finite = w[np.isfinite(w)]
            scale = float(np.max(np.abs(finite))) if finite.size else 1.0
            np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance * scale)
        else:
            np.testing.assert_array_equal(f, w)


def total(function):
    """A scalar of everything that a function returns, with a slope of its own everywhere."""

    def summed(x):
        parts = function(x)
        parts = parts if isinstance(parts, (tuple, list)) else (parts,)
        result = 0.0
        for place, p in enumerate(parts):
            if p.dtype.kind == "f":
                weights = np.cos(np.arange(np.size(p)) + place).reshape(np.shape(p))
                result = result + np.sum(np.sin(p) * weights)
        return result

    return summed


def central(function, x, direction, h):
    return (function(x + h * direction) - function(x - h * direction)) / (2 * h)


def differentiable(function, x, rtol=2e-6):
    """Assert first derivatives in both modes and second ones in their four combinations."""
    x = np.asarray(x, np.float64)
    f = total(function)
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=x.shape), rng.normal(size=x.shape)
    with np.errstate(all="ignore"):
        wanted = central(lambda y: np.float64(f(y)), x, u, 1e-6)
    scale = max(1.0, abs(wanted))
    gradient = bp.grad(f)

    def slope(y, direction=u):
        return bp.jvp(f, (y,), (direction,))[1]

    np.testing.assert_allclose(np.sum(gradient(x) * u), wanted, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(slope(x), wanted, rtol=rtol, atol=rtol * scale)
    gradient_of = bp.compile(gradient)
    wanted = central(lambda y: np.sum(gradient_of(y) * v), x, u, 1e-5)
    scale = max(1.0, abs(wanted))
    forward_reverse = np.sum(bp.jvp(gradient, (x,), (u,))[1] * v)
    reverse_reverse = np.sum(bp.grad(lambda y: np.sum(bp.grad(f)(y) * v))(x) * u)
    forward_forward = bp.jvp(lambda y: slope(y, v), (x,), (u,))[1]
    reverse_forward = np.sum(bp.grad(lambda y: slope(y, v))(x) * u)
    for found in (forward_reverse, reverse_reverse, forward_forward, reverse_forward):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * scale)
    narrow = bp.grad(total(function))(x.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, gradient(x), rtol=1e-2, atol=1e-3 * np.max(np.abs(narrow)))
