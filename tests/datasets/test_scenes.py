"""Scenes: reproducible, with correct captions and separate splits."""

import itertools

import numpy as np
import pytest

from keras_attention.datasets import Scenes
from keras_attention.datasets import scenes as scenes_module
from keras_attention.datasets.kinds import (
    HELD_OUT_QUADRANT,
    NAMES,
)
from keras_attention.datasets.scene_words import GRAMMARS, indefinite_article

SPLITS = ("train", "dev", "test", "places")


PLACE = {name: place for place, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def some():
    """Scenes of every split."""
    return {split: [Scenes(split)[i] for i in range(150)] for split in SPLITS}


@pytest.fixture(scope="module")
def placed():
    """The kinds and boxes of many scenes of every split, without their images."""

    def of(split, count):
        scenes = Scenes(split)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                scenes_module, "paint_background", lambda *_: np.zeros((96, 96, 3), "uint8")
            )
            return [scenes[i].objects for i in range(count)]

    return {split: of(split, 2500 if split == "train" else 400) for split in SPLITS}


def pairs(scenes):
    return {
        frozenset(pair)
        for objects in scenes
        for pair in itertools.combinations([one.name for one in objects], 2)
    }


def quadrant(box):
    top, left, bottom, right = box
    return 2 * (top + bottom >= 96) + (left + right >= 96)


def test_a_scene_depends_on_seed_split_and_index_alone():
    forwards, backwards = Scenes("train"), Scenes("train", count=20)
    first = [forwards[i] for i in range(20)]
    second = [backwards[i] for i in reversed(range(20))][::-1]
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one.image, other.image)
        assert one[1:] == other[1:]
    assert Scenes("train", seed=1)[0].caption != first[0].caption
    assert Scenes("dev")[0].caption != first[0].caption


def test_scenes_stay_what_they_were():
    """Published results are for these scenes: another generator would need another name."""
    assert (
        Scenes("test")[0].caption
        == "a doughnut above a pizza , above a hot dog , to the left of a peach"
    )
    assert Scenes("test")[0].objects[0].box == (0, 1, 31, 32)


def test_every_box_holds_what_is_drawn_and_touches_it(monkeypatch):
    """The same scene on two backgrounds: the pixels of objects do not change."""
    for i in range(40):
        images = []
        for shade in (0, 255):
            paint = np.full((96, 96, 3), shade, "uint8")
            monkeypatch.setattr(scenes_module, "paint_background", lambda *_, p=paint: p.copy())
            images.append(Scenes("train")[i])
        dark, light = images
        drawn = (dark.image > 0).any(-1) | (light.image < 255).any(-1)
        inside = np.zeros((96, 96), bool)
        for one in dark.objects:
            top, left, bottom, right = one.box
            assert 0 <= top < bottom <= 96 and 0 <= left < right <= 96
            box = drawn[top:bottom, left:right]
            assert all(edge.any() for edge in (box[0], box[-1], box[:, 0], box[:, -1]))
            assert 24 <= max(box.shape) <= 36
            inside[top:bottom, left:right] = True
        assert not drawn[~inside].any()


@pytest.mark.parametrize("split", SPLITS)
def test_boxes_do_not_touch(placed, split):
    for objects in placed[split]:
        for one, other in itertools.combinations([o.box for o in objects], 2):
            apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
            assert apart


@pytest.mark.parametrize("split", SPLITS)
def test_captions_are_true(some, split):
    """Parses the caption and compares it with the boxes."""
    says = {"to the left of": lambda dy, dx: dx > abs(dy), "above": lambda dy, dx: dy > abs(dx),
            "below": lambda dy, dx: -dy > abs(dx)}  # fmt: skip
    for scene in some[split]:
        centres = [((o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2) for o in scene.objects]
        across = [x for _, x in centres]
        assert min(np.diff(across)) >= 4
        first, *rest = scene.objects
        told = f"{indefinite_article(first.name)} {first.name} "
        assert scene.caption.startswith(told)
        clauses = scene.caption.removeprefix(told).split(" , ")
        for clause, other, (y, x) in zip(clauses, rest, centres[1:], strict=True):
            relation = clause.removesuffix(f" {indefinite_article(other.name)} {other.name}")
            assert says[relation](y - centres[0][0], x - centres[0][1])
            assert abs(abs(y - centres[0][0]) - abs(x - centres[0][1])) >= 8


@pytest.mark.parametrize("split", SPLITS)
def test_words_are_the_names(some, split):
    for scene in some[split]:
        words = scene.caption.split()
        assert scene.caption == " ".join(words)
        for one in scene.objects:
            assert " ".join(words[slice(*one.words)]) == one.name


def test_two_to_four_objects_are_equally_frequent(placed):
    for scenes in placed.values():
        counts = np.bincount([len(objects) for objects in scenes], minlength=5)
        assert (counts[2:] > 0.25 * len(scenes)).all()
        assert counts.sum() == counts[2:].sum() == len(scenes)


def test_no_kind_occurs_twice_in_a_scene(placed):
    for scenes in placed.values():
        assert all(len({o.name for o in objects}) == len(objects) for objects in scenes)


def test_no_pair_of_test_or_dev_is_in_training(placed):
    trained = pairs(placed["train"])
    assert len(trained) > 3500
    for split in ("dev", "test"):
        assert len(pairs(placed[split])) > 350
        assert not trained & pairs(placed[split])
    assert not pairs(placed["dev"]) & pairs(placed["test"])


def test_only_places_shows_kinds_where_training_never_does(placed):
    assert np.bincount(HELD_OUT_QUADRANT).tolist() == [32] * 4
    for split, scenes in placed.items():
        for one in itertools.chain(*scenes):
            there = quadrant(one.box) == HELD_OUT_QUADRANT[PLACE[one.name]]
            assert there == (split == "places")


def test_every_kind_occurs_in_every_split(placed):
    for scenes in placed.values():
        assert {one.name for one in itertools.chain(*scenes)} == set(NAMES)


def test_every_kind_is_in_three_quadrants_of_training(placed):
    seen = {(one.name, quadrant(one.box)) for one in itertools.chain(*placed["train"])}
    assert len(seen) == 3 * 128


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_language_tells_the_same_scenes(language, some):
    scenes = Scenes("test", language=language)
    assert len(set(scenes.kinds)) == 128
    assert len(set(scenes.words)) == len(scenes.words)
    for english, told in zip(some["test"][:3], (scenes[i] for i in range(3))):
        assert [o.box for o in told.objects] == [o.box for o in english.objects]
        words = told.caption.split()
        assert set(words) <= set(scenes.words)
        for one, name in zip(told.objects, english.objects, strict=True):
            assert one.name == scenes.kinds[PLACE[name.name]]
            assert " ".join(words[slice(*one.words)]) == one.name


def test_words_are_the_same_for_every_split_and_all_are_known(some):
    words = Scenes("train").words
    assert all(Scenes(split, seed=3, count=1).words == words for split in SPLITS)
    for scene in itertools.chain(*some.values()):
        assert set(scene.caption.split()) <= set(words)


def test_batches_are_the_scenes_in_order(some):
    scenes = Scenes("dev", count=7)
    sizes, captions = [], []
    for images, told in scenes.batches(3, start=1):
        sizes.append(images.shape)
        np.testing.assert_array_equal(images[0], some["dev"][1 + len(captions)].image)
        captions += told
    assert sizes == [(3, 96, 96, 3), (3, 96, 96, 3)]
    assert captions == [scene.caption for scene in some["dev"][1:7]]
    assert scenes.batch([])[0].shape == (0, 96, 96, 3)


def test_counts():
    assert [len(Scenes(split)) for split in SPLITS] == [1_000_000, 1_000, 2_000, 2_000]
    scenes = Scenes("dev", count=3)
    assert len(list(scenes)) == len(scenes) == 3
    assert scenes[-1].caption == scenes[2].caption
    with pytest.raises(IndexError, match=r"index: expected one of 3 scenes, received 3"):
        scenes[3]


@pytest.mark.parametrize("size", [32, 224])
def test_other_sizes(size):
    scene = Scenes("test", size=size)[5]
    assert scene.image.shape == (size, size, 3)
    longer = [max(b - t, r - left) for t, left, b, r in (o.box for o in scene.objects)]
    assert size / 4 <= min(longer) <= max(longer) <= size * 3 / 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "training"}, "split: expected one of 'train'.*'training'"),
        ({"language": "la"}, "language: expected one of 'ar'.*'la'"),
        ({"seed": -1}, "seed: expected an integer of at least 0, received -1"),
        ({"size": 16}, "size: expected at least 32 pixels, received 16"),
        ({"size": 96.0}, "size: expected a positive integer"),
        ({"count": 0}, "count: expected a positive integer"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Scenes(**options)
