"""Chains of assignments: reads of what was assigned, storage in place, and linear cost."""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.primitives import shaping


def recurrence(x):
    y = bnp.zeros(x.shape[0])
    y[0] = x[0]
    for i in range(1, x.shape[0]):
        y[i] = y[i - 1] * 0.5 + np.sin(x[i])
    return y


def rows(x):
    y = np.zeros_like(x, shape=(x.shape[0], 3))
    y[0] = x[0]
    for i in range(1, x.shape[0]):
        y[i] = y[i - 1] * 0.5
        y[i, 1] += x[i] * y[i, 0]
    return y


def windows(x):
    y = x * 1.0
    for i in range(1, x.shape[0] - 1):
        y[i : i + 2] += np.sin(y[i - 1 : i + 1])
    return y


def names(graph):
    return [node.primitive.name for node in graph.nodes]


def test_scalars_are_read_from_where_they_were_assigned():
    f = bp.compile(recurrence)
    f(np.ones(8))
    for node in f.graph.nodes:
        if node.primitive is shaping.slice_:
            assert node.operands[0] in f.graph.inputs
    g = bp.grad(lambda x: np.sum(recurrence(x) ** 2))
    g(np.ones(8))
    # The cotangents do not pass through whole arrays either.
    assert names(g.graph).count("slice_set") == 8


@pytest.mark.parametrize("function", [recurrence, rows, windows], ids=lambda f: f.__name__)
def test_cost_is_linear(function):
    sizes = {}
    for n in (40, 80):
        f = bp.compile(function)
        x = np.linspace(0.1, 1.0, n)
        np.testing.assert_allclose(f(x), function(x.copy()), rtol=1e-13)
        sizes[n] = str(f.tape).count("\n"), f.memory
    assert sizes[80][0] < 2.2 * sizes[40][0]
    # One array and a few scalars per step; n arrays of n elements would be four times as much.
    assert sizes[80][1] < 2.5 * sizes[40][1]
    assert sizes[80][1] < 16 * 80 * np.prod(np.shape(function(x))[1:]) * 8


@pytest.mark.parametrize("function", [recurrence, rows, windows], ids=lambda f: f.__name__)
def test_cost_of_gradients_is_linear(function):
    sizes = {}
    for n in (40, 80):
        g = bp.grad(lambda x: np.sum(function(x) ** 2))
        x = np.linspace(0.1, 1.0, n)
        found = g(x)
        sizes[n] = str(g.tape).count("\n"), g.memory
    assert sizes[80][0] < 2.2 * sizes[40][0]
    assert sizes[80][1] < 2.2 * sizes[40][1]
    along = np.cos(np.arange(80))
    e = along * 1e-6
    slope = (np.sum(function(x + e) ** 2) - np.sum(function(x - e) ** 2)) / 2e-6
    np.testing.assert_allclose(found @ along, slope, rtol=1e-5)


def test_products_of_an_element_with_itself_are_added_before_they_are_placed():
    g = bp.grad(lambda x: np.sum(np.stack([v * v for v in x])))
    np.testing.assert_allclose(g(np.arange(5.0)), 2 * np.arange(5.0))
    assert "pad" not in names(g.graph)


def test_sums_of_views_of_one_array():
    def f(x):
        y = np.sin(x)
        return np.sum((y + y[::-1] + np.roll(y, 3)) * y[::-1] * y)

    x = np.linspace(0.2, 1.4, 40)
    bp.check_grads(f, (x,), order=2)


def test_what_is_read_later_is_not_overwritten():
    def f(x):
        y = x * 2
        a = y.copy()
        y[1] = 5.0
        b = y[:2] * 1.0
        c = y[2]
        y[2] = 7 * x[0]
        y[0] = c
        z = y + 0
        y[:] = y[::-1]
        return a, b, c, y, z

    x = np.arange(1.0, 5)
    for ours, theirs in zip(bp.compile(f)(x), f(x.copy()), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_minus_zero_is_kept():
    def f(x):
        y = np.full_like(x, -0.0)
        y[0] = x[0]
        return y

    assert np.signbit(bp.compile(f)(np.ones(3))[1:]).all()
