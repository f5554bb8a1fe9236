"""Nodes with a kernel of their own: products, indices, cumulative sums, sorting, transforms."""

from ..graph import element_count
from .instruction import ACC, REVERSE
from .layout import collapse, contiguous_strides, cut_rows
from .reuse import taken_over
from .views import is_zero


class Kernels:
    """The part of :class:`~.emit.Lowering` that lowers to kernels for one purpose."""

    def matmul(self, node):
        """A stack of matrix products."""
        (value,) = node.outputs
        a, b = (self.ref(o) for o in node.operands)
        attributes = node.attributes
        if attributes["transpose_a"]:
            a = a.transposed((*range(value.ndim - 2), value.ndim - 1, value.ndim - 2))
        if attributes["transpose_b"]:
            b = b.transposed((*range(value.ndim - 2), value.ndim - 1, value.ndim - 2))
        self.produce(value, lambda place, adding: self.matmul_refs(place, a, b, adding), adds=True)

    def matmul_refs(self, place, a, b, adding):
        """MATMUL over refs."""
        if 0 in place.shape:
            return
        item = place.dtype.itemsize
        m, n = place.shape[-2:]
        k = a.shape[-1]
        refs = [place, a, b]
        for i in (1, 2):
            if any(s % item for s in refs[i].strides):
                refs[i] = self.contiguous(refs[i])
        lead = place.shape[:-2]
        extents, steps = collapse(lead, [r.strides[:-2] for r in refs])
        c_row, c_col = place.strides[-2:]
        by_lines = c_row == item or c_col == item or m == 1 or n == 1
        if len(extents) > 1 and by_lines:
            parts = cut_rows(refs, sum(r.size for r in refs[1:] if not r.is_contiguous()))
            for part in parts or ():
                self.matmul_refs(*part, adding)
            if parts:
                return
        if len(extents) > 1 or not by_lines:
            temporary = self.temporary(place.shape, place.dtype)
            factors = refs[1:]
            if len(extents) > 1:
                factors = [r if r.is_contiguous() else self.contiguous(r) for r in factors]
            self.matmul_refs(temporary, *factors, False)
            self.copy(place, temporary, add=adding)
            return
        if n == 1 and c_row != item:
            c_col = item
        if m == 1 and c_col != item:
            c_row = item
        strides = [c_row, c_col, *refs[1].strides[-2:], *refs[2].strides[-2:]]
        params = [m, n, k] + [s // item for s in strides]
        params.append(extents[0] if extents else 1)
        params += [s[0] // item if extents else 0 for s in steps]
        self.emit("MATMUL", *refs, flags=ACC if adding else 0, params=params)

    def sparse_matmul(self, node):
        """A product with a sparse constant matrix."""
        (value,), (operand,) = node.outputs, node.operands
        matrix = node.attributes["matrix"]
        a, b = self.constant(matrix.values.astype(value.dtype)), self.constant(matrix.pattern())
        c = self.ref(operand)
        self.produce(value, lambda place, _: self._sparse_refs(place, a, b, c))

    def weighted_sparse_matmul(self, node):
        """A product with a sum of weighted sparse constant matrices, which is made first."""
        from ..primitives.linalg import common_rows

        (value,), (operand, *weights) = node.outputs, node.operands
        pattern, constants = common_rows(node.attributes["matrices"])
        a = self.temporary(constants[0].shape, value.dtype)
        for number, (weight, constant) in enumerate(zip(weights, constants, strict=True)):
            factors = [
                self.constant(constant.astype(value.dtype)),
                self.ref(weight).reshaped((*weight.shape, 1)),
            ]
            self.map_refs("FMA" if number else "MUL", a, *factors, *[a] * (number > 0))
        b, c = self.constant(pattern), self.ref(operand)
        self.produce(value, lambda place, _: self._sparse_refs(place, a, b, c))

    def _sparse_refs(self, place, a, b, c):
        """SPARSE_MATMUL over refs."""
        if 0 in place.shape:
            return
        layout = _columns_in_groups(place, c)
        if layout is None:
            c = self.contiguous(c)
            layout = _columns_in_groups(place, c)
        if layout is None:
            temporary = self.temporary(place.shape, place.dtype)
            self._sparse_refs(temporary, a, b, c)
            self.copy(place, temporary)
            return
        groups, n, d_group, c_group = layout
        item = place.dtype.itemsize
        params = [
            place.shape[0], c.shape[0], a.size, groups, n,
            place.strides[0] // item, d_group, c.strides[0] // item, c_group,
        ]  # fmt: skip
        self.emit("SPARSE_MATMUL", place, a, b, c, params=params)

    def linalg(self, op, node, operands, sizes, mode=0):
        """Linear algebra on batches of matrices."""
        from .linalg import lower_linalg

        lower_linalg(self, op, node, operands, sizes, mode)

    def wrap(self, node):
        """Positions checked against a bound."""
        (value,), (operand,) = node.outputs, node.operands
        source = self.contiguous(self.ref(operand))
        params = [value.size, node.attributes["bound"]]
        self.produce(
            value,
            lambda place, adding: self.emit("WRAP", place, source, params=params),
            contiguous=True,
        )

    def gather(self, node):
        """Elements read at positions."""
        (value,) = node.outputs
        x, positions = node.operands
        a, b = self.contiguous(self.bytes_of(x)), self.contiguous(self.ref(positions))
        params = _index_params(x.shape, positions)
        self.produce(
            value,
            lambda place, adding: (
                self.emit("GATHER", place, a, b, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def scatter(self, op, node):
        """Updates written or added at positions."""
        (value,) = node.outputs
        x, positions, updates = node.operands
        b = self.contiguous(self.ref(positions))
        a = self.contiguous(self.bytes_of(updates))
        params = _index_params(x.shape, positions)
        base_is_zero = is_zero(x)
        place = None if base_is_zero else taken_over(self, x, node, None)
        if place is not None and a.root is not place.root and b.root is not place.root:
            self.refs[value] = place
            if updates.size:
                self.emit(op, place, a, b, params=params)
            return

        def emit(place, adding):
            if adding:
                if not base_is_zero:
                    self.copy(place, self.bytes_of(x), add=True)
            elif base_is_zero:
                self.zero(place)
            else:
                self.copy(place, self.bytes_of(x))
            if updates.size:
                self.emit(op, place, a, b, params=params)

        self.produce(value, emit, adds=op == "SCATTER_ADD", contiguous=True)

    def cumulate(self, op, node):
        """A cumulative sum or product along one axis."""
        (value,), (operand,) = node.outputs, node.operands
        axis = node.attributes["axis"]
        source = self.contiguous(self.ref(operand))
        shape = value.shape
        params = [element_count(shape[:axis]), shape[axis], element_count(shape[axis + 1 :])]
        flags = REVERSE if node.attributes["reverse"] else 0
        self.produce(
            value,
            lambda place, adding: (
                self.emit(op, place, source, flags=flags, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def argsort(self, node):
        """The permutation that sorts each row."""
        (value,), (operand,) = node.outputs, node.operands
        source = self.contiguous(self.ref(operand))
        self.produce(
            value,
            lambda place, adding: (
                self.emit("ARGSORT", place, source, params=list(value.shape))
                if value.size
                else None
            ),
            contiguous=True,
        )

    def search(self, node):
        """Places of values in sorted rows."""
        (value,) = node.outputs
        rows, wanted = node.operands
        a, b = self.contiguous(self.ref(rows)), self.contiguous(self.ref(wanted))
        outer, n = value.shape[0], rows.shape[1]
        right = int(node.attributes["right"])
        params = [outer, n, value.shape[1], right, n if rows.shape[0] == outer else 0]
        self.produce(
            value,
            lambda place, adding: (
                self.emit("SEARCH", place, a, b, params=params) if value.size else None
            ),
            contiguous=True,
        )

    def fft(self, node):
        """A Fourier transform: its planes, then room for work, in one slot of the arena."""
        from ..primitives.fft import plan

        (value,), axis = node.outputs, node.attributes["axis"]
        shape = value.shape[1:]
        *planes, table = [self.contiguous(self.ref(o)) for o in node.operands]
        inner, chosen = element_count(shape[axis + 1 :]), plan(shape[axis], value.dtype)
        chunk = chosen.chunk(inner, value.dtype.itemsize)
        work = chosen.work(inner, chunk, len(planes) == 1)
        place = self.temporary((value.size + work,), value.dtype)
        params = [
            element_count(shape[:axis]), shape[axis], inner, chunk, chosen.length,
            len(chosen.factors), chosen.table.size, *chosen.factors,
        ]  # fmt: skip
        self.emit("FFT" if len(planes) == 2 else "FFT_REAL", place, *planes, table, params=params)
        strides = contiguous_strides(value.shape, value.dtype.itemsize)
        self.refs[value] = place.viewed(0, value.shape, strides)


def _columns_in_groups(place, c):
    """Groups of columns that lie side by side in both, as groups, n, and strides; or None."""
    item = place.dtype.itemsize
    if any(s % item for r in (place, c) for s in r.strides):
        return None
    extents, steps = collapse(place.shape[1:], [place.strides[1:], c.strides[1:]])
    if len(extents) > 2 or any(s[-1] != item for s in steps if s):
        return None
    groups, n = (1,) * (2 - len(extents)) + tuple(extents)
    return groups, n, *(s[0] // item if len(extents) == 2 else 0 for s in steps)


def _index_params(shape, positions):
    count = positions.shape[-1]
    return [shape[0], count, shape[1], shape[2], count if positions.ndim == 2 else 0]
