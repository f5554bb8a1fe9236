"""SciPy's special functions by their names, and the activations of neural networks.

Also reached from SciPy's ufuncs on traced values (``scipy.special.erf(x)``), by name and
without importing SciPy. ``logsumexp``, ``softmax`` and ``log_softmax`` of SciPy do not dispatch:
use the ones here.

Conventions: ``relu`` has derivative 0 at 0 and lets NaN pass; ``xlogy`` and its kin are 0 where
the first argument is 0, with the derivatives of that 0 where the logarithm is infinite.
"""

import math

from .graph import Value
from .numpy._common import (
    FLOAT64,
    as_value,
    axes_of,
    common_dtype,
    is_number,
    scalar,
    unsupported,
)
from .numpy._eager import surface
from .numpy._shaping import to_shape
from .numpy._ufuncs import UFUNCS
from .primitives import elementwise as ew
from .primitives import reduction
from .primitives.softmax import log_softmax as log_softmax_p
from .primitives.softmax import logsumexp as logsumexp_p
from .primitives.softmax import softmax as softmax_p

__all__ = [
    "entr",
    "erf",
    "erfc",
    "expit",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "xlog1py",
    "xlogy",
]


def _floats(*operands):
    """Operands in the dtype of SciPy's loop: float64 if an array of integers is among them."""
    operands = [x if is_number(x) else as_value(x) for x in operands]
    dtype = common_dtype(*operands)
    if dtype.kind != "f" or any(
        type(x) is Value and x.dtype.kind != "f" and not x.weak for x in operands
    ):
        dtype = FLOAT64
    return [as_value(x, dtype) for x in operands]


def _half(x):
    return scalar(0.5, x.dtype)


@surface()
def erf(x):
    """The error function, see ``scipy.special.erf``."""
    return ew.erf(*_floats(x))


@surface()
def erfc(x):
    """``1 - erf(x)``, accurate for large x, see ``scipy.special.erfc``."""
    return ew.erfc(*_floats(x))


@surface()
def expit(x):
    """The logistic function ``1 / (1 + exp(-x))``, see ``scipy.special.expit``."""
    return ew.sigmoid(*_floats(x))


sigmoid = expit


@surface()
def log_expit(x):
    """``log(expit(x))``, see ``scipy.special.log_expit``."""
    (x,) = _floats(x)
    return ew.negative(ew.softplus(ew.negative(x)))


@surface()
def softplus(x):
    """``log(1 + exp(x))`` without overflow."""
    return ew.softplus(*_floats(x))


@surface()
def relu(x):
    """``max(x, 0)`` with derivative 0 at 0; NaN stays NaN."""
    x = as_value(x)
    if x.dtype.kind == "f":
        return ew.relu(x)
    zero = scalar(0, x.dtype)
    return ew.select(ew.less_equal(x, zero), zero, x)


@surface()
def logit(x):
    """``log(x / (1 - x))``, see ``scipy.special.logit``."""
    (x,) = _floats(x)
    one = scalar(1.0, x.dtype)
    # Near 1/2 the two logarithms cancel; the inverse hyperbolic tangent is exact there.
    centered = ew.subtract(ew.add(x, x), one)
    near = ew.less(ew.abs_(centered), _half(x))
    around = ew.arctanh(ew.select(near, centered, scalar(0.0, x.dtype)))
    far = ew.subtract(ew.log(x), ew.log1p(ew.negative(x)))
    return ew.select(near, ew.add(around, around), far)


@surface(2)
def xlogy(x, y):
    """``x * log(y)``, 0 where x is 0 and y is no NaN, see ``scipy.special.xlogy``."""
    x, y = _floats(x, y)
    zero = scalar(0.0, x.dtype)
    extreme = ew.logical_or(ew.less_equal(y, zero), ew.isinf(y))
    skip = ew.logical_and(ew.equal(x, zero), extreme)
    return ew.multiply(x, ew.log(ew.select(skip, scalar(1.0, x.dtype), y)))


@surface(2)
def xlog1py(x, y):
    """``x * log1p(y)``, 0 where x is 0 and y is no NaN, see ``scipy.special.xlog1py``."""
    x, y = _floats(x, y)
    zero = scalar(0.0, x.dtype)
    extreme = ew.logical_or(ew.less_equal(y, scalar(-1.0, x.dtype)), ew.isinf(y))
    skip = ew.logical_and(ew.equal(x, zero), extreme)
    return ew.multiply(x, ew.log1p(ew.select(skip, zero, y)))


@surface()
def entr(x):
    """``-x log(x)``, 0 at 0 and -inf below, see ``scipy.special.entr``; derivative 0 at 0."""
    (x,) = _floats(x)
    zero = scalar(0.0, x.dtype)
    value = ew.negative(
        ew.multiply(x, ew.log(ew.select(ew.equal(x, zero), scalar(1.0, x.dtype), x)))
    )
    return ew.select(ew.less(x, zero), scalar(-math.inf, x.dtype), value)


@surface()
def ndtr(x):
    """The distribution function of the standard normal, see ``scipy.special.ndtr``."""
    (x,) = _floats(x)
    return ew.multiply(_half(x), ew.erfc(ew.multiply(x, scalar(-math.sqrt(0.5), x.dtype))))


# Coefficients of the asymptotic series of Abramowitz and Stegun (1964), 26.2.12, in 1 / x**2.
_SERIES = (-1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0, 2027025.0)


@surface()
def log_ndtr(x):
    """``log(ndtr(x))``, also where ``ndtr`` underflows, see ``scipy.special.log_ndtr``."""
    (x,) = _floats(x)
    dtype = x.dtype
    scaled = ew.multiply(x, scalar(math.sqrt(0.5), dtype))
    upper = ew.log1p(ew.multiply(scalar(-0.5, dtype), ew.erfc(scaled)))
    middle = ew.log(ew.multiply(_half(x), ew.erfc(ew.negative(scaled))))
    border = scalar(-20.0 if dtype == FLOAT64 else -10.0, dtype)
    tail = ew.less(x, border)
    far = ew.select(tail, x, border)
    inverse = ew.reciprocal(ew.square(far))
    series = scalar(_SERIES[-1], dtype)
    for coefficient in _SERIES[-2::-1]:
        series = ew.add(ew.multiply(series, inverse), scalar(coefficient, dtype))
    lower = ew.subtract(
        ew.log1p(ew.multiply(series, inverse)),
        ew.add(
            ew.add(ew.multiply(_half(x), ew.square(far)), ew.log(ew.negative(far))),
            scalar(0.5 * math.log(2 * math.pi), dtype),
        ),
    )
    body = ew.select(ew.less(x, scalar(0.0, dtype)), middle, upper)
    return ew.select(tail, lower, body)


# ---- along axes ---------------------------------------------------------------------------------


def _shift(x, axes):
    """The finite part of the maximum over axes, kept; no derivative, as it cancels."""
    top = ew.stop_gradient(reduction.max_(x, axes=axes))
    top = ew.select(ew.isfinite(top), top, scalar(0.0, x.dtype))
    return to_shape(top, reduction.kept_shape(x.shape, axes))


@surface(1)
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """Log of the sum of exponentials, see ``scipy.special.logsumexp``.

    Stable; -inf where all elements are -inf, with derivative 0 there.
    """
    (x,) = _floats(a)
    if return_sign:
        unsupported("logsumexp with return_sign is not supported")
    axes = axes_of(axis, x.ndim)
    if b is not None:
        from .primitives.base import broadcast, broadcast_shapes

        (weights,) = _floats(b)
        weights = as_value(weights, x.dtype)
        shape = broadcast_shapes(x.shape, weights.shape)
        x = broadcast(x, shape)
        axes = axes_of(axis, x.ndim)
    if any(x.shape[axis] == 0 for axis in axes):
        from .primitives.base import filled

        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        shape = reduction.kept_shape(x.shape, axes) if keepdims else shape
        return filled(shape, -math.inf, x.dtype)
    if b is None:
        result = logsumexp_p(x, axes=axes)
    else:
        result = _weighted(x, weights, axes)
    return to_shape(result, reduction.kept_shape(x.shape, axes)) if keepdims else result


def _weighted(x, weights, axes):
    shift = _shift(x, axes)
    exponentials = ew.multiply(weights, ew.exp(ew.subtract(x, shift)))
    total = reduction.sum_(exponentials, axes=axes)
    empty = ew.equal(total, scalar(0.0, x.dtype))
    logarithm = ew.select(
        empty,
        scalar(-math.inf, x.dtype),
        ew.log(ew.select(empty, scalar(1.0, x.dtype), total)),
    )
    return ew.add(logarithm, to_shape(shift, total.shape))


@surface()
def softmax(x, axis=None):
    """Exponentials divided by their sum, see ``scipy.special.softmax``."""
    (x,) = _floats(x)
    return _rowwise(softmax_p, x, axis, guarded=False)


@surface()
def log_softmax(x, axis=None):
    """Logarithm of ``softmax``, see ``scipy.special.log_softmax``."""
    (x,) = _floats(x)
    return _rowwise(log_softmax_p, x, axis)


def _rowwise(primitive, x, axis, **attributes):
    axes = axes_of(axis, x.ndim)
    reduction.max_.infer(x, axes=axes)  # raises where there is nothing to reduce
    return primitive(x, axes=axes, **attributes)


for _function in (erf, erfc, expit, log_expit, logit, xlogy, xlog1py, entr, ndtr, log_ndtr):
    UFUNCS[_function.__name__] = _function
