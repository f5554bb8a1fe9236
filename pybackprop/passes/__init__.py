"""The passes, in order.

Local passes look at one new node at a time and are applied while a graph is built (``rewrites`` of
:func:`pybackprop.graph.open_graph`): each takes ``(graph, primitive, operands, attributes)`` and
returns what to use instead of a new node, or None. So a graph that a transformation builds is
simplified as it grows, in one sweep. Whole-graph passes are functions from a closed graph to a
closed graph.

No pass changes a value by more than rounding, nor where NaN and infinities appear.
"""

from ..graph import has_complex
from . import common, dead, fold, loops, simplify

LOCAL = (fold.rewrite, simplify.rewrite, common.rewrite)


def optimize(graph):
    """All whole-graph passes over a graph that was built with the local ones."""
    if has_complex(graph):
        from . import planes

        graph = planes.split(graph)
    return dead.remove(loops.simplify(graph))


__all__ = ["LOCAL", "common", "dead", "fold", "loops", "optimize", "simplify"]
