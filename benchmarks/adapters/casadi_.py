"""CasADi: an SX or MX function, called through its `buffer()`.

Scalar problems become SX graphs (a virtual machine of scalar instructions), those with matrices
MX graphs. Loops are unrolled into the scalar graph: a Runge-Kutta loop runs 2.5 times faster so than
by `mapaccum` over a function of one step. The buffer call reads and writes fixed NumPy arrays, so this row is to be compared
with the bound call of pybackprop. CasADi computes in float64 only.

CasADi's matrices are column-major. A two-dimensional array is therefore handed over as its
transpose, which is the same memory; problems with matrices have an `objective_casadi` for that.
"""

import numpy as np
from problems.base import leaves, rebuild

from adapters.base import Adapter, Entry, Ops, Unsupported

class CasadiNumpy:
    """The few names of NumPy that the objectives use, for CasADi's symbols."""

    def __init__(self, casadi):
        for name in ("sin", "cos", "exp", "log", "log1p", "sqrt", "tanh", "erf"):
            setattr(self, name, getattr(casadi, name))
        self.sum = casadi.sum1


class CasadiOps(Ops):
    """CasADi's functions under NumPy's names; its loop is a Python loop that unrolls."""

    library = "casadi"

    def __init__(self):
        import casadi

        self.casadi = casadi
        self.np = CasadiNumpy(casadi)

    def softplus(self, z):
        """log(1 + exp(-|z|)) + max(z, 0)."""
        ca = self.casadi
        return ca.log1p(ca.exp(-ca.fabs(z))) + ca.fmax(z, 0.0)


class Casadi(Adapter):
    """``casadi.Function`` with value and gradient as outputs."""

    name = "casadi"
    modules = ("casadi",)
    packages = ("casadi",)

    def entries(self, case):
        """One row."""
        if case.dtype != np.float64:
            raise Unsupported("float64 only")
        call = self._bound(case, derivative=True)
        value = self._bound(case, derivative=False)
        return [Entry(self.name, call, value, lambda: self._bound(case, derivative=True)())]

    def _bound(self, case, *, derivative):
        """Build the function of a case, bind it to arrays, and return the call."""
        import casadi as ca

        ops = CasadiOps()
        constants = case.problem.data_for(ops, case)
        kind = ca.SX if case.problem.scalar else ca.MX
        symbols = [kind.sym(f"x{i}", *a.shape[::-1]) for i, a in enumerate(leaves(case.x))]
        data = [kind.sym(f"d{i}", *a.shape[::-1]) for i, a in enumerate(constants)]
        value = case.problem.objective_for(ops)(rebuild(case.x, symbols), *data)
        outputs = [value]
        if derivative:
            # One reverse sweep for all arrays; casadi.gradient would make one for each.
            outputs += ca.reverse([value], symbols, [[kind(1)]])[0]
            outputs = [ca.densify(out) for out in outputs]
        fn = ca.Function("f", [*symbols, *data], outputs)
        buffer, trigger = fn.buffer()
        result = np.empty(1)
        gradients = [np.empty_like(a) for a in leaves(case.x)] if derivative else []
        arrays = [*leaves(case.x), *constants]
        for i, array in enumerate(arrays):
            buffer.set_arg(i, memoryview(array.reshape(-1)))
        for i, array in enumerate([result, *gradients]):
            buffer.set_res(i, memoryview(array.reshape(-1)))
        answer = rebuild(case.x, gradients) if derivative else None

        def call(keep=(fn, buffer, arrays)):  # the buffer holds no references of its own
            trigger()
            return result.item(), answer

        return call
