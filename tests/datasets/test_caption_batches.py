"""Batches of images and captions."""

import numpy as np
import pytest

from keras_attention.datasets import caption_batches
from keras_attention.text import Vocabulary

CAPTIONS = ["a", "a b", "a b c", "b", "c c"]
WORDS = Vocabulary("abc", separator=" ")


def example(i):
    return np.full((2, 2, 3), i, "uint8"), CAPTIONS[i % len(CAPTIONS)]


def numbers(batches, kind="image"):
    return [inputs[kind][:, 0, 0, 0].numpy().tolist() for inputs, _ in batches]


def test_targets_and_labels_are_shifted_and_padded():
    (inputs, labels), (last, _) = caption_batches(example, WORDS, batch_size=3, count=5)
    a, b, c = (WORDS.encode(word)[0] for word in "abc")
    assert inputs["target"].numpy().tolist() == [[1, a, 0, 0], [1, a, b, 0], [1, a, b, c]]
    assert labels.numpy().tolist() == [[a, 2, 0, 0], [a, b, 2, 0], [a, b, c, 2]]
    assert last["target"].shape == (2, 3), "as long as the longest caption of the batch"


def test_epochs_have_new_examples_or_those_of_an_order():
    batches = caption_batches(example, WORDS, batch_size=2, count=3)
    assert len(batches) == 2
    assert [numbers(batches) for _ in range(2)] == [[[0, 1], [2]], [[3, 4], [5]]]
    resumed = caption_batches(example, WORDS, batch_size=2, count=3, epoch=lambda: 1)
    assert numbers(resumed) == [[3, 4], [5]]
    ordered = caption_batches(example, WORDS, 2, 3, order=lambda epoch: [7, epoch, 1])
    assert numbers(ordered) == [[7, 0], [1]]


def test_a_fixed_width_cuts_long_captions():
    batches = caption_batches(example, WORDS, 5, 5, width=3, kind="features")
    ((inputs, labels),) = batches
    assert set(inputs) == {"features", "target"}
    a, b, c = (WORDS.encode(word)[0] for word in "abc")
    assert inputs["target"].numpy().tolist() == [
        [1, a, 0],
        [1, a, b],
        [1, a, b],
        [1, b, 0],
        [1, c, c],
    ]
    assert labels.numpy().tolist()[2] == [a, b, 2]


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind: expected one of 'image', 'features'"):
        caption_batches(example, WORDS, 2, 2, kind="video")
