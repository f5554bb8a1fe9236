"""Functions that choose, insert, remove or apply, on values.

Where the shape of the result depends on the data, the arrays it depends on must be plain.
"""

import functools
import itertools
import math
import operator
import re

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives import shaping
from ..primitives.base import broadcast, broadcast_shapes
from ._common import (
    BOOL,
    INT64,
    as_value,
    cast,
    holds_value,
    no_out,
    one_axis,
    promoted,
    refuse_conversion,
    scalar,
    shape_of,
)
from ._eager import composed
from ._picking import take, take_along_axis
from ._shaping import moveaxis, permute, to_shape
from ._sorting import checked

_SHAPE = "the shape of its result would depend on data; "


def known(x, what, advice="use np.where(condition, x, 0), or sum(..., where=condition)"):
    """A plain array, refused where it is traced."""
    if holds_value(x):
        refuse_conversion(as_value(x), what, _SHAPE + advice)
    return np.asarray(x)


# ---- choosing -----------------------------------------------------------------------------------


@composed()
def select(condlist, choicelist, default=0):
    """See ``numpy.select``: the first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    conditions = [as_value(condlist[i]) for i in range(len(condlist))]
    for i, condition in enumerate(conditions):
        if condition.dtype != BOOL:
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
    *choices, y = promoted(*[choicelist[i] for i in range(len(choicelist))], default)
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        y = ew.select(condition, choice, y)
    return y


@composed(2)
def choose(a, choices, out=None, mode="raise"):
    """See ``numpy.choose``; numbers out of range raise IndexError when it runs."""
    no_out(out)
    index = cast(as_value(a), INT64) if as_value(a).dtype.kind in "biu" else None
    if index is None:
        raise TypeError("Cannot cast array data to int64 according to the rule 'safe'")
    if isinstance(choices, Value):
        choices = [choices[i] for i in range(choices.shape[0])]
    parts = promoted(*choices)
    count = len(parts)
    if mode == "wrap":
        index = ew.remainder(index, scalar(count, INT64))
    elif mode == "clip":
        index = ew.minimum(ew.maximum(index, scalar(0, INT64)), scalar(count - 1, INT64))
    elif mode == "raise":
        index = checked(index, count)
    else:
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    shape = broadcast_shapes(index.shape, *[p.shape for p in parts])
    rows = [to_shape(broadcast(p, shape), (1, *shape)) for p in parts]
    stacked = rows[0] if count == 1 else shaping.concatenate(*rows, axis=0)
    index = to_shape(broadcast(index, shape), (1, *shape))
    return to_shape(take_along_axis.traced(stacked, index, 0), shape)


@composed()
def piecewise(x, condlist, funclist, *args, **kw):
    """See ``numpy.piecewise``: every function is applied to all of ``x``, then chosen from.

    No NaN or infinity of a function leaks from where its condition does not hold.
    """
    x = as_value(x)
    if isinstance(condlist, Value):
        single = condlist.ndim == 0 or (condlist.ndim == 1 and x.ndim > 0)
        conditions = [condlist] if single else [condlist[i] for i in range(condlist.shape[0])]
    else:
        nested = isinstance(condlist, (list, tuple)) and (
            not condlist or any(np.ndim(c) or isinstance(c, Value) for c in condlist)
        )
        conditions = list(condlist) if nested or (x.ndim == 0 and np.ndim(condlist)) else [condlist]
    conditions = [as_value(c, BOOL) for c in conditions]
    functions = list(funclist)
    if len(functions) == len(conditions):
        y = scalar(0, x.dtype)
    elif len(functions) == len(conditions) + 1:
        y = functions.pop()
        y = cast(as_value(y(x, *args, **kw) if callable(y) else y), x.dtype)
    else:
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or "
            f"{len(conditions) + 1} functions are expected"
        )
    # Of several conditions that hold, the last one counts.
    for condition, function in zip(conditions, functions, strict=True):
        result = function(x, *args, **kw) if callable(function) else function
        y = ew.select(condition, cast(as_value(result), x.dtype), y)
    return broadcast(y, x.shape)


@composed(2)
def compress(condition, a, axis=None, out=None):
    """See ``numpy.compress``; the condition must be a plain array."""
    no_out(out)
    condition = known(condition, "compress by a traced condition")
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take.traced(as_value(a), np.flatnonzero(condition), axis)


@composed(2)
def extract(condition, arr):
    """See ``numpy.extract``; the condition must be a plain array."""
    condition = known(condition, "extract by a traced condition")
    x = as_value(arr)
    return take.traced(to_shape(x, (x.size,)), np.flatnonzero(condition))


# ---- inserting and removing ---------------------------------------------------------------------


def _lined(arr, axis):
    x = as_value(arr)
    if axis is None:
        return to_shape(x, (x.size,)), 0
    return x, one_axis(axis, x.ndim)


@composed()
def delete(arr, obj, axis=None):
    """See ``numpy.delete``; the positions must be plain."""
    x, axis = _lined(arr, axis)
    if not isinstance(obj, slice):
        obj = known(obj, "delete at traced positions", "use np.where or a mask")
        obj = obj.astype(np.int64) if not obj.size else obj
    return take.traced(x, np.delete(np.arange(x.shape[axis]), obj), axis)


@composed(3)
def insert(arr, obj, values, axis=None):
    """See ``numpy.insert``; the positions must be plain."""
    x, axis = _lined(arr, axis)
    n = x.shape[axis]
    if isinstance(obj, slice):
        indices = np.arange(*obj.indices(n))
    else:
        indices = known(obj, "insert at traced positions", "use np.where or np.concatenate")
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        indices = indices.astype(np.int64) if not indices.size else indices
        if indices.ndim > 1:
            raise ValueError("index array argument obj to insert must be one dimensional or scalar")
    news = cast(as_value(values), x.dtype)
    if indices.size == 1:
        index = operator.index(indices.reshape(()).item())
        if not -n <= index <= n:
            raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
        if news.ndim < x.ndim:
            news = to_shape(news, (1,) * (x.ndim - news.ndim) + news.shape)
        if indices.ndim == 0:
            news = moveaxis.traced(news, 0, axis)
        count = news.shape[axis]
        places = np.full(count, index + n if index < 0 else index)
    else:
        places, count = indices.copy(), indices.size
        if np.any((places < -n) | (places > n)):
            bad = places[(places < -n) | (places > n)][0]
            raise IndexError(f"index {bad} is out of bounds for axis {axis} with size {n}")
        places[places < 0] += n
    order = np.argsort(places, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    final = places + rank
    source = np.zeros(n + count, np.int64)
    old = np.ones(n + count, bool)
    old[final] = False
    source[old] = np.arange(n)
    source[final] = n + np.arange(count)
    shape = tuple(count if i == axis else m for i, m in enumerate(x.shape))
    joined = shaping.concatenate(x, broadcast(news, shape), axis=axis)
    return take.traced(joined, source, axis)


@composed()
def resize(a, new_shape):
    """See ``numpy.resize``: repeats the elements until the shape is full."""
    x = as_value(a)
    shape = shape_of(new_shape)
    if min(shape, default=0) < 0:
        raise ValueError("all elements of `new_shape` must be non-negative")
    size = functools.reduce(operator.mul, shape, 1)
    if not x.size:
        from ..primitives.base import zeros

        return zeros(shape, x.dtype)
    times = -(-size // x.size)
    flat = to_shape(broadcast(to_shape(x, (1, x.size)), (times, x.size)), (times * x.size,))
    return to_shape(shaping.slice_axis(flat, 0, 0, size), shape)


@composed()
def block(arrays):
    """See ``numpy.block``."""

    def depth(x):
        if isinstance(x, tuple):
            raise TypeError("arrays is a tuple. Only lists can be used to arrange blocks")
        if not isinstance(x, list):
            return 0
        if not x:
            raise ValueError("List depths are mismatched: empty list")
        depths = {depth(item) for item in x}
        if len(depths) != 1:
            raise ValueError("List depths are mismatched.")
        return 1 + depths.pop()

    def leaves(x):
        return itertools.chain.from_iterable(map(leaves, x)) if isinstance(x, list) else [x]

    levels = depth(arrays)
    flat = promoted(*map(as_value, leaves(arrays)))
    ndim = np.max([levels, *[v.ndim for v in flat]])
    values = iter(flat)

    def joined(x, level):
        if not isinstance(x, list):
            value = next(values)
            return to_shape(value, (1,) * (ndim - value.ndim) + value.shape)
        parts = [joined(item, level - 1) for item in x]
        return parts[0] if len(parts) == 1 else shaping.concatenate(*parts, axis=ndim - level)

    return joined(arrays, levels)


# ---- applying -----------------------------------------------------------------------------------


@composed(0)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """See ``numpy.apply_along_axis``; the function is traced once and batched."""
    from ..api import vmap

    x = as_value(arr)
    axis = one_axis(axis, x.ndim)
    kept = tuple(n for i, n in enumerate(x.shape) if i != axis)
    order = (*[i for i in range(x.ndim) if i != axis], axis)
    rows = to_shape(permute(x, order), (math.prod(kept), x.shape[axis]))
    if not rows.shape[0]:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    y = vmap(lambda row: as_value(func1d(row, *args, **kwargs)))(rows)
    inner = y.shape[1:]
    y = to_shape(y, (*kept, *inner))
    lead, ndim = len(kept), len(inner)
    # The axes of the function's result stand where the axis was.
    places = (*range(axis), *range(lead, lead + ndim), *range(axis, lead))
    return permute(y, places)


@composed(0)
def apply_over_axes(func, a, axes):
    """See ``numpy.apply_over_axes``."""
    x = as_value(a)
    for axis in np.ravel(axes).tolist():
        axis = one_axis(axis, x.ndim)
        y = as_value(func(x, axis))
        if y.ndim != x.ndim:
            y = to_shape(y, (*y.shape[:axis], 1, *y.shape[axis:]))
        if y.ndim != x.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        x = y
    return x


_CORE = re.compile(r"\(([^()]*)\)")


class vectorize:
    """See ``numpy.vectorize``: a function of scalars, or by a signature of arrays, broadcast.

    Parameters
    ----------
    pyfunc : callable
        Of scalars; with ``signature``, of arrays of the dimensions that it names.
    excluded : set, optional
        Numbers and names of arguments that are passed as they are.
    signature : str, optional
        Such as ``"(m,n),(n)->(m)"``.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> f = bp.numpy.vectorize(lambda a, b: bp.numpy.where(a > b, a - b, a + b))
    >>> bp.compile(lambda x: f(x, 2.0))(np.array([1.0, 3.0]))
    array([3., 1.])
    """

    def __init__(self, pyfunc, otypes=None, doc=None, excluded=None, cache=False, signature=None):
        self.pyfunc = pyfunc
        self.excluded = set(excluded or ())
        self.signature = signature
        self.plain = np.vectorize(pyfunc, otypes, doc, excluded, cache, signature)
        self.__doc__ = pyfunc.__doc__ if doc is None else doc
        self.__name__ = getattr(pyfunc, "__name__", "vectorized")

    def __call__(self, *args, **kwargs):
        if not holds_value([*args, *kwargs.values()]):
            return self.plain(*args, **kwargs)
        from ..api import vmap

        places = [i for i in range(len(args)) if i not in self.excluded]
        names = [name for name in kwargs if name not in self.excluded]
        values = [as_value(args[i]) for i in places] + [as_value(kwargs[n]) for n in names]
        cores = [0] * len(values)
        if self.signature is not None:
            given = self.signature.split("->")[0]
            cores = [len([d for d in c.split(",") if d.strip()]) for c in _CORE.findall(given)]
            if len(cores) != len(values):
                raise TypeError(f"wrong number of arguments for signature {self.signature!r}")
        leads = [v.shape[: v.ndim - core] for v, core in zip(values, cores, strict=True)]
        shape = broadcast_shapes(*leads) if leads else ()
        size = functools.reduce(operator.mul, shape, 1)
        rows = []
        for value, core in zip(values, cores, strict=True):
            inner = value.shape[value.ndim - core :]
            rows.append(to_shape(broadcast(value, (*shape, *inner)), (size, *inner)))

        def one(*items):
            positional, named = list(args), dict(kwargs)
            for i, item in zip(places, items, strict=False):
                positional[i] = item
            for name, item in zip(names, items[len(places) :], strict=True):
                named[name] = item
            return self.pyfunc(*positional, **named)

        def placed(y):
            return to_shape(y, (*shape, *y.shape[1:]))

        results = vmap(one)(*rows) if rows else one()
        return tuple(map(placed, results)) if isinstance(results, tuple) else placed(results)


# ---- positions ----------------------------------------------------------------------------------


@composed(-1)
def ix_(*args):
    """See ``numpy.ix_``; positions may be traced, masks not."""
    result = []
    for place, x in enumerate(args):
        value = as_value(x)
        if value.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if value.dtype == BOOL:
            value = as_value(np.flatnonzero(known(x, "ix_ of a traced mask")))
        shape = tuple(value.size if i == place else 1 for i in range(len(args)))
        result.append(to_shape(value, shape))
    return tuple(result)


@composed()
def unravel_index(indices, shape, order="C"):
    """See ``numpy.unravel_index``; IndexError out of range when it runs."""
    from ..primitives import indexing

    shape = shape_of(shape)
    size = functools.reduce(operator.mul, shape, 1)
    rest = indexing.wrap_index(checked(cast(as_value(indices), INT64), size), bound=size)
    result = []
    for extent in shape if order == "F" else shape[::-1]:
        result.append(ew.remainder(rest, scalar(extent, INT64)))
        rest = ew.floor_divide(rest, scalar(extent, INT64))
    return tuple(result if order == "F" else result[::-1])


@composed()
def ravel_multi_index(multi_index, dims, mode="raise", order="C"):
    """See ``numpy.ravel_multi_index``; IndexError out of range when it runs."""
    from ..primitives import indexing

    dims = shape_of(dims)
    if isinstance(multi_index, Value):
        multi_index = [multi_index[i] for i in range(multi_index.shape[0])]
    if len(multi_index) != len(dims):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(dims)}")
    modes = (mode,) * len(dims) if isinstance(mode, str) else tuple(mode)
    steps = list(zip(multi_index, dims, modes, strict=True))
    total = None
    for index, extent, how in steps if order == "C" else steps[::-1]:
        index = cast(as_value(index), INT64)
        if how == "wrap":
            index = ew.remainder(index, scalar(extent, INT64))
        elif how == "clip":
            index = ew.minimum(ew.maximum(index, scalar(0, INT64)), scalar(extent - 1, INT64))
        else:
            index = indexing.wrap_index(checked(index, extent), bound=extent)
        total = index if total is None else ew.add(ew.multiply(total, scalar(extent, INT64)), index)
    return total


def _triangle_from(name):
    plain = getattr(np, name)

    def of_array(arr, k=0):
        shape = np.shape(arr)
        if len(shape) != 2:
            raise ValueError("input array must be 2-d")
        return plain(shape[0], k, shape[1])

    of_array.__name__ = of_array.__qualname__ = f"{name}_from"
    of_array.__doc__ = f"See ``numpy.{name}_from``: plain arrays, from the shape."
    return of_array


tril_indices_from, triu_indices_from = map(_triangle_from, ("tril_indices", "triu_indices"))


def diag_indices_from(arr):
    """See ``numpy.diag_indices_from``: plain arrays, from the shape."""
    shape = np.shape(arr)
    if len(shape) < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return np.diag_indices(shape[0], len(shape))
