"""The same job on a Dask cluster of two worker processes, some of which are killed."""

import contextlib
import json
import subprocess
import sys

import pytest

from tests.batch.conftest import environment, shards, stop, wait_until, write
from tests.batch.needs import skip_without

skip_without("apache_beam", "distributed")
LINES, CHUNK = 1000, 10


class Cluster:
    """A scheduler and two workers, each a process with one thread."""

    def __init__(self, folder, stack):
        self._file = folder / "scheduler.json"
        self._log = folder / "cluster.log"
        self._stack = stack
        address = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = self._start("scheduler", *address, "--scheduler-file", self._file)
        wait_until(self._file.exists, scheduler)
        self.address = json.loads(self._file.read_text("utf-8"))["address"]
        self.workers = [self.add_worker() for _ in range(2)]

    def add_worker(self):
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        return self._start("worker", self.address, *options, "--local-directory", self._file.parent)

    def _start(self, what, *arguments):
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, *map(str, arguments)]
        with open(self._log, "a") as log:
            process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
        self._stack.callback(stop, process)
        return process


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Cluster(tmp_path_factory.mktemp("cluster"), stack)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A file with lines of all kinds."""
    lines = [f"number {i} of many ü" + " x" * (i % 7) for i in range(LINES)]
    lines = [line.encode() for line in lines]
    lines[13], lines[31], lines[99] = b"caf\xe9", b"a boom", b""
    return write(tmp_path_factory.mktemp("books") / "book.txt", lines)


def results(folder):
    """Everything that a run writes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def expected(book, models, tmp_path_factory):
    """What the DirectRunner writes."""
    from keras_attention.export.batch import translate_files

    out = tmp_path_factory.mktemp("direct") / "out"
    translate_files(models / "1", [book], out, batch_size=4, chunk=CHUNK)
    return results(out)


@pytest.fixture
def command(cluster, book, models, tmp_path):
    runner = ("--runner", "DaskRunner", "--every", 0.2)
    options = ("--output", tmp_path / "out", "--chunk", CHUNK, "--batch", 4)
    return (*runner, *options, models / "1", book, "--", f"--dask_client_address={cluster.address}")


def finish(process, tmp_path):
    assert process.wait(300) == 0, (tmp_path / "log").read_text("utf-8")


def test_two_workers_write_what_one_process_writes(started, command, expected, tmp_path):
    finish(started(*command), tmp_path)
    assert results(tmp_path / "out") == expected


def test_a_worker_is_killed(cluster, started, command, expected, tmp_path):
    driver = started(*command)
    wait_until(lambda: len(shards(tmp_path / "out")) >= 5, driver)
    stop(cluster.workers.pop())
    assert len(shards(tmp_path / "out")) < LINES // CHUNK
    finish(driver, tmp_path)
    cluster.workers.append(cluster.add_worker())
    assert results(tmp_path / "out") == expected


def test_the_driver_is_killed_and_started_again(started, command, expected, tmp_path):
    driver = started(*command)
    wait_until(lambda: len(shards(tmp_path / "out")) >= 5, driver)
    stop(driver)
    assert len(shards(tmp_path / "out")) < LINES // CHUNK
    assert not (tmp_path / "out" / "book.txt").exists()
    finish(started(*command), tmp_path)
    assert results(tmp_path / "out") == expected
    assert ", 1,000 to do" not in (tmp_path / "log").read_text("utf-8").splitlines()[-1]
