"""Products with the derivative: along a direction, from a cotangent, and with the Hessian.

``jvp`` and ``vjp`` are called with values at once; what they compile is kept by function.
"""

import weakref

import numpy as np

from .._core import flatten, flatten_tree
from ..compiled import Compiled, as_plain
from ..differentiate import ReverseSweep, record_jvp
from ..errors import DifferentiationError
from ..graph import Value, current_graph
from ..primitives.base import is_floating, zeros
from ..primitives.elementwise import convert
from ..trace import contains_value
from .gradients import grad
from .recording import mark_reverse, named_after, normalize_argnum, operands_of, or_zeros, trace_for

_by_function = weakref.WeakKeyDictionary()


def _cached(function, kind, make):
    """One compiled helper per function and kind, for transformations that are called at once."""
    try:
        table = _by_function.setdefault(function, {})
    except TypeError:
        return Compiled(make(function))
    if kind not in table:
        reference = weakref.ref(function)

        def recorded(*args, **kwargs):
            return make(reference())(*args, **kwargs)

        recorded.__name__ = f"{kind}({getattr(function, '__name__', 'function')})"
        table[kind] = Compiled(recorded)
    return table[kind]


def _tracing(*trees):
    return current_graph() is not None and contains_value(flatten_tree(trees)[1])


def jvp(function, primals, tangents):
    """The value of a function and its derivative along a direction (forward mode).

    Parameters
    ----------
    function : callable
    primals : tuple
        Arguments.
    tangents : tuple
        Of the structure, shapes and dtypes of ``primals``.

    Returns
    -------
    output, output_tangent

    Raises
    ------
    TypeError
        If structures, shapes or dtypes differ.
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"{name} must be a tuple with one entry per argument, not {type(given).__name__}"
            )
    primals, tangents = tuple(primals), tuple(tangents)
    if _tracing(primals, tangents):
        return _record_jvp(function)(primals, tangents)
    return _cached(function, "jvp", _record_jvp)(primals, _like(primals, tangents, "tangents"))


def _like(primals, others, what):
    """Plain leaves of ``others`` in the dtypes of ``primals``; structures and shapes checked."""
    tree, leaves = flatten_tree(primals)
    result = []
    for leaf, other in zip(leaves, _collect(tree, others, what), strict=True):
        if isinstance(other, Value):
            result.append(other)
            continue
        shape = leaf.shape if isinstance(leaf, Value) else np.shape(leaf)
        dtype = leaf.dtype if isinstance(leaf, Value) else np.asarray(leaf).dtype
        if dtype.kind not in "fc":
            raise DifferentiationError(
                f"{what}: a primal of dtype {dtype} has no tangent; pass floats"
            )
        array = np.asarray(as_plain(other))
        if array.shape != shape:
            raise TypeError(f"{what} of shape {array.shape} for a primal of shape {shape}")
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise TypeError(f"{what} of dtype {array.dtype} for a primal of dtype {dtype}")
        result.append(array.astype(dtype))
    return tree.unflatten(result)


def _collect(tree, others, what):
    """The leaves of ``others`` in the order of a tree; its dicts may have their keys in another."""
    other_tree, plain = flatten_tree(others)
    try:
        leaves = tree.collect(others)
    except ValueError:
        leaves = None
    if leaves is None or set(map(id, leaves)) != set(map(id, plain)):
        raise TypeError(f"{what} must have the structure of the primals: {tree}, not {other_tree}")
    return leaves


def _record_jvp(function):
    def recorded(primals, tangents):
        tree, leaves = flatten_tree(primals)
        tangent_leaves = _collect(tree, tangents, "tangents")
        traced, wrt = trace_for(function, primals, {}, list(range(len(leaves))))
        graph = current_graph()
        operands = operands_of(traced)
        directions = [None] * len(operands)
        for index, tangent in zip(wrt, tangent_leaves, strict=True):
            directions[index] = _as_direction(graph.adopt(tangent), traced.graph.inputs[index])
        outputs, dots = record_jvp(traced.graph, operands, directions)
        dots = [
            zeros(o.shape, o.dtype) if d is None else d for d, o in zip(dots, outputs, strict=True)
        ]
        return traced.rebuild(outputs), traced.rebuild(dots)

    return recorded


def _as_direction(value, like):
    if value.shape != like.shape:
        raise TypeError(f"a tangent of shape {value.shape} for a primal of shape {like.shape}")
    if value.dtype.kind == "c" and like.dtype.kind != "c":
        raise TypeError(f"a complex derivative for a primal of dtype {like.dtype}")
    return value if value.dtype == like.dtype else convert(value, dtype=like.dtype)


def vjp(function, *primals):
    """The value of a function and its pullback (reverse mode).

    Parameters
    ----------
    function : callable
    *primals
        Arguments. They are copied: changing an array afterwards does not change the pullback.

    Returns
    -------
    output
    pullback : callable
        Takes a cotangent of the structure of ``output`` and returns a tuple with the cotangent of
        each argument.
    """
    if _tracing(primals):
        return _record_vjp(function, primals)
    tree, leaves = flatten_tree(primals)
    frozen = tree.unflatten(
        [np.array(as_plain(leaf)) if np.ndim(leaf) else leaf for leaf in leaves]
    )
    output = _cached(function, "value", lambda f: f)(*frozen)
    if _tracing(output):
        # Plain arguments, but the function uses traced values of the one around it.
        return _record_vjp(function, frozen)

    def pullback(cotangent):
        """Cotangents of the arguments."""
        # Looked up here, so that the function lives as long as its pullback.
        compiled = _cached(function, "vjp", _record_pullback)
        return compiled(frozen, _like(output, cotangent, "cotangents"))

    return output, pullback


def _record_vjp(function, primals):
    _, leaves = flatten(primals)
    chosen = list(range(len(leaves)))
    traced, wrt = trace_for(function, primals, {}, chosen)
    tree, _ = flatten_tree(primals)
    active = [i in set(wrt) for i in range(len(traced.graph.inputs))]
    sweep = ReverseSweep(traced.graph, operands_of(traced), active)
    output = traced.rebuild(sweep.outputs)

    def pullback(cotangent):
        mark_reverse()
        _, cts = flatten_tree(cotangent)
        if len(cts) != len(traced.out_kinds):
            raise TypeError(f"cotangents must have the structure of the output, {traced.out_tree}")
        graph = current_graph()
        seeds = [None] * len(sweep.outputs)
        for (kind, x), ct in zip(traced.out_kinds, cts, strict=True):
            if kind == "value" and is_floating(sweep.outputs[x]):
                seeds[x] = _as_direction(graph.adopt(ct), sweep.outputs[x])
        cotangents = sweep.pull(seeds)
        return tree.unflatten([or_zeros(cotangents[i], traced.graph.inputs[i]) for i in wrt])

    return output, pullback


def _record_pullback(function):
    def recorded(primals, cotangent):
        return _record_vjp(function, primals)[1](cotangent)

    return recorded


def hvp(function, argnums=0, holomorphic=False, **options):
    """The product of the Hessian of a scalar function with a vector.

    Parameters
    ----------
    function : callable
        Returns a floating scalar.
    argnums : int
        The argument to differentiate by twice.
    holomorphic : bool
        Whether the function is complex-differentiable from complex to complex: then the product is
        that with its complex second derivative.
    **options
        As for :func:`.compile`.

    Returns
    -------
    Compiled
        ``hvp(f)(*args, v)``: v of the structure of argument ``argnums``; the product has it too.

    References
    ----------
    Pearlmutter, B. A. (1994). Fast exact multiplication by the Hessian. Neural Computation 6(1).
    """
    gradient = grad(function, argnums, holomorphic=holomorphic).function

    def recorded(*args):
        *primals, direction = args
        index = normalize_argnum(argnums, len(primals))

        def along(x):
            return gradient(*primals[:index], x, *primals[index + 1 :])

        return _record_jvp(along)((primals[index],), (direction,))[1]

    return Compiled(named_after(recorded, function, "hvp", argnums, holomorphic), **options)
