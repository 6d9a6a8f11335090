"""`check_score`, `check_normalizer` and `check_attention`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras

from keras_attention._core.checks import check_flag
from keras_attention._core.protocols import AttentionMechanism, StepwiseMechanism
from keras_attention.layers import Attention, AttentionRNN
from keras_attention.normalizers.base import Normalizer
from keras_attention.scores.base import Score
from keras_attention.testing import _derivatives as derivatives
from keras_attention.testing import _parts as parts
from keras_attention.testing import _properties as properties
from keras_attention.testing._report import Property, as_property, run
from keras_attention.testing._subject import (
    ENDING_MASK,
    QUERY_SIZE,
    VALUE_MASK,
    Subject,
    call,
)

Check = Callable[[Subject], None]
# Of the value, other than that of the query where a layer allows it.
_VALUE_SIZE = 6


def check_score(
    score: Callable[..., Score], *, holes: bool = True, smooth: bool = True, compiled: bool = True
) -> None:
    """Tries a score of one's own on the properties that every score of the library has.

    An `Attention` with the score is called, stepped, masked, padded, saved and
    loaded, differentiated in float64 and compared with finite differences, run
    in half precision, in a graph of unknown sizes and compiled by XLA. Inputs
    are random, zero and large. It takes a few seconds; write it as a test.

    Args:
        score: the class, or a function of `dtype` that makes a score, such as
            `functools.partial(MyScore, units=5)`.
        holes: whether masked positions stand between real ones too; False for
            a score that knows which position is the next one.
        smooth: whether its gradient is that of the function itself.
        compiled: whether XLA is tried too.

    Raises:
        ConformanceError: with every property that does not hold, what was found
            and what usually breaks it.

    Example:

    >>> import keras
    >>> from keras import ops
    >>> from keras_attention.scores import Score
    >>> from keras_attention.testing import ConformanceError, check_score
    >>> @keras.saving.register_keras_serializable(package="example")
    ... class OfTheBatch(Score):
    ...     def compare(self, query, keys):
    ...         keys = keys - ops.mean(keys, axis=0)
    ...         return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))
    >>> try:
    ...     check_score(OfTheBatch)
    ... except ConformanceError as error:
    ...     found = [one.property for one in error.violations]
    >>> "examples do not depend on each other" in found
    True
    """

    def make(dtype: str) -> Attention:
        return Attention(score(dtype=dtype), dtype=dtype)

    subject = _subject(_name(score), make, holes, smooth, compiled)
    own = (parts.scores_are_in_at_least_float32, parts.the_score_has_a_full_config)
    run(subject.name, _stages(subject, *own))


def check_normalizer(
    normalizer: Callable[..., Normalizer],
    *,
    sums_to_one: bool = True,
    holes: bool = True,
    smooth: bool = True,
    compiled: bool = True,
) -> None:
    """Tries a normalizer of one's own, as `check_score` does a score.

    Args:
        normalizer: the class, or a function of `dtype` that makes one.
        sums_to_one: whether the weights of a query with real positions sum to
            1.
        holes, smooth, compiled: as in `check_score`.

    Raises:
        ConformanceError: with every property that does not hold.

    Example:

    >>> import keras
    >>> from keras_attention.normalizers import Normalizer
    >>> from keras_attention.testing import ConformanceError, check_normalizer
    >>> @keras.saving.register_keras_serializable(package="example")
    ... class Unmasked(Normalizer):
    ...     def call(self, scores, mask=None):
    ...         return keras.ops.softmax(scores)
    >>> try:
    ...     check_normalizer(Unmasked)
    ... except ConformanceError as error:
    ...     print(error.violations[0].property)
    weights keep dtype and mask
    """

    def make(dtype: str) -> Attention:
        return Attention("general", normalizer(dtype=dtype), dtype=dtype)

    subject = _subject(_name(normalizer), make, holes, smooth, compiled)
    subject = replace(subject, sums_to_one=check_flag("sums_to_one", sums_to_one))
    own = (parts.weights_keep_dtype_and_mask, parts.the_normalizer_has_a_full_config)
    run(subject.name, _stages(subject, *own))


def check_attention(
    attention: Callable[..., Any],
    *,
    sums_to_one: bool = True,
    holes: bool = True,
    smooth: bool = True,
    compiled: bool = True,
) -> None:
    """Tries an attention of one's own, alone and in an `AttentionRNN`.

    A layer that has only `memory`, `initial_state` and `step` is tried in the
    `AttentionRNN` alone. Any other is called as `keras_attention.Attention` is:
    `layer(query, value, query_mask=..., value_mask=...,
    return_attention_scores=True)`.

    Args:
        attention: the class, or a function of `dtype` that makes one.
        sums_to_one: whether the weights of a query with real positions sum to
            1.
        holes, smooth, compiled: as in `check_score`.

    Raises:
        ConformanceError: with every property that does not hold.
        ValueError: for an object that is no attention.

    Example:

    >>> import keras
    >>> from keras_attention import Attention
    >>> from keras_attention.testing import ConformanceError, check_attention
    >>> @keras.saving.register_keras_serializable(package="example")
    ... class Unmasked(Attention):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**{"score": "general", **kwargs})
    ...     def memory(self, value, key=None, mask=None):
    ...         return super().memory(value, key)
    >>> try:
    ...     check_attention(Unmasked)
    ... except ConformanceError as error:
    ...     print(error.violations[0].property)
    masked equals sliced
    """
    name = _name(attention)
    made = attention(dtype="float32")
    if not isinstance(made, StepwiseMechanism):
        raise ValueError(
            f"attention: expected a layer with memory, initial_state and step, received {name}."
        )

    def recurrent(dtype: str) -> AttentionRNN:
        # Not the orthogonal default, whose decomposition TensorFlow lacks in bfloat16.
        cell = keras.layers.GRUCell(QUERY_SIZE, recurrent_initializer="glorot_uniform", dtype=dtype)
        return AttentionRNN(cell, attention(dtype=dtype), dtype=dtype)

    mask = VALUE_MASK if check_flag("holes", holes) else ENDING_MASK
    in_rnn = Subject(
        f"{name} in an AttentionRNN",
        recurrent,
        None,
        "sequence",
        QUERY_SIZE,
        compiled=check_flag("compiled", compiled),
        value_mask=mask,
        sums_to_one=check_flag("sums_to_one", sums_to_one),
        smooth=check_flag("smooth", smooth),
    )
    if isinstance(made, AttentionMechanism):
        alone = replace(_subject(name, attention, holes, smooth, compiled), sums_to_one=sums_to_one)
        run(name, _stages(alone))
        in_rnn = replace(in_rnn, compiled=False)
    run(in_rnn.name, _stages(in_rnn))


def _subject(
    name: str, make: Callable[..., Any], holes: bool, smooth: bool, compiled: bool
) -> Subject:
    mask = VALUE_MASK if check_flag("holes", holes) else ENDING_MASK
    subject = Subject(
        name,
        make,
        None,
        "query",
        _VALUE_SIZE,
        compiled=check_flag("compiled", compiled),
        value_mask=mask,
        smooth=check_flag("smooth", smooth),
    )
    try:
        call(subject.built(), subject.inputs())
    except Exception:
        # A score that compares feature by feature; what else is wrong shows in the first stage.
        return replace(subject, value_size=QUERY_SIZE)
    return subject


def _stages(subject: Subject, *own: Check) -> Iterator[list[Property]]:
    """The properties, those first whose failure explains that of others."""
    yield _of(subject, properties.outputs_and_weights_have_their_shapes, *own)
    yield _of(
        subject,
        parts.a_step_changes_the_state if own else parts.steps_carry_a_state,
        properties.calling_over_a_sequence_equals_stepping,
        properties.gathering_a_state_by_rows_equals_running_these_rows,
        properties.masked_equals_sliced,
        properties.weights_are_shares,
        properties.a_second_call_gives_the_same,
        properties.examples_do_not_depend_on_each_other,
    )
    yield [
        *_of(
            subject,
            properties.extra_padding_changes_nothing_whatever_stands_in_it,
            properties.extreme_inputs_stay_finite,
            properties.config_round_trip,
            properties.saved_and_loaded_gives_the_same_numbers,
            properties.implicit_masks_equal_explicit_masks,
        ),
        as_property(properties.extreme_inputs_stay_finite, subject, "mixed_float16"),
        *(
            as_property(properties.a_row_that_is_all_masked_gives_zeros, subject, policy)
            for policy in properties.POLICIES
        ),
    ]
    yield _of(
        subject,
        properties.batch_and_lengths_may_be_unknown,
        derivatives.gradients_equal_finite_differences,
    )
    if subject.compiled:
        yield _of(subject, properties.xla_equals_eager)


def _of(subject: Subject, *functions: Check) -> list[Property]:
    return [as_property(function, subject) for function in functions]


def _name(make: Callable[..., Any]) -> str:
    if isinstance(make, type):
        return make.__name__
    return type(make(dtype="float32")).__name__
