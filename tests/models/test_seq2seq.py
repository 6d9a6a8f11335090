"""Any Keras model from source and target to logits, as a model that generates."""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention
from keras_attention.generation import BeamSearch, Decoder, Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.metrics import TokenAccuracy
from keras_attention.models import EncoderDecoder, Seq2Seq
from keras_attention.text import SpecialIds, Vocabulary

LETTERS = Vocabulary("abcdef")
PHONES = Vocabulary(["K", "AE", "B"], separator=" ")
SOURCE = np.array([[5, 6, 7, 4], [9, 4, 0, 0]])
TARGET, LABELS = np.array([[1, 4, 5], [1, 4, 0]]), np.array([[4, 5, 2], [4, 2, 0]])
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
IDS = {"source": SOURCE, "target": TARGET}


def ids(name):
    return keras.Input((None,), dtype="int32", name=name)


def translator(source="source", target="target", as_list=False):
    """The model of the README."""
    size, source, target = len(PHONES), ids(source), ids(target)
    embedded = layers.Embedding(len(LETTERS), 6, mask_zero=True)(source)
    memory, *final = layers.LSTM(8, return_sequences=True, return_state=True)(embedded)
    decoder = AttentionRNN(layers.LSTMCell(8), LuongAttention(), attention_layer=8)
    written = layers.Embedding(size, 6, mask_zero=True)(target)
    vectors = decoder(written, memory, initial_state=final)
    logits = layers.Dense(size, name="logits")(vectors)
    inputs = [source, target] if as_list else {source.name: source, target.name: target}
    return keras.Model(inputs, logits)


def captioner(side=8, weights="maps"):
    image, target = keras.Input((side, side, 3), name="photo"), ids("target")
    features = layers.Conv2D(6, 3, strides=4, padding="same")(layers.Rescaling(1 / 255)(image))
    written = layers.GRU(6, return_sequences=True)(layers.Embedding(len(PHONES), 6)(target))
    context, maps = BahdanauAttention(6)(written, features, return_attention_scores=True)
    logits = layers.Dense(len(PHONES))(layers.Concatenate()([written, context]))
    return keras.Model([image, target], [logits, maps] if weights else logits)


def wrapped(**options):
    return Seq2Seq(translator(), source_vocabulary=LETTERS, target_vocabulary=PHONES, **options)


def texts(found):
    return [one.text for one in found]


def test_the_call_is_that_of_the_model():
    inner = translator()
    model = Seq2Seq(inner)
    np.testing.assert_array_equal(model(IDS), inner(IDS))
    assert model.built and model.count_params() == inner.count_params()
    assert isinstance(model, Decoder)


@pytest.mark.parametrize("as_list", [False, True])
def test_it_trains_as_the_model_alone(as_list):
    """The same losses, metrics and weights after some steps; the mask of the logits included."""
    inputs = [SOURCE, TARGET] if as_list else IDS
    alone = translator(as_list=as_list)
    model = Seq2Seq(keras.models.clone_model(alone))
    model.set_weights(alone.get_weights())
    histories = []
    for one in (alone, model):
        # Keras' own loss knows of padding only by the mask.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        one.compile(
            "adam",
            loss,
            metrics=["accuracy"],
            weighted_metrics=[TokenAccuracy()],
            run_eagerly=True,
        )
        histories.append(one.fit(inputs, LABELS, epochs=3, verbose=0).history)
        histories[-1]["evaluated"] = one.evaluate(inputs, LABELS, verbose=0)
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-5, err_msg=name)
    for a, b in zip(alone.get_weights(), model.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)
    padded = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, alone(inputs))
    assert abs(float(padded) - histories[0]["evaluated"][0]) < 1e-5
    without = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        LABELS, np.array(alone(inputs))
    )
    assert abs(float(padded) - float(without)) > 1e-3


def test_it_learns_and_generates_what_it_learned():
    keras.utils.set_random_seed(3)
    model = wrapped()
    model.compile(
        keras.optimizers.Adam(0.05),
        SequenceCrossentropy(),
        search=Greedy(max_length=6),
        jit_compile=False,
    )
    model.fit(IDS, LABELS, epochs=40, verbose=0)
    found = model.generate([LETTERS.decode(row) for row in SOURCE])
    assert texts(found) == ["K AE", "K"]
    assert found[0].source_tokens == list("bcda")
    assert found[0].attention.shape == (2, 4)
    beams = model.generate(SOURCE, BeamSearch(3, max_length=6), n_best=2)
    assert [best.text for best, _ in beams] == ["K AE", "K"]


def test_everything_is_in_one_file(tmp_path):
    model = wrapped(special_ids=SpecialIds())
    search = BeamSearch(2, max_length=5)
    model.compile("adam", SequenceCrossentropy(), search=search, run_eagerly=True)
    model.fit(IDS, LABELS, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert isinstance(loaded, Seq2Seq)
    assert loaded.search == search
    assert loaded.source_vocabulary.tokens == LETTERS.tokens
    assert loaded.target_vocabulary.tokens == PHONES.tokens
    assert loaded.ports == model.ports
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-6)
    assert texts(loaded.generate(["fade", "ab"])) == texts(model.generate(["fade", "ab"]))
    model.fit(IDS, LABELS, verbose=0)
    loaded.fit(IDS, LABELS, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_sizes_come_from_the_model_where_no_vocabulary_does():
    model = Seq2Seq(translator())
    assert (model.source_vocabulary, model.target_vocabulary) == (len(LETTERS), len(PHONES))
    found = model.generate(SOURCE, Greedy(max_length=2))
    assert all(token.isdigit() for one in found for token in one.tokens)


def test_a_size_that_was_found_is_found_again():
    """Smaller than a size that may be declared."""
    source, target = ids("source"), ids("target")
    vectors = layers.Attention()([layers.Embedding(4, 6)(one) for one in (target, source)])
    inner = keras.Model([source, target], layers.Dense(4)(vectors))
    model = Seq2Seq(inner, special_ids=SpecialIds(0, 1, 2, None))
    again = Seq2Seq.from_config(model.get_config())
    assert again.target_vocabulary == again.source_vocabulary == 4
    assert again.special_ids == model.special_ids


@pytest.mark.parametrize("as_list", [False, True])
def test_names_are_found_or_declared(as_list):
    assert Seq2Seq(translator(as_list=as_list)).sources == ("source",)
    odd = translator(source="x", target="y", as_list=as_list)
    model = Seq2Seq(odd, source="x", target="y", source_vocabulary={"x": LETTERS})
    assert model.sources == ("x",) and model.ports.target == "y"
    assert texts(model.generate(["abc"], Greedy(max_length=3)))


def test_ids_outside_of_the_source_vocabulary_are_unknown():
    # One id that the embedding has and the vocabulary has not.
    fewer = Vocabulary(LETTERS.tokens[4:-1])
    model = Seq2Seq(translator(), source_vocabulary=fewer, target_vocabulary=PHONES)
    size = len(fewer)
    states = [model.start(np.array([[4, i, j]])) for i, j in ((size, -1), (3, 3))]
    for one, other in zip(*map(tree.flatten, states), strict=True):
        if one is not None:
            np.testing.assert_array_equal(one, other)


def test_two_sources_have_two_vocabularies(tmp_path):
    one, two, target = ids("words"), ids("tags"), ids("target")
    encoded = [
        layers.GRU(6, return_sequences=True)(layers.Embedding(size, 6, mask_zero=True)(source))
        for source, size in ((one, len(LETTERS)), (two, 12))
    ]
    decoder = AttentionRNN(layers.GRUCell(6), [LuongAttention(), LuongAttention()])
    written = layers.Embedding(len(PHONES), 6, mask_zero=True)(target)
    logits = layers.Dense(len(PHONES))(decoder(written, encoded))
    inner = keras.Model([one, two, target], logits)
    model = Seq2Seq(inner, source_vocabulary={"tags": 12}, target_vocabulary=PHONES)
    assert model.sources == ("words", "tags")
    assert model.source_vocabularies == {"tags": 12}
    assert model.source_vocabulary == len(LETTERS)
    inputs = {"words": SOURCE, "tags": SOURCE[:, :2]}
    found = Greedy(max_length=3)(model, inputs)
    texts = model.generate({"words": [[5, 6, 7, 4], [9, 4]], "tags": SOURCE[:, :2]}, Greedy(3))
    assert [len(one.source_tokens) for one in texts] == [4, 2]
    in_order = Greedy(max_length=3)(model, list(inputs.values()))
    np.testing.assert_array_equal(found.sequences, in_order.sequences)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.source_vocabularies == {"tags": 12}
    with pytest.raises(ValueError, match="inputs: expected 'words', 'tags', received 'tags'"):
        model.start({"tags": SOURCE})
    with pytest.raises(ValueError, match="inputs: expected a dictionary of 'words', 'tags'"):
        model.start(SOURCE)
    with pytest.raises(ValueError, match="source_vocabulary: expected names of sources, 'words'"):
        Seq2Seq(inner, source_vocabulary={"tags": 12, "other": 9})


@pytest.mark.parametrize("weights", ["maps", None])
def test_images_are_captioned(weights, tmp_path):
    model = Seq2Seq(captioner(weights=weights), target_vocabulary=PHONES)
    assert model.image_size == (8, 8)
    assert model.map_shape == ((2, 2) if weights else None)
    assert not hasattr(model, "source_vocabulary")
    found = model.generate(IMAGES, Greedy(max_length=3))
    assert len(found) == 2
    assert found[0].attention.shape[1:] == (2, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert texts(loaded.generate(IMAGES, Greedy(max_length=3))) == texts(found)


def test_maps_have_the_shape_that_is_declared_or_are_square():
    model = Seq2Seq(captioner(weights=None), map_shape=(1, 4))
    assert tuple(model.as_maps(np.zeros((2, 3, 4))).shape) == (2, 3, 1, 4)
    model = Seq2Seq(captioner(weights=None))
    assert tuple(model.as_maps(np.zeros((2, 9))).shape) == (2, 3, 3)
    with pytest.raises(ValueError, match="map_shape: expected the height and width of the att"):
        model.as_maps(np.zeros((2, 8)))
    assert not hasattr(Seq2Seq(translator()), "as_maps")
    image = Seq2Seq(captioner(side=None, weights=None))
    assert not hasattr(image, "image_size")
    assert Seq2Seq(captioner(None, None), image_size=(8, 12)).image_size == (8, 12)


@pytest.mark.parametrize("as_list", [False, True])
def test_targets_without_a_start_are_warned_of(as_list):
    model = Seq2Seq(translator(as_list=as_list), special_ids=SpecialIds(0, 5, 2, 3))
    model.compile("sgd", SequenceCrossentropy(), run_eagerly=True)
    inputs = [SOURCE, TARGET] if as_list else IDS
    with pytest.warns(UserWarning, match="target: expected ids that begin with the start token, 5"):
        model.fit(inputs, LABELS, verbose=0)
    model.fit(inputs, LABELS, verbose=0)


@keras.saving.register_keras_serializable(package="tests_seq2seq")
class Subclassed(keras.Model):
    """A model without a graph, whose call knows neither training nor masks."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embed = layers.Embedding(12, 6)
        self.cells, self.out = layers.GRU(6, return_sequences=True), layers.Dense(9)

    def call(self, inputs):
        summary = ops.mean(self.embed(inputs["source"]), axis=1, keepdims=True)
        return self.out(self.cells(self.embed(inputs["target"]) + summary))


def test_a_subclassed_model_is_trained_decoded_and_saved(tmp_path):
    model = Seq2Seq(Subclassed(), source_vocabulary=LETTERS, target_vocabulary=9)
    model.compile("adam", SequenceCrossentropy(), run_eagerly=True)
    model.fit(IDS, LABELS, verbose=0)
    found = Greedy(max_length=3)(model, SOURCE)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-6)
    np.testing.assert_array_equal(Greedy(max_length=3)(loaded, SOURCE).sequences, found.sequences)
    with pytest.raises(ValueError, match="target_vocabulary: expected a vocabulary or its size"):
        Seq2Seq(Subclassed())


def test_ids_that_are_declared_as_floats_are_not_rounded():
    """As `keras.Input((None,))` without a dtype declares them."""
    source, target = keras.Input((None,), name="source"), keras.Input((None,), name="target")
    memory = layers.Embedding(5000, 6)(source)
    query = layers.LSTM(6, return_sequences=True)(layers.Embedding(9, 6)(target))
    logits = layers.Dense(9)(layers.Attention()([query, memory]))
    inner = keras.Model([source, target], logits)
    model = Seq2Seq(inner, dtype="mixed_bfloat16")
    inputs = [np.array([[4997, 4001]], "float32"), np.array([[1, 5]], "float32")]
    np.testing.assert_array_equal(model(inputs), inner(inputs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Seq2Seq("model"), "model: expected a Keras model from source and target"),
        (
            lambda: Seq2Seq(EncoderDecoder(9, 9, units=4)),
            "model: .* received EncoderDecoder, which generates by itself",
        ),
        (
            lambda: Seq2Seq(translator(), target_vocabulary=Vocabulary("ab")),
            "target_vocabulary: expected at least 7 tokens, as many as the model has logits, "
            "received 6",
        ),
        (
            lambda: Seq2Seq(translator(), source_vocabulary=11),
            "source_vocabulary: expected at most 10 tokens, the input_dim .* received 11",
        ),
        (lambda: Seq2Seq(translator(), special_ids=SpecialIds(0, 1, 7, 3)), "special_ids: .* 7"),
        (lambda: Seq2Seq(translator(), special_ids=(0, 1)), "special_ids: expected .* \\(0, 1\\)"),
        (lambda: Seq2Seq(translator(), target="goal"), "target: expected a name of an input"),
        (lambda: Seq2Seq(translator(source="x", target="z"), source="y"), "source: expected a n"),
        (
            lambda: Seq2Seq(captioner(), source_vocabulary=LETTERS),
            "source_vocabulary: expected None for a source that holds no ids",
        ),
        (lambda: Seq2Seq(captioner(), map_shape=4), "map_shape: expected height and width, rec"),
        (lambda: Seq2Seq(translator(), image_size=(4, 4)), "image_size: expected None for a model"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
