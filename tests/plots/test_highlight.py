"""Text whose words are shaded by weight, in every output."""

import html.parser
import io
import sys

import numpy as np
import pytest
from keras import ops
from rich.console import Console

from keras_attention.plots import highlight
from keras_attention.plots.highlight import _BACKGROUNDS, _BLUE, _OPAQUE

WORDS = ["what", "a", "dreadful", "film"]
WEIGHTS = [0.1, 0.0, 0.6, 0.3]


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text of each span."""

    def __init__(self, content):
        super().__init__()
        self.spans, self.tags, self._inside = [], [], False
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "span":
            self.spans.append(["", dict(attributes)])
        self._inside = tag == "span"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.spans[-1][0] += data


def printed(found, width=60, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(found)
    return console.file.getvalue()


def luminance(color):
    parts = np.asarray(color, float) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_plain_text_has_a_sign_below_every_word():
    assert str(highlight(WORDS, WEIGHTS)) == "what a dreadful film\n░░░░   ████████ ▓▓▓▓"
    assert str(highlight(WORDS, WEIGHTS, vmax=1)).splitlines()[1] == "░░░░   ▓▓▓▓▓▓▓▓ ▒▒▒▒"
    assert str(highlight(WORDS, np.zeros(4))) == "what a dreadful film\n"


def test_weights_of_several_targets_are_a_line_each():
    found = highlight("ab", [[1, 0], [0, 1], [5, 5]], ["first", "2nd"])
    assert str(found) == "first ┤ a b\n        █\n2nd   ┤ a b\n          █"
    assert found.weights.shape == (2, 2)
    assert str(highlight("ab", np.eye(2))).startswith("1 ┤ a b\n")


def test_long_lines_wrap():
    lines = str(highlight(["word"] * 40, np.ones(40))).splitlines()
    assert len(lines) == 6 and max(map(len, lines)) <= 80
    lines = printed(highlight(["word"] * 8, np.ones((1, 8))), width=16, color_system=None)
    assert lines.splitlines()[:4] == ["1 ┤ word word", "    ████ ████"] * 1 + [
        "    word word",
        "    ████ ████",
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_padding_is_left_out_and_tensors_are_read(dtype):
    weights = ops.cast([0.5, 0.25, 0.25, 9.0], dtype)
    found = highlight([b"caf\xc3\xa9", b"bad", b"", b""], weights)
    assert found.words == ["café", "bad"]
    np.testing.assert_array_equal(found.weights, [[0.5, 0.25]])
    padding = np.array([0.5, 0.5, np.nan])
    assert highlight("ab", padding).vmax == 0.5


def test_html_has_a_span_for_every_word_and_nothing_of_the_text_is_markup():
    words = ["<script>alert(1)</script>", 'a"b', "&amp;", "x"]
    found = highlight(words, [1, 0.5, 0.25, 0], targets=None)
    page = Page(found._repr_html_())
    assert [text for text, _ in page.spans] == words
    assert set(page.tags) == {"div", "span"}
    styles = [attributes.get("style", "") for _, attributes in page.spans]
    for style, alpha in zip(styles, (0.6, 0.3, 0.15)):
        assert f"background-color:rgba({_BLUE}, {alpha})" in style
    assert styles[3] == ""
    assert [attributes["title"] for _, attributes in page.spans] == ["1", "0.5", "0.25", "0"]
    labels = highlight("ab", np.eye(2), ["<i>", "&"])._repr_html_()
    assert "<b>&lt;i&gt;</b>" in labels and "<b>&amp;</b>" in labels and "<i>" not in labels


def test_the_text_of_a_page_can_be_read_on_white_and_on_black():
    blue = np.array(_BLUE.split(","), float)
    for page, text in (((255, 255, 255), (33, 33, 33)), ((17, 17, 17), (230, 230, 230))):
        for alpha in np.linspace(0, _OPAQUE, 7):
            shown = alpha * blue + (1 - alpha) * np.array(page)
            assert contrast(shown, text) >= 4.5


def test_the_colors_of_a_terminal_can_be_read_and_seen_on_black_and_on_white():
    backgrounds = [bytes.fromhex(one[1:]) for one in _BACKGROUNDS if one]
    for background in map(list, backgrounds):
        assert contrast(background, (255, 255, 255)) >= 4.5
        assert contrast(background, (0, 0, 0)) >= 3
    saturation = [max(one) - min(one) for one in backgrounds]
    assert saturation == sorted(saturation)


def test_a_terminal_shows_colors_and_signs_where_there_are_none():
    found = highlight(WORDS, WEIGHTS)
    colored = printed(found, force_terminal=True, color_system="truecolor")
    assert "\x1b[38;2;255;255;255;48;2;37;99;235mdreadful\x1b[0m" in colored
    assert "a \x1b" in colored and "█" not in colored
    for options in ({"color_system": None}, {"no_color": True, "force_terminal": True}):
        assert printed(found, **options) == "what a dreadful film\n░░░░   ████████ ▓▓▓▓\n"
    lines = printed(highlight("ab", np.eye(2)), force_terminal=True, color_system="truecolor")
    assert lines.startswith("1 ┤ ")


def test_words_do_not_command_the_terminal():
    found = highlight(["\x1b[31mred", "[bold]x", " ", "", "\n", "end"], np.ones(6))
    for text in (str(found), printed(found, force_terminal=True, color_system=None)):
        assert "\x1b" not in text and "[bold]x" in text
        assert text.split("\n")[0].split(" ") == ["␛[31mred", "[bold]x", "␣", "␀", "␊", "end"]


def test_wide_characters_keep_their_signs_below():
    assert str(highlight(["中文", "a"], [1, 1])) == "中文 a\n████ █"


def test_the_figure_wraps_and_shades():
    figure = highlight(["word"] * 30 + ["end"], [*np.zeros(30), 1.0]).figure("A title $x$")
    title, first, *_, last = figure.texts
    assert title.get_text() == "A title $x$"
    assert first.get_bbox_patch().get_facecolor()[:3] == (1, 1, 1)
    assert first.get_color() == "0.1" and last.get_color() == "white"
    assert first.get_position()[1] > last.get_position()[1]
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert width == 6.5 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
    rows = highlight("ab", np.eye(2), ["X", "YY"]).figure()
    x, a, b, *_ = sorted(rows.texts, key=lambda text: (-text.get_position()[1], text._x))
    assert [one.get_text() for one in (x, a, b)] == ["X", "a", "b"]


def test_the_missing_package_is_named_by_the_figure_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = highlight("ab", [1, 0])
    assert found._repr_html_() and str(found)
    with pytest.raises(ImportError, match=r"'matplotlib'.*pip install '\.\[plots\]'"):
        found.figure()


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"weights": np.ones((1, 1, 2))}, ValueError, r"weights: .*\(words,\) or .*\(1, 1, 2\)"),
        ({"weights": 1.0}, ValueError, r"weights: .*received shape \(\) of rank 0"),
        ({"weights": [1.0]}, ValueError, r"weights: .*2 columns .*received shape \(1, 1\)"),
        ({"weights": [1.0, -0.5]}, ValueError, r"weights: .*at least 0, received -0\.5\."),
        ({"weights": [1.0, np.inf]}, ValueError, "weights: .*finite.*received 1 that"),
        ({"weights": ["a", "b"]}, ValueError, "weights: expected numbers, received dtype"),
        ({"targets": ["x"]}, ValueError, r"targets: expected None .*\(2,\), received \['x'\]"),
        ({"weights": np.eye(2), "targets": "abc"}, ValueError, r"weights: .*3 rows .*\(2, 2\)"),
        ({"weights": np.eye(2), "targets": [1, 2]}, TypeError, "targets: expected strings"),
        ({"words": []}, ValueError, "words: expected at least one"),
        ({"words": [1, 2]}, TypeError, "words: expected strings, received 1"),
        ({"vmax": 0}, ValueError, "vmax: expected a number above 0 or None, received 0"),
    ],
)
def test_wrong_input_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        highlight(**{"words": "ab", "weights": [1.0, 0.5], **change})
