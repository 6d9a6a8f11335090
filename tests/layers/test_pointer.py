"""Pointing and copying: numbers against loops, per-row words, masks, and what is exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import Attention, scores
from keras_attention._core.masks import IMPOSSIBLE
from keras_attention.layers.extended_vocabulary import (
    ExtendedVocabulary,
    extended_ids,
    restored_ids,
    within_vocabulary,
)
from keras_attention.layers.pointer import PointerHead, used_positions
from keras_attention.layers.pointer_generator import PointerGenerator
from keras_attention.losses import SequenceCrossentropy
from keras_attention.text import Vocabulary

QUERY_MASK = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
VALUE_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [0, 1, 0, 0, 0]], bool)


def spread(layer):
    """A layer of which no weight is still at a round number."""
    rng = np.random.default_rng(2)
    for variable in layer.weights:
        variable.assign(0.7 * rng.normal(size=variable.shape))
    return layer


# Pointing.


@pytest.fixture
def query(rng):
    return rng.normal(size=(3, 3, 4))


@pytest.fixture
def value(rng):
    return rng.normal(size=(3, 5, 6))


def pointer(dtype="float32", **options):
    layer = PointerHead(scores.Additive(5, dtype=dtype), dtype=dtype, **options)
    layer.build((None, None, 4), (None, None, 6))
    return spread(layer)


def pointed_by_hand(layer, query, value, open_):
    """Log-probabilities in a loop; `open_` `(B, T, S)` says what may be chosen."""
    score = layer.score
    w, u = score.query_projection.kernel.numpy(), score.key_projection.kernel.numpy()
    if layer.end:
        end = np.broadcast_to(layer.end_vector, (len(value), 1, value.shape[2]))
        value = np.concatenate([end, value], axis=1)
        open_ = np.concatenate([np.ones((*open_.shape[:2], 1), bool), open_], axis=2)
    result = np.full(open_.shape, IMPOSSIBLE)
    for b, t in np.ndindex(open_.shape[:2]):
        choices = np.flatnonzero(open_[b, t])
        numbers = [
            (np.tanh(query[b, t] @ w + value[b, j] @ u) @ score.v.numpy())[0] for j in choices
        ]
        for j, number in zip(choices, numbers):
            result[b, t, j] = number - np.log(sum(np.exp(x) for x in numbers))
    return result


USED = np.zeros((3, 3, 5), bool)
USED[0, 1, 2] = USED[0, 2, [2, 0]] = USED[1, 2, 3] = True


@pytest.mark.parametrize("end", [False, True])
def test_pointing_equals_a_loop(end, query, value):
    layer = pointer("float64", end=end)
    for used in (None, USED):
        found = layer(query, value, used, query_mask=QUERY_MASK, value_mask=VALUE_MASK)
        open_ = np.repeat(VALUE_MASK[:, None], 3, axis=1)
        if used is not None:
            open_ = open_ & ~used
        expected = pointed_by_hand(layer, query, value, open_)
        np.testing.assert_allclose(found[QUERY_MASK], expected[QUERY_MASK], rtol=1e-9, atol=1e-12)
    everything = np.ones((3, 3, 5), bool)
    np.testing.assert_allclose(
        layer(query, value), pointed_by_hand(layer, query, value, everything), rtol=1e-9
    )


@pytest.mark.parametrize("end", [False, True])
def test_pointing_step_by_step_is_pointing_at_once(end, query, value):
    layer = pointer(end=end)
    expected = layer(query, value, USED, value_mask=VALUE_MASK)
    memory = layer.memory(value, VALUE_MASK)
    for t in range(3):
        step = layer.step(query[:, t], memory, USED[:, t])
        np.testing.assert_allclose(step, expected[:, t], rtol=1e-5)
        alone = layer(query[:, t], value, USED[:, t], value_mask=VALUE_MASK)
        np.testing.assert_allclose(alone, expected[:, t], rtol=1e-5)


def test_what_is_used_for_all_steps_needs_no_axis_of_steps(query, value):
    layer, used = pointer(), USED[:, 2]
    expected = layer(query, value, np.repeat(used[:, None], 3, axis=1))
    np.testing.assert_allclose(layer(query, value, used), expected, rtol=1e-6)


def test_the_end_is_choice_0_however_long_the_padding_is(query, value):
    layer = pointer(end=True)
    short = layer(query, value[:, :3])
    padded = layer(query, value, value_mask=np.array([[1, 1, 1, 0, 0]] * 3, bool))
    assert short.shape == (3, 3, 4)
    np.testing.assert_allclose(padded[..., :4], short, rtol=1e-5)
    # All used up: nothing is left but to end.
    all_used = layer(query, value, np.ones((3, 5), bool))
    np.testing.assert_allclose(all_used[..., 0], 0, atol=1e-6)


def point_and_back(layer, query, value, query_mask=QUERY_MASK, value_mask=VALUE_MASK, used=None):
    """Log-probabilities, and the gradients of what they say of real steps and positions."""
    query, value = tf.convert_to_tensor(query), tf.convert_to_tensor(value)
    with tf.GradientTape() as tape:
        tape.watch([query, value])
        log_p = layer(query, value, used, query_mask=query_mask, value_mask=value_mask)
        factors = tf.cos(tf.range(tf.cast(tf.shape(log_p)[-1], log_p.dtype), dtype=log_p.dtype))
        real = tf.logical_and(tf.expand_dims(query_mask, -1), log_p > IMPOSSIBLE)
        total = tf.reduce_sum(tf.where(real, log_p * factors, tf.zeros_like(log_p)))
    sources = [query, value, *(v.value for v in layer.trainable_variables)]
    return log_p, tape.gradient(total, sources)


def check_gradients(total, places, gradients, rng):
    for place, gradient in zip(places, gradients):
        direction = rng.normal(size=place.shape)
        place.assign_add(1e-6 * direction)
        ahead = total()
        place.assign_add(-2e-6 * direction)
        behind = total()
        place.assign_add(1e-6 * direction)
        expected = (ahead - behind) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("end", [False, True])
def test_gradients_of_pointing_equal_finite_differences(end, query, value, rng):
    layer = pointer("float64", end=end)
    places = [tf.Variable(query), tf.Variable(value)]
    places += [variable.value for variable in layer.trainable_variables]

    def total():
        found = layer(places[0], places[1], USED, query_mask=QUERY_MASK, value_mask=VALUE_MASK)
        real = QUERY_MASK[:, :, None] & (found > IMPOSSIBLE).numpy()
        return tf.reduce_sum(tf.where(real, found * np.cos(np.arange(found.shape[-1])), 0.0))

    with tf.GradientTape() as tape:
        loss = total()
    check_gradients(total, places, tape.gradient(loss, places), rng)


@pytest.mark.parametrize("end", [False, True])
def test_padding_plays_no_part_in_pointing(end, query, value):
    layer = pointer(end=end)
    query, value = query.astype("float32"), value.astype("float32")
    masks = [np.pad(mask, [(0, 0), (0, 2)]) for mask in (QUERY_MASK, VALUE_MASK)]
    padded = [np.pad(array, [(0, 0), (0, 2), (0, 0)]) for array in (query, value)]
    for array, mask in zip(padded, masks):
        array[~mask] = np.nan
        array[:, -1] = np.inf
    log_p, gradients = point_and_back(layer, *padded, *masks)
    expected, expected_gradients = point_and_back(layer, query, value)
    kept = log_p[:, :3, : expected.shape[-1]]
    np.testing.assert_allclose(kept[QUERY_MASK], expected[QUERY_MASK], rtol=1e-5)
    assert np.all(np.isfinite(log_p))
    assert np.all(log_p.numpy()[:, :, expected.shape[-1] :] == np.float32(IMPOSSIBLE))
    found = [gradients[0][:, :3], gradients[1][:, :5], *gradients[2:]]
    for one, other in zip(found, expected_gradients):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_with_nothing_to_point_at_nothing_is_said(query, value):
    layer, nothing = pointer(), np.zeros_like(VALUE_MASK)
    spoiled = np.full(value.shape, np.nan, "float32")
    log_p, gradients = point_and_back(layer, query.astype("float32"), spoiled, value_mask=nothing)
    assert np.all(np.exp(log_p) == 0) and np.all(np.isfinite(log_p))
    assert not any(np.any(gradient) for gradient in gradients)


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_pointing_in_half_precision(policy, query, value):
    half = "bfloat16" if "bfloat16" in policy else "float16"
    layer = pointer(policy, end=True)
    given = [tf.cast(1e4 * array, half) for array in (query, value)]
    log_p, gradients = point_and_back(layer, *given)
    assert log_p.dtype == tf.float32
    assert np.all(np.isfinite(log_p))
    for gradient in gradients:
        assert np.all(np.isfinite(tf.cast(gradient, "float32")))


def test_pointing_under_xla(query, value):
    layer = pointer(end=True)
    query, value = tf.constant(query, tf.float32), tf.constant(value, tf.float32)
    compiled = tf.function(lambda *x: point_and_back(layer, *x, used=USED), jit_compile=True)
    found = tf.nest.flatten(compiled(query, value))
    for one, other in zip(found, tf.nest.flatten(point_and_back(layer, query, value, used=USED))):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def ids_of(mask):
    return np.where(mask, np.arange(mask.size).reshape(mask.shape) % 8 + 1, 0)


@pytest.mark.parametrize("score", ["additive", "general", scores.Additive(3)])
@pytest.mark.parametrize("end", [False, True])
def test_pointing_in_a_model_with_implicit_masks_and_a_file(score, end, tmp_path):
    inputs = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    asks, seen = (layers.Embedding(9, 4, mask_zero=True)(one) for one in inputs)
    head = PointerHead(score, end=end)
    model = keras.Model(inputs, head(asks, seen))
    assert model.output.shape == (None, None, None)
    given = [ids_of(QUERY_MASK), ids_of(VALUE_MASK)]
    embedded = [
        layer.embeddings.numpy()[ids]
        for layer, ids in zip([x for x in model.layers if isinstance(x, layers.Embedding)], given)
    ]
    expected = head(*embedded, query_mask=QUERY_MASK, value_mask=VALUE_MASK)
    np.testing.assert_allclose(model(given), expected, rtol=1e-5)
    mask = keras.src.backend.get_keras_mask(model.output)
    np.testing.assert_array_equal(keras.Model(inputs, mask)(given), QUERY_MASK)
    predict = tf.function(model, input_signature=[[tf.TensorSpec((None, None), tf.int32)] * 2])
    tensors = [tf.constant(ids, tf.int32) for ids in given]
    np.testing.assert_allclose(predict(tensors), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(given), model(given))
    assert head.from_config(head.get_config()).get_config() == head.get_config()


def test_a_frozen_head_stays_frozen(tmp_path):
    inputs = keras.Input((None, 4)), keras.Input((None, 4))
    head = PointerHead(end=True, trainable=False)
    model = keras.Model(inputs, head(*inputs))
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert one.weights and not one.trainable_weights


def test_used_positions_are_those_of_earlier_steps():
    choices = np.array([[1, 3, 1, -1], [0, -1, 2, 0]])
    expected = np.zeros((2, 4, 4), bool)
    for b, row in enumerate(choices):
        for t in range(4):
            for earlier in row[:t]:
                if earlier >= 0:
                    expected[b, t, earlier] = True
    np.testing.assert_array_equal(used_positions(choices, 4), expected)


def test_a_pointer_learns_to_sort():
    # Each number points at its place in the order: nothing is chosen twice, then it ends.
    rng = np.random.default_rng(0)
    numbers = rng.uniform(size=(128, 4, 1)).astype("float32")
    order = np.argsort(numbers[:, :, 0], axis=1)
    choices = np.concatenate([order + 1, np.zeros((128, 1), int)], axis=1)
    used = used_positions(choices - 1, 4).numpy()
    steps = np.broadcast_to(np.eye(5, dtype="float32"), (128, 5, 5))
    asks, seen, gone = keras.Input((5, 5)), keras.Input((4, 1)), keras.Input((5, 4), dtype="bool")
    hidden = layers.Dense(16, activation="tanh")(seen)
    model = keras.Model([asks, seen, gone], PointerHead(end=True)(asks, hidden, gone))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    history = model.fit([steps, numbers, used], choices, epochs=60, batch_size=128, verbose=0)
    assert history.history["loss"][-1] < 0.15
    chosen = np.argmax(model([steps, numbers, used]), axis=-1)
    assert np.mean(chosen == choices) > 0.9


# Copying besides generating.

V = 8
# Words that the vocabulary lacks have ids from 8 on, row by row; 0 is padding.
SOURCE_IDS = np.array([[4, 8, 5, 9, 8], [8, 7, 8, 0, 0], [5, 0, 0, 0, 0]])
LABELS = np.array([[4, 8, 9], [8, 6, 7], [5, 2, 9]])


@pytest.fixture
def tensors(rng):
    """Features, logits and weights that sum to 1 over what is no padding."""
    weights = np.exp(rng.normal(size=(3, 3, 5))) * (SOURCE_IDS != 0)[:, None]
    weights /= weights.sum(axis=-1, keepdims=True)
    return rng.normal(size=(3, 3, 4)), rng.normal(size=(3, 3, V)), weights


def generator(dtype="float32", **options):
    layer = PointerGenerator(dtype=dtype, **options)
    layer.build((None, None, 4))
    return spread(layer)


def mixed_by_hand(layer, features, logits, weights, source_ids, size):
    kernel, bias = layer.gate.kernel.numpy()[:, 0], layer.gate.bias.numpy()[0]
    result = np.zeros((*features.shape[:2], size))
    for b, t in np.ndindex(features.shape[:2]):
        p_gen = 1 / (1 + np.exp(-(features[b, t] @ kernel + bias)))
        if not source_ids[b].any():
            p_gen = 1.0
        total = sum(np.exp(x) for x in logits[b, t])
        for y, x in enumerate(logits[b, t]):
            result[b, t, y] += p_gen * np.exp(x) / total
        for y, weight in zip(source_ids[b], weights[b, t]):
            if y:
                result[b, t, y if y < size else 3] += (1 - p_gen) * weight
    return result


@pytest.mark.parametrize("extension, size", [(None, V + 5), (2, V + 2), (1, V + 1), (7, V + 7)])
def test_copying_equals_a_loop(extension, size, tensors):
    layer = generator("float64", extension=extension)
    found = layer(*tensors, SOURCE_IDS)
    expected = mixed_by_hand(layer, *tensors, SOURCE_IDS, size)
    assert found.shape == (3, 3, size)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=1e-9)


def test_p_gen_is_returned_on_request(tensors):
    layer = generator("float64")
    log_p, p_gen = layer(*tensors, SOURCE_IDS, return_p_gen=True)
    np.testing.assert_array_equal(log_p, layer(*tensors, SOURCE_IDS))
    expected = tf.sigmoid(layer.gate(tensors[0]))[..., 0]
    np.testing.assert_allclose(p_gen, expected, rtol=1e-9)


def test_of_labels_only_their_log_probabilities(tensors):
    for extension in (None, 1):
        layer = generator("float64", extension=extension)
        everything = layer(*tensors, SOURCE_IDS)
        labels = np.where(everything.shape[-1] > LABELS, LABELS, 3)
        expected = np.take_along_axis(everything.numpy(), labels[..., None], axis=-1)[..., 0]
        found = layer(*tensors, SOURCE_IDS, labels=LABELS)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        # Row 2 has no word 9: impossible, but a loss of it is finite.
        if extension is None:
            assert -75 < found[2, 2] < -60


def test_copying_step_by_step_is_copying_at_once(tensors):
    layer = generator()
    expected, p_gen = layer(*tensors, SOURCE_IDS, return_p_gen=True)
    of_labels = layer(*tensors, SOURCE_IDS, labels=LABELS)
    for t in range(3):
        step = [tensor[:, t] for tensor in tensors]
        found, p = layer(*step, SOURCE_IDS, return_p_gen=True)
        np.testing.assert_allclose(found, expected[:, t], rtol=1e-5)
        np.testing.assert_allclose(p, p_gen[:, t], rtol=1e-5)
        found = layer(*step, SOURCE_IDS, labels=LABELS[:, t])
        np.testing.assert_allclose(found, of_labels[:, t], rtol=1e-5)


def test_without_any_source_all_is_generated(tensors):
    layer = generator()
    features, logits, _ = tensors
    nothing = np.zeros_like(SOURCE_IDS)
    log_p, p_gen = layer(features, logits, np.full((3, 3, 5), np.nan), nothing, return_p_gen=True)
    np.testing.assert_array_equal(p_gen, 1)
    np.testing.assert_allclose(log_p[..., :V], tf.nn.log_softmax(logits), rtol=1e-5)


def mix_and_back(layer, features, logits, weights, source_ids=SOURCE_IDS, mask=None, labels=None):
    """Log-probabilities, and gradients of a loss of the labels or of all ids up to V + 2."""
    given = [tf.convert_to_tensor(tensor) for tensor in (features, logits, weights)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        log_p = layer(*given, source_ids, labels=labels, features_mask=mask)
        total = log_p if labels is not None else tf.exp(log_p[..., : V + 2])
        total *= tf.cast(tf.cos(tf.range(tf.cast(tf.shape(total)[-1], tf.float32))), total.dtype)
        if mask is not None and labels is None:
            mask = tf.expand_dims(mask, -1)
        if mask is not None:
            total = tf.where(mask, total, tf.zeros_like(total))
        total = tf.reduce_sum(total)
    return log_p, tape.gradient(total, [*given, *(v.value for v in layer.trainable_variables)])


@pytest.mark.parametrize("labels", [None, LABELS])
def test_gradients_of_copying_equal_finite_differences(labels, tensors, rng):
    layer = generator("float64")
    places = [tf.Variable(tensor) for tensor in tensors]
    places += [variable.value for variable in layer.trainable_variables]

    def total():
        found = layer(*places[:3], SOURCE_IDS, labels=labels)
        found = tf.exp(found) if labels is None else found[:2]
        return tf.reduce_sum(found * np.cos(np.arange(found.shape[-1])))

    with tf.GradientTape() as tape:
        loss = total()
    check_gradients(total, places, tape.gradient(loss, places), rng)


@pytest.mark.parametrize("labels", [None, LABELS])
def test_padding_plays_no_part_in_copying(labels, tensors):
    layer = generator()
    tensors = [tensor.astype("float32") for tensor in tensors]
    features, logits, weights = (
        np.pad(tensor, [(0, 0), (0, 2), (0, 0)], constant_values=np.nan) for tensor in tensors
    )
    weights = np.pad(weights, [(0, 0), (0, 0), (0, 2)])
    source_ids = np.pad(SOURCE_IDS, [(0, 0), (0, 2)])
    weights[np.broadcast_to((source_ids == 0)[:, None], weights.shape)] = np.nan
    mask = np.pad(QUERY_MASK, [(0, 0), (0, 2)])
    for tensor in (features, logits, weights):
        tensor[~mask] = np.nan
    padded_labels = None if labels is None else np.pad(labels, [(0, 0), (0, 2)])
    found, gradients = mix_and_back(
        layer, features, logits, weights, source_ids, mask, padded_labels
    )
    expected, expected_gradients = mix_and_back(layer, *tensors, mask=QUERY_MASK, labels=labels)
    assert np.all(np.isfinite(found))
    found = found[:, :3] if labels is not None else found[:, :3, : V + 5]
    np.testing.assert_allclose(found[QUERY_MASK], expected[QUERY_MASK], rtol=1e-5)
    gradients = [
        gradients[0][:, :3],
        gradients[1][:, :3],
        gradients[2][:, :3, :5],
        *gradients[3:],
    ]
    if labels is None:
        for one, other in zip(gradients, expected_gradients):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    else:
        # The factors of a loss follow the steps, of which there are two more now.
        assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "bfloat16"])
def test_copying_in_half_precision(policy, labels, tensors):
    layer = generator(policy)
    half = "bfloat16" if "bfloat16" in policy else "float16"
    features, logits, weights = (tf.cast(tensor, half) for tensor in tensors)
    # Certain of another word, and looking elsewhere.
    weights = tf.where(weights == tf.reduce_max(weights, -1, keepdims=True), weights, 1e-7)
    log_p, gradients = mix_and_back(layer, 100 * features, 1e4 * logits, weights, labels=labels)
    assert log_p.dtype == tf.float32 and np.all(np.isfinite(log_p))
    for gradient in gradients:
        assert np.all(np.isfinite(tf.cast(gradient, "float32")))


def test_float32_logits_stay_float32_whatever_the_policy(tensors):
    tensors = [tensor.astype("float32") for tensor in tensors]
    # No features: what decides between the ways is 0 in any precision.
    tensors[0] *= 0
    layers_of = [PointerGenerator(dtype=policy) for policy in ("float32", "mixed_float16")]
    expected, found = (layer(*tensors, SOURCE_IDS) for layer in layers_of)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_underflows_as_a_probability_does_not_as_a_logarithm():
    layer = generator("float32")
    features = np.zeros((1, 1, 4), "float32")
    logits = np.array([[[0.0, -300.0] + [0.0] * 6]], "float32")
    log_p = layer(features, logits, np.ones((1, 1, 1), "float32"), np.array([[4]]))
    expected = tf.math.log_sigmoid(layer.gate(features))[0, 0, 0] - 300 - np.log(7)
    np.testing.assert_allclose(log_p[0, 0, 1], expected, rtol=1e-6)


@pytest.mark.parametrize("labels", [None, LABELS])
def test_copying_under_xla(labels, tensors):
    layer = generator()
    tensors = [tf.constant(tensor, tf.float32) for tensor in tensors]
    compiled = tf.function(lambda *x: mix_and_back(layer, *x, labels=labels), jit_compile=True)
    found = tf.nest.flatten(compiled(*tensors))
    for one, other in zip(found, tf.nest.flatten(mix_and_back(layer, *tensors, labels=labels))):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def summarizer(**options):
    """A model as a user builds it: source ids, extended source ids, targets in."""
    source = keras.Input((None,), dtype="int32")
    extended = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    embed = layers.Embedding(V, 6, mask_zero=True)
    memory, steps = embed(source), embed(target)
    state = layers.GRU(6, return_sequences=True)(steps)
    context, weights = Attention("general")(state, memory, return_attention_scores=True)
    features = layers.Concatenate()([context, state, steps])
    logits = layers.Dense(V)(layers.Concatenate()([context, state]))
    log_p = PointerGenerator(**options)(features, logits, weights, extended)
    return keras.Model([source, extended, target], log_p)


def test_a_model_trains_on_extended_labels_and_comes_back_from_a_file(tmp_path):
    model = summarizer()
    assert model.output.shape == (None, None, None)
    source = within_vocabulary(SOURCE_IDS, V)
    given = [source.numpy(), SOURCE_IDS, within_vocabulary(LABELS, V).numpy()]
    model.compile(keras.optimizers.Adam(0.05), SequenceCrossentropy())
    labels = np.where(LABELS == 9, 8, LABELS) * QUERY_MASK
    labels[2] = [5, 2, 0]
    history = model.fit(given, labels, epochs=30, batch_size=3, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(given), model(given))


@pytest.mark.parametrize("extension", [None, 3])
def test_unknown_batch_and_lengths(extension):
    model = summarizer(extension=extension)
    specs = [tf.TensorSpec((None, None), tf.int32)] * 3
    predict = tf.function(lambda *given: model(list(given)), input_signature=specs)
    for batch, positions, steps in ((2, 5, 3), (1, 1, 1), (3, 4, 2)):
        given = [
            tf.constant(np.random.default_rng(i).integers(1, V + 2 * (i == 1), shape), tf.int32)
            for i, shape in enumerate([(batch, positions)] * 2 + [(batch, steps)])
        ]
        found = predict(*given)
        assert found.shape == (batch, steps, V + (extension or positions))
        np.testing.assert_allclose(found, model(given), rtol=1e-5)


def test_the_mask_of_the_features_goes_on():
    ids = keras.Input((None,), dtype="int32")
    features = layers.Embedding(9, 4, mask_zero=True)(ids)
    other = keras.Input((None, V)), keras.Input((None, 5)), keras.Input((5,), dtype="int32")
    log_p, p_gen = PointerGenerator()(features, *other, return_p_gen=True)
    assert log_p.shape == (None, None, V + 5) and p_gen.shape == (None, None)
    assert keras.src.backend.get_keras_mask(log_p) is not None


def test_a_generator_round_trips_and_stays_frozen(tensors):
    layer = generator(extension=2, trainable=False, name="mine")
    again = PointerGenerator.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(*tensors, SOURCE_IDS)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(*tensors, SOURCE_IDS), layer(*tensors, SOURCE_IDS))
    for one in (layer, again):
        inputs = keras.Input((None, 4)), keras.Input((None, V)), keras.Input((None, 5))
        ids = keras.Input((5,), dtype="int32")
        model = keras.Model([*inputs, ids], one(*inputs, ids))
        assert model.weights and not model.trainable_weights


# Ids beyond the vocabulary.


def extended_by_hand(ids, size):
    extended, extension = ids.copy(), np.zeros_like(ids)
    for b, row in enumerate(ids):
        seen = []
        for j, i in enumerate(row):
            if i >= size:
                if i not in seen:
                    extension[b, len(seen)] = i
                    seen.append(i)
                extended[b, j] = size + seen.index(i)
    return extended, extension


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_ids_are_extended_row_by_row(dtype, rng):
    ids = rng.integers(0, 16, (20, 9)).astype(dtype)
    expected = extended_by_hand(ids, V)
    compiled = tf.function(lambda x: extended_ids(x, V), jit_compile=True)
    for found in (extended_ids(ids, V), compiled(tf.constant(ids))):
        assert found[0].dtype == dtype
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(restored_ids(*extended_ids(ids, V), V), ids)
    np.testing.assert_array_equal(restored_ids([[V, V + 1, V + 9]], [[70, 0]], V), [[70, 3, 3]])


def test_hashes_of_words_are_extended_in_the_graph():
    words = tf.constant([["the", "Ann", "a", "Bo", "Ann"]])
    large = tf.strings.to_hash_bucket_fast(words, 2**40) + V
    known = tf.constant([[4, 3, 5, 3, 3]], tf.int64)
    extended, _ = extended_ids(tf.where(known == 3, large, known), V)
    np.testing.assert_array_equal(extended, [[4, V, 5, V + 1, V]])


def test_words_are_extended_and_come_back():
    vocabulary = Vocabulary(["met", "the", "in"], separator=" ")
    words = ExtendedVocabulary(vocabulary, "Ann met Bo in the Bo bar")
    assert words.extension == ("Ann", "Bo", "bar")
    assert words.source_ids == [7, 4, 8, 6, 5, 8, 9]
    # Zoe stands neither in the vocabulary nor in the source.
    assert words.encode("Bo met Zoe in bar") == [8, 4, 3, 6, 9]
    assert words.to_tokens([1, 8, 4, 3, 10, 2, 7]) == ["Bo", "met", "<unk>", "<unk>"]
    assert words.decode([8, 4, 7, 0]) == "Bo met Ann"
    assert ExtendedVocabulary(vocabulary, "met the").extension == ()


def test_words_of_the_text_and_ids_of_the_graph_agree():
    sentence, large = "a b x y b x z", Vocabulary(["a", "b", "x", "y", "z"], separator=" ")
    small = Vocabulary(["a", "b"], separator=" ")
    words = ExtendedVocabulary(small, sentence)
    extended, _ = extended_ids(np.array([large.encode(sentence)]), len(small))
    assert extended.numpy().tolist() == [words.source_ids]


REFUSED = {
    "rank": (lambda: PointerHead()(np.ones(3), np.ones((1, 2, 3))), "query: expected"),
    "rows": (
        lambda: PointerHead()(np.ones((2, 1, 3)), np.ones((1, 2, 3))),
        "value: expected the batch size of query",
    ),
    "used": (
        lambda: PointerHead()(np.ones((2, 1, 3)), np.ones((2, 4, 3)), np.ones((2, 3), bool)),
        "used: expected one boolean per position",
    ),
    "size": (
        lambda: pointer()(np.ones((2, 1, 3)), np.ones((2, 4, 6))),
        "the 4 features that the layer was built for",
    ),
    "score": (lambda: PointerHead("pointing"), "score: expected"),
    "looks back": (
        lambda: PointerHead(scores.Location(4, kernel_size=3, filters=2))(
            np.ones((2, 1, 3)), np.ones((2, 4, 3))
        ),
        "score: expected a score without a state of earlier weights, received",
    ),
    "end": (lambda: PointerHead(end=1), "end: expected True or False, received 1"),
    "choices": (lambda: used_positions(np.ones(3, int), 2), "choices: expected"),
    "logits": (
        lambda: PointerGenerator()(
            np.ones((2, 3, 4)), np.ones((2, 4, 5)), np.ones((2, 3, 6)), np.ones((2, 6), int)
        ),
        "logits: expected one vector per step of features",
    ),
    "source_ids": (
        lambda: PointerGenerator()(
            np.ones((2, 3, 4)), np.ones((2, 3, 5)), np.ones((2, 3, 6)), np.ones((2, 5), int)
        ),
        "source_ids: expected one id per position of weights",
    ),
    "labels": (
        lambda: PointerGenerator()(
            np.ones((2, 3, 4)),
            np.ones((2, 3, 5)),
            np.ones((2, 3, 6)),
            np.ones((2, 6), int),
            labels=np.ones((2, 4), int),
        ),
        "labels: expected one id per step",
    ),
    "extension": (
        lambda: PointerGenerator(extension=0),
        "extension: expected a positive integer, received 0",
    ),
    "ids": (lambda: extended_ids(np.ones(3, int), 4), "ids: expected"),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ONNX.


def onnx_outputs(function, inputs, dynamic):
    """What onnxruntime makes of a function of a dictionary; `dynamic` counts the free axes."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")
    signature = {
        name: tf.TensorSpec((None,) * dynamic + array.shape[dynamic:], array.dtype, name=name)
        for name, array in inputs.items()
    }
    traced = tf.function(function, autograph=False)
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=[signature], opset=18)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def test_copying_in_onnx_sums_words_that_occur_twice(tensors):
    # The plain scatter of TensorFlow becomes one that keeps the last of them, without a word.
    layer = generator()
    names = ("features", "logits", "weights")
    inputs = {name: tensor.astype("float32") for name, tensor in zip(names, tensors)}
    inputs["source_ids"] = SOURCE_IDS.astype("int32")

    def function(given):
        log_p, p_gen = layer(*given.values(), return_p_gen=True)
        return {"log_p": log_p, "p_gen": p_gen}

    found = onnx_outputs(function, inputs, 2)
    expected = function(inputs)
    for name in ("log_p", "p_gen"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


def test_pointing_in_onnx(query, value):
    layer = pointer(end=True)
    inputs = {
        "query": query.astype("float32"),
        "value": value.astype("float32"),
        "used": USED,
        "mask": VALUE_MASK,
    }

    def function(given):
        found = layer(given["query"], given["value"], given["used"], value_mask=given["mask"])
        return {"log_p": found}

    np.testing.assert_allclose(
        onnx_outputs(function, inputs, 2)["log_p"], function(inputs)["log_p"], rtol=1e-5
    )


def test_extended_ids_in_onnx(rng):
    ids = rng.integers(0, 16, (20, 9)).astype("int32")

    def function(given):
        extended, extension = extended_ids(given["ids"], V)
        return {
            "extended": extended,
            "extension": extension,
            "restored": restored_ids(extended, extension, V),
        }

    found = onnx_outputs(function, {"ids": ids}, 2)
    for name, expected in zip(("extended", "extension"), extended_by_hand(ids, V)):
        np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(found["restored"], ids)


def test_the_generator_has_other_ids_of_padding_and_unknown_words():
    rng = np.random.default_rng(0)
    features, logits = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 9))
    weights = rng.dirichlet(np.ones(5), (2, 3))
    source_ids = np.array([[4, 9, 5, 0, 0], [10, 40, 6, 7, 0]])
    default, other = PointerGenerator(3), PointerGenerator(3, pad_id=3, unknown_id=0)
    expected = default(features, logits, weights, source_ids)
    other.build(features.shape)
    other.set_weights(default.get_weights())
    # The two exchanged, in the ids and in what is predicted.
    order = [3, 1, 2, 0, *range(4, 9)]
    exchanged = np.where(source_ids == 0, 3, source_ids)
    found = other(features, logits[..., order], weights, exchanged)
    np.testing.assert_allclose(
        found, np.asarray(expected)[..., [*order, 9, 10, 11]], rtol=1e-5, atol=1e-5
    )
    assert PointerGenerator.from_config(other.get_config()).pad_id == 3
