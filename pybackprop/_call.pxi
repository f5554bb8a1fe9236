# Calls: a function that answers recent signatures from C, and a call bound to fixed buffers.  Both
# are called through Python's vectorcall protocol, which classes of Cython do not offer: the first
# field of an instance points to the C function, and its type says so (use_vectorcall, at the end).

@cython.final
cdef class Room:
    """Memory for the call of an entry that is too large for the stack."""

    cdef Call call
    cdef char *block

    def __cinit__(self, Entry entry not None):
        cdef Py_ssize_t pointers = entry.n_inputs + 2 * entry.n_outputs + entry.n_owned
        cdef Py_ssize_t words = entry.n_inputs + entry.n_outputs
        self.block = <char *>allocate(words * WORD + pointers * <Py_ssize_t>sizeof(void *), 1)
        self.call.numbers = self.block
        self.call.results = self.block + WORD * entry.n_inputs
        self.call.inputs = <const void **>(self.block + WORD * words)
        self.call.outputs = <void **>self.call.inputs + entry.n_inputs
        self.call.made = <PyObject **>self.call.outputs + entry.n_outputs
        self.call.owned = self.call.made + entry.n_outputs

    def __dealloc__(self):
        drop_owned(&self.call)
        free(self.block)


cdef class Function:
    """A callable that answers recent signatures from C; subclasses do the rest in Python.

    A call is compared with the up to four entries added last, the one that answered last first. If
    none matches, ``self._miss(args, kwargs)`` is called, which returns the result and may add
    entries.
    """

    cdef void *vectorcall
    cdef Entry entry0
    cdef Entry entry1
    cdef Entry entry2
    cdef Entry entry3
    cdef int last           # the entry that answered last
    cdef int newest         # the entry added last
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.vectorcall = <void *>function_vectorcall
        if PY_VERSION_HEX < 0x030C0000:
            # Before Python 3.12, classes written in Python do not inherit this flag.
            cls = TYPE(<PyObject *>self)
            if cls.tp_call == (<PyTypeObject *>Function).tp_call:
                cls.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL

    def __call__(self, *args, **kwargs):
        return PyVectorcall_Call(self, args, kwargs)

    def _miss(self, args, kwargs):
        """Answer a call that no recent entry matches.

        Parameters
        ----------
        args : tuple
        kwargs : dict

        Returns
        -------
        object
        """
        raise NotImplementedError

    def _add_entry(self, Entry entry not None):
        """Make an entry one of the four that calls are compared with, and the first.

        Parameters
        ----------
        entry : Entry
        """
        with cython.critical_section(self):
            for i in range(4):
                if self.entry(i) is entry:
                    self.last = i
                    return
            self.newest = (self.newest + 1) & 3
            if self.newest == 0:
                self.entry0 = entry
            elif self.newest == 1:
                self.entry1 = entry
            elif self.newest == 2:
                self.entry2 = entry
            else:
                self.entry3 = entry
            self.last = self.newest

    def _clear_entries(self):
        """Forget all entries."""
        with cython.critical_section(self):
            self.entry0 = self.entry1 = self.entry2 = self.entry3 = None

    @property
    def _entries(self):
        """The entries that calls are compared with, the first first."""
        with cython.critical_section(self):
            found = [self.entry((self.last - i) & 3) for i in range(4)]
        return tuple([entry for entry in found if entry is not None])

    cdef inline Entry entry(self, int number):
        if number == 0:
            return self.entry0
        if number == 1:
            return self.entry1
        if number == 2:
            return self.entry2
        return self.entry3


cdef PyObject *function_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                   PyObject *names) except NULL:
    cdef Function self = <Function>callable
    cdef Py_ssize_t n_args = <Py_ssize_t>PyVectorcall_NARGS(nargsf)
    cdef Entry entry
    cdef PyObject *result
    cdef int i, number
    cdef int last = self.last
    for i in range(4):
        number = (last - i) & 3
        with cython.critical_section(self):
            entry = self.entry(number)
        if entry is None:
            continue
        result = NULL
        if entry.is_small:
            if call_on_stack(entry, args, n_args, names, &result):
                if i != 0:
                    self.last = number
                return result
        elif call_in_room(entry, args, n_args, names, &result):
            if i != 0:
                self.last = number
            return result
    return call_miss(self, args, n_args, names)


cdef bint call_on_stack(Entry entry, PyObject *const *args, Py_ssize_t n_args, PyObject *names,
                        PyObject **result) except -1:
    cdef const void *inputs[STACK]
    cdef void *outputs[STACK]
    cdef PyObject *made[STACK]
    cdef PyObject *owned[2 * STACK]
    cdef double numbers[2 * STACK]
    cdef double results[2 * STACK]
    cdef Call call
    cdef bint matched
    call.inputs = inputs
    call.outputs = outputs
    call.made = made
    call.owned = owned
    call.numbers = <char *>numbers
    call.results = <char *>results
    call.n_owned = 0
    matched = entry.matches(args, n_args, names, &call)
    try:
        if matched:
            result[0] = entry.run(&call)
    finally:
        drop_owned(&call)
    return matched


cdef bint call_in_room(Entry entry, PyObject *const *args, Py_ssize_t n_args, PyObject *names,
                       PyObject **result) except -1:
    cdef Room room = Room(entry)
    if not entry.matches(args, n_args, names, &room.call):
        return False
    result[0] = entry.run(&room.call)
    return True


cdef PyObject *call_miss(Function self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *names) except NULL:
    """Hand a call over to Python."""
    cdef Py_ssize_t i
    positional = tuple([<object>args[i] for i in range(n_args)])
    named = {}
    if names != NULL:
        for i in range(TUPLE_SIZE(names)):
            named[<object>TUPLE_ITEM(names, i)] = <object>args[n_args + i]
    result = self._miss(positional, named)
    INCREF(<PyObject *>result)
    return <PyObject *>result


@cython.final
cdef class Bound:
    """A call without arguments on fixed buffers: the fastest way to run a tape from Python.

    Each call reads the inputs and writes the outputs where they are, and returns ``result``. One
    call at a time: a second, from another thread, is refused.

    Parameters
    ----------
    tape : Tape
    inputs, outputs : sequence of numpy.ndarray
        C-contiguous, of the tape's shapes and dtypes. They are kept and must not be resized.
    result : object
        What each call returns.

    Attributes
    ----------
    tape, inputs, outputs, result
        As given; inputs and outputs as tuples.

    Raises
    ------
    TypeError, ValueError
        If a buffer does not fit, or buffers overlap in a way that the tape does not allow.
    """

    cdef void *vectorcall
    cdef readonly Tape tape
    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef readonly object result
    cdef const void **pointers      # inputs, then outputs
    cdef pbp_workspace *workspace
    cdef int busy
    cdef object __weakref__

    def __cinit__(self, Tape tape not None, inputs, outputs, result):
        cdef pbp_error error
        cdef pbp_status status
        self.vectorcall = <void *>bound_vectorcall
        self.tape = tape
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.result = result
        if (len(self.inputs), len(self.outputs)) != (len(tape.inputs), len(tape.outputs)):
            raise ValueError(
                f"the tape has {len(tape.inputs)} inputs and {len(tape.outputs)} outputs, "
                f"not {len(self.inputs)} and {len(self.outputs)}"
            )
        n = len(self.inputs) + len(self.outputs)
        self.pointers = <const void **>allocate(n, sizeof(void *))
        for i, array in enumerate(self.inputs):
            check_buffer(array, tape.inputs[i], f"input {i}", False)
            self.pointers[i] = cnp.PyArray_DATA(array)
        for i, array in enumerate(self.outputs):
            check_buffer(array, tape.outputs[i], f"output {i}", True)
            self.pointers[len(self.inputs) + i] = cnp.PyArray_DATA(array)
        clear_error(&error)
        status = pbp_check_aliases(
            tape.ptr, self.pointers, <void **>self.pointers + tape.info.n_inputs, &error)
        if status == PBP_OK:
            status = pbp_workspace_new(tape.ptr, &self.workspace, &error)
        if status != PBP_OK:
            raise_status(status, &error)

    def __dealloc__(self):
        if self.workspace != NULL:
            pbp_workspace_free(self.workspace)
        free(self.pointers)

    def __call__(self):
        """Run the tape on the buffers.

        Returns
        -------
        object
            The object given as result.
        """
        return PyVectorcall_Call(self, (), {})


cdef PyObject *bound_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                PyObject *names) except NULL:
    cdef Bound self = <Bound>callable
    cdef pbp_error error
    cdef pbp_status status
    cdef PyObject *result
    if PyVectorcall_NARGS(nargsf) != 0 or names != NULL:
        raise TypeError("a bound call takes no arguments: change the contents of its buffers")
    if pbp_flag_set(&self.busy):
        raise RuntimeError("this bound call is running already")
    status = self.tape.sweep(
        self.workspace, self.pointers, <void **>self.pointers + self.tape.info.n_inputs, &error)
    pbp_flag_clear(&self.busy)
    if status != PBP_OK:
        raise_status(status, &error)
    result = <PyObject *>self.result
    INCREF(result)
    return result


cdef int use_vectorcall(object cls, Py_ssize_t offset) except -1:
    """Let Python call instances of an extension type through their field ``vectorcall``."""
    cdef PyTypeObject *type_object = <PyTypeObject *>cls
    type_object.tp_vectorcall_offset = offset
    type_object.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL
    return 0


cdef Function probe = Function.__new__(Function)
cdef char *probe_start = <char *><PyObject *>probe
use_vectorcall(Function, <char *>&probe.vectorcall - probe_start)
use_vectorcall(Bound, <char *>&(<Bound><PyObject *>probe).vectorcall - probe_start)  # address only
