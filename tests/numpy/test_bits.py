"""Exponents, spacings, divisors and bits, and the methods of ufuncs."""

import functools

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp

rng = np.random.default_rng(8)
X = rng.normal(size=(3, 4))
LONG = rng.normal(size=(40, 2))
INTS = rng.integers(-40, 90, (3, 4))
AWKWARD = np.array(
    [0.0, -0.0, 1, -1, 0.5, 2, 3, 1e308, 5e-324, -3e-310, 2**-1022, np.inf, -np.inf, np.nan, 1e-300]
)
MAX = np.finfo(np.float64).max


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exponents(dtype):
    with np.errstate(all="ignore"):
        x = np.concatenate([AWKWARD, X.ravel() * 1e30, [MAX, np.nextafter(1, 0)]]).astype(dtype)
    same(lambda a: np.frexp(a), x, rtol=0)
    same(lambda a: np.spacing(a), x, rtol=0)
    for e in (0, 1, -1, -1021, -1073, 1023, 1500, -1500, -2100, 60):
        same(lambda a, e=e: np.ldexp(a, e), x, rtol=0)
    same(lambda a: np.modf(a)[1], x, rtol=0)
    same(lambda a: (np.isposinf(a), np.isneginf(a), np.fix(a)), x, rtol=0)


@pytest.mark.parametrize("dtype", "int8 uint8 int16 uint16 int32 uint32 int64 uint64".split())
def test_integers(dtype):
    info = np.iinfo(dtype)
    extremes = np.array([0, info.max, info.min, 12], dtype)
    a = np.concatenate([INTS.astype(dtype).ravel(), extremes])
    b = np.concatenate([INTS[::-1].astype(dtype).ravel(), extremes[[0, 3, 3, 1]]])
    with np.errstate(all="ignore"):
        same(lambda a, b: (np.gcd(a, b), np.lcm(a, b)), a, b)
    same(lambda a: (np.bitwise_count(a), np.packbits(a), np.packbits(a, 0, "little")), a)
    with pytest.raises(TypeError):
        bp.compile(lambda a: np.gcd(a, 2.5))(a)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16"])
def test_rounding_of_integers(dtype):
    x = (INTS % 100).astype(dtype)
    same(lambda a: (np.round(a, -1), np.round(a, -2), np.round(a, 1), np.around(a)), x)


def test_bits():
    x = rng.integers(0, 256, (3, 5)).astype(np.uint8)
    same(lambda a: (np.unpackbits(a), np.unpackbits(a, 0), np.unpackbits(a, 1, 13)), x)
    same(lambda a: (np.unpackbits(a, 1, -3, "little"), np.unpackbits(a, 1, 50)), x)
    same(lambda a: (np.packbits(a > 99, 1), np.packbits(a > 99, 0, "little")), x)
    same(lambda a: np.bitwise_count(a > 9), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: np.frexp(a)[0] * np.frexp(a)[1],
        lambda a: np.ldexp(a**2, INTS % 5 - 2),
        lambda a: np.modf(a * 3)[0],
    ],
)
def test_derivatives_of_parts(function):
    differentiable(function, X)


# ---- methods of ufuncs --------------------------------------------------------------------------

SEGMENTS = np.array([0, 2, 1, 2])
FLOATS = ("add multiply maximum minimum fmax fmin logaddexp logaddexp2 hypot subtract divide "
          "logical_and logical_or logical_xor arctan2 power copysign").split()  # fmt: skip
WHOLE = ("add multiply maximum minimum bitwise_and bitwise_or bitwise_xor gcd lcm subtract "
         "logical_and logical_xor floor_divide").split()  # fmt: skip


def _methods(name):
    ufunc = getattr(np, name)

    def along_rows(a, **options):
        if isinstance(a, np.ndarray) and name in ("arctan2", "power"):
            # NumPy 2.4 gets these wrong along the last axis on AVX-512.
            y = functools.reduce(ufunc, [a[:, i] for i in range(a.shape[1])])
            return y[:, None] if options else y
        return ufunc.reduce(a, axis=1, **options)

    def apply(a):
        result = [
            ufunc.reduce(a), along_rows(a), along_rows(a, keepdims=True),
            ufunc.accumulate(a, 1), ufunc.outer(a[0], a[1, :2]),
            ufunc.reduceat(a, SEGMENTS, 1),
        ]  # fmt: skip
        if name in ("add", "multiply", "logaddexp", "maximum", "bitwise_or", "hypot"):
            result.append(ufunc.reduce(a, None))
            result.append(ufunc.reduce(a, 1, initial=2, where=INTS[:, : a.shape[1]] > 9))
        return result

    return apply


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("x", [np.abs(X), np.abs(X).astype(np.float32)], ids=["f8", "f4"])
def test_methods_of_floats(name, x):
    same(_methods(name), x)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("x", [INTS + 41, (INTS + 41).astype(np.uint8)], ids=["i8", "u1"])
def test_methods_of_integers(name, x):
    same(_methods(name), x)


@pytest.mark.parametrize("name", ["logaddexp", "maximum", "hypot", "fmax", "subtract", "multiply"])
def test_methods_over_a_long_axis(name):
    ufunc = getattr(np, name)
    same(lambda a: (ufunc.reduce(a), ufunc.accumulate(a)), LONG, rtol=1e-11)
    differentiable(lambda a: ufunc.accumulate(a), LONG[:20])
    differentiable(lambda a: ufunc.reduce(a, 0), LONG[:20])


@pytest.mark.parametrize("name", ["add", "multiply", "minimum", "logaddexp"])
def test_derivatives_of_methods(name):
    ufunc = getattr(np, name)
    differentiable(lambda a: (ufunc.reduce(a), ufunc.accumulate(a, 1), ufunc.outer(a[0], a[1]),
                              ufunc.reduceat(a, SEGMENTS, 1)), X)  # fmt: skip


def test_empty_reductions():
    x = np.ones((0, 3))
    same(lambda a: (np.logaddexp.reduce(a), np.hypot.reduce(a), np.add.reduce(a, 1)), x)
    same(lambda a: np.bitwise_and.reduce(a), x.astype(np.int64))
    for name in ("maximum", "fmax", "arctan2"):
        with pytest.raises(ValueError, match="identity"):
            bp.compile(lambda a, name=name: getattr(np, name).reduce(a))(x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda a: np.add(a, a, where=a > 0), "where="),
        (lambda a: np.add.reduceat(a, np.argmax(a, 1)), "reduceat"),
    ],
)
def test_refusals(function, words):
    with pytest.raises((bp.errors.UnsupportedError, bp.errors.ControlFlowError), match=words):
        bp.compile(function)(X)


def test_bad_segments():
    with pytest.raises(IndexError):
        bp.compile(lambda a: np.add.reduceat(a, [0, 9]))(X)
    with pytest.raises(ValueError, match="reorderable"):
        bp.compile(lambda a: np.subtract.reduce(a, (0, 1)))(X)


def test_many_segments():
    """More segments than anybody would write out, of few lengths and of many."""
    x = np.random.default_rng(1).normal(size=6000)
    even = np.arange(0, 6000, 2)
    uneven = np.cumsum(np.arange(100))
    for places in (even, uneven, np.append(even, [7, 3])):
        for ufunc in (np.multiply, np.maximum, np.logaddexp, np.subtract):
            same(lambda a, u=ufunc, p=places: u.reduceat(a, p), x)
    same(lambda a: np.multiply.reduceat(a, np.zeros(0, int)), x)
