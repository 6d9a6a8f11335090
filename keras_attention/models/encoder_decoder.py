"""EncoderDecoder: a sequence-to-sequence model with attention, assembled from the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import layers, ops, tree

from keras_attention._core.checks import (
    check_choice,
    check_flag,
    check_positive,
    check_rate,
)
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.presets import LuongAttention
from keras_attention.layers.scheduled_sampling import ScheduledEmbedding
from keras_attention.layers.tied_logits import TiedLogits
from keras_attention.models.base import target_mask
from keras_attention.models.encoders import CELLS, RecurrentEncoder, TransformerEncoder
from keras_attention.models.recurrent import RecurrentDecoderModel, checked_attention
from keras_attention.models.text_model import TextDecoderModel, source_and_target
from keras_attention.text.vocabularies import vocabulary_size

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.text.protocol import VocabularyLike
    from keras_attention.text.special_ids import SpecialIds


@keras.saving.register_keras_serializable(package="keras_attention")
class EncoderDecoder(TextDecoderModel, RecurrentDecoderModel):
    """An encoder, a bridge, and a recurrent decoder with attention over the encoded source.

        memory, summary = encoder(embedding(source))
        state_0         = tanh(W summary)                  the bridge
        a_t             = AttentionRNN over embedding(target) and the memory
        logits_t        = W a_t + b

    It is trained with teacher forcing: the target begins with the start id, the
    labels are the target shifted by one and end with the end id (see
    `special_ids`). `generate` writes texts, and every search of
    `keras_attention.generation` decodes the model.

    The attentional layer is linear, as in tfa. With Luong's tanh it saturates
    in the first steps on a vocabulary of thousands and stops learning, see
    `benchmarks/large_vocabulary.py`.

    Sources: Bahdanau, Cho and Bengio, 2015; Luong, Pham and Manning, 2015.

    Args:
        source_vocabulary, target_vocabulary: a `Vocabulary` (or `Subwords`),
            which is saved with the model and with which it reads and writes
            text, or just the number of ids.
        embedding_dim: the size of the embeddings.
        units: the size of the memory, of the decoder's cells and of the
            attentional layer; even.
        encoder: `"lstm"` or `"gru"` (bidirectional), or `"transformer"`.
        num_encoder_layers: the number of encoder layers.
        cell: `"lstm"` or `"gru"`, for the decoder.
        num_decoder_layers: the number of decoder layers.
        attention: an `Attention`; by default `LuongAttention(score="general")`.
        attend: `"after"` (Luong) or `"before"` (Bahdanau), see `AttentionRNN`.
        input_feeding: see `AttentionRNN`.
        dropout: on the embeddings, between layers and before the logits.
        scheduled_sampling: the probability with which, in training, an input of
            the decoder is sampled from the model's own distribution instead of
            taken from the target. If it is above 0, it is the variable
            `sampling_probability`, which a schedule may change, see
            `keras_attention.layers.ScheduledEmbedding`.
        tied_logits: whether the target's embeddings are the weights of the
            logits, `logits_t = E a_t + b`: fewer weights, and rare words are
            learned sooner (Press and Wolf, "Using the Output Embedding to
            Improve Language Models", 2017). Needs `embedding_dim` equal to
            `units`.
        special_ids: `keras_attention.text.SpecialIds`, if the vocabularies are
            sizes: the ids of padding, start, end and unknown, by default 0, 1, 2
            and 3. Otherwise they are those of the target's vocabulary, and
            padding of the source is that of the source's.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: a dictionary of ids, `"source"` `(B, S)` and `"target"` `(B, T)`.
        return_attention_scores: whether to return the weights too.
        training: whether dropout is applied.

    Returns:
        The logits `(B, T, V)` in float32, and on request the weights
        `(B, T, S)`.

    Raises:
        ValueError: for unknown choices, sizes that are not positive, and inputs
            that are not two matrices of ids for the same number of examples.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> ids = {"source": np.array([[5, 6, 7]]), "target": np.array([[1, 8]])}
    >>> tuple(model(ids).shape)
    (1, 2, 40)
    """

    registered_as = "EncoderDecoder"

    def __init__(
        self,
        source_vocabulary: VocabularyLike | int | Config,
        target_vocabulary: VocabularyLike | int | Config,
        embedding_dim: int = 128,
        units: int = 256,
        encoder: Literal["lstm", "gru", "transformer"] = "lstm",
        num_encoder_layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        num_decoder_layers: int = 1,
        attention: Attention | None = None,
        attend: Literal["after", "before"] = "after",
        input_feeding: bool | None = None,
        dropout: float = 0.0,
        scheduled_sampling: float = 0.0,
        tied_logits: bool = False,
        special_ids: SpecialIds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_vocabularies(source_vocabulary, target_vocabulary, special_ids)
        check_positive("embedding_dim", embedding_dim)
        check_positive("units", units)
        check_positive("num_encoder_layers", num_encoder_layers)
        check_positive("num_decoder_layers", num_decoder_layers)
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
        attention = checked_attention(
            attention,
            lambda: LuongAttention(score="general", dtype=self.dtype_policy, name="attention"),
        )
        self._config = {
            "embedding_dim": embedding_dim,
            "units": units,
            "encoder": encoder,
            "num_encoder_layers": num_encoder_layers,
            "cell": cell,
            "num_decoder_layers": num_decoder_layers,
            "attend": attend,
            "input_feeding": input_feeding,
            "dropout": dropout,
            "scheduled_sampling": scheduled_sampling,
            "tied_logits": tied_logits,
            "special_ids": None if special_ids is None else list(special_ids),
        }
        self._make_layers(attention)
        self._finish()

    def _make_layers(self, attention: Attention) -> None:
        # The model's own policy, or a model that was saved in mixed precision would be
        # loaded in whatever precision the loading process has.
        policy = {"dtype": self.dtype_policy}
        config = self._config
        units, dropout, cell = config["units"], config["dropout"], config["cell"]
        source_size = vocabulary_size(self.source_vocabulary)
        target_size = vocabulary_size(self.target_vocabulary)
        self.source_embedding = layers.Embedding(source_size, config["embedding_dim"], **policy)
        self.target_embedding = layers.Embedding(target_size, config["embedding_dim"], **policy)
        encoder, depth = config["encoder"], config["num_encoder_layers"]
        if encoder == "transformer":
            self.encoder = TransformerEncoder(units, depth, dropout=dropout, **policy)
        else:
            self.encoder = RecurrentEncoder(units, encoder, depth, dropout, **policy)
        cells = [CELLS[cell][1](units, **policy) for _ in range(config["num_decoder_layers"])]
        for upper in cells[1:]:
            upper.dropout = dropout
        self.decoder = AttentionRNN(
            cells[0] if len(cells) == 1 else cells,
            attention,
            attend=config["attend"],
            input_feeding=config["input_feeding"],
            attention_layer=units,
            name="decoder",
            **policy,
        )
        state_sizes = tree.flatten(self.decoder.cell.state_size)
        self.bridge = [layers.Dense(size, activation="tanh", **policy) for size in state_sizes]
        self.drop = layers.Dropout(dropout, **policy)
        # Logits stay in float32 under mixed precision: their softmax needs it.
        if config["tied_logits"]:
            self.logits = TiedLogits(self.target_embedding, dtype="float32", name="logits")
        else:
            self.logits = layers.Dense(target_size, dtype="float32", name="logits")
        self.sampling_probability = None
        if config["scheduled_sampling"]:
            self.sampling_probability = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(config["scheduled_sampling"]),
                trainable=False,
                autocast=False,
                name="sampling_probability",
            )
            self.sampling_seed = keras.random.SeedGenerator()

    def _build_parts(self) -> None:
        units, embedded = self._config["units"], (None, None, self._config["embedding_dim"])
        self.source_embedding.build((None, None))
        self.target_embedding.build((None, None))
        self.encoder.build(embedded)
        for dense in self.bridge:
            dense.build((None, self.encoder.summary_size))
        self.decoder.build(embedded, (None, None, units))
        self.logits.build((None, None, units))

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if training:
            self._check_start(inputs)
        source, target = source_and_target(inputs)
        memory, mask, first_state = self.encode(source, training=training)
        embedded = self.drop(self.target_embedding(target), training=training)
        vectors, weights = self.decoder(
            embedded,
            memory,
            initial_state=first_state,
            sequence_mask=target_mask(target, self.special_ids),
            value_mask=mask,
            return_attention_scores=True,
            sampling=self._sampling(),
            training=training,
        )
        logits = self._logits_of(vectors, embedded, training)
        return (logits, weights) if return_attention_scores else logits

    def _sampling(self) -> ScheduledEmbedding | None:
        if self.sampling_probability is None:
            return None
        size = vocabulary_size(self.target_vocabulary)
        return ScheduledEmbedding(
            self.sampling_probability, self.logits, self.target_embedding, size, self.sampling_seed
        )

    def encode(
        self, source: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Ids `(B, S)` to the memory `(B, S, units)`, its mask and the first state of the cells."""
        mask = ops.not_equal(source, self._source_pad)
        embedded = self.drop(self.source_embedding(source), training=training)
        memory, summary = self.encoder(embedded, mask=mask, training=training)
        return memory, mask, [dense(summary) for dense in self.bridge]

    def _memory_and_state(self, inputs: Structure) -> tuple[Tensor, Tensor, list[Tensor]]:
        return self.encode(self._known_source(inputs))

    def _embedded(self, tokens: Tensor) -> Tensor:
        return self.target_embedding(tokens)

    def _logits_of(
        self, vectors: Tensor, embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        return self.logits(self.drop(vectors, training=training))
