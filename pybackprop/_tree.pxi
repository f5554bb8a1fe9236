# Structures: how nested arguments and results are taken apart into leaves and put together again.
#
# A structure is described by nested tuples, its spec:
#
#     ("leaf",)                                   an array, a number, or anything not known here
#     ("none",)                                   None
#     ("tuple", specs)   ("list", specs)
#     ("dict", keys, specs)                       keys in the order given
#     ("namedtuple", type, specs)
#     ("dataclass", type, field names, specs)
#     ("static", Static)                          a value that is part of the structure
#
# Specs are compared and hashed as tuples.  Signatures also know each leaf's kind, dtype and shape,
# and compare dicts regardless of the order of their keys.

cdef int MAX_DEPTH = 100
cdef tuple LEAF = ("leaf",)
cdef tuple NONE = ("none",)
cdef frozenset EMPTY_SET = frozenset()


cdef object typed_key(object value):
    """Give a key that tells 1, 1.0, True, 0.0 and -0.0 apart, inside tuples and frozensets too."""
    cls = type(value)
    if cls is float:
        return (float, value.hex())
    if cls is complex:
        return (complex, value.real.hex(), value.imag.hex())
    if cls is tuple:
        return (tuple, tuple([typed_key(item) for item in value]))
    if cls is frozenset:
        return (frozenset, frozenset([typed_key(item) for item in value]))
    return (cls, value)


cdef class Static:
    """A value that belongs to the structure: compared by type and ``==``, needs a hash."""

    cdef readonly object value
    cdef object key
    cdef Py_hash_t hash

    def __init__(self, value):
        self.value = value
        self.key = typed_key(value)
        try:
            self.hash = hash(self.key)
        except TypeError:
            raise TypeError(
                f"a static argument must be hashable, which {type(value).__name__} is not"
            ) from None

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        if type(other) is not Static:
            return NotImplemented
        return self.hash == (<Static>other).hash and bool(self.key == (<Static>other).key)

    def __reduce__(self):
        return (Static, (self.value,))

    def __repr__(self):
        return repr(self.value)


cdef bint is_namedtuple(object cls):
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


cdef object dataclass_names(object cls):
    """Give the field names of a dataclass, None for other types and for array-like ones."""
    if not hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__array__"):
        return None
    import dataclasses
    return tuple([field.name for field in dataclasses.fields(cls)])


cdef tuple flatten_one(object value, list leaves, int depth):
    """Append the leaves of value and return its spec."""
    cls = type(value)
    if cls is ndarray or cls is float or cls is int:
        leaves.append(value)
        return LEAF
    if value is None:
        return NONE
    if depth > MAX_DEPTH:
        raise ValueError(
            f"arguments are nested deeper than {MAX_DEPTH} levels, or contain themselves"
        )
    if cls is tuple or cls is list:
        children = tuple([flatten_one(item, leaves, depth + 1) for item in list(value)])
        return ("tuple" if cls is tuple else "list", children)
    if cls is dict:
        items = list((<dict>value).items())
        children = tuple([flatten_one(item, leaves, depth + 1) for _, item in items])
        return ("dict", tuple([key for key, _ in items]), children)
    if isinstance(value, generic):
        leaves.append(value)
        return LEAF
    if is_namedtuple(cls):
        children = tuple([flatten_one(item, leaves, depth + 1) for item in value])
        return ("namedtuple", cls, children)
    names = dataclass_names(cls)
    if names is not None:
        children = tuple([flatten_one(getattr(value, name), leaves, depth + 1) for name in names])
        return ("dataclass", cls, names, children)
    leaves.append(value)
    return LEAF


cdef object unflatten_one(tuple spec, object leaves):
    """Build the value that a spec describes, taking leaves from an iterator."""
    kind = spec[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "none":
        return None
    if kind == "static":
        return (<Static>spec[1]).value
    if kind == "tuple":
        return tuple([unflatten_one(child, leaves) for child in spec[1]])
    if kind == "list":
        return [unflatten_one(child, leaves) for child in spec[1]]
    if kind == "dict":
        return {key: unflatten_one(child, leaves) for key, child in zip(spec[1], spec[2])}
    if kind == "namedtuple":
        return tuple.__new__(spec[1], [unflatten_one(child, leaves) for child in spec[2]])
    return make_dataclass(spec[1], spec[2], [unflatten_one(child, leaves) for child in spec[3]])


cdef object make_dataclass(object cls, tuple names, list values):
    """Make an instance without calling ``__init__``, which could reject a traced value."""
    result = object.__new__(cls)
    for name, value in zip(names, values):
        object.__setattr__(result, name, value)
    return result


cdef int collect_one(tuple spec, object value, list leaves) except -1:
    """Append the leaves of value in the order of spec; ValueError if it has another structure."""
    kind = spec[0]
    if kind == "leaf":
        leaves.append(value)
        return 0
    if kind == "none" or kind == "static":
        return 0
    cls = type(value)
    if kind == "dict" and cls is dict and len(value) == len(spec[1]):
        for key, child in zip(spec[1], spec[2]):
            if key not in value:
                break
            collect_one(child, value[key], leaves)
        else:
            return 0
    elif kind == "dataclass" and cls is spec[1]:
        for name, child in zip(spec[2], spec[3]):
            collect_one(child, getattr(value, name), leaves)
        return 0
    elif (kind == "namedtuple" and cls is spec[1]) or cls.__name__ == kind:
        children = spec[len(spec) - 1]
        if len(value) == len(children):
            for item, child in zip(value, children):
                collect_one(child, item, leaves)
            return 0
    raise ValueError(f"expected a {kind} as when this function was compiled, not {cls.__name__}")


cdef object canonical(tuple spec, object leaves):
    """Give a key in which dicts have no order; leaves iterates over the leaves' descriptions."""
    kind = spec[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "none" or kind == "static":
        return spec
    children = [canonical(child, leaves) for child in spec[len(spec) - 1]]
    if kind == "dict":
        return ("dict", frozenset(zip(spec[1], children)))
    return (kind, spec[1] if kind == "namedtuple" or kind == "dataclass" else None, tuple(children))


cdef int count_leaves(tuple spec) except -1:
    if spec[0] == "leaf":
        return 1
    if spec[0] == "none" or spec[0] == "static":
        return 0
    return sum([count_leaves(child) for child in spec[len(spec) - 1]])


cdef object describe_type(object cls):
    return f"{cls.__module__}:{cls.__qualname__}"


cdef object describe_one(tuple spec):
    kind = spec[0]
    if kind == "leaf":
        return "*"
    if kind == "none":
        return None
    if kind == "static":
        return {"static": plain((<Static>spec[1]).value)}
    children = [describe_one(child) for child in spec[len(spec) - 1]]
    if kind == "dict":
        return {"dict": [[plain(key), child] for key, child in zip(spec[1], children)]}
    if kind == "namedtuple":
        return {kind: describe_type(spec[1]), "fields": list(spec[1]._fields), "items": children}
    if kind == "dataclass":
        return {kind: describe_type(spec[1]), "fields": list(spec[2]), "items": children}
    return {kind: children}


cdef object plain(object value):
    """Write a static value or key so that JSON keeps its type."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return {"float": value.hex()}
    if type(value) is tuple:
        return {"tuple": [plain(item) for item in value]}
    raise TypeError(f"a {type(value).__name__} cannot be part of a saved structure: {value!r}")


cdef object from_plain(object data):
    if data is None or type(data) in (bool, int, str):
        return data
    if type(data) is dict and len(data) == 1:
        if type(data.get("float")) is str:
            return float.fromhex(data["float"])
        if type(data.get("tuple")) is list:
            return tuple([from_plain(item) for item in data["tuple"]])
    raise ValueError("not a description of a structure")


cdef object find_type(str kind, object name, object fields):
    """Find a type by name among the imported modules; otherwise make a look-alike."""
    if type(name) is not str or type(fields) is not list or name.count(":") != 1:
        raise ValueError("not a description of a structure")
    module, _, qualname = name.partition(":")
    found = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type):
        if kind == "namedtuple" and is_namedtuple(found) and list(found._fields) == fields:
            return found
        if kind == "dataclass" and dataclass_names(found) == tuple(fields):
            return found
    label = qualname.rpartition(".")[2]
    if kind == "namedtuple":
        import collections
        return collections.namedtuple(label, fields)
    import dataclasses
    return dataclasses.make_dataclass(label, fields)


cdef tuple parse_one(object data, int depth):
    if data == "*":
        return LEAF
    if data is None:
        return NONE
    if type(data) is not dict or not data or depth > MAX_DEPTH:
        raise ValueError("not a description of a structure")
    kind = next(iter(data))
    body = data[kind]
    if kind == "static":
        return ("static", Static(from_plain(body)))
    if kind == "namedtuple" or kind == "dataclass":
        items = data.get("items")
        cls = find_type(kind, body, data.get("fields"))
        if type(items) is not list or len(items) != len(data["fields"]):
            raise ValueError("not a description of a structure")
        children = tuple([parse_one(item, depth + 1) for item in items])
        if kind == "namedtuple":
            return (kind, cls, children)
        return (kind, cls, tuple(data["fields"]), children)
    if type(body) is list:
        if kind == "tuple" or kind == "list":
            return (kind, tuple([parse_one(item, depth + 1) for item in body]))
        if kind == "dict" and all([type(pair) is list and len(pair) == 2 for pair in body]):
            keys = tuple([from_plain(key) for key, _ in body])
            if len(set(keys)) == len(keys):
                return (kind, keys, tuple([parse_one(item, depth + 1) for _, item in body]))
    raise ValueError("not a description of a structure")


cdef class Tree:
    """The structure of nested tuples, lists, dicts, named tuples and dataclasses.

    Made by :func:`flatten_tree`. Immutable, hashable, comparable and picklable.

    Parameters
    ----------
    spec : tuple
        Nested description, as in ``tree.spec`` of another tree.
    """

    cdef readonly tuple spec
    cdef readonly Py_ssize_t n_leaves

    def __init__(self, tuple spec):
        self.spec = spec
        self.n_leaves = count_leaves(spec)

    def unflatten(self, leaves):
        """Build the value with these leaves.

        Parameters
        ----------
        leaves : sequence
            As many as ``n_leaves``.

        Returns
        -------
        object

        Raises
        ------
        ValueError
            If the number of leaves is another.
        """
        leaves = list(leaves)
        if len(leaves) != self.n_leaves:
            raise ValueError(f"expected {self.n_leaves} leaves, got {len(leaves)}")
        return unflatten_one(self.spec, iter(leaves))

    def collect(self, value):
        """List the leaves of a value of this structure, whatever the order of its dicts.

        Parameters
        ----------
        value : object
            A value of this structure.

        Returns
        -------
        list

        Raises
        ------
        ValueError
            If the value has another structure.
        """
        cdef list leaves = []
        collect_one(self.spec, value, leaves)
        return leaves

    def describe(self):
        """Describe the structure in JSON's types.

        Returns
        -------
        object
            What :meth:`from_description` reads.

        Raises
        ------
        TypeError
            If a key or static value has no such description.
        """
        return describe_one(self.spec)

    @staticmethod
    def from_description(data):
        """Make the tree that a description describes.

        Named tuples and dataclasses are looked up in the modules already imported; where
        one is not found, a look-alike is made.

        Parameters
        ----------
        data : object
            As from :meth:`describe`.

        Returns
        -------
        Tree

        Raises
        ------
        ValueError
            If it describes no structure.
        """
        try:
            return Tree(parse_one(data, 0))
        except (TypeError, OverflowError) as error:
            raise ValueError("not a description of a structure") from error

    def __hash__(self):
        return hash(self.spec)

    def __eq__(self, other):
        if type(other) is not Tree:
            return NotImplemented
        return self.spec == (<Tree>other).spec

    def __reduce__(self):
        return (Tree, (self.spec,))

    def __repr__(self):
        return f"Tree({format_spec(self.spec, iter(['*'] * self.n_leaves))})"


cdef object format_spec(tuple spec, object leaves):
    kind = spec[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "none":
        return "None"
    if kind == "static":
        return repr(spec[1])
    children = [format_spec(child, leaves) for child in spec[len(spec) - 1]]
    if kind == "dict":
        return "{" + ", ".join([f"{k!r}: {c}" for k, c in zip(spec[1], children)]) + "}"
    if kind == "list":
        return "[" + ", ".join(children) + "]"
    if kind == "tuple":
        return "(" + ", ".join(children) + ("," if len(children) == 1 else "") + ")"
    names = spec[1]._fields if kind == "namedtuple" else spec[2]
    pairs = ", ".join([f"{n}={c}" for n, c in zip(names, children)])
    return f"{spec[1].__name__}({pairs})"


cdef tuple describe_leaf(object leaf):
    """Give (kind, dtype, shape) of a leaf; the dtype in native byte order."""
    cls = type(leaf)
    if cls is ndarray or (isinstance(leaf, ndarray) and cls is memmap):
        return ("array", canonical_dtype(leaf.dtype), leaf.shape)
    if cls is bool:
        return ("bool", BOOL, ())
    if isinstance(leaf, generic):
        return ("scalar", canonical_dtype(leaf.dtype), ())
    if isinstance(leaf, float):
        return ("float", FLOAT64, ())
    if isinstance(leaf, int):
        return ("int", INT64, ())
    if isinstance(leaf, complex):
        return ("complex", COMPLEX128, ())
    return ("object", None, ())


cdef class Signature:
    """What a call looks like: the structure of its arguments and each leaf's kind, dtype, shape.

    Immutable, hashable, comparable and picklable. Dicts (and keyword arguments) with the same keys
    in another order compare equal; :meth:`collect` gives their leaves in the order of this one.

    Parameters
    ----------
    tree : Tree
        Of the pair ``(args, kwargs)``.
    leaves : tuple of (str, numpy.dtype, tuple of int)
        Per leaf: its kind, one of ``"array"``, ``"scalar"`` (of NumPy), ``"float"``, ``"int"``,
        ``"bool"``, ``"complex"`` (of Python) and ``"object"`` (dtype None), its dtype in native
        byte order, its shape.
    """

    cdef readonly Tree tree
    cdef readonly tuple leaves
    cdef object key
    cdef Py_hash_t hash

    def __init__(self, Tree tree, tuple leaves):
        self.tree = tree
        self.leaves = leaves
        self.key = canonical(tree.spec, iter(leaves))
        self.hash = hash(self.key)

    @property
    def n_leaves(self):
        """Number of leaves."""
        return self.tree.n_leaves

    def unflatten(self, leaves):
        """Build arguments with these leaves.

        Parameters
        ----------
        leaves : sequence
            As many as ``n_leaves``.

        Returns
        -------
        args : tuple
        kwargs : dict
        """
        return self.tree.unflatten(leaves)

    def collect(self, args, kwargs):
        """List the leaves of a call with an equal signature, in the order of this one.

        Parameters
        ----------
        args : tuple
        kwargs : dict

        Returns
        -------
        list
        """
        return self.tree.collect((args, kwargs))

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        if type(other) is not Signature:
            return NotImplemented
        cdef Signature that = <Signature>other
        return self.hash == that.hash and bool(self.key == that.key)

    def __reduce__(self):
        return (Signature, (self.tree, self.leaves))

    def __repr__(self):
        texts = []
        for kind, dtype, shape in self.leaves:
            if kind == "array":
                texts.append(f"{dtype}[{','.join(map(str, shape))}]")
            else:
                texts.append(str(dtype) if kind == "scalar" else kind)
        leaves = iter(texts)
        positional, named = self.tree.spec[1]
        parts = [format_spec(spec, leaves) for spec in positional[1]]
        parts += [f"{name}={format_spec(s, leaves)}" for name, s in zip(named[1], named[2])]
        return f"Signature({', '.join(parts)})"


def flatten(tuple args, dict kwargs=None, static=EMPTY_SET):
    """Take the arguments of a call apart.

    Parameters
    ----------
    args : tuple
    kwargs : dict, optional
    static : container of int and str
        Positions and names of arguments that are part of the signature as they are. They must
        be hashable and are compared by type and ``==``.

    Returns
    -------
    signature : Signature
    leaves : list

    Raises
    ------
    TypeError
        If a static argument is not hashable.
    ValueError
        If arguments are nested too deeply.
    """
    cdef list leaves = []
    cdef list positional = []
    cdef list named = []
    kwargs = kwargs or {}
    for i, value in enumerate(args):
        if static and i in static:
            positional.append(("static", Static(value)))
        else:
            positional.append(flatten_one(value, leaves, 1))
    for name, value in kwargs.items():
        if static and name in static:
            named.append(("static", Static(value)))
        else:
            named.append(flatten_one(value, leaves, 1))
    spec = ("tuple", (("tuple", tuple(positional)), ("dict", tuple(kwargs), tuple(named))))
    return Signature(Tree(spec), tuple([describe_leaf(leaf) for leaf in leaves])), leaves


def flatten_tree(value):
    """Take a nested value apart.

    Parameters
    ----------
    value : object
        Nested tuples, lists, dicts, named tuples, dataclasses and None; anything else is a leaf.

    Returns
    -------
    tree : Tree
    leaves : list

    Examples
    --------
    >>> from pybackprop._core import flatten_tree
    >>> tree, leaves = flatten_tree({"w": 1.0, "layers": [2.0, (3.0, None)]})
    >>> tree
    Tree({'w': *, 'layers': [*, (*, None)]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> tree.unflatten([4, 5, 6])
    {'w': 4, 'layers': [5, (6, None)]}
    """
    cdef list leaves = []
    spec = flatten_one(value, leaves, 0)
    return Tree(spec), leaves
