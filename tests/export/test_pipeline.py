"""What goes wrong outside: a full disk, a kill, a target that is not ours to write."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from keras_attention.export import export_model, pipeline, writing
from keras_attention.export.writing import atomic_directory
from keras_attention.generation import BeamSearch
from tests.support.exporting import Foreign, listing

IDS = [np.array([[4, 5]], "int32")]


@pytest.fixture
def full_disk():
    """Files beyond 256 bytes cannot be written, by whatever code."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def versions(folder):
    """An old version of something, which is to stay as it is."""
    old = folder / "speller" / "1"
    (old / "assets.extra").mkdir(parents=True)
    (old / "assets.extra" / "examples.npz").write_bytes(b"the old one")
    return listing(folder)


def test_a_full_disk_under_a_saved_model(tmp_path, full_disk, without_decoding):
    before = versions(tmp_path)
    with pytest.raises(OSError, match=r"cannot be written: TensorFlow says: .*File too large"):
        export_model(Foreign(), tmp_path / "speller", examples=IDS, overwrite=True)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_full_disk_under_graphs(tmp_path, full_disk, monkeypatch, format):
    monkeypatch.setattr(type(pipeline.WRITERS[format]), "graphs", {"step": "step"})
    with pytest.raises(OSError) as caught:
        export_model(
            Foreign(),
            tmp_path / "new",
            format=format,
            search=BeamSearch(max_length=2),
            examples=IDS,
        )
    assert caught.value.errno == errno.EFBIG
    assert listing(tmp_path) == []


WRITER = """
import runpy, sys, time
atomic_directory = runpy.run_path(sys.argv[1])["atomic_directory"]
with atomic_directory(sys.argv[2], overwrite=True) as folder:
    (folder / "half").write_text("written")
    print("begun", flush=True)
    time.sleep(60)
"""


def begin(target):
    """Another process that has begun to write, and takes its time."""
    command = [sys.executable, "-c", WRITER, writing.__file__, str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_killed_export_leaves_nothing_under_the_name_and_is_cleared_away(tmp_path):
    before = versions(tmp_path)
    target = tmp_path / "speller" / "2"
    killed, alive = begin(target), begin(target)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    # Hidden, and no version: nobody serves it.
    left = [p for p in target.parent.iterdir() if p.name != "1"]
    assert len(left) == 2 and all(p.name.startswith(".2-") for p in left)

    with atomic_directory(target) as folder:
        (folder / "file").touch()
        # What a living process still writes is not touched.
        assert len([p for p in target.parent.iterdir() if p.name.startswith(".2-")]) == 2
    alive.kill()
    alive.communicate()
    writing.remove_leftovers(target.parent, "2".__eq__)
    new = ["speller/2", "speller/2/file"]
    assert listing(tmp_path) == sorted([*before, *new])


def test_killed_between_the_old_one_and_the_new_one(tmp_path):
    with atomic_directory(tmp_path / "speller") as folder:
        (folder / "old").touch()
    leftover = tmp_path / ".speller-abcdefgh.partial"
    (leftover / "speller").mkdir(parents=True)
    (tmp_path / "speller").rename(leftover / "replaced")
    # Of another target, which begins alike.
    (tmp_path / ".speller-two-abcdefgh.partial").mkdir()
    with pytest.raises(FileExistsError), atomic_directory(tmp_path / "speller"):
        raise ValueError
    assert listing(tmp_path) == [".speller-two-abcdefgh.partial", "speller", "speller/old"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(writing.fcntl, "flock", refuse)
    (tmp_path / ".new-abcdefgh.partial").mkdir()
    with atomic_directory(tmp_path / "new") as folder:
        (folder / "file").touch()
    assert listing(tmp_path) == [".new-abcdefgh.partial", "new", "new/file"]


def test_an_export_that_loses_a_race_takes_the_next_number(tmp_path, monkeypatch, without_decoding):
    verify_artifact = pipeline.verify_artifact

    def while_another_is_faster(folder, tolerance, target):
        versions(tmp_path)
        return verify_artifact(folder, tolerance, target)

    monkeypatch.setattr(pipeline, "verify_artifact", while_another_is_faster)
    report = export_model(Foreign(), tmp_path / "speller", examples=IDS, verbose=False)
    assert report["version"] == 2
    assert (tmp_path / "speller" / "1" / "assets.extra" / "examples.npz").stat().st_size == 11
    assert (tmp_path / "speller" / "2" / "saved_model.pb").exists()


def test_a_read_only_target():
    # Not pytest's folder, which nobody but root may enter.
    with tempfile.TemporaryDirectory() as folder:
        before = versions(Path(folder))
        Path(folder).chmod(0o755)
        Path(folder, "speller").chmod(0o555)
        root = os.geteuid() == 0
        try:
            # For root nothing is read-only.
            os.seteuid(65534 if root else os.geteuid())
            with pytest.raises(PermissionError, match="Permission denied"):
                export_model(Foreign(), Path(folder, "speller"), examples=IDS)
        finally:
            os.seteuid(0 if root else os.geteuid())
            Path(folder, "speller").chmod(0o755)
        assert listing(folder) == before


# A page asks for vocabularies first.
@pytest.mark.parametrize("format", [name for name in pipeline.WRITERS if name != "web"])
def test_a_model_without_the_needed_parts(tmp_path, format):
    before = versions(tmp_path)

    class Half:
        variables = ()

        def start(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="Half without step"):
        export_model(Half(), tmp_path / "speller", format=format)
    with pytest.raises(ValueError, match="search: expected"):
        export_model(Foreign(), tmp_path / "speller", format=format, examples=IDS, search=4)
    assert listing(tmp_path) == before


def test_litert_takes_one_row(tmp_path):
    with pytest.raises(ValueError, match=r"examples: expected batches of one example, .*\(2, 1\)"):
        export_model(Foreign(), tmp_path / "new", examples=[[[4], [5]]], format="litert")
    assert listing(tmp_path) == []


def test_litert_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[litert\]'"):
        export_model(Foreign(), tmp_path / "new", examples=IDS, format="litert")
    assert listing(tmp_path) == []
