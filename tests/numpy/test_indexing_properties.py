"""Indices of every kind against NumPy, compiled: reads, updates, assignments, derivatives.

The derivatives have closed forms: what an index reads or writes is known from the positions that
NumPy picks, so nothing here depends on the rules under test.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pybackprop as bp

SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@st.composite
def index_of(draw, shape):
    """An index: basic, advanced, or both mixed with masks, lists, None and dots."""
    if draw(st.booleans()):
        return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    items, axis, dots = [], 0, False
    while axis < len(shape):
        extent = shape[axis]
        kinds = ["slice", "slice", "none", "stop"] + ([] if dots else ["dots"])
        if extent:
            kinds += ["integer", "array", "array", "list", "mask"]
        kind = draw(st.sampled_from(kinds))
        positions = st.integers(-extent, max(extent - 1, 0))
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            continue
        if kind == "dots":
            items.append(...)
            dots = True
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "slice":
            items.append(draw(st.slices(extent)))
        elif kind == "integer":
            items.append(draw(st.one_of(positions, positions.map(np.int64))))
        elif kind == "list":
            items.append([draw(positions)])
        elif kind == "mask":
            # One position, so that it broadcasts with all others.
            mask = np.zeros(extent, bool)
            mask[draw(positions)] = True
            items.append(draw(st.sampled_from([mask, mask.tolist()])))
        else:
            part = draw(st.sampled_from([common, common[-1:], ()]))
            dtype = draw(st.sampled_from([np.int64, np.int32, np.int8]))
            items.append(draw(hnp.arrays(dtype, part, elements=positions)))
        axis += 1
    return tuple(items) if len(items) != 1 or draw(st.booleans()) else items[0]


@st.composite
def array_and_index(draw):
    """An array, an index of it, and the positions that the index picks."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape) / 7
    index = draw(index_of(shape))
    positions = np.arange(x.size).reshape(shape)
    try:
        picked = positions[index]
    except IndexError:
        assume(False)
    return x, index, np.asarray(picked)


@SETTINGS
@given(array_and_index())
def test_reads(case):
    x, index, picked = case
    weights = np.cos(np.arange(picked.size)).reshape(picked.shape)
    ours, theirs = bp.compile(lambda a: a[index])(x), x[index]
    assert np.shape(ours) == np.shape(theirs)
    np.testing.assert_array_equal(ours, theirs)
    if not x.size:
        return

    def f(a):
        return np.sum(np.sin(a[index]) * weights)

    first, second = np.zeros(x.size), np.zeros(x.size)
    np.add.at(first, picked.ravel(), (np.cos(theirs) * weights).ravel())
    np.add.at(second, picked.ravel(), (-np.sin(theirs) * weights).ravel())
    direction = np.sin(np.arange(x.size) + 1).reshape(x.shape)
    np.testing.assert_allclose(bp.grad(f)(x).ravel(), first, rtol=1e-12, atol=1e-13)
    along = bp.jvp(f, (x,), (direction,))[1]
    np.testing.assert_allclose(along, first @ direction.ravel(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        bp.hvp(f)(x, direction).ravel(), second * direction.ravel(), rtol=1e-12, atol=1e-13
    )


def written(x, picked, values):
    """NumPy's assignment by linear positions, and which element of ``values`` each holds then."""
    source = np.full(x.size, -1)
    source[picked.ravel()] = np.arange(picked.size)
    line = np.where(source < 0, x.ravel(), values.ravel()[source] if picked.size else 0)
    return line.reshape(x.shape), source


@SETTINGS
@given(array_and_index(), st.booleans())
def test_writes(case, assigning):
    x, index, picked = case
    values = np.sqrt(np.arange(picked.size) + 2.0).reshape(picked.shape)

    def program(a, v):
        if not assigning:
            return a.at[index].set(v)
        a[index] = v
        return a

    ours = bp.compile(program)(x, values)
    expected, source = written(x, picked, values)
    np.testing.assert_array_equal(ours, expected)
    if not x.size or not picked.size:
        return
    weights = np.cos(np.arange(x.size)).reshape(x.shape)

    def f(a, v):
        return np.sum(np.sin(program(a, v)) * weights)

    slope = (np.cos(expected) * weights).ravel()
    toward_values = np.zeros(picked.size)
    toward_values[source[source >= 0]] = slope[source >= 0]
    by_x, by_values = bp.grad(f, argnums=(0, 1))(x, values)
    np.testing.assert_allclose(by_x.ravel(), np.where(source < 0, slope, 0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(by_values.ravel(), toward_values, rtol=1e-12, atol=1e-13)
    direction = np.sin(np.arange(picked.size) + 1).reshape(values.shape)
    along = bp.jvp(f, (x, values), (np.zeros_like(x), direction))[1]
    np.testing.assert_allclose(along, toward_values @ direction.ravel(), rtol=1e-12, atol=1e-12)
    bend = -(np.sin(expected) * weights).ravel()
    second = np.zeros(picked.size)
    second[source[source >= 0]] = bend[source >= 0]
    np.testing.assert_allclose(
        bp.hvp(f, argnums=1)(x, values, direction).ravel(), second * direction.ravel(),
        rtol=1e-12, atol=1e-13,
    )  # fmt: skip


UFUNC_AT = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "power": np.power, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


@SETTINGS
@given(array_and_index(), st.sampled_from(sorted(UFUNC_AT)))
def test_updates_with_repeated_positions(case, name):
    x, index, picked = case
    values = 0.5 + np.cos(np.arange(picked.size)).reshape(picked.shape) ** 2
    expected = x.copy()
    UFUNC_AT[name].at(expected.reshape(-1), picked.ravel(), values.ravel())

    def f(a, v):
        return getattr(a.at[index], name)(v)

    np.testing.assert_allclose(bp.compile(f)(x, values), expected, rtol=1e-13)
    if x.size and picked.size and name not in ("min", "max"):
        bp.check_grads(lambda a, v: np.sum(np.sin(f(a, v))), (x, values), order=1)


@SETTINGS
@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4).flatmap(
        lambda shape: st.tuples(
            st.just(shape),
            hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)),
        )
    ),
    st.data(),
)
def test_traced_positions(case, data):
    shape, arrays = case
    arrays = [
        a % n - data.draw(st.sampled_from([0, n])) for a, n in zip(arrays, shape, strict=True)
    ]
    arrays = arrays[: data.draw(st.integers(1, len(arrays)))]
    x = np.arange(1.0, np.prod(shape) + 1).reshape(shape) / 3
    index = tuple(arrays)
    np.testing.assert_array_equal(bp.compile(lambda a, *i: a[i])(x, *arrays), x[index])
    values = np.sqrt(np.arange(x[index].size) + 2.0).reshape(x[index].shape)
    picked = np.arange(x.size).reshape(shape)[index]
    expected, _ = written(x, picked, values)

    def assign(a, v, *i):
        a[i] = v
        return a

    np.testing.assert_array_equal(bp.compile(assign)(x, values, *arrays), expected)
    for name in ("add", "multiply"):
        expected = x.copy()
        UFUNC_AT[name].at(expected.reshape(-1), picked.ravel(), values.ravel())
        ours = bp.compile(lambda a, v, *i, name=name: getattr(a.at[i], name)(v))
        np.testing.assert_allclose(ours(x, values, *arrays), expected, rtol=1e-13)


@SETTINGS
@given(hnp.arrays(bool, hnp.array_shapes(max_dims=3, max_side=4, min_side=0)))
def test_masks(mask):
    x = np.arange(1.0, mask.size + 1).reshape(mask.shape)
    np.testing.assert_array_equal(bp.compile(lambda a: a[mask])(x), x[mask])
    wide = np.stack([x, -x], -1)
    np.testing.assert_array_equal(bp.compile(lambda a: a[mask, 1])(wide), wide[mask, 1])
    np.testing.assert_array_equal(bp.compile(lambda a: a[mask])(wide), wide[mask])
    expected = wide.copy()
    expected[mask] = [7.0, 8.0]

    def assign(a, m):
        a[m] = [7.0, 8.0]
        return a

    np.testing.assert_array_equal(bp.compile(lambda a: assign(a, mask))(wide), expected)
    np.testing.assert_array_equal(bp.compile(assign)(wide, mask), expected)


@pytest.mark.parametrize("flag", [True, False, np.True_, np.array(False)])
def test_bools_add_an_axis(flag):
    x = np.arange(6.0).reshape(2, 3)
    for index in (flag, (flag, 0), (slice(None), flag), (0, flag), (flag, [0, 1])):
        try:
            expected = x[index]
        except IndexError:
            with pytest.raises(IndexError):
                bp.compile(lambda a, index=index: a[index])(x)
            continue
        ours = bp.compile(lambda a, index=index: a[index])(x)
        assert ours.shape == expected.shape
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("bad", [4, -5, 2**40, -(2**63)])
def test_traced_positions_out_of_range_raise(bad):
    x, i = np.arange(4.0), np.array([0, bad])

    def assign(a, k):
        a[k] = 1.0
        return a

    calls = [
        lambda a, k: a[k], lambda a, k: a[k[1]], lambda a, k: np.take(a, k), assign,
        lambda a, k: a.at[k].set(0.0), lambda a, k: a.at[k].add(1.0),
        lambda a, k: a.at[k].multiply(2.0), lambda a, k: np.stack([a, a])[:, k],
        lambda a, k: np.stack([a, a])[0, k], lambda a, k: np.sin(a)[k] * 2,
        lambda a, k: bp.vmap(lambda j: a[j])(k), lambda a, k: bp.grad(lambda b: b[k].sum())(a),
    ]  # fmt: skip
    for backend in ("interpreter", "native"):
        for call in calls[: None if backend == "interpreter" else 4]:
            with pytest.raises(IndexError):
                bp.compile(call, backend=backend)(x, i)
    np.testing.assert_array_equal(bp.compile(calls[0])(x, np.array([-1, 3])), [3, 3])
