"""Functions of how numbers are made: exponents, spacings, divisors and bits."""

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import zeros
from ..primitives.reduction import sum_
from ._common import (
    BOOL,
    FLOAT64,
    INT64,
    UINT64,
    as_value,
    cast,
    no_out,
    one_axis,
    resolve,
    scalar,
    signature,
)
from ._eager import composed, surface
from ._shaping import permute, to_shape
from ._ufuncs import OPERATIONS, UFUNCS, define

_UINT8 = np.dtype(np.uint8)


# ---- exponents ----------------------------------------------------------------------------------


def _power_of_two(exponent, dtype):
    """2 ** exponent, exact, for an int64 exponent from -1074 to 1023."""
    table = as_value(np.ldexp(np.ones(2098), np.arange(-1074, 1024)))
    places = ew.add(exponent, scalar(1074, INT64))
    flat = to_shape(places, (places.size,))
    read = indexing.gather(to_shape(table, (1, 2098, 1)), flat)
    return cast(to_shape(read, exponent.shape), dtype)


def _floating(x, ufunc):
    dtype = resolve(ufunc, (signature(x),))[0]
    return cast(x, np.dtype(np.float32) if dtype.char == "e" else dtype)


def _limited(x, low, high):
    return ew.minimum(ew.maximum(x, scalar(low, INT64)), scalar(high, INT64))


@surface(1)
def frexp(x, /, out=None, **options):
    """See ``numpy.frexp``; the derivative of the mantissa is 2 to minus the exponent."""
    no_out(out)
    x = _floating(as_value(x), np.frexp)
    dtype = x.dtype
    wide = ew.stop_gradient(cast(x, FLOAT64))
    size = ew.abs_(wide)
    usable = ew.logical_and(ew.isfinite(size), ew.not_equal(size, scalar(0, FLOAT64)))
    size = ew.select(usable, size, scalar(1, FLOAT64))
    # Subnormal numbers are made normal first, by an exact factor.
    tiny = ew.less(size, scalar(2.0**-1000, FLOAT64))
    raised = ew.multiply(size, scalar(2.0**60, FLOAT64))
    size = ew.select(tiny, raised, size)
    guess = cast(ew.floor(ew.log2(size)), INT64)
    half = ew.multiply(size, scalar(0.5, FLOAT64))
    mantissa = ew.multiply(half, _power_of_two(_limited(ew.negative(guess), -1074, 1023), FLOAT64))
    one, zero = scalar(1, INT64), scalar(0, INT64)
    high = ew.less_equal(scalar(1, FLOAT64), mantissa)
    low = ew.less(mantissa, scalar(0.5, FLOAT64))
    exponent = ew.add(guess, one)
    exponent = ew.add(exponent, ew.select(high, one, ew.select(low, scalar(-1, INT64), zero)))
    exponent = ew.select(tiny, ew.subtract(exponent, scalar(60, INT64)), exponent)
    exponent = ew.select(usable, exponent, zero)
    scaled = cast(_scaled(cast(x, FLOAT64), ew.negative(exponent)), dtype)
    return ew.select(usable, scaled, x), cast(exponent, np.dtype(np.int32))


def _scaled(x, exponent):
    """``x * 2 ** exponent``, rounded once."""
    exponent = _limited(exponent, -2200, 2200)
    last = _limited(exponent, -1022, 1023)
    first = ew.subtract(exponent, last)
    more = ew.subtract(first, _limited(first, -1022, 1023))
    first = ew.subtract(first, more)
    # The excess goes first, while x is far from where bits are lost.
    for part in (more, first, last):
        x = ew.multiply(x, _power_of_two(part, FLOAT64))
    return x


@surface(2)
def ldexp(x1, x2, /, out=None, **options):
    """See ``numpy.ldexp``; linear in the first operand."""
    no_out(out)
    x, exponent = as_value(x1), as_value(x2)
    if exponent.dtype.kind not in "biu":
        raise TypeError("ufunc 'ldexp' not supported for the input types")
    x = _floating(x, np.frexp)
    return cast(_scaled(cast(x, FLOAT64), cast(exponent, INT64)), x.dtype)


def _spacing(x):
    size, infinity = ew.abs_(x), scalar(np.inf, x.dtype)
    zero = scalar(0, x.dtype)
    gap = ew.subtract(ew.nextafter(size, infinity), size)
    gap = ew.select(ew.isinf(x), scalar(np.nan, x.dtype), gap)
    return ew.stop_gradient(ew.select(ew.less(x, zero), ew.negative(gap), gap))


spacing = define("spacing", _spacing)


def _infinite(sign):
    def infinite(x):
        return ew.equal(x, scalar(sign * np.inf, x.dtype))

    return infinite


def _signed_infinity(name, sign):
    operate = _infinite(sign)

    def function(x, out=None):
        no_out(out)
        value = as_value(x)
        if value.dtype.kind == "f":
            return operate(value)
        from ..primitives.base import filled

        return filled(value.shape, False, BOOL)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See ``numpy.{name}``."
    return composed()(function)


isposinf, isneginf = _signed_infinity("isposinf", 1), _signed_infinity("isneginf", -1)


@composed()
def fix(x, out=None):
    """See ``numpy.fix``: rounding toward zero."""
    no_out(out)
    return OPERATIONS["trunc"](x)


# ---- integers -----------------------------------------------------------------------------------


def _lcm(a, b):
    a, b = ew.abs_(a), ew.abs_(b)
    # Of two zeros the divisor is 0, and so is the quotient.
    return ew.multiply(ew.floor_divide(a, ew.gcd(a, b)), b)


gcd = define("gcd", ints=ew.gcd)
lcm = define("lcm", ints=_lcm)


@surface(1)
def bitwise_count(x, /, out=None, **options):
    """See ``numpy.bitwise_count``: set bits of the absolute value."""
    no_out(out)
    x = as_value(x)
    if x.dtype.kind not in "biu":
        raise TypeError("ufunc 'bitwise_count' not supported for the input types")
    if x.dtype == BOOL:
        return cast(x, _UINT8)
    bits = cast(ew.abs_(x), np.dtype(f"uint{8 * x.dtype.itemsize}"))
    bits = cast(bits, UINT64)

    def mask(number):
        return scalar(number, UINT64)

    # Sums of neighbouring groups of bits: pairs, fours, bytes; then all bytes by one product.
    pairs = ew.logical_and(ew.right_shift(bits, mask(1)), mask(0x5555555555555555))
    bits = ew.subtract(bits, pairs)
    fours = ew.logical_and(ew.right_shift(bits, mask(2)), mask(0x3333333333333333))
    bits = ew.add(ew.logical_and(bits, mask(0x3333333333333333)), fours)
    bits = ew.add(bits, ew.right_shift(bits, mask(4)))
    bits = ew.logical_and(bits, mask(0x0F0F0F0F0F0F0F0F))
    bits = ew.right_shift(ew.multiply(bits, mask(0x0101010101010101)), mask(56))
    return cast(bits, _UINT8)


_WEIGHTS = 2 ** np.arange(8, dtype=np.uint8)


def _bit_order(bitorder):
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    return _WEIGHTS[::-1].copy() if bitorder == "big" else _WEIGHTS


@composed()
def packbits(a, /, axis=None, bitorder="big"):
    """See ``numpy.packbits``."""
    x = as_value(a)
    if x.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    weights = _bit_order(bitorder)
    if axis is None:
        x, axis = to_shape(x, (x.size,)), 0
    axis = one_axis(axis, x.ndim)
    x = permute(x, (*[i for i in range(x.ndim) if i != axis], axis))
    n = x.shape[-1]
    extra = -n % 8
    bits = cast(ew.not_equal(x, scalar(0, x.dtype)) if x.dtype != BOOL else x, _UINT8)
    if extra:
        bits = shaping.concatenate(bits, zeros((*x.shape[:-1], extra), _UINT8), axis=x.ndim - 1)
    bits = to_shape(bits, (*x.shape[:-1], (n + extra) // 8, 8))
    y = sum_(ew.multiply(bits, as_value(weights)), axes=(x.ndim,))
    order = list(range(x.ndim - 1))
    order.insert(axis, x.ndim - 1)
    return permute(y, order)


@composed()
def unpackbits(a, /, axis=None, count=None, bitorder="big"):
    """See ``numpy.unpackbits``."""
    x = as_value(a)
    if x.dtype != _UINT8:
        raise TypeError("Expected an input array of unsigned byte data type")
    weights = _bit_order(bitorder)
    if axis is None:
        x, axis = to_shape(x, (x.size,)), 0
    axis = one_axis(axis, x.ndim)
    x = permute(x, (*[i for i in range(x.ndim) if i != axis], axis))
    shape = x.shape
    bits = ew.logical_and(to_shape(x, (*shape, 1)), as_value(weights))
    bits = cast(ew.not_equal(bits, scalar(0, _UINT8)), _UINT8)
    n = shape[-1] * 8
    y = to_shape(bits, (*shape[:-1], n))
    if count is not None:
        length = count if count >= 0 else n + count
        if length < 0:
            raise ValueError("-count larger than number of elements")
        if length <= n:
            y = shaping.slice_axis(y, y.ndim - 1, 0, length)
        else:
            more = zeros((*shape[:-1], length - n), _UINT8)
            y = shaping.concatenate(y, more, axis=y.ndim - 1)
    order = list(range(x.ndim - 1))
    order.insert(axis, x.ndim - 1)
    return permute(y, order)


for _function in (frexp, ldexp, bitwise_count):
    UFUNCS[_function.__name__] = _function
