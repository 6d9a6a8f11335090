"""RecurrentDecoderModel: what the models with an AttentionRNN as their decoder share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import tree

from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.models.base import DecoderModel


class RecurrentDecoderModel(DecoderModel):
    """Base of the models that encode a source and write tokens with an `AttentionRNN`.

        memory, state_0      = encode(inputs)
        vector_t, state_t    = decoder.step(E y_{t-1}, memory, state_{t-1})
        logits_t             = logits(vector_t, E y_{t-1})

    A subclass sets `decoder` in its constructor, and defines
    `_memory_and_state`, `_embedded` and `_logits_of`.
    """

    layer_arguments: tuple[str, ...] = ("attention",)

    decoder: AttentionRNN

    def _memory_and_state(self, inputs: Structure) -> tuple[Tensor, Tensor | None, Structure]:
        """What is attended to, its mask, and the first state of the cells."""
        raise NotImplementedError

    def _embedded(self, tokens: Tensor) -> Tensor:
        """The embeddings of ids."""
        raise NotImplementedError

    def _logits_of(
        self, vectors: Tensor, embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        """Logits of the decoder's outputs and its inputs."""
        raise NotImplementedError

    def start(self, inputs: Structure) -> dict[str, Structure]:
        value, mask, first_state = self._memory_and_state(inputs)
        memory = self.decoder.attention.memory(value, mask=mask)
        return {"memory": memory, "decoder": self.decoder.initial_state(memory, first_state)}

    def step(
        self, tokens: Tensor, state: dict[str, Structure], beams: int = 1
    ) -> tuple[Tensor, dict[str, Structure], Tensor]:
        embedded = self._embedded(tokens)
        vector, weights, decoder = self.decoder.step(
            embedded, state["memory"], state["decoder"], beams=beams
        )
        state = {"memory": state["memory"], "decoder": decoder}
        return self._logits_of(vector, embedded), state, weights

    def hidden(self, state: dict[str, Structure]) -> Tensor:
        """The output `(B, D)` of the last cell, for `keras_attention.generation.ContrastiveSearch`.

        Args:
            state: after a step.
        """
        decoder = state["decoder"]
        last = decoder.upper[-1] if decoder.upper else decoder.cell
        # The output comes first, then what else a cell keeps.
        return tree.flatten(last)[0]

    def get_config(self) -> Config:
        attention = keras.saving.serialize_keras_object(self.decoder.attention)
        return {**super().get_config(), "attention": attention}


def checked_attention(attention: Any, default: Callable[[], Attention]) -> Attention:
    """The argument `attention` of a model; refuses everything but an `Attention` and None."""
    if attention is None:
        return default()
    if not isinstance(attention, Attention):
        raise ValueError(
            f"attention: expected a keras_attention.Attention or None, received {attention!r}."
        )
    return attention
