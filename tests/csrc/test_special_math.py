"""Special functions of the core against mpmath: error in ulp, edges as SciPy's, equal bits.

The headers are compiled with ``special_math_loops.c`` into one shared library per instruction set
that this processor runs, as for the elementary functions.
"""

import ctypes
import subprocess

import numpy as np
import pytest
import special_exact
from mpmath import mp
from test_simd_math import COMPILER, FLAGS, HERE, INCLUDE, SETS, WARNINGS, compiler_accepts

scipy_special = pytest.importorskip("scipy.special")
inf, nan = np.inf, np.nan

VECTORS = (
    "lgamma", "digamma", "erfcx", "ndtr", "log_ndtr", "erfinv", "erfcinv", "ndtri", "i0", "i1",
    "i0e", "i1e",
)  # fmt: skip


def _log(low, high):
    return lambda rng, n: np.exp(rng.uniform(np.log(low), np.log(high), n))


def _flat(low, high):
    return lambda rng, n: rng.uniform(low, high, n)


def _whole(low, high):
    return lambda rng, n: rng.integers(low, high, n).astype(float)


# Bound in ulp and the ranges of the operands; the headers state what is reached.
CASES = {
    "lgamma": [(4.5, _flat(0, 3)), (2, _flat(2, 9)), (1.5, _log(1e-300, 1e300))],
    "digamma": [(3, _flat(0, 3)), (3, _flat(2, 9)), (1.5, _log(1e-300, 1e300))],
    "erfcx": [(2, _flat(-26, 0)), (1.5, _flat(0, 28)), (2, _log(27, 1e3))],
    "ndtr": [(4, _flat(-37, 0)), (2.5, _flat(-3, 8))],
    "log_ndtr": [(3, _flat(-37, 8)), (1.5, _flat(-1000, -30))],
    "erfinv": [(2.5, _flat(-1, 1)), (2, _log(1e-300, 1))],
    "erfcinv": [(2.5, _flat(0.01, 1.99)), (2, _log(1e-307, 0.5))],
    "ndtri": [(3.5, _flat(0.01, 0.99)), (3, _log(1e-307, 0.5))],
    "i0": [(4.5, _flat(-60, 60)), (4.5, _flat(60, 700))],
    "i1": [(4.5, _flat(-60, 60)), (4.5, _flat(60, 700))],
    "i0e": [(3.5, _flat(-60, 60)), (3, _log(60, 1e4))],
    "i1e": [(4, _flat(-60, 60)), (3, _log(60, 1e4))],
    "gamma": [(2.5, _flat(0, 8)), (2.5, _flat(8, 171)), (4, _flat(-20, 0))],
    "rgamma": [(3, _flat(0, 8)), (2.5, _flat(8, 171)), (4, _flat(-20, 0))],
    "expi": [(5, _flat(0, 1)), (6, _flat(1, 700)), (4, _flat(-50, 0))],
    "spence": [(4, _flat(0, 3)), (3, _log(1e-10, 1e10))],
    "expn": [(4, _whole(1, 2), _log(1e-5, 1)), (4, _whole(1, 60), _flat(0.1, 80))],
    "exprel": [(2, _whole(0, 1), _flat(-50, 50)), (8, _whole(1, 4), _flat(-50, 50))],
    "log1prel": [(2, _whole(0, 1), _flat(-0.9, 3)), (12, _whole(1, 4), _flat(-0.9, 8))],
    "ierfcx": [(4, _whole(1, 4), _flat(-20, 3)), (4, _whole(1, 4), _log(1, 1e10))],
    "zeta": [(4, _whole(0, 1), _flat(1.01, 9), _log(0.01, 30))],
    "iv": [(4, _whole(0, 2), _flat(-20, 20)), (14, _whole(2, 30), _flat(0, 50))],
    "kv": [(8, _whole(0, 2), _flat(0, 50)), (25, _whole(2, 20), _flat(0, 50))],
    "kve": [(10, _whole(0, 2), _flat(0, 50))],
    "ive": [(14, _whole(2, 30), _flat(0, 50)), (4, _whole(2, 9), _log(1e4, 1e9))],
    "gammainc": [(40, _whole(0, 1), _flat(0, 12), _flat(0, 12))],
    "gammaincc": [(40, _whole(0, 1), _flat(0, 12), _flat(0, 12))],
    "betainc": [(60, _flat(0, 12), _flat(0, 12), _flat(0, 1))],
}


class Library:
    """One build of the functions."""

    def __init__(self, folder, name, options):
        target = folder / f"special_{name}.so"
        command = [*COMPILER, "-std=c11", *FLAGS, "-O2", *options, "-shared", "-fPIC"]
        command += [f"-I{INCLUDE}", str(HERE / "special_math_loops.c"), "-o", str(target), "-lm"]
        done = subprocess.run([*command, *WARNINGS], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.handle = ctypes.CDLL(str(target))

    def __call__(self, kind, name, *operands):
        operands = [np.ascontiguousarray(o) for o in np.broadcast_arrays(*operands)]
        suffix = "f" if operands[0].dtype == np.float32 else ""
        y = np.empty_like(operands[0])
        function = getattr(self.handle, f"{kind}_{name}{suffix}")
        function(ctypes.c_int64(y.size), *(ctypes.c_void_p(a.ctypes.data) for a in (y, *operands)))
        return y


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("special_math")
    accepted = {name: options for name, options in SETS.items() if compiler_accepts(options)}
    return {name: Library(folder, name, options) for name, options in accepted.items()}


def draw(name, count):
    rng = np.random.default_rng(5)
    for bound, *ranges in CASES[name]:
        yield bound, [r(rng, count) for r in ranges]


def ulps(found, exact):
    """Distances from longdoubles."""
    unit = np.spacing(np.maximum(np.abs(exact.astype(found.dtype)), np.finfo(found.dtype).tiny))
    return np.asarray(np.abs(found - exact) / unit, float)


def inverse_exact(name, x, found):
    """Newton's steps from what was found, by mpmath."""
    with mp.workdps(40):
        y, q = mp.mpf(float(found)), mp.mpf(float(x))
        if name == "erfinv" and abs(q) < 0.9:
            return mp.erfinv(q)
        sign = 1
        if name == "erfinv":
            sign, q = (1 if q > 0 else -1), 1 - abs(q)
        if name == "ndtri":
            sign, q = -mp.sqrt(2), 2 * q
        y = y / sign
        for _ in range(4):
            c = mp.erfc(y)
            y += (mp.log(c) - mp.log(q)) * c * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        return sign * y


@pytest.mark.parametrize("name", CASES)
def test_error(libraries, name):
    library = libraries[list(libraries)[-1]]
    kind = "loop" if name in VECTORS else "single"
    for bound, operands in draw(name, 30):
        found = library(kind, name, *operands)
        if name in ("erfinv", "erfcinv", "ndtri"):
            exact = np.array(
                [
                    np.longdouble(mp.nstr(inverse_exact(name, x, y), 30))
                    for x, y in zip(operands[0], found, strict=True)
                ]
            )
        else:
            exact = special_exact.EXACT[name](*operands)
        e = ulps(found, exact)
        worst = int(np.argmax(e))
        assert e[worst] <= bound, f"{name}{[float(o[worst]) for o in operands]}: {e[worst]:.2f} ulp"
        with np.errstate(over="ignore"):
            narrow = [o.astype(np.float32) for o in operands]
            wide = library(kind, name, *[o.astype(float) for o in narrow]).astype(np.float32)
        np.testing.assert_array_equal(library(kind, name, *narrow), wide)


@pytest.mark.parametrize("name", ["jv", "yv"])
def test_error_of_oscillating_functions(libraries, name):
    """Beside the modulus, as they have zeros."""
    library = libraries[list(libraries)[-1]]
    rng = np.random.default_rng(3)
    for n in (0, 1, 2, 5):
        x = np.concatenate([rng.uniform(0.1, 8, 20), rng.uniform(8, 100, 20), [1e4, 1e9, 1e22]])
        found = library("single", name, np.full(x.size, float(n)), x)
        with mp.workdps(60):
            for value, at in zip(found, x, strict=True):
                z = mp.mpf(float(at))
                j, y = mp.besselj(n, z), mp.bessely(n, z)
                exact, modulus = (j if name == "jv" else y), mp.sqrt(j * j + y * y)
                if name == "jv" and at < n:
                    modulus = abs(j)
                assert abs(mp.mpf(float(value)) - exact) <= 8 * 2.0**-52 * modulus, (n, at)


@pytest.mark.parametrize("name", [*CASES, "betaln", "jv", "yv", "betainc_a", "betainc_ab"])
def test_same_bits(libraries, name):
    """In loops, single calls and all instruction sets."""
    rng = np.random.default_rng(6)
    if name in CASES:
        operands = [np.concatenate(p) for p in zip(*[o for _, o in draw(name, 60)], strict=True)]
    elif name in ("jv", "yv"):
        operands = [rng.integers(0, 20, 100).astype(float), rng.uniform(0, 60, 100)]
    else:
        operands = [rng.uniform(0.1, 20, 60) for _ in range(2)]
        if name != "betaln":
            operands.append(rng.uniform(0, 1, 60))
    first = None
    for library in libraries.values():
        single = library("single", name, *operands)
        first = single if first is None else first
        np.testing.assert_array_equal(single, first)
        if name in VECTORS:
            np.testing.assert_array_equal(library("loop", name, *operands), first)


AWKWARD = np.array([0.0, -0.0, 1.0, 2.0, 0.5, -0.5, -1.0, -2.0, 3.0, 30.0, -30.0, inf, -inf, nan])
SCIPY = {"lgamma": "gammaln"}


@pytest.mark.parametrize(
    "name", [*VECTORS, "gamma", "rgamma", "expi", "spence", "betaln", "expn", "kv", "jv", "betainc"]
)
def test_edges_are_those_of_scipy(libraries, name):
    function = getattr(scipy_special, SCIPY.get(name, name))
    count = {"betaln": 2, "betainc": 3, "expn": -1, "kv": -1, "jv": -1}.get(name, 1)
    if count == -1:
        operands = np.meshgrid([0.0, 1.0, 2.0, 3.0], AWKWARD)
    else:
        operands = np.meshgrid(*[AWKWARD[(AWKWARD >= 0) | (count == 1)]] * count)
    operands = [o.ravel() for o in operands]
    wanted = function(*operands)
    finite = np.ones(wanted.shape, bool)
    if name in ("i0", "i1"):
        finite = np.isfinite(operands[0])  # SciPy: NaN
    if name == "betainc":
        finite = np.isfinite(sum(operands)) & (operands[0] != 0) & (operands[1] != 0)
    if name in ("betaln", "jv", "spence"):
        finite = np.isfinite(sum(operands))  # SciPy has NaN for J at infinities, ours the limit
    rtol = 1e-12 if "ndtr" in name else 3e-14  # SciPy rounds x / sqrt(2)
    for library in libraries.values():
        found = library("single", name, *operands)
        np.testing.assert_allclose(found[finite], wanted[finite], rtol=rtol, atol=1e-300)
