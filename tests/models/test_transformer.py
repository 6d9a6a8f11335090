"""The Transformer: steps equal the forward pass with every score, in every search."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import scores
from keras_attention.generation import BeamSearch, Decoder, Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import Transformer, TransformerEncoder
from keras_attention.scores.registry import NAMES
from keras_attention.text import SpecialIds, Vocabulary
from tests.support.tables import one_in

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0]])
TARGET = np.array([[1, 5, 6, 4], [1, 7, 0, 0], [1, 8, 9, 0]])
REAL = TARGET != 0


def small(**options):
    options = {"num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 2, **options}
    return Transformer(12, 10, units=8, **options)


def called(model, source=SOURCE, target=TARGET):
    found = model({"source": source, "target": target}, return_attention_scores=True)
    return [ops.convert_to_numpy(x) for x in found]


def stepped(model, source=SOURCE, target=TARGET):
    """Logits and weights that `start` and `step` give, one token after another."""
    state, steps = model.start(source), []
    for t in range(target.shape[1]):
        logits, state, weights = model.step(ops.convert_to_tensor(target[:, t]), state)
        steps.append((ops.convert_to_numpy(logits), ops.convert_to_numpy(weights)))
    return [np.stack(x, axis=1) for x in zip(*steps)]


# Every name, an object, and scores with a history in the self-attention too.
TABLE = {
    **{name: {"score": name} for name in NAMES if name != "concat"},
    "object": {"score": scores.Additive(5, normalize=True)},
    "two": {"score": scores.General(scale=True), "self_score": "cosine"},
    "coverage of itself": {"self_score": "coverage"},
    "location of itself": {
        "score": "dot",
        "self_score": scores.Location(4, 2, 3, initial_alignment="first"),
    },
    "other ids": {"special_ids": SpecialIds(pad=0, start=1, end=9, unknown=None)},
    "untied": {"tied_logits": False, "feed_forward_dim": 6, "num_encoder_layers": 2},
}
every_score = pytest.mark.parametrize("options", one_in(2, TABLE.values()), ids=TABLE)
some_scores = pytest.mark.parametrize("options", one_in(3, TABLE.values()), ids=TABLE)


@every_score
def test_steps_equal_the_forward_pass(options):
    model = small(**options)
    assert isinstance(model, Decoder)
    for found, expected in zip(stepped(model), called(model)):
        np.testing.assert_allclose(found[REAL], expected[REAL], rtol=1e-5, atol=2e-6)


@some_scores
def test_padding_and_later_tokens_change_nothing(options):
    model = small(**options)
    logits, weights = called(model)
    assert not weights[:, :, 1:][2].any() and np.allclose(weights[REAL].sum(-1), 1)
    for row in range(3):
        source, length = SOURCE[row][SOURCE[row] != 0], REAL[row].sum()
        alone, _ = called(model, source[None], TARGET[row, None, :length])
        np.testing.assert_allclose(logits[row, :length], alone[0], rtol=1e-4, atol=1e-5)
    other = TARGET.copy()
    other[:, 2:] = 5
    np.testing.assert_allclose(called(model, target=other)[0][:, :2], logits[:, :2], atol=1e-6)


@some_scores
def test_saved_and_loaded_gives_the_same_numbers(options, tmp_path):
    model = small(**options, dropout=0.2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(called(loaded)[0], called(model)[0])
    assert loaded._config == model._config


class Rerun:
    """Decodes a model without its caches: the whole prefix at every step."""

    def __init__(self, model):
        self.model = model

    def start(self, inputs):
        source = ops.convert_to_tensor(inputs)
        return {"source": source, "prefix": ops.zeros((source.shape[0], 0), dtype="int32")}

    def step(self, tokens, state):
        prefix = ops.concatenate([state["prefix"], ops.expand_dims(tokens, 1)], axis=1)
        inputs = {"source": state["source"], "target": prefix}
        logits, weights = self.model(inputs, return_attention_scores=True)
        return logits[:, -1], {**state, "prefix": prefix}, weights[:, -1]


def sharpened(model):
    for variable in model.trainable_variables:
        variable.assign(3 * variable)
    return model


@pytest.mark.parametrize("score", ["scaled_dot", "coverage"])
def test_beams_with_gathered_caches_equal_the_forward_pass(score):
    # Of several beams that change places.
    model = sharpened(small(score=score))
    for search in (Greedy(max_length=6), BeamSearch(num_beams=3, max_length=6)):
        found, expected = search(model, SOURCE), search(Rerun(model), SOURCE)
        np.testing.assert_array_equal(found.sequences, expected.sequences)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.attention, expected.attention, atol=1e-5)
    assert len({tuple(row) for row in np.asarray(found.sequences).reshape(-1, 6)}) > 3


@pytest.mark.slow
def test_compiled_searches_equal_eager_ones():
    tf = pytest.importorskip("tensorflow")
    model = sharpened(small())
    for search in (Greedy(max_length=5), BeamSearch(num_beams=3, max_length=5)):
        spec = tf.TensorSpec((None, None), tf.int32)
        run = tf.function(lambda x, s=search: s(model, x), input_signature=[spec], autograph=False)
        for found, expected in zip(run(SOURCE.astype("int32")), search(model, SOURCE)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_every_weight():
    tf = pytest.importorskip("tensorflow")
    # Of dot products no gradient reaches the bias of the keys: it changes no weight.
    model = small(score="additive", dropout=0.0)
    with tf.GradientTape() as tape:
        logits = model({"source": SOURCE, "target": TARGET}, training=True)
        loss = SequenceCrossentropy(0.1)(np.roll(TARGET, -1, axis=1), logits)
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, [v.value for v in model.trainable_variables])
    ):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_reaches_every_layer_but_the_logits(policy):
    model = small(dtype=policy, score="additive")
    inputs = {"source": SOURCE, "target": TARGET}
    logits, weights = model(inputs, return_attention_scores=True, training=True)
    assert logits.dtype == "float32" and weights.dtype == policy[6:]
    assert np.isfinite(logits).all()
    for found, expected in zip(stepped(model), called(model)):
        np.testing.assert_allclose(found[REAL], expected[REAL], atol=0.05)
    searched = BeamSearch(num_beams=2, max_length=3)(model, SOURCE)
    assert np.isfinite(searched.scores).all()


@pytest.mark.slow
def test_it_learns_to_write_backwards():
    letters = Vocabulary("abcdefgh")
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    letters_of = [rng.permutation(list("abcdefgh"))[: rng.integers(2, 6)] for _ in range(512)]
    words = ["".join(chosen) for chosen in letters_of]
    pad = partial(keras.utils.pad_sequences, padding="post")
    source = pad([letters.encode(word) for word in words])
    target = pad([[1, *letters.encode(word[::-1])] for word in words])
    labels = pad([[*letters.encode(word[::-1]), 2] for word in words])
    model = Transformer(letters, letters, 32, 2, 1, 1, dropout=0.0)
    rate = keras.optimizers.schedules.CosineDecay(0.0, 400, warmup_target=5e-3, warmup_steps=20)
    model.compile(keras.optimizers.Adam(rate), SequenceCrossentropy(), jit_compile=False)
    inputs = {"source": source, "target": target}
    model.fit(inputs, labels, batch_size=32, epochs=25, verbose=0)
    found = model.generate(words[:40], BeamSearch(num_beams=2, max_length=8))
    assert [one.text for one in found] == [word[::-1] for word in words[:40]]
    # The first letter is written from the last.
    (one,) = model.generate(["abcde"])
    assert one.attention.shape == (5, 5) and np.asarray(one.attention)[0].argmax() == 4


def test_the_score_of_itself_is_scaled_dot_where_the_score_looks_back():
    model = small(score="coverage")
    assert model._config["self_score"] == "scaled_dot"
    assert type(model.blocks[0].cross_attention.score) is scores.Coverage
    assert small(score="cosine").encoder.score == "cosine"


def test_a_subclassed_layer_may_be_asked_for_symbolic_shapes():
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("source", "target")}
    logits, weights = small()(inputs, return_attention_scores=True)
    assert logits.shape == (None, None, 10) and weights.shape == (None, None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, r"units: expected a multiple of 2 \* num_heads = 6, received 8"),
        ({"num_decoder_layers": 0}, "num_decoder_layers: expected a positive integer, received 0"),
        ({"feed_forward_dim": 0}, "feed_forward_dim: expected a positive integer, received 0"),
        ({"score": "dots"}, "score: expected .*, received 'dots'"),
        ({"tied_logits": 1}, "tied_logits: expected True or False, received 1"),
        ({"self_score": "location"}, "self_score: expected the initial_alignment 'zeros' or 'fi"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_an_encoder_with_a_score_of_ours_does_not_see_the_padding(rng):
    encoder = TransformerEncoder(8, num_layers=2, score="additive", feed_forward_dim=5)
    sequence = rng.normal(size=(1, 5, 3)).astype("float32")
    mask = np.array([[True, True, True, False, False]])
    memory, _ = encoder(sequence, mask=mask)
    np.testing.assert_allclose(memory[:, :3], encoder(sequence[:, :3])[0], rtol=1e-4, atol=1e-5)
    again = TransformerEncoder.from_config(encoder.get_config())
    assert again.blocks[0].widen.units == 5 and again.score == "additive"
