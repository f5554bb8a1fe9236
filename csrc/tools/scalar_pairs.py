"""Writes csrc/src/scalar_pairs.def: which two scalar instructions the sweep loop has as one.

The candidates are counted in the bodies of loops of a dozen recurrences and their derivatives:
differential equations, filters, volatility models, hidden Markov chains. Each body counts alike,
each instruction once. Run it again when instructions or their order change:

    python csrc/tools/scalar_pairs.py
"""

import itertools
import pathlib
import struct
from collections import Counter

import numpy as np

import pybackprop as bp

MOST = 192
TARGET = pathlib.Path(__file__).parents[1] / "src" / "scalar_pairs.def"
ARITIES = {
    1: "MOV NEG ABS SIGN SQUARE RECIPROCAL SQRT RELU",
    2: "ADD SUB MUL DIV MAX MIN MULZ NMUL TANH_BACK SIGMOID_BACK RELU_GATE",
    3: "FMA FMS FNMA MAX_GATE MIN_GATE",
}
ARITY = {name: arity for arity, names in ARITIES.items() for name in names.split()}
# As in csrc/src/tape.c: their first two operands are put into the order R, G, F.
COMMUTATIVE = {"ADD", "MUL", "NMUL", "FMA", "FMS", "FNMA"}
SCALAR = 1 << 15


def recurrence(step, start):
    """The last carry after steps over data, as a function of parameters."""

    def run(p, data):
        carry, _ = bp.scan(lambda c, x: (step(p, c, x), None), start(p), data)
        return carry[-1]

    return run


def runge_kutta(slope, state, h):
    """One classical step."""
    k1 = slope(state)
    k2 = slope([s + 0.5 * h * k for s, k in zip(state, k1, strict=True)])
    k3 = slope([s + 0.5 * h * k for s, k in zip(state, k2, strict=True)])
    k4 = slope([s + h * k for s, k in zip(state, k3, strict=True)])
    return [
        s + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
        for s, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)
    ]


def by_runge_kutta(slope, n):
    """A fit of the first component to data."""

    def step(p, c, x):
        state = runge_kutta(lambda s: slope(p, s), list(c[:n]), 0.01)
        return (*state, c[n] + (state[0] - x) ** 2)

    return recurrence(step, lambda p: (*[p[i] for i in range(n)], 0.0))


def volterra(p, s):
    return [p[2] * s[0] - p[3] * s[0] * s[1], p[4] * s[0] * s[1] - p[5] * s[1]]


def epidemic(p, s):
    caught = p[2] * s[0] * s[1]
    return [-caught, caught - p[3] * s[1]]


def lorenz(p, s):
    return [p[3] * (s[1] - s[0]), s[0] * (p[4] - s[2]) - s[1], s[0] * s[1] - p[5] * s[2]]


def pendulum(p, s):
    return [s[1], -p[2] * np.sin(s[0]) - p[3] * s[1]]


def oscillator(p, s):
    return [s[1], p[2] * (1.0 - s[0] * s[0]) * s[1] - s[0]]


def level(p, c, x):
    error, variance = x - c[0], c[1] + p[0]
    gain = c[1] / variance
    total = c[2] + np.log(variance) + error * error / variance
    return c[0] + gain * error, c[1] * (1.0 - gain) + p[1], total


def trend(p, c, x):
    at = c[0] + c[1]
    a, b, d = c[2] + 2.0 * c[3] + c[4] + p[0], c[3] + c[4], c[4] + p[1]
    s = a + p[2]
    k, m, error = a / s, b / s, x - at
    total = c[5] + np.log(s) + error * error / s
    return at + k * error, c[1] + m * error, a - k * a, b - k * b, d - m * b, total


def autoregression(p, c, x):
    error = x - (p[0] * c[0] + p[1] * c[1] + p[2] * c[2] + p[3])
    return x, c[0], c[1], c[3] + error * error


def volatility(p, c, x):
    v = p[0] + p[1] * x * x + p[2] * c[0]
    return v, c[1] + np.log(v) + x * x / v


def price(p, c, x):
    spread = np.sqrt(np.maximum(c[1], 1e-9)) * 0.1 * x
    return c[0] * (1.0 + spread), c[1] + p[0] * (p[1] - c[1]) * 0.01 + p[2] * spread, c[0] * x


def chain(p, c, x):
    a = (c[0] * p[2] + c[1] * (1.0 - p[3])) * np.exp(-0.5 * (x - p[0]) ** 2)
    b = (c[0] * (1.0 - p[2]) + c[1] * p[3]) * np.exp(-0.5 * (x - p[1]) ** 2)
    s = a + b
    return a / s, b / s, c[2] + np.log(s)


def neuron(p, c, x):
    u, v = c[0], c[1]
    u = u + 0.01 * (u - u * u * u / 3.0 - v + p[0])
    return u, v + 0.01 * (u + p[1] - p[2] * v) * p[3], c[2] + (u - x) ** 2


def orbit(p, c, x):
    q, r, u, v, total = c
    cube = (q * q + r * r) ** 1.5
    u, v = u - 0.01 * p[0] * q / cube, v - 0.01 * p[0] * r / cube
    q, r = q + 0.01 * u, r + 0.01 * v
    return q, r, u, v, total + (q - x) ** 2


def unit(p, c, x):
    h = np.tanh(p[0] * c[0] + p[1] * x + p[2])
    return h, c[1] + (h - x) ** 2


PROGRAMS = [
    by_runge_kutta(volterra, 2),
    by_runge_kutta(epidemic, 2),
    by_runge_kutta(lorenz, 3),
    by_runge_kutta(pendulum, 2),
    by_runge_kutta(oscillator, 2),
    recurrence(level, lambda p: (p[2], 1.0, 0.0)),
    recurrence(trend, lambda p: (p[3], p[4], 1.0, 0.0, 1.0, 0.0)),
    recurrence(autoregression, lambda p: (p[4], p[4], p[4], 0.0)),
    recurrence(volatility, lambda p: (p[3], 0.0)),
    recurrence(price, lambda p: (1.0, p[3], 0.0)),
    recurrence(chain, lambda p: (0.5, 0.5, 0.0)),
    recurrence(neuron, lambda p: (p[4], p[5], 0.0)),
    recurrence(orbit, lambda p: (p[1], p[2], p[3], p[4], 0.0)),
    recurrence(unit, lambda p: (p[3], 0.0)),
]


def bodies(form):
    """The instructions of each loop as (row, places), or None for one that is not arithmetic."""
    sections = form.sections
    names = [name.decode() for name in sections["names"].split(b"\0")]
    found, body, last = [], None, None
    for op, flags, _, *slots in struct.iter_unpack("<HHIIIII", sections["instructions"]):
        name = names[op]
        if name == "LOOP_BEGIN":
            body = []
        elif name == "LOOP_END":
            found.append(body)
            body = None
        elif body is not None:
            frames = flags >> 8
            if flags & SCALAR and name in ARITY:
                body.append((name, places(name, frames, slots, last)))
            else:
                body.append(None)
            last = (slots[0], frames & 1) if flags & SCALAR or name == "SLOAD" else None
    return found


def places(name, frames, slots, last):
    """Where d and the operands are: G (arena), F (frame), R (the latest result)."""
    where = [(slot, frames >> i & 1) for i, slot in enumerate(slots)][: ARITY[name] + 1]
    letters = ["GF"[framed] for _, framed in where]
    if last in where[1:]:
        letters[1 + where[1:].index(last)] = "R"
    if name in COMMUTATIVE:
        letters[1:3] = sorted(letters[1:3], key="RGF".index)
    return tuple(letters)


def count():
    """The pairs that are worth most, with the share of all instructions that they take."""
    every = []
    for program in PROGRAMS:
        f = bp.value_and_grad(program)
        form = f.lower(np.linspace(0.2, 0.8, 6), np.linspace(0.5, 1.0, 50))
        every += bodies(form)
    chosen = []
    weights = Counter()
    for body in every:
        for first, second in itertools.pairwise(body):
            if first and second:
                weights[first, second] += 1.0 / len(body)
    chosen = [pair for pair, _ in weights.most_common(MOST)]
    kept = set(chosen)
    taken = total = 0
    for body in every:
        total += len(body)
        position = 0
        while position < len(body) - 1:
            hit = (body[position], body[position + 1]) in kept
            taken += hit
            position += 1 + hit
    print(f"{len(chosen)} of {len(weights)} pairs leave {1 - taken / total:.2f} of the steps")
    return chosen


def main():
    """Write the file."""
    lines = [
        f"PAIR({i}, {a}, {ARITY[a]}, ({', '.join(p)}), {b}, {ARITY[b]}, ({', '.join(q)}))"
        for i, ((a, p), (b, q)) in enumerate(count())
    ]
    TARGET.write_text(
        "/* scalar_pairs.def - two scalar instructions that the sweep loop has as one; written by\n"
        "   csrc/tools/scalar_pairs.py.  Most frequent first.\n\n"
        "     PAIR(number, row, operands, places, row, operands, places)\n\n"
        "   places   of the result and the operands: G in the arena, F in the frame, R the result\n"
        "            of the instruction before */\n"
        "/* clang-format off */\n" + "\n".join(lines) + "\n/* clang-format on */\n#undef PAIR\n"
    )


if __name__ == "__main__":
    main()
