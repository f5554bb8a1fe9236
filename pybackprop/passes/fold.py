"""Constant folding: a node of constants only is computed at once by NumPy."""

from .._core import OfConstants

# Results larger than this are left to run time: they would bloat graph and file.
_MOST_ELEMENTS = 4096


def _fold(graph, primitive, operands, attributes):
    """A constant in place of the node, or None."""
    if primitive.multiple or sum(operand.size for operand in operands) > _MOST_ELEMENTS:
        return None
    array = primitive.evaluate(*[o.node.attributes["value"] for o in operands], **attributes)
    if array is None or array.size > _MOST_ELEMENTS:
        return None
    return graph.constant(array)


rewrite = OfConstants(_fold)
