"""Pictures of attention: where a model looked, and when."""

from keras_attention.plots.alignment import plot_attention as plot_attention
from keras_attention.plots.animation import animate_caption as animate_caption
from keras_attention.plots.captions import plot_caption as plot_caption
from keras_attention.plots.glimpses import plot_glimpses as plot_glimpses
