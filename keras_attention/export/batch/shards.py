"""Shards: the translations of a chunk, and beside them what they were made from.

`000000.jsonl` holds a line of JSON for each line of the chunk. `000000.json` says from which model,
settings and file it was made, and its SHA-256. It is written first: a shard without it was written
by somebody else, and it without a shard stands for work that is to be done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from keras_attention.export.batch.chunks import Chunk
from keras_attention.export.batch.files import (
    blocks,
    delete,
    listed,
    write_whole,
    writing,
)
from keras_attention.export.batch.translating import Record

# What results are made from: SHA-256 of model and file, and the settings that change a result.
Origin: TypeAlias = Mapping[str, Any]
_LARGEST_NOTE = 2**20


def origin_of(origin: Origin, chunk: Chunk) -> Origin:
    """What the shard of a chunk is made from."""
    return {**origin, "first": chunk.first, "lines": chunk.lines}


def note_of(shard: str) -> str:
    """The file that says what a shard was made from."""
    return shard.removesuffix("l")


def write_note(path: str, origin: Origin, digests: Mapping[str, str]) -> None:
    """Writes what files were made from, and their SHA-256 by name."""
    write_whole(path, [json.dumps({"made_from": origin, "sha256": digests}, indent=2)])


def read_note(path: str) -> tuple[Origin, Mapping[str, str]]:
    """What `write_note` wrote.

    Raises:
        ValueError: where the file is none of these.
    """
    content = read_json(path)
    if set(content) != {"made_from", "sha256"} or not all(
        isinstance(part, dict) for part in content.values()
    ):
        raise ValueError(f"{path} was not written by this command. Choose another output folder.")
    return content["made_from"], content["sha256"]


def read_json(path: str) -> dict[str, Any]:
    """A small JSON file; an empty dictionary where it is something else."""
    data = next(blocks(path), b"")
    try:
        content = json.loads(data) if len(data) < _LARGEST_NOTE else {}
    except (ValueError, RecursionError):
        content = {}
    return content if isinstance(content, dict) else {}


def write_shard(chunk: Chunk, records: Iterable[Record], origin: Origin) -> None:
    """Writes the records of a chunk, whole or not at all."""
    lines = (json.dumps(one, ensure_ascii=False) for one in records)
    with writing(chunk.shard, lines) as written:
        name = chunk.shard.rpartition("/")[2]
        write_note(note_of(chunk.shard), origin_of(origin, chunk), {name: written.sha256})
        written.put()


def read_shard(chunk: Chunk) -> Iterator[Record]:
    """The records of a chunk.

    Raises:
        RuntimeError: where the shard is not what was written.
    """
    data = b"".join(blocks(chunk.shard))
    _, digests = read_note(note_of(chunk.shard))
    if hashlib.sha256(data).hexdigest() not in digests.values():
        raise RuntimeError(
            f"{chunk.shard} is damaged: its SHA-256 differs from what was written. Remove it, and "
            "repeat the command."
        )
    yield from map(json.loads, data.split(b"\n")[:-1])


def unfinished(chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks without a shard."""
    folders = {_folder(chunk) for chunk in chunks}
    there = {f"{folder}/{name}" for folder in folders for name in listed(folder, "*.jsonl")}
    return [chunk for chunk in chunks if chunk.shard not in there]


def check_shards(chunks: Sequence[Chunk], origin: Origin) -> None:
    """Refuses shards that another run left, and files that no run did.

    Raises:
        ValueError: where there are some; nothing is overwritten.
    """
    there = {
        f"{folder}/{name}" for folder in {_folder(c) for c in chunks} for name in listed(folder)
    }
    for chunk in chunks:
        note = note_of(chunk.shard)
        before = read_note(note)[0] if note in there else None
        if chunk.shard not in there:
            continue
        if before is None:
            raise ValueError(
                f"{chunk.shard} was not written by this command: {note} is missing. Choose "
                "another output folder."
            )
        expected = origin_of(origin, chunk)
        if differ := [name for name in expected if before.get(name) != expected[name]]:
            raise ValueError(
                f"{chunk.shard} holds results of another run ({', '.join(differ)} differ). Choose "
                "another output folder, or repeat the command of that run."
            )


def remove_partial(folder: str) -> None:
    """Removes what runs left that were killed while they wrote."""
    for name in listed(folder, "*.json*.*.partial"):
        delete(f"{folder}/{name}")


def _folder(chunk: Chunk) -> str:
    return chunk.shard.rpartition("/")[0]
