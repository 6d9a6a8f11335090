"""Prevents the import of packages, to show that an artifact does not need them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
from collections.abc import Sequence
from types import ModuleType

MODEL_PACKAGES = ("keras", "keras_attention", "tf_keras")


class Blocker(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the forbidden packages but refuses to load them."""

    def __init__(self, forbidden: Sequence[str]) -> None:
        self.forbidden = forbidden

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        # TensorFlow looks for Keras while it is imported, and must find it.
        if name.partition(".")[0] in self.forbidden:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        raise ModuleNotFoundError(f"{spec.name} may not be imported here", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
