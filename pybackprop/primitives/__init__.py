"""The primitives, one class each; importing this package fills :data:`base.REGISTRY`."""

from . import (
    base,
    control,
    elementwise,
    fft,
    general,
    indexing,
    linalg,
    ordering,
    reduction,
    shaping,
    spectral,
    systems,
)

__all__ = [
    "base", "control", "elementwise", "fft", "general", "indexing", "linalg", "ordering",
    "reduction", "shaping", "spectral", "systems",
]  # fmt: skip
