"""Matrix products.

NumPy's ``dot``, ``tensordot``, ``einsum`` and their kin are composed of ``matmul``; a product with
a constant that is mostly zeros becomes a ``sparse_matmul``.
"""

import functools

import numpy as np

from .base import Linear, Primitive, add_tangents, broadcast, require_float, same_dtype
from .elementwise import multiply
from .reduction import sum_
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
    """A constant matrix by its nonzero elements, row by row.

    Attributes
    ----------
    shape : tuple of int
    rows, columns : numpy.ndarray
        int64: of each element, rows upwards, and columns upwards in each row.
    values : numpy.ndarray
    """

    def __init__(self, shape, rows, columns, values):
        self.shape, self.rows, self.columns, self.values = shape, rows, columns, values
        self._key = (shape, values.dtype.str, *(a.tobytes() for a in (rows, columns, values)))

    @classmethod
    def checked(cls, shape, rows, columns, values):
        """That of arrays from elsewhere.

        Raises
        ------
        ValueError
            If they are none.
        """
        m, k = shape
        arrays = (rows, columns, values)
        if not (type(m) is type(k) is int and {a.shape for a in arrays} == {(values.size,)}):
            raise ValueError("a sparse matrix needs as many rows and columns as elements")
        if rows.dtype != np.int64 or columns.dtype != np.int64 or values.dtype.kind != "f":
            raise ValueError("a sparse matrix needs places of int64 and floating point elements")
        if ((rows < 0) | (rows >= m) | (columns < 0) | (columns >= k)).any():
            raise ValueError("an element of a sparse matrix is outside of it")
        if (np.diff(rows) < 0).any() or (np.diff(columns)[np.diff(rows) == 0] <= 0).any():
            raise ValueError("the elements of a sparse matrix are out of order")
        return cls(shape, *arrays)

    @classmethod
    def of(cls, matrix):
        """Those of a dense matrix."""
        rows, columns = np.nonzero(matrix)
        return cls(matrix.shape, rows, columns, matrix[rows, columns])

    def dense(self):
        """The matrix with its zeros."""
        result = np.zeros(self.shape, self.values.dtype)
        result[self.rows, self.columns] = self.values
        return result

    @functools.cached_property
    def transposed(self):
        """The transpose."""
        order = np.lexsort((self.rows, self.columns))
        return SparseMatrix(
            self.shape[::-1], self.columns[order], self.rows[order], self.values[order]
        )

    @functools.cached_property
    def negated(self):
        """The matrix times -1."""
        return SparseMatrix(self.shape, self.rows, self.columns, -self.values)

    def with_ones(self):
        """The matrix with a last column of ones."""
        m, k = self.shape
        rows = np.concatenate([self.rows, np.arange(m)])
        order = np.argsort(rows, kind="stable")
        columns = np.concatenate([self.columns, np.full(m, k)])
        values = np.concatenate([self.values, np.ones(m, self.values.dtype)])
        return SparseMatrix((m, k + 1), rows[order], columns[order], values[order])

    def columns_taken(self, start, stop):
        """Some of the columns, side by side."""
        kept = (self.columns >= start) & (self.columns < stop)
        shape = (self.shape[0], stop - start)
        return SparseMatrix(shape, self.rows[kept], self.columns[kept] - start, self.values[kept])

    def taken(self, start, stop, step):
        """Some of the rows."""
        count = len(range(start, stop, step))
        rows, rest = np.divmod(self.rows - start, step)
        kept = (rest == 0) & (rows >= 0) & (rows < count)
        return SparseMatrix(
            (count, self.shape[1]), rows[kept], self.columns[kept], self.values[kept]
        )

    def pattern(self):
        """The elements as ``csrc/src/sparse.h`` wants them: begins and ends of rows, columns."""
        lengths = np.bincount(self.rows, minlength=self.shape[0])
        ends = np.cumsum(lengths)
        return np.concatenate([ends - lengths, ends, self.columns]).astype(np.int64)

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


class WeightedSparseMatmul(Primitive):
    """y[i, ...] = sum over t of s_t[i] (A_t x)[i, ...], of sparse matrices A_t of one shape.

    Operands: x, then each s_t, of one axis. The elements of the matrices are weighted and added
    up first, so that an element at the same place in several is multiplied once. Made in
    derivatives alone: where weights are not finite, NaN may come from zeros of the matrices.
    """

    name = "weighted_sparse_matmul"

    def infer(self, x, *weights, matrices):
        require_float(self.name, x)
        same_dtype(self.name, x, *weights)
        (shape,) = {matrix.shape for matrix in matrices}
        if x.shape[0] != shape[1] or any(w.shape != shape[:1] for w in weights):
            raise ValueError(f"{self.name}: the shapes of operands and matrices do not fit")
        return (shape[0], *x.shape[1:]), x.dtype

    def evaluate(self, x, *weights, matrices):
        if x.size > 4096:
            return None
        total = sum(w[:, None] * a.dense() for w, a in zip(weights, matrices, strict=True))
        return np.tensordot(total, x, 1).astype(x.dtype)

    def jvp(self, tangents, operands, outputs, *, matrices):
        x, *weights = operands
        dx, *changes = tangents
        terms = [weighted_sparse_matmul(dx, *weights, matrices=matrices)] if dx is not None else []
        for change, matrix in zip(changes, matrices, strict=True):
            if change is not None:
                terms.append(_weighted(change, sparse_matmul(x, matrix=matrix)))
        return [add_tangents(*terms)]

    def vjp(self, cotangents, operands, outputs, wanted, *, matrices):
        (x, *weights), (ct,) = operands, cotangents
        result = [None] * len(operands)
        if wanted[0]:
            result[0] = add_tangents(
                *[
                    sparse_matmul(_weighted(w, ct), matrix=matrix.transposed)
                    for w, matrix in zip(weights, matrices, strict=True)
                ]
            )
        for t, matrix in enumerate(matrices):
            if wanted[t + 1]:
                each = multiply(ct, sparse_matmul(x, matrix=matrix))
                result[t + 1] = sum_(each, axes=tuple(range(1, each.ndim)))
        return result

    def batch(self, operands, batched, size, *, matrices):
        x, *weights = operands
        if batched[0] and not any(batched[1:]):
            last = transpose(x, axes=(*range(1, x.ndim), 0))
            y = weighted_sparse_matmul(last, *weights, matrices=matrices)
            return [transpose(y, axes=(x.ndim - 1, *range(x.ndim - 1)))]
        terms = []
        for w, has_batch, matrix in zip(weights, batched[1:], matrices, strict=True):
            if batched[0]:
                (y,) = sparse_matmul.batch([x], [True], size, matrix=matrix)
            else:
                y = broadcast(
                    sparse_matmul(x, matrix=matrix), (size, matrix.shape[0], *x.shape[1:])
                )
            w = w if has_batch else broadcast(w, (size, *w.shape))
            terms.append(multiply(y, reshape(w, shape=w.shape + (1,) * (y.ndim - 2))))
        return [add_tangents(*terms)]

    def lower(self, lowering, node):
        lowering.weighted_sparse_matmul(node)


def _weighted(weight, y):
    return multiply(y, reshape(weight, shape=weight.shape + (1,) * (y.ndim - 1)))


def common_rows(matrices):
    """Matrices on the union of their places, rows filled up to the longest.

    Returns
    -------
    pattern : numpy.ndarray
        As :meth:`SparseMatrix.pattern`, rows beginning at equal distances.
    values : list of numpy.ndarray
        Of each matrix, ``(m, longest row)``.
    """
    m, k = matrices[0].shape
    keys = [matrix.rows * k + matrix.columns for matrix in matrices]
    union = np.unique(np.concatenate(keys))
    rows, columns = np.divmod(union, k)
    lengths = np.bincount(rows, minlength=m)
    width = int(lengths.max(initial=1))
    at = rows * width + np.arange(union.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    padded = np.zeros(m * width, np.int64)
    padded[at] = columns
    values = []
    for matrix, key in zip(matrices, keys, strict=True):
        own = np.zeros(m * width, matrix.values.dtype)
        own[at[np.searchsorted(union, key)]] = matrix.values
        values.append(own.reshape(m, width))
    begins = np.arange(m) * width
    return np.concatenate([begins, begins + lengths, padded]), values


matmul, sparse_matmul = Matmul(), SparseMatmul()
weighted_sparse_matmul = WeightedSparseMatmul()
