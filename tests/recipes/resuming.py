"""Trains a recipe in miniature with dropout and prints a digest of the weights.

    python -m tests.recipes.resuming RECIPE FOLDER [kill]

With `kill` the process kills itself in the middle of the second epoch.
"""

import hashlib
import os
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from keras_attention._core.snapshots import state_of, values_of
from keras_attention.models import ImageEncoder
from keras_attention.recipes import captioning, g2p, training_run, translation
from tests.recipes import test_captioning, test_g2p, test_translation

# So many minutes that the steps alone set the learning rate.
_SHORT = {"epochs": 3, "dropout": 0.3, "learning_rate": 0.01, "minutes": 1e6}
_TRANSLATION = test_translation.SETTINGS._replace(**_SHORT, units=16, embedding_dim=16)
_CAPTIONS = test_captioning.SETTINGS._replace(**_SHORT, scenes=48)
# By name: the recipe, its data and its settings.
RECIPES = {
    "spelling": (
        g2p.Pronunciation(),
        test_g2p.SPLITS,
        test_g2p.SETTINGS._replace(**_SHORT, units=16),
    ),
    "recurrent": (translation.Translation(), test_translation.SPLITS, _TRANSLATION),
    "transformer": (
        translation.Translation(),
        test_translation.SPLITS,
        _TRANSLATION._replace(model="transformer", num_heads=2),
    ),
    "captions": (captioning.Captioning(), test_captioning.DATA, _CAPTIONS),
    # Its weights are sampled.
    "hard": (
        captioning.Captioning(),
        test_captioning.DATA,
        _CAPTIONS._replace(attention="hard"),
    ),
}


class Kill(training_run.StopOnNaN):
    """Kills this process in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self._epoch == 1 and batch == self.params["steps"] // 2:
            os.kill(os.getpid(), signal.SIGKILL)


@keras.saving.register_keras_serializable("tests")
class SmallEncoder(ImageEncoder):
    def __init__(self, filters=(8, 12), blocks=(0, 1), **options):
        super().__init__(filters, blocks, **options)


def main(name, folder, kill=False):
    # Threads may add in any order otherwise.
    tf.config.experimental.enable_op_determinism()
    sys.modules["keras_attention.models.captioner"].ImageEncoder = SmallEncoder
    if kill:
        training_run.StopOnNaN = Kill
    recipe, data, settings = RECIPES[name]
    model = recipe.train(folder, data, settings).model
    digest = hashlib.sha256()
    for value in values_of(state_of(model)):
        digest.update(value.tobytes())
    print("digest", digest.hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
