"""Bad input of any kind: an exception with a clear text, never a crash, never a silently wrong
answer.

Each case is a call and a part of the message that it must give.
"""

import collections
import os
import subprocess
import sys

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import PybackpropError

X = np.linspace(0.1, 0.9, 6)
M = X.reshape(2, 3)
f = bp.compile(lambda x: x * 2)
total = bp.value_and_grad(lambda x: np.sum(x * x))

CASES = {
    # Arguments
    "string": (lambda: f("abc"), "str"),
    "array of strings": (lambda: f(np.array(["a"])), "dtype|<U1"),
    "array of objects": (lambda: f(np.array([None, 1])), "object"),
    "object": (lambda: f(object()), "object"),
    "function": (lambda: f(np.sin), "ufunc|static"),
    "set": (lambda: f({1.0}), "set"),
    "complex longdouble": (lambda: f(X.astype(np.clongdouble)), "complex256|complex192"),
    "gradient of complex": (lambda: bp.grad(lambda z: z * z)(1j), "holomorphic"),
    "float16": (lambda: f(X.astype(np.float16)), "float16"),
    "longdouble": (lambda: f(X.astype(np.longdouble)), "longdouble|float128|float96"),
    "datetime": (lambda: f(np.array("2020-01-01", "M8[D]")), "datetime|M8"),
    "structured": (lambda: f(np.zeros(2, "i4,f8")), "dtype|not supported|numbers"),
    "huge integer": (lambda: f(10**30), "int"),
    "ragged list": (lambda: f([[1.0, 2.0], "a"]), "str"),
    "too many arguments": (lambda: f(X, X), "argument"),
    "too few arguments": (lambda: f(), "argument"),
    "unknown keyword": (lambda: f(X, z=3), "z"),
    "integer to differentiate": (lambda: total(np.arange(3)), "int64"),
    "bool to differentiate": (lambda: total(np.array([True])), "bool"),
    "no argument to differentiate": (lambda: total(), "argnums|argument"),
    # Shapes
    "shapes that do not broadcast": (lambda: bp.compile(lambda a, b: a + b)(X, X[:4]), "broadcast"),
    "matrix shapes": (lambda: bp.compile(lambda a, b: a @ b)(M, M), "matmul|fit|mismatch|aligned"),
    "matmul of numbers": (lambda: bp.compile(lambda a: a @ 3.0)(X), "scalar|matmul|operand"),
    "reshape": (lambda: bp.compile(lambda a: a.reshape(4, 2))(X), "reshape"),
    "reshape with two unknowns": (lambda: bp.compile(lambda a: a.reshape(-1, -1))(X), "unknown|-1"),
    "concatenate shapes": (
        lambda: bp.compile(lambda a, b: np.concatenate([a, b], 0))(M, M.T),
        "concat",
    ),
    "concatenate nothing": (
        lambda: bp.compile(lambda a: np.concatenate([]))(X),
        "at least one|concat",
    ),
    "stack shapes": (lambda: bp.compile(lambda a: np.stack([a, a[:2]]))(X), "shape"),
    "where shapes": (lambda: bp.compile(lambda a: np.where(a > 0, a, a[:2]))(X), "broadcast"),
    "broadcast_to": (lambda: bp.compile(lambda a: np.broadcast_to(a, (5,)))(X), "broadcast"),
    "split": (lambda: bp.compile(lambda a: np.split(a, 4))(X), "equal division"),
    "transpose axes": (lambda: bp.compile(lambda a: a.transpose(0, 0))(M), "axes|axis"),
    "squeeze": (lambda: bp.compile(lambda a: np.squeeze(a, 0))(M), "size|one"),
    "too many dimensions": (
        lambda: bp.compile(lambda a: a.reshape((1,) * 70))(np.ones(1)),
        "dim|axes",
    ),
    # Axes and indices
    "axis": (lambda: bp.compile(lambda a: np.sum(a, axis=2))(M), "axis 2|out of bounds"),
    "axis twice": (lambda: bp.compile(lambda a: np.sum(a, axis=(0, 0)))(M), "duplicate|axis"),
    "axis that is no integer": (lambda: bp.compile(lambda a: np.sum(a, axis=0.5))(M), "int|axis"),
    "index": (lambda: bp.compile(lambda a: a[6])(X), "out of bounds|index 6"),
    "negative index": (lambda: bp.compile(lambda a: a[-7])(X), "out of bounds|index -7"),
    "too many indices": (lambda: bp.compile(lambda a: a[0, 0])(X), "too many indices"),
    "float index": (lambda: bp.compile(lambda a: a[1.5])(X), "ind|integer"),
    "array index": (lambda: bp.compile(lambda a: a[np.array([0, 9])])(X), "out of bounds|9"),
    "traced index": (
        lambda: bp.compile(lambda a, i: a[i])(X, np.array([0, 9])),
        "out of|range|bounds",
    ),
    "traced negative index": (
        lambda: bp.compile(lambda a, i: np.take(a, i))(X, -8),
        "out of|range|bounds",
    ),
    "index in gradient": (
        lambda: bp.grad(lambda a, i: np.sum(a[i] ** 2))(X, np.array([6])),
        "out of|range|bounds",
    ),
    "index in a loop": (
        lambda: bp.scan(lambda c, i: (c + bp.numpy.take(X, i), None), 0.0, np.array([1, 77])),
        "out of|range|bounds",
    ),
    "float array index": (lambda: bp.compile(lambda a: a[np.array([0.0])])(X), "integer"),
    "zero step": (lambda: bp.compile(lambda a: a[::0])(X), "zero"),
    # Dtypes and values
    "sqrt of bool": (lambda: bp.compile(np.sqrt)(np.array([True])), "bool|float16"),
    "bits of floats": (lambda: bp.compile(lambda a: a & 1)(X), "float|bit"),
    "minus of bools": (lambda: bp.compile(lambda a: a - a)(np.array([True])), "bool"),
    "negative exponent": (
        lambda: bp.compile(lambda a, b: a**b)(np.array([2]), np.array([-1])),
        "negative",
    ),
    "floor of complex": (lambda: bp.compile(lambda a: np.floor(a * 1j))(X), "floor"),
    "unknown dtype": (lambda: bp.compile(lambda a: a.astype("f9"))(X), "f9"),
    "unsupported function": (lambda: bp.compile(np.unique)(np.ones(3)), "unique"),
    "unsupported option": (lambda: bp.compile(lambda a: np.sort(a, kind="xx"))(X), "sort|kind"),
    "empty maximum": (lambda: bp.compile(np.max)(np.zeros(0)), "zero-size"),
    "reshape of a repeated number": (
        lambda: bp.compile(lambda a: np.broadcast_to(a, (6,)).reshape(4, 2))(1.0),
        "reshape",
    ),
    "repeating what is repeated": (
        lambda: bp.compile(lambda a: np.broadcast_to(np.broadcast_to(a, (3,)), (5,)))(1.0),
        "broadcast",
    ),
    "axis twice in a transpose": (
        lambda: bp.compile(lambda a: a.transpose(0, 0))(np.ones((2, 2))),
        "axes|axis",
    ),
    # Transformations
    "gradient of an array": (lambda: bp.grad(lambda x: x)(X), "scalar"),
    "gradient of nothing": (lambda: bp.grad(lambda x: None)(X), "None|scalar"),
    "gradient of text": (lambda: bp.grad(lambda x: "a")(X), "str|scalar"),
    "argnums": (lambda: bp.grad(lambda x: x, argnums=1)(1.0), "argnums"),
    "argnums that are no numbers": (
        lambda: bp.grad(lambda x: x, argnums="0")(1.0),
        "argnums|int|str",
    ),
    "vmap lengths": (lambda: bp.vmap(lambda a, b: a)(X, X[:2]), "length"),
    "vmap of a number": (lambda: bp.vmap(lambda a: a)(1.0), "axis"),
    "vmap of nothing": (lambda: bp.vmap(lambda a: a, in_axes=None)(X), "mapped"),
    "jvp of no tuple": (lambda: bp.jvp(np.sin, X, X), "primals must be a tuple"),
    "jvp structure": (lambda: bp.jvp(np.sin, (X,), ([X, X],)), "structure"),
    "vjp shape": (lambda: bp.vjp(np.sin, X)[1](X[:2]), "shape"),
    "hvp of an integer": (lambda: bp.hvp(lambda x: np.sum(x))(np.arange(3), np.ones(3)), "int64"),
    "not a function": (lambda: bp.grad(3), "grad needs a function, not int"),
    "differentiation by a named argument": (lambda: bp.grad(lambda x: x)(x=1.0), "by position"),
    # Arrays that are not what they seem
    "masked array": (lambda: f(np.ma.array([1.0, 2.0], mask=[0, 1])), "masked"),
    "matrix": (lambda: f(np.ones((1, 2)).view(np.matrix)), "matrix"),
    "other container": (lambda: f(collections.OrderedDict(a=X)), "OrderedDict.* convert it"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    call, text = CASES[name]
    with pytest.raises(
        (TypeError, ValueError, IndexError, NotImplementedError, OverflowError), match=text
    ):
        call()
    # The engine is none the worse for it.
    np.testing.assert_array_equal(f(X), 2 * X)


def test_static_arguments_need_a_hash():
    with pytest.raises(TypeError, match="hash"):
        bp.compile(lambda x, n: x, static_argnums=1)(X, [1])


def test_error_in_a_kernel_leaves_the_function_usable():
    g = bp.compile(lambda a, i: a[i] * 2)
    for _ in range(3):
        with pytest.raises(IndexError):
            g(X, np.array([0, 100]))
        np.testing.assert_array_equal(g(X, np.array([0, 5])), X[[0, 5]] * 2)


def test_runtime_errors_are_python_errors():
    with pytest.raises(IndexError):
        bp.compile(lambda a, i: np.sum(a[i]))(X, np.array([2**62]))
    with pytest.raises(IndexError):
        bp.compile(lambda a, i: np.sum(a[i]))(X, np.array([-(2**62)]))


def test_arguments_of_hostile_classes():
    class Raises:
        @property
        def __array__(self):
            raise RuntimeError("no array")

    class Wrong:
        def __array__(self, dtype=None, copy=None):
            return "text"

    for bad in (Raises(), Wrong()):
        with pytest.raises(Exception):  # noqa: B017 - whatever the class says
            f(bad)
    np.testing.assert_array_equal(f(X), 2 * X)


def test_containers_that_contain_themselves():
    loop = []
    loop.append(loop)
    with pytest.raises((RecursionError, ValueError, TypeError, PybackpropError)):
        f(loop)


def test_deeply_nested_arguments():
    tree = 1.0
    for _ in range(100_000):
        tree = [tree]
    code = (
        "import pybackprop as bp\n"
        "tree = 1.0\n"
        "for _ in range(100_000): tree = [tree]\n"
        "try:\n"
        "    bp.compile(lambda x: 1.0)(tree)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_too_large_for_memory():
    with pytest.raises((MemoryError, ValueError, OverflowError)):
        bp.compile(lambda x: np.broadcast_to(x, (2**31, 2**31)) * 2)(1.0)
    with pytest.raises((MemoryError, ValueError, OverflowError)):
        bp.scan(lambda c, _: (c, np.zeros((2**20, 2**20)) + c), 0.0, None, 2**40)
