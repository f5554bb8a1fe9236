"""Common subexpressions: a node equal to an earlier one is that node."""

from .._core import Equal

rewrite = Equal()
