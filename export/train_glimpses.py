"""Trains a network that looks around for a digit, and what it is measured by.

    python export/train_glimpses.py build/glimpses

Three models with the same training: the glimpse network, the same one looking
at random places, and a convolutional network with as many weights. The digits
are scikit-learn's (pip install 'keras-attention[digits]'). The folder then
holds a .keras file of each and report.json.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _command import errors_in_one_line

from keras_attention.datasets import load_digits
from keras_attention.recipes import glimpses


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the models and the report go")
    for name, default in glimpses.Settings()._asdict().items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"({default})"
        )
    options = vars(parser.parse_args(arguments))
    folder = options.pop("folder")
    with errors_in_one_line():
        report = glimpses.compare(folder, load_digits(), glimpses.Settings(**options))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
