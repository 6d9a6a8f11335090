"""Artifacts whose weights take fewer bits: their size, answers, manifest, and refusals."""

from types import SimpleNamespace

import keras
import numpy as np
import onnx
import pytest

from keras_attention.export import ExportError, export_model, verify
from keras_attention.export._replay.artifact import read_golden_examples
from keras_attention.export.litert import LiteRTWriter
from keras_attention.export.manifest import read_manifest
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.onnx_loops import subgraphs
from keras_attention.export.precision import weights
from keras_attention.export.precision.weights import weight_bytes
from keras_attention.generation import BeamSearch
from keras_attention.models import EncoderDecoder, Transformer
from tests.support.exporting import LETTERS, SOUNDS, call_onnx, listing

SEARCH = BeamSearch(max_length=4)
IDS = [np.array([[4, 5, 6], [7, 0, 0]], "int32"), np.array([[8, 3]], "int32")]
MOST = {"float16": 0.55, "int8": 0.35}


def recurrent(cell="lstm"):
    keras.utils.set_random_seed(7)
    return EncoderDecoder(LETTERS, SOUNDS, units=32, embedding_dim=24, encoder=cell, cell=cell)


def transformer():
    keras.utils.set_random_seed(7)
    return Transformer(LETTERS, SOUNDS, 32, 2, 1, 1)


def classifier(units=32):
    keras.utils.set_random_seed(7)
    ids = keras.Input((None,), dtype="int32", name="ids")
    layers = [keras.layers.Embedding(50, 24), keras.layers.LSTM(units)]
    layers += [keras.layers.Dense(3, activation="softmax", name="classes")]
    outputs = ids
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(ids, outputs)


def bytes_of(folder):
    """Of the weights in all graphs of an ONNX artifact."""
    return sum(weight_bytes(onnx.load(path).graph) for path in folder.glob("*.onnx"))


def every(graph):
    """A graph, and all graphs inside it."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from every(inner)


def floats_of(folder):
    """The bytes of the same weights in float32."""
    graphs = [one for path in folder.glob("*.onnx") for one in every(onnx.load(path).graph)]
    stored = [one for graph in graphs for one in graph.initializer]
    return sum(4 * np.prod(one.dims) for one in stored if not one.name.endswith("/scales"))


def write(model, path, precision, patch, graphs=None, format="onnx", check=None):
    if graphs:
        patch.setattr({"onnx": OnnxWriter, "litert": LiteRTWriter}[format], "graphs", graphs)
    examples = IDS if format == "onnx" else [ids[:1] for ids in IDS]
    return export_model(
        model,
        path,
        format=format,
        search=SEARCH,
        precision=precision,
        examples=examples,
        check=check,
        verbose=False,
    )


def sums_to_one(artifact):
    """A measure of the artifact of a classifier."""
    (classes,) = artifact("model", ids=IDS[1]).values()
    return float(np.round(classes.sum(), 3))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A recurrent model as one graph with its loop, in float32 and in int8."""
    folder, model = tmp_path_factory.mktemp("precision"), recurrent()
    graphs = {"encoder": "encode", "greedy": "greedy"}
    with pytest.MonkeyPatch.context() as patch:
        reports = {
            precision: write(model, folder / precision, precision, patch, graphs)
            for precision in ("float32", "int8")
        }
    return SimpleNamespace(folder=folder, reports=reports, model=model)


@pytest.mark.slow
def test_a_quarter_of_the_bytes(written):
    assert bytes_of(written.folder / "int8") <= 0.35 * bytes_of(written.folder / "float32")


@pytest.mark.slow
def test_the_report_compares_with_the_model(written):
    report = written.reports["int8"]
    assert report["graphs"] == ["encoder", "greedy"]
    assert report["precision"]["weights"] == "int8"
    assert 0.5 < report["precision"]["equal_ids"] <= 1
    assert report["ids_equal"] == (report["precision"]["equal_ids"] == 1)
    assert 0 < report["precision"]["relative_difference"] < 0.05
    assert 0 < report["max_abs_difference"] < 0.1
    assert "precision" not in written.reports["float32"]


@pytest.mark.slow
def test_the_manifest_says_that_its_quality_is_not_measured(written):
    manifest = read_manifest(written.folder / "int8")
    assert manifest["precision"] == written.reports["int8"]["precision"]
    assert manifest["quality"] == {"measured": None, "at_least": None}
    assert read_manifest(written.folder / "float32")["precision"] == {"weights": "float32"}


@pytest.mark.slow
def test_it_is_verified_by_its_own_answers(written):
    """In a process without TensorFlow and Keras, like every artifact."""
    found = verify(written.folder / "int8")
    assert found["ids_equal"] and found["max_abs_difference"] < 1e-6
    recorded = read_golden_examples(written.folder / "int8" / "examples.npz")
    inputs, outputs = recorded["encoder"][0]
    np.testing.assert_array_equal(inputs["tokens"], IDS[0])
    answer = call_onnx(written.folder / "int8", "encoder", **inputs)
    np.testing.assert_array_equal(outputs["memory_values"], answer["memory_values"])


@pytest.mark.slow
def test_no_loop_has_weights_in_its_state(written):
    graphs = list(every(onnx.load(written.folder / "float32" / "greedy.onnx").graph))
    stored = {one.name for graph in graphs for one in graph.initializer if len(one.dims) > 1}
    loops = [node for graph in graphs for node in graph.node if node.op_type == "Loop"]
    assert loops and not any(stored & set(loop.input) for loop in loops)


@pytest.mark.parametrize(
    ("make", "precision"),
    [(lambda: recurrent("gru"), "float16"), (transformer, "int8")],
    ids=["gru", "transformer"],
)
@pytest.mark.slow
def test_steps_of_other_models(tmp_path, monkeypatch, make, precision):
    report = write(make(), tmp_path / "less", precision, monkeypatch, {"step": "step"})
    assert bytes_of(tmp_path / "less") <= MOST[precision] * floats_of(tmp_path / "less")
    assert 0 < report["precision"]["relative_difference"] < 0.05


def test_a_model_that_does_not_decode(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "LARGE_PRODUCT", 1024)
    report = write(classifier(), tmp_path / "int8", "int8", monkeypatch, check=sums_to_one)
    graph = onnx.load(tmp_path / "int8" / "model.onnx").graph
    assert weight_bytes(graph) <= 0.4 * 4 * classifier().count_params()
    assert report["ids_equal"] and report["precision"]["equal_ids"] == 1
    manifest = read_manifest(tmp_path / "int8")
    assert manifest["quality"] == {"measured": 1.0, "at_least": None}
    assert manifest["precision"] == report["precision"]
    assert 0 < report["precision"]["relative_difference"] < 0.05


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_litert(tmp_path, monkeypatch, precision):
    pytest.importorskip("ai_edge_litert")
    # The converter leaves arrays of less than 1,024 numbers as they are.
    model = classifier(128)
    write(model, tmp_path / "float32", "float32", monkeypatch, format="litert")
    report = write(model, tmp_path / "less", precision, monkeypatch, format="litert")
    before, after = (
        (tmp_path / name / "model.tflite").stat().st_size for name in ("float32", "less")
    )
    assert after <= (MOST[precision] + 0.05) * before
    assert 0 < report["precision"]["relative_difference"] < 0.05
    assert verify(tmp_path / "less")["max_abs_difference"] < 1e-6
    assert read_manifest(tmp_path / "less")["quality"] == {"measured": None, "at_least": None}


def test_a_litert_step(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    graphs = {"step": "step"}
    report = write(recurrent(), tmp_path / "int8", "int8", monkeypatch, graphs, "litert")
    assert 0 < report["precision"]["relative_difference"] < 0.05


# Refusals.


@pytest.mark.parametrize(
    ("format", "precision", "expected"),
    [
        ("onnx", "int4", "'float32' or 'float16' or 'int8' for format 'onnx', received 'int4'"),
        ("litert", 8, "'float32' or 'float16' or 'int8' for format 'litert', received 8"),
        ("saved_model", "int8", "'float32' for format 'saved_model', received 'int8'"),
        ("saved_model", "float16", "'float32' for format 'saved_model', received 'float16'"),
    ],
)
def test_other_precisions(tmp_path, format, precision, expected):
    with pytest.raises(ValueError, match=f"^precision: expected {expected}\\.$"):
        export_model(recurrent(), tmp_path / "new", format=format, precision=precision)
    assert listing(tmp_path) == []


def test_broken_weights_are_refused(tmp_path, monkeypatch):
    def broken(array, axis):
        integers, scales = rounded(array, axis)
        return integers, 3 * scales

    rounded = weights.rounded
    monkeypatch.setattr(weights, "rounded", broken)
    message = r"^precision: expected answers within 0.5 of the model's, .* '\w+' of 'step' in int8"
    with pytest.raises(ExportError, match=message):
        write(recurrent(), tmp_path / "new", "int8", monkeypatch, {"step": "step"})
    assert listing(tmp_path) == []
