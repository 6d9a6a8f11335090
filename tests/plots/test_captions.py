"""Captions with their attention, one panel per word."""

import io
import itertools
import sys

import numpy as np
import pytest
from keras import ops

from keras_attention.plots import animate_caption, overlay, plot_caption

Image = pytest.importorskip("PIL.Image")


pytest.importorskip("matplotlib")


WORDS = ["a", "red", "apple"]


def shown(figure, panel):
    return np.asarray(figure.axes[panel].images[0].get_array())


def picture(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    return np.asarray(Image.open(file).convert("RGB"))


def test_no_attention_at_all_lights_nothing(image):
    figure = plot_caption(image, ["a"], np.zeros((1, 2, 2)), peaks=True)
    grey = image / 255 @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_allclose(shown(figure, 1), np.stack([overlay.DIM * grey] * 3, -1))
    assert not figure.axes[1].lines


def test_one_panel_per_word(image, maps):
    figure = plot_caption(image, WORDS, maps, title="a red apple")
    assert [axes.get_title() for axes in figure.axes] == ["", *WORDS]
    assert [text.get_text() for text in figure.texts] == ["a red apple"]
    np.testing.assert_allclose(shown(figure, 0), image / 255)
    light = overlay.brightness_of(maps, (48, 64))
    for i in range(3):
        np.testing.assert_allclose(shown(figure, i + 1), overlay.lit(image / 255, light[i]))


def test_the_image_is_in_color_where_all_the_attention_is(image):
    maps = np.zeros((1, 3, 4))
    maps[0, 1, 2] = 1.0
    drawn = shown(plot_caption(image, ["it"], maps, smooth=0), 1)
    np.testing.assert_allclose(drawn[16:32, 32:48], image[16:32, 32:48] / 255)
    assert np.ptp(drawn[:16], axis=-1).max() < 1e-12


def test_one_scale_for_all_panels_on_request(image):
    maps = np.full((2, 2, 2), 0.25) * [[[1.0]], [[0.4]]]
    drawn = shown(plot_caption(image, ["a", "b"], maps, vmax=0.25), 2)
    np.testing.assert_allclose(drawn, overlay.lit(image / 255, np.full((48, 64), 0.4)))


def test_padding_of_words_and_maps_is_left_out(image, maps):
    figure = plot_caption(image, [b"caf\xc3\xa9", b"", b""], maps)
    assert [axes.get_title() for axes in figure.axes] == ["", "café"]
    plot_caption(image, ["a"], np.concatenate([maps[:1], np.full((1, 6, 8), np.nan)]))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors(image, maps, dtype):
    figure = plot_caption(ops.cast(image, "float32"), np.array(WORDS), ops.cast(maps, dtype))
    expected = shown(plot_caption(image, WORDS, maps), 3)
    np.testing.assert_allclose(shown(figure, 3), expected, atol=0.02)


def test_a_grey_image(maps):
    grey = np.arange(48 * 64).reshape(48, 64) % 256
    np.testing.assert_allclose(
        shown(plot_caption(grey, WORDS, maps), 0), np.stack([grey / 255] * 3, -1)
    )
    np.testing.assert_array_equal(
        shown(plot_caption(grey[..., None], WORDS, maps), 1),
        shown(plot_caption(grey, WORDS, maps), 1),
    )


def test_boxes_and_peaks_are_in_pixels_of_the_image(image):
    maps = np.zeros((2, 3, 4))
    maps[:, 2, 1] = 1.0
    figure = plot_caption(image, ["a", "box"], maps, boxes=[None, (4, 8, 40, 30)], peaks=True)
    assert not figure.axes[1].patches
    for patch in figure.axes[2].patches:
        assert patch.get_bbox().extents.tolist() == [8, 4, 30, 40]
    assert figure.axes[2].lines[0].get_xydata().tolist() == [[24, 40]]
    # The image extends to the edges of its pixels, from the top left.
    assert figure.axes[2].get_xlim() == (0, 64) and figure.axes[2].get_ylim() == (48, 0)


@pytest.mark.parametrize("columns, expected", [(None, (3, 5)), (4, (4, 4)), (20, (1, 15))])
def test_panels_do_not_overlap_and_stay_inside(image, columns, expected):
    maps = np.full((14, 2, 2), 0.25)
    figure = plot_caption(image, ["word"] * 14, maps, title="t" * 20, columns=columns)
    picture(figure)
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert len({round(box.x0) for box in boxes}) == expected[1]
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == expected[0]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    whole = figure.bbox
    assert whole.x1 - max(box.x1 for box in boxes) < 20  # no empty columns
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.x1 for box in boxes)
    assert figure.texts[0].get_window_extent().y0 >= max(box.y1 for box in boxes)


def test_panels_have_the_shape_of_the_image(image, maps):
    for pixels in (image, image[:, :20]):
        box = plot_caption(pixels, WORDS, maps).axes[1].get_window_extent()
        assert box.width / box.height == pytest.approx(pixels.shape[1] / pixels.shape[0])


def test_any_script_is_drawn_without_a_warning(image, maps):
    figure = plot_caption(image, ["яблоко", "リンゴ", "$x_"], maps, title="红 $苹_果")
    assert picture(figure).std() > 0


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"image": np.zeros((2, 8, 8, 3))}, ValueError, r"image: .*one image.*\(2, 8, 8, 3\)"),
        ({"image": np.zeros((8, 8, 4))}, ValueError, r"image: .*received shape \(8, 8, 4\)"),
        ({"image": np.zeros((0, 8, 3))}, ValueError, r"image: .*received shape \(0, 8, 3\)"),
        ({"image": np.full((8, 8, 3), 300)}, ValueError, "image: .*0 to 255, received 300"),
        ({"image": np.full((8, 8, 3), np.nan)}, ValueError, "image: .*0 to 255, received nan"),
        ({"image": np.full((8, 8, 3), 0.5)}, ValueError, "at most 0.5. Multiply"),
        ({"image": np.full((8, 8, 3), "a")}, ValueError, "image: expected numbers"),
        ({"maps": np.ones((3, 16))}, ValueError, r"maps: .*received shape \(3, 16\).*as_maps"),
        ({"maps": np.ones((2, 4, 4))}, ValueError, "maps: expected at least 3.*received 2, shape"),
        ({"maps": np.ones((3, 0, 4))}, ValueError, r"maps: .*received shape \(3, 0, 4\)"),
        ({"maps": np.full((3, 4, 4), -1)}, ValueError, "maps: expected finite numbers"),
        ({"maps": np.full((3, 4, 4), np.inf)}, ValueError, "maps: expected finite numbers"),
        ({"words": "a red apple"}, TypeError, "words: expected a list.*'a red apple'"),
        ({"words": [1, 2]}, TypeError, "words: expected strings, received 1 of type int"),
        ({"words": ["", ""]}, ValueError, "words: expected at least one"),
        ({"smooth": -1}, ValueError, "smooth: expected a number of at least 0, received -1"),
        ({"smooth": np.nan}, ValueError, "smooth: expected a number of at least 0, received nan"),
        ({"vmax": 0}, ValueError, "vmax: expected a number above 0 or None, received 0"),
    ],
)
def test_wrong_input_is_refused(change, error, message, tmp_path):
    arguments = {"image": np.zeros((8, 8, 3)), "words": WORDS, "maps": np.ones((3, 4, 4)), **change}
    for call in (plot_caption, lambda **given: animate_caption(**given, path=tmp_path / "a.gif")):
        with pytest.raises(error, match=message):
            call(**arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"boxes": [None]}, "boxes: .* 3 words, received 1"),
        ({"boxes": [None, None, (4, 4, 4, 8)]}, r"boxes: .*with an area, received \(4, 4, 4, 8\)"),
        ({"boxes": [None, None, (1, 2, 3)]}, r"boxes: .*received \(1, 2, 3\)"),
        ({"columns": 0}, "columns: expected a positive integer"),
    ],
)
def test_wrong_settings_of_a_plot_are_refused(change, message, image, maps):
    with pytest.raises(ValueError, match=message):
        plot_caption(image, WORDS, maps, **change)


def test_nothing_of_pyplot_is_used(image, maps, tmp_path):
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = pyplot.get_fignums() if pyplot else None
    plot_caption(image, WORDS, maps)
    animate_caption(image, WORDS, maps, tmp_path / "a.gif")
    pyplot = sys.modules.get("matplotlib.pyplot") if pyplot is None else pyplot
    assert (pyplot.get_fignums() if pyplot else None) == before


def test_the_missing_package_is_named(image, maps, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"'matplotlib'.*pip install '\.\[plots\]'"):
        plot_caption(image, WORDS, maps)
