"""Subwords: the same ids in Python, in a graph and from tokenizer.json, for any text."""

import random
import unicodedata

import pytest
import tensorflow as tf

from keras_attention.text import (
    GraphSubwords,
    Subwords,
    Vocabulary,
    graph_vocabulary,
    vocabulary_from_config,
)
from keras_attention.text.word_pieces import learn_pieces

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("tensorflow_text")

TEXTS = ["The white house, isn't it? <end> 1,234", "La maison est blanche; l'Été — «où»"]
ODD = [
    "",
    "   ",
    "#",
    "##t ##",
    "▁",
    "a▁b",
    "the  white\thouse\n",
    "a\u00a0b\u3000c\x85d\x1ce\u2028f",
    "e\u0301te\u0301 l'E\u0301te\u0301",
    "ﬁ ① … \uff26\uff55\uff4c\uff4c",
    "<end> <unk> <pad>",
    "日本語、中文。",
    "مرحبا؟ नमस्ते।",
    "👩‍👩‍👧 white 🏠!",
    "\x00 a\x00b",
    "\ufeffthe\u200b house",
    "t" * 1000,
    "é" * 65,
    "white " * 700,
    "\N{COMBINING ACUTE ACCENT}",
    "\U0001d531\U0001d525\U0001d522",
]


@pytest.fixture(scope="module")
def pieces():
    return Subwords.from_texts(TEXTS * 3, size=130)


@pytest.fixture(scope="module")
def graph(pieces):
    twin = pieces.in_graph()
    assert isinstance(twin, GraphSubwords)
    return tf.function(
        lambda texts: twin.tokens(texts), input_signature=[tf.TensorSpec((None,), tf.string)]
    ), twin


@pytest.fixture(scope="module")
def reader(pieces, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    pieces.write_tokenizer(path)
    return tokenizers.Tokenizer.from_file(str(path))


def noise(count):
    """Texts of random characters: known ones, odd ones, and any of Unicode 13's."""
    rng = random.Random(0)
    scripts = [chr(i) for i in range(0x20, 0x1FB00) if unicodedata.category(chr(i)) != "Cn"]
    # Newer than what ICU or Python 3.10 may know: each normalizes what it knows.
    scripts = [c for c in scripts if unicodedata.category(c) not in ("Cs", "Co")]
    pools = ["the whisoéÉ,.'#<>▁ ", " \t\n\x85\u3000\x00\x1c\u200b\u0301ea▁#'", scripts]
    return ["".join(rng.choices(pools[i % len(pools)], k=rng.randint(0, 25))) for i in range(count)]


def everywhere(pieces, graph, reader, texts):
    tokens, twin = graph
    found = tokens(tf.constant(texts))
    return (
        [pieces.encode(text) for text in texts],
        [[i for i in row if i] for row in twin.ids(found).numpy().tolist()],
        [reader.encode(text).ids for text in texts],
        [[token.decode() for token in row if token] for row in found.numpy()],
    )


def test_python_graph_and_tokenizer_agree(pieces, graph, reader):
    texts = ODD + TEXTS + noise(900)
    python, in_graph, read, tokens = everywhere(pieces, graph, reader, texts)
    for text, expected, *others in zip(texts, python, in_graph, read):
        assert others == [expected, expected], ascii(text)
    # Python's Unicode may be older than ICU's, which then normalizes more.
    for text, found in zip(ODD + TEXTS, tokens):
        assert found == pieces.split(text), ascii(text)


def test_decoding_agrees_and_gives_the_normalized_text(pieces, graph, reader):
    twin = graph[1]
    ids = [pieces.encode(text) for text in ODD + TEXTS if text.strip()]
    texts = [pieces.decode(row) for row in ids]
    padded = tf.ragged.constant(ids, tf.int32).to_tensor()
    assert [t.decode() for t in twin.join(twin.to_tokens(padded)).numpy()] == texts
    assert [reader.decode(row) for row in ids] == texts
    assert texts[-2:] == TEXTS
    assert (
        pieces.decode(pieces.encode(" the   white\thouse ,é☃! "))
        == "the white house ,é <unk> <unk>"
    )


def test_pieces_are_the_longest_known_and_unknown_words_stay_whole():
    pieces = Subwords(["▁a", "▁ab", "##b", "##c", "▁", "!"])
    assert pieces.split("abbc ac!! xa") == ["▁ab", "##b", "##c", "▁a", "##c", "!", "!", "▁xa"]
    assert pieces.encode("xa a") == [3, 4]
    assert pieces.decode([4, 3, 4, 2, 4]) == "a <unk> a"


def test_a_word_of_known_characters_is_known(pieces):
    assert all(3 not in pieces.encode(text) for text in TEXTS)
    # All of these characters occurred, but not in these positions.
    assert 3 not in pieces.encode("É,t ,w «4,É» L")
    assert len(pieces) <= 130


def test_learning_depends_on_what_occurs_and_on_nothing_else(pieces):
    assert Subwords.from_texts(TEXTS[::-1] * 3, size=130) == pieces
    counts = {"▁low": 5, "▁lower": 2, "▁newest": 6, "▁widest": 3}
    # Of Sennrich et al.; e.g. es 9 times, then est 9 times, then low 7 times.
    learnt = learn_pieces(counts, 31, 99, "▁", "##")[21:]
    assert learnt[:5] == ["##es", "##est", "##lo", "##low", "▁low"]
    assert len(learnt) == 10


def test_characters_beyond_the_alphabet_are_unknown():
    pieces = Subwords.from_texts(["aaa bb c"], size=20, alphabet=2)
    assert pieces.encode("c")[:1] == [3] and 3 not in pieces.encode("ab ba")


def test_a_text_is_cut_after_so_many_pieces(tmp_path):
    pieces = Subwords(["▁a", "b"], longest=3)
    text = "a a a a a"
    pieces.write_tokenizer(tmp_path / "t.json")
    reader = tokenizers.Tokenizer.from_file(str(tmp_path / "t.json"))
    twin = graph_vocabulary(pieces)
    assert pieces.encode(text) == [4, 4, 4] == reader.encode(text).ids
    assert twin.encode(tf.constant([text, "a"])).numpy().tolist() == [[4, 4, 4], [4, 0, 0]]
    assert twin.tokens(tf.constant([""])).shape == (1, 1)


def test_bytes_that_are_no_utf8_are_unknown(graph):
    twin = graph[1]
    assert twin.encode(tf.constant([b"\xff\xfe"])).numpy().tolist() == [[3]]


def test_the_twin_is_saved_and_loaded(pieces, tmp_path):
    module = tf.Module()
    twin = graph_vocabulary(pieces)
    module.resources = twin.resources
    module.encode = tf.function(twin.encode, input_signature=[tf.TensorSpec((None,), tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded.encode(tf.constant(TEXTS[:1])).numpy().tolist() == [pieces.encode(TEXTS[0])]


def test_saved_and_loaded_is_equal(pieces, tmp_path):
    pieces.save(tmp_path / "pieces.json")
    loaded = Vocabulary.load(tmp_path / "pieces.json")
    assert isinstance(loaded, Subwords)
    assert loaded == pieces == vocabulary_from_config(pieces.get_config())
    assert loaded != Subwords(pieces.tokens[4:], longest=7)


@pytest.mark.parametrize("tokens", [["a", "a"], ["<end>"], [""], ["##"], ["a b"], ["a▁"]])
def test_pieces_that_make_no_sense_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens: expected"):
        Subwords(tokens)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind: expected"):
        vocabulary_from_config({"kind": "syllables"})


def test_texts_without_a_word_are_refused():
    with pytest.raises(ValueError, match="texts: expected some words"):
        Subwords.from_texts(["", "  "])
