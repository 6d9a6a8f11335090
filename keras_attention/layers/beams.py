"""One step of attention for several beams that share an example of the memory."""

from __future__ import annotations

from keras import ops, tree

from keras_attention._core.protocols import AttentionMechanism
from keras_attention._core.structure import map_tensors
from keras_attention._core.types import Structure, Tensor


def attend_beams(
    attention: AttentionMechanism,
    query: Tensor,
    memory: Structure,
    state: Structure,
    noise: Structure = None,
    beams: int = 1,
) -> tuple[Tensor, Structure, Structure]:
    """As `attention.step`, for queries of `beams` consecutive sequences per example.

    Args:
        attention: the attention.
        query: `(B * beams, D)`.
        memory: of B examples.
        state: of `B * beams` sequences.
        noise: one step of the noise, or None.
        beams: how many consecutive queries share an example of the memory.

    Returns:
        The contexts, the weights and the next state.
    """
    if beams == 1:
        return attention.step(query, memory, state, noise=noise)
    if tree.flatten(state):
        # Each beam has a state of its own, and so attends one query at a time.
        memory = map_tensors(lambda x: ops.repeat(x, beams, axis=0), memory)
        return attention.step(query, memory, state, noise=noise)
    query = ops.reshape(query, (-1, beams, query.shape[-1]))
    context, weights, state = attention.attend(query, memory, state, noise=noise)
    context, weights = map_tensors(_merged, (context, weights))
    return context, weights, state


def _merged(x: Tensor) -> Tensor:
    """`(B, beams, ...)` to `(B * beams, ...)`."""
    return ops.reshape(x, (-1, *ops.shape(x)[2:]))
