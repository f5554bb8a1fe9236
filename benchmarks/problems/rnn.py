"""A plain recurrent network over 100 steps, batch 16, width 32: a loop of small products.

References
----------
J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990), 179-211.
"""

import numpy as np

from problems.base import Case, Problem

STEPS, BATCH, INPUTS, WIDTH = 100, 16, 8, 32


class Rnn(Problem):
    """Mean squared error after the last step, gradient by a dict of five arrays."""

    name = "rnn"
    c_source = "rnn.c"

    def case(self):
        """A random network; the target is the first input of the last step but ten."""
        rng = np.random.default_rng(19)
        sequence = rng.standard_normal((STEPS, BATCH, INPUTS))
        target = sequence[-11, :, 0].copy()
        x = {
            "U": rng.standard_normal((INPUTS, WIDTH)) / np.sqrt(INPUTS),
            "W": rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH),
            "b": 0.1 * rng.standard_normal(WIDTH),
            "c": np.array(0.1),
            "v": rng.standard_normal(WIDTH) / np.sqrt(WIDTH),
        }
        tags = frozenset({"network"})
        return Case(self, f"rnn {STEPS} steps", x, (sequence, target), (STEPS,), 1e-10, tags)

    def objective(self, ops):
        """One scan; the state starts at zero."""
        xp = ops.np

        def rnn(p, sequence, target):
            def step(carry, now):
                return (xp.tanh(now[0] @ p["U"] + carry[0] @ p["W"] + p["b"]),), None

            start = xp.zeros((BATCH, WIDTH), dtype=sequence.dtype)
            (h,), _ = ops.scan(step, (start,), (sequence,))
            return xp.mean((h @ p["v"] + p["c"] - target) ** 2)

        return rnn

    def data_casadi(self, sequence, target):
        """CasADi has matrices only."""
        return sequence.reshape(-1, INPUTS), target

    def objective_casadi(self, ops):
        """Transposed, unrolled."""
        ca = ops.casadi

        def rnn(p, rows, target):
            h = ca.MX.zeros(WIDTH, BATCH)
            b = ca.repmat(p["b"], 1, BATCH)
            for t in range(STEPS):
                now = rows[:, t * BATCH : (t + 1) * BATCH]
                h = ca.tanh(p["U"] @ now + p["W"] @ h + b)
            return ca.sumsqr(h.T @ p["v"] + p["c"] - target) / BATCH

        return rnn

    def by_hand(self, p, sequence, target):
        """Backpropagation through time."""
        states = np.zeros((STEPS + 1, BATCH, WIDTH), sequence.dtype)
        drive = sequence @ p["U"] + p["b"]
        for t in range(STEPS):
            states[t + 1] = np.tanh(drive[t] + states[t] @ p["W"])
        error = states[-1] @ p["v"] + p["c"] - target
        error_bar = 2.0 / BATCH * error
        bar = np.outer(error_bar, p["v"])
        pre_bar = np.empty_like(drive)
        for t in range(STEPS - 1, -1, -1):
            pre_bar[t] = bar * (1.0 - states[t + 1] ** 2)
            bar = pre_bar[t] @ p["W"].T
        flat = pre_bar.reshape(-1, WIDTH)
        return np.mean(error**2), {
            "U": sequence.reshape(-1, INPUTS).T @ flat,
            "W": states[:-1].reshape(-1, WIDTH).T @ flat,
            "b": flat.sum(axis=0),
            "c": error_bar.sum(),
            "v": error_bar @ states[-1],
        }
