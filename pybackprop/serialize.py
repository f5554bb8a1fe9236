"""Saving and loading compiled functions, and pickling them.

A file is the container of docs/tape.md, so the C core runs it as it is; the sections
``signature`` and ``graph`` add what Python needs to call it and to differentiate it again. Of a
function with several forms, the most recent one has its sections in the container itself and each
further one is a whole container in a section ``form.1``, ``form.2`` and so on. Everything read is
checked before use: a damaged file is an error, never a crash.
"""

import json
import os
import pickle
import struct
import sys
import zlib
from collections import OrderedDict

import numpy as np

from . import api
from ._core import Entry, Signature, Tape, Tree, flatten
from .compiled import Compiled, Form, Runnable, as_plain
from .differentiate import inline
from .errors import TapeError
from .flatgraph import Blobs, decode, encode, read_dtype, read_shape, uncollected
from .graph import Value, current_graph
from .lowering.tape import container, sections_of
from .trace import as_traceable

__all__ = ["Loaded", "load", "save"]

VERSION = 1
LARGEST_CONSTANTS = 100_000_000
_FRONT_END = ("signature", "graph", "blobs")
_FRONT_END_ERRORS = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip


def save(compiled, file, *, graph=True):
    """Write a compiled function to a file.

    The file holds every form that the function was compiled for, is independent of the source,
    and can be run by a C program as well (see ``csrc/README.md``). The arguments come in the
    order of ``pickle.dump`` and ``joblib.dump``.

    Parameters
    ----------
    compiled : Compiled or Loaded
        Called at least once, or compiled by ``compiled.lower(*args)``.
    file : str, os.PathLike or binary file
        Where to write.
    graph : bool
        Whether to add the graph, without which the loaded function can be called but not
        differentiated, batched or used inside another traced function.

    Raises
    ------
    TypeError
        If a static argument or a constant that the function returns cannot be written.
    ValueError
        If the function has no form yet, or more than 100 MB of constants are part of it: pass
        data as arguments.

    See Also
    --------
    load

    Examples
    --------
    >>> import io, numpy as np, pybackprop as bp
    >>> f = bp.value_and_grad(lambda x: np.sum(x ** 2))
    >>> f(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    >>> file = io.BytesIO()
    >>> bp.save(f, file)
    >>> _ = file.seek(0)
    >>> bp.load(file)(np.array([3.0, 0.0]))
    (np.float64(9.0), array([6., 0.]))
    """
    if not isinstance(compiled, Runnable):
        swapped = isinstance(file, Runnable)
        advice = "bp.save(compiled, file) takes the function first" if swapped else "see bp.compile"
        raise TypeError(f"expected a compiled function, not {type(compiled).__name__}; {advice}")
    if not compiled.forms:
        raise ValueError(
            f"{compiled.__name__} has no form yet; call it once, or use .lower(*args), then save it"
        )
    data = to_bytes(compiled, graph, LARGEST_CONSTANTS)
    if hasattr(file, "write"):
        file.write(data)
        return
    with open(os.fspath(file), "wb") as opened:
        opened.write(data)


def load(file):
    """Read a compiled function from a file that :func:`save` wrote.

    Parameters
    ----------
    file : str, os.PathLike, binary file or bytes
        What to read.

    Returns
    -------
    Loaded
        Callable as the saved function was, with arguments of the saved signatures.

    Raises
    ------
    TapeError
        If the file is damaged, or of a version that cannot be read.

    Examples
    --------
    See :func:`save`.
    """
    if hasattr(file, "read"):
        data = file.read()
    elif isinstance(file, (bytes, bytearray, memoryview)):
        data = file
    else:
        with open(os.fspath(file), "rb") as opened:
            data = opened.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError("load needs a file opened in binary mode, 'rb'")
    return Loaded(bytes(data))


class Loaded(Runnable):
    """A compiled function read from a file, with no source to compile anything new from.

    Parameters
    ----------
    data : bytes
        As from :func:`save`.

    Attributes
    ----------
    signatures : list of Signature
        What it can be called with.
    graph, tape, memory, cost
        Of its most recent form.
    """

    def __init__(self, data):
        name, static, forms = from_bytes(data)
        self.__name__ = self.__qualname__ = name
        self.static = static
        self.forms = OrderedDict((form.entry.signature, form) for form in forms)
        for form in forms[-4:]:
            self._add_entry(form.entry)

    @property
    def signatures(self):
        """What it can be called with, the most recent last."""
        return [form.entry.signature for form in self.forms.values()]

    def _form(self, signature):
        form = self.forms.get(signature)
        if form is None:
            form = self._similar(signature)
        return form

    def _similar(self, signature):
        """Find the form for leaves of these dtypes and shapes, be they numbers or arrays."""
        for loose in (False, True):
            for form in self.forms.values():
                if _fits(form.entry.signature, signature, loose):
                    return form
        listed = "\n".join(f"  {s!r}" for s in self.signatures)
        raise TypeError(
            f"{self.__name__} was loaded from a file and has no form for {signature!r}; it has\n"
            f"{listed}\n"
            "Compile the function for these arguments and save it again, or convert the arguments"
        )

    def _record(self, args, kwargs):
        signature, leaves = flatten(args, kwargs, self.static)
        leaves = [as_traceable(leaf) for leaf in leaves]
        kinds = [_kind(leaf) for leaf in leaves]
        form = self._similar(Signature(signature.tree, tuple(kinds)))
        leaves = form.entry.signature.collect(*signature.unflatten(leaves))
        target = current_graph()
        operands = [None] * len(form.graph.inputs)
        for leaf, number in zip(leaves, form.entry.leaf_inputs, strict=True):
            if number >= 0:
                dtype = form.graph.inputs[number].dtype
                if not isinstance(leaf, Value):
                    leaf = np.asarray(as_plain(leaf), dtype)
                operands[number] = target.adopt(leaf)
        for number, array in form.entry.constants.items():
            operands[number] = target.adopt(array)
        outputs = inline(form.graph, operands)
        results = []
        for kind, x in form.entry.out_kinds:
            if kind in ("array", "scalar"):
                results.append(outputs[x])
            else:
                results.append(results[x] if kind == "same" else x)
        return form.entry.out_tree.unflatten(results)


def _kind(leaf):
    if isinstance(leaf, Value):
        kind = "array" if leaf.shape else "float" if leaf.weak else "scalar"
        return (kind, leaf.dtype, leaf.shape)
    return flatten((as_plain(leaf),))[0].leaves[0]


def _fits(own, given, loose):
    """Whether a form can answer a call; ``loose`` with f(2) for f(2.0)."""
    blank = ("*",) * own.n_leaves
    if given.n_leaves != own.n_leaves or Signature(own.tree, blank) != Signature(given.tree, blank):
        return False
    leaves = own.collect(*given.unflatten(list(given.leaves)))
    return all(
        mine[1:] == theirs[1:] or (loose and mine[0] == "float" and theirs[0] == "int")
        for mine, theirs in zip(own.leaves, leaves, strict=True)
    )


class _SavedForm(Form):
    """A form whose graph is read when it is first asked for."""

    def __init__(self, tape, entry, sections, described, blobs):
        self.tape = tape
        self.entry = entry
        self.sections = sections
        self.described = described
        self.blobs = blobs

    def __getattr__(self, name):
        # Reached only while there is no attribute ``graph``.
        if name != "graph":
            raise AttributeError(f"a form has no attribute {name!r}")
        if self.described is None:
            raise TapeError("this function was saved without its graph, so it can only be called")
        graph = decode(_from_json(self.described, "graph"), self.blobs)
        for values, arrays in (
            (graph.inputs, self.tape.inputs),
            (graph.outputs, self.tape.outputs),
        ):
            if [(v.dtype, v.shape) for v in values] != list(arrays):
                raise TapeError("the saved graph is damaged: it does not belong to its tape")
        self.graph = graph
        self.described = self.blobs = None
        return graph


# ---- bytes --------------------------------------------------------------------------------------


def to_bytes(runnable, graph=True, largest=None):
    """The file of all forms of a function, the most recent first."""
    files = []
    for form in reversed(runnable.forms.values()):
        files.append(_form_sections(runnable, form, graph))
        constants = max(len(files[-1]["consts"]), len(files[-1].get("blobs", b"")))
        if largest is not None and constants > largest:
            raise ValueError(
                f"{runnable.__name__} has {constants / 1e6:.0f} MB of constants in it, which would "
                f"all be written (at most {largest / 1e6:.0f} MB are); pass large arrays as "
                "arguments, instead of using them from outside of the function"
            )
    sections = files[0]
    for number, further in enumerate(files[1:], 1):
        sections[f"form.{number}"] = container(_summed(further))
    return container(_summed(sections))


def _form_sections(runnable, form, graph):
    entry = form.entry
    sections = {k: v for k, v in form.sections.items() if k not in _FRONT_END}
    blobs = Blobs(sections["consts"])
    signature = {
        "version": VERSION,
        "name": runnable.__name__,
        "static": sorted(runnable.static),
        "tree": entry.signature.tree.describe(),
        "leaves": [
            [kind, None if dtype is None else dtype.name, list(shape)]
            for kind, dtype, shape in entry.signature.leaves
        ],
        "leaf_inputs": list(entry.leaf_inputs),
        "out_tree": entry.out_tree.describe(),
        "out_kinds": [
            [kind, _encode_constant(x, blobs) if kind == "constant" else x]
            for kind, x in entry.out_kinds
        ],
        "constants": [[k, blobs.add(array)] for k, array in entry.constants.items()],
    }
    if graph:
        try:
            described = form.graph
        except TapeError:
            described = None  # loaded from a file that has none
        if described is not None:
            sections["graph"] = _to_json(encode(described, blobs))
    sections["signature"] = _to_json(signature)
    sections["blobs"] = blobs.to_bytes()
    return sections


def _summed(sections):
    """Sections and their checksums."""
    sums = [zlib.crc32(data) for data in sections.values()]
    return {**sections, "crc32": struct.pack(f"<{len(sums)}I", *sums)}


def _checked(data):
    """The sections of a file, if their checksums are right."""
    sections = sections_of(data)
    sums = sections.pop("crc32", None)
    if sums is not None:
        if len(sums) != 4 * len(sections):
            raise TapeError(
                "damaged file: it has another number of sections than when it was written"
            )
        expected = struct.unpack(f"<{len(sections)}I", sums)
        for (name, part), total in zip(sections.items(), expected, strict=True):
            if zlib.crc32(part) != total:
                raise TapeError(f"damaged file: the checksum of its section {name!r} is wrong")
    return sections


def from_bytes(data):
    """Name, static arguments and forms of a file, the most recent form last."""
    sections = _checked(data)
    further = []
    while f"form.{len(further) + 1}" in sections:
        further.append(sections.pop(f"form.{len(further) + 1}"))
    name, static, form = _read_form(sections)
    forms = [_read_form(_checked(part))[2] for part in reversed(further)]
    return name, static, [*forms, form]


def _read_form(sections):
    if "signature" not in sections:
        raise TapeError(
            "this tape has no signature, so Python cannot call it; see pybackprop._core.Tape"
        )
    described = _from_json(sections["signature"], "signature")
    own = {k: v for k, v in sections.items() if k not in _FRONT_END}
    tape = Tape(container(own))
    blobs = Blobs(sections.get("consts", b""), sections.get("blobs", b""))
    try:
        if described["version"] != VERSION:
            raise TapeError(
                f"the file's signature is of version {described['version']}; this pybackprop "
                f"reads {VERSION}"
            )
        static = described["static"]
        if not all(type(i) is int for i in static):
            raise ValueError("static arguments have numbers")
        entry = _read_entry(described, tape, blobs)
        name = str(described["name"])
    except TapeError:
        raise
    except _FRONT_END_ERRORS as error:
        raise TapeError(f"the file's signature is damaged: {error}") from error
    return name, frozenset(static), _SavedForm(tape, entry, own, sections.get("graph"), blobs)


def _read_entry(described, tape, blobs):
    tree = Tree.from_description(described["tree"])
    _check_call_tree(tree.spec)
    leaves = []
    for kind, dtype, shape in described["leaves"]:
        if kind not in ("array", "scalar", "float", "int", "bool", "complex"):
            raise ValueError(f"{kind!r} is no kind of argument")
        leaves.append((kind, read_dtype(dtype), read_shape(shape)))
    if len(leaves) != tree.n_leaves:
        raise ValueError("it has another number of leaves than its structure")
    out_tree = Tree.from_description(described["out_tree"])
    out_kinds = []
    for number, (kind, x) in enumerate(described["out_kinds"]):
        if kind == "constant":
            x = _decode_constant(x, blobs)
        elif type(x) is not int or not 0 <= x < (number if kind == "same" else tape.n_outputs):
            raise ValueError(f"there is no result {x!r}")
        out_kinds.append((str(kind), x))
    leaf_inputs = described["leaf_inputs"]
    if not all(type(k) is int and -1 <= k < tape.n_inputs for k in leaf_inputs):
        raise ValueError("arguments feed inputs that do not exist")
    constants = {}
    for k, array in described["constants"]:
        if type(k) is not int:
            raise ValueError("inputs have numbers")
        constants[k] = blobs.get(array)
    signature = Signature(tree, tuple(leaves))
    return Entry(signature, tape, out_tree, leaf_inputs, out_kinds, constants)


def _check_call_tree(spec):
    """Raise unless a structure is that of a call: a tuple of a tuple and a dict with names."""
    right = (
        spec[0] == "tuple"
        and len(spec[1]) == 2
        and spec[1][0][0] == "tuple"
        and spec[1][1][0] == "dict"
        and all(type(name) is str for name in spec[1][1][1])
    )
    if not right:
        raise ValueError("its structure is not that of a call")


def _encode_constant(x, blobs):
    """A constant that the function returns, in JSON's types."""
    if x is None or type(x) in (bool, int, str):
        return x
    if type(x) is float:
        return {"float": x.hex()}
    if type(x) is complex:
        return {"complex": [x.real.hex(), x.imag.hex()]}
    if type(x) is bytes:
        return {"bytes": x.hex()}
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
        kind = "array" if isinstance(x, np.ndarray) else "scalar"
        return {kind: blobs.add(x)}
    raise TypeError(
        f"the function returns a {type(x).__name__} as a constant, {x!r}, which cannot be saved"
    )


def _decode_constant(data, blobs):
    if data is None or type(data) in (bool, int, str):
        return data
    ((kind, body),) = data.items()
    if kind == "float":
        return float.fromhex(body)
    if kind == "complex":
        real, imag = body
        return complex(float.fromhex(real), float.fromhex(imag))
    if kind == "bytes":
        return bytes.fromhex(body)
    if kind in ("array", "scalar"):
        array = blobs.get(body)
        return array if kind == "array" else array[()]
    raise ValueError(f"{kind!r} is no kind of constant")


def _to_json(data):
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def _from_json(data, name):
    try:
        with uncollected():
            result = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TapeError(f"damaged file: its section {name!r} is no JSON ({error})") from error
    if type(result) is not dict:
        raise TapeError(f"damaged file: its section {name!r} is no JSON object")
    return result


# ---- pickle -------------------------------------------------------------------------------------


def reduce(runnable):
    """Give pickle the forms of a function, and the Python function by reference if that can be.

    Raises
    ------
    TypeError
        If there is neither.
    """
    function = None
    if isinstance(runnable, Compiled):
        try:
            function = pickle.dumps(_recipe(runnable.function))
        except Exception:  # lambdas, closures and whatever else pickle refuses
            function = None
    if not runnable.forms and function is None:
        name = getattr(runnable, "__qualname__", "")
        if _found(getattr(runnable, "__module__", None), name) is runnable:
            return name  # decorated: pickle looks it up
        raise TypeError(
            f"{runnable.__name__} cannot be pickled: its function is no module-level function, and "
            "it has not been compiled yet; call it once, or use .lower(*args)"
        )
    data = None
    if runnable.forms:
        try:
            data = to_bytes(runnable)
        except TypeError:
            data = to_bytes(runnable, graph=False)
    options = getattr(runnable, "options", {})
    return (_restore, (function, {**options, "static_argnums": tuple(runnable.static)}, data))


def _recipe(function):
    """Describe a function by picklable parts: itself, or how it was transformed from another."""
    ours = getattr(function, "__globals__", {}).get("__package__") == api.__name__
    if ours and hasattr(function, "recipe"):
        transformation, inner, options = function.recipe
        return (transformation, _recipe(inner), options)
    # Pickled now, so that one that cannot be is found out.
    pickle.dumps(function)
    return ("function", function, ())


def _follow(recipe):
    """Give the function that :func:`_recipe` described."""
    transformation, inner, options = recipe
    if transformation == "function":
        return inner
    return getattr(api, transformation)(_follow(inner), *options).function


def _found(module, name):
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _restore(function, options, data):
    """Make a function of what :func:`reduce` gave."""
    if function is not None:
        try:
            function = _follow(pickle.loads(function))
        except Exception:  # its module is not here; the forms run without it
            function = None
    if function is None:
        if data is None:
            raise pickle.UnpicklingError("neither the function nor a compiled form of it is here")
        return Loaded(data)
    compiled = Compiled(function, **options)
    # Native code is not in the file: it is found in the cache, or made again, at the next call.
    if data is not None and options.get("backend") != "native":
        forms = from_bytes(data)[2]
        compiled.forms.update((form.entry.signature, form) for form in forms)
        for form in forms[-4:]:
            compiled._add_entry(form.entry)
    return compiled
