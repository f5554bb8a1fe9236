"""Loops that stay loops: ``scan`` records its body once; the tape runs it as one loop."""

import numpy as np

from ._core import flatten_tree
from .compiled import Compiled, as_plain
from .errors import TraceError
from .graph import Value, current_graph, describe, open_graph, recording
from .passes.steps import apply_apart
from .primitives.control import move_captured_first
from .primitives.elementwise import convert
from .trace import _run, as_traceable, contains_value

__all__ = ["scan"]


def scan(f, init, xs=None, length=None, reverse=False):
    """Run ``carry, y = f(carry, x)`` over the leading axis of ``xs``, carrying ``carry`` along.

    The loop is not unrolled: time to compile does not depend on its length. Its reverse sweep
    needs the primals of every step, kept in one frame per step; ``compiled.memory`` tells how much
    that is.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``; the new carry has the structure, shapes and dtypes of the
        old one.
    init : pytree of arrays and numbers
        The first carry.
    xs : pytree of arrays, optional
        Of one common leading extent; ``f`` gets one slice per step, or None.
    length : int, optional
        Number of steps; needed if ``xs`` is None.
    reverse : bool
        From the last slice to the first.

    Returns
    -------
    carry
        The last one.
    ys
        The results ``y`` stacked along a new leading axis.

    Raises
    ------
    TypeError
        If the carry changes its structure, shape or dtype.
    ValueError
        If the leading extents differ or no length is known.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> bp.scan(lambda s, x: (s + x, s), 0.0, np.arange(4.0))
    (np.float64(6.0), array([0., 0., 1., 3.]))
    """
    if not callable(f):
        raise TypeError(f"scan needs a function, not {type(f).__name__}")
    if not recording():
        leaves = flatten_tree((init, xs))[1]
        if not contains_value(leaves):
            return Compiled(lambda init, xs: _record(f, init, xs, length, reverse))(init, xs)
    return _record(f, init, xs, length, reverse)


def _record(f, init, xs, length, reverse):
    carry_tree, carries = flatten_tree(init)
    xs_tree, slices = flatten_tree(xs)
    slices = [_adopt(x) for x in slices]
    length = _length(slices, length)
    carries = [_adopt(c) for c in carries]
    weak = [c.weak for c in carries]
    for attempt in range(len(carries) + 1):
        body, n_captured, y_tree, y_kinds = _trace_body(
            f, carry_tree, carries, weak, xs_tree, slices, bool(reverse)
        )
        changed = False
        for i, (carry, output) in enumerate(zip(carries, body.outputs, strict=False)):
            if carry.shape != output.shape:
                raise TypeError(
                    f"scan: leaf {i} of the carry goes in as {describe(carry)} and comes out as "
                    f"{describe(output)}; f must return a carry of the shape it was given"
                )
            if carry.dtype != output.dtype:
                if (
                    not weak[i]
                    or np.result_type(carry.dtype.type(0).item(), output.dtype) != output.dtype
                ):
                    raise TypeError(
                        f"scan: leaf {i} of the carry goes in as {describe(carry)} and comes "
                        f"out as {describe(output)}; convert one of them, e.g. with astype"
                    )
                carries[i] = convert(carry, dtype=output.dtype)
                changed = True
        weak = [False] * len(carries)
        if not changed:
            break
        if attempt == len(carries):
            raise TypeError("scan: the dtypes of the carry do not settle")
    captured = list(body.captured)
    body = move_captured_first(body, len(carries) + len(slices))
    operands = [current_graph().adopt(v) for v in (*captured, *carries, *slices)]
    shape = {
        "n_consts": n_captured,
        "n_carry": len(carries),
        "length": length,
        "reverse": bool(reverse),
    }
    outputs = apply_apart(operands, body=body, **shape)
    finals, stacked = outputs[: len(carries)], outputs[len(carries) :]
    ys = []
    for kind, x in y_kinds:
        if kind != "value":
            raise TypeError(f"scan: f returned {x!r} as part of y; return arrays, numbers or None")
        ys.append(stacked[x - len(carries)])
    return carry_tree.unflatten(finals), y_tree.unflatten(ys)


def _trace_body(f, carry_tree, carries, weak, xs_tree, slices, reverse):
    name = getattr(f, "__name__", "body")
    with open_graph(name, (), locate=True) as body:
        inner = [body.add_input(c.shape, c.dtype, w) for c, w in zip(carries, weak, strict=True)]
        items = [body.add_input(x.shape[1:], x.dtype) for x in slices]
        trees = {}

        def step(carry, item):
            result = f(carry, item)
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError("scan: f must return a pair (carry, y); y may be None")
            carry_out, leaves = flatten_tree(result[0])
            if carry_out != carry_tree:
                raise TypeError(
                    f"scan: the carry goes in as {carry_tree} and comes out as {carry_out}; both "
                    "must have one structure"
                )
            y_tree, y_leaves = flatten_tree(result[1])
            trees["y"] = y_tree
            return [_adopt(x) for x in leaves] + [
                _adopt(x) if _is_number(x) else x for x in y_leaves
            ]

        _, kinds, outputs = _run(
            step, (carry_tree.unflatten(inner), xs_tree.unflatten(items)), {}, body
        )
        body.close(outputs)
    return body, len(body.captured), trees["y"], kinds[len(carries) :]


def _is_number(x):
    return isinstance(x, (bool, int, float, np.generic, np.ndarray, Value))


def _adopt(leaf):
    """A leaf as a value of the innermost open graph; Python numbers stay weak."""
    leaf = as_traceable(leaf)
    graph = current_graph()
    if isinstance(leaf, Value):
        return graph.adopt(leaf)
    plain = as_plain(leaf)
    return graph.constant(plain, weak=type(plain) in (int, float))


def _length(slices, length):
    lengths = set()
    for x in slices:
        if x.ndim == 0:
            raise TraceError(
                "scan: xs must have a leading axis to run over, and one of them is a number"
            )
        lengths.add(x.shape[0])
    if length is not None:
        length = int(length)
        if length < 0:
            raise ValueError(f"scan: length must not be negative, and is {length}")
        lengths.add(length)
    if len(lengths) > 1:
        raise ValueError(f"scan: the leading extents of xs, and length, differ: {sorted(lengths)}")
    if not lengths:
        raise ValueError("scan: give xs or length")
    return lengths.pop()
