"""Sampling: tokens drawn from the model's own distribution, inside the graph."""

import keras
from keras import ops

from keras_attention._core.checks import check_positive, check_positive_number
from keras_attention.generation.rows import decode_rows


def sample(
    model,
    inputs,
    max_length=64,
    temperature=1.0,
    top_k=None,
    top_p=None,
    seed=None,
    prefix=None,
    constraints=(),
):
    """Draws each token from the model's distribution, for a whole batch.

        p = softmax(logits / temperature)       of the k most probable tokens

    and of these of the fewest that together have a probability of `top_p` or
    more. As `greedy` in all else. One number a row and step is random, drawn
    before the first step, so that the loop itself holds nothing random.

    Sources: top-k: Fan, Lewis and Dauphin, "Hierarchical Neural Story
    Generation", 2018; top-p, or nucleus sampling: Holtzman et al., "The
    Curious Case of Neural Text Degeneration", 2020.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes; for several samples of a source,
            repeat it.
        max_length: how many tokens at most, the end included.
        temperature: above 0; the lower, the closer to greedy decoding.
        top_k: only the k most probable tokens, or None for all.
        top_p: only the most probable tokens, up to this share; above 0 and at
            most 1, or None for all.
        seed: an integer for the same samples each time, also in a graph (XLA
            has other random numbers); a `keras.random.SeedGenerator` for
            others at every call; by default the global one of Keras.
        prefix: ids `(B, P)` that each sequence begins with, without the start,
            padded with 0, or None.
        constraints: `Constraint` objects, see `keras_attention.generation`.

    Returns:
        `Decoded`; the scores are the model's own log-probabilities, whatever
        the temperature.

    Raises:
        ValueError: for numbers out of range, and as `greedy`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.generation import sample
    >>> from keras_attention.models import EncoderDecoder
    >>> model, source = EncoderDecoder(30, 40, units=16), np.array([[5, 6, 7]])
    >>> first, again = (sample(model, source, 5, top_k=10, seed=1).sequences for _ in range(2))
    >>> bool((first == again).numpy().all())
    True
    """
    check_positive("max_length", max_length)
    check_positive_number("temperature", temperature)
    if top_k is not None:
        check_positive("top_k", top_k)
    if top_p is not None and not (isinstance(top_p, (int, float)) and 0 < top_p <= 1):
        raise ValueError(f"top_p: expected a number above 0 and up to 1, received {top_p!r}.")
    drawn = []

    def choose(t, values):
        if not drawn:
            shape = (max_length, ops.shape(values)[0])
            drawn.append(keras.random.uniform(shape, dtype="float32", seed=seed))
        here = ops.expand_dims(ops.arange(max_length), 1) == t
        uniform = ops.sum(ops.where(here, drawn[0], 0.0), axis=0)
        return _drawn_token(values / temperature, uniform, top_k, top_p)

    return decode_rows(model, inputs, choose, max_length, prefix, constraints)


def _drawn_token(values, uniform, top_k, top_p):
    """One token a row: the first whose cumulative probability is above the random number."""
    ids, size = None, values.shape[-1]
    if top_k is not None or top_p is not None:
        size = size if top_k is None else min(top_k, size)
        values, ids = ops.top_k(values, size)
    p = ops.softmax(values)
    if top_p is not None:
        p = ops.where(ops.cumsum(p, axis=-1) - p < top_p, p, 0.0)
    up_to = ops.cumsum(p, axis=-1)
    # Below the whole sum, whatever the rounding.
    at = ops.expand_dims(ops.minimum(uniform, 1 - 1e-6), 1) * up_to[:, -1:]
    place = ops.sum(ops.cast(up_to <= at, "int32"), axis=-1, keepdims=True)
    place = ops.minimum(place, size - 1)
    if ids is None:
        return place[:, 0]
    here = ops.equal(ops.arange(size), place)
    return ops.sum(ops.where(here, ops.cast(ids, "int32"), 0), axis=-1)
