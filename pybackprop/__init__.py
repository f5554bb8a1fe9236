"""pybackprop: the gradient engine for hot loops.

A plain NumPy function is recorded once as a static graph; graph and derivative become one flat tape, and a C core runs
that tape with next to no cost per call.

>>> import numpy as np, pybackprop as bp
>>> f = bp.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2))
>>> value, gradient = f(np.array([0.0, 1.0]))
"""

from . import dispatch, errors, numpy, optim, special
from ._core import __version__
from .api import (
    compile,  # noqa: A004
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from .loops import scan
from .serialize import load, save
from .special import relu, sigmoid, softplus

__all__ = [
    "__version__", "compile", "errors", "grad", "hessian", "hvp", "jacobian", "jvp", "load", "numpy", "optim", "relu", "save", "scan",
    "sigmoid", "softplus", "special", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

del dispatch
