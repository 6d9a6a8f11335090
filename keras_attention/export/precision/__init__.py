"""Artifacts whose weights take fewer bits: float16 and int8."""

from __future__ import annotations

__all__: list[str] = []
