"""Rows of different seeds: the batched values of :mod:`.seeding`, and what is done with them."""

import numpy as np

from .primitives.base import zeros
from .primitives.elementwise import multiply
from .primitives.reduction import sum_
from .primitives.shaping import concatenate, pad_window, reshape, slice_axis, transpose


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


def runs(numbers):
    """Start and end of each run of numbers that count upwards."""
    start = 0
    for k in range(1, len(numbers) + 1):
        if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
            yield start, k
            start = k


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
