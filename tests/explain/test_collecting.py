import keras
import numpy as np
from keras import layers

from keras_attention import AttentionRNN, BahdanauAttention, MultiHeadAttention
from keras_attention.explain import attention_weights, rollout
from keras_attention.models import Transformer


def test_the_weights_are_those_that_the_layers_return(rng):
    query, value = keras.Input((3, 4)), keras.Input((5, 4))
    context, of_ours = MultiHeadAttention(2, 3, name="ours")(
        query, value, return_attention_scores=True
    )
    heads = layers.MultiHeadAttention(2, 3, name="keras")
    again, of_keras = heads(context, value, return_attention_scores=True)
    recurrence = AttentionRNN(layers.GRUCell(4), BahdanauAttention(4, name="inner"))
    outputs, of_steps = recurrence(again, value, return_attention_scores=True)
    model = keras.Model([query, value], [of_ours, of_keras, of_steps, outputs])
    inputs = [rng.normal(size=(2, n, 4)).astype("float32") for n in (3, 5)]
    ours, keras_own, steps, _ = map(np.asarray, model(inputs))
    found = attention_weights(model, inputs)
    assert [path.split("/")[-1] for path in found] == ["ours", "keras", "inner"]
    for one, other in zip(found.values(), (ours, keras_own.mean(1), steps)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_stack_is_rolled_out_with_padding_apart():
    model = Transformer(9, 9, units=8, num_heads=2, num_encoder_layers=2, num_decoder_layers=1)
    source = np.array([[4, 5, 6], [7, 8, 0]])
    found = attention_weights(model, {"source": source, "target": np.array([[1, 7], [1, 6]])})
    encoder = [weights for path, weights in found.items() if "encoder" in path]
    assert len(encoder) == 2
    rolled = rollout(encoder)
    np.testing.assert_allclose(rolled.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(rolled[1, :2, 2], 0, atol=1e-7)
