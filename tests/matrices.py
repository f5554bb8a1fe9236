"""Linear algebra written out in NumPy, in the precision of its operands (longdouble too).

Slow, simple and independent of LAPACK and of the core: what the primitives are compared with. All
functions take stacks of matrices; a single matrix goes with any stack.
"""

import numpy as np


def stacked(function):
    """Apply a function of single matrices to stacks that broadcast."""

    def apply(*arrays, **options):
        arrays = [np.asarray(a) for a in arrays]
        lead = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
        arrays = [np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in arrays]
        if not lead:
            return function(*arrays, **options)
        results = [function(*[a[i] for a in arrays], **options) for i in np.ndindex(*lead)]
        if not results:
            results = [function(*[np.ones(a.shape[-2:], a.dtype) for a in arrays], **options)]
            stack = lambda xs: np.zeros((*lead, *xs[0].shape), xs[0].dtype)  # noqa: E731
        else:
            stack = lambda xs: np.reshape(np.stack(xs), (*lead, *xs[0].shape))  # noqa: E731
        if isinstance(results[0], tuple):
            return tuple(stack(list(part)) for part in zip(*results, strict=True))
        return stack(results)

    return apply


@stacked
def lu(a):
    """The packed factors of docs/tape.md: l and u, where rows came from, the sign."""
    n = len(a)
    x, rows, sign = a.copy(), np.arange(n), 1
    for k in range(n):
        p = k + int(np.argmax(np.abs(x[k:, k])))
        if p != k:
            x[[k, p]], rows[[k, p]], sign = x[[p, k]], rows[[p, k]], -sign
        if x[k, k] != 0:
            x[k + 1 :, k] /= x[k, k]
        x[k + 1 :, k + 1 :] -= np.outer(x[k + 1 :, k], x[k, k + 1 :])
    last = np.zeros(n)
    last[:1] = sign
    return np.concatenate([x, rows[None], last[None]]).astype(a.dtype)


@stacked
def triangular(t, b, *, lower, transposed=False, unit=False):
    """Solve op(t) x = b."""
    if transposed:
        t, lower = t.T, not lower
    n, x = len(t), b.copy()
    for i in range(n) if lower else reversed(range(n)):
        known = slice(0, i) if lower else slice(i + 1, n)
        x[i] -= t[i, known] @ x[known]
        if not unit:
            x[i] /= t[i, i]
    return x


@stacked
def solve_packed(packed, b, *, transposed=False):
    """Solve op(a) x = b by the packed factors of a."""
    n = len(b)
    factors, rows = packed[:n], packed[n].astype(int)
    if not transposed:
        y = triangular(factors, b[rows], lower=True, unit=True)
        return triangular(factors, y, lower=False)
    y = triangular(factors, b, lower=False, transposed=True)
    x = np.empty_like(b)
    x[rows] = triangular(factors, y, lower=True, transposed=True, unit=True)
    return x


def solve(a, b, *, transposed=False):
    """Solve op(a) x = b."""
    return solve_packed(lu(a), b, transposed=transposed)


def inverse(a):
    """The inverse."""
    a = np.asarray(a)
    return solve(a, np.eye(a.shape[-1], dtype=a.dtype))


@stacked
def determinant(a):
    """The determinant, as a matrix of one element."""
    n = len(a)
    packed = lu(a)
    return np.prod(np.diag(packed[:n]), keepdims=True)[None] * packed[n + 1, :1]


@stacked
def cofactors(a):
    """Signed minors, each by its own determinant."""
    n = len(a)
    result = np.ones_like(a)
    for i in range(n):
        for j in range(n):
            if n > 1:
                minor = np.delete(np.delete(a, i, 0), j, 1)
                result[i, j] = (-1) ** (i + j) * determinant(minor)[0, 0]
    return result


@stacked
def cholesky(a):
    """The lower factor, of the lower triangle."""
    n, x = len(a), np.tril(a)
    for j in range(n):
        x[j, j] = np.sqrt(x[j, j] - x[j, :j] @ x[j, :j])
        x[j + 1 :, j] = (x[j + 1 :, j] - x[j + 1 :, :j] @ x[j, :j]) / x[j, j]
    return x


@stacked
def _qr(a):
    """Householder's factors, square q; signs as LAPACK's."""
    m, n = a.shape
    q, r = np.eye(m, dtype=a.dtype), a.copy()
    for k in range(min(m - 1, n)):
        x = r[k:, k].copy()
        if not np.any(x[1:]):
            continue
        x[0] += np.copysign(np.sqrt(x @ x), x[0])
        x /= np.sqrt(x @ x)
        r[k:] -= 2 * np.outer(x, x @ r[k:])
        q[:, k:] -= 2 * np.outer(q[:, k:] @ x, x)
    return q, np.triu(r)


def qr(a, k):
    """The factors with k columns of q."""
    q, r = _qr(a)
    return q[..., :k], r[..., :k, :]


@stacked
def _eigenvalues(a):
    """Ascending, by Jacobi's rotations, as one row."""
    a = np.tril(a) + np.tril(a, -1).T
    small = np.finfo(a.dtype).eps ** 2 * np.max(np.abs(a), initial=0)
    for _ in range(12):
        for i in range(len(a)):
            for j in range(i):
                if abs(a[i, j]) > small:
                    t = (a[j, j] - a[i, i]) / (2 * a[i, j])
                    t = np.copysign(1, t) / (np.abs(t) + np.sqrt(t * t + 1))
                    c = 1 / np.sqrt(t * t + 1)
                    turn = np.eye(len(a), dtype=a.dtype)
                    turn[i, i] = turn[j, j] = c
                    turn[j, i], turn[i, j] = -c * t, c * t
                    a = turn.T @ a @ turn
    return np.sort(np.diag(a))[None]


def eigenvalues_h(a, *, upper=False):
    """Eigenvalues of symmetric matrices."""
    return _eigenvalues(np.swapaxes(a, -1, -2) if upper else a)[..., 0, :]


def singular_values(a):
    """Descending; squared on the way, so for good conditions only."""
    a = np.asarray(a)
    t = np.swapaxes(a, -1, -2)
    return np.sqrt(eigenvalues_h(t @ a if a.shape[-1] <= a.shape[-2] else a @ t))[..., ::-1]


@stacked
def expm(a):
    """Taylor's series of a / 1024, squared ten times."""
    term = total = np.eye(len(a), dtype=a.dtype)
    for k in range(1, 20):
        term = term @ (a / 1024) / k
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def _positive(v):
    """Columns with their largest element positive."""
    largest = np.argmax(np.abs(v), axis=-2, keepdims=True)
    return v * np.sign(np.take_along_axis(v, largest, -2))


def eigh(a, *, upper=False):
    """By NumPy, the largest element of each vector positive."""
    w, v = np.linalg.eigh(a, "U" if upper else "L")
    return w, _positive(v)


@stacked
def eig(a):
    """Parts of the eigenvalues and vectors, in NumPy's order, to the precision of the operand.

    NumPy's are refined by Newton's steps. Vectors have length 1, their largest element is positive.
    """
    n, wide = len(a), np.result_type(a, np.complex64)
    w, v = (x.astype(wide) for x in np.linalg.eig(a.astype(float)))
    for k in range(n if wide.itemsize > 16 else 0):
        fixed = v[:, k].conj()
        for _ in range(3):
            system = np.zeros((n + 1, n + 1), wide)
            system[:n, :n] = a - w[k] * np.eye(n)
            system[:n, n], system[n, :n] = -v[:, k], fixed
            rest = np.append(-(a @ v[:, k] - w[k] * v[:, k]), 1 - fixed @ v[:, k])
            change = _eliminated(system, rest)
            v[:, k] += change[:n]
            w[k] += change[n]
    largest = np.take_along_axis(v, np.argmax(np.abs(v).round(9), axis=0)[None], 0)
    v = v * (np.abs(largest) / largest) / np.sqrt(np.sum(np.abs(v) ** 2, axis=0))
    return tuple(x.astype(a.dtype) for x in (w.real, w.imag, v.real, v.imag))


def _eliminated(a, b):
    """Solve a x = b by rows, complex ones too."""
    x = np.concatenate([a, b[:, None]], axis=1)
    n = len(b)
    for k in range(n):
        p = k + int(np.argmax(np.abs(x[k:, k])))
        x[[k, p]] = x[[p, k]]
        x[k] /= x[k, k]
        for i in range(n):
            if i != k:
                x[i] -= x[i, k] * x[k]
    return x[:, n]


def svd(a, *, full):
    """Of diagonal matrices with a positive, descending diagonal."""
    u, s, vt = np.linalg.svd(a, full)
    return s, np.abs(u), np.abs(vt)
