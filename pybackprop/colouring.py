"""Colouring of sparse patterns: columns that share no row are found by one product.

A product of a Jacobian with a 0/1 vector adds columns up. If no row has entries in two of them,
every entry can be read off the sum (Curtis, Powell and Reid, 1974). The fewest such groups are the
fewest colours of a graph (Coleman and Moré, 1983), which is hard to find, so several cheap attempts
are made. No colouring has fewer colours than the fullest row has entries, and the first that
reaches this bound is taken. Rows are coloured as the columns of the transposed pattern.

References
----------
Curtis, A. R., Powell, M. J. D. and Reid, J. K. (1974). On the estimation of sparse Jacobian
matrices. IMA J. Appl. Math. 13, 117-119. Coleman, T. F. and Moré, J. J. (1983). Estimation of
sparse Jacobian matrices and graph coloring problems. SIAM J. Numer. Anal. 20, 187-209. Matula, D.
W. and Beck, L. L. (1983). Smallest-last ordering and clustering and graph coloring algorithms. J.
ACM 30. Gebremedhin, A. H., Manne, F. and Pothen, A. (2005). What color is your Jacobian? SIAM
Review 47, section 3.
"""

import itertools

import numpy as np

# Pairs of columns in one row up to which the graph of such pairs is made, for the smallest-last
# order.
_MOST_PAIRS = 1_000_000
_MOST_LATTICE = 32


def fewest_colours(indptr):
    """Lower bound on the colours of the columns: entries of the fullest row.

    Parameters
    ----------
    indptr : (n_rows + 1,) int
        Row starts.
    """
    return int(np.diff(indptr).max(initial=0))


def colour_columns(pattern, candidates=()):
    """Colours of columns such that no row has two entries of one colour.

    Parameters
    ----------
    pattern : scipy.sparse.csr_array
        Its values do not matter.
    candidates : iterable of (n_columns,) int
        Colourings guessed from structure. They are verified, at a few nanoseconds per entry, and
        taken if none can have fewer colours.

    Returns
    -------
    colours : (n_columns,) int64
        -1 for columns without entries.
    count : int
    """
    bound = fewest_colours(pattern.indptr)
    used = np.zeros(pattern.shape[1], bool)
    used[pattern.indices] = True
    if bound <= 1:
        return np.where(used, 0, -1), bound
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    best, fewest = None, None
    for candidate in candidates:
        colours, count = _compact(candidate, used)
        if (fewest is None or count < fewest) and is_valid(rows, pattern.indices, colours, count):
            best, fewest = colours, count
            if count == bound:
                return best, fewest
    for order in _orders(pattern, used):
        colours, count = _greedy(pattern, order)
        if fewest is None or count < fewest:
            best, fewest = colours, count
        if fewest == bound:
            break
    return best, fewest


def is_valid(rows, columns, colours, count):
    """Whether no row has two entries of one colour.

    Parameters
    ----------
    rows, columns : (n_entries,) int
    colours : (n_columns,) int
    count : int
        Number of colours.
    """
    if not rows.size:
        return True
    keys = rows * np.int64(count) + colours[columns]
    extent = int(rows[-1] + 1) * count
    if extent <= 8 * keys.size + 65536:
        return int(np.bincount(keys, minlength=1).max()) <= 1
    return np.unique(keys).size == keys.size


def lattice_candidates(shapes, count):
    """Colourings ``(a i + b j + ...) mod count`` of grids, which fit stencils and bands.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the arrays whose elements are the columns, one after another.
    count : int
        Number of colours.

    Yields
    ------
    (n_columns,) int64
    """
    ndim = max(map(len, shapes), default=0)
    if not 1 < count <= _MOST_LATTICE or not 1 <= ndim <= 3:
        return
    for steps in itertools.product(range(1, count), repeat=ndim - 1):
        parts = []
        for shape in shapes:
            value = np.zeros(shape, np.int64)
            for axis, step in zip(range(len(shape)), (*steps, 1)[ndim - len(shape) :], strict=True):
                lead = (1,) * axis + (-1,) + (1,) * (len(shape) - axis - 1)
                value += step * np.arange(shape[axis]).reshape(lead)
            parts.append(value.ravel() % count)
        yield np.concatenate(parts)


def block_candidates(shapes):
    """Colourings by blocks of rows: elements that differ in the leading axis only share a colour.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the arrays whose elements are coloured, one after another.

    Yields
    ------
    (n,) int64
        First one colour per array; then colours by trailing position, shared between the arrays;
        then of its own for each array.
    """
    sizes = [int(np.prod(shape)) for shape in shapes]
    inner = [int(np.prod(shape[1:])) for shape in shapes]
    if len(shapes) > 1:
        yield np.repeat(np.arange(len(shapes)), sizes)
    if not shapes or all(n == 1 for n in inner):
        return
    local = [np.arange(size) % max(n, 1) for size, n in zip(sizes, inner, strict=True)]
    yield np.concatenate(local)
    if len(shapes) > 1:
        starts = np.cumsum([0, *inner])
        yield np.concatenate([part + start for part, start in zip(local, starts, strict=False)])


def _compact(candidate, used):
    """A candidate with colours 0, 1, ... on the used columns and -1 on the rest."""
    colours = np.full(used.size, -1, np.int64)
    present, numbers = np.unique(candidate[used], return_inverse=True)
    colours[used] = numbers
    return colours, int(present.size)


def _orders(pattern, used):
    """Orders in which to colour: as they come, fullest first, smallest last."""
    columns = np.flatnonzero(used)
    yield columns
    # An upper bound on the neighbours of a column: the other entries of its rows.
    lengths = np.diff(pattern.indptr)
    weights = np.bincount(
        pattern.indices, np.repeat(lengths - 1, lengths), minlength=pattern.shape[1]
    )
    yield columns[np.argsort(-weights[columns], kind="stable")]
    if float((lengths.astype(float) ** 2).sum()) <= _MOST_PAIRS:
        yield _smallest_last(pattern, columns)


def _greedy(pattern, order):
    """Each column takes the lowest colour that no column of its rows has.

    A row's colours are the bits of one integer, so the work is linear in the entries.
    """
    by_column = pattern.tocsc()
    starts, rows = by_column.indptr.tolist(), by_column.indices.tolist()
    taken = [0] * pattern.shape[0]
    colours = np.full(pattern.shape[1], -1, np.int64)
    count = 0
    for j in order.tolist():
        mine = rows[starts[j] : starts[j + 1]]
        seen = 0
        for row in mine:
            seen |= taken[row]
        bit = ~seen & (seen + 1)
        for row in mine:
            taken[row] |= bit
        colour = bit.bit_length() - 1
        colours[j] = colour
        count = max(count, colour + 1)
    return colours, count


def _smallest_last(pattern, columns):
    """Repeatedly put last the column with the fewest neighbours among those left."""
    from scipy import sparse

    ones = sparse.csr_array(
        (np.ones(pattern.nnz, np.int32), pattern.indices, pattern.indptr), shape=pattern.shape
    )
    graph = (ones.T @ ones).tocsr()
    starts, neighbours = graph.indptr.tolist(), graph.indices.tolist()
    degree = np.diff(graph.indptr).tolist()
    buckets = [[] for _ in range(max(degree, default=0) + 1)]
    for j in reversed(columns.tolist()):
        buckets[degree[j]].append(j)
    placed = [False] * len(degree)
    order, lowest = [], 0
    while len(order) < columns.size:
        while not buckets[lowest]:
            lowest += 1
        j = buckets[lowest].pop()
        if placed[j] or degree[j] != lowest:
            continue
        placed[j] = True
        order.append(j)
        for other in neighbours[starts[j] : starts[j + 1]]:
            if not placed[other]:
                degree[other] -= 1
                buckets[degree[other]].append(other)
        lowest = max(lowest - 1, 0)
    order.reverse()
    return np.array(order, np.int64)
