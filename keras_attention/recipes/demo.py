"""What `make demo` shows: pronunciations and alignments of held-out words, and the exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from keras_attention._core.types import Config
from keras_attention.generation import BeamSearch, Greedy, generate
from keras_attention.recipes.g2p import Pronunciation, Splits
from keras_attention.recipes.recipe import Artifact
from keras_attention.recipes.training_run import Trained

# The longest word of the dictionary has 28 phonemes.
MAX_LENGTH = 48


@dataclass(frozen=True)
class Demo(Pronunciation):
    """Trains a pronunciation model, shows what it says and attends to, and exports it.

    Example:

    >>> from keras_attention.recipes.demo import Demo
    >>> list(Demo.artifacts)
    ['saved_model', 'saved_model_text', 'onnx']
    """

    search: ClassVar[BeamSearch] = BeamSearch(max_length=MAX_LENGTH)
    artifacts: ClassVar[Mapping[str, Artifact]] = {
        "saved_model": Artifact("saved_model_ids", kind="ids"),
        "saved_model_text": Artifact("saved_model_text", kind="text"),
        "onnx": Artifact("onnx", "onnx"),
    }

    def draw(
        self, trained: Mapping[str, Trained], data: Splits, results: Any, folder: Path
    ) -> None:
        """Prints held-out words with their pronunciations and draws three alignments."""
        from keras_attention.plots import plot_attention

        # Spread over the alphabet, and long enough for the alignment to be interesting.
        words = [e for e in data["test"] if 8 <= len(e.word) <= 12 and e.word.isalpha()]
        shown = words[:: max(1, len(words) // 12)][:12]
        print(f"\n{'held-out word':<16}{'the model says':<34}the dictionary says")
        model = trained["model"].model
        decoded = generate(model, [entry.word for entry in shown], Greedy(max_length=MAX_LENGTH))
        for entry, found in zip(shown, decoded):
            right = tuple(found.tokens) in entry.pronunciations
            said = " or ".join(" ".join(one) for one in entry.pronunciations)
            print(f"{entry.word:<16}{found.text:<34}{said}{'' if right else '   <-- differs'}")
        for number, found in enumerate(decoded[:9:4], 1):
            source = found.source_tokens or []
            figure = plot_attention(found.attention, source, found.tokens, title="".join(source))
            figure.savefig(folder / f"alignment-{number}.png", dpi=150)

    def summary(self, report: Config, folder: Path) -> str:
        """What a reader should take away."""
        lines = [
            f"\nOn {report['test_words']:,} words it has never seen, the model gets "
            f"{100 - report['test_wer']:.1f} % right (word errors {report['test_wer']:.1f} %, "
            f"phoneme errors {report['test_per']:.1f} %), after {report['train_seconds']:.0f} s "
            "of training."
        ]
        if "onnx" in report:
            lines.append(
                "The SavedModels differ from it by "
                f"{report['saved_model']['max_abs_difference']:.1e} at most, the ONNX graphs by "
                f"{report['onnx']['max_abs_difference']:.1e}, and every id is equal."
            )
        lines.append(f"All of it took {report['total_seconds']:.0f} s. See:")
        names = ["report.json", "alignment-*.png", "model.keras"]
        if "onnx" in report:
            names += ["saved_model_ids/", "saved_model_text/", "onnx/"]
        return "\n".join([*lines, *(f"  {folder / name}" for name in names)])
