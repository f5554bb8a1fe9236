"""Eigenvalues and vectors of general matrices: values, derivatives, failures."""

import matrices
import numpy as np
import pytest

import pybackprop as bp

rng = np.random.default_rng(4)


def normal(*shape, dtype=float):
    return rng.normal(size=shape).astype(dtype)


def ordered(w):
    return np.sort_complex(np.round(w, 10))


def residual(a, w, v):
    """The largest error of a v = w v, for vectors of length 1, relative to the size of a."""
    size = max(np.max(np.abs(a), initial=0), np.finfo(a.dtype).tiny)
    error = a @ v - w[..., None, :] * v
    return np.max(np.abs(error), initial=0) / size


def cases(n, dtype):
    jordan = np.diag(np.ones(n - 1), 1) + 2 * np.eye(n)
    cycle = np.roll(np.eye(n), 1, axis=0)
    graded = normal(n, n) * 10.0 ** np.arange(n)[:, None] / 10.0 ** np.arange(n)
    lone = np.zeros((n, n))
    lone[0, -1] = 3
    found = [normal(n, n), jordan, cycle, graded, lone, np.zeros((n, n)), np.eye(n)]
    found += [np.triu(normal(n, n)), np.tril(normal(n, n)), normal(n, n) * 1e-30, np.ones((n, n))]
    return np.stack(found).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 30])
def test_pairs(n, dtype):
    a = cases(n, dtype)
    w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a)
    kind = np.result_type(dtype, np.complex64)
    assert w.dtype == v.dtype == kind and w.shape == a.shape[:-1] and v.shape == a.shape
    eps = np.finfo(dtype).eps
    for one in zip(a, w, v, strict=True):
        assert residual(*one) < 40 * n * eps
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=20 * eps)
    chosen = np.take_along_axis(v, np.argmax(np.abs(v) - (v.imag != 0) * 1e-5, -2)[:, None], -2)
    assert np.all(chosen.imag == 0) and np.all(chosen.real > 0)
    values = bp.compile(np.linalg.eigvals)(a)
    size = np.max(np.abs(a), axis=(-1, -2), initial=0)
    for k in (0, 2, 5, 6, 7, 8):
        for found in (values, w):
            wanted = np.linalg.eigvals(a[k].astype(float))
            distance = np.abs(found[k][:, None] - wanted)
            assert max(distance.min(0).max(), distance.min(1).max()) <= 3e3 * n * eps * size[k]


def test_large():
    a = normal(150, 150)
    w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a)
    assert residual(a, w, v) < 1e-12
    np.testing.assert_allclose(ordered(w), ordered(np.linalg.eigvals(a)), atol=1e-9)
    alone = bp.compile(np.linalg.eigvals)(a)
    np.testing.assert_allclose(ordered(alone), ordered(w), atol=1e-9)


def test_integers():
    """Small integers: eigenvalues that coincide, pairs too, and defective matrices."""
    for n in (2, 3, 4, 5, 6):
        a = np.random.default_rng(1).integers(-1, 2, (2000, n, n)).astype(float)
        w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a)
        assert residual(a, w, v) < 1e-13


def test_stacks():
    a = normal(2, 3, 4, 4)
    w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a)
    alone = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a[1, 2])
    np.testing.assert_array_equal(w[1, 2], alone[0])
    np.testing.assert_array_equal(v[1, 2], alone[1])
    mapped = bp.compile(bp.vmap(np.linalg.eigvals))(a[0])
    np.testing.assert_array_equal(mapped, bp.compile(np.linalg.eigvals)(a[0]))
    for shape in ((0, 0), (3, 0, 0), (0, 2, 2)):
        w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(np.zeros(shape))
        assert w.shape == shape[:-1] and v.shape == shape
        assert (
            bp.grad(lambda a: np.sum(np.abs(np.linalg.eig(a)[1])))(np.zeros(shape)).shape == shape
        )
    integers = bp.compile(np.linalg.eigvals)(np.array([[0, 1], [4, 0]]))
    np.testing.assert_allclose(np.sort(integers.real), [-2, 2])


A = np.array([[1.0, 2, 0.3, 0.1], [-2, 0.5, 0.2, -1], [0.4, 0.1, 3, 0.2], [1, 0.2, -0.3, -2]])


def along(function, a, da, step=1e-5):
    """The derivative in extended precision, by Richardson's combination of central differences."""
    h = np.longdouble(step)
    a, da = a.astype(np.longdouble), da.astype(np.longdouble)
    near, far = ((function(a + s * da) - function(a - s * da)) / (2 * s) for s in (h, 2 * h))
    return (4 * near - far) / 3


def joined(parts):
    return np.concatenate([(parts[k] + 1j * parts[k + 1]).ravel() for k in range(0, len(parts), 2)])


def test_derivatives():
    """Values and vectors, by each mode, against matrices.eig in extended precision."""
    da = normal(4, 4)
    flat = lambda a: np.concatenate([x.ravel() for x in np.linalg.eig(a)])  # noqa: E731
    _, found = bp.jvp(flat, (A,), (da,))
    wanted = along(lambda a: joined(matrices.eig(a)), A, da)
    np.testing.assert_allclose(found, wanted.astype(complex), rtol=1e-9, atol=1e-9)
    bp.check_grads(flat, (A,), order=2)
    bp.check_grads(np.linalg.eigvals, (A,), order=2)
    bp.check_grads(np.linalg.eigvals, (np.stack([A, A.T + 1]),), order=1)


def test_sums_of_eigenvalues():
    """Traces of powers have derivatives in closed form."""
    total = lambda a: np.sum(np.linalg.eigvals(a) ** 3).real  # noqa: E731
    np.testing.assert_allclose(bp.grad(total)(A), 3 * (A @ A).T, rtol=1e-11, atol=1e-11)
    single = bp.grad(total)(A.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, 3 * (A @ A).T, rtol=2e-4, atol=2e-4)
    hessian = bp.hessian(total)(A)
    da = normal(4, 4)
    np.testing.assert_allclose(
        np.tensordot(hessian, da, 2), 3 * (A @ da + da @ A).T, rtol=1e-9, atol=1e-9
    )
    product = lambda a: np.prod(np.linalg.eigvals(a)).real  # noqa: E731
    wanted = np.linalg.det(A) * np.linalg.inv(A).T
    np.testing.assert_allclose(bp.grad(product)(A), wanted, rtol=1e-10, atol=1e-10)


def test_equal_eigenvalues():
    """Functions of a diagonalisable matrix with a double eigenvalue, values and vectors."""
    t = normal(3, 3) + 3 * np.eye(3)
    a = t @ np.diag([2.0, 2, 5]) @ np.linalg.inv(t)
    total = lambda a: np.sum(np.linalg.eigvals(a) ** 2).real  # noqa: E731
    np.testing.assert_allclose(bp.grad(total)(a), 2 * a.T, rtol=1e-8, atol=1e-8)
    assert np.all(np.isfinite(bp.grad(lambda a: np.sum(np.linalg.eig(a)[1].real))(np.eye(3))))
    np.testing.assert_array_equal(bp.grad(total)(2 * np.eye(3)), 4 * np.eye(3))


def test_backends_agree():
    function = lambda a: tuple(np.linalg.eig(a))  # noqa: E731
    a = normal(5, 9, 9)
    for dtype in (np.float64, np.float32):
        x = a.astype(dtype)
        for one, other in zip(
            bp.compile(function)(x), bp.compile(function, backend="native")(x), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_failures():
    for bad in (np.nan, np.inf):
        for n in (1, 3, 20):
            a = normal(n, n)
            a[0, -1] = bad
            for function in (np.linalg.eigvals, lambda a: np.linalg.eig(a)[1]):
                for matrix in (a, a + 0j):
                    with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
                        bp.compile(function)(matrix)
    for shape in ((3,), (2, 3), (4, 2)):
        for factor in (1, 1j):
            with pytest.raises(np.linalg.LinAlgError):
                bp.compile(np.linalg.eigvals)(factor * np.ones(shape))


# ---- complex matrices ---------------------------------------------------------------------------


def complex_cases(n, dtype):
    """Those of `cases`, turned and with imaginary parts; matrices with equal eigenvalues too."""
    first = cases(n, np.float64)
    turned = [first * 1j, first * (0.6 - 0.8j), first + 1j * np.roll(first, 1, axis=0)]
    return np.concatenate(turned).astype(np.result_type(dtype, np.complex64))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 30])
def test_pairs_of_complex_matrices(n, dtype):
    a = complex_cases(n, dtype)
    w, v = bp.compile(lambda a: tuple(np.linalg.eig(a)))(a)
    assert w.dtype == v.dtype == a.dtype and w.shape == a.shape[:-1] and v.shape == a.shape
    eps = np.finfo(dtype).eps
    for one in zip(a, w, v, strict=True):
        assert residual(*one) < 60 * n * eps
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=20 * eps)
    chosen = np.take_along_axis(v, np.argmax(np.abs(v) - (v.imag != 0) * 1e-5, -2)[:, None], -2)
    assert np.all(chosen.imag == 0) and np.all(chosen.real > 0)
    # Sums of powers do not depend on the order.
    values = bp.compile(np.linalg.eigvals)(a)
    size = np.maximum(np.max(np.abs(a), axis=(-1, -2)), np.finfo(dtype).tiny)
    for found in (values, w):
        np.testing.assert_array_less(
            np.abs(found.sum(-1) - np.trace(a, axis1=-2, axis2=-1)) / size, 50 * n * eps
        )
        squares = np.sum((found / size[:, None]) ** 2, -1)
        b = a / size[:, None, None]
        np.testing.assert_array_less(
            np.abs(squares - np.trace(b @ b, axis1=-2, axis2=-1)), 100 * n**2 * eps
        )


def test_complex_stacks_and_backends():
    a = normal(2, 3, 4, 4) + 1j * normal(2, 3, 4, 4)
    function = lambda a: tuple(np.linalg.eig(a))  # noqa: E731
    w, v = bp.compile(function)(a)
    alone = bp.compile(function)(a[1, 2])
    native = bp.compile(function, backend="native")(a)
    mapped = bp.vmap(bp.vmap(function))(a)
    for k, whole in enumerate((w, v)):
        np.testing.assert_array_equal(whole[1, 2], alone[k])
        np.testing.assert_array_equal(whole, native[k])
        np.testing.assert_array_equal(whole, mapped[k])
    large = normal(120, 120) + 1j * normal(120, 120)
    assert residual(large, *bp.compile(function)(large)) < 1e-12
    for shape in ((0, 0), (3, 0, 0), (0, 2, 2)):
        w, v = bp.compile(function)(np.zeros(shape, complex))
        assert w.shape == shape[:-1] and v.shape == shape


COMPLEX = A + 1j * np.roll(A, 1, axis=1) / 2


def test_sums_of_eigenvalues_of_complex_matrices():
    """Traces of powers are holomorphic: their derivatives are those of real matrices."""
    total = lambda a: np.sum(np.linalg.eigvals(a) ** 3)  # noqa: E731
    wanted = 3 * (COMPLEX @ COMPLEX).T
    for mode in (bp.grad, bp.jacobian):
        np.testing.assert_allclose(mode(total, holomorphic=True)(COMPLEX), wanted, rtol=1e-11)
    vectors = lambda a: np.trace(  # noqa: E731
        (lambda w, v: v @ np.diag(w**2) @ np.linalg.inv(v) @ COMPLEX)(*np.linalg.eig(a))
    )
    wanted = (COMPLEX @ COMPLEX + COMPLEX @ COMPLEX).T
    np.testing.assert_allclose(bp.grad(vectors, holomorphic=True)(COMPLEX), wanted, rtol=1e-10)
    single = bp.grad(total, holomorphic=True)(COMPLEX.astype(np.complex64))
    assert single.dtype == np.complex64


def test_derivatives_of_complex_vectors():
    """The vectors as they are normalised, in both modes and to second order, by differences."""

    def parts(x, y):
        w, v = np.linalg.eig(x + 1j * y)
        return np.concatenate([w.real, w.imag, v.real.ravel(), v.imag.ravel()])

    bp.check_grads(parts, (COMPLEX.real.copy(), COMPLEX.imag.copy()), order=2)
    values = lambda x, y: np.abs(np.linalg.eigvals(x + 1j * y) - 0.5)  # noqa: E731
    bp.check_grads(values, (COMPLEX.real.copy(), COMPLEX.imag.copy()), order=2)


def test_equal_eigenvalues_of_complex_matrices():
    t = normal(3, 3) + 3 * np.eye(3) + 1j * normal(3, 3)
    a = t @ np.diag([2j, 2j, 5]) @ np.linalg.inv(t)
    total = lambda a: np.sum(np.linalg.eigvals(a) ** 2)  # noqa: E731
    gradient = bp.grad(total, holomorphic=True)
    np.testing.assert_allclose(gradient(a), 2 * a.T, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(gradient(2j * np.eye(3)), 4j * np.eye(3), atol=1e-14)


def test_problems_by_the_names_of_scipy():
    b = normal(4, 4) + 3 * np.eye(4)
    for a in (A, COMPLEX):
        w, v = bp.linalg.eig(a)
        assert residual(a, w, v) < 1e-13
        np.testing.assert_array_equal(bp.linalg.eigvals(a), bp.compile(np.linalg.eigvals)(a))
        w, v = bp.compile(bp.linalg.eig)(a, b)
        np.testing.assert_allclose(a @ v, b @ v * w, atol=1e-12)
    bp.check_grads(lambda a, b: bp.linalg.eigvals(a, b), (A, b), order=2)
    with pytest.raises(bp.errors.UnsupportedError, match="right vectors"):
        bp.linalg.eig(A, left=True)
