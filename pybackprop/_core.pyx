# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, freethreading_compatible=True
"""The only module that knows C: tapes, the structures of arguments, and the fast call path.

``_tree.pxi`` takes arguments apart, ``_match.pxi`` matches them and builds results, ``_entry.pxi``
compiles what that needs, ``_call.pxi`` has the callables, ``_record.pxi`` the nodes of graphs,
``_reverse.pxi`` the loops of the reverse sweep, ``_lower.pxi`` symbolic instructions,
``_storage.pxi`` where values go, ``_arena.pxi`` the places of slots; this file has what all of them
need, and the tape. A tape is immutable and shared by threads; each run takes a workspace from the
tape's few, or makes one.
"""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove, memset

import os
import sys
from operator import attrgetter, index as operator_index
from struct import Struct

from numpy import asarray, dtype as numpy_dtype, empty, generic, memmap, ndarray

cnp.import_array()

cdef extern from *:
    """
    #ifndef PBP_VERSION
    #define PBP_VERSION "unknown"
    #endif
    #include <numpy/arrayscalars.h>

    /* Slots that threads hand workspaces through. */
    #define pbp_slot_take(slot) __atomic_exchange_n((slot), NULL, __ATOMIC_ACQ_REL)
    static inline int pbp_slot_put(void **slot, void *value)
    {
        void *expected = NULL;
        return __atomic_compare_exchange_n(slot, &expected, value, 0, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
    }
    #define pbp_flag_set(flag) __atomic_exchange_n((flag), 1, __ATOMIC_ACQUIRE)
    #define pbp_flag_clear(flag) __atomic_store_n((flag), 0, __ATOMIC_RELEASE)
    """
    const char *PBP_VERSION
    void *pbp_slot_take(void **slot) nogil
    int pbp_slot_put(void **slot, void *value) nogil
    int pbp_flag_set(int *flag) nogil
    void pbp_flag_clear(int *flag) nogil

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept
    PyObject *PyErr_Occurred() noexcept
    unsigned long PyThread_get_thread_ident() noexcept

__version__ = PBP_VERSION.decode()


# ---- dtypes -------------------------------------------------------------------------------------

cdef enum:
    BOOL_CODE = 0
    INT64_CODE = 7
    FLOAT32_CODE = 9
    FLOAT64_CODE = 10
    N_CODES = 13

# NumPy's type number per dtype code of the core, and that dtype.
cdef int[13] TYPE_NUMS = [
    cnp.NPY_BOOL, cnp.NPY_INT8, cnp.NPY_UINT8, cnp.NPY_INT16, cnp.NPY_UINT16, cnp.NPY_INT32,
    cnp.NPY_UINT32, cnp.NPY_INT64, cnp.NPY_UINT64, cnp.NPY_FLOAT32, cnp.NPY_FLOAT64,
    cnp.NPY_COMPLEX64, cnp.NPY_COMPLEX128,
]
cdef tuple DTYPES = tuple([cnp.PyArray_DescrFromType(TYPE_NUMS[i]) for i in range(N_CODES)])
cdef dict DTYPE_CODES = {(d.kind, d.itemsize): code for code, d in enumerate(DTYPES)}
cdef object BOOL = DTYPES[BOOL_CODE]
cdef object INT64 = DTYPES[INT64_CODE]
cdef object FLOAT32 = DTYPES[FLOAT32_CODE]
cdef object FLOAT64 = DTYPES[FLOAT64_CODE]
cdef object COMPLEX128 = DTYPES[12]


cdef int dtype_code(object dtype) except -2:
    """Give the core's code of a dtype, whatever its byte order and C name; -1 if it has none."""
    return DTYPE_CODES.get((dtype.kind, dtype.itemsize), -1)


cdef object canonical_dtype(object dtype):
    """Give the native dtype, one object for all C names of a type; others as they are."""
    code = dtype_code(dtype)
    return dtype if code < 0 else DTYPES[code]


# ---- errors -------------------------------------------------------------------------------------

cdef object raise_status(pbp_status status, pbp_error *error):
    """Raise the exception that belongs to a status; it knows the number of the instruction."""
    if status == PBP_INTERRUPTED:
        if PyErr_Occurred() != NULL:
            check_raised()
        raise KeyboardInterrupt
    text = error.message.decode("utf-8", "replace") or pbp_status_name(status).decode()
    if status == PBP_ERROR_MEMORY:
        exception = MemoryError(text)
    elif status == PBP_ERROR_FORMAT or status == PBP_ERROR_VERSION:
        from .errors import TapeError
        exception = TapeError(text)
    elif status == PBP_ERROR_INDEX:
        index, bound = error.values[0], error.values[1]
        if str(index) not in text or str(bound) not in text:
            text = f"index {index} is out of bounds for an axis of {bound} elements"
        exception = IndexError(text)
    elif status == PBP_ERROR_LINALG:
        from numpy.linalg import LinAlgError
        exception = LinAlgError(text)
    else:
        exception = ValueError(text)
    if error.instruction != PBP_NONE:
        exception.instruction = error.instruction
    raise exception


cdef int check_raised() except -1:
    """Pass on the exception that is set already."""
    return -1


cdef inline void clear_error(pbp_error *error) noexcept nogil:
    error.status = PBP_OK
    error.instruction = PBP_NONE
    error.values[0] = 0
    error.values[1] = 0
    error.message[0] = 0


include "_tree.pxi"
include "_record.pxi"
include "_reverse.pxi"
include "_lower.pxi"
include "_arena.pxi"
include "_storage.pxi"


# ---- tapes --------------------------------------------------------------------------------------

cdef enum:
    N_SLOTS = 16        # workspaces that a tape keeps between runs
    LONG_RUN = 1500     # estimated nanoseconds above which a run releases the GIL

# Who hears of signals: without the module threading, which takes a millisecond to import, there has
# been no other thread.
cdef unsigned long main_thread = (
    sys.modules["threading"].main_thread().ident if "threading" in sys.modules
    else PyThread_get_thread_ident()
)


def _forked():
    global main_thread
    main_thread = PyThread_get_thread_ident()
    # The threads stayed with the parent; so does the memory of their pools, which nobody can free.
    for i in range(MOST_THREADS + 1):
        pools[i] = NULL


# Pools of threads by their number, started when they are first asked for.
cdef enum:
    MOST_THREADS = 64
cdef pbp_pool *pools[MOST_THREADS + 1]


cdef inline pbp_pool *pool_of(int threads) noexcept:
    """The pool of a number of threads, shared by all tapes; NULL if the system has none to give."""
    if pools[threads] == NULL:
        pbp_pool_new(threads, &pools[threads], NULL)
    return pools[threads]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


cdef int poll_signals(void *context) noexcept nogil:
    """Ask Python, between instructions of a long run, whether Ctrl-C was pressed."""
    with gil:
        return PyErr_CheckSignals() != 0


@cython.final
cdef class Tape:
    """A compiled function, loaded and validated; immutable, shared by threads.

    Parameters
    ----------
    data : bytes
        As described in ``docs/tape.md``.

    Attributes
    ----------
    n_inputs, n_outputs, n_instructions, n_loops : int
    reverse_start : int
        Number of the first instruction of the reverse section.
    arena_bytes, workspace_bytes : int
        What the plan needs; what a run takes with tables and scratch.
    cost : int
        Estimated nanoseconds of one run.
    inputs, outputs : tuple of (numpy.dtype, tuple of int)
        Dtype and shape of each.

    Raises
    ------
    TapeError
        If the bytes are not a valid tape, or one of a version not known here.
    """

    cdef pbp_tape *ptr
    cdef pbp_tape_info info
    cdef pbp_array *arrays          # inputs, then outputs
    cdef void *slots[N_SLOTS]       # workspaces at rest
    cdef bint is_long
    cdef int n_threads
    cdef readonly bytes data
    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef readonly object library
    cdef object __weakref__

    def __cinit__(self, data):
        cdef pbp_error error
        cdef pbp_status status
        clear_error(&error)
        self.data = bytes(memoryview(data))
        status = pbp_tape_load(
            PyBytes_AS_STRING(self.data), <size_t>PyBytes_GET_SIZE(self.data), &self.ptr, &error)
        if status != PBP_OK:
            raise_status(status, &error)
        pbp_tape_info_get(self.ptr, &self.info)
        self.is_long = self.info.cost > LONG_RUN
        n = <size_t>self.info.n_inputs + self.info.n_outputs
        self.arrays = <pbp_array *>malloc((n + 1) * sizeof(pbp_array))
        if self.arrays == NULL:
            raise MemoryError
        for i in range(self.info.n_inputs):
            pbp_tape_input(self.ptr, i, &self.arrays[i])
        for i in range(self.info.n_outputs):
            pbp_tape_output(self.ptr, i, &self.arrays[self.info.n_inputs + i])
        described = [
            (DTYPES[self.arrays[i].dtype],
             tuple([self.arrays[i].shape[j] for j in range(self.arrays[i].ndim)]))
            for i in range(n)
        ]
        self.inputs = tuple(described[:self.info.n_inputs])
        self.outputs = tuple(described[self.info.n_inputs:])

    def __dealloc__(self):
        for i in range(N_SLOTS):
            if self.slots[i] != NULL:
                pbp_workspace_free(<pbp_workspace *>self.slots[i])
        if self.ptr != NULL:
            pbp_tape_free(self.ptr)
        free(self.arrays)

    @property
    def n_inputs(self):
        """Number of inputs."""
        return self.info.n_inputs

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self.info.n_outputs

    @property
    def n_instructions(self):
        """Number of instructions, both sections together."""
        return self.info.n_instructions

    @property
    def n_loops(self):
        """Number of loops."""
        return self.info.n_loops

    @property
    def threads(self):
        """How many threads run the steps of parallel loops; none is started before the first run.

        Raises
        ------
        ValueError
            If set to anything but 1 to 64.
        """
        return max(self.n_threads, 1)

    @threads.setter
    def threads(self, number):
        if not 1 <= number <= MOST_THREADS:
            raise ValueError(f"threads must be from 1 to {MOST_THREADS}, not {number}")
        self.n_threads = number

    @property
    def reverse_start(self):
        """Number of the first instruction of the reverse section."""
        return self.info.reverse_start

    @property
    def arena_bytes(self):
        """Bytes of the arena, as planned."""
        return self.info.arena_bytes

    @property
    def workspace_bytes(self):
        """Bytes that one run takes: arena, tables, scratch of products."""
        return self.info.workspace_bytes

    @property
    def cost(self):
        """Estimated nanoseconds of one run."""
        return self.info.cost

    def __str__(self):
        size = pbp_tape_print(self.ptr, NULL, 0)
        cdef char *text = <char *>malloc(size + 1)
        if text == NULL:
            raise MemoryError
        try:
            pbp_tape_print(self.ptr, text, size + 1)
            return text[:size].decode("utf-8", "replace")
        finally:
            free(text)

    def __repr__(self):
        return (
            f"<Tape: {self.n_inputs} inputs, {self.n_outputs} outputs, "
            f"{self.n_instructions} instructions, {self.arena_bytes} bytes of arena>"
        )

    def __reduce__(self):
        return (Tape, (self.data,))

    def to_bytes(self):
        """Give the bytes it was loaded from.

        Returns
        -------
        bytes
        """
        return self.data

    def attach(self, address, arena_bytes, library):
        """Have runs call native code that was emitted from this tape.

        To be called before the first run.

        Parameters
        ----------
        address : int
            Of a C function of the type ``pbp_native``.
        arena_bytes : int
            What the function needs.
        library : object
            Kept alive as long as the tape: what the function lives in.

        Raises
        ------
        ValueError
            If the tape has run already, or the address is 0.
        """
        if self.library is not None or self.slots[0] != NULL:
            raise ValueError("native code can be attached once only, before the first run")
        if pbp_tape_set_native(self.ptr, <pbp_native><size_t>address, arena_bytes) != PBP_OK:
            raise ValueError("no address of a function")
        self.library = library
        pbp_tape_info_get(self.ptr, &self.info)

    def run(self, inputs, outputs=None):
        """Run once; for tests and unusual uses, see :class:`Function` for the fast way.

        Parameters
        ----------
        inputs : sequence of array_like
            Of the shapes and dtypes of ``self.inputs``; copied if not contiguous.
        outputs : sequence of numpy.ndarray, optional
            Arrays to write, contiguous, of the shapes and dtypes of ``self.outputs``.

        Returns
        -------
        list of numpy.ndarray

        Raises
        ------
        TypeError, ValueError
            If an array does not fit, or outputs overlap in a way that the tape does not allow.
        """
        inputs = list(inputs)
        if len(inputs) != self.info.n_inputs:
            raise ValueError(f"expected {self.n_inputs} inputs, got {len(inputs)}")
        inputs = [
            fit_input(value, dtype, shape, f"input {i}")
            for i, (value, (dtype, shape)) in enumerate(zip(inputs, self.inputs))
        ]
        if outputs is None:
            outputs = [empty(shape, dtype) for dtype, shape in self.outputs]
        else:
            outputs = list(outputs)
        cdef Bound bound = Bound(self, inputs, outputs, None)
        bound()
        return outputs

    cdef inline pbp_workspace *take(self) except NULL:
        """Take a workspace: one at rest, or a new one."""
        cdef void *found = pbp_slot_take(&self.slots[0])
        if found != NULL:
            return <pbp_workspace *>found
        return self.take_slowly()

    cdef pbp_workspace *take_slowly(self) except NULL:
        cdef pbp_workspace *made = NULL
        cdef pbp_error error
        cdef pbp_status status
        for i in range(1, N_SLOTS):
            made = <pbp_workspace *>pbp_slot_take(&self.slots[i])
            if made != NULL:
                return made
        clear_error(&error)
        status = pbp_workspace_new(self.ptr, &made, &error)
        if status != PBP_OK:
            raise_status(status, &error)
        return made

    cdef inline void give(self, pbp_workspace *workspace) noexcept:
        """Put a workspace to rest; beyond N_SLOTS of them it is freed."""
        if pbp_slot_put(&self.slots[0], workspace):
            return
        for i in range(1, N_SLOTS):
            if pbp_slot_put(&self.slots[i], workspace):
                return
        pbp_workspace_free(workspace)

    cdef inline pbp_status sweep(self, pbp_workspace *workspace, const void **inputs,
                                 void **outputs, pbp_error *error) noexcept:
        """Run; if long, without the GIL and, in the main thread, open to Ctrl-C."""
        cdef pbp_run_options options
        cdef pbp_status status
        clear_error(error)
        if not self.is_long:
            return pbp_run(self.ptr, workspace, inputs, outputs, NULL, error)
        options.poll = NULL
        options.poll_context = NULL
        options.pool = pool_of(self.n_threads) if self.n_threads > 1 else NULL
        if PyThread_get_thread_ident() == main_thread:
            options.poll = poll_signals
        with nogil:
            status = pbp_run(self.ptr, workspace, inputs, outputs, &options, error)
        return status


cdef object fit_input(object value, object dtype, tuple shape, str name):
    """Give value as a contiguous, aligned, native array, if it has the right dtype and shape."""
    array = value if type(value) is ndarray else asarray(value)
    if canonical_dtype(array.dtype) != dtype or array.shape != shape:
        raise TypeError(
            f"{name} is {array.dtype}{list(array.shape)}, expected {dtype}{list(shape)}")
    flags = cnp.NPY_ARRAY_CARRAY_RO | cnp.NPY_ARRAY_NOTSWAPPED | cnp.NPY_ARRAY_ENSUREARRAY
    return cnp.PyArray_FROM_OTF(array, cnp.PyArray_TYPE(zero_of(dtype)), flags)


cdef object zero_of(object dtype):
    return empty((), dtype)


cdef int check_buffer(object array, tuple expected, str name, bint written) except -1:
    """Refuse an array that cannot be read or written in place; expected: its dtype and shape."""
    dtype, shape = expected
    if type(array) is not ndarray:
        raise TypeError(f"{name} must be a numpy.ndarray, not {type(array).__name__}")
    if canonical_dtype(array.dtype) != dtype or array.shape != shape:
        raise ValueError(
            f"{name} is {array.dtype}{list(array.shape)}, expected {dtype}{list(shape)}")
    flags = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
    if not cnp.PyArray_CHKFLAGS(array, flags) or not array.dtype.isnative:
        raise ValueError(f"{name} must be C-contiguous, aligned and in native byte order")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only")
    return 0


def instruction_table():
    """List the core's instructions.

    Returns
    -------
    list of dict
        With ``number``, ``name``, ``group``, ``arity``, ``dtypes`` (a tuple of names),
        ``dtype_mask``, ``scalar`` (whether there is a scalar-class form), ``text`` (the effect) and
        ``expression`` (in C, or None), as in ``docs/tape.md``.
    """
    cdef pbp_instruction_row row
    rows = []
    for number in range(pbp_instruction_count()):
        pbp_instruction_get(number, &row)
        rows.append({
            "number": number,
            "name": row.name.decode(),
            "group": row.group.decode(),
            "arity": row.arity,
            "dtypes": tuple([DTYPES[i].name for i in range(N_CODES) if row.dtypes >> i & 1]),
            "dtype_mask": row.dtypes,
            "scalar": bool(row.scalar),
            "text": row.text.decode() if row.text != NULL else "",
            "expression": row.expression.decode() if row.expression != NULL else None,
        })
    return rows


def instruction_set():
    """Name the instruction set whose kernels are in use.

    Returns
    -------
    str
        Such as ``"x86-64-v3"``.
    """
    return pbp_instruction_set().decode()


include "_match.pxi"
include "_entry.pxi"
include "_call.pxi"
