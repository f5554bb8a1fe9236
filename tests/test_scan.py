"""Loops: every kind of carry and output, in every direction and mode, against plain Python loops
over NumPy.

Each case is a function ``case(x, scan)``; with ``bp.scan`` it runs through the engine, with
:func:`loop` it is NumPy.
"""

import numpy as np
import pytest

import pybackprop as bp
from pybackprop._core import flatten_tree

X = np.random.default_rng(0).normal(size=6) * 0.7


def loop(f, init, xs=None, length=None, reverse=False):
    """What ``bp.scan`` means, for at least one step."""
    tree, leaves = flatten_tree(xs)
    length = leaves[0].shape[0] if leaves else length
    carry, ys = init, []
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = f(carry, tree.unflatten([a[i] for a in leaves]))
        ys.append(y)
    if reverse:
        ys.reverse()
    parts = [flatten_tree(y) for y in ys]
    columns = [np.stack([p[1][k] for p in parts]) for k in range(len(parts[0][1]))]
    return carry, parts[0][0].unflatten(columns)


def _flip(b):
    return not b if isinstance(b, (bool, np.bool_)) else ~b


def _two_loops(c, v, x, scan):
    d, ws = scan(lambda d, w: (np.sin(d * w + v), d * c), c * 0.3, x[:3])
    return d + np.sum(ws), ws


CASES = {
    "sum": lambda x, s: s(lambda c, v: (c + v * v, None), 0.0, x)[0],
    "outputs": lambda x, s: np.sum(s(lambda c, v: (c * v + 1.0, c), 1.0, x)[1] ** 2),
    "carry and outputs": lambda x, s: (lambda c, y: c * np.sum(y * x))(
        *s(lambda c, v: (np.sin(c) + v, np.cos(c)), 0.5, x)
    ),
    "carry used twice": lambda x, s: s(lambda c, v: (c * c * v + np.sin(c) + c, None), x[0], x)[0],
    "shift register": lambda x, s: (lambda c, y: c[0] * c[1] + c[2] + np.sum(np.sin(y)))(
        *s(lambda c, v: ((c[0] * v + c[2], c[0], c[1]), c[2]), (x[0], x[1], x[2]), x)
    ),
    "swap": lambda x, s: (lambda c, y: c[0] ** 2 * c[1] + np.sum(y * x))(
        *s(lambda c, v: ((c[1], c[0] * v), c[0] * c[1]), (x[0], 1.0), x)
    ),
    "pure swap": lambda x, s: (lambda c: c[0] ** 2 * c[1])(
        s(lambda c, v: ((c[1], c[0]), None), (x[0], x[3]), x)[0]
    ),
    "rotation": lambda x, s: (lambda c: c[0] ** 2 * c[1] + c[2] * 3)(
        s(lambda c, v: ((c[1], c[2], c[0]), None), (x[0], x[3], x[1] * x[0]), x)[0]
    ),
    "vector": lambda x, s: np.sum(s(lambda c, v: (np.tanh(c * v + x), c * x), x * 0.5, x)[0]),
    "vector outputs": lambda x, s: np.sum(
        s(lambda c, v: (np.tanh(c * v + x), c * x), x * 0.5, x)[1] ** 2
    ),
    "vectors that rotate": lambda x, s: (lambda c: np.sum(c[0] ** 2 * c[1] + c[2]))(
        s(lambda c, v: ((c[1], c[2] * v, c[0]), None), (x, x * x, np.sin(x)), x)[0]
    ),
    "matrix": lambda x, s: np.sum(
        s(lambda c, v: (np.tanh(c @ (np.outer(x, x) * 0.1) + v), np.sum(c)), np.outer(x, x), x)[0]
    ),
    "trees of slices": lambda x, s: np.sum(
        s(
            lambda c, v: (c * 0.5 + v["a"][0] @ v["a"][1], c),
            np.zeros(2),
            {"a": (x.reshape(3, 2), np.stack([x.reshape(3, 2)] * 2, 1) * x[0])},
        )[1]
        ** 2
    ),
    "trees of carries": lambda x, s: (lambda c, y: c["p"] * c["q"][0] + np.sum(y["u"]))(
        *s(
            lambda c, v: ({"p": c["p"] * v, "q": [c["q"][0] + c["p"]]}, {"u": c["q"][0]}),
            {"p": x[0], "q": [x[1]]},
            x,
        )
    ),
    "slices of captured arrays": lambda x, s: s(
        lambda c, v: (c * x[1] + x[2:4] @ x[3:5], None), x[0], None, 5
    )[0],
    "captured numbers": lambda x, s: (lambda k: s(lambda c, v: (c * k + v, None), x[0], x)[0])(
        np.sum(np.sin(x))
    ),
    "nested": lambda x, s: np.sum(
        s(lambda c, v: (s(lambda d, w: (d * w + v, None), c * 0.3, x[:3])[0], c), x[0], x)[1]
    ),
    "nested with outputs": lambda x, s: np.sum(s(lambda c, v: _two_loops(c, v, x, s), x[0], x)[1]),
    "nested over vectors": lambda x, s: np.sum(
        s(
            lambda c, v: (lambda d, ws: (d + np.sum(ws), ws))(
                *s(lambda d, w: (np.sin(d * w + v * x), d * c), c * 0.3, x[:3])
            ),
            x * 0.2,
            x,
        )[1]
    ),
    "integer carry": lambda x, s: (lambda c: c[1] * c[0])(
        s(lambda c, v: ((c[0] + 1, c[1] + v * c[0]), None), (0, 0.0), x)[0]
    ),
    "truth carry": lambda x, s: s(
        lambda c, v: ((_flip(c[0]), np.where(c[0], c[1] + v * v, c[1] * v)), None), (True, 1.0), x
    )[0][1],
    "truth outputs": lambda x, s: np.sum(
        np.where(s(lambda c, v: (c + v, (c + v > 0.1, c)), 0.0, x)[1][0], x, x * x)
    ),
    "where": lambda x, s: s(
        lambda c, v: (np.where(v > 0, c + np.log(np.where(v > 0, v, 1.0)), c * 0.5), None), x[0], x
    )[0],
    "where of vectors": lambda x, s: np.sum(
        s(lambda c, v: (np.where(c > v, c * v, c - v), np.maximum(c, v)), x, x)[1]
    ),
    "positions": lambda x, s: s(lambda c, v: (c * x[v], None), 1.0, np.array([0, 2, 1, 5]))[0],
    "carry that stays": lambda x, s: (lambda c, y: c[0] * np.sum(y))(
        *s(lambda c, v: ((c[0], c[1] * v), c[1] * c[0]), (x[0], x[1]), x)
    ),
    "carry that becomes a constant": lambda x, s: (lambda c, y: c[0] + np.sum(y))(
        *s(lambda c, v: ((2.5, c[0]), c[1] * v), (x[0], x[1]), x)
    ),
    "carry that becomes a slice": lambda x, s: (lambda c, y: c[0] * c[1] + np.sum(y))(
        *s(lambda c, v: ((v, c[0]), c[1] * v), (x[0], x[1]), x)
    ),
    "one result in many places": lambda x, s: (lambda c, y: c[0] * c[1] + np.sum(y[0] * y[1]))(
        *s(lambda c, v: (lambda n: ((n, n), (n, n)))(c[0] * v + c[1]), (x[0], x[1]), x)
    ),
    "slice as output": lambda x, s: (lambda y: np.sum(y[0] * y[1]))(
        s(lambda c, v: (c * v, (v, c)), x[0], x)[1]
    ),
    "carry of parts": lambda x, s: np.sum(
        s(lambda c, v: (np.concatenate([c[1:], c[:1] * v]), c[0]), x, x)[0] * x
    ),
    "carry shifted in place": lambda x, s: np.sum(
        s(lambda c, v: (np.concatenate([np.reshape(v * c[-1], (1,)), c[:-1]]), c[-1]), x, x)[1] * x
    ),
    "carry flipped": lambda x, s: np.sum(s(lambda c, v: (c[::-1] * v, c[0]), x, x)[0] * x),
    "sum of the carry and its flip": lambda x, s: np.sum(
        s(lambda c, v: ((c + c[::-1]) * 0.5 * v + x, None), x, x)[0] * x
    ),
    "carry flipped alone": lambda x, s: np.sum(s(lambda c, v: (c[::-1] * v, None), x, x)[0] * x),
    "carry transposed": lambda x, s: np.sum(
        s(lambda c, v: (c.T * 0.7 + c * v, c[0, 1]), np.outer(x, x * x), x)[1] * x
    ),
    "view of the carry as output": lambda x, s: np.sum(
        s(lambda c, v: (c * v + 0.1, c[1:4]), x, x)[1] ** 2
    ),
    "view of one carry becomes another": lambda x, s: (lambda c: np.sum(c[0] * c[1] * x))(
        s(lambda c, v: ((c[0] * v + c[1], c[0][::-1]), None), (x, x * 0.5), x)[0]
    ),
    "loop over a loop's outputs": lambda x, s: np.sum(
        s(lambda c, v: (c + v[0] * v[1], c), 0.0, (s(lambda c, v: (c * v, c), 1.0, x)[1], x))[1]
    ),
    "one step": lambda x, s: s(lambda c, v: (c * v, None), x[1], x[:1])[0],
    "flipped slices": lambda x, s: np.sum(s(lambda c, v: (c * v + 1.0, c), 1.0, x[::-1])[1] ** 2),
    "every second slice": lambda x, s: np.sum(
        s(lambda c, v: (c * v + 1.0, c), 1.0, x[::2])[1] ** 2
    ),
    "columns as slices": lambda x, s: np.sum(
        s(lambda c, v: (c * v, c + v), np.ones(3), x.reshape(3, 2).T)[1] ** 2
    ),
    "product of matrices": lambda x, s: np.sum(
        s(lambda c, v: (c @ x.reshape(2, 3).T @ x.reshape(2, 3) * 0.3 + v, c), x[:3], x)[1] ** 2
    ),
    "reduction inside": lambda x, s: np.sum(
        s(lambda c, v: (c - np.max(c) * 0.1 + np.mean(c * v), np.cumsum(c)), x, x)[1]
    ),
    "Runge-Kutta": lambda x, s: (lambda c: c[0] * c[1])(
        s(lambda c, _: (_runge_kutta(c, x), None), (x[0], x[1]), None, 12)[0]
    ),
}


def _runge_kutta(c, p):
    def slope(a, b):
        return p[2] * a - p[3] * a * b, p[4] * a * b - p[5] * b

    a, b = c
    h = 0.1
    k1 = slope(a, b)
    k2 = slope(a + h / 2 * k1[0], b + h / 2 * k1[1])
    k3 = slope(a + h / 2 * k2[0], b + h / 2 * k2[1])
    k4 = slope(a + h * k3[0], b + h * k3[1])
    return tuple(
        y + h / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
        for y, s1, s2, s3, s4 in zip(c, k1, k2, k3, k4, strict=True)
    )


def differences(f, x):
    """The gradient by central differences in extended precision."""
    h = np.longdouble(1e-6)
    result = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape, np.longdouble)
        e[i] = h
        result[i] = float((f(x + e) - f(x - e)) / (2 * h))
    return result


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", CASES)
def test_case(name, reverse):
    def run(x, scan):
        return CASES[name](x, lambda f, i, xs=None, length=None: scan(f, i, xs, length, reverse))

    def traced(x):
        return run(x, bp.scan)

    def plain(x):
        return run(x, loop)

    gradient = bp.grad(traced)
    value, found = bp.value_and_grad(traced)(X)
    np.testing.assert_allclose(value, plain(X), rtol=1e-12)
    wanted = differences(plain, X.astype(np.longdouble))
    scale = 1 + np.max(np.abs(wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * scale)
    _, forward = bp.jvp(traced, (X,), (np.ones(6),))
    np.testing.assert_allclose(forward, np.sum(found), rtol=1e-10, atol=1e-12)
    # Second order, forward over reverse and reverse over reverse.
    hessian = bp.hessian(traced)(X)
    np.testing.assert_allclose(
        bp.jacobian(gradient, mode="reverse")(X), hessian, rtol=1e-8, atol=1e-9 * scale
    )
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-8, atol=1e-9 * scale)
    h = 1e-4
    ways = [
        np.stack([(gradient(X + s * e) - gradient(X - s * e)) / (2 * s) for e in np.eye(6)])
        for s in (h, 2 * h)
    ]
    np.testing.assert_allclose(
        hessian, (4 * ways[0] - ways[1]) / 3, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(hessian)))
    )
    # Many at once.
    stack = np.stack([X, X * 0.9, X + 0.05])
    values, gradients = bp.vmap(bp.value_and_grad(traced))(stack)
    for i, row in enumerate(stack):
        np.testing.assert_allclose(values[i], plain(row), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(gradients[i], gradient(row), rtol=1e-9, atol=1e-11)


def test_stopped_carry_is_read_before_it_changes():
    def f(x, scan, stop):
        def step(c, v):
            old = stop(c)
            new = np.sin(c) * v
            return new * 1.5, np.sum(old * new)

        return np.sum(scan(step, x, x)[1])

    assert bp.compile(lambda x: f(x, bp.scan, bp.stop_gradient))(X) == pytest.approx(
        f(X, loop, lambda c: c)
    )


@pytest.mark.parametrize(
    "name", ["rotation", "shift register", "vector outputs", "nested over vectors"]
)
def test_float32(name):
    x = X.astype(np.float32)
    value, gradient = bp.value_and_grad(lambda x: CASES[name](x, bp.scan))(x)
    assert value.dtype == gradient.dtype == np.float32
    np.testing.assert_allclose(value, CASES[name](X, loop), rtol=1e-5)
    np.testing.assert_allclose(
        gradient, bp.grad(lambda x: CASES[name](x, bp.scan))(X), rtol=2e-5, atol=2e-5
    )


def test_third_order():
    def f(x):
        return bp.scan(lambda c, _: (np.sin(c) * x, None), x, None, 3)[0]

    third = bp.grad(bp.grad(bp.grad(f)))
    second = bp.grad(bp.grad(f))
    h = 1e-4
    assert third(0.8) == pytest.approx((second(0.8 + h) - second(0.8 - h)) / (2 * h), rel=1e-6)


def test_no_steps():
    carry, ys = bp.scan(lambda c, x: (c + x, {"a": c, "b": x}), 2.0, np.zeros(0))
    assert carry == 2.0 and ys["a"].shape == ys["b"].shape == (0,)
    value, slope = bp.value_and_grad(
        lambda x: (lambda c, y: c * 3 + np.sum(y))(
            *bp.scan(lambda c, v: (c * v, c), x, np.zeros(0))
        )
    )(2.0)
    assert value == 6.0 and slope == 3.0
    carry, ys = bp.scan(lambda c, _: (c * 2, c), np.ones(3), None, 0)
    np.testing.assert_array_equal(carry, np.ones(3))
    assert ys.shape == (0, 3)


def test_long_loop_needs_little_to_compile():
    f = bp.value_and_grad(
        lambda x: bp.scan(lambda c, _: (np.cos(c * x), None), 0.3, None, 100_000)[0]
    )
    short = bp.value_and_grad(
        lambda x: bp.scan(lambda c, _: (np.cos(c * x), None), 0.3, None, 10)[0]
    )
    assert f.lower(0.9).tape.n_instructions == short.lower(0.9).tape.n_instructions
    value, _ = f(0.9)
    c = 0.3
    for _ in range(100_000):
        c = np.cos(c * 0.9)
    assert value == pytest.approx(c, rel=1e-12)


def test_vmap_inside_scan():
    def f(x):
        row = bp.vmap(lambda a, b: np.sin(a) * b)
        return np.sum(bp.scan(lambda c, v: (row(c, x), np.sum(c) * v), x, x)[1])

    def plain(x):
        c, total = x, 0.0
        for v in x:
            total = total + np.sum(c) * v
            c = np.sin(c) * x
        return total

    value, gradient = bp.value_and_grad(f)(X)
    assert value == pytest.approx(plain(X))
    np.testing.assert_allclose(gradient, differences(plain, X.astype(np.longdouble)), rtol=1e-9)


def test_vmap_over_part_of_the_operands():
    def f(k, c, xs):
        return bp.scan(lambda c, v: (c * k + v, c), c, xs)

    for axes in ((0, None, None), (None, 0, None), (None, None, 0), (0, 0, None), (None, 0, 0)):
        arrays = [
            np.linspace(0.5, 1.5, 3) if axes[0] == 0 else 0.9,
            np.linspace(-1, 1, 3) if axes[1] == 0 else 0.3,
            np.random.default_rng(1).normal(size=(3, 4)) if axes[2] == 0 else X[:4],
        ]
        carry, ys = bp.vmap(f, in_axes=axes)(*arrays)
        for i in range(3):
            row = [a[i] if axis == 0 else a for a, axis in zip(arrays, axes, strict=True)]
            one, other = f(*row)
            np.testing.assert_allclose(carry[i], one, rtol=1e-14)
            np.testing.assert_allclose(ys[i], other, rtol=1e-14)


def test_gradient_inside_scan():
    """Descent by gradients taken inside of the loop, differentiated by the rate."""

    def f(rate):
        slope = bp.grad(lambda w: np.sum((w - 1) ** 4))
        return np.sum(bp.scan(lambda w, _: (w - rate * slope(w), None), np.zeros(2), None, 5)[0])

    def plain(rate):
        w = np.zeros(2, np.asarray(rate).dtype)
        for _ in range(5):
            w = w - rate * 4 * (w - 1) ** 3
        return np.sum(w)

    value, slope = bp.value_and_grad(f)(0.05)
    assert value == pytest.approx(plain(0.05))
    h = np.longdouble(1e-6)
    x = np.longdouble(0.05)
    assert slope == pytest.approx(float((plain(x + h) - plain(x - h)) / (2 * h)), rel=1e-9)


def test_integers_and_widening():
    carry, ys = bp.scan(lambda c, x: (c + x, c * 2), 0, np.arange(5))
    assert carry == 10 and carry.dtype == np.int64
    np.testing.assert_array_equal(ys, [0, 0, 2, 6, 12])
    # A Python number gives way to what the body makes of it.
    carry, _ = bp.scan(lambda c, x: (c + x, None), 0, np.ones(3, np.float32))
    assert carry == 3 and carry.dtype == np.float32
    carry, _ = bp.scan(lambda c, x: (c | (x > 2), None), False, np.arange(4))
    assert carry is np.True_ or bool(carry)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: bp.scan(3, 0.0, X), TypeError, "function"),
        (lambda: bp.scan(lambda c, x: c, 0.0, X), TypeError, "pair"),
        (lambda: bp.scan(lambda c, x: (c, None), 0.0), ValueError, "length"),
        (lambda: bp.scan(lambda c, x: (c, None), 0.0, X, 4), ValueError, "differ"),
        (lambda: bp.scan(lambda c, x: (c, None), 0.0, (X, X[:3])), ValueError, "differ"),
        (lambda: bp.scan(lambda c, x: (c, None), 0.0, None, -1), ValueError, "negative"),
        (lambda: bp.scan(lambda c, x: (c, None), 0.0, 3.0), TypeError, "leading axis"),
        (lambda: bp.scan(lambda c, x: ((c, c), None), 0.0, X), TypeError, "structure"),
        (lambda: bp.scan(lambda c, x: (c * X, None), 0.0, X), TypeError, "shape"),
        (
            lambda: bp.scan(lambda c, x: (c.astype(np.float32), None), np.zeros(2), X),
            TypeError,
            "float32|f32",
        ),
        (lambda: bp.scan(lambda c, x: (c, "y"), 0.0, X), TypeError, "part of y|str"),
        (
            lambda: bp.scan(lambda c, x: (c if c > 0 else x, None), 0.0, X),
            TypeError,
            "test_scan.py",
        ),
    ],
)
def test_misuse(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("backend", ["interpreter", "native"])
def test_truth_values_of_whole_numbers_in_frames(backend):
    """Such a truth value is made by an array instruction and kept as a number."""

    def f(x, n):
        def step(carry, k):
            v, before = carry
            hit = np.equal(k, n)
            some = np.any(np.array([1, 2]) * k == n)
            return (np.where(hit, v * 2, v + before * x) + some * x, hit), k > n

        (v, _), ys = bp.scan(step, (x, False), np.arange(5))
        return v + np.sum(ys) * x

    for n in (2, 4):
        value, slope = bp.value_and_grad(f, backend=backend)(1.5, n)
        np.testing.assert_allclose(value, f_expected(1.5, n), rtol=1e-15)
        np.testing.assert_allclose(slope, f_expected(1.0, n), rtol=1e-15)


def f_expected(x, n):
    v, before, later = x, False, 0
    for k in range(5):
        v = (v * 2 if k == n else v + before * x) + (n in (k, 2 * k)) * x
        before = k == n
        later += k > n
    return v + later * x


def test_determinant_of_one_complex_number():
    """Its derivative is a loop over one column."""
    a = np.array([[1 + 2j]])
    np.testing.assert_array_equal(bp.grad(np.linalg.det, holomorphic=True)(a.copy()), 1)
    gradient = bp.grad(lambda a: np.linalg.slogdet(a)[1])(a)
    np.testing.assert_allclose(gradient, 1 / a, rtol=1e-15)
