"""``einsum`` on values: operands are contracted two at a time, each pair by one matrix product."""

import math

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction
from ..primitives.base import broadcast
from ._common import as_value, cast, check_dtype, no_out, promoted
from ._eager import surface
from ._picking import diagonal
from ._products import product
from ._reduction import any as any_of
from ._shaping import permute, to_shape

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Term:
    """An operand and one letter per axis, each letter once."""

    __slots__ = ("letters", "x")

    def __init__(self, x, letters):
        self.x = x
        self.letters = letters


def parse(spec, shapes):
    """Letters of every operand and of the result, with the ellipsis replaced by letters of its own.

    Raises
    ------
    ValueError
        With NumPy's wording where there is one.
    """
    spec = spec.replace(" ", "")
    left, arrow, right = spec.partition("->")
    for sign in left.replace("...", "").replace(",", "") + right.replace("...", ""):
        if sign not in _LETTERS:
            raise ValueError(f"Character {sign} is not a valid symbol.")
    parts = left.split(",")
    if len(parts) != len(shapes):
        raise ValueError(
            f"Number of einsum subscripts, {len(parts)}, must be equal to the number of operands, "
            f"{len(shapes)}."
        )
    free = [c for c in _LETTERS if c not in spec]
    widest = 0
    for part, shape in zip(parts, shapes, strict=True):
        named = len(part.replace("...", ""))
        if "..." in part:
            widest = max(widest, len(shape) - named)
            if len(shape) < named:
                raise ValueError(
                    "einstein sum subscripts string contains too many subscripts for operand"
                )
        elif named != len(shape):
            raise ValueError(
                f"einsum operand has {len(shape)} dimensions, but the subscripts {part!r} "
                f"name {named}"
            )
    dots = free[:widest]
    terms = []
    for part, shape in zip(parts, shapes, strict=True):
        count = len(shape) - len(part.replace("...", ""))
        terms.append(
            part.replace("...", "".join(dots[widest - count :])) if "..." in part else part
        )
    if arrow:
        if "..." not in right and widest:
            raise ValueError(
                "output has no ellipsis, but the operands broadcast: say ... in the output as well"
            )
        result = right.replace("...", "".join(dots))
        for letter in result:
            if result.count(letter) > 1:
                raise ValueError(
                    f"einstein sum subscripts string includes output subscript {letter!r} twice"
                )
            if not any(letter in term for term in terms):
                raise ValueError(f"Output character {letter} did not appear in the input")
    else:
        every = "".join(terms)
        once = sorted(c for c in set(every) if every.count(c) == 1 and c not in dots)
        result = "".join(dots) + "".join(once)
    return terms, result


def _extents(terms, shapes):
    extents = {}
    for letters, shape in zip(terms, shapes, strict=True):
        for letter, extent in zip(letters, shape, strict=True):
            known = extents.get(letter, 1)
            if known != 1 and extent not in (1, known):
                raise ValueError(
                    f"operands could not be broadcast together: subscript {letter!r} is both "
                    f"{known} and {extent} long"
                )
            if known == 1:
                extents[letter] = extent
    return extents


def _single(x, letters, extents):
    """A term with repeated letters reduced to the diagonal, and broadcast axes dropped."""
    position = 0
    while position < len(letters):
        letter = letters[position]
        other = letters.find(letter, position + 1)
        if other >= 0:
            x = diagonal.traced(x, 0, position, other)
            letters = (
                letters[:position] + letters[position + 1 : other] + letters[other + 1 :] + letter
            )
        else:
            position += 1
    keep = [i for i, c in enumerate(letters) if x.shape[i] == extents[c] or x.shape[i] != 1]
    if len(keep) != len(letters):
        x = to_shape(x, tuple(x.shape[i] for i in keep))
        letters = "".join(letters[i] for i in keep)
    return Term(x, letters)


def _sum_out(term, needed):
    axes = tuple(i for i, c in enumerate(term.letters) if c not in needed)
    if not axes:
        return term
    letters = "".join(c for c in term.letters if c in needed)
    if term.x.dtype.kind == "b":
        return Term(any_of.traced(term.x, axes), letters)
    return Term(reduction.sum_(term.x, axes=axes), letters)


def _arranged(term, letters, shape):
    return to_shape(permute(term.x, [term.letters.index(c) for c in letters]), shape)


def _pair(a, b, needed, extents):
    """Two terms as one, with the letters that nothing else needs summed over."""
    a = _sum_out(a, needed | set(b.letters))
    b = _sum_out(b, needed | set(a.letters))
    shared = [c for c in a.letters if c in b.letters]
    batch = "".join(c for c in shared if c in needed)
    summed = "".join(c for c in shared if c not in needed)
    rows = "".join(c for c in a.letters if c not in shared)
    columns = "".join(c for c in b.letters if c not in shared)
    if not summed or (not rows and not columns):
        return _elementwise(a, b, batch, rows, columns, summed, extents)

    def sizes(letters):
        return tuple(extents[c] for c in letters)

    m, k, n = (math.prod(sizes(c)) for c in (rows, summed, columns))
    lead = sizes(batch)
    left = _matrices(a, batch, rows, summed, lead, m, k)
    right = _matrices(b, batch, summed, columns, lead, k, n)
    y = product(left, right)
    letters = batch + rows + columns
    return Term(to_shape(y, sizes(letters)), letters)


def _matrices(term, batch, first, second, lead, m, n):
    """The term as a stack of matrices, read transposed if that is how it lies in memory."""
    if term.letters == batch + second + first and first and second:
        y = to_shape(term.x, (*lead, n, m))
        ndim = len(lead)
        return permute(y, (*range(ndim), ndim + 1, ndim))
    return _arranged(term, batch + first + second, (*lead, m, n))


def _elementwise(a, b, batch, rows, columns, summed, extents):
    letters = batch + rows + columns + summed
    operands = []
    for term in (a, b):
        order = "".join(c for c in letters if c in term.letters)
        shape = tuple(extents[c] if c in term.letters else 1 for c in letters)
        operands.append(_arranged(term, order, shape))
    multiply = ew.logical_and if a.x.dtype.kind == "b" else ew.multiply
    return _sum_out(Term(multiply(*operands), letters), set(batch + rows + columns))


@surface(-2)
def einsum(
    subscripts, /, *operands, out=None, optimize=False, dtype=None, casting="safe", order="K"
):
    """See ``numpy.einsum``; three or more operands in the order of ``np.einsum_path``."""
    no_out(out)
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))
    values = promoted(*operands)
    if dtype is not None:
        values = [cast(v, check_dtype(dtype)) for v in values]
    shapes = [v.shape for v in values]
    terms, result = parse(subscripts, shapes)
    extents = _extents(terms, shapes)
    todo = [_single(v, t, extents) for v, t in zip(values, terms, strict=True)]
    for pair in _path(terms, result, shapes):
        chosen = [todo[i] for i in pair]
        todo = [t for i, t in enumerate(todo) if i not in pair]
        term = chosen[0]
        for position, other in enumerate(chosen[1:], 2):
            rest = todo + chosen[position:]
            needed = set(result).union(*[t.letters for t in rest])
            term = _pair(term, other, needed, extents)
        todo.append(term)
    term = _sum_out(todo[0], set(result))
    y = permute(term.x, [term.letters.index(c) for c in result if c in term.letters])
    shape = tuple(extents[c] for c in result)
    if y.shape != shape:
        spaced = tuple(extents[c] if c in term.letters else 1 for c in result)
        y = broadcast(to_shape(y, spaced), shape)
    return y


def _path(terms, result, shapes):
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    if len(terms) > 12:
        return [(0, 1)] * (len(terms) - 1)
    samples = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
    try:
        path, _ = np.einsum_path(f"{','.join(terms)}->{result}", *samples, optimize="greedy")
    except (ValueError, TypeError, MemoryError):
        return [(0, 1)] * (len(terms) - 1)
    return [tuple(step) for step in path[1:]]


def _from_lists(arguments):
    """The form ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as letters."""
    operands = [as_value(x) for x in arguments[: len(arguments) // 2 * 2 : 2]]
    lists = list(arguments[1::2])
    result = arguments[-1] if len(arguments) % 2 else None

    def letters(numbers):
        return "".join("..." if i is Ellipsis else _LETTERS[i] for i in numbers)

    spec = ",".join(map(letters, lists))
    return spec if result is None else f"{spec}->{letters(result)}", operands
