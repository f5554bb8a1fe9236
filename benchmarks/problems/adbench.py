"""What the four problems of ADBench share: their data files and reference derivatives.

The files are in ``benchmarks/data/adbench`` under ADBench's own licence; the README there says
what each one holds, and how the reference derivatives were made.

References
----------
F. Srajer, Z. Kukelova and A. Fitzgibbon, "A benchmark of selected algorithmic differentiation
tools on some problems in computer vision and machine learning", Optimization Methods and Software
33 (2018), 889-906.
"""

import gzip
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data" / "adbench"


def read_lines(name):
    """Lines of a data file, gzipped or not."""
    path = DATA / name
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode().splitlines()
    return path.read_text().splitlines()


def read_numbers(name):
    """All numbers of a data file in a row, to be taken in turns."""
    return Numbers(np.array(" ".join(read_lines(name)).split(), np.float64))


class Numbers:
    """A row of numbers from which arrays are taken one after the other."""

    def __init__(self, numbers):
        self._numbers, self._at = numbers, 0

    def take(self, *shape):
        """The next numbers, in this shape."""
        count = int(np.prod(shape))
        self._at += count
        return self._numbers[self._at - count : self._at].reshape(shape).copy()

    def whole(self, count):
        """The next `count` numbers as a list of integers."""
        return [int(number) for number in self.take(count)]


def read_reference(name):
    """The arrays of a reference file."""
    with np.load(DATA / "reference" / f"{name}.npz") as file:
        return dict(file)


def split(flat, tree):
    """Cut a flat array into a list of arrays with the shapes of `tree`."""
    parts, at = [], 0
    for like in tree:
        parts.append(flat[at : at + like.size].reshape(like.shape))
        at += like.size
    return parts
