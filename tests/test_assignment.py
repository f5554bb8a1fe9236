"""Assignment into traced arrays: what the function does to NumPy's arrays it does when compiled.

Each program runs on NumPy's arrays and compiled; every array that it returns must be equal, and its
gradient must agree with central differences of the plain program.
"""

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp
from pybackprop.errors import PybackpropError, TraceError

RNG = np.random.default_rng(4)


def loop(x):
    y = np.zeros_like(x)
    y[0] = x[0]
    for i in range(1, x.shape[0]):
        y[i] = y[i - 1] * 0.5 + np.sin(x[i])
    return y


def augmented(x):
    y = x * 2
    z = y
    y += x
    y[1] += x[0]
    y[2] -= x[1]
    y[0] *= x[2]
    y[3] /= 1.5
    y[1:3] **= 2
    y -= 1
    y *= x
    y /= 2.0
    y **= 2
    return y, z


def views(x):
    y = x.reshape(2, 3) * 1.0
    row, column, turned = y[1], y[:, 0], y.T
    flat = y.ravel()
    backwards = y[::-1, ::2]
    row[0] = x[5] * 3
    column[0] += 10
    turned[2, 1] = x[0] ** 2
    flat[3] *= 2
    backwards[0, 1] -= 1
    lifted = y[None, :, None]
    lifted[0, 0, 0, 1] = 7 * x[1]
    y[0] = y[1]
    return y, row, column, turned, flat, backwards, lifted


def copies(x):
    y = x.copy()
    a, b, c = +x, x.astype(float), x.flatten()
    d, e, f = x[[0, 1, 2, 3, 4, 5]], np.array(list(x)), x[x.shape[0] - 6 :].copy()
    g = x.reshape(2, 3).T.reshape(6)
    h, k = x**1, np.positive(x)
    s = x[2]
    x[:] = 0.25 * np.arange(6)
    return x, y, a, b, c, d, e, f, g, h, k, s


def equal_arrays(x):
    a, b, c, d = np.zeros_like(x), np.zeros_like(x), x + 1, x + 1
    a[0] = x[1]
    c[2] = x[0]
    d *= 2
    return a, b, c, d


def chained_views(x):
    y = x.reshape(3, 2)
    z = y[1:]
    w = z[:, ::-1]
    v = w.T
    v[0] = [1.0, 2.0]
    z[1] *= x[0]
    parts = np.split(x, 3)
    parts[0][1] = parts[2][0] * 2
    for r in y:
        r[1] += 1
    first, rest = x[:1], x[1:]
    rest[0] = first[0] * 5
    return x, y, z, w, v, *parts


def overlapping(x):
    y = x * 1.0
    y[1:] = y[:-1]
    y[:-2] += y[2:]
    m = (x * 2).reshape(2, 3)[:, :2].copy()
    m += m.T
    return y, m


def indices(x):
    y = np.zeros_like(x, shape=(4, 3))
    y[[0, 2], [1, 1]] = x[:2]
    y[1] += x[3]
    y[np.array([0, 0, 3])] += 1.0
    y[..., -1] = x[2]
    y[y > 1] = x[0]
    y[2, y[2] < 0.5] = 0.25
    y[np.array([True, False, False, True]), 0] *= x[5]
    y[:, [0, 2]] = y[:, [2, 0]]
    return y


def functions(x):
    y = np.zeros_like(x)
    np.copyto(y, x, where=np.arange(6) % 2 == 0)
    np.put(y, [1, -1], [x[0], x[1] * 3])
    m = np.zeros_like(x, shape=(3, 3))
    np.fill_diagonal(m, x[:3])
    np.put_along_axis(m, np.array([[2], [0], [1]]), x[3:].reshape(3, 1), 1)
    z = x * 1
    z.fill(2.0)
    z[0] = x[5]
    np.putmask(z, np.arange(6) > 3, x[:2])
    np.place(y, np.arange(6) == 3, x[4])
    t = np.zeros_like(x, shape=(2, 2))
    t.flat = x
    t.flat[3] = x[0]
    np.add.at(m, (np.array([0, 0, 1]), np.array([1, 1, 2])), x[:3])
    np.multiply.at(m, (0, [1, 1]), x[1])
    np.negative.at(m, (1, [2]))
    u = np.zeros_like(x)
    np.multiply(x, 2, out=u)
    np.add(u, x, out=u)
    np.sin(u, u)
    v = np.zeros_like(x, shape=())
    np.sum(x, out=v)
    return y, m, z, t, u, v


def made_by_us(x):
    n = x.shape[0]
    a, b = bnp.zeros(n), bnp.empty((n, 2))
    b[:, 0] = 1.0
    for i in range(n):
        a[i] = x[i] ** 2
        b[i, 1] = a[i]
    c = bnp.eye(2)
    c[0, 1] = x[0]
    d = bnp.full(3, 0.5)
    d[1:] = x[:2]
    e = bnp.ones(2)
    e @= c
    return a, b, c, d, e


def branches(x):
    best = x[0] * 1.0
    total = x[0] * 0
    for i in range(x.shape[0]):
        best = np.maximum(best, x[i])
        total += x[i]
        kept = total
        total *= 1.5
    return best, total, kept


def zero_dimensional(x):
    a = np.zeros_like(x, shape=())
    b = a
    a += x[0]
    s = x.sum()
    t = s
    s += 1
    corner = x[..., 0]
    corner += x[1]
    a[...] = a * 2
    return a, b, s, t, x


PROGRAMS = [
    loop, augmented, views, copies, equal_arrays, chained_views, overlapping, indices, functions,
    made_by_us, branches, zero_dimensional,
]  # fmt: skip
X = RNG.uniform(0.3, 2.0, 6)


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_values(program):
    given = X.copy()
    results = as_tuple(bp.compile(program)(given))
    np.testing.assert_array_equal(given, X)
    expected = as_tuple(program(X.copy()))
    assert len(results) == len(expected)
    for number, (ours, theirs) in enumerate(zip(results, expected, strict=True)):
        assert np.shape(ours) == np.shape(theirs), number
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, err_msg=str(number))
    native = as_tuple(bp.compile(program, backend="native")(X.copy()))
    for ours, theirs in zip(results, native, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def scalar_of(program):
    def scalar(x):
        total = 0.0
        for number, y in enumerate(as_tuple(program(x))):
            total = total + np.sum(np.sin(y) * (number + 1))
        return total

    return scalar


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives(program):
    scalar = scalar_of(program)
    gradient = bp.grad(scalar)(X)
    h, numeric, forward = 1e-6, np.empty(6), np.empty(6)
    for i in range(6):
        e = np.eye(6)[i]
        numeric[i] = (scalar(X + h * e) - scalar(X - h * e)) / (2 * h)
        forward[i] = bp.jvp(scalar, (X,), (e,))[1]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(forward, gradient, rtol=1e-11, atol=1e-12)
    direction = np.cos(np.arange(6.0))
    second = bp.hvp(scalar)(X, direction)
    along = bp.grad(scalar)
    difference = (along(X + h * direction) - along(X - h * direction)) / (2 * h)
    np.testing.assert_allclose(second, difference, rtol=1e-5, atol=1e-6)


def test_float32_stays():
    result = bp.compile(views)(X.astype(np.float32))
    assert all(y.dtype == np.float32 for y in result)
    assert bp.grad(scalar_of(loop))(X.astype(np.float32)).dtype == np.float32


def test_dtypes_are_converted_as_numpy_does():
    def program(x, n):
        n[0] = 2.9
        n[1] = x[0] * 100
        n += True
        n //= 2
        n[2] <<= 2
        n ^= 5
        b = n > 1
        b[0] = 3
        b |= n == 0
        x[0] = True
        x[1] = n[2]
        return x, n, b

    n = np.array([7, 8, 9])
    for ours, theirs in zip(bp.compile(program)(X, n), program(X.copy(), n.copy()), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(n, [7, 8, 9])


def _store(index, value):
    def program(x):
        x[index] = value(x) if callable(value) else value
        return x

    return program


def _inplace(dtype, operate):
    def program(x):
        y = x.astype(dtype)
        return operate(y, x)

    return program


def iadd(y, v):
    y += v
    return y


REFUSED = {
    "too many values": _store(slice(0, 3), lambda x: x[:2]),
    "column into row": _store(slice(None), lambda x: x.reshape(6, 1)),
    "two rows": _store(slice(None), lambda x: np.stack([x, x])),
    "out of range": _store(6, 1.0),
    "too many indices": _store((0, 0), 1.0),
    "wrong mask": _store(np.array([True, False]), 1.0),
    "float index": _store(1.5, 1.0),
    "a string": _store(0, "one"),
    "complex": _store(0, 1j),
    "float into int": _inplace(int, iadd),
    "float number into int": _inplace(int, lambda y, x: iadd(y, 1.5)),
    "too large": _inplace(float, lambda y, x: iadd(y[:3], x)),
    "grows": _inplace(float, lambda y, x: iadd(y, np.ones((2, 6)))),
    "broadcast is read-only": _inplace(float, lambda y, x: iadd(np.broadcast_to(y, (2, 6)), x)),
    "diagonal is read-only": lambda x: iadd(np.diagonal(x.reshape(2, 3)), 1),
    "fill with many": lambda x: (x * 1).fill(x),
    "put out of range": lambda x: np.put(x, [6], 1.0),
    "fill_diagonal of a row": lambda x: np.fill_diagonal(x, 1.0),
    "bitwise of floats": lambda x: x.__ior__(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_those_of_numpy(name):
    program = REFUSED[name]
    try:
        program(X.copy())
    except Exception as error:
        kinds = (type(error), *type(error).__mro__[1:-2])
    else:
        raise AssertionError("NumPy does it")
    kinds = tuple(k for k in kinds if k not in (Exception, BaseException, RuntimeError))
    with pytest.raises(kinds):
        bp.compile(program)(X)
    # Nothing is left open, and the next trace is a plain one.
    assert bp.compile(np.sum)(np.ones(2)) == 2.0


def test_inner_functions_may_assign_their_own_arrays():
    def f(x):
        x[0] *= 2
        return np.sum(x**3)

    def body(c, v):
        c[0] = c[1] + v
        c[1] *= 0.5
        y = c * 1
        y += v
        return c, y

    def program(x):
        g = bp.grad(f)(x)
        rows = bp.vmap(lambda r: _store(0, lambda x: x[1])(r))(x.reshape(2, 3))
        carry, ys = bp.scan(body, x[:2], x)
        return g, rows, carry, ys, x

    g, rows, carry, ys, x = bp.compile(program)(X)
    expected = 3 * X**2
    expected[0] = 24 * X[0] ** 2
    np.testing.assert_allclose(g, expected, rtol=1e-14)
    np.testing.assert_array_equal(rows[:, 0], X.reshape(2, 3)[:, 1])
    np.testing.assert_array_equal(x, X)
    c, wanted = X[:2].copy(), []
    for v in X:
        c, y = body(c, v)
        wanted.append(y.copy())
    np.testing.assert_allclose(carry, c, rtol=1e-14)
    np.testing.assert_allclose(ys, wanted, rtol=1e-14)


@pytest.mark.parametrize("how", ["grad", "vmap", "scan"])
def test_inner_functions_may_not_assign_outer_arrays(how):
    def program(x):
        def inner(v):
            x[0] = v
            return v

        view = x[1:]

        def through_view(v):
            view[0] = v
            return v

        for function in (inner, through_view):
            if how == "grad":
                bp.grad(function)(x[1])
            elif how == "vmap":
                bp.vmap(function)(x)
            else:
                bp.scan(lambda c, v: (c, function(v)), 0.0, x)
        return x

    with pytest.raises(TraceError, match="carry"):
        bp.compile(program)(X)


def test_sparse_jacobians_know_what_assignments_move():
    scipy = pytest.importorskip("scipy")

    def program(x):
        y = np.zeros_like(x)
        y[0] = x[0]
        for i in range(1, 40):
            y[i] = y[i - 1] * 0 + x[i] * x[i - 1]
        y[5:9] = np.sin(x[:4])
        y[::7] *= 2
        return y

    x = np.linspace(0.5, 1.5, 40)
    jacobian = bp.jacobian(program, sparse=True)(x)
    assert scipy.sparse.issparse(jacobian) and jacobian.nnz < 900
    np.testing.assert_allclose(jacobian.toarray(), bp.jacobian(program)(x), rtol=1e-13)


def test_parts_of_complex_arrays_are_views():
    def program(z, x):
        a, b = z.real, z.imag
        a[0] = x[0]
        b *= 2
        z[1] = 1 - 2j
        z[2:] += x[2:]
        c = z.reshape(2, 3)
        c.imag[1, ::2] = x[1]
        z.real = z.real * 3
        line = z.real.ravel()
        line[0] = 99.0
        turned = np.conj(z)
        z[0] = 0
        return z, a, b, c, turned, line

    z = X + 1j * X[::-1]
    for ours, theirs in zip(bp.compile(program)(z, X), program(z.copy(), X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)

    def loss(x):
        z = np.zeros_like(x, shape=6, dtype=complex)
        z.real[:] = x
        z.imag[1:] = np.sin(x[:-1])
        z *= z
        return np.sum(z.real) + np.sum(z.imag * x)

    bp.check_grads(loss, (X,), order=2)


def test_a_pullback_keeps_what_it_was_called_with():
    def program(x):
        y = x * 1
        out, pullback = bp.vjp(lambda v: np.sum(v**2), y)
        y[:] = 0
        return out, pullback(1.0)[0], y

    out, ct, y = bp.compile(program)(X)
    np.testing.assert_allclose(out, np.sum(X**2))
    np.testing.assert_allclose(ct, 2 * X)
    np.testing.assert_array_equal(y, 0)


def test_arguments_of_nested_calls_change_within():
    @bp.compile
    def helper(v):
        v[0] = 5.0
        return v, v

    def program(x):
        a, b = helper(x)
        a[1] = 7.0
        return x, a, b

    x, a, b = bp.compile(program)(X)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(a, [5, 7, *X[2:]])
    np.testing.assert_array_equal(b, [5, *X[1:]])


def test_swallowed_requests_are_noticed():
    def program(x):
        try:
            x[0] = 1.0
        except:  # noqa: E722 - what users write
            return x * 100
        return x

    np.testing.assert_array_equal(bp.compile(program)(X), [1.0, *X[1:]])


def test_hand_built_graphs_refuse():
    g = bp.Graph()
    x = g.input((3,))
    with pytest.raises(PybackpropError, match=r"at\[i\]\.set"):
        x[0] = 1.0
    with pytest.raises(PybackpropError, match="x = x \\+ v"):
        x += 1.0


def test_plain_arrays_refuse_traced_values():
    for program in (
        lambda x: np.copyto(np.zeros(6), x),
        lambda x: np.add.at(np.zeros(6), [0], x[:1]),
        lambda x: np.put(np.zeros(6), [0], x[0]),
    ):
        with pytest.raises(PybackpropError, match="zeros"):
            bp.compile(program)(X)


def test_views_are_those_of_numpy():
    """A function's result changes with its argument exactly if NumPy says they share memory."""
    x = np.arange(12.0).reshape(3, 4)
    calls = {
        "reshape": lambda a: np.reshape(a, (4, 3)), "ravel": np.ravel, "T": lambda a: a.T,
        "turned ravel": lambda a: a.T.ravel(), "turned reshape": lambda a: a.T.reshape(12),
        "turned ravel F": lambda a: a.T.ravel("F"), "flatten": lambda a: a.flatten(),
        "swapaxes": lambda a: a.swapaxes(0, 1), "moveaxis": lambda a: np.moveaxis(a, 0, 1),
        "expand_dims": lambda a: np.expand_dims(a, 1), "squeeze": lambda a: a[:1].squeeze(),
        "flip": np.flip, "fliplr": np.fliplr, "flipud": np.flipud, "rot90": np.rot90,
        "atleast_3d": np.atleast_3d, "broadcast_to": lambda a: np.broadcast_to(a, (2, 3, 4)),
        "diagonal": np.diagonal, "diag": np.diag, "real": lambda a: a.real, "split": lambda a:
        np.split(a, 2, 1)[1], "copy": lambda a: a.copy(), "np.copy": np.copy, "astype": lambda a:
        a.astype(float), "repeat": lambda a: np.repeat(a, 1), "tile": lambda a: np.tile(a, 1),
        "roll": lambda a: np.roll(a, 0), "concatenate": lambda a: np.concatenate([a]),
        "stack": lambda a: np.stack([a])[0], "where": lambda a: np.where(True, a, a),
        "sum": lambda a: a[:, :1].sum(1), "mean": lambda a: a[:1].mean(0), "pad": lambda a:
        np.pad(a, 0), "append": lambda a: np.append(a, np.zeros((0, 4)), 0), "take": lambda a:
        np.take(a, [0, 1, 2], 0), "triu": lambda a: np.triu(a, -5), "clip": lambda a: a.clip(0),
        "round": lambda a: a.astype(int).round(), "positive": np.positive, "slice": lambda a:
        a[1:, ::-2], "row": lambda a: a[1], "newaxis": lambda a: a[None, ..., 2], "fancy":
        lambda a: a[[0, 1]], "mask": lambda a: a[a.shape[0] * [True]], "max": lambda a:
        a[:1].max(0), "cumsum": lambda a: a[:1].cumsum(0), "nan_to_num": np.nan_to_num,
        "strided ravel": lambda a: a[:, ::2].ravel(), "strided reshape": lambda a:
        a[:, ::2].reshape(2, 3), "rows reshape": lambda a: a[1:].reshape(8), "hstack": lambda a:
        np.hstack([a]), "vsplit": lambda a: np.vsplit(a, 3)[1], "kron": lambda a: np.kron(1.0, a),
        "real_if": lambda a: np.real(a), "array": lambda a: bnp.array(a), "asarray": lambda a:
        bnp.asarray(a), "unstack": lambda a: bnp.unstack(a)[0] if isinstance(a, bp.graph.Value)
        else a[0],
    }  # fmt: skip
    for name, call in calls.items():

        def program(a, call=call):
            b = call(a)
            a[:] = -1.0
            return b

        ours, theirs = bp.compile(program)(x), program(x.copy())
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_updates_at_a_traced_mask():
    """Of single values, of rows, and of the part that integers and slices select."""
    x = np.random.default_rng(2).normal(size=(3, 4))

    def ours(x):
        at = x.at[x > 0]
        return (
            at.set(0.5), at.add(1.0), at.subtract(x.sum()), at.multiply(2), at.divide(3.0),
            at.power(2), at.min(0.1), at.max(1.0), at.apply(np.exp),
            x.at[x.sum(1) > 0].add(x[0]), x.at[1, x[1] > 0].multiply(5.0),
        )  # fmt: skip

    mask, rows = x > 0, x.sum(1) > 0
    inner = np.zeros_like(mask)
    inner[1] = mask[1]
    changed = [
        0.5 + 0 * x, x + 1, x - x.sum(), x * 2, x / 3, x**2, np.minimum(x, 0.1),
        np.maximum(x, 1), np.exp(x),
    ]  # fmt: skip
    wanted = [np.where(mask, new, x) for new in changed]
    wanted += [np.where(rows[:, None], x + x[0], x), np.where(inner, x * 5, x)]
    for found, expected in zip(bp.compile(ours)(x), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    bp.check_grads(ours, (x,), order=2)
    with pytest.raises(bp.errors.UnsupportedError, match="depend on data"):
        bp.compile(lambda x: x.at[x > 0].add(np.ones(2)))(x[0])
