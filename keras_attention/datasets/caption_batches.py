"""Batches of pictures and their captions for teacher forcing."""

import numpy as np
import tensorflow as tf

from keras_attention._core.checks import check_choice, check_positive
from keras_attention.datasets.batching import pad
from keras_attention.text.vocabulary import END, START


def caption_batches(
    examples, vocabulary, batch_size, count, epoch=None, order=None, kind="image", width=None
):
    """Pictures and captions as `({kind: picture, "target": ids}, labels)`.

    Args:
        examples: `examples(i) -> (picture, caption)` for any i from 0 on, such as
            `lambda i: (scenes[i].image, scenes[i].caption)`. Pictures are all
            of one size.
        vocabulary: the `Vocabulary` of the words.
        batch_size: captions at once.
        count: how many make an epoch.
        epoch: `epoch() -> int`, how many epochs are done; by default it is
            counted. A training that was interrupted goes on with the next.
        order: `order(epoch) -> (count,)`, which examples an epoch takes, in
            their order; by default `count` new ones each time.
        kind: what the pictures are: `"image"`, or `"features"` computed before.
        width: how many ids a target has, start included; by default as many as
            the longest of its batch. Longer captions are cut.

    Returns:
        A `tf.data.Dataset` that knows its size.

    Raises:
        ValueError: for sizes that are not positive, or another kind.

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
    check_positive("batch_size", batch_size)
    check_positive("count", count)
    if width is not None:
        check_positive("width", width)
    check_choice("kind", kind, ("image", "features"))

    def one_epoch(done):
        taken = range(done * count, (done + 1) * count) if order is None else order(done)
        for begin in range(0, count, batch_size):
            pictures, captions = zip(*(examples(int(i)) for i in taken[begin : begin + batch_size]))
            ids = [vocabulary.encode(caption) for caption in captions]
            longest = max(map(len, ids)) + 1 if width is None else width
            ids = [row[: longest - 1] for row in ids]
            target = _wide(pad([[START, *row] for row in ids]), longest)
            labels = _wide(pad([[*row, END] for row in ids]), longest)
            yield {kind: np.stack(pictures), "target": target}, labels

    first = np.asarray(examples(0)[0])
    ids = tf.TensorSpec((None, width), tf.int32)
    pictures = tf.TensorSpec((None, *first.shape), first.dtype)
    epochs = iter(range(2**31))
    dataset = tf.data.Dataset.from_generator(
        lambda: one_epoch(next(epochs) if epoch is None else epoch()),
        output_signature=({kind: pictures, "target": ids}, ids),
    )
    size = -(-count // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(size)).prefetch(4)


def _wide(ids, width):
    return np.pad(ids, ((0, 0), (0, width - ids.shape[1])))
