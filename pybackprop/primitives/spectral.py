"""Orthogonal and spectral factors: QR, singular values, symmetric eigenvalues; exponentials.

Matrices are the last two axes; the axes before them are a batch. Where singular values or
eigenvalues coincide, their vectors are not determined, and quotients by their differences are taken
to be zero: right for every function that does not depend on the choice of vectors through more than
the spaces they span. Two of them coincide if they differ by no more than rounding: n eps times the
largest; a singular value below that counts as zero.

References
----------
Giles, M. B. (2008). An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation, section 3. Oxford University, report NA-08/01.
Townsend, J. (2016). Differentiating the singular value decomposition.
Wan, Z.-Q. and Zhang, S.-X. (2019). Automatic differentiation for complex valued SVD.
arXiv:1909.02659.
Walter, S. F., Lehmann, L. and Lamour, R. (2012). On evaluating higher-order derivatives of the QR
decomposition of tall matrices with full column rank. Optim. Methods Softw. 27.
Roberts, D. A. O. and Roberts, L. R. (2020). QR and LQ decomposition matrix backpropagation
algorithms for square, wide, and deep matrices and their software implementation. arXiv:2009.10071.
Mathias, R. (1996). A chain rule for matrix functions and applications. SIAM J. Matrix Anal. Appl.
17.
"""

import numpy as np

from ..errors import DifferentiationError
from . import elementwise as ew
from . import reduction
from .base import add_tangents, broadcast, constant, filled, require_float, zeros
from .shaping import concatenate, reshape, slice_axis
from .systems import (
    Matrices,
    Tie,
    _over_matrices,
    identity,
    require_square,
    scaled,
    symmetric_from,
    times,
    toward_triangle,
    triangle,
    triangular_solve,
    turned,
)

VECTORS, FULL, UPPER = 1, 2, 2


def columns(x, start, stop):
    """Some columns of matrices."""
    return slice_axis(x, x.ndim - 1, start, stop)


def as_row(x):
    """Vectors as matrices of one row."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def as_column(x):
    """Vectors as matrices of one column."""
    return reshape(x, shape=(*x.shape, 1))


def diagonal_matrix(x):
    """Vectors as diagonal matrices."""
    return ew.multiply(as_row(x), identity((), x.shape[-1], x.dtype))


def diagonal_of(x):
    """The diagonals of square matrices."""
    return reduction.sum_(ew.multiply(x, identity((), x.shape[-1], x.dtype)), axes=(x.ndim - 1,))


def symmetric_part(x):
    """(x + x^T) / 2."""
    return scaled(ew.add(x, turned(x)), 0.5)


def skew_part(x):
    """(x - x^T) / 2."""
    return scaled(ew.subtract(x, turned(x)), 0.5)


def quotient(x, small):
    """1 / x, or 0 where |x| <= small, derivatives too."""
    flat = ew.less_equal(ew.abs_(x), small)
    one, zero = constant(1, x.dtype), constant(0, x.dtype)
    return ew.select(flat, zero, ew.reciprocal(ew.select(flat, one, x)))


def rounding(x, n):
    """What differences of the elements of vectors must exceed, as matrices of one element."""
    if not x.shape[-1]:
        return _over_matrices(zeros(x.shape[:-1], x.dtype))
    size = ew.stop_gradient(ew.abs_(x))
    size = reduction.max_(size, axes=(x.ndim - 1,))
    return _over_matrices(scaled(size, n * np.finfo(x.dtype).eps))


def differences(x, small):
    """1 / (x_j - x_i) in row i, column j; 0 where they coincide."""
    return quotient(ew.subtract(as_row(x), as_column(x)), small)


def _moving(ct, s, edge):
    """What of a cotangent reaches singular values: none of those that count as zero.

    There a singular value has a kink, as the absolute value of a number that changes its sign.
    """
    if not s.shape[-1]:
        return ct
    small = reshape(rounding(s, edge), shape=(*s.shape[:-1], 1))
    return ew.select(ew.less_equal(s, small), constant(0, s.dtype), ct)


def _minus_projection(q, x):
    """X - q q^T x."""
    return ew.subtract(x, times(q, times(q, x, ta=True)))


# ---- QR -----------------------------------------------------------------------------------------


class QR(Matrices):
    """q and r with q r = a: orthonormal columns and an upper triangle, signs as LAPACK's.

    ``k`` is the number of columns of q: min(m, n), or m. With u the first min(m, n) columns of r, x
    those of a, c = dx u^-1 and w the skew matrix of the strictly lower triangle of q^T c: dq = q (w
    - q^T c) + c, dr = q^T da - w r. Not differentiable for k = m > n, where the last columns of q
    are arbitrary. Singular u divides by zero.
    """

    name = "qr"
    multiple = True

    def infer(self, a, *, k):
        require_float("qr", a)
        m, n = a.shape[-2:]
        lead = a.shape[:-2]
        return [((*lead, m, k), a.dtype), ((*lead, k, n), a.dtype)]

    def _check(self, a, k):
        m, n = a.shape[-2:]
        if k > n:
            raise DifferentiationError(
                f"qr in mode 'complete' of {m} x {n} matrices has no derivative: the last columns "
                "of q are not determined; use mode='reduced'"
            )

    def jvp(self, tangents, operands, outputs, *, k):
        (a,), (da,), (q, r) = operands, tangents, outputs
        self._check(a, k)
        u = columns(r, 0, k)
        c = turned(_solve_upper(u, turned(columns(da, 0, k)), transposed=True))
        inner = times(q, c, ta=True)
        low = triangle(inner, True, 1)
        skew = ew.subtract(low, turned(low))
        dq = ew.add(times(q, ew.subtract(skew, inner)), c)
        dr = ew.subtract(times(q, da, ta=True), times(skew, r))
        return [dq, dr]

    def vjp(self, cotangents, operands, outputs, wanted, *, k):
        (a,), (ct_q, ct_r), (q, r) = operands, cotangents, outputs
        self._check(a, k)
        ct_q = zeros(q.shape, q.dtype) if ct_q is None else ct_q
        ct_r = zeros(r.shape, r.dtype) if ct_r is None else ct_r
        u, n = columns(r, 0, k), a.shape[-1]
        along = times(q, ct_q, ta=True)
        skew = ew.subtract(along, times(ct_r, r, tb=True))
        low = triangle(ew.subtract(skew, turned(skew)), True, 1)
        c = ew.add(ct_q, times(q, ew.subtract(low, along)))
        toward_x = turned(_solve_upper(u, turned(c), transposed=False))
        if n > k:
            rest = zeros((*toward_x.shape[:-1], n - k), a.dtype)
            toward_x = concatenate(toward_x, rest, axis=a.ndim - 1)
        return [ew.add(times(q, ct_r), toward_x)]

    def lower(self, lowering, node):
        m, n = node.operands[0].shape[-2:]
        lowering.linalg("QR", node, node.operands, (m, n, node.attributes["k"]))


def _solve_upper(u, b, transposed):
    return triangular_solve(u, b, lower=False, transposed=transposed, unit=False, checked=False)


# ---- singular values ----------------------------------------------------------------------------


class SVD(Matrices):
    """s, u, v^T with u diag(s) v^T = a, s descending; square u and v^T if ``full``.

    With g = u^T da v, its symmetric and skew parts g+ and g-, e_ij = 1 / (s_j - s_i) and h_ij = 1 /
    (s_i + s_j): ds = diag(g), du = u (e g+ + h g-) + (1 - u u^T) da v / s, dv = v (e g+ - h g-) +
    (1 - v v^T) da^T u / s. Of the arbitrary further columns of a full u or v only the part in the
    span of the others moves.
    """

    name = "svd"
    multiple = True

    def infer(self, a, *, full):
        require_float("svd", a)
        m, n = a.shape[-2:]
        k, lead = min(m, n), a.shape[:-2]
        shapes = [(*lead, k), (*lead, m, m if full else k), (*lead, n if full else k, n)]
        return [(shape, a.dtype) for shape in shapes]

    def _parts(self, outputs):
        """s, the first columns of u and v and the rest, quotients."""
        s, u, vt = outputs
        k, v = s.shape[-1], turned(vt)
        small = rounding(s, max(u.shape[-2], v.shape[-2]))
        inverse = as_row(quotient(s, reshape(small, shape=(*s.shape[:-1], 1))))
        e = differences(s, small)
        tiny = constant(0, s.dtype)
        h = quotient(ew.add(as_row(s), as_column(s)), tiny)
        split = [(columns(x, 0, k), columns(x, k, x.shape[-1])) for x in (u, v)]
        return s, *split, inverse, e, h

    def jvp(self, tangents, operands, outputs, *, full):
        (da,) = tangents
        s, (u, u_rest), (v, v_rest), inverse, e, h = self._parts(outputs)
        if not s.shape[-1]:
            return [zeros(o.shape, o.dtype) for o in outputs]
        right, left = times(da, v), times(da, u, ta=True)
        g = times(u, right, ta=True)
        even, odd = ew.multiply(symmetric_part(g), e), ew.multiply(skew_part(g), h)
        du = times(u, ew.add(even, odd))
        dv = times(v, ew.subtract(even, odd))
        moved = []
        for x, rest, dx, image in ((u, u_rest, du, right), (v, v_rest, dv, left)):
            beyond = None
            if x.shape[-2] > x.shape[-1]:
                image = ew.multiply(image, inverse)
                if rest.shape[-1]:
                    beyond = times(rest, image, ta=True)
                    dx = ew.add(dx, times(rest, beyond))
                    drest = ew.negative(times(x, beyond, tb=True))
                    dx = concatenate(dx, drest, axis=dx.ndim - 1)
                else:
                    dx = ew.add(dx, _minus_projection(x, image))
            moved.append(dx)
        ds = _moving(diagonal_of(g), s, max(operands[0].shape[-2:]))
        return [ds, moved[0], turned(moved[1])]

    def vjp(self, cotangents, operands, outputs, wanted, *, full):
        ct_s, ct_u, ct_vt = cotangents
        ct_v = None if ct_vt is None else turned(ct_vt)
        s, (u, u_rest), (v, v_rest), inverse, e, h = self._parts(outputs)
        k = s.shape[-1]
        if not k:
            return [zeros(operands[0].shape, s.dtype)]
        edge = max(operands[0].shape[-2:])
        inner = diagonal_matrix(_moving(ct_s, s, edge)) if ct_s is not None else None
        along, beyond = [], []
        for x, rest, ct in ((u, u_rest, ct_u), (v, v_rest, ct_v)):
            if ct is None:
                along.append(zeros((*s.shape, k), s.dtype))
                beyond.append(None)
                continue
            first = columns(ct, 0, k)
            along.append(times(x, first, ta=True))
            if rest.shape[-1]:
                other = columns(ct, k, ct.shape[-1])
                mixed = ew.subtract(times(rest, first, ta=True), times(other, x, ta=True))
                beyond.append(ew.multiply(times(rest, mixed), inverse))
            elif x.shape[-2] > k:
                beyond.append(ew.multiply(_minus_projection(x, first), inverse))
            else:
                beyond.append(None)
        if ct_u is not None or ct_v is not None:
            even = symmetric_part(ew.multiply(e, ew.add(*along)))
            odd = skew_part(ew.multiply(h, ew.subtract(*along)))
            inner = add_tangents(inner, even, odd)
        result = times(times(u, inner), v, tb=True)
        if beyond[0] is not None:
            result = ew.add(result, times(beyond[0], v, tb=True))
        if beyond[1] is not None:
            result = ew.add(result, times(u, beyond[1], tb=True))
        return [result]

    def lower(self, lowering, node):
        m, n = node.operands[0].shape[-2:]
        mode = VECTORS + (FULL if node.attributes["full"] else 0)
        lowering.linalg("SVD", node, node.operands, (m, n, 0), mode)


class SingularValues(Matrices):
    """Singular values alone, descending.  Partial: u_i v_i^T; vectors are found only then."""

    name = "singular_values"

    def infer(self, a):
        require_float("svd", a)
        return (*a.shape[:-2], min(a.shape[-2:])), a.dtype

    def jvp(self, tangents, operands, outputs):
        s, u, vt = svd(operands[0], full=False)
        if not s.shape[-1]:
            return [zeros(s.shape, s.dtype)]
        ds = reduction.sum_(ew.multiply(times(tangents[0], vt, tb=True), u), axes=(u.ndim - 2,))
        return [_moving(ds, s, max(operands[0].shape[-2:]))]

    def widen(self, operands, active, selective):
        """The values with the vectors that the reverse sweep needs."""
        s, u, vt = svd(operands[0], full=False)
        return [s], (s, u, vt)

    def vjp(self, cotangents, operands, outputs, wanted, *, context):
        s, u, vt = context
        ct = _moving(cotangents[0], s, max(operands[0].shape[-2:]))
        return [times(ew.multiply(u, as_row(ct)), vt)]

    def lower(self, lowering, node):
        m, n = node.operands[0].shape[-2:]
        lowering.linalg("SVD", node, node.operands, (m, n, 0))


class Pseudoinverse(Tie):
    """The pseudoinverse p, of (p, a), for matrices of constant rank (Golub and Pereyra 1973).

    dp = -p da p + p p^T da^T (1 - a p) + (1 - p a) da^T p^T p.
    """

    name = "pseudoinverse"

    def jvp(self, tangents, operands, outputs):
        (_, a), (_, da), (p,) = operands, tangents, outputs
        if da is None:
            return [None]
        first = times(times(p, da), p)
        second = times(p, times(da, p), tb=True)
        second = _minus_product(second, times(second, a), p)
        third = times(da, times(p, p, ta=True), ta=True)
        third = _minus_product(third, p, times(a, third))
        return [ew.subtract(ew.add(second, third), first)]

    def vjp(self, cotangents, operands, outputs, wanted):
        (_, a), (ct,), (p,) = operands, cotangents, outputs
        if not wanted[1]:
            return [None, None]
        # With l = 1 - a p and r = 1 - p a: l ct^T p p^T + p^T p ct^T r - p^T ct p^T.
        turned_ct = turned(ct)
        left = _minus_product(turned_ct, a, times(p, turned_ct))
        right = _minus_product(turned_ct, times(turned_ct, p), a)
        toward = times(times(left, p), p, tb=True)
        toward = ew.add(toward, times(p, times(p, right), ta=True))
        return [None, ew.subtract(toward, times(times(p, ct, ta=True), p, tb=True))]


def _minus_product(x, y, z):
    return ew.subtract(x, times(y, z))


class LeastSquares(Tie):
    """x = p b, of (x, a, b, p) with p the pseudoinverse of a, for matrices of constant rank.

    dx = p (db - da x) + p p^T da^T (b - a x) + (1 - p a) da^T p^T x: no difference of nearly equal
    products of p and b.
    """

    name = "least_squares"

    def jvp(self, tangents, operands, outputs):
        (_, a, b, p), (_, da, db, _), (x,) = operands, tangents, outputs
        result = times(p, db) if db is not None else None
        if da is not None:
            rest = _minus_product(b, a, x)
            change = ew.negative(times(p, times(da, x)))
            change = ew.add(change, times(p, times(p, times(da, rest, ta=True), ta=True)))
            spread = times(da, times(p, x, ta=True), ta=True)
            change = ew.add(change, _minus_product(spread, p, times(a, spread)))
            result = add_tangents(result, change)
        return [result]

    def vjp(self, cotangents, operands, outputs, wanted):
        (_, a, b, p), (ct,), (x,) = operands, cotangents, outputs
        back = times(p, ct, ta=True)
        toward_a = None
        if wanted[1]:
            rest = _minus_product(b, a, x)
            toward_a = ew.negative(times(back, x, tb=True))
            toward_a = ew.add(toward_a, times(rest, times(p, back), tb=True))
            null = ew.subtract(ct, times(a, back, ta=True))
            toward_a = ew.add(toward_a, times(times(p, x, ta=True), null, tb=True))
        return [None, toward_a, back if wanted[2] else None, None]


# ---- symmetric matrices -------------------------------------------------------------------------


class EigH(Matrices):
    """w, v with v diag(w) v^T = a, w ascending; the lower triangle of a is read, or the upper.

    With g = v^T da v and f_ij = 1 / (w_j - w_i): dw = diag(g), dv = v (f g).
    """

    name = "eigh"
    multiple = True

    def infer(self, a, *, upper):
        require_square("eigh", a)
        return [(a.shape[:-1], a.dtype), (a.shape, a.dtype)]

    def jvp(self, tangents, operands, outputs, *, upper):
        w, v = outputs
        if not w.shape[-1]:
            return [zeros(o.shape, o.dtype) for o in outputs]
        da = symmetric_from(tangents[0], not upper)
        g = times(v, times(da, v), ta=True)
        f = differences(w, rounding(w, w.shape[-1]))
        return [diagonal_of(g), times(v, ew.multiply(f, g))]

    def vjp(self, cotangents, operands, outputs, wanted, *, upper):
        (w, v), (ct_w, ct_v) = outputs, cotangents
        if not w.shape[-1]:
            return [zeros(v.shape, v.dtype)]
        inner = diagonal_matrix(ct_w) if ct_w is not None else None
        if ct_v is not None:
            f = differences(w, rounding(w, w.shape[-1]))
            inner = add_tangents(inner, symmetric_part(ew.multiply(f, times(v, ct_v, ta=True))))
        return [toward_triangle(times(times(v, inner), v, tb=True), not upper)]

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        mode = VECTORS + (UPPER if node.attributes["upper"] else 0)
        lowering.linalg("EIGH", node, node.operands, (n, n, 0), mode)


class EigenvaluesH(Matrices):
    """Eigenvalues alone, ascending.  Partial: v_i v_i^T; vectors are found only then."""

    name = "eigenvalues_h"

    def infer(self, a, *, upper):
        require_square("eigh", a)
        return a.shape[:-1], a.dtype

    def jvp(self, tangents, operands, outputs, *, upper):
        w, v = eigh(operands[0], upper=upper)
        if not w.shape[-1]:
            return [zeros(w.shape, w.dtype)]
        da = symmetric_from(tangents[0], not upper)
        return [reduction.sum_(ew.multiply(times(da, v), v), axes=(v.ndim - 2,))]

    def widen(self, operands, active, selective, *, upper):
        """The values with the vectors that the reverse sweep needs."""
        w, v = eigh(operands[0], upper=upper)
        return [w], (v,)

    def vjp(self, cotangents, operands, outputs, wanted, *, upper, context):
        (v,) = context
        inner = times(ew.multiply(v, as_row(cotangents[0])), v, tb=True)
        return [toward_triangle(inner, not upper)]

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        mode = UPPER if node.attributes["upper"] else 0
        lowering.linalg("EIGH", node, node.operands, (n, n, 0), mode)


# ---- exponentials -------------------------------------------------------------------------------


class Expm(Matrices):
    """y = exp(a).

    dy is the upper right block of exp([[a, da], [0, a]]) (Mathias 1996); toward a: the same with
    a^T and the cotangent. da is scaled to the size of a first, as dy is linear in it.
    """

    name = "expm"

    def infer(self, a):
        require_square("expm", a)
        return a.shape, a.dtype

    def jvp(self, tangents, operands, outputs):
        return [_expm_along(operands[0], tangents[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        return [_expm_along(turned(operands[0]), cotangents[0])]

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        lowering.linalg("EXPM", node, node.operands, (n, n, 0))


def _expm_along(a, e):
    n, axes = a.shape[-1], (a.ndim - 2, a.ndim - 1)
    if not n or not a.size:
        return zeros(a.shape, a.dtype)
    one = filled(a.shape[:-2], 1, a.dtype)
    size, own = (reduction.max_(ew.abs_(ew.stop_gradient(x)), axes=axes) for x in (e, a))
    # Nothing to scale down where e is no larger than a, or than 1.
    factor = _over_matrices(ew.maximum(ew.divide(size, ew.maximum(own, one)), one))
    upper = concatenate(a, ew.divide(e, factor), axis=a.ndim - 1)
    lower = concatenate(zeros(a.shape, a.dtype), a, axis=a.ndim - 1)
    whole = expm(concatenate(upper, lower, axis=a.ndim - 2))
    block = columns(slice_axis(whole, a.ndim - 2, 0, n), n, 2 * n)
    return ew.multiply(broadcast(factor, block.shape), block)


qr, svd, singular_values = QR(), SVD(), SingularValues()
pseudoinverse, least_squares = Pseudoinverse(), LeastSquares()
eigh, eigenvalues_h, expm = EigH(), EigenvaluesH(), Expm()
