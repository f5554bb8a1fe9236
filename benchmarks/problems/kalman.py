"""A Kalman filter for the local-level model over 300 observations: a recurrence with divisions.

References
----------
J. Durbin and S. J. Koopman, Time Series Analysis by State Space Methods, 2nd edition, Oxford
University Press (2012), section 2.2.
"""

import numpy as np

from problems.base import Case, Problem

STEPS = 300


class Kalman(Problem):
    """Negative log-likelihood by x = (log variance of noise, of level, first level)."""

    name = "kalman"
    c_source = "kalman.c"
    scalar = True

    def case(self):
        """A random walk seen with noise."""
        rng = np.random.default_rng(13)
        y = np.cumsum(0.3 * rng.standard_normal(STEPS)) + rng.standard_normal(STEPS)
        x = np.array([0.2, -2.0, 0.1])
        tags = frozenset({"recurrence"})
        return Case(self, f"kalman {STEPS} steps", x, (y,), (STEPS,), tags=tags)

    def objective(self, ops):
        """Prediction error decomposition, one scan."""
        xp = ops.np

        def kalman(x, y):
            noise, drift = xp.exp(x[0]), xp.exp(x[1])

            def step(carry, observed):
                level, spread, total = carry
                error = observed[0] - level
                variance = spread + noise
                gain = spread / variance
                total = total + xp.log(variance) + error * error / variance
                return (level + gain * error, spread * (1.0 - gain) + drift, total), None

            carry, _ = ops.scan(step, (x[2], 1.0, 0.0), (y,))
            return 0.5 * carry[2]

        return kalman
