"""numpy.fft on values: every function against NumPy, derivatives, lengths of every kind."""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.primitives.fft import plan, roots

RNG = np.random.default_rng(11)
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 30, 49, 64, 77, 97, 100, 101,
           121, 128, 169, 202, 256, 343, 360, 509, 1000, 1024, 1155, 1536, 2003, 4096]  # fmt: skip


def values(shape, dtype=np.complex128):
    dtype = np.dtype(dtype)
    x = RNG.normal(size=shape)
    return (x + 1j * RNG.normal(size=shape) if dtype.kind == "c" else x).astype(dtype)


def close(found, expected, dtype=None, ulps=20):
    """Equal to some ulp of the norm, as transforms are."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    eps = np.finfo(found.dtype if dtype is None else dtype).eps
    bound = ulps * eps * np.sqrt(np.mean(np.abs(expected) ** 2)) if expected.size else 0
    assert np.max(np.abs(found - expected), initial=0) <= bound


@pytest.mark.parametrize("n", LENGTHS)
def test_lengths(n):
    for dtype in (np.complex128, np.complex64):
        z = values((2, n), dtype)
        exact = np.fft.fft(z.astype(np.clongdouble)).astype(np.complex128)
        found = bp.compile(np.fft.fft)(z)
        assert found.dtype == dtype
        close(found, exact.astype(dtype))
        close(bp.compile(np.fft.ifft)(found), z)
    x = values((2, n), np.float64)
    half = bp.compile(np.fft.rfft)(x)
    close(half, np.fft.rfft(x))
    close(bp.compile(lambda h: np.fft.irfft(h, n))(half), x)


def test_a_long_prime_and_a_long_power():
    for n in (1 << 16, 65537, 3 * 5 * 7 * 11 * 13):
        z = values(n)
        close(bp.compile(np.fft.fft)(z), np.fft.fft(z), ulps=60)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_axes_and_columns(axis):
    for shape in ((3, 8, 5), (2, 17, 40), (5, 6, 3), (101, 2, 3)):
        z = values(shape)
        close(bp.compile(lambda z: np.fft.fft(z, axis=axis))(z), np.fft.fft(z, axis=axis))
    wide = values((512, 300))
    close(bp.compile(lambda z: np.fft.fft(z, axis=0))(wide), np.fft.fft(wide, axis=0))
    wide = values((67, 900))
    close(bp.compile(lambda z: np.fft.fft(z, axis=0))(wide), np.fft.fft(wide, axis=0), ulps=40)


ONE = {
    "fft": (np.complex128, {}), "ifft": (np.complex128, {}), "rfft": (np.float64, {}),
    "irfft": (np.complex128, {}), "hfft": (np.complex128, {}), "ihfft": (np.float64, {}),
}  # fmt: skip


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ONE)
def test_one_axis(name, norm):
    function = getattr(np.fft, name)
    for shape, options in (
        ((6,), {}), ((7,), {}), ((4, 6), {"axis": 0}), ((5,), {"n": 8}), ((5,), {"n": 3}),
        ((2, 5), {"n": 9, "axis": -2}), ((3, 2), {"n": 1}),
    ):  # fmt: skip
        x = values(shape, ONE[name][0])
        found = bp.compile(lambda x, o=options: function(x, **o, norm=norm))(x)
        expected = function(x, **options, norm=norm)
        assert found.dtype == expected.dtype
        close(found, expected)
        close(getattr(bp.numpy.fft, name)(x, **options, norm=norm), expected)


MANY = ["fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn"]


@pytest.mark.parametrize("name", MANY)
def test_several_axes(name):
    function = getattr(np.fft, name)
    x = values((4, 5, 6), np.float64 if name.startswith("rfft") else np.complex128)
    for options in (
        {}, {"axes": (0, 2)}, {"s": (3, 8), "axes": (1, 2)}, {"norm": "ortho"},
        {"s": (3, 4), "axes": (2, 0), "norm": "forward"}, {"axes": (-1, 1)},
    ):  # fmt: skip
        close(bp.compile(lambda x, o=options: function(x, **o))(x), function(x, **options))


def test_shifts_and_frequencies():
    x = values((5, 4))
    for axes in (None, 0, (1,), (0, 1)):
        for name in ("fftshift", "ifftshift"):
            function = getattr(np.fft, name)
            np.testing.assert_array_equal(
                bp.compile(lambda x, f=function, a=axes: f(x, a))(x), function(x, axes)
            )
    np.testing.assert_array_equal(bp.numpy.fft.fftfreq(9, 0.5), np.fft.fftfreq(9, 0.5))
    np.testing.assert_array_equal(bp.numpy.fft.rfftfreq(8), np.fft.rfftfreq(8))


PROGRAMS = {
    "power spectrum": (np.float64, lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 4)),
    "convolution": (
        np.float64,
        lambda x: np.sum(np.sin(np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(x[::-1]), len(x)))),
    ),
    "phase": (np.complex128, lambda z: np.sum(np.angle(np.fft.fft(z) + 9) * np.arange(len(z)))),
    "inverse": (np.complex128, lambda z: np.sum(np.abs(np.fft.ifft(np.exp(z), 9)))),
    "hermitian": (np.complex128, lambda z: np.sum(np.fft.hfft(z, 8) ** 3)),
    "half inverse": (np.complex128, lambda z: np.sum(np.cos(np.fft.irfft(z)))),
    "two axes": (
        np.float64,
        lambda x: np.sum(np.abs(np.fft.fft2(x.reshape(2, -1) + 1j, norm="ortho") ** 2)),
    ),
    "shifted": (np.float64, lambda x: np.sum(np.abs(np.fft.fftshift(np.fft.ihfft(x))) ** 3)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives(name):
    dtype, function = PROGRAMS[name]
    x = values(6, dtype)
    bp.check_grads(function, (x,), order=2)
    np.testing.assert_allclose(bp.compile(function)(x), function(x), rtol=1e-12)
    single = x.astype(np.float32 if dtype == np.float64 else np.complex64)
    gradient = bp.grad(function)(single)
    assert gradient.dtype == single.dtype
    np.testing.assert_allclose(gradient, bp.grad(function)(x), rtol=2e-3, atol=2e-3)


def test_jacobian_is_the_matrix_of_the_transform():
    z = values(6)
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(6), np.arange(6)) / 6)
    for mode in ("forward", "reverse"):
        found = bp.jacobian(np.fft.fft, mode=mode, holomorphic=True)(z)
        np.testing.assert_allclose(found, matrix, atol=1e-14)
    _, pullback = bp.vjp(np.fft.rfft, values(6, np.float64))
    c = values(4)
    np.testing.assert_allclose(pullback(c)[0], (c @ matrix[:4]).real, atol=1e-13)


def test_in_loops_and_batches():
    x = values((3, 8), np.float64)
    found = bp.vmap(np.fft.rfft)(x)
    close(found, np.fft.rfft(x))
    found = bp.vmap(bp.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2)))(x)
    weights = np.array([1, 2, 2, 2, 1])
    expected = bp.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2))(x[1])
    np.testing.assert_allclose(found[1], expected, rtol=1e-12)
    assert weights.sum() == 8

    def filtered(x):
        def step(z, row):
            return np.fft.ifft(np.fft.fft(z) * 0.5 + np.fft.fft(row)), np.abs(z)

        z, sizes = bp.scan(step, np.zeros(8) + 0j, x)
        return np.sum(np.abs(z)) + np.sum(sizes)

    bp.check_grads(filtered, (x,), order=1)


def test_native_code_gives_the_same_bits():
    for n, dtype in ((12, np.complex128), (17, np.complex64), (7 * 11, np.complex128)):
        z = values((3, n), dtype)
        function = bp.value_and_grad(lambda z: np.sum(np.abs(np.fft.fft(z[1:]) * z[0].real) ** 2))
        native = bp.value_and_grad(
            lambda z: np.sum(np.abs(np.fft.fft(z[1:]) * z[0].real) ** 2), backend="native"
        )
        for found, expected in zip(native(z), function(z), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_tables_are_exact():
    for n in (5, 8, 12, 17, 1000):
        k = np.arange(n)
        angle = -2 * (4 * np.arctan(np.longdouble(1))) * k / np.longdouble(n)
        exact = np.cos(angle) + 1j * np.sin(angle)
        assert np.max(np.abs(roots(k, n) - exact)) < 1e-17
    assert plan(8, np.dtype(np.float64)).factors == (4, 2)
    assert plan(17, np.dtype(np.float64)).length >= 33


def test_refusals_and_empty_arrays():
    for call, error, text in (
        (lambda: bp.compile(np.fft.fft)(1.0), ValueError, "axis"),
        (lambda: bp.compile(np.fft.fft)(np.ones((2, 0))), ValueError, "data points"),
        (lambda: bp.compile(lambda x: np.fft.fft(x, -1))(np.ones(2)), ValueError, "data points"),
        (lambda: bp.compile(lambda x: np.fft.fft(x, axis=2))(np.ones(2)), ValueError, "axis"),
        (lambda: bp.compile(lambda x: np.fft.fft(x, norm="x"))(np.ones(2)), ValueError, "norm"),
        (lambda: bp.compile(np.fft.rfft)(np.ones(2) * 1j), TypeError, "rfft"),
        (lambda: bp.compile(np.fft.irfft)(np.ones(1)), ValueError, "data points"),
    ):
        with pytest.raises(error, match=text):
            call()
    assert bp.compile(np.fft.fft)(np.ones((0, 4))).shape == (0, 4)
    assert bp.compile(np.fft.fft)(np.ones(4, int)).dtype == complex
