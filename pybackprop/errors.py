"""The exceptions that pybackprop raises beyond Python's own.

Each is a subclass of the built-in exception that a caller of NumPy would expect, so ``except
TypeError`` keeps working.
"""

__all__ = [
    "CapturedValueError",
    "ControlFlowError",
    "DifferentiationError",
    "GradientCheckError",
    "LeakedValueError",
    "PybackpropError",
    "TapeError",
    "TraceError",
    "UnsupportedError",
]


class PybackpropError(Exception):
    """Base class of every exception defined here."""


class TraceError(PybackpropError, TypeError):
    """A traced function did something that a static graph cannot record."""


class ControlFlowError(TraceError):
    """Python control flow, or a conversion to a Python number, on a traced value."""


class LeakedValueError(TraceError):
    """A traced value was used after the function that made it had returned."""


class CapturedValueError(TraceError):
    """A function that is compiled alone uses a traced value of another one."""


class UnsupportedError(PybackpropError, NotImplementedError, TypeError):
    """A NumPy function, dtype or option that has no traced counterpart."""


class DifferentiationError(PybackpropError, TypeError):
    """A derivative was asked for that does not exist, such as that of an integer."""


class GradientCheckError(PybackpropError, AssertionError):
    """A derivative disagrees with its numerical check."""


class TapeError(PybackpropError, ValueError):
    """The bytes are no valid tape, or one that this version cannot run."""
