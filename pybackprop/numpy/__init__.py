"""NumPy's functions by NumPy's names, on traced values and on plain arrays.

On traced values each records primitives; on plain arrays it computes at once, through the same
compiled tapes. Functions that only make arrays return NumPy's. NumPy's own functions reach these
through ``counterpart`` and ``UFUNCS`` (:mod:`pybackprop.dispatch`).
"""

# ruff: noqa: F401 - this module is a list of names, many of them built-in ones
from importlib import import_module as _import_module

import numpy as _numpy
from numpy import (
    bool_,
    complex64,
    complex128,
    dtype,
    e,
    euler_gamma,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

from . import (
    _assign,
    _creation,
    _namespace,
    _plain,
    _products,
    _reduction,
    _selection,
    _shaping,
    _ufuncs,
)
from ._assign import copyto, fill_diagonal, place, put, put_along_axis, putmask
from ._common import as_value
from ._creation import (
    arange,
    array,
    asanyarray,
    asarray,
    ascontiguousarray,
    can_cast,
    common_type,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    geomspace,
    identity,
    indices,
    iscomplexobj,
    isrealobj,
    isscalar,
    linspace,
    logspace,
    meshgrid,
    ndim,
    ones,
    ones_like,
    result_type,
    shape,
    size,
    tri,
    zeros,
    zeros_like,
)
from ._namespace import namespace_info as __array_namespace_info__
from ._picking import diag, diagflat, diagonal, take, take_along_axis, trace, tril, triu
from ._products import (
    dot,
    inner,
    kron,
    matmul,
    matvec,
    outer,
    tensordot,
    vdot,
    vecdot,
    vecmat,
)
from ._reduction import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    average,
    count_nonzero,
    cumprod,
    cumsum,
    max,
    mean,
    min,
    nanmean,
    nanprod,
    nansum,
    prod,
    ptp,
    std,
    sum,
    var,
)
from ._selection import (
    allclose,
    angle,
    around,
    array_equal,
    array_equiv,
    clip,
    diff,
    imag,
    isclose,
    iscomplex,
    isreal,
    nan_to_num,
    real,
    real_if_close,
    round,
    where,
)
from ._shaping import (
    append,
    array_split,
    astype,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    column_stack,
    concat,
    concatenate,
    copy,
    dsplit,
    dstack,
    expand_dims,
    flip,
    fliplr,
    flipud,
    hsplit,
    hstack,
    matrix_transpose,
    moveaxis,
    permute_dims,
    ravel,
    repeat,
    reshape,
    roll,
    rollaxis,
    rot90,
    row_stack,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    unstack,
    vsplit,
    vstack,
)
from ._ufuncs import UFUNCS
from ._updates import at

# Modules that few programs use; a name of theirs is imported when it is first asked for.
_LATE = {
    "_bits": "bitwise_count fix frexp gcd isneginf isposinf lcm ldexp packbits spacing unpackbits",
    "_choosing": (
        "apply_along_axis apply_over_axes block choose compress delete diag_indices_from "
        "extract insert ix_ piecewise ravel_multi_index resize select tril_indices_from "
        "triu_indices_from unravel_index vectorize"
    ),
    "_einsum": "einsum",
    "_lines": (
        "convolve correlate cross cumulative_prod cumulative_sum ediff1d gradient i0 interp "
        "sinc trapezoid unwrap"
    ),
    "_padding": "pad",
    "_polynomials": (
        "poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots vander"
    ),
    "_sorting": (
        "argpartition argsort bincount digitize histogram histogram2d histogram_bin_edges "
        "histogramdd isin lexsort partition searchsorted sort sort_complex"
    ),
    "_statistics": (
        "corrcoef cov median nanargmax nanargmin nancumprod nancumsum nanmax nanmedian nanmin "
        "nanpercentile nanquantile nanstd nanvar percentile quantile"
    ),
}
_LATE_NAMES = {name: module for module, names in _LATE.items() for name in names.split()}
_LATE_MODULES = ("fft", "linalg")

__array_api_version__ = "2024.12"
bool = _numpy.bool_
broadcast_shapes = _numpy.broadcast_shapes
issubdtype = _numpy.issubdtype

for _name in [
    name
    for name, function in vars(_ufuncs).items()
    if callable(function) and not name.startswith("_") and hasattr(function, "traced")
]:
    globals()[_name] = getattr(_ufuncs, _name)
globals().update(_plain.functions())
isdtype, from_dlpack = _namespace.isdtype, _namespace.from_dlpack
finfo, iinfo = _namespace.finfo, _namespace.iinfo
divmod, modf = _ufuncs.divmod, _ufuncs.modf
UFUNCS["matmul"], UFUNCS["vecdot"] = matmul, vecdot
UFUNCS["matvec"], UFUNCS["vecmat"] = matvec, vecmat

# What users call, see _assign.entry; functions call each other without it.
for _name, _function in list(globals().items()):
    if callable(_function) and not _name.startswith("_") and not isinstance(_function, type):
        if (getattr(_function, "__module__", None) or "").startswith(__name__):
            globals()[_name] = _assign.entry(_function, _name)


def _table():
    """NumPy's function objects and ours, by shared name; of late ones, the name."""
    table = {}
    for name, ours in (*globals().items(), *zip(_LATE_NAMES, _LATE_NAMES, strict=True)):
        if name.startswith("_") or isinstance(ours, type) or not (callable(ours) or ours == name):
            continue
        theirs = getattr(_numpy, name, None)
        if callable(theirs) and not isinstance(theirs, (type, _numpy.ufunc)):
            table[theirs] = ours
    return table


_FUNCTIONS = _table()


def counterpart(function):
    """Our function for one of NumPy's functions, or None."""
    ours = _FUNCTIONS.get(function)
    if type(ours) is str:
        ours = _FUNCTIONS[function] = __getattr__(ours)
    elif ours is None:
        package, _, module = (getattr(function, "__module__", None) or "").partition(".")
        if package == "numpy" and module in _LATE_MODULES:
            ours = getattr(__getattr__(module), function.__name__, None)
    return ours


def __getattr__(name):
    """Import what is used rarely."""
    if name in _LATE_MODULES:
        return _import_module(f".{name}", __name__)
    if name not in _LATE_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(_import_module(f".{_LATE_NAMES[name]}", __name__), name)
    globals()[name] = found = _assign.entry(function, name)
    return found


def __dir__():
    return sorted({*globals(), *_LATE_NAMES, *_LATE_MODULES})


__all__ = [name for name in __dir__() if not name.startswith("_")]
