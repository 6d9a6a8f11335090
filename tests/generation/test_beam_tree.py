"""The record of a beam search: its results are those of the search, and each fate is true."""

import keras
import numpy as np
import pytest

from keras_attention.generation import BeamSearch, DiverseBeamSearch, Greedy, beam_tree
from keras_attention.models import Captioner, EncoderDecoder
from keras_attention.text import END, PAD, START, Vocabulary
from tests.generation.test_beam_search import LONGEST, PREFIX, SETTINGS, SOURCE
from tests.support.plain_search import Path, Toy


@pytest.fixture(scope="module")
def toy():
    return Toy(seed=3, end_bias=0.5)


def ids_of(tree, node):
    return tuple(tree.nodes[i].chosen.id for i in tree.path(node))


NAMES = ["plain", "one beam", "wide, few wanted", "coverage", "shorter than the source", "banned"]
CASES = [*((name, None) for name in NAMES), ("gnmt", PREFIX[:1]), ("minimum", PREFIX[1:2])]


@pytest.mark.parametrize(("name", "prefix"), CASES)
def test_its_results_are_those_of_the_search(toy, name, prefix):
    search = BeamSearch(**{"num_beams": 3, "max_length": LONGEST, **SETTINGS[name][0]})
    found = search(toy, SOURCE[:1], prefix)
    tree = beam_tree(toy, SOURCE[0], search, None if prefix is None else prefix[0].tolist())
    lengths = [length for length in found.lengths[0].numpy() if length]
    assert len(tree.best) == len(tree.results) == len(lengths)
    for n, (node, length) in enumerate(zip(tree.best, lengths)):
        assert ids_of(tree, node) == tuple(found.sequences[0, n, :length].numpy())
        assert tree.nodes[node].score == pytest.approx(float(found.scores[0, n]), abs=1e-5)
        weights = [tree.nodes[i].attention for i in tree.path(node)]
        np.testing.assert_allclose(weights, found.attention[0, n, :length], atol=1e-6)
        ended = "cut" if ids_of(tree, node)[-1] != END else "ended"
        assert tree.nodes[node].fate == ended


def test_each_node_has_the_probabilities_of_its_tokens(toy):
    tree = beam_tree(toy, SOURCE[0], BeamSearch(num_beams=3, max_length=LONGEST))
    path = Path(toy, SOURCE[0])
    for number, node in enumerate(tree.nodes[1:], start=1):
        ids = ids_of(tree, number)
        logp, weights = path(ids[:-1])
        assert node.chosen.probability == pytest.approx(np.exp(logp[ids[-1]]), rel=1e-4)
        total = sum(path(ids[:i])[0][token] for i, token in enumerate(ids))
        assert node.log_probability == pytest.approx(total, abs=1e-4)
        np.testing.assert_allclose(node.attention, weights, atol=1e-5)
        if node.fate == "kept":
            expected, _ = path(ids)
            allowed = [i for i in np.argsort(-expected) if i not in (PAD, START)]
            assert [choice.id for choice in node.choices] == allowed[:8]
        else:
            assert not node.choices


def test_at_each_step_the_best_are_kept_and_what_is_dropped_is_worse(toy):
    search = BeamSearch(num_beams=3, max_length=LONGEST)
    tree = beam_tree(toy, SOURCE[0], search, num_dropped=50)
    path = Path(toy, SOURCE[0])
    for position in range(max(node.position for node in tree.nodes) + 1):
        here = [i for i, node in enumerate(tree.nodes) if node.position == position]
        extended = [i for i, node in enumerate(tree.nodes) if node.position == position - 1]
        extended = [i for i in extended if tree.nodes[i].fate in ("start", "kept")]
        expected = {
            (*ids_of(tree, parent), token)
            for parent in extended
            for token in range(len(path(())[0]))
            if token not in (PAD, START)
        }
        assert {ids_of(tree, i) for i in here} == expected
        by_score = sorted(here, key=lambda i: -tree.nodes[i].log_probability)
        open_ones = [i for i in by_score if ids_of(tree, i)[-1] != END]
        dropped = [i for i in here if tree.nodes[i].fate == "dropped"]
        assert not set(dropped) & set(open_ones[:3])
        ends = {i for i in by_score[:3] if ids_of(tree, i)[-1] == END}
        assert set(here) - set(dropped) == {*open_ones[:3], *ends}
        # Only the best of what was dropped, where fewer are wanted.
    few = beam_tree(toy, SOURCE[0], search, num_dropped=1)
    all_dropped = [n.log_probability for n in tree.nodes if (n.position, n.fate) == (1, "dropped")]
    (one,) = (n for n in few.nodes if (n.position, n.fate) == (1, "dropped"))
    assert one.log_probability == pytest.approx(max(all_dropped))


def test_reasons_name_the_numbers_that_decided():
    toy = Toy(seed=2, end_bias=4.0)
    tree = beam_tree(toy, SOURCE[0], BeamSearch(num_beams=4, n_best=2, max_length=8))
    by_fate = {}
    for node in tree.nodes:
        by_fate.setdefault(node.fate, []).append(node)
    assert set(by_fate) == {"start", "kept", "ended", "beaten", "stopped", "dropped"}
    lowest = tree.results[-1].score
    best = tree.nodes[tree.best[0]]
    assert best.reason == f"Ended; result 1 of 2, with the score {best.score:.2f}."
    for node in by_fate["beaten"]:
        assert node.score < lowest
        assert f"its score {node.score:.2f} is below {lowest:.2f}" in node.reason
    for node in by_fate["stopped"]:
        assert node.log_probability <= lowest and f"above {lowest:.2f}" in node.reason
    for node in by_fate["dropped"]:
        assert f"{node.log_probability:.2f} is below" in node.reason


def test_of_a_forced_token_the_other_choices_are_known(toy):
    search = BeamSearch(num_beams=2, max_length=LONGEST)
    free, forced = (beam_tree(toy, SOURCE[0], search, prefix) for prefix in (None, [7, 4]))
    assert [node.chosen.id for node in forced.nodes if node.position == 0] == [7]
    assert forced.nodes[0].choices == free.nodes[0].choices
    assert all(ids_of(forced, node)[:2] == (7, 4) for node in forced.best)


def test_texts_and_images_have_their_tokens_and_maps():
    keras.utils.set_random_seed(0)
    model = EncoderDecoder(Vocabulary("abc"), Vocabulary(["A", "B"], " "), units=8)
    search = BeamSearch(num_beams=2, max_length=4)
    tree = beam_tree(model, "cab", search, "A")
    expected = model.generate(["cab"], search, n_best=2, prefix=["A"])[0]
    assert tree.source_tokens == ["c", "a", "b"]
    assert [one.text for one in tree.results] == [one.text for one in expected]
    assert tree.nodes[1].chosen.token == "A" and tree.nodes[1].attention.shape == (3,)

    reader = Captioner(Vocabulary(["a", "fox"], " "), (16, 16), units=8, embedding_dim=8)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype("float32")
    tree = beam_tree(reader, image, search)
    assert tree.source_tokens is None
    assert tree.nodes[1].attention.shape == tuple(reader.map_shape)
    assert tree.results[0].text == reader.generate(image[None], search)[0].text


@pytest.mark.parametrize("search", [Greedy(), DiverseBeamSearch(num_beams=2, num_groups=2)])
def test_another_search_is_refused(toy, search):
    with pytest.raises(ValueError, match="search: expected a BeamSearch, received"):
        beam_tree(toy, SOURCE[0], search)


@pytest.mark.parametrize("name", ["num_dropped", "num_choices"])
def test_numbers_that_are_not_positive_are_refused(toy, name):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        beam_tree(toy, SOURCE[0], **{name: 0})
