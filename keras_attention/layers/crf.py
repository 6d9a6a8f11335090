"""Conditional random fields: the tags of a sequence, scored and decoded together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attention._core.checks import (
    check_flag,
    check_positive,
    check_rank,
    check_shape,
    score_dtype,
)
from keras_attention._core.linear_chain import (
    check_potentials,
    crf_decode,
    crf_marginals,
    crf_potentials,
)
from keras_attention._core.types import (
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
    Shape,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class CRF(keras.layers.Layer):
    """A linear-chain conditional random field over the tags of a sequence.

        score(tags) = start[tags_1] + sum_t emissions[t, tags_t]
                      + sum_t transitions[tags_t-1, tags_t] + end[tags_T]
        p(tags)     = exp(score(tags)) / sum over all sequences of exp(score)

    The layer returns the scores of all pairs of neighbouring tags, the
    log-potentials, with the mask in them. They are the logits of this layer:
    `keras_attention.losses.CRFLoss` trains on them, `CRFDecoder` finds the best
    tags. So a model is trained and served as any other:

        potentials = CRF(num_tags)(emissions)
        model = keras.Model(tokens, potentials)      # compile(loss=CRFLoss()), fit
        tagger = keras.Model(tokens, CRFDecoder()(potentials))    # predict, export

    Masked positions (padding at either side, and holes) are passed over, as if
    they had been cut out of the sequence.

    Source: Lafferty, McCallum and Pereira, "Conditional Random Fields", 2001;
    over a recurrent network Lample et al., "Neural Architectures for Named
    Entity Recognition", 2016.

    Args:
        num_tags: the number of tags, N.
        use_boundaries: whether `start` and `end` are learned; otherwise they
            are 0.
        transition_initializer, transition_regularizer, transition_constraint:
            of the transitions `(N, N)`.
        boundary_initializer, boundary_regularizer, boundary_constraint: of
            `start` and `end`, `(N,)`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        emissions: `(B, T, N)`, such as the outputs of a `Dense` layer without
            activation.
        mask: `(B, T)`, True for real positions. In the functional API Keras
            fills it in.

    Returns:
        Log-potentials `(B, T, N, N)`, see `crf_potentials`, in float32 under mixed
        precision too. They take as much memory as the gradient of the forward
        algorithm does anyway.

    Raises:
        ValueError: for a `num_tags` that is not positive, and shapes that do not
            fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import CRF, CRFDecoder
    >>> potentials = CRF(3)(np.array([[[1.0, 0, 0], [0, 0, 2], [0, 1, 0]]], "float32"))
    >>> tuple(potentials.shape), np.asarray(CRFDecoder()(potentials)).tolist()
    ((1, 3, 3, 3), [[0, 2, 1]])
    """

    def __init__(
        self,
        num_tags: int,
        use_boundaries: bool = True,
        transition_initializer: Initializer = "zeros",
        transition_regularizer: Regularizer = None,
        transition_constraint: Constraint = None,
        boundary_initializer: Initializer = "zeros",
        boundary_regularizer: Regularizer = None,
        boundary_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.num_tags = check_positive("num_tags", num_tags)
        self.use_boundaries = check_flag("use_boundaries", use_boundaries)
        self._transition = WeightOptions(
            "transition", transition_initializer, transition_regularizer, transition_constraint
        )
        self._boundary = WeightOptions(
            "boundary", boundary_initializer, boundary_regularizer, boundary_constraint
        )
        # Sums over a whole sequence do not fit half precision.
        self.autocast = False
        self.supports_masking = True

    def build(self, emissions_shape: Shape) -> None:
        self._check_size(emissions_shape)
        self.transitions = self.add_weight(
            shape=(self.num_tags, self.num_tags),
            name="transitions",
            **self._transition.for_weight(),
        )
        self.start = self.end = None
        if self.use_boundaries:
            self.start, self.end = (
                self.add_weight(shape=(self.num_tags,), name=name, **self._boundary.for_weight())
                for name in ("start", "end")
            )
        self.built = True

    def call(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        self._check(emissions, mask)
        emissions = ops.cast(emissions, score_dtype(self.compute_dtype))
        return crf_potentials(emissions, self.transitions, self.start, self.end, mask)

    def _check(self, emissions: Tensor, mask: Tensor | None) -> None:
        check_rank("emissions", emissions, (3,), "scores of shape (batch, length, tags)")
        self._check_size(emissions.shape)
        if mask is not None:
            check_shape("mask", mask, emissions.shape[:2], "one boolean per position of emissions")

    def _check_size(self, shape: Shape) -> None:
        if shape[-1] != self.num_tags:
            raise ValueError(
                f"emissions: expected a score for each of {self.num_tags} tags on the last axis, "
                f"received shape {tuple(shape)}."
            )

    def compute_output_shape(self, emissions_shape: Shape) -> Shape:
        return (*emissions_shape, self.num_tags)

    def compute_output_spec(
        self, emissions: Tensor, mask: Tensor | None = None
    ) -> keras.KerasTensor:
        self._check(emissions, mask)
        shape = self.compute_output_shape(emissions.shape)
        return keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))

    def compute_mask(self, emissions: Tensor, previous_mask: Tensor | None = None) -> None:
        # The mask is in the potentials.
        return None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "use_boundaries": self.use_boundaries,
            **self._transition.get_config(),
            **self._boundary.get_config(),
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class CRFDecoder(keras.layers.Layer):
    """The best sequence of tags of a `CRF`, found by the Viterbi algorithm.

    It has no weights. The decoding is part of every export of a model that ends
    in it.

    Args:
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        potentials: `(B, T, N, N)`, as `CRF` returns them.
        return_marginals: whether to return the probability of each tag at each
            position too, by the forward-backward algorithm.

    Returns:
        Ids of tags `(B, T)`, int32, -1 at masked positions; and on request the
        marginals `(B, T, N)`, 0 at masked positions.

    Raises:
        ValueError: for potentials of another rank.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import CRF, CRFDecoder
    >>> emissions, real = np.zeros((1, 3, 2), "float32"), np.array([[True, True, False]])
    >>> tags, marginals = CRFDecoder()(CRF(2)(emissions, mask=real), return_marginals=True)
    >>> np.asarray(tags).tolist(), np.asarray(marginals).round(2).tolist()
    ([[0, 0, -1]], [[[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]]])
    """

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self.autocast = False

    def call(
        self, potentials: Tensor, return_marginals: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        tags, _ = crf_decode(potentials)
        return (tags, crf_marginals(potentials)) if return_marginals else tags

    def compute_output_shape(self, potentials_shape: Shape) -> Shape:
        return potentials_shape[:2]

    def compute_output_spec(
        self, potentials: Tensor, return_marginals: bool = False
    ) -> keras.KerasTensor | tuple[keras.KerasTensor, keras.KerasTensor]:
        check_potentials(potentials)
        tags = keras.KerasTensor(potentials.shape[:2], dtype="int32")
        marginals = keras.KerasTensor(potentials.shape[:3], dtype=potentials.dtype)
        return (tags, marginals) if return_marginals else tags
