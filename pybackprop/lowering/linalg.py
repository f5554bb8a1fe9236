"""Lowering of linear algebra: one instruction per factorisation, all matrices of a batch in it.

Every operand of such an instruction is contiguous. An instruction with several results writes them
one after the other, each for the whole batch; the node's outputs are views of that.
"""

from ..graph import element_count
from .layout import contiguous_strides


def lower_linalg(low, op, node, operands, sizes, mode=0):
    """Emit an instruction of the group "linalg"; ``low`` is the :class:`~.emit.Lowering`.

    Parameters
    ----------
    op : str
    node : Node
    operands : sequence of Value
        One or two of the node's. One without the batch's axes serves all of the batch.
    sizes : tuple of int
        What docs/tape.md calls m, n and k.
    mode : int
    """
    lead = max((o.shape[:-2] for o in operands), key=len)
    refs = [low.contiguous(low.ref(o)) for o in operands]
    steps = [int(o.shape[:-2] == lead) for o in operands] + [1]
    params = [element_count(lead), *sizes, *steps[:2], mode]
    refs = [*refs, None][:2]
    if len(node.outputs) == 1:
        (value,) = node.outputs

        def emit(place, _):
            if value.size:
                low.emit(op, place, *refs, params=params)

        low.produce(value, emit, contiguous=True)
        return
    item = node.outputs[0].dtype.itemsize
    whole = low.temporary((sum(v.size for v in node.outputs),), node.outputs[0].dtype)
    if whole.size:
        low.emit(op, whole, *refs, params=params)
    offset = 0
    for value in node.outputs:
        view = whole.viewed(offset, value.shape, contiguous_strides(value.shape, item))
        offset += value.size * item
        low.refs[value] = view
        if value in low.scope.targets:
            place, adding = low.destination(value)
            low.copy(place, view, add=adding)
            low.refs[value] = place
