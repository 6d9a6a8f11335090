"""The answers of a server, checked before anything is made of them.

Whatever a server sends, a hypothesis holds strings and numbers in the right shapes, and everything
else is an error of one line.

Needs nothing but the standard library.
"""

from typing import NamedTuple

MOST_HYPOTHESES = 1_000
MOST_TOKENS = 10_000
LONGEST_TEXT = 100_000
_PARTS = ("texts", "scores", "target_tokens", "attention")
# The outputs of an artifact of each kind.
OUTPUTS = {"text": (*_PARTS[:2], "source_tokens", *_PARTS[2:]), "image": _PARTS}


class ServingError(Exception):
    """The server gave no answer that can be used; the message says what to do about it."""


class BadInputError(ServingError):
    """The server runs, and refuses what it was asked; other inputs may do."""


class Hypothesis(NamedTuple):
    """One hypothesis for one text or image.

    Attributes:
        text: what the model wrote.
        score: its score, a log-probability in nats, or what a beam search made of it.
        tokens: strings, without padding.
        attention: for every token the weights over the source tokens, or the
            map `(h, w)` over the image; nested lists of floats.
        source_tokens: strings, without padding; none for an image.
    """

    text: str
    score: float
    tokens: list
    attention: list
    source_tokens: list = []


def check_count(rows, count, what):
    """Refuses an answer that does not hold one row per input."""
    if not isinstance(rows, list):
        raise ServingError(f"Expected a list of answers, received {_kind(rows)}.")
    if len(rows) != count:
        raise ServingError(f"{count} {what} sent, {len(rows)} answers came.")
    return rows


def translations(row):
    """The hypotheses in the answer to one text, best first: several of a beam, one otherwise.

    Args:
        row: the outputs by name, for this text; strings and nested lists. They
            may be padded further than this text needs: the server pads all
            that it computes at once to the same width.

    Returns:
        A list of `Hypothesis`.

    Raises:
        ServingError: where an output is missing, or is not what an artifact gives.
    """
    _check_outputs(row, "text")
    tokens = _strings(row["source_tokens"], "source_tokens")
    read = [s for s, token in enumerate(tokens) if token]
    sources = [tokens[s] for s in read]

    def of_read_tokens(weights):
        weights = _numbers(weights, "attention")
        if len(weights) < len(tokens):
            raise _wrong("attention", f"a weight per source token ({len(tokens)})", len(weights))
        return [weights[s] for s in read]

    return [
        Hypothesis(*one, [of_read_tokens(weights) for weights in attention], sources)
        for *one, attention in _hypotheses(row)
    ]


def captions(row):
    """The hypotheses in the answer to one image; arguments and errors are as of `translations`."""
    _check_outputs(row, "image")
    return [
        Hypothesis(*one, [_map(weights) for weights in attention])
        for *one, attention in _hypotheses(row)
    ]


def _check_outputs(row, kind):
    """Refuses the answer of another model than one that was exported with `--kind KIND`."""
    missing = [name for name in OUTPUTS[kind] if not isinstance(row, dict) or name not in row]
    if missing:
        found = ", ".join(sorted(row)) if isinstance(row, dict) else _kind(row)
        raise ServingError(
            f"The model answers with {found[:200]}, without {', '.join(missing)}: expected an "
            f"artifact such as export/to_saved_model.py writes with --kind {kind}."
        )


def _hypotheses(row):
    """Text, score, tokens and attention of each hypothesis, without the padding of the tokens."""
    several = isinstance(row["texts"], list)
    columns = {name: _list(row[name], name) if several else [row[name]] for name in _PARTS}
    count = len(columns["texts"])
    for name, column in columns.items():
        if len(column) != count or count > MOST_HYPOTHESES:
            expected = f"one per text ({count}), at most {MOST_HYPOTHESES}"
            raise _wrong(name, expected, len(column))
    for text, score, tokens, attention in zip(*columns.values()):
        tokens = _strings(tokens, "target_tokens")
        attention = _list(attention, "attention")
        if len(attention) < len(tokens):
            raise _wrong("attention", f"weights per target token ({len(tokens)})", len(attention))
        written = [t for t, token in enumerate(tokens) if token]
        yield (
            _string(text, "texts"),
            _number(score, "scores"),
            [tokens[t] for t in written],
            [attention[t] for t in written],
        )


def _wrong(name, expected, received):
    return ServingError(f"{name}: expected {expected}, received {received}.")


def _kind(value):
    return type(value).__name__


def _list(value, name):
    if not isinstance(value, list):
        raise _wrong(name, "a list", _kind(value))
    return value


def _string(value, name):
    if not isinstance(value, str):
        raise _wrong(name, "a string", _kind(value))
    if len(value) > LONGEST_TEXT:
        raise _wrong(name, f"at most {LONGEST_TEXT:,} characters", f"{len(value):,}")
    return value


def _strings(value, name):
    if len(_list(value, name)) > MOST_TOKENS:
        raise _wrong(name, f"at most {MOST_TOKENS:,} tokens", f"{len(value):,}")
    return [_string(one, name) for one in value]


def _number(value, name):
    # What is no number in JSON, such as a score of minus infinity, some servers write as null.
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, "a number", _kind(value))
    try:
        return float(value)
    except OverflowError:
        raise _wrong(name, "a number", "one of hundreds of digits") from None


def _numbers(value, name):
    return [_number(one, name) for one in _list(value, name)]


def _map(value):
    rows = [_numbers(row, "attention") for row in _list(value, "attention")]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {0}:
        raise _wrong("attention", "a map (h, w) per token", f"rows of {sorted(widths)} weights")
    return rows
