"""Reductions over axes: one instruction where the axes allow it, else several or a copy."""

from .instruction import ACC, COLUMNS
from .layout import cut_rows
from .plan import reduced_groups


class Reductions:
    """The part of :class:`~.emit.Lowering` that lowers reductions."""

    def reduce(self, op, node):
        """A reduction over axes (attribute ``axes`` or ``axis``)."""
        (value,) = node.outputs
        (operand,) = node.operands
        axes = node.attributes.get("axes")
        axes = (node.attributes["axis"],) if axes is None else axes
        if self.scope.fused.get(operand) is node:
            inner = operand.node
            factors = list(inner.operands) if len(inner.operands) == 2 else [inner.operands[0]] * 2
            sources = [self.bytes_of(f).broadcasted(operand.shape) for f in factors]
            op = "DOT"
        else:
            sources = [self.bytes_of(operand)]
        adds = op in ("SUM", "DOT")
        self.produce(
            value,
            lambda place, adding: self.reduce_refs(op, place, sources, axes, adding),
            adds=adds,
        )

    def reduce_refs(self, op, place, sources, axes, adding):
        """A REDUCE instruction, or several, over refs of one shape."""
        if 0 in place.shape:
            return
        shape = sources[0].shape
        groups = reduced_groups(shape, axes)
        if 0 in shape:
            # Nothing to reduce: one empty row per result.
            flat = place.reshaped((place.size,))
            if flat is None or not flat.is_contiguous():
                temporary = self.temporary((place.size,), place.dtype)
                self._empty_reduction(op, temporary, sources)
                self.copy(place, temporary.reshaped(place.shape), add=adding)
            elif not adding:
                self._empty_reduction(op, flat, sources)
            return
        if groups in ("", "K"):
            # Only axes of extent one are reduced.
            if op.startswith("ARG"):
                self.zero(place)
            else:
                view = sources[0].reshaped(place.shape)
                source = (
                    view if view is not None else self.contiguous(sources[0]).reshaped(place.shape)
                )
                self.copy(place, source, add=adding)
            return
        kept = [a for a in range(len(shape)) if a not in axes]
        d_strides = [0] * len(shape)
        for axis, stride in zip(kept, place.strides, strict=True):
            d_strides[axis] = stride
        if self._reduce_once(op, place, sources, axes, d_strides, groups, adding):
            return
        if groups.count("R") > 1 and op in ("SUM", "PROD", "MAX_OF", "MIN_OF"):
            # The last run of reduced axes first, then the rest.
            last = [a for a in axes if shape[a] != 1]
            tail = []
            for axis in range(len(shape) - 1, -1, -1):
                if axis in axes:
                    tail.append(axis)
                elif shape[axis] != 1 and tail and any(shape[a] != 1 for a in tail):
                    break
            tail = tuple(sorted(a for a in tail if a in last or shape[a] == 1))
            middle_shape = tuple(n for a, n in enumerate(shape) if a not in tail)
            middle = self.temporary(middle_shape, sources[0].dtype)
            self.reduce_refs(op, middle, sources, tail, False)
            rest = tuple(a - sum(1 for t in tail if t < a) for a in axes if a not in tail)
            self.reduce_refs(op, place, [middle], rest, adding)
            return
        if 0 not in axes:
            copied = sum(source.size for source in sources if not source.is_contiguous())
            parts = cut_rows([place, *sources], copied)
            for part in parts or ():
                self.reduce_refs(op, part[0], part[1:], tuple(axis - 1 for axis in axes), adding)
            if parts:
                return
        copies = []
        for source in sources:
            copies.append(self.contiguous(source))
        if self._reduce_once(op, place, copies, axes, d_strides, groups, adding):
            return
        temporary = self.temporary(place.shape, place.dtype)
        for axis, stride in zip(kept, temporary.strides, strict=True):
            d_strides[axis] = stride
        if not self._reduce_once(op, temporary, copies, axes, d_strides, groups, False):
            raise AssertionError(f"cannot lower {op} over {axes} of {shape}")
        self.copy(place, temporary, add=adding)

    def _empty_reduction(self, op, flat, sources):
        item = flat.dtype.itemsize
        params = [1, flat.size, 0, 0, item] + [0] * 6
        views = [s.viewed(s.offset, (0,), (s.dtype.itemsize,)) for s in sources]
        self.emit(op, flat, *views, params=params)

    def _reduce_once(self, op, place, sources, axes, d_strides, groups, adding):
        shape = sources[0].shape
        if groups.count("R") > 1:
            return False
        # Collapse kept and reduced axes apart, so that no loop mixes them.
        extents, kinds, steps = [], [], [[] for _ in range(len(sources) + 1)]
        views = [d_strides] + [list(s.strides) for s in sources]
        for axis, extent in enumerate(shape):
            if extent == 1:
                continue
            kind = axis in axes
            if (
                extents
                and kinds[-1] == kind
                and all(k[-1] == v[axis] * extent for k, v in zip(steps, views, strict=True))
            ):
                extents[-1] *= extent
                for k, v in zip(steps, views, strict=True):
                    k[-1] = v[axis]
            else:
                extents.append(extent)
                kinds.append(kind)
                for k, v in zip(steps, views, strict=True):
                    k.append(v[axis])
        if kinds.count(True) != 1:
            return False
        where = kinds.index(True)
        columns = where != len(kinds) - 1
        if len(extents) > 3 or (columns and where != len(kinds) - 2):
            return False
        items = [place.dtype.itemsize] + [s.dtype.itemsize for s in sources]
        if any(steps[i + 1][-1] != items[i + 1] for i in range(len(sources))):
            return False
        if columns and steps[0][-1] != items[0]:
            return False
        fill = 3 - len(extents)
        params = [1] * fill + extents
        for k in range(4):
            if k < len(steps):
                full = [0] * fill + steps[k]
                if k == 0 and not columns:
                    params += full[:2]
                elif k == 0:
                    params += [full[0], 0]
                else:
                    params += full[:2]
            else:
                params += [0, 0]
        flags = (COLUMNS if columns else 0) | (ACC if adding else 0)
        self.emit(op, place, *sources, flags=flags, params=params)
        return True
