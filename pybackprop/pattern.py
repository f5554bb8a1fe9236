"""Which elements each element of a value depends on: the pattern of a Jacobian, from the graph.

A pattern is a boolean ``scipy.sparse.csr_array`` with a row per element of a value and a column per
element that derivatives are wanted by. Every primitive says which elements of an operand each
element of its output reads (:func:`dependence`): as an array of positions, one per output element,
or as a sparse matrix. The pattern of an output is the union, over the operands, of their rows taken
so. What no rule is known for depends on everything, so a pattern may have too many entries but
never too few. Values of one element, of which unrolled loops make many, have a frozenset instead.

References
----------
Griewank, A. and Walther, A. (2008). Evaluating Derivatives, 2nd ed., SIAM, section 7.1 (index
domains).
"""

import numpy as np

from .errors import UnsupportedError
from .graph import CONSTANT, INPUT, element_count
from .primitives import elementwise as e
from .primitives import indexing, linalg, reduction, shaping, softmax
from .primitives.base import is_floating
from .primitives.control import scan

SAME = "same"
_MOST_ENTRIES = 200_000_000
_MOST_KNOWN = 10_000_000
_MOST_STEPS = 5_000


def require_scipy():
    """The module ``scipy.sparse``.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    """
    try:
        from scipy import sparse
    except ImportError as error:
        raise ImportError(
            "sparse derivatives need SciPy: install it with `pip install pybackprop[sparse]`"
        ) from error
    return sparse


# ---- what one node reads ------------------------------------------------------------------------


def element_map(node, position, known):
    """Where the elements of an output come from, for primitives that only move elements.

    Parameters
    ----------
    node : Node
    position : int
        Number of the operand.
    known : dict of Value to array
        Values known while compiling, such as positions of gathers.

    Returns
    -------
    SAME, (n,) int64, or None
        Per element of the output the element of the operand, -1 for none. None if the node does
        more than move.
    """
    rule = _MOVERS.get(node.primitive)
    return rule(node, position, known) if rule is not None else None


def _numbered(value):
    return np.arange(value.size).reshape(value.shape)


def _by_view(view):
    def rule(node, position, known):
        return np.ravel(view(_numbered(node.operands[0]), **node.attributes))

    return rule


def _pad_map(node, position, known):
    # Numbered from one, so that the zeros of padding become -1.
    return shaping.pad.evaluate(_numbered(node.operands[0]) + 1, **node.attributes).ravel() - 1


def _concatenate_map(node, position, known):
    axis, output = node.attributes["axis"], node.outputs[0]
    start = sum(o.shape[axis] for o in node.operands[:position])
    part = node.operands[position]
    result = np.full(output.shape, -1)
    window = (slice(None),) * axis + (slice(start, start + part.shape[axis]),)
    result[window] = _numbered(part)
    return result.ravel()


def _gather_map(node, position, known):
    x, positions = node.operands
    if position != 0:
        return np.full(node.outputs[0].size, -1)
    found = known.get(positions)
    if found is None:
        return None
    outer, _, inner = x.shape
    rows = np.broadcast_to(found, (outer, found.shape[-1]))
    return _linear(x.shape, rows, inner).ravel()


def _linear(shape, rows, inner):
    """Numbers of the elements [o, rows[o, k], i] of an array (outer, n, inner)."""
    outer, extent, _ = shape
    wrong = rows[(rows < -extent) | (rows >= extent)]
    if wrong.size:
        raise IndexError(f"index {wrong.flat[0]} is out of bounds for axis with size {extent}")
    base = np.arange(outer)[:, None] * extent + np.where(rows < 0, rows + extent, rows)
    return base[:, :, None] * inner + np.arange(inner)


def _scatter_set_map(node, position, known):
    x, positions, updates = node.operands
    found = known.get(positions)
    if found is None:
        return None
    result = np.arange(x.size) if position == 0 else np.full(x.size, -1)
    rows = np.broadcast_to(found, updates.shape[:2])
    targets = _linear(x.shape, rows, x.shape[2]).ravel()
    # Of repeated positions the last assignment counts, as in the primitive.
    result[targets] = -1 if position == 0 else np.arange(updates.size)
    return result if position != 1 else np.full(x.size, -1)


def _slice_set_map(node, position, known):
    x, updates = node.operands
    window = tuple(map(slice, *(node.attributes[k] for k in ("starts", "stops", "steps"))))
    result = np.arange(x.size).reshape(x.shape) if position == 0 else np.full(x.shape, -1)
    result[window] = -1 if position == 0 else np.arange(updates.size).reshape(updates.shape)
    return result.ravel()


_MOVERS = {
    shaping.reshape: lambda node, position, known: SAME,
    shaping.transpose: _by_view(lambda x, axes: x.transpose(axes)),
    shaping.broadcast_to: _by_view(lambda x, shape: np.broadcast_to(x, shape)),
    shaping.slice_: _by_view(
        lambda x, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))]
    ),
    shaping.flip: _by_view(lambda x, axes: np.flip(x, axes)),
    shaping.pad: _pad_map,
    shaping.concatenate: _concatenate_map,
    indexing.gather: _gather_map,
    shaping.slice_set: _slice_set_map,
    indexing.scatter_set: _scatter_set_map,
}


def dependence(node, position, known):
    """Which elements of an operand each element of the first output may have a derivative by.

    Returns
    -------
    SAME, (n,) int64, scipy.sparse.csr_array, tuple of these, or None
        As for :func:`element_map`, or a boolean matrix; a tuple is applied from first to last. None
        if nothing is known.
    """
    moved = element_map(node, position, known)
    if moved is not None:
        return moved
    primitive = node.primitive
    if isinstance(primitive, (e.Elementwise, e.Select)):
        return _elementwise(node, position, known)
    if primitive in (e.convert, e.accumulate):
        return SAME
    if isinstance(primitive, reduction.Reduction):
        return grouped(node.operands[0].shape, node.attributes["axes"])
    if isinstance(primitive, reduction.Cumulative):
        return _cumulative(node)
    if primitive in (softmax.softmax, softmax.log_softmax):
        shape, axes = node.operands[0].shape, node.attributes["axes"]
        kept = reduction.kept_shape(shape, axes)
        return grouped(shape, axes), broadcast_map(kept, shape)
    if primitive is linalg.matmul:
        return _matmul(node, position, known)
    if primitive is linalg.sparse_matmul:
        return _sparse_matmul(node)
    if primitive is indexing.gather:
        return _along_axis(node.operands[0].shape, node.outputs[0].shape[1])
    if isinstance(primitive, indexing.Scatter):
        return _scatter(node, position, known)
    return None


def broadcast_map(shape, target):
    """Per element of ``target`` the element of an array of ``shape`` broadcast to it."""
    if shape == target:
        return SAME
    return np.broadcast_to(np.arange(element_count(shape)).reshape(shape), target).ravel()


def _elementwise(node, position, known):
    operand, output = node.operands[position], node.outputs[0]
    if isinstance(node.primitive, e.Gate) and position > 0:
        return np.full(output.size, -1)
    found = broadcast_map(operand.shape, output.shape)
    if node.primitive is e.multiply:
        factor = known.get(node.operands[1 - position])
        if factor is not None and not factor.all():
            zero = np.broadcast_to(factor == 0, output.shape).ravel()
            return np.where(zero, -1, np.arange(output.size) if found is SAME else found)
    return found


def matrix(indices, indptr, shape):
    """A boolean CSR matrix of row starts and column numbers.

    Raises
    ------
    UnsupportedError
        If it has so many entries that no sparse matrix is meant.
    """
    refuse_dense(len(indices))
    sparse = require_scipy()
    return sparse.csr_array((np.ones(len(indices), bool), indices, indptr), shape=shape)


def refuse_dense(entries):
    """Raise if a pattern has more entries than is sensible."""
    if entries > _MOST_ENTRIES:
        raise UnsupportedError(
            f"the Jacobian, or that of an intermediate value, has {entries:,} entries that may not "
            "be zero, which is too many for a sparse one; products with it are cheap: use bp.jvp "
            "and bp.vjp"
        )


def grouped(shape, axes):
    """Which elements of an array of ``shape`` each element of a reduction over ``axes`` reads."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    numbers = np.arange(element_count(shape)).reshape(shape).transpose(*kept, *axes).ravel()
    count = element_count([shape[axis] for axis in kept])
    group = element_count([shape[axis] for axis in axes])
    return matrix(numbers, np.arange(count + 1) * group, (count, numbers.size))


def _cumulative(node):
    shape, axis = node.outputs[0].shape, node.attributes["axis"]
    extent, size = shape[axis], element_count(shape)
    refuse_dense(size * (extent + 1) // 2)
    numbers = np.moveaxis(np.arange(size).reshape(shape), axis, -1)
    numbers = numbers.reshape(size // max(extent, 1), extent)
    if node.attributes["reverse"]:
        numbers = numbers[:, ::-1]
    ends, sources = np.tril_indices(extent)
    rows, columns = numbers[:, ends].ravel(), numbers[:, sources].ravel()
    return from_pairs(rows, columns, (size, size))


def from_pairs(rows, columns, shape):
    """A boolean CSR matrix of the given entries; repeated ones count once."""
    refuse_dense(len(rows))
    sparse = require_scipy()
    return sparse.coo_array((np.ones(len(rows), bool), (rows, columns)), shape=shape).tocsr()


def _along_axis(shape, count):
    """A gather at unknown positions: [o, k, i] reads all of [o, :, i]."""
    outer, _, inner = shape
    repeated = np.arange(outer * inner).reshape(outer, 1, inner)
    return grouped(shape, (1,)), np.broadcast_to(repeated, (outer, count, inner)).ravel()


def _scatter(node, position, known):
    x, positions, updates = node.operands
    if position == 0:
        return SAME
    found = known.get(positions)
    if found is None:
        return _along_axis(updates.shape, x.shape[1])
    targets = _linear(x.shape, np.broadcast_to(found, updates.shape[:2]), x.shape[2]).ravel()
    return from_pairs(targets, np.arange(updates.size), (x.size, updates.size))


def _matmul(node, position, known):
    operand, output = node.operands[position], node.outputs[0]
    *batch, m, n = output.shape
    stacks = element_count(batch)
    flipped = node.attributes["transpose_b" if position else "transpose_a"]
    # The summed axis of this operand, and the matrix of the other with the summed axis first.
    summed = operand.ndim - 2 + (position == flipped)
    other = known.get(node.operands[1 - position])
    if other is not None and 2 * np.count_nonzero(other) < other.size:
        other_flipped = node.attributes["transpose_a" if position else "transpose_b"]
        if position != other_flipped:
            other = np.swapaxes(other, -1, -2)
        return _matmul_sparse(
            operand, output, position, summed, other.reshape(stacks, *other.shape[-2:])
        )
    rows = np.arange(stacks * (n if position else m))
    rows = rows.reshape(stacks, 1, n) if position else rows.reshape(stacks, m, 1)
    return grouped(operand.shape, (summed,)), np.broadcast_to(rows, (stacks, m, n)).ravel()


def _sparse_matmul(node):
    (operand,), (output,) = node.operands, node.outputs
    matrix = node.attributes["matrix"]
    mine = np.arange(operand.size).reshape(operand.shape[0], -1)
    results = np.arange(output.size).reshape(output.shape[0], -1)
    return from_pairs(
        results[matrix.rows].ravel(), mine[matrix.columns].ravel(), (output.size, operand.size)
    )


def _matmul_sparse(operand, output, position, summed, other):
    """A product with a known matrix ``other`` (stacks, k, free) that has many zeros."""
    stacks = other.shape[0]
    m, n = output.shape[-2:]
    mine = np.arange(operand.size).reshape(stacks, *operand.shape[-2:])
    if summed == operand.ndim - 2:
        mine = np.swapaxes(mine, -1, -2)
    results = np.arange(output.size).reshape(stacks, m, n)
    if position:
        results = np.swapaxes(results, -1, -2)
    stack, k, free = np.nonzero(other)
    return from_pairs(
        results[stack, :, free].ravel(), mine[stack, :, k].ravel(), (output.size, operand.size)
    )


# ---- patterns -----------------------------------------------------------------------------------


def patterns(graph, columns, n_columns, known=None):
    """Patterns of the outputs of a graph.

    Parameters
    ----------
    graph : Graph
        Closed.
    columns : dict of Value to int
        The inputs that derivatives are wanted by, and the column of the first element of each.
    n_columns : int
    known : dict of Value to array, optional
        What is known of other values; constants need not be in it.

    Returns
    -------
    list of scipy.sparse.csr_array
        Boolean, (output.size, n_columns).
    """
    return _Propagation(n_columns, known).run(graph, columns)


def note_known(node, known):
    """Add the output of a node to ``known``, if it follows from what is there."""
    if node.primitive is CONSTANT:
        known[node.outputs[0]] = node.attributes["value"]
        return
    if node.primitive is INPUT or node.primitive.multiple or not node.operands:
        return
    if node.outputs[0].size > _MOST_KNOWN or any(o not in known for o in node.operands):
        return
    array = node.primitive.evaluate(*[known[o] for o in node.operands], **node.attributes)
    if array is not None:
        known[node.outputs[0]] = array


def _count_uses(graph):
    """How many nodes that matter read each value; what does not matter is absent."""
    uses = dict.fromkeys(graph.outputs, 1)
    for node in reversed(graph.nodes):
        if any(v in uses for v in node.outputs):
            for operand in set(node.operands):
                uses[operand] = uses.get(operand, 0) + 1
    return uses


class _Propagation:
    """Patterns carried from node to node; those that are no longer needed are dropped."""

    def __init__(self, n_columns, known=None):
        self.n_columns = n_columns
        self.known = dict(known or {})
        self.table = {}

    def run(self, graph, columns):
        uses = _count_uses(graph)
        for node in graph.nodes:
            note_known(node, self.known)
            if not any(v in uses for v in node.outputs):
                continue
            if node.primitive is INPUT:
                value = node.outputs[0]
                if value in columns:
                    self.table[value] = self.identity(value.size, columns[value])
                continue
            self.step(node)
            for operand in set(node.operands):
                uses[operand] -= 1
                if not uses[operand]:
                    self.table.pop(operand, None)
        return [self.as_matrix(self.table.get(v), v.size) for v in graph.outputs]

    def step(self, node):
        """Find the patterns of a node's outputs."""
        if node.primitive is CONSTANT or node.primitive.stops:
            return
        active = [i for i, operand in enumerate(node.operands) if operand in self.table]
        if not active:
            return
        if node.primitive is scan:
            found = self.scan(node)
        elif node.primitive is shaping.concatenate:
            found = [self.concatenate(node)]
        else:
            found = self.plain(node, active)
        for value, pattern in zip(node.outputs, found, strict=True):
            if pattern is not None and is_floating(value):
                self.table[value] = pattern

    # ---- rows ---------------------------------------------------------------------------------

    def identity(self, size, offset):
        if size == 1:
            return frozenset((offset,))
        return matrix(np.arange(offset, offset + size), np.arange(size + 1), (size, self.n_columns))

    def as_matrix(self, pattern, rows):
        """A pattern as a matrix; None has no entries."""
        if pattern is None:
            shape = (rows, self.n_columns)
            return matrix(np.zeros(0, np.int64), np.zeros(rows + 1, np.int64), shape)
        if isinstance(pattern, frozenset):
            indices = np.array(sorted(pattern), np.int64)
            return matrix(indices, np.array([0, indices.size]), (1, self.n_columns))
        return pattern

    def rows(self, pattern, numbers):
        """The rows of a matrix with these numbers; -1 is an empty row."""
        refuse_dense(int(np.diff(pattern.indptr)[numbers[numbers >= 0]].sum()))
        if numbers.size and numbers.min() < 0:
            sparse = require_scipy()
            indptr = np.append(pattern.indptr, pattern.indptr[-1])
            shape = (pattern.shape[0] + 1, self.n_columns)
            pattern = sparse.csr_array((pattern.data, pattern.indices, indptr), shape=shape)
        return pattern[numbers]

    def take(self, found, pattern):
        """Rows of a pattern as :func:`dependence` says."""
        for one in found if isinstance(found, tuple) else (found,):
            if isinstance(one, str):
                continue
            single = isinstance(pattern, frozenset)
            if isinstance(one, np.ndarray):
                if single and one.size == 1:
                    pattern = pattern if one[0] == 0 else frozenset()
                    continue
                pattern = self.rows(self.as_matrix(pattern, 1), one)
            else:
                pattern = one @ self.as_matrix(pattern, 1)
            pattern = self.narrow(pattern)
        return pattern

    @staticmethod
    def narrow(pattern):
        """A matrix of one row as a set."""
        if not isinstance(pattern, frozenset) and pattern.shape[0] == 1:
            return frozenset(pattern.indices.tolist())
        return pattern

    @staticmethod
    def union(a, b):
        """Entries of either; the same object where nothing came in: the next union is free."""
        if a is None or a is b:
            return b
        if b is None:
            return a
        if isinstance(a, frozenset):
            return a | b
        if not b.nnz:
            return a
        if not a.nnz:
            return b
        total = a + b
        refuse_dense(total.nnz)
        if total.nnz == a.nnz:
            return a
        return b if total.nnz == b.nnz else total

    def stack(self, values):
        """The patterns of values below each other, those without derivative as empty rows."""
        starts, indices, entries = [np.zeros(1, np.int64)], [], 0
        for value in values:
            pattern = self.table.get(value)
            if pattern is None:
                starts.append(np.full(value.size, entries))
                continue
            if isinstance(pattern, frozenset):
                entries += len(pattern)
                starts.append(np.array([entries]))
                indices.append(np.array(sorted(pattern), np.int64))
                continue
            starts.append(pattern.indptr[1:] + np.int64(entries))
            entries += pattern.nnz
            indices.append(pattern.indices)
        starts = np.concatenate(starts)
        indices = np.concatenate(indices) if indices else np.zeros(0, np.int64)
        return matrix(indices, starts, (starts.size - 1, self.n_columns))

    # ---- nodes --------------------------------------------------------------------------------

    def plain(self, node, active):
        """By :func:`dependence`, operand by operand."""
        if node.primitive.multiple:
            return self.everything(node, active)
        total = None
        for position in active:
            found = dependence(node, position, self.known)
            if found is None:
                return self.everything(node, active)
            total = self.union(total, self.take(found, self.table[node.operands[position]]))
        return [total]

    def everything(self, node, active):
        """Each element of each output by each element of each operand: what is always right."""
        row = frozenset()
        for position in active:
            pattern = self.table[node.operands[position]]
            if not isinstance(pattern, frozenset):
                pattern = np.unique(pattern.indices).tolist()
            row = row.union(pattern)
        return [self.repeated(row, value.size) for value in node.outputs]

    def repeated(self, row, count):
        if count == 1:
            return row
        return self.rows(self.as_matrix(row, 1), np.zeros(count, np.int64))

    def concatenate(self, node):
        """The operands' rows, in the order of the result."""
        axis, output = node.attributes["axis"], node.outputs[0]
        stacked = self.stack(node.operands)
        if element_count(output.shape[:axis]) == 1:
            return self.narrow(stacked)
        parts, start = [], 0
        for operand in node.operands:
            numbers = np.arange(start, start + operand.size).reshape(operand.shape)
            parts.append(numbers)
            start += operand.size
        return self.narrow(self.rows(stacked, np.concatenate(parts, axis).ravel()))

    def scan(self, node):
        """Step by step, with the body's own pattern found once."""
        body, n_consts, n_carry, length, reverse = (
            node.attributes[k] for k in ("body", "n_consts", "n_carry", "length", "reverse")
        )
        if length > _MOST_STEPS:
            active = [i for i, operand in enumerate(node.operands) if operand in self.table]
            return self.everything(node, active)
        n_fixed = n_consts + n_carry
        sizes = [v.size for v in body.inputs]
        starts = np.cumsum([0, *sizes])
        floating = {v: int(s) for v, s in zip(body.inputs, starts, strict=False) if is_floating(v)}
        inner = _Propagation(int(starts[-1]), {
            v: self.known[o]
            for v, o in zip(body.inputs[:n_consts], node.operands, strict=False)
            if o in self.known
        })  # fmt: skip
        rows = inner.run(body, floating)
        sparse = require_scipy()
        step = sparse.vstack(rows, format="csr") if rows else None
        cut, end = starts[n_consts], starts[n_fixed]
        n_state = int(starts[n_fixed] - starts[n_consts])
        fixed = step[:, :cut] @ self.stack(node.operands[:n_consts])
        by_carry, by_slice = step[:, cut:end], step[:, end:]
        slices = self.stack(node.operands[n_fixed:])
        numbers = _slice_rows(node.operands[n_fixed:], length)
        carry = self.stack(node.operands[n_consts:n_fixed])
        pieces = [None] * length
        for t in reversed(range(length)) if reverse else range(length):
            found = self.union(by_carry @ carry, fixed)
            if slices.nnz:
                found = self.union(found, by_slice @ slices[numbers[t]])
            carry, pieces[t] = found[:n_state], found[n_state:]
        return self.scan_outputs(node, carry, pieces)

    def scan_outputs(self, node, carry, pieces):
        """Patterns of the final carries and of the stacked outputs."""
        sparse = require_scipy()
        n_carry, body = node.attributes["n_carry"], node.attributes["body"]
        result, start = [], 0
        for value in node.outputs[:n_carry]:
            result.append(self.narrow(carry[start : start + value.size]))
            start += value.size
        start = 0
        for inner in body.outputs[n_carry:]:
            if not pieces:
                result.append(None)
                continue
            part = [piece[start : start + inner.size] for piece in pieces]
            result.append(self.narrow(sparse.vstack(part, format="csr")))
            start += inner.size
        return result


def _slice_rows(xs, length):
    """Per step, the rows of the stacked patterns of ``xs`` that it reads."""
    parts, start = [], 0
    for x in xs:
        parts.append(np.arange(start, start + x.size).reshape(length, x.size // max(length, 1)))
        start += x.size
    return np.concatenate(parts, axis=1) if parts else None
