"""An epidemic by Runge-Kutta steps, fitted to reported cases: a recurrence with a likelihood.

The equations s' = -b s i, i' = b s i - c i in shares of the population take one classical
Runge-Kutta step a day, and the reported cases of a day are Poisson with mean p N (s - s next).

References
----------
W. O. Kermack and A. G. McKendrick, "A contribution to the mathematical theory of epidemics",
Proceedings of the Royal Society A 115 (1927), 700-721.
"""

import numpy as np

from problems.base import Case, Problem

DAYS = 150
PEOPLE = 1e6


def slope(b, c, s, i):
    """Right-hand side of the equations."""
    caught = b * s * i
    return -caught, caught - c * i


def rk4(b, c, s, i):
    """One classical Runge-Kutta step of a day."""
    k1s, k1i = slope(b, c, s, i)
    k2s, k2i = slope(b, c, s + 0.5 * k1s, i + 0.5 * k1i)
    k3s, k3i = slope(b, c, s + 0.5 * k2s, i + 0.5 * k2i)
    k4s, k4i = slope(b, c, s + k3s, i + k3i)
    s = s + (k1s + 2.0 * k2s + 2.0 * k3s + k4s) / 6.0
    i = i + (k1i + 2.0 * k2i + 2.0 * k3i + k4i) / 6.0
    return s, i


class Sir(Problem):
    """Negative log-likelihood by x = logs of (infection, recovery, first share, reported)."""

    name = "sir"
    c_source = "sir.c"
    scalar = True

    def case(self):
        """Cases drawn from the model at other parameters than it is evaluated at."""
        rng = np.random.default_rng(14)
        s, i = 1.0 - 1e-4, 1e-4
        cases = np.empty(DAYS)
        for day in range(DAYS):
            before = s
            s, i = rk4(0.35, 0.15, s, i)
            cases[day] = rng.poisson(0.4 * PEOPLE * (before - s))
        x = np.log(np.array([0.33, 0.14, 1.2e-4, 0.45]))
        tags = frozenset({"recurrence"})
        return Case(self, f"sir rk4 {DAYS} steps", x, (cases,), (DAYS,), tags=tags)

    def objective(self, ops):
        """One scan over the days."""
        xp = ops.np

        def sir(x, cases):
            p = xp.exp(x)
            b, c, first, reported = p[0], p[1], p[2], p[3]

            def step(carry, observed):
                s, i, total = carry
                s_next, i_next = rk4(b, c, s, i)
                mean = PEOPLE * reported * (s - s_next)
                return (s_next, i_next, total + mean - observed[0] * xp.log(mean)), None

            carry, _ = ops.scan(step, (1.0 - first, first, 0.0), (cases,))
            return carry[2]

        return sir
