"""Faults that show in attention weights and in what they weigh."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_attention._core.types import Array
from keras_attention.explain._batch import Batch, Ids
from keras_attention.explain._trace import Attended, Trace, run
from keras_attention.explain.findings import Finding
from keras_attention.layers import Attention
from keras_attention.normalizers import Softmax
from keras_attention.scores import FixedContext

# Of a softmax in float32: above it, the gradient of the scores is lost to rounding.
_ONE = 1 - 1e-6
# Fresh weights are nearly uniform; these have to be so but for rounding.
_UNIFORM, _SAME, _SATURATED, _ELSEWHERE = 1e-5, 1e-6, 0.9, 0.1


def faults_of_weights(trace: Trace) -> Iterator[Finding]:
    """Saturated, uniform and constant weights of each layer."""
    for path, attended in trace.attended.items():
        rows = _real_rows(attended)
        if not len(rows):
            continue
        # Positions whose weight is zero for every query are masked.
        positions = (rows > 0).sum(-1)
        several = rows[positions >= 2]
        if _is_softmax(attended) and _share_of_ones(attended) >= _SATURATED:
            yield Finding(
                "saturated scores",
                path,
                _share_of_ones(attended),
                "share of queries with a weight of 1 to within 1e-6",
                "Scores this far apart have no gradient. Use scaled_dot or scale=True, a lower "
                "learning rate, or normalize queries and keys.",
            )
        elif len(several) and not _is_fixed(attended):
            yield from _constant(path, attended, several)


def _constant(path: str, attended: Attended, rows: Array) -> Iterator[Finding]:
    kept = np.where(rows > 0, rows, np.nan)
    spread = (np.nanmax(kept, -1) - np.nanmin(kept, -1)) * (rows > 0).sum(-1)
    if (rows > 0).sum(-1).max() >= 3 and spread.max() < _UNIFORM:
        yield Finding(
            "uniform weights",
            path,
            float(spread.max()),
            "largest spread of the weights of a query, relative to their mean",
            "The score is the same for all keys: look for weights that are zero, and for keys "
            "that are all alike.",
        )
    elif attended.weights.shape[1] > 1 and attended.queries is not None:
        real = _query_mask(attended)
        weights = np.where(real[..., None], attended.weights, np.nan)
        first = weights[np.arange(len(weights)), real.argmax(1)][:, None]
        change = float(np.nan_to_num(np.abs(weights - first)).max())
        if (real.sum(1) > 1).any() and change < _SAME:
            yield Finding(
                "frozen weights: the same for every query",
                path,
                change,
                "largest change of a weight from one query to another",
                "The score does not depend on the query: look for queries that are all alike, "
                "and for a projection of the query that is zero.",
            )


def values_that_know_everything(batch: Batch, trace: Trace) -> Iterator[Finding]:
    """Attention that is to show which inputs matter, over states that have read all of them."""
    whole = [output for output in trace.outputs if output.ndim <= 2]
    if batch.target is not None or len(batch.ids) != 1 or len(whole) != len(trace.outputs):
        return
    (ids,) = batch.ids
    over_ids = {
        path: attended
        for path, attended in trace.attended.items()
        if attended.values is not None
        and attended.values.shape[:2] == (batch.size, ids.length)
        and attended.weights.shape[1] != ids.length
    }
    if not over_ids or ids.length < 2:
        return
    changed, at = _one_word_changed(batch, ids)
    after = run(batch.model, batch.with_ids({ids.leaf: changed}))
    rows = np.arange(batch.size)
    for path, attended in over_ids.items():
        values = after.attended[path].values
        if values is None or attended.values is None:
            continue
        moved = np.abs(values - attended.values).sum(-1)
        total = moved.sum()
        elsewhere = float(1 - moved[rows, at].sum() / total) if total > 0 else 0.0
        if elsewhere > _ELSEWHERE:
            yield Finding(
                "attention over states that already know everything",
                path,
                elsewhere,
                "share of the change of the values at other positions when one input changes",
                "The weights do not show which inputs matter, since each value has read its "
                "neighbours. Use the embeddings as value and the states as key.",
            )


def _one_word_changed(batch: Batch, ids: Ids) -> tuple[Array, Array]:
    """The ids with another one in the middle of each example, and where that is."""
    real = batch.real(ids)
    at = np.maximum(real.sum(1) // 2 - (real.sum(1) > 1), 0)
    others = np.unique(ids.values[real])
    changed = ids.values.copy()
    for row, position in enumerate(at):
        different = others[others != changed[row, position]]
        if len(different):
            changed[row, position] = different[row % len(different)]
    return changed, at


def _query_mask(attended: Attended) -> Array:
    """`(B, Tq)`, True for queries that attended to something."""
    asked = np.asarray(attended.weights.any(-1))
    if attended.query_mask is None:
        return asked
    return np.logical_and(asked, attended.query_mask.astype(bool))


def _real_rows(attended: Attended) -> Array:
    return attended.weights[_query_mask(attended)]


def _share_of_ones(attended: Attended) -> float:
    """The share of queries with a weight of 1, of those of examples with several positions."""
    several = (attended.weights > 0).any(1).sum(-1) >= 2
    if not several.any() and attended.weights.shape[2] > 1:
        # All of the weight may be at one position in every query.
        several = np.ones(len(attended.weights), bool)
    rows = attended.weights[several][_query_mask(attended)[several]]
    if not len(rows) or attended.weights.shape[2] < 2:
        return 0.0
    return float((rows.max(-1) > _ONE).mean())


def _is_softmax(attended: Attended) -> bool:
    layer = attended.layer
    return not isinstance(layer, Attention) or isinstance(layer.normalizer, Softmax)


def _is_fixed(attended: Attended) -> bool:
    layer = attended.layer
    return isinstance(layer, Attention) and isinstance(layer.score, FixedContext)
