"""A score of positions alone: a mixture of Gaussians that the query moves forward."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core.checks import (
    check_choice,
    check_positive,
    check_positive_number,
)
from keras_attention._core.log_sum_exp import log_sum_exp
from keras_attention._core.memory import Memory
from keras_attention._core.types import (
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
    Shape,
    Structure,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions
from keras_attention.scores.base import Score

if TYPE_CHECKING:
    from typing_extensions import Unpack

    Version = Literal["v0", "v1", "v2"]

# Largest logarithm of a step, and the range of deviations, so that no number overflows.
_LOG_STEP = math.log(1e3)
_DEVIATIONS = (0.01, 1e4)


@keras.saving.register_keras_serializable(package="keras_attention")
class GaussianMixture(Score):
    """GMM attention: the logarithm of a mixture of Gaussians over the positions 1 to Tk.

        score_j = log sum_k w_k / Z_k exp(-(j - m_k)^2 / (2 d_k^2))
        m_k     = m'_k + step_k                      m' of the previous step, 0 at first
        w, step, d from [a, b, c] = V tanh(W query + u) + v, or V query + v

    | version | w | Z | step | d |
    |---|---|---|---|---|
    | `"v0"` | exp(a) | 1 | exp(b) | sqrt(exp(-c) / 2) |
    | `"v1"` | softmax(a) | sqrt(2 pi d^2) | exp(b) | sqrt(exp(c)) |
    | `"v2"` | softmax(a) | sqrt(2 pi d^2) | softplus(b) | softplus(c) |

    The means only move forward, by what the query says; the keys are not
    compared. So the alignment is monotonic, and goes on in inputs that are
    longer than those of the training. Positions form a sequence; padding is
    expected at the end. Steps of v0 and v1 are at most 1,000 positions, and
    deviations are between 0.01 and 10,000, so that no number overflows.

    With the normalizer `"softmax"` the weights of the real positions sum to 1.
    The papers do not normalize: `normalizer="exponential"` gives their weights,
    which may sum to less than 1 near the ends, and in v0 to any number.

    Source: Graves, "Generating Sequences With Recurrent Neural Networks", 2013
    (v0, without `units`); Battenberg et al., "Location-Relative Attention
    Mechanisms for Robust Long-Form Speech Synthesis", 2020 (all three; v2 is
    best there).

    Args:
        num_components: the number of Gaussians.
        units: the size of W, or None for a linear function of the query.
        version: `"v0"`, `"v1"` or `"v2"`.
        step_init: all steps before training, in positions.
        deviation_init: all d before training, in positions.
        kernel_initializer, kernel_regularizer, kernel_constraint: for W and V.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        state: the means m' `(B, num_components)`.

    Raises:
        ValueError: for sizes or initial numbers that are not positive, or an
            unknown version.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention, scores
    >>> attention = Attention(scores.GaussianMixture(num_components=2, deviation_init=0.2))
    >>> query = np.zeros((1, 3, 4))
    >>> _, weights = attention(query, np.ones((1, 4, 6)), return_attention_scores=True)
    >>> np.argmax(weights[0], axis=-1).tolist()
    [0, 1, 2]
    """

    def __init__(
        self,
        num_components: int = 5,
        units: int | None = None,
        version: Version = "v2",
        step_init: float = 1.0,
        deviation_init: float = 10.0,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.num_components = check_positive("num_components", num_components)
        self.units = None if units is None else check_positive("units", units)
        self.version = check_choice("version", version, ("v0", "v1", "v2"))
        self.step_init = check_positive_number("step_init", step_init)
        self.deviation_init = check_positive_number("deviation_init", deviation_init)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self.hidden = None
        if self.units is not None:
            self.hidden = self._dense("hidden", self.units, query_shape, activation="tanh")
            query_shape = (*query_shape[:-1], self.units)
        self.mixture = self._dense("parameters", 3 * self.num_components, query_shape)
        step, deviation = self._initial_parameters()
        start = [0.0] * self.num_components + [step] * self.num_components
        self.mixture.bias.assign(start + [deviation] * self.num_components)
        self.built = True

    def _dense(
        self, name: str, units: int, shape: Shape, activation: str | None = None
    ) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            units,
            activation=activation,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name=name,
            **self._kernel.for_dense(),
        )
        dense.build(shape)
        return dense

    def _initial_parameters(self) -> tuple[float, float]:
        """The b and c of the initial step and deviation."""
        step, deviation = self.step_init, self.deviation_init
        if self.version == "v0":
            return math.log(step), -math.log(2 * deviation**2)
        if self.version == "v1":
            return math.log(step), 2 * math.log(deviation)
        return _inverse_softplus(step), _inverse_softplus(deviation)

    def project_query(self, query: Tensor) -> Tensor:
        """The parameters a, b and c of all components, `(..., 3 * num_components)`."""
        return self.mixture(query if self.hidden is None else self.hidden(query))

    def project_keys(self, key: Tensor) -> Tensor:
        """One feature: only the number of keys matters."""
        return key[..., :1]

    def initial_state(self, memory: Memory) -> Structure:
        shape = (ops.shape(memory.keys)[0], self.num_components)
        return ops.zeros(shape, dtype=memory.keys.dtype)

    def next_state(self, state: Structure, weights: Tensor, query: Tensor) -> Structure:
        return state + self._steps(query)

    def compare(self, query: Tensor, keys: Tensor, state: Structure = None) -> Tensor:
        self._require_state(state)
        heights, _, widths = ops.split(query, 3, axis=-1)
        deviations = self._deviations(widths)
        means = ops.expand_dims(state, 1) + self._steps(query)
        if self.version != "v0":
            heights = ops.log_softmax(heights, axis=-1)
            heights = heights - ops.log(deviations) - math.log(2 * math.pi) / 2
        heights, means, deviations = (ops.expand_dims(x, 2) for x in (heights, means, deviations))
        positions = ops.expand_dims(ops.cumsum(ops.ones_like(keys), axis=1), 1)
        return log_sum_exp(heights - ops.square((positions - means) / deviations) / 2)

    def _steps(self, query: Tensor) -> Tensor:
        _, steps, _ = ops.split(query, 3, axis=-1)
        if self.version == "v2":
            return ops.softplus(steps)
        return ops.exp(ops.minimum(steps, _LOG_STEP))

    def _deviations(self, widths: Tensor) -> Tensor:
        low, high = _DEVIATIONS
        if self.version == "v2":
            return ops.clip(ops.softplus(widths), low, high)
        logs = -(widths + math.log(2)) / 2 if self.version == "v0" else widths / 2
        return ops.exp(ops.clip(logs, math.log(low), math.log(high)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "units": self.units,
            "version": self.version,
            "step_init": self.step_init,
            "deviation_init": self.deviation_init,
            **self._kernel.get_config(),
        }


def _inverse_softplus(x: float) -> float:
    # Not log(exp(x) - 1), whose power may be too large.
    return x + math.log(-math.expm1(-x))
