"""Putting elements in order: the permutation that sorts rows, and places in sorted rows.

Both give positions and so have no derivative. Sorted values, medians and quantiles are gathers at
these positions, and their derivatives those of the gather.
"""

import numpy as np

from .base import NotDifferentiable, Primitive, broadcast, same_dtype
from .shaping import reshape

INT64 = np.dtype(np.int64)


class Argsort(NotDifferentiable, Primitive):
    """y[o, :] = the permutation that sorts x[o, :], for x (outer, n).

    Ascending and stable: equal elements keep their order. NaN comes last.
    """

    name = "argsort"

    def infer(self, x):
        if x.ndim != 2:
            raise ValueError("argsort: needs a two-dimensional array")
        return x.shape, INT64

    def evaluate(self, x):
        return np.argsort(x, axis=1, kind="stable").astype(np.int64)

    def batch(self, operands, batched, size):
        (x,) = operands
        _, outer, n = x.shape
        return [reshape(argsort(reshape(x, shape=(size * outer, n))), shape=(size, outer, n))]

    def lower(self, lowering, node):
        lowering.argsort(node)


class Search(NotDifferentiable, Primitive):
    """y[o, k] = how many of rows[o, :] are less than wanted[o, k]; with ``right``, or equal to it.

    rows (outer, n), or (1, n) for all alike, is sorted in ascending order with NaN last; wanted is
    (outer, m).
    """

    name = "search"

    def infer(self, rows, wanted, *, right):
        same_dtype(self.name, rows, wanted)
        if rows.ndim != 2 or wanted.ndim != 2 or rows.shape[0] not in (1, wanted.shape[0]):
            raise ValueError(f"search: shapes {rows.shape} and {wanted.shape} do not fit")
        return wanted.shape, INT64

    def evaluate(self, rows, wanted, *, right):
        rows = np.broadcast_to(rows, (wanted.shape[0], rows.shape[1]))
        found = np.empty(wanted.shape, np.int64)
        for place, row, items in zip(found, rows, wanted, strict=True):
            place[...] = np.searchsorted(row, items, side="right" if right else "left")
        return found

    def batch(self, operands, batched, size, *, right):
        rows, wanted = operands
        if not batched[1]:
            wanted = broadcast(wanted, (size, *wanted.shape))
        _, outer, m = wanted.shape
        if batched[0] or (rows.shape[0] != 1 and outer != 1):
            rows = rows if batched[0] else broadcast(rows, (size, *rows.shape))
            rows = broadcast(rows, (size, outer, rows.shape[-1]))
            rows = reshape(rows, shape=(size * outer, rows.shape[-1]))
        wanted = reshape(wanted, shape=(size * outer, m))
        return [reshape(search(rows, wanted, right=right), shape=(size, outer, m))]

    def lower(self, lowering, node):
        lowering.search(node)


argsort, search = Argsort(), Search()
