"""Loops over scalars: what is no recurrence leaves the loop and is computed for all steps at once.

Of the carries of a scan, some only add up (a sum of squared errors, a log-likelihood), some hand on
what was computed from the slices (the last values of a series), and the rest is the recurrence
proper.

* A carry whose new value depends on slices, and on carries of its own kind without going round in a
  circle, is known for all steps without a loop: it is its new values, moved on by one step.
* A carry that terms are only added to or subtracted from is its first value plus the sum of the
  terms.
* The loop keeps the rest and hands out what the terms and outputs read of it.

So the likelihood of an autoregression is array code throughout, and that of a Kalman filter takes
its logarithms as one vector. Sums have the order of array sums then.
"""

from collections import Counter

from ..batching import record_batch
from ..differentiate import subgraph
from ..graph import CONSTANT, INPUT
from ..primitives import elementwise as e
from ..primitives import reduction, shaping
from ..primitives.base import broadcast, constant_value
from .loops import _HEAVY, _MOST_AHEAD, apply_clean, lift_ahead

_SHORTEST = 8


def apply_apart(operands, *, body, n_consts, n_carry, length, reverse):
    """Apply a scan in the open graph, with what is no recurrence computed outside of its body.

    Parameters
    ----------
    operands : list of Value
    body : Graph
        Closed.
    n_consts, n_carry, length, reverse
        Of the scan.

    Returns
    -------
    sequence of Value
        The outputs of the scan.
    """
    shape = {"n_consts": n_consts, "n_carry": n_carry, "length": length, "reverse": reverse}
    if length >= _SHORTEST and _is_scalar(body, n_consts):
        parts = _Parts(operands, body, **shape)
        if parts.pay():
            return parts.apply()
    operands, body = lift_ahead(operands, body=body, **shape)
    return apply_clean(operands, body=body, **shape)


def _is_scalar(body, n_consts):
    """Whether all that changes from step to step are numbers, made one at a time."""
    steady = set(body.inputs[:n_consts])
    for node in body.nodes:
        if node.primitive.multiple:
            return False
        (value,) = node.outputs
        if node.primitive is INPUT:
            if value in steady:
                continue
        elif all(operand in steady for operand in node.operands):
            steady.add(value)
            continue
        if value.shape:
            return False
    return True


class _Parts:
    """The parts of one scan.

    Attributes
    ----------
    sums : dict of int to list of (int, Value)
        Per carry that only adds up, its terms with their signs.
    handed : list of int
        The carries that are known without a loop, in an order in which they can be computed.
    core : list of int
        The carries of the recurrence.
    """

    def __init__(self, operands, body, n_consts, n_carry, length, reverse):
        self.operands, self.body, self.length, self.reverse = operands, body, length, reverse
        self.consts = body.inputs[:n_consts]
        self.carries = body.inputs[n_consts : n_consts + n_carry]
        self.xs = body.inputs[n_consts + n_carry :]
        self.news, self.ys = body.outputs[:n_carry], body.outputs[n_carry:]
        self.outer = dict(zip(body.inputs, operands, strict=True))
        self.sums = self._find_sums()
        self._find_dependences()
        self.handed = self._find_handed()
        self.core = [i for i in range(n_carry) if i not in self.sums and i not in self.handed]
        self._find_frontier()

    # ---- which is which -------------------------------------------------------------------------

    def _find_sums(self):
        uses, reader = Counter(self.body.outputs), {}
        for node in self.body.nodes:
            for operand in node.operands:
                uses[operand] += 1
                reader[operand] = node
        found = {}
        for i, (carry, new) in enumerate(zip(self.carries, self.news, strict=True)):
            value, terms = carry, []
            while value is not new and uses[value] == 1 and value in reader:
                node = reader[value]
                if node.primitive is e.add:
                    a, b = node.operands
                    terms.append((1, b if a is value else a))
                elif node.primitive is e.subtract and node.operands[0] is value:
                    terms.append((-1, node.operands[1]))
                else:
                    break
                (value,) = node.outputs
            if value is new and terms and uses[new] == 1 and new.dtype.kind == "f":
                found[i] = terms
        return found

    def _find_dependences(self):
        """Per value, the carries that it depends on, as bits; sums are apart."""
        self.depends = dict.fromkeys(self.body.inputs, 0)
        for i, carry in enumerate(self.carries):
            self.depends[carry] = 1 << i
        for node in self.body.nodes:
            bits = 0
            for operand in node.operands:
                bits |= self.depends[operand]
            if node.primitive is not INPUT:
                for value in node.outputs:
                    self.depends[value] = bits

    def _find_handed(self):
        handed, known, grown = [], 0, True
        while grown:
            grown = False
            for i, new in enumerate(self.news):
                if i not in self.sums and i not in handed and not self.depends[new] & ~known:
                    handed.append(i)
                    known |= 1 << i
                    grown = True
        return handed

    def _find_frontier(self):
        """What the loop hands out, and how much it is relieved of."""
        self.loop_bits = sum(1 << i for i in self.core)
        inside, stack = set(), [self.news[i] for i in self.core]
        while stack:
            value = stack.pop()
            if value not in inside:
                inside.add(value)
                stack.extend(value.node.operands)
        inside.update(self.carries[i] for i in self.core)
        self.frontier, self.relieved = [], 0
        self.wanted = [term for terms in self.sums.values() for _, term in terms] + list(self.ys)
        seen, stack = set(), list(self.wanted)
        while stack:
            value = stack.pop()
            if value in seen or not self.depends[value] & self.loop_bits:
                continue
            seen.add(value)
            if value in inside:
                self.frontier.append(value)
            else:
                self.relieved += 5 if value.node.primitive.name in _HEAVY else 1
                stack.extend(value.node.operands)
        self.relieved += sum(map(len, self.sums.values()))

    def pay(self):
        """Whether taking them apart saves work, in little memory."""
        count = sum(node.primitive not in (INPUT, CONSTANT) for node in self.body.nodes)
        if 8 * count * self.length > _MOST_AHEAD:
            return False
        if not self.core:
            return True
        handed_out = len(set(self.frontier) - set(self.ys))
        return self.relieved >= 2 * handed_out and (bool(self.sums) or bool(self.handed))

    # ---- the new nodes --------------------------------------------------------------------------

    def apply(self):
        """The outputs of the scan."""
        self.rows = {x: self.outer[x] for x in self.xs}
        finals = {}
        for i in self.handed:
            (new,) = self._for_all_steps([self.news[i]])
            finals[i] = self._step(new, 0 if self.reverse else self.length - 1)
            self.rows[self.carries[i]] = self._moved_on(self.outer[self.carries[i]], new)
        if self.core:
            self._apply_core(finals)
        rows = self._for_all_steps(self.wanted)
        rows, ys = rows[: len(rows) - len(self.ys)], rows[len(rows) - len(self.ys) :]
        rows = iter(rows)
        for i, terms in self.sums.items():
            total = None
            for sign, _ in terms:
                term = next(rows)
                if total is None:
                    total = term if sign > 0 else e.negative(term)
                else:
                    total = e.add(total, term) if sign > 0 else e.subtract(total, term)
            total = reduction.sum_(total, axes=(0,))
            first = self.outer[self.carries[i]]
            # A sum starts at 0 and is never -0, so that nothing is lost with a first value of 0.
            finals[i] = total if constant_value(first) == 0 else e.add(first, total)
        return [*(finals[i] for i in range(len(self.carries))), *ys]

    def _apply_core(self, finals):
        """The recurrence proper; what it hands out is known for all steps afterwards."""
        own = [self.carries[i] for i in self.core]
        slices = [*self.xs, *(self.carries[i] for i in self.handed)]
        news = [self.news[i] for i in self.core]
        core, used = subgraph(
            self.body, [*self.consts, *own, *slices], news + self.frontier, self.body.name,
            keep=set(own),
        )  # fmt: skip
        operands = [self.rows[v] if v in self.rows else self.outer[v] for v in used]
        shape = {
            "n_consts": sum(v in set(self.consts) for v in used), "n_carry": len(own),
            "length": self.length, "reverse": self.reverse,
        }  # fmt: skip
        operands, core = lift_ahead(operands, body=core, **shape)
        results = apply_clean(operands, body=core, **shape)
        finals.update(zip(self.core, results, strict=False))
        self.rows.update(zip(self.frontier, results[len(own) :], strict=True))

    def _for_all_steps(self, values):
        """Values of the body for all steps, stacked."""
        cuts = [*self.consts, *(v for v in self.rows)]
        part, used = subgraph(self.body, cuts, values, f"all steps of {self.body.name}")
        operands = [self.rows[v] if v in self.rows else self.outer[v] for v in used]
        results, flags = record_batch(part, operands, [v in self.rows for v in used], self.length)
        return [
            result if flag else broadcast(result, (self.length,))
            for result, flag in zip(results, flags, strict=True)
        ]

    def _step(self, stacked, number):
        one = shaping.slice_(stacked, starts=(number,), stops=(number + 1,), steps=(1,))
        return shaping.reshape(one, shape=())

    def _moved_on(self, init, new):
        """What a carry is at the beginning of each step."""
        first = shaping.reshape(init, shape=(1,))
        start, stop = (1, self.length) if self.reverse else (0, self.length - 1)
        rest = shaping.slice_(new, starts=(start,), stops=(stop,), steps=(1,))
        return shaping.concatenate(*((rest, first) if self.reverse else (first, rest)), axis=0)
