"""EncoderDecoder: tokens in, tokens out, with attention between; assembled from the layers."""

import keras
from keras import layers, ops, tree

from keras_attention._core.backend.replicas import averaged_over_replicas
from keras_attention._core.checks import (
    check_choice,
    check_flag,
    check_ids,
    check_positive,
    check_rate,
    check_shape,
)
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.presets import LuongAttention
from keras_attention.layers.scheduled_sampling import ScheduledEmbedding
from keras_attention.layers.tied_logits import TiedLogits
from keras_attention.models.encoders import CELLS, RecurrentEncoder, TransformerEncoder
from keras_attention.text.special_ids import PAD
from keras_attention.text.vocabulary import as_vocabulary, vocabulary_size


@keras.saving.register_keras_serializable(package="keras_attention")
class EncoderDecoder(keras.Model):
    """An encoder, a bridge, and a recurrent decoder that attends to what was encoded.

        memory, summary = encoder(embedding(source))
        state_0         = tanh(W summary)                  the bridge
        a_t             = AttentionRNN over embedding(target) and the memory
        logits_t        = W a_t + b

    It is trained with teacher forcing: the target starts with 1 (start), the
    labels are the target moved by one and end with 2 (end), 0 is padding. The
    methods `start` and `step` decode (see `keras_attention.generation`).

    The attentional layer is linear, as in tfa: with Luong's tanh the layer
    saturates in the first steps on a vocabulary of thousands and learns no
    more. `benchmarks/large_vocabulary.py` shows both.

    Sources: Bahdanau, Cho and Bengio, 2015; Luong, Pham and Manning, 2015.

    Args:
        source_vocabulary, target_vocabulary: a `Vocabulary` (or `Subwords`),
            which is saved with the model and lets it be exported with text in
            and out, or just its size.
        embedding_dim: the size of the embeddings.
        units: the size of the memory, of the decoder's cells and of the
            attentional layer; even.
        encoder: `"lstm"` or `"gru"` (bidirectional), or `"transformer"`.
        encoder_layers: how many.
        cell: `"lstm"` or `"gru"`, for the decoder.
        decoder_layers: how many.
        attention: an `Attention`; by default `LuongAttention(score="general")`.
        attend: `"after"` (Luong) or `"before"` (Bahdanau), see `AttentionRNN`.
        input_feeding: see `AttentionRNN`.
        dropout: on the embeddings, between layers and before the logits.
        tied_logits: whether the logits compare with the target's embeddings,
            `logits_t = E a_t + b`, instead of weights of their own: fewer
            weights, and words seldom seen are learnt sooner (Press and Wolf,
            "Using the Output Embedding to Improve Language Models", 2017).
            Needs `embedding_dim` equal to `units`.
        scheduled_sampling: the probability with which, while training, an
            input of the decoder is drawn from the model's own distribution
            instead of the target. Above 0 it is kept in the variable
            `sampling_probability`, which a schedule may change, see
            `keras_attention.layers.ScheduledEmbedding`.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: a dictionary of ids, `"source"` `(B, S)` and `"target"` `(B, T)`.
        return_attention_scores: whether to return the weights too.
        training: whether dropout acts.

    Returns:
        The logits `(B, T, V)` in float32, and on request the weights
        `(B, T, S)`.

    Raises:
        ValueError: for unknown choices, sizes that are none, and inputs that
            are not two matrices of ids with equally many rows.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> ids = {"source": np.array([[5, 6, 7]]), "target": np.array([[1, 8]])}
    >>> tuple(model(ids).shape)
    (1, 2, 40)
    """

    def __init__(
        self,
        source_vocabulary,
        target_vocabulary,
        embedding_dim=128,
        units=256,
        encoder="lstm",
        encoder_layers=1,
        cell="lstm",
        decoder_layers=1,
        attention=None,
        attend="after",
        input_feeding=None,
        dropout=0.0,
        scheduled_sampling=0.0,
        tied_logits=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.source_vocabulary = as_vocabulary(
            source_vocabulary, name="source_vocabulary", allow_size=True
        )
        self.target_vocabulary = as_vocabulary(
            target_vocabulary, name="target_vocabulary", allow_size=True
        )
        check_positive("embedding_dim", embedding_dim)
        check_positive("units", units)
        check_positive("encoder_layers", encoder_layers)
        check_positive("decoder_layers", decoder_layers)
        check_choice("encoder", encoder, (*CELLS, "transformer"))
        check_choice("cell", cell, tuple(CELLS))
        check_rate("dropout", dropout)
        check_rate("scheduled_sampling", scheduled_sampling)
        check_flag("tied_logits", tied_logits)
        if tied_logits and embedding_dim != units:
            raise ValueError(
                f"tied_logits: expected embedding_dim to equal units ({units}), since the logits "
                f"compare the two, received {embedding_dim}."
            )
        if attention is None:
            attention = LuongAttention(score="general", dtype=self.dtype_policy, name="attention")
        elif not isinstance(attention, Attention):
            raise ValueError(
                f"attention: expected a keras_attention.Attention or None, received {attention!r}."
            )
        self._config = {
            "embedding_dim": embedding_dim,
            "units": units,
            "encoder": encoder,
            "encoder_layers": encoder_layers,
            "cell": cell,
            "decoder_layers": decoder_layers,
            "attend": attend,
            "input_feeding": input_feeding,
            "dropout": dropout,
            "scheduled_sampling": scheduled_sampling,
            "tied_logits": tied_logits,
        }

        # The model's own policy, or a model that was saved in mixed precision would be
        # loaded in whatever precision the loading process has.
        policy = {"dtype": self.dtype_policy}
        source_size, target_size = (
            vocabulary_size(self.source_vocabulary),
            vocabulary_size(self.target_vocabulary),
        )
        self.source_embedding = layers.Embedding(source_size, embedding_dim, **policy)
        self.target_embedding = layers.Embedding(target_size, embedding_dim, **policy)
        if encoder == "transformer":
            self.encoder = TransformerEncoder(units, encoder_layers, dropout=dropout, **policy)
        else:
            self.encoder = RecurrentEncoder(units, encoder, encoder_layers, dropout, **policy)
        cells = [CELLS[cell][1](units, **policy) for _ in range(decoder_layers)]
        for upper in cells[1:]:
            upper.dropout = dropout
        self.decoder = AttentionRNN(
            cells[0] if decoder_layers == 1 else cells,
            attention,
            attend=attend,
            input_feeding=input_feeding,
            attention_layer=units,
            name="decoder",
            **policy,
        )
        state_sizes = tree.flatten(self.decoder.cell.state_size)
        self.bridge = [layers.Dense(size, activation="tanh", **policy) for size in state_sizes]
        self.drop = layers.Dropout(dropout, **policy)
        # Logits stay in float32 under mixed precision: their softmax needs it.
        if tied_logits:
            self.logits = TiedLogits(self.target_embedding, dtype="float32", name="logits")
        else:
            self.logits = layers.Dense(target_size, dtype="float32", name="logits")
        self.sampling_probability = None
        if scheduled_sampling:
            self.sampling_probability = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(scheduled_sampling),
                trainable=False,
                autocast=False,
                name="sampling_probability",
            )
            self.sampling_seed = keras.random.SeedGenerator()
        self._build_parts()
        self.built = True
        if not self.trainable:
            # Made frozen, or loaded so: Keras would pass on only a later change.
            for layer in self.layers:
                layer.trainable = False

    def build(self, inputs_shape=None):
        # All parts were built in the constructor, and not by this method: Keras lets no layer be
        # added after it, which a subclass may want to do.
        self.built = True

    def _build_parts(self):
        units, embedded = self._config["units"], (None, None, self._config["embedding_dim"])
        self.source_embedding.build((None, None))
        self.target_embedding.build((None, None))
        self.encoder.build(embedded)
        for dense in self.bridge:
            dense.build((None, self.encoder.summary_size))
        self.decoder.build(embedded, (None, None, units))
        self.logits.build((None, None, units))

    def call(self, inputs, return_attention_scores=False, training=None):
        source, target = self._source_and_target(inputs)
        memory, mask, first_state = self.encode(source, training=training)
        embedded = self.drop(self.target_embedding(target), training=training)
        vectors, weights = self.decoder(
            embedded,
            memory,
            initial_state=first_state,
            sequence_mask=ops.not_equal(target, PAD),
            value_mask=mask,
            return_attention_scores=True,
            sampling=self._sampling(),
            training=training,
        )
        logits = self.logits(self.drop(vectors, training=training))
        return (logits, weights) if return_attention_scores else logits

    def _sampling(self):
        if self.sampling_probability is None:
            return None
        size = vocabulary_size(self.target_vocabulary)
        return ScheduledEmbedding(
            self.sampling_probability, self.logits, self.target_embedding, size, self.sampling_seed
        )

    def encode(self, source, training=None):
        """Ids `(B, S)` to the memory `(B, S, units)`, its mask and the cell's first state."""
        mask = ops.not_equal(source, PAD)
        embedded = self.drop(self.source_embedding(source), training=training)
        memory, summary = self.encoder(embedded, mask=mask, training=training)
        return memory, mask, [dense(summary) for dense in self.bridge]

    def start(self, inputs):
        """The state before the first token: the projected memory and the decoder's state.

        Args:
            inputs: source ids `(B, S)`, or a dictionary with them as `"source"`.
        """
        source = ops.convert_to_tensor(inputs["source"] if isinstance(inputs, dict) else inputs)
        check_ids("source", source)
        value, mask, first_state = self.encode(source)
        memory = self.decoder.attention.memory(value, mask=mask)
        return {"memory": memory, "decoder": self.decoder.initial_state(memory, first_state)}

    def step(self, tokens, state, beams=1):
        """One token `(B,)` further: logits `(B, V)`, the next state, and the weights `(B, S)`.

        With `beams`, so many rows side by side share one row of the memory.
        """
        embedded = self.target_embedding(tokens)
        vector, weights, decoder = self.decoder.step(
            embedded, state["memory"], state["decoder"], beams=beams
        )
        return self.logits(vector), {"memory": state["memory"], "decoder": decoder}, weights

    def _source_and_target(self, inputs):
        if not isinstance(inputs, dict) or not {"source", "target"} <= set(inputs):
            raise ValueError(
                "inputs: expected a dictionary with the ids 'source' and 'target', received "
                f"{sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
            )
        source, target = (ops.convert_to_tensor(inputs[name]) for name in ("source", "target"))
        if averaged_over_replicas():
            source, target = ops.cast(source, "int32"), ops.cast(target, "int32")
        check_ids("source", source)
        check_ids("target", target)
        expected = (source.shape[0], target.shape[1])
        check_shape("target", target, expected, "as many rows as source has")
        return source, target

    def compute_output_spec(self, inputs, return_attention_scores=False, training=None):
        source, target = self._source_and_target(inputs)
        logits = keras.KerasTensor((*target.shape, vocabulary_size(self.target_vocabulary)))
        if not return_attention_scores:
            return logits
        shape = (*target.shape, source.shape[1])
        return logits, keras.KerasTensor(shape, dtype=self.decoder.compute_dtype)

    def get_config(self):
        def plain(vocabulary):
            return vocabulary if isinstance(vocabulary, int) else vocabulary.get_config()

        return {
            **super().get_config(),
            **self._config,
            "source_vocabulary": plain(self.source_vocabulary),
            "target_vocabulary": plain(self.target_vocabulary),
            "attention": keras.saving.serialize_keras_object(self.decoder.attention),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["attention"] = keras.saving.deserialize_keras_object(
            config["attention"], custom_objects=custom_objects
        )
        return cls(**config)
