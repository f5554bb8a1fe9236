"""NumPy's ``fft`` names on values: all of them composed of one linear primitive.

Real arguments become complex ones with a zero imaginary part, which costs nothing. float32 and
complex64 stay in single precision, as under NumPy 2.
"""

import math
import operator

import numpy as np
from numpy.fft import fftfreq, rfftfreq

from ..primitives import elementwise as ew
from ..primitives import shaping
from ..primitives.base import normalize_axis
from ..primitives.fft import fft as transform
from ._common import FLOAT64, as_value, cast, no_out, scalar
from ._eager import surface
from ._products import conjugated

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _floating(a):
    """The argument as a real or complex floating value."""
    x = as_value(a)
    if x.dtype.kind in "biu":
        return cast(x, FLOAT64)
    return x


def _complex(x):
    return x if x.dtype.kind == "c" else cast(x, np.result_type(x.dtype, np.complex64))


def _real(a, name):
    x = _floating(a)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} needs real values, not {x.dtype}; use {name.replace('r', '', 1)}")
    return x


def _point_count(n):
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return n


def _resized(x, n, axis):
    """The first n elements along an axis, zeros after them if there are fewer."""
    extent = x.shape[axis]
    if n < extent:
        return shaping.slice_axis(x, axis, 0, n)
    if n > extent:
        none = (0,) * x.ndim
        highs = tuple(n - extent if i == axis else 0 for i in range(x.ndim))
        return shaping.pad(x, lows=none, highs=highs, interiors=none)
    return x


def _scaled(x, factor):
    return x if factor == 1 else ew.multiply(x, scalar(factor, x.dtype))


def _factor(n, norm, inverse):
    """What NumPy multiplies a transform of n points by."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if (norm == "forward") != inverse else 1


def _along(x, n, axis, norm, inverse):
    """A complex transform along one axis."""
    if not x.ndim:
        raise np.exceptions.AxisError(axis, 0)
    axis = normalize_axis(axis, x.ndim)
    x = _resized(x, _point_count(x.shape[axis] if n is None else n), axis)
    y = transform(_complex(x), axis=axis, inverse=inverse)
    return _scaled(y, _factor(x.shape[axis], norm, inverse))


@surface()
def fft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.fft``."""
    no_out(out)
    return _along(_floating(a), n, axis, norm, False)


@surface()
def ifft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.ifft``."""
    no_out(out)
    return _along(_floating(a), n, axis, norm, True)


@surface()
def rfft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.rfft``."""
    no_out(out)
    y = _along(_real(a, "rfft"), n, axis, norm, False)
    axis = normalize_axis(axis, y.ndim)
    return shaping.slice_axis(y, axis, 0, y.shape[axis] // 2 + 1)


@surface()
def irfft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.irfft``."""
    no_out(out)
    return _half_inverse(_floating(a), n, axis, norm)


def _half_inverse(x, n, axis, norm):
    """The real inverse transform of the non-negative half of a spectrum."""
    if not x.ndim:
        raise np.exceptions.AxisError(axis, 0)
    axis = normalize_axis(axis, x.ndim)
    n = _point_count(2 * (x.shape[axis] - 1) if n is None else n)
    half = _resized(_complex(x), n // 2 + 1, axis)
    # The other half is the conjugate in reverse; imaginary parts of its own mirror images,
    # elements 0 and n / 2, drop out with the imaginary part of the result.
    rest = shaping.slice_axis(half, axis, 1, (n + 1) // 2)
    full = half
    if rest.shape[axis]:
        mirrored = ew.conj(shaping.flip(rest, axes=(axis,)))
        full = shaping.concatenate(half, mirrored, axis=axis)
    y = ew.real(transform(full, axis=axis, inverse=True))
    return _scaled(y, _factor(n, norm, True))


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _other(norm):
    if norm not in _SWAPPED:
        _factor(1, norm, False)
    return _SWAPPED[norm]


@surface()
def hfft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.hfft``."""
    no_out(out)
    return _half_inverse(conjugated(_floating(a)), n, axis, _other(norm))


@surface()
def ihfft(a, n=None, axis=-1, norm=None, out=None):
    """See ``numpy.fft.ihfft``."""
    return ew.conj(rfft.traced(_real(a, "ihfft"), n, axis, _other(norm), out))


# ---- several axes -------------------------------------------------------------------------------


def _axes_and_extents(x, s, axes, halved=False):
    """Extents and axes of a transform over several axes, as NumPy completes them."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    axes = [normalize_axis(operator.index(axis), x.ndim) for axis in axes]
    if s is None:
        s = [None] * len(axes)
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    extents = []
    for n, axis in zip(s, axes, strict=True):
        whole = n is None or operator.index(n) == -1
        extents.append(x.shape[axis] if whole else operator.index(n))
    if halved and (s[-1] is None or s[-1] == -1):
        extents[-1] = 2 * (x.shape[axes[-1]] - 1)
    return extents, axes


def _over(x, s, axes, norm, inverse):
    extents, axes = _axes_and_extents(x, s, axes)
    x = _complex(x)
    for n, axis in zip(reversed(extents), reversed(axes), strict=True):
        x = _along(x, n, axis, norm, inverse)
    return x


@surface()
def fftn(a, s=None, axes=None, norm=None, out=None):
    """See ``numpy.fft.fftn``."""
    no_out(out)
    return _over(_floating(a), s, axes, norm, False)


@surface()
def ifftn(a, s=None, axes=None, norm=None, out=None):
    """See ``numpy.fft.ifftn``."""
    no_out(out)
    return _over(_floating(a), s, axes, norm, True)


@surface()
def fft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """See ``numpy.fft.fft2``."""
    return fftn.traced(a, s, axes, norm, out)


@surface()
def ifft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """See ``numpy.fft.ifft2``."""
    return ifftn.traced(a, s, axes, norm, out)


@surface()
def rfftn(a, s=None, axes=None, norm=None, out=None):
    """See ``numpy.fft.rfftn``."""
    x = _real(a, "rfftn")
    extents, axes = _axes_and_extents(x, s, axes)
    if not axes:
        raise IndexError("rfftn needs at least one axis")
    y = rfft.traced(x, extents[-1], axes[-1], norm, out)
    for n, axis in zip(reversed(extents[:-1]), reversed(axes[:-1]), strict=True):
        y = _along(y, n, axis, norm, False)
    return y


@surface()
def rfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """See ``numpy.fft.rfft2``."""
    return rfftn.traced(a, s, axes, norm, out)


@surface()
def irfftn(a, s=None, axes=None, norm=None, out=None):
    """See ``numpy.fft.irfftn``."""
    no_out(out)
    x = _complex(_floating(a))
    extents, axes = _axes_and_extents(x, s, axes, halved=True)
    if not axes:
        raise IndexError("irfftn needs at least one axis")
    for n, axis in zip(extents[:-1], axes[:-1], strict=True):
        x = _along(x, n, axis, norm, True)
    return _half_inverse(x, extents[-1], axes[-1], norm)


@surface()
def irfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """See ``numpy.fft.irfft2``."""
    return irfftn.traced(a, s, axes, norm, out)


# ---- orders of frequencies ----------------------------------------------------------------------


def _shift(x, axes, back):
    from ._shaping import roll

    x = as_value(x)
    if axes is None:
        axes = range(x.ndim)
    elif not isinstance(axes, (tuple, list)):
        axes = (axes,)
    axes = tuple(normalize_axis(operator.index(axis), x.ndim) for axis in axes)
    shifts = tuple(-(x.shape[a] // 2) if back else x.shape[a] // 2 for a in axes)
    return roll.traced(x, shifts, axes) if axes else x


@surface()
def fftshift(x, axes=None):
    """See ``numpy.fft.fftshift``."""
    return _shift(x, axes, False)


@surface()
def ifftshift(x, axes=None):
    """See ``numpy.fft.ifftshift``."""
    return _shift(x, axes, True)
