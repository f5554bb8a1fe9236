"""The tape that lowering writes, run by an independent interpreter in Python, and its plan of
memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import MAKES_LARGE, OPERATIONS, TALL, draw, inputs_of
from samples import ALL
from tape_interpreter import Interpreter

import pybackprop as bp
from pybackprop.compiled import Compiled
from pybackprop.lowering.arena import IN_PLACE, plan
from pybackprop.lowering.emit import Lowering
from pybackprop.lowering.layout import ARENA
from pybackprop.lowering.tape import container
from pybackprop.passes.tile import tile


def leaves(result):
    if isinstance(result, tuple):
        return [x for part in result for x in leaves(part)]
    return [result]


def close(found, wanted, dtype):
    if dtype.kind == "f":
        scale = 1 + np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e3 * np.finfo(dtype).eps * scale)
    else:
        np.testing.assert_array_equal(found, wanted)


def compare(compiled, *inputs, precision=None):
    """Core and interpreter, on the same tape; the interpreter a second time in the arena that it
    left behind. ``precision`` is the coarsest dtype computed in, if not that of the results."""
    form = compiled.lower(*inputs)
    with np.errstate(all="ignore"):
        result = leaves(compiled(*inputs))
    interpreter = Interpreter(container(form.sections))
    arena = np.full(interpreter.arena_bytes, 0xCB, np.uint8)
    for _ in range(2):
        found = interpreter.run(*inputs, arena=arena)
        kinds = [x for kind, x in form.entry.out_kinds if kind in ("array", "scalar")]
        for number, one in zip(kinds, distinct(form, result), strict=True):
            close(found[number], np.asarray(one), precision or found[number].dtype)


def distinct(form, result):
    """The leaves of a result that have an output of their own."""
    return [
        x
        for x, (kind, _) in zip(result, form.entry.out_kinds, strict=True)
        if kind in ("array", "scalar")
    ]


@pytest.mark.parametrize("sample", ALL, ids=repr)
def test_samples(sample):
    compare(Compiled(sample.apply), *sample.arrays)


def gradient_of(program):
    return bp.value_and_grad(
        lambda *a: program.scalar(*a), argnums=tuple(range(len(program.shapes)))
    )


programs = st.randoms(use_true_random=False).map(lambda rng: draw(rng, n_steps=14))
tall = st.randoms(use_true_random=False).map(
    lambda rng: draw(
        rng,
        n_steps=10,
        shapes=TALL,
        most=2000,
        names=[n for n in OPERATIONS if n not in MAKES_LARGE],
    )
)


@settings(max_examples=60)
@given(programs)
def test_random_programs(program):
    compare(gradient_of(program), *inputs_of(program.shapes))


@settings(max_examples=15)
@given(tall)
def test_random_rows(program):
    compare(gradient_of(program), *inputs_of(program.shapes))


@settings(max_examples=20)
@given(programs)
def test_float32(program):
    inputs = [x.astype(np.float32) for x in inputs_of(program.shapes)]
    # A result can be float64 that float32 went into.
    compare(gradient_of(program), *inputs, precision=np.dtype(np.float32))


# ---- the plan of memory -------------------------------------------------------------------------


def lowered(graph):
    low = Lowering(tile(graph))
    low.run()
    image, size = plan(low)
    return low, image, size


def check_plan(graph):
    """No two slots that live at the same time overlap, but a result in the place of an operand
    that dies."""
    low, image, size = lowered(graph)
    slots = {}
    for instruction in low.instructions:
        roots = [r.root.ultimate() for r in instruction.refs()]
        if instruction.loop is not None:
            roots += [w.ultimate() for w in instruction.loop.windows]
        for root in roots:
            if root.kind == ARENA and not root.pinned:
                slots[id(root)] = root
    slots = list(slots.values())
    for root in slots:
        # Slots of the steps of a parallel loop have addresses within the part of the step.
        assert root.address >= (image if root.home is None else 0)
        end = size if root.home is None else root.home.window.size
        assert root.address + root.size <= end
        if root.size >= 64:
            assert root.address % 64 == 0
    for i, one in enumerate(slots):
        for other in slots[i + 1 :]:
            if one.home is not other.home or one.last < other.first or other.last < one.first:
                continue
            apart = (
                one.address + one.size <= other.address or other.address + other.size <= one.address
            )
            if apart:
                continue
            earlier, later = sorted((one, other), key=lambda r: r.first)
            instruction = low.instructions[later.first]
            assert earlier.last == later.first and earlier.address == later.address
            assert instruction.op in IN_PLACE and instruction.d.root is later


@settings(max_examples=100)
@given(programs)
def test_plan(program):
    check_plan(gradient_of(program).lower(*inputs_of(program.shapes)).graph)


@settings(max_examples=40)
@given(tall)
def test_plan_of_rows(program):
    check_plan(gradient_of(program).lower(*inputs_of(program.shapes)).graph)


def test_memory_does_not_grow_with_the_rows():
    def loss(w, x, y):
        return np.mean((np.tanh(x @ w) - y) ** 2)

    gradient = bp.value_and_grad(loss)
    sizes = [
        gradient.lower(np.zeros(5), np.zeros((n, 5)), np.zeros(n)).tape.arena_bytes
        for n in (100_000, 1_000_000)
    ]
    # Tiles need not be the same to the row.
    assert sizes[1] <= 1.1 * sizes[0]


def test_loop_over_scalars_uses_slots():
    """A scan of scalars needs eight bytes per step and primal."""
    gradient = bp.value_and_grad(
        lambda x: bp.scan(lambda c, _: (np.sin(c), None), x, None, 1000)[0]
    )
    assert gradient.lower(1.0).tape.arena_bytes < 1000 * 8 + 1000


def test_reverse_section_starts_after_the_forward_one():
    gradient = bp.value_and_grad(lambda x: np.sum(np.sin(x) ** 2))
    tape = gradient.lower(np.zeros(3)).tape
    assert 0 < tape.reverse_start < tape.n_instructions
    forward, reverse = str(tape).split("reverse")
    assert "sin(" in forward and "cos(" in reverse


def test_adjoint_accumulates_in_place():
    """A value used in many places has one slot for its adjoint, and the contributions are added
    into it."""

    def f(w, x):
        return np.sum(np.tanh(x @ w)) + np.sum(np.sin(x @ w * 2)) + np.sum(w * w)

    gradient = bp.grad(f)
    form = gradient.lower(np.zeros((3, 2)), np.zeros((4, 3)))
    assert "+=" in str(form.tape)
