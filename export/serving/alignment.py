"""An alignment as text: which source tokens each target token looked at.

Needs nothing but the standard library.

    draw([[0.9, 0.1], [0.2, 0.8]], ["the", "cat"], ["le", "chat"])
"""

import unicodedata

from printable import printable

SHADES = "░▒▓█"
FAINT = 0.05  # below it a dot, so that columns can be followed
# Keeps the labels of a right-to-left script in their columns.
LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
JOINER = "\N{ZERO WIDTH JOINER}"
# The vowels and final consonants of Hangul that are written one by one: drawn upon what precedes.
_JAMO = range(0x1160, 0x1200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_LONGEST_LABEL = 30


def draw(weights, sources, targets, columns=None):
    """The alignment as lines: a row a target token, a column a source token.

    Args:
        weights: `(targets, sources)`, numbers from 0 to 1, of any nested sequence.
        sources, targets: the tokens, strings.
        columns: how wide the terminal is; what does not fit goes below, with
            the target tokens again. None sets no limit.

    Returns:
        A list of lines.

    Raises:
        ValueError: where there are fewer weights than tokens.
    """
    weights = [list(row) for row in weights]
    if len(weights) < len(targets) or any(len(row) < len(sources) for row in weights):
        raise ValueError(
            f"weights: expected {len(targets)} rows of {len(sources)}, a row a target token and a "
            f"column a source token, received {len(weights)} rows of "
            f"{min(map(len, weights), default=0)}."
        )
    sources, targets = [label(t) for t in sources], [label(t) for t in targets]
    margin = max(map(width, targets), default=0)
    stairs = max(map(width, sources), default=0) > 3
    cell = 3 if stairs else max(2, 1 + max(map(width, sources), default=1))
    lines = []
    for part in _parts(sources, margin + 2, cell, stairs, columns):
        if lines:
            lines.append("")
        shown = [sources[i] for i in part]
        lines += [" " * (margin + 2) + head for head in _heads(shown, cell, stairs)]
        for token, row in zip(targets, weights):
            cells = "".join(_cell(float(row[i]), cell) for i in part)
            lines.append(" " * (margin - width(token)) + token + " ┤" + cells)
    return [line.rstrip(" ") for line in lines]


def shade(weight):
    """A weight as a sign."""
    return "·" if not weight >= FAINT else SHADES[int(4 * min(weight, 0.75))]


def label(token):
    """A token as it is drawn, on one line and without what would move the cursor.

    Spaces and control characters become visible, an accent gets something to
    stand on, and a long token is cut.
    """
    text = _cut(printable(token[: 4 * _LONGEST_LABEL]).replace(" ", "␣")) or "␀"
    if _width(text[0]) == 0:
        text = "◌" + text
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        text += LEFT_TO_RIGHT
    return text


def _cut(text):
    columns = 0
    for i, c in enumerate(text):
        columns += _width(c)
        if columns > _LONGEST_LABEL:
            return text[:i] + "…"
    return text


def width(text):
    """How many columns a terminal gives a text: 2 for East Asian wide signs, 0 for accents."""
    columns = 0
    for before, c in zip("\0" + text, text):
        # What a joiner or a skin tone joins is one sign with what precedes.
        columns += 0 if before == JOINER or (ord(c) in _SKIN_TONES and columns) else _width(c)
    return columns


def _width(c):
    if unicodedata.category(c) in ("Mn", "Me", "Cf") or ord(c) in _JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _cell(weight, cell):
    sign = shade(weight)
    return sign.ljust(cell) if sign == "·" else sign * cell


def _heads(sources, cell, stairs):
    if not stairs:
        return ["".join(token + " " * (cell - width(token)) for token in sources)]
    # Words do not fit above a column; they climb like stairs instead.
    steps = list(enumerate(sources))
    return [("│" + " " * (cell - 1)) * i + "┌ " + token for i, token in reversed(steps)]


def _parts(sources, margin, cell, stairs, columns):
    """The numbers of the source tokens, in parts that fit beside each other."""
    part = []
    for i, token in enumerate(sources):
        needed = margin + len(part) * cell + (max(cell, 2 + width(token)) if stairs else cell)
        if part and columns is not None and needed > columns:
            yield part
            part = []
        part.append(i)
    yield part
