# The two loops of the reverse mode, which pybackprop/differentiate.py describes.


cdef class Sweep:
    """A graph applied in the innermost open graph, and its reverse sweep.

    Attributes
    ----------
    records : list of tuple
        Of the nodes that derivatives pass through: the node, its operands and outputs in the open
        graph, which operands derivatives are wanted for, and the context or None.
    """

    cdef public list records

    def _apply(self, GraphBase graph, dict env, set reached, GraphBase target, widened):
        """Record the graph; ``widened`` is called for nodes that make a context for their rule."""
        cdef Node node
        cdef list operands, wanted, floating
        location = target.location
        self.records = []
        for node in graph.nodes:
            wanted = [operand in reached for operand in node.operands]
            floating = []
            if True in wanted and not node.primitive.stops:
                floating = [v for v in node.outputs if is_floating(v)]
            if not floating:
                copy_node(node, env, target)
                continue
            operands = [env[operand] for operand in node.operands]
            context = None
            if node.primitive.widen is not None:
                target.location = node.location
                outputs, context = widened(node, operands, wanted)
                env.update(zip(node.outputs, outputs, strict=True))
            else:
                outputs = copy_node(node, env, target)
            reached.update(floating)
            self.records.append((node, operands, outputs, wanted, context))
        target.location = location

    def _back(self, dict contributions, list inputs, GraphBase target, accumulate, locate,
              dict totals):
        """Record the reverse sweep.

        Parameters
        ----------
        contributions : dict of Value to list of Value
            Cotangents so far, by value of the applied graph.
        inputs : list of Value
            Whose cotangents are returned.
        target : Graph
        accumulate : Primitive
        locate : callable
            Called with an error of a rule and its node.
        totals : dict or None
            Takes the cotangent of every value that has one.
        """
        cdef Node node
        cdef tuple record
        cdef list want, incoming, outgoing
        cdef Py_ssize_t i
        cdef bint flagged
        location = target.location
        for record in reversed(self.records):
            node, want, context = record[0], record[3], record[4]
            incoming = [
                total_of(contributions.pop(v, None), target, accumulate) for v in node.outputs
            ]
            for ct in incoming:
                if ct is not None:
                    break
            else:
                continue
            if totals is not None:
                totals.update(zip(node.outputs, incoming, strict=True))
            marked = target.table.get("selective")
            flagged = marked is not None
            if flagged:
                for ct in incoming:
                    flagged = flagged and (ct is None or ct in marked)
            target.location = node.location
            attributes = node.attributes
            if context is not None:
                attributes = {**attributes, "context": context}
            try:
                result = node.primitive.vjp(incoming, record[1], record[2], want, **attributes)
            except Exception as error:
                locate(error, node)
                raise
            outgoing = result if isinstance(result, list) else list(result)
            if len(outgoing) != len(node.operands):
                raise ValueError(
                    f"{node.primitive.name}.vjp returned {len(outgoing)} cotangents for "
                    f"{len(node.operands)} operands"
                )
            for i, ct in enumerate(outgoing):
                if ct is None or not want[i]:
                    continue
                if flagged:
                    marked.add(ct)
                operand = node.operands[i]
                others = contributions.get(operand)
                if others is None:
                    contributions[operand] = [ct]
                else:
                    (<list>others).append(ct)
        target.location = location
        return [total_of(contributions.get(v), target, accumulate) for v in inputs]


cdef object total_of(list contributions, GraphBase target, accumulate):
    """The sum of contributions to a cotangent, or None."""
    if not contributions:
        return None
    if len(contributions) == 1:
        return contributions[0]
    total = accumulate(*contributions)
    marked = target.table.get("selective")
    if marked is not None:
        for ct in contributions:
            if ct not in marked:
                break
        else:
            marked.add(total)
    return total
