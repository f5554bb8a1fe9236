"""Logistic regression: a matrix that is read forward and backward.

The small size is what a sampler or an optimizer calls in a loop; the large one is bound by the
memory traffic of the 4 MB matrix, which a good program reads once. The one on request is 160 MB.
"""

import numpy as np

from problems.base import Case, Problem

PENALTY = 0.01
TAGS = {
    100: frozenset({"small"}),
    10**4: frozenset({"large", "rows"}),
    10**6: frozenset({"large", "many rows"}),
}


class Logistic(Problem):
    """mean(log(1 + exp(z)) - y z) + penalty/2 w.w with z = X w, gradient by w : (d,) float64."""

    name = "logistic"
    sizes = ({"n": 100, "d": 5}, {"n": 10000, "d": 50})
    on_request = ({"n": 10**6, "d": 20},)
    c_source = "logistic.c"

    def case(self, n, d):
        """Case of `n` rows and `d` columns; labels drawn from the model itself."""
        rng = np.random.default_rng(2)
        features = rng.standard_normal((n, d))
        w = rng.standard_normal(d) / np.sqrt(d)
        y = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-features @ w))).astype(np.float64)
        x = w + 0.3 * rng.standard_normal(d)
        return Case(
            self,
            f"logistic {n}x{d}" if n < 10**6 else f"logistic 10^6x{d}",
            x,
            (features, y),
            (n, d),
            1e-11,
            TAGS[n],
        )

    def objective(self, ops):
        """The negative log-likelihood per row, with a ridge penalty."""
        xp = ops.np

        def logistic(w, features, y):
            z = features @ w
            return xp.mean(ops.softplus(z) - y * z) + 0.5 * PENALTY * xp.sum(w * w)

        return logistic

    def objective_casadi(self, ops):
        """As `objective`, with the matrix transposed: CasADi's matrices are column-major."""
        xp = ops.np

        def logistic(w, features_t, y):
            z = (w.T @ features_t).T
            return xp.sum(ops.softplus(z) - y * z) / y.shape[0] + 0.5 * PENALTY * xp.sum(w * w)

        return logistic

    def by_hand(self, w, features, y):
        """The gradient is X' (sigmoid(z) - y) / n + penalty w; exp(-|z|) cannot overflow."""
        n = y.shape[0]
        z = features @ w
        e = np.exp(-np.abs(z))
        value = np.sum(np.log1p(e) + np.maximum(z, 0.0) - y * z) / n
        sigmoid = np.where(z >= 0.0, 1.0, e) / (1.0 + e)
        gradient = (sigmoid - y) @ features / n + PENALTY * w
        return value + 0.5 * PENALTY * np.dot(w, w), gradient
