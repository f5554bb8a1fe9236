"""Factors of complex matrices: values, gauge-free derivatives in both modes and of second order."""

import numpy as np
import pytest

import pybackprop as bp

scipy_linalg = pytest.importorskip("scipy.linalg")
RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def positive(*shape):
    a = normal(*shape)
    return a @ adjoint(a) + np.eye(shape[-1])


def assert_orthonormal(q, tolerance=1e-13):
    assert np.abs(adjoint(q) @ q - np.eye(q.shape[-1])).max(initial=0) < tolerance


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 5, 5), (2, 0, 0), (0, 3, 3)])
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(shape, upper):
    a = positive(*shape)
    wanted = np.linalg.cholesky(a)
    wanted = adjoint(wanted) if upper else wanted
    # Only one triangle is read, and of the diagonal the real part.
    given = (np.triu(a) if upper else np.tril(a)) + 3j * np.eye(shape[-1])
    ours = bp.compile(lambda x: bp.numpy.linalg.cholesky(x, upper=upper))(given)
    assert ours.dtype == np.complex128
    np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-13)
    single = bp.compile(lambda x: bp.numpy.linalg.cholesky(x))(a.astype(np.complex64))
    assert single.dtype == np.complex64


def test_cholesky_of_an_indefinite_matrix_raises():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        bp.compile(np.linalg.cholesky)(np.diag([1, -1]) + 0j)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 5, 1), (2, 1, 5)])
def test_qr(shape):
    a = normal(*shape)
    q, r = bp.compile(np.linalg.qr)(a)
    np.testing.assert_allclose(q @ r, a, rtol=1e-12, atol=1e-13)
    assert_orthonormal(q)
    np.testing.assert_allclose(np.abs(r), np.abs(np.linalg.qr(a)[1]), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(r, np.triu(r))
    q, r = bp.compile(lambda x: np.linalg.qr(x, mode="complete"))(a)
    assert q.shape == (*shape[:-1], shape[-2]) and r.shape == shape
    np.testing.assert_allclose(q @ r, a, rtol=1e-12, atol=1e-13)
    assert_orthonormal(q)


def matrices(n):
    yield positive(n, n)
    yield normal(2, n, n) + adjoint(normal(1, n, n))
    yield np.eye(n) + 0j
    q = np.linalg.qr(normal(n, n))[0]
    yield q @ np.diag(np.arange(n) // 2 + 1.0) @ adjoint(q)
    yield np.zeros((n, n), complex)


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_eigh(n):
    for a in matrices(n):
        h = np.tril(a, -1) + adjoint(np.tril(a, -1)) + np.real(a) * np.eye(n)
        for uplo, triangle in (("L", np.tril(h)), ("U", np.triu(h))):
            w, v = bp.compile(lambda x, u=uplo: np.linalg.eigh(x, u))(triangle)
            scale = np.abs(h).max(initial=1)
            np.testing.assert_allclose(w, np.linalg.eigvalsh(h), atol=1e-13 * scale)
            np.testing.assert_allclose(h @ v, v * w[..., None, :], atol=1e-13 * scale)
            assert_orthonormal(v)


@pytest.mark.parametrize("shape", [(4, 4), (2, 6, 3), (3, 6), (5, 1), (1, 5), (0, 3), (3, 0)])
@pytest.mark.parametrize("kind", ["general", "rank 1", "zero", "unitary"])
@pytest.mark.parametrize("full", [False, True])
def test_svd(shape, kind, full):
    a = normal(*shape)
    if kind == "rank 1":
        a = a[..., :1] * normal(1, shape[-1])
    elif kind == "zero":
        a = a * 0
    elif kind == "unitary" and a.size:
        a = np.linalg.svd(a, full_matrices=False)[0] @ np.linalg.svd(a, full_matrices=False)[2]
    u, s, vh = bp.compile(lambda x: np.linalg.svd(x, full_matrices=full))(a)
    for ours, theirs in zip((u, s, vh), np.linalg.svd(a, full_matrices=full), strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert_orthonormal(u)
    assert_orthonormal(adjoint(vh))
    k = s.shape[-1]
    np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, atol=1e-13)
    np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (3, 5)])
def test_least_squares(shape):
    a, b = normal(*shape), normal(shape[0], 2)
    for right in (b, b[:, 0]):
        for ours, theirs in zip(
            bp.compile(lambda a, b: np.linalg.lstsq(a, b, rcond=None))(a, right),
            np.linalg.lstsq(a, right, rcond=None),
            strict=True,
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("trans", [0, 1, 2])
def test_triangular_systems(lower, unit, trans):
    a, b = normal(4, 4), normal(4, 3)
    options = {"lower": lower, "unit_diagonal": unit, "trans": trans}
    ours = bp.linalg.solve_triangular(a, b, **options)
    np.testing.assert_allclose(ours, scipy_linalg.solve_triangular(a, b, **options), rtol=1e-9)


def test_systems_of_scipy():
    a, b, right = positive(4, 4), positive(4, 4), normal(4, 2)
    for lower in (False, True):
        ours = bp.linalg.cho_solve(bp.linalg.cho_factor(a, lower=lower), right)
        np.testing.assert_allclose(ours, np.linalg.solve(a, right), rtol=1e-10)
    np.testing.assert_allclose(
        bp.linalg.solve(a, right, assume_a="pos"), np.linalg.solve(a, right), rtol=1e-10
    )
    w, v = bp.linalg.eigh(a, b)
    np.testing.assert_allclose(w, scipy_linalg.eigh(a, b, eigvals_only=True), rtol=1e-10)
    np.testing.assert_allclose(a @ v, b @ v * w, rtol=1e-9, atol=1e-11)
    with pytest.raises(np.linalg.LinAlgError):
        bp.linalg.solve_triangular(np.diag([1, 0]) + 0j, np.ones(2))


# ---- derivatives --------------------------------------------------------------------------------

W, W2 = normal(3, 3), normal(3, 3)
ORDER = np.array([1.0, 2.0, 3.0])


def complex_of(x):
    return x[0] + 1j * x[1]


def hermitian(x):
    z = complex_of(x)
    return z @ np.conj(z.T) + np.eye(3)


def by_cholesky(x):
    return np.sum(np.real(W * np.linalg.cholesky(hermitian(x))))


def by_qr(x):
    q, r = np.linalg.qr(complex_of(x))
    return np.sum(np.abs(W @ r) ** 2) + np.sum(np.real(W * (q @ np.diag(ORDER) @ np.conj(q.T))))


def by_eigh(x):
    w, v = np.linalg.eigh(hermitian(x))
    return np.sum(np.abs(np.conj(v.T) @ W @ v) ** 3) + np.sum(w**2 * ORDER)


def by_svd(x):
    u, s, vh = np.linalg.svd(complex_of(x))
    invariant = np.sum(np.real(W * (u @ np.diag(1 / ORDER) @ vh))) + np.sum(np.abs(W2 @ u) ** 3)
    return np.sum(s**3 * ORDER) + invariant


def by_least_squares(x):
    return np.sum(np.abs(np.linalg.lstsq(complex_of(x)[:, :2], W, rcond=None)[0]) ** 2)


def by_triangle(x):
    y = bp.linalg.solve_triangular(complex_of(x) + 0 * W, W, trans=2, lower=True)
    return np.sum(np.abs(y) ** 2)


def difference(f, x, d, h=1e-3):
    """The derivative along d, by central differences extrapolated twice."""
    by = [(f(x + s * d) - f(x - s * d)) / (2 * s) for s in (h, h / 2, h / 4)]
    return (64 * by[2] - 20 * by[1] + by[0]) / 45


@pytest.mark.parametrize(
    "f",
    [by_cholesky, by_qr, by_eigh, by_svd, by_least_squares, by_triangle],
    ids=lambda f: f.__name__,
)
def test_derivatives(f):
    x, d = np.random.default_rng(0).normal(size=(2, 2, 3, 3))
    gradient = bp.grad(f)
    along = difference(bp.compile(f), x, d)
    np.testing.assert_allclose(np.sum(gradient(x) * d), along, rtol=1e-9)
    np.testing.assert_allclose(bp.jvp(f, (x,), (d,))[1], along, rtol=1e-9)
    second = difference(gradient, x, d)
    scale = np.abs(second).max()
    np.testing.assert_allclose(bp.hvp(f)(x, d), second, atol=1e-9 * scale)
    twice = bp.grad(lambda y: np.sum(gradient(y) * d))(x)
    np.testing.assert_allclose(twice, second, atol=1e-9 * scale)


def test_vmap():
    a = positive(3, 4, 4)
    w, v = bp.vmap(np.linalg.eigh)(a)
    np.testing.assert_allclose(a @ v, v * w[:, None, :], atol=1e-12)
    u, s, vh = bp.vmap(np.linalg.svd)(a)
    np.testing.assert_allclose((u * s[:, None, :]) @ vh, a, atol=1e-12)


@pytest.mark.parametrize("complex_", [False, True])
def test_derivative_of_what_completes_columns(complex_):
    """By a function that does not depend on the choice of the basis: a projector."""
    x, y = np.random.default_rng(4).normal(size=(2, 5, 2))
    weights = np.random.default_rng(5).normal(size=(5, 5))

    def f(x, y):
        q, r = np.linalg.qr(x + 1j * y if complex_ else x + y, mode="complete")
        projector = q[:, 2:] @ adjoint(q[:, 2:])
        return np.sum(np.real(projector * weights) ** 2) + np.sum(np.abs(r) ** 3)

    bp.check_grads(f, (x, y), order=2)
