"""Directories that appear complete or not at all."""

import os
import stat

import pytest

from keras_attention.export import writing
from keras_attention.export.writing import atomic_directory
from tests.support.exporting import listing


def write(target, text="new", **options):
    with atomic_directory(target, **options) as folder:
        (folder / "file").write_text(text)


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


def test_the_old_one_comes_back_where_the_new_one_cannot_move(tmp_path, monkeypatch):
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
