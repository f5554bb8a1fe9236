"""Small products, short rows, transposing copies: NumPy's values, both backends to the bit."""

import itertools

import numpy as np
import pytest

import pybackprop as bp

RNG = np.random.default_rng(40)


def both(function, *arguments):
    """The result of the interpreter, after a comparison with native code."""
    plain = bp.compile(function)(*arguments)
    native = bp.compile(function, backend="native")(*arguments)
    np.testing.assert_array_equal(np.asarray(native), np.asarray(plain))
    return plain


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.bool_])
@pytest.mark.parametrize("shape", [(70, 3), (9, 17), (5, 3, 70), (3, 40, 4), (2, 9, 7, 8), (8, 8)])
def test_transposing_copies(shape, dtype):
    x = RNG.integers(-100, 100, shape).astype(dtype)
    for axes in itertools.permutations(range(len(shape))):
        made = bp.compile(lambda x, axes=axes: np.transpose(x, axes))(x)
        np.testing.assert_array_equal(made, x.transpose(axes))


@pytest.mark.parametrize("shape", [(70, 3), (9, 17), (5, 3, 70), (2, 9, 10, 11)])
def test_transposed_sums_and_parts(shape):
    x = RNG.normal(size=shape)
    for axes in itertools.permutations(range(len(shape))):
        moved = x.transpose(axes)
        y = RNG.normal(size=moved.shape)
        made = bp.compile(lambda x, y, axes=axes: np.transpose(x, axes) + y)(x, y)
        np.testing.assert_array_equal(made, moved + y)
        made = bp.compile(lambda x, axes=axes: np.transpose(x, axes)[::-1, 1:])(x)
        np.testing.assert_array_equal(made, moved[::-1, 1:])
        # The transposed cotangent is added in place.
        slope = bp.grad(lambda x, y, axes=axes: np.sum(np.transpose(x, axes) * y) + np.sum(x**2))
        back = np.transpose(y, np.argsort(axes))
        np.testing.assert_allclose(slope(x, y), back + 2 * x, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_transposed_results_of_functions(dtype):
    for shape in ((20, 90), (9, 130), (70, 70), (3, 12, 40)):
        x = RNG.normal(size=shape).astype(dtype)
        made = both(lambda x: -np.exp(x).T, x)
        np.testing.assert_allclose(made, -np.exp(x).T, rtol=4 * np.finfo(dtype).eps)
        sides = both(lambda x: np.concatenate([-x, x * 2]).T, x)
        np.testing.assert_array_equal(sides, np.concatenate([-x, x * 2]).T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_small_products(dtype):
    for m, n, k in itertools.product((1, 2, 3, 4, 6, 8, 9), (1, 2, 3, 4, 5, 8, 12), (1, 3, 4, 9)):
        a, b = RNG.normal(size=(m, k)).astype(dtype), RNG.normal(size=(k, n)).astype(dtype)
        made = bp.compile(np.matmul)(a, b)
        assert made.dtype == dtype
        np.testing.assert_allclose(made, a @ b, rtol=0, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("m", "n", "k"), [(4, 4, 4), (3, 3, 3), (12, 4, 4), (2, 8, 5), (8, 3, 2)])
def test_stacks_of_small_products(m, n, k):
    a, b = RNG.normal(size=(3, 22, m, k)), RNG.normal(size=(22, k, n))
    made = both(np.matmul, a, b)
    np.testing.assert_allclose(made, a @ b, rtol=1e-14, atol=1e-14)
    # Transposed, shared and added up.
    turned = both(lambda a, b: np.swapaxes(a, -1, -2) @ a @ b, a[0], b)
    np.testing.assert_allclose(turned, np.swapaxes(a[0], -1, -2) @ a[0] @ b, rtol=1e-13, atol=1e-13)
    summed = both(lambda a, b: a[0] @ b + a[1] @ b, a, b)
    np.testing.assert_allclose(summed, a[0] @ b + a[1] @ b, rtol=1e-13, atol=1e-13)


def test_dots_of_broadcast_rows():
    a, v = RNG.normal(size=(20, 30, 3, 4)), RNG.normal(size=(30, 1, 4))
    made = both(lambda a, v: np.sum(a * v, -1), a, v)
    np.testing.assert_allclose(made, np.sum(a * v, -1), rtol=1e-13, atol=1e-13)
    slope = bp.grad(lambda a, v: np.sum(np.sin(np.sum(a * v, -1))), 1)
    expected = np.sum(np.cos(np.sum(a * v, -1))[..., None] * a, (0, 2))[:, None, :]
    np.testing.assert_allclose(slope(a, v), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [4, 7, 8, 13, 14, 16, 31])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_and_sums_of_short_rows(n, dtype):
    x, w = RNG.normal(size=(2, n)).astype(dtype)

    def recurrence(x, w):
        def step(carry, _):
            h, total = carry
            gate = 1 / (1 + np.exp(-(h * w)))
            h = gate * np.tanh(h + w) + (1 - gate) * np.sin(h)
            return (h, total + np.log(np.sum(np.exp(h))) + np.max(h) + np.sum(h * w)), h

        (h, total), rows = bp.scan(step, (x, x[0] * 0), None, length=6)
        return total + np.sum(h), rows

    plain = bp.compile(recurrence)(x, w)
    native = bp.compile(recurrence, backend="native")(x, w)
    for one, other in zip(plain, native, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == dtype
    h, total = x.copy(), dtype(0)
    for _ in range(6):
        gate = 1 / (1 + np.exp(-(h * w)))
        h = gate * np.tanh(h + w) + (1 - gate) * np.sin(h)
        total += np.log(np.sum(np.exp(h))) + np.max(h) + np.sum(h * w)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(plain[0], total + np.sum(h), rtol=500 * eps, atol=500 * eps)

    def loss(x, w):
        return recurrence(x, w)[0]

    slopes = [bp.grad(loss, (0, 1), backend=backend)(x, w) for backend in ("auto", "native")]
    for one, other in zip(*slopes, strict=True):
        np.testing.assert_array_equal(one, other)
    bp.check_grads(loss, (x.astype(np.float64), w.astype(np.float64)), order=1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_of_any_length(dtype):
    """Lanes in registers, lanes in place, blocks and their rests: the bits of the interpreter."""
    lengths = (3, 16, 17, 32, 47, 64, 128, 129, 255, 257, 497, 4095, 4096, 4097, 9000)
    rows = [(1 + 0.01 * RNG.normal(size=(2, n))).astype(dtype) for n in lengths]
    vectors = [RNG.normal(size=n).astype(dtype) for n in lengths]

    def sums(rows, vectors):
        made = []
        for x, y in zip(rows, vectors, strict=True):
            z = x - y
            made += [np.sum(x, 1), np.prod(x, 1), x @ y, np.sum(z * x, 1), np.sum(z, 1)]
            made += [np.max(z, 1), np.min(x, 1)]
        return made

    plain = bp.compile(sums)(rows, vectors)
    native = bp.compile(sums, backend="native")(rows, vectors)
    for a, b, expected in zip(plain, native, sums(rows, vectors), strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, expected, rtol=300 * np.finfo(dtype).eps, atol=1e-3)


def test_results_in_the_place_of_operands():
    """Joined loops write over what they read last, but not over what another element reads."""
    x, w, v = RNG.normal(size=(40, 30)), RNG.normal(size=(30, 50)), RNG.normal(size=50)

    def chain(x, w, v):
        y = x @ w - v
        z = np.exp(0.01 * y) * np.sum(y * y, 1, keepdims=True)
        turned = np.sin(1e-4 * (z @ w.T)) + np.tanh(x)
        return (turned[1:] - turned[:-1]) @ w, (y * np.cumsum(z, 1)) @ w.T

    for made, known in zip(both_of(chain, x, w, v), chain(x, w, v), strict=True):
        np.testing.assert_allclose(made, known, rtol=1e-11, atol=1e-11)
    for made in both_of(bp.grad(lambda *a: sum(np.sum(r) for r in chain(*a))), x, w, v):
        assert np.all(np.isfinite(made))


def both_of(function, *arguments):
    """As ``both``, of several results."""
    plain = bp.compile(function)(*arguments)
    native = bp.compile(function, backend="native")(*arguments)
    plain, native = (r if isinstance(r, (tuple, list)) else [r] for r in (plain, native))
    for a, b in zip(plain, native, strict=True):
        np.testing.assert_array_equal(np.asarray(b), np.asarray(a))
    return plain


@pytest.mark.parametrize("n", [2, 3, 10, 15])
def test_many_short_rows_side_by_side(n):
    x, y = RNG.normal(size=(2, 6, 50, n))
    for function in (np.sum, np.prod, np.max, np.min):
        for a in (x, x[:, ::2], x[..., ::-1]):
            made = both(lambda a, function=function: function(a, -1), a)
            np.testing.assert_allclose(made, function(a, -1), rtol=1e-13, atol=1e-14)
    made = both(lambda x, y: np.sum(x * y, -1), x, y)
    np.testing.assert_allclose(made, np.sum(x * y, -1), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_stacks_of_narrow_products_of_one_matrix(dtype):
    """They are done together: the bits of each alone, the last rows of a block included."""
    for m, n, k, count in itertools.product((16, 64, 65, 66, 130), (2, 3, 8), (2, 12, 64), (2, 9)):
        a = RNG.normal(size=(m, k)).astype(dtype)
        b = RNG.normal(size=(count, k, n)).astype(dtype)
        made = bp.compile(np.matmul)(a, b)
        alone = bp.compile(np.matmul)
        for i in range(count):
            np.testing.assert_array_equal(made[i], alone(a, b[i]))
        exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
        np.testing.assert_allclose(made, exact, rtol=0, atol=k * 8 * np.finfo(dtype).eps)
        turned = bp.compile(lambda a, b: a @ np.swapaxes(b, 1, 2))(a, np.swapaxes(b, 1, 2).copy())
        np.testing.assert_array_equal(turned, made)
        by_columns = bp.compile(lambda a, b: a.T @ b)(a.T.copy(), b)
        np.testing.assert_array_equal(by_columns, made)
        added = bp.compile(lambda a, b, c: c + a @ b)(a, b, made)
        np.testing.assert_allclose(added, 2 * made, rtol=8 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_times_a_small_square_matrix(dtype):
    for m, k in itertools.product((8, 15, 16, 32, 33, 100), (2, 3, 4)):
        a, b, c = (RNG.normal(size=s).astype(dtype) for s in ((m, k), (k, k), (m, k)))
        for function in (lambda a, b, c: a @ b, lambda a, b, c: a @ b.T, lambda a, b, c: c + a @ b):
            made, pairs = both(function, a, b, c), bp.compile(function)
            for i in range(0, m - 1, 2):
                two = slice(i, i + 2)
                np.testing.assert_array_equal(made[two], pairs(a[two], b, c[two]))
            exact = function(*(v.astype(np.longdouble) for v in (a, b, c)))
            np.testing.assert_allclose(made, exact, rtol=0, atol=32 * np.finfo(dtype).eps)
