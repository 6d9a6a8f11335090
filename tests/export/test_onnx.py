"""ONNX: what the graphs offer, that they answer as the live model, and when they are refused."""

import shutil
from functools import partial

import keras
import numpy as np
import onnx
import pytest
from keras import ops

from keras_attention import Attention, generation
from keras_attention.export import ExportError, export_model, verify
from keras_attention.export.onnx import OnnxWriter
from keras_attention.generation import BeamSearch
from keras_attention.models import EncoderDecoder
from keras_attention.scores import Dot
from tests.support.exporting import (
    MAX_LENGTH,
    SOUNDS,
    Foreign,
    call_onnx,
    list_again,
    listing,
    padded_ids,
    sizes,
    speller,
    step_by_step,
    until_end,
)
from tests.support.hypotheses import first_of


@pytest.fixture
def only_step(monkeypatch):
    """One graph is enough to be refused, and the others take their time."""
    monkeypatch.setattr(OnnxWriter, "graphs", {"step": "step"})


def test_report_and_files(onnx_artifact):
    assert onnx_artifact.report["ids_equal"] is True
    assert onnx_artifact.report["max_abs_difference"] < 1e-4
    assert onnx_artifact.report["graphs"] == ["encoder", "step", "greedy", "beam"]
    graphs = ["encoder.onnx", "greedy.onnx", "beam.onnx", "step.onnx"]
    beside = ["source_tokenizer.json", "target_tokenizer.json", "vocabulary.json"]
    assert listing(onnx_artifact.path) == sorted(
        [*graphs, "examples.npz", "manifest.json", *beside]
    )


def test_sizes_that_vary_have_names(onnx_artifact, changing):
    protos = [onnx.load(onnx_artifact.path / f"{name}.onnx") for name in OnnxWriter.graphs]
    assert all(proto.opset_import[0].version == 18 for proto in protos)
    encoder, step, greedy, beam = protos
    state = {
        "memory_keys": ["batch", "source", 8],
        "memory_values": ["batch", "source", 8],
        "memory_mask": ["batch", "source"],
        **{name: ["batch", 8] for name in changing},
    }
    assert sizes(encoder.graph.input) == {"tokens": ["batch", "source"]}
    assert sizes(encoder.graph.output) == state
    assert sizes(step.graph.input) == {"token": ["batch"], **state}
    assert sizes(step.graph.output) == {
        "logits": ["batch", len(SOUNDS)],
        "attention": ["batch", "source"],
        **{f"next_{name}": ["batch", 8] for name in changing},
    }
    assert sizes(greedy.graph.output) == {
        "sequences": ["batch", "target"],
        "scores": ["batch"],
        "lengths": ["batch"],
        "attention": ["batch", "target", "source"],
    }
    assert sizes(beam.graph.output) == {
        "sequences": ["batch", 4, "target"],
        "scores": ["batch", 4],
        "lengths": ["batch", 4],
        "attention": ["batch", 4, "target", "source"],
    }


def test_greedy_equals_the_live_model(onnx_artifact, live):
    found = call_onnx(onnx_artifact.path, "greedy", tokens=padded_ids())
    expected = first_of(generation.Greedy(max_length=MAX_LENGTH)(live, padded_ids()))
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)


def test_beam_equals_the_live_model(onnx_artifact, live):
    found = call_onnx(onnx_artifact.path, "beam", tokens=padded_ids())
    expected = generation.BeamSearch(max_length=MAX_LENGTH)(live, padded_ids())
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)


@pytest.mark.parametrize("graph", ["greedy", "beam"])
def test_a_source_without_columns_is_padding(onnx_artifact, graph):
    found = call_onnx(onnx_artifact.path, graph, tokens=np.zeros((2, 0), "int32"))
    padded = call_onnx(onnx_artifact.path, graph, tokens=np.zeros((2, 1), "int32"))
    np.testing.assert_array_equal(found["sequences"], padded["sequences"])
    np.testing.assert_array_equal(found["scores"], padded["scores"])


def test_a_client_that_steps_gets_what_greedy_gets(onnx_artifact, changing):
    encode, step = (partial(call_onnx, onnx_artifact.path, name) for name in ("encoder", "step"))
    chosen = step_by_step(encode, step, padded_ids(), changing)
    greedy = call_onnx(onnx_artifact.path, "greedy", tokens=padded_ids())["sequences"]
    np.testing.assert_array_equal(until_end(chosen), greedy)


def test_a_model_that_is_not_ours(tmp_path, only_step):
    batches = [np.array([[4, 5, 6], [7, 0, 0]], "int32"), np.array([[8, 3]], "int32")]
    export_model(
        Foreign(),
        tmp_path / "foreign",
        search=BeamSearch(max_length=5),
        examples=batches,
        format="onnx",
    )
    step = onnx.load(tmp_path / "foreign" / "step.onnx")
    # An input that the graph does not need is still taken: the names are a promise.
    assert sizes(step.graph.input)["unused"] == ["batch", "source"]
    assert verify(tmp_path / "foreign")["ids_equal"]


def test_what_is_allowed_to_differ_is_a_choice(onnx_artifact):
    with pytest.raises(ExportError, match=r"\(onnxruntime\), case \d: output '\w+' differs by"):
        verify(onnx_artifact.path, tolerance=0.0)


# Breaking it on purpose.


@keras.saving.register_keras_serializable(package="tests")
class SmoothDot(Dot):
    def compare(self, query, keys):
        return ops.logaddexp(super().compare(query, keys), 0.0)


def test_an_operation_that_onnx_has_not(tmp_path, only_step):
    model = EncoderDecoder(9, 9, embedding_dim=4, units=4, attention=Attention(SmoothDot()))
    with pytest.raises(ExportError, match=r"\.onnx: .*(cannot convert|conversion failed)"):
        export_model(model, tmp_path / "new", search=BeamSearch(max_length=3), format="onnx")
    assert listing(tmp_path) == []


class Choosy(Foreign):
    def step(self, tokens, state, beams=1):
        logits, state, weights = super().step(tokens, state, beams)
        chosen = ops.one_hot(ops.argmax(weights, axis=-1), ops.shape(weights)[1])
        return logits, state, chosen


def test_an_operation_that_tf2onnx_copies_without_a_word(tmp_path, only_step):
    examples = [np.array([[4, 5, 6], [7, 0, 0]])]
    with pytest.raises(ExportError, match=r"step\.onnx: the model uses Bitcast, which tf2onnx can"):
        export_model(
            Choosy(),
            tmp_path / "new",
            search=BeamSearch(max_length=3),
            examples=examples,
            format="onnx",
        )
    assert listing(tmp_path) == []


def test_a_wrong_weight_is_noticed_and_the_old_artifact_stays(tmp_path, monkeypatch, only_step):
    old = tmp_path / "speller"
    old.mkdir()
    (old / "examples.npz").write_bytes(b"the old one")
    model, convert = speller(), OnnxWriter.convert

    def convert_other_weights(*arguments):
        model.logits.bias.assign_add(keras.ops.arange(len(SOUNDS), dtype="float32"))
        return convert(*arguments)

    monkeypatch.setattr(OnnxWriter, "convert", convert_other_weights)
    with pytest.raises(ExportError, match=r"step \(onnxruntime\), case 0: output 'logits' differs"):
        export_model(model, old, search=BeamSearch(max_length=3), overwrite=True, format="onnx")
    assert listing(tmp_path) == ["speller", "speller/examples.npz"]
    assert (old / "examples.npz").read_bytes() == b"the old one"


@pytest.mark.parametrize("damage", ["truncated", "missing", "swapped", "extra"])
def test_a_corrupted_artifact(onnx_artifact, tmp_path, damage):
    path = tmp_path / "speller"
    shutil.copytree(onnx_artifact.path, path)
    step = path / "step.onnx"
    if damage == "truncated":
        step.write_bytes(step.read_bytes()[:1000])
    elif damage == "missing":
        step.unlink()
    elif damage == "swapped":
        shutil.copy(path / "encoder.onnx", step)
    else:
        shutil.copy(step, path / "other.onnx")
    list_again(path)
    with pytest.raises(ExportError, match=r"step|other"):
        verify(path)


def test_targets_that_are_refused(tmp_path):
    model = speller()
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        export_model(model, tmp_path / "there", format="onnx")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export_model(model, tmp_path / "a" / "b" / "c", format="onnx")
    with pytest.raises(ValueError, match="Dense without start, step"):
        export_model(keras.layers.Dense(2), tmp_path / "new", format="onnx")
    assert listing(tmp_path) == ["there"]


def test_a_package_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[onnx\]'"):
        export_model(speller(), tmp_path / "new", format="onnx")
    assert listing(tmp_path) == []
