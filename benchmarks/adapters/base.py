"""The one interface behind which every library stands.

An adapter says whether its library is there, and turns a case into entries: rows of the table,
each with a call that returns `(value, gradient)` as NumPy. What is inside that call is the
library as its users with NumPy arrays would write it: the differentiated argument goes in as
NumPy at each call and the answer comes out as NumPy; data that do not change are handed over
once, in the library's own form.
"""

import importlib
import importlib.metadata
from dataclasses import dataclass
from time import perf_counter

import numpy as np


class Unsupported(Exception):
    """This adapter has no sensible way to do this case; the message says why."""


class Ops:
    """What an objective may use: an array namespace, a loop, and a few named compositions.

    The compositions are the ones that libraries offer ready-made in different places. The
    defaults are NumPy's spelling.

    Attributes
    ----------
    library : str
        Suffix of the ``objective_<library>`` methods of problems.
    np : module
        The library's array namespace.
    """

    library = "numpy"
    np = np

    def scan(self, step, carry, xs):
        """Run ``carry, _ = step(carry, x)`` over the first axis of the tuple of arrays `xs`."""
        for i in range(xs[0].shape[0]):
            carry, _ = step(carry, tuple(x[i] for x in xs))
        return carry, None

    def shape(self, array):
        """Its extents, as numbers."""
        return array.shape

    def rowwise(self, fn):
        """Turn ``fn(x)`` of one row into values and gradients of all rows."""
        raise Unsupported("no gradients of many rows")

    def vmap(self, fn, in_axes=0):
        """Map ``fn`` over the leading axes of its arguments."""
        raise Unsupported("no mapping over rows")

    def jacobian(self, fn, argnums=0):
        """The Jacobian of ``fn``, an array or a tuple of them."""
        raise Unsupported("no Jacobian to speak of")

    def erfc(self, z):
        """The complementary error function."""
        raise Unsupported("no erfc")

    def softplus(self, z):
        """log(1 + exp(z))."""
        return self.np.logaddexp(0.0, z)

    def sigmoid(self, z):
        """1 / (1 + exp(-z))."""
        return 1.0 / (1.0 + self.np.exp(-z))

    def relu(self, z):
        """max(z, 0)."""
        return self.np.maximum(z, 0)

    def logsumexp(self, z):
        """log(sum(exp(z))) along the last axis."""
        top = self.np.max(z, axis=-1, keepdims=True)
        return self.np.log(self.np.sum(self.np.exp(z - top), axis=-1)) + top[..., 0]

    def softmax_cross_entropy(self, z, one_hot):
        """Mean over the rows of logsumexp(z) - z[label]."""
        return self.np.mean(self.logsumexp(z) - self.np.sum(one_hot * z, axis=-1))


class ComplexOps(Ops):
    """NumPy in forms that are analytic, for the complex step that checks the references."""

    def softplus(self, z):
        """log(1 + exp(z)); the usual form that cannot overflow is not analytic."""
        return np.log1p(np.exp(z))


@dataclass
class Entry:
    """One row of the table: a call on one case.

    Attributes
    ----------
    library : str
        Name of the row.
    call : callable
        Zero-argument; returns ``(value, gradient)``, gradient a tree of NumPy arrays.
    value : callable or None
        Zero-argument; the function alone, without a derivative, in the same manner.
    first : callable or None
        Zero-argument; starts from a fresh function object: trace, compile, and run once.
    """

    library: str
    call: object
    value: object = None
    first: object = None

    def sample(self, calls):
        """Seconds for `calls` calls in a row."""
        return time_calls(self.call, calls)


def time_calls(call, calls):
    """Seconds for `calls` calls in a row, the loop of Python included (about 10 ns per call)."""
    repeats = range(calls)
    start = perf_counter()
    for _ in repeats:
        call()
    return perf_counter() - start


class Adapter:
    """Base of the adapters; one subclass per file, listed in ``adapters/__init__.py``.

    Attributes
    ----------
    name : str
        What ``--adapters`` selects.
    modules : tuple of str
        What must be importable; the first is the one whose import is timed.
    packages : tuple of str
        Distributions whose versions are recorded.
    kinds : frozenset of str
        Kinds of problem that it can do.
    """

    name = ""
    modules = ()
    packages = ()
    kinds = frozenset({"gradient"})

    def missing(self):
        """Why the adapter cannot run here, or None. Importing is done here, and not before."""
        for module in self.modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                return f"{module} cannot be imported ({error})"
        return None

    def versions(self):
        """Version of each of `packages`, as installed."""
        found = {}
        for package in self.packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                module = importlib.import_module(package)
                found[package] = getattr(module, "__version__", "unknown")
        return found

    def entries(self, case):
        """Make the rows of this case.

        Parameters
        ----------
        case : Case
            The problem at one size.

        Returns
        -------
        list of Entry

        Raises
        ------
        Unsupported
            If the library cannot do the case.
        """
        raise NotImplementedError
