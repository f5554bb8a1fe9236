"""Symbolic instructions and loops: what lowering makes, and what the tape is written from."""

import numpy as np

F64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
SA, SB, SC, ACC, COLUMNS, REVERSE = 1, 2, 4, 8, 16, 32
SCALAR = 1 << 15


class Instruction:
    """A symbolic instruction: operands are refs, or None.

    ``writes`` and ``reads`` are the same refs for liveness; ``loop`` is the loop record of a begin
    or end.
    """

    __slots__ = ("a", "b", "c", "d", "flags", "loop", "op", "params")

    def __init__(self, op, d=None, a=None, b=None, c=None, flags=0, params=(), loop=None):
        self.op = op
        self.d, self.a, self.b, self.c = d, a, b, c
        self.flags = flags
        self.params = params
        self.loop = loop

    def refs(self):
        """All operands that are there."""
        return [r for r in (self.d, self.a, self.b, self.c) if r is not None]


class Loop:
    """A loop record.

    Attributes
    ----------
    trip : int
    windows : list of Root
    frame : Root or None
        The window that scalar instructions address as their frame.
    parent : Loop or None
    begin, end : int
        Instruction numbers.
    parallel : bool
        Whether its steps may run at the same time.
    """

    def __init__(self, trip, parent, parallel=False):
        self.trip = trip
        self.parent = parent
        self.windows = []
        self.frame = None
        self.begin = self.end = None
        self.number = None
        self.parallel = parallel
