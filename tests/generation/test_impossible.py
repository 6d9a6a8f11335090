"""Sequences that cannot go on: refused where that is known, else not found."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_attention.generation import BannedTokens, BeamSearch, Constraint, Greedy, Sample
from keras_attention.text import END, START
from tests.support.plain_search import Toy

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0]], "int32")
SEARCHES = [Greedy, Sample, lambda **options: BeamSearch(num_beams=1, **options)]
NAMES = ["greedy", "sample", "beam"]


def require_not_found(found, row):
    assert float(found.scores[row, 0]) == np.float32(-1e30)
    assert int(found.lengths[row, 0]) == 0
    assert not np.any(found.sequences[row, 0]) and not np.any(found.attention[row, 0])


@pytest.mark.parametrize("make", SEARCHES, ids=NAMES)
@pytest.mark.parametrize("wrong", [99, 9, START, -1])
def test_a_prefix_that_cannot_be_followed(make, wrong):
    toy, search = Toy(seed=3), make(max_length=5)
    prefix = np.array([[4, wrong, 5], [6, 0, 0]], "int32")
    with pytest.raises(
        ValueError,
        match=r"prefix: expected ids from 0 to 8 without the start token \(1\), padded with 0",
    ):
        search(toy, SOURCE, prefix)
    # Of a tensor nothing is known in a graph: the other sequence is found all the same.
    run = tf.function(lambda prefix: search(toy, SOURCE, prefix), autograph=False)
    found = run(tf.constant(prefix))
    require_not_found(found, 0)
    assert int(found.lengths[1, 0]) > 0 and int(found.sequences[1, 0, 0]) == 6
    assert float(found.scores[1, 0]) > -1e3


@pytest.mark.parametrize("make", SEARCHES, ids=NAMES)
def test_to_ban_all_tokens_is_refused(make):
    search = make(max_length=5, constraints=[BannedTokens(range(2, 9))])
    with pytest.raises(ValueError, match="ids: expected one of the 7 ids that can be generated"):
        search(Toy(), SOURCE)


@dataclass(frozen=True)
class DeadEnd(Constraint):
    """After two tokens nothing may come; the end never."""

    after: int = 2

    def __call__(self, logp, unfinished):
        ids = ops.arange(logp.shape[-1])
        never = ops.logical_or(unfinished.length >= self.after, ops.equal(ids, END))
        return ops.where(never, -1e30, logp)


@pytest.mark.parametrize("make", SEARCHES, ids=NAMES)
@pytest.mark.parametrize("after", [0, 2])
def test_constraints_that_leave_no_token(make, after):
    found = make(max_length=5, constraints=[DeadEnd(after)])(Toy(), SOURCE)
    for row in range(2):
        require_not_found(found, row)
    # Without a dead end within its length the same sequence is found.
    found = make(max_length=2, constraints=[DeadEnd(2)])(Toy(), SOURCE)
    assert np.asarray(found.lengths).tolist() == [[2], [2]]
