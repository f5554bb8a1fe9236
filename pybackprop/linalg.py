"""SciPy's ``scipy.linalg`` by its names: what NumPy's ``linalg`` does not have.

``scipy.linalg`` does not dispatch on traced values, so call these; on plain arrays they compute at
once. Leading axes are a batch throughout. NumPy's own names (``solve``, ``eigh`` ...) are in
``pybackprop.numpy.linalg``, which ``np.linalg.*`` reaches on traced values; here they are again
under SciPy's name of the module.
"""

from .graph import Value
from .numpy._common import unsupported
from .numpy._eager import surface
from .numpy._shaping import to_shape
from .numpy._systems import (
    cholesky as _cholesky,
)
from .numpy._systems import (
    det,
    factored,
    floats,
    inv,
    joint_batch,
    require_stacked,
    solve_stack,
)
from .primitives import systems

__all__ = [
    "cho_factor",
    "cho_solve",
    "cholesky",
    "det",
    "inv",
    "lu_factor",
    "lu_solve",
    "solve_triangular",
]


def _as_columns(a, b, name):
    """The right-hand side as matrices, and whether it was one vector."""
    if not b.ndim:
        raise ValueError(f"{name}: the right-hand side has no axis")
    vector = b.ndim == 1
    if vector:
        b = to_shape(b, (b.shape[0], 1))
    if b.shape[-2] != a.shape[-1]:
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape} do not fit")
    return b, vector


def _from_columns(x, vector):
    return to_shape(x, x.shape[:-1]) if vector else x


@surface()
def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """Cholesky's factor, upper by default, see ``scipy.linalg.cholesky``.

    Only the triangle named is read.
    """
    return _cholesky.traced(a, upper=not lower)


@surface(2)
def solve_triangular(
    a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True
):
    """Solve ``a x = b`` for a triangular ``a``, see ``scipy.linalg.solve_triangular``.

    Parameters
    ----------
    a : (..., n, n) array_like
        Only its upper triangle (lower if ``lower``) is read.
    b : (n,) or (..., n, k) array_like
    trans : {0, 1, 'N', 'T'}
    lower, unit_diagonal : bool

    Raises
    ------
    numpy.linalg.LinAlgError
        When run with a zero on the diagonal.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> t, b = np.array([[2.0, 0.0], [1.0, 4.0]]), np.ones(2)
    >>> bp.linalg.solve_triangular(t, b, lower=True)
    array([0.5  , 0.125])
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"trans must be 0, 1, 'N' or 'T', not {trans!r}")
    a, b = floats(a, b)
    require_stacked(a)
    b, vector = _as_columns(a, b, "solve_triangular")
    a, b = joint_batch(a, b)
    x = systems.triangular_solve(
        a, b, lower=bool(lower), transposed=trans not in (0, "N"), unit=bool(unit_diagonal),
        checked=not unit_diagonal,
    )  # fmt: skip
    return _from_columns(x, vector)


@surface()
def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """Cholesky's factor for ``cho_solve``: a pair of it and ``lower``.

    Unlike SciPy's, the other triangle of the factor is zero.
    """
    return _cholesky.traced(a, upper=not lower), bool(lower)


def _is_traced(*operands):
    return any(type(x) is Value for x in operands)


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """Solve ``a x = b`` by the factor of ``a`` that ``cho_factor`` gave.

    Parameters
    ----------
    c_and_lower : pair of (..., n, n) array_like and bool
    b : (n,) or (..., n, k) array_like
    """
    c, lower = c_and_lower
    return _cho_solve(c, b, bool(lower))


@surface(2)
def _cho_solve(c, b, lower):
    c, b = floats(c, b)
    require_stacked(c)
    b, vector = _as_columns(c, b, "cho_solve")
    c, b = joint_batch(c, b)
    for transposed in (not lower, lower):
        b = systems.triangular_solve(
            c, b, lower=lower, transposed=transposed, unit=False, checked=True
        )
    return _from_columns(b, vector)


@surface()
def lu_factor(a, overwrite_a=False, check_finite=True):
    """Factors for ``lu_solve``: a pair of the matrix itself and its packed LU factors.

    Unlike SciPy's, the pair is opaque: hand it to ``lu_solve``.
    """
    (a,) = floats(a)
    require_stacked(a)
    return a, factored(a)


def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    """Solve ``a x = b`` (``a.T x = b`` with ``trans=1``) by what ``lu_factor`` gave."""
    if trans not in (0, 1, 2):
        raise ValueError(f"trans must be 0 or 1, not {trans!r}")
    a, factors = lu_and_piv
    return _lu_solve(a, factors, b, bool(trans))


@surface(3)
def _lu_solve(a, factors, b, transposed):
    a, factors, b = floats(a, factors, b)
    n = a.shape[-1]
    if factors.shape != (*a.shape[:-2], n + 2, n):
        unsupported("lu_solve takes the pair that pybackprop.linalg.lu_factor gave")
    b, vector = _as_columns(a, b, "lu_solve")
    return _from_columns(solve_stack(a, b, factors, transposed), vector)
