"""The README.md of a preset: what the model is, how good, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_HEAD = """---
library_name: keras
tags:
- keras
- keras-attention
---

# {name}

{description}
"""

_USE = """## Use

```python
from keras_attention.models import {kind}

model = {kind}.from_preset("{name}")  # or the path of this folder
```

`model.keras` is an ordinary Keras file; after `import keras_attention`, `keras.saving.load_model`
reads it too.
"""


def model_card(name: str, record: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    """The text of the card, in Markdown.

    Args:
        name: of the preset.
        record: the content of its `preset.json`.
        sizes: the sizes of the vocabularies by side, as far as there are any.
    """
    kind = record["model_class"].rpartition(">")[2]
    facts = {
        "class": f"`{kind}`",
        "parameters": f"{record['parameters']:,}",
        "weights stored in": record["dtype"],
        **{f"{side} vocabulary": f"{size:,} ids" for side, size in sizes.items()},
        "search": _search_of(record["search"]),
        "written by": f"keras_attention {record['library_version']}, Keras "
        f"{record['keras_version']}",
    }
    parts = [_HEAD.format(name=name, description=record["description"] or f"A trained `{kind}`.")]
    if record["figures"]:
        parts.append("## Figures\n\n" + _table("figure", "value", record["figures"]))
    parts.append("## Model\n\n" + _table("", "", facts))
    parts.append(_USE.format(kind=kind, name=name))
    files = {f"`{file}`": f"{one['bytes']:,} bytes" for file, one in record["files"].items()}
    parts.append("## Files\n\n" + _table("file", "size", files))
    return "\n".join(parts)


def _search_of(search: Mapping[str, Any] | None) -> str:
    if search is None:
        return "`Greedy()`"
    settings = ", ".join(
        f"{key}={json.dumps(value)}" for key, value in search["config"].items() if value
    )
    return f"`{search['class_name']}({settings})`"


def _table(left: str, right: str, rows: Mapping[str, Any]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items()]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
