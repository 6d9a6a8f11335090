"""Captioning: train a model to caption scenes, and measure what it says and where it looks."""

import hashlib
import json
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention._core.backend.gradients import gradient
from keras_attention._core.checks import check_choice
from keras_attention._core.optional import require
from keras_attention.datasets import caption_batches, pad
from keras_attention.generation import decode_captions
from keras_attention.metrics import peaks_inside
from keras_attention.models import Captioner
from keras_attention.normalizers.sampled import HardSample
from keras_attention.recipes import training_run
from keras_attention.scores.additive import Additive
from keras_attention.scores.fixed import FixedContext
from keras_attention.text.vocabulary import START, Vocabulary
from keras_attention.vision import GatedAttention


class Settings(NamedTuple):
    """How a captioning model is built and trained; the defaults are those of `make caption`.

    Attributes:
        attention: `"soft"`; `"hard"`, which looks at one place, drawn while
            training; or `"none"` for the same model that sees the mean of the
            features.
        units, embedding_dim, cell, dropout, doubly_stochastic, word_detection:
            as in `Captioner`.
        attention_units: of the additive score.
        label_smoothing: of the loss.
        batch_size, learning_rate: of the training.
        scenes: how many make an epoch.
        epochs: how many at most.
        minutes: how long the training may take, always fully annealed.
        seed: of the weights.

    Example:

    >>> from keras_attention.recipes.captioning import Settings
    >>> Settings(units=128)._replace(attention="none").attention
    'none'
    """

    attention: str = "soft"
    units: int = 256
    embedding_dim: int = 128
    attention_units: int = 128
    cell: str = "lstm"
    dropout: float = 0.1
    doubly_stochastic: float = 0.0
    word_detection: float = 0.2
    label_smoothing: float = 0.0
    batch_size: int = 64
    scenes: int = 9600
    epochs: int = 60
    learning_rate: float = 2e-3
    minutes: float = 24.0
    seed: int = 0


def build(words, image_size, settings, encoder=None):
    """An untrained `Captioner` of these words, looking as `settings.attention` says."""
    check_choice("attention", settings.attention, ("soft", "hard", "none"))
    score, normalizer = Additive(settings.attention_units), "softmax"
    if settings.attention == "hard":
        normalizer = HardSample("straight_through")
    if settings.attention == "none":
        score = FixedContext()
    names = ("units", "embedding_dim", "cell", "dropout", "doubly_stochastic", "word_detection")
    options = {name: getattr(settings, name) for name in names}
    if settings.attention == "none":
        # Nothing can be learnt from weights that are always the same.
        options["doubly_stochastic"] = 0.0
    return Captioner(
        Vocabulary(words, separator=" "),
        image_size,
        encoder,
        attention=GatedAttention(score, normalizer, name="attention"),
        **options,
    )


def train(folder, examples, words, settings=Settings(), encoder=None):  # noqa: B008
    """Trains a captioning model and saves it as `model.keras` in `folder`.

    After every epoch the state of the training is kept in `folder/backup`, and
    the best weights on dev. Called again after an interruption with the same
    settings, words and size of images, it goes on from there; called again
    after the end, it gives the finished model back.

    Args:
        folder: where to keep the backup and the model.
        examples: sequences `"train"` and `"dev"` of what has an `image` (or
            `features`) and a `caption`: `Scenes`, `CaptionedImages` or
            `CachedFeatures`. An epoch takes `settings.scenes` of those to train
            on, in an order of its own.
        words: the vocabulary.
        settings: `Settings`.
        encoder: as in `Captioner`; needed with features.

    Returns:
        `training_run.Trained`, with the weights that were best on dev.

    Raises:
        ValueError: for features without the encoder that gave them.
    """
    learnt = examples["train"]
    first = learnt[0]
    kind = "image" if hasattr(first, "image") else "features"
    if kind == "features" and not hasattr(encoder, "input_shape"):
        raise ValueError(
            f"encoder: expected the model that gave the features, received {encoder!r}."
        )
    data = _digest(words, getattr(first, kind).shape)
    done = training_run.finished(folder, settings, data)
    if done is not None:
        return done
    keras.utils.set_random_seed(settings.seed)
    image_size = first.image.shape[:2] if kind == "image" else encoder.input_shape[1:3]
    model = build(words, image_size, settings, encoder)
    count = min(settings.scenes, len(learnt))

    def epoch():
        return training_run.epochs_done(model, batches)

    def order(done):
        return np.random.default_rng((settings.seed, done)).permutation(len(learnt))[:count]

    def shown(sequence):
        return lambda i: (getattr(sequence[i], kind), sequence[i].caption)

    options = {"vocabulary": model.vocabulary, "batch_size": settings.batch_size, "kind": kind}
    batches = caption_batches(shown(learnt), count=count, epoch=epoch, order=order, **options)
    dev = examples["dev"]
    validation = caption_batches(shown(dev), count=len(dev), epoch=lambda: 0, **options)
    return training_run.fit(folder, model, batches, validation, settings, settings.epochs, data)


def _digest(words, shape):
    return hashlib.sha256(json.dumps([list(words), list(shape)]).encode()).hexdigest()


class Pictured(NamedTuple):
    """An image `(H, W, 3)` and all of its captions, any of which is right.

    Example:

    >>> from keras_attention.recipes.captioning import Pictured
    >>> Pictured(None, ("a dog", "a brown dog")).captions[0]
    'a dog'
    """

    image: np.ndarray
    captions: tuple


def references(example):
    """The captions of a `Scene`, which has one, or a `Pictured`, which has several."""
    return example.captions if hasattr(example, "captions") else (example.caption,)


class Quality(NamedTuple):
    """How captions came out.

    Attributes:
        exact_match: the share of captions that are right word for word.
        bleu: BLEU-1 to BLEU-4 of sacrebleu, from 0 to 100.
        bleu_signature: of BLEU-4.
        captions: a list of `DecodedCaption`.
        named: the share of the names said whose object is there. This and the
            following are known of scenes only, else None.
        pointing: the share of the names said at which the peak of the
            attention, summed over the name's words, lies inside the object's
            box; of an object that is not there it cannot.
        pointing_phrase: the same summed over article and name.
        pointing_chance: the same for places drawn at random.
        pointing_gradient: the same for the peak of `gradient_maps`.

    Example:

    >>> from keras_attention.recipes.captioning import Quality
    >>> Quality(0.9, [95, 93, 92, 91], "nrefs:1", []).exact_match
    0.9
    """

    exact_match: float
    bleu: list
    bleu_signature: str
    captions: list
    named: float | None = None
    pointing: float | None = None
    pointing_phrase: float | None = None
    pointing_chance: float | None = None
    pointing_gradient: float | None = None


def evaluate(model, examples, search=None, batch_size=100, max_length=40):
    """Captions images, and compares what is said and where the model looks with the truth.

    Sources: Papineni et al., 2002, through sacrebleu; the pointing game: Zhang
    et al., "Top-Down Neural Attention by Excitation Backprop", 2016.

    Args:
        model: a trained `Captioner`.
        examples: a list of `Scene` or of `Pictured`.
        search: how to decode, see `decode_captions`; greedily by default.
        batch_size: images at once.
        max_length: how many words at most; of greedy decoding.

    Returns:
        `Quality`.

    Raises:
        ImportError: without the extra `translation`.
    """
    sacrebleu = require("sacrebleu", "translation")
    images = np.stack([example.image for example in examples])
    options = {"max_length": max_length} if search is None else {"search": search}
    captions = decode_captions(model, images, batch_size=batch_size, **options)
    texts, right = [c.text for c in captions], [references(example) for example in examples]
    # One list a reference; an image that has fewer than others has None there.
    columns = [
        [row[i] if i < len(row) else None for row in right] for i in range(max(map(len, right)))
    ]
    scores = [sacrebleu.BLEU(max_ngram_order=n) for n in (1, 2, 3, 4)]
    quality = Quality(
        float(np.mean([text in row for text, row in zip(texts, right)])),
        [float(score.corpus_score(texts, columns).score) for score in scores],
        str(scores[-1].get_signature()),
        captions,
    )
    if not hasattr(examples[0], "objects"):
        return quality

    said, absent = names_said(captions, examples)
    names = len(said) + absent
    boxes = np.array([name.box for name in said]).reshape(-1, 4)

    def inside(maps):
        # Who names what is not there cannot point at it.
        return float(peaks_inside(maps, boxes, images.shape[1:3]).sum()) / max(1, names)

    def looked(before):
        return np.array(
            [
                captions[name.scene].maps[max(0, name.begin - before) : name.end].sum(0)
                for name in said
            ]
        )

    chance = chance_inside(model.map_shape, boxes, images.shape[1:3])
    return quality._replace(
        named=len(said) / max(1, names),
        pointing=inside(looked(0)),
        pointing_phrase=inside(looked(1)),
        pointing_chance=float(chance.sum()) / max(1, names),
        pointing_gradient=inside(gradient_maps(model, images, captions, said, batch_size)),
    )


class Name(NamedTuple):
    """A name that a caption says of an object that is there.

    Attributes:
        scene: which scene.
        begin, end: which words of the caption.
        box: of the object: top, left, bottom and right in pixels.

    Example:

    >>> from keras_attention.recipes.captioning import Name
    >>> Name(0, 1, 3, (4, 8, 30, 36)).end
    3
    """

    scene: int
    begin: int
    end: int
    box: tuple


def names_said(captions, scenes):
    """The names in captions, each with the box of its object, and how many have none.

    Args:
        captions: a list of `DecodedCaption`.
        scenes: a list of `Scene`, of which each caption speaks.

    Returns:
        A list of `Name`, and the number of names of objects that are not there.
    """
    known = {tuple(name.split()) for scene in scenes for name in _names(scene)}
    longest = max(map(len, known))
    found, absent = [], 0
    for number, (caption, scene) in enumerate(zip(captions, scenes)):
        boxes = {tuple(name.split()): one.box for name, one in zip(_names(scene), scene.objects)}
        begin = 0
        while begin < len(caption.tokens):
            for end in range(min(begin + longest, len(caption.tokens)), begin, -1):
                name = tuple(caption.tokens[begin:end])
                if name in boxes:
                    found.append(Name(number, begin, end, boxes[name]))
                elif name in known:
                    absent += 1
                else:
                    continue
                begin = end - 1
                break
            begin += 1
    return found, absent


def _names(scene):
    words = scene.caption.split()
    return [" ".join(words[one.words[0] : one.words[1]]) for one in scene.objects]


def chance_inside(map_shape, boxes, image_size):
    """The share of a map's places whose centre lies inside each box."""
    places = np.eye(map_shape[0] * map_shape[1]).reshape(-1, *map_shape)
    repeated = np.repeat(boxes, len(places), axis=0)
    inside = peaks_inside(np.tile(places, (len(boxes), 1, 1)), repeated, image_size)
    return inside.reshape(len(boxes), len(places)).mean(axis=1)


def gradient_maps(model, images, captions, said, batch_size=100):
    """Which places the names depend on: features times gradient, where that is above 0.

        map_j = relu(sum_c a_jc * d log p(name) / d a_jc)

    It exists for a model that looks nowhere, too.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks
    via Gradient-Based Localization", 2017, with the gradient of each place in
    place of their mean.

    Args:
        model: a `Captioner`.
        images: `(N, H, W, 3)`.
        captions: a list of `DecodedCaption`.
        said: a list of `Name`.
        batch_size: images at once.

    Returns:
        `(len(said), h, w)`.
    """
    labels = pad([model.vocabulary.encode(caption.text) for caption in captions])
    target = np.pad(labels, ((0, 0), (1, 0)), constant_values=START)[:, :-1]
    mine = [[] for _ in captions]
    for number, name in enumerate(said):
        mine[name.scene].append(number)

    def likelihood(features, target, labels, asked):
        logits = model({"features": features, "target": target}, training=False)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return -ops.sum(losses * asked)

    slope = gradient(likelihood)
    maps = np.zeros((len(said), *model.map_shape), "float32")
    for begin in range(0, len(images), batch_size):
        rows = range(begin, min(begin + batch_size, len(images)))
        features = model.encode(images[rows])
        # One name of each caption at a time: the gradients of rows are apart.
        for turn in range(max(len(mine[row]) for row in rows)):
            asked = np.zeros((len(rows), labels.shape[1]), "float32")
            numbers = {row: mine[row][turn] for row in rows if turn < len(mine[row])}
            for row, number in numbers.items():
                asked[row - begin, said[number].begin : said[number].end] = 1
            tensors = (ops.convert_to_tensor(x) for x in (target[rows], labels[rows], asked))
            found = ops.convert_to_numpy(ops.sum(features * slope(features, *tensors), axis=-1))
            for row, number in numbers.items():
                maps[number] = np.maximum(found[row - begin], 0)
    return maps
