"""Every primitive through the compiled engine against NumPy, in float64, float32 and with
integers."""

import numpy as np
import pytest
import reference
from samples import ALL, SAMPLES, Sample

import pybackprop as bp
from pybackprop import primitives
from pybackprop._core import instruction_table
from pybackprop.compiled import Compiled

# Rows that a value or gradient of a single primitive does not reach, and what does.
REACHED_ELSEWHERE = {
    "FMS": "a product less something, fused: test_fusion",
    "FNMA": "something less a product, fused: test_fusion",
    "FMA": "a product plus something, fused: test_fusion",
    "NMUL": "a negated product, fused: test_fusion",
    "DOT": "a sum of products, fused: test_fusion",
    "FFT": "complex: tests/numpy/test_fft.py",
    "FFT_REAL": "complex: tests/numpy/test_fft.py",
}


def expected(sample):
    """What NumPy says."""
    with np.errstate(all="ignore"):
        if sample.name == "scan":
            return list(sample.wide(*sample.arrays))
        graph = reference.trace(sample.apply, *sample.arrays)
        return reference.run(graph, *sample.arrays)


def same(found, wanted, rtol):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind == "f":
        # Subnormal results of NumPy's own functions differ in their last bits.
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-300)
    else:
        np.testing.assert_array_equal(found, wanted)


def run(sample):
    """The primitive alone, on buffers that hold rubbish before."""
    compiled = Compiled(sample.apply)
    first = compiled(*sample.arrays)
    several = isinstance(first, tuple)
    rubbish = [
        np.full(np.shape(x), 77, np.asarray(x).dtype) for x in (first if several else [first])
    ]
    bound = compiled.bind(*sample.arrays, out=tuple(rubbish) if several else rubbish[0])()
    results = list(first) if several else [first]
    for one, other in zip(results, bound if several else [bound], strict=True):
        np.testing.assert_array_equal(one, other)
    return results, compiled


def tolerance(dtype, sample):
    size = max([a.size for a in sample.arrays] + [1])
    many = size if sample.name in ("sum", "prod", "matmul", "cumsum", "cumprod", "scan") else 8
    if sample.name == "scan":
        many *= 4  # each step of its recurrence rounds several times
    if sample.primitive.__module__.endswith(("systems", "spectral", "general")):
        many *= 64 * size  # what conditioning adds
    if sample.name.startswith(("betainc", "gammainc")) and dtype == np.float64:
        many = 1000  # derivatives by the parameters are differences of larger terms
    return np.finfo(dtype).eps * max(many, 8)


@pytest.mark.parametrize("sample", ALL, ids=repr)
def test_value(sample):
    found, _ = run(sample)
    for one, other in zip(found, expected(sample), strict=True):
        same(one, other, tolerance(np.float64, sample))


@pytest.mark.parametrize("sample", [s for s in ALL if s.floating and s.name != "convert"], ids=repr)
def test_value_in_float32(sample):
    sample = sample.with_dtype(np.float32)
    found, _ = run(sample)
    for one, other in zip(found, expected(sample), strict=True):
        same(one, np.asarray(other, np.asarray(one).dtype), tolerance(np.float32, sample))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_strided_arguments(name):
    """Fortran order, negative strides and gaps give what contiguous copies give."""
    for sample in SAMPLES[name]:
        if not any(a.ndim for a in sample.arrays):
            continue
        plain, compiled = run(sample)
        for make in (_fortran, _reversed, _gaps):
            found = compiled(*[make(a) for a in sample.arrays])
            for one, other in zip(
                found if isinstance(found, tuple) else [found], plain, strict=True
            ):
                np.testing.assert_array_equal(one, other)


def _fortran(array):
    return np.asfortranarray(array)


def _reversed(array):
    return np.ascontiguousarray(array[::-1])[::-1] if array.ndim else array


def _gaps(array):
    if not array.ndim:
        return array
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


# Made by passes from graphs of the others, after differentiation; tested in tests/passes.
MADE_BY_PASSES = {"alias", "exp_normal", "tiles", "as_parts", "from_parts", "fft_planes"}
# Of complex values only; tested in tests/test_complex.py.
COMPLEX = {"real", "imag", "make_complex", "conj", "fft"}


def test_every_primitive_has_samples():
    assert set(SAMPLES) == set(primitives.names()) - MADE_BY_PASSES - COMPLEX


@pytest.fixture(scope="module")
def reached():
    """Names of the rows that the samples' values and gradients use."""
    names = set()
    for sample in ALL:
        compiled = [Compiled(sample.apply).lower(*sample.arrays)]
        if sample.floating and not sample.primitive.stops and sample.name != "convert":
            floats = [sample.arrays[i] for i in sample.floating]

            def total(*values, sample=sample):
                result = sample.of_floats(*values)
                parts = result if isinstance(result, tuple) else (result,)
                return sum(np.sum(part) for part in parts if part.dtype.kind == "f")

            if np.issubdtype(np.asarray(expected(sample)[0]).dtype, np.floating):
                gradient = bp.grad(total, argnums=tuple(range(len(floats))))
                compiled.append(gradient.lower(*floats))
        for form in compiled:
            names.update(form.sections["names"].decode().split("\0")[:-1])
    return names


def test_lowering_names_rows(reached):
    assert reached <= {row["name"] for row in instruction_table()}


def test_every_row_is_reached(reached):
    rows = {row["name"] for row in instruction_table()}
    assert rows - reached - set(REACHED_ELSEWHERE) == set()


@pytest.mark.parametrize(
    ("row", "function"),
    [
        ("FMA", lambda x, y: x * y + np.sin(x)),
        ("FMS", lambda x, y: x * y - np.sin(x)),
        ("FNMA", lambda x, y: np.sin(x) - x * y),
        ("NMUL", lambda x, y: np.exp(-(x * y))),
        ("DOT", lambda x, y: np.sum(x * y, axis=-1)),
    ],
)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4)])
def test_fusion(row, function, shape):
    if row == "DOT" and not shape:
        pytest.skip("nothing to sum")
    rng = np.random.default_rng(0)
    x, y = np.array(rng.normal(size=shape)), np.array(rng.normal(size=shape))
    compiled = bp.compile(function)
    same(compiled(x, y), function(x, y), 1e-14)
    form = compiled.lower(x, y)
    assert row in form.sections["names"].decode().split("\0")


def test_sample_class_prints():
    assert repr(Sample("sin", [np.zeros(3)])) == "sin(float64[3])"
