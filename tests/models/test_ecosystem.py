"""Keras' tools on the models here: plots, checkpoints, resumed training, tuning, LoRA, int8."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention, MultiHeadAttention
from keras_attention.generation import Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import EncoderDecoder, Seq2Seq

SOURCE = np.array([[5, 6, 7, 4], [9, 4, 0, 0], [8, 8, 5, 0], [4, 0, 0, 0]])
IDS = {"source": SOURCE, "target": np.array([[1, 4, 5], [1, 4, 0], [1, 6, 6], [1, 5, 0]])}
LABELS = np.array([[4, 5, 2], [4, 2, 0], [6, 6, 2], [5, 2, 0]])
SEARCH = Greedy(max_length=3)


def ready():
    return EncoderDecoder(10, 7, embedding_dim=6, units=8)


def functional(attention=None):
    """The model of the README."""
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    embedded = layers.Embedding(10, 6, mask_zero=True)(source)
    memory, *final = layers.LSTM(8, return_sequences=True, return_state=True)(embedded)
    decoder = AttentionRNN(layers.LSTMCell(8), attention or LuongAttention(), attention_layer=8)
    written = layers.Embedding(7, 6, mask_zero=True)(target)
    logits = layers.Dense(7, name="logits")(decoder(written, memory, initial_state=final))
    return keras.Model({"source": source, "target": target}, logits)


def wrapped():
    return Seq2Seq(functional())


both = pytest.mark.parametrize("make", [pytest.param(ready, marks=pytest.mark.slow), wrapped])


def compiled(model, rate=0.05):
    model.compile(keras.optimizers.Adam(rate), SequenceCrossentropy(), run_eagerly=True)
    return model


def ids_of(found):
    return np.array(found.sequences)


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@both
def test_the_summary_names_the_parts(make):
    lines = []
    make().summary(print_fn=lines.append, expand_nested=True)
    text = "\n".join(lines)
    assert "logits" in text and "Total params" in text


@both
def test_it_is_drawn(make, tmp_path):
    pytest.importorskip("pydot", reason="pydot is not installed: Keras draws models with it")
    dot = keras.utils.model_to_dot(make(), expand_nested=True)
    if not keras.src.utils.model_visualization.check_graphviz():
        assert dot is not None
        pytest.skip("graphviz is not installed: Keras writes images of models with it")
    path = tmp_path / "model.png"
    keras.utils.plot_model(make(), path, expand_nested=True)
    assert path.stat().st_size > 0


@both
def test_checkpoints_are_the_model_at_that_time(make, tmp_path):
    model = compiled(make())
    model.compile(search=SEARCH)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="loss", save_best_only=True
    )
    each = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_best_only=False
    )
    model.fit(IDS, LABELS, epochs=2, verbose=0, callbacks=[best, each])
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert loaded.search == SEARCH
    weights = make()
    weights.load_weights(tmp_path / "2.weights.h5")
    assert_same_weights(weights, model)
    assert (
        loaded.generate(SOURCE)[0].text
        == keras.saving.load_model(tmp_path / "best.keras").generate(SOURCE)[0].text
    )


class Interruption(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
@both
def test_a_resumed_training_ends_as_one_without_interruption(make, tmp_path):
    """Without dropout: Keras does not restore the state of its random numbers."""
    keras.utils.set_random_seed(5)
    whole = make()
    start = tmp_path / "start.keras"
    whole.save(start)
    compiled(whole).fit(IDS, LABELS, batch_size=2, epochs=4, shuffle=False, verbose=0)

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    interrupted = compiled(keras.saving.load_model(start))
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(
            IDS,
            LABELS,
            batch_size=2,
            epochs=4,
            shuffle=False,
            verbose=0,
            callbacks=[backup(), Interruption()],
        )
    # As in a new process.
    resumed = compiled(keras.saving.load_model(start))
    history = resumed.fit(
        IDS, LABELS, batch_size=2, epochs=4, shuffle=False, verbose=0, callbacks=[backup()]
    )
    assert history.epoch == [2, 3]
    assert_same_weights(resumed, whole)
    for a, b in zip(resumed.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* is deprecated, use current_thread:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:getName:DeprecationWarning")
@both
def test_the_tuner_tries_scores_and_sizes(make, tmp_path):
    tuner_of = pytest.importorskip("keras_tuner")

    def build(settings):
        score = settings.Choice("score", ["general", "concat"])
        units = settings.Int("units", 4, 8, step=4)
        attention = LuongAttention(score=score)
        if make is ready:
            return compiled(EncoderDecoder(10, 7, 6, units, attention=attention))
        return compiled(Seq2Seq(functional(attention)))

    tuner = tuner_of.RandomSearch(
        build, objective="val_loss", max_trials=2, seed=1, directory=tmp_path, project_name="t"
    )
    tuner.search(IDS, LABELS, validation_data=(IDS, LABELS), epochs=1, verbose=0)
    tried = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    assert len(tried) == 2 and tried[0] != tried[1]
    best = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
    assert ids_of(Greedy(max_length=3)(best, SOURCE)).shape[0] == len(SOURCE)


def projections(model):
    """The layers inside that Keras can adapt."""
    kinds = (layers.Dense, layers.EinsumDense, layers.Embedding)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]


@pytest.mark.slow
@both
def test_lora_trains_small_matrices_beside_frozen_projections(make, tmp_path):
    model = make()
    adapted = projections(model)
    # Embeddings, the score's projection, the attentional layer, the logits.
    assert len(adapted) >= 5
    before = [np.array(layer.weights[0]) for layer in adapted]
    outputs = np.array(model(IDS))
    for layer in adapted:
        layer.enable_lora(2)
    np.testing.assert_allclose(model(IDS), outputs, atol=1e-6)
    assert any("lora" in one.path for one in model.trainable_variables)
    history = compiled(model).fit(IDS, LABELS, epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0]
    for layer, weights in zip(adapted, before):
        np.testing.assert_array_equal(layer.weights[0], weights)
    found = ids_of(SEARCH(model, SOURCE))
    # In the file the small matrices are part of the large ones.
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-5)
    np.testing.assert_array_equal(ids_of(SEARCH(loaded, SOURCE)), found)


int8 = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`:UserWarning")


def quantized(model):
    return sorted(type(x).__name__ for x in model._flatten_layers() if x.quantization_mode)


@pytest.mark.slow
@int8
@pytest.mark.parametrize("make", [pytest.param(ready, marks=pytest.mark.slow), wrapped])
def test_an_int8_model_generates_and_is_loaded_as_it_is(make, tmp_path):
    model = make()
    before = np.array(model(IDS))
    model.generate(SOURCE, SEARCH)  # in a graph that has to be forgotten
    model.quantize("int8")
    assert len(quantized(model)) == len(projections(model))
    change = np.abs(np.array(model(IDS)) - before).max()
    assert 0 < change < 0.2 * np.abs(before).max()
    found = ids_of(SEARCH(model, SOURCE))
    written = [[int(token) for token in one.tokens] for one in model.generate(SOURCE, SEARCH)]
    assert written == [[i for i in row if i > 2] for row in found[:, 0].tolist()]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert quantized(loaded) == quantized(model)
    np.testing.assert_array_equal(loaded(IDS), model(IDS))
    np.testing.assert_array_equal(ids_of(SEARCH(loaded, SOURCE)), found)
    model.save_to_preset(tmp_path / "preset")
    np.testing.assert_array_equal(type(model).from_preset(tmp_path / "preset")(IDS), model(IDS))


@int8
@pytest.mark.parametrize(
    "attention",
    [
        lambda: BahdanauAttention(8),
        pytest.param(lambda: MultiHeadAttention(2, 4), marks=pytest.mark.slow),
        pytest.param(lambda: [LuongAttention(), BahdanauAttention(4)], marks=pytest.mark.slow),
    ],
)
def test_an_int8_functional_model_is_loaded_as_it_is(attention, tmp_path):
    """Without a model of the library around it."""
    attention = attention()
    if isinstance(attention, list):
        source, target = (keras.Input((None,), dtype="int32", name=n) for n in "st")
        memory = layers.Embedding(10, 6)(source)
        written = layers.Embedding(7, 6)(target)
        vectors = AttentionRNN(layers.GRUCell(6), attention)(written, [memory, memory])
        model = keras.Model([source, target], layers.Dense(7)(vectors))
        inputs = [IDS["source"], IDS["target"]]
    else:
        model, inputs = functional(attention), IDS
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert quantized(loaded) == quantized(model)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
