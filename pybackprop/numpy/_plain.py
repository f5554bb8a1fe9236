"""Names of NumPy that make or describe plain arrays, and those that a trace cannot have.

The first kind is NumPy's own function behind a check that nothing traced is among the arguments;
the second works on plain arrays and says, for traced ones, why not and what to write instead.
"""

import numpy as np

from ._common import as_value, holds_value, refuse_conversion

# Values known while tracing: windows, index arrays, dtypes, input and output.
FORWARDED = (
    "bartlett", "blackman", "hamming", "hanning", "kaiser", "diag_indices", "tril_indices",
    "triu_indices", "mask_indices", "fromfunction", "frombuffer", "fromfile", "fromiter",
    "fromregex", "fromstring", "from_dlpack", "loadtxt", "genfromtxt", "load", "base_repr",
    "binary_repr", "promote_types", "min_scalar_type", "mintypecode", "typename", "isdtype",
    "get_printoptions", "set_printoptions", "printoptions", "geterr", "seterr", "geterrcall",
    "seterrcall", "getbufsize", "setbufsize", "einsum_path", "format_float_positional",
    "format_float_scientific", "iterable", "frompyfunc", "show_config", "show_runtime", "info",
    "get_include", "isfortran", "asfortranarray", "asmatrix", "bmat", "nested_iters",
)  # fmt: skip

_SHAPE = "the shape of its result would depend on data; "
_MASK = _SHAPE + "use np.where(condition, x, 0), or sum(..., where=condition)"
_SORTED = _SHAPE + "work on np.sort(x), or call it before the compiled function"
_NUMBERS = "return the value from the function and do it there"
REFUSED = {
    "nonzero": _MASK, "flatnonzero": _MASK, "argwhere": _MASK,
    "trim_zeros": _SHAPE + "slice with known bounds",
    "unique": _SORTED, "unique_all": _SORTED, "unique_counts": _SORTED,
    "unique_inverse": _SORTED, "unique_values": _SORTED, "intersect1d": _SORTED,
    "union1d": _SORTED, "setdiff1d": _SORTED, "setxor1d": _SORTED,
    "array2string": _NUMBERS, "array_repr": _NUMBERS, "array_str": _NUMBERS,
    "save": _NUMBERS, "savez": _NUMBERS, "savez_compressed": _NUMBERS, "savetxt": _NUMBERS,
    "may_share_memory": "values own no memory while tracing",
    "shares_memory": "values own no memory while tracing",
    "require": "values have no memory layout while tracing; leave it out",
    "asarray_chkfinite": "test np.all(np.isfinite(x)) and return it from the function",
}  # fmt: skip


def _named(function, name, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _forwarded(name):
    plain = getattr(np, name)

    def forward(*args, **kwargs):
        traced = [x for x in (*args, *kwargs.values()) if holds_value(x)]
        if traced:
            refuse_conversion(
                as_value(traced[0]), name, "its arguments must be plain, or known from shapes"
            )
        return plain(*args, **kwargs)

    return _named(forward, name, f"See ``numpy.{name}``, of plain arguments.")


def _refused(name, advice):
    plain = getattr(np, name)

    def refuse(*args, **kwargs):
        traced = [x for x in (*args, *kwargs.values()) if holds_value(x)]
        if traced:
            refuse_conversion(as_value(traced[0]), name, advice)
        return plain(*args, **kwargs)

    return _named(refuse, name, f"See ``numpy.{name}``; of plain arrays only.")


def functions():
    """The functions of this module by name, as far as NumPy has them."""
    table = {name: _forwarded(name) for name in FORWARDED if hasattr(np, name)}
    return table | {
        name: _refused(name, advice) for name, advice in REFUSED.items() if hasattr(np, name)
    }
