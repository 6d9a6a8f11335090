"""GlimpseRNN: a recurrent network that looks at one part of an image after another."""

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
from keras_attention._core.structure import swap_batch_and_time
from keras_attention.vision.locations import GaussianPlaces
from keras_attention.vision.retina import Retina


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseNetwork(keras.layers.Layer):
    """What was seen, and where, as one vector.

        what  = relu(W_1 patches + b_1)
        where = relu(W_2 place + b_2)
        g     = relu(W_3 what + W_4 where + b)             combine = "add"
        g     = relu(W_3 what + b_3) * relu(W_4 where + b_4)       "multiply"

    Source: Mnih et al., "Recurrent Models of Visual Attention", 2014 (the sum);
    Ba, Mnih and Kavukcuoglu, "Multiple Object Recognition with Visual
    Attention", 2015 (the product).

    Args:
        units: the size of g.
        hidden: the size of what and where.
        combine: `"add"` or `"multiply"`.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        patches: `(B, scales, size, size, C)`, from a `Retina`.
        places: `(B, 2)`.

    Returns:
        `(B, units)`.

    Raises:
        ValueError: for sizes that are not positive, or another `combine`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import vision
    >>> network = vision.GlimpseNetwork(units=16, hidden=8)
    >>> tuple(network(np.ones((2, 3, 4, 4, 1)), np.zeros((2, 2))).shape)
    (2, 16)
    """

    def __init__(self, units=128, hidden=64, combine="add", **kwargs):
        super().__init__(**kwargs)
        check_positive("units", units)
        check_positive("hidden", hidden)
        check_choice("combine", combine, ("add", "multiply"))
        self.units, self.hidden, self.combine = units, hidden, combine

    def build(self, patches_shape, places_shape=None):
        check_features(patches=(*patches_shape[:-1], None) if None in patches_shape[1:] else (1,))
        size = 1
        for side in patches_shape[1:]:
            size *= side
        self._size = size

        def dense(inputs, units, activation, name, use_bias=True):
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

    def call(self, patches, places):
        patches = ops.reshape(patches, (-1, self._size))
        what = self.from_what(self.what(patches))
        where = self.from_where(self.where(places))
        return ops.relu(what + where) if self.combine == "add" else what * where

    def compute_output_shape(self, patches_shape, places_shape=None):
        return (patches_shape[0], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "hidden": self.hidden,
            "combine": self.combine,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class GlimpseRNN(keras.layers.Layer):
    """Looks at one part of an image after another, and decides itself where to look next.

        place_t           ~ policy(output_{t-1})
        patches_t         = retina(image, place_t)
        g_t               = network(patches_t, place_t)
        output_t, state_t = cell(g_t, state_{t-1})

    Before the first step the output is zero, so the first place is the same in
    every image (but for the noise): where looking first has paid most. What it
    costs depends on the number of glimpses, not on the size of the image, but
    for the retina's sums over rows and columns.

    No gradient flows through the places, which are drawn. The policy, and with
    it the state that it reads, learn by `hard_attention_loss` over the
    log-probabilities,

        -sum_t (reward_t - baseline_t) grad log p(place_t)

    as in `keras_attention.models.GlimpseClassifier`, which trains all of it.

    Source: Mnih, Heess, Graves and Kavukcuoglu, "Recurrent Models of Visual
    Attention", 2014.

    Args:
        cell: any Keras RNN cell.
        steps: how many glimpses, unless a call says otherwise.
        retina: a `Retina`, or a layer like it.
        network: a `GlimpseNetwork`, or a layer like it.
        policy: `GaussianPlaces`, `UniformPlaces`, or a layer like them.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        images: `(B, H, W, C)`.
        steps: how many glimpses, or None.
        return_places: whether to return where it looked.
        training: whether places are drawn, or the policy's best ones taken.

    Returns:
        The outputs `(B, T, units)`; on request also the places `(B, T, 2)`, row
        and column from -1 to 1 as looked at, and the log-probabilities
        `(B, T)` of the places as drawn, both in at least float32.

    Raises:
        ValueError: for something that is no cell, steps that are not positive,
            and images that do not fit.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import vision
    >>> glimpses = vision.GlimpseRNN(keras.layers.GRUCell(16), steps=4)
    >>> outputs, places, log_probs = glimpses(np.ones((2, 32, 32, 1)), return_places=True)
    >>> tuple(outputs.shape), tuple(places.shape), tuple(log_probs.shape)
    ((2, 4, 16), (2, 4, 2), (2, 4))
    """

    def __init__(self, cell, steps=6, retina=None, network=None, policy=None, **kwargs):
        super().__init__(**kwargs)
        cells.check_cell("cell", cell)
        check_positive("steps", steps)
        self.cell, self.steps = cell, steps
        dtype = self.dtype_policy
        self.retina = Retina(dtype=dtype) if retina is None else retina
        self.network = GlimpseNetwork(dtype=dtype) if network is None else network
        self.policy = GaussianPlaces(dtype=dtype) if policy is None else policy

    def build(self, images_shape):
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
        cells.build(self.cell, self.network.compute_output_shape(patches, (None, 2))[-1])
        self.built = True

    def call(self, images, steps=None, return_places=False, training=None):
        steps = self._checked(images, steps)
        images = ops.convert_to_tensor(images, dtype=self.compute_dtype)
        batch = ops.shape(images)[0]
        carry = self.initial_state(batch)
        if training:
            self._prime_dropout(images, carry)
        noise = self.policy.noise((steps, batch, 2), training)

        def one(carry, x):
            noise, _ = x
            carry, place, log_prob = self.step(images, carry, noise, training)
            return carry, (carry[0], place, log_prob)

        dtype = score_dtype(self.compute_dtype)
        found = scan(one, carry, (noise, ops.arange(steps)), (self.compute_dtype, dtype, dtype))[1]
        cells.reset_dropout(self.cell)
        outputs, places, log_probs = map(swap_batch_and_time, found)
        return (outputs, places, log_probs) if return_places else outputs

    def step(self, images, state, noise=None, training=None):
        """One glimpse.

        Args:
            images: `(B, H, W, C)`.
            state: from `initial_state()`, or the step before.
            noise: `(B, 2)`, of what `policy.noise()` drew, or None.
            training: whether the cell's dropout acts.

        Returns:
            The next state, of which the first part is the output `(B, units)`,
            the place `(B, 2)` and its log-probability `(B,)`.
        """
        output, cell_state = state
        drawn, log_prob = self.policy(output, noise)
        place = ops.clip(drawn, -1.0, 1.0)
        seen = self.network(self.retina(images, place), ops.cast(place, self.compute_dtype))
        return cells.step(self.cell, seen, cell_state, training), place, log_prob

    def initial_state(self, batch):
        """The output and the state of the cell before the first glimpse."""
        output = ops.zeros((batch, cells.output_size(self.cell)), dtype=self.compute_dtype)
        return output, cells.zero_state(self.cell, batch, self.compute_dtype)

    def _prime_dropout(self, images, carry):
        """The cell's masks are drawn outside the loop that uses them."""
        patches = self.retina.compute_output_shape(images.shape)
        size = self.network.compute_output_shape(patches, (None, 2))[-1]
        inputs = ops.zeros((ops.shape(images)[0], size), dtype=self.compute_dtype)
        cells.prime_dropout(self.cell, inputs, carry[1])

    def _checked(self, images, steps):
        check_rank("images", images, (4,), "(batch, height, width, channels)")
        if self.built:
            check_size("images", images, self._channels)
        if steps is None:
            return self.steps
        check_positive("steps", steps)
        return steps

    def compute_output_spec(self, images, steps=None, return_places=False, training=None):
        steps, batch = self._checked(images, steps), images.shape[0]
        size, dtype = cells.output_size(self.cell), score_dtype(self.compute_dtype)
        outputs = keras.KerasTensor((batch, steps, size), dtype=self.compute_dtype)
        if not return_places:
            return outputs
        places = keras.KerasTensor((batch, steps, 2), dtype=dtype)
        return outputs, places, keras.KerasTensor((batch, steps), dtype=dtype)

    def get_config(self):
        parts = {name: getattr(self, name) for name in ("cell", "retina", "network", "policy")}
        return {
            **super().get_config(),
            "steps": self.steps,
            **{n: keras.saving.serialize_keras_object(part) for n, part in parts.items()},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        def made(part):
            return keras.saving.deserialize_keras_object(part, custom_objects=custom_objects)

        names = ("cell", "retina", "network", "policy")
        return super().from_config({**config, **{name: made(config[name]) for name in names}})
