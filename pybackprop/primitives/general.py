"""Eigenvalues and eigenvectors of general matrices, as real and imaginary parts.

The operand is a real matrix, or the real part of a complex one above its imaginary part.

Rules of derivatives work with these parts: a complex matrix x + i y acts on parts one above the
other as the real matrix ``[[x, -y], [y, x]]``. Where eigenvalues coincide, quotients by their
differences are taken to be zero, see :mod:`.spectral`. A matrix that has no basis of eigenvectors
has no derivative: there it is not finite, or LinAlgError.

References
----------
Magnus, J. R. (1985). On differentiating eigenvalues and eigenvectors. Econometric Theory 1.
Giles, M. B. (2008). An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation, section 3. Oxford University, report NA-08/01.
"""

import numpy as np

from . import elementwise as ew
from . import reduction
from .base import constant, require_float, zeros
from .shaping import concatenate, reshape, slice_axis
from .spectral import VECTORS, as_column, as_row, diagonal_matrix, diagonal_of, quotient
from .systems import Matrices, lu, lu_solve, require_square, times

# Of the instruction: the operand is two parts.
COMPLEX = 4


def _product(a, b, *, conjugate=False):
    """Products by parts, elementwise: a b or conj(a) b."""
    (x, y), (u, v) = a, b
    re, im = ew.multiply(y, v), ew.multiply(y, u)
    if conjugate:
        return ew.add(ew.multiply(x, u), re), ew.subtract(ew.multiply(x, v), im)
    return ew.subtract(ew.multiply(x, u), re), ew.add(ew.multiply(x, v), im)


def _times(a, b, *, adjoint=False):
    """Products of matrices by parts, a b or a^H b."""
    (x, y), (u, v) = a, b
    xu, yv = times(x, u, ta=adjoint), times(y, v, ta=adjoint)
    xv, yu = times(x, v, ta=adjoint), times(y, u, ta=adjoint)
    if adjoint:
        return ew.add(xu, yv), ew.subtract(xv, yu)
    return ew.subtract(xu, yv), ew.add(xv, yu)


def _solve(a, b, *, adjoint=False):
    """Solutions of a x = b, or a^H x = b, by parts."""
    x, y = a
    n, row, column = x.shape[-1], x.ndim - 2, x.ndim - 1
    above = concatenate(x, ew.negative(y), axis=column)
    whole = concatenate(above, concatenate(y, x, axis=column), axis=row)
    factors = lu(ew.stop_gradient(whole))
    solution = lu_solve(whole, factors, concatenate(*b, axis=row), transposed=adjoint)
    return slice_axis(solution, row, 0, n), slice_axis(solution, row, n, 2 * n)


def _inverse_differences(w):
    """1 / (w_j - w_i) by parts in row i, column j; 0 where they coincide."""
    x, y = w
    n = x.shape[-1]
    size = reduction.max_(ew.hypot(ew.stop_gradient(x), ew.stop_gradient(y)), axes=(x.ndim - 1,))
    zero, one = constant(0, x.dtype), constant(1, x.dtype)
    size = ew.select(ew.equal(size, zero), one, size)
    size = reshape(size, shape=(*size.shape, 1, 1))
    re, im = (ew.divide(ew.subtract(as_row(p), as_column(p)), size) for p in (x, y))
    small = constant((n * np.finfo(x.dtype).eps) ** 2, x.dtype)
    factor = ew.divide(quotient(ew.add(ew.square(re), ew.square(im)), small), size)
    return ew.multiply(re, factor), ew.negative(ew.multiply(im, factor))


def _sum_of_columns(x):
    return reduction.sum_(x, axes=(x.ndim - 2,))


def _is_complex(a):
    """Whether an operand is two parts above each other. One without elements has no parts."""
    return a.shape[-2] != a.shape[-1]


def _infer(name, a):
    if _is_complex(a) and a.shape[-2] == 2 * a.shape[-1]:
        require_float(name, a)
        return (*a.shape[:-2], a.shape[-1], a.shape[-1])
    require_square(name, a)
    return a.shape


def _moved(da, v):
    """Products da v by parts, of a tangent as the operand is."""
    if not _is_complex(da):
        return times(da, v[0]), times(da, v[1])
    n, axis = da.shape[-1], da.ndim - 2
    return _times((slice_axis(da, axis, 0, n), slice_axis(da, axis, n, 2 * n)), v)


def _free(a, wi):
    """Where imaginary parts may move: those of complex matrices, and of pairs. None for all."""
    if _is_complex(a):
        return None
    return ew.not_equal(ew.stop_gradient(wi), constant(0, wi.dtype))


def _where_free(free, x):
    return x if free is None else ew.select(free, x, constant(0, x.dtype))


def _lower(lowering, node, vectors):
    (a,) = node.operands
    n = a.shape[-1]
    lowering.linalg("EIG", node, node.operands, (n, n, 0), vectors | (_is_complex(a) and COMPLEX))


class Eig(Matrices):
    """Parts of w, v with a v = v diag(w): re w, im w, re v, im v.

    Columns of v have length 1 and a largest element that is real and positive. With g = v^-1 da v
    and f_ij = 1 / (w_j - w_i): dw = diag(g), dv = u - v diag(Re v_j^H u_j + i Im u_kj / v_kj) with
    u = v (f g), k the row of the largest element. Parts that are zero because an eigenvalue of a
    real matrix is real stay zero.
    """

    name = "eig"
    multiple = True

    def infer(self, a):
        shape = _infer("eig", a)
        return [(shape[:-1], a.dtype)] * 2 + [(shape, a.dtype)] * 2

    def _gauge(self, outputs):
        """The inverse of the element of a column that is real, where it is; else zero."""
        _, _, vr, vi = outputs
        n, zero = vr.shape[-1], constant(0, vr.dtype)
        real = ew.equal(ew.stop_gradient(vi), zero)
        size = ew.select(real, ew.stop_gradient(vr), constant(-2, vr.dtype))
        best = as_row(reduction.argmax(size, axis=vr.ndim - 2))
        chosen = ew.equal(best, constant(np.arange(n).reshape(n, 1), np.int64))
        one = constant(1, vr.dtype)
        return ew.select(chosen, ew.reciprocal(ew.select(chosen, vr, one)), zero)

    def jvp(self, tangents, operands, outputs):
        wr, wi, vr, vi = outputs
        if not wr.size:
            return [zeros(o.shape, o.dtype) for o in outputs]
        v, free = (vr, vi), _free(operands[0], wi)
        g = _solve(v, _moved(tangents[0], v))
        u = _times(v, _product(_inverse_differences((wr, wi)), g))
        pick = self._gauge(outputs)
        along = _sum_of_columns(_product(v, u, conjugate=True)[0])
        around = _sum_of_columns(ew.multiply(pick, u[1]))
        off = _product(v, (as_row(along), as_row(around)))
        dvr, dvi = (ew.subtract(x, y) for x, y in zip(u, off, strict=True))
        return [
            diagonal_of(g[0]),
            _where_free(free, diagonal_of(g[1])),
            dvr,
            _where_free(None if free is None else as_row(free), dvi),
        ]

    def vjp(self, cotangents, operands, outputs, wanted):
        wr, wi, vr, vi = outputs
        (a,) = operands
        if not wr.size:
            return [zeros(a.shape, a.dtype)]
        v, free = (vr, vi), _free(a, wi)
        ct_wr, ct_wi, ct_vr, ct_vi = (
            zeros(o.shape, o.dtype) if ct is None else ct
            for ct, o in zip(cotangents, outputs, strict=True)
        )
        pick = self._gauge(outputs)
        inner = (diagonal_matrix(ct_wr), diagonal_matrix(_where_free(free, ct_wi)))
        if cotangents[2] is not None or cotangents[3] is not None:
            c = (ct_vr, _where_free(None if free is None else as_row(free), ct_vi))
            along, turned = (as_row(_sum_of_columns(x)) for x in _product(v, c, conjugate=True))
            re = ew.subtract(c[0], ew.multiply(along, vr))
            im = ew.subtract(c[1], ew.multiply(along, vi))
            im = ew.subtract(im, ew.multiply(turned, pick))
            f = _inverse_differences((wr, wi))
            moved = _product(f, _times(v, (re, im), adjoint=True), conjugate=True)
            inner = tuple(ew.add(x, y) for x, y in zip(inner, moved, strict=True))
        return [_toward(a, v, inner)]

    def lower(self, lowering, node):
        _lower(lowering, node, VECTORS)


def _toward(a, v, inner):
    """v^-H inner v^H, or its real part for a real matrix, from the cotangent of v^-1 a v."""
    x, y = _solve(v, inner, adjoint=True)
    re = ew.add(times(x, v[0], tb=True), times(y, v[1], tb=True))
    if not _is_complex(a):
        return re
    im = ew.subtract(times(y, v[0], tb=True), times(x, v[1], tb=True))
    return concatenate(re, im, axis=a.ndim - 2)


class Eigenvalues(Matrices):
    """Parts of the eigenvalues alone.  Derivative: diag(v^-1 da v); vectors are found only then."""

    name = "eigenvalues"
    multiple = True

    def infer(self, a):
        return [(_infer("eigvals", a)[:-1], a.dtype)] * 2

    def jvp(self, tangents, operands, outputs):
        wr, wi, vr, vi = eig(operands[0])
        if not wr.size:
            return [zeros(o.shape, o.dtype) for o in outputs]
        g = _solve((vr, vi), _moved(tangents[0], (vr, vi)))
        return [diagonal_of(g[0]), _where_free(_free(operands[0], wi), diagonal_of(g[1]))]

    def widen(self, operands, active, selective):
        """The values with the vectors that the reverse sweep needs."""
        wr, wi, vr, vi = eig(operands[0])
        return [wr, wi], (wr, wi, vr, vi)

    def vjp(self, cotangents, operands, outputs, wanted, *, context):
        return eig.vjp([*cotangents, None, None], operands, context, wanted)

    def lower(self, lowering, node):
        _lower(lowering, node, 0)


eig, eigenvalues = Eig(), Eigenvalues()
