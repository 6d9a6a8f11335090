"""Progress of an export, on the error stream: a line per stage, on a terminal also a bar."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

_BAR_WIDTH = 20


class Progress:
    """Says which stage an export is in.

    A stream that is no terminal gets one line per stage. A terminal gets one
    line that is overwritten, with a bar, and at the end the time that all took.

    Args:
        stages: how many stages there will be.
        verbose: `False` writes nothing.
        stream: where the lines go, by default `sys.stderr`.

    Example:

    >>> import sys
    >>> from keras_attention.export.progress import Progress
    >>> with Progress(2, stream=sys.stdout) as progress:
    ...     progress("tracing beam")
    ...     progress("writing")
    export 1/2: tracing beam
    export 2/2: writing
    """

    def __init__(self, stages: int, verbose: bool = True, stream: TextIO | None = None) -> None:
        self._stages, self._done = stages, 0
        self._stream = (sys.stderr if stream is None else stream) if verbose else None
        self._terminal = self._stream is not None and self._stream.isatty()
        self._begin = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._terminal and self._done:
            seconds = time.monotonic() - self._begin
            outcome = "done" if kind is None else "stopped"
            self._show(f"{outcome} after {seconds:.0f} s")
            self._write("\n")

    def __call__(self, stage: str) -> None:
        """Announces the stage that begins now."""
        self._done += 1
        if self._terminal:
            self._show(stage)
        else:
            self._write(f"export {self._done}/{self._stages}: {stage}\n")

    def _show(self, text: str) -> None:
        filled = min(_BAR_WIDTH, _BAR_WIDTH * self._done // self._stages)
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        # The escape sequence clears what a longer text left at the end of the line.
        self._write(f"\rexport [{bar}] {text}\x1b[K")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
