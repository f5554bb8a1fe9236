"""Matrix products.

NumPy's ``dot``, ``tensordot``, ``einsum`` and their kin are composed of ``matmul``; a product with
a constant that is mostly zeros becomes a ``sparse_matmul``.
"""

import functools

import numpy as np

from .base import Linear, Primitive, add_tangents, broadcast, require_float, same_dtype
from .shaping import reshape, transpose


class Matmul(Primitive):
    """y = op(a) op(b) for stacks of matrices with equal leading axes.

    Where asked, op transposes the last two axes.

    Partials, for ct of the shape of y: toward op(a): ct op(b)^T; toward op(b): op(a)^T ct.
    """

    name = "matmul"

    def infer(self, a, b, *, transpose_a, transpose_b):
        dtype = same_dtype("matmul", a, b)
        if dtype.kind not in "fc":
            require_float("matmul", a, b)
        m, k = a.shape[-2:]
        k2, n = b.shape[-2:]
        if transpose_a:
            m, k = k, m
        if transpose_b:
            k2, n = n, k2
        if k != k2 or a.shape[:-2] != b.shape[:-2]:
            raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
        return (*a.shape[:-2], m, n), dtype

    def evaluate(self, a, b, *, transpose_a, transpose_b):
        if a.size + b.size > 4096:
            return None
        a = np.swapaxes(a, -1, -2) if transpose_a else a
        b = np.swapaxes(b, -1, -2) if transpose_b else b
        return a @ b

    def jvp(self, tangents, operands, outputs, *, transpose_a, transpose_b):
        (a, b), (da, db) = operands, tangents
        flags = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        return [
            add_tangents(
                matmul(da, b, **flags) if da is not None else None,
                matmul(a, db, **flags) if db is not None else None,
            )
        ]

    def vjp(self, cotangents, operands, outputs, wanted, *, transpose_a, transpose_b):
        (a, b), (ct,) = operands, cotangents
        toward_a = toward_b = None
        if wanted[0]:
            if transpose_a:
                toward_a = matmul(b, ct, transpose_a=transpose_b, transpose_b=True)
            else:
                toward_a = matmul(ct, b, transpose_a=False, transpose_b=not transpose_b)
        if wanted[1]:
            if transpose_b:
                toward_b = matmul(ct, a, transpose_a=True, transpose_b=transpose_a)
            else:
                toward_b = matmul(a, ct, transpose_a=not transpose_a, transpose_b=False)
        return [toward_a, toward_b]

    def batch(self, operands, batched, size, *, transpose_a, transpose_b):
        (a, b), (a_batched, b_batched) = operands, batched
        if a_batched and not b_batched and b.ndim == 2 and not transpose_a:
            # Rows of all the matrices against one matrix: a single product.
            rows = a.shape[1]
            flat = reshape(a, shape=(size * rows, a.shape[2]))
            y = matmul(flat, b, transpose_a=False, transpose_b=transpose_b)
            return [reshape(y, shape=(size, rows, y.shape[1]))]
        if b_batched and not a_batched and a.ndim == 2 and b.ndim == 3 and 1 in b.shape[1:]:
            # One matrix against a vector per batch element: y.T = B.T a.T, a single product.
            vectors = reshape(b, shape=(size, b.shape[1] * b.shape[2]))
            if (b.shape[1] if transpose_b else b.shape[2]) == 1:
                y = matmul(vectors, a, transpose_a=False, transpose_b=not transpose_a)
                return [reshape(y, shape=(size, y.shape[1], 1))]
        a = a if a_batched else broadcast(a, (size, *a.shape))
        b = b if b_batched else broadcast(b, (size, *b.shape))
        return [matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)]

    def lower(self, lowering, node):
        lowering.matmul(node)


class SparseMatrix:
    """A constant matrix by its nonzero elements.

    Attributes
    ----------
    shape : tuple of int
    values : numpy.ndarray
        The elements, row by row.
    pattern : numpy.ndarray
        int64: where each row starts among them, and where the last one ends; then the column of
        each element, upwards in a row.
    """

    def __init__(self, shape, values, pattern):
        self.shape, self.values, self.pattern = shape, values, pattern
        self._key = (shape, values.dtype.str, values.tobytes(), pattern.tobytes())

    @classmethod
    def checked(cls, shape, values, pattern):
        """That of arrays from elsewhere.

        Raises
        ------
        ValueError
            If they are none.
        """
        m, k = shape
        if values.ndim != 1 or pattern.ndim != 1 or pattern.dtype != np.int64:
            raise ValueError("a sparse matrix needs rows of elements and of int64")
        if not (type(m) is type(k) is int and 0 <= m < pattern.size == m + 1 + values.size):
            raise ValueError("the pattern of a sparse matrix has another size")
        starts, columns = pattern[: m + 1], pattern[m + 1 :]
        steps = np.diff(starts)
        if starts[0] != 0 or starts[-1] != values.size or (steps < 0).any():
            raise ValueError("the rows of a sparse matrix do not follow one another")
        inside = np.diff(columns) > 0
        inside[starts[(starts > 0) & (starts < values.size)] - 1] = True
        if not inside.all() or ((columns < 0) | (columns >= k)).any():
            raise ValueError("the columns of a sparse matrix are out of order or range")
        return cls(shape, values, pattern)

    @classmethod
    def of(cls, matrix):
        """Those of a dense matrix."""
        rows, columns = np.nonzero(matrix)
        return cls._of_elements(matrix.shape, rows, columns, matrix[rows, columns])

    @classmethod
    def _of_elements(cls, shape, rows, columns, values):
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
        return cls(shape, values, np.concatenate([starts, columns]).astype(np.int64))

    def dense(self):
        """The matrix with its zeros."""
        m, k = self.shape
        result = np.zeros((m, k), self.values.dtype)
        rows = np.repeat(np.arange(m), np.diff(self.pattern[: m + 1]))
        result[rows, self.pattern[m + 1 :]] = self.values
        return result

    @functools.cached_property
    def transposed(self):
        """The transpose."""
        m, k = self.shape
        rows = np.repeat(np.arange(m), np.diff(self.pattern[: m + 1]))
        columns = self.pattern[m + 1 :]
        order = np.lexsort((rows, columns))
        return self._of_elements((k, m), columns[order], rows[order], self.values[order])

    @functools.cached_property
    def negated(self):
        """The matrix times -1."""
        return SparseMatrix(self.shape, -self.values, self.pattern)

    def __hash__(self):
        return hash(self._key)

    def __eq__(self, other):
        return isinstance(other, SparseMatrix) and self._key == other._key

    def __repr__(self):
        m, k = self.shape
        return f"<{m} x {k}, {self.values.size} nonzero>"


class SparseMatmul(Linear):
    """y[i, ...] = sum over p of A[i, p] x[p, ...], A a :class:`SparseMatrix`.

    A is taken in the dtype of x. As in a dense product a zero of A makes NaN of what is not finite.
    """

    name = "sparse_matmul"

    def infer(self, x, *, matrix):
        require_float("sparse_matmul", x, complexes=True)
        if x.shape[0] != matrix.shape[1]:
            raise ValueError(f"sparse_matmul: shapes {matrix.shape} and {x.shape} do not fit")
        return (matrix.shape[0], *x.shape[1:]), x.dtype

    def evaluate(self, x, *, matrix):
        if x.size > 4096:
            return None
        return np.tensordot(matrix.dense(), x, 1).astype(x.dtype)

    def vjp(self, cotangents, operands, outputs, wanted, *, matrix):
        return [sparse_matmul(cotangents[0], matrix=matrix.transposed)]

    def batch(self, operands, batched, size, *, matrix):
        (x,) = operands
        last = transpose(x, axes=(*range(1, x.ndim), 0))
        y = sparse_matmul(last, matrix=matrix)
        return [transpose(y, axes=(x.ndim - 1, *range(x.ndim - 1)))]

    def lower(self, lowering, node):
        lowering.sparse_matmul(node)


matmul, sparse_matmul = Matmul(), SparseMatmul()
