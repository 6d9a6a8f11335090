"""The captioning model: it steps as it calls, is saved as it is, and learns where to look."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import BahdanauAttention
from keras_attention.generation import BeamSearch, Greedy, Sample, generate
from keras_attention.losses import SequenceCrossentropy, doubly_stochastic_loss
from keras_attention.models import (
    Captioner,
    ConvolutionBlock,
    ImageEncoder,
    WordDetection,
    backbone,
)
from keras_attention.normalizers import HardSample
from keras_attention.text import Vocabulary
from keras_attention.vision import GatedAttention
from tests.support.hypotheses import first_of

WORDS = Vocabulary(["red", "blue", "above", "apple", "key"], separator=" ")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 16, 24, 3)).astype("uint8")
TARGET = np.array([[1, 5, 6, 7], [1, 7, 4, 0], [1, 0, 0, 0]])
LABELS = np.array([[5, 6, 7, 2], [7, 4, 2, 0], [2, 0, 0, 0]])

CHOICES = {
    "lstm": {},
    "gru": {"cell": "gru", "word_detection": 0.5},
    "hard": {"attention": ("additive", HardSample("score_function"))},
    "straight": {"attention": ("dot", HardSample()), "word_detection": 0.5},
    "bahdanau": {"attention": None},
}
every_choice = pytest.mark.parametrize("choice", CHOICES)


def small(choice="lstm", **options):
    options = {**CHOICES[choice], **options}
    if choice == "bahdanau":
        options["attention"] = BahdanauAttention(5)
    elif "attention" in options:
        score, normalizer = options["attention"]
        # A layer of its own for every model.
        normalizer = HardSample(normalizer.estimator, seed=1)
        options["attention"] = GatedAttention(score, normalizer)
    encoder = options.pop("encoder", ImageEncoder((4, 8), blocks=(0, 1)))
    return Captioner(WORDS, (16, 24), encoder, embedding_dim=6, units=8, **options)


def inputs_of(rows=slice(None)):
    return {"image": IMAGES[rows], "target": TARGET[rows]}


def logits_of(model, **options):
    return ops.convert_to_numpy(model(inputs_of(), **options))


@every_choice
def test_stepping_equals_calling(choice):
    model = small(choice)
    expected, maps = model(inputs_of(), return_attention_scores=True)
    assert tuple(maps.shape) == (3, 4, 4, 6)
    state = model.start(IMAGES)
    for t in range(TARGET.shape[1]):
        logits, state, weights = model.step(ops.convert_to_tensor(TARGET[:, t]), state)
        real = TARGET[:, t] != 0
        np.testing.assert_allclose(logits[real], expected[:, t][real], rtol=1e-4, atol=1e-5)
        looked = model.as_maps(weights)
        np.testing.assert_allclose(looked[real], maps[:, t][real], rtol=1e-4, atol=1e-6)


@every_choice
def test_saved_and_loaded_gives_the_same_numbers(choice, tmp_path):
    model = small(choice)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits_of(loaded), logits_of(model))
    assert loaded.vocabulary == WORDS and loaded.image_size == (16, 24)
    assert loaded.map_shape == model.map_shape == (4, 6)


def test_padding_and_neighbours_change_nothing():
    model = small("gru")
    whole = logits_of(model)
    alone = ops.convert_to_numpy(model({"image": IMAGES[1:2], "target": TARGET[1:2, :3]}))
    np.testing.assert_allclose(whole[1, :3], alone[0], rtol=1e-4, atol=1e-5)


def test_features_computed_before_give_the_same_captions():
    model = small("gru")
    features = ops.convert_to_numpy(model.encode(IMAGES))
    assert features.shape == (3, 4, 6, 8)
    found = ops.convert_to_numpy(model({"features": features, "target": TARGET}))
    np.testing.assert_allclose(found, logits_of(model), rtol=1e-4, atol=1e-5)
    once, again = (generate(model, x) for x in (IMAGES, {"features": features}))
    assert [c.text for c in once] == [c.text for c in again]


def test_the_image_matters_everywhere_through_the_mean_and_the_look():
    model = small()
    before = logits_of(model)
    changed = IMAGES.copy()
    changed[0, :4, :4] = 255 - changed[0, :4, :4]
    after = ops.convert_to_numpy(model({"image": changed, "target": TARGET}))
    assert not np.allclose(before[0], after[0])
    np.testing.assert_allclose(before[1:], after[1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 2.5])
def test_the_doubly_stochastic_loss_counts_real_steps_alone(factor):
    model = small(doubly_stochastic=factor)
    _, maps = model(inputs_of(), return_attention_scores=True, training=True)
    if not factor:
        assert model.losses == []
        return
    mask = TARGET != 0
    expected = factor * doubly_stochastic_loss(maps, mask)
    np.testing.assert_allclose(model.losses[0], expected, rtol=1e-5)
    plain = [((1 - maps[row][mask[row]].numpy().sum(0)) ** 2).sum() for row in range(3)]
    np.testing.assert_allclose(expected, factor * np.mean(plain), rtol=1e-4)


def test_word_detection_is_noisy_or_over_all_places():
    features, target = (
        RNG.normal(size=(2, 2, 3, 4)).astype("float32"),
        np.array([[1, 5, 5], [1, 7, 0]]),
    )
    layer = WordDetection(8)
    layer.build(features.shape)
    kernel = RNG.normal(size=(4, 8))
    layer.logits.set_weights([kernel, RNG.normal(size=8) - 2])
    kernel, bias = layer.logits.get_weights()
    expected = 0.0
    for row, said in enumerate(({5}, {7})):
        for word in range(3, 8):
            nowhere = 1.0
            for place in features[row].reshape(-1, 4):
                nowhere *= 1 - 1 / (1 + np.exp(-(place @ kernel[:, word] + bias[word])))
            expected -= np.log(1 - nowhere) if word in said else np.log(nowhere)
    np.testing.assert_allclose(layer(features, target), expected / 2, rtol=1e-4)


def test_hard_attention_is_taught_by_the_likelihood_of_what_follows():
    tf = pytest.importorskip("tensorflow")
    model = small("hard", doubly_stochastic=0.0)
    with tf.GradientTape() as tape:
        model(inputs_of(), training=True)
        loss = sum(model.losses)
    query = model.decoder.attention.score.trainable_variables
    gradients = tape.gradient(loss, query)
    assert float(loss) == 0.0 and all(np.abs(g).max() > 0 for g in gradients)
    before = float(model.baseline.average)
    assert before < 0  # log-likelihoods
    model(inputs_of())
    assert float(model.baseline.average) == before


def test_rewards_are_the_likelihood_of_the_words_from_there_on():
    model = small("hard")
    logits = logits_of(model, training=True)
    rewards = []
    for row, ids in enumerate(TARGET):
        for step in range(3):
            following = [t for t in range(step, 3) if ids[t + 1] != 0]
            if ids[step + 1] != 0:
                spoken = [logits[row, t] for t in following]
                logp = [x[ids[t + 1]] - np.log(np.exp(x).sum()) for t, x in zip(following, spoken)]
                rewards.append(sum(logp))
    # The baseline has moved from 0 towards their mean.
    np.testing.assert_allclose(model.baseline.average, 0.1 * np.mean(rewards), rtol=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_logits_come_of_word_state_and_look(factor):
    model = small(word_detection=factor)
    if factor:
        model.detection.logits.bias.assign(RNG.normal(size=9))
    embedded, features = model.embedding(TARGET), model.encode(IMAGES)
    vectors = model.decoder(
        embedded, features, initial_state=model.first_state(features), sequence_mask=TARGET != 0
    )
    vectors = ops.convert_to_numpy(vectors)
    hidden = np.tanh(vectors @ model.output_layer.get_weights()[0] + embedded)
    kernel, bias = model.logits.get_weights()
    expected = hidden @ kernel + bias
    if factor:
        kernel, bias = model.detection.logits.get_weights()
        expected = expected + vectors[..., 8:] @ kernel + bias
    np.testing.assert_allclose(logits_of(model), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("coordinates", [True, False])
def test_the_encoder_knows_where_it_is_by_coordinates_alone(coordinates):
    keras.utils.set_random_seed(1)
    encoder = ImageEncoder((4, 8), coordinates=coordinates)
    # What lies at the border sees the padding of the convolutions.
    inner = ops.convert_to_numpy(encoder(np.full((1, 32, 32, 3), 200.0)))[0, 3:-3, 3:-3]
    same = np.allclose(inner, inner[:1, :1], atol=1e-5)
    assert same is not coordinates


def test_a_block_that_finds_nothing_passes_its_input_on():
    block = ConvolutionBlock(3)
    block.build((None, 4, 4, 3))
    block.convolution.kernel.assign(np.zeros((3, 3, 3, 3)))
    features = RNG.normal(size=(1, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(block(features), features)


@pytest.mark.parametrize("choice", ["hard", pytest.param("straight", marks=pytest.mark.slow)])
def test_one_batch_is_learnt_by_heart(choice):
    keras.utils.set_random_seed(0)
    model = small(choice, doubly_stochastic=0.0)
    model.compile(keras.optimizers.Adam(0.03), SequenceCrossentropy(), jit_compile=False)
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensors((inputs_of(), LABELS)).repeat(60)
    model.fit(dataset, epochs=2, shuffle=False, verbose=0)
    found = [caption.text for caption in generate(model, IMAGES)]
    assert found == ["blue above apple", "apple red", ""]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = Captioner(WORDS, (16, 24), units=8, embedding_dim=6, word_detection=1.0, dtype=policy)
    logits, maps = model(inputs_of(), return_attention_scores=True, training=True)
    assert logits.dtype == "float32" and maps.dtype == policy[6:]
    assert np.isfinite(logits).all() and np.isfinite(sum(model.losses))


def test_every_method_of_generation_captions_images():
    model = small("gru")
    found = first_of(Greedy(max_length=5)(model, IMAGES))
    assert found.attention.shape[-1] == 24
    one = BeamSearch(num_beams=1, max_length=5)(model, IMAGES)
    np.testing.assert_array_equal(one.sequences[:, 0, : found.sequences.shape[1]], found.sequences)
    wide = generate(model, IMAGES, BeamSearch(num_beams=3, max_length=5), batch_size=2)
    scores = [caption.score for caption in generate(model, IMAGES, Greedy(max_length=5))]
    assert all(w.score >= s - 1e-5 for w, s in zip(wide, scores))
    assert all(w.attention.shape == (len(w.tokens), 4, 6) for w in wide)
    search = BeamSearch(num_beams=3, max_length=5)
    for best, several in zip(wide, generate(model, IMAGES, search, n_best=3)):
        assert len(several) == 3 and several[0].tokens == best.tokens
        assert several[0].score >= several[1].score >= several[2].score
        assert all(one.attention.shape == (len(one.tokens), 4, 6) for one in several)
    drawn = first_of(Sample(max_length=5, seed=3)(model, IMAGES))
    assert drawn.sequences.shape[0] == 3


def test_a_frozen_backbone_does_not_learn():
    encoder = backbone("MobileNetV2", (32, 32), weights=None)
    model = Captioner(WORDS, (32, 32), encoder, embedding_dim=6, units=8)
    assert model.map_shape == (1, 1)
    learnt = {variable.path for variable in model.trainable_variables}
    assert learnt and not learnt & {variable.path for variable in encoder.variables}
    images = np.full((1, 32, 32, 3), 255.0)
    expected = encoder.layers[-1](np.ones((1, 32, 32, 3)))
    np.testing.assert_allclose(encoder(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": 30}, "vocabulary: expected a keras_attention.text.Vocabulary"),
        ({"image_size": 96}, "image_size: expected height and width, received 96"),
        ({"encoder": keras.layers.Flatten()}, "encoder: expected one that gives features"),
        ({"encoder": "resnet"}, "encoder: expected a Keras layer or None"),
        ({"attention": "additive"}, "attention: expected a keras_attention.Attention"),
        ({"cell": "rnn"}, "cell: expected one of"),
        ({"doubly_stochastic": -1}, "doubly_stochastic: expected a number of at least 0"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Captioner(**{"vocabulary": WORDS, "units": 8, **options})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": IMAGES[:, :8]}, "image: expected a batch of colour images of the model's size"),
        ({"image": IMAGES[..., :1]}, "image: expected a batch of colour images"),
        ({"target": TARGET[:2]}, "target: expected as many targets as images"),
        ({"target": TARGET * 1.0}, "target: expected integer ids"),
        ({"features": IMAGES}, "inputs: expected either 'image' or 'features'"),
    ],
)
def test_wrong_inputs_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        small()({**inputs_of(), **changed})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"image": keras.KerasTensor((2, 16, 24, 3))}, "inputs: expected a dictionary with"),
        (IMAGES, "inputs: expected a dictionary with"),
    ],
)
def test_inputs_without_a_target_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        small()(inputs)


def test_nothing_to_caption_is_refused():
    with pytest.raises(ValueError, match="inputs: expected a source by its name"):
        generate(small(), {})


class Own(keras.layers.Layer):
    """As people write them: no `build`, no shape of the output, no `training`."""

    def __init__(self, **options):
        super().__init__(**options)
        self.convolution = keras.layers.Conv2D(4, 3, strides=4, padding="same")

    def call(self, images):
        return self.convolution(images)


@pytest.mark.filterwarnings("ignore:.build... was called on layer")  # by Keras, loading
def test_an_encoder_of_ones_own_needs_nothing_but_a_call(tmp_path):
    model = small(encoder=Own())
    assert model.map_shape == (4, 6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Own": Own})
    np.testing.assert_array_equal(logits_of(loaded), logits_of(model))


@pytest.mark.parametrize("trainable", [True, False])
def test_dropout_acts_in_an_encoder_that_learns_alone(trainable):
    encoder = keras.Sequential(
        [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 4, 4), keras.layers.Dropout(0.5)]
    )
    encoder.trainable = trainable
    model = small(encoder=encoder)
    features = [ops.convert_to_numpy(model.encode(IMAGES, training=x)) for x in (True, False)]
    assert np.array_equal(*features) is not trainable


def test_captions_without_a_word_reward_nothing():
    model = small("hard")
    model({"image": IMAGES, "target": TARGET[:, :1]}, training=True)
    assert float(model.baseline.average) == 0.0


@pytest.mark.parametrize(("filters", "size"), [((4,), (15, 23)), ((4, 5, 6, 7), (9, 33))])
def test_the_encoder_has_a_stage_for_every_number_of_filters(filters, size):
    encoder = ImageEncoder(filters)
    found = encoder(np.zeros((1, *size, 3)))
    expected = [-(-side // 2 ** len(filters)) for side in size]
    assert tuple(found.shape) == (1, *expected, filters[-1])
    assert encoder.compute_output_shape((1, *size, 3)) == tuple(found.shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": ()}, "filters: expected one number per stage"),
        ({"filters": 16}, "filters: expected one number per stage"),
        ({"filters": (4, 6), "blocks": (1,)}, "blocks: expected one number, or one for each of 2"),
        ({"filters": (4,), "blocks": -1}, "blocks: expected integers of at least 0"),
    ],
)
def test_wrong_stages_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ImageEncoder(**options)


def test_a_residual_block_refuses_other_channels():
    with pytest.raises(ValueError, match="features: expected as many channels as filters"):
        ConvolutionBlock(6)(np.zeros((1, 4, 4, 3)))


def test_a_backbone_whose_module_does_not_name_it():
    assert backbone("MobileNetV3Small", (32, 32), weights=None).output_shape == (None, 1, 1, 576)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match=r"name: expected one of ConvNeXtBase, .* 'ResNet'"):
        backbone("ResNet", (32, 32))
