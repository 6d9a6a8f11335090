"""What a benchmark is: comparisons of cases, each case in a process of its own.

To add a benchmark, write a file beside this one and name it in `run.py`. It is
imported in every environment, by Python 3.9 too, so it imports nothing at its
top but this module and the standard library. It defines

    def comparisons(smoke):     # -> [Comparison]; small sizes if `smoke`
        return [
            Comparison("batch 64", [
                Case("keras_attention", "project", ours, {"batch": 64}),
                Case("tfa", "tfa", tfa, {"batch": 64}),
                Case("keras_attention, XLA", "project", ours, {"batch": 64, "xla": True}),
                Case("tfa, XLA", "tfa", tfa, {"batch": 64, "xla": True},
                     against="keras_attention, XLA"),
            ]),
        ]

    def ours(batch, xla=False): # builds: imports, weights, inputs, a first run of a small size
        ...
        return run              # run() does the work once and returns when it is done; if it
                                # returns arrays, all cases must find the same, in this order

    def summary(measured):      # -> the section of results.json that bears the file's name
        return {label: {"time_ratio_tfa": cases["tfa"].get("time_ratio")}
                for label, cases in measured.items()}

    def claims(section):        # -> [(what is claimed, whether it holds; None: not measured)]
        return [("...", section["batch 64"]["time_ratio_tfa"] <= 0.75)]

The processes of one comparison live side by side and run in turns, so that all
of them see the same machine; while one runs, the others wait. A case that no
environment can run (see `environments.py`) is left out, and the run says why.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: of the row in the table; unique in its comparison.
        environment: "project", or a key of `environments.ENVIRONMENTS`.
        build: `build(**settings)` returns the function to measure.
        settings: for `build`.
        against: the name of our own case whose ratio to this one is taken; by
            default the comparison's first.
    """

    name: str
    environment: str
    build: Callable
    settings: dict = field(default_factory=dict)
    against: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Cases that do the same work, measured in turns. The first is our own."""

    label: str
    cases: list


class CaseError(Exception):
    """A case failed; the message holds the end of its output."""


def settings_of_process():
    """Environment variables that give every framework the same number of threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    names += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "KERAS_BACKEND": "tensorflow"}
    return {**os.environ, **quiet, **{name: str(THREADS) for name in names}}


def measure(module, comparison, pythons, rounds, logs, smoke=False):
    """Measures the cases of one comparison, in turns.

    Args:
        module: the name of the benchmark's file, without its ending.
        comparison: one of those that its `comparisons` returned.
        pythons: environment to interpreter; a case of another is left out.
        rounds: the number of turns of each case.
        logs: the folder for the output of the processes.
        smoke: as `comparisons` was called.

    Returns:
        The name of each case to a dictionary of `ms` (median of the turns),
        `turns_ms`, `extra_mib` (the peak of resident memory in the first run, over
        that before it) and, for the cases of others, `time_ratio` and
        `memory_ratio`: ours divided by theirs.
    """
    cases = [case for case in comparison.cases if case.environment in pythons]
    workers = []
    try:
        for case in cases:
            python = pythons[case.environment]
            workers.append(Worker(python, module, comparison.label, case.name, logs, smoke))
        _require_equal_results(comparison, cases, [worker.ask("result") for worker in workers])
        turns = [[worker.ask("time") for worker in workers] for _ in range(rounds)]
        memory = [worker.ask("memory") for worker in workers]
    finally:
        for worker in workers:
            worker.close()
    measured = {}
    for case, seconds, extra in zip(cases, zip(*turns), memory):
        measured[case.name] = {
            "ms": round(1e3 * statistics.median(seconds), 3),
            "turns_ms": [round(1e3 * s, 3) for s in seconds],
            "extra_mib": None if extra is None else round(extra / 2**20, 1),
        }
    own_cases = {cases[0].name, *(case.against for case in cases)} if cases else ()
    for case in cases:
        own = case.against or cases[0].name
        if case.name in own_cases or own not in measured:
            continue
        a, b = measured[own], measured[case.name]
        b["against"] = own
        b["time_ratio"] = round(a["ms"] / b["ms"], 3)
        if b["extra_mib"]:
            b["memory_ratio"] = round(a["extra_mib"] / b["extra_mib"], 3)
    return measured


def _require_equal_results(comparison, cases, results):
    """Refuses cases with different results, which do different work and have no common ratio."""
    own = results[0]
    for case, result in zip(cases, results):
        if own is None or result is None:
            continue
        same = len(own) == len(result) and all(
            abs(a - b) <= 1e-3 * norm
            for (norm, *x), (other, *y) in zip(own, result)
            for a, b in zip((norm, *x), (other, *y))
        )
        if not same:
            raise CaseError(
                f"{comparison.label}: {case.name} found {result}, {cases[0].name} found {own}."
            )


class Worker:
    """A process that holds one case and runs it when asked; see `worker.py`."""

    def __init__(self, python, module, label, case, logs, smoke):
        name = f"{module} {label} {case}"
        safe = "".join(c if c.isalnum() else "-" for c in name)
        self.log, self.name = Path(logs) / f"{safe}.txt", name
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [str(python), str(FOLDER / "worker.py"), module, label, case, str(int(smoke))],
                env=settings_of_process(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self._answer()
        except CaseError:
            self.close()
            raise

    def ask(self, what):
        """Asks for the "time" (seconds), "memory" (bytes) or "result" of a run."""
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            tail = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])
            raise CaseError(f"{self.name} broke off:\n{tail}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def table(measured):
    """The rows of one comparison in Markdown."""
    lines = [
        "| case | ms | peak extra MiB | time, ours / this | memory, ours / this | compared with |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, row in measured.items():
        memory = row["extra_mib"]
        cells = [name, f"{row['ms']:,.1f}", "" if memory is None else f"{memory:,.0f}"]
        for key in ("time_ratio", "memory_ratio"):
            cells.append(f"{row[key]:.2f}" if key in row else "")
        lines.append("| " + " | ".join([*cells, row.get("against", "")]) + " |")
    return "\n".join(lines)


def machine():
    """A description of the machine."""
    name = "unknown processor"
    if sys.platform.startswith("linux"):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{THREADS} cores of {name}"
