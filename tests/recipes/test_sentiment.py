"""The recipe trains its models, measures where their attention is, shows it, and exports one."""

import json

import keras
import numpy as np
import pytest

from keras_attention.datasets import RatedText
from keras_attention.recipes import sentiment
from keras_attention.recipes.recipe import run
from keras_attention.recipes.seeds import summary_of
from keras_attention.recipes.sentiment import Data, Sentiment, Settings, build, vocabulary_of
from keras_attention.recipes.sentiment_quality import (
    Reader,
    Reading,
    evaluate,
    lexicon_accuracy,
)

NEUTRAL = ["the", "film", "was", "seen", "by", "a", "man", "on", "a", "long", "day", "in", "may"]
LEXICON = {"great": 3.0, "lovely": 2.0, "dreadful": -3.0, "dull": -2.0}


def sentences(count, seed):
    """Neutral words, and one anywhere that decides."""
    rng = np.random.default_rng(seed)
    rated = []
    for number in range(count):
        words = rng.choice(NEUTRAL, rng.integers(7, 11)).tolist()
        word = list(LEXICON)[number % len(LEXICON)]
        words.insert(rng.integers(len(words)), word)
        rated.append(RatedText(" ".join(words).capitalize() + ".", LEXICON[word]))
    return rated


DATA = Data(
    {"train": sentences(64, 0), "dev": sentences(8, 1), "test": sentences(24, 2)},
    {"tweets": sentences(6, 3)},
    LEXICON,
)
SETTINGS = Settings(
    embedding_dim=8,
    units=4,
    dropout=0.0,
    word_dropout=0.0,
    min_count=1,
    batch_size=32,
    epochs=1,
    minutes=5,
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentiment")
    compiled = keras.Model.compile

    def eager(model, *arguments, **options):
        compiled(model, *arguments, run_eagerly=True, **options)

    # To compile three models takes longer than two steps of each.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", eager)
        return folder, run(Sentiment(seeds=1), folder, SETTINGS, data=DATA, export=False)


def test_every_pooling_has_its_seeds():
    variants = Sentiment().variants(SETTINGS._replace(seed=5))
    assert list(variants) == [*sentiment.POOLINGS, *(f"{one}-2" for one in sentiment.POOLINGS)]
    assert variants["states-2"].changes == {"pooling": "states", "seed": 6}
    assert len({variant.folder for variant in variants.values()}) == 6
    runs = [{"accuracy": 76.0}, {"accuracy": 79.0}, {"accuracy": 78.0}]
    expected = {"mean": 77.6667, "spread": 3.0, "runs": [76.0, 79.0, 78.0]}
    assert summary_of(runs) == {"accuracy": expected}


def test_the_report_has_every_pooling(ran):
    folder, report = ran
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    assert (report["train_sentences"], report["test_sentences"]) == (64, 24)
    assert report["lexicon_alone"] == 100.0
    for pooling in sentiment.POOLINGS:
        found = report[pooling]
        for name in ("accuracy", "dev_accuracy", "tweets_accuracy"):
            assert found[name]["runs"] == [found[name]["mean"]]
        assert ("lexicon_ratio" in found) == (pooling != "mean")
    assert report["accuracy"] == report["embeddings"]["accuracy"]["runs"][0]
    assert 0 < report["states"]["uniform_share"]["runs"][0] < 0.2
    summary = Sentiment().summary(report, folder)
    assert "embeddings" in summary and "times as much weight" in summary


def test_every_model_and_every_view_of_the_test_sentences_is_there(ran):
    folder, _ = ran
    models = {path.parent.name for path in folder.glob("*/model.keras")}
    assert models == set(sentiment.POOLINGS)
    page = (folder / "highlights.html").read_text("utf-8")
    assert page.count("<h2>") == 12 and page.count("<b>states</b>") == 12
    assert len(list(folder.glob("highlight-*.png"))) == 3
    vocabulary = sentiment.LookupVocabulary.load(folder / "vocabulary.json")
    assert vocabulary == sentiment._vocabulary(DATA, SETTINGS)


def test_a_finished_training_is_not_repeated(ran, monkeypatch):
    folder, report = ran
    monkeypatch.setattr("keras_attention.recipes.recipe.fit", lambda *given: 1 / 0)
    again = run(Sentiment(seeds=1), folder, SETTINGS, data=DATA, export=False)
    assert again["embeddings"] == report["embeddings"]
    with pytest.raises(ZeroDivisionError):
        run(Sentiment(seeds=1), folder, SETTINGS._replace(units=3), data=DATA, export=False)


def test_attention_over_embeddings_learns_the_words_that_decide(tmp_path):
    settings = SETTINGS._replace(epochs=30, learning_rate=0.03)
    model = Sentiment().train(tmp_path, DATA, settings).model
    found = evaluate(Reader(model, model.source_vocabulary), DATA.splits["test"], LEXICON)
    assert found["accuracy"] == 100.0
    assert found["lexicon_ratio"] > 3


@pytest.mark.parametrize("pooling", sentiment.POOLINGS)
def test_a_text_is_read_alike_in_any_batch(pooling):
    vocabulary = vocabulary_of(one.text for one in DATA.splits["train"])
    model = build(len(vocabulary), SETTINGS._replace(pooling=pooling))
    texts = ["A great film!", "...", *(one.text for one in DATA.splits["test"][:3])]
    read = Reader(model, vocabulary)
    together = read(texts)
    assert [reading.words for reading in together[:2]] == [["a", "great", "film"], ["[UNK]"]]
    for text, reading in zip(texts, together):
        (alone,) = read([text], batch_size=1)
        assert alone.positive == pytest.approx(reading.positive, abs=1e-6)
        if pooling == "mean":
            assert reading.weights is None
            continue
        assert reading.weights.shape == (len(reading.words),)
        assert reading.weights.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(alone.weights, reading.weights, atol=1e-6)
    if pooling != "mean":
        # A served model may get an empty text; a mean of nothing would not be a number.
        assert np.isfinite(model(np.zeros((1, 2), "int32"))).all()


def test_the_share_is_the_mean_over_texts_against_equal_weights():
    readings = [
        Reading(["great", "film"], 0.9, np.array([0.8, 0.2], "float32")),
        Reading(["the", "long", "dull", "day"], 0.6, np.array([0.1, 0.2, 0.4, 0.3], "float32")),
    ]
    rated = [RatedText("", 2.0), RatedText("", -2.0)]
    assert evaluate(lambda texts: readings, rated, LEXICON) == {
        "accuracy": 50.0,
        "lexicon_share": 0.6,
        "uniform_share": 0.375,
        "lexicon_ratio": 1.6,
    }
    assert evaluate(lambda texts: readings, rated) == {"accuracy": 50.0}


def test_the_lexicon_alone_gives_a_sign():
    vocabulary = vocabulary_of(NEUTRAL)
    rated = [RatedText("Great, not dull.", 1), RatedText("Dull!", 1), RatedText("A film", -1)]
    assert lexicon_accuracy(vocabulary, rated, LEXICON) == 50.0


def test_words_without_rating_are_left_out_and_the_data_are_read(monkeypatch, tmp_path):
    def load(domain):
        return {"train": [RatedText(domain, 1.0)], "dev": [RatedText("x", 0.0)], "test": []}

    monkeypatch.setattr(sentiment, "load_sentiment", load)
    monkeypatch.setattr(sentiment, "load_sentiment_lexicon", lambda: LEXICON)
    data = Sentiment().load(tmp_path, SETTINGS)
    assert data.splits == {"train": [RatedText("films", 1.0)], "dev": [], "test": []}
    assert data.others["amazon"] == [RatedText("amazon", 1.0)] and len(data.others) == 3


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="pooling: expected one of 'embeddings', 'states'"):
        build(9, SETTINGS._replace(pooling="max"))
    with pytest.raises(ValueError, match="min_count: expected a positive integer, received 0"):
        vocabulary_of([], 0)
    with pytest.raises(ValueError, match="seeds: expected a positive integer, received 0"):
        Sentiment(seeds=0).variants()


@pytest.mark.slow  # exports twice
def test_the_artifacts_answer_texts_with_the_weights_of_their_words(tmp_path):
    import tensorflow as tf

    settings = SETTINGS._replace(epochs=2)
    report = run(Sentiment(seeds=1), tmp_path, settings, data=DATA)
    assert report["saved_model_text"]["ids_equal"] and report["onnx"]["ids_equal"]
    loaded = tf.saved_model.load(str(tmp_path / "saved_model_text" / "1"))
    found = loaded.signatures["serving_default"](text=tf.constant(["Great film!"]))
    assert sorted(found) == ["attention", "positive", "source_tokens"]
    assert found["source_tokens"].numpy().tolist() == [[b"great", b"film"]]
    assert found["attention"].numpy().sum() == pytest.approx(1, abs=1e-5)
