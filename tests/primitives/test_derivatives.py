"""Derivative rules of every primitive: JVP against differences in extended precision, VJP against
JVP, second order.

The differences are taken of NumPy's (or mpmath's) function in longdouble, so they are independent
of every rule and good to about 1e-11.
"""

import numpy as np
import pytest
from samples import SMOOTH

import pybackprop as bp

_rng = np.random.default_rng(3)


def floats(sample):
    return [sample.arrays[i] for i in sample.floating]


def outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


def directions(sample, seed=0):
    rng = np.random.default_rng(seed)
    return [np.array(rng.uniform(-1, 1, a.shape)).astype(a.dtype) for a in floats(sample)]


def differences(sample, primals, tangents, step=1e-6):
    """Derivatives of the outputs along tangents, by Richardson's combination of two central
    differences."""
    h = np.longdouble(step)
    primals = [np.asarray(x, np.longdouble) for x in primals]

    def at(s):
        moved = [
            x + s * np.asarray(t, np.longdouble) for x, t in zip(primals, tangents, strict=True)
        ]
        return outputs(sample.wide(*moved))

    wide = [(u - d) / (2 * h) for u, d in zip(at(h), at(-h), strict=True)]
    twice = [(u - d) / (4 * h) for u, d in zip(at(2 * h), at(-2 * h), strict=True)]
    return [np.asarray((4 * a - b) / 3, float) for a, b in zip(wide, twice, strict=True)]


def close(found, wanted, rtol):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    scale = 1 + np.max(np.abs(wanted), initial=0.0)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("sample", SMOOTH, ids=repr)
def test_first_order(sample):
    primals, tangents = floats(sample), directions(sample)
    _, dot = bp.jvp(sample.of_floats, tuple(primals), tuple(tangents))
    for one, other in zip(outputs(dot), differences(sample, primals, tangents), strict=True):
        close(one, other, 1e-9)
    # v . J u = (J^T v) . u
    result, pullback = bp.vjp(sample.of_floats, *primals)
    cotangents = [np.array(_rng.uniform(-1, 1, np.shape(v))) for v in outputs(result)]
    bars = pullback(tuple(cotangents) if isinstance(result, tuple) else cotangents[0])
    left = sum(np.sum(v * d) for v, d in zip(cotangents, outputs(dot), strict=True))
    right = sum(np.sum(b * t) for b, t in zip(bars, tangents, strict=True))
    close(right, left, 1e-12)
    for bar, primal in zip(bars, primals, strict=True):
        assert bar.shape == primal.shape and bar.dtype == primal.dtype


def weighted(sample):
    """A scalar function of the floating operands in which every output and every slope counts."""
    rng = np.random.default_rng(11)
    weights = {}

    def total(*values):
        result = 0.0
        for k, part in enumerate(outputs(sample.of_floats(*values))):
            if k not in weights:
                weights[k] = np.array(rng.uniform(0.5, 1.5, part.shape))
            result = result + np.sum(part * weights[k].astype(part.dtype))
        return result

    return total


@pytest.mark.parametrize("sample", SMOOTH, ids=repr)
def test_second_order(sample):
    primals, tangents = floats(sample), directions(sample, 1)
    numbers = tuple(range(len(primals)))
    gradient = bp.grad(weighted(sample), argnums=numbers)
    _, forward = bp.jvp(lambda *x: gradient(*x), tuple(primals), tuple(tangents))

    def along(*x):
        return sum(np.sum(g * t) for g, t in zip(gradient(*x), tangents, strict=True))

    reverse = bp.grad(along, argnums=numbers)(*primals)

    def difference(h):
        up = gradient(*[x + h * t for x, t in zip(primals, tangents, strict=True)])
        down = gradient(*[x - h * t for x, t in zip(primals, tangents, strict=True)])
        return [(a - b) / (2 * h) for a, b in zip(up, down, strict=True)]

    for fr, rr, wide, half in zip(
        forward, reverse, difference(2e-4), difference(1e-4), strict=True
    ):
        close(rr, fr, 1e-11)
        close(fr, (4 * half - wide) / 3, 1e-7)


@pytest.mark.parametrize("sample", [s for s in SMOOTH if s.name != "convert"], ids=repr)
def test_float32(sample):
    """Derivatives stay float32 and agree with those in float64."""
    narrow = sample.with_dtype(np.float32)
    numbers = tuple(range(len(sample.floating)))
    wanted = bp.grad(weighted(sample), argnums=numbers)(*floats(sample))
    value, found = bp.value_and_grad(weighted(narrow), argnums=numbers)(*floats(narrow))
    assert value.dtype == np.float32
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float32
        close(one, other, 3e-5)
