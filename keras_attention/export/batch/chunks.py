"""Chunks: the parts of a file that are translated, and redone, as one."""

from __future__ import annotations

import hashlib
import itertools
from typing import NamedTuple

from keras_attention.export.batch.files import blocks, open_file

# How compressed files begin: gzip, bzip2, zip.
_PACKED = (b"\x1f\x8b", b"BZ", b"PK")


class Chunk(NamedTuple):
    """Some lines of a file.

    Attributes:
        source: the file.
        shard: where the translations go.
        offset, size: which bytes of the file.
        first: the number of the first line, from 1.
        lines: how many.
    """

    source: str
    shard: str
    offset: int
    size: int
    first: int
    lines: int


def cut(source: str, folder: str, lines: int) -> tuple[list[Chunk], str]:
    """Cuts a file into chunks.

    Args:
        source: the file.
        folder: where the shards go.
        lines: how many lines a chunk has.

    Returns:
        The chunks, and the SHA-256 of the file.

    Raises:
        ValueError: where the file is compressed.
    """
    digest = hashlib.sha256()
    cuts, number, position = [(0, 1)], 0, 0  # where a chunk begins, and with which line
    rest = False  # whether a line has begun
    for block in blocks(source):
        if position == 0 and block[:2] in _PACKED:
            raise ValueError(f"{source}: expected plain text, received a compressed file.")
        digest.update(block)
        begin = 0
        while (end := block.find(b"\n", begin)) >= 0:
            begin = end + 1
            number += 1
            if number % lines == 0:
                cuts.append((position + begin, number + 1))
        rest = begin < len(block) or (rest and begin == 0)
        position += len(block)
    number += rest
    cuts.append((position, number + 1))
    spans = [(a, b) for a, b in itertools.pairwise(cuts) if b[0] > a[0]]
    return [
        Chunk(source, f"{folder}/{i:06d}.jsonl", a[0], b[0] - a[0], a[1], b[1] - a[1])
        for i, (a, b) in enumerate(spans)
    ], digest.hexdigest()


def read_chunk(chunk: Chunk) -> list[bytes]:
    """The lines of a chunk, without line ends.

    Raises:
        RuntimeError: where the file has changed.
    """
    with open_file(chunk.source) as stream:
        stream.seek(chunk.offset)
        data = stream.read(chunk.size)
    lines = data.split(b"\n")
    if data.endswith(b"\n"):
        lines.pop()
    if len(lines) != chunk.lines:
        raise RuntimeError(
            f"{chunk.source} has changed while it was read: expected {chunk.lines} lines from line "
            f"{chunk.first} on, found {len(lines)}."
        )
    return [line.removesuffix(b"\r") for line in lines]
