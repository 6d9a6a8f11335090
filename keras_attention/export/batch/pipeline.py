"""The chunks as a pipeline of Apache Beam."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_attention._core.optional import require
from keras_attention.export.batch.artifact import Artifact, loaded
from keras_attention.export.batch.chunks import Chunk, read_chunk
from keras_attention.export.batch.shards import Origin, write_shard
from keras_attention.export.batch.translating import translate_lines

# Beam has several runners of the first name, and tries to download one of them first; it does not
# know the second one by its name.
_RUNNERS = {
    "DirectRunner": "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner",
}
# Dask makes one task of 128 elements if nothing is said, and few files have as many chunks.
_OPTIONS = {"DaskRunner": "--dask_partition_size=1"}


class Job(NamedTuple):
    """What a worker does with a chunk."""

    artifact: Artifact
    batch_size: int
    longest: int
    origins: dict[str, Origin]

    def translate(self, chunk: Chunk) -> None:
        """Reads, translates and writes a chunk."""
        records = translate_lines(
            read_chunk(chunk), chunk.first, loaded(self.artifact), self.batch_size, self.longest
        )
        write_shard(chunk, records, self.origins[chunk.source])


def run_pipeline(chunks: Sequence[Chunk], job: Job, runner: str, options: Sequence[str]) -> None:
    """Translates chunks, each written as soon as it is done.

    A chunk is one element, and its lines are batched when it is processed:
    nothing is kept for the end of a bundle, which runners treat differently,
    and a chunk that is processed twice is written twice with the same content.

    Args:
        chunks: what is to be done.
        job: how.
        runner: the name of a Beam runner.
        options: of the pipeline, such as `"--flink_master=host:8081"`.

    Raises:
        RuntimeError: where the pipeline fails.
    """
    beam = require("apache_beam", "beam")
    pipeline_options = require("apache_beam.options.pipeline_options", "beam").PipelineOptions
    chosen = [_OPTIONS[runner]] if runner in _OPTIONS and not _partitioned(options) else []
    pipeline = beam.Pipeline(
        options=pipeline_options([*options, *chosen], runner=_RUNNERS.get(runner, runner))
    )
    _ = (
        pipeline
        | "Chunks" >> beam.Create([tuple(chunk) for chunk in chunks], reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Translate" >> beam.ParDo(_translating(beam, job))
    )
    try:
        state = pipeline.run().wait_until_finish()
    except Exception as error:
        raise RuntimeError(reason(error)) from error
    if state is not None and str(state) != "DONE":
        raise RuntimeError(f"The pipeline ended as {state}; see the log of its runner.")


def _partitioned(options: Sequence[str]) -> bool:
    return any(one.startswith(("--dask_npartitions", "--dask_partition_size")) for one in options)


def _translating(beam: Any, job: Job) -> Any:
    """A `beam.DoFn` over chunks."""

    class TranslateChunk(beam.DoFn):  # type: ignore[misc, name-defined]
        """Translates a chunk and writes its shard; nothing comes out."""

        def setup(self) -> None:
            """Loads the model, once for all that run in this process."""
            loaded(job.artifact)

        def process(self, element: Any) -> Any:
            """Translates one chunk."""
            job.translate(Chunk(*element))

    return TranslateChunk()


def reason(error: BaseException) -> str:
    """An error as one line; of a worker's traceback only the error at its end."""
    text = str(error)
    if "Traceback (most recent call last)" in text:
        raised = re.findall(
            r"^[\w.]*(?:Error|Exception|Interrupt): .*(?:\n(?! |\n).*)*", text, re.M
        )
        text = raised[-1] if raised else text[-500:]
    return " ".join(text.split())
