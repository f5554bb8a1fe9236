"""ADBench's Gaussian mixture: log-likelihood and Wishart prior, by all parameters.

Every component has an inverse square root of its covariance: a lower triangle with the logarithms
of its diagonal. All components are applied to all points by one matrix product.
"""

import math

import numpy as np

from problems.adbench import read_numbers, read_reference, split
from problems.base import Case, Problem


def triangle(d):
    """Index of each entry of a lower triangle (d, d) in (diagonal, columns below it, a zero)."""
    index = np.full((d, d), d * (d + 1) // 2)
    index[np.diag_indices(d)] = np.arange(d)
    at = d
    for column in range(d):
        below = d - column - 1
        index[column + 1 :, column] = np.arange(at, at + below)
        at += below
    return index


def prior_constant(k, d, gamma, m):
    """The part of the logarithm of the Wishart prior that is constant."""
    n = d + m + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi)
    log_gamma += sum(math.lgamma(0.5 * n + 0.5 * (1 - j)) for j in range(1, d + 1))
    return k * (n * d * (math.log(gamma) - 0.5 * math.log(2.0)) - log_gamma)


class Gmm(Problem):
    """Log-likelihood by x = (alphas (K,), means (K, D), triangles (K, D (D + 1) / 2))."""

    name = "gmm"
    sizes = (
        {"file": "1k_d2_K5"},
        {"file": "1k_d10_K25"},
        {"file": "1k_d32_K25"},
        {"file": "1k_d64_K50"},
        {"file": "10k_d10_K25"},
    )
    on_request = ({"file": "1k_d10_K5"}, {"file": "1k_d20_K50"})
    c_source = "gmm.c"

    def case(self, file):
        """Case of one data file."""
        numbers = read_numbers(f"gmm/{file}.txt.gz")
        d, k, n = numbers.whole(3)
        x = (numbers.take(k), numbers.take(k, d), numbers.take(k, d * (d + 1) // 2))
        points = numbers.take(n, d)
        gamma, m = numbers.take(2)
        prior = np.array([gamma, m, prior_constant(k, d, gamma, m)])
        label = f"gmm {file.replace('_', ' ')}"
        tags = frozenset({"gmm", "gmm 10k"} if n == 10**4 else {"gmm"})
        case = Case(self, label, x, (points, prior), (n, d, k), 1e-11, tags)
        case.reference_name = f"gmm_{file}"
        return case

    def objective(self, ops):
        """As ADBench defines it; the constants of the prior are data."""
        xp = ops.np

        def gmm(x, points, prior):
            alphas, means, icf = x
            n, d = ops.shape(points)
            k = ops.shape(alphas)[0]
            diagonals, below = xp.exp(icf[:, :d]), icf[:, d:]
            entries = xp.concatenate([diagonals, below, xp.zeros((k, 1), dtype=icf.dtype)], 1)
            factors = entries[:, triangle(d)]
            shifts = xp.sum(factors * means[:, None, :], -1)
            apart = xp.reshape(points @ xp.reshape(factors, (k * d, d)).T, (n, k, d)) - shifts
            log_diagonals = xp.sum(icf[:, :d], -1)
            terms = alphas + log_diagonals - 0.5 * xp.sum(apart**2, -1)
            likelihood = xp.sum(ops.logsumexp(terms)) - n * ops.logsumexp(alphas)
            likelihood = likelihood - 0.5 * n * d * math.log(2.0 * math.pi)
            squares = xp.sum(diagonals**2) + xp.sum(below**2)
            wishart = 0.5 * prior[0] ** 2 * squares - prior[1] * xp.sum(log_diagonals)
            return likelihood + wishart - prior[2]

        return gmm

    def objective_casadi(self, ops):
        """Left out."""
        ops.unsupported("a mixture of components is not natural in its matrices")

    def reference(self, case):
        """From ADBench's reference."""
        known = read_reference(case.reference_name)
        return known["F"][()], tuple(split(known["J"], case.x))
