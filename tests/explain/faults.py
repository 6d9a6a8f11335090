"""Models with one fault each, as people make them, listed before the tool that finds them.

Each function gives a model, a batch for it, and what is to be found and where.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_attention import Attention, BahdanauAttention

SOURCE = np.array([[5, 6, 7, 8, 9], [6, 9, 5, 0, 0], [8, 7, 0, 0, 0], [9, 5, 6, 4, 0]])
READ = np.array([[1, 7, 5, 6], [1, 6, 9, 0], [1, 8, 0, 0], [1, 4, 4, 0]])
LABELS = np.array([[7, 5, 6, 2], [6, 9, 2, 0], [8, 2, 0, 0], [4, 4, 2, 0]])
CLASSES = np.array([[0.0], [1.0], [0.0], [1.0]])
CLASSIFIED = (SOURCE, CLASSES)
LOST = "lost mask: results depend on the padding"


class Frozen(layers.Layer):
    """Hands a tensor and its mask on, and no gradient."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        return ops.stop_gradient(x)


class DropsMasks(layers.Layer):
    """A user's layer that does not know of masks."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        return x + 1

    def compute_mask(self, x, mask=None):
        return None


def classifier(
    mask_zero=True,
    attention=None,
    between=None,
    states_as_values=False,
    pooled=False,
    query=None,
):
    """Words to a probability, with attention over the embeddings."""
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6, mask_zero=mask_zero, name="embedding")(words)
    if between is not None:
        embedded = between(embedded)
    recurrent = layers.GRU(6, return_sequences=True)
    states = layers.Bidirectional(recurrent, name="states")(embedded)
    asks = layers.GRU(6, name="question")(embedded)
    asks = asks if query is None else query(asks)
    if pooled:
        context = layers.GlobalAveragePooling1D(name="pooling")(embedded)
    else:
        attention = BahdanauAttention(6, name="attention") if attention is None else attention
        value = states if states_as_values else embedded
        context = attention(asks, value, states)
    output = layers.Dense(1, activation="sigmoid", name="output")(context)
    return keras.Model(words, output, name="classifier")


def translator(causal=True, attention=None, use_context=True):
    """Source and target ids to logits, as a tutorial writes it."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    embedded = layers.Embedding(10, 6, mask_zero=True, name="source_embedding")(source)
    memory = layers.GRU(6, return_sequences=True, name="encoder")(embedded)
    first = layers.Dense(6, name="bridge")(layers.GlobalAveragePooling1D(name="mean")(memory))
    read = layers.Embedding(10, 6, mask_zero=True, name="target_embedding")(target)
    decoder = layers.GRU(6, return_sequences=True, name="decoder")
    # Keras drops the implicit mask where there is an initial state.
    states = decoder(read, initial_state=first)
    if not causal:
        future = layers.GRU(6, return_sequences=True, go_backwards=False, name="future")
        states = states + layers.Bidirectional(future, merge_mode="sum", name="both")(read)
    attention = BahdanauAttention(6, name="attention") if attention is None else attention
    context = attention(states, memory)
    context = context if use_context else 0.0 * context
    logits = layers.Dense(10, name="logits")(layers.Concatenate()([states, context]))
    return keras.Model([source, target], logits, name="translator")


def general(**options):
    return Attention("general", name="attention", **options)


def embedding_without_mask():
    return classifier(mask_zero=False), CLASSIFIED, LOST, "question"


def layer_that_drops_the_mask():
    return classifier(between=DropsMasks(name="drops")), CLASSIFIED, LOST, "question"


def lstm_with_an_initial_state():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6, mask_zero=True)(words)
    summary = layers.GlobalAveragePooling1D()(embedded)
    state = layers.Dense(6)(summary)
    states = layers.GRU(6, name="second")(embedded, initial_state=state)
    return keras.Model(words, layers.Dense(1)(states)), CLASSIFIED, LOST, "second"


def mean_over_padding():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6, mask_zero=True)(words)
    mean = ops.mean(embedded, axis=1)
    model = keras.Model(words, layers.Dense(1)(mean), name="mean_model")
    return model, CLASSIFIED, LOST, "mean_model"


def attention_without_a_mask():
    model = classifier(between=DropsMasks(name="drops"))
    return model, CLASSIFIED, "weight on padding", "attention"


def attention_of_keras_without_a_mask():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6)(words)
    seen = layers.MultiHeadAttention(2, 3, name="attention")(embedded, embedded)
    model = keras.Model(words, layers.Dense(1)(seen[:, 0]))
    return model, CLASSIFIED, "weight on padding", "attention"


def saturated_scores():
    model = classifier(attention=general())
    model.get_layer("attention").score.key_projection.kernel.assign(1e6 * np.ones((12, 6)))
    return model, CLASSIFIED, "saturated scores", "attention"


def uniform_weights():
    model = classifier(attention=general())
    model.get_layer("attention").score.key_projection.kernel.assign(np.zeros((12, 6)))
    return model, CLASSIFIED, "uniform weights", "attention"


def weights_that_ignore_the_query():
    model = translator()
    attention = model.get_layer("attention")
    kernel = attention.score.query_projection.kernel
    kernel.assign(np.zeros(kernel.shape))
    return model, ([SOURCE, READ], LABELS), "frozen weights", "attention"


def attention_that_is_not_trained():
    model = classifier(attention=BahdanauAttention(6, name="attention", trainable=False))
    return model, CLASSIFIED, "attention that is not trained", "attention"


def stopped_gradients():
    model = classifier(between=Frozen())
    return model, CLASSIFIED, "dead gradients", "embedding"


def dead_relu():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6, mask_zero=True)(words)
    hidden = layers.Dense(6, activation="relu", name="hidden")(layers.GRU(6)(embedded))
    model = keras.Model(words, layers.Dense(1)(hidden))
    model.get_layer("hidden").bias.assign(-9 * np.ones(6))
    return model, CLASSIFIED, "dead gradients", "hidden"


def context_that_is_not_used():
    model = translator(use_context=False)
    return model, ([SOURCE, READ], LABELS), "dead gradients", "attention"


def logarithm_of_zero():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(10, 6, mask_zero=True)(words)
    log = layers.Activation(lambda x: ops.log(ops.relu(x)), name="log")
    model = keras.Model(words, layers.Dense(1)(log(layers.GRU(6)(embedded))))
    return model, CLASSIFIED, "numbers that are not finite", "log"


def states_that_know_everything():
    model = classifier(states_as_values=True)
    return model, CLASSIFIED, "attention over states that already know everything", "attention"


def targets_without_start():
    read = np.array([[7, 5, 6, 2], [6, 9, 2, 0], [8, 2, 0, 0], [4, 4, 2, 0]])
    labels = np.array([[5, 6, 2, 0], [9, 2, 0, 0], [2, 0, 0, 0], [4, 2, 0, 0]])
    return translator(), ([SOURCE, read], labels), "targets without start", "target"


def targets_not_shifted():
    batch = ([SOURCE, READ], READ)
    return translator(), batch, "the decoder reads what it is to write", "target"


def targets_shifted_the_wrong_way():
    labels = np.pad(READ, ((0, 0), (1, 0)))[:, :-1]
    return translator(), ([SOURCE, READ], labels), "targets shifted the wrong way", "target"


def targets_without_end():
    labels = np.where(LABELS == 2, 0, LABELS)
    return translator(), ([SOURCE, READ], labels), "targets without end", "labels"


def decoder_that_looks_ahead():
    batch = ([SOURCE, READ], LABELS)
    return translator(causal=False), batch, "a decoder that looks ahead", "both"


FAULTS = (
    embedding_without_mask,
    layer_that_drops_the_mask,
    lstm_with_an_initial_state,
    mean_over_padding,
    attention_without_a_mask,
    attention_of_keras_without_a_mask,
    saturated_scores,
    uniform_weights,
    weights_that_ignore_the_query,
    attention_that_is_not_trained,
    stopped_gradients,
    dead_relu,
    context_that_is_not_used,
    logarithm_of_zero,
    states_that_know_everything,
    targets_without_start,
    targets_not_shifted,
    targets_shifted_the_wrong_way,
    targets_without_end,
    decoder_that_looks_ahead,
)
