"""The losses over attention weights in a model: passed to `compile`, or added by a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
from keras import ops

from keras_attention._core.backend.replicas import share_of_replica
from keras_attention._core.checks import check_number, check_shape
from keras_attention._core.registry import FunctionRegistry
from keras_attention._core.types import Config, DType, LayerOptions, Shape, Tensor
from keras_attention.losses import attention_weights as losses

if TYPE_CHECKING:
    from typing_extensions import Unpack

# A function of (weights, target_mask=, source_mask=, **options) as those in attention_weights.
WeightLoss: TypeAlias = Callable[..., Tensor]

_REGISTRY: FunctionRegistry[WeightLoss] = FunctionRegistry(
    "loss",
    {
        "alignment": losses.alignment_loss,
        "coverage": losses.coverage_loss,
        "doubly_stochastic": losses.doubly_stochastic_loss,
        "entropy": losses.entropy_loss,
        "guided": losses.guided_attention_loss,
        "redundancy": losses.redundancy_loss,
    },
    " or a function of (weights, target_mask=, source_mask=)",
)


def _config(loss: str | WeightLoss | Config, function: WeightLoss) -> Any:
    return loss if isinstance(loss, str) else keras.saving.serialize_keras_object(function)


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionLoss(keras.losses.Loss):
    """A loss over attention weights for `compile(loss=...)`, for a model that returns weights.

    `y_true` marks the real steps and positions; for `"alignment"` it holds
    the alignments.

    Args:
        loss: `"alignment"`, `"coverage"`, `"doubly_stochastic"`, `"entropy"`,
            `"guided"` or `"redundancy"` (see the functions of these names), or a
            function with the same arguments. To be saved, a function must be
            registered with Keras.
        name, dtype: see `keras.losses.Loss`.
        **options: further arguments of the function, such as `sigma` or `kind`.

    Call arguments:
        y_true: `(B, T, S)`, or of the shape of the feature maps: not 0 where both
            the step and the position are real. For `"alignment"` the
            alignments; steps without any are not supervised.
        y_pred: the weights, of the same shape.
        sample_weight: `(B,)` or None.

    Returns:
        A scalar in at least float32, the mean over the examples that are not all
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

    def __init__(
        self,
        loss: str | WeightLoss | Config,
        name: str | None = None,
        dtype: DType | None = None,
        **options: object,
    ) -> None:
        self._function = _REGISTRY.get(loss)
        super().__init__(name=name or "attention_loss", dtype=dtype)
        self.loss, self.options = loss, options

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self._function(y_pred, **self._masks(y_true, y_pred), **self.options)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        given = self._masks(y_true, y_pred)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        return share_of_replica(self._function(y_pred, **given, **self.options))

    def _masks(self, y_true: Tensor, y_pred: Tensor) -> dict[str, Tensor]:
        """What `y_true` stands for, as arguments of the function."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        check_shape("y_true", y_true, y_pred.shape, "one number per weight")
        if self._function is losses.alignment_loss:
            return {"alignments": y_true}
        real = ops.not_equal(y_true, 0)
        positions = tuple(range(2, len(real.shape)))
        return {
            "target_mask": ops.any(real, axis=positions),
            "source_mask": ops.any(real, axis=1),
        }

    def get_config(self) -> Config:
        return {"name": self.name, "loss": _config(self.loss, self._function), **self.options}


@keras.saving.register_keras_serializable(package="keras_attention")
class AddAttentionLoss(keras.layers.Layer):
    """Returns attention weights unchanged, and adds `factor` times a loss over them to the model.

    Put it between an attention layer and the other uses of its weights. The
    masks of the two sequences reach it like any Keras mask: in the functional
    API through the tensors that carry them.

    Args:
        loss: see `AttentionLoss`.
        factor: the loss is multiplied by it; a negative one maximizes the loss.
        options: further arguments of the loss, such as `{"sigma": 0.3}`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        weights: `(B, T, S)`, or over a feature map `(B, T, H, W)`.
        target: any tensor that carries the mask of the steps; only its mask is
            used.
        source: any tensor that carries the mask of the positions.
        alignments: of the shape of the weights, for the loss `"alignment"`.
        target_mask: `(B, T)`, or lengths `(B,)`. In the functional API Keras
            takes it from `target`.
        source_mask: `(B, S)`, `(B, H, W)`, or lengths `(B,)`; from `source`.

    Returns:
        The weights, unchanged.

    Raises:
        ValueError: for an unknown loss, shapes that do not fit, alignments for
            a loss that does not use them, and missing alignments.

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

    def __init__(
        self,
        loss: str | WeightLoss | Config,
        factor: float = 1.0,
        options: Mapping[str, object] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # Without autocast the weights are returned in the dtype in which they came.
        super().__init__(**{"autocast": False, **kwargs})
        self.factor = check_number("factor", factor)
        self._function = _REGISTRY.get(loss)
        self.loss, self.options = loss, dict(options or {})
        self.supports_masking = True

    def build(
        self,
        weights_shape: Shape,
        target_shape: Shape | None = None,
        source_shape: Shape | None = None,
        alignments_shape: Shape | None = None,
    ) -> None:
        self.built = True

    def call(
        self,
        weights: Tensor,
        target: Tensor | None = None,
        source: Tensor | None = None,
        alignments: Tensor | None = None,
        target_mask: Tensor | None = None,
        source_mask: Tensor | None = None,
    ) -> Tensor:
        given = {"target_mask": target_mask, "source_mask": source_mask}
        supervised = self._function is losses.alignment_loss
        if supervised == (alignments is None):
            expected = "the alignments" if supervised else "None, since this loss does not use them"
            received = "None" if alignments is None else f"shape {tuple(alignments.shape)}"
            raise ValueError(f"alignments: expected {expected}, received {received}.")
        if supervised:
            given["alignments"] = alignments
        self.add_loss(self.factor * self._function(weights, **given, **self.options))
        return weights

    def compute_output_shape(
        self,
        weights_shape: Shape,
        target_shape: Shape | None = None,
        source_shape: Shape | None = None,
        alignments_shape: Shape | None = None,
    ) -> Shape:
        return weights_shape

    def compute_output_spec(
        self, weights: Tensor, *args: object, **kwargs: object
    ) -> keras.KerasTensor:
        return keras.KerasTensor(weights.shape, dtype=weights.dtype)

    def compute_mask(self, weights: Tensor, previous_mask: Tensor | None = None) -> None:
        return None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "loss": _config(self.loss, self._function),
            "factor": self.factor,
            "options": self.options,
        }
