"""Functions of the surface on plain arrays: compiled per static arguments, then run."""

import functools
import inspect

import numpy as np

from ..graph import Value
from ._common import holds_value, is_number

_compiled = {}
_LIMIT = 4096


def surface(dynamic=1, static_integers=False):
    """Decorate a function of values so that it takes plain arrays as well.

    Parameters
    ----------
    dynamic : int
        How many leading parameters are arrays; all others are static. A negative number
        -n means: all positional arguments but the first n - 1.
    static_integers : bool
        Whether a Python integer among the arrays is static as well (exponents).

    Returns
    -------
    callable
        The undecorated function is its attribute ``traced``.
    """

    def decorate(function):
        names = function.__code__.co_varnames[: function.__code__.co_argcount]

        @functools.wraps(function)
        def call(*args, **kwargs):
            for x in args:
                if type(x) is Value:
                    return function(*args, **kwargs)
            if holds_value(args) or (kwargs and holds_value(list(kwargs.values()))):
                return function(*args, **kwargs)
            return _run(function, names, dynamic, static_integers, args, kwargs)

        call.traced = function
        return call

    return decorate


def composed(dynamic=1):
    """Decorate a function of values that NumPy's namesake computes where nothing is traced.

    So plain arrays get NumPy's result in every respect. Where NumPy is too old to have the
    function, it is compiled and run, as by :func:`surface`.

    Parameters
    ----------
    dynamic : int
        See :func:`surface`.
    """

    def decorate(function):
        theirs = getattr(np, function.__name__, None)
        own = surface(dynamic)(function)
        fallback = own if theirs is None else theirs
        ours_only = None

        @functools.wraps(function)
        def call(*args, **kwargs):
            if holds_value(args) or (kwargs and holds_value(list(kwargs.values()))):
                return function(*args, **kwargs)
            if kwargs:
                nonlocal ours_only
                if ours_only is None:
                    # Parameters of the array API standard that NumPy does not have.
                    names = _parameters(function)
                    ours_only = names - (_parameters(theirs) or names)
                if not ours_only.isdisjoint(kwargs):
                    return own(*args, **kwargs)
            return fallback(*args, **kwargs)

        call.traced = function
        return call

    return decorate


def _parameters(function):
    """Names of parameters; none where Python does not know them, as of functions written in C."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _run(function, names, dynamic, static_integers, args, kwargs):
    if dynamic < 0:
        first, last = -dynamic - 1, len(args)
    else:
        first, last = 0, dynamic
    arrays, pattern = [], []

    def take(x):
        if isinstance(x, (list, tuple)) and any(isinstance(i, (np.ndarray, np.generic)) for i in x):
            return tuple([take(item) for item in x])
        if isinstance(x, (list, tuple)):
            x = np.asarray(x)
            if x.dtype.kind not in "biufc":
                return ("static", x)
        if static_integers and isinstance(x, int):
            return ("static", x)
        if isinstance(x, (np.ndarray, np.generic)) or is_number(x):
            arrays.append(x)
            return len(arrays) - 1
        return ("static", x)

    for position, x in enumerate(args):
        pattern.append(take(x) if first <= position < last else ("static", x))
    keywords = {
        name: take(x) if name in names[first:last] else ("static", x) for name, x in kwargs.items()
    }
    key = (function, _freeze(tuple(pattern)), _freeze(keywords))
    compiled = _compiled.get(key)
    if compiled is None:
        from ..api import compile as compile_function

        def rebuild(entry, values):
            if isinstance(entry, int):
                return values[entry]
            if len(entry) == 2 and entry[0] == "static":
                return entry[1]
            return [rebuild(e, values) for e in entry]

        def run(*values):
            placed = [rebuild(entry, values) for entry in pattern]
            named = {name: rebuild(entry, values) for name, entry in keywords.items()}
            return function(*placed, **named)

        run.__name__ = function.__name__
        compiled = compile_function(run)
        if len(_compiled) >= _LIMIT:
            _compiled.clear()
        _compiled[key] = compiled
    return compiled(*arrays)


def _freeze(x):
    """A hashable stand-in for a static argument."""
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, tuple([_freeze(item) for item in x]))
    if isinstance(x, dict):
        return tuple(sorted((name, _freeze(item)) for name, item in x.items()))
    if isinstance(x, (np.ndarray, np.generic)):
        return (x.dtype.str, x.shape, x.tobytes())
    if isinstance(x, slice):
        return ("slice", _freeze(x.start), _freeze(x.stop), _freeze(x.step))
    return (type(x).__name__, repr(x) if isinstance(x, (float, complex)) else x)
