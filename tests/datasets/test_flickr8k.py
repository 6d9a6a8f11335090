"""Flickr8k in miniature."""

import zipfile

import pytest

from keras_attention.datasets import (
    flickr8k,
    load_flickr8k,
)
from tests.support.pictures import FILES, images

NAMES = {"train": ["t1.jpg", "t2.jpg"], "dev": ["d.jpg"], "test": ["e.jpg"]}


def published(folder, texts="."):
    """Flickr8k as published, including captions of an image that does not exist."""
    every = [name for names in NAMES.values() for name in names]
    images(folder / "Flicker8k_Dataset", every)
    (folder / texts).mkdir(exist_ok=True)
    lines = [f"{name}#{i}\t{name} number {i} .\n" for name in every for i in range(5)]
    lines += ["lost.jpg.1#0\tA lost one .\n"]
    (folder / texts / "Flickr8k.token.txt").write_text("".join(lines))
    for split, names in NAMES.items():
        (folder / texts / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")
    return folder


def check_published(splits):
    found = {split: [path.image.split("/")[-1] for path in splits[split]] for split in splits}
    assert found == NAMES
    expected = tuple(f"d.jpg number {i} ." for i in range(5))
    assert splits["dev"][0].captions == expected


@pytest.mark.parametrize("texts", [".", "Flickr8k_text"])
def test_flickr8k_as_published(texts, tmp_path):
    check_published(load_flickr8k(published(tmp_path, texts)))


def test_flickr8k_of_kaggle(tmp_path):
    names = [f"{i}.jpg" for i in range(40)]
    images(tmp_path / "Images", names)
    rows = [f'{name},"Number {i}, seen ."\n' for name in names for i in range(5)]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(rows))
    splits = load_flickr8k(tmp_path)
    assert sum(map(len, splits.values())) == 40
    assert splits["train"][0].captions[4] == "Number 4, seen ."


def test_another_layout_is_refused_and_says_what_is_there(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"Flicker8k_Dataset and Flickr8k\.token.*photos"):
        load_flickr8k(tmp_path)
    with pytest.raises(FileNotFoundError, match="path: expected a folder, received 'nowhere'"):
        load_flickr8k("nowhere")


def test_a_listed_image_that_is_missing_is_named(tmp_path):
    published(tmp_path)
    (tmp_path / "Flicker8k_Dataset" / "e.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 1 lack one or the other, the first is 'e\.jpg'"):
        load_flickr8k(tmp_path)


@pytest.fixture
def download(tmp_path, monkeypatch):
    """The two archives in miniature, and an empty data folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    source = published(tmp_path / "source")
    for archive in ("Flickr8k_Dataset.zip", "Flickr8k_text.zip"):
        with zipfile.ZipFile(tmp_path / archive, "w") as opened:
            for file in sorted(source.rglob("*.*")):
                if file.is_file() and (file.suffix == ".jpg") == ("Dataset" in archive):
                    opened.write(file, file.relative_to(source))
            opened.writestr("__MACOSX/Flicker8k_Dataset/._t1.jpg", "fork")
            opened.writestr("../../outside.jpg", FILES["jpeg"])
            opened.writestr("/etc/outside.txt", "x")
            opened.writestr("run.sh", "x")
    monkeypatch.setattr(
        flickr8k.keras.utils, "get_file", lambda name, origin, file_hash: str(tmp_path / name)
    )
    return tmp_path


def test_flickr8k_is_fetched_once(download, monkeypatch):
    check_published(load_flickr8k())
    monkeypatch.setattr(flickr8k, "_download", None)
    check_published(load_flickr8k())


def test_nothing_is_unpacked_outside_the_folder(download):
    before = {path for path in download.rglob("*") if path.is_file()}
    load_flickr8k()
    made = {path for path in download.rglob("*") if path.is_file()} - before
    folder = download / "home/datasets/keras_attention/flickr8k"
    assert all(folder in path.parents for path in made)
    assert {path.suffix for path in made} == {".jpg", ".txt"}
    assert not [path for path in made if path.name.startswith(".")]


def test_an_archive_that_is_too_large_leaves_nothing(download, monkeypatch):
    monkeypatch.setattr(flickr8k, "_LARGEST", 100)
    with pytest.raises(ValueError, match=r"expected files below 100 bytes.*Nothing was unpacked"):
        load_flickr8k()
    assert not list((download / "home/datasets/keras_attention").iterdir())


def test_a_download_that_is_no_archive_is_refused(download):
    (download / "Flickr8k_text.zip").write_text("<html>")
    with pytest.raises(ValueError, match=r"Flickr8k_text\.zip: expected a zip archive"):
        load_flickr8k()
    assert not list((download / "home/datasets/keras_attention").iterdir())


def test_a_network_that_refuses_is_an_error_that_helps(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure: 403")

    monkeypatch.setattr(flickr8k.keras.utils, "get_file", refuse)
    with pytest.raises(OSError, match=r"Could not fetch .*Flickr8k_Dataset\.zip.*403.*the folder"):
        load_flickr8k()
