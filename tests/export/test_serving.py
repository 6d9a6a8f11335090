"""What the exporter writes is what TensorFlow Serving's clients read."""

import importlib
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")

from keras_attention import generation
from tests.support.exporting import CONFIG, MAX_LENGTH, SCRIPTS
from tests.support.model_server import ModelServer

RANKS = {"texts": 1, "scores": 1, "source_tokens": 2, "target_tokens": 2, "attention": 3}


@pytest.mark.parametrize("name", ["greedy", "serving_default", "beam"])
def test_a_text_artifact_over_rest(text_artifact, name, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS / "serving")
    answers, rest = map(importlib.import_module, ("answers", "rest_client"))
    # With a longer text of somebody else in the batch.
    path = text_artifact.path
    server = ModelServer(CONFIG % path.name, path.parent, neighbours=[b"abcdefghabcdefgh"])
    outputs = server.models["translate"][3].definitions[name].outputs
    more = name == "beam"
    for key, rank in RANKS.items():
        several = more and key != "source_tokens"
        assert len(outputs[key].tensor_shape.dim) == rank + several, key

    texts = ["Bad", "abc\N{SNOWMAN}", "", "h"]
    body = json.loads(json.dumps(rest.body(texts, name)))
    answer = json.loads(json.dumps(server.rest("/v1/models/translate:predict", body)))
    expected = generation.generate(
        text_artifact.model, texts, generation.Greedy(max_length=MAX_LENGTH)
    )
    assert len(answer["predictions"]) == len(texts)
    for text, one, row in zip(texts, expected, answer["predictions"]):
        found = answers.translations(row)
        assert (len(found) > 1) == more
        scores = [hypothesis.score for hypothesis in found]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in found:
            assert hypothesis.source_tokens == list(text.lower())
            assert hypothesis.text == " ".join(hypothesis.tokens)
            weights = np.array(hypothesis.attention)
            if weights.size:
                assert np.allclose(weights.sum(-1), 1, atol=1e-5)
        if name == "greedy":
            assert found[0].text == one.text
            assert found[0].score == pytest.approx(one.score, abs=1e-4)
            assert np.allclose(found[0].attention, one.attention, atol=1e-5)
