"""Captions of scenes: names and relations in many languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keras_attention.datasets.openmoji import emoji_name

LEFT, ABOVE, BELOW = "left", "above", "below"


class Grammar(NamedTuple):
    """How a language expresses that one object is beside another.

    `left`, `above` and `below` are the words before and after the name of the
    other object; `topic` follows the first name. Only English has articles.
    """

    left: tuple[str, str]
    above: tuple[str, str]
    below: tuple[str, str]
    comma: str = ","
    topic: str = ""


# Forms that do not inflect the name: Russian says "more to the left than", with the nominative;
# Korean and Turkish name the side after the object.
GRAMMARS = {
    "ar": Grammar(("يسار", ""), ("فوق", ""), ("تحت", ""), "،"),
    "de": Grammar(("links von", ""), ("über", ""), ("unter", "")),
    "en": Grammar(("to the left of", ""), ("above", ""), ("below", "")),
    "es": Grammar(("a la izquierda de", ""), ("encima de", ""), ("debajo de", "")),
    "fa": Grammar(("سمت چپ", ""), ("بالای", ""), ("زیر", ""), "،"),
    "fr": Grammar(("à gauche de", ""), ("au-dessus de", ""), ("au-dessous de", "")),
    "id": Grammar(("di kiri", ""), ("di atas", ""), ("di bawah", "")),
    "it": Grammar(("a sinistra di", ""), ("sopra", ""), ("sotto", "")),
    "ja": Grammar(("", "の 左"), ("", "の 上"), ("", "の 下"), "、", "は"),
    "ko": Grammar(("", "왼쪽"), ("", "위"), ("", "아래")),
    "pt": Grammar(("à esquerda de", ""), ("acima de", ""), ("abaixo de", "")),
    "ru": Grammar(("левее чем", ""), ("выше чем", ""), ("ниже чем", "")),
    "tr": Grammar(("", "solunda"), ("", "üstünde"), ("", "altında")),  # noqa: RUF001
    "zh": Grammar(("在", "左边"), ("在", "上面"), ("在", "下面"), "，"),  # noqa: RUF001
}


def indefinite_article(name: str) -> str:
    """The English article "a" or "an" of a kind, by the first sound of its name.

    Example:

    >>> from keras_attention.datasets.scene_words import indefinite_article
    >>> [indefinite_article(name) for name in ("apple", "unicorn", "crab")]
    ['an', 'a', 'a']
    """
    return "an" if name[0].lower() in "aeiou" and not name.startswith("uni") else "a"


class SceneWords:
    """The words of scenes in one language, and the caption of a scene.

    Args:
        kinds: a dictionary from English names to characters.
        language: a key of `GRAMMARS`.
    """

    def __init__(self, kinds: Mapping[str, str], language: str = "en") -> None:
        grammar = GRAMMARS[language]
        english = language == "en"
        self.names = tuple(
            name if english else emoji_name(character, language)
            for name, character in kinds.items()
        )
        self._articles = [[indefinite_article(name)] if english else [] for name in self.names]
        self._names = [name.split() for name in self.names]
        self._relations = {
            relation: (before.split(), after.split())
            for relation, (before, after) in (
                (LEFT, grammar.left),
                (ABOVE, grammar.above),
                (BELOW, grammar.below),
            )
        }
        self._comma, self._topic = grammar.comma, grammar.topic.split()

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that a caption can have, once: those of the grammar, then the names."""
        words = [self._comma, *self._topic]
        for before, after in self._relations.values():
            words += before + after
        for article in self._articles:
            words += article
        for name in self._names:
            words += name
        return tuple(dict.fromkeys(words))

    def caption(
        self, kinds: Sequence[int], relations: Sequence[str]
    ) -> tuple[list[str], list[tuple[int, int]]]:
        """The words of a caption, and which of them name each object.

        Args:
            kinds: the indices of the objects' kinds, in the order of the
                caption.
            relations: of the first object to each of the others.

        Returns:
            The words, and `(first, end)` for every object.
        """
        words: list[str] = []
        spans: list[tuple[int, int]] = []

        def add_name(kind: int) -> None:
            words.extend(self._articles[kind])
            spans.append((len(words), len(words) + len(self._names[kind])))
            words.extend(self._names[kind])

        add_name(kinds[0])
        words += self._topic
        for number, (kind, relation) in enumerate(zip(kinds[1:], relations)):
            before, after = self._relations[relation]
            if number:
                words.append(self._comma)
            words.extend(before)
            add_name(kind)
            words.extend(after)
        return words, spans
