"""Indexing and its updates against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import call, compare, trace

import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError

X = np.arange(60.0).reshape(3, 4, 5)
MASK = X % 7 > 3
INDICES = [
    0, -1, (1, 2), (1, 2, 3), slice(1, None), slice(None, None, -1), slice(5, 0, -2), slice(3, 1),
    ...,
    (..., 0), (0, ...), (slice(None), 1), (slice(None), slice(1, 4, 2), -1), None, (None, 0, None,
    ..., None),
    (slice(None, None, -2), ..., slice(4, None, -3)), np.int64(1), (),
    [0, 2], [[0, 1], [2, -1]], np.array([2, 0]), np.array(1), (slice(None), [1, 3]), (..., [0, 0,
    4]),
    ([0, 1], [2, 3]), ([0, 1], slice(None), [2, 3]), (0, slice(None), [2, 3]), ([0, 1], 1,
    slice(2)),
    (slice(None), [0, 1], [2, 3]), ([[0], [1]], [2, 3]), ([0, 1], None, [2, 3]), (None, [0, 1],
    [2, 3]),
    (slice(1, None), [0, 1], None, slice(None, None, 2)), (None, [0], ..., None), (0, [1, 2]),
    ([1, 2], 0),
    (slice(0, 2), [3, 1], slice(None, None, -1)), MASK, MASK[:, :, 0], (0, MASK[0]), (slice(None),
    MASK[0]),
    (MASK[:, 0, 0], 1), (MASK[:, 0, 0], slice(None), [1]), (slice(None), MASK[0, :, 0], slice(1,
    3)), [],
    (slice(None), []), np.zeros((0, 2), int), np.zeros(3, bool), ([0, 1], [1, 2], [3, 4]),
    (np.arange(3), [0, 1, 3]), (np.arange(3), [0, 1, 3], [0, 2, 4]), (slice(None), 0, [1, 2], None),
    (np.uint8(2),), np.array([0, 1], np.uint16),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_reading(index):
    compare(lambda a: a[index], X)
    compare(lambda a: a[index], np.asfortranarray(X))


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_updates(index):
    part = X[index]
    v = np.arange(1.0, part.size + 1).reshape(part.shape)

    def expected_set(a, b):
        a = a.copy()
        a[index] = b
        return a

    def expected_add(a, b):
        a = a.copy()
        np.add.at(a, index, b)
        return a

    for values in (v, np.float64(7.0)):
        (y,) = call(lambda a, b: a.at[index].set(b), X, values)
        np.testing.assert_array_equal(y, expected_set(X, values))
        (y,) = call(lambda a, b: a.at[index].add(b), X, values)
        np.testing.assert_array_equal(y, expected_add(X, values))
    np.testing.assert_array_equal(call(lambda a: a.at[index].get(), X)[0], part)


def test_repeated_positions():
    x = np.zeros(4)
    index = np.array([1, 3, 1])
    (y,) = call(lambda a: a.at[index].add(np.array([1.0, 2.0, 4.0])), x)
    np.testing.assert_array_equal(y, [0, 5, 0, 2])
    (y,) = call(lambda a: a.at[index].set(np.array([1.0, 2.0, 4.0])), x)
    np.testing.assert_array_equal(y, [0, 4, 0, 2])
    (y,) = call(lambda a: a.at[index].multiply(2.0), x + 1)
    np.testing.assert_array_equal(y, [1, 4, 1, 2])


def test_other_updates():
    x = np.arange(4.0)
    for name, expected in (
        ("multiply", [0, 3, 6, 3]), ("divide", [0, 1 / 3, 2 / 3, 3]), ("min", [0, 1, 2, 3]),
        ("max", [0, 3, 3, 3]), ("subtract", [0, -2, -1, 3]), ("power", [0, 1, 8, 3]),
    ):  # fmt: skip
        (y,) = call(lambda a: getattr(a.at[1:3], name)(3.0), x)
        np.testing.assert_allclose(y, expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, i: a[i], lambda a, i: a[i, 1:], lambda a, i: a[:, i], lambda a, i: a[i, i],
        lambda a, i: a[..., i], lambda a, i: a[1:, i], lambda a, i: a[i[0]], lambda a, i: a[i[0],
        i[1], i[2]],
        lambda a, i: a[i[:, None], i], lambda a, i: a[0, :, i], lambda a, i: a[i[0], :, 1],
        lambda a, i: a[np.arange(3), i], lambda a, i: a[None, i], lambda a, i: a[[0, 1, 2], i],
        lambda a, i: np.take(a, i, axis=1), lambda a, i: np.take(a, i), lambda a, i: bnp.take(X,
        i, 0),
        lambda a, i: a[i, :, i[0]],
    ],
)  # fmt: skip
def test_traced_positions(function):
    for dtype in (np.int64, np.int32, np.uint8):
        i = np.array([0, 2, 1 if dtype == np.uint8 else -1]).astype(dtype)
        compare(function, X[:, :3, :3].copy(), i)


@pytest.mark.parametrize(
    "index",
    [
        lambda i: i, lambda i: (slice(None), i), lambda i: (i, i), lambda i: i[0], lambda i: (0, i),
        lambda i: (slice(0, 2), i), lambda i: (i, slice(None, None, -1)),
    ],
)  # fmt: skip
def test_updates_at_traced_positions(index):
    x, i = X[:, :3, :3].copy(), np.array([0, 2, -1])
    part = x[index(i)]
    v = np.arange(1.0, part.size + 1).reshape(part.shape)
    expected = x.copy()
    expected[index(i)] = v
    np.testing.assert_array_equal(call(lambda a, k, b: a.at[index(k)].set(b), x, i, v)[0], expected)
    expected = x.copy()
    np.add.at(expected, index(i), v)
    np.testing.assert_array_equal(call(lambda a, k, b: a.at[index(k)].add(b), x, i, v)[0], expected)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_random_indices(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    bound = st.one_of(st.none(), st.integers(-6, 6))
    step = st.one_of(st.none(), st.integers(1, 3), st.integers(-3, -1))
    items = []
    for extent in shape[: data.draw(st.integers(0, len(shape)))]:
        kinds = ["slice"] + (["integer", "array"] if extent else [])
        kind = data.draw(st.sampled_from(kinds))
        if kind == "slice":
            items.append(slice(data.draw(bound), data.draw(bound), data.draw(step)))
        elif kind == "integer":
            items.append(data.draw(st.integers(-extent, extent - 1)))
        else:
            items.append(
                np.array(
                    data.draw(st.lists(st.integers(-extent, extent - 1), min_size=2, max_size=2))
                )
            )
        if data.draw(st.booleans()) and len(items) < 8:
            items.append(None)
    index = tuple(items)
    compare(lambda a: a[index], x)
    part = x[index]
    expected = x.copy()
    np.add.at(expected, index, part)
    np.testing.assert_array_equal(call(lambda a, b: a.at[index].add(b), x, part)[0], expected)


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (3, IndexError), ((0, 0, 0, 0), IndexError), ([3], IndexError), (1.0, IndexError), ("a",
        IndexError),
        (np.array([1.0]), IndexError), ((..., ...), IndexError), (np.zeros(4, bool), IndexError),
        (([0, 1], [0, 1, 2]), IndexError), ((0, -5), IndexError),
    ],
)  # fmt: skip
def test_errors(index, error):
    with pytest.raises(error):
        call(lambda a: a[index], X)


def test_data_dependent_shapes_are_refused():
    with pytest.raises(ControlFlowError, match=r"np\.where"):
        call(lambda a: a[a > 3], X)
    with pytest.raises(ControlFlowError, match=r"np\.where"):
        call(lambda a: np.where(a > 3), X)
    with pytest.raises(ControlFlowError, match="slice"):
        call(lambda a, i: a[i:], X, np.int64(1))


def test_rows_stay_rows():
    graph = trace(lambda a, i: a[np.arange(3), i], X[:, :, 0], np.array([0, 1, 2]))
    (gather,) = [n for n in graph.nodes if n.primitive.name == "gather"]
    assert gather.operands[0].shape == (3, 4, 1)
    assert gather.operands[1].shape == (3, 1)


def test_basic_indices_are_few_nodes():
    graph = trace(lambda a: a[1:, 0, ::-1], X)
    assert [n.primitive.name for n in graph.nodes] == ["input", "slice", "flip", "reshape"]
    assert len(trace(lambda a: a[...], X).nodes) == 1


def test_take_along_axis():
    i = np.argsort(np.sin(X), axis=1)
    compare(lambda a: np.take_along_axis(a, i, axis=1), X)
    compare(lambda a, k: np.take_along_axis(a, k, axis=-2), X, i[:, :2])
    compare(lambda a, k: np.take_along_axis(a, k, axis=0), X, np.array([[[-1]]]))
    compare(lambda a: np.take_along_axis(a, np.array([5, 1]), axis=None), X)


def test_take_modes():
    for mode in ("clip", "wrap"):
        compare(lambda a: np.take(a, [-7, 2, 9], axis=1, mode=mode), X)
        compare(lambda a, i: np.take(a, i, axis=1, mode=mode), X, np.array([[-7, 2], [0, 9]]))
    compare(lambda a: [a.take([0, 1]), a.take(2, 1), np.take(a, [[0], [1]], 2)], X)
    with pytest.raises(IndexError):
        call(lambda a: np.take(a, 4, axis=1), X)


def test_diagonals():
    for k in range(-5, 6):
        compare(lambda a: [np.diagonal(a[0], k), np.diag(a[0], k), np.trace(a[0], k)], X)
        compare(lambda a: [a.diagonal(k, 0, 2), np.diagonal(a, k, 2, 1), a.trace(k, 1, 0)], X)
        compare(lambda a: [np.diag(a[0, 0], k), np.diagflat(a[0], k), np.diag(a[0, 0, :1], k)], X)
        compare(lambda a: [np.tril(a, k), np.triu(a, k), np.tril(a[0, 0], k)], X)
    compare(lambda a: [np.diag(a), np.diag(a, 2)], np.zeros(0))


def test_triangles_do_not_leak():
    compare(lambda a: np.tril(a), np.array([[1.0, np.nan], [np.inf, 2.0]]))
