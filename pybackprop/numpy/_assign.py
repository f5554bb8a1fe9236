"""Changing arrays in place: ``x[i] = v``, ``x += v``, ``out=``, and NumPy's functions that do so.

All compute new contents from values that never change and hand them to
:meth:`.mutation.MutableGraph.assign`. :func:`entry` stands between users and the functions of the
surface while arrays may be assigned to: only functions that NumPy says return views make views, and
everything else returns arrays of its own.
"""

import functools
import math

import numpy as np

from ..graph import CONSTANT, Value, _stack
from ..mutation import READ_ONLY, layout, separate, writable_graph
from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import broadcast, broadcast_shapes
from ._common import (
    BOOL,
    INT64,
    as_value,
    cast,
    here,
    holds_value,
    one_axis,
    scalar,
    unsupported,
)
from ._indexing import getitem
from ._shaping import permute, to_shape
from ._updates import assigned, at

# Functions whose results NumPy makes views of their operands; with copies where they must be.
ALIASING = frozenset(
    "reshape ravel transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis expand_dims "
    "squeeze broadcast_to broadcast_arrays atleast_1d atleast_2d atleast_3d asarray asanyarray "
    "ascontiguousarray array_split split hsplit vsplit dsplit unstack flip fliplr flipud rot90 "
    "diagonal diag real imag".split()
)
# Views that NumPy does not let be written to.
_READ_ONLY = frozenset(("broadcast_to", "diagonal", "diag"))


# ---- between users and functions ----------------------------------------------------------------


def entry(function, name=None):
    """A function of the surface as users call it; see the module.

    Parameters
    ----------
    function : callable
    name : str, optional
        By which NumPy has it, if that is not its own.
    """
    name = name or function.__name__

    @functools.wraps(function)
    def call(*args, **kwargs):
        if kwargs and "out" in kwargs and holds_value(kwargs["out"]):
            return into_out(call, args, kwargs)
        graph = _stack.graph
        if graph is None or not graph.handles:
            return function(*args, **kwargs)
        return enter(graph, function, name, args, kwargs)

    return call


def enter(graph, function, name, args, kwargs):
    """Call a function of the surface in a mutable graph."""
    _refresh(graph, args)
    aliasing = name in ALIASING
    outer, graph.viewing = graph.viewing, aliasing
    try:
        result = function(*args, **kwargs)
        if aliasing:
            return _as_view(graph, name, result, args, kwargs)
    finally:
        graph.viewing = outer
    return _separated(result)


def _refresh(graph, operands):
    for x in operands:
        if type(x) is Value:
            if x.node.graph is graph:
                graph.current(x)
        elif type(x) in (list, tuple):
            _refresh(graph, x)


def _separated(result):
    if type(result) is Value:
        noted = getattr(result.node.graph, "zero_dimensional", ())
        return result if result in noted else separate(result)
    if type(result) in (list, tuple):
        return type(result)([_separated(x) for x in result])
    return result


def _as_view(graph, name, result, args, kwargs):
    """A result of an aliasing function: what NumPy copies after all is separated."""
    if type(result) is not Value or not args:
        return result
    if name in ("ravel", "ascontiguousarray") and type(args[0]) is Value:
        order = kwargs.get("order") or (args[1] if len(args) > 1 else "C")
        flags = layout(graph, args[0]).flags
        if not (flags.f_contiguous if order == "F" else flags.c_contiguous):
            return separate(result)
    if name in _READ_ONLY and not (name == "diag" and args[0].ndim == 1):
        if result is args[0]:
            result = shaping.reshape(result, shape=result.shape)
        graph.protected[result] = READ_ONLY
    return result


def into_out(function, args, kwargs):
    """Call with ``out=`` a traced array: the result is assigned into it."""
    options = dict(kwargs)
    out = options.pop("out")
    several = isinstance(out, tuple)
    outs = out if several else (out,)
    for x in outs:
        if type(x) is not Value:
            unsupported("out= of several outputs needs a traced array for each")
        writable_graph(x, here)
    result = function(*args, **options)
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(outs):
        raise ValueError(f"out= has {len(outs)} arrays for {len(results)} results")
    name = getattr(function, "__name__", "function")
    broadcasts = isinstance(getattr(np, name, None), np.ufunc)
    for x, y in zip(outs, results, strict=True):
        if np.shape(y) != x.shape and not broadcasts:
            raise ValueError(f"out= of {name} has shape {x.shape} for a result of {np.shape(y)}")
        store(x, y, name)
    return out if isinstance(result, tuple) or not several else outs[0]


def store(x, result, name):
    """Assign the result of a function into ``x``, as ``out=`` and ``x += v`` do."""
    graph = writable_graph(x, here)
    graph.assign(x, fitting(x, result, name))


def fitting(x, result, name, casting="same_kind"):
    """A result in the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        If the dtype cannot be cast.
    ValueError
        If the shape does not fit.
    """
    result = as_value(result)
    if not np.can_cast(result.dtype, x.dtype, casting):
        raise TypeError(
            f"Cannot cast ufunc {name!r} output from {result.dtype!r} to {x.dtype!r} with "
            f"casting rule {casting!r} ({here()})"
        )
    if broadcast_shapes(result.shape, x.shape) != x.shape:
        raise ValueError(
            f"non-broadcastable output operand with shape {x.shape} doesn't match the broadcast "
            f"shape {broadcast_shapes(result.shape, x.shape)}"
        )
    return broadcast(cast(result, x.dtype), x.shape)


# ---- x[i] = v -----------------------------------------------------------------------------------


def setitem(x, index, value):
    """``x[index] = value``."""
    graph = writable_graph(x, here)
    _refresh(graph, index if isinstance(index, tuple) else (index,))
    graph.assign(x, assigned(x, index, _converted(value, x.dtype)))


def _converted(value, dtype):
    """A value in another dtype, as an assignment into an array converts it."""
    if isinstance(value, complex) and dtype.kind != "c":
        raise TypeError("float() argument must be a string or a real number, not 'complex'")
    if isinstance(value, (str, bytes)) or value is None:
        raise ValueError(f"{value!r} cannot be assigned into an array of {dtype} ({here()})")
    value = as_value(value, dtype if isinstance(value, (bool, int, float)) else None)
    if value.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(
            f"an assignment of {value.dtype} into an array of {dtype} would lose the imaginary "
            f"part ({here()}); use .real"
        )
    return cast(value, dtype)


# ---- NumPy's functions --------------------------------------------------------------------------


def _in_place(function):
    """Give NumPy's own function to plain arrays; refuse traced values that would go into them."""
    plain = getattr(np, function.__name__)

    @functools.wraps(function)
    def call(x, *args, **kwargs):
        if type(x) is Value:
            return function(x, *args, **kwargs)
        if holds_value(args) or holds_value(list(kwargs.values())):
            unsupported(
                f"{function.__name__} would write traced values into a plain array; start from a "
                "traced one, such as pybackprop.numpy.zeros(n) or np.zeros_like(v, shape=(n,))"
            )
        return plain(x, *args, **kwargs)

    call.__doc__ = f"See ``numpy.{function.__name__}``."
    return call


@_in_place
def copyto(dst, src, casting="same_kind", where=True):
    graph = writable_graph(dst, here)
    source = as_value(src)
    weak = source.weak or isinstance(src, (bool, int, float))
    if not weak and not np.can_cast(source.dtype, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {source.dtype!r} to {dst.dtype!r} according to the "
            f"rule {casting!r}"
        )
    new = _spread(cast(source, dst.dtype), dst.shape)
    if where is not True:
        new = ew.select(broadcast(_mask(where), dst.shape), new, dst)
    graph.assign(dst, new)


@_in_place
def put(a, ind, v, mode="raise"):
    graph = writable_graph(a, here)
    flat = to_shape(a, (a.size,))
    index = _positions(ind, a.size, mode)
    values = _converted(v, a.dtype)
    graph.assign(a, to_shape(assigned(flat, index, _cycled(values, index.size)), a.shape))


@_in_place
def put_along_axis(arr, indices, values, axis):
    graph = writable_graph(arr, here)
    x, index = arr, as_value(indices)
    if axis is None:
        x, axis = to_shape(arr, (arr.size,)), 0
        index = to_shape(index, (index.size,))
    if index.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    axis = one_axis(axis, x.ndim)
    order = (*[i for i in range(x.ndim) if i != axis], axis)
    moved = permute(x, order)
    *lead, extent = moved.shape
    count = index.shape[axis]
    outer = math.prod(lead)
    places = broadcast(permute(cast(index, INT64), order), (*lead, count))
    shape = list(x.shape)
    shape[axis] = count
    updates = permute(_spread(_converted(values, x.dtype), tuple(shape)), order)
    y = indexing.scatter_set(
        to_shape(moved, (outer, extent, 1)),
        to_shape(places, (outer, count)),
        to_shape(updates, (outer, count, 1)),
    )
    y = permute(to_shape(y, moved.shape), shaping.inverse_permutation(order))
    graph.assign(arr, to_shape(y, arr.shape))


@_in_place
def putmask(a, mask, values):
    graph = writable_graph(a, here)
    new = to_shape(_cycled(_converted(values, a.dtype), a.size), a.shape)
    mask = _mask(mask)
    if mask.shape != a.shape:
        raise ValueError("putmask: mask and data must be the same size")
    graph.assign(a, ew.select(mask, new, a))


@_in_place
def place(arr, mask, vals):
    graph = writable_graph(arr, here)
    values = _converted(vals, arr.dtype)
    if values.size == 1:
        new = broadcast(to_shape(values, ()), arr.shape)
        graph.assign(arr, ew.select(to_shape(_mask(mask), arr.shape), new, arr))
        return
    if isinstance(mask, Value) and mask.node.primitive is not CONSTANT:
        unsupported("place with a traced mask needs a single value; use np.where", mask)
    known = mask.node.attributes["value"] if isinstance(mask, Value) else np.asarray(mask)
    if known.size != arr.size:
        raise ValueError("place: mask and data must be the same size")
    found = np.flatnonzero(known)
    if not found.size:
        return
    if not values.size:
        raise ValueError("Cannot insert from an empty array!")
    flat = assigned(to_shape(arr, (arr.size,)), found, _cycled(values, found.size))
    graph.assign(arr, to_shape(flat, arr.shape))


@_in_place
def fill_diagonal(a, val, wrap=False):
    graph = writable_graph(a, here)
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        if not wrap:
            end = a.shape[1] * a.shape[1]
    else:
        if len(set(a.shape)) != 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + sum(math.prod(a.shape[1:][axis:]) for axis in range(a.ndim - 1))
    flat = to_shape(a, (a.size,))
    count = len(range(a.size)[:end:step])
    values = _converted(val, a.dtype)
    new = assigned(flat, slice(None, end, step), _cycled(to_shape(values, (values.size,)), count))
    graph.assign(a, to_shape(new, a.shape))


def fill(x, value):
    """See ``numpy.ndarray.fill``."""
    graph = writable_graph(x, here)
    graph.assign(x, _spread(to_shape(_converted(value, x.dtype), ()), x.shape))


def ufunc_at(name, x, indices, *operands):
    """``ufunc.at``: the elements at ``indices`` changed in place, repeated ones repeatedly."""
    if type(x) is not Value:
        unsupported(
            f"{name}.at would write traced values into a plain array; start from a traced one, "
            "such as pybackprop.numpy.zeros(n) or np.zeros_like(v, shape=(n,))"
        )
    graph = writable_graph(x, here)
    method = _AT.get(name)
    target = at(x)[indices]
    if method is not None and operands:
        values = as_value(operands[0], x.dtype if not holds_value(operands[0]) else None)
        if not np.can_cast(values.dtype, x.dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast ufunc {name!r} output from {values.dtype!r} to {x.dtype!r} with "
                "casting rule 'same_kind'"
            )
        new = getattr(target, method)(values)
    else:
        from ._ufuncs import UFUNCS

        function = getattr(UFUNCS[name], "traced", UFUNCS[name])
        if operands:
            new = target.combine(
                lambda old, values: fitting(old, function(old, values), name), operands[0]
            )
        else:
            new = target.apply(lambda old: fitting(old, function(old), name))
    graph.assign(x, new)


_AT = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "maximum": "max",
    "minimum": "min",
}  # fmt: skip


class Flat:
    """``x.flat``: the elements in C order, to iterate over, index and assign to."""

    def __init__(self, array):
        self.base = array

    def _line(self):
        return to_shape(self.base, (self.base.size,))

    def __len__(self):
        return self.base.size

    def __iter__(self):
        line = self._line()
        return (getitem(line, i) for i in range(line.size))

    def __getitem__(self, index):
        result = getitem(self._line(), index)
        return separate(result) if result.node.graph is _stack.graph else result

    def __setitem__(self, index, value):
        x = self.base
        graph = writable_graph(x, here)
        line = self._line()
        values = _converted(value, x.dtype)
        count = getitem(line, index).size
        new = assigned(line, index, to_shape(_cycled(values, count), getitem(line, index).shape))
        graph.assign(x, to_shape(new, x.shape))


def set_flat(x, value):
    """``x.flat = value``."""
    Flat(x)[:] = value


# ---- parts --------------------------------------------------------------------------------------


def _mask(where):
    mask = as_value(where)
    if mask.dtype != BOOL:
        mask = ew.not_equal(mask, scalar(0, mask.dtype))
    return mask


def _spread(value, shape):
    """Broadcast, after axes of one in front have gone, as in an assignment."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = to_shape(value, value.shape[1:])
    return broadcast(value, shape)


def _cycled(values, count):
    """The first ``count`` elements of endless repetitions of the flattened values."""
    flat = to_shape(values, (values.size,))
    if flat.size == count:
        return flat
    if not flat.size:
        raise ValueError("cannot take elements from an empty array")
    if flat.size == 1:
        return broadcast(flat, (count,))
    repeats = -(-count // flat.size)
    tiled = to_shape(broadcast(flat, (repeats, flat.size)), (repeats * flat.size,))
    return getitem(tiled, slice(0, count))


def _positions(ind, size, mode):
    """Flat positions of ``put`` by its mode, as an int64 array or value."""
    if isinstance(ind, Value) and ind.node.primitive is CONSTANT:
        ind = ind.node.attributes["value"]
    if not holds_value(ind):
        index = np.asarray(ind)
        if index.dtype.kind in "iub" or not index.size:
            index = index.astype(np.int64).ravel()
        if index.dtype.kind not in "iu":
            raise TypeError("Cannot cast array data to integer positions")
        if mode == "wrap":
            index = index % size
        elif mode == "clip":
            index = np.clip(index, 0, size - 1)
        elif mode != "raise":
            raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
        return index
    index = cast(as_value(ind), INT64)
    index = to_shape(index, (index.size,))
    if mode == "wrap":
        return ew.remainder(index, scalar(size, INT64))
    if mode == "clip":
        return ew.minimum(ew.maximum(index, scalar(0, INT64)), scalar(size - 1, INT64))
    return index
