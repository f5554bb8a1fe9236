"""Export for embedding: a compiled function as a C file and a header that need nothing else."""

import inspect
import keyword
import re
from pathlib import Path

from . import _core
from .emit import Parameter, emit_export
from .errors import UnsupportedError
from .lowering import assemble, lowered

__all__ = ["export_c"]

_LARGEST = 1_000_000
_C_WORDS = set(
    (
        "auto bool break case catch char class const continue default delete do double else enum "
        "explicit extern false float for friend goto if inline int long mutable namespace new "
        "operator private protected public register restrict return short signed sizeof static "
        "struct switch template this throw true try typedef typename union unsigned using virtual "
        "void volatile while work inputs outputs status main "
    ).split()
)


def export_c(compiled, folder, name):
    """Write the most recent form of a compiled function as ``name.c`` and ``name.h``.

    Parameters
    ----------
    compiled : Runnable
    folder : str or os.PathLike
        Made if it is not there.
    name : str
        Of the C function; a C identifier.

    Returns
    -------
    pathlib.Path
        Of the C file.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name) or name in _C_WORDS:
        raise ValueError(f"the name of a C function must be a C identifier, not {name!r}")
    form = compiled._latest()
    lowering = lowered(form.graph)
    assemble(lowering)
    taken = {name}
    inputs = _inputs(compiled, form, taken)
    outputs = _outputs(form, taken)
    code, header = emit_export(
        lowering, name, inputs, outputs,
        f"{name}: {getattr(compiled, '__name__', name)}, by pybackprop {_core.__version__}.",
    )  # fmt: skip
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.c"
    path.write_text(code, "utf-8")
    (folder / f"{name}.h").write_text(header, "utf-8")
    return path


def _inputs(compiled, form, taken):
    entry, tape = form.entry, form.tape
    names = _leaf_names(compiled, entry.signature)
    inputs = [None] * tape.n_inputs
    for leaf, number in enumerate(entry.leaf_inputs):
        if number >= 0:
            dtype, shape = tape.inputs[number]
            inputs[number] = Parameter(_free(names[leaf], taken), dtype, shape)
    for number, array in entry.constants.items():
        if array.size > _LARGEST:
            raise UnsupportedError(
                f"the function uses an array of {array.size} elements from outside; pass it as an "
                "argument, so that it is not written into the C file"
            )
        dtype, shape = tape.inputs[number]
        inputs[number] = Parameter(_free("given", taken), dtype, shape, array.astype(dtype))
    return inputs


def _outputs(form, taken):
    return [
        Parameter(_free("out" if form.tape.n_outputs == 1 else f"out{k}", taken), dtype, shape)
        for k, (dtype, shape) in enumerate(form.tape.outputs)
    ]


def _leaf_names(compiled, signature):
    """Give a name for each leaf of a call, from the names of arguments and keys."""
    args, kwargs = signature.unflatten(list(range(signature.n_leaves)))
    try:
        parameters = list(inspect.signature(compiled).parameters.values())
        words = [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        words = []
    words += [f"x{k}" for k in range(len(words), len(args))]
    names = [""] * signature.n_leaves
    for word, argument in [*zip(words, args, strict=False), *kwargs.items()]:
        _walk(word, argument, names)
    return [n or f"x{k}" for k, n in enumerate(names)]


def _walk(word, tree, names):
    if isinstance(tree, int):
        names[tree] = word
    elif isinstance(tree, dict):
        for key, branch in tree.items():
            _walk(f"{word}_{key}", branch, names)
    elif isinstance(tree, (list, tuple)):
        keys = getattr(tree, "_fields", range(len(tree)))
        for key, branch in zip(keys, tree, strict=True):
            _walk(f"{word}_{key}", branch, names)
    elif hasattr(tree, "__dataclass_fields__"):
        for key in tree.__dataclass_fields__:
            _walk(f"{word}_{key}", getattr(tree, key), names)


def _free(word, taken):
    word = re.sub(r"\W", "_", word)
    if word in _C_WORDS or keyword.iskeyword(word) or not re.match(r"[A-Za-z]", word):
        word = f"x_{word}"
    name, count = word, 1
    while name in taken:
        count += 1
        name = f"{word}_{count}"
    taken.add(name)
    return name
