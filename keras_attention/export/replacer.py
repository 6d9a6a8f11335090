"""Replacement of unknown words as part of a TensorFlow graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_attention._core.checks import check_shape
from keras_attention.generation.unknown import UNKNOWN_TOKEN, checked_replacements


class GraphReplacer:
    """`replace_unknown` for string tensors, as part of a TensorFlow graph.

    Only operations of TensorFlow itself, so that what is exported loads
    wherever TensorFlow does.

    Args:
        replacements: a dictionary from source tokens to what is written for
            them, or None.

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

    def __init__(self, replacements: Mapping[str, str] | None = None) -> None:
        import tensorflow as tf

        self._tf = tf
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
            tf.equal(target_tokens, UNKNOWN_TOKEN), tf.reduce_max(weights, axis=-1) > 0
        )
        copied = tf.gather(source_tokens, tf.argmax(weights, axis=-1), batch_dims=1)
        for table in self.resources:
            instead = table.lookup(copied)
            copied = tf.where(tf.equal(instead, ""), copied, instead)
        return tf.where(pointed, copied, target_tokens)
