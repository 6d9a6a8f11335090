"""Kinds of objects and their groups."""

import itertools

import numpy as np

from keras_attention.datasets import scenes as scenes_module
from keras_attention.datasets.kinds import (
    DEV_GROUP,
    KINDS,
    NAMES,
    TEST_GROUP,
)

SPLITS = ("train", "dev", "test", "places")


def test_there_are_128_kinds_of_one_or_two_words():
    assert len(KINDS) == len(set(KINDS.values())) == 128
    assert all(1 <= len(name.split()) <= 2 for name in NAMES)


def test_groups_keep_every_pair_apart():
    """The pairs that each split may have are disjoint by construction."""
    for groups in (DEV_GROUP, TEST_GROUP):
        assert np.bincount(groups).tolist() == [8] * 16
    for one, other in itertools.combinations(range(128), 2):
        may = {split for split in SPLITS if scenes_module._FITS[split](one, other)}
        same = {"dev": DEV_GROUP, "test": TEST_GROUP}
        held_out = {split for split, groups in same.items() if groups[one] == groups[other]}
        assert may <= {"train", "places"} if not held_out else may == held_out
        assert len(held_out) <= 1
