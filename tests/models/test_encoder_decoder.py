"""The ready-made model: every choice runs, steps as it calls, and is saved as it is."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import BahdanauAttention, LuongAttention
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder, RecurrentEncoder, TransformerEncoder
from keras_attention.text import Vocabulary

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0]])
TARGET = np.array([[1, 5, 6], [1, 7, 0], [1, 0, 0]])
LABELS = np.array([[5, 6, 2], [7, 2, 0], [2, 0, 0]])

# Each choice meets each order at least once.
CHOICES = [
    {"encoder": "lstm", "cell": "lstm", "attend": "after"},
    {"encoder": "gru", "cell": "gru", "attend": "before", "num_encoder_layers": 2},
    {"encoder": "transformer", "cell": "lstm", "attend": "before", "num_decoder_layers": 2},
    {"encoder": "transformer", "cell": "gru", "attend": "after", "num_encoder_layers": 2},
    {"encoder": "gru", "cell": "lstm", "attend": "after", "input_feeding": False},
    {"encoder": "lstm", "cell": "gru", "attend": "before", "input_feeding": True},
    {"encoder": "lstm", "cell": "gru", "attend": "after", "num_decoder_layers": 2},
]


def label(choice):
    return "-".join(map(str, choice.values())) if isinstance(choice, dict) else None


every_choice = pytest.mark.parametrize("choice", CHOICES, ids=label)


def small(**options):
    return EncoderDecoder(12, 10, embedding_dim=6, units=8, **options)


def logits_of(model, source=SOURCE, target=TARGET):
    return ops.convert_to_numpy(model({"source": source, "target": target}))


def stepped(model, source, target):
    """The logits that `start` and `step` give, one token after another."""
    state, logits = model.start(source), []
    for t in range(target.shape[1]):
        found, state, _ = model.step(ops.convert_to_tensor(target[:, t]), state)
        logits.append(found)
    return np.stack(logits, axis=1)


def without_builds(config):
    """A config without the shapes that Keras notes down where a layer is built."""
    if not isinstance(config, dict):
        return config
    return {k: without_builds(v) for k, v in config.items() if k != "build_config"}


@every_choice
def test_stepping_equals_calling(choice):
    model = small(**choice)
    found, expected = stepped(model, SOURCE, TARGET), logits_of(model)
    real = TARGET != 0
    np.testing.assert_allclose(found[real], expected[real], rtol=1e-4, atol=1e-5)


@every_choice
def test_masked_equals_sliced(choice):
    model = small(**choice)
    whole = logits_of(model)
    for row in range(3):
        source, target = SOURCE[row][SOURCE[row] != 0], TARGET[row][TARGET[row] != 0]
        alone = logits_of(model, source[None], target[None])
        np.testing.assert_allclose(whole[row, : len(target)], alone[0], rtol=1e-4, atol=1e-5)


@every_choice
def test_saved_and_loaded_gives_the_same_numbers(choice, tmp_path):
    model = small(**choice, attention=BahdanauAttention(5))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits_of(loaded), logits_of(model))
    assert without_builds(loaded.get_config()) == without_builds(model.get_config())


@every_choice
def test_dropout_acts_only_in_training(choice):
    model = small(**choice, dropout=0.5)
    inputs = {"source": SOURCE, "target": TARGET}
    np.testing.assert_array_equal(model(inputs), model(inputs, training=False))
    assert not np.allclose(model(inputs), model(inputs, training=True))
    assert np.isfinite(model(inputs, training=True)).all()


@pytest.mark.parametrize(
    ("choice", "jit_compile"),
    [
        pytest.param({"encoder": "gru", "cell": "gru"}, True, marks=pytest.mark.slow),
        ({"encoder": "transformer"}, False),
    ],
    ids=label,
)
def test_one_batch_is_learnt_by_heart(choice, jit_compile):
    model = small(**choice)
    model.compile(keras.optimizers.Adam(0.05), SequenceCrossentropy(), jit_compile=jit_compile)
    inputs = {"source": SOURCE, "target": TARGET}
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensors((inputs, LABELS)).repeat(30)
    losses = model.fit(dataset, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.2
    assert (logits_of(model).argmax(axis=-1) == LABELS)[LABELS != 0].all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_mixed_precision_reaches_every_layer_but_the_logits(policy, encoder):
    model = small(encoder=encoder, dropout=0.1, dtype=policy)
    inputs = {"source": SOURCE, "target": TARGET}
    logits, weights = model(inputs, return_attention_scores=True, training=True)
    assert logits.dtype == "float32" and weights.dtype == policy[6:]
    assert np.isfinite(logits).all()
    own = {layer.compute_dtype for layer in model._flatten_layers() if layer.name != "logits"}
    # Normalizers compute in the dtype of the scores whatever their policy says.
    own -= {model.decoder.attention.normalizer.compute_dtype} if len(own) > 1 else set()
    assert own == {policy[6:]}


def test_a_model_saved_in_mixed_precision_is_loaded_in_it(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = small(encoder="transformer")
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits_of(loaded), logits_of(model))


def test_weights_are_one_distribution_a_token_over_the_real_source():
    model = small(attention=LuongAttention(score="dot"))
    logits, weights = model({"source": SOURCE, "target": TARGET}, return_attention_scores=True)
    assert logits.shape == (3, 3, 10) and weights.shape == (3, 3, 4)
    np.testing.assert_allclose(np.sum(weights, axis=-1), TARGET != 0, atol=1e-6)
    assert not (ops.convert_to_numpy(weights) * (SOURCE == 0)[:, None]).any()


def test_vocabularies_are_saved_with_the_model(tmp_path):
    letters, sounds = Vocabulary("abc", lowercase=True), Vocabulary(["AH", "B"], separator=" ")
    model = EncoderDecoder(letters, sounds, embedding_dim=4, units=8)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.source_vocabulary == letters and loaded.target_vocabulary == sounds
    assert logits_of(loaded, np.array([[4, 5]]), np.array([[1]])).shape == (1, 1, 6)


def test_weights_alone_can_be_saved_and_loaded(tmp_path):
    model, other = small(), small()
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(logits_of(other), logits_of(model))


def test_it_is_a_layer_of_a_functional_model_with_unknown_lengths():
    model = small()
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("source", "target")}
    outer = keras.Model(inputs, model(inputs))
    assert outer.output.shape == (None, None, 10)
    found = outer({"source": SOURCE, "target": TARGET})
    np.testing.assert_allclose(found, logits_of(model), rtol=1e-5, atol=1e-6)


@keras.saving.register_keras_serializable(package="tests")
class Copying(EncoderDecoder):
    """A model of ours to which a user adds a layer."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gate = keras.layers.Dense(1, activation="sigmoid", name="gate")
        self.gate.build((None, None, self.logits.units))

    def call(self, inputs, return_attention_scores=False, training=None):
        logits, weights = super().call(inputs, True, training)
        logits = logits * self.gate(logits)
        return (logits, weights) if return_attention_scores else logits


@pytest.mark.slow
def test_a_subclass_adds_layers_of_its_own(tmp_path):
    model = Copying(12, 10, embedding_dim=6, units=8)
    model.compile("adam", SequenceCrossentropy(), jit_compile=False)
    model.fit({"source": SOURCE, "target": TARGET}, LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits_of(loaded), logits_of(model))


def test_a_frozen_model_within_another_stays_frozen():
    assert not keras.Sequential([small(trainable=False)]).trainable_weights


def test_fit_over_replicas_may_build_it_on_averaged_ids():
    tf = pytest.importorskip("tensorflow")
    # Keras builds the model on the mean of the replicas' batches, which are floats.
    model = small()
    inputs = {"source": SOURCE.astype("float32"), "target": TARGET.astype("float32")}
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        np.testing.assert_array_equal(model(inputs), logits_of(model))


@pytest.mark.parametrize("make", [RecurrentEncoder, TransformerEncoder])
def test_an_encoder_with_a_mask_does_not_see_the_padding(make, rng):
    encoder = make(8, num_layers=2)
    sequence = rng.normal(size=(1, 5, 3)).astype("float32")
    mask = np.array([[True, True, True, False, False]])
    memory, summary = encoder(sequence, mask=mask)
    expected, expected_summary = encoder(sequence[:, :3])
    np.testing.assert_allclose(memory[:, :3], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(summary, expected_summary, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [RecurrentEncoder, TransformerEncoder])
def test_an_encoder_gets_and_gives_the_implicit_mask(make):
    ids = keras.Input((None,), dtype="int32")
    memory, summary = make(8)(keras.layers.Embedding(9, 4, mask_zero=True)(ids))
    model = keras.Model(ids, [memory, summary, keras.src.backend.get_keras_mask(memory)])
    padded, alone = model(np.array([[3, 4, 0]])), model(np.array([[3, 4]]))
    assert np.array_equal(padded[2], [[True, True, False]])
    np.testing.assert_allclose(padded[1], alone[1], rtol=1e-4, atol=1e-5)


def test_tied_logits_are_the_embeddings_and_are_saved_once(tmp_path):
    model = EncoderDecoder(9, 11, embedding_dim=16, units=16, tied_logits=True)
    untied = EncoderDecoder(9, 11, embedding_dim=16, units=16)
    assert untied.count_params() - model.count_params() == 16 * 11
    vectors = np.random.default_rng(0).normal(size=(2, 3, 16)).astype("float32")
    expected = vectors @ np.asarray(model.target_embedding.embeddings).T
    np.testing.assert_allclose(np.asarray(model.logits(vectors)), expected, atol=1e-5)
    ids = {"source": np.array([[4, 5]]), "target": np.array([[1, 6]])}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(loaded(ids)), np.asarray(model(ids)), atol=1e-6)
    assert len(loaded.weights) == len(model.weights)
    with pytest.raises(ValueError, match="tied_logits: expected embedding_dim to equal units"):
        EncoderDecoder(9, 11, embedding_dim=8, units=16, tied_logits=True)
