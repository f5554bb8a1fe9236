"""Checks of derivatives against differences of values.

Derivatives are compared with central differences that are extrapolated to step zero and come with
an estimate of their own error, along single entries and along a random direction. float32
arguments are widened for the differences, so that these are accurate to far more than float32.
Nothing here knows the rules being checked.

References
----------
Ridders, C. J. F. (1982). Accurate computation of F'(x) and F'(x)F''(x). Advances in Engineering
Software 4(2).
"""

import numpy as np

from ._core import flatten_tree
from .api import compile as compile_function
from .api import jvp, vjp
from .compiled import as_plain
from .errors import DifferentiationError, GradientCheckError
from .graph import Value, recording

__all__ = ["check_grads", "check_jvp", "check_vjp", "numerical_derivative"]

_SHRINK = 4.0
_STEPS = 7
_MOST_STEPS = 18  # close to a border or pole, where larger steps lead across it
_MOST_ENTRIES = 64
_RTOL = {np.dtype(np.float32): 3e-4, np.dtype(np.float64): 1e-6}


def check_grads(
    fn, args, order=2, modes=("forward", "reverse"), atol=None, rtol=None, eps=None, *, seed=0
):
    """Compare derivatives with central differences.

    Every floating entry of the arguments is checked, up to 64 of them (then 64 drawn at random),
    and one random direction through all. Complex arguments and results count as pairs of their real
    and imaginary parts. Higher orders check the derivative of the derivative of one order less, in
    all combinations of modes.

    Parameters
    ----------
    fn : callable
        Takes and returns arrays, numbers and nested containers; smooth near ``args``.
    args : tuple
        Where to check. Leaves that are not floating are left as they are.
    order : int
        Highest order of derivatives.
    modes : sequence of {"forward", "reverse"}
    atol, rtol : float, optional
        Tolerances: ``|found - expected| <= atol + rtol * |expected|``. Chosen by dtype and order
        if not given: rtol is 1e-6 for float64 and 3e-4 for float32, ten times that per further
        order, and atol is rtol times the largest expected entry, plus ten times what the
        differences themselves may be wrong by.
    eps : float, optional
        Largest step of the differences, relative to ``max(1, |x|)``; 0.01 if not given.
    seed : int
        Of the random directions.

    Raises
    ------
    GradientCheckError
        Naming argument, entry, expected and found.
    DifferentiationError
        If no argument is floating.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> bp.check_grads(lambda x, y: np.sum(np.sin(x) * y), (np.arange(3.0), 2.0))
    """
    if isinstance(modes, str):
        modes = (modes,)
    for mode in modes:
        if mode not in ("forward", "reverse"):
            raise ValueError(f"modes are 'forward' and 'reverse', not {mode!r}")
    if order < 1:
        raise ValueError(f"order must be at least 1, and is {order}")
    if recording():
        raise GradientCheckError(
            "check_grads works on numbers; call it outside of traced functions"
        )
    problem = _Problem.of(fn, args)
    _check(problem, order, tuple(modes), _Tolerance(atol, rtol, eps), np.random.default_rng(seed))


def check_jvp(fn, args, atol=None, rtol=None, eps=None, *, seed=0):
    """Check first derivatives in forward mode; see :func:`check_grads`."""
    check_grads(fn, args, 1, ("forward",), atol, rtol, eps, seed=seed)


def check_vjp(fn, args, atol=None, rtol=None, eps=None, *, seed=0):
    """Check first derivatives in reverse mode; see :func:`check_grads`."""
    check_grads(fn, args, 1, ("reverse",), atol, rtol, eps, seed=seed)


def numerical_derivative(function, step=0.01, scale=1.0):
    """Derivative at 0 of a function of one number, by extrapolated central differences.

    Parameters
    ----------
    function : callable
        Takes a float; returns a list of float64 arrays.
    step : float
        Largest step.
    scale : float
        Size of the numbers that the step is added to, for the estimate of rounding errors.

    Returns
    -------
    derivatives, errors : list of numpy.ndarray
        Per array, and an estimate of how wrong each entry may be; NaN and infinity where no step
        gave finite values.
    """
    best, errors, previous, above = None, None, [], ()
    eps = np.finfo(float).eps
    with np.errstate(all="ignore"):
        for level in range(_MOST_STEPS):
            if level >= _STEPS and all(map(_settled, best, errors, above)):
                break
            h = step / _SHRINK**level
            # The steps as the numbers that are added to see them.
            h = (scale + h) - scale
            if h == 0.0:
                break
            above, below = function(h), function(-h)
            row = [[(a - b) / (2 * h) for a, b in zip(above, below, strict=True)]]
            noise = [
                4 * eps * np.maximum(np.abs(a), np.abs(b)) / h
                for a, b in zip(above, below, strict=True)
            ]
            if best is None:
                best = [np.full_like(d, np.nan) for d in row[0]]
                errors = [np.full(d.shape, np.inf) for d in row[0]]
            for j, older in enumerate(previous[:_STEPS]):
                factor = _SHRINK ** (2 * (j + 1))
                finer = row[j]
                row.append(
                    [(factor * f - o) / (factor - 1) for f, o in zip(finer, older, strict=True)]
                )
                for k, new in enumerate(row[-1]):
                    error = np.maximum(np.abs(new - finer[k]), np.abs(new - older[k])) + noise[k]
                    better = error < errors[k]
                    best[k] = np.where(better, new, best[k])
                    errors[k] = np.where(better, error, errors[k])
            previous = row
    return best, errors


def _settled(best, errors, values):
    """Whether smaller steps would not make a derivative much better."""
    size = 1e-8 * np.max(np.abs(best), initial=0.0) + 1e-9 * np.max(np.abs(values), initial=0.0)
    return bool((errors <= size).all())


class _Tolerance:
    def __init__(self, atol, rtol, eps):
        self.atol, self.rtol, self.eps = atol, rtol, 0.01 if eps is None else eps

    def bounds(self, expected, errors, dtype, level):
        rtol = _RTOL[dtype] * 10.0**level if self.rtol is None else self.rtol
        largest = np.max(np.abs(expected), initial=0.0)
        if self.atol is not None:
            atol = self.atol
        else:
            # What the differences do not know cannot be checked; a lot of that is a failure too.
            atol = rtol * max(largest, 1e-3) + np.minimum(10 * errors, 1e-2 * max(largest, 1.0))
        return atol + rtol * np.abs(expected)


class _Problem:
    """A function of a flat list of floating leaves that returns a list of floating leaves.

    Attributes
    ----------
    function : callable
    leaves : list of numpy.ndarray
    names : list of str
        What to call each leaf in an error.
    text : str
        What is being checked.
    """

    def __init__(self, function, leaves, names, text, level=0):
        self.function = function
        self.leaves = leaves
        self.names = names
        self.text = text
        self.level = level

    @classmethod
    def of(cls, fn, args):
        tree, leaves = flatten_tree(tuple(args))
        leaves = [as_plain(leaf) for leaf in leaves]
        names = leaf_names(tree)
        chosen = [i for i, leaf in enumerate(leaves) if np.asarray(leaf).dtype.kind in "fc"]
        if not chosen:
            raise DifferentiationError(
                "no argument is floating, so there is no derivative to check"
            )

        kinds = [np.asarray(leaves[i]).dtype.kind for i in chosen]

        def function(*floats):
            filled, parts = list(leaves), iter(floats)
            for i, kind in zip(chosen, kinds, strict=True):
                filled[i] = next(parts) + 1j * next(parts) if kind == "c" else next(parts)
            results = flatten_tree(fn(*tree.unflatten(filled)))[1]
            return [p for r in results for p in _parts(r) if _is_floating(p)]

        return cls(
            function,
            [np.array(p) for i in chosen for p in _parts(np.asarray(leaves[i]))],
            [
                names[i] + part
                for i, kind in zip(chosen, kinds, strict=True)
                for part in ((" (real part)", " (imaginary part)") if kind == "c" else ("",))
            ],
            getattr(fn, "__name__", "function"),
        )

    def derived(self, function, text):
        """Another function of the same leaves, one order higher."""
        return _Problem(function, self.leaves, self.names, text, self.level + 1)


def _parts(leaf):
    """The parts of a complex leaf; others as they are."""
    dtype = getattr(leaf, "dtype", None)
    return (leaf.real, leaf.imag) if dtype is not None and dtype.kind == "c" else (leaf,)


def _is_floating(leaf):
    if isinstance(leaf, Value):
        return leaf.dtype.kind == "f"
    return isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fO"


def leaf_names(tree, roots=()):
    """For every leaf of a tuple of arguments a name such as ``argument 0['w'][1]``.

    Parameters
    ----------
    tree : Tree
    roots : sequence of str
        Names of the arguments, as far as they are known.
    """
    names = []

    def walk(spec, name):
        kind = spec[0]
        if kind == "leaf":
            names.append(name)
        elif kind not in ("none", "static"):
            if kind in ("tuple", "list"):
                labels = [f"[{i}]" for i in range(len(spec[1]))]
            elif kind == "dict":
                labels = [f"[{key!r}]" for key in spec[1]]
            else:
                fields = spec[1]._fields if kind == "namedtuple" else spec[2]
                labels = [f".{field}" for field in fields]
            for label, child in zip(labels, spec[-1], strict=True):
                walk(child, name + label)

    for number, child in enumerate(tree.spec[1]):
        walk(child, roots[number] if number < len(roots) else f"argument {number}")
    return names


# ---- one order ----------------------------------------------------------------------------------


def _check(problem, order, modes, tolerance, rng):
    numeric = _Differences(problem, tolerance.eps)
    outputs = numeric.outputs
    if not outputs:
        raise DifferentiationError(f"{problem.text} returns nothing floating")
    for output in outputs:
        if not np.isfinite(output).all():
            raise GradientCheckError(
                f"{problem.text} is not finite at the arguments given: no derivative to check"
            )
    tangents = [rng.normal(size=x.shape).astype(x.dtype) for x in problem.leaves]
    cotangents = [rng.normal(size=y.shape).astype(y.dtype) for y in outputs]
    entries = _entries(problem.leaves, rng)
    for mode in modes:
        if mode == "forward":
            _check_forward(problem, numeric, tangents, entries, tolerance)
        else:
            _check_reverse(problem, numeric, tangents, cotangents, entries, tolerance)
    if order < 2:
        return
    for mode in modes:
        if mode == "forward":

            def derivative(*leaves):
                return list(jvp(problem.function, leaves, tangents)[1])
        else:

            def derivative(*leaves):
                return list(vjp(problem.function, *leaves)[1](cotangents))

        inner = problem.derived(derivative, f"the {mode} derivative of {problem.text}")
        _check(inner, order - 1, modes, tolerance, rng)


class _Differences:
    """Values of a problem and their differences, in float64."""

    def __init__(self, problem, eps):
        self.eps = eps
        # Lists are returned by the compiled function as they are by the problem's.
        self.compiled = compile_function(problem.function)
        self.outputs = [np.asarray(y) for y in self.compiled(*problem.leaves)]
        self.leaves = [x.astype(np.float64) for x in problem.leaves]
        try:
            self.compiled(*self.leaves)
            self.dtypes = [x.dtype for x in self.leaves]
        except TypeError:
            # A function that insists on float32, such as a loop with a carry of that.
            self.dtypes = [x.dtype for x in problem.leaves]

    def along(self, direction):
        """Derivatives of the outputs along a direction, one array per leaf, and their errors."""
        sizes = [
            np.max(np.abs(d) / np.maximum(1.0, np.abs(x)), initial=0.0)
            for d, x in zip(direction, self.leaves, strict=True)
        ]
        step = self.eps / max(*sizes, 1e-300)

        def at(t):
            moved = [
                (x + t * d).astype(dtype)
                for x, d, dtype in zip(self.leaves, direction, self.dtypes, strict=True)
            ]
            return [np.asarray(y, np.float64) for y in self.compiled(*moved)]

        return numerical_derivative(at, step)


def _entries(leaves, rng):
    """Pairs (leaf, flat index) of the entries to check."""
    entries = [(i, k) for i, x in enumerate(leaves) for k in range(x.size)]
    if len(entries) > _MOST_ENTRIES:
        chosen = rng.choice(len(entries), _MOST_ENTRIES, replace=False)
        entries = [entries[i] for i in sorted(chosen)]
    return entries


def _unit(leaves, entry):
    direction = [np.zeros(x.shape, x.dtype) for x in leaves]
    number, index = entry
    direction[number].reshape(-1)[index] = 1
    return direction


def _where(problem, entry):
    if entry is None:
        return "a random direction through all arguments"
    number, index = entry
    place = np.unravel_index(index, problem.leaves[number].shape)
    return problem.names[number] + (f" at {_index_text(place)}" if place else "")


def _index_text(place):
    return f"[{', '.join(str(int(i)) for i in place)}]"


def _check_forward(problem, numeric, tangents, entries, tolerance):
    for entry in [*entries, None]:
        direction = tangents if entry is None else _unit(problem.leaves, entry)
        found = jvp(problem.function, problem.leaves, direction)[1]
        expected, errors = numeric.along(direction)
        for k, (f, e, error) in enumerate(zip(found, expected, errors, strict=True)):
            bounds = tolerance.bounds(e, error, numeric.outputs[k].dtype, problem.level)
            _compare(problem, "forward", entry, k, np.asarray(f), e, error, bounds)


def _check_reverse(problem, numeric, tangents, cotangents, entries, tolerance):
    _, pullback = vjp(problem.function, *problem.leaves)
    gradients = pullback(cotangents)
    for entry in [*entries, None]:
        direction = tangents if entry is None else _unit(problem.leaves, entry)
        derivatives, errors = numeric.along(direction)
        parts = [(c, d, e) for c, d, e in zip(cotangents, derivatives, errors, strict=True)]
        expected = sum(float(np.sum(c.astype(float) * d)) for c, d, _ in parts)
        error = sum(float(np.sum(np.abs(c) * e)) for c, _, e in parts)
        found = sum(
            float(np.sum(g.astype(float) * d)) for g, d in zip(gradients, direction, strict=True)
        )
        size = sum(float(np.sum(np.abs(c * d))) for c, d, _ in parts)
        dtype = np.result_type(*[x.dtype for x in (*problem.leaves, *numeric.outputs)])
        if any(x.dtype == np.float32 for x in (*problem.leaves, *numeric.outputs)):
            dtype = np.dtype(np.float32)
        bounds = tolerance.bounds(np.array(expected), np.array(error), dtype, problem.level)
        if tolerance.atol is None:
            bounds = bounds + _RTOL[dtype] * 10.0**problem.level * size
        _compare(
            problem, "reverse", entry, None, np.array(found), np.array(expected), error, bounds
        )


def _compare(problem, mode, entry, output, found, expected, error, bounds):
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(found - expected) <= bounds)
    if not wrong.any():
        return
    place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    error = np.broadcast_to(error, wrong.shape)[place]
    of = "the output" if output is None else f"output {output}"
    if place:
        of += f" at {_index_text(place)}"
    along = " with a random cotangent" if mode == "reverse" else ""
    raise GradientCheckError(
        f"{problem.text}: the {mode}-mode derivative of {of}{along} by "
        f"{_where(problem, entry)} is wrong: "
        f"expected {expected[place]:.10g} (by differences, good to about {error:.1g}), "
        f"found {found[place]:.10g}"
    )
