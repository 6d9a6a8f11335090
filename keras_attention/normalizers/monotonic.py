"""Normalizers that read the memory from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core.checks import check_choice, check_number
from keras_attention._core.masks import zero_weights_where_masked
from keras_attention._core.memory import Memory, initial_alignment
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.normalizers.base import Normalizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    MonotonicMode = Literal["exact", "recursive", "parallel", "hard"]
    StepwiseMode = Literal["soft", "hard"]


class _ChoosingOptions(LayerOptions, total=False):
    """The arguments that both normalizers have, besides their modes."""

    sigmoid_noise: float
    score_bias_init: float
    seed: int | None


class _Choosing(Normalizer):
    """Base of normalizers that read positions in order, each chosen with `p = sigmoid(s + b + n)`.

    Subclasses list their `modes` and define `_advance`.
    """

    modes: tuple[str, ...] = ()

    def __init__(
        self,
        mode: str,
        test_mode: str | None = None,
        sigmoid_noise: float = 0.0,
        score_bias_init: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.mode = check_choice("mode", mode, self.modes)
        self.test_mode = check_choice("test_mode", test_mode, (None, *self.modes))
        self.sigmoid_noise = check_number("sigmoid_noise", sigmoid_noise, at_least=0)
        self.score_bias_init = check_number("score_bias_init", score_bias_init)
        self.seed = seed
        if sigmoid_noise:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, scores_shape: Shape, mask_shape: Shape | None = None) -> None:
        start = keras.initializers.Constant(self.score_bias_init)
        self.score_bias = self.add_weight(
            shape=(), initializer=start, autocast=False, name="score_bias"
        )
        self.built = True

    def initial_state(self, memory: Memory) -> Structure:
        return initial_alignment("first", memory)

    def next_state(self, state: Structure, weights: Tensor) -> Structure:
        return weights

    def noise(self, shape: tuple[int | Tensor, ...], dtype: str) -> Tensor | None:
        if not self.sigmoid_noise:
            return None
        return keras.random.normal(
            shape, stddev=self.sigmoid_noise, dtype=dtype, seed=self.seed_generator
        )

    def call(
        self,
        scores: Tensor,
        mask: Tensor | None = None,
        state: Structure = None,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        mode = self.mode if training or self.test_mode is None else self.test_mode
        scores = scores + ops.cast(self.score_bias, scores.dtype)
        if noise is not None:
            scores = scores + noise
        if mode == "hard":
            chosen = ops.cast(scores > 0, scores.dtype)
            passed = 1 - chosen
        else:
            # Not 1 - chosen, which loses precision where p is close to 1.
            chosen, passed = ops.sigmoid(scores), ops.sigmoid(-scores)
        previous = ops.expand_dims(state, 1)
        return zero_weights_where_masked(mask, self._advance(mode, chosen, passed, previous, mask))

    def _advance(
        self, mode: str, chosen: Tensor, passed: Tensor, previous: Tensor, mask: Tensor | None
    ) -> Tensor:
        """The weights of a step.

        Args:
            mode: one of `modes`.
            chosen: p, `(B, 1, Tk)`.
            passed: 1 - p.
            previous: the weights of the previous step.
            mask: of the scores, or None.
        """
        raise NotImplementedError

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "mode": self.mode,
            "test_mode": self.test_mode,
            "sigmoid_noise": self.sigmoid_noise,
            "score_bias_init": self.score_bias_init,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Monotonic(_Choosing):
    """Monotonic attention: reads on from where the last step stopped, until a position is chosen.

        p_j = sigmoid(s_j + b + noise)                b learned
        q_j = (1 - p_{j-1}) q_{j-1} + w'_j            w' of the previous step
        w_j = p_j q_j

    The probability that no position is chosen is lost: the weights may sum to
    less than 1. Before the first step all weight is at the first position.

    - `"exact"`: the recurrence by doubling, in log2(Tk) rounds. Exact for
      inputs of any length.
    - `"recursive"`: tfa's name for the same numbers.
    - `"parallel"`: tfa's closed form, with cumulative products and a division
      by them that is clipped at 1e-10. From about 30 positions on, weight
      vanishes: at p = 0.5, from position 60 on, 1 becomes 1e-8.
    - `"hard"`: p is 0 or 1. No gradient; for testing.

    For long inputs, use a negative `score_bias_init`, so that reading on is
    likely, and some `sigmoid_noise`, so that training moves p to 0 or 1.

    Source: Raffel et al., "Online and Linear-Time Attention by Enforcing
    Monotonic Alignments", 2017.

    Args:
        mode: one of the above.
        test_mode: the mode outside training, by default the same; `"hard"` in
            the paper.
        sigmoid_noise: standard deviation of the noise, in training only.
        score_bias_init: the initial b.
        seed: of the noise.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: for an unknown mode, a negative noise, or a bias that is not
            a number.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.normalizers.monotonic import Monotonic
    >>> attention = Attention("dot", Monotonic())
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 4))).shape)
    (2, 3, 4)
    """

    modes = ("exact", "recursive", "parallel", "hard")

    def __init__(
        self,
        mode: MonotonicMode = "exact",
        test_mode: MonotonicMode | None = None,
        **kwargs: Unpack[_ChoosingOptions],
    ) -> None:
        super().__init__(mode, test_mode, **kwargs)

    def _advance(
        self, mode: str, chosen: Tensor, passed: Tensor, previous: Tensor, mask: Tensor | None
    ) -> Tensor:
        chosen = zero_weights_where_masked(mask, chosen)
        passed = passed if mask is None else ops.where(mask, passed, ops.ones_like(passed))
        if mode == "hard":
            # The first chosen position from the last focus on.
            chosen = chosen * ops.cumsum(previous, axis=-1)
            return chosen * ops.cast(_before(ops.cumsum(chosen, axis=-1)) == 0, chosen.dtype)
        if mode == "parallel":
            tiny = 1.2e-38 if keras.backend.standardize_dtype(chosen.dtype) == "float32" else 1e-300
            logs = ops.cumsum(ops.log(ops.clip(passed, tiny, 1.0)), axis=-1)
            product = ops.exp(_before(logs))
            return chosen * product * ops.cumsum(previous / ops.clip(product, 1e-10, 1.0), axis=-1)
        return chosen * _linear_recurrence(_before(passed), previous)


@keras.saving.register_keras_serializable(package="keras_attention")
class StepwiseMonotonic(_Choosing):
    """Stepwise monotonic attention: each step stays at its position or moves on by one.

        p_j = sigmoid(s_j + b + noise)                the probability to stay
        w_j = w'_j p_j + w'_{j-1} (1 - p_{j-1})       w' of the previous step

    At the last real position p is 1, so that no weight leaves the memory.
    Before the first step all weight is at the first position. Padding is
    expected at the end.

    Source: He, Deng and He, "Robust Sequence-to-Sequence Acoustic Modeling
    with Stepwise Monotonic Attention for Neural TTS", 2019.

    Args:
        mode: `"soft"`, or `"hard"` with p either 0 or 1.
        test_mode: the mode outside training, by default the same.
        sigmoid_noise, score_bias_init, seed, **kwargs: as in `Monotonic`.

    Raises:
        ValueError: as `Monotonic`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.normalizers.monotonic import StepwiseMonotonic
    >>> attention = Attention("dot", StepwiseMonotonic())
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 4))).shape)
    (2, 3, 4)
    """

    modes = ("soft", "hard")

    def __init__(
        self,
        mode: StepwiseMode = "soft",
        test_mode: StepwiseMode | None = None,
        **kwargs: Unpack[_ChoosingOptions],
    ) -> None:
        super().__init__(mode, test_mode, **kwargs)

    def _advance(
        self, mode: str, chosen: Tensor, passed: Tensor, previous: Tensor, mask: Tensor | None
    ) -> Tensor:
        # Of full size: a mask of queries alone has one entry for all positions.
        real = zero_weights_where_masked(mask, ops.ones_like(chosen))
        # Counted from the end, the last real position is the first one.
        last = ops.flip(ops.cumsum(ops.flip(real, axis=-1), axis=-1), axis=-1) <= 1
        stayed = ops.where(last, previous, previous * chosen)
        return stayed + _before(ops.where(last, 0.0, previous * passed))


def _before(x: Tensor) -> Tensor:
    """The value of the previous position at each position; 0 at the first."""
    moved = ops.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[1, 0]])
    return moved[..., :-1]


def _linear_recurrence(decay: Tensor, gain: Tensor) -> Tensor:
    """`y_j = decay_j y_{j-1} + gain_j` along the last axis, in log2(length) rounds.

    After a round with the shift k, each position has the terms of 2 k positions.
    """
    length = decay.shape[-1]
    position = ops.arange(ops.shape(decay)[-1])

    def double(
        shift: int | Tensor, decay: Tensor, gain: Tensor
    ) -> tuple[int | Tensor, Tensor, Tensor]:
        inside = position >= shift
        earlier_gain = ops.where(inside, ops.roll(gain, shift, axis=-1), 0.0)
        earlier_decay = ops.where(inside, ops.roll(decay, shift, axis=-1), 1.0)
        return 2 * shift, decay * earlier_decay, gain + decay * earlier_gain

    if length is None:
        # Unknown lengths exist on TensorFlow only, whose loop has a gradient.
        rounds = ops.while_loop(
            lambda shift, *_: shift < ops.shape(decay)[-1],
            double,
            (ops.convert_to_tensor(1), decay, gain),
            maximum_iterations=31,
        )
        return rounds[2]
    shift = 1
    while shift < length:
        shift, decay, gain = double(shift, decay, gain)
    return gain
