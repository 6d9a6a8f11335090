"""Trains a network that searches an image for a digit, and two to compare it with.

    python export/train_glimpses.py build/glimpses

Three models with the same training: the glimpse network, the same one with
random locations, and a convolutional network with as many weights. The digits
are scikit-learn's (pip install '.[digits]' in a clone). The folder then holds a
.keras file of each and report.json.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.glimpses import Glimpses

if __name__ == "__main__":
    command.main(Glimpses, __doc__, script=__file__)
