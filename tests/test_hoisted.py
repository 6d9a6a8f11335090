"""A cell whose input is projected before the loop computes what it computes step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention import AttentionRNN, BahdanauAttention, recurrent
from keras_attention.backend import product_with
from keras_attention.hoisted import hoisted

CELLS = {
    "simple": lambda: layers.SimpleRNNCell(4),
    "lstm": lambda: layers.LSTMCell(4, activation="softsign", recurrent_activation="relu"),
    "lstm without bias": lambda: layers.LSTMCell(4, use_bias=False),
    "gru": lambda: layers.GRUCell(4),
    "gru without bias": lambda: layers.GRUCell(4, use_bias=False),
    "gru, reset before": lambda: layers.GRUCell(4, reset_after=False),
    "gru, reset before, no bias": lambda: layers.GRUCell(4, reset_after=False, use_bias=False),
}
ORDERS = {
    "fed": {},
    "before": {"attend": "before", "input_feeding": True},
    "not fed": {"input_feeding": False},
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_gradients_are_those_of_the_cell(cell, order, rng, monkeypatch):
    layer = AttentionRNN(CELLS[cell](), BahdanauAttention(3), dtype="float64", **ORDERS[order])
    layer.cell.dtype_policy = layer.attention.dtype_policy = layer.dtype_policy
    sequence, value = (
        tf.constant(rng.normal(size=(2, 3, 5))),
        tf.constant(rng.normal(size=(2, 4, 6))),
    )
    mask = np.array([[True, True, False], [False, True, True]])
    layer.build(sequence.shape, value.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))

    def values_and_gradients():
        with tf.GradientTape() as tape:
            tape.watch([sequence, value])
            outputs = layer(sequence, value, sequence_mask=mask, return_state=True, training=True)
            total = sum(tf.reduce_sum(tf.sin(x)) for x in tf.nest.flatten(outputs))
        sources = [sequence, value, *(weight.value for weight in layer.weights)]
        return outputs, tape.gradient(total, sources)

    taken_apart = []
    monkeypatch.setattr(
        recurrent, "hoisted", lambda *args: taken_apart.append(hoisted(*args)) or taken_apart[-1]
    )
    # In a graph the loop is another one; one cell is enough to show that it makes no difference.
    compiled = tf.function if cell == "lstm" else lambda function: function
    found = tf.nest.flatten(compiled(values_and_gradients)())
    assert taken_apart and None not in taken_apart
    monkeypatch.setattr(recurrent, "hoisted", lambda *args: None)
    expected = tf.nest.flatten(values_and_gradients())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


class Subclass(layers.LSTMCell):
    """Nobody knows what it changes."""


@pytest.mark.parametrize(
    ("cell", "training", "known"),
    [
        (layers.LSTMCell(4), True, True),
        (Subclass(4), False, False),
        (layers.LSTMCell(4, dropout=0.1), False, True),
        (layers.LSTMCell(4, dropout=0.1), True, False),
        (layers.GRUCell(4, recurrent_dropout=0.1), True, False),
        (layers.LSTMCell(4, dtype="mixed_float16"), True, False),
        (layers.GRUCell(4, activity_regularizer="l2"), True, False),
    ],
)
def test_only_what_is_known_is_taken_apart(cell, training, known):
    cell.build((None, 5))
    sequence = keras.ops.ones((2, 3, 5))
    assert (hoisted(cell, sequence, training) is not None) == known


def test_a_product_can_be_differentiated_twice(rng):
    x, matrix = tf.constant(rng.normal(size=(2, 3))), tf.constant(rng.normal(size=(3, 4)))

    def hessian(product):
        with tf.GradientTape() as outer:
            outer.watch([x, matrix])
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(tf.sin(product()))
            total = tf.reduce_sum(tf.sin(inner.gradient(total, x)))
        return outer.gradient(total, [x, matrix])

    expected = hessian(lambda: x @ matrix)
    for one, other in zip(hessian(lambda: product_with(matrix)(x)), expected, strict=True):
        np.testing.assert_allclose(one, other)
