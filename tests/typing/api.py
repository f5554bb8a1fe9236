"""What type checkers make of the public functions; run by ``make typing``, not by the tests."""

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import pybackprop as bp
from pybackprop.compiled import Compiled

Vector = NDArray[np.float64]


def loss(w: Vector, x: Vector) -> float:
    """A scalar function."""
    return float(np.sum((w - x) ** 2))


w, x = np.zeros(3), np.ones(3)

compiled = bp.compile(loss)
checked: Compiled[[Vector, Vector], float] = compiled
assert_type(compiled(w, x), float)
compiled(w, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(bp.value_and_grad(loss)(w, x), tuple[float, Any])
assert_type(bp.value_and_grad(loss, argnums=(0, 1), backend="native")(w, x), tuple[float, Any])
bp.value_and_grad(loss, backend="gpu")  # type: ignore[call-overload]  # pyright: ignore


@bp.compile(threads=2)
def doubled(v: Vector) -> Vector:
    """Decorated with options."""
    return 2 * v


assert_type(doubled(w), Vector)
assert_type(bp.stop_gradient(1.0), float)

value, pullback = bp.vjp(loss, w, x)
assert_type(value, float)
assert_type(pullback, Callable[[Any], tuple[Any, ...]])
assert_type(bp.jvp(loss, (w, x), (w, x)), tuple[float, float])


def step(carry: float, item: Any) -> tuple[float, Vector]:
    """One step of a loop."""
    return carry + 1.0, w


assert_type(bp.scan(step, 0.0, x), tuple[float, Vector])
print(compiled.tape.n_instructions, bp.__version__)
