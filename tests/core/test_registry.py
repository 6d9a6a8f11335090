"""Names, classes, instances and configs of scores, normalizers and windows, and names of losses."""

import inspect

import keras
import pytest

from keras_attention import Attention, losses, normalizers, scores, windows
from keras_attention._core.freezing import freeze_parts
from keras_attention._core.protocols import NormalizerLike, ScoreLike, WindowLike
from keras_attention.normalizers.registry import NAMES as NORMALIZERS
from keras_attention.scores.registry import NAMES as SCORES
from keras_attention.windows import NAMES as WINDOWS

CASES = [
    *((scores, name, kind, {}) for name, kind in SCORES.items()),
    *((normalizers, name, kind, {}) for name, kind in NORMALIZERS.items()),
    *((windows, name, kind, {"width": 2}) for name, kind in WINDOWS.items()),
]
IDS = [f"{module.__name__}.{name}" for module, name, *_ in CASES]


@pytest.mark.parametrize(("module", "name", "kind", "options"), CASES, ids=IDS)
def test_a_name_a_class_an_instance_and_a_config_give_the_same_part(module, name, kind, options):
    by_name = module.get(name, dtype="float16", **options)
    by_class = module.get(kind, dtype="float16", **options)
    assert type(by_name) is type(by_class) is kind
    assert by_name.compute_dtype == by_class.compute_dtype == "float16"
    assert module.get(by_name) is by_name
    config = module.serialize(by_name)
    for again in (module.deserialize(config), module.get(config)):
        assert type(again) is kind
        assert again.get_config() == by_name.get_config()


CONTRACTS = {scores: ScoreLike, normalizers: NormalizerLike, windows: WindowLike}
BASES = [(scores.Score, ScoreLike), (normalizers.Normalizer, NormalizerLike)]
BASES += [(windows.Window, WindowLike)]


@pytest.mark.parametrize(("base", "contract"), BASES)
def test_a_base_class_has_the_methods_of_its_contract_with_the_same_signatures(base, contract):
    # A type checker cannot see it: Keras' classes have no types, so their subclasses pass always.
    methods = [name for name in vars(contract) if not name.startswith("_")]
    assert len(methods) >= 3
    for name in methods:
        expected, found = getattr(contract, name, None), getattr(base, name)
        if inspect.isfunction(expected):
            assert inspect.signature(found) == inspect.signature(expected), name


@pytest.mark.parametrize(("module", "name", "kind", "options"), CASES, ids=IDS)
def test_every_part_fulfils_the_contract_of_its_kind(module, name, kind, options):
    part = module.get(name, **options)
    assert isinstance(part, CONTRACTS[module])
    assert not isinstance(keras.layers.Dense(1), CONTRACTS[module])
    if module is not scores:
        assert not isinstance(part, ScoreLike)
    if module is not normalizers:
        assert not isinstance(part, NormalizerLike)


@pytest.mark.parametrize(("module", "name", "kind", "options"), CASES, ids=IDS)
def test_a_config_need_not_name_the_package(module, name, kind, options):
    config = {"class_name": kind.__name__, "config": options}
    assert type(module.deserialize(config)) is kind


class Own(scores.Score):
    """A score that is not registered with Keras."""


def test_custom_objects_are_found():
    config = {"class_name": "Own", "config": {}}
    assert isinstance(scores.deserialize(config, custom_objects={"Own": Own}), Own)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (scores, "'dot', 'scaled_dot'"),
        (normalizers, "'softmax'"),
        (windows, "'local_m', 'local_p'"),
    ],
)
@pytest.mark.parametrize(
    "unknown",
    [
        "x",
        3,
        ["dot"],
        keras.layers.Dense,
        keras.layers.Dense(1),
        {"class_name": "Unknown", "config": {}},
        {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}},
    ],
    ids=["name", "number", "list", "class", "instance", "unknown config", "config"],
)
def test_anything_else_is_refused_in_one_line_that_lists_the_names(module, names, unknown):
    with pytest.raises(ValueError, match=f"expected one of {names}.*, received") as error:
        module.get(unknown)
    assert "\n" not in str(error.value)


def test_a_wrong_argument_in_a_config_is_not_taken_for_an_unknown_name():
    with pytest.raises(TypeError, match="wrong"):
        scores.deserialize({"class_name": "Dot", "config": {"wrong": 1}})


def test_no_window_is_a_window_too():
    assert windows.get(None) is windows.serialize(None) is windows.deserialize(None) is None


def test_an_attention_takes_classes_and_gives_them_its_policy():
    attention = Attention(scores.Additive, normalizers.Sparsemax, dtype="float16")
    assert isinstance(attention.score, scores.Additive)
    assert isinstance(attention.normalizer, normalizers.Sparsemax)
    assert attention.score.compute_dtype == attention.normalizer.compute_dtype == "float16"


def test_a_loss_is_found_by_name_and_a_function_is_taken_as_it_is():
    by_name = losses.AttentionLoss("entropy")
    by_function = losses.AttentionLoss(losses.entropy_loss)
    assert by_name._function is by_function._function is losses.entropy_loss
    with pytest.raises(ValueError, match=r"loss: expected one of 'alignment', .*, received 'x'"):
        losses.AttentionLoss("x")


@pytest.mark.parametrize("trainable", [True, False])
def test_parts_are_frozen_with_their_layer(trainable):
    parts = keras.layers.Dense(1), None, keras.layers.Dense(1)
    freeze_parts(keras.layers.Layer(trainable=trainable), parts)
    assert parts[0].trainable is parts[2].trainable is trainable
