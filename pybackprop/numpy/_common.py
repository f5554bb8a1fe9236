"""What the parts of the surface share: operands as values, promotion of dtypes, refusals.

Dtypes follow NEP 50 under every NumPy: Python numbers, and traced values that stand for Python
numbers (``weak``), give way to arrays. NumPy itself is asked for each elementwise function's dtypes
(``ufunc.resolve_dtypes``), so they are NumPy's by construction; answers are remembered.
"""

import dis
import operator
import os
import sys

import numpy as np

from ..errors import ControlFlowError, LeakedValueError, TraceError, UnsupportedError
from ..graph import CONSTANT, Value, current_graph, describe_location, leaked
from ..primitives import elementwise as ew
from ..primitives.base import broadcast, normalize_axis
from ..primitives.shaping import concatenate, reshape

SUPPORTED = frozenset(
    np.dtype(name)
    for name in (
        "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
        "float32", "float64", "complex64", "complex128",
    )
)  # fmt: skip
BOOL, INT64, FLOAT64 = np.dtype(np.bool_), np.dtype(np.int64), np.dtype(np.float64)
COMPLEX128 = np.dtype(np.complex128)
UINT64 = np.dtype(np.uint64)
_WEAK_KINDS = {"f": float, "i": int, "u": int, "c": complex}
_STORE = ("STORE_SUBSCR", "STORE_SLICE")
_SUBSCRIPT = next(
    (i for i, entry in enumerate(getattr(dis, "_nb_ops", ())) if entry[1] == "[]"), -1
)
READ = ("BINARY_SUBSCR", "BINARY_SLICE")


# ---- refusals -----------------------------------------------------------------------------------


def refuse(error, value=None):
    """Record a refusal with the graph under construction, then raise it.

    NumPy swallows some exceptions and rewords others, so :mod:`pybackprop.trace` raises the
    recorded one in place of whatever leaves the user's function.
    """
    graph = value.node.graph if isinstance(value, Value) else current_graph()
    if graph is None or graph.closed:
        graph = current_graph()
    if graph is not None and graph.refusal is None:
        graph.refusal = error
    raise error


_SITE = os.path.dirname(os.path.dirname(np.__file__))
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SKIPPED = tuple(
    folder + os.sep
    for folder in (_PACKAGE, os.path.join(_SITE, "numpy"), os.path.join(_SITE, "scipy"))
)


def user_location():
    """The innermost frame outside of this package, NumPy and SciPy, as graph.find_location."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def here():
    """The user's line that is running, as ``file:line``."""
    return describe_location(user_location())


def doing(names):
    """Whether the user's innermost frame is at a bytecode instruction of one of these names."""
    location = user_location()
    if location is None:
        return False
    code, instruction = location
    number, argument = code.co_code[instruction], code.co_code[instruction + 1]
    name = dis.opname[number]
    if name == "BINARY_OP" and sys.version_info >= (3, 14):
        name = "BINARY_SUBSCR" if argument == _SUBSCRIPT else name
    return name in names


def storing():
    """Whether the user's innermost line is an assignment ``a[...] = ...``."""
    return doing(_STORE)


def unsupported(message, value=None):
    """Refuse something that has no traced counterpart, naming the user's line."""
    refuse(UnsupportedError(f"{here()}: {message}"), value)


def refuse_conversion(value, kind, advice, converted=False):
    """Refuse to make a Python number of a traced value.

    ``converted`` says that Python or NumPy asked for the number, maybe to index something with it.
    """
    from ._foreign import refusal

    graph = value.node.graph
    if graph.closed and value.node.primitive is not CONSTANT:
        refuse(leaked(value), value)
    foreign = refusal()
    if foreign is not None:
        unsupported(foreign, value)
    if storing():
        refuse(
            TraceError(
                f"{here()}: a traced value cannot be assigned into a NumPy array, which "
                "holds numbers and not nodes of a graph; build the array with np.stack, "
                "np.concatenate, np.array([...]) or np.where, or assign into a traced array, such "
                "as pybackprop.numpy.zeros(n) or np.zeros_like(v, shape=(n,))"
            ),
            value,
        )
    if converted and doing(READ):
        kind = "a NumPy array or list indexed by a traced value"
        advice = "use pybackprop.numpy.take(array, i, axis=0), which is traced"
    refuse(
        ControlFlowError(
            f"{here()}: {kind} needs the number behind {value!r}, which is known only when the "
            f"compiled function runs; {advice}"
        ),
        value,
    )


class NoGraphError(LeakedValueError):
    """A value was used where no graph is open."""


def open_or_leaked():
    """The graph under construction."""
    graph = current_graph()
    if graph is None:
        raise NoGraphError(
            "a traced value was used outside of the function that made it; return it from the "
            "function instead of storing it"
        )
    return graph


# ---- operands as values -------------------------------------------------------------------------


def check_dtype(dtype, what="array"):
    """A supported dtype, in native byte order."""
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype not in SUPPORTED:
        if dtype.kind == "c":
            advice = "use .astype(np.complex128) first"
        elif dtype.kind == "f":
            advice = "use .astype(np.float32) or .astype(np.float64) first"
        elif dtype.kind in "OSUVMm":
            raise TypeError(f"{what} of dtype {dtype} has no place in a graph ({here()})")
        else:
            advice = "use another dtype"
        unsupported(f"{what} of dtype {dtype} is not supported; {advice}")
    return dtype


def scalar(number, dtype):
    """A Python number as a constant of the open graph."""
    graph = open_or_leaked()
    if number == 0 or number != number or type(number) is complex:
        return graph.constant(np.array(number, dtype))  # -0.0 == 0.0; NaN != NaN
    key = (dtype.char, number)
    known = graph.memory.get(key)
    if known is None or graph.handles:
        kind = dtype.kind
        if kind in "iu":
            limits = np.iinfo(dtype)
            if not limits.min <= number <= limits.max:
                raise OverflowError(f"Python integer {number} out of bounds for {dtype}")
        array = np.array(number, dtype)
        if graph.handles:
            return graph.constant(array)  # a handle of its own
        known = graph.memory[key] = (graph.constant(array), array)
    return known[0]


def is_number(x):
    """Whether ``x`` is a Python number, of a dtype that gives way."""
    kind = type(x)
    return (
        kind is float
        or kind is int
        or kind is bool
        or kind is complex
        or (isinstance(x, (int, float, complex)) and not isinstance(x, np.generic))
    )


def as_value(x, dtype=None):
    """Anything that NumPy would make an array of, as a value of the open graph.

    Object arrays, lists and tuples that hold traced values are stacked.
    """
    if type(x) is not Value:
        x = _to_value(x, dtype)
    if dtype is not None and x.dtype != dtype:
        return cast(x, dtype)
    return x


def _to_value(x, dtype=None):
    if type(x) is np.ndarray and x.dtype in SUPPORTED:
        return open_or_leaked().constant(x)
    if is_number(x):
        return _number_value(x, dtype)
    if isinstance(x, (list, tuple)):
        if not holds_value(x):
            x = np.asarray(x)
        else:
            return _stack(list(x))
    elif isinstance(x, np.ndarray) and x.dtype == object:
        if x.ndim == 0:
            return as_value(x.item())
        flat = _stack(list(x.ravel()))
        return reshape(flat, shape=x.shape) if x.ndim != 1 else flat
    elif not isinstance(x, (np.ndarray, np.generic)):
        converted = np.asarray(x)
        if converted.dtype.kind in "OSUV":
            raise TypeError(f"{type(x).__name__} object has no place in a graph ({here()})")
        x = converted
    if isinstance(x, np.ma.MaskedArray):
        unsupported("masked arrays are not supported; use np.where, or sum(..., where=mask)")
    if isinstance(x, np.matrix):
        unsupported("numpy.matrix is not supported; use np.asarray(x) and x @ y")
    check_dtype(x.dtype)
    return open_or_leaked().constant(x)


def _number_value(x, dtype):
    if dtype is None:
        dtype = _number_dtype(x)
    elif dtype.kind in "iub" and isinstance(x, float):
        return cast(scalar(x, FLOAT64), dtype)
    elif dtype.kind != "c" and isinstance(x, complex):
        return cast(scalar(x, COMPLEX128), dtype)
    return scalar(x, dtype)


def _number_dtype(x):
    """The dtype of a Python number that meets no array."""
    if isinstance(x, int):
        return BOOL if isinstance(x, bool) else INT64
    return COMPLEX128 if isinstance(x, complex) else FLOAT64


def holds_value(x):
    """Whether traced values are among ``x``, looking into lists, tuples and object arrays."""
    if type(x) is Value:
        return True
    if isinstance(x, (list, tuple)):
        return any(map(holds_value, x))
    if isinstance(x, np.ndarray) and x.dtype == object:
        return any(type(item) is Value for item in x.flat)
    return False


def _stack(items):
    """Values and numbers of one shape, along a new first axis."""
    items = [x if type(x) is Value or is_number(x) else as_value(x) for x in items]
    dtype = common_dtype(*items)
    parts = [as_value(x, dtype) for x in items]
    shape = parts[0].shape
    for part in parts:
        if part.shape != shape:
            raise ValueError(
                f"all input arrays must have the same shape, not {shape} and {part.shape}"
            )
    return join(parts)


def join(parts):
    """Values of one shape and dtype along a new first axis; scalar constants are joined first."""
    shape = parts[0].shape
    pieces, run = [], []

    def flush():
        if run:
            pieces.append(current_graph().constant(np.stack(run)))
            run.clear()

    for part in parts:
        if not shape and part.node.primitive is CONSTANT:
            run.append(part.node.attributes["value"])
            continue
        flush()
        pieces.append(reshape(part, shape=(1, *shape)))
    flush()
    return pieces[0] if len(pieces) == 1 else concatenate(*pieces, axis=0)


def cast(x, dtype):
    """A value in another dtype; itself if it has that dtype."""
    if x.dtype == dtype:
        return x
    dtype = check_dtype(dtype)
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        raise TypeError(
            f"cannot cast from {x.dtype} to {dtype}: a function of real numbers got complex ones; "
            f"use its .real, .imag or np.abs ({here()})"
        )
    return ew.convert(x, dtype=dtype)


# ---- promotion ----------------------------------------------------------------------------------


def signature(x):
    """What ``ufunc.resolve_dtypes`` wants to know of an operand."""
    if type(x) is Value:
        if x.weak and x.dtype.kind in "fiuc":
            return _WEAK_KINDS[x.dtype.kind]
        return x.dtype
    if is_number(x):
        if isinstance(x, int):
            return BOOL if isinstance(x, bool) else int
        return complex if isinstance(x, complex) else float
    raise TypeError(f"{type(x).__name__} is no operand")


_promotions = {}


def common_dtype(*operands):
    """The dtype that concatenating the operands gives."""
    kinds = tuple([signature(x) for x in operands])
    dtype = _promotions.get(kinds)
    if dtype is None:
        strong = [k for k in kinds if isinstance(k, np.dtype)]
        dtype = np.result_type(*strong) if strong else None
        if complex in kinds and (dtype is None or dtype.kind != "c"):
            dtype = np.dtype(np.complex64) if dtype == np.float32 else COMPLEX128
        elif float in kinds and (dtype is None or dtype.kind not in "fc"):
            dtype = FLOAT64
        elif int in kinds and (dtype is None or dtype.kind == "b"):
            dtype = INT64
        _promotions[kinds] = dtype
    return dtype


def promoted(*operands):
    """Values of one dtype, for functions that are no ufuncs (``where``, ``concatenate``)."""
    operands = [x if type(x) is Value or is_number(x) else as_value(x) for x in operands]
    dtype = common_dtype(*operands)
    return [as_value(x, dtype) for x in operands]


_resolved = {}


def resolve(ufunc, kinds):
    """NumPy's dtypes of a ufunc for operands of these dtypes, or ``int``, ``float``."""
    key = (ufunc, kinds)
    dtypes = _resolved.get(key)
    if dtypes is None:
        try:
            dtypes = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
        except TypeError as error:
            raise TypeError(f"{error} ({here()})") from None
        if any(d.kind == "O" for d in dtypes[: ufunc.nin]):
            dtypes = (INT64,) * ufunc.nin + dtypes[ufunc.nin :]
        _resolved[key] = dtypes
    return dtypes


# ---- axes and shapes ----------------------------------------------------------------------------


def axes_of(axis, ndim):
    """Sorted non-negative axes of NumPy's ``axis`` argument; all axes for None."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list)):
        axes = tuple(sorted(normalize_axis(_axis_index(a), ndim) for a in axis))
        if len(set(axes)) != len(axes):
            raise ValueError("duplicate value in 'axis'")
        return axes
    return (normalize_axis(_axis_index(axis), ndim),)


def _axis_index(axis):
    if isinstance(axis, (bool, np.bool_)):
        raise TypeError("an integer is required for the axis")
    return operator.index(axis)


def reduced_axes(axis, ndim):
    """As :func:`axes_of`; a ufunc's reduction of a 0-d array takes axis 0 and -1 too."""
    if not ndim and axis is not None and not isinstance(axis, (tuple, list)):
        if _axis_index(axis) in (0, -1):
            return ()
    return axes_of(axis, ndim)


def one_axis(axis, ndim):
    """One non-negative axis."""
    if isinstance(axis, Value):
        refuse_conversion(axis, "an axis", "axes must be Python integers")
    return normalize_axis(operator.index(axis), ndim)


def static_index(x, what):
    """A Python integer; traced values are refused with the alternative."""
    if isinstance(x, Value):
        refuse_conversion(
            x, what, "make it a Python integer (static_argnums) or take it from a shape"
        )
    return operator.index(x)


def shape_of(shape):
    """A tuple of Python integers from NumPy's ``shape`` argument."""
    if isinstance(shape, (tuple, list)) or (isinstance(shape, np.ndarray) and shape.ndim):
        return tuple(static_index(n, "a shape") for n in shape)
    return (static_index(shape, "a shape"),)


def spread(x, shape):
    """``x`` broadcast to ``shape``, with NumPy's error if it does not fit."""
    return broadcast(x, tuple(shape))


def no_out(out):
    """Refuse ``out=``: values are immutable."""
    if out is not None and not (isinstance(out, tuple) and all(o is None for o in out)):
        unsupported("out= cannot be used on traced values, which are immutable; use the result")
