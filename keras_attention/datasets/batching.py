"""Batches of source and target ids, bucketed by length so that little is padding."""

import numpy as np

from keras_attention._core.checks import check_positive
from keras_attention.text.vocabulary import END, START


def teacher_forcing_batches(
    sources,
    targets,
    batch_size=128,
    boundaries=(6, 8, 10, 13, 18),
    shuffle=True,
    seed=0,
    short_first=0,
    epoch=None,
):
    """Pairs of id sequences as a `tf.data.Dataset` for training with teacher forcing.

    A batch is `({"source": (B, S), "target": (B, T)}, labels (B, T))`, int32,
    0 for padding: the target starts with 1, the labels are the target moved by
    one and end with 2. Pairs of similar length share a batch; a batch is as
    wide as its longest pair needs. The order changes here, so give `fit`
    `shuffle=False`.

    Args:
        sources, targets: lists of lists of ids, without start and end.
        batch_size: pairs a batch.
        boundaries: the lengths (of the longer side) at which a new bucket
            begins.
        shuffle: whether the order changes every epoch.
        seed: of the order.
        short_first: in how many epochs, from the first on, the short batches
            come before the long ones: alignments are learnt sooner on short
            pairs, and more steps fit into the same time.
        epoch: a function that says how many epochs are done whenever one
            begins, so that a resumed training goes on with the order it would
            have had; by default they are counted.

    Returns:
        A `tf.data.Dataset` with a known number of batches.

    Raises:
        ValueError: where the two lists differ in length, are empty or hold an
            empty sequence.

    Example:

    >>> from keras_attention.datasets import teacher_forcing_batches
    >>> batches = teacher_forcing_batches([[4, 5]], [[6]], shuffle=False)
    >>> inputs, labels = next(iter(batches))
    >>> inputs["target"].numpy().tolist(), labels.numpy().tolist()
    ([[1, 6]], [[6, 2]])
    """
    import tensorflow as tf

    check_positive("batch_size", batch_size)
    if len(sources) != len(targets) or not sources:
        raise ValueError(
            "targets: expected one sequence a source and at least one, received "
            f"{len(targets)} for {len(sources)} sources."
        )
    if not all(map(len, sources)) or not all(map(len, targets)):
        raise ValueError("sources, targets: expected no empty sequence.")

    lengths = np.array([max(len(s), len(t) + 1) for s, t in zip(sources, targets)])
    order = np.argsort(np.digitize(lengths, boundaries), kind="stable")
    counts = np.bincount(np.digitize(lengths, boundaries), minlength=len(boundaries) + 1)
    buckets = np.split(order, np.cumsum(counts)[:-1])

    def one_epoch(done):
        rng = np.random.default_rng((seed, done))
        batches = []
        for bucket in buckets:
            bucket = rng.permutation(bucket) if shuffle else bucket
            batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
        mixed = shuffle and done >= short_first
        for i in rng.permutation(len(batches)) if mixed else range(len(batches)):
            rows = batches[i]
            target = pad([[START, *targets[row]] for row in rows])
            labels = pad([[*targets[row], END] for row in rows])
            yield {"source": pad([sources[row] for row in rows]), "target": target}, labels

    spec = tf.TensorSpec((None, None), tf.int32)
    epochs = iter(range(2**31))
    dataset = tf.data.Dataset.from_generator(
        lambda: one_epoch(next(epochs) if epoch is None else epoch()),
        output_signature=({"source": spec, "target": spec}, spec),
    )
    size = sum(-(-len(bucket) // batch_size) for bucket in buckets)
    return dataset.apply(tf.data.experimental.assert_cardinality(size)).prefetch(8)


def pad(sequences):
    """Lists of ids as one int32 matrix, filled with 0 on the right, at least one column wide.

    Example:

    >>> from keras_attention.datasets import pad
    >>> pad([[4, 5], [6]]).tolist()
    [[4, 5], [6, 0]]
    """
    width = max([1, *map(len, sequences)])
    padded = np.zeros((len(sequences), width), "int32")
    for row, sequence in zip(padded, sequences):
        row[: len(sequence)] = sequence
    return padded
