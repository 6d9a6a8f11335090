"""The loss that trains hard attention, which samples where it looks."""

import keras
from keras import ops

from keras_attention._core.checks import check_number, check_rate, check_shape
from keras_attention.losses.rows import mean_over_rows, real_cells


def hard_attention_loss(weights, rewards, baseline=0.0, target_mask=None, sample_weight=None):
    """Score-function loss, or REINFORCE: its gradient is `-sum_t (R_t - b) grad log p(s_t)` a row.

    s_t is the position that was sampled at step t. The weights are one-hot in
    value, and their gradient is that of log p(s_t) at the sampled entry: so the
    normalizer `HardSample(estimator="score_function")` makes them. This is the
    gradient of minus the expected reward, whose estimate a baseline makes less
    noisy without shifting it.

    The value of the loss is 0, always: what is minimized is known by its
    gradient alone, and a number that means nothing would hide the rest of the
    loss. Watch the rewards instead.

    Source: Xu et al., "Show, Attend and Tell", 2015, with the log-likelihood of
    the caption as the reward of all its steps; Williams, "Simple Statistical
    Gradient-Following Algorithms for Connectionist Reinforcement Learning",
    1992. That the weights carry the gradient: Foerster et al., "DiCE: The
    Infinitely Differentiable Monte-Carlo Estimator", 2018.

    Args:
        weights: sampled, `(B, T, S)` or `(B, T, H, W)`.
        rewards: `(B,)`, for all steps of a row, or `(B, T)`; no gradient flows
            through them.
        baseline: b: a number, or a tensor that broadcasts to the rewards, as
            from `MovingBaseline`.
        target_mask: `(B, T)`, True for real steps; or lengths `(B,)`; or None.
        sample_weight: `(B,)` or None; how much a row counts.

    Returns:
        A scalar 0 in at least float32; its gradient is that of the mean over
        the rows that have a real step.

    Raises:
        ValueError: for shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import hard_attention_loss
    >>> weights, rewards = np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.array([2.0])
    >>> float(hard_attention_loss(weights, rewards, baseline=1.5))
    0.0
    """
    weights, steps, positions = real_cells(weights, target_mask)
    rewards = _by_step(rewards, steps)
    baseline = ops.convert_to_tensor(baseline, dtype=weights.dtype)
    if len(baseline.shape) == 1:
        baseline = ops.expand_dims(baseline, 1)
    # A reward in the padding may be anything.
    advantages = ops.where(steps > 0, rewards - baseline, ops.zeros((), weights.dtype))
    advantages = ops.stop_gradient(advantages)
    losses = -ops.sum(advantages * ops.sum(weights, axis=2), axis=1)
    loss = mean_over_rows(losses, steps, positions, sample_weight)
    return loss - ops.stop_gradient(loss)


def _by_step(rewards, steps):
    """Rewards `(B,)` or `(B, T)` as `(B, T)`, or `(B, 1)`."""
    rewards = ops.cast(rewards, steps.dtype)
    expected = steps.shape[: len(rewards.shape)]
    check_shape("rewards", rewards, expected if expected else (None,), "one a row or one a step")
    return ops.expand_dims(rewards, 1) if len(rewards.shape) == 1 else rewards


@keras.saving.register_keras_serializable(package="keras_attention")
class MovingBaseline(keras.layers.Layer):
    """A moving average of rewards: `b <- decay * b + (1 - decay) * mean(rewards)`.

    It gives b as it was before these rewards, which therefore do not judge
    themselves, and moves only in training. It starts at 0, as the authors' code
    does.

    Source: Xu et al., "Show, Attend and Tell", 2015, with 0.9 and 0.1; Weaver
    and Tao, "The Optimal Reward Baseline for Gradient-Based Reinforcement
    Learning", 2001.

    Args:
        decay: from 0 to below 1.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        rewards: `(B,)` or `(B, T)`.
        mask: as large as the rewards, True for real ones.
        training: whether b moves.

    Returns:
        b, a scalar.

    Raises:
        ValueError: for another decay.

    Example:

    >>> import numpy as np
    >>> from keras_attention.losses import MovingBaseline
    >>> baseline = MovingBaseline()
    >>> [round(float(baseline(np.array([1.0, 3.0]), training=True)), 4) for _ in range(3)]
    [0.0, 0.2, 0.38]
    """

    def __init__(self, decay=0.9, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        check_rate("decay", decay)
        self.decay = decay
        self.supports_masking = True

    def build(self, rewards_shape):
        self.average = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            # Replicas see different rewards.
            aggregation="mean",
            name="average",
        )
        self.built = True

    def call(self, rewards, mask=None, training=None):
        # A number of its own: what only refers to the variable would move with it.
        before = self.average + 0.0
        if training:
            rewards = ops.cast(rewards, before.dtype)
            real = ops.ones_like(rewards) if mask is None else ops.cast(mask, before.dtype)
            rewards = ops.where(real > 0, rewards, ops.zeros((), before.dtype))
            count = ops.sum(real)
            mean = ops.sum(rewards) / ops.maximum(count, 1.0)
            moved = self.decay * before + (1 - self.decay) * mean
            self.average.assign(ops.where(count > 0, moved, before))
        return before

    def compute_output_shape(self, rewards_shape):
        return ()

    def compute_mask(self, rewards, previous_mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


@keras.saving.register_keras_serializable(package="keras_attention")
class AddHardAttentionLoss(keras.layers.Layer):
    """Passes sampled weights on, and adds `factor` times `hard_attention_loss` to the model.

    The baseline is a `MovingBaseline` over the rewards of the real steps.

    Args:
        factor: by which the loss is multiplied, lambda_r of the paper.
        decay: of the baseline.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        weights: sampled, `(B, T, S)` or `(B, T, H, W)`.
        rewards: `(B,)` or `(B, T)`.
        target: any tensor that carries the mask of the steps; only its mask is
            used.
        target_mask: `(B, T)`. In the functional API Keras fills it in from
            `target`.
        training: whether the baseline moves.

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

    def __init__(self, factor=1.0, decay=0.9, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        check_number("factor", factor)
        self.factor = factor
        self.baseline = MovingBaseline(decay, name="baseline")
        self.supports_masking = True

    def build(self, weights_shape, rewards_shape=None, target_shape=None):
        if not self.baseline.built:
            self.baseline.build(rewards_shape)
        self.built = True

    def call(self, weights, rewards, target=None, target_mask=None, training=None):
        rewards = ops.convert_to_tensor(rewards)
        mask = target_mask
        if mask is not None and len(rewards.shape) == 1:
            mask = ops.any(ops.cast(mask, "bool"), axis=1)
        baseline = self.baseline(rewards, mask=mask, training=training)
        loss = hard_attention_loss(weights, rewards, baseline, target_mask)
        self.add_loss(self.factor * loss)
        return weights

    def compute_output_spec(self, weights, *args, **kwargs):
        return keras.KerasTensor(weights.shape, dtype=weights.dtype)

    def compute_output_shape(self, weights_shape, rewards_shape=None, target_shape=None):
        return weights_shape

    def compute_mask(self, weights, previous_mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "decay": self.baseline.decay}
