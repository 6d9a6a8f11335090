"""`check_decoder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_attention._core.backend import compiled
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Array, Structure, Tensor
from keras_attention.generation import BeamSearch, Greedy, as_decoder
from keras_attention.generation.decoder import Decoder, DecoderLike, mask_of_ids
from keras_attention.testing._numbers import (
    hold,
    hold_equal,
    hold_finite,
    hold_zero,
    numbers,
)
from keras_attention.testing._report import Property, as_property, run

_STEPS = 4
_TOLERANCE = 1e-4
# The names of what a step returns.
_LOGITS = "logits"


def check_decoder(
    decoder: DecoderLike | Callable[..., Any],
    inputs: Structure,
    *,
    forward: Callable[[Structure, Tensor], Tensor] | None = None,
) -> None:
    """Tries a decoder of one's own on the properties that searches and exports rely on.

    Steps are repeated, run for single examples, with the rows of the state in
    another order as a beam search puts them, for other tokens, over more
    padding, and in a graph; and a beam search of one beam is compared with
    greedy decoding.

    Args:
        decoder: an object with `start(inputs)` and `step(tokens, state)`, or
            anything else that `keras_attention.generation.as_decoder` takes.
        inputs: what `start` takes: two examples or more, batch first, not all
            alike. Ids, alone or as `"source"` of a dictionary, are padded too.
        forward: `forward(inputs, ids)` gives the logits `(B, T, V)` of whole
            targets `(B, T)` that begin with the start, as in training. The
            steps must give the same. By default, of a `keras.Model` with
            `start` and `step` that takes inputs by name, its call with
            `"target"`.

    Raises:
        ConformanceError: with every property that does not hold.
        ValueError: for fewer than two examples, and what is no decoder.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.testing import check_decoder
    >>> model = EncoderDecoder(30, 40, units=16)
    >>> check_decoder(model, {"source": np.array([[5, 6, 7], [8, 9, 0]])})
    """
    made = as_decoder(decoder)
    batch = len(tree.flatten(inputs)[0])
    if batch < 2:
        raise ValueError(f"inputs: expected two examples or more, received {batch}.")
    steps = isinstance(decoder, DecoderLike) and isinstance(inputs, Mapping)
    if forward is None and steps and isinstance(decoder, keras.Model):
        model: Any = decoder

        def forward(inputs: Structure, ids: Tensor) -> Tensor:
            return model({**inputs, "target": ids})

    trial = _Trial(made, tree.map_structure(np.asarray, inputs), batch, forward)
    name = decoder.name if isinstance(decoder, keras.Layer) else type(decoder).__name__
    stages: list[list[Property]] = [
        [as_property(_step_returns_logits_state_and_weights, trial)],
        [
            as_property(one, trial)
            for one in (
                _a_second_step_gives_the_same,
                _steps_depend_on_earlier_tokens,
                _examples_do_not_depend_on_each_other,
                _gathering_a_state_by_rows_equals_running_these_rows,
                _extra_padding_changes_nothing,
                _steps_equal_the_forward_pass,
            )
        ],
        [
            as_property(one, trial)
            for one in (_a_graph_gives_the_same, _a_beam_search_of_one_beam_is_greedy)
        ],
    ]
    run(name, stages)


@dataclass(frozen=True)
class _Trial:
    """A decoder, its inputs and the forward pass of its model."""

    decoder: Decoder
    inputs: Structure
    batch: int
    forward: Callable[[Structure, Tensor], Tensor] | None

    def tokens(self, size: int, seed: int = 0) -> Array:
        """Random ids `(B, 4)` of a vocabulary of `size` that begin with the start."""
        special = self.decoder.special_ids
        never = {special.pad, special.start, special.end, special.unknown}
        usual = [i for i in range(size) if i not in never] or [0]
        ids = np.random.default_rng(seed).choice(usual, (self.batch, _STEPS)).astype("int32")
        ids[:, 0] = special.start
        return ids

    @property
    def size(self) -> int:
        """The number of logits."""
        start = np.full((self.batch,), self.decoder.special_ids.start, "int32")
        state = self.decoder.start(self.inputs)
        return int(self.decoder.step(ops.convert_to_tensor(start), state)[0].shape[-1])

    def run(self, inputs: Structure, ids: Array) -> tuple[Array, Array | None]:
        """The log-probabilities `(B, T, V)` and the weights `(B, T, S)` of steps in turn."""
        state, found = self.decoder.start(inputs), []
        for t in range(ids.shape[1]):
            logits, state, weights = self.decoder.step(ops.convert_to_tensor(ids[:, t]), state)
            found.append((_log_probabilities(logits), weights))
        logits = np.stack([one for one, _ in found], axis=1)
        if any(weights is None for _, weights in found):
            return logits, None
        return logits, np.stack(numbers(weights for _, weights in found), axis=1)


def _log_probabilities(logits: Tensor) -> Array:
    (found,) = numbers([ops.log_softmax(ops.cast(logits, "float32"), axis=-1)])
    return np.maximum(found, -60.0)


def _step_returns_logits_state_and_weights(trial: _Trial) -> None:
    """`step` returns `(logits, state, weights or None)`; logits, not probabilities."""
    state = trial.decoder.start(trial.inputs)
    for leaf in tree.flatten(state):
        size = None if leaf is None else np.shape(leaf)[:1]
        hold(
            size in (None, (trial.batch,)),
            f"state: expected {trial.batch} rows in every tensor, found one of {size} rows.",
        )
    tokens = ops.full((trial.batch,), trial.decoder.special_ids.start, dtype="int32")
    logits, after, weights = trial.decoder.step(tokens, state)
    (found,) = numbers([logits])
    hold(
        found.ndim == 2 and len(found) == trial.batch,
        f"logits: expected shape ({trial.batch}, vocabulary), found {found.shape}.",
    )
    hold_finite([found], "logits")
    alike = (found >= 0).all() and np.allclose(found.sum(-1), 1, atol=1e-3)
    hold(not alike, "logits: expected logits, found numbers that sum to 1: probabilities.")
    hold(
        len(tree.flatten(after)) == len(tree.flatten(state)),
        f"state: expected {len(tree.flatten(state))} tensors after a step, found "
        f"{len(tree.flatten(after))}.",
    )
    if weights is not None:
        (shares,) = numbers([weights])
        hold(
            shares.ndim >= 2 and len(shares) == trial.batch,
            f"weights: expected shape ({trial.batch}, positions), found {shares.shape}.",
        )
        low, most = float(shares.min()), float(shares.reshape(trial.batch, -1).sum(-1).max())
        hold(
            low >= 0 and most < 1.02, f"weights: expected shares, found {low:g} and sums {most:g}."
        )


def _a_second_step_gives_the_same(trial: _Trial) -> None:
    """Attributes changed in `start` or `step` are no state: pass state in and out."""
    ids = trial.tokens(trial.size)
    expected = trial.run(trial.inputs, ids)[0]
    trial.run(trial.inputs, trial.tokens(trial.size, seed=1))
    hold_equal([trial.run(trial.inputs, ids)[0]], [expected], [_LOGITS], _TOLERANCE)


def _steps_depend_on_earlier_tokens(trial: _Trial) -> None:
    """`step` returns the state after it, not the one that it was given."""
    ids = trial.tokens(trial.size)
    other = ids.copy()
    usual = trial.tokens(max(trial.size, 2), seed=2)[:, 1]
    other[:, 1] = np.where(usual == ids[:, 1], trial.decoder.special_ids.end, usual)
    one, changed = (trial.run(trial.inputs, each)[0][:, 2] for each in (ids, other))
    largest = float(np.abs(one - changed).max())
    hold(largest > 1e-9, "logits of a step are the same after other tokens before it.")


def _examples_do_not_depend_on_each_other(trial: _Trial) -> None:
    """A reduction over the whole batch, or a reshape that mixes it."""
    ids = trial.tokens(trial.size)
    expected = trial.run(trial.inputs, ids)[0]
    rows = np.array([1, 0, *range(2, trial.batch)])
    for chosen in (rows, np.array([1])):
        inputs = tree.map_structure(lambda x, chosen=chosen: x[chosen], trial.inputs)
        found = trial.run(inputs, ids[chosen])[0]
        hold_equal([found], [expected[chosen]], [_LOGITS], _TOLERANCE)


def _gathering_a_state_by_rows_equals_running_these_rows(trial: _Trial) -> None:
    """As beam search does it: all that a step needs is in its state, batch first."""
    ids = trial.tokens(trial.size)
    decoder, rows = trial.decoder, np.array([1, 0, *range(2, trial.batch)])
    _, state, _ = decoder.step(ops.convert_to_tensor(ids[:, 0]), decoder.start(trial.inputs))
    expected, _, _ = decoder.step(ops.convert_to_tensor(ids[:, 1]), state)
    expected = _log_probabilities(expected)[rows]
    gathered = map_tensors(lambda x: ops.take(ops.convert_to_tensor(x), rows, axis=0), state)
    found, _, _ = decoder.step(ops.convert_to_tensor(ids[rows, 1]), gathered)
    hold_equal([_log_probabilities(found)], [expected], [_LOGITS], _TOLERANCE)


def _extra_padding_changes_nothing(trial: _Trial) -> None:
    """The encoder and the attention receive the mask of the source."""
    pad = trial.decoder.special_ids.pad
    source = trial.inputs["source"] if isinstance(trial.inputs, Mapping) else trial.inputs
    if mask_of_ids(trial.inputs, pad) is None or not isinstance(source, np.ndarray):
        return
    longer = np.pad(source, ((0, 0), (0, 3)), constant_values=pad)
    padded = {**trial.inputs, "source": longer} if isinstance(trial.inputs, Mapping) else longer
    ids = trial.tokens(trial.size)
    expected, _ = trial.run(trial.inputs, ids)
    found, weights = trial.run(padded, ids)
    hold_equal([found], [expected], [_LOGITS], _TOLERANCE)
    if weights is not None and weights.shape[-1] == longer.shape[1]:
        on_padding = weights * (longer == pad)[:, None]
        hold_zero(on_padding, "weights of padding")


def _steps_equal_the_forward_pass(trial: _Trial) -> None:
    """Training and decoding run the same computation."""
    if trial.forward is None:
        return
    ids = trial.tokens(trial.size)
    expected = _log_probabilities(trial.forward(trial.inputs, ops.convert_to_tensor(ids)))
    found, _ = trial.run(trial.inputs, ids)
    hold_equal([found], [expected], [_LOGITS], _TOLERANCE)


def _a_graph_gives_the_same(trial: _Trial) -> None:
    """Only `keras.ops` on tensors: no NumPy, no Python numbers and no attributes of tensors."""
    ids = trial.tokens(trial.size)[:, :2]

    def two_steps(given: Structure) -> Tensor:
        state = trial.decoder.start(given["inputs"])
        _, state, _ = trial.decoder.step(given["ids"][:, 0], state)
        logits, _, _ = trial.decoder.step(given["ids"][:, 1], state)
        return logits

    given = {"inputs": trial.inputs, "ids": ids}

    def spec(x: Array) -> keras.KerasTensor:
        return keras.KerasTensor(x.shape, str(x.dtype))

    graph = compiled(two_steps, tree.map_structure(spec, given))
    (expected, found) = (_log_probabilities(one(given)) for one in (two_steps, graph))
    hold_equal([found], [expected], [_LOGITS], _TOLERANCE)


def _a_beam_search_of_one_beam_is_greedy(trial: _Trial) -> None:
    """The searches of the library decode with it."""
    greedy = Greedy(max_length=_STEPS)(trial.decoder, trial.inputs)
    beam = BeamSearch(1, max_length=_STEPS)(trial.decoder, trial.inputs)
    hold_equal([_padded(beam.sequences)], [_padded(greedy.sequences)], ["sequences"], _TOLERANCE)


def _padded(sequences: Tensor) -> Array:
    (found,) = numbers([sequences])
    return np.pad(found, ((0, 0), (0, 0), (0, _STEPS - found.shape[-1])))
