"""PyTensor: a graph compiled by Numba, the fast one of its ways to run on a CPU.

The compiled function trusts its inputs to be arrays of the right type, as a sampler sets it.
Compiling takes from seconds to minutes.
"""

from problems.base import leaves, map_tree, rebuild

from adapters.base import Adapter, Entry, Ops


class PytensorOps(Ops):
    """``pytensor.tensor``, and ``pytensor.scan``."""

    library = "pytensor"

    def __init__(self):
        import pytensor

        self._pytensor = pytensor
        self.np = pytensor.tensor

    def scan(self, step, carry, xs):
        """``pytensor.scan``; only the last carry is used, which it then keeps alone."""

        def flat(*args):
            return list(step(tuple(args[len(xs) :]), tuple(args[: len(xs)]))[0])

        start = [self.np.as_tensor(c, dtype="float64") for c in carry]
        outputs, _ = self._pytensor.scan(flat, sequences=list(xs), outputs_info=start)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return tuple(out[-1] for out in outputs), None

    def shape(self, array):
        """As declared: ``.shape`` is an expression."""
        return array.type.shape

    def rowwise(self, fn):
        """The rows are independent: the gradient of the sum holds the gradients of all."""

        def values_and_gradients(x):
            values = fn(x)
            gradients = self._pytensor.grad(values.sum(), leaves(x))
            return values, rebuild(x, gradients)

        return values_and_gradients

    def erfc(self, z):
        """``pytensor.tensor.erfc``."""
        return self.np.erfc(z)

    def softplus(self, z):
        """``pytensor.tensor.softplus``."""
        return self.np.softplus(z)

    def sigmoid(self, z):
        """``pytensor.tensor.sigmoid``."""
        return self.np.sigmoid(z)

    def logsumexp(self, z):
        """``pytensor.tensor.logsumexp``."""
        return self.np.logsumexp(z, axis=-1)


class Pytensor(Adapter):
    """``pytensor.function`` of value and ``pytensor.grad``, in Numba mode."""

    name = "pytensor"
    modules = ("pytensor", "numba")
    packages = ("pytensor", "numba")
    kinds = frozenset({"gradient", "program"})

    def entries(self, case):
        """One row; the value alone is not compiled, for the time that would take."""
        function = self._function(case)
        data = case.problem.data_for(PytensorOps(), case)
        arguments = [*leaves(case.x), *data]
        structure = case.blank()[1]

        def call():
            value, *derivatives = function(*arguments)
            return value[()], rebuild(structure, derivatives)

        return [Entry(self.name, call)]

    def _function(self, case):
        """Compile value and derivative of a case."""
        import pytensor
        import pytensor.tensor as pt

        ops, problem = PytensorOps(), case.problem

        def symbol(array):
            return pt.tensor(dtype=array.dtype.name, shape=array.shape)

        x = map_tree(symbol, case.x)
        data = [symbol(a) for a in problem.data_for(ops, case)]
        if problem.kind == "program":
            value, derivatives = problem.program_for(ops)(x, *data)
        else:
            value = problem.objective_for(ops)(x, *data)
            derivatives = rebuild(x, pytensor.grad(value, leaves(x)))
        outputs = [value, *leaves(derivatives)]
        function = pytensor.function([*leaves(x), *data], outputs, mode="NUMBA")
        function.trust_input = True
        return function
