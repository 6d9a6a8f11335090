"""Other special ids give the same hypotheses, renamed: no search relies on the ids 0 to 3."""

import numpy as np
import pytest
from keras import ops

from keras_attention.generation import (
    BannedTokens,
    BeamSearch,
    GNMTCoverage,
    Greedy,
    MinimumLength,
    NoRepeatedNgrams,
    Sample,
    as_decoder,
    generate,
    score,
)
from keras_attention.generation.extensions import best_extensions
from keras_attention.text import SpecialIds
from tests.support.plain_search import Toy
from tests.support.tables import one_in

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0]], "int32")

SIZE = 11
PERMUTED = {
    # pad, start and end anywhere, end at 0: what was padding before.
    "end 0": SpecialIds(pad=7, start=3, end=0, unknown=5),
    "last ones": SpecialIds(pad=10, start=9, end=8, unknown=None),
    "first is a word": SpecialIds(pad=1, start=2, end=3, unknown=4),
    "other order": SpecialIds(pad=2, start=0, end=1, unknown=3),
}


class Renamed:
    """A decoder whose ids of the target are others; the source stays."""

    constant_parts = ("memory",)

    def __init__(self, toy, special_ids):
        self.toy, self.special_ids = as_decoder(toy), special_ids
        ours = [i for i in SpecialIds() if i is not None]
        theirs = list(special_ids)
        if special_ids.unknown is None:
            ours, theirs = ours[:3], theirs[:3]
        others = [i for i in range(SIZE) if i not in theirs]
        rest = [i for i in range(SIZE) if i not in ours]
        # new_of[old id] = new id
        self.new_of = np.zeros(SIZE, "int32")
        self.new_of[ours + rest] = theirs + others
        self.old_of = np.argsort(self.new_of).astype("int32")

    def renamed(self, ids):
        return self.new_of[np.asarray(ids)]

    def start(self, inputs):
        return self.toy.start(inputs)

    def source_mask(self, inputs):
        return self.toy.source_mask(inputs)

    def step(self, tokens, state, beams=1):
        tokens = ops.take(ops.convert_to_tensor(self.old_of), tokens)
        logits, state, weights = self.toy.step(tokens, state, beams)
        return ops.take(logits, self.old_of, axis=-1), state, weights


SEARCHES = {
    "greedy": lambda ids: Greedy(max_length=8),
    "greedy, constrained": lambda ids: Greedy(
        max_length=8,
        constraints=[NoRepeatedNgrams(1), BannedTokens(ids([5])), MinimumLength(4)],
    ),
    "one beam": lambda ids: BeamSearch(1, max_length=8),
    "beams": lambda ids: BeamSearch(3, max_length=8),
    "wide": lambda ids: BeamSearch(12, max_length=5),
    "length": lambda ids: BeamSearch(3, max_length=8, length_penalty=0.6),
    "average": lambda ids: BeamSearch(3, max_length=8, length_penalty="average", early_stop=False),
    "coverage": lambda ids: BeamSearch(3, max_length=8, penalties=[GNMTCoverage(0.4)]),
    "ratios": lambda ids: BeamSearch(3, max_length=8, max_length_ratio=1.5, min_length_ratio=1.0),
    "constraints": lambda ids: BeamSearch(
        3, max_length=8, no_repeat_ngram=2, banned=ids([6, 7]), min_length=3
    ),
}


def assert_same(found, expected, decoder):
    assert np.array_equal(found.sequences, decoder.renamed(expected.sequences))
    assert np.array_equal(found.lengths, expected.lengths)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.attention, expected.attention, rtol=1e-4, atol=1e-5)


CASES = [
    *((search, "end 0", None) for search in SEARCHES),
    *((search, "last ones", [[4, 0, 5], [0, 6, 0]]) for search in SEARCHES),
    ("beams", "first is a word", [[4, 0, 5], [0, 6, 0]]),
    ("greedy", "other order", None),
    ("constraints", "other order", [[4, 0, 5], [0, 6, 0]]),
]


@pytest.mark.parametrize(("search", "special", "prefix"), one_in(2, CASES))
def test_renamed_ids_give_renamed_hypotheses(search, special, prefix):
    make, special, lengths = SEARCHES[search], PERMUTED[special], set()
    for seed in range(2):
        toy = Toy(SIZE, seed=seed, end_bias=2.0)
        decoder = Renamed(toy, special)

        def ids(given, decoder=decoder):
            return tuple(decoder.renamed(given).tolist())

        theirs = None if prefix is None else decoder.renamed(prefix)
        expected = make(lambda given: given)(
            toy, SOURCE, None if prefix is None else np.array(prefix)
        )
        assert_same(make(ids)(decoder, SOURCE, theirs), expected, decoder)
        lengths |= set(np.ravel(expected.lengths).tolist())
    assert search == "average" or len(lengths) > 1, "some end and some do not"


@pytest.mark.parametrize("special", PERMUTED.values(), ids=PERMUTED)
def test_renamed_targets_have_the_same_score(special):
    decoder = Renamed(Toy(SIZE, seed=2), special)
    targets = np.array([[5, 3, 2, 0], [9, 2, 0, 0]])
    expected = score(decoder.toy, SOURCE, targets)
    found = score(decoder, SOURCE, decoder.renamed(targets))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("special", PERMUTED.values(), ids=PERMUTED)
def test_samples_have_no_padding_and_no_start(special):
    decoder = Renamed(Toy(SIZE, seed=1), special)
    many = np.repeat(SOURCE, 40, axis=0)
    found = Sample(max_length=7, seed=3)(decoder, many)
    for sequence, length in zip(np.asarray(found.sequences)[:, 0], np.asarray(found.lengths)[:, 0]):
        assert not np.isin(sequence[:length], special.never_generated).any()
        assert (sequence[length:] == special.pad).all()
        assert special.end not in sequence[: length - 1]


@pytest.mark.parametrize(
    "search", [Greedy(max_length=6), BeamSearch(3, max_length=6)], ids=["greedy", "beam"]
)
@pytest.mark.parametrize(
    "special", [SpecialIds(0, 0, 2), SpecialIds(1, 2, 2, None), SpecialIds(4, 4, 0, 9)], ids=str
)
def test_the_start_may_be_the_padding_or_the_end(search, special):
    """As in T5 and in fairseq. Without a start of its own, one more id is an ordinary token."""

    class Declared:
        special_ids = special
        toy = Toy(SIZE, seed=1)

        def start(self, inputs):
            return self.toy.start(inputs)

        def step(self, tokens, state):
            logits, state, weights = self.toy.step(tokens, state)
            return logits + 4 * np.eye(SIZE, dtype="float32")[special.end], state, weights

    found = search(Declared(), SOURCE)
    sequences, lengths = np.asarray(found.sequences), np.asarray(found.lengths)
    assert (lengths > 0).all()
    for sequence, length in zip(sequences.reshape(-1, sequences.shape[-1]), lengths.ravel()):
        assert special.pad not in sequence[:length] and (sequence[length:] == special.pad).all()
        assert special.end not in sequence[: length - 1]
    assert (sequences == special.end).any()
    # The first step is from the start.
    starts = ops.full((len(SOURCE),), special.start, "int32")
    first = Declared().step(starts, Declared().start(SOURCE))[0]
    logp = np.array(ops.log_softmax(first))
    logp[:, list(special.never_generated)] = -np.inf
    if isinstance(search, Greedy):
        assert np.array_equal(sequences[:, 0, 0], logp.argmax(-1))


@pytest.mark.parametrize("left_out", [(0, 1, 2), (7, 300, 0), (4999, 17, 18), (5, 6)], ids=repr)
def test_large_vocabularies_are_searched_in_blocks_whatever_is_left_out(left_out, rng):
    """Every id that is left out may be the best of its block, and of its beam."""
    logits = rng.normal(size=(6, 5000)).astype("float32")
    logits[:, list(left_out)] += 9
    logp = np.log(rng.random((2, 3)).astype("float32"))
    best, beams, tokens, _ = map(
        np.asarray, best_extensions(logits, logp, 4, normalized=True, left_out=left_out)
    )
    every = logits.reshape(2, 3, 5000) + logp[:, :, None]
    every[:, :, list(left_out)] = -np.inf
    for row in range(2):
        order = np.argsort(-every[row].ravel())[:4]
        np.testing.assert_allclose(best[row], every[row].ravel()[order], rtol=1e-6)
        assert np.array_equal(beams[row] * 5000 + tokens[row], order)


@pytest.mark.parametrize("special", PERMUTED.values(), ids=PERMUTED)
def test_texts_are_written_without_the_models_own_special_ids(special):
    class Reader(Renamed):
        source_vocabulary = target_vocabulary = SIZE

    decoder = Reader(Toy(SIZE, seed=2, end_bias=1.0), special)
    # The padding of ids without a vocabulary is that of the model.
    decoder.source_mask = lambda inputs: ops.not_equal(inputs, special.pad)
    found = generate(decoder, [[3, 4], [4]], BeamSearch(2, max_length=5), n_best=2)
    for one in (one for several in found for one in several):
        assert not set(map(int, one.tokens)) & set(special.hidden)


def test_a_prefix_with_the_start_is_refused_where_it_has_an_id_of_its_own():
    toy = Toy(SIZE)
    with pytest.raises(ValueError, match="prefix: expected ids from 0 to 10 without the start"):
        Greedy(4)(Renamed(toy, PERMUTED["end 0"]), SOURCE, [[3], [4]])
    with pytest.raises(ValueError, match=r"model\.special_ids: expected padding and end to differ"):
        toy.special_ids = SpecialIds(pad=2)
        Greedy(4)(toy, SOURCE)
