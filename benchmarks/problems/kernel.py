"""A sum of radial-basis kernels over all pairs of 100 points: broadcasting to n x n x 3."""

import numpy as np

from problems.base import Case, Problem

POINTS = 100
PRECISION = 0.7


class Kernel(Problem):
    """w' K w with K[i, j] = exp(-0.7 |x_i - x_j|^2), gradient by the points x : (100, 3)."""

    name = "kernel"
    c_source = "kernel.c"

    def case(self):
        """Points drawn from a normal distribution, weights of both signs."""
        rng = np.random.default_rng(17)
        x, w = rng.standard_normal((POINTS, 3)), rng.standard_normal(POINTS)
        tags = frozenset({"vector"})
        return Case(self, f"kernel sum {POINTS}x{POINTS}", x, (w,), (POINTS,), 1e-11, tags)

    def objective(self, ops):
        """All differences at once, as one writes it in NumPy."""
        xp = ops.np

        def kernel(x, w):
            apart = x[:, None, :] - x[None, :, :]
            k = xp.exp(-PRECISION * xp.sum(apart**2, -1))
            return w @ (k @ w)

        return kernel

    def objective_casadi(self, ops):
        """Squared distances from a matrix of products; x comes as its transpose (3, n)."""
        ca = ops.casadi

        def kernel(x, w):
            across = ca.repmat(ca.sum1(x**2), POINTS, 1)
            k = ca.exp(-PRECISION * (across + across.T - 2.0 * (x.T @ x)))
            return w.T @ k @ w

        return kernel

    def by_hand(self, x, w):
        """The adjoint of a point sums weighted differences to all others, twice by symmetry."""
        apart = x[:, None, :] - x[None, :, :]
        k = np.exp(-PRECISION * np.sum(apart * apart, axis=-1))
        weighted = k * w[:, None] * w
        rows = weighted.sum(axis=1)
        return rows.sum(), -4.0 * PRECISION * (rows[:, None] * x - weighted @ x)
