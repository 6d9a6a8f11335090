"""Bars of how faithful each method is."""

import pytest

from keras_attention.explain import Faithfulness, Method
from keras_attention.plots import plot_faithfulness

pytest.importorskip("matplotlib")

METHODS = {"attention": Method(0.5, 0.1, 1.0), "random": Method(0.1, -0.2, 0.0)}
REPORT = Faithfulness(METHODS, {}, {"uniform": 0.2}, "attention", True)


def test_each_bar_is_as_long_as_its_number():
    figure = plot_faithfulness({"mine": REPORT, "$another$": REPORT})
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["attention", "random"]
    assert not any(label.get_text() for label in second.get_yticklabels())
    for axes in figure.axes:
        lengths = [bar.get_width() for bar in axes.patches]
        assert lengths == [0.5, 0.1, 0.1, -0.2]
    assert second.get_title() == "$another$"
    figure.canvas.draw()


def test_one_report_needs_no_name():
    (axes,) = plot_faithfulness(REPORT).axes
    assert axes.get_title() == ""


def test_no_reports():
    with pytest.raises(ValueError, match="reports: expected at least one, received none"):
        plot_faithfulness({})
