"""Texts in, texts out: every hypothesis that was asked for, and unknown words replaced."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import BeamSearch, Greedy, generate, replace_unknown
from keras_attention.models import EncoderDecoder
from keras_attention.text import END, UNKNOWN, Vocabulary
from keras_attention.text.subwords import Subwords
from keras_attention.tfa import tfa_beam_search
from tests.support.hypotheses import first_of
from tests.support.plain_search import Toy

LETTERS = Vocabulary("abcdefghijklmnop")
SHORT = Vocabulary("vwxyz")
TEXTS = ["ab", "fghij", "kélp", "c"]
SEARCH = BeamSearch(num_beams=4, max_length=5, length_penalty=0.6)


class Writer(Toy):
    """Searches as any model does, over letters."""

    source_vocabulary, target_vocabulary = LETTERS, SHORT


class Reader:
    """Writes `said`, whatever it reads, and looks at one position after another."""

    def __init__(self, source, target, said):
        self.source_vocabulary, self.target_vocabulary = source, target
        self.said = tf.constant([*said, END])

    def start(self, ids):
        ids = tf.convert_to_tensor(ids)
        return {"ids": ids, "t": tf.zeros_like(ids[:, 0])}

    def step(self, tokens, state):
        t = state["t"]
        logits = 9 * tf.one_hot(tf.gather(self.said, t), len(self.target_vocabulary))
        weights = tf.one_hot(t, tf.shape(state["ids"])[1])
        return logits, {**state, "t": t + 1}, weights


@pytest.fixture(scope="module")
def writer():
    return Writer(seed=3, end_bias=0.5)


def search_alone(model, text, search=SEARCH):
    return search(model, np.array([LETTERS.encode(text) or [0]], "int32"))


@pytest.mark.parametrize("batch_size", [2, 8], ids=["graph", "eager"])
def test_n_best_gives_what_the_search_finds(writer, batch_size):
    found = generate(writer, TEXTS, SEARCH, n_best=3, batch_size=batch_size)
    assert [len(hypotheses) for hypotheses in found] == [3] * len(TEXTS)
    for text, hypotheses in zip(TEXTS, found):
        alone = search_alone(writer, text)
        for n, one in enumerate(hypotheses):
            sequence = np.asarray(alone.sequences[0, n])
            assert one.tokens == SHORT.to_tokens(sequence)
            assert one.text == SHORT.decode(sequence)
            assert one.source_tokens == list(text)
            assert one.score == pytest.approx(float(alone.scores[0, n]), abs=1e-4)
            attention = np.asarray(alone.attention[0, n])[: len(one.tokens), : len(text)]
            assert one.attention.shape == (len(one.tokens), len(text))
            np.testing.assert_allclose(one.attention, attention, atol=1e-5)


def same(one, other):
    return one[:4] == other[:4] and np.array_equal(one.attention, other.attention)


def test_without_n_best_there_is_the_best_alone(writer):
    several = generate(writer, TEXTS, SEARCH, n_best=4)
    best = generate(writer, TEXTS, SEARCH)
    assert all(same(one, hypotheses[0]) for one, hypotheses in zip(best, several, strict=True))
    best, single = generate(writer, TEXTS), generate(writer, TEXTS, n_best=1)
    assert all(same(one, other) for one, [other] in zip(best, single, strict=True))
    expected = first_of(Greedy()(writer, np.array([LETTERS.encode("ab")])))
    assert best[0].tokens == SHORT.to_tokens(expected.sequences[0])


def test_fewer_than_asked_for_where_there_are_no_more(writer):
    # One token: five letters, the unknown one, and the end.
    search = BeamSearch(num_beams=9, max_length=1)
    [found] = generate(writer, ["ab"], search, n_best=9)
    assert sorted(one.text for one in found) == ["", "<unk>", *"vwxyz"]
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)


def test_a_search_that_chooses_start_and_padding(writer):
    def search(model, ids):
        return tfa_beam_search(model, ids, beam_width=6, max_length=5)

    special = 0
    for text, hypotheses in zip(TEXTS, generate(writer, TEXTS, search, n_best=6), strict=True):
        alone = search_alone(writer, text, search)
        for n, one in enumerate(hypotheses):
            sequence = np.asarray(alone.sequences[0, n])[: int(alone.lengths[0, n])]
            kept = sequence > END
            special += int(np.sum(sequence < END))
            assert one.tokens == SHORT.to_tokens(sequence)
            attention = np.asarray(alone.attention[0, n])[: len(kept)][kept]
            np.testing.assert_allclose(one.attention, attention[:, : len(text)], atol=1e-5)
    assert special, "none was chosen: nothing is shown"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_best": 0}, "n_best: expected a positive integer, received 0"),
        ({"n_best": 2}, "n_best: expected at most 1, the number of hypotheses"),
        ({"n_best": 5, "search": SEARCH}, "n_best: expected at most 4.*received 5"),
        ({"n_best": 5, "search": SEARCH, "batch_size": 1}, "n_best: expected at most 4"),
        ({"replace_unknown": "yes"}, "replace_unknown: expected True, False, a dict.*'yes'"),
        ({"replace_unknown": None}, "replace_unknown: expected True, False, a dict"),
        ({"replace_unknown": {"a": ""}}, "replacements: expected strings that are not empty"),
    ],
)
def test_what_makes_no_sense_is_refused(writer, options, message):
    with pytest.raises(ValueError, match=message):
        generate(writer, TEXTS, **options)


@pytest.mark.parametrize("lexicon", [None, {"a": "A", "h": "H"}])
def test_every_hypothesis_is_replaced_by_its_own_attention(writer, lexicon):
    options = {"search": SEARCH, "n_best": 4}
    plain = generate(writer, TEXTS, **options)
    found = generate(writer, TEXTS, replace_unknown=lexicon or True, **options)
    copied = set()
    for before, after in zip(plain, found, strict=True):
        for n, (old, new) in enumerate(zip(before, after, strict=True)):
            expected = replace_unknown(old.source_tokens, old.tokens, old.attention, lexicon)
            assert new.tokens == expected
            assert new.text == SHORT.join(expected)
            assert new.score == old.score and np.array_equal(new.attention, old.attention)
            copied |= {(n, t) for t, o in zip(expected, old.tokens) if t != o}
    assert {n for n, _ in copied} > {0}
    assert len({token for _, token in copied}) > 2


WORDS = Vocabulary(["le", "roi", "dort"], separator=" ")
PIECES = Subwords(["▁le", "▁roi", "▁Ha", "##ba", "##cuc", "##s", "!", "▁dort"])


@pytest.mark.parametrize(
    ("source", "target", "said", "expected"),
    [
        # What is unknown is looked at in the third position: the whole word is meant.
        (WORDS, WORDS, [4, 5, UNKNOWN, 6], "le roi Habacuc dort"),
        (PIECES, PIECES, [4, 5, UNKNOWN, 11], "le roi Habacuc dort"),
        (PIECES, WORDS, [4, 5, UNKNOWN, 6], "le roi Habacuc dort"),
        (WORDS, PIECES, [4, 5, UNKNOWN, 11], "le roi Habacuc dort"),
        # And so it is inside of it; known pieces stay as they are.
        (PIECES, PIECES, [4, 5, 9, UNKNOWN], "le rois Habacuc"),
    ],
)
def test_whole_words_are_copied_from_pieces_and_into_them(source, target, said, expected):
    reader = Reader(source, target, said)
    [found] = generate(reader, ["le roi Habacuc dort"], replace_unknown=True)
    assert found.text == target.join(found.tokens) == expected
    [found] = generate(reader, ["le roi Habacuc dort"], replace_unknown={"Habacuc": "New York"})
    assert found.text == expected.replace("Habacuc", "New York")
    [found] = generate(reader, ["le roi Habacuc dort"])
    assert found.text == expected.replace("Habacuc", "<unk>")


def test_of_an_empty_text_nothing_is_copied():
    found = generate(Reader(WORDS, WORDS, [4, UNKNOWN]), ["", "roi"], replace_unknown=True)
    assert [one.text for one in found] == ["le <unk>", "le <unk>"]
    assert found[0].attention.shape == (2, 0)


def test_a_function_replaces_as_it_likes():
    asked = []

    def capitals(words, tokens, attention):
        asked.append((words, tokens, attention.shape))
        return replace_unknown(words, tokens, attention, {word: word.upper() for word in words})

    reader = Reader(PIECES, WORDS, [4, UNKNOWN])
    [found] = generate(reader, ["le Habas"], replace_unknown=capitals)
    assert asked == [(["le", "Habas", "Habas", "Habas"], ["le", "<unk>"], (2, 4))]
    assert found.text == "le HABAS"
    generate(Reader(WORDS, WORDS, [4, 5]), ["le"], replace_unknown=capitals)
    assert len(asked) == 1, "nothing was unknown"


@pytest.mark.parametrize("returned", [["le"], "le", None, ["le", 3]])
def test_a_function_that_returns_no_tokens_is_refused(returned):
    reader = Reader(WORDS, WORDS, [4, UNKNOWN])
    with pytest.raises(ValueError, match="replace_unknown: expected a function that returns 2 str"):
        generate(reader, ["le roi"], replace_unknown=lambda *given: returned)


class Speller(Toy):
    """Knows only how many ids there are."""

    source_vocabulary, target_vocabulary = 20, 9


def test_ids_are_read_and_written_where_there_is_no_vocabulary():
    ids = [[5, 6], [9, 4, 7, 8], [3]]
    matrix = np.array([[5, 6, 0, 0], [9, 4, 7, 8], [3, 0, 0, 0]])
    model, search = Speller(seed=3, end_bias=0.5), Greedy(max_length=5)
    found = generate(model, ids, search)
    assert all(map(same, found, generate(model, matrix, search)))
    for one, source in zip(found, ids):
        expected = search(model, np.array([source]))
        written = [str(i) for i in np.asarray(expected.sequences[0, 0]) if i > END]
        assert one.source_tokens == [str(i) for i in source]
        assert one.tokens == written and one.text == " ".join(written)
        assert one.attention.shape == (len(written), len(source))
    with pytest.raises(ValueError, match="inputs: expected lists of ids, since the model has no"):
        generate(model, ["ab"])


def test_ids_are_read_with_a_vocabulary_too(writer):
    found = generate(writer, [LETTERS.encode(text) for text in TEXTS], SEARCH)
    for one, other in zip(found, generate(writer, TEXTS, SEARCH), strict=True):
        assert one.text == other.text and one.score == pytest.approx(other.score, abs=1e-5)


def test_ids_outside_of_the_vocabulary_are_unknown(writer):
    unknown = writer.source_vocabulary.special_ids.unknown
    found = generate(writer, [[5, 20, -1], [2**40, 6]], SEARCH)
    expected = generate(writer, [[5, unknown, unknown], [unknown, 6]], SEARCH)
    for one, other in zip(found, expected, strict=True):
        assert one.text == other.text and one.source_tokens == other.source_tokens
        assert one.score == pytest.approx(other.score, abs=1e-5)
    with pytest.raises(ValueError, match=r"prefix: expected ids from 0 to \d+, received \[99\]"):
        generate(writer, ["a"], SEARCH, prefix=[[99]])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("ab", "inputs: expected a list of strings, received the string 'ab'"),
        ({"text": ["ab"]}, "inputs: expected a list of strings or ids, or a dictionary of 'sour"),
        ([["ab"]], "inputs: expected strings or lists of ids"),
        ([[0.5]], "inputs: expected strings or lists of ids"),
    ],
)
def test_wrong_inputs_are_refused(writer, inputs, message):
    with pytest.raises(ValueError, match=message):
        generate(writer, inputs)


@pytest.mark.parametrize("search", ["greedy", None, Greedy, 4])
def test_what_is_no_search_is_refused(writer, search):
    with pytest.raises(ValueError, match="search: expected Greedy"):
        generate(writer, TEXTS, search)


def test_a_model_without_vocabularies_reads_and_writes_ids():
    search = Greedy(max_length=5)
    found = generate(Toy(seed=3, end_bias=0.5), [[5, 6], [3]], search)
    expected = generate(Speller(seed=3, end_bias=0.5), [[5, 6], [3]], search)
    assert all(map(same, found, expected)) and found[0].source_tokens == ["5", "6"]
    with pytest.raises(ValueError, match="inputs: expected lists of ids, since the model has no"):
        generate(Toy(), TEXTS)


def test_nothing_gives_nothing(writer):
    assert generate(writer, []) == []


def test_a_text_is_tokenized_once(writer):
    """All of a text twice is slow: pieces are searched for one by one."""
    calls = []

    class Counted(Vocabulary):
        def split(self, text):
            calls.append(text)
            return super().split(text)

    class Model(Writer):
        source_vocabulary = Counted("abcdefghijklmnop")

    generate(Model(seed=3), ["ab", "fghij"], SEARCH)
    assert sorted(calls) == ["ab", "fghij"]


def test_the_method_of_a_model_is_the_function():
    keras.utils.set_random_seed(2)
    model = EncoderDecoder(LETTERS, SHORT, embedding_dim=4, units=6)
    options = {"search": SEARCH, "n_best": 2, "batch_size": 2, "replace_unknown": True}
    for mine, other in zip(model.generate(TEXTS, **options), generate(model, TEXTS, **options)):
        assert len(mine) == len(other) == 2 and all(map(same, mine, other))
