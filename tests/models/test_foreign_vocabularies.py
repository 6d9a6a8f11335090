"""Models whose vocabularies were made by other libraries: saved, generating, exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.datasets import teacher_forcing_batches
from keras_attention.export import export_model
from keras_attention.generation import BeamSearch, Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.metrics import TokenAccuracy
from keras_attention.models import Captioner, EncoderDecoder
from keras_attention.text import SpecialIds, Vocabulary
from tests.support.tables import one_in
from tests.text.foreign_vocabularies import LINES, made

SEARCH = BeamSearch(num_beams=2, max_length=6)
TEXTS = [LINES[0], "", LINES[700][:60]]


def model_of(source, target, **options):
    keras.utils.set_random_seed(3)
    model = EncoderDecoder(source, target, embedding_dim=6, units=8, **options)
    for variable in model.trainable_variables:
        variable.assign(3.0 * variable)
    return model


def assert_generates_the_same(one, other):
    for found, expected in zip(
        one.generate(TEXTS, SEARCH), other.generate(TEXTS, SEARCH), strict=True
    ):
        assert found.text == expected.text and found.tokens == expected.tokens
        assert found.score == pytest.approx(expected.score, abs=1e-4)


PAIRS = [
    ("vectorization", "function"),
    ("lookup", "unigrams"),
    ("byte fallback", "tokenizers: bytes"),
    ("tokenizers: unigrams", "hub: bytes"),
    ("hub: word pieces", "tokenizers: word pieces"),
]


@pytest.mark.parametrize(("source", "target"), one_in(4, PAIRS))
def test_a_model_takes_the_original_and_is_saved_with_its_content(source, target, tmp_path):
    original, _, vocabulary = made(source)
    model = model_of(original, made(target)[0])
    assert model.source_vocabulary == vocabulary
    assert model.special_ids == made(target)[2].special_ids
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.source_vocabulary == model.source_vocabulary
    assert_generates_the_same(loaded, model)
    (found,) = model.generate([LINES[0]], Greedy(max_length=4))
    assert found.source_tokens == vocabulary.split(LINES[0])


# With KerasHub's and tensorflow-text's own operations, and TensorFlow's alone.
EXPORTED = [
    ("vectorization", "byte fallback"),
    ("unigrams", "hub: word pieces"),
    ("tokenizers: word pieces", "characters"),
    ("hub: bytes", "lookup"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), EXPORTED)
def test_an_artifact_reads_and_writes_text_by_itself(source, target, tmp_path):
    model = model_of(made(source)[0], made(target)[2])
    report = export_model(model, tmp_path / "model", kind="text", search=SEARCH, verbose=False)
    assert report["ids_equal"]
    loaded = tf.saved_model.load(str(tmp_path / "model" / "1"))
    answer = loaded.signatures["serving_default"](text=tf.constant(TEXTS))
    expected = model.generate(TEXTS, SEARCH)
    assert [text.decode("utf-8") for text in answer["texts"].numpy()] == [
        one.text for one in expected
    ]


def test_what_no_graph_can_read_is_exported_as_ids_alone(tmp_path):
    model = model_of(made("tokenizers: bytes")[0], made("unigrams")[0])
    message = r"model WordPiece, received model BPE\. Export kind='ids'"
    with pytest.raises(ValueError, match=message):
        export_model(model, tmp_path / "model", kind="text", search=SEARCH, verbose=False)


@pytest.mark.slow
def test_keras_tutorials_targets_train_with_their_own_ids():
    """[start] and [end] are words of the texts, as in Keras' own tutorial."""
    layer = keras.layers.TextVectorization(standardize=None)
    layer.adapt(["[start] one two [end]", "[start] three [end]"])
    model = model_of(20, layer)
    special = model.special_ids
    assert [model.target_vocabulary.tokens[i] for i in special] == ["", "[start]", "[end]", "[UNK]"]
    sources = [[5, 6], [7]]
    targets = [model.target_vocabulary.encode(text) for text in ("one two", "three")]
    batches = teacher_forcing_batches(sources, targets, shuffle=False, special_ids=special)
    model.compile(
        keras.optimizers.Adam(0.05),
        SequenceCrossentropy(pad_id=special.pad),
        metrics=[TokenAccuracy(pad_id=special.pad)],
    )
    model.fit(batches.repeat(40), shuffle=False, verbose=0)
    found = model.generate(sources, Greedy(max_length=5))
    assert [one.text for one in found] == ["one two", "three"]


@pytest.mark.parametrize("special", [SpecialIds(7, 3, 0, 5), SpecialIds(0, 0, 1, None)], ids=str)
def test_a_model_of_sizes_declares_its_special_ids(special, tmp_path):
    model = model_of(20, 12, special_ids=special)
    assert model.special_ids == special
    source = np.array([[8, 9, special.pad, special.pad], [4, 6, 8, 2]])
    wider = np.pad(source, [(0, 0), (0, 2)], constant_values=special.pad)
    for search in (Greedy(max_length=5), SEARCH):
        found, padded = search(model, source), search(model, wider)
        assert np.array_equal(found.sequences, padded.sequences)
        np.testing.assert_allclose(found.scores, padded.scores, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.special_ids == special
    # The loss of a padded batch is that of the sequence: padding is masked by its own id.
    target = np.array([[special.start, 9, 10]])
    labels = np.array([[9, 10, special.end]])
    alone = model({"source": source[1:], "target": target})
    more = np.pad(target, [(0, 0), (0, 2)], constant_values=special.pad)
    both = model({"source": wider[1:], "target": more})
    np.testing.assert_allclose(both[:, :3], alone, rtol=1e-4, atol=1e-5)
    loss = SequenceCrossentropy(pad_id=special.pad)
    padded = np.pad(labels, [(0, 0), (0, 2)], constant_values=special.pad)
    assert float(loss(padded, both)) == pytest.approx(float(loss(labels, alone)), rel=1e-5)
    # One step after the other gives what the whole target gives, also from a start that pads.
    state = model.start(source[1:])
    for t in range(3):
        logits, state, _ = model.step(target[:, t], state)
        np.testing.assert_allclose(logits, alone[:, t], rtol=1e-4, atol=1e-5)


def test_other_special_ids_than_those_of_the_vocabulary_are_refused():
    letters = Vocabulary("abc")
    message = "special_ids: expected None or those of the target_vocabulary, SpecialIds"
    with pytest.raises(ValueError, match=message):
        model_of(letters, letters, special_ids=SpecialIds(7, 3, 0, 5))
    with pytest.raises(ValueError, match="special_ids: expected integers from 0 to 8"):
        model_of(9, 9, special_ids=SpecialIds(1, 2, 9))
    with pytest.raises(ValueError, match="target_vocabulary: expected tokens for start and end"):
        model_of(letters, keras.layers.TextVectorization(vocabulary=["a"]))


def test_a_captioner_writes_with_the_original():
    model = Captioner(made("vectorization")[0], image_size=(16, 16), embedding_dim=6, units=8)
    assert model.special_ids == made("vectorization")[2].special_ids
    (found,) = model.generate(np.zeros((1, 16, 16, 3)), Greedy(max_length=3))
    assert found.text == " ".join(found.tokens)
