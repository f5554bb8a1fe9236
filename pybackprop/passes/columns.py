"""Column layout of tiles: the row axis last, so that narrow rows become long contiguous columns.

A per-observation function written for one point and mapped over many makes arrays of shape (rows,
3) or (rows, 2, 15): as stored, an elementwise loop is a few elements long. Inside a tile the row
axis can be moved to the end; then every component is a contiguous column of the tile, its slices
are plain pointers, and all loops are as long as the tile. Rows are transposed once when a tile is
entered, and results once when it is left.
"""

from ..primitives import elementwise as e
from ..primitives import linalg, reduction, shaping
from ..primitives.base import normalize_axis
from .segments import FUNCTIONS

_MAPS = (e.Elementwise, e.Comparison, e.Bits, e.Select, e.Convert, e.Accumulate, e.StopGradient)
# Rows as long as this are long enough as they are; those that are only multiplied and added, and
# summed over the rows, when half as long.
_LONG = 16
# So few columns are better multiplied by dots.
_FEW = 4


def is_long(extent):
    """Whether rows of so many elements are long enough for loops over them."""
    return extent >= _LONG


# Elements computed that pay for one that is transposed when a tile is entered or left.
_PRICE = 2
_MOVES = (shaping.concatenate, shaping.pad)
_MOVED = tuple(
    type(p)
    for p in (
        *_MOVES, shaping.reshape, shaping.transpose, shaping.broadcast_to, shaping.slice_,
        shaping.flip,
    )
)  # fmt: skip


def prefers_columns(nodes, axis, rows, is_view, carried):
    """Whether most of the work of a region is on narrow rows, and is worth transposing them.

    ``carried`` has the row values that come from outside of the region and that go out.
    """
    narrow = wide = 0
    long = _LONG if any(_mixes(node, axis) for node in nodes) else _LONG // 2
    moved = sum(v.size // rows for v in carried if axis[v] != v.ndim - 1 and v.size > rows)
    for node in nodes:
        if is_view(node) or node.primitive in _MOVES:
            continue
        value = node.outputs[0]
        if node.primitive is linalg.matmul and min(node.outputs[0].shape[-2:]) >= 8:
            return False
        if value not in axis:
            value = max(node.operands, key=lambda o: o.size)
        if value not in axis:
            continue
        width = value.size // rows
        inner = value.shape[-1] if axis[value] != value.ndim - 1 else long
        if width > 512:
            return False
        if width > 1 and inner < long:
            narrow += width
        elif width > 1:
            wide += width
    return narrow > 2 * wide and narrow >= max(16, _PRICE * moved)


def _mixes(node, axis):
    """Whether a node needs more than a few operations per element, or looks along a row."""
    primitive = node.primitive
    if isinstance(primitive, (reduction.Reduction, reduction.ArgExtreme)):
        (operand,) = node.operands
        reduced = node.attributes.get("axes", (node.attributes.get("axis"),))
        return axis.get(operand) not in reduced and any(operand.shape[a] > 1 for a in reduced)
    return primitive.name in FUNCTIONS or not isinstance(primitive, (*_MAPS, *_MOVED))


class Columns:
    """Applies a region's nodes to row values whose row axis is last.

    Parameters
    ----------
    body : Graph
        Open.
    axis : dict of Value to int
        Row axis of every row value of the original graph.
    extent : int
        Rows of the tile.
    attributes : callable
        ``attributes(node)`` gives a node's attributes with ``extent`` for the rows.
    """

    def __init__(self, body, axis, extent, attributes):
        self.body = body
        self.axis = axis
        self.extent = extent
        self.attributes = attributes

    def shape(self, value):
        """The column shape of a row value."""
        a = self.axis[value]
        return (*value.shape[:a], *value.shape[a + 1 :], self.extent)

    def apply(self, node, env):
        """The node's output in column layout (as it is, if it is no row value)."""
        primitive, (out,) = node.primitive, node.outputs
        if isinstance(primitive, _MAPS):
            return self._map(node, env)
        if isinstance(primitive, (reduction.Reduction, reduction.ArgExtreme)):
            return self._reduce(node, env)
        if primitive is linalg.matmul:
            result = self._matmul(node, env)
            if result is not None:
                return result
        elif out in self.axis:
            if primitive is shaping.broadcast_to:
                (operand,) = node.operands
                return self._add(primitive, self._aligned(operand, out, env), shape=self.shape(out))
            if all(o in self.axis for o in node.operands):
                result = self._rearrange(node, env)
                if result is not None:
                    return result
        return self._as_stored(node, env)

    def _add(self, primitive, *operands, **attributes):
        return self.body.add(primitive, operands, attributes)[0]

    def _core(self, axis, value):
        """The column layout's axis for an axis of a row value other than its row axis."""
        return axis - (axis > self.axis[value])

    def _reshaped(self, value, shape):
        return value if value.shape == shape else self._add(shaping.reshape, value, shape=shape)

    def _aligned(self, operand, out, env):
        """An elementwise node's operand in a shape that broadcasts with ``out`` in columns."""
        value = env[operand]
        ndim = out.ndim - 1
        if operand in self.axis:
            core = value.shape[:-1]
            return self._reshaped(value, (1,) * (ndim - len(core)) + core + (self.extent,))
        if operand.size == 1:
            return self._reshaped(value, ())
        shape = list((1,) * (out.ndim - operand.ndim) + operand.shape)
        del shape[self.axis[out]]
        return self._reshaped(value, (*shape, 1))

    def _map(self, node, env):
        (out,) = node.outputs
        if out not in self.axis:
            return self._add(node.primitive, *[env[o] for o in node.operands], **node.attributes)
        operands = [self._aligned(o, out, env) for o in node.operands]
        return self._add(node.primitive, *operands, **node.attributes)

    def _reduce(self, node, env):
        (operand,), attributes = node.operands, node.attributes
        if operand not in self.axis:
            return self._add(node.primitive, env[operand], **attributes)
        row = self.axis[operand]
        if "axes" in attributes:
            axes = [self._core(a, operand) for a in attributes["axes"] if a != row]
            if row in attributes["axes"]:
                axes.append(operand.ndim - 1)
            return self._add(node.primitive, env[operand], axes=tuple(sorted(axes)))
        return self._add(node.primitive, env[operand], axis=self._core(attributes["axis"], operand))

    def _rearrange(self, node, env):
        primitive, attributes, (out,) = node.primitive, node.attributes, node.outputs
        values = [env[o] for o in node.operands]
        first = node.operands[0]
        row = self.axis[first]
        last = first.ndim - 1
        if primitive is shaping.reshape:
            return self._reshaped(values[0], self.shape(out))
        if primitive is shaping.transpose:
            order = [self._core(a, first) for a in attributes["axes"] if a != row]
            return self._add(primitive, values[0], axes=(*order, last))
        if primitive in (shaping.slice_, shaping.pad):
            moved = {}
            ends = {
                "starts": 0,
                "stops": self.extent,
                "steps": 1,
                "lows": 0,
                "highs": 0,
                "interiors": 0,
            }
            for name, entries in attributes.items():
                moved[name] = (*entries[:row], *entries[row + 1 :], ends[name])
            return self._add(primitive, values[0], **moved)
        if primitive is shaping.flip:
            return self._add(
                primitive, values[0], axes=tuple(self._core(a, first) for a in attributes["axes"])
            )
        if primitive is shaping.concatenate:
            return self._add(primitive, *values, axis=self._core(attributes["axis"], first))
        if isinstance(primitive, reduction.Cumulative):
            axis = self._core(attributes["axis"], first)
            return self._add(primitive, values[0], axis=axis, reverse=attributes["reverse"])
        return None

    def _matmul(self, node, env):
        (a, b), (out,), attributes = node.operands, node.outputs, node.attributes
        ta, tb = attributes["transpose_a"], attributes["transpose_b"]
        x, y = env[a], env[b]
        if out.ndim == 2 and a in self.axis and b in self.axis and out not in self.axis:
            return self._gram(x, y)
        if out not in self.axis:
            return None
        if out.ndim == 2 and b not in self.axis:
            return self._add(linalg.matmul, y, x, transpose_a=not tb, transpose_b=False)
        if out.ndim == 2 and a not in self.axis:
            return self._add(linalg.matmul, x, y, transpose_a=ta, transpose_b=False)
        if out.ndim != 3 or self.axis.get(a) != 0 or self.axis.get(b) != 0:
            return None
        m, k = x.shape[:2] if not ta else x.shape[1::-1]
        n = y.shape[0] if tb else y.shape[1]
        if not 1 <= k <= 16:
            return None
        # One multiply-add of whole columns per inner index.
        terms = []
        for i in range(k):
            left = self._part(x, 0 if ta else 1, i)
            right = self._part(y, 1 if tb else 0, i)
            left = self._reshaped(left, (m, 1, self.extent))
            right = self._reshaped(right, (1, n, self.extent))
            terms.append(self._add(e.multiply, left, right))
        return terms[0] if k == 1 else self._add(e.accumulate, *terms)

    def _gram(self, x, y):
        """Sums over the rows of all products of a column of ``x`` and one of ``y``."""
        m, n = x.shape[0], y.shape[0]
        if 1 < n <= _FEW and n <= m:
            # Dots of columns, which run many lanes, and not chains over the rows.
            left = self._add(shaping.broadcast_to, x, shape=(n, *x.shape))
            right = self._reshaped(y, (n, self.extent, 1))
            flags = {"transpose_a": False, "transpose_b": False}
            dots = self._add(linalg.matmul, left, right, **flags)
            return self._transposed(self._reshaped(dots, (n, m)), (1, 0))
        if 1 < m <= _FEW:
            return self._transposed(self._gram(y, x), (1, 0))
        return self._add(linalg.matmul, x, y, transpose_a=False, transpose_b=True)

    def _part(self, value, axis, index):
        starts, stops = [0] * value.ndim, list(value.shape)
        starts[axis], stops[axis] = index, index + 1
        return self._add(
            shaping.slice_, value, starts=tuple(starts), stops=tuple(stops), steps=(1,) * value.ndim
        )

    def rows_last(self, value, axis):
        """A stored value with its row axis last."""
        order = [a for a in range(value.ndim) if a != axis]
        return self._transposed(value, (*order, axis))

    def stored(self, value, env):
        """A value in the layout that it is stored in."""
        if value not in self.axis:
            return env[value]
        order = list(range(value.ndim - 1))
        order.insert(self.axis[value], value.ndim - 1)
        return self._transposed(env[value], tuple(order))

    def _transposed(self, value, order):
        if order == tuple(range(value.ndim)):
            return value
        return self._add(shaping.transpose, value, axes=order)

    def _as_stored(self, node, env):
        """Any other node, on operands moved back to their stored layout."""
        (out,) = node.outputs
        operands = [self.stored(o, env) for o in node.operands]
        result = self._add(node.primitive, *operands, **self.attributes(node))
        if out not in self.axis:
            return result
        row = normalize_axis(self.axis[out], out.ndim)
        order = (*(a for a in range(out.ndim) if a != row), row)
        return self._transposed(result, order)
