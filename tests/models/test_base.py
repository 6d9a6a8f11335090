"""What the models that write tokens share."""

import keras
import numpy as np
import pytest

from keras_attention.generation import Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import Captioner, EncoderDecoder, RecurrentEncoder, TransformerEncoder
from keras_attention.models.base import DecoderModel
from keras_attention.text import Vocabulary
from tests.support.tables import one_in

WORDS = Vocabulary(["red", "apple"], separator=" ")
SOURCE = np.array([[5, 6, 7], [9, 4, 0]])
IMAGES = np.zeros((2, 16, 16, 3), "float32")
STARTED, BARE = np.array([[1, 4, 5], [1, 4, 0]]), np.array([[4, 5, 2], [5, 2, 0]])
LABELS = np.array([[4, 5, 2], [4, 2, 0]])


def translator():
    return EncoderDecoder(12, 6, embedding_dim=4, units=6), {"source": SOURCE}


def captioner():
    return Captioner(WORDS, image_size=(16, 16), embedding_dim=4, units=6), {"image": IMAGES}


both = pytest.mark.parametrize("make", [translator, captioner])


@both
@pytest.mark.parametrize("train", one_in(2, ["fit", "train_on_batch", "call"]))
def test_targets_without_a_start_are_warned_of_once(make, train):
    model, inputs = make()
    model.compile("sgd", SequenceCrossentropy(), jit_compile=False)

    def run(target):
        given = {**inputs, "target": target}
        if train == "call":
            model(given, training=True)
        else:
            options = {"verbose": 0} if train == "fit" else {}
            getattr(model, train)(given, LABELS, **options)

    with pytest.warns(UserWarning, match="target: expected ids that begin with the start token, 1"):
        run(BARE)
    run(BARE)  # Warnings are errors.


@both
def test_targets_with_a_start_are_not(make):
    model, inputs = make()
    # Padding alone, and no training, say nothing.
    model({**inputs, "target": BARE})
    model({**inputs, "target": STARTED * [[1], [0]]}, training=True)
    assert isinstance(model, DecoderModel)


@both
def test_the_method_generates_with_any_search(make):
    model, inputs = make()
    (given,) = inputs.values()
    first, second = model.generate(given, Greedy(max_length=3))
    assert first.score <= 0 and len(first.tokens) <= 3 and len(second.tokens) <= 3


def test_old_names_of_arguments_are_read_in_files_alone(tmp_path):
    model = EncoderDecoder(12, 6, embedding_dim=4, units=6, num_encoder_layers=2)
    config = model.get_config()
    assert config["num_encoder_layers"] == 2
    old = {"num_encoder_layers": "encoder_layers", "num_decoder_layers": "decoder_layers"}
    before = EncoderDecoder.from_config({old.get(k, k): v for k, v in config.items()})
    assert len(before.encoder.recurrent_layers) == 2
    encoder = TransformerEncoder.from_config({"units": 8, "depth": 1, "heads": 2})
    assert (encoder.num_layers, encoder.num_heads) == (1, 2)
    assert RecurrentEncoder.from_config({"units": 8, "depth": 3}).num_layers == 3
    with pytest.raises((TypeError, ValueError), match="encoder_layers"):
        EncoderDecoder(12, 6, encoder_layers=2)


@both
def test_what_is_made_frozen_stays_frozen(make):
    model, _ = make()
    config = {**model.get_config(), "trainable": False}
    assert not type(model).from_config(config).trainable_variables


def test_a_subclass_may_add_layers():
    @keras.saving.register_keras_serializable(package="tests")
    class Wider(EncoderDecoder):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.more = keras.layers.Dense(3)

    model = Wider(12, 6, embedding_dim=4, units=6)
    assert model.more in model.layers
    assert isinstance(Wider.from_config(model.get_config()), Wider)
