"""Batches of source and target ids."""

import numpy as np
import pytest

from keras_attention.datasets import teacher_forcing_batches

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
