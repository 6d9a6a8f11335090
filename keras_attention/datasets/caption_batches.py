"""Batches of images and captions for training with teacher forcing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_attention._core.checks import check_choice, check_positive
from keras_attention._core.padding import pad
from keras_attention._core.types import Tensor
from keras_attention.text.protocol import VocabularyLike

if TYPE_CHECKING:
    import tensorflow as tf


def caption_batches(
    examples: Callable[[int], tuple[Tensor, str]],
    vocabulary: VocabularyLike,
    batch_size: int,
    count: int,
    epoch: Callable[[], int] | None = None,
    order: Callable[[int], Sequence[int]] | None = None,
    kind: Literal["image", "features"] = "image",
    width: int | None = None,
) -> tf.data.Dataset:
    """Batches of images and captions, `({kind: images, "target": ids}, labels)`.

    Args:
        examples: `examples(i) -> (image, caption)` for any i from 0 on, such as
            `lambda i: (scenes[i].image, scenes[i].caption)`. All images have
            the same size.
        vocabulary: the `Vocabulary` of the captions.
        batch_size: captions per batch.
        count: examples per epoch.
        epoch: `epoch() -> int` returns how many epochs are done, so that a
            resumed training run continues with the next one. By default epochs
            are counted.
        order: `order(epoch) -> (count,)` returns the examples of an epoch. By
            default each epoch has `count` new ones.
        kind: `"image"`, or `"features"` for features that are computed
            beforehand.
        width: length of the targets, including the start id; by default that
            of the longest caption of each batch. Longer captions are cut.

    Returns:
        A `tf.data.Dataset` with a known number of batches.

    Raises:
        ValueError: if a size is not positive, or `kind` is unknown.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import caption_batches
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> words = Vocabulary(["an", "apple"], separator=" ")
    >>> image = np.zeros((8, 8, 3), "uint8")
    >>> batches = caption_batches(lambda i: (image, "an apple"), words, batch_size=2, count=3)
    >>> inputs, labels = next(iter(batches))
    >>> inputs["image"].shape, inputs["target"].numpy().tolist(), labels.numpy().tolist()
    (TensorShape([2, 8, 8, 3]), [[1, 4, 5], [1, 4, 5]], [[4, 5, 2], [4, 5, 2]])
    """
    import tensorflow as tf

    check_positive("batch_size", batch_size)
    check_positive("count", count)
    special = vocabulary.special_ids
    if width is not None:
        check_positive("width", width)
    check_choice("kind", kind, ("image", "features"))

    def one_epoch(done: int) -> Iterator[Any]:
        taken = range(done * count, (done + 1) * count) if order is None else order(done)
        for begin in range(0, count, batch_size):
            images, captions = zip(*(examples(int(i)) for i in taken[begin : begin + batch_size]))
            ids = [vocabulary.encode(caption) for caption in captions]
            length = max(map(len, ids)) + 1 if width is None else width
            ids = [sequence[: length - 1] for sequence in ids]
            target = pad([[special.start, *sequence] for sequence in ids], length, special.pad)
            labels = pad([[*sequence, special.end] for sequence in ids], length, special.pad)
            yield {kind: np.stack(images), "target": target}, labels

    first = np.asarray(examples(0)[0])
    ids = tf.TensorSpec((None, width), tf.int32)
    images = tf.TensorSpec((None, *first.shape), first.dtype)
    epochs = iter(range(2**31))
    dataset = tf.data.Dataset.from_generator(
        lambda: one_epoch(next(epochs) if epoch is None else epoch()),
        output_signature=({kind: images, "target": ids}, ids),
    )
    size = -(-count // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(size)).prefetch(4)
