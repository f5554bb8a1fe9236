"""Operators, methods and protocols of traced values, and what they refuse."""

import copy
import math
import operator

import numpy as np
import pytest
from reference import NEP50, call, compare, run, trace

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError, LeakedValueError, TraceError, UnsupportedError
from pybackprop.graph import Value, open_graph

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "lt",
    "le",
    "eq",
    "ne",
    "gt",
    "ge",
]
NUMBERS = [
    True,
    2,
    2.5,
    np.float32(1.5),
    np.float64(1.5),
    np.int64(2),
    np.array(3.0),
    np.array([1.0, 2.0, 3.0]),
]


def outcome(function, *arrays):
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*arrays)).dtype
    except TypeError:
        return TypeError


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name, dtype):
    operate = getattr(operator, name)
    x = np.array([1, 0, 3]).astype(dtype)
    y = np.array([2, 1, 5]).astype(dtype)
    for function, arrays in [
        (operate, (x, y)),
        # bool ** 2 is int8 as an operator and int64 as np.power in NumPy; we have the latter.
        *[
            (lambda a, n=n: operate(a, n), (x,))
            for n in NUMBERS
            if name != "pow" or (dtype != "bool" and NEP50)
        ],
        *[(lambda a, n=n: operate(n, a), (y,)) for n in NUMBERS],
    ]:
        expected = outcome(function, *arrays)
        if expected is TypeError:
            with pytest.raises(TypeError):
                call(function, *arrays)
        elif expected != np.float16:
            compare(function, *arrays)


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_bit_operators(name, dtype):
    if dtype == "bool" and "shift" in name:
        return
    operate = getattr(operator, name)
    x = np.array([1, 0, 3]).astype(dtype)
    compare(lambda a: [operate(a, a), operate(a, x), operate(x, a), operate(a, 1), ~a], x)


def test_unary_and_builtins():
    x = np.array([-1.5, 0.5, 2.5])
    compare(lambda a: [-a, +a, abs(a), divmod(a, 2)[1], pow(2.0, a), pow(a, 2)], x)
    compare(lambda a, b: [a @ b, a @ x, x @ b, b.T @ a], x, np.ones((3, 3)))
    compare(lambda a: [sum(a), len(a) * a], x)
    compare(lambda a: sum(row * 2 for row in a), np.ones((3, 2)))


def test_reflected_with_numpy_scalars():
    compare(lambda a: [np.float64(2) * a, np.float32(2) / a, np.int64(3) - a], np.array([1.0, 2.0]))


def test_number_arguments_give_way():
    # A Python number that is an argument is as weak as one in the source.
    assert call(lambda a, n: a * n, np.float32([1, 2]), 2.5)[0].dtype == np.float32
    assert call(lambda a, n: a * (n * 2 + 1.0), np.float32([1, 2]), 2.5)[0].dtype == np.float32
    assert call(lambda a, n: a * -n, np.array([1, 2], np.int8), 2)[0].dtype == np.int8
    assert call(lambda a, n: a + n, np.array([1, 2]), 2.5)[0].dtype == np.float64
    assert call(lambda a, n: a * np.sin(n), np.float32([1, 2]), 2.5)[0].dtype == np.float64
    assert call(lambda n, m: n + m, 2, 2.5)[0].dtype == np.float64
    assert call(lambda n: n / 2, 3)[0].dtype == np.float64


def test_methods_and_attributes():
    x = np.array([[1.0, -2.0], [0.25, 4.0]])
    compare(lambda a: [a.T, a.real, a.imag, a.sum(), a.mean(0), a.conj(), a.clip(-1, 1)], x)
    compare(
        lambda a: [a.cumsum(1), a.dot(a), a.trace(), a.round(1), a.max(axis=0, keepdims=True)], x
    )
    compare(
        lambda a: [a.std(ddof=1), a.any(), a.all(axis=1), a.argmax(), a.prod(), a.take([0], 1)], x
    )
    with open_graph() as graph:
        v = graph.add_input((2, 3), np.float32)
        assert (v.ndim, v.size, v.nbytes, v.itemsize, len(v)) == (2, 6, 24, 4, 2)
        assert len(list(v.flat)) == 6
        assert v.__array_namespace__() is bnp
        assert copy.deepcopy(v) is v
        assert np.shape(v) == (2, 3) and np.ndim(v) == 2 and np.size(v) == 6
        assert np.result_type(v, 1.0) == np.float32
        assert not np.iscomplexobj(v)
        graph.close([v])


def test_values_are_dictionary_keys_by_identity():
    with open_graph() as graph:
        values = [graph.add_input((), np.float64) for _ in range(1000)]
        numbers = {v: i for i, v in enumerate(values)}
        assert [numbers[v] for v in values] == list(range(1000))
        assert len(graph.nodes) == 1000  # looking up recorded no comparison
        assert (values[0] == None) is False  # noqa: E711


# ---- arrays of scalars --------------------------------------------------------------------------


def test_arrays_of_scalars():
    a, b = np.float64(2.0), np.float64(3.0)
    for function in (
        lambda p, q: np.array([p, q * p]),
        lambda p, q: np.array([[p, 1.0], [q, p]]),
        lambda p, q: np.array([p, q]) * 2.0 + 1,
        lambda p, q: np.sin(np.array([p, q])),
        lambda p, q: np.sum(np.array([p, q])),
        lambda p, q: np.concatenate([np.array([p, q]), np.ones(2)]),
        lambda p, q: np.dot(np.array([p, q]), np.array([q, p])),
        lambda p, q: p * np.array([p, q]),
    ):
        (y,) = call(function, a, b)
        np.testing.assert_allclose(y, function(a, b))


def test_lists_of_values():
    x = np.arange(6.0).reshape(2, 3)
    compare(lambda a: np.stack([a[0], a[1] * 2, np.ones(3)]), x)
    (y,) = call(lambda a: bnp.array([[a[0, 0], 1.0], [2.0, a[1, 1]]]), x)
    np.testing.assert_array_equal(y, [[0, 1], [2, 4]])
    (y,) = call(lambda a: bnp.sum([a, a]), x)
    assert y == 30


def test_constants_between_scalars_are_one_node():
    graph = trace(lambda a: bnp.array([a, 1.0, 2.0, 3.0, a]), np.float64(1))
    assert len(next(n for n in graph.nodes if n.primitive.name == "concatenate").operands) == 3


# ---- refusals -----------------------------------------------------------------------------------


def refused(function, error=ControlFlowError, *arrays):
    """The recorded refusal and the message."""
    arrays = arrays or (np.array([1.0, 2.0]),)
    with open_graph("test", locate=True) as graph:
        values = [graph.add_input(np.shape(a), np.asarray(a).dtype) for a in arrays]
        with pytest.raises((error, TypeError, ValueError)):
            function(*values)
        assert type(graph.refusal) is error or isinstance(graph.refusal, error)
        text = str(graph.refusal)
        line = function.__code__.co_firstlineno
        assert f"{__file__}:" in text
        number = int(text.split(f"{__file__}:")[1].split(":")[0].split(")")[0].split(",")[0])
        assert line <= number <= line + 4
        return text


def test_control_flow():
    def branch(x):
        if x[0] > 0:
            return x
        return -x

    assert "np.where" in refused(branch)
    assert "bp.scan" in refused(lambda x: x[0] > 0 and x)
    assert "np.exp" in refused(lambda x: math.exp(x[0]))
    assert "np.exp" in refused(lambda x: float(x[0]))
    assert "astype" in refused(lambda x: int(x[0]))
    assert "bp.scan" in refused(lambda x: range(x[0]))
    assert "complex" in refused(lambda x: complex(x[0]))
    assert "return it" in refused(lambda x: x.tolist())
    assert "return it" in refused(lambda x: x[0].item())
    assert "np.any" in refused(lambda x: 1.0 in x)
    assert "numpy.take" in refused(lambda x: [1, 2, 3][x[0]])
    assert "numpy.take" in refused(
        lambda x, i: np.ones(3)[i], ControlFlowError, np.ones(2), np.int64(1)
    )
    assert "numpy.take" in refused(
        lambda x, i: np.ones(3)[i], ControlFlowError, np.ones(2), np.array([1])
    )


def test_assignment():
    def into_ndarray(x):
        y = np.zeros(3)
        y[0] = x[0]

    def slice_of_ndarray(x):
        y = np.zeros(3)
        y[1:] = x

    def in_place(x):
        y = np.zeros(2)
        y += x

    assert "np.stack" in refused(into_ndarray, TraceError)
    assert "np.stack" in refused(slice_of_ndarray, TraceError)
    assert "a = a + x" in refused(in_place, TraceError)
    assert "a = a + x" in refused(lambda x: np.add(x, x, out=np.zeros(2)), TraceError)


def test_augmented_assignment_rebinds():
    def function(x):
        total = 0.0
        total += x
        total *= 2
        return total

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(bp.compile(function)(x), 2 * x)


def test_conversion_to_arrays():
    assert "np.stack" in refused(lambda x: np.array([x, x]))
    assert "asarray" in refused(lambda x: np.asarray(x))
    (y,) = call(lambda a: bnp.asarray(a) + 1, np.ones(2))
    np.testing.assert_array_equal(y, [2, 2])


def test_unsupported_functions():
    dates = refused(lambda x: np.datetime_as_string(x), UnsupportedError)
    assert "numpy.datetime_as_string" in dates
    assert "isnat" in refused(lambda x: np.isnat(x), UnsupportedError)
    special = pytest.importorskip("scipy.special")
    assert "mathieu_a" in refused(lambda x: special.mathieu_a(2, x), UnsupportedError)
    assert "pybackprop" in refused(lambda x: special.logsumexp(x), UnsupportedError)


def test_unsupported_dtypes():
    for array in (np.ones(2, np.float16), np.ones(2, np.clongdouble)):
        with pytest.raises(UnsupportedError):
            call(lambda x, y=array: x + y, np.ones(2))
    with pytest.raises(UnsupportedError):
        call(lambda x: x.astype(np.float16), np.ones(2))
    with pytest.raises(UnsupportedError, match="astype"):
        call(np.sin, np.ones(2, np.int8))
    with pytest.raises(TypeError):
        call(lambda x: x + "a", np.ones(2))
    with pytest.raises(TypeError):
        call(lambda x: x + None, np.ones(2))


def test_layouts_of_constants():
    x = np.arange(6.0).reshape(2, 3)
    for constant in (x.astype(">f8"), x.astype(">i4"), np.asfortranarray(x), x[:, ::-1], x[:1]):
        compare(lambda a, c=constant: [a + c, c - a, a @ c.T], x)
    x.flags.writeable = False
    compare(lambda a: a * x, np.ones((2, 3)))


def test_constants_are_frozen():
    c = np.ones(40)
    graph = trace(lambda a: a + c, np.zeros(40))
    c[:] = 5
    np.testing.assert_array_equal(run(graph, np.zeros(40))[0], np.ones(40))


def test_leaks():
    kept = []
    trace(lambda x: kept.append(x * 2) or x, np.ones(2))
    with pytest.raises(LeakedValueError, match="return it"):
        kept[0] + 1
    with pytest.raises(LeakedValueError):
        call(lambda x: x + kept[0], np.ones(2))
    with pytest.raises(LeakedValueError):
        np.asarray(kept[0])


def test_zero_d_values_are_no_sequences():
    with pytest.raises(TypeError, match="0-d"):
        call(lambda x: list(x), np.float64(1))
    with pytest.raises(TypeError, match="unsized"):
        call(lambda x: len(x), np.float64(1))


def test_nested_graphs_capture():
    with open_graph("outer") as outer:
        x = outer.add_input((2,), np.float64)
        with open_graph("inner") as inner:
            y = inner.add_input((2,), np.float64)
            inner.close([x * y + 1.0])
        assert list(inner.captured) == [x]
        outer.close([x])
    np.testing.assert_array_equal(run(inner, [1.0, 2.0], [3.0, 4.0])[0], [4, 9])


def test_every_function_of_the_table_is_documented():
    for name in bnp.__all__:
        ours = getattr(bnp, name)
        assert not callable(ours) or ours.__doc__, name
    assert isinstance(Value.at, property)
