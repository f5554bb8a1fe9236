"""A hierarchical normal model, the eight schools: a sampler's log-density of ten parameters.

The data are the effects of coaching on test scores in eight schools, with their standard errors,
in the parametrisation without a centre that samplers prefer. There is next to no arithmetic in
it: a library's time is its dispatch.

References
----------
D. B. Rubin, "Estimation in parallel randomized experiments", Journal of Educational Statistics 6
(1981), 377-401.
"""

import numpy as np

from problems.base import Case, Problem

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)


class Schools(Problem):
    """Log-density by x = (mean, log of the spread, eight standardised effects)."""

    name = "schools"
    c_source = "schools.c"
    scalar = True

    def case(self):
        """A point of the typical set."""
        x = np.random.default_rng(11).standard_normal(10)
        x[:2] = 4.4, 1.2
        tags = frozenset({"log-density"})
        return Case(self, "eight schools", x, (np.array(EFFECTS), np.array(ERRORS)), tags=tags)

    def objective(self, ops):
        """Normal likelihood, normal effects, normal mean, half-Cauchy spread."""
        xp = ops.np

        def schools(x, y, error):
            mean, log_spread, z = x[0], x[1], x[2:]
            spread = xp.exp(log_spread)
            residual = (y - mean - spread * z) / error
            likelihood = -0.5 * xp.sum(residual**2) - 0.5 * xp.sum(z**2)
            return likelihood - 0.02 * mean**2 + log_spread - xp.log1p(0.04 * spread**2)

        return schools
