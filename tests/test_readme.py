"""The code in README.md runs, and prints what its comments say."""

import contextlib
import io
import os
import re

README = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")


def blocks():
    with open(README, encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)


def test_there_is_a_short_example_first():
    lines = [line for line in blocks()[0].splitlines() if line.strip()]
    assert len(lines) <= 8


def test_code_runs_and_prints_what_it_says():
    """Blocks share their names, in order; ``print(...)  # text`` must print ``text``."""
    names = {}
    for block in blocks():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, README, "exec"), names)
        expected = re.findall(r"^print\(.*\) +# (.*)$", block, re.MULTILINE)
        if expected:
            assert printed.getvalue().split() == " ".join(expected).split()


def test_links_lead_somewhere():
    root = os.path.dirname(README)
    with open(README, encoding="utf-8") as file:
        targets = re.findall(r"\]\(([^)#]+)\)", file.read())
    assert [
        t for t in targets if "://" not in t and not os.path.exists(os.path.join(root, t))
    ] == []


def test_the_table_names_what_there_is():
    import pybackprop as bp

    with open(README, encoding="utf-8") as file:
        rows = re.findall(r"^\| (`bp\..*?) \|", file.read(), re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`bp\.(\w+)", row)]
    assert len(names) > 15
    assert [name for name in names if not hasattr(bp, name)] == []
