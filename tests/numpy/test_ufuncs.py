"""Universal functions: values and dtypes are NumPy's, for every dtype that NumPy takes."""

import warnings

import numpy as np
import pytest
from reference import NEP50, call, compare

import pybackprop.numpy as bnp
from pybackprop.errors import UnsupportedError
from pybackprop.numpy._ufuncs import OPERATIONS

warnings.filterwarnings("ignore", category=RuntimeWarning)
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float32", "float64"]
UNARY = sorted(name for name in OPERATIONS if getattr(np, name).nin == 1)
BINARY = sorted(name for name in OPERATIONS if getattr(np, name).nin == 2)


def sample(dtype, seed=0, shape=(2, 5)):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "u":
        return rng.integers(0, 7, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-6, 7, shape).astype(dtype)
    return (rng.normal(size=shape) * 2).astype(dtype)


def expected_or_error(ufunc, *arrays):
    try:
        with np.errstate(all="ignore"):
            return ufunc(*arrays), None
    except (TypeError, ValueError) as error:
        return None, TypeError if isinstance(error, TypeError) else ValueError


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    x = sample(dtype)
    if name == "reciprocal" and np.dtype(dtype).kind in "iu":
        x[x == 0] = 1
    ufunc = getattr(np, name)
    expected, error = expected_or_error(ufunc, x)
    if error is not None:
        with pytest.raises(error):
            call(ufunc, x)
    elif expected.dtype == np.float16:
        with pytest.raises(UnsupportedError, match="astype"):
            call(ufunc, x)
    else:
        compare(ufunc, x)
        compare(ufunc, x[1:, ::-2])
        compare(ufunc, x[0, 0])


@pytest.mark.parametrize("second", DTYPES)
@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, first, second):
    a, b = sample(first), sample(second, seed=1)
    if name in (
        "floor_divide",
        "remainder",
        "fmod",
        "power",
        "float_power",
        "left_shift",
        "right_shift",
    ):
        b = np.abs(b.astype(float)).astype(second)
        b[b == 0] = 1
    ufunc = getattr(np, name)
    expected, error = expected_or_error(ufunc, a, b)
    if error is not None:
        with pytest.raises(error):
            call(ufunc, a, b)
    elif expected.dtype == np.float16:
        with pytest.raises(UnsupportedError):
            call(ufunc, a, b)
    else:
        compare(ufunc, a, b)


@pytest.mark.parametrize("number", [True, 3, 2.5, np.float32(2.5), np.float64(2.5), np.int8(3)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["add", "multiply", "divide", "less", "maximum", "power"])
def test_scalars(name, dtype, number):
    x, ufunc = sample(dtype), getattr(np, name)
    for function in (lambda a: ufunc(a, number), lambda a: ufunc(number, a)):
        expected, error = expected_or_error(function, x)
        if error is not None:
            with pytest.raises(error):
                call(function, x)
        elif expected.dtype != np.float16:
            compare(function, x)


@pytest.mark.parametrize("shapes", [((3, 1), (4,)), ((), (2,)), ((0,), (1,)), ((2, 1, 3), (4, 1))])
def test_broadcasting(shapes):
    a, b = (sample("float64", i, shape) for i, shape in enumerate(shapes))
    compare(np.add, a, b)
    compare(np.hypot, a, b)
    compare(lambda x, y: x < y, a, b)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="broadcast"):
        call(np.add, np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, -1, -2, 0.5, 1.5, -0.5, 2.0, 3.0])
def test_power_of_constants(exponent):
    x = np.array([-2.0, -0.0, 0.0, 0.5, 1.0, 3.0, np.inf, np.nan])
    compare(lambda a: a**exponent, x)
    compare(lambda a: np.power(a, exponent), x)
    compare(lambda a: float(exponent + 3) ** a, x)
    compare(lambda a: 2**a, x)


def test_integer_powers():
    x = np.arange(-3, 4)
    compare(lambda a: a**3, x)
    compare(lambda a: a**2.0, x)
    with pytest.raises(ValueError, match="negative integer powers"):
        call(lambda a: a**-1, x)


@pytest.mark.skipif(not NEP50, reason="NumPy 1.26 promotes by value")
def test_comparison_with_an_integer_out_of_range():
    x = np.arange(4, dtype=np.uint8)
    for number in (-1, 300):
        compare(lambda a: [a < number, a >= number, a == number, number > a, number <= a], x)
    with pytest.raises(OverflowError):
        call(lambda a: a + 300, x)


def test_awkward_points():
    x = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, 5e-324])
    for name in UNARY:
        if name not in ("invert",):
            ufunc = getattr(np, name)
            if expected_or_error(ufunc, x)[1] is None:
                compare(ufunc, x)
    for name in BINARY:
        ufunc = getattr(np, name)
        if expected_or_error(ufunc, x, x)[1] is None:
            compare(lambda a, b: ufunc(a[:, None], b), x, x)


def test_negative_zero_constants_stay_apart():
    (y,) = call(lambda a: np.copysign(a, -0.0) + np.copysign(a, 0.0), np.array(2.0))
    assert y == 0


def test_dtype_option():
    x = np.arange(3)
    compare(lambda a: np.add(a, 1, dtype=np.float32), x)
    with pytest.raises(TypeError):
        call(lambda a: np.add(a, 1, dtype=np.int64), np.zeros(2))


def test_where_option_is_refused():
    with pytest.raises(UnsupportedError, match=r"np\.where"):
        call(lambda a: np.add(a, 1, where=np.array([True, False])), np.zeros(2))


def test_reduce_accumulate_outer():
    x = sample("float64")
    compare(lambda a: [np.add.reduce(a), np.add.reduce(a, axis=None), np.multiply.reduce(a, 1)], x)
    compare(lambda a: [np.maximum.reduce(a, axis=1), np.logical_and.reduce(a > 0)], x)
    compare(lambda a: [np.add.accumulate(a), np.multiply.accumulate(a, axis=1)], x)
    compare(lambda a: np.subtract.outer(a[0], a[1]), x)


def test_two_outputs():
    x = np.array([-2.5, 3.5])
    compare(lambda a: [*np.divmod(a, 2.0), *divmod(a, 2), *divmod(7.0, a), *np.modf(a)], x)


def test_names_of_the_array_api():
    for name in ("asin", "acosh", "atan2", "pow", "bitwise_left_shift", "bitwise_invert"):
        assert callable(getattr(bnp, name))
