"""Tile loops: a ``tiles`` node's body between begin and end instructions, its tail after them.

Sliced operands and outputs are windows that move by one tile. Sums over all tiles are slots that
are zeroed before the loop and only added to inside. Many rows are cut into segments first, the
steps of a parallel loop, each with sums and memory of its own; the segments' sums are added in
their order.
"""

import numpy as np

from .instruction import F64, Instruction, Loop
from .layout import ARENA, WINDOW, Local, Ref, Root, collapse, contiguous_strides
from .plan import Scope, Slot, Target
from .scalars import is_scalar


def lower_tiles(low, node):
    """Emit a tiles node; ``low`` is the :class:`~.emit.Lowering`."""
    _TilesLowering(low, node).run()


class _TilesLowering:
    def __init__(self, low, node):
        attributes = node.attributes
        self.low = low
        self.attributes = attributes
        self.extent, self.rows = attributes["extent"], attributes["rows"]
        n_shared = attributes["n_shared"]
        self.shared = node.operands[:n_shared]
        for operand in self.shared:
            # Scalars are fetched before the loop, not in every tile.
            if is_scalar(operand):
                low.refs[operand] = low._addressable(low.ref(operand))
        self.arrays = [low.ref(v) for v in node.operands[n_shared:]]
        self.places = [
            self._place(value, axis)
            for value, axis in zip(node.outputs, attributes["outputs"], strict=True)
        ]

    def _place(self, value, axis):
        low = self.low
        place, adding = low.destination(value)
        unfit = axis is not None and adding
        unfit |= axis is None and is_scalar(value) and not low._in_slot(place)
        if unfit:
            low.scope.targets.pop(value, None)
            place, adding = low.fresh(value), False
        if axis is None and not adding:
            _clear(low, place)
        low.refs[value] = place
        return place

    def run(self):
        attributes, extent, rows = self.attributes, self.extent, self.rows
        sums = [
            place
            for place, axis in zip(self.places, attributes["outputs"], strict=True)
            if axis is None
        ]
        segments = 1 if self.low.local is not None else attributes["segments"]
        start = 0
        if segments > 1:
            start = self._run_segments(segments, sums)
        count = (rows - start) // extent
        if count:
            inputs, outputs = self._parts(start, start + count * extent)
            self._loop(inputs, outputs, count)
        start += count * extent
        if attributes["tail"] is not None:
            inputs, outputs = self._parts(start, rows)
            _emit(self.low, attributes, attributes["tail"], self.shared, inputs, outputs)

    def _parts(self, start, stop):
        """Views of the rows from ``start`` to ``stop``; sums stay whole."""
        axes, output_axes = self.attributes["axes"], self.attributes["outputs"]
        return (
            [_part(ref, axis, start, stop) for ref, axis in zip(self.arrays, axes, strict=True)],
            [
                ref if axis is None else _part(ref, axis, start, stop)
                for ref, axis in zip(self.places, output_axes, strict=True)
            ],
        )

    def _loop(self, inputs, outputs, count):
        """One tile after another over views of ``count`` tiles."""
        low, attributes, extent = self.low, self.attributes, self.extent
        with _steps(low, Loop(count, low.loop)) as windows:
            inner = [
                windows.over(ref, axis, extent)
                for ref, axis in zip(inputs, attributes["axes"], strict=True)
            ]
            places = [
                ref if axis is None else windows.over(ref, axis, extent)
                for ref, axis in zip(outputs, attributes["outputs"], strict=True)
            ]
            windows.begin()
            _emit(low, attributes, attributes["body"], self.shared, inner, places)

    def _run_segments(self, segments, sums):
        """The segments, each with sums of its own, and the sums of these; returns the rows done."""
        low, attributes, extent = self.low, self.attributes, self.extent
        count = self.rows // extent // segments
        length = count * extent
        inputs, outputs = self._parts(0, segments * length)
        partial = [_apart(low, segments, place) for place in sums]
        loop = Loop(segments, low.loop, parallel=True)
        window = Root(WINDOW, 0, parent=Root(ARENA, 0), loop=loop)
        loop.windows.append(window)
        loop.frame = window
        with _steps(low, loop) as windows:
            inner = [
                windows.over(ref, axis, length)
                for ref, axis in zip(inputs, attributes["axes"], strict=True)
            ]
            own = iter(windows.over(ref, 0, 1) for ref in partial)
            places = []
            for ref, axis in zip(outputs, attributes["outputs"], strict=True):
                if axis is None:
                    view = next(own)
                    places.append(view.viewed(view.offset, view.shape[1:], view.strides[1:]))
                else:
                    places.append(windows.over(ref, axis, length))
            windows.begin()
            low.local = Local(window)
            for place, axis in zip(places, attributes["outputs"], strict=True):
                if axis is None:
                    _clear(low, place)
            self._loop(inner, places, count)
            low.local = None
        for place, parts in zip(sums, partial, strict=True):
            low.reduce_refs("SUM", place, [parts], (0,), True)
        return segments * length


def _apart(low, segments, place):
    """A sum for each segment, in cache lines of its own: threads add to them at the same time.

    Two lines, as processors fetch them in pairs.
    """
    item = place.dtype.itemsize
    stride = max(-(-place.size * item // 128) * 128, 128)
    whole = low.temporary((segments, stride // item), place.dtype)
    strides = (stride, *contiguous_strides(place.shape, item))
    return whole.viewed(whole.offset, (segments, *place.shape), strides)


class _steps:
    """Emits a loop around what is emitted inside, from :meth:`_Windows.begin` on."""

    def __init__(self, low, loop):
        self.low, self.loop = low, loop

    def __enter__(self):
        self.outer = self.low.loop
        return _Windows(self.low, self.loop)

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self.low.loop = self.outer
            self.loop.end = len(self.low.instructions)
            self.low.instructions.append(Instruction("LOOP_END", loop=self.loop))
        return False


def _clear(low, place):
    if place.size == 1 and place.dtype == F64:
        low.copy(place, low.constant(np.zeros((), F64)))
    else:
        low.zero(place)


def _part(ref, axis, start, stop):
    starts, stops = [0] * len(ref.shape), list(ref.shape)
    starts[axis], stops[axis] = start, stop
    return ref.sliced(tuple(starts), tuple(stops), (1,) * len(ref.shape))


def _takes_results(place):
    """Whether results can be computed straight into a place: its innermost loop is contiguous."""
    _, steps = collapse(place.shape, [place.strides])
    return not steps[0] or steps[0][-1] == place.dtype.itemsize


def _rows_last(ref, axis):
    order = [a for a in range(len(ref.shape)) if a != axis]
    return ref.transposed((*order, axis))


class _Windows:
    """Windows of a loop over refs."""

    def __init__(self, low, loop):
        self.low = low
        self.loop = loop

    def begin(self):
        """The loop begins here."""
        low, loop = self.low, self.loop
        loop.begin = len(low.instructions)
        low.instructions.append(Instruction("LOOP_BEGIN", loop=loop))
        low.loops.append(loop)
        low.loop = loop

    def over(self, ref, axis, extent):
        """The view of one step's rows, in a window that moves along ``axis``."""
        part = _part(ref, axis, 0, extent)
        if 0 in part.shape:
            # Nothing to reach: the window stays where it is.
            part = part.viewed(0, part.shape, (0,) * len(part.shape))
            ref = part
        bump = ref.strides[axis] * extent
        lowest = part.offset + sum(
            min((n - 1) * s, 0) for n, s in zip(part.shape, part.strides, strict=True)
        )
        window = Root(WINDOW, 0, parent=ref.root, offset=lowest, bump=bump, loop=self.loop)
        self.loop.windows.append(window)
        view = Ref(window, part.offset - lowest, part.shape, part.strides, ref.dtype, ref.truth)
        if 0 not in part.shape:
            window.size = (
                view.offset
                + ref.dtype.itemsize
                + sum(max((n - 1) * s, 0) for n, s in zip(part.shape, part.strides, strict=True))
            )
        return view


def _emit(low, attributes, body, shared, inputs, outputs):
    for value in [v for n in body.nodes for v in n.outputs]:
        low.refs.pop(value, None)
    for inner, operand in zip(body.inputs, shared, strict=False):
        low.refs[inner] = low.ref(operand)
    for inner, ref in zip(body.inputs[len(shared) :], inputs, strict=True):
        low.refs[inner] = ref
    if attributes["columns"]:
        for inner, ref, axis in zip(
            body.inputs[len(shared) :], inputs, attributes["axes"], strict=True
        ):
            # Transposed once, so that every component is a pointer into it.
            low.refs[inner] = low.contiguous(_rows_last(ref, axis))
        outputs = [
            place if axis is None else _rows_last(place, axis)
            for place, axis in zip(outputs, attributes["outputs"], strict=True)
        ]
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
        elif taken or is_scalar(value) or not _computed(value) or not _takes_results(place):
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
