"""Maps: elementwise nodes, copies and zeros, in the array class where they are no scalars."""

import numpy as np

from .._core import map_instruction
from .instruction import ACC, BOOL, F64, SCALAR
from .layout import collapse
from .scalars import ADDING, adding_operands, is_scalar

_COMPARES = {"EQ", "NE", "LT", "LE", "ISNAN", "ISINF", "ISFINITE", "SIGNBIT"}
_LOGICAL = {"AND", "OR", "XOR", "NOT"}

# Rows that the scalar class lacks: integers, and functions of three operands.
ARRAY_ONLY = {
    "SHL", "SHR", "GCD", "ZETA", "GAMMAINC", "GAMMAINCC", "BETAINC", "BETAINC_A", "BETAINC_B",
    "BETAINC_AA", "BETAINC_AB", "BETAINC_BB",
}  # fmt: skip


class Maps:
    """The part of :class:`~.emit.Lowering` that lowers what goes element by element."""

    def map(self, op, node):
        """An elementwise node."""
        (value,) = node.outputs
        operands = list(node.operands)
        if op in ("ADD", "SUB"):
            fused = [o for o in operands if self.scope.fused.get(o) is node]
            if fused:
                op, operands = self._multiply_add(op, operands, fused[0])
        elif op == "SQUARE" and self._adds(value):
            op, operands = "MUL", [operands[0], operands[0]]
        elif op == "NEG" and self.scope.fused.get(operands[0]) is node:
            inner = operands[0].node.operands
            op, operands = "NMUL", list(inner) if len(inner) == 2 else [inner[0]] * 2
        if is_scalar(value) and all(map(is_scalar, operands)) and op not in ARRAY_ONLY:
            if op == "CAST":
                if value.dtype == F64:
                    self.scalar("MOV", value, self.slot(operands[0]))
                    return
            else:
                self.scalar(op, value, *[self.slot(o) for o in operands])
                return
        refs = [self.bytes_of(o) for o in operands]

        adds = op in ADDING and value.dtype.kind == "f"

        def emit(place, adding):
            base = place if adding else self._ready_contribution(value) if adds else None
            if base is None:
                self.map_refs(op, place, *refs)
            else:
                self.map_refs(ADDING[op], place, *adding_operands(op, refs, base))

        self.produce(value, emit, adds=adds)

    def _ready_contribution(self, value):
        """Another contribution to the same sum, there already, to be added with this first one."""
        target = self.scope.targets.get(value)
        if target is None or target.slot is None or target.partial or target.views:
            return None
        slot = target.slot
        if not slot.summing or len(slot.delivered) != 1:
            return None
        operands = slot.value.node.operands
        for operand in operands:
            ref = self.refs.get(operand)
            if ref is None or operand in slot.delivered or operand.shape != value.shape:
                continue
            # One that is there twice is left to the owner, which adds it as often.
            if sum(other is operand for other in operands) == 1:
                slot.delivered.add(operand)
                return ref
        return None

    def _adds(self, value):
        target = self.scope.targets.get(value)
        return target is not None and target.slot is not None and target.slot.summing

    def _multiply_add(self, op, operands, product):
        inner = product.node
        factors = list(inner.operands) if len(inner.operands) == 2 else [inner.operands[0]] * 2
        first = operands[0] is product
        other = operands[1] if first else operands[0]
        if op == "ADD":
            return "FMA", [*factors, other]
        return ("FMS" if first else "FNMA"), [*factors, other]

    def map_refs(self, op, place, *operands):
        """A MAP instruction over refs, which broadcast to the shape of ``place``."""
        if place.size == 1 and self._scalar_refs(op, place, operands):
            return
        plain = map_instruction(op, place, operands)
        if plain is not None:
            self.instructions.append(plain)
            return
        shape = place.shape
        if 0 in shape:
            return
        if any(o.truth for o in operands):
            self.map_refs(op, place, *[self._untruth(o) for o in operands])
            return
        refs = list(operands)
        views = [r.broadcasted(shape) if r.shape != shape else r for r in refs]
        extents, steps = collapse(shape, [place.strides] + [v.strides for v in views])
        inner = [s[-1] for s in steps] if extents else []
        items = [place.dtype.itemsize] + [v.dtype.itemsize for v in views]
        if extents and inner[0] != items[0]:
            if op in ("ADD", "SUB") and refs[0] is place and refs[1] is not place:
                term = views[1]
                if op == "SUB":
                    term = self.temporary(shape, place.dtype)
                    self.map_refs("NEG", term, views[1])
                self.copy(place, term, add=True)
                return
            temporary = self.temporary(shape, place.dtype)
            same = [temporary if r is place else r for r in refs]
            if any(r is place for r in refs):
                self.copy(temporary, place)
            self.map_refs(op, temporary, *same)
            self.copy(place, temporary)
            return
        for i, view in enumerate(views):
            if extents and inner[i + 1] not in (0, items[i + 1]):
                refs[i] = self.contiguous(refs[i])
                self.map_refs(op, place, *refs)
                return
            if len(extents) > 3 and 0 in steps[i + 1]:
                full = self.temporary(shape, view.dtype)
                self.copy(full, view)
                refs[i] = full
                self.map_refs(op, place, *refs)
                return
        if len(extents) > 3:
            for i, view in enumerate(views):
                if not view.is_contiguous():
                    refs[i] = self.contiguous(view)
                    self.map_refs(op, place, *refs)
                    return
            temporary = self.temporary(shape, place.dtype)
            self.map_refs(op, temporary, *refs)
            self.copy(place, temporary)
            return
        raise AssertionError(f"no layout for {op}")

    def _scalar_refs(self, op, place, operands):
        """Emit in the scalar class if everything is float64 of one element."""
        refs = [place, *operands]
        if op in ARRAY_ONLY or op == "CAST":
            return False
        if not all(r.size == 1 and (r.dtype == F64 or r.dtype == BOOL) for r in refs):
            return False
        if place.dtype == BOOL and op not in _COMPARES and op not in _LOGICAL:
            return False
        slots = [self._addressable(o) for o in operands]
        if self._in_slot(place):
            self.emit(op, place, *slots, flags=SCALAR)
        else:
            slot = self.temporary((), F64)
            self.emit(op, slot, *slots, flags=SCALAR)
            self.emit("SSTORE", place, slot, flags=SCALAR)
        return True

    def copy(self, place, source, add=False):
        """Copy what ``source`` views, broadcast, to ``place``, or add it."""
        if place.shape != source.shape:
            source = source.broadcasted(place.shape)
        if 0 in place.shape:
            return
        if place.size == 1 and (place.dtype == F64 or (place.truth or source.truth)):
            slot = self._addressable(source)
            if add:
                self._add_scalar(place, slot)
            elif self._in_slot(place):
                self.emit("MOV", place, slot, flags=SCALAR)
            else:
                self.emit("SSTORE", place, slot, flags=SCALAR)
            return
        extents, steps = collapse(place.shape, [place.strides, source.strides])
        item = place.dtype.itemsize
        simple = len(extents) <= 3 and (
            not extents or (steps[0][-1] == item and steps[1][-1] in (0, item))
        )
        if simple:
            if add:
                self.map_refs("ADD", place, place, source)
            else:
                self.map_refs("MOV", place, source)
            return
        params = [len(extents), *extents, *steps[0], *steps[1]]
        self.emit("COPY", place, source, flags=ACC if add else 0, params=params)

    def zero(self, place):
        """Fill with zeros."""
        if 0 in place.shape:
            return
        if place.is_contiguous():
            self.emit("ZERO", place, params=[place.size * place.dtype.itemsize])
        else:
            self.copy(place, self.constant(np.zeros((), place.dtype)).broadcasted(place.shape))
