"""SciPy's special functions by their names, and the activations of neural networks.

Also reached from SciPy's ufuncs on traced values (``scipy.special.erf(x)``), by name and
without importing SciPy. ``logsumexp``, ``softmax`` and ``log_softmax`` of SciPy do not dispatch:
use the ones here.

Conventions: ``relu`` has derivative 0 at 0 and lets NaN pass; ``xlogy`` and its kin are 0 where
the first argument is 0, with the derivatives of that 0 where the logarithm is infinite.

Orders of Bessel functions, polygamma and expn are plain whole numbers. Incomplete gamma and beta
functions have derivatives with respect to their parameters as well, to third and second order.
"""

import math

from ._special import bessel, error
from ._special import gamma as gamma_functions
from ._special.bessel import *  # noqa: F403 - as listed there
from ._special.common import floats as _floats
from ._special.error import *  # noqa: F403
from ._special.gamma import *  # noqa: F403
from .numpy._common import as_value, axes_of, scalar
from .numpy._eager import surface
from .numpy._shaping import to_shape
from .numpy._ufuncs import UFUNCS
from .primitives import elementwise as ew
from .primitives import reduction
from .primitives.softmax import log_softmax as log_softmax_p
from .primitives.softmax import logsumexp as logsumexp_p
from .primitives.softmax import softmax as softmax_p

__all__ = [
    *bessel.__all__,
    *error.__all__,
    *gamma_functions.__all__,
    "entr",
    "erf",
    "erfc",
    "expit",
    "log_expit",
    "log_softmax",
    "logit",
    "logsumexp",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "xlog1py",
    "xlogy",
]


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
        return _signed_logsumexp(x, axis, b, keepdims)
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


def _signed_logsumexp(x, axis, b, keepdims):
    """Logarithm of the absolute sum, and its sign."""
    from .primitives.base import broadcast, broadcast_shapes

    if b is not None:
        weights = as_value(_floats(b)[0], x.dtype)
        x = broadcast(x, broadcast_shapes(x.shape, weights.shape))
    axes = axes_of(axis, x.ndim)
    if any(x.shape[axis] == 0 for axis in axes):
        shift = scalar(0.0, x.dtype)
    else:
        shift = _shift(x, axes)
    exponentials = ew.exp(ew.subtract(x, shift))
    if b is not None:
        exponentials = ew.multiply(weights, exponentials)
    total = reduction.sum_(exponentials, axes=axes)
    empty = ew.equal(total, scalar(0.0, x.dtype))
    logarithm = ew.log(ew.abs_(ew.select(empty, scalar(1.0, x.dtype), total)))
    shift = to_shape(shift, total.shape) if shift.shape else shift
    result = ew.select(empty, scalar(-math.inf, x.dtype), ew.add(logarithm, shift))
    sign = ew.sign(total)
    if keepdims:
        shape = reduction.kept_shape(x.shape, axes)
        result, sign = to_shape(result, shape), to_shape(sign, shape)
    return result, sign


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


for _function in (erf, erfc, expit, log_expit, logit, xlogy, xlog1py, entr):
    UFUNCS[_function.__name__] = _function
