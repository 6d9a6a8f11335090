"""How far a run is, in lines of text."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from keras_attention.export.batch.chunks import Chunk
from keras_attention.export.batch.shards import unfinished


@contextlib.contextmanager
def progress(chunks: Sequence[Chunk], stream: TextIO, seconds: float) -> Iterator[None]:
    """Prints how many lines are done, while the block runs.

    Args:
        chunks: all, also those that were done before.
        stream: where to print.
        seconds: between two looks.
    """
    total, begin = sum(chunk.lines for chunk in chunks), time.monotonic()
    before = total - sum(chunk.lines for chunk in unfinished(chunks))
    done, stop = [before], threading.Event()

    def tell() -> None:
        now = total - sum(chunk.lines for chunk in unfinished(chunks))
        if now == done[-1]:
            return
        done.append(now)
        speed = (now - before) / (time.monotonic() - begin)
        left = (total - now) / speed
        print(
            f"  {now:,} of {total:,} lines ({100 * now / total:.0f} %), {speed:.1f} per second, "
            f"{left:.0f} s left",
            file=stream,
            flush=True,
        )

    def watch() -> None:
        while not stop.wait(seconds):
            with contextlib.suppress(OSError):
                tell()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
