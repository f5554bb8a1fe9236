"""JAX: `jit` of `value_and_grad`, with float64 enabled.

Called as a user with NumPy arrays calls it: the differentiated argument is a NumPy array, and
`float` and `np.asarray` of the results wait for the asynchronous computation to end (they do
what `block_until_ready` does; on a CPU the array is not copied).
"""

import numpy as np

from adapters.base import Adapter, Entry, Ops


class JaxOps(Ops):
    """``jax.numpy``, ``jax.lax.scan`` and ``jax.nn``."""

    library = "jax"

    def __init__(self):
        import jax

        self._jax = jax
        self.np = jax.numpy

    def scan(self, step, carry, xs):
        """``jax.lax.scan``, not unrolled: that made it compile for seconds, run no faster."""
        return self._jax.lax.scan(step, carry, xs)

    def rowwise(self, fn):
        """``jax.vmap`` of ``jax.value_and_grad``."""
        return self._jax.vmap(self._jax.value_and_grad(fn))

    def vmap(self, fn, in_axes=0):
        """``jax.vmap``."""
        return self._jax.vmap(fn, in_axes)

    def jacobian(self, fn, argnums=0):
        """``jax.jacfwd``: few parameters, many results."""
        return self._jax.jacfwd(fn, argnums)

    def erfc(self, z):
        """``jax.lax.erfc``."""
        return self._jax.lax.erfc(z)

    def softplus(self, z):
        """``jax.nn.softplus``."""
        return self._jax.nn.softplus(z)

    def sigmoid(self, z):
        """``jax.nn.sigmoid``."""
        return self._jax.nn.sigmoid(z)

    def relu(self, z):
        """``jax.nn.relu``."""
        return self._jax.nn.relu(z)

    def logsumexp(self, z):
        """``jax.nn.logsumexp``."""
        return self._jax.nn.logsumexp(z, axis=-1)


class Jax(Adapter):
    """``jax.jit(jax.value_and_grad(f))``."""

    name = "jax"
    modules = ("jax",)
    packages = ("jax", "jaxlib")
    kinds = frozenset({"gradient", "program"})

    def missing(self):
        """As the base; then ask for float64, which JAX would silently turn into float32.

        Asynchronous dispatch is turned off: it hands a computation to another thread, which
        here gains nothing and costs tens of microseconds.
        """
        reason = super().missing()
        if reason is None:
            import jax

            jax.config.update("jax_enable_x64", True)
            jax.config.update("jax_cpu_enable_async_dispatch", False)
        return reason

    def entries(self, case):
        """One row."""
        import jax

        ops = JaxOps()
        x = case.x
        data = tuple(jax.numpy.asarray(a) for a in case.problem.data_for(ops, case))
        problem = case.problem

        def derivative():
            if problem.kind == "gradient":
                return jax.jit(jax.value_and_grad(problem.objective_for(ops)))
            return jax.jit(problem.program_for(ops))

        program = derivative()
        alone = jax.jit(problem.objective_for(ops))
        to_value = np.asarray if case.value_shape else float

        # A tree costs a tree_map at each call; a single array should not pay for it.
        if isinstance(case.blank()[1], np.ndarray):
            to_numpy = np.asarray
        else:

            def to_numpy(tree):
                return jax.tree.map(np.asarray, tree)

        def run(program):
            value, g = program(x, *data)
            return to_value(value), to_numpy(g)

        def call():
            return run(program)

        def value():
            return to_value(alone(x, *data))

        def first():
            return run(derivative())

        return [Entry(self.name, call, value, first)]
