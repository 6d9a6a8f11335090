"""Faults that show when a batch is padded further."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from keras_attention._core.types import Array
from keras_attention.explain._batch import Batch
from keras_attention.explain._trace import Call, Trace
from keras_attention.explain.findings import Finding

_TOLERANCE = 1e-4
_LEAST_SHARE = 1e-3
Pairs = Callable[[Array, Array], "tuple[Array, Array] | None"]


def difference(one: Array, other: Array) -> float:
    """The largest difference, relative to the largest number if that is above 1."""
    if one.dtype.kind not in "fc" or not one.size:
        return 0.0
    one, other = (np.where(np.isfinite(x), x, 0) for x in (one, other))
    scale = max(1.0, float(np.abs(other).max(initial=0)))
    return float(np.abs(one - other).max(initial=0)) / scale


def differ(ones: list[Array], others: list[Array], align: Pairs) -> float:
    """The largest difference between aligned tensors."""
    aligned = (align(one, other) for one, other in zip(ones, others))
    return max((difference(*pair) for pair in aligned if pair is not None), default=0.0)


def first_guilty(one: Trace, other: Trace, align: Pairs) -> Call | None:
    """The first call with other outputs from the same inputs."""
    calls, turn = other.by_path(), dict[str, int]()
    for call in one.calls:
        number = turn.get(call.path, 0)
        turn[call.path] = number + 1
        twins = calls.get(call.path, [])
        if number >= len(twins):
            continue
        twin = twins[number]
        if differ(call.outputs, twin.outputs, align) <= _TOLERANCE:
            continue
        if differ(call.inputs, twin.inputs, align) <= _TOLERANCE:
            return call
    return None


def lost_masks(batch: Batch, trace: Trace, padded: Trace) -> Iterator[Finding]:
    """Results change where a batch is padded further: a layer reads the padding."""
    if not any(ids.pads for ids in batch.ids):
        return
    found = differ(trace.outputs, padded.outputs, batch.aligned)
    if found <= _TOLERANCE:
        return
    guilty = first_guilty(trace, padded, batch.aligned)
    masked = guilty is not None and any(x.dtype == bool for x in guilty.inputs)
    why = "It receives a mask and does not apply it." if masked else "It receives no mask."
    yield Finding(
        "lost mask: results depend on the padding",
        batch.model.name if guilty is None else guilty.path,
        found,
        "largest change of the outputs when the batch is padded further",
        f"{why} Set mask_zero=True in the embedding, pass mask= where a layer is called with an "
        "initial_state, and set supports_masking in your own layers.",
    )


def weight_on_padding(batch: Batch, trace: Trace, padded: Trace) -> Iterator[Finding]:
    """Attention weights at positions of padding."""
    for path, attended in padded.attended.items():
        before = trace.attended.get(path)
        if before is None:
            continue
        weights = attended.weights
        keys = batch.of_length(before.weights.shape[2], weights.shape[2])
        if keys is None or not keys.pads or len(weights) != batch.size:
            continue
        real = np.pad(batch.real(keys), ((0, 0), (0, keys.more)))
        on_padding = (weights * ~real[:, None]).sum(-1)
        queries = batch.of_length(before.weights.shape[1], weights.shape[1])
        if queries is not None and queries.pads:
            on_padding = on_padding[:, : queries.length][batch.real(queries)]
        share = float(on_padding.mean()) if on_padding.size else 0.0
        if share > _LEAST_SHARE:
            yield Finding(
                "weight on padding",
                path,
                share,
                "mean share of the weight of a query that lies on padding",
                "Pass value_mask, or make the values with layers that hand their mask on.",
            )
