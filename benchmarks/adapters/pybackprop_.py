"""pybackprop: the ordinary call, and a row for the call bound to fixed buffers.

The objectives are given NumPy itself as their namespace: plain NumPy code is what the library
promises to differentiate. Another way to run a tape is another subclass with other `options`.
"""

from functools import partial

from adapters.base import Adapter, Entry, Ops


class PybackpropOps(Ops):
    """Plain NumPy, the library's loop, and its special functions where NumPy has no name."""

    library = "pybackprop"

    def __init__(self):
        import pybackprop

        self._bp = pybackprop

    def _function(self, name):
        """A function that NumPy lacks, from the public module that has it."""
        for module in (self._bp.special, self._bp.numpy):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"pybackprop has no function {name}")

    def scan(self, step, carry, xs):
        """``pybackprop.scan``: one loop on the tape."""
        return self._bp.scan(step, carry, xs)

    def rowwise(self, fn):
        """``pybackprop.vmap`` of ``pybackprop.value_and_grad``."""
        return self._bp.vmap(self._bp.value_and_grad(fn))

    def vmap(self, fn, in_axes=0):
        """``pybackprop.vmap``."""
        return self._bp.vmap(fn, in_axes)

    def jacobian(self, fn, argnums=0):
        """``pybackprop.jacobian``, which chooses the mode."""
        return self._bp.jacobian(fn, argnums)

    def erfc(self, z):
        """The library's own."""
        return self._bp.special.erfc(z)

    def softplus(self, z):
        """The library's own."""
        return self._function("softplus")(z)

    def sigmoid(self, z):
        """The library's own."""
        return self._function("sigmoid")(z)

    def relu(self, z):
        """The library's own: its derivative at 0 is 0, where a maximum would share the tie."""
        return self._function("relu")(z)

    def logsumexp(self, z):
        """The library's own."""
        return self._function("logsumexp")(z, axis=-1)


class Pybackprop(Adapter):
    """``pybackprop.value_and_grad`` called ordinarily: every answer is a fresh array.

    Attributes
    ----------
    options : dict
        Keyword arguments of `compile` and `value_and_grad`.
    """

    name = "pybackprop"
    modules = ("pybackprop",)
    packages = ("pybackprop",)
    options = {}  # noqa: RUF012  (never changed)

    kinds = frozenset({"gradient", "program"})

    def derivative(self, case):
        """A fresh function of value and derivative."""
        import pybackprop as bp

        ops, problem = PybackpropOps(), case.problem
        if problem.kind == "gradient":
            return bp.value_and_grad(problem.objective_for(ops), **self.options)
        return bp.compile(problem.program_for(ops), **self.options)

    def alone(self, case):
        """A fresh function of the value."""
        import pybackprop as bp

        return bp.compile(case.problem.objective_for(PybackpropOps()), **self.options)

    def entries(self, case):
        """One row."""
        args = (case.x, *case.problem.data_for(PybackpropOps(), case))

        def first():
            return self.derivative(case)(*args)

        # Without a Python function around it: a user's line has none either.
        call, value = partial(self.derivative(case), *args), partial(self.alone(case), *args)
        return [Entry(self.name, call, value, first)]


class PybackpropBound(Pybackprop):
    """The same through ``bind``: a call without arguments on fixed buffers."""

    name = "pybackprop bound"

    def entries(self, case):
        """One row."""
        x, data = case.x, case.problem.data_for(PybackpropOps(), case)
        bound = self.derivative(case).bind(x, *data)
        return [Entry(self.name, bound, self.alone(case).bind(x, *data))]


class PybackpropNative(PybackpropBound):
    """Bound, the tape compiled by the C compiler found."""

    name = "pybackprop native"
    options = {"backend": "native"}  # noqa: RUF012  (never changed)

    def missing(self):
        """As the base; then whether this version has the backend and finds a compiler."""
        reason = super().missing()
        if reason is None:
            import pybackprop as bp

            try:
                bp.compile(abs, **self.options)(1.0)
            except Exception as raised:
                return str(raised).splitlines()[0]
        return reason


class PybackpropThreads(PybackpropBound):
    """Bound, on two threads: for the large cases only."""

    name = "pybackprop 2 threads"
    options = {"threads": 2}  # noqa: RUF012  (never changed)

    def entries(self, case):
        """One row, or none."""
        return super().entries(case) if case.tags & {"large", "large map"} else []
