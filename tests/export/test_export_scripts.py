"""The scripts, as a person meets them."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_attention import generation
from keras_attention.models import EncoderDecoder
from tests.export.conftest import MAX_LENGTH, SCRIPTS, SOUNDS, listing, speller


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "speller.keras"
    speller().save(path)
    return path


def start(script, *arguments):
    command = [sys.executable, SCRIPTS / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def test_to_onnx_and_run_onnx(saved, tmp_path):
    target = tmp_path / "onnx"
    done = start("to_onnx.py", saved, target, "--max-length", str(MAX_LENGTH))
    assert done.returncode == 0, done.stderr
    assert "Verified encoder, step, greedy" in done.stdout
    assert (target / "greedy.onnx").is_file()

    # The reader needs neither TensorFlow nor Keras nor this package.
    reader = (
        "import sys, runpy\n"
        "for name in ('tensorflow', 'keras', 'keras_attention', 'onnx', 'tf2onnx'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", reader, SCRIPTS / "run_onnx.py", target, "Bad", "abc☃", ""]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    model = speller()
    ids = np.array([[5, 4, 7, 0], [4, 5, 6, 3], [0, 0, 0, 0]], "int32")
    expected = [SOUNDS.decode(row) for row in generation.greedy(model, ids, MAX_LENGTH).sequences]
    assert any(expected)
    for text, sounds in zip(("Bad", "abc☃", ""), expected):
        assert f"{text}  ->  {sounds}   (log-probability -" in done.stdout
    assert "b a d\n" in done.stdout


def test_to_saved_model(saved, tmp_path, script):
    code, out, err = script("to_saved_model", saved, tmp_path / "s", "--max-length", "3")
    assert (code, err) == (0, "")
    assert "Verified encode, step, greedy, score, serving_default" in out
    assert (tmp_path / "s" / "1" / "saved_model.pb").is_file()
    code, out, err = script("to_saved_model", saved, tmp_path / "s")
    assert code == 1 and "is there already" in err


def test_verify_says_what_it_checked(onnx_artifact, tmp_path, script):
    code, out, err = script("verify", onnx_artifact.path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["encoder", "step", "greedy"]
    assert all(" equal " in line for line in lines[1:])
    code, out, err = script("verify", onnx_artifact.path, "--tolerance", "0")
    assert code == 1 and "DIFFERENT" in out
    assert err.startswith("verify.py: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("name", ["to_onnx", "to_saved_model"])
def test_errors_are_one_line(name, saved, tmp_path, script):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    unsafe.save(tmp_path / "unsafe.keras")
    (tmp_path / "there" / "1").mkdir(parents=True)
    before = listing(tmp_path)
    for model, target, message in (
        ("missing.keras", "new", "missing.keras does not exist"),
        (".", "new", "is no file"),
        ("text.keras", "new", "cannot be loaded as a Keras model"),
        ("unsafe.keras", "new", "cannot be loaded as a Keras model"),
        ("other.keras", "new", "Sequential without start, step"),
        (saved, "there", "is there already"),
        (saved, "a/b/c", "does not exist"),
    ):
        code, _, err = script(name, tmp_path / model, tmp_path / target)
        assert code == 1 and message in err and err.count("\n") == 1, (model, target, err)
        assert err.startswith(f"{name}.py: error: ") and "Traceback" not in err
    assert listing(tmp_path) == before


def test_a_model_without_vocabularies_has_no_text(tmp_path, script):
    EncoderDecoder(9, 9, embedding_dim=4, units=4).save(tmp_path / "ids.keras")
    code, _, err = script("to_saved_model", tmp_path / "ids.keras", tmp_path / "new", "--kind=text")
    assert code == 1 and "Vocabulary as source_vocabulary" in err
    assert listing(tmp_path) == ["ids.keras"]


@pytest.mark.parametrize("name", ["to_onnx", "to_saved_model", "verify", "run_onnx"])
def test_help_and_wrong_usage(name, script):
    code, out, _ = script(name, "--help")
    assert code == 0 and "usage:" in out
    code, _, err = script(name)
    assert code == 2 and "required" in err


def test_wrong_numbers(script):
    for wrong in (["--version", "0"], ["--max-length", "none"], ["--kind", "words"]):
        code, _, err = script("to_saved_model", "model.keras", "target", *wrong)
        assert code == 2 and wrong[0] in err


def test_verify_and_run_onnx_without_an_artifact(tmp_path, script):
    code, _, err = script("verify", tmp_path)
    assert code == 1 and "holds no artifact" in err
    code, _, err = script("run_onnx", tmp_path, "word")
    assert code == 1 and "holds no greedy.onnx" in err


@pytest.fixture
def drawing(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import run_onnx

    return run_onnx


def test_an_alignment_is_drawn_in_columns(drawing):
    weights = np.array([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6]])
    assert drawing.draw(weights, list("ab "), ["AH0", "B"]) == [
        "     a b ␣",
        "AH0 ┤██░░·",
        "  B ┤· ▒▒▓▓",
    ]
    words = drawing.draw(np.eye(2), ["guten", "Tag"], ["good", "day"])
    assert words == [
        "      │  ┌ Tag",
        "      ┌ guten",
        "good ┤███·",
        " day ┤·  ███",
    ]
    assert drawing.draw(np.zeros((0, 0)), [], []) == [""]


@pytest.mark.parametrize("sources", ["日本", "שלום", ["न", "े", "é"]])
def test_columns_stay_in_place_in_any_script(drawing, sources):
    head, row = drawing.draw(np.eye(1, len(sources)), list(sources), ["x"])
    cell = 3 if sources == "日本" else 2
    assert drawing.width(head.rstrip()) == 3 + cell * (len(sources) - 1) + cell - 1
    assert row == "x ┤" + "█" * cell + ("·" + " " * (cell - 1)) * (len(sources) - 2) + "·"
