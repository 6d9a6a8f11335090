"""GeneratingModel: what every model that writes tokens can do, whatever is inside it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import keras
from keras import ops

from keras_attention._core.backend.graphs import is_concrete
from keras_attention._core.backend.replicas import averaged_over_replicas
from keras_attention._core.quantized import quantization_of, quantize_as
from keras_attention._core.types import Config, Structure, Tensor
from keras_attention.generation import (
    Generation,
    Greedy,
    Search,
    deserialize_search,
    generate,
    serialize_search,
)
from keras_attention.generation.unknown import Replacement
from keras_attention.models.presets import load_preset_of, save_preset
from keras_attention.text.special_ids import SpecialIds

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from typing_extensions import Self

# Formats that are written with the decoding loop, as several functions.
_NAMED_SIGNATURES = ("tf_saved_model", "onnx", "litert")


class GeneratingModel(keras.Model):
    """Base of the models that write tokens: `generate`, and a search that is saved with them.

    A subclass is a `keras_attention.generation.Decoder`, and has the
    vocabularies that `keras_attention.generation.generate` reads.
    """

    _search: Search | None = None
    _start_checked = False
    _special_ids: SpecialIds = SpecialIds()

    @property
    def special_ids(self) -> SpecialIds:
        """The ids of padding, start, end and unknown tokens of the target."""
        return self._special_ids

    @property
    def search(self) -> Search:
        """The search of `generate`: that of `compile(search=...)`, else `Greedy()`."""
        return Greedy() if self._search is None else self._search

    @overload
    def generate(
        self,
        inputs: Structure,
        search: Search | None = ...,
        n_best: None = None,
        batch_size: int | None = None,
        replace_unknown: Replacement = False,
        prefix: Structure = None,
        must_include: Structure = None,
        verbose: bool | Literal["auto"] = "auto",
    ) -> list[Generation]: ...

    @overload
    def generate(
        self,
        inputs: Structure,
        search: Search | None = ...,
        n_best: int | None = None,
        batch_size: int | None = None,
        replace_unknown: Replacement = False,
        prefix: Structure = None,
        must_include: Structure = None,
        verbose: bool | Literal["auto"] = "auto",
    ) -> list[Generation] | list[list[Generation]]: ...

    def generate(
        self,
        inputs: Structure,
        search: Search | None = None,
        n_best: int | None = None,
        batch_size: int | None = None,
        replace_unknown: Replacement = False,
        prefix: Structure = None,
        must_include: Structure = None,
        verbose: bool | Literal["auto"] = "auto",
    ) -> list[Generation] | list[list[Generation]]:
        """Texts for `inputs`, see `keras_attention.generation.generate`.

        Args:
            inputs: texts, ids or images, or a dictionary of them by source.
            search: by default the one of `compile(search=...)`, else `Greedy()`.
            n_best, batch_size, replace_unknown, prefix, must_include, verbose:
                see the function.

        Returns:
            A list of `Generation`, or with `n_best` a list of lists.
        """
        search = self.search if search is None else search
        return generate(
            self,
            inputs,
            search,
            n_best,
            batch_size,
            replace_unknown,
            prefix,
            must_include,
            verbose,
        )

    def compile(self, *args: Structure, search: Search | None = None, **kwargs: Structure) -> None:
        """As `keras.Model.compile`, and remembers the search of `generate`.

        With `search` alone, the optimizer, loss and metrics stay as they are.

        Args:
            *args, **kwargs: of `keras.Model.compile`.
            search: the search of `generate` where its call names none. It is
                saved with the model, if it can be serialized.

        Raises:
            ValueError: where `search` is not a search.
        """
        if search is not None:
            if not isinstance(search, Search) or isinstance(search, type):
                raise ValueError(
                    "search: expected Greedy(), Sample(), BeamSearch() or another search, "
                    f"received {search!r}."
                )
            self._search = search
            if not args and not kwargs:
                return
        super().compile(*args, **kwargs)

    def compile_from_config(self, config: Config) -> None:
        """As of `keras.Model`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            # Its variables, so that their values can be loaded.
            self.optimizer.build(self.trainable_variables)

    def get_config(self) -> Config:
        """As of `keras.Model`, with the search of `compile` and what is quantized."""
        config = super().get_config()
        quantized = quantization_of(self)
        if quantized:
            config["quantized"] = quantized
        if self._search is None:
            return config
        try:
            return {**config, "search": serialize_search(self._search)}
        except ValueError as error:
            warnings.warn(f"{error} It is not saved with the model.", stacklevel=2)
            return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, type] | None = None) -> Self:
        """The model of a `get_config()`."""
        config = dict(config)
        search, quantized = config.pop("search", None), config.pop("quantized", [])
        model = cls._from_arguments(config, custom_objects)
        quantize_as(model, quantized)
        if search is not None:
            model.compile(search=deserialize_search(search))
        return model

    @classmethod
    def _from_arguments(cls, config: Config, custom_objects: Mapping[str, type] | None) -> Self:
        """The model of a `get_config()` without its search."""
        return cls(**config)

    def export(
        self,
        filepath: str | Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Structure = None,
        search: Search | None = None,
        **kwargs: Structure,
    ) -> None:
        """As `keras.Model.export`, with the decoding loop and named signatures.

        `"tf_saved_model"` writes the signatures `encode`, `step`, `greedy`,
        `beam`, `serving_default` (the best of the beam), `score`,
        `greedy_prefix` and `beam_prefix`, and the function `serve`; `"onnx"`
        the graph of `serving_default`; `"litert"` one file with the first
        five, of one example. What is written is not verified;
        `keras_attention.export.export_model` verifies it.

        With an `input_signature`, of another format, and on another backend
        than TensorFlow, Keras exports the call of the model.

        Args:
            filepath: a folder, for ONNX and LiteRT a file.
            format: as of `keras.Model.export`.
            verbose, input_signature, **kwargs: of `keras.Model.export`.
            search: the settings of decoding, a `BeamSearch` or any other search
                but `Sample`; by default the one of `compile(search=...)`, or
                `BeamSearch()`.
        """
        ours = keras.backend.backend() == "tensorflow" and format in _NAMED_SIGNATURES
        if not ours or input_signature is not None:
            super().export(filepath, format, verbose, input_signature, **kwargs)
            return
        if kwargs:
            raise ValueError(
                "input_signature: expected one beside options of the converter, received None "
                f"beside {', '.join(kwargs)}."
            )
        from keras_attention.export.keras_formats import export_as_keras

        export_as_keras(self, filepath, format, search)

    def fit(
        self, x: Structure = None, *args: Structure, **kwargs: Structure
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`; warns where a target lacks the start token."""
        self._check_start(x)
        return super().fit(x, *args, **kwargs)

    def train_on_batch(self, x: Structure, *args: Structure, **kwargs: Structure) -> Structure:
        """As `keras.Model.train_on_batch`; warns where a target lacks the start token."""
        self._check_start(x)
        return super().train_on_batch(x, *args, **kwargs)

    def save_to_preset(
        self,
        folder: str | os.PathLike[str],
        figures: Mapping[str, float | str] | None = None,
        description: str = "",
        dtype: str = "float32",
        overwrite: bool = False,
    ) -> None:
        """Writes the model as a folder that `from_preset` loads.

        It holds `model.keras` (weights, vocabularies, the search of `compile`,
        no optimizer), `preset.json` with versions and checksums, a
        `tokenizer.json` of each vocabulary that can be one, for programs
        without this library, and a model card, `README.md`. It is written whole or not at all.

        Args:
            folder: a new folder; its last part is the name of the preset.
            figures: for the card, such as `{"test_wer": 35.2}`.
            description: a paragraph for the card.
            dtype: of the stored weights, `"float32"` or `"float16"`: half the
                size. The loaded model computes as this one does.
            overwrite: whether a preset of that name is replaced.

        Raises:
            FileExistsError: where the folder exists, and is not a preset that
                is to be replaced.
            ValueError: for figures that are not finite numbers or texts,
                another `dtype`, and a class that is not registered with Keras.
        """
        search = None if self._search is None else serialize_search(self._search)
        save_preset(self, folder, figures, description, dtype, overwrite, search)

    @classmethod
    def from_preset(cls, handle: str | os.PathLike[str]) -> Self:
        """The model of a preset, which has to be of this class.

        Args:
            handle: see `keras_attention.models.load_preset`.
        """
        return load_preset_of(cls, handle)

    def _target_of(self, inputs: Any) -> Tensor | None:
        """The target ids among the inputs of a call, or None where they are not found."""
        return inputs.get("target") if isinstance(inputs, dict) else None

    def _check_start(self, inputs: Any) -> None:
        """Warns, once, where targets of training do not begin with the start token.

        Targets that are not known yet (symbolic ones, those of a dataset) are not checked.
        """
        target = self._target_of(inputs)
        if self._start_checked or target is None or not is_concrete(target):
            return
        if averaged_over_replicas():
            return
        self._start_checked = True
        first, special = ops.convert_to_numpy(target)[:, 0], self.special_ids
        wrong = first[(first != special.start) & (first != special.pad)]
        if wrong.size:
            warnings.warn(
                f"target: expected ids that begin with the start token, {special.start}, "
                f"received {wrong[0]} at the first position. Decoding begins with the start "
                "token, which the model does not see in this training.",
                stacklevel=3,
            )
