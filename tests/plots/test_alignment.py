import io
import itertools
import sys

import numpy as np
import pytest
from keras import ops

from keras_attention.plots import labels as drawn_labels
from keras_attention.plots import plot_attention


def labels(figure, axis="x"):
    ticks = getattr(figure.axes[0], f"get_{axis}ticklabels")()
    return [tick.get_text() for tick in ticks]


def picture(figure):
    """The pixels; matplotlib warns of missing glyphs when it draws."""
    matplotlib_image = pytest.importorskip("matplotlib.image")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    return matplotlib_image.imread(file)


def random_weights(rows, columns, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(columns), rows)


def test_rows_are_targets_and_columns_are_sources():
    weights = random_weights(3, 5)
    figure = plot_attention(weights, "night", ["N", "AY", "T"], title="night")
    assert labels(figure) == list("night")
    assert labels(figure, "y") == ["N", "AY", "T"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), weights)
    assert [text.get_text() for text in figure.texts] == ["night"]
    assert figure.axes[0].get_xlabel() == "source"
    assert figure.axes[0].get_ylabel() == "target"
    assert figure.axes[1].get_ylabel() == "attention weight"
    # The first target is at the top.
    top, bottom = figure.axes[0].get_ylim()[::-1]
    assert top < bottom


def test_names_can_be_left_out():
    figure = plot_attention(np.eye(2), "ab", "cd", source_label=None, target_label=None)
    assert figure.axes[0].get_xlabel() == figure.axes[0].get_ylabel() == ""
    assert figure.texts == []


def test_padding_of_weights_and_tokens_is_left_out():
    weights = random_weights(6, 9)
    padded = plot_attention(weights, [b"a", b"\xc3\xa9", b"", b""], ["X", "Y", "", ""])
    assert labels(padded) == ["a", "é"]
    np.testing.assert_array_equal(padded.axes[0].images[0].get_array(), weights[:2, :2])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors(dtype):
    weights = ops.cast(np.eye(3), dtype)
    figure = plot_attention(weights, "abc", np.array(["x", "y", "z"]))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.eye(3))


def test_the_colour_scale_is_the_same_in_every_picture_unless_asked():
    weights = 0.2 * np.eye(2)
    assert plot_attention(weights, "ab", "cd").axes[0].images[0].get_clim() == (0, 1)
    figure = plot_attention(weights, "ab", "cd", vmax=None)
    assert figure.axes[0].images[0].get_clim() == (0, 0.2)
    zeros = plot_attention(np.zeros((2, 2)), "ab", "cd", vmax=None)
    assert zeros.axes[0].images[0].get_clim() == (0, 1)


def test_the_default_colours_darken_evenly():
    cmap = plot_attention(np.eye(2), "ab", "cd").axes[0].images[0].cmap
    srgb = cmap(np.linspace(0, 1, 11))[:, :3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]
    lightness = np.cbrt(linear @ np.transpose(to_lms)) @ [0.2105, 0.7936, -0.0041]
    np.testing.assert_allclose(np.diff(lightness), -0.078, atol=0.01)


@pytest.mark.parametrize("rows, columns", [(1, 1), (1, 12), (12, 1), (5, 7), (30, 30)])
def test_cells_are_square_and_nothing_is_cut_off(rows, columns):
    words = ["the", "incomprehensible", "a"] * 10
    figure = plot_attention(
        random_weights(rows, columns), words[:columns], words[:rows], title="A longer title " * 3
    )
    picture(figure)
    axes = figure.axes[0].get_window_extent()
    assert axes.width / columns == pytest.approx(axes.height / rows)
    box, whole = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole[0] and box.y1 <= whole[1]


@pytest.mark.parametrize("columns", [7, 30])
def test_labels_do_not_overlap(columns):
    figure = plot_attention(random_weights(2, columns), ["whatever"] * columns, "ab")
    picture(figure)
    boxes = [tick.get_window_extent() for tick in figure.axes[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_single_characters_stay_upright():
    figure = plot_attention(random_weights(2, 30), "m" * 30, "ab")
    assert {tick.get_rotation() for tick in figure.axes[0].get_xticklabels()} == {0}


def test_any_script_is_drawn_without_a_warning():
    tokens = ["naïve", "λόγος", "слово", "中文", "سلام", "नमस्ते", "👩‍👩‍👧", "\U000e0041", "$x$_^{"]
    figure = plot_attention(random_weights(9, 9), tokens, tokens, title="中 $x$ 😀")
    assert picture(figure).std() > 0
    assert labels(figure)[:3] == tokens[:3]
    assert labels(figure)[-1] == "$x$_^{"


@pytest.mark.parametrize(
    "token, label",
    [
        (" ", "␣"),
        (" the", "␣the"),
        ("New York", "New York"),
        ("\n", "U+000A"),
        ("\u200b", "U+200B"),
        ("\u0301", "◌\u0301"),
        ("x" * 40, "x" * 23 + "…"),
        ("", ""),
    ],
)
def test_tokens_that_would_not_be_seen(token, label):
    assert labels(plot_attention(np.eye(2), [token, "b"], "cd"))[0] == label


def test_what_no_font_has_shows_its_code_point(monkeypatch):
    monkeypatch.setattr(
        drawn_labels, "_family_of", lambda c: None if ord(c) > 127 else "DejaVu Sans"
    )
    figure = plot_attention(np.eye(2), ["中文", "a中\ufe0fb"], "cd", title="中")
    assert labels(figure) == ["U+4E2D U+6587", "a U+4E2D b"]
    assert figure.texts[0].get_text() == "U+4E2D"


def test_a_font_that_has_the_characters_is_chosen(monkeypatch):
    characters = {"DejaVu Sans": {97}, "Some Serif": {0x4E2D}, "Other Sans": {0x4E2D, 0x4E00}}
    monkeypatch.setattr(drawn_labels, "_first_path", lambda: "DejaVu Sans")
    monkeypatch.setattr(
        drawn_labels, "_regular_fonts", lambda: [(name, name) for name in characters]
    )
    monkeypatch.setattr(drawn_labels, "_characters", characters.__getitem__)
    drawn_labels._family_of.cache_clear()
    try:
        assert drawn_labels.fonts("a中") == {"family": ["DejaVu Sans", "Other Sans"]}
        assert drawn_labels._family_of("文") is None
    finally:
        drawn_labels._family_of.cache_clear()


def test_fonts_of_boxes_are_not_chosen():
    assert not any("last resort" in family.lower() for family, _ in drawn_labels._regular_fonts())


def test_values_are_written_in_a_colour_that_shows():
    figure = plot_attention([[1.0, 0.25]], "ab", "c", show_values=True)
    texts = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert texts == {"1.0": "white", ".25": "0.15"}


def test_no_state_of_pyplot_is_touched():
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = pyplot.get_fignums() if pyplot else None
    plot_attention(np.eye(2), "ab", "cd")
    pyplot = sys.modules.get("matplotlib.pyplot") if pyplot is None else pyplot
    assert (pyplot.get_fignums() if pyplot else None) == before


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"weights": np.ones((2, 2, 2))}, ValueError, r"weights: .*one sequence.*\(2, 2, 2\)"),
        ({"weights": np.ones((1, 2))}, ValueError, r"weights: .*2 rows .* received shape \(1, 2\)"),
        ({"weights": np.ones((2, 1))}, ValueError, r"weights: .*2 columns .*received shape \(2, 1"),
        ({"weights": [[1, np.nan], [np.inf, 0]]}, ValueError, "weights: .*finite.*received 2"),
        ({"weights": [["a", "b"]] * 2}, ValueError, "weights: expected numbers, received dtype"),
        ({"source_tokens": []}, ValueError, "source_tokens: expected at least one"),
        ({"target_tokens": ["", ""]}, ValueError, "target_tokens: expected at least one"),
        ({"target_tokens": [4, 5]}, TypeError, "target_tokens: expected strings, received 4"),
        ({"vmax": 0}, ValueError, "vmax: expected a number above 0 or None, received 0"),
    ],
)
def test_wrong_input_is_refused(change, error, message):
    arguments = {"weights": np.eye(2), "source_tokens": "ab", "target_tokens": "cd", **change}
    with pytest.raises(error, match=message):
        plot_attention(**arguments)


def test_non_finite_padding_does_no_harm():
    weights = np.full((3, 3), np.nan)
    weights[:2, :2] = 0.5
    figure = plot_attention(weights, "ab", "cd", vmax=None)
    (shown,) = figure.axes[0].get_images()
    assert shown.get_array().shape == (2, 2)
    np.testing.assert_array_equal(np.ma.filled(shown.get_array(), np.nan), np.full((2, 2), 0.5))
    assert shown.get_clim() == (0.0, 0.5)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"'matplotlib'.*pip install '\.\[plots\]'"):
        plot_attention(np.eye(2), "ab", "cd")
