"""Flickr8k: photographs with five captions each."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import keras

from keras_attention.datasets.captions import Captioned, captioned, load_captions, read_captions

_ORIGIN = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/"
_ARCHIVES = ("Flickr8k_Dataset.zip", "Flickr8k_text.zip")
# The first one is misspelled in the published archive.
_IMAGES = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")
_TEXTS = (".", "Flickr8k_text")
_TOKENS = "Flickr8k.token.txt"
_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
_KAGGLE = "captions.txt"
# Published: the largest photograph has 0.4 MB, the largest text 3.5 MB, all files 1.1 GB.
_LARGEST, _LARGEST_IN_ALL = 32 * 2**20, 4 * 2**30


def load_flickr8k(
    path: str | os.PathLike[str] | None = None,
    sha256: tuple[str | None, str | None] = (None, None),
) -> dict[str, list[Captioned]]:
    """Flickr8k (Hodosh, Young & Hockenmaier, 2013): photographs with five captions each.

    6,000 photographs for training, 1,000 for validation and 1,000 for testing,
    by the published lists. The folder has one of these layouts:

    - as published: the images in `Flicker8k_Dataset/`, and `Flickr8k.token.txt`
      with `Flickr_8k.trainImages.txt`, `Flickr_8k.devImages.txt` and
      `Flickr_8k.testImages.txt` beside it or in `Flickr8k_text/`;
    - as on Kaggle: `Images/` and `captions.txt`, without lists. Then an eighth
      of the images each is for validation and testing, chosen by their names,
      and results are not comparable with published ones.

    Without `path` the two archives are downloaded from the address that most
    tutorials use (1.1 GB) and kept in the data folder of Keras; only images and
    texts are extracted. The photographs belong to their authors on Flickr; the
    collection is for research and teaching, not for commercial use.

    Args:
        path: the folder, if it exists already.
        sha256: SHA-256 of the archives of images and of texts, or None. The
            publisher names no checksums.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of
        `Captioned`.

    Raises:
        OSError: if the data cannot be downloaded or read.
        ValueError: if the folder has another layout, if an image or caption is
            missing, or if an archive has another checksum or is larger than
            Flickr8k can be.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_flickr8k
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder = pathlib.Path(folder)
    ...     (folder / "Flicker8k_Dataset").mkdir()
    ...     for name in "abc":
    ...         _ = (folder / "Flicker8k_Dataset" / f"{name}.jpg").write_bytes(b"")
    ...     lines = [f"{name}.jpg#{i}\\tA dog runs .\\n" for name in "abc" for i in range(5)]
    ...     _ = (folder / "Flickr8k.token.txt").write_text("".join(lines))
    ...     for name, split in zip("abc", ("train", "dev", "test")):
    ...         _ = (folder / f"Flickr_8k.{split}Images.txt").write_text(f"{name}.jpg\\n")
    ...     splits = load_flickr8k(folder)
    >>> [len(splits[split]) for split in splits], splits["dev"][0].captions[4]
    ([1, 1, 1], 'A dog runs .')
    """
    folder = _fetched(sha256) if path is None else Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"path: expected a folder, received {str(path)!r}.")
    images = next((folder / name for name in _IMAGES if (folder / name).is_dir()), None)
    texts = next((folder / name for name in _TEXTS if (folder / name / _TOKENS).is_file()), None)
    if images is not None and texts is not None:
        captions = read_captions(texts / _TOKENS)
        return {
            split: captioned(images, captions, (texts / file).read_text("utf-8").split())
            for split, file in _LISTS.items()
        }
    if images is not None and (folder / _KAGGLE).is_file():
        return load_captions(images, folder / _KAGGLE, dev=0.125, test=0.125)
    raise ValueError(
        f"path: expected a folder with {_IMAGES[0]} and {_TOKENS}, or with Images and {_KAGGLE}, "
        f"received {str(folder)!r} with {', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}."
    )


def _fetched(sha256: tuple[str | None, str | None]) -> Path:
    """The folder with the contents of both archives; if it exists, it is complete."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    folder = home / "datasets" / "keras_attention" / "flickr8k"
    if folder.is_dir():
        return folder
    archives = [_download(name, digest) for name, digest in zip(_ARCHIVES, sha256, strict=True)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        for archive in archives:
            unpack(archive, Path(unfinished, "flickr8k"))
        # Renamed when complete, so that an interruption leaves no partial folder.
        Path(unfinished, "flickr8k").rename(folder)
    return folder


def _download(name: str, sha256: str | None) -> str:
    try:
        return keras.utils.get_file(name, _ORIGIN + name, file_hash=sha256)
    except ValueError:
        raise
    except Exception as error:  # get_file raises plain Exceptions
        raise OSError(
            f"Could not fetch {_ORIGIN + name}: {error}. Check the network, or fetch "
            f"{' and '.join(_ARCHIVES)} elsewhere, unpack them and pass the folder as path. "
            "The data set Scenes needs only a package index."
        ) from error


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Extracts the images and texts of an archive of Flickr8k into a folder.

    The path of a file follows from its name alone: nothing is written outside
    the folder, whatever paths the archive has.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            targets = [(member, _target(member.filename)) for member in opened.infolist()]
            wanted = [(member, target) for member, target in targets if target is not None]
            sizes = [member.file_size for member, _ in wanted]
            if max(sizes, default=0) > _LARGEST or sum(sizes) > _LARGEST_IN_ALL:
                raise ValueError(
                    f"{archive}: expected files below {_LARGEST} bytes and {_LARGEST_IN_ALL} in "
                    f"all, received {max(sizes)} and {sum(sizes)}. Nothing was unpacked."
                )
            for member, target in wanted:
                path = Path(folder, target)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: expected a zip archive: {error}. Delete it.") from error


def _target(member: str) -> Path | None:
    """The path of an extracted file, or None for folders, resource forks and other files."""
    path = PurePosixPath(member)
    name = path.name
    if member.endswith("/") or name.startswith(".") or "\\" in name:
        return None
    if path.suffix == ".jpg":
        return Path(_IMAGES[0], name)
    return Path(name) if path.suffix == ".txt" else None
