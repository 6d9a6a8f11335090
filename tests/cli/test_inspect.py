"""What is in a model or an artifact, read without running any of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import LuongAttention
from keras_attention.cli import keras_file
from keras_attention.cli.keras_file import describe_keras_file
from keras_attention.export import export_model
from keras_attention.export.manifest import read_manifest, write_manifest
from keras_attention.export.onnx import OnnxWriter
from keras_attention.models import Seq2Seq
from tests.support.exporting import LETTERS, SEARCH, list_again, speller

HOSTILE = "\x1b]0;title\x07"


def written(path, config, metadata=None, weights=b""):
    """A zip archive with the members of a `.keras` file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("metadata.json", json.dumps(metadata or {"keras_version": "3"}))
        if weights:
            archive.writestr("model.weights.h5", weights)
    return path


def test_a_model(run, spelling):
    ran = run("inspect", spelling, "--json")
    assert (ran.code, ran.err) == (0, "")
    (model,) = json.loads(ran.out)["contents"]
    live = speller()
    assert model["class"] == "keras_attention>EncoderDecoder"
    assert model["name"].startswith("encoder_decoder")
    assert model["parameters"] == live.count_params()
    assert sorted(tuple(one["shape"]) for one in model["weights"]) == sorted(
        tuple(variable.shape) for variable in live.weights
    )
    assert {one["dtype"] for one in model["weights"]} == {"float32"}
    assert model["keras_version"] == keras.__version__
    assert model["vocabularies"]["target_vocabulary"]["first"] == ["AA", "B", "K", "D", "É"]
    assert model["layers"]["keras_attention>LuongAttention"] == 1
    assert model["file"]["sha256"] == hashlib.sha256(spelling.read_bytes()).hexdigest()
    assert model["code"] == [] and model["compiled"] is False
    shown = " ".join(run("inspect", spelling).out.split())
    for part in (f"{live.count_params():,} in ", "EncoderDecoder", "AA B K D É"):
        assert part in shown


def test_a_model_with_named_sources_and_layers(tmp_path):
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    states, *final = keras.layers.LSTM(4, return_sequences=True, return_state=True)(
        keras.layers.Embedding(12, 4)(source)
    )
    written = keras.layers.LSTM(4, return_sequences=True)(
        keras.layers.Embedding(9, 4)(target), initial_state=final
    )
    context = LuongAttention()(written, states)
    logits = keras.layers.Dense(9)(keras.layers.Concatenate()([written, context]))
    Seq2Seq(
        keras.Model({"source": source, "target": target}, logits),
        source_vocabulary=LETTERS,
        target_vocabulary=9,
    ).save(tmp_path / "m.keras")
    described = describe_keras_file(tmp_path / "m.keras")
    assert described["vocabularies"] == {
        "source_vocabulary of source": {"size": 8, "kind": "", "first": list("abcdefgh")},
        "target_vocabulary": {"size": 9, "kind": "", "first": []},
    }
    layers = {name.rpartition(">")[2]: count for name, count in described["layers"].items()}
    expected = {"Functional": 1, "InputLayer": 2, "Embedding": 2, "LSTM": 2, "LuongAttention": 1}
    # The normalizer is a layer within the attention.
    assert layers == {**expected, "Softmax": 1, "Concatenate": 1, "Dense": 1}


def test_the_state_of_an_optimizer_is_no_parameter(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    model.save(tmp_path / "m.keras")
    described = describe_keras_file(tmp_path / "m.keras")
    assert described["parameters"] == model.count_params() == 8
    assert described["compiled"] is True


def test_the_report_beside_a_model_and_the_card_of_its_folder_are_shown(run, spelling, tmp_path):
    (tmp_path / "model.keras").write_bytes(spelling.read_bytes())
    (tmp_path / "report.json").write_text(json.dumps({"test_wer": 37.75, "settings": {"a": 1}}))
    (tmp_path / "README.md").write_text(f"# Spelling{HOSTILE}\n")
    ran = run("inspect", tmp_path)
    assert ran.code == 0 and "test_wer 37.75" in ran.out
    assert "# Spelling␛]0;title␇" in ran.out and "\x1b" not in ran.out
    (tmp_path / "report.json").write_text("[")
    assert run("inspect", tmp_path).code == 0


def test_code_in_a_model_is_named_and_not_run(run, tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x / 0)])
    model.save(tmp_path / "m.keras")
    ran = run("inspect", tmp_path / "m.keras")
    assert ran.code == 0 and "not loaded in safe mode" in ran.out


def test_a_class_that_nobody_knows_is_shown(run, tmp_path):
    config = {"class_name": HOSTILE, "registered_name": HOSTILE, "config": {"vocabulary": 7}}
    path = written(tmp_path / "m.keras", config)
    ran = run("inspect", path)
    assert ran.code == 0 and "␛]0;title␇" in ran.out and "\x1b" not in ran.out
    assert "vocabulary: 7 tokens" in ran.out
    assert "\x1b" not in run("inspect", path, "--json").out


def test_damaged_files_are_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
        pass
    deep = "[" * 100_000
    monkeypatch.setattr(keras_file, "_LARGEST_JSON", 10_000_000)
    for path, message in (
        (tmp_path / "empty.keras", "it holds no config.json"),
        (written(tmp_path / "json.keras", "no json"), "config.json is no JSON"),
        (written(tmp_path / "deep.keras", deep), "config.json is no JSON"),
        (written(tmp_path / "list.keras", [1]), "expected a dictionary"),
        (written(tmp_path / "h5.keras", {"config": {}}, weights=b"no h5"), "holds no weights"),
        (written(tmp_path / "bomb.keras", "0" * 20_000_000), "config.json of at most 10,000,000"),
    ):
        with pytest.raises(ValueError, match=message):
            describe_keras_file(path)
    monkeypatch.setattr(keras_file, "_LARGEST_JSON", 1000)
    bomb = written(tmp_path / "bomb.keras", {"config": {}}, weights=b"\0" * 10_000_000)
    with pytest.raises(ValueError, match=r"model.weights.h5 of at most .* received a larger"):
        describe_keras_file(bomb)


def test_a_deep_configuration_is_read_to_a_limit(tmp_path):
    config = {"class_name": "Bottom"}
    for _ in range(300):
        config = {"config": config}
    described = describe_keras_file(written(tmp_path / "m.keras", config))
    assert described["layers"] == {}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """A SavedModel that no exporter wrote, and an ONNX graph."""
    folder = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxWriter, "graphs", {"encoder": "encode"})
        path, figures = folder / "onnx", {"wer": 12.5}
        export_model(speller(), path, format="onnx", search=SEARCH, figures=figures, verbose=False)
    module = tf.Module()
    module.call = tf.function(
        lambda text: {"length": tf.strings.length(text), "given": text},
        input_signature=[tf.TensorSpec([None], tf.string, "text")],
    )
    signatures = {"serving_default": module.call}
    tf.saved_model.save(module, folder / "text" / "1", signatures=signatures)
    return folder


def test_a_saved_model(run, artifacts):
    ran = run("inspect", artifacts / "text", "--json")
    assert (ran.code, ran.err) == (0, "")
    (artifact,) = json.loads(ran.out)["contents"]
    assert artifact["format"] == "saved_model"
    assert artifact["signatures"] == {
        "serving_default": {
            "inputs": {"text": {"dtype": "string", "shape": [None]}},
            "outputs": {
                "given": {"dtype": "string", "shape": [None]},
                "length": {"dtype": "int32", "shape": [None]},
            },
        }
    }
    files = {one["name"]: one for one in artifact["files"]}
    content = (artifacts / "text" / "1" / "saved_model.pb").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert files["saved_model.pb"] == {
        "name": "saved_model.pb",
        "bytes": len(content),
        "sha256": digest,
    }
    shown = run("inspect", artifacts / "text").out
    assert "serving_default" in shown and "(?)" in shown and digest[:16] in shown


def test_an_onnx_artifact_with_and_without_onnx(run, artifacts, monkeypatch):
    (artifact,) = json.loads(run("inspect", artifacts / "onnx", "--json").out)["contents"]
    inputs = artifact["signatures"]["encoder"]["inputs"]
    assert inputs == {"tokens": {"dtype": "int32", "shape": [None, None]}}
    outputs = artifact["signatures"]["encoder"]["outputs"]
    assert outputs["memory_keys"] == {"dtype": "float32", "shape": [None, None, 8]}
    assert artifact["vocabulary"]["target"]["tokens"][-1] == "É"
    assert artifact["graphs"]["encoder"]["metadata"]["kind"] == "ids"
    shown = run("inspect", artifacts / "onnx").out
    assert "encoder" in shown and "source: 12 tokens" in shown
    assert "Reads the source" in shown and "vocabulary_sha256" in shown
    monkeypatch.setitem(sys.modules, "onnx", None)
    (other,) = json.loads(run("inspect", artifacts / "onnx", "--json").out)["contents"]
    inputs = other["signatures"]["encoder"]["inputs"]
    assert other["verified"]["encoder"] > 0 and other["graphs"] == {}
    assert list(inputs) == ["tokens"] and inputs["tokens"]["dtype"] == "int32"


def test_an_artifact_in_fewer_bits_says_that_its_quality_was_not_measured(run, artifacts, tmp_path):
    folder = shutil.copytree(artifacts / "onnx", tmp_path / "onnx")
    about = {
        "precision": {"weights": "int8"},
        "quality": {"measured": None, "at_least": None},
    }
    write_manifest(folder, {**read_manifest(folder), **about})
    shown = run("inspect", folder).out
    assert "weights int8" in shown and "not measured" in shown


def test_an_artifact_that_cannot_be_read(run, artifacts, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff no protobuf")
    ran = run("inspect", tmp_path)
    assert ran.code == 2 and "saved_model.pb" in ran.err and ran.err.count("\n") == 1


def test_a_file_of_litert(run, tmp_path):
    (tmp_path / "step.tflite").write_bytes(b"no flatbuffer")
    ran = run("inspect", tmp_path)
    assert ran.code == 2 and "step.tflite" in ran.err and ran.err.count("\n") == 1


def test_the_command_verify_reads_what_was_exported(run, artifacts, tmp_path):
    ran = run("verify", artifacts / "onnx")
    assert ran.code == 0 and "equal" in ran.out
    folder = shutil.copytree(artifacts / "onnx", tmp_path / "onnx")
    answers = folder / "examples.npz"
    with np.load(answers) as arrays:
        changed = {
            n: a + 1 if "/outputs/" in n and a.dtype == "float32" else a for n, a in arrays.items()
        }
    np.savez(answers, **changed)
    ran = run("verify", folder)
    assert ran.code == 1 and "'examples.npz': expected" in ran.err
    list_again(folder)
    ran = run("verify", folder)
    assert ran.code == 1 and "DIFFERENT" in ran.out
    assert "does not answer as its model did" in ran.err and ran.err.count("\n") == 1
    (folder / "manifest.json").unlink()
    ran = run("verify", folder)
    assert "has no manifest.json" in " ".join(ran.out.split()) and "DIFFERENT" in ran.out


def test_the_manifest_of_an_artifact(run, artifacts, tmp_path):
    folder = shutil.copytree(artifacts / "onnx", tmp_path / "onnx")
    (artifact,) = json.loads(run("inspect", folder, "--json").out)["contents"]
    assert artifact["manifest"]["figures"] == {"wer": 12.5} and artifact["differences"] == []
    shown = run("inspect", folder).out
    for part in ("EncoderDecoder", f"keras {keras.__version__}", "max_length 8", "wer 12.5"):
        assert part in shown
    assert "as the manifest lists them" in shown and "NOT" not in shown
    manifest = read_manifest(folder)
    hostile = {"model": HOSTILE, "limits": [HOSTILE], "figures": {HOSTILE: {}}}
    write_manifest(folder, {**manifest, **hostile})
    (folder / "vocabulary.json").write_text("{}")
    ran = run("inspect", folder)
    assert ran.code == 0 and "\x1b" not in ran.out
    assert "NOT as the manifest lists them: 'vocabulary.json'" in " ".join(ran.out.split())
    (folder / "manifest.json").write_text("{")
    ran = run("inspect", folder)
    assert ran.code == 2 and "manifest.json: expected JSON" in ran.err
