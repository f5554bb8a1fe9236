"""Tile loops: the body of a ``tiles`` node between begin and end instructions, and its tail once after them.

Sliced operands and outputs are windows that move by one tile. Sums over all tiles are slots that are zeroed before the loop and only
added to inside.
"""

from .emit import Instruction, Loop, is_scalar
from .layout import WINDOW, Ref, Root
from .plan import Scope, Slot, Target


def lower_tiles(low, node):
    """Emit a tiles node; ``low`` is the :class:`~.emit.Lowering`."""
    attributes = node.attributes
    n_shared, extent, rows = attributes["n_shared"], attributes["extent"], attributes["rows"]
    shared, sliced = node.operands[:n_shared], node.operands[n_shared:]
    count = rows // extent
    for operand in shared:
        # Scalars are fetched before the loop, not in every tile.
        low.refs[operand] = low._addressable(low.ref(operand)) if is_scalar(operand) else low.ref(operand)
    places, sums = [], []
    for value, axis in zip(node.outputs, attributes["outputs"], strict=True):
        place, adding = low.destination(value)
        if axis is None:
            if is_scalar(value) and place.root.kind != "arena":
                place, adding = low.fresh(value), False
                low.scope.targets.pop(value, None)
            if not adding:
                low.zero(place) if not is_scalar(value) else low.copy(place, _zero(low, value))
        elif adding:
            place = low.fresh(value)
            low.scope.targets.pop(value, None)
        places.append(place)
        low.refs[value] = place
    del sums
    arrays = [low.ref(v) for v in sliced]
    loop = Loop(count, low.loop)
    windows = _Windows(loop)
    inputs = [
        windows.over(ref, axis, 0, extent) for ref, axis in zip(arrays, attributes["axes"], strict=True)
    ]
    outputs = [
        place if axis is None else windows.over(place, axis, 0, extent)
        for place, axis in zip(places, attributes["outputs"], strict=True)
    ]
    loop.begin = len(low.instructions)
    low.instructions.append(Instruction("LOOP_BEGIN", loop=loop))
    low.loops.append(loop)
    outer, low.loop = low.loop, loop
    _emit(low, attributes, attributes["body"], shared, inputs, outputs)
    low.loop = outer
    loop.end = len(low.instructions)
    low.instructions.append(Instruction("LOOP_END", loop=loop))
    if attributes["tail"] is not None:
        start = count * extent
        inputs = [
            _part(ref, axis, start, rows)
            for ref, axis in zip(arrays, attributes["axes"], strict=True)
        ]
        outputs = [
            place if axis is None else _part(place, axis, start, rows)
            for place, axis in zip(places, attributes["outputs"], strict=True)
        ]
        _emit(low, attributes, attributes["tail"], shared, inputs, outputs)


def _zero(low, value):
    import numpy as np

    return low.constant(np.zeros((), value.dtype))


def _part(ref, axis, start, stop):
    starts, stops = [0] * len(ref.shape), list(ref.shape)
    starts[axis], stops[axis] = start, stop
    return ref.sliced(tuple(starts), tuple(stops), (1,) * len(ref.shape))


class _Windows:
    """Windows of a loop over refs, one per region of memory and step."""

    def __init__(self, loop):
        self.loop = loop
        self.made = {}

    def over(self, ref, axis, start, extent):
        """The view of one tile, in a window that moves along ``axis``."""
        part = _part(ref, axis, start, start + extent)
        bump = ref.strides[axis] * extent
        lowest = part.offset + sum(
            min((n - 1) * s, 0) for n, s in zip(part.shape, part.strides, strict=True)
        )
        window = Root(WINDOW, 0, parent=ref.root, offset=lowest, bump=bump, loop=self.loop)
        self.loop.windows.append(window)
        view = Ref(window, part.offset - lowest, part.shape, part.strides, ref.dtype, ref.truth)
        window.size = view.offset + ref.dtype.itemsize + sum(
            max((n - 1) * s, 0) for n, s in zip(part.shape, part.strides, strict=True)
        )
        return view


def _emit(low, attributes, body, shared, inputs, outputs):
    for value in [v for n in body.nodes for v in n.outputs]:
        low.refs.pop(value, None)
    for inner, operand in zip(body.inputs, shared, strict=False):
        low.refs[inner] = low.ref(operand)
    for inner, ref in zip(body.inputs[len(shared) :], inputs, strict=True):
        low.refs[inner] = ref
    targets, late, slots = {}, [], {}
    for value, place, axis in zip(body.outputs, outputs, attributes["outputs"], strict=True):
        taken = value in targets or value.node.primitive.name in ("input", "constant")
        if axis is None:
            if taken:
                late.append((value, place, True))
                continue
            slot = Slot(value, summing=True)
            slot.ref, slot.started = place, True
            targets[value] = Target(slot, operand=value)
            slots[value] = slot
        elif taken or is_scalar(value) or not _computed(value):
            late.append((value, place, False))
        else:
            targets[value] = Target(ref=place)
    scope = Scope(body, targets)
    low.emit_graph(body, scope)
    for value, slot in slots.items():
        if value not in slot.delivered:
            low.copy(slot.ref, low.ref(value), add=True)
    for value, place, adding in late:
        low.copy(place, low.ref(value), add=adding)


def _computed(value):
    from .plan import VIEWS

    return value.node.primitive not in VIEWS and value.node.primitive.name != "stop_gradient"
