"""The losses over attention weights as loops, and masks and weights to try them on."""

import numpy as np

from keras_attention import losses

# With holes, and an example that is all padding.
TARGET_MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
SOURCE_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [0, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool)


def random_weights(rng, target_mask=TARGET_MASK, source_mask=SOURCE_MASK):
    """Weights that sum to 1 over the real positions."""
    scores = np.exp(rng.normal(size=(*target_mask.shape, source_mask.shape[1])))
    scores = scores * target_mask[:, :, None] * source_mask[:, None]
    return scores / np.maximum(scores.sum(axis=-1, keepdims=True), 1e-9)


# The loops get one example without padding, as a list of steps.


def coverage(steps):
    seen, total = [0.0] * len(steps[0]), 0.0
    for weights in steps:
        total += sum(min(a, c) for a, c in zip(weights, seen))
        seen = [c + a for c, a in zip(seen, weights)]
    return total / len(steps)


def guided(steps, sigma=0.2):
    total, count = 0.0, 0
    for t, weights in enumerate(steps):
        for j, a in enumerate(weights):
            off = j / len(weights) - t / len(steps)
            total += a * (1 - np.exp(-(off**2) / (2 * sigma**2)))
            count += 1
    return total / count


def doubly_stochastic(steps):
    return sum((1 - sum(column)) ** 2 for column in zip(*steps))


def entropy(steps):
    total = 0.0
    for weights in steps:
        total -= sum(a * np.log(a) for a in weights if a > 0)
    return total / len(steps)


def redundancy(steps):
    total = 0.0
    for i, one in enumerate(steps):
        for j, other in enumerate(steps):
            total += (sum(a * b for a, b in zip(one, other)) - (i == j)) ** 2
    return total


LOSSES = {
    "coverage": (losses.coverage_loss, coverage),
    "guided": (losses.guided_attention_loss, guided),
    "doubly_stochastic": (losses.doubly_stochastic_loss, doubly_stochastic),
    "entropy": (losses.entropy_loss, entropy),
    "redundancy": (losses.redundancy_loss, redundancy),
}


def supervised(kind):
    """The loss of supervised attention, with alignments that follow from the weights' shape."""

    def loss(weights, target_mask=None, source_mask=None, **options):
        shape = tuple(weights.shape)
        links = np.broadcast_to(LINKS[:, : shape[1], : shape[2]], shape)
        return losses.alignment_loss(weights, links, target_mask, source_mask, kind=kind, **options)

    return loss


# 0 and 1, two of them in one step, and a step without any.
LINKS = np.zeros((4, 6, 7))
LINKS[0, [0, 1, 1, 3], [1, 0, 3, 4]] = 1
LINKS[1, [0, 2], [3, 0]] = 1
LINKS[2, [1, 1, 3, 3], [1, 4, 4, 2]] = 1
# Where the masks are False, and thus without effect.
LINKS[1, 1, 2] = LINKS[0, 5, 6] = LINKS[3, 1, 1] = 1


def aligned(kind):
    def by_hand(steps, links):
        total = count = 0.0
        for weights, row in zip(steps, links):
            if not sum(row):
                continue
            count += 1
            for a, link in zip(weights, row):
                share = link / sum(row)
                if kind == "mse":
                    total += 0.5 * (a - share) ** 2
                elif share:
                    total -= share * np.log(a)
        return total / count

    return by_hand


def sliced(array, example, target_mask=TARGET_MASK, source_mask=SOURCE_MASK):
    steps, positions = np.flatnonzero(target_mask[example]), np.flatnonzero(source_mask[example])
    return array[example][np.ix_(steps, positions)].tolist()
