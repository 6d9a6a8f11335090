"""The vocabularies that lie beside ONNX and LiteRT: other readers get the same ids from them."""

import json

import keras
import pytest

from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.models import EncoderDecoder
from keras_attention.text import Vocabulary, vocabulary_from_config
from tests.support.exporting import LETTERS, MAX_LENGTH, SOUNDS, speller
from tests.text.foreign_vocabularies import made

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


def test_vocabularies_of_other_libraries_lie_there_with_their_content(tmp_path):
    pytest.importorskip("tokenizers")
    layer = keras.layers.TextVectorization(standardize=None)
    layer.adapt(["[start] one two [end]"])
    pieces = made("tokenizers: bytes")[0]
    model = EncoderDecoder(pieces, layer, units=4, embedding_dim=4)
    write_vocabularies(model, 5, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["source_tokenizer.json", "vocabulary.json"]
    about = json.loads((tmp_path / "vocabulary.json").read_text("utf-8"))
    assert vocabulary_from_config(about["target"]) == model.target_vocabulary
    assert about["target"]["tokens"] == list(model.target_vocabulary.tokens)
    special = model.special_ids
    assert about["special_ids"]["end"] == special.end == layer.get_vocabulary().index("[end]")
    assert about["source_special_ids"]["padding"] == len(model.source_vocabulary) - 1
    assert about["source_special_ids"]["unknown"] is None
