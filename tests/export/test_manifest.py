"""`manifest.json`: every file of an artifact is as it was written."""

import json
import os
import random
import shutil

import keras
import numpy as np
import pytest

from keras_attention import __version__
from keras_attention.export import ExportError, export_model, verify
from keras_attention.export._replay.manifest import manifest_file
from keras_attention.export._replay.reporting import check_artifact
from keras_attention.export.manifest import check_manifest, read_manifest, write_manifest
from keras_attention.export.onnx import OnnxWriter
from keras_attention.text import Subwords
from tests.support.exporting import LETTERS, SEARCH, Foreign, speller

NO_FIT = "it is not what its manifest.json lists: "


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An ONNX artifact of one graph, with vocabularies and tokenizers."""
    path = tmp_path_factory.mktemp("manifest") / "speller"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxWriter, "graphs", {"encoder": "encode"})
        export_model(
            speller(), path, format="onnx", search=SEARCH, figures={"wer": 12.5}, verbose=False
        )
    return path


@pytest.fixture
def artifact(written, tmp_path):
    return shutil.copytree(written, tmp_path / "artifact")


def refused(folder):
    """Why the process that verifies refuses an artifact, before it loads anything of it."""
    report = check_artifact(str(folder), 1e-4)
    assert report["rows"] == []
    return report["error"] or ""


def test_what_it_says(written):
    manifest = read_manifest(written)
    assert manifest["format_version"] == 1
    assert (manifest["format"], manifest["kind"]) == ("onnx", "ids")
    assert manifest["library"] == {"keras_attention": __version__}
    assert manifest["runtime"]["keras"] == keras.__version__
    assert {"python", "tensorflow", "onnxruntime"} < set(manifest["runtime"])
    assert manifest["model"]["class"] == "keras_attention>EncoderDecoder"
    assert manifest["model"]["config"]["units"] == 8
    tokens = {"dtype": "int32", "shape": [None, None]}
    assert manifest["signatures"]["encoder"]["inputs"] == {"tokens": tokens}
    limits = {"batch": None, "longest": LETTERS.longest, "max_length": SEARCH.max_length}
    assert manifest["limits"] == {**limits, "pixels": None}
    assert manifest["figures"] == {"wer": 12.5}


def test_it_lists_all_files(written):
    names = {path.name for path in written.iterdir()}
    listed = read_manifest(written)["files"]
    assert set(listed) == names - {"manifest.json"}
    for name, about in listed.items():
        assert about["size"] == os.path.getsize(written / name)
        assert len(about["sha256"]) == 64
    assert check_manifest(written)


@pytest.mark.slow
def test_of_a_model_with_pieces_of_words_it_names_the_longest_text(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxWriter, "graphs", {"encoder": "encode"})
    model = speller(letters=Subwords(["▁a", "##b"], longest=77))
    export_model(model, tmp_path / "s", format="onnx", search=SEARCH, verbose=False)
    assert read_manifest(tmp_path / "s")["limits"]["longest"] == 77


def test_of_a_model_without_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxWriter, "graphs", {"step": "step"})
    ids = [np.array([[4, 5]], "int32")]
    export_model(Foreign(), tmp_path / "f", format="onnx", examples=ids, verbose=False)
    assert read_manifest(tmp_path / "f")["model"] == {
        "class": "Foreign",
        "name": None,
        "config": None,
    }


def test_of_a_saved_model_it_lies_where_nobody_looks(ids_artifact):
    folder = ids_artifact.path / "1"
    manifest = json.loads((folder / "assets.extra" / "manifest.json").read_text("utf-8"))
    assert {"saved_model.pb", "variables/variables.index", "assets.extra/examples.npz"} < set(
        manifest["files"]
    )
    assert "serving_default" in manifest["signatures"]
    layer = keras.layers.TFSMLayer(folder, call_endpoint="serving_default")
    assert layer(np.array([[4, 5]], "int32"))["sequences"].shape[0] == 1


def test_an_emptied_vocabulary_is_noticed(artifact):
    (artifact / "vocabulary.json").write_text("")
    assert refused(artifact).startswith(f"{NO_FIT}'vocabulary.json': expected ")
    with pytest.raises(ExportError, match=r"'vocabulary.json': expected \d+ bytes, received 0"):
        verify(artifact)


def test_swapped_tokens_are_noticed(artifact):
    path = artifact / "vocabulary.json"
    text = path.read_text("utf-8")
    swapped = text.replace('"a"', '"?"').replace('"b"', '"a"').replace('"?"', '"b"')
    assert swapped != text and len(swapped) == len(text)
    path.write_text(swapped, "utf-8")
    assert f"{NO_FIT}'vocabulary.json': expected the SHA-256" in refused(artifact)


def test_a_removed_tokenizer_is_noticed(artifact):
    (artifact / "source_tokenizer.json").unlink()
    assert f"{NO_FIT}'source_tokenizer.json': expected a file" in refused(artifact)


def test_changed_warmup_requests_are_noticed(ids_artifact, tmp_path):
    folder = shutil.copytree(ids_artifact.path / "1", tmp_path / "1")
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "'assets.extra/tf_serving_warmup_requests': expected the SHA-256" in refused(folder)


def test_every_flipped_bit_of_the_weights_is_noticed(artifact):
    path, rng = artifact / "encoder.onnx", random.Random(0)
    content = path.read_bytes()
    for _ in range(60):
        flipped = bytearray(content)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        assert "'encoder.onnx': expected the SHA-256" in refused(artifact)
    path.write_bytes(content)
    assert check_manifest(artifact)


def test_a_file_that_is_not_listed_is_noticed(artifact):
    (artifact / "more").mkdir()
    (artifact / "more" / "weights.bin").touch()
    assert f"{NO_FIT}'more/weights.bin': expected only files that" in refused(artifact)


@pytest.mark.parametrize("name", ["vocabulary.json", "more", "manifest.json"])
def test_a_link_is_refused(artifact, tmp_path, name):
    # To the same content: what is outside may change at any time.
    outside = tmp_path / "outside"
    if (artifact / name).exists():
        (artifact / name).rename(outside)
    else:
        outside.mkdir()
    (artifact / name).symlink_to(outside)
    assert "expected a file" in refused(artifact)


@pytest.mark.parametrize("name", ["fifo", "manifest.json"])
def test_a_pipe_is_refused_and_not_waited_for(artifact, name):
    (artifact / name).unlink(missing_ok=True)
    os.mkfifo(artifact / name)
    assert "expected a file" in refused(artifact)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../vocabulary.json"])
def test_a_path_outside_the_artifact_is_refused(artifact, name):
    (artifact.parent / "outside").write_text("x")
    path = artifact / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    path.write_text(json.dumps(manifest), "utf-8")
    assert f"{NO_FIT}{name!r}: expected a file of the artifact" in refused(artifact)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[]", "expected a dictionary with files"),
        ('{"format_version": 1, "files": []}', "expected a dictionary with files"),
        ('{"format_version": 2, "files": {}}', "expected format_version 1, received 2"),
        ('{"format_version": true, "files": {}}', "expected format_version 1, received True"),
    ],
)
def test_a_manifest_that_is_none(artifact, text, message):
    (artifact / "manifest.json").write_text(text)
    assert message in refused(artifact)


@pytest.mark.parametrize("about", [None, 7, {}, {"size": "1", "sha256": None}])
def test_a_file_that_is_listed_wrongly(artifact, about):
    path = artifact / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["files"]["vocabulary.json"] = about
    path.write_text(json.dumps(manifest), "utf-8")
    assert f"{NO_FIT}'vocabulary.json': expected" in refused(artifact)


def test_an_artifact_without_one_is_named_and_verified(artifact):
    os.remove(manifest_file(artifact))
    with pytest.warns(UserWarning, match=r"artifact has no manifest.json: its files cannot be"):
        assert verify(artifact)["graphs"] == ["encoder"]


def test_it_is_written_again_after_the_files(artifact):
    manifest = read_manifest(artifact)
    (artifact / "vocabulary.json").write_text("{}")
    write_manifest(artifact, {**manifest, "quality": {"wer": 1.0}})
    assert check_manifest(artifact)
    assert read_manifest(artifact)["quality"] == {"wer": 1.0}


@pytest.mark.parametrize("value", ["12", None, float("nan"), float("inf"), True])
def test_figures_that_are_no_numbers(tmp_path, value):
    with pytest.raises(ValueError, match=r"figures\['wer'\]: expected a (finite )?number"):
        export_model(speller(), tmp_path / "s", figures={"wer": value})
