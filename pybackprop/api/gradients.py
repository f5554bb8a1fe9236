"""Compilation, and gradients of scalar functions."""

import functools

from .._core import flatten_tree
from ..compiled import Compiled
from ..differentiate import ReverseSweep
from ..errors import DifferentiationError
from ..graph import Value, describe
from ..primitives.base import constant, is_floating
from ..primitives.elementwise import stop_gradient as stop_gradient_primitive
from .recording import (
    check_holomorphic,
    mark_reverse,
    named_after,
    operands_of,
    or_zeros,
    regroup,
    selected_leaves,
    trace_for,
)


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

    named = named_after(recorded, function, "value_and_grad", argnums, has_aux, holomorphic)
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

    named = named_after(recorded, function, "grad", argnums, has_aux, holomorphic)
    return Compiled(named, **options)


def _record_gradient(function, argnums, has_aux, args, kwargs, holomorphic=False):
    chosen, trees, single = selected_leaves(argnums, args)
    traced, wrt = trace_for(function, args, kwargs, chosen)
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
    check_holomorphic(holomorphic, [traced.graph.inputs[i] for i in wrt], [output], "grad")
    active = [i in set(wrt) for i in range(len(traced.graph.inputs))]
    sweep = ReverseSweep(traced.graph, operands_of(traced), active)
    mark_reverse()
    seeds = [None] * len(traced.graph.outputs)
    seeds[index] = constant(1, output.dtype)
    cotangents = sweep.pull(seeds)
    gradients = [or_zeros(cotangents[i], traced.graph.inputs[i]) for i in wrt]
    aux = traced.rebuild(sweep.outputs)[1] if has_aux else None
    return sweep.outputs[index], aux, regroup(gradients, trees, single)


class _Mark:
    """Stands for an output while the structure of a result is looked at."""

    def __init__(self, index):
        self.index = index


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
