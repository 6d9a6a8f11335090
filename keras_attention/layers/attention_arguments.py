"""Checks of what an attention layer is called with."""

from __future__ import annotations

from keras import tree

from keras_attention._core.checks import check_batch, check_rank, check_shape
from keras_attention._core.types import Structure, Tensor

VALUE_MEANING = "(batch, length, features) or a feature map (batch, height, width, features)"


def check_attention_call(
    query: Tensor,
    value: Tensor,
    key: Tensor | None,
    query_mask: Tensor | None,
    value_mask: Tensor | None,
    key_mask: Tensor | None,
    attention_mask: Tensor | None,
    use_causal_mask: bool,
) -> None:
    """Refuses ranks, sizes and masks that do not fit together."""
    check_rank("query", query, (2, 3), "(batch, length, features) or (batch, features)")
    check_rank("value", value, (3, 4), VALUE_MEANING)
    check_batch("value", value, query.shape[0], "as many examples as query has")
    positions = value.shape[1:-1]
    if key is not None:
        expected = (value.shape[0], *positions, key.shape[-1])
        check_shape("key", key, expected, "as many examples and positions as value has")
    if query_mask is not None:
        check_shape("query_mask", query_mask, query.shape[:-1], "one boolean per query")
    for name, mask in (("value_mask", value_mask), ("key_mask", key_mask)):
        if mask is not None:
            expected = (value.shape[0], *positions)
            check_shape(name, mask, expected, "one boolean per position of value")
    if attention_mask is not None:
        expected = (*query.shape[:-1], *positions)
        meaning = "one boolean per query and position of value"
        check_shape("attention_mask", attention_mask, expected, meaning)
    if use_causal_mask and (len(query.shape) == 2 or len(value.shape) == 4):
        raise ValueError(
            "use_causal_mask: expected a query and a value of shape (batch, length, "
            f"features), received query of shape {tuple(query.shape)} and value of shape "
            f"{tuple(value.shape)}."
        )


def check_step(query: Tensor, keys: Tensor, state: Structure) -> None:
    """Refuses a query or a state of another batch size than the memory.

    A batch of 1 would be broadcast silently, and one example would attend to the memory of others.
    """
    check_batch("query", query, keys.shape[0], "as many examples as memory has")
    for part in [] if state is None else tree.flatten(state):
        check_batch("state", part, query.shape[0], "as many examples as query has")
