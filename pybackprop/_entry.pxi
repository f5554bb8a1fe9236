# Entries: compiling a signature and a result's structure into the programs of _match.pxi, and
# running them.

@cython.final
cdef class Entry:
    """A compiled form: what it is called with, its tape, and how the result is put together.

    Parameters
    ----------
    signature : Signature
    tape : Tape
    out_tree : Tree
        Structure of the result.
    leaf_inputs : sequence of int
        Per leaf of the signature, the number of the tape's input that it feeds, or -1.
    out_kinds : sequence of tuple
        Per leaf of the result: ``("array", k)`` for output k of the tape as an array,
        ``("scalar", k)`` for output k, 0-d, as a NumPy scalar, ``("constant", value)`` for a value
        that is always the same (an array is copied at each call), ``("same", j)`` for whatever
        leaf j of the result is, the same object if an array.
    constants : mapping of int to numpy.ndarray, optional
        The tape's inputs that no leaf feeds, by their number.
    info : object, optional
        Anything that the front end wants to keep with it.

    Attributes
    ----------
    signature, tape, out_tree, leaf_inputs, out_kinds, constants, info
        As given.
    """

    cdef readonly Signature signature
    cdef readonly Tape tape
    cdef readonly Tree out_tree
    cdef readonly tuple leaf_inputs
    cdef readonly tuple out_kinds
    cdef readonly dict constants
    cdef public object info
    cdef list keep                  # owns what steps borrow
    cdef Step *steps                # matching: positional arguments, then named ones
    cdef Step *out_steps            # building
    cdef Step *out_arrays           # per output of the tape
    cdef const void **fixed         # addresses of constants, per input, or NULL
    cdef cnp.npy_intp *shapes
    cdef Py_ssize_t n_positional
    cdef Py_ssize_t n_named
    cdef PyObject *names
    cdef Py_ssize_t n_inputs
    cdef Py_ssize_t n_outputs
    cdef Py_ssize_t n_owned         # bound on Call.n_owned
    cdef bint is_small              # fits in STACK
    cdef object __weakref__

    def __init__(self, Signature signature not None, Tape tape not None, Tree out_tree not None,
                 leaf_inputs, out_kinds, constants=None, info=None):
        if self.signature is not None:
            raise TypeError("an Entry is immutable")
        self.tape = tape
        self.out_tree = out_tree
        self.leaf_inputs = tuple(leaf_inputs)
        self.out_kinds = tuple(out_kinds)
        self.constants = dict(constants or {})
        self.info = info
        self.keep = []
        self.n_inputs = tape.info.n_inputs
        self.n_outputs = tape.info.n_outputs
        self.check_inputs(signature)
        self.compile_match(signature)
        self.compile_outputs()
        self.signature = signature

    def __dealloc__(self):
        free(self.steps)
        free(self.out_steps)
        free(self.out_arrays)
        free(self.fixed)
        free(self.shapes)

    cdef int check_inputs(self, Signature signature) except -1:
        """Every input of the tape must be fed exactly once, by something that fits."""
        if len(self.leaf_inputs) != signature.tree.n_leaves:
            raise ValueError("leaf_inputs must name an input, or -1, for each leaf")
        fed = [k for k in self.leaf_inputs if k != -1] + list(self.constants)
        if sorted(fed) != list(range(self.n_inputs)):
            raise ValueError(f"inputs {sorted(fed)} are fed, of {self.n_inputs} inputs")
        for k, (kind, dtype, shape) in zip(self.leaf_inputs, signature.leaves):
            if k >= 0:
                expected, expected_shape = self.tape.inputs[k]
                same = dtype == expected or expected.name in CONVERSIONS.get(kind, ())
                if not same or shape != expected_shape:
                    raise ValueError(f"a leaf {dtype}{list(shape)} cannot feed input {k}, "
                                     f"{expected}{list(expected_shape)}")
        self.fixed = <const void **>allocate(self.n_inputs, sizeof(void *))
        for k, array in self.constants.items():
            check_buffer(array, self.tape.inputs[k], f"constant {k}", False)
            self.keep.append(array)
            self.fixed[k] = cnp.PyArray_DATA(array)
        return 0

    # ---- matching -----------------------------------------------------------------------------

    cdef int compile_match(self, Signature signature) except -1:
        cdef Py_ssize_t n_steps = count_steps(signature.tree.spec)
        cdef Py_ssize_t n_shapes = sum([len(leaf[2]) for leaf in signature.leaves])
        cdef Step *step
        cdef cnp.npy_intp *shape
        self.steps = <Step *>allocate(n_steps, sizeof(Step))
        self.shapes = <cnp.npy_intp *>allocate(n_shapes, sizeof(cnp.npy_intp))
        step = self.steps
        shape = self.shapes
        leaves = iter(list(zip(self.leaf_inputs, signature.leaves)))
        positional, named = signature.tree.spec[1]
        self.keep.append(named[1])
        self.names = <PyObject *><object>named[1]
        self.n_positional = len(positional[1])
        self.n_named = len(named[1])
        for spec in positional[1] + named[2]:
            self.compile_step(spec, leaves, &step, &shape)
        self.n_owned = 2 * n_steps
        self.is_small = max(self.n_inputs, self.n_outputs, n_steps) <= STACK
        return 0

    cdef int compile_step(self, tuple spec, leaves, Step **cursor,
                          cnp.npy_intp **shape) except -1:
        cdef Step *step = cursor[0]
        cursor[0] += 1
        kind = spec[0]
        if kind == "leaf":
            return self.compile_leaf(step, next(leaves), shape)
        if kind == "none":
            step.kind = NOTHING
        elif kind == "static":
            step.kind = STATIC
            step.object = self.hold(spec[1])
        else:
            step.kind = CONTAINERS[kind]
            children = spec[len(spec) - 1]
            step.count = len(children)
            step.object = self.hold(tuple if kind == "tuple" else spec[1])
            if kind == "dict":
                step.names = self.hold(spec[1])
            elif kind == "dataclass":
                step.names = self.hold(spec[2])
            for child in children:
                self.compile_step(child, leaves, cursor, shape)
        return 0

    cdef int compile_leaf(self, Step *step, leaf, cnp.npy_intp **shape) except -1:
        slot, (kind, dtype, dims) = leaf
        step.slot = slot
        step.code = -1 if dtype is None else dtype_code(dtype)
        step.target = -1 if slot < 0 else self.tape.arrays[<int>slot].dtype
        step.kind = LEAF_KINDS.get(kind, NEVER)
        if step.code < 0:
            step.kind = NEVER
        elif kind == "array":
            step.object = self.hold(DTYPES[step.code])
            step.ndim = len(dims)
            step.shape = shape[0]
            for i in range(step.ndim):
                shape[0][i] = dims[i]
            shape[0] += step.ndim
        elif kind == "scalar":
            step.object = self.hold(DTYPES[step.code].type)
            if step.code == FLOAT64_CODE:
                step.kind = FLOAT64_SCALAR
        return 0

    cdef PyObject *hold(self, value) except NULL:
        self.keep.append(value)
        return <PyObject *>value

    # ---- results ------------------------------------------------------------------------------

    cdef int compile_outputs(self) except -1:
        cdef Step *step
        cdef pbp_array *array
        if len(self.out_kinds) != self.out_tree.n_leaves:
            raise ValueError("out_kinds must have one entry per leaf of the result")
        self.out_steps = <Step *>allocate(count_steps(self.out_tree.spec), sizeof(Step))
        self.out_arrays = <Step *>allocate(self.n_outputs, sizeof(Step))
        for k in range(self.n_outputs):
            array = &self.tape.arrays[self.n_inputs + k]
            step = &self.out_arrays[k]
            step.kind = SCALAR if array.ndim == 0 else ARRAY
            step.code = <int>array.dtype
            step.ndim = <int>array.ndim
            step.shape = <cnp.npy_intp *>array.shape
            step.object = self.hold(DTYPES[step.code])
        for kind, k in self.out_kinds:
            if kind == "array":
                self.output(k).kind = ARRAY
            elif kind == "scalar" and self.output(k).ndim:
                raise ValueError(f"output {k} is no scalar")
        step = self.out_steps
        self.compile_out_step(self.out_tree.spec, iter(self.out_kinds), &step)
        return 0

    cdef Step *output(self, k) except NULL:
        cdef Py_ssize_t number = k
        if not 0 <= number < self.n_outputs:
            raise ValueError(f"the tape has no output {number}")
        return &self.out_arrays[number]

    cdef int compile_out_step(self, tuple spec, kinds, Step **cursor) except -1:
        cdef Step *step = cursor[0]
        cursor[0] += 1
        kind = spec[0]
        if kind == "leaf":
            return self.compile_out_leaf(step, next(kinds))
        if kind == "none" or kind == "static":
            step.kind = CONSTANT
            step.object = self.hold(None if kind == "none" else (<Static>spec[1]).value)
            return 0
        step.kind = CONTAINERS[kind]
        children = spec[len(spec) - 1]
        step.count = len(children)
        step.object = self.hold(spec[1])
        step.names = self.hold(spec[2] if kind == "dataclass" else spec[1])
        for child in children:
            self.compile_out_step(child, kinds, cursor)
        return 0

    cdef int compile_out_leaf(self, Step *step, item) except -1:
        kind, k = item
        seen = 0
        while kind == "same":
            if seen > len(self.out_kinds):
                raise ValueError("out_kinds refer to each other in a circle")
            kind, k = self.out_kinds[k]
            seen += 1
        if kind == "constant":
            step.kind = COPIED if isinstance(k, ndarray) else CONSTANT
            step.object = self.hold(k)
            return 0
        if kind != "array" and kind != "scalar":
            raise ValueError(f"unknown kind of result {kind!r}")
        step[0] = self.output(k)[0]
        step.slot = k
        if kind == "scalar":
            step.kind = FLOAT64_SCALAR if step.code == FLOAT64_CODE else SCALAR
        return 0

    # ---- running ------------------------------------------------------------------------------

    cdef inline bint matches(self, PyObject *const *args, Py_ssize_t n_args, PyObject *names,
                             Call *call) noexcept:
        """Match a call in C's form: positional values, then named ones in the order of names."""
        cdef const Step *cursor = self.steps
        cdef Py_ssize_t i
        if n_args != self.n_positional:
            return False
        if (0 if names == NULL else TUPLE_SIZE(names)) != self.n_named:
            return False
        for i in range(n_args):
            if not match(&cursor, args[i], call):
                return False
        for i in range(self.n_named):
            found = find_name(TUPLE_ITEM(self.names, i), names, i)
            if found < 0 or not match(&cursor, args[n_args + found], call):
                return False
        return True

    cdef PyObject *run(self, Call *call) except NULL:
        """Run the tape on the inputs collected and build the result."""
        cdef const Step *cursor = self.out_steps
        cdef const Step *output
        cdef pbp_workspace *workspace
        cdef pbp_error error
        cdef pbp_status status
        cdef PyObject *result = NULL
        cdef Py_ssize_t i
        cdef Py_ssize_t n_made = 0
        for i in range(self.n_outputs):
            output = &self.out_arrays[i]
            call.made[i] = NULL
            if output.kind == ARRAY:
                call.made[i] = pbp_new_array(output.object, output.ndim, output.shape)
                if call.made[i] == NULL:
                    break
                call.outputs[i] = pbp_array_data(call.made[i])
            else:
                call.outputs[i] = call.results + WORD * i
            n_made += 1
        try:
            if n_made == self.n_outputs:
                for i in range(self.n_inputs if self.constants else 0):
                    if self.fixed[i] != NULL:
                        call.inputs[i] = self.fixed[i]
                workspace = self.tape.take()
                status = self.tape.sweep(workspace, call.inputs, call.outputs, &error)
                self.tape.give(workspace)
                if status != PBP_OK:
                    raise_status(status, &error)
                result = build(&cursor, call)
        finally:
            for i in range(n_made):
                if call.made[i] != NULL:
                    DECREF(call.made[i])
        return result

    def call(self, leaves):
        """Run with these leaves, converting what is unusual about them.

        Parameters
        ----------
        leaves : sequence
            In the order of the signature; array-likes of the right shape and dtype, numbers.

        Returns
        -------
        object
            The result, in the structure ``out_tree``.

        Raises
        ------
        TypeError, ValueError, OverflowError
            If a leaf does not fit.
        """
        cdef Room room
        leaves = list(leaves)
        if len(leaves) != len(self.leaf_inputs):
            raise ValueError(f"expected {len(self.leaf_inputs)} leaves, got {len(leaves)}")
        arrays = []
        room = Room(self)
        for i, leaf in enumerate(leaves):
            k = self.leaf_inputs[i]
            if k >= 0:
                dtype, shape = self.tape.inputs[k]
                if self.signature.leaves[i][0] not in ("array", "scalar"):
                    leaf = convert_number(leaf, dtype)
                array = fit_input(leaf, dtype, shape, f"leaf {i}")
                arrays.append(array)
                room.call.inputs[<Py_ssize_t>k] = cnp.PyArray_DATA(array)
        cdef PyObject *result = self.run(&room.call)
        made = <object>result
        DECREF(result)
        return made


cdef dict CONTAINERS = {
    "tuple": TUPLE, "list": LIST, "dict": DICT, "namedtuple": NAMEDTUPLE, "dataclass": DATACLASS,
}
cdef dict LEAF_KINDS = {
    "array": ARRAY, "scalar": SCALAR, "float": FLOAT, "complex": COMPLEX, "int": INT,
    "bool": BOOLEAN,
}


# What a number of Python may be converted to.
cdef dict CONVERSIONS = {
    "float": ("float32", "float64"),
    "int": ("int32", "int64", "float32", "float64"),
    "bool": ("bool", "int32", "int64", "float32", "float64"),
}


cdef int count_steps(tuple spec) except -1:
    if spec[0] in ("leaf", "none", "static"):
        return 1
    return 1 + sum([count_steps(child) for child in spec[len(spec) - 1]])


cdef object convert_number(object value, object dtype):
    """Convert a number of Python, refusing what the dtype cannot hold."""
    if dtype.kind == "i" or dtype.kind == "b":
        whole = operator_index(value)
        bits = 8 * dtype.itemsize - 1
        if not (0 <= whole <= 1 if dtype.kind == "b" else -1 << bits <= whole < 1 << bits):
            raise OverflowError(f"{whole} does not fit in {dtype}")
        return asarray(whole, dtype)
    return asarray(complex(value) if dtype.kind == "c" else float(value), dtype)


cdef void *allocate(Py_ssize_t count, size_t size) except NULL:
    """Allocate zeroed memory, at least one element."""
    cdef size_t total = (<size_t>count + 1) * size
    cdef void *block = malloc(total)
    if block == NULL:
        raise MemoryError
    memset(block, 0, total)
    return block


cdef inline Py_ssize_t find_name(PyObject *name, PyObject *names, Py_ssize_t guess) noexcept:
    """Find a keyword among a call's; most often the very object stands at the same place."""
    cdef Py_ssize_t i
    if TUPLE_ITEM(names, guess) == name:
        return guess
    for i in range(TUPLE_SIZE(names)):
        if <str>TUPLE_ITEM(names, i) == <str>name:
            return i
    return -1
