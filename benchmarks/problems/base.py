"""What a benchmark problem is: an objective, its data, and an answer to check against.

A problem knows nothing of the libraries. It writes its objective once, over an `ops` object that
an adapter supplies (`ops.np` is the library's array namespace, `ops.scan` its loop). The reference
that every library's answer is compared with depends on no differentiation library at all:

* a problem with few parameters is differentiated by a complex step in extended precision through
  its own objective, one parameter at a time;
* a problem with many derives its gradient by hand in plain NumPy. The formula, run in extended
  precision, is the reference, and is itself compared with a complex step in a random direction
  (`check_by_hand`);
* ADBench's problems come with reference derivatives in files.
"""

from dataclasses import dataclass, field

import numpy as np

# So small that its square vanishes beside 1 in any precision, and nothing is subtracted.
STEP = np.longdouble(1e-30)


def leaves(tree):
    """The arrays of a tree of dicts, lists and tuples, in order.

    Parameters
    ----------
    tree : array, dict, list or tuple
        Dicts are walked in sorted key order, so that two libraries that return their dicts in
        different orders still give the same list.

    Returns
    -------
    list
        The leaves.
    """
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree]


def rebuild(tree, new_leaves):
    """A tree of the structure of `tree` whose leaves are `new_leaves`, in the order of `leaves`."""
    new_leaves = iter(new_leaves)

    def walk(branch):
        if isinstance(branch, dict):
            made = {key: walk(branch[key]) for key in sorted(branch)}
            return {key: made[key] for key in branch}
        if isinstance(branch, (list, tuple)):
            return type(branch)([walk(twig) for twig in branch])
        return next(new_leaves)

    return walk(tree)


def map_tree(fn, tree):
    """Apply `fn` to every leaf of a tree of dicts, lists and tuples, keeping its structure."""
    return rebuild(tree, [fn(leaf) for leaf in leaves(tree)])


def complex_steps(fn, x, data):
    """Value and gradient of a scalar function by one complex step for each parameter.

    Parameters
    ----------
    fn : callable
        ``fn(x, *data)``, analytic, in plain NumPy.
    x : array or tree of arrays
        Where, in extended precision.
    data : tuple of arrays
        The other arguments.

    Returns
    -------
    value : np.longdouble
    gradient : array or tree of arrays

    References
    ----------
    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1998), 110-112.
    """
    flat = leaves(x)
    gradient = [np.empty_like(a) for a in flat]
    for number, array in enumerate(flat):
        for index in np.ndindex(array.shape):
            stepped = [a.astype(np.clongdouble) for a in flat]
            stepped[number][index] += 1j * STEP
            value = fn(rebuild(x, stepped), *data)
            gradient[number][index] = value.imag / STEP
    return value.real, rebuild(x, gradient)


@dataclass
class Case:
    """One problem at one size: what is handed to each adapter.

    Attributes
    ----------
    problem : Problem
        Where the case comes from.
    label : str
        Name of the row in the table, for instance ``"rosenbrock n=10"``.
    x : array or tree of arrays
        The differentiated argument.
    data : tuple of arrays
        The other arguments: constant from call to call.
    dims : tuple of int
        The sizes that the hand-written C needs.
    rtol : float
        Allowed error of the value, and of each gradient array relative to its largest entry.
    tags : frozenset of str
        Which of the bars this case belongs to ("small", "large", ...).
    value_shape : tuple of int
        Shape of the value.
    derivative : array, tree of arrays or None
        What the derivative looks like; None if it is like `x`.
    """

    problem: "Problem"
    label: str
    x: object
    data: tuple = ()
    dims: tuple = ()
    rtol: float = 1e-10
    tags: frozenset = field(default_factory=frozenset)
    value_shape: tuple = ()
    derivative: object = None

    @property
    def dtype(self):
        """The one dtype of all floating point arrays of the case."""
        return leaves(self.x)[0].dtype

    def blank(self):
        """Arrays for a value and for its derivative, of the right shapes."""
        like = self.x if self.derivative is None else self.derivative
        return np.empty(self.value_shape, self.dtype), map_tree(np.empty_like, like)

    def reference(self):
        """Value and derivative leaves, from the problem.

        Returns
        -------
        value : np.longdouble or array
        gradient : list of array
        """
        value, gradient = self.problem.reference(self)
        return value, leaves(gradient)

    def error(self, answer, reference):
        """Why an answer is wrong, or None if it is right.

        Parameters
        ----------
        answer : tuple
            ``(value, gradient)`` as an adapter returned it, gradient a tree like `x`.
        reference : tuple
            From `reference`.

        Returns
        -------
        str or None
        """
        value, gradient = answer
        gradient = leaves(gradient)
        value_ref, gradient_ref = reference
        if not isinstance(value, float) and np.asarray(value).dtype != self.dtype:
            return f"value is {np.asarray(value).dtype}, not {self.dtype}"
        if np.shape(value) != np.shape(value_ref):
            return f"value has shape {np.shape(value)}, not {np.shape(value_ref)}"
        scale = max(np.max(np.abs(value_ref)), 1e-30)
        if not np.max(np.abs(value - value_ref)) <= self.rtol * scale:
            if np.ndim(value_ref):
                return f"value differs by {float(np.max(np.abs(value - value_ref)) / scale):.1e}"
            return f"value {float(value)!r}, reference {float(value_ref)!r}"
        if len(gradient) != len(gradient_ref):
            return f"{len(gradient)} gradient arrays instead of {len(gradient_ref)}"
        for i, (got, want) in enumerate(zip(gradient, gradient_ref, strict=True)):
            if not isinstance(got, np.ndarray if np.ndim(want) else (np.ndarray, np.floating)):
                return f"gradient {i} is a {type(got).__name__}, not a NumPy array"
            if got.dtype != self.dtype or got.shape != want.shape:
                return f"gradient {i} is {got.dtype}{got.shape}, not {self.dtype}{want.shape}"
            error = np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-30)
            # "not <=" and not ">": a NaN must count as wrong.
            if not error <= self.rtol:
                return f"gradient {i} differs by {float(error):.1e} of its largest entry"
        return None


class Problem:
    """Base of the problems; one subclass per file, listed in ``problems/__init__.py``.

    Subclasses set the attributes, and write `case`, `objective`, and `by_hand` if there are many
    parameters. A library that needs the objective written differently gets a method
    ``objective_<library>``, and one that needs other data ``data_<library>``.

    Attributes
    ----------
    name : str
        What ``--problems`` selects.
    sizes : tuple of dict
        Keyword arguments of `case`; the smallest first.
    c_source : str or None
        File in ``benchmarks/c`` with the hand-written limit.
    kind : str
        "gradient": one scalar, differentiated by the first argument. "program": anything else;
        the objective gives the values and `program` gives values and derivatives, written with
        the transformations of ``ops``. Adapters name the kinds that they can do.
    on_request : tuple of dict
        Sizes that only ``--full`` runs, for their time or memory.
    scalar : bool
        Whether the objective works on scalars and short vectors, so that CasADi should unroll it
        into a graph of scalars.
    by_hand : callable or None
        ``by_hand(x, *data)``: value and gradient in plain NumPy, in the dtype of the arguments.
    """

    name = ""
    sizes = ({},)
    on_request = ()
    c_source = None
    kind = "gradient"
    scalar = False
    by_hand = None

    def case(self, **size):
        """Make the case of one size, from a fixed seed."""
        raise NotImplementedError

    def objective(self, ops):
        """Return a fresh function ``fn(x, *data) -> scalar`` in terms of the library `ops`."""
        raise NotImplementedError

    def program(self, ops):
        """Return a fresh ``fn(x, *data) -> (values, derivatives)``; for the kind "program"."""
        raise NotImplementedError

    def reference(self, case):
        """Value and gradient in extended precision: derived by hand, else by complex steps."""
        x = map_tree(lambda a: a.astype(np.longdouble), case.x)
        data = tuple(a.astype(np.longdouble) for a in case.data)
        if self.by_hand is not None:
            return self.by_hand(x, *data)
        # Imported here, since adapters import this file.
        from adapters.base import ComplexOps

        return complex_steps(self.objective(ComplexOps()), x, data)

    def objective_for(self, ops):
        """The objective as this library should see it: its own method if there is one."""
        return getattr(self, f"objective_{ops.library}", self.objective)(ops)

    def program_for(self, ops):
        """The program as this library should see it: its own method if there is one."""
        return getattr(self, f"program_{ops.library}", self.program)(ops)

    def data_for(self, ops, case):
        """The constant arguments in the form that this library's users would keep them in.

        That is what a method ``data_<library>(*data)`` makes of them, if the problem has one.
        """
        convert = getattr(self, f"data_{ops.library}", None)
        return case.data if convert is None else convert(*case.data)

    def check_by_hand(self, ops):
        """Compare the hand-derived gradient with a complex step through the objective.

        One random direction in extended precision, at the smallest size: the formula does not
        depend on the size. The objective must therefore be analytic where the data lie.

        Parameters
        ----------
        ops : Ops
            Plain NumPy.

        Raises
        ------
        AssertionError
            If the two disagree, that is if the problem's file has a mistake.

        References
        ----------
        W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real
        functions", SIAM Review 40 (1998), 110-112.
        """
        if self.by_hand is None:
            return
        case = self.case(**self.sizes[0])
        value, gradient = case.reference()
        rng = np.random.default_rng(7)
        flat = [a.astype(np.longdouble) for a in leaves(case.x)]
        directions = [rng.standard_normal(a.shape).astype(np.longdouble) for a in flat]
        step = STEP
        x = rebuild(case.x, [a + 1j * step * d for a, d in zip(flat, directions, strict=True)])
        data = tuple(a.astype(np.longdouble) for a in case.data)
        stepped = self.objective(ops)(x, *data)
        slope = stepped.imag / step
        terms = [g * d for g, d in zip(gradient, directions, strict=True)]
        expected = sum(np.sum(t) for t in terms)
        scale = sum(np.sum(np.abs(t)) for t in terms)
        assert abs(stepped.real - value) <= 1e-13 * abs(value), f"{self.name}: value"
        assert abs(slope - expected) <= 1e-13 * scale, f"{self.name}: hand-derived gradient"
