"""SciPy's functions that do not dispatch: which one the user called, and what we have instead."""

import os
import sys

import numpy as np

_SITE = os.path.dirname(os.path.dirname(np.__file__))
_SCIPY = os.path.join(_SITE, "scipy") + os.sep
_SKIPPED = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.join(_SITE, "numpy") + os.sep,
)


def called():
    """The package and name of the SciPy function that asks for numbers, or None.

    Returns
    -------
    tuple of str or None
        For example ``("special", "logsumexp")``, ``("stats", "norm.logpdf")``.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    found = None
    while frame is not None and frame.f_code.co_filename.startswith((_SCIPY, *_SKIPPED)):
        parts = frame.f_code.co_filename[len(_SCIPY) :].split(os.sep)
        if frame.f_code.co_filename.startswith(_SCIPY):
            if not parts[0].startswith("_"):
                found = parts[0], frame.f_code.co_name, frame.f_locals.get("self")
            elif found is None:
                found = _wrapped(frame)
        frame = frame.f_back
    if found is None:
        return None
    package, name, owner = found
    if package == "stats" and owner is not None:
        kind = getattr(owner, "name", None) or type(owner).__name__.removesuffix("_gen")
        name = f"{kind}.{name}"
    return package, name


def _wrapped(frame):
    """The function that a decorator of SciPy's is about to call, or None."""
    for value in list(frame.f_locals.values()):
        module = getattr(value, "__module__", None) or ""
        if callable(value) and module.startswith("scipy.") and "._lib" not in module:
            return module.split(".")[1], value.__name__, None
    return None


def refusal():
    """What to say if a SciPy function asks for the numbers of a traced value, or None."""
    function = called()
    if function is None:
        return None
    package, name = function
    counterpart = _counterpart(package, name)
    if package == "sparse" and name in ("__matmul__", "dot", "__mul__"):
        return (
            f"scipy.sparse.{name} does not take traced values; write np.matmul(S, x), or x @ S.T, "
            "for a sparse array S"
        )
    advice = (
        f"use {counterpart}, which does"
        if counterpart
        else "compose it of functions that pybackprop.numpy, .special and .stats have"
    )
    return f"scipy.{package}.{name} does not take traced values; {advice}"


def _counterpart(package, name):
    import pybackprop

    homes = {
        "special": ("special",),
        "stats": ("stats",),
        "linalg": ("linalg", "numpy.linalg", "special"),
        "fft": ("fft", "numpy.fft"),
        "signal": ("signal",),
        "integrate": ("numpy",),
    }
    for home in homes.get(package, ()):
        place = pybackprop
        for part in [*home.split("."), *name.split(".")]:
            place = getattr(place, part, None)
        if callable(place):
            return f"pybackprop.{home}.{name}"
    return None
