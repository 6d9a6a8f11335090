"""Pooling by attention: numbers against loops, and that padding plays no part, on every level."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import losses, normalizers, scores
from keras_attention.layers.hierarchical import HierarchicalAttention
from keras_attention.layers.pooling import AttentionPooling, StructuredSelfAttention

# With holes, and a row of which nothing is real.
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(4, 5, 6))


def spread(layer):
    """A built layer of which no weight is still at a round number."""
    rng = np.random.default_rng(2)
    for variable in layer.weights:
        variable.assign(0.7 * rng.normal(size=variable.shape))
    return layer


# By hand: the weights of one hop over one row without padding.


def softmax(numbers):
    powers = [np.exp(x - max(numbers)) for x in numbers]
    return [power / sum(powers) for power in powers]


def projected(layer, query, row):
    """softmax(v . tanh(W h + b))"""
    kernel = layer.hidden.kernel.numpy()
    bias = layer.hidden.bias.numpy() if layer.use_bias else 0.0
    return softmax([query @ np.tanh(h @ kernel + bias) for h in row])


def relu(layer, query, row):
    kernel, bias = layer.hidden.kernel.numpy(), layer.hidden.bias.numpy()
    return softmax([query @ np.maximum(h @ kernel + bias, 0) for h in row])


def scaled_dot(layer, query, row):
    return softmax([query @ h / np.sqrt(len(h)) for h in row])


def additive(layer, query, row):
    score = layer.attention.score
    w, u = score.query_projection.kernel.numpy(), score.key_projection.kernel.numpy()
    return softmax([(np.tanh(query @ w + h @ u) @ score.v.numpy())[0] for h in row])


def smoothed(layer, query, row):
    numbers = [1 / (1 + np.exp(-query @ h)) for h in row]
    return [number / sum(numbers) for number in numbers]


KINDS = {
    "pooling": (lambda **k: AttentionPooling(**k), projected),
    "pooling-units": (lambda **k: AttentionPooling(3, **k), projected),
    "pooling-no-bias": (lambda **k: AttentionPooling(use_bias=False, **k), projected),
    "pooling-relu": (lambda **k: AttentionPooling(4, activation="relu", **k), relu),
    "pooling-scaled_dot": (lambda **k: AttentionPooling(score="scaled_dot", **k), scaled_dot),
    "pooling-additive": (
        lambda dtype=None, **k: AttentionPooling(
            4, score=scores.Additive(3, dtype=dtype), dtype=dtype, **k
        ),
        additive,
    ),
    "pooling-sigmoid": (
        lambda **k: AttentionPooling(score="dot", normalizer="sigmoid", **k),
        smoothed,
    ),
    "structured": (lambda **k: StructuredSelfAttention(3, 4, **k), projected),
    "structured-bias": (lambda **k: StructuredSelfAttention(2, use_bias=True, **k), projected),
}
every_kind = pytest.mark.parametrize("make", [make for make, _ in KINDS.values()], ids=KINDS)


def by_hand(layer, weigh, inputs, mask):
    queries = layer.query.numpy()
    weights = np.zeros((len(inputs), len(queries), inputs.shape[1]))
    for b, row in enumerate(inputs):
        real = np.flatnonzero(mask[b])
        for i, query in enumerate(queries):
            if len(real):
                weights[b, i, real] = weigh(layer, query, row[real])
    pooled = np.zeros((len(inputs), len(queries), inputs.shape[2]))
    for b, i, j in np.ndindex(weights.shape):
        if mask[b, j]:
            pooled[b, i] += weights[b, i, j] * inputs[b, j]
    if isinstance(layer, AttentionPooling):
        return pooled[:, 0], weights[:, 0]
    return pooled, weights


def built(make, dtype="float32"):
    layer = make(dtype=dtype)
    layer.build((None, None, 6))
    return spread(layer)


def call(layer, inputs, mask=MASK):
    return layer(inputs, mask=mask, return_attention_scores=True)


def total_of(outputs):
    """A scalar to which each number contributes otherwise, whatever padding stands behind it."""
    total = 0.0
    for i, output in enumerate(outputs):
        factors = tf.cos(tf.cast(tf.range(tf.shape(output)[-1]), "float64") + i)
        total += tf.reduce_sum(tf.cast(output, "float64") * factors)
    return total


def forward_and_back(layer, inputs, mask=MASK):
    """Outputs, and gradients for the inputs and the weights of the layer."""
    tensor = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        outputs = call(layer, tensor, mask)
        total = total_of(outputs)
    return outputs, tape.gradient(total, [tensor, *(v.value for v in layer.trainable_variables)])


def check_gradients(layer, inputs, mask, rng):
    given = tf.Variable(inputs)
    places = [given, *(variable.value for variable in layer.trainable_variables)]
    total = tf.function(lambda: total_of(call(layer, tf.convert_to_tensor(given), mask)))
    with tf.GradientTape() as tape:
        loss = total()
    for place, gradient in zip(places, tape.gradient(loss, places)):
        direction = rng.normal(size=place.shape)
        place.assign_add(1e-6 * direction)
        ahead = total()
        place.assign_add(-2e-6 * direction)
        behind = total()
        place.assign_add(1e-6 * direction)
        expected = (ahead - behind) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make, weigh", KINDS.values(), ids=KINDS)
def test_equals_a_loop(make, weigh, inputs):
    layer = built(make, "float64")
    for found, expected in zip(call(layer, inputs), by_hand(layer, weigh, inputs, MASK)):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    everything = np.ones_like(MASK)
    for found, expected in zip(
        call(layer, inputs, None), by_hand(layer, weigh, inputs, everything)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@every_kind
def test_gradients_equal_finite_differences(make, inputs, rng):
    check_gradients(built(make, "float64"), inputs, MASK, rng)


@every_kind
def test_extra_padding_changes_nothing_whatever_stands_in_it(make, inputs):
    layer = built(make)
    inputs = inputs.astype("float32")
    padded = np.pad(inputs, [(0, 0), (0, 3), (0, 0)])
    mask = np.pad(MASK, [(0, 0), (0, 3)])
    padded[:, -3:] = [[1e4], [np.nan], [np.inf]]
    padded[~mask] = np.where(np.arange(6) % 2, np.nan, padded[~mask])
    (pooled, weights), gradients = forward_and_back(layer, padded, mask)
    (expected, expected_weights), expected_gradients = forward_and_back(layer, inputs)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights[..., :5], expected_weights, rtol=1e-5, atol=1e-6)
    assert not np.any(weights[..., 5:])
    found = [gradients[0][:, :5], *gradients[1:]]
    for one, other in zip(found, expected_gradients):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@every_kind
def test_an_empty_row_gives_zeros_and_no_gradient(make, inputs):
    layer = built(make)
    outputs, gradients = forward_and_back(
        layer, np.full((2, 5, 6), np.nan, "float32"), MASK[[3, 3]]
    )
    for tensor in (*outputs, *gradients):
        assert not np.any(tensor)


@every_kind
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_half_precision_stays_finite(make, policy, inputs):
    layer = built(make, policy)
    half = "bfloat16" if "bfloat16" in policy else "float16"
    large = tf.cast(100 * inputs, half)
    outputs, gradients = forward_and_back(layer, large)
    assert all(output.dtype == half for output in outputs)
    for tensor in (*outputs, *gradients):
        assert np.all(np.isfinite(tf.cast(tensor, "float32")))
    sums = np.sum(tf.cast(outputs[1], "float32"), axis=-1)
    np.testing.assert_allclose(sums[:3], 1, rtol=2e-2)


def test_feature_maps_are_pooled_as_their_positions(rng):
    maps = rng.normal(size=(2, 2, 3, 6)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 1, 1], [1, 0, 0, 1, 1, 0]], bool)
    for make, _ in KINDS.values():
        layer = built(make)
        pooled, weights = call(layer, maps, mask.reshape(2, 2, 3))
        flat, flat_weights = call(layer, maps.reshape(2, 6, 6), mask)
        assert weights.shape[-2:] == (2, 3)
        np.testing.assert_allclose(pooled, flat, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            np.reshape(weights, flat_weights.shape), flat_weights, rtol=1e-5, atol=1e-6
        )


def ids_model(layer, shape=(None,)):
    ids = keras.Input(shape, dtype="int32")
    embedded = layers.Embedding(9, 6, mask_zero=True)(ids)
    return keras.Model(ids, layer(embedded, return_attention_scores=True))


def ids_of(mask):
    return np.where(mask, np.arange(mask.size).reshape(mask.shape) % 8 + 1, 0)


@every_kind
def test_implicit_masks_unknown_sizes_and_a_file(make, tmp_path):
    layer = make()
    model = ids_model(layer)
    spread(layer)
    pooled = model.outputs[0]
    assert pooled.shape[0] is None and pooled.shape[-1] == 6
    assert keras.src.backend.get_keras_mask(pooled) is None
    embedded = model.layers[1].embeddings.numpy()[ids_of(MASK)]
    for found, expected in zip(model(ids_of(MASK)), call(layer, embedded)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    predict = tf.function(model, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    for size in ((1, 1), (3, 4)):
        given = ids_of(np.ones(size, bool))
        for found, expected in zip(predict(tf.constant(given, tf.int32)), model(given)):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for found, expected in zip(loaded(ids_of(MASK)), model(ids_of(MASK))):
        np.testing.assert_array_equal(found, expected)


@every_kind
def test_config_round_trip(make, inputs):
    layer = built(lambda **k: make(dropout=0.1, seed=3, name="mine", **k))
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    call(again, inputs)
    again.set_weights(layer.get_weights())
    for found, expected in zip(call(again, inputs), call(layer, inputs)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["pooling", "pooling-additive", "structured"])
def test_xla_equals_eager(kind, inputs):
    make = KINDS[kind][0]
    layer, inputs = built(make), tf.constant(inputs, tf.float32)
    compiled = tf.function(lambda x: forward_and_back(layer, x), jit_compile=True)
    for one, other in zip(
        tf.nest.flatten(compiled(inputs)), tf.nest.flatten(forward_and_back(layer, inputs))
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@every_kind
def test_frozen_stays_frozen(make, tmp_path):
    check_frozen(ids_model(make(trainable=False)), tmp_path)


def check_frozen(model, tmp_path):
    """What the model trains is the embedding alone."""
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert len(one.layers[-1].weights) > 0
        assert [weight.path for weight in one.trainable_weights] == [
            weight.path for weight in one.layers[1].weights
        ]


def test_dropout_acts_only_in_training(inputs):
    layer = AttentionPooling(dropout=0.5, seed=1)
    still = layer(inputs)
    np.testing.assert_array_equal(layer(inputs), still)
    assert not np.allclose(layer(inputs, training=True), still)


def test_the_penalty_is_that_of_each_row(inputs):
    layer = StructuredSelfAttention(3, 4, penalty=0.5, dtype="float64")
    _, weights = call(layer, inputs)
    rows = []
    for b in range(3):
        a = weights.numpy()[b]
        rows.append(np.linalg.norm(a @ a.T - np.eye(3), "fro") ** 2)
    (added,) = layer.losses
    np.testing.assert_allclose(added, 0.5 * np.mean(rows), rtol=1e-10)
    silent = StructuredSelfAttention(3, 4)
    silent(inputs)
    assert not silent.losses


def test_the_penalty_spreads_the_hops():
    layer = StructuredSelfAttention(2, 4, penalty=1.0)
    data = tf.eye(4)[None]
    layer.build(data.shape)
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(layer.trainable_variables)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            layer(data)
            loss = layer.losses[0]
        values = [variable.value for variable in layer.trainable_variables]
        optimizer.apply(tape.gradient(loss, values), layer.trainable_variables)

    for _ in range(100):
        train()
    _, weights = layer(data, return_attention_scores=True)
    # Each hop on one position, another than the other's.
    assert np.max(weights[0], axis=-1).min() > 0.8
    assert float(losses.redundancy_loss(weights)) < 0.1


# Words, then sentences.

# A document of two sentences, one with a hole, one of a single word, one of nothing at all.
WORDS = np.array(
    [
        [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]],
        [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    ],
    bool,
)


@pytest.fixture
def documents(rng):
    return rng.normal(size=(4, 3, 4, 6))


def gru(units, **options):
    return layers.Bidirectional(
        layers.GRU(units, return_sequences=True, recurrent_initializer="glorot_uniform", **options),
        **options,
    )


def hierarchy(dtype="float32", **kwargs):
    return HierarchicalAttention(
        gru(3, dtype=dtype),
        gru(2, dtype=dtype),
        AttentionPooling(5, dtype=dtype),
        AttentionPooling(3, dtype=dtype),
        dtype=dtype,
        **kwargs,
    )


def bare(dtype="float32", **kwargs):
    return HierarchicalAttention(dtype=dtype, **kwargs)


def plain(dtype="float32", **kwargs):
    """Encoders that take no mask: a layer of one's own making, and several in a row."""
    several = keras.Sequential([layers.Dense(5, dtype=dtype), layers.Dense(4, dtype=dtype)])
    return HierarchicalAttention(layers.Dense(5, dtype=dtype), several, dtype=dtype, **kwargs)


both_levels = pytest.mark.parametrize("make", [hierarchy, bare, plain])


def built_hierarchy(make, dtype="float32"):
    layer = make(dtype)
    layer.build((None, None, None, 6))
    return spread(layer)


@both_levels
def test_a_document_is_pooled_sentence_by_sentence(make, documents):
    # The layers called by hand, on what is real alone.
    layer = built_hierarchy(make, "float64")
    found, word_weights, sentence_weights = call(layer, documents, WORDS)

    def level(encoder, pool, sequence):
        sequence = sequence[None]
        if encoder is not None:
            sequence = encoder(sequence)
        pooled, weights = pool(sequence, return_attention_scores=True)
        return pooled.numpy()[0], weights.numpy()[0]

    for b in range(3):
        sentences, real = [], np.flatnonzero(WORDS[b].any(axis=1))
        for i in real:
            words = np.flatnonzero(WORDS[b, i])
            one, weights = level(layer.word_encoder, layer.word_pooling, documents[b, i, words])
            np.testing.assert_allclose(word_weights[b, i].numpy()[words], weights, rtol=1e-9)
            sentences.append(one)
        expected, weights = level(
            layer.sentence_encoder, layer.sentence_pooling, np.stack(sentences)
        )
        np.testing.assert_allclose(found[b], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(sentence_weights[b].numpy()[real], weights, rtol=1e-9)
    assert not np.any(found[3])
    assert not np.any(word_weights.numpy()[~WORDS])
    assert not np.any(sentence_weights.numpy()[~WORDS.any(axis=2)])


@both_levels
def test_padding_words_and_sentences_change_nothing(make, documents):
    layer = built_hierarchy(make)
    documents = documents.astype("float32")
    padded = np.pad(documents, [(0, 0), (0, 2), (0, 1), (0, 0)], constant_values=np.nan)
    mask = np.pad(WORDS, [(0, 0), (0, 2), (0, 1)])
    padded[~mask] = np.nan
    (found, words, sentences), gradients = forward_and_back(layer, padded, mask)
    expected, expected_gradients = forward_and_back(layer, documents, WORDS)
    for one, other in zip((found, words[:, :3, :4], sentences[:, :3]), expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert not np.any(gradients[0].numpy()[~mask])
    for one, other in zip([gradients[0][:, :3, :4], *gradients[1:]], expected_gradients):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@both_levels
def test_gradients_of_a_hierarchy_equal_finite_differences(make, documents, rng):
    check_gradients(built_hierarchy(make, "float64"), documents, WORDS, rng)


@both_levels
def test_a_hierarchy_of_ids_with_implicit_masks_and_a_file(make, tmp_path):
    layer = make()
    model = ids_model(layer, (None, None))
    spread(layer)
    assert [output.shape for output in model.outputs[1:]] == [(None, None, None), (None, None)]
    given = ids_of(WORDS)
    embedded = model.layers[1].embeddings.numpy()[given]
    for found, expected in zip(model(given), call(layer, embedded, WORDS)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    predict = tf.function(model, input_signature=[tf.TensorSpec((None,) * 3, tf.int32)])
    for found, expected in zip(predict(tf.constant(given, tf.int32)), model(given)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for found, expected in zip(loaded(given), model(given)):
        np.testing.assert_array_equal(found, expected)
    assert layer.from_config(layer.get_config()).get_config() == layer.get_config()


def test_a_frozen_hierarchy_stays_frozen(tmp_path):
    check_frozen(ids_model(hierarchy(trainable=False), (None, None)), tmp_path)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_hierarchy_in_half_precision_stays_finite(policy, documents):
    layer = built_hierarchy(hierarchy, policy)
    half = policy.removeprefix("mixed_")
    outputs, gradients = forward_and_back(layer, tf.cast(100 * documents, half), WORDS)
    assert all(output.dtype == half for output in outputs)
    for tensor in (*outputs, *gradients):
        assert np.all(np.isfinite(tf.cast(tensor, "float32")))


def test_a_hierarchy_under_xla(documents):
    layer, documents = built_hierarchy(bare), tf.constant(documents, tf.float32)
    compiled = tf.function(lambda x: forward_and_back(layer, x, WORDS), jit_compile=True)
    expected = forward_and_back(layer, documents, WORDS)
    for one, other in zip(tf.nest.flatten(compiled(documents)), tf.nest.flatten(expected)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_hierarchy_learns_a_word_in_a_sentence():
    # Which of two words occurs anywhere: only attention that finds it can tell.
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 9, (64, 3, 4)) * (rng.uniform(size=(64, 3, 4)) < 0.8)
    labels = rng.integers(0, 2, 64)
    ids[np.arange(64), rng.integers(0, 3, 64), rng.integers(0, 4, 64)] = labels + 1
    inputs = keras.Input((None, None), dtype="int32")
    embedded = layers.Embedding(9, 8, mask_zero=True)(inputs)
    outputs = layers.Dense(1)(HierarchicalAttention()(embedded))
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
    )
    history = model.fit(ids, labels, epochs=30, batch_size=64, verbose=0).history["loss"]
    assert history[-1] < 0.1


@pytest.mark.parametrize("kind", [AttentionPooling, partial(StructuredSelfAttention, 2)])
def test_the_projection_is_regularized_and_constrained(kind):
    layer = kind(
        units=3,
        use_bias=True,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L1(1.0),
        kernel_constraint="non_neg",
        bias_initializer="ones",
        bias_regularizer=keras.regularizers.L1(100.0),
        bias_constraint="unit_norm",
    )
    again = type(layer).from_config(layer.get_config())
    again.build((None, None, 4))
    np.testing.assert_allclose(sum(map(float, again.losses)), 12 + 300, rtol=1e-6)
    assert isinstance(again.hidden.kernel.constraint, keras.constraints.NonNeg)
    assert isinstance(again.hidden.bias.constraint, keras.constraints.UnitNorm)


def test_a_pooling_takes_the_class_of_a_score_and_is_saved():
    layer = AttentionPooling(4, score=scores.Additive, normalizer=normalizers.Sparsemax)
    again = AttentionPooling.from_config(layer.get_config())
    assert isinstance(again.attention.score, scores.Additive)
    assert isinstance(again.attention.normalizer, normalizers.Sparsemax)


REFUSED = {
    "rank": (lambda: AttentionPooling()(np.ones((2, 3))), "inputs: expected"),
    "size": (
        lambda: built(KINDS["pooling"][0])(np.ones((2, 3, 4))),
        "the 6 features that the layer was built for",
    ),
    "mask": (
        lambda: AttentionPooling()(np.ones((2, 3, 4)), mask=np.ones((2, 4), bool)),
        "mask: expected one boolean per position",
    ),
    "units": (lambda: AttentionPooling(0), "units: expected a positive integer, received 0"),
    "score": (lambda: AttentionPooling(score="dots"), "score: expected"),
    "hops": (lambda: StructuredSelfAttention(0), "hops: expected a positive integer, received 0"),
    "penalty": (
        lambda: StructuredSelfAttention(2, penalty=-1.0),
        "penalty: expected a number of at least 0, received -1.0",
    ),
    "features": (
        lambda: AttentionPooling()(keras.Input((None, None))),
        "inputs: expected a known last size",
    ),
    "words": (
        lambda: HierarchicalAttention()(np.ones((2, 3, 4))),
        r"inputs: expected \(batch, sentences, words, features\)",
    ),
    "word mask": (
        lambda: HierarchicalAttention()(np.ones((2, 3, 4, 5)), mask=np.ones((2, 3), bool)),
        "mask: expected one boolean per word",
    ),
    "encoder": (lambda: HierarchicalAttention("gru"), "word_encoder: expected a Keras layer"),
    "encoder of vectors": (
        lambda: HierarchicalAttention(layers.GRU(3))(np.ones((2, 3, 4, 5))),
        "word_encoder: expected a layer from .* return_sequences=True",
    ),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def onnx_outputs(function, signature, inputs):
    """What onnxruntime makes of a function of a dictionary."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")
    traced = tf.function(function, autograph=False)
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=[signature], opset=18)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


@pytest.mark.parametrize("make", [built, built_hierarchy])
def test_converts_to_onnx(make, inputs, documents):
    if make is built:
        layer, given, mask = built(KINDS["structured"][0]), inputs, MASK
    else:
        layer, given, mask = built_hierarchy(bare), documents, WORDS
    rank = given.ndim
    signature = {
        "inputs": tf.TensorSpec((None,) * (rank - 1) + (6,), name="inputs"),
        "mask": tf.TensorSpec((None,) * (rank - 1), tf.bool, name="mask"),
    }
    found = onnx_outputs(
        lambda x: {"pooled": layer(x["inputs"], mask=x["mask"])},
        signature,
        {"inputs": given.astype("float32"), "mask": mask},
    )
    expected = layer(given, mask=mask)
    np.testing.assert_allclose(found["pooled"], expected, rtol=1e-5, atol=1e-6)
