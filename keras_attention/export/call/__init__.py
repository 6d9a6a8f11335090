"""Export of models that do not decode: their call, with named inputs and outputs."""

from __future__ import annotations

__all__: list[str] = []
