"""Faults of what a decoder reads and of what it is to write."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_attention._core.types import Array
from keras_attention.explain._batch import Batch, Ids
from keras_attention.explain._masks import difference, first_guilty
from keras_attention.explain._trace import Trace, run
from keras_attention.explain.findings import Finding

_MOST, _TOLERANCE = 0.9, 1e-4


def faults_of_targets(batch: Batch) -> Iterator[Finding]:
    """Targets without a start, without an end, or not shifted by one."""
    target, labels = batch.target, batch.labels
    if target is None or labels is None or labels.shape[:2] != target.values.shape:
        return
    labels = labels.reshape(labels.shape[0], labels.shape[1], -1)
    given = labels.argmax(-1) if labels.shape[-1] > 1 else labels[..., 0]
    yield from _of_the_shift(target, given, batch.special.pad)
    first = target.values[:, 0]
    start = batch.special.start
    without = float((first != start).mean())
    # Of models without special ids, any id may be the start, but it is one.
    if without > 0.5 and len(np.unique(first)) > 1:
        yield Finding(
            "targets without start",
            target.name,
            without,
            f"share of the examples whose target does not begin with the start id ({start})",
            "Decoding begins with the start: the decoder reads start, y1, y2, ... in training too.",
        )
    real = (given != batch.special.pad).sum(1)
    last = given[np.arange(len(given)), np.maximum(real - 1, 0)]
    ends = float((last == batch.special.end).mean())
    if ends < 0.5 and len(np.unique(last)) > 1:
        yield Finding(
            "targets without end",
            "labels",
            1 - ends,
            f"share of the examples whose labels do not end with the end id ({batch.special.end})",
            "A decoder that never learned the end writes until max_length.",
        )


def _of_the_shift(target: Ids, labels: Array, pad: int) -> Iterator[Finding]:
    read = target.values
    same = _agreement(read, labels, pad)
    ahead = _agreement(read[:, 1:], labels[:, :-1], pad)
    behind = _agreement(read[:, :-1], labels[:, 1:], pad)
    # Texts that repeat one token agree in every way.
    if ahead >= max(same, behind):
        return
    name, share = max(("same", same), ("behind", behind), key=lambda pair: pair[1])
    if share < _MOST:
        return
    what = {
        "same": "the decoder reads what it is to write",
        "behind": "targets shifted the wrong way",
    }[name]
    yield Finding(
        what,
        target.name,
        share,
        "share of the labels that the decoder has read before it writes them",
        "The decoder reads start, y1, y2, ... while the labels are y1, y2, ..., end.",
    )


def _agreement(one: Array, other: Array, pad: int) -> float:
    real = (other != pad) & (one != pad)
    return float((one == other)[real].mean()) if real.any() else 0.0


def looks_ahead(batch: Batch, trace: Trace) -> Iterator[Finding]:
    """Outputs at early positions change with later targets."""
    target = batch.target
    if target is None or target.length < 2:
        return
    at = target.length // 2
    changed = target.values.copy()
    changed[:, at:] = np.roll(changed[:, at:], 1, axis=0)
    usual = np.unique(target.values[batch.real(target)])
    same = changed[:, at:] == target.values[:, at:]
    changed[:, at:] = np.where(same, usual[len(usual) // 2], changed[:, at:])
    after = run(batch.model, batch.with_ids({target.leaf: changed}))

    def early(one: Array, other: Array) -> tuple[Array, Array] | None:
        if one.shape != other.shape or one.ndim < 2 or one.shape[1] != target.length:
            return None
        return one[:, :at], other[:, :at]

    pairs = (early(*pair) for pair in zip(trace.outputs, after.outputs))
    found = max((difference(*pair) for pair in pairs if pair is not None), default=0.0)
    if found <= _TOLERANCE:
        return
    guilty = first_guilty(trace, after, early)
    yield Finding(
        "a decoder that looks ahead",
        batch.model.name if guilty is None else guilty.path,
        found,
        f"largest change of the outputs before position {at} with the targets from there on",
        "It reads in training what it is to write: use_causal_mask=True in self-attention, "
        'padding="causal" in convolutions, and no Bidirectional over the target.',
    )
