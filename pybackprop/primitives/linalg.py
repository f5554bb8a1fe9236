"""Matrix products.

NumPy's ``dot``, ``tensordot``, ``einsum`` and their kin are composed of this one primitive.
"""

import numpy as np

from .base import Primitive, add_tangents, broadcast, require_float, same_dtype
from .shaping import reshape


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


matmul = Matmul()
