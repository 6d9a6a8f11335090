"""Image files, folders with captions, and Flickr8k, in miniature."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_attention.datasets import (
    Captioned,
    CaptionedImages,
    captions,
    flickr8k,
    load_captions,
    load_flickr8k,
    plain_caption,
    read_image,
)
from keras_attention.datasets import images as images_module
from keras_attention.datasets.images import decode_image


def encoded(mode="RGB", form="PNG", **options):
    """A smooth picture, 60 x 50, as a file."""
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), "uint8")
    image = Image.fromarray(small).resize((60, 50), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_that_claims(width, height):
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(50))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="module")
def decode():
    """In a graph, as a served model has it."""
    spec = [tf.TensorSpec((), tf.string)]
    return tf.function(lambda contents: decode_image(contents, (24, 32)), input_signature=spec)


FILES = {
    "jpeg": encoded(form="JPEG"),
    "progressive": encoded(form="JPEG", progressive=True),
    "grey jpeg": encoded("L", "JPEG"),
    "cmyk jpeg": encoded("CMYK", "JPEG"),
    "png": encoded(),
    "grey png": encoded("L"),
    "palette": encoded("P"),
    "opacity": encoded("RGBA"),
    "black and white": encoded("1"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_decoded_as_pillow_does(name, decode):
    pixels = decode(FILES[name]).numpy()
    image = Image.open(io.BytesIO(FILES[name])).convert("RGB")
    expected = np.asarray(image.resize((32, 24), Image.Resampling.BILINEAR)).astype(int)
    assert pixels.dtype == np.uint8
    assert abs(pixels - expected).max() <= 1
    np.testing.assert_array_equal(decode_image(FILES[name], (24, 32)), pixels)


def test_a_picture_of_the_size_wanted_stays_as_it_is():
    exact = np.asarray(Image.open(io.BytesIO(FILES["png"])))
    np.testing.assert_array_equal(decode_image(FILES["png"], (50, 60)), exact)


BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "binary": bytes(range(240, 256)),
    "gif": encoded(form="GIF"),
    "cut jpeg": FILES["jpeg"][:400],
    "cut png": FILES["png"][:400],
    "no header": FILES["png"][:10],
    "too large": png_that_claims(60_000, 60_000),
    "far too large": png_that_claims(2**32 - 1, 2**32 - 1),
    "empty": png_that_claims(0, 5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, decode, tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(BROKEN[name])
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[name])
    with pytest.raises(ValueError, match=r"path: expected a whole JPEG or PNG.*broken\.jpg"):
        read_image(path, (24, 32))


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_a_file_is_measured_before_it_is_decoded(name, monkeypatch):
    monkeypatch.setattr(images_module, "_MOST_PIXELS", 60 * 50)
    decode_image(FILES[name], (24, 32))
    monkeypatch.setattr(images_module, "_MOST_PIXELS", 60 * 50 - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 to 2999 pixels"):
        decode_image(FILES[name], (24, 32))


def test_a_bad_size_is_refused():
    with pytest.raises(ValueError, match=r"size: expected \(height, width\), received 96"):
        decode_image(FILES["png"], 96)
    with pytest.raises(ValueError, match="size: expected a positive integer, received 0"):
        read_image("no such file", (0, 96))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A dog 's ball .", "a dog s ball"),
        ("Who\u2019s-there? 3 DOGS!", "who\u2019s-there 3 dogs"),
        ("Ein Café , grün_rot", "ein café grün rot"),
        (" . ", ""),
    ],
)
def test_plain_captions_are_lowercased_words(text, plain):
    assert plain_caption(text) == plain


def images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES["jpeg"])


@pytest.mark.parametrize(
    "text",
    [
        'image,caption\na.jpg,"One, two ."\nb.jpg,Three .\na.jpg,Four .\n',
        "file_name,license,text\r\na.jpg,x,\"One, two .\"\r\nb.jpg,x,Three .\r\na.jpg,x,Four .\r\n",
        "a.jpg#0\tOne, two .\nb.jpg#0\tThree .\na.jpg#1\tFour .\n",
        "\ufeffa.jpg\tOne, two .\nb.jpg\tThree .\n\na.jpg\tFour .\na.jpg\t.\n",
    ],
)  # fmt: skip
def test_captions_are_read_in_every_form(text, tmp_path):
    images(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "captions.txt").write_text(text, "utf-8", newline="")
    splits = load_captions(tmp_path, tmp_path / "captions.txt", dev=0, test=0)
    assert splits["train"] == [
        Captioned(str(tmp_path / "a.jpg"), ("One, two .", "Four .")),
        Captioned(str(tmp_path / "b.jpg"), ("Three .",)),
    ]


def test_an_image_is_in_one_split_and_stays_there(tmp_path):
    names = [f"{i}.jpg" for i in range(60)]
    images(tmp_path, names)

    def where(names):
        lines = [f"{name}#{i}\tA dog .\n" for name in names for i in range(2)]
        (tmp_path / "tokens").write_text("".join(lines))
        splits = load_captions(tmp_path, tmp_path / "tokens", dev=0.2, test=0.3)
        return {example.image: name for name, split in splits.items() for example in split}

    every, fewer = where(names), where(names[:30])
    assert len(every) == 60
    assert set(every.values()) == {"train", "dev", "test"}
    assert fewer.items() <= every.items()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,words\na.jpg,Hi\n", "captions: expected lines with a tab, or a heading"),
        ("", "captions: expected lines with a tab, or a heading"),
        ("image,caption\na.jpg,One, two\n", "expected 2 columns in every row, received 3 before"),
        ("a.jpg#0\tOne\nTwo\n", "expected a tab .* 'Two' on line 2"),
        ("a.jpg#0\tOne\nz.jpg#0\tTwo\n", r"1 of 2 lack one or the other, the first is 'z\.jpg'"),
        ("../a.jpg\tOne\n", r"expected names inside the folder, received '\.\./a\.jpg'"),
        ("a.jpg\t.\n", "expected images to train on, received none"),
    ],
)
def test_bad_caption_files_are_refused(text, message, tmp_path):
    images(tmp_path, ["a.jpg"])
    (tmp_path / "captions").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_captions(tmp_path, tmp_path / "captions")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "captions").write_bytes(b"a.jpg\t\xff\n")
    with pytest.raises(ValueError, match="captions: expected UTF-8"):
        load_captions(tmp_path, tmp_path / "captions")


def test_captioned_images_read_each_file_once(tmp_path, monkeypatch):
    images(tmp_path, ["a.jpg", "b.jpg"])
    read = []
    monkeypatch.setattr(
        captions, "read_image", lambda path, size: read.append(path) or read_image(path, size)
    )
    a, b = str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")
    examples = [Captioned(a, ("A dog .", "Dogs !")), Captioned(b, ("A cat",))]

    def seen(**options):
        read.clear()
        data = CaptionedImages(examples, (24, 32), **options)
        return data, [data[i] for i in (0, 1, 2, 1, 2)]

    data, items = seen()
    assert len(data) == 3
    assert data.captions == ["a dog", "dogs", "a cat"]
    assert [item.caption for item in items] == ["a dog", "dogs", "a cat", "dogs", "a cat"]
    np.testing.assert_array_equal(items[1].image, read_image(a, (24, 32)))
    assert read == [a, b]
    seen(memory=3 * 24 * 32)
    assert read == [a, b, b]
    seen(memory=0)
    assert read == [a, a, b, a, b]


def test_a_broken_image_of_a_folder_is_named(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    data = CaptionedImages([Captioned(str(tmp_path / "bad.jpg"), ("Hi",))])
    with pytest.raises(ValueError, match=r"bad\.jpg"):
        data[0]


NAMES = {"train": ["t1.jpg", "t2.jpg"], "dev": ["d.jpg"], "test": ["e.jpg"]}


def published(folder, texts="."):
    """Flickr8k as published, with an entry of an image that is not there, as it has one."""
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
    """The two archives, made here, and a data folder that is empty."""
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
