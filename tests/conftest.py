"""Lets test modules import their helpers by name, whatever folder they are in; makes random tests
repeatable."""

import os
import sys

from hypothesis import HealthCheck, settings

_HERE = os.path.dirname(__file__)
sys.path += [_HERE, os.path.join(_HERE, "csrc"), os.path.join(_HERE, "lowering")]

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("repeatable")

# Processes that tests start import the package that is installed, not the sources beside them.
os.environ["PYTHONSAFEPATH"] = "1"


# For type checkers: `make typing`.
collect_ignore = ["typing"]
