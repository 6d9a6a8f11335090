"""Whole tasks from data to figures, as the scripts and notebooks run them."""

from keras_attention.recipes import (
    captioning,
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
