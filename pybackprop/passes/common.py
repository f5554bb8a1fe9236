"""Common subexpressions: a node equal to an earlier one is that node."""

from ..graph import Graph

_COMMUTATIVE = {"add", "multiply", "equal", "not_equal", "and", "or", "xor"}


def rewrite(graph, primitive, operands, attributes):
    """The outputs of an equal node, or None; remembers the node otherwise."""
    numbers = tuple([id(operand) for operand in operands])
    if primitive.name in _COMMUTATIVE and numbers[0] > numbers[1]:
        numbers = (numbers[1], numbers[0])
    key = (
        primitive.name,
        numbers,
        tuple(
            [
                (name, id(a) if isinstance(a, Graph) else str(a) if name == "dtype" else a)
                for name, a in attributes.items()
            ]
        )
        if attributes
        else (),
    )
    table = graph.table.setdefault("common", {})
    node = table.get(key)
    if node is None:
        # Recorded here and not by the caller, so that the node is made only once.
        outputs = graph.add(primitive, operands, attributes)
        table[key] = outputs[0].node
        return outputs if primitive.multiple else outputs[0]
    return node.outputs if primitive.multiple else node.outputs[0]
