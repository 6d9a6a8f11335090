"""What counts as an attention mechanism; tests/layers/test_attention_rnn_parts.py runs one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import BahdanauAttention, LuongAttention, MultiHeadAttention, vision
from keras_attention._core.protocols import AttentionMechanism, as_mechanism
from keras_attention.layers import MultiSourceAttention


class Mean:
    """The mean of all values, by steps alone."""

    def memory(self, value, mask=None):
        return (ops.convert_to_tensor(value),)

    def initial_state(self, memory):
        return ()

    def step(self, query, memory, state):
        weights = ops.ones_like(memory[0][..., 0]) / memory[0].shape[1]
        return ops.mean(memory[0], axis=1), weights, state


@pytest.mark.parametrize(
    "attention",
    [
        LuongAttention(),
        MultiHeadAttention(2, 3),
        MultiSourceAttention([LuongAttention(), BahdanauAttention(3)]),
        vision.GatedAttention("general"),
    ],
)
def test_a_full_mechanism_is_returned_as_it_is(attention):
    assert isinstance(attention, AttentionMechanism)
    assert as_mechanism(attention) is attention


def test_one_with_steps_alone_is_completed(rng):
    value = rng.normal(size=(2, 5, 6)).astype("float32")
    query = rng.normal(size=(2, 3, 4)).astype("float32")
    mechanism = as_mechanism(Mean())
    assert isinstance(mechanism, AttentionMechanism)
    memory = mechanism.memory(value)
    assert mechanism.noise(memory, 3) is None
    assert mechanism.context_size(6) == 6
    mask = np.array([[True, True, True], [True, False, True]])
    contexts, weights, state = mechanism.attend(
        ops.convert_to_tensor(query), memory, query_mask=mask
    )
    expected = np.repeat(value.mean(axis=1, keepdims=True), 3, axis=1) * mask[..., None]
    np.testing.assert_allclose(contexts, expected, atol=1e-6)
    np.testing.assert_allclose(weights, np.full((2, 3, 5), 0.2) * mask[..., None], rtol=1e-6)
    assert state == ()


@pytest.mark.parametrize("other", [None, 3, layers.Attention(), keras.layers.GRUCell(3)])
def test_something_else_is_refused(other):
    with pytest.raises(ValueError, match=r"attention: expected a keras_attention\.Attention"):
        as_mechanism(other)


def test_a_class_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"received the class Mean; write Mean\(\)"):
        as_mechanism(Mean)
