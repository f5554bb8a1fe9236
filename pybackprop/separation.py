"""A graph cut in three: what only moves elements of arguments, the core, what moves its results.

Every element of a value before the core is an element of an argument, or has no derivative; which
one is an array of numbers (a map). Every element of a result is an element of an output of the
core, or a sum of some where adjoints are accumulated; which is a sparse matrix of small integers.
So the Jacobian of the whole is ``J[i, j] = sum of core[r, q]`` over the pairs with ``r`` in row i
of the matrix and ``map[q] = j``, and only the core is differentiated. An input of the core is one
*use* of an argument: each slice, each gather, each broadcast of a small value is an input of its
own.
"""

import numpy as np

from ._core import copy_node
from .differentiate import subgraph
from .graph import CONSTANT, INPUT, element_count, open_graph
from .pattern import (
    SAME,
    broadcast_map,
    dependence,
    element_map,
    matrix,
    note_known,
    patterns,
    refuse_dense,
    require_scipy,
)
from .primitives import elementwise as e
from .primitives import indexing, shaping
from .primitives.base import broadcast, is_floating

# A small value is broadcast to an input of the core of at most so many times the elements of
# arguments and results: more would be the work of a dense Jacobian.
_MOST_BROADCAST = 16
_SPLITS = (e.accumulate, e.add, indexing.scatter_add)
_PLACES = (shaping.pad, indexing.scatter_add)


class Separation:
    """A graph cut into moves, core, and moves.

    Parameters
    ----------
    graph : Graph
        Closed.
    wrt : sequence of int
        Numbers of the inputs that derivatives are wanted by.
    known : dict of Value to array
        Positions known besides constants.
    split : bool
        Whether sums of elements that were put at places belong to the moves after the core.

    Attributes
    ----------
    wrt : list of Value
    core : Graph
        Inputs: ``sources``, then ``parameters``.
    sources : list of (Value, shape)
        The values of ``graph`` that the core's first inputs are, and the shapes they are broadcast
        to.
    parameters : list of Value
        Inputs of ``graph`` that its other inputs are.
    pattern : scipy.sparse.csr_array
        Of the core: a row per element of its outputs, a column per element of its sources; without
        entries where a row is not used.
    rows, columns, core_rows, core_columns : (n,) int64
        Every pair of an entry of the Jacobian and an entry of the core that adds to it.
    splits : bool
        Whether there was anything to split.
    """

    def __init__(self, graph, wrt, known, split=False):
        self.graph = graph
        self.wrt = [graph.inputs[i] for i in wrt]
        self.known = dict(known)
        self.split = split
        for node in graph.nodes:
            note_known(node, self.known)
        self._find_moves()
        self.splits = any(
            n.primitive in _SPLITS and any(o in self._placed for o in n.operands)
            for n in graph.nodes
        )
        links = self._find_results()
        self._build_core(list(links))
        self._find_entries(links)

    # ---- before the core ----------------------------------------------------------------------

    def _find_moves(self):
        """Find the maps of values that only move elements, and the values with a derivative."""
        self.maps, self.active, self._placed = {}, set(self.wrt), set()
        start = 0
        for value in self.wrt:
            self.maps[value] = np.arange(start, start + value.size)
            start += value.size
        for node in self.graph.nodes:
            if node.primitive in (INPUT, CONSTANT) or node.primitive.stops:
                continue
            mine = [i for i, operand in enumerate(node.operands) if operand in self.active]
            if not mine:
                continue
            self.active.update(filter(is_floating, node.outputs))
            if node.primitive in _PLACES or any(o in self._placed for o in node.operands):
                if self._moves(node, mine[0]) or node.primitive in _SPLITS:
                    self._placed.update(node.outputs)
            if all(node.operands[i] in self.maps for i in mine):
                total = self._moved(node, mine)
                if total is not None:
                    self.maps[node.outputs[0]] = total

    def _moves(self, node, position):
        return element_map(node, position, self.known) is not None

    def _moved(self, node, mine):
        total = None
        for position in mine:
            source = self.maps[node.operands[position]]
            found = element_map(node, position, self.known)
            if found is None:
                return None
            part = source if found is SAME else _follow(source, found)
            # At most one operand of a move gives an element; the rest give -1.
            total = part if total is None else np.maximum(total, part)
        return total

    # ---- after the core -----------------------------------------------------------------------

    def _find_results(self):
        """Per output of the core, which of its elements add up to which elements of the results."""
        sparse = require_scipy()
        n_rows = sum(v.size for v in self.graph.outputs)
        links, start = {}, 0
        for value in self.graph.outputs:
            if value in self.active:
                indptr = np.clip(np.arange(n_rows + 1) - start, 0, value.size)
                link = sparse.csr_array(
                    (np.ones(value.size, np.int32), np.arange(value.size), indptr),
                    shape=(n_rows, value.size),
                )
                links[value] = links[value] + link if value in links else link
            start += value.size
        self.n_rows = n_rows
        for node in reversed(self.graph.nodes):
            value = node.outputs[0]
            if value not in links or value in self.maps or node.primitive.multiple:
                continue
            steps = self._undo(node)
            if steps is None:
                continue
            link = links.pop(value)
            for operand, step in steps:
                part = link if step is SAME else link @ step
                links[operand] = links[operand] + part if operand in links else part
        return links

    def _undo(self, node):
        """Active operands of a move, each with the matrix from its elements to the output's."""
        mine = [i for i, operand in enumerate(node.operands) if operand in self.active]
        summed = self.split and node.primitive in _SPLITS and node.outputs[0] in self._placed
        result = []
        for position in mine:
            operand = node.operands[position]
            if summed:
                found = dependence(node, position, self.known)
                found = None if isinstance(found, tuple) else found
            else:
                found = element_map(node, position, self.known)
            if found is None:
                return None
            if isinstance(found, np.ndarray):
                found = _as_link(found, operand.size)
            result.append((operand, found if found is SAME else found.astype(np.int32)))
        return result

    # ---- the core -----------------------------------------------------------------------------

    def _build_core(self, outputs):
        """Record the nodes between, with each use of a moved argument as an input."""
        n_columns = sum(v.size for v in self.wrt)
        self._limit = _MOST_BROADCAST * (n_columns + self.n_rows) + 1024
        needed = self._needed(outputs)
        self._env, self._inputs, self.sources, self.parameters = {}, {}, [], []
        self.core_known = {}
        with open_graph("core") as core:
            for node in self.graph.nodes:
                if node in needed:
                    self._add(core, node)
            ends = [self._use(core, v) if v in self.maps else self._env[v] for v in outputs]
            # Sources first, so that their columns are in order.
            inputs = list(self._inputs.values()) + [self._env[v] for v in self.parameters]
            core.inputs = inputs
            for position, value in enumerate(inputs):
                value.node.attributes["position"] = position
            core.close(ends)
        self.core = core

    def _needed(self, outputs):
        """Nodes of the core."""
        wanted = {v for v in outputs if v not in self.maps}
        needed = set()
        for node in reversed(self.graph.nodes):
            if any(v in wanted for v in node.outputs):
                needed.add(node)
                wanted.update(o for o in node.operands if o not in self.maps)
        return needed

    def _add(self, core, node):
        if node.primitive is INPUT:
            value = node.outputs[0]
            self._env[value] = core.add_input(value.shape, value.dtype, value.weak)
            self.parameters.append(value)
            return
        env = {}
        for operand in node.operands:
            env[operand] = self._env.get(operand)
            if operand in self.maps:
                env[operand] = self._use(core, operand, self._broadcast_shape(node, operand))
        copy_node(node, env, core)
        for value in node.outputs:
            self._env[value] = env[value]
            if value in self.known:
                self.core_known[env[value]] = self.known[value]

    def _broadcast_shape(self, node, operand):
        """The shape that a small operand of an elementwise node is broadcast to."""
        shape = node.outputs[0].shape
        if operand.shape == shape or not isinstance(node.primitive, (e.Elementwise, e.Select)):
            return operand.shape
        return shape if element_count(shape) <= self._limit else operand.shape

    def _use(self, core, value, shape=None):
        """The input of the core for a moved argument, broadcast to a shape."""
        key = (value, value.shape if shape is None else shape)
        known = self._inputs.get(key)
        if known is None:
            known = self._inputs[key] = core.add_input(key[1], value.dtype)
            self.sources.append(key)
        return known

    # ---- entries ------------------------------------------------------------------------------

    def _find_entries(self, links):
        sparse = require_scipy()
        maps = [_follow(self.maps[v], broadcast_map(v.shape, shape)) for v, shape in self.sources]
        self.source_starts = np.cumsum([0, *[m.size for m in maps]])
        n_columns = int(self.source_starts[-1])
        columns = {
            v: int(s) for v, s in zip(self.core.inputs, self.source_starts[:-1], strict=False)
        }
        found = patterns(self.core, columns, n_columns, self.core_known)
        if found:
            pattern = sparse.vstack(found, format="csr")
            link = sparse.hstack(list(links.values()), format="csr")
        else:
            pattern = matrix(np.zeros(0, np.int64), np.zeros(1, np.int64), (0, n_columns))
            link = sparse.csr_array((self.n_rows, 0), dtype=np.int32)
        wrt_of = np.concatenate([*maps, np.zeros(0, np.int64)])
        self.pattern = _restrict(pattern, link, wrt_of)
        lengths = np.diff(self.pattern.indptr)
        repeats = lengths[link.indices]
        refuse_dense(int(repeats.sum()))
        uses = np.repeat(np.arange(self.n_rows), np.diff(link.indptr))
        # A row that counts twice is listed twice.
        if link.nnz and link.data.max() > 1:
            counts = link.data
            uses, core_rows = np.repeat(uses, counts), np.repeat(link.indices, counts)
        else:
            core_rows = link.indices
        repeats = lengths[core_rows]
        entries = self.pattern[core_rows]
        self.rows = np.repeat(uses, repeats)
        self.core_rows = np.repeat(core_rows.astype(np.int64), repeats)
        self.core_columns = entries.indices.astype(np.int64)
        self.columns = wrt_of[self.core_columns]

    def operands_of(self, operands):
        """Record the core's operands, given those of the graph, in the innermost open graph.

        Returns
        -------
        list of Value
        """
        from .graph import current_graph

        env = dict(zip(self.graph.inputs, operands, strict=True))
        wanted = {value for value, _ in self.sources}
        needed = set()
        for node in reversed(self.graph.nodes):
            if node.primitive is not INPUT and any(v in wanted for v in node.outputs):
                needed.add(node)
                wanted.update(node.operands)
        target = current_graph()
        location = target.location
        for node in self.graph.nodes:
            if node in needed:
                copy_node(node, env, target)
        target.location = location
        return [broadcast(env[v], shape) for v, shape in self.sources] + [
            env[v] for v in self.parameters
        ]


def _follow(source, found):
    """A map after another one."""
    if found is SAME:
        return source
    if not source.size:
        return np.full(found.size, -1)
    return np.where(found >= 0, source[found], -1)


def _as_link(found, size):
    """A map as a matrix of ones."""
    live = found >= 0
    return matrix(found[live], np.concatenate([[0], np.cumsum(live)]), (found.size, size))


def _restrict(pattern, link, wrt_of):
    """A pattern without the rows that no result uses and the columns that stand for no argument."""
    used = np.zeros(pattern.shape[0], bool)
    used[link.indices] = True
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    keep = used[rows] & (wrt_of[pattern.indices] >= 0)
    if keep.all():
        return pattern
    counts = np.bincount(rows[keep], minlength=pattern.shape[0])
    return matrix(pattern.indices[keep], np.concatenate([[0], np.cumsum(counts)]), pattern.shape)


def position_graph(graph, wrt):
    """The part of a graph that computes positions of gathers from anything but ``wrt``.

    Returns
    -------
    positions : list of Value
    part : Graph or None
        Its outputs are the positions.
    used : list of Value
        The inputs of ``graph`` that its inputs are.
    """
    differentiated = set(wrt)
    positions = []
    for node in graph.nodes:
        if any(operand in differentiated for operand in node.operands):
            differentiated.update(node.outputs)
        if node.primitive is indexing.gather or isinstance(node.primitive, indexing.Scatter):
            value = node.operands[1]
            if value.node.primitive is not CONSTANT and value not in differentiated:
                positions.append(value)
    positions = list(dict.fromkeys(positions))
    if not positions:
        return [], None, []
    part, used = subgraph(graph, graph.inputs, positions, "positions")
    return positions, part, used
