"""Matrix products and einsum against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import call, compare, trace

rng = np.random.default_rng(0)


def array(*shape, dtype="float64"):
    return (rng.normal(size=shape) * 3).astype(dtype)


PAIRS = [
    ((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)), ((0, 4), (4, 3)), ((3, 0), (0, 2)), ((0, 3, 4), (4, 2)), ((0,), (0,)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "float32"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_matmul(first, second, dtype):
    a, b = array(*first, dtype=dtype), array(*second, dtype=dtype)
    compare(lambda x, y: [x @ y, np.matmul(x, y)], a, b, rtol=1e-5 if dtype == "float32" else None)


def test_matmul_mixed():
    compare(lambda x, y: x @ y, array(3, 4), array(4, 2, dtype="int32"))
    compare(lambda x: np.ones((2, 3)) @ x @ np.ones(4), array(3, 4))
    compare(lambda x, y: [x.T @ y, y.T @ x, x @ y.T], array(4, 4), array(4, 4))
    if hasattr(np.ndarray, "mT"):
        compare(lambda x: x.mT @ x, array(2, 3, 4))


def test_transposes_become_flags():
    graph = trace(lambda x, y: x.T @ y, array(4, 3), array(4, 2))
    product = graph.outputs[0].node
    assert product.attributes == {"transpose_a": True, "transpose_b": False}


@pytest.mark.parametrize(
    ("first", "second"),
    [((3,), (4,)), ((3, 4), (3, 4)), ((2, 3, 4), (3, 4, 5)), ((), (3,)), ((3,), (4, 5))],
)
def test_matmul_errors(first, second):
    with pytest.raises(ValueError):
        call(np.matmul, array(*first), array(*second))


@pytest.mark.parametrize(
    ("first", "second"),
    [((4,), (4,)), ((3, 4), (4,)), ((3, 4), (4, 2)), ((2, 3, 4), (5, 4, 2)), ((), (3,)), ((4,),
    (4, 3)),
     ((2, 3), ())],
)  # fmt: skip
def test_dot(first, second):
    compare(np.dot, array(*first), array(*second))
    if first:
        compare(lambda a, b: a.dot(b), array(*first), array(*second))


def test_other_products():
    compare(np.inner, array(3), array(3))
    compare(np.inner, array(2, 3), array(4, 5, 3))
    compare(np.inner, array(2, 3), array())
    compare(np.outer, array(3), array(4))
    compare(np.outer, array(2, 3), array(2, 2))
    compare(np.vdot, array(2, 3), array(2, 3))
    compare(np.kron, array(2, 3), array(3, 2))
    compare(np.kron, array(2), array(3, 2))
    for axes in (0, 1, 2, ([0, 1], [1, 0]), (1, 0), ([-1], [-2])):
        a = array(3, 3)
        compare(lambda x, y: np.tensordot(x, y, axes), a, a)
    compare(lambda x, y: np.tensordot(x, y, ((0, 2), (1, 0))), array(2, 3, 4), array(4, 2, 5))


SPECS = [
    ("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk", (3, 4), (4, 5)), ("ij,jk->ki", (3, 4), (4, 5)),
    ("ij,ij->", (3, 4), (3, 4)), ("ij,ij->i", (3, 4), (3, 4)), ("ij,ij->ij", (3, 4), (3, 4)),
    ("i,j->ij", (3,), (4,)), ("i,i", (3,), (3,)), ("ij->ji", (3, 4)), ("ij->", (3, 4)), ("ij->j",
    (3, 4)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("iij->j", (3, 3, 2)), ("iji->ij", (3, 2, 3)), ("iii->i",
    (3, 3, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bij,bjk->kb", (2, 3, 4), (2, 4, 5)),
    ("bij,kj->bik", (2, 3, 4), (5, 4)), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (6, 4, 5)), ("...i,i->...", (2, 3, 4), (4,)),
    ("i...,i...->...", (3, 2), (3, 2)), ("...", (2, 3)), ("...i->i...", (2, 3)),
    ("ij,jk,kl->il", (3, 4), (4, 5), (5, 2)), ("ij,kj,lj->ikl", (3, 4), (2, 4), (5, 4)),
    ("i,i,i->i", (3,), (3,), (3,)), ("ij,ij,ij", (3, 4), (3, 4), (3, 4)), ("ii,ij,jj->i", (3, 3),
    (3, 4), (4, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("ijk,ilm,njm,nlk,abc->", *[(2, 2, 2)] * 5),
    ("ij,j->i", (3, 4), (1,)), ("ij,ij->", (1, 3), (2, 3)), ("a,ab,abc->abc", (2,), (2, 3), (2, 3,
    4)),
    (" i j , j k -> i k ", (3, 4), (4, 5)), ("ij,jk->ik", (0, 4), (4, 5)), ("ij,jk->ik", (3, 0),
    (0, 5)),
    (",ij->ij", (), (2, 3)), ("ij,kl->ijkl", (2, 3), (2, 2)), ("ij,kl->jl", (2, 3), (2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("case", SPECS, ids=lambda c: c[0])
def test_einsum(case):
    spec, *shapes = case
    arrays = [array(*shape) for shape in shapes]
    compare(lambda *a: np.einsum(spec, *a), *arrays, rtol=1e-12)
    compare(lambda *a: np.einsum(spec, *a, optimize=True), *arrays, rtol=1e-12)


def test_einsum_forms():
    a, b = array(3, 4), array(4, 5)
    compare(lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [0, 2]), a, b)
    compare(lambda x, y: np.einsum(x, [0, 1], y, [1, 2]), a, b)
    compare(lambda x, y: np.einsum("ij,jk->ik", x.astype(int), y.astype(int)), a, b)
    compare(lambda x, y: np.einsum("ij,jk->ik", x, np.ones((4, 2), np.float32)), a, b)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_einsum_random(data):
    sizes = {"a": 2, "b": 3, "c": 1, "d": 4}
    terms = data.draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    result = data.draw(st.permutations(letters))[: data.draw(st.integers(0, len(letters)))]
    spec = ",".join(terms) + "->" + "".join(result)
    arrays = [array(*[sizes[c] for c in term]) for term in terms]
    compare(lambda *x: np.einsum(spec, *x), *arrays, rtol=1e-12)


@pytest.mark.parametrize(
    ("spec", "shapes"),
    [("ij,jk->ik", [(3, 4), (5, 5)]), ("ij->ijj", [(2, 2)]), ("ij->k", [(2, 2)]), ("i", [(2, 2)]),
     ("ij,jk", [(2, 2)]), ("i$->i", [(2, 2)])],
)  # fmt: skip
def test_einsum_errors(spec, shapes):
    with pytest.raises(ValueError):
        call(lambda *x: np.einsum(spec, *x), *[array(*s) for s in shapes])
