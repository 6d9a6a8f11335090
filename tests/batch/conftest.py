"""Models that translate, files to translate, and the command in this process and in others."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_attention.cli import main
from tests.support.mirror import save_mirror

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with two versions of a model."""
    root = tmp_path_factory.mktemp("models")
    save_mirror(root / "translate" / "1")
    save_mirror(root / "translate" / "2", factor=2.0)
    return root / "translate"


@pytest.fixture
def run(capsys):
    """Runs the command; gives its exit status, output and errors."""

    def start(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["batch", *map(str, arguments)])
        return (end.value.code or 0, *capsys.readouterr())

    return start


def environment():
    """Of processes that find this package where this process does."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture
def started(tmp_path):
    """Starts the script in a process of its own, which is ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            command = [sys.executable, ROOT / "export" / "batch_translate.py", *map(str, arguments)]
            with open(tmp_path / "log", "a") as log:
                process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
            stack.callback(stop, process)
            return process

        yield start


def stop(process):
    """Ends a process as a power cut does."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()


def wait_until(condition, process, seconds=300):
    """Waits while a process runs."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


def write(path, lines, end=b"\n"):
    """Writes a file of lines."""
    path.write_bytes(end.join(lines) + end)
    return path


def shards(folder, name="book.txt", pattern="*.jsonl"):
    """The names of the shards of a file."""
    return sorted(path.name for path in (folder / f"{name}.shards").glob(pattern))
