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
from .primitives.elementwise import negative
from .primitives.indexing import scatter_add
from .primitives.linalg import sparse_matmul
from .primitives.shaping import concatenate, reshape, slice_, slice_axis
from .seeded_columns import (
    added,
    added_rows,
    by_windows,
    negated,
    scaled_columns,
    seed_columns,
    sliced_columns,
)
from .seeded_rows import (
    MOVES,
    Rows,
    aligned,
    aligned_shape,
    columns_of,
    filled,
    least_seed,
    matched,
    only_along,
    outer_product,
    pieces_of,
    placed,
    rows_for,
    seed_of,
    seeds_first,
    summed,
    taken_rows,
    uniform_rows,
    unrolled,
)

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

# Elements of constants that are made.
_MOST_KNOWN = 4096

# Columns of a product, with those of zeros, per seed.
_FILLED = 1.5

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


class _Cost:
    """What both ways compute, in elements: of sums, products, and what is moved for them."""

    def __init__(self):
        self.structured = self.batch = 0.0


def _work(node):
    """What a node computes for one seed, in elements; views cost nothing."""
    if node.primitive.name in ("reshape", "transpose", "broadcast_to", "slice", "flip"):
        return 0
    size = sum(v.size for v in node.outputs)
    if node.primitive.name == "matmul":
        a = node.operands[0]
        inner = a.shape[-2 if node.attributes["transpose_a"] else -1]
        return max(size, size * inner / _PER_ELEMENT)
    if node.primitive.name == "sparse_matmul":
        matrix = node.attributes["matrix"]
        return max(size, size // matrix.shape[0] * matrix.values.size / _PER_ELEMENT)
    return max([size, *(o.size for o in node.operands)])


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
        value = self.spread(rows).value
        columns = columns_of(value)
        return value if columns is None else seeds_first(by_windows(columns)), True

    # ---- rows -----------------------------------------------------------------------------------

    def spread(self, rows, wanted=None):
        """The same with one seed per row: those that are wanted, by default all."""
        wanted = np.arange(self.size) if wanted is None else wanted
        shape = (len(wanted), *rows.value.shape[1:])
        numbers = wanted.reshape(-1, *[1] * (rows.value.ndim - 1))
        if constant_value(rows.value) is not None and rows.count == 1:
            if rows.seeds.size * len(wanted) <= _MOST_KNOWN:
                # One number where the seeds are: a constant, repeated.
                number = rows.value.dtype.type(constant_value(rows.value))
                known = np.where(rows.seeds == numbers, number, rows.value.dtype.type(0))
                return Rows(broadcast(constant(known), shape), numbers)
        same = uniform_rows(rows)
        if same.all():
            have = seed_of(rows)
            if np.array_equal(have, wanted):
                return rows
            if len(set(have)) == len(have):
                self.cost.structured += _NODE + element_count(shape)
                return Rows(placed(rows.value, have, wanted), numbers)
        elif same.any():
            # Only the others are written element by element.
            whole, mixed = np.flatnonzero(same), np.flatnonzero(~same)
            whole = Rows(taken_rows(rows.value, whole), rows.seeds[whole])
            mixed = self.gathered(Rows(taken_rows(rows.value, mixed), rows.seeds[mixed]))
            return self.spread(self.total([filled(whole), mixed]), wanted)
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
            opposite = negated(rows.value)
            columns = columns_of(opposite)
            if columns is not None and columns.node.primitive is not negative:
                self.share = 0.0  # taken in by what made the rows
            return [Rows(opposite, rows.seeds)]
        operands = [rows.value if k in moving else self.env[o] for k, o in enumerate(node.operands)]
        columns = columns_of(rows.value)
        if columns is not None:
            others = [reshape(o, shape=(*o.shape, 1)) for o in operands]
            operands = [columns if k in moving else o for k, o in enumerate(others)]
            value = seeds_first(node.primitive(*operands, **node.attributes))
            return [Rows(value, aligned(rows.seeds, value.ndim))]
        flags = [k in moving for k in range(len(operands))]
        (value,) = node.primitive.batch(operands, flags, rows.count, **node.attributes)
        return [Rows(value, aligned(rows.seeds, value.ndim))]

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
            parts.append(Rows(value, aligned(rows.seeds, value.ndim)))
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
            value, seeds = rows.value, aligned(rows.seeds, len(shape) + 1)
            if value.shape[1:] != shape:
                value = broadcast(
                    reshape(value, shape=aligned_shape(value.shape, len(shape) + 1)),
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
            compared = most * sum(rows.count for rows in parts) ** 2
            if compared > _MOST_COMPARED or any(
                columns_of(rows.value) is not None for rows in parts
            ):
                parts = [self.gathered(rows) for rows in parts]
        slots = sorted(matched(parts), key=least_seed)
        whole = added_rows(parts, slots)
        if whole is not None:
            return whole
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
                taken_rows(parts[k].value, range(r, r + end - start)) for k, r in slots[start][1]
            ]
            blocks.append(sources[0] if len(terms) == 1 else added(sources))
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
        columns = columns_of(rows.value)
        if columns is not None and node.primitive is slice_:
            value = seeds_first(sliced_columns(columns, **node.attributes))
        else:
            (value,) = node.primitive.batch([rows.value], [True], rows.count, **node.attributes)
        seeds = MOVES[node.primitive.name](rows, value.shape, **node.attributes)
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
                order = rows_for(rows, seeds, axis)
                values.append(placed(rows.value, order, np.arange(count)))
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
        if len(varying) == 1 and only_along(rows.seeds, varying[0]):
            # Of every seed one element: nothing to add.
            (axis,) = varying
            rows = unrolled(rows, axis)
            axes = tuple(a for a in axes if a != axis)
            axes = tuple(a - (a > axis) for a in axes)
            return [summed(rows, axes)]
        if len(varying) == 1:
            pieces = pieces_of(rows, varying[0])
            if len(pieces) <= _MOST_PIECES:
                return [self.total([summed(part, axes) for part, _, _ in pieces])]
        if varying:
            rows = self.gathered(rows)
        return [summed(rows, axes)]

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
        if rows.seeds.shape[axis] > 1 and only_along(rows.seeds, axis):
            return [outer_product(rows, other, axis, other_axis, k == 0)]
        pieces = pieces_of(rows, axis)
        if len(pieces) > _MOST_PIECES:
            rows = self.gathered(rows)
            pieces = pieces_of(rows, axis)
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

    def sparse_product(self, node):
        """A product with a sparse constant: of seeds side by side, as its columns."""
        rows = self.tangents[node.operands[0]]
        if rows is None:
            return [None]
        matrix = node.attributes["matrix"]
        if rows.seeds.shape[1] > 1 and only_along(rows.seeds, 1):
            return [scaled_columns(rows, matrix)]
        used = np.unique(rows.seeds)
        used = used[used >= 0]
        if self.size <= _FILLED * len(used):
            # With columns of zeros, so that the result is a whole block of the Jacobian.
            used = np.arange(self.size)
        value = seeds_first(sparse_matmul(seed_columns(rows, used), matrix=matrix))
        self.cost.structured += _NODE + 2 * rows.value.size
        # A batch has its axis moved to the end and back.
        self.cost.batch += self.size * (node.operands[0].size + node.outputs[0].size)
        return [Rows(value, used.reshape(-1, *[1] * (value.ndim - 1)))]


_RULES = {
    **dict.fromkeys(_LINEAR, _Sweep.linear),
    **dict.fromkeys(_SUMS, _Sweep.sums),
    **dict.fromkeys(MOVES, _Sweep.rearranged),
    "select": _Sweep.select,
    "concatenate": _Sweep.concatenation,
    "gather": _Sweep.gather,
    "scatter_add": _Sweep.scatter,
    "cumsum": _Sweep.along,
    "sum": _Sweep.summed,
    "matmul": _Sweep.matmul,
    "sparse_matmul": _Sweep.sparse_product,
}
