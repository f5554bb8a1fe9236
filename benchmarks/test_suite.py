"""The suite checks itself: references, what counts as wrong, and what becomes of it.

Run with ``pytest benchmarks``; needs NumPy only, and a C compiler for one test.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

# The suite is a program, not a package: it is found by the folder of `run.py`.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
import run
from adapters.base import Adapter, ComplexOps, Entry
from adapters.by_hand import NumpyByHand
from adapters.c_limit import CLimit
from problems import PROBLEMS
from problems.base import complex_steps, leaves, map_tree, rebuild
from timing import QUICK


class Spoiled(Adapter):
    """Right answers with something done to them."""

    name = "spoiled"

    def __init__(self, spoil):
        self.spoil = spoil

    def entries(self, case):
        right = case.problem.by_hand(case.x, *case.data)
        return [Entry("spoiled", lambda: self.spoil(*right))]


def raising(value, gradient):
    raise ValueError("no such thing\nsecond line")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_hand_derived_gradients_agree_with_a_complex_step(problem):
    problem.check_by_hand(ComplexOps())


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_numpy_and_c_give_the_reference(problem):
    case = problem.case(**problem.sizes[0])
    adapters = [a for a in (NumpyByHand(), CLimit()) if a.missing() is None]
    results = run.run_case(case, adapters, QUICK)
    done = [r for r in results if not r.status.startswith("skipped: not derived by hand")]
    assert {r.status for r in done if r.library != "numpy"} <= {"ok"}
    assert all(0 < r.least <= r.median for r in done if r.status == "ok")


def test_complex_steps_agree_with_a_gradient_derived_by_hand():
    case = PROBLEMS[0].case(n=10)
    value, gradient = case.reference()
    fn = case.problem.objective(ComplexOps())
    stepped, slopes = complex_steps(fn, case.x.astype(np.longdouble), ())
    np.testing.assert_allclose(float(stepped), float(value), rtol=1e-15)
    np.testing.assert_allclose(slopes.astype(float), gradient[0].astype(float), rtol=1e-14)


def test_the_sensitivities_of_an_option_agree_with_complex_steps():
    special = pytest.importorskip("scipy.special")
    problem = next(p for p in PROBLEMS if p.name == "black76")
    case = problem.case(n=1000)
    price, gradient = problem.reference(case)
    ops = ComplexOps()
    ops.erfc = special.erfc
    fn = problem.objective(ops)
    for name in case.x:
        x = {key: array + (1e-30j if key == name else 0) for key, array in case.x.items()}
        stepped = fn(x)
        np.testing.assert_allclose(stepped.real, price, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(stepped.imag / 1e-30, gradient[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda v, g: (v * (1 + 1e-9), g), "WRONG: value"),
        (lambda v, g: (v, g * (1 + 1e-9)), "WRONG: gradient 0 differs"),
        (lambda v, g: (v, g * np.nan), "WRONG: gradient 0 differs"),
        (lambda v, g: (v, g.astype(np.float32)), "WRONG: gradient 0 is float32"),
        (lambda v, g: (v, list(g)), "WRONG: 10 gradient arrays"),
        (raising, "FAILED: ValueError: no such thing"),
    ],
)
def test_a_wrong_answer_is_reported_and_not_timed(spoil, status, capsys):
    case = PROBLEMS[0].case(n=10)
    (result,) = run.run_case(case, [Spoiled(spoil)], QUICK)
    assert result.status.startswith(status)
    assert not result.samples
    assert status in capsys.readouterr().err
    assert result.status in report.table_rows([result])[0]


def test_trees_keep_their_structure_and_order():
    tree = {"b": [1, (2, 3)], "a": 4}
    assert leaves(tree) == [4, 1, 2, 3]
    assert rebuild(tree, "wxyz") == {"b": ["x", ("y", "z")], "a": "w"}
    assert list(map_tree(str, tree)) == ["b", "a"]


def test_markdown_is_written_between_the_last_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before `{report.START}`\n{report.START}\nold\n{report.END}\nafter\n")
    report.write_markdown(page, "new")
    want = f"before `{report.START}`\n{report.START}\n\nnew\n\n{report.END}\nafter\n"
    assert page.read_text() == want


def test_a_run_ends_well_and_writes_its_files(tmp_path, capsys):
    json, markdown = tmp_path / "run.json", tmp_path / "run.md"
    status = run.main(
        [
            "--smallest",
            "--problems",
            "rosenbrock",
            "--adapters",
            "numpy",
            "--json",
            str(json),
            "--markdown",
            str(markdown),
        ]
    )
    assert status == 0
    assert "numpy by hand" in capsys.readouterr().out
    assert "rosenbrock n=2" in json.read_text()
    assert "| rosenbrock n=2 |" in markdown.read_text()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(SystemExit, match="no problem called nonsense; there are rosenbrock"):
        run.main(["--problems", "nonsense"])
