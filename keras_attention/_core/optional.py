"""Optional packages, imported when first needed, with an error that names the extra."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Imports `module`, or says which extra installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This needs the package {module.partition('.')[0]!r}, which is not installed. "
            f"Install it in a clone of the repository with: pip install '.[{extra}]'"
        ) from error
