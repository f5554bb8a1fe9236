"""PyTorch: eager, with its autograd.

`torch.from_numpy` and `.numpy()` share memory with NumPy, so passing arrays in and out costs a
tensor header, not a copy. `torch.compile` is left out: it is another product, with compile times
of its own.
"""

import numpy as np
from problems.base import leaves, map_tree, rebuild

from adapters.base import Adapter, Entry, Ops


class TorchOps(Ops):
    """``torch`` itself as the array namespace, and ``torch.nn.functional``."""

    library = "torch"

    def __init__(self):
        import torch

        self.np = torch

    def rowwise(self, fn):
        """The rows are independent: the gradient of the sum holds the gradients of all."""

        def values_and_gradients(x):
            xs = [a.requires_grad_() for a in leaves(x)]
            values = fn(rebuild(x, xs))
            return values.detach(), rebuild(x, self.np.autograd.grad(values.sum(), xs))

        return values_and_gradients

    def vmap(self, fn, in_axes=0):
        """``torch.func.vmap``."""
        return self.np.func.vmap(fn, in_axes)

    def jacobian(self, fn, argnums=0):
        """``torch.func.jacfwd``: few parameters, many results."""
        return self.np.func.jacfwd(fn, argnums)

    def erfc(self, z):
        """``torch.erfc``."""
        return self.np.erfc(z)

    def softplus(self, z):
        """``torch.nn.functional.softplus``, exact: its default is linear above 20."""
        return self.np.nn.functional.softplus(z, threshold=40.0)

    def sigmoid(self, z):
        """``torch.sigmoid``."""
        return self.np.sigmoid(z)

    def relu(self, z):
        """``torch.relu``."""
        return self.np.relu(z)

    def logsumexp(self, z):
        """``torch.logsumexp``."""
        return self.np.logsumexp(z, -1)

    def softmax_cross_entropy(self, z, labels):
        """``torch.nn.functional.cross_entropy``, the form its users write."""
        return self.np.nn.functional.cross_entropy(z, labels)


class Torch(Adapter):
    """``torch.autograd.grad`` of an eager function."""

    name = "torch"
    modules = ("torch",)
    packages = ("torch",)
    kinds = frozenset({"gradient", "program"})

    def missing(self):
        """As the base; then one thread, which the environment alone does not ensure."""
        reason = super().missing()
        if reason is None:
            import torch

            torch.set_num_threads(1)
        return reason

    def entries(self, case):
        """One row."""
        import torch

        ops = TorchOps()
        x = case.x
        data = tuple(torch.from_numpy(a) for a in case.problem.data_for(ops, case))
        objective = case.problem.objective_for(ops)

        if case.problem.kind == "program":

            def run(program):
                values, derivatives = program(map_tree(torch.from_numpy, x), *data)
                return values.numpy(), map_tree(lambda a: a.numpy(), derivatives)
        elif isinstance(x, np.ndarray):

            def run(objective):
                t = torch.from_numpy(x).requires_grad_()
                loss = objective(t, *data)
                (g,) = torch.autograd.grad(loss, (t,))
                return loss.item(), g.numpy()
        else:

            def run(objective):
                ts = [torch.from_numpy(a).requires_grad_() for a in leaves(x)]
                loss = objective(rebuild(x, ts), *data)
                gs = torch.autograd.grad(loss, ts)
                return loss.item(), rebuild(x, [g.numpy() for g in gs])

        fresh = case.problem.objective_for
        if case.problem.kind == "program":
            fresh = case.problem.program_for
        differentiated = fresh(ops)

        def call():
            return run(differentiated)

        def value():
            with torch.no_grad():
                return objective(map_tree(torch.from_numpy, x), *data).numpy()

        def first():
            return run(fresh(ops))

        return [Entry(self.name, call, value, first)]
