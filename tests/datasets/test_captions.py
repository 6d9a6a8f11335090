"""Folders of images with captions."""

import numpy as np
import pytest

from keras_attention.datasets import (
    Captioned,
    CaptionedImages,
    captions,
    load_captions,
    plain_caption,
    read_image,
)
from tests.support.pictures import images


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


@pytest.mark.parametrize(
    "text",
    [
        'image,caption\na.jpg,"One, two ."\nb.jpg,Three .\na.jpg,Four .\n',
        "file_name,license,text\r\na.jpg,x,\"One, two .\"\r\nb.jpg,x,Three .\r\na.jpg,x,Four .\r\n",
        "a.jpg#0\tOne, two .\nb.jpg#0\tThree .\na.jpg#1\tFour .\n",
        "\ufeffa.jpg\tOne, two .\nb.jpg\tThree .\n\na.jpg\tFour .\na.jpg\t.\n",
        'image,caption\ra.jpg,"One, two ."\rb.jpg,Three .\ra.jpg,Four .\r',
        "a.jpg#0\tOne, two .\rb.jpg#0\tThree .\ra.jpg#1\tFour .\r",
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
        ("image,caption\na.jpg,One, two\n", "2 columns in every row, received 3 on line 2 of"),
        ('image,caption\na.jpg,"One\ntwo"\na.jpg\n', "received 1 on line 4 of"),
        ("image,caption\na.jpg,A\u2028b\va.jpg\n\na.jpg\n", "received 1 on line 4 of"),
        (
            f"image,caption\na.jpg,A\na.jpg,{'b' * 200_000}\n",
            r"row .* \(field larger .* on line 3 of",
        ),
        (f"{'a' * 200_000},caption\n", r"row that cannot be read \(field larger .* on line 1 of"),
        (f"image,caption\na.jpg,A\n{'é' * 128},B\n", "at most 255 bytes, .* on line 3 of"),
        (f"a.jpg\tA\nb/{'a' * 5000}.jpg\tB\n", "at most 255 bytes, .* on line 2 of"),
        (f"a.jpg\tA\n{'b/' * 5000}.jpg\tB\n", "1 of 2 lack one or the other, the first is 'b/b"),
        ("a.jpg#0\tOne\nTwo\n", "expected a tab .* 'Two' on line 2"),
        ("a.jpg#0\tOne\nz.jpg#0\tTwo\n", r"1 of 2 lack one or the other, the first is 'z\.jpg'"),
        ("../a.jpg\tOne\n", r"expected names inside the folder, received '\.\./a\.jpg'"),
        ("a.jpg\t.\n", "expected images to train on, received none"),
    ],
)
def test_bad_caption_files_are_refused(text, message, tmp_path):
    images(tmp_path, ["a.jpg"])
    (tmp_path / "captions").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_captions(tmp_path, tmp_path / "captions")
    shown = str(caught.value).replace(str(tmp_path), "")
    assert "\n" not in shown and len(shown) < 300


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\v", "\f", "\x1c", "\x85"])
@pytest.mark.parametrize("form", ["image,caption\na.jpg,One{}two\n", "a.jpg\tOne{}two\n"])
def test_only_line_ends_end_a_caption(form, separator, tmp_path):
    images(tmp_path, ["a.jpg"])
    (tmp_path / "captions").write_text(form.format(separator), "utf-8")
    (example,) = load_captions(tmp_path, tmp_path / "captions", dev=0, test=0)["train"]
    assert example.captions == (f"One{separator}two",)


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
