"""Everything once: train a pronunciation model, draw its attention, export it, verify it.

    python export/demo.py build/demo

Leaves model.keras, alignment-*.png, saved_model_ids/1, saved_model_text/1,
onnx/ and report.json in the folder. Interrupted, the same command resumes
after the last whole epoch.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.demo import Demo

if __name__ == "__main__":
    command.main(Demo, __doc__, script=__file__)
