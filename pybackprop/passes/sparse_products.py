"""Products with constant matrices that are mostly zeros, by their nonzero elements."""

import numpy as np

from ..graph import CONSTANT, element_count
from ..primitives import shaping
from ..primitives.linalg import SparseMatrix, sparse_matmul

# Elements of a constant that are looked at first, and the share of nonzero ones that is too much.
_SAMPLE, _TOO_DENSE = 2048, 0.4

# How many times the dense product must cost more, and what it must cost at least, in cycles.
_WORTHWHILE, _LEAST = 1.5, 300


def sparse_product(a, b, transpose_a, transpose_b):
    """op(a) op(b) of 2-d values, or of a repeated matrix with a stack; None if it stays dense.

    Parameters
    ----------
    a, b : Value
    transpose_a, transpose_b : bool

    Returns
    -------
    Value or None
    """
    constant = _constant(a)
    if constant is not None:
        n = b.shape[-2] if transpose_b else b.shape[-1]
        stack = element_count(b.shape[:-2])
        matrix = _sparse(constant.T if transpose_a else constant, n, stack)
        if matrix is not None:
            axes = (b.ndim - 1 if transpose_b else b.ndim - 2, *range(b.ndim - 2))
            axes += (b.ndim - 2 if transpose_b else b.ndim - 1,)
            y = sparse_matmul(shaping.transpose(b, axes=axes), matrix=matrix)
            return shaping.transpose(y, axes=(*range(1, b.ndim - 1), 0, b.ndim - 1))
    constant = _constant(b)
    if constant is not None and a.size == a.shape[-1 - transpose_a] and a.ndim == 2:
        # A row times a matrix.
        matrix = _sparse(constant if transpose_b else constant.T, 1, 1)
        if matrix is not None:
            y = sparse_matmul(shaping.reshape(a, shape=(a.size, 1)), matrix=matrix)
            return shaping.reshape(y, shape=(1, y.shape[0]))
    return None


def _constant(value):
    """The matrix that a value is known to hold, repeated or not; None otherwise."""
    node = value.node
    if node.primitive is shaping.broadcast_to:
        node = node.operands[0].node
    if node.primitive is not CONSTANT:
        return None
    array = node.attributes["value"]
    return array if array.ndim == 2 and array.dtype.kind == "f" else None


def _sparse(array, n, stack):
    """The matrix by its elements, if a stack of products with n columns costs clearly less."""
    m, k = array.shape
    # Measured: a vector of multiply-adds takes half a cycle where both factors are in cache, a
    # dot product less; an element at a place that is looked up takes 2, a row of them 4 more.
    vectors = -(-n // 8)
    dense = stack * m * k * (vectors / 2 if n > 1 else 0.2)
    if dense < _LEAST:
        return None
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    sample = flat[:: -(-flat.size // _SAMPLE)]
    if np.count_nonzero(sample) > _TOO_DENSE * sample.size:
        return None
    vectors = -(-n * stack // 8)
    moved = (m + k) * n * stack if stack > 1 else k * vectors
    sparse = np.count_nonzero(array) * max(2, vectors) + 4 * m + moved
    if _WORTHWHILE * sparse > dense or not np.isfinite(array).all():
        return None
    return SparseMatrix.of(array)
