"""What is no recurrence leaves loops over scalars: values, derivatives, and what is left."""

import numpy as np
import pytest

import pybackprop as bp

N = 11
Y = np.sin(np.arange(N) * 1.7) + 0.3
P = np.array([0.4, -0.3, 0.7, 1.2])


def plain_scan(f, init, xs, reverse=False):
    carry, ys = init, [None] * len(xs)
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[i] = f(carry, xs[i])
    return carry, None if ys[0] is None else tuple(np.array(part) for part in zip(*ys, strict=True))


def series(p, y, scan):
    """Carries that hand on, one that adds up."""

    def step(carry, now):
        last, second, total = carry
        error = now - p[0] * last - p[1] * second - p[2]
        return (now, last, total + error * error), None

    (last, second, total), _ = scan(step, (p[3], p[2] * 2.0, 0.0), y)
    return total * p[1] + last * second


def smooth(p, y, scan):
    """A recurrence, with terms of both signs that read it, and a first sum that is not 0."""

    def step(carry, now):
        level, before, total = carry
        error = now - level
        total = total + error * error
        total = total - before * level
        return (level + p[0] * error, now, total + 0.5), (level, error * before)

    (level, _, total), (levels, products) = scan(step, (p[1], p[2], p[3]), y)
    return total + level + (levels**3).sum() + products.sum()


def outputs(p, y, scan):
    """Everything is known ahead; a hidden carry feeds another."""

    def step(carry, now):
        a, b, c = carry
        return (now * p[0], a * a + now, b * p[1] - a), (a + b, c)

    (a, b, c), (first, second) = scan(step, (p[1], p[2], p[3]), y)
    return a * b + c + (first * second).sum()


def rotation(p, y, scan):
    """Carries that change places are a recurrence."""

    def step(carry, now):
        a, b, total = carry
        return (b, a, total + a * now), None

    (a, b, total), _ = scan(step, (p[0], p[1], p[2]), y)
    return a * total + b


def read_sum(p, y, scan):
    """A sum that is read on the way is a recurrence as well."""

    def step(carry, now):
        total, other = carry
        return (total + now * p[0], other + total * p[1]), (total,)

    (total, other), (totals,) = scan(step, (p[2], p[3]), y)
    return total * other + totals.sum()


def product(p, y, scan):
    """A product, and a sum of what it reads; a term that is the same in all steps."""

    def step(carry, now):
        grown, total = carry
        grown = grown * (1.0 + 0.1 * now)
        return (grown, total + p[2] + np.log(grown * grown)), None

    (grown, total), _ = scan(step, (p[0], p[1]), y)
    return grown + total


CASES = {f.__name__: f for f in (series, smooth, outputs, rotation, read_sum, product)}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name, reverse):
    case = CASES[name]

    def traced(p, y):
        return case(p, y, lambda f, init, xs: bp.scan(f, init, xs, reverse=reverse))

    def plain(p, y):
        return case(p, y, lambda f, init, xs: plain_scan(f, init, xs, reverse))

    value, (dp, dy) = bp.value_and_grad(traced, argnums=(0, 1))(P, Y)
    np.testing.assert_allclose(value, plain(P, Y), rtol=1e-12)
    np.testing.assert_allclose(dp, slopes(plain, 0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dy, slopes(plain, 1), rtol=1e-10, atol=1e-12)
    _, forward = bp.jvp(lambda p: traced(p, Y), (P,), (np.ones(4),))
    np.testing.assert_allclose(forward, dp.sum(), rtol=1e-11)
    second = bp.hessian(lambda p: traced(p, Y))(P)
    slope = bp.grad(traced)
    wanted = [(slope(P + h, Y) - slope(P - h, Y)) / 2e-5 for h in 1e-5 * np.eye(4)]
    np.testing.assert_allclose(second, wanted, rtol=1e-5, atol=1e-6)


def slopes(f, argument):
    """By complex steps."""
    found = []
    for i in range((P, Y)[argument].size):
        arguments = [P.astype(complex), Y.astype(complex)]
        arguments[argument][i] += 1e-30j
        found.append(f(*arguments).imag / 1e-30)
    return found


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_and_batches(name):
    def traced(p, y):
        return CASES[name](p, y, bp.scan)

    value, slope = bp.value_and_grad(traced)(P.astype(np.float32), Y.astype(np.float32))
    assert value.dtype == slope.dtype == np.float32
    np.testing.assert_allclose(value, traced_plain(name), rtol=1e-4)
    many = bp.vmap(traced, in_axes=(0, None))(np.stack([P, 2 * P]), Y)
    single = bp.compile(traced)
    np.testing.assert_allclose(many, [single(P, Y), single(2 * P, Y)], rtol=1e-12)


def traced_plain(name):
    return CASES[name](P, Y, plain_scan)


def loops(f, *args):
    """The tape, and the bodies of its loops."""
    compiled = bp.value_and_grad(f)
    compiled(*args)
    text = str(compiled.tape)
    return text, text.count("  loop ")


def test_an_autoregression_has_no_loop():
    text, count = loops(lambda p: series(p, Y, bp.scan), P)
    assert count == 0
    assert "MUL" in text or "FMA" in text


def test_logarithms_of_a_filter_are_one_vector():
    def kalman(p, y):
        def step(carry, now):
            level, spread, total = carry
            error, variance = now - level, spread + p[0]
            gain = spread / variance
            total = total + np.log(variance) + error * error / variance
            return (level + gain * error, spread * (1.0 - gain) + p[3], total), None

        return bp.scan(step, (p[2], 1.0, 0.0), y)[0][2]

    text, count = loops(kalman, P, Y)
    assert count == 2
    assert text.count("LOG ") == 1
    assert f"f64 [{N}]" in text[text.index("LOG ") :].splitlines()[0]


def test_what_is_short_or_a_recurrence_stays():
    assert loops(lambda p: series(p, Y[:5], bp.scan), P)[1] == 2
    assert loops(lambda p: rotation(p, Y, bp.scan), P)[1] >= 1


def test_a_sum_of_nothing_varying():
    value = bp.compile(lambda x: bp.scan(lambda c, _: (c + x, None), 1.0, None, length=20)[0])(0.25)
    assert value == 6.0
    counted, odd = bp.compile(
        lambda x: bp.scan(lambda c, y: ((c[0] + 1, c[1] - y), None), (0, x), np.ones(20))[0]
    )(3.0)
    assert counted == 20 and odd == -17.0


def test_not_a_number_stays_where_it_was():
    def f(p, y):
        def step(carry, now):
            before, total = carry
            safe = np.where(now > 0, now, 1.0)
            return (now, total + np.where(now > 0, np.log(safe) * p[0], before * p[1])), None

        return bp.scan(step, (p[2], 0.0), y)[0][1]

    value, slope = bp.value_and_grad(f)(P, Y)
    wanted = f_plain(Y)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    assert np.isfinite(slope).all()
    assert np.isnan(bp.compile(f)(P, np.where(np.arange(N) == 5, np.nan, Y)))


def f_plain(y):
    before, total = P[2], 0.0
    for now in y:
        total += np.log(now) * P[0] if now > 0 else before * P[1]
        before = now
    return total
