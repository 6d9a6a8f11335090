"""The recipe learns, goes on, and measures what is said and where it looked."""

import json

import keras
import numpy as np
import pytest

from keras_attention.datasets import (
    Captioned,
    CaptionedFeatures,
    CaptionedImages,
    Scene,
    SceneObject,
)
from keras_attention.generation import Generation
from keras_attention.models import ImageEncoder
from keras_attention.recipes import captioning, command, recipe, training_run

pytest.importorskip("sacrebleu")

COLOURS = {"red": (255, 0, 0), "dark blue": (0, 0, 120), "lime": (0, 255, 0)}
WORDS = ["a", "red", "dark", "blue", "lime", "and"]
SETTINGS = captioning.Settings(
    units=16,
    embedding_dim=8,
    attention_units=8,
    word_detection=1.0,
    dropout=0.0,
    batch_size=16,
    scenes=128,
    epochs=12,
    learning_rate=0.01,
    minutes=5,
)


class Squares:
    """Two coloured squares side by side, told from left to right."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if not 0 <= i < self.count:
            raise IndexError(i)
        rng = np.random.default_rng((self.seed, i))
        image = np.full((16, 24, 3), 200, "uint8")
        words, objects = [], []
        for side, name in enumerate(rng.choice(list(COLOURS), 2, replace=False)):
            top, left = int(rng.integers(0, 9)), 12 * side + int(rng.integers(0, 5))
            box = (top, left, top + 8, left + 8)
            image[box[0] : box[2], box[1] : box[3]] = COLOURS[name]
            words += ["and"] * side + ["a", *name.split()]
            objects.append(SceneObject(name, box, (len(words) - len(name.split()), len(words))))
        return Scene(image, " ".join(words), tuple(objects))


DATA = captioning.Data({"train": Squares(200, 0), "dev": Squares(12, 1)}, WORDS)
TEST = list(Squares(24, 2))


@pytest.fixture(scope="module", autouse=True)
def small_encoder():
    class Small(ImageEncoder):
        def __init__(self, filters=(8, 12), blocks=(0, 1), **options):
            super().__init__(filters, blocks, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_attention.models.captioner.ImageEncoder", Small)
        keras.saving.register_keras_serializable("tests")(Small)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captioning")
    return folder, captioning.Captioning().train(folder, DATA, SETTINGS)


def test_training_learns_to_say_and_to_look(trained, capsys):
    folder, (model, seconds, steps) = trained
    quality = captioning.evaluate(model, TEST)
    # The order of the two takes longer to learn than this test may.
    assert quality.bleu[0] > 70 and quality.named > 0.8
    assert quality.pointing_chance < 0.2
    assert quality.pointing > 0.5 and quality.pointing_gradient > 0.5
    assert sorted(path.name for path in folder.iterdir()) == ["model.keras", "training.json"]
    again = captioning.Captioning().train(folder, DATA, SETTINGS)
    assert "is finished" in capsys.readouterr().out
    assert again[1:] == (seconds, steps) and steps == 96
    texts = [caption.text for caption in quality.captions]
    assert [c.text for c in captioning.evaluate(again.model, TEST).captions] == texts


@pytest.mark.parametrize("attention", ["hard", "none"])
def test_other_attentions(attention):
    model = captioning.build(WORDS, (16, 24), SETTINGS._replace(attention=attention))
    inputs = {"image": TEST[0].image[None], "target": np.array([[1, 4]])}
    maps = np.asarray(model(inputs, return_attention_scores=True)[1])
    expected = 1.0 if attention == "hard" else 1 / 24
    np.testing.assert_allclose(maps.max(axis=(2, 3)), expected, rtol=1e-5)
    # Nothing is asked of weights that cannot change.
    model(inputs, training=True)
    assert len(model.losses) == 1


@pytest.mark.slow  # test_g2p resumes through the same code
def test_an_interrupted_training_goes_on_with_the_next_scenes(tmp_path, monkeypatch, capsys):
    settings = SETTINGS._replace(epochs=3, scenes=32)
    epochs, orders = [], []

    class Interrupt(training_run.TrainingBackup):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)
            if epochs == [0, 1]:
                raise KeyboardInterrupt

    def noting(*args, order=None, **options):
        noted = None if order is None else lambda done: orders.append(done) or order(done)
        return batches(*args, order=noted, **options)

    batches = captioning.datasets.caption_batches
    monkeypatch.setattr(captioning.datasets, "caption_batches", noting)
    monkeypatch.setattr(training_run, "TrainingBackup", Interrupt)
    with pytest.raises(KeyboardInterrupt):
        captioning.Captioning().train(tmp_path, DATA, settings)
    resumed = captioning.Captioning().train(tmp_path, DATA, settings)
    assert epochs == [0, 1, 1, 2] and orders == [0, 1, 2]
    assert "Going on" in capsys.readouterr().out and resumed.steps == 6


def test_a_training_with_other_words_is_another(tmp_path, monkeypatch):
    words, fewer, again = (
        captioning.Captioning().digest(DATA._replace(words=words))
        for words in (WORDS, WORDS[1:], list(WORDS))
    )
    assert words == again != fewer
    note = {"settings": SETTINGS._asdict(), "seconds": 1.0, "steps": 2, "data": words}
    (tmp_path / "training.json").write_text(json.dumps(note), "utf-8")
    (tmp_path / "model.keras").touch()
    monkeypatch.setattr(training_run, "load_model", lambda path: "model")
    assert training_run.finished(tmp_path, SETTINGS, words).model == "model"
    assert training_run.finished(tmp_path, SETTINGS, fewer) is None


def test_features_need_their_encoder(tmp_path):
    class Features:
        def __getitem__(self, index):
            return CaptionedFeatures(np.zeros((2, 3, 4)), "a red")

    data = captioning.Data({"train": Features()}, WORDS)
    with pytest.raises(ValueError, match="encoder: expected the model that computed the features"):
        captioning.Captioning().train(tmp_path, data)


def caption(text, places, map_shape=(2, 3)):
    maps = np.zeros((len(places), *map_shape))
    maps[(np.arange(len(places)), *zip(*places))] = 1
    return Generation(text, -1.0, text.split(), None, maps)


def test_names_are_found_whole_and_with_the_box_of_their_object():
    scene = Scene(
        None,
        "a dark blue and a red",
        (
            SceneObject("dark blue", (0, 0, 8, 8), (1, 3)),
            SceneObject("red", (8, 16, 16, 24), (5, 6)),
        ),
    )
    other = Scene(None, "a lime", (SceneObject("lime", (0, 0, 8, 8), (1, 2)),))
    said = caption("a red and a dark blue and a lime", [(0, 0)] * 9)
    found, absent = captioning.names_said([said, said], [scene, other])
    assert found == [
        (0, 1, 2, (8, 16, 16, 24)),
        (0, 4, 6, (0, 0, 8, 8)),
        (1, 8, 9, (0, 0, 8, 8)),
    ]
    assert absent == 3


def test_chance_is_the_share_of_the_places_in_the_box():
    boxes = np.array([[0, 0, 8, 8], [0, 0, 16, 24], [5, 0, 16, 12]])
    found = captioning.chance_inside((2, 3), boxes, (16, 24))
    np.testing.assert_allclose(found, [1 / 6, 1, 1 / 6])


def test_gradient_maps_are_features_times_gradient(trained):
    model = trained[1].model
    images = np.stack([scene.image for scene in TEST[:2]])
    captions = captioning.evaluate(model, TEST[:2]).captions
    said, _ = captioning.names_said(captions, TEST[:2])
    maps = captioning.gradient_maps(model, images, captions, said, batch_size=1)
    name = said[-1]
    features = np.asarray(model.encode(images))[name.scene : name.scene + 1]
    ids = np.array([model.vocabulary.encode(captions[name.scene].text)])
    target = np.concatenate([[[1]], ids[:, :-1]], axis=1)

    def likelihood(features):
        logits = np.asarray(model({"features": features, "target": target}), "float64")[0]
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return sum(logp[t, ids[0, t]] for t in range(name.begin, name.end))

    # A small step along one place's own features changes the likelihood by its product.
    place = np.unravel_index(maps[-1].argmax(), maps[-1].shape)
    moved = features.copy()
    moved[0, place[0], place[1]] *= 1.01
    slope = (likelihood(moved) - likelihood(features)) / 0.01
    np.testing.assert_allclose(maps[-1][place], slope, rtol=0.05)


@pytest.mark.slow
def test_all_models_are_trained_measured_and_drawn(tmp_path):
    data = DATA._replace(test={"test": TEST[:3], "places": TEST[:2]})
    settings = captioning.Settings(units=8, scenes=32, epochs=1)
    report = recipe.run(captioning.Captioning(), tmp_path, settings, data=data, export=False)
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    for name in ("attention", "no_attention", "hard"):
        assert (tmp_path / name / "model.keras").exists()
    figures = {"exact_match", "bleu1", "bleu4", "pointing", "pointing_chance", "train_seconds"}
    for one in (report, report["no_attention"], report["hard"]):
        assert figures <= set(one) and figures - {"train_seconds"} <= set(one["places"])
    assert report["test_scenes"] == 3 and report["settings"]["units"] == 8
    assert report["no_attention"]["pointing"] == report["no_attention"]["pointing_gradient"]
    assert list((tmp_path / "pictures").glob("*.png"))
    assert (tmp_path / "hard" / "places.tsv").read_text("utf-8").count("\n") == 3


@pytest.mark.slow
@pytest.mark.parametrize("flickr8k", [True, False])
def test_the_command_takes_folders_of_images(tmp_path, flickr8k):
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path / "data"
    images = folder / "Flicker8k_Dataset"
    images.mkdir(parents=True)
    names = [f"{i}.jpg" for i in range(20, 44)]
    for name, scene in zip(names, TEST):
        (images / name).write_bytes(tf.io.encode_jpeg(scene.image).numpy())
    lines = [f"{name}#{k}\t{TEST[i].caption} .\n" for i, name in enumerate(names) for k in (0, 1)]
    (folder / "Flickr8k.token.txt").write_text("".join(lines), "utf-8")
    for split, part in (("train", names[:8]), ("dev", names[8:10]), ("test", names[22:])):
        text = "".join(name + "\n" for name in part)
        (folder / f"Flickr_8k.{split}Images.txt").write_text(text, "utf-8")
    given = ["--images", images, folder / "Flickr8k.token.txt", "--image-size", 32]
    if flickr8k:
        given = ["--flickr8k", folder, "--image-size", 32]
        given += ["--backbone", "MobileNetV2", "--weights", "none"]
    given += ["--epochs", 1, "--units", 8, "--no-export", "--no-baseline", "--no-hard"]
    report = command.main(captioning.Captioning, "", (tmp_path / "out", *given))
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8")) == report
    assert "bleu4" in report and "pointing" not in report and report["steps"] == 1
    if flickr8k:
        assert report["test_scenes"] == 2
        assert np.load(tmp_path / "out" / "features-train.npy").shape == (8, 1, 1, 1280)


def test_a_folder_of_images_is_trained_on_through_cached_features(tmp_path, capsys):
    from keras_attention.datasets import CachedFeatures

    tf = pytest.importorskip("tensorflow")
    examples = []
    for i, scene in enumerate(TEST[:6]):
        file = tmp_path / f"{i}.png"
        file.write_bytes(tf.io.encode_png(scene.image).numpy())
        examples.append(Captioned(str(file), (scene.caption, "a red")))
    inputs = keras.Input((16, 24, 3))
    encoder = keras.Model(inputs, ImageEncoder((4, 6), (0, 0))(inputs))
    encoder.trainable = False
    images = CaptionedImages(examples, (16, 24))
    features = CachedFeatures(images, encoder, tmp_path / "features", batch_size=4)
    expected = np.asarray(encoder(images[4].image[None]))[0]
    np.testing.assert_allclose(features[4].features, expected, rtol=2e-3, atol=2e-3)
    assert len(features) == 12 and features[5].caption == "a red"
    data = captioning.Data({"train": features, "dev": features}, WORDS, encoder=encoder)
    settings = SETTINGS._replace(epochs=1, word_detection=0.0)
    found = captioning.Captioning().train(tmp_path / "model", data, settings)
    assert found.steps == 1
    pictures = [
        captioning.Pictured(images[2 * i].image, e.captions) for i, e in enumerate(examples)
    ]
    quality = captioning.evaluate(found.model, pictures)
    assert quality.pointing is None and len(quality.captions) == 6

    # The same encoder and images are not computed again, an interrupted computation goes on.
    calls = []
    monkey = encoder.call
    encoder.call = lambda *a, **k: calls.append(1) or monkey(*a, **k)
    again = CachedFeatures(images, encoder, tmp_path / "features")
    assert not calls
    np.testing.assert_array_equal(again[4].features, features[4].features)
    note = json.loads((tmp_path / "features.json").read_text("utf-8"))
    (tmp_path / "features.json").write_text(json.dumps(note | {"done": 4}), "utf-8")
    CachedFeatures(images, encoder, tmp_path / "features", batch_size=1)
    assert len(calls) == 2
    # Nor for a twin, whose layers Keras counted on, nor does a file that is lost stay lost.
    inputs = keras.Input((16, 24, 3))
    twin = keras.Model(inputs, ImageEncoder((4, 6), (0, 0))(inputs))
    twin.trainable = False
    twin.set_weights(encoder.get_weights())
    before = (tmp_path / "features.npy").stat().st_mtime_ns
    CachedFeatures(images, twin, tmp_path / "features")
    assert (tmp_path / "features.npy").stat().st_mtime_ns == before
    (tmp_path / "features.npy").unlink()
    calls.clear()
    CachedFeatures(images, encoder, tmp_path / "features", batch_size=6)
    assert len(calls) == 1
    encoder.set_weights([weight + 1 for weight in encoder.get_weights()])
    CachedFeatures(images, encoder, tmp_path / "features", batch_size=1)
    assert len(calls) == 7
