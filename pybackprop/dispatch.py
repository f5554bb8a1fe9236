"""Where NumPy code meets the graph: operators, methods and protocols of :class:`graph.Value`.

Importing this module puts them onto the class. Operators record at once; NumPy's ufuncs and
functions arrive by ``__array_ufunc__`` and ``__array_function__`` and are looked up in the tables
of :mod:`pybackprop.numpy`. What a static graph cannot record is refused with the user's line and
the alternative; each refusal is noted in the graph first, because NumPy swallows or rewords errors.
"""

import functools

import numpy as np

from . import numpy as surface_module
from ._core import weaken
from .errors import TraceError
from .graph import CONSTANT, Value, _stack, leaked
from .mutation import is_array, note_array, separate, writable_graph
from .numpy import (
    _assign,
    _foreign,
    _indexing,
    _picking,
    _products,
    _reduction,
    _selection,
    _shaping,
    _ufuncs,
    _updates,
)
from .numpy._common import (
    READ,
    NoGraphError,
    doing,
    here,
    is_number,
    refuse,
    refuse_conversion,
    storing,
    unsupported,
)
from .numpy._namespace import check_device, check_version
from .numpy._ufuncs import OPERATIONS

# ---- operators ----------------------------------------------------------------------------------


def _is_weak(x):
    return x.weak if type(x) is Value else is_number(x)


def _weakened(result, node_count):
    """Mark a result of weak operands as weak, if this operation made it."""
    nodes = result.node.graph.nodes
    if len(nodes) > node_count and nodes[-1] is result.node:
        weaken(result)
    return result


_FOREIGN = (str, bytes, dict, set, type(None), type(Ellipsis), slice)


def _operator(operate, reflected=False):
    if reflected:

        def method(self, other):
            if isinstance(other, _FOREIGN):
                return NotImplemented
            if self.weak and _is_weak(other):
                count = len(self.node.graph.nodes)
                return _weakened(operate(other, self), count)
            try:
                result = operate(other, self)
            except NoGraphError:
                raise leaked(self) from None
            return separate(result) if result is self or result is other else result
    else:

        def method(self, other):
            if isinstance(other, _FOREIGN):
                return NotImplemented
            if self.weak and _is_weak(other):
                count = len(self.node.graph.nodes)
                return _weakened(operate(self, other), count)
            try:
                result = operate(self, other)
            except NoGraphError:
                raise leaked(self) from None
            return separate(result) if result is self or result is other else result

    return method


def _inplace(forward, name):
    """``x += v``: an array is changed in place; a scalar's name is given to a new one."""

    def method(self, other):
        if isinstance(other, _FOREIGN):
            return NotImplemented
        if not is_array(self):
            return forward(self, other)
        graph = writable_graph(self, here)
        result = forward(self, other)
        if result is NotImplemented:
            return result
        graph.assign(self, _assign.fitting(self, result, name))
        return self

    return method


def _unary(operate):
    def method(self):
        if self.weak:
            count = len(self.node.graph.nodes)
            return _weakened(operate(self), count)
        result = operate(self)
        return separate(result) if result is self else result

    return method


def _power(self, other, modulo=None):
    if modulo is not None:
        unsupported("pow with three arguments is not supported", self)
    return _forward_power(self, other)


_forward_power = _operator(_ufuncs.operator_power)

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
_COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}  # fmt: skip
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _comparison(operate):
    # The result is bool and never weak. Dicts and sets of values stay safe although == is
    # elementwise: # they compare by ``is`` first, then by hash, and hashes of live objects are
    # distinct.
    def method(self, other):
        if isinstance(other, _FOREIGN):
            return NotImplemented
        return operate(self, other)

    return method


def _divmod(self, other):
    return self // other, self % other


def _rdivmod(self, other):
    return other // self, other % self


def _matmul(self, other):
    return NotImplemented if isinstance(other, _FOREIGN) else _products.matmul.traced(self, other)


def _rmatmul(self, other):
    return NotImplemented if isinstance(other, _FOREIGN) else _products.matmul.traced(other, self)


# ---- containers ---------------------------------------------------------------------------------


def _length(self):
    if not self.shape:
        raise TypeError("len() of unsized object")
    return self.shape[0]


def _iterate(self):
    if not self.shape:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(self.shape[0]))


def _contains(self, item):
    refuse_conversion(self, "'in'", "use np.any(x == item), which is traced")


def _getitem(self, index):
    """``x[index]``: a view of what slices select; one element is a scalar."""
    graph = _stack.graph
    if graph is not None and graph.handles:
        result = _assign.enter(graph, _indexing.getitem, "real", (self, index), {})
        if not result.shape and not _has_dots(index):
            result = separate(result)
        return result
    result = _indexing.getitem(self, index)
    if not result.shape and _has_dots(index):
        note_array(result)
    return result


def _has_dots(index):
    return index is Ellipsis or (type(index) is tuple and any(item is Ellipsis for item in index))


def _setattr(self, name, value):
    if name == "flat":
        return _assign.set_flat(self, value)
    if name == "real" or (name == "imag" and self.dtype.kind == "c"):
        return _assign.setitem(getattr(self, name), Ellipsis, value)
    instead = {"shape": "x = x.reshape(shape)", "dtype": "x = x.astype(dtype)"}.get(name)
    advice = f"; use {instead}" if instead else ""
    refuse(
        TraceError(f"{here()}: the attributes of a traced array cannot be set{advice}"),
        self,
    )


# ---- conversions to Python numbers --------------------------------------------------------------

_BRANCH = (
    "use np.where(condition, a, b) for a choice (np.maximum for max), bp.scan for a loop, or "
    "static_argnums for an argument that is not differentiated"
)


def _bool(self):
    refuse_conversion(self, "bool(), as in if, while, and, or, not, max(), min(),", _BRANCH)


def _float(self):
    refuse_conversion(
        self,
        "float(), which the math module calls as well,",
        "use the NumPy function (np.exp for math.exp; for a function of a list of scalars, "
        "np.mean(np.stack([a, b]))), or return the value from the function",
    )


def _format(self, spec):
    if not spec:
        return repr(self)
    refuse_conversion(
        self, "formatting as a number", "return the value from the function and format it there"
    )


def _int(self):
    refuse_conversion(
        self, "int()", "use .astype(int), or static_argnums for an argument that is a plain integer"
    )


def _index(self):
    refuse_conversion(
        self,
        "an integer (as range(), a list's index or a shape does)",
        "use static_argnums or bp.scan, or index a traced array",
        converted=True,
    )


def _complex(self):
    refuse_conversion(self, "complex()", "use .astype(complex), or x + 1j * y for two parts")


def _item(self, *args):
    refuse_conversion(self, "item()", "leave the value traced, or return it from the function")


def _tolist(self):
    refuse_conversion(self, "tolist()", "iterate over the value, or return it from the function")


def _to_array(self, dtype=None, copy=None):
    if self.node.graph.closed and self.node.primitive is not CONSTANT:
        refuse(leaked(self), self)
    foreign = _foreign.refusal()
    if foreign is not None:
        unsupported(foreign, self)
    if self.shape or storing() or doing(READ):
        refuse_conversion(
            self,
            "conversion to a NumPy array",
            "use np.stack or np.concatenate to join traced arrays, and leave np.array and "
            "np.asarray of a traced array out (pybackprop.numpy.asarray accepts it); functions "
            "that do not dispatch (scipy.stats, scipy.linalg, scipy.special.logsumexp, softmax) "
            "have counterparts in pybackprop: pybackprop.linalg, pybackprop.special",
            converted=True,
        )
    # A scalar becomes an object, so that np.array([a, b * c]) is an array of scalars, which every
    # function of ours takes.
    array = np.empty((), object)
    array[()] = self
    return array


# ---- NumPy's protocols --------------------------------------------------------------------------


def _among(result, operands):
    return any(result is x for x in operands)


def _array_ufunc(self, ufunc, method, *inputs, **options):
    out = options.pop("out", None)
    if out is not None and any(o is not None for o in out):
        if all(type(o) is Value for o in out):
            if len(out) == 1:
                out = out[0]
            call = functools.partial(_array_ufunc, self, ufunc, method)
            call.__name__ = ufunc.__name__
            return _assign.into_out(call, inputs, {**options, "out": out})
        refuse(
            TraceError(
                f"{here()}: {ufunc.__name__} would write a traced value into a NumPy array in "
                "place (as a += x does when a is an array and x is traced); write a = a + x instead"
            ),
            self,
        )
    name = ufunc.__name__
    function = _ufuncs.find(name)
    if function is None:
        unsupported(
            f"the NumPy or SciPy function {name} is not supported on traced values; compose it of "
            "those that pybackprop.numpy and pybackprop.special have",
            self,
        )
    if method == "__call__":
        result = (
            function.traced(*inputs, **options)
            if hasattr(function, "traced")
            else function(*inputs, **options)
        )
        return separate(result) if _among(result, inputs) else result
    if method == "at":
        _assign.ufunc_at(name, *inputs)
        return None
    if ufunc.nin == 2 and ufunc.nout == 1 and ufunc.signature is None:
        from .numpy import _ufunc_methods

        ours = getattr(_ufunc_methods, method, None)
        if ours is not None:
            return _assign.entry(ours, name)(name, *inputs, **options)
    unsupported(f"{name}.{method} is not supported on traced values", self)


def _array_function(self, function, types, args, kwargs):
    ours = surface_module.counterpart(function)
    if ours is None:
        name = getattr(function, "__name__", str(function))
        module = getattr(function, "__module__", "numpy") or "numpy"
        unsupported(
            f"{module}.{name} is not supported on traced values; compose it of functions that "
            "pybackprop.numpy has",
            self,
        )
    return ours(*args, **kwargs)


def _array_namespace(self, /, *, api_version=None):
    check_version(api_version)
    return surface_module


def _to_device(self, device, /, *, stream=None):
    """``x`` itself: there is one device, the CPU."""
    check_device(device)
    return self


def _dlpack(self, **options):
    refuse_conversion(self, "__dlpack__()", "return the value from the function, and export it")


# ---- methods ------------------------------------------------------------------------------------


def _method(function, name=None):
    def method(self, *args, **kwargs):
        return traced(self, *args, **kwargs)

    traced = _assign.entry(getattr(function, "traced", function), name)
    method.__name__ = function.__name__
    method.__doc__ = f"See ``numpy.ndarray.{function.__name__}``."
    return method


def _reshape(self, *shape, order="C", copy=None):
    """See ``numpy.ndarray.reshape``."""
    return _reshape_entry(self, shape[0] if len(shape) == 1 else shape, order)


def _transpose(self, *axes):
    """See ``numpy.ndarray.transpose``."""
    if not axes or axes == (None,):
        return _transpose_entry(self)
    return _transpose_entry(self, axes[0] if len(axes) == 1 else axes)


_reshape_entry = _assign.entry(_shaping.reshape.traced)
_transpose_entry = _assign.entry(_shaping.transpose.traced)


def _astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
    """See ``numpy.ndarray.astype``."""
    result = _shaping.astype.traced(self, dtype)
    return separate(result) if copy and result is self else result


def _clip(self, min=None, max=None, out=None, **options):
    """See ``numpy.ndarray.clip``."""
    return _selection.clip.traced(self, min, max, out)


def _compress(self, condition, axis=None, out=None):
    """See ``numpy.ndarray.compress``."""
    return surface_module.compress.traced(condition, self, axis, out)


def _view(self, *args, **kwargs):
    if not args and not kwargs:
        return self
    unsupported("view is not supported on traced values", self)


def _late_method(name):
    """A method by the function of a module that is imported at its first use."""

    def method(self, *args, **kwargs):
        return getattr(surface_module, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"See ``numpy.ndarray.{name}``."
    return method


def _in_place(name):
    """A method that gives an array the contents that a function of the surface makes of it."""

    def method(self, *args, **kwargs):
        graph = writable_graph(self, here)
        graph.assign(self, getattr(surface_module, name).traced(self, *args, **kwargs))

    method.__name__ = name
    method.__doc__ = f"See ``numpy.ndarray.{name}``."
    return method


def _outside(name, instead):
    def method(self, *args, **kwargs):
        refuse_conversion(self, f"{name}()", instead)

    method.__name__ = name
    method.__doc__ = f"Refused: see ``numpy.ndarray.{name}``."
    return method


_RETURNED = "return the value from the function, and do it with the array that comes back"
_REFUSED = {
    "sort": _in_place("sort"),
    "partition": _in_place("partition"),
    "resize": _outside("resize", "values keep their shape; use x = np.resize(x, shape)"),
    "nonzero": _outside(
        "nonzero", "the number of positions would depend on data; use np.where(condition, x, y)"
    ),
    **{
        name: _outside(name, _RETURNED)
        for name in "tobytes tofile dump dumps byteswap getfield setfield setflags".split()
    },
}


def _attribute_of_memory(name):
    def get(self):
        # AttributeError keeps hasattr() of other libraries truthful.
        raise AttributeError(f"a traced value has no {name}: it has no memory while tracing")

    return property(get)


_METHODS = {
    name: getattr(_reduction, name)
    for name in (
        "sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "any", "all",
        "cumsum", "cumprod", "ptp",
    )
} | {
    "dot": _products.dot, "ravel": _shaping.ravel, "flatten": _shaping.ravel,
    "swapaxes": _shaping.swapaxes, "squeeze": _shaping.squeeze, "repeat": _shaping.repeat,
    "take": _picking.take, "diagonal": _picking.diagonal, "trace": _picking.trace,
    "round": _selection.round, "copy": _shaping.copy, "conj": _ufuncs.conjugate,
    "conjugate": _ufuncs.conjugate,
}  # fmt: skip
_LATE_METHODS = ("argsort", "argpartition", "searchsorted", "choose")
# Loops over object arrays call methods named after the ufunc.
_OBJECT_LOOPS = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan arctan2 hypot "
    "sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc rint fabs square reciprocal absolute "
    "sign degrees radians deg2rad rad2deg isnan isinf isfinite signbit logical_not logical_and "
    "logical_or logical_xor maximum minimum fmax fmin fmod copysign logaddexp logaddexp2"
).split()


_FORWARD = {"pow": _power, "matmul": _matmul}


def _put(self, indices, values, mode="raise"):
    """See ``numpy.ndarray.put``."""
    _assign.put(self, indices, values, mode)


def install():
    """Put operators, methods and protocols onto :class:`graph.Value`."""
    for name, ufunc in _BINARY.items():
        setattr(Value, f"__{name}__", _operator(OPERATIONS[ufunc]))
        setattr(Value, f"__r{name}__", _operator(OPERATIONS[ufunc], reflected=True))
    for name, ufunc in _COMPARISONS.items():
        setattr(Value, f"__{name}__", _comparison(OPERATIONS[ufunc]))
    for name, ufunc in _UNARY.items():
        setattr(Value, f"__{name}__", _unary(OPERATIONS[ufunc]))
    for name, function in _METHODS.items():
        setattr(Value, name, _method(function, name))
    for name in _LATE_METHODS:
        setattr(Value, name, _late_method(name))
    for name, ufunc in (*_BINARY.items(), ("pow", "power"), ("matmul", "matmul")):
        forward = _FORWARD.get(name) or getattr(Value, f"__{name}__")
        setattr(Value, f"__i{name}__", _inplace(forward, ufunc))
    for name, method in _REFUSED.items():
        setattr(Value, name, method)
    for name in ("base", "ctypes", "data", "flags", "strides"):
        setattr(Value, name, _attribute_of_memory(name))
    for name in _OBJECT_LOOPS:
        setattr(Value, name, _method(_ufuncs.UFUNCS[name]))
    special = {
        "__pow__": _power,
        "__rpow__": _operator(_ufuncs.operator_power, reflected=True),
        "__divmod__": _divmod,
        "__rdivmod__": _rdivmod,
        "__matmul__": _matmul,
        "__rmatmul__": _rmatmul,
        "__round__": lambda self, digits=None: _selection.round.traced(self, digits or 0),
        "__hash__": object.__hash__,
        "__len__": _length,
        "__iter__": _iterate,
        "__contains__": _contains,
        "__getitem__": _getitem,
        "__setitem__": _assign.setitem,
        "__setattr__": _setattr,
        "__bool__": _bool,
        "__float__": _float,
        "__format__": _format,
        "__int__": _int,
        "__trunc__": _int,
        "__index__": _index,
        "__complex__": _complex,
        "__copy__": separate,
        "__deepcopy__": lambda self, memo: separate(self),
        "__array__": _to_array,
        "__array_ufunc__": _array_ufunc,
        "__array_function__": _array_function,
        "__array_namespace__": _array_namespace,
        "__array_priority__": 1000.0,
        "__dlpack__": _dlpack,
        "__dlpack_device__": lambda self: (1, 0),
        "device": "cpu",
        "to_device": _to_device,
        "reshape": _reshape,
        "transpose": _transpose,
        "astype": _astype,
        "clip": _clip,
        "item": _item,
        "tolist": _tolist,
        "fill": _assign.fill,
        "put": _put,
        "view": _view,
        "compress": _compress,
        "at": property(_updates.at),
        "T": property(_transpose_entry),
        "mT": property(_assign.entry(_shaping.matrix_transpose.traced)),
        "real": property(_assign.entry(_selection.real.traced)),
        "imag": property(_assign.entry(_selection.imag.traced)),
        "nbytes": property(lambda self: self.size * self.dtype.itemsize),
        "itemsize": property(lambda self: self.dtype.itemsize),
        "flat": property(_assign.Flat),
    }
    for name, attribute in special.items():
        setattr(Value, name, attribute)


install()
