"""Tatoeba's archive."""

import zipfile

import keras
import pytest

from keras_attention.datasets import (
    Pair,
    load_tatoeba,
)


def test_tatoeba_is_read_without_extracting(tmp_path):
    archive = tmp_path / "spa-eng.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("spa-eng/spa.txt", "Go.\tVe.\nHi.\tHola.\n")
        file.writestr("../evil.txt", "outside")
    assert load_tatoeba(archive) == [Pair("Go.", "Ve."), Pair("Hi.", "Hola.")]
    assert [path.name for path in tmp_path.iterdir()] == ["spa-eng.zip"]
    (tmp_path / "spa.txt").write_text("Go.\tVe.\n")
    assert load_tatoeba(tmp_path / "spa.txt") == [Pair("Go.", "Ve.")]


def test_tatoeba_without_the_member_is_refused(tmp_path):
    archive = tmp_path / "spa-eng.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("other.txt", "")
    with pytest.raises(ValueError, match=r"expected a zip archive with spa-eng/spa\.txt"):
        load_tatoeba(archive)
    archive.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="expected a zip archive"):
        load_tatoeba(archive)


def test_tatoeba_says_so_when_the_network_refuses(monkeypatch):
    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure: 403")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    with pytest.raises(OSError, match=r"Could not fetch https://(.|\n)*403(.|\n)*load_bible"):
        load_tatoeba()
