"""Common subexpressions: a node equal to an earlier one is that node."""

from ..graph import Graph

_COMMUTATIVE = {"add", "multiply", "equal", "not_equal", "and", "or", "xor"}


def rewrite(graph, primitive, operands, attributes):
    """The outputs of an equal node, or None; remembers the node otherwise."""
    if len(operands) == 2:
        a, b = id(operands[0]), id(operands[1])
        if a > b and primitive.name in _COMMUTATIVE:
            a, b = b, a
        key = (primitive, a, b)
    else:
        key = (primitive, *map(id, operands))
    if attributes:
        key += (
            tuple(
                [
                    (name, id(a) if isinstance(a, Graph) else str(a) if name == "dtype" else a)
                    for name, a in attributes.items()
                ]
            ),
        )
    table = graph.table.get("common")
    if table is None:
        table = graph.table["common"] = {}
    outputs = table.get(key)
    if outputs is None:
        # Recorded here and not by the caller, so that the node is made only once.
        outputs = table[key] = graph.add(primitive, operands, attributes)
    return outputs if primitive.multiple else outputs[0]
