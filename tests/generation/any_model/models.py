"""Small models from source and target to logits: a table of what the rules must know."""

from __future__ import annotations

import keras
from keras import layers, ops

from keras_attention import (
    Attention,
    AttentionRNN,
    BahdanauAttention,
    LuongAttention,
    MultiHeadAttention,
    vision,
)
from keras_attention.layers import TransformerDecoderBlock
from keras_attention.layers.pointer_generator import PointerGenerator

from .stepping import LENGTH, V

# Models that step with the rules that there are; and those where a layer runs on its prefix,
# with the part of the name by which the calls of such layers are found.
MODELS, ON_PREFIX = {}, {}


def model(function):
    MODELS[function.__name__] = function
    return function


def on_prefix(*names):
    def added(function):
        MODELS[function.__name__] = function
        ON_PREFIX[function.__name__] = names
        return function

    return added


def source(mask_zero=True):
    x = keras.Input((None,), dtype="int32", name="source")
    embedded = layers.Embedding(V, 6, mask_zero=mask_zero)(x)
    return x, layers.LSTM(8, return_sequences=True, return_state=True)(embedded)


def image():
    return keras.Input((2, 3, 6), name="image")


def target(mask_zero=True, length=None):
    y = keras.Input((length,), dtype="int32", name="target")
    return y, layers.Embedding(V, 8, mask_zero=mask_zero)(y)


def finished(x, y, h, *others):
    logits = layers.Dense(V, name="logits")(h)
    return keras.Model([x, y], [logits, *others] if others else logits)


@keras.saving.register_keras_serializable(package="tests")
class Positions(keras.layers.Layer):
    """Adds an embedding of the position, as KerasHub's layers and those of tutorials do."""

    supports_masking = True

    def build(self, shape):
        self.table = self.add_weight(shape=(20, shape[-1]), initializer="normal", name="table")

    def call(self, inputs):
        return inputs + ops.take(self.table, ops.arange(ops.shape(inputs)[1]), axis=0)


# Recurrent layers.


@model
def lstm_gru_simple():
    (x, (_, *state)), (y, e) = source(), target()
    h = layers.LSTM(8, return_sequences=True)(e, initial_state=state)
    h = layers.GRU(8, return_sequences=True, reset_after=False)(h)
    return finished(x, y, layers.SimpleRNN(8, return_sequences=True)(h))


@model
def stacked_cells():
    (x, (_, h0, c0)), (y, e) = source(), target()
    cells = [layers.LSTMCell(8), layers.GRUCell(6)]
    state = [[h0, c0], layers.Dense(6)(h0)]
    rnn = layers.RNN(cells, return_sequences=True, return_state=True)
    h, *_ = rnn(e, initial_state=state)
    cells = [layers.SimpleRNNCell(8), layers.LSTMCell(8)]
    return finished(x, y, layers.RNN(cells, return_sequences=True)(h))


@model
def residual_stack():
    (x, (memory, *_)), (y, e) = source(), target()
    below, h, _ = layers.LSTM(8, return_sequences=True, return_state=True)(e)
    above = layers.LSTM(8, return_sequences=True)(layers.Add()([below, e]))
    states = layers.RepeatVector(1)(layers.Dense(8)(h))
    return finished(x, y, layers.Add()([layers.Attention()([above, memory]), states * 0.0]))


@on_prefix("get_item")
def state_of_the_first_token():
    (x, (memory, *_)), (y, e) = source(), target(mask_zero=False)
    h = layers.GRU(8, return_sequences=True)(e, initial_state=layers.Dense(8)(e[:, 0]))
    rnn = AttentionRNN(layers.GRUCell(8), BahdanauAttention(6))
    return finished(x, y, rnn(h, memory, initial_state=layers.Dense(8)(e[:, 0])))


@model
def explicit_masks():
    (x, (memory, *state)), (y, e) = source(), target()
    real, known = ops.not_equal(y, 0), ops.not_equal(x, 0)
    h = layers.LSTM(8, return_sequences=True, zero_output_for_mask=True)(
        e, initial_state=state, mask=real
    )
    h = layers.GRU(8, return_sequences=True)(h, mask=real)
    context = BahdanauAttention(6)(h, memory, value_mask=known)
    context += layers.MultiHeadAttention(2, 4)(h, memory, attention_mask=known[:, None, :])
    return finished(x, y, context)


@model
def last_output_alone():
    # The next token of the whole prefix, as captioning tutorials have it.
    x = keras.Input((8,), name="features")
    y, e = target()
    h = layers.LSTM(8)(e)
    return finished(x, y, layers.Dense(8, "relu")(layers.add([layers.Dense(8)(x), h])))


# AttentionRNN and its likes.


@model
def attention_rnn():
    (x, (memory, *state)), (y, e) = source(), target()
    rnn = AttentionRNN(layers.LSTMCell(8), LuongAttention(), attention_layer=8)
    return finished(x, y, *rnn(e, memory, initial_state=state, return_attention_scores=True))


@model
def attention_rnn_before():
    (x, (memory, *_)), (y, e) = source(), target()
    rnn = AttentionRNN(layers.GRUCell(8), BahdanauAttention(6), attend="before")
    return finished(x, y, rnn(e, memory, return_state=True)[0])


@model
def two_sources():
    (x, (memory, *_)), (y, e), z = source(), target(), image()
    rnn = AttentionRNN(
        layers.LSTMCell(8), [Attention("coverage"), vision.GatedAttention("additive")]
    )
    h, weights = rnn(e, [memory, z], return_attention_scores=True)
    return keras.Model([x, z, y], [layers.Dense(V)(h), weights[1], weights[0]])


@model
def top_down():
    (y, e), z = target(), image()
    rnn = vision.TopDownRNN(layers.LSTMCell(8), BahdanauAttention(6), layers.LSTMCell(8))
    return finished(z, y, *rnn(e, z, return_attention_scores=True))


@model
def sentinel():
    (y, e), z = target(), image()
    cell = vision.SentinelCell(6)
    rnn = AttentionRNN(cell, vision.SentinelAttention("additive"), input_feeding=False)
    return finished(z, y, rnn(e, z))


# Attention over the source.


@model
def bahdanau_and_gru():
    (x, (memory, *state)), (y, e) = source(), target()
    h = layers.LSTM(8, return_sequences=True)(e, initial_state=state)
    context = BahdanauAttention(6)(h, memory)
    h = layers.GRU(8, return_sequences=True)(layers.LayerNormalization()(h + context))
    return finished(x, y, layers.Dropout(0.5)(layers.Concatenate()([h, context])))


@model
def coverage():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    context, weights = Attention("coverage")(h, memory, return_attention_scores=True)
    return finished(x, y, h + context, weights)


@model
def heads_of_ours():
    (x, (memory, *_)), (y, e), z = source(), target(), image()
    h = layers.GRU(8, return_sequences=True)(e)
    heads = MultiHeadAttention(2, 4, average_heads=False)
    context, weights = heads(h, memory, return_attention_scores=True)
    context += vision.GatedAttention("additive")(h, layers.Dense(8)(z))
    return keras.Model([x, z, y], [layers.Dense(V, name="logits")(h + context), weights])


@model
def single_query():
    (x, (memory, *_)), (y, e) = source(), target()
    return finished(x, y, BahdanauAttention(6)(layers.LSTM(8)(e), memory))


@model
def keras_attention():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    first, weights = layers.Attention(use_scale=True)([h, memory], return_attention_scores=True)
    second = layers.AdditiveAttention()([h, memory, layers.Dense(8)(memory)])
    return finished(x, y, layers.Concatenate()([h, first, second]), weights)


@model
def keras_heads():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    first, weights = layers.MultiHeadAttention(2, 4, value_dim=3)(
        h, memory, return_attention_scores=True
    )
    # The first takes the mask away from the memory, so that these do not have it.
    second = layers.MultiHeadAttention(2, 4, dropout=0.5)(h + first, memory, memory)
    third = layers.GroupQueryAttention(4, 4, 2)(h, memory)
    return finished(x, y, layers.Concatenate()([h, first, second, third]), weights)


@keras.saving.register_keras_serializable(package="tests")
class Heads(keras.layers.MultiHeadAttention):
    """A subclass: it may compute anything."""


@model
def subclass_of_keras_heads():
    (x, (memory, *_)), (y, e) = source(), target()
    h = e + Heads(2, 4)(e, e, use_causal_mask=True)
    context, weights = Heads(2, 4)(h, memory, return_attention_scores=True)
    return finished(x, y, h + context, weights)


@model
def dot_products():
    # Luong attention as tutorials wrote it before there were attention layers.
    (x, (memory, *_)), (y, e) = source(mask_zero=False), target(mask_zero=False)
    h = layers.LSTM(8, return_sequences=True)(e)
    weights = layers.Activation("softmax")(layers.Dot(axes=[2, 2])([h, memory]))
    context = layers.Dot(axes=[2, 1])([weights, memory])
    return finished(x, y, layers.TimeDistributed(layers.Dense(8))(ops.tanh(h + context)), weights)


@model
def pointer_generator():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    context, weights = BahdanauAttention(6)(h, memory, return_attention_scores=True)
    features = layers.Concatenate()([h, context])
    logits = layers.Dense(V)(features)
    return keras.Model([x, y], PointerGenerator(extension=2)(features, logits, weights, x))


# Causal self-attention.


@model
def self_attention_of_ours():
    (x, (memory, *_)), (y, e) = source(), target()
    h = e + MultiHeadAttention(2, 4)(e, e, use_causal_mask=True)
    h = h + Attention("additive")(h, h, h * 2.0, use_causal_mask=True)
    h = h + Attention("coverage")(h, h, use_causal_mask=True)
    context, weights = MultiHeadAttention(2, 4)(h, memory, return_attention_scores=True)
    return finished(x, y, h + context, weights)


@model
def self_attention_of_keras():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.LayerNormalization()(e + layers.MultiHeadAttention(2, 4)(e, e, use_causal_mask=True))
    h = layers.Add()([h, layers.GroupQueryAttention(4, 4, 2)(h, h, use_causal_mask=True)])
    h = layers.Add()([h, layers.Attention()([h, h], use_causal_mask=True)])
    h += layers.MultiHeadAttention(2, 4, sliding_window=2)(h, h, use_causal_mask=True)
    h += layers.MultiHeadAttention(2, 4, use_gate=True)(h, h, use_causal_mask=True)
    return finished(x, y, h + layers.MultiHeadAttention(2, 4)(h, memory))


@model
def transformer_blocks():
    (x, (memory, *_)), (y, e) = source(), target()
    h = TransformerDecoderBlock(8, 2)(e, memory)
    block = TransformerDecoderBlock(8, 2, score="additive")
    return finished(x, y, *block(h, memory, return_attention_scores=True))


# Positions.


@on_prefix("positions")
def position_embeddings():
    (x, (memory, *_)), (y, e) = source(), target()
    h = Positions()(e)
    return finished(x, y, h + LuongAttention()(h, memory))


@on_prefix("cumsum", "lambda")
def operations_over_time():
    (x, (memory, *_)), (y, e) = source(), target(mask_zero=False)
    h = ops.cumsum(e, axis=1)
    h = layers.Lambda(lambda h: h / ops.cast(ops.shape(h)[1], h.dtype), name="lambda")(h) * 0.0 + h
    return finished(x, y, h + LuongAttention()(h, memory))


@model
def causal_convolution():
    (x, (memory, *_)), (y, e) = source(), target(mask_zero=False)
    h = layers.Conv1D(8, 3, padding="causal", dilation_rate=2)(e)
    h = layers.Conv1D(8, 1)(layers.Conv1D(8, 2, padding="causal")(h))
    return finished(x, y, h + layers.AdditiveAttention()([h, memory]))


# Graphs.


@model
def operations():
    (x, (_, h0, _)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    h = ops.concatenate([h, ops.transpose(ops.transpose(e, (0, 2, 1)), (0, 2, 1))], axis=-1)
    h = h[:, :, ::2]
    h = h + ops.expand_dims(h0, 1) * 0.5 - layers.Reshape((1, 8))(h0)
    return finished(x, y, ops.relu(layers.Multiply()([h, layers.Dense(8)(h)])))


@model
def nested_and_shared():
    x = keras.Input((None,), dtype="int32", name="source")
    y = keras.Input((None,), dtype="int32", name="target")
    embedding = layers.Embedding(V, 8, mask_zero=True)
    inputs = keras.Input((None, 8)), keras.Input((None, 8))
    recurrent = layers.GRU(8, return_sequences=True)
    h = recurrent(recurrent(inputs[0]))
    inner = keras.Model(inputs, h + BahdanauAttention(6)(h, inputs[1]), name="inner")
    memory = layers.GRU(8, return_sequences=True)(embedding(x))
    h = inner([inner([embedding(y), memory]), memory])
    h = keras.Sequential([layers.Dense(8), layers.LSTM(8, return_sequences=True)])(h)
    return finished(x, y, h)


@model
def dictionary_and_probabilities():
    (x, (memory, *_)), (y, e) = source(), target()
    h = layers.GRU(8, return_sequences=True)(e)
    context, weights = LuongAttention()(h, memory, return_attention_scores=True)
    found = layers.Dense(V, activation="softmax")(context + h)
    return keras.Model({"target": y, "source": x}, {"weights": weights, "probabilities": found})


@model
def fixed_lengths():
    x = keras.Input((4,), dtype="int32", name="source")
    y, e = target(length=LENGTH)
    memory = layers.GRU(8, return_sequences=True)(layers.Embedding(V, 8, mask_zero=True)(x))
    h = layers.GRU(8, return_sequences=True)(e)
    return finished(x, y, h + layers.MultiHeadAttention(2, 4)(h, memory))


@model
def targets_as_numbers():
    # `keras.Input` without a dtype is float.
    (x, (memory, *_)) = source()
    y = keras.Input((None,), name="target")
    h = layers.GRU(8, return_sequences=True)(layers.Embedding(V, 8)(y))
    return finished(x, y, h + LuongAttention()(h, memory))
