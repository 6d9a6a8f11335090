"""Wrong input is refused at once: what it was, what was expected, what came.

Each row is a call and the parts that its message must have, in this order.
"""

import re

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import (
    Attention,
    AttentionRNN,
    AttentionRNNState,
    BahdanauAttention,
    LuongAttention,
    callbacks,
    normalizers,
    scores,
    windows,
)
from keras_attention.datasets import teacher_forcing_batches
from keras_attention.generation import Greedy, score
from keras_attention.losses import SequenceCrossentropy
from keras_attention.metrics import TokenAccuracy, error_rates
from keras_attention.models import EncoderDecoder, RecurrentEncoder, TransformerEncoder
from keras_attention.text import Vocabulary

IDS = np.array([[5, 6, 7]])


def zeros(*shape):
    return np.zeros(shape, "float32")


def mask(*shape):
    return np.ones(shape, bool)


def attend(*args, **kwargs):
    return BahdanauAttention(4)(*args, **kwargs)


def recur(*args, cell=layers.GRUCell, **kwargs):
    return AttentionRNN(cell(4), BahdanauAttention(4))(*args, **kwargs)


def translate(source, target, **options):
    model = EncoderDecoder(9, 9, embedding_dim=4, units=8, **options)
    return model({"source": source, "target": target})


def state(*sizes, attentional=10):
    return AttentionRNNState([zeros(2, size) for size in sizes], zeros(2, attentional), ())


def built(layer):
    layer.build((None, None, 4), (None, None, 4))
    return layer


def first_state(layer, given):
    memory = built(layer).attention.memory(zeros(2, 5, 4))
    return layer.initial_state(memory, given)


def step_of_batches(inputs, memory, state, **options):
    layer = built(AttentionRNN(layers.GRUCell(4), LuongAttention(), attend="before"))
    start = layer.initial_state(layer.attention.memory(zeros(state, 5, 4)))
    return layer.step(
        zeros(inputs, 4), layer.attention.memory(zeros(memory, 5, 4)), start, **options
    )


WRONG = {
    # Choices and numbers.
    "score": (lambda: Attention("dott"), "score: expected one of 'dot'", "received 'dott'"),
    "score object": (lambda: Attention(3), "score: expected", "Score, received 3"),
    "scores.get": (lambda: scores.get("x"), "score: expected one of 'dot'", "received 'x'"),
    "luong score": (
        lambda: LuongAttention(score="additive"),
        "score: expected one of 'dot', 'general', 'concat'",
        "received 'additive'",
    ),
    "normalizer": (
        lambda: Attention("dot", "softmix"),
        "normalizer: expected one of 'softmax'",
        "received 'softmix'",
    ),
    "normalizers.get": (lambda: normalizers.get(None), "normalizer: expected", "received None"),
    "temperature": (
        lambda: normalizers.Softmax(0),
        "temperature: expected a number above 0",
        "received 0",
    ),
    "estimator": (
        lambda: normalizers.HardSample("reinforce"),
        "estimator: expected one of 'straight_through', 'score_function'",
        "received 'reinforce'",
    ),
    "mode": (
        lambda: normalizers.Monotonic("soft"),
        "mode: expected one of 'exact', 'recursive', 'parallel', 'hard'",
        "received 'soft'",
    ),
    "test_mode": (
        lambda: normalizers.StepwiseMonotonic(test_mode="exact"),
        "test_mode: expected one of None, 'soft', 'hard'",
        "received 'exact'",
    ),
    "sigmoid_noise": (
        lambda: normalizers.Monotonic(sigmoid_noise=-1),
        "sigmoid_noise: expected a number of at least 0",
        "received -1",
    ),
    "score_bias_init": (
        lambda: normalizers.Monotonic(score_bias_init="a"),
        "score_bias_init: expected a number, received 'a'",
    ),
    "initial_alignment": (
        lambda: scores.Location(initial_alignment="last"),
        "initial_alignment: expected one of 'zeros', 'uniform', 'first'",
        "received 'last'",
    ),
    "kernel_size": (
        lambda: scores.Location(kernel_size=0),
        "kernel_size: expected a positive integer, received 0",
    ),
    "filters": (
        lambda: scores.CumulativeLocation(filters=0),
        "filters: expected a positive integer, received 0",
    ),
    "num_components": (
        lambda: scores.GaussianMixture(0),
        "num_components: expected a positive integer, received 0",
    ),
    "version": (
        lambda: scores.GaussianMixture(version="v3"),
        "version: expected one of 'v0', 'v1', 'v2', received 'v3'",
    ),
    "a mixture without its state": (
        lambda: scores.GaussianMixture()(zeros(1, 1, 4), zeros(1, 5, 4)),
        "state: expected the state of GaussianMixture",
        "received None",
    ),
    "a score without its state": (
        lambda: scores.Coverage()(zeros(1, 1, 4), zeros(1, 5, 4)),
        "state: expected the state of Coverage",
        "received None",
    ),
    "window": (
        lambda: Attention("dot", window="local"),
        "window: expected one of 'local_m', 'local_p'",
        "received 'local'",
    ),
    "window width": (
        lambda: windows.LocalMonotonic(0),
        "width: expected a positive integer, received 0",
    ),
    "window units": (
        lambda: windows.LocalPredictive(3, units=1.5),
        "units: expected a positive integer, received 1.5",
    ),
    "upper_cells": (
        lambda: AttentionRNN(layers.GRUCell(4), Attention("dot"), upper_cells=[layers.LSTM(4)]),
        "upper_cells: expected a Keras RNN cell",
        "received <LSTM",
    ),
    "output_attention": (
        lambda: AttentionRNN(layers.GRUCell(4), Attention("dot"), output_attention=None),
        "output_attention: expected True or False, received None",
    ),
    "scheduled_sampling": (
        lambda: EncoderDecoder(9, 9, scheduled_sampling=1.0),
        "scheduled_sampling: expected a number from 0 to below 1, received 1.0",
    ),
    "k": (
        lambda: callbacks.InverseSigmoidDecay(keras.Variable(0.0), k=0),
        "k: expected a number above 0, received 0",
    ),
    "dropout of one": (lambda: Attention("dot", dropout=1), "dropout: expected", "received 1"),
    "dropout below": (lambda: LuongAttention(dropout=-0.1), "dropout: expected", "received -0.1"),
    "dropout text": (
        lambda: BahdanauAttention(4, dropout="a"),
        "dropout: expected",
        "received 'a'",
    ),
    "units of zero": (
        lambda: BahdanauAttention(0),
        "units: expected a positive integer, received 0",
    ),
    "units a float": (
        lambda: BahdanauAttention(4.0),
        "units: expected a positive integer, received 4.0",
    ),
    "units of general": (
        lambda: LuongAttention(units=-1),
        "units: expected a positive integer, received -1",
    ),
    "units of no use": (
        lambda: LuongAttention(units=4, score="dot"),
        "units: expected None",
        "'dot'",
        "received 4",
    ),
    "scale of no use": (
        lambda: LuongAttention(score="concat", scale=True),
        "scale: expected False",
        "received True with the score 'concat'",
    ),
    "a memory where tfa takes it": (
        lambda: BahdanauAttention(4, zeros(1, 1, 1)),
        "normalize: expected True or False, received array",
    ),
    "a memory as the score": (
        lambda: LuongAttention(4, zeros(1, 1, 1)),
        "score: expected one of 'dot'",
        "received array",
    ),
    "initial_scale": (
        lambda: scores.Cosine(initial_scale=0),
        "initial_scale: expected a number above 0",
        "received 0",
    ),
    # Shapes that attention cannot take.
    "query rank": (
        lambda: attend(zeros(2, 3, 4, 5), zeros(2, 5, 4)),
        "query: expected (batch, length, features)",
        "received shape (2, 3, 4, 5) of rank 4",
    ),
    "value rank": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 4)),
        "value: expected (batch, length, features)",
        "received shape (2, 4) of rank 2",
    ),
    "batch sizes": (
        lambda: attend(zeros(2, 3, 4), zeros(3, 5, 4)),
        "value: expected as many examples as query has",
        "(2, 5, 4), received shape (3, 5, 4)",
    ),
    "key": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), zeros(2, 6, 4)),
        "key: expected as many examples and positions as value has",
        "(2, 5, 4), received shape (2, 6, 4)",
    ),
    "sizes of dot": (
        lambda: LuongAttention(score="dot")(zeros(2, 3, 4), zeros(2, 5, 6)),
        "last sizes must be equal, received query of shape",
        "4) and key of shape",
        "6)",
        "Use the score 'general'",
    ),
    "sizes of scaled_dot": (
        lambda: Attention("scaled_dot")(zeros(2, 3, 4), zeros(2, 5, 6)),
        "ScaledDot",
        "last sizes must be equal, received query",
    ),
    "sizes of cosine": (
        lambda: Attention("cosine")(zeros(2, 3, 4), zeros(2, 5, 6)),
        "Cosine",
        "last sizes must be equal, received query",
    ),
    "units of general and query": (
        lambda: LuongAttention(units=5)(zeros(2, 3, 4), zeros(2, 5, 6)),
        "units must be the query's last size",
        "received units=5",
        "query of shape",
    ),
    "value_mask": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), value_mask=mask(2, 3)),
        "value_mask: expected one boolean per position of value",
        "(2, 5), received shape (2, 3)",
    ),
    "value_mask rank": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), value_mask=mask(2, 3, 5)),
        "value_mask: expected",
        "(2, 5), received shape (2, 3, 5)",
    ),
    "value_mask of a map": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 6, 4), value_mask=mask(2, 30)),
        "value_mask: expected",
        "(2, 5, 6), received shape (2, 30)",
    ),
    "query_mask": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), query_mask=mask(2, 5)),
        "query_mask: expected one boolean per query",
        "(2, 3), received shape (2, 5)",
    ),
    "empty batch": (
        lambda: attend(zeros(0, 3, 4), zeros(0, 5, 4)),
        "query: expected",
        "at least one element, received the empty shape (0, 3, 4)",
    ),
    "empty memory": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 0, 4)),
        "value: expected",
        "at least one element, received the empty shape (2, 0, 4)",
    ),
    "causal over a map": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 6, 4), use_causal_mask=True),
        "use_causal_mask: expected",
        "received query of shape (2, 3, 4) and value of shape (2, 5, 6, 4)",
    ),
    "unknown features": (
        lambda: attend(keras.Input((None, None)), keras.Input((None, 4))),
        "query: expected a known last size",
        "received shape (None, None, None)",
    ),
    "symbolic sizes": (
        lambda: attend(
            keras.Input((3, 4), batch_size=2), keras.Input((5, 4)), value_mask=keras.Input((4,))
        ),
        "value_mask: expected",
        "(None, 5), received shape (None, 4)",
    ),
    "another query than it was built for": (
        lambda: built(LuongAttention(score="dot"))(zeros(2, 3, 5), zeros(2, 5, 4)),
        "query: expected the 4 features that the layer was built for",
        "(2, 3, 4), received shape (2, 3, 5)",
    ),
    "another value than it was built for": (
        lambda: built(LuongAttention(score="dot"))(zeros(2, 3, 4), zeros(2, 5, 6)),
        "value: expected the 4 features",
        "received shape (2, 5, 6)",
    ),
    "another key than it was built for": (
        lambda: built(LuongAttention())(zeros(2, 3, 4), zeros(2, 5, 6), zeros(2, 5, 6)),
        "key: expected the 4 features",
        "received shape (2, 5, 6)",
    ),
    "memory before build": (
        lambda: BahdanauAttention(4).memory(zeros(2, 5, 4)),
        "BahdanauAttention is not built",
    ),
    "a list as keras.layers.Attention takes it": (
        lambda: attend([zeros(2, 3, 4), zeros(2, 5, 4)]),
        "query: expected a tensor, received a list of 2",
        "write layer(query, value)",
    ),
    "mask as keras.layers.Attention takes it": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), mask=[mask(2, 3), mask(2, 5)]),
        "mask: expected query_mask and value_mask",
    ),
    "attention_mask": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), attention_mask=mask(1, 3, 5)),
        "attention_mask: expected one boolean per query and position of value",
        "(2, 3, 5), received shape (1, 3, 5)",
    ),
    "attention_mask of a symbolic query": (
        lambda: attend(
            keras.Input((3, 4)), keras.Input((5, 4)), attention_mask=keras.Input((5, 3))
        ),
        "attention_mask: expected",
        "(None, 3, 5), received shape (None, 5, 3)",
    ),
    "key_mask": (
        lambda: attend(zeros(2, 3, 4), zeros(2, 5, 4), key_mask=mask(2, 3)),
        "key_mask: expected one boolean per position of value",
        "(2, 5), received shape (2, 3)",
    ),
    # Recurrences.
    "a list of sequence and value": (
        lambda: recur([zeros(2, 3, 4), zeros(2, 5, 4)]),
        "sequence: expected a tensor, received a list of 2",
        "write layer(sequence, value)",
    ),
    "mask of a recurrence": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 4), mask=mask(2, 3)),
        "mask: expected sequence_mask and value_mask",
    ),
    "a class as the attention": (
        lambda: AttentionRNN(layers.GRUCell(4), LuongAttention),
        "attention: expected a keras_attention.Attention",
        "received the class LuongAttention; write LuongAttention()",
    ),
    "a class among several attentions": (
        lambda: AttentionRNN(layers.GRUCell(4), [LuongAttention(), LuongAttention]),
        "attention: expected a keras_attention.Attention",
        "received the class LuongAttention",
    ),
    "a class as the cell": (
        lambda: AttentionRNN(layers.GRUCell, LuongAttention()),
        "cell: expected a cell, received the class GRUCell; write GRUCell(units)",
    ),
    "inputs of a step": (
        lambda: step_of_batches(1, 2, 2),
        "state: expected as many examples as inputs has",
        "(1, 4), received shape (2, 4)",
    ),
    "memory of a step": (
        lambda: step_of_batches(2, 1, 2),
        "memory: expected an example for each of inputs",
        "received shape (1, 5, 4)",
    ),
    "state of a step": (
        lambda: step_of_batches(2, 2, 1),
        "state: expected as many examples as inputs has",
        "(2, 4), received shape (1, 4)",
    ),
    "inputs of a step and beams": (
        lambda: step_of_batches(3, 2, 3, beams=2),
        "inputs: expected a multiple of beams=2 examples, received shape (3, 4)",
    ),
    "cell": (
        lambda: AttentionRNN(layers.Dense(4), LuongAttention()),
        "cell: expected a Keras RNN cell",
        "received <Dense",
    ),
    "a layer over sequences as a cell": (
        lambda: AttentionRNN(layers.LSTM(4), LuongAttention()),
        "cell: expected a Keras RNN cell",
        "received <LSTM",
    ),
    "attention": (
        lambda: AttentionRNN(layers.GRUCell(4), layers.Attention()),
        "attention: expected a keras_attention.Attention",
        "received <Attention",
    ),
    "attend": (
        lambda: AttentionRNN(layers.GRUCell(4), LuongAttention(), attend="during"),
        "attend: expected one of 'after', 'before', received 'during'",
    ),
    "attention_layer size": (
        lambda: AttentionRNN(layers.GRUCell(4), LuongAttention(), attention_layer=0),
        "attention_layer: expected a positive integer, received 0",
    ),
    "attention_layer": (
        lambda: AttentionRNN(layers.GRUCell(4), LuongAttention(), attention_layer="tanh"),
        "attention_layer: expected a Keras layer",
        "received 'tanh'",
    ),
    "sequence rank": (
        lambda: recur(zeros(2, 4), zeros(2, 5, 6)),
        "sequence: expected (batch, length, features), received shape (2, 4) of rank 2",
    ),
    "sequence empty": (
        lambda: recur(zeros(2, 0, 4), zeros(2, 5, 6)),
        "sequence: expected",
        "received the empty shape (2, 0, 4)",
    ),
    "another sequence than it was built for": (
        lambda: built(AttentionRNN(layers.GRUCell(4), LuongAttention()))(
            zeros(2, 3, 5), zeros(2, 5, 4)
        ),
        "sequence: expected the 4 features that the layer was built for",
        "received shape (2, 3, 5)",
    ),
    "too few states for a step": (
        lambda: first_state(AttentionRNN(layers.LSTMCell(4), LuongAttention()), zeros(2, 4)),
        "initial_state: expected 2 tensors, as LSTMCell has, received 1",
    ),
    "recurrence over value": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 6)),
        "value: expected",
        "received shape (2, 6) of rank 2",
    ),
    "recurrence batch": (
        lambda: recur(zeros(2, 3, 4), zeros(1, 5, 6)),
        "value: expected as many examples as sequence has",
        "received shape (1, 5, 6)",
    ),
    "sequence_mask": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), sequence_mask=mask(2, 5)),
        "sequence_mask: expected one boolean per step",
        "(2, 3), received shape (2, 5)",
    ),
    "recurrence value_mask": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), value_mask=mask(2, 3)),
        "value_mask: expected",
        "(2, 5), received shape (2, 3)",
    ),
    "too few states": (
        lambda: recur(
            zeros(2, 3, 4), zeros(2, 5, 6), cell=layers.LSTMCell, initial_state=[zeros(2, 4)]
        ),
        "initial_state: expected 2 tensors, as LSTMCell has, received 1",
    ),
    "too many states": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), initial_state=[zeros(2, 4), zeros(2, 4)]),
        "initial_state: expected 1 tensors, as GRUCell has, received 2",
    ),
    "size of a state": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), initial_state=zeros(2, 5)),
        "initial_state: expected",
        "(2, 4), received shape (2, 5)",
    ),
    "a whole state of another cell": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), initial_state=state(4, 4)),
        "initial_state: expected 1 tensors, as GRUCell has, received 2",
    ),
    "attentional vector": (
        lambda: recur(zeros(2, 3, 4), zeros(2, 5, 6), initial_state=state(4, attentional=3)),
        "initial_state.attentional: expected",
        "(2, 10), received shape (2, 3)",
    ),
    "recurrence unknown features": (
        lambda: recur(keras.Input((None, None)), keras.Input((None, 6))),
        "sequence: expected a known last size",
    ),
    # Models.
    "float source": (
        lambda: translate(IDS.astype("float32"), IDS),
        "source: expected integer ids, received dtype float32",
    ),
    "float target": (
        lambda: translate(IDS, IDS.astype("float64")),
        "target: expected integer ids, received dtype float",
    ),
    "source rank": (
        lambda: translate(IDS[0], IDS),
        "source: expected ids of shape (batch, length), received shape (3,) of rank 1",
    ),
    "empty source": (
        lambda: translate(IDS[:, :0], IDS),
        "source: expected",
        "at least one element, received the empty shape (1, 0)",
    ),
    "empty batch of ids": (
        lambda: translate(IDS[:0], IDS[:0]),
        "source: expected",
        "received the empty shape (0, 3)",
    ),
    "rows of ids": (
        lambda: translate(IDS, np.repeat(IDS, 2, axis=0)),
        "target: expected as many targets as sources",
        "received shape (2, 3)",
    ),
    "one input": (
        lambda: EncoderDecoder(9, 9, units=8)(IDS),
        "inputs: expected a dictionary with the ids 'source' and 'target', received",
    ),
    "source alone": (
        lambda: EncoderDecoder(9, 9, units=8)({"source": IDS}),
        "inputs: expected a dictionary with the ids 'source' and 'target', received ['source']",
    ),
    "model attention": (
        lambda: translate(IDS, IDS, attention="general"),
        "attention: expected a keras_attention.Attention or None, received 'general'",
    ),
    "model cell": (
        lambda: translate(IDS, IDS, cell="rnn"),
        "cell: expected one of 'lstm', 'gru', received 'rnn'",
    ),
    "model attend": (
        lambda: translate(IDS, IDS, attend=None),
        "attend: expected one of 'after', 'before', received None",
    ),
    "model encoder": (
        lambda: translate(IDS, IDS, encoder="cnn"),
        "encoder: expected one of 'lstm', 'gru', 'transformer', received 'cnn'",
    ),
    "model num_encoder_layers": (
        lambda: translate(IDS, IDS, num_encoder_layers=0),
        "num_encoder_layers: expected a positive integer, received 0",
    ),
    "model num_decoder_layers": (
        lambda: translate(IDS, IDS, num_decoder_layers=True),
        "num_decoder_layers: expected a positive integer, received True",
    ),
    "model dropout": (
        lambda: translate(IDS, IDS, dropout=1.5),
        "dropout: expected a number from 0 to below 1, received 1.5",
    ),
    "vocabulary": (
        lambda: EncoderDecoder(4, 9),
        "source_vocabulary: expected",
        "at least 5",
        "received 4",
    ),
    "odd encoder": (
        lambda: RecurrentEncoder(7),
        "units: expected an even number",
        "received 7",
    ),
    "encoder heads": (
        lambda: TransformerEncoder(12, num_heads=4),
        "units: expected a multiple of 2 * num_heads = 8, received 12",
    ),
    # Decoding, text, losses, metrics and data.
    "max_length": (
        lambda: Greedy(max_length=0)(None, IDS),
        "max_length: expected a positive integer, received 0",
    ),
    "decoding a float": (
        lambda: Greedy()(EncoderDecoder(9, 9, units=8), IDS.astype("float32")),
        "source: expected integer ids, received dtype float32",
    ),
    "decoding an empty batch": (
        lambda: Greedy()(EncoderDecoder(9, 9, units=8), IDS[:0]),
        "source: expected",
        "received the empty shape (0, 3)",
    ),
    "scoring a float": (
        lambda: score(None, IDS, IDS.astype("float32")),
        "targets: expected integer ids, received dtype float32",
    ),
    "token twice": (lambda: Vocabulary("aba"), "tokens: expected each once", "received 3 tokens"),
    "special token": (
        lambda: Vocabulary(["<end>"], separator=" "),
        "tokens: expected",
        "none of <pad>",
    ),
    "long character": (
        lambda: Vocabulary(["ab"]),
        "tokens: expected single characters, received 'ab'",
    ),
    "token with a space": (
        lambda: Vocabulary(["a b"], separator=" "),
        "tokens: expected words without spaces, received 'a b'",
    ),
    "separator": (
        lambda: Vocabulary("a", separator=","),
        "separator: expected one of '', ' ', received ','",
    ),
    "label_smoothing": (
        lambda: SequenceCrossentropy(label_smoothing=1.0),
        "label_smoothing: expected a number from 0 to below 1, received 1.0",
    ),
    "labels of one more rank": (
        lambda: SequenceCrossentropy()(np.zeros((2, 3, 1), int), zeros(2, 3, 5)),
        "y_true: expected one id per position of y_pred",
        "(2, 3), received shape (2, 3, 1)",
    ),
    "labels of one more rank in a metric": (
        lambda: TokenAccuracy().update_state(np.zeros((2, 3, 1), int), zeros(2, 3, 5)),
        "y_true: expected one id per position of y_pred",
    ),
    "error rates of nothing": (lambda: error_rates([], []), "references: expected", "0 for 0"),
    "error rates unequal": (
        lambda: error_rates(["a"], []),
        "references: expected",
        "received 0 for 1",
    ),
    "batches unequal": (
        lambda: teacher_forcing_batches([[4]], []),
        "targets: expected one sequence per source and at least one, received 0 for 1",
    ),
    "batches of nothing": (lambda: teacher_forcing_batches([], []), "targets: expected", "0 for 0"),
    "batches of an empty sequence": (
        lambda: teacher_forcing_batches([[4], []], [[4], [4]]),
        "sources, targets: expected no empty sequence",
    ),
    "batch_size": (
        lambda: teacher_forcing_batches([[4]], [[4]], batch_size=0),
        "batch_size: expected a positive integer, received 0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused_by_name(name):
    call, *parts = WRONG[name]
    with pytest.raises(ValueError, match="(.|\n)*".join(map(re.escape, parts))):
        call()
