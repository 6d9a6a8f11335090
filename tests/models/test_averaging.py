"""The mean of checkpoints: a model like them, with the mean of their weights."""

import keras
import numpy as np
import pytest

from keras_attention._core.padding import pad
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder, average_checkpoints
from keras_attention.text import Vocabulary

LETTERS = Vocabulary("abcdefgh")


def model_of(seed, **options):
    keras.utils.set_random_seed(seed)
    return EncoderDecoder(LETTERS, LETTERS, **{"embedding_dim": 4, "units": 6, **options})


def functional(units=3):
    inputs = keras.Input((5,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(units)(inputs))
    return keras.Model(inputs, keras.layers.Dropout(0.5)(keras.layers.Dense(2)(hidden)))


def test_the_weights_are_the_mean(tmp_path):
    models = [model_of(seed) for seed in range(3)]
    paths = []
    for i, model in enumerate(models):
        paths.append(tmp_path / f"{i}.keras")
        model.save(paths[-1])
    before = [model.get_weights() for model in models]
    for found in (average_checkpoints(models), average_checkpoints(paths)):
        for i, weight in enumerate(found.get_weights()):
            expected = np.mean([one[i].astype("float64") for one in before], axis=0)
            np.testing.assert_allclose(weight, expected, atol=1e-7)
    for model, weights in zip(models, before):
        for one, other in zip(model.get_weights(), weights):
            np.testing.assert_array_equal(one, other)
    found.save(tmp_path / "mean.keras")
    loaded = keras.saving.load_model(tmp_path / "mean.keras")
    assert [x.text for x in loaded.generate(["abc"])] == [x.text for x in found.generate(["abc"])]


@pytest.mark.parametrize("make", [lambda: model_of(1, dropout=0.2), functional])
def test_of_one_model_several_times_it_is_the_model(make):
    model = make()
    found = average_checkpoints([model, model, model])
    assert found is not model and type(found) is type(model)
    for one, other in zip(found.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_functional_models_of_other_names():
    one, other = functional(), functional()
    found = average_checkpoints([one, other]).get_weights()
    for weight, a, b in zip(found, one.get_weights(), other.get_weights(), strict=True):
        if weight.dtype == "float32":
            np.testing.assert_allclose(weight, (a + b) / 2, atol=1e-7)


def test_half_precision():
    def dense():
        inputs = keras.Input((5,))
        return keras.Model(inputs, keras.layers.Dense(2, dtype="bfloat16")(inputs))

    one, other = dense(), dense()
    found = average_checkpoints([one, other]).weights[0]
    mean = (np.asarray(one.weights[0], "float64") + np.asarray(other.weights[0], "float64")) / 2
    assert found.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(found, "float64"), mean, atol=5e-3)


@pytest.mark.parametrize(
    ("checkpoints", "message"),
    [
        ([], r"checkpoints: expected a list of paths or models, at least one, received \[\]"),
        ("a.keras", "checkpoints: expected a list of paths or models"),
        ([3], "checkpoints: expected paths of .keras files or models, received 3"),
    ],
)
def test_no_checkpoints(checkpoints, message):
    with pytest.raises(ValueError, match=message):
        average_checkpoints(checkpoints)


def test_other_architectures(tmp_path):
    with pytest.raises(ValueError, match="received another one in checkpoint 1 than in checkpoint"):
        average_checkpoints([model_of(1), model_of(1, units=8)])
    with pytest.raises(ValueError, match="received another one in checkpoint 1 than in checkpoint"):
        average_checkpoints([model_of(1), model_of(1, attend="before")])
    with pytest.raises(FileNotFoundError):
        average_checkpoints([tmp_path / "none.keras"])
    (tmp_path / "half.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is damaged or no"):
        average_checkpoints([tmp_path / "half.keras"])


@pytest.mark.slow
def test_the_last_checkpoints_of_a_training(tmp_path):
    """A model that learns to spell backwards: the mean is no worse than its checkpoints are."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 6, 2000)
    texts = ["".join(rng.choice(list("abcdefgh"), n)) for n in lengths]
    source = pad([LETTERS.encode(text) for text in texts])
    target = pad([[1, *LETTERS.encode(text[::-1])] for text in texts], 7)
    labels = pad([[*LETTERS.encode(text[::-1]), 2] for text in texts], 7)
    model = model_of(1, embedding_dim=16, units=32)
    model.compile(keras.optimizers.Adam(0.01), SequenceCrossentropy())
    inputs = {"source": source, "target": target}
    keep = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    model.fit(inputs, labels, batch_size=64, epochs=8, verbose=0, callbacks=[keep])
    paths = [tmp_path / f"{epoch}.keras" for epoch in (6, 7, 8)]

    def loss(one):
        return float(SequenceCrossentropy()(labels, one(inputs)))

    each = [loss(keras.saving.load_model(path, compile=False)) for path in paths]
    mean = average_checkpoints(paths)
    assert loss(mean) <= np.mean(each)
    [one] = mean.generate(["abcd"])
    assert one.text == "dcba"
