"""GlimpseClassifier: its loss, what it learns, saving."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import vision
from keras_attention.models import GlimpseClassifier

SHAPE = (None, 10, 12, 2)


def glimpses():
    layer = vision.GlimpseRNN(
        layers.LSTMCell(5),
        3,
        vision.Retina(3, 2),
        vision.GlimpseNetwork(6, 4),
        vision.GaussianLocations(0.4, seed=1),
    )
    layer.build(SHAPE)
    rng = np.random.default_rng(7)
    for variable in layer.trainable_variables:
        variable.assign(0.7 * rng.normal(size=variable.shape))
    return layer


def images(rng, count=4):
    return rng.normal(size=(count, *SHAPE[1:])).astype("float32")


@pytest.fixture
def classifier():
    model = GlimpseClassifier(glimpses(), classes=3, samples=2, factor=0.5)
    model.build(SHAPE)
    return model


def outcome(rng):
    return {
        "logits": rng.normal(size=(4, 3, 3)).astype("float32"),
        "log_probs": keras.Variable(rng.normal(size=(4, 3)), dtype="float32"),
        "baselines": keras.Variable(rng.uniform(size=(4, 3)), dtype="float32"),
    }


@pytest.mark.parametrize("training", [True, False])
def test_the_hybrid_loss_is_its_formula(training, classifier, rng):
    tf = pytest.importorskip("tensorflow")
    found, labels = outcome(rng), np.array([1, 1, 0, 0])
    with tf.GradientTape() as tape:
        loss = classifier.compute_loss(y=labels, y_pred=found, training=training)
    logits, baselines = found["logits"], np.asarray(found["baselines"])
    chosen = np.take_along_axis(logits, labels[:, None, None].repeat(3, 1), 2)[..., 0]
    rewards = chosen - np.log(np.exp(logits).sum(-1))
    expected = ((baselines - rewards) ** 2).mean() - rewards.mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    variables = [found["log_probs"].value, found["baselines"].value]
    for_locations, for_baselines = tape.gradient(loss, variables)
    # In training, the baseline is the other sample of the same image.
    others = rewards[[1, 0, 3, 2]] if training else baselines
    np.testing.assert_allclose(for_locations, -0.5 * (rewards - others) / 4, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(for_baselines, 2 * (baselines - rewards) / 12, rtol=1e-5)


def test_examples_without_weight_do_not_count(classifier, rng):
    found, labels = outcome(rng), np.array([1, 1, 0, 0])
    weighed = classifier.compute_loss(
        y=labels, y_pred=found, sample_weight=np.array([1.0, 1, 0, 0]), training=False
    )
    halves = {name: np.asarray(value)[:2] for name, value in found.items()}
    half = classifier.compute_loss(y=labels[:2], y_pred=halves, training=False)
    np.testing.assert_allclose(weighed, half, rtol=1e-5)


def test_the_baseline_does_not_depend_on_its_location(rng):
    model = GlimpseClassifier(glimpses(), classes=3)
    model.build(SHAPE)
    model.baseline.kernel.assign(rng.normal(size=(5, 1)))
    given = images(rng)
    outputs = model.glimpses(given)
    expected = np.asarray(model.baseline(outputs))[:, :-1, 0]
    found = np.asarray(model(given)["baselines"])
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[:, 0], model.baseline.bias[0])


def spots(rng, count):
    """Images whose class is visible in the upper right corner, and not from the center."""
    images = np.zeros((count, 9, 9, 1), "float32")
    labels = rng.integers(2, size=count)
    images[:, 1:3, 6:8, 0] = 2.0 * labels[:, None, None] - 1
    return images, labels


def test_it_learns_where_to_look(rng):
    glimpses = vision.GlimpseRNN(
        layers.GRUCell(8),
        steps=2,
        retina=vision.Retina(3, 1),
        network=vision.GlimpseNetwork(8, 8),
        policy=vision.GaussianLocations(0.4, seed=1),
    )
    model = GlimpseClassifier(glimpses, classes=2)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    images, labels = spots(rng, 64 * 60)
    model.fit(images, labels, batch_size=64, epochs=2, verbose=0)
    images, labels = spots(rng, 64)
    assert model.evaluate(images, labels, verbose=0, return_dict=True)["accuracy"] > 0.9
    row, column = np.asarray(model(images)["places"])[:, -1].mean(0)
    assert row < -0.3 and column > 0.3


def test_a_trained_classifier_is_saved(classifier, tmp_path, rng):
    given = images(rng)
    classifier.compile("adam", run_eagerly=True)
    classifier.fit(given, np.array([0, 0, 1, 1]), batch_size=4, shuffle=False, verbose=0)
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.samples, loaded.factor) == (2, 0.5)
    for name, expected in classifier(given).items():
        np.testing.assert_array_equal(loaded(given)[name], expected)


def test_a_classifier_of_something_else_is_refused():
    with pytest.raises(ValueError, match="glimpses: expected a GlimpseRNN"):
        GlimpseClassifier(layers.GRUCell(3), classes=2)
