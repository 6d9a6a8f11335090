"""Words that the model has no token for are taken over from the source, where attention points."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise

import numpy as np

from keras_attention._core.checks import check_shape
from keras_attention.text.subwords import CONTINUED, SPACE, Subwords
from keras_attention.text.vocabulary import SPECIALS, UNKNOWN

UNKNOWN_TOKEN = SPECIALS[UNKNOWN]


def replace_unknown(source_tokens, target_tokens, attention, replacements=None):
    """Replaces each `<unk>` that was written by the source token it attended to most.

        token_t = replacements.get(source_s, source_s),  s = argmax_s attention_ts

    Names and numbers are the same in many languages; for other words
    `replacements` is a dictionary. An `<unk>` that attended to nothing stays.

    Sources: Jean et al., "On Using Very Large Target Vocabulary for Neural
    Machine Translation", 2015; the dictionary: Luong et al., "Addressing the
    Rare Word Problem in Neural Machine Translation", 2015.

    Args:
        source_tokens: S strings; empty ones are padding.
        target_tokens: T strings.
        attention: `(T, S)`; of more columns (padding) the first S count.
        replacements: a dictionary from source tokens to what is written for
            them, or None.

    Returns:
        A list of T strings.

    Raises:
        ValueError: where `attention` is no matrix of that size, or a
            replacement is not a string with something in it.

    Example:

    >>> from keras_attention.generation import replace_unknown
    >>> attention = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.2, 0.8]]
    >>> replace_unknown(["ask", "Habakkuk", "today"], ["demande", "<unk>", "<unk>"], attention,
    ...                 {"today": "aujourd'hui"})
    ['demande', 'Habakkuk', "aujourd'hui"]
    """
    replacements = _checked(replacements)
    attention = np.asarray(attention, "float32")
    if attention.ndim == 2:
        attention = attention[:, : len(source_tokens)]
    expected = len(target_tokens), len(source_tokens)
    # Without target tokens a plain list has no columns.
    if target_tokens:
        check_shape("attention", attention, expected, "a row a target token, a column a source one")
    real = np.array([token != "" for token in source_tokens], bool)
    found = []
    for token, weights in zip(target_tokens, attention):
        weights = np.where(real, weights, 0)
        if token == UNKNOWN_TOKEN and weights.any():
            token = source_tokens[int(np.argmax(weights))]
            token = replacements.get(token, token)
        found.append(token)
    return found


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
            string with something in it.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.generation import GraphReplacer
    >>> replacer = GraphReplacer({"today": "aujourd'hui"})
    >>> source, target = tf.constant([["Habakkuk", "today"]]), tf.constant([["<unk>", "<unk>"]])
    >>> replacer(source, target, tf.constant([[[0.6, 0.4], [0.3, 0.7]]])).numpy().tolist()
    [[b'Habakkuk', b"aujourd'hui"]]
    """

    def __init__(self, replacements=None):
        import tensorflow as tf

        self._tf = tf
        self.resources = []
        replacements = _checked(replacements)
        if replacements:
            words, instead = tf.constant(list(replacements)), tf.constant([*replacements.values()])
            entries = tf.lookup.KeyValueTensorInitializer(words, instead)
            self.resources.append(tf.lookup.StaticHashTable(entries, default_value=""))

    def __call__(self, source_tokens, target_tokens, attention):
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


def word_replacer(replace, source, target):
    """What replaces unknown words between two vocabularies, as `decode_texts` is told to.

    Whole words are copied, also where the source is read in pieces, and spelt
    as the target's vocabulary joins them.

    Args:
        replace: `False`, `True`, a dictionary of `replacements` or a function,
            see `replace_unknown`, whose arguments it takes: source words,
            target tokens, attention.
        source, target: a `Vocabulary` each.

    Returns:
        A function from source tokens, target tokens and attention to target
        tokens.

    Raises:
        ValueError: for anything else; and by what it returns, where a function
            gives other than a string for each token.

    Example:

    >>> from keras_attention.generation.unknown import word_replacer
    >>> from keras_attention.text.subwords import Subwords
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> replaced = word_replacer(True, Subwords(["▁Te", "##ko", "##a"]), Vocabulary("ab"))
    >>> replaced(["▁Te", "##ko", "##a"], ["<unk>"], [[0.2, 0.7, 0.1]])
    ['Tekoa']
    """
    if replace is False:
        return lambda source_tokens, target_tokens, attention: target_tokens
    if replace is True:
        replace = replace_unknown
    elif isinstance(replace, Mapping):
        replace = partial(replace_unknown, replacements=_checked(replace))
    elif not callable(replace):
        raise ValueError(
            "replace_unknown: expected True, False, a dictionary from source words to what is "
            f"written for them, or a function, received {replace!r}."
        )
    # As in an unknown token, which is a word: pieces themselves say where there is a space.
    before = SPACE if isinstance(target, Subwords) else ""

    def replaced(source_tokens, target_tokens, attention):
        words = _whole_words(source, source_tokens)
        found = replace(words, list(target_tokens), attention)
        fits = isinstance(found, (list, tuple)) and all(isinstance(x, str) for x in found)
        if not fits or len(found) != len(target_tokens):
            raise ValueError(
                f"replace_unknown: expected a function that returns {len(target_tokens)} strings "
                f"for as many tokens, received {found!r}."
            )
        return [new if new == old else before + new for new, old in zip(found, target_tokens)]

    return replaced


def _whole_words(vocabulary, tokens):
    """For each token the word that it belongs to, as it stands in the text."""
    if not isinstance(vocabulary, Subwords):
        return list(tokens)
    begins = [i for i, token in enumerate(tokens) if i == 0 or not token.startswith(CONTINUED)]
    words = []
    for begin, end in pairwise([*begins, len(tokens)]):
        words += [vocabulary.join(tokens[begin:end])] * (end - begin)
    return words


def _checked(replacements):
    replacements = dict(replacements or {})
    for token, instead in replacements.items():
        if not all(isinstance(word, str) and word for word in (token, instead)):
            raise ValueError(
                "replacements: expected strings with something in them, received "
                f"{token!r}: {instead!r}."
            )
    return replacements
