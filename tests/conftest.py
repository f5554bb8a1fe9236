"""Lets test modules import their helpers (``reference``) by name, whatever folder they are in."""

import os
import sys

import numpy as np

sys.path.append(os.path.dirname(__file__))

if hasattr(np, "_set_promotion_state"):
    # NumPy 1.26 promotes by value; traces follow NEP 50, so the comparison must as well.
    np._set_promotion_state("weak")
