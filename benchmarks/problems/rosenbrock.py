"""Rosenbrock's valley in n dimensions: what a call costs when there is hardly any work in it.

At n = 2 and n = 10 every library's time is its dispatch; at n = 1000 the arithmetic begins to
count.

References
----------
H. H. Rosenbrock, "An automatic method for finding the greatest or least value of a function",
The Computer Journal 3 (1960), 175-184.
"""

import numpy as np

from problems.base import Case, Problem


class Rosenbrock(Problem):
    """sum 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2, gradient by x : (n,) float64."""

    name = "rosenbrock"
    sizes = ({"n": 2}, {"n": 10}, {"n": 1000})
    scalar = True
    c_source = "rosenbrock.c"

    def case(self, n):
        """Case of `n` variables, drawn uniformly from [-1.5, 1.5]."""
        x = np.random.default_rng(1).uniform(-1.5, 1.5, n)
        return Case(self, f"rosenbrock n={n}", x, dims=(n,), rtol=1e-12, tags=frozenset({"small"}))

    def objective(self, ops):
        """The textbook line of NumPy."""
        xp = ops.np

        def rosenbrock(x):
            return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

        return rosenbrock

    def by_hand(self, x):
        """With t = x[1:] - x[:-1]^2: the gradient is 200 t at i + 1, -400 x t - 2 (1 - x) at i."""
        head = x[:-1]
        t = x[1:] - head * head
        s = 1.0 - head
        gradient = np.zeros_like(x)
        gradient[1:] = 200.0 * t
        gradient[:-1] -= 400.0 * head * t + 2.0 * s
        return 100.0 * np.dot(t, t) + np.dot(s, s), gradient
