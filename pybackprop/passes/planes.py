"""Complex values become pairs of real ones: the core computes with real numbers only.

A whole-graph pass, run after differentiation. Every complex value is replaced by its *planes*, the
real and the imaginary part, by one rule per primitive; bodies of loops likewise. A plane that is
known to be zero is None and costs nothing, so a product of a real by a complex value is two real
products. Inputs and outputs keep their dtype: their bytes are viewed as pairs (``as_parts``,
``from_parts``).

The rules of elementary functions are in :mod:`.complex_functions`.
"""

import numpy as np

from ..errors import UnsupportedError
from ..graph import (
    CONSTANT,
    INPUT,
    apply,
    describe_location,
    element_count,
    has_complex,
    open_graph,
)
from ..primitives import control, fft, indexing, linalg, ordering, reduction, shaping
from ..primitives import elementwise as e
from ..primitives.base import broadcast, constant, filled, real_dtype, zeros
from ..primitives.control import current_rewrites, move_captured_first
from . import complex_functions as functions
from .anew import nodes_anew
from .complex_functions import Planes, plus

RULES = {}


def split(graph):
    """The graph with real values only, but for its inputs and outputs.

    Parameters
    ----------
    graph : Graph
        Closed.

    Returns
    -------
    Graph
        The graph itself if it has no complex value.

    Raises
    ------
    UnsupportedError
        If a primitive has no rule for complex values.
    """
    if not has_complex(graph):
        return graph
    from . import LOCAL

    env = {}
    with open_graph(graph.name, LOCAL) as target:
        for node in nodes_anew(graph, target, env, _parted):
            _apply(node, env, target)
        target.close([_joined(env[v]) for v in graph.outputs])
    return target


def _parted(value):
    """The planes of an input; a real one as it is."""
    if value.dtype.kind != "c":
        return value
    parts = e.as_parts(value)
    return Planes(
        *[
            shaping.reshape(shaping.slice_axis(parts, 0, k, k + 1), shape=value.shape)
            for k in (0, 1)
        ],
        value.shape,
        value.dtype,
    )


def _joined(value):
    """An output from its planes."""
    if not isinstance(value, Planes):
        return value
    lanes = [shaping.reshape(p, shape=(1, *value.shape)) for p in value.both()]
    return e.from_parts(shaping.concatenate(*lanes, axis=0))


def _constant_planes(array):
    def plane(part):
        # The sign of a zero is information: only +0 is left out.
        if not part.any() and not np.signbit(part).any():
            return None
        return constant(np.ascontiguousarray(part).reshape(part.shape))

    return Planes(plane(array.real), plane(array.imag), array.shape, array.dtype)


def _apply(node, env, target):
    """Apply one node to planes and real values."""
    primitive = node.primitive
    if primitive is CONSTANT:
        array = node.attributes["value"]
        is_complex = array.dtype.kind == "c"
        env[node.outputs[0]] = _constant_planes(array) if is_complex else target.constant(array)
        return
    target.location = node.location
    operands = [env[operand] for operand in node.operands]
    touches = any(isinstance(o, Planes) for o in operands) or any(
        v.dtype.kind == "c" for v in node.outputs
    )
    if primitive is control.scan and (touches or has_complex(node.attributes["body"])):
        results = _scan(operands, **node.attributes)
    elif not touches:
        result = primitive(*operands, **node.attributes)
        results = result if primitive.multiple else (result,)
    else:
        rule = RULES.get(primitive)
        if rule is None:
            raise UnsupportedError(
                f"{primitive.name} is not supported for complex values (recorded at "
                f"{describe_location(node.location)}); write it with real and imaginary parts"
            )
        result = rule(*operands, **node.attributes)
        results = result if primitive.multiple else (result,)
        results = [_fitted(r, v) for r, v in zip(results, node.outputs, strict=True)]
    env.update(zip(node.outputs, results, strict=True))


def _fitted(result, value):
    """A result with the shape of the value that it stands for: rules need not broadcast."""
    if not isinstance(result, Planes):
        return broadcast(result, value.shape)
    planes = [None if p is None else broadcast(p, value.shape) for p in (result.re, result.im)]
    return Planes(*planes, value.shape, value.dtype)


# ---- families of rules --------------------------------------------------------------------------


def rule(*primitives):
    """Register a rule: it gets planes (or real values) and attributes and returns the same."""

    def register(function):
        for primitive in primitives:
            RULES[primitive] = function
        return function

    return register


def _linear(primitive):
    """One operand, a plane at a time."""

    def planewise(z, **attributes):
        planes = [None if p is None else primitive(p, **attributes) for p in (z.re, z.im)]
        return Planes(*planes, None, z.dtype)

    RULES[primitive] = planewise


for _primitive in (
    shaping.reshape, shaping.transpose, shaping.broadcast_to, shaping.slice_, shaping.pad,
    shaping.flip, reduction.sum_, reduction.cumsum, e.stop_gradient, e.rint,
):  # fmt: skip
    _linear(_primitive)


def _planewise(primitive, first, last):
    """Operands ``first`` to ``last`` are complex; the rest go to both planes as they are."""

    def several(*operands, **attributes):
        stop = len(operands) if last is None else last
        chosen = operands[first:stop]
        planes = []
        for part in ("re", "im"):
            given = [getattr(z, part) for z in chosen]
            if all(p is None for p in given):
                planes.append(None)
                continue
            full = [
                zeros(z.shape, real_dtype(z.dtype)) if p is None else p
                for p, z in zip(given, chosen, strict=True)
            ]
            planes.append(primitive(*operands[:first], *full, *operands[stop:], **attributes))
        return Planes(*planes, None, chosen[0].dtype)

    RULES[primitive] = several


_planewise(shaping.concatenate, 0, None)
_planewise(shaping.slice_set, 0, None)
_planewise(e.select, 1, None)


@rule(indexing.gather)
def _gather(z, positions):
    planes = [None if p is None else indexing.gather(p, positions) for p in (z.re, z.im)]
    return Planes(*planes, None, z.dtype)


@rule(indexing.scatter_add)
def _scatter_add(z, positions, updates):
    return _scatter(indexing.scatter_add, z, positions, updates)


@rule(indexing.scatter_set)
def _scatter_set(z, positions, updates):
    return _scatter(indexing.scatter_set, z, positions, updates)


def _scatter(primitive, z, positions, updates):
    planes = []
    for base, new in ((z.re, updates.re), (z.im, updates.im)):
        if base is None and new is None:
            planes.append(None)
            continue
        dtype = real_dtype(z.dtype)
        base = zeros(z.shape, dtype) if base is None else base
        new = zeros(updates.shape, dtype) if new is None else new
        planes.append(primitive(base, positions, new))
    return Planes(*planes, None, z.dtype)


@rule(e.accumulate)
def _accumulate(*operands):
    planes = []
    for part in ("re", "im"):
        present = [p for p in (getattr(z, part) for z in operands) if p is not None]
        planes.append(
            None if not present else present[0] if len(present) == 1 else e.accumulate(*present)
        )
    return Planes(*planes, None, operands[0].dtype)


@rule(linalg.matmul)
def _matmul(a, b, **attributes):
    def times(x, y):
        return None if x is None or y is None else linalg.matmul(x, y, **attributes)

    re = functions.minus(times(a.re, b.re), times(a.im, b.im))
    im = plus(times(a.re, b.im), times(a.im, b.re))
    return Planes(re, im, None, a.dtype)


@rule(linalg.sparse_matmul)
def _sparse_matmul(x, *, matrix):
    planes = [None if p is None else linalg.sparse_matmul(p, matrix=matrix) for p in (x.re, x.im)]
    return Planes(*planes, (matrix.shape[0], *x.shape[1:]), x.dtype)


@rule(e.convert)
def _convert(x, *, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        part = real_dtype(dtype)
        if not isinstance(x, Planes):
            return Planes(e.convert(x, dtype=part), None, x.shape, dtype)
        planes = [None if p is None else e.convert(p, dtype=part) for p in (x.re, x.im)]
        return Planes(*planes, x.shape, dtype)
    if dtype == np.bool_:
        parts = [e.not_equal(p, constant(0, p.dtype)) for p in (x.re, x.im) if p is not None] or [
            filled(x.shape, False, np.bool_)
        ]
        return parts[0] if len(parts) == 1 else e.logical_or(*parts)
    return e.convert(x.real(), dtype=dtype)


@rule(fft.fft)
def _fft(z, *, axis, inverse):
    if not element_count(z.shape):
        return Planes(None, None, z.shape, z.dtype)
    # With the planes exchanged, before and after, the transform is the inverse one.
    re, im = (z.im, z.re) if inverse else (z.re, z.im)
    if re is None:
        re = zeros(z.shape, real_dtype(z.dtype))
    table = constant(fft.plan(z.shape[axis], re.dtype).table)
    given = [re, table] if im is None else [re, im, table]
    both = fft.fft_planes(*given, axis=axis)
    planes = [shaping.reshape(shaping.slice_axis(both, 0, k, k + 1), shape=z.shape) for k in (0, 1)]
    return Planes(*(planes[::-1] if inverse else planes), z.shape, z.dtype)


# ---- reductions ---------------------------------------------------------------------------------


@rule(reduction.prod)
def _prod(z, *, axes):
    # Halves of the reduced axes, flattened into one, are multiplied until one element is left.
    kept = tuple(axis for axis in range(len(z.shape)) if axis not in axes)
    shape = tuple(z.shape[axis] for axis in kept)
    order, count = kept + tuple(axes), int(np.prod([z.shape[axis] for axis in axes], dtype=int))

    def flat(plane):
        return shaping.reshape(shaping.transpose(plane, axes=order), shape=(*shape, count))

    z = Planes(*[None if p is None else flat(p) for p in (z.re, z.im)], (*shape, count), z.dtype)
    if count == 0:
        return Planes(filled(shape, 1, real_dtype(z.dtype)), None, shape, z.dtype)
    axis = len(shape)
    while count > 1:
        half = count // 2
        left, right = _window(z, axis, 0, half), _window(z, axis, half, 2 * half)
        product = functions.multiply(left, right)
        if count % 2:
            product = RULES[shaping.concatenate](
                _fitted_to(product, left.shape), _window(z, axis, 2 * half, count), axis=axis
            )
        count = half + count % 2
        z = _fitted_to(product, (*shape, count))
    return RULES[shaping.reshape](z, shape=shape)


def _window(z, axis, start, stop):
    shape = (*z.shape[:axis], stop - start, *z.shape[axis + 1 :])
    planes = [None if p is None else shaping.slice_axis(p, axis, start, stop) for p in (z.re, z.im)]
    return Planes(*planes, shape, z.dtype)


def _fitted_to(z, shape):
    return Planes(z.re, z.im, shape, z.dtype)


@rule(reduction.cumprod)
def _cumprod(z, *, axis, reverse):
    # Each element takes in what is 1, 2, 4 ... before it.
    extent, shift = z.shape[axis], 1
    gap = list(z.shape)
    while shift < extent:
        gap[axis] = shift
        one = Planes(filled(tuple(gap), 1, real_dtype(z.dtype)), None, tuple(gap), z.dtype)
        join = RULES[shaping.concatenate]
        if reverse:
            moved = join(_window(z, axis, shift, extent), one, axis=axis)
        else:
            moved = join(one, _window(z, axis, 0, extent - shift), axis=axis)
        z = _fitted_to(functions.multiply(z, _fitted_to(moved, z.shape)), z.shape)
        shift *= 2
    return z


def _extreme(reduce, worst):
    """Lexicographic: the extreme real part, then the extreme imaginary part beside it."""

    def extreme(z, *, axes):
        re, im = z.both()
        top = reduce(re, axes=axes)
        hit = e.equal(re, reduction.restore(top, re.shape, axes))
        rest = reduce(e.select(hit, im, constant(worst, im.dtype)), axes=axes)
        # NaN in either part of any element is a result of NaN.
        bad = reduction.max_(e.logical_or(e.isnan(re), e.isnan(im)), axes=axes)
        nan = constant(np.nan, re.dtype)
        return Planes(e.select(bad, nan, top), e.select(bad, nan, rest), None, z.dtype)

    return extreme


RULES[reduction.max_] = _extreme(reduction.max_, -np.inf)
RULES[reduction.min_] = _extreme(reduction.min_, np.inf)


def _arg_extreme(reduce):
    def first(z, *, axis):
        re, im = z.both()
        best = _fitted_to(RULES[reduce](z, axes=(axis,)), None)
        top, rest = (reduction.restore(p, re.shape, (axis,)) for p in (best.re, best.im))
        hit = e.logical_and(e.equal(re, top), e.equal(im, rest))
        hit = e.logical_or(hit, e.logical_or(e.isnan(re), e.isnan(im)))
        return reduction.argmax(hit, axis=axis)

    return first


RULES[reduction.argmax] = _arg_extreme(reduction.max_)
RULES[reduction.argmin] = _arg_extreme(reduction.min_)


@rule(ordering.argsort)
def _argsort(z):
    # By the least key first, each time stably: imaginary parts, real parts, where NaN is.
    re, im = z.both()
    nan = [e.convert(e.isnan(p), dtype=np.int64) for p in (im, re)]
    key = e.add(nan[0], e.multiply(nan[1], constant(2, np.int64)))
    order = ordering.argsort(im)
    for values in (re, key):
        moved = _taken(values, order)
        order = _taken(order, ordering.argsort(moved))
    return order


def _taken(x, positions):
    outer, n = x.shape
    taken = indexing.gather(shaping.reshape(x, shape=(outer, n, 1)), positions)
    return shaping.reshape(taken, shape=(outer, n))


# ---- elementwise --------------------------------------------------------------------------------

RULES.update(functions.RULES)


# ---- loops --------------------------------------------------------------------------------------


def _scan(operands, *, body, n_consts, n_carry, length, reverse):
    """A scan whose complex operands, carries and results are two real ones each."""
    arranged, counts, own, env = [], [0, 0, 0], [], {}
    # Zero planes of carries are instantiated: what a step makes of them need not be zero.
    late = not functions.in_values()
    given = []
    for i, operand in enumerate(operands):
        if not isinstance(operand, Planes):
            given.append((operand,))
        elif n_consts <= i < n_consts + n_carry:
            given.append(operand.both())
        else:
            given.append((operand.re, operand.im))
    with open_graph(body.name, current_rewrites()) as graph:
        # The body of a reverse loop is no place for signs of zeros either.
        graph.reverse_start = 0 if late else None
        for position, (inner, planes) in enumerate(zip(body.inputs, given, strict=True)):
            group = 0 if position < n_consts else 1 if position < n_consts + n_carry else 2
            made = []
            for plane in planes:
                if plane is None:
                    made.append(None)
                    continue
                arranged.append(plane)
                counts[group] += 1
                made.append(graph.add_input(inner.shape, real_dtype(inner.dtype), inner.weak))
                own.append(made[-1])
            is_complex = inner.dtype.kind == "c"
            env[inner] = Planes(*made, inner.shape, inner.dtype) if is_complex else made[0]
        for node in body.nodes:
            if node.primitive is not INPUT:
                _apply(node, env, graph)
        outputs, kinds = [], []
        for position, value in enumerate(body.outputs):
            result = env[value]
            if not isinstance(result, Planes):
                planes = [result]
            elif position < n_carry:
                planes = result.both()
            else:
                planes = [result.re, result.im]
            kinds.append([p is not None for p in planes])
            outputs += [p for p in planes if p is not None]
        graph.reverse_start = None
        graph.close(outputs)
    if graph.captured:
        captured = list(graph.captured)
        graph = move_captured_first(graph, len(own))
        arranged = captured + arranged
        counts[0] += len(captured)
    results = iter(
        apply(
            control.scan, *arranged, body=graph, n_consts=counts[0], n_carry=counts[1],
            length=length, reverse=reverse,
        )
    )  # fmt: skip
    answer = []
    for position, (value, present) in enumerate(zip(body.outputs, kinds, strict=True)):
        planes = [next(results) if p else None for p in present]
        shape = value.shape if position < n_carry else (length, *value.shape)
        is_complex = len(present) == 2
        answer.append(Planes(*planes, shape, value.dtype) if is_complex else planes[0])
    return answer
