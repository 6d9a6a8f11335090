"""Runs a decoder along a target, beside the forward pass of its model."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops, tree

from keras_attention.generation.any_model.ports import Ports, find_ports
from keras_attention.generation.any_model.stepwise import StepwiseDecoder

V = 12
BATCH, BEAMS, LENGTH = 2, 3, 5


def decoder_of(model, on_prefix=()):
    if len(tree.flatten(model.output)[0].shape) == 2:
        # Logits of the next token alone.
        ports = Ports(tuple(x.name for x in model.inputs if x.name != "target"), "target")
    else:
        ports = find_ports(model)
    return StepwiseDecoder(model, ports, on_prefix)


def example(model, ports):
    """Sources of a model, with padding in those of ids."""
    random = np.random.RandomState(0)
    names = model.input if isinstance(model.input, dict) else {x.name: x for x in model.inputs}
    found = {}
    for name in ports.sources:
        shape = (BATCH, *(4 if size is None else size for size in names[name].shape[1:]))
        if "int" in names[name].dtype:
            found[name] = random.randint(1, V, shape).astype("int32")
            found[name][1, -1:] = 0
        else:
            found[name] = random.normal(size=shape).astype("float32")
    return found


def target(rows, padded=True, length=LENGTH):
    random = np.random.RandomState(1)
    ids = random.randint(1, V, (rows, length)).astype("int32")
    if padded:
        ids[-1, -2:] = 0
    return ids


def forward(model, ports, inputs, ids):
    """The forward pass: logits `(B, T, V)`, and weights or None."""
    names = list(model.input) if isinstance(model.input, dict) else [x.name for x in model.inputs]
    given = {**inputs, ports.target: ids}
    given = given if isinstance(model.input, dict) else [given[name] for name in names]
    flat = [ops.convert_to_numpy(x) for x in tree.flatten(model(given))]
    logits = flat[ports.logits].astype("float32")
    if ports.probabilities:
        logits = np.log(np.maximum(logits, 1e-30))
    return logits, None if ports.weights is None else flat[ports.weights]


def along(decoder, inputs, ids, beams=1):
    """The logits and weights of steps along `ids` `(B * beams, T)`."""
    state = decoder.start(inputs)
    constant = {name: state[name] for name in decoder.constant_parts}
    state = {name: part for name, part in state.items() if name not in constant}
    if beams > 1:
        state = tree.map_structure(
            lambda x: None if x is None else ops.repeat(x, beams, axis=0), state
        )
    logits, weights = [], []
    for t in range(ids.shape[1]):
        tokens = ops.convert_to_tensor(ids[:, t])
        one, state, its_weights = decoder.step(tokens, {**state, **constant}, beams=beams)
        logits.append(ops.convert_to_numpy(one).astype("float32"))
        weights.append(None if its_weights is None else ops.convert_to_numpy(its_weights))
    if weights[0] is None:
        return np.stack(logits, 1), None
    return np.stack(logits, 1), np.stack(weights, 1)


def check(model, decoder, beams=1, tolerance=1e-5, padded=True, length=LENGTH):
    """The steps give the numbers of the forward pass, at all real positions."""
    inputs = example(model, decoder.ports)
    ids = target(BATCH * beams, padded, length)
    repeated = {name: np.repeat(x, beams, axis=0) for name, x in inputs.items()}
    want, shown = forward(model, decoder.ports, repeated, ids)
    got, weights = along(decoder, inputs, ids, beams)
    if want.ndim == 2:
        want, got = want[:, None], got[:, -1:]
        ids = ids[:, -1:]
    real = ids != 0
    np.testing.assert_allclose(got[real], want[real], atol=tolerance, rtol=tolerance)
    if shown is not None and shown.ndim == 3:
        np.testing.assert_allclose(weights[real], shown[real], atol=tolerance)
    return weights


__all__ = ["V", "along", "check", "decoder_of", "example", "forward", "keras", "target"]
