"""What a diagnosis found, as values, text and a page."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from keras_attention._core.files import write_text
from keras_attention._core.printable import printable

_STYLE = (
    "table.findings{border-collapse:collapse;font-family:sans-serif;font-size:14px}"
    "table.findings td,table.findings th{border:1px solid #bbb;padding:6px 10px;"
    "text-align:left;vertical-align:top}"
)


@dataclass(frozen=True)
class Finding:
    """One fault of a model or of its data.

    Attributes:
        what: the fault.
        where: the path of the layer, or the name of the input.
        evidence: the number that shows it.
        measured: what that number is.
        advice: what to do.

    Example:

    >>> from keras_attention.explain import Finding
    >>> print(Finding("weight on padding", "attention", 0.25, "the share", "Pass value_mask."))
    weight on padding (attention)
        the share: 0.25
        Pass value_mask.
    """

    what: str
    where: str
    evidence: float
    measured: str
    advice: str

    def __str__(self) -> str:
        lines = (
            f"{self.what} ({self.where})",
            f"    {self.measured}: {self.evidence:.4g}",
            f"    {self.advice}",
        )
        return "\n".join(map(printable, lines))


@dataclass(frozen=True)
class Diagnosis:
    """All that `diagnose` found, most fundamental first; it prints, and shows in notebooks.

    Attributes:
        model: the name of the model.
        findings: a tuple of `Finding`.
        checked: what was looked at.

    Example:

    >>> from keras_attention.explain import Diagnosis
    >>> print(Diagnosis("translator", (), ("masks", "weights")))
    translator: nothing found. Checked: masks, weights.
    """

    model: str
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]

    def __str__(self) -> str:
        checked = f"Checked: {', '.join(self.checked)}."
        if not self.findings:
            return printable(f"{self.model}: nothing found. {checked}")
        count = f"{len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}"
        first = printable(f"{self.model}: {count}. {checked}")
        return "\n".join([first, *map(str, self.findings)])

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str = "td") -> str:
            inside = "".join(f"<{tag}>{html.escape(printable(c))}</{tag}>" for c in cells)
            return f"<tr>{inside}</tr>"

        title = f"<p>{html.escape(str(self).splitlines()[0])}</p>"
        if not self.findings:
            return title
        rows = [row(("finding", "where", "evidence", "what to do"), "th")]
        for one in self.findings:
            evidence = f"{one.measured}: {one.evidence:.4g}"
            rows.append(row((one.what, one.where, evidence, one.advice)))
        return f'{title}<style>{_STYLE}</style><table class="findings">{"".join(rows)}</table>'

    def write(self, path: str | Path) -> None:
        """Writes the findings as an HTML page, whole or not at all.

        Args:
            path: a file that does not exist yet.

        Raises:
            FileExistsError: where the file is there already.
        """
        path = Path(path)
        if path.exists():
            raise FileExistsError(f"path: expected a new file, received {path}, which exists.")
        title = html.escape(printable(self.model))
        write_text(
            path,
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f"<body>{self._repr_html_()}</body></html>\n",
        )
