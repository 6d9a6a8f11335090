"""Lines to translations; lines that cannot be translated are set aside."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from keras_attention._core.printable import one_line

# Takes texts; gives the translation and the score of each.
Translate: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, float]]]
# What a shard holds of a line.
Record: TypeAlias = dict[str, Any]

_MANY = 8  # if this many lines of one chunk all fail, the model is at fault, not the lines
_SHOWN = 1000  # characters of a line that was set aside


def translate_lines(
    lines: Sequence[bytes], first: int, translate: Translate, batch_size: int, longest: int
) -> list[Record]:
    """Translates lines, and sets aside those that cannot be.

    Lines of similar length go together, and where a batch fails it is halved
    until the line is found that makes it fail.

    Args:
        lines: bytes.
        first: the number of the first one.
        translate: takes a list of strings, gives for each a text and a score.
        batch_size: how many lines at once.
        longest: how many characters a line may have.

    Returns:
        A list of dictionaries, one per line and in the same order: `line`, and
        either `translation` and `score` or `error` and `text`.

    Raises:
        RuntimeError: where the model fails on all of many lines.
    """
    records: list[Record] = []
    texts: dict[int, str] = {}
    for i, line in enumerate(lines):
        text = _text(line, first + i, longest)
        if isinstance(text, str) and text.strip():
            records.append({"line": first + i})
            texts[i] = text
        elif isinstance(text, str):
            # The translation of an empty line is empty; the model is not asked.
            records.append({"line": first + i, "translation": "", "score": 0.0})
        else:
            records.append({"line": first + i, **text})

    order = sorted(texts, key=lambda i: len(texts[i]))
    failures = []
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        for i, answer in zip(rows, _answers(translate, [texts[i] for i in rows])):
            if isinstance(answer, Exception):
                failures.append(answer)
                records[i].update(_aside(f"the model fails: {_message(answer)}", lines[i]))
            else:
                records[i].update(translation=answer[0], score=answer[1])
    if len(failures) == len(texts) >= _MANY:
        raise RuntimeError(
            f"The model fails on all {len(failures)} lines from line {first} on: "
            f"{_message(failures[-1])}"
        ) from failures[-1]
    return records


def _text(line: bytes, number: int, longest: int) -> str | Record:
    """The text of a line, or why it is set aside."""
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return _aside(f"not UTF-8 at byte {error.start + 1}", line)
    if len(text) > longest:
        return _aside(f"too long: {len(text)} characters, allowed are {longest}", line)
    return text


def _answers(translate: Translate, texts: list[str]) -> list[tuple[str, float] | Exception]:
    try:
        found = list(translate(texts))
        if len(found) != len(texts):
            raise RuntimeError(f"{len(texts)} lines were sent, {len(found)} answers came")
    except Exception as error:
        if len(texts) == 1:
            return [error]
        half = len(texts) // 2
        return _answers(translate, texts[:half]) + _answers(translate, texts[half:])
    return [
        one if math.isfinite(one[1]) else ValueError("its score is not a number") for one in found
    ]


def _aside(reason: str, line: bytes) -> Record:
    return {"error": reason, "text": line.decode("utf-8", "backslashreplace")[:_SHOWN]}


def _message(error: Exception) -> str:
    """What an error says, without the number that TensorFlow gives its function in this process."""
    return one_line(re.sub(r"\s*\[Op:\w*\]", "", str(error))) or type(error).__name__
