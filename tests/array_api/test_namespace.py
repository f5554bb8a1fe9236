"""Every function of the array API standard (2024.12), by its name, signature and dtypes.

`array-api-tests` is on no package index, so this follows its spirit: arrays of random shapes and
dtypes, edge values among them, through each function plain and traced, against NumPy.
"""

import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pybackprop as bp
import pybackprop.numpy as xp

SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
# Left out, and why.
SKIPPED = {
    "from_dlpack": "takes any exporter; tested below",
    "empty": "its values are undefined; its shape and dtype are tested below",
    "empty_like": "its values are undefined; its shape and dtype are tested below",
}
DATA_DEPENDENT = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")

# Name: parameters in the order of the standard; those after * by keyword only.
SIGNATURES = {
    "arange": "start stop step * dtype device", "asarray": "obj * dtype device copy",
    "empty": "shape * dtype device", "empty_like": "x * dtype device",
    "eye": "n_rows n_cols * k dtype device", "from_dlpack": "x * device copy",
    "full": "shape fill_value * dtype device", "full_like": "x fill_value * dtype device",
    "linspace": "start stop num * dtype device endpoint", "meshgrid": "* indexing",
    "ones": "shape * dtype device", "ones_like": "x * dtype device", "tril": "x * k",
    "triu": "x * k", "zeros": "shape * dtype device", "zeros_like": "x * dtype device",
    "astype": "x dtype * copy device", "can_cast": "from_ to", "finfo": "type", "iinfo": "type",
    "isdtype": "dtype kind", "result_type": "",
    "take": "x indices * axis", "take_along_axis": "x indices * axis", "matmul": "x1 x2",
    "matrix_transpose": "x", "tensordot": "x1 x2 * axes", "vecdot": "x1 x2 * axis",
    "broadcast_arrays": "", "broadcast_to": "x shape", "concat": "arrays * axis",
    "expand_dims": "x * axis", "flip": "x * axis", "moveaxis": "x source destination",
    "permute_dims": "x axes", "repeat": "x repeats * axis", "reshape": "x shape * copy",
    "roll": "x shift * axis", "squeeze": "x axis", "stack": "arrays * axis",
    "tile": "x repetitions", "unstack": "x * axis",
    "argmax": "x * axis keepdims", "argmin": "x * axis keepdims",
    "count_nonzero": "x * axis keepdims", "nonzero": "x", "searchsorted": "x1 x2 * side sorter",
    "where": "condition x1 x2", "unique_all": "x", "unique_counts": "x", "unique_inverse": "x",
    "unique_values": "x", "argsort": "x * axis descending stable",
    "sort": "x * axis descending stable",
    "cumulative_prod": "x * axis dtype include_initial",
    "cumulative_sum": "x * axis dtype include_initial", "max": "x * axis keepdims",
    "mean": "x * axis keepdims", "min": "x * axis keepdims", "prod": "x * axis dtype keepdims",
    "std": "x * axis correction keepdims", "sum": "x * axis dtype keepdims",
    "var": "x * axis correction keepdims", "all": "x * axis keepdims", "any": "x * axis keepdims",
    "diff": "x * axis n prepend append", "clip": "x min max", "round": "x",
}  # fmt: skip
UNARY = (
    "abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag "
    "isfinite isinf isnan log log1p log2 log10 logical_not negative positive real reciprocal round "
    "sign signbit sin sinh square sqrt tan tanh trunc"
).split()
BINARY = (
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign "
    "divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and "
    "logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract"
).split()
LINALG = (
    "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank "
    "matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
).split()
FFT = (
    "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
).split()
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
).split()


@pytest.mark.parametrize("name", [*SIGNATURES, *UNARY, *BINARY, *CONSTANTS, *DTYPES])
def test_names(name):
    assert hasattr(xp, name)


def test_extensions():
    assert not [name for name in LINALG if not hasattr(xp.linalg, name)]
    assert not [name for name in FFT if not hasattr(xp.fft, name)]


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters(name):
    """Parameters by keyword have the standard's names; the others their places."""
    try:
        parameters = inspect.signature(getattr(xp, name)).parameters
    except ValueError:
        pytest.skip("a class of NumPy without signature")
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    before, _, after = SIGNATURES[name].partition("*")
    missing = [p for p in after.split() if p not in parameters]
    assert not missing
    positional = [
        p for p in parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
    ]  # fmt: skip
    variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
    assert variadic or len(positional) >= len(before.split())


def test_namespace():
    x = bp.compile(lambda x: (check(x), x)[1])(np.ones(2))
    assert x.shape == (2,)
    info = xp.__array_namespace_info__()
    assert xp.__array_api_version__ == "2024.12"
    assert info.default_device() == "cpu" and info.devices() == ["cpu"]
    defaults = info.default_dtypes(device="cpu")
    assert defaults["real floating"] == np.float64 and defaults["integral"] == np.int64
    assert defaults["indexing"] == np.int64 and defaults["complex floating"] == np.complex128
    assert set(info.dtypes(kind="bool")) == {"bool"}
    assert set(info.dtypes(kind=("signed integer", "bool"))) == {
        "bool", "int8", "int16", "int32", "int64",
    }  # fmt: skip
    assert set(info.dtypes()) == set(DTYPES)
    assert info.capabilities()["boolean indexing"] is True
    with pytest.raises(ValueError, match="evice"):
        info.dtypes(device="gpu")
    with pytest.raises(ValueError, match="kind"):
        info.dtypes(kind="nonsense")


def check(x):
    """Attributes and methods of a traced array."""
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match="2019"):
        x.__array_namespace__(api_version="2019.12")
    assert x.device == "cpu" and x.to_device("cpu") is not None
    with pytest.raises(ValueError, match="evice"):
        x.to_device("gpu")
    assert (x.ndim, x.shape, x.size, x.dtype) == (1, (2,), 2, np.float64)
    assert x.T.shape == (2,) and x[None].mT.shape == (2, 1)
    info = xp.__array_namespace_info__()
    assert info.capabilities()["data-dependent shapes"] is False
    for name in ("__dlpack__", "__bool__", "__float__", "__int__", "__index__", "__complex__"):
        with pytest.raises(TypeError):
            getattr(x, name)()
    return x


def values(dtype):
    """Elements of a dtype, special ones among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -9
        limits = np.iinfo(dtype)
        return st.one_of(st.integers(low, 9), st.sampled_from([limits.min, limits.max]))
    special = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 3.0, -2.5, 20.0]
    return st.one_of(
        st.sampled_from(special), st.floats(-9, 9, width=32 if dtype.itemsize == 4 else 64)
    )


REAL = ("int8", "uint8", "int32", "int64", "uint64", "float32", "float64")


@st.composite
def arrays(draw, dtypes=REAL, shape=None):
    """An array of random dtype and shape, empty and 0-d ones among them."""
    shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3) if not shape else shape
    dtype = draw(st.sampled_from(dtypes))
    return draw(hnp.arrays(dtype, shape, elements=values(dtype)))


def agree(ours, theirs, ulps=8):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if theirs.dtype.kind in "fc":
        tolerance = ulps * np.finfo(theirs.dtype).eps
        np.testing.assert_allclose(
            ours, theirs, rtol=tolerance, atol=np.finfo(theirs.dtype).tiny * 4
        )
    else:
        np.testing.assert_array_equal(ours, theirs)


def both(call, *operands, ulps=8):
    """Compare ``call(namespace, *operands)``, plain and traced, with NumPy."""
    with np.errstate(all="ignore"):
        try:
            expected = call(np, *operands)
        except (TypeError, ValueError, IndexError) as error:  # NumPy's kinds differ, too
            kinds = (type(error), TypeError, ValueError, IndexError)
            with pytest.raises(kinds):
                call(xp, *operands)
            with pytest.raises(kinds):
                bp.compile(lambda *a: call(xp, *a))(*operands)
            return
        if any(np.asarray(y).dtype == np.float16 for y in as_list(expected)):
            return  # refused, see docs/conventions.md
        for found in (call(xp, *operands), bp.compile(lambda *a: call(xp, *a))(*operands)):
            found = as_list(found)
            assert len(found) == len(as_list(expected))
            for ours, theirs in zip(found, as_list(expected), strict=True):
                agree(ours, theirs, ulps)


def as_list(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("name", UNARY)
@SETTINGS
@given(arrays((*REAL, "bool")))
def test_unary(name, x):
    if name == "reciprocal" and x.dtype.kind in "iub":
        return  # not in the standard
    both(lambda np, x: getattr(np, name)(x), x)


COMPLEX = (
    "abs conj exp imag isfinite isnan log negative positive real sin cos sqrt square tanh"
).split()


@pytest.mark.parametrize("name", COMPLEX)
@SETTINGS
@given(st.data())
def test_complex(name, data):
    dtype = data.draw(st.sampled_from(("complex64", "complex128")))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    part = st.sampled_from([-2.5, -1.0, -0.3, 0.4, 1.0, 3.0])
    x = data.draw(hnp.arrays(dtype, shape, elements=st.builds(complex, part, part)))
    both(lambda np, x: getattr(np, name)(x), x, ulps=32)


@pytest.mark.parametrize("name", BINARY)
@SETTINGS
@given(st.data())
def test_binary(name, data):
    dtype = data.draw(st.sampled_from((*REAL, "bool")))
    shapes = data.draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0)
    ).input_shapes
    x1, x2 = (data.draw(hnp.arrays(dtype, s, elements=values(dtype))) for s in shapes)
    if "shift" in name or (name in ("pow", "floor_divide", "remainder") and x1.dtype.kind in "iu"):
        x2 = (np.abs(x2) % 7 + 1).astype(dtype)
    both(lambda np, a, b: getattr(np, name)(a, b), x1, x2, ulps=16)
    number = data.draw(st.sampled_from([True] if x1.dtype == bool else [2, 1]))
    both(lambda np, a: getattr(np, name)(a, number), x1, ulps=16)


REDUCTIONS = {
    "sum": {}, "prod": {}, "max": {}, "min": {}, "all": {}, "any": {}, "mean": {}, "var":
    {"correction": 1}, "std": {"correction": 0.5}, "argmax": {}, "argmin": {}, "count_nonzero": {},
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@SETTINGS
@given(arrays(("int32", "uint8", "float32", "float64", "bool")), st.data())
def test_reductions(name, x, data):
    axes = [None, *range(-x.ndim, x.ndim)]
    if x.ndim > 1 and not name.startswith("arg"):
        axes.append((0, -1))
    axis, keepdims = data.draw(st.sampled_from(axes)), data.draw(st.booleans())
    x = np.where(np.isfinite(x), x, 1).astype(x.dtype)
    if name == "prod" or (x.dtype.kind == "f" and name in ("var", "std", "sum", "mean")):
        x = (np.abs(x) % 3).astype(x.dtype)
    if name in ("var", "std", "mean") and (x.dtype.kind != "f" or 0 in x.shape):
        return
    both(
        lambda np, x: getattr(np, name)(x, axis=axis, keepdims=keepdims, **REDUCTIONS[name]),
        x, ulps=64,
    )  # fmt: skip


MANIPULATIONS = {
    "broadcast_to": lambda np, x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast_arrays": lambda np, x: np.broadcast_arrays(x, np.ones((1,))),
    "concat": lambda np, x: np.concat([x, x], axis=-1),
    "concat flat": lambda np, x: np.concat([x, x[None]], axis=None),
    "expand_dims": lambda np, x: np.expand_dims(x, axis=-1),
    "flip": lambda np, x: np.flip(x), "flip axis": lambda np, x: np.flip(x, axis=-1),
    "moveaxis": lambda np, x: np.moveaxis(x, 0, -1),
    "permute_dims": lambda np, x: np.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "matrix_transpose": lambda np, x: np.matrix_transpose(x),
    "repeat": lambda np, x: np.repeat(x, 2, axis=-1), "repeat all": lambda np, x: np.repeat(x, 3),
    "reshape": lambda np, x: np.reshape(x, (-1,) if x.size else (0,)),
    "roll": lambda np, x: np.roll(x, 1), "roll axes": lambda np, x: np.roll(x, (1, 2), (0, -1)),
    "squeeze": lambda np, x: np.squeeze(x[None], axis=0),
    "stack": lambda np, x: np.stack([x, x], axis=-1), "tile": lambda np, x: np.tile(x, (2, 1)),
    "unstack": lambda np, x: np.unstack(x, axis=-1), "tril": lambda np, x: np.tril(x, k=1),
    "triu": lambda np, x: np.triu(x, k=-1), "astype": lambda np, x: np.astype(x, np.float32),
    "astype bool": lambda np, x: np.astype(x, np.bool, copy=True),
    "zeros_like": lambda np, x: np.zeros_like(x), "ones_like": lambda np, x: np.ones_like(x),
    "full_like": lambda np, x: np.full_like(x, 1, dtype=np.float64),
    "empty_like": lambda np, x: np.empty_like(x).shape,
    "where": lambda np, x: np.where(x > 1, x, 2), "diff": lambda np, x: np.diff(x, axis=-1, n=1),
    "clip": lambda np, x: np.clip(x, 1, 5), "clip low": lambda np, x: np.clip(x, 1, None),
    "take": lambda np, x: np.take(x, np.asarray([0, 0, -1]), axis=-1),
    "take_along_axis": lambda np, x: np.take_along_axis(
        x, np.zeros(x.shape, np.int64), axis=-1
    ),
    "sort": lambda np, x: np.sort(x, axis=-1), "argsort": lambda np, x: np.argsort(
        x, axis=-1, stable=True
    ),
    "cumulative_sum": lambda np, x: np.cumulative_sum(
        np.where(np.isfinite(x), x, 1), axis=-1, include_initial=True
    ),
    "cumulative_prod": lambda np, x: np.cumulative_prod(
        np.where(np.abs(x) < 3, x, 1), axis=-1
    ),
    "meshgrid": lambda np, x: np.meshgrid(x[..., 0].ravel(), np.ones(2), indexing="ij"),
    "asarray": lambda np, x: np.asarray(x, dtype=np.float64, copy=True),
    "searchsorted": lambda np, x: np.searchsorted(np.asarray([0.0, 1.0, 4.0]), x, side="right"),
}  # fmt: skip


@pytest.mark.parametrize("name", MANIPULATIONS)
@SETTINGS
@given(arrays(("int32", "uint8", "float32", "float64")))
def test_manipulations(name, x):
    if name == "take" and 0 in x.shape:
        return  # NumPy lets out-of-range positions pass here
    if x.dtype.kind == "f" and np.isnan(x).any() and "sort" in name:
        x = np.nan_to_num(x)
    if name == "astype" or name == "astype bool" or x.dtype.kind != "f":
        x = np.nan_to_num(x)
    both(MANIPULATIONS[name], x)


PRODUCTS = {
    "matmul": lambda np, a, b: np.matmul(a, b),
    "tensordot": lambda np, a, b: np.tensordot(a, b, axes=1),
    "tensordot axes": lambda np, a, b: np.tensordot(a, b, axes=((-1,), (0,))),
    "vecdot": lambda np, a, b: np.vecdot(a, np.matrix_transpose(b), axis=-1),
}


@pytest.mark.parametrize("name", PRODUCTS)
@SETTINGS
@given(st.data())
def test_products(name, data):
    m, k, n = (data.draw(st.integers(0, 4)) for _ in range(3))
    n = m if name == "vecdot" else n
    dtype = data.draw(st.sampled_from(("float32", "float64", "int64", "int32")))
    a, b = (data.draw(hnp.arrays(dtype, s, elements=st.integers(-4, 4))) for s in ((m, k), (k, n)))
    both(PRODUCTS[name], a, b)


CREATIONS = [
    lambda np: np.arange(3), lambda np: np.arange(2, 9, 3, dtype=np.float32),
    lambda np: np.arange(5, 0, -2.0, device="cpu"), lambda np: np.zeros(3, device="cpu"),
    lambda np: np.zeros((2, 0), dtype=np.int8), lambda np: np.ones((2,), dtype=np.bool),
    lambda np: np.full((2, 2), 3), lambda np: np.full(2, True), lambda np: np.full((), 1.5,
    dtype=np.float32, device="cpu"),
    lambda np: np.eye(3, 2, k=-1, dtype=np.int32), lambda np: np.eye(2, device="cpu"),
    lambda np: np.linspace(0, 1, 5, endpoint=False, device="cpu"), lambda np: np.linspace(0, 4, 5,
    dtype=np.float32),
    lambda np: np.asarray([[1, 2], [3, 4]], device="cpu"), lambda np: np.asarray(2.5),
    lambda np: np.asarray([1, 2], dtype=np.uint16), lambda np: np.asarray([True, False]),
    lambda np: np.empty((2, 3), dtype=np.int16) * 0, lambda np: np.zeros_like(np.ones(2),
    dtype=np.int8, device="cpu"),
    lambda np: np.full_like(np.ones(2), 7.0, device="cpu"), lambda np: np.from_dlpack(np.ones(3)),
    lambda np: np.astype(np.arange(3), np.float32, copy=False), lambda np: np.ones_like(np.zeros(2),
    device="cpu"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CREATIONS)))
def test_creation(number):
    call = CREATIONS[number]
    agree(call(xp), call(np))
    agree(bp.compile(lambda x: (xp.asarray(call(xp)), x)[0])(1.0), call(np))


def test_dtypes():
    assert xp.isdtype(np.dtype("f4"), "real floating") and not xp.isdtype(np.dtype("i4"), "bool")
    assert xp.isdtype(np.dtype("u1"), ("integral", "bool"))
    assert xp.result_type(np.float32, np.float64) == np.float64
    assert xp.can_cast(np.int32, np.float64) and not xp.can_cast(np.float64, np.int32)
    assert xp.finfo(np.float32).bits == 32 and xp.iinfo(np.int8).max == 127
    assert xp.finfo(np.ones(1, np.float32)).dtype == np.float32
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (np.e, np.pi, np.inf, None) and xp.nan != xp.nan

    def traced(x):
        assert xp.result_type(x, np.float32) == np.float64
        assert xp.can_cast(x, np.float64) and xp.isdtype(x.dtype, "real floating")
        assert xp.finfo(x.dtype).bits == 64
        return x

    bp.compile(traced)(np.ones(2))


def test_descending():
    x = np.array([[2.0, 3.0, 2.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    order = np.argsort(-x, axis=1, stable=True)
    for run in (lambda f: f(x), lambda f: bp.compile(f)(x)):
        np.testing.assert_array_equal(run(lambda x: xp.argsort(x, axis=1, descending=True)), order)
        np.testing.assert_array_equal(
            run(lambda x: xp.sort(x, axis=1, descending=True)), np.take_along_axis(x, order, 1)
        )


@pytest.mark.parametrize("name", DATA_DEPENDENT)
def test_data_dependent_shapes(name):
    x = np.array([3.0, 0.0, 3.0])
    ours, theirs = as_list(getattr(xp, name)(x)), as_list(getattr(np, name)(x))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(TypeError, match="depend on data"):
        bp.compile(lambda x: getattr(xp, name)(x))(x)
    with pytest.raises(TypeError):
        bp.compile(lambda x: x[x > 1])(x)


def test_copies():
    x = np.arange(3.0)
    assert xp.asarray(x, copy=False) is x or np.shares_memory(xp.asarray(x, copy=False), x)
    assert not np.shares_memory(xp.asarray(x, copy=True), x)
    with pytest.raises(ValueError, match="copy"):
        xp.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="evice"):
        xp.zeros(2, device="gpu")

    def traced(x):
        y, z = xp.asarray(x), xp.asarray(x, copy=True)
        y[0] = 7.0
        return x, z

    a, b = bp.compile(traced)(x)
    assert (a[0], b[0], x[0]) == (7.0, 0.0, 0.0)
