"""Which tokens of a vocabulary that was made elsewhere are padding, start, end and unknown."""

from __future__ import annotations

from collections.abc import Sequence

from keras_attention.text.special_ids import SpecialIds, as_special_ids

PADDING = ("[PAD]", "<pad>", "<PAD>", "[pad]", "<|pad|>", "<|padding|>")
STARTS = (
    *("[START]", "[start]", "<start>", "<START>", "<s>", "<bos>", "<BOS>", "[BOS]", "[bos]"),
    *("<sos>", "<SOS>", "[SOS]", "[sos]", "bos", "sos", "startseq", "<|startoftext|>", "[CLS]"),
    "<|endoftext|>",
)
ENDS = (
    *("[END]", "[end]", "<end>", "<END>", "</s>", "<eos>", "<EOS>", "[EOS]", "[eos]"),
    *("eos", "endseq", "[SEP]", "<|endoftext|>"),
)
UNKNOWNS = ("[UNK]", "<unk>", "<UNK>", "[unk]", "[OOV]", "<oov>", "<|unk|>")

# Of a vocabulary that is only read and has no start or end.
NONE = -1


def find_special_ids(
    tokens: Sequence[str],
    declared: SpecialIds | Sequence[int | None] | None,
    name: str,
    writes: bool,
    pad: int | None = None,
    unknown: int | None = None,
) -> tuple[tuple[str, ...], SpecialIds]:
    """The tokens of a vocabulary and its special ids, declared or found by their usual names.

    A vocabulary without padding gets one more id for it, the last.

    Args:
        tokens: all tokens by id.
        declared: `SpecialIds`, or None.
        name: of the argument, for the message of the error.
        writes: whether a model writes with the vocabulary: then it needs start and end.
        pad, unknown: the ids if they are known otherwise.

    Raises:
        ValueError: for declared ids outside the vocabulary, and where start or end are needed and
            not found.
    """
    tokens = tuple(tokens)
    if declared is not None:
        return tokens, as_special_ids(declared, len(tokens))
    ids = {token: i for i, token in reversed(list(enumerate(tokens)))}

    def first_of(names: Sequence[str]) -> int | None:
        return next((ids[token] for token in names if token in ids), None)

    start, end = first_of(STARTS), first_of(ENDS)
    missing = [what for what, i in (("start", start), ("end", end)) if i is None]
    if writes and missing:
        raise ValueError(
            f"{name}: expected tokens for start and end, such as '[start]' and '[end]', among the "
            "vocabulary, or special_ids=SpecialIds(pad, start, end, unknown), received "
            f"{len(tokens)} tokens without {' and '.join(missing)}."
        )
    pad = first_of(PADDING) if pad is None else pad
    if pad is None:
        pad = len(tokens)
        tokens = (*tokens, "<pad>" if "<pad>" not in ids else f"<pad {pad}>")
    unknown = first_of(UNKNOWNS) if unknown is None else unknown
    special = SpecialIds(
        pad, NONE if start is None else start, NONE if end is None else end, unknown
    )
    return tokens, special
