"""Sweeps by tiles: nodes independent along a common axis run tile by tile, forward and reverse.

The pass finds axes that many nodes share (*classes*: axes linked by elementwise nodes, by products
with a shared matrix, by gathers ...), takes the class with most work, and gathers the nodes that
map over it or reduce it into *regions*. A region becomes one ``tiles`` node: a loop without
carries whose body works on a tile of rows. Row values live only as long as the tile, so they stay
in cache and take no memory that grows with the rows; sums over the rows (losses, adjoints of
shared parameters) are accumulators that each tile adds to.

A node that needs the result of a full reduction over the rows comes a *phase* later than what was
reduced; there is one region per phase, and row values that a later phase needs are written out by
the earlier one.

The tile's extent follows from the bytes of the body's row values alone (see
:func:`choose_extent`), not from the machine, so that the order of sums is the same everywhere.
"""

from ..graph import CONSTANT, INPUT, Graph, Node, Value, open_graph
from ..primitives import elementwise as e
from ..primitives import indexing, linalg, reduction, shaping
from ..primitives.base import Primitive, constant_value
from .columns import Columns, prefers_columns
from .pairs import alias, gains_from_columns, separate
from .segments import LEAST_ROWS, divide, work_of

# What a tile's row values may take: about a first-level cache, or part of a second-level one where
# matrix products reuse rows and want many of them.
_LEVEL_1, _LEVEL_2 = 40_000, 560_000
# The same for rows that are read twice, and their bytes in all above which they are tiled.
_AGAIN, _LEAST_TWICE = 30_000, 100_000
# Rows of so many bytes make long loops by themselves.
_LONG_ROW = 2048
# A region that makes fewer bytes than this stays in a second-level cache anyway, and loops would
# only cost.
_LEAST_BYTES = 500_000
# How many classes of axes are looked at; a loop that is written out has one for every step.
_MOST_TRIED = 16
_MAPS = (e.Elementwise, e.Comparison, e.Bits, e.Select, e.Convert, e.Accumulate, e.StopGradient)


class Tiles(Primitive):
    """Runs ``body`` on tiles of ``extent`` rows, then ``tail`` on the rows that are left.

    The tiles that fill ``segments`` alike may run on as many threads.

    Operands: shared ones, then sliced ones. ``axes`` gives the row axis of each sliced operand;
    ``outputs`` the row axis of each output, or None for a sum over all tiles. With ``columns``,
    row values of the body have their row axis last, see :mod:`.columns`. Made after
    differentiation, so it has no derivative rules.
    """

    name = "tiles"
    multiple = True

    def infer(self, *operands, body, tail, rows, axes, outputs, columns, **sizes):
        result = []
        for value, axis in zip(body.outputs, outputs, strict=True):
            shape = list(value.shape)
            if axis is not None:
                del shape[-1 if columns else axis]
                shape.insert(axis, rows)
            result.append((tuple(shape), value.dtype))
        return result

    def lower(self, lowering, node):
        lowering.tiles(node)


tiles = Tiles()


def tile(graph):
    """The graph with its widest rows swept by tiles; the graph itself if that does not pay."""
    graph, least = separate(graph, _Classes(graph).by_work())
    if least:
        graph = _pairs_in_columns(graph, least)
    for _ in range(4):
        result = _tile_once(graph, least)
        if result is graph:
            break
        graph = result
    return graph


def _tile_once(graph, least):
    classes = _Classes(graph, least).by_work()
    if least:
        # Of two axes, the one whose steps leave the other's rows whole.
        classes.sort(key=lambda members: sum(v.size for v, axis in members if axis == v.ndim - 1))
    for members in classes[:_MOST_TRIED]:
        plan = _Plan(graph, members)
        if plan.pays():
            return plan.build()
    return graph


def _pairs_in_columns(graph, least):
    """The graph with one axis of its pairs last, if the last one is short."""
    for members in _Classes(graph, least).by_work()[:_MOST_TRIED]:
        if gains_from_columns(members, least):
            return _Plan(graph, members).build(whole=True)
    return graph


# ---- classes of axes ----------------------------------------------------------------------------


class _Classes:
    """Axes of values, joined where a node maps one onto the other.

    Of two values with fewer elements than ``least``, none are.
    """

    def __init__(self, graph, least=0):
        self.graph = graph
        self.numbers = {}
        self.members = []
        self.parent = []
        long = {v for n in graph.nodes for v in n.outputs if v.shape and max(v.shape) >= LEAST_ROWS}
        for node in graph.nodes:
            # Two of its values have to have the axis.
            if sum([v in long for v in (*node.operands, *node.outputs)]) < 2:
                continue
            for (value, axis), (other, other_axis) in _links(node):
                few = value.size < least and other.size < least
                if not few and value.shape[axis] == other.shape[other_axis] >= LEAST_ROWS:
                    self.join(self.number(value, axis), self.number(other, other_axis))

    def number(self, value, axis):
        """A number for an axis of a value."""
        number = self.numbers.setdefault((id(value), axis), len(self.parent))
        if number == len(self.parent):
            self.parent.append(number)
            self.members.append((value, axis))
        return number

    def find(self, number):
        """The number that stands for the class."""
        parent = self.parent
        root = number
        while parent[root] != root:
            root = parent[root]
        while parent[number] != root:
            parent[number], number = root, parent[number]
        return root

    def join(self, a, b):
        """Make two classes one."""
        self.parent[self.find(a)] = self.find(b)

    def by_work(self):
        """Classes as lists of (value, axis), the one with most elements first."""
        work, classes = {}, {}
        for number, (value, axis) in enumerate(self.members):
            root = self.find(number)
            classes.setdefault(root, []).append((value, axis))
            if value.node.primitive not in (INPUT, CONSTANT):
                work[root] = work.get(root, 0) + value.size
        return [classes[root] for root in sorted(work, key=lambda root: -work[root])]


def _links(node):
    """Pairs of (value, axis) that are one axis, of operands and outputs or among operands."""
    primitive, operands = node.primitive, node.operands
    if primitive in (INPUT, CONSTANT) or primitive.multiple:
        return
    (out,) = node.outputs
    if isinstance(primitive, _MAPS) or primitive is shaping.broadcast_to:
        for operand in operands:
            shift = out.ndim - operand.ndim
            for axis, extent in enumerate(operand.shape):
                if extent == out.shape[axis + shift]:
                    yield (operand, axis), (out, axis + shift)
    elif primitive is shaping.reshape:
        for axis, other in _kept_by_reshape(operands[0].shape, out.shape):
            yield (operands[0], axis), (out, other)
    elif primitive is shaping.transpose:
        for other, axis in enumerate(node.attributes["axes"]):
            yield (operands[0], axis), (out, other)
    elif primitive in (shaping.slice_, shaping.pad, shaping.flip, shaping.concatenate):
        untouched = _untouched_axes(node)
        for operand in operands:
            for axis in untouched:
                yield (operand, axis), (out, axis)
    elif isinstance(primitive, (reduction.Reduction, reduction.ArgExtreme)):
        axes = _reduced_axes(node)
        kept = [axis for axis in range(operands[0].ndim) if axis not in axes]
        for other, axis in enumerate(kept):
            yield (operands[0], axis), (out, other)
    elif isinstance(primitive, reduction.Cumulative):
        for axis in range(out.ndim):
            if axis != node.attributes["axis"]:
                yield (operands[0], axis), (out, axis)
    elif primitive is linalg.matmul:
        a, b = operands
        (m, k), (k2, n) = _matmul_axes(node)
        yield (a, m), (out, out.ndim - 2)
        yield (b, n), (out, out.ndim - 1)
        yield (a, k), (b, k2)
        for axis in range(out.ndim - 2):
            yield (a, axis), (out, axis)
            yield (b, axis), (out, axis)
    elif primitive is indexing.gather:
        x, positions = operands
        yield (x, 0), (out, 0)
        yield (x, 2), (out, 2)
        yield (positions, positions.ndim - 1), (out, 1)
        if positions.ndim == 2:
            yield (positions, 0), (out, 0)
    elif primitive is indexing.scatter_add:
        x, positions, updates = operands
        yield (x, 0), (out, 0)
        yield (updates, 0), (out, 0)
        yield (positions, positions.ndim - 1), (updates, 1)
        if positions.ndim == 2:
            yield (positions, 0), (out, 0)
    elif primitive is indexing.wrap_index:
        for axis in range(out.ndim):
            yield (operands[0], axis), (out, axis)


def _matmul_axes(node):
    """The axes (m, k) of the first operand and (k, n) of the second."""
    a, b = node.operands
    first, second = (a.ndim - 2, a.ndim - 1), (b.ndim - 2, b.ndim - 1)
    if node.attributes["transpose_a"]:
        first = first[::-1]
    if node.attributes["transpose_b"]:
        second = second[::-1]
    return first, second


def _reduced_axes(node):
    axes = node.attributes.get("axes")
    return (node.attributes["axis"],) if axes is None else axes


def _kept_by_reshape(old, new):
    """Pairs of axes with equal extents and equal numbers of elements before them."""
    before = {}
    count = 1
    for axis, extent in enumerate(old):
        if extent != 1:
            before[count, extent] = axis
        count *= extent
    count = 1
    for axis, extent in enumerate(new):
        if extent != 1 and (count, extent) in before:
            yield before[count, extent], axis
        count *= extent


def _untouched_axes(node):
    attributes, (out,) = node.attributes, node.outputs
    primitive = node.primitive
    if primitive is shaping.concatenate:
        return [axis for axis in range(out.ndim) if axis != attributes["axis"]]
    if primitive is shaping.flip:
        return [axis for axis in range(out.ndim) if axis not in attributes["axes"]]
    return [axis for axis, n in enumerate(out.shape) if n == node.operands[0].shape[axis]]


# ---- regions ------------------------------------------------------------------------------------


class _Plan:
    """Which nodes of a graph run by tiles along one class, in which phase."""

    def __init__(self, graph, members):
        self.graph = graph
        value, axis = members[0]
        self.rows = value.shape[axis]
        self.axis = {}
        self.readers = None
        self.doubled = set()
        for value, axis in members:
            if value in self.axis:
                self.doubled.add(value)
            self.axis[value] = axis
        self._sort()

    def _kind(self, node):
        """``"map"`` or ``"reduce"`` for a node of the region, else None."""
        primitive = node.primitive
        if primitive in (INPUT, CONSTANT) or primitive.multiple or primitive.name == "tiles":
            return None
        (out,) = node.outputs
        touched = [o for o in node.operands if o in self.axis]
        if any(v in self.doubled for v in (*touched, out)):
            return None
        if out in self.axis:
            linked = {
                (id(value), axis)
                for (value, axis), (other, other_axis) in _links(node)
                if other is out and other_axis == self.axis[out]
            }
            if any((id(o), self.axis[o]) not in linked for o in touched):
                return None
            return "map" if touched or primitive is shaping.broadcast_to else None
        if not touched:
            return None
        if primitive is reduction.sum_:
            return "reduce" if self.axis[node.operands[0]] in _reduced_axes(node) else None
        if primitive is linalg.matmul and len(touched) == 2 and out.ndim == 2:
            (_, k), (k2, _) = _matmul_axes(node)
            a, b = node.operands
            return "reduce" if self.axis[a] == k and self.axis[b] == k2 else None
        if primitive is indexing.scatter_add:
            x, positions, updates = node.operands
            flat = positions.ndim == 1 and x not in self.axis and constant_value(x) == 0
            if flat and self.axis.get(positions) == 0 and self.axis.get(updates) == 1:
                return "reduce"
        return None

    def _sort(self):
        """Phases: of shared values when they are known, of row nodes in which region they are."""
        self.kind, self.region = {}, {}
        known = {}
        for node in self.graph.nodes:
            kind = self._kind(node)
            phase = max([known[o] for o in node.operands], default=0)
            if kind is None:
                # A row value of a region is there for others when the region has ended.
                phase = max(
                    [phase] + [known[o] + 1 for o in node.operands if o.node in self.region]
                    if any(o.node in self.region and o in self.axis for o in node.operands)
                    else [phase]
                )
                for value in node.outputs:
                    known[value] = phase
                continue
            self.kind[node] = kind
            self.region[node] = phase
            for value in node.outputs:
                known[value] = phase + 1 if kind == "reduce" else phase
        self.known = known

    def _gather(self):
        self.regions = {}
        for node in self.graph.nodes:
            if node in self.region:
                self.regions.setdefault(self.region[node], []).append(node)
        for phase, nodes in self.regions.items():
            self.regions[phase] = self._without_last_pads(nodes)

    def _without_last_pads(self, nodes):
        """The nodes of a region but for pads that only others read: these add windows in place."""
        members = set(nodes)
        for node in reversed(nodes):
            if node.primitive is shaping.pad:
                readers = self._readers().get(node.outputs[0], ())
                if readers and members.isdisjoint(readers):
                    members.discard(node)
        return [node for node in nodes if node in members]

    def _readers(self):
        if self.readers is None:
            self.readers = {}
            for node in self.graph.nodes:
                for operand in node.operands:
                    self.readers.setdefault(operand, set()).add(node)
        return self.readers

    def pays(self):
        """Whether the rows are many and a region does enough with them."""
        self._gather()
        self.regions = {p: nodes for p, nodes in self.regions.items() if self._worthwhile(nodes)}
        return bool(self.regions)

    def _worthwhile(self, nodes):
        working = [n for n in nodes if not _is_view(n)]
        if len(working) < 2:
            return False
        if self._columns(nodes):
            return True
        extent = choose_extent(nodes, self.axis, self.rows)
        made = sum(v.size * v.dtype.itemsize for n in working for v in n.outputs)
        twice = _read_twice(nodes, self.axis)
        return self.rows >= 2 * extent and (made > _LEAST_BYTES or twice > _LEAST_TWICE)

    def _columns(self, nodes):
        """Whether a region is worth having its rows transposed."""
        members, outputs = set(nodes), set(self.graph.outputs)
        carried = {o for n in nodes for o in n.operands if o.node not in members}
        for node in nodes:
            for value in node.outputs:
                if value in outputs or not self._readers().get(value, set()) <= members:
                    carried.add(value)
        carried = [v for v in carried if v in self.axis]
        return prefers_columns(nodes, self.axis, self.rows, _is_view, carried)

    def build(self, whole=False):
        """The graph with each region as one node; or, if ``whole``, on all rows in columns."""
        if whole:
            self._gather()
        result = Graph(self.graph.name)
        env = {}
        inside = {node: p for p, nodes in self.regions.items() for node in nodes}
        last = max(self.known.values(), default=0)
        boundary = self.graph.reverse_start
        numbers = {node: i for i, node in enumerate(self.graph.nodes)}
        by_phase = {}
        for node in self.graph.nodes:
            if node not in inside:
                phase = self.region.get(node)
                if phase is None:
                    phase = self.known[node.outputs[0]]
                by_phase.setdefault(phase, []).append(node)
        for phase in range(last + 1):
            late = []
            for node in by_phase.get(phase, ()):
                # Of a phase whose region is not tiled, and what reads this phase's region, comes
                # after.
                if any(o not in env for o in node.operands):
                    late.append(node)
                    continue
                self._copy(result, env, node, numbers, boundary)
            if phase in self.regions:
                emit = self._emit_columns if whole else self._emit_region
                emit(result, env, self.regions[phase])
            for node in late:
                self._copy(result, env, node, numbers, boundary)
        result.inputs.sort(key=lambda v: v.node.attributes["position"])
        if boundary is not None and result.reverse_start is None:
            result.reverse_start = len(result.nodes)
        return result.close([env[v] for v in self.graph.outputs])

    def _copy(self, result, env, node, numbers, boundary):
        if boundary is not None and numbers[node] >= boundary and result.reverse_start is None:
            if node.primitive not in (CONSTANT, INPUT):
                result.reverse_start = len(result.nodes)
        copy = Node(
            node.primitive, tuple([env[o] for o in node.operands]), node.attributes, result,
            node.location,
        )  # fmt: skip
        copy.outputs = tuple([Value(copy, v.index, v.shape, v.dtype, v.weak) for v in node.outputs])
        result.nodes.append(copy)
        env.update(zip(node.outputs, copy.outputs, strict=True))
        if node.primitive is INPUT:
            result.inputs.append(copy.outputs[0])

    def _borders(self, nodes):
        """Shared operands, row values from outside, and what is wanted outside."""
        members = set(nodes)
        produced = {v for n in nodes for v in n.outputs}
        shared, sliced = [], []
        seen = set()
        for node in nodes:
            for operand in node.operands:
                if operand in produced or operand in seen:
                    continue
                seen.add(operand)
                (sliced if operand in self.axis else shared).append(operand)
        wanted = set(self.graph.outputs)
        for node in self.graph.nodes:
            if node not in members:
                wanted.update(node.operands)
        return shared, sliced, [v for n in nodes for v in n.outputs if v in wanted]

    def _emit_columns(self, result, env, nodes):
        """All rows at once, with their axis last."""
        shared, sliced, outputs = self._borders(nodes)
        layout = Columns(result, self.axis, self.rows, lambda node: node.attributes)
        inner = {value: env[value] for value in shared}
        for value in sliced:
            inner[value] = layout.rows_last(env[value], self.axis[value])
        for node in nodes:
            result.location = node.location
            inner[node.outputs[0]] = layout.apply(node, inner)
        for value in outputs:
            env[value] = layout.stored(value, inner)

    def _emit_region(self, result, env, nodes):
        columns = self._columns(nodes)
        extent = min(choose_extent(nodes, self.axis, self.rows, columns), self.rows)
        shared, sliced, outputs = self._borders(nodes)
        sums = [None if self.kind[v.node] == "reduce" else self.axis[v] for v in outputs]
        totals = [v for v, axis in zip(outputs, sums, strict=True) if axis is None]
        sum_bytes = sum(v.size * v.dtype.itemsize for v in totals)
        segments, extent = divide(self.rows, extent, work_of(nodes), sum_bytes)
        body = self._body(nodes, shared, sliced, outputs, extent, columns)
        left = self.rows % extent
        tail = self._body(nodes, shared, sliced, outputs, left, columns) if left else None
        made = result.add(
            tiles,
            tuple([env[v] for v in shared + sliced]),
            {
                "body": body, "tail": tail, "rows": self.rows, "extent": extent,
                "segments": segments, "n_shared": len(shared),
                "axes": tuple([self.axis[v] for v in sliced]), "outputs": tuple(sums),
                "columns": columns,
            },
        )  # fmt: skip
        env.update(zip(outputs, made, strict=True))

    def _body(self, nodes, shared, sliced, outputs, extent, columns):
        env = {}
        with open_graph("tile") as body:
            layout = Columns(body, self.axis, extent, lambda node: self._attributes(node, extent))
            for value in shared:
                if value.node.primitive is CONSTANT and value.size <= 16:
                    # Known inside too; the input stays for the signature.
                    body.add_input(value.shape, value.dtype)
                    env[value] = body.constant(value.node.attributes["value"])
                else:
                    env[value] = body.add_input(value.shape, value.dtype)
            for value in sliced:
                shape = layout.shape(value) if columns else self._resized(value, extent)
                env[value] = body.add_input(shape, value.dtype)
            for node in nodes:
                body.location = node.location
                if columns:
                    env[node.outputs[0]] = layout.apply(node, env)
                    continue
                operands = tuple([env[o] for o in node.operands])
                attributes = self._attributes(node, extent)
                env[node.outputs[0]] = body.add(node.primitive, operands, attributes)[0]
            body.close([env[v] for v in outputs])
        return body

    def _resized(self, value, extent):
        axis = self.axis[value]
        return (*value.shape[:axis], extent, *value.shape[axis + 1 :])

    def _attributes(self, node, extent):
        """A node's attributes with the tile's extent for the rows."""
        attributes, (out,) = node.attributes, node.outputs
        if "shape" in attributes and out in self.axis:
            return {**attributes, "shape": self._resized(out, extent)}
        if "stops" in attributes and out in self.axis:
            stops = list(attributes["stops"])
            stops[self.axis[out]] = extent
            return {**attributes, "stops": tuple(stops)}
        return attributes


def _is_view(node):
    return node.primitive in (
        shaping.reshape, shaping.transpose, shaping.broadcast_to, shaping.slice_, e.stop_gradient,
        alias,
    )  # fmt: skip


def _read_twice(nodes, axis):
    """Bytes of the rows that two matrix products read."""
    reads = {}
    for node in nodes:
        if node.primitive is linalg.matmul:
            for operand in node.operands:
                if operand in axis:
                    reads[operand] = reads.get(operand, 0) + 1
    return sum(v.size * v.dtype.itemsize for v, count in reads.items() if count > 1)


def choose_extent(nodes, axis, rows, columns=False):
    """Rows per tile: as many as keep the row values that live at once in cache, a multiple of 16.

    The values of a body are taken to live half its length on average. Where matrix products read
    the rows, more rows amortise the matrices, and the second-level cache is the measure; rows that
    two products read, forward and back, should still be there the second time. Rows that are long
    themselves need not be many; narrow ones in columns are many loops, which should be long.
    """
    per_row, products = 0, False
    for node in nodes:
        if node.primitive is linalg.matmul:
            a, (_, k) = node.operands[0], _matmul_axes(node)[0]
            products = products or min(*node.outputs[0].shape[-2:], 4 * a.shape[k]) >= 8
        if not _is_view(node):
            for value in node.outputs:
                if value in axis:
                    per_row += value.size * value.dtype.itemsize // rows
    live = max(per_row // 2, 1)
    if products:
        return max(64, min(128, _LEVEL_2 // live // 16 * 16))
    again = _read_twice(nodes, axis) // rows
    if live >= _LONG_ROW:
        few = 2 * _LEVEL_1 // live
        return max(2, min(64, few // 8 * 8 or few))
    if columns:
        return max(64, min(1024, 2 * _LEVEL_1 // live // 16 * 16))
    return max(64, min(1024, _LEVEL_1 // live // 16 * 16, _AGAIN // (live + again) // 16 * 16))
