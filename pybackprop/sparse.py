"""Sparse Jacobians: pattern and colouring once per compilation, a few products per call.

The graph of the function is cut twice. Before the first arithmetic lies what only moves elements of
the arguments (slices, reshapes, gathers at known positions); after the last lies what only moves,
or adds up, elements of results (:mod:`.separation`). What is between, the core, has a Jacobian with
more columns than the whole, and so with fewer conflicts between rows: each row of ``x[1:] -
x[:-1]`` reads elements of its own, and so does each of a million observations that gather their
parameters. Rows of the core that share no column get one colour, and one reverse sweep gives them
all; a batch of independent blocks needs one sweep per row of a block, or per column of one. Where
colouring the columns of the whole Jacobian takes fewer forward sweeps, these are taken. One gather,
or one scatter where several entries of the core add up, puts the products in the order of
``scipy.sparse``'s CSR format.

References
----------
Griewank, A. and Toint, Ph. L. (1982). On the unconstrained optimization of partially separable
functions. In Nonlinear Optimization 1981, Academic Press. Griewank, A. and Walther, A. (2008).
Evaluating Derivatives, 2nd ed., SIAM, chapters 7 and 8. Further references in :mod:`.colouring`.
"""

from collections import OrderedDict

import numpy as np

from ._core import flatten
from .api import grad
from .api.recording import named_after, operands_of, regroup, selected_leaves, trace_for
from .compiled import Compiled, as_plain
from .compressed import choose
from .differentiate import inline
from .errors import DifferentiationError, TraceError
from .graph import current_graph, describe, open_graph
from .pattern import require_scipy
from .primitives.base import constant, is_floating, zeros
from .primitives.elementwise import convert
from .primitives.indexing import gather, scatter_add
from .primitives.shaping import concatenate, reshape
from .separation import position_graph
from .trace import contains_value

_MOST_PLANS = 16


class SparseJacobian:
    """A function's sparse Jacobian, planned and compiled at the first call per kind of arguments.

    Made by ``bp.jacobian(function, sparse=True)`` and ``bp.hessian(function, sparse=True)``.
    Arguments that positions are computed from (the indices of ``cameras[indices]``) belong to the
    kind: for other contents a new plan is made.

    Parameters
    ----------
    function : callable
    argnums : int or tuple of int
    mode : {"auto", "forward", "reverse"}
    order : {1, 2}
        2 for the Hessian of a scalar function.
    **options
        As for :func:`pybackprop.compile`.
    """

    def __init__(self, function, argnums=0, mode="auto", order=1, **options):
        self.arguments = (function, argnums, mode, order, options)
        self.function = function if order == 1 else grad(function, argnums).function
        self.argnums = argnums
        self.mode = mode
        self.options = options
        static = options.get("static_argnums", ())
        self.static = frozenset((static,) if isinstance(static, int) else tuple(static))
        self.plans = OrderedDict()
        named_after(self, function, "jacobian" if order == 1 else "hessian")
        Compiled(function, **options)  # Refuses wrong options now.

    def __repr__(self):
        return f"<SparseJacobian {self.__name__}, {sum(map(len, self.plans.values()))} plans>"

    def __call__(self, *args, **kwargs):
        """The Jacobian.

        Returns
        -------
        scipy.sparse.csr_array
            Per output leaf, per argument leaf, of shape (output.size, argument.size). Its index
            arrays are shared by all results and read-only; ``copy()`` it to change its structure.
        """
        plan = self.lower(*args, **kwargs)
        return plan.assemble(plan.compiled(*args, **kwargs))

    def lower(self, *args, **kwargs):
        """Plan and compile for arguments without running.

        Returns
        -------
        Plan
        """
        signature, leaves = flatten(args, kwargs, self.static)
        if current_graph() is not None and contains_value(leaves):
            raise TraceError(
                f"{self.__name__} returns SciPy matrices, which cannot be traced; inside another "
                "traced function use sparse=False"
            )
        plans = self.plans.get(signature)
        if plans is None:
            require_scipy()
            plans = self.plans[signature] = []
            if len(self.plans) > _MOST_PLANS:
                self.plans.popitem(last=False)
        for plan in plans:
            if plan.fits(signature, leaves):
                return plan
        plan = Plan(self, args, kwargs)
        plans.insert(0, plan)
        del plans[_MOST_PLANS:]
        return plan

    def __reduce__(self):
        return _make, self.arguments


def _make(function, argnums, mode, order, options):
    return SparseJacobian(function, argnums, mode, order, **options)


class Plan:
    """What is found once: pattern, colouring, and the compiled function for the entries.

    Attributes
    ----------
    mode : {"forward", "reverse"}
        Whether columns or rows were coloured.
    colours : int
        Sweeps per call.
    blocks : list of list of tuple
        Per output leaf, per argument leaf, ``(start, stop, matrix)``: where its entries are among
        those of the output leaf, and a matrix with its indices.
    compiled : Compiled
        Returns the entries, one vector per output leaf.
    """

    def __init__(self, owner, args, kwargs):
        self.signature, leaves = flatten(args, kwargs, owner.static)
        plain_args, plain_kwargs = self.signature.unflatten([as_plain(leaf) for leaf in leaves])
        self.signature, leaves = flatten(plain_args, plain_kwargs, owner.static)
        self._leaves = leaves
        self.index_leaves = []
        self.compiled = Compiled(
            named_after(lambda *a, **k: self._record(owner, a, k), owner.function, "jacobian"),
            **owner.options,
        )
        self.compiled.lower(*plain_args, **plain_kwargs)
        del self._leaves

    def fits(self, signature, leaves):
        """Whether positions that are arguments are those of the plan."""
        if not self.index_leaves:
            return True
        leaves = self.signature.collect(*signature.unflatten(leaves))
        return all(np.array_equal(leaves[number], array) for number, array in self.index_leaves)

    @property
    def patterns(self):
        """Per output leaf, per argument leaf, a matrix of ones."""
        return [[block[2].copy() for block in row] for row in self.blocks]

    def assemble(self, vectors):
        """Matrices in the structure of the result."""
        rows = []
        for vector, row in zip(vectors, self.blocks, strict=True):
            rows.append([_with_data(pattern, vector[a:b]) for a, b, pattern in row])
        if self._plain:
            return rows[0][0]
        rows = [regroup(row, self._trees, self._single) for row in rows]
        return self._out_tree.unflatten(
            [rows[x] if kind == "value" else x for kind, x in self._out_kinds]
        )

    # ---- planning -----------------------------------------------------------------------------

    def _record(self, owner, args, kwargs):
        """Record the function that computes the entries."""
        chosen, self._trees, self._single = selected_leaves(owner.argnums, args)
        traced, wrt = trace_for(owner.function, args, kwargs, chosen)
        self._out_tree, self._out_kinds = traced.out_tree, traced.out_kinds
        self._plain = traced.out_kinds == [("value", 0)] and self._single and len(wrt) == 1
        self._plain = self._plain and traced.rebuild([None]) is None
        self._plain = self._plain and regroup([0], self._trees, True) == 0
        with open_graph("function", current_graph().rewrites) as graph:
            inputs = [graph.add_input(v.shape, v.dtype, v.weak) for v in traced.graph.inputs]
            graph.close(inline(traced.graph, inputs))
        for output in graph.outputs:
            if output.dtype.kind == "c":
                raise DifferentiationError(
                    f"the function returned {describe(output)}: sparse Jacobians are of real "
                    "functions; leave sparse=True out"
                )
            if not is_floating(output):
                raise DifferentiationError(
                    f"the function returned {describe(output)}, which has no derivative"
                )
        operands = operands_of(traced)
        known = self._known(graph, wrt, operands)
        choice = choose(graph, wrt, known, owner.mode)
        self.mode, self.colours = choice.mode, choice.count
        pieces, entries = choice.record(operands)
        return self._entries(choice.separation, pieces, *entries)

    def _known(self, graph, wrt, operands):
        """Positions of gathers that are computed from arguments that are not differentiated."""
        positions, part, used = position_graph(graph, [graph.inputs[i] for i in wrt])
        if not positions:
            return {}
        arrays = []
        outers = dict(zip(graph.inputs, operands, strict=True))
        for value in used:
            outer = outers[value]
            number = outer.node.attributes["position"]
            array = np.array(self._leaves[number])
            self.index_leaves.append((number, array))
            arrays.append(self._leaves[number])
        found = Compiled(lambda *values: tuple(inline(part, values)))(*arrays)
        return dict(zip(positions, found, strict=True))

    def _entries(self, separation, pieces, rows, columns, places):
        """Record the vectors of entries, and make the matrices that they belong to.

        Parameters
        ----------
        separation : Separation
        pieces : list of Value
            The products.
        rows, columns, places : (n,) int64
            Summands: where in the Jacobian, and where among the elements of ``pieces``, -1 where
            known to be zero.
        """
        live = places >= 0
        rows, columns, places = rows[live], columns[live], places[live]
        row_starts = np.cumsum([0, *[v.size for v in separation.graph.outputs]])
        column_starts = np.cumsum([0, *[v.size for v in separation.wrt]])
        order, numbers, firsts = _group(rows, columns, row_starts, column_starts)
        rows, columns, places = rows[order], columns[order], places[order]
        products = _joined(pieces)
        self.blocks, vectors = [], []
        entry_rows, entry_columns = rows[firsts], columns[firsts]
        for o, output in enumerate(separation.graph.outputs):
            low, high = np.searchsorted(entry_rows, row_starts[o : o + 2])
            row, start = [], 0
            for a, value in enumerate(separation.wrt):
                part = entry_columns[low:high]
                mine = (
                    np.flatnonzero((part >= column_starts[a]) & (part < column_starts[a + 1])) + low
                )
                stop = start + mine.size
                row.append((start, stop, _pattern(
                    entry_rows[mine] - row_starts[o], entry_columns[mine] - column_starts[a],
                    (output.size, value.size), output.dtype,
                )))  # fmt: skip
                start = stop
            self.blocks.append(row)
            first, last = np.searchsorted(rows, row_starts[o : o + 2])
            local = numbers[first:last] - (numbers[first] if first < last else 0)
            vectors.append(
                _collect(products, places[first:last], local, int(high - low), output.dtype)
            )
        return tuple(vectors)


def _group(rows, columns, row_starts, column_starts):
    """Order of entries by output leaf, argument leaf, row and column, and which are the same entry.

    Returns
    -------
    order : (n,) int64
    numbers : (n,) int64
        Per entry in order the number of the distinct entry.
    firsts : (m,) int64
        Per distinct entry the first in order.
    """
    keys = [columns, rows]
    if len(column_starts) > 2:
        keys.append(np.searchsorted(column_starts, columns, side="right"))
    if len(row_starts) > 2:
        keys.append(np.searchsorted(row_starts, rows, side="right"))
    order = np.lexsort(keys)
    if not order.size:
        return order, order, order
    new = np.ones(order.size, bool)
    new[1:] = (np.diff(rows[order]) != 0) | (np.diff(columns[order]) != 0)
    return order, np.cumsum(new) - 1, np.flatnonzero(new)


def _pattern(rows, columns, shape, dtype):
    """A matrix with the given entries, sorted; its index arrays cannot be written to."""
    sparse = require_scipy()
    kind = np.int32 if max(*shape, rows.size) < 2**31 else np.int64
    indptr = np.zeros(shape[0] + 1, kind)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
    result = sparse.csr_array(
        (np.ones(rows.size, dtype), columns.astype(kind), indptr), shape=shape
    )
    result.has_sorted_indices = True
    result.has_canonical_format = True
    result.indices.flags.writeable = False
    result.indptr.flags.writeable = False
    return result


def _with_data(pattern, data):
    """A matrix with other entries and the same index arrays."""
    result = object.__new__(type(pattern))
    # Not by the constructor, which looks at all indices.
    result.__dict__.update(pattern.__dict__)
    result.data = data
    return result


def _joined(pieces):
    """All elements of the products as one vector."""
    if not pieces:
        return None
    dtype = np.result_type(*[piece.dtype for piece in pieces])
    flat = []
    for piece in pieces:
        piece = piece if piece.dtype == dtype else convert(piece, dtype=dtype)
        flat.append(reshape(piece, shape=(piece.size,)))
    return flat[0] if len(flat) == 1 else concatenate(*flat, axis=0)


def _collect(products, places, numbers, count, dtype):
    """Record the entries of one output leaf.

    Parameters
    ----------
    products : Value
        All products, one vector.
    places : (n,) int64
        Where in it each summand is.
    numbers : (n,) int64
        Which entry it belongs to; ascending.
    count : int
        Number of entries.
    dtype : numpy.dtype
    """
    if not count:
        return zeros((0,), dtype)
    first = np.ones(numbers.size, bool)
    first[1:] = np.diff(numbers) > 0
    found = _picked(products, places[first])
    if numbers.size != count:
        more = _picked(products, places[~first])
        found = scatter_add(found, constant(numbers[~first]), more)
    found = reshape(found, shape=(count,))
    return found if found.dtype == dtype else convert(found, dtype=dtype)


def _picked(products, places):
    """Elements of a vector, in the shape that scatters want."""
    if places.size == products.size and np.array_equal(places, np.arange(places.size)):
        return reshape(products, shape=(1, places.size, 1))
    return gather(reshape(products, shape=(1, products.size, 1)), constant(places))
