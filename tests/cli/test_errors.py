"""Errors are one line, without traceback, and nothing commands the terminal."""

from __future__ import annotations

import io
import sys

import keras
import numpy as np
import pytest
from rich.console import Console

import keras_attention
from keras_attention.cli import app, options
from keras_attention.cli.terminal import alignments
from keras_attention.export import ExportError
from keras_attention.generation import Generation
from tests.support.terminals import HOSTILE, is_harmless

COMMANDS = ("batch", "say", "translate", "caption", "train", "export", "verify", "inspect")


def test_tokens_are_shown_without_commands():
    console = Console(width=60, record=True, file=io.StringIO())
    for table in alignments(np.eye(2), [HOSTILE, "[red]x"], ["", "a b"], 60):
        console.print(table)
    shown = console.export_text()
    assert is_harmless(shown.replace("\n", ""))
    assert "[red]x" in shown and "a␣b ┤" in shown


def test_a_wide_alignment_is_cut_into_parts():
    sources = [f"w{i}" for i in range(30)]
    tables = list(alignments(np.zeros((1, 30)), sources, ["t"], 40))
    heads = [str(column.header) for table in tables for column in table.columns[1:]]
    assert heads == sources and len(tables) > 1
    assert all(3 + sum(c.width for c in table.columns[1:]) <= 40 for table in tables)


def test_texts_of_a_model_are_shown_without_commands(run, monkeypatch, spelling):
    found = Generation(HOSTILE, -1.0, [HOSTILE], [HOSTILE], np.ones((1, 1)))
    monkeypatch.setattr(options, "generate", lambda *given, **named: [[found]])
    for arguments in (("say", HOSTILE), ("translate", HOSTILE), ("translate", "a", "--n-best=1")):
        ran = run(*arguments, "--model", spelling)
        assert ran.code == 0
        assert is_harmless(ran.out.replace("\n", "").replace("\t", ""))
        assert "red␛]0;title" in ran.out


def test_wrong_files_are_errors_of_one_line(run, tmp_path, spelling):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    (tmp_path / "half.keras").write_bytes(spelling.read_bytes()[:1000])
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    unsafe.save(tmp_path / "unsafe.keras")
    image = tmp_path / "image.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    for arguments, message in (
        (("say", "a", "--model", tmp_path / "missing.keras"), "missing.keras does not exist"),
        (("say", "a", "--model", text), "text.keras is damaged or no .keras file"),
        (("translate", "a", "--model", tmp_path / "half.keras"), "is damaged or no .keras file"),
        (("translate", "a", "--model", tmp_path / "unsafe.keras"), "cannot be loaded as a Keras"),
        (("translate", "a"), "Missing option '--model'"),
        (("caption", image, "--model", spelling), "--model: expected one that reads images"),
        (("export", text, tmp_path / "new"), "text.keras is damaged or no .keras file"),
        (("export", spelling, tmp_path / "a" / "b" / "c"), "does not exist"),
        (("export", spelling, tmp_path / "new", "--format", "words"), "'--format'"),
        (("verify", tmp_path), "holds no artifact"),
        (("verify", tmp_path / "\x1b[31m"), "␛[31m does not exist"),
        (("inspect", text), "text.keras is damaged or no .keras file"),
        (("say", "a", "--n-best", "0"), "'--n-best'"),
        (("knit",), "No such command 'knit'"),
    ):
        ran = run(*arguments)
        assert ran.code == 2 and message in ran.err, (arguments, ran)
        assert ran.err.startswith("keras-attention: error: ") and ran.err.count("\n") == 1
        assert is_harmless(ran.err.rstrip("\n"))


def test_images_that_cannot_be_read(run, captions, tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    ran = run("caption", tmp_path / "image.png", "--model", captions)
    assert ran.code == 2 and "expected a whole JPEG or PNG file" in ran.err
    ran = run("caption", tmp_path / "missing.png", "--model", captions)
    assert ran.code == 2 and "missing.png" in ran.err and ran.err.count("\n") == 1


def test_a_missing_extra_is_named(run, spelling, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    ran = run("export", spelling, tmp_path / "new", "--format", "onnx")
    assert ran.code == 2 and ".[onnx]" in ran.err and ran.err.count("\n") == 1


def test_the_exit_status_tells_mistakes_from_failures(run, monkeypatch):
    def raising(error):
        def describe(path):
            raise error

        monkeypatch.setattr("keras_attention.cli.inspect.describe", describe)
        return run("inspect", "x")

    assert raising(ExportError("it answers\ndifferently"))[::2] == (
        1,
        "keras-attention: error: it answers differently\n",
    )
    assert raising(ZeroDivisionError("by zero"))[::2] == (
        1,
        "keras-attention: error: unexpected ZeroDivisionError: by zero\n",
    )
    assert raising(KeyboardInterrupt()).code == 130


def test_the_traceback_is_shown_on_request(run, monkeypatch):
    ran = run("--debug", "inspect", "missing")
    assert ran.code == 2 and "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("keras-attention: error: ")
    monkeypatch.setenv("KERAS_ATTENTION_DEBUG", "1")
    assert "Traceback" in run("inspect", "missing").err


def test_version_and_help(run):
    assert run("--version") == (0, f"keras-attention {keras_attention.__version__}\n", "")
    ran = run("--help")
    assert ran.code == 0 and all(f"│ {name}" in ran.out for name in COMMANDS)
    assert run().code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command, run):
    ran = run(command, "--help")
    assert ran.code == 0 and f"Example: keras-attention {command} " in " ".join(ran.out.split())


def test_the_app_has_these_commands():
    names = [one.name or one.callback.__name__ for one in app.app.registered_commands]
    assert sorted(names) == sorted(COMMANDS)
