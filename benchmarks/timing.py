"""How times are taken: interleaved rounds of autoranged batches.

All rows of a case are timed in one go, one batch each in turn (A B C A B C ...), so that a
change of the machine's speed during the run meets all of them alike. A sample is a batch of as
many calls as fill some milliseconds; the table shows the least sample and the median one.
"""

import gc
import statistics
from dataclasses import dataclass, field
from time import perf_counter, process_time

from adapters.base import time_calls


@dataclass
class Plan:
    """How long to measure.

    Attributes
    ----------
    batch : float
        Seconds that one sample should last.
    budget : float
        Seconds of samples for each row of a case.
    rounds : int
        Most samples of each row.
    first_calls : int
        Fresh function objects of which the fastest first call counts.
    import_repeats : int
        Processes started for the import cost of each library.
    """

    batch: float = 0.01
    budget: float = 0.5
    rounds: int = 31
    first_calls: int = 3
    import_repeats: int = 5


QUICK = Plan(batch=0.003, budget=0.05, rounds=9, first_calls=1, import_repeats=1)

# A row that needs longer for one call gets no call to warm up before each sample.
WARM_UP_LIMIT = 0.02

# A first call longer than this is not repeated: it is the seconds that matter then.
FIRST_CALL_LIMIT = 0.3


@dataclass
class Result:
    """One row of the table; all times in seconds per call.

    Attributes
    ----------
    case, library : str
        Which row it is.
    status : str
        "ok", or why there are no times.
    samples : list of float
        Of the value and gradient.
    value : float or None
        Least time of the function alone.
    first : float or None
        Time of the first call of a fresh function object.
    cpu : float
        Processor time over elapsed time during the samples; above 1 there was more than one
        thread at work.
    """

    case: str
    library: str
    status: str = "ok"
    samples: list = field(default_factory=list)
    value: float | None = None
    first: float | None = None
    cpu: float = 0.0

    @property
    def least(self):
        """The least sample."""
        return min(self.samples)

    @property
    def median(self):
        """The median sample."""
        return statistics.median(self.samples)

    @property
    def spread(self):
        """Distance between the quartiles of the samples, relative to the median."""
        if len(self.samples) < 4:
            return (max(self.samples) - min(self.samples)) / self.median
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / self.median


def calls_per_batch(sample, seconds):
    """Calls that fill a batch: doubled until the clock can tell, then scaled."""
    calls = 1
    while True:
        elapsed = sample(calls)
        if elapsed > seconds / 4:
            return max(1, round(calls * seconds / elapsed))
        calls *= 4


class Row:
    """An entry while it is being timed."""

    def __init__(self, entry, result, plan):
        self.entry, self.result, self.plan = entry, result, plan
        self.calls = calls_per_batch(entry.sample, plan.batch)
        self.spent = self.cpu = 0.0
        self.value_calls = 0
        self.value_samples = []
        if entry.value is not None:
            self.value_calls = calls_per_batch(self.sample_value, plan.batch / 2)

    def sample_value(self, calls):
        """Seconds for `calls` calls of the function alone."""
        return time_calls(self.entry.value, calls)

    @property
    def done(self):
        """Whether the row has what it needs: its rounds, or its time and at least three."""
        taken = len(self.result.samples)
        return taken >= self.plan.rounds or (taken >= 3 and self.spent >= self.plan.budget)

    def sample(self):
        """Take one sample of the row, and one of the function alone.

        The call before each one brings the row's code and data back into the caches that the
        other rows have used meanwhile.
        """
        result = self.result
        warm = not result.samples or result.samples[-1] < WARM_UP_LIMIT
        if warm:
            self.entry.sample(1)
        cpu, start = process_time(), perf_counter()
        result.samples.append(self.entry.sample(self.calls) / self.calls)
        self.spent += perf_counter() - start
        self.cpu += process_time() - cpu
        if self.value_calls:
            if warm:
                self.entry.value()
            self.value_samples.append(self.sample_value(self.value_calls) / self.value_calls)

    def finish(self):
        """Write what was measured into the result."""
        self.result.cpu = self.cpu / self.spent
        if self.value_samples:
            self.result.value = min(self.value_samples)


def time_first(entry, plan):
    """Seconds of the first call of a fresh function object, or None.

    The library itself is warm: it has answered this case before. What is measured is tracing,
    differentiation, compilation, and one run.
    """
    if entry.first is None:
        return None
    times = []
    for _ in range(plan.first_calls):
        start = perf_counter()
        entry.first()
        times.append(perf_counter() - start)
        if times[-1] > FIRST_CALL_LIMIT:
            break
    return min(times)


def time_entries(entries, results, plan):
    """Time the rows of one case; the results are filled in place.

    Parameters
    ----------
    entries : list of Entry
        Checked before: every one gives the right answer.
    results : list of Result
        One for each entry.
    plan : Plan
        How long to measure.
    """
    for entry, result in zip(entries, results, strict=True):
        result.first = time_first(entry, plan)
    gc.collect()
    gc.disable()
    try:
        rows = [Row(e, r, plan) for e, r in zip(entries, results, strict=True)]
        while any(not row.done for row in rows):
            for row in rows:
                if not row.done:
                    row.sample()
        for row in rows:
            row.finish()
    finally:
        gc.enable()
