"""What the transformations share: choosing arguments, tracing, names, structures of results."""

import numpy as np

from .._core import flatten_tree
from ..errors import DifferentiationError
from ..graph import Value, current_graph, describe
from ..primitives.base import is_floating, zeros
from ..trace import trace_inner


def named_after(recorded, function, prefix, *options):
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


def selected_leaves(argnums, args):
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


def regroup(values, trees, single):
    """Values by leaf, as one tree or a tuple of trees."""
    values = list(values)
    result = []
    for tree in trees:
        result.append(tree.unflatten(values[: tree.n_leaves]))
        del values[: tree.n_leaves]
    return result[0] if single else tuple(result)


def trace_for(function, args, kwargs, chosen):
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


def operands_of(traced):
    """The operands of what was traced, as values of the open graph."""
    graph = current_graph()
    return [graph.adopt(x) for x in traced.operands]


def mark_reverse():
    """Note where the reverse sweep begins, unless an outer one has begun."""
    graph = current_graph()
    if graph.reverse_start is None:
        graph.reverse_start = len(graph.nodes)


def check_holomorphic(holomorphic, inputs, outputs, name):
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


def or_zeros(cotangent, like):
    """The cotangent, or zeros if there is none."""
    return zeros(like.shape, like.dtype) if cotangent is None else cotangent
