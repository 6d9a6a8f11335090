"""Vocabularies of other libraries: their own ids, in Python and in the graph, and saved."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.datasets import load_bible
from keras_attention.text import (
    SpecialIds,
    Vocabulary,
    VocabularyLike,
    as_vocabulary,
    vocabulary_from_config,
)
from tests.support.tables import one_in
from tests.text.foreign_vocabularies import (
    HOSTILE,
    LINES,
    MAKERS,
    NOT_IN_GRAPHS,
    made,
    unpadded,
)

IN_GRAPHS = [name for name in MAKERS if name not in NOT_IN_GRAPHS]


def in_the_graph(vocabulary, texts, batch=500):
    graph = vocabulary.in_graph()
    encode = tf.function(graph.encode, input_signature=[tf.TensorSpec((None,), tf.string)])
    pad = vocabulary.special_ids.pad
    rows = []
    for begin in range(0, len(texts), batch):
        found = encode(tf.constant(texts[begin : begin + batch])).numpy()
        rows += [unpadded(row, pad) for row in found]
    return rows


@pytest.mark.parametrize("name", MAKERS)
def test_the_ids_are_those_of_the_original(name):
    _, ids_of, vocabulary = made(name)
    assert isinstance(vocabulary, VocabularyLike) and isinstance(vocabulary, Vocabulary)
    texts = [*LINES[::10], *HOSTILE]
    for text in texts:
        ids = vocabulary.encode(text)
        assert ids == list(ids_of(text))[: vocabulary.longest], text[:80]
        tokens = vocabulary.split(text)
        assert vocabulary.to_ids(tokens) == ids, text[:80]


@pytest.mark.parametrize("name", one_in(4, IN_GRAPHS))
def test_python_and_graph_give_the_same_ids(name):
    _, _, vocabulary = made(name)
    texts = [*LINES, *HOSTILE]
    for text, found in zip(texts, in_the_graph(vocabulary, texts)):
        assert found == vocabulary.encode(text), text[:80]


@pytest.mark.parametrize("name", IN_GRAPHS)
def test_python_and_graph_write_the_same_texts(name):
    _, _, vocabulary = made(name)
    special = vocabulary.special_ids
    rng, graph = np.random.default_rng(0), vocabulary.in_graph()
    ids = rng.integers(0, len(vocabulary), (60, 12)).astype("int32")
    ids[np.isin(ids, special.hidden)] = special.unknown or special.pad
    ids[:40] = special.pad
    for row, line in zip(ids[:40], LINES[::25]):
        known = vocabulary.encode(line)[:11]
        row[: len(known)] = known
    ids[0] = special.pad
    tokens = graph.to_tokens(tf.constant(ids))
    texts = [text.decode("utf-8") for text in graph.join(tokens).numpy()]
    for text, row in zip(texts, ids):
        assert text == vocabulary.decode(row), row


@pytest.mark.parametrize("name", MAKERS)
def test_a_text_is_cut_after_so_many_tokens(name):
    _, _, vocabulary = made(name)
    assert vocabulary.longest == (7 if name == "cut" else 512)
    short = vocabulary_from_config({**vocabulary.get_config(), "longest": 3})
    assert short.longest == 3 and short != vocabulary
    texts = ["y z word " * 100, "", LINES[0], "a " * 100_000]
    expected = [vocabulary.encode(text)[:3] for text in texts]
    assert [short.encode(text) for text in texts] == expected
    assert [short.to_ids(short.split(text)) for text in texts] == expected
    if name not in NOT_IN_GRAPHS:
        assert in_the_graph(short, texts) == expected
    older = {n: value for n, value in vocabulary.get_config().items() if n != "longest"}
    assert vocabulary_from_config(older).longest == 512
    with pytest.raises(ValueError, match="longest: expected a positive integer, received -1"):
        vocabulary_from_config({**older, "longest": -1})


def test_a_tokenizer_cuts_where_its_file_says(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    original, _, vocabulary = made("tokenizers: word pieces")
    vocabulary.write_tokenizer(tmp_path / "tokenizer.json")
    written = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert len(written.encode("a " * 2000, add_special_tokens=False).ids) == 512
    cutting = tokenizers.Tokenizer.from_str(original.to_str())
    cutting.enable_truncation(9)
    (tmp_path / "cutting.json").write_text(cutting.to_str(), "utf-8")
    short = as_vocabulary(tmp_path / "cutting.json")
    assert short.longest == 9 == len(short.encode(LINES[0] * 9))
    assert in_the_graph(short, LINES[:5]) == [short.encode(text) for text in LINES[:5]]
    with_more = vocabulary_from_config({**short.get_config(), "longest": 600})
    assert with_more.longest == 9


@functools.cache
def ten_thousand_lines():
    pairs = [load_bible(source, target)["train"] for source, target in (("en", "fr"), ("es", "de"))]
    sides = [
        *(([pair.source for pair in one], [pair.target for pair in one]) for one in pairs),
        ([pair.source for pair in load_bible("it", "fr")["train"]],),
    ]
    return [lines[:10_000] for several in sides for lines in several]


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_ten_thousand_lines_each_in_five_languages(name):
    _, ids_of, vocabulary = made(name)
    for texts in ten_thousand_lines():
        expected = [vocabulary.encode(text) for text in texts]
        ids = [list(ids_of(text))[: vocabulary.longest] for text in texts[:200]]
        assert expected[:200] == ids
        if name not in NOT_IN_GRAPHS:
            assert in_the_graph(vocabulary, texts) == expected


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_read_is_written_again(name):
    _, _, vocabulary = made(name)
    special = vocabulary.special_ids
    ids = vocabulary.encode(LINES[3])
    row = [special.start, *ids, special.end, special.pad, *ids]
    tokens = vocabulary.to_tokens(row)
    assert vocabulary.to_ids(tokens) == ids, "without start, end, padding and what follows"
    if name in ("unigrams", "byte fallback", "tokenizers: bytes", "hub: bytes"):
        assert vocabulary.decode(row) == LINES[3]


@pytest.mark.parametrize("name", MAKERS)
def test_the_configuration_is_json_and_gives_the_same_vocabulary(name, tmp_path):
    _, _, vocabulary = made(name)
    config = json.loads(json.dumps(vocabulary.get_config()))
    loaded = vocabulary_from_config(config)
    assert type(loaded) is type(vocabulary) and loaded == vocabulary
    assert loaded.special_ids == vocabulary.special_ids and loaded.tokens == vocabulary.tokens
    for text in (*LINES[:5], *HOSTILE):
        assert loaded.encode(text) == vocabulary.encode(text)
    assert as_vocabulary(vocabulary) is vocabulary
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary


def test_special_tokens_are_found_by_their_names():
    found = {name: made(name)[2] for name in MAKERS}
    ids = {
        name: tuple(one.tokens[i] for i in one.special_ids if i is not None)
        for name, one in found.items()
    }
    assert ids["vectorization"] == ("", "[start]", "[end]", "[UNK]")
    assert ids["lookup"] == ("[PAD]", "[START]", "[END]", "[UNK]")
    assert ids["tokenizers: word pieces"] == ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
    assert ids["hub: word pieces"] == ids["tokenizers: word pieces"]
    assert ids["tokenizers: unigrams"] == ("<pad>", "<s>", "</s>", "<unk>")
    assert ids["unigrams"] == ("<pad>", "<s>", "</s>", "<unk>")
    assert found["unigrams"].special_ids.pad == 700, "one more id"
    assert found["hub: sentence pieces"].special_ids.pad == 3
    assert ids["tokenizers: bytes"] == ("<pad>", "<|endoftext|>", "<|endoftext|>")
    assert found["hub: bytes"].special_ids.unknown is None


def test_files_are_read_as_well(tmp_path):
    model, _, pieces = made("unigrams")
    tokenizer, _, words = made("tokenizers: word pieces")
    (tmp_path / "pieces.model").write_bytes(model)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert as_vocabulary(str(tmp_path / "pieces.model")) == pieces
    assert as_vocabulary(tmp_path / "tokenizer.json").encode("a") == words.encode("a")
    words.write_tokenizer(tmp_path / "again.json")
    assert as_vocabulary(tmp_path / "again.json").encode(LINES[0]) == words.encode(LINES[0])
    with pytest.raises(
        NotImplementedError, match="write_tokenizer: expected a vocabulary that can be"
    ):
        pieces.write_tokenizer(tmp_path / "no.json")


@pytest.mark.parametrize("name", NOT_IN_GRAPHS)
def test_what_tensorflow_has_no_operations_for_is_named(name):
    _, _, vocabulary = made(name)
    part = r"model WordPiece, received model (BPE|Unigram)\. Export kind='ids'"
    with pytest.raises(ValueError, match=part):
        vocabulary.in_graph()


def _adapted(**options):
    layer = keras.layers.TextVectorization(standardize=None, **options)
    layer.adapt(["one two"])
    return layer


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: keras.layers.TextVectorization(), {}, "an adapted TextVectorization"),
        (lambda: keras.layers.StringLookup(), {}, "an adapted StringLookup"),
        (lambda: _adapted(output_mode="multi_hot"), {}, "output_mode='int', .*'multi_hot'"),
        (_adapted, {}, "tokens for start and end.*received 4 tokens without start and end"),
        (
            lambda: keras.layers.StringLookup(vocabulary=["a"], num_oov_indices=2),
            {},
            "num_oov_indices=0 or 1, received one with num_oov_indices=2",
        ),
        (
            lambda: keras.layers.StringLookup(vocabulary=["a"], invert=True),
            {},
            "invert=False, received one with invert=True",
        ),
        (lambda: b"no model", {}, "the bytes of a SentencePiece model, received 8 bytes"),
        (lambda: "missing.model", {}, "a SentencePiece model, received no file"),
        (lambda: "missing.json", {}, r"a tokenizer\.json, received no file"),
    ],
)
def test_what_cannot_be_a_vocabulary_is_refused(make, options, message):
    with pytest.raises(ValueError, match=f"side: expected .*{message}") as error:
        as_vocabulary(make(), name="side", **options)
    assert "\n" not in str(error.value)


def test_declared_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match="special_ids: expected integers from 0 to 3, received"):
        as_vocabulary(_adapted(), special_ids=SpecialIds(0, 2, 9, 1))


def test_a_source_needs_no_start_and_end():
    read = as_vocabulary(_adapted(), writes=False)
    assert read.encode("two one") == [2, 3] or read.encode("two one") == [3, 2]
    assert as_vocabulary(read, writes=False) is read
    assert as_vocabulary(vocabulary_from_config(read.get_config()), writes=False) == read
    with pytest.raises(ValueError, match=r"target\.special_ids: expected integers"):
        as_vocabulary(read, name="target")


def test_a_function_that_cannot_be_found_again_is_refused_when_it_is_saved():
    layer = keras.layers.TextVectorization(standardize=lambda texts: texts)
    layer.adapt(["[start] a [end]"])
    vocabulary = as_vocabulary(layer)
    assert vocabulary.split("a B") == ["a", "B"]
    with pytest.raises(ValueError, match="standardize: expected a function registered"):
        vocabulary.get_config()


def test_an_unknown_token_without_an_id_is_refused():
    layer = keras.layers.StringLookup(
        vocabulary=["a", "<s>", "</s>", "word"], num_oov_indices=0, mask_token="<pad>"
    )
    vocabulary = as_vocabulary(layer)
    assert vocabulary.special_ids == SpecialIds(0, 2, 3, None)
    with pytest.raises(ValueError, match=r"text: expected tokens of the vocabulary.*'z'"):
        vocabulary.encode("a z")
    with pytest.raises(tf.errors.InvalidArgumentError, match="which has no unknown token"):
        vocabulary.in_graph().encode(tf.constant(["a b"]))
