"""Contrastive search, against a plain loop, and the representations that it compares."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import (
    ContrastiveSearch,
    Greedy,
    MinimumLength,
    NoRepeatedNgrams,
)
from keras_attention.models import EncoderDecoder
from tests.generation.test_beam_search import LONGEST, PREFIX, SETTINGS, SOURCE, require_equal
from tests.support.plain_search import Path, Toy, plain_contrastive_search


class Hidden(Toy):
    """Gives its recurrent state."""

    def hidden(self, state):
        return state["loop"][0]


class Named(Toy):
    """Has it as a part of its state."""

    def start(self, inputs):
        state = super().start(inputs)
        return {**state, "hidden": state["loop"][0]}

    def step(self, tokens, state):
        logits, after, weights = super().step(tokens, state)
        return logits, {**after, "hidden": after["loop"][0]}, weights


def hidden_along(path):
    """The recurrent state after tokens."""

    def hidden(tokens):
        path(tokens)
        token, state = path.states[tokens] if tokens else (1, path.states[()][1])
        _, after, _ = path.model.step(tf.constant([token]), state)
        return np.asarray(after["loop"][0])[0]

    return hidden


def require_plain(found, toy, top_k, alpha, longest, prefix=None, **options):
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        for before in range(longest):
            assert before >= 0
        forced = () if prefix is None else tuple(prefix[row])
        hidden = hidden_along(path)
        expected = plain_contrastive_search(
            path, hidden, top_k, alpha, longest, prefix=forced, **options
        )
        require_equal(found, [expected], path, row)


@pytest.mark.parametrize("kind", [Hidden, Named])
@pytest.mark.parametrize("prefix", [None, PREFIX], ids=["", "prefix"])
def test_equals_a_plain_loop(kind, prefix):
    toy = kind(seed=3, end_bias=0.5)
    found = ContrastiveSearch(max_length=LONGEST, top_k=4, alpha=0.6)(toy, SOURCE, prefix)
    require_plain(found, toy, 4, 0.6, LONGEST, prefix)


@pytest.mark.parametrize("seed", range(4))
def test_random_models_in_a_graph(seed):
    toy = Hidden(seed=seed, vocabulary=12, end_bias=-0.5)
    search = ContrastiveSearch(max_length=8, top_k=3, alpha=0.3 + 0.15 * seed)
    graph = tf.function(lambda ids: search(toy, ids), autograph=False)
    require_plain(graph(tf.constant(SOURCE)), toy, 3, search.alpha, 8)


def test_constraints_hold():
    toy = Hidden(seed=3, end_bias=1.5)
    constraints = (MinimumLength(4), NoRepeatedNgrams(2))
    found = ContrastiveSearch(max_length=LONGEST, top_k=3, constraints=constraints)(toy, SOURCE)
    _, no_bigram = SETTINGS["no bigram twice"]
    no_bigram = no_bigram(4, None)["allowed"]

    def allowed(tokens, token):
        return no_bigram(tokens, token) and (token != 2 or len(tokens) >= 3)

    require_plain(found, toy, 3, 0.6, LONGEST, allowed=allowed)


@pytest.mark.parametrize("options", [{"top_k": 1}, {"alpha": 0.0}])
def test_without_contrast_it_is_greedy(options):
    toy = Hidden(seed=3, end_bias=0.5)
    found = ContrastiveSearch(max_length=LONGEST, **options)(toy, SOURCE)
    for one, other in zip(found, Greedy(max_length=LONGEST)(toy, SOURCE)):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"cell": "gru", "num_decoder_layers": 2}])
def test_our_models_give_their_last_cell(options):
    model = EncoderDecoder(20, 15, units=8, embedding_dim=4, **options)
    state = model.start(SOURCE)
    _, state, _ = model.step(np.array([1, 1, 1]), state)
    assert tuple(model.hidden(state).shape) == (3, 8)
    found = ContrastiveSearch(max_length=5)(model, SOURCE)
    greedy = Greedy(max_length=5)(model, SOURCE)
    assert found.sequences.shape[:2] == (3, 1)
    assert np.all(np.asarray(found.scores) <= np.asarray(greedy.scores) + 1e-4)


def test_a_model_without_representations_is_refused():
    with pytest.raises(ValueError, match=r"decoder: expected one that gives the representation"):
        ContrastiveSearch()(Toy(), SOURCE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha: expected a number from 0 to 1, received 1.5"),
        ({"alpha": -0.5}, "alpha: expected a number"),
        ({"top_k": 0}, "top_k: expected a positive integer"),
        ({"max_length": 0}, "max_length: expected a positive integer"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveSearch(**options)
