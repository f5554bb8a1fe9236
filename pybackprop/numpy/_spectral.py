"""Decompositions on values by the names of ``numpy.linalg``, and what is made of them."""

import collections
import math
import operator

import numpy as np

from ..primitives import elementwise as ew
from ..primitives import general, reduction, spectral, systems
from ..primitives.base import normalize_axis, real_dtype, zeros
from ..primitives.shaping import concatenate
from . import _complex_factors as _factors
from . import _complex_systems as _complex
from ._common import INT64, as_value, cast, scalar, static_index, unsupported
from ._eager import surface
from ._shaping import permute, to_shape
from ._systems import floats_or_complex, require_stacked, solve

EigResult = collections.namedtuple("EigResult", ["eigenvalues", "eigenvectors"])
EighResult = collections.namedtuple("EighResult", ["eigenvalues", "eigenvectors"])
QRResult = collections.namedtuple("QRResult", ["Q", "R"])
SVDResult = collections.namedtuple("SVDResult", ["U", "S", "Vh"])


def singular_values_of(a):
    """Singular values; of complex matrices by the real one of their parts, which has each twice."""
    if a.dtype.kind != "c":
        return spectral.singular_values(a)
    return _factors.pairs_averaged(spectral.singular_values(_complex.embedded(a)))


@surface()
def qr(a, mode="reduced"):
    """QR factors, see ``numpy.linalg.qr``; modes 'reduced', 'complete' and 'r'.

    Where the first min(m, n) columns are dependent, the derivative is not finite. In mode
    'complete' of matrices with more rows than columns the further columns of q are a basis of what
    is left; their derivative is that of a basis that is carried along, which serves functions that
    do not depend on the choice.

    References
    ----------
    Roberts, D. A. O. and Roberts, L. R. (2020). QR and LQ decomposition matrix backpropagation
    algorithms for square, wide, and deep matrices and their software implementation.
    arXiv:2009.10071.
    """
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    if mode == "raw":
        unsupported("mode 'raw' of qr is not supported; use 'reduced', 'complete' or 'r'")
    (a,) = floats_or_complex(a)
    require_stacked(a, square=False)
    m, n = a.shape[-2:]
    k = min(m, n)
    q, r = _factors.qr(a, k) if a.dtype.kind == "c" else spectral.qr(a, k=k)
    if mode == "r":
        return r
    if mode == "complete" and m > n:
        q = concatenate(q, _factors.complement(q, a), axis=q.ndim - 1)
        r = concatenate(r, zeros((*a.shape[:-2], m - n, n), a.dtype), axis=r.ndim - 2)
    return QRResult(q, r)


@surface()
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """Singular values and vectors, see ``numpy.linalg.svd``.

    Raises LinAlgError when run with elements that are not finite. Where singular values coincide,
    see the page on conventions.

    References
    ----------
    Wan, Z.-Q. and Zhang, S.-X. (2019). Automatic differentiation for complex valued SVD.
    arXiv:1909.02659.
    """
    (a,) = floats_or_complex(a)
    require_stacked(a, square=hermitian)
    whole = a.dtype.kind == "c"
    if hermitian:
        a = _factors.hermitian_from(a) if whole else systems.symmetric_from(a)
    if not compute_uv:
        return singular_values_of(a)
    decompose = _factors.svd if whole else spectral.svd
    s, u, vt = decompose(a, full=bool(full_matrices))
    return SVDResult(u, s, vt)


@surface()
def svdvals(x, /):
    """Singular values, descending, see ``numpy.linalg.svdvals``."""
    return svd.traced(x, compute_uv=False)


def _upper(UPLO):
    if str(UPLO).upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return str(UPLO).upper() == "U"


@surface()
def eigh(a, UPLO="L"):
    """Eigenvalues and vectors of symmetric or Hermitian matrices, see ``numpy.linalg.eigh``.

    Only the triangle ``UPLO`` is read, and has a derivative. Where eigenvalues coincide, see the
    page on conventions. LinAlgError when run with elements that are not finite.
    """
    upper = _upper(UPLO)
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        return EighResult(*_factors.eigh(_factors.hermitian_from(a, not upper)))
    return EighResult(*spectral.eigh(a, upper=upper))


@surface()
def eigvalsh(a, UPLO="L"):
    """Eigenvalues of symmetric matrices, ascending, see ``numpy.linalg.eigvalsh``."""
    upper = _upper(UPLO)
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        a = _factors.hermitian_from(a, not upper)
        return _factors.pairs_averaged(spectral.eigenvalues_h(_complex.embedded(a), upper=False))
    return spectral.eigenvalues_h(a, upper=upper)


@surface()
def eig(a):
    """Eigenvalues and right eigenvectors of square matrices, see ``numpy.linalg.eig``.

    Parameters
    ----------
    a : (..., n, n) array_like

    Returns
    -------
    eigenvalues : (..., n) array
        Complex, also where all are real: which are is known only at the run. Of a pair of a real
        matrix that with positive imaginary part comes first.
    eigenvectors : (..., n, n) array
        Complex; columns of length 1 whose largest element is real and positive.

    Raises
    ------
    LinAlgError
        If the matrices are not square; when run, if elements are not finite.

    References
    ----------
    Magnus, J. R. (1985). On differentiating eigenvalues and eigenvectors. Econometric Theory 1.

    Examples
    --------
    >>> import numpy as np
    >>> import pybackprop as bp
    >>> turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    >>> bp.compile(lambda a: np.linalg.eig(a)[0])(turn)
    array([0.+2.j, 0.-2.j])
    """
    wr, wi, vr, vi = general.eig(_parts_of_square(a))
    return EigResult(ew.make_complex(wr, wi), ew.make_complex(vr, vi))


@surface()
def eigvals(a):
    """Eigenvalues of square matrices, see ``numpy.linalg.eigvals`` and :func:`eig`.

    Parameters
    ----------
    a : (..., n, n) array_like

    Returns
    -------
    (..., n) array
        Complex.

    Raises
    ------
    LinAlgError
        If the matrices are not square; when run, if elements are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import pybackprop as bp
    >>> bp.compile(np.linalg.eigvals)(np.array([[0.0, -2.0], [2.0, 0.0]]))
    array([0.+2.j, 0.-2.j])
    """
    return ew.make_complex(*general.eigenvalues(_parts_of_square(a)))


def _parts_of_square(a):
    """Square matrices, complex ones as their real parts above their imaginary ones."""
    (a,) = floats_or_complex(a)
    require_stacked(a)
    if a.dtype.kind == "c":
        a = concatenate(ew.real(a), ew.imag(a), axis=a.ndim - 2)
    return a


# ---- least squares ------------------------------------------------------------------------------


def _cutoff(s, factor):
    """Below what singular values count as zero, as vectors of one element."""
    if not s.shape[-1]:
        return zeros((*s.shape[:-1], 1), s.dtype)
    largest = reduction.max_(s, axes=(s.ndim - 1,))
    return to_shape(ew.multiply(largest, factor), (*s.shape[:-1], 1))


def _pseudoinverse(a, factor):
    """The pseudoinverse; the derivative is Golub and Pereyra's for matrices of constant rank."""
    s, u, vt = spectral.svd(ew.stop_gradient(a), full=False)
    inverse = spectral.quotient(s, _cutoff(s, factor))
    p = systems.times(ew.multiply(systems.turned(vt), spectral.as_row(inverse)), u, tb=True)
    return spectral.pseudoinverse(p, a), s


@surface()
def pinv(a, rcond=None, hermitian=False, *, rtol=None):
    """Pseudoinverses, see ``numpy.linalg.pinv``.

    The derivative holds where the rank is constant. It needs no differences of singular values.

    References
    ----------
    Golub, G. H. and Pereyra, V. (1973). The differentiation of pseudo-inverses and nonlinear least
    squares problems whose variables separate. SIAM J. Numer. Anal. 10.
    """
    (a,) = floats_or_complex(a)
    require_stacked(a, square=hermitian)
    if hermitian:
        a = _factors.hermitian_from(a) if a.dtype.kind == "c" else systems.symmetric_from(a)
    if rcond is None:
        rcond = rtol if rtol is not None else max(a.shape[-2:]) * np.finfo(a.dtype).eps
        rcond = 1e-15 if rtol is None and not hasattr(np.linalg, "svdvals") else rcond
    if 0 in a.shape[-2:]:
        return zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    m, whole = a.shape[-2], a.dtype.kind == "c"
    if whole:
        a = _complex.embedded(a)
    factor = ew.stop_gradient(as_value(rcond, a.dtype))
    p = _pseudoinverse(a, factor)[0]
    return _complex.unstacked(spectral.columns(p, 0, m)) if whole else p


@surface(2)
def lstsq(a, b, rcond=None):
    """Least squares, see ``numpy.linalg.lstsq``; stacks are not taken, as in NumPy.

    The residuals are empty where the shapes say so; a rank deficiency is known only at the run, so
    then they are the sums of squares all the same.

    Returns
    -------
    x : (n,) or (n, k) array
    residuals : (k,) or (1,) array, empty if a has no more rows than columns
    rank : int
    s : (min(m, n),) array
    """
    a, b = floats_or_complex(a, b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError("lstsq takes a matrix and one or two axes on the right")
    if a.shape[0] != b.shape[0]:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    m, n = a.shape
    vector = b.ndim == 1
    right = to_shape(b, (m, 1)) if vector else b
    eps = np.finfo(a.dtype).eps
    if rcond is None:
        rcond = eps * max(m, n)
    elif isinstance(rcond, (int, float)) and rcond < 0:
        rcond = eps
    real = real_dtype(a.dtype)
    factor = as_value(rcond, real)
    if m and n and a.dtype.kind == "c":
        p, s = _pseudoinverse(_complex.embedded(a), ew.stop_gradient(factor))
        x = systems.times(_complex.unstacked(spectral.columns(p, 0, m)), right)
        s = ew.stop_gradient(_factors.pairs_averaged(s))
        rank = _count(ew.less_equal(_cutoff(s, factor), s))
    elif m and n:
        p, s = _pseudoinverse(a, ew.stop_gradient(factor))
        x = systems.times(ew.stop_gradient(p), ew.stop_gradient(right))
        x = spectral.least_squares(x, a, right, p)
        s = ew.stop_gradient(s)
        rank = _count(ew.less_equal(_cutoff(s, factor), s))
    else:
        x, s = zeros((n, right.shape[1]), a.dtype), zeros((0,), real)
        rank = scalar(0, INT64)
    if m > n:
        rest = ew.subtract(right, systems.times(a, x)) if n else right
        residuals = reduction.sum_(ew.square(ew.abs_(rest)), axes=(0,))
    else:
        residuals = zeros((0,), real)
    return (to_shape(x, (n,)) if vector else x), residuals, rank, s


def _count(flags):
    return reduction.sum_(cast(flags, INT64), axes=(flags.ndim - 1,))


@surface()
def matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    """The number of singular values above a tolerance, see ``numpy.linalg.matrix_rank``.

    An integer, without derivative.
    """
    (a,) = floats_or_complex(A)
    if a.ndim < 2:
        flags = ew.not_equal(to_shape(a, (a.size,)), scalar(0, a.dtype))
        return cast(reduction.max_(flags, axes=(0,)), INT64)
    require_stacked(a, square=hermitian)
    if 0 in a.shape[-2:]:
        return zeros(a.shape[:-2], INT64)
    s = svd.traced(ew.stop_gradient(a), compute_uv=False, hermitian=hermitian)
    if tol is not None:
        low = as_value(tol, s.dtype)
        low = to_shape(low, (*low.shape, 1))
    else:
        factor = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else rtol
        low = _cutoff(s, as_value(factor, s.dtype))
    return _count(ew.logical_not(ew.less_equal(s, low)))


# ---- products and tensors -----------------------------------------------------------------------


@surface()
def multi_dot(arrays, *, out=None):
    """The product of several matrices in the cheapest order, see ``numpy.linalg.multi_dot``."""
    if out is not None:
        unsupported("out= cannot be used on traced values, which are immutable; use the result")
    from ._products import dot

    values = [as_value(x) for x in arrays]
    if len(values) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = values[0].ndim == 1, values[-1].ndim == 1
    if first:
        values[0] = to_shape(values[0], (1, values[0].size))
    if last:
        values[-1] = to_shape(values[-1], (values[-1].size, 1))
    for x in values:
        if x.ndim != 2:
            raise np.linalg.LinAlgError(
                f"{x.ndim}-dimensional array given. Array must be two-dimensional"
            )
    edges = [x.shape[0] for x in values] + [values[-1].shape[1]]
    # The cheapest cut of values i ... j - 1, by the classical recurrence.
    n = len(values)
    cost, cut = {(i, i + 1): 0 for i in range(n)}, {}
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length
            cost[i, j], cut[i, j] = min(
                (cost[i, c] + cost[c, j] + edges[i] * edges[c] * edges[j], c)
                for c in range(i + 1, j)
            )

    def product(i, j):
        if j == i + 1:
            return values[i]
        return dot.traced(product(i, cut[i, j]), product(cut[i, j], j))

    y = product(0, n)
    shape = y.shape[1 if first else 0 : 1 if last else 2]
    return to_shape(y, shape) if first or last else y


@surface(2)
def tensorsolve(a, b, axes=None):
    """Solve ``tensordot(a, x, x.ndim) = b``, see ``numpy.linalg.tensorsolve``."""
    a, b = as_value(a), as_value(b)
    if axes is not None:
        moved = [normalize_axis(operator.index(k), a.ndim) for k in axes]
        a = permute(a, (*[k for k in range(a.ndim) if k not in moved], *moved))
    shape = a.shape[b.ndim :]
    size = math.prod(shape)
    if a.size != size**2 or b.size != size:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement             prod(a.shape[b.ndim:]) == "
            "prod(a.shape[:b.ndim])"
        )
    x = solve.traced(to_shape(a, (size, size)), to_shape(b, (size,)))
    return to_shape(x, shape)


@surface()
def tensorinv(a, ind=2):
    """The inverse of ``tensordot(a, ., ind)``, see ``numpy.linalg.tensorinv``."""
    from ._systems import inv

    a, ind = as_value(a), static_index(ind, "ind")
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rows, shape = math.prod(a.shape[:ind]), (*a.shape[ind:], *a.shape[:ind])
    if rows * rows != a.size:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return to_shape(inv.traced(to_shape(a, (rows, rows))), shape)
