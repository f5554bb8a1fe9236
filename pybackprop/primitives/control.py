"""Control flow: ``scan``, a loop with carries whose body is a closed graph.

The reverse sweep of a scan is another scan in the other direction. It needs primals of the first,
so differentiation replaces ("widens") the first scan by one that also returns these as stacked
outputs; lowering keeps them in one frame per step. The adjoints of values shared by all steps are
carries that the body only adds into, which lowering does in place.
"""

from collections import Counter

from ..graph import CONSTANT, apply, open_graph
from .base import (
    Primitive,
    broadcast,
    is_floating,
    is_selective,
    mark_selective,
    zeros,
)
from .shaping import transpose


class Scan(Primitive):
    """Runs ``body`` for ``length`` steps.

    Operands: consts, initial carries, xs (leading axis ``length``). Body inputs: consts, carries,
    one slice of each xs. Body outputs: new carries, then one slice of each ys. Outputs: final
    carries, then ys stacked. With ``reverse`` the steps run from the last slice to the first.
    """

    name = "scan"
    multiple = True

    def infer(self, *operands, body, n_consts, n_carry, length, reverse):
        for operand, inner in zip(operands[: n_consts + n_carry], body.inputs, strict=False):
            if operand.shape != inner.shape or operand.dtype != inner.dtype:
                raise TypeError(f"scan: operand {operand!r} for body input {inner!r}")
        for x in operands[n_consts + n_carry :]:
            if x.ndim == 0 or x.shape[0] != length:
                raise ValueError(f"scan: xs of shape {x.shape} for {length} steps")
        carries = body.outputs[:n_carry]
        for value, inner in zip(carries, body.inputs[n_consts:], strict=False):
            if value.shape != inner.shape or value.dtype != inner.dtype:
                raise TypeError(
                    f"scan: a carry goes in as {inner.dtype}{list(inner.shape)} and comes out as "
                    f"{value.dtype}{list(value.shape)}; both must be the same"
                )
        return [(v.shape, v.dtype) for v in carries] + [
            ((length, *v.shape), v.dtype) for v in body.outputs[n_carry:]
        ]

    # ---- forward derivatives ------------------------------------------------------------------

    def jvp(self, tangents, operands, outputs, *, body, n_consts, n_carry, length, reverse):
        from ..differentiate import record_jvp

        active = active_inputs(body, [t is not None for t in tangents], n_consts, n_carry)
        groups = _split(range(len(operands)), n_consts, n_carry)
        with open_graph(f"jvp({body.name})", current_rewrites()) as graph:
            primal_inputs = [None] * len(operands)
            tangent_inputs = [None] * len(operands)
            for group in groups:
                for i in group:
                    primal_inputs[i] = like_input(graph, body.inputs[i])
                for i in group:
                    if active[i]:
                        tangent_inputs[i] = like_input(graph, body.inputs[i])
            outs, out_tangents = record_jvp(body, primal_inputs, tangent_inputs)
            carry_active = active[n_consts : n_consts + n_carry]
            carries = outs[:n_carry] + [
                _instantiate(t, o)
                for t, o, a in zip(out_tangents[:n_carry], outs, carry_active, strict=False)
                if a
            ]
            ys = outs[n_carry:]
            y_tangents = out_tangents[n_carry:]
            graph.close(carries + ys + [t for t in y_tangents if t is not None])
        arranged = []
        counts = []
        for group in groups:
            extra = [_instantiate(tangents[i], operands[i]) for i in group if active[i]]
            arranged += [operands[i] for i in group] + extra
            counts.append(len(group) + len(extra))
        result = apply(
            scan, *arranged, body=graph, n_consts=counts[0], n_carry=counts[1], length=length,
            reverse=reverse,
        )  # fmt: skip
        out_dots = [None] * len(outputs)
        position = n_carry
        for i in range(n_carry):
            if carry_active[i]:
                out_dots[i] = result[position]
                position += 1
        position += len(ys)
        for i, tangent in enumerate(y_tangents):
            if tangent is not None:
                out_dots[n_carry + i] = result[position]
                position += 1
        return out_dots

    # ---- reverse derivatives ------------------------------------------------------------------

    def widen(self, operands, active, selective, *, body, n_consts, n_carry, length, reverse):
        """The scan with the primals that its reverse sweep needs as further outputs.

        Parameters
        ----------
        operands : sequence of Value
        active : sequence of bool
            Which operands derivatives are wanted for.
        selective : bool
            Whether the cotangents may be zeros by selection, see :mod:`.base`.

        Returns
        -------
        outputs : list of Value
            As of the scan itself.
        context : tuple
            For :meth:`vjp`.
        """
        from ..differentiate import ReverseSweep, subgraph

        active = active_inputs(body, active, n_consts, n_carry)
        n_inputs = len(operands)
        # Which seeds may be zeros by selection: a step gets those of the step after it.
        marks = [selective] * len(body.outputs)
        while True:
            with open_graph(f"vjp({body.name})", current_rewrites()) as joint:
                inputs = [like_input(joint, value) for value in body.inputs]
                sweep = ReverseSweep(body, inputs, active, any(marks))
                boundary = joint.reverse_start = len(joint.nodes)
                seeds = []
                for i, output in enumerate(sweep.outputs):
                    flows = is_floating(output) and (
                        active[n_consts + i] if i < n_carry else output in sweep.active
                    )
                    seed = like_input(joint, output) if flows else None
                    if seed is not None and marks[i]:
                        mark_selective(seed)
                    seeds.append(seed)
                cotangents = sweep.pull(seeds)
                accumulators, sums = [], []
                readers = Counter(o for node in joint.nodes for o in node.operands)
                readers.update(ct for ct in cotangents if ct is not None)
                for i in range(n_consts):
                    ct = cotangents[i]
                    if ct is None:
                        continue
                    accumulator = like_input(joint, inputs[i])
                    accumulators.append((i, accumulator))
                    sums.append(_add_into(accumulator, ct, shared=readers[ct] > 1))
                carry_cts = [
                    _instantiate(cotangents[i], inputs[i])
                    for i in range(n_consts, n_consts + n_carry)
                    if active[i]
                ]
                xs_cts = [(i, cotangents[i]) for i in range(n_consts + n_carry, n_inputs)]
                xs_cts = [(i, ct) for i, ct in xs_cts if ct is not None]
                flagged = {
                    i for i, ct in enumerate(cotangents) if ct is not None and is_selective(ct)
                }
                joint.close(sweep.outputs + carry_cts + sums + [ct for _, ct in xs_cts])
            grown = [m or (i < n_carry and n_consts + i in flagged) for i, m in enumerate(marks)]
            if grown == marks:
                break
            marks = grown
        outputs = joint.outputs
        n_out = len(sweep.outputs)
        reverse_outputs = outputs[n_out:]
        residuals = _residuals(joint, boundary, reverse_outputs, inputs, n_consts, n_carry)
        # A primal that is an output already is not returned twice.
        known = {v: i for i, v in enumerate(outputs[:n_out]) if i >= n_carry}
        extra = [v for v in residuals if v not in known]
        widened, _ = subgraph(joint, inputs, outputs[:n_out] + extra, body.name, keep_inputs=True)
        result = apply(
            scan, *operands, body=widened, n_consts=n_consts, n_carry=n_carry, length=length,
            reverse=reverse,
        )  # fmt: skip
        added = dict(zip(extra, result[n_out:], strict=True))
        stacked = [added[v] if v in added else result[known[v]] for v in residuals]
        context = (
            joint, inputs, active, seeds, accumulators, xs_cts, residuals, reverse_outputs, stacked,
            flagged,
        )  # fmt: skip
        return list(result[:n_out]), context

    def vjp(
        self, cotangents, operands, outputs, wanted, *, body, n_consts, n_carry, length, reverse,
        context,
    ):  # fmt: skip
        from ..differentiate import subgraph

        (joint, inputs, active, seeds, accumulators, xs_cts, residuals, reverse_outputs, stacked,
         flagged) = context  # fmt: skip
        carry_seeds = [s for s in seeds[:n_carry] if s is not None]
        y_seeds = [(i, s) for i, s in enumerate(seeds) if i >= n_carry and s is not None]
        accumulator_inputs = [a for _, a in accumulators]
        residual_set = set(residuals)
        consts = [inputs[i] for i in range(n_consts)]
        xs = [inputs[i] for i in range(n_consts + n_carry, len(inputs))]
        order = (
            consts
            + carry_seeds
            + accumulator_inputs
            + [x for x in xs if x not in residual_set]
            + residuals
            + [s for _, s in y_seeds]
        )
        graph, used = subgraph(
            joint, order, reverse_outputs, f"reverse({body.name})",
            keep=set(carry_seeds) | set(accumulator_inputs),
        )  # fmt: skip
        outer = dict(zip(inputs, operands, strict=True))
        for inner, value in zip(residuals, stacked, strict=True):
            outer[inner] = value
        for i, seed in enumerate(seeds):
            if seed is not None:
                outer[seed] = _instantiate(cotangents[i], outputs[i])
        for index, accumulator in accumulators:
            outer[accumulator] = zeros(operands[index].shape, operands[index].dtype)
        used_set = set(used)
        n_used_consts = sum(1 for c in consts if c in used_set)
        result = apply(
            scan, *[outer[v] for v in used], body=graph, n_consts=n_used_consts,
            n_carry=len(carry_seeds) + len(accumulators), length=length, reverse=not reverse,
        )  # fmt: skip
        answer = [None] * len(operands)
        position = 0
        for i in range(n_carry):
            if active[n_consts + i]:
                answer[n_consts + i] = result[position]
                position += 1
        for index, _ in accumulators:
            answer[index] = result[position]
            position += 1
        for index, _ in xs_cts:
            answer[index] = result[position]
            position += 1
        answer = [ct if want else None for ct, want in zip(answer, wanted, strict=True)]
        whole = any(ct is not None and is_selective(ct) for ct in cotangents)
        for i, ct in enumerate(answer):
            if ct is not None and (whole or i in flagged):
                mark_selective(ct)
        return answer

    # ---- batching -----------------------------------------------------------------------------

    def batch(self, operands, batched, size, *, body, n_consts, n_carry, length, reverse):
        from ..batching import record_batch

        flags = list(batched)
        while True:
            with open_graph(f"vmap({body.name})", current_rewrites()) as graph:
                inputs = []
                for inner, flag in zip(body.inputs, flags, strict=True):
                    shape = (size, *inner.shape) if flag else inner.shape
                    inputs.append(graph.add_input(shape, inner.dtype, inner.weak))
                outs, out_flags = record_batch(body, inputs, flags, size)
                carry_flags = flags[n_consts : n_consts + n_carry]
                grown = [a or b for a, b in zip(carry_flags, out_flags, strict=False)]
                if grown == carry_flags:
                    outs = [
                        out if done or (i < n_carry and not carry_flags[i])
                        else broadcast(out, (size, *out.shape))
                        for i, (out, done) in enumerate(zip(outs, out_flags, strict=True))
                    ]  # fmt: skip
                    graph.close(outs)
                    break
            flags[n_consts : n_consts + n_carry] = grown
        arranged = []
        for i, (operand, had, has) in enumerate(zip(operands, batched, flags, strict=True)):
            if has and not had:
                operand = broadcast(operand, (size, *operand.shape))
            if had and i >= n_consts + n_carry:
                operand = transpose(operand, axes=(1, 0, *range(2, operand.ndim)))
            arranged.append(operand)
        result = apply(
            scan, *arranged, body=graph, n_consts=n_consts, n_carry=n_carry, length=length,
            reverse=reverse,
        )  # fmt: skip
        answer = []
        for i, value in enumerate(result):
            if i < n_carry:
                answer.append(value if carry_flags[i] else broadcast(value, (size, *value.shape)))
            else:
                answer.append(transpose(value, axes=(1, 0, *range(2, value.ndim))))
        return answer

    def lower(self, lowering, node):
        lowering.scan(node)


def active_inputs(body, active, n_consts, n_carry):
    """Which body inputs carry a derivative, once carries have passed it round the loop."""
    active = [a and is_floating(v) for a, v in zip(active, body.inputs, strict=True)]
    while True:
        reached = {v for v, a in zip(body.inputs, active, strict=True) if a}
        for node in body.nodes:
            if any(operand in reached for operand in node.operands):
                if not getattr(node.primitive, "stops", False):
                    reached.update(v for v in node.outputs if is_floating(v))
        grown = list(active)
        for i in range(n_carry):
            if body.outputs[i] in reached:
                grown[n_consts + i] = True
        if grown == active:
            return active
        active = grown


def _residuals(joint, boundary, reverse_outputs, inputs, n_consts, n_carry):
    """Values of the forward part of ``joint`` that its reverse part reads."""
    forward, invariant = set(), set(inputs[:n_consts])
    for node in joint.nodes[:boundary]:
        forward.update(node.outputs)
        if node.primitive is CONSTANT or (
            node.operands and all(operand in invariant for operand in node.operands)
        ):
            invariant.update(node.outputs)
    xs = set(inputs[n_consts + n_carry :])
    needed, stack = set(), list(reverse_outputs)
    seen = set(stack)
    while stack:
        value = stack.pop()
        if value in xs or value in needed:
            continue
        if value in forward and value not in invariant:
            needed.add(value)
            continue
        for operand in value.node.operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    position = {}
    for node in joint.nodes[:boundary]:
        for value in node.outputs:
            position[value] = len(position)
    return sorted(needed, key=position.__getitem__)


def _split(indices, n_consts, n_carry):
    indices = list(indices)
    return indices[:n_consts], indices[n_consts : n_consts + n_carry], indices[n_consts + n_carry :]


def _instantiate(tangent, like):
    return zeros(like.shape, like.dtype) if tangent is None else tangent


def _add_into(accumulator, cotangent, shared):
    """The accumulator plus a cotangent.

    A cotangent that nothing else reads is taken apart into its contributions, so that each can
    be added in place.
    """
    from .elementwise import accumulate

    node = cotangent.node
    apart = node.primitive is accumulate and not shared
    return accumulate(accumulator, *(node.operands if apart else (cotangent,)))


def like_input(graph, value):
    """A new input of the shape and dtype of ``value``."""
    return graph.add_input(value.shape, value.dtype, value.weak)


def current_rewrites():
    """The rewrites of the innermost open graph."""
    from ..graph import current_graph

    graph = current_graph()
    return graph.rewrites if graph is not None else ()


def scan_values(step, init, xs, length, reverse):
    """A scan over values with one carry and one output, for derivative rules.

    ``step(carry, slices)`` returns the new carry and the output. Returns the stacked outputs.
    """
    with open_graph("recurrence", current_rewrites()) as body:
        carry = like_input(body, init)
        slices = [body.add_input(x.shape[1:], x.dtype) for x in xs]
        new, y = step(carry, slices)
        body.close([new, y])
    captured = list(body.captured)
    body = move_captured_first(body, len(xs) + 1)
    result = apply(
        scan, *captured, init, *xs, body=body, n_consts=len(captured), n_carry=1, length=length,
        reverse=reverse,
    )  # fmt: skip
    return result[1]


def move_captured_first(body, n_own):
    """Reorder the inputs of a closed body so that captured values come first."""
    own, captured = body.inputs[:n_own], body.inputs[n_own:]
    body.inputs = captured + own
    for position, value in enumerate(body.inputs):
        value.node.attributes["position"] = position
    body.captured = {}
    return body


scan = Scan()
