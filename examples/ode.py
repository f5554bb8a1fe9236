"""Fits a differential equation to a century-old record, by derivatives through the solver.

Hares and lynx, in thousands of pelts that the Hudson's Bay Company collected each year from 1900
to 1920 (Hewitt, The Conservation of the Wild Life of Canada, 1921). The model is that of Lotka and
Volterra::

    hares' = (a - b lynx) hares        lynx' = (d hares - c) lynx

integrated by Runge-Kutta steps in ``bp.scan``, so the loop is part of the tape and is not
unrolled. Six parameters (the rates and the first year's numbers) are fitted to the logarithms by
the method of Levenberg and Marquardt with the Jacobian that ``bp.jacobian`` gives.

    python examples/ode.py
"""

import numpy as np

import pybackprop as bp

HARES = np.array(
    [30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
     40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7]
)  # fmt: skip
LYNX = np.array(
    [4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
     8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6]
)  # fmt: skip
NAMES = ("a", "b", "c", "d", "hares in 1900", "lynx in 1900")
STEPS_PER_YEAR = 10


def simulate(log_p, years):
    """Logarithms of hares and lynx, one row per year."""
    a, b, c, d, hares, lynx = np.exp(log_p)
    h = 1.0 / STEPS_PER_YEAR

    def slope(u, v):
        return (a - b * v) * u, (d * u - c) * v

    def runge_kutta(state, _):
        u, v = state
        u1, v1 = slope(u, v)
        u2, v2 = slope(u + h / 2 * u1, v + h / 2 * v1)
        u3, v3 = slope(u + h / 2 * u2, v + h / 2 * v2)
        u4, v4 = slope(u + h * u3, v + h * v3)
        u = u + h / 6 * (u1 + 2 * u2 + 2 * u3 + u4)
        v = v + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        return (u, v), None

    def one_year(state, _):
        after, _ = bp.scan(runge_kutta, state, length=STEPS_PER_YEAR)
        return after, np.stack(state)

    _, rows = bp.scan(one_year, (hares, lynx), length=years)
    return np.log(rows)


def residuals(log_p, observed):
    """What the model misses, in logarithms."""
    return (simulate(log_p, len(observed)) - np.log(observed)).ravel()


def misfit(log_p, observed):
    """Half the sum of squared residuals."""
    return 0.5 * np.sum(residuals(log_p, observed) ** 2)


def main():
    """Run the example."""
    observed = np.stack([HARES, LYNX], axis=1)
    f, jacobian = bp.compile(residuals), bp.jacobian(residuals)
    log_p = np.log([0.5, 0.03, 0.8, 0.03, 30.0, 4.0])
    r, damping = f(log_p, observed), 1e-2
    for step in range(100):
        j = jacobian(log_p, observed)
        gradient, normal = j.T @ r, j.T @ j
        print(
            f"step {step:2d}: misfit {0.5 * r @ r:8.5f}, |gradient| {np.linalg.norm(gradient):.1e}"
        )
        if np.linalg.norm(gradient) < 1e-6:
            break
        while True:
            trial = log_p - np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
            r_trial = f(trial, observed)
            if r_trial @ r_trial <= r @ r or damping > 1e12:
                break
            damping *= 10
        log_p, r, damping = trial, r_trial, damping / 10
    for name, value in zip(NAMES, np.exp(log_p), strict=True):
        print(f"{name:14s} {value:8.4f}")
    reverse = bp.value_and_grad(misfit)
    _, gradient = reverse(log_p, observed)
    difference = np.abs(gradient - jacobian(log_p, observed).T @ r).max()
    print(f"gradient by the reverse sweep differs from J^T r by {difference:.1e}")
    print(f"and uses {reverse.memory} bytes for {len(observed) * STEPS_PER_YEAR} steps")


if __name__ == "__main__":
    main()
