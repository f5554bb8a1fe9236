"""Reading and updating with NumPy's indices.

Slices, ``None``, ``...`` and integers become one ``slice`` (and ``flip``) with a reshape. Index
arrays become one ``gather``: the axes they index are brought together, flattened, and read at one
linear position per element. Positions known while tracing are computed and checked then, by NumPy.
"""

import math
import operator

import numpy as np

from ..graph import CONSTANT, Value, current_graph
from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import broadcast, broadcast_shapes
from ._common import (
    BOOL,
    INT64,
    as_value,
    cast,
    holds_value,
    refuse_conversion,
    scalar,
    unsupported,
)
from ._shaping import permute, to_shape


class Entry:
    """One element of an index: what it does to one axis (or adds as one).

    Attributes
    ----------
    kind : {"slice", "integer", "array", "new"}
    what : range, int, ndarray or Value
        A range of positions for a slice.
    axis : int
        The axis it indexes.
    """

    __slots__ = ("axis", "kind", "what")

    def __init__(self, kind, what, axis):
        self.kind = kind
        self.what = what
        self.axis = axis


def parse(x, index):
    """The entries of an index of ``x``, one for every axis and every ``None``."""
    items = list(index) if isinstance(index, tuple) else [index]
    items = [_normal(item, x) for item in items]
    used = sum(_consumes(item) for item in items)
    if used > x.ndim:
        raise IndexError(
            f"too many indices for array: array is {x.ndim}-dimensional, but {used} were indexed"
        )
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    rest = [slice(None)] * (x.ndim - used)
    place = dots[0] if dots else len(items)
    items[place : place + 1] = rest
    entries, axis = [], 0
    for item in items:
        if item is None:
            entries.append(Entry("new", None, axis))
        elif isinstance(item, slice):
            entries.append(Entry("slice", range(x.shape[axis])[item], axis))
            axis += 1
        elif isinstance(item, int):
            extent = x.shape[axis]
            if not -extent <= item < extent:
                raise IndexError(
                    f"index {item} is out of bounds for axis {axis} with size {extent}"
                )
            entries.append(Entry("integer", item % extent, axis))
            axis += 1
        elif isinstance(item, np.ndarray) and item.dtype == BOOL:
            for along, extent in enumerate(item.shape):
                if extent != x.shape[axis + along]:
                    raise IndexError(
                        f"boolean index did not match indexed array along axis {axis + along}; "
                        f"size of axis is {x.shape[axis + along]} but size of corresponding "
                        f"boolean axis is {extent}"
                    )
            for positions in item.nonzero():
                entries.append(Entry("array", positions, axis))
                axis += 1
        else:
            entries.append(Entry("array", item, axis))
            axis += 1
    return entries


def _normal(item, x):
    """An element of an index as a slice, int, None, Ellipsis, array or value."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        for bound in (item.start, item.stop, item.step):
            if isinstance(bound, Value):
                refuse_conversion(
                    bound,
                    "a slice",
                    "its length would depend on data; gather with x[start + np.arange(n)] instead",
                )
        return item
    if isinstance(item, (bool, np.bool_)):
        unsupported("a bool as an index is not supported")
    if type(item) is int:
        return item
    if isinstance(item, (list, tuple)) or (isinstance(item, np.ndarray) and item.dtype == object):
        if holds_value(item):
            item = as_value(item)
        else:
            array = np.asarray(item)
            item = (
                array.astype(np.int64)
                if not array.size and isinstance(item, (list, tuple))
                else array
            )
    if isinstance(item, Value) and item.node.primitive is CONSTANT:
        item = item.node.attributes["value"]
    if isinstance(item, Value):
        if item.dtype == BOOL:
            refuse_conversion(
                item,
                "a boolean index",
                "the number of elements selected would depend on data; use np.where(mask, x, 0), "
                "sum(..., where=mask), or np.where(mask, v, x) for an assignment",
            )
        if item.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return cast(item, INT64)
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, np.ndarray):
        if item.dtype == BOOL:
            if not item.ndim:
                unsupported("a bool as an index is not supported")
            return item
        if item.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return item.astype(np.int64, copy=False)
    try:
        return operator.index(item)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
            "boolean arrays are valid indices"
        ) from None


def _consumes(item):
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == BOOL else 1


def without_bools(x, index):
    """Single truth values as the index arrays of new axes, as NumPy has them."""
    items = index if isinstance(index, tuple) else (index,)
    if not any(map(_is_bool, items)):
        return x, index
    used = [0 if _is_bool(item) else _consumes(_normal(item, x)) for item in items]
    shape, result, axis = [], [], 0
    for item, count in zip(items, used, strict=True):
        if _is_bool(item):
            shape.append(1)
            result.append(np.arange(int(item)))
            continue
        if item is Ellipsis:
            count = max(x.ndim - sum(used), 0)
        shape.extend(x.shape[axis : axis + count])
        axis += count
        result.append(item)
    shape.extend(x.shape[axis:])
    return to_shape(x, tuple(shape)), tuple(result)


def _is_bool(item):
    return isinstance(item, (bool, np.bool_)) or (
        isinstance(item, np.ndarray) and item.dtype == BOOL and not item.ndim
    )


# ---- reading ------------------------------------------------------------------------------------


def getitem(x, index):
    """``x[index]``."""
    quick = _quick(x, index if type(index) is tuple else (index,))
    if quick is not None:
        return quick
    x, index = without_bools(x, index)
    entries = parse(x, index)
    if not any(entry.kind == "array" for entry in entries):
        return _basic(x, entries)
    # Slices and integers first: they only make the array smaller.
    basic = [
        entry
        if entry.kind in ("slice", "integer")
        else Entry("slice", range(x.shape[entry.axis]), 0)
        for entry in entries
        if entry.kind != "new"
    ]
    y = _sliced(x, basic)
    plan = Plan(y.shape, entries)
    return plan.read(y)


def _quick(x, items):
    """The common case, integers and slices with positive steps; None if it is another."""
    extents = x.shape
    starts, stops, steps, shape = [], [], [], []
    axis = 0
    for item in items:
        kind = type(item)
        if kind is int:
            if axis == len(extents) or not -extents[axis] <= item < extents[axis]:
                return None
            start = item % extents[axis]
            starts.append(start)
            stops.append(start + 1)
            steps.append(1)
        elif kind is slice:
            for bound in (item.start, item.stop, item.step):
                if bound is not None and type(bound) is not int:
                    return None
            if axis == len(extents) or (item.step is not None and item.step < 1):
                return None
            start, stop, step = item.indices(extents[axis])
            count = -((start - stop) // step) if stop > start else 0
            if count < 2:
                step = 1
            starts.append(start)
            stops.append(start + (count - 1) * step + 1 if count else start)
            steps.append(step)
            shape.append(count)
        else:
            return None
        axis += 1
    rest = extents[axis:]
    starts += [0] * len(rest)
    stops += rest
    steps += [1] * len(rest)
    shape += rest
    stops = tuple(stops)
    if stops != extents or any(starts) or any(step != 1 for step in steps):
        x = shaping.slice_(x, starts=tuple(starts), stops=stops, steps=tuple(steps))
    return to_shape(x, tuple(shape))


def _basic(x, entries):
    indexed = [entry for entry in entries if entry.kind != "new"]
    y = _sliced(x, indexed)
    shape = []
    for entry in entries:
        if entry.kind == "new":
            shape.append(1)
        elif entry.kind == "slice":
            shape.append(len(entry.what))
    return to_shape(y, tuple(shape))


def _sliced(x, entries):
    """Slices and integers applied, with an axis of size one left for each integer."""
    starts, stops, steps, flips = [], [], [], []
    for axis, entry in enumerate(entries):
        positions = entry.what
        if entry.kind == "integer":
            positions = range(positions, positions + 1)
        if not len(positions):
            positions = range(0)
        elif positions.step < 0:
            if len(positions) > 1:
                flips.append(axis)
            positions = positions[::-1]
        count = len(positions)
        starts.append(positions.start)
        stops.append(positions[-1] + 1 if count else positions.start)
        steps.append(positions.step if count > 1 else 1)
    if any(
        stop - start != extent or step != 1
        for start, stop, step, extent in zip(starts, stops, steps, x.shape, strict=True)
    ):
        x = shaping.slice_(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    return shaping.flip(x, axes=tuple(flips)) if flips else x


class Plan:
    """How index arrays read an array: axes brought together, one position per element read.

    Attributes
    ----------
    order : tuple of int
        The array's axes with the indexed ones next to each other (or first).
    outer, extent, inner : int
        Elements before, in, and after the indexed axes.
    positions : Value
        Linear positions, (count,) or (outer, count).
    shape : tuple of int
        Of the result before ``None`` axes are added.
    final : tuple of int
        Of the result.
    """

    def __init__(self, shape, entries):
        taken = [e for e in entries if e.kind != "new"]
        arrays, kept, places = [], [], []
        for place, entry in enumerate(entries):
            if entry.kind in ("array", "integer"):
                places.append(place)
        axis = 0
        for entry in taken:
            if entry.kind == "array":
                arrays.append((axis, entry.what))
            elif entry.kind == "integer":
                # An axis of size one by now: it counts for the place of the result only.
                pass
            else:
                kept.append(axis)
            axis += 1
        integers = [i for i, e in enumerate(taken) if e.kind == "integer"]
        together = places[-1] - places[0] + 1 == len(places)
        indexed = [a for a, _ in arrays]
        try:
            common = broadcast_shapes(*[np.shape(what) for _, what in arrays])
        except ValueError:
            shapes = " ".join(str(np.shape(what)) for _, what in arrays)
            raise IndexError(
                "shape mismatch: indexing arrays could not be broadcast together with shapes "
                f"{shapes}"
            ) from None
        first = entries[places[0]]
        if together:
            before = [a for a in kept if a < taken.index(first)]
            after = [a for a in kept if a not in before]
        else:
            before, after = [], kept
        self.order = (*before, *indexed, *integers, *after)
        self.outer = math.prod(shape[a] for a in before)
        self.inner = math.prod(shape[a] for a in after)
        extents = tuple(shape[a] for a in indexed)
        self.extent = math.prod(extents)
        rows = arrays[0][1]
        if (
            self.outer == 1
            and len(arrays) > 1
            and common == extents[:1]
            and _counts(rows, extents[0])
        ):
            # x[np.arange(n), i]: one element of each row, so that rows stay independent.
            self.outer, self.extent = extents[0], math.prod(extents[1:])
            self.positions = to_shape(linear(arrays[1:], extents[1:], common), (extents[0], 1))
        else:
            self.positions = linear(arrays, extents, common)
        self.shape = (*[shape[a] for a in before], *common, *[shape[a] for a in after])
        # None axes: before or after the indexed block according to their place among the entries.
        final = []
        block_done = not together
        if block_done:
            final.extend(common)
        for entry in entries:
            if entry.kind == "new":
                final.append(1)
            elif entry.kind == "slice":
                final.append(shape[taken.index(entry)])
            elif not block_done:
                final.extend(common)
                block_done = True
        self.final = tuple(final)

    def flat(self, x):
        """``x`` with its indexed axes as the middle one of three."""
        return to_shape(permute(x, self.order), (self.outer, self.extent, self.inner))

    def read(self, x):
        """The elements at the positions."""
        return to_shape(indexing.gather(self.flat(x), self.positions), self.final)

    def write(self, x, updates, scatter):
        """``x`` with updates of the result's shape at the positions."""
        count = self.positions.shape[-1]
        block = to_shape(spread_updates(updates, self.final), (self.outer, count, self.inner))
        y = scatter(self.flat(x), self.positions, block)
        moved = tuple(x.shape[a] for a in self.order)
        return permute(to_shape(y, moved), shaping.inverse_permutation(self.order))


def spread_updates(values, shape):
    """Updates broadcast to the shape of what they replace, with NumPy's error."""
    found = values.shape
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = to_shape(values, values.shape[1:])
    if values.shape != shape:
        try:
            fits = broadcast_shapes(values.shape, shape) == tuple(shape)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"could not broadcast input array from shape {found} into shape {tuple(shape)}"
            )
    return broadcast(values, tuple(shape))


def _counts(what, extent):
    """Whether an index array is known to be 0, 1, ..., extent - 1."""
    return isinstance(what, np.ndarray) and np.array_equal(what, np.arange(extent))


def linear(arrays, extents, shape):
    """One linear position per element of ``shape``, from an array of positions per axis."""
    count = math.prod(shape)
    if not any(isinstance(what, Value) for _, what in arrays):
        total = np.zeros(shape, np.int64)
        for (axis, what), extent in zip(arrays, extents, strict=True):
            what = np.asarray(what)
            bad = (what < -extent) | (what >= extent)
            if bad.any():
                raise IndexError(
                    f"index {what[bad].flat[0]} is out of bounds for axis {axis} with size {extent}"
                )
            total = total * extent + np.where(what < 0, what + extent, what)
        return current_graph().constant(total.reshape(count))
    if len(arrays) == 1:
        # Gather and scatter check and wrap a single position themselves.
        return to_shape(as_value(arrays[0][1], INT64), (count,))
    total = None
    for (_, what), extent in zip(arrays, extents, strict=True):
        position = indexing.wrap_index(as_value(what, INT64), bound=extent)
        if total is not None:
            total = ew.multiply(total, scalar(extent, INT64))
            position = ew.add(total, position)
        total = position
    return to_shape(broadcast(total, shape), (count,))
