"""Algebraic simplification of one node, given what its operands are.

Only rewrites that keep every value to rounding and NaN, infinities and signed zeros where NumPy
has them: so ``x * 0`` and ``x + 0`` stay (the one may be NaN, the other turns -0 into 0),
``x * 1``, ``x - 0`` and ``--x`` go.
"""

import numpy as np

from .._core import ByPrimitive
from ..graph import CONSTANT, element_count
from ..primitives import elementwise as e
from ..primitives import linalg, reduction, shaping
from ..primitives.base import broadcast_shapes, constant_value
from . import assigned
from .sparse_products import sparse_product

_RULES = {}
_MAKERS = {}


def _rule(*primitives, makers=None):
    """A rule for nodes of these primitives, and what must have made an operand for it to apply."""

    def register(function):
        for primitive in primitives:
            _RULES[primitive] = function
            if makers is not None:
                _MAKERS[primitive] = makers
        return function

    return register


def _made_by(value, primitive):
    """The operands of the node that made ``value`` if that is a ``primitive``, else None."""
    node = value.node
    return node.operands if node.primitive is primitive else None


def _shaped(value, shape):
    return value if value.shape == shape else shaping.broadcast_to(value, shape=shape)


# ---- broadcasting is implicit -------------------------------------------------------------------

_BROADCASTING = (e.Elementwise, e.Comparison, e.Bits, e.Select)


def _narrow_operands(graph, primitive, operands, attributes):
    """Use operands from before a broadcast: the node broadcasts by itself."""
    sources = [_before_broadcast(graph, o) for o in operands]
    if not any(sources):
        return None
    shape = broadcast_shapes(*[o.shape for o in operands])
    narrow = [source[0] if source else o for source, o in zip(sources, operands, strict=True)]
    reached = broadcast_shapes(*[o.shape for o in narrow])
    if reached == shape:
        return primitive(*narrow, **attributes)
    if all(source or o.shape == () for source, o in zip(sources, operands, strict=True)):
        # Everything is broadcast: compute small, broadcast the result.
        return _shaped(primitive(*narrow, **attributes), shape)
    for i, source in enumerate(sources):
        if source:
            trial = [source[0] if j == i else o for j, o in enumerate(operands)]
            if broadcast_shapes(*[o.shape for o in trial]) == shape:
                return primitive(*trial, **attributes)
    return None


def _before_broadcast(graph, operand):
    """What an operand broadcasts, as a tuple of one, or None; one-number constants count as 0-d."""
    node = operand.node
    if node.primitive is CONSTANT:
        if operand.size == 1 and operand.shape:
            return (graph.constant(node.attributes["value"].reshape(())),)
        return None
    return _made_by(operand, shaping.broadcast_to)


# ---- arithmetic ---------------------------------------------------------------------------------


def _signs(number):
    """Whether the parts of a number are negative, or a negative zero."""
    parts = (number.real, number.imag) if isinstance(number, complex) else (number,)
    return {bool(np.signbit(part)) for part in parts}


# Constants as they are found by `constant_value`, and negatives.
_FACTORS = frozenset({CONSTANT, e.negative, shaping.broadcast_to, shaping.reshape})


@_rule(e.add, makers=_FACTORS)
def _add(graph, a, b):
    for x, y in ((a, b), (b, a)):
        number = constant_value(y)
        if number == 0 and (x.dtype.kind in "iu" or _signs(number) == {True}):
            return _keep(x, a, b)
    minus = _made_by(b, e.negative)
    if minus:
        return e.subtract(a, minus[0])
    minus = _made_by(a, e.negative)
    if minus:
        return e.subtract(b, minus[0])
    return None


@_rule(e.subtract, makers=_FACTORS)
def _subtract(graph, a, b):
    number = constant_value(b)
    if number == 0 and _signs(number) == {False}:
        return _keep(a, a, b)
    minus = _made_by(b, e.negative)
    return e.add(a, minus[0]) if minus else None


def _negated(graph, constant):
    """The negative of a constant as a constant: a node would be taken out of products again."""
    return graph.constant(-constant.node.attributes["value"])


@_rule(e.multiply, makers=_FACTORS)
def _multiply(graph, a, b):
    for x, y in ((a, b), (b, a)):
        number = constant_value(y)
        if number == 1:
            return _keep(x, a, b)
        if number == -1 and x.dtype.kind == "f":
            return e.negative(_keep(x, a, b))
    left, right = _made_by(a, e.negative), _made_by(b, e.negative)
    if left and right:
        return e.multiply(left[0], right[0])
    if graph.reverse_start is not None:
        # Of a derivative NumPy says nothing about overflow on the way: known factors become one.
        for x, y in ((a, b), (b, a)):
            inner = _made_by(x, e.multiply)
            if inner and y.node.primitive is CONSTANT and y.shape == () and y.dtype.kind == "f":
                for factor, other in (inner, inner[::-1]):
                    if factor.node.primitive is CONSTANT and factor.shape == ():
                        return e.multiply(other, e.multiply(factor, y))
    if left and b.node.primitive is CONSTANT:
        return e.multiply(left[0], _negated(graph, b))
    if right and a.node.primitive is CONSTANT:
        return e.multiply(right[0], _negated(graph, a))
    if left:
        return e.negative(e.multiply(left[0], b))
    if right:
        return e.negative(e.multiply(a, right[0]))
    return e.square(a) if a is b else None


def _power_of_two(number):
    """Whether multiplying by the number is exact but for overflow and underflow."""
    fraction, exponent = np.frexp(number)
    return abs(fraction) == 0.5 and -100 < exponent < 100


@_rule(e.mulz)
def _mulz(graph, a, b):
    number = constant_value(b)
    if number is not None and np.isfinite(number):
        return e.multiply(a, b)
    return None


@_rule(e.divide)
def _divide(graph, a, b):
    number = constant_value(b)
    if number == 1:
        return _keep(a, a, b)
    if number and np.isfinite(number) and a.dtype.kind == "f":
        # Dividing by a power of two is multiplying by one, to the bit, unless that is subnormal.
        if _power_of_two(number):
            return e.multiply(a, graph.constant(np.array(1 / number, a.dtype)))
    if constant_value(a) == 1:
        return _keep(e.reciprocal(b), a, b)
    if graph.reverse_start is not None and b.size > 1:
        scaled = _scaled_quotient(graph, a, b)
        if scaled is not None:
            return scaled
    minus = _made_by(a, e.negative)
    return e.negative(e.divide(minus[0], b)) if minus else None


def _scaled_quotient(graph, a, b):
    """In derivatives, a number over b as a multiple of another number over b, if exact."""
    number = constant_value(a)
    if not number or not np.isfinite(number):
        return None
    first = graph.table.setdefault("quotients", {}).setdefault(b, (number, a))
    ratio = number / first[0]
    if first[1] is a or ratio == 1 or not _power_of_two(ratio):
        return None
    quotient = e.divide(first[1], b)
    return e.multiply(quotient, graph.constant(np.array(ratio, quotient.dtype)))


@_rule(e.negative)
def _negative(graph, x):
    inner = _made_by(x, e.negative)
    if inner:
        return inner[0]
    inner = _made_by(x, e.multiply)
    if inner:
        for factor, other in (inner, inner[::-1]):
            if factor.node.primitive is CONSTANT:
                return e.multiply(other, _negated(graph, factor))
    return None


@_rule(e.power)
def _power(graph, a, b):
    number = constant_value(b)
    if number is None or broadcast_shapes(a.shape, b.shape) != a.shape:
        return None
    if number == 1:
        return a
    if number == 2:
        return e.square(a)
    return None


@_rule(e.accumulate)
def _accumulate(graph, *operands):
    first = operands[0]
    if len(operands) == 1:
        return first
    if len(operands) == 2 and operands[1] is first and first.dtype.kind == "f":
        # As of x * x. Doubling is exact, and a factor can be moved on where a sum cannot.
        return e.multiply(first, graph.constant(np.array(2, first.dtype)))
    kept = [o for o in operands if constant_value(o) != 0]
    if len(kept) == len(operands):
        joined = _same_windows(operands)
        return _beside(graph, operands) if joined is None else joined
    if not kept:
        return operands[0]
    return kept[0] if len(kept) == 1 else e.accumulate(*kept)


def _same_windows(operands):
    """The sum with parts that are padded alike added before they are padded; None if none are."""
    windows = {}
    for operand in operands:
        inner = _made_by(operand, shaping.pad)
        key = operand if inner is None else tuple(operand.node.attributes.values())
        windows.setdefault(key, []).append(operand)
    if all(len(group) == 1 or group[0] is key for key, group in windows.items()):
        return None
    result = []
    for key, group in windows.items():
        if len(group) == 1 or group[0] is key:
            result += group
            continue
        inner = e.accumulate(*[o.node.operands[0] for o in group])
        result.append(shaping.pad(inner, **group[0].node.attributes))
    return result[0] if len(result) == 1 else e.accumulate(*result)


def _beside(graph, operands):
    """Padded parts that lie beside each other along one axis are a concatenation."""
    if any(_made_by(o, shaping.pad) is None for o in operands):
        return None
    shape = operands[0].shape
    pads = [o.node.attributes for o in operands]
    if any(any(p["interiors"]) for p in pads):
        return None
    axes = {axis for p in pads for axis in range(len(shape)) if p["lows"][axis] or p["highs"][axis]}
    if len(axes) != 1:
        return None
    (axis,) = axes
    parts = sorted(operands, key=lambda o: o.node.attributes["lows"][axis])
    pieces, position = [], 0
    for part in parts:
        low, (inner,) = part.node.attributes["lows"][axis], part.node.operands
        if low < position:
            return None
        pieces += [*_gap(graph, shape, axis, low - position, inner.dtype), inner]
        position = low + inner.shape[axis]
    pieces += _gap(graph, shape, axis, shape[axis] - position, parts[0].dtype)
    return shaping.concatenate(*pieces, axis=axis)


def _gap(graph, shape, axis, extent, dtype):
    if extent == 0:
        return []
    zero = graph.constant(np.zeros((), dtype))
    return [_shaped(zero, (*shape[:axis], extent, *shape[axis + 1 :]))]


@_rule(e.select)
def _select(graph, condition, a, b):
    shape = broadcast_shapes(condition.shape, a.shape, b.shape)
    if a is b and a.shape == shape:
        return a
    number = constant_value(condition)
    if number is None:
        return None
    return _shaped(a if number else b, shape)


@_rule(e.convert)
def _convert(graph, x, *, dtype):
    return x if x.dtype == dtype else None


def _keep(x, a, b):
    """x, broadcast to the shape of a node of a and b."""
    return _shaped(x, broadcast_shapes(a.shape, b.shape))


# ---- shapes -------------------------------------------------------------------------------------


@_rule(shaping.reshape)
def _reshape(graph, x, *, shape):
    shape = tuple(shape)
    if x.shape == shape:
        return x
    inner = _made_by(x, shaping.reshape)
    if inner:
        return shaping.reshape(inner[0], shape=shape)
    inner = _made_by(x, shaping.broadcast_to)
    if inner and inner[0].size == 1 and element_count(shape) == x.size:
        return _shaped(shaping.reshape(inner[0], shape=()), shape)
    return None


@_rule(shaping.transpose)
def _transpose(graph, x, *, axes):
    if axes == tuple(range(x.ndim)):
        return x
    if sorted(axes) != list(range(x.ndim)):
        # Refused when the node is made.
        return None
    inner = _made_by(x, shaping.transpose)
    if inner:
        first = x.node.attributes["axes"]
        return shaping.transpose(inner[0], axes=tuple(first[axis] for axis in axes))
    inner = _made_by(x, shaping.broadcast_to)
    if inner and inner[0].node.primitive is CONSTANT:
        source = inner[0]
        source = shaping.reshape(source, shape=(1,) * (x.ndim - source.ndim) + source.shape)
        return _shaped(shaping.transpose(source, axes=axes), tuple(x.shape[a] for a in axes))
    # Moving axes of extent one only is a reshape, which costs nothing.
    moved = [axis for axis in axes if x.shape[axis] != 1]
    if moved == sorted(moved):
        return shaping.reshape(x, shape=tuple(x.shape[axis] for axis in axes))
    return None


@_rule(shaping.broadcast_to)
def _broadcast_to(graph, x, *, shape):
    if x.shape == tuple(shape):
        return x
    inner = _made_by(x, shaping.broadcast_to)
    if inner and broadcast_shapes(x.shape, shape) == tuple(shape):
        return shaping.broadcast_to(inner[0], shape=shape)
    inner = _made_by(x, shaping.reshape)
    if inner and inner[0].size == 1 and inner[0].ndim == 0:
        return shaping.broadcast_to(inner[0], shape=shape)
    return None


@_rule(shaping.slice_)
def _slice(graph, x, *, starts, stops, steps):
    if starts == (0,) * x.ndim and stops == x.shape and steps == (1,) * x.ndim:
        return x
    if x.node.primitive is shaping.slice_set:
        source, bounds = assigned.read(graph, x, starts, stops, steps)
        if bounds is None:
            return source
        if source is x:
            return None
        starts, stops, steps = bounds
        return shaping.slice_(source, starts=starts, stops=stops, steps=steps)
    inner = _made_by(x, shaping.slice_)
    if inner:
        outer = x.node.attributes
        ranges = zip(outer["starts"], outer["steps"], starts, stops, steps, strict=True)
        new = [
            (
                s0 + a * k0,
                s0 + (a + (-((a - b) // k) - 1) * k) * k0 + 1 if b > a else s0 + a * k0,
                k * k0,
            )
            for s0, k0, a, b, k in ranges
        ]
        new_starts, new_stops, new_steps = zip(*new, strict=True)
        return shaping.slice_(inner[0], starts=new_starts, stops=new_stops, steps=new_steps)
    inner = _made_by(x, shaping.concatenate)
    if inner:
        axis = x.node.attributes["axis"]
        position = 0
        for part in inner:
            end = position + part.shape[axis]
            if position <= starts[axis] and stops[axis] <= end and stops[axis] > starts[axis]:
                shift = [0] * x.ndim
                shift[axis] = position
                return shaping.slice_(
                    part,
                    starts=tuple(a - s for a, s in zip(starts, shift, strict=True)),
                    stops=tuple(b - s for b, s in zip(stops, shift, strict=True)),
                    steps=steps,
                )
            position = end
    inner = _made_by(x, shaping.broadcast_to)
    if inner and inner[0].size == 1:
        counts = tuple(-((a - b) // k) for a, b, k in zip(starts, stops, steps, strict=True))
        return _shaped(shaping.reshape(inner[0], shape=()), counts)
    return None


@_rule(shaping.slice_set)
def _slice_set(graph, x, updates, **bounds):
    return assigned.write(x, updates, bounds)


@_rule(shaping.pad)
def _pad(graph, x, *, lows, highs, interiors):
    if not any(lows) and not any(highs):
        if all(k == 0 or n < 2 for k, n in zip(interiors, x.shape, strict=True)):
            return x
    if constant_value(x) == 0 and element_count(x.shape):
        shape, _ = shaping.pad.infer(x, lows=lows, highs=highs, interiors=interiors)
        return _shaped(graph.constant(np.zeros((), x.dtype)), shape)
    return None


@_rule(shaping.concatenate)
def _concatenate(graph, *operands, axis):
    if len(operands) == 1:
        return operands[0]
    # Slices of one array that lie beside each other are one slice.
    for number in range(len(operands) - 1):
        a, b = operands[number : number + 2]
        if a.node.primitive is shaping.slice_ and b.node.primitive is shaping.slice_:
            joined = _joined(a.node, b.node, axis)
            if joined is not None:
                merged = (*operands[:number], joined, *operands[number + 2 :])
                return shaping.concatenate(*merged, axis=axis)
    return None


def _joined(a, b, axis):
    """The slice that two slices are together, or None."""
    first, second = a.attributes, b.attributes
    if a.operands[0] is not b.operands[0] or first["steps"] != second["steps"]:
        return None
    if first["steps"][axis] != 1 or first["stops"][axis] != second["starts"][axis]:
        return None
    for key in ("starts", "stops"):
        pairs = zip(first[key], second[key], strict=True)
        if any(x != y for i, (x, y) in enumerate(pairs) if i != axis):
            return None
    stops = list(first["stops"])
    stops[axis] = second["stops"][axis]
    return shaping.slice_(
        a.operands[0], starts=first["starts"], stops=tuple(stops), steps=first["steps"]
    )


@_rule(reduction.sum_)
def _sum(graph, x, *, axes):
    if all(x.shape[axis] == 1 for axis in axes):
        return shaping.reshape(x, shape=tuple(n for a, n in enumerate(x.shape) if a not in axes))
    inner = _made_by(x, shaping.reshape)
    if inner and len(axes) == x.ndim:
        return reduction.sum_(inner[0], axes=tuple(range(inner[0].ndim)))
    inner = _made_by(x, e.negative)
    return e.negative(reduction.sum_(inner[0], axes=axes)) if inner else None


# ---- products of matrices -----------------------------------------------------------------------


@_rule(linalg.matmul)
def _matmul(graph, a, b, *, transpose_a, transpose_b):
    swapped_a, swapped_b = _swapped(a), _swapped(b)
    if swapped_a is None and swapped_b is None:
        return sparse_product(a, b, transpose_a, transpose_b)
    return linalg.matmul(
        a if swapped_a is None else swapped_a,
        b if swapped_b is None else swapped_b,
        transpose_a=transpose_a != (swapped_a is not None),
        transpose_b=transpose_b != (swapped_b is not None),
    )


def _swapped(x):
    """What x is the transpose of, if only its last two axes are exchanged."""
    inner = _made_by(x, shaping.transpose)
    if inner:
        n = x.ndim
        if x.node.attributes["axes"] == (*range(n - 2), n - 1, n - 2):
            return inner[0]
    return None


rewrite = ByPrimitive(_RULES, _MAKERS, _BROADCASTING, shaping.broadcast_to, _narrow_operands)
