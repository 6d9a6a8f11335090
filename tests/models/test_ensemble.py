"""Ensembles: the mean of their members' predictions, in every search, saved and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.export import export_model
from keras_attention.generation import (
    BeamSearch,
    ConstrainedBeamSearch,
    ContrastiveSearch,
    DiverseBeamSearch,
    Greedy,
    Sample,
    generate,
    score,
)
from keras_attention.models import Captioner, EncoderDecoder, Ensemble
from keras_attention.text import Vocabulary

LETTERS, SHORT = Vocabulary("abcdefgh"), Vocabulary("vwxyz")
SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 11, 10, 0]], "int32")
SEARCHES = [
    Greedy(max_length=5),
    Sample(max_length=5, seed=3),
    BeamSearch(num_beams=3, max_length=5, length_penalty=0.6, coverage_penalty=0.1),
    DiverseBeamSearch(num_beams=4, max_length=5),
    ConstrainedBeamSearch(num_beams=3, max_length=5, phrases=((4, 5),)),
    ContrastiveSearch(max_length=5, top_k=3),
]


def member(seed, **options):
    keras.utils.set_random_seed(seed)
    options = {"embedding_dim": 4, "units": 6, **options}
    model = EncoderDecoder(LETTERS, SHORT, **options)
    for weight in model.trainable_weights:
        weight.assign(2.5 * weight)
    return model


@pytest.fixture(scope="module")
def members():
    return member(1), member(2, units=8, cell="gru"), member(3, encoder="gru")


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_one_member_alone_is_the_member(members, search):
    found = search(Ensemble([members[0]]), SOURCE)
    for one, other in zip(found, search(members[0], SOURCE)):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_every_search_runs_on_several(members, search):
    model = Ensemble(members[:2], weights=[2, 1])
    found = search(model, SOURCE)
    if isinstance(search, BeamSearch) and search.length_penalty:
        graph = tf.function(lambda ids: search(model, ids), autograph=False)
        for one, other in zip(found, graph(tf.constant(SOURCE))):
            np.testing.assert_allclose(one, other, atol=1e-4)
    else:
        # The scores are those of the mean.
        again = score(model, SOURCE, np.asarray(found.sequences)[:, 0]).scores
        np.testing.assert_allclose(np.asarray(found.scores)[:, 0], again, atol=1e-3)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_the_mean_of_the_predictions_of_each_step(members, mean):
    shares = np.array([0.5, 0.25, 0.25])
    model = Ensemble(members, weights=[2, 1, 1], mean=mean)
    targets = np.array([[1, 5, 4, 6], [1, 7, 2, 0], [1, 4, 4, 2]], "int32")
    logits = model({"source": SOURCE, "target": targets})
    each = [one({"source": SOURCE, "target": targets}) for one in members]
    logp = np.stack([keras.ops.log_softmax(one) for one in each])
    if mean == "geometric":
        expected = np.tensordot(shares, logp, 1)
    else:
        expected = np.log(np.tensordot(shares, np.exp(logp), 1))
    real = targets != 0
    np.testing.assert_allclose(np.asarray(logits)[real], expected[real], atol=1e-4)


def test_the_attention_is_the_mean_too(members):
    model = Ensemble(members, weights=[2, 1, 1])
    targets = np.array([[5, 4, 2], [7, 2, 0], [4, 4, 2]], "int32")
    expected = [np.asarray(score(one, SOURCE, targets).attention) for one in members]
    found = score(model, SOURCE, targets).attention
    np.testing.assert_allclose(found, np.tensordot([0.5, 0.25, 0.25], expected, 1), atol=1e-5)


def test_it_generates_and_comes_back_from_its_file(members, tmp_path):
    model = Ensemble(members, weights=[2, 1, 1], mean="arithmetic")
    model.compile(search=SEARCHES[2])
    found = model.generate(["abc", "hag", ""], n_best=2)
    model.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    assert loaded.mean == "arithmetic" and loaded.shares == model.shares
    for one, other in zip(found, loaded.generate(["abc", "hag", ""], n_best=2)):
        assert [x.text for x in one] == [x.text for x in other]
        assert [x.score for x in one] == pytest.approx([x.score for x in other], abs=1e-5)


def test_images(tmp_path):
    words = Vocabulary(["a", "red", "apple"], separator=" ")
    models = []
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        models.append(Captioner(words, image_size=(16, 16), units=6, embedding_dim=4))
    model = Ensemble(models)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    [one, _] = generate(model, images, Greedy(max_length=4))
    assert one.attention.shape[1:] == generate(models[0], images)[0].attention.shape[1:]


@pytest.mark.slow
def test_it_is_exported_and_verified(members, tmp_path):
    report = export_model(
        Ensemble(members[:2]), tmp_path / "artifact", search=BeamSearch(num_beams=2, max_length=4)
    )
    assert report is not None


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (0, {}, r"models: expected a list of at least one model, received \[\]"),
        (2, {"weights": [1]}, r"weights: expected 2 numbers, one per model, received \[1\]"),
        (2, {"weights": [1, -1]}, "weights: expected a"),
        (2, {"mean": "median"}, "mean: expected"),
    ],
)
def test_what_makes_no_ensemble(members, models, options, message):
    with pytest.raises(ValueError, match=message):
        Ensemble(list(members[:models]), **options)


def test_members_that_do_not_fit(members):
    with pytest.raises(ValueError, match="models: expected the same target_vocabulary in all"):
        Ensemble([members[0], EncoderDecoder(LETTERS, LETTERS, units=6)])
    with pytest.raises(ValueError, match="models: expected the same source_vocabulary in all"):
        Ensemble([members[0], EncoderDecoder(SHORT, SHORT, units=6)])
    with pytest.raises(ValueError, match="models: expected models that generate"):
        Ensemble([members[0], keras.Sequential()])
    with pytest.raises(ValueError, match="models: expected different models"):
        Ensemble([members[0], members[0]])
