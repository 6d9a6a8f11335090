"""Windows: which positions of the memory a query may attend to (Luong's local attention)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import keras
from keras import ops

from keras_attention._core.checks import check_positive, known_features
from keras_attention._core.memory import Memory
from keras_attention._core.registry import Registry
from keras_attention._core.types import (
    Config,
    Constraint,
    Initializer,
    Regularizer,
    Shape,
    Structure,
    Tensor,
)
from keras_attention._core.weight_options import WeightOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_attention._core.types import LayerOptions

__all__ = ["LocalMonotonic", "LocalPredictive", "Window", "deserialize", "get", "serialize"]


class Window(keras.layers.Layer):
    """Base of all windows: the positions `[p - D, p + D]` around a centre p of each query.

    To write a window of your own, override `centres`. Positions are counted
    from 0 over the real positions of each example, so that padding moves no
    window.

    Args:
        width: D, in positions.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        query: `(B, Tq, Dq)`.
        memory: a `Memory` of Tk positions.
        state: from `initial_state`, or the previous call.
        query_mask: `(B, Tq)`, True for real queries, or None.

    Returns:
        Which positions each query may attend to, booleans `(B, Tq, Tk)`; the
        factors of the weights `(B, Tq, Tk)`, or None; and the next state.

    Raises:
        ValueError: if `width` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention import Attention
    >>> from keras_attention.windows import Window
    >>> class First(Window):
    ...     def centres(self, query, lengths, state, query_mask):
    ...         return ops.zeros_like(query[..., 0]), state
    >>> ones = np.ones((1, 4, 2))
    >>> _, weights = Attention("dot", window=First(1))(ones, ones, return_attention_scores=True)
    >>> weights.numpy()[0, 3].tolist()
    [0.5, 0.5, 0.0, 0.0]
    """

    def __init__(self, width: int, **kwargs: Unpack[LayerOptions]) -> None:
        # Keys are in at least float32 and must not be cast down.
        super().__init__(**{"autocast": False, **kwargs})
        self.width = check_positive("width", width)
        self.supports_masking = True

    def build(self, query_shape: Shape) -> None:
        self.built = True

    def initial_state(self, memory: Memory) -> Structure:
        """The state before the first step: tensors with the batch first, `()` if stateless."""
        return ()

    def centres(
        self, query: Tensor, lengths: Tensor, state: Structure, query_mask: Tensor | None
    ) -> tuple[Tensor, Structure]:
        """The centres `(B, Tq)` and the next state.

        Args:
            query: `(B, Tq, Dq)`.
            lengths: the number of real positions of each example, `(B, 1)`.
            state: from `initial_state`, or the previous call.
            query_mask: `(B, Tq)`, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} must define centres(...).")

    def factors(self, distance: Tensor) -> Tensor | None:
        """The factors of the weights at a distance `(B, Tq, Tk)` from the centre, or None."""
        return None

    def call(
        self,
        query: Tensor,
        memory: Memory,
        state: Structure = (),
        query_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None, Structure]:
        dtype = memory.keys.dtype
        real = ops.ones(ops.shape(memory.keys)[:2], dtype=dtype)
        if memory.mask is not None:
            real = ops.cast(memory.mask, dtype)
        lengths = ops.sum(real, axis=-1, keepdims=True)
        positions = ops.expand_dims(ops.cumsum(real, axis=-1) - 1, 1)
        centres, state = self.centres(ops.cast(query, dtype), lengths, state, query_mask)
        distance = ops.abs(positions - ops.expand_dims(centres, -1))
        return distance <= self.width, self.factors(distance), state

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalMonotonic(Window):
    """Luong's local-m: query t attends to the positions from `t - D` to `t + D`.

    Past the end of the memory the window stays at the last position, so that an
    output longer than its input has something to attend to.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015.

    Args:
        width: D, in positions.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `width` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.windows import LocalMonotonic
    >>> attention = Attention("dot", window=LocalMonotonic(1))
    >>> ones = np.ones((1, 4, 2))
    >>> _, weights = attention(ones, ones, return_attention_scores=True)
    >>> weights.numpy()[0, 0].tolist()
    [0.5, 0.5, 0.0, 0.0]
    """

    def initial_state(self, memory: Memory) -> Structure:
        return ops.zeros_like(memory.keys[:, 0, 0])

    def centres(
        self, query: Tensor, lengths: Tensor, state: Structure, query_mask: Tensor | None
    ) -> tuple[Tensor, Structure]:
        real = ops.ones_like(query[..., 0])
        if query_mask is not None:
            real = ops.cast(query_mask, real.dtype)
        steps = ops.expand_dims(state, -1) + ops.cumsum(real, axis=-1)
        return ops.minimum(steps - 1, lengths - 1), steps[:, -1]


@keras.saving.register_keras_serializable(package="keras_attention")
class LocalPredictive(Window):
    """Luong's local-p: the centre of the window is predicted from the query.

        p = S sigmoid(v . tanh(W query))
        w_j = normalizer(scores)_j exp(-(j - p)^2 / (2 sigma^2)),   sigma = D / 2

    S is the number of real positions. As published, the weights are not
    normalized again after the Gaussian, and sum to less than 1.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based
    Neural Machine Translation", 2015.

    Args:
        width: D, in positions.
        units: the size of W's output; by default the query's size.
        kernel_initializer, kernel_regularizer, kernel_constraint: for W and v.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `width` or `units` is not a positive integer.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.windows import LocalPredictive
    >>> attention = Attention("dot", window=LocalPredictive(2))
    >>> tuple(attention(np.ones((1, 4, 2)), np.ones((1, 9, 2))).shape)
    (1, 4, 2)
    """

    def __init__(
        self,
        width: int,
        units: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(width, **kwargs)
        self.units = None if units is None else check_positive("units", units)
        self._kernel = WeightOptions(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )

    def build(self, query_shape: Shape) -> None:
        size = known_features("query", query_shape)
        units = self.units or size
        self.kernel = self.add_weight(
            shape=(size, units), autocast=False, name="kernel", **self._kernel.for_weight()
        )
        self.v = self.add_weight(
            shape=(units, 1), autocast=False, name="v", **self._kernel.for_weight()
        )
        self.built = True

    def centres(
        self, query: Tensor, lengths: Tensor, state: Structure, query_mask: Tensor | None
    ) -> tuple[Tensor, Structure]:
        hidden = ops.tanh(ops.matmul(query, ops.cast(self.kernel, query.dtype)))
        share = ops.sigmoid(ops.squeeze(ops.matmul(hidden, ops.cast(self.v, query.dtype)), -1))
        return lengths * share, state

    def factors(self, distance: Tensor) -> Tensor | None:
        return ops.exp(-ops.square(distance) / (2 * (self.width / 2) ** 2))

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, **self._kernel.get_config()}


# What an argument `window` may be.
WindowIdentifier: TypeAlias = "str | type[Window] | Window | Config | None"

NAMES: dict[str, type[Window]] = {"local_m": LocalMonotonic, "local_p": LocalPredictive}

_REGISTRY = Registry("window", Window, NAMES, ", a keras_attention.windows.Window or None")


def get(window: WindowIdentifier, **kwargs: object) -> Window | None:
    """The window that `window` names or describes; a `Window` or None is returned as it is.

    Args:
        window: a name (`"local_m"`, `"local_p"`), a subclass of `Window`, a
            `Window`, the config of one, or None.
        **kwargs: for the constructor, if a name or a class is given.

    Raises:
        ValueError: if there is no such window.

    Example:

    >>> from keras_attention import windows
    >>> windows.get("local_m", width=3).width
    3
    """
    return None if window is None else _REGISTRY.make(window, **kwargs)


def serialize(window: Window | None) -> Config | None:
    """The config of a window, which JSON can hold; None for None.

    Example:

    >>> from keras_attention import windows
    >>> windows.serialize(windows.LocalMonotonic(3))["class_name"]
    'LocalMonotonic'
    """
    return None if window is None else _REGISTRY.serialize(window)


def deserialize(
    config: Config | None, custom_objects: Mapping[str, object] | None = None
) -> Window | None:
    """A window from its config; None for None.

    Args:
        config: what `serialize` returned.
        custom_objects: name -> class, for classes that are not registered with
            Keras.

    Raises:
        ValueError: if the config is not that of a window.

    Example:

    >>> from keras_attention import windows
    >>> windows.deserialize(windows.serialize(windows.LocalMonotonic(3))).width
    3
    """
    return None if config is None else _REGISTRY.deserialize(config, custom_objects)
