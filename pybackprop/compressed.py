"""Compressed products: forward by columns or reverse by rows, whichever takes fewer sweeps.

Each colour is one seed, 1 at the elements of that colour. Few sweeps over small graphs are recorded
beside each other, so that what is zero for one colour is left out and what does not depend on the
seed is shared; many are vectorised.
"""

import itertools

import numpy as np

from .batching import record_batch
from .colouring import block_candidates, colour_columns, fewest_colours, lattice_candidates
from .differentiate import ReverseSweep, record_jvp
from .graph import current_graph, open_graph
from .pattern import require_scipy
from .primitives.base import broadcast, constant, constant_value, filled
from .primitives.elementwise import convert, equal
from .separation import Separation

# Sweeps are recorded one by one while they make no more nodes than this.
_MOST_UNROLLED = 3_000
# What a reverse sweep costs, in forward sweeps.
_REVERSE_COST = 1.3
_MOST_CONSTANT = 4_096


def choose(graph, wrt, known, mode="auto"):
    """The plan of the least cost for a graph.

    Parameters
    ----------
    graph : Graph
    wrt : sequence of int
        Numbers of the inputs that derivatives are wanted by.
    known : dict of Value to array
        Positions known while compiling.
    mode : {"auto", "forward", "reverse"}

    Returns
    -------
    Forward or Reverse
    """
    separation = Separation(graph, wrt, known)
    forward = Forward(separation)
    if mode == "forward":
        return forward.coloured()
    reverse = [Reverse(separation)]
    if separation.splits:
        reverse.append(Reverse(Separation(graph, wrt, known, split=True)))
    best = reverse.pop().coloured()
    for other in reverse:
        if other.bound < best.count:
            other.coloured()
            best = other if other.count < best.count else best
    if mode == "auto" and forward.bound < _REVERSE_COST * best.count:
        forward.coloured()
        if forward.count < _REVERSE_COST * best.count:
            return forward
    return best


class Forward:
    """Columns of the whole Jacobian in groups, one JVP each.

    Attributes
    ----------
    separation : Separation
    bound : int
        No colouring has fewer colours.
    colours : (n,) int64
        Per column.
    count : int
    """

    mode = "forward"

    def __init__(self, separation):
        sparse = require_scipy()
        self.separation = separation
        shape = (separation.n_rows, sum(v.size for v in separation.wrt))
        ones = np.ones(separation.rows.size, bool)
        self.pattern = sparse.coo_array(
            (ones, (separation.rows, separation.columns)), shape=shape
        ).tocsr()
        self.bound = fewest_colours(self.pattern.indptr)

    def coloured(self):
        """Find the colours; returns itself."""
        shapes = [v.shape for v in self.separation.wrt]
        candidates = itertools.chain(
            block_candidates(shapes), lattice_candidates(shapes, self.bound)
        )
        self.colours, self.count = colour_columns(self.pattern, candidates)
        return self

    def record(self, operands):
        """Record the products.

        Returns
        -------
        pieces : list of Value
        entries : tuple
            Rows, columns and places among the elements of ``pieces``, -1 where an entry is known to
            be zero.
        """
        graph, wrt = self.separation.graph, self.separation.wrt

        def begin(primals):
            def push(seeds):
                tangents = dict(zip(wrt, seeds, strict=True))
                return record_jvp(graph, primals, [tangents.get(v) for v in graph.inputs])[1]

            return push

        pieces, starts = record_products(graph, operands, begin, wrt, self.colours, self.count)
        rows = np.repeat(np.arange(self.pattern.shape[0]), np.diff(self.pattern.indptr))
        columns = self.pattern.indices.astype(np.int64)
        firsts = np.cumsum([0, *[v.size for v in graph.outputs]])
        return pieces, (rows, columns, _places(starts, self.colours[columns], rows, firsts))


class Reverse:
    """Rows of the core's Jacobian in groups, one VJP each.

    Attributes are those of :class:`Forward`, with colours per row of the core.
    """

    mode = "reverse"

    def __init__(self, separation):
        self.separation = separation
        self.pattern = separation.pattern.T.tocsr()
        self.bound = fewest_colours(self.pattern.indptr)

    def coloured(self):
        """Find the colours; returns itself."""
        candidates = block_candidates([v.shape for v in self.separation.core.outputs])
        self.colours, self.count = colour_columns(self.pattern, candidates)
        return self

    def record(self, operands):
        """Record the products; see :meth:`Forward.record`."""
        separation = self.separation
        core, n_sources = separation.core, len(separation.sources)
        active = [i < n_sources for i in range(len(core.inputs))]

        def begin(primals):
            sweep = ReverseSweep(core, primals, active)
            graph = current_graph()
            if graph.reverse_start is None:
                graph.reverse_start = len(graph.nodes)
            return lambda seeds: sweep.pull(seeds)[:n_sources]

        pieces, starts = record_products(
            core, separation.operands_of(operands), begin, core.outputs, self.colours, self.count
        )
        columns = separation.core_columns
        colours = self.colours[separation.core_rows]
        places = _places(starts, colours, columns, separation.source_starts)
        return pieces, (separation.rows, separation.columns, places)


def record_products(graph, operands, begin, seeded, colours, count):
    """Record one product per colour.

    Parameters
    ----------
    graph : Graph
    operands : list of Value
        For its inputs.
    begin : callable
        ``begin(primals)`` returns a function of the seeds that records a product, and returns its
        results, None for zero.
    seeded : sequence of Value
        What the seeds belong to.
    colours : (n,) int64
        Per element of these.
    count : int

    Returns
    -------
    pieces : list of Value
    starts : (count, n_results) int64
        Number of the first element of each result among those of ``pieces``, -1 for zero.
    """
    cuts = np.cumsum([v.size for v in seeded])[:-1]
    parts = np.split(colours, cuts) if len(seeded) else []
    if count <= 2 or count * len(graph.nodes) <= _MOST_UNROLLED:
        return _one_by_one(operands, begin, seeded, parts, count)
    return _all_at_once(graph, operands, begin, seeded, parts, count)


def _one_by_one(operands, begin, seeded, parts, count):
    """Products recorded beside each other: what is zero for one colour makes no nodes."""
    record = begin(operands)
    pieces, table, position = [], [], 0
    for colour in range(count):
        results = record([_seed(p, v, colour) for p, v in zip(parts, seeded, strict=True)])
        starts = []
        for result in results:
            if result is None or constant_value(result) == 0:
                starts.append(-1)
                continue
            starts.append(position)
            pieces.append(result)
            position += result.size
        table.append(starts)
    return pieces, np.array(table, np.int64)


def _all_at_once(graph, operands, begin, seeded, parts, count):
    """One product, vectorised over the colours."""
    with open_graph("products", current_graph().rewrites) as inner:
        primals = [inner.add_input(v.shape, v.dtype, v.weak) for v in graph.inputs]
        used = [k for k, part in enumerate(parts) if (part >= 0).any()]
        inputs = {k: inner.add_input(seeded[k].shape, seeded[k].dtype) for k in used}
        results = begin(primals)([inputs.get(k) for k in range(len(seeded))])
        present = [k for k, result in enumerate(results) if result is not None]
        inner.close([results[k] for k in present])
    seeds = [_seeds(parts[k], seeded[k], count) for k in used]
    flags = [False] * len(primals) + [True] * len(seeds)
    products, batched = record_batch(inner, operands + seeds, flags, count)
    pieces, position = [], 0
    starts = np.full((count, len(results)), -1, np.int64)
    for k, product, flag in zip(present, products, batched, strict=True):
        if flag:
            pieces.append(product)
            starts[:, k] = position + np.arange(count) * (product.size // count)
            position += product.size
    return pieces, starts


def _seed(colours, like, colour):
    """Ones at the elements of one colour; None if there are none."""
    mask = (colours == colour).reshape(like.shape)
    if not mask.any():
        return None
    if mask.all():
        return filled(like.shape, 1, like.dtype)
    for axis in range(mask.ndim):
        first = mask.take([0], axis)
        mask = first if (mask == first).all() else mask
    if mask.size <= _MOST_CONSTANT:
        return broadcast(constant(mask, like.dtype), like.shape)
    numbers = constant(colours.reshape(like.shape), like.dtype)
    return convert(equal(numbers, constant(colour, like.dtype)), dtype=like.dtype)


def _seeds(colours, like, count):
    """The seeds of all colours, along a new first axis."""
    numbers = constant(colours.reshape(1, *like.shape), like.dtype)
    lanes = constant(np.arange(count).reshape(count, *(1,) * like.ndim), like.dtype)
    return convert(equal(numbers, lanes), dtype=like.dtype)


def _places(starts, colours, elements, firsts):
    """Where the products have an element, by the colour it is seeded with.

    Parameters
    ----------
    starts : (count, n_results) int64
        See :func:`record_products`.
    colours, elements : (n,) int64
        Colour, and number among the elements of all results.
    firsts : (n_results + 1,) int64
        Number of the first element of each result.
    """
    if not elements.size:
        return np.zeros(0, np.int64)
    which = np.searchsorted(firsts, elements, side="right") - 1
    start = starts[colours, which]
    return np.where(start < 0, -1, start + elements - firsts[which])
