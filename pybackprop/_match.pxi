# The two programs of the fast call path, compiled by _entry.pxi from a signature and a result's
# structure: one matches the arguments of a call in preorder, collecting the addresses of the tape's
# inputs; the other builds the result.  Between them the tape runs.  On a match no Python code runs
# and no object is made but the results.
#
# What matching cannot take as it is, it takes as a copy if only the layout differs (strides,
# alignment, byte order), and otherwise refuses, and the call goes to the subclass's _miss.

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
        Py_ssize_t tp_vectorcall_offset
        void *tp_call
        PyObject *(*tp_alloc)(PyTypeObject *, Py_ssize_t) noexcept
    PyTypeObject *TYPE "Py_TYPE"(PyObject *) noexcept
    void INCREF "Py_INCREF"(PyObject *) noexcept
    void DECREF "Py_DECREF"(PyObject *) noexcept
    PyObject *Py_None
    PyObject *Py_True
    PyObject *Py_False
    PyTypeObject PyFloat_Type
    PyTypeObject PyComplex_Type
    PyTypeObject PyLong_Type
    PyTypeObject PyTuple_Type
    PyTypeObject PyList_Type
    PyTypeObject PyDict_Type
    double FLOAT_VALUE "PyFloat_AS_DOUBLE"(PyObject *) noexcept
    double REAL_PART "PyComplex_RealAsDouble"(PyObject *) noexcept
    double IMAGINARY_PART "PyComplex_ImagAsDouble"(PyObject *) noexcept
    long long AsLongLong "PyLong_AsLongLongAndOverflow"(PyObject *, int *) noexcept
    Py_ssize_t TUPLE_SIZE "PyTuple_GET_SIZE"(PyObject *) noexcept
    PyObject *TUPLE_ITEM "PyTuple_GET_ITEM"(PyObject *, Py_ssize_t) noexcept
    PyObject *NewTuple "PyTuple_New"(Py_ssize_t) noexcept
    void TUPLE_SET "PyTuple_SET_ITEM"(PyObject *, Py_ssize_t, PyObject *) noexcept
    PyObject *NewList "PyList_New"(Py_ssize_t) noexcept
    void LIST_SET "PyList_SET_ITEM"(PyObject *, Py_ssize_t, PyObject *) noexcept
    Py_ssize_t LIST_SIZE "PyList_GET_SIZE"(PyObject *) noexcept
    PyObject *NewDict "PyDict_New"() noexcept
    int DictSet "PyDict_SetItem"(PyObject *, PyObject *, PyObject *) noexcept
    Py_ssize_t DictSize "PyDict_Size"(PyObject *) noexcept
    PyObject *GetAttr "PyObject_GetAttr"(PyObject *, PyObject *) noexcept
    void PyErr_Clear() noexcept
    void SetError "PyErr_SetObject"(object, object) noexcept
    int Py_TPFLAGS_HAVE_VECTORCALL
    size_t PyVectorcall_NARGS(size_t) noexcept
    object PyVectorcall_Call(object, object, object)
    int PY_VERSION_HEX

cdef extern from *:
    """
    /* New references to parts of mutable containers, which another thread may be changing. */
    _Static_assert(sizeof(npy_intp) == sizeof(int64_t), "shapes of tapes are read as NumPy's");
    #ifdef Py_GIL_DISABLED
    #define pbp_list_item(list, i) PyList_GetItemRef((list), (i))
    static inline PyObject *pbp_dict_item(PyObject *dict, PyObject *key, Py_ssize_t *position)
    {
        PyObject *value;
        (void)position;
        return PyDict_GetItemRef(dict, key, &value) > 0 ? value : NULL;
    }
    #else
    #define pbp_list_item(list, i) \\
        ((i) < PyList_GET_SIZE(list) ? Py_NewRef(PyList_GET_ITEM((list), (i))) : NULL)
    /* The next entry if its key is the very object that is looked for, otherwise a search. */
    static inline PyObject *pbp_dict_item(PyObject *dict, PyObject *key, Py_ssize_t *position)
    {
        PyObject *found, *value;
        if (*position >= 0 && PyDict_Next(dict, position, &found, &value) && found == key) {
            return Py_NewRef(value);
        }
        *position = -1;
        value = PyDict_GetItemWithError(dict, key);
        Py_XINCREF(value);
        return value;
    }
    #endif

    static inline PyObject *pbp_make_float64(double value)
    {
        PyObject *made = PyDoubleArrType_Type.tp_alloc(&PyDoubleArrType_Type, 0);
        if (made != NULL) {
            PyArrayScalar_ASSIGN(made, Double, value);
        }
        return made;
    }
    #define pbp_float64_value(object) PyArrayScalar_VAL((object), Double)
    #define pbp_is_float64(object) (Py_TYPE(object) == &PyDoubleArrType_Type)
    #define pbp_array_ndim(array) PyArray_NDIM((PyArrayObject *)(array))
    #define pbp_array_dims(array) PyArray_DIMS((PyArrayObject *)(array))
    #define pbp_array_flags(array) PyArray_FLAGS((PyArrayObject *)(array))
    #define pbp_array_data(array) PyArray_DATA((PyArrayObject *)(array))
    #define pbp_array_descr(array) ((PyObject *)PyArray_DESCR((PyArrayObject *)(array)))
    #define pbp_make_scalar(data, descr) PyArray_Scalar((data), (PyArray_Descr *)(descr), NULL)
    #define pbp_new_array(descr, ndim, dims) \\
        (Py_INCREF(descr), PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)(descr), (ndim), \\
                                                (dims), NULL, NULL, 0, NULL))
    #define pbp_native_copy(array, descr) \\
        (Py_INCREF(descr), PyArray_FromArray((PyArrayObject *)(array), (PyArray_Descr *)(descr), \\
                                             NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED))
    """
    PyObject *pbp_list_item(PyObject *, Py_ssize_t) noexcept
    PyObject *pbp_dict_item(PyObject *, PyObject *, Py_ssize_t *) noexcept
    PyObject *pbp_make_float64(double) noexcept
    double pbp_float64_value(PyObject *) noexcept
    bint pbp_is_float64(PyObject *) noexcept
    PyTypeObject PyArray_Type
    int pbp_array_ndim(PyObject *) noexcept
    cnp.npy_intp *pbp_array_dims(PyObject *) noexcept
    int pbp_array_flags(PyObject *) noexcept
    void *pbp_array_data(PyObject *) noexcept
    PyObject *pbp_array_descr(PyObject *) noexcept
    void PyArray_ScalarAsCtype(PyObject *, void *) noexcept
    PyObject *pbp_make_scalar(void *, PyObject *) noexcept
    PyObject *pbp_new_array(PyObject *, int, cnp.npy_intp *) noexcept
    PyObject *pbp_native_copy(PyObject *, PyObject *) noexcept

cdef enum Kind:
    ARRAY, SCALAR, FLOAT64_SCALAR, FLOAT, COMPLEX, INT, BOOLEAN, NEVER
    NOTHING, STATIC, TUPLE, LIST, DICT, NAMEDTUPLE, DATACLASS
    CONSTANT, COPIED
    FIRST_NUMBER = SCALAR
    LAST_NUMBER = BOOLEAN

cdef enum:
    STACK = 64      # so many inputs, outputs and steps need no allocation
    WORD = 16       # bytes that hold any scalar

# One step of either program.  Objects are borrowed from the entry's list of what it keeps.
ctypedef struct Step:
    int kind
    int code                # dtype of the leaf
    int target              # dtype of the tape's input, for numbers
    int ndim
    int slot                # number of the tape's input or output, or -1
    Py_ssize_t count        # children
    PyObject *object        # descriptor, type, or value
    PyObject *names         # keys or field names: a tuple
    cnp.npy_intp *shape

# What one call collects.
ctypedef struct Call:
    const void **inputs
    void **outputs
    char *numbers           # copies of number arguments, WORD bytes per input
    char *results           # scalar results, WORD bytes per output
    PyObject **made         # output arrays
    PyObject **owned        # references to drop at the end
    Py_ssize_t n_owned


# ---- matching -----------------------------------------------------------------------------------

cdef inline void own(Call *call, PyObject *reference) noexcept:
    call.owned[call.n_owned] = reference
    call.n_owned += 1


cdef inline void drop_owned(Call *call) noexcept:
    while call.n_owned > 0:
        call.n_owned -= 1
        DECREF(call.owned[call.n_owned])


cdef inline int match_array(const Step *step, PyObject *value, Call *call) noexcept:
    cdef cnp.npy_intp *dims
    cdef PyObject *descr
    cdef int i
    cdef int wanted = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
    if TYPE(value) != &PyArray_Type or pbp_array_ndim(value) != step.ndim:
        return 0
    dims = pbp_array_dims(value)
    for i in range(step.ndim):
        if dims[i] != step.shape[i]:
            return 0
    descr = pbp_array_descr(value)
    if descr != step.object or pbp_array_flags(value) & wanted != wanted:
        value = native_copy(step, value, descr)
        if value == NULL:
            return 0
        own(call, value)
    if step.slot >= 0:
        call.inputs[step.slot] = pbp_array_data(value)
    return 1


cdef PyObject *native_copy(const Step *step, PyObject *value, PyObject *descr) noexcept:
    """Copy an array of the right shape into the right layout; NULL if its dtype is another."""
    cdef PyObject *copy = NULL
    try:
        if dtype_code(<object>descr) == step.code:
            copy = pbp_native_copy(value, step.object)
            if copy == NULL:
                PyErr_Clear()
    except Exception:
        pass
    return copy


cdef int store_whole(int target, char *word, int64_t whole) noexcept:
    """Store a Python int or bool as the dtype of the tape's input; 0 if it is out of range."""
    if target == FLOAT64_CODE:
        (<double *>word)[0] = <double>whole
    elif target == FLOAT32_CODE:
        (<float *>word)[0] = <float>whole
    elif target == INT64_CODE:
        (<int64_t *>word)[0] = whole
    elif target == 5 and -0x80000000 <= whole <= 0x7fffffff:
        (<int32_t *>word)[0] = <int32_t>whole
    elif target == BOOL_CODE and (whole == 0 or whole == 1):
        (<uint8_t *>word)[0] = <uint8_t>whole
    else:
        return 0
    return 1


cdef inline int store_real(int target, char *word, double real) noexcept:
    """Store a Python float as the dtype of the tape's input."""
    if target == FLOAT64_CODE:
        (<double *>word)[0] = real
    elif target == FLOAT32_CODE:
        (<float *>word)[0] = <float>real
    else:
        return 0
    return 1


cdef inline char *number_word(const Step *step, Call *call) noexcept:
    """Give the place for the copy of a number, and let the input point there."""
    cdef char *word = call.numbers + WORD * (step.slot if step.slot >= 0 else 0)
    if step.slot >= 0:
        call.inputs[step.slot] = word
    return word


cdef int match_static(const Step *step, PyObject *value) noexcept:
    cdef Static expected = <Static>step.object
    if <PyObject *>expected.value == value:
        return 1
    try:
        return Static(<object>value) == expected
    except Exception:
        return 0


cdef int match_number(const Step *step, PyObject *value, Call *call) noexcept:
    """Match a number of Python or NumPy; one that no input of the tape reads need only exist."""
    cdef PyTypeObject *cls = TYPE(value)
    cdef int overflow = 0
    cdef int64_t whole
    if step.kind == FLOAT:
        if cls != &PyFloat_Type:
            return 0
        return step.slot < 0 or store_real(
            step.target, number_word(step, call), FLOAT_VALUE(value))
    if step.kind == FLOAT64_SCALAR:
        if not pbp_is_float64(value):
            return 0
        if step.slot >= 0:
            (<double *>number_word(step, call))[0] = pbp_float64_value(value)
        return 1
    if step.kind == COMPLEX:
        if cls != &PyComplex_Type:
            return 0
        if step.slot >= 0:
            (<double *>number_word(step, call))[0] = REAL_PART(value)
            (<double *>number_word(step, call))[1] = IMAGINARY_PART(value)
        return 1
    if step.kind == SCALAR:
        if cls != <PyTypeObject *>step.object:
            return 0
        if step.slot >= 0:
            PyArray_ScalarAsCtype(value, number_word(step, call))
        return 1
    if step.kind == BOOLEAN:
        if value != Py_True and value != Py_False:
            return 0
        whole = value == Py_True
    else:
        if cls != &PyLong_Type:
            return 0
        whole = AsLongLong(value, &overflow)
        if overflow:
            return 0
    return step.slot < 0 or store_whole(step.target, number_word(step, call), whole)


cdef int match(const Step **cursor, PyObject *value, Call *call) noexcept:
    """Match a value with the steps at the cursor and move it on.  Whatever fails is no match."""
    cdef const Step *step = cursor[0]
    cdef PyTypeObject *cls = TYPE(value)
    cdef PyObject *item
    cdef Py_ssize_t i
    cdef Py_ssize_t position = 0
    cursor[0] = step + 1
    if step.kind == ARRAY:
        return match_array(step, value, call)
    if FIRST_NUMBER <= step.kind <= LAST_NUMBER:
        return match_number(step, value, call)
    if step.kind == NOTHING:
        return value == Py_None
    if step.kind == STATIC:
        return match_static(step, value)
    if step.kind == TUPLE or step.kind == NAMEDTUPLE:
        if cls != <PyTypeObject *>step.object or TUPLE_SIZE(value) != step.count:
            return 0
        for i in range(step.count):
            if not match(cursor, TUPLE_ITEM(value, i), call):
                return 0
        return 1
    if step.kind == LIST:
        if cls != &PyList_Type or LIST_SIZE(value) != step.count:
            return 0
    elif step.kind == DICT:
        if cls != &PyDict_Type or DictSize(value) != step.count:
            return 0
    elif step.kind != DATACLASS or cls != <PyTypeObject *>step.object:
        return 0
    # The parts of mutable containers are held until the end of the call.
    for i in range(step.count):
        if step.kind == LIST:
            item = pbp_list_item(value, i)
        elif step.kind == DICT:
            item = pbp_dict_item(value, TUPLE_ITEM(step.names, i), &position)
        else:
            item = GetAttr(value, TUPLE_ITEM(step.names, i))
        if item == NULL:
            PyErr_Clear()
            return 0
        own(call, item)
        if not match(cursor, item, call):
            return 0
    return 1


# ---- building -----------------------------------------------------------------------------------

cdef PyObject *build(const Step **cursor, Call *call) noexcept:
    """Build the result that the steps at the cursor describe; NULL and an exception on failure."""
    cdef const Step *step = cursor[0]
    cdef PyObject *result
    cdef PyObject *item
    cdef Py_ssize_t i
    cdef int failed
    cursor[0] = step + 1
    if step.kind == ARRAY:
        result = call.made[step.slot]
        INCREF(result)
        return result
    if step.kind == FLOAT64_SCALAR:
        return pbp_make_float64((<double *>call.outputs[step.slot])[0])
    if step.kind == SCALAR:
        return pbp_make_scalar(call.outputs[step.slot], step.object)
    if step.kind == CONSTANT:
        INCREF(step.object)
        return step.object
    if step.kind == COPIED:
        return copy_constant(step.object)
    if step.kind == LIST:
        result = NewList(step.count)
    elif step.kind == DICT:
        result = NewDict()
    else:
        result = NewTuple(step.count)
    if result == NULL:
        return NULL
    for i in range(step.count):
        item = build(cursor, call)
        failed = item == NULL
        if not failed:
            if step.kind == LIST:
                LIST_SET(result, i, item)
            elif step.kind == DICT:
                failed = DictSet(result, TUPLE_ITEM(step.names, i), item) < 0
                DECREF(item)
            else:
                TUPLE_SET(result, i, item)
        if failed:
            DECREF(result)
            return NULL
    if step.kind == NAMEDTUPLE or step.kind == DATACLASS:
        item = finish_instance(step, result)
        DECREF(result)
        return item
    return result


cdef PyObject *copy_constant(PyObject *array) noexcept:
    try:
        copy = (<object>array).copy()
        INCREF(<PyObject *>copy)
        return <PyObject *>copy
    except BaseException as error:
        SetError(type(error), error)
        return NULL


cdef PyObject *finish_instance(const Step *step, PyObject *parts) noexcept:
    """Turn a tuple of parts into a named tuple or dataclass."""
    try:
        if step.kind == NAMEDTUPLE:
            result = tuple.__new__(<object>step.object, <object>parts)
        else:
            result = make_dataclass(
                <object>step.object, <object>step.names, list(<object>parts))
        INCREF(<PyObject *>result)
        return <PyObject *>result
    except BaseException as error:
        SetError(type(error), error)
        return NULL
