"""The loss of conditional random fields, as Keras computes a loss."""

import numpy as np
import pytest

from keras_attention.layers import crf_decode, crf_potentials
from keras_attention.losses import CRFLoss

TAGS = np.array([[0, 1, 2, 0, 1], [0, 1, 2, 0, 0], [0, 0, 0, 0, 0]], "int32")


def test_a_loss_per_sequence_and_weights():
    emissions = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    potentials = crf_potentials(emissions, np.eye(3))
    each = np.asarray(CRFLoss(reduction=None)(TAGS, potentials))
    assert each.shape == (3,)
    np.testing.assert_allclose(CRFLoss()(TAGS, potentials), each.mean(), rtol=1e-6)
    weighted = CRFLoss()(TAGS, potentials, sample_weight=np.array([0.0, 0.0, 2.0]))
    np.testing.assert_allclose(weighted, 2 * each[2] / 3, rtol=1e-6)
    best, _ = crf_decode(potentials)
    assert (np.asarray(CRFLoss(reduction=None)(best, potentials)) <= each + 1e-6).all()


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="y_true: expected one tag per position"):
        CRFLoss()(np.zeros((2, 3), "int32"), np.zeros((2, 4, 3, 3), "float32"))
