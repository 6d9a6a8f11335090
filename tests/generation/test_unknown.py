"""Unknown words are replaced through the attention, alike in Python and in the graph."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.export.replacer import GraphReplacer
from keras_attention.generation import replace_unknown

SOURCE = [["le", "roi", "Habacuc", "dort"], ["Tekoa", "", "", ""], ["un", "mot", "", ""]]
TARGET = [["the", "king", "<unk>", "<unk>"], ["<unk>", "sleeps", "", ""], ["<unk>", "a", "", ""]]
INSTEAD = {"dort": "sleeps", "mot": "word"}


@pytest.fixture
def attention(rng):
    weights = rng.uniform(0.1, 0.2, (3, 4, 4)).astype("float32")
    weights[0, 2, 2] = weights[0, 3, 3] = 0.7
    # All of it on the padding; none of it anywhere.
    weights[1, 0, 2] = 0.9
    weights[2, 0] = 0
    return weights


def in_the_graph(source, target, attention, replacements=None):
    replacer = GraphReplacer(replacements)
    replace = tf.function(
        replacer,
        input_signature=[
            tf.TensorSpec((None, None), tf.string),
            tf.TensorSpec((None,) * (np.ndim(attention) - 1), tf.string),
            tf.TensorSpec((None,) * np.ndim(attention), tf.float32),
        ],
    )
    found = replace(tf.constant(source), tf.constant(target), tf.constant(attention))
    return np.char.decode(found.numpy().astype("S")).tolist()


def in_python(source, target, attention, replacements=None):
    return [replace_unknown(*row, replacements) for row in zip(source, target, attention)]


@pytest.mark.parametrize("replace", [in_python, in_the_graph])
def test_an_unknown_word_becomes_what_it_attended_to(replace, attention):
    found = replace(SOURCE, TARGET, attention)
    assert found[0] == ["the", "king", "Habacuc", "dort"]
    assert found[1] == ["Tekoa", "sleeps", "", ""], "padding is never copied"
    assert found[2] == ["<unk>", "a", "", ""], "what attended to nothing stays"
    assert replace(SOURCE, TARGET, attention, INSTEAD)[0] == ["the", "king", "Habacuc", "sleeps"]


@pytest.mark.parametrize("replace", [in_python, in_the_graph])
def test_more_padding_changes_nothing(replace, attention):
    padded = replace(
        [[*row, "", ""] for row in SOURCE],
        [[*row, ""] for row in TARGET],
        np.pad(attention, [(0, 0), (0, 1), (0, 2)], constant_values=0.95),
        INSTEAD,
    )
    assert [row[:-1] for row in padded] == replace(SOURCE, TARGET, attention, INSTEAD)


def test_python_takes_what_is_not_padded_too(attention):
    assert replace_unknown(["Tekoa"], ["<unk>"], attention[1, :1]) == ["Tekoa"]
    assert replace_unknown(["Tekoa"], [], np.zeros((0, 1))) == []
    assert replace_unknown(["Tekoa"], [], []) == []
    assert replace_unknown([], ["<unk>"], np.zeros((1, 0))) == ["<unk>"]


def test_several_hypotheses_a_row(attention):
    target, weights = np.array(TARGET), np.stack([attention, attention[:, ::-1]], axis=1)
    found = in_the_graph(SOURCE, np.stack([target, target[:, ::-1]], axis=1), weights, INSTEAD)
    expected = in_python(SOURCE, TARGET, attention, INSTEAD)
    assert [row[0] for row in found] == expected
    assert [row[1][::-1] for row in found] == expected


def test_the_table_is_restored_with_a_saved_model(attention, tmp_path):
    module = tf.Module()
    replacer = GraphReplacer(INSTEAD)
    module.resources = replacer.resources
    module.replace = tf.function(
        replacer,
        input_signature=[
            tf.TensorSpec((None, None), tf.string),
            tf.TensorSpec((None, None), tf.string),
            tf.TensorSpec((None, None, None)),
        ],
    )
    tf.saved_model.save(module, str(tmp_path))
    found = tf.saved_model.load(str(tmp_path)).replace(SOURCE, TARGET, attention)
    assert found[0].numpy().tolist() == [b"the", b"king", b"Habacuc", b"sleeps"]


@pytest.mark.parametrize("replacements", [{"a": ""}, {"": "a"}, {"a": 3}])
def test_a_replacement_that_is_none_is_refused(replacements):
    with pytest.raises(ValueError, match="replacements: expected strings that are not empty"):
        replace_unknown(["a"], ["<unk>"], [[1.0]], replacements)
    with pytest.raises(ValueError, match="replacements: expected strings that are not empty"):
        GraphReplacer(replacements)


def test_attention_of_another_size_is_refused():
    message = r"attention: .* received shape \(1, 1\)"
    with pytest.raises(ValueError, match=message):
        replace_unknown(["a", "b"], ["<unk>"], [[1.0]])
    with pytest.raises(ValueError, match=r"attention: .* received shape \(1, 1, 1\)"):
        GraphReplacer()([["a", "b"]], [["<unk>"]], [[[1.0]]])
