"""What pybackprop has to reach, checked against the numbers of the run.

Each bar looks its rows up by name and says met, missed, or not measured. Least times are
compared with least times. More bars are more functions, listed in `BARS`.
"""

from dataclasses import dataclass

OURS = "pybackprop"
BOUND = "pybackprop bound"
NATIVE = "pybackprop native"
THREADS = "pybackprop 2 threads"
PEERS = ("jax", "torch", "autograd", "casadi", "casadi in c", "pytensor")
LIMIT = "c by hand"


@dataclass
class Bar:
    """One line of the section.

    Attributes
    ----------
    text : str
        What is asked.
    measured : float or None
        In the unit of the limit; None if it was not measured.
    limit : float
        The most, or for a bar "at least" the least, that is allowed.
    unit : str
        Written after the numbers.
    at_least : bool
        Whether larger is better.
    """

    text: str
    measured: float | None
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def verdict(self):
        """met, MISSED, or not measured."""
        if self.measured is None:
            return "not measured"
        met = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return "met" if met else "MISSED"


class Numbers:
    """The results of a run, to be looked up by case and row."""

    def __init__(self, cases, results, imports):
        self.cases, self.imports = cases, imports
        self._rows = {(r.case, r.library): r for r in results if r.status == "ok"}

    def least(self, case, library):
        """Least time, or None."""
        row = self._rows.get((case, library))
        return row.least if row else None

    def get(self, case, library, what):
        """An attribute of a row ("value", "first"), or None."""
        return getattr(self._rows.get((case, library)), what, None)

    def ratio(self, case, library, other):
        """Least time of one row over that of another, or None."""
        a, b = self.least(case, library), self.least(case, other)
        return a / b if a and b else None

    def over_best_peer(self, case, library):
        """Least time of a row over that of the fastest other library, or None."""
        ratios = [self.ratio(case, library, peer) for peer in PEERS]
        return max((ratio for ratio in ratios if ratio), default=None)

    def labels(self, tag):
        """Labels of the cases with this tag."""
        return [case.label for case in self.cases if tag in case.tags]


def scaled(number, factor):
    """A number in another unit, or None."""
    return None if number is None else number * factor


def calls(numbers):
    """What a call may cost."""
    case = "rosenbrock n=10"
    return [
        Bar(f"{case}: ordinary call", scaled(numbers.least(case, OURS), 1e6), 0.5, "us"),
        Bar(f"{case}: bound call", scaled(numbers.least(case, BOUND), 1e6), 0.25, "us"),
        Bar(f"{case}: jax / ordinary call", numbers.ratio(case, "jax", OURS), 15, "x", True),
    ] + [
        Bar(f"{label}: ordinary call", scaled(numbers.least(label, OURS), 1e6), 0.5, "us")
        for label in numbers.labels("log-density")
    ]


def first_calls(numbers):
    """What tracing and compiling may cost."""
    limits = {"rosenbrock": 10, "mlp": 40}
    return [
        Bar(
            f"{case.label}: first call",
            scaled(numbers.get(case.label, OURS, "first"), 1e3),
            limits[case.problem.name],
            "ms",
        )
        for case in numbers.cases
        if case.problem.name in limits
    ]


def imports(numbers):
    """What the import may cost."""
    cost = numbers.imports.get(OURS)
    return [Bar("import after numpy", scaled(cost[0] if cost else None, 1e3), 30, "ms")]


def peers(numbers):
    """Ahead of JAX, PyTorch and autograd on the small cases, beside JAX on the others."""
    bars = []
    for case in numbers.labels("small"):
        for peer in ("jax", "torch", "autograd"):
            bars.append(Bar(f"{case}: ours / {peer}", numbers.ratio(case, OURS, peer), 1, "x"))
    for tag in ("medium", "large"):
        for case in numbers.labels(tag):
            bars.append(Bar(f"{case}: ours / jax", numbers.ratio(case, OURS, "jax"), 1.5, "x"))
    return bars


# What a derivative may cost beside its value, by problem; three values elsewhere.
RATIOS = {"chain": 2, "black76": 2, "logistic": 1.5, "student": 1.5}

# A Jacobian is many derivatives.
JACOBIANS = {"hand", "ba"}


def ratios(numbers):
    """What a derivative may cost beside its value."""
    bars = []
    for case in numbers.cases:
        if case.problem.name in JACOBIANS:
            continue
        value, both = numbers.get(case.label, BOUND, "value"), numbers.least(case.label, BOUND)
        ratio = both / value if value and both else None
        limit = RATIOS.get(case.problem.name, 3)
        bars.append(Bar(f"{case.label}: derivative / value", ratio, limit, "x"))
    return bars


# By tag of a case: the most that a row may need of the time of another. Calls that write into
# fixed buffers are compared with C, which does so too; ordinary calls with the other libraries.
SHARES = {
    "gmm": ((OURS, "jax", 0.8), (NATIVE, LIMIT, 1.3)),
    "gmm 10k": ((OURS, "jax", 0.4),),
    "ba": ((OURS, "jax", 0.3), (NATIVE, LIMIT, 1.3)),
    "hand": ((OURS, "jax", 0.35), (NATIVE, "jax", 0.1), (NATIVE, LIMIT, 1.3)),
    "lstm": ((OURS, "jax", 0.2), (NATIVE, "jax", 0.12), (NATIVE, LIMIT, 1.3)),
    "recurrence": ((BOUND, LIMIT, 4), (NATIVE, LIMIT, 1.3)),
    "vector": ((OURS, "best peer", 0.25), (BOUND, LIMIT, 1.5)),
    "network": ((OURS, "jax", 0.5),),
    "large map": ((BOUND, "jax", 0.5), (BOUND, LIMIT, 1.6), (NATIVE, LIMIT, 1.3)),
    "rows": ((OURS, "jax", 0.55),),
    "many rows": ((OURS, "jax", 0.4), (BOUND, LIMIT, 1.3)),
    "step": ((OURS, "jax", 1), (OURS, "torch", 1)),
    "ode": ((OURS, "jax", 0.05),),
}


def shares(numbers):
    """Fractions of the times of others."""
    bars = []
    for tag, limits in SHARES.items():
        for case in numbers.labels(tag):
            for row, other, limit in limits:
                if other == "best peer":
                    ratio = numbers.over_best_peer(case, row)
                else:
                    ratio = numbers.ratio(case, row, other)
                bars.append(Bar(f"{case}: {row} / {other}", ratio, limit, "x"))
    return bars


def threads(numbers):
    """What a second thread gains on the large cases."""
    large = dict.fromkeys(numbers.labels("large") + numbers.labels("large map"))
    return [
        Bar(f"{case}: one thread / two", numbers.ratio(case, BOUND, THREADS), 1.7, "x", True)
        for case in large
    ]


BARS = (calls, first_calls, imports, peers, shares, ratios, threads)


def check(cases, results, import_costs):
    """All bars of a run.

    Parameters
    ----------
    cases : list of Case
        The cases that were run; bars of others are left out.
    results : list of Result
        Their rows.
    import_costs : dict
        Seconds and bytes by module.

    Returns
    -------
    list of Bar
    """
    numbers = Numbers(cases, results, import_costs)
    run = {case.label for case in cases}
    bars = [bar for family in BARS for bar in family(numbers)]
    return [bar for bar in bars if ":" not in bar.text or bar.text.split(":")[0] in run]
