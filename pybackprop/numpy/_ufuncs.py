"""NumPy's universal functions on values: which primitive runs which dtype.

Each is made by :func:`define` from NumPy's ufunc, which knows the dtypes, and a table from the kind
of dtype to a primitive or composition. ``UFUNCS`` maps names of ufuncs to the functions.
"""

import numpy as np

from ..graph import Value
from ..primitives import elementwise as ew
from ..primitives.base import broadcast, broadcast_shapes, constant_value, filled
from ._common import (
    BOOL,
    UINT64,
    as_value,
    cast,
    check_dtype,
    is_number,
    no_out,
    resolve,
    scalar,
    signature,
    unsupported,
)
from ._eager import surface

_FLOAT32 = np.dtype(np.float32)
UFUNCS = {}
OPERATIONS = {}


def define(
    name, primitive=None, *, ints=None, bools=None, complexes=None, module=np,
    static_integers=False,
):  # fmt: skip
    """Make the function called ``name`` of NumPy.

    Parameters
    ----------
    primitive : callable
        For floats.
    ints, bools : callable or None
        The same for integers and bool; None if NumPy has no such loop.
    complexes : callable, optional
        The same for complex values; as for floats if NumPy has such a loop.
    module : module
        Where the ufunc is.
    static_integers : bool
        See :func:`surface`.
    """
    ufunc = getattr(module, name)
    if complexes is None and any(loop.startswith("D" * ufunc.nin) for loop in ufunc.types):
        complexes = primitive
    table = {"f": primitive, "i": ints, "u": ints, "b": bools, "c": complexes}
    operate = _unary(ufunc, table) if ufunc.nin == 1 else _binary(ufunc, table)

    if ufunc.nin == 1:

        @surface(1)
        def function(x, /, out=None, *, where=True, dtype=None, **options):
            if out is None and where is True and dtype is None and not options:
                return operate(x)
            return _with_options(operate, (x,), out, where, dtype, options)
    else:

        @surface(2, static_integers)
        def function(x1, x2, /, out=None, *, where=True, dtype=None, **options):
            if out is None and where is True and dtype is None and not options:
                return operate(x1, x2)
            return _with_options(operate, (x1, x2), out, where, dtype, options)

    for made in (function, function.traced):
        made.__name__ = made.__qualname__ = name
        made.__doc__ = f"See ``numpy.{name}``."
    UFUNCS[ufunc.__name__] = UFUNCS[name] = function
    OPERATIONS[name] = operate
    return function


_OPTIONS = {
    "casting": ("no", "equiv", "safe", "same_kind", "unsafe"),
    "order": ("K", "C", "A", "F"),
    "subok": (True, False),
    "signature": (None,),
}


def _with_options(operate, operands, out, where, dtype, options):
    no_out(out)
    for name, option in options.items():
        if name not in _OPTIONS:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
        if option not in _OPTIONS[name]:
            raise ValueError(f"{name} must be one of {_OPTIONS[name]}, and is {option!r}")
    if where is not True:
        unsupported("where= of a ufunc leaves elements undefined; use np.where on the result")
    if dtype is not None:
        dtype = check_dtype(dtype)
        operands = [x if is_number(x) else as_value(x) for x in operands]
        for x in operands:
            source = x.dtype if type(x) is Value else dtype
            if not np.can_cast(source, dtype, options.get("casting", "same_kind")):
                raise TypeError(f"cannot cast an operand from {source} to {dtype}")
        operands = [as_value(x, dtype) for x in operands]
    return operate(*operands)


def _unary(ufunc, table):
    on_floats = table["f"]

    def operate(x):
        if type(x) is not Value:
            x = as_value(x)
        dtype = x.dtype
        if dtype.kind == "f" and on_floats is not None:
            return on_floats(x)
        if dtype.kind != "f":
            dtype, result = resolve(ufunc, (signature(x),))[:2]
            if dtype.char == "e" and result == BOOL:
                dtype = _FLOAT32  # a question, so a wider dtype has the same answer
            x = cast(x, check_dtype(dtype, f"{ufunc.__name__} with a result"))
        chosen = table[dtype.kind]
        if chosen is None:
            raise TypeError(f"ufunc {ufunc.__name__!r} is not supported for dtype {dtype}")
        return chosen(x)

    return operate


def _binary(ufunc, table):
    on_floats = table["f"]
    if on_floats is not None and resolve(ufunc, (_FLOAT32, _FLOAT32))[0] != _FLOAT32:
        on_floats = None

    def operate(a, b):
        if on_floats is not None:
            if type(a) is Value:
                dtype = a.dtype
                if dtype.kind == "f":
                    if type(b) is Value:
                        if dtype is b.dtype:
                            return on_floats(a, b)
                    elif type(b) is float or type(b) is int:
                        return on_floats(a, scalar(b, dtype))
            elif type(a) is float or type(a) is int:
                if type(b) is Value and b.dtype.kind == "f":
                    return on_floats(scalar(a, b.dtype), b)
        return slow(a, b)

    def slow(a, b):
        a = a if type(a) is Value or is_number(a) else as_value(a)
        b = b if type(b) is Value or is_number(b) else as_value(b)
        if on_floats is not None and type(a) is Value and type(b) is Value:
            if a.dtype is b.dtype and a.dtype.kind == "f":
                return on_floats(a, b)
        left, right = resolve(ufunc, (signature(a), signature(b)))[:2]
        if left != right and ufunc.__name__ in _SIGNED_FIRST:
            return _mixed_signs(ufunc.__name__, table["u"], as_value(a, left), as_value(b, right))
        if left != right:
            unsupported(
                f"{ufunc.__name__} of {left} and {right} is not supported; use .astype first"
            )
        check_dtype(left, f"{ufunc.__name__} with an operand")
        chosen = table[left.kind]
        if chosen is None:
            raise TypeError(f"ufunc {ufunc.__name__!r} is not supported for dtype {left}")
        try:
            return chosen(as_value(a, left), as_value(b, left))
        except OverflowError:
            outside = _outside(ufunc.__name__, a, b)
            if outside is None:
                raise
            return outside

    return operate


# The answer for a negative first operand and an unsigned second one.
_SIGNED_FIRST = {
    "equal": False, "not_equal": True, "less": True, "less_equal": True, "greater": False,
    "greater_equal": False,
}  # fmt: skip


def _mixed_signs(name, primitive, a, b):
    """An exact comparison of int64 with uint64."""
    signed, answer = a, _SIGNED_FIRST[name]
    if a.dtype.kind == "u":
        signed = b
        answer = answer if name in ("equal", "not_equal") else not answer
    negative = ew.less(signed, _number(0, signed))
    plain = primitive(cast(a, UINT64), cast(b, UINT64))
    return ew.select(negative, scalar(answer, BOOL), plain)


def _outside(name, a, b):
    """The known answer of comparing with a Python integer that the other's dtype does not hold."""
    if name not in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        return None
    number, other = (a, b) if is_number(a) else (b, a)
    above = number > 0
    number_is_less = not above
    if other is b:
        answer = {"less": number_is_less, "less_equal": number_is_less}
        answer |= {"greater": above, "greater_equal": above}
    else:
        answer = {"less": above, "less_equal": above}
        answer |= {"greater": number_is_less, "greater_equal": number_is_less}
    answer |= {"equal": False, "not_equal": True}
    return filled(other.shape, answer[name], BOOL)


# ---- compositions -------------------------------------------------------------------------------


def _identity(x):
    return x


def _number(x, like):
    return scalar(x, like.dtype)


def truth(x):
    """Whether elements are non-zero, as bool."""
    return x if x.dtype == BOOL else ew.not_equal(x, _number(0, x))


def _never(x):
    return filled(x.shape, False, BOOL)


def _always(x):
    return filled(x.shape, True, BOOL)


def _swapped(primitive):
    def swapped(a, b):
        return primitive(b, a)

    return swapped


def _nan_aware(strict, x, y):
    """``x`` if ``y`` is NaN, ``y`` if ``x`` is, else the primitive's result."""
    return ew.select(ew.isnan(x), y, ew.select(ew.isnan(y), x, strict(x, y)))


def _fmax(a, b):
    return _nan_aware(ew.maximum, a, b)


def _fmin(a, b):
    return _nan_aware(ew.minimum, a, b)


def _logaddexp(a, b):
    for x, zero in ((a, b), (b, a)):
        if constant_value(zero) == 0:
            return ew.softplus(broadcast(x, broadcast_shapes(a.shape, b.shape)))
    # Equal infinities have no difference; NaN stays.
    gap = ew.select(ew.equal(a, b), _number(0, a), ew.subtract(a, b))
    return ew.add(ew.maximum(a, b), ew.softplus(ew.negative(ew.abs_(gap))))


def _logaddexp2(a, b):
    two = np.log(2.0)
    scaled = _logaddexp(ew.multiply(a, _number(two, a)), ew.multiply(b, _number(two, b)))
    return ew.divide(scaled, _number(two, a))


def _scaled(factor):
    def scaled(x):
        return ew.multiply(x, _number(factor, x))

    return scaled


def _integer_fmod(a, b):
    size = ew.remainder(ew.abs_(a), ew.abs_(b))
    return ew.multiply(ew.sign(a), size)


def _integer_reciprocal(x):
    return ew.select(ew.equal(ew.abs_(x), _number(1, x)), x, _number(0, x))


def _heaviside(a, b):
    zero, one = _number(0, a), _number(1, a)
    step = ew.select(ew.less(a, zero), zero, ew.select(ew.equal(a, zero), b, one))
    return ew.select(ew.isnan(a), a, step)


def _signbit_of_integer(x):
    return ew.less(x, _number(0, x))


def power_values(a, b):
    """A ** b for values of one dtype; small constant powers become products."""
    exponent = constant_value(b) if not b.shape else None
    floating = a.dtype.kind in "fc"
    if exponent is not None:
        if not floating and exponent < 0:
            raise ValueError("Integers to negative integer powers are not allowed.")
        if exponent == 2:
            return ew.square(a)
        if exponent == 1:
            return a
        if exponent == 3:
            return ew.multiply(ew.square(a), a)
        if exponent == 4:
            return ew.square(ew.square(a))
        if exponent == 0:
            return filled(a.shape, 1, a.dtype)
        if exponent == -1:
            return ew.reciprocal(a)
    if a.dtype.kind == "f" and not a.shape and constant_value(a) == 2:
        return ew.exp2(b)
    return ew.power(a, b)


def operator_power(a, b):
    """``a ** b`` of operators, which NumPy computes as a square root for the number 0.5."""
    if type(b) is float and b == 0.5 and type(a) is Value and a.dtype.kind in "fc":
        return ew.sqrt(a)
    return OPERATIONS["power"](a, b)


# ---- the functions ------------------------------------------------------------------------------

add = define("add", ew.add, ints=ew.add, bools=ew.logical_or)
subtract = define("subtract", ew.subtract, ints=ew.subtract)
multiply = define("multiply", ew.multiply, ints=ew.multiply, bools=ew.logical_and)
divide = true_divide = define("divide", ew.divide)
UFUNCS["true_divide"] = divide
negative = define("negative", ew.negative, ints=ew.negative)
positive = define("positive", _identity, ints=_identity)
absolute = abs = define("absolute", ew.abs_, ints=ew.abs_, bools=_identity)
fabs = define("fabs", ew.abs_)
sign = define("sign", ew.sign, ints=ew.sign)
square = define("square", ew.square, ints=ew.square)
reciprocal = define("reciprocal", ew.reciprocal, ints=_integer_reciprocal)
power = pow = define("power", power_values, ints=power_values, static_integers=True)
float_power = define("float_power", power_values, static_integers=True)
floor_divide = define("floor_divide", ew.floor_divide, ints=ew.floor_divide)
remainder = mod = define("remainder", ew.remainder, ints=ew.remainder)
fmod = define("fmod", ew.fmod, ints=_integer_fmod)
conjugate = conj = define("conjugate", _identity, ints=_identity, complexes=ew.conj)

exp = define("exp", ew.exp)
exp2 = define("exp2", ew.exp2)
expm1 = define("expm1", ew.expm1)
log = define("log", ew.log)
log2 = define("log2", ew.log2)
log10 = define("log10", ew.log10)
log1p = define("log1p", ew.log1p)
sqrt = define("sqrt", ew.sqrt)
cbrt = define("cbrt", ew.cbrt)
logaddexp = define("logaddexp", _logaddexp)
logaddexp2 = define("logaddexp2", _logaddexp2)

sin = define("sin", ew.sin)
cos = define("cos", ew.cos)
tan = define("tan", ew.tan)
arcsin = asin = define("arcsin", ew.arcsin)
arccos = acos = define("arccos", ew.arccos)
arctan = atan = define("arctan", ew.arctan)
arctan2 = atan2 = define("arctan2", ew.arctan2)
hypot = define("hypot", ew.hypot)
sinh = define("sinh", ew.sinh)
cosh = define("cosh", ew.cosh)
tanh = define("tanh", ew.tanh)
arcsinh = asinh = define("arcsinh", ew.arcsinh)
arccosh = acosh = define("arccosh", ew.arccosh)
arctanh = atanh = define("arctanh", ew.arctanh)
degrees = define("degrees", _scaled(180.0 / np.pi))
radians = define("radians", _scaled(np.pi / 180.0))
rad2deg = define("rad2deg", _scaled(180.0 / np.pi))
deg2rad = define("deg2rad", _scaled(np.pi / 180.0))

floor = define("floor", ew.floor, ints=_identity, bools=_identity)
ceil = define("ceil", ew.ceil, ints=_identity, bools=_identity)
trunc = define("trunc", ew.trunc, ints=_identity, bools=_identity)
rint = define("rint", ew.rint)
copysign = define("copysign", ew.copysign)
nextafter = define("nextafter", ew.nextafter)
heaviside = define("heaviside", _heaviside)
maximum = define("maximum", ew.maximum, ints=ew.maximum, bools=ew.logical_or)
minimum = define("minimum", ew.minimum, ints=ew.minimum, bools=ew.logical_and)
fmax = define("fmax", _fmax, ints=ew.maximum, bools=ew.logical_or)
fmin = define("fmin", _fmin, ints=ew.minimum, bools=ew.logical_and)

equal = define("equal", ew.equal, ints=ew.equal, bools=ew.equal)
not_equal = define("not_equal", ew.not_equal, ints=ew.not_equal, bools=ew.not_equal)
less = define("less", ew.less, ints=ew.less, bools=ew.less)
less_equal = define("less_equal", ew.less_equal, ints=ew.less_equal, bools=ew.less_equal)
greater = define("greater", _swapped(ew.less), ints=_swapped(ew.less), bools=_swapped(ew.less))
greater_equal = define(
    "greater_equal",
    _swapped(ew.less_equal),
    ints=_swapped(ew.less_equal),
    bools=_swapped(ew.less_equal),
)
isnan = define("isnan", ew.isnan, ints=_never, bools=_never)
isinf = define("isinf", ew.isinf, ints=_never, bools=_never)
isfinite = define("isfinite", ew.isfinite, ints=_always, bools=_always)
signbit = define("signbit", ew.signbit, ints=_signbit_of_integer)


def _logical(primitive):
    def logical(*operands):
        return primitive(*map(truth, operands))

    return logical


def _define_logical(name, primitive):
    combined = _logical(primitive)
    return define(name, combined, ints=combined, bools=combined)


logical_and = _define_logical("logical_and", ew.logical_and)
logical_or = _define_logical("logical_or", ew.logical_or)
logical_xor = _define_logical("logical_xor", ew.logical_xor)
logical_not = _define_logical("logical_not", ew.logical_not)
bitwise_and = define("bitwise_and", ints=ew.logical_and, bools=ew.logical_and)
bitwise_or = define("bitwise_or", ints=ew.logical_or, bools=ew.logical_or)
bitwise_xor = define("bitwise_xor", ints=ew.logical_xor, bools=ew.logical_xor)
invert = bitwise_not = bitwise_invert = define("invert", ints=ew.logical_not, bools=ew.logical_not)
left_shift = bitwise_left_shift = define("left_shift", ints=ew.left_shift)
right_shift = bitwise_right_shift = define("right_shift", ints=ew.right_shift)


def divmod(x1, x2):
    """See ``numpy.divmod``."""
    return floor_divide(x1, x2), remainder(x1, x2)


def modf(x):
    """See ``numpy.modf``."""
    if isinstance(x, Value):
        x = cast(x, check_dtype(resolve(np.modf, (signature(x),))[0], "modf with a result"))
    whole = trunc(x)
    return copysign(subtract(x, whole), x), whole


UFUNCS["divmod"], UFUNCS["modf"] = divmod, modf


def find(name):
    """The function for a ufunc of NumPy or SciPy by its name, or None."""
    if name not in UFUNCS:
        # These add theirs to the table.
        from .. import special  # noqa: F401
        from . import _bits  # noqa: F401
    return UFUNCS.get(name)
