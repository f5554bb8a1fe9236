"""Calls with bad arguments: a clear exception or NumPy's own result, and never a crash.

Each call runs on plain arrays and compiled, in subprocesses that report call by call, so that a
crash, an abort or a call that eats all memory is noticed and named.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

X = "x"  # (6,) float64; m (3, 3), s singular (3, 3), i int64 (4,), b bool (6,), z (0, 3), k = 2.5
CALLS = """
np.zeros(-1)
np.zeros((2, -3))
np.ones((2**62, 2**62))
np.zeros(10**12)
np.zeros(2**62)
np.full((2**40, 2**40), 1.0)
np.full(-1, x[0])
np.full((10**12,), x[0])
np.full((2**62,), x[0])
np.empty((2**31, 2**31, 2**31))
np.eye(-1)
np.eye(10**7, 10**7)
np.arange(10**13)
np.arange(0, 1, 0)
np.linspace(x[0], x[1], -2)
np.linspace(x[0], x[1], 10**12)
np.linspace(0, 1, 2.5)
np.broadcast_to(x, (10**12, 6))
np.broadcast_to(x, (2**62, 6))
np.broadcast_to(x, (3, 5))
np.broadcast_to(x, (-1, 6))
np.broadcast_to(m, (3,))
np.repeat(x, 10**12)
np.repeat(x, 2**62)
np.repeat(x, -1)
np.repeat(x, [1, 2])
np.repeat(m, 2, axis=5)
np.tile(x, 10**12)
np.tile(x, 2**62)
np.tile(x, -1)
np.pad(x, 10**12)
np.pad(x, 2**62)
np.pad(x, -1)
np.pad(x, (1, 2, 3))
np.pad(x, 1, mode="nonsense")
np.pad(z, 1, mode="reflect")
np.reshape(x, (4, 2))
np.reshape(x, (-1, -1))
np.reshape(x, (-2, 3))
np.reshape(x, (0, -1))
np.reshape(x, (2**62, 2**62))
np.reshape(x, 2.5)
np.reshape(x, "ab")
np.transpose(m, (0, 0))
np.transpose(m, (0, 1, 2))
np.transpose(m, (0, 5))
np.swapaxes(m, 0, 2)
np.moveaxis(m, [0, 0], [1, 1])
np.moveaxis(m, 0, 7)
np.rollaxis(m, 3)
np.squeeze(m, 0)
np.squeeze(m, 9)
np.expand_dims(m, 5)
np.expand_dims(m, (0, 0))
np.concatenate([])
np.concatenate([x, m])
np.concatenate([x, x], axis=1)
np.concatenate([x[0], x[1]])
np.stack([x, m])
np.stack([])
np.hstack([m, x])
np.vstack([m, x])
np.split(x, 4)
np.split(x, 0)
np.array_split(x, -1)
np.flip(m, 2)
np.roll(m, 1, 2)
np.roll(m, (1, 2, 3), (0, 1))
np.rot90(x)
np.rot90(m, axes=(0, 0))
np.sum(x, axis=1)
np.sum(m, axis=(0, 0))
np.sum(m, axis=-3)
np.sum(m, axis=1.5)
np.sum(x, dtype="nonsense")
np.sum(m, out=x)
np.max(z)
np.min(z, axis=0)
np.argmax(z)
np.argmin(z, axis=0)
np.mean(z)
np.var(x, ddof=10)
np.std(m, axis=7)
np.cumsum(m, axis=2)
np.prod(m, axis=2**40)
np.clip(x)
np.clip(x, m, 1)
np.where(b, x, m)
np.where(b, x)
np.matmul(x, 2.0)
np.matmul(m, np.ones((4, 3)))
np.matmul(x, m)
np.dot(m, np.ones((4, 4)))
np.inner(x, m)
np.outer(x, "a")
np.tensordot(m, m, axes=3)
np.tensordot(m, m, axes=([0], [5]))
np.einsum("ij,jk", m)
np.einsum("ij,jk->iq", m, m)
np.einsum("ijk->i", m)
np.einsum("i&j->i", m)
np.einsum("ij->ii", m)
np.kron(x, "a")
np.trace(x)
np.diagonal(m, 0, 0, 0)
np.diagonal(x)
np.diag(np.ones((2, 2, 2)))
np.diag(x, 2**40)
np.tril(x[0])
np.take(x, [6])
np.take(x, [-7])
np.take(x, [2**62])
np.take(x, [1.5])
np.take(x, [0], axis=3)
np.take(x, [0], mode="nonsense")
np.take(z, [0], axis=0)
np.take_along_axis(m, i, 0)
np.take_along_axis(m, np.full((3, 3), 9), 0)
np.take_along_axis(m, np.ones((3, 3)), 0)
np.diff(x, -1)
np.diff(x, axis=4)
np.diff(x, 10)
np.meshgrid(x, m, indexing="nonsense")
np.unstack(x, axis=2)
np.append(m, x, axis=0)
np.average(x, weights=m)
np.average(x, weights=np.zeros(6))
np.count_nonzero(m, axis=5)
np.isclose(x, m[:2])
np.interp(x, m, m)
np.convolve(m, m)
np.quantile(x, 1.5)
np.percentile(x, -1)
np.sort(m, axis=4)
np.searchsorted(m, x)
np.bincount(i, minlength=-1)
np.cross(x, x)
np.linalg.inv(s)
np.linalg.inv(x)
np.linalg.inv(np.ones((2, 3)))
np.linalg.solve(s, x[:3])
np.linalg.solve(m, x)
np.linalg.solve(m, np.ones((4, 2)))
np.linalg.cholesky(-m)
np.linalg.cholesky(s - 1)
np.linalg.cholesky(x)
np.linalg.det(x)
np.linalg.det(np.ones((2, 3)))
np.linalg.slogdet(s)
np.linalg.norm(m, 7)
np.linalg.norm(m, "nonsense")
np.linalg.norm(x, axis=3)
np.linalg.norm(np.ones((2, 2, 2)), 2)
np.linalg.matrix_power(s, -1)
np.linalg.matrix_power(x, 2)
np.linalg.matrix_power(m, 1.5)
x[6]
x[-7]
x[2**70]
x[0, 0]
x[1.5]
x["a"]
x[[6]]
x[[0.5]]
x[np.zeros(5, bool)]
x[np.zeros((6, 1), bool)]
m[..., ..., 0]
m[[0, 1], [0, 1, 2]]
m[0:1:0]
x[i * 100]
x[i - 2**62]
m[i, i]
np.take(x, i + 10**15)
np.take_along_axis(x, i + 9, 0)
x + m[:2]
x @ x @ x
x ** "a"
x + "a"
x + None
x + [1, 2]
x + {}
i ** -1
i // 0
i % 0
i << 70
i / 0
x & x
~x
b - b
-b
i + 2**70
np.add(x)
np.add(x, x, x, x)
np.add(x, x, nonsense=1)
np.sin(x, 1, 2, 3)
np.sin("a")
np.sin(None)
np.sin([])
np.sin([[1, 2], [3]])
np.sin(object())
np.sin(np.array(["a"]))
np.exp({"a": 1})
np.add(x, x, dtype=int)
np.add(x, x, dtype="nonsense")
np.add(x, x, casting="nonsense")
np.exp(x, dtype=bool)
np.sum("abc")
np.sum([[1], [1, 2]])
np.maximum(x, m[:, :2])
np.arctan2(x)
np.hypot(x, i)
np.left_shift(x, 1)
np.gcd(x, 2)
np.logical_and(x, m)
np.sum(x, where=m)
np.max(x, initial="a")
np.astype(x, "nonsense")
x.astype("nonsense")
x.reshape(5)
x.sum(axis=3)
x.transpose(3)
x.swapaxes(0, 1)
x.nonsense()
np.nonsense(x)
np.finfo(int)
np.result_type("nonsense")
np.can_cast("nonsense", int)
""".strip().splitlines()
BATCH = 40
# Values where NumPy raises, and why.
ACCEPTED = {
    "np.average(x, weights=np.zeros(6))": "known only when it runs: NaN, as a division gives",
}

CHILD = r"""
import json, resource, sys, warnings
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
import numpy, pybackprop as bp, pybackprop.numpy as bnp
warnings.simplefilter("ignore")
numpy.seterr(all="ignore")
calls = json.loads(sys.stdin.read())
def arguments():
    return {
        "x": numpy.linspace(0.5, 2.0, 6), "m": numpy.eye(3) + 0.1, "s": numpy.ones((3, 3)),
        "i": numpy.arange(4), "b": numpy.arange(6) > 2, "z": numpy.zeros((0, 3)),
    }
def outcome(call):
    try:
        value = call()
        flat = value if isinstance(value, (tuple, list)) else [value]
        if not all(isinstance(v, (numpy.ndarray, numpy.generic, int, float, bool)) for v in flat):
            return ["value", "object"]
        if sum(numpy.size(v) for v in flat) > 10**7:
            return ["value", "large"]
        return ["value", [[numpy.asarray(v).dtype.str, numpy.asarray(v).tolist()] for v in flat]]
    except Exception as error:
        names = [c.__name__ for c in type(error).__mro__]
        return ["error", names, str(error)]
for number, call in enumerate(calls):
    names = ", ".join(arguments())
    theirs = eval(f"lambda {names}: {call}", {"np": numpy})
    ours = eval(f"lambda {names}: {call}", {"np": bnp})
    print(json.dumps([number, "start"]), flush=True)
    results = [outcome(lambda: theirs(**arguments())), outcome(lambda: ours(**arguments()))]
    for f in (theirs, ours):
        results.append(outcome(lambda: bp.compile(lambda *a: f(*a))(*arguments().values())))
    print(json.dumps([number, results]), flush=True)
"""


def run(calls):
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(calls), capture_output=True, text=True,
        env=environment, timeout=240, check=False,
    )  # fmt: skip
    results, started = {}, None
    for line in done.stdout.splitlines():
        number, outcomes = json.loads(line)
        if outcomes == "start":
            started = number
        else:
            results[number] = outcomes
    if done.returncode or len(results) != len(calls):
        name = calls[started] if started is not None else "before the first call"
        raise AssertionError(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return results


def fault(call, theirs, ours):
    """What is wrong with an outcome, or None."""
    kind = ours[0]
    if theirs[0] == "value":
        if kind == "value":
            same = theirs[1] == ours[1] or "nan" in str(theirs[1]) + str(ours[1])
            if same or isinstance(theirs[1], str) or isinstance(ours[1], str):
                return None
            close = all(
                a[0] == b[0] and np.allclose(a[1], b[1], rtol=1e-12, equal_nan=True)
                for a, b in zip(theirs[1], ours[1], strict=True)
            )
            return None if close else f"{ours[1]} instead of {theirs[1]}"
    elif kind == "value":
        return f"a value instead of {theirs[1][0]}: {theirs[2]}"
    if len(ours[2]) < 8:
        return f"no message in {ours[1][0]}({ours[2]!r})"
    clear = {
        "PybackpropError", "TypeError", "ValueError", "IndexError", "MemoryError", "OverflowError",
        "AttributeError", "LinAlgError", "NotImplementedError", "ArithmeticError",
    }  # fmt: skip
    if not clear & set(ours[1]) or "AssertionError" in ours[1]:
        return f"{ours[1][0]}: {ours[2]}"
    return None


@pytest.mark.parametrize("start", range(0, len(CALLS), BATCH))
def test_bad_calls(start):
    assert len(CALLS) > 200
    calls = CALLS[start : start + BATCH]
    faults = []
    for number, (theirs, *ours) in run(calls).items():
        for how, result in zip(("plain", "traced", "traced by us"), ours, strict=True):
            wrong = fault(calls[number], theirs, result)
            if wrong and calls[number] not in ACCEPTED:
                faults.append(f"{calls[number]} ({how}): {wrong}")
    assert not faults, "\n".join(faults)
