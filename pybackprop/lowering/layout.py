"""Where values live while a graph is lowered: regions of memory and strided views of them.

A :class:`Root` is a region: a slot of the arena, a constant, an input or output, or a window that
a loop moves over another region. A :class:`Ref` is a strided view of a root. Rearranging
primitives only make new refs; instructions get them through :func:`collapse`, which finds the
fewest nested loops that walk several views at once.
"""

from .._core import Ref, Root, collapse, contiguous_strides, reshape_strides

__all__ = [
    "ARENA", "CONST", "INPUT", "OUTPUT", "WINDOW", "Local", "Ref", "Root", "collapse",
    "contiguous_strides", "cut_rows", "reshape_strides",
]  # fmt: skip

ARENA, CONST, INPUT, OUTPUT, WINDOW = "arena", "const", "input", "output", "window"


class Local:
    """The memory that each step of a parallel loop has for itself: slots in a window of its own.

    Attributes
    ----------
    window : Root
        Moves over a block with a part for every step.
    """

    __slots__ = ("window",)

    def __init__(self, window):
        self.window = window


# An instruction costs about as much as copying this many elements.
_INSTRUCTION = 64


def cut_rows(refs, copied):
    """Views of equal leading axes cut along the first, where that is cheaper than copying."""
    extent = refs[0].shape[0]
    if extent * _INSTRUCTION > copied:
        return None
    return [
        [r.viewed(r.offset + i * r.strides[0], r.shape[1:], r.strides[1:]) for r in refs]
        for i in range(extent)
    ]
