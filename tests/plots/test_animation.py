"""Animated captions."""

import base64
import io
import itertools
import re

import numpy as np
import pytest

from keras_attention.plots import animate_caption, overlay

Image = pytest.importorskip("PIL.Image")


pytest.importorskip("matplotlib")


WORDS = ["a", "red", "apple"]


def frames(path):
    with Image.open(path) as gif:
        return [(gif.seek(i), np.asarray(gif.convert("RGB")))[1] for i in range(gif.n_frames)]


def test_an_animation_has_one_frame_per_word(image, maps, tmp_path):
    path = animate_caption(image, WORDS, maps, tmp_path / "apple.gif", seconds=0.3)
    with Image.open(path) as gif:
        assert gif.n_frames == 4 and gif.info["loop"] == 0
        durations = [(gif.seek(i), gif.info["duration"])[1] for i in range(4)]
    assert durations == [600, 300, 300, 300]
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(frames(path)))


def test_an_animation_shows_the_image_and_the_attention_of_each_word(tmp_path):
    image = np.full((40, 40, 3), (220, 60, 40), "uint8")
    maps = np.zeros((2, 2, 2))
    maps[0, 0, 0] = maps[1, 1, 1] = 1.0
    path = animate_caption(image, ["left", "right"], maps, tmp_path / "a.gif", smooth=0.1)
    whole, first, second = (frame.astype(int) for frame in frames(path))
    # The image is square, with margins of 10 pixels above and at the sides.
    size = whole.shape[1]
    near, far = 10 + (size - 20) // 5, size - 10 - (size - 20) // 5
    for frame, place, red in (
        (whole, near, 220),
        (whole, far, 220),
        (first, near, 220),
        (first, far, 47),
        (second, near, 47),
        (second, far, 220),
    ):
        assert abs(frame[place, place, 0] - red) < 8
    assert (whole[2, 2] == 255).all() and (second[2, 2] == 255).all()


def test_the_current_word_is_blue(image, maps, tmp_path):
    blue = np.array([0x3B, 0x6C, 0xB4])
    places = []
    for frame in frames(animate_caption(image, ["one", "two", "six"], maps, tmp_path / "a.gif")):
        close = (np.abs(frame[-36:].astype(int) - blue) < 12).all(axis=-1)
        places.append(np.argwhere(close)[:, 1].mean() if close.any() else None)
    assert places[0] is None and places[1] < places[2] < places[3]


def test_long_captions_are_broken_into_lines(image, tmp_path):
    words = ["incomprehensible", ","] * 6
    maps = np.full((12, 2, 2), 0.25)
    short = frames(animate_caption(image, words[:2], maps, tmp_path / "a.gif"))[0]
    long = frames(animate_caption(image, words, maps, tmp_path / "b.gif"))[0]
    assert long.shape[1] == short.shape[1] and long.shape[0] >= short.shape[0] + 40
    # No word extends into the margin.
    assert (long[-60:, -8:] == 255).all()


def test_a_page_has_all_in_one_file(image, maps, tmp_path):
    page = animate_caption(image, WORDS, maps, tmp_path / "apple.HTML").read_text("utf-8")
    assert not re.search(r"https?:|src=|href=|@[A-Z]+@", page)
    assert re.findall(r'class="word" tabindex="0">(.*?)</span>', page) == WORDS
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    ]
    np.testing.assert_array_equal(np.asarray(pictures[0]), image)
    light = overlay.brightness_of(maps, (48, 64))
    for mask, expected in zip(pictures[1:], light, strict=True):
        np.testing.assert_allclose(np.asarray(mask)[..., 1] / 255, expected, atol=0.5 / 255)


def test_words_of_a_page_are_text(image, tmp_path):
    words = ["<script>alert(1)</script>", '"', "@IMAGE@", ","]
    path = animate_caption(image, words, np.full((4, 2, 2), 0.25), tmp_path / "a.html")
    page = path.read_text("utf-8")
    assert "alert(1)</script>" not in page and "@IMAGE@</span><span" in page
    assert 'aria-label="&lt;script&gt;alert(1)&lt;/script&gt; &quot; @IMAGE@ ,"' in page


@pytest.mark.parametrize("ending", ["gif", "html"])
def test_an_animation_is_written_whole_or_not_at_all(image, maps, tmp_path, monkeypatch, ending):
    path = tmp_path / f"apple.{ending}"
    path.write_text("before")

    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space"):
        animate_caption(image, WORDS, maps, path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "before"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"path": "a.mp4"}, "path: expected one of '.gif', '.html', received '.mp4'"),
        ({"path": "a"}, "path: expected one of '.gif', '.html', received ''"),
        ({"seconds": 0}, "seconds: expected a number above 0"),
    ],
)
def test_wrong_settings_of_an_animation_are_refused(change, message, image, maps):
    with pytest.raises(ValueError, match=message):
        animate_caption(**{"image": image, "words": WORDS, "maps": maps, "path": "a.gif", **change})
