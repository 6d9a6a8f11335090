"""GlimpseRNN: a recurrent network that looks at an image through a sequence of glimpses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import keras
from keras import ops

from keras_attention._core import cells
from keras_attention._core.backend.loops import scan
from keras_attention._core.checks import (
    check_choice,
    check_features,
    check_positive,
    check_rank,
    check_size,
    score_dtype,
)
from keras_attention._core.renamed import RenamedCallArguments
from keras_attention._core.structure import swap_batch_and_time
from keras_attention._core.types import Config, LayerOptions, Shape, Structure, Tensor
from keras_attention.vision.locations import GaussianLocations
from keras_attention.vision.retina import Retina

if TYPE_CHECKING:
    from typing_extensions import Unpack


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseNetwork(RenamedCallArguments):
    """Encodes a glimpse, that is patches and their location, as one vector.

        what  = relu(W_1 patches + b_1)
        where = relu(W_2 location + b_2)
        g     = relu(W_3 what + W_4 where + b)                     combine="add"
        g     = relu(W_3 what + b_3) * relu(W_4 where + b_4)       combine="multiply"

    Source: Mnih et al., "Recurrent Models of Visual Attention", 2014 (sum);
    Ba, Mnih and Kavukcuoglu, "Multiple Object Recognition with Visual
    Attention", 2015 (product).

    Args:
        units: size of g.
        hidden: size of what and where.
        combine: `"add"` or `"multiply"`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        patches: `(B, scales, size, size, C)`, from a `Retina`.
        locations: `(B, 2)`.

    Returns:
        `(B, units)`.

    Raises:
        ValueError: if a size is not positive or `combine` is unknown.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> network = vision.GlimpseNetwork(units=16, hidden=8)
    >>> tuple(network(np.ones((2, 3, 4, 4, 1)), np.zeros((2, 2))).shape)
    (2, 16)
    """

    def __init__(
        self,
        units: int = 128,
        hidden: int = 64,
        combine: Literal["add", "multiply"] = "add",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_positive("units", units)
        self.hidden = check_positive("hidden", hidden)
        self.combine = check_choice("combine", combine, ("add", "multiply"))

    def build(self, patches_shape: Shape, locations_shape: Shape | None = None) -> None:
        size = 1
        for side in patches_shape[1:]:
            if side is None:
                raise ValueError(
                    "patches: expected known sizes, which the weights need, received shape "
                    f"{tuple(patches_shape)}."
                )
            size *= side
        self._size = size

        def dense(
            inputs: int, units: int, activation: str | None, name: str, use_bias: bool = True
        ) -> keras.layers.Dense:
            layer = keras.layers.Dense(
                units, activation, use_bias=use_bias, dtype=self.dtype_policy, name=name
            )
            layer.build((None, inputs))
            return layer

        last = None if self.combine == "add" else "relu"
        self.what = dense(size, self.hidden, "relu", "what")
        self.where = dense(2, self.hidden, "relu", "where")
        self.from_what = dense(self.hidden, self.units, last, "from_what")
        self.from_where = dense(
            self.hidden, self.units, last, "from_where", use_bias=self.combine == "multiply"
        )
        self.built = True

    def call(self, patches: Tensor, locations: Tensor) -> Tensor:
        patches = ops.reshape(patches, (-1, self._size))
        what = self.from_what(self.what(patches))
        where = self.from_where(self.where(locations))
        return ops.relu(what + where) if self.combine == "add" else what * where

    def compute_output_shape(
        self, patches_shape: Shape, locations_shape: Shape | None = None
    ) -> Shape:
        return (patches_shape[0], self.units)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "combine": self.combine,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseRNN(RenamedCallArguments):
    """Looks at an image through glimpses, and chooses the location of each next one.

        location_t        ~ policy(output_{t-1})
        patches_t         = retina(image, location_t)
        g_t               = network(patches_t, location_t)
        output_t, state_t = cell(g_t, state_{t-1})

    The output before the first step is zero, so the first location does not
    depend on the image (apart from the noise). The cost depends on the number
    of glimpses and not on the size of the image, except for the retina's sums
    over rows and columns.

    No gradient flows through the sampled locations. The policy, and with it
    the state that it reads, is trained by `hard_attention_loss` on the
    log-probabilities,

        -sum_t (reward_t - baseline_t) grad log p(location_t)

    as in `keras_attention.models.GlimpseClassifier`, which trains all parts.

    Source: Mnih, Heess, Graves and Kavukcuoglu, "Recurrent Models of Visual
    Attention", 2014.

    Args:
        cell: a Keras RNN cell.
        steps: default number of glimpses.
        retina: a `Retina` or a layer with the same call; by default
            `Retina()`.
        network: a `GlimpseNetwork` or a layer with the same call; by default
            `GlimpseNetwork()`.
        policy: a `GaussianLocations`, a `UniformLocations`, or a layer with
            the same call and `noise` method; by default `GaussianLocations()`.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, C)`.
        steps: number of glimpses; by default the layer's `steps`.
        return_locations: whether to return the locations and their
            log-probabilities too.
        training: whether locations are sampled. Otherwise the policy's most
            likely ones are used.

    Returns:
        The outputs `(B, T, units)`; with `return_locations` also the locations
        `(B, T, 2)`, row and column clipped to [-1, 1], and the
        log-probabilities `(B, T)` of the locations as sampled, both in at
        least float32.

    Raises:
        ValueError: if `cell` is not a cell, `steps` is not positive, or the
            images do not fit.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import vision
    >>> glimpses = vision.GlimpseRNN(keras.layers.GRUCell(16), steps=4)
    >>> outputs, locations, log_probs = glimpses(np.ones((2, 32, 32, 1)), return_locations=True)
    >>> tuple(outputs.shape), tuple(locations.shape), tuple(log_probs.shape)
    ((2, 4, 16), (2, 4, 2), (2, 4))
    """

    def __init__(
        self,
        cell: keras.layers.Layer,
        steps: int = 6,
        retina: keras.layers.Layer | None = None,
        network: keras.layers.Layer | None = None,
        policy: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        cells.check_cell("cell", cell)
        self.cell, self.steps = cell, check_positive("steps", steps)
        dtype = self.dtype_policy
        self.retina = Retina(dtype=dtype) if retina is None else retina
        self.network = GlimpseNetwork(dtype=dtype) if network is None else network
        self.policy = GaussianLocations(dtype=dtype) if policy is None else policy

    def build(self, images_shape: Shape) -> None:
        check_features(images=images_shape)
        self._channels = images_shape[-1]
        patches = self.retina.compute_output_shape(images_shape)
        parts = (
            (self.retina, (images_shape, (None, 2))),
            (self.network, (patches, (None, 2))),
            (self.policy, ((None, cells.output_size(self.cell)),)),
        )
        for part, shapes in parts:
            if not part.built:
                part.build(*shapes)
        glimpse: Structure = self.network.compute_output_shape(patches, (None, 2))
        cells.build(self.cell, glimpse[-1])
        self.built = True

    def call(
        self,
        images: Tensor,
        steps: int | None = None,
        return_locations: bool = False,
        training: bool | None = None,
    ) -> Structure:
        steps = self._checked(images, steps)
        images = ops.convert_to_tensor(images, dtype=self.compute_dtype)
        batch = ops.shape(images)[0]
        carry = self.initial_state(batch)
        if training:
            self._prime_dropout(images, carry)
        noise = self.policy.noise((steps, batch, 2), training)

        def one_step(carry: Structure, x: Structure) -> tuple[Structure, Structure]:
            noise, _ = x
            carry, location, log_prob = self.step(images, carry, noise, training)
            return carry, (carry[0], location, log_prob)

        dtype = score_dtype(self.compute_dtype)
        dtypes = (self.compute_dtype, dtype, dtype)
        _, results = scan(one_step, carry, (noise, ops.arange(steps)), dtypes)
        cells.reset_dropout(self.cell)
        outputs, locations, log_probs = map(swap_batch_and_time, results)
        return (outputs, locations, log_probs) if return_locations else outputs

    def step(
        self,
        images: Tensor,
        state: Structure,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Structure, Tensor, Tensor]:
        """Takes one glimpse.

        Args:
            images: `(B, H, W, C)`.
            state: from `initial_state()` or the previous step.
            noise: `(B, 2)`, one step of `policy.noise()`, or None.
            training: whether the cell applies dropout.

        Returns:
            The next state, whose first part is the output `(B, units)`, the
            location `(B, 2)` and its log-probability `(B,)`.
        """
        output, cell_state = state
        sampled, log_prob = self.policy(output, noise)
        location = ops.clip(sampled, -1.0, 1.0)
        glimpse = self.network(
            self.retina(images, location), ops.cast(location, self.compute_dtype)
        )
        return cells.step(self.cell, glimpse, cell_state, training), location, log_prob

    def initial_state(self, batch: int | Tensor) -> Structure:
        """Returns the output and the cell state before the first glimpse."""
        output = ops.zeros((batch, cells.output_size(self.cell)), dtype=self.compute_dtype)
        return output, cells.zero_state(self.cell, batch, self.compute_dtype)

    def _prime_dropout(self, images: Tensor, carry: Structure) -> None:
        """Samples the cell's dropout masks outside the loop that uses them."""
        patches = self.retina.compute_output_shape(images.shape)
        size = self.network.compute_output_shape(patches, (None, 2))[-1]
        inputs = ops.zeros((ops.shape(images)[0], size), dtype=self.compute_dtype)
        cells.prime_dropout(self.cell, inputs, carry[1])

    def _checked(self, images: Tensor, steps: int | None) -> int:
        check_rank("images", images, (4,), "(batch, height, width, channels)")
        if self.built:
            check_size("images", images, self._channels)
        if steps is None:
            return self.steps
        return check_positive("steps", steps)

    def compute_output_spec(
        self,
        images: Tensor,
        steps: int | None = None,
        return_locations: bool = False,
        training: bool | None = None,
    ) -> Structure:
        steps, batch = self._checked(images, steps), images.shape[0]
        size, dtype = cells.output_size(self.cell), score_dtype(self.compute_dtype)
        outputs = keras.KerasTensor((batch, steps, size), dtype=self.compute_dtype)
        if not return_locations:
            return outputs
        locations = keras.KerasTensor((batch, steps, 2), dtype=dtype)
        return outputs, locations, keras.KerasTensor((batch, steps), dtype=dtype)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cell": serialize(self.cell),
            "steps": self.steps,
            "retina": serialize(self.retina),
            "network": serialize(self.network),
            "policy": serialize(self.policy),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Config | None = None) -> GlimpseRNN:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("cell", "retina", "network", "policy")
        }
        return super().from_config({**config, **parts})
