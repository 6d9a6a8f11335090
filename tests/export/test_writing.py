"""Directories that appear complete or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from keras_attention.export import writing
from keras_attention.export.writing import atomic_directory, next_version
from tests.support.exporting import listing


def write(target, text="new", **options):
    with atomic_directory(target, **options) as folder:
        (folder / "file").write_text(text)


@pytest.fixture
def without_exchange(monkeypatch):
    """A system that cannot exchange two directories in one step."""
    monkeypatch.setattr(writing, "_renamed", lambda *arguments: False)


def test_it_appears_only_when_complete(tmp_path):
    with atomic_directory(tmp_path / "artifact") as folder:
        (folder / "file").write_text("new")
        assert not (tmp_path / "artifact").exists()
    assert listing(tmp_path) == ["artifact", "artifact/file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path, error):
    for target in ("artifact", "new/1"):
        with pytest.raises(error), atomic_directory(tmp_path / target) as folder:
            (folder / "file").touch()
            raise error
    assert listing(tmp_path) == []


def test_the_old_one_stays_until_the_new_one_is_complete(tmp_path):
    write(tmp_path / "artifact", "old")
    with pytest.raises(ValueError), atomic_directory(tmp_path / "artifact", overwrite=True):
        assert (tmp_path / "artifact" / "file").read_text() == "old"
        raise ValueError
    assert (tmp_path / "artifact" / "file").read_text() == "old"
    write(tmp_path / "artifact", overwrite=True)
    assert (tmp_path / "artifact" / "file").read_text() == "new"
    assert listing(tmp_path) == ["artifact", "artifact/file"]


def test_the_old_one_comes_back_where_the_new_one_cannot_move(
    tmp_path, monkeypatch, without_exchange
):
    write(tmp_path / "artifact", "old")
    rename = writing.Path.rename

    def refuse_the_new_one(path, target):
        if path.name == "artifact" and "partial" in path.parent.name:
            raise OSError("disk trouble")
        return rename(path, target)

    monkeypatch.setattr(writing.Path, "rename", refuse_the_new_one)
    with pytest.raises(OSError, match="disk trouble"):
        write(tmp_path / "artifact", overwrite=True)
    assert (tmp_path / "artifact" / "file").read_text() == "old"
    assert listing(tmp_path) == ["artifact", "artifact/file"]


def test_somebody_else_was_faster(tmp_path):
    with pytest.raises(FileExistsError), atomic_directory(tmp_path / "artifact"):
        (tmp_path / "artifact").mkdir()
    assert listing(tmp_path) == ["artifact"]


def test_others_may_read_it(tmp_path):
    umask = os.umask(0o022)
    try:
        write(tmp_path / "artifact")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "artifact").stat().st_mode) == 0o755


def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    # As root no directory is read-only, so that its mode alone would show nothing.
    monkeypatch.setattr(writing.tempfile, "mkdtemp", refuse)
    for target in ("artifact", "new/1"):
        with pytest.raises(PermissionError):
            write(tmp_path / target)
    assert listing(tmp_path) == []


def test_targets_that_are_refused(tmp_path):
    (tmp_path / "file").touch()
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    before = listing(tmp_path)
    for target, error in (
        ("file", FileExistsError),
        ("link", FileExistsError),
        ("file/artifact", NotADirectoryError),
        ("a/b/c", FileNotFoundError),
    ):
        with pytest.raises(error):
            write(tmp_path / target)
    with pytest.raises(FileExistsError, match="no exported artifact"):
        write(tmp_path / "file", overwrite=True, replaceable=lambda path: False)
    assert listing(tmp_path) == before


def test_a_link_is_not_overwritten(tmp_path):
    write(tmp_path / "artifact", "old")
    os.symlink(tmp_path / "artifact", tmp_path / "link")
    with pytest.raises(FileExistsError, match="is a link, so it is not overwritten"):
        write(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link" / "file").read_text() == "old"


@pytest.mark.parametrize("there", [[], ["1"], ["2", "10", "9", "latest", ".11-abc.partial"]])
def test_the_next_version(tmp_path, there):
    for name in there:
        (tmp_path / name).mkdir()
    highest = max([int(name) for name in there if name.isdecimal()], default=0)
    assert next_version(tmp_path) == highest + 1
    assert next_version(tmp_path, overwrite=True) == max(1, highest)


READER = """
import os, sys
print("begun", flush=True)
asked = missing = 0
while not os.path.exists(sys.argv[2]):
    for _ in range(100):
        asked += 1
        missing += not os.path.exists(sys.argv[1])
print(asked, missing)
"""


def test_there_is_a_version_at_every_moment_of_many_overwrites(tmp_path):
    target, stop = tmp_path / "served" / "1", tmp_path / "stop"
    write(target, "0")
    command = [sys.executable, "-c", READER, target, stop]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert reader.stdout.readline() == "begun\n"
    for number in range(200):
        write(target, str(number), overwrite=True)
    stop.touch()
    asked, missing = map(int, reader.communicate()[0].split())
    assert asked >= 200 and missing == 0
    assert listing(tmp_path / "served") == ["1", "1/file"]
    assert (target / "file").read_text() == "199"


def test_overwriting_without_an_exchange(tmp_path, without_exchange):
    for number in range(3):
        write(tmp_path / "artifact", str(number), overwrite=True)
    assert (tmp_path / "artifact" / "file").read_text() == "2"
    assert listing(tmp_path) == ["artifact", "artifact/file"]


def test_a_target_that_another_process_has_aside(tmp_path, monkeypatch, without_exchange):
    write(tmp_path / "artifact", "old")
    rename = writing.Path.rename

    def faster(path, target):
        if target.name == writing.REPLACED:
            monkeypatch.setattr(writing.Path, "rename", rename)
            write(tmp_path / "artifact", "other", overwrite=True)
            rename(path, tmp_path / "aside")
        return rename(path, target)

    monkeypatch.setattr(writing.Path, "rename", faster)
    write(tmp_path / "artifact", overwrite=True)
    assert (tmp_path / "artifact" / "file").read_text() == "new"


def leftover(folder, name="replaced"):
    """What a process has left that was killed between the old version and the new one."""
    (folder / name).mkdir(parents=True)
    (folder / name / "file").write_text("old")


def test_leftovers_are_restored_before_a_number_is_chosen(tmp_path):
    write(tmp_path / "1")
    leftover(tmp_path / ".3-abcdefgh.partial")
    (tmp_path / ".4-abcdefgh.partial" / "4").mkdir(parents=True)
    assert next_version(tmp_path) == 4
    assert listing(tmp_path) == ["1", "1/file", "3", "3/file"]
    assert (tmp_path / "3" / "file").read_text() == "old"


def test_a_leftover_does_not_replace_a_version(tmp_path):
    write(tmp_path / "3")
    leftover(tmp_path / ".3-abcdefgh.partial")
    assert next_version(tmp_path) == 4
    assert (tmp_path / "3" / "file").read_text() == "new"
    assert listing(tmp_path) == ["3", "3/file"]


@pytest.mark.parametrize("inside", [".", "replaced", "replaced/link", "1"])
def test_links_among_leftovers_are_removed_as_links(tmp_path, inside):
    home, served = tmp_path / "home", tmp_path / "served"
    leftover(home)
    before = listing(home)
    link = served / ".1-abcdefgh.partial" / inside
    link.parent.mkdir(parents=True)
    link.symlink_to(home)
    assert next_version(served) == (2 if inside == "replaced/link" else 1)
    write(served / "1", overwrite=True)
    assert listing(home) == before
    assert listing(served) == ["1", "1/file"] and not (served / "1").is_symlink()


EXPORT = """
import os, runpy, sys
from pathlib import Path
writing = runpy.run_path(sys.argv[1])
path = Path(sys.argv[2])
chosen = path / str(writing["next_version"](path))
def following():
    global chosen
    chosen = path / str(writing["next_version"](path))
    return chosen
with writing["atomic_directory"](chosen, instead=following) as folder:
    print("begun", flush=True)
    while not os.path.exists(sys.argv[4]):
        pass
    (folder / "file").write_text(sys.argv[3])
print(chosen.name)
"""


def test_exports_that_race_take_one_number_each(tmp_path):
    path, go = tmp_path / "served", tmp_path / "go"
    write(path / "7")
    command = [sys.executable, "-c", EXPORT, writing.__file__, path]
    racing = [
        subprocess.Popen([*command, str(i), go], stdout=subprocess.PIPE, text=True)
        for i in range(8)
    ]
    assert {process.stdout.readline() for process in racing} == {"begun\n"}
    go.touch()
    chosen = [process.communicate()[0].strip() for process in racing]
    assert [process.returncode for process in racing] == [0] * 8
    assert sorted(map(int, chosen)) == [8, 9, 10, 11, 12, 13, 14, 15]
    for number, name in enumerate(chosen):
        assert (path / name / "file").read_text() == str(number)
    assert {entry.name for entry in path.iterdir()} == {"7", *chosen}
