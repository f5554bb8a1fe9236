"""Calibration of an ordinary differential equation: a loop of 200 dependent scalar steps.

The Lotka-Volterra equations u' = a u - b u v, v' = d u v - c v are integrated by 200 classical
Runge-Kutta steps, and the value is the mean squared distance of the trajectory from noisy
observations after every step. There is nothing to vectorise: the time is that of the loop and
of its reverse sweep.

References
----------
W. Kutta, "Beitrag zur naeherungsweisen Integration totaler Differentialgleichungen",
Zeitschrift fuer Mathematik und Physik 46 (1901), 435-453.
"""

import numpy as np

from problems.base import Case, Problem

STEPS = 200
H = 0.05


def slope(a, b, c, d, u, v):
    """Right-hand side of the Lotka-Volterra equations."""
    uv = u * v
    return a * u - b * uv, d * uv - c * v


def rk4(a, b, c, d, u, v):
    """One classical Runge-Kutta step of length `H`."""
    k1u, k1v = slope(a, b, c, d, u, v)
    k2u, k2v = slope(a, b, c, d, u + 0.5 * H * k1u, v + 0.5 * H * k1v)
    k3u, k3v = slope(a, b, c, d, u + 0.5 * H * k2u, v + 0.5 * H * k2v)
    k4u, k4v = slope(a, b, c, d, u + H * k3u, v + H * k3v)
    u = u + H / 6.0 * (k1u + 2.0 * k2u + 2.0 * k3u + k4u)
    v = v + H / 6.0 * (k1v + 2.0 * k2v + 2.0 * k3v + k4v)
    return u, v


class Ode(Problem):
    """Misfit of 200 RK4 steps to observations, gradient by x = (a, b, c, d, u0, v0)."""

    name = "ode"
    sizes = ({},)
    scalar = True
    c_source = "ode.c"

    def case(self):
        """Observations of a known trajectory with noise, and a start some way from it."""
        rng = np.random.default_rng(4)
        a, b, c, d, u, v = 1.1, 0.4, 0.4, 0.1, 10.0, 5.0
        observed = np.empty((2, STEPS))
        for i in range(STEPS):
            u, v = rk4(a, b, c, d, u, v)
            observed[:, i] = u, v
        observed += 0.1 * rng.standard_normal(observed.shape)
        x = np.array([1.0, 0.42, 0.38, 0.11, 9.0, 5.5])
        return Case(
            self,
            f"ode rk4 {STEPS} steps",
            x,
            (observed[0].copy(), observed[1].copy()),
            (STEPS,),
            1e-10,
            frozenset({"small", "recurrence", "ode"}),
        )

    def objective(self, ops):
        """With the library's own loop where it has one, a Python loop elsewhere."""

        def ode(x, u_observed, v_observed):
            a, b, c, d = x[0], x[1], x[2], x[3]

            def step(carry, observed):
                u, v, total = carry
                u, v = rk4(a, b, c, d, u, v)
                du, dv = u - observed[0], v - observed[1]
                return (u, v, total + (du * du + dv * dv)), None

            carry, _ = ops.scan(step, (x[4], x[5], 0.0), (u_observed, v_observed))
            return carry[2] / STEPS

        return ode

    def by_hand(self, x, u_observed, v_observed):
        """The discrete adjoint of each step, from the last to the first.

        Python floats, not NumPy scalars, in float64: they are the faster way to write this.
        """
        kind = x.dtype.type
        if x.dtype == np.float64:
            x, u_observed, v_observed = x.tolist(), u_observed.tolist(), v_observed.tolist()
        a, b, c, d, u, v = x
        states = []
        total = 0.0
        for uo, vo in zip(u_observed, v_observed, strict=True):
            states.append((u, v))
            u, v = rk4(a, b, c, d, u, v)
            total += (u - uo) ** 2 + (v - vo) ** 2
        a_bar = b_bar = c_bar = d_bar = u_bar = v_bar = 0.0
        for i in range(STEPS - 1, -1, -1):
            u_bar += 2.0 * (u - u_observed[i]) / STEPS
            v_bar += 2.0 * (v - v_observed[i]) / STEPS
            u, v = states[i]
            k1u, k1v = slope(a, b, c, d, u, v)
            u2, v2 = u + 0.5 * H * k1u, v + 0.5 * H * k1v
            k2u, k2v = slope(a, b, c, d, u2, v2)
            u3, v3 = u + 0.5 * H * k2u, v + 0.5 * H * k2v
            k3u, k3v = slope(a, b, c, d, u3, v3)
            u4, v4 = u + H * k3u, v + H * k3v
            # Stage by stage backward: ku, kv are the adjoints of the stage's slope; pu, pv those
            # of its point, which feed the slope before it.
            step_u, step_v = u_bar, v_bar
            pu = pv = 0.0
            stages = (
                (u4, v4, H / 6.0, 0.0),
                (u3, v3, H / 3.0, H),
                (u2, v2, H / 3.0, 0.5 * H),
                (u, v, H / 6.0, 0.5 * H),
            )
            for us, vs, weight, reach in stages:
                ku, kv = weight * step_u + reach * pu, weight * step_v + reach * pv
                uv = us * vs
                a_bar += us * ku
                b_bar -= uv * ku
                c_bar -= vs * kv
                d_bar += uv * kv
                pu = (a - b * vs) * ku + d * vs * kv
                pv = (d * us - c) * kv - b * us * ku
                u_bar += pu
                v_bar += pv
        gradient = np.array([a_bar, b_bar, c_bar, d_bar, u_bar, v_bar], dtype=kind)
        return total / STEPS, gradient
