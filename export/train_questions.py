"""Trains models that find the name left out of a verse, by attention over the verses before.

    python export/train_questions.py build/questions

Two readers with different seeds, measured on books that no training question is
from, beside the most frequent and the last mentioned name. The data are fetched
through the package index. Interrupted, the same command resumes after the last
whole epoch.

The folder then holds a folder of each model, report.json, vocabulary.json,
passages.html and pictures of test passages shaded by the attention, and the
artifacts saved_model/ and onnx/.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.cloze import ClozeReading

if __name__ == "__main__":
    command.main(ClozeReading, __doc__, script=__file__)
