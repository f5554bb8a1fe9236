"""Linear systems by NumPy's and SciPy's names: values, residuals, derivatives, failures."""

import matrices
import numpy as np
import pytest
import scipy.linalg

import pybackprop as bp

rng = np.random.default_rng(5)
LEADS = [(), (3,), (2, 9), (0,)]
SIZES = [1, 2, 3, 5, 16, 17, 40, 70]


def regular(*shape, dtype=float):
    return (rng.normal(size=shape) + 2 * np.sqrt(shape[-1]) * np.eye(shape[-1])[:, ::-1]).astype(
        dtype
    )


def definite(*shape, dtype=float):
    x = rng.normal(size=shape)
    return (x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])).astype(dtype)


def ulps(residual, *scales):
    """A residual in units of the rounding of what was subtracted."""
    size = float(np.prod([np.max(np.abs(x), initial=1e-9) for x in scales]))
    return np.max(np.abs(residual), initial=0) / (np.finfo(residual.dtype).eps * size)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", SIZES)
def test_residuals(n, dtype):
    for lead in LEADS:
        a, b = regular(*lead, n, n, dtype=dtype), rng.normal(size=(*lead, n, 3)).astype(dtype)
        x = bp.compile(np.linalg.solve)(a, b)
        assert x.dtype == dtype and x.shape == b.shape
        assert ulps(a @ x - b, a, x) < 4 * n
        inverse = bp.compile(np.linalg.inv)(a)
        assert ulps(a @ inverse - np.eye(n, dtype=dtype), a, inverse) < 4 * n
        s = definite(*lead, n, n, dtype=dtype)
        factor = bp.compile(np.linalg.cholesky)(s)
        assert factor.dtype == dtype and np.array_equal(factor, np.tril(factor))
        assert ulps(factor @ np.swapaxes(factor, -1, -2) - s, s) < 4 * n
        upper = bp.compile(lambda s: np.linalg.cholesky(s, upper=True))(s)
        np.testing.assert_array_equal(upper, np.swapaxes(factor, -1, -2))
        pair = bp.linalg.lu_factor(a)
        x = bp.linalg.lu_solve(pair, b, trans=1)
        assert ulps(np.swapaxes(a, -1, -2) @ x - b, a, x) < 4 * n
        for lower in (True, False):
            x = bp.linalg.cho_solve(bp.linalg.cho_factor(s, lower=lower), b)
            assert ulps(s @ x - b, s, x) < 8 * n


@pytest.mark.parametrize("n", [1, 4, 16, 20, 45])
def test_determinants(n):
    for lead in LEADS:
        a = regular(*lead, n, n)
        np.testing.assert_allclose(bp.compile(np.linalg.det)(a), np.linalg.det(a), rtol=1e-12)
        sign, logabs = bp.compile(np.linalg.slogdet)(a)
        wanted = np.linalg.slogdet(a)
        np.testing.assert_array_equal(sign, wanted[0])
        np.testing.assert_allclose(logabs, wanted[1], rtol=1e-12, atol=1e-13)
    result = bp.compile(lambda a: np.linalg.slogdet(a).logabsdet)(regular(3, 3))
    assert isinstance(result, float)


@pytest.mark.parametrize("shapes", [
    ((4, 4), (4,)), ((3, 4, 4), (4,)), ((3, 4, 4), (4, 2)), ((4, 4), (3, 4, 2)),
    ((2, 1, 4, 4), (3, 4, 2)), ((3, 4, 4), (2, 1, 4, 2)), ((0, 0), (0, 2)), ((4, 4), (4, 0)),
    ((20, 20), (2, 20, 3)), ((3, 4, 4), (3, 4, 20)),
])  # fmt: skip
def test_solve_broadcasts(shapes):
    a, b = regular(*shapes[0]), rng.normal(size=shapes[1])
    found, wanted = bp.compile(np.linalg.solve)(a, b), np.linalg.solve(a, b)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    if a.size and b.size:
        bp.check_grads(lambda a, b: np.linalg.solve(a, b), (a, b), order=1 if a.size > 99 else 2)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", [0, 1, "T"])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("n", [3, 35])
def test_triangular(lower, trans, unit, n):
    a = rng.normal(size=(n, n)) / n + 2 * np.eye(n)
    for b in (rng.normal(size=n), rng.normal(size=(n, 30))):
        options = {"lower": lower, "trans": trans, "unit_diagonal": unit}
        found = bp.linalg.solve_triangular(a, b, **options)
        np.testing.assert_allclose(
            found, scipy.linalg.solve_triangular(a, b, **options), rtol=1e-10, atol=1e-12
        )
        if n < 9:
            bp.check_grads(lambda a, b: bp.linalg.solve_triangular(a, b, **options), (a, b))


W = rng.normal(size=(2, 4, 4))
FUNCTIONS = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "logabsdet": lambda a: np.linalg.slogdet(a)[1],
    "cholesky": lambda a: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2)),
    "triangle read": lambda a: np.linalg.cholesky(a + 9 * np.eye(4)),
    "upper": lambda a: np.linalg.cholesky(a + 9 * np.eye(4), upper=True),
    "power": lambda a: np.linalg.matrix_power(a, -2),
    "cho_solve": lambda a: bp.linalg.cho_solve(bp.linalg.cho_factor(a + 9 * np.eye(4)), W[0]),
    "lu_solve": lambda a: bp.linalg.lu_solve(bp.linalg.lu_factor(a), W[0], trans=1),
    "quadratic": lambda a: W[0, 0] @ np.linalg.solve(a, W[1, 1]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name):
    f = FUNCTIONS[name]
    a = regular(4, 4)
    bp.check_grads(lambda a: np.sin(f(a)), (a,), order=2)
    stack = regular(3, 4, 4)
    if name == "quadratic":
        stack = stack[:0]
    for x, y in zip(bp.vmap(bp.grad(lambda a: np.sum(f(a))))(stack), stack, strict=True):
        np.testing.assert_allclose(x, bp.grad(lambda a: np.sum(f(a)))(y), rtol=1e-10, atol=1e-12)
    kinds = ("interpreter", "native") if name in ("det", "cholesky") else ("interpreter",) * 2
    both = [bp.grad(lambda a: np.sum(f(a)), backend=b)(a) for b in kinds]
    np.testing.assert_array_equal(*both)
    single = bp.grad(lambda a: np.sum(f(a)))(a.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, both[0], rtol=1e-3, atol=1e-3)


def test_against_extended_precision():
    """Gradients of a solution and a log-determinant against differences in longdouble."""
    a, b, h = regular(3, 3), rng.normal(size=(3, 1)), np.longdouble(1e-7)
    f = lambda a: np.sum(np.linalg.solve(a, b)) + np.linalg.slogdet(a)[1]  # noqa: E731
    found = bp.grad(f)(a)

    def wide(a):
        solution = np.sum(matrices.solve(a, b.astype(np.longdouble)))
        return solution + np.log(np.abs(matrices.determinant(a)[0, 0]))

    for place in np.ndindex(3, 3):
        step = np.zeros((3, 3), np.longdouble)
        step[place] = h
        slope = (wide(a + step) - wide(a - step)) / (2 * h)
        scale = np.abs(found).max()
        np.testing.assert_allclose(found[place], float(slope), rtol=0, atol=1e-9 * scale)


def test_determinant_of_singular_matrices():
    """The derivative is by cofactors: right for rank n - 1, zero below."""
    a = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    np.testing.assert_allclose(
        bp.grad(np.linalg.det)(a), matrices.cofactors(a), rtol=1e-12, atol=1e-14
    )
    for n in (4, 6):
        x = rng.normal(size=(n, n - 1)) @ rng.normal(size=(n - 1, n))
        np.testing.assert_allclose(
            bp.grad(np.linalg.det)(x), matrices.cofactors(x), rtol=1e-9, atol=1e-11
        )
    for zero in (np.zeros((3, 3)), np.diag([2.0, 0, 0])):
        np.testing.assert_array_equal(bp.grad(np.linalg.det)(zero), 0)
    np.testing.assert_array_equal(bp.grad(np.linalg.det)(np.zeros((1, 1))), 1)
    zero = np.diag([2.0, 0, 5])
    np.testing.assert_array_equal(bp.grad(np.linalg.det)(zero), np.diag([0, 10.0, 0]))


@pytest.mark.parametrize("backend", ["interpreter", "native"])
@pytest.mark.parametrize("n", [2, 20])
def test_failures(n, backend):
    zero, eye = np.zeros((n, n)), np.eye(n)
    several = np.stack([eye, eye, zero])
    compiled = lambda f: bp.compile(f, backend=backend)  # noqa: E731
    for a in (zero, several):
        for f in (np.linalg.inv, lambda a: np.linalg.solve(a, np.ones((n, 1)))):
            with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
                compiled(f)(a)
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            compiled(np.linalg.cholesky)(a)
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            compiled(lambda a: bp.linalg.solve_triangular(a, np.ones((n, 1))))(a)
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            bp.vmap(np.linalg.inv)(a[None])
    assert compiled(np.linalg.det)(zero) == 0
    assert compiled(lambda a: np.linalg.slogdet(a)[1])(zero) == -np.inf
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        compiled(lambda a: bp.scan(lambda c, x: (np.linalg.inv(x), c), eye, a)[0])(several)


def test_no_crash_on_nan_and_nonsense():
    nan = np.full((3, 3), np.nan)
    assert np.isnan(bp.compile(np.linalg.solve)(nan, np.ones(3))).all()
    with pytest.raises(np.linalg.LinAlgError):
        bp.compile(np.linalg.cholesky)(nan)
    a = np.eye(3)
    for n in (3, 20):
        wild = np.full((n + 2, n), 1e300)
        for number in (np.nan, -5.0, np.inf, 1e300):
            wild[n] = number
            for trans in (0, 1):
                bp.linalg.lu_solve((np.eye(n), wild), np.ones(n), trans=trans)
    for f in (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky):
        for bad in (np.ones(3), np.ones((2, 3)), np.float64(1.0)):
            with pytest.raises(np.linalg.LinAlgError):
                bp.compile(f)(bad)
    with pytest.raises(ValueError, match="mismatch"):
        bp.compile(np.linalg.solve)(a, np.ones(4))
    with pytest.raises(ValueError, match="fit"):
        bp.linalg.solve_triangular(a, np.ones(4))
    with pytest.raises(ValueError, match="trans"):
        bp.linalg.solve_triangular(a, np.ones(3), trans=7)


def test_one_factorisation_serves_value_and_gradient():
    f = bp.value_and_grad(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), argnums=(0, 1))
    f(regular(4, 4), np.ones(4))
    text = str(f.tape)
    assert text.count(" LU ") == 1 and text.count("LU_SOLVE") == 2


def test_integers_and_layouts():
    a = np.array([[2, 1], [1, 3]])
    assert bp.compile(np.linalg.inv)(a).dtype == np.float64
    x = regular(3, 5, 5)
    for view in (
        np.asfortranarray(x),
        x[::-1],
        np.swapaxes(x, -1, -2),
        np.repeat(x, 2, 2)[..., ::2],
    ):
        np.testing.assert_allclose(bp.compile(np.linalg.inv)(view), np.linalg.inv(view), rtol=1e-10)
        f = bp.compile(lambda x: np.linalg.inv(np.swapaxes(x, -1, -2)[::-1]))
        np.testing.assert_allclose(
            f(view), np.linalg.inv(np.swapaxes(view, -1, -2)[::-1]), rtol=1e-10
        )
    mixed = bp.compile(np.linalg.solve)(x.astype(np.float32), np.ones(5))
    assert mixed.dtype == np.float64


def test_saved_and_exported(tmp_path):
    f = bp.grad(lambda a: np.linalg.slogdet(a)[1] + np.linalg.det(a))
    a = regular(3, 3)
    wanted = f(a)
    bp.save(f, tmp_path / "f.tape")
    np.testing.assert_array_equal(bp.load(tmp_path / "f.tape")(a), wanted)
    with pytest.raises(bp.errors.UnsupportedError, match="exported as C"):
        f.export_c(tmp_path, "f")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pivots_by_size(dtype):
    """Pivots are chosen by size: a large negative number goes before a tiny positive one."""
    tiny = np.finfo(dtype).eps / 64
    a = np.array([[tiny, 1, 0], [-1, 1, 2], [0, -3, 1]], dtype)
    b = np.array([1, 2, 3], dtype)
    found = bp.compile(np.linalg.solve)(np.stack([a, -a, a.T]), np.stack([b] * 3)[..., None])
    wanted = np.linalg.solve(np.stack([a, -a, a.T]).astype(float), b[:, None].astype(float))
    np.testing.assert_allclose(found, wanted, rtol=20 * np.finfo(dtype).eps)
