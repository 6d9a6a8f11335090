"""The wheel, installed, from an empty folder: what a newcomer meets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.distributions import build, clone_tracked_files

ROOT = Path(__file__).parents[2]
# In one process, because each takes seconds to begin.
COMMANDS = """if True:
    import keras
    import keras_attention
    from keras_attention.cli import main

    ids = keras.Input((None,), dtype="int32", name="ids")
    vectors = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    query = keras.layers.LSTM(4)(vectors)
    context = keras_attention.BahdanauAttention(4)(query, vectors)
    keras.Model(ids, keras.layers.Dense(2, name="scores")(context)).save("model.keras")
    for arguments in (
        ["inspect", "model.keras"],
        ["export", "model.keras", "served"],
        ["verify", "served"],
        ["inspect", "served"],
    ):
        print("$", *arguments, flush=True)
        try:
            main(arguments)
        except SystemExit as end:
            assert end.code == 0, arguments
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="this is an unpacked source distribution itself"
    ),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process that finds the installed package before all others."""
    folder = tmp_path_factory.mktemp("wheel")
    clone_tracked_files(ROOT, folder / "clone")
    wheel = build("wheel", folder / "clone", folder)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return wheel, folder / "site", environment


@pytest.fixture
def call(installed, tmp_path):
    """Runs a command in an empty folder."""
    _, _, environment = installed

    def call(*command):
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
        )

    return call


def test_it_is_small_and_carries_the_preset(installed):
    wheel, site, _ = installed
    assert (site / "keras_attention" / "presets" / "g2p_en" / "model.keras").exists()
    assert wheel.stat().st_size < 2_500_000


def test_it_says_a_word_and_shows_the_alignment(installed, call):
    _, site, _ = installed
    script = next((site / "bin").glob("keras-attention*"))
    begin = time.monotonic()
    done = call(sys.executable, str(script), "say", "attention")
    # A newcomer waits less than twenty seconds; other jobs may run beside this test.
    assert time.monotonic() - begin < 60
    # Nothing but the answer: TensorFlow's messages are not shown.
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.rstrip() for line in done.stdout.splitlines()]
    assert shown[0].startswith("attention  →  AH T EH N SH AH N") and "SH ┤" in shown[6]
    # As the README has it, up to the last digits of the log-probability.
    text = (ROOT / "README.md").read_text("utf-8")
    begin = text.index("$ keras-attention say attention")
    readme = [line.strip() for line in text[begin:].splitlines()[1 : 1 + len(shown)]]
    assert [line.strip() for line in shown[1:]] == readme[1:]


def test_it_exports_verifies_and_looks_into_a_model(call, tmp_path):
    done = call(sys.executable, "-c", COMMANDS)
    assert done.returncode == 0, done.stderr
    for part in ("BahdanauAttention", "Verified serving_default", "equal", "saved_model.pb"):
        assert part in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "served"]


def test_errors_are_one_line(call):
    done = call(sys.executable, "-m", "keras_attention", "inspect", "missing.keras")
    assert done.returncode == 2
    assert done.stderr == "keras-attention: error: missing.keras does not exist.\n"
