"""Models of `keras.Input` tensors that decode are exported with their decoding loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import AttentionRNN, LuongAttention, generation
from keras_attention.export import export_model
from keras_attention.export.decoding import DecodingExport, decoding_model
from keras_attention.export.signatures import ids_signatures
from keras_attention.generation import BeamSearch
from keras_attention.models import Seq2Seq
from tests.support.exporting import LETTERS, SOUNDS, padded_ids

SEARCH = BeamSearch(num_beams=2, max_length=4)


def translator(length=None, dtype="int32", image=False):
    """As a tutorial writes it; with an image beside the text, or a fixed number of letters."""
    keras.utils.set_random_seed(3)
    source = keras.Input((length,), dtype=dtype, name="letters")
    target = keras.Input((None,), dtype=dtype, name="decoder_inputs")
    embedded = keras.layers.Embedding(len(LETTERS), 4, mask_zero=True)(source)
    memory, state = keras.layers.GRU(8, return_sequences=True, return_state=True)(embedded)
    sources = [source]
    if image:
        pixels = keras.Input((4, 4, 3), name="picture")
        flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
        state = state + keras.layers.Dense(8, activation="tanh")(flat)
        sources.append(pixels)
    written = keras.layers.Embedding(len(SOUNDS), 4, mask_zero=True)(target)
    decoder = AttentionRNN(keras.layers.GRUCell(8), LuongAttention(), attention_layer=8)
    vectors = decoder(written, memory, initial_state=[state])
    model = keras.Model([*sources, target], keras.layers.Dense(len(SOUNDS))(vectors))
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def test_a_functional_translator_is_exported_with_its_loop(tmp_path, only_signatures):
    only_signatures("encode", "step", "beam", "beam_prefix")
    model = translator()
    report = export_model(model, tmp_path / "model", search=SEARCH, verbose=False)
    assert report["ids_equal"] and {"encode", "step", "beam_prefix"} < set(report["signatures"])
    served = tf.saved_model.load(str(tmp_path / "model" / "1")).signatures
    ids = padded_ids()[[0, 1, 3]]
    found = served["beam"](tokens=tf.constant(ids))
    expected = SEARCH(generation.as_decoder(model), {"letters": ids})
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_in_graphs(tmp_path, format):
    report = export_model(
        translator(), tmp_path / "model", format=format, search=SEARCH, verbose=False
    )
    assert report["ids_equal"] and report["graphs"] == ["encoder", "step", "greedy", "beam"]


def recorded(model, names):
    export = DecodingExport(model, "ids", SEARCH)
    export.trace()
    return export.signatures, export.record(names, lambda _: None)


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({"length": 5, "dtype": "float32"}, {"tokens": [None, 5]}),
        ({"image": True}, {"letters": [None, None], "picture": [None, 4, 4, 3]}),
    ],
)
def test_sources_are_what_the_model_declares(options, inputs):
    wrapped = decoding_model(translator(**options))
    assert isinstance(wrapped, Seq2Seq)
    signatures, examples = recorded(wrapped, ["greedy"])
    specs = signatures["greedy"].inputs
    assert {name: spec.shape.as_list() for name, spec in specs.items()} == inputs
    last = examples["greedy"][-1]
    names = dict(zip(inputs, wrapped.sources))
    given = {names[name]: array for name, array in last.inputs.items()}
    expected = generation.Greedy(max_length=4)(wrapped, given)
    np.testing.assert_array_equal(last.outputs["sequences"], expected.sequences[:, 0])


def test_text_of_a_wrapped_model():
    model = Seq2Seq(translator(), source_vocabulary=LETTERS, target_vocabulary=SOUNDS)
    export = DecodingExport(model, "text", SEARCH)
    export.trace()
    found = export.signatures["greedy"](text=tf.constant(["bad", "head"]))
    expected = model.generate(["bad", "head"], generation.Greedy(max_length=4))
    assert [x.decode() for x in found["texts"].numpy()] == [one.text for one in expected]


def test_text_for_a_fixed_number_of_letters():
    model = Seq2Seq(translator(length=3), source_vocabulary=LETTERS, target_vocabulary=SOUNDS)
    export = DecodingExport(model, "text", SEARCH)
    export.trace()
    found = export.signatures["greedy"](text=tf.constant(["bad", "headache", "a"]))
    assert found["source_tokens"].numpy().tolist()[1:] == [[b"h", b"e", b"a"], [b"a", b"", b""]]
    expected = model.generate([LETTERS.encode("bad")], generation.Greedy(max_length=4))
    assert found["texts"].numpy()[0].decode() == expected[0].text


def test_what_does_not_decode_stays_as_it_is():
    words = keras.Input((None,), dtype="int32", name="words")
    upper = keras.Input((None,), dtype="int32", name="upper")
    embedded = keras.layers.Embedding(9, 4)(words) + keras.layers.Embedding(2, 4)(upper)
    tagger = keras.Model(
        [words, upper], keras.layers.Dense(5)(keras.layers.GRU(4, return_sequences=True)(embedded))
    )
    assert decoding_model(tagger) is tagger
    # A target by its name, but one that looks ahead.
    target = keras.Input((None,), dtype="int32", name="target")
    states = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))(
        keras.layers.Embedding(9, 4)(target) + keras.ops.mean(embedded, axis=1, keepdims=True)
    )
    ahead = keras.Model([words, upper, target], keras.layers.Dense(9)(states))
    assert decoding_model(ahead) is ahead
    with pytest.raises(ValueError, match="bidirectional"):
        decoding_model(ahead, required=True)


def test_signatures_of_a_wrapped_model_have_the_usual_names():
    signatures = ids_signatures(decoding_model(translator()), SEARCH)
    assert "token" in signatures["step"].inputs
    assert set(signatures["greedy"].inputs) == {"tokens"}


@pytest.mark.slow
def test_a_model_without_attention_has_no_such_output_in_litert(tmp_path):
    Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    _, *state = keras.layers.LSTM(8, return_state=True)(keras.layers.Embedding(9, 8)(source))
    states = keras.layers.LSTM(8, return_sequences=True)(
        keras.layers.Embedding(9, 8)(target), initial_state=state
    )
    model = keras.Model({"source": source, "target": target}, keras.layers.Dense(9)(states))
    search = BeamSearch(num_beams=2, max_length=3)
    path = tmp_path / "model"
    report = export_model(model, path, format="litert", search=search, verbose=False)
    assert report["ids_equal"]
    for name, outputs in (("step", {"logits"}), ("beam", {"sequences", "scores", "lengths"})):
        interpreter = Interpreter(str(path / f"{name}.tflite"))
        found = set(interpreter.get_signature_list()["serving_default"]["outputs"])
        assert outputs <= found and "attention" not in found
