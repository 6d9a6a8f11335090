"""Plots of attention: alignments, shaded text, captions and glimpses."""

from keras_attention.plots.alignment import plot_attention
from keras_attention.plots.animation import animate_caption
from keras_attention.plots.captions import plot_caption
from keras_attention.plots.faithfulness import plot_faithfulness
from keras_attention.plots.glimpses import plot_glimpses
from keras_attention.plots.growing_alignment import animate_attention
from keras_attention.plots.highlight import Highlight, highlight

__all__ = [
    "Highlight",
    "animate_attention",
    "animate_caption",
    "highlight",
    "plot_attention",
    "plot_caption",
    "plot_faithfulness",
    "plot_glimpses",
]
