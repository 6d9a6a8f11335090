"""`faithfulness`: whether attention says what a classifier's output depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_attention._core.checks import check_id, check_ids
from keras_attention._core.types import Array, Tensor
from keras_attention.explain._attribution import (
    Classifier,
    classifier_of,
    gradient_times_input,
    integrated_gradients,
    kept,
    leave_one_out,
    other_weights,
)
from keras_attention.explain._trace import array, run
from keras_attention.layers import Attention

# Of the tokens, as in DeYoung et al.
_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
_PERMUTATIONS = 10


@dataclass(frozen=True)
class Method:
    """How well one way to say what matters does so; means over the examples.

    Attributes:
        comprehensiveness: by how much the probability falls without the tokens
            that matter most; higher is better.
        sufficiency: by how much it falls with these tokens alone; lower is
            better.
        correlation: Kendall's tau-b with the attention weights.

    Example:

    >>> from keras_attention.explain import Method
    >>> Method(0.5, 0.1, 1.0).comprehensiveness
    0.5
    """

    comprehensiveness: float
    sufficiency: float
    correlation: float


@dataclass(frozen=True)
class Faithfulness:
    """What `faithfulness` found; it prints.

    Attributes:
        methods: by name: `"attention"`, `"gradient x input"`, `"integrated
            gradients"`, `"leave one out"` and `"random"`.
        importance: by name, `(B, S)`: how much each position matters.
        changes: by how the weights were changed, `"permuted"`, `"uniform"` or
            `"random"`, the mean total variation distance of the outputs.
        best: the method whose comprehensiveness exceeds its sufficiency most.
        attention_explains: whether attention is more comprehensive than chance
            and at least half as much so as the best method.

    Example:

    >>> from keras_attention.explain import Faithfulness, Method
    >>> methods = {"attention": Method(0.5, 0.1, 1.0)}
    >>> found = Faithfulness(methods, {}, {"uniform": 0.2}, "attention", True)
    >>> print(str(found).splitlines()[-1])
    Attention points at what the outputs depend on.
    """

    methods: dict[str, Method]
    importance: dict[str, Array]
    changes: dict[str, float]
    best: str
    attention_explains: bool

    def __str__(self) -> str:
        lines = [f"{'':22}comprehensiveness  sufficiency  correlation with attention"]
        for name, one in self.methods.items():
            numbers = f"{one.comprehensiveness:17.3f}  {one.sufficiency:11.3f}"
            lines.append(f"{name:22}{numbers}  {one.correlation:26.2f}")
        lines.append("Change of the outputs with other weights:")
        lines += [f"    {name:18}{change:.3f}" for name, change in self.changes.items()]
        lines.append(f"Best: {self.best}.")
        if self.attention_explains:
            lines.append("Attention points at what the outputs depend on.")
        else:
            lines.append(f"Attention does not explain the outputs here; {self.best} does better.")
        return "\n".join(lines)


def faithfulness(
    model: keras.Model,
    inputs: Tensor,
    target: Tensor | None = None,
    attention: str | None = None,
    pad_id: int = 0,
    seed: int = 0,
) -> Faithfulness:
    """Compares attention with what the outputs of a classifier really depend on.

    Four ways to say which tokens matter are tried: the attention weights, the
    gradient times the embedding, integrated gradients, and leaving one token
    out; beside them, random numbers. Each is judged by removing tokens: the
    most important 1, 5, 10, 20 and 50 % of each text, one at least, are left
    out (comprehensiveness) or kept alone (sufficiency), and the fall of the
    probability is averaged. Then the model runs with other attention weights:
    permuted, uniform and random. Where its outputs stay as they are, the
    weights explain nothing.

    Sources: DeYoung et al., "ERASER", 2020; Jain and Wallace, "Attention is not
    Explanation", 2019 (permuted weights); Wiegreffe and Pinter, "Attention is
    not not Explanation", 2019 (uniform and random weights, here without
    training anew).

    Args:
        model: from ids `(B, S)` to classes, logits or probabilities `(B, K)`
            or, of two classes, `(B, 1)`; with one embedding and an
            `Attention` over its positions.
        inputs: ids `(B, S)`, padded at the end.
        target: the class of each example whose probability is explained; by
            default the most probable one.
        attention: the path of the layer; by default the only one whose keys
            are the positions.
        pad_id: the id of padding.
        seed: of the random weights.

    Returns:
        `Faithfulness`.

    Raises:
        ValueError: where there are several embeddings, or no attention layer
            over the positions, or several and no `attention`.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_attention.explain import faithfulness
    >>> from keras_attention.layers import AttentionPooling
    >>> words = keras.Input((None,), dtype="int32")
    >>> embedded = keras.layers.Embedding(9, 4, mask_zero=True)(words)
    >>> outputs = keras.layers.Dense(2, activation="softmax")(AttentionPooling(4)(embedded))
    >>> found = faithfulness(keras.Model(words, outputs), np.array([[5, 6, 7], [8, 4, 0]]))
    >>> round(found.methods["attention"].correlation, 2)
    1.0
    """
    ids = np.asarray(inputs)
    check_ids("inputs", ids)
    pad = check_id("pad_id", pad_id)
    rng = np.random.default_rng(seed)
    classifier = classifier_of(model, ids, pad)
    before = array(classifier.probabilities(ids))
    chosen = before.argmax(1) if target is None else np.asarray(target).astype(int).reshape(-1)
    layer, weights = _attention_over(model, ids, attention)
    importance = {
        "attention": weights,
        "gradient x input": gradient_times_input(classifier, ids, chosen),
        "integrated gradients": integrated_gradients(classifier, ids, chosen),
        "leave one out": leave_one_out(classifier, ids, chosen),
        "random": rng.uniform(size=ids.shape),
    }
    methods = {
        name: _judged(classifier, ids, chosen, scores, weights)
        for name, scores in importance.items()
    }

    def gain(name: str) -> float:
        return methods[name].comprehensiveness - methods[name].sufficiency

    best = max(methods, key=gain)
    ours, chance = methods["attention"].comprehensiveness, methods["random"].comprehensiveness
    explains = ours > chance and ours >= 0.5 * methods[best].comprehensiveness
    changes = _changes(classifier, ids, layer, before, rng)
    return Faithfulness(methods, importance, changes, best, explains)


def _attention_over(model: keras.Model, ids: Array, path: str | None) -> tuple[Attention, Array]:
    """The attention over the positions, and its weights, the mean over its queries."""
    found = {
        name: attended
        for name, attended in run(model, ids).attended.items()
        if attended.weights.shape[::2] == ids.shape and isinstance(attended.layer, Attention)
    }
    if path is not None:
        found = {name: attended for name, attended in found.items() if name == path}
    if len(found) != 1:
        given = "none" if not found else ", ".join(found)
        raise ValueError(
            "attention: expected the path of the one Attention over the positions of the "
            f"inputs, received {path!r}; found {given}."
        )
    (attended,) = found.values()
    return attended.layer, attended.weights.mean(1)


def _judged(
    classifier: Classifier, ids: Array, target: Array, scores: Array, weights: Array
) -> Method:
    real = ids != classifier.pad
    ranks = np.argsort(np.argsort(np.where(real, -scores, np.inf), axis=1), axis=1)
    full, falls, left = classifier.of_class(ids, target), [], []
    for share in _SHARES:
        count = np.maximum(1, np.round(share * real.sum(1)))[:, None]
        top = real & (ranks < count)
        falls.append(full - classifier.of_class(kept(ids, real & ~top, classifier.pad), target))
        left.append(full - classifier.of_class(kept(ids, top, classifier.pad), target))
    pairs = (kendall(scores[i][row], weights[i][row]) for i, row in enumerate(real))
    correlations = [tau for tau in pairs if not np.isnan(tau)]
    correlation = float(np.mean(correlations)) if correlations else float("nan")
    return Method(float(np.mean(falls)), float(np.mean(left)), correlation)


def _changes(
    classifier: Classifier, ids: Array, layer: Attention, before: Array, rng: Any
) -> dict[str, float]:
    """Total variation distances of the outputs with other weights."""

    def permuted(weights: Array) -> Array:
        changed = weights.copy()
        for row in changed.reshape(-1, changed.shape[-1]):
            at = np.flatnonzero(row)
            row[at] = row[rng.permutation(at)]
        return changed

    def uniform(weights: Array) -> Array:
        real = (weights > 0).astype(weights.dtype)
        return real / np.maximum(real.sum(-1, keepdims=True), 1)

    def random(weights: Array) -> Array:
        drawn = rng.exponential(size=weights.shape) * (weights > 0)
        return (drawn / np.maximum(drawn.sum(-1, keepdims=True), 1e-30)).astype(weights.dtype)

    found = {}
    for name, change in (("permuted", permuted), ("uniform", uniform), ("random", random)):
        distances = []
        for _ in range(1 if change is uniform else _PERMUTATIONS):
            with other_weights(layer, change):
                after = array(classifier.probabilities(ids))
            distances.append(np.abs(after - before).sum(1) / 2)
        found[name] = float(np.median(distances, axis=0).mean())
    return found


def kendall(one: Array, other: Array) -> float:
    """Kendall's tau-b of two rankings; NaN where one of them has nothing but ties.

    Source: Kendall, "The Treatment of Ties in Ranking Problems", 1945.
    """
    pairs = np.triu_indices(len(one), 1)
    a, b = (np.sign(x[pairs[0]] - x[pairs[1]]) for x in (one, other))
    scale = np.sqrt((a != 0).sum() * (b != 0).sum())
    return float((a * b).sum() / scale) if scale else float("nan")
