"""NumPy's ``linalg`` names on values."""

import operator

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction
from ..primitives.base import normalize_axis
from ._common import FLOAT64, as_value, axes_of, cast, scalar
from ._eager import surface
from ._lines import cross as _cross
from ._picking import diagonal as _diagonal
from ._picking import trace as _trace
from ._products import matmul, outer, tensordot, vecdot
from ._shaping import matrix_transpose, permute, to_shape
from ._spectral import (
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lstsq,
    matrix_rank,
    multi_dot,
    pinv,
    qr,
    singular_values_of,
    svd,
    svdvals,
    tensorinv,
    tensorsolve,
)
from ._systems import cholesky, det, floats_or_complex, inv, require_stacked, slogdet, solve

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]


@surface()
def diagonal(x, /, *, offset=0):
    """See ``numpy.linalg.diagonal``."""
    return _diagonal.traced(x, offset, -2, -1)


@surface(2)
def cross(x1, x2, /, *, axis=-1):
    """See ``numpy.linalg.cross``: of vectors of three elements."""
    a, b = as_value(x1), as_value(x2)
    for x in (a, b):
        if not x.ndim or x.shape[normalize_axis(axis, x.ndim)] != 3:
            raise ValueError(
                "Both input arrays must be (arrays of) 3-dimensional vectors, but they have shapes "
                f"{a.shape} and {b.shape}"
            )
    return _cross.traced(a, b, axis=axis)


@surface()
def trace(x, /, *, offset=0, dtype=None):
    """See ``numpy.linalg.trace``."""
    return _trace.traced(x, offset, -2, -1, dtype)


def _euclidean(x, axes):
    """Square root of the sum of squares, with derivative 0 at 0."""
    total = reduction.sum_(ew.square(x), axes=axes)
    zero = scalar(0.0, x.dtype)
    flat = ew.equal(total, zero)
    # The root is taken of 1 where the norm is 0, so that its infinite partial does not appear.
    return ew.select(flat, zero, ew.sqrt(ew.select(flat, scalar(1.0, x.dtype), total)))


def _power_norm(x, order, axes):
    if order == np.inf:
        return reduction.max_(ew.abs_(x), axes=axes)
    if order == -np.inf:
        return reduction.min_(ew.abs_(x), axes=axes)
    if order == 0:
        return reduction.sum_(cast(ew.not_equal(x, scalar(0.0, x.dtype)), x.dtype), axes=axes)
    if order == 1:
        return reduction.sum_(ew.abs_(x), axes=axes)
    if order is None or order == 2:
        return _euclidean(x, axes)
    if not isinstance(order, (int, float, np.number)):
        raise ValueError(f"Invalid norm order {order!r} for vectors")
    raised = ew.power(ew.abs_(x), scalar(float(order), x.dtype))
    return ew.power(reduction.sum_(raised, axes=axes), scalar(1.0 / order, x.dtype))


def _matrix_norm(x, order, axes):
    row, column = axes
    if order is None or order == "fro":
        return _euclidean(x, tuple(sorted(axes)))
    if order in (1, -1, np.inf, -np.inf):
        summed, kept = (row, column) if abs(order) == 1 else (column, row)
        totals = reduction.sum_(ew.abs_(x), axes=(summed,))
        extreme = reduction.max_ if order > 0 else reduction.min_
        return extreme(totals, axes=(kept - (summed < kept),))
    if order in (2, -2, "nuc"):
        rest = [axis for axis in range(x.ndim) if axis not in axes]
        s = singular_values_of(permute(x, (*rest, row, column)))
        reduce = {2: reduction.max_, -2: reduction.min_, "nuc": reduction.sum_}[order]
        return reduce(s, axes=(s.ndim - 1,))
    raise ValueError(f"Invalid norm order {order!r} for matrices")


@surface()
def norm(x, ord=None, axis=None, keepdims=False):
    """See ``numpy.linalg.norm``; the derivative of the 2-norm at 0 is 0."""
    x = as_value(x)
    if x.dtype.kind == "c" and ord not in (2, -2, "nuc"):
        x = ew.abs_(x)  # these norms depend on the sizes of the elements only
    elif x.dtype.kind not in "fc":
        x = cast(x, FLOAT64)
    shape = x.shape
    if axis is None:
        if ord is None:
            axes = tuple(range(x.ndim))
            y = _euclidean(x, axes)
            return to_shape(y, (1,) * x.ndim) if keepdims else y
        if x.ndim not in (1, 2):
            raise ValueError("Improper number of dimensions to norm.")
        axis = tuple(range(x.ndim))
    if isinstance(axis, (tuple, list)):
        axes = tuple(normalize_axis(a, x.ndim) for a in axis)
    else:
        axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        y = _power_norm(ew.abs_(x) if x.dtype.kind == "c" else x, ord, axes)
    elif len(axes) == 2:
        if axes[0] == axes[1]:
            raise ValueError("Duplicate axes given.")
        y = _matrix_norm(x, ord, axes)
    else:
        raise ValueError("Improper number of dimensions to norm.")
    return to_shape(y, reduction.kept_shape(shape, axes)) if keepdims else y


@surface()
def vector_norm(x, /, *, axis=None, ord=2, keepdims=False):
    """See ``numpy.linalg.vector_norm``."""
    x = as_value(x)
    if x.dtype.kind == "c":
        x = ew.abs_(x)  # all these norms depend on the sizes of the elements only
    if x.dtype.kind != "f":
        x = cast(x, FLOAT64)
    axes = axes_of(axis, x.ndim)
    if not axes:
        return ew.abs_(x)
    shape = x.shape
    y = _power_norm(x, ord, axes)
    return to_shape(y, reduction.kept_shape(shape, axes)) if keepdims else y


@surface()
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """See ``numpy.linalg.matrix_norm``."""
    return norm.traced(x, ord, (-2, -1), keepdims)


@surface()
def matrix_power(a, n):
    """See ``numpy.linalg.matrix_power``; of the inverse if n < 0."""
    x = as_value(a)
    require_stacked(x)
    n = operator.index(n)
    if n < 0:
        x, n = inv.traced(x), -n
    if n == 0:
        from ..primitives.base import broadcast, constant

        return broadcast(constant(np.eye(x.shape[-1], dtype=x.dtype)), x.shape)
    result = None
    while n:
        if n & 1:
            result = x if result is None else matmul.traced(result, x)
        n >>= 1
        if n:
            x = matmul.traced(x, x)
    return result


@surface()
def cond(x, p=None):
    """Condition numbers, see ``numpy.linalg.cond``.

    By singular values for p None, 2 and -2; otherwise by the inverse, so that a singular matrix
    raises LinAlgError when run.
    """
    (x,) = floats_or_complex(x)
    require_stacked(x, square=p not in (None, 2, -2))
    if 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p in (None, 2, -2):
        s = singular_values_of(x)
        axes = (s.ndim - 1,)
        low, high = reduction.min_(s, axes=axes), reduction.max_(s, axes=axes)
        return ew.divide(low, high) if p == -2 else ew.divide(high, low)
    return ew.multiply(norm.traced(x, p, (-2, -1)), norm.traced(inv.traced(x), p, (-2, -1)))
