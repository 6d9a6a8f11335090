"""Words of scenes."""

from keras_attention.datasets.kinds import (
    NAMES,
)
from keras_attention.datasets.scene_words import SceneWords, indefinite_article


def test_articles_follow_the_sound():
    spoken = {name: indefinite_article(name) for name in NAMES}
    an = [name for name, article in spoken.items() if article == "an"]
    assert an == ["airplane", "anchor", "avocado", "egg", "eggplant", "elephant", "envelope",
                  "evergreen tree", "eye", "octopus", "umbrella"]  # fmt: skip
    assert spoken["unicorn"] == "a"


def test_words_before_and_after_the_name():
    telling = SceneWords({"a": "🐬", "b": "🍎", "c": "🌈"}, "ja")
    words, spans = telling.caption([0, 1, 2], ["left", "above"])
    assert " ".join(words) == "イルカ は 赤リンゴ の 左 、 虹 の 上"
    assert spans == [(0, 1), (2, 3), (6, 7)]
