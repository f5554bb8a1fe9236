"""Products with constants that are mostly zeros: which become sparse, and what they compute."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import seeded_columns, seeding
from pybackprop.errors import UnsupportedError
from pybackprop.primitives.linalg import SparseMatrix

RNG = np.random.default_rng(57)
ISAS = ("v4", "v3", "base")


def sparse(m, k, density=0.08, dtype=np.float64):
    return (RNG.normal(size=(m, k)) * (RNG.random((m, k)) < density)).astype(dtype)


def is_sparse(function, *args):
    return "SPARSE_MATMUL" in bp.compile(function).lower(*args).sections["names"].decode()


A = sparse(400, 120, 0.02)
X = RNG.normal(size=(120, 7))


# ---- which products -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: A @ x,
        lambda x: A @ x[:, 0],
        lambda x: x[:, 0] @ A.T,
        lambda x: np.dot(A, x),
        lambda x: np.einsum("ij,jk->ik", A, x),
        lambda x: A.astype(np.float32) @ x.astype(np.float32),
        lambda x: A @ (x + 1j * x),
        lambda x: A @ np.stack([x, 2 * x, x]),
    ],
)
def test_a_constant_of_zeros_becomes_sparse(function):
    assert is_sparse(function, X)
    np.testing.assert_allclose(bp.compile(function)(X), function(X), rtol=1e-5, atol=1e-5)


def with_nan(matrix):
    matrix = matrix.copy()
    matrix[0, 0] = np.nan
    return matrix


@pytest.mark.parametrize(
    "function",
    [
        lambda x: RNG.normal(size=(60, 120)) @ x,
        lambda x: sparse(60, 120, 0.9) @ x,
        lambda x: sparse(6, 120, 0.05) @ x[:, 0],
        lambda x: with_nan(A) @ x,
        lambda x: x.T @ x,
        lambda x: x.T @ A.T,
    ],
    ids=["dense", "nearly dense", "small", "NaN", "no constant", "from the right"],
)
def test_others_stay_dense(function):
    assert not is_sparse(function, X)


def test_an_argument_is_no_constant():
    assert not is_sparse(lambda a, x: a @ x, A, X)


# ---- values -------------------------------------------------------------------------------------


def chains(matrix, x):
    """The product as one chain of fused multiply-adds per element, upwards."""
    exact = np.zeros((len(matrix), *x.shape[1:]), x.dtype)
    for i, row in enumerate(matrix):
        for p in np.flatnonzero(row):
            wide = row[p].astype(np.longdouble) * x[p].astype(np.longdouble)
            exact[i] = wide + exact[i].astype(np.longdouble)
    return exact


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 40, 64, 70, 96, 97, 200])
def test_values_on_every_instruction_set(n, dtype, monkeypatch):
    matrix = sparse(47, 40, dtype=dtype)
    matrix[5] = 0
    x = RNG.normal(size=(40, n)).astype(dtype)
    expected, answers = chains(matrix, x), {}
    for isa in ISAS:
        monkeypatch.setenv("PYBACKPROP_ISA", isa)
        answers[isa] = bp.compile(lambda x: product(matrix, x))(x)
        tolerance = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(answers[isa], expected, rtol=tolerance, atol=tolerance)
    assert np.array_equal(answers["v3"], answers["v4"])


def product(matrix, x):
    """The primitive, whatever the cost."""
    from pybackprop.primitives.linalg import sparse_matmul

    return sparse_matmul(x, matrix=SparseMatrix.of(matrix))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [3, 8, 30, 100])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_where_numpy_says(bad, n, isa, monkeypatch):
    monkeypatch.setenv("PYBACKPROP_ISA", isa)
    x = RNG.normal(size=(120, n))
    x[4, n - 1] = bad
    x[17, 0] = bad
    x[18, 0] = -bad
    with np.errstate(invalid="ignore"):
        expected = A @ x
    got = bp.compile(lambda x: product(A, x))(x)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


def test_a_large_operand_goes_by_strips():
    matrix, x = sparse(300, 900, 0.01), RNG.normal(size=(900, 300))
    np.testing.assert_allclose(bp.compile(lambda x: matrix @ x)(x), matrix @ x, atol=1e-12)


@pytest.mark.parametrize("shape", [(120,), (120, 3), (120, 2, 5), (120, 2, 3, 4)])
def test_any_axes_and_layouts(shape):
    x = RNG.normal(size=shape)
    expected = np.tensordot(A, x, 1)
    np.testing.assert_allclose(bp.compile(lambda x: product(A, x))(x), expected, atol=1e-13)
    turned = np.ascontiguousarray(x.T)
    np.testing.assert_allclose(bp.compile(lambda x: product(A, x.T))(turned), expected, atol=1e-13)
    taken = bp.compile(lambda x: np.concatenate([product(A, x) * 1.0, product(A, x)[::2]]))(x)
    np.testing.assert_array_equal(taken, np.concatenate([expected_of(x), expected_of(x)[::2]]))


def expected_of(x):
    return bp.compile(lambda x: product(A, x))(x)


def test_empty():
    assert bp.compile(lambda x: product(A, x))(np.zeros((120, 0))).shape == (400, 0)
    none = np.zeros((4, 120))
    assert np.array_equal(bp.compile(lambda x: product(none, x))(X), np.zeros((4, 7)))


# ---- derivatives --------------------------------------------------------------------------------


def loss(x):
    return np.sum(np.sin(A @ x) ** 2)


def test_gradient_by_complex_step():
    gradient = bp.grad(loss)(X)
    for i, j in ((0, 0), (13, 5), (119, 6)):
        moved = X.astype(np.complex128)
        moved[i, j] += 1e-30j
        assert gradient[i, j] == pytest.approx(loss(moved).imag / 1e-30, rel=1e-12)


def test_second_derivatives():
    v = RNG.normal(size=X.shape)
    h = 1e-5
    gradient = bp.grad(loss)
    expected = (gradient(X + h * v) - gradient(X - h * v)) / (2 * h)
    np.testing.assert_allclose(bp.hvp(loss)(X, v), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian(mode):
    x = X[:, :2].copy()
    found = bp.jacobian(lambda x: A @ x, mode=mode)(x)
    expected = A[:, None, :, None] * np.eye(2)[None, :, None, :]
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_jacobian_of_few_parameters_is_written_in_place():
    """Seeds stand side by side, as columns of the product, which lies in the result."""
    base = RNG.normal(size=(6, 120))

    def function(p):
        return 1.0 - A @ np.stack([np.sin(p) @ base, np.cos(p) @ base], -1)

    p = RNG.normal(size=6)
    weights = np.stack([np.cos(p)[:, None] * base, -np.sin(p)[:, None] * base], -1)
    expected = -np.einsum("ij,pjk->ikp", A, weights)
    compiled = bp.jacobian(function)
    np.testing.assert_allclose(compiled(p), expected, rtol=1e-12, atol=1e-13)
    last = str(compiled.tape).rstrip().splitlines()[-1]
    assert "out0 =" in last and "SPARSE_MATMUL" in last


def rows_of_checked_jacobian(function, p, backend):
    """The sparse products on a Jacobian's tape, which is right by complex steps."""
    jacobian = bp.jacobian(function, backend=backend)
    found = jacobian(p)
    for number in range(p.size):
        moved = p.astype(np.complex128)
        moved[number] += 1e-30j
        expected = function(moved).imag / 1e-30
        np.testing.assert_allclose(found[..., number], expected, rtol=1e-10, atol=1e-11)
    return [line for line in str(jacobian.tape).splitlines() if "SPARSE_MATMUL" in line]


def by_parts(p):
    """Rows of which each half depends on other parameters, and none on two of them."""
    base = np.arange(360.0).reshape(6, 60) % 7 - 3
    halves = [np.sin(p[k : k + 3]) @ base[k - k // 4 : k - k // 4 + 3] for k in (0, 4)]
    x = np.concatenate(halves)
    return np.stack([x, x**2], -1)


@pytest.mark.parametrize("backend", ["interpreter", "native"])
@pytest.mark.parametrize("function", [lambda p: A @ by_parts(p), lambda p: 1.0 - A @ by_parts(p)])
def test_seeds_of_some_rows_are_multiplied_alone(backend, function, monkeypatch):
    """A window of columns for each group of parameters, written where it belongs."""
    monkeypatch.setattr(seeded_columns, "_WINDOWS", 0)
    rows = rows_of_checked_jacobian(function, RNG.normal(size=8), backend)
    windows = [line for line in rows if "[400, 60," in line]
    assert len(windows) == 2 and all("  out0" in line for line in windows)


def test_seeds_of_some_rows_keep_nan(monkeypatch):
    """A zero of the matrix times what is not finite is NaN, in that window alone."""
    monkeypatch.setattr(seeded_columns, "_WINDOWS", 0)
    p = RNG.normal(size=8)
    p[5] = np.inf
    with np.errstate(invalid="ignore"):
        found = bp.jacobian(lambda p: A @ by_parts(p))(p)
    expected = np.zeros((400, 2, 8), bool)
    expected[:, 0, 5] = True  # cos(p[5]), in each row that p[5] moves
    expected[:, 1, 4:7] = True  # x, the sum of these, times that
    np.testing.assert_array_equal(np.isnan(found), expected)
    assert (found[..., [3, 7]] == 0).all()


@pytest.mark.parametrize("columns", [(), (3,), (2, 3)])
def test_sparse_jacobian_keeps_the_pattern(columns):
    square = sparse(300, 300, 0.004) + np.diag(np.ones(300))
    x = RNG.normal(size=(300, *columns))

    def function(x):
        return np.tanh(product(square, x))

    found = bp.jacobian(function, sparse=True)(x)
    assert found.nnz == np.count_nonzero(square) * (x.size // 300)
    dense = bp.jacobian(function)(x).reshape(x.size, x.size)
    np.testing.assert_allclose(found.toarray(), dense, atol=1e-13)


def test_equal_rows_are_added_by_the_product(monkeypatch):
    """What a Jacobian adds to all rows alike is one more row of columns, times ones."""
    base = RNG.normal(size=(6, 120))

    def function(p):
        return A @ np.stack([np.sin(p) @ base, np.cos(p) @ base], -1) + p[1:3]

    p = RNG.normal(size=6)
    weights = np.stack([np.cos(p)[:, None] * base, -np.sin(p)[:, None] * base], -1)
    expected = np.einsum("ij,pjk->ikp", A, weights)
    expected[:, [0, 1], [1, 2]] += 1.0
    monkeypatch.setattr(seeded_columns, "_LARGE", 0)
    monkeypatch.setattr(seeding, "_WORTHWHILE", np.inf)
    compiled = bp.jacobian(function)
    np.testing.assert_allclose(compiled(p), expected, rtol=1e-12, atol=1e-13)
    last = str(compiled.tape).rstrip().splitlines()[-1]
    assert "out0 =" in last and "SPARSE_MATMUL" in last and "[400, 121," in last


def test_batches():
    x = RNG.normal(size=(5, 120, 3))
    np.testing.assert_allclose(bp.vmap(lambda x: A @ x)(x), A @ x, atol=1e-13)
    rows = bp.vmap(bp.grad(lambda x: np.sum((A @ x) ** 3)))(x[:, :, 0])
    expected = np.stack([A.T @ (3 * (A @ v) ** 2) for v in x[:, :, 0]])
    np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=1e-11)


def test_in_a_loop():
    square = sparse(200, 200, 0.02)

    def rolled(x):
        return bp.scan(lambda c, _: (np.tanh(square @ c), np.sum(c)), x, None, length=4)[0].sum()

    def unrolled(x):
        for _ in range(4):
            x = np.tanh(square @ x)
        return x.sum()

    x = RNG.normal(size=200)
    assert is_sparse(rolled, x)
    np.testing.assert_allclose(bp.grad(rolled)(x), bp.grad(unrolled)(x), rtol=1e-12)


# ---- elsewhere ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_native_code_gives_the_same_bits(dtype):
    matrix, x = sparse(400, 120, 0.02, dtype), X.astype(dtype)
    x[3, 2] = np.inf

    def function(x):
        return np.cos(matrix @ x), matrix @ x[:, 1:2]

    for one, other in zip(
        bp.compile(function)(x), bp.compile(function, backend="native")(x), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_saved_with_its_graph(tmp_path):
    path = tmp_path / "product.tape"
    compiled = bp.compile(loss)
    compiled(X)
    bp.save(compiled, path)
    loaded = bp.load(path)
    assert loaded(X) == compiled(X)
    np.testing.assert_array_equal(bp.grad(loaded)(X), bp.grad(loss)(X))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [([0], [3]), ([0], [-1]), ([2], [0]), ([-1], [0]), ([1, 0], [0, 0]), ([0, 0], [1, 1]),
     ([0, 0], [2, 1]), ([0], [0, 1])],
)  # fmt: skip
def test_a_damaged_matrix_is_refused(rows, columns):
    values = np.ones(len(rows))
    with pytest.raises(ValueError, match="sparse matrix"):
        SparseMatrix.checked((2, 3), np.array(rows), np.array(columns), values)


def test_matrix():
    matrix = SparseMatrix.of(A)
    np.testing.assert_array_equal(matrix.dense(), A)
    np.testing.assert_array_equal(matrix.transposed.dense(), A.T)
    np.testing.assert_array_equal(matrix.negated.dense(), -A)
    np.testing.assert_array_equal(matrix.taken(3, 90, 4).dense(), A[3:90:4])
    SparseMatrix.checked(matrix.shape, matrix.rows, matrix.columns, matrix.values)
    assert matrix == SparseMatrix.of(A.copy())
    assert matrix != matrix.negated
    assert repr(matrix) == f"<400 x 120, {np.count_nonzero(A)} nonzero>"


# ---- SciPy's sparse arrays ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr"])
def test_scipy_sparse_arrays_are_factors(kind):
    sparse_arrays = pytest.importorskip("scipy.sparse")
    s = sparse_arrays.csr_array(A).asformat(kind)
    x = X[:, 0].copy()
    assert is_sparse(lambda x: np.matmul(s, x), x)
    np.testing.assert_allclose(bp.compile(lambda x: np.matmul(s, x))(x), A @ x, atol=1e-14)
    np.testing.assert_allclose(bp.compile(lambda x: np.matmul(s, x))(X), A @ X, atol=1e-14)
    np.testing.assert_allclose(bp.compile(lambda x: x @ s.T)(x), A @ x, atol=1e-14)
    np.testing.assert_allclose(bp.compile(lambda x: x.T @ s.T)(X), (A @ X).T, atol=1e-14)
    stack = np.stack([X, 2 * X])
    np.testing.assert_allclose(bp.compile(lambda x: np.matmul(s, x))(stack), A @ stack, atol=1e-13)
    z = X + 1j * X[::-1]
    np.testing.assert_allclose(bp.compile(lambda z: np.matmul(s, z))(z), A @ z, atol=1e-13)
    gradient = bp.grad(lambda x: np.sum(np.sin(x @ s.T)))(x)
    np.testing.assert_allclose(gradient, A.T @ np.cos(A @ x), atol=1e-13)
    assert bp.compile(lambda x: np.matmul(s, x))(x.astype(np.float32)).dtype == np.float64


def test_scipy_sparse_arrays_say_what_to_write():
    sparse_arrays = pytest.importorskip("scipy.sparse")
    s = sparse_arrays.csr_array(A)
    with pytest.raises(UnsupportedError, match=r"write np.matmul\(S, x\), or x @ S.T"):
        bp.compile(lambda x: s @ x)(X)
    with pytest.raises(UnsupportedError, match=r"S.astype\(float\)"):
        bp.compile(lambda x: x @ s.T.astype(int))(np.arange(120))
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        bp.compile(lambda x: x @ s)(X)
    for options in ({"dtype": np.float32}, {"axes": [(0, 1), (0, 1), (0, 1)]}):
        with pytest.raises(UnsupportedError, match="is not supported; use"):
            bp.compile(lambda x, o=options: np.matmul(s, x, **o))(X)


# ---- weighted rows ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["interpreter", "native"])
def test_rows_weighted_by_parameters_are_one_product(backend):
    """Sums of weighted products of one array: the places that they share are multiplied once."""
    base, count = RNG.normal(size=(6, 120)), 130
    matrix = np.concatenate([A[:count], A[:count] * 2.0, A[130:260]])

    def function(p):
        x = np.stack([np.sin(p) @ base, np.cos(p) @ base], -1)
        corners = matrix @ x
        a, b, c = corners[:count], corners[count : 2 * count], corners[2 * count :]
        u = np.linspace(0, 1, count)[:, None] + p[0]
        return 1.0 - (a * u + b * np.cos(u) + c * (1.0 - u))

    rows = rows_of_checked_jacobian(function, RNG.normal(size=6), backend)
    assert "out0" in rows[-1]
    assert "[130, 120," in rows[-1]


def test_second_jacobian_of_weighted_rows():
    def function(p):
        y = A[:200] @ np.outer(np.arange(120.0) / 50, p)
        ones = np.ones((100, 1))
        return y[:100] * (np.sin(p[0]) * ones) + y[100:] * (p[1] * ones)

    p, h = RNG.normal(size=4), 1e-5
    first, second = bp.jacobian(function), bp.jacobian(bp.jacobian(function))(p)
    for number, step in enumerate(np.eye(4) * h):
        expected = (first(p + step) - first(p - step)) / (2 * h)
        np.testing.assert_allclose(second[..., number], expected, rtol=1e-6, atol=1e-6)
