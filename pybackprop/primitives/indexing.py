"""Reading and writing at integer positions.

Positions are one array of int64 per gather or scatter, along one axis; the surface flattens
NumPy's several index arrays into one linear position after ``wrap_index`` has checked each against
its axis. Out-of-range positions raise IndexError when the tape runs.
"""

import numpy as np

from .base import NotDifferentiable, Primitive, broadcast, same_dtype, zeros
from .elementwise import multiply
from .shaping import reshape

INT64 = np.dtype(np.int64)


class WrapIndex(NotDifferentiable, Primitive):
    """y = x, or x + bound where x < 0; IndexError where that is not in [0, bound)."""

    name = "wrap_index"

    def infer(self, x, *, bound):
        if x.dtype != INT64:
            raise TypeError(f"positions must be int64, not {x.dtype}")
        return x.shape, INT64

    def evaluate(self, x, *, bound):
        if x.size and (x.min() < -bound or x.max() >= bound):
            bad = x[(x < -bound) | (x >= bound)].flat[0]
            raise IndexError(f"index {bad} is out of bounds for axis with size {bound}")
        return np.where(x < 0, x + bound, x)

    def batch(self, operands, batched, size, *, bound):
        return [wrap_index(operands[0], bound=bound)]

    def lower(self, lowering, node):
        lowering.wrap(node)


class Gather(Primitive):
    """y[o, k, i] = x[o, positions[k], i] (or positions[o, k]), for x (outer, n, inner).

    x has three axes. positions is (count,), or (outer, count). Transpose: scatter_add into zeros.
    """

    name = "gather"

    def infer(self, x, positions):
        _check_positions(self.name, x, positions)
        return (x.shape[0], positions.shape[-1], x.shape[2]), x.dtype

    def evaluate(self, x, positions):
        if x.size > 65536:
            return None
        if positions.ndim == 1:
            return x[:, positions]
        return np.take_along_axis(x, positions[:, :, None], axis=1)

    def jvp(self, tangents, operands, outputs):
        return [None if tangents[0] is None else gather(tangents[0], operands[1])]

    def vjp(self, cotangents, operands, outputs, wanted):
        if not wanted[0]:
            return [None, None]
        x, positions = operands
        return [scatter_add(zeros(x.shape, x.dtype), positions, cotangents[0]), None]

    def batch(self, operands, batched, size):
        x, positions = operands
        outer, extent, inner = x.shape[-3:]
        count = positions.shape[-1]
        if not batched[1]:
            if positions.ndim == 2:
                positions = _repeat_rows(positions, size)
            y = gather(reshape(x, shape=(size * outer, extent, inner)), positions)
        else:
            if not batched[0]:
                x = broadcast(x, (size, *x.shape))
            y = gather(
                reshape(x, shape=(size * outer, extent, inner)),
                _spread_positions(positions, size, outer),
            )
        return [reshape(y, shape=(size, outer, count, inner))]

    def lower(self, lowering, node):
        lowering.gather(node)


class Scatter(Primitive):
    """Writes updates (outer, count, inner) at positions of x (outer, n, inner)."""

    instruction = ""

    def infer(self, x, positions, updates):
        _check_positions(self.name, x, positions)
        dtype = same_dtype(self.name, x, updates)
        expected = (x.shape[0], positions.shape[-1], x.shape[2])
        if updates.shape != expected:
            raise ValueError(f"{self.name}: updates of shape {updates.shape}, not {expected}")
        return x.shape, dtype

    def batch(self, operands, batched, size):
        x, positions, updates = operands
        x = x if batched[0] else broadcast(x, (size, *x.shape))
        updates = updates if batched[2] else broadcast(updates, (size, *updates.shape))
        _, outer, extent, inner = x.shape
        if batched[1]:
            positions = _spread_positions(positions, size, outer)
        elif positions.ndim == 2:
            positions = _repeat_rows(positions, size)
        count = positions.shape[-1]
        y = self(
            reshape(x, shape=(size * outer, extent, inner)),
            positions,
            reshape(updates, shape=(size * outer, count, inner)),
        )
        return [reshape(y, shape=x.shape)]

    def lower(self, lowering, node):
        lowering.scatter(self.instruction, node)


class ScatterAdd(Scatter):
    """y = x, plus the updates at their positions; repeated positions add up."""

    name, instruction = "scatter_add", "SCATTER_ADD"

    def jvp(self, tangents, operands, outputs):
        x, positions, _ = operands
        dx, _, du = tangents
        if dx is None and du is None:
            return [None]
        if du is None:
            return [dx]
        return [scatter_add(zeros(x.shape, x.dtype) if dx is None else dx, positions, du)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,) = cotangents
        toward_x = ct if wanted[0] else None
        toward_updates = gather(ct, operands[1]) if wanted[2] else None
        return [toward_x, None, toward_updates]


class ScatterSet(Scatter):
    """y = x, with the updates at their positions; of repeated positions the last one counts.

    Only the update that is kept has a derivative.
    """

    name, instruction = "scatter_set", "SCATTER_SET"

    def _kept(self, operands):
        # 1 for updates that survive, 0 for those overwritten by a later one at the same position.
        x, positions, updates = operands
        outer, count = updates.shape[:2]
        numbers = np.broadcast_to(np.arange(count, dtype=np.float64), (outer, count))[:, :, None]
        from .base import constant
        from .elementwise import convert, equal

        slots = zeros((outer, x.shape[1], 1), np.float64)
        ordinal = constant(np.ascontiguousarray(numbers))
        winner = gather(scatter_set(slots, positions, ordinal), positions)
        return convert(equal(winner, ordinal), dtype=x.dtype)

    def jvp(self, tangents, operands, outputs):
        x, positions, updates = operands
        dx, _, du = tangents
        if dx is None and du is None:
            return [None]
        dx = zeros(x.shape, x.dtype) if dx is None else dx
        du = zeros(updates.shape, x.dtype) if du is None else du
        return [scatter_set(dx, positions, du)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (ct,), (_, positions, updates) = cotangents, operands
        toward_x = toward_updates = None
        if wanted[0]:
            toward_x = scatter_set(ct, positions, zeros(updates.shape, ct.dtype))
        if wanted[2]:
            toward_updates = multiply(gather(ct, positions), self._kept(operands))
        return [toward_x, None, toward_updates]


def _check_positions(name, x, positions):
    if positions.dtype != INT64:
        raise TypeError(f"{name}: positions must be int64, not {positions.dtype}")
    if x.ndim != 3 or positions.ndim not in (1, 2):
        raise ValueError(
            f"{name}: needs a three-dimensional array and one or two axes of positions"
        )
    if positions.ndim == 2 and positions.shape[0] != x.shape[0]:
        raise ValueError(f"{name}: {positions.shape[0]} rows of positions for {x.shape[0]} arrays")


def _repeat_rows(positions, size):
    outer, count = positions.shape
    return reshape(broadcast(positions, (size, outer, count)), shape=(size * outer, count))


def _spread_positions(positions, size, outer):
    # Batched positions, (size, count) or (size, outer, count), as one row per batch element and
    # outer.
    count = positions.shape[-1]
    if positions.ndim == 2:
        positions = broadcast(reshape(positions, shape=(size, 1, count)), (size, outer, count))
    return reshape(positions, shape=(size * outer, count))


wrap_index, gather = WrapIndex(), Gather()
scatter_add, scatter_set = ScatterAdd(), ScatterSet()
