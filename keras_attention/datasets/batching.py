"""Batches of ids with targets or labels, bucketed by length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from keras_attention._core.checks import check_id, check_positive
from keras_attention._core.padding import pad
from keras_attention._core.types import Structure
from keras_attention.text.special_ids import SpecialIds, as_special_ids

if TYPE_CHECKING:
    import tensorflow as tf


def teacher_forcing_batches(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    batch_size: int = 128,
    boundaries: Sequence[int] = (6, 8, 10, 13, 18),
    shuffle: bool = True,
    seed: int = 0,
    short_first: int = 0,
    epoch: Callable[[], int] | None = None,
    special_ids: SpecialIds | None = None,
    source_pad: int | None = None,
) -> tf.data.Dataset:
    """Batches of id sequences for training with teacher forcing.

    A batch is `({"source": (B, S), "target": (B, T)}, labels (B, T))`, int32,
    padded. Targets begin with the start id; labels are the targets shifted by
    one and end with the end id. Pairs of similar length share a
    batch, and a batch is as wide as its longest pair. The order changes here,
    so call `fit` with `shuffle=False`.

    Args:
        sources: lists of ids, without start and end id.
        targets: lists of ids, one per source, without start and end id.
        batch_size: pairs per batch.
        boundaries: lengths (of the longer side) at which a new bucket begins.
        shuffle: whether to shuffle in every epoch.
        seed: seed of the order.
        short_first: in the first `short_first` epochs short batches come before
            long ones. Alignments are learned sooner from short pairs, and more
            steps fit into the same time.
        epoch: returns how many epochs are done, and is called when an epoch
            begins, so that a resumed training run continues with the same
            order. By default epochs are counted.
        special_ids: `keras_attention.text.SpecialIds` of the targets, such as
            `model.special_ids`; by default 0, 1 and 2 for padding, start and end.
        source_pad: the id that pads the sources, by default that of the targets.

    Returns:
        A `tf.data.Dataset` with a known number of batches.

    Raises:
        ValueError: if there are no sources, another number of targets, or
            empty sequences.

    Example:

    >>> from keras_attention.datasets import teacher_forcing_batches
    >>> batches = teacher_forcing_batches([[4, 5]], [[6]], shuffle=False)
    >>> inputs, labels = next(iter(batches))
    >>> inputs["target"].numpy().tolist(), labels.numpy().tolist()
    ([[1, 6]], [[6, 2]])
    """
    check_positive("batch_size", batch_size)
    special = as_special_ids(special_ids)
    source_pad = special.pad if source_pad is None else check_id("source_pad", source_pad)
    if len(sources) != len(targets) or not sources:
        raise ValueError(
            "targets: expected one sequence per source and at least one, received "
            f"{len(targets)} for {len(sources)} sources."
        )
    if not all(map(len, sources)) or not all(map(len, targets)):
        raise ValueError("sources, targets: expected no empty sequence.")

    lengths = [max(len(s), len(t) + 1) for s, t in zip(sources, targets)]
    buckets = _buckets(lengths, boundaries)

    def one_epoch(done: int) -> Iterator[Any]:
        in_order = not shuffle or done < short_first
        rng = np.random.default_rng((seed, done))
        for examples in _batches(buckets, batch_size, rng, shuffle, in_order):
            target = pad([[special.start, *targets[i]] for i in examples], value=special.pad)
            labels = pad([[*targets[i], special.end] for i in examples], value=special.pad)
            source = pad([sources[i] for i in examples], value=source_pad)
            yield {"source": source, "target": target}, labels

    spec = keras.KerasTensor((None, None), "int32")
    specs = ({"source": spec, "target": spec}, spec)
    return dataset_of_epochs(one_epoch, specs, epoch, _count(buckets, batch_size))


def labelled_batches(
    sources: Sequence[Sequence[int]],
    labels: NDArray[Any],
    batch_size: int = 128,
    boundaries: Sequence[int] = (8, 12, 16, 20, 24, 30, 40),
    shuffle: bool = True,
    seed: int = 0,
    epoch: Callable[[], int] | None = None,
    source_pad: int = 0,
) -> tf.data.Dataset:
    """Batches of id sequences with one label each, for a classifier of texts.

    A batch is `(ids (B, S) in int32, padded, labels (B, ...))`. Sequences of
    similar length share a batch, and a batch is as wide as its longest. The
    order changes here, so call `fit` with `shuffle=False`.

    Args:
        sources: lists of ids.
        labels: an array whose first axis has one label per sequence.
        batch_size: sequences per batch.
        boundaries: lengths at which a new bucket begins.
        shuffle, seed, epoch: as in `teacher_forcing_batches`.
        source_pad: the id that pads.

    Returns:
        A `tf.data.Dataset` with a known number of batches.

    Raises:
        ValueError: if there are no sources, another number of labels, or an
            empty sequence.

    Example:

    >>> import numpy as np
    >>> from keras_attention.datasets import labelled_batches
    >>> batches = labelled_batches([[4, 5], [6]], np.array([1.0, 0.0]), shuffle=False)
    >>> ids, labels = next(iter(batches))
    >>> ids.numpy().tolist(), labels.numpy().tolist()
    ([[4, 5], [6, 0]], [1.0, 0.0])
    """
    check_positive("batch_size", batch_size)
    labels = np.asarray(labels)
    if not sources or labels.shape[:1] != (len(sources),):
        raise ValueError(
            "labels: expected one per sequence and at least one, received shape "
            f"{labels.shape} for {len(sources)} sequences."
        )
    if not all(map(len, sources)):
        raise ValueError("sources: expected no empty sequence.")
    buckets = _buckets([len(source) for source in sources], boundaries)

    def one_epoch(done: int) -> Iterator[Any]:
        rng = np.random.default_rng((seed, done))
        for examples in _batches(buckets, batch_size, rng, shuffle, in_order=not shuffle):
            yield pad([sources[i] for i in examples], value=source_pad), labels[examples]

    specs = (
        keras.KerasTensor((None, None), "int32"),
        keras.KerasTensor((None, *labels.shape[1:]), str(labels.dtype)),
    )
    return dataset_of_epochs(one_epoch, specs, epoch, _count(buckets, batch_size))


def _buckets(lengths: Sequence[int], boundaries: Sequence[int]) -> list[NDArray[Any]]:
    """The numbers of the examples of each bucket."""
    bucket = np.digitize(lengths, boundaries)
    order = np.argsort(bucket, kind="stable")
    counts = np.bincount(bucket, minlength=len(boundaries) + 1)
    return np.split(order, np.cumsum(counts)[:-1])


def _count(buckets: Sequence[NDArray[Any]], batch_size: int) -> int:
    return sum(-(-len(bucket) // batch_size) for bucket in buckets)


def _batches(
    buckets: Sequence[NDArray[Any]],
    batch_size: int,
    rng: np.random.Generator,
    shuffle: bool,
    in_order: bool,
) -> list[NDArray[Any]]:
    """The numbers of the examples of each batch; `in_order` short batches come first."""
    batches = []
    for bucket in buckets:
        bucket = rng.permutation(bucket) if shuffle else bucket
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    numbers = range(len(batches)) if in_order else rng.permutation(len(batches))
    return [batches[number] for number in numbers]


def batches_by_length(
    lengths: NDArray[Any],
    batch_size: int,
    rng: np.random.Generator,
    shuffle: bool,
    jitter: float,
) -> list[NDArray[Any]]:
    """The numbers of the examples of each batch; those of a batch are about equally long.

    Args:
        lengths: of the examples.
        batch_size: examples per batch.
        rng: for the order.
        shuffle: whether lengths are mixed a little, and batches come in random
            order. Otherwise the shortest come first.
        jitter: how much longer or shorter than the others an example of a batch
            may be when shuffled.
    """
    mixed = lengths + rng.uniform(0, jitter, len(lengths)) if shuffle else lengths
    order = np.argsort(mixed, kind="stable")
    groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [groups[number] for number in rng.permutation(len(groups))] if shuffle else groups


def dataset_of_epochs(
    one_epoch: Callable[[int], Iterator[Any]],
    specs: Structure,
    epoch: Callable[[], int] | None,
    size: int,
) -> tf.data.Dataset:
    """A dataset of epochs, which are counted unless `epoch` says how many are done.

    Args:
        one_epoch: takes the number of epochs that are done, gives the batches.
        specs: a `keras.KerasTensor` for each tensor of a batch.
        epoch: as in `teacher_forcing_batches`.
        size: the number of batches.
    """
    import tensorflow as tf

    specs = tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), specs)

    epochs = iter(range(2**31))
    dataset = tf.data.Dataset.from_generator(
        lambda: one_epoch(next(epochs) if epoch is None else epoch()), output_signature=specs
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(size)).prefetch(8)
