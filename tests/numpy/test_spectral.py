"""Decompositions by NumPy's and SciPy's names: factors, derivatives, equal values, failures."""

import functools

import matrices
import numpy as np
import pytest
import scipy.linalg

import pybackprop as bp

rng = np.random.default_rng(9)
W = rng.normal(size=(6, 6))


def normal(*shape, dtype=float):
    return rng.normal(size=shape).astype(dtype)


def turned(x):
    return np.swapaxes(x, -1, -2)


def compiled(f, *arrays, **options):
    return bp.compile(lambda *a: tuple(f(*a, **options)))(*arrays)


def orthonormal(q, n):
    eps = np.finfo(q.dtype).eps
    return np.max(np.abs(turned(q) @ q - np.eye(q.shape[-1])), initial=0) < (50 + 2 * n) * eps


SHAPES = [(1, 1), (2, 2), (4, 2), (2, 4), (7, 5), (33, 33), (40, 70), (70, 40), (0, 3), (3, 0)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_factors(shape, dtype):
    """Reconstruction, orthonormality, order and shapes, to some rounding errors."""
    m, n = shape
    k, eps = min(m, n), np.finfo(dtype).eps * max(m, n, 8) * 4
    for lead in ((), (3,), (0,)):
        a = normal(*lead, m, n, dtype=dtype)
        size = max(np.max(np.abs(a), initial=0), 1)
        for mode in ("reduced", "complete"):
            q, r = compiled(np.linalg.qr, a, mode=mode)
            wanted = np.linalg.qr(a, mode)
            assert q.dtype == r.dtype == dtype and q.shape == wanted.Q.shape
            assert r.shape == wanted.R.shape and orthonormal(q, m)
            assert np.max(np.abs(q @ r - a), initial=0) < eps * size
            assert np.array_equal(r, np.triu(r))
            # LAPACK's signs.
            assert np.all(
                np.sign(np.diagonal(r, 0, -2, -1)) == np.sign(np.diagonal(wanted.R, 0, -2, -1))
            )
        for full in (True, False):
            u, s, vt = compiled(np.linalg.svd, a, full_matrices=full)
            wanted = np.linalg.svd(a, full)
            assert u.shape == wanted.U.shape and vt.shape == wanted.Vh.shape and s.dtype == dtype
            assert orthonormal(u, m + n) and orthonormal(turned(vt), m + n)
            np.testing.assert_allclose(s, wanted.S, rtol=0, atol=4 * eps * size)
            assert np.all(np.diff(s) <= 0) and np.all(s >= 0)
            product = (u[..., :k] * s[..., None, :]) @ vt[..., :k, :]
            assert np.max(np.abs(product - a), initial=0) < 4 * eps * size
        np.testing.assert_allclose(
            bp.compile(lambda a: np.linalg.svd(a, compute_uv=False))(a),
            s,
            rtol=0,
            atol=4 * eps * size,
        )
        if m == n:
            whole = a + turned(a)
            for uplo, part in (("L", np.tril(whole)), ("U", np.triu(whole))):
                w, v = compiled(np.linalg.eigh, part, UPLO=uplo)
                assert orthonormal(v, n) and np.all(np.diff(w) >= 0) and w.dtype == dtype
                assert (
                    np.max(np.abs((v * w[..., None, :]) @ turned(v) - whole), initial=0)
                    < 4 * eps * size
                )
                np.testing.assert_allclose(
                    w, np.linalg.eigvalsh(whole), rtol=0, atol=4 * eps * size
                )
                values = bp.compile(lambda a: np.linalg.eigvalsh(a, UPLO=uplo))(part)
                np.testing.assert_allclose(values, w, rtol=0, atol=4 * eps * size)


@pytest.mark.parametrize("a", [
    np.zeros((4, 3)), np.ones((5, 5)), np.eye(6), np.diag([1, 1e-200, 0, 1e-310]),
    np.diag([3.0, 3, 3, 1e-20]), np.full((3, 2), 1e-320), np.full((3, 4), 1e300),
    np.vander(np.linspace(0, 1, 20)), scipy.linalg.hilbert(15), np.kron(np.eye(3), np.ones((3, 3))),
], ids=lambda a: f"{a.shape}")  # fmt: skip
def test_hard_matrices(a):
    scale = max(np.max(np.abs(a)), 5e-324)
    u, s, vt = compiled(np.linalg.svd, a)
    k = s.size
    assert orthonormal(u, 30) and orthonormal(turned(vt), 30)
    assert np.max(np.abs((u[:, :k] * s) @ vt[:k] - a) / scale) < 1e-14
    q, r = compiled(np.linalg.qr, a, mode="complete")
    assert orthonormal(q, 30)
    assert np.max(np.abs(q @ r - a) / scale) < (1e-3 if scale < 1e-300 else 1e-14)
    s = a @ a.T if a.shape[0] != a.shape[1] and scale < 1e100 else a[:3, :3] + turned(a[:3, :3])
    if s.shape[0] == s.shape[1]:
        w, v = compiled(np.linalg.eigh, s)
        scale = max(np.max(np.abs(s)), 5e-324)
        assert orthonormal(v, 30) and np.max(np.abs((v * w) @ v.T - s) / scale) < 1e-14


def test_tiny_singular_values():
    """A graded triangle: small singular values are right to many digits of their own."""
    a = np.triu(normal(4, 4)) * np.array([1, 1e-8, 1e-16, 1e-24])[:, None] + np.diag(
        [1, 1e-8, 1e-16, 1e-24]
    )
    found = bp.compile(lambda a: np.linalg.svd(a, compute_uv=False))(a)
    import mpmath

    with mpmath.workdps(60):
        _, wanted, _ = mpmath.svd_r(mpmath.matrix(a.tolist()))
        wanted = np.array([float(x) for x in wanted])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def total(x):
    """A scalar in which all elements of matrices count."""
    return np.sum(np.sin(x) * W[: x.shape[-2], : x.shape[-1]])


def vectors(a, **options):
    u, s, vt = np.linalg.svd(a, **options)
    k = s.shape[-1]
    result = total(u[..., :k] ** 2) + total(vt[..., :k, :] ** 2) + np.sum(np.sin(s))
    if u.shape[-1] > k:
        result = result + total(u[..., k:] @ turned(u[..., k:]))
    if vt.shape[-2] > k:
        result = result + total(turned(vt[..., k:, :]) @ vt[..., k:, :])
    return result


def eigen(a, **options):
    w, v = np.linalg.eigh(a, **options)
    return total(v**2) + np.sum(np.sin(w))


def factors(a, mode="reduced"):
    q, r = np.linalg.qr(a, mode=mode)
    return total(q) + total(r)


FUNCTIONS = {
    "qr": (factors, (2, 3, 3)),
    "qr tall": (factors, (5, 3)),
    "qr wide": (factors, (3, 5)),
    "qr complete": (lambda a: factors(a, "complete"), (3, 5)),
    "qr r": (lambda a: total(np.linalg.qr(a, mode="r")), (2, 4, 3)),
    "svd": (vectors, (2, 3, 3)),
    "svd u vt": (lambda a: total(np.linalg.svd(a)[0] @ np.linalg.svd(a)[2]), (4, 4)),
    "svd tall": (lambda a: vectors(a, full_matrices=False), (5, 3)),
    "svd wide": (lambda a: vectors(a, full_matrices=False), (3, 5)),
    "svd full tall": (vectors, (5, 3)),
    "svd full wide": (vectors, (3, 5)),
    "svdvals": (lambda a: np.sum(np.sin(np.linalg.svd(a, compute_uv=False))), (2, 4, 3)),
    "eigh": (eigen, (2, 4, 4)),
    "eigh upper": (lambda a: eigen(a, UPLO="U"), (4, 4)),
    "eigvalsh": (lambda a: np.sum(np.sin(np.linalg.eigvalsh(a))), (2, 4, 4)),
    "pinv": (lambda a: total(np.linalg.pinv(a)), (2, 4, 3)),
    "pinv wide": (lambda a: total(np.linalg.pinv(a)), (3, 4)),
    "pinv hermitian": (lambda a: total(np.linalg.pinv(a, hermitian=True)), (4, 4)),
    "cond": (np.linalg.cond, (4, 4)),
    "cond 1": (lambda a: np.linalg.cond(a, 1), (4, 4)),
    "norm 2": (lambda a: np.linalg.norm(a, 2), (4, 3)),
    "norm -2": (lambda a: np.linalg.norm(a, -2), (4, 3)),
    "norm nuc": (lambda a: np.sum(np.linalg.norm(a, "nuc", axis=(0, 2))), (4, 2, 3)),
    "multi_dot": (lambda a: total(np.linalg.multi_dot([a, a.T, a, W[:3, :2]])), (4, 3)),
    "tensorinv": (lambda a: np.sum(np.linalg.tensorinv(a.reshape(2, 2, 4)) ** 2), (4, 4)),
    "tensorsolve": (
        lambda a: np.sum(np.linalg.tensorsolve(a.reshape(2, 2, 4), W[:2, :2]) ** 2),
        (4, 4),
    ),
    "cross": (lambda a: total(np.linalg.cross(a, a[::-1] ** 2)), (4, 3)),
    "lstsq": (lambda a: total(np.linalg.lstsq(a, W[:5, :2], rcond=None)[0]), (5, 3)),
    "lstsq rest": (lambda a: np.sum(np.linalg.lstsq(a, W[:5, :2], rcond=None)[1]), (5, 3)),
    "lstsq wide": (lambda a: total(np.linalg.lstsq(a, W[:3, :2], rcond=None)[0]), (3, 5)),
    "lstsq right": (lambda b: total(np.linalg.lstsq(W[:5, :3], b, rcond=None)[0]), (5, 2)),
    "expm": (lambda a: total(bp.linalg.expm(a)), (2, 3, 3)),
    "generalized": (lambda a: np.sum(np.sin(bp.linalg.eigvalsh(a, a @ a.T + np.eye(3)))), (3, 3)),
    "block_diag": (lambda a: total(bp.linalg.block_diag(a, a[:1])), (2, 3)),
    "toeplitz": (lambda a: total(bp.linalg.toeplitz(a, a[1:] ** 2)), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name):
    """Both modes to second order against differences; both backends; float32; vmap."""
    f, shape = FUNCTIONS[name]
    a = np.random.default_rng(sum(map(ord, name))).normal(size=shape)
    if not name.startswith(("generalized", "expm", "block", "toeplitz")):
        np.testing.assert_allclose(bp.compile(f)(a), f(a), rtol=1e-10)
    bp.check_grads(f, (a,), order=2)
    g = bp.grad(f)(a)
    if name in ("qr", "svd", "eigh", "svdvals", "expm"):
        np.testing.assert_array_equal(bp.grad(f, backend="native")(a), g)
    stack = bp.vmap(bp.grad(f))(np.stack([a, a / 2]))
    np.testing.assert_allclose(stack[0], g, rtol=1e-9, atol=1e-10)
    single = bp.grad(f)(a.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, g, rtol=0, atol=3e-4 * np.max(np.abs(g)))


def test_coinciding_values():
    """Functions of the spaces alone are differentiable where values coincide."""
    q = np.linalg.qr(normal(4, 4))[0]
    a, e = q @ np.diag([1.0, 1, 2, 3]) @ q.T, normal(4, 4)
    e = e + e.T

    def projection(a):
        v = np.linalg.eigh(a)[1][:, :2]
        return v @ v.T

    found = bp.jvp(projection, (a,), (e,))[1]
    wanted = q[:, 2:] @ ((q[:, 2:].T @ e @ q[:, :2]) / (1 - np.array([[2.0], [3.0]]))) @ q[:, :2].T
    np.testing.assert_allclose(found, wanted + wanted.T, atol=1e-12)
    weights = normal(4, 4)
    back = bp.grad(lambda a: np.sum(weights * projection(a)))(a)
    np.testing.assert_allclose(np.sum(back * e), np.sum(weights * found), rtol=1e-11)

    def rotation(a):
        u, _, vt = np.linalg.svd(a)
        return u @ vt

    # The polar factor at a multiple of the identity: the skew part of the change.
    change = normal(3, 3)
    found = bp.jvp(rotation, (2 * np.eye(3),), (change,))[1]
    np.testing.assert_allclose(found, (change - change.T) / 4, atol=1e-14)
    for n in (1, 3):
        np.testing.assert_allclose(
            bp.grad(lambda a: np.linalg.norm(a, "nuc"))(np.eye(n)), np.eye(n)
        )
    for f in (vectors, eigen, lambda a: np.linalg.norm(a, "nuc"), lambda a: np.linalg.norm(a, 2)):
        for x in (np.zeros((3, 3)), np.eye(3), np.ones((3, 3))):
            assert np.isfinite(bp.grad(f)(x)).all()
            assert np.isfinite(bp.hvp(f)(x, change)).all()
    np.testing.assert_array_equal(bp.grad(lambda a: np.linalg.norm(a, "nuc"))(np.zeros((2, 2))), 0)


def test_pinv_of_constant_rank():
    u, v = normal(5, 2), normal(2, 4)
    np.testing.assert_allclose(bp.compile(np.linalg.pinv)(u @ v), np.linalg.pinv(u @ v), atol=1e-12)
    bp.check_grads(lambda u, v: np.linalg.pinv(u @ v), (u, v))


def test_against_closed_forms():
    s = normal(4, 4)
    s = s + s.T
    v = np.linalg.eigh(s)[1]
    for i in range(4):
        outer = np.outer(v[:, i], v[:, i])
        lower = np.tril(outer) + np.tril(outer, -1)
        np.testing.assert_allclose(
            bp.grad(lambda a: np.linalg.eigvalsh(a)[i])(s), lower, atol=1e-13
        )
    a = normal(4, 3)
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose(bp.grad(lambda a: np.linalg.norm(a, "nuc"))(a), u @ vt, atol=1e-13)
    x, e = normal(3, 3), normal(3, 3)
    for size in (1e-3, 1.0, 1e6):
        found = bp.jvp(bp.linalg.expm, (x,), (size * e,))[1]
        wanted = scipy.linalg.expm_frechet(x, size * e)[1]
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * size)


@pytest.mark.parametrize("size", [0, 1e-3, 0.2, 1.0, 3.0, 50.0])
@pytest.mark.parametrize("n", [1, 4, 20])
def test_expm(n, size):
    a = size * normal(2, n, n) / n
    found = bp.linalg.expm(a)
    np.testing.assert_allclose(found, scipy.linalg.expm(a), rtol=1e-10, atol=1e-13)
    single = bp.linalg.expm(a.astype(np.float32))
    assert single.dtype == np.float32
    scale = np.max(np.abs(found))
    np.testing.assert_allclose(single, found, rtol=0, atol=2e-5 * (1 + size) * scale)


def test_least_squares_and_ranks():
    low = normal(5, 2) @ normal(2, 4)
    for a, b in ((low, normal(5)), (normal(5, 3), normal(5, 2)), (normal(3, 5), normal(3, 2))):
        found = bp.compile(lambda a, b: np.linalg.lstsq(a, b, rcond=None))(a, b)
        wanted = np.linalg.lstsq(a, b, rcond=None)
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-12)
        assert found[2] == wanted[2]
        np.testing.assert_allclose(found[3], wanted[3], atol=1e-12)
    full = normal(5, 3)
    np.testing.assert_allclose(
        bp.compile(lambda a, b: np.linalg.lstsq(a, b, rcond=None)[1])(full, W[:5, :2]),
        np.linalg.lstsq(full, W[:5, :2], rcond=None)[1],
    )
    rank = bp.compile(np.linalg.matrix_rank)
    assert rank(low) == 2 and rank(np.stack([low, 0 * low])).tolist() == [2, 0]
    assert rank(np.zeros(3)) == 0 and rank(np.ones(3)) == 1
    assert bp.compile(lambda a: np.linalg.matrix_rank(a, tol=100.0))(low) == 0


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_and_conditions(order):
    a = normal(3, 4, 4)
    f = lambda a: np.linalg.norm(a, order, axis=(1, 2))  # noqa: E731
    np.testing.assert_allclose(bp.compile(f)(a), f(a), rtol=1e-12)
    f = lambda a: np.linalg.norm(a, order, axis=(0, 2), keepdims=True)  # noqa: E731
    np.testing.assert_allclose(bp.compile(f)(a), f(a), rtol=1e-12)
    if order != "nuc":
        f = lambda a: np.linalg.cond(a, order)  # noqa: E731
        np.testing.assert_allclose(bp.compile(f)(a), f(a), rtol=1e-9)


def test_scipy_names():
    a, b = normal(4, 4), normal(4, 2)
    s = a @ a.T + np.eye(4)
    for mode in ("full", "economic", "r"):
        for x, y in zip(bp.linalg.qr(b, mode=mode), scipy.linalg.qr(b, mode=mode), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-12)
    for parts in ((a, b, [1.0, 2], 3.0), (a,), ()):
        np.testing.assert_array_equal(bp.linalg.block_diag(*parts), scipy.linalg.block_diag(*parts))
    for c, r in (([1.0, 2, 3], [1.0, 5, 6, 7]), ([1.0, 2], None), ([1.0], [1.0])):
        np.testing.assert_array_equal(bp.linalg.toeplitz(c, r), scipy.linalg.toeplitz(c, r))
    w, v = bp.linalg.eigh(a, s)
    np.testing.assert_allclose(w, scipy.linalg.eigh(a, s, eigvals_only=True), rtol=1e-10)
    np.testing.assert_allclose(v.T @ s @ v, np.eye(4), atol=1e-11)
    np.testing.assert_allclose(bp.linalg.solve(s, b, assume_a="pos"), np.linalg.solve(s, b))
    np.testing.assert_allclose(bp.linalg.svdvals(b), scipy.linalg.svdvals(b))
    np.testing.assert_allclose(bp.linalg.pinv(b), scipy.linalg.pinv(b), atol=1e-12)
    for call in (
        lambda: bp.linalg.qr(b, pivoting=True),
        lambda: bp.linalg.solve(a, b, assume_a="tridiagonal"),
        lambda: bp.compile(lambda a: np.linalg.qr(a, mode="raw"))(a),
    ):
        with pytest.raises(bp.errors.UnsupportedError):
            call()


@pytest.mark.parametrize("backend", ["interpreter", "native"])
def test_failures(backend):
    for bad in (np.full((3, 3), np.nan), np.full((3, 3), np.inf), np.array([[np.nan, 0], [1, 1]])):
        for f, words in ((np.linalg.svd, "SVD did not"), (np.linalg.eigh, "Eigenvalues did not")):
            with pytest.raises(np.linalg.LinAlgError, match=words):
                bp.compile(lambda a, f=f: tuple(f(a)), backend=backend)(bad)
        assert np.isnan(bp.compile(lambda a: np.linalg.qr(a, mode="r"))(bad)).any()
        assert np.isnan(bp.linalg.expm(bad)).all()
    with pytest.raises(ValueError, match="UPLO"):
        bp.compile(lambda a: np.linalg.eigh(a, UPLO="X"))(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        bp.compile(np.linalg.eigvalsh)(np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError):
        bp.compile(lambda a: np.linalg.multi_dot([a, a[None]]))(np.eye(2))


def test_inside_scan():
    xs = normal(3, 3, 3)

    def step(c, x):
        w, v = np.linalg.eigh(c + x + x.T)
        q, r = np.linalg.qr(x)
        return v @ np.diag(np.tanh(w)) @ v.T + r @ turned(r) / 9, q @ c

    def f(xs):
        c, ys = bp.scan(step, np.eye(3), xs)
        return total(c) + np.sum(ys**2)

    def unrolled(xs):
        c, s = np.eye(3), 0.0
        for x in xs:
            c, y = step(c, x)
            s = s + np.sum(y**2)
        return total(c) + s

    np.testing.assert_allclose(bp.compile(f)(xs), unrolled(xs), rtol=1e-11)
    np.testing.assert_allclose(bp.grad(f)(xs), bp.grad(unrolled)(xs), rtol=1e-9, atol=1e-10)
    bp.check_grads(f, (xs,), order=1)


def test_reference_is_right():
    """What samples are compared with, against NumPy."""
    a = np.random.default_rng(6).normal(size=(3, 3))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)
    close(matrices.eigenvalues_h(a), np.linalg.eigvalsh(a))
    close(matrices.expm(a), scipy.linalg.expm(a))
    close(matrices.determinant(a)[0, 0], np.linalg.det(a))


def test_complex_matrices():
    """By the real matrices of their parts: values as NumPy's, derivatives against differences."""
    a = normal(3, 3) + 1j * normal(3, 3)
    functions = {
        "svdvals": lambda a: np.linalg.svd(a, compute_uv=False),
        "eigvalsh": np.linalg.eigvalsh,
        "upper": lambda a: np.linalg.eigvalsh(a, UPLO="U"),
        "pinv": lambda a: np.linalg.pinv(a[:, :2]),
        "cond": np.linalg.cond,
        "norm 2": lambda a: np.linalg.norm(a, 2),
        "norm -2": lambda a: np.linalg.norm(a, -2),
        "norm nuc": lambda a: np.linalg.norm(a, "nuc"),
        "norm 1": lambda a: np.linalg.norm(a, 1),
        "vector": lambda a: np.linalg.norm(a[0], 2),
        "rows": lambda a: np.linalg.norm(a, 3, axis=1),
    }
    for name, f in functions.items():
        np.testing.assert_allclose(bp.compile(f)(a), f(a), rtol=1e-11, err_msg=name)

        def parts(x, y, f=f):
            z = f(x + 1j * y)
            return np.real(z) + np.imag(z) if z.dtype.kind == "c" else z

        bp.check_grads(parts, (a.real.copy(), a.imag.copy()), order=2)
    np.testing.assert_allclose(bp.linalg.expm(a), scipy.linalg.expm(a), rtol=1e-11)
    assert bp.compile(np.linalg.matrix_rank)(np.outer(a[0], a[1])) == 1
    single = bp.compile(lambda a: np.linalg.norm(a, 2))(a.astype(np.complex64))
    assert single.dtype == np.float32


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3), (0, 2, 2)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_nothing_has_derivatives(shape, dtype):
    a = np.zeros(shape, dtype)
    for f in (
        lambda x: sum(np.sum(y.real) for y in np.linalg.svd(x, full_matrices=False)),
        lambda x: np.sum(np.linalg.svdvals(x)),
        lambda x: np.sum(np.linalg.pinv(x).real),
    ):
        gradient = bp.grad(f)(a)
        assert gradient.shape == shape and gradient.dtype == dtype
        assert bp.jvp(f, (a,), (a,))[1] == 0
        assert bp.hvp(f)(a, a).shape == shape
