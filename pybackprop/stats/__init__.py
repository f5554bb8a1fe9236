"""Log-densities of distributions, by SciPy's names and parameters, on traced values and arrays.

SciPy's own do not take traced values; these do, and are differentiable in the operand and in every
parameter, where their formulas are: a log-density that exists to second order in all of them.

=============  ===================================================================================
kind           distributions
=============  ===================================================================================
continuous     ``norm t cauchy laplace logistic lognorm expon gamma chi2 invgamma beta uniform
               truncnorm weibull_min pareto gumbel_r gumbel_l halfnorm halfcauchy vonmises
               gennorm wrapcauchy`` with ``logpdf``, ``pdf`` and, where there are formulas,
               ``cdf``, ``sf``, ``logcdf``, ``logsf``, ``ppf``, ``isf``
discrete       ``poisson bernoulli binom nbinom geom betabinom`` with ``logpmf``, ``pmf`` and mostly
               ``cdf``, ``sf``
of vectors     ``multivariate_normal multinomial dirichlet``
=============  ===================================================================================

Conventions: outside of the support a log-density is -inf and all its derivatives are 0. Parameters
outside of their domain give NaN, as in SciPy. What has no formula raises NotImplementedError.

Examples
--------
>>> import numpy as np
>>> import pybackprop as bp
>>> y = np.array([1.0, 2.0, 4.0])
>>> def loss(loc, scale):
...     return -np.sum(bp.stats.norm.logpdf(y, loc, scale))
>>> value, slope = bp.value_and_grad(loss)(2.0, 1.5)
>>> round(float(value), 4), round(float(slope), 4)
(5.0843, -0.4444)
"""

from ._continuous import (
    beta,
    cauchy,
    chi2,
    expon,
    gamma,
    gennorm,
    gumbel_l,
    gumbel_r,
    halfcauchy,
    halfnorm,
    invgamma,
    laplace,
    logistic,
    lognorm,
    norm,
    pareto,
    t,
    truncnorm,
    uniform,
    vonmises,
    weibull_min,
    wrapcauchy,
)
from ._discrete import bernoulli, betabinom, binom, geom, nbinom, poisson
from ._multivariate import dirichlet, multinomial, multivariate_normal

__all__ = [
    "bernoulli", "beta", "betabinom", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma",
    "gennorm", "geom", "gumbel_l", "gumbel_r", "halfcauchy", "halfnorm", "invgamma", "laplace",
    "logistic", "lognorm", "multinomial", "multivariate_normal", "nbinom", "norm", "pareto",
    "poisson", "t", "truncnorm", "uniform", "vonmises", "weibull_min", "wrapcauchy",
]  # fmt: skip
