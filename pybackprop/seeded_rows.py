"""Rows of different seeds: the batched values of :mod:`.seeding`, and what is done with them."""

import numpy as np

from .graph import element_count
from .primitives.base import constant, zeros
from .primitives.elementwise import accumulate, multiply, negative
from .primitives.indexing import scatter_add
from .primitives.linalg import sparse_matmul, weighted_sparse_matmul
from .primitives.reduction import sum_
from .primitives.shaping import (
    concatenate,
    pad,
    pad_window,
    reshape,
    slice_,
    slice_axis,
    transpose,
)

# Windows of which columns are put together at most; more are scattered.
_MOST_BLOCKS = 16

# Of the places of several sparse matrices: the share that is left when each is counted once, for
# their products to become one.
_COMMON = 0.7


class Rows:
    """A batched value by rows.

    Attributes
    ----------
    value : Value
        ``(count, *shape)``.
    seeds : array of int
        Of the same axes, each of them, but for the first, possibly of extent one where all
        elements along it have the same: the seed that an element is the product with, -1 where it
        is zero. Elements of several rows may have the same seed: they add up.
    """

    __slots__ = ("seeds", "value")

    def __init__(self, value, seeds):
        self.value = value
        self.seeds = _narrowed(seeds)

    @property
    def count(self):
        """Number of rows."""
        return self.value.shape[0]

    @property
    def uniform(self):
        """Whether every row has one seed for all of its elements."""
        return self.seeds.size == self.seeds.shape[0]

    def alive(self):
        """The rows that are not zero, in order if they have one seed each; None for none."""
        used = (self.seeds >= 0).reshape(self.count, -1).any(1)
        if not used.any():
            return None
        kept = np.flatnonzero(used)
        if uniform_rows(self).all():
            # While they are short: their order decides whether later ones can be written in place.
            kept = kept[np.argsort(seed_of(self)[kept], kind="stable")]
        if np.array_equal(kept, np.arange(self.count)):
            return self
        return Rows(taken_rows(self.value, kept), self.seeds[kept])


def _narrowed(seeds):
    """Seeds with extent one along every axis, but the first, along which all are equal."""
    for axis in range(1, seeds.ndim):
        if seeds.shape[axis] > 1:
            first = seeds.take([0], axis)
            if (seeds == first).all():
                seeds = first
    return seeds


def aligned_shape(shape, ndim):
    """A batched shape with the axes of extent one after the first that broadcasting adds."""
    return (shape[0], *[1] * (ndim - len(shape)), *shape[1:])


def aligned(seeds, ndim):
    """Seeds with the axes of extent one after the first that broadcasting adds."""
    return seeds.reshape(aligned_shape(seeds.shape, ndim))


def uniform_rows(rows):
    """Of each row whether it has one seed, but for zeros."""
    flat = rows.seeds.reshape(rows.count, -1)
    return ((flat == flat.max(1, keepdims=True)) | (flat < 0)).all(1)


def seed_of(rows):
    """The seed of each row, of rows that have one."""
    return rows.seeds.reshape(rows.count, -1).max(1)


def filled(rows):
    """Uniform rows, their zeros counted to their seed."""
    return Rows(rows.value, seed_of(rows).reshape(-1, *[1] * (rows.seeds.ndim - 1)))


def _full(rows):
    return np.broadcast_to(rows.seeds, rows.value.shape)


def _moved_reshape(rows, to, **_):
    if rows.uniform:
        return rows.seeds.reshape(rows.count, *[1] * (len(to) - 1))
    return _full(rows).reshape(to)


def _moved_transpose(rows, to, *, axes):
    return rows.seeds.transpose(0, *(axis + 1 for axis in axes))


def _moved_broadcast(rows, to, **_):
    return aligned(rows.seeds, len(to))


def _moved_slice(rows, to, *, starts, stops, steps):
    window = [slice(None)]
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True), 1):
        window.append(slice(start, stop, step) if rows.seeds.shape[axis] > 1 else slice(None))
    return rows.seeds[tuple(window)]


def _moved_pad(rows, to, *, lows, highs, interiors):
    seeds = rows.seeds
    result = np.full(to, -1)
    result[(slice(None), *pad_window(rows.value.shape[1:], lows, interiors))] = seeds
    return result


def _moved_flip(rows, to, *, axes):
    return np.flip(rows.seeds, tuple(axis + 1 for axis in axes))


MOVES = {
    "reshape": _moved_reshape, "transpose": _moved_transpose, "broadcast_to": _moved_broadcast,
    "slice": _moved_slice, "pad": _moved_pad, "flip": _moved_flip,
}  # fmt: skip


def only_along(seeds, axis):
    """Whether the seeds vary along one axis and from row to row alone, and no two are equal."""
    if seeds.size != seeds.shape[0] * seeds.shape[axis]:
        return False
    used = seeds[seeds >= 0]
    return len(np.unique(used)) == used.size


def matched(parts):
    """Rows of a sum: per row its seeds and the terms, as (part, row of it), that it adds up."""
    slots = []
    if all(rows.uniform for rows in parts):
        at = {}
        for k, rows in enumerate(parts):
            for r in range(rows.count):
                number = int(rows.seeds[r].reshape(()))
                slot = at.get(number)
                if slot is None or slot[1][-1][0] == k:
                    slot = at[number] = (rows.seeds[r], [])
                    slots.append(slot)
                slot[1].append((k, r))
        return slots
    for k, rows in enumerate(parts):
        for r in range(rows.count):
            row = rows.seeds[r]
            best, best_score = None, -1
            for number, (seeds, terms) in enumerate(slots):
                if terms[-1][0] == k:
                    continue
                both = (seeds >= 0) & (row >= 0)
                same = seeds == row
                if (both & ~same).any():
                    continue
                score = int((both & same).sum())
                if score > best_score:
                    best, best_score = number, score
            if best is None:
                slots.append((row, [(k, r)]))
            else:
                seeds, terms = slots[best]
                slots[best] = (np.where(seeds >= 0, seeds, row), [*terms, (k, r)])
    return slots


def least_seed(slot):
    """The first seed of a slot that :func:`matched` made."""
    seeds = slot[0]
    return seeds[seeds >= 0].min()


def rows_for(rows, seeds, axis):
    """For rows that are to be put beside ``seeds`` along an axis: into which row each goes."""
    known = seeds.max(axis, keepdims=True)
    order, free = [], list(range(seeds.shape[0]))
    # Those that have company choose first.
    scores = []
    for r in range(rows.count):
        own = rows.seeds[r : r + 1].max(axis, keepdims=True)
        same = ((known == own) & (own >= 0)).reshape(seeds.shape[0], -1).sum(1)
        scores.append(same)
    order = [-1] * rows.count
    for r in sorted(range(rows.count), key=lambda r: -scores[r].max()):
        if scores[r].max() == 0:
            continue
        best = max(free, key=lambda target: scores[r][target])
        if scores[r][best]:
            order[r] = best
            free.remove(best)
    for r in range(rows.count):
        if order[r] < 0:
            order[r] = r if r in free else free[0]
            free.remove(order[r])
    return np.array(order)


def pieces_of(rows, axis):
    """Parts of rows along an axis, in each of which a row has one seed: with start and end."""
    seeds = rows.seeds
    if seeds.shape[axis] == 1:
        return [(rows, 0, rows.value.shape[axis])]
    pieces, current, start, end = [], None, 0, 0
    columns = np.moveaxis(seeds, axis, 0)
    for position, column in enumerate(columns):
        if (column < 0).all():
            continue
        if current is None:
            current, start = column, position
        elif ((current != column) & (current >= 0) & (column >= 0)).any():
            pieces.append((current, start, end))
            current, start = column, position
        else:
            current = np.where(current < 0, column, current)
        end = position + 1
    pieces.append((current, start, end))
    parts = []
    for found, start, end in pieces:
        part = Rows(slice_axis(rows.value, axis, start, end), np.expand_dims(found, axis))
        parts.append((part.alive(), start, end))
    return parts


def taken_rows(value, rows):
    """Some rows of a value, in that order: runs as slices."""
    columns = columns_of(value)
    parts = []
    for start, end in runs(rows):
        first, last = int(rows[start]), int(rows[end - 1]) + 1
        if columns is None:
            parts.append(slice_axis(value, 0, first, last))
        else:
            parts.append(seeds_first(slice_axis(columns, columns.ndim - 1, first, last)))
    return parts[0] if len(parts) == 1 else concatenate(*parts, axis=0)


def placed(value, have, wanted):
    """Rows numbered ``have`` as rows numbered ``wanted``; zeros where there are none."""
    if np.array_equal(have, wanted):
        return value
    at = {int(number): row for row, number in enumerate(have)}
    blocks, k = [], 0
    while k < len(wanted):
        start, row = k, at.get(int(wanted[k]))
        k += 1
        if row is None:
            while k < len(wanted) and int(wanted[k]) not in at:
                k += 1
            blocks.append(zeros((k - start, *value.shape[1:]), value.dtype))
            continue
        while k < len(wanted) and at.get(int(wanted[k])) == row + k - start:
            k += 1
        blocks.append(slice_axis(value, 0, row, row + k - start))
    return blocks[0] if len(blocks) == 1 else concatenate(*blocks, axis=0)


def seeds_first(columns):
    """Columns along a last axis, one per seed, as rows."""
    return transpose(columns, axes=(columns.ndim - 1, *range(columns.ndim - 1)))


def columns_of(value):
    """What :func:`seeds_first` made rows of, or None."""
    node = value.node
    if node.primitive is transpose and value.ndim > 2:
        if node.attributes["axes"] == (value.ndim - 1, *range(value.ndim - 1)):
            return node.operands[0]
    return None


def batch_last(value):
    """A batch with axis 0 last; what lies one after another along it is moved part by part."""
    node = value.node
    if node.primitive is concatenate and node.attributes["axis"] == 0:
        return concatenate(*[batch_last(part) for part in node.operands], axis=value.ndim - 1)
    return transpose(value, axes=(*range(1, value.ndim), 0))


def sliced_columns(columns, *, starts, stops, steps):
    """The slice of what the columns are of."""
    return slice_(
        columns, starts=(*starts, 0), stops=(*stops, columns.shape[-1]), steps=(*steps, 1)
    )


def added(values):
    """The sum of rows, as columns if some are."""
    if all(columns_of(value) is None for value in values):
        return accumulate(*values)
    return seeds_first(_sum_of_columns([batch_last(value) for value in values]))


def _sum_of_columns(terms):
    """The sum of columns: whole terms first, in one go, then those that are windows."""
    whole, windows = [], []
    while terms:
        term, *terms = terms
        node = term.node
        if node.primitive is accumulate:
            terms = [*node.operands, *terms]
        else:
            (windows if node.primitive is pad else whole).append(term)
    whole = _merged_products(whole)
    if len(whole) > 1 and windows:
        whole = [accumulate(*whole)]
    return accumulate(*whole, *windows)


def _merged_products(terms):
    """Terms of which those that weight the rows of sparse products with one array are one product.

    If their matrices have enough places in common.
    """
    by_source, rest = {}, []
    for term in terms:
        found = _weighted_product(term)
        if found is None:
            rest.append(term)
        else:
            by_source.setdefault(found[0], []).append((term, *found[1:]))
    for source, group in by_source.items():
        matrices = tuple(matrix for _, _, found in group for matrix in found)
        weights = [weight for _, found, _ in group for weight in found]
        places = np.concatenate([m.rows * m.shape[1] + m.columns for m in matrices])
        if len(group) > 1 and len(np.unique(places)) < _COMMON * places.size:
            rest.append(weighted_sparse_matmul(source, *weights, matrices=matrices))
        else:
            rest += [term for term, _, _ in group]
    return rest


def _weighted_product(term):
    """Of columns that are a weighted sparse product: of what, weights and matrices; else None."""
    node = term.node
    if node.primitive is weighted_sparse_matmul:
        source, *weights = node.operands
        return source, weights, node.attributes["matrices"]
    if node.primitive is not multiply or term.dtype.kind != "f":
        return None
    for columns, weight in (node.operands, node.operands[::-1]):
        if weight.size != weight.shape[0] or weight.shape[0] != columns.shape[0]:
            continue
        inner, window = columns.node, None
        if inner.primitive is slice_:
            window, (whole,) = inner.attributes, inner.operands
            if inner.outputs[0].shape[1:] != whole.shape[1:]:
                continue
            inner = whole.node
        if inner.primitive is sparse_matmul and weight.ndim == columns.ndim:
            matrix = inner.attributes["matrix"]
            if window is not None:
                matrix = matrix.taken(*(window[key][0] for key in ("starts", "stops", "steps")))
            return inner.operands[0], [reshape(weight, shape=(weight.size,))], (matrix,)
    return None


def added_rows(parts, slots):
    """The sum of parts of which one is of columns for all rows: the others are added in place."""
    for k, rows in enumerate(parts):
        columns = columns_of(rows.value)
        if columns is None or [terms[0] for _, terms in slots] != [
            (k, r) for r in range(rows.count)
        ]:
            continue
        summands, zero = [columns], (0,) * rows.value.ndim
        for other, part in enumerate(parts):
            if other == k:
                continue
            to = {r: row for row, (_, terms) in enumerate(slots) for p, r in terms if p == other}
            for start, end in runs([to[r] for r in range(part.count)]):
                low = to[start]
                window = batch_last(taken_rows(part.value, range(start, end)))
                summands.append(
                    pad(
                        window,
                        lows=(*zero[1:], low),
                        highs=(*zero[1:], rows.count - low - (end - start)),
                        interiors=zero,
                    )
                )
        return Rows(seeds_first(_sum_of_columns(summands)), rows.seeds)
    return None


def runs(numbers):
    """Start and end of each run of numbers that count upwards."""
    start = 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
            yield start, k
            start = k


def seed_columns(rows, seeds):
    """Rows as columns along a last axis, one per seed of an increasing array."""
    shape, count = rows.value.shape[1:], len(seeds)
    same = uniform_rows(rows)
    whole, mixed = (
        Rows(taken_rows(rows.value, chosen), rows.seeds[chosen]) if chosen.size else None
        for chosen in (np.flatnonzero(same), np.flatnonzero(~same))
    )
    blocks = [] if whole is None else [(filled(whole), 0, shape[0])]
    pieces = [] if mixed is None else pieces_of(mixed, 1)
    if len(pieces) <= _MOST_BLOCKS and all(part.uniform for part, _, _ in pieces):
        blocks, mixed = blocks + pieces, None
    windows = []
    for part, start, end in blocks:
        at = np.searchsorted(seeds, seed_of(part))
        for first, last in runs(at):
            low = int(at[first])
            high = count - low - (last - first)
            windows.append(
                pad(
                    batch_last(taken_rows(part.value, range(first, last))),
                    lows=(start, *[0] * (len(shape) - 1), low),
                    highs=(shape[0] - end, *[0] * (len(shape) - 1), high),
                    interiors=(0,) * (len(shape) + 1),
                )
            )
    columns = accumulate(*windows) if windows else zeros((*shape, count), rows.value.dtype)
    if mixed is None:
        return in_lines(columns)
    size = columns.size
    places = np.arange(element_count(shape)).reshape(shape) * count
    # Elements that are zero go behind the end.
    positions = np.where(mixed.seeds < 0, size, places + np.searchsorted(seeds, mixed.seeds))
    flat = scatter_add(
        zeros((1, size + 1, 1), columns.dtype),
        constant(positions.reshape(-1)),
        reshape(mixed.value, shape=(1, mixed.value.size, 1)),
    )
    scattered = reshape(slice_axis(flat, 1, 0, size), shape=columns.shape)
    return accumulate(columns, scattered) if windows else scattered


def in_lines(columns):
    """The columns where rows of them begin at multiples of 64 bytes, which products like."""
    rows, width = columns.shape[0], columns.size // columns.shape[0]
    gap = -width % (64 // columns.dtype.itemsize)
    if gap == 0 or width * columns.dtype.itemsize < 64:
        return columns
    flat = reshape(columns, shape=(rows, width))
    flat = pad(flat, lows=(0, 0), highs=(0, gap), interiors=(0, 0))
    return reshape(slice_axis(flat, 1, 0, width), shape=columns.shape)


def scaled_columns(rows, matrix):
    """A product in which every row of the operand has a seed of its own: the matrix, scaled."""
    (count, k), rest = rows.value.shape[:2], rows.value.shape[2:]
    m = matrix.shape[0]
    columns = constant(matrix.dense().T.reshape(1, k, m, *[1] * len(rest)))
    scales = reshape(rows.value, shape=(count, k, 1, *rest))
    value = reshape(multiply(columns, scales), shape=(count * k, m, *rest))
    return Rows(value, rows.seeds.reshape(-1, *[1] * (value.ndim - 1)))


def negated(value):
    """The value times -1, part by part: what puts the parts together can then take it in."""
    node, columns = value.node, columns_of(value)
    if columns is not None:
        return seeds_first(_negated_columns(columns))
    if node.primitive is concatenate and node.attributes["axis"] == 0:
        return concatenate(*[negated(part) for part in node.operands], axis=0)
    return negative(value)


def _negated_columns(columns):
    node = columns.node
    if node.primitive is sparse_matmul:
        return sparse_matmul(*node.operands, matrix=node.attributes["matrix"].negated)
    if node.primitive is weighted_sparse_matmul:
        matrices = tuple(matrix.negated for matrix in node.attributes["matrices"])
        return weighted_sparse_matmul(*node.operands, matrices=matrices)
    if node.primitive is pad:
        return pad(negative(node.operands[0]), **node.attributes)
    if node.primitive is accumulate:
        return accumulate(*[_negated_columns(part) for part in node.operands])
    if node.primitive is multiply:
        small, large = sorted(node.operands, key=lambda operand: operand.size)
        if 4 * small.size < large.size:
            return multiply(large, negative(small))
    return negative(columns)


def summed(rows, axes):
    """Rows summed over axes along which each has one seed."""
    kept = [axis for axis in range(rows.seeds.ndim) if axis not in axes]
    seeds = rows.seeds.reshape([rows.seeds.shape[axis] for axis in kept])
    return Rows(sum_(rows.value, axes=axes) if axes else rows.value, seeds)


def unrolled(rows, axis):
    """Rows of which each has one seed per position along an axis, as rows of one seed each."""
    extent = rows.value.shape[axis]
    rest = [a for a in range(1, rows.value.ndim) if a != axis]
    value = transpose(rows.value, axes=(0, axis, *rest))
    shape = tuple(rows.value.shape[a] for a in rest)
    value = reshape(value, shape=(rows.count * extent, *shape))
    seeds = rows.seeds.reshape(-1, *[1] * len(rest))
    return Rows(value, seeds)


def outer_product(rows, other, axis, other_axis, first):
    """A product in which every position along the summed axis has a seed of its own."""
    rows_free = rows.value.ndim - 1 if axis == rows.value.ndim - 2 else rows.value.ndim - 2
    other_free = other.ndim - 1 if other_axis == other.ndim - 2 else other.ndim - 2
    lead = list(range(1, rows.value.ndim - 2))
    extent = rows.value.shape[axis]
    a = transpose(rows.value, axes=(0, axis, *lead, rows_free))
    b = transpose(other, axes=(other_axis, *range(other.ndim - 2), other_free))
    shape = a.shape[2:-1]
    m, n = a.shape[-1], b.shape[-1]
    if first:
        a = reshape(a, shape=(rows.count, extent, *shape, m, 1))
        b = reshape(b, shape=(1, extent, *shape, 1, n))
    else:
        a = reshape(a, shape=(rows.count, extent, *shape, 1, m))
        b = reshape(b, shape=(1, extent, *shape, n, 1))
        m, n = n, m
    value = reshape(multiply(a, b), shape=(rows.count * extent, *shape, m, n))
    return Rows(value, rows.seeds.reshape(-1, *[1] * (value.ndim - 1)))
