"""What the parts share: operands in SciPy's dtypes, orders, constants, registration."""

import numpy as np

from ..graph import Value
from ..numpy._common import FLOAT64, as_value, common_dtype, is_number, scalar
from ..numpy._ufuncs import UFUNCS
from ..primitives import elementwise as ew


def floats(*operands):
    """Operands in the dtype of SciPy's loop: float64 if an array of integers is among them."""
    operands = [x if is_number(x) else as_value(x) for x in operands]
    dtype = common_dtype(*operands)
    if dtype.kind != "f" or any(
        type(x) is Value and x.dtype.kind != "f" and not x.weak for x in operands
    ):
        dtype = FLOAT64
    return [as_value(x, dtype) for x in operands]


def like(number, x):
    """A number in the dtype of a value."""
    return scalar(float(number), x.dtype)


def times(x, number):
    """A value times a number."""
    return ew.multiply(x, like(number, x))


def plus(x, number):
    """A value plus a number."""
    return ew.add(x, like(number, x))


def order(name, n):
    """The order of a family of functions, checked as far as it is known.

    Raises
    ------
    ValueError
        If it is no whole number.
    """
    if type(n) is Value:
        if n.dtype.kind not in "iu":
            raise ValueError(f"{name} needs an order of an integer dtype, not {n.dtype}")
        return n
    array = np.asarray(n)
    if array.dtype.kind not in "biuf" or np.any(array != np.floor(array)):
        raise ValueError(f"{name} is supported for integer orders, not {n!r}")
    whole = array.astype(np.int64)
    return int(whole) if isinstance(n, (int, float, np.generic)) or not array.ndim else whole


def register(*functions, **names):
    """Make functions reachable from SciPy's ufuncs, by name."""
    for function in functions:
        UFUNCS[function.__name__] = function
    UFUNCS.update(names)
