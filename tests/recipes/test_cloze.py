"""The reader finds who did what, by the passage alone, and its attention sums to its answer."""

import json

import keras
import numpy as np
import pytest

from keras_attention.datasets import BLANK, Cloze
from keras_attention.recipes import cloze
from keras_attention.recipes.cloze_data import MARKERS, Encoding, cloze_batches
from keras_attention.recipes.cloze_quality import Reader, baselines
from keras_attention.recipes.recipe import run

NAMES = [f"{first}{second}" for first in "BDFGKLMN" for second in ("ara", "elo", "inu", "oso")]
THINGS = ["a ball", "two coins", "the old map", "bread", "a red key"]


def made(count, seed):
    """Three persons have a thing each; which of them has one of the things?"""
    rng = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        names = rng.choice(NAMES, 3, replace=False).tolist()
        things = rng.choice(THINGS, 3, replace=False).tolist()
        asked = int(rng.integers(3))
        passage = tuple((name, "has", *thing.split()) for name, thing in zip(names, things))
        question = (BLANK, "has", *things[asked].split())
        questions.append(Cloze(passage, question, names[asked], tuple(names)))
    return questions


DATA = {"train": made(400, 0), "dev": made(40, 1), "test": made(60, 2)}
SETTINGS = cloze.Settings(embedding_dim=16, units=16, dropout=0.0, epochs=15, learning_rate=0.02)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloze")
    recipe = cloze.ClozeReading(seeds=1)
    return folder, recipe, run(recipe, folder, SETTINGS, data=DATA, export=False)


def test_it_learns_and_reports_what_it_measured(trained):
    folder, recipe, report = trained
    assert report["reader"]["accuracy"]["mean"] > 90
    assert report["most_frequent"] < 60 and report["at_random"] == pytest.approx(33.33)
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    assert "60 questions" in recipe.summary(report, folder)
    assert (folder / "passages.html").is_file() and (folder / "passage-1.png").is_file()


def test_the_attention_on_the_mentions_of_a_name_sums_to_its_probability(trained):
    folder, *_ = trained
    model = keras.models.load_model(folder / "reader" / "model.keras")
    one = DATA["test"][0]
    again = one._replace(passage=(*one.passage, (one.answer, "sleeps"), ("Nobody", "has", "bread")))
    (answer,) = Reader(model, Encoding.of(DATA["train"]))([again])
    for name, probability in answer.names.items():
        weights = answer.weights[[token == name for token in answer.tokens]]
        assert probability == pytest.approx(float(weights.sum()), abs=1e-6)
    assert sum(answer.names.values()) == pytest.approx(1, abs=1e-5)


def test_a_name_that_the_question_shows_is_no_answer(trained):
    folder, *_ = trained
    model = keras.models.load_model(folder / "reader" / "model.keras")
    one = DATA["test"][0]
    shown = next(name for name in one.names if name != one.answer)
    (answer,) = Reader(model, Encoding.of(DATA["train"]))(
        [one._replace(question=(*one.question, "and", shown))]
    )
    assert answer.names[shown] == 0 < answer.names[one.answer]


def test_padding_changes_nothing():
    encoding = Encoding.of(DATA["train"])
    model = cloze.build(len(encoding.words), SETTINGS)
    reader, one = Reader(model, encoding), DATA["test"][0]
    (alone,) = reader([one])
    longer = one._replace(passage=one.passage * 3, question=one.question * 2)
    together = reader([one, longer])[0]
    np.testing.assert_allclose(together.weights, alone.weights, atol=1e-5)


def test_markers_change_from_epoch_to_epoch():
    encoding = Encoding.of(DATA["train"])
    batches = cloze_batches(encoding, DATA["train"][:4], 4)
    ids, answers = [], []
    for _ in range(2):
        for inputs, answer in batches:
            ids.append(np.sort(np.asarray(inputs["passage"]).ravel()))
            answers.append(np.asarray(answer))
    assert not np.array_equal(*ids)
    assert all((some >= 0).all() and (some < MARKERS).all() for some in answers)


def test_names_beyond_the_markers_are_unknown_words():
    names = tuple(f"Name{number}" for number in range(MARKERS + 2))
    one = Cloze((names,), (BLANK, "came"), names[0], names)
    encoding = Encoding.of([one], min_count=1)
    tokens = encoding.words.to_tokens(encoding.encode(one).passage)
    assert tokens[1] == "@0" and tokens[MARKERS] == f"@{MARKERS - 1}"
    assert tokens[-2:] == ["<unk>", "<unk>"]
    with pytest.raises(ValueError, match="one: expected the answer among the first 100 names"):
        encoding.encode(one._replace(answer=names[-1]))


def test_baselines_of_ties():
    passage = (("Bara", "has", "bread"), ("Delo", "has", "a", "ball"))
    one = Cloze(passage, (BLANK, "eats"), "Bara", ("Bara", "Delo"))
    assert baselines([one]) == {"most_frequent": 0, "last_mentioned": 0, "at_random": 50}


@pytest.mark.slow
def test_it_is_exported_and_verified(trained, tmp_path):
    folder, recipe, _ = trained
    (tmp_path / "reader").symlink_to(folder / "reader")
    report = run(recipe, tmp_path, SETTINGS, data=DATA)
    assert report["saved_model"]["ids_equal"] and report["onnx"]["ids_equal"]
