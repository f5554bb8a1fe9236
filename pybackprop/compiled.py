"""Compiled functions: traced at the first call per structure, shapes and dtypes; run from C."""

import functools
import gc
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from ._core import Bound, Entry, Function, Tape, flatten, flatten_tree
from .errors import CapturedValueError, TraceError
from .graph import Value, current_graph
from .lowering import assemble, lowered
from .lowering.tape import container
from .mutation import separate
from .passes import LOCAL, optimize
from .trace import contains_value, trace

_MOST_FORMS = 256


class Form:
    """What one compilation made.

    Attributes
    ----------
    graph : Graph
        After all passes.
    tape : Tape
        ``print(tape)`` shows the instructions.
    entry : Entry
        The signature and how the result is put together.
    sections : dict of str to bytes
        Of the tape's container.
    """

    def __init__(self, graph, tape, entry, sections):
        self.graph = graph
        self.tape = tape
        self.entry = entry
        self.sections = sections

    def __repr__(self):
        return f"<Form for {self.entry.signature}>"

    @property
    def memory(self):
        """Bytes that a run needs besides inputs and outputs."""
        return self.tape.workspace_bytes

    @property
    def cost(self):
        """Estimated nanoseconds of a run."""
        return self.tape.cost


class Runnable(Function):
    """What compiled and loaded functions share: forms, one per kind of arguments.

    Attributes
    ----------
    forms : OrderedDict of Signature to Form
        The most recently used last.
    static : frozenset of int
        Positions of static arguments.
    """

    def __repr__(self):
        forms = "1 form" if len(self.forms) == 1 else f"{len(self.forms)} forms"
        return f"<{type(self).__name__} {getattr(self, '__name__', '?')}, {forms}>"

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        from .serialize import reduce

        return reduce(self)

    # ---- calls --------------------------------------------------------------------------------

    def _miss(self, args, kwargs):
        signature, leaves = flatten(args, kwargs, self.static)
        if current_graph() is not None and contains_value(leaves):
            return self._record(args, kwargs)
        signature, leaves = self._normalize(signature, leaves)
        try:
            form = self._form(signature)
        except CapturedValueError:
            if current_graph() is None:
                raise
            # Its arguments are plain, but it uses traced values of the function around it.
            return self._record(args, kwargs)
        self._add_entry(form.entry)
        return form.entry.call(_in_order(form, signature, leaves))

    def _record(self, args, kwargs):
        """Answer a call with traced values by recording into the innermost open graph."""
        raise NotImplementedError

    def _form(self, signature):
        """The form for a signature of plain leaves."""
        raise NotImplementedError

    def _normalize(self, signature, leaves):
        """Leaves as C-contiguous native arrays or numbers, and the signature that they have."""
        plain = [as_plain(leaf) for leaf in leaves]
        args, kwargs = signature.unflatten(plain)
        return flatten(args, kwargs, self.static)

    def _latest(self):
        if not self.forms:
            raise ValueError(
                f"{self.__name__} is compiled when it is first called; call it, or use "
                ".lower(*args)"
            )
        return next(reversed(self.forms.values()))

    # ---- what was made ------------------------------------------------------------------------

    def lower(self, *args, **kwargs):
        """Compile for arguments without running.

        Returns
        -------
        Form
            With attributes ``graph``, ``tape``, ``memory`` and ``cost``.
        """
        signature, leaves = flatten(args, kwargs, self.static)
        signature, _ = self._normalize(signature, leaves)
        return self._form(signature)

    @property
    def graph(self):
        """The graph of the most recent form, after all passes."""
        return self._latest().graph

    @property
    def tape(self):
        """The tape of the most recent form."""
        return self._latest().tape

    @property
    def memory(self):
        """Bytes that a run of the most recent form needs besides inputs and outputs."""
        return self._latest().memory

    @property
    def cost(self):
        """Estimated nanoseconds of a run of the most recent form."""
        return self._latest().cost

    def export_c(self, folder, name):
        """Write the most recent form as C for embedding: ``name.c`` and ``name.h``.

        The file needs a C99 compiler and its mathematical library, nothing of pybackprop and no
        Python; it allocates nothing. The header says what the function takes.

        Parameters
        ----------
        folder : str or os.PathLike
            Made if it is not there.
        name : str
            Of the C function; a C identifier.

        Returns
        -------
        pathlib.Path
            Of the C file.

        Raises
        ------
        ValueError
            If there is no form yet, or the name is no C identifier.
        UnsupportedError
            If the function is too long for a C compiler.

        Examples
        --------
        >>> import tempfile, numpy as np, pybackprop as bp
        >>> f = bp.value_and_grad(lambda x: np.sum(x ** 2))
        >>> f(np.array([1.0, 2.0]))
        (np.float64(5.0), array([2., 4.]))
        >>> f.export_c(tempfile.mkdtemp(), "square").name
        'square.c'
        """
        from .export import export_c

        return export_c(self, folder, name)

    def bind(self, *args, out=None, **kwargs):
        """A call without arguments on fixed buffers: the fastest way to call from Python.

        Parameters
        ----------
        *args, **kwargs
            As for the function; arrays must be C-contiguous and of native byte order. They are
            read at each call, so write new data into them.
        out : pytree of numpy.ndarray, optional
            Where to write the results; of the structure, shapes and dtypes of the result. Made if
            not given.

        Returns
        -------
        Bound
            ``bound()`` runs and returns the same result object each time; scalar results are 0-d
            arrays.

        Raises
        ------
        ValueError
            If a buffer does not fit, or buffers overlap in a way that the tape does not allow.
        """
        signature, leaves = flatten(args, kwargs, self.static)
        normal, plain = self._normalize(signature, leaves)
        form = self._form(normal)
        entry, tape = form.entry, form.tape
        leaves = _in_order(form, signature, leaves)
        plain = _in_order(form, normal, plain)
        inputs = [None] * tape.n_inputs
        for leaf, given, number in zip(plain, leaves, entry.leaf_inputs, strict=True):
            if number < 0:
                continue
            dtype, _ = tape.inputs[number]
            if isinstance(given, np.ndarray) and leaf is not given:
                raise ValueError(
                    "bind needs C-contiguous arrays of native byte order, because it reads the "
                    "very buffers given; pass np.ascontiguousarray(x) and keep it"
                )
            inputs[number] = given if isinstance(given, np.ndarray) else np.array(leaf, dtype)
        for number, array in entry.constants.items():
            inputs[number] = array
        outputs = [np.empty(shape, dtype) for dtype, shape in tape.outputs]
        if out is not None:
            for (kind, x), array in zip(entry.out_kinds, entry.out_tree.collect(out), strict=True):
                if kind in ("array", "scalar"):
                    outputs[x] = array
        leaves_out = []
        for kind, x in entry.out_kinds:
            if kind in ("array", "scalar"):
                leaves_out.append(outputs[x])
            else:
                leaves_out.append(leaves_out[x] if kind == "same" else x)
        return Bound(tape, inputs, outputs, entry.out_tree.unflatten(leaves_out))


class Compiled(Runnable):
    """A function that is traced and compiled when it is first called with arguments of a kind.

    Parameters
    ----------
    function : callable
        Takes and returns arrays, numbers, and nested containers of these.
    backend : {"auto", "interpreter", "native"}
        "native" compiles to machine code with the C compiler found, see docs/native.md; "auto"
        interprets.
    threads : int
        How many threads sweep segments of many rows at the same time; results do not depend on it.
        None is started before the first run that has such segments.
    static_argnums : int or tuple of int
        Positional arguments that are passed to the function as they are; a new value compiles anew.
    """

    def __init__(self, function, *, backend="auto", threads=1, static_argnums=()):
        if backend not in ("auto", "interpreter", "native"):
            raise ValueError(f"backend must be 'auto', 'interpreter' or 'native', not {backend!r}")
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 64:
            raise ValueError(f"threads must be an int from 1 to 64, not {threads!r}")
        if not callable(function):
            raise TypeError(f"expected a function, not {type(function).__name__}")
        self.function = function
        self.static = frozenset(
            (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
        )
        self.options = {"backend": backend, "threads": threads}
        self.forms = OrderedDict()
        self.__name__ = type(function).__name__
        functools.update_wrapper(self, function, updated=())

    def _record(self, args, kwargs):
        graph = current_graph()
        if graph is None or not graph.handles:
            return self.function(*args, **kwargs)
        # Assignments change the arguments within the function only.
        signature, leaves = flatten(args, kwargs, self.static)
        args, kwargs = signature.unflatten([_own(leaf) for leaf in leaves])
        tree, results = flatten_tree(self.function(*args, **kwargs))
        return tree.unflatten([_own(leaf) for leaf in results])

    def _form(self, signature):
        form = self.forms.get(signature)
        if form is None:
            form = make_form(self.function, signature, self.__name__, self.options["backend"])
            self.forms[signature] = form
            form.tape.threads = self.options["threads"]
            if len(self.forms) > _MOST_FORMS:
                self.forms.popitem(last=False)
        else:
            self.forms.move_to_end(signature)
        return form


def _own(leaf):
    return separate(leaf) if isinstance(leaf, Value) else leaf


def _in_order(form, signature, leaves):
    """Leaves of a call in the order of the form's signature, whose dicts may have another."""
    return form.entry.signature.collect(*signature.unflatten(leaves))


def make_form(function, signature, name, backend="auto"):
    """Trace and compile a function for a signature."""
    paused = gc.isenabled()
    # The graph is made of many linked objects, none of them garbage.
    gc.disable()
    try:
        traced = trace(function, signature, LOCAL, name)
        return form_of(traced, signature, backend)
    finally:
        if paused:
            gc.enable()


def form_of(traced, signature, backend="auto"):
    """Compile what was traced."""
    graph = optimize(traced.graph)
    lowering = lowered(graph)
    sections = assemble(lowering)
    tape = Tape(container(sections))
    if backend == "native":
        from .native import attach

        attach(tape, lowering)
    out_kinds, first = [], {}
    for number, (kind, x) in enumerate(traced.out_kinds):
        if kind == "constant":
            out_kinds.append(("constant", x))
        elif x in first:
            out_kinds.append(("same", first[x]))
        else:
            first[x] = number
            out_kinds.append(("array" if graph.outputs[x].shape else "scalar", x))
    entry = Entry(signature, tape, traced.out_tree, traced.leaf_inputs, out_kinds)
    return Form(graph, tape, entry, sections)


def as_plain(leaf):
    """A leaf as a C-contiguous aligned array of native byte order, or a number.

    Raises
    ------
    TraceError
        If it is neither an array nor a number.
    """
    if isinstance(leaf, np.ndarray):
        if type(leaf) is not np.ndarray:
            leaf = _base_array(leaf)
        if leaf.dtype.kind not in "biufc":
            raise TraceError(
                f"an argument is an array of dtype {leaf.dtype}; only numbers can be traced"
            )
        if not leaf.dtype.isnative:
            leaf = leaf.astype(leaf.dtype.newbyteorder("="))
        if not (leaf.flags.c_contiguous and leaf.flags.aligned):
            leaf = np.require(np.array(leaf, order="C"), requirements="CA")
        return leaf
    if isinstance(leaf, (bool, int, float, complex, np.generic)):
        if type(leaf) not in (bool, int, float, complex) and not isinstance(leaf, np.generic):
            # A subclass, such as an IntEnum.
            kind = int if isinstance(leaf, int) else float if isinstance(leaf, float) else complex
            return kind(leaf)
        return leaf
    if hasattr(leaf, "__array__") or hasattr(leaf, "__array_interface__"):
        return as_plain(np.asarray(leaf))
    remedy = "mark the argument static with static_argnums"
    if isinstance(leaf, Iterable) and not isinstance(leaf, (str, bytes)):
        remedy = "convert it to a tuple, list, dict, named tuple or dataclass"
    raise TraceError(
        f"an argument contains an object of type {type(leaf).__name__}, which is no array or "
        f"number; {remedy}"
    )


def _base_array(leaf):
    """An instance of a subclass of ndarray as an ndarray, if that means the same."""
    if isinstance(leaf, np.matrix):
        raise TraceError("an argument is a numpy.matrix; pass np.asarray(x) and multiply by x @ y")
    if isinstance(leaf, np.ma.MaskedArray) and np.ma.is_masked(leaf):
        raise TraceError(
            "an argument is a masked array; pass x.filled(0) and the mask, and use np.where or "
            "sum(..., where=~mask)"
        )
    return np.asarray(leaf)
