"""The list of adapters, in the order of the table. A new one is one file, and one line below."""

from adapters.autograd_ import Autograd
from adapters.by_hand import NumpyByHand
from adapters.c_limit import CLimit
from adapters.casadi_ import Casadi, CasadiInC
from adapters.jax_ import Jax
from adapters.pybackprop_ import (
    Pybackprop,
    PybackpropBound,
    PybackpropNative,
    PybackpropThreads,
)
from adapters.pytensor_ import Pytensor
from adapters.torch_ import Torch

ADAPTERS = (
    Pybackprop(),
    PybackpropBound(),
    PybackpropNative(),
    PybackpropThreads(),
    Jax(),
    Torch(),
    Autograd(),
    Casadi(),
    CasadiInC(),
    Pytensor(),
    NumpyByHand(),
    CLimit(),
)
