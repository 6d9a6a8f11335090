"""A snapshot holds all that training changes, and a damaged one is not read."""

import gc
import weakref

import keras
import numpy as np
import pytest

from keras_attention import models
from keras_attention._core import snapshots
from keras_attention.layers import Attention
from keras_attention.normalizers.monotonic import Monotonic
from keras_attention.normalizers.sampled import HardSample
from keras_attention.scores.additive import Additive
from keras_attention.text.vocabulary import Vocabulary
from keras_attention.vision import GatedAttention
from tests.support.damage import DAMAGES


def model_with_dropout(units=3, dtype="float32"):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(units, dtype=dtype), keras.layers.Dropout(0.5)]
    )
    model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    return model


@pytest.fixture
def written(tmp_path):
    model = model_with_dropout()
    model.fit(np.ones((8, 2)), np.ones((8, 3)), batch_size=2, verbose=0)
    path = tmp_path / "epoch-1.npz"
    snapshots.write_snapshot(path, model, {"epochs": 1})
    return path, model


def test_weights_optimizer_and_seeds_come_back_bit_by_bit(written):
    path, model = written
    other = model_with_dropout()
    values, note = snapshots.read_snapshot(path, other)
    assert note == {"epochs": 1}
    assert int(other.optimizer.iterations) == 0
    snapshots.assign(snapshots.state_of(other), values)
    assert int(other.optimizer.iterations) == 4
    seeds = [np.asarray(one.layers[-1].seed_generator.state) for one in (model, other)]
    assert seeds[0].tolist() == seeds[1].tolist() and seeds[0][1] > 0
    before, after = (snapshots.values_of(snapshots.state_of(one)) for one in (model, other))
    assert len(before) > 8
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))


def test_bfloat16_comes_back(tmp_path):
    model = model_with_dropout(dtype="bfloat16")
    snapshots.write_snapshot(tmp_path / "a.npz", model, {})
    values, _ = snapshots.read_snapshot(tmp_path / "a.npz", model)
    before = snapshots.values_of(model.weights)
    model.set_weights([0 * value for value in before])
    snapshots.assign(snapshots.state_of(model), values)
    after = snapshots.values_of(model.weights)
    assert before[0].dtype == "bfloat16" and np.any(before[0])
    np.testing.assert_array_equal(before[0], after[0])


def flip(path):
    content = bytearray(path.read_bytes())
    # In the data of the last variable; the directory of the archive follows them.
    content[content.rindex(b"NUMPY") + 130] ^= 1
    path.write_bytes(content)


BROKEN = {name: damage for name, damage in DAMAGES.items() if name != "missing"} | {"flipped": flip}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_damaged_file_is_not_read(written, damage):
    path, model = written
    BROKEN[damage](path)
    with pytest.raises(ValueError, match="It is damaged"):
        snapshots.read_snapshot(path, model)


def test_a_file_of_another_model_or_format_is_not_read(written, monkeypatch):
    path, model = written
    with pytest.raises(ValueError, match="another model: its variables have other"):
        snapshots.read_snapshot(path, model_with_dropout(units=4))
    monkeypatch.setattr(snapshots, "FORMAT", 2)
    with pytest.raises(ValueError, match="format is 1, expected 2"):
        snapshots.read_snapshot(path, model)
    with pytest.raises(FileNotFoundError):
        snapshots.read_snapshot(path.with_name("other.npz"), model)


def test_weights_that_are_not_finite_are_found(written):
    _, model = written
    assert snapshots.weights_are_finite(model)
    kernel = model.get_weights()[0]
    for number in (np.nan, np.inf):
        kernel[1, 1] = number
        model.layers[0].kernel.assign(kernel)
        assert not snapshots.weights_are_finite(model)


def spelling(**options):
    return models.EncoderDecoder(9, 9, embedding_dim=4, units=4, **options)


def glimpses():
    from keras_attention.recipes.glimpses import Settings, build

    settings = Settings(image_size=12, steps=2, units=4, hidden=4, retina_size=4, scales=1)
    return build(settings)


# Models in which all random numbers of the package are drawn.
RANDOM = {
    "dropout and scheduled sampling": lambda: spelling(dropout=0.2, scheduled_sampling=0.2),
    "noise of monotonic attention": lambda: spelling(
        attention=Attention("additive", Monotonic(sigmoid_noise=1.0), dropout=0.1)
    ),
    "Transformer": lambda: models.Transformer(9, 9, 8, 2, 1, 1, dropout=0.1),
    "sampled weights": lambda: models.Captioner(
        Vocabulary("ab"),
        (16, 16),
        units=4,
        attention=GatedAttention(Additive(4), HardSample()),
        dropout=0.1,
    ),
    "sampled locations": glimpses,
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_state_of_every_seed_generator_is_in_the_snapshot(monkeypatch, name):
    made = weakref.WeakSet()
    make = keras.random.SeedGenerator.__init__

    def noting(self, *given, **options):
        make(self, *given, **options)
        made.add(self)

    monkeypatch.setattr(keras.random.SeedGenerator, "__init__", noting)
    model = RANDOM[name]()
    model.compile("adam")
    held = {id(variable) for variable in snapshots.state_of(model)}
    # `Bidirectional` makes its layers of a layer that is then left.
    gc.collect()
    assert made and all(id(generator.state) in held for generator in made)
