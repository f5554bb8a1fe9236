"""How the rows of a region are divided: into segments that may run at the same time, and tiles.

Everything follows from the graph, from nothing that the machine or a call says. So the order of
sums is the same for any number of threads, and on every machine.
"""

from ..primitives import linalg
from ..primitives.reduction import Reduction

# Fewer rows than this are not worth a loop.
LEAST_ROWS = 64
# Picoseconds per element, about: of an elementary function, of anything else, and per
# multiply-add of a matrix product.
_FUNCTION, _OTHER, _MULTIPLY_ADD = 2500, 300, 60
FUNCTIONS = {
    "exp", "exp_normal", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
    "arcsin",
    "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    "sigmoid", "softplus", "erf", "erfc", "gauss", "power", "cbrt", "hypot",
}  # fmt: skip
# Work that is worth handing to a thread, in all and for each segment.
_LEAST_WORK, _LEAST_SEGMENT = 120_000, 15_000
_MOST_SEGMENTS = 16
# Picoseconds to clear a byte of a segment's sums and to add it up, and the share of the work that
# this may take.
_PER_BYTE, _SHARE = 250, 0.05


def work_of(nodes):
    """Estimated nanoseconds that the nodes of a region take for all rows."""
    total = 0
    for node in nodes:
        (out,) = node.outputs
        if node.primitive is linalg.matmul:
            a = node.operands[0]
            inner = a.shape[-2 if node.attributes["transpose_a"] else -1]
            total += out.size * inner * _MULTIPLY_ADD * out.dtype.itemsize // 8
            continue
        if isinstance(node.primitive, Reduction):
            (out,) = node.operands
        price = _FUNCTION if node.primitive.name in FUNCTIONS else _OTHER
        total += out.size * price * out.dtype.itemsize // 8
    return total // 1000


def divide(rows, extent, work, sum_bytes):
    """Segments, and rows per tile.

    Parameters
    ----------
    rows : int
    extent : int
        Rows per tile as the caches want them.
    work : int
        Nanoseconds for all rows.
    sum_bytes : int
        What each segment has to add up.

    Returns
    -------
    segments : int
    extent : int
        About as given, so that segments of whole tiles leave few rows over.
    """
    if work < _LEAST_WORK:
        return 1, extent
    most = min(_MOST_SEGMENTS, work // _LEAST_SEGMENT, rows // extent)
    if sum_bytes:
        affordable = int(_SHARE * work * 1000 / (_PER_BYTE * sum_bytes))
        most = min(most, max(affordable, 2 if work > 20 * _PER_BYTE * sum_bytes / 1000 else 1))
    segments = 1 << (most.bit_length() - 1) if most > 0 else 1
    if segments == 1:
        return 1, extent
    choices = range(extent + extent // 4, max(extent * 5 // 8, 8) - 1, -1)
    choices = [e for e in choices if e % 8 == 0 and e * segments <= rows] or [extent]

    def loss(e):
        left = rows % (e * segments)
        return left / rows + 0.02 * abs(e - extent) / extent

    return segments, min(choices, key=loss)
