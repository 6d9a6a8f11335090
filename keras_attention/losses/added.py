"""The losses over attention weights as parts of a model: compiled in, or added by a layer."""

import keras
from keras import ops

from keras_attention._core.backend.replicas import share_of_replica
from keras_attention._core.checks import check_number, check_shape
from keras_attention._core.registry import FunctionRegistry
from keras_attention.losses import weights as losses

NAMES = {
    "alignment": losses.alignment_loss,
    "coverage": losses.coverage_loss,
    "doubly_stochastic": losses.doubly_stochastic_loss,
    "entropy": losses.entropy_loss,
    "guided": losses.guided_attention_loss,
    "redundancy": losses.redundancy_loss,
}


_REGISTRY = FunctionRegistry(
    "loss", NAMES, " or a function of (weights, target_mask=, source_mask=)"
)


def _config(loss, function):
    return loss if isinstance(loss, str) else keras.saving.serialize_keras_object(function)


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionLoss(keras.losses.Loss):
    """A loss over attention weights for `compile(loss=...)`, where a model returns the weights.

    `y_true` says which cells are real; for `"alignment"` it is the alignments.

    Args:
        loss: `"alignment"`, `"coverage"`, `"doubly_stochastic"`, `"entropy"`,
            `"guided"`, `"redundancy"` (see the functions of these names), or a
            function like them; one that is to be saved must be registered with
            Keras.
        name, dtype: of `keras.losses.Loss`.
        **options: of the function, as `sigma` or `kind`.

    Call arguments:
        y_true: `(B, T, S)`, or as large as the feature maps: not 0 where both
            the step and the position are real. For `"alignment"` the
            alignments; steps with none are not supervised.
        y_pred: the weights.
        sample_weight: `(B,)` or None.

    Returns:
        A scalar in at least float32, the mean over the rows that are not all
        padding.

    Raises:
        ValueError: for an unknown loss, and shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import AttentionLoss
    >>> real = np.array([[[1, 1, 0], [1, 1, 0]]])
    >>> weights = np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]])
    >>> float(AttentionLoss("coverage")(real, weights))
    0.25
    """

    def __init__(self, loss, name=None, dtype=None, **options):
        self._function = _REGISTRY.get(loss)
        super().__init__(name=name or "attention_loss", dtype=dtype)
        self.loss, self.options = loss, options

    def call(self, y_true, y_pred):
        return self._function(y_pred, **self._given(y_true, y_pred), **self.options)

    def __call__(self, y_true, y_pred, sample_weight=None):
        given = self._given(y_true, y_pred)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        return share_of_replica(self._function(y_pred, **given, **self.options))

    def _given(self, y_true, y_pred):
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        check_shape("y_true", y_true, y_pred.shape, "one number a weight")
        if self._function is losses.alignment_loss:
            return {"alignments": y_true}
        real = ops.not_equal(y_true, 0)
        positions = tuple(range(2, len(real.shape)))
        return {
            "target_mask": ops.any(real, axis=positions),
            "source_mask": ops.any(real, axis=1),
        }

    def get_config(self):
        return {"name": self.name, "loss": _config(self.loss, self._function), **self.options}


@keras.saving.register_keras_serializable(package="keras_attention")
class AddAttentionLoss(keras.layers.Layer):
    """Passes attention weights on, and adds `factor` times a loss over them to the model.

    It stands in a model between an attention and whatever else its weights are
    for. The masks of the two sequences reach it as all masks reach a layer, in
    the functional API through the tensors that carry them.

    Args:
        loss: as in `AttentionLoss`.
        factor: by which the loss is multiplied; below 0, it is made large.
        options: arguments of the loss, as `{"sigma": 0.3}`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        weights: `(B, T, S)`, or over a feature map `(B, T, H, W)`.
        target: any tensor that carries the mask of the steps; only its mask is
            used.
        source: likewise for the positions.
        alignments: as large as the weights, for the loss `"alignment"`.
        target_mask: `(B, T)`, or lengths `(B,)`. In the functional API Keras
            fills it in from `target`.
        source_mask: `(B, S)`, `(B, H, W)`, or lengths `(B,)`; from `source`.

    Returns:
        The weights, unchanged.

    Raises:
        ValueError: for an unknown loss, shapes that do not fit, and alignments
            where the loss has no use for them or lacks them.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> from keras_attention.losses import AddAttentionLoss
    >>> query, value = keras.Input((None, 4)), keras.Input((None, 4))
    >>> context, weights = LuongAttention()(query, value, return_attention_scores=True)
    >>> weights = AddAttentionLoss("guided", factor=0.1)(weights, query, value)
    >>> model = keras.Model([query, value], [context, weights])
    >>> _ = model([np.ones((2, 3, 4)), np.ones((2, 5, 4))])
    >>> len(model.losses)
    1
    """

    def __init__(self, loss, factor=1.0, options=None, **kwargs):
        # Weights come as they are, and must go on as they came.
        super().__init__(**{"autocast": False, **kwargs})
        check_number("factor", factor)
        self._function = _REGISTRY.get(loss)
        self.loss, self.factor, self.options = loss, factor, dict(options or {})
        self.supports_masking = True

    def build(self, weights_shape, target_shape=None, source_shape=None, alignments_shape=None):
        self.built = True

    def call(
        self,
        weights,
        target=None,
        source=None,
        alignments=None,
        target_mask=None,
        source_mask=None,
    ):
        given = {"target_mask": target_mask, "source_mask": source_mask}
        supervised = self._function is losses.alignment_loss
        if supervised == (alignments is None):
            expected = "the alignments" if supervised else "None, which this loss makes no use of"
            received = "None" if supervised else f"shape {tuple(alignments.shape)}"
            raise ValueError(f"alignments: expected {expected}, received {received}.")
        if supervised:
            given["alignments"] = alignments
        self.add_loss(self.factor * self._function(weights, **given, **self.options))
        return weights

    def compute_output_shape(
        self, weights_shape, target_shape=None, source_shape=None, alignments_shape=None
    ):
        return weights_shape

    def compute_output_spec(self, weights, *args, **kwargs):
        return keras.KerasTensor(weights.shape, dtype=weights.dtype)

    def compute_mask(self, weights, previous_mask=None):
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "loss": _config(self.loss, self._function),
            "factor": self.factor,
            "options": self.options,
        }
