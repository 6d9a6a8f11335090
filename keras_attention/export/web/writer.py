"""The web format: the graphs of ONNX, and a page that runs them in the browser."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attention.export.interface import WrapsModel, interface_of
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.web.runtime import Runtime
from keras_attention.export.writer import Job
from keras_attention.text import Subwords, Vocabulary
from keras_attention.text.bounds import LOOKAHEAD, characters_read, longest_of
from keras_attention.text.patterns import SPACES, WORDS

if TYPE_CHECKING:
    import onnx

_PAGE = Path(__file__).with_name("static")


class WebWriter(OnnxWriter):
    """The folder that `export_model(..., format="web")` writes, for any server of static files.

    | file                  | what it is                                             |
    | --------------------- | ------------------------------------------------------ |
    | `index.html`, `app/`  | the page: HTML, a style sheet, a script of ES modules  |
    | `runtime/`            | onnxruntime-web, see `Runtime`                         |
    | `encoder.onnx`        | as of `OnnxWriter`                                     |
    | `step.onnx`           | as of `OnnxWriter`                                     |
    | `beam.onnx`           | the signature `beam_prefix`: the beam search from any  |
    |                       | beginning; a prefix of padding alone is none           |
    | `vocabulary.json`     | as of `OnnxWriter`                                     |
    | `patterns.json`       | how a text is split, and how much of it is read        |
    | `manifest.json`       | every file with its size and SHA-256                   |

    The page fetches nothing from any other place, checks every file that it
    loads against the manifest, and works where the network ends at its server.
    Browsers open it over `http`, not as a file.

    Args:
        runtime: where onnxruntime-web's files come from.

    Example:

    >>> from keras_attention.export.web import Runtime, WebWriter
    >>> WebWriter(Runtime("node_modules/onnxruntime-web")).graphs["beam"]
    'beam_prefix'
    """

    graphs: dict[str, str] | None = {"encoder": "encode", "step": "step", "beam": "beam_prefix"}
    kinds: tuple[str, ...] = ("ids",)

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = Runtime() if runtime is None else runtime

    def check_model(self, model: object) -> None:
        """Refuses what the page cannot read or write, then fetches onnxruntime-web's files.

        Raises:
            ValueError: for a model that reads or writes without a `Vocabulary`
                or `Subwords`, or has several sources.
        """
        if isinstance(model, WrapsModel) and len(model.sources) != 1:
            raise ValueError(
                f"model: expected one source for format 'web', received {', '.join(model.sources)}."
            )
        interface = interface_of(model)
        sides = {"target_vocabulary": interface.writes}
        if interface.image_size is None:
            sides["source_vocabulary"] = interface.reads
        for side, vocabulary in sides.items():
            # A subclass may split in any way.
            if type(vocabulary) not in (Vocabulary, Subwords):
                raise ValueError(
                    f"{side}: expected a keras_attention.text.Vocabulary or Subwords for format "
                    f"'web', received {type(vocabulary).__name__}."
                )
        self._runtime.files()

    def write(self, converted: dict[str, onnx.ModelProto], job: Job, folder: Path) -> None:
        """Writes the graphs, the vocabularies, the page and its runtime."""
        super().write(converted, job, folder)
        patterns = {
            "spaces": SPACES,
            "words": WORDS,
            "lookahead": LOOKAHEAD,
            "characters": characters_read(longest_of(interface_of(job.model).reads)),
        }
        (folder / "patterns.json").write_text(json.dumps(patterns) + "\n", "utf-8")
        shutil.copytree(_PAGE, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        page = folder / "index.html"
        title = html.escape(job.name)
        page.write_text(page.read_text("utf-8").replace("{{ title }}", title), "utf-8")
        (folder / "runtime").mkdir()
        for name, contents in self._runtime.files().items():
            (folder / "runtime" / name).write_bytes(contents)
