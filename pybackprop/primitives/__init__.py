"""The primitives, one class each. The modules that few graphs use are imported when asked for."""

from . import base, control, elementwise, indexing, linalg, reduction, shaping

__all__ = [
    "base", "control", "elementwise", "find", "indexing", "linalg", "names", "reduction",
    "shaping",
]  # fmt: skip


def _complete():
    """Import all modules that register primitives."""
    from ..passes import pairs, planes, tile  # noqa: F401
    from . import fft, general, ordering, softmax, special, spectral, systems  # noqa: F401


def find(name):
    """The primitive of a name, or None."""
    if name not in base.REGISTRY:
        _complete()
    return base.REGISTRY.get(name)


def names():
    """The names of all primitives."""
    _complete()
    return list(base.REGISTRY)
