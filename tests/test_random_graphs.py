"""Random programs through the whole engine, against NumPy: values, gradients, second derivatives,
vmap, float32.

Programs share subexpressions and mix views, reductions, products, selections and loops, so they
stress what lowering does: sums
of contributions in place, parts written where they belong, fused products, shared memory.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import (
    MAKES_LARGE,
    OPERATIONS,
    TALL,
    Program,
    difference,
    draw,
    inputs_of,
    numerical_gradient,
)

import pybackprop as bp

programs = st.randoms(use_true_random=False).map(lambda rng: draw(rng, n_steps=18))
short = st.randoms(use_true_random=False).map(lambda rng: draw(rng, n_steps=9))
tall = st.randoms(use_true_random=False).map(
    lambda rng: draw(
        rng,
        n_steps=12,
        names=[n for n in OPERATIONS if n not in MAKES_LARGE],
        shapes=TALL,
        most=4000,
    )
)


def close(found, wanted, rtol):
    """Whether arrays agree to a part of the largest element; NaN in ``wanted`` stands for "not
    known"."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    if wanted.size:
        known = ~np.isnan(wanted)
        scale = 1 + np.max(np.abs(wanted[known]), initial=0.0)
        np.testing.assert_allclose(found[known], wanted[known], rtol=0, atol=rtol * scale)


def on_rubbish(compiled, inputs, result):
    """The result in buffers that were full of rubbish, to see what is left unwritten."""
    arrays = [x for x in result if isinstance(x, np.ndarray)]
    if len({id(x) for x in arrays}) < len(arrays) or len({id(x) for x in result}) < len(result):
        return result
    return compiled.bind(*inputs, out=tuple(np.full_like(x, 1e30) for x in result))()


def check_value(program, inputs, rtol=1e-11):
    compiled = bp.compile(lambda *a: program.outputs(*a))
    found = on_rubbish(compiled, inputs, compiled(*inputs))
    for one, other in zip(found, program.outputs(*inputs), strict=True):
        close(one, other, rtol)


def gradient_of(program):
    return bp.grad(lambda *a: program.scalar(*a), argnums=tuple(range(len(program.shapes))))


@settings(max_examples=400)
@given(programs)
def test_values(program):
    check_value(program, inputs_of(program.shapes))


@settings(max_examples=250)
@given(programs)
def test_gradients(program):
    inputs = inputs_of(program.shapes)
    gradient = gradient_of(program)
    found = on_rubbish(gradient, inputs, gradient(*inputs))
    for one, other in zip(found, numerical_gradient(program.scalar, inputs), strict=True):
        close(one, other, 1e-8)


@settings(max_examples=60)
@given(short)
def test_second_order(program):
    inputs = inputs_of(program.shapes)
    numbers = tuple(range(len(inputs)))
    steps = [np.cos(3 + np.arange(x.size)).reshape(x.shape) for x in inputs]
    gradient = gradient_of(program)
    _, forward = bp.jvp(lambda *a: gradient(*a), tuple(inputs), tuple(steps))

    def along(*a):
        return sum(np.sum(g * d) for g, d in zip(gradient(*a), steps, strict=True))

    reverse = bp.grad(along, argnums=numbers)(*inputs)
    ways = [
        [
            (up - down) / (2 * h)
            for up, down in zip(
                gradient(*[x + h * d for x, d in zip(inputs, steps, strict=True)]),
                gradient(*[x - h * d for x, d in zip(inputs, steps, strict=True)]),
                strict=True,
            )
        ]
        for h in (1e-5, 3e-6)
    ]
    for fr, rr, wide, narrow in zip(forward, reverse, *ways, strict=True):
        close(rr, fr, 1e-9)
        scale = 1 + np.max(np.abs(narrow), initial=0.0)
        if np.all(np.abs(wide - narrow) < 1e-6 * scale):
            close(fr, narrow, 1e-5)


@settings(max_examples=60)
@given(short)
def test_vmap(program):
    near = [
        [
            x + 0.05 * s * np.cos(np.arange(x.size) + s).reshape(x.shape)
            for x in inputs_of(program.shapes)
        ]
        for s in range(3)
    ]
    stacked = [np.stack(column) for column in zip(*near, strict=True)]

    def both(*a):
        return program.outputs(*a), gradient_of(program)(*a)

    values, gradients = bp.vmap(both)(*stacked)
    for i, inputs in enumerate(near):
        for one, other in zip(values, program.outputs(*inputs), strict=True):
            close(one[i], other, 1e-10)
        for one, other in zip(gradients, gradient_of(program)(*inputs), strict=True):
            close(one[i], other, 1e-10)


@settings(max_examples=80)
@given(programs)
def test_float32(program):
    """Same dtypes as NumPy, and values as good as float32 allows."""
    inputs = [x.astype(np.float32) for x in inputs_of(program.shapes)]
    found = bp.compile(lambda *a: program.outputs(*a))(*inputs)
    exact = program.outputs(*[x.astype(float) for x in inputs])
    for one, narrow, wide in zip(found, program.outputs(*inputs), exact, strict=True):
        assert np.asarray(one).dtype == np.asarray(narrow).dtype
        error = float(np.max(np.abs(np.asarray(narrow) - wide), initial=0.0))
        scale = 1 + np.max(np.abs(wide), initial=0.0)
        if error < 1e-4 * scale:
            np.testing.assert_allclose(one, wide, rtol=0, atol=20 * error + 1e-4 * scale)


@settings(max_examples=120)
@given(tall)
def test_many_rows(program):
    """A long axis: large kernels, and whatever the compiler does with rows."""
    inputs = inputs_of(program.shapes)
    check_value(program, inputs)
    gradient = gradient_of(program)
    found = on_rubbish(gradient, inputs, gradient(*inputs))
    rng = np.random.default_rng(1)
    for density in (1.0, 1.0, 0.02, 0.02):
        steps = [rng.normal(size=x.shape) * (rng.random(x.shape) < density) for x in inputs]
        slope = difference(program.scalar, inputs, steps)
        if slope is not None:
            terms = [g * d for g, d in zip(found, steps, strict=True)]
            total = sum(np.sum(t) for t in terms)
            scale = 1 + abs(slope) + sum(np.sum(np.abs(t)) for t in terms)
            assert abs(total - slope) < 1e-7 * scale


# Programs that once failed.
FOUND = {
    "loop over nothing": Program(
        [(2, 1, 4)],
        [
            ("slice", (0,), (((None, None, 1), (1, None, 1), (None, None, 1)),)),
            ("cumprod", (1,), (2,)),
        ],
        [2],
    ),
    "zeros around a part of a concatenation": Program(
        [(3,), (0,)], [("pad", (1,), (((0, 1),),)), ("concatenate", (2, 0), (0,))], [3]
    ),
    "padded parts of a concatenation": Program(
        [(3,)],
        [("scale", (0,), ()), ("pad", (1,), (((1, 1),),)), ("concatenate", (2, 0), (0,))],
        [3],
    ),
    "sum that claims a place it cannot use": Program(
        [(3,), (2, 3, 4)],
        [
            ("transpose", (1,), ((1, 0, 2),)),
            ("cumsum", (2,), (2,)),
            ("max", (1,), ((0, 1, 2), True)),
            ("take", (2,), ((0,), 0)),
            ("min", (3,), (None, False)),
            ("scatter", (4, 6), ((-1, 0, 0, -1), 0)),
        ],
        [7, 5],
    ),
    "contribution that comes twice": Program(
        [(3,), (3,)],
        [
            ("sin", (0,), ()),
            ("double", (2,), ()),
            ("multiply", (2, 1), ()),
            ("add", (3, 4), ()),
            ("multiply", (1, 5), ()),
        ],
        [6],
    ),
    "contribution of a loop to a number": Program(
        [(1, 4)],
        [
            ("slice", (0,), (((None, None, 1), -3),)),
            ("scale", (1,), ()),
            ("cumprod", (1,), (0,)),
            ("hypot", (3, 2), ()),
        ],
        [4],
    ),
    "float32 rows of twelve bytes, backwards": Program(
        [(4, 3)], [("scale", (0,), ()), ("scan", (1, 1), (0, True))], [2]
    ),
    "truth value repeated over rows": Program(
        [(3, 1)],
        [
            ("max", (0,), ((0, 1), False)),
            ("broadcast", (1,), ((2, 3),)),
            ("reshape", (0,), ((-1,),)),
            ("where", (2, 3, 1), ()),
        ],
        [4],
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name):
    program = FOUND[name]
    for dtype in (np.float64, np.float32):
        inputs = [x.astype(dtype) for x in inputs_of(program.shapes)]
        check_value(program, inputs, 1e-11 if dtype == np.float64 else 1e-4)
        found = gradient_of(program)(*inputs)
        for one, other in zip(found, numerical_gradient(program.scalar, inputs), strict=True):
            close(one, other, 1e-8 if dtype == np.float64 else 1e-4)
