"""Captions with their attention: drawn, a panel a word, and animated."""

import base64
import io
import itertools
import re
import sys

import numpy as np
import pytest
from keras import ops

from keras_attention.plots import animate_caption, overlay, plot_caption

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

WORDS = ["a", "red", "apple"]


@pytest.fixture
def image(rng):
    blocks = rng.integers(0, 256, (6, 8, 3)).astype("uint8")
    return np.kron(blocks, np.ones((8, 8, 1), "uint8"))


@pytest.fixture
def maps(rng):
    return rng.dirichlet(np.ones(48), 3).reshape(3, 6, 8)


def shown(figure, panel):
    return np.asarray(figure.axes[panel].images[0].get_array())


def picture(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    return np.asarray(Image.open(file).convert("RGB"))


def frames(path):
    with Image.open(path) as gif:
        return [(gif.seek(i), np.asarray(gif.convert("RGB")))[1] for i in range(gif.n_frames)]


def test_light_is_the_mean_of_the_weights_by_their_distance(rng):
    weights, size, smooth = rng.random((2, 3, 4)), (6, 12), 0.6
    expected = np.zeros((2, *size))
    for i, y, x in np.ndindex(expected.shape):
        total = 0.0
        for row, column in np.ndindex(3, 4):
            down = (y + 0.5) * 3 / 6 - (row + 0.5)
            across = (x + 0.5) * 4 / 12 - (column + 0.5)
            count = np.exp(-(down**2 + across**2) / (2 * smooth**2))
            expected[i, y, x] += count * weights[i, row, column]
            total += count
        expected[i, y, x] /= total
    found = overlay.brightness_of(weights, size, smooth, vmax=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    largest = expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(overlay.brightness_of(weights, size, smooth), expected / largest)


@pytest.mark.parametrize("smooth", [0, 0.02, 0.75, 3])
def test_attention_to_everything_alike_lights_everything(smooth):
    np.testing.assert_allclose(
        overlay.brightness_of(np.full((1, 7, 5), 1 / 35), (20, 31), smooth), 1.0
    )


@pytest.mark.parametrize("cell", [(0, 0), (2, 3), (5, 7)])
def test_a_peak_stays_where_it_is(cell):
    weights = np.zeros((1, 6, 8))
    weights[(0, *cell)] = 1.0
    light = overlay.brightness_of(weights, (48, 64))[0]
    y, x = overlay.peak(light, (48, 64))
    assert (int(y) // 8, int(x) // 8) == cell
    assert overlay.peak(weights[0], (48, 64)) == (8 * cell[0] + 4, 8 * cell[1] + 4)


def test_cells_are_drawn_as_they_are_without_smoothing():
    weights = np.array([[[0.2, 0.8], [0.4, 0.0]]])
    expected = np.kron(weights[0], np.ones((3, 2))) / 0.8
    np.testing.assert_allclose(overlay.brightness_of(weights, (6, 4), smooth=0)[0], expected)


def test_no_attention_at_all_lights_nothing(image):
    figure = plot_caption(image, ["a"], np.zeros((1, 2, 2)), peaks=True)
    grey = image / 255 @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_allclose(shown(figure, 1), np.stack([overlay.DIM * grey] * 3, -1))
    assert not figure.axes[1].lines


def test_a_panel_a_word(image, maps):
    figure = plot_caption(image, WORDS, maps, title="a red apple")
    assert [axes.get_title() for axes in figure.axes] == ["", *WORDS]
    assert [text.get_text() for text in figure.texts] == ["a red apple"]
    np.testing.assert_allclose(shown(figure, 0), image / 255)
    light = overlay.brightness_of(maps, (48, 64))
    for i in range(3):
        np.testing.assert_allclose(shown(figure, i + 1), overlay.lit(image / 255, light[i]))


def test_where_all_the_attention_is_the_image_has_its_colours(image):
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
    # The image covers its pixels' edges, from the top left.
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


def test_an_animation_has_a_frame_a_word(image, maps, tmp_path):
    path = animate_caption(image, WORDS, maps, tmp_path / "apple.gif", seconds=0.3)
    with Image.open(path) as gif:
        assert gif.n_frames == 4 and gif.info["loop"] == 0
        durations = [(gif.seek(i), gif.info["duration"])[1] for i in range(4)]
    assert durations == [600, 300, 300, 300]
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(frames(path)))


def test_an_animation_shows_the_image_and_where_each_word_looked(tmp_path):
    image = np.full((40, 40, 3), (220, 60, 40), "uint8")
    maps = np.zeros((2, 2, 2))
    maps[0, 0, 0] = maps[1, 1, 1] = 1.0
    path = animate_caption(image, ["left", "right"], maps, tmp_path / "a.gif", smooth=0.1)
    whole, first, second = (frame.astype(int) for frame in frames(path))
    # The image is square, below a margin of 10 pixels, with as much at its sides.
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


def test_the_word_of_the_moment_is_blue(image, maps, tmp_path):
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
    # No word reaches into the margin.
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
