"""What the sweep loop makes of scalar instructions that follow one another.

An instruction takes an operand from the register in which the one before left it, and some pairs
run as one. Each variant is compared, bit for bit, with the same instructions kept apart by loads,
which no variant spans.
"""

import itertools
import pathlib
import re
import struct

import numpy as np
import pytest
from test_core import ARENA_BYTES, LOOP, Assembler

import pybackprop as bp
from pybackprop._core import Tape

ROWS = {
    1: "MOV NEG ABS SIGN SQUARE RECIPROCAL SQRT FLOOR CEIL RINT TRUNC RELU EXP",
    2: "ADD SUB MUL DIV MAX MIN COPYSIGN MULZ NMUL TANH_BACK SIGMOID_BACK RELU_GATE LT POW",
    3: "FMA FMS FNMA MAX_GATE MIN_GATE SELECT",
}
ARITY = {row: arity for arity, rows in ROWS.items() for row in rows.split()}
SCALAR = 1 << 15
FRAME_AT, SPARE = ARENA_BYTES // 2, 200
PAIRS = pathlib.Path(__file__).parents[1] / "csrc" / "src" / "scalar_pairs.def"


def run(instructions, apart):
    """All slots after a list of (row, [(slot, in the frame), ...]) with the result first."""
    code = Assembler([("float64", (64,))], [("float64", (64,))])
    code.loops = []
    first = len(code.bases)
    code.base(LOOP, parent=0, loop=0, offset=FRAME_AT, bump=0, size=ARENA_BYTES // 2)
    begin = code.add("LOOP_BEGIN", 0)
    for k in range(64):
        # Slots 0 to 31 of the arena, then as many of the frame.
        source = code.operand(2, "float64", 8 * k)
        code.add("SLOAD", k % 32, source, flags=(k >= 32) << 8)
    spare = code.operand(2, "float64", 0)
    for row, places in instructions:
        flags = SCALAR
        for position, (_, framed) in enumerate(places):
            flags |= framed << (8 + position)
        code.add(row, *[slot for slot, _ in places], flags=flags)
        if apart:
            code.add("SLOAD", SPARE, spare)
    for k in range(64):
        code.add("SSTORE", code.operand(3, "float64", 8 * k), k % 32, flags=(k >= 32) << 9)
    end = code.add("LOOP_END", 0)
    code.loops.append(struct.pack("<q6I", 1, first, 1, first, begin, end, 0))
    data = np.linspace(-2.0, 2.5, 64)
    (result,) = Tape(code.to_bytes()).run([data])
    return result


def check(instructions):
    together, apart = run(instructions, False), run(instructions, True)
    np.testing.assert_array_equal(together.view(np.int64), apart.view(np.int64), str(instructions))


@pytest.mark.parametrize("row", ARITY)
def test_every_place(row):
    for places in itertools.product((0, 1), repeat=ARITY[row] + 1):
        for latest in range(ARITY[row]):
            framed = places[1 + latest]
            operands = [(3 + 5 * i, place) for i, place in enumerate(places[1:])]
            made = operands[latest]
            check([("MUL", [made, (7, 0), (9, 1)]), (row, [(20, places[0]), *operands])])
            # The other operands as well, and a result in the place of an operand.
            same = [made] * ARITY[row]
            check([("ADD", [made, (7, 0), (9, framed)]), (row, [made, *same])])


def test_every_pair():
    lines = re.findall(r"^PAIR\((.*)\)$", PAIRS.read_text(), re.MULTILINE)
    assert len(lines) > 50
    for line in lines:
        _, row1, _, places1, row2, _, places2 = re.findall(r"\(.*?\)|\w+", line)
        before = ("SUB", [(4, 1), (6, 0), (8, 1)])
        first = instruction(row1, places1, (4, 1), 10)
        second = instruction(row2, places2, first[1][0], 15)
        check([before, first, second])
        # The second one also over the first one's result.
        check([before, first, (row2, [first[1][0], *second[1][1:]])])
        # Three alike: the last is on its own again.
        check([before, first, second, first, second, second])


def instruction(row, places, latest, slot):
    letters = re.findall(r"[GFR]", places)
    operands = [
        latest if letter == "R" else (slot + i, int(letter == "F"))
        for i, letter in enumerate(letters)
    ]
    return row, operands


def test_first_instruction_reads_memory():
    # The first slot of the arena holds a constant; nothing was computed before.
    def f(x):
        carry, ys = bp.scan(lambda c, _: (c * 0.5, c + 3.0), 3.0, None, length=3)
        return carry * x, ys

    value, ys = bp.compile(f)(2.0)
    assert value == 0.75
    np.testing.assert_array_equal(ys, [6.0, 4.5, 3.75])


def test_order_keeps_what_is_read_and_written():
    # A result that is overwritten later, carries that are exchanged, and stacked outputs read
    # and written in one step.
    def step(carry, x):
        u, v, w = carry
        a = u * x
        b = a + v
        c = b * a - w
        d = c / (1.0 + b * b)
        return (v, u + 0.1 * d, c), (a, d, u)

    def plain(p, xs):
        carry, ys = (p[0], p[1], p[2]), []
        for x in xs:
            carry, y = step(carry, x)
            ys.append(y)
        return np.array(carry), np.array(ys).T

    p, xs = np.array([0.3, -0.2, 0.7]), np.linspace(-1.0, 1.0, 9)
    carry, ys = bp.compile(lambda p, xs: bp.scan(step, (p[0], p[1], p[2]), xs))(p, xs)
    wanted_carry, wanted = plain(p, xs)
    np.testing.assert_allclose(carry, wanted_carry, rtol=1e-13)
    np.testing.assert_allclose(ys, wanted, rtol=1e-13)
