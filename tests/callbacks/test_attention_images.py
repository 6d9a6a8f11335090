"""Pictures of attention appear while a model is trained."""

import sys

import keras
import numpy as np
import pytest

from keras_attention import LuongAttention
from keras_attention.callbacks import AttentionImages
from keras_attention.generation import Greedy, MinimumLength
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import Captioner, EncoderDecoder, Seq2Seq
from keras_attention.text import Vocabulary
from tests.support.tables import one_in

pytest.importorskip("matplotlib")

LETTERS = Vocabulary("abcd")
WORDS = Vocabulary(["red", "apple"], separator=" ")
SOURCE = np.array([[4, 5, 6], [7, 4, 0]])
TARGET, LABELS = np.array([[1, 4, 5], [1, 5, 0]]), np.array([[4, 5, 2], [5, 2, 0]])
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")


def translator():
    model = EncoderDecoder(LETTERS, LETTERS, embedding_dim=4, units=6)
    return model, {"source": SOURCE}, ["abc", "da"]


def captioner():
    model = Captioner(WORDS, image_size=(16, 16), embedding_dim=4, units=6)
    return model, {"image": IMAGES}, IMAGES


def functional():
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory = keras.layers.Embedding(8, 6, mask_zero=True)(source)
    hidden = keras.layers.GRU(6, return_sequences=True)(keras.layers.Embedding(8, 6)(target))
    context = LuongAttention()(hidden, memory)
    logits = keras.layers.Dense(8)(keras.layers.Concatenate()([hidden, context]))
    model = keras.Model({"source": source, "target": target}, logits)
    wrapped = Seq2Seq(model, source_vocabulary=LETTERS, target_vocabulary=LETTERS)
    return wrapped, {"source": SOURCE}, ["abc", "da"]


def fit(make, callback, epochs=2):
    keras.utils.set_random_seed(3)
    model, inputs, given = make()
    model.compile("sgd", SequenceCrossentropy(), jit_compile=False)
    images = callback(given)
    model.fit({**inputs, "target": TARGET}, LABELS, epochs=epochs, verbose=0, callbacks=[images])


@pytest.mark.parametrize("make", one_in(2, [translator, captioner, functional]))
def test_files_and_summaries_of_every_epoch(make, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    search = Greedy(max_length=4, constraints=[MinimumLength(3)])
    fit(
        make,
        lambda given: AttentionImages(
            given, tmp_path / "pictures", tmp_path / "logs", search=search
        ),
    )
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == [f"epoch-000{e}-example-{n}.png" for e in (1, 2) for n in (1, 2)]
    for path in (tmp_path / "pictures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
    found = events.EventAccumulator(str(tmp_path / "logs"))
    found.Reload()
    tensors = found.Tags()["tensors"]
    assert sorted(tensors) == ["attention/example-1", "attention/example-2"]
    written = found.Tensors("attention/example-1")
    assert [event.step for event in written] == [1, 2]
    assert written[0].tensor_proto.string_val[2].startswith(b"\x89PNG")


def test_only_every_second_epoch_with_the_search_of_the_model(tmp_path):
    def callback(given):
        return AttentionImages(given, tmp_path, every=2)

    fit(translator, callback, epochs=3)
    assert {path.name.partition("-example")[0] for path in tmp_path.iterdir()} <= {"epoch-0002"}


def test_a_model_that_attends_to_nothing_is_refused(tmp_path):
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    read = keras.layers.GRU(6)(keras.layers.Embedding(8, 6, mask_zero=True)(source))
    hidden = keras.layers.GRU(6, return_sequences=True)(
        keras.layers.Embedding(8, 6)(target), initial_state=read
    )
    model = Seq2Seq(
        keras.Model({"source": source, "target": target}, keras.layers.Dense(8)(hidden)),
        source_vocabulary=LETTERS,
        target_vocabulary=LETTERS,
    )
    images = AttentionImages(["abc"], tmp_path, search=Greedy(max_length=3))
    images.set_model(model)
    # Never the end, so that there is something to draw.
    model.model.layers[-1].bias.assign(np.eye(8)[5] * 9)
    with pytest.raises(ValueError, match="model: expected one that returns attention weights"):
        images.on_epoch_end(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "folder: expected a folder, or else a log_dir, received None"),
        ({"folder": "pictures", "every": 0}, "every: expected a positive integer, received 0"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionImages(["abc"], **options)


@pytest.mark.parametrize(
    ("missing", "options"),
    [("matplotlib", {"folder": "pictures"}), ("tensorboard", {"log_dir": "logs"})],
)
def test_a_missing_package_is_named_before_the_training(missing, options, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    extra = {"matplotlib": "plots"}.get(missing, missing)
    with pytest.raises(ImportError, match=rf"'{missing}', which is not installed.*\[{extra}\]"):
        AttentionImages(["abc"], **options)


def test_features_alone_cannot_be_drawn_on(tmp_path):
    model, _, _ = captioner()
    features = np.zeros((1, *model._features_shape[1:]), "float32")
    images = AttentionImages({"features": features}, tmp_path, search=Greedy(max_length=2))
    images.set_model(model)
    model.logits.bias.assign(np.eye(6)[4] * 9)
    with pytest.raises(ValueError, match="inputs: expected images under 'image'"):
        images.on_epoch_end(0)
