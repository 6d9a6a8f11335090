"""Makes this directory a package named "replay", because keras_attention cannot be imported."""

from __future__ import annotations

import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main(folder: str, tolerance: str, *answers: str) -> None:
    """Prints the report of an artifact as one line of JSON, see `reporting.main`."""
    # Python put this directory first, where onnx.py would be taken for the package onnx.
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
    spec = importlib.util.spec_from_file_location(
        "replay", os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    assert spec is not None and spec.loader is not None
    package = sys.modules["replay"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    importlib.import_module("replay.reporting").main(folder, float(tolerance), *answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
