"""Data sets that a package registry or a website serves, your own data, and batches of them."""

from keras_attention._core.padding import pad
from keras_attention.datasets.batching import labelled_batches, teacher_forcing_batches
from keras_attention.datasets.bible import load_bible
from keras_attention.datasets.cached_features import CachedFeatures, CaptionedFeatures
from keras_attention.datasets.caption_batches import caption_batches
from keras_attention.datasets.captions import (
    Captioned,
    CaptionedImage,
    CaptionedImages,
    load_captions,
    plain_caption,
)
from keras_attention.datasets.cloze import BLANK, Cloze, load_cloze
from keras_attention.datasets.cmudict import Entry, load_cmudict
from keras_attention.datasets.digits import (
    Digits,
    PlacedDigitBatches,
    PlacedDigits,
    load_digits,
    place_digits,
)
from keras_attention.datasets.flickr8k import load_flickr8k
from keras_attention.datasets.images import read_image
from keras_attention.datasets.pairs import Pair, load_pairs, split_pairs
from keras_attention.datasets.scenes import Scene, SceneObject, Scenes
from keras_attention.datasets.sentiment import (
    RatedText,
    load_sentiment,
    load_sentiment_lexicon,
)
from keras_attention.datasets.tagged import Tagged, load_addresses, load_tweets, split_tagged
from keras_attention.datasets.tatoeba import load_tatoeba

__all__ = [
    "BLANK",
    "CachedFeatures",
    "Captioned",
    "CaptionedFeatures",
    "CaptionedImage",
    "CaptionedImages",
    "Cloze",
    "Digits",
    "Entry",
    "Pair",
    "PlacedDigitBatches",
    "PlacedDigits",
    "RatedText",
    "Scene",
    "SceneObject",
    "Scenes",
    "Tagged",
    "caption_batches",
    "labelled_batches",
    "load_addresses",
    "load_bible",
    "load_captions",
    "load_cloze",
    "load_cmudict",
    "load_digits",
    "load_flickr8k",
    "load_pairs",
    "load_sentiment",
    "load_sentiment_lexicon",
    "load_tatoeba",
    "load_tweets",
    "pad",
    "place_digits",
    "plain_caption",
    "read_image",
    "split_pairs",
    "split_tagged",
    "teacher_forcing_batches",
]
