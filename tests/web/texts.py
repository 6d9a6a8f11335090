"""Texts that are easily read differently, and what the page reads of them."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from keras_attention.text import Vocabulary
from keras_attention.text.bounds import LOOKAHEAD, characters_read
from keras_attention.text.patterns import SPACES, WORDS

# Spaces of Unicode, controls, marks, letters that change in case or normalization, emoji.
_PARTS = [
    *"abcdefghijkl ABCXYZ'-.,!?¿«»…éÉßİıΣσςǅﬁ①½²ﾊﾞＡ한글漢字אבגऀक्ष▁#",
    *"\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000",
    *"\ufeff\u200b\u200e\u202e\0\x07\u0301",
    *("👩‍👩‍👧", "😀", "\N{MATHEMATICAL SCRIPT CAPITAL X}", "<end>", "<unk>", "##"),
]


def odd_texts(count: int) -> list[str]:
    """The same texts every time."""
    rng = random.Random(0)
    texts = ["", " ", "x" * 200, "ΟΔΥΣΣΕΥΣ", "İstanbul", "ΑΣ ΣΑΣ", "a" * 1000]
    texts += [" " * 70_000 + "a", "\u03a3" * 575 + "a", "😀" * 600, "ab " * 30_000, "a" * 513]
    while len(texts) < count:
        texts.append("".join(rng.choice(_PARTS) for _ in range(rng.randint(0, 40))))
    return texts


def read_in_node(vocabulary: Vocabulary, texts: list[str], ids: list[list[int]]) -> dict[str, Any]:
    """What the page reads of texts, and writes for ids."""
    special = vocabulary.special_ids
    given = {
        "about": {**vocabulary.get_config(), "tokens": list(vocabulary.tokens)},
        "special": {
            "padding": special.pad,
            "start": special.start,
            "end": special.end,
            "unknown": special.unknown,
        },
        "patterns": {
            "spaces": SPACES,
            "words": WORDS,
            "lookahead": LOOKAHEAD,
            "characters": characters_read(vocabulary.longest),
        },
        "texts": texts,
        "ids": ids,
    }
    script = Path(__file__).with_name("read_texts.mjs")
    done = subprocess.run(
        ["node", str(script)], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
