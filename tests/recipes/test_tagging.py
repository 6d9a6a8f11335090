"""The recipe trains taggers, measures them on every split, and exports one with its decoding."""

import json

import keras
import numpy as np
import pytest

from keras_attention.datasets import Tagged, split_tagged
from keras_attention.recipes import tagging
from keras_attention.recipes.recipe import run
from keras_attention.recipes.tagging_data import Encoding

SETTINGS = tagging.Settings(
    units=8, embedding_dim=8, letter_dim=4, filters=8, num_heads=2, dropout=0.0, epochs=4
)
# The tag of "of" is that of the word before.
WORDS = {"one": "I-number", "two": "I-number", "red": "I-color", "blue": "I-color"}


def made(count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        words = [*rng.choice([*WORDS], rng.integers(2, 6))]
        tokens = tuple(token for word in words for token in (str(word), "of"))
        yield Tagged(tokens, tuple(WORDS[word] for word in words for _ in range(2)))


DATA = {"addresses": [*made(150, 0)], "tweets": [*made(60, 1)]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    recipe = tagging.Tagging(folds=1, tweet_folds=0, ablation_folds=0, baseline=False)
    settings = SETTINGS._replace(epochs=12, learning_rate=0.02)
    return folder, run(recipe, folder, settings, data=DATA, export=False), recipe, settings


def test_it_learns_and_reports_what_it_measured(trained, capsys):
    folder, report, recipe, settings = trained
    row = report["addresses"]["crf_attention"]
    assert row["f1"] > 90 and row["f1_of_folds"] == [row["f1"]] and row["accuracy"] > 95
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    assert "crf_attention" in recipe.summary(report, folder)
    kept = folder / "addresses/0/crf_attention"
    assert {path.name for path in kept.iterdir()} == {
        "model.keras",
        "training.json",
        "vocabulary.json",
    }
    # Called again it trains nothing.
    assert run(recipe, folder, settings, data=DATA, export=False)["addresses"] == {
        "crf_attention": row
    }
    assert "is finished" in capsys.readouterr().out


def test_a_saved_tagger_tags_the_same(trained):
    folder, *_ = trained
    parts = split_tagged(DATA["addresses"], 0)
    encoding = Encoding.of(parts["train"])
    loaded = keras.models.load_model(folder / "addresses/0/crf_attention/model.keras")
    tags = tagging.predict(loaded, encoding, [one.tokens for one in parts["test"]])
    assert tagging.evaluate("addresses", tags, parts["test"])["f1"] > 90


@pytest.mark.parametrize("kind", tagging.KINDS)
def test_padding_changes_no_tagger(kind):
    encoding = Encoding.of(DATA["addresses"])
    model = tagging.build(encoding, SETTINGS._replace(**tagging.KINDS[kind]))
    one = DATA["addresses"][0]
    exact, longer = (model(encoding.inputs([one.tokens], n)) for n in (len(one.tokens), 14))
    np.testing.assert_allclose(
        np.asarray(longer)[:, : len(one.tokens)], np.asarray(exact), atol=1e-5
    )
    # Labels in the padding count for nothing, whichever the loss is.
    loss = tagging.Tagging().objective(SETTINGS._replace(**tagging.KINDS[kind])).loss
    labels = encoding.labels([one], 14)
    other = np.where(np.arange(14) < len(one.tokens), labels, 1)
    assert float(loss(labels, longer)) == pytest.approx(float(loss(other, longer)))


def test_the_variants_are_every_data_set_split_and_kind():
    names = list(tagging.Tagging(folds=5, tweet_folds=2, ablation_folds=5).variants())
    assert len(names) == (5 + 2) * 4 and names[0] == "addresses/0/crf_attention"
    some = list(tagging.Tagging(folds=5, tweet_folds=2, ablation_folds=1).variants())
    assert len(some) == 7 + 2 * 3 and "addresses/1/neither" not in some


def test_the_slots_of_addresses_are_runs_of_equal_labels():
    right = [Tagged(("5", "Main", "St"), ("number", "street", "street"))]
    assert tagging.evaluate("addresses", [("number", "street", "street")], right)["f1"] == 100
    wrong = tagging.evaluate("addresses", [("number", "street", "number")], right)
    assert wrong == {"f1": 40.0, "accuracy": 66.67}
    assert (
        tagging.evaluate("tweets", [("O", "B-x")], [Tagged(("a", "b"), ("O", "B-x"))])["f1"] == 100
    )


@pytest.mark.slow
def test_the_tagger_is_exported_in_every_format_with_its_decoding(trained, tmp_path):
    folder, _, recipe, settings = trained
    for name in ("addresses", "report.json"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "report.json").unlink()
    report = run(recipe, tmp_path, settings, data=DATA)
    for name in ("saved_model", "onnx", "litert"):
        assert report[name]["ids_equal"], name


def test_without_the_extra_it_says_so_before_it_trains(monkeypatch):
    def missing(name, extra):
        raise ImportError(f"{name} of {extra}")

    monkeypatch.setattr("keras_attention.recipes.tagging_baseline.require", missing)
    with pytest.raises(ImportError, match="sklearn_crfsuite of tagging"):
        tagging.Tagging().load(None, SETTINGS)
