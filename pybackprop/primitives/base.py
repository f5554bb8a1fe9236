"""What every primitive is, and what the families share: broadcasting, products with cotangents.

A primitive is one class with one instance, in one place: its rule for shapes and dtypes
(``infer``), its NumPy evaluation (``evaluate``, for constant folding), its derivative rules
(``jvp``, ``vjp``), its batching rule (``batch``) and its lowering (``lower``). The derivative and
batching rules apply other primitives, so they record into the innermost open graph, and
derivatives of derivatives need nothing more.

Rules get the operands and outputs as values of the open graph:

* ``jvp(tangents, operands, outputs, **attributes)`` returns the tangents of the outputs as a list;
  a tangent that is None is zero.
* ``vjp(cotangents, operands, outputs, wanted, **attributes)`` returns a list with one cotangent per
  operand, None for zero or not wanted.
* ``batch(operands, batched, size, **attributes)`` gets operands whose batch axis, where they have
  one, is axis 0, and returns the outputs as a list, each with the batch axis as axis 0.
"""

import functools

import numpy as np

from .._core import PrimitiveBase
from .._core import is_floating as is_floating
from ..errors import DifferentiationError, UnsupportedError
from ..graph import CONSTANT, current_graph

REGISTRY = {}
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
COMPLEXES = (np.dtype(np.complex64), np.dtype(np.complex128))


def _unpickled(name):
    from . import find

    return find(name)


class Primitive(PrimitiveBase):
    """Base class; registers the instance that a subclass's module makes.

    Attributes
    ----------
    name : str
        As printed in graphs.
    multiple : bool
        Whether it has several outputs.
    stops : bool
        Whether no derivative passes through it.
    widen : method or None
        Records it with what ``vjp`` needs besides, see :class:`pybackprop.primitives.control.Scan`.
    """

    name = ""
    multiple = False
    stops = False
    widen = None

    def __init__(self):
        if self.name in REGISTRY:
            raise ValueError(f"two primitives are called {self.name!r}")
        REGISTRY[self.name] = self

    def __repr__(self):
        return self.name

    def __reduce__(self):
        return (_unpickled, (self.name,))

    def infer(self, *operands, **attributes):
        """Shape and dtype of the output, or a list of these if there are several."""
        raise NotImplementedError(self.name)

    def evaluate(self, *arrays, **attributes):
        """The value by NumPy, for constant folding, or None where it is not wanted."""
        return None

    def jvp(self, tangents, operands, outputs, **attributes):
        """Tangents of the outputs; see the module."""
        raise DifferentiationError(f"{self.name} has no derivative rule")

    def vjp(self, cotangents, operands, outputs, wanted, **attributes):
        """Cotangents of the operands; see the module."""
        raise DifferentiationError(f"{self.name} has no derivative rule")

    def batch(self, operands, batched, size, **attributes):
        """Batched outputs; see the module."""
        raise UnsupportedError(f"{self.name} has no batching rule")

    def lower(self, lowering, node):
        """Emit instructions, see :mod:`pybackprop.lower`."""
        raise NotImplementedError(self.name)


class NotDifferentiable(Primitive):
    """A primitive whose output never changes smoothly: its derivative is zero."""

    stops = True

    def jvp(self, tangents, operands, outputs, **attributes):
        return [None] * len(outputs)

    def vjp(self, cotangents, operands, outputs, wanted, **attributes):
        return [None] * len(operands)


class Linear(Primitive):
    """A primitive linear in its only operand: its JVP is itself."""

    def jvp(self, tangents, operands, outputs, **attributes):
        return [self(tangents[0], **attributes)]


# ---- shapes -------------------------------------------------------------------------------------


def broadcast_shapes(*shapes):
    """The shape that NumPy broadcasts the given shapes to.

    Raises
    ------
    ValueError
        With NumPy's wording, if they do not broadcast.
    """
    first = shapes[0]
    for shape in shapes:
        if shape != first:
            break
    else:
        return first
    ndim = max(map(len, shapes))
    result = []
    for axis in range(-ndim, 0):
        extent = 1
        for shape in shapes:
            if -axis <= len(shape) and shape[axis] != 1:
                if extent not in (1, shape[axis]):
                    text = " ".join(map(str, shapes))
                    raise ValueError(f"operands could not be broadcast together with shapes {text}")
                extent = shape[axis]
        result.append(extent)
    return tuple(result)


def unbroadcast(cotangent, shape):
    """Sum a cotangent over the axes along which an operand of ``shape`` was broadcast."""
    if cotangent.shape == shape:
        return cotangent
    from .reduction import sum_
    from .shaping import reshape

    extra = cotangent.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        axis + extra
        for axis, extent in enumerate(shape)
        if extent == 1 and cotangent.shape[axis + extra] != 1
    )
    flagged = is_selective(cotangent)
    summed = sum_(cotangent, axes=axes) if axes else cotangent
    if summed.shape != shape:
        summed = reshape(summed, shape=shape)
    return mark_selective(summed) if flagged else summed


def broadcast(value, shape):
    """``value`` broadcast to ``shape``; itself if it has that shape."""
    if value.shape == shape:
        return value
    from .shaping import broadcast_to

    return broadcast_to(value, shape=shape)


def align(operands, batched, ndim):
    """Give batched operands of fewer axes the axes of size one that broadcasting them needs.

    ``ndim`` is the largest number of axes of any operand without its batch axis.
    """
    from .shaping import reshape

    result = []
    for operand, has_batch in zip(operands, batched, strict=True):
        if has_batch and operand.ndim - 1 < ndim:
            shape = operand.shape[:1] + (1,) * (ndim - operand.ndim + 1) + operand.shape[1:]
            operand = reshape(operand, shape=shape)
        result.append(operand)
    return result


def normalize_axis(axis, ndim):
    """A non-negative axis.

    Raises
    ------
    numpy.exceptions.AxisError
        If it is out of range.
    """
    index = int(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return index + ndim if index < 0 else index


# ---- constants and zeros ------------------------------------------------------------------------


def constant(array, dtype=None):
    """A constant in the innermost open graph."""
    return current_graph().constant(np.asarray(array, dtype))


def zeros(shape, dtype):
    """Zeros of a shape: a broadcast constant, so that large ones take no memory in the graph."""
    return broadcast(constant(np.zeros((), dtype)), tuple(shape))


def filled(shape, number, dtype):
    """A number broadcast to a shape."""
    return broadcast(constant(np.array(number, dtype)), tuple(shape))


def is_constant(value):
    """Whether the number is known while tracing."""
    return value.node.primitive is CONSTANT


def constant_value(value):
    """The scalar that a value is known to hold everywhere, or None."""
    node = value.node
    while node.primitive is not CONSTANT and node.primitive.name in ("broadcast_to", "reshape"):
        node = node.operands[0].node
    if node.primitive is CONSTANT and node.attributes["value"].size == 1:
        return node.attributes["value"].reshape(()).item()
    return None


# ---- products with cotangents -------------------------------------------------------------------
#
# A cotangent that a selection (where, maximum, clip ...) set to zero must stay zero, even where the
# partial that it meets is infinite or NaN, because that partial belongs to the branch that was not
# taken. Such cotangents are remembered in the graph under construction; `product` multiplies them
# with `mulz`, which is closed under differentiation, and all others plainly.


def mark_selective(value):
    """Remember that zeros in this cotangent may come from a selection."""
    current_graph().table.setdefault("selective", set()).add(value)
    return value


def is_selective(value):
    """Whether zeros in this cotangent may come from a selection."""
    marked = current_graph().table.get("selective")
    return marked is not None and value in marked


@functools.cache
def _products():
    """The primitives, which are defined by means of this module."""
    from .elementwise import multiply, mulz

    return multiply, mulz


def product(cotangent, partial):
    """``cotangent * partial``; 0 where a selective cotangent is 0, whatever the partial."""
    multiply, mulz = _products()
    marked = current_graph().table.get("selective")
    if marked is None or cotangent not in marked:
        return multiply(cotangent, partial)
    # Bounded functions are not excepted: they are NaN where the branch that is not taken is.
    finite = is_constant(partial) and bool(np.isfinite(partial.node.attributes["value"]).all())
    result = multiply(cotangent, partial) if finite else mulz(cotangent, partial)
    return mark_selective(result)


def add_tangents(*tangents):
    """Sum of tangents, of which None are zero; None if all are."""
    from .elementwise import add

    present = [t for t in tangents if t is not None]
    if not present:
        return None
    total = present[0]
    for tangent in present[1:]:
        total = add(total, tangent)
    return total


def real_dtype(dtype):
    """The dtype of the parts of a complex dtype; others as they are."""
    return FLOATS[COMPLEXES.index(dtype)] if dtype.kind == "c" else dtype


def require_float(name, *operands, complexes=False):
    """Raise unless all operands are of a real (or, if ``complexes``, complex) floating dtype."""
    for operand in operands:
        if operand.dtype not in FLOATS and not (complexes and operand.dtype in COMPLEXES):
            raise UnsupportedError(f"{name} is not supported for dtype {operand.dtype}")


def same_dtype(name, *operands):
    """The common dtype of operands that the surface has already promoted."""
    dtype = operands[0].dtype
    for operand in operands:
        if operand.dtype is not dtype and operand.dtype != dtype:
            raise TypeError(
                f"{name} needs operands of one dtype, not "
                f"{', '.join(str(o.dtype) for o in operands)}"
            )
    return dtype
