"""The command in this process, and small models for it."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import pytest

from keras_attention.cli import main
from keras_attention.generation import compiling
from tests.support.exporting import captioner, speller


@pytest.fixture(autouse=True)
def without_graphs(monkeypatch):
    """Models decode eagerly: each is used once, and to trace a graph takes seconds."""
    monkeypatch.setattr(compiling, "_traced", lambda *given: None)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command: its exit status, what it printed, its errors."""
    # A table is as wide as the terminal.
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Ran(end.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def spelling(tmp_path_factory):
    """A file of an untrained model of letters and sounds."""
    path = tmp_path_factory.mktemp("cli") / "spelling.keras"
    speller().save(path)
    return path


@pytest.fixture(scope="session")
def captions(tmp_path_factory):
    """A file of an untrained model of images and words."""
    path = tmp_path_factory.mktemp("cli") / "captions.keras"
    captioner().save(path)
    return path
