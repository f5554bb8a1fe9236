"""Graph to tape: instructions over an arena.

``plan`` decides which values are computed straight into their place (an adjoint, a part of a
concatenation, an output) and which nodes melt into their consumer; ``emit`` walks the graph and
emits symbolic instructions, by the rules in ``maps``, ``scalars``, ``reductions``, ``views``,
``kernels`` and ``linalg``; ``loop`` does the same for scans and their frames; ``order`` keeps
chains of scalar instructions in loops together; ``arena`` gives every slot an address by liveness;
``tape`` writes the bytes that docs/tape.md describes.
"""

from .._core import has_long_axis
from ..passes.factors import gather
from ..passes.segments import LEAST_ROWS
from ..passes.written_out import write_out
from .emit import Lowering
from .order import order
from .tape import assemble

__all__ = ["Lowering", "assemble", "lower", "lowered"]


def lowered(graph):
    """The symbolic instructions of a closed, optimized graph.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Lowering
    """
    graph = gather(write_out(graph))
    if has_long_axis(graph.nodes, LEAST_ROWS):
        from ..passes.tile import tile

        graph = tile(graph)
    lowering = Lowering(graph)
    lowering.run()
    order(lowering)
    return lowering


def lower(graph):
    """The bytes of the tape of a closed, optimized graph.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict of str to bytes
        The sections of the container, see docs/tape.md.
    """
    return assemble(lowered(graph))
