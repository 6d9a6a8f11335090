"""Plots of glimpses."""

import io

import numpy as np
import pytest

from keras_attention.plots import plot_glimpses
from keras_attention.vision import Retina

pytest.importorskip("matplotlib")

LOCATIONS = np.array([[0.0, 0.0], [0.5, -0.25], [1.0, 1.0]])


@pytest.fixture
def image(rng):
    return rng.random((16, 24))


def pictures(axes):
    return [(np.asarray(shown.get_array()), shown.get_extent()) for shown in axes.get_images()]


def test_squares_mark_the_first_scale(image):
    figure = plot_glimpses(image, LOCATIONS, Retina(4, 2), box=(1, 2, 9, 10), title="a 7")
    first = figure.axes[0]
    assert first.get_title() == "a 7"
    boxes = [(p.get_y(), p.get_x(), p.get_height(), p.get_width()) for p in first.patches]
    # The edges of pixels have integer coordinates: the image is 16 high and 24 wide.
    assert boxes == [(1, 2, 8, 8), (6, 10, 4, 4), (10, 7, 4, 4), (14, 22, 4, 4)]
    assert [text.get_text() for text in first.texts] == ["1", "2", "3"]
    ((array, extent),) = pictures(first)
    np.testing.assert_allclose(array, image, rtol=1e-6)
    assert extent == [0, 24, 16, 0]


def test_panels_show_what_the_network_was_given(image):
    retina = Retina(4, 2)
    figure = plot_glimpses(image, LOCATIONS, retina, labels=["7, 90 %", "1", ""])
    assert [axes.get_title() for axes in figure.axes] == ["", "1:  7, 90 %", "2:  1", "3"]
    patches = np.asarray(retina(np.stack(3 * [image[..., None]]), LOCATIONS))[..., 0]
    for i, axes in enumerate(figure.axes[1:]):
        (coarse, around), (sharp, middle) = pictures(axes)
        np.testing.assert_allclose(coarse, patches[i, 1], rtol=1e-5)
        np.testing.assert_allclose(sharp, patches[i, 0], rtol=1e-5)
        y, x = (LOCATIONS[i] + 1) / 2 * (16, 24)
        assert middle == [x - 2, x + 2, y + 2, y - 2]
        assert around == [x - 4, x + 4, y + 4, y - 4]
        assert axes.get_xlim() == (x - 4, x + 4) and axes.get_ylim() == (y + 4, y - 4)


@pytest.mark.parametrize("shape, count", [((9, 9, 1), 1), ((9, 9, 3), 9), ((6, 12), 5)])
def test_other_images_and_many_glimpses_are_drawn(shape, count, rng):
    locations = rng.uniform(-1, 1, size=(count, 2))
    figure = plot_glimpses(rng.normal(size=shape), locations, Retina(3, 3, 1.5))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    assert len(figure.axes) == count + 1 and file.getbuffer().nbytes > 1000
    bounds = [axes.get_position() for axes in figure.axes]
    assert min(b.x0 for b in bounds) >= 0 and max(b.x1 for b in bounds) <= 1
    assert min(b.y0 for b in bounds) >= 0 and max(b.y1 for b in bounds) <= 1


def test_an_image_of_zeros_is_drawn_white():
    figure = plot_glimpses(np.zeros((8, 8)), LOCATIONS, Retina(2, 1))
    assert [axes.get_title() for axes in figure.axes] == ["", "1", "2", "3"]
    for axes in figure.axes:
        (shown,) = axes.get_images()
        # A color range of width zero would draw zeros black, or warn.
        assert shown.get_clim() == (0.0, 1.0)
        assert not np.asarray(shown.get_array()).any()
        assert (shown.to_rgba(shown.get_array()) == 1.0).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": np.zeros((2, 8, 8, 1))}, r"image: expected one image .* \(2, 8, 8, 1\)"),
        ({"image": np.full((8, 8), np.nan)}, "image: expected finite numbers"),
        ({"locations": LOCATIONS[None]}, r"locations: expected those of one image, .* \(1, 3, 2\)"),
        ({"locations": LOCATIONS + np.inf}, "locations: expected finite numbers"),
        ({"labels": ["1"]}, "labels: expected one for each of 3 glimpses, received 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    given = {"image": np.zeros((8, 8)), "locations": LOCATIONS, "retina": Retina(2, 1), **change}
    with pytest.raises(ValueError, match=message):
        plot_glimpses(**given)
