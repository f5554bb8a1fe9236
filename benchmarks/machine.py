"""What the numbers were taken on, and what importing each library costs.

`ONE_THREAD` must reach the environment before any numerical library is imported, which is why
`run.py` sets it in its first lines and this module imports nothing but the standard library.
"""

import json
import os
import platform
import subprocess
import sys

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    # The flags alone leave XLA a pool of as many threads as the machine has cores.
    "NPROC": "1",
    "JAX_PLATFORMS": "cpu",
}

# Timed in a fresh process after `import numpy`, which nearly every user has already paid for.
# Memory is what the process holds, not its peak, where the system says so.
PROBE = """
import json, resource, sys, time
import numpy
def held():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
memory, start = held(), time.perf_counter()
import {module}
seconds = time.perf_counter() - start
print(json.dumps([seconds, held() - memory]))
"""


def processor():
    """Name of the processor, as the system gives it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor() or platform.machine()


def vector_extensions():
    """The widest of the vector instruction sets that the system lists, or an empty string."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return ""
    names = {"avx512f": "AVX-512", "avx2": "AVX2", "sse2": "SSE2"}
    return next((name for flag, name in names.items() if flag in flags), "")


def describe():
    """What identifies the machine.

    Returns
    -------
    dict of str to str
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "processor": " ".join(filter(None, (processor(), vector_extensions()))),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load at start": f"{load:.1f}",
    }


def import_cost(module, repeats):
    """Cost of importing a module after NumPy, in fresh processes.

    Parameters
    ----------
    module : str
        What to import.
    repeats : int
        Number of processes; one more is started first to fill the file cache.

    Returns
    -------
    tuple of float or None
        Least seconds, and the bytes then held; None if it cannot be imported so.
    """
    runs = []
    for _ in range(repeats + 1):
        command = [sys.executable, "-c", PROBE.format(module=module)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(seconds for seconds, _ in runs[1:]), min(held for _, held in runs[1:])
