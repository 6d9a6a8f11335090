"""What is done to an ONNX graph after its conversion: sizes, an empty batch, names, metadata."""

from __future__ import annotations

__all__: list[str] = []
