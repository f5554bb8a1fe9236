"""SciPy's ``scipy.linalg`` by its names: what NumPy's ``linalg`` does not have.

``scipy.linalg`` does not dispatch on traced values, so call these; on plain arrays they compute at
once. Leading axes are a batch throughout. NumPy's own names (``solve``, ``eigh`` ...) are in
``pybackprop.numpy.linalg``, which ``np.linalg.*`` reaches on traced values; here they are again
under SciPy's name of the module.
"""

import numpy as np

from .numpy import _complex_factors as _factors
from .numpy import _complex_systems as _complex
from .numpy import _spectral
from .numpy._common import FLOAT64, as_value, cast, common_dtype, promoted, unsupported
from .numpy._eager import surface
from .numpy._indexing import getitem
from .numpy._shaping import to_shape
from .numpy._systems import (
    cholesky as _cholesky,
)
from .numpy._systems import (
    det,
    factored,
    floats,
    floats_or_complex,
    inv,
    joint_batch,
    require_stacked,
    solve_stack,
)
from .numpy._systems import (
    solve as _solve,
)
from .numpy.linalg import lstsq, norm
from .primitives import shaping, spectral, systems
from .primitives.base import zeros

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eig", "eigh", "eigvals",
    "eigvalsh", "expm", "inv", "lstsq", "lu_factor", "lu_solve", "norm", "pinv", "qr", "solve",
    "solve_triangular", "svd", "svdvals", "toeplitz",
]  # fmt: skip


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
    trans : {0, 1, 2, 'N', 'T', 'C'}
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
        raise ValueError(f"trans must be 0, 1, 2, 'N', 'T' or 'C', not {trans!r}")
    trans = {"N": 0, "T": 1, "C": 2}.get(trans, trans)
    a, b = floats_or_complex(a, b)
    require_stacked(a)
    b, vector = _as_columns(a, b, "solve_triangular")
    a, b = joint_batch(a, b)
    return _from_columns(_by_triangle(a, b, bool(lower), trans, bool(unit_diagonal)), vector)


def _by_triangle(a, b, lower, trans, unit=False):
    """op(a)^-1 b for the triangle of a: op nothing (0), transposition (1) or the adjoint (2)."""
    if a.dtype.kind == "c":
        return _factors.triangular_solve(a, b, lower=lower, trans=trans, unit=unit)
    return systems.triangular_solve(
        a, b, lower=lower, transposed=trans != 0, unit=unit, checked=not unit
    )


@surface()
def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """Cholesky's factor for ``cho_solve``: a pair of it and ``lower``.

    Unlike SciPy's, the other triangle of the factor is zero.
    """
    return _cholesky.traced(a, upper=not lower), bool(lower)


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
    c, b = floats_or_complex(c, b)
    require_stacked(c)
    b, vector = _as_columns(c, b, "cho_solve")
    c, b = joint_batch(c, b)
    for trans in (0, 2) if lower else (2, 0):
        b = _by_triangle(c, b, lower, trans)
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


# ---- decompositions ----------------------------------------------------------------------------


@surface()
def expm(A):
    """The exponential of matrices, see ``scipy.linalg.expm``.

    Elements that are not finite give NaN.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> turn = np.array([[0.0, -np.pi], [np.pi, 0.0]])
    >>> bp.linalg.expm(turn).round(12) + 0.0
    array([[-1.,  0.],
           [ 0., -1.]])

    References
    ----------
    Higham, N. J. (2005). The scaling and squaring method for the matrix exponential revisited. SIAM
    J. Matrix Anal. Appl. 26.
    Mathias, R. (1996). A chain rule for matrix functions and applications. SIAM J. Matrix Anal.
    Appl. 17.
    """
    (a,) = floats_or_complex(A)
    require_stacked(a)
    if a.dtype.kind == "c":
        y = spectral.expm(_complex.embedded(a))
        return _complex.unstacked(spectral.columns(y, 0, a.shape[-1]))
    return spectral.expm(a)


@surface(2)
def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True,
          assume_a=None, transposed=False):  # fmt: skip
    """Solve ``a x = b``, see ``scipy.linalg.solve``; ``assume_a='pos'`` goes by Cholesky."""
    if assume_a not in (None, "gen", "general", "pos", "positive definite"):
        unsupported(
            f"assume_a={assume_a!r} of solve is not supported; leave it out, or use 'pos', "
            "solve_triangular or lu_solve"
        )
    a, b = floats_or_complex(a, b)
    require_stacked(a)
    b, vector = _as_columns(a, b, "solve")
    if assume_a in ("pos", "positive definite"):
        factor = _cholesky.traced(a, upper=not lower)
        return _from_columns(_cho_solve(factor, b, bool(lower)), vector)
    if a.dtype.kind == "c":
        return _from_columns(_solve.traced(systems.turned(a) if transposed else a, b), vector)
    return _from_columns(solve_stack(a, b, transposed=bool(transposed)), vector)


@surface()
def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    """QR factors, see ``scipy.linalg.qr``; modes 'full', 'economic' and 'r', without pivoting."""
    if pivoting:
        unsupported("qr with pivoting is not supported")
    modes = {"full": "complete", "economic": "reduced", "r": "r"}
    if mode not in modes:
        raise ValueError(f"Mode argument should be one of {list(modes)}, not {mode!r}")
    if mode == "r":
        r = _spectral.qr.traced(a, "complete").R
        return (r,)
    return tuple(_spectral.qr.traced(a, modes[mode]))


@surface()
def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True,
        lapack_driver="gesdd"):  # fmt: skip
    """Singular values and vectors, see ``scipy.linalg.svd``."""
    result = _spectral.svd.traced(a, full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


@surface()
def svdvals(a, overwrite_a=False, check_finite=True):
    """Singular values, descending, see ``scipy.linalg.svdvals``."""
    return _spectral.svdvals.traced(a)


@surface()
def eigh(a, b=None, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False,
         type=1, check_finite=True):  # fmt: skip
    """Eigenvalues and vectors of symmetric or Hermitian matrices, see ``scipy.linalg.eigh``.

    ``b``, a positive definite matrix, makes it the problem ``a v = w b v``.
    """
    uplo = "L" if lower else "U"
    if b is None:
        if eigvals_only:
            return _spectral.eigvalsh.traced(a, uplo)
        return tuple(_spectral.eigh.traced(a, uplo))
    if type != 1:
        unsupported("eigh with b takes type=1 only")
    a, b = floats_or_complex(a, b)
    require_stacked(a)
    require_stacked(b)
    turned = systems.turned
    if a.dtype.kind == "c":
        turned = _factors.adjoint
        a = _factors.hermitian_from(a, bool(lower))
    else:
        a = systems.symmetric_from(a, bool(lower))
    factor = _cholesky.traced(b if lower else turned(b))
    inner = a
    for _ in range(2):
        inner = turned(_by_factor(factor, inner, 0))
    w, v = _spectral.eigh.traced(inner)
    return w if eigvals_only else (w, _by_factor(factor, v, 2))


def _by_factor(factor, x, trans):
    return _by_triangle(*joint_batch(factor, x), True, trans)


@surface()
def eigvalsh(a, b=None, lower=True, overwrite_a=False, overwrite_b=False, type=1,
             check_finite=True):  # fmt: skip
    """Eigenvalues of symmetric matrices, ascending, see ``scipy.linalg.eigvalsh``."""
    return eigh.traced(a, b, lower, True, type=type)


@surface(2)
def eig(a, b=None, left=False, right=True, overwrite_a=False, overwrite_b=False,
        check_finite=True, homogeneous_eigvals=False):  # fmt: skip
    """Eigenvalues and right vectors of square matrices, see ``scipy.linalg.eig``.

    ``b``, a regular matrix, makes it the problem ``a v = w b v``. Vectors are normalised as
    :func:`pybackprop.numpy.linalg.eig` says.

    Raises
    ------
    UnsupportedError
        For left vectors and homogeneous eigenvalues.
    """
    if left or homogeneous_eigvals:
        unsupported("eig gives right vectors and plain eigenvalues only")
    if b is not None:
        a = _solve.traced(b, a)
    if not right:
        return _spectral.eigvals.traced(a)
    return tuple(_spectral.eig.traced(a))


@surface(2)
def eigvals(a, b=None, overwrite_a=False, check_finite=True, homogeneous_eigvals=False):
    """Eigenvalues of square matrices, see ``scipy.linalg.eigvals`` and :func:`eig`."""
    return eig.traced(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


@surface()
def pinv(a, *, atol=None, rtol=None, return_rank=False, check_finite=True):
    """Pseudoinverses, see ``scipy.linalg.pinv``, with a relative tolerance."""
    if atol is not None or return_rank:
        unsupported("pinv takes rtol only")
    return _spectral.pinv.traced(a, rtol=rtol)


# ---- matrices of a shape -----------------------------------------------------------------------


def block_diag(*arrs):
    """Matrices along the diagonal of a larger one, see ``scipy.linalg.block_diag``."""
    return _block_diag(list(arrs))


@surface()
def _block_diag(arrays):
    blocks = [as_value(a) for a in arrays]
    dtype = common_dtype(*blocks) if blocks else FLOAT64
    if any(b.ndim > 2 for b in blocks):
        raise ValueError("arguments of block_diag must have at most two axes")
    blocks = [cast(to_shape(b, (1,) * (2 - b.ndim) + b.shape), dtype) for b in blocks]
    width, at, rows = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        rows.append(
            shaping.pad(b, lows=(0, at), highs=(0, width - at - b.shape[1]), interiors=(0, 0))
        )
        at += b.shape[1]
    if not rows:
        return zeros((1, 0), dtype)
    return rows[0] if len(rows) == 1 else shaping.concatenate(*rows, axis=0)


def toeplitz(c, r=None):
    """The matrix of constant diagonals, see ``scipy.linalg.toeplitz``."""
    return _toeplitz(c, c if r is None else r)


@surface(2)
def _toeplitz(c, r):
    c, r = promoted(c, r)
    if c.ndim != 1 or r.ndim != 1:
        raise ValueError("toeplitz takes two vectors")
    m, n = c.size, r.size
    line = shaping.concatenate(
        shaping.flip(c, axes=(0,)), shaping.slice_axis(r, 0, min(1, n), n), axis=0
    )
    places = np.arange(n)[None] - np.arange(m)[:, None] + m - 1
    return getitem(line, (places,))
