"""A chain of ten transcendental functions over a long array: vector mathematics and fusion.

At 10^3 the whole array is in cache and the functions themselves are measured; at 10^6 a library
that makes one pass over memory per function pays for it. No neighbours in the chain are inverse
to each other or have a fused form, so that nothing can be simplified away.
"""

import numpy as np

from problems.base import Case, Problem


class Chain(Problem):
    """sum exp(tanh(log1p(sin(exp(cos(log1p(tanh(exp(sin(x)))))))))), gradient by x : (n,)."""

    name = "chain"
    sizes = ({"n": 10**3}, {"n": 10**6})
    c_source = "chain.c"

    def case(self, n):
        """Case of `n` doubles, drawn uniformly from [-3, 3]."""
        x = np.random.default_rng(3).uniform(-3.0, 3.0, n)
        return Case(
            self,
            f"chain n=10^{len(str(n)) - 1}",
            x,
            dims=(n,),
            rtol=1e-11,
            tags=frozenset({"medium"} if n < 10**5 else {"large", "large map"}),
        )

    def objective(self, ops):
        """The chain, one function after the other."""
        xp = ops.np

        def chain(x):
            y = xp.log1p(xp.tanh(xp.exp(xp.sin(x))))
            y = xp.sin(xp.exp(xp.cos(y)))
            return xp.sum(xp.exp(xp.tanh(xp.log1p(y))))

        return chain

    def by_hand(self, x):
        """The chain rule; each derivative reuses the function's own value where it can."""
        y1 = np.sin(x)
        y2 = np.exp(y1)
        y3 = np.tanh(y2)
        y4 = np.log1p(y3)
        y5 = np.cos(y4)
        y6 = np.exp(y5)
        y7 = np.sin(y6)
        y8 = np.log1p(y7)
        y9 = np.tanh(y8)
        y10 = np.exp(y9)
        bar = y10 * (1.0 - y9 * y9)
        bar /= 1.0 + y7
        bar *= np.cos(y6)
        bar *= y6
        bar *= -np.sin(y4)
        bar /= 1.0 + y3
        bar *= 1.0 - y3 * y3
        bar *= y2
        bar *= np.cos(x)
        return np.sum(y10), bar
