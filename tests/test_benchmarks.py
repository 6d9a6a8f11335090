"""The harness of `make bench`: that it runs, and that it notices what it is there to notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import harness

    return harness


@pytest.mark.slow
def test_a_tiny_run_writes_ratios_and_a_table(tmp_path):
    command = [sys.executable, "-W", "ignore", str(BENCHMARKS / "run.py"), "additive", "--smoke"]
    options = ["--rounds", "2", "--without", "torch", "tfa", "--output", str(tmp_path)]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=300)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    ratios = results["additive"]["2x3x5x4"]
    assert ratios["time_ratio_keras"] > 0
    assert ratios["time_ratio_torch"] is None
    measured = results["cases"]["additive"]["2x3x5x4"]
    assert len(measured["keras AdditiveAttention"]["turns_ms"]) == 2
    assert "| keras AdditiveAttention |" in (tmp_path / "table.md").read_text("utf-8")


def case(source):
    return f"""
from harness import Case, Comparison
import numpy as np
def comparisons(smoke):
    return [Comparison("x", [Case("ours", "project", ours), Case("theirs", "project", theirs)])]
def ours():
    return lambda: np.ones(1000)
def theirs():
{source}
"""


def measured(harness, tmp_path, monkeypatch, source):
    (tmp_path / "made_up.py").write_text(case(source), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import made_up

    pythons = {"project": sys.executable}
    try:
        (comparison,) = made_up.comparisons(False)
        return harness.measure("made_up", comparison, pythons, 1, tmp_path)
    finally:
        del sys.modules["made_up"]


def test_time_and_peak_memory_are_what_was_spent(harness, tmp_path, monkeypatch):
    source = """
    import time
    def run():
        held = np.ones(50 * 2**17)
        time.sleep(0.1)
        return np.ones(1000)
    return run
"""
    theirs = measured(harness, tmp_path, monkeypatch, source)["theirs"]
    assert 100 <= theirs["ms"] <= 1000
    assert theirs["time_ratio"] < 0.5
    assert 49 <= theirs["extra_mib"] <= 60


def test_cases_that_find_other_numbers_are_refused(harness, tmp_path, monkeypatch):
    with pytest.raises(harness.CaseError, match="theirs found"):
        measured(harness, tmp_path, monkeypatch, "    return lambda: 2 * np.ones(1000)")


def test_a_case_that_breaks_off_says_how(harness, tmp_path, monkeypatch):
    with pytest.raises(harness.CaseError, match="ZeroDivisionError"):
        measured(harness, tmp_path, monkeypatch, "    return 1 / 0")
