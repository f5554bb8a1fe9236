"""``vmap``: trees of axes, nesting, and functions of every kind, against loops over the items."""

import collections

import numpy as np
import pytest

import pybackprop as bp
import pybackprop.numpy as bnp

RNG = np.random.default_rng(11)
Point = collections.namedtuple("Point", "x y")


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for key in tree for leaf in leaves(tree[key])]
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def assign(x, v):
    x[1:] *= v[:-1]
    x[0] = v[-1]
    return x


def assign_at(x, i):
    x[i] = 2 * x[i - 1]
    return x


def step(x):
    def body(c, v):
        c = np.tanh(c + v)
        return c, c * v

    return bp.scan(body, x[0], x)


# Name: function and shapes of the arguments, batch axis first; integers are positions.
FUNCTIONS = {
    "elementwise": (lambda x, y: np.logaddexp(x, y) * np.sin(x), (5,), (5,)),
    "broadcast": (lambda x, y: x[:, None] * y, (3,), (4,)),
    "scalars": (lambda x, y: x * y + 1, (), ()),
    "reductions": (lambda x: (x.sum(0), x.max(1), np.prod(x), x.var(), np.argmax(x)), (3, 4)),
    "cumulative": (lambda x: np.cumsum(x, 0) + np.cumprod(x, 1), (3, 4)),
    "products": (lambda a, b: (a @ b, np.dot(a, b[:, 0]), np.vdot(a, a)), (3, 4), (4, 2)),
    "vector products": (lambda a, b: (a @ b, np.outer(a, b), np.inner(a, b)), (4,), (4,)),
    "einsum": (lambda a, b: np.einsum("ij,kj->ik", a, b), (3, 4), (2, 4)),
    "tensordot": (lambda a, b: np.tensordot(a, b, axes=1), (3, 4), (4, 2)),
    "solve": (lambda a, b: np.linalg.solve(a @ a.T + 3 * np.eye(3), b), (3, 3), (3,)),
    "det": (lambda a: np.linalg.det(a), (3, 3)),
    "norm": (lambda a: (np.linalg.norm(a), np.linalg.norm(a, axis=0)), (3, 2)),
    "shapes": (lambda x: (x.reshape(2, 6), x.T, np.flip(x, 0), np.roll(x, 1, 1)), (3, 4)),
    "joins": (lambda x, y: (np.concatenate([x, y]), np.stack([x, y], 1)), (3,), (3,)),
    "pad and tile": (lambda x: (np.pad(x, 1), np.tile(x, (2, 1)), np.repeat(x, 2, 0)), (2, 3)),
    "triangles": (lambda x: (np.tril(x), np.triu(x, 1), np.diag(x), np.trace(x)), (3, 3)),
    "selection": (lambda x, y: np.where(x > y, x, 0) + np.clip(x, -1, 1), (4,), (4,)),
    "slices": (lambda x: (x[1:, ::-1], x[..., 0], x[None, 1]), (3, 4)),
    "index arrays": (lambda x: (x[[0, 2]], x[[0, 1], [1, 1]], x[:, [3, 0]]), (3, 4)),
    "masks": (lambda x: x[np.array([True, False, True])], (3, 4)),
    "traced positions": (lambda x, i: (x[i], x[i, 0], x[:, i]), (3, 3), int),
    "take": (lambda x, i: np.take(x, i, axis=0) * 2, (3, 2), int),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[1], [0]]), 1), (2, 3)),
    "updates": (lambda x, v: (x.at[1:].set(v), x.at[[0, 0, 1]].add(v[0])), (3,), (2,)),
    "updates at traced positions": (lambda x, i: (x.at[i].add(1.5), x.at[i].set(x[0])), (3,), int),
    "multiplied twice": (lambda x, v: x.at[[0, 0]].multiply(v), (3,), (2,)),
    "assignment": (assign, (3,), (3,)),
    "assignment at traced positions": (assign_at, (3,), int),
    "scan": (step, (5,)),
    "gradient": (lambda x: bp.grad(lambda z: np.sum(np.sin(z) * z))(x), (3,)),
    "hessian": (lambda x: bp.hessian(lambda z: np.prod(np.sin(z)))(x), (3,)),
    "jacobian": (lambda x: bp.jacobian(lambda z: z[::-1] * z)(x), (3,)),
    "random access": (lambda x: bnp.zeros(3).at[1].set(x), ()),
}  # fmt: skip


def argument(shape, size):
    if shape is int:
        return RNG.integers(-2, 3, size)
    return RNG.uniform(0.2, 1.5, (size, *shape))


def looped(function, size, *args):
    """Each result of the items, stacked; args are (array, axis or None)."""
    compiled = bp.compile(lambda *a: function(*a))
    rows = []
    for k in range(size):
        items = [a if axis is None else np.take(a, k, axis) for a, axis in args]
        rows.append(leaves(compiled(*items)))
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, *shapes = FUNCTIONS[name]
    args = [argument(shape, 4) for shape in shapes]
    expected = looped(function, 4, *[(a, 0) for a in args])
    found = leaves(bp.vmap(function)(*args))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    # Each argument shared in turn, the others along their last axis.
    for shared in range(len(args) if len(args) > 1 else 0):
        moved, axes, pairs = [], [], []
        for number, a in enumerate(args):
            if number == shared:
                moved.append(a[0])
                axes.append(None)
            else:
                moved.append(np.moveaxis(a, 0, -1))
                axes.append(-1)
            pairs.append((moved[-1], axes[-1]))
        expected = looped(function, 4, *pairs)
        found = leaves(bp.vmap(function, in_axes=tuple(axes))(*moved))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    floating = [n for n, a in enumerate(args) if a.dtype.kind == "f"]

    def total(*a):
        results = leaves(bp.vmap(function)(*a))
        return sum(np.sum(np.sin(r)) for r in results if r.dtype.kind == "f")

    def one(*a):
        return sum(np.sum(np.sin(r)) for r in leaves(function(*a)) if r.dtype.kind == "f")

    gradients = bp.grad(total, argnums=tuple(floating))(*args)
    wanted = looped(bp.grad(one, argnums=tuple(floating)), 4, *[(a, 0) for a in args])
    for ours, theirs in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_nested_maps():
    a, b = RNG.uniform(size=(3, 5, 4)), RNG.uniform(size=(4, 2))

    def inner(u, v):
        return np.sum(u * v) + u[0], v * u[-1]

    # Over the rows of a and the columns of b, all pairs, and over the outer axis of a.
    rows = bp.vmap(inner, in_axes=(0, None))
    pairs = bp.vmap(rows, in_axes=(None, 1), out_axes=(1, 2))
    s, t = bp.vmap(pairs, in_axes=(0, None), out_axes=(0, 1))(a, b)
    assert s.shape == (3, 5, 2) and t.shape == (5, 3, 4, 2)
    for i in range(3):
        for j in range(5):
            for k in range(2):
                u, v = a[i, j], b[:, k]
                np.testing.assert_allclose(s[i, j, k], u @ v + u[0], rtol=1e-13)
                np.testing.assert_allclose(t[j, i, :, k], v * u[-1], rtol=1e-13)
    both = bp.vmap(bp.grad(lambda u: np.sum(bp.vmap(np.sin)(u) ** 2)))(a)
    np.testing.assert_allclose(both, np.sin(2 * a), rtol=1e-12)


def test_trees():
    p = {"w": RNG.uniform(size=(2, 4)), "b": (RNG.uniform(size=4), 2.0)}
    q = Point(RNG.uniform(size=(4, 3)), RNG.uniform(size=3))

    def f(p, q, scale=1.0):
        y = p["w"] @ np.ones(2) * scale + p["b"][0] * p["b"][1]
        return {"sum": y, "point": Point(q.x * y, [q.y + y, y])}

    axes = ({"w": 1, "b": (0, None)}, Point(0, None))
    out = bp.vmap(f, in_axes=axes, out_axes={"sum": 0, "point": Point(-1, [1, 0])})(p, q)
    y = p["w"].sum(0) + 2 * p["b"][0]
    np.testing.assert_allclose(out["sum"], y)
    np.testing.assert_allclose(out["point"].x, (q.x * y[:, None]).T)
    np.testing.assert_allclose(out["point"].y[0], q.y[:, None] + y)
    assert out["point"].y[1].shape == (4,)
    # An axis of a container holds for all it contains, and keyword arguments run along axis 0.
    whole = bp.vmap(lambda t: t[0] + t[1]["k"])((np.arange(3.0), {"k": np.ones(3)}))
    np.testing.assert_array_equal(whole, [1, 2, 3])
    named = bp.vmap(lambda x, y: x * y, in_axes=0)(np.arange(3.0), y=np.arange(3.0))
    np.testing.assert_array_equal(named, [0, 1, 4])


def test_results_that_are_not_mapped():
    x = np.arange(3.0)
    shared, mapped = bp.vmap(lambda x: (np.float64(2.0) * np.ones(2), x), out_axes=(None, 0))(x)
    np.testing.assert_array_equal(shared, [2, 2])
    np.testing.assert_array_equal(mapped, x)
    (repeated,) = bp.vmap(lambda x: (np.ones(2),))(x)
    assert repeated.shape == (3, 2)
    with pytest.raises(ValueError, match="out_axes"):
        bp.vmap(lambda x: x, out_axes=None)(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bp.vmap(np.sin, in_axes=1)(np.ones(3)), "axis 1"),
        (lambda: bp.vmap(np.sin, in_axes=None)(np.ones(3)), "mapped"),
        (lambda: bp.vmap(np.add)(np.ones(3), np.ones(2)), "length"),
        (lambda: bp.vmap(np.add, in_axes=(0,))(np.ones(3), np.ones(3)), "in_axes"),
        (lambda: bp.vmap(np.sin, in_axes="a")(np.ones(3)), "in_axes"),
        (lambda: bp.vmap(np.sin, out_axes=3)(np.ones(3)), "axis 3"),
        (lambda: bp.vmap(np.sin, out_axes=(0, 0))(np.ones(3)), "out_axes"),
        (lambda: bp.vmap(np.sin)(np.float64(1.0)), "axis 0"),
        (lambda: bp.vmap(lambda t: t["a"], in_axes=({"b": 0},))({"a": np.ones(2)}), "keys"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()


def test_empty_and_single():
    assert bp.vmap(lambda x: x.sum())(np.ones((0, 3))).shape == (0,)
    assert bp.vmap(np.sin)(np.ones((1,))).shape == (1,)


def test_pullbacks_keep_their_arguments():
    """Changing arrays after the call changes nothing, nor does what a pullback returns."""
    for x in (np.arange(1.0, 4.0), np.arange(6.0)[::2], np.asfortranarray(np.ones((2, 2)))):
        keep = x.copy()
        _, pullback = bp.vjp(lambda a: np.sum(a**3), x)
        tree, pull = bp.vjp(lambda d: d["a"] * d["b"][0], {"a": x, "b": [x]})
        x[...] = -1e9
        np.testing.assert_allclose(pullback(1.0)[0], 3 * keep**2)
        (ct,) = pull(np.ones_like(keep))
        np.testing.assert_allclose(ct["a"], keep)
        ct["a"][...] = 0
        np.testing.assert_allclose(pull(np.ones_like(keep))[0]["b"][0], keep)
        tree[...] = 0
        y2, again = bp.vjp(lambda a: a, keep)
        y2[...] = 5
        np.testing.assert_allclose(again(np.ones_like(keep))[0], 1)
        assert not np.shares_memory(y2, keep)
