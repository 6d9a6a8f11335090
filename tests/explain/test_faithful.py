"""Planted evidence, one word that alone decides, is found; other weights change what they must."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.explain import faithfulness
from keras_attention.explain._attribution import kept
from keras_attention.explain.faithful import kendall
from keras_attention.layers import AttentionPooling

DECISIVE = (3, 4)
LONGEST = 8


def texts(count, seed):
    """Words 5 to 19, of which one is 3 in class 0 or 4 in class 1."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=count)
    ids = rng.integers(5, 20, size=(count, LONGEST))
    at = rng.integers(4, size=count)
    ids[np.arange(count), at] = np.array(DECISIVE)[labels]
    lengths = rng.integers(4, LONGEST + 1, size=count)
    return np.where(np.arange(LONGEST) < lengths[:, None], ids, 0).astype("int32"), labels, at


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    words = keras.Input((None,), dtype="int32")
    embedded = layers.Embedding(20, 8, mask_zero=True)(words)
    outputs = layers.Dense(2, activation="softmax")(AttentionPooling(8)(embedded))
    model = keras.Model(words, outputs)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"], jit_compile=False)
    ids, labels, _ = texts(1000, seed=0)
    model.fit(ids, labels, batch_size=50, epochs=6, verbose=0)
    return model


@pytest.fixture(scope="module")
def found(model):
    ids, labels, _ = texts(200, seed=1)
    return faithfulness(model, ids, labels)


def test_the_best_method_finds_planted_evidence(found):
    ids, _, at = texts(200, seed=1)
    importance = np.where(ids != 0, found.importance[found.best], -np.inf)
    assert np.mean(importance.argmax(1) == at) >= 0.95


def test_evidence_is_comprehensive_and_sufficient_and_chance_is_not(found):
    best, chance = found.methods[found.best], found.methods["random"]
    assert best.comprehensiveness > 0.3
    assert best.sufficiency < 0.05
    assert best.comprehensiveness > 2 * chance.comprehensiveness
    assert found.attention_explains
    assert str(found).count("\n") >= 10


def test_other_weights_change_the_outputs(found):
    assert found.changes["permuted"] > 0.1
    assert found.changes["uniform"] > 0.02


def test_where_attention_does_not_matter_the_report_says_so():
    words = keras.Input((None,), dtype="int32")
    embedded = layers.Embedding(20, 8, mask_zero=True)(words)
    pooled = 0.0 * AttentionPooling(8)(embedded)
    score = layers.Dense(2, activation="softmax")
    model = keras.Model(words, score(pooled + layers.GlobalAveragePooling1D()(embedded)))
    ids, labels, _ = texts(20, seed=2)
    report = faithfulness(model, ids, labels)
    assert max(report.changes.values()) < 1e-6


def naive_kendall(one, other):
    agree = ties_one = ties_other = 0
    for i, j in itertools.combinations(range(len(one)), 2):
        agree += np.sign(one[i] - one[j]) * np.sign(other[i] - other[j])
        ties_one += one[i] != one[j]
        ties_other += other[i] != other[j]
    return agree / np.sqrt(ties_one * ties_other)


def test_kendalls_tau_counts_pairs(rng):
    one, other = rng.integers(5, size=(2, 12))
    np.testing.assert_allclose(kendall(one, other), naive_kendall(one, other))
    assert kendall(np.arange(5), np.arange(5)) == 1
    assert np.isnan(kendall(np.ones(4), np.arange(4)))


def test_what_is_kept_moves_to_the_front():
    ids = np.array([[5, 6, 7, 0]])
    keep = np.array([[True, False, True, False]])
    assert kept(ids, keep, 0).tolist() == [[5, 7, 0, 0]]


def test_models_without_one_attention_over_the_words_are_refused():
    words = keras.Input((None,), dtype="int32")
    embedding = layers.Embedding(20, 8)
    model = keras.Model(words, layers.Dense(2)(layers.GRU(4)(embedding(words))))
    with pytest.raises(ValueError, match="attention: expected the path of the one Attention"):
        faithfulness(model, np.array([[5, 6]]))
    model = keras.Sequential([layers.Dense(1)])
    with pytest.raises(ValueError, match=r"model: expected one .*Embedding, received 0"):
        faithfulness(model, np.array([[5, 6]]))
