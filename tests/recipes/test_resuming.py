"""A recipe that was killed in an epoch ends with the bits of one that was not."""

import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytest.importorskip("sacrebleu")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the recipes' data are TensorFlow's"
)

ROOT = Path(__file__).parents[2]


def run(*arguments):
    command = [sys.executable, "-m", "tests.recipes.resuming", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def digest(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow  # three processes each; tests/callbacks/test_training_backup.py is quick
@pytest.mark.parametrize("name", ["spelling", "recurrent", "transformer", "captions", "hard"])
def test_a_killed_training_ends_with_the_same_bits(tmp_path, name):
    whole = run(name, tmp_path / "whole")
    killed = run(name, tmp_path / "killed", "kill")
    assert killed.returncode == -signal.SIGKILL
    backup = tmp_path / "killed" / "backup"
    assert (backup / "epoch-1.npz").exists() and not (backup / "epoch-2.npz").exists()
    resumed = run(name, tmp_path / "killed")
    assert "Going on after epoch 1 " in resumed.stdout
    assert digest(resumed) == digest(whole)
