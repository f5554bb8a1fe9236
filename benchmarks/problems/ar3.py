"""Likelihood of an autoregression of order three over 500 values: a recurrence of products.

It could be written with slices; a scan is how it is written when the order or the errors are to be
changed, and it is the shortest loop body of all problems: what a step costs is what is seen.
"""

import numpy as np

from problems.base import Case, Problem

LENGTH = 500


class Ar3(Problem):
    """Negative conditional log-likelihood by x = (three coefficients, constant, log spread)."""

    name = "ar3"
    c_source = "ar3.c"
    scalar = True

    def case(self):
        """A series drawn from a stationary process."""
        rng = np.random.default_rng(15)
        y = np.zeros(LENGTH)
        for t in range(3, LENGTH):
            y[t] = 0.2 + 0.5 * y[t - 1] + 0.2 * y[t - 2] - 0.1 * y[t - 3]
            y[t] += 0.7 * rng.standard_normal()
        x = np.array([0.45, 0.25, -0.05, 0.1, -0.2])
        tags = frozenset({"recurrence"})
        return Case(self, f"ar3 {LENGTH} steps", x, (y,), (LENGTH,), tags=tags)

    def objective(self, ops):
        """The last three values are carried along."""
        xp = ops.np

        def ar3(x, y):
            a, b, c, constant, log_spread = x[0], x[1], x[2], x[3], x[4]

            def step(carry, now):
                last, second, third, total = carry
                error = now[0] - (constant + a * last + b * second + c * third)
                return (now[0], last, second, total + error * error), None

            start = (y[2], y[1], y[0], 0.0)
            carry, _ = ops.scan(step, start, (y[3:],))
            return 0.5 * carry[3] * xp.exp(-2.0 * log_spread) + (LENGTH - 3) * log_spread

        return ar3
