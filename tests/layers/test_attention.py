"""What `Attention` takes and returns; its numbers are shown by tests/conformance."""

import json
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    Attention,
    BahdanauAttention,
    LuongAttention,
    MultiHeadAttention,
    normalizers,
    windows,
)


@pytest.fixture
def query(rng):
    return rng.normal(size=(2, 3, 4)).astype("float32")


@pytest.fixture
def value(rng):
    return rng.normal(size=(2, 6, 4)).astype("float32")


def test_a_feature_map_is_attended_to_as_its_positions(query, value):
    attention = BahdanauAttention(5)
    mask = np.array([[1, 1, 1, 0, 1, 1], [1, 0, 0, 1, 1, 0]], bool)
    flat = attention(query, value, value_mask=mask, return_attention_scores=True)
    maps = attention(
        query,
        value.reshape(2, 2, 3, 4),
        value_mask=mask.reshape(2, 2, 3),
        return_attention_scores=True,
    )
    assert maps[1].shape == (2, 3, 2, 3)
    np.testing.assert_allclose(maps[0], flat[0], rtol=1e-6)
    np.testing.assert_allclose(np.reshape(maps[1], (2, 3, 6)), flat[1], rtol=1e-6)


def test_a_feature_map_of_unknown_size_in_the_functional_api(query, value):
    queries, image = keras.Input((None, 4)), keras.Input((None, None, 4))
    attention = LuongAttention()
    outputs = attention(queries, image, return_attention_scores=True)
    assert [output.shape for output in outputs] == [(None, None, 4), (None, None, None, None)]
    context, weights = keras.Model([queries, image], outputs)([query, value.reshape(2, 3, 2, 4)])
    assert weights.shape == (2, 3, 3, 2)
    np.testing.assert_allclose(context, attention(query, value), rtol=1e-5, atol=1e-6)


def test_one_step_equals_a_sequence_of_one(query, value):
    attention = LuongAttention()
    context, weights = attention(query[:, 0], value, return_attention_scores=True)
    many = attention(query[:, :1], value, return_attention_scores=True)
    np.testing.assert_allclose(context, many[0][:, 0], rtol=1e-6)
    np.testing.assert_allclose(weights, many[1][:, 0], rtol=1e-6)


def test_one_step_over_a_feature_map_gives_one_map(query, value):
    attention = LuongAttention()
    context, weights = attention(
        query[:, 0], value.reshape(2, 2, 3, 4), return_attention_scores=True
    )
    assert context.shape == (2, 4) and weights.shape == (2, 2, 3)


def test_a_separate_key_is_compared_and_the_value_summed(query, value, rng):
    key = rng.normal(size=(2, 6, 5)).astype("float32")
    attention = BahdanauAttention(5)
    context, weights = attention(query, value, key, return_attention_scores=True)
    _, expected = attention(query, key, return_attention_scores=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    np.testing.assert_allclose(context, expected @ value, rtol=1e-5, atol=1e-6)


def test_causal_queries_see_no_later_position(query, value):
    attention = LuongAttention()
    _, weights = attention(query, value, use_causal_mask=True, return_attention_scores=True)
    assert not np.triu(weights, k=1).any()
    for i in range(3):
        _, alone = attention(query[:, i], value[:, : i + 1], return_attention_scores=True)
        np.testing.assert_allclose(weights[:, i, : i + 1], alone, rtol=1e-5, atol=1e-6)


def test_causal_mask_and_value_mask_act_together(query, value):
    mask = np.array([[0, 1, 1, 1, 1, 1]] * 2, bool)
    _, weights = LuongAttention()(
        query, value, value_mask=mask, use_causal_mask=True, return_attention_scores=True
    )
    np.testing.assert_allclose(np.sum(weights, axis=-1), [[0, 1, 1]] * 2, atol=1e-6)


def test_masked_queries_get_zeros(query, value):
    mask = np.array([[True, False, True], [True, True, True]])
    attention = LuongAttention()
    context = np.asarray(attention(query, value, query_mask=mask))
    assert not context[0, 1].any()
    unmasked = np.asarray(attention(query, value))
    np.testing.assert_allclose(context[mask], unmasked[mask], rtol=1e-6)


def test_a_masked_single_query_gets_zeros(query, value):
    mask = np.array([True, False])
    context = np.asarray(LuongAttention()(query[:, 0], value, query_mask=mask))
    assert context[0].any() and not context[1].any()


def test_the_mask_of_the_query_goes_on_to_the_next_layer():
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    context, weights = LuongAttention()(embedded, embedded, return_attention_scores=True)
    mask = keras.src.backend.get_keras_mask(context)
    found = keras.Model(ids, mask)(np.array([[1, 2, 0]]))
    assert np.array_equal(found, [[True, True, False]])
    assert keras.src.backend.get_keras_mask(weights) is None


def test_integer_masks_are_taken_as_booleans(query, value):
    mask = np.array([[1, 1, 0, 0, 1, 0]] * 2)
    attention = LuongAttention()
    np.testing.assert_array_equal(
        attention(query, value, value_mask=mask),
        attention(query, value, value_mask=mask.astype(bool)),
    )


def test_masks_may_be_lists(query, value):
    mask = np.array([[1, 1, 0, 0, 1, 0]] * 2, bool)
    attention = LuongAttention()
    np.testing.assert_array_equal(
        attention(query, value, value_mask=mask.tolist()),
        attention(query, value, value_mask=mask),
    )


def test_dropout_acts_only_in_training(query, value):
    attention = LuongAttention(dropout=0.5)
    still = attention(query, value)
    np.testing.assert_array_equal(attention(query, value), still)
    assert not np.allclose(attention(query, value, training=True), still)


def test_dropout_keeps_or_doubles_a_weight_and_returns_the_undropped(query):
    # The identity as values: the context is the dropped weights themselves.
    value = np.repeat(np.eye(4, dtype="float32")[None], 2, axis=0)
    context, weights = LuongAttention(dropout=0.5)(
        query, value, return_attention_scores=True, training=True
    )
    ratios = np.unique(np.round(context / weights, 4))
    assert ratios.tolist() == [0.0, 2.0]
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, rtol=1e-6)


def test_dropout_is_reproducible_by_seed(query, value):
    def drawn(seed):
        attention = LuongAttention(score="dot", dropout=0.5, seed=seed)
        return [np.asarray(attention(query, value, training=True)) for _ in range(2)]

    first, second = drawn(7)
    np.testing.assert_array_equal(drawn(7), [first, second])
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, drawn(8)[0])


def test_the_seed_survives_the_config():
    attention = BahdanauAttention(4, dropout=0.25, seed=3)
    again = BahdanauAttention.from_config(attention.get_config())
    assert (again.dropout, again.seed) == (0.25, 3)


def test_memory_projects_the_keys_once(query, value):
    attention = BahdanauAttention(5)
    attention.build(query.shape, value.shape)
    memory = attention.memory(value)
    assert memory.keys.shape == (2, 6, 5)
    np.testing.assert_allclose(
        memory.keys, value @ attention.score.key_projection.kernel, rtol=1e-5, atol=1e-6
    )


def test_the_layer_holds_nothing_of_a_sequence(query, value):
    attention = LuongAttention()
    expected = attention(query, value)
    before = set(vars(attention))
    attention(query[:1, :2], value[:1, :3])
    assert set(vars(attention)) == before
    np.testing.assert_array_equal(attention(query, value), expected)


def test_attend_equals_calling(query, value):
    attention = LuongAttention()
    context, weights = attention(query, value, return_attention_scores=True)
    found = attention.attend(ops.convert_to_tensor(query), attention.memory(value))
    np.testing.assert_allclose(found[0], context, rtol=1e-6)
    np.testing.assert_allclose(found[1], weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("preset", "plain"),
    [
        (BahdanauAttention(5), Attention("additive")),
        (LuongAttention(), Attention("general")),
        (LuongAttention(score="cosine"), Attention("cosine")),
    ],
)
def test_presets_are_attention_over_a_score(preset, plain):
    assert type(preset.score) is type(plain.score)
    assert isinstance(preset, Attention)


def test_a_preset_takes_a_score_object(query, value):
    from keras_attention.scores import General

    attention = LuongAttention(score=General(scale=True))
    expected = attention(query, value)
    again = LuongAttention.from_config(attention.get_config())
    again(query, value)
    again.set_weights(attention.get_weights())
    assert again.score.scale
    np.testing.assert_array_equal(again(query, value), expected)


def test_any_score_works_with_a_normalizer_of_ones_own(query, value):
    class Uniform(normalizers.Normalizer):
        def call(self, scores, mask=None):
            kept = keras.ops.cast(keras.ops.broadcast_to(mask, scores.shape), scores.dtype)
            return kept / keras.ops.sum(kept, axis=-1, keepdims=True)

    mask = np.array([[1, 1, 0, 0, 0, 0]] * 2, bool)
    context = Attention("general", Uniform())(query, value, value_mask=mask)
    np.testing.assert_allclose(context[:, 0], value[:, :2].mean(axis=1), rtol=1e-5)


class Sharpened(normalizers.Softmax):
    """A normalizer as a user writes one, with something to learn."""

    def build(self, scores_shape, mask_shape=None):
        self.sharpness = self.add_weight(shape=(), initializer="ones", name="sharpness")
        self.built = True

    def call(self, scores, mask=None):
        return super().call(scores * self.sharpness, mask)


def test_a_normalizer_that_learns_is_saved_and_loaded(query, value, tmp_path):
    inputs = keras.Input((None, 4)), keras.Input((None, 4))
    attention = Attention("general", Sharpened())
    model = keras.Model(inputs, attention(*inputs))
    attention.normalizer.sharpness.assign(3.0)
    model.save(tmp_path / "model.keras")
    custom = {"Sharpened": Sharpened}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
    np.testing.assert_array_equal(loaded([query, value]), model([query, value]))


@pytest.mark.parametrize("frozen", ["when made", "later"])
@pytest.mark.parametrize("make", [BahdanauAttention, LuongAttention])
def test_what_is_frozen_stays_frozen_when_loaded(frozen, make, tmp_path):
    inputs = keras.Input((None, 4)), keras.Input((None, 4))
    attention = make(4, trainable=frozen != "when made")
    model = keras.Model(inputs, attention(*inputs))
    attention.trainable = False
    assert model.weights and not model.trainable_weights
    model.save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").trainable_weights
    attention.trainable = True
    assert len(model.trainable_weights) == len(model.weights)


def test_softmax_by_hand():
    scores = np.log([[[1.0, 2.0, 5.0]]])
    mask = np.array([[[True, True, False]]])
    softmax = normalizers.get("softmax")
    np.testing.assert_allclose(softmax(scores, mask=mask), [[[1 / 3, 2 / 3, 0]]], rtol=1e-6)
    np.testing.assert_allclose(softmax(scores), [[[1 / 8, 2 / 8, 5 / 8]]], rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_outputs_have_the_compute_dtype(policy, query, value):
    found = BahdanauAttention(4, dtype=policy)(query, value, return_attention_scores=True)
    assert {keras.backend.standardize_dtype(tensor.dtype) for tensor in found} == {policy[6:]}


SCORES = ["general", "additive", "coverage"]
ATTENTION_MASK = np.array(
    [
        [[1, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
        [[0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1]],
    ],
    bool,
)


def with_random_weights(attention):
    """Biases and all, which are zero in a new layer."""
    attention.build((None, None, 4), (None, None, 4))
    rng = np.random.default_rng(1)
    for variable in attention.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return attention


@pytest.mark.parametrize("make", [Attention, partial(MultiHeadAttention, 2, 3)])
@pytest.mark.parametrize("score", ["general", "additive"])
def test_an_attention_mask_is_as_slicing_each_query(make, score, query, value):
    attention = with_random_weights(make(score=score))
    context, weights = attention(
        query, value, attention_mask=ATTENTION_MASK, return_attention_scores=True
    )
    assert not np.asarray(weights)[~ATTENTION_MASK].any()
    for b, i in np.ndindex(2, 3):
        seen = ATTENTION_MASK[b, i]
        if seen.any():
            expected = attention(query[b : b + 1, i], value[b : b + 1, seen])[0]
        else:
            expected = np.zeros(4)
        np.testing.assert_allclose(context[b, i], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_an_attention_mask_that_is_the_same_for_all_queries_is_a_value_mask(score, query, value):
    attention = Attention(score)
    mask = np.array([[1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0]], bool)
    asked = np.array([[1, 0, 1], [1, 1, 0]], bool)
    repeated = np.repeat(mask[:, None], 3, axis=1)
    options = {"query_mask": asked, "return_attention_scores": True}
    expected = attention(query, value, value_mask=mask, **options)
    found = attention(query, value, attention_mask=repeated, **options)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("make", [Attention, partial(MultiHeadAttention, 2, 3)])
def test_masks_act_together(make, score, query, value):
    value_mask = np.array([[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 1]], bool)
    key_mask = np.array([[1, 1, 0, 1, 1, 1], [1, 0, 1, 1, 1, 1]], bool)
    allowed = ATTENTION_MASK & np.tri(3, 6, dtype=bool) & (value_mask & key_mask)[:, None]
    attention = with_random_weights(make(score=score))
    options = {"return_attention_scores": True}
    expected = attention(query, value, attention_mask=allowed, **options)
    found = attention(
        query,
        value,
        value_mask=value_mask,
        key_mask=key_mask,
        attention_mask=ATTENTION_MASK,
        use_causal_mask=True,
        **options,
    )
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert not np.asarray(found[0])[~allowed.any(axis=-1)].any()


def test_an_attention_mask_and_a_window_act_together(query, value):
    attention = Attention("general", window=windows.LocalMonotonic(1))
    _, inside = attention(query, value, return_attention_scores=True)
    _, weights = attention(
        query, value, attention_mask=ATTENTION_MASK, return_attention_scores=True
    )
    np.testing.assert_array_equal(
        np.asarray(weights) > 0, (np.asarray(inside) > 0) & ATTENTION_MASK
    )


def test_an_attention_mask_of_a_feature_map_and_of_one_step(query, value):
    attention = LuongAttention()
    maps = value.reshape(2, 2, 3, 4)
    expected = attention(query, value, attention_mask=ATTENTION_MASK)
    found = attention(query, maps, attention_mask=ATTENTION_MASK.reshape(2, 3, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    step = attention(query[:, 0], value, attention_mask=ATTENTION_MASK[:, 0])
    np.testing.assert_allclose(step, expected[:, 0], rtol=1e-5, atol=1e-6)
    memory = attention.memory(value)
    found, _, _ = attention.attend(query, memory, attention_mask=ATTENTION_MASK)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("make", [Attention, partial(MultiHeadAttention, 2, 3)])
def test_an_attention_mask_in_a_saved_functional_model(make, query, value, tmp_path):
    inputs = (
        keras.Input((None, 4)),
        keras.Input((None, 4)),
        keras.Input((None, None), dtype="bool"),
    )
    outputs = make(score="general")(inputs[0], inputs[1], attention_mask=inputs[2])
    model = keras.Model(inputs, outputs)
    given = [query, value, ATTENTION_MASK]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(given), model(given))
    assert not np.allclose(model(given), model([query, value, np.ones_like(ATTENTION_MASK)]))


def test_the_mask_of_the_key_arrives_in_the_functional_api(query):
    ids = keras.Input((None,), dtype="int32")
    queries, values = keras.Input((None, 4)), keras.Input((None, 4))
    keys = keras.layers.Embedding(9, 5, mask_zero=True)(ids)
    attention = LuongAttention()
    _, weights = attention(queries, values, keys, return_attention_scores=True)
    model = keras.Model([queries, values, ids], weights)
    found = np.asarray(model([query, query, np.array([[3, 4, 0], [5, 0, 0]])]))
    np.testing.assert_array_equal(found > 0, np.repeat([[[1, 1, 0]], [[1, 0, 0]]], 3, axis=1) > 0)


@pytest.mark.parametrize("make", [LuongAttention, partial(MultiHeadAttention, 2, 3)])
def test_a_batch_of_one_is_not_broadcast(make, query, value):
    attention = make()
    attention(query, value)
    memory = attention.memory(value)
    with pytest.raises(ValueError, match=r"query: expected as many examples.*received shape \(1"):
        attention.step(query[:1, 0], memory)
    with pytest.raises(ValueError, match=r"query: expected as many examples.*received shape \(1"):
        attention.attend(query[:1], memory)
    with pytest.raises(ValueError, match=r"query: expected as many examples.*received shape \(2"):
        attention.step(query[:, 0], attention.memory(value[:1]))


def test_a_state_of_a_batch_of_one_is_not_broadcast(query, value):
    attention = Attention("coverage")
    attention(query, value)
    memory = attention.memory(value)
    state = attention.initial_state(attention.memory(value[:1]))
    with pytest.raises(ValueError, match="state: expected as many examples as query has"):
        attention.step(query[:, 0], memory, state)


@pytest.mark.parametrize("make", [LuongAttention, partial(MultiHeadAttention, 2, 3)])
def test_the_shape_of_the_result_with_arguments_by_position(make, query, value):
    symbolic = keras.Input((3, 4)), keras.Input((6, 4))
    specs = make().compute_output_spec(*symbolic, None, None, None, True)
    assert [spec.shape for spec in specs] == [(None, 3, 4), (None, 3, 6)]


def test_numpy_numbers_are_taken(query, value):
    attention = BahdanauAttention(np.int64(8), dropout=np.float32(0.1))
    attention(query, value)
    config = attention.get_config()
    assert (config["units"], config["dropout"]) == (8, 0.1)
    json.dumps(config)
    heads = MultiHeadAttention(np.int32(2), np.int64(3), output_shape=np.int64(5))
    assert heads(query, value).shape == (2, 3, 5)
    json.dumps(heads.get_config())


def test_additive_attention_has_the_options_of_a_dense_kernel(query, value):
    attention = BahdanauAttention(
        5,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L2(0.1),
        kernel_constraint="non_neg",
    )
    again = BahdanauAttention.from_config(attention.get_config())
    for layer in (attention, again):
        layer(query, value)
        # W, U and v.
        np.testing.assert_allclose(sum(layer.losses), 0.1 * (4 * 5 + 4 * 5 + 5), rtol=1e-5)


@pytest.mark.parametrize(("score", "count"), [("general", 4 * 4), ("concat", 4 * 5 + 4 * 5 + 5)])
def test_multiplicative_attention_has_them_too(score, count, query, value):
    attention = LuongAttention(
        units=5 if score == "concat" else None,
        score=score,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L2(0.1),
        kernel_constraint="non_neg",
    )
    again = LuongAttention.from_config(attention.get_config())
    for layer in (attention, again):
        layer(query, value)
        np.testing.assert_allclose(sum(layer.losses), 0.1 * count, rtol=1e-5)
    with pytest.raises(ValueError, match="kernel_constraint: expected the default, since the"):
        LuongAttention(score="dot", kernel_constraint="non_neg")


def test_scores_below_a_large_negative_number_are_not_taken_for_masked():
    query, value = np.array([[[-1e18]]]), np.array([[[2e17], [1e17], [5e16]]])
    mask = np.array([[True, True, False]])
    context, weights = Attention("dot")(query, value, value_mask=mask, return_attention_scores=True)
    np.testing.assert_array_equal(weights, [[[0, 1, 0]]])
    np.testing.assert_allclose(context, [[[1e17]]])
