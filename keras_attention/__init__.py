"""Attention layers for Keras 3: additive, multiplicative, and recurrent over either.

Importing this package brings Keras and nothing heavier. It also registers every class with Keras,
so that `keras.saving.load_model` finds them. `cli`, `datasets`, `explain`, `export`,
`plots`, `recipes`, `testing` and `widgets` are imported when first used.
"""

import importlib
from pathlib import Path
from types import ModuleType

from keras_attention._core.other_package import warn_of_other_package
from keras_attention._core.quiet import import_keras

warn_of_other_package(Path(__file__).parent)
import_keras()

from keras_attention import (  # noqa: E402
    callbacks,
    generation,
    layers,
    losses,
    metrics,
    models,
    normalizers,
    scores,
    text,
    tfa,
    vision,
    windows,
)
from keras_attention.layers import (  # noqa: E402
    Attention,
    AttentionRNN,
    AttentionRNNState,
    AttentionState,
    BahdanauAttention,
    LuongAttention,
    Memory,
    MultiHeadAttention,
)

__version__ = "0.1.0"

# Imported when first used: what they need takes long to import, or is an extra.
_LAZY = ("cli", "datasets", "explain", "export", "plots", "recipes", "testing", "widgets")

__all__ = [
    "Attention",
    "AttentionRNN",
    "AttentionRNNState",
    "AttentionState",
    "BahdanauAttention",
    "LuongAttention",
    "Memory",
    "MultiHeadAttention",
    "callbacks",
    "cli",
    "datasets",
    "explain",
    "export",
    "generation",
    "layers",
    "losses",
    "metrics",
    "models",
    "normalizers",
    "plots",
    "recipes",
    "scores",
    "testing",
    "text",
    "tfa",
    "vision",
    "widgets",
    "windows",
]


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
