"""The main job, end to end: train a spelling model, watch it attend, export it, verify it.

    python export/demo.py build/demo

Leaves model.keras, alignment-*.png, saved_model_ids/1, saved_model_text/1,
onnx/ and report.json in the folder. Interrupted, the same command goes on
after the last whole epoch.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from train_g2p import train_and_measure

from keras_attention.datasets import load_cmudict
from keras_attention.export import export_model
from keras_attention.generation import BeamSearch, decode_texts
from keras_attention.plots import plot_attention
from keras_attention.recipes import g2p

# The longest word of the dictionary has 28 phonemes.
MAX_LENGTH = 48


def main(arguments=None, settings=g2p.Settings()):  # noqa: B008 (immutable)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where everything goes")
    parser.add_argument(
        "--started", type=float, help="when the whole command began, in seconds since 1970"
    )
    parser.add_argument(
        "--minutes", type=float, default=settings.minutes, help="how long to train (%(default)s)"
    )
    options = parser.parse_args(arguments)
    started = options.started or time.time()
    folder = options.folder

    splits = load_cmudict()
    settings = settings._replace(minutes=options.minutes)
    model, report = train_and_measure(folder, settings, splits)
    show(model, splits["test"], folder)

    print("\nExporting; every artifact is reloaded without Keras and compared ...", flush=True)
    exports = {"search": BeamSearch(max_length=MAX_LENGTH), "overwrite": True}
    ids = export_model(model, folder / "saved_model_ids", kind="ids", **exports)
    text = export_model(model, folder / "saved_model_text", kind="text", **exports)
    onnx = export_model(model, folder / "onnx", format="onnx", **exports)
    report.update(saved_model=ids, saved_model_text=text, onnx=onnx)
    report["total_seconds"] = round(time.time() - started, 1)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    summarize(report, folder)


def show(model, entries, folder):
    """Prints held-out words with their pronunciations and draws three alignments."""
    # Spread over the alphabet, and long enough to be worth a look.
    words = [entry for entry in entries if 8 <= len(entry.word) <= 12 and entry.word.isalpha()]
    shown = words[:: max(1, len(words) // 12)][:12]
    print(f"\n{'held-out word':<16}{'the model says':<34}the dictionary says")
    decoded = decode_texts(model, [entry.word for entry in shown], max_length=MAX_LENGTH)
    for entry, found in zip(shown, decoded):
        right = tuple(found.target_tokens) in entry.pronunciations
        said = " or ".join(" ".join(one) for one in entry.pronunciations)
        print(f"{entry.word:<16}{found.text:<34}{said}{'' if right else '   <-- differs'}")
    for number, found in enumerate(decoded[:9:4], 1):
        figure = plot_attention(
            found.attention,
            found.source_tokens,
            found.target_tokens,
            title="".join(found.source_tokens),
        )
        figure.savefig(folder / f"alignment-{number}.png", dpi=150)


def summarize(report, folder):
    """Prints what a reader should take away."""
    print(
        f"\nOn {report['test_words']:,} words it has never seen, the model gets "
        f"{100 - report['test_wer']:.1f} % right (word errors {report['test_wer']:.1f} %, phoneme "
        f"errors {report['test_per']:.1f} %), after {report['train_seconds']:.0f} s of training.\n"
        f"The SavedModels differ from it by {report['saved_model']['max_abs_difference']:.1e} at "
        f"most, the ONNX graphs by {report['onnx']['max_abs_difference']:.1e}, and every id is "
        f"equal.\nAll of it took {report['total_seconds']:.0f} s. See:"
    )
    for name in (
        "report.json",
        "alignment-*.png",
        "model.keras",
        "saved_model_ids/",
        "saved_model_text/",
        "onnx/",
    ):
        print(f"  {folder / name}")


if __name__ == "__main__":
    main()
