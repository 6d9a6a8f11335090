"""What reaches a position through a stack of self-attention: rollout and flow."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from keras_attention._core.checks import check_rate
from keras_attention._core.types import Array, Tensor


def rollout(weights: Sequence[Tensor], residual: float = 0.5) -> Array:
    """Attention rollout: how much of each input reaches each output of a stack.

        A_l = (1 - residual) W_l + residual I, each row divided by its sum
        rollout = A_L ... A_2 A_1

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers",
    2020.

    Args:
        weights: of each layer, from the first to the last, `(B, T, T)`, or
            `(B, heads, T, T)`, of which the mean over the heads is taken;
            `attention_weights` gives them.
        residual: the share of the residual connection, below 1.

    Returns:
        `(B, T, T)`, outputs by inputs, in float64. Rows sum to 1; a query
        without weights, such as padding, is its own.

    Raises:
        ValueError: for no layer, and shapes that do not fit.

    Example:

    >>> from keras_attention.explain import rollout
    >>> rollout([[[[1.0, 0.0], [0.5, 0.5]]]] * 2)[0].tolist()
    [[1.0, 0.0], [0.4375, 0.5625]]
    """
    found, *later = _with_residuals(weights, residual)
    for layer in later:
        found = layer @ found
    return found


def flow(weights: Sequence[Tensor], residual: float = 0.5) -> Array:
    """Attention flow: the largest flow from each output of a stack to each input.

    The layers are a network whose capacities are the weights, with residual
    connections as in `rollout`. Where paths share an edge, rollout multiplies
    and flow is limited by its capacity.

    It takes time: for B examples of T positions there are `B * T * T` flows.

    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers",
    2020; the algorithm: Edmonds and Karp, 1972.

    Args:
        weights, residual: as in `rollout`.

    Returns:
        `(B, T, T)`, outputs by inputs, in float64; between 0 and 1.

    Raises:
        ValueError: for no layer, and shapes that do not fit.

    Example:

    >>> from keras_attention.explain import flow
    >>> flow([[[[1.0, 0.0], [0.5, 0.5]]]] * 2)[0].tolist()
    [[1.0, 0.0], [0.5, 0.75]]
    """
    layers = _with_residuals(weights, residual)
    batch, size = layers[0].shape[:2]
    found = np.zeros((batch, size, size))
    for b in range(batch):
        capacities = _network([layer[b] for layer in layers])
        for i in range(size):
            for j in range(size):
                found[b, i, j] = max_flow(capacities, len(layers) * size + i, j)
    return found


def max_flow(capacities: Array, source: int, sink: int) -> float:
    """The largest flow from one node to another; `capacities[a, b]` is that of the edge a to b."""
    rest, total = capacities.copy(), 0.0
    while True:
        before = _shortest_path(rest, source, sink)
        if before is None:
            return total
        path, node = [], sink
        while node != source:
            path.append((before[node], node))
            node = before[node]
        least = min(rest[edge] for edge in path)
        for a, b in path:
            rest[a, b] -= least
            rest[b, a] += least
        total += float(least)


def _shortest_path(rest: Array, source: int, sink: int) -> dict[int, int] | None:
    """The node before each node, or None where nothing more reaches the sink."""
    before, waiting = {source: source}, deque([source])
    while waiting:
        node = waiting.popleft()
        # Less than rounding leaves is nothing.
        for following in np.flatnonzero(rest[node] > 1e-12):
            if following not in before:
                before[int(following)] = node
                if following == sink:
                    return before
                waiting.append(int(following))
    return None


def _network(layers: Sequence[Array]) -> Array:
    """Capacities between all positions of all layers, the inputs first."""
    size = len(layers[0])
    capacities = np.zeros(((len(layers) + 1) * size,) * 2)
    for number, layer in enumerate(layers):
        low, high = number * size, (number + 1) * size
        capacities[high : high + size, low:high] = layer
    return capacities


def _with_residuals(weights: Sequence[Tensor], residual: float) -> list[Array]:
    residual = check_rate("residual", residual)
    found: list[Array] = []
    for layer in weights:
        layer = np.asarray(layer, "float64")
        layer = layer.mean(1) if layer.ndim == 4 else layer
        if layer.ndim != 3 or layer.shape[1] != layer.shape[2]:
            raise ValueError(
                "weights: expected (batch, length, length) of each layer, received shape "
                f"{layer.shape}."
            )
        if found and layer.shape != found[0].shape:
            raise ValueError(
                f"weights: expected the shape {found[0].shape} of the first layer of every "
                f"layer, received {layer.shape}."
            )
        mixed = (1 - residual) * layer + residual * np.eye(layer.shape[1])
        # Without weights and without a residual connection, a position is its own.
        mixed = np.where(mixed.any(-1, keepdims=True), mixed, np.eye(layer.shape[1]))
        found.append(mixed / mixed.sum(-1, keepdims=True))
    if not found:
        raise ValueError("weights: expected those of at least one layer, received none.")
    return found
