"""Arrays as they come: unaligned, read-only, of any order and stride, byte-swapped, empty, 0-d,
and of subclasses of ndarray. The same values as NumPy's, and the caller's array untouched.
"""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp

BASE = np.random.default_rng(3).uniform(0.2, 1.8, (4, 6))


class Tagged(np.ndarray):
    """A subclass without meaning of its own."""


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
    y = raw.view(x.dtype).reshape(x.shape)
    y[...] = x
    assert not y.flags.aligned or not x.nbytes or x.itemsize == 1
    return y


def read_only(x):
    y = x.copy()
    y.flags.writeable = False
    return y


def of_bytes(x):
    return np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)


def strided(x):
    wide = np.full(tuple(2 * n for n in x.shape), 99, x.dtype)
    part = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    part[...] = x
    return part


KINDS = {
    "plain": lambda x: x.copy(), "unaligned": unaligned, "read-only": read_only,
    "Fortran": np.asfortranarray, "strided": strided, "of bytes": of_bytes,
    "reversed": lambda x: x[(slice(None, None, -1),) * x.ndim].copy()[
        (slice(None, None, -1),) * x.ndim
    ],
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "subclass": lambda x: x.copy().view(Tagged),
    "overlapping": lambda x: np.lib.stride_tricks.as_strided(x.copy(), x.shape, x.strides),
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape) if x.ndim and len(x) else x,
    "memory map": lambda x: x.copy().view(np.memmap),
    "record field": lambda x: _field(x),
}  # fmt: skip


def _field(x):
    record = np.zeros(x.shape, [("a", np.int8), ("b", x.dtype)])
    record["b"] = x
    return record["b"]


def everything(x):
    y = np.sin(x) * x
    return y, y.sum(), x[..., ::-1] + 1, x.T @ x, np.sort(x, axis=-1), x > 1


def in_place(x):
    x[..., 0] *= 2
    x += 1
    return x


SHAPES = [(4, 6), (0, 3), (3, 0), (1, 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(kind, dtype):
    for shape in SHAPES:
        x = KINDS[kind](np.ascontiguousarray(BASE[: shape[0], : shape[1]]).astype(dtype))
        keep = np.array(x, dtype)
        for ours, theirs in zip(bp.compile(everything)(x), everything(keep), strict=True):
            assert type(ours) in (np.ndarray, np.dtype(dtype).type)
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-5 if dtype == np.float32 else 1e-13)
        np.testing.assert_array_equal(bnp.exp(x), bnp.exp(keep))
        np.testing.assert_array_equal(bnp.sum(x, axis=0), bnp.sum(keep, axis=0))
        g = bp.grad(lambda x: np.sum(np.sin(x) * 2))(x)
        np.testing.assert_allclose(g, 2 * np.cos(keep), rtol=1e-5)
        assert g.dtype == dtype
        np.testing.assert_array_equal(bp.vmap(lambda r: r * 2)(x), 2 * keep)
        if shape[1]:
            np.testing.assert_array_equal(bp.compile(in_place)(x), in_place(keep.copy()))
        np.testing.assert_array_equal(np.array(x, dtype), keep)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "broadcast"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64])
def test_integers(kind, dtype):
    x = KINDS[kind](np.arange(12).reshape(3, 4).astype(dtype))
    keep = np.array(x, dtype)

    def f(x):
        return x[::-1], x.sum(), x ^ x.T.reshape(3, 4), np.max(x, 1), x == 1

    for ours, theirs in zip(bp.compile(f)(x), f(keep), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("Fortran", "strided")])
def test_zero_dimensional(kind):
    x = KINDS[kind](np.array(0.7))
    y = bp.compile(lambda x: (np.sin(x), x * np.ones(2), x.reshape(1)))(x)
    np.testing.assert_allclose(y[0], np.sin(0.7), rtol=1e-15)
    assert y[1].shape == (2,) and y[2].shape == (1,)
    np.testing.assert_allclose(bp.grad(np.sin)(x), np.cos(0.7), rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_indices_of_any_kind(kind):
    i = KINDS[kind](np.array([[0, 3], [-1, 2]]))
    keep = np.array(i, np.int64)
    x = BASE[0]
    np.testing.assert_array_equal(bp.compile(lambda x, i: x[i])(x, i), x[keep])
    np.testing.assert_array_equal(bp.compile(lambda x: x[i])(x), x[keep])
    mask = KINDS[kind](x > 1) if kind != "broadcast" else x > 1
    np.testing.assert_array_equal(bp.compile(lambda x: x[mask])(x), x[np.array(mask)])


def test_results_are_the_callers():
    """What is returned may be written to, and shares no memory with arguments or other calls."""
    x = BASE.copy()
    f = bp.compile(lambda x: (x, x.T, x[0], np.broadcast_to(x[0], (2, 6)), np.zeros(3)))
    first, second = f(x), f(x)
    for a, b in zip(first, second, strict=True):
        assert a.flags.writeable
        assert not np.shares_memory(a, x) and not np.shares_memory(a, b)
        a[...] = -1
    np.testing.assert_array_equal(f(x)[4], 0)
    np.testing.assert_array_equal(x, BASE)


def test_bind_refuses_what_it_cannot_read_in_place():
    f = bp.compile(lambda x: x * 2)
    for kind in ("Fortran", "strided", "reversed", "byte-swapped"):
        with pytest.raises((ValueError, TypeError)):
            f.bind(KINDS[kind](BASE))
    bound = f.bind(read_only(BASE))
    np.testing.assert_array_equal(bound(), 2 * BASE)
    with pytest.raises((ValueError, TypeError)):
        f.bind(BASE.copy(), out=read_only(BASE))
