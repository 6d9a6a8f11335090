"""One runner for all recipes: variants, processes, drawing, reports, and the command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytest

from keras_attention.callbacks import DivergedError
from keras_attention.recipes import (
    captioning,
    command,
    glimpses,
    recipe,
    sentiment,
    training_run,
    translation,
)
from keras_attention.recipes.demo import Demo
from keras_attention.recipes.g2p import Pronunciation
from keras_attention.recipes.recipe import Measured, Recipe, Variant
from keras_attention.recipes.training_run import Trained

RECIPES = {
    "train_g2p.py": Pronunciation,
    "train_translation.py": translation.Translation,
    "train_captioner.py": captioning.Captioning,
    "train_glimpses.py": glimpses.Glimpses,
    "train_sentiment.py": sentiment.Sentiment,
    "demo.py": Demo,
}
# Stands for a script: notes that it was started, and fails where it is told to.
SCRIPT = """
import sys, pathlib
*_, folder, flag, name = sys.argv
assert flag == "--only-train"
print("training", name)
pathlib.Path(folder, name + ".started").touch()
sys.exit(name == "fails")
"""


class Settings(NamedTuple):
    size: int = 3
    shuffled: bool = True
    kind: Literal["large", "small"] = "large"
    seed: int = 0


@dataclass(frozen=True)
class Sums(Recipe[list[int]]):
    """Adds numbers; no model is trained."""

    numbers: tuple[int, ...] = (1, 2)
    others: tuple[str, ...] = ("small",)

    settings: ClassVar[type[Settings]] = Settings
    in_processes: ClassVar[bool] = True

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--numbers", nargs="+", type=int, default=(1, 2))
        parser.set_defaults(others=("small",))

    def variants(self, settings: Settings | None = None) -> dict[str, Variant]:
        others = {name: Variant(name, {"kind": "small"}) for name in self.others}
        return {"model": Variant(), **others}

    def load(self, folder: Path, settings: Settings) -> list[int]:
        if sum(self.numbers) > 100:
            raise ValueError("numbers: expected\nsmall ones.")
        return list(self.numbers)

    def build(self, data: list[int], settings: Settings) -> Any:
        raise NotImplementedError

    def batches(self, model: Any, data: list[int], settings: Settings) -> Any:
        raise NotImplementedError

    def train(self, folder: Any, data: list[int], settings: Any = None) -> Trained:
        return Trained((Path(folder).name, settings), 1.0, sum(data))

    def measure(
        self, trained: Mapping[str, Trained], data: list[int], settings: Settings, folder: Path
    ) -> Measured:
        return Measured({name: one.steps for name, one in trained.items()}, trained)

    def draw(self, trained: Any, data: Any, results: Any, folder: Path) -> None:
        (folder / "drawn").touch()
        raise ImportError("matplotlib is missing")


def test_every_variant_is_trained_with_its_own_settings_and_measured(tmp_path, capsys):
    seen = []

    class Watched(Sums):
        def measure(self, trained, *given):
            seen.append({name: one.model for name, one in trained.items()})
            return super().measure(trained, *given)

    report = recipe.run(Watched(), tmp_path / "new" / "folder", Settings(size=5))
    assert seen == [
        {"model": ("folder", Settings(5)), "small": ("small", Settings(5, kind="small"))}
    ]
    assert report["model"] == report["small"] == 3
    assert report["settings"] == Settings(5)._asdict()
    assert 0 <= report["measure_and_export_seconds"] <= report["total_seconds"] < 10
    written = json.loads((tmp_path / "new" / "folder" / "report.json").read_text("utf-8"))
    assert written == report
    # Without the extra for drawing the rest goes on.
    assert "matplotlib is missing" in capsys.readouterr().out


def test_variants_are_trained_in_processes_turn_by_turn(tmp_path, capfd):
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    options = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    recipe.run(Sums(), tmp_path, command=options)
    assert {path.stem for path in tmp_path.glob("*.started")} == {"model", "small"}
    assert (tmp_path / "small" / "log.txt").read_text("utf-8") == "training small\n"
    shown = capfd.readouterr().out
    assert "training model\n" in shown and f"Beside it {tmp_path / 'small'} is trained" in shown
    with pytest.raises(SystemExit, match=r"fails failed\. See .*log\.txt\."):
        recipe.run(Sums(others=("fails",)), tmp_path, command=options)
    # A single variant needs no process.
    (tmp_path / "model.started").unlink()
    recipe.run(Sums(others=()), tmp_path, command=options)
    assert not (tmp_path / "model.started").exists()


def test_the_command_line_is_made_from_the_settings(tmp_path, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(command, "run", lambda *given, **named: ran.append((given, named)) or {})
    options = ["--size", 7, "--no-shuffled", "--kind", "small", "--numbers", 4, 5, "--started", 9]
    command.main(Sums, "About sums.", [tmp_path / "a", *options], script="sums.py")
    (given, named) = ran[0]
    assert given == (Sums(numbers=[4, 5]), tmp_path / "a", Settings(7, False, "small"))
    assert named["data"] == [4, 5] and named["started"] == 9 and named["export"] is False
    assert named["command"][:3] == [sys.executable, "sums.py", str(tmp_path / "a")]
    assert capsys.readouterr().out == "{}\n"
    with pytest.raises(SystemExit):
        command.main(Sums, "About sums.", [tmp_path / "a", "--kind", "middling"])
    assert "invalid choice: 'middling'" in capsys.readouterr().err


def test_one_model_alone_is_trained(tmp_path, monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(Sums, "train", lambda self, *given: trained.append(given))
    assert command.main(Sums, "", [tmp_path, "--only-train", "small", "--size", 2]) is None
    assert trained == [(tmp_path / "small", [1, 2], Settings(2, kind="small"))]
    with pytest.raises(SystemExit):
        command.main(Sums, "", [tmp_path, "--only-train", "tiny"])
    assert "--only-train: expected one of model, small, received tiny" in capsys.readouterr().err


def test_data_that_cannot_be_read_are_an_error_of_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(Sums, "", [tmp_path, "--numbers", 101], program="sums")
    assert capsys.readouterr().err == "sums: error: numbers: expected small ones.\n"


@pytest.mark.parametrize("only", [[], ["--only-train", "small"]])
def test_a_training_that_diverges_is_an_error_of_one_line(tmp_path, monkeypatch, capsys, only):
    def diverge(self, *given):
        raise DivergedError("loss: expected finite numbers, received nan.", epoch=2)

    monkeypatch.setattr(Sums, "train", diverge)
    monkeypatch.setattr(Sums, "in_processes", False)
    with pytest.raises(SystemExit, match="1"):
        command.main(Sums, "", [tmp_path, *only], program="sums")
    shown = capsys.readouterr().err
    assert shown == "sums: error: loss: expected finite numbers, received nan.\n"
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("script", RECIPES)
def test_the_arguments_of_a_script_are_those_of_its_recipe(script):
    parser = command.make_parser(RECIPES[script], "")
    options = parser.parse_args(["out"])
    chosen = RECIPES[script].from_options(options)
    variants = chosen.variants()
    assert chosen == RECIPES[script](**vars(chosen))
    settings = chosen.settings(**{n: getattr(options, n) for n in chosen.settings._fields})
    assert settings == chosen.settings()
    for variant in variants.values():
        assert set(variant.changes) <= set(settings._fields)
    text = (Path(__file__).parents[2] / "export" / script).read_text("utf-8")
    assert f"command.main({RECIPES[script].__name__}, __doc__, script=__file__)" in text


@pytest.mark.parametrize("old", [True, False])
def test_a_folder_finished_under_old_names_is_recognised(tmp_path, monkeypatch, old):
    settings = translation.Settings(num_encoder_layers=2)
    noted = settings._asdict()
    if old:
        noted["encoder_layers"] = noted.pop("num_encoder_layers")
        noted["decoder_layers"] = noted.pop("num_decoder_layers")
    note = {"settings": noted, "seconds": 1.0, "steps": 2}
    (tmp_path / "training.json").write_text(json.dumps(note), "utf-8")
    (tmp_path / "model.keras").touch()
    monkeypatch.setattr(training_run, "load_model", lambda path: "model")
    assert training_run.finished(tmp_path, settings).model == "model"
    assert training_run.finished(tmp_path, settings._replace(units=1)) is None
