"""Vocabulary, and that its twin inside the graph gives the same answers."""

import time

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.models import EncoderDecoder
from keras_attention.text import (
    GraphVocabulary,
    SpecialIds,
    Subwords,
    Vocabulary,
    VocabularyLike,
    as_vocabulary,
    graph_vocabulary,
    vocabulary_from_config,
)

TEXTS = [
    "cab",
    "CAB",
    "",
    "   ",
    " a  b ",
    "a\tb\nc",
    "a?c",
    "Été",
    "straße",
    "ΌΔΟΣ",
    "日本語",
    "İ",
    "a\u00a0b",
    "\u3000a\u2003b\u3000",
    "a\x1cb\x85",
    "e\u0301",
    "👩‍🚀",
    "<pad>",
    "<end> a",
    "cAt\0Dog",
    "a\0",
    "\0\0 \0",
    "\N{GREEK CAPITAL LETTER SIGMA}\0É\N{GREEK CAPITAL LETTER SIGMA}",
    "a\x01\x1b[2J\x7f",
    "\u202ea\u2066b\u2069\u200f",
    "\U0001d531\U0001f468\u200d\U0001f680",
    "\ufeffa",
]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("separator", ["", " "])
def test_graph_and_python_agree(separator, lowercase):
    known = Vocabulary.from_texts([t for t in TEXTS if "?" not in t], separator, lowercase)
    graph = known.in_graph()
    for text in TEXTS:
        ids, tokens = graph.encode(tf.constant([text]))[0], graph.tokens(tf.constant([text]))[0]
        expected = known.encode(text)
        assert ids.numpy().tolist() == (expected or [0]), repr(text)
        found = [token.decode() for token in tokens.numpy()]
        assert found == (known.split(text) or [""]), repr(text)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("separator", ["", " "])
def test_bytes_that_are_no_utf8_are_read_as_python_decodes_them(separator, lowercase):
    known = Vocabulary(["a", "b", "\ufffd"] + ["ab"] * bool(separator), separator, lowercase)
    graph = known.in_graph()
    for content in (
        b"\xff\xfeab",
        b"a\xe2\x82 b",
        b"\xed\xa0\x80",
        b"a\x80\x80\0",
        b"\xf0\x9f\x98",
    ):
        text = content.decode("utf-8", "replace")
        found = graph.encode(tf.constant([content]))[0].numpy().tolist()
        assert found == known.encode(text), content
        tokens = [token.decode() for token in graph.tokens(tf.constant([content]))[0].numpy()]
        assert tokens == known.split(text), content


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("separator", ["", " "])
def test_a_text_is_cut_after_so_many_tokens_everywhere(separator, lowercase, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    sigma = "\N{GREEK CAPITAL LETTER SIGMA}"
    tokens = ["a", "b", "i", *"\N{GREEK SMALL LETTER SIGMA}\N{GREEK SMALL LETTER FINAL SIGMA}"]
    vocabulary = Vocabulary(tokens, separator, lowercase, longest=5)
    vocabulary.write_tokenizer(tmp_path / "tokenizer.json")
    reader = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    graph = vocabulary.in_graph()
    texts = ["a b a b a b a", "abababab", "  \t" * 40 + "aAbabab", f"abab{sigma}"]
    texts += [f"abab{sigma}b", f"abİb{sigma}babc"]
    texts = [text + " b" * more for text in texts for more in (0, 40)]
    tokens = [[token.decode() for token in row if token] for row in graph.tokens(texts).numpy()]
    for text, found in zip(texts, tokens):
        assert len(vocabulary.encode(text)) <= 5
        assert found == vocabulary.split(text), text
        assert reader.encode(text).ids == vocabulary.encode(text), text
    assert vocabulary.encode(texts[1]) == ([4, 5, 4, 5, 4] if separator else [4, 3, 5, 3, 4])
    assert graph.encode(texts).shape == (len(texts), 5)


@pytest.mark.parametrize("separator", ["", " "])
def test_the_longest_text_is_saved_and_512_where_a_file_does_not_say(separator, tmp_path):
    vocabulary = Vocabulary.from_texts(["a b"], separator, longest=700)
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.longest == 700 and loaded == vocabulary != Vocabulary(["a", "b"], separator)
    config = vocabulary.get_config()
    del config["longest"]
    assert (
        Vocabulary.from_config(config).longest
        == 512
        == len(Vocabulary.from_config(config).encode("a " * 700))
    )
    with pytest.raises(ValueError, match="longest: expected a positive integer, received 0"):
        Vocabulary("ab", longest=0)


def test_whole_texts_are_counted_for_a_vocabulary():
    assert "z" in Vocabulary.from_texts(["a" * 600 + "z"]).tokens


@pytest.mark.parametrize("text", [" ", "a", "é", "a ", "\0", "\u0301", "\U0001f680"])
@pytest.mark.parametrize("separator", ["", " "])
def test_reading_a_long_text_costs_little(separator, text):
    """Before it is split: 400,000 characters were as many tokens, and 32 such texts the memory."""
    vocabulary = Vocabulary("a", separator, lowercase=True)
    split = tf.function(
        vocabulary.in_graph().encode, input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    split(tf.constant(["a"]))
    long = text * (400_000 // len(text))
    texts = tf.constant([long] * 32)
    begin = time.process_time()
    found = split(texts)
    assert time.process_time() - begin < 5
    assert found.shape[1] <= 512
    begin = time.process_time()
    expected = vocabulary.encode(long)
    assert time.process_time() - begin < 0.5
    assert found[0].numpy().tolist() == (expected or [0])


def test_a_batch_is_padded_to_its_longest_text():
    graph = Vocabulary("abc").in_graph()
    assert graph.encode(tf.constant(["cab", "", "b"])).numpy().tolist() == [
        [6, 4, 5],
        [0, 0, 0],
        [5, 0, 0],
    ]


@pytest.mark.parametrize("separator", ["", " "])
def test_decoding_agrees(separator):
    vocabulary = Vocabulary(["á", "b", "c"], separator)
    graph = vocabulary.in_graph()
    ids = np.array([[4, 5, 6, 2], [6, 2, 0, 0], [2, 0, 0, 0], [3, 4, 2, 0]])
    texts = [text.decode() for text in graph.join(graph.to_tokens(ids)).numpy()]
    assert texts == [vocabulary.decode(row) for row in ids]


def test_the_twin_runs_in_a_graph_that_is_saved(tmp_path):
    module = tf.Module()
    module.vocabulary = Vocabulary("abc", lowercase=True).in_graph()
    module.table = module.vocabulary.table
    module.encode = tf.function(
        module.vocabulary.encode, input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.encode(tf.constant(["Cab", "é"])).numpy().tolist() == [[6, 4, 5], [3, 0, 0]]


def test_ids_are_the_special_ones_and_then_the_tokens():
    vocabulary = Vocabulary("ab")
    assert vocabulary.tokens == ("<pad>", "<start>", "<end>", "<unk>", "a", "b")
    assert len(vocabulary) == 6
    assert vocabulary.decode([1, 4, 5, 2, 4]) == "ab"


def test_special_tokens_in_a_text_are_unknown():
    vocabulary = Vocabulary(["a"], separator=" ")
    assert vocabulary.encode("<end> a <pad>") == [3, 4, 3]


def test_from_texts_sorts_or_keeps_the_most_frequent():
    texts = ["bbb", "aac", "d"]
    assert Vocabulary.from_texts(texts).tokens[4:] == ("a", "b", "c", "d")
    assert Vocabulary.from_texts(texts, size=6).tokens[4:] == ("b", "a")


@pytest.mark.parametrize("separator", ["", " "])
def test_saved_and_loaded_is_equal(separator, tmp_path):
    vocabulary = Vocabulary(["é", "語"], separator, lowercase=True)
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary
    assert Vocabulary.from_config(vocabulary.get_config()) == vocabulary
    assert vocabulary != Vocabulary(["é"], separator)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b'{"tokens": ["a"', "Expecting ',' delimiter"),
        (b"\xff{}", "'utf-8' codec can't decode byte 0xff"),
        (b"[" * 200_000, "recursion"),
        (b'["a"]', r"config: expected a dictionary, received \['a'\]"),
        (b"{}", "missing 1 required positional argument: 'tokens'"),
        (b'{"tokens": 5}', "tokens: expected strings, received 5"),
        (b'{"tokens": ["a"], "seperator": ""}', "unexpected keyword argument 'seperator'"),
        (b'{"tokens": ["a"], "separator": [""]}', "separator: expected one of"),
        (b'{"tokens": ["a"], "lowercase": "no"}', "lowercase: expected True or False, rec.* 'no'"),
        (b'{"tokens": ["a"], "lowercase": 1}', "lowercase: expected True or False, received 1"),
        (b'{"kind": "subwords", "tokens": ["a"], "longest": "9"}', "longest: expected a positive"),
        (b'{"kind": "subwords", "tokens": ["a", "a"]}', "tokens: expected each once"),
        (b'{"kind": "keras_lookup"}', "'"),
    ],
)
@pytest.mark.parametrize("kind", [Vocabulary, Subwords])
def test_an_error_in_a_file_names_the_file(kind, content, message, tmp_path):
    (tmp_path / "letters.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"letters\.json'?: .*{message}") as caught:
        kind.load(tmp_path / "letters.json")
    assert "\n" not in str(caught.value)


def test_a_special_token_in_a_text_is_unknown_in_python_and_in_the_graph():
    words = Vocabulary(["a"], separator=" ")
    assert words.encode("a <end> a") == [4, 3, 4]
    assert words.in_graph().encode(["a <end> a"]).numpy().tolist() == [[4, 3, 4]]


BATCHES = {
    "encode": (
        lambda vocabulary: vocabulary.encode(["a", "b"]),
        r"^text: expected one string, received a list, \['a', 'b'\]. For several texts write "
        r"\[vocabulary.encode\(text\) for text in texts\].$",
    ),
    "split": (
        lambda vocabulary: vocabulary.split(("a",)),
        r"^text: expected one string, received a tuple, \('a',\). For several texts write "
        r"\[vocabulary.split\(text\) for text in texts\].$",
    ),
    "bytes": (
        lambda vocabulary: vocabulary.encode(b"a"),
        r"^text: expected one string, received a bytes, b'a'. Write encode\(text.decode\(\)\).$",
    ),
    "number": (
        lambda vocabulary: vocabulary.encode(3),
        r"^text: expected one string, received a int, 3.$",
    ),
    "decode": (
        lambda vocabulary: vocabulary.decode(np.array([[4, 2], [5, 2]])),
        r"^ids: expected one sequence of integers, received a ndarray, .* For a batch write "
        r"\[vocabulary.decode\(row\) for row in ids\].$",
    ),
    "from_texts": (
        lambda vocabulary: type(vocabulary).from_texts("ab"),
        r"^texts: expected several strings, received one, 'ab'. For a single text write \[text\].$",
    ),
    "tokens": (
        lambda vocabulary: type(vocabulary)([1, 2]),
        r"^tokens: expected strings, received 1.$",
    ),
}


@pytest.mark.parametrize("vocabulary", [Vocabulary("ab"), Subwords(["▁a", "b"])], ids=["", "sub"])
@pytest.mark.parametrize("call, message", BATCHES.values(), ids=BATCHES)
def test_what_is_no_text_is_refused_with_what_to_write(call, message, vocabulary):
    with pytest.raises(ValueError, match=message):
        call(vocabulary)


@pytest.mark.parametrize("i", [6, -1])
def test_ids_that_the_vocabulary_lacks_are_refused(i):
    with pytest.raises(ValueError, match=f"ids: expected ids from 0 to 5, received {i}."):
        Vocabulary("ab").decode([4, i, 5])
    assert Vocabulary("ab").decode([4, 2, i]) == "a"


def test_ids_may_be_any_iterable_of_integers():
    vocabulary = Vocabulary("ab")
    for ids in ([1, 4, 5, 2], np.array([1, 4, 5, 2]), tf.constant([1, 4, 5, 2]), iter([4, 5])):
        assert vocabulary.decode(ids) == "ab"


def test_a_vocabulary_is_made_of_what_an_argument_may_be():
    letters, pieces = Vocabulary("ab"), Subwords(["▁a", "b"])
    for vocabulary in (letters, pieces):
        assert as_vocabulary(vocabulary) is vocabulary
        made = as_vocabulary(vocabulary.get_config())
        assert made == vocabulary and type(made) is type(vocabulary)
    assert as_vocabulary(30, allow_size=True) == 30
    size = as_vocabulary(np.int64(30), allow_size=True)
    assert size == 30 and type(size) is int


@pytest.mark.parametrize("value", [4, -1, True, 30.0, "abc", None, ["a", "b"]], ids=repr)
def test_what_is_no_vocabulary_is_refused(value):
    message = "side: expected a keras_attention.text.Vocabulary or its size, at least 5 .*received"
    with pytest.raises(ValueError, match=message):
        as_vocabulary(value, name="side", allow_size=True)
    with pytest.raises(ValueError, match=r"vocabulary: expected a .*Vocabulary, received"):
        as_vocabulary(value)


def test_a_size_is_no_vocabulary_where_text_is_needed():
    with pytest.raises(ValueError, match=r"vocabulary: expected a .*Vocabulary, received 30"):
        as_vocabulary(30)


class Reversed:
    """A vocabulary that has nothing to do with `Vocabulary`: it reads backwards."""

    special_ids = SpecialIds()

    def __init__(self):
        self._inner = Vocabulary("abc")
        self.tokens = self._inner.tokens
        self.in_graph = self._inner.in_graph
        self.write_tokenizer = self._inner.write_tokenizer
        self.get_config = self._inner.get_config
        self.to_tokens = self._inner.to_tokens
        self.join = self._inner.join
        self.decode = self._inner.decode

    def __len__(self):
        return len(self.tokens)

    def split(self, text):
        return self._inner.split(text)[::-1]

    def to_ids(self, tokens):
        return self._inner.to_ids(tokens)

    def encode(self, text):
        return self._inner.encode(text)[::-1]


def test_an_object_of_ones_own_is_a_vocabulary():
    own = Reversed()
    assert isinstance(own, VocabularyLike)
    assert as_vocabulary(own) is own
    assert isinstance(graph_vocabulary(own), GraphVocabulary)


def test_a_model_generates_with_a_vocabulary_of_ones_own():
    letters = Vocabulary("abc")
    own, plain = (EncoderDecoder(source, letters, units=8) for source in (Reversed(), letters))
    own.build()
    plain.build()
    plain.set_weights(own.get_weights())
    (found,), (expected,) = own.generate(["abb"]), plain.generate(["bba"])
    assert found.text == expected.text and found.score == pytest.approx(expected.score)
    assert list(found.source_tokens) == ["b", "b", "a"]


@pytest.mark.parametrize(
    ("special", "message"),
    [
        (SpecialIds(end=7), r"side.special_ids: expected integers from 0 to 6, received \(0, 1, 7"),
        (SpecialIds(pad=2), "side.special_ids: expected padding and end to differ"),
        (SpecialIds(unknown=0), "side.special_ids: expected .* the unknown id from the others"),
        ((0, 1, 2), r"side.special_ids: expected .*SpecialIds\(.*received \(0, 1, 2\)"),
        (SpecialIds(start=True), "side.special_ids: expected integers"),
    ],
)
def test_special_ids_that_cannot_be_are_refused(special, message):
    own = Reversed()
    own.special_ids = special
    with pytest.raises(ValueError, match=message):
        as_vocabulary(own, name="side")


def test_a_subclass_is_found_by_its_kind(tmp_path):
    class Vowels(Vocabulary, kind="vowels"):
        def __init__(self, tokens="aeiou"):
            super().__init__(tokens)

        def get_config(self):
            return {"kind": "vowels", "tokens": list(self.tokens[4:])}

    Vowels("ai").save(tmp_path / "vowels.json")
    loaded = Vocabulary.load(tmp_path / "vowels.json")
    assert isinstance(loaded, Vowels) and loaded == Vowels("ai")
    with pytest.raises(ValueError, match=r"kind: expected one of .*'subwords'"):
        vocabulary_from_config({"kind": "consonants"})
