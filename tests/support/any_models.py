"""Models as people write them, from sources and a target to logits; none of them decodes itself.

All have the inputs that `example_sources` fills. Units are few, so that each is built, decoded and
exported within seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from keras_attention import Attention, AttentionRNN, BahdanauAttention, LuongAttention, scores
from keras_attention import MultiHeadAttention as OurHeads

SOURCE_SIZE, TARGET_SIZE, UNITS = 24, 20, 8
IMAGE = (32, 32, 3)


class Size(NamedTuple):
    """The vocabularies and units of a model."""

    source: int = SOURCE_SIZE
    target: int = TARGET_SIZE
    units: int = UNITS


SMALL = Size()


class AnyModel(NamedTuple):
    """A row of the table.

    Attributes:
        build: `build(size)`, the model.
        mode: how it is decoded, "step" or "prefix".
        on_prefix: whether single layers run on all positions so far.
        target: its name, where it must be declared.
    """

    build: Callable[[Size], keras.Model]
    mode: str = "step"
    on_prefix: bool = False
    target: str | None = None


def ids(name, length=None):
    return keras.Input((length,), dtype="int32", name=name)


def sources_and_target(*names):
    return [ids(name) for name in names or ("source", "target")]


def readme(size):
    """The translator of the README."""
    source, target = sources_and_target()
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    memory, *final = layers.LSTM(size.units, return_sequences=True, return_state=True)(embedded)
    decoder = AttentionRNN(
        layers.LSTMCell(size.units), LuongAttention(), attention_layer=size.units
    )
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    vectors, _ = decoder(written, memory, initial_state=final, return_attention_scores=True)
    return keras.Model({"source": source, "target": target}, layers.Dense(size.target)(vectors))


def readme_parts(size):
    """The parts that the README combines: a text and an image, a state in score and window."""
    text, image, target = ids("text"), keras.Input((None, 6), name="image"), ids("target")
    words = layers.Embedding(size.source, size.units, mask_zero=True)(text)
    attention = Attention(scores.Coverage(size.units), normalizer="entmax15")
    heads = OurHeads(2, 4, score="additive", output_shape=size.units)
    decoder = AttentionRNN(
        layers.LSTMCell(size.units), [attention, heads], attention_layer=size.units
    )
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    vectors, _ = decoder(written, [words, image], return_attention_scores=True)
    inputs = {"text": text, "image": image, "target": target}
    return keras.Model(inputs, layers.Dense(size.target)(vectors))


def notebook_01(size, look=False):
    """The model that notebook 01 builds by hand; `look` returns its weights too."""
    source, target = sources_and_target()
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    recurrent = layers.LSTM(size.units // 2, return_sequences=True, return_state=True)
    memory, *states = layers.Bidirectional(recurrent)(embedded)
    summary = layers.Concatenate()(states)
    first_state = [layers.Dense(size.units, activation="tanh")(summary) for _ in ("h", "c")]
    tokens = layers.Embedding(size.target, size.units, mask_zero=True, name="tokens")(target)
    decoder = AttentionRNN(
        layers.LSTMCell(size.units),
        LuongAttention(score="general"),
        attention_layer=size.units,
        name="decoder",
    )
    vectors, weights = decoder(
        tokens, memory, initial_state=first_state, return_attention_scores=True
    )
    logits = layers.Dense(size.target, name="logits")(vectors)
    inputs = {"source": source, "target": target}
    return keras.Model(inputs, [logits, weights] if look else logits)


def notebook_02(size, luong=False):
    """Bahdanau's or Luong's model of notebook 02, written by hand."""
    source, target = sources_and_target()
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    recurrent = layers.GRU(size.units // 2, return_sequences=True, return_state=True)
    memory, *states = layers.Bidirectional(recurrent)(embedded)
    first_state = layers.Dense(size.units, activation="tanh")(layers.Concatenate()(states))
    attention = LuongAttention(score="general", scale=True)
    decoder = AttentionRNN(
        layers.GRUCell(size.units),
        attention if luong else BahdanauAttention(size.units),
        attend="after" if luong else "before",
        input_feeding=False,
        attention_layer=size.units,
    )
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    vectors = decoder(written, memory, initial_state=[first_state])
    return keras.Model({"source": source, "target": target}, layers.Dense(size.target)(vectors))


def luong_tutorial(size):
    """An LSTM, Luong's attention over all its states, and a softmax."""
    encoder_inputs, decoder_inputs = (
        keras.Input((None,), name=name) for name in ("encoder_inputs", "decoder_inputs")
    )
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(encoder_inputs)
    encoder = layers.LSTM(size.units, return_sequences=True, return_state=True)
    encoder_outputs, state_h, state_c = encoder(embedded)
    written = layers.Embedding(size.target, size.units, mask_zero=True)(decoder_inputs)
    decoder = layers.LSTM(size.units, return_sequences=True, return_state=True)
    decoder_outputs, _, _ = decoder(written, initial_state=[state_h, state_c])
    context = layers.Attention()([decoder_outputs, encoder_outputs])
    together = layers.Concatenate(axis=-1)([decoder_outputs, context])
    outputs = layers.Dense(size.target, activation="softmax")(together)
    return keras.Model([encoder_inputs, decoder_inputs], outputs)


def bahdanau_tutorial(size):
    """A GRU, Bahdanau's attention, and the logits for every position."""
    source, target = sources_and_target("inp", "tar")
    embedded = layers.Embedding(size.source, size.units)(source)
    memory, state = layers.GRU(size.units, return_sequences=True, return_state=True)(embedded)
    written = layers.Embedding(size.target, size.units)(target)
    states = layers.GRU(size.units, return_sequences=True)(written, initial_state=state)
    context, _ = layers.AdditiveAttention()([states, memory], return_attention_scores=True)
    hidden = layers.TimeDistributed(layers.Dense(size.units, activation="tanh"))(
        layers.Concatenate()([context, states])
    )
    return keras.Model([source, target], layers.TimeDistributed(layers.Dense(size.target))(hidden))


def residual_tutorial(size):
    """Two recurrent layers with a residual connection, dropout and normalization."""
    source, target = sources_and_target()
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    memory, *state = layers.LSTM(size.units, return_sequences=True, return_state=True)(embedded)
    written = layers.Dropout(0.3)(layers.Embedding(size.target, size.units)(target))
    below = layers.LSTM(size.units, return_sequences=True)(written, initial_state=state)
    above = layers.LSTM(size.units, return_sequences=True)(below, initial_state=state)
    states = layers.LayerNormalization()(below + above)
    context = LuongAttention(score="general")(states, memory)
    merged = layers.Add()([states, layers.Dense(size.units)(context)])
    return keras.Model({"source": source, "target": target}, layers.Dense(size.target)(merged))


@keras.saving.register_keras_serializable(package="keras_attention_tests")
class PositionalEmbedding(layers.Layer):
    """Embeddings of tokens and positions, as Keras' Transformer tutorial writes them."""

    def __init__(self, size, units, length=64, **options):
        super().__init__(**options)
        self.size, self.units, self.length = size, units, length
        self.tokens = layers.Embedding(size, units)
        self.positions = layers.Embedding(length, units)

    def build(self, shape):
        self.tokens.build(shape)
        self.positions.build(shape)

    def call(self, inputs):
        return self.tokens(inputs) + self.positions(ops.arange(ops.shape(inputs)[-1]))

    def compute_output_shape(self, shape):
        return (*shape, self.units)

    def get_config(self):
        own = {"size": self.size, "units": self.units, "length": self.length}
        return {**super().get_config(), **own}


def feed_forward(x, units):
    hidden = layers.Dense(2 * units, activation="relu")(x)
    return layers.LayerNormalization()(x + layers.Dense(units)(hidden))


def transformer_tutorial(size):
    """A block of the Transformer on each side, of Keras' layers."""
    source, target = sources_and_target()
    x = PositionalEmbedding(size.source, size.units)(source)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    memory = feed_forward(x, size.units)
    y = PositionalEmbedding(size.target, size.units)(target)
    seen = layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)
    y = layers.LayerNormalization()(y + seen)
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, memory))
    return keras.Model([source, target], layers.Dense(size.target)(feed_forward(y, size.units)))


def captioner_tutorial(size):
    """Captions over a backbone of Keras, with attention over its feature map."""
    image, caption = keras.Input(IMAGE, name="image"), ids("caption")
    whole = keras.applications.MobileNetV2(IMAGE, alpha=0.35, include_top=False, weights=None)
    features = whole.get_layer("block_6_expand_relu").output
    backbone = keras.Model(whole.input, features, name="backbone")
    backbone.trainable = False
    # As with pretrained weights: its normalization is that of inference.
    features = layers.Reshape((16, features.shape[-1]))(backbone(image, training=False))
    features = layers.Dense(size.units, activation="relu")(features)
    first = layers.Dense(size.units, activation="tanh")(layers.GlobalAveragePooling1D()(features))
    written = layers.Embedding(size.target, size.units, mask_zero=True)(caption)
    states = layers.GRU(size.units, return_sequences=True)(written, initial_state=first)
    context = BahdanauAttention(size.units)(states, features)
    logits = layers.Dense(size.target)(layers.Concatenate()([states, context]))
    return keras.Model({"image": image, "caption": caption}, logits)


def fit_normalization(model, images):
    """Random weights let the features of a backbone vanish, unless its statistics fit them."""
    backbone = model.get_layer("backbone")
    backbone.trainable = True
    found = [x for x in backbone.layers if isinstance(x, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in found]
    for layer in found:
        layer.momentum = 0.0
    backbone(images, training=True)
    for layer, momentum in zip(found, momenta):
        layer.momentum = momentum
    backbone.trainable = False


def keras_only(size):
    """Stacked cells and heads of Keras; operations in the graph."""
    source, target = sources_and_target()
    embedded = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    memory = layers.Bidirectional(layers.SimpleRNN(size.units, return_sequences=True))(embedded)
    cells = layers.StackedRNNCells([layers.GRUCell(size.units), layers.LSTMCell(size.units)])
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    states = layers.RNN(cells, return_sequences=True)(written)
    context = layers.MultiHeadAttention(2, 4)(states, memory)
    merged = ops.concatenate([states, ops.tanh(context) * 0.5 + states], axis=-1)
    return keras.Model([source, target], layers.Dense(size.target)(merged))


def text_and_image(size):
    """Two sources, each with an attention of its own."""
    text, image, target = ids("text"), keras.Input((4, 4, 6), name="image"), ids("target")
    words = layers.Embedding(size.source, size.units, mask_zero=True)(text)
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    states = layers.GRU(size.units, return_sequences=True)(written)
    over_text = BahdanauAttention(size.units)(states, words)
    over_image = LuongAttention(score="general")(states, image)
    merged = layers.Concatenate()([states, over_text, over_image])
    inputs = {"text": text, "image": image, "target": target}
    return keras.Model(inputs, layers.Dense(size.target)(merged))


def nested(size):
    """An encoder and a decoder that are models, inside of a third; the embedding is shared."""
    shared = layers.Embedding(max(size.source, size.target), size.units, mask_zero=True)
    encoded = keras.Input((None,), dtype="int32")
    memory, state = layers.GRU(size.units, return_sequences=True, return_state=True)(
        shared(encoded)
    )
    encoder = keras.Model(encoded, [memory, state], name="encoder")
    read, over, first = (
        ids("read"),
        keras.Input((None, size.units), name="over"),
        keras.Input((size.units,), name="first"),
    )
    states = layers.GRU(size.units, return_sequences=True)(shared(read), initial_state=first)
    context = LuongAttention()(states, over)
    decoder = keras.Model([read, over, first], layers.Concatenate()([states, context]), name="dec")
    source, target = sources_and_target()
    vectors = decoder([target, *encoder(source)])
    hidden = layers.Dense(size.units, activation="relu")(vectors)
    logits = layers.Dense(size.target)(hidden)
    return keras.Model({"source": source, "target": target}, logits)


def multi_output(size):
    """A dictionary of logits, weights and states."""
    source, target = sources_and_target("question", "answer_in")
    memory = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    written = layers.Embedding(size.target, size.units, mask_zero=True)(target)
    states = layers.LSTM(size.units, return_sequences=True)(written)
    context, weights = BahdanauAttention(size.units)(states, memory, return_attention_scores=True)
    logits = layers.Dense(size.target)(layers.Concatenate()([states, context]))
    return keras.Model(
        {"question": source, "answer_in": target},
        {"attention": weights, "logits": logits, "states": states},
    )


def mixed_precision(size):
    """The model of the README in half precision, with float32 logits."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = readme(size)
    finally:
        keras.config.set_dtype_policy(before)
    return model


def convolutional(size):
    """A causal convolution, which reads more than one position, over the target."""
    source, target = sources_and_target()
    memory = layers.Embedding(size.source, size.units, mask_zero=True)(source)
    written = layers.Embedding(size.target, size.units)(target)
    states = layers.Conv1D(size.units, 3, padding="causal", activation="relu")(written)
    context = LuongAttention()(states, memory)
    logits = layers.Dense(size.target)(layers.Concatenate()([states, context]))
    return keras.Model({"source": source, "target": target}, logits)


def fixed_length(size):
    """Inputs of fixed lengths, and a layer of the user's without a rule that looks back."""
    source, target = ids("source", 6), ids("target", 7)
    memory = layers.Embedding(size.source, size.units)(source)
    positions = layers.Embedding(7, size.units)(ops.arange(7)[None])
    written = layers.Embedding(size.target, size.units)(target) + positions
    states = layers.GRU(size.units, return_sequences=True)(written)
    context = layers.Attention()([states, memory])
    logits = layers.Dense(size.target)(layers.Concatenate()([states, context]))
    return keras.Model({"source": source, "target": target}, logits)


def keras_hub_functional(size):
    """KerasHub's layers in a functional model."""
    import keras_hub

    source, target = sources_and_target("encoder_inputs", "decoder_inputs")

    def embedded(size_, x):
        return keras_hub.layers.TokenAndPositionEmbedding(size_, 64, size.units)(x)

    memory = keras_hub.layers.TransformerEncoder(16, 2)(embedded(size.source, source))
    states = keras_hub.layers.TransformerDecoder(16, 2)(embedded(size.target, target), memory)
    return keras.Model([source, target], layers.Dense(size.target)(states))


@keras.saving.register_keras_serializable(package="keras_attention_tests")
class Subclassed(keras.Model):
    """KerasHub's layers in a subclass of `keras.Model`, which has no graph."""

    def __init__(self, source_size, target_size, units, **options):
        import keras_hub

        super().__init__(**options)
        self.sizes = (source_size, target_size, units)
        embedding = keras_hub.layers.TokenAndPositionEmbedding
        self.read = embedding(source_size, 64, units)
        self.written = embedding(target_size, 64, units)
        self.decoder = keras_hub.layers.TransformerDecoder(16, 2)
        self.head = layers.Dense(target_size)

    def call(self, inputs):
        return self.head(self.decoder(self.written(inputs["target"]), self.read(inputs["source"])))

    def get_config(self):
        return {
            **super().get_config(),
            **dict(zip(("source_size", "target_size", "units"), self.sizes)),
        }


def subclassed(size):
    model = Subclassed(*size)
    model({name: np.ones((1, 2), "int32") for name in ("source", "target")})
    return model


MODELS: dict[str, AnyModel] = {
    "README, translator": AnyModel(readme),
    "README, combined parts": AnyModel(readme_parts),
    "notebook 01": AnyModel(notebook_01),
    "notebook 01, with weights": AnyModel(lambda size: notebook_01(size, look=True)),
    "notebook 02, Bahdanau": AnyModel(notebook_02),
    "notebook 02, Luong": AnyModel(lambda size: notebook_02(size, luong=True)),
    "LSTM, then Luong": AnyModel(luong_tutorial),
    "GRU and Bahdanau": AnyModel(bahdanau_tutorial),
    "two layers, residual": AnyModel(residual_tutorial),
    "Transformer": AnyModel(transformer_tutorial, on_prefix=True),
    "captioner over a backbone": AnyModel(captioner_tutorial),
    "Keras only": AnyModel(keras_only),
    "text and image": AnyModel(text_and_image),
    "nested": AnyModel(nested),
    "multi-output": AnyModel(multi_output),
    "mixed precision": AnyModel(mixed_precision),
    "causal convolution": AnyModel(convolutional, on_prefix=True),
    "fixed lengths": AnyModel(fixed_length, mode="prefix"),
    "KerasHub, functional": AnyModel(keras_hub_functional, on_prefix=True),
    "KerasHub, subclassed": AnyModel(subclassed, mode="prefix", target="target"),
}


def build(name: str, size: Size = SMALL, sharp: float = 2.0) -> keras.Model:
    """A model of the table with random weights, sharp enough that its outputs vary."""
    keras.utils.set_random_seed(7)
    model = MODELS[name].build(size)
    for variable in model.trainable_variables:
        variable.assign(sharp * variable)
    if "backbone" in name:
        fit_normalization(model, np.random.default_rng(4).uniform(size=(8, *IMAGE)))
    return model


def example_sources(model: keras.Model, sources: tuple[str, ...], batch: int = 2) -> dict:
    """Random sources by name, ids with padding in the last example."""
    random, found = np.random.default_rng(3), {}
    inputs = {"source": ids("source")}
    if not isinstance(model, Subclassed):
        inputs = {x.name: x for x in model.inputs}
        if isinstance(model.input, dict):
            inputs = model.input
    for name in sources:
        shape = (batch, *(6 if n is None else n for n in inputs[name].shape[1:]))
        if len(shape) > 2:
            found[name] = random.uniform(size=shape).astype("float32")
            continue
        found[name] = random.integers(4, SOURCE_SIZE, shape).astype("int32")
        if inputs[name].shape[1] is None:
            found[name][-1, -2:] = 0
    return found
