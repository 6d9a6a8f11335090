"""Animated alignments."""

import numpy as np
import pytest

from keras_attention.plots import animate_attention

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

WEIGHTS = np.eye(3)
TOKENS = ("cat", ["K", "AE", "T"])


def dark(path):
    """The share of dark pixels in each frame."""
    with Image.open(path) as gif:
        frames = [(gif.seek(i), np.asarray(gif.convert("L")))[1] for i in range(gif.n_frames)]
    return [float((frame[:, : frame.shape[1] // 2] < 60).mean()) for frame in frames]


def test_it_shows_the_whole_alignment_then_one_row_more_per_frame(tmp_path):
    path = animate_attention(WEIGHTS, *TOKENS, tmp_path / "cat.gif", seconds=0.2)
    whole, first, second = dark(path)
    assert first < second < whole
    with Image.open(path) as gif:
        durations = [(gif.seek(i), gif.info["duration"])[1] for i in range(gif.n_frames)]
    assert durations == [600, 200, 200]


def test_values_appear_with_their_rows(tmp_path):
    shown = animate_attention(WEIGHTS, *TOKENS, tmp_path / "a.gif", show_values=True)
    plain = animate_attention(WEIGHTS, *TOKENS, tmp_path / "b.gif")
    assert shown.read_bytes() != plain.read_bytes()


@pytest.mark.parametrize(
    "name, options, said", [("a.png", {}, "suffix of path"), ("a.gif", {"seconds": 0}, "seconds")]
)
def test_wrong_arguments_leave_no_file(tmp_path, name, options, said):
    with pytest.raises(ValueError, match=said):
        animate_attention(WEIGHTS, *TOKENS, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
