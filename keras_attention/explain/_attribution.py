"""How much each position of an input matters, by gradients and by leaving it out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention._core.backend import differentiate
from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.explain._trace import array, layers_of, watched
from keras_attention.layers import Attention


@dataclass(frozen=True)
class Classifier:
    """A model from ids to classes, and the class whose probability is explained.

    Attributes:
        model: from ids `(B, S)` to probabilities or logits `(B, K)`; of one
            output, that of class 1.
        embedding: the layer that the ids enter.
        pad: the id of padding.
        activated: whether the outputs are probabilities; else logits.
    """

    model: keras.Model
    embedding: keras.layers.Layer
    pad: int
    activated: bool

    def probabilities(self, ids: Tensor) -> Tensor:
        """`(B, K)`, at least two classes, that sum to 1."""
        outputs = ops.cast(self.model(ops.convert_to_tensor(ids), training=False), "float32")
        outputs = ops.reshape(outputs, (ops.shape(outputs)[0], -1))
        if outputs.shape[1] == 1:
            one = outputs if self.activated else ops.sigmoid(outputs)
            return ops.concatenate([1 - one, one], axis=1)
        return outputs if self.activated else ops.softmax(outputs)

    def of_class(self, ids: Array, target: Array) -> Array:
        """The probability `(B,)` of a class of each example, in parts of 256 rows."""
        parts = [array(self.probabilities(ids[i : i + 256])) for i in range(0, len(ids), 256)]
        return np.concatenate(parts)[np.arange(len(ids)), target]

    def gradients(self, ids: Array, target: Array, share: float) -> tuple[Array, Array]:
        """Embeddings, and gradients of the target's log-probability at a share of them."""
        embedded = array(self.embedding(ops.convert_to_tensor(ids)))
        chosen = np.eye(self.probabilities(ids).shape[1], dtype="float32")[target]

        def loss(moved: Tensor) -> tuple[Tensor, Structure]:
            with _embedded(self.embedding, moved):
                found = self.probabilities(ids)
            return ops.sum(ops.log(ops.sum(found * chosen, axis=1) + 1e-12)), ()

        start = (share * embedded).astype("float32")
        _, (gradient,) = differentiate(loss, [start], [])
        return embedded, array(gradient)


def classifier_of(model: keras.Model, ids: Array, pad: int) -> Classifier:
    """A model as a classifier; whether it gives probabilities shows in its outputs."""
    outputs = array(model(ops.convert_to_tensor(ids), training=False)).reshape(len(ids), -1)
    sums = outputs.sum(-1) if outputs.shape[1] > 1 else np.ones(1)
    inside = bool((outputs >= 0).all() and (outputs <= 1).all())
    activated = inside and bool(np.allclose(sums, 1, atol=1e-3))
    return Classifier(model, first_embedding(model), pad, activated)


@contextlib.contextmanager
def _embedded(embedding: keras.layers.Layer, vectors: Tensor) -> Iterator[None]:
    """Inside, an embedding gives these vectors; its mask is that of the ids."""

    def around(method: Callable[..., Structure]) -> Callable[..., Structure]:
        return lambda *args, **kwargs: vectors

    with watched(embedding, "call", around):
        yield


def gradient_times_input(classifier: Classifier, ids: Array, target: Array) -> Array:
    """`(B, S)`: the gradient of the log-probability, times the embedding, summed over features."""
    embedded, gradient = classifier.gradients(ids, target, 1.0)
    return (embedded * gradient).sum(-1)


def integrated_gradients(
    classifier: Classifier, ids: Array, target: Array, steps: int = 16
) -> Array:
    """`(B, S)`: the mean gradient on the way from zero to the embedding, times the embedding.

    Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep
    Networks", 2017.
    """
    total: Any = 0.0
    for step in range(steps):
        # The middle of each interval.
        embedded, gradient = classifier.gradients(ids, target, (step + 0.5) / steps)
        total = total + gradient / steps
    return (embedded * total).sum(-1)


def leave_one_out(classifier: Classifier, ids: Array, target: Array) -> Array:
    """`(B, S)`: by how much the probability falls when a position is left out."""
    real = ids != classifier.pad
    rows, positions = np.nonzero(real & (real.sum(1, keepdims=True) > 1))
    keep = real[rows]
    keep[np.arange(len(rows)), positions] = False
    found = np.zeros(ids.shape)
    if len(rows):
        without = classifier.of_class(kept(ids[rows], keep, classifier.pad), target[rows])
        found[rows, positions] = classifier.of_class(ids, target)[rows] - without
    return found


def kept(ids: Array, keep: Array, pad: int) -> Array:
    """The ids that are kept, moved to the front, with padding behind."""
    order = np.argsort(~keep, axis=1, kind="stable")
    moved = np.take_along_axis(ids, order, axis=1)
    return np.where(np.take_along_axis(keep, order, axis=1), moved, pad)


@contextlib.contextmanager
def other_weights(attention: Attention, change: Callable[[Array], Array]) -> Iterator[None]:
    """Inside, the weights `(B, Tq, Tk)` of an attention are those that `change` makes of them."""

    def around(method: Callable[..., Structure]) -> Callable[..., Structure]:
        def call(*args: Structure, **kwargs: Structure) -> Structure:
            weights = method(*args, **kwargs)
            return ops.cast(ops.convert_to_tensor(change(array(weights))), weights.dtype)

        return call

    with watched(attention.normalizer, "call", around):
        yield


def first_embedding(model: keras.Model) -> keras.layers.Embedding:
    """The only embedding of a model; refuses others."""
    found = [x for x in layers_of(model) if isinstance(x, keras.layers.Embedding)]
    if len(found) != 1:
        raise ValueError(f"model: expected one keras.layers.Embedding, received {len(found)}.")
    return found[0]
