"""Whole matrices of first and second derivatives."""

import functools

import numpy as np

from ..compiled import Compiled
from ..differentiate import ReverseSweep, record_jvp
from ..errors import DifferentiationError
from ..graph import current_graph, describe, open_graph
from ..primitives.base import is_floating, zeros
from ..primitives.shaping import reshape
from ..seeded_rows import batch_last
from ..seeding import record_seeded
from .gradients import grad
from .recording import (
    check_holomorphic,
    named_after,
    operands_of,
    regroup,
    selected_leaves,
    trace_for,
)


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
        from ..sparse import SparseJacobian

        return SparseJacobian(function, argnums, mode, **options)

    def recorded(*args, **kwargs):
        chosen, trees, single = selected_leaves(argnums, args)
        traced, wrt = trace_for(function, args, kwargs, chosen)
        rows = _record_jacobian(traced, wrt, mode, holomorphic)
        return traced.rebuild([regroup(row, trees, single) for row in rows])

    named = named_after(recorded, function, "jacobian", argnums, mode, False, holomorphic)
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
        from ..sparse import SparseJacobian

        return SparseJacobian(function, argnums, order=2, **options)
    gradient = grad(function, argnums, holomorphic=holomorphic).function
    return jacobian(
        named_after(gradient, function, "grad", argnums, False, holomorphic),
        argnums,
        "forward",
        holomorphic=holomorphic,
        **options,
    )


def _record_jacobian(traced, wrt, mode, holomorphic=False):
    """Per output, per input of ``wrt``, the derivative."""
    graph, operands = traced.graph, operands_of(traced)
    inputs = [graph.inputs[i] for i in wrt]
    outputs = graph.outputs
    for output in outputs:
        if not is_floating(output):
            raise DifferentiationError(
                f"the function returned {describe(output)}, which has no derivative"
            )
    check_holomorphic(holomorphic, inputs, outputs, "jacobian")
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
                block = reshape(batch_last(product), shape=target.shape + source.shape)
                rows[k][j] = block
            else:
                rows[j][k] = reshape(product, shape=source.shape + target.shape)
    for row, output in zip(rows, outputs, strict=True):
        for j, source in enumerate(inputs):
            if row[j] is None:
                dtype = np.result_type(output.dtype, source.dtype)
                row[j] = zeros(output.shape + source.shape, dtype)
    return rows
