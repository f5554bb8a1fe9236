"""Where values live while a graph is lowered: regions of memory and strided views of them.

A :class:`Root` is a region: a slot of the arena, a constant, an input or output, or a window that
a loop moves over another region. A :class:`Ref` is a strided view of a root. Rearranging
primitives only make new refs; instructions get them through :func:`collapse`, which finds the
fewest nested loops that walk several views at once.
"""

from .._core import RefBase, Root, collapse, contiguous_strides
from ..primitives.base import real_dtype

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


class Ref(RefBase):
    """A strided view of a root.

    Attributes
    ----------
    root : Root
    offset : int
        Bytes from the start of the root.
    shape : tuple of int
    strides : tuple of int
        Bytes, signed.
    dtype : numpy.dtype
    truth : bool
        A truth value kept as a float64 slot.
    ahead : int
        How many frames after the loop's current one.
    """

    __slots__ = ()

    def viewed(self, offset, shape, strides):
        """Another view of the same root."""
        return Ref(self.root, offset, shape, strides, self.dtype, self.truth, self.ahead)

    def planes(self):
        """A complex view as one of its real and imaginary parts, along a new first axis."""
        dtype = real_dtype(self.dtype)
        return Ref(
            self.root, self.offset, (2, *self.shape), (dtype.itemsize, *self.strides), dtype,
            ahead=self.ahead,
        )  # fmt: skip

    def reshaped(self, shape):
        """The view with another shape, or None if that needs a copy."""
        strides = reshape_strides(self.shape, self.strides, shape, self.dtype.itemsize)
        return None if strides is None else self.viewed(self.offset, shape, strides)

    def transposed(self, axes):
        """The view with its axes in another order."""
        return self.viewed(
            self.offset,
            tuple(self.shape[axis] for axis in axes),
            tuple(self.strides[axis] for axis in axes),
        )

    def sliced(self, starts, stops, steps):
        """The part ``[start:stop:step]`` per axis."""
        shape = tuple(-((a - b) // k) for a, b, k in zip(starts, stops, steps, strict=True))
        offset = self.offset + sum(
            a * s for a, s in zip(starts, self.strides, strict=True) if 0 not in shape
        )
        return self.viewed(
            offset, shape, tuple(s * k for s, k in zip(self.strides, steps, strict=True))
        )

    def flipped(self, axes):
        """The view with axes reversed."""
        offset, strides = self.offset, list(self.strides)
        for axis in axes:
            offset += max(self.shape[axis] - 1, 0) * strides[axis]
            strides[axis] = -strides[axis]
        return self.viewed(offset, self.shape, tuple(strides))


def reshape_strides(shape, strides, new_shape, itemsize):
    """Strides that give a view another shape without a copy, or None.

    Groups of axes that are contiguous among themselves are matched from the left with groups of
    new axes of the same number of elements.
    """
    if 0 in new_shape or all(n == 1 for n in new_shape):
        return contiguous_strides(new_shape, itemsize)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result, i, j = [], 0, 0
    while j < len(new_shape):
        if new_shape[j] == 1:
            result.append(0)
            j += 1
            continue
        old_count, new_count = old[i][0], new_shape[j]
        i_end, j_end = i + 1, j + 1
        while old_count != new_count:
            if new_count < old_count:
                new_count *= new_shape[j_end]
                j_end += 1
            else:
                # The axis joined must continue the one before it.
                if old[i_end - 1][1] != old[i_end][1] * old[i_end][0]:
                    return None
                old_count *= old[i_end][0]
                i_end += 1
        step = old[i_end - 1][1]
        group = []
        for extent in reversed(new_shape[j:j_end]):
            group.append(step)
            step *= extent
        result.extend(reversed(group))
        i, j = i_end, j_end
    return tuple(result)


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
