"""Examples in our docstrings, as the pages need them."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Makes code blocks of examples; without a fence, `>>>` is a quotation in Markdown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_fences(obj.docstring.value)


def with_fences(text: str) -> str:
    """A docstring with a fence around every paragraph that begins with `>>>`."""
    text = re.sub(r"^Example:\n+", "**Example**\n\n", text, flags=re.MULTILINE)
    return "\n\n".join(
        f"```pycon\n{part}\n```" if part.startswith(">>> ") else part for part in text.split("\n\n")
    )
