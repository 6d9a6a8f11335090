"""Loaded artifacts: they answer as their models, and a changed one is refused."""

import json
import shutil

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from keras_attention.export import Artifact, ExportError, export_model
from keras_attention.export.manifest import read_manifest, write_manifest
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.vocabularies import read_vocabularies
from keras_attention.generation import Greedy
from keras_attention.text import Subwords
from tests.support.exporting import MAX_LENGTH, SEARCH, images, list_again, speller

TEXTS = ["cab", "", "Hedge?", "a", "bad fad"]
SEARCHES = {"beam": SEARCH, "greedy": Greedy(max_length=MAX_LENGTH)}


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """An ONNX artifact of the graphs that decode."""
    path = tmp_path_factory.mktemp("artifact") / "speller"
    model = speller()
    examples = [np.array([[4, 5, 6]], "int32"), np.array([[7], [8]], "int32")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxWriter, "graphs", {"beam": "beam", "greedy": "greedy"})
        export_model(model, path, format="onnx", search=SEARCH, examples=examples, verbose=False)
    return path, model


def assert_equal(found, expected):
    """Two lists of generations."""
    assert [one.text for one in found] == [one.text for one in expected]
    for a, b in zip(found, expected, strict=True):
        assert (a.tokens, a.source_tokens) == (b.tokens, b.source_tokens)
        np.testing.assert_allclose(a.score, b.score, atol=1e-4)
        np.testing.assert_allclose(a.attention, b.attention, atol=1e-4)


@pytest.mark.parametrize("signature", SEARCHES)
def test_graphs_of_onnx_answer_as_their_model(onnx, signature):
    path, model = onnx
    found = Artifact(path).generate(TEXTS, signature, batch_size=2)
    assert_equal(found, model.generate(TEXTS, SEARCHES[signature]))


def test_the_n_best(onnx):
    path, model = onnx
    found = Artifact(path).generate(TEXTS[:2], n_best=3)
    expected = model.generate(TEXTS[:2], SEARCH, n_best=3)
    for hypotheses, others in zip(found, expected, strict=True):
        assert_equal(hypotheses, others)


def test_hypotheses_that_there_are_not_are_left_out(onnx, monkeypatch):
    artifact = Artifact(onnx[0])
    answer = artifact("beam", tokens=[[4, 5]])
    answer["scores"][0, 1:] = -1e30
    monkeypatch.setattr(Artifact, "__call__", lambda *given, **inputs: answer)
    assert [len(one) for one in artifact.generate(["ab"], n_best=4)] == [1]


def test_a_saved_model_answers_as_its_model(text_artifact):
    artifact = Artifact(text_artifact.path)
    assert artifact.folder.name == "3"
    for signature, search in SEARCHES.items():
        found = artifact.generate(TEXTS, signature)
        assert_equal(found, text_artifact.model.generate(TEXTS, search))
    assert artifact("greedy", text=["cab"])["texts"].dtype == object


def test_graphs_of_litert_answer_as_their_model(litert_artifact):
    artifact = Artifact(litert_artifact.path)
    for signature, search in SEARCHES.items():
        found = artifact.generate(TEXTS, signature)
        assert_equal(found, litert_artifact.model.generate(TEXTS, search))


def test_a_saved_model_of_files_answers_as_its_model(image_artifact):
    given = images()[:2].astype("uint8")
    files = [tf.io.encode_png(one).numpy() for one in given]
    found = Artifact(image_artifact.path).generate(files, "greedy")
    expected = image_artifact.model.generate(given, SEARCHES["greedy"])
    assert_equal(found, expected)


@pytest.mark.slow
def test_graphs_over_images_answer_as_their_model(image_onnx_artifact):
    given = images()[:2]
    found = Artifact(image_onnx_artifact.path).generate(given)
    assert_equal(found, image_onnx_artifact.model.generate(given, SEARCH))


def test_a_model_that_does_not_decode(tmp_path):
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="y")])
    export_model(model, tmp_path / "m", format="onnx", verbose=False)
    artifact = Artifact(tmp_path / "m")
    assert list(artifact.signatures) == ["model"]
    np.testing.assert_allclose(
        artifact("model", x=[[1, 2, 3]])["y"], model(np.array([[1.0, 2, 3]])), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"signature: expected one that decodes, .*'model'"):
        artifact.generate(["a"], "model")


def test_nothing_is_loaded_of_a_changed_artifact(onnx, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    path = shutil.copytree(onnx[0], tmp_path / "changed")
    (path / "vocabulary.json").write_text("{}")
    with pytest.raises(ExportError, match=r"changed cannot be loaded: .*'vocabulary.json'"):
        Artifact(path)


def test_an_artifact_without_a_manifest_is_named(onnx, tmp_path):
    path = shutil.copytree(onnx[0], tmp_path / "old")
    (path / "manifest.json").unlink()
    with pytest.warns(UserWarning, match="old has no manifest.json"):
        artifact = Artifact(path)
    assert artifact.manifest == {}
    assert artifact.generate(["cab"], "greedy") is not None


def test_a_graph_that_cannot_be_loaded(onnx, tmp_path):
    path = shutil.copytree(onnx[0], tmp_path / "damaged")
    (path / "greedy.onnx").write_bytes(b"no graph")
    list_again(path)
    with pytest.raises(ExportError, match="damaged, greedy: "):
        Artifact(path).generate(["cab"], "greedy")


def test_an_artifact_of_ids_alone(onnx, tmp_path):
    path = shutil.copytree(onnx[0], tmp_path / "ids")
    about = json.loads((path / "vocabulary.json").read_text("utf-8"))
    (path / "vocabulary.json").write_text(json.dumps({**about, "source": None}))
    list_again(path)
    with pytest.raises(ValueError, match="artifact: expected one with a source vocabulary"):
        Artifact(path).generate(["cab"])


@pytest.mark.parametrize("text", ["", "[]", '{"special_ids": 7}', '{"source": {"tokens": 7}}'])
def test_a_vocabulary_that_is_none(tmp_path, text):
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(ValueError, match=r"vocabulary.json: expected what an export writes"):
        read_vocabularies(tmp_path)


@pytest.mark.parametrize("signatures", [7, {}, {"beam": 7}, {"beam": {"inputs": []}}])
def test_signatures_that_are_none_are_those_of_the_files(onnx, tmp_path, signatures):
    path = shutil.copytree(onnx[0], tmp_path / "other")
    write_manifest(path, {**read_manifest(path), "signatures": signatures})
    assert Artifact(path).signatures == Artifact(onnx[0]).signatures


def test_wrong_arguments(onnx, tmp_path):
    artifact = Artifact(onnx[0])
    with pytest.raises(ValueError, match="signature: expected one of 'beam', 'greedy', received"):
        artifact("encoder", tokens=[[4]])
    with pytest.raises(ValueError, match="inputs: expected tokens for 'beam', received text"):
        artifact("beam", text=["a"])
    with pytest.raises(ExportError, match=r"speller, beam: .*rank"):
        artifact("beam", tokens=[4])
    with pytest.raises(ValueError, match=r"tokens: expected an array of int32, received \[\['a'"):
        artifact("beam", tokens=[["a"]])
    with pytest.raises(ValueError, match="inputs: expected a list, received 'cab'"):
        artifact.generate("cab")
    with pytest.raises(ValueError, match="n_best: expected a positive integer"):
        artifact.generate(["cab"], n_best=0)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Artifact(tmp_path / "nowhere")


@pytest.mark.slow
def test_pieces_of_words(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxWriter, "graphs", {"greedy": "greedy"})
    model = speller(letters=Subwords(["▁un", "##seen", "▁wo", "##rd", "!"]))
    examples = [np.array([[4, 5, 6]], "int32")]
    path = tmp_path / "pieces"
    export_model(model, path, format="onnx", search=SEARCH, examples=examples, verbose=False)
    texts = ["unseen word!", "", "☃"]
    found = Artifact(path).generate(texts, "greedy")
    assert_equal(found, model.generate(texts, SEARCHES["greedy"]))
