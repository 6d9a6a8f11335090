"""The recipe trains three models alike, measures them, and reports."""

import json

import keras
import numpy as np
import pytest

from keras_attention.callbacks import DivergedError
from keras_attention.datasets import Digits, place_digits
from keras_attention.recipes import command, glimpses
from keras_attention.recipes.recipe import run
from keras_attention.recipes.training_run import Trained

SETTINGS = glimpses.Settings(
    image_size=12,
    pieces=1,
    steps=2,
    units=12,
    hidden=8,
    retina_size=4,
    scales=2,
    samples=2,
    batch_size=8,
    copies=1,
    epochs=1,
    tests=2,
)


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(24, 8, 8)).astype("float32")
    labels = np.arange(24, dtype="int32") % 10
    return {name: Digits(images, labels) for name in ("train", "dev", "test")}


@pytest.fixture(scope="module")
def trained(splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("glimpses")
    compiled = keras.Model.compile

    def eager(model, *arguments, **options):
        compiled(model, *arguments, run_eagerly=True, **options)

    # To compile three models takes longer than three steps of each.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", eager)
        return folder, run(glimpses.Glimpses(), folder, SETTINGS, data=splits)


def test_the_report_has_every_model_and_the_files_are_there(trained):
    folder, report = trained
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["cnn.keras", "glimpses.keras", "random_places.keras", "report.json"]
    assert report["test_images"] == 48 and report["settings"]["steps"] == 2
    for kind in glimpses.KINDS:
        assert report[kind]["train_images"] == 24
        assert 0 <= report[kind]["accuracy"] <= 1
    for kind in ("glimpses", "random_places"):
        assert len(report[kind]["accuracy_after"]) == 2
        assert report[kind]["found_after"] == sorted(report[kind]["found_after"])


def test_a_saved_model_is_measured_alike(trained, splits):
    folder, report = trained
    for kind in ("glimpses", "cnn"):
        model = keras.models.load_model(folder / f"{kind}.keras")
        again = glimpses.evaluate(model, splits["test"], SETTINGS, batch_size=7)
        assert again == {name: report[kind][name] for name in again}


def test_the_convolutional_network_has_as_many_weights():
    for settings in (SETTINGS, glimpses.Settings()):
        ours, cnn = (
            glimpses.build(settings._replace(kind=kind)).count_params()
            for kind in ("glimpses", "cnn")
        )
        # Whole filters only.
        assert abs(cnn / ours - 1) < (0.25 if settings is SETTINGS else 0.03)


def test_places_are_random_in_the_ablation_alone(splits):
    placed = place_digits(splits["test"], 12, 1)
    for kind, same in (("glimpses", True), ("random_places", False)):
        model = glimpses.build(SETTINGS._replace(kind=kind))
        one, other = (np.asarray(model(placed.images)["places"]) for _ in range(2))
        assert (one == other).all() == same


def test_multiplications_are_counted():
    counts = glimpses.multiply_adds(glimpses.build(SETTINGS), (12, 12, 1))
    # 2 patches of 4 by 4 cells: 8 rows out of 12 by 12 pixels, then 4 columns out of each.
    retina = 2 * (8 * 12 * 12 + 8 * 4 * 12)
    seen = 32 * 8 + 2 * 8 + 8 * 12 + 8 * 12
    network = 2 * (seen + 12 * 48 + 12 * 48 + 12 * 10 + 12 * 2)
    assert counts == {"retina": retina, "network": network, "total": retina + network}
    cnn = glimpses.build(SETTINGS._replace(kind="cnn"))
    n = cnn.layers[0].filters
    total = 144 * 9 * (n + n * n) + 36 * 9 * 6 * n * n + 9 * 9 * 8 * n * n + 4 * n * 10
    assert glimpses.multiply_adds(cnn, (12, 12, 1))["total"] == total


def test_found_is_where_the_digit_is(splits):
    class AlwaysThere:
        """Looks beside the digit at first, then at its middle."""

        glimpses = glimpses.build(SETTINGS).glimpses

        def __call__(self, images, training):
            corners = place_digits(splits["test"], 12, 0, [0, 0, 0, 0]).corners
            middle = (corners + 4) / 12 * 2 - 1
            beside = middle + np.array([0, 5 / 12])
            logits = np.zeros((24, 2, 10))
            return {"logits": logits, "places": np.stack([beside, middle], 1)}

    settings = SETTINGS._replace(tests=1, pieces=0)
    found = glimpses.evaluate(AlwaysThere(), splits["test"], settings)["found_after"]
    assert found == [0, 1]


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind: expected one of 'glimpses', 'random_places'"):
        glimpses.build(SETTINGS._replace(kind="rnn"))


def test_the_command_trains_and_reports(splits, tmp_path, monkeypatch, capsys):
    def train(recipe, folder, data, settings):
        assert data is splits
        asked.append(settings)
        return Trained(glimpses.build(settings), 1.0, 3)

    asked = []
    monkeypatch.setattr(glimpses, "load_digits", lambda: splits)
    monkeypatch.setattr(glimpses.Glimpses, "train", train)
    options = ["--steps", "3", "--std", "0.5", "--image-size", "12", "--units", "8", "--tests", "1"]
    command.main(glimpses.Glimpses, "", [tmp_path, *options])
    expected = glimpses.Settings(steps=3, std=0.5, image_size=12, units=8, tests=1)
    assert asked == [expected._replace(kind=kind) for kind in glimpses.KINDS]
    shown = capsys.readouterr().out
    report = json.loads(shown[shown.index("{") :])
    assert report["cnn"]["train_images"] == 3 * expected.batch_size
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report


@pytest.mark.parametrize("kind", glimpses.KINDS)
def test_a_training_that_diverges_leaves_no_model(splits, tmp_path, monkeypatch, kind):
    compiled = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda *given, **named: compiled(*given, **named, run_eagerly=True)
    )
    images = splits["train"].images * np.nan
    settings = SETTINGS._replace(kind=kind)
    with pytest.raises(DivergedError, match=r"received nan in step 1 of epoch 1\."):
        data = {"train": splits["train"]._replace(images=images)}
        glimpses.Glimpses().train(tmp_path / "out", data, settings)
    assert not (tmp_path / "out").exists()
