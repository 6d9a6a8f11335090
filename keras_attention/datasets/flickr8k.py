"""Flickr8k: photographs, each with five sentences that people wrote about it."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import keras

from keras_attention.datasets.captions import captioned, load_captions, read_captions

_ORIGIN = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/"
_ARCHIVES = ("Flickr8k_Dataset.zip", "Flickr8k_text.zip")
# The published archive of images spells its folder so.
_IMAGES = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images")
_TEXTS = (".", "Flickr8k_text")
_TOKENS = "Flickr8k.token.txt"
_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
_KAGGLE = "captions.txt"
# The largest published photograph has 0.4 MB, the largest text 3.5 MB, all 1.1 GB.
_LARGEST, _LARGEST_IN_ALL = 32 * 2**20, 4 * 2**30


def load_flickr8k(path=None, sha256=(None, None)):
    """Flickr8k (Hodosh, Young & Hockenmaier, 2013): photographs with five captions each.

    6,000 photographs for training, 1,000 for validation, 1,000 for testing,
    by the published lists. The folder is laid out in one of these ways:

    - as published: the images in `Flicker8k_Dataset/`, and `Flickr8k.token.txt`
      with `Flickr_8k.trainImages.txt`, `Flickr_8k.devImages.txt` and
      `Flickr_8k.testImages.txt` beside it or in `Flickr8k_text/`;
    - as on Kaggle: `Images/` and `captions.txt`, without lists: then an eighth
      each, chosen by the images' names, is for validation and testing, and
      figures do not compare with published ones.

    Without `path` the two archives come from the address that most tutorials
    use (1.1 GB), are kept in Keras' data folder, and of them only the images
    and the texts are unpacked. The photographs belong to their authors on
    Flickr; the collection is for research and teaching, not for commerce.

    Args:
        path: the folder, where it is there already.
        sha256: what the archives of images and of texts must hash to. Their
            publisher names no checksums.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of
        `Captioned`.

    Raises:
        OSError: where the data cannot be fetched or read.
        ValueError: for another layout, an image or caption that is missing, an
            archive with another checksum, or one that would unpack to more
            than Flickr8k can be.

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


def _fetched(sha256):
    """The folder with what the two archives hold, complete whenever it is there."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    folder = home / "datasets" / "keras_attention" / "flickr8k"
    if folder.is_dir():
        return folder
    archives = [_download(name, digest) for name, digest in zip(_ARCHIVES, sha256, strict=True)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        for archive in archives:
            unpack(archive, Path(unfinished, "flickr8k"))
        # Renamed only when whole, so that an interruption leaves nothing.
        Path(unfinished, "flickr8k").rename(folder)
    return folder


def _download(name, sha256):
    try:
        return keras.utils.get_file(name, _ORIGIN + name, file_hash=sha256)
    except ValueError:
        raise
    except Exception as error:  # get_file raises plain Exceptions
        raise OSError(
            f"Could not fetch {_ORIGIN + name}: {error}. Check the network, or fetch "
            f"{' and '.join(_ARCHIVES)} elsewhere, unpack them and give the folder's path. "
            "Scenes needs only a package index."
        ) from error


def unpack(archive, folder):
    """Writes the images and texts of an archive of Flickr8k, and nothing else, into a folder.

    Where a file goes is decided by its name alone: whatever path the archive
    gives, nothing is written outside the folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = [(member, _place(member.filename)) for member in opened.infolist()]
            wanted = [(member, place) for member, place in wanted if place is not None]
            sizes = [member.file_size for member, _ in wanted]
            if max(sizes, default=0) > _LARGEST or sum(sizes) > _LARGEST_IN_ALL:
                raise ValueError(
                    f"{archive}: expected files below {_LARGEST} bytes and {_LARGEST_IN_ALL} in "
                    f"all, received {max(sizes)} and {sum(sizes)}. Nothing was unpacked."
                )
            for member, place in wanted:
                target = Path(folder, place)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: expected a zip archive: {error}. Delete it.") from error


def _place(member):
    """Where a file of the archive goes, or None: folders, resource forks and others go nowhere."""
    path = PurePosixPath(member)
    name = path.name
    if member.endswith("/") or name.startswith(".") or "\\" in name:
        return None
    if path.suffix == ".jpg":
        return Path(_IMAGES[0], name)
    return Path(name) if path.suffix == ".txt" else None
