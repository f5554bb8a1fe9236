"""NumPy's matrix products on values: matmul, dot, inner, outer, tensordot and their kin."""

import math
import operator

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import linalg, reduction
from ..primitives.base import broadcast, broadcast_shapes, filled, normalize_axis
from ._common import as_value, no_out, promoted, unsupported
from ._eager import surface
from ._shaping import permute, to_shape


def _both(a, b):
    """Two values of one dtype."""
    if type(a) is Value and type(b) is Value and a.dtype is b.dtype:
        return a, b
    return promoted(a, b)


def _untransposed(x):
    """The matrices that ``x`` transposes and True, or ``x`` and False."""
    node = x.node
    if node.primitive.name == "transpose":
        axes = node.attributes["axes"]
        last = len(axes) - 1
        if last >= 1 and axes == (*range(last - 1), last, last - 1):
            return node.operands[0], True
    return x, False


def product(a, b):
    """Matrices of equal leading axes, multiplied; transposes of operands become flags."""
    dtype = a.dtype
    if dtype.kind in "fc":
        a, turned_a = _untransposed(a)
        b, turned_b = _untransposed(b)
        return linalg.matmul(a, b, transpose_a=turned_a, transpose_b=turned_b)
    # Integers and bool: products and their sum (or "and" and "or").
    lead = a.shape[:-2]
    left = to_shape(a, (*a.shape, 1))
    right = to_shape(b, (*lead, 1, *b.shape[-2:]))
    if left.shape[-2] != right.shape[-2]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
    axis = (len(lead) + 1,)
    if dtype.kind == "b":
        both = ew.logical_and(left, right)
        if not a.shape[-1]:
            return filled((*lead, a.shape[-2], b.shape[-1]), False, dtype)
        return reduction.max_(both, axes=axis)
    return reduction.sum_(ew.multiply(left, right), axes=axis)


def conjugated(x):
    """The complex conjugate; a real value as it is."""
    return ew.conj(x) if x.dtype.kind == "c" else x


def inner_sum(a, b):
    """Sum of the products of two vectors."""
    if a.dtype.kind == "b":
        both = ew.logical_and(a, b)
        return reduction.max_(both, axes=(0,)) if both.size else filled((), False, a.dtype)
    return reduction.sum_(ew.multiply(a, b), axes=(0,))


def _fit(a, b, left, right):
    if left != right:
        raise ValueError(
            "matmul: Input operand 1 has a mismatch in its core dimension: "
            f"shapes {a.shape} and {b.shape}, {right} is different from {left}"
        )


def _sparse_matrix(x):
    """The matrix of one of SciPy's sparse arrays; None of anything else."""
    if not type(x).__module__.startswith("scipy.sparse"):
        return None
    elements = x.tocsr(copy=True)
    elements.sum_duplicates()
    counts = np.diff(elements.indptr)
    return linalg.SparseMatrix(
        elements.shape,
        np.repeat(np.arange(elements.shape[0]), counts),
        elements.indices.astype(np.int64),
        elements.data,
    )


def _sparse_product(matrix, x, from_left):
    """A sparse matrix times a value, or a value times it."""
    x = as_value(x)
    dtype = np.result_type(matrix.values.dtype, x.dtype)
    if matrix.values.dtype.kind not in "fiub" or dtype.kind not in "fc":
        unsupported(
            f"products of a sparse array of {matrix.values.dtype} and {x.dtype} are not supported; "
            "use real floating point numbers, e.g. S.astype(float)"
        )
    if not x.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    x = as_value(x, dtype)
    if not from_left:
        matrix = matrix.transposed
    axis = x.ndim - (2 if from_left and x.ndim > 1 else 1)
    _fit(*((matrix, x) if from_left else (x, matrix)), matrix.shape[1], x.shape[axis])
    others = [a for a in range(x.ndim) if a != axis]
    y = linalg.sparse_matmul(permute(x, (axis, *others)), matrix=matrix)
    back = np.argsort([axis, *others])
    return permute(y, tuple(int(a) for a in back))


@surface(2)
def matmul(x1, x2, /, out=None, *, dtype=None, **options):
    """See ``numpy.matmul``.

    One of the factors may be a SciPy sparse array: ``np.matmul(S, x)`` or ``x @ S``. What it does
    not hold counts as zeros, which make NaN of infinities.
    """
    no_out(out)
    if options.get("axes") is not None or options.get("axis") is not None:
        unsupported("axes= of matmul is not supported; use transpose or einsum")
    for factor, other in ((x1, x2), (x2, x1)):
        matrix = None if type(factor) is Value else _sparse_matrix(factor)
        if matrix is not None:
            if dtype is not None:
                unsupported("dtype= with a sparse array is not supported; use S.astype")
            return _sparse_product(matrix, other, factor is x1)
    a, b = _both(x1, x2)
    if dtype is not None:
        a, b = as_value(a, dtype), as_value(b, dtype)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    if a.ndim == 1 and b.ndim == 1:
        _fit(a, b, a.shape[0], b.shape[0])
        return inner_sum(a, b)
    _fit(a, b, a.shape[-1], b.shape[-1 if b.ndim == 1 else -2])
    if b.ndim == 1:
        flat = a if a.ndim == 2 else to_shape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        return to_shape(product(flat, to_shape(b, (b.shape[0], 1))), a.shape[:-1])
    if a.ndim == 1:
        if b.ndim == 2:
            return to_shape(product(to_shape(a, (1, a.shape[0])), b), (b.shape[1],))
        row = broadcast(to_shape(a, (1, a.shape[0])), (*b.shape[:-2], 1, a.shape[0]))
        return to_shape(product(row, b), (*b.shape[:-2], b.shape[-1]))
    if b.ndim == 2:
        if a.ndim == 2:
            return product(a, b)
        rows = to_shape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        return to_shape(product(rows, b), (*a.shape[:-1], b.shape[1]))
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return product(broadcast(a, (*lead, *a.shape[-2:])), broadcast(b, (*lead, *b.shape[-2:])))


@surface(2)
def matvec(x1, x2, /):
    """See ``numpy.matvec``."""
    b = as_value(x2)
    y = matmul.traced(x1, to_shape(b, (*b.shape, 1)))
    return to_shape(y, y.shape[:-1])


@surface(2)
def vecmat(x1, x2, /):
    """See ``numpy.vecmat``."""
    a = conjugated(as_value(x1))
    y = matmul.traced(to_shape(a, (*a.shape[:-1], 1, a.shape[-1])), x2)
    return to_shape(y, (*y.shape[:-2], y.shape[-1]))


@surface(2)
def vecdot(x1, x2, /, *, axis=-1):
    """See ``numpy.vecdot``."""
    a, b = _both(x1, x2)
    y = ew.multiply(conjugated(a), b)
    if axis >= 0:
        raise ValueError("vecdot: axis must be negative in a trace")
    return reduction.sum_(y, axes=(normalize_axis(axis, y.ndim),))


@surface(2)
def dot(a, b, out=None):
    """See ``numpy.dot``."""
    no_out(out)
    a, b = _both(as_value(a), as_value(b))
    if not a.ndim or not b.ndim:
        from ._ufuncs import multiply

        return multiply.traced(a, b)
    if a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        raise ValueError(f"shapes {a.shape} and {b.shape} not aligned")
    if b.ndim <= 2:
        return matmul.traced(a, b)
    return tensordot.traced(a, b, ((a.ndim - 1,), (b.ndim - 2,)))


@surface(2)
def inner(a, b, /):
    """See ``numpy.inner``."""
    a, b = _both(a, b)
    if not a.ndim or not b.ndim:
        from ._ufuncs import multiply

        return multiply.traced(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"shapes {a.shape} and {b.shape} not aligned")
    if a.ndim == 1 and b.ndim == 1:
        return inner_sum(a, b)
    return tensordot.traced(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


@surface(2)
def outer(a, b, out=None):
    """See ``numpy.outer``."""
    from ._ufuncs import multiply

    no_out(out)
    a, b = as_value(a), as_value(b)
    return multiply.traced(to_shape(a, (a.size, 1)), to_shape(b, (b.size,)))


@surface(2)
def vdot(a, b, /):
    """See ``numpy.vdot``."""
    a, b = _both(a, b)
    if a.size != b.size:
        raise ValueError("cannot reshape array: vdot needs arrays of one size")
    return inner_sum(to_shape(conjugated(a), (a.size,)), to_shape(b, (b.size,)))


@surface(2)
def tensordot(a, b, axes=2):
    """See ``numpy.tensordot``."""
    a, b = _both(a, b)
    if isinstance(axes, (tuple, list)):
        left, right = axes
        left = [left] if not isinstance(left, (tuple, list)) else left
        right = [right] if not isinstance(right, (tuple, list)) else right
    else:
        count = operator.index(axes)
        if count < 0 or count > a.ndim or count > b.ndim:
            raise ValueError("tensordot: more axes than the arrays have")
        left, right = range(a.ndim - count, a.ndim), range(count)
    left = [normalize_axis(i, a.ndim) for i in left]
    right = [normalize_axis(i, b.ndim) for i in right]
    if len(left) != len(right) or any(
        a.shape[i] != b.shape[j] for i, j in zip(left, right, strict=True)
    ):
        raise ValueError("shape-mismatch for sum")
    return contract(a, b, left, right)


def contract(a, b, left, right):
    """Sum of products over axes ``left`` of ``a`` and ``right`` of ``b``: one matrix product."""
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    extent = math.prod(a.shape[i] for i in left)
    m = math.prod(a.shape[i] for i in rows)
    n = math.prod(b.shape[i] for i in columns)
    result = (*[a.shape[i] for i in rows], *[b.shape[i] for i in columns])
    first = _as_matrix(a, rows, left, m, extent)
    second = _as_matrix(b, right, columns, extent, n)
    return to_shape(product(first, second), result)


def _as_matrix(x, rows, columns, m, n):
    order = (*rows, *columns)
    if (len(rows) == 1 and len(columns) == 1) or order == tuple(range(x.ndim)):
        return to_shape(permute(x, order), (m, n))
    turned = (*columns, *rows)
    if turned == tuple(range(x.ndim)):
        # The transpose of what lies in memory: the product reads it as it is.
        return permute(to_shape(x, (n, m)), (1, 0))
    return to_shape(permute(x, order), (m, n))


@surface(2)
def kron(a, b):
    """See ``numpy.kron``."""
    from ._ufuncs import multiply

    a, b = as_value(a), as_value(b)
    ndim = a.ndim if a.ndim > b.ndim else b.ndim
    shape_a = (1,) * (ndim - a.ndim) + a.shape
    shape_b = (1,) * (ndim - b.ndim) + b.shape
    spaced_a = to_shape(a, tuple(n for extent in shape_a for n in (extent, 1)))
    spaced_b = to_shape(b, tuple(n for extent in shape_b for n in (1, extent)))
    y = multiply.traced(spaced_a, spaced_b)
    return to_shape(y, tuple(m * n for m, n in zip(shape_a, shape_b, strict=True)))
