"""Hand-written C: value and gradient in one function, the limit that a library can approach.

Each file of ``benchmarks/c`` is compiled on the fly with the C compiler found (`$CC`, cc, gcc or
clang) and cached in a folder of its own under the user's temporary files. The repeats are a loop
in C around the whole function, timed in C, so that no call from Python is in the number.
"""

import ctypes
import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from problems.base import leaves

from adapters.base import Adapter, Entry, Unsupported

SOURCES = Path(__file__).resolve().parent.parent / "c"

# -ffast-math lets the compiler reorder sums and call the vector functions of the C library;
# answers are still checked against the reference.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffast-math", "-fPIC")


def compiler():
    """Path of the C compiler to use, or None."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return shutil.which(name)
    return None


def compiler_version():
    """First line of what the compiler says about itself."""
    text = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    return text.stdout.splitlines()[0]


def compiled(source, real):
    """Compile one source file for one floating point type.

    Parameters
    ----------
    source : str
        File name in ``benchmarks/c``.
    real : str
        "double" or "float".

    Returns
    -------
    ctypes.CDLL
    """
    headers = sorted(SOURCES.glob("*.h"))
    text = b"".join(path.read_bytes() for path in (SOURCES / source, *headers))
    key = "\0".join((compiler(), compiler_version(), *FLAGS, real)).encode()
    digest = hashlib.sha256(text + key).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pybackprop-benchmarks-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{Path(source).stem}-{digest}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made, linked = Path(scratch) / "code.o", Path(scratch) / "code.so"
            # Two steps, because gcc given -ffast-math when it links a shared library adds
            # start-up code that flushes subnormals to zero in the whole process.
            command = [compiler(), *FLAGS, f"-DREAL={real}", "-c", SOURCES / source, "-o", made]
            subprocess.run(command, check=True)
            subprocess.run([compiler(), "-shared", made, "-o", linked, "-lm"], check=True)
            linked.replace(library)
    return ctypes.CDLL(str(library))


@dataclass
class CEntry(Entry):
    """An entry whose repeats run, and are timed, in C."""

    repeat: object = None

    def sample(self, calls):
        """Seconds for `calls` runs in a row, by C's clock."""
        return self.repeat(calls)


class CLimit(Adapter):
    """``benchmarks/c``."""

    name = "c"
    kinds = frozenset({"gradient", "program"})

    def missing(self):
        """A compiler is all that it needs."""
        return None if compiler() else "no C compiler found"

    def versions(self):
        """The compiler's."""
        return {"C compiler": compiler_version()}

    def entries(self, case):
        """One row."""
        if case.problem.c_source is None:
            raise Unsupported("no C version of this problem")
        lib = compiled(case.problem.c_source, "double" if case.dtype == np.float64 else "float")
        lib.bench_run.restype = ctypes.c_double
        lib.bench_work_bytes.restype = ctypes.c_size_t
        dims = (ctypes.c_int64 * len(case.dims))(*case.dims)
        value, answer = case.blank()
        inputs, outputs = [*leaves(case.x), *case.data], [value, *leaves(answer)]
        in_pointers = (ctypes.c_void_p * len(inputs))(*(a.ctypes.data for a in inputs))
        out_pointers = (ctypes.c_void_p * len(outputs))(*(a.ctypes.data for a in outputs))
        raw = np.empty(lib.bench_work_bytes(dims) + 64, np.uint8)
        work = ctypes.c_void_p(raw.ctypes.data + -raw.ctypes.data % 64)

        def repeat(calls, keep=(inputs, outputs, raw)):  # C holds no references
            return lib.bench_run(ctypes.c_int64(calls), dims, in_pointers, out_pointers, work)

        def call():
            repeat(1)
            return value[()], answer

        return [CEntry("c by hand", call, repeat=repeat)]
