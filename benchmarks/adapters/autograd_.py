"""autograd (HIPS): NumPy with a tape of Python objects, made anew at each call."""

from functools import partial

from adapters.base import Adapter, Entry, Ops


class AutogradOps(Ops):
    """``autograd.numpy`` and ``autograd.scipy``."""

    library = "autograd"

    def __init__(self):
        import autograd.numpy
        import autograd.scipy.special

        self.np = autograd.numpy
        self._special = autograd.scipy.special

    def rowwise(self, fn):
        """The rows are independent: ``make_vjp`` with a seed of ones gives all gradients."""
        import autograd

        def values_and_gradients(x):
            pullback, values = autograd.make_vjp(fn)(x)
            return values, pullback(self.np.ones_like(values))

        return values_and_gradients

    def erfc(self, z):
        """``autograd.scipy.special.erfc``."""
        return self._special.erfc(z)

    def sigmoid(self, z):
        """``autograd.scipy.special.expit``."""
        return self._special.expit(z)

    def logsumexp(self, z):
        """``autograd.scipy.special.logsumexp``."""
        return self._special.logsumexp(z, axis=-1)


class Autograd(Adapter):
    """``autograd.value_and_grad``."""

    name = "autograd"
    modules = ("autograd",)
    packages = ("autograd",)
    kinds = frozenset({"gradient", "program"})

    def entries(self, case):
        """One row."""
        import autograd

        ops = AutogradOps()
        x, data = case.x, case.problem.data_for(ops, case)
        objective = case.problem.objective_for(ops)

        def derivative():
            if case.problem.kind == "gradient":
                return autograd.value_and_grad(case.problem.objective_for(ops))
            return case.problem.program_for(ops)

        program = derivative()

        def first():
            return derivative()(x, *data)

        return [Entry(self.name, partial(program, x, *data), partial(objective, x, *data), first)]
