"""The public transformations: compile, the derivatives, and vmap.

Each makes a function that records its work into the graph under construction, wrapped as a
:class:`~pybackprop.compiled.Compiled`. Called with arrays, the wrapper compiles and runs; called
with traced values, it records, so transformations nest.
"""

from .gradients import compile, grad, stop_gradient, value_and_grad
from .jacobians import hessian, jacobian
from .products import hvp, jvp, vjp
from .vectorize import vmap

__all__ = [
    "compile", "grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad",
    "vjp", "vmap",
]  # fmt: skip
