"""Plots of attention: alignments, captions and glimpses."""

from keras_attention.plots.alignment import plot_attention
from keras_attention.plots.animation import animate_caption
from keras_attention.plots.captions import plot_caption
from keras_attention.plots.glimpses import plot_glimpses
from keras_attention.plots.growing_alignment import animate_attention

__all__ = [
    "animate_attention",
    "animate_caption",
    "plot_attention",
    "plot_caption",
    "plot_glimpses",
]
