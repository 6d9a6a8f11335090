"""A type checker finds the mistakes in a user's program, and no others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_attention

PROGRAM = Path(__file__).parent / "fixtures" / "typing" / "user_program.txt"

pytest.importorskip("mypy")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The lines of the program that mypy reports, as a user runs it: without our settings."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "user_program.py").write_text(PROGRAM.read_text("utf-8"), "utf-8")
    source = f"mypy_path = {Path(keras_attention.__file__).parents[1]}\n"
    settings = "[mypy]\n" + source + "ignore_missing_imports = true\nfollow_imports = silent\n"
    settings += "[mypy-keras.*,tensorflow.*]\nfollow_imports = skip\n"
    (folder / "mypy.ini").write_text(settings, "utf-8")
    command = [sys.executable, "-m", "mypy", "user_program.py", "--config-file", "mypy.ini"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "user_program.py" in done.stdout, done.stdout + done.stderr
    return {
        int(n): text for n, text in re.findall(r"user_program\.py:(\d+): error: (.*)", done.stdout)
    }


def test_a_type_checker_finds_every_planted_mistake_and_nothing_else(reported):
    lines = PROGRAM.read_text("utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert wrong
    assert set(reported) == wrong, reported
