"""The vocabularies that lie beside ONNX and LiteRT: other readers get the same ids from them."""

import json

import pytest

from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.models import EncoderDecoder
from keras_attention.text import Vocabulary
from tests.support.exporting import LETTERS, MAX_LENGTH, SOUNDS, speller

TEXTS = [
    "Bqd",
    "",
    " a\tb\u3000 ",
    "ab\x1ccd\x85",
    "<end> ab <pad>",
    "h\N{SNOWMAN}?\n\nf",
    "ΟΔΟΣ ΣΑΣ Σ İ",
    "a\u0301e\u200bx",
]


@pytest.mark.parametrize("separator", ["", " "])
@pytest.mark.parametrize("lowercase", [True, False])
def test_the_tokenizers_package_gives_the_same_ids(tmp_path, separator, lowercase):
    tokenizers = pytest.importorskip("tokenizers")
    # All that is in the texts but for the first.
    vocabulary = Vocabulary.from_texts(TEXTS[1:], separator, lowercase)
    vocabulary.write_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        assert ids == vocabulary.encode(text), text
        if 3 not in ids:
            assert tokenizer.decode(ids) == vocabulary.decode(ids)
    assert 3 in tokenizer.encode(TEXTS[0]).ids


def test_a_sequence_is_decoded_without_its_end(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    write_vocabularies(speller(), MAX_LENGTH, tmp_path)
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "target_tokenizer.json"))
    assert tokenizer.decode([4, 6, 8, 2, 0, 0]) == SOUNDS.decode([4, 6, 8, 2, 0, 0]) == "AA K É"


def test_what_lies_in_the_files(tmp_path):
    write_vocabularies(speller(), MAX_LENGTH, tmp_path)
    about = json.loads((tmp_path / "vocabulary.json").read_text("utf-8"))
    assert about["source"]["tokens"] == list(LETTERS.tokens) and about["source"]["lowercase"]
    assert about["target"]["tokens"] == list(SOUNDS.tokens)
    assert about["special_ids"] == {"padding": 0, "start": 1, "end": 2, "unknown": 3}
    assert about["max_length"] == MAX_LENGTH


def test_a_model_that_knows_only_sizes(tmp_path):
    write_vocabularies(EncoderDecoder(9, 9, units=4), 5, tmp_path)
    about = json.loads((tmp_path / "vocabulary.json").read_text("utf-8"))
    assert about["source"] is None and about["target"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.json"]
