"""Functions of one item as functions of many."""

import functools

import numpy as np

from .._core import flatten, flatten_tree
from ..batching import record_batch
from ..compiled import Compiled
from ..graph import Value
from ..primitives.base import broadcast, normalize_axis
from ..primitives.shaping import transpose
from ..trace import trace_inner
from .recording import named_after, operands_of


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

    return Compiled(named_after(recorded, function, "vmap", in_axes, out_axes), **options)


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
    operands = operands_of(traced)
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
