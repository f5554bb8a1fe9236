"""Methods of ufuncs on values: reduce, accumulate, reduceat, outer.

Sums, products, extremes and truth values have primitives. Any other function of two operands is
applied step by step along the axis: written out where the axis is short, by a scan where it is
long, in NumPy's order.
"""

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import indexing, shaping
from ..primitives.base import filled, zeros
from . import _reduction
from ._choosing import known
from ._common import (
    BOOL,
    as_value,
    cast,
    check_dtype,
    no_out,
    one_axis,
    reduced_axes,
    resolve,
    signature,
    unsupported,
)
from ._shaping import permute, to_shape
from ._ufuncs import UFUNCS

_SHORT = 16
_MOST_LENGTHS = 500
_IDENTITIES = {
    "add": 0, "multiply": 1, "logical_and": True, "logical_or": False, "logical_xor": False,
    "bitwise_and": -1, "bitwise_or": 0, "bitwise_xor": 0, "logaddexp": -np.inf,
    "logaddexp2": -np.inf, "hypot": 0, "gcd": 0,
}  # fmt: skip
_REORDERABLE = set(_IDENTITIES) | {"maximum", "minimum", "fmax", "fmin", "lcm"}
_REDUCTIONS = {
    "add": _reduction.sum, "multiply": _reduction.prod, "maximum": _reduction.max,
    "minimum": _reduction.min, "logical_and": _reduction.all, "logical_or": _reduction.any,
}  # fmt: skip


def _binary(name):
    function = UFUNCS[name]
    apply = getattr(function, "traced", function)
    return lambda a, b: as_value(apply(a, b))


def _leading(x, axis):
    return permute(x, (axis, *[i for i in range(x.ndim) if i != axis]))


def _fitted(name, x, dtype):
    """``x`` in the dtype in which the function combines, with NumPy's error if it has none."""
    if dtype is not None:
        x = cast(x, check_dtype(dtype))
    if name.startswith("logical"):
        return x if x.dtype == BOOL else ew.not_equal(x, as_value(0, x.dtype))
    ufunc = getattr(np, name, None)
    if ufunc is None:
        return x
    kind = signature(x) if not x.weak else x.dtype
    left, right, result = resolve(ufunc, (kind, kind))[:3]
    if left == right == result:
        return cast(x, check_dtype(left, f"{name} with an operand"))
    unsupported(f"{name}.reduce and accumulate of {x.dtype} are not supported")


def _identity(name, dtype):
    if name not in _IDENTITIES:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    number = _IDENTITIES[name]
    if name == "bitwise_and" and dtype.kind in "bu":
        number = True if dtype.kind == "b" else np.iinfo(dtype).max
    return np.array(number).astype(BOOL if name.startswith("logical") else dtype)


def _folded(combine, x):
    """The elements of the first axis combined from first to last."""
    n = x.shape[0]
    total = x[0]
    if n <= _SHORT:
        for i in range(1, n):
            total = combine(total, x[i])
        return total
    second = combine(total, x[1])
    if second.dtype != total.dtype:
        raise TypeError("the function changes the dtype of what it combines")
    from ..loops import scan

    total, _ = scan(lambda carry, item: (combine(carry, item), None), second, x[2:])
    return total


def reduce(name, x, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """``ufunc.reduce``."""
    no_out(out)
    if name in _REDUCTIONS:
        options = {"axis": axis, "keepdims": keepdims}
        if name in ("add", "multiply"):
            options["dtype"] = dtype
        if not name.startswith("logical"):
            options["initial"] = initial
        return _REDUCTIONS[name].traced(x, where=where, **options)
    combine = _binary(name)
    x = _fitted(name, as_value(x), dtype)
    axes = reduced_axes(axis, x.ndim)
    if len(axes) > 1 and name not in _REORDERABLE:
        raise ValueError(f"reduction operation {name!r} is not reorderable, so at most one axis "
                         "may be specified")  # fmt: skip
    if where is not True:
        if initial is None and name not in _IDENTITIES:
            raise ValueError(
                f"reduction operation {name!r} does not have an identity, so to use a where mask "
                "one has to specify 'initial'"
            )
        neutral = _identity(name, x.dtype) if name in _IDENTITIES else initial
        x = ew.select(as_value(where, BOOL), x, as_value(neutral, x.dtype))
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in kept)
    moved = permute(x, (*axes, *kept))
    count = moved.size // int(np.prod(shape)) if moved.size else 0
    if not axes:
        y = x
    elif count == 0 and moved.size == 0 and int(np.prod([x.shape[i] for i in axes])) == 0:
        start = _identity(name, x.dtype) if initial is None else initial
        y = filled(shape, np.asarray(start).item(), x.dtype)
        initial = None
    elif moved.size == 0:
        y = zeros(shape, x.dtype)
    else:
        y = _folded(combine, to_shape(moved, (count, *shape)))
    if initial is None and name in ("hypot", "gcd") and y.size == x.size:
        # NumPy starts from the identity, which takes the sign of a single element.
        initial = 0
    if initial is not None:
        y = combine(as_value(initial, x.dtype), y)
    if keepdims:
        y = to_shape(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return y


def accumulate(name, x, axis=0, dtype=None, out=None):
    """``ufunc.accumulate``."""
    no_out(out)
    if name in ("add", "multiply"):
        cumulate = _reduction.cumsum if name == "add" else _reduction.cumprod
        if not as_value(x).ndim:
            raise TypeError("cannot accumulate on a scalar")
        return cumulate.traced(x, axis, dtype)
    combine = _binary(name)
    x = _fitted(name, as_value(x), dtype)
    if not x.ndim:
        raise TypeError("cannot accumulate on a scalar")
    axis = one_axis(axis, x.ndim)
    n = x.shape[axis]
    if n < 2:
        return x
    lead = _leading(x, axis)
    total = lead[0]
    if n <= _SHORT:
        steps = [total]
        for i in range(1, n):
            steps.append(combine(steps[-1], lead[i]))
        parts = [to_shape(s, (1, *s.shape)) for s in steps]
    else:
        from ..loops import scan

        def step(carry, item):
            y = combine(carry, item)
            return y, y

        _, rest = scan(step, total, lead[1:])
        parts = [to_shape(total, (1, *total.shape)), rest]
    y = shaping.concatenate(*parts, axis=0)
    order = list(range(1, y.ndim))
    order.insert(axis, 0)
    return permute(y, order)


def reduceat(name, x, indices, axis=0, dtype=None, out=None):
    """``ufunc.reduceat``; the indices must be plain."""
    no_out(out)
    x = as_value(x)
    places = known(indices, f"{name}.reduceat at traced indices", "give plain indices")
    axis = one_axis(axis, x.ndim)
    n = x.shape[axis]
    if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
        raise TypeError("reduceat needs one axis of integer indices")
    bad = (places < 0) | (places >= n)
    if bad.any():
        raise IndexError(f"index {places[bad][0]} out-of-bounds in {name}.reduceat [0, {n})")
    if dtype is not None:
        x = cast(x, check_dtype(dtype))
    stops = np.append(places[1:], n)
    lead = _leading(x, axis)
    if name == "add" and x.dtype.kind in "biuf":
        x_sum = cast(lead, _reduction._wide(lead.dtype) if dtype is None else lead.dtype)
        y = _sums_between(x_sum, places, stops)
    else:
        y = _by_length(name, lead, places, np.maximum(stops - places, 1), dtype)
    order = list(range(1, y.ndim))
    order.insert(axis, 0)
    return permute(y, order)


def _by_length(name, x, starts, lengths, dtype):
    """Segments along the first axis combined, those of one length together."""
    if not starts.size:
        return x[:0]
    kinds, kind = np.unique(lengths, return_inverse=True)
    if kinds.size > _MOST_LENGTHS:
        unsupported(
            f"{name}.reduceat of segments of more than {_MOST_LENGTHS} lengths is not supported"
        )
    pieces, members = [], []
    for k, length in enumerate(kinds):
        chosen = np.flatnonzero(kind == k)
        rows = x[starts[chosen][:, None] + np.arange(length)]
        pieces.append(reduce(name, rows, 1, dtype))
        members.append(chosen)
    if len(pieces) == 1:
        return pieces[0]
    together = shaping.concatenate(*pieces, axis=0)
    return together[np.argsort(np.concatenate(members), kind="stable")]


def _sums_between(x, starts, stops):
    """Sums of segments along the first axis, as one scatter."""
    rows = [np.arange(a, b if b > a else a + 1) for a, b in zip(starts, stops, strict=True)]
    segment = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    taken = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    inner = x.shape[1:]
    width = int(np.prod(inner))
    flat = to_shape(x, (1, x.shape[0], width))
    read = indexing.gather(flat, as_value(taken.astype(np.int64)))
    base = zeros((1, len(rows), width), x.dtype)
    y = indexing.scatter_add(base, as_value(segment.astype(np.int64)), read)
    return to_shape(y, (len(rows), *inner))


def outer(name, a, b, **options):
    """``ufunc.outer``."""
    a, b = as_value(a), as_value(b)
    spaced = to_shape(a, a.shape + (1,) * b.ndim)
    function = UFUNCS[name]
    return getattr(function, "traced", function)(spaced, b, **options)
