"""A recorded beam search as plain values, which a browser can read."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_attention.generation import BeamNode, BeamTree, Choice

_DIGITS = 5


def answer_of(tree: BeamTree) -> dict[str, Any]:
    """Lists, numbers and strings of a `BeamTree`.

    The weights with which a token was chosen depend on the tokens before it alone, so they
    belong to the node of the token before, as the choices do.
    """
    nodes = [_node(node) for node in tree.nodes]
    for node in tree.nodes[1:]:
        parent = nodes[node.parent or 0]
        if "weights" not in parent:
            parent["weights"] = np.round(node.attention, _DIGITS).ravel().tolist()
    shape = tree.nodes[0].attention.shape
    return {
        "source": tree.source_tokens,
        "map": list(shape) if len(shape) == 2 else None,
        "nodes": nodes,
        "best": list(tree.best),
        "texts": [one.text for one in tree.results],
    }


def _node(node: BeamNode) -> dict[str, Any]:
    return {
        "parent": node.parent,
        "position": node.position,
        **_choice(node.chosen),
        "total": round(node.log_probability, _DIGITS),
        "fate": node.fate,
        "reason": node.reason,
        "choices": [_choice(choice) for choice in node.choices],
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "id": choice.id,
        "token": choice.token,
        "probability": round(choice.probability, _DIGITS),
    }
