"""Regression with Student-t errors on 2,000 points: a tall matrix and a logarithm per row.

References
----------
K. L. Lange, R. J. A. Little and J. M. G. Taylor, "Robust statistical modeling using the t
distribution", Journal of the American Statistical Association 84 (1989), 881-896.
"""

import numpy as np

from problems.base import Case, Problem

ROWS, COLUMNS = 2000, 8
FREEDOM = 4.0


class Student(Problem):
    """Log-density by x = {"w": (8,), "log_spread": ()}, four degrees of freedom."""

    name = "student"
    c_source = "student.c"

    def case(self):
        """Data drawn from the model."""
        rng = np.random.default_rng(16)
        features = rng.standard_normal((ROWS, COLUMNS))
        w = rng.standard_normal(COLUMNS)
        y = features @ w + 0.5 * rng.standard_t(FREEDOM, ROWS)
        x = {"w": w + 0.1 * rng.standard_normal(COLUMNS), "log_spread": np.array(-0.5)}
        tags = frozenset({"vector"})
        return Case(self, f"student-t {ROWS}x{COLUMNS}", x, (features, y), (ROWS,), 1e-11, tags)

    def objective(self, ops):
        """The log-likelihood without its constant, and a normal prior."""
        xp = ops.np

        def student(x, features, y):
            z = (y - features @ x["w"]) * xp.exp(-x["log_spread"])
            tails = -0.5 * (FREEDOM + 1.0) * xp.sum(xp.log1p(z**2 / FREEDOM))
            return tails - ROWS * x["log_spread"] - 0.5 * xp.sum(x["w"] ** 2)

        return student

    def objective_casadi(self, ops):
        """As `objective`, with the matrix transposed: CasADi's matrices are column-major."""
        xp = ops.np

        def student(x, features_t, y):
            z = (y - (x["w"].T @ features_t).T) * xp.exp(-x["log_spread"])
            tails = -0.5 * (FREEDOM + 1.0) * xp.sum(xp.log1p(z**2 / FREEDOM))
            return tails - ROWS * x["log_spread"] - 0.5 * xp.sum(x["w"] ** 2)

        return student
