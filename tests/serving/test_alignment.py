"""The picture of an alignment in a terminal."""

import pytest


@pytest.fixture
def alignment(module):
    return module("alignment")


def test_short_tokens_stand_above_their_columns(alignment):
    lines = alignment.draw([[0.9, 0.1], [0.04, 0.55], [0.3, 0.7]], ["a", "b"], ["K", "AE", "T"])
    assert lines == [
        "    a b",
        " K ┤██░░",
        "AE ┤· ▓▓",
        " T ┤▒▒▓▓",
    ]


def test_words_climb_like_stairs(alignment):
    weights = [[0.8, 0.2, 0], [0, 0.2, 0.8]]
    lines = alignment.draw(weights, ["the", "black", "cat"], ["chat", "noir"])
    assert lines == [
        "      │  │  ┌ cat",
        "      │  ┌ black",
        "      ┌ the",
        "chat ┤███░░░·",
        "noir ┤·  ░░░███",
    ]


def test_a_shade_for_every_quarter_of_the_weight(alignment):
    weights = (0, 0.049, 0.05, 0.24, 0.25, 0.5, 0.75, 1, 1.01, float("nan"))
    assert "".join(map(alignment.shade, weights)) == "··░░▒▓███·"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("été", 3),
        ("e\N{COMBINING ACUTE ACCENT}te", 3),
        ("語言", 4),
        ("ｱﾊﾟ", 3),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),  # the same syllable in pieces
        ("שלום", 4),
        ("हिन्दी", 5),
        ("👍🏽", 2),
        ("👩\u200d👩\u200d👧", 2),
        ("☺\ufe0f", 1),
    ],
)
def test_width(alignment, text, columns):
    assert alignment.width(text) == columns


def test_columns_stay_below_each_other_whatever_the_script(alignment):
    sources = ["我", "é", "e\N{COMBINING ACUTE ACCENT}", "שלום"[:2], "▁a"]
    targets = ["自然", "x", "\N{COMBINING ACUTE ACCENT}", "a b", "", "\x1b[3", "\u202eabc"]
    weights = [[float(t % 5 == s) for s in range(5)] for t in range(7)]
    head, *rows = alignment.draw(weights, sources, targets)
    for t, row in enumerate(rows):
        label, _, cells = row.partition("┤")
        assert alignment.width(label) == 5, row
        assert alignment.width(cells[: cells.index("█")]) == 3 * (t % 5)
    assert [row.split(" ┤")[0].strip() for row in rows] == [
        "自然",
        "x",
        "◌\N{COMBINING ACUTE ACCENT}",
        "a␣b",
        "␀",
        "␛[3",
        "abc",
    ]
    starts = [alignment.width(head[: head.index(token)]) for token in sources]
    assert starts == [6, 9, 12, 15, 18]


def test_what_does_not_fit_goes_below(alignment):
    sources = [f"word{i}" for i in range(9)]
    weights = [[1.0] * 9] * 2
    lines = alignment.draw(weights, sources, ["a", "b"], columns=24)
    assert max(map(alignment.width, lines)) <= 24
    assert sum(line.count("┌") for line in lines) == 9
    assert sum(line.startswith("a ┤") for line in lines) == lines.count("") + 1 > 1
    assert "".join(lines).count("█") == 2 * 9 * 3


def test_nothing_and_too_little(alignment):
    assert alignment.draw([], [], []) == [""]
    assert len(alignment.draw([[1.0]], ["x" * 99], ["y"])[0]) < 40
    with pytest.raises(ValueError, match="weights: expected 2 rows of 2"):
        alignment.draw([[1.0, 0.0], [1.0]], ["a", "b"], ["c", "d"])
