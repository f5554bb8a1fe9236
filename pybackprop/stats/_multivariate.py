"""Distributions of vectors."""

import math

import numpy as np

from .._special.common import floats, like, plus, times
from ..linalg import solve_triangular
from ..numpy._eager import surface
from ..numpy._shaping import to_shape
from ..numpy.linalg import cholesky
from ..primitives import elementwise as ew
from ..primitives import reduction
from ..primitives import special as sp
from ..primitives.base import broadcast, constant
from ..primitives.shaping import concatenate, transpose
from ..special import xlogy

__all__ = ["dirichlet", "multinomial", "multivariate_normal"]

_xlogy = xlogy.traced


def _sum_last(x):
    return reduction.sum_(x, axes=(x.ndim - 1,))


def _dimension(mean, cov):
    shapes = [np.shape(mean) if mean is not None else (), np.shape(cov)]
    if len(shapes[0]) > 1 or len(shapes[1]) > 2:
        raise ValueError("mean must be a vector and cov a matrix, a vector or a number")
    dim = max(shape[-1] if shape else 1 for shape in shapes)
    if shapes[0] and shapes[0][0] != dim:
        raise ValueError(f"Array 'mean' must be a vector of length {dim}.")
    if len(shapes[1]) == 2 and shapes[1] != (dim, dim):
        raise ValueError(f"Array 'cov' must be square, of {dim} rows; it is {shapes[1]}.")
    if len(shapes[1]) == 1 and shapes[1] != (dim,):
        raise ValueError(f"Array 'cov' must have {dim} variances; it has {shapes[1][0]}.")
    return dim


@surface(3)
def _normal_logpdf(x, mean, cov):
    x, mean, cov = floats(x, mean, cov)
    dim = _dimension(mean, cov)
    # One number is a point in one dimension; a vector is one point, or many in one dimension.
    if x.ndim == 0:
        x = to_shape(x, (1,))
    elif x.ndim == 1 and dim == 1:
        x = to_shape(x, (x.size, 1))
    if x.shape[-1] != dim:
        raise ValueError(f"points have {x.shape[-1]} elements, the distribution {dim}")
    away = ew.subtract(x, mean)
    shape = away.shape[:-1]
    if cov.ndim < 2:
        variances = broadcast(cov, (dim,))
        distance = _sum_last(ew.divide(ew.square(away), variances))
        log_det = _sum_last(ew.log(variances))
    else:
        factor = cholesky.traced(cov)
        points = to_shape(away, (math.prod(shape), dim))
        solved = solve_triangular.traced(factor, transpose(points, axes=(1, 0)), lower=True)
        distance = to_shape(reduction.sum_(ew.square(solved), axes=(0,)), shape)
        eye = constant(np.eye(dim), x.dtype)
        diagonal = reduction.sum_(ew.multiply(factor, eye), axes=(1,))
        log_det = times(reduction.sum_(ew.log(diagonal), axes=(0,)), 2)
    total = ew.add(distance, plus(log_det, dim * math.log(2 * math.pi)))
    return times(total, -0.5)


class MultivariateNormal:
    """The normal distribution of vectors, see ``scipy.stats.multivariate_normal``.

    ``mean`` is a vector or None for 0, ``cov`` a positive definite matrix, a vector of variances or
    one variance. The density goes through Cholesky's factor; a matrix that has none raises
    ``numpy.linalg.LinAlgError`` where SciPy would use its pseudo-determinant.

    Examples
    --------
    >>> import numpy as np, pybackprop as bp
    >>> round(float(bp.stats.multivariate_normal.logpdf([0.0, 1.0], None, np.eye(2))), 6)
    -2.337877
    """

    name = "multivariate_normal"

    def logpdf(self, x, mean=None, cov=1.0, allow_singular=False):
        """The logarithm of the density at points ``x`` (..., k), shape (...)."""
        if allow_singular:
            raise NotImplementedError("multivariate_normal with allow_singular is not supported")
        return _normal_logpdf(x, 0.0 if mean is None else mean, cov)

    def pdf(self, x, mean=None, cov=1.0, allow_singular=False):
        """The density at points ``x`` (..., k), shape (...)."""
        return _exp(self.logpdf(x, mean, cov, allow_singular))


@surface()
def _exp(x):
    return ew.exp(floats(x)[0])


@surface(3)
def _multinomial_logpmf(x, n, p):
    x, n, p = floats(x, n, p)
    zero = like(0, x)
    bad = ew.logical_or(ew.less(x, zero), ew.not_equal(ew.floor(x), x))
    wrong = reduction.max_(bad, axes=(bad.ndim - 1,))
    wrong = ew.logical_or(wrong, ew.not_equal(_sum_last(x), n))
    safe = ew.select(bad, zero, x)
    terms = ew.subtract(_xlogy(safe, p), sp.lgamma(plus(safe, 1)))
    value = ew.add(sp.lgamma(plus(n, 1)), _sum_last(terms))
    return ew.select(wrong, like(-math.inf, x), value)


class Multinomial:
    """Counts of n trials with probabilities p (k,), see ``scipy.stats.multinomial``.

    The probabilities are used as they are; SciPy makes the last one 1 less the others.
    """

    name = "multinomial"

    def logpmf(self, x, n, p):
        """The logarithm of the probability of counts ``x`` (..., k), shape (...)."""
        return _multinomial_logpmf(x, n, p)

    def pmf(self, x, n, p):
        """The probability of counts ``x`` (..., k), shape (...)."""
        return _exp(self.logpmf(x, n, p))


@surface(2)
def _dirichlet_logpdf(x, alpha):
    x, alpha = floats(x, alpha)
    if alpha.ndim != 1:
        raise ValueError(f"alpha must be a vector, not of shape {alpha.shape}")
    k = alpha.shape[0]
    if not x.ndim or x.shape[0] not in (k, k - 1):
        raise ValueError(
            f"the first axis of x must have the {k} elements of alpha, or one less; x has the "
            f"shape {x.shape}"
        )
    one = like(1, x)
    if x.shape[0] == k - 1:
        last = ew.subtract(one, reduction.sum_(x, axes=(0,)))
        x = concatenate(x, to_shape(last, (1, *last.shape)), axis=0)
    column = to_shape(alpha, (k,) + (1,) * (x.ndim - 1))
    outside = ew.logical_or(ew.less(x, like(0, x)), ew.less(one, x))
    safe = ew.select(outside, like(0.5, x), x)
    powers = reduction.sum_(_xlogy(plus(column, -1), safe), axes=(0,))
    norm = ew.subtract(
        reduction.sum_(sp.lgamma(alpha), axes=(0,)), sp.lgamma(reduction.sum_(alpha, axes=(0,)))
    )
    value = ew.subtract(powers, norm)
    return ew.select(reduction.max_(outside, axes=(0,)), like(-math.inf, x), value)


class Dirichlet:
    """The Dirichlet distribution with parameters alpha (k,), see ``scipy.stats.dirichlet``.

    As there, the elements of a point are along the first axis of x, all k or the first k - 1.
    Points with elements outside [0, 1] have density 0 (SciPy raises); that they sum to 1 is not
    checked.
    """

    name = "dirichlet"

    def logpdf(self, x, alpha):
        """The logarithm of the density at points ``x`` (k, ...), shape (...)."""
        return _dirichlet_logpdf(x, alpha)

    def pdf(self, x, alpha):
        """The density at points ``x`` (k, ...), shape (...)."""
        return _exp(self.logpdf(x, alpha))


multivariate_normal, multinomial, dirichlet = MultivariateNormal(), Multinomial(), Dirichlet()
