"""The shards of a file as one file again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keras_attention.export.batch.chunks import Chunk
from keras_attention.export.batch.files import digest_of, exists, writing
from keras_attention.export.batch.shards import (
    Origin,
    read_note,
    read_shard,
    remove_partial,
    write_note,
)


class Target(NamedTuple):
    """Where the results of a file go."""

    path: str

    @property
    def bad(self) -> str:
        """The lines that were set aside."""
        return f"{self.path}.bad.tsv"

    @property
    def shards(self) -> str:
        """The folder of the shards."""
        return f"{self.path}.shards"

    @property
    def note(self) -> str:
        """What the results were made from."""
        return f"{self.shards}/result.json"


def check_replaceable(target: Target) -> None:
    """Refuses to replace a file that this command did not write.

    Raises:
        FileExistsError: where there is one.
    """
    ours = set(read_note(target.note)[1].values()) if exists(target.note) else set()
    for path in (target.path, target.bad):
        if exists(path) and digest_of(path) not in ours:
            raise FileExistsError(
                f"{path} was not written by this command, or has changed since, and is not "
                "overwritten. Choose another output folder, or move it away."
            )


def merge(chunks: Sequence[Chunk], target: Target, origin: Origin) -> tuple[int, int]:
    """Puts the shards of a file together: translations, and lines that were set aside.

    Returns:
        How many lines there are, and how many were set aside.

    Raises:
        FileExistsError: where a file is in the way.
        RuntimeError: where a shard is damaged.
    """
    lines = bad = 0

    def translations() -> Iterator[str]:
        nonlocal lines
        for chunk in chunks:
            for one in read_shard(chunk):
                lines += 1
                yield " ".join(one.get("translation", "").splitlines())

    def aside() -> Iterator[str]:
        nonlocal bad
        for chunk in chunks:
            for one in read_shard(chunk):
                if "error" in one:
                    bad += 1
                    yield "\t".join((str(one["line"]), _cell(one["error"]), _cell(one["text"])))

    with writing(target.path, translations()) as good, writing(target.bad, aside()) as rest:
        check_replaceable(target)
        write_note(target.note, origin, {"translations": good.sha256, "bad": rest.sha256})
        good.put()
        rest.put()
    remove_partial(target.shards)
    return lines, bad


def _cell(text: str) -> str:
    return " ".join(text.replace("\t", "\\t").splitlines())
