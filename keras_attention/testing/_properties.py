"""What holds for every attention layer: one function per property, which fails with a message.

The name of a function is the property. Its docstring says what usually breaks it.
"""

from __future__ import annotations

import tempfile

import keras
import numpy as np
from keras import ops, tree

from keras_attention._core.backend import (
    compiled_by_xla,
    real_float64,
    with_unknown_sizes,
)
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Structure
from keras_attention.testing._derivatives import forward_and_back
from keras_attention.testing._numbers import (
    hold,
    hold_equal,
    hold_finite,
    hold_zero,
    numbers,
)
from keras_attention.testing._subject import QUERY_MASK, Subject, call, ids

POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
MASKS = ("none", "query", "value", "both")
RESULTS = ("outputs", "weights")


def outputs_and_weights_have_their_shapes(subject: Subject) -> None:
    """`compare` returns `(B, Tq, Tk)`, a normalizer the shape of its scores."""
    layer, inputs = subject.built(), subject.inputs()
    first, value = inputs[subject.first], inputs["value"]
    outputs, weights = numbers(call(layer, inputs))
    expected = (*first.shape[:2], value.shape[1])
    hold(weights.shape == expected, f"weights: expected {expected}, found {weights.shape}.")
    hold(
        outputs.ndim == 3 and outputs.shape[:2] == expected[:2],
        f"outputs: expected {(*expected[:2], 'features')}, found {outputs.shape}.",
    )


def weights_are_shares(subject: Subject) -> None:
    """No weight is negative, and those of a real query sum to 1 over the positions."""
    weights = numbers(call(subject.built(), subject.inputs()))[1]
    low, sums = float(weights.min()), weights[QUERY_MASK].sum(-1)
    hold(low >= 0, f"weights: expected none below 0, found {low:.6g}.")
    if subject.sums_to_one:
        worst = float(sums[np.abs(sums - 1).argmax()])
        hold(abs(worst - 1) < 1e-5, f"weights: expected a sum of 1, found {worst:.6g}.")


def a_second_call_gives_the_same(subject: Subject) -> None:
    """Attributes changed in `call` or `step` are no state: pass state in and out."""
    layer, inputs = subject.built(), subject.inputs()
    expected = numbers(call(layer, inputs))
    other = {**inputs, subject.first: inputs[subject.first][::-1], "value": -inputs["value"]}
    call(layer, other)
    hold_equal(call(layer, inputs), expected, RESULTS)


def examples_do_not_depend_on_each_other(subject: Subject) -> None:
    """A reduction over the whole batch, or a reshape that mixes it."""
    layer, inputs = subject.built(), subject.inputs()
    outputs, weights = numbers(call(layer, inputs))
    for row in range(len(outputs)):
        alone = call(layer, {name: array[row : row + 1] for name, array in inputs.items()})
        hold_equal(alone, (outputs[row : row + 1], weights[row : row + 1]), RESULTS)


def equals_the_naive_reference(subject: Subject) -> None:
    """The reference is the definition, in float64, one query and one key at a time."""
    if subject.reference is None:
        return
    with real_float64():
        layer, inputs = subject.built("float64"), subject.inputs("float64")
        hold_equal(call(layer, inputs), subject.reference(layer, inputs), RESULTS, atol=1e-10)


def masked_equals_sliced(subject: Subject, masks: str = "both") -> None:
    """Scores are masked, never weights, and what is masked enters no mean and no sum."""
    layer, inputs = subject.built(), subject.inputs()
    query_mask, value_mask = QUERY_MASK, subject.value_mask
    if masks in ("none", "value"):
        del inputs[f"{subject.first}_mask"]
        query_mask = np.ones_like(query_mask)
    if masks in ("none", "query"):
        del inputs["value_mask"]
        value_mask = np.ones_like(value_mask)
    outputs, weights = numbers(call(layer, inputs))
    for row, (real, kept) in enumerate(zip(query_mask, value_mask)):
        sliced = {
            subject.first: inputs[subject.first][row : row + 1, real],
            "value": inputs["value"][row : row + 1, kept],
        }
        found = outputs[row, real], weights[row, real][:, kept]
        hold_equal(found, [tensor[0] for tensor in call(layer, sliced)], RESULTS)
        hold_zero(outputs[row, ~real], "outputs of masked queries")
        hold_zero(weights[row, ~real], "weights of masked queries")
        hold_zero(weights[row][:, ~kept], "weights of masked positions")


def extra_padding_changes_nothing_whatever_stands_in_it(subject: Subject) -> None:
    """Masks select: zero times the NaN of some padding is NaN, forwards and backwards."""
    layer, inputs = subject.built(), subject.inputs()
    padded = {}
    for name, array in inputs.items():
        padded[name] = np.pad(array, [(0, 0), (0, 3), (0, 0)][: array.ndim])
        if array.ndim == 3:
            padded[name][:, -3:] = [[1e4], [np.nan], [np.inf]]
    (outputs, weights), found = map(numbers, forward_and_back(layer, padded))
    expected, expected_gradients = forward_and_back(layer, inputs)
    hold_equal((outputs[:, :3], weights[:, :3, :5]), expected, RESULTS)
    hold_zero(outputs[:, 3:], "outputs in the padding")
    names = [f"gradient of {subject.first}", "gradient of the value"]
    names += [f"gradient of {variable.path}" for variable in layer.trainable_variables]
    hold_equal([found[0][:, :3], found[1][:, :5], *found[2:]], expected_gradients, names)
    hold_zero(found[0][:, 3:], f"{names[0]} in the padding")
    hold_zero(found[1][:, 5:], f"{names[1]} in the padding")


def a_row_that_is_all_masked_gives_zeros(subject: Subject, policy: str = "float32") -> None:
    """A sum of weights that is 0 is divided by something else, and gradients stay finite."""
    layer, inputs = subject.built(policy), subject.inputs()
    inputs["value_mask"] = subject.value_mask & np.array([[True], [False], [True]])
    inputs[f"{subject.first}_mask"] = QUERY_MASK & np.array([[True], [True], [False]])
    found, gradients = map(numbers, forward_and_back(layer, inputs))
    outputs, weights = found
    hold_finite(found, f"outputs and weights in {policy}")
    hold_finite(gradients, f"gradients in {policy}")
    hold_zero(weights[1:], "weights")
    hold_zero(outputs[2], "outputs of masked queries")
    if not subject.recurrent:
        hold_zero(outputs[1], "outputs over a masked memory")
    hold_zero(gradients[1][1], "gradient of a value that nothing attends to")
    hold_zero(gradients[0][2], "gradient of a query that is padding")


def extreme_inputs_stay_finite(subject: Subject, policy: str = "float32") -> None:
    """Square roots and quotients at 0, and exponentials of large scores, also backwards."""
    layer = subject.built(policy)
    for factor in (0.0, 100.0):
        inputs = subject.inputs()
        for name in (subject.first, "value"):
            inputs[name] = factor * inputs[name]
        found, gradients = map(numbers, forward_and_back(layer, inputs))
        hold_finite(found, f"outputs and weights of inputs times {factor:g} in {policy}")
        # Those of the inputs may themselves be beyond float16.
        kept = gradients if policy == "float32" else gradients[2:]
        hold_finite(kept, f"gradients at inputs times {factor:g} in {policy}")
        low, most = float(found[1].min()), float(found[1].sum(-1).max())
        hold(low >= 0, f"weights: expected none below 0, found {low:.6g}.")
        if subject.sums_to_one:
            hold(most < 1.02, f"weights: expected a sum of 1, found {most:.6g}.")


def calling_over_a_sequence_equals_stepping(subject: Subject) -> None:
    """`call` and `step` are one computation, and `step` returns the state of the next step."""
    layer, inputs = subject.built(), subject.inputs()
    del inputs[f"{subject.first}_mask"]
    attention = layer.attention if subject.recurrent else layer
    memory = attention.memory(inputs["value"], mask=subject.value_mask)
    state, steps = layer.initial_state(memory), []
    for t in range(3):
        *found, state = layer.step(inputs[subject.first][:, t], memory, state)
        steps.append(found)
    stacked = [ops.stack(part, axis=1) for part in zip(*steps)]
    if not subject.recurrent:
        hold_equal(stacked, call(layer, inputs), RESULTS)
        return
    outputs, weights, last = call(layer, inputs, return_state=True)
    hold_equal(stacked, (outputs, weights), RESULTS)
    hold_equal(tree.flatten(state), tree.flatten(last), ["state"])


def gathering_a_state_by_rows_equals_running_these_rows(subject: Subject) -> None:
    """As beam search does it: all that a step needs is in its state, batch first."""
    layer, inputs = subject.built(), subject.inputs()
    attention = layer.attention if subject.recurrent else layer
    memory = attention.memory(inputs["value"], mask=subject.value_mask)
    first, then = inputs[subject.first][:, 0], inputs[subject.first][:, 1]
    *_, state = layer.step(first, memory, layer.initial_state(memory))
    expected = layer.step(then, memory, state)
    rows = np.array([2, 0, 2, 1])

    def gather(structure: Structure) -> Structure:
        return map_tensors(lambda tensor: ops.take(tensor, rows, axis=0), structure)

    found = layer.step(then[rows], gather(memory), gather(state))
    hold_equal(tree.flatten(found), tree.flatten(gather(expected)), RESULTS)


def implicit_masks_equal_explicit_masks(subject: Subject) -> None:
    """Keras fills in `NAME_mask` beside an argument `NAME`, and `supports_masking` is True."""
    layer = subject.built()
    model = subject.functional(layer)
    given = ids(QUERY_MASK), ids(subject.value_mask)
    hold_equal(model(given), subject.explicit(model, layer, *given), RESULTS)


def batch_and_lengths_may_be_unknown(subject: Subject) -> None:
    """`keras.ops.shape(x)[1]` in place of `x.shape[1]`, and no Python numbers of tensors."""
    layer = subject.built()
    model = subject.functional(layer)
    shapes = [tuple(output.shape) for output in model.outputs]
    known = [shape for shape in shapes if shape[:2] != (None, None)] or shapes[1][2] is not None
    hold(not known, f"symbolic shapes: expected unknown sizes, found {shapes}.")
    predict = with_unknown_sizes(
        lambda first, value: model([first, value]), (2, "int32"), (2, "int32")
    )
    for batch, queries, positions in ((2, 3, 5), (1, 4, 1), (3, 1, 2)):
        given = ids(np.ones((batch, queries), bool)), ids(np.ones((batch, positions), bool))
        hold_equal(predict(*given), subject.explicit(model, layer, *given), RESULTS)


def config_round_trip(subject: Subject) -> None:
    """`get_config` has every argument of the constructor, and weights are of `add_weight`."""
    layer, inputs = subject.built(), subject.inputs()
    again = type(layer).from_config(layer.get_config())
    expected = call(layer, inputs)
    call(again, inputs)
    again.set_weights(layer.get_weights())
    hold_equal(call(again, inputs), expected, RESULTS, atol=0)
    hold(again.get_config() == layer.get_config(), "config: not equal to that of its copy.")


def saved_and_loaded_gives_the_same_numbers(subject: Subject) -> None:
    """The class is registered with `keras.saving.register_keras_serializable`."""
    model = subject.functional(subject.built())
    given = ids(QUERY_MASK), ids(subject.value_mask)
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        loaded = keras.models.load_model(f"{folder}/model.keras", safe_mode=True)
    hold_equal(loaded(given), model(given), RESULTS, atol=0)


def xla_equals_eager(subject: Subject) -> None:
    """No Python decision about values: `keras.ops.where` and `keras.ops.cond`."""
    layer, inputs = subject.built(), subject.inputs()
    compiled = compiled_by_xla(lambda tensors: forward_and_back(layer, tensors))
    found, gradients = compiled(inputs)
    expected, expected_gradients = forward_and_back(layer, inputs)
    hold_equal(found, expected, RESULTS)
    hold_equal(gradients, expected_gradients, atol=1e-5)
