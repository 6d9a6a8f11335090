"""The part of the explorer that a browser draws: its traits, script and style."""

from __future__ import annotations

import re
from importlib import resources

from keras_attention._core.optional import require

require("anywidget", "widgets")

import anywidget  # noqa: E402
import traitlets  # noqa: E402

# The page of the format "web" draws the same parts. A widget is one script, so they are joined.
_SHARED = ("format.js", "tokens.js", "menu.js", "map.js", "table.js", "alignment.js")
_OWN = ("parts.js", "inputs.js", "tree.js", "explorer.js")
_IMPORT = re.compile(r'^import [^;]*? from "[^"]*";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def script() -> str:
    """The modules of the widget as one, those that are imported first."""
    package = resources.files("keras_attention")
    files = [package / "export" / "web" / "static" / "app" / name for name in _SHARED]
    files += [package / "widgets" / "static" / name for name in _OWN]
    texts = [file.read_text("utf-8") for file in files]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def style() -> str:
    """The style sheet of the widget."""
    return (resources.files("keras_attention") / "widgets/static/explorer.css").read_text("utf-8")


class ExplorerView(anywidget.AnyWidget):
    """What the kernel and the browser share.

    The browser sets `text` or `picked`, and `forced`; the kernel sets the others.
    """

    _esm = script()
    _css = style()

    text = traitlets.Unicode().tag(sync=True)
    picked = traitlets.Int(0).tag(sync=True)
    forced = traitlets.List(traitlets.Int()).tag(sync=True)
    images = traitlets.List(traitlets.Bytes()).tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
