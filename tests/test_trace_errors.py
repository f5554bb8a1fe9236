"""What a trace cannot record: each gives an exception that names the user's line and the way
out."""

import math
import re
import traceback

import numpy as np
import pytest

import pybackprop as bp
from pybackprop.errors import ControlFlowError, LeakedValueError, PybackpropError, TraceError

X = np.array([1.0, 2.0, 3.0])


def branch(x):
    if x.sum() > 0:  # here
        return x
    return -x


def loop(x):
    while np.all(x > 0):  # here
        x = x - 1
    return x


def conjunction(x):
    return x.sum() and 3  # here


def python_maximum(x):
    return max(x[0], x[1])  # here


def to_float(x):
    return float(x[0])  # here


def to_int(x):
    return [1, 2, 3][int(x[0])]  # here


def as_index(x):
    return [1, 2, 3][x[0].astype(int)]  # here


def to_range(x):
    return sum(range(x[0].astype(int)))  # here


def mathematics(x):
    return math.exp(x[0])  # here


def item(x):
    return x[0].item()  # here


def assignment(x):
    a = np.zeros(3)
    a[0] = x[0]  # here
    return a


def slice_assignment(x):
    a = np.zeros(3)
    a[:] = x  # here
    return a


def shape_assignment(x):
    y = x * 2
    y.shape = (3, 1)  # here
    return y


def matrix(x):
    return x * np.ones((1, 3)).view(np.matrix)  # here


def masked(x):
    return x * np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1])  # here


def not_traceable(x):
    return np.datetime_as_string(x)  # here


def in_place(x):
    a = np.zeros(3)
    a += x  # here
    return a


def out_argument(x):
    a = np.zeros(3)
    np.add(x, 1.0, out=a)  # here
    return a


def mask(x):
    return x[x > 1]  # here


def where_alone(x):
    return np.where(x > 1)[0]  # here


def nonzero(x):
    return np.nonzero(x)  # here


def as_array(x):
    return np.asarray(x) * 2  # here


def conversion(x):
    return np.array([1.0, 2.0]) + np.array(x)  # here


def truth_in_assert(x):
    assert (x > 0).all()  # here
    return x


def membership(x):
    return 1.0 in x  # here


def formatting(x):
    return f"{x[0]:.3f}"  # here


REFUSED = [
    branch,
    loop,
    conjunction,
    python_maximum,
    to_float,
    to_int,
    as_index,
    to_range,
    mathematics,
    item,
    assignment,
    slice_assignment,
    shape_assignment,
    matrix,
    masked,
    not_traceable,
    in_place,
    out_argument,
    mask,
    where_alone,
    nonzero,
    as_array,
    conversion,
    truth_in_assert,
    membership,
    formatting,
]


def line_of(function):
    """The line marked in a function's source, read from this file."""
    code = function.__code__
    with open(code.co_filename) as file:
        lines = file.read().splitlines()
    for number in range(code.co_firstlineno, code.co_firstlineno + 12):
        if lines[number - 1].endswith("# here"):
            return number
    raise AssertionError(function)


@pytest.mark.parametrize("how", [bp.compile, bp.grad, bp.vmap], ids=["compile", "grad", "vmap"])
@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_refused(function, how):
    argument = np.stack([X, X]) if how is bp.vmap else X
    with pytest.raises((PybackpropError, TypeError, ValueError)) as caught:
        how(function)(argument)
    error = caught.value
    assert isinstance(error, PybackpropError), repr(error)
    assert f"test_trace_errors.py:{line_of(function)}" in str(error), str(error)
    assert len(str(error)) > 40


@pytest.mark.parametrize("function", [branch, loop, conjunction, python_maximum, to_float, to_int])
def test_control_flow_has_a_type_of_its_own(function):
    with pytest.raises(ControlFlowError):
        bp.compile(function)(X)
    with pytest.raises(TypeError):
        bp.compile(function)(X)


def test_leaked_value():
    kept = []

    def leak(x):
        kept.append(np.sin(x))
        return x

    bp.compile(leak)(X)
    with pytest.raises(LeakedValueError, match=r"test_trace_errors.py:\d+"):
        kept[0] + 1
    with pytest.raises(LeakedValueError, match="outside of the function"):
        bp.compile(lambda x: x + kept[0])(X)
    with pytest.raises(LeakedValueError):
        np.sin(kept[0])
    with pytest.raises((LeakedValueError, TraceError)):
        bp.compile(lambda x: x)(kept[0])


def test_leak_from_inner_functions():
    kept = []

    def f(x):
        bp.grad(lambda z: (kept.append(z * 2), np.sum(z))[1])(x)
        return kept[0] + x

    with pytest.raises(LeakedValueError):
        bp.compile(f)(X)

    def g(x):
        kept.clear()
        bp.scan(lambda c, v: (kept.append(c), (c + v, None))[1], 0.0, x)
        return kept[0] * 2

    with pytest.raises(LeakedValueError):
        bp.compile(g)(X)


def test_errors_of_the_function_pass_unchanged():
    class Special(Exception):
        pass

    def f(x):
        raise Special("mine")

    with pytest.raises(Special, match="mine") as caught:
        bp.grad(f)(X)
    assert any("test_trace_errors" in frame.filename for frame in traceback.extract_tb(caught.tb))
    # And the next call works: nothing is left open.
    assert bp.compile(np.sum)(X) == 6.0


def test_shape_errors_name_the_line():
    def f(x):
        return x + np.ones(2)  # here

    with pytest.raises(ValueError, match="broadcast") as caught:
        bp.compile(f)(X)
    frames = traceback.extract_tb(caught.tb)
    assert any(
        frame.lineno == line_of(f) and "test_trace_errors" in frame.filename for frame in frames
    )


def test_derivative_errors_name_the_line():
    def f(x):
        return np.sum(x)

    with pytest.raises(TypeError, match=re.escape("int64")):
        bp.grad(f)(np.arange(3))


def test_thread_state_is_clean_after_an_error():
    for function in REFUSED:
        with pytest.raises((PybackpropError, TypeError, ValueError)):
            bp.compile(function)(X)
    np.testing.assert_array_equal(bp.compile(lambda x: np.where(x > 1, x, 0))(X), [0, 2, 3])
    assert np.sin(0.0) == 0.0
