"""How scores become weights: one small class a normalizer."""

import keras
from keras import ops


class Normalizer(keras.layers.Layer):
    """Base of all normalizers: scores and a mask become weights.

    `call(scores, mask)` takes scores `(B, Tq, Tk)` in at least float32 and a
    boolean mask that broadcasts to them, or None, and returns weights of the
    scores' shape and dtype. They are zero wherever the mask is False; where a
    whole row is masked they are all zero, and so are their gradients.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention.normalizers import Normalizer
    >>> class Uniform(Normalizer):
    ...     def call(self, scores, mask=None):
    ...         ones = ops.ones_like(scores)
    ...         kept = ones if mask is None else ops.where(mask, ones, 0.0)
    ...         return kept / ops.maximum(ops.sum(kept, axis=-1, keepdims=True), 1.0)
    >>> Uniform()(np.zeros((1, 1, 4), "float32")).numpy().tolist()
    [[[0.25, 0.25, 0.25, 0.25]]]
    """

    def __init__(self, **kwargs):
        # Scores come in at least float32 and must not be cast down on the way in.
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def build(self, scores_shape, mask_shape=None):
        self.built = True

    def call(self, scores, mask=None):
        raise NotImplementedError(f"{type(self).__name__} must define call(scores, mask).")

    def compute_output_shape(self, scores_shape, mask_shape=None):
        return scores_shape


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Normalizer):
    """Softmax over the positions that the mask keeps: `exp(s_j) / sum_k exp(s_k)`.

    The mask acts on the scores before the sum, not on the weights after it:
    what stands in the padding changes no other weight.

    Source: Bahdanau, Cho and Bengio, 2015.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Softmax
    >>> scores, mask = np.zeros((1, 1, 3), "float32"), np.array([[[True, True, False]]])
    >>> Softmax()(scores, mask=mask).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores, mask=None):
        if mask is not None:
            scores = ops.where(mask, scores, -1e30)
        top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        powers = ops.exp(scores - top)
        if mask is not None:
            powers = ops.where(mask, powers, 0.0)
        # A sum is 0 where the whole row is masked, and at least exp(0) = 1 elsewhere.
        return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


NAMES = {"softmax": Softmax}


def get(normalizer, **kwargs):
    """The normalizer named `normalizer`, or `normalizer` itself where it is one already.

    Args:
        normalizer: a name (`"softmax"`), a `Normalizer`, or the config of one.
        **kwargs: for the constructor, where a name is given.

    Raises:
        ValueError: where there is no such normalizer.

    Example:

    >>> from keras_attention import normalizers
    >>> type(normalizers.get("softmax")).__name__
    'Softmax'
    """
    if isinstance(normalizer, dict):
        normalizer = keras.saving.deserialize_keras_object(normalizer)
    if isinstance(normalizer, Normalizer):
        return normalizer
    if isinstance(normalizer, str) and normalizer in NAMES:
        return NAMES[normalizer](**kwargs)
    raise ValueError(
        f"normalizer: expected one of {', '.join(map(repr, NAMES))} or a "
        f"keras_attention.normalizers.Normalizer, received {normalizer!r}."
    )
