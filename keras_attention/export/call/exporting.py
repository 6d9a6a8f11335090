"""One signature for a model that does not decode: its call."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_attention._core.types import Tensor
from keras_attention.export.call.batches import checked_batch, listed, singles, sizes_of
from keras_attention.export.call.fronts import FilesFront, Front, TextFront
from keras_attention.export.call.graph import functional_of
from keras_attention.export.call.inputs import Batch, call_inputs
from keras_attention.export.call.outputs import named_outputs, with_weights
from keras_attention.export.call.random_batches import inputs_of_ids, random_batches
from keras_attention.export.errors import ExportError
from keras_attention.export.golden import GoldenExample, ask
from keras_attention.export.interface import ReadsIds, longest_of
from keras_attention.export.signatures import SERVED, Signature
from keras_attention.text import VocabularyLike, as_vocabulary

# Largest difference between the outputs of a model and the same with its weights beside them.
_SAME = 1e-5


class CallExport:
    """What is exported of a model that does not decode.

    Args:
        model: any Keras model that is not a decoder.
        kind: `"call"`, or with something in front of it `"text"` or `"image"`.
        batch: number of examples in a batch, None for any.
        examples: batches to verify with, see `export_model`.
        source_vocabulary: for text; by default the model's own.

    Attributes:
        signatures: `serving_default`.
        resources: what a SavedModel must keep besides the variables.
        count: the number of batches to record.
        vocabulary: what turns text into ids, where there is one.
        longest: how many tokens are read of a text, None if it has no limit.

    Raises:
        ValueError: for inputs that are not known, a kind that does not fit them,
            and examples of other names or shapes.
    """

    def __init__(
        self,
        model: keras.Model,
        kind: str,
        batch: int | None = None,
        examples: Iterable[object] | None = None,
        source_vocabulary: object = None,
    ) -> None:
        given = None if examples is None else listed(examples)
        of_call = given if kind == "call" else None
        specs, self._call = call_inputs(model, of_call)
        self._model, self._names = model, list(specs)
        self.vocabulary: VocabularyLike | None = None
        if source_vocabulary is not None:
            self.vocabulary = as_vocabulary(
                source_vocabulary, name="source_vocabulary", writes=False
            )
        elif isinstance(model, ReadsIds):
            own = model.source_vocabulary
            self.vocabulary = own if isinstance(own, VocabularyLike) else None
        self.longest = longest_of(self.vocabulary)
        random = random_batches(model, specs)
        self._front = self._in_front(kind, specs)
        self._random = given is None
        batches = self._front.batches(random) if given is None else given
        self._batches = [checked_batch(one, self._front.specs) for one in batches]
        if batch is not None:
            self._batches = [one for many in self._batches for one in singles(many, batch)]
            if given is None:
                self._batches = self._batches[:6]
        self.count = len(self._batches)
        self._attends = self._has_weights(random)
        inputs = {
            name: tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, name)
            for name, spec in self._front.specs.items()
        }
        self.signatures = {SERVED: Signature(self._answer, inputs, model)}
        self.resources = [*self._front.resources, *_tables(model)]

    def trace(self) -> None:
        """Nothing: the signature is made by the constructor."""

    def graphs(self, files: dict[str, str] | None) -> dict[str, str]:
        """The name in the artifact and its signature, of a format with a file for each `model`."""
        return {SERVED if files is None else "model": SERVED}

    def record(
        self, names: Iterable[str], progress: Callable[[str], None]
    ) -> dict[str, list[GoldenExample]]:
        """The answers of the live model.

        Raises:
            ExportError: if it answers with not-a-number, or an output has no batch.
        """
        signature = self.signatures[SERVED]
        examples: list[GoldenExample] = []
        failed: Exception | None = None
        for number, inputs in enumerate(self._batches, 1):
            progress(f"recording answers of the model, batch {number} of {self.count}")
            try:
                with _of_one_position():
                    examples.append(
                        ask(signature, SERVED, inputs, sizes_of(self._front.specs, inputs))
                    )
            except (ValueError, tf.errors.OpError) as error:
                # Of random inputs, some may be shorter than the model takes.
                if not self._random:
                    raise
                failed = error
            else:
                self._front.check(inputs, examples[-1].outputs)
        if not examples:
            raise ValueError(
                "examples: expected batches of inputs, because the model refuses random ones: "
                f"{' '.join(str(failed).split())[:300]}; received None."
            ) from failed
        for name, array in examples[-1].outputs.items():
            if array.ndim == 0:
                raise ExportError(
                    f"model: expected outputs with the batch as their first dimension, received "
                    f"the scalar {name!r}."
                )
        return dict.fromkeys(names, examples)

    def _answer(self, **given: Tensor) -> dict[str, Tensor]:
        inputs, extras = self._front.read(given)
        if self._attends:
            return {**with_weights(self._model, [inputs[n] for n in self._names]), **extras}
        return {**named_outputs(self._model, self._call(inputs)), **extras}

    def _has_weights(self, batches: list[Batch]) -> bool:
        """Whether the weights of attention layers can be had beside the same outputs."""
        functional = functional_of(self._model)
        if functional is None:
            return False
        for batch in reversed(batches):
            tensors = {name: tf.constant(batch[name]) for name in self._names}
            try:
                with _of_one_position():
                    expected = named_outputs(self._model, self._call(tensors))
                    found = with_weights(self._model, [tensors[name] for name in self._names])
            except (ValueError, TypeError, tf.errors.OpError):
                continue
            return len(found) > len(expected) and all(
                np.allclose(expected[name], found[name], atol=_SAME, equal_nan=True)
                for name in expected
                if tf.as_dtype(expected[name].dtype) != tf.string
            )
        return False

    def _in_front(self, kind: str, specs: dict[str, tf.TensorSpec]) -> Front:
        if kind == "image":
            return FilesFront(specs)
        if kind == "call":
            return Front(specs)
        if self.vocabulary is None:
            raise ValueError(
                "source_vocabulary: expected a Vocabulary, to turn text into ids, as an argument "
                f"or as model.source_vocabulary, received {self.vocabulary!r}."
            )
        matrices = [name for name, spec in specs.items() if spec.shape.rank == 2]
        embedded = inputs_of_ids(self._model, specs)
        ids = [n for n in matrices if n in embedded]
        ids = ids or [n for n in matrices if tf.as_dtype(specs[n].dtype).is_integer]
        return TextFront(specs, ids, self.vocabulary)


@contextlib.contextmanager
def _of_one_position() -> Iterator[None]:
    """Keras warns of a softmax over a single position, which the shortest example has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*softmax over axis")
        yield


def _tables(model: keras.Model) -> list[Any]:
    """The lookup tables inside a model, which are no variables."""
    lookups = (keras.layers.StringLookup, keras.layers.IntegerLookup)
    layers = [one for one in model._flatten_layers() if isinstance(one, lookups)]
    return [layer.lookup_table for layer in layers]
