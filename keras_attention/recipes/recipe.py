"""The one way from data to a report that all recipes take: load, train, measure, draw, export."""

from __future__ import annotations

import json
import os
import subprocess
import time
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import keras

from keras_attention._core.files import write_json
from keras_attention._core.types import Config
from keras_attention.generation import BeamSearch
from keras_attention.recipes.training_run import Objective, Trained, finished, fit

DataT = TypeVar("DataT")


class Variant(NamedTuple):
    """One of the models that a recipe trains and compares.

    Attributes:
        folder: where it is trained, below the recipe's folder.
        changes: the settings in which it differs from those given.
        turn: variants of the same turn are trained side by side, each with an
            equal share of the processors.

    Example:

    >>> from keras_attention.recipes.recipe import Variant
    >>> Variant("baseline", {"attention": "none"}).turn
    0
    """

    folder: str = "."
    changes: Mapping[str, Any] = {}
    turn: int = 0


class Artifact(NamedTuple):
    """What a recipe exports of its first model, see `export_model`.

    Example:

    >>> from keras_attention.recipes.recipe import Artifact
    >>> Artifact("saved_model_text", kind="text").format
    'saved_model'
    """

    folder: str
    format: Literal["saved_model", "onnx", "litert"] = "saved_model"
    kind: Literal["ids", "call", "text", "image"] = "ids"


class Measured(NamedTuple):
    """The figures of a report, and what they were computed from, for `Recipe.draw`.

    Example:

    >>> from keras_attention.recipes.recipe import Measured
    >>> Measured({"accuracy": 0.9}).report
    {'accuracy': 0.9}
    """

    report: Config
    results: Any = None


@dataclass(frozen=True)
class Recipe(ABC, Generic[DataT]):
    """A task: its data, the models trained on it, and how they are measured.

    A subclass is a frozen dataclass. Its fields are what the recipe can be told
    beside `settings`, such as where the data are; `add_arguments` declares a
    command-line argument of the same name for each. `train` and `run` do the
    rest for all recipes alike.

    Attributes:
        settings: the class of the settings, a named tuple. Its defaults are those
            of the command, and the values of a `Literal` its choices.
        search: how the exported model decodes.
        artifacts: by key of the report, what is exported.
        in_processes: whether the command trains several variants in processes of
            their own. Otherwise one is trained after the other.
    """

    settings: ClassVar[Any]
    search: ClassVar[BeamSearch] = BeamSearch()
    artifacts: ClassVar[Mapping[str, Artifact]] = {}
    in_processes: ClassVar[bool] = False

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Declares an argument for each field of the recipe."""

    @classmethod
    def from_options(cls, options: Namespace) -> Recipe[DataT]:
        """The recipe that these command-line options describe."""
        given = vars(options)
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    def variants(self, settings: Any = None) -> dict[str, Variant]:
        """The models to train, by name, with `settings` or the defaults.

        The first is the one that is exported.
        """
        return {"model": Variant()}

    @abstractmethod
    def load(self, folder: Path, settings: Any) -> DataT:
        """The data. `folder` is for what is expensive to compute again."""

    @abstractmethod
    def build(self, data: DataT, settings: Any) -> keras.Model:
        """An untrained model."""

    @abstractmethod
    def batches(self, model: keras.Model, data: DataT, settings: Any) -> tuple[Any, Any]:
        """Batches to train on, and to validate on."""

    @abstractmethod
    def measure(
        self, trained: Mapping[str, Trained], data: DataT, settings: Any, folder: Path
    ) -> Measured:
        """Measures the trained models, by name of the variant, on held-out data."""

    def served(self, model: keras.Model) -> keras.Model:
        """The model that is exported, made of the first that is trained; by default the same."""
        return model

    def draw(self, trained: Mapping[str, Trained], data: DataT, results: Any, folder: Path) -> None:
        """Draws what was measured; may raise ImportError without the extra `plots`."""

    def summary(self, report: Config, folder: Path) -> str:
        """What the command prints in the end."""
        return json.dumps(report, indent=2)

    def patience(self, settings: Any) -> int | None:
        """As in `training_run.fit`: None keeps the last weights, a number the best."""
        return None

    def warmup(self, settings: Any) -> float:
        """As in `training_run.fit`: the fraction of the budget in which the rate rises."""
        return 0.02

    def objective(self, settings: Any) -> Objective | None:
        """As in `training_run.fit`: what is minimized; None is the cross-entropy per token."""
        return None

    def digest(self, data: DataT) -> str | None:
        """A digest by which the data of a training are recognized, or None."""
        return None

    def train(self, folder: str | Path, data: DataT, settings: Any = None) -> Trained:
        """Trains a model and saves it as `model.keras` in `folder`.

        After every epoch the state of the training is saved in `folder/backup`.
        Called again after an interruption with the same settings and data, it
        resumes from there. Called again after the end, it returns the finished
        model.

        Args:
            folder: where to keep the backup and the model.
            data: as `load` returns them.
            settings: an instance of the class `settings`; its defaults if None.

        Returns:
            `Trained`.
        """
        settings = self.settings() if settings is None else settings
        digest = self.digest(data)
        done = finished(folder, settings, digest)
        if done is not None:
            return done
        keras.utils.set_random_seed(settings.seed)
        model = self.build(data, settings)
        batches, validation = self.batches(model, data, settings)
        return fit(
            folder,
            model,
            batches,
            validation,
            settings,
            self.patience(settings),
            digest,
            self.warmup(settings),
            self.objective(settings),
        )


def run(
    recipe: Recipe[DataT],
    folder: str | Path,
    settings: Any = None,
    *,
    data: DataT | None = None,
    export: bool = True,
    command: Sequence[str] | None = None,
    started: float | None = None,
) -> Config:
    """Trains the models of a recipe, measures, draws and exports them, and writes `report.json`.

    Args:
        recipe: a `Recipe`.
        folder: where everything goes. Interrupted trainings in it are resumed,
            finished ones are not repeated.
        settings: an instance of `recipe.settings`; its defaults if None.
        data: as `recipe.load` returns them; loaded if None.
        export: whether to write the artifacts.
        command: what starts this recipe with the same folder and settings in
            another process, and takes `--only-train NAME`. None trains all
            variants in this process.
        started: when the whole command began, in seconds since 1970; now if None.

    Returns:
        The report.
    """
    started = time.time() if started is None else started
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = recipe.settings() if settings is None else settings
    # Before the trainings, so that data that cannot be read fail at once, and what is
    # computed once is not computed by several processes.
    data = recipe.load(folder, settings) if data is None else data
    variants = recipe.variants(settings)
    in_processes = recipe.in_processes and len(variants) > 1
    if command is not None and in_processes:
        _train_in_processes(variants, folder, command)
    trained = {}
    for name, variant in variants.items():
        if len(variants) > 1 and (command is None or not in_processes):
            print(f"Training {name} ...", flush=True)
        changed = settings._replace(**variant.changes)
        trained[name] = recipe.train(folder / variant.folder, data, changed)
    return _measure_and_export(recipe, trained, data, folder, settings, export, started)


def train_only(recipe: Recipe[DataT], folder: Path, settings: Any, name: str) -> Trained:
    """Trains one of the variants of a recipe, as `run` does in a process of its own."""
    variant = recipe.variants(settings)[name]
    data = recipe.load(folder, settings)
    return recipe.train(folder / variant.folder, data, settings._replace(**variant.changes))


def _measure_and_export(
    recipe: Recipe[DataT],
    trained: Mapping[str, Trained],
    data: DataT,
    folder: Path,
    settings: Any,
    export: bool,
    started: float,
) -> Config:
    begin = time.monotonic()
    print("Measuring on what was held out ...", flush=True)
    measured = recipe.measure(trained, data, settings, folder)
    settings = settings._replace(**next(iter(recipe.variants(settings).values())).changes)
    report = {**measured.report, "settings": settings._asdict()}
    # Exporting takes long; after an interruption the figures are there.
    write_json(folder / "report.json", report)
    try:
        recipe.draw(trained, data, measured.results, folder)
    except ImportError as error:
        print(error)
    if export and recipe.artifacts:
        model = recipe.served(next(iter(trained.values())).model)
        report |= _export(model, recipe.artifacts, recipe.search, folder, measured.report)
    report["measure_and_export_seconds"] = round(time.monotonic() - begin, 1)
    report["total_seconds"] = round(time.time() - started, 1)
    write_json(folder / "report.json", report)
    return report


def _export(
    model: keras.Model,
    artifacts: Mapping[str, Artifact],
    search: BeamSearch,
    folder: Path,
    measured: Config,
) -> Config:
    """Writes and verifies the artifacts; returns the report of each."""
    from keras_attention.export import export_model
    from keras_attention.export.manifest import figures_of

    print("\nExporting; every artifact is reloaded without Keras and compared ...", flush=True)
    return {
        name: export_model(
            model,
            folder / artifact.folder,
            format=artifact.format,
            kind=artifact.kind,
            search=search,
            overwrite=True,
            figures=figures_of(measured),
        )
        for name, artifact in artifacts.items()
    }


def _train_in_processes(
    variants: Mapping[str, Variant], folder: Path, command: Sequence[str]
) -> None:
    """Trains each variant in a process of its own, those of a turn side by side.

    One after the other would take longer: a step of a recurrence hardly occupies two processors.
    """
    for turn in sorted({variant.turn for variant in variants.values()}):
        beside = {name: v.folder for name, v in variants.items() if v.turn == turn}
        share = str(max(1, (os.cpu_count() or 2) // len(beside)))
        threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        environment = {**dict.fromkeys(threads, share), **os.environ}
        running: dict[str, subprocess.Popen[bytes]] = {}
        logged = set()
        try:
            for name, place in beside.items():
                (folder / place).mkdir(parents=True, exist_ok=True)
                output = None
                if running:
                    log = folder / place / "log.txt"
                    print(f"Beside it {folder / place} is trained, see {log}.", flush=True)
                    output = open(log, "a", encoding="utf-8")  # noqa: SIM115
                    logged.add(name)
                else:
                    print(f"Training {folder / place} ...", flush=True)
                running[name] = subprocess.Popen(
                    [*command, "--only-train", name],
                    env=environment,
                    stdout=output,
                    stderr=output and subprocess.STDOUT,
                )
                if output is not None:
                    output.close()
            for name, process in running.items():
                if process.wait():
                    log = folder / beside[name] / "log.txt"
                    why = f" See {log}." if name in logged else ""
                    raise SystemExit(f"Training {folder / beside[name]} failed.{why}")
        finally:
            for process in running.values():
                if process.poll() is None:
                    process.terminate()
                    process.wait()
