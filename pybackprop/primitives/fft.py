"""Fourier transforms: one linear primitive, and what it becomes once values are real.

A plan says how a length is transformed: its factors, the extent of Bluestein's convolution if a
prime factor is large, and a table of twiddles (see ``csrc/src/fft.h``), which is a constant of the
graph.

References
----------
Stockham, T. G. (1966). High-speed convolution and correlation. AFIPS Proceedings 28, 229-233.
Bluestein, L. I. (1970). A linear filtering approach to the computation of discrete Fourier
transform. IEEE Transactions on Audio and Electroacoustics 18(4), 451-455.
"""

import functools

import numpy as np

from .base import Linear, Primitive

_PASSES = (4, 2, 3, 5, 7, 11, 13)
_WORK_BYTES = 1 << 18


class Fft(Linear):
    """y[k] = sum over j of exp(-2 pi i j k / n) x[j] along an axis; +2 pi i if ``inverse``.

    The matrix is symmetric, so the transform is its own transpose.
    """

    name = "fft"

    def infer(self, x, *, axis, inverse):
        if x.dtype.kind != "c":
            raise TypeError(f"fft needs complex values, not {x.dtype}")
        if x.shape[axis] == 0:
            raise ValueError("Invalid number of FFT data points (0) specified.")
        return x.shape, x.dtype

    def evaluate(self, x, *, axis, inverse):
        if inverse:
            y = np.fft.ifft(x, axis=axis, norm="forward")
        else:
            y = np.fft.fft(x, axis=axis)
        return y.astype(x.dtype)

    def vjp(self, cotangents, operands, outputs, wanted, *, axis, inverse):
        return [fft(cotangents[0], axis=axis, inverse=inverse)]

    def batch(self, operands, batched, size, *, axis, inverse):
        return [fft(operands[0], axis=axis + 1, inverse=inverse)]


class FftPlanes(Primitive):
    """The two planes of a transform, stacked in front, from planes and a table.

    Operands: the real plane, the imaginary plane unless it is zero, the table of
    :func:`plan`. Made after differentiation, so it has no derivative rules.
    """

    name = "fft_planes"

    def infer(self, *operands, axis):
        re = operands[0]
        return (2, *re.shape), re.dtype

    def lower(self, lowering, node):
        lowering.fft(node)


fft, fft_planes = Fft(), FftPlanes()


# ---- plans --------------------------------------------------------------------------------------


class Plan:
    """How a length is transformed.

    Attributes
    ----------
    n : int
    length : int
        Of the passes: n, or the extent of Bluestein's convolution.
    factors : tuple of int
        Of ``length``, in the order of the passes.
    table : numpy.ndarray
    """

    def __init__(self, n, length, factors, table):
        self.n, self.length, self.factors, self.table = n, length, factors, table

    def chunk(self, inner, itemsize):
        """How many of ``inner`` columns are transformed together: what stays in cache."""
        most = max(_WORK_BYTES // (6 * self.length * itemsize), 8)
        return max(inner if inner <= most else most, 1)

    def work(self, inner, chunk, is_real):
        """Elements of work that the instruction needs."""
        if self.length == self.n and chunk == inner:
            return (3 if is_real else 2) * self.length * chunk
        return 6 * self.length * chunk


@functools.lru_cache(maxsize=64)
def plan(n, dtype):
    """The plan of a length.

    Parameters
    ----------
    n : int
        At least 1.
    dtype : numpy.dtype
        Of the parts.

    Returns
    -------
    Plan
    """
    factors = _factors(n)
    if factors is not None:
        table = _twiddles(factors, n)
        return Plan(n, n, factors, _frozen(table, dtype))
    length = _smooth_above(2 * n - 1)
    factors = _factors(length)
    square = np.arange(n, dtype=object) ** 2 % (2 * n) if n > 1 << 31 else _squares(n)
    chirp = roots(square, 2 * n)
    response = np.zeros(length, np.clongdouble)
    response[:n] = chirp.conj()
    response[length - n + 1 :] = chirp[1:][::-1].conj()
    response = np.fft.fft(response) / length
    table = np.concatenate(
        [chirp.real, chirp.imag, response.real, response.imag, _twiddles(factors, length)]
    )
    return Plan(n, length, factors, _frozen(table, dtype))


def _squares(n):
    k = np.arange(n, dtype=np.int64)
    return k * k % (2 * n)


def _frozen(table, dtype):
    table = np.ascontiguousarray(table, dtype)
    table.flags.writeable = False
    return table


def _factors(n):
    """Factors of n that passes have, or None."""
    factors = []
    for radix in _PASSES:
        while n % radix == 0:
            factors.append(radix)
            n //= radix
    return tuple(factors) if n == 1 else None


def _smooth_above(n):
    """The smallest 2**a 3**b 5**c that is at least n."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            twos = -(-n // three)
            best = min(best, three << max((twos - 1).bit_length(), 0))
            three *= 3
        five *= 5
    return best


def roots(numerators, n):
    """exp(-2 pi i k / n) for whole k in [0, n), to the last bit of extended precision.

    The angle is reduced to an eighth of a turn in whole numbers first.
    """
    k = np.asarray(numerators, np.int64)
    octant, rest = np.divmod(8 * k, n)
    # Odd octants are walked backwards: cos and sin change places.
    odd = octant % 2 == 1
    rest = np.where(odd, n - rest, rest)
    angle = rest.astype(np.longdouble) / n * (np.longdouble(np.arctan(np.longdouble(1))))
    c, s = np.cos(angle), np.sin(angle)
    quarter = (octant + 1) // 2 % 4  # nearest multiple of a quarter turn
    s = np.where(odd, -s, s)
    table = [(c, s), (-s, c), (-c, -s), (s, -c)]
    real = np.select([quarter == i for i in range(4)], [t[0] for t in table])
    imag = np.select([quarter == i for i in range(4)], [t[1] for t in table])
    return real - 1j * imag


def _twiddles(factors, n):
    """Twiddles of all passes, as csrc/src/fft.h wants them."""
    parts, m = [np.zeros(0)], n
    for radix in factors:
        length, m = m, m // radix
        p = np.arange(m, dtype=np.int64)
        for j in range(1, radix):
            w = roots(j * p % length, length)
            parts += [w.real, w.imag]
        if radix > 5:
            w = roots(np.arange(radix), radix)
            parts += [w.real, w.imag]
    return np.concatenate(parts)
