"""The primitives, one class each; importing this package fills :data:`base.REGISTRY`."""

from . import (
    base,
    control,
    elementwise,
    indexing,
    linalg,
    ordering,
    reduction,
    shaping,
    systems,
)

__all__ = [
    "base", "control", "elementwise", "indexing", "linalg", "ordering", "reduction", "shaping",
    "systems",
]  # fmt: skip
