"""Live views of a model for notebooks."""

from keras_attention.widgets.explorer import AttentionExplorer

__all__ = ["AttentionExplorer"]
