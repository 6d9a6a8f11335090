"""What an ONNX file says of itself."""

import hashlib
import json

import onnx
import pytest

import keras_attention
from keras_attention.export.onnx_passes.metadata import graph_metadata
from keras_attention.generation import deserialize_search
from tests.support.exporting import MAX_LENGTH, SEARCH


@pytest.mark.parametrize("graph", ["encoder", "step", "greedy", "beam"])
def test_producer_search_limits_and_vocabulary(onnx_artifact, graph):
    model = onnx.load(onnx_artifact.path / f"{graph}.onnx")
    about = graph_metadata(model)
    assert about["producer"] == f"keras_attention {keras_attention.__version__}"
    assert about["description"] == model.graph.doc_string != ""
    metadata = about["metadata"]
    vocabulary = (onnx_artifact.path / "vocabulary.json").read_bytes()
    assert metadata["vocabulary_sha256"] == hashlib.sha256(vocabulary).hexdigest()
    assert json.loads(metadata["limits"])["max_length"] == MAX_LENGTH
    assert deserialize_search(json.loads(metadata["search"])) == SEARCH
    assert metadata["kind"] == "ids" and metadata["converter"].startswith("tf2onnx ")


@pytest.mark.parametrize("graph", ["encoder", "step", "greedy", "beam"])
def test_every_tensor_is_described(onnx_artifact, graph):
    model = onnx.load(onnx_artifact.path / f"{graph}.onnx").graph
    assert [one.name for one in (*model.input, *model.output) if not one.doc_string] == []
