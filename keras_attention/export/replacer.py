"""Replacement of unknown words as part of a TensorFlow graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_attention._core.checks import check_shape
from keras_attention._core.types import Tensor
from keras_attention.generation.unknown import (
    UNKNOWN_TOKEN,
    checked_replacements,
    unknown_token_of,
)
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.subwords import CONTINUED, SPACE, Subwords


class GraphReplacer:
    """`replace_unknown` for string tensors, as part of a TensorFlow graph.

    Only operations of TensorFlow itself, so that what is exported loads
    wherever TensorFlow does.

    Args:
        replacements: a dictionary from source tokens to what is written for
            them, or None.
        unknown_token: what the target's vocabulary writes for an unknown token.

    Attributes:
        resources: what a SavedModel must track: the table, if there is one.

    Call arguments:
        source_tokens: `(B, S)` strings, padded with empty ones.
        target_tokens: `(B, T)` or, of several hypotheses, `(B, N, T)`.
        attention: `(B, T, S)` or `(B, N, T, S)`.

    Returns:
        Strings of the shape of `target_tokens`.

    Raises:
        ValueError: where the shapes do not fit, or a replacement is not a
            string or is empty.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.export.replacer import GraphReplacer
    >>> replacer = GraphReplacer({"today": "aujourd'hui"})
    >>> source, target = tf.constant([["Habakkuk", "today"]]), tf.constant([["<unk>", "<unk>"]])
    >>> replacer(source, target, tf.constant([[[0.6, 0.4], [0.3, 0.7]]])).numpy().tolist()
    [[b'Habakkuk', b"aujourd'hui"]]
    """

    def __init__(
        self,
        replacements: Mapping[str, str] | None = None,
        unknown_token: str = UNKNOWN_TOKEN,
    ) -> None:
        import tensorflow as tf

        self._tf = tf
        self._unknown_token = unknown_token
        self.resources: list[Any] = []
        replacements = checked_replacements(replacements)
        if replacements:
            words, instead = tf.constant(list(replacements)), tf.constant([*replacements.values()])
            entries = tf.lookup.KeyValueTensorInitializer(words, instead)
            self.resources.append(tf.lookup.StaticHashTable(entries, default_value=""))

    def __call__(self, source_tokens: Any, target_tokens: Any, attention: Any) -> Any:
        tf = self._tf
        source_tokens, target_tokens, attention = map(
            tf.convert_to_tensor, (source_tokens, target_tokens, attention)
        )
        batch, length = source_tokens.shape
        expected = (batch, *target_tokens.shape[1:], length)
        check_shape("attention", attention, expected, "the target's shape and the source's length")
        real = source_tokens != ""
        for _ in target_tokens.shape[1:]:
            real = tf.expand_dims(real, 1)
        weights = tf.where(real, attention, tf.zeros_like(attention))
        pointed = tf.logical_and(
            tf.equal(target_tokens, self._unknown_token), tf.reduce_max(weights, axis=-1) > 0
        )
        copied = tf.gather(source_tokens, tf.argmax(weights, axis=-1), batch_dims=1)
        for table in self.resources:
            instead = table.lookup(copied)
            copied = tf.where(tf.equal(instead, ""), copied, instead)
        return tf.where(pointed, copied, target_tokens)


class WordReplacer:
    """A `GraphReplacer` that copies whole words, also where a side has pieces of words.

    The same as `keras_attention.generation.unknown.word_replacer`, in a graph.

    Args:
        replacements: see `GraphReplacer`.
        unknown_token: see `GraphReplacer`.
        source_pieces: whether the source is read in pieces, as by `Subwords`.
        target_pieces: whether the target is written in pieces.

    Attributes:
        resources: see `GraphReplacer`.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.export.replacer import WordReplacer
    >>> source, target = tf.constant([["▁Te", "##ko", "##a"]]), tf.constant([["<unk>"]])
    >>> replacer = WordReplacer(source_pieces=True)
    >>> replacer(source, target, tf.constant([[[0.2, 0.7, 0.1]]])).numpy().tolist()
    [[b'Tekoa']]
    """

    def __init__(
        self,
        replacements: Mapping[str, str] | None = None,
        unknown_token: str = UNKNOWN_TOKEN,
        source_pieces: bool = False,
        target_pieces: bool = False,
    ) -> None:
        self._replacer = GraphReplacer(replacements, unknown_token)
        self._source_pieces, self._target_pieces = source_pieces, target_pieces
        self.resources = self._replacer.resources

    def __call__(self, source_tokens: Tensor, target_tokens: Tensor, attention: Tensor) -> Tensor:
        import tensorflow as tf

        words = whole_words(source_tokens) if self._source_pieces else source_tokens
        found = self._replacer(words, target_tokens, attention)
        if not self._target_pieces:
            return found
        # An unknown token is a whole word; in pieces a word begins with the sign of a space.
        return tf.where(tf.equal(found, target_tokens), found, tf.strings.join([SPACE, found]))


def whole_words(tokens: Tensor) -> Tensor:
    """For each piece `(B, S)` the word that it belongs to; empty strings stay empty."""
    import tensorflow as tf

    strings = tf.strings
    length = tf.shape(tokens)[1]
    begins = tf.logical_not(strings.regex_full_match(tokens, f"{CONTINUED}.*"))
    # The first piece begins a word whatever it is.
    first = tf.equal(tf.range(length), 0)
    number = tf.cumsum(tf.cast(tf.logical_or(begins, first), tf.int32), axis=1) - 1
    segments = tf.reshape(number + length * tf.range(tf.shape(tokens)[0])[:, None], (-1,))
    parts = tf.reshape(strings.regex_replace(tokens, f"^{CONTINUED}", ""), (-1,))
    words = strings.unsorted_segment_join(parts, segments, tf.size(tokens))
    words = strings.strip(strings.regex_replace(words, SPACE, " "))
    return tf.where(tokens == "", "", tf.reshape(tf.gather(words, segments), tf.shape(tokens)))


def replacer_of(
    replace_unknown: bool | Mapping[str, str],
    kind: str,
    source: object,
    target: VocabularyLike | int | None,
) -> WordReplacer:
    """The replacer of an export.

    Args:
        replace_unknown: True, or a dictionary from source words to what is
            written for them.
        kind: of the export.
        source, target: the vocabularies.

    Raises:
        ValueError: for a kind without words to copy, and for anything else as
            `replace_unknown`.
    """
    if replace_unknown is not True and not isinstance(replace_unknown, Mapping):
        raise ValueError(
            "replace_unknown: expected True, False or a dictionary from source words to what is "
            f"written for them, received {replace_unknown!r}."
        )
    if kind != "text":
        raise ValueError(
            f"replace_unknown: expected False for kind={kind!r}, which has no source words to "
            f"copy, received {replace_unknown!r}."
        )
    replacements = None if replace_unknown is True else replace_unknown
    unknown_token = unknown_token_of(None if isinstance(target, int) else target)
    pieces = isinstance(source, Subwords), isinstance(target, Subwords)
    return WordReplacer(replacements, unknown_token, *pieces)
