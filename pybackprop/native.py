"""The native backend: emitted C, compiled by the C compiler found, kept on disk, and loaded.

A library is named by the hash of all that its content depends on: the source, the flags, and what
the compiler predefines, which tells its version and the processor's instruction set apart. It is
written under another name first and renamed, so any number of processes may compile the same one
at the same time.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .emit import emit_native
from .errors import UnsupportedError

__all__ = ["Library", "attach", "cache_folder", "find_compiler"]

_COMMON = ("-std=gnu99", "-fPIC", "-shared", "-w", "-ffp-contract=off", "-fno-math-errno",
           "-fno-trapping-math")  # fmt: skip
_ARRAYS = ("-O3",)
_SCALARS = ("-O2", "-fno-tree-vectorize")
_ADVICE = (
    "install one (Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select "
    "--install; conda: conda install c-compiler), name it in the environment variable CC, or use "
    "backend='interpreter'"
)


class Library:
    """A loaded library.

    Attributes
    ----------
    path : pathlib.Path
    address : int
        Of the function ``pbp_native_entry``.
    source : str
        The C that it was compiled from.
    """

    def __init__(self, path, source):
        self.path, self.source = path, source
        self._loaded = ctypes.CDLL(str(path))
        self.address = ctypes.cast(self._loaded.pbp_native_entry, ctypes.c_void_p).value


def find_compiler():
    """Give the command of a C compiler: that of the environment variable CC, else cc, gcc or clang.

    Returns
    -------
    list of str

    Raises
    ------
    UnsupportedError
        If there is none.
    """
    named = os.environ.get("CC")
    if named:
        command = shlex.split(named)
        if not command or shutil.which(command[0]) is None:
            raise UnsupportedError(
                f"backend='native' needs a C compiler, and CC={named!r} is no command; {_ADVICE}"
            )
        return command
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    raise UnsupportedError(f"backend='native' needs a C compiler, and none was found; {_ADVICE}")


def cache_folder():
    """Give the folder of compiled libraries.

    ``PYBACKPROP_CACHE`` if that is set, else ``pybackprop`` in ``XDG_CACHE_HOME`` or ``~/.cache``.

    Returns
    -------
    pathlib.Path
        Made if it was not there.

    Raises
    ------
    UnsupportedError
        If it cannot be made, or others can write to it.
    """
    named = os.environ.get("PYBACKPROP_CACHE")
    if named:
        folder = Path(named)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(base) if base else Path.home() / ".cache") / "pybackprop"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise UnsupportedError(
            f"backend='native' keeps compiled code in {folder}, which cannot be made ({error}); "
            "name another folder in the environment variable PYBACKPROP_CACHE"
        ) from None
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o002):
        raise UnsupportedError(
            f"backend='native' loads compiled code from {folder}, which others can write to; "
            "name a folder of your own in the environment variable PYBACKPROP_CACHE"
        )
    return folder


@functools.cache
def _target(command, isa):
    """Give flags for this processor, and a text that tells compilers and processors apart."""
    flags = []
    if isa == "base":
        candidates = [[]]
    elif isa == "v3":
        candidates = [["-march=x86-64-v3"], []]
    else:
        wide = ["-mprefer-vector-width=512"] if platform.machine() in ("x86_64", "AMD64") else []
        candidates = [["-march=native", *wide], ["-march=native"], ["-mcpu=native"], []]
    for flags in candidates:
        run = subprocess.run(
            [*command, *flags, "-dM", "-E", "-x", "c", os.devnull],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode == 0:
            return tuple(flags), run.stdout
    raise UnsupportedError(
        f"backend='native': {' '.join(command)} is no C compiler that works: "
        f"{run.stderr.strip()}; {_ADVICE}"
    )


def attach(tape, lowering):
    """Have a tape run native code.

    Parameters
    ----------
    tape : Tape
        Not run yet.
    lowering : Lowering
        What the tape was assembled from.

    Returns
    -------
    Library

    Raises
    ------
    UnsupportedError
        If there is no compiler, it fails, or the function is too long for one.
    """
    source = emit_native(lowering)
    library = build(source.text, source.scalar)
    tape.attach(library.address, source.arena_bytes, library)
    return library


def build(text, scalar=False):
    """Compile C, or find what was compiled before, and load it.

    Parameters
    ----------
    text : str
    scalar : bool
        Whether vectors need not be looked for.

    Returns
    -------
    Library
    """
    command = tuple(find_compiler())
    target, predefined = _target(command, os.environ.get("PYBACKPROP_ISA", ""))
    own = shlex.split(os.environ.get("PYBACKPROP_CFLAGS", ""))
    flags = [*_COMMON, *(_SCALARS if scalar else _ARRAYS), *target, *own]
    parts = (text, " ".join(flags), predefined, " ".join(command), sys.platform)
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
    folder = cache_folder()
    path = folder / f"{name}.so"
    if path.exists():
        with contextlib.suppress(OSError):
            return Library(path, text)
    _compile(command, flags, text, path)
    return Library(path, text)


def _compile(command, flags, text, path):
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="build-") as folder:
        source, made = Path(folder) / "tape.c", Path(folder) / "tape.so"
        source.write_text(text, "utf-8")
        run = subprocess.run(
            [*command, *flags, str(source), "-o", str(made), "-lm"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode != 0 or not made.exists():
            lines = "\n".join(run.stderr.strip().splitlines()[:8])
            raise UnsupportedError(
                f"backend='native': {' '.join(command)} could not compile the emitted C; use "
                f"backend='interpreter', and please report this:\n{lines}"
            )
        os.replace(made, path)
