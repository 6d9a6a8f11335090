"""Batches of ids with targets or labels."""

import numpy as np
import pytest

from keras_attention.datasets import labelled_batches, teacher_forcing_batches

PAIRS = [([10 + i] * (1 + i % 7), [40 + i] * (1 + i % 5)) for i in range(25)]


def epoch(batches):
    """The pairs of an epoch in order, and the shapes of its batches."""
    pairs, shapes = [], []
    for inputs, labels in batches:
        source, target = inputs["source"].numpy(), inputs["target"].numpy()
        shapes.append((source.shape, target.shape))
        assert labels.shape == target.shape
        for s, t, wanted in zip(source, target, labels.numpy()):
            ids = wanted[wanted != 0].tolist()
            assert ids[-1] == 2
            assert t[t != 0].tolist() == [1, *ids[:-1]]
            pairs.append((tuple(s[s != 0].tolist()), tuple(ids[:-1])))
    return pairs, shapes


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_pair_comes_once_an_epoch(batch_size, shuffle):
    batches = teacher_forcing_batches(
        *zip(*PAIRS), batch_size=batch_size, boundaries=(3, 5), shuffle=shuffle
    )
    expected = sorted((tuple(s), tuple(t)) for s, t in PAIRS)
    for _ in range(3):
        pairs, shapes = epoch(batches)
        assert sorted(pairs) == expected
        assert len(shapes) == int(batches.cardinality())
        assert all(source[0] <= batch_size for source, _ in shapes)


def test_the_order_changes_between_epochs_and_follows_the_seed():
    def two_epochs(seed, shuffle=True):
        batches = teacher_forcing_batches(*zip(*PAIRS), batch_size=4, shuffle=shuffle, seed=seed)
        return [epoch(batches)[0] for _ in range(2)]

    first, second = two_epochs(1)
    assert first != second
    assert two_epochs(1) == [first, second]
    assert two_epochs(2)[0] != first
    still = two_epochs(1, shuffle=False)
    assert still[0] == still[1]


def test_short_pairs_come_first_in_as_many_epochs_as_asked_for():
    def widths(**options):
        batches = teacher_forcing_batches(
            *zip(*PAIRS), batch_size=2, boundaries=(3, 5), short_first=1, **options
        )
        return [np.digitize([max(s[1], t[1]) for s, t in epoch(batches)[1]], (3, 5)).tolist()
                for _ in range(2)]  # fmt: skip

    first, second = widths()
    assert first == sorted(first) != second
    assert sorted(second) == first
    # A training run that is resumed after one epoch continues with the second.
    assert widths(epoch=lambda: 1)[0] == second


def test_batches_are_no_wider_than_their_bucket():
    batches = teacher_forcing_batches(*zip(*PAIRS), batch_size=4, boundaries=(3, 5))
    for _, ((_, source), (_, target)) in zip(range(99), epoch(batches)[1]):
        longest = max(source, target)
        bucket = np.digitize(longest, (3, 5))
        assert longest < (3, 5, 99)[bucket]


TEXTS = [[10 + i] * (1 + i % 7) for i in range(25)]
LABELS = np.arange(25, dtype="float32")


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_text_comes_once_an_epoch_with_its_label(shuffle):
    batches = labelled_batches(
        TEXTS, LABELS[:, None], batch_size=4, boundaries=(3, 5), shuffle=shuffle
    )
    orders = []
    for _ in range(2):
        order, count = [], 0
        for ids, labels in batches:
            count += 1
            lengths = (ids.numpy() != 0).sum(1)
            assert labels.shape == (len(lengths), 1) and ids.shape[1] == lengths.max()
            assert len(set(np.digitize(lengths, (3, 5)))) == 1
            for row, length, label in zip(ids.numpy(), lengths, labels.numpy()[:, 0]):
                assert row[:length].tolist() == TEXTS[int(label)]
                order.append(int(label))
        assert sorted(order) == list(range(25)) and count == int(batches.cardinality())
        orders.append(order)
    assert (orders[0] != orders[1]) == shuffle


def test_labels_of_another_number_and_empty_texts_are_refused():
    with pytest.raises(ValueError, match=r"labels: expected one .*received shape \(2,\) for 1"):
        labelled_batches([[1]], LABELS[:2])
    with pytest.raises(ValueError, match="labels: expected one per sequence and at least one"):
        labelled_batches([], LABELS[:0])
    with pytest.raises(ValueError, match="sources: expected no empty sequence"):
        labelled_batches([[1], []], LABELS[:2])
