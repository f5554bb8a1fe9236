"""Black's formula for options on futures, with all sensitivities, on 10^5 options.

A price for each option, and for each its derivatives by forward, strike, expiry, volatility and
rate: a vectorised map over rows with six results, written as the gradient of one option's price,
mapped over the options.

References
----------
F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), 167-179.
"""

import math

import numpy as np

from problems.base import Case, Problem, leaves


class Black76(Problem):
    """Prices (n,) and a dict of five sensitivities (n,)."""

    name = "black76"
    sizes = ({"n": 10**3}, {"n": 10**5})
    c_source = "black76.c"
    kind = "program"

    def case(self, n):
        """Calls around the money, a month to three years."""
        rng = np.random.default_rng(20)
        forward = rng.uniform(60.0, 140.0, n)
        x = {
            "forward": forward,
            "strike": forward * rng.uniform(0.8, 1.25, n),
            "expiry": rng.uniform(0.08, 3.0, n),
            "volatility": rng.uniform(0.1, 0.6, n),
            "rate": rng.uniform(0.0, 0.06, n),
        }
        tags = frozenset({"map"} if n < 10**5 else {"map", "large map"})
        label = f"black76 n=10^{len(str(n)) - 1}"
        return Case(self, label, x, (), (n,), 1e-11, tags, value_shape=(n,))

    def objective(self, ops):
        """The price of a call: of one option or, since it is elementwise, of many."""
        xp = ops.np

        def ndtr(z):
            return 0.5 * ops.erfc(z * -np.sqrt(0.5))

        def price(x):
            spread = x["volatility"] * xp.sqrt(x["expiry"])
            d1 = xp.log(x["forward"] / x["strike"]) / spread + 0.5 * spread
            exercised = x["forward"] * ndtr(d1) - x["strike"] * ndtr(d1 - spread)
            return xp.exp(-x["rate"] * x["expiry"]) * exercised

        return price

    def program(self, ops):
        """All prices and sensitivities."""
        return ops.rowwise(self.objective(ops))

    def call_casadi(self, ops, case):
        """A function of one option, mapped over all."""
        parts = {name: ops.casadi.SX.sym(name) for name in sorted(case.x)}
        price = self.objective(ops)(parts)
        slopes = [ops.casadi.gradient(price, part) for part in parts.values()]
        function = ops.casadi.Function("price", [*parts.values()], [price, *slopes])
        value, derivative = case.blank()
        trigger = ops.bind(function.map(len(value)), leaves(case.x), [value, *leaves(derivative)])

        def call():
            trigger()
            return value, derivative

        return call

    def reference(self, case):
        """The textbook's formulas; a test compares them with complex steps."""
        erfc = np.vectorize(math.erfc, otypes=[float])
        names = ("forward", "strike", "expiry", "volatility", "rate")
        f, k, t, v, r = (case.x[name] for name in names)
        spread = v * np.sqrt(t)
        d1 = np.log(f / k) / spread + 0.5 * spread
        n1, n2 = (0.5 * erfc(-d * np.sqrt(0.5)) for d in (d1, d1 - spread))
        discount = np.exp(-r * t)
        price = discount * (f * n1 - k * n2)
        density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
        return price, {
            "forward": discount * n1,
            "strike": -discount * n2,
            "expiry": discount * f * density * v / (2.0 * np.sqrt(t)) - r * price,
            "volatility": discount * f * density * np.sqrt(t),
            "rate": -t * price,
        }
