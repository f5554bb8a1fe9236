"""Updates at indices: ``x.at[i].set(v)`` and its kin, which return a new array.

Slices become one ``slice_set``; index arrays become a scatter at the positions that reading would
gather from.
"""

import numpy as np

from ..graph import CONSTANT, Value, current_graph
from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import broadcast, zeros
from ._common import BOOL, as_value, cast, holds_value, unsupported
from ._indexing import Entry, Plan, getitem, parse, spread_updates, without_bools
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
        return getitem(as_value(self.array), self.index)

    def set(self, values):
        """``x`` with the elements at ``index`` replaced; the last of repeated positions counts."""
        x = as_value(self.array)
        return assigned(x, self.index, _fitting(values, x))

    def add(self, values):
        """``x`` with ``values`` added at ``index``; repeated positions add up."""
        x = as_value(self.array)
        values = _fitting(values, x)
        if _traced_mask(self.index) is not None and x.dtype != BOOL:
            return _at_mask(x, self.index, values, ew.add)
        return _update(x, self.index, values, indexing.scatter_add)

    def subtract(self, values):
        """``x`` with ``values`` subtracted at ``index``; repeated positions add up."""
        return self.add(ew.negative(_fitting(values, as_value(self.array))))

    def multiply(self, values):
        """``x`` with the elements at ``index`` multiplied, repeated ones repeatedly."""
        return self.combine(ew.multiply, values)

    def divide(self, values):
        """``x`` with the elements at ``index`` divided, repeated ones repeatedly."""
        x = as_value(self.array)
        if x.dtype.kind not in "fc":
            raise TypeError(f"division gives no elements of dtype {x.dtype}")
        return self.combine(ew.divide, values)

    def power(self, values):
        """``x`` with the elements at ``index`` raised to a power, repeated ones repeatedly."""
        return self.combine(ew.power, values)

    def min(self, values):
        """``x`` with the smaller of its elements and ``values`` at ``index``."""
        return self.combine(ew.minimum, values)

    def max(self, values):
        """``x`` with the larger of its elements and ``values`` at ``index``."""
        return self.combine(ew.maximum, values)

    def apply(self, function):
        """``x`` with ``function`` of each element at ``index``, repeated ones repeatedly."""
        x = as_value(self.array)
        if _traced_mask(self.index) is not None:
            return _at_mask(x, self.index, zeros((), x.dtype), _applied(function))
        return _in_layers(x, self.index, None, _applied(function))

    def combine(self, combine, values):
        """``x`` with ``combine(x[index], values)`` at ``index``, repeated ones repeatedly."""
        x = as_value(self.array)
        values = _fitting(values, x)
        if _traced_mask(self.index) is not None:
            return _at_mask(x, self.index, values, combine)
        return _in_layers(x, self.index, values, combine)


def _applied(function):
    return lambda old, _: as_value(function(old))


def _fitting(values, x):
    """Updates in the dtype of ``x``, as an assignment into an array converts them."""
    value = as_value(values, x.dtype if not isinstance(values, Value) else None)
    if value.dtype != x.dtype and not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"an update of dtype {value.dtype} does not fit an array of dtype {x.dtype}"
        )
    return cast(value, x.dtype)


# ---- updates that repeated positions undergo repeatedly -----------------------------------------

_MOST_LAYERS = 256


def _in_layers(x, index, values, combine):
    """Read, combine and write, once per layer of positions that differ.

    The n-th layer has the n-th occurrences of all positions, in the order of the index. Traced
    positions are taken one by one, since any of them may be equal.
    """
    index = _without_constants(index)
    if holds_value(index if isinstance(index, (list, tuple)) else [index]):
        return _one_by_one(x, index, values, combine)
    numbers = np.arange(x.size).reshape(x.shape)[index]
    flat = numbers.ravel()
    if values is not None:
        values = spread_updates(values, numbers.shape)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]] if flat.size else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    occurrence = np.empty(flat.size, np.int64)
    occurrence[order] = np.arange(flat.size) - np.repeat(starts, np.diff([*starts, flat.size]))
    layers = int(occurrence.max(initial=0)) + 1
    if layers == 1:
        old = getitem(x, index)
        return assigned(x, index, _same(combine(old, values), old))
    if layers > _MOST_LAYERS:
        unsupported(
            f"this update has a position {layers} times, and at most {_MOST_LAYERS} are supported; "
            "combine the updates first"
        )
    line = to_shape(x, (x.size,))
    values = None if values is None else to_shape(values, (flat.size,))
    for layer in range(layers):
        chosen = np.flatnonzero(occurrence == layer)
        old = getitem(line, flat[chosen])
        part = None if values is None else getitem(values, chosen)
        line = assigned(line, flat[chosen], _same(combine(old, part), old))
    return to_shape(line, x.shape)


def _one_by_one(x, index, values, combine):
    numbers = current_graph().constant(np.arange(x.size).reshape(x.shape))
    positions = getitem(numbers, index)
    if values is not None:
        values = to_shape(spread_updates(values, positions.shape), (positions.size,))
    if positions.size > _MOST_LAYERS:
        unsupported(
            f"this update at {positions.size} traced positions is not supported, at most "
            f"{_MOST_LAYERS} are; use set or add, or bp.scan over the positions"
        )
    flat = to_shape(positions, (positions.size,))
    line = to_shape(x, (x.size,))
    for k in range(positions.size):
        place = getitem(flat, k)
        old = getitem(line, place)
        part = None if values is None else getitem(values, k)
        line = assigned(line, place, _same(combine(old, part), old))
    return to_shape(line, x.shape)


def _same(new, old):
    if new.shape != old.shape:
        raise ValueError(f"the update has shape {new.shape} for elements of shape {old.shape}")
    return cast(new, old.dtype)


def _without_constants(index):
    """An index with the arrays of traced constants in their place."""
    if isinstance(index, tuple):
        return tuple([_without_constants(item) for item in index])
    if isinstance(index, Value) and index.node.primitive is CONSTANT:
        return index.node.attributes["value"]
    return index


# ---- set and add --------------------------------------------------------------------------------


def assigned(x, index, values):
    """``x`` with ``values`` of its dtype at ``index``, also where a traced mask says so."""
    if _traced_mask(index) is None:
        return _update(x, index, values, indexing.scatter_set)
    return _at_mask(x, index, values, lambda old, new: new)


def _at_mask(x, index, values, combine):
    """``x`` with ``combine(old, values)`` where a traced mask in the index says so."""
    place = _traced_mask(index)
    if place:
        return _within_mask(x, index, place, values, combine)
    mask = index[0] if isinstance(index, tuple) else index
    if mask.shape != x.shape[: mask.ndim]:
        raise IndexError(
            f"boolean index did not match indexed array; the mask has shape {mask.shape} and the "
            f"array {x.shape}"
        )
    rest = x.shape[mask.ndim :]
    while values.ndim > len(rest) and values.shape[0] == 1:
        values = to_shape(values, values.shape[1:])
    if values.ndim > len(rest):
        unsupported(
            "an assignment at a traced mask of as many values as the mask selects would depend on "
            "data; use x = np.where(mask, v, x) with v of the shape of x",
            mask,
        )
    mask = to_shape(mask, mask.shape + (1,) * len(rest))
    new = _same(combine(x, broadcast(values, x.shape)), x)
    return ew.select(broadcast(mask, x.shape), new, x)


def _within_mask(x, index, place, values, combine):
    """An update at integers, slices and one traced mask: of the part that the rest selects."""
    mask = index[place]
    if any(isinstance(item, Value) for i, item in enumerate(index) if i != place):
        unsupported("an assignment at a traced mask and other traced indices is not supported")
    basic = (*index[:place], *[slice(None)] * mask.ndim, *index[place + 1 :])
    if not all(isinstance(item, (int, np.integer, slice)) for item in basic):
        unsupported("an assignment at a traced mask and arrays, None or ... is not supported")
    part = getitem(x, basic)
    before = sum(isinstance(item, slice) for item in index[:place])
    rest = part.ndim - before - mask.ndim
    shape = part.shape[before : before + mask.ndim]
    if shape != mask.shape:
        raise IndexError(
            f"boolean index did not match indexed array; the mask has shape {mask.shape} and the "
            f"axes it indexes {shape}"
        )
    if values.ndim > rest:
        unsupported(
            "an assignment at a traced mask of as many values as the mask selects would depend on "
            "data; use np.where(mask, v, x)",
            mask,
        )
    wide = broadcast(to_shape(mask, mask.shape + (1,) * rest), part.shape)
    new = _same(combine(part, broadcast(values, part.shape)), part)
    return _update(x, basic, ew.select(wide, new, part), indexing.scatter_set)


def _traced_mask(index):
    """The place of a traced mask in an index, or None; 0 if it is the first or only element."""
    items = index if isinstance(index, tuple) else (index,)
    for place, item in enumerate(items):
        if isinstance(item, Value) and item.dtype == BOOL and item.node.primitive is not CONSTANT:
            if place or all(map(_whole, items[1:])):
                return place
            unsupported("an assignment at a traced mask before other indices is not supported")
    return None


def _whole(item):
    """Whether an element of an index is ``...`` or ``:``."""
    return item is Ellipsis or (
        isinstance(item, slice) and item.start is None and item.stop is None and item.step is None
    )


def _update(x, index, updates, scatter):
    shape = x.shape
    x, index = without_bools(x, index)
    if x.shape != shape:
        return to_shape(_update(x, index, updates, scatter), shape)
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
    updates = to_shape(spread_updates(updates, shape), block)
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
    if updates.shape == x.shape:
        return ew.add(x, updates) if scatter is indexing.scatter_add else updates
    place = {"starts": lows, "stops": tuple(ends), "steps": tuple(steps)}
    if scatter is indexing.scatter_add:
        updates = ew.add(shaping.slice_(x, **place), updates)
    return shaping.slice_set(x, updates, **place)


def at(x):
    """``x.at`` for a traced value or a plain array (``bnp.at(x)[i].set(v)``)."""
    return _At(x)
