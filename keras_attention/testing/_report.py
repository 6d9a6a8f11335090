"""Runs properties and reports all that do not hold at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from keras_attention._core.printable import one_line


class Violation(NamedTuple):
    """A property that does not hold.

    Attributes:
        property: its name, such as "masked equals sliced".
        evidence: what was found in place of what was expected.
        advice: what usually breaks it.

    Example:

    >>> from keras_attention.testing import Violation
    >>> Violation("config round trip", "KeyError: 'units'", "...").property
    'config round trip'
    """

    property: str
    evidence: str
    advice: str


class ConformanceError(AssertionError):
    """What a check raises: all properties that do not hold.

    Attributes:
        violations: a tuple of `Violation`.
    """

    def __init__(self, name: str, violations: Iterable[Violation], tried: int) -> None:
        self.violations = tuple(violations)
        lines = [f"{name}: {len(self.violations)} of {tried} properties do not hold."]
        for found in self.violations:
            lines += [f"- {found.property}: {found.evidence}", f"  {found.advice}"]
        super().__init__("\n".join(lines))


class Property(NamedTuple):
    """A function that fails where a property does not hold, and its name."""

    name: str
    advice: str
    holds: Callable[[], None]


def as_property(function: Callable[..., None], *args: object) -> Property:
    """A property of a documented function and its arguments, named as the function is."""
    label = "".join(f" ({arg})" for arg in args[1:] if isinstance(arg, str))
    advice = " ".join((function.__doc__ or "").split())
    return Property(
        function.__name__.replace("_", " ").strip() + label, advice, lambda: function(*args)
    )


def run(name: str, stages: Iterable[Iterable[Property]]) -> None:
    """Tries properties in stages; the next stage only if all of one hold.

    Args:
        name: what is tested.
        stages: properties, those first without which others mean nothing.

    Raises:
        ConformanceError: where one does not hold, whatever it raises.
    """
    tried = 0
    for stage in stages:
        violations = []
        for one in stage:
            tried += 1
            try:
                one.holds()
            except AssertionError as error:
                violations.append(Violation(one.name, one_line(str(error)), one.advice))
            except Exception as error:
                evidence = one_line(f"{type(error).__name__}: {error}")
                violations.append(Violation(one.name, evidence, one.advice))
        if violations:
            raise ConformanceError(name, violations, tried)
