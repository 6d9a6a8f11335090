"""Subwords: WordPiece over marked words, the same in Python, in a graph and in tokenizer.json."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

from keras_attention._core.checks import check_positive
from keras_attention._core.optional import require
from keras_attention.text.graph import GraphVocabulary
from keras_attention.text.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from keras_attention.text.word_pieces import learn_pieces

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # what stands for the space before a word: "▁"
CONTINUED = "##"

# Python, RE2 and Oniguruma follow different versions of Unicode, so that \s and \p{P} would
# split differently: what is space and what is punctuation is spelt out instead.
_SPACES = (
    "[ \t-\r\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000" + SPACE + "]+"
)
_PUNCTUATION = (
    r"!-/:-@\[-`{-~"
    "\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    "\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u060c\u060d\u061b\u061e\u061f"
    "\u066a-\u066d\u06d4\u0964\u0965\u0970\u0e2f\u0e4f\u0e5a\u0e5b\u10fb\u1361-\u1368\u17d4-\u17da"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2190-\u2580\u2582-\u2bff\u2e00-\u2e5d"
    "\u3001-\u3003\u3008-\u3020\u3030\u30fb\U0001f000-\U0001faff"
)
_LONGEST_WORD = 64
_WORDS = f"{SPACE}?[{_PUNCTUATION}]|{SPACE}?[^{_PUNCTUATION}{SPACE}]{{1,{_LONGEST_WORD}}}"
_FIND_SPACES, _FIND_WORDS = re.compile(_SPACES), re.compile(_WORDS)


class Subwords(Vocabulary):
    """A vocabulary of pieces of words, so that few words are unknown.

    A text is normalized (NFKC, one space for any white space), the space before
    a word becomes a part of it (`"▁"`), punctuation is split off, and every word
    is taken apart from left to right into the longest pieces that are known; a
    piece inside a word is written with `"##"`. Joined again, the pieces give the
    normalized text. A word that cannot be taken apart, since it has a character
    that no piece has, is unknown as a whole, and `split` leaves it as it is.

    The same ids come from `encode`, from `graph_vocabulary` inside a graph
    (with tensorflow-text) and from the `tokenizers` package with what
    `write_tokenizer` wrote.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016; the
    mark: Kudo and Richardson, "SentencePiece", 2018.

    Args:
        tokens: the pieces, without the four special tokens.
        longest: a text is cut after so many pieces, for the sake of memory.

    Raises:
        ValueError: for doubled, special or empty pieces, pieces with spaces,
            and a `longest` that is not a positive integer.

    Example:

    >>> from keras_attention.text.subwords import Subwords
    >>> pieces = Subwords(["▁un", "##seen", "▁word", "##s", "!"])
    >>> pieces.split("unseen  words!")
    ['▁un', '##seen', '▁word', '##s', '!']
    >>> pieces.decode(pieces.encode("unseen  words!"))
    'unseen words!'
    """

    def __init__(self, tokens, longest=512):
        tokens = tuple(tokens)
        check_positive("longest", longest)
        if len(set(tokens)) < len(tokens) or set(tokens) & set(SPECIALS):
            raise ValueError(
                f"tokens: expected each once and none of {', '.join(SPECIALS)}, received "
                f"{len(tokens)} tokens of which {len(set(tokens))} differ."
            )
        for token in tokens:
            if token in ("", CONTINUED) or len(token.split()) != 1 or SPACE in token[1:]:
                raise ValueError(f"tokens: expected pieces of words, received {token!r}.")
        self.tokens = SPECIALS + tokens
        self.separator, self.lowercase = "", False
        self.longest = longest
        self._ids = {token: i for i, token in enumerate(self.tokens) if i > UNKNOWN}
        self._known = {}

    @classmethod
    def from_texts(cls, texts, size=5000, longest=512, alphabet=400):
        """Learns pieces from texts, see `keras_attention.text.word_pieces`.

        Every word of known characters is known.

        Args:
            texts: strings.
            size: how many ids at most, the four special ones included; every
                known character has two of them.
            longest: as in the constructor.
            alphabet: how many characters at most are known.

        Raises:
            ValueError: where `texts` holds no word.
        """
        check_positive("size", size)
        check_positive("alphabet", alphabet)
        words = Counter(word for text in texts for word in _words(text))
        if not words:
            raise ValueError("texts: expected some words to learn from, received none.")
        pieces = learn_pieces(words, size - len(SPECIALS), alphabet, SPACE, CONTINUED)
        return cls(pieces, longest)

    def split(self, text):
        """The pieces of a text; an unknown word stays as it is."""
        pieces = []
        for word in _words(text):
            if word not in self._known:
                self._known[word] = self._pieces(word)
            pieces += self._known[word]
            if len(pieces) >= self.longest:
                break
        return pieces[: self.longest]

    def _pieces(self, word):
        pieces, begin = [], 0
        while begin < len(word):
            prefix = CONTINUED if begin else ""
            for end in range(len(word), begin, -1):
                piece = prefix + word[begin:end]
                if piece in self._ids:
                    break
            else:
                return (word,)
            pieces.append(piece)
            begin = end
        return tuple(pieces)

    def join(self, tokens):
        """Tokens as a text."""
        return "".join(map(_shown, tokens)).replace(SPACE, " ").strip(" ")

    def get_config(self):
        """A plain dictionary that JSON can hold."""
        pieces = list(self.tokens[len(SPECIALS) :])
        return {"kind": "subwords", "tokens": pieces, "longest": self.longest}

    @classmethod
    def from_config(cls, config):
        """The vocabulary of a `get_config()`."""
        return cls(**{name: value for name, value in config.items() if name != "kind"})

    def write_tokenizer(self, path):
        """Writes a `tokenizer.json` with which the `tokenizers` package gives the same ids."""
        # Without padding, start and end, which decoding therefore leaves out.
        ids = {token: i for i, token in enumerate(self.tokens) if i >= UNKNOWN}
        text = json.dumps(_tokenizer(ids, self.longest), ensure_ascii=False)
        Path(path).write_text(text, "utf-8")


class GraphSubwords(GraphVocabulary):
    """A `Subwords` as TensorFlow operations: strings in, ids out, and back.

    What it is exported in needs the operations of tensorflow-text where it is
    loaded; TensorFlow Serving has them. Bytes that are no UTF-8 become U+FFFD.

    Args:
        vocabulary: a `Subwords`.

    Raises:
        ImportError: without the extra `text`.

    Example:

    >>> from keras_attention.text.subwords import GraphSubwords, Subwords
    >>> graph = GraphSubwords(Subwords(["▁un", "##seen"]))
    >>> graph.encode(["unseen", ""]).numpy().tolist()
    [[4, 5], [0, 0]]
    """

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self._text = require("tensorflow_text", "text")
        self._longest = vocabulary.longest
        self._pieces = self._text.FastWordpieceTokenizer(
            vocab=list(vocabulary.tokens),
            suffix_indicator=CONTINUED,
            unknown_token=SPECIALS[UNKNOWN],
            # The words are split to a length of their own.
            max_bytes_per_word=8 * _LONGEST_WORD,
            token_out_type=self._tf.int32,
            no_pretokenization=True,
        )

    def split(self, texts):
        """`(B,)` strings to a ragged tensor of their pieces."""
        tf = self._tf
        words = self._words(texts)
        ids = self._pieces.tokenize(words.flat_values)
        # An unknown word, which is one id, stays as it is.
        whole = tf.repeat(words.flat_values, ids.row_lengths())
        pieces = tf.gather(self._tokens, ids.flat_values)
        pieces = tf.where(tf.equal(ids.flat_values, UNKNOWN), whole, pieces)
        limits = tf.gather(ids.row_splits, words.row_splits)
        return tf.RaggedTensor.from_row_splits(pieces, limits)[:, : self._longest]

    def _words(self, texts):
        strings = self._tf.strings
        texts = strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        texts = strings.regex_replace(self._text.normalize_utf8(texts, "NFKC"), _SPACES, " ")
        texts = strings.regex_replace(texts, "^ | $", "")
        texts = strings.regex_replace(strings.regex_replace(texts, "^(.)", " \\1"), " ", SPACE)
        # A space after every word, since the operations of TensorFlow itself split at one.
        return strings.split(strings.regex_replace(texts, f"({_WORDS})", "\\1 "))

    def join(self, tokens):
        """`(B, T)` tokens padded with empty strings to `(B,)` texts."""
        strings, unknown = self._tf.strings, SPECIALS[UNKNOWN]
        tokens = strings.regex_replace(tokens, f"^{CONTINUED}", "")
        tokens = strings.regex_replace(tokens, f"^{unknown}$", SPACE + unknown)
        texts = strings.regex_replace(strings.reduce_join(tokens, axis=-1), SPACE, " ")
        return strings.regex_replace(texts, "^ +| +$", "")


def _words(text):
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _FIND_SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip(" ")
    return _FIND_WORDS.findall(SPACE + text.replace(" ", SPACE)) if text else []


def _shown(token):
    if token == SPECIALS[UNKNOWN]:
        return SPACE + token
    return token[len(CONTINUED) :] if token.startswith(CONTINUED) else token


def _tokenizer(ids, longest):
    """The vocabulary as the `tokenizers` package writes it."""

    def replace(kind, pattern, content):
        return {"type": "Replace", "pattern": {kind: pattern}, "content": content}

    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": longest,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFKC"},
                replace("Regex", _SPACES, " "),
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Prepend", "prepend": SPACE},
                replace("String", " ", SPACE),
            ],
        },
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": _WORDS},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                replace("Regex", f"^{CONTINUED}", ""),
                replace("Regex", f"^(?={SPECIALS[UNKNOWN]}$)", SPACE),
                {"type": "Fuse"},
                replace("String", SPACE, " "),
                replace("Regex", "^ +| +$", ""),
            ],
        },
        "model": {
            "type": "WordPiece",
            "unk_token": SPECIALS[UNKNOWN],
            "continuing_subword_prefix": CONTINUED,
            "max_input_chars_per_word": 2 * _LONGEST_WORD,
            "vocab": ids,
        },
    }
