"""Elementary functions of complex values, on planes: real and imaginary parts.

The formulas are those that keep their accuracy near cancellations and, where that is cheap, the
values of C99's Annex G at infinities and signed zeros, as NumPy has them. They run after
differentiation, so nothing here is ever differentiated.

References
----------
Kahan, W. (1987). Branch cuts for complex elementary functions, or much ado about nothing's sign
bit. In: The State of the Art in Numerical Analysis, 165-211. Clarendon Press.
Smith, R. L. (1962). Algorithm 116: Complex division. Communications of the ACM 5(8), 435.
Dekker, T. J. (1971). A floating-point technique for extending the available precision. Numerische
Mathematik 18, 224-242.
"""

import math

import numpy as np

from ..graph import current_graph
from ..primitives import elementwise as e
from ..primitives.base import constant, constant_value, real_dtype, zeros

RULES = {}


class Planes:
    """A complex value: its real and imaginary planes, of which None is +0 everywhere.

    Attributes
    ----------
    re, im : Value or None
    shape : tuple of int or None
        None on the way through a rule, whose operations broadcast.
    dtype : numpy.dtype
        Complex.
    """

    __slots__ = ("dtype", "im", "re", "shape")

    def __init__(self, re, im, shape, dtype):
        self.re, self.im = re, im
        self.shape, self.dtype = shape, dtype

    def real(self):
        """The real plane as a value."""
        return self._zeros() if self.re is None else self.re

    def imag(self):
        """The imaginary plane as a value."""
        return self._zeros() if self.im is None else self.im

    def _zeros(self):
        return zeros(self.shape or (), real_dtype(self.dtype))

    def both(self):
        """Both planes as values."""
        return [self.real(), self.imag()]


def _rule(*primitives):
    def register(function):
        for primitive in primitives:
            RULES[primitive] = function
        return function

    return register


def _made(like, re, im):
    return Planes(re, im, None, like.dtype)


def _number(x, like):
    return constant(x, like.dtype)


# ---- real arithmetic with None for zero ---------------------------------------------------------


def plus(a, b):
    """The sum, a + b."""
    return b if a is None else a if b is None else e.add(a, b)


def minus(a, b):
    """The difference, a - b."""
    return a if b is None else e.negative(b) if a is None else e.subtract(a, b)


def times(a, b):
    """The product, a b."""
    return None if a is None or b is None else e.multiply(a, b)


def _negated(a):
    return None if a is None else e.negative(a)


def _half(a):
    return e.multiply(a, _number(0.5, a))


def _choose(condition, a, b):
    return e.select(condition, a, b)


def in_values():
    """Whether values of the function itself are computed, and not its derivatives."""
    return current_graph().reverse_start is None


# ---- arithmetic ---------------------------------------------------------------------------------


@_rule(e.add)
def add(a, b):
    """The sum, a + b."""
    return _made(a, _total(plus, a.re, b.re), _total(plus, a.im, b.im))


def _total(combine, a, b):
    """A plane of a sum or difference. A zero counts: 0 - 0 is not -0, nor is -0 + 0.

    Square roots and logarithms tell by the sign of a zero on which side of their cut they are. Of
    derivatives that does not matter.
    """
    if in_values() and (a is None) != (b is None):
        a = constant(0, b.dtype) if a is None else a
        b = constant(0, a.dtype) if b is None else b
    return combine(a, b)


@_rule(e.subtract)
def subtract(a, b):
    """The difference, a - b."""
    return _made(a, _total(minus, a.re, b.re), _total(minus, a.im, b.im))


@_rule(e.negative)
def negative(z):
    """-z. In values, the negative of a zero plane is -0, which branch cuts can tell."""
    if not in_values():
        return _made(z, _negated(z.re), _negated(z.im))
    return _made(z, *[e.negative(p) for p in z.both()])


@_rule(e.conj)
def _conj(z):
    return _made(z, z.re, _negated(z.imag() if in_values() else z.im))


@_rule(e.multiply)
def multiply(a, b):
    """The product, a b."""
    first, last = times(a.re, b.re), times(a.im, b.im)
    im = plus(times(a.re, b.im), times(a.im, b.re))
    if in_values():
        # NumPy adds the products of zero planes as well, so that no -0 is left.
        if first is None and last is not None:
            first = _number(0, last)
        if im is not None and (a.im is None) != (b.im is None):
            im = e.add(im, _zero_like(a.re if b.im is None else b.re, im))
    return _made(a, minus(first, last), im)


def _zero_like(x, like):
    """What the product of a plane and +0 is, x * 0: zeros with its signs; no NaN of infinities."""
    zero = _number(0, like)
    return zero if x is None else e.copysign(zero, x)


@_rule(e.mulz)
def _mulz(a, b):
    zero, y = _is_zero(a), multiply(a, b)
    planes = [None if p is None else _choose(zero, _number(0, p), p) for p in (y.re, y.im)]
    return _made(a, *planes)


def _is_zero(z):
    parts = [e.equal(p, _number(0, p)) for p in (z.re, z.im) if p is not None]
    if not parts:
        return constant(True, np.bool_)
    return parts[0] if len(parts) == 1 else e.logical_and(*parts)


@_rule(e.square)
def square(z):
    """z**2."""
    x, y = z.re, z.im
    if x is None or y is None:
        return _made(z, e.square(x) if y is None and x is not None else _negated(times(y, y)), None)
    xy = e.multiply(x, y)
    return _made(z, e.multiply(e.subtract(x, y), e.add(x, y)), e.add(xy, xy))


@_rule(e.divide)
def divide(a, b):
    """The quotient a / b by Smith's method: no overflow where the quotient has none."""
    if b.im is None:
        c, im = b.real(), a.im
        if im is not None and in_values():
            # Of (im - re (0 / c)) / c NumPy takes the zero for what it is.
            nothing = _zero_like(a.re, im)
            im = e.subtract(im, e.select(e.less(c, _number(0, c)), e.negative(nothing), nothing))
        return _made(a, *[None if p is None else e.divide(p, c) for p in (a.re, im)])
    upper, ratio, scale = _smith(b)
    x, y = a.re, a.im
    if x is None and y is None:
        x = a.real()
    x_first = _choose(upper, *_pair(x, y))
    y_first = _choose(upper, *_pair(y, x))
    re = e.multiply(e.add(x_first, e.multiply(y_first, ratio)), scale)
    im = e.multiply(e.subtract(y_first, e.multiply(x_first, ratio)), scale)
    return _made(a, re, _choose(upper, im, e.negative(im)))


def _pair(x, y):
    zero = _number(0, x if x is not None else y)
    return (zero if x is None else x), (zero if y is None else y)


def _smith(b):
    c, d = b.both()
    upper = e.less_equal(e.abs_(d), e.abs_(c))
    large, small = _choose(upper, c, d), _choose(upper, d, c)
    zero = _number(0, c)
    nothing = e.equal(large, zero)
    ratio = _choose(nothing, zero, e.divide(small, large))
    total = e.add(large, e.multiply(small, ratio))
    return upper, ratio, e.reciprocal(_choose(nothing, e.abs_(c), total))


@_rule(e.reciprocal)
def _reciprocal(z):
    one = constant(1, real_dtype(z.dtype))
    return divide(Planes(one, None, (), z.dtype), z)


@_rule(e.tanh_back)
def _tanh_back(a, b):
    one = Planes(constant(1, real_dtype(a.dtype)), None, (), a.dtype)
    return multiply(a, multiply(subtract(one, b), add(one, b)))


# ---- parts --------------------------------------------------------------------------------------


@_rule(e.real)
def _real(z):
    return z.real()


@_rule(e.imag)
def _imag(z):
    return z.imag()


@_rule(e.make_complex)
def _make_complex(a, b):
    dtype = np.result_type(a.dtype, np.complex64)

    def plane(x):
        number = constant_value(x)
        return None if number == 0 and not np.signbit(number) else x

    return Planes(plane(a), plane(b), a.shape, dtype)


@_rule(e.abs_)
def absolute(z):
    """|z|, without overflow."""
    if z.re is None or z.im is None:
        return e.abs_(z.imag() if z.re is None else z.re)
    return e.hypot(z.re, z.im)


@_rule(e.sign)
def _sign(z):
    size = absolute(z)
    zero = _number(0, size)
    nothing = e.equal(size, zero)
    divisor = _choose(nothing, _number(1, size), size)
    return _made(z, *[None if p is None else e.divide(p, divisor) for p in (z.re, z.im)])


# ---- comparisons and selections, lexicographic as NumPy's ----------------------------------------


@_rule(e.equal)
def _equal(a, b):
    return e.logical_and(*[e.equal(p, q) for p, q in zip(a.both(), b.both(), strict=True)])


@_rule(e.not_equal)
def _not_equal(a, b):
    return e.logical_or(*[e.not_equal(p, q) for p, q in zip(a.both(), b.both(), strict=True)])


def _ordered(compare):
    def ordered(a, b):
        (x, y), (u, v) = a.both(), b.both()
        valid = e.logical_not(e.logical_or(e.isnan(y), e.isnan(v)))
        before = e.logical_and(e.less(x, u), valid)
        return e.logical_or(before, e.logical_and(e.equal(x, u), compare(y, v)))

    return ordered


_less = RULES[e.less] = _ordered(e.less)
_less_equal = RULES[e.less_equal] = _ordered(e.less_equal)


def _has_nan(z):
    return e.logical_or(*map(e.isnan, z.both()))


@_rule(e.isnan)
def _isnan(z):
    return _has_nan(z)


@_rule(e.isinf)
def _isinf(z):
    return e.logical_or(*map(e.isinf, z.both()))


@_rule(e.isfinite)
def _isfinite(z):
    return e.logical_and(*map(e.isfinite, z.both()))


def _selected(condition, a, b):
    planes = [
        None if p is None and q is None else _choose(condition, *_pair(p, q))
        for p, q in ((a.re, b.re), (a.im, b.im))
    ]
    return _made(a, *planes)


@_rule(e.maximum)
def _maximum(a, b):
    return _selected(e.logical_or(_less_equal(b, a), _has_nan(a)), a, b)


@_rule(e.minimum)
def _minimum(a, b):
    return _selected(e.logical_or(_less_equal(a, b), _has_nan(a)), a, b)


def _gate(beats):
    def gate(flow, b, c):
        wins, ties = e.logical_or(beats(b, c), _has_nan(b)), _equal(b, c)

        def share(p):
            if p is None:
                return None
            return _choose(wins, p, _choose(ties, _half(p), _number(0, p)))

        return _made(flow, share(flow.re), share(flow.im))

    return gate


RULES[e.max_gate] = _gate(lambda b, c: _less(c, b))
RULES[e.min_gate] = _gate(_less)


# ---- exponentials and logarithms ----------------------------------------------------------------


def _polar(size, angle):
    """Planes of size exp(i angle); 0 where the size is 0, whatever the angle."""
    zero = _number(0, angle)
    im = _choose(e.equal(angle, zero), angle, e.mulz(size, e.sin(angle)))
    return e.mulz(size, e.cos(angle)), im


@_rule(e.exp)
def exp(z):
    """e**z."""
    if z.im is None:
        return _made(z, e.exp(z.real()), None)
    if z.re is None:
        return _made(z, e.cos(z.im), e.sin(z.im))
    return _made(z, *_polar(e.exp(z.re), z.im))


@_rule(e.exp2)
def _exp2(z):
    x, y = z.both()
    return _made(z, *_polar(e.exp2(x), e.multiply(y, _number(math.log(2), y))))


@_rule(e.expm1)
def _expm1(z):
    x, y = z.both()
    s = e.sin(_half(y))
    twice = e.multiply(e.add(s, s), s)
    re = e.subtract(e.multiply(e.expm1(x), e.cos(y)), twice)
    return _made(z, re, e.multiply(e.exp(x), e.sin(y)))


def _two_sum(a, b):
    """The sum a + b as a rounded sum and its error (Knuth)."""
    s = e.add(a, b)
    part = e.subtract(s, a)
    return s, e.add(e.subtract(a, e.subtract(s, part)), e.subtract(b, part))


def _two_square(a):
    """a**2 as a rounded product and its error (Dekker)."""
    scaled = e.multiply(a, _number(134217729.0 if a.dtype == np.float64 else 4097.0, a))
    high = e.subtract(scaled, e.subtract(scaled, a))
    low = e.subtract(a, high)
    p = e.multiply(a, a)
    cross = e.multiply(high, low)
    error = e.add(
        e.add(e.subtract(e.multiply(high, high), p), e.add(cross, cross)), e.multiply(low, low)
    )
    return p, error


def _excess(x, y, first):
    """x**2 + y**2 + first, correct to rounding even where the terms cancel."""
    p, p_low = _two_square(x)
    q, q_low = _two_square(y)
    s, error = _two_sum(first, p)
    s, more = _two_sum(s, q)
    return e.add(s, e.add(e.add(error, more), e.add(p_low, q_low)))


def _log_size(x, y):
    """The logarithm of |x + i y|."""
    a, b = e.abs_(x), e.abs_(y)
    a, b = e.maximum(a, b), e.minimum(a, b)
    size = e.hypot(x, y)
    one = _number(1, x)
    close = e.less(e.abs_(e.subtract(size, one)), _number(0.3, x))
    near = _half(e.log1p(_excess(a, b, _number(-1, x))))
    return _choose(close, near, e.log(size))


def _log(z, factor=None):
    x, y = z.both()
    re, im = _log_size(x, y), e.arctan2(y, x)
    if factor is not None:
        re, im = e.multiply(re, _number(factor, re)), e.multiply(im, _number(factor, im))
    return _made(z, re, im)


@_rule(e.log)
def log(z):
    """The logarithm with its cut along the negative real axis."""
    return _log(z)


@_rule(e.log2)
def _log2(z):
    return _log(z, 1 / math.log(2))


@_rule(e.log10)
def _log10(z):
    return _log(z, 1 / math.log(10))


@_rule(e.log1p)
def _log1p(z):
    x, y = z.both()
    shifted = e.add(x, _number(1, x))
    size = e.hypot(shifted, y)
    close = e.less(e.abs_(e.subtract(size, _number(1, x))), _number(0.3, x))
    near = _half(e.log1p(_excess(x, y, e.add(x, x))))
    return _made(z, _choose(close, near, e.log(size)), e.arctan2(y, shifted))


@_rule(e.sqrt)
def sqrt(z):
    """The square root with its cut along the negative real axis."""
    return _made(z, *_sqrt(*z.both()))


def _sqrt(x, y):
    a = e.abs_(x)
    root = e.sqrt(e.add(_half(a), _half(e.hypot(x, y))))
    zero, infinite = _number(0, x), _number(np.inf, x)
    twice = e.add(root, root)
    other = _choose(e.equal(root, zero), e.abs_(y), e.divide(e.abs_(y), twice))
    other = _choose(e.equal(e.abs_(y), infinite), infinite, other)
    right = e.less_equal(zero, x)
    return _choose(right, root, other), e.copysign(_choose(right, other, root), y)


_MOST_PRODUCTS = 64


@_rule(e.power)
def power(a, b):
    """a**b = exp(b log a); products for whole constant exponents."""
    if b.im is None and not b.shape and b.re is not None:
        number = constant_value(b.re)
        if number is not None and abs(number) <= _MOST_PRODUCTS and number == int(number):
            return _whole_power(a, int(number))
    logarithm = log(a)
    y = exp(multiply(b, logarithm))
    # 0 ** 0 is 1, 0 ** b is 0 for Re b > 0, and NaN otherwise.
    x = b.real()
    zero, one, nan = _number(0, x), _number(1, x), _number(np.nan, x)
    nothing, flat = _is_zero(a), _is_zero(b)
    falls = e.less(zero, x)
    re = _choose(nothing, _choose(falls, zero, _choose(flat, one, nan)), y.real())
    im = _choose(nothing, _choose(e.logical_or(falls, flat), zero, nan), y.imag())
    return _made(a, re, im)


def _whole_power(z, exponent):
    one = Planes(constant(1, real_dtype(z.dtype)), None, (), z.dtype)
    result, factor, rest = None, z, abs(exponent)
    while rest:
        if rest & 1:
            result = factor if result is None else multiply(result, factor)
        rest >>= 1
        if rest:
            factor = square(factor)
    if result is None:
        return _made(z, e.add(_number(1, one.re), e.multiply(z.real(), _number(0, one.re))), None)
    return divide(one, result) if exponent < 0 else result


# ---- trigonometric and hyperbolic functions -----------------------------------------------------


def _unless_zero(a, b):
    """The product a b for b >= 1, and a where that is 0, even if b is infinite."""
    return _choose(e.equal(a, _number(0, a)), a, e.multiply(a, b))


def _turned(function):
    """f(z) = -i g(i z)."""

    def turned(z):
        x, y = z.both()
        re, im = function(e.negative(y), x)
        return _made(z, im, e.negative(re))

    return turned


def _straight(function):
    def straight(z):
        return _made(z, *function(*z.both()))

    return straight


def _sinh(x, y):
    return e.multiply(e.sinh(x), e.cos(y)), _unless_zero(e.sin(y), e.cosh(x))


def _cosh(x, y):
    return e.multiply(e.cosh(x), e.cos(y)), e.multiply(e.sinh(x), e.sin(y))


def _tanh(x, y):
    far = e.less(_number(20.0 if x.dtype == np.float64 else 9.0, x), e.abs_(x))
    bounded = _choose(far, _number(0, x), x)
    t, s = e.tan(y), e.sinh(bounded)
    beta = e.add(e.square(t), _number(1, x))
    below = e.add(e.multiply(beta, e.square(s)), _number(1, x))
    re = e.divide(e.multiply(beta, e.multiply(e.cosh(bounded), s)), below)
    im = e.divide(t, below)
    faint = e.exp(e.multiply(e.abs_(x), _number(-2, x)))
    # sin(2 y) has the sign that the imaginary part keeps at infinity.
    far_im = e.mulz(faint, e.multiply(_number(2, x), e.sin(e.add(y, y))))
    return (
        _choose(far, e.copysign(_number(1, x), x), re),
        _choose(far, e.copysign(far_im, e.sin(e.add(y, y))), im),
    )


RULES[e.sinh], RULES[e.sin] = _straight(_sinh), _turned(_sinh)
RULES[e.tanh], RULES[e.tan] = _straight(_tanh), _turned(_tanh)
RULES[e.cosh] = _straight(_cosh)


@_rule(e.cos)
def _cos(z):
    # cos z = cosh i z
    x, y = z.both()
    return _made(z, *_cosh(e.negative(y), x))


def _roots(x, y):
    """The square roots of 1 + z and 1 - z."""
    one = _number(1, x)
    return _sqrt(e.add(one, x), y), _sqrt(e.subtract(one, x), e.negative(y))


def _arcsin(x, y):
    (a, b), (c, d) = _roots(x, y)
    re = e.arctan2(x, e.subtract(e.multiply(a, c), e.multiply(b, d)))
    return re, e.arcsinh(e.subtract(e.multiply(b, c), e.multiply(a, d)))


@_rule(e.arcsin)
def _arcsin_rule(z):
    return _made(z, *_arcsin(*z.both()))


@_rule(e.arcsinh)
def _arcsinh_rule(z):
    # arcsinh z = -i arcsin(i z), written so that signs of zeros survive.
    x, y = z.both()
    re, im = _arcsin(e.negative(y), x)
    return _made(z, im, e.negative(re))


@_rule(e.arccos)
def _arccos(z):
    (a, b), (c, d) = _roots(*z.both())
    angle = e.arctan2(c, a)
    im = e.arcsinh(e.subtract(e.multiply(a, d), e.multiply(b, c)))
    return _made(z, e.add(angle, angle), im)


@_rule(e.arccosh)
def _arccosh(z):
    x, y = z.both()
    one = _number(1, x)
    (a, b), (c, d) = _sqrt(e.subtract(x, one), y), _sqrt(e.add(x, one), y)
    angle = e.arctan2(b, c)
    re = e.arcsinh(e.add(e.multiply(a, c), e.multiply(b, d)))
    return _made(z, re, e.add(angle, angle))


def _arctanh(x, y):
    one = _number(1, x)
    gap = e.subtract(one, x)
    below = e.add(e.square(gap), e.square(y))
    quarter = _number(0.25, x)
    re = e.multiply(quarter, e.log1p(e.divide(e.multiply(x, _number(4, x)), below)))
    # For x < 0 the quotient is near -1: the function is odd.
    mirrored = e.add(e.square(e.add(one, x)), e.square(y))
    left = e.multiply(quarter, e.log1p(e.divide(e.multiply(x, _number(-4, x)), mirrored)))
    re = _choose(e.less(x, _number(0, x)), e.negative(left), re)
    turn = e.subtract(e.multiply(gap, e.add(one, x)), e.square(y))
    return re, _half(e.arctan2(e.add(y, y), turn))


RULES[e.arctanh], RULES[e.arctan] = _straight(_arctanh), _turned(_arctanh)
