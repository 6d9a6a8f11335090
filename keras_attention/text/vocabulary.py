"""Tokens and ids: the vocabulary of one side of a model."""

import json
from pathlib import Path

from keras_attention._core.checks import check_choice

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

    >>> from keras_attention.text.vocabulary import Vocabulary
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

    >>> from keras_attention.text.vocabulary import Vocabulary, vocabulary_from_config
    >>> vocabulary_from_config(Vocabulary("abc").get_config()).tokens[4:]
    ('a', 'b', 'c')
    """
    if "kind" not in config:
        return Vocabulary.from_config(config)
    check_choice("kind", config["kind"], ("subwords",))
    from keras_attention.text.subwords import Subwords

    return Subwords.from_config(config)


def _split(text, separator, lowercase):
    if lowercase:
        text = text.lower()
    return list(text.strip()) if separator == "" else text.split()
