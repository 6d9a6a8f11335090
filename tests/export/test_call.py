"""Models that do not decode are exported with their call."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from keras_attention import BahdanauAttention, vision
from keras_attention.export import export_model
from keras_attention.export.call.exporting import CallExport
from keras_attention.export.call.outputs import with_weights
from keras_attention.export.signatures import SERVED
from keras_attention.layers import AttentionPooling
from keras_attention.models import GlimpseClassifier
from keras_attention.text import Vocabulary
from tests.support.exporting import call_onnx, sizes

WORDS = Vocabulary(["good", "bad", "film"], separator=" ")
REST = {"verbose": False}


def sentiment(length=None):
    """Ids whose dtype is left open, as tutorials do."""
    keras.utils.set_random_seed(1)
    words = keras.Input((length,), name="words")
    embedded = keras.layers.Embedding(len(WORDS), 4, mask_zero=True)(words)
    pooled = AttentionPooling(4)(keras.layers.GRU(4, return_sequences=True)(embedded))
    return keras.Model(words, keras.layers.Dense(2, name="label")(pooled))


def several_inputs():
    """A dictionary in, a dictionary out, weights among the outputs."""
    query = keras.Input((None, 4), name="query")
    words = keras.Input((None,), dtype="int32", name="words")
    price = keras.Input((3,), name="list-price")
    value = keras.layers.Embedding(9, 4, mask_zero=True)(words)
    found, weights = BahdanauAttention(4)(query, value, return_attention_scores=True)
    return keras.Model(
        {"query": query, "words": words, "list-price": price},
        {"found": found, "where": weights, "price": keras.layers.Dense(1)(price)},
    )


def answer(export, **inputs):
    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    return {n: t.numpy() for n, t in export.signatures[SERVED](**tensors).items()}


def names(export):
    recorded = export.record([SERVED], lambda _: None)[SERVED]
    return list(export.signatures[SERVED].inputs), sorted(recorded[0].outputs)


@pytest.mark.slow
def test_a_classifier_as_saved_model_and_onnx(tmp_path):
    model = sentiment()
    ids = np.array([[4, 5, 6], [6, 0, 0]], "int32")
    report = export_model(model, tmp_path / "saved", **REST)
    assert report["ids_equal"] and report["signatures"] == [SERVED]
    loaded = tf.saved_model.load(str(tmp_path / "saved" / "1"))
    found = loaded.signatures[SERVED](words=tf.constant(ids, tf.float32))
    np.testing.assert_allclose(found["label"], model(ids), atol=1e-5)
    # Its weights are an output although the model does not return them.
    assert found["attention"].shape == (2, 3)
    np.testing.assert_allclose(found["attention"][1], [1, 0, 0], atol=1e-6)

    report = export_model(model, tmp_path / "onnx", format="onnx", **REST)
    assert report["graphs"] == ["model"]
    found = call_onnx(tmp_path / "onnx", "model", words=ids.astype("float32"))
    np.testing.assert_allclose(found["label"], model(ids), atol=1e-5)
    graph = onnx.load(tmp_path / "onnx" / "model.onnx").graph
    assert sizes(graph.input) == {"words": ["batch", "words_length"]}
    assert sizes(graph.output)["attention"] == ["batch", "words_length"]


def test_litert_takes_one_example(tmp_path):
    report = export_model(sentiment(), tmp_path / "litert", format="litert", **REST)
    assert report["graphs"] == ["model"]
    assert (tmp_path / "litert" / "model.tflite").is_file()


def test_several_inputs_and_outputs_have_their_names():
    export = CallExport(several_inputs(), "call")
    found = names(export)
    # What is no name in Python becomes one.
    assert sorted(found[0]) == ["list_price", "query", "words"]
    assert found[1] == ["found", "price", "where"]
    # The lengths of the two sequences differ in at least one example.
    recorded = export.record([SERVED], lambda _: None)[SERVED]
    assert any(r.sizes["query_length"] != r.sizes["words_length"] for r in recorded)
    assert max(r.inputs["words"].max() for r in recorded) == 8


def test_lists_and_layers_without_names():
    inputs = [keras.Input((3,)), keras.Input((8, 8, 3))]
    shared = keras.layers.Dense(2, name="shared")
    pixels = keras.layers.Flatten()(inputs[1])
    outputs = [shared(inputs[0]), shared(keras.layers.Dense(3)(pixels))]
    export = CallExport(keras.Model(inputs, outputs), "call")
    assert names(export) == (["inputs", "image"], ["shared", "shared_1"])
    recorded = export.record([SERVED], lambda _: None)[SERVED]
    assert recorded[0].inputs["image"].max() > 100


@pytest.mark.parametrize("returned", [False, True])
def test_weights_that_a_model_asks_for_come_out_once(returned):
    ids = keras.Input((None,), dtype="int32", name="ids")
    states = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    query = keras.layers.GlobalAveragePooling1D()(states)
    attention = BahdanauAttention(4, name="look")
    pooled, weights = attention(query, states, return_attention_scores=True)
    label = keras.layers.Dense(1, name="label")(pooled)
    model = keras.Model(ids, [label, weights] if returned else label)
    given = tf.constant([[3, 4, 0], [5, 6, 7]])
    found = with_weights(model, [given])
    assert list(found) == ["label", "attention"]
    expected = keras.Model(ids, weights)(given)
    np.testing.assert_allclose(found["attention"], expected, atol=1e-6)


def test_weights_of_several_layers_and_padded_queries():
    """Keras computes padded queries in another way where it returns no weights."""
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = keras.layers.Embedding(9, 8, mask_zero=True)(words)
    first = keras.layers.MultiHeadAttention(2, 4, name="first")(embedded, embedded)
    second, weights = keras.layers.Attention(name="second")(
        [first, first], return_attention_scores=True
    )
    third = keras.layers.AdditiveAttention(name="third")([second, first])
    model = keras.Model(words, [keras.layers.Dense(3, name="tag")(third), weights])
    export = CallExport(model, "call")
    found = names(export)
    assert found[1] == ["attention", "attention_first", "attention_third", "tag"]
    ids = np.array([[3, 4, 5, 6], [7, 0, 0, 0]], "int32")
    expected = model(ids)
    given = answer(export, words=ids)
    np.testing.assert_allclose(given["tag"], expected[0], atol=1e-5)
    np.testing.assert_allclose(given["attention"], expected[1], atol=1e-5)
    assert given["attention_first"].shape == (2, 2, 4, 4)


def test_text_in_front_of_a_classifier(tmp_path):
    model = sentiment()
    report = export_model(model, tmp_path / "text", kind="text", source_vocabulary=WORDS, **REST)
    assert report["ids_equal"]
    served = tf.saved_model.load(str(tmp_path / "text" / "1")).signatures[SERVED]
    found = served(text=tf.constant(["good film", "strange bad good"]))
    ids = np.array([[4, 6, 0], [3, 5, 4]])
    np.testing.assert_allclose(found["label"], model(ids), atol=1e-5)
    assert found["source_tokens"].numpy().tolist()[0] == [b"good", b"film", b""]
    with pytest.raises(ValueError, match="source_vocabulary: expected a Vocabulary"):
        CallExport(model, "text")


def test_text_by_a_layer_of_keras():
    words = keras.layers.TextVectorization(vocabulary=["good", "bad", "film"])
    export = CallExport(sentiment(), "text", source_vocabulary=words)
    texts = ["Good film", "strange bad good"]
    found = answer(export, text=texts)
    np.testing.assert_allclose(found["label"], sentiment()(words(texts)), atol=1e-5)


def test_text_for_a_fixed_number_of_words():
    export = CallExport(sentiment(2), "text", source_vocabulary=WORDS)
    found = answer(export, text=["good", "good bad film"])
    assert found["source_tokens"].tolist() == [[b"good", b""], [b"good", b"bad"]]


def glimpses():
    model = GlimpseClassifier(vision.GlimpseRNN(keras.layers.GRUCell(4), steps=2), classes=3)
    model(np.zeros((1, 12, 14, 1), "float32"))
    return model


def test_image_files_in_front_of_a_subclassed_classifier():
    model = glimpses()
    export = CallExport(model, "image")
    assert names(export) == (["image_bytes"], ["baselines", "log_probs", "logits", "places"])
    grey = np.random.default_rng(0).integers(0, 255, (12, 14, 1), "uint8")
    found = answer(export, image_bytes=[tf.io.encode_png(grey).numpy()])
    np.testing.assert_allclose(found["logits"], model(grey[None])["logits"], atol=1e-3)
    with pytest.raises(ValueError, match="kind: expected 'call'"):
        CallExport(model, "text", source_vocabulary=WORDS)
    with pytest.raises(ValueError, match=r"kind: expected 'call'.*received none"):
        CallExport(sentiment(), "image")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding, self.dense = keras.layers.Embedding(9, 4), keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(self.embedding(inputs["words"])), inputs["number"]


def test_a_subclassed_model_takes_its_inputs_from_the_examples():
    with pytest.raises(ValueError, match=r"examples: expected batches .* Subclassed has no"):
        CallExport(Subclassed(), "call")
    examples = [
        {"words": np.ones((2, 3), "int32"), "number": np.ones((2, 1))},
        {"words": np.ones((1, 5), "int32"), "number": np.ones((1, 1))},
    ]
    export = CallExport(Subclassed(), "call", examples=examples)
    assert names(export) == (["number", "words"], ["output_0", "output_1"])
    assert export.signatures[SERVED].inputs["words"].shape.as_list() == [None, None]
    assert export.signatures[SERVED].inputs["number"].shape.as_list() == [None, 1]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "examples: expected at least one batch"),
        ([np.ones((2, 3))], "examples: expected dictionaries of list_price, query, words"),
        ([{"words": [[1]]}], "examples: expected arrays named list_price, query, words"),
        (
            [{"words": [[1]], "query": np.ones((1, 2, 4)), "list_price": np.ones((1, 4))}],
            r"examples: expected list_price of shape \(None, 3\), received \(1, 4\)",
        ),
    ],
)
def test_examples_that_do_not_fit(examples, message):
    with pytest.raises(ValueError, match=message):
        CallExport(several_inputs(), "call", examples=examples)


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a Keras model, or something that decodes"):
        export_model(object(), tmp_path / "new")
    with pytest.raises(ValueError, match="kind: expected 'ids' or 'call' for format 'onnx'"):
        export_model(sentiment(), tmp_path / "new", format="onnx", kind="text")
    assert list(tmp_path.iterdir()) == []
