"""Storage taken over: an updated array is written where the array that it replaces was.

``slice_set`` and the scatters make a new array that differs from an old one in a few elements. If
nothing reads the old one afterwards, only those elements are written. Small views of the old array
that are read later, and that the update overwrites, are copied out first; this is what the reverse
sweep of a chain of assignments needs.
"""

from .layout import ARENA
from .plan import _ALIASES, shaping

# A view that is copied out may have at most this many elements more than the update.
_MOST_ELEMENTS = 16


def taken_over(lowering, x, node, written, number=None):
    """Where ``x`` is, if ``node`` may write its result there; None if it needs a place of its own.

    Parameters
    ----------
    lowering : Lowering
    x : Value
        The operand that the result replaces.
    node : Node
    written : callable or None
        From the whole ref to the part that is written; None if that is not known.
    number : int, optional
        After which node the storage is written; that of ``node`` if not given.

    Returns
    -------
    Ref or None
    """
    scope = lowering.scope
    ref = lowering.ref(x)
    root = ref.root
    if root.kind is not ARENA or root.pinned or root.home is not lowering.local:
        return None
    if ref.truth or not ref.is_contiguous() or root.size != max(ref.size * ref.dtype.itemsize, 1):
        return None
    origin = _origin(x)
    if origin.node not in scope.number or not origin.node.operands:
        return None
    number = scope.number[node] if number is None else number
    window = None if written is None else written(ref)
    limit = 0 if window is None else max(window.size, _MOST_ELEMENTS)
    rescued = []
    for value in (origin, *scope.views_of(origin)):
        if value in scope.kept:
            return None
        if scope.number[value.node] > number or not _read_after(scope, value, number, node):
            continue
        place = lowering.refs.get(value)
        if value is origin or place is None or window is None or place.root is not root:
            return None
        if _overlap(place, window):
            if place.size > limit:
                return None
            rescued.append(value)
    for value in rescued:
        lowering.refs[value] = lowering.copied(value, lowering.refs[value])
    root.version += 1
    return ref


def taken_by_sum(lowering, slot):
    """Where one contribution to a sum is, if the others may be added there; None if none is.

    Parameters
    ----------
    lowering : Lowering
    slot : Slot
        Of a sum, without storage as yet.

    Returns
    -------
    Ref or None
        That contribution counts as delivered.
    """
    value, scope = slot.value, lowering.scope
    if value.size <= _MOST_ELEMENTS or value in scope.targets:
        return None
    operands = value.node.operands
    for operand in operands:
        if operand in lowering.refs and lowering.refs[operand] is not None:
            if operand.shape == value.shape and sum(map(_origin_is(operand), operands)) == 1:
                # Nothing from here on may read it; the node that is being emitted included.
                ref = taken_over(lowering, operand, value.node, None, lowering.position - 1)
                if ref is not None:
                    slot.delivered.add(operand)
                    return ref
    return None


def _origin(value):
    """What a value is a view of in the end."""
    while value.node.primitive in _ALIASES:
        value = value.node.operands[0]
    return value


def _origin_is(value):
    origin = _origin(value)
    return lambda other: _origin(other) is origin


def _read_after(scope, value, number, node):
    """Whether anything but ``node`` reads a value after it, or makes a view of it then."""
    for consumer in scope.consumers.get(value, ()):
        if consumer is node:
            continue
        if scope.position(consumer) > number:
            return True
        if consumer.primitive in (shaping.pad, shaping.concatenate):
            if scope.last_read(consumer.outputs[0]) > number:
                return True
    return False


def _overlap(one, other):
    """Whether the byte ranges of two refs of one root meet."""
    (first, last), (start, end) = _span(one), _span(other)
    return first < end and start < last


def _span(ref):
    low = high = ref.offset
    for extent, stride in zip(ref.shape, ref.strides, strict=True):
        if extent < 1:
            return low, low
        if stride < 0:
            low += (extent - 1) * stride
        else:
            high += (extent - 1) * stride
    return low, high + ref.dtype.itemsize
