"""Weights of tfa are assigned to our variables, or an error says which do not fit."""

import keras
import numpy as np
import pytest

from keras_attention import Attention, AttentionRNN, BahdanauAttention, LuongAttention, scores
from keras_attention.tfa import load_tfa_weights
from tests.support import tfa_cases
from tests.tfa.test_parity import BY_NAME

ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"


def bahdanau(**options):
    attention = BahdanauAttention(5, normalize=True, **options)
    attention.build((None, None, 6), (None, None, 4))
    return attention


def weights_of_bahdanau():
    weights = BY_NAME["BahdanauAttention-normalize=True"].below("weights")
    return {name.removesuffix(ENDING): array for name, array in weights.items()}


def decoder(cell=None, attention=None, **options):
    layer = AttentionRNN(cell or keras.layers.GRUCell(6), attention or bahdanau(), **options)
    layer.build((None, None, 3), (None, None, 4))
    return layer


def weights_of_decoder():
    name = "AttentionWrapper-gru-BahdanauAttention-attention_layer_size=5-output_attention=True"
    return BY_NAME[name].below("weights")


def test_every_weight_gets_what_tfa_had():
    attention, weights = bahdanau(), weights_of_bahdanau()
    load_tfa_weights(attention, weights)
    score = attention.score
    for variable, name in (
        (score.key_projection.kernel, "memory_layer/kernel"),
        (score.query_projection.kernel, "query_layer/kernel"),
        (score.key_projection.bias, "attention_b"),
        (score.g, "attention_g"),
    ):
        np.testing.assert_array_equal(variable, weights[name])
    np.testing.assert_array_equal(score.v[:, 0], weights["attention_v"])


@pytest.mark.parametrize(
    "named",
    [
        lambda name: name,
        lambda name: f"model/decoder/{name}{ENDING}",
        lambda name: f"layer_with_weights-2/_attention_mechanisms/0/{name}{ENDING}",
        lambda name: f"BahdanauAttention/{name}:0",
    ],
)
def test_only_the_end_of_a_name_counts(named):
    attention, weights = bahdanau(), weights_of_bahdanau()
    load_tfa_weights(attention, {named(name): array for name, array in weights.items()})
    kernel = attention.score.key_projection.kernel
    np.testing.assert_array_equal(kernel, weights["memory_layer/kernel"])


@pytest.mark.parametrize("prefix", ["", "model/", "attention_wrapper/"])
def test_a_cell_goes_by_its_checkpoint_or_by_its_class(prefix):
    layer, weights = decoder(attention_layer=5), weights_of_decoder()
    renamed = {
        prefix + name.replace("_cell/", "gru_cell_1/").replace(ENDING, ":0"): array
        for name, array in weights.items()
    }
    for names in (weights, renamed):
        for variable in layer.weights:
            variable.assign(np.zeros(variable.shape))
        load_tfa_weights(layer, names)
        np.testing.assert_array_equal(layer.cell.bias, weights["_cell/bias" + ENDING])
        np.testing.assert_array_equal(
            layer.attention_layer.kernel, weights["_attention_layers/0/kernel" + ENDING]
        )


def test_stacked_cells_keep_their_order():
    case = next(case for name, case in BY_NAME.items() if "lstm+gru" in name)
    layer, *_ = tfa_cases.decoder_of(case)
    weights = case.below("weights")
    for i, cell in enumerate(layer.cell.cells):
        np.testing.assert_array_equal(cell.kernel, weights[f"_cell/cells/{i}/kernel{ENDING}"])


def test_the_attention_layers_of_several_mechanisms_see_one_context_each():
    case = next(case for case in BY_NAME.values() if len(case.facts.get("mechanisms", ())) > 1)
    layer, *_ = tfa_cases.decoder_of(case)
    first, second = (case[f"weights/_attention_layers/{i}/kernel{ENDING}"] for i in range(2))
    kernel = np.array(layer.attention_layer.kernel)
    assert kernel.shape == (6 + 4 + 4, 3 + 2)
    np.testing.assert_array_equal(kernel[:10, :3], first)
    np.testing.assert_array_equal(kernel[:6, 3:], second[:6])
    np.testing.assert_array_equal(kernel[10:, 3:], second[6:])
    assert not kernel[10:, :3].any()
    assert not kernel[6:10, 3:].any()


def test_what_a_checkpoint_says_about_itself_is_passed_over():
    load_tfa_weights(bahdanau(), {"_CHECKPOINTABLE_OBJECT_GRAPH": b"...", **weights_of_bahdanau()})


def changed(weights, without=(), **more):
    return {k: v for k, v in {**weights, **more}.items() if k not in without}


@pytest.mark.parametrize(
    "layer, weights, parts",
    [
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), without=["attention_v"]),
            ["weights: expected names that end in", "'attention_v' is missing"],
        ),
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), attention_score_bias=1.0),
            ["weights: expected names", "'attention_score_bias' is not known"],
        ),
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), **{"decoder/output_layer/kernel:0": 1.0}),
            ["weights: expected names", "'decoder/output_layer/kernel:0' is not known"],
        ),
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), **{"BahdanauAttention/kernel:0": 1.0}),
            ["weights: expected names", "'BahdanauAttention/kernel:0' is not known"],
        ),
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), **{"second/attention_v": np.ones(5)}),
            ["one name that ends in attention_v", "'attention_v' and 'second/attention_v'"],
        ),
        (
            bahdanau,
            lambda: changed(weights_of_bahdanau(), attention_v=np.ones(4)),
            ["weights: expected 'attention_v' of shape (5, 1)", "of shape (4,)"],
        ),
        (
            lambda: decoder(keras.layers.GRUCell(6, reset_after=False), attention_layer=5),
            weights_of_decoder,
            ["expected 'cell/bias' of shape (18,)", "of shape (2, 18)", "reset_after=True"],
        ),
        (
            lambda: decoder(),
            weights_of_decoder,
            ["weights: expected names", "'_attention_layers/0/kernel" + ENDING + "' is not known"],
        ),
        (
            lambda: decoder([keras.layers.GRUCell(6), keras.layers.GRUCell(6)], attention_layer=5),
            weights_of_decoder,
            ["'cell/cells/0/kernel' is missing", "'_cell/kernel" + ENDING + "' is not known"],
        ),
        (
            lambda: decoder(attention=[bahdanau(), bahdanau()], attention_layer=5),
            weights_of_decoder,
            ["'attention_mechanisms/1/memory_layer/kernel' is missing"],
        ),
        (
            lambda: decoder(upper_cells=[keras.layers.GRUCell(6)], attention_layer=5),
            weights_of_decoder,
            ["layer: expected one that has a counterpart in tfa.seq2seq", "does not have"],
        ),
        (
            lambda: decoder(attention=BahdanauAttention(5), attend="before", attention_layer=5),
            weights_of_decoder,
            ["weights: expected names", "attention_b" + ENDING + "' is not known"],
        ),
        (
            lambda: keras.layers.Dense(3),
            dict,
            ["layer: expected a keras_attention.Attention or AttentionRNN, received Dense"],
        ),
        (
            lambda: LuongAttention(),
            dict,
            ["layer: expected a LuongAttention that is built, received one that is not"],
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_set(layer, weights, parts):
    layer = layer()
    before = [np.array(variable) for variable in layer.weights]
    with pytest.raises(ValueError) as error:
        load_tfa_weights(layer, weights())
    message = str(error.value)
    at = 0
    for part in parts:
        assert part in message[at:]
        at = message.index(part, at)
    for variable, value in zip(layer.weights, before):
        np.testing.assert_array_equal(variable, value)


def test_an_attention_that_tfa_never_had_is_refused():
    attention = Attention(scores.Coverage(5))
    attention.build((None, None, 6), (None, None, 4))
    with pytest.raises(ValueError, match=r"weights that tfa does not have: .*coverage"):
        load_tfa_weights(attention, weights_of_bahdanau())
