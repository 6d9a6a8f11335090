"""What stands in front of a model's call: nothing, text for its ids, or image files for pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from keras_attention._core.types import Tensor
from keras_attention.datasets.images import decode_image
from keras_attention.export.call.inputs import CHANNELS, Batch
from keras_attention.export.guards import some_images
from keras_attention.export.random_inputs import random_files, random_texts
from keras_attention.export.same_text import check_same_text
from keras_attention.export.sources import check_reads_enough, of_length
from keras_attention.text import VocabularyLike
from keras_attention.text.bounds import longest_of
from keras_attention.text.graph import graph_vocabulary


class Front:
    """The inputs of the artifact, and how they become those of the call.

    Args:
        specs: of the inputs of the call.

    Attributes:
        specs: of the inputs of the artifact.
        resources: what a SavedModel must keep besides the variables.
    """

    def __init__(self, specs: dict[str, tf.TensorSpec]) -> None:
        self.specs = dict(specs)
        self.resources: list[Any] = []

    def read(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The inputs of the call, and outputs that only tell how the input was read."""
        return tensors, {}

    def check(self, inputs: Batch, outputs: Batch) -> None:
        """Refuses an answer that shows that the graph read its input otherwise than Python."""

    def batches(self, batches: list[Batch]) -> list[Batch]:
        """Random batches of the call as random batches of the artifact."""
        return batches


class TextFront(Front):
    """Text `(B,)` in place of the model's only matrix of ids.

    Args:
        specs: of the inputs of the call.
        ids: the names of its inputs that may be ids.
        vocabulary: what turns text into ids.

    Raises:
        ValueError: if there is no input of ids, or more than one, and for a
            vocabulary that reads fewer tokens than the input has.
    """

    def __init__(
        self, specs: dict[str, tf.TensorSpec], ids: list[str], vocabulary: VocabularyLike
    ) -> None:
        super().__init__(specs)
        self._ids = _only("ids (batch, length)", ids)
        self._vocabulary = vocabulary
        self._spec = self.specs.pop(self._ids)
        self.specs = {"text": tf.TensorSpec((None,), tf.string, "text"), **self.specs}
        check_reads_enough(vocabulary, self._spec.shape[1])
        self._graph = graph_vocabulary(vocabulary)
        self.resources = list(self._graph.resources)

    def read(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        tensors = dict(tensors)
        tokens = self._graph.tokens(tensors.pop("text"))[:, : longest_of(self._vocabulary)]
        tokens = of_length(tokens, self._spec.shape[1])
        ids = tf.cast(self._graph.ids(tokens), self._spec.dtype)
        return {**tensors, self._ids: ids}, {"source_tokens": tokens}

    def check(self, inputs: Batch, outputs: Batch) -> None:
        check_same_text(self._vocabulary, inputs["text"], outputs["source_tokens"])

    def batches(self, batches: list[Batch]) -> list[Batch]:
        return _in_place_of(self._ids, "text", random_texts(self._vocabulary), batches)


class FilesFront(Front):
    """Image files `(B,)`, JPEG or PNG, in place of the model's only input of pixels.

    Args:
        specs: of the inputs of the call.

    Raises:
        ValueError: if there is no input of pixels, or more than one.
    """

    def __init__(self, specs: dict[str, tf.TensorSpec]) -> None:
        super().__init__(specs)
        images = [name for name, spec in specs.items() if _is_image(spec)]
        self._pixels = _only("images (batch, height, width, 1 or 3)", images)
        spec = self.specs.pop(self._pixels)
        self._dtype, (_, *size, self._channels) = spec.dtype, spec.shape.as_list()
        self._size: tuple[int, int] = (size[0], size[1])
        files = tf.TensorSpec((None,), tf.string, "image_bytes")
        self.specs = {"image_bytes": files, **self.specs}

    def read(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        tensors = dict(tensors)
        pixels = tf.map_fn(
            lambda file: decode_image(file, self._size),
            some_images("image_bytes", tensors.pop("image_bytes")),
            fn_output_signature=tf.TensorSpec((*self._size, 3), tf.uint8),
        )
        if self._channels == 1:
            pixels = tf.image.rgb_to_grayscale(pixels)
        return {**tensors, self._pixels: tf.cast(pixels, self._dtype)}, {}

    def batches(self, batches: list[Batch]) -> list[Batch]:
        return _in_place_of(self._pixels, "image_bytes", random_files(self._size), batches)


def _is_image(spec: tf.TensorSpec) -> bool:
    sizes = spec.shape.as_list()
    return len(sizes) == 4 and sizes[-1] in CHANNELS and None not in sizes[1:]


def _only(what: str, names: list[str]) -> str:
    if len(names) != 1:
        received = ", ".join(names) or "none"
        raise ValueError(
            f"kind: expected 'call', because text or image files can only take the place of one "
            f"input; expected one of {what}, received {received}."
        )
    return names[0]


def _in_place_of(name: str, new: str, given: Iterable[Any], batches: list[Batch]) -> list[Batch]:
    """Batches with another first input, of as many examples as there are others."""
    if all(set(batch) == {name} for batch in batches):
        return [{new: array} for array in given]
    found = []
    for array, batch in zip(given, batches):
        others = {n: one for n, one in batch.items() if n != name}
        size = min([len(array), *map(len, others.values())])
        found.append({new: array[:size], **{n: one[:size] for n, one in others.items()}})
    return found
