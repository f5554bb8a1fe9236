"""A binomial regression of six parameters over forty counts: a log-density for a sampler."""

import numpy as np

from problems.base import Case, Problem

ROWS, COLUMNS = 40, 6


class Binomial(Problem):
    """sum k z - n log(1 + exp(z)) - w.w / 8 with z = X w, gradient by w : (6,)."""

    name = "binomial"
    c_source = "binomial.c"

    def case(self):
        """Counts drawn from the model; the first column is the intercept."""
        rng = np.random.default_rng(12)
        features = rng.standard_normal((ROWS, COLUMNS))
        features[:, 0] = 1.0
        w = 0.5 * rng.standard_normal(COLUMNS)
        trials = rng.integers(5, 40, ROWS)
        hits = rng.binomial(trials, 1.0 / (1.0 + np.exp(-features @ w)))
        x = w + 0.2 * rng.standard_normal(COLUMNS)
        data = (features, hits.astype(np.float64), trials.astype(np.float64))
        label = f"binomial {ROWS}x{COLUMNS}"
        return Case(self, label, x, data, tags=frozenset({"log-density"}))

    def objective(self, ops):
        """The log-likelihood without its constant, and a normal prior."""
        xp = ops.np

        def binomial(w, features, hits, trials):
            z = features @ w
            return xp.sum(hits * z - trials * ops.softplus(z)) - 0.125 * xp.sum(w**2)

        return binomial

    def objective_casadi(self, ops):
        """As `objective`, with the matrix transposed: CasADi's matrices are column-major."""
        xp = ops.np

        def binomial(w, features_t, hits, trials):
            z = (w.T @ features_t).T
            return xp.sum(hits * z - trials * ops.softplus(z)) - 0.125 * xp.sum(w**2)

        return binomial
