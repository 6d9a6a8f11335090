"""What goes into an artifact, and how a model says it: ids or pixels, text or image files.

A model with an `image_size` `(H, W)` reads images, any other one reads ids. Over
either lies a layer of strings: text, where a `Vocabulary` says how it falls into
ids, and the bytes of image files, which are decoded and resized.
"""

import tensorflow as tf

from keras_attention._core.checks import check_choice
from keras_attention.datasets.images import decode_image
from keras_attention.export.drawing import draw_files, draw_ids, draw_images, draw_texts
from keras_attention.generation import text_vocabularies
from keras_attention.text.graph import graph_vocabulary


def source_of(model, kind="ids"):
    """What goes into an artifact of a kind.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        kind: `"ids"`, what `model.start` itself takes; `"text"`; or `"image"`,
            the bytes of files.

    Returns:
        A `Source`.

    Raises:
        ValueError: for another kind, and where the model reads something else.

    Example:

    >>> from keras_attention.export.sources import source_of
    >>> from keras_attention.models import EncoderDecoder
    >>> source_of(EncoderDecoder(30, 40, units=16)).spec()
    TensorSpec(shape=(None, None), dtype=tf.int32, name='tokens')
    """
    check_choice("kind", kind, ("ids", "text", "image"))
    kinds = {"ids": Pixels, "image": Files} if reads_images(model) else {"ids": Ids, "text": Text}
    if kind not in kinds:
        why = "an image_size: it reads images" if reads_images(model) else "no image_size"
        raise ValueError(
            f"kind: expected {' or '.join(map(repr, kinds))}, because {type(model).__name__} has "
            f"{why}, received {kind!r}."
        )
    return kinds[kind](model)


def reads_images(model):
    """Whether a model reads images."""
    return getattr(model, "image_size", None) is not None


def written_vocabulary(model):
    """The `Vocabulary` that a model writes with, or its size, or None: as the model has it."""
    return getattr(model, "target_vocabulary", getattr(model, "vocabulary", None))


class Source:
    """One input: its name and shape, what the model is given of it, what to try it with.

    Attributes:
        name: of the tensor.
        resources: what a SavedModel must keep besides the variables.

    Args:
        model: that reads it.
    """

    name = None
    resources = ()

    def __init__(self, model):
        self.model = model

    def spec(self, batch=None):
        """The `tf.TensorSpec` of the input, with `batch` rows or any number."""
        raise NotImplementedError

    def read(self, given):
        """The tensor that came in, as `model.start` takes it; and what the answer tells of it."""
        raise NotImplementedError

    def shaped(self, attention):
        """Weights over the positions that were attended to, in the shape they have for a client."""
        return attention

    def draw(self, examples=None):
        """Batches to verify with, checked where the user gives them."""
        raise NotImplementedError

    def alone(self, batch):
        """The rows of a batch, each a batch of its own."""
        return [row[None] for row in batch]

    def sizes(self, batch):
        """The sizes of a batch that have a name."""
        return {"batch": len(batch)}


class Ids(Source):
    """Ids `(B, S)`, padded with 0."""

    name = "tokens"

    def spec(self, batch=None):
        return tf.TensorSpec((batch, None), tf.int32, self.name)

    def read(self, given):
        return some_columns(self.name, given), {}

    def draw(self, examples=None):
        return draw_ids(self.model, examples)

    def alone(self, batch):
        # Each as long as it is.
        return [row[: max(1, (row != 0).sum())][None] for row in batch]

    def sizes(self, batch):
        return {"batch": len(batch), "source": batch.shape[1]}


class Text(Source):
    """Texts `(B,)`; the answer tells their tokens."""

    name = "text"

    def __init__(self, model):
        super().__init__(model)
        self._graph = graph_vocabulary(text_vocabularies(model)[0])
        self.resources = self._graph.resources

    def spec(self, batch=None):
        return tf.TensorSpec((batch,), tf.string, self.name)

    def read(self, given):
        tokens = self._graph.tokens(given)
        return self._graph.ids(tokens), {"source_tokens": tokens}

    def draw(self, examples=None):
        return draw_texts(self.model, examples)


class Pixels(Source):
    """Images `(B, H, W, 3)` of the size that the model reads, numbers from 0 to 255."""

    name = "image"

    def spec(self, batch=None):
        return tf.TensorSpec((batch, *self.model.image_size, 3), tf.float32, self.name)

    def read(self, given):
        return some_rows(self.name, given), {}

    def shaped(self, attention):
        """Weights `(..., h * w)` as maps `(..., h, w)`."""
        return self.model.as_maps(attention)

    def draw(self, examples=None):
        return draw_images(self.model.image_size, examples)


class Files(Pixels):
    """JPEG and PNG files `(B,)`, their bytes: decoded and resized in the graph.

    One that is broken, or something else, is an error for its request.
    """

    name = "image_bytes"

    def spec(self, batch=None):
        return tf.TensorSpec((batch,), tf.string, self.name)

    def read(self, given):
        size = tuple(self.model.image_size)
        pixels = tf.map_fn(
            lambda file: tf.cast(decode_image(file, size), tf.float32),
            some_rows(self.name, given),
            fn_output_signature=tf.TensorSpec((*size, 3), tf.float32),
        )
        return pixels, {}

    def draw(self, examples=None):
        return draw_files(self.model.image_size, examples)


def some_columns(name, ids):
    """Refuses ids without columns; a recurrent layer over no positions says less.

    ONNX has no assertions: there they become one column of padding instead.
    """
    columns = tf.shape(ids)[1]
    message = f"{name}: expected at least one column of ids, received none; pad with 0"
    with _positive(columns, message):
        return tf.pad(ids, [[0, 0], [0, tf.maximum(0, 1 - columns)]])


def some_rows(name, images):
    """Refuses a batch without images; a convolution over none says less."""
    with _positive(tf.shape(images)[0], f"{name}: expected at least one image, received none"):
        return tf.identity(images)


def _positive(size, message):
    # Eagerly an assertion is no operation: it has been checked already.
    check = tf.debugging.assert_positive(size, message)
    return tf.control_dependencies([] if check is None else [check])
