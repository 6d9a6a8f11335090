"""Decoding over one step protocol.

A model takes part by two methods: `start(inputs) -> state`, a structure of
tensors with the batch first, and `step(tokens, state) -> (logits, state,
attention weights)`. Ids are 0 padding, 1 start, 2 end, 3 unknown.
"""

from keras_attention.generation.forced import score
from keras_attention.generation.greedy import Decoded, greedy
from keras_attention.generation.texts import DecodedText, decode_texts, text_vocabularies

__all__ = ["Decoded", "DecodedText", "decode_texts", "greedy", "score", "text_vocabularies"]
