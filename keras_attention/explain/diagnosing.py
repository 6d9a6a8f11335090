"""`diagnose`: what is wrong with a model, from one batch."""

from __future__ import annotations

import keras

from keras_attention._core.types import Structure
from keras_attention.explain._batch import Batch
from keras_attention.explain._gradients import dead_gradients, not_finite
from keras_attention.explain._masks import lost_masks, weight_on_padding
from keras_attention.explain._targets import faults_of_targets, looks_ahead
from keras_attention.explain._trace import Trace, run
from keras_attention.explain._weights import faults_of_weights, values_that_know_everything
from keras_attention.explain.findings import Diagnosis, Finding


def diagnose(model: keras.Model, batch: Structure) -> Diagnosis:
    """Looks for the usual faults of a model with attention, and of its data.

    The model runs on the batch a few times, eagerly: as it is, with more
    padding, with one word changed, and with later targets changed. Gradients
    are computed once, as in training. The model is left as it was.

    - **Masks**: results that change when the batch is padded further, by the
      first layer whose outputs change; attention weight on padding.
    - **Weights**: scores so far apart that they have no gradient; weights that
      are uniform, or the same for every query.
    - **Values**: in a classifier, attention over states of which each has read
      the whole sequence, so that its weights do not show what matters.
    - **Gradients**: NaN, layers without any gradient, frozen attention.
    - **Targets**: no start, no end, not shifted by one, and a decoder that reads
      later targets.

    Args:
        model: any Keras model, preferably compiled and trained for a while:
            fresh weights hide some faults.
        batch: what `fit` takes: the inputs, or a tuple of inputs and targets.
            At least two examples of different lengths, padded.

    Returns:
        A `Diagnosis`, which prints. What needs padded ids or targets is left
        out where there are none.

    Raises:
        ValueError: for a batch without inputs.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention.explain import diagnose
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> states = keras.layers.GRU(4)(keras.layers.Embedding(9, 4)(words))
    >>> model = keras.Model(words, keras.layers.Dense(1)(states), name="classifier")
    >>> found = diagnose(model, np.array([[5, 6, 7], [8, 4, 0]]))
    >>> [(one.what, one.where) for one in found.findings]
    [('lost mask: results depend on the padding', 'gru')]
    """
    read = Batch(model, batch)
    trace = run(model, read.inputs)
    checked = ["numbers", "weights", "gradients"]
    findings = [*not_finite(read, trace)]
    padded = _padded(read)
    if padded is not None:
        checked.append("masks")
        findings += [*lost_masks(read, trace, padded), *weight_on_padding(read, trace, padded)]
    if read.target is not None:
        checked.append("targets")
        findings += [*faults_of_targets(read), *looks_ahead(read, trace)]
    findings += [*faults_of_weights(trace), *values_that_know_everything(read, trace)]
    findings += dead_gradients(read, trace)
    return Diagnosis(model.name, tuple(_distinct(findings)), tuple(sorted(checked)))


def _padded(batch: Batch) -> Trace | None:
    """A run with more padding, or None where the model has one length or there are no ids."""
    if not batch.ids:
        return None
    try:
        return run(batch.model, batch.padded())
    except Exception:
        # A model of fixed lengths.
        return None


def _distinct(findings: list[Finding]) -> list[Finding]:
    """The first finding of each kind and place."""
    found: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        found.setdefault((finding.what, finding.where), finding)
    return list(found.values())
