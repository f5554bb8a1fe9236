"""CasADi: an SX or MX function, called through its `buffer()`.

Scalar problems become SX graphs (a virtual machine of scalar instructions), those with matrices
MX graphs. Loops are unrolled into the scalar graph: a Runge-Kutta loop runs 2.5 times faster so
than by `mapaccum` over a function of one step. The buffer call reads and writes fixed NumPy
arrays, so this row is to be compared with the bound call of pybackprop. CasADi computes in
float64 only. A second row has the scalar graphs written as C by CasADi, and compiled.

CasADi's matrices are column-major. A two-dimensional array is therefore handed over as its
transpose, which is the same memory; problems with matrices have an `objective_casadi` for that.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from problems.base import leaves, rebuild

from adapters.base import Adapter, Entry, Ops, Unsupported
from adapters.c_limit import compiler

# A graph with more scalar instructions than this is not compiled as C.
MOST_IN_C = 150_000


class CasadiNumpy:
    """The few names of NumPy that the objectives use, for CasADi's symbols."""

    def __init__(self, casadi):
        for name in ("sin", "cos", "exp", "log", "log1p", "sqrt", "tanh", "erf"):
            setattr(self, name, getattr(casadi, name))
        self.sum, self.where = casadi.sum1, casadi.if_else
        self.stack = lambda parts: casadi.vertcat(*parts)


class CasadiOps(Ops):
    """CasADi's functions under NumPy's names; its loop is a Python loop that unrolls."""

    library = "casadi"

    def __init__(self, in_c=False):
        import casadi

        self.in_c = in_c

        self.casadi = casadi
        self.np = CasadiNumpy(casadi)

    def unsupported(self, reason):
        """Say that a problem is left out."""
        raise Unsupported(reason)

    def bind(self, function, arguments, results):
        """A zero-argument call of a function on fixed arrays, by its `buffer()`."""
        if self.in_c:
            function = compile_function(self.casadi, function)
        buffer, trigger = function.buffer()
        for i, array in enumerate(arguments):
            buffer.set_arg(i, memoryview(array.reshape(-1)))
        for i, array in enumerate(results):
            buffer.set_res(i, memoryview(array.reshape(-1)))

        def call(keep=(function, buffer, arguments, results)):  # the buffer holds none itself
            trigger()

        return call

    def erfc(self, z):
        """1 - erf(z): there is no erfc."""
        return 1.0 - self.casadi.erf(z)

    def softplus(self, z):
        """log(1 + exp(-|z|)) + max(z, 0)."""
        ca = self.casadi
        return ca.log1p(ca.exp(-ca.fabs(z))) + ca.fmax(z, 0.0)


def compile_function(ca, function):
    """The function written as C by CasADi, compiled, and loaded."""
    # A map has no instructions of its own.
    if function.class_name() != "Map" and function.n_instructions() > MOST_IN_C:
        raise Unsupported(f"more than {MOST_IN_C} instructions compile for minutes")
    code = ca.CodeGenerator(function.name())
    code.add(function)
    with tempfile.TemporaryDirectory() as folder:
        source = code.generate(f"{folder}/")
        library = Path(folder) / "code.so"
        # -O2 takes ten times as long over straight lines of code, and gains a tenth.
        flags = ["-O1", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler(), *flags, source, "-o", library, "-lm"], check=True)
        return ca.external(function.name(), str(library))


class Casadi(Adapter):
    """``casadi.Function`` with value and gradient as outputs."""

    name = "casadi"
    modules = ("casadi",)
    packages = ("casadi",)

    kinds = frozenset({"gradient", "program"})
    in_c = False

    def entries(self, case):
        """One row."""
        if case.dtype != np.float64:
            raise Unsupported("float64 only")
        if case.problem.kind == "program":
            if not hasattr(case.problem, "call_casadi"):
                raise Unsupported("not natural in its matrices")
            call = case.problem.call_casadi(CasadiOps(self.in_c), case)
            return [Entry(self.name, call)]
        call = self._bound(case, derivative=True)
        value = self._bound(case, derivative=False)
        return [Entry(self.name, call, value, lambda: self._bound(case, derivative=True)())]

    def _bound(self, case, *, derivative):
        """Build the function of a case, bind it to arrays, and return the call."""
        import casadi as ca

        ops = CasadiOps(self.in_c)
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
        result = np.empty(1)
        gradients = [np.empty_like(a) for a in leaves(case.x)] if derivative else []
        trigger = ops.bind(fn, [*leaves(case.x), *constants], [result, *gradients])
        answer = rebuild(case.x, gradients) if derivative else None

        def call():
            trigger()
            return result.item(), answer

        return call


class CasadiInC(Casadi):
    """The scalar graphs as C that CasADi writes."""

    name = "casadi in c"
    in_c = True

    def missing(self):
        """As the base; then a compiler."""
        return super().missing() or (None if compiler() else "no C compiler found")

    def entries(self, case):
        """One row, or none."""
        if not (case.problem.scalar or hasattr(case.problem, "call_casadi")):
            return []
        return super().entries(case)
