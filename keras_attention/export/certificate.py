"""The quality of an artifact: measured on the artifact itself, and kept in its manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keras_attention._core.checks import check_finite
from keras_attention.export.artifact import Artifact
from keras_attention.export.errors import ExportError
from keras_attention.export.manifest import read_manifest, write_manifest


class Certificate:
    """A measure of quality with a bound.

    Args:
        check: gets the loaded artifact and returns a number, larger is better.
        at_least: the bound; None for no bound.

    Raises:
        ValueError: for what cannot be called, and a bound that is no finite number.

    Example:

    >>> from keras_attention.export.certificate import Certificate
    >>> Certificate(lambda artifact: 0.5, at_least=0.4).at_least
    0.4
    """

    def __init__(self, check: Callable[[Artifact], float], at_least: float | None) -> None:
        if not callable(check):
            raise ValueError(f"check: expected a function of the artifact, received {check!r}.")
        self.check = check
        self.at_least = None if at_least is None else check_finite("at_least", at_least)

    def measure(self, folder: str | Path, target: str | Path) -> float:
        """Measures an artifact, and writes the number into its manifest.

        Args:
            folder: the artifact.
            target: where it will be, for errors.

        Returns:
            The number.

        Raises:
            ValueError: if `check` returned no finite number.
            ExportError: if it is below the bound.
        """
        measured = check_finite("check", self.check(Artifact(folder)))
        if self.at_least is not None and measured < self.at_least:
            raise ExportError(
                f"{target} is not good enough: check: expected at least {self.at_least:g}, "
                f"received {measured:g}."
            )
        quality = {"measured": measured, "at_least": self.at_least}
        write_manifest(folder, {**(read_manifest(folder) or {}), "quality": quality})
        return measured


def certificate_of(
    check: Callable[[Artifact], float] | None, at_least: float | None
) -> Certificate | None:
    """The certificate that `export_model` is asked for; None without `check`.

    Raises:
        ValueError: for a bound without `check`, and see `Certificate`.
    """
    if check is not None:
        return Certificate(check, at_least)
    if at_least is not None:
        raise ValueError(f"at_least: expected None without check, received {at_least!r}.")
    return None
