"""The attention weights of all layers of a model."""

from __future__ import annotations

import keras

from keras_attention._core.types import Array, Structure
from keras_attention.explain._trace import run


def attention_weights(model: keras.Model, inputs: Structure) -> dict[str, Array]:
    """The weights of every attention layer of a model, also of those that do not return them.

    The model is called once, eagerly and not in training.

    Args:
        model: any Keras model, with attention layers of this library or of
            Keras.
        inputs: what the model takes.

    Returns:
        The weights `(B, Tq, Tk)` by the path of the layer, in the order in
        which the layers run; the mean over heads. Queries of a recurrence are
        its steps.

    Example:

    >>> import numpy as np
    >>> from keras_attention.explain import attention_weights, rollout
    >>> from keras_attention.models import Transformer
    >>> model = Transformer(9, 9, units=8, num_heads=2, num_encoder_layers=2, num_decoder_layers=1)
    >>> inputs = {"source": np.array([[4, 5, 6]]), "target": np.array([[1, 7]])}
    >>> weights = attention_weights(model, inputs)
    >>> len(weights)
    4
    >>> rollout([w for path, w in weights.items() if "encoder" in path]).shape
    (1, 3, 3)
    """
    return {path: attended.weights for path, attended in run(model, inputs).attended.items()}
