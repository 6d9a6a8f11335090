"""A `tokenizer.json` of BERT's kind as operations of a TensorFlow graph."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_attention._core.optional import require
from keras_attention._core.types import Tensor
from keras_attention.text.foreign.graph import GraphForeign
from keras_attention.text.foreign.graph_pieces import GraphWordPieces

if TYPE_CHECKING:
    from keras_attention.text.foreign.hugging_face import TokenizersVocabulary

_SPACES = r"[\t\n\r\x0b\x0c\x{85}\p{Z}]+"
_PUNCTUATION = r"[!-/]|[:-@]|[\[-`]|[{-~]|\p{P}"
_CHINESE = (
    r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B920}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]"
)


class GraphBertTokenizer(GraphForeign):
    """A `TokenizersVocabulary` of WordPiece after BERT's normalizer and splitting, in a graph.

    A model exported with it needs the operations of tensorflow-text where it is loaded.

    Args:
        vocabulary: the vocabulary.

    Raises:
        ValueError: for a tokenizer with another part, naming it.
    """

    def __init__(self, vocabulary: TokenizersVocabulary) -> None:
        content = json.loads(vocabulary.content)
        check_bert(content)
        super().__init__(vocabulary)
        self._text = require("tensorflow_text", "text")
        self._normalizer = content.get("normalizer")
        model = content["model"]
        self._continued = model["continuing_subword_prefix"]
        # Added tokens are found in the text as it is, the longest first.
        added = sorted((one["content"] for one in content["added_tokens"]), key=len, reverse=True)
        self._added = "|".join(map(re.escape, added))
        self._pieces = self._text.FastWordpieceTokenizer(
            vocab=list(vocabulary.tokens),
            suffix_indicator=self._continued,
            unknown_token=model["unk_token"],
            max_bytes_per_word=4 * model["max_input_chars_per_word"],
            token_out_type=self._tf.int32,
            no_pretokenization=True,
        )
        cleans = (content.get("decoder") or {}).get("cleanup", False)
        self._join = GraphWordPieces(self._continued, cleans)

    def _split(self, texts: Tensor) -> Tensor:
        tf = self._tf
        # tensorflow-text ends a text at a NUL.
        cleans = self._normalizer is not None and self._normalizer["clean_text"]
        texts = tf.strings.regex_replace(
            texts, r"\x00", "" if cleans else "\N{REPLACEMENT CHARACTER}"
        )
        delimiters, kept = f"{_SPACES}|{_PUNCTUATION}", _PUNCTUATION
        if self._added:
            parts = self._text.regex_split(texts, self._added, self._added)
            flat = parts.flat_values
            given = tf.strings.regex_full_match(flat, self._added)
            flat = tf.where(given, flat, self._normalized(flat))
            parts = parts.with_flat_values(flat)
            delimiters, kept = f"{self._added}|{delimiters}", f"{self._added}|{kept}"
            words = self._text.regex_split(parts.flat_values, delimiters, kept)
            words = parts.with_flat_values(words).merge_dims(1, 2)
        else:
            words = self._text.regex_split(self._normalized(texts), delimiters, kept)
        ids = self._pieces.tokenize(words.flat_values)
        ids = words.with_flat_values(ids).merge_dims(1, 2)
        return ids.with_flat_values(tf.gather(self._tokens, ids.flat_values))

    def _normalized(self, texts: Tensor) -> Tensor:
        strings, given = self._tf.strings, self._normalizer
        if given is None:
            return texts
        if given["clean_text"]:
            texts = strings.regex_replace(texts, r"[\t\n\r]", " ")
            texts = strings.regex_replace(texts, r"[\x00\x{FFFD}\p{C}]", "")
            texts = strings.regex_replace(texts, _SPACES, " ")
        if given["handle_chinese_chars"]:
            texts = strings.regex_replace(texts, f"({_CHINESE})", r" \1 ")
        # By default accents are removed where letters become lower case.
        strip = given["strip_accents"]
        if strip or (strip is None and given["lowercase"]):
            texts = strings.regex_replace(self._text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
        if given["lowercase"]:
            texts = strings.lower(texts, encoding="utf-8")
        return texts

    def join(self, tokens: Tensor) -> Tensor:
        """`(B, T)` tokens, padded with empty strings, to `(B,)` strings."""
        return self._join(tokens)


def check_bert(content: Mapping[str, Any]) -> None:
    """Refuses a `tokenizer.json` that is not of BERT's kind.

    Args:
        content: of the file.

    Raises:
        ValueError: naming the part that TensorFlow has no operation for.
    """
    for part, allowed in (
        ("model", ("WordPiece",)),
        ("normalizer", ("BertNormalizer", None)),
        ("pre_tokenizer", ("BertPreTokenizer",)),
        ("decoder", ("WordPiece", None)),
    ):
        kind = (content.get(part) or {}).get("type")
        if kind not in allowed:
            raise ValueError(
                f"vocabulary: expected a tokenizer that can be part of a TensorFlow graph, with "
                f"{part} {' or '.join(map(str, allowed))}, received {part} {kind}. Export "
                "kind='ids', and tokenize at the client."
            )
