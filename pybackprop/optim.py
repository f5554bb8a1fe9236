"""Optimisers: small pure functions on nested containers of arrays, for use inside traced functions.

An optimiser has two functions: ``init`` makes its state from the parameters, ``update`` turns
parameters, gradients and state into new parameters and a new state. Nothing is changed in place,
so a whole training step, gradient included, compiles into one tape:

>>> import numpy as np, pybackprop as bp
>>> optimizer = bp.optim.adam(0.1)
>>> @bp.compile
... def step(w, state, x, y):
...     loss, gradient = bp.value_and_grad(lambda w: np.mean((x @ w - y) ** 2))(w)
...     w, state = optimizer.update(w, gradient, state)
...     return w, state, loss
>>> w = np.zeros(2)
>>> state = optimizer.init(w)
>>> w, state, loss = step(w, state, np.eye(2), np.ones(2))
>>> loss, w
(np.float64(1.0), array([0.1, 0.1]))

Given plain arrays, ``update`` is plain NumPy.
"""

from collections import namedtuple

import numpy as np

from ._core import flatten_tree
from .api import value_and_grad
from .compiled import Compiled, as_plain
from .errors import DifferentiationError
from .graph import Value, current_graph
from .loops import scan
from .trace import contains_value

__all__ = ["AdamState", "Optimizer", "SgdState", "adam", "gradient_descent", "sgd"]

Optimizer = namedtuple("Optimizer", ["init", "update"])
Optimizer.__doc__ = """A pair of functions.

Attributes
----------
init : callable
    ``init(params) -> state``.
update : callable
    ``update(params, grads, state) -> params, state``; ``grads`` has the structure of ``params``.
"""

SgdState = namedtuple("SgdState", ["count", "velocity"])
SgdState.__doc__ = """The state of :func:`sgd`.

Attributes
----------
count : int64
    Updates so far.
velocity : pytree or None
    Like the parameters; None without momentum.
"""

AdamState = namedtuple("AdamState", ["count", "mean", "square"])
AdamState.__doc__ = """The state of :func:`adam`.

Attributes
----------
count : int64
    Updates so far.
mean, square : pytree
    Running means of the gradients and of their squares, like the parameters; both biased towards
    zero.
"""


def sgd(learning_rate, momentum=0.0, nesterov=False):
    """Gradient descent with optional momentum.

    With gradient g, parameters p, velocity v (zero at first), learning rate a and momentum m::

        v = m v + g
        p = p - a v              or, with ``nesterov``,   p = p - a (g + m v)

    Parameters
    ----------
    learning_rate : float or callable
        A number, or a function of the number of updates done so far (0 at the first one).
    momentum : float
        In [0, 1); 0 keeps no velocity.
    nesterov : bool
        Take the gradient's step from where the velocity would lead.

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        If ``momentum`` is out of range, or ``nesterov`` is asked for without momentum.

    References
    ----------
    Polyak, B. T. (1964). Some methods of speeding up the convergence of iteration methods. USSR
    Computational Mathematics and Mathematical Physics 4(5), 1-17.

    Nesterov, Y. (1983). A method for solving the convex programming problem with convergence rate
    O(1/k^2). Soviet Mathematics Doklady 27, 372-376; in the form of Sutskever, I., Martens, J.,
    Dahl, G. and Hinton, G. (2013). On the importance of initialization and momentum in deep
    learning. ICML, section 2.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> optimizer = bp.optim.sgd(0.1, momentum=0.9)
    >>> p = np.array([1.0])
    >>> state = optimizer.init(p)
    >>> for _ in range(2):
    ...     p, state = optimizer.update(p, 2 * p, state)
    >>> p
    array([0.46])
    """
    _check_fraction("momentum", momentum)
    if nesterov and isinstance(momentum, (int, float)) and momentum == 0:
        raise ValueError("nesterov=True needs a momentum above 0")
    plain = isinstance(momentum, (int, float)) and momentum == 0

    def init(params):
        """The state before the first update."""
        velocity = None if plain else _map(_zeros_like, params)
        return SgdState(np.int64(0), velocity)

    def update(params, grads, state):
        """New parameters and the new state."""
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        count = state.count + 1
        if plain:
            return _map(lambda p, g: p - _like(rate, p) * g, params, grads), SgdState(count, None)

        velocity = _map(lambda g, v: _like(momentum, v) * v + g, grads, state.velocity)
        if nesterov:
            direction = _map(lambda g, v: _like(momentum, v) * v + g, grads, velocity)
        else:
            direction = velocity
        params = _map(lambda p, d: p - _like(rate, p) * d, params, direction)
        return params, SgdState(count, velocity)

    return Optimizer(init, update)


def adam(learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Adam: steps scaled by running means of the gradients and of their squares.

    At update t = 1, 2, ... with gradient g, parameters p and learning rate a::

        m = beta1 m + (1 - beta1) g
        s = beta2 s + (1 - beta2) g^2
        p = p - a m' / (sqrt(s') + epsilon),   m' = m / (1 - beta1^t),  s' = s / (1 - beta2^t)

    Parameters
    ----------
    learning_rate : float or callable
        A number, or a function of the number of updates done so far (0 at the first one).
    beta1, beta2 : float
        In [0, 1): how much of the old means is kept.
    epsilon : float

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        If ``beta1`` or ``beta2`` is out of range.

    Notes
    -----
    The means are moved by a fraction of the difference, ``m + (1 - beta1) (g - m)``, which is the
    same up to rounding and one instruction less.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR, algorithm 1.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> optimizer = bp.optim.adam(0.5)
    >>> p = {"w": np.array([1.0, -1.0])}
    >>> p, state = optimizer.update(p, {"w": np.array([3.0, -0.01])}, optimizer.init(p))
    >>> p["w"].round(3)
    array([ 0.5, -0.5])
    """
    _check_fraction("beta1", beta1)
    _check_fraction("beta2", beta2)

    def init(params):
        """The state before the first update."""
        return AdamState(np.int64(0), _map(_zeros_like, params), _map(_zeros_like, params))

    def update(params, grads, state):
        """New parameters and the new state."""
        rate = learning_rate(state.count) if callable(learning_rate) else learning_rate
        count = state.count + 1
        mean = _map(lambda m, g: m + _like(1 - beta1, m) * (g - m), state.mean, grads)
        square = _map(lambda s, g: s + _like(1 - beta2, s) * (g * g - s), state.square, grads)
        t = _astype(count, np.float64)
        step = rate / (1.0 - beta1**t)
        scale = 1.0 / np.sqrt(1.0 - beta2**t)

        def move(p, m, s):
            denominator = np.sqrt(s) * _like(scale, s) + _like(epsilon, s)
            return p - _like(step, p) * (m / denominator)

        return _map(move, params, mean, square), AdamState(count, mean, square)

    return Optimizer(init, update)


def gradient_descent(function, x0, learning_rate, steps):
    """Walk downhill: ``x = x - learning_rate * gradient(x)``, ``steps`` times.

    Parameters
    ----------
    function : callable
        Of one argument, which may be a nested container of arrays; returns a floating scalar.
    x0 : pytree of floating arrays
        Where to start.
    learning_rate : float
    steps : int

    Returns
    -------
    pytree
        The path: like ``x0`` with a leading axis of ``steps + 1`` points, the first of which is
        ``x0``. Too large a learning rate shows there as points that grow, up to infinities and
        NaN.

    Raises
    ------
    DifferentiationError
        If ``function`` returns no floating scalar, or ``x0`` is not floating.

    References ---------- Cauchy, A. (1847). Méthode générale pour la résolution des systèmes
    d'équations simultanées. Comptes rendus de l'Académie des sciences 25, 536-538.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> bp.optim.gradient_descent(lambda x: np.sum(x ** 2), np.array([1.0]), 0.25, 3)
    array([[1.   ],
           [0.5  ],
           [0.25 ],
           [0.125]])
    """
    steps = int(steps)
    if steps < 0:
        raise ValueError(f"steps must not be negative, and is {steps}")

    def walk(start, rate):
        def step(x, _):
            _, gradient = value_and_grad(function)(x)
            x = _map(lambda p, g: p - _like(rate, p) * g, x, gradient)
            return x, x

        _, path = scan(step, start, None, length=steps)
        points = zip(flatten_tree(start)[1], flatten_tree(path)[1], strict=True)
        return tree.unflatten([np.concatenate([p[None], rest]) for p, rest in points])

    tree, leaves = flatten_tree(x0)
    leaves = [leaf if isinstance(leaf, Value) else np.asarray(as_plain(leaf)) for leaf in leaves]
    for leaf in leaves:
        _require_float(leaf)
    start = tree.unflatten(leaves)
    if current_graph() is not None and contains_value([*leaves, learning_rate]):
        return walk(start, learning_rate)
    return Compiled(walk)(start, learning_rate)


# ---- helpers ------------------------------------------------------------------------------------


def _map(function, tree, *others):
    """Apply ``function`` leaf by leaf to containers of one structure."""
    structure, leaves = flatten_tree(tree)
    columns = [leaves]
    for other in others:
        other_structure, other_leaves = flatten_tree(other)
        if other_structure != structure:
            raise TypeError(
                f"parameters, gradients and state must have one structure; {structure} and "
                f"{other_structure} differ"
            )
        columns.append(other_leaves)
    for row in zip(*columns, strict=True):
        shapes = {np.shape(leaf) if not isinstance(leaf, Value) else leaf.shape for leaf in row}
        if len(shapes) > 1:
            raise TypeError(f"parameters, gradients and state differ in shape: {sorted(shapes)}")
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])


def _require_float(leaf):
    if leaf.dtype.kind != "f":
        raise DifferentiationError(
            f"a parameter has dtype {leaf.dtype}, and only floating arrays can be optimised; "
            "convert it, e.g. x.astype(float)"
        )


def _zeros_like(leaf):
    if not isinstance(leaf, Value):
        leaf = np.asarray(leaf)
    _require_float(leaf)
    # A NumPy scalar where there is no axis, as compiled functions return.
    return np.zeros(leaf.shape, leaf.dtype)[()]


def _like(number, leaf):
    """A coefficient in the dtype of a leaf, so that float32 parameters stay float32."""
    dtype = leaf.dtype if isinstance(leaf, Value) else np.asarray(leaf).dtype
    return _astype(number, dtype)


def _astype(number, dtype):
    if isinstance(number, (int, float)) and not isinstance(number, np.generic):
        return dtype.type(number) if isinstance(dtype, np.dtype) else dtype(number)
    if isinstance(number, Value):
        return number.astype(dtype)
    return np.asarray(number).astype(dtype)[()]


def _check_fraction(name, number):
    if isinstance(number, (int, float, np.generic)) and not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1), and is {number}")
