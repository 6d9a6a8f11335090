"""GlimpseNetwork and GlimpseRNN."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import vision

SHAPE = (None, 10, 12, 2)


def glimpses(cell=None, steps=3, combine="add", policy=None, **options):
    dtype = options.get("dtype", "float32")
    layer = vision.GlimpseRNN(
        layers.LSTMCell(5, dtype=dtype) if cell is None else cell,
        steps,
        vision.Retina(3, 2, dtype=dtype),
        vision.GlimpseNetwork(6, 4, combine, dtype=dtype),
        vision.GaussianLocations(0.4, seed=1, dtype=dtype) if policy is None else policy,
        **options,
    )
    layer.build(SHAPE)
    rng = np.random.default_rng(7)
    for variable in layer.trainable_variables:
        variable.assign(0.7 * rng.normal(size=variable.shape))
    return layer


def images(rng, count=4):
    return rng.normal(size=(count, *SHAPE[1:])).astype("float32")


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("combine", ["add", "multiply"])
def test_the_network_is_its_formula(combine, rng):
    network = vision.GlimpseNetwork(6, 4, combine, dtype="float64")
    patches, locations = rng.normal(size=(3, 2, 3, 3, 2)), rng.normal(size=(3, 2))
    found = network(patches, locations)
    for layer in (network.what, network.where, network.from_what, network.from_where):
        if layer.use_bias:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    found = network(patches, locations)

    def dense(layer, x):
        kernel, *bias = (np.asarray(variable) for variable in layer.weights)
        return x @ kernel + (bias[0] if bias else 0)

    what = dense(network.from_what, relu(dense(network.what, patches.reshape(3, -1))))
    where = dense(network.from_where, relu(dense(network.where, locations)))
    expected = relu(what + where) if combine == "add" else relu(what) * relu(where)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_call_is_its_steps(rng):
    layer, given = glimpses(), images(rng)
    outputs, locations, log_probs = layer(given, return_locations=True)
    state = layer.initial_state(4)
    for t in range(3):
        state, location, log_prob = layer.step(given, state)
        for whole, one in ((outputs, state[0]), (locations, location), (log_probs, log_prob)):
            np.testing.assert_allclose(whole[:, t], one, rtol=1e-5, atol=1e-6)


def test_it_looks_where_it_says_and_never_outside(rng):
    layer, given = glimpses(), images(rng, 30)
    seen = []
    cut_out = layer.retina.call
    layer.retina.call = lambda images, locations: (
        seen.append(np.array(locations)) or cut_out(images, locations)
    )
    _, locations, log_probs = layer(given, return_locations=True, training=True)
    np.testing.assert_array_equal(np.stack(seen, 1), locations)
    assert np.abs(locations).max() == 1
    # That of the location as sampled, not of the clipped one.
    state = layer.initial_state(30)
    mean, _ = layer.policy(state[0])
    first = np.asarray(locations)[:, 0]
    density = -0.5 * (((first - np.asarray(mean)) / 0.4) ** 2).sum(-1)
    density -= np.log(2 * np.pi * 0.4**2)
    inside = np.abs(first).max(-1) < 1
    np.testing.assert_allclose(np.asarray(log_probs)[inside, 0], density[inside], rtol=1e-4)
    assert not np.isclose(np.asarray(log_probs)[~inside, 0], density[~inside]).any()


def test_no_gradient_flows_through_the_locations(rng):
    tf = pytest.importorskip("tensorflow")
    layer, given = glimpses(), images(rng)
    with tf.GradientTape(persistent=True) as tape:
        outputs, locations, log_probs = layer(given, return_locations=True, training=True)
        sums = ops.sum(outputs), ops.sum(locations), ops.sum(log_probs)
    policy = layer.policy.trainable_variables
    others = layer.cell.trainable_variables + layer.network.trainable_variables
    assert tape.gradient(sums[0], policy) == [None, None]
    assert all(np.any(gradient) for gradient in tape.gradient(sums[0], others))
    assert tape.gradient(sums[1], policy + others) == [None] * (len(policy) + len(others))
    assert all(np.any(gradient) for gradient in tape.gradient(sums[2], policy))
    # The state that the policy reads is trained too.
    assert all(np.any(gradient) for gradient in tape.gradient(sums[2], others))


@pytest.mark.parametrize("compiled", [False, True])
def test_in_a_graph_of_an_unknown_batch(compiled, rng):
    tf = pytest.importorskip("tensorflow")
    layer, given = glimpses(), images(rng)
    shape = [4 if compiled else None, *SHAPE[1:]]

    @tf.function(input_signature=[tf.TensorSpec(shape)], jit_compile=compiled)
    def found(images):
        return layer(images, return_locations=True)

    for one, other in zip(found(given), layer(given, return_locations=True)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "cell", [layers.GRUCell(5, dropout=0.3), [layers.LSTMCell(4), layers.LSTMCell(5)]]
)
def test_other_cells(cell, rng):
    if isinstance(cell, list):
        cell = layers.StackedRNNCells(cell)
    layer = glimpses(cell, policy=vision.UniformLocations(3))
    assert tuple(layer(images(rng), steps=5, training=True).shape) == (4, 5, 5)


def test_half_precision(rng):
    given = images(rng)
    exact = glimpses()(given, return_locations=True)
    half = glimpses(dtype="mixed_float16")(given, return_locations=True)
    dtypes = [keras.backend.standardize_dtype(found.dtype) for found in half]
    assert dtypes == ["float16", "float32", "float32"]
    for one, other in zip(half, exact):
        np.testing.assert_allclose(np.asarray(one, "float32"), other, atol=0.03)


def test_in_a_functional_model_that_is_saved(tmp_path, rng):
    given, inputs = images(rng), keras.Input(SHAPE[1:])
    model = keras.Model(inputs, glimpses()(inputs, return_locations=True))
    assert [output.shape for output in model.outputs] == [(None, 3, 5), (None, 3, 2), (None, 3)]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(loaded(given), model(given)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell": layers.LSTM(3)}, "cell: expected a Keras RNN cell"),
        ({"steps": 0}, "steps: expected a positive integer, received 0"),
        ({"combine": "max"}, "combine: expected one of 'add', 'multiply', received 'max'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        glimpses(**options)


def test_wrong_images_are_refused(rng):
    with pytest.raises(ValueError, match=r"images: expected .batch, height, width, channels"):
        glimpses()(images(rng)[0])
    with pytest.raises(ValueError, match="images: expected the 2 features"):
        glimpses()(np.zeros((2, 10, 12, 3)))
