"""Seeds side by side: rows of :mod:`.seeded_rows` that lie in memory as columns.

A product with a sparse constant multiplies columns, one per seed, along a last axis; so lies a
Jacobian, whose derivatives are last. What follows such a product keeps the layout: rows are then a
transpose of columns (:func:`.seeded_rows.seeds_first`), and sums, slices and negations are made on
these.
"""

import numpy as np

from .graph import current_graph, element_count
from .primitives.base import broadcast, constant, zeros
from .primitives.elementwise import accumulate, multiply, negative
from .primitives.indexing import scatter_add
from .primitives.linalg import sparse_matmul, weighted_sparse_matmul
from .primitives.shaping import broadcast_to, concatenate, pad, reshape, slice_, slice_axis
from .seeded_rows import (
    Rows,
    batch_last,
    columns_of,
    filled,
    pieces_of,
    runs,
    seed_of,
    seeds_first,
    taken_rows,
    uniform_rows,
)

# Windows of which columns are put together at most; more are scattered.
_MOST_BLOCKS = 16

# Bytes of a product that have left the first cache when something is added to them.
_LARGE = 1 << 16

# How many times a product of all columns must cost more than those of windows.
_WINDOWS = 1.2

# Of the places of several sparse matrices: the share that is left when each is counted once, for
# their products to become one.
_COMMON = 0.7


def sliced_columns(columns, *, starts, stops, steps):
    """The slice of what the columns are of."""
    return slice_(
        columns, starts=(*starts, 0), stops=(*stops, columns.shape[-1]), steps=(*steps, 1)
    )


def added(values):
    """The sum of rows, as columns if some are."""
    if all(columns_of(value) is None for value in values):
        return accumulate(*values)
    return seeds_first(_sum_of_columns([batch_last(value) for value in values]))


def _sum_of_columns(terms):
    """The sum of columns: whole terms first, in one go, then those that are windows."""
    whole, windows = [], []
    while terms:
        term, *terms = terms
        node = term.node
        if node.primitive is accumulate:
            terms = [*node.operands, *terms]
        else:
            (windows if node.primitive is pad else whole).append(term)
    whole = _merged_products(whole)
    if len(whole) == 1 and whole[0].size * whole[0].dtype.itemsize > _LARGE:
        whole, windows = _with_equal_rows(whole[0], windows)
    if len(whole) > 1 and windows:
        whole = [accumulate(*whole)]
    return accumulate(*whole, *windows)


def _merged_products(terms):
    """Terms of which those that weight the rows of sparse products with one array are one product.

    If their matrices have enough places in common.
    """
    by_source, rest = {}, []
    for term in terms:
        found = _weighted_product(term)
        if found is None:
            rest.append(term)
        else:
            by_source.setdefault(found[0], []).append((term, *found[1:]))
    for source, group in by_source.items():
        matrices = tuple(matrix for _, _, found in group for matrix in found)
        weights = [weight for _, found, _ in group for weight in found]
        places = np.concatenate([m.rows * m.shape[1] + m.columns for m in matrices])
        if len(group) > 1 and len(np.unique(places)) < _COMMON * places.size:
            rest.append(weighted_sparse_matmul(source, *weights, matrices=matrices))
        else:
            rest += [term for term, _, _ in group]
    return rest


def _with_equal_rows(product, windows):
    """A sparse product takes in windows whose rows are all equal: one more row, times ones."""
    equal = []
    if product.node.primitive is not sparse_matmul:
        return [product], windows
    (source,) = product.node.operands
    for window in windows:
        (inner,) = window.node.operands
        repeated = inner.node.primitive is broadcast_to
        row = inner.node.operands[0] if repeated else None
        if repeated and (row.ndim < inner.ndim or row.shape[0] == 1):
            equal.append((window, broadcast(row, (1, *inner.shape[1:]))))
    if not equal:
        return [product], windows
    k, none = source.shape[0], (0,) * source.ndim
    taller = []
    for part in _summands(source):
        attributes = {"lows": none, "highs": none, "interiors": none}
        if part.node.primitive is pad:
            (part,), attributes = part.node.operands, part.node.attributes
        highs = (attributes["highs"][0] + 1, *attributes["highs"][1:])
        taller.append(pad(part, **(attributes | {"highs": highs})))
    for window, row in equal:
        attributes = window.node.attributes
        lows = (attributes["lows"][0] + k, *attributes["lows"][1:])
        taller.append(pad(row, **(attributes | {"lows": lows})))
    matrix = product.node.attributes["matrix"].with_ones()
    taken = {window for window, _ in equal}
    return (
        [sparse_matmul(in_lines(accumulate(*taller)), matrix=matrix)],
        [window for window in windows if window not in taken],
    )


def _weighted_product(term):
    """Of columns that are a weighted sparse product: of what, weights and matrices; else None."""
    node = term.node
    if node.primitive is weighted_sparse_matmul:
        source, *weights = node.operands
        return source, weights, node.attributes["matrices"]
    if node.primitive is not multiply or term.dtype.kind != "f":
        return None
    for columns, weight in (node.operands, node.operands[::-1]):
        if weight.size != weight.shape[0] or weight.shape[0] != columns.shape[0]:
            continue
        inner, window = columns.node, None
        if inner.primitive is slice_:
            window, (whole,) = inner.attributes, inner.operands
            if inner.outputs[0].shape[1:] != whole.shape[1:]:
                continue
            inner = whole.node
        if inner.primitive is sparse_matmul and weight.ndim == columns.ndim:
            matrix = inner.attributes["matrix"]
            if window is not None:
                matrix = matrix.taken(*(window[key][0] for key in ("starts", "stops", "steps")))
            return inner.operands[0], [reshape(weight, shape=(weight.size,))], (matrix,)
    return None


def added_rows(parts, slots):
    """The sum of parts of which one is of columns for all rows: the others are added in place."""
    for k, rows in enumerate(parts):
        columns = columns_of(rows.value)
        if columns is None or [terms[0] for _, terms in slots] != [
            (k, r) for r in range(rows.count)
        ]:
            continue
        summands, zero = [columns], (0,) * rows.value.ndim
        for other, part in enumerate(parts):
            if other == k:
                continue
            to = {r: row for row, (_, terms) in enumerate(slots) for p, r in terms if p == other}
            for start, end in runs([to[r] for r in range(part.count)]):
                low = to[start]
                window = batch_last(taken_rows(part.value, range(start, end)))
                summands.append(
                    pad(
                        window,
                        lows=(*zero[1:], low),
                        highs=(*zero[1:], rows.count - low - (end - start)),
                        interiors=zero,
                    )
                )
        return Rows(seeds_first(_sum_of_columns(summands)), rows.seeds)
    return None


def seed_columns(rows, seeds):
    """Rows as columns along a last axis, one per seed of an increasing array."""
    shape, count = rows.value.shape[1:], len(seeds)
    same = uniform_rows(rows)
    whole, mixed = (
        Rows(taken_rows(rows.value, chosen), rows.seeds[chosen]) if chosen.size else None
        for chosen in (np.flatnonzero(same), np.flatnonzero(~same))
    )
    blocks = [] if whole is None else [(filled(whole), 0, shape[0])]
    pieces = [] if mixed is None else pieces_of(mixed, 1)
    if len(pieces) <= _MOST_BLOCKS and all(part.uniform for part, _, _ in pieces):
        blocks, mixed = blocks + pieces, None
    windows = []
    for part, start, end in blocks:
        at = np.searchsorted(seeds, seed_of(part))
        for first, last in runs(at):
            low = int(at[first])
            high = count - low - (last - first)
            windows.append(
                pad(
                    batch_last(taken_rows(part.value, range(first, last))),
                    lows=(start, *[0] * (len(shape) - 1), low),
                    highs=(shape[0] - end, *[0] * (len(shape) - 1), high),
                    interiors=(0,) * (len(shape) + 1),
                )
            )
    columns = accumulate(*windows) if windows else zeros((*shape, count), rows.value.dtype)
    if mixed is None:
        return in_lines(columns)
    size = columns.size
    places = np.arange(element_count(shape)).reshape(shape) * count
    # Elements that are zero go behind the end.
    positions = np.where(mixed.seeds < 0, size, places + np.searchsorted(seeds, mixed.seeds))
    flat = scatter_add(
        zeros((1, size + 1, 1), columns.dtype),
        constant(positions.reshape(-1)),
        reshape(mixed.value, shape=(1, mixed.value.size, 1)),
    )
    scattered = reshape(slice_axis(flat, 1, 0, size), shape=columns.shape)
    return accumulate(columns, scattered) if windows else scattered


def in_lines(columns):
    """The columns where rows of them begin at multiples of 64 bytes, which products like."""
    rows, width = columns.shape[0], columns.size // columns.shape[0]
    gap = -width % (64 // columns.dtype.itemsize)
    if gap == 0 or width * columns.dtype.itemsize < 64:
        return columns
    flat = reshape(columns, shape=(rows, width))
    flat = pad(flat, lows=(0, 0), highs=(0, gap), interiors=(0, 0))
    result = reshape(slice_axis(flat, 1, 0, width), shape=columns.shape)
    current_graph().table.setdefault("lines", {})[result] = columns
    return result


def _summands(columns):
    """What columns that a product reads are the sum of, without what fills up their lines."""
    columns = current_graph().table.get("lines", {}).get(columns, columns)
    return columns.node.operands if columns.node.primitive is accumulate else (columns,)


def by_windows(columns):
    """Columns of which sparse products with what is mostly zeros are made window by window.

    Asked last, of what an output is: products that are weighted, or that others are added to, stay
    whole until then.
    """
    parts = _windows_of(columns)
    return columns if parts == [columns] else accumulate(*parts)


def _windows_of(columns):
    """What columns are the sum of: windows, where that costs less."""
    node = columns.node
    if node.primitive is accumulate:
        return [term for part in node.operands for term in _windows_of(part)]
    if node.primitive is not sparse_matmul:
        return [columns]
    (source,), matrix = node.operands, node.attributes["matrix"]
    parts = _summands(source)
    if any(part.node.primitive is not pad for part in parts):
        return [columns]
    m, (k, *rest) = matrix.shape[0], source.shape
    vectors = -(-element_count(rest) // 8)
    # In cycles, as sparse products are chosen: of the whole also what makes it of its windows.
    whole, pieces = (matrix.values.size + 2 * k) * vectors + 4 * m, m * vectors
    matrices = []
    for part in parts:
        (inner,), attributes = part.node.operands, part.node.attributes
        some = matrix.columns_taken(attributes["lows"][0], k - attributes["highs"][0])
        made = np.unique(some.rows).size
        pieces += (some.values.size + inner.shape[0]) * _vectors(inner.shape) + 4 * made
        matrices.append(some)
    if _WINDOWS * pieces >= whole:
        return [columns]
    windows = []
    for part, some in zip(parts, matrices, strict=True):
        attributes = dict(part.node.attributes)
        for side in ("lows", "highs"):
            attributes[side] = (0, *attributes[side][1:])
        windows.append(pad(sparse_matmul(part.node.operands[0], matrix=some), **attributes))
    return windows


def _vectors(shape):
    """Vectors of a row of columns, of which the last axis does not lie next to the others."""
    return element_count(shape[1:-1]) * -(-shape[-1] // 8)


def scaled_columns(rows, matrix):
    """A product in which every row of the operand has a seed of its own: the matrix, scaled."""
    (count, k), rest = rows.value.shape[:2], rows.value.shape[2:]
    m = matrix.shape[0]
    columns = constant(matrix.dense().T.reshape(1, k, m, *[1] * len(rest)))
    scales = reshape(rows.value, shape=(count, k, 1, *rest))
    value = reshape(multiply(columns, scales), shape=(count * k, m, *rest))
    return Rows(value, rows.seeds.reshape(-1, *[1] * (value.ndim - 1)))


def negated(value):
    """The value times -1, part by part: what puts the parts together can then take it in."""
    node, columns = value.node, columns_of(value)
    if columns is not None:
        return seeds_first(_negated_columns(columns))
    if node.primitive is concatenate and node.attributes["axis"] == 0:
        return concatenate(*[negated(part) for part in node.operands], axis=0)
    return negative(value)


def _negated_columns(columns):
    node = columns.node
    if node.primitive is sparse_matmul:
        return sparse_matmul(*node.operands, matrix=node.attributes["matrix"].negated)
    if node.primitive is weighted_sparse_matmul:
        matrices = tuple(matrix.negated for matrix in node.attributes["matrices"])
        return weighted_sparse_matmul(*node.operands, matrices=matrices)
    if node.primitive is pad:
        return pad(negative(node.operands[0]), **node.attributes)
    if node.primitive is accumulate:
        return accumulate(*[_negated_columns(part) for part in node.operands])
    if node.primitive is multiply:
        small, large = sorted(node.operands, key=lambda operand: operand.size)
        if 4 * small.size < large.size:
            return multiply(large, negative(small))
    return negative(columns)
