"""The public transformations: compile, the derivatives, and vmap.

Each makes a function that records its work into the graph under construction, wrapped as a
:class:`.compiled.Compiled`. Called with arrays, the wrapper compiles and runs; called with traced
values, it records, so transformations nest.
"""

import functools
import weakref

import numpy as np

from ._core import flatten, flatten_tree
from .batching import record_batch
from .compiled import Compiled, as_plain
from .differentiate import ReverseSweep, record_jvp
from .errors import DifferentiationError
from .graph import Value, current_graph, describe, open_graph
from .primitives.base import broadcast, constant, is_floating, normalize_axis, zeros
from .primitives.elementwise import convert
from .primitives.elementwise import stop_gradient as stop_gradient_primitive
from .primitives.shaping import concatenate, reshape, transpose
from .seeding import record_seeded
from .trace import contains_value, trace_inner

__all__ = [
    "compile", "grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad",
    "vjp", "vmap",
]  # fmt: skip


def compile(function=None, *, backend="auto", threads=1, static_argnums=()):
    """Compile a function; also a decorator.

    Parameters
    ----------
    function : callable
        Of arrays, numbers, and nested tuples, lists, dicts, named tuples and dataclasses of them.
    backend : {"auto", "interpreter", "native"}
        "native" has the C compiler found make machine code of the tape, once per kind of arguments
        and kept on disk; "auto" interprets.
    threads : int
        How many threads sweep many rows; see :class:`.compiled.Compiled`.
    static_argnums : int or tuple of int
        Positional arguments that are not traced: the function gets them as they are, and is
        compiled anew for each value. They need a hash.

    Returns
    -------
    Compiled
        Called like the function; takes and returns NumPy arrays.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> f = bp.compile(lambda x: np.exp(x).sum())
    >>> f(np.zeros(3))
    np.float64(3.0)
    """
    if function is None:
        return functools.partial(
            compile, backend=backend, threads=threads, static_argnums=static_argnums
        )
    return Compiled(function, backend=backend, threads=threads, static_argnums=static_argnums)


def value_and_grad(function=None, argnums=0, has_aux=False, holomorphic=False, **options):
    """The value of a scalar function and its gradient.

    Of a real function of complex ``z = x + i y`` the gradient is ``df/dx - i df/dy``, so that
    ``z - t * conj(gradient)`` descends; see docs/conventions.md.

    Parameters
    ----------
    function : callable
        Returns a floating scalar, or with ``has_aux`` a pair of that and anything else.
    argnums : int or tuple of int
        Positional arguments to differentiate by. Each may be a nested container; the gradient then
        has its structure.
    has_aux : bool
    holomorphic : bool
        Whether the function is complex-differentiable from complex to complex: then the gradient is
        its complex derivative.
    **options
        As for :func:`compile`.

    Returns
    -------
    Compiled
        Returns ``value, gradient``, or ``(value, aux), gradient``.

    Raises
    ------
    DifferentiationError
        When called: if the result is no floating scalar, or an argument is not floating.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> f = bp.value_and_grad(lambda x: np.sum(x ** 2))
    >>> f(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    if function is None:
        return functools.partial(
            value_and_grad, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, **options
        )

    def recorded(*args, **kwargs):
        value, aux, gradient = _record_gradient(
            function, argnums, has_aux, args, kwargs, holomorphic
        )
        return ((value, aux), gradient) if has_aux else (value, gradient)

    named = _named(recorded, function, "value_and_grad", argnums, has_aux, holomorphic)
    return Compiled(named, **options)


def grad(function=None, argnums=0, has_aux=False, holomorphic=False, **options):
    """The gradient of a scalar function; see :func:`value_and_grad`.

    Returns
    -------
    Compiled
        Returns ``gradient``, or ``gradient, aux``.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> bp.grad(np.sin)(0.0)
    np.float64(1.0)
    """
    if function is None:
        return functools.partial(
            grad, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, **options
        )

    def recorded(*args, **kwargs):
        _, aux, gradient = _record_gradient(function, argnums, has_aux, args, kwargs, holomorphic)
        return (gradient, aux) if has_aux else gradient

    named = _named(recorded, function, "grad", argnums, has_aux, holomorphic)
    return Compiled(named, **options)


def _named(recorded, function, prefix, *options):
    """Name what a transformation records; pickle makes it anew from ``recipe``."""
    if not callable(function):
        raise TypeError(f"{prefix} needs a function, not {type(function).__name__}")
    recorded.recipe = (prefix, function, options)
    recorded.__name__ = f"{prefix}({getattr(function, '__name__', 'function')})"
    recorded.__doc__ = getattr(function, "__doc__", None)
    for name in ("__module__", "__qualname__"):
        setattr(recorded, name, getattr(function, name, None) or recorded.__name__)
    recorded.__wrapped__ = function
    return recorded


def _selected_leaves(argnums, args):
    """Numbers of the chosen arguments' leaves, their structures, and whether there is only one."""
    single = isinstance(argnums, (int, np.integer))
    chosen = [normalize_argnum(i, len(args)) for i in ((argnums,) if single else argnums)]
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"argnums {argnums} name an argument twice")
    starts, trees, position = [], [], 0
    for argument in args:
        tree, leaves = flatten_tree(argument)
        starts.append(position)
        trees.append(tree)
        position += len(leaves)
    numbers = [n for i in chosen for n in range(starts[i], starts[i] + trees[i].n_leaves)]
    return numbers, [trees[i] for i in chosen], single


def normalize_argnum(number, count):
    """A non-negative argument number.

    Raises
    ------
    ValueError
        If there is no such positional argument.
    """
    if not -count <= number < count:
        plural = "" if count == 1 else "s"
        raise ValueError(
            f"argnums names argument {number}, and the call has {count} positional "
            f"argument{plural}; arguments to differentiate by are passed by position"
        )
    return number % count


def _regroup(values, trees, single):
    """Values by leaf, as one tree or a tuple of trees."""
    values = list(values)
    result = []
    for tree in trees:
        result.append(tree.unflatten(values[: tree.n_leaves]))
        del values[: tree.n_leaves]
    return result[0] if single else tuple(result)


def _trace_for(function, args, kwargs, chosen):
    """Trace with the chosen leaves as inputs; returns what was traced and the inputs' numbers."""
    picked = set(chosen)
    traced = trace_inner(
        function, args, kwargs, lambda number, leaf: number in picked or isinstance(leaf, Value)
    )
    wrt = [traced.leaf_inputs[number] for number in chosen]
    for number, index in zip(chosen, wrt, strict=True):
        value = traced.graph.inputs[index]
        if not is_floating(value):
            raise DifferentiationError(
                f"cannot differentiate by an argument of dtype {value.dtype} (leaf {number}): only "
                "floating arrays have derivatives; convert it, e.g. x.astype(float)"
            )
    return traced, wrt


def _operands(traced):
    graph = current_graph()
    return [graph.adopt(x) for x in traced.operands]


def _mark_reverse():
    graph = current_graph()
    if graph.reverse_start is None:
        graph.reverse_start = len(graph.nodes)


def _record_gradient(function, argnums, has_aux, args, kwargs, holomorphic=False):
    chosen, trees, single = _selected_leaves(argnums, args)
    traced, wrt = _trace_for(function, args, kwargs, chosen)
    result = traced.rebuild([_Mark(i) for i in range(len(traced.graph.outputs))])
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError("with has_aux the function must return a pair (value, aux)")
        result = result[0]
    if not isinstance(result, _Mark):
        returned = result if isinstance(result, (int, float, complex)) else type(result).__name__
        raise DifferentiationError(
            "the gradient needs a function that returns one scalar that depends on its arguments, "
            f"and it returned {returned}; use bp.jacobian for several outputs"
        )
    index = result.index
    output = traced.graph.outputs[index]
    if output.shape != () or not is_floating(output):
        raise DifferentiationError(
            "the gradient needs a function with a floating scalar output, and it returned "
            f"{describe(output)}; sum or average it, or use bp.jacobian"
        )
    _check_holomorphic(holomorphic, [traced.graph.inputs[i] for i in wrt], [output], "grad")
    active = [i in set(wrt) for i in range(len(traced.graph.inputs))]
    sweep = ReverseSweep(traced.graph, _operands(traced), active)
    _mark_reverse()
    seeds = [None] * len(traced.graph.outputs)
    seeds[index] = constant(1, output.dtype)
    cotangents = sweep.pull(seeds)
    gradients = [_or_zeros(cotangents[i], traced.graph.inputs[i]) for i in wrt]
    aux = traced.rebuild(sweep.outputs)[1] if has_aux else None
    return sweep.outputs[index], aux, _regroup(gradients, trees, single)


def _check_holomorphic(holomorphic, inputs, outputs, name):
    """Refuse complex derivatives that do not exist.

    Raises
    ------
    DifferentiationError
    """
    for value, what in [(v, "argument") for v in inputs] + [(v, "result") for v in outputs]:
        if holomorphic and value.dtype.kind != "c":
            raise DifferentiationError(
                f"{name} with holomorphic=True is the complex derivative of a function from "
                f"complex to complex, and an {what} is {describe(value)}; use .astype(complex)"
            )
    if holomorphic or not any(v.dtype.kind == "c" for v in outputs):
        return
    if name == "grad" or any(v.dtype.kind == "c" for v in inputs):
        raise DifferentiationError(
            f"{name} got a complex result, {describe(outputs[0])}: of a function that is "
            "complex-differentiable ask with holomorphic=True; else differentiate its real and "
            "imaginary parts (z.real, z.imag), or use bp.jvp and bp.vjp"
        )


class _Mark:
    """Stands for an output while the structure of a result is looked at."""

    def __init__(self, index):
        self.index = index


def _or_zeros(cotangent, like):
    return zeros(like.shape, like.dtype) if cotangent is None else cotangent


# ---- products -----------------------------------------------------------------------------------

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
        traced, wrt = _trace_for(function, primals, {}, list(range(len(leaves))))
        graph = current_graph()
        operands = _operands(traced)
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
    traced, wrt = _trace_for(function, primals, {}, chosen)
    tree, _ = flatten_tree(primals)
    active = [i in set(wrt) for i in range(len(traced.graph.inputs))]
    sweep = ReverseSweep(traced.graph, _operands(traced), active)
    output = traced.rebuild(sweep.outputs)

    def pullback(cotangent):
        _mark_reverse()
        _, cts = flatten_tree(cotangent)
        if len(cts) != len(traced.out_kinds):
            raise TypeError(f"cotangents must have the structure of the output, {traced.out_tree}")
        graph = current_graph()
        seeds = [None] * len(sweep.outputs)
        for (kind, x), ct in zip(traced.out_kinds, cts, strict=True):
            if kind == "value" and is_floating(sweep.outputs[x]):
                seeds[x] = _as_direction(graph.adopt(ct), sweep.outputs[x])
        cotangents = sweep.pull(seeds)
        return tree.unflatten([_or_zeros(cotangents[i], traced.graph.inputs[i]) for i in wrt])

    return output, pullback


def _record_pullback(function):
    def recorded(primals, cotangent):
        return _record_vjp(function, primals)[1](cotangent)

    return recorded


def hvp(function, argnums=0, **options):
    """The product of the Hessian of a scalar function with a vector.

    Returns
    -------
    Compiled
        ``hvp(f)(*args, v)``: v of the structure of argument ``argnums``; the product has it too.

    References
    ----------
    Pearlmutter, B. A. (1994). Fast exact multiplication by the Hessian. Neural Computation 6(1).
    """
    gradient = grad(function, argnums).function

    def recorded(*args):
        *primals, direction = args
        index = normalize_argnum(argnums, len(primals))

        def along(x):
            return gradient(*primals[:index], x, *primals[index + 1 :])

        return _record_jvp(along)((primals[index],), (direction,))[1]

    return Compiled(_named(recorded, function, "hvp", argnums), **options)


# ---- whole matrices -----------------------------------------------------------------------------


def jacobian(function=None, argnums=0, mode="auto", sparse=False, holomorphic=False, **options):
    """All first derivatives of all outputs.

    Parameters
    ----------
    function : callable
    argnums : int or tuple of int
    mode : {"auto", "forward", "reverse"}
        One sweep per input element, or one per output element; "auto" takes the fewer.
    sparse : bool
        Find out from the graph which entries are always zero, and return SciPy's sparse arrays
        (needs SciPy). Pattern and colouring are found once, see :mod:`.sparse`; a call takes few
        sweeps, often one or two.
    holomorphic : bool
        As for :func:`grad`. Without it, complex arguments need real results (the rows are those of
        :func:`grad`), and complex results real arguments.

    Returns
    -------
    Compiled
        Returns, per output leaf, per argument leaf, an array of shape
        ``output.shape + argument.shape``. If sparse, a :class:`.sparse.SparseJacobian`: returns a
        ``csr_array`` of shape ``(output.size, argument.size)`` in its place.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> J = bp.jacobian(lambda x: x[1:] * x[:-1], sparse=True)(np.arange(4.0))
    >>> J.toarray()
    array([[1., 0., 0., 0.],
           [0., 2., 1., 0.],
           [0., 0., 3., 2.]])
    """
    if function is None:
        return functools.partial(
            jacobian, argnums=argnums, mode=mode, sparse=sparse, holomorphic=holomorphic, **options
        )
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"mode must be 'auto', 'forward' or 'reverse', not {mode!r}")
    if sparse:
        from .sparse import SparseJacobian

        return SparseJacobian(function, argnums, mode, **options)

    def recorded(*args, **kwargs):
        chosen, trees, single = _selected_leaves(argnums, args)
        traced, wrt = _trace_for(function, args, kwargs, chosen)
        rows = _record_jacobian(traced, wrt, mode, holomorphic)
        return traced.rebuild([_regroup(row, trees, single) for row in rows])

    named = _named(recorded, function, "jacobian", argnums, mode, False, holomorphic)
    return Compiled(named, **options)


def hessian(function, argnums=0, sparse=False, holomorphic=False, **options):
    """All second derivatives of a scalar function, forward over reverse.

    Parameters
    ----------
    function : callable
    argnums : int or tuple of int
    sparse : bool
        Return SciPy's sparse arrays, as :func:`jacobian` of the gradient does.
    holomorphic : bool
        As for :func:`grad`.

    Returns
    -------
    Compiled
        For an array argument of shape ``s`` an array of shape ``s + s``; nested for containers.
    """
    if sparse:
        from .sparse import SparseJacobian

        return SparseJacobian(function, argnums, order=2, **options)
    gradient = grad(function, argnums, holomorphic=holomorphic).function
    return jacobian(
        _named(gradient, function, "grad", argnums, False, holomorphic),
        argnums,
        "forward",
        holomorphic=holomorphic,
        **options,
    )


def _record_jacobian(traced, wrt, mode, holomorphic=False):
    """Per output, per input of ``wrt``, the derivative."""
    graph, operands = traced.graph, _operands(traced)
    inputs = [graph.inputs[i] for i in wrt]
    outputs = graph.outputs
    for output in outputs:
        if not is_floating(output):
            raise DifferentiationError(
                f"the function returned {describe(output)}, which has no derivative"
            )
    _check_holomorphic(holomorphic, inputs, outputs, "jacobian")
    n_in, n_out = sum(v.size for v in inputs), sum(v.size for v in outputs)
    forward = mode == "forward" or (mode == "auto" and n_in <= n_out)
    if not holomorphic:
        # Seeds are real, so the sweep starts from the real side.
        refused = inputs if mode == "forward" else outputs if mode == "reverse" else ()
        if any(v.dtype.kind == "c" for v in refused):
            raise DifferentiationError(
                f"jacobian in {mode} mode needs holomorphic=True or real "
                + ("arguments" if mode == "forward" else "results")
            )
        if any(v.dtype.kind == "c" for v in inputs):
            forward = False
        elif any(v.dtype.kind == "c" for v in outputs):
            forward = True
    rewrites = current_graph().rewrites
    rows = [[None] * len(wrt) for _ in outputs]
    with open_graph("products", rewrites) as inner:
        primals = [inner.add_input(v.shape, v.dtype, v.weak) for v in graph.inputs]
        if forward:
            seeds = [inner.add_input(v.shape, v.dtype) for v in inputs]
            tangents = [None] * len(primals)
            for i, seed in zip(wrt, seeds, strict=True):
                tangents[i] = seed
            _, results = record_jvp(graph, primals, tangents)
        else:
            sweep = ReverseSweep(graph, primals, [i in set(wrt) for i in range(len(primals))])
            seeds = [inner.add_input(v.shape, v.dtype) for v in outputs]
            cotangents = sweep.pull(seeds)
            results = [cotangents[i] for i in wrt]
        present = [k for k, r in enumerate(results) if r is not None]
        inner.close([results[k] for k in present])
    seeded, reached = (inputs, outputs) if forward else (outputs, inputs)
    for j, source in enumerate(seeded):
        products, batched = record_seeded(inner, operands, j, seeded, source.size)
        for k, product, has_batch in zip(present, products, batched, strict=True):
            target = reached[k]
            if not has_batch:
                continue
            if forward:
                block = reshape(_batch_last(product), shape=target.shape + source.shape)
                rows[k][j] = block
            else:
                rows[j][k] = reshape(product, shape=source.shape + target.shape)
    for row, output in zip(rows, outputs, strict=True):
        for j, source in enumerate(inputs):
            if row[j] is None:
                dtype = np.result_type(output.dtype, source.dtype)
                row[j] = zeros(output.shape + source.shape, dtype)
    return rows


def _batch_last(product):
    """The product with axis 0 last; what lies one after another along it is moved part by part."""
    axes = (*range(1, product.ndim), 0)
    node = product.node
    if node.primitive is concatenate and node.attributes["axis"] == 0:
        parts = [transpose(part, axes=axes) for part in node.operands]
        return concatenate(*parts, axis=product.ndim - 1)
    return transpose(product, axes=axes)


# ---- vectorisation ------------------------------------------------------------------------------


def vmap(function=None, in_axes=0, out_axes=0, **options):
    """A function of one item as a function of many.

    Parameters
    ----------
    function : callable
    in_axes : int, None, or tuple of these or of trees of these
        Which axis of each positional argument runs over the items; None for arguments that all
        items share.
    out_axes : int, None, or tree of these
        Where the axis of the items goes in the results; None for results that all items share.

    Returns
    -------
    Compiled

    Raises
    ------
    ValueError
        When called: if the mapped axes differ in length, or nothing is mapped.
    """
    if function is None:
        return functools.partial(vmap, in_axes=in_axes, out_axes=out_axes, **options)

    def recorded(*args, **kwargs):
        return _record_vmap(function, in_axes, out_axes, args, kwargs)

    return Compiled(_named(recorded, function, "vmap", in_axes, out_axes), **options)


def _record_vmap(function, in_axes, out_axes, args, kwargs):
    axes = _leaf_axes(in_axes, args, "in_axes") + [
        None if not isinstance(leaf, Value) else 0 for leaf in flatten((), kwargs)[1]
    ]
    _, leaves = flatten(args, kwargs)
    sizes = set()
    normal = []
    for axis, leaf in zip(axes, leaves, strict=True):
        if axis is None:
            normal.append(None)
            continue
        shape = leaf.shape if isinstance(leaf, Value) else np.shape(leaf)
        normal.append(normalize_axis(axis, len(shape)))
        sizes.add(shape[normal[-1]])
    if len(sizes) != 1:
        raise ValueError(
            "vmap needs at least one mapped argument, and mapped axes of one length; "
            f"lengths here: {sorted(sizes)}"
        )
    (size,) = sizes

    def inner_shape(number, value):
        axis = normal[number]
        return value.shape if axis is None else value.shape[:axis] + value.shape[axis + 1 :]

    traced = trace_inner(
        function, args, kwargs,
        lambda number, leaf: normal[number] is not None or isinstance(leaf, Value), inner_shape,
    )  # fmt: skip
    operands = _operands(traced)
    flags = [False] * len(operands)
    for number, index in enumerate(traced.leaf_inputs):
        if index >= 0 and normal[number] is not None:
            axis = normal[number]
            value = operands[index]
            order = (axis, *(a for a in range(value.ndim) if a != axis))
            operands[index] = transpose(value, axes=order)
            flags[index] = True
    results, batched = record_batch(traced.graph, operands, flags, size)
    targets = _out_axes(out_axes, traced)
    moved = []
    position = 0
    for kind, x in traced.out_kinds:
        target = targets[position]
        position += 1
        if kind != "value":
            continue
        value = results[x]
        if target is None:
            if batched[x]:
                raise ValueError(
                    "out_axes must name an axis for every output that differs between the items"
                )
            moved.append((x, value))
            continue
        if not batched[x]:
            value = broadcast(value, (size, *value.shape))
        axis = normalize_axis(target, value.ndim)
        order = list(range(1, value.ndim))
        order.insert(axis, 0)
        moved.append((x, transpose(value, axes=tuple(order))))
    placed = dict(moved)
    return traced.rebuild([placed.get(i) for i in range(len(results))])


def _leaf_axes(axes, tree, what):
    """One axis per leaf of a tuple of arguments; a container's axis holds for all its leaves."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(flatten_tree(tree)[1])
    if isinstance(axes, dict) and isinstance(tree, dict):
        if set(axes) != set(tree):
            raise ValueError(f"{what} has keys {sorted(axes)} for {sorted(tree)}")
        return [a for key in tree for a in _leaf_axes(axes[key], tree[key], what)]
    if isinstance(axes, (tuple, list)) and isinstance(tree, (tuple, list)):
        if len(axes) != len(tree):
            raise ValueError(f"{what} has {len(axes)} entries for {len(tree)}")
        return [
            a for axis, part in zip(axes, tree, strict=True) for a in _leaf_axes(axis, part, what)
        ]
    raise TypeError(f"{what} must be an int, None, or a structure of these like the arguments")


def _out_axes(out_axes, traced):
    result = traced.out_tree.unflatten(list(range(len(traced.out_kinds))))
    return _leaf_axes(out_axes, result, "out_axes")


# ---- rules --------------------------------------------------------------------------------------


def stop_gradient(tree):
    """The value itself, with derivative zero.

    Parameters
    ----------
    tree : array, number or nested container of these
    """
    structure, leaves = flatten_tree(tree)
    return structure.unflatten(
        [
            stop_gradient_primitive(x) if isinstance(x, Value) and is_floating(x) else x
            for x in leaves
        ]
    )
