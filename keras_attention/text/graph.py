"""Vocabularies as operations of a TensorFlow graph."""

from keras_attention.text.vocabulary import END, PAD, SPECIALS, UNKNOWN

# What Python takes for space; TensorFlow alone would know only that of ASCII.
_SPACES = r"[\p{Z}\t-\r\x1c-\x1f\x{85}]+"


class GraphVocabulary:
    """A `Vocabulary` as TensorFlow lookups: strings in, ids out, and back.

    Only operations of TensorFlow itself, so that what is exported loads
    wherever TensorFlow does.

    Args:
        vocabulary: a `Vocabulary`.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.text.graph import GraphVocabulary
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> graph = GraphVocabulary(Vocabulary("abc"))
    >>> graph.encode(tf.constant(["cab", "b"])).numpy().tolist()
    [[6, 4, 5], [5, 0, 0]]
    """

    def __init__(self, vocabulary):
        import tensorflow as tf

        self._tf = tf
        self._separator = vocabulary.separator
        self._lowercase = vocabulary.lowercase
        tokens = tf.constant(vocabulary.tokens[len(SPECIALS) :], tf.string)
        ids = tf.range(len(SPECIALS), len(vocabulary), dtype=tf.int32)
        entries = tf.lookup.KeyValueTensorInitializer(tokens, ids)
        self.table = tf.lookup.StaticHashTable(entries, default_value=UNKNOWN)
        self.resources = [self.table]
        self._tokens = tf.constant(vocabulary.tokens)

    def split(self, texts):
        """`(B,)` strings to a ragged tensor of their tokens."""
        strings = self._tf.strings
        if self._lowercase:
            texts = strings.lower(texts, encoding="utf-8")
        if self._separator:
            return strings.split(strings.regex_replace(texts, _SPACES, " "))
        ends = f"^{_SPACES}|{_SPACES}$"
        return strings.unicode_split(strings.regex_replace(texts, ends, ""), "UTF-8")

    def tokens(self, texts):
        """`(B,)` strings to `(B, T)` tokens, padded with empty strings, at least one column."""
        tokens = self.split(texts).to_tensor("")
        # A recurrent encoder cannot run over no positions at all.
        missing = self._tf.maximum(0, 1 - self._tf.shape(tokens)[1])
        return self._tf.pad(tokens, [[0, 0], [0, missing]], constant_values="")

    def ids(self, tokens):
        """Tokens padded with empty strings to ids padded with 0."""
        return self._tf.where(self._tf.equal(tokens, ""), PAD, self.table.lookup(tokens))

    def encode(self, texts):
        """`(B,)` strings to `(B, T)` ids, padded with 0."""
        return self.ids(self.tokens(texts))

    def to_tokens(self, ids):
        """`(B, T)` ids to tokens; padding, start and end become empty strings."""
        tokens = self._tf.gather(self._tokens, ids)
        return self._tf.where(ids <= END, "", tokens)

    def join(self, tokens):
        """`(B, T)` tokens padded with empty strings to `(B,)` texts."""
        ragged = self._tf.ragged.boolean_mask(tokens, self._tf.not_equal(tokens, ""))
        return self._tf.strings.reduce_join(ragged, axis=-1, separator=self._separator)


def graph_vocabulary(vocabulary):
    """The twin of a vocabulary inside a TensorFlow graph.

    It has the methods `tokens`, `ids`, `encode`, `to_tokens` and `join` of
    `GraphVocabulary`, and in `resources` what a SavedModel must track.

    Args:
        vocabulary: a `Vocabulary` or a `Subwords`, which needs the extra `text`.

    Returns:
        A `GraphVocabulary` or a `keras_attention.text.subwords.GraphSubwords`.

    Example:

    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> from keras_attention.text.graph import graph_vocabulary
    >>> graph_vocabulary(Vocabulary("abc")).encode(["cab"]).numpy().tolist()
    [[6, 4, 5]]
    """
    from keras_attention.text.subwords import GraphSubwords, Subwords

    return (GraphSubwords if isinstance(vocabulary, Subwords) else GraphVocabulary)(vocabulary)
