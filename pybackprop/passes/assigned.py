"""Reads of what was assigned: the assigned value itself, instead of the array that it went into.

A loop such as ``y[i] = f(y[i - 1])`` makes a chain of ``slice_set`` nodes, each of which writes one
row or element. Chains are remembered by what they write, so that a read finds the last write in a
step, however long the chain; what no write of the chain touches is read from the array before it.
So chains of scalars become scalar code, and their derivatives do not pass through whole arrays.
"""

from ..primitives import shaping


class _Chain:
    """Writes of one kind, each into the result of the one before.

    Attributes
    ----------
    base : Value
        The array before the first.
    single : tuple of bool
        Along which axes a write has one position; along the others it covers all.
    writes : dict of tuple to list of (int, Value)
        By position: when, and what.
    count : int
    """

    __slots__ = ("base", "count", "single", "writes")

    def __init__(self, base, single):
        self.base = base
        self.single = single
        self.writes = {}
        self.count = 0


def _singles(shape, starts, stops, steps):
    """Along which axes a slice has one position, or None if it is no row or element."""
    single = []
    for extent, start, stop, step in zip(shape, starts, stops, steps, strict=True):
        if start == 0 and stop == extent and step == 1:
            single.append(False)
        elif stop - start == 1:
            single.append(True)
        else:
            return None
    return tuple(single)


def _find(graph, value):
    """The chain that made a value, and after how many of its writes; None if none did."""
    known = graph.table.setdefault("assigned", {})
    pending = []
    while value not in known and value.node.primitive is shaping.slice_set:
        pending.append(value)
        value = value.node.operands[0]
    found = known.get(value)
    for value in reversed(pending):
        base, updates = value.node.operands
        bounds = value.node.attributes
        single = _singles(value.shape, **bounds)
        if single is None:
            found = known[value] = None
            continue
        if found is None or found[0].single != single or found[0].count != found[1]:
            found = (_Chain(base, single), 0)
        chain = found[0]
        chain.count += 1
        place = tuple([s for s, one in zip(bounds["starts"], single, strict=True) if one])
        chain.writes.setdefault(place, []).append((chain.count, updates))
        found = known[value] = (chain, chain.count)
    return found


def read(graph, x, starts, stops, steps):
    """Where to read a slice of an assigned array from.

    Returns
    -------
    source : Value
        What was assigned, an array from before the assignments, or ``x``.
    bounds : tuple or None
        Starts, stops and steps in ``source``; None for all of it.
    """
    while x.node.primitive is shaping.slice_set:
        bounds = x.node.attributes
        if (bounds["starts"], bounds["stops"], bounds["steps"]) == (starts, stops, steps):
            return x.node.operands[1], None
        found = _find(graph, x)
        if found is None:
            break
        chain, count = found
        place = []
        for one, start, stop in zip(chain.single, starts, stops, strict=True):
            if one:
                if stop - start != 1:
                    return x, (starts, stops, steps)
                place.append(start)
        for when, updates in reversed(chain.writes.get(tuple(place), ())):
            if when <= count:
                inner = [
                    (0, 1, 1) if one else bound
                    for one, *bound in zip(chain.single, starts, stops, steps, strict=True)
                ]
                bounds = tuple(zip(*inner, strict=True))
                whole = bounds[0] == (0,) * updates.ndim and bounds[1] == updates.shape
                return updates, None if whole and set(bounds[2]) <= {1} else bounds
        x = chain.base
    return x, (starts, stops, steps)


def write(x, updates, bounds):
    """What is simpler than assigning ``updates`` into a slice, or None."""
    if updates.shape == x.shape:
        return updates
    node = updates.node
    if node.primitive is shaping.slice_ and node.operands[0] is x and node.attributes == bounds:
        return x
    node = x.node
    if node.primitive is shaping.slice_set and node.operands[1] is updates:
        if node.attributes == bounds:
            return x
    return None
