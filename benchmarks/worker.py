"""The process of one case: builds it, then runs it for each line of its standard input.

    python worker.py MODULE LABEL CASE SMOKE      (started by harness.py)

Runs in every environment, so it needs nothing but the standard library.
"""

import gc
import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

WARM_UP = 3
# The least seconds of a turn, so that a short case runs many times.
TURN = 0.3


def main(module, label, name, smoke):
    # Output of the frameworks must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    comparisons = importlib.import_module(module).comparisons(bool(int(smoke)))
    cases = next(c.cases for c in comparisons if c.label == label)
    case = next(c for c in cases if c.name == name)
    run = case.build(**case.settings)
    memory = extra_memory(run)
    for _ in range(WARM_UP):
        run()
    questions = {
        "time": lambda: seconds(run),
        "memory": lambda: memory,
        "result": lambda: fingerprint(run()),
    }
    answer = "ready"
    while True:
        print(json.dumps(answer), file=answers, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        answer = questions[line.strip()]()


def seconds(run):
    """The median of the runs that fit into a turn, after one that is not counted."""
    # Other processes used the caches in between.
    run()
    taken, end = [], time.perf_counter() + TURN
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def extra_memory(run):
    """The peak of memory in the first run above that before it, in bytes.

    The kernel keeps the peak of resident memory, and forgets it when asked to.
    It must be the first run: TensorFlow's allocator gives nothing back, so that
    a later one finds its memory there and seems to need none. What the first
    one needs besides, such as threads, a build function had better warm up by
    a run of another, small size.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def fingerprint(result):
    """A few numbers of each array of a result, which the cases of a comparison must share."""
    if result is None:
        return None
    import numpy as np

    found = []
    for array in _arrays(result):
        flat = np.asarray(array, "float64").reshape(-1)
        found.append([np.linalg.norm(flat), flat @ np.cos(np.arange(flat.size))])
    return found


def _arrays(structure):
    if isinstance(structure, (list, tuple)):
        for part in structure:
            yield from _arrays(part)
    else:
        yield structure


def _status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
