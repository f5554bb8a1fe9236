"""What importing the package loads, and that the rest comes when it is asked for."""

import subprocess
import sys

import numpy as np

import pybackprop as bp
import pybackprop.numpy as bnp

LATE = """
pybackprop.numpy._bits pybackprop.numpy._choosing pybackprop.numpy._einsum pybackprop.numpy._lines
pybackprop.numpy._polynomials pybackprop.numpy._sorting pybackprop.numpy._statistics
pybackprop.numpy.fft pybackprop.numpy.linalg pybackprop.special pybackprop.stats pybackprop.linalg
pybackprop.optim pybackprop.primitives.special pybackprop.primitives.spectral
pybackprop.primitives.general pybackprop.passes.planes pybackprop.passes.tile pybackprop.explanation
pybackprop.sparse pybackprop.serialize pybackprop.native numpy.fft scipy threading
""".split()
CODE = """
import numpy
before = set(__import__("sys").modules)
import pybackprop as bp
assert bp.grad(lambda x: numpy.sin(x) * x)(0.0) == 0
print(*sorted(set(__import__("sys").modules) - before))
"""


def test_import_and_a_scalar_gradient_load_only_what_they_need():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "pybackprop.compiled" in loaded
    assert not set(LATE) & set(loaded)


def test_late_names_are_listed_and_found():
    assert {"sort", "einsum", "polyval", "median", "pad", "fft", "linalg"} <= set(bnp.__all__)
    assert set(bnp.__all__) <= set(dir(bnp))
    for name in bnp.__all__:
        assert getattr(bnp, name) is getattr(bnp, name)
    namespace = {}
    exec("from pybackprop.numpy import *", namespace)
    assert namespace["sort"] is bnp.sort
    assert not hasattr(bnp, "no_such_name")


def test_numpy_reaches_late_functions():
    x = np.array([3.0, 1.0, 2.0])
    sorted_, positions, transformed, gamma = bp.compile(
        lambda a: (np.sort(a), a.argsort(), np.fft.fft(a).real, bp.special.gamma(a))
    )(x)
    np.testing.assert_array_equal(sorted_, [1, 2, 3])
    np.testing.assert_array_equal(positions, [1, 2, 0])
    np.testing.assert_allclose(transformed, np.fft.fft(x).real)
    np.testing.assert_allclose(gamma, [2, 1, 1])
    assert bp.compile(lambda a: np.gcd(a, 6))(np.int64(4)) == 2
