"""Dense Jacobians from one-hot seeds: what is zero by structure is not computed.

The products of a Jacobian with all unit vectors are a graph, linear in its seed, applied to a batch
of seeds. Most of that batch can be zero: a tangent depends on few of the inputs, its elements on
different ones. So a batched value is kept as :class:`Rows`: an array of few rows and, known while
tracing, which seed each element of each row belongs to. Elements of different seeds share a row, as
columns of one colour do in a compressed sparse Jacobian, but here value by value. At first there is
one row of ones, each element with its own seed. Elementwise products keep the seeds, sums put the
rows of different seeds after one another, rearrangements rearrange them. A contraction needs one
seed along the axis that it sums over: it is cut where the seeds change. Whatever has no rule here
gets all seeds as an ordinary batch.

The graph that comes out is used if by :class:`_Cost` it computes clearly less than the batch.

References
----------
Griewank, A. and Walther, A. (2008). Evaluating Derivatives, 2nd ed., SIAM, chapter 7 (sparse
forward mode) and section 8.1 (compression).
"""

import numpy as np

from .batching import record_batch
from .differentiate import inline
from .graph import CONSTANT, INPUT, current_graph, element_count, open_graph
from .primitives.base import broadcast, constant, constant_value, zeros
from .primitives.elementwise import accumulate, multiply, negative
from .primitives.indexing import scatter_add
from .primitives.reduction import sum_
from .primitives.shaping import concatenate, pad_window, reshape, slice_axis, transpose

# Of elementwise primitives: the operands in each of which they are linear, the others primals.
_LINEAR = {
    "multiply": (0, 1), "mulz": (0, 1), "divide": (0,), "negative": (0,), "convert": (0,),
    "tanh_back": (0,), "sigmoid_back": (0,), "max_gate": (0,), "min_gate": (0,), "relu_gate": (0,),
}  # fmt: skip
_SUMS = {"add", "subtract", "accumulate"}

# How much must be saved for the structured graph to be used: it has more and shorter instructions.
_WORTHWHILE = 0.7
# What a node costs beside its elements, in elements.
_NODE = 32
# Of a product: multiply-adds that cost as much as one element elsewhere.
_PER_ELEMENT = 8
# Comparisons of seeds above which rows are not matched element by element.
_MOST_COMPARED = 1 << 22
# Pieces into which a contraction is cut at most.
_MOST_PIECES = 16


def record_seeded(graph, operands, seeded, seeds, size):
    """Apply a graph that is linear in some operands to all unit vectors of one of them.

    Parameters
    ----------
    graph : Graph
        Closed.
    operands : list of Value
        For its inputs but for the seeds, which come last.
    seeded : int
        The seed, counted among the last ones, that runs over the unit vectors; the others are zero.
    seeds : list of Value
        Values of the shapes and dtypes of the seeds.
    size : int
        Elements of the seed that runs.

    Returns
    -------
    products : list of Value
    flags : list of bool
        Which have the unit vectors along a new axis 0; the others do not depend on the seed.
    """
    zero = [zeros(v.shape, v.dtype) for v in seeds]
    if size > 1 and all(v.size for node in graph.nodes for v in node.outputs):
        with open_graph("seeded", current_graph().rewrites) as target:
            primals = [target.add_input(v.shape, v.dtype, v.weak) for v in operands]
            sweep = _Sweep(graph, primals, seeded, size)
            outputs = [sweep.dense(v) for v in graph.outputs]
            target.close([value for value, _ in outputs])
        if sweep.cost.structured < _WORTHWHILE * sweep.cost.batch:
            return inline(target, operands), [flag for _, flag in outputs]
    source = seeds[seeded]
    eye = np.eye(size, dtype=source.dtype).reshape(size, *source.shape)
    zero[seeded] = constant(eye)
    flags = [False] * len(operands) + [k == seeded for k in range(len(seeds))]
    return record_batch(graph, operands + zero, flags, size)


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
        if _uniform_rows(self).all():
            # While they are short: their order decides whether later ones can be written in place.
            kept = kept[np.argsort(_seed_of(self)[kept], kind="stable")]
        if np.array_equal(kept, np.arange(self.count)):
            return self
        return Rows(_take(self.value, kept), self.seeds[kept])


class _Cost:
    """What both ways compute, in elements: of sums, products, and what is moved for them."""

    def __init__(self):
        self.structured = self.batch = 0.0


class _Sweep:
    """A graph applied to primals and rows in the innermost open graph."""

    def __init__(self, graph, primals, seeded, size):
        self.size, self.cost, self.share = size, _Cost(), 1.0
        self.env = dict(zip(graph.inputs, primals, strict=False))
        self.tangents = {}
        seeds = graph.inputs[len(primals) :]
        for k, seed in enumerate(seeds):
            self.tangents[seed] = None
            if k == seeded:
                numbers = np.arange(size).reshape(1, *seed.shape)
                one = broadcast(constant(np.ones((), seed.dtype)), (1, *seed.shape))
                self.tangents[seed] = Rows(one, numbers)
        target = current_graph()
        for node in graph.nodes:
            target.location = node.location
            self.apply(node)
        target.location = None

    def apply(self, node):
        """One node: as it is if no operand is a tangent, else by rule."""
        primitive, operands = node.primitive, node.operands
        if primitive is INPUT:
            return
        if primitive is CONSTANT:
            self.env[node.outputs[0]] = current_graph().constant(node.attributes["value"])
            return
        if not any(o in self.tangents for o in operands):
            result = primitive(*[self.env[o] for o in operands], **node.attributes)
            outputs = result if primitive.multiple else [result]
            self.env.update(zip(node.outputs, outputs, strict=True))
            return
        rule = _RULES.get(primitive.name, _Sweep.all_seeds)
        work = _work(node)
        self.cost.batch += _NODE + work * self.size
        self.share = 1.0
        results = rule(self, node)
        if results is NotImplemented:
            results = self.all_seeds(node)
        if results is None:
            return
        for value, rows in zip(node.outputs, results, strict=True):
            self.tangents[value] = rows if rows is None else rows.alive()
        present = [rows.count for rows in results if rows is not None]
        if present:
            self.cost.structured += _NODE + work * self.share * max(present)

    def dense(self, output):
        """An output of the graph as an ordinary batch, and whether it is one."""
        if output not in self.tangents:
            return self.env[output], False
        rows = self.tangents[output]
        if rows is None:
            return zeros(output.shape, output.dtype), False
        return self.spread(rows).value, True

    # ---- rows -----------------------------------------------------------------------------------

    def spread(self, rows, wanted=None):
        """The same with one seed per row: those that are wanted, by default all."""
        wanted = np.arange(self.size) if wanted is None else wanted
        shape = (len(wanted), *rows.value.shape[1:])
        numbers = wanted.reshape(-1, *[1] * (rows.value.ndim - 1))
        same = _uniform_rows(rows)
        if same.all():
            have = _seed_of(rows)
            if np.array_equal(have, wanted):
                return rows
            if len(set(have)) == len(have):
                self.cost.structured += _NODE + element_count(shape)
                return Rows(_placed(rows.value, have, wanted), numbers)
        elif same.any():
            # Only the others are written element by element.
            whole, mixed = np.flatnonzero(same), np.flatnonzero(~same)
            whole = Rows(_take(rows.value, whole), rows.seeds[whole])
            mixed = self.gathered(Rows(_take(rows.value, mixed), rows.seeds[mixed]))
            return self.spread(self.total([_filled(whole), mixed]), wanted)
        # Each element goes where its seed has its row; those without go behind the end.
        varying = [axis for axis in range(1, rows.seeds.ndim) if rows.seeds.shape[axis] > 1]
        last = max(varying, default=0)
        lead = rows.value.shape[1 : last + 1]
        inner = element_count(rows.value.shape[last + 1 :])
        places = element_count(lead)
        full = np.broadcast_to(
            rows.seeds.reshape(rows.seeds.shape[: last + 1]), (rows.count, *lead)
        ).reshape(rows.count, places)
        row_of = np.full(self.size + 1, -1)
        row_of[wanted] = np.arange(len(wanted))
        row = row_of[full]
        outside = len(wanted) * places
        positions = np.where(row < 0, outside, row * places + np.arange(places)).reshape(-1)
        updates = reshape(rows.value, shape=(1, rows.count * places, inner))
        flat = scatter_add(
            zeros((1, outside + 1, inner), rows.value.dtype), constant(positions), updates
        )
        self.cost.structured += _NODE + element_count(shape) + 2 * rows.value.size
        return Rows(reshape(slice_axis(flat, 1, 0, outside), shape=shape), numbers)

    def gathered(self, rows):
        """The same with one seed per row, for as many seeds as there are."""
        if rows.uniform:
            return rows
        used = np.unique(rows.seeds)
        return self.spread(rows, used[used >= 0])

    def all_seeds(self, node):
        """The node as an ordinary batch over all seeds."""
        operands, flags = [], []
        for operand in node.operands:
            rows = self.tangents.get(operand)
            flags.append(rows is not None)
            if rows is not None:
                operands.append(self.spread(rows).value)
            elif operand in self.tangents:
                operands.append(zeros(operand.shape, operand.dtype))
            else:
                operands.append(self.env[operand])
        if not any(flags):
            # Of a primitive without a rule not even this is known: that zero gives zero.
            result = node.primitive(*operands, **node.attributes)
            outputs = result if node.primitive.multiple else [result]
            self.env.update(zip(node.outputs, outputs, strict=True))
            return None
        outputs = node.primitive.batch(operands, flags, self.size, **node.attributes)
        results = []
        for value, output in zip(node.outputs, outputs, strict=True):
            if output.ndim == value.ndim:
                output = broadcast(output, (self.size, *value.shape))
            results.append(Rows(output, np.arange(self.size).reshape(-1, *[1] * value.ndim)))
        return results

    # ---- rules ----------------------------------------------------------------------------------

    def linear(self, node):
        """An elementwise node that is linear in one operand."""
        allowed = _LINEAR[node.primitive.name]
        moving = [k for k, o in enumerate(node.operands) if o in self.tangents]
        if len(moving) != 1 or moving[0] not in allowed:
            return NotImplemented
        rows = self.tangents[node.operands[moving[0]]]
        if rows is None:
            return [None]
        if node.primitive is negative:
            return [Rows(_negated(rows.value), rows.seeds)]
        operands = [rows.value if k in moving else self.env[o] for k, o in enumerate(node.operands)]
        flags = [k in moving for k in range(len(operands))]
        (value,) = node.primitive.batch(operands, flags, rows.count, **node.attributes)
        return [Rows(value, _aligned(rows.seeds, value.ndim))]

    def select(self, node):
        """A choice between tangents or zeros."""
        if node.operands[0] in self.tangents:
            return NotImplemented
        parts, zero = [], constant(np.zeros((), node.outputs[0].dtype))
        shape = node.outputs[0].shape
        for k in (1, 2):
            operand = node.operands[k]
            if operand not in self.tangents and constant_value(self.env[operand]) != 0:
                return NotImplemented
            rows = self.tangents.get(operand)
            if rows is None:
                continue
            operands = [self.env[node.operands[0]], zero, zero]
            operands[k] = rows.value
            flags = [j == k for j in range(3)]
            (value,) = node.primitive.batch(operands, flags, rows.count)
            value = broadcast(value, (rows.count, *shape))
            parts.append(Rows(value, _aligned(rows.seeds, value.ndim)))
        return [self.total(parts)] if parts else [None]

    def sums(self, node):
        """A sum or difference of tangents."""
        parts = []
        shape = node.outputs[0].shape
        for k, operand in enumerate(node.operands):
            if operand not in self.tangents:
                if constant_value(self.env[operand]) == 0:
                    continue
                return NotImplemented
            rows = self.tangents[operand]
            if rows is None:
                continue
            value, seeds = rows.value, _aligned(rows.seeds, len(shape) + 1)
            if value.shape[1:] != shape:
                value = broadcast(
                    reshape(value, shape=_aligned_shape(value.shape, len(shape) + 1)),
                    (rows.count, *shape),
                )
            if k and node.primitive.name == "subtract":
                value = negative(value)
            parts.append(Rows(value, seeds))
        return [self.total(parts)] if parts else [None]

    def total(self, parts):
        """The sum of several rows of one shape, added where they fit, else one after another."""
        if len(parts) == 1:
            return parts[0]
        if not all(rows.uniform for rows in parts):
            most = max(rows.seeds[0].size for rows in parts)
            if most * sum(rows.count for rows in parts) ** 2 > _MOST_COMPARED:
                parts = [self.gathered(rows) for rows in parts]
        slots = sorted(_matched(parts), key=_least_seed)
        blocks, seeds = [], []
        shape = np.broadcast_shapes(*[rows.seeds.shape[1:] for rows in parts])
        start = 0
        while start < len(slots):
            end = start + 1
            terms = [k for k, _ in slots[start][1]]
            while (
                end < len(slots)
                and [(k, r - (end - start)) for k, r in slots[end][1]] == slots[start][1]
            ):
                end += 1
            sources = [
                slice_axis(parts[k].value, 0, r, r + end - start) for k, r in slots[start][1]
            ]
            blocks.append(sources[0] if len(terms) == 1 else accumulate(*sources))
            start = end
        for row, _ in slots:
            seeds.append(np.broadcast_to(row, shape))
        value = blocks[0] if len(blocks) == 1 else concatenate(*blocks, axis=0)
        return Rows(value, np.stack(seeds))

    def rearranged(self, node):
        """A primitive that moves elements."""
        rows = self.tangents[node.operands[0]]
        if rows is None:
            return [None]
        (value,) = node.primitive.batch([rows.value], [True], rows.count, **node.attributes)
        seeds = _MOVES[node.primitive.name](rows, value.shape, **node.attributes)
        return [Rows(value, seeds)]

    def concatenation(self, node):
        """Parts one after another: rows of different seeds share a row, as they do not meet."""
        axis = node.attributes["axis"] + 1
        parts = []
        for operand in node.operands:
            if operand not in self.tangents and constant_value(self.env[operand]) != 0:
                return NotImplemented
            parts.append(self.tangents.get(operand))
        present = [rows for rows in parts if rows is not None]
        if not present:
            return [None]
        count = max(rows.count for rows in present)
        if count * count * max(rows.seeds[0].size for rows in present) > _MOST_COMPARED:
            parts = [rows if rows is None else self.gathered(rows) for rows in parts]
            count = max(rows.count for rows in parts if rows is not None)
        shape = node.outputs[0].shape
        full = [1] * len(shape)
        for rows in parts:
            if rows is not None:
                full = np.maximum(full, rows.seeds.shape[1:])
        full[axis - 1] = shape[axis - 1]
        seeds = np.full((count, *full), -1)
        values, position = [], 0
        for operand, rows in zip(node.operands, parts, strict=True):
            end = position + operand.shape[axis - 1]
            if rows is None:
                values.append(zeros((count, *operand.shape), operand.dtype))
            else:
                order = _rows_for(rows, seeds, axis)
                values.append(_placed(rows.value, order, np.arange(count)))
                window = [slice(None)] * seeds.ndim
                window[0], window[axis] = order, slice(position, end)
                seeds[tuple(window)] = rows.seeds
            position = end
        return [Rows(concatenate(*values, axis=axis), seeds)]

    def gather(self, node):
        """Elements at positions that are known, or anywhere along an axis of one seed."""
        rows = self.tangents.get(node.operands[0])
        if node.operands[0] not in self.tangents or node.operands[1] in self.tangents:
            return NotImplemented
        if rows is None:
            return [None]
        positions = self.env[node.operands[1]]
        if rows.seeds.shape[2] > 1 and positions.node.primitive is not CONSTANT:
            rows = self.gathered(rows)
        (value,) = node.primitive.batch([rows.value, positions], [True, False], rows.count)
        seeds = rows.seeds
        if seeds.shape[2] > 1:
            known = positions.node.attributes["value"]
            if known.ndim == 1:
                seeds = seeds[:, :, known]
            else:
                outer = (rows.count, known.shape[0])
                seeds = np.broadcast_to(seeds, (*outer, *seeds.shape[2:]))
                seeds = np.take_along_axis(seeds, known[None, :, :, None], axis=2)
        return [Rows(value, seeds)]

    def scatter(self, node):
        """Elements added at positions of zeros."""
        x, positions, updates = node.operands
        if positions in self.tangents or updates not in self.tangents:
            return NotImplemented
        if x not in self.tangents and constant_value(self.env[x]) != 0:
            return NotImplemented
        base, rows = self.tangents.get(x), self.tangents[updates]
        if rows is None:
            return [base]
        positions = self.env[positions]
        known = positions.node.attributes["value"] if positions.node.primitive is CONSTANT else None
        if known is not None and (known.ndim > 1 or len(set(known)) < len(known)):
            known = None
        if rows.seeds.shape[2] > 1 and known is None:
            rows = self.gathered(rows)
        (value,) = node.primitive.batch(
            [zeros(x.shape, x.dtype), positions, rows.value], [False, False, True], rows.count
        )
        seeds = rows.seeds
        if seeds.shape[2] > 1:
            spread = np.full((*seeds.shape[:2], x.shape[1], seeds.shape[3]), -1)
            spread[:, :, known] = seeds
            seeds = spread
        made = Rows(value, seeds)
        return [made if base is None else self.total([base, made])]

    def along(self, node):
        """A primitive that mixes the elements along one axis, each seed for itself."""
        rows = self.tangents[node.operands[0]]
        if rows is None:
            return [None]
        if rows.seeds.shape[node.attributes["axis"] + 1] > 1:
            rows = self.gathered(rows)
        (value,) = node.primitive.batch([rows.value], [True], rows.count, **node.attributes)
        return [Rows(value, rows.seeds)]

    def summed(self, node):
        """A sum over axes."""
        rows = self.tangents[node.operands[0]]
        if rows is None:
            return [None]
        axes = tuple(axis + 1 for axis in node.attributes["axes"])
        varying = [axis for axis in axes if rows.seeds.shape[axis] > 1]
        if len(varying) == 1 and _only_along(rows.seeds, varying[0]):
            # Of every seed one element: nothing to add.
            (axis,) = varying
            rows = _unrolled(rows, axis)
            axes = tuple(a for a in axes if a != axis)
            axes = tuple(a - (a > axis) for a in axes)
            return [_summed(rows, axes)]
        if len(varying) == 1:
            pieces = _pieces(rows, varying[0])
            if len(pieces) <= _MOST_PIECES:
                return [self.total([_summed(part, axes) for part, _, _ in pieces])]
        if varying:
            rows = self.gathered(rows)
        return [_summed(rows, axes)]

    def matmul(self, node):
        """A product with a matrix of primals."""
        moving = [k for k, o in enumerate(node.operands) if o in self.tangents]
        if len(moving) != 1:
            return NotImplemented
        (k,) = moving
        rows, other = self.tangents[node.operands[k]], self.env[node.operands[1 - k]]
        if rows is None:
            return [None]
        flags = (node.attributes["transpose_a"], node.attributes["transpose_b"])
        axis = rows.value.ndim - (1 if (k == 0) != flags[k] else 2)
        other_axis = other.ndim - (2 if (k == 0) != flags[1 - k] else 1)
        if rows.seeds.shape[axis] > 1 and _only_along(rows.seeds, axis):
            return [_outer(rows, other, axis, other_axis, k == 0)]
        pieces = _pieces(rows, axis)
        if len(pieces) > _MOST_PIECES:
            rows = self.gathered(rows)
            pieces = _pieces(rows, axis)
        results, done = [], 0
        for part, start, end in pieces:
            done += part.count * (end - start)
            operands = [part.value, slice_axis(other, other_axis, start, end)]
            operands = operands if k == 0 else operands[::-1]
            (value,) = node.primitive.batch(
                operands, [k == 0, k == 1], part.count, **node.attributes
            )
            seeds = part.seeds
            if flags[k]:
                seeds = seeds.swapaxes(-1, -2)
            results.append(Rows(value, seeds))
        total = self.total(results)
        self.share = done / (total.count * rows.value.shape[axis])
        return [total]


# ---- seeds --------------------------------------------------------------------------------------


def _narrowed(seeds):
    """Seeds with extent one along every axis, but the first, along which all are equal."""
    for axis in range(1, seeds.ndim):
        if seeds.shape[axis] > 1:
            first = seeds.take([0], axis)
            if (seeds == first).all():
                seeds = first
    return seeds


def _aligned_shape(shape, ndim):
    return (shape[0], *[1] * (ndim - len(shape)), *shape[1:])


def _aligned(seeds, ndim):
    """Seeds with the axes of extent one after the first that broadcasting adds."""
    return seeds.reshape(_aligned_shape(seeds.shape, ndim))


def _uniform_rows(rows):
    """Of each row whether it has one seed, but for zeros."""
    flat = rows.seeds.reshape(rows.count, -1)
    return ((flat == flat.max(1, keepdims=True)) | (flat < 0)).all(1)


def _seed_of(rows):
    """The seed of each row, of rows that have one."""
    return rows.seeds.reshape(rows.count, -1).max(1)


def _filled(rows):
    """Uniform rows, their zeros counted to their seed."""
    return Rows(rows.value, _seed_of(rows).reshape(-1, *[1] * (rows.seeds.ndim - 1)))


def _full(rows):
    return np.broadcast_to(rows.seeds, rows.value.shape)


def _moved_reshape(rows, to, **_):
    if rows.uniform:
        return rows.seeds.reshape(rows.count, *[1] * (len(to) - 1))
    return _full(rows).reshape(to)


def _moved_transpose(rows, to, *, axes):
    return rows.seeds.transpose(0, *(axis + 1 for axis in axes))


def _moved_broadcast(rows, to, **_):
    return _aligned(rows.seeds, len(to))


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


_MOVES = {
    "reshape": _moved_reshape, "transpose": _moved_transpose, "broadcast_to": _moved_broadcast,
    "slice": _moved_slice, "pad": _moved_pad, "flip": _moved_flip,
}  # fmt: skip


def _only_along(seeds, axis):
    """Whether the seeds vary along one axis and from row to row alone, and no two are equal."""
    if seeds.size != seeds.shape[0] * seeds.shape[axis]:
        return False
    used = seeds[seeds >= 0]
    return len(np.unique(used)) == used.size


def _matched(parts):
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


def _least_seed(slot):
    seeds = slot[0]
    return seeds[seeds >= 0].min()


def _rows_for(rows, seeds, axis):
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


def _pieces(rows, axis):
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


# ---- values -------------------------------------------------------------------------------------


def _work(node):
    """What a node computes for one seed, in elements; views cost nothing."""
    if node.primitive.name in ("reshape", "transpose", "broadcast_to", "slice", "flip"):
        return 0
    size = sum(v.size for v in node.outputs)
    if node.primitive.name == "matmul":
        a = node.operands[0]
        inner = a.shape[-2 if node.attributes["transpose_a"] else -1]
        return max(size, size * inner / _PER_ELEMENT)
    return max([size, *(o.size for o in node.operands)])


def _take(value, rows):
    """Some rows of a value, in that order: runs as slices."""
    runs, start = [], 0
    for k in range(1, len(rows) + 1):
        if k == len(rows) or rows[k] != rows[k - 1] + 1:
            runs.append(slice_axis(value, 0, int(rows[start]), int(rows[k - 1]) + 1))
            start = k
    return runs[0] if len(runs) == 1 else concatenate(*runs, axis=0)


def _placed(value, have, wanted):
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


def _negated(value):
    """The value times -1, part by part: what puts the parts together can then take it in."""
    node = value.node
    if node.primitive is not concatenate or node.attributes["axis"] != 0:
        return negative(value)
    return concatenate(*[negative(part) for part in node.operands], axis=0)


def _summed(rows, axes):
    kept = [axis for axis in range(rows.seeds.ndim) if axis not in axes]
    seeds = rows.seeds.reshape([rows.seeds.shape[axis] for axis in kept])
    return Rows(sum_(rows.value, axes=axes) if axes else rows.value, seeds)


def _unrolled(rows, axis):
    """Rows of which each has one seed per position along an axis, as rows of one seed each."""
    extent = rows.value.shape[axis]
    rest = [a for a in range(1, rows.value.ndim) if a != axis]
    value = transpose(rows.value, axes=(0, axis, *rest))
    shape = tuple(rows.value.shape[a] for a in rest)
    value = reshape(value, shape=(rows.count * extent, *shape))
    seeds = rows.seeds.reshape(-1, *[1] * len(rest))
    return Rows(value, seeds)


def _outer(rows, other, axis, other_axis, first):
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


_RULES = {
    **dict.fromkeys(_LINEAR, _Sweep.linear),
    **dict.fromkeys(_SUMS, _Sweep.sums),
    **dict.fromkeys(_MOVES, _Sweep.rearranged),
    "select": _Sweep.select,
    "concatenate": _Sweep.concatenation,
    "gather": _Sweep.gather,
    "scatter_add": _Sweep.scatter,
    "cumsum": _Sweep.along,
    "sum": _Sweep.summed,
    "matmul": _Sweep.matmul,
}
