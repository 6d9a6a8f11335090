"""Faults that show in numbers and gradients: NaN, and weights that cannot learn."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops, tree

from keras_attention._core.backend import differentiate
from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.explain._batch import Batch
from keras_attention.explain._trace import Trace, array, layers_of
from keras_attention.explain.findings import Finding
from keras_attention.layers import Attention

# Relative to the largest gradient.
_DEAD = 1e-12


def not_finite(batch: Batch, trace: Trace) -> Iterator[Finding]:
    """NaN or infinity in the outputs of a layer whose inputs were finite."""
    if all(map(_is_finite, trace.outputs)):
        return
    guilty = next((c for c in trace.calls if not all(map(_is_finite, c.outputs))), None)
    wrong = sum(int((~np.isfinite(x)).sum()) for x in trace.outputs if x.dtype.kind == "f")
    yield Finding(
        "numbers that are not finite",
        batch.model.name if guilty is None else guilty.path,
        wrong,
        "NaN and infinite numbers in the outputs of the model",
        "This is the first layer whose outputs are not finite: look at its weights and inputs, "
        "at logarithms and quotients of 0, and at the mask of a row that is all padding.",
    )


def dead_gradients(batch: Batch, trace: Trace) -> Iterator[Finding]:
    """Layers none of whose weights has a gradient, and attention that is not trained."""
    model = batch.model
    yield from _not_trained(model)
    variables = model.trainable_variables
    if not variables or not all(map(_is_finite, trace.outputs)):
        return
    gradients = [array(gradient) for gradient in _gradients(batch, variables)]
    largest = max(float(np.abs(gradient).max(initial=0)) for gradient in gradients)
    by_layer: dict[str, float] = {}
    for variable, gradient in zip(variables, gradients):
        owner = variable.path.rpartition("/")[0]
        size = float(np.abs(gradient).max(initial=0))
        by_layer[owner] = max(size, by_layer.get(owner, 0.0))
    detached = _detached(model)
    dead = {
        owner
        for owner, size in by_layer.items()
        if size <= _DEAD * max(largest, 1e-30) and not owner.startswith(detached)
    }
    if not dead:
        return
    turn = {call.path: number for number, call in enumerate(trace.calls)}
    last = max(dead, key=lambda owner: turn.get(owner, -1))
    yield Finding(
        "dead gradients",
        last,
        len(dead),
        "layers whose weights all have a gradient of 0",
        "Nothing before this layer learns either: look for activations that are 0 for every "
        "input, results that are not used, and stop_gradient.",
    )


def _gradients(batch: Batch, variables: list[keras.Variable]) -> list[Tensor]:
    model, labels = batch.model, batch.given_labels
    trained = {id(variable) for variable in variables}
    # Metrics, moving averages and seeds, which a step of training changes.
    others = [variable for variable in model.variables if id(variable) not in trained]
    kept = [array(variable) for variable in others]

    def loss() -> tuple[Tensor, Structure]:
        # As in training, where an estimator has its gradient.
        outputs = model(batch.inputs, training=True)
        if labels is not None and model.compiled:
            given = tree.map_structure(ops.convert_to_tensor, labels)
            return model.compute_loss(x=batch.inputs, y=given, y_pred=outputs), ()
        return _random_projection(outputs), ()

    found = differentiate(loss, [], variables)[1]
    for variable, value in zip(others, kept):
        variable.assign(value)
    return found


def _random_projection(outputs: Structure) -> Tensor:
    """A scalar that depends on every output."""
    rng, total = np.random.default_rng(0), 0.0
    for output in tree.flatten(outputs):
        if "float" in keras.backend.standardize_dtype(output.dtype):
            factors = rng.normal(size=tuple(output.shape)).astype("float32")
            total += ops.sum(ops.cast(output, "float32") * factors)
    return total


def _not_trained(model: keras.Model) -> Iterator[Finding]:
    if not model.trainable_variables:
        return
    for layer in layers_of(model):
        if isinstance(layer, Attention) and layer.weights and not layer.trainable_variables:
            yield Finding(
                "attention that is not trained",
                layer.path,
                len(layer.weights),
                "weights of the layer, of which none is trainable",
                "Set trainable=True, unless its weights were trained before.",
            )


def _detached(model: keras.Model) -> tuple[str, ...]:
    """Paths below which weights have the gradient of an estimator, in training alone."""
    return tuple(
        layer.path
        for layer in layers_of(model)
        if isinstance(layer, Attention) and layer.normalizer.detached
    )


def _is_finite(x: Array) -> bool:
    return x.dtype.kind != "f" or bool(np.isfinite(x).all())
