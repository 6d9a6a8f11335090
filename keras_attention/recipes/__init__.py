"""Whole tasks from data to figures, as the scripts and notebooks run them."""

from keras_attention.recipes import (
    captioning,
    cloze,
    command,
    demo,
    g2p,
    glimpses,
    recipe,
    sentiment,
    tagging,
    training_run,
    translation,
)

__all__ = [
    "captioning",
    "cloze",
    "command",
    "demo",
    "g2p",
    "glimpses",
    "recipe",
    "sentiment",
    "tagging",
    "training_run",
    "translation",
]
