"""What a run translates and where to, and what may not be overwritten on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from keras_attention.export.batch.artifact import Artifact
from keras_attention.export.batch.chunks import Chunk, cut
from keras_attention.export.batch.files import exists, listed, make_folder, same_file, write_whole
from keras_attention.export.batch.merging import Target, check_replaceable
from keras_attention.export.batch.shards import Origin, check_shards, read_json

_PLAN = "plan.json"


class Work(NamedTuple):
    """A file to translate: its chunks, where the results go, and what they are made from."""

    chunks: Sequence[Chunk]
    target: Target
    origin: Origin

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return sum(chunk.lines for chunk in self.chunks)


def make_plan(
    sources: Sequence[str], output: str, artifact: Artifact, chunk: int, longest: int
) -> list[Work]:
    """Cuts the files, and makes sure that nothing is in the way of the results.

    Raises:
        FileExistsError: where a file would be overwritten that no run wrote.
        FileNotFoundError: where a source does not exist.
        ValueError: where results would overwrite a source or each other, and
            where the folder holds the results of another run.
    """
    names = [source.rstrip("/").rpartition("/")[2] for source in sources]
    targets = [Target(f"{output}/{name}") for name in names]
    _check_names(sources, targets, f"{output}/{_PLAN}")
    settings = {"signature": artifact.signature, "chunk": chunk, "longest": longest}
    work = []
    for source, target in zip(sources, targets):
        chunks, sha256 = cut(source, target.shards, chunk)
        origin = {"model": artifact.sha256, **settings, "file": sha256}
        work.append(Work(chunks, target, origin))
    plan = {
        "model": artifact.sha256,
        **settings,
        "files": {
            name: {"sha256": one.origin["file"], "lines": one.lines}
            for name, one in zip(names, work)
        },
    }
    _agree(output, plan)
    for one in work:
        check_shards(one.chunks, one.origin)
        check_replaceable(one.target)
    make_folder(output)
    for one in work:
        make_folder(one.target.shards)
    write_whole(f"{output}/{_PLAN}", [json.dumps(plan, indent=2)])
    return work


def _check_names(sources: Sequence[str], targets: Sequence[Target], plan: str) -> None:
    for source in sources:
        if not exists(source):
            raise FileNotFoundError(f"{source} does not exist.")
    written = [plan]
    for target in targets:
        written += [target.path, target.bad, target.shards]
    names = [path.rpartition("/")[2] for path in written]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"files: expected names that differ, received results named {', '.join(doubled)} more "
            "than once; translate them into different folders."
        )
    for path in written:
        for source in sources:
            if same_file(path, source):
                raise ValueError(
                    f"output: expected a folder other than that of the files, received one where "
                    f"the results would overwrite {source}."
                )


def _agree(output: str, plan: dict[str, object]) -> None:
    """Refuses the folder of another run, unless that had not yet translated anything."""
    path = f"{output}/{_PLAN}"
    if not exists(path):
        return
    before = read_json(path)
    if set(before) != set(plan):
        raise FileExistsError(
            f"{path} was not written by this command, and is not overwritten. Choose another "
            "output folder."
        )
    differ = [name for name in plan if before[name] != plan[name]]
    if differ and listed(output, "*.shards/*.jsonl"):
        raise ValueError(
            f"{output} holds the results of another run ({', '.join(differ)} differ). Choose "
            "another output folder, or repeat the command of that run."
        )
