"""The examples run as a user runs them, and print the numbers they promise."""

import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.path.dirname(HERE), "examples")


def run(name, *arguments, cwd=None):
    """What an example prints."""
    import pybackprop

    environment = dict(os.environ, PYTHONIOENCODING="utf-8", MPLBACKEND="Agg")
    # The package under test, wherever it is; the example's own folder is on the path anyhow.
    environment["PYTHONPATH"] = os.path.dirname(os.path.dirname(pybackprop.__file__))
    done = subprocess.run(
        [sys.executable, os.path.join(EXAMPLES, name), *arguments],
        capture_output=True, text=True, encoding="utf-8", cwd=cwd, env=environment, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_chain_rule():
    text = run("chain_rule.py")
    assert "a1 = 2, a2 = 7, J = 2" in text
    assert "dJ/dw1 = 6" in text
    assert "dJ/dw2 = 4" in text
    assert "dJ/db1 = 6" in text
    assert "dJ/db2 = 2" in text
    # By bp.explain: all paths from w1 to J, their sum, the gradient, and the check.
    assert re.search(r"1( \* [\d.]+)+ = 6\n +sum 6, gradient 6, central difference 6", text)
    assert re.search(r"\ba1 +relu\(\w+\) +2 +6 ", text), "value and adjoint of a1"
    assert re.search(r"\ba2 +relu\(\w+\) +7 +2 ", text), "value and adjoint of a2"
    assert re.search(r"a1 -> \w+ +3$", text, re.MULTILINE), "local derivative: w2"
    before, after = re.search(r"J goes from (\S+) to (\S+)", text).groups()
    assert float(after) < float(before)


def test_gradient_descent():
    text = run("gradient_descent.py")
    assert re.search(r"rate 0\.001 .*on its way", text)
    assert re.search(r"rate 0\.01  .*3\.5844, -1\.8481\).*there", text), "one valley"
    assert re.search(r"rate 0\.02  .*3\.0000,  2\.0000\).*there", text), "another one"
    assert re.search(r"rate 0\.05  .*far too large", text)
    counts = re.findall(r"^ +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.MULTILINE)
    assert [row[0] for row in counts] == ["2", "10", "100"]
    for row in counts:
        parameters, value, both, differences = map(int, row)
        assert differences == value * (parameters + 1)
        assert both <= 3 * value + parameters


def test_logistic_regression():
    text = run("logistic_regression.py")
    # Published for these data: 15.0429 (7.3786) and -0.2322 (0.1082).
    assert "intercept   15.0429  standard error 7.3786" in text
    assert "per degree  -0.2322  standard error 0.1082" in text
    assert "0.9996" in text


def test_ode():
    text = run("ode.py")
    values = dict(re.findall(r"^(\w[\w ]*?) +(\d+\.\d{4})$", text, re.MULTILINE))
    assert float(values["a"]) == pytest.approx(0.5402, abs=2e-4)
    assert float(values["b"]) == pytest.approx(0.0272, abs=2e-4)
    assert float(values["c"]) == pytest.approx(0.7964, abs=2e-4)
    assert float(values["d"]) == pytest.approx(0.0237, abs=2e-4)
    assert float(re.search(r"differs from J\^T r by (\S+)", text).group(1)) < 1e-10


def digits(*arguments, cwd):
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    return run("digits.py", "--repeats", "5", *arguments, cwd=cwd)


def test_digits_in_short(tmp_path):
    text = digits("--epochs", "2", "--no-plot", cwd=tmp_path)
    assert "1437 digits to learn from, 360 held out" in text
    assert "a last one of 29" in text
    assert float(re.search(r"read right: (\S+)%", text).group(1)) > 85
    assert re.search(r"\d+ us with pybackprop, \d+ us in NumPy by hand", text)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_digits_are_learned_and_drawn(tmp_path, dtype):
    pytest.importorskip("matplotlib")
    text = digits("--dtype", dtype, "--out", "picture.png", cwd=tmp_path)
    assert float(re.search(r"read right: (\S+)%", text).group(1)) >= 97
    assert "picture: picture.png" in text
    with open(tmp_path / "picture.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
