"""Models to serve, and the scripts of `export/serving` as modules."""

import importlib
import sys
from pathlib import Path

import pytest

from tests.support.mirror import save_mirror

EXPORT = Path(__file__).parents[2] / "export"
SERVING = EXPORT / "serving"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """What `/models` is for the server."""
    root = tmp_path_factory.mktemp("models")
    save_mirror(root / "translate" / "1")
    save_mirror(root / "translate" / "2", factor=2.0)
    return root


@pytest.fixture
def module(monkeypatch):
    """Imports a script by its name."""

    def load(name):
        monkeypatch.syspath_prepend(SERVING)
        monkeypatch.syspath_prepend(EXPORT)
        return importlib.import_module(name)

    return load


@pytest.fixture
def run(module, monkeypatch, capsys):
    """Runs a script as a person does; gives its exit code, output and errors."""

    def start(name, *arguments):
        script = module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py"])
        try:
            code = script.main([str(argument) for argument in arguments]) or 0
        except SystemExit as stopped:
            code = stopped.code
        return (code, *capsys.readouterr())

    return start
