"""Transformer: a sequence-to-sequence model of attention alone, with any score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from keras_attention._core.checks import check_flag, check_positive, check_rate
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.layers.blocks import described_score, described_self_score
from keras_attention.layers.decoder_block import TransformerDecoderBlock
from keras_attention.layers.positions import sinusoids
from keras_attention.layers.tied_logits import TiedLogits
from keras_attention.models.encoders import TransformerEncoder
from keras_attention.models.text_model import TextDecoderModel, source_and_target
from keras_attention.text.vocabularies import vocabulary_size

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions
    from keras_attention.scores.registry import ScoreIdentifier
    from keras_attention.text.protocol import VocabularyLike
    from keras_attention.text.special_ids import SpecialIds


@keras.saving.register_keras_serializable(package="keras_attention")
class Transformer(TextDecoderModel):
    """An encoder and a decoder of attention alone, normalized before each sub-layer.

        memory   = blocks(sqrt(units) E source + positions)
        h        = decoder_blocks(sqrt(units) E target + positions, memory)
        logits_t = E h_t + b

    It is trained with teacher forcing, as `EncoderDecoder` is: the target starts
    with the start token, the labels are the target shifted by one. It needs a
    rising learning rate in the first steps, see
    `keras_attention.callbacks.AnnealToBudget`.

    `generate` and every search of `keras_attention.generation` decode it. A
    step projects one position: keys and values of the earlier ones are part of
    the state, and those of the source are projected once and shared by all
    beams.

    Sources: Vaswani et al., "Attention Is All You Need", 2017; normalization
    before each part: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020.

    Args:
        source_vocabulary, target_vocabulary: a `Vocabulary` (or `Subwords`),
            which is saved with the model and with which it reads and writes
            text, or just the number of ids.
        units: the size of the embeddings and of all blocks, a multiple of
            `2 * num_heads`.
        num_heads: the number of heads of each attention.
        num_encoder_layers: the number of blocks of the encoder.
        num_decoder_layers: the number of blocks of the decoder.
        feed_forward_dim: the size of the hidden dense layer of each block, by
            default four times `units`.
        score: how queries are compared with keys in the attention over the
            source: a name, or an object of `keras_attention.scores`, of which
            each attention makes one of its own.
        self_score: likewise in the self-attentions of encoder and decoder; by
            default as `score`, or `"scaled_dot"` if `score` depends on earlier
            weights. With such a score positions run one after the other.
        dropout: on the embeddings and after each sub-layer.
        tied_logits: whether the target's embeddings are the weights of the
            logits (Press and Wolf, 2017).
        special_ids: as in `EncoderDecoder`.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: a dictionary of ids, `"source"` `(B, S)` and `"target"` `(B, T)`.
        return_attention_scores: whether to return the weights of the last
            block's attention over the source too, the mean over the heads.
        training: whether dropout is applied.

    Returns:
        The logits `(B, T, V)` in float32, and on request the weights
        `(B, T, S)`.

    Raises:
        ValueError: for unknown scores, sizes that do not fit, and inputs that
            are not two matrices of ids for the same number of examples.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import Transformer
    >>> model = Transformer(30, 40, units=16, num_heads=2, num_decoder_layers=1)
    >>> ids = {"source": np.array([[5, 6, 7]]), "target": np.array([[1, 8]])}
    >>> tuple(model(ids).shape)
    (1, 2, 40)
    """

    registered_as = "Transformer"

    def __init__(
        self,
        source_vocabulary: VocabularyLike | int | Config,
        target_vocabulary: VocabularyLike | int | Config,
        units: int = 256,
        num_heads: int = 4,
        num_encoder_layers: int = 3,
        num_decoder_layers: int = 3,
        feed_forward_dim: int | None = None,
        score: ScoreIdentifier = "scaled_dot",
        self_score: ScoreIdentifier | None = None,
        dropout: float = 0.1,
        tied_logits: bool = True,
        special_ids: SpecialIds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_vocabularies(source_vocabulary, target_vocabulary, special_ids)
        check_positive("num_decoder_layers", num_decoder_layers)
        check_rate("dropout", dropout)
        check_flag("tied_logits", tied_logits)
        self._config = {
            "units": units,
            "num_heads": num_heads,
            "num_encoder_layers": num_encoder_layers,
            "num_decoder_layers": num_decoder_layers,
            "feed_forward_dim": feed_forward_dim,
            "score": described_score(score),
            "self_score": described_self_score(self_score, score),
            "dropout": dropout,
            "tied_logits": tied_logits,
            "special_ids": None if special_ids is None else list(special_ids),
        }
        self._make_layers()
        self._finish()

    def _make_layers(self) -> None:
        # The model's own policy, or a model that was saved in mixed precision would be
        # loaded in whatever precision the loading process has.
        policy = {"dtype": self.dtype_policy}
        config = self._config
        units, heads, dropout = config["units"], config["num_heads"], config["dropout"]
        feed_forward_dim, self_score = config["feed_forward_dim"], config["self_score"]
        self.encoder = TransformerEncoder(
            units,
            config["num_encoder_layers"],
            heads,
            dropout,
            feed_forward_dim,
            self_score,
            name="encoder",
            **policy,
        )
        self.source_embedding = self._embedding(self.source_vocabulary, "source_embedding")
        self.target_embedding = self._embedding(self.target_vocabulary, "target_embedding")
        self.blocks = [
            TransformerDecoderBlock(
                units,
                heads,
                dropout,
                feed_forward_dim,
                config["score"],
                self_score,
                name=f"block_{i}",
                **policy,
            )
            for i in range(config["num_decoder_layers"])
        ]
        self.last_norm = layers.LayerNormalization(name="last_norm", **policy)
        self.drop = layers.Dropout(dropout, **policy)
        # Logits stay in float32 under mixed precision: their softmax needs it.
        if config["tied_logits"]:
            self.logits = TiedLogits(self.target_embedding, dtype="float32", name="logits")
        else:
            size = vocabulary_size(self.target_vocabulary)
            self.logits = layers.Dense(size, dtype="float32", name="logits")

    def _embedding(self, vocabulary: VocabularyLike | int, name: str) -> layers.Embedding:
        # Times sqrt(units) the embeddings are as large as the positions, and as the weights of
        # the logits they give logits of about 1.
        units = self._config["units"]
        return layers.Embedding(
            vocabulary_size(vocabulary),
            units,
            keras.initializers.RandomNormal(stddev=units**-0.5),
            dtype=self.dtype_policy,
            name=name,
        )

    def _build_parts(self) -> None:
        sequence = (None, None, self._config["units"])
        self.source_embedding.build((None, None))
        self.target_embedding.build((None, None))
        self.encoder.build(sequence)
        for block in self.blocks:
            block.build(sequence, sequence)
        self.last_norm.build(sequence)
        self.logits.build(sequence)

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if training:
            self._check_start(inputs)
        source, target = source_and_target(inputs)
        memory, mask = self.encode(source, training=training)
        x = self._embedded(target, ops.arange(ops.shape(target)[1]))
        x = self.drop(x, training=training)
        # Padding of the target comes last, where no real position attends to it.
        for block in self.blocks:
            x, weights = block(
                x, memory, value_mask=mask, return_attention_scores=True, training=training
            )
        logits = self.logits(self.last_norm(x))
        return (logits, weights) if return_attention_scores else logits

    def encode(self, source: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Ids `(B, S)` to the memory `(B, S, units)` and its mask."""
        mask = ops.not_equal(source, self._source_pad)
        embedded = self.source_embedding(source) * self._config["units"] ** 0.5
        embedded = self.drop(embedded, training=training)
        memory, _ = self.encoder(embedded, mask=mask, training=training)
        return memory, mask

    def _embedded(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Embeddings of ids `(B, T)` or `(B,)` at the positions `(T,)` or `(1,)`."""
        units = self._config["units"]
        embedded = self.target_embedding(tokens) * units**0.5
        return embedded + ops.cast(sinusoids(positions, units), embedded.dtype)

    def start(self, inputs: Structure) -> dict[str, Structure]:
        """The state before the first token: `"memory"` and `"decoder"`, each a list over blocks.

        Args:
            inputs: the source, alone or as `"source"` of a dictionary.
        """
        value, mask = self.encode(self._known_source(inputs))
        memories = [block.memory(value, mask=mask) for block in self.blocks]
        states = [block.initial_state(memory) for block, memory in zip(self.blocks, memories)]
        return {"memory": memories, "decoder": states}

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor]:
        """One step: logits `(B * beams, V)`, the next state, and weights `(B * beams, S)`.

        Args:
            tokens: ids `(B * beams,)`.
            state: of `start`, or of the step before.
            beams: the number of sequences, side by side, that share one row of
                the memory.
        """
        # The keys begin with one of no position.
        position = ops.shape(state["decoder"][0].keys)[2] - 1
        x = self._embedded(tokens, ops.expand_dims(position, 0))
        after = []
        for block, memory, before in zip(self.blocks, state["memory"], state["decoder"]):
            x, weights, its_state = block.step(x, memory, before, beams)
            after.append(its_state)
        logits = self.logits(self.last_norm(x))
        return logits, {"memory": state["memory"], "decoder": after}, weights
