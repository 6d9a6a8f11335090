"""Decoding over one step protocol.

A model takes part by two methods: `start(inputs) -> state`, a structure of
tensors with the batch first, and `step(tokens, state) -> (logits, state,
attention weights)`. Ids are 0 padding, 1 start, 2 end, 3 unknown.

Two things more are optional. A `step(tokens, state, beams=1)` serves a beam
search without a copy of the memory for every beam: there the tensors of the
state that its steps change have `beams` rows, side by side, for each row of
those that they leave as they are. And `source_mask(inputs)` says which
positions of the memory are real `(B, S)`, where the inputs are no ids.
"""

from keras_attention.generation.beam import BeamSearch, beam_search
from keras_attention.generation.captions import DecodedCaption, decode_captions
from keras_attention.generation.constraints import (
    BannedTokens,
    Constraint,
    MinimumLength,
    NoRepeatedNgrams,
)
from keras_attention.generation.greedy import Decoded, greedy
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.penalties import (
    AverageLength,
    GNMTCoverage,
    GNMTLength,
    Penalty,
)
from keras_attention.generation.sampling import sample
from keras_attention.generation.scoring import score
from keras_attention.generation.stepping import NEVER
from keras_attention.generation.texts import DecodedText, decode_texts, text_vocabularies
from keras_attention.generation.unknown import GraphReplacer, replace_unknown

__all__ = [
    "NEVER",
    "AverageLength",
    "BannedTokens",
    "BeamSearch",
    "Constraint",
    "Decoded",
    "DecodedCaption",
    "DecodedText",
    "GNMTCoverage",
    "GNMTLength",
    "GraphReplacer",
    "Hypotheses",
    "MinimumLength",
    "NoRepeatedNgrams",
    "Penalty",
    "beam_search",
    "decode_captions",
    "decode_texts",
    "greedy",
    "replace_unknown",
    "sample",
    "score",
    "text_vocabularies",
]
