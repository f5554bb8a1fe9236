"""Sparse Jacobians against dense ones: patterns, colourings, blocks, indices that are arguments."""

import pickle
import random
import subprocess
import sys
import time

import numpy as np
import programs
import pytest

import pybackprop as bp
from pybackprop.colouring import colour_columns, is_valid
from pybackprop.errors import DifferentiationError, TraceError

sparse = pytest.importorskip("scipy.sparse")


def agree(function, *args, argnums=0, mode="auto", rtol=1e-9, atol=1e-11):
    """Compare with the dense Jacobian; returns the plan."""
    compiled = bp.jacobian(function, argnums, mode=mode, sparse=True)
    results = compiled(*args)
    dense = bp.jacobian(function, argnums)(*args)
    if not isinstance(results, tuple):
        results, dense = (results,), (dense,)
    for found, expected in zip(results, dense, strict=True):
        assert isinstance(found, sparse.csr_array)
        found.check_format(full_check=True)
        assert found.has_canonical_format
        expected = expected.reshape(found.shape)
        pattern = np.zeros(found.shape, bool)
        rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
        pattern[rows, found.indices] = True
        assert not (expected != 0)[~pattern].any()
        np.testing.assert_allclose(found.toarray(), expected, rtol=rtol, atol=atol)
    return compiled.lower(*args)


# ---- functions with a known pattern -------------------------------------------------------------


def tridiagonal(x):
    return np.concatenate([x[:1] ** 2, x[:-2] * x[1:-1] - np.sin(x[2:]) * x[1:-1], x[-1:] ** 3])


def five_bands(x):
    p = np.pad(np.exp(x), 2)
    return x**3 + p[:-4] * p[1:-3] - np.sin(p[3:-1]) * p[4:]


def arrowhead(x):
    return np.concatenate([[np.sum(x**2)], x[1:] * x[0] + x[1:] ** 2])


def laplacian(u):
    inner = 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
    return np.pad(inner - np.exp(u[1:-1, 1:-1]), 1)


def nonlinear_laplacian(u):
    return laplacian(np.tanh(u))


def smooth(u):
    return np.log1p(np.exp(u)).reshape(-1)[::-1]


def matrix_product(x):
    bands = np.eye(12) * 2 + np.eye(12, k=1) - np.eye(12, k=-2)
    return bands @ x + x**2


def row_products(x):
    y = x.reshape(4, 3, 1)
    return (np.transpose(y, (0, 2, 1)) @ y).ravel() * np.sum(y[:, :, 0], axis=1)


def through_where(x):
    return np.where(x > 0, x[::-1], x * 2) + np.maximum(x, 0.1) * np.cumsum(np.zeros(x.shape))


def running(x):
    return np.cumsum(x**2) - np.cumprod(1 + 0.1 * x)


def recurrence(x):
    last, ys = bp.scan(lambda c, s: (0.5 * c + np.sin(s), c * s), x[0], x[1:])
    return np.concatenate([ys, last[None]])


def mapped(x):
    return bp.scan(lambda c, s: (c, (s**2, s[::-1])), np.zeros(()), x.reshape(-1, 3))[1][0]


def sorted_rows(x):
    return np.max(x.reshape(3, 4), axis=1) + np.prod(x.reshape(3, 4), axis=1)


def unknown_positions(x):
    return bp.numpy.take(x, np.argmax(x) * np.ones(3, np.int64), axis=0) ** 2 + x[:3]


def scattered(x):
    return np.zeros_like(x).at[np.array([3, 1, 3, 0])].add(x[:4] ** 2).at[5].set(x[2] * x[3])


VECTORS = [
    tridiagonal, five_bands, arrowhead, smooth, matrix_product, row_products, through_where,
    running, recurrence,
    mapped, sorted_rows, scattered, unknown_positions,
]  # fmt: skip


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("function", VECTORS, ids=lambda f: f.__name__)
def test_equals_dense(function, mode):
    agree(function, np.random.default_rng(0).normal(size=12), mode=mode)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("function", [laplacian, nonlinear_laplacian])
def test_grids(function, mode):
    agree(function, np.random.default_rng(0).normal(size=(7, 6)), mode=mode)


@pytest.mark.parametrize(
    ("function", "mode", "colours"),
    [
        (tridiagonal, "forward", 3), (tridiagonal, "reverse", 1), (five_bands, "forward", 5),
        (arrowhead, "forward", 40), (arrowhead, "reverse", 1), (matrix_product, "forward", 4),
        (smooth, "auto", 1),
        (row_products, "forward", 3), (row_products, "auto", 1),
    ],
)  # fmt: skip
def test_colour_counts(function, mode, colours):
    size = 12 if function in (matrix_product, row_products) else 40
    plan = bp.jacobian(function, mode=mode, sparse=True).lower(np.linspace(0.1, 1, size))
    assert plan.colours == colours


@pytest.mark.parametrize(("function", "colours"), [(laplacian, 1), (nonlinear_laplacian, 5)])
def test_laplacian_colours(function, colours):
    u = np.random.default_rng(0).normal(size=(20, 30))
    assert bp.jacobian(function, mode="forward", sparse=True).lower(u).colours == 5
    assert bp.jacobian(function, sparse=True).lower(u).colours == colours


def test_exact_patterns():
    n = 12
    nnz = {tridiagonal: 3 * n - 4, arrowhead: 3 * n - 2, smooth: n}
    for function, expected in nnz.items():
        assert bp.jacobian(function, sparse=True)(np.linspace(0.1, 1, n)).nnz == expected


# ---- random programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(80))
def test_random_programs(seed):
    program = programs.draw(random.Random(seed))
    inputs = programs.inputs_of(program.shapes)

    def flat(*xs):
        return np.concatenate([np.ravel(y) for y in program.outputs(*xs)])

    for mode in ("forward", "reverse", "auto"):
        agree(flat, *inputs, argnums=(0, 1, 2), mode=mode)


@pytest.mark.parametrize("seed", range(15))
def test_random_hessians(seed):
    program = programs.draw(random.Random(1000 + seed), n_steps=8, most=40)
    inputs = programs.inputs_of(program.shapes)
    for k in range(3):
        found = bp.hessian(program.scalar, k, sparse=True)(*inputs)
        expected = bp.hessian(program.scalar, k)(*inputs)
        np.testing.assert_allclose(
            found.toarray(), expected.reshape(found.shape), rtol=1e-9, atol=1e-9
        )


# ---- blocks -------------------------------------------------------------------------------------


def residuals(cameras, points, weights, numbers, seen):
    """Reprojection errors: two rows per observation, by one camera, one point and one weight."""
    c, x = cameras[numbers[:, 0]], points[numbers[:, 1]]
    d = x - c[:, 3:6]
    turned = d + np.sum(c[:, :3] ** 2, 1)[:, None] * d[:, ::-1]
    q = turned[:, :2] / (turned[:, 2:] + 10)
    radius = np.sum(q * q, 1, keepdims=True)
    q = q * (1 + c[:, 9:10] * radius + c[:, 10:11] * radius**2) * c[:, 6:7] + c[:, 7:9]
    return (q - seen) * weights[:, None]


def observations(count, n_cameras=5, n_points=40):
    rng = np.random.default_rng(1)
    numbers = np.stack([rng.integers(0, n_cameras, count), rng.integers(0, n_points, count)], 1)
    return (
        rng.normal(size=(n_cameras, 11)), rng.normal(size=(n_points, 3)), rng.normal(size=count),
        numbers,
        rng.normal(size=(count, 2)),
    )  # fmt: skip


def test_blocks_take_one_sweep_per_row_or_column():
    args = observations(80)
    assert agree(residuals, *args, argnums=(0, 1, 2)).colours == 2
    plan = agree(residuals, *args, argnums=(0, 1, 2), mode="forward")
    assert plan.colours <= 15


def test_blocks_are_not_coloured(monkeypatch):
    def refuse(*args):
        raise AssertionError("greedy colouring of blocks")

    monkeypatch.setattr("pybackprop.colouring._greedy", refuse)
    plan = bp.jacobian(residuals, (0, 1, 2), sparse=True).lower(*observations(3000))
    assert plan.colours == 2


def test_more_outputs_than_inputs_per_row_go_forward():
    def features(x):
        return np.concatenate([np.sin(k * x) * np.sum(x, 1, keepdims=True) for k in range(1, 6)], 1)

    plan = agree(features, np.random.default_rng(0).normal(size=(9, 2)))
    assert (plan.mode, plan.colours) == ("forward", 2)


def test_vmapped_rows():
    def one(x, a):
        return np.array([np.sin(x[0]) * x[1] * a, x[2] ** 2])

    def all_rows(x, a):
        return bp.vmap(one, (0, None))(x, a)

    x = np.random.default_rng(0).normal(size=(11, 3))
    assert agree(all_rows, x, np.float64(0.7), argnums=(0, 1)).colours <= 2


def test_index_arguments_make_plans():
    def f(x, i):
        return x[i] ** 2

    jacobian = bp.jacobian(f, sparse=True)
    x = np.arange(1.0, 6.0)
    for numbers in ([0, 1, 2], [4, 4, -5], [0, 1, 2]):
        i = np.array(numbers)
        expected = np.zeros((3, 5))
        expected[np.arange(3), i] = 2 * x[i]
        np.testing.assert_array_equal(jacobian(x, i).toarray(), expected)
    assert sum(map(len, jacobian.plans.values())) == 2
    with pytest.raises(IndexError):
        jacobian(x, np.array([0, 1, 9]))


# ---- arguments and results ----------------------------------------------------------------------


def test_trees():
    def f(p, t):
        return {"a": p["w"] * t, "b": (p["w"][1:] * p["v"], 3)}

    p = {"w": np.array([1.0, 2.0, 3.0]), "v": np.array([0.5, 0.25])}
    found = bp.jacobian(f, sparse=True)(p, 2.0)
    dense = bp.jacobian(f)(p, 2.0)
    assert found["b"][1] == 3
    for key in ("w", "v"):
        np.testing.assert_array_equal(found["a"][key].toarray(), dense["a"][key])
        np.testing.assert_array_equal(found["b"][0][key].toarray(), dense["b"][0][key])
    assert found["a"]["v"].nnz == 0


def test_float32():
    plan = agree(tridiagonal, np.linspace(0, 1, 9, dtype=np.float32), rtol=1e-5, atol=1e-6)
    assert plan.assemble(plan.compiled(np.zeros(9, np.float32))).dtype == np.float32


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (2, 1, 3)])
def test_shapes(shape):
    agree(lambda x: np.sin(x) * 2, np.full(shape, 0.5))
    agree(lambda x: np.sum(x**2), np.full(shape, 0.5))
    agree(lambda x: x, np.full(shape, 0.5))
    agree(lambda x: np.zeros(3) + 0 * np.sum(x), np.full(shape, 0.5))
    agree(lambda x: np.arange(3.0), np.full(shape, 0.5))


def test_repeated_uses_add_up():
    agree(lambda x: np.concatenate([x, x]) + np.concatenate([x, x[::-1]]), np.arange(4.0))
    agree(lambda x: x + x + x[np.array([0, 0, 1])], np.arange(3.0))


def test_kinds_of_calls():
    jacobian = bp.jacobian(sparse=True, static_argnums=1)(lambda x, k: x[::k] ** k)
    for k in (1, 2):
        np.testing.assert_allclose(
            jacobian(np.arange(5.0), k).toarray(), np.diag(k * np.arange(5.0) ** (k - 1))[::k]
        )


def test_results_do_not_share_entries():
    jacobian = bp.jacobian(tridiagonal, sparse=True)
    a = jacobian(np.arange(9.0))
    before = a.toarray()
    b = jacobian(np.ones(9))
    np.testing.assert_array_equal(a.toarray(), before)
    assert a.indices is b.indices
    with pytest.raises(ValueError, match="read-only"):
        a.indices[0] = 1
    copied = a.copy()
    copied.data[0] = 0
    copied.eliminate_zeros()
    np.testing.assert_array_equal(a.toarray(), before)


def test_refusals():
    jacobian = bp.jacobian(tridiagonal, sparse=True)
    with pytest.raises(TraceError, match="cannot be traced"):
        bp.compile(lambda x: jacobian(x * 2))(np.ones(5))
    with pytest.raises(DifferentiationError):
        bp.jacobian(lambda x: np.argmax(x), sparse=True)(np.ones(3))
    with pytest.raises(DifferentiationError):
        jacobian(np.arange(5))
    with pytest.raises(ValueError, match="mode"):
        bp.jacobian(tridiagonal, mode="both", sparse=True)
    with pytest.raises(bp.errors.UnsupportedError, match="too many"):
        bp.jacobian(np.cumsum, sparse=True)(np.ones(100_000))


def test_no_nan_from_branches_not_taken():
    x = np.array([0.0, 1.0, 4.0])
    found = bp.jacobian(lambda x: np.where(x > 0, np.sqrt(x), 0.0), sparse=True)(x)
    np.testing.assert_array_equal(found.toarray(), np.diag([0.0, 0.5, 0.25]))


def test_pickle():
    jacobian = pickle.loads(pickle.dumps(bp.jacobian(tridiagonal, sparse=True)))
    x = np.linspace(0, 1, 9)
    np.testing.assert_array_equal(
        jacobian(x).toarray(), bp.jacobian(tridiagonal, sparse=True)(x).toarray()
    )


def test_scipy_is_imported_when_used_and_asked_for_by_name():
    program = (
        "import sys, numpy as np, pybackprop as bp\n"
        "j = bp.jacobian(np.sin, sparse=True)\n"
        "assert not any(name.startswith('scipy') for name in sys.modules)\n"
        "sys.modules['scipy'] = None\n"
        "try:\n    j(np.ones(3))\n"
        "except ImportError as e:\n    assert 'pybackprop[sparse]' in str(e)\n"
        "else:\n    raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ---- with SciPy ---------------------------------------------------------------------------------


def test_solvers_take_it():
    from scipy.integrate import solve_ivp
    from scipy.optimize import least_squares
    from scipy.sparse.linalg import spsolve

    def f(x):
        return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])

    fit = least_squares(bp.compile(f), np.zeros(20), jac=bp.jacobian(f, sparse=True))
    np.testing.assert_allclose(fit.x, 1, atol=1e-6)
    square = bp.jacobian(tridiagonal, sparse=True)(np.linspace(1, 2, 9))
    np.testing.assert_allclose(square @ spsolve(square.tocsc(), np.ones(9)), 1)

    def rate(u):
        return np.pad(u[2:] - 2 * u[1:-1] + u[:-2], 1)

    rates, jacobian = bp.compile(rate), bp.jacobian(rate, sparse=True)
    solution = solve_ivp(
        lambda t, u: rates(u),
        (0, 5),
        np.linspace(0, 1, 30) ** 2,
        "BDF",
        jac=lambda t, u: jacobian(u),
    )
    assert solution.success


# ---- second derivatives -------------------------------------------------------------------------


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_hessian_of_a_separable_sum(mode):
    x = np.random.default_rng(0).normal(size=15)
    hessian = bp.hessian(rosenbrock, sparse=True)
    found = hessian(x)
    np.testing.assert_allclose(found.toarray(), bp.hessian(rosenbrock)(x), rtol=1e-12, atol=1e-12)
    assert found.nnz == 3 * 15 - 2
    assert hessian.lower(x).colours <= 3
    agree(bp.grad(rosenbrock), x, mode=mode)


def test_hessian_of_gathered_blocks():
    def energy(x, bonds):
        d = x[bonds[:, 0]] - x[bonds[:, 1]]
        return np.sum((np.sqrt(np.sum(d**2, axis=1)) - 1) ** 2)

    rng = np.random.default_rng(0)
    x, bonds = rng.normal(size=(10, 3)), np.stack([np.arange(9), np.arange(1, 10)], 1)
    found = bp.hessian(energy, sparse=True)(x, bonds)
    np.testing.assert_allclose(
        found.toarray(), bp.hessian(energy)(x, bonds).reshape(30, 30), rtol=1e-9, atol=1e-10
    )
    assert found.nnz == 9 * (3 * 10 - 2)


# ---- colouring ----------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.01, 0.05, 0.3])
def test_colourings_are_valid(density):
    for seed in range(5):
        pattern = sparse.csr_array(sparse.random(60, 80, density, random_state=seed, format="csr"))
        colours, count = colour_columns(pattern)
        rows = np.repeat(np.arange(60), np.diff(pattern.indptr))
        assert is_valid(rows, pattern.indices, colours, count)
        assert np.diff(pattern.indptr).max() <= count <= 80
        used = np.zeros(80, bool)
        used[pattern.indices] = True
        np.testing.assert_array_equal(colours >= 0, used)


def test_wrong_candidates_are_not_taken():
    pattern = sparse.csr_array(np.tri(4, dtype=bool))
    colours, count = colour_columns(pattern, [np.zeros(4, int), np.arange(4) % 2])
    assert count == 4
    assert sorted(colours) == [0, 1, 2, 3]


# ---- size ---------------------------------------------------------------------------------------


def test_planning_is_linear():
    def took(size):
        start = time.perf_counter()
        bp.jacobian(five_bands, sparse=True).lower(np.linspace(0, 1, size))
        return time.perf_counter() - start

    took(100)
    small, large = min(took(5_000) for _ in range(3)), min(took(40_000) for _ in range(2))
    assert large < 30 * small + 0.1


def test_large_blocks():
    args = observations(20_000, 50, 2000)
    jacobian = bp.jacobian(residuals, (0, 1, 2), sparse=True)
    by_camera, by_point, by_weight = jacobian(*args)
    assert by_camera.shape == (40_000, 550)
    assert (by_point.nnz, by_weight.nnz) == (120_000, 40_000)
    direction = [np.ones_like(a) for a in args[:3]]
    _, expected = bp.jvp(lambda c, x, w: residuals(c, x, w, *args[3:]), args[:3], tuple(direction))
    total = sum(
        j @ d.ravel() for j, d in zip((by_camera, by_point, by_weight), direction, strict=True)
    )
    np.testing.assert_allclose(total, expected.ravel(), rtol=1e-9, atol=1e-9)
