"""autograd (HIPS): NumPy with a tape of Python objects, made anew at each call."""

from adapters.base import Adapter, Entry, Ops


class AutogradOps(Ops):
    """``autograd.numpy`` and ``autograd.scipy``."""

    library = "autograd"

    def __init__(self):
        import autograd.numpy
        import autograd.scipy.special

        self.np = autograd.numpy
        self._special = autograd.scipy.special

    def logsumexp(self, z):
        """``autograd.scipy.special.logsumexp``."""
        return self._special.logsumexp(z, axis=-1)


class Autograd(Adapter):
    """``autograd.value_and_grad``."""

    name = "autograd"
    modules = ("autograd",)
    packages = ("autograd",)

    def entries(self, case):
        """One row."""
        import autograd

        ops = AutogradOps()
        x, data = case.x, case.problem.data_for(ops, case)
        objective = case.problem.objective_for(ops)
        gradient = autograd.value_and_grad(objective)

        def call():
            return gradient(x, *data)

        def value():
            return objective(x, *data)

        def first():
            return autograd.value_and_grad(case.problem.objective_for(ops))(x, *data)

        return [Entry(self.name, call, value, first)]
