"""Systems of linear equations: LU factors, solutions, inverses, determinants, Cholesky's factor.

Matrices are the last two axes; the axes before them are a batch. A factorisation that derivatives
only pass by (``lu``) has no derivative of its own: what is computed from it (``lu_solve``, and the
values that :class:`Tie` wraps) has the matrix itself as a further operand, and its rules use the
factorisation again instead of differentiating it. The rules apply primitives, so they hold to any
order.

References
----------
Giles, M. B. (2008). An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation. Oxford University, report NA-08/01.
Murray, I. (2016). Differentiation of the Cholesky decomposition. arXiv:1602.07527.
"""

import numpy as np

from ..graph import current_graph
from . import elementwise as ew
from . import reduction
from .base import (
    NotDifferentiable,
    Primitive,
    add_tangents,
    broadcast,
    constant,
    require_float,
    same_dtype,
    zeros,
)
from .linalg import matmul
from .shaping import reshape, slice_axis, transpose

TRANSPOSED, LOWER, UNIT, CHECKED = 1, 2, 4, 8


# ---- matrices -----------------------------------------------------------------------------------


def turned(x):
    """The transposed matrices."""
    n = x.ndim
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def times(a, b, *, ta=False, tb=False):
    """Products of matrices, either of which may have no batch."""
    lead = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
    a = broadcast(a, (*lead, *a.shape[-2:]))
    b = broadcast(b, (*lead, *b.shape[-2:]))
    return matmul(a, b, transpose_a=ta, transpose_b=tb)


def masked(x, mask):
    """``x`` where a constant mask of the matrices is true, else 0."""
    mask = current_graph().constant(mask)
    zero = constant(0, x.dtype)
    return ew.select(mask, x, zero)


def triangle(x, lower, k=0):
    """The lower or upper triangle of square matrices, without |k| diagonals."""
    tri = np.tri(x.shape[-2], x.shape[-1], -k if lower else k - 1, dtype=bool)
    return masked(x, tri if lower else ~tri)


def scaled(x, number):
    """A multiple."""
    return ew.multiply(x, constant(number, x.dtype))


def identity(lead, n, dtype):
    """Identity matrices."""
    return broadcast(constant(np.eye(n, dtype=dtype)), (*lead, n, n))


def summed_to(x, shape):
    """The sum over the batch, if ``shape`` has none."""
    if x.shape == shape:
        return x
    return reduction.sum_(x, axes=tuple(range(x.ndim - len(shape))))


def require_square(name, a):
    """Raise unless the matrices are square."""
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    require_float(name, a)


def _joint_lead(name, a, b):
    """The batch of two operands, of which one may have none."""
    first, second = a.shape[:-2], b.shape[:-2]
    if first and second and first != second:
        raise ValueError(f"{name}: batches {first} and {second} differ")
    return first or second


def move_batch(operands, batched, size, pair=False):
    """Operands whose batch axes are alike, for a rule that batches by more leading axes.

    With ``pair``, an operand that has no batch at all is left so.
    """
    inner = max(o.ndim - bool(b) for o, b in zip(operands, batched, strict=True))
    result = []
    for operand, has in zip(operands, batched, strict=True):
        bare = operand.ndim - bool(has) == 2 and inner > 2
        if not has and pair and operand.ndim == 2:
            result.append(operand)
            continue
        if not has:
            operand = broadcast(operand, (size, *operand.shape))
        if bare and pair:
            # One matrix per element of the outer batch, for all of the inner one.
            lead = next(
                o.shape[1:-2] if b else o.shape[:-2]
                for o, b in zip(operands, batched, strict=True)
                if o.ndim - bool(b) == inner
            )
            shape = operand.shape
            operand = reshape(operand, shape=(size, *(1,) * len(lead), *shape[1:]))
            operand = broadcast(operand, (size, *lead, *shape[1:]))
        result.append(operand)
    return result


class Matrices(Primitive):
    """A primitive of one stack of matrices, batched by a further axis of the stack."""

    def batch(self, operands, batched, size, **attributes):
        y = self(operands[0], **attributes)
        return list(y) if self.multiple else [y]


# ---- LU -----------------------------------------------------------------------------------------


class LU(NotDifferentiable, Matrices):
    """Factors of a row-permuted matrix: p a = l u, packed into (..., n + 2, n).

    Rows 0 to n - 1 hold l below the diagonal and u on and above it, row n the number of the row of
    a that became row i, row n + 1 the sign of that permutation and zeros. Never fails; u may have
    zeros on its diagonal. Has no derivative: see the module.
    """

    name = "lu"

    def infer(self, a):
        require_square("lu", a)
        return (*a.shape[:-2], a.shape[-1] + 2, a.shape[-1]), a.dtype

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        lowering.linalg("LU", node, node.operands, (n, n, 0))


class LUSolve(Primitive):
    """x with op(a) x = b, by ``factors = lu(a)``; op transposes or not.

    Partials: dx solves op(a) dx = db - op(da) x; with u from op(a)^T u = ct, toward b: u, toward
    a: -u x^T (transposed if op transposes). Raises LinAlgError when run with a singular matrix.
    The second operand is there for the value and the first for the derivative.
    """

    name = "lu_solve"

    def infer(self, a, factors, b, *, transposed):
        dtype = same_dtype("lu_solve", a, factors, b)
        require_float("lu_solve", a)
        n = a.shape[-1]
        if a.shape[-2] != n or factors.shape != (*a.shape[:-2], n + 2, n) or b.shape[-2] != n:
            raise ValueError(f"lu_solve: shapes {a.shape} and {b.shape} do not fit")
        return (*_joint_lead("lu_solve", a, b), *b.shape[-2:]), dtype

    def evaluate(self, a, factors, b, *, transposed):
        return None

    def jvp(self, tangents, operands, outputs, *, transposed):
        (a, factors, _), (da, _, db), (x,) = operands, tangents, outputs
        change = None if da is None else ew.negative(times(da, x, ta=transposed))
        right = add_tangents(db, change)
        return [lu_solve(a, factors, right, transposed=transposed)]

    def vjp(self, cotangents, operands, outputs, wanted, *, transposed):
        (a, factors, b), (x,) = operands, outputs
        u = lu_solve(a, factors, cotangents[0], transposed=not transposed)
        toward_a = None
        if wanted[0]:
            toward_a = _outer_products(*((x, u) if transposed else (u, x)), a.ndim == 2)
            toward_a = ew.negative(toward_a)
        return [toward_a, None, summed_to(u, b.shape) if wanted[2] else None]

    def batch(self, operands, batched, size, *, transposed):
        a, factors, b = operands
        own = batched[0] or batched[1]
        if own:
            # The matrix and its factors have one batch.
            a = a if batched[0] else broadcast(a, (size, *a.shape))
            factors = factors if batched[1] else broadcast(factors, (size, *factors.shape))
        a_moved, b_moved = move_batch((a, b), (own, batched[2]), size, pair=True)
        factors, _ = move_batch((factors, b), (own, batched[2]), size, pair=True)
        return [lu_solve(a_moved, factors, b_moved, transposed=transposed)]

    def lower(self, lowering, node):
        _, factors, b = node.operands
        n, k = b.shape[-2:]
        mode = TRANSPOSED if node.attributes["transposed"] else 0
        lowering.linalg("LU_SOLVE", node, (factors, b), (n, n, k), mode)


def _outer_products(u, x, shared):
    """U x^T per matrix, or summed over the batch: then it is a single product."""
    if not shared or u.ndim == 2:
        return matmul(u, x, transpose_a=False, transpose_b=True)
    flat = []
    for v in (u, x):
        v = transpose(v, axes=(v.ndim - 2, *range(v.ndim - 2), v.ndim - 1))
        flat.append(reshape(v, shape=(v.shape[0], v.size // max(v.shape[0], 1))))
    return matmul(*flat, transpose_a=False, transpose_b=True)


class Inverse(Matrices):
    """y = a^-1.  dy = -y da y; toward a: -y^T ct y^T.  LinAlgError when a is singular."""

    name = "inv"

    def infer(self, a):
        require_square("inv", a)
        return a.shape, a.dtype

    def evaluate(self, a):
        return _quietly(np.linalg.inv, a)

    def jvp(self, tangents, operands, outputs):
        (y,) = outputs
        return [ew.negative(times(times(y, tangents[0]), y))]

    def vjp(self, cotangents, operands, outputs, wanted):
        (y,) = outputs
        return [ew.negative(times(times(y, cotangents[0], ta=True), y, tb=True))]

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        lowering.linalg("INV", node, node.operands, (n, n, 0))


def _quietly(function, a):
    """The value for constant folding; what fails is left to the run."""
    if a.size > 1024:
        return None
    try:
        return function(a)
    except np.linalg.LinAlgError:
        return None


# ---- determinants -------------------------------------------------------------------------------


class Tie(NotDifferentiable, Primitive):
    """The first operand, as a function of the others: its derivative is the class's, not its own.

    The first operand was computed with ``stop_gradient``.
    """

    stops = False

    def infer(self, y, *others):
        same_dtype(self.name, y, *others)
        return y.shape, y.dtype

    def evaluate(self, y, *others):
        return y

    def batch(self, operands, batched, size):
        full = [
            o if b else broadcast(o, (size, *o.shape))
            for o, b in zip(operands, batched, strict=True)
        ]
        return [self(*full)]

    def lower(self, lowering, node):
        lowering.alias(node)


def _over_matrices(x):
    """Scalars per matrix with two axes of one element, to multiply matrices."""
    return reshape(x, shape=(*x.shape, 1, 1))


def _inner_products(x, y):
    return reduction.sum_(ew.multiply(x, y), axes=(x.ndim - 2, x.ndim - 1))


class LogDeterminant(Tie):
    """Log |det a|, of (y, a, lu(a)).  Partial: a^-T; LinAlgError where a is singular."""

    name = "log_determinant"

    def _partial(self, a, factors):
        eye = identity((), a.shape[-1], a.dtype)
        return lu_solve(a, factors, eye, transposed=True)

    def jvp(self, tangents, operands, outputs):
        _, a, factors = operands
        if tangents[1] is None:
            return [None]
        return [_inner_products(self._partial(a, factors), tangents[1])]

    def vjp(self, cotangents, operands, outputs, wanted):
        _, a, factors = operands
        if not wanted[1]:
            return [None, None, None]
        partial = self._partial(a, factors)
        return [None, ew.multiply(_over_matrices(cotangents[0]), partial), None]


class Determinant(Tie):
    """Det a, of (y, a).  Partial: the cofactors of a, finite for singular matrices too."""

    name = "determinant"

    def jvp(self, tangents, operands, outputs):
        if tangents[1] is None:
            return [None]
        return [_inner_products(cofactors(operands[1]), tangents[1])]

    def vjp(self, cotangents, operands, outputs, wanted):
        if not wanted[1]:
            return [None, None]
        return [None, ew.multiply(_over_matrices(cotangents[0]), cofactors(operands[1]))]


class Cofactors(Matrices):
    """The transposed adjugate of a: det(a) a^-T where a is regular, finite and right elsewhere.

    Partial, along e: (tr(c^T e) c - c e^T c) / det(a).
    """

    name = "cofactors"

    def infer(self, a):
        require_square("cofactors", a)
        return a.shape, a.dtype

    def jvp(self, tangents, operands, outputs):
        return [self._change(operands[0], outputs[0], tangents[0])]

    def vjp(self, cotangents, operands, outputs, wanted):
        # The second derivative of the determinant is symmetric.
        return [self._change(operands[0], outputs[0], cotangents[0])]

    def _change(self, a, c, e):
        if not a.shape[-1]:
            return zeros(a.shape, a.dtype)
        rows = [
            reshape(slice_axis(x, x.ndim - 2, 0, 1), shape=(*x.shape[:-2], x.shape[-1]))
            for x in (a, c)
        ]
        det = reduction.sum_(ew.multiply(*rows), axes=(a.ndim - 2,))
        along = _over_matrices(_inner_products(c, e))
        change = ew.subtract(ew.multiply(along, c), times(times(c, e, tb=True), c))
        return ew.divide(change, _over_matrices(det))

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        lowering.linalg("COFACTORS", node, node.operands, (n, n, 0))


# ---- Cholesky, triangles ------------------------------------------------------------------------


def symmetric_from(a, lower=True):
    """The symmetric matrix whose lower (or upper) triangle is that of a."""
    return ew.add(triangle(a, lower), turned(triangle(a, lower, 1)))


def toward_triangle(s, lower=True):
    """The cotangent of a triangle, from one of the symmetric matrix that it stands for."""
    return ew.add(triangle(s, lower), triangle(turned(s), lower, 1))


class Cholesky(Matrices):
    """Lower l with l l^T = a, of which the lower triangle is read.

    With phi(x) the lower triangle of x, its diagonal halved: dl = l phi(l^-1 da l^-T), da the
    symmetric matrix of da's lower triangle; toward a: the adjoint of that (Murray 2016), a lower
    triangle. LinAlgError when a is not positive definite.
    """

    name = "cholesky"

    def infer(self, a):
        require_square("cholesky", a)
        return a.shape, a.dtype

    def evaluate(self, a):
        return _quietly(np.linalg.cholesky, a)

    def jvp(self, tangents, operands, outputs):
        (factor,) = outputs
        inner = _solve_lower(factor, symmetric_from(tangents[0]))
        inner = _solve_lower(factor, turned(inner))
        return [times(factor, _halved(inner))]

    def vjp(self, cotangents, operands, outputs, wanted):
        (factor,) = outputs
        inner = _halved(times(factor, cotangents[0], ta=True))
        inner = scaled(ew.add(inner, turned(inner)), 0.5)
        inner = _solve_lower(factor, inner, transposed=True)
        inner = _solve_lower(factor, turned(inner), transposed=True)
        return [toward_triangle(inner)]

    def lower(self, lowering, node):
        n = node.operands[0].shape[-1]
        lowering.linalg("CHOLESKY", node, node.operands, (n, n, 0))


def _halved(x):
    n = x.shape[-1]
    weights = np.tri(n) - 0.5 * np.eye(n)
    return ew.multiply(triangle(x, True), constant(weights, x.dtype))


def _solve_lower(factor, b, transposed=False):
    return triangular_solve(factor, b, lower=True, transposed=transposed, unit=False, checked=False)


class TriangularSolve(Primitive):
    """x with op(t) x = b, t a lower or upper triangle; op transposes or not.

    Of t only the triangle is read, without its diagonal if ``unit``. Partials as of ``lu_solve``,
    toward t within the triangle. With ``checked`` a zero on the diagonal raises LinAlgError,
    otherwise it divides.
    """

    name = "triangular_solve"

    def infer(self, t, b, *, lower, transposed, unit, checked):
        dtype = same_dtype("triangular_solve", t, b)
        require_square("triangular_solve", t)
        if b.shape[-2] != t.shape[-1]:
            raise ValueError(f"triangular_solve: shapes {t.shape} and {b.shape} do not fit")
        return (*_joint_lead("triangular_solve", t, b), *b.shape[-2:]), dtype

    def jvp(self, tangents, operands, outputs, **attributes):
        (t, _), (dt, db), (x,) = operands, tangents, outputs
        change = None
        if dt is not None:
            dt = triangle(dt, attributes["lower"], int(attributes["unit"]))
            change = ew.negative(times(dt, x, ta=attributes["transposed"]))
        return [triangular_solve(t, add_tangents(db, change), **attributes)]

    def vjp(self, cotangents, operands, outputs, wanted, *, lower, transposed, unit, checked):
        (t, b), (x,) = operands, outputs
        u = triangular_solve(
            t, cotangents[0], lower=lower, transposed=not transposed, unit=unit, checked=checked
        )
        toward_t = None
        if wanted[0]:
            toward_t = _outer_products(*((x, u) if transposed else (u, x)), t.ndim == 2)
            toward_t = ew.negative(triangle(toward_t, lower, int(unit)))
        return [toward_t, summed_to(u, b.shape) if wanted[1] else None]

    def batch(self, operands, batched, size, **attributes):
        return [triangular_solve(*move_batch(operands, batched, size, pair=True), **attributes)]

    def lower(self, lowering, node):
        t, b = node.operands
        n, k = b.shape[-2:]
        attributes = node.attributes
        mode = (
            TRANSPOSED * attributes["transposed"]
            + LOWER * attributes["lower"]
            + UNIT * attributes["unit"]
            + CHECKED * attributes["checked"]
        )
        lowering.linalg("TRIANGULAR", node, (t, b), (n, n, k), mode)


lu, lu_solve, inverse = LU(), LUSolve(), Inverse()
log_determinant, determinant, cofactors = LogDeterminant(), Determinant(), Cofactors()
cholesky, triangular_solve = Cholesky(), TriangularSolve()
