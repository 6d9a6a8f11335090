"""Every planted mistake is found by the property that is meant for it, and nothing else is."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_attention import layers, normalizers, scores, vision
from keras_attention.models import EncoderDecoder, Transformer
from keras_attention.testing import (
    ConformanceError,
    check_attention,
    check_decoder,
    check_normalizer,
    check_score,
)
from tests.testing import mistakes

SOURCE = np.array([[4, 5, 6, 7], [8, 4, 0, 0], [5, 5, 8, 0]])


def _name(value):
    return value.__name__ if isinstance(value, type) else ""


def planted(rows):
    return pytest.mark.parametrize(("mistake", "expected"), rows.items(), ids=_name)


def found(check, *args, **options):
    with pytest.raises(ConformanceError) as raised:
        check(*args, **options)
    return [violation.property for violation in raised.value.violations]


def test_twenty_mistakes_and_more_are_planted():
    rows = (mistakes.SCORES, mistakes.NORMALIZERS, mistakes.ATTENTIONS, mistakes.DECODERS)
    assert sum(map(len, rows)) >= 35


@planted(mistakes.SCORES)
def test_a_mistake_in_a_score_is_found(mistake, expected):
    assert expected in found(check_score, mistake, compiled=False)


@planted(mistakes.NORMALIZERS)
def test_a_mistake_in_a_normalizer_is_found(mistake, expected):
    sums = mistake is not mistakes.KeepsItsStateOnItself
    assert expected in found(check_normalizer, mistake, sums_to_one=sums, compiled=False)


@planted(mistakes.ATTENTIONS)
def test_a_mistake_in_an_attention_is_found(mistake, expected):
    assert expected in found(check_attention, mistake, compiled=False)


@planted(mistakes.DECODERS)
def test_a_mistake_in_a_decoder_is_found(mistake, expected):
    assert expected in found(check_decoder, mistake(), SOURCE, forward=mistakes.forward)


def test_a_decoder_without_a_mistake_passes():
    check_decoder(mistakes.WithHidden(), SOURCE, forward=mistakes.forward)


@pytest.mark.parametrize("score", [scores.Additive, scores.Coverage, scores.Cosine])
def test_a_score_of_the_library_passes(score):
    check_score(score, compiled=False)


@pytest.mark.parametrize("normalizer", [normalizers.Softmax, normalizers.Entmax15])
def test_a_normalizer_of_the_library_passes(normalizer):
    check_normalizer(normalizer, compiled=False)


def test_an_attention_of_the_library_passes():
    check_attention(partial(layers.BahdanauAttention, 5), compiled=False)


def test_a_model_of_the_library_passes():
    check_decoder(EncoderDecoder(9, 9, units=8, embedding_dim=4), {"source": SOURCE})


# The rest of the library; the table in tests/conformance has the same properties for all of it.
OTHER_SCORES = [
    (scores.Dot, {}),
    (scores.ScaledDot, {}),
    (scores.General, {}),
    (scores.Biaffine, {}),
    (scores.Location, {"holes": False}),
    (scores.CumulativeLocation, {"holes": False}),
]
OTHER_NORMALIZERS = [
    (normalizers.Sigmoid, {}),
    (normalizers.Hardmax, {}),
    (normalizers.Sparsemax, {}),
    (normalizers.HardSample, {"smooth": False}),
    (normalizers.Monotonic, {"sums_to_one": False}),
    (normalizers.StepwiseMonotonic, {"holes": False}),
]
OTHER_ATTENTIONS = [
    (layers.LuongAttention, {}),
    (partial(layers.MultiHeadAttention, 2, 3), {}),
    (partial(vision.GatedAttention, "additive"), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "made", "options"),
    [
        *((check_score, *row) for row in OTHER_SCORES),
        *((check_normalizer, *row) for row in OTHER_NORMALIZERS),
        *((check_attention, *row) for row in OTHER_ATTENTIONS),
    ],
)
def test_everything_else_of_the_library_passes(check, made, options):
    check(made, **options)


@pytest.mark.slow
def test_a_transformer_passes():
    model = Transformer(9, 9, units=8, num_heads=2, num_encoder_layers=1, num_decoder_layers=1)
    check_decoder(model, {"source": SOURCE})


def test_the_error_lists_every_violation_with_evidence_and_advice():
    with pytest.raises(ConformanceError) as raised:
        check_normalizer(mistakes.DoesNotSumToOne, compiled=False)
    text = str(raised.value)
    assert text.startswith("DoesNotSumToOne: 1 of 10 properties do not hold.")
    assert "expected a sum of 1, found 0." in text
    assert "those of a real query sum to 1" in text


def test_what_is_no_attention_is_refused():
    with pytest.raises(ValueError, match="attention: expected a layer with memory"):
        check_attention(keras.layers.Flatten)


def test_one_example_is_refused():
    with pytest.raises(ValueError, match="inputs: expected two examples or more, received 1"):
        check_decoder(mistakes.WithHidden(), SOURCE[:1])
