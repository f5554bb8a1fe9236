"""Rearranging, joining and splitting against NumPy."""

import numpy as np
import pytest
from reference import call, compare

import pybackprop.numpy as bnp
from pybackprop.errors import ControlFlowError

X = np.arange(24.0).reshape(2, 3, 4)
EMPTY = np.zeros((2, 0, 3))
CASES = {
    "reshape": lambda a: [
        np.reshape(a, (4, 6)), a.reshape(-1), a.reshape(3, -1), a.reshape((2, 12)),
    ],
    "reshape order": lambda a: [a.reshape((4, 6), order="F"), np.ravel(a, order="F")],
    "ravel": lambda a: [np.ravel(a), a.ravel(), a.flatten()],
    "transpose": lambda a: [a.T, np.transpose(a), a.transpose(1, 0, 2), a.transpose((2, -2, 0))],
    "swapaxes": lambda a: [np.swapaxes(a, 0, -1), a.swapaxes(1, 1)],
    "moveaxis": lambda a: [np.moveaxis(a, 0, -1), np.moveaxis(a, (0, 1), (2, 0))],
    "rollaxis": lambda a: [np.rollaxis(a, 2), np.rollaxis(a, 0, 3)],
    "expand_dims": lambda a: [np.expand_dims(a, 1), np.expand_dims(a, (0, -1))],
    "squeeze": lambda a: [np.squeeze(a[:1]), np.squeeze(a[:, :1], axis=1), a[:1].squeeze(0)],
    "broadcast_to": lambda a: [
        np.broadcast_to(a, (5, 2, 3, 4)), np.broadcast_to(a[:, :1], (2, 3, 4)),
    ],
    "broadcast_arrays": lambda a: np.broadcast_arrays(a, a[0, 0], 3.0),
    "atleast": lambda a: [np.atleast_1d(a[0, 0, 0]), np.atleast_2d(a[0, 0]), np.atleast_3d(a[0])],
    "atleast_3d": lambda a: [np.atleast_3d(a[0, 0]), np.atleast_3d(a[0, 0, 0])],
    "concatenate": lambda a: [
        np.concatenate([a, a[:1]]), np.concatenate((a, np.ones((2, 1, 4))), axis=1),
        np.concatenate([a, a], axis=None), np.concatenate([a], -1),
    ],
    "concatenate a value": lambda a: np.concatenate(a, axis=0),
    "concatenate dtypes": lambda a: np.concatenate([a[0], np.ones((3, 4), np.int8), a[0] > 1]),
    "stack": lambda a: [np.stack([a, a]), np.stack((a, 2 * a), axis=-1), np.stack([a[0], X[0]], 1)],
    "stack scalars": lambda a: np.stack(
        [a[0, 0, 0], a[0, 0, 1], np.float64(2.0), 3.0 * a[0, 0, 1]]
    ),
    "hstack": lambda a: [np.hstack([a, a]), np.hstack([a[0, 0], a[0, 1]])],
    "vstack": lambda a: [np.vstack([a, a]), np.vstack([a[0, 0], a[0, 1]])],
    "dstack": lambda a: [np.dstack([a, a]), np.dstack([a[0, 0], a[0, 1]])],
    "column_stack": lambda a: np.column_stack([a[0, 0], a[0].T, a[1, 0]]),
    "append": lambda a: [np.append(a, 3.0), np.append(a, a[:1], axis=0)],
    "split": lambda a: [
        *np.split(a, 2), *np.split(a, [1, 3], axis=2), *np.array_split(a, 3, axis=-1),
    ],
    "hvd split": lambda a: [*np.hsplit(a, 3), *np.vsplit(a, 2), *np.dsplit(a, [1])],
    "flip": lambda a: [np.flip(a), np.flip(a, 1), np.flip(a, (0, -1)), np.fliplr(a), np.flipud(a)],
    "rot90": lambda a: [np.rot90(a, k, (1, 2)) for k in range(-2, 5)],
    "roll": lambda a: [
        np.roll(a, 2), np.roll(a, -1, 0), np.roll(a, (1, 2), (0, 2)), np.roll(a, 9, 1),
    ],
    "tile": lambda a: [
        np.tile(a, 2), np.tile(a, (2, 1, 1, 3)), np.tile(a, (0, 1, 1)), np.tile(a, ()),
    ],
    "repeat": lambda a: [
        np.repeat(a, 2), np.repeat(a, 3, axis=1), np.repeat(a, [1, 0, 2], axis=1), a.repeat(0, 0),
    ],
    "pad": lambda a: [
        np.pad(a, 1), np.pad(a, ((0, 1), (2, 0), (0, 0))), np.pad(a, (1, 2), constant_values=3.0),
        np.pad(a[0], 2, constant_values=((1, 2), (3, 4))),
    ],
    "pad modes": lambda a: [
        np.pad(a, ((1, 1), (2, 2), (3, 1)), mode) for mode in ("edge", "reflect", "symmetric",
        "wrap")
    ],
    "astype": lambda a: [a.astype(np.float32), a.astype(int), a.astype("bool"), a.astype(np.uint8)],
    "copy": lambda a: [a.copy(), np.copy(a)],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    compare(CASES[name], X)
    compare(CASES[name], np.ascontiguousarray(X.T).T[:, ::-1])


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a.reshape(0, 5), lambda a: a.T, lambda a: np.concatenate([a, a], 1), np.ravel,
        lambda a: np.flip(a, 0), lambda a: np.roll(a, 1, 1), lambda a: np.tile(a, (1, 2, 1)),
        lambda a: np.pad(a, 1), lambda a: np.repeat(a, 2, 1), lambda a: np.stack([a, a]),
        lambda a: a.reshape(-1),
    ],
)  # fmt: skip
def test_empty(function):
    compare(function, EMPTY)


def test_scalars():
    x = np.float64(2.0)
    compare(
        lambda a: [a.T, a.reshape(1, 1), a.ravel(), np.tile(a, 3), np.repeat(a, 2), a.squeeze()], x
    )


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda a: a.reshape(5, -1), ValueError),
        (lambda a: a.reshape(-1, -1), ValueError),
        (lambda a: a.reshape(7), ValueError),
        (lambda a: a.transpose(0, 1), ValueError),
        (lambda a: a.transpose(0, 0, 1), ValueError),
        (lambda a: np.swapaxes(a, 0, 3), np.exceptions.AxisError),
        (lambda a: np.squeeze(a, 0), ValueError),
        (lambda a: np.concatenate([a, a[:, :1]]), ValueError),
        (lambda a: np.stack([a, a[0]]), ValueError),
        (lambda a: np.split(a, 5), ValueError),
        (lambda a: np.broadcast_to(a, (3, 4)), ValueError),
        (lambda a: np.pad(a, -1), ValueError),
        (lambda a: np.repeat(a, -1), ValueError),
        (lambda a: a.reshape(np.sum(a)), ControlFlowError),
        (lambda a: np.concatenate([]), ValueError),
    ],
)
def test_errors(function, error):
    with pytest.raises(error):
        call(function, X)


def test_unstack_and_array_api_names():
    compare(lambda a: np.moveaxis(np.stack(list(a)), 0, 0), X)
    found = call(lambda a: bnp.unstack(a, axis=1), X)
    np.testing.assert_array_equal(np.stack(found, axis=1), X)
    (y,) = call(lambda a: bnp.concat([bnp.permute_dims(a, (2, 0, 1))] * 2), X)
    np.testing.assert_array_equal(y, np.concatenate([X.transpose(2, 0, 1)] * 2))
