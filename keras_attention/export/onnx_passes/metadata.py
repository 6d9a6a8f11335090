"""What an ONNX file says of itself: who made it, what it does, and its limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keras_attention._core.types import Config
from keras_attention.generation.serialization import serialize_search

if TYPE_CHECKING:
    import onnx

    from keras_attention.export.writer import Job

_GRAPHS = {
    "encoder": "Reads the source: the state that step.onnx takes.",
    "step": "One step of decoding: the logits of the next token, and what changed of the state.",
    "greedy": "Greedy decoding: the most probable token at every step.",
    "beam": "Beam search: several hypotheses of each example, the best first.",
    "model": "The call of the model.",
}
_INPUTS = {
    "tokens": "Ids of the source, padded behind their end; the ids are in vocabulary.json.",
    "image": "Pixels, red, green and blue, from 0 to 255.",
    "token": "The last token of each example, at first the start token.",
}
_OUTPUTS = {
    "sequences": "Ids of the answer with the end token, padded.",
    "scores": "Log-probabilities of the answers in nats, those of a beam after its penalties.",
    "lengths": "The number of tokens of each answer, with the end token.",
    "logits": "Scores of the next token before softmax, by id.",
}
_ATTENTION = "Attention weights over the positions of the source; padding has weight 0."


def describe_graph(
    model: onnx.ModelProto, name: str, job: Job, converter: str, vocabulary: str
) -> None:
    """Writes producer, descriptions and metadata into a model.

    The metadata are `library` and `converter` (with versions), `kind` (of
    `export_model`), `limits` (JSON, see `Job`), `search` (JSON, see
    `serialize_search`; not of a model that does not decode), and
    `vocabulary_sha256`, the checksum of `vocabulary.json`.

    Args:
        model: is changed in place.
        name: of the file, without the suffix.
        job: what is written.
        converter: the package that converted it, and its version.
        vocabulary: the SHA-256 of `vocabulary.json`.
    """
    from onnx import helper

    # Here, because the package is still being imported when its exporter is.
    from keras_attention import __version__

    model.producer_name, model.producer_version = "keras_attention", __version__
    model.graph.name = name
    model.doc_string = model.graph.doc_string = _GRAPHS.get(name, "")
    about: Config = {
        "library": f"keras_attention {__version__}",
        "converter": converter,
        "kind": job.kind,
        "limits": json.dumps(job.limits),
        "vocabulary_sha256": vocabulary,
    }
    if job.search is not None:
        about["search"] = json.dumps(serialize_search(job.search))
    helper.set_model_props(model, about)
    for tensor in model.graph.input:
        tensor.doc_string = _of_input(tensor.name, name)
    for tensor in model.graph.output:
        tensor.doc_string = _of_output(tensor.name, name)


def graph_metadata(model: onnx.ModelProto) -> Config:
    """The `producer`, `description` and `metadata` of a model, as plain values.

    Args:
        model: any ONNX model.
    """
    return {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "description": model.doc_string,
        "metadata": {one.key: one.value for one in model.metadata_props},
    }


def _of_input(tensor: str, graph: str) -> str:
    state = "State: an output of encoder.onnx, or next_ of this name of the step before."
    return _INPUTS.get(tensor, state if graph == "step" else "")


def _of_output(tensor: str, graph: str) -> str:
    if tensor.startswith("attention"):
        return _ATTENTION
    states = {
        "encoder": "State: an input of step.onnx.",
        "step": f"State after the step: {tensor.removeprefix('next_')} of the next one.",
    }
    return _OUTPUTS.get(tensor, states.get(graph, ""))
