"""``numpy.pad`` in all modes: NumPy's values and derivatives."""

import numpy as np
import pytest
from surface import differentiable, same

import pybackprop as bp
from pybackprop.errors import UnsupportedError

rng = np.random.default_rng(12)
X = rng.normal(size=(3, 4))
INTS = rng.integers(-9, 9, (3, 4))
MODES = {
    "constant": {"constant_values": ((1, 2), (3, 4))}, "constant of one": {"constant_values": 7},
    "edge": {}, "wrap": {}, "reflect": {}, "symmetric": {},
    "reflect odd": {"reflect_type": "odd"}, "symmetric odd": {"reflect_type": "odd"},
    "linear_ramp": {"end_values": ((1, -2), (3, 0))}, "linear_ramp to 0": {},
    "maximum": {}, "minimum": {"stat_length": 2}, "mean": {"stat_length": ((1, 2), (3, 9))},
    "median": {}, "mean of all": {},
}  # fmt: skip


def padded(name, widths):
    mode = name.split()[0]
    return lambda a: np.pad(a, widths, mode, **MODES[name])


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("x", [X, X.astype(np.float32), INTS, INTS.astype(np.int8)],
                         ids=["f8", "f4", "i8", "i1"])  # fmt: skip
def test_values(name, x):
    for widths in (0, 2, ((1, 0), (0, 3)), ((7, 11), (9, 2)), {0: (2, 1)}):
        if isinstance(widths, dict) and not hasattr(np, "cumulative_sum"):
            continue
        same(padded(name, widths), x)
    same(padded(name, 3) if "4" not in str(MODES[name]) else padded("edge", 3), x[:1])


@pytest.mark.parametrize("name", MODES)
def test_derivatives(name):
    differentiable(padded(name, ((2, 5), (1, 6))), X)


def test_traced_numbers():
    differentiable(lambda a: np.pad(a, 2, constant_values=a[0, 0] ** 2)
                   if isinstance(a, bp.graph.Value)
                   else np.pad(a, 2, constant_values=float(a[0, 0]) ** 2), X)  # fmt: skip
    differentiable(lambda a: np.pad(a, 2, "linear_ramp", end_values=a[0, 0] ** 2)
                   if isinstance(a, bp.graph.Value)
                   else np.pad(a, 2, "linear_ramp", end_values=float(a[0, 0]) ** 2), X)  # fmt: skip


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: np.pad(a, -1), ValueError, "negative"),
        (lambda a: np.pad(a, 1.5), TypeError, "integral"),
        (lambda a: np.pad(a, 1, "best"), ValueError, "not supported"),
        (lambda a: np.pad(a, 1, "edge", stat_length=2), ValueError, "keyword"),
        (lambda a: np.pad(a, 1, "maximum", stat_length=0), ValueError, "no value"),
        (lambda a: np.pad(a, 1, lambda *r: None), UnsupportedError, "function"),
        (lambda a: np.pad(a[:0], 1, "reflect"), ValueError, "empty"),
    ],
)
def test_refusals(function, error, words):
    with pytest.raises(error, match=words):
        bp.compile(function)(X)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: np.pad(a, 10**13),
        lambda a: np.repeat(a, 10**15),
        lambda a: np.tile(a, 10**15),
        lambda a: np.broadcast_to(a, (10**15, 3, 4)) + 1,
        lambda a: np.resize(a, (10**8, 10**9)),
        lambda a: np.bincount(np.argsort(a[0]), minlength=10**16),
    ],
)
def test_huge_results_are_errors(function):
    with pytest.raises((MemoryError, ValueError, bp.errors.PybackpropError)):
        bp.compile(function)(X)
