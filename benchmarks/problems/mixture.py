"""A mixture of experts on 1,500 points: linear models, weighted by a softmax of the input.

References
----------
R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton, "Adaptive mixtures of local experts",
Neural Computation 3 (1991), 79-87.
"""

import numpy as np

from problems.base import Case, Problem

ROWS, COLUMNS, EXPERTS = 1500, 4, 3


class Mixture(Problem):
    """Mean negative log-likelihood by gates and experts (4, 3) each, and logs of spreads (3,)."""

    name = "mixture"
    c_source = "mixture.c"

    def case(self):
        """Two regimes, divided by the second feature; the first is the intercept."""
        rng = np.random.default_rng(18)
        features = rng.standard_normal((ROWS, COLUMNS))
        features[:, 0] = 1.0
        truth = rng.standard_normal((COLUMNS, 2))
        y = np.where(features[:, 1] > 0.0, features @ truth[:, 0], features @ truth[:, 1])
        y += 0.3 * rng.standard_normal(ROWS)
        x = {
            "experts": rng.standard_normal((COLUMNS, EXPERTS)),
            "gates": rng.standard_normal((COLUMNS, EXPERTS)),
            "spreads": 0.2 * rng.standard_normal(EXPERTS),
        }
        tags = frozenset({"vector"})
        return Case(self, f"mixture {ROWS}x{COLUMNS}", x, (features, y), (ROWS,), 1e-11, tags)

    def objective(self, ops):
        """Both sums over the experts in logarithms."""
        xp = ops.np

        def mixture(x, features, y):
            gates = features @ x["gates"]
            z = (y[:, None] - features @ x["experts"]) * xp.exp(-x["spreads"])
            likelihoods = gates - 0.5 * z**2 - x["spreads"]
            return xp.mean(ops.logsumexp(gates) - ops.logsumexp(likelihoods))

        return mixture

    def objective_casadi(self, ops):
        """As `objective`, transposed; numbers of this size need no shift before exp."""
        ca = ops.casadi

        def mixture(x, features_t, y):
            gates = x["gates"] @ features_t
            across = ca.repmat(x["spreads"], 1, ROWS)
            z = (ca.repmat(y.T, EXPERTS, 1) - x["experts"] @ features_t) * ca.exp(-across)
            likelihoods = ca.exp(gates - 0.5 * z**2 - across)
            total = ca.log(ca.sum1(ca.exp(gates))) - ca.log(ca.sum1(likelihoods))
            return ca.sum2(total) / ROWS

        return mixture
