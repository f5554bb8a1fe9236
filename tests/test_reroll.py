"""Long unrolled code in native code: repetitions are loops again, with the interpreter's bits."""

import shutil

import numpy as np
import pytest

import pybackprop as bp
from pybackprop import errors
from pybackprop.emit import file
from pybackprop.emit.reroll import Rolled

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)

X = np.linspace(0.2, 1.1, 60)


@pytest.fixture
def short(monkeypatch, tmp_path):
    """What is long enough to be re-rolled is 270 statements; notes the steps that were made."""
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file, "MOST_STATEMENTS", 270)
    made = []

    def noted(steps):
        result = original(steps)
        made.extend(step for step in result if isinstance(step, Rolled))
        return result

    original = file.reroll
    monkeypatch.setattr(file, "reroll", noted)
    return made


def even(x):
    a, b = x[0], x[1]
    for _ in range(40):
        a = a + 0.1 * b * a
        b = b - np.sin(a) * 0.01
    return a * b


def with_inputs(x):
    a, total = x[0], 0.0
    for i in range(1, 60):
        a = a * x[i] + 1.0 / (i + x[i])
        total = total + np.log(1.0 + a * a) * x[60 - i]
    return total


def uneven(x):
    a, b = x[0], x[1]
    for i in range(156):
        a, b = b + 0.01 * a * x[2], a
        if i % 13 == 5:
            a = np.exp(-a) + np.sqrt(b * b + 1.0)
    return a / b


def selections(x):
    a = x[0]
    for i in range(60):
        a = np.where(a > 1.0, a - x[i], np.maximum(a, 0.3) * (1.0 + 0.5 / (i + 1)))
    return a


def nested(x):
    total = 0.0
    for i in range(12):
        a = x[i]
        for j in range(6):
            a = a * 0.9 + x[12 + j] * a
        total = total + a * a
    return total


@pytest.mark.parametrize("f", [even, with_inputs, uneven, selections, nested])
def test_bits_of_the_interpreter(f, short):
    native = bp.value_and_grad(f, backend="native")
    interpreted = bp.value_and_grad(f)
    for x in (X, -0.5 * X + 0.1, X[::-1].copy()):
        value, slope = native(x)
        wanted, wanted_slope = interpreted(x)
        assert value == wanted
        np.testing.assert_array_equal(slope, wanted_slope)
    assert sum(step.period < len(step.instructions) for step in short) >= 2


def test_results_of_all_steps(short):
    def f(x):
        a, kept = x[0], []
        for i in range(60):
            a = a * 0.5 + x[i] ** 2 - np.tanh(a)
            kept.append(a)
        return np.stack(kept), kept[30] > 0.1

    native, flag = bp.compile(f, backend="native")(X)
    wanted, wanted_flag = bp.compile(f)(X)
    np.testing.assert_array_equal(native, wanted)
    assert flag == wanted_flag
    assert short


def test_float32(short):
    def f(x):
        a = x[0]
        for i in range(60):
            a = a * x[i] + np.float32(0.5) * np.cos(a) - x[i] / (a + np.float32(2))
        return a

    x = X.astype(np.float32)
    value, slope = bp.value_and_grad(f, backend="native")(x)
    wanted, wanted_slope = bp.value_and_grad(f)(x)
    assert value == wanted and slope.dtype == np.float32
    np.testing.assert_array_equal(slope, wanted_slope)


def test_exported(short, tmp_path):
    f = bp.value_and_grad(even)
    f(X)
    text = f.export_c(tmp_path, "even").read_text()
    assert short
    assert text.count("for (int64_t") >= 2


def test_what_does_not_repeat_is_refused(short):
    rng = np.random.default_rng(0)
    choices = rng.integers(0, 4, 400)

    def f(x):
        a, b = x[0], x[1]
        for k in choices:
            if k == 0:
                a = a * b
            elif k == 1:
                b = np.sin(a) - b
            elif k == 2:
                a = np.exp(-a * a)
            else:
                b = b / (1.0 + a * a)
        return a + b

    with pytest.raises(errors.UnsupportedError, match=r"do not repeat.*scan"):
        bp.compile(f, backend="native")(X)


def test_a_long_one_compiles_in_seconds(monkeypatch, tmp_path):
    monkeypatch.setenv("PYBACKPROP_CACHE", str(tmp_path))

    def f(x):
        a, b = x[0], x[1]
        for _ in range(3000):
            a, b = a - 0.01 * b * a, b + 0.01 * a
        return a * b

    value = bp.compile(f, backend="native")(X)
    assert value == bp.compile(f)(X)
