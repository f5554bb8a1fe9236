"""Jacobians by rows of different seeds against the same derivatives one product at a time."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import seeded_columns, seeding
from pybackprop.api import jacobians
from pybackprop.graph import open_graph
from pybackprop.primitives.elementwise import cos, maximum, multiply
from pybackprop.primitives.linalg import SparseMatrix, sparse_matmul

RNG = np.random.default_rng(39)
A, B, C = RNG.normal(size=(5, 5)), RNG.normal(size=(4, 5, 6)), RNG.normal(size=(3, 4))
PICKED = np.array([3, 0, 0, 4, 2])


def _chain(x):
    """Rotations by one angle each, multiplied along a chain, stacked: hand tracking in small."""
    zero, one = np.zeros_like(x), np.ones_like(x)
    c, s = np.cos(x), np.sin(x)
    turns = np.stack([np.stack([c, -s, zero], -1), np.stack([s, c, zero], -1),
                      np.stack([zero, zero, one], -1)], -2)  # fmt: skip
    placed = [turns[0]]
    for k in range(1, 5):
        placed.append(placed[0 if k == 3 else k - 1] @ turns[k])
    return A[:, :5] @ np.reshape(np.stack(placed), (5, 9))


def _sparse(x, k):
    matrix = np.random.default_rng(k).normal(size=(8, k))
    matrix[np.abs(matrix) < 1.0] = 0.0
    x = np.reshape(x, (k, -1))
    y = sparse_matmul(x[:, 0] if x.shape[1] == 1 else x, matrix=SparseMatrix.of(matrix))
    return y if y.ndim > 1 else np.stack([y, 2 * y], -1)


def _scanned(x):
    carry, steps = bp.scan(lambda c, v: (c * 0.5 + v, c * v), x[0], x[1:])
    return np.concatenate([steps, carry[None]])


FUNCTIONS = {
    "elementwise": lambda x: np.exp(x) * np.sin(x),
    "neighbours": lambda x: x[1:] * x[:-1] - x[1:] ** 2,
    "chain": _chain,
    "product": lambda x: np.tanh(A @ np.sin(x)),
    "row times matrix": lambda x: np.sin(x)[None, :] @ A.T,
    "stack of products": lambda x: B @ np.stack([x, x**2, x, x, x, x], 0) @ np.outer(x, x),
    "outer": lambda x: np.sin(x)[:, None] * np.cos(x)[None, :],
    "sums": lambda x: np.stack([np.sum(x), np.sum(x[:2] ** 3), np.sum(np.outer(x, x)[1])]),
    "partial sums": lambda x: np.sum(np.reshape(np.sin(np.outer(x, x[:4])), (5, 2, 2)), (0, 2)),
    "cumulative": lambda x: np.cumsum(np.exp(x)),
    "gather": lambda x: np.sin(x)[PICKED] * x[:5],
    "scatter": lambda x: bp.numpy.at(np.zeros(7) * x[0])[np.array([1, 3, 3])].add(x[:3] ** 2),
    "padding": lambda x: np.pad(x**2, (2, 1)) + np.pad(x, (0, 3)),
    "flip": lambda x: np.flip(x) * x + np.concatenate([x[3:], np.ones(3)]),
    "where": lambda x: np.where(x > 0, np.sqrt(np.abs(x)), x[::-1] ** 2),
    "extremes": lambda x: np.maximum(x, x[::-1]) + np.max(x),
    "transposed": lambda x: (np.outer(x, x**2).T - np.outer(np.sin(x), x))[::2],
    "scan": _scanned,
    "two parts": lambda x: np.concatenate([C @ x[:4], C.T @ x[1:4], x[2:3] * 0.0]),
    "constant": lambda x: np.ones(3) + bp.stop_gradient(x[:3]),
    "sparse product": lambda x: 1.0 - _sparse(np.outer(x, np.sin(x)), 25)[::2] * x[0],
    "sparse product and a shift": lambda x: x[:2] - _sparse(np.outer(np.sin(x), x), 25) - x[3:],
    "sparse product of an array": lambda x: np.sin(_sparse(x, 5)),
    "sparse product of a chain": lambda x: _sparse(_chain(x), 5) + np.sum(x**2) - x[4],
    "number": lambda x: x[0] * x[1] + np.sum(np.exp(x)),
}


def _by_products(function, x, reverse):
    """The Jacobian, one ordinary product per column or row, compiled without batches."""
    y = bp.compile(function)(x)
    shape = y.shape + x.shape
    if reverse:
        rows = [
            np.asarray(bp.compile(lambda v, ct: bp.vjp(function, v)[1](ct))(x, unit)).ravel()
            for unit in np.eye(y.size).reshape(y.size, *y.shape)
        ]
        return np.reshape(rows, shape)
    columns = [
        np.asarray(bp.compile(lambda v, t: bp.jvp(function, (v,), (t,))[1])(x, unit)).ravel()
        for unit in np.eye(x.size).reshape(x.size, *x.shape)
    ]
    return np.reshape(np.transpose(columns), shape)


@pytest.fixture
def always(monkeypatch):
    """Use the structured graph however small the gain."""
    monkeypatch.setattr(seeding, "_WORTHWHILE", np.inf)
    monkeypatch.setattr(seeded_columns, "_LARGE", 0)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_as_products(always, name, mode):
    function = FUNCTIONS[name]
    x = RNG.normal(size=5)
    made = bp.jacobian(function, mode=mode)(x)
    expected = _by_products(function, x, reverse=False)
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "name",
    [
        "chain",
        "neighbours",
        "scatter",
        "outer",
        "where",
        "sums",
        "sparse product",
        "sparse product and a shift",
    ],
)
def test_native_is_the_same(always, name):
    x = RNG.normal(size=5)
    plain = bp.jacobian(FUNCTIONS[name])(x)
    native = bp.jacobian(FUNCTIONS[name], backend="native")(x)
    np.testing.assert_array_equal(plain, native)


@pytest.mark.parametrize(
    "name",
    [
        "chain",
        "product",
        "neighbours",
        "extremes",
        "gather",
        "sparse product",
        "sparse product of a chain",
    ],
)
def test_second_order_and_complex_step(always, name):
    function, x = FUNCTIONS[name], RNG.normal(size=5)
    hessian = bp.hessian(lambda v: np.sum(np.sin(function(v))))(x)
    gradient = bp.grad(lambda v: np.sum(np.sin(function(v))))
    step = 1e-6
    columns = [(gradient(x + step * u) - gradient(x - step * u)) / (2 * step) for u in np.eye(5)]
    np.testing.assert_allclose(hessian, np.transpose(columns), rtol=2e-7, atol=2e-7)
    again = bp.jacobian(lambda v: bp.jacobian(function)(v) @ np.arange(5.0))(x)
    directional = bp.jacobian(lambda v: bp.jvp(function, (v,), (np.arange(5.0),))[1])(x)
    np.testing.assert_allclose(again, directional, rtol=1e-12, atol=1e-12)


def test_complex_step_of_the_chain():
    x = RNG.normal(size=5)
    step = 1e-30
    columns = [_chain(x + 1j * step * unit).imag / step for unit in np.eye(5)]
    np.testing.assert_allclose(
        bp.jacobian(_chain)(x), np.moveaxis(columns, 0, -1), rtol=1e-13, atol=1e-14
    )


def test_float32_stays():
    made = bp.jacobian(FUNCTIONS["neighbours"])(RNG.normal(size=5).astype(np.float32))
    assert made.dtype == np.float32


def test_several_arguments():
    def function(x, y, z):
        return np.concatenate([x * y, y[:2] * z, x])

    arguments = RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=2)
    made = bp.jacobian(function, argnums=(0, 1, 2))(*arguments)
    x, y, z = arguments
    zero = np.zeros((4, 4))
    np.testing.assert_array_equal(made[0], np.concatenate([np.diag(y), zero[:2], np.eye(4)]))
    np.testing.assert_array_equal(
        made[1], np.concatenate([np.diag(x), np.eye(4)[:2] * z[:, None], zero])
    )
    np.testing.assert_array_equal(
        made[2], np.concatenate([zero[:, :2], np.diag(y[:2]), zero[:, :2]])
    )


def test_mapped_over_rows():
    rows = RNG.normal(size=(7, 5))
    made = bp.vmap(bp.jacobian(FUNCTIONS["neighbours"]))(rows)
    one = bp.jacobian(FUNCTIONS["neighbours"])
    np.testing.assert_array_equal(made, np.stack([one(row) for row in rows]))


def test_what_is_not_linear_gets_all_seeds(always):
    with open_graph("products") as inner:
        x, seed = inner.add_input((3,), np.float64), inner.add_input((3,), np.float64)
        bounded = maximum(seed, 0.25)
        inner.close([multiply(bounded, cos(x)), multiply(maximum(x, 0.0), 2.0)])

    def products(v):
        value = np.multiply(v, 1.0)
        seeds = inner.inputs[1:]
        (first, second), flags = seeding.record_seeded(inner, [value], 0, seeds, 3)
        assert flags == [True, False]
        return first, second

    point = RNG.normal(size=3)
    first, second = bp.compile(products)(point)
    np.testing.assert_allclose(first, np.maximum(np.eye(3), 0.25) * np.cos(point), rtol=1e-15)
    np.testing.assert_array_equal(second, np.maximum(point, 0) * 2)


def test_zeros_by_structure_are_not_computed():
    x = RNG.normal(size=300)
    both = [
        bp.jacobian(lambda v: np.exp(np.sin(v)) * np.tanh(v), mode=mode)
        for mode in ("forward", "reverse")
    ]
    for made in both:
        made(x)
        # The Jacobian is written once; nothing else has its size.
        assert made.memory < 2.5 * 300 * 300 * 8
    slope = np.exp(np.sin(x)) * (np.cos(x) * np.tanh(x) + 1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(both[0](x), np.diag(slope), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(both[1](x), np.diag(slope), rtol=1e-13, atol=1e-14)


def test_nothing_leaks_from_one_element_to_another(always):
    made = bp.jacobian(np.sqrt)(np.array([0.0, 4.0, -1.0]))
    assert made[0, 0] == np.inf and made[1, 1] == 0.25 and np.isnan(made[2, 2])
    assert (made[~np.eye(3, dtype=bool)] == 0).all()


def test_the_batch_where_nothing_is_gained(monkeypatch):
    calls = []
    batch = seeding.record_batch
    monkeypatch.setattr(seeding, "record_batch", lambda *a: calls.append(a) or batch(*a))
    bp.jacobian(lambda x: np.tanh(A @ np.tanh(A @ (np.sum(x) * x))), mode="forward")(np.ones(5))
    assert calls
    assert jacobians.record_seeded is seeding.record_seeded
