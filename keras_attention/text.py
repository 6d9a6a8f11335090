"""Tokens and ids: a vocabulary, in Python and inside a TensorFlow graph."""

import json
from pathlib import Path

from keras_attention.checks import check_choice

PAD, START, END, UNKNOWN = range(4)
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")


class Vocabulary:
    """The tokens of one side of a model, and how text falls into them.

    Ids are 0 padding, 1 start, 2 end, 3 unknown; the tokens follow from 4 on.

    Args:
        tokens: the tokens, without the four special ones.
        separator: what stands between the tokens of a text: `""` where every
            character is a token, `" "` where words are.
        lowercase: whether text is lowercased first.

    Raises:
        ValueError: for doubled tokens, special tokens among them, another
            separator, or tokens that contain the separator.

    Example:

    >>> from keras_attention.text import Vocabulary
    >>> letters = Vocabulary("abc", lowercase=True)
    >>> letters.encode("Cab?")
    [6, 4, 5, 3]
    >>> letters.decode([6, 4, 5, 2, 0])
    'cab'
    """

    def __init__(self, tokens, separator="", lowercase=False):
        tokens = tuple(tokens)
        check_choice("separator", separator, ("", " "))
        if len(set(tokens)) < len(tokens) or set(tokens) & set(SPECIALS):
            raise ValueError(
                f"tokens: expected each once and none of {', '.join(SPECIALS)}, received "
                f"{len(tokens)} tokens of which {len(set(tokens))} differ."
            )
        for token in tokens:
            unit = len(token) == 1 if separator == "" else len(token.split()) == 1
            if not unit or (token != token.strip() and separator):
                kind = "single characters" if separator == "" else "words without spaces"
                raise ValueError(f"tokens: expected {kind}, received {token!r}.")
        self.tokens = SPECIALS + tokens
        self.separator = separator
        self.lowercase = lowercase
        # A text that spells "<end>" does not end there.
        self._ids = {token: i for i, token in enumerate(self.tokens) if i > UNKNOWN}

    @classmethod
    def from_texts(cls, texts, separator="", lowercase=False, size=None):
        """The vocabulary of what occurs in `texts`.

        Args:
            texts: strings.
            separator, lowercase: as in the constructor.
            size: how many ids at most, the four special ones included; the most
                frequent tokens stay. Without it all stay, sorted.
        """
        counts = {}
        for text in texts:
            for token in _split(text, separator, lowercase):
                counts[token] = counts.get(token, 0) + 1
        kept = sorted(counts)
        if size is not None:
            kept = sorted(kept, key=lambda token: -counts[token])[: size - len(SPECIALS)]
        return cls((t for t in kept if t not in SPECIALS), separator, lowercase)

    def __len__(self):
        return len(self.tokens)

    def __eq__(self, other):
        return isinstance(other, Vocabulary) and self.get_config() == other.get_config()

    __hash__ = None

    def split(self, text):
        """The tokens of a text."""
        return _split(text, self.separator, self.lowercase)

    def encode(self, text):
        """The ids of a text; what is not in the vocabulary becomes 3."""
        return [self._ids.get(token, UNKNOWN) for token in self.split(text)]

    def to_tokens(self, ids):
        """The tokens of a row of ids, up to its end, without start and padding."""
        kept = []
        for i in map(int, ids):
            if i == END:
                break
            if i not in (PAD, START):
                kept.append(self.tokens[i])
        return kept

    def decode(self, ids):
        """The text of a row of ids, up to its end, without start and padding."""
        return self.join(self.to_tokens(ids))

    def join(self, tokens):
        """Tokens as a text."""
        return self.separator.join(tokens)

    def get_config(self):
        """A plain dictionary that JSON can hold."""
        return {
            "tokens": list(self.tokens[len(SPECIALS) :]),
            "separator": self.separator,
            "lowercase": self.lowercase,
        }

    @classmethod
    def from_config(cls, config):
        """The vocabulary of a `get_config()`."""
        return cls(**config)

    def save(self, path):
        """Writes the vocabulary as JSON."""
        Path(path).write_text(json.dumps(self.get_config(), ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote, of whichever kind it is."""
        return vocabulary_from_config(json.loads(Path(path).read_text("utf-8")))


def vocabulary_from_config(config):
    """The vocabulary of a `get_config()`, a `Vocabulary` or a `Subwords`.

    Args:
        config: a dictionary; one with a `"kind"` is not a plain `Vocabulary`.

    Raises:
        ValueError: for an unknown kind.

    Example:

    >>> from keras_attention.text import Vocabulary, vocabulary_from_config
    >>> vocabulary_from_config(Vocabulary("abc").get_config()).tokens[4:]
    ('a', 'b', 'c')
    """
    if "kind" not in config:
        return Vocabulary.from_config(config)
    check_choice("kind", config["kind"], ("subwords",))
    from keras_attention.subwords import Subwords

    return Subwords.from_config(config)


def _split(text, separator, lowercase):
    if lowercase:
        text = text.lower()
    return list(text.strip()) if separator == "" else text.split()


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
    >>> from keras_attention.text import GraphVocabulary, Vocabulary
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
        A `GraphVocabulary` or a `keras_attention.subwords.GraphSubwords`.

    Example:

    >>> from keras_attention.text import Vocabulary, graph_vocabulary
    >>> graph_vocabulary(Vocabulary("abc")).encode(["cab"]).numpy().tolist()
    [[6, 4, 5]]
    """
    from keras_attention.subwords import GraphSubwords, Subwords

    return (GraphSubwords if isinstance(vocabulary, Subwords) else GraphVocabulary)(vocabulary)
