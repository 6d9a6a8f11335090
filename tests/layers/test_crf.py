"""The layers of a conditional random field, in models that are trained, saved and exported."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention.export import export_model
from keras_attention.layers import CRF, CRFDecoder, crf_potentials
from keras_attention.losses import CRFLoss
from tests.support.tables import one_in

WORDS = np.array([[3, 1, 4, 2, 5], [2, 6, 5, 0, 0], [7, 0, 0, 0, 0]], "int32")
# What a tag is depends on the one before: 1 after 0, 2 after 1.
TAGS = np.array([[0, 1, 2, 0, 1], [0, 1, 2, 0, 0], [0, 0, 0, 0, 0]], "int32")


def models(recurrent=True, **options):
    """What is trained, and what is served; they share all layers."""
    keras.utils.set_random_seed(3)
    words = keras.Input((None,), dtype="int32", name="words")
    states = layers.Embedding(8, 6, mask_zero=True)(words)
    if recurrent:
        states = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(states)
    crf = CRF(3, name="crf", **options)
    potentials = crf(layers.Dense(3)(states))
    tags, marginals = CRFDecoder(name="tags")(potentials, return_marginals=True)
    return keras.Model(words, potentials), keras.Model(
        words, {"tags": tags, "marginals": marginals}
    )


def spread(model):
    """The model, in which no weight is at its initial value."""
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_learns_the_tags_and_their_order(jit_compile):
    model, tagger = models()
    model.compile(keras.optimizers.Adam(0.1), CRFLoss(), jit_compile=jit_compile)
    losses = model.fit(WORDS, TAGS, epochs=25, batch_size=3, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]
    found = tagger.predict_on_batch(WORDS)["tags"]
    np.testing.assert_array_equal(found, np.where(WORDS > 0, TAGS, -1))
    np.testing.assert_allclose(model.evaluate(WORDS, TAGS, verbose=0), losses[-1], rtol=0.5)


def test_the_mask_arrives_in_the_functional_api():
    tagger = spread(models()[1])
    longer = np.pad(WORDS, ((0, 0), (2, 1)))
    found, expected = (
        {name: ops.convert_to_numpy(x) for name, x in tagger(words).items()}
        for words in (longer[:, 2:], WORDS)
    )
    np.testing.assert_array_equal(found["tags"][:, :5], expected["tags"])
    np.testing.assert_allclose(found["marginals"][:, :5], expected["marginals"], atol=1e-6)
    assert (found["tags"][:, 5:] == -1).all() and (found["marginals"][:, 5:] == 0).all()
    np.testing.assert_allclose(expected["marginals"].sum(-1), WORDS > 0, atol=1e-6)


@pytest.mark.parametrize("boundaries", [True, False])
def test_its_weights_are_the_chain_s(boundaries):
    layer = CRF(3, use_boundaries=boundaries)
    layer.build((None, None, 3))
    spread(layer)
    emissions = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    mask = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], bool)
    expected = crf_potentials(emissions, layer.transitions, layer.start, layer.end, mask)
    np.testing.assert_array_equal(layer(emissions, mask=mask), expected)
    assert len(layer.weights) == (3 if boundaries else 1)


def test_saved_and_loaded_it_gives_the_same(tmp_path):
    model, _ = models(transition_regularizer=keras.regularizers.L2(0.1))
    spread(model)
    model.compile("adam", CRFLoss(reduction="sum"))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "tagger.keras")
    loaded = keras.models.load_model(tmp_path / "tagger.keras")
    np.testing.assert_array_equal(loaded(WORDS), model(WORDS))
    assert loaded.loss.reduction == "sum" and len(loaded.losses) == 1
    np.testing.assert_allclose(
        loaded.evaluate(WORDS, TAGS, verbose=0), model.evaluate(WORDS, TAGS, verbose=0)
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_scores_have_at_least_float32(policy):
    keras.config.set_dtype_policy(policy)
    model, tagger = models()
    outputs = model(WORDS)
    expected = "float64" if policy == "float64" else "float32"
    assert keras.backend.standardize_dtype(outputs.dtype) == expected == model.output.dtype
    # Rounded to half precision, the score of what is impossible would be infinite.
    assert np.isfinite(np.asarray(CRFLoss(dtype=expected)(TAGS, outputs)))
    assert not (np.asarray(tagger(WORDS)["tags"]) == -1)[WORDS > 0].any()


def test_symbolic_shapes_are_those_of_the_results():
    emissions = keras.KerasTensor((2, None, 3), "float32")
    potentials = CRF(3)(emissions)
    tags, marginals = CRFDecoder()(potentials, return_marginals=True)
    assert (potentials.shape, tags.shape, marginals.shape) == (
        (2, None, 3, 3),
        (2, None),
        (2, None, 3),
    )
    assert (tags.dtype, marginals.dtype) == ("int32", "float32")


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="num_tags: expected a positive integer, received 0"):
        CRF(0)
    with pytest.raises(ValueError, match="use_boundaries: expected True or False, received 1"):
        CRF(3, use_boundaries=1)
    with pytest.raises(ValueError, match="emissions: expected a score for each of 3 tags"):
        CRF(3)(np.zeros((2, 4, 5)))
    with pytest.raises(ValueError, match="mask: expected one boolean per position"):
        CRF(3)(np.zeros((2, 4, 3)), mask=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="potentials: expected square potentials"):
        CRFDecoder()(keras.KerasTensor((2, 4, 3, 2)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the exports need TensorFlow")
@pytest.mark.parametrize("format", one_in(3, ["saved_model", "onnx", "litert"]))
def test_every_format_decodes_inside(format, tmp_path):
    _, tagger = models(recurrent=False)
    spread(tagger)
    batches = (
        [WORDS[:1], WORDS[1:2], WORDS[2:, :1]] if format == "litert" else [WORDS, WORDS[1:, :1]]
    )
    # The artifact is loaded without Keras, and must write the same ids.
    report = export_model(tagger, tmp_path / format, format=format, examples=batches, verbose=False)
    assert report["ids_equal"] and report["max_abs_difference"] < 1e-5
