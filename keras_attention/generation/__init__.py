"""Decoding: searches over models that write one token at a time.

A search is a frozen settings object, `search(decoder, inputs, prefix=None)`,
and gives `Hypotheses`. A decoder has two methods: `start(inputs) -> state`, a
structure of tensors with the batch first, and `step(tokens, state) -> (logits,
state, attention weights)`. The ids of padding, start and end are its `special_ids`. See
`Decoder` for the full contract and `as_decoder` for what is optional.
"""

from keras_attention.generation.any_model.rules.base import StepRule
from keras_attention.generation.any_model.rules.registry import register_step_rule
from keras_attention.generation.beam_search import BeamSearch
from keras_attention.generation.beam_tree import BeamNode, BeamTree, Choice, beam_tree
from keras_attention.generation.constrained_beam_search import ConstrainedBeamSearch
from keras_attention.generation.constraints import (
    BannedTokens,
    Constraint,
    MinimumLength,
    NoRepeatedNgrams,
    Unfinished,
)
from keras_attention.generation.contrastive_search import ContrastiveSearch
from keras_attention.generation.decoder import Decoder, DecoderLike, Search
from keras_attention.generation.decoders import as_decoder
from keras_attention.generation.diverse_beam_search import DiverseBeamSearch
from keras_attention.generation.generate import Generation, generate
from keras_attention.generation.greedy import Greedy
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.penalties import (
    AverageLength,
    Candidates,
    GNMTCoverage,
    GNMTLength,
    Penalty,
)
from keras_attention.generation.sampling import Sample
from keras_attention.generation.scoring import Scored, score
from keras_attention.generation.serialization import deserialize_search, serialize_search
from keras_attention.generation.unknown import replace_unknown

__all__ = [
    "AverageLength",
    "BannedTokens",
    "BeamNode",
    "BeamSearch",
    "BeamTree",
    "Candidates",
    "Choice",
    "ConstrainedBeamSearch",
    "Constraint",
    "ContrastiveSearch",
    "Decoder",
    "DecoderLike",
    "DiverseBeamSearch",
    "GNMTCoverage",
    "GNMTLength",
    "Generation",
    "Greedy",
    "Hypotheses",
    "MinimumLength",
    "NoRepeatedNgrams",
    "Penalty",
    "Sample",
    "Scored",
    "Search",
    "StepRule",
    "Unfinished",
    "as_decoder",
    "beam_tree",
    "deserialize_search",
    "generate",
    "register_step_rule",
    "replace_unknown",
    "score",
    "serialize_search",
]
