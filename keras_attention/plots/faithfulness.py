"""How faithful attention and other methods are, as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_attention.plots.labels import drawable, fonts
from keras_attention.plots.panels import make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_attention.explain import Faithfulness

# What is drawn of each method: the name of the attribute, and the color.
_BARS = {"comprehensiveness": "#3b6cb4", "sufficiency": "#d9822b"}
_BAR = 0.17  # inches
_PANEL = 3.0
_LABELS = 1.6
_TOP = 0.55


def plot_faithfulness(reports: Faithfulness | Mapping[str, Faithfulness]) -> Figure:
    """Draws comprehensiveness and sufficiency of every method, one panel for each model.

    A faithful method has a long blue bar, the fall of the probability without
    the words that it calls important, and a short orange one, the fall with
    these words alone.

    Args:
        reports: of `keras_attention.explain.faithfulness`, by the name of the
            model; or one.

    Returns:
        A matplotlib figure, independent of `matplotlib.pyplot`.

    Raises:
        ImportError: without the extra `plots`.
        ValueError: for no reports.

    Example:

    >>> from keras_attention.explain import Faithfulness, Method
    >>> from keras_attention.plots import plot_faithfulness
    >>> methods = {"attention": Method(0.5, 0.1, 1.0), "random": Method(0.1, 0.4, 0.0)}
    >>> report = Faithfulness(methods, {}, {"uniform": 0.2}, "attention", True)
    >>> figure = plot_faithfulness({"my model": report})
    >>> [axes.get_title() for axes in figure.axes]
    ['my model']
    """
    models = reports if isinstance(reports, Mapping) else {"": reports}
    if not models:
        raise ValueError("reports: expected at least one, received none.")
    rows = max(len(report.methods) for report in models.values())
    width = _LABELS + _PANEL * len(models)
    height = _TOP + rows * (len(_BARS) + 1) * _BAR + 0.4
    figure, _ = make_figure(width, height)
    panels = figure.subplots(1, len(models), sharex=True, squeeze=False)[0]
    figure.subplots_adjust(_LABELS / width, 0.4 / height, 1 - 0.1 / width, 1 - _TOP / height, 0.08)
    for number, (name, report) in enumerate(models.items()):
        _draw(panels[number], name, report, labels=number == 0)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper left", ncols=len(_BARS), frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, name: str, report: Faithfulness, labels: bool) -> None:
    places = np.arange(len(report.methods))
    thickness = 1 / (len(_BARS) + 1)
    for number, (measure, color) in enumerate(_BARS.items()):
        values = [getattr(method, measure) for method in report.methods.values()]
        axes.barh(places + number * thickness, values, thickness, label=measure, color=color)
    axes.set_yticks(places + thickness / 2, list(report.methods) if labels else [])
    axes.invert_yaxis()
    axes.tick_params(labelsize=9, length=0)
    axes.axvline(0, color="0.6", linewidth=0.8)
    text = drawable(name)
    axes.set_title(text, size=10, parse_math=False, **fonts(text))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
