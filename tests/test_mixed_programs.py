"""Random programs as people write them: real and complex arrays, neutral numbers, all steps.

Each is run by NumPy itself and compiled; its derivative in reverse mode is compared with the
forward one, with that of a batch, and with a central difference of NumPy's results.
"""

import random

import numpy as np
import pytest

import pybackprop as bp

NUMBERS = (0, 1, -1, 2, 0.5, -0.0, 1j, 0j, 1.5 - 0.5j, np.float32(2), 3)


def real(z):
    return np.real(z) if np.iscomplexobj(z) else z


def line(u):
    return np.stack([u, u * 2, u - 1]) if u.ndim == 0 else u


def table(u):
    u = line(u)
    return np.reshape(u, (u.shape[0], -1))


UNARY = {
    "exp": lambda u: np.exp(u * 0.3), "sin": np.sin, "tanh": np.tanh, "square": np.square,
    "negative": np.negative, "conj": np.conj, "abs": np.abs, "real": np.real, "imag": np.imag,
    "sinh": lambda u: np.sinh(u * 0.3), "expm1": lambda u: np.expm1(u * 0.3),
    "sqrt": lambda u: np.sqrt(u + 0.1j if np.iscomplexobj(u) else np.abs(u) + 0.1),
    "log": lambda u: np.log(u + 0.1j if np.iscomplexobj(u) else np.abs(u) + 0.1),
    "angle": lambda u: np.angle(u + 0.1j),
    "sum": np.sum, "mean": lambda u: np.mean(line(u), 0), "prod": lambda u: np.prod(u * 0.8),
    "cumsum": lambda u: np.cumsum(line(u), 0), "cumprod": lambda u: np.cumprod(line(u) * 0.7, -1),
    "var": np.var, "max": lambda u: np.max(real(line(u)), -1),
    "sort": lambda u: np.sort(real(line(u))),
    "diff": lambda u: np.diff(line(u), axis=0), "fft": lambda u: np.fft.fft(line(u)),
    "norm": np.linalg.norm, "median": lambda u: np.median(real(u)), "T": lambda u: u.T,
    "flat": lambda u: np.reshape(u, -1), "step": lambda u: line(u)[::2],
    "back": lambda u: line(u)[::-1][:3], "fancy": lambda u: line(u)[np.array([0, -1, 0])],
    "mask": lambda u: line(u)[np.arange(line(u).shape[0]) % 2 == 0],
    "roll": lambda u: np.roll(line(u), 1, 0), "twice": lambda u: np.concatenate([line(u)] * 2, -1),
    "pad": lambda u: np.pad(line(u).ravel(), (2, 1), mode="edge"), "tile": lambda u: np.tile(u, 2),
    "diag": lambda u: np.diag(line(u).ravel()[:3]), "tril": lambda u: np.tril(table(u)),
    "rows": lambda u: np.einsum("ij,ij->i", table(u), table(u)),
    "repeat": lambda u: np.repeat(u, 2),
    "gram": lambda u: table(u) @ np.conj(table(u)).T * 0.3,
}  # fmt: skip
BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
    "divide": lambda u, v: u / (v + 3), "maximum": lambda u, v: np.maximum(real(u), real(v)),
    "hypot": lambda u, v: np.hypot(real(u), real(v) + 0.2),
    "logaddexp": lambda u, v: np.logaddexp(real(u), real(v)),
    "where": lambda u, v: np.where(real(u) > 0.1, u, v),
    "power": lambda u, v: (np.abs(u) + 0.5) ** (real(v) * 0.3),
    "outer": lambda u, v: np.outer(np.ravel(u)[:4], np.ravel(v)[:3]),
    "kron": lambda u, v: np.kron(np.ravel(u)[:3], np.ravel(v)[:2]),
}  # fmt: skip
WITH_NUMBER = {
    "plus": lambda u, c: u + c, "from": lambda u, c: c - u, "times": lambda u, c: c * u,
    "over": lambda u, c: u / (c or 2), "under": lambda u, c: c / (u + 3),
    "to the": lambda u, c: (u + 2 if np.iscomplexobj(u) else np.abs(u) + 0.5) ** c,
}  # fmt: skip


def program(seed):
    """Steps, of which each is applied to the last value and perhaps an earlier one."""
    rng = random.Random(seed)
    steps = []
    for _ in range(rng.randint(2, 7)):
        kind = rng.choice((UNARY, UNARY, UNARY, BINARY, WITH_NUMBER))
        steps.append((kind[rng.choice(list(kind))], kind, rng.random(), rng.choice(NUMBERS)))

    def run(x):
        values = [x]
        for function, kind, which, number in steps:
            u, v = values[-1], values[int(which * len(values))]
            if kind is UNARY:
                result = function(u)
            elif kind is BINARY:
                result = function(u, v if u.shape == v.shape else np.ravel(v)[0])
            else:
                result = function(u, number)
            if isinstance(result, (float, complex)):
                result = np.asarray(result)
            values.append(result if result.size <= 300 else np.ravel(result)[:50])
        return values[-1]

    return run


def argument(seed):
    rng = np.random.default_rng(seed)
    shape = [(3,), (2, 3), (4, 4), (), (5,), (2, 1, 3)][seed % 6]
    x = np.asarray(rng.normal(size=shape))
    return x + 1j * rng.normal(size=shape) if seed % 3 == 0 else x


@pytest.mark.parametrize("part", range(8))
def test_programs(part):
    ran = 0
    for seed in range(part * 40, part * 40 + 40):
        run, x = program(seed), argument(seed)
        with np.errstate(all="ignore"):
            wanted = np.asarray(run(x))
        if not np.all(np.isfinite(wanted)) or np.max(np.abs(wanted), initial=0) > 1e6:
            continue
        ran += 1
        found = np.asarray(bp.compile(run)(x))
        assert found.dtype == wanted.dtype and found.shape == wanted.shape, seed
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9, err_msg=str(seed))

        def total(x, run=run):
            y = run(x)
            return (
                np.sum(np.real(y) * 0.7) + np.sum(np.imag(y) * 0.3) + np.sum(np.real(y) ** 2) * 0.1
            )

        gradient = bp.grad(total)(x)
        if not np.all(np.isfinite(gradient)):
            continue
        direction = argument(seed + 6000)
        along = np.sum(np.real(gradient * direction))
        scale = max(1.0, np.max(np.abs(gradient), initial=0))
        _, forward = bp.jvp(total, (x,), (direction,))
        np.testing.assert_allclose(forward, along, rtol=1e-7, atol=1e-7 * scale, err_msg=str(seed))
        batch = bp.vmap(bp.grad(total))(np.stack([x, x * 0.9]))
        np.testing.assert_allclose(
            batch[0], gradient, rtol=1e-8, atol=1e-8 * scale, err_msg=str(seed)
        )
        with np.errstate(all="ignore"):
            near, far = (
                (total(x + h * direction) - total(x - h * direction)) / (2 * h)
                for h in (1e-5, 2e-5)
            )
        # Beside a kink or a jump differences of two widths do not agree.
        if abs(near - far) < 1e-7 * max(1, abs(near)):
            np.testing.assert_allclose(along, near, rtol=1e-5, atol=1e-5 * scale, err_msg=str(seed))
    assert ran > 20
