"""The input of an artifact and how the model receives it: ids or pixels, text or image files.

A model with an `image_size` `(H, W)` reads images, any other one reads ids. On top of either
there is an input of strings: text, which the `Vocabulary` turns into ids, and the bytes of image
files, which are decoded and resized.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import tensorflow as tf

from keras_attention._core.checks import check_choice
from keras_attention._core.types import Array, Structure
from keras_attention.datasets.images import decode_image
from keras_attention.export.call.batches import checked_batch, listed, singles, sizes_of
from keras_attention.export.call.inputs import Batch, call_inputs
from keras_attention.export.call.random_batches import inputs_of_ids, random_batches
from keras_attention.export.guards import same_batch, some_columns, some_images
from keras_attention.export.interface import Exportable, WrapsModel, interface_of
from keras_attention.export.random_inputs import (
    random_files,
    random_ids,
    random_images,
    random_texts,
)
from keras_attention.export.same_text import check_same_text
from keras_attention.generation.any_model.graph import is_functional, names_of
from keras_attention.generation.any_model.ports import is_ids
from keras_attention.text import VocabularyLike
from keras_attention.text.bounds import longest_of
from keras_attention.text.graph import graph_vocabulary
from keras_attention.text.known_ids import known_ids
from keras_attention.text.vocabularies import vocabulary_size


def source_of(model: Exportable, kind: str = "ids") -> Source:
    """The input of an artifact.

    Args:
        model: the model to be exported, see `Exportable`.
        kind: `"ids"`, what `model.start` itself takes; `"text"`; or `"image"`,
            the bytes of files.

    Returns:
        A `Source`.

    Raises:
        ValueError: for another kind, one that the model does not read, and a
            model without the vocabulary that the kind needs.

    Example:

    >>> from keras_attention.export.sources import source_of
    >>> from keras_attention.models import EncoderDecoder
    >>> source_of(EncoderDecoder(30, 40, units=16)).spec()
    TensorSpec(shape=(None, None), dtype=tf.int32, name='tokens')
    """
    check_choice("kind", kind, ("ids", "text", "image"))
    images = interface_of(model).image_size is not None
    kinds: dict[str, type[Source]]
    if kind == "ids" and isinstance(model, WrapsModel) and not _is_usual(model, images):
        return Sources(model)
    kinds = {"ids": Pixels, "image": Files} if images else {"ids": Ids, "text": Text}
    if kind not in kinds:
        why = "an image_size: it reads images" if images else "no image_size"
        raise ValueError(
            f"kind: expected {' or '.join(map(repr, kinds))}, because {type(model).__name__} has "
            f"{why}, received {kind!r}."
        )
    return kinds[kind](model)


def _is_usual(model: WrapsModel, images: bool) -> bool:
    """Whether a model reads one image, or one matrix of ids of any length."""
    if len(model.sources) != 1:
        return False
    if not is_functional(model.model) or images:
        return True
    tensor = names_of(model.model)[model.sources[0]]
    return is_ids(model.model, tensor) and tensor.shape[1] is None


class Source:
    """One input: its name and shape, how the model receives it, and batches to verify with.

    Attributes:
        name: of the tensor.
        resources: what a SavedModel must keep besides the variables.

    Args:
        model: the model that reads it.
    """

    name: ClassVar[str]

    def __init__(self, model: Exportable) -> None:
        self.model = model
        self.interface = interface_of(model)
        self.resources: list[Any] = []

    def specs(self, batch: int | None = None) -> dict[str, tf.TensorSpec]:
        """The `tf.TensorSpec` of each input by name."""
        return {self.name: self.spec(batch)}

    def read_all(self, given: dict[str, tf.Tensor]) -> tuple[Structure, dict[str, tf.Tensor]]:
        """`read` of tensors by name."""
        return self.read(given[self.name])

    def named_batches(self, examples: Iterable[Any] | None, batch: int | None) -> list[Batch]:
        """Batches to verify with, by name, each of `batch` examples or any number.

        Raises:
            ValueError: where the examples have another shape.
        """
        batches = self.batches(examples)
        if batch is not None:
            if examples is None:
                batches = [single for many in batches for single in self.singles(many)]
            if any(len(one) != batch for one in batches):
                received = ", ".join(str(one.shape) for one in batches)
                raise ValueError(
                    f"examples: expected batches of one example, received shapes {received}."
                )
        return [{self.name: one} for one in batches]

    def named_sizes(self, batch: Batch) -> dict[str, int]:
        """The sizes of a batch that have a name."""
        return self.sizes(batch[self.name])

    def spec(self, batch: int | None = None) -> tf.TensorSpec:
        """The `tf.TensorSpec` of the input, of `batch` examples or any number."""
        raise NotImplementedError

    def read(self, given: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What `model.start` takes, and outputs that only tell how the input was read."""
        raise NotImplementedError

    def shaped(self, attention: tf.Tensor) -> tf.Tensor:
        """Weights over the positions of the memory, in the shape that a client receives."""
        return attention

    def batches(self, examples: Iterable[Any] | None = None) -> list[Array]:
        """Batches to verify with: the user's, checked, or random ones."""
        raise NotImplementedError

    def check(self, inputs: Batch, outputs: Batch) -> None:
        """Refuses an answer that shows that the graph read its input otherwise than Python."""

    def singles(self, batch: Array) -> list[Array]:
        """The examples of a batch, each as a batch of its own."""
        return [one[None] for one in batch]

    def sizes(self, batch: Array) -> dict[str, int]:
        """The sizes of a batch that have a name."""
        return {"batch": len(batch)}


class Ids(Source):
    """Ids `(B, S)`, padded."""

    name = "tokens"

    def __init__(self, model: Exportable) -> None:
        super().__init__(model)
        self.pad = self.interface.source_special_ids.pad
        reads = self.interface.reads
        self._size = None if reads is None else vocabulary_size(reads)

    def spec(self, batch: int | None = None) -> tf.TensorSpec:
        return tf.TensorSpec((batch, None), tf.int32, self.name)

    def read(self, given: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        ids = known_ids(given, self._size, self.interface.source_special_ids)
        return some_columns(self.name, ids, self.pad), {}

    def batches(self, examples: Iterable[Any] | None = None) -> list[Array]:
        special = self.interface.source_special_ids
        return random_ids(self.interface.reads, examples, special_ids=special)

    def singles(self, batch: Array) -> list[Array]:
        # Without the padding.
        return [row[: max(1, (row != self.pad).sum())][None] for row in batch]

    def sizes(self, batch: Array) -> dict[str, int]:
        return {"batch": len(batch), "source": batch.shape[1]}


class Text(Source):
    """Texts `(B,)`; the answer holds their tokens."""

    name = "text"

    def __init__(self, model: Exportable) -> None:
        super().__init__(model)
        self._vocabulary = self.interface.reading_vocabulary()
        self._graph = graph_vocabulary(self._vocabulary)
        self.resources = list(self._graph.resources)
        self._length = _fixed_length(model)
        check_reads_enough(self._vocabulary, self._length)

    def spec(self, batch: int | None = None) -> tf.TensorSpec:
        return tf.TensorSpec((batch,), tf.string, self.name)

    def read(self, given: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        # A vocabulary of the user's own may not cut a text itself.
        tokens = self._graph.tokens(given)[:, : longest_of(self._vocabulary)]
        tokens = of_length(tokens, self._length)
        return self._graph.ids(tokens), {"source_tokens": tokens}

    def check(self, inputs: Batch, outputs: Batch) -> None:
        check_same_text(self._vocabulary, inputs[self.name], outputs["source_tokens"])

    def batches(self, examples: Iterable[Any] | None = None) -> list[Array]:
        return random_texts(self._vocabulary, examples)


class Pixels(Source):
    """Images `(B, H, W, 3)` of the size that the model reads, numbers from 0 to 255."""

    name = "image"

    def __init__(self, model: Exportable) -> None:
        super().__init__(model)
        assert self.interface.image_size is not None
        self.size = self.interface.image_size

    def spec(self, batch: int | None = None) -> tf.TensorSpec:
        return tf.TensorSpec((batch, *self.size, 3), tf.float32, self.name)

    def read(self, given: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return some_images(self.name, given), {}

    def shaped(self, attention: tf.Tensor) -> tf.Tensor:
        """Weights `(..., h * w)` as maps `(..., h, w)`."""
        return self.interface.as_maps(attention)

    def batches(self, examples: Iterable[Any] | None = None) -> list[Array]:
        return random_images(self.size, examples)


class Files(Pixels):
    """JPEG and PNG files `(B,)`, their bytes: decoded and resized in the graph.

    A file that is broken, of another format, or too large makes its request an error.
    """

    name = "image_bytes"

    def spec(self, batch: int | None = None) -> tf.TensorSpec:
        return tf.TensorSpec((batch,), tf.string, self.name)

    def read(self, given: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        pixels = tf.map_fn(
            lambda file: tf.cast(decode_image(file, self.size), tf.float32),
            some_images(self.name, given),
            fn_output_signature=tf.TensorSpec((*self.size, 3), tf.float32),
        )
        return pixels, {}

    def batches(self, examples: Iterable[Any] | None = None) -> list[Array]:
        return random_files(self.size, examples)


class Sources(Source):
    """The sources of a model that wraps a Keras model, as that declares them.

    Of one source of ids the name is `tokens`; otherwise the names are those of the model.
    """

    def __init__(self, model: Exportable) -> None:
        super().__init__(model)
        assert isinstance(model, WrapsModel)
        inside = model.model
        specs = call_inputs(inside).specs
        keys = list(names_of(inside))
        self._all = specs
        # In the order of the leaves, in which both are.
        ordered = dict(zip(_in_order(inside, keys), specs.items()))
        self._keys = {ordered[key][0]: key for key in model.sources}
        self._specs = {ordered[key][0]: ordered[key][1] for key in model.sources}
        self._ids = inputs_of_ids(inside, specs)
        if len(self._specs) == 1 and set(self._specs) <= set(self._ids):
            self._rename(next(iter(self._specs)), Ids.name)

    def _rename(self, old: str, new: str) -> None:
        spec = self._specs.pop(old)
        self._specs[new] = tf.TensorSpec(spec.shape, spec.dtype, new)
        self._keys[new] = self._keys.pop(old)
        self._all = {new if name == old else name: one for name, one in self._all.items()}

    def specs(self, batch: int | None = None) -> dict[str, tf.TensorSpec]:
        return {
            name: tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, name)
            for name, spec in self._specs.items()
        }

    def read_all(self, given: dict[str, tf.Tensor]) -> tuple[Structure, dict[str, tf.Tensor]]:
        given = same_batch("sources", {name: given[name] for name in self._keys})
        return {key: given[name] for name, key in self._keys.items()}, {}

    def named_batches(self, examples: Iterable[Any] | None, batch: int | None) -> list[Batch]:
        specs = self.specs()
        if examples is None:
            assert isinstance(self.model, WrapsModel)
            random = random_batches(self.model.model, self._all)
            batches = [{name: one[name] for name in specs} for one in random]
        else:
            batches = [checked_batch(one, specs) for one in listed(examples)]
        if batch is None:
            return batches
        found = [one for many in batches for one in singles(many, batch)]
        return found[:6] if examples is None else found

    def named_sizes(self, batch: Batch) -> dict[str, int]:
        return sizes_of(self.specs(), batch)

    def shaped(self, attention: tf.Tensor) -> tf.Tensor:
        return attention


def _in_order(model: Any, keys: list[str]) -> list[str]:
    """The keys of a model's inputs in the order of the leaves of their structure."""
    return sorted(keys) if isinstance(model.input, dict) else keys


def _fixed_length(model: object) -> int | None:
    """How many ids a model reads, or None for any number."""
    if not isinstance(model, WrapsModel) or not is_functional(model.model):
        return None
    length: int | None = names_of(model.model)[model.sources[0]].shape[1]
    return length


def check_reads_enough(vocabulary: VocabularyLike, length: int | None) -> None:
    """Refuses a vocabulary that cuts texts for a model of a fixed length that reads more."""
    longest = longest_of(vocabulary)
    if length is not None and longest < length:
        raise ValueError(
            f"source_vocabulary: expected one with longest={length} or more, because the model "
            f"reads {length} ids, received longest={longest}. Set vocabulary.longest = {length}."
        )


def of_length(tokens: tf.Tensor, length: int | None) -> tf.Tensor:
    """Tokens `(B, S)` padded with empty strings, or cut, to a length; None leaves them."""
    if length is None:
        return tokens
    missing = tf.maximum(0, length - tf.shape(tokens)[1])
    tokens = tf.pad(tokens, [[0, 0], [0, missing]], constant_values="")[:, :length]
    return tf.ensure_shape(tokens, (None, length))
