"""Additive scores block by block: the same numbers as in one expression, and never all at once."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import Attention, scores
from keras_attention._core import blockwise
from keras_attention._core.blockwise import additive_scores
from tests.support.backends import compiled, differentiate, numbers, with_unknown_sizes

ACTIVATIONS = ("tanh", "sigmoid", "relu", "gelu", "softplus", "linear")
# Batch, queries, keys, units; in blocks of 60 some divide and some do not, some are cut
# into rows, some into queries, and some are one block.
SHAPES = ((4, 6, 5, 2), (3, 5, 7, 4), (7, 3, 4, 3), (1, 11, 13, 3), (2, 40, 1, 3), (9, 1, 6, 5))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 60)


def tensors(shape, dtype="float64"):
    batch, queries, keys, units = shape
    rng = np.random.default_rng(0)
    sizes = (batch, queries, units), (batch, keys, units), (units, 1), (batch, queries, keys)
    return [rng.normal(size=size).astype(dtype) for size in sizes]


def naive(query, keys, v, activation):
    """The definition, one score at a time."""
    batch, queries, units = query.shape
    found = np.zeros((batch, queries, keys.shape[1]))
    for b in range(batch):
        for i in range(queries):
            for j in range(keys.shape[1]):
                hidden = ops.convert_to_numpy(activation(query[b, i] + keys[b, j]))
                found[b, i, j] = sum(v[u, 0] * hidden[u] for u in range(units))
    return found


def in_one_expression(query, keys, v, activation):
    hidden = activation(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
    return ops.sum(ops.reshape(v, (-1,)) * hidden, axis=-1)


def value_and_gradients(function, arrays, activation):
    *arrays, upstream = map(ops.convert_to_tensor, arrays)

    def loss(*arrays):
        found = function(*arrays, activation)
        return ops.sum(found * upstream), found

    found, gradients = differentiate(loss, arrays, [])
    return numbers([found, *gradients])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_is_that_of_the_definition(name, float64):
    activation = keras.activations.get(name)
    *arrays, _ = tensors((3, 5, 7, 4))
    found = additive_scores(*map(ops.convert_to_tensor, arrays), activation)
    np.testing.assert_allclose(numbers([found])[0], naive(*arrays, activation), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_gradients_are_those_of_one_expression(shape, name, float64):
    activation, arrays = keras.activations.get(name), tensors(shape)
    found = value_and_gradients(additive_scores, arrays, activation)
    expected = value_and_gradients(in_one_expression, arrays, activation)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 60, 10**6])
def test_the_size_of_a_block_changes_nothing(block, float64, monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", block)
    arrays = tensors((3, 5, 7, 4))
    found = value_and_gradients(additive_scores, arrays, ops.tanh)
    for a, b in zip(found, value_and_gradients(in_one_expression, arrays, ops.tanh)):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_float32_is_exact_to_rounding():
    arrays = tensors((3, 20, 30, 64), "float32")
    found = value_and_gradients(additive_scores, arrays, ops.tanh)
    for a, b in zip(found, value_and_gradients(in_one_expression, arrays, ops.tanh)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_compiled_by_xla(shape):
    arrays = dict(zip("qkvg", tensors(shape, "float32")))

    def found(named):
        *arrays, upstream = map(ops.convert_to_tensor, named.values())
        loss = lambda *a: (ops.sum(additive_scores(*a, ops.tanh) * upstream),) * 2  # noqa: E731
        value, gradients = differentiate(loss, arrays, [])
        return [value, *gradients]

    for a, b in zip(numbers(compiled(found)(arrays)), numbers(found(arrays))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_one_graph_for_all_sizes(float64):
    def found(*arrays):
        q, k, v, g = map(ops.convert_to_tensor, arrays)
        # The number of units is known, as from a layer's weights.
        q, k, v = (ops.reshape(x, (*ops.shape(x)[:-1], n)) for x, n in ((q, 4), (k, 4), (v, 1)))
        loss = lambda *a: (ops.sum(additive_scores(*a, ops.tanh) * g),) * 2  # noqa: E731
        return differentiate(loss, [q, k, v], [])[1]

    traced = with_unknown_sizes(found, *(((3, "float64"),) * 2), (2, "float64"), (3, "float64"))
    for shape in ((3, 5, 7, 4), (4, 6, 5, 4), (1, 1, 1, 4), (9, 1, 6, 4), (1, 40, 2, 4)):
        arrays = tensors(shape)
        expected = value_and_gradients(in_one_expression, arrays, ops.tanh)[1:]
        for a, b in zip(numbers(traced(*arrays)), expected):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_the_gradient_has_a_gradient(float64):
    def penalty(function, arrays):
        *arrays, upstream = arrays

        def loss(*inner):
            _, gradients = differentiate(
                lambda *a: (ops.sum(function(*a, ops.tanh) * upstream),) * 2, inner, []
            )
            total = sum(ops.sum(ops.square(gradient)) for gradient in gradients)
            return total, total

        return numbers(differentiate(loss, arrays, [])[1])

    if keras.backend.backend() == "torch":
        pytest.skip("the helper of the tests cuts the inner gradient off on torch")
    arrays = tensors((3, 5, 7, 4))
    for a, b in zip(penalty(additive_scores, arrays), penalty(in_one_expression, arrays)):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_no_gradient_where_none_is_asked_for_or_none_arrives():
    query, keys, v, upstream = tensors((3, 5, 7, 4), "float32")
    arrays = query, keys, v, 0 * upstream
    for gradient in value_and_gradients(additive_scores, arrays, ops.tanh)[1:]:
        assert not gradient.any()


def test_an_attention_and_its_steps_agree_across_blocks(rng):
    # One query at a time is compared in one expression, all at once block by block.
    attention = Attention(scores.Additive(4, normalize=True))
    query, value = rng.normal(size=(3, 9, 5)), rng.normal(size=(3, 7, 6))
    together, weights = attention(query, value, return_attention_scores=True)
    memory = attention.memory(value)
    state = attention.initial_state(memory)
    for t in range(9):
        context, seen, state = attention.step(query[:, t], memory, state)
        np.testing.assert_allclose(*numbers([context, together[:, t]]), atol=1e-6)
        np.testing.assert_allclose(*numbers([seen, weights[:, t]]), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a matter of its graphs")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_differentiable_inside_a_loop_of_unknown_sizes(jit_compile):
    import tensorflow as tf

    def gradients(function):
        def step(query, keys, v):
            with tf.GradientTape() as tape:
                tape.watch((query, keys, v))

                def body(t, query):
                    weights = tf.nn.softmax(function(query, keys, v, ops.tanh))
                    return t + 1, tf.tanh(query + weights @ keys)

                start = tf.constant(0), query
                _, last = tf.while_loop(lambda t, _: t < 3, body, start, maximum_iterations=3)
            return tape.gradient(last, (query, keys, v))

        unknown = tf.TensorSpec((None, None, 4), "float64")
        signature = unknown, unknown, tf.TensorSpec((4, 1), "float64")
        return tf.function(step, signature, autograph=False, jit_compile=jit_compile)

    *arrays, _ = tensors((3, 5, 7, 4))
    expected = gradients(in_one_expression)(*arrays)
    for a, b in zip(gradients(additive_scores)(*arrays), expected):
        np.testing.assert_allclose(a, b, atol=1e-12)


# The sizes of all tensors, asked of TensorFlow's graphs, since these can be walked.


def graph_tensors(graph):
    for operation in graph.get_operations():
        yield from operation.outputs
        for name in ("body", "cond", "then_branch", "else_branch", "f"):
            if name in operation.node_def.attr:
                function = graph._get_function(operation.get_attr(name).name)
                yield from graph_tensors(function.graph)


def largest(function, shape):
    import tensorflow as tf

    def step(*arrays):
        *arrays, upstream = arrays
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            found = function(*arrays, ops.tanh)
        return tape.gradient(found, arrays, upstream)

    arrays = [tf.constant(array) for array in tensors(shape, "float32")]
    graph = tf.function(step, autograph=False).get_concrete_function(*arrays).graph
    return max(math.prod(t.shape) for t in graph_tensors(graph) if t.shape.is_fully_defined())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="walks TensorFlow's graphs")
@pytest.mark.parametrize("shape", [(8, 12, 10, 4), (2, 40, 30, 5), (32, 9, 6, 3)])
def test_no_tensor_of_every_pair_and_unit_is_held(shape, monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 240)
    whole = math.prod(shape)
    # The measure itself: the plain expression does hold one.
    assert largest(in_one_expression, shape) >= whole
    batch, queries, keys, units = shape
    inputs_and_scores = batch * queries * keys, batch * max(queries, keys) * units
    # A block is filled up to at most twice its least size, and the last one with zeros.
    assert 240 <= largest(additive_scores, shape) <= 2 * max(240, *inputs_and_scores) < whole
