"""The loss that trains hard attention, whose positions are sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import check_number, check_rate, check_shape
from keras_attention._core.types import Config, LayerOptions, Shape, Tensor
from keras_attention.losses.masking import masked_weights, mean_over_examples

if TYPE_CHECKING:
    from typing_extensions import Unpack


def hard_attention_loss(
    weights: Tensor,
    rewards: Tensor,
    baseline: float | Tensor = 0.0,
    target_mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """REINFORCE: the gradient is `-sum_t (R_t - b) grad log p(s_t)` per example.

    s_t is the position sampled at step t. The weights must be one-hot in value,
    with the gradient of log p(s_t) at the sampled entry, as the normalizer
    `HardSample(estimator="score_function")` gives them. This estimates the
    gradient of minus the expected reward; a baseline reduces the variance of
    the estimate without bias.

    The value of the loss is always 0: the surrogate whose gradient is used has
    no meaning of its own, and would hide the other losses of a model. Monitor
    the rewards instead.

    Source: Xu et al., "Show, Attend and Tell", 2015, with the log-likelihood of
    the caption as the reward of all its steps; Williams, "Simple Statistical
    Gradient-Following Algorithms for Connectionist Reinforcement Learning",
    1992. Weights that carry the gradient: Foerster et al., "DiCE: The
    Infinitely Differentiable Monte-Carlo Estimator", 2018.

    Args:
        weights: sampled, `(B, T, S)` or `(B, T, H, W)`.
        rewards: `(B,)`, one for all steps of an example, or `(B, T)`; they get
            no gradient.
        baseline: b: a number, or a tensor that broadcasts to the rewards, such as
            the output of `MovingBaseline`.
        target_mask: `(B, T)`, True for real steps; or lengths `(B,)`; or None.
        sample_weight: `(B,)`, one weight per example, or None.

    Returns:
        A scalar 0 in at least float32. Its gradient is that of the mean over
        the examples with a real step.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import hard_attention_loss
    >>> weights, rewards = np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.array([2.0])
    >>> float(hard_attention_loss(weights, rewards, baseline=1.5))
    0.0
    """
    weights, steps, positions = masked_weights(weights, target_mask)
    rewards = _per_step(rewards, steps)
    baseline = ops.convert_to_tensor(baseline, dtype=weights.dtype)
    if len(baseline.shape) == 1:
        baseline = ops.expand_dims(baseline, 1)
    # Rewards of masked steps may be NaN.
    advantages = ops.where(steps > 0, rewards - baseline, ops.zeros((), weights.dtype))
    advantages = ops.stop_gradient(advantages)
    losses = -ops.sum(advantages * ops.sum(weights, axis=2), axis=1)
    loss = mean_over_examples(losses, steps, positions, sample_weight)
    return loss - ops.stop_gradient(loss)


def _per_step(rewards: Tensor, steps: Tensor) -> Tensor:
    """Rewards `(B,)` or `(B, T)` as `(B, 1)` or `(B, T)`."""
    rewards = ops.cast(rewards, steps.dtype)
    expected = steps.shape[: len(rewards.shape)]
    meaning = "one per example or one per step"
    check_shape("rewards", rewards, expected if expected else (None,), meaning)
    return ops.expand_dims(rewards, 1) if len(rewards.shape) == 1 else rewards


@keras.saving.register_keras_serializable(package="keras_attention")
class MovingBaseline(keras.layers.Layer):
    """A moving average of rewards: `b <- decay * b + (1 - decay) * mean(rewards)`.

    It returns b as it was before these rewards, so that they are not compared
    with themselves, and updates b only in training. b starts at 0, as in the
    authors' code.

    Source: Xu et al., "Show, Attend and Tell", 2015, with 0.9 and 0.1; Weaver
    and Tao, "The Optimal Reward Baseline for Gradient-Based Reinforcement
    Learning", 2001.

    Args:
        decay: from 0 to below 1.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        rewards: `(B,)` or `(B, T)`.
        mask: of the shape of the rewards, True for real ones.
        training: whether to update b.

    Returns:
        b, a scalar in the layer's variable dtype.

    Raises:
        ValueError: for a decay outside of [0, 1).

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import MovingBaseline
    >>> baseline = MovingBaseline()
    >>> [round(float(baseline(np.array([1.0, 3.0]), training=True)), 4) for _ in range(3)]
    [0.0, 0.2, 0.38]
    """

    def __init__(self, decay: float = 0.9, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.decay = check_rate("decay", decay)
        self.supports_masking = True

    def build(self, rewards_shape: Shape) -> None:
        self.average = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            # Replicas have different rewards.
            aggregation="mean",
            name="average",
        )
        self.built = True

    def call(
        self, rewards: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        # A new tensor: a reference to the variable would change with it.
        before = self.average + 0.0
        if training:
            rewards = ops.cast(rewards, before.dtype)
            real = ops.ones_like(rewards) if mask is None else ops.cast(mask, before.dtype)
            rewards = ops.where(real > 0, rewards, ops.zeros((), before.dtype))
            count = ops.sum(real)
            mean = ops.sum(rewards) / ops.maximum(count, 1.0)
            updated = self.decay * before + (1 - self.decay) * mean
            self.average.assign(ops.where(count > 0, updated, before))
        return before

    def compute_output_shape(self, rewards_shape: Shape) -> Shape:
        return ()

    def compute_output_spec(
        self, rewards: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> keras.KerasTensor:
        return keras.KerasTensor((), dtype=self.variable_dtype)

    def compute_mask(self, rewards: Tensor, previous_mask: Tensor | None = None) -> None:
        return None

    def get_config(self) -> Config:
        return {**super().get_config(), "decay": self.decay}


@keras.saving.register_keras_serializable(package="keras_attention")
class AddHardAttentionLoss(keras.layers.Layer):
    """Returns sampled weights unchanged, and adds `factor * hard_attention_loss` to the model.

    The baseline is a `MovingBaseline` over the rewards of the real steps.

    Args:
        factor: the loss is multiplied by it; lambda_r of the paper.
        decay: of the baseline, from 0 to below 1.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        weights: sampled, `(B, T, S)` or `(B, T, H, W)`.
        rewards: `(B,)` or `(B, T)`.
        target: any tensor that carries the mask of the steps; only its mask is
            used.
        target_mask: `(B, T)`. In the functional API Keras takes it from `target`.
        training: whether to update the baseline.

    Returns:
        The weights, unchanged.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import AddHardAttentionLoss
    >>> layer = AddHardAttentionLoss()
    >>> weights, rewards = np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.array([2.0])
    >>> layer(weights, rewards, training=True).shape == weights.shape
    True
    >>> round(float(layer.baseline.average), 4)
    0.2
    """

    def __init__(
        self, factor: float = 1.0, decay: float = 0.9, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.factor = check_number("factor", factor)
        self.baseline = MovingBaseline(decay, name="baseline", dtype=self.dtype_policy)
        self.supports_masking = True

    def build(
        self,
        weights_shape: Shape,
        rewards_shape: Shape | None = None,
        target_shape: Shape | None = None,
    ) -> None:
        if not self.baseline.built:
            self.baseline.build(rewards_shape or ())
        self.built = True

    def call(
        self,
        weights: Tensor,
        rewards: Tensor,
        target: Tensor | None = None,
        target_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        rewards = ops.convert_to_tensor(rewards)
        mask = target_mask
        if mask is not None and len(rewards.shape) == 1:
            mask = ops.any(ops.cast(mask, "bool"), axis=1)
        baseline = self.baseline(rewards, mask=mask, training=training)
        loss = hard_attention_loss(weights, rewards, baseline, target_mask)
        self.add_loss(self.factor * loss)
        return weights

    def compute_output_spec(
        self, weights: Tensor, *args: object, **kwargs: object
    ) -> keras.KerasTensor:
        return keras.KerasTensor(weights.shape, dtype=weights.dtype)

    def compute_output_shape(
        self,
        weights_shape: Shape,
        rewards_shape: Shape | None = None,
        target_shape: Shape | None = None,
    ) -> Shape:
        return weights_shape

    def compute_mask(self, weights: Tensor, previous_mask: Tensor | None = None) -> None:
        return None

    def get_config(self) -> Config:
        return {**super().get_config(), "factor": self.factor, "decay": self.baseline.decay}
