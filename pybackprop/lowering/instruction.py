"""Symbolic instructions and loops: what lowering makes, and what the tape is written from."""

import numpy as np

from .._core import Instruction

__all__ = [
    "ACC", "BOOL", "COLUMNS", "F64", "REVERSE", "SA", "SB", "SC", "SCALAR", "Instruction", "Loop",
]  # fmt: skip

F64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
SA, SB, SC, ACC, COLUMNS, REVERSE = 1, 2, 4, 8, 16, 32
SCALAR = 1 << 15


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
