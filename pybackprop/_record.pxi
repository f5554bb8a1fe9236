# Recording: values, nodes, and the way from a primitive to a node of the open graph.
#
# Compiling a function is mostly this, several times for each instruction, so it is here and not in
# Python. pybackprop/graph.py has the classes that users see, and all that is seldom done.

cdef extern from *:
    """
    /* An instance of a subclass, without the arguments that its constructor asks for. */
    #define pbp_bare(cls, nothing) \
        (((PyTypeObject *)(cls))->tp_new((PyTypeObject *)(cls), (nothing), NULL))
    """
    object pbp_bare(object cls, object nothing)

# What graph.py has: see `connect`.
cdef object value_class = None
cdef object stack = None
cdef object standing_of = None
cdef object find_location = None
cdef object input_leaf = None
cdef object constant_leaf = None
cdef tuple NO_OPERANDS = ()


def connect(values, graphs, standing, location, leaves):
    """Take from :mod:`pybackprop.graph` what recording needs.

    Parameters
    ----------
    values : type
        Of the outputs of nodes, a subclass of :class:`ValueBase`.
    graphs : object
        Whose attribute ``graph`` is the innermost open graph of the thread.
    standing : callable
        The graph that counts for a primitive and operands while none is open.
    location : callable
        The place in the user's code that is being run.
    leaves : tuple of Leaf
        What stands for the primitive of inputs, and of constants.
    """
    global value_class, stack, standing_of, find_location, input_leaf, constant_leaf
    value_class, stack, standing_of, find_location = values, graphs, standing, location
    input_leaf, constant_leaf = leaves


cdef class ValueBase:
    """The fields of a value; they cannot be assigned."""

    cdef readonly Node node
    cdef readonly Py_ssize_t index
    cdef readonly tuple shape
    cdef readonly object dtype
    cdef readonly bint weak

    def __init__(self, Node node, Py_ssize_t index, tuple shape, dtype, bint weak=False):
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype
        self.weak = weak

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self):
        """Number of elements, as a Python integer that cannot overflow."""
        if not self.shape:
            return 1
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def graph(self):
        """The graph it belongs to."""
        return self.node.graph


def rebind(ValueBase handle not None, ValueBase other not None):
    """Let a handle stand for what another value stands for; see :mod:`pybackprop.mutation`."""
    handle.node, handle.index = other.node, other.index


def weaken(ValueBase value not None):
    """Let a value stand for a Python number, as what is computed from such numbers does."""
    value.weak = True


cdef class Node:
    """A primitive applied to operands.

    Attributes
    ----------
    primitive : Primitive
    operands : tuple of Value
    attributes : dict
        Static parameters; bodies of loops are graphs.
    outputs : tuple of Value
    graph : Graph
    location : tuple or None
        The place in the user's code, see :func:`pybackprop.graph.describe_location`.
    """

    cdef public object primitive
    cdef public tuple operands
    cdef public dict attributes
    cdef public tuple outputs
    cdef public object graph
    cdef public object location

    def __init__(self, primitive, tuple operands, dict attributes, graph, location):
        self.primitive = primitive
        self.operands = operands
        self.attributes = attributes
        self.graph = graph
        self.location = location
        self.outputs = NO_OPERANDS

    def __repr__(self):
        from .graph import describe

        return f"<Node {self.primitive.name} -> {', '.join(map(describe, self.outputs))}>"


cdef class PrimitiveBase:
    """Records itself when called.

    Attributes
    ----------
    joint : bool
        Whether operands of one float dtype, without attributes, give one output of that dtype and
        of the shape that they broadcast to.
    """

    cdef public bint joint

    def __call__(self, *operands, **attributes):
        return record(self, operands, attributes)


cdef class GraphBase:
    """The fields of a graph that recording looks at, and how it gets nodes."""

    cdef public list nodes
    cdef public dict table
    cdef public tuple rewrites
    cdef public object location
    cdef public bint locate
    cdef public bint handles
    cdef Node copied  # the node of another graph that is being applied

    def add(self, PrimitiveBase primitive, tuple operands, dict attributes):
        """Append a node and return its outputs."""
        return add_node(self, primitive, operands, attributes)


cdef inline object bare_value(Node node, Py_ssize_t index, object shape, object dtype):
    cdef ValueBase value = pbp_bare(value_class, NO_OPERANDS)
    value.node = node
    value.index = index
    value.shape = shape
    value.dtype = dtype
    return value


cdef tuple add_node(GraphBase graph, PrimitiveBase primitive, tuple operands, dict attributes):
    location = graph.location
    if location is None and graph.locate:
        location = find_location()
    cdef Node node = Node.__new__(Node)
    node.primitive = primitive
    node.operands = operands
    node.attributes = attributes
    node.graph = graph
    node.location = location
    cdef ValueBase value
    if graph.copied is not None and attributes is graph.copied.attributes:
        if equal_kinds(operands, graph.copied.operands):
            node.outputs = tuple(
                [
                    bare_value(node, value.index, value.shape, value.dtype)
                    for value in graph.copied.outputs
                ]
            )
            graph.nodes.append(node)
            return node.outputs
    if primitive.joint:
        value = joint_like(operands)
        if value is not None:
            node.outputs = (bare_value(node, 0, value.shape, value.dtype),)
            graph.nodes.append(node)
            return node.outputs
    inferred = primitive.infer(*operands, **attributes)
    if primitive.multiple:
        node.outputs = tuple(
            [bare_value(node, i, shape, dtype) for i, (shape, dtype) in enumerate(inferred)]
        )
    else:
        shape, dtype = inferred
        node.outputs = (bare_value(node, 0, shape, dtype),)
    graph.nodes.append(node)
    return node.outputs


cdef bint equal_kinds(tuple operands, tuple others) except -1:
    """Whether operands have the shapes and dtypes of others."""
    cdef Py_ssize_t i
    cdef ValueBase one, other
    if len(operands) != len(others):
        return False
    for i in range(len(operands)):
        one, other = operands[i], others[i]
        if one.dtype is not other.dtype or one.shape != other.shape:
            return False
    return True


cdef ValueBase joint_like(tuple operands):
    """The operand whose kind a ``joint`` primitive's output has, if that is easily told."""
    cdef ValueBase found = operands[0], operand
    if found.dtype is not FLOAT64 and found.dtype is not FLOAT32:
        return None
    for operand in operands:
        if operand.dtype is not found.dtype:
            return None
        if operand.shape and operand.shape != found.shape:
            if found.shape:
                return None
            found = operand
    return found


cdef object record(PrimitiveBase primitive, tuple operands, dict attributes):
    graph = stack.graph
    if graph is None:
        graph = standing_of(primitive, operands)
    cdef GraphBase base = graph
    if base.handles:
        return graph.record(primitive, operands, attributes)
    for x in operands:
        if type(x) is not value_class or (<ValueBase>x).node.graph is not graph:
            operands = tuple([adopted(graph, operand) for operand in operands])
            break
    for rewrite in base.rewrites:
        if isinstance(rewrite, LocalPass):
            result = (<LocalPass>rewrite).offer(base, primitive, operands, attributes)
        else:
            result = rewrite(graph, primitive, operands, attributes)
        if result is not None:
            return result
    outputs = add_node(base, primitive, operands, attributes)
    return outputs if primitive.multiple else outputs[0]


cdef object adopted(object graph, object operand):
    if type(operand) is value_class and (<ValueBase>operand).node.graph is graph:
        return operand
    return graph.adopt(operand)


def apply(PrimitiveBase primitive not None, *operands, **attributes):
    """Record ``primitive`` in the innermost open graph.

    Returns
    -------
    Value or tuple of Value
        A tuple if the primitive has several outputs.
    """
    return record(primitive, operands, attributes)


def copy_node(Node node not None, dict env not None, GraphBase graph not None):
    """Apply a node of another graph in the innermost open graph ``graph``.

    Parameters
    ----------
    node : Node
        An input is in ``env`` already.
    env : dict of Value to Value
        Has the operands, and gets the outputs.
    graph : Graph

    Returns
    -------
    tuple of Value
    """
    cdef Node outer
    if node.primitive is input_leaf:
        if node.outputs[0] not in env:
            from .errors import DifferentiationError

            raise DifferentiationError("a graph was applied to too few operands")
        return (env[node.outputs[0]],)
    if node.primitive is constant_leaf:
        result = env[node.outputs[0]] = graph.constant(node.attributes["value"])
        return (result,)
    graph.location = node.location
    cdef tuple operands = tuple([env[operand] for operand in node.operands])
    cdef PrimitiveBase primitive = node.primitive
    outer, graph.copied = graph.copied, node
    try:
        result = record(primitive, operands, node.attributes)
    finally:
        graph.copied = outer
    if primitive.multiple:
        env.update(zip(node.outputs, result, strict=True))
        return tuple(result)
    env[node.outputs[0]] = result
    return (result,)


cpdef bint is_floating(ValueBase value) except -1:
    """Whether derivatives with respect to a value exist."""
    return (<cnp.dtype>value.dtype).kind in (b"f", b"c")


# ---- what is asked about whole graphs ------------------------------------------------------------


def bodies(list nodes not None):
    """The graphs among the attributes of nodes."""
    cdef Node node
    cdef list found = []
    for node in nodes:
        if node.attributes:
            for attribute in node.attributes.values():
                if isinstance(attribute, GraphBase):
                    found.append(attribute)
    return found


def has_complex(GraphBase graph not None):
    """Whether any value of a graph or of a body in it is complex."""
    cdef Node node
    cdef ValueBase value
    for node in graph.nodes:
        for value in node.outputs:
            if (<cnp.dtype>value.dtype).kind == b"c":
                return True
    return any(map(has_complex, bodies(graph.nodes)))


def has_long_axis(list nodes not None, Py_ssize_t least):
    """Whether any output of nodes has an axis of at least so many elements, and no empty one."""
    cdef Node node
    cdef ValueBase value
    cdef bint found
    for node in nodes:
        for value in node.outputs:
            found = False
            for extent in value.shape:
                if extent == 0:
                    found = False
                    break
                found = found or extent >= least
            if found:
                return True
    return False


# ---- local passes, which are offered every new node ---------------------------------------------


cdef class LocalPass:
    """What to use in place of a new node, or None; called as :mod:`pybackprop.passes` says."""

    cdef object offer(self, GraphBase graph, PrimitiveBase primitive, tuple operands,
                      dict attributes):
        raise NotImplementedError

    def __call__(self, GraphBase graph, PrimitiveBase primitive, tuple operands, dict attributes):
        return self.offer(graph, primitive, operands, attributes)


cdef class OfConstants(LocalPass):
    """A function that is asked about nodes whose operands are all constants.

    Parameters
    ----------
    function : callable
    """

    cdef object function

    def __init__(self, function):
        self.function = function

    cdef object offer(self, GraphBase graph, PrimitiveBase primitive, tuple operands,
                      dict attributes):
        if not operands:
            return None
        for operand in operands:
            if (<ValueBase>operand).node.primitive is not constant_leaf:
                return None
        return self.function(graph, primitive, operands, attributes)


cdef class ByPrimitive(LocalPass):
    """Rules by primitive, and before them one for all that broadcast.

    Parameters
    ----------
    rules : dict of Primitive to callable
        Called with the graph, the operands and the attributes.
    makers : dict of Primitive to frozenset
        Of some: one of which made an operand, or two operands are the same, else the rule would
        return None.
    broadcasting : tuple of type
        Of primitives that broadcast.
    broadcast : Primitive
    narrowed : callable
        Asked about nodes of ``broadcasting`` if an operand with axes was made by ``broadcast`` or
        is a constant of one element.
    """

    cdef dict rules, makers
    cdef tuple broadcasting
    cdef object broadcast, narrowed

    def __init__(self, dict rules, dict makers, tuple broadcasting, broadcast, narrowed):
        self.rules, self.makers, self.broadcasting = rules, makers, broadcasting
        self.broadcast, self.narrowed = broadcast, narrowed

    cdef object offer(self, GraphBase graph, PrimitiveBase primitive, tuple operands,
                      dict attributes):
        cdef ValueBase operand
        for operand in operands:
            if operand.shape and (
                operand.node.primitive is self.broadcast
                or (operand.node.primitive is constant_leaf and operand.size == 1)
            ):
                if isinstance(primitive, self.broadcasting):
                    result = self.narrowed(graph, primitive, operands, attributes)
                    if result is not None:
                        return result
                break
        rule = self.rules.get(primitive)
        if rule is None:
            return None
        makers = self.makers.get(primitive)
        if makers is not None and operands[0] is not operands[len(operands) - 1]:
            for operand in operands:
                if operand.node.primitive in makers:
                    break
            else:
                return None
        return rule(graph, *operands, **attributes)


cdef set COMMUTATIVE = {"add", "multiply", "equal", "not_equal", "and", "or", "xor"}


cdef class Equal(LocalPass):
    """The outputs of an equal node; else of a new one, which is remembered."""

    cdef object offer(self, GraphBase graph, PrimitiveBase primitive, tuple operands,
                      dict attributes):
        cdef PyObject *a
        cdef PyObject *b
        if len(operands) == 2:
            a, b = <PyObject *>operands[0], <PyObject *>operands[1]
            if a > b and primitive.name in COMMUTATIVE:
                a, b = b, a
            key = (primitive, <size_t>a, <size_t>b)
        else:
            key = (primitive, *[<size_t><PyObject *>operand for operand in operands])
        if attributes:
            key += (
                tuple(
                    [
                        (name, id(x) if isinstance(x, GraphBase) else str(x) if name == "dtype" else x)
                        for name, x in attributes.items()
                    ]
                ),
            )
        table = graph.table.get("common")
        if table is None:
            table = graph.table["common"] = {}
        outputs = table.get(key)
        if outputs is None:
            # Recorded here and not by the caller, so that the node is made only once.
            outputs = table[key] = add_node(graph, primitive, operands, attributes)
        return outputs if primitive.multiple else outputs[0]
