"""Awkward points: kinks and ties by the stated conventions, signed zeros, infinities, NaN, and
selections that must not leak."""

import numpy as np
import pytest

import pybackprop as bp

NAN, INF = np.nan, np.inf


def slopes(function, *xs):
    """The derivative by each argument, elementwise, by both modes, which must agree."""
    xs = [np.array(x, float) for x in xs]
    reverse = bp.grad(lambda *a: np.sum(function(*a)), argnums=tuple(range(len(xs))))(*xs)
    for k, x in enumerate(xs):
        seeds = tuple(np.ones_like(y) if i == k else np.zeros_like(y) for i, y in enumerate(xs))
        _, forward = bp.jvp(function, tuple(xs), seeds)
        # A tangent of 0 times a slope that is infinite or NaN is NaN, so only the rest can be
        # compared.
        if np.shape(forward) == x.shape:
            both = np.isfinite(forward) & np.isfinite(reverse[k])
            np.testing.assert_allclose(forward[both], reverse[k][both], rtol=1e-14, atol=1e-300)
    return reverse if len(xs) > 1 else reverse[0]


@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (np.abs, [0.0, -0.0, -2.0, 3.0], [0, 0, -1, 1]),
        (np.fabs, [0.0, -2.0], [0, -1]),
        (np.sign, [0.0, -2.0, 5.0], [0, 0, 0]),
        (np.floor, [1.0, 1.5], [0, 0]),
        (np.ceil, [1.0, 1.5], [0, 0]),
        (np.trunc, [1.0, -1.5], [0, 0]),
        (np.rint, [0.5, 1.2], [0, 0]),
        (lambda x: x // 2, [4.0, 5.0], [0, 0]),
        (lambda x: x % 2, [4.0, 5.5], [1, 1]),
        (lambda x: np.maximum(x, 0), [0.0, -1.0, 2.0], [0.5, 0, 1]),
        (lambda x: np.minimum(x, 0), [0.0, -1.0, 2.0], [0.5, 1, 0]),
        (lambda x: np.clip(x, 0, 1), [0.0, 1.0, 0.5, -1, 2], [0.5, 0.5, 1, 0, 0]),
        (bp.relu, [0.0, -0.0, -1.0, 2.0], [0, 0, 0, 1]),
        (np.sqrt, [0.0, 4.0], [INF, 0.25]),
        (np.cbrt, [0.0, 8.0, -8.0], [INF, 1 / 12, 1 / 12]),
        (np.log, [0.0, 2.0], [INF, 0.5]),
        (np.arcsin, [1.0, 0.0], [INF, 1]),
        (lambda x: x**0, [0.0, 2.0], [0, 0]),
        (lambda x: x**1, [0.0, 2.0], [1, 1]),
        (lambda x: x**2, [0.0, 2.0], [0, 4]),
        (lambda x: x**3, [0.0, -2.0], [0, 12]),
        (lambda x: x**-1, [2.0, -2.0], [-0.25, -0.25]),
        (lambda x: np.power(x, 0.0), [0.0, 2.0], [0, 0]),
        (lambda x: np.power(x, 2.5), [0.0, 4.0], [0, 20]),
        (lambda x: np.power(2.0, x), [0.0, 1.0], [np.log(2), 2 * np.log(2)]),
        (lambda x: np.power(0.0, x), [1.0, 2.0], [0, 0]),
        (lambda x: np.logaddexp(x, x), [1.0, -3.0], [1, 1]),
        (bp.softplus, [800.0, -800.0, 0.0], [1, 0, 0.5]),
        (bp.sigmoid, [800.0, -800.0, 0.0], [0, 0, 0.25]),
        (np.tanh, [800.0, -800.0, 0.0], [0, 0, 1]),
        (lambda x: np.prod(np.stack([x, x * 0 + 3, x]), 0), [0.0, 2.0], [0, 12]),
        (lambda x: np.where(x > 0, x * x, -x), [0.0, 2.0, -1.0], [-1, 4, -1]),
    ],
)
def test_kinks(function, x, slope):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(slopes(function, x), slope, rtol=1e-13)


@pytest.mark.parametrize(
    ("function", "a", "b", "toward_a", "toward_b"),
    [
        (np.maximum, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [0.5, 0, 1], [0.5, 1, 0]),
        (np.minimum, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [0.5, 1, 0], [0.5, 0, 1]),
        (np.maximum, [0.0], [-0.0], [0.5], [0.5]),
        (np.maximum, [NAN, 1.0, INF], [1.0, NAN, INF], [1, 0, 0.5], [0, 1, 0.5]),
        (np.power, [0.0, -2.0, 2.0], [2.0, 3.0, 0.0], [0, 12, 0], [0, NAN, np.log(2)]),
        (np.copysign, [2.0, -3.0], [-1.0, 1.0], [-1, -1], [0, 0]),
        (np.hypot, [3.0], [4.0], [0.6], [0.8]),
        (np.remainder, [7.5, -7.5], [2.0, 2.0], [1, 1], [-3, 4]),
        (np.fmod, [7.5, -7.5], [2.0, 2.0], [1, 1], [-3, 3]),
        (np.nextafter, [1.0], [2.0], [1], [0]),
    ],
)
def test_kinks_of_two(function, a, b, toward_a, toward_b):
    with np.errstate(all="ignore"):
        found = slopes(function, a, b)
    np.testing.assert_allclose(found[0], toward_a, rtol=1e-13)
    np.testing.assert_allclose(found[1], toward_b, rtol=1e-13)


@pytest.mark.parametrize("function", [np.max, np.min])
def test_ties_of_extremes_share(function):
    x = np.array([[2.0, 1.0, 2.0], [3.0, 3.0, 3.0], [1.0, 2.0, 0.0]])
    found = bp.grad(lambda x: np.sum(function(x, axis=1)))(x)
    hits = x == function(x, axis=1, keepdims=True)
    np.testing.assert_allclose(found, hits / hits.sum(1, keepdims=True))
    assert np.isnan(function(bp.compile(lambda x: x)(np.array([1.0, NAN]))))


def test_clip_bounds():
    low, high = slopes(lambda a, b: np.clip(np.array([-1.0, 0.5, 2.0]), a, b), 0.0, 1.0)
    assert (low, high) == (1.0, 1.0)


def test_extreme_of_nan():
    value, slope = bp.value_and_grad(np.max)(np.array([1.0, NAN, 3.0]))
    assert np.isnan(value)
    np.testing.assert_array_equal(slope, [0, 1, 0])


def test_prod_with_zeros():
    np.testing.assert_array_equal(bp.grad(np.prod)(np.array([2.0, 0.0, 3.0])), [0, 6, 0])
    np.testing.assert_array_equal(bp.grad(np.prod)(np.array([2.0, 0.0, 0.0])), [0, 0, 0])
    second = bp.hessian(np.prod)(np.array([2.0, 0.0, 0.0]))
    np.testing.assert_array_equal(second, [[0, 0, 0], [0, 0, 2], [0, 2, 0]])
    found = bp.grad(lambda x: np.sum(np.cumprod(x)))(np.array([2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(found, [1, 8, 0])


# ---- selections ---------------------------------------------------------------------------------

SELECTIONS = {
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), lambda x: 0.5 / np.sqrt(x)),
    "log": (lambda x: np.where(x > 0, np.log(x), 0.0), lambda x: 1 / x),
    "reciprocal": (lambda x: np.where(x > 0, 1 / x, 0.0), lambda x: -1 / x**2),
    "divide": (
        lambda x: np.where(x > 0, np.sin(x) / x, 0.0),
        lambda x: np.cos(x) / x - np.sin(x) / x**2,
    ),
    "power": (lambda x: np.where(x > 0, x**0.3, 0.0), lambda x: 0.3 * x**-0.7),
    "power of itself": (
        lambda x: np.where(x > 0, np.power(x, x), 0.0),
        lambda x: x**x * (np.log(x) + 1),
    ),
    "log1p": (lambda x: np.where(x > 0, np.log1p(x - 1), 0.0), lambda x: 1 / x),
    "arccosh": (
        lambda x: np.where(x > 0, np.arccosh(1 + x), 0.0),
        lambda x: 1 / np.sqrt(x * (2 + x)),
    ),
    "chain": (
        lambda x: np.where(x > 0, np.exp(-np.sqrt(x) * 2), 0.0),
        lambda x: -np.exp(-2 * np.sqrt(x)) / np.sqrt(x),
    ),
    "hypot": (lambda x: np.where(x > 0, np.hypot(x, x * 0), 0.0), lambda x: x * 0 + 1),
    "norm": (lambda x: np.where(x > 0, np.sqrt(x * x + 0.0), 0.0), lambda x: x * 0 + 1),
    "maximum": (lambda x: np.sqrt(np.maximum(x, 0.0) + 0.0) * (x > 0), None),
}


@pytest.mark.parametrize("name", [n for n in SELECTIONS if n != "maximum"])
@pytest.mark.parametrize("inside", ["plain", "scan", "around scan", "vmap"])
def test_where_does_not_leak(name, inside):
    function, slope = SELECTIONS[name]
    x = np.array([0.0, -0.0, 2.0, 0.5, -1.0, -3.0])
    taken = x > 0
    with np.errstate(all="ignore"):
        wanted = np.where(taken, slope(x), 0.0)
        h = 1e-5
        second = np.where(taken, (slope(x + h) - slope(x - h)) / (2 * h), 0.0)
    total = {
        "plain": lambda x: np.sum(function(x)),
        "scan": lambda x: bp.scan(lambda c, v: (c + function(v), None), 0.0, x)[0],
        # The loop computes the branch that is not taken: 0 / 0 and worse inside.
        "around scan": lambda x: np.sum(
            np.where(
                x > 0,
                bp.scan(lambda c, v: (c, function(v) + np.sqrt(v) - np.sqrt(v)), 0.0, x)[1],
                0.0,
            )
        ),
        "vmap": lambda x: np.sum(bp.vmap(function)(x)),
    }[inside]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(bp.grad(total)(x), wanted, rtol=1e-10, atol=1e-12)
        found = bp.hessian(total)(x)
        np.testing.assert_allclose(np.diag(found), second, rtol=1e-5, atol=1e-5)
        assert np.isfinite(found).all()
        reverse = bp.jacobian(bp.grad(total), mode="reverse")(x)
        np.testing.assert_allclose(reverse, found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        np.tanh,
        bp.sigmoid,
        bp.softplus,
        np.abs,
        np.sign,
        np.sin,
        np.exp,
        np.cosh,
        bp.special.erf,
        bp.relu,
        np.arctan,
        np.square,
        lambda v: v**3,
        lambda v: np.maximum(v, 0.3),
        lambda v: v * v,
        lambda v: np.hypot(v, 2.0),
        lambda v: np.arctan2(v, 2.0),
        lambda v: np.power(2.0, v),
        lambda v: np.where(v > 0.2, v, v * v),
        lambda v: np.logaddexp(v, 0.0),
        lambda v: v / (1 + v * v),
    ],
)
def test_bounded_functions_of_nan_do_not_leak(function):
    """A bounded slope is NaN as well where its argument is."""
    x = np.array([2.0, -1.0, 0.0])

    def f(x):
        return np.sum(np.where(x > 0, function(np.log(x) * 1.0), 0.0))

    with np.errstate(all="ignore"):
        gradient = bp.grad(f)
        found = gradient(x)
        assert found[1] == found[2] == 0
        alone = bp.grad(lambda x: np.sum(function(np.log(x) * 1.0)))
        np.testing.assert_allclose(found[0], alone(x[:1])[0], rtol=1e-14)
        for second in (bp.hessian(f)(x), bp.jacobian(gradient, mode="reverse")(x)):
            assert not second[1:].any() and not second[:, 1:].any()
            np.testing.assert_allclose(second[0, 0], bp.jacobian(alone)(x[:1])[0, 0], rtol=1e-12)


@pytest.mark.parametrize("first", ["loop", "plain"])
def test_selection_in_a_later_loop_does_not_leak(first):
    x = np.array([4.0, 0.0, -1.0])

    def f(x):
        if first == "loop":
            y = bp.scan(lambda c, v: (c, np.sqrt(v)), 0.0, x)[1]
        else:
            y = np.sqrt(x)
        return bp.scan(
            lambda c, v: (c + np.where(v[1] > 0, v[0] ** 2 * v[0], 0.0), None), 0.0, (y, x)
        )[0]

    with np.errstate(all="ignore"):
        np.testing.assert_allclose(bp.grad(f)(x), [3.0, 0, 0], rtol=1e-13)
        np.testing.assert_allclose(bp.hessian(f)(x), np.diag([0.375, 0, 0]), rtol=1e-12)
        second = bp.jacobian(bp.grad(f), mode="reverse")(x)
        np.testing.assert_allclose(second, np.diag([0.375, 0, 0]), rtol=1e-12)


def test_selection_in_a_later_step_does_not_leak():
    """The zero that one step's selection makes meets an infinite slope of the step before it."""

    def f(a):
        def step(c, v):
            p, q = c
            return (np.sqrt(q), np.where(v > 0, p, 1.0)), None

        (_, q), _ = bp.scan(step, (a, a), np.array([1.0, -1.0]))
        return q

    with np.errstate(all="ignore"):
        value, slope = bp.value_and_grad(f)(0.0)
        assert value == 1.0 and slope == 0.0
        assert bp.grad(bp.grad(f))(0.0) == 0.0


def test_third_order_does_not_leak():
    def f(x):
        return np.sum(np.where(x > 0, np.sqrt(x), 0.0))

    x = np.array([0.0, 4.0, -1.0])
    third = bp.grad(lambda x: np.sum(bp.grad(lambda x: np.sum(bp.grad(f)(x)))(x)))(x)
    np.testing.assert_allclose(third, [0, 3 / 8 * 4**-2.5, 0], rtol=1e-12)


def test_guards_of_selections_by_other_means():
    x = np.array([0.0, 2.0, -1.0])
    with np.errstate(all="ignore"):
        found = bp.grad(lambda x: np.sum(np.minimum(np.sqrt(np.abs(x)), 1e9) * 0 + bp.relu(x)))(
            x[1:]
        )
        np.testing.assert_array_equal(found, [1, 0])
        found = bp.grad(lambda x: np.max(np.where(x > 0, np.log(x), -5.0)))(x)
        np.testing.assert_allclose(found, [0, 0.5, 0])
        found = bp.grad(lambda x: np.sum(np.clip(np.log(x), -1.0, 1e9)))(np.array([0.0, 2.0]))
        np.testing.assert_allclose(found, [0, 0.5])


def test_genuine_nan_stays():
    with np.errstate(all="ignore"):
        assert np.isnan(bp.grad(lambda x: x * np.log(x))(-1.0))
        assert np.isnan(bp.compile(lambda x: np.where(x < 0, np.log(x), 0.0))(-1.0))
        assert np.isnan(bp.compile(lambda x: x * 0.0)(NAN))
        assert np.isnan(bp.compile(lambda x: x - x)(INF))


# ---- zeros, infinities, empty -------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 0.0,
        lambda x: 0.0 + x,
        lambda x: x - 0.0,
        lambda x: x * 1.0,
        lambda x: np.negative(-x),
        lambda x: x * 0.0,
        lambda x: x / 1.0,
        lambda x: x * -1.0,
        lambda x: 1 / x,
        lambda x: x / x,
        lambda x: x - x,
        lambda x: np.abs(x),
        lambda x: np.sqrt(x),
        lambda x: -x * 2.0,
        lambda x: x / 4.0,
        lambda x: 0.0 - x,
        lambda x: x**1,
        lambda x: x**2,
        lambda x: x**0,
        lambda x: x + (-x),
        lambda x: np.minimum(x, INF),
        lambda x: np.maximum(x, x),
        lambda x: np.where(x == x, x, 7.0),
        lambda x: (x * 3.0) * 2.0,
        lambda x: x * INF,
        lambda x: np.copysign(1.0, x),
        np.signbit,
        np.sign,
        lambda x: x.astype(np.float32),
        lambda x: np.exp(x),
        lambda x: np.tanh(x),
        lambda x: np.arctan(x),
        lambda x: x / 0.0,
        lambda x: x % 3.0,
        lambda x: x // 3.0,
        lambda x: np.rint(x) + 0.0,
        lambda x: -(x * 2.0 - 1.0),
        lambda x: 2.0 - (x + 0.0) * -1.0,
        lambda x: -(x - 1.0),
    ],
)
def test_special_values_survive_the_passes(function):
    x = np.array([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 5e-324, 1.7e308, 0.3, 3.0])
    with np.errstate(all="ignore"):
        wanted = function(x)
        for found in (bp.compile(function)(x), np.array([bp.compile(function)(v) for v in x])):
            np.testing.assert_allclose(found, wanted, rtol=1e-15)
            if wanted.dtype.kind == "f":
                number = ~np.isnan(wanted)
                np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(wanted)[number])


EMPTY = {
    "sum": lambda x: np.sum(x),
    "sin": lambda x: np.sum(np.sin(x) * x),
    "mean0": lambda x: np.sum(x, axis=0).sum(),
    "matmul": lambda x: np.sum(x.T @ x),
    "concatenate": lambda x: np.sum(np.concatenate([x, x + 1])),
    "prod": lambda x: np.prod(x),
    "cumsum": lambda x: np.sum(np.cumsum(x, 0)),
    "reshape": lambda x: np.sum(x.reshape(-1) * 2),
    "slice": lambda x: np.sum(x[:0]),
    "where": lambda x: np.sum(np.where(x > 0, x, 1)),
    "flip": lambda x: np.sum(x[::-1]),
    "pad": lambda x: np.sum(np.pad(x, 1) + 1),
    "max": lambda x: np.sum(np.max(np.pad(x, 1), axis=0)),
    "scan": lambda x: np.sum(bp.scan(lambda c, v: (c + np.sum(v), c), 1.0, x)[1]),
    "take": lambda x: np.sum(np.take(x, np.zeros(0, int), axis=0)),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty(name, shape):
    function = EMPTY[name]
    x = np.zeros(shape)
    value, slope = bp.value_and_grad(function)(x)
    if name != "scan":
        assert value == function(x)
    assert slope.shape == shape
    assert bp.hessian(function)(x).shape == shape + shape
    assert bp.vmap(function)(np.zeros((2, *shape))).shape == (2,)
    assert bp.vmap(bp.grad(function))(np.zeros((2, *shape))).shape == (2, *shape)
    assert bp.vmap(function)(np.zeros((0, 2, 2))).shape == (0,)


def test_maximum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="zero-size"):
        bp.compile(np.max)(np.zeros(0))
    with pytest.raises(ValueError, match="empty"):
        bp.compile(np.argmax)(np.zeros(0))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 1, 1)])
def test_single_elements(shape):
    x = np.full(shape, 0.7)
    value, slope = bp.value_and_grad(lambda x: np.sum(np.sin(x) * x + np.max(x) - np.cumsum(x)))(x)
    assert value == pytest.approx(0.7 * np.sin(0.7))
    assert slope.shape == shape
    np.testing.assert_allclose(slope, 0.7 * np.cos(0.7) + np.sin(0.7))
