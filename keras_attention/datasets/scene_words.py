"""How scenes are told: names and relations in many languages, one caption a scene."""

from typing import NamedTuple

from keras_attention.datasets.openmoji import emoji_name

LEFT, ABOVE, BELOW = "left", "above", "below"


class Grammar(NamedTuple):
    """How a language says that something is beside something else.

    `left`, `above` and `below` are what comes before the other thing's name
    and what comes after it; `topic` follows the first name. English has
    articles, the others go without.
    """

    left: tuple
    above: tuple
    below: tuple
    comma: str = ","
    topic: str = ""


# Forms that leave the name as the dictionary has it: Russian says "more to the
# left than", which wants the nominative; Korean and Turkish name the side after the
# thing.
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


def indefinite_article(name):
    """English "a" or "an", by the sound that a kind's name begins with.

    Example:

    >>> from keras_attention.datasets.scene_words import indefinite_article
    >>> [indefinite_article(name) for name in ("apple", "unicorn", "crab")]
    ['an', 'a', 'a']
    """
    return "an" if name[0].lower() in "aeiou" and not name.startswith("uni") else "a"


class SceneWords:
    """The words of scenes in one language, and the one caption of a scene.

    Args:
        kinds: a dictionary from English names to characters.
        language: one of those in `GRAMMARS`.
    """

    def __init__(self, kinds, language="en"):
        grammar = GRAMMARS[language]
        english = language == "en"
        self.names = tuple(
            name if english else emoji_name(character, language)
            for name, character in kinds.items()
        )
        self._articles = [[indefinite_article(name)] if english else [] for name in self.names]
        self._names = [name.split() for name in self.names]
        self._relations = {
            relation: tuple(part.split() for part in getattr(grammar, relation))
            for relation in (LEFT, ABOVE, BELOW)
        }
        self._comma, self._topic = grammar.comma, grammar.topic.split()

    @property
    def vocabulary(self):
        """Every word that a caption can have, each once: those of all captions, then names."""
        words = [self._comma, *self._topic]
        for before, after in self._relations.values():
            words += before + after
        for article in self._articles:
            words += article
        for name in self._names:
            words += name
        return tuple(dict.fromkeys(words))

    def caption(self, kinds, relations):
        """The words of a scene, and which of them name each object.

        Args:
            kinds: the places of the objects' kinds, in the order of telling.
            relations: of the first object to each of the others.

        Returns:
            The list of words, and `(first, end)` for every object.
        """
        words, spans = [], []

        def tell(kind):
            words.extend(self._articles[kind])
            spans.append((len(words), len(words) + len(self._names[kind])))
            words.extend(self._names[kind])

        tell(kinds[0])
        words += self._topic
        for number, (kind, relation) in enumerate(zip(kinds[1:], relations)):
            before, after = self._relations[relation]
            if number:
                words.append(self._comma)
            words.extend(before)
            tell(kind)
            words.extend(after)
        return words, spans
