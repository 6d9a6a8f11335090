"""Keras' own test of a layer, `run_layer_test`, on every layer of the package.

It checks the config, that building needs no call, eager and symbolic output shapes and dtypes,
saving, training, and mixed precision.
"""

import inspect

import keras
import pytest
from keras.src.testing import TestCase

from keras_attention import layers, losses, models, normalizers, scores, vision, windows

QUERY_AND_VALUE = {"query_shape": (2, 3, 4), "value_shape": (2, 5, 4)}
QUERY_AND_KEY = {"query_shape": (2, 3, 4), "key_shape": (2, 5, 4)}
SEQUENCE_AND_VALUE = {"sequence_shape": (2, 3, 4), "value_shape": (2, 5, 6)}
FEATURES = (2, 4, 4, 6)


# Class -> its arguments, the shapes of its inputs, and what else `run_layer_test` takes.
ROWS = {
    layers.Attention: ({"score": "general"}, QUERY_AND_VALUE, {"expected_output_shape": (2, 3, 4)}),
    layers.BahdanauAttention: ({"units": 5}, QUERY_AND_VALUE, {}),
    layers.LuongAttention: ({"score": "concat"}, QUERY_AND_VALUE, {}),
    layers.MultiHeadAttention: ({"num_heads": 2, "key_dim": 3}, QUERY_AND_VALUE, {}),
    layers.AttentionRNN: (
        {
            "cell": keras.layers.LSTMCell(4),
            "attention": layers.BahdanauAttention(5),
            "attention_layer": 6,
        },
        SEQUENCE_AND_VALUE,
        {"expected_output_shape": (2, 3, 6)},
    ),
    layers.AttentionPooling: ({"units": 3}, (2, 5, 4), {"expected_output_shape": (2, 4)}),
    layers.StructuredSelfAttention: (
        {"hops": 2, "penalty": 0.1},
        (2, 5, 4),
        {"expected_output_shape": (2, 2, 4)},
    ),
    layers.HierarchicalAttention: ({}, (2, 3, 5, 4), {"expected_output_shape": (2, 4)}),
    layers.PointerHead: ({}, QUERY_AND_VALUE, {"expected_output_shape": (2, 3, 5)}),
    layers.PointerGenerator: (
        {},
        {
            "features_shape": (2, 3, 4),
            "logits_shape": (2, 3, 9),
            "weights_shape": (2, 3, 5),
            "source_ids_shape": (2, 5),
        },
        {
            "input_dtype": {
                "features_shape": "float32",
                "logits_shape": "float32",
                "weights_shape": "float32",
                "source_ids_shape": "int32",
            }
        },
    ),
    layers.TransformerBlock: ({"units": 8}, (2, 5, 8), {"expected_output_shape": (2, 5, 8)}),
    layers.TransformerDecoderBlock: (
        {"units": 8, "score": "additive"},
        {"sequence_shape": (2, 3, 8), "value_shape": (2, 5, 6)},
        {"expected_output_shape": (2, 3, 8)},
    ),
    layers.CRF: ({"num_tags": 4}, (2, 5, 4), {"expected_output_shape": (2, 5, 4, 4)}),
    layers.CRFDecoder: ({}, (2, 5, 4, 4), {"expected_output_shape": (2, 5)}),
    vision.GatedAttention: ({"score": "general"}, QUERY_AND_VALUE, {}),
    vision.SqueezeExcitation: ({"ratio": 2}, FEATURES, {"expected_output_shape": FEATURES}),
    vision.ChannelAttention: ({"ratio": 2}, FEATURES, {"expected_output_shape": FEATURES}),
    vision.SpatialAttention: ({"kernel_size": 3}, FEATURES, {"expected_output_shape": FEATURES}),
    vision.CBAM: ({"ratio": 2, "kernel_size": 3}, FEATURES, {"expected_output_shape": FEATURES}),
    vision.MeanState: ({"sizes": [3, 5]}, FEATURES, {"expected_output_shape": [(2, 3), (2, 5)]}),
    models.ConvolutionBlock: ({"filters": 4, "strides": 2}, FEATURES, {}),
    models.ImageEncoder: ({"filters": [4, 6]}, (2, 16, 16, 3), {}),
    models.RecurrentEncoder: (
        {"units": 6},
        (2, 5, 4),
        {"expected_output_shape": ((2, 5, 6), (2, 12))},
    ),
    models.TransformerEncoder: (
        {"units": 8},
        (2, 5, 4),
        {"expected_output_shape": ((2, 5, 8), (2, 8))},
    ),
    scores.Additive: ({"units": 5}, QUERY_AND_KEY, {"expected_output_shape": (2, 3, 5)}),
    scores.Biaffine: ({}, QUERY_AND_KEY, {}),
    scores.Cosine: ({}, QUERY_AND_KEY, {}),
    scores.Dot: ({"scale": True}, QUERY_AND_KEY, {}),
    scores.FixedContext: ({}, QUERY_AND_KEY, {}),
    scores.General: ({"scale": True}, QUERY_AND_KEY, {}),
    scores.ScaledDot: ({}, QUERY_AND_KEY, {}),
    normalizers.Entmax15: ({}, (2, 3, 5), {"expected_output_shape": (2, 3, 5)}),
    normalizers.HardSample: ({}, (2, 3, 5), {}),
    normalizers.Hardmax: ({}, (2, 3, 5), {}),
    normalizers.Sigmoid: ({}, (2, 3, 5), {}),
    normalizers.Softmax: ({"temperature": 2.0}, (2, 3, 5), {}),
    normalizers.Exponential: ({}, (2, 3, 5), {}),
    normalizers.Sparsemax: ({}, (2, 3, 5), {}),
    losses.AddAttentionLoss: ({"loss": "entropy"}, (2, 3, 5), {}),
}
# Without weights, or with several outputs.
UNTRAINED = {
    layers.CRFDecoder,
    models.RecurrentEncoder,
    models.TransformerEncoder,
    vision.MeanState,
    losses.AddAttentionLoss,
    normalizers.Entmax15,
    normalizers.Exponential,
    normalizers.HardSample,
    normalizers.Hardmax,
    normalizers.Sigmoid,
    normalizers.Softmax,
    normalizers.Sparsemax,
}
# Layers that it cannot run, and where they are tested instead.
ELSEWHERE = {
    "Score": "a base class",
    "Normalizer": "a base class",
    "Window": "a base class",
    "Coverage": "takes a state: tests/conformance",
    "Location": "takes a state: tests/conformance",
    "CumulativeLocation": "takes a state: tests/conformance",
    "GaussianMixture": "takes a state: tests/conformance",
    "Monotonic": "takes a state: tests/conformance",
    "StepwiseMonotonic": "takes a state: tests/conformance",
    "LocalMonotonic": "takes a memory: tests/conformance",
    "LocalPredictive": "takes a memory: tests/conformance",
    "MultiSourceAttention": "is made by AttentionRNN: tests/conformance",
    "ScheduledSampling": "is no layer",
    "SentinelCell": "is a cell: tests/vision/test_sentinel.py",
    "SentinelAttention": "takes what SentinelCell gives: tests/conformance",
    "TopDownRNN": "takes two cells: tests/conformance",
    "TiedLogits": "shares the weights of an embedding: tests/models",
    "GaussianLocations": "takes noise: tests/vision/test_locations.py",
    "UniformLocations": "takes noise: tests/vision/test_locations.py",
    "GlimpseNetwork": "takes patches and locations: tests/vision/test_glimpses.py",
    "GlimpseRNN": "takes a cell over images: tests/vision/test_glimpses.py",
    "Retina": "takes locations: tests/vision/test_retina.py",
    "AddHardAttentionLoss": "takes rewards: tests/losses",
    "MovingBaseline": "keeps a mean: tests/losses",
    "Captioner": "a model: tests/models",
    "EncoderDecoder": "a model: tests/models",
    "Ensemble": "a model: tests/models",
    "Seq2Seq": "a model: tests/models",
    "GlimpseClassifier": "a model: tests/models",
    "Transformer": "a model: tests/models",
    "WordDetection": "a loss: tests/models",
}


def exported_layers():
    for module in (layers, losses, models, normalizers, scores, vision, windows):
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isclass(public) and issubclass(public, keras.layers.Layer):
                yield public


def test_every_exported_layer_has_a_row_or_a_reason():
    assert {cls.__name__ for cls in exported_layers()} - {cls.__name__ for cls in ROWS} <= set(
        ELSEWHERE
    )


# What Keras' test itself warns of: it passes a generator, with the default of `shuffle`.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
@pytest.mark.parametrize("cls", ROWS, ids=lambda cls: cls.__name__)
def test_keras_own_test_of_a_layer_passes(cls):
    arguments, shape, options = ROWS[cls]
    # Its training gives a layer one argument, and asks for weights and one output.
    trains = not isinstance(shape, dict) and cls not in UNTRAINED
    options = {"run_training_check": trains, **options}
    TestCase().run_layer_test(cls, arguments, input_shape=shape, **options)
