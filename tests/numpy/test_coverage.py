"""The page of NumPy's names says what is so: every sample is called again."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import pybackprop.numpy as bnp

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tools"))
import numpy_coverage as coverage  # noqa: E402

ROW = re.compile(r"^\| `(\w+)` \| ([a-z ]+) \|")
# What is better comes later; a name may do more than the page says until it is written again.
ORDER = (coverage.NOT, coverage.PLAIN, coverage.MAKES, coverage.VALUES, coverage.DERIVATIVE)


def stated():
    """Kinds by (section, name) on the page."""
    result, section = {}, None
    for line in coverage.PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        match = ROW.match(line)
        if match:
            result[section, match[1]] = match[2]
    return result


STATED = stated()
SUBJECTS = list(coverage.subjects())


def test_every_name_is_on_the_page():
    version = re.search(r"NumPy ([\d.]+),", coverage.PAGE.read_text("utf-8"))[1]
    if version != np.__version__:
        pytest.skip(f"the page is of NumPy {version}")
    assert {(section, name) for section, name, _ in SUBJECTS} == set(STATED)


@pytest.mark.parametrize("part", range(8))
def test_names_do_what_the_page_says(part):
    less = []
    for section, name, expression in SUBJECTS[part::8]:
        kind = STATED.get((section, name))
        if kind is None:
            continue
        found, reason = coverage.classify(name, expression)
        if ORDER.index(found) < ORDER.index(kind):
            less.append((section, name, kind, found, reason))
    assert less == []


def test_more_of_numpys_functions_than_jax_has():
    main = [(name, kind) for (section, name), kind in STATED.items() if section.startswith("Func")]
    named = [name for name, kind in main if kind != coverage.NOT]
    assert len(named) > coverage.JAX_NAMES
    for name in named:
        assert callable(getattr(bnp, name)), name
