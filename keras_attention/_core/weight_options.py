"""Initializers, regularizers and constraints of weights, as `keras.layers.Dense` takes them."""

from __future__ import annotations

from typing import Any

import keras

from keras_attention._core.types import Config, Constraint, Initializer, Regularizer


class WeightOptions:
    """How weights of one kind are made: the three arguments that Dense has for a kernel.

    Args:
        prefix: of the arguments' names, `"kernel"` or `"bias"`.
        initializer, regularizer, constraint: as in `keras.layers.Dense`.

    Example:

    >>> from keras_attention._core.weight_options import WeightOptions
    >>> sorted(WeightOptions("bias", "zeros").get_config())
    ['bias_constraint', 'bias_initializer', 'bias_regularizer']
    """

    def __init__(
        self,
        prefix: str,
        initializer: Initializer,
        regularizer: Regularizer = None,
        constraint: Constraint = None,
    ) -> None:
        self.prefix = prefix
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)

    def for_weight(self, clone: bool = True) -> dict[str, Any]:
        """Arguments of `Layer.add_weight`.

        Args:
            clone: whether the initializer is a clone. Without, all weights of one shape would
                start out equal; a layer with a single weight needs none.
        """
        return {
            "initializer": self.initializer.clone() if clone else self.initializer,
            "regularizer": self.regularizer,
            "constraint": self.constraint,
        }

    def for_dense(self, clone: bool = True) -> dict[str, Any]:
        """Arguments of `keras.layers.Dense`; `clone` as in `for_weight`."""
        return {f"{self.prefix}_{name}": value for name, value in self.for_weight(clone).items()}

    def get_config(self) -> Config:
        """The three arguments as a layer's `get_config` returns them."""
        return {
            f"{self.prefix}_initializer": keras.initializers.serialize(self.initializer),
            f"{self.prefix}_regularizer": keras.regularizers.serialize(self.regularizer),
            f"{self.prefix}_constraint": keras.constraints.serialize(self.constraint),
        }
