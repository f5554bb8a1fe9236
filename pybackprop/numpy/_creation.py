"""Functions that make arrays: plain NumPy ones, unless a traced value is among the arguments."""

import numpy as np

from ..graph import Value, current_graph, recording
from ..mutation import note_array, separate
from ..primitives import elementwise as ew
from ..primitives.base import broadcast, filled
from ._common import (
    as_value,
    cast,
    check_dtype,
    holds_value,
    is_number,
    promoted,
    refuse_conversion,
    scalar,
    shape_of,
    static_index,
)
from ._namespace import check_device
from ._shaping import to_shape


def _forward(name, traced=False):
    """NumPy's function; with ``traced``, a traced array where a function is traced."""
    plain = getattr(np, name)

    def create(*args, **kwargs):
        for x in (*args, *kwargs.values()):
            if isinstance(x, Value):
                refuse_conversion(
                    x, name, "its arguments must be Python numbers, or known from shapes"
                )
        if traced and recording():
            return _constant(name, plain, args, kwargs)
        return plain(*args, **kwargs)

    create.__name__ = create.__qualname__ = name
    kind = "a traced one within a traced function" if traced else "a plain array"
    create.__doc__ = f"See ``numpy.{name}``; {kind}."
    return create


def _constant(name, plain, args, kwargs):
    number = {"zeros": 0, "empty": 0, "ones": 1}.get(name)
    if number is None:
        return as_value(plain(*args, **kwargs))
    shape = shape_of(args[0] if args else kwargs.pop("shape"))
    if any(n < 0 for n in shape):
        raise ValueError("negative dimensions are not allowed")
    like = plain((), *args[1:], **kwargs)  # NumPy checks the other arguments, on one element
    return note_array(filled(shape, number, check_dtype(like.dtype)))


zeros, ones, empty, eye, identity, tri = (
    _forward(name, traced=True) for name in ("zeros", "ones", "empty", "eye", "identity", "tri")
)
indices = _forward("indices")


def arange(*args, **kwargs):
    """See ``numpy.arange``; a plain array."""
    for x in (*args, *kwargs.values()):
        if isinstance(x, Value):
            refuse_conversion(
                x, "arange", "its length must be known while tracing; scale np.arange(n) instead"
            )
    return np.arange(*args, **kwargs)


def full(shape, fill_value, dtype=None, order="C", *, device=None, like=None):
    """See ``numpy.full``; a traced array within a traced function."""
    check_device(device)
    if not holds_value(fill_value) and not recording():
        return np.full(shape_of(shape), fill_value, dtype)
    value = as_value(fill_value)
    if dtype is not None:
        value = cast(value, check_dtype(dtype))
    shape = shape_of(shape)
    if any(n < 0 for n in shape):
        raise ValueError("negative dimensions are not allowed")
    return note_array(broadcast(value, shape))


def _like(a, dtype, shape):
    a = a if isinstance(a, Value) or not holds_value(a) else as_value(a)
    if not isinstance(a, Value):
        a = np.asarray(a)
    dtype = a.dtype if dtype is None else check_dtype(dtype)
    return a, dtype, a.shape if shape is None else shape_of(shape)


def zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """See ``numpy.zeros_like``; traced if ``a`` is."""
    check_device(device)
    a, dtype, shape = _like(a, dtype, shape)
    return note_array(filled(shape, 0, dtype)) if isinstance(a, Value) else np.zeros(shape, dtype)


def ones_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """See ``numpy.ones_like``; traced if ``a`` is."""
    check_device(device)
    a, dtype, shape = _like(a, dtype, shape)
    return note_array(filled(shape, 1, dtype)) if isinstance(a, Value) else np.ones(shape, dtype)


empty_like = zeros_like


def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    """See ``numpy.full_like``; traced if an argument is."""
    check_device(device)
    a, dtype, shape = _like(a, dtype, shape)
    if isinstance(a, Value) or holds_value(fill_value):
        return note_array(broadcast(as_value(fill_value, dtype), shape))
    return np.full(shape, fill_value, dtype)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, **options):
    """See ``numpy.linspace``; ``start`` and ``stop`` may be traced."""
    num = static_index(num, "a number of points")
    if not holds_value([start, stop]):
        return np.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = promoted(start, stop)
    if start.dtype.kind not in "fc":
        start, stop = cast(start, np.float64), cast(stop, np.float64)
    steps = num - 1 if endpoint else num
    span = ew.subtract(stop, start)
    step = ew.divide(span, scalar(float(steps) if steps > 0 else np.nan, start.dtype))
    numbers = np.arange(num, dtype=start.dtype).reshape(num, *[1] * span.ndim)
    if steps > 0:
        offsets = ew.multiply(current_graph().constant(numbers), step)
    else:
        offsets = ew.multiply(current_graph().constant(numbers), span)
    y = ew.add(offsets, start)
    if endpoint and num > 1:
        # The last point is exactly ``stop``, as NumPy has it.
        last = np.arange(num).reshape(numbers.shape) == num - 1
        y = ew.select(current_graph().constant(last), stop, y)
    y = _first_axis_to(y, axis)
    if dtype is not None:
        dtype = check_dtype(dtype)
        y = cast(ew.floor(y) if dtype.kind in "iu" else y, dtype)
    return (y, step) if retstep else y


def _first_axis_to(y, axis):
    from ._shaping import moveaxis

    return y if axis == 0 or y.ndim == 1 else moveaxis.traced(y, 0, axis)


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """See ``numpy.logspace``; all but ``num`` may be traced."""
    if not holds_value([start, stop, base]):
        return np.logspace(start, stop, num, endpoint, base, dtype, axis)
    from ._ufuncs import power

    exponents = linspace(*promoted(start, stop), num, endpoint)
    base = as_value(base, exponents.dtype if is_number(base) else None)
    y = _first_axis_to(power.traced(base, exponents), axis)
    return y if dtype is None else cast(y, check_dtype(dtype))


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """See ``numpy.geomspace``; ``start`` and ``stop`` may be traced, of one sign."""
    if not holds_value([start, stop]):
        return np.geomspace(start, stop, num, endpoint, dtype, axis)
    num = static_index(num, "a number of points")
    # NumPy's is of float64 whatever the ends are of.
    start, stop = (as_value(end, np.dtype(np.float64)) for end in (start, stop))
    zero, one = scalar(0, start.dtype), scalar(1, start.dtype)
    negative = ew.logical_and(ew.less(start, zero), ew.less(stop, zero))
    sign = ew.select(negative, ew.negative(one), one)
    ends = [ew.log10(ew.multiply(end, sign)) for end in (start, stop)]
    y = ew.multiply(logspace(*ends, num, endpoint), sign)
    # The ends are exact, as NumPy has them.
    numbers = np.arange(num).reshape(num, *[1] * (y.ndim - 1))
    graph = current_graph()
    if num > 0:
        y = ew.select(graph.constant(numbers == 0), start, y)
    if num > 1 and endpoint:
        y = ew.select(graph.constant(numbers == num - 1), stop, y)
    y = _first_axis_to(y, axis)
    return y if dtype is None else cast(y, check_dtype(dtype))


def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0, **options):
    """See ``numpy.array``; traced values may be anywhere in nested lists."""
    if not holds_value(object):
        return np.array(object, dtype, copy=copy, ndmin=ndmin)
    value = as_value(object)
    if dtype is not None:
        value = cast(value, check_dtype(dtype))
    if value.ndim < ndmin:
        value = to_shape(value, (1,) * (ndmin - value.ndim) + value.shape)
    return value


def asarray(a, dtype=None, order=None, *, device=None, copy=None, like=None):
    """See ``numpy.asarray``; a traced value stays one.

    Raises
    ------
    ValueError
        If ``copy`` is False and a copy is needed, or the device is not the CPU.
    """
    check_device(device)
    if holds_value(a):
        value = array(a, dtype)
        if copy is False and value is not a:
            raise ValueError("a copy is needed, and copy=False forbids it")
        return separate(value) if copy and value is a else value
    if copy is None:
        return np.asarray(a, dtype, order)
    if copy:
        return np.array(a, dtype, order=order or "K")
    result = np.asarray(a, dtype, order)
    if not isinstance(a, np.ndarray) or not np.may_share_memory(result, a):
        raise ValueError("a copy is needed, and copy=False forbids it")
    return result


asanyarray = ascontiguousarray = asarray


def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """See ``numpy.meshgrid``."""
    if not holds_value(xi):
        return np.meshgrid(*xi, copy=copy, sparse=sparse, indexing=indexing)
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    values = [as_value(x) for x in xi]
    ndim = len(values)
    axes = list(range(ndim))
    if indexing == "xy" and ndim > 1:
        axes[:2] = [1, 0]
    grids = [
        to_shape(v, tuple(v.size if i == axis else 1 for i in range(ndim)))
        for v, axis in zip(values, axes, strict=True)
    ]
    if sparse:
        return tuple(grids)
    shape = [1] * ndim
    for v, axis in zip(values, axes, strict=True):
        shape[axis] = v.size
    return tuple(broadcast(g, tuple(shape)) for g in grids)


# ---- questions about arrays ---------------------------------------------------------------------


def shape(a):
    """See ``numpy.shape``."""
    return a.shape if isinstance(a, Value) else as_value(a).shape if holds_value(a) else np.shape(a)


def ndim(a):
    """See ``numpy.ndim``."""
    return len(shape(a))


def size(a, axis=None):
    """See ``numpy.size``."""
    extents = shape(a)
    if axis is not None:
        return extents[axis]
    count = 1
    for n in extents:
        count *= n
    return count


def result_type(*arrays_and_dtypes):
    """See ``numpy.result_type``, by NEP 50."""
    from ._common import common_dtype

    operands = []
    for x in arrays_and_dtypes:
        if isinstance(x, Value) or is_number(x):
            operands.append(x)
        else:
            dtype = x.dtype if isinstance(x, (np.ndarray, np.generic)) else np.dtype(x)
            operands.append(Value(None, 0, (), dtype))
    return common_dtype(*operands)


def can_cast(from_, to, casting="safe"):
    """See ``numpy.can_cast``."""
    return np.can_cast(from_.dtype if isinstance(from_, Value) else from_, to, casting)


def isscalar(element):
    """See ``numpy.isscalar``; a traced value is none, as a 0-d array is none."""
    return False if isinstance(element, Value) else np.isscalar(element)


def common_type(*arrays):
    """See ``numpy.common_type``: the floating dtype of arrays."""
    samples = []
    for x in arrays:
        value = as_value(x) if holds_value(x) else np.asarray(x)
        samples.append(np.empty((), value.dtype))
    return np.common_type(*samples)


def iscomplexobj(x):
    """See ``numpy.iscomplexobj``."""
    return (as_value(x).dtype.kind == "c") if holds_value(x) else np.iscomplexobj(x)


def isrealobj(x):
    """See ``numpy.isrealobj``."""
    return not iscomplexobj(x)
