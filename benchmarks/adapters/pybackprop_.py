"""pybackprop: the ordinary call, and a row for the call bound to fixed buffers.

The objectives are given NumPy itself as their namespace: plain NumPy code is what the library
promises to differentiate. Another way to run a tape is another subclass with other `options`.
"""

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

    def softplus(self, z):
        """The library's own."""
        return self._function("softplus")(z)

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

    def entries(self, case):
        """One row."""
        import pybackprop as bp

        ops = PybackpropOps()
        x, data = case.x, case.problem.data_for(ops, case)
        objective = case.problem.objective_for(ops)
        gradient = bp.value_and_grad(objective, **self.options)
        alone = bp.compile(objective, **self.options)

        def call():
            return gradient(x, *data)

        def value():
            return alone(x, *data)

        def first():
            fresh = bp.value_and_grad(case.problem.objective_for(ops), **self.options)
            return fresh(x, *data)

        return [Entry(self.name, call, value, first)]


class PybackpropBound(Pybackprop):
    """The same through ``bind``: a call without arguments on fixed buffers."""

    name = "pybackprop bound"

    def entries(self, case):
        """One row."""
        import pybackprop as bp

        ops = PybackpropOps()
        x, data = case.x, case.problem.data_for(ops, case)
        objective = case.problem.objective_for(ops)
        bound = bp.value_and_grad(objective, **self.options).bind(x, *data)
        alone = bp.compile(objective, **self.options).bind(x, *data)
        return [Entry(self.name, bound, alone)]
