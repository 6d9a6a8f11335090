"""Names of sections in our docstrings that the pages know by other names."""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTIONS = {"Example": "Examples"}


class Sections(griffe.Extension):
    """Renames sections before a docstring is taken apart."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            for ours, known in SECTIONS.items():
                obj.docstring.value = re.sub(
                    f"^{ours}:$", f"{known}:", obj.docstring.value, flags=re.MULTILINE
                )
