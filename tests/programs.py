"""Random programs: the same list of operations runs on plain NumPy arrays of any precision and on
traced values.

A :class:`Program` is made by :func:`draw` from anything with the interface of
:class:`random.Random`. Operations pick their
operands among the inputs and everything computed so far, so subexpressions are shared; steps that
NumPy refuses, or whose
numbers grow too large for a comparison, are left out. The oracle is NumPy: the program itself for
values, differences in
extended precision for derivatives.
"""

import numpy as np

import pybackprop as bp
from pybackprop.graph import Value

SHAPES = [(), (3,), (4,), (1,), (3, 4), (4, 3), (3, 1), (1, 4), (2, 3, 4), (0,), (3, 3), (2, 1, 4)]
LARGEST = 30.0
ROWS = 300
# What makes many or large values of a long axis.
MAKES_LARGE = {"outer", "prod", "cumprod"}
# With one long axis, for what works on rows.
TALL = [
    (ROWS,),
    (ROWS, 3),
    (3, ROWS),
    (ROWS, 1),
    (1, ROWS),
    (ROWS, 2, 3),
    (3,),
    (),
    (3, 3),
    (2, ROWS, 2),
    (ROWS, 4),
]


def is_traced(*values):
    return any(isinstance(v, Value) for v in values)


def scan(step, init, xs, length=None, reverse=False):
    """``bp.scan`` on traced values, a Python loop on arrays."""
    leaves = list(init) + list(xs)
    if is_traced(*leaves):
        return bp.scan(step, init, xs, length, reverse)
    return loop(step, init, xs, length, reverse)


def loop(step, init, xs=None, length=None, reverse=False):
    """What ``bp.scan`` computes, by a Python loop, for flat tuples ``init``, ``xs`` and ``y``."""
    length = len(xs[0]) if xs else length
    carry, ys = init, []
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = step(carry, tuple(x[i] for x in xs) if xs is not None else None)
        ys.append(y)
    if reverse:
        ys.reverse()
    if not ys:
        _, y = step(init, tuple(np.zeros(x.shape[1:], x.dtype) for x in xs or ()))
        return carry, tuple(np.zeros((0, *np.shape(p)), np.asarray(p).dtype) for p in y)
    return carry, tuple(np.stack([y[k] for y in ys]) for k in range(len(ys[0])))


# ---- operations: name -> (number of operands, function of rng and shapes -> attributes, function)
# -----------


def _none(rng, *shapes):
    return ()


def _axis(rng, shape):
    return (rng.randrange(len(shape)),)


def _axes(rng, shape):
    chosen = tuple(a for a in range(len(shape)) if rng.random() < 0.6)
    return (chosen or None, rng.random() < 0.3)


def _slices(rng, shape):
    result = []
    for n in shape:
        kind = rng.randrange(6)
        if kind == 0:
            result.append((None, None, 1))
        elif kind == 1:
            result.append((None, None, -1))
        elif kind == 2:
            result.append((rng.randrange(n + 1), None, 1))
        elif kind == 3:
            result.append((None, rng.randrange(n + 1), rng.choice([1, 2])))
        elif kind == 4:
            result.append((rng.randrange(-n, n) if n else 0, None, rng.choice([1, 2, -1, -2])))
        else:
            result.append(rng.randrange(-n, n) if n else (None, None, 1))
    return (tuple(result),)


def _take_slices(x, slices):
    return x[tuple(slice(*s) if isinstance(s, tuple) else s for s in slices)]


def _permutation(rng, shape):
    order = list(range(len(shape)))
    rng.shuffle(order)
    return (tuple(order),)


def _new_shape(rng, shape):
    size = int(np.prod(shape))
    options = [(size,), (size, 1), (1, size), (-1,)]
    for d in (2, 3, 4):
        if size and size % d == 0:
            options += [(d, size // d), (size // d, d)]
    return (rng.choice(options),)


def _wide_shape(rng, shape):
    return (
        (
            *[rng.randrange(1, 4) for _ in range(rng.randrange(3))],
            *[rng.randrange(1, 4) if n == 1 else n for n in shape],
        ),
    )


def _positions(rng, shape):
    axis = rng.randrange(len(shape))
    n = shape[axis]
    return (tuple(rng.randrange(-n, n) for _ in range(rng.randrange(1, 5))), axis)


def _pad_widths(rng, shape):
    return (tuple((rng.randrange(3), rng.randrange(3)) for _ in shape),)


def _body(rng, *shapes):
    return (rng.randrange(6), rng.random() < 0.4)


def _scan_scalar(x, y, kind, reverse):
    """Loops over the first axis of x with carries of the shape of a row of x; y joins as a
    constant."""
    row = x.shape[1:]
    zero = np.zeros(row)
    shared = np.sum(np.sin(y))

    def step(carry, item):
        (v,) = item
        if kind == 0:
            (a,) = carry
            new = 0.5 * a * v + np.sin(shared) * a + v
            return (new,), (a * v,)
        if kind == 1:
            a, b, c = carry
            return (0.4 * a * b + v, a, b), (c,)
        if kind == 2:
            a, b = carry
            return (b, a + 0.3 * v), (a - b, v * v)
        if kind == 3:
            a, b = carry
            new = np.tanh(a + v) * shared
            return (np.where(v > 0, new, a), np.maximum(b, a)), (np.cos(b),)
        if kind == 4:
            (a,) = carry
            return (a + v * v,), (a,)
        a, b = carry
        new = a * 0.9 + 0.1 * np.sin(b)
        return (new, b * 0.5 + new), (new,)

    start = {
        0: (zero + 0.5,),
        1: (zero + 0.1, zero + 0.2, zero + 0.3),
        2: (zero, zero + 1.0),
        3: (zero + 0.2, zero),
        4: (zero,),
        5: (zero + 1.0, zero + shared),
    }[kind]
    carry, ys = scan(step, start, (x,), None, reverse)
    total = ys[0] * 0.5
    for c in carry:
        total = total + c
    return total


def _scatter(x, y, positions, axis):
    # A sum of one-hot rows: NumPy has no scatter without assignment.
    hot = np.zeros((len(positions), x.shape[0]))
    for k, p in enumerate(positions):
        hot[k, p] = 1.0
    return np.tensordot(hot.T, np.broadcast_to(y, (len(positions), *x.shape[1:])), 1) + x


OPERATIONS = {
    "sin": (1, _none, np.sin),
    "cos": (1, _none, np.cos),
    "tanh": (1, _none, np.tanh),
    "arctan": (1, _none, np.arctan),
    "negative": (1, _none, np.negative),
    "square": (1, _none, np.square),
    "cube": (1, _none, lambda x: x**3),
    "abs": (1, _none, np.abs),
    "sqrt": (1, _none, lambda x: np.sqrt(1 + x * x)),
    "log1p": (1, _none, lambda x: np.log1p(x * x)),
    "exp": (1, _none, lambda x: np.exp(-x * x)),
    "reciprocal": (1, _none, lambda x: 1 / (1.5 + np.square(x))),
    "double": (1, _none, lambda x: x + x),
    "scale": (1, _none, lambda x: 0.7 * x - 0.2),
    "floor": (1, _none, lambda x: np.floor(x) * x),
    "add": (2, _none, np.add),
    "subtract": (2, _none, np.subtract),
    "multiply": (2, _none, np.multiply),
    "divide": (2, _none, lambda x, y: x / (1 + y * y)),
    "multiply_add": (3, _none, lambda x, y, z: x * y + z),
    "multiply_sub": (3, _none, lambda x, y, z: z - x * y),
    "maximum": (2, _none, np.maximum),
    "minimum": (2, _none, np.minimum),
    "power": (2, _none, lambda x, y: (1 + x * x) ** np.tanh(y)),
    "hypot": (2, _none, lambda x, y: np.hypot(1 + x * x, y)),
    "where": (3, _none, lambda x, y, z: np.where(x > 0.1, y, z)),
    "safe_log": (1, _none, lambda x: np.where(x > 0.3, np.log(np.where(x > 0.3, x, 1)), x)),
    "sum": (1, _axes, lambda x, axes, keep: np.sum(x, axis=axes, keepdims=keep)),
    "sum_of_products": (
        2,
        lambda rng, s, t: _axes(rng, np.broadcast_shapes(s, t)),
        lambda x, y, axes, keep: np.sum(x * y, axis=axes, keepdims=keep),
    ),
    "sum_of_squares": (1, _axes, lambda x, axes, keep: np.sum(x * x, axis=axes, keepdims=keep)),
    "mean": (1, _axes, lambda x, axes, keep: np.mean(x, axis=axes, keepdims=keep) if x.size else x),
    "max": (1, _axes, lambda x, axes, keep: np.max(x, axis=axes, keepdims=keep)),
    "min": (1, _axes, lambda x, axes, keep: np.min(x, axis=axes, keepdims=keep)),
    "prod": (1, _axes, lambda x, axes, keep: np.prod(x, axis=axes, keepdims=keep)),
    "var": (1, _axes, lambda x, axes, keep: np.var(x, axis=axes, keepdims=keep) if x.size else x),
    "cumsum": (1, _axis, lambda x, axis: np.cumsum(x, axis)),
    "cumprod": (1, _axis, lambda x, axis: np.cumprod(x, axis)),
    "matmul": (2, _none, np.matmul),
    "matmul_left": (2, _none, lambda x, y: x.T @ y),
    "matmul_right": (2, _none, lambda x, y: x @ np.swapaxes(y, -1, -2)),
    "outer": (2, _none, lambda x, y: np.outer(x, y)),
    "dot": (2, _none, np.dot),
    "slice": (1, _slices, _take_slices),
    "transpose": (1, _permutation, np.transpose),
    "reshape": (1, _new_shape, np.reshape),
    "expand": (1, lambda rng, s: (rng.randrange(len(s) + 1),), np.expand_dims),
    "broadcast": (1, _wide_shape, np.broadcast_to),
    "concatenate": (
        2,
        lambda rng, s, t: (rng.randrange(len(s)),),
        lambda x, y, axis: np.concatenate([x, y], axis),
    ),
    "concatenate3": (
        3,
        lambda rng, s, t, u: (rng.randrange(len(s)),),
        lambda x, y, z, axis: np.concatenate([x, np.sin(y), z], axis),
    ),
    "stack": (
        2,
        lambda rng, s, t: (rng.randrange(len(s) + 1),),
        lambda x, y, axis: np.stack([x, 2 * y], axis),
    ),
    "flip": (1, _axis, lambda x, axis: np.flip(x, axis)),
    "roll": (1, _axis, lambda x, axis: np.roll(x, 1, axis)),
    "take": (1, _positions, lambda x, p, axis: np.take(x, np.array(p), axis)),
    "index": (1, _positions, lambda x, p, axis: np.swapaxes(x, 0, axis)[list(p)]),
    "pad": (1, _pad_widths, lambda x, widths: np.pad(x, widths)),
    "tile": (1, lambda rng, s: (rng.randrange(1, 3),), np.tile),
    "repeat": (1, _axis, lambda x, axis: np.repeat(x, 2, axis)),
    "scatter": (2, lambda rng, s, t: _positions(rng, (s[0],)), _scatter),
    "scan": (2, _body, _scan_scalar),
}


class Program:
    """A list of ``(name, operands, attributes)``, the shapes of its inputs, and which values it
    returns."""

    def __init__(self, shapes, steps, results):
        self.shapes = shapes
        self.steps = steps
        self.results = results

    def values(self, *inputs):
        """Everything that is computed."""
        pool = list(inputs)
        for name, operands, attributes in self.steps:
            pool.append(OPERATIONS[name][2](*[pool[i] for i in operands], *attributes))
        return pool

    def outputs(self, *inputs):
        """The values returned, as a tuple."""
        pool = self.values(*inputs)
        return tuple(pool[i] for i in self.results)

    def scalar(self, *inputs):
        """One number that depends on all the values returned."""
        total = 0.0
        for k, value in enumerate(self.outputs(*inputs)):
            total = total + np.sum(value * (1.0 + 0.3 * k))
        return total

    def __repr__(self):
        return (
            f"Program({self.shapes}, [\n  "
            + ",\n  ".join(map(repr, self.steps))
            + (f"],\n {self.results})")
        )


def inputs_of(shapes, seed=0):
    """Random inputs, without ties."""
    rng = np.random.default_rng(seed)
    return [np.array(rng.uniform(-1.5, 1.5, s)) for s in shapes]


def draw(rng, n_inputs=3, n_steps=12, names=None, shapes=None, most=200):
    """A random program that NumPy can run."""
    names = list(names or OPERATIONS)
    shapes = [rng.choice(shapes or SHAPES) for _ in range(n_inputs)]
    pool = inputs_of(shapes)
    steps = []
    for _ in range(n_steps):
        name = rng.choice(names)
        arity, attributes_of, function = OPERATIONS[name]
        operands = tuple(_pick(rng, len(pool)) for _ in range(arity))
        try:
            attributes = attributes_of(rng, *[pool[i].shape for i in operands])
            with np.errstate(all="ignore"):
                value = np.asarray(function(*[pool[i] for i in operands], *attributes))
        except (ValueError, IndexError, TypeError, ZeroDivisionError):
            continue
        largest = np.max(np.abs(value), initial=0.0)
        if not largest < LARGEST or value.size > most:
            continue
        steps.append((name, operands, attributes))
        pool.append(value)
    count = rng.randrange(1, 5)
    results = [len(pool) - 1] + [rng.randrange(len(pool)) for _ in range(count - 1)]
    return Program(shapes, steps, results)


def _pick(rng, count):
    # Recent values more often than old ones, so that graphs become deep.
    return max(rng.randrange(count), rng.randrange(count))


def difference(function, inputs, directions, step=1e-6):
    """The derivative along directions by a central difference in extended precision, or None at a
    kink."""
    wide = [np.asarray(x, np.longdouble) for x in inputs]
    slopes = []
    with np.errstate(all="ignore"):
        for h in (np.longdouble(step), np.longdouble(step) / 3):
            up = function(*[x + h * d for x, d in zip(wide, directions, strict=True)])
            down = function(*[x - h * d for x, d in zip(wide, directions, strict=True)])
            slopes.append((up - down) / (2 * h))
    first, second = (np.asarray(s, float) for s in slopes)
    scale = 1 + np.max(np.abs(first), initial=0.0)
    if not np.all(np.abs(first - second) <= 1e-8 * scale):
        return None
    return second


def numerical_gradient(function, inputs):
    """Gradients of a scalar function by every input; NaN at entries where it has a kink."""
    result = []
    for k, x in enumerate(inputs):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            directions = [np.zeros(y.shape) for y in inputs]
            directions[k][index] = 1.0
            slope = difference(function, inputs, directions)
            gradient[index] = np.nan if slope is None else slope
        result.append(gradient)
    return result
