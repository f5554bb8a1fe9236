"""Compiled functions: signatures, static arguments, results, bind, what can be inspected."""

import ast
import functools
import inspect
import pathlib

import numpy as np
import pytest

import pybackprop as bp

X = np.linspace(0.1, 0.9, 5)


def counted(function):
    """The function, and how often it was traced."""
    calls = []

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        calls.append(1)
        return function(*args, **kwargs)

    return wrapped, calls


def test_traced_once_per_signature():
    f, calls = counted(lambda x, y: np.sum(x) * y)
    compiled = bp.compile(f)
    for _ in range(3):
        assert compiled(X, 2.0) == pytest.approx(2 * X.sum())
        assert compiled(X[:3], 2.0) == pytest.approx(2 * X[:3].sum())
        assert compiled(X.astype(np.float32), 2.0).dtype == np.float32
        assert compiled(X, np.arange(2)).shape == (2,)
    assert len(calls) == 4


def test_numbers_and_arrays_have_forms_of_their_own():
    f = bp.compile(lambda x: x * np.float32(2))
    assert f(1.5).dtype == np.float32
    assert f(np.float64(1.5)).dtype == np.float64
    assert f(np.array(1.5)).dtype == np.float64
    assert f(3).dtype == np.float32 or f(3).dtype == np.float64
    assert f(True).dtype in (np.float32, np.float64)


def test_many_signatures_stay_right():
    f = bp.compile(lambda x: x.sum() + x.size)
    for n in list(range(1, 400)) + list(range(1, 400, 7)):
        assert f(np.ones(n)) == 2 * n


def test_decorator_and_methods():
    @bp.compile
    def f(x):
        """Doc."""
        return 2 * x

    assert f.__name__ == "f" and f.__doc__ == "Doc." and f(3.0) == 6.0

    @bp.value_and_grad(argnums=1)
    def g(a, b):
        return a * b**2

    assert g(2.0, 3.0) == (18.0, 12.0)

    class Model:
        scale = 3.0

        @bp.compile(static_argnums=0)
        def value(self, x):
            return self.scale * x

    assert Model().value(2.0) == 6.0


def test_keyword_arguments():
    f = bp.value_and_grad(lambda x, *, scale=2.0, shift=0.0: np.sum(x) * scale + shift)
    value, slope = f(X, shift=1.0, scale=3.0)
    assert value == pytest.approx(3 * X.sum() + 1)
    np.testing.assert_array_equal(slope, np.full(5, 3.0))
    assert f(X)[0] == pytest.approx(2 * X.sum())
    assert f(X, scale=3.0, shift=1.0)[0] == pytest.approx(value)


def test_static_arguments():
    f, calls = counted(lambda x, n, name: sum(x * k for k in range(n)) if name == "a" else x)
    compiled = bp.compile(f, static_argnums=(1, 2))
    for _ in range(2):
        assert compiled(2.0, 4, "a") == 12.0
        assert compiled(2.0, 3, "a") == 6.0
        assert compiled(2.0, 3, "b") == 2.0
    assert len(calls) == 3
    gradient = bp.grad(lambda n, x: np.sum(x**n), argnums=1, static_argnums=0)
    np.testing.assert_allclose(gradient(3, X), 3 * X**2)
    with pytest.raises(TypeError):
        compiled(2.0, [4], "a")


def test_results_keep_their_structure():
    def f(x):
        return {"a": (x, 1), "b": [x * 2, None], "c": "text", "d": x.shape, "e": 2.5}

    found = bp.compile(f)(X)
    assert (
        found["c"] == "text" and found["d"] == (5,) and found["a"][1] == 1 and found["b"][1] is None
    )
    np.testing.assert_array_equal(found["a"][0], X)
    np.testing.assert_array_equal(found["b"][0], X * 2)
    assert found["e"] == 2.5


def test_results_are_new_arrays():
    f = bp.compile(lambda x: (x, x, x * 1, x[:2], 2 * x))
    found = f(X)
    for part in found:
        assert not np.shares_memory(part, X)
        assert (part.flags.writeable and part.flags.owndata) or part.base is not X
    again = f(X)
    assert not np.shares_memory(found[4], again[4])
    first = bp.compile(lambda: np.arange(3.0))()
    first[:] = 7
    np.testing.assert_array_equal(bp.compile(lambda: np.arange(3.0))(), [0, 1, 2])


def test_constants_are_frozen_when_traced():
    table = np.arange(3.0)
    f = bp.compile(lambda x: x + table)
    f(np.zeros(3))
    table[:] = 100
    np.testing.assert_array_equal(f(np.zeros(3)), [0, 1, 2])


def test_scalars_come_back_as_numpy_scalars():
    assert type(bp.compile(lambda x: np.sum(x))(X)) is np.float64
    assert type(bp.compile(lambda x: np.sum(x) > 0)(X)) is np.bool_
    assert type(bp.compile(lambda x: np.argmax(x))(X)) is np.int64


@pytest.mark.parametrize(
    "argument",
    [
        X[::-1],
        X[::2],
        np.asfortranarray(np.ones((3, 4))),
        X.astype(">f8"),
        X.astype(np.float32),
        np.ones((2, 3)).T,
        np.broadcast_to(1.0, (3, 4)),
        np.ma.masked_array(X),
        np.float32(3),
        3,
        True,
        np.int8(4),
        np.zeros((0, 3)),
        np.ones(3, np.uint16),
        np.array(2.0),
        np.lib.stride_tricks.as_strided(np.arange(5.0), (3, 2), (8, 16)),
        memoryview(b"abc"),
        np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float64),
    ],
    ids=lambda a: type(a).__name__,
)
def test_any_argument(argument):
    found = bp.compile(lambda x: x * 2)(argument) if not isinstance(argument, memoryview) else None
    if found is not None:
        wanted = np.asarray(argument) * 2
        np.testing.assert_array_equal(found, wanted)
        assert (
            np.asarray(found).dtype.itemsize >= wanted.dtype.itemsize or wanted.dtype.itemsize == 8
        )


def test_repeated_calls_on_changed_data():
    f = bp.value_and_grad(lambda x: np.sum(np.sin(x) ** 2))
    x = X.copy()
    for k in range(5):
        x[:] = X + k
        value, slope = f(x)
        assert value == pytest.approx(np.sum(np.sin(X + k) ** 2))
        np.testing.assert_allclose(slope, np.sin(2 * (X + k)), rtol=1e-12)


# ---- bind ---------------------------------------------------------------------------------------


def test_bind():
    f = bp.value_and_grad(lambda x: np.sum(x**2))
    x = X.copy()
    bound = f.bind(x)
    value, slope = bound()
    assert value == pytest.approx(X @ X)
    x[:] = 1.0
    again = bound()
    assert again[1] is slope and again[0] == 5.0
    np.testing.assert_array_equal(slope, np.full(5, 2.0))


def test_bind_to_given_buffers():
    f = bp.value_and_grad(lambda x: np.sum(x**2))
    out = (np.zeros(()), np.full(5, 9.0))
    result = f.bind(X, out=out)()
    assert result[0] is out[0] and result[1] is out[1]
    np.testing.assert_allclose(out[1], 2 * X)


def test_bind_refuses_what_does_not_fit():
    f = bp.compile(lambda x: x * 2)
    for bad in (
        np.zeros(4),
        np.zeros(5, np.float32),
        np.zeros((5, 1)),
        np.zeros(10)[::2],
        [0.0] * 5,
        3,
    ):
        with pytest.raises((ValueError, TypeError)):
            f.bind(X, out=bad)
    frozen = np.zeros(5)
    frozen.flags.writeable = False
    with pytest.raises(ValueError):
        f.bind(X, out=frozen)
    with pytest.raises(ValueError, match="contiguous"):
        f.bind(np.zeros(10)[::2])
    with pytest.raises(ValueError, match="contiguous"):
        f.bind(X.astype(">f8"))


def test_bind_never_lets_buffers_overlap_wrongly():
    """Either refused, or the right numbers."""
    x = np.linspace(1, 2, 6)
    for function in (
        lambda x: x * 2,
        lambda x: np.cumsum(x[::-1]) + x,
        lambda x: x @ x.reshape(6, 1) * x,
    ):
        for out_of in (lambda b: b[:6], lambda b: b[1:7], lambda b: b[2:8]):
            block = np.zeros(8)
            block[:6] = x
            wanted = function(x)
            try:
                bound = bp.compile(function).bind(block[:6], out=out_of(block))
            except ValueError:
                continue
            np.testing.assert_allclose(bound(), wanted)


# ---- inspection ---------------------------------------------------------------------------------


def test_inspection():
    f = bp.value_and_grad(lambda x: np.sum(np.sin(x)))
    for name in ("graph", "tape", "memory", "cost"):
        with pytest.raises(ValueError, match="first called"):
            getattr(f, name)
    form = f.lower(X)
    assert (form.graph.nodes and form.graph.edges and "sin" in str(form.graph)) or "cos" in str(
        form.graph
    )
    assert "cos" in str(form.tape) and form.memory >= 0 and form.cost > 0
    f(X)
    assert f.graph is form.graph and f.tape is form.tape and f.memory == form.memory
    assert "value_and_grad" in repr(f)
    assert repr(form.graph).startswith("<Graph")
    for producer, consumer, position in form.graph.edges:
        assert consumer.operands[position] is producer


def test_options():
    with pytest.raises(ValueError, match="backend"):
        bp.compile(np.sin, backend="gpu")
    with pytest.raises(ValueError, match="threads"):
        bp.compile(np.sin, threads=0)
    with pytest.raises(TypeError, match="function"):
        bp.compile(3)
    with pytest.raises((TypeError, ValueError)):
        bp.jacobian(np.sin, mode="sideways")


def test_compiled_functions_inside_others():
    inner = bp.compile(lambda x: np.sin(x) * 2)
    outer = bp.value_and_grad(lambda x: np.sum(inner(x) * inner(X)))
    value, slope = outer(X)
    assert value == pytest.approx(np.sum(4 * np.sin(X) ** 2))
    np.testing.assert_allclose(slope, 4 * np.cos(X) * np.sin(X))


def test_same_bits_every_time():
    f = bp.value_and_grad(lambda w, x: np.mean(np.tanh(x @ w) ** 2))
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=7), rng.normal(size=(3000, 7))
    first = f(w, x)
    for _ in range(3):
        again = bp.value_and_grad(lambda w, x: np.mean(np.tanh(x @ w) ** 2))(w, x)
        assert again[0] == first[0]
        np.testing.assert_array_equal(again[1], first[1])


def test_tangents_with_keys_in_another_order():
    def product(x):
        return x["a"] * x["a"] * x["b"]

    y, y_dot = bp.jvp(product, ({"a": 2.0, "b": 5.0},), ({"b": 1.0, "a": 0.0},))
    assert (y, y_dot) == (20.0, 4.0)
    _, pullback = bp.vjp(lambda x: {"p": x * x, "q": 3.0 * x}, 2.0)
    assert pullback({"q": 1.0, "p": 0.0}) == (3.0,)


def test_types_describe_what_there_is():
    """The stub has the public names, and functions with the parameters that they take."""
    path = pathlib.Path(bp.__file__).with_name("__init__.pyi")
    tree = ast.parse(path.read_text())
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    assert sorted(names) == sorted(bp.__all__)
    options = {"backend", "threads", "static_argnums"}
    described = set()
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        described.add(node.name)
        parameters = inspect.signature(getattr(bp, node.name)).parameters
        taken = set(parameters) - {"options"}
        if "options" in parameters:
            taken |= options
        arguments = node.args
        found = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
        found |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
        assert found == taken, node.name
    functions = {name for name in bp.__all__ if inspect.isfunction(getattr(bp, name))}
    assert described == functions
