"""Segments of rows: how rows are divided, and the same bits on any number of threads, interpreted
and native."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import native
from pybackprop.errors import UnsupportedError
from pybackprop.passes.segments import divide
from pybackprop.special import logsumexp

RNG = np.random.default_rng(12)


@pytest.fixture(scope="module", autouse=True)
def compiler(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYBACKPROP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PYBACKPROP_CFLAGS", "-O1")
        yield


BACKENDS = ["interpreter", "native"]


def skip_without_compiler(backend):
    if backend == "native":
        try:
            native.find_compiler()
        except UnsupportedError as missing:
            pytest.skip(str(missing))


@pytest.mark.parametrize("rows", [100, 1000, 1024, 4096, 10_000, 99_999, 10**6])
@pytest.mark.parametrize("extent", [8, 64, 144, 272, 1024])
@pytest.mark.parametrize("work", [10_000, 200_000, 10_000_000])
@pytest.mark.parametrize("sum_bytes", [0, 400, 140_000, 10**8])
def test_division(rows, extent, work, sum_bytes):
    if extent > rows:
        return
    segments, chosen = divide(rows, extent, work, sum_bytes)
    assert 1 <= segments <= 16 and segments * chosen <= rows
    assert 0.6 * extent <= chosen <= 1.25 * extent
    assert segments == 1 or work / segments > 7_500
    if work < 100_000 or sum_bytes == 10**8:
        assert segments == 1
    left = rows % (segments * chosen)
    if segments > 1 and rows >= 20 * segments * extent:
        assert left <= 0.1 * rows


def network(w, v, x, labels):
    hidden = np.tanh(x @ w)
    z = hidden @ v
    return np.mean(logsumexp(z, axis=1) - z[np.arange(x.shape[0]), labels])


def logistic(w, v, x, labels):
    z = x @ w @ v[0]
    return np.mean(np.logaddexp(0.0, z) - labels * z) + 0.5 * np.sum(w * w)


def rows_out(w, v, x, labels):
    """Row results and a scalar of the model inside."""
    z = np.exp(-((x @ w) ** 2)) * np.exp(v[0, 0])
    return np.sum(np.sin(z) * labels[:, None]) + np.sum(np.log1p(z) ** 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", [network, logistic, rows_out], ids=lambda f: f.__name__)
def test_same_bits_on_any_number_of_threads(function, backend):
    skip_without_compiler(backend)
    rows = 8211
    second = (16, 3) if function is network else (3, 16)
    arguments = (
        RNG.normal(size=(6, 16)) * 0.3, RNG.normal(size=second), RNG.normal(size=(rows, 6)),
        RNG.integers(0, 3, rows),
    )  # fmt: skip
    value, slopes = bp.value_and_grad(function, argnums=(0, 1, 2))(*arguments)
    for threads in (1, 2, 3):
        compiled = bp.value_and_grad(function, argnums=(0, 1, 2), threads=threads, backend=backend)
        for _ in range(3):
            other, others = compiled(*arguments)
            assert other == value
            for one, two in zip(slopes, others, strict=True):
                np.testing.assert_array_equal(one, two)
        assert "in parallel" in str(compiled.tape)


@pytest.mark.parametrize("backend", BACKENDS)
def test_failures_come_back_from_threads(backend):
    """An index out of range in one segment is the error of the call; the next call works."""
    skip_without_compiler(backend)
    rows = 20_000

    def picked(table, x, index):
        return np.sum(np.exp(np.sin(x)) * np.log1p(table[index] ** 2))

    compiled = bp.value_and_grad(picked, threads=2, backend=backend)
    table, x = RNG.normal(size=50), RNG.normal(size=rows)
    index = RNG.integers(0, 50, rows)
    good = compiled(table, x, index)
    broken = index.copy()
    broken[17_001] = 77
    with pytest.raises(IndexError, match="77"):
        compiled(table, x, broken)
    again = compiled(table, x, index)
    assert again[0] == good[0]
    np.testing.assert_array_equal(again[1], good[1])


def test_small_batches_of_heavy_rows_are_divided():
    shapes = [(64, 128), (128, 64), (64, 10)]
    weights = [RNG.normal(size=s) * 0.1 for s in shapes]
    x, labels = RNG.normal(size=(1024, 64)), RNG.integers(0, 10, 1024)

    def loss(weights, x, labels):
        for w in weights[:-1]:
            x = np.maximum(x @ w, 0.0)
        z = x @ weights[-1]
        return np.mean(logsumexp(z, axis=1) - z[np.arange(1024), labels])

    assert "in parallel" in str(bp.value_and_grad(loss).lower(weights, x, labels).tape)
