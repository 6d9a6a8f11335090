"""Bahdanau's and Luong's attention: presets of `Attention` with their usual scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import keras

from keras_attention import scores
from keras_attention._core.checks import check_choice, check_positive
from keras_attention._core.types import (
    Activation,
    Config,
    Constraint,
    Initializer,
    LayerOptions,
    Regularizer,
)
from keras_attention.layers.attention import Attention

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention.normalizers.registry import NormalizerIdentifier
    from keras_attention.windows import WindowIdentifier

LuongScore = Literal["dot", "general", "concat", "scaled_dot", "cosine"]


class _Preset(Attention):
    """An `Attention` whose score follows from arguments of its own."""

    def get_config(self) -> Config:
        config = super().get_config()
        del config["score"]
        return config


@keras.saving.register_keras_serializable(package="keras_attention")
class BahdanauAttention(_Preset):
    """Additive attention: `score = v . act(W query + U key)`, then softmax.

    This is the score of the paper, without biases; `normalize=True` is the
    weight-normalized form of `tfa.seq2seq.BahdanauAttention`, with its bias.
    Which query it gets is up to `AttentionRNN`: with `attend="before"` it is
    the previous state, as in the paper.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly
    Learning to Align and Translate", 2015.

    Args:
        units: the size of the common space of query and key.
        normalize: whether `v` is weight-normalized.
        activation: tanh (as published), sigmoid, relu or any other Keras
            activation.
        kernel_initializer, kernel_regularizer, kernel_constraint: for W, U
            and v.
        normalizer, window, dropout, seed: as in `Attention`, whose call this
            has.

    Raises:
        ValueError: as `Attention`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import BahdanauAttention
    >>> attention = BahdanauAttention(16)
    >>> tuple(attention(np.ones((2, 3, 8)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self,
        units: int,
        normalize: bool = False,
        activation: Activation = "tanh",
        kernel_initializer: Initializer = "glorot_uniform",
        normalizer: NormalizerIdentifier = "softmax",
        window: WindowIdentifier = None,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        score = scores.Additive(
            check_positive("units", units),
            activation,
            normalize,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            kernel_constraint=kernel_constraint,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)

    def get_config(self) -> Config:
        names = ["units", "normalize", "activation"]
        names += ["kernel_initializer", "kernel_regularizer", "kernel_constraint"]
        score = self.score.get_config()
        return {**super().get_config(), **{name: score[name] for name in names}}


@keras.saving.register_keras_serializable(package="keras_attention")
class LuongAttention(_Preset):
    """Multiplicative attention, and the other scores of Luong's paper.

        dot         query . key
        general     query . W key
        concat      v . tanh(W query + U key)
        scaled_dot  query . key / sqrt(D)
        cosine      beta * cos(query, key)

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015; see each score for its own.

    Args:
        units: for general the query's size, which is the default; for concat
            the size of the common space, by default the query's size; None
            for the others, which have no projections.
        score: one of the names above, or a `keras_attention.scores.Score`.
        scale: whether dot and general learn a factor, as in
            `tfa.seq2seq.LuongAttention(scale=True)`.
        normalizer, window, dropout, seed: as in `Attention`, whose call this
            has.
        kernel_initializer, kernel_regularizer, kernel_constraint: for W, U and
            v of general and concat.

    Raises:
        ValueError: for an unknown score, or `units`, `scale` or the options of
            kernels with a score that does not use them; else as `Attention`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> attention = LuongAttention(score="general")
    >>> tuple(attention(np.ones((2, 3, 8)), np.ones((2, 5, 6))).shape)
    (2, 3, 6)
    """

    def __init__(
        self,
        units: int | None = None,
        score: LuongScore | type[scores.Score] | scores.Score | Config = "general",
        scale: bool = False,
        normalizer: NormalizerIdentifier = "softmax",
        window: WindowIdentifier = None,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        if units is not None:
            units = check_positive("units", units)
        named = isinstance(score, str)
        if named:
            check_choice("score", score, ("dot", "general", "concat", "scaled_dot", "cosine"))
        else:
            score = scores.get(score)
        if units is not None and score not in ("general", "concat"):
            raise ValueError(
                f"units: expected None, since the score {score!r} has no projection of that size, "
                f"received {units!r}."
            )
        if scale and score not in ("dot", "general"):
            raise ValueError(
                "scale: expected False, since only the scores 'dot' and 'general' learn a "
                f"factor, received {scale!r} with the score {score!r}."
            )
        kernel = {
            "kernel_initializer": kernel_initializer,
            "kernel_regularizer": kernel_regularizer,
            "kernel_constraint": kernel_constraint,
        }
        for name, value in kernel.items():
            if value not in (None, "glorot_uniform") and score not in ("general", "concat"):
                raise ValueError(
                    f"{name}: expected the default, since the score {score!r} has no kernel here, "
                    f"received {value!r}."
                )
        self.units, self.scale = units, scale
        self._score_name = score if named else None
        if named:
            options: dict[str, Any] = {"dtype": kwargs.get("dtype")}
            if score in ("general", "concat"):
                options |= {"units": units, **kernel}
            if score in ("dot", "general"):
                options["scale"] = scale
            score = scores.get(score, **options)
        super().__init__(score, normalizer, window, dropout, seed, **kwargs)

    def get_config(self) -> Config:
        score = self._score_name or keras.saving.serialize_keras_object(self.score)
        config = {**super().get_config(), "units": self.units, "score": score, "scale": self.scale}
        if self._score_name not in ("general", "concat"):
            return config
        own = self.score.get_config()
        names = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
        return {**config, **{name: own[name] for name in names}}
