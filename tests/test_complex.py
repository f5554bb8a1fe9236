"""Complex values: NumPy's functions, derivatives in JAX's convention, loops, files, both backends.

Values are compared with NumPy in extended precision where it has it, derivatives with central
differences of NumPy's functions in extended precision, along the real and the imaginary direction.
"""

import pickle
import types

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import DifferentiationError, UnsupportedError

RNG = np.random.default_rng(7)
DTYPES = [np.complex128, np.complex64]


def points(shape, dtype=np.complex128, rng=RNG):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def relative(found, expected):
    """Distance of complex numbers in ulp of their dtype, relative to their size."""
    with np.errstate(all="ignore"):
        error = np.abs(found - expected) / np.abs(expected)
    error = np.where(found == expected, 0, error)
    return float(np.max(error, initial=0.0) / np.finfo(np.asarray(found).dtype).eps)


HOLOMORPHIC = (
    "exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan arcsin arccos arctan sinh cosh tanh "
    "arcsinh arccosh arctanh square reciprocal negative positive"
).split()
OTHERS = "conj abs angle sign rint real imag isnan isinf isfinite logical_not".split()
BINARY = (
    "add subtract multiply divide power maximum minimum fmax fmin equal not_equal less less_equal "
    "greater greater_equal logical_and"
).split()
Z = np.concatenate(
    [
        points(100),
        10 ** RNG.uniform(-8, 1, 100) * np.exp(1j * RNG.uniform(-np.pi, np.pi, 100)),
        [1, -1, 2, -2, 0, 1j, -1j, 2j, -2j, complex(-4, -0.0), complex(2, -0.0), complex(-0.0, 2)],
        [0.6 + 0.8j, -0.8 + 0.6j, 1 + 1e-9j, 1e-9j, 1e-9 + 1e-9j, 30 + 1j, -30 - 1j],
    ]
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HOLOMORPHIC + OTHERS)
def test_values(name, dtype):
    function, z = getattr(np, name), Z.astype(dtype)
    found = bp.compile(function)(z)
    with np.errstate(all="ignore"):
        plain = function(z)
        expected = function(z.astype(np.clongdouble))
    assert found.dtype == plain.dtype
    if found.dtype == bool:
        np.testing.assert_array_equal(found, plain)
        return
    if name == "log1p":
        # NumPy's own loses digits near 0: the series to fourth order is better there.
        small = np.abs(z) < 1e-4
        w = z[small].astype(np.clongdouble)
        expected[small] = w - w**2 / 2 + w**3 / 3 - w**4 / 4
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(found), finite)
    bound = 40 if name == "exp2" else 4  # NumPy rounds y log 2 as we do
    assert relative(found[finite], expected[finite]) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_values(name, dtype):
    function, a, b = getattr(np, name), Z.astype(dtype), points(Z.shape, dtype)
    b[:20] = a[:20]
    b[20:40].real = a[20:40].real
    b[40], b[41], b[42] = 0, 2, -3
    found = bp.compile(function)(a, b)
    with np.errstate(all="ignore"):
        plain = function(a, b)
        expected = function(a.astype(np.clongdouble), b.astype(np.clongdouble))
    assert found.dtype == plain.dtype
    if found.dtype == bool:
        np.testing.assert_array_equal(found, plain)
        return
    finite = np.isfinite(expected)
    assert relative(found[finite], expected[finite]) <= (60 if name == "power" else 4)


@pytest.mark.parametrize("name", ["sqrt", "log", "arcsin", "arccos", "arctan", "arcsinh"])
def test_branch_cuts_follow_the_sign_of_zero(name):
    cut = [complex(x, y) for x in (-3.0, -0.5, 0.5, 3.0) for y in (0.0, -0.0)]
    cut += [complex(x, y) for y in (-3.0, 3.0) for x in (0.0, -0.0)]
    z = np.array(cut)
    np.testing.assert_allclose(bp.compile(getattr(np, name))(z), getattr(np, name)(z), rtol=1e-14)
    turned = bp.compile(lambda z: np.sqrt(-z) + np.sqrt(np.conj(z)) + np.sqrt(-1.0 * z))(z)
    np.testing.assert_allclose(
        turned, np.sqrt(-z) + np.sqrt(np.conj(z)) + np.sqrt(-1.0 * z), rtol=1e-14
    )


def test_infinities_and_overflow():
    inf = np.inf
    z = np.array([-inf, -inf + 1j, 800 + 0j, inf + 0j])
    np.testing.assert_array_equal(bp.compile(np.exp)(z), [0, 0, inf, inf])
    z = np.array([complex(inf, 1), complex(-inf, 1), complex(1, inf), complex(-1, -inf)])
    np.testing.assert_array_equal(bp.compile(np.sqrt)(z), np.sqrt(z))
    z = np.array([400 + 1j, -400 + 1j, 1e300 - 2j])
    np.testing.assert_allclose(bp.compile(np.tanh)(z), np.tanh(z))
    big = np.array([1e300 + 1e300j, 1e-300 + 1e-300j])
    np.testing.assert_allclose(bp.compile(lambda a: a / (a * 2))(big), [0.5, 0.5])
    np.testing.assert_allclose(bp.compile(np.abs)(big), np.abs(big))
    nan = bp.compile(lambda z: (np.isnan(z), np.isinf(z), np.isfinite(z)))
    z = np.array([complex(np.nan, 1), complex(1, inf), 1j, complex(inf, np.nan)])
    for found, expected in zip(nan(z), (np.isnan(z), np.isinf(z), np.isfinite(z)), strict=True):
        np.testing.assert_array_equal(found, expected)


def difference(function, z, direction):
    """The derivative of a function of NumPy along a direction, in extended precision."""
    h = np.longdouble(1e-5)
    z, step = z.astype(np.clongdouble), h * np.asarray(direction, np.clongdouble)
    near = (function(z + step) - function(z - step)) / (2 * h)
    wide = (function(z + 2 * step) - function(z - 2 * step)) / (4 * h)
    return (4 * near - wide) / 3


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic_derivatives(name):
    function = getattr(np, name)
    z = points(12)
    expected = difference(function, z, 1).astype(complex)
    for mode in ("forward", "reverse"):
        jacobian = bp.jacobian(function, mode=mode, holomorphic=True)(z)
        assert jacobian.dtype == complex
        np.testing.assert_allclose(jacobian, np.diag(expected), rtol=1e-9, atol=1e-11)
    derivative = bp.grad(function, holomorphic=True)
    np.testing.assert_allclose(derivative(z[0]), expected[0], rtol=1e-9)
    second = bp.grad(derivative, holomorphic=True)(z[0])
    h = 1e-4
    differences = (derivative(z[0] + h) - derivative(z[0] - h)) / (2 * h)
    np.testing.assert_allclose(second, differences, rtol=1e-5, atol=1e-6)
    single = bp.grad(function, holomorphic=True)(np.complex64(z[0]))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, expected[0], rtol=2e-4)


PROGRAMS = {
    "abs": lambda z: np.sum(np.abs(z) ** 2),
    "abs of exp": lambda z: np.sum(np.abs(np.exp(z) * z)),
    "angle": lambda z: np.sum(np.angle(z) * np.real(z)),
    "conj": lambda z: np.sum((z * np.conj(z)).real + np.imag(np.conj(z) ** 2)),
    "sign": lambda z: np.sum(np.real(np.sign(z)) * np.imag(z)),
    "mixed": lambda z: np.real(np.mean(np.sin(z) / (z + 2.5) - 3j * np.conj(z) ** 3)),
    "where": lambda z: np.sum(np.abs(np.where(z.real > 0, np.sqrt(z), z * z))),
    "power": lambda z: np.sum(np.abs(z ** (0.5 + 1j)) + np.imag(z**3)),
    "prod": lambda z: np.abs(np.prod(z)) + np.imag(np.sum(np.cumprod(z))),
    "matmul": lambda z: np.abs(z @ (np.outer(z, z.conj()) @ z)),
    "shapes": lambda z: np.sum(
        np.abs(np.concatenate([z[::-1], z[1:3] * 2]).reshape(2, 4).T @ np.ones(2)) ** 2
    ),
    "gather": lambda z: np.real(np.sum(z[np.array([0, 2, 2])] * z[1])),
    "update": lambda z: np.abs(
        np.sum(np.sin(bp.numpy.zeros_like(z).at[np.array([1, 1])].add(z[:2])))
    ),
    "max": lambda z: np.abs(np.max(z) * np.min(z)) + np.real(np.maximum(z[0], z[1])),
    "var": lambda z: np.real(np.std(np.abs(z)) * np.mean(z)),
    "real only": lambda z: np.sum(z.real**2) * np.sum(np.imag(z)),
    "cumsum": lambda z: np.sum(np.abs(np.cumsum(z))),
    "expm1": lambda z: np.sum(np.abs(np.expm1(z) + np.log1p(z))),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_of_real_functions(name):
    """The gradient is df/dx - i df/dy, in both modes, and to second order."""
    function = PROGRAMS[name]
    z = points(6, rng=np.random.default_rng(3))
    gradient = bp.grad(function)(z)
    assert gradient.dtype == complex
    compiled = bp.compile(function)
    h = 1e-5
    parts = [
        [(compiled(z + h * d) - compiled(z - h * d)) / (2 * h) for d in np.eye(6) * unit]
        for unit in (1, 1j)
    ]
    np.testing.assert_allclose(gradient, np.array(parts[0]) - 1j * np.array(parts[1]), rtol=1e-6,
                               atol=1e-8)  # fmt: skip
    t = points(6)
    _, dot = bp.jvp(function, (z,), (t,))
    np.testing.assert_allclose(dot, np.sum(gradient * t).real, rtol=1e-10)
    bp.check_grads(function, (z,), order=2)
    single = bp.grad(function)(z.astype(np.complex64))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, gradient, rtol=3e-4, atol=1e-4)


def test_gradients_as_jax_has_them():
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp

    z = points(6, rng=np.random.default_rng(3))
    for name in ("abs of exp", "angle", "mixed", "power"):
        source = PROGRAMS[name].__code__
        scope = {"np": jnp, "__builtins__": __builtins__}
        with jax.enable_x64(True):
            expected = jax.grad(types.FunctionType(source, scope))(z)
        np.testing.assert_allclose(bp.grad(PROGRAMS[name])(z), expected, rtol=1e-8)


def test_products_of_a_function_that_is_not_holomorphic():
    def function(x, z):
        return {"a": np.conj(z) * x, "b": np.abs(z), "c": np.exp(z * z.conj() * 1j)}

    x, z = RNG.normal(size=3), points(3)
    dx, dz = RNG.normal(size=3), points(3)
    output, dot = bp.jvp(function, (x, z), (dx, dz))
    _, pullback = bp.vjp(function, x, z)
    cotangent = {"a": points(3), "b": RNG.normal(size=3), "c": points(3)}
    x_bar, z_bar = pullback(cotangent)
    assert x_bar.dtype == float and z_bar.dtype == complex and output["b"].dtype == float
    left = sum(np.sum(cotangent[k] * dot[k]).real for k in "abc")
    np.testing.assert_allclose(left, np.sum(x_bar * dx) + np.sum(z_bar * dz).real, rtol=1e-12)
    bp.check_grads(function, (x, z), order=2)


def test_jacobians_and_refusals():
    z, x = points(3), RNG.normal(size=3)

    def to_complex(x):
        return np.exp(1j * x)

    jacobian = bp.jacobian(to_complex)(x)
    np.testing.assert_allclose(jacobian, np.diag(1j * np.exp(1j * x)), rtol=1e-14)
    rows = bp.jacobian(np.abs)(z)
    np.testing.assert_allclose(rows, np.diag(np.conj(z) / np.abs(z)), rtol=1e-14)
    hessian = bp.hessian(lambda z: np.sum(z**3), holomorphic=True)(z)
    np.testing.assert_allclose(hessian, np.diag(6 * z), rtol=1e-14)
    for call in (
        lambda: bp.grad(np.sum)(z),
        lambda: bp.jacobian(np.sin)(z),
        lambda: bp.grad(np.sum, holomorphic=True)(x),
        lambda: bp.grad(lambda z: np.abs(z), holomorphic=True)(z[0]),
        lambda: bp.jacobian(np.abs, mode="forward")(z),
        lambda: bp.jacobian(to_complex, mode="reverse")(x),
    ):
        with pytest.raises(DifferentiationError, match="holomorphic"):
            call()
    with pytest.raises(DifferentiationError, match="sparse"):
        bp.jacobian(np.conj, sparse=True)(z)
    with pytest.raises(TypeError, match="complex"):
        bp.jvp(np.sin, (x,), (z,))
    for name in ("floor", "arctan2", "cbrt", "signbit"):
        function = getattr(np, name)
        with pytest.raises(TypeError, match=name):
            bp.compile(lambda z, f=function: f(z, z) if f.nin == 2 else f(z))(z)


def test_derivative_of_abs_at_zero():
    z = np.zeros(2, complex)
    np.testing.assert_array_equal(bp.grad(lambda z: np.sum(np.abs(z)))(z), 0)
    np.testing.assert_array_equal(bp.jvp(np.sign, (z,), (z + 1,))[1], 0)


def test_loops_carry_complex_values():
    def rotate(z0, w):
        def step(z, x):
            z = z * w + x
            return z, np.abs(z)

        return bp.scan(step, z0, np.arange(5.0))

    def plain(z, w):
        sizes = []
        for x in range(5):
            z = z * w + x
            sizes.append(np.abs(z))
        return z, np.array(sizes)

    z, w = 0.3 - 0.2j, 0.8 + 0.5j
    found, expected = bp.compile(rotate)(z, w), plain(z, w)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-14)
    bp.check_grads(rotate, (z, w), order=2)

    def purely_real_start(w):
        return bp.scan(lambda z, _: (z * w, None), np.ones(2) + 0j, length=3)[0]

    np.testing.assert_allclose(bp.compile(purely_real_start)(w), [w**3, w**3], rtol=1e-14)


def test_vmap_and_shapes():
    z = points((4, 3))
    dots = bp.vmap(lambda z: np.vdot(z, z * 1j).imag)(z)
    np.testing.assert_allclose(dots, np.sum(np.abs(z) ** 2, 1), rtol=1e-14)
    gradients = bp.vmap(bp.grad(lambda z: np.sum(np.abs(z))))(z)
    np.testing.assert_allclose(gradients, np.conj(z) / np.abs(z), rtol=1e-14)
    for shape in ((), (0,), (2, 0, 3), (1,), (2, 3, 4)):
        z = points(shape)
        np.testing.assert_allclose(bp.compile(lambda z: np.exp(z) * 2)(z), np.exp(z) * 2,
                                   rtol=1e-14)  # fmt: skip
    z = points((4, 6))
    for given in (z[::2, ::-1], z.T, np.asfortranarray(z), z.astype(">c16")):
        np.testing.assert_allclose(bp.compile(np.cumsum)(given), np.cumsum(given), rtol=1e-13)


def test_numbers_and_promotion():
    f = bp.compile(lambda a, b: a * b + 1j)
    cases = [
        (1 + 2j, 2.0), (np.complex64(1 + 2j), 2.0), (np.float32(2), 1j), (2, 1j), (True, 1j),
        (np.ones(2, np.float32), 1j), (np.ones(2, np.int32), np.ones(2, np.complex64)),
        (np.ones(2, np.complex64), np.ones(2)), (np.ones(2, np.int8), 2j),
    ]  # fmt: skip
    for a, b in cases:
        found, expected = f(a, b), np.asarray(a) * b + 1j
        if isinstance(a, (bool, int, float, complex)):
            expected = np.asarray(a * b + 1j)
        assert found.dtype == expected.dtype, (a, b)
        np.testing.assert_array_equal(found, expected)
    assert bp.compile(lambda z: z)(1 + 2j) == 1 + 2j
    assert bp.compile(lambda z: z.astype(np.complex64))(np.ones(2)).dtype == np.complex64
    np.testing.assert_array_equal(
        bp.compile(lambda z: (z.astype(float), z.astype(bool)))(np.array([0j, 2j, 1 + 1j]))[1],
        [False, True, True],
    )
    z = np.array([0j, 2j, 1])
    np.testing.assert_array_equal(bp.compile(lambda z: np.logical_and(z, 1))(z), [0, 1, 1])
    z = bp.compile(lambda x: (np.iscomplexobj(x), np.iscomplexobj(x * 1j)))(np.ones(2))
    assert z == (False, True)


def test_bind_save_pickle_and_native(tmp_path):
    def f(z, x):
        return np.sum(np.abs(np.exp(z * x) + z.T)), np.tanh(z) * 1j

    z, x = points((3, 3)), RNG.normal(size=3)
    expected = f(z, x)
    compiled = bp.compile(f)
    compiled(z, x)
    bound = compiled.bind(z, x)
    z += 1
    expected = f(z, x)
    np.testing.assert_allclose(bound()[1], expected[1], rtol=1e-13)
    bp.save(compiled, tmp_path / "f.tape")
    for other in (bp.load(tmp_path / "f.tape"), pickle.loads(pickle.dumps(compiled))):
        found = other(z, x)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-13)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-13)
    gradient = bp.grad(lambda z, x: f(z, x)[0])
    native = bp.grad(lambda z, x: f(z, x)[0], backend="native")
    np.testing.assert_array_equal(native(z, x), gradient(z, x))
    numbers = bp.compile(lambda z, w: np.exp(z) * w)
    bp.save(numbers.lower(1j, 2j) and numbers, tmp_path / "numbers.tape")
    assert bp.load(tmp_path / "numbers.tape")(1 + 2j, 3j) == numbers(1 + 2j, 3j)
    constant = bp.compile(lambda: np.array([1j, 2]))()
    np.testing.assert_array_equal(constant, [1j, 2])
    with pytest.raises(DifferentiationError, match="complex"):
        bp.explain(lambda z: np.sum(np.abs(z)), z)
    assert "c128" in str(compiled.graph) and "f64" in str(compiled.tape)


def test_assignment_into_complex_arrays_and_their_parts():
    def assigned(z):
        z = z.copy()
        z[0] = 5j
        z[1:] += 1
        z.real[1] = 7
        z.imag[::2] *= 2
        z.T[-1] = z[0] * 1j
        return z

    z = points(5)
    np.testing.assert_allclose(bp.compile(assigned)(z), assigned(z.copy()), rtol=1e-14)
    bp.check_grads(assigned, (z,), order=1)


def test_functions_of_real_numbers_refuse_complex_ones():
    for function in (bp.special.expit, bp.special.erf, np.arctan2, np.hypot):
        with pytest.raises((UnsupportedError, TypeError), match="complex"):
            bp.compile(lambda z, f=function: f(z, z) if f in (np.arctan2, np.hypot) else f(z))(1j)


@pytest.mark.parametrize(
    "function",
    [
        np.mean, np.sum, np.prod, np.std, np.var, np.max, np.min, np.argmax, np.argmin, np.any,
        np.cumsum, np.cumprod, np.linalg.norm, np.round, np.iscomplex, np.isreal,
        np.ptp, np.nan_to_num, np.nansum, np.diff, np.transpose, np.ravel, np.count_nonzero,
        lambda z: np.vdot(z, z), lambda z: np.average(z, weights=z), lambda z: np.isclose(z, z),
        lambda z: np.einsum("ij,kj->ik", z, z.conj()), lambda z: np.tensordot(z, z),
        lambda z: np.linalg.norm(z, 1, axis=0), lambda z: np.linspace(z[0, 0], 1, 5),
        lambda z: np.pad(z, 1), lambda z: np.roll(z, 1), lambda z: np.kron(z, z),
        lambda z: np.where(np.abs(z) > 1, z, 0), lambda z: np.trace(z), lambda z: z**-2,
        lambda z: z ** np.array([[0.0], [2.0], [0.5]]), lambda z: 2.0**z, lambda z: np.diag(z),
        lambda z: np.var(z, axis=0, ddof=1, where=z.real > -9), lambda z: np.clip(z, -1, 1),
        lambda z: np.stack([z, z.real]), lambda z: z[:, [1, 0]], lambda z: np.matvec(z, z[0]),
        lambda z: np.vecdot(z, z), lambda z: np.vecmat(z[0], z),
        np.cov, np.corrcoef,
        lambda z: np.correlate(z[0], z[1], "full"), lambda z: np.convolve(z[0], z[1]),
    ],
)  # fmt: skip
def test_functions_of_arrays(function):
    z = points((3, 3))
    for given in (z, z.astype(np.complex64)):
        expected = function(given)
        found = bp.compile(function)(given)
        assert np.asarray(found).dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=100 * np.finfo(given.dtype).eps, atol=1e-6)


def test_linear_systems():
    for shape in ((3, 3), (2, 1, 1), (2, 2, 4, 4)):
        a, b = points(shape), points((*shape[:-1], 2))
        for function in (np.linalg.inv, np.linalg.det, lambda a: tuple(np.linalg.slogdet(a))):
            found, expected = bp.compile(function)(a), function(a)
            for f, e in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
                np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(
            bp.compile(np.linalg.solve)(a, b), np.linalg.solve(a, b), rtol=1e-11, atol=1e-12
        )
    a, b = points((3, 3)), points(3)
    assert bp.compile(np.linalg.solve)(a.astype(np.complex64), b.astype(np.complex64)).dtype == (
        np.complex64
    )
    bp.check_grads(np.linalg.solve, (a, b), order=2)
    bp.check_grads(lambda a: np.linalg.inv(a) @ b, (a,), order=1)
    bp.check_grads(lambda a: tuple(np.linalg.slogdet(a)), (a,), order=1)
    derivative = bp.grad(np.linalg.det, holomorphic=True)(a)
    np.testing.assert_allclose(derivative, np.linalg.det(a) * np.linalg.inv(a).T, rtol=1e-10)
    singular = np.ones((2, 2)) + 0j
    assert bp.compile(np.linalg.det)(singular) == 0
    with pytest.raises(np.linalg.LinAlgError):
        bp.compile(np.linalg.inv)(singular)


def test_sorting_is_lexicographic():
    z = points((3, 7))
    z[:, 3:5].real = z[:, 1:3].real
    z[0, 2], z[1, 0], z[1, 3] = complex(np.nan, 1), complex(0, np.nan), complex(np.nan, np.nan)
    for function in (np.sort, lambda z: np.sort(z, axis=0), lambda z: np.argsort(z, kind="stable")):
        np.testing.assert_array_equal(bp.compile(function)(z), function(z))
    bp.check_grads(np.sort, (points(7),), order=1)


NEUTRAL = [
    0, 1, -1, 2, -0.0, 0.5, 0j, 1 + 0j, -1 + 0j, 1j, np.float32(0), np.complex64(0), np.int64(0),
    True, np.zeros(3), np.ones(3), np.zeros(3, complex), np.ones(3, complex),
]  # fmt: skip


@pytest.mark.parametrize("number", NEUTRAL, ids=repr)
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_numbers_that_simplify(number, dtype):
    """Arithmetic with numbers that passes know: values, gradients, second order and batches."""
    z = np.array([0.3 - 1.2j, -0.7 + 0.4j, 1.1 + 0.2j], dtype)
    functions = [
        lambda z: z + number, lambda z: number + z, lambda z: z - number, lambda z: number - z,
        lambda z: z * number, lambda z: number * z, lambda z: number / z, lambda z: z**number,
        lambda z: number**z, lambda z: -(z * number) * 2 - z, lambda z: z * number + number * z,
        lambda z: np.where(z.real > 0, z, number),
    ]  # fmt: skip
    if np.all(number):
        functions.append(lambda z: z / number)
    tolerance = 1e-13 if dtype is np.complex128 else 1e-5
    for k, f in enumerate(functions):
        with np.errstate(all="ignore"):
            wanted = f(z)
        found = bp.compile(f)(z)
        assert found.dtype == wanted.dtype, k
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=str(k))

        def total(z, f=f):
            w = f(z)
            return np.sum(w.real * 2 + w.imag * 3)

        gradient = bp.grad(total)(z)
        assert gradient.dtype == dtype
        second = bp.grad(lambda z, total=total: np.sum(np.abs(bp.grad(total)(z)) ** 2))(z)
        assert second.shape == z.shape
        batch = bp.vmap(bp.grad(total))(np.stack([z, z]))
        np.testing.assert_allclose(batch[1], gradient, rtol=tolerance, atol=tolerance)
        if dtype is np.complex128 and (k != 8 or np.all(number)):
            # 0**z has none.
            bp.check_grads(total, (z,), order=1)


CUTS = [
    lambda z: np.sqrt(1 - z), lambda z: np.sqrt(1 + z), lambda z: np.log(0 - z),
    lambda z: np.sqrt(z + np.float64(-5)), lambda z: np.sqrt(z - 5),
    lambda z: np.sqrt(z.real - 5 + z * 1j), lambda z: np.sqrt(2 * z), lambda z: np.sqrt(z * 0.5),
    lambda z: np.sqrt(z / 2), lambda z: np.sqrt(z / -2), lambda z: np.sqrt(-z),
    lambda z: np.sqrt(np.conj(z)), lambda z: np.log(z * z), lambda z: np.sqrt(1 / z),
    lambda z: np.arccos(z), lambda z: np.arcsin(1 - z), lambda z: np.arctanh(z - 1),
    lambda z: (1 - z) ** 0.5, lambda z: np.sqrt((z.real - 5).astype(complex)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_sides_of_branch_cuts(number):
    """Arithmetic with real numbers gives zeros the signs that NumPy gives them."""
    f = CUTS[number]
    z = np.array([4 + 0j, complex(4, -0.0), complex(-4, -0.0), -4 + 0j])
    found, wanted = bp.compile(f)(z), f(z)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(found.imag), np.signbit(wanted.imag))
    native = bp.compile(f, backend="native")(z)
    np.testing.assert_array_equal(native, found)


def test_second_derivatives_of_holomorphic_functions():
    z = np.array([0.3 - 1.2j, -0.7 + 0.4j])
    v = np.array([1.0 + 0.5j, -2j])

    def f(z):
        return np.sum(np.exp(z)) * z[0] + z[0] * z[1] ** 2

    e = np.exp(z)
    hessian = np.diag(e * z[0]) + np.outer([1, 0], e) + np.outer(e, [1, 0])
    hessian += np.array([[0, 2 * z[1]], [2 * z[1], 2 * z[0]]])
    np.testing.assert_allclose(bp.hvp(f, holomorphic=True)(z, v), hessian @ v, rtol=1e-13)
    np.testing.assert_allclose(bp.hessian(f, holomorphic=True)(z), hessian, rtol=1e-13)
    with pytest.raises(bp.errors.DifferentiationError, match="holomorphic"):
        bp.hvp(f)(z, v)
