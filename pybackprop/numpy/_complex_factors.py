"""Factors of complex matrices, from those of the real matrices that act on pairs of parts.

With a complex entry x + iy as the block ``[[x, -y], [y, x]]``, triangular complex matrices with a
real diagonal stay triangular. Cholesky's factor and the QR factors are unique but for signs, so
those of the real matrix are the blocks of the complex ones, and derivatives come with them.

With ``[[A, -B], [B, A]]`` for A + iB every eigenvalue and singular value appears twice, and each
real vector (x, y) of the pair's plane is a complex one, x + iy; the plane is its multiples by
phases. Of the 2 n candidates n are chosen, one per plane: by Gram and Schmidt with pivots, which
also serves where eigenvalues coincide. The choice has no derivative. The real rules leave out
quotients by differences within a pair, which is the gauge of JAX: a vector moves orthogonally to
itself.
"""

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction, shaping, spectral, systems
from ..primitives.base import broadcast, constant, zeros
from . import _complex_systems as _complex
from ._picking import take_along_axis
from ._shaping import to_shape

# ---- blocks of two ------------------------------------------------------------------------------


def _stacked(a, b, axis):
    shape = (*a.shape[:axis], 1, *a.shape[axis:])
    return shaping.concatenate(to_shape(a, shape), to_shape(b, shape), axis=axis)


def _blocks(a):
    """Complex (..., m, n) as real (..., 2 m, 2 n)."""
    re, im = ew.real(a), ew.imag(a)
    above, below = _stacked(re, ew.negative(im), a.ndim), _stacked(im, re, a.ndim)
    paired = _stacked(above, below, a.ndim - 1)
    return to_shape(paired, (*a.shape[:-2], 2 * a.shape[-2], 2 * a.shape[-1]))


def _part(e, row, column):
    """One element of each block of (..., 2 m, 2 n)."""
    m, n = e.shape[-2] // 2, e.shape[-1] // 2
    x = to_shape(e, (*e.shape[:-2], m, 2, n, 2))
    x = shaping.slice_axis(x, x.ndim - 3, row, row + 1)
    x = shaping.slice_axis(x, x.ndim - 1, column, column + 1)
    return to_shape(x, (*e.shape[:-2], m, n))


def cholesky(a):
    """Lower factors; of the diagonal the real part is read, as LAPACK does."""
    diagonal = np.eye(a.shape[-1], dtype=bool)
    a = ew.make_complex(ew.real(a), systems.masked(ew.imag(a), ~diagonal))
    factor = systems.cholesky(_blocks(a))
    return systems.triangle(ew.make_complex(_part(factor, 0, 0), _part(factor, 1, 0)), True)


def qr(a, k):
    """Factors (..., m, k) and (..., k, n); the diagonal of the second is real."""
    q, r = spectral.qr(_blocks(a), k=2 * k)
    q = ew.make_complex(_part(q, 0, 0), _part(q, 1, 0))
    r = ew.make_complex(_part(r, 0, 0), ew.negative(_part(r, 0, 1)))
    below = np.tri(k, a.shape[-1], -1, dtype=bool)
    return q, systems.masked(r, ~below)


def complement(q, a):
    """Orthonormal columns beside those of q, which stand for the columns of (..., m, n) matrices.

    Of real matrices they are those that LAPACK has. A change of q carries them along: what is in
    the space of q is taken off, and they are made orthonormal again.
    """
    m, n = q.shape[-2:]
    fixed, real = ew.stop_gradient(q), a.dtype.kind != "c"
    if real:
        whole, _ = spectral.qr(ew.stop_gradient(a), k=m)
        beside = shaping.slice_axis(whole, whole.ndim - 1, n, m)
    else:
        eye = constant(np.eye(m, dtype=a.dtype))
        candidates = ew.subtract(eye, systems.times(fixed, adjoint(fixed)))
        beside = _columns(candidates, _chosen(candidates, m - n))
        beside = systems.times(beside, _orthonormal(beside))
    turn = systems.turned if real else adjoint
    beside = ew.subtract(beside, systems.times(q, systems.times(turn(q), beside)))
    gram = systems.times(turn(beside), beside)
    unit = broadcast(constant(np.eye(m - n, dtype=a.dtype)), gram.shape)
    if real:
        factor = systems.cholesky(gram)
        back = systems.triangular_solve(
            factor, unit, lower=True, transposed=False, unit=False, checked=False
        )
    else:
        back = triangular_solve(cholesky(gram), unit, lower=True)
    return systems.times(beside, turn(back))


# ---- planes of two ------------------------------------------------------------------------------


def adjoint(a):
    """The conjugate transposes."""
    return ew.conj(systems.turned(a))


def hermitian_from(a, lower=True):
    """The Hermitian matrices whose lower (or upper) triangle is that of a."""
    re = systems.symmetric_from(ew.real(a), lower)
    im = systems.triangle(ew.imag(a), lower, 1)
    return ew.make_complex(re, ew.subtract(im, systems.turned(im)))


def _vectors(real):
    """Real vectors (..., 2 n, k), columns, as complex (..., n, k)."""
    return _complex.unstacked(real)


def _chosen(candidates, count, preferred=None):
    """The numbers, ascending, of ``count`` columns that are as independent as may be.

    Parameters
    ----------
    candidates : (..., n, k) Value
        Complex vectors of length 1; those of different eigenvalues are orthogonal.
    count : int
    preferred : (..., k) Value, optional
        1 for those that come before all others while anything is left of them, else 0.

    Returns
    -------
    (..., count) Value of int64
    """
    from ..loops import scan
    from ._sorting import sort

    *lead, n, k = candidates.shape
    lead = tuple(lead)
    real = ew.real(candidates).dtype
    numbers = constant(np.arange(k))
    if preferred is not None:
        one = constant(1, real)
        weights = ew.add(ew.multiply(preferred, constant(1e6, real)), one)

    def step(state, _):
        rest, taken = state
        left = reduction.sum_(_squares(rest), axes=(len(lead),))
        score = left if preferred is None else ew.multiply(left, weights)
        score = ew.select(ew.less(constant(0, real), taken), constant(-1, real), score)
        best = to_shape(reduction.argmax(score, axis=len(lead)), (*lead, 1))
        here = ew.equal(broadcast(best, (*lead, k)), numbers)
        mask = broadcast(to_shape(here, (*lead, 1, k)), (*lead, n, k))
        picked = ew.select(mask, rest, constant(0, rest.dtype))
        vector = reduction.sum_(picked, axes=(len(lead) + 1,))
        length = reduction.sum_(_squares(vector), axes=(len(lead),))
        length = to_shape(ew.maximum(length, constant(np.finfo(real).tiny, real)), (*lead, 1, 1))
        vector = to_shape(vector, (*lead, n, 1))
        along = systems.times(adjoint(vector), rest)
        scaled = ew.make_complex(*[ew.divide(p, length) for p in (ew.real(along), ew.imag(along))])
        rest = ew.subtract(rest, ew.multiply(vector, scaled))
        taken = ew.select(here, constant(1, real), taken)
        return (rest, taken), to_shape(best, lead)

    _, found = scan(step, (candidates, zeros((*lead, k), real)), constant(np.arange(count)))
    found = shaping.transpose(found, axes=(*range(1, found.ndim), 0))
    return sort.traced(found)


def _squares(z):
    return ew.add(ew.square(ew.real(z)), ew.square(ew.imag(z)))


def _columns(x, places):
    """Columns of (..., n, k) by their numbers (..., count)."""
    places = to_shape(places, (*places.shape[:-1], 1, places.shape[-1]))
    places = broadcast(places, (*x.shape[:-1], places.shape[-1]))
    return take_along_axis.traced(x, places, -1)


def _orthonormal(vectors):
    """What to multiply chosen vectors by so that they are orthonormal: without derivative."""
    vectors = ew.stop_gradient(vectors)
    factor = cholesky(systems.times(adjoint(vectors), vectors))
    eye = broadcast(constant(np.eye(vectors.shape[-1], dtype=vectors.dtype)), factor.shape)
    return adjoint(triangular_solve(factor, eye, lower=True))


def eigh(a):
    """Eigenvalues (..., n), ascending, and vectors (..., n, n) of Hermitian matrices."""
    n = a.shape[-1]
    if not n:
        return zeros(a.shape[:-1], ew.real(a).dtype), a
    w, v = spectral.eigh(_complex.embedded(a), upper=False)
    candidates = _vectors(v)
    vectors = _columns(candidates, _chosen(ew.stop_gradient(candidates), n))
    return pairs_averaged(w), systems.times(vectors, _orthonormal(vectors))


def svd(a, full):
    """Singular values, left vectors, and adjoints of right ones, of (..., m, n) matrices."""
    m, n = a.shape[-2:]
    k = min(m, n)
    real = ew.real(a).dtype
    if not k:
        lead = a.shape[:-2]
        us, vs = (m, m if full else 0), (n if full else 0, n)
        u, v = [
            broadcast(constant(np.eye(*size, dtype=a.dtype)), (*lead, *size)) for size in (us, vs)
        ]
        return zeros((*lead, 0), real), u, v
    s, u, vt = spectral.svd(_complex.embedded(a), full=full)
    u, v = _vectors(u), _vectors(systems.turned(vt))
    values = pairs_averaged(s)
    # Vectors of values that count as nought are chosen last, and on either side by themselves.
    fixed = ew.stop_gradient(s)
    rounding = constant(2 * max(m, n) * np.finfo(real).eps, real)
    low = ew.multiply(reduction.max_(fixed, axes=(s.ndim - 1,)), rounding)
    low = broadcast(to_shape(low, (*low.shape, 1)), s.shape)
    counts = ew.select(ew.less(low, fixed), constant(1, real), constant(0, real))
    right = _chosen(ew.stop_gradient(v), n if full else k, _widened(counts, v.shape[-1]))
    # The same on the left, where the value is not nought.
    marked = reduction.max_(
        _one_hot(shaping.slice_axis(right, right.ndim - 1, 0, k), s.shape[-1], real),
        axes=(right.ndim - 1,),
    )
    wanted = ew.multiply(counts, marked)
    left = _chosen(ew.stop_gradient(u), m if full else k, _widened(wanted, u.shape[-1]))
    u, v = _columns(u, left), _columns(v, right)
    u, v = systems.times(u, _orthonormal(u)), systems.times(v, _orthonormal(v))
    return values, u, adjoint(v)


def _one_hot(places, size, dtype):
    places = broadcast(to_shape(places, (*places.shape, 1)), (*places.shape, size))
    return ew.convert(ew.equal(places, constant(np.arange(size))), dtype=dtype)


def _widened(x, size):
    """Vectors with zeros behind, up to a size."""
    if x.shape[-1] == size:
        return x
    more = zeros((*x.shape[:-1], size - x.shape[-1]), x.dtype)
    return shaping.concatenate(x, more, axis=x.ndim - 1)


def pairs_averaged(x):
    """Each two neighbours of sorted vectors as one, their average: it treats both alike."""
    pairs = to_shape(x, (*x.shape[:-1], x.shape[-1] // 2, 2))
    return ew.multiply(reduction.sum_(pairs, axes=(x.ndim,)), constant(0.5, x.dtype))


# ---- triangles ----------------------------------------------------------------------------------


def triangular_solve(a, b, *, lower, trans=0, unit=False):
    """X with op(a) x = b for the triangle of a, op none (0), transposed (1) or adjoint (2).

    Blocks of a triangle are a triangle where its diagonal is real, so each row is first divided by
    the phase of its diagonal.
    """
    n, real = a.shape[-1], ew.real(a).dtype
    tri = systems.triangle(a, lower)
    if trans:
        tri = adjoint(tri) if trans == 2 else systems.turned(tri)
        lower = not lower
    off_diagonal = ~np.eye(n, dtype=bool)
    if unit:
        tri = systems.masked(tri, off_diagonal)
    else:
        size = ew.abs_(spectral.diagonal_of(tri))
        zero = ew.equal(size, constant(0, real))
        phase = ew.select(zero, constant(1, a.dtype), ew.sign(spectral.diagonal_of(tri)))
        back = spectral.as_column(ew.conj(phase))
        off = systems.masked(ew.multiply(tri, back), off_diagonal)
        re = ew.add(ew.real(off), spectral.diagonal_matrix(size))
        tri, b = ew.make_complex(re, ew.imag(off)), ew.multiply(b, back)
    x = systems.triangular_solve(
        _blocks(tri), _rows_paired(b), lower=lower, transposed=False, unit=unit, checked=not unit
    )
    x = to_shape(x, (*x.shape[:-2], n, 2, x.shape[-1]))
    parts = [shaping.slice_axis(x, x.ndim - 2, i, i + 1) for i in (0, 1)]
    return ew.make_complex(*[to_shape(y, (*x.shape[:-2], x.shape[-1])) for y in parts])


def _rows_paired(b):
    paired = _stacked(ew.real(b), ew.imag(b), b.ndim - 1)
    return to_shape(paired, (*b.shape[:-2], 2 * b.shape[-2], b.shape[-1]))
