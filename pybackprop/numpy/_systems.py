"""Linear systems on values by the names of ``numpy.linalg``: solve, inv, det, slogdet, cholesky.

Leading axes are a batch and broadcast as NumPy does. Singular matrices raise ``LinAlgError`` when
the compiled function runs.
"""

import collections

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import reduction, shaping, systems
from ..primitives.base import broadcast, broadcast_shapes, filled, zeros
from . import _complex_systems as _complex
from ._common import FLOAT64, as_value, cast, common_dtype, scalar
from ._eager import surface
from ._picking import diagonal as _diagonal
from ._shaping import to_shape

SlogdetResult = collections.namedtuple("SlogdetResult", ["sign", "logabsdet"])


def floats(*operands):
    """Values of one floating dtype, as ``numpy.linalg`` promotes: integers become float64."""
    return floats_or_complex(*operands, kinds="f")


def floats_or_complex(*operands, kinds="fc"):
    """The same, where complex values stay complex."""
    operands = [as_value(x) for x in operands]
    dtype = common_dtype(*[x if x.dtype.kind in kinds else cast(x, FLOAT64) for x in operands])
    return [cast(x, dtype) for x in operands]


def require_stacked(x, square=True):
    """Raise NumPy's errors unless x is a stack of (square) matrices."""
    if x.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{x.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if square and x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")


def joint_batch(a, b):
    """Two stacks of matrices with one batch; a single matrix among them stays single."""
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    pair = []
    for x in (a, b):
        pair.append(x if x.ndim == 2 else broadcast(x, (*lead, *x.shape[-2:])))
    return pair


def factored(a):
    """The LU factors of a value, without a derivative of their own."""
    return systems.lu(ew.stop_gradient(a))


def solve_stack(a, b, factors=None, transposed=False):
    """X with a x = b for stacks of matrices that broadcast."""
    factors = factored(a) if factors is None else factors
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if a.ndim > 2 and a.shape[:-2] != lead:
        # The factors of what is repeated are repeated.
        factors = broadcast(factors, (*lead, *factors.shape[-2:]))
        a = broadcast(a, (*lead, *a.shape[-2:]))
    if b.ndim > 2:
        b = broadcast(b, (*lead, *b.shape[-2:]))
    return systems.lu_solve(a, factors, b, transposed=transposed)


@surface(2)
def solve(a, b):
    """Solve ``a x = b``, see ``numpy.linalg.solve``.

    Parameters
    ----------
    a : (..., n, n) array_like
    b : (n,) or (..., n, k) array_like

    Returns
    -------
    (..., n) or (..., n, k) array

    Raises
    ------
    numpy.linalg.LinAlgError
        When run with a singular matrix.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> a, b = np.array([[2.0, 0.0], [0.0, 4.0]]), np.ones(2)
    >>> bp.grad(lambda b: np.sum(np.linalg.solve(a, b)))(b)
    array([0.5 , 0.25])

    References
    ----------
    Giles, M. B. (2008). An extended collection of matrix derivative results for forward and
    reverse mode algorithmic differentiation, section 2.3. Oxford University, report NA-08/01.
    """
    a, b = floats_or_complex(a, b)
    require_stacked(a)
    n = a.shape[-1]
    vector = b.ndim == 1
    if not b.ndim:
        raise ValueError("solve: the right-hand side has no axis")
    if vector:
        b = to_shape(b, (b.shape[0], 1))
    if b.shape[-2] != n:
        raise ValueError(
            "solve: Input operand 1 has a mismatch in its core dimension 0, "
            f"(size {b.shape[-2]} is different from {n})"
        )
    if a.dtype.kind == "c":
        x = _complex.unstacked(solve_stack(_complex.embedded(a), _complex.stacked(b)))
    else:
        x = solve_stack(a, b)
    return to_shape(x, x.shape[:-1]) if vector else x


@surface()
def inv(a):
    """Inverse matrices, see ``numpy.linalg.inv``; LinAlgError when run with a singular one."""
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        return _complex.inverse(a, systems.inverse)
    return systems.inverse(a)


def _diagonal_and_sign(factors):
    """The diagonal of u and the sign of the permutation."""
    n = factors.shape[-1]
    flat = to_shape(factors, (*factors.shape[:-2], n * (n + 2)))
    axis = flat.ndim - 1
    starts, steps = [0] * flat.ndim, [1] * flat.ndim
    stops = list(flat.shape)
    stops[axis], steps[axis] = n * n, n + 1 if n > 1 else 1
    u = shaping.slice_(flat, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    sign = shaping.slice_axis(flat, axis, n * (n + 1), n * (n + 1) + 1)
    return u, to_shape(sign, sign.shape[:-1])


@surface()
def det(a):
    """Determinants, see ``numpy.linalg.det``.

    The derivative is by cofactors, so it is right for singular matrices too.
    """
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        return _complex.determinant(a)
    if not a.shape[-1]:
        return filled(a.shape[:-2], 1, a.dtype)
    u, sign = _diagonal_and_sign(factored(a))
    y = ew.multiply(sign, reduction.prod(u, axes=(u.ndim - 1,)))
    return systems.determinant(ew.stop_gradient(y), a)


@surface()
def slogdet(a):
    """Sign and logarithm of determinants, see ``numpy.linalg.slogdet``.

    The derivative by a singular matrix raises LinAlgError.
    """
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        return SlogdetResult(*_complex.sign_and_logarithm(a))
    if not a.shape[-1]:
        return SlogdetResult(filled(a.shape[:-2], 1, a.dtype), zeros(a.shape[:-2], a.dtype))
    factors = factored(a)
    u, sign = _diagonal_and_sign(factors)
    axes = (u.ndim - 1,)
    sign = ew.multiply(sign, reduction.prod(ew.sign(u), axes=axes))
    logabs = reduction.sum_(ew.log(ew.abs_(u)), axes=axes)
    logabs = systems.log_determinant(ew.stop_gradient(logabs), a, factors)
    return SlogdetResult(ew.stop_gradient(sign), logabs)


@surface()
def cholesky(a, /, *, upper=False):
    """Cholesky's factor, see ``numpy.linalg.cholesky``.

    Only the lower triangle (the upper one if ``upper``) of ``a`` is read, so the derivative by the
    other one is zero: average with the transpose first where a symmetric derivative is wanted.
    LinAlgError when run with a matrix that is not positive definite.

    References
    ----------
    Murray, I. (2016). Differentiation of the Cholesky decomposition. arXiv:1602.07527.
    """
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        from . import _complex_factors as factors

        return (
            factors.adjoint(factors.cholesky(factors.adjoint(a))) if upper else factors.cholesky(a)
        )
    if upper:
        return systems.turned(systems.cholesky(systems.turned(a)))
    return systems.cholesky(a)


def trace_of(a):
    """The sum of the diagonals of stacks."""
    d = _diagonal.traced(a, 0, -2, -1)
    return reduction.sum_(d, axes=(d.ndim - 1,))


def zero_of(x):
    """The number 0 in the dtype of x."""
    return scalar(0, x.dtype)
