"""Twelve models in three formats: trained until they say something of what they read, exported."""

import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import vision
from keras_attention.export import ExportError, export_model
from keras_attention.export._replay import golden_file, read_golden_examples
from keras_attention.generation import BeamSearch, Greedy, as_decoder
from keras_attention.layers import AttentionPooling
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import Captioner, EncoderDecoder, GlimpseClassifier, ImageEncoder
from keras_attention.text import Vocabulary
from tests.support.any_models import IMAGE, MODELS, Size, fit_normalization

SIZE = Size(source=9, target=9, units=16)
LENGTH, COUNT, ROUNDS = 3, 256, 40
SEARCH = BeamSearch(num_beams=2, max_length=LENGTH + 1)
START, END = 1, 2
# Of the answers, or of their tokens, so many are right after the training.
ENOUGH = 0.8
PICTURE = (20, 20, 1)


class Task(NamedTuple):
    """Examples: inputs without the target, the target with its start, and labels."""

    sources: dict
    targets: np.ndarray | None
    labels: np.ndarray


class Row(NamedTuple):
    """A model of the table.

    Attributes:
        build: makes it.
        task: makes its examples.
        target: the name of its target; None where it does not decode.
        after: what is done to the trained model.
        refused: by format, what the error names that the format cannot do.
        enough: how much of the answers must be right after the training.
    """

    build: Callable
    task: Callable
    target: str | None = None
    after: Callable | None = None
    refused: dict = {}
    enough: float = ENOUGH


def reversing(name="source"):
    """Words of three letters, which are written from the end."""
    words = np.random.default_rng(0).integers(4, 9, (COUNT, LENGTH)).astype("int32")
    column = np.ones((COUNT, 1), "int32")
    backwards = words[:, ::-1]
    targets = np.concatenate([START * column, backwards], axis=1)
    return Task({name: words}, targets, np.concatenate([backwards, END * column], axis=1))


def pictures(shape, name="image", scale=1.0, **others):
    """Pictures of one of four colours or sides, and the name of it."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, COUNT)
    images = rng.uniform(0, 0.1, (COUNT, *shape)).astype("float32")
    height, width = shape[0] // 2, shape[1] // 2
    for image, kind in zip(images, kinds):
        top, left = divmod(int(kind), 2)
        image[top * height :, left * width :][:height, :width] += 0.9
    targets = np.stack([np.full(COUNT, START), kinds + 4], axis=1).astype("int32")
    labels = np.stack([kinds + 4, np.full(COUNT, END)], axis=1).astype("int32")
    return Task({name: scale * images, **others}, targets, labels)


def two_sources():
    text = reversing("text")
    image = np.random.default_rng(1).uniform(size=(COUNT, 4, 4, 6)).astype("float32")
    return text._replace(sources={**text.sources, "image": image})


def topics():
    """Whether a word has a certain letter."""
    words = reversing("words").sources["words"]
    return Task({"words": words}, None, (words == 4).any(axis=1).astype("int32"))


def tags():
    words = reversing("words").sources["words"]
    return Task({"words": words}, None, words % 3)


def sides():
    found = pictures(PICTURE)
    return Task(found.sources, None, found.labels[:, 0] - 4)


def prices():
    """Two inputs, numbers and words."""
    task = topics()
    size = np.random.default_rng(2).normal(size=(COUNT, 3)).astype("float32")
    return task._replace(sources={**task.sources, "size": size})


def classifier():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(9, 8, mask_zero=True)(words)
    states = layers.Bidirectional(layers.GRU(8, return_sequences=True))(embedded)
    label = layers.Dense(2, activation="softmax", name="label")(AttentionPooling(8)(states))
    return keras.Model({"words": words}, label)


def dense_classifier():
    """Layers that Keras quantizes and adapts: embeddings and projections."""
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(9, 8)(words)
    hidden = layers.Dense(16, activation="relu", name="hidden")(embedded)
    pooled = layers.GlobalMaxPooling1D()(hidden)
    label = layers.Dense(2, activation="softmax", name="label")(pooled)
    return keras.Model({"words": words}, label)


def adapted():
    model = dense_classifier()
    model.get_layer("hidden").enable_lora(2)
    return model


def tagger():
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(9, 8, mask_zero=True)(words)
    context = layers.MultiHeadAttention(2, 4)(embedded, embedded)
    tag = layers.Dense(3, activation="softmax", name="tag")(layers.Add()([embedded, context]))
    return keras.Model({"words": words}, tag)


def several_inputs():
    words = keras.Input((None,), dtype="int32", name="words")
    size = keras.Input((3,), name="size")
    query = layers.Dense(8)(size)[:, None]
    embedded = layers.Embedding(9, 8, mask_zero=True)(words)
    context = layers.AdditiveAttention(name="look")([query, embedded])
    label = layers.Dense(2, activation="softmax", name="label")(layers.Flatten()(context))
    return keras.Model({"words": words, "size": size}, {"label": label, "query": query})


def glimpses():
    retina_rnn = vision.GlimpseRNN(layers.GRUCell(16), steps=3)
    model = GlimpseClassifier(retina_rnn, classes=4)
    model.build((None, *PICTURE))
    return model


def captioner():
    encoder = ImageEncoder(filters=(4, 8), blocks=0)
    return Captioner(Vocabulary("abcde"), (12, 12), encoder, embedding_dim=8, units=16)


def of_table(name):
    return lambda: MODELS[name].build(SIZE)


def over_backbone():
    model = MODELS["captioner over a backbone"].build(SIZE)
    fit_normalization(model, pictures(IMAGE).sources["image"][:64])
    return model


def quantized(model):
    model.quantize("int8")


TABLE = {
    "LSTM, then Luong, probabilities": Row(
        of_table("LSTM, then Luong"), lambda: reversing("encoder_inputs"), "decoder_inputs"
    ),
    "Keras' layers only": Row(of_table("Keras only"), reversing, "target"),
    "Transformer": Row(of_table("Transformer"), reversing, "target"),
    "captioner over a backbone": Row(over_backbone, lambda: pictures(IMAGE), "caption"),
    # It sees letters without their order.
    "text and image": Row(of_table("text and image"), two_sources, "target", enough=0.6),
    "EncoderDecoder": Row(
        lambda: EncoderDecoder(9, 9, embedding_dim=8, units=16), reversing, "target"
    ),
    "Captioner": Row(captioner, lambda: pictures((12, 12, 3), scale=255.0), "target"),
    "classifier with pooling": Row(classifier, topics),
    "tagger": Row(tagger, tags),
    "GlimpseClassifier": Row(glimpses, sides),
    "several inputs": Row(several_inputs, prices),
    # LiteRT has its own quantized operations; those of Keras multiply plain int8 numbers.
    "int8": Row(
        dense_classifier, topics, after=quantized, refused={"litert": "'tfl.fully_connected' op"}
    ),
    "LoRA": Row(adapted, topics),
}
FORMATS = ("saved_model", "onnx", "litert")
# Cheap ones, for `make test`.
QUICK = {("classifier with pooling", "onnx"), ("tagger", "litert"), ("int8", "saved_model")}


def train(model, row, task):
    """Trains until the model answers at least two sources differently, and rightly."""
    probabilities = row.target is None or "softmax" in str(model.layers[-1].get_config())
    loss = SequenceCrossentropy()
    if row.target is None or probabilities:
        loss = keras.losses.SparseCategoricalCrossentropy()
    optimizer = keras.optimizers.Adam(1e-2)
    inputs = dict(task.sources)
    if row.target is not None:
        inputs[row.target] = task.targets
    if isinstance(model, GlimpseClassifier):
        inputs = inputs["image"]
        model.compile(optimizer, jit_compile=False)
    elif row.build is several_inputs:
        model.compile(optimizer, {"label": loss, "query": None}, jit_compile=False)
    else:
        model.compile(optimizer, loss, jit_compile=False)
    labels = {"label": task.labels} if row.build is several_inputs else task.labels
    for _ in range(ROUNDS):
        model.fit(inputs, labels, batch_size=32, epochs=2, verbose=0)
        if accuracy(model, row, task) > row.enough:
            return
    raise AssertionError(f"not trained: {accuracy(model, row, task):.2f}")


def accuracy(model, row, task):
    """How often the answers to the first sources are right."""
    sources = {name: array[:32] for name, array in task.sources.items()}
    if row.target is None:
        given = sources.get("image", sources)
        found = model(given, training=False)
        if isinstance(found, dict):
            found = found["logits"][:, -1] if "logits" in found else found["label"]
        return float((np.argmax(found, axis=-1) == task.labels[:32]).mean())
    labels = task.labels[:32]
    decoder = model if isinstance(model, EncoderDecoder | Captioner) else as_decoder(model)
    given = next(iter(sources.values())) if decoder is model else sources
    found = np.asarray(Greedy(max_length=labels.shape[1])(decoder, given).sequences[:, 0])
    found = np.pad(found, ((0, 0), (0, labels.shape[1] - found.shape[1])))
    return float((found == labels).mean())


_TRAINED: dict = {}


def trained(name):
    """The trained model of a row, once for all formats."""
    if name not in _TRAINED:
        keras.utils.set_random_seed(0)
        row, task = TABLE[name], TABLE[name].task()
        model = row.build()
        train(model, row, task)
        if row.after is not None:
            row.after(model)
            assert accuracy(model, row, task) > row.enough
        _TRAINED.clear()
        _TRAINED[name] = model, task
    return _TRAINED[name]


def examples_of(name, task, count, format):
    """Sources that the model was trained on, as the artifact takes them."""
    rows = [[i] for i in range(count)] if format == "litert" else [[0], list(range(1, count))]
    several = len(task.sources) > 1
    batches = [{n: array[row] for n, array in task.sources.items()} for row in rows]
    return batches if several else [next(iter(one.values())) for one in batches]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        pytest.param(name, format, marks=() if (name, format) in QUICK else pytest.mark.slow)
        for name in TABLE
        for format in FORMATS
    ],
)
@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method:UserWarning")
@pytest.mark.filterwarnings("ignore:.*run on the whole prefix:UserWarning")
def test_it_is_exported_and_says_something_of_its_source(name, format, tmp_path):
    row = TABLE[name]
    model, task = trained(name)
    options = {"format": format, "search": SEARCH, "verbose": False, "tolerance": 1e-3}
    options["examples"] = examples_of(name, task, 6, format)
    if format in row.refused:
        with pytest.raises(ExportError, match=re.escape(row.refused[format])) as caught:
            export_model(model, tmp_path / "model", **options)
        assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []
        return
    report = export_model(model, tmp_path / "model", **options)
    assert report["ids_equal"]
    expected = {"greedy", "beam"} if row.target else {"serving_default", "model"}
    assert expected & set(report.get("signatures") or report["graphs"])
    # Equal answers of a model that says the same of everything would show nothing.
    folder = tmp_path / "model" / "1" if format == "saved_model" else tmp_path / "model"
    recorded = read_golden_examples(golden_file(folder))
    if row.target:
        cases = [outputs["sequences"] for _, outputs in recorded["greedy"]]
        answers = [tuple(np.trim_zeros(row, "b")) for case in cases for row in case.tolist()]
    else:
        (pairs,) = recorded.values()
        key = next(n for n in ("label", "tag", "logits") if n in pairs[0][1])
        cases = [np.argmax(outputs[key], axis=-1) for _, outputs in pairs]
        answers = [str(row) for case in cases for row in case]
    assert len(set(answers)) > 1
