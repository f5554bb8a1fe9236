"""Batching rules: vmap of every primitive against a Python loop, one and two levels deep, for each
choice of batched operands."""

import itertools

import numpy as np
import pytest
from samples import ALL, SAMPLES

import pybackprop as bp
from pybackprop.compiled import Compiled

SIZE = 3


def variants(array, count=SIZE):
    """The array and others like it, stacked; values stay in the primitive's domain."""
    if array.dtype.kind == "f":
        return np.stack([array * (1 - 0.03 * k) for k in range(count)])
    if array.ndim and array.shape[-1] > 1:
        return np.stack([np.roll(array, k, -1) for k in range(count)])
    return np.stack([array] * count)


def unpack(result):
    return list(result) if isinstance(result, tuple) else [result]


def choices(count):
    """Which operands are batched: each alone, all; two of the mixed ones if there are many."""
    flags = [f for f in itertools.product([True, False], repeat=count) if any(f)]
    return flags if count <= 3 else [flags[0], flags[5], flags[-1]]


def check(sample, axes):
    arrays = [
        (a if axis is None else np.stack([a] * SIZE) if i in sample.fixed else variants(a))
        for i, (a, axis) in enumerate(zip(sample.arrays, axes, strict=True))
    ]
    single = Compiled(sample.apply)
    wanted = [
        unpack(
            single(*[a[i] if axis is not None else a for a, axis in zip(arrays, axes, strict=True)])
        )
        for i in range(SIZE)
    ]
    found = unpack(bp.vmap(sample.apply, in_axes=tuple(axes))(*arrays))
    for k, result in enumerate(found):
        reference = np.stack([w[k] for w in wanted])
        assert result.shape == reference.shape and result.dtype == reference.dtype
        close(result, reference)


def close(result, reference):
    if reference.dtype.kind == "f":
        np.testing.assert_allclose(result, reference, rtol=1e-13, atol=1e-13)
    else:
        np.testing.assert_array_equal(result, reference)


def thinned(samples):
    """Not all the integer dtypes, which share their rules."""
    return [s for s in samples if s.arrays[0].dtype.kind in "bf" or s.arrays[0].dtype == np.int64]


@pytest.mark.parametrize("sample", thinned(ALL), ids=repr)
def test_batch(sample):
    for flags in choices(len(sample.arrays)):
        check(sample, [0 if flag else None for flag in flags])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_nested(name):
    sample = max(thinned(SAMPLES[name]), key=lambda s: (s.arrays[0].ndim, s.arrays[0].size < 300))
    arrays = [
        np.stack([np.stack([a] * 2)] * SIZE)
        if i in sample.fixed
        else variants(variants(a, 2), SIZE)
        for i, a in enumerate(sample.arrays)
    ]
    single = Compiled(sample.apply)
    found = unpack(bp.vmap(bp.vmap(sample.apply))(*arrays))
    for i, j in itertools.product(range(SIZE), range(2)):
        for k, wanted in enumerate(unpack(single(*[a[i, j] for a in arrays]))):
            close(found[k][i, j], np.asarray(wanted))
    # The inner level over the first operand only, the outer over the others.
    if len(arrays) > 1:
        inner = bp.vmap(sample.apply, in_axes=(0,) + (None,) * (len(arrays) - 1))
        outer = bp.vmap(inner, in_axes=(None,) + (0,) * (len(arrays) - 1))
        mixed = [variants(a, 2 if k == 0 else SIZE) for k, a in enumerate(sample.arrays)]
        found = unpack(outer(*mixed))
        for i, j in itertools.product(range(SIZE), range(2)):
            operands = [mixed[0][j]] + [a[i] for a in mixed[1:]]
            for k, wanted in enumerate(unpack(single(*operands))):
                close(found[k][i, j], np.asarray(wanted))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes(axis, out):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = bp.vmap(lambda r: np.sin(r) * r.shape[0], in_axes=axis, out_axes=out)(x)
    wanted = np.moveaxis(np.sin(x) * np.moveaxis(x, axis, 0).shape[1], axis, 0)
    np.testing.assert_allclose(found, np.moveaxis(wanted, 0, out), rtol=1e-14)


def test_trees_and_shared_arguments():
    rng = np.random.default_rng(1)
    p = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=(5, 2))}
    x = rng.normal(size=(5, 3))

    def layer(p, x):
        return {"y": np.tanh(x @ p["w"] + p["b"]), "n": np.sum(x)}

    found = bp.vmap(layer, in_axes=({"w": None, "b": 0}, 0))(p, x)
    np.testing.assert_allclose(found["y"], np.tanh(x @ p["w"] + p["b"]), rtol=1e-14)
    np.testing.assert_allclose(found["n"], x.sum(1), rtol=1e-14)


def test_result_without_batch_is_repeated():
    found = bp.vmap(lambda x: (x, 3.0, np.arange(2.0)))(np.arange(4.0))
    np.testing.assert_array_equal(found[2], np.tile(np.arange(2.0), (4, 1)))


@pytest.mark.parametrize(
    ("axes", "arrays", "error"),
    [
        ((0, 0), (np.zeros(3), np.zeros(4)), ValueError),
        ((None, None), (np.zeros(3), np.zeros(4)), ValueError),
        ((0,), (np.zeros(3), np.zeros(4)), ValueError),
        (2, (np.zeros(3), np.zeros(3)), np.exceptions.AxisError),
        ("0", (np.zeros(3), np.zeros(3)), TypeError),
    ],
)
def test_bad_axes(axes, arrays, error):
    with pytest.raises(error):
        bp.vmap(lambda a, b: a, in_axes=axes)(*arrays)
