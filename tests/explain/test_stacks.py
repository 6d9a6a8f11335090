import itertools

import numpy as np
import pytest

from keras_attention.explain import flow, rollout


def random_weights(rng, layers=3, size=3):
    return [rng.dirichlet(np.ones(size), size=(2, size)) for _ in range(layers)]


def mixed(layer, residual):
    layer = (1 - residual) * layer + residual * np.eye(len(layer))
    return layer / layer.sum(-1, keepdims=True)


def naive_rollout(layers, residual):
    """The sum over all paths of the product of their edges."""
    size, found = len(layers[0]), np.zeros((len(layers[0]),) * 2)
    for path in itertools.product(range(size), repeat=len(layers) + 1):
        product = 1.0
        for number, layer in enumerate(layers):
            product *= mixed(layer, residual)[path[number + 1], path[number]]
        found[path[-1], path[0]] += product
    return found


def least_cut(layers, residual):
    """The capacity of the smallest of all cuts between an output and an input."""
    size, count = len(layers[0]), len(layers)
    edges = [
        ((n + 1, i), (n, j), mixed(layer, residual)[i, j])
        for n, layer in enumerate(layers)
        for i in range(size)
        for j in range(size)
    ]
    found = np.full((size, size), np.inf)
    inner = [(n, i) for n in range(1, count) for i in range(size)]
    for i, j in itertools.product(range(size), repeat=2):
        for sides in itertools.product((True, False), repeat=len(inner)):
            near = {node for node, side in zip(inner, sides) if side} | {(count, i)}
            # Other inputs lead nowhere: they are on the near side.
            near |= {(0, other) for other in range(size) if other != j}
            cut = sum(c for a, b, c in edges if a in near and b not in near)
            found[i, j] = min(found[i, j], cut)
    return found


def test_rollout_is_the_sum_over_all_paths(rng):
    weights = random_weights(rng)
    found = rollout(weights, residual=0.3)
    for b in range(2):
        expected = naive_rollout([layer[b] for layer in weights], 0.3)
        np.testing.assert_allclose(found[b], expected)
    np.testing.assert_allclose(found.sum(-1), 1)


def test_flow_is_the_least_cut(rng):
    weights = random_weights(rng)
    found = flow(weights, residual=0.3)
    for b in range(2):
        expected = least_cut([layer[b] for layer in weights], 0.3)
        np.testing.assert_allclose(found[b], expected, atol=1e-9)


def test_heads_are_averaged_and_padding_is_its_own(rng):
    heads = rng.dirichlet(np.ones(4), size=(1, 2, 4))
    heads[:, :, 3] = heads[:, :, :, 3] = 0
    for method in (rollout, flow):
        found = method([heads, heads])
        np.testing.assert_allclose(found, method([heads.mean(1)] * 2))
        np.testing.assert_allclose(found[0, 3], [0, 0, 0, 1])


def test_other_shapes_are_refused(rng):
    with pytest.raises(ValueError, match=r"weights: expected \(batch, length, length\)"):
        rollout([np.ones((2, 3, 4))])
    with pytest.raises(ValueError, match="of the first layer of every layer"):
        rollout([np.ones((2, 3, 3)), np.ones((2, 4, 4))])
    with pytest.raises(ValueError, match="of at least one layer, received none"):
        flow([])
