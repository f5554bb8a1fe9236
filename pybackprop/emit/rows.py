"""Elementwise instructions as C expressions: one function per kind of row and dtype.

Floats have the expressions of the instruction table. Integers have their own, those of
csrc/src/kernels_int.c; conversions are those of csrc/src/kernels_cast.c.
"""

import functools
import re

import numpy as np

from .._core import instruction_table
from ..errors import UnsupportedError

C_TYPES = {
    "bool": "uint8_t", "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t",
    "uint16": "uint16_t", "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t",
    "uint64": "uint64_t", "float32": "float", "float64": "double",
    # Of inputs and outputs only: real and imaginary parts beside each other.
    "complex64": "float", "complex128": "double",
}  # fmt: skip
TRIGONOMETRIC = {"SIN": "sin", "COS": "cos", "TAN": "tan"}
# Rows that call the C library's functions, so that a loop over them is no vector loop.
NOT_VECTORS = {"FMOD", "NEXTAFTER", "MOD", "FLOOR_DIV", "GCD"}
COMPARES = {"EQ", "NE", "LT", "LE", "ISNAN", "ISINF", "ISFINITE", "SIGNBIT"}

_INTEGERS = {
    "MOV": "a",
    "SQUARE": "(U)a * (U)a",
    "ADD": "(U)a + (U)b",
    "SUB": "(U)a - (U)b",
    "MUL": "(U)a * (U)b",
    "MAX": "a >= b ? a : b",
    "MIN": "a <= b ? a : b",
    "POW": "pbp_power((uint64_t)a, (uint64_t)b)",
    "AND": "a & b",
    "OR": "a | b",
    "XOR": "a ^ b",
    "NOT": "~(U)a",
    "SHL": "(uint64_t)b < 8 * sizeof(T) ? (U)a << b : 0",
    "NEG": "0 - (U)a",
}
_SIGNED = {
    "ABS": "a < 0 ? 0 - (U)a : (U)a",
    "SIGN": "a > 0 ? 1 : a < 0 ? -1 : 0",
    "FLOOR_DIV": "b == 0 ? 0 : b == -1 ? (T)(0 - (U)a) "
    ": a / b - (a % b != 0 && (a < 0) != (b < 0))",
    "MOD": "b == 0 || b == -1 ? 0 : a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b",
    "SHR": "(uint64_t)b < 8 * sizeof(T) ? a >> b : a < 0 ? -1 : 0",
    "GCD": "pbp_gcd(a < 0 ? 0 - (U)a : (U)a, b < 0 ? 0 - (U)b : (U)b)",
}
_UNSIGNED = {
    "ABS": "a",
    "SIGN": "a != 0",
    "FLOOR_DIV": "b == 0 ? 0 : a / b",
    "MOD": "b == 0 ? 0 : a % b",
    "SHR": "(uint64_t)b < 8 * sizeof(T) ? a >> b : 0",
    "GCD": "pbp_gcd(a, b)",
}
_TRUTHS = {
    "MOV": "a",
    "AND": "(a != 0) & (b != 0)",
    "OR": "(a | b) != 0",
    "XOR": "(a != 0) ^ (b != 0)",
    "NOT": "a == 0",
}
_COMPARED = {"EQ": "a == b", "NE": "a != b", "LT": "a < b", "LE": "a <= b"}


@functools.cache
def table():
    """Give the core's rows by name."""
    return {row["name"]: row for row in instruction_table()}


def c_type(dtype):
    """Give the C type of an element."""
    return C_TYPES[dtype.name]


def is_elementwise(op):
    """Whether a row computes element by element."""
    return op == "COPY" or table()[op]["group"] in ("map", "compare", "select", "cast")


def is_function(op):
    """Whether a row calls an elementary function."""
    row = table().get(op)
    text = (row["expression"] if row else None) or ""
    return text.startswith(("M(", "S(")) and not text.startswith("M(fma)")


def is_vector(op):
    """Whether a loop over a row can be a vector loop."""
    row = table().get(op)
    text = (row["expression"] if row else None) or ""
    return op not in NOT_VECTORS and not text.startswith("S(")


def expression(op, operands, dtype, result, fast=False):
    """Give the C expression of an elementwise instruction.

    Parameters
    ----------
    op : str
    operands : list of str
        Variables or literals.
    dtype : numpy.dtype
        Of the operands (of the second one of SELECT).
    result : numpy.dtype
        A truth value of the scalar class counts as float64.
    fast : bool
        Whether a trigonometric function may be the one for small arguments.

    Raises
    ------
    UnsupportedError
        If there is no C for the row, so that none is written that computes something else.
    """
    if op == "SELECT":
        return _filled("a != 0 ? b : c", operands)
    if op == "CAST":
        return _cast(operands[0], dtype, result)
    if dtype.kind == "f":
        text = table().get(op, {}).get("expression")
        if text is None:
            raise UnsupportedError(f"the instruction {op} of {dtype} has no C expression")
        suffix = "" if dtype.itemsize == 8 else "f"
        if fast and op in TRIGONOMETRIC:
            return f"pbp_{TRIGONOMETRIC[op]}{suffix}_fast({operands[0]})"
        text = re.sub(r"\b[MS]\((\w+)\)", rf"pbp_\1{suffix}", text)
        text = re.sub(r"\bL\((\w+)\)", rf"\1{suffix}", text)
        text = _filled(text, operands, c_type(dtype))
        return f"({c_type(result)})({text})" if op in COMPARES or op in _LOGIC else text
    if dtype.kind == "b":
        text = _TRUTHS.get(op) or _COMPARED.get(op)
    else:
        signed = _SIGNED if dtype.kind == "i" else _UNSIGNED
        text = _COMPARED.get(op) or _INTEGERS.get(op) or signed.get(op)
    if text is None:
        raise UnsupportedError(f"the instruction {op} of {dtype} has no C expression")
    wide = "uint64_t" if dtype.itemsize == 8 else "uint32_t"
    return f"({c_type(result)})({_filled(text, operands, c_type(dtype), wide)})"


_LOGIC = {"AND", "OR", "XOR", "NOT"}


def _filled(text, operands, kind="", wide=""):
    words = dict(zip("abc", operands, strict=False))
    words.update(T=kind, U=wide)
    return re.sub(r"\b[abcTU]\b", lambda m: words.get(m[0], m[0]), text)


def _cast(x, dtype, result):
    if result.kind == "b":
        return f"(uint8_t)({x} != 0)"
    kind = c_type(result)
    if dtype.kind != "f" or result.kind == "f":
        return f"({kind}){x}"
    if result.name == "uint64":
        return f"pbp_to_u64((double){x})"
    if result.name in ("int64", "uint32"):
        return f"({kind})pbp_to_i64((double){x})"
    return f"({kind})pbp_to_i32((double){x})"


def literal(number, dtype):
    """Give a C literal of exactly a number.

    Parameters
    ----------
    number : numpy scalar
    dtype : numpy.dtype
    """
    if dtype.kind == "b":
        return "1" if number else "0"
    if dtype.kind in "iu":
        return _integer(int(number), dtype)
    value = float(number)
    if np.isnan(value):
        text = "NAN"
    elif np.isinf(value):
        text = "INFINITY" if value > 0 else "-INFINITY"
    elif value == int(value) and abs(value) < 1e15:
        text = f"{int(value)}.0" if value or not np.signbit(value) else "-0.0"
    else:
        text = repr(value) if float(repr(value)) == value and len(repr(value)) < 8 else value.hex()
    if dtype.itemsize == 4 and text[-1] not in "NY":
        text += "f"
    elif text[-1] in "NY" and dtype.itemsize == 8:
        text = f"(double){text}"
    return f"({text})" if text[0] in "-(" else text


def _integer(value, dtype):
    if value == np.iinfo(np.int64).min:
        return "(-9223372036854775807 - 1)"
    if dtype.name == "uint64":
        return f"{value}u"
    return f"({value})" if value < 0 else str(value)
