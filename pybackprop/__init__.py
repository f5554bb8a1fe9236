"""pybackprop: the gradient engine for hot loops.

A plain NumPy function is recorded once as a static graph; graph and derivative become one flat
tape, and a C core runs that tape with next to no cost per call.

>>> import numpy as np, pybackprop as bp
>>> f = bp.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2))
>>> value, gradient = f(np.array([0.0, 1.0]))
"""

from importlib import import_module
from typing import TYPE_CHECKING

from . import dispatch, errors, numpy
from ._core import __version__
from .api import (
    compile,
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

__all__ = [
    "Graph", "__version__", "check_grads", "compile", "errors", "explain", "grad", "hessian",
    "hvp", "jacobian", "jvp", "linalg", "load", "numpy", "optim", "relu", "save", "scan", "sigmoid",
    "softplus", "special", "stats", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

del dispatch

if TYPE_CHECKING:
    from . import linalg, optim, special, stats
    from .explanation import explain
    from .handmade import Graph
    from .serialize import load, save
    from .special import relu, sigmoid, softplus
    from .testing import check_grads

# Not needed in a hot loop, so imported when first used.
_LAZY = {
    "Graph": "handmade",
    "check_grads": "testing",
    "explain": "explanation",
    "linalg": None,
    "load": "serialize",
    "optim": None,
    "relu": "special",
    "save": "serialize",
    "sigmoid": "special",
    "softplus": "special",
    "special": None,
    "stats": None,
    "testing": None,
}


def __getattr__(name):
    """Import what is used rarely."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LAZY[name] or name}", __name__)
    found = module if _LAZY[name] is None else getattr(module, name)
    globals()[name] = found
    return found


def __dir__():
    return sorted({*__all__, *_LAZY, *(name for name in globals() if name.startswith("__"))})
