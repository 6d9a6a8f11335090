"""`<unk>` is replaced inside artifacts of text as `generate` replaces it."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention import generation
from keras_attention.export import export_model
from keras_attention.export.replacer import WordReplacer, whole_words
from keras_attention.export.signatures import text_signatures
from keras_attention.generation import BeamSearch, Greedy
from keras_attention.generation.unknown import word_replacer
from keras_attention.text import Subwords, Vocabulary
from tests.support.exporting import LETTERS, SOUNDS, captioner, speller

PIECES = Subwords(["▁un", "##seen", "▁wo", "##rd", "!"])
TEXTS = ["bad", "☃ head", "a☃", ""]


def unsure():
    """A model that writes `<unk>` often."""
    model = speller()
    bias = model.logits.bias.numpy()
    bias[3] += 3.0
    model.logits.bias.assign(bias)
    return model


@pytest.mark.parametrize("replace", [True, {"a": "AH", "☃": "SNOW"}])
def test_as_generate_does(replace):
    model, search = unsure(), BeamSearch(max_length=4, num_beams=3)
    signatures, resources = text_signatures(model, search, replace_unknown=replace)
    assert len(resources) == (2 if replace is True else 3)
    found = signatures["beam"](text=tf.constant(TEXTS))
    expected = generation.generate(model, TEXTS, search, n_best=3, replace_unknown=replace)
    plain = generation.generate(model, TEXTS, search, n_best=3)
    texts = [[text.decode() for text in row] for row in found["texts"].numpy().tolist()]
    assert texts == [[one.text for one in row] for row in expected]
    assert texts != [[one.text for one in row] for row in plain]
    greedy = signatures["greedy"](text=tf.constant(TEXTS))["texts"].numpy().tolist()
    expected = generation.generate(model, TEXTS, Greedy(max_length=4), replace_unknown=replace)
    assert [text.decode() for text in greedy] == [one.text for one in expected]


@pytest.mark.slow
def test_in_an_artifact(tmp_path):
    model, search = unsure(), BeamSearch(max_length=3, num_beams=2)
    replaced = {"a": "AH"}
    report = export_model(
        model,
        tmp_path / "words",
        kind="text",
        search=search,
        replace_unknown=replaced,
        verbose=False,
    )
    assert report["ids_equal"]
    served = tf.saved_model.load(str(tmp_path / "words" / "1")).signatures["serving_default"]
    found = [text.decode() for text in served(text=tf.constant(TEXTS))["texts"].numpy()]
    expected = generation.generate(model, TEXTS, search, replace_unknown=replaced)
    assert found == [one.text for one in expected]


def test_whole_words_of_pieces():
    sources = [["▁un", "##seen", "▁Tekoa", "##rd", "!", ""], ["##seen", "▁wo", "##rd", "", "", ""]]
    found = whole_words(tf.constant(sources)).numpy()
    assert [[word.decode() for word in row] for row in found] == [
        ["unseen", "unseen", "Tekoard", "Tekoard", "!", ""],
        ["seen", "word", "word", "", "", ""],
    ]
    rng = np.random.default_rng(0)
    target = [["<unk>", "▁wo", "<unk>", "<unk>"]] * 2
    attention = rng.random((2, 4, 6)).astype("float32")
    for written in (PIECES, Vocabulary("ab")):
        pieces = isinstance(written, Subwords)
        python = word_replacer({"Tekoard": "town"}, PIECES, written)
        graph = WordReplacer({"Tekoard": "town"}, source_pieces=True, target_pieces=pieces)
        found = graph(tf.constant(sources), tf.constant(target), tf.constant(attention)).numpy()
        for i, source in enumerate(sources):
            real = [token for token in source if token]
            expected = python(real, target[i], attention[i, :, : len(real)])
            assert [token.decode() for token in found[i]] == expected


def test_what_is_refused(tmp_path):
    model = speller(letters=LETTERS, sounds=SOUNDS)
    for options, message in (
        ({"replace_unknown": "x", "kind": "text"}, "replace_unknown: expected True, False or a"),
        ({"replace_unknown": True}, "replace_unknown: expected False for kind='ids'"),
        ({"replace_unknown": {"a": ""}, "kind": "text"}, "replacements: expected strings"),
    ):
        with pytest.raises(ValueError, match=message):
            export_model(model, tmp_path / "new", **options)
    with pytest.raises(ValueError, match="replace_unknown: expected False for kind='image'"):
        export_model(captioner(), tmp_path / "new", kind="image", replace_unknown=True)
    assert list(tmp_path.iterdir()) == []
