"""Properties of scores and normalizers themselves, beside those of an attention with them."""

from __future__ import annotations

import inspect

import keras
import numpy as np
from keras import ops, tree

from keras_attention._core.types import Structure
from keras_attention.testing._numbers import hold, hold_equal, hold_zero, numbers
from keras_attention.testing._properties import POLICIES
from keras_attention.testing._subject import ENDING_MASK, QUERY_SIZE, Subject


def scores_are_in_at_least_float32(subject: Subject) -> None:
    """`compare` receives at least float32 and must not cast down, whatever the policy."""
    for policy in POLICIES:
        layer, inputs = subject.built(policy), subject.inputs()
        memory = layer.memory(inputs["value"])
        state = layer.initial_state(memory).score
        state = state if tree.flatten(state) else None
        found = layer.score(inputs["query"][:, :1], inputs["value"], state)
        dtype = keras.backend.standardize_dtype(found.dtype)
        hold(dtype == "float32", f"scores in {policy}: expected float32, found {dtype}.")
        expected = (len(inputs["value"]), 1, inputs["value"].shape[1])
        shape = tuple(found.shape)
        hold(shape == expected, f"scores: expected shape {expected}, found {shape}.")


def weights_keep_dtype_and_mask(subject: Subject) -> None:
    """A normalizer computes in the dtype of its scores, and selects by the mask."""
    for policy in POLICIES:
        layer, inputs = subject.built(policy), subject.inputs()
        state = layer.normalizer.initial_state(layer.memory(inputs["value"]))
        options = {"state": state} if tree.flatten(state) else {}
        scores = np.random.default_rng(7).normal(size=(3, 1, 5)).astype("float32")
        mask = ENDING_MASK[:, None]
        found = layer.normalizer(ops.convert_to_tensor(scores), mask, **options)
        dtype = keras.backend.standardize_dtype(found.dtype)
        hold(dtype == "float32", f"weights in {policy}: expected float32, found {dtype}.")
        (weights,) = numbers([found])
        hold(weights.shape == (3, 1, 5), f"weights: expected (3, 1, 5), found {weights.shape}.")
        hold_zero(weights[~mask], "weights of masked positions")


def the_score_has_a_full_config(subject: Subject) -> None:
    """`get_config` has every argument of the constructor."""
    _hold_full_config(subject.built().score)


def the_normalizer_has_a_full_config(subject: Subject) -> None:
    """`get_config` has every argument of the constructor."""
    _hold_full_config(subject.built().normalizer)


def _hold_full_config(layer: keras.layers.Layer) -> None:
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    rest = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    names = {p.name for p in parameters if p.kind not in rest} - {"self"}
    missing = sorted(names - set(layer.get_config()))
    hold(not missing, f"config: expected {', '.join(missing)} in it, found none.")


def a_step_changes_the_state(subject: Subject) -> None:
    """`next_state` returns the new state: what it does not return is lost."""
    layer, inputs = subject.built(), subject.inputs()
    memory = layer.memory(inputs["value"], mask=subject.value_mask)
    weights = np.random.default_rng(8).uniform(size=(3, 5)).astype("float32")
    weights = ops.convert_to_tensor(weights / weights.sum(-1, keepdims=True))
    query = layer.score.project_query(ops.convert_to_tensor(inputs["query"][:, 0]))
    for name, part, more in (
        ("score", layer.score, (query,)),
        ("normalizer", layer.normalizer, ()),
    ):
        before = part.initial_state(memory)
        if not tree.flatten(before):
            continue
        after = part.next_state(before, weights, *more)
        hold(
            _differ(before, after),
            f"{name}: the state after a step equals the state before it.",
        )
        hold_equal(
            [np.shape(x) for x in numbers(tree.flatten(after))],
            [np.shape(x) for x in numbers(tree.flatten(before))],
            [f"shape of the state of the {name}"],
        )


def steps_carry_a_state(subject: Subject) -> None:
    """`step` returns the state after it, not the one that it was given."""
    layer, inputs = subject.built(), subject.inputs()
    attention = layer.attention if subject.recurrent else layer
    memory = attention.memory(inputs["value"], mask=subject.value_mask)
    first = attention.initial_state(memory)
    if not tree.flatten(first):
        return
    query, state = np.random.default_rng(9).normal(size=(2, 3, QUERY_SIZE)), first
    for one in query.astype("float32"):
        *_, state = attention.step(ops.convert_to_tensor(one), memory, state)
    hold(_differ(first, state), "the state after two steps equals the first state.")


def _differ(one: Structure, other: Structure) -> bool:
    pairs = zip(numbers(tree.flatten(one)), numbers(tree.flatten(other)))
    return any(a.shape != b.shape or (a != b).any() for a, b in pairs)
