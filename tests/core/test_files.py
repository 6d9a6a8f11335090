"""Files are written whole or not at all; one that cannot be used is kept under another name."""

import os

import pytest

from keras_attention._core import files


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    with files.replacing(path) as unfinished:
        assert unfinished.suffix == ".keras" and unfinished.parent == tmp_path
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["model.keras"]


def test_after_an_error_the_old_file_is_as_it_was(tmp_path):
    path = tmp_path / "note.json"
    files.write_json(path, {"seconds": 1})
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == '{\n  "seconds": 1\n}\n'
    with pytest.raises(TypeError):
        files.write_json(path, {"seconds": object()})
    assert os.listdir(tmp_path) == ["note.json"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(files, "flush", lambda path: done.append(path.name))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append(f"{new.name} in place"))
    files.write_text(tmp_path / "a.txt", "a")
    assert done == [".unfinished-a.txt", "a.txt in place", tmp_path.name]


def test_what_cannot_be_used_is_kept_under_another_name(tmp_path, capsys):
    path = tmp_path / "latest"
    for content in ("first", "second"):
        path.write_text(content)
        files.set_aside(path, "It is empty.", "Training begins again.")
    assert (tmp_path / "latest.unreadable").read_text() == "second"
    assert not path.exists()
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{path} cannot be used: It is empty. It is kept as latest.unreadable. "
        "Training begins again."
    )
