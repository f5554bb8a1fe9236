"""Emission of C: a lowered graph as one self-contained C99 file.

``schedule`` orders instructions into blocks, groups and loops; ``storage`` decides what is a
variable, what is in the arena and what is in no memory; ``writer``, ``groups`` and ``others``
write functions; ``rows`` knows the expressions of elementwise instructions and ``paste`` the
headers that code is pasted from; ``file`` puts it together.
"""

from .file import Parameter, Source, emit_export, emit_native

__all__ = ["Parameter", "Source", "emit_export", "emit_native"]
