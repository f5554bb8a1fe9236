"""Updates at indices: ``x.at[i].set(v)`` and its kin, which return a new array.

Slices become a concatenation or a sum with a padded array; index arrays become a scatter at the
positions that reading would gather from.
"""

import math

import numpy as np

from ..graph import Value, current_graph
from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import broadcast
from ._common import BOOL, as_value, cast, holds_value, unsupported
from ._indexing import Entry, Plan, getitem, parse
from ._shaping import to_shape


class _At:
    """``x.at``: index it, then call the update, which returns a new array."""

    __slots__ = ("array",)

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index):
        return _Place(self.array, index)


class _Place:
    """``x.at[index]`` with the updates that JAX's arrays have."""

    __slots__ = ("array", "index")

    def __init__(self, array, index):
        self.array = array
        self.index = index

    def get(self):
        """``x[index]``."""
        return getitem(self.array, self.index)

    def set(self, values):
        """``x`` with the elements at ``index`` replaced; the last of repeated positions counts."""
        return _update(self.array, self.index, values, indexing.scatter_set)

    def add(self, values):
        """``x`` with ``values`` added at ``index``; repeated positions add up."""
        return _update(self.array, self.index, values, indexing.scatter_add)

    def subtract(self, values):
        """``x`` with ``values`` subtracted at ``index``; repeated positions add up."""
        return self.add(ew.negative(_fitting(values, self.array)))

    def _combine(self, combine, values):
        place = positions_of(self.array, self.index)
        if len(np.unique(place)) != place.size:
            unsupported("this update with repeated positions is not supported")
        return self.set(combine(self.get(), _fitting(values, self.array)))

    def multiply(self, values):
        """``x`` with the elements at ``index`` multiplied."""
        return self._combine(ew.multiply, values)

    def divide(self, values):
        """``x`` with the elements at ``index`` divided."""
        return self._combine(ew.divide, values)

    def power(self, values):
        """``x`` with the elements at ``index`` raised to a power."""
        return self._combine(ew.power, values)

    def min(self, values):
        """``x`` with the smaller of its elements and ``values`` at ``index``."""
        return self._combine(ew.minimum, values)

    def max(self, values):
        """``x`` with the larger of its elements and ``values`` at ``index``."""
        return self._combine(ew.maximum, values)


def _fitting(values, x):
    """Updates in the dtype of ``x``, as an assignment into an array converts them."""
    value = as_value(values, x.dtype if not isinstance(values, Value) else None)
    if value.dtype != x.dtype and not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"an update of dtype {value.dtype} does not fit an array of dtype {x.dtype}"
        )
    return cast(value, x.dtype)


def positions_of(x, index):
    """The linear position of each element of ``x[index]``, for an index without traced values."""
    if holds_value(index if isinstance(index, (list, tuple)) else [index]):
        unsupported("this update at traced positions is not supported; use set or add")
    return np.arange(math.prod(x.shape)).reshape(x.shape)[index]


def _update(x, index, values, scatter):
    updates = _fitting(values, x)
    entries = parse(x, index)
    arrays = [e for e in entries if e.kind == "array"]
    if x.dtype == BOOL and scatter is indexing.scatter_add:
        raise TypeError("add is not defined for bool updates")
    if not arrays:
        return _update_basic(x, entries, updates, scatter)
    if all(e.kind == "array" or len_full(e, x) for e in entries if e.kind != "new"):
        return Plan(x.shape, entries).write(x, updates, scatter)
    # Slices and index arrays mixed: update the part that the slices select, then put it back.
    basic = tuple(_plain(e) for e in entries if e.kind != "new")
    part = getitem(x, basic)
    inner = tuple(
        None
        if e.kind == "new"
        else e.what
        if e.kind == "array"
        else 0
        if e.kind == "integer"
        else slice(None)
        for e in entries
    )
    # Integers keep an axis of size one here, so that the index arrays keep their place.
    plan = Plan(part.shape, parse_like(part, inner, entries))
    return _update_basic(
        x, parse(x, basic), plan.write(part, updates, scatter), indexing.scatter_set
    )


def len_full(entry, x):
    """Whether an entry is a slice over a whole axis."""
    return entry.kind == "slice" and entry.what == range(x.shape[entry.axis])


def _plain(entry):
    if entry.kind == "integer":
        return slice(entry.what, entry.what + 1)
    if entry.kind == "array":
        return slice(None)
    positions = entry.what
    if not len(positions):
        return slice(0, 0)
    stop = positions.stop if positions.stop >= 0 else None
    return slice(positions.start, stop, positions.step)


def parse_like(part, index, entries):
    """Entries for an array whose slices are applied: whole slices and the same index arrays."""
    result, axis = [], 0
    for item, entry in zip(index, entries, strict=True):
        if entry.kind == "new":
            result.append(Entry("new", None, axis))
            continue
        if entry.kind == "slice":
            result.append(Entry("slice", range(part.shape[axis]), axis))
        else:
            result.append(Entry(entry.kind, item, axis))
        axis += 1
    return result


def _update_basic(x, entries, updates, scatter):
    indexed = [e for e in entries if e.kind != "new"]
    shape = tuple(1 if e.kind == "new" else len(e.what) for e in entries if e.kind != "integer")
    block = tuple(1 if e.kind == "integer" else len(e.what) for e in indexed)
    updates = to_shape(broadcast(updates, shape), block)
    flips = tuple(
        axis
        for axis, e in enumerate(indexed)
        if e.kind == "slice" and len(e.what) > 1 and e.what.step < 0
    )
    if flips:
        updates = shaping.flip(updates, axes=flips)
    if not updates.size:
        return x
    spans = [
        range(e.what, e.what + 1)
        if e.kind == "integer"
        else e.what
        if e.what.step > 0
        else e.what[::-1]
        for e in indexed
    ]
    steps = [span.step if len(span) > 1 else 1 for span in spans]
    lows = tuple(span[0] for span in spans)
    ends = [span[-1] + 1 for span in spans]
    highs = tuple(extent - end for extent, end in zip(x.shape, ends, strict=True))
    if scatter is indexing.scatter_add:
        padded = updates
        if updates.shape != x.shape:
            padded = shaping.pad(
                updates, lows=lows, highs=highs, interiors=tuple(s - 1 for s in steps)
            )
        return ew.add(x, padded)
    partial = [axis for axis in range(x.ndim) if lows[axis] or highs[axis] or steps[axis] != 1]
    if not partial:
        return updates
    if len(partial) == 1 and steps[partial[0]] == 1:
        (axis,) = partial
        pieces = [updates]
        if lows[axis]:
            pieces.insert(0, shaping.slice_axis(x, axis, 0, lows[axis]))
        if highs[axis]:
            pieces.append(shaping.slice_axis(x, axis, ends[axis], x.shape[axis]))
        return shaping.concatenate(*pieces, axis=axis)
    # Several axes: positions in the leading axes up to the last partial one.
    last = partial[-1] + 1
    lead, inner = x.shape[:last], math.prod(x.shape[last:])
    window = tuple(
        slice(span[0], span[-1] + 1, step) for span, step in zip(spans, steps, strict=True)
    )
    places = np.arange(math.prod(lead)).reshape(lead)[window[:last]].reshape(-1)
    y = indexing.scatter_set(
        to_shape(x, (1, math.prod(lead), inner)),
        current_graph().constant(places),
        to_shape(updates, (1, places.size, inner)),
    )
    return to_shape(y, x.shape)


def at(x):
    """``x.at`` for a traced value or a plain array (``bnp.at(x)[i].set(v)``)."""
    return _At(x)
