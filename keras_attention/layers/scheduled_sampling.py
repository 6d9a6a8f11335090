"""Scheduled sampling: inputs of a decoder are replaced by its own output while training."""

from __future__ import annotations

import numbers
from collections.abc import Callable

import keras
from keras import ops

from keras_attention._core.types import Seed, Tensor


class ScheduledSampling:
    """Base class for replacing some inputs of an `AttentionRNN` while training.

    With the given probability, each input but the first is replaced by
    `next_inputs` of the last attentional vector.

    Source: Bengio et al., "Scheduled Sampling for Sequence Prediction with
    Recurrent Neural Networks", 2015.

    Args:
        probability: of a replacement; a number from 0 to 1, or a variable,
            which a schedule may change between steps.
        seed: an integer, or a `keras.random.SeedGenerator` (which a layer that
            is to be compiled keeps as an attribute).

    Raises:
        ValueError: for anything but a number from 0 to 1 or a variable.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, LuongAttention
    >>> from keras_attention.layers import ScheduledSampling
    >>> class Zeros(ScheduledSampling):
    ...     def next_inputs(self, vector, noise):
    ...         return 0 * vector
    >>> decoder = AttentionRNN(keras.layers.GRUCell(8), LuongAttention(), attention_layer=4)
    >>> frames, value = np.ones((2, 3, 4)), np.ones((2, 5, 6))
    >>> tuple(decoder(frames, value, sampling=Zeros(0.5), training=True).shape)
    (2, 3, 4)
    """

    def __init__(self, probability: float | keras.Variable, seed: Seed = None) -> None:
        if isinstance(probability, (str, type(None))) or (
            isinstance(probability, numbers.Real) and not 0 <= float(probability) <= 1
        ):
            raise ValueError(
                f"probability: expected a number from 0 to 1, received {probability!r}."
            )
        self.probability = probability
        given = isinstance(seed, keras.random.SeedGenerator)
        self.seed: keras.random.SeedGenerator = seed if given else keras.random.SeedGenerator(seed)

    def noise(self, batch: int | Tensor, steps: int | Tensor) -> tuple[Tensor, ...]:
        """The random numbers for a sequence, a tuple of tensors `(batch, steps, ...)`.

        The first tensor is True for the inputs to replace.
        """
        uniform = keras.random.uniform((batch, steps), seed=self.seed)
        replaced = uniform < ops.cast(self.probability, uniform.dtype)
        return (ops.logical_and(replaced, ops.arange(steps) > 0),)

    def next_inputs(self, vector: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        """The next inputs `(B, D)` from the last attentional vector `(B, units)`.

        Args:
            vector: of the last step.
            noise: one step of the result of `noise`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define next_inputs(vector, noise).")

    def replace(self, inputs: Tensor, vector: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        """`inputs` `(B, D)`, some of them replaced."""
        made = ops.cast(self.next_inputs(vector, noise), inputs.dtype)
        return ops.where(ops.expand_dims(noise[0], -1), made, inputs)


class ScheduledEmbedding(ScheduledSampling):
    """Replaces inputs by the embedding of an id sampled from the model's own distribution.

        id_t ~ softmax(logits(a_{t-1})),   inputs_t = embedding(id_t)

    No gradient flows through the sampled id.

    Source: Bengio et al., 2015; `tfa.seq2seq.ScheduledEmbeddingTrainingSampler`.

    Args:
        probability, seed: as in `ScheduledSampling`.
        logits: a layer or function from attentional vectors `(B, D)` to logits
            `(B, V)`.
        embedding: a layer or function from ids `(B,)` to inputs.
        size: V, the number of ids.

    Raises:
        ValueError: as `ScheduledSampling`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, LuongAttention
    >>> from keras_attention.layers.scheduled_sampling import ScheduledEmbedding
    >>> embedding, logits = keras.layers.Embedding(9, 4), keras.layers.Dense(9)
    >>> decoder = AttentionRNN(keras.layers.GRUCell(8), LuongAttention(), attention_layer=8)
    >>> sampling = ScheduledEmbedding(0.25, logits, embedding, size=9, seed=1)
    >>> inputs = embedding(np.ones((2, 3), "int32"))
    >>> vectors = decoder(inputs, np.ones((2, 5, 6)), sampling=sampling, training=True)
    >>> tuple(vectors.shape)
    (2, 3, 8)
    """

    def __init__(
        self,
        probability: float | keras.Variable,
        logits: Callable[[Tensor], Tensor],
        embedding: Callable[[Tensor], Tensor],
        size: int,
        seed: Seed = None,
    ) -> None:
        super().__init__(probability, seed)
        self.logits = logits
        self.embedding = embedding
        self.size = size

    def noise(self, batch: int | Tensor, steps: int | Tensor) -> tuple[Tensor, ...]:
        # The highest of logits plus Gumbel noise is a sample from their softmax.
        uniform = keras.random.uniform((batch, steps, self.size), minval=1e-20, seed=self.seed)
        return (*super().noise(batch, steps), -ops.log(-ops.log(uniform)))

    def next_inputs(self, vector: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        logits = self.logits(vector)
        return self.embedding(ops.argmax(logits + ops.cast(noise[1], logits.dtype), axis=-1))


class ScheduledOutput(ScheduledSampling):
    """Replaces inputs by the model's own output, for sequences of vectors.

        inputs_t = next_inputs_fn(a_{t-1})

    The gradient flows through it.

    Source: Bengio et al., 2015; `tfa.seq2seq.ScheduledOutputTrainingSampler`.

    Args:
        probability, seed: as in `ScheduledSampling`.
        next_inputs_fn: a layer or function from attentional vectors to inputs;
            by default the vectors themselves are the inputs.

    Raises:
        ValueError: as `ScheduledSampling`.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, LuongAttention
    >>> from keras_attention.layers.scheduled_sampling import ScheduledOutput
    >>> decoder = AttentionRNN(keras.layers.GRUCell(8), LuongAttention(), attention_layer=4)
    >>> sampling = ScheduledOutput(0.5, seed=1)
    >>> frames, value = np.ones((2, 3, 4)), np.ones((2, 5, 6))
    >>> tuple(decoder(frames, value, sampling=sampling, training=True).shape)
    (2, 3, 4)
    """

    def __init__(
        self,
        probability: float | keras.Variable,
        next_inputs_fn: Callable[[Tensor], Tensor] | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(probability, seed)
        self.next_inputs_fn = next_inputs_fn

    def next_inputs(self, vector: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        return vector if self.next_inputs_fn is None else self.next_inputs_fn(vector)
