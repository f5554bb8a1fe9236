"""The results in writing: the table for a terminal, Markdown for the README, JSON for programs."""

import json

HEAD = ("case", "library", "min", "median", "spread", "/ours", "/C", "value", "d/v", "first")
START, END = "<!-- table -->", "<!-- /table -->"


def duration(seconds):
    """Three digits and a unit: ``"1.23 us"``; a dash for None."""
    if seconds is None:
        return "-"
    units = (("ns", 1e9), ("us", 1e6), ("ms", 1e3), ("s", 1.0))
    fitting = [(seconds * factor, unit) for unit, factor in units if seconds * factor < 999.5]
    number, unit = fitting[0] if fitting else (seconds, "s")
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {unit}"


def times(number):
    """A ratio, or a dash for None."""
    if number is None:
        return "-"
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f}"


def base(results, case, library):
    """Least time of a row, or None if there is none: what ratios are taken to."""
    for result in results:
        if result.case == case and result.library == library and result.status == "ok":
            return result.least
    return None


def named(result):
    """Name of a row, marked if more than one thread was at work in it."""
    mark = f" ({result.cpu:.1f} threads)" if result.cpu > 1.2 else ""
    return result.library + mark


def table_rows(results):
    """The cells of the table, one list of strings for each result."""
    rows = []
    for r in results:
        if r.status != "ok":
            rows.append([r.case, r.library, r.status] + [""] * (len(HEAD) - 3))
            continue
        ours, limit = (base(results, r.case, name) for name in ("pybackprop", "c by hand"))
        rows.append(
            [
                r.case,
                named(r),
                duration(r.least),
                duration(r.median),
                f"{100 * r.spread:.0f} %",
                times(r.least / ours if ours else None),
                times(r.least / limit if limit else None),
                duration(r.value),
                times(r.least / r.value if r.value else None),
                duration(r.first),
            ]
        )
    return rows


def print_rows(head, rows):
    """Print aligned columns; a line between groups with different first cells.

    A cell that is no number, such as the reason why a row has no times, runs over the columns
    after it and does not widen its own.
    """
    full = [row for row in rows if any(row[3:])]
    widths = [
        max([len(name), *(len(row[i]) for row in (rows if i < 2 else full))])
        for i, name in enumerate(head)
    ]
    print(
        "  ".join(
            h.ljust(w) if i < 2 else h.rjust(w)
            for i, (h, w) in enumerate(zip(head, widths, strict=True))
        )
    )
    previous = None
    for row in rows:
        if row[0] != previous:
            print("-" * (sum(widths) + 2 * len(widths) - 2))
        cells = ["" if row[0] == previous else row[0], *row[1:]]
        print(
            "  ".join(
                c.ljust(w) if i < 2 else c.rjust(w)
                for i, (c, w) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
        )
        previous = row[0]


def print_report(record, results, bars):
    """Print everything: where, the table, imports, bars."""
    print()
    for line in preface(record):
        print(line)
    print()
    print_rows(HEAD, table_rows(results))
    print()
    print("import after numpy:")
    for name, cost in record["imports"].items():
        text = f"{duration(cost[0])}, {cost[1] / 2**20:.0f} MB" if cost else "not measured"
        print(f"  {name:<12} {text}")
    print()
    met = sum(bar.verdict == "met" for bar in bars)
    print(f"bars ({met} of {len(bars)} met):")
    for bar in bars:
        print(f"  {bar.verdict:<12}  {bar_text(bar)}")


def bar_text(bar):
    """One bar in words."""
    sign = ">=" if bar.at_least else "<="
    measured = "-" if bar.measured is None else f"{times(bar.measured)} {bar.unit}"
    return f"{bar.text}: {measured} (asked {sign} {bar.limit:g} {bar.unit})"


def preface(record):
    """Lines that say where, with what, and how."""
    machine = ", ".join(f"{key}: {value}" for key, value in record["machine"].items())
    versions = ", ".join(f"{key} {value}" for key, value in record["versions"].items())
    return [
        f"machine   {machine}",
        f"versions  {versions}",
        "threads   one for each library, by environment and by setting; rows at which more",
        "          than one worked are marked",
        "columns   min, median: seconds per call, value and gradient, NumPy in and out;",
        "          spread: between quartiles; /ours, /C: min over the min of pybackprop and C;",
        "          value: the function alone; d/v: min / value; first: trace, compile, one run",
    ]


def matrix(results):
    """The table for the README: a line for each case, a column for each library."""
    libraries = list(dict.fromkeys(r.library for r in results))
    cells = {(r.case, r.library): r for r in results}
    lines = ["| case | " + " | ".join(libraries) + " |", "| --- |" + " ---: |" * len(libraries)]
    for case in dict.fromkeys(r.case for r in results):
        row = []
        for library in libraries:
            r = cells.get((case, library))
            done = r is not None and r.status == "ok"
            row.append(duration(r.least) if done else "-" if r is None else r.status.split(":")[0])
        lines.append(f"| {case} | " + " | ".join(row) + " |")
    return lines


def markdown(record, results, bars):
    """The section of the README, as one string."""
    lines = ["Least time per call of value and gradient.", "", *matrix(results), ""]
    lines += [
        "<details><summary>All rows: median, spread, ratios, value alone, first call</summary>",
        "",
    ]
    lines += ["| " + " | ".join(HEAD) + " |", "| --- | --- |" + " ---: |" * (len(HEAD) - 2)]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(results)]
    lines += [
        "",
        "</details>",
        "",
        "| import after NumPy | time | memory |",
        "| --- | ---: | ---: |",
    ]
    for name, cost in record["imports"].items():
        if cost:
            lines.append(f"| {name} | {duration(cost[0])} | {cost[1] / 2**20:.0f} MB |")
    if any(bar.measured is not None for bar in bars):
        lines += ["", "| bar | |", "| --- | --- |"]
        lines += [f"| {bar_text(bar)} | {bar.verdict} |" for bar in bars]
    lines += ["", "```", *preface(record), "```"]
    return "\n".join(lines)


def write_markdown(path, text):
    """Write the section to a file; between the markers, where the file has them."""
    if path.exists() and START in (old := path.read_text()) and END in old:
        # The last pair: a page may speak of its markers before it uses them.
        before, after = old[: old.rindex(START)], old[old.rindex(END) :]
        text = f"{before}{START}\n\n{text}\n\n{after}"
    else:
        text += "\n"
    path.write_text(text)


def write_json(path, record, results, bars):
    """Write everything that was measured, every sample included."""
    record = dict(record)
    record["results"] = [
        {
            "case": r.case,
            "library": r.library,
            "status": r.status,
            "samples": r.samples,
            "value": r.value,
            "first": r.first,
            "cpu": r.cpu,
        }
        for r in results
    ]
    record["bars"] = [
        {
            "text": b.text,
            "measured": b.measured,
            "limit": b.limit,
            "unit": b.unit,
            "at_least": b.at_least,
            "verdict": b.verdict,
        }
        for b in bars
    ]
    path.write_text(json.dumps(record, indent=1) + "\n")
