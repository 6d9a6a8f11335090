"""Trains a model that says English words, and measures it on words it has not seen.

    python export/train_g2p.py build/g2p

The data, the CMU Pronouncing Dictionary, is fetched through pip. Interrupted,
the same command goes on after the last whole epoch. The folder then holds
model.keras and report.json.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.datasets import load_cmudict
from keras_attention.recipes import g2p


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the model and its report go")
    for name, default in g2p.Settings()._asdict().items():
        if isinstance(default, bool):
            parser.add_argument(
                f"--{name.replace('_', '-')}", action=argparse.BooleanOptionalAction
            )
            parser.set_defaults(**{name: default})
        else:
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                type=type(default),
                default=default,
                help=f"({default})",
            )
    options = vars(parser.parse_args(arguments))
    folder = options.pop("folder")
    _, report = train_and_measure(folder, g2p.Settings(**options))
    print(json.dumps(report, indent=2))


def train_and_measure(folder, settings, splits=None):
    """Trains, measures on held-out words, writes `report.json`; gives the model and the report."""
    begin = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    splits = load_cmudict() if splits is None else splits
    model, seconds, _ = g2p.train(folder, splits, settings)
    print("Measuring on words that were held out ...", flush=True)
    report = {
        "parameters": model.count_params(),
        "train_seconds": round(seconds, 1),
        "train_words": len(splits["train"]),
        "test_words": len(splits["test"]),
    }
    for split in ("dev", "test"):
        rates = g2p.evaluate(model, splits[split])
        report[f"{split}_wer"] = round(100 * rates.items, 2)
        report[f"{split}_per"] = round(100 * rates.tokens, 2)
    report["total_seconds"] = round(time.monotonic() - begin, 1)
    report["settings"] = settings._asdict()
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return model, report


if __name__ == "__main__":
    main()
