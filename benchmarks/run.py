"""Time value and gradient of the problems with every library present, and print one table.

    python benchmarks/run.py
    python benchmarks/run.py --problems rosenbrock,mlp --adapters pybackprop,jax
    python benchmarks/run.py --smallest
    python benchmarks/run.py --full
    python benchmarks/run.py --json FILE --markdown benchmarks/README.md

Every answer is compared with a reference before it is timed; a wrong one is printed as WRONG
and not timed. The exit status is 1 if any answer was wrong, or if a library raised.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from machine import ONE_THREAD, describe, import_cost

# Before the imports below, which bring in the numerical libraries.
os.environ.update(ONE_THREAD)

import bars
import report
from adapters import ADAPTERS
from adapters.base import ComplexOps, Unsupported
from problems import PROBLEMS
from timing import QUICK, Plan, Result, time_entries


def chosen(things, names, what):
    """Those of `things` whose names are in the comma-separated list `names`, or all."""
    if names is None:
        return list(things)
    wanted = [name.strip() for name in names.split(",")]
    known = {thing.name: thing for thing in things}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"no {what} called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", metavar="A,B", help="only these problems")
    parser.add_argument("--adapters", metavar="A,B", help="only these libraries")
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="only the smallest size of each problem, timed briefly",
    )
    parser.add_argument(
        "--full", action="store_true", help="also the sizes that need minutes or much memory"
    )
    parser.add_argument(
        "--budget", type=float, metavar="SECONDS", help="of samples for each row of each case"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the table there, between its markers if it has them",
    )
    return parser.parse_args(arguments)


def say(text):
    """Progress: to the error stream, so that the table can be redirected alone."""
    print(text, file=sys.stderr, flush=True)


def present(adapters):
    """Those adapters that can run here; a line for each that cannot."""
    found = []
    for adapter in adapters:
        reason = adapter.missing()
        if reason is None:
            found.append(adapter)
        else:
            print(f"skipped: {adapter.name}: {reason}")
    return found


def check_entry(case, entry, reference):
    """Run an entry once and compare; the status of its row."""
    try:
        error = case.error(entry.call(), reference)
    except Exception as raised:
        return f"FAILED: {type(raised).__name__}: {first_line(raised)}"
    return "ok" if error is None else f"WRONG: {error}"


def first_line(raised):
    """The first line of an exception's text, shortened."""
    lines = str(raised).splitlines() or [""]
    return lines[0][:120]


def run_case(case, adapters, plan):
    """Check and time all rows of one case.

    Parameters
    ----------
    case : Case
        What to run.
    adapters : list of Adapter
        With what.
    plan : Plan
        For how long.

    Returns
    -------
    list of Result
    """
    reference = case.reference()
    results, right = [], []
    for adapter in adapters:
        try:
            if case.problem.kind not in adapter.kinds:
                raise Unsupported(f"no {case.problem.kind}")
            entries = adapter.entries(case)
        except Unsupported as reason:
            results.append(Result(case.label, adapter.name, f"skipped: {reason}"))
            continue
        except Exception as raised:
            status = f"FAILED: {type(raised).__name__}: {first_line(raised)}"
            results.append(Result(case.label, adapter.name, status))
            continue
        for entry in entries:
            result = Result(case.label, entry.library, check_entry(case, entry, reference))
            results.append(result)
            if result.status == "ok":
                right.append((entry, result))
    if right:
        time_entries([entry for entry, _ in right], [result for _, result in right], plan)
    for result in results:
        if result.status != "ok":
            say(f"  {result.library}: {result.status}")
    return results


def main(arguments=None):
    """Run the suite; returns the exit status."""
    options = parse(arguments)
    plan = QUICK if options.smallest else Plan()
    if options.budget is not None:
        plan = replace(plan, budget=options.budget)
    problems = chosen(PROBLEMS, options.problems, "problem")
    adapters = present(chosen(ADAPTERS, options.adapters, "adapter"))
    record = {"machine": describe(), "versions": {}, "imports": {}}
    for adapter in adapters:
        record["versions"].update(adapter.versions())

    cases, results = [], []
    for problem in problems:
        problem.check_by_hand(ComplexOps())
        sizes = problem.sizes[:1] if options.smallest else problem.sizes
        for size in (*sizes, *(problem.on_request if options.full else ())):
            case = problem.case(**size)
            say(case.label)
            cases.append(case)
            results += run_case(case, adapters, plan)
    for adapter in adapters:
        for module in adapter.modules[:1]:
            if module not in record["imports"]:
                say(f"import {module}")
                record["imports"][module] = import_cost(module, plan.import_repeats)

    verdicts = bars.check(cases, results, record["imports"])
    report.print_report(record, results, verdicts)
    if options.json:
        report.write_json(options.json, record, results, verdicts)
    if options.markdown:
        text = report.markdown(record, results, verdicts)
        report.write_markdown(options.markdown, text)
    return int(any(r.status.startswith(("WRONG", "FAILED")) for r in results))


if __name__ == "__main__":
    sys.exit(main())
