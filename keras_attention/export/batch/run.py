"""A run from beginning to end: plan, pipeline, results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras_attention._core.checks import check_positive, check_positive_number
from keras_attention._core.optional import require
from keras_attention.export.batch.artifact import find_artifact
from keras_attention.export.batch.merging import merge
from keras_attention.export.batch.pipeline import Job, run_pipeline
from keras_attention.export.batch.plan import make_plan
from keras_attention.export.batch.progress import progress
from keras_attention.export.batch.shards import unfinished


class Translated(NamedTuple):
    """The result of a file: where it is, its lines, and how many of them were set aside."""

    path: str
    lines: int
    set_aside: int


def translate_files(
    model: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    signature: str = "serving_default",
    batch_size: int = 32,
    chunk: int = 500,
    longest: int = 1000,
    runner: str = "DirectRunner",
    options: Sequence[str] = (),
    seconds: float = 5.0,
    say: Callable[[str], None] = lambda line: None,
) -> list[Translated]:
    """Translates files line by line with a SavedModel for text, on Apache Beam.

    For every file the output folder then holds

    - `FILE`: as many lines as the input, each with the translation of the same
      line;
    - `FILE.bad.tsv`: the lines set aside: number, reason, what they hold; their
      translation is empty;
    - `FILE.shards/`: the same in parts, as JSON lines with scores, and beside
      each part from which model, settings and file it was made.

    Called again after an interruption it goes on where it stopped: a part is
    there whole or not at all. Parts that were made from another model, other
    settings or another file are refused, and so is a file that would be
    overwritten and is none of these results.

    Workers on other machines need this package and TensorFlow, and see the same
    files under the same names.

    Args:
        model: a SavedModel whose signature takes `text` and gives `texts` and
            `scores`, or a folder of its versions.
        files: UTF-8 text, one sentence per line.
        output: the folder of the results, which may be new.
        signature: of the SavedModel.
        batch_size: how many lines at once.
        chunk: how many lines are redone at most after an interruption.
        longest: lines with more characters are set aside.
        runner: the name of a Beam runner.
        options: options of the pipeline, such as
            `["--dask_client_address=tcp://host:8786"]`.
        seconds: between lines of progress on the error stream.
        say: called with each line of what is to be done and what was done.

    Returns:
        A list of `(path, lines, set_aside)`, one per file.

    Raises:
        ImportError: if Apache Beam is not installed (extra `beam`).
        OSError: if something does not exist, or a file is in the way.
        ValueError: if arguments are out of range, a file is compressed, results
            would overwrite a source or each other, or the folder holds the
            results of another run.
        RuntimeError: if the pipeline fails, or a part is damaged.

    Example:

    >>> from keras_attention.export.batch import translate_files
    >>> translate_files("served/translate", [], "build/book")
    Traceback (most recent call last):
        ...
    ValueError: files: expected at least one, received none.
    """
    if not files:
        raise ValueError("files: expected at least one, received none.")
    check_positive("batch_size", batch_size)
    check_positive("chunk", chunk)
    check_positive("longest", longest)
    check_positive_number("seconds", seconds)
    require("apache_beam", "beam")
    artifact = find_artifact(os.fspath(model), signature)
    sources = [os.fspath(file) for file in files]
    folder = os.fspath(output).rstrip("/") or "/"
    work = make_plan(sources, folder, artifact, chunk, longest)

    chunks = [chunk for one in work for chunk in one.chunks]
    todo = unfinished(chunks)
    lines, left = (sum(chunk.lines for chunk in part) for part in (chunks, todo))
    say(f"{lines:,} lines in {len(work)} files, {left:,} to do, with {artifact.path}")
    if todo:
        origins = {source: one.origin for source, one in zip(sources, work)}
        job = Job(artifact, batch_size, longest, origins)
        with progress(chunks, sys.stderr, seconds):
            run_pipeline(todo, job, runner, options)
        if todo := unfinished(chunks):
            raise RuntimeError(
                f"{len(todo)} parts are missing, the first is {todo[0].shard}. Do the workers "
                "write where this command reads? Repeat the command to go on."
            )
    results = []
    for one in work:
        done = Translated(one.target.path, *merge(one.chunks, one.target, one.origin))
        aside = f", {done.set_aside:,} of them set aside in {one.target.bad}"
        say(f"{done.path}: {done.lines:,} lines{aside if done.set_aside else ''}")
        results.append(done)
    return results
