"""What vocabularies that were made elsewhere share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Config
from keras_attention.text.bounds import LONGEST, cut_text
from keras_attention.text.foreign.special_tokens import NONE
from keras_attention.text.special_ids import SpecialIds, as_special_ids
from keras_attention.text.vocabulary import Vocabulary, check_text

if TYPE_CHECKING:
    from typing_extensions import Self


class ForeignVocabulary(Vocabulary):
    """Base of the vocabularies that were made elsewhere: tokens and special ids are given.

    A subclass defines `_split`, `join`, `in_graph` and `get_config`. Texts become the ids that the
    original gives, the first `longest` of them. If that reads "<end>" in a text as its own end, so
    does this.

    Args:
        tokens: all tokens by id.
        special_ids: `SpecialIds`; of a vocabulary that is only read, start and end may be -1.
        longest: a text is cut after this many tokens, by default 512.
    """

    def __init__(
        self,
        tokens: Iterable[str],
        special_ids: SpecialIds | Sequence[int | None],
        longest: int | None = None,
    ) -> None:
        self.tokens = tuple(tokens)
        self.longest = LONGEST if longest is None else check_positive("longest", longest)
        special = SpecialIds(*special_ids)  # type: ignore[arg-type]
        if NONE in (special.start, special.end):
            as_special_ids((special.pad,) * 2 + (special.pad + 1, None))
        else:
            as_special_ids(special, len(self.tokens))
        self.special_ids = special
        # Of equal tokens the first.
        self._ids = {token: i for i, token in reversed(list(enumerate(self.tokens)))}

    def split(self, text: str) -> list[str]:
        """The first `longest` tokens of a text; an unknown one is what the original makes of it."""
        return self._split(cut_text(check_text("split", text), self.longest))[: self.longest]

    def _split(self, text: str) -> list[str]:
        raise NotImplementedError

    def to_ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of what `split` returned."""
        unknown = self.special_ids.unknown
        ids = []
        for token in tokens:
            i = self._ids.get(token, unknown)
            if i is None:
                raise ValueError(
                    "text: expected tokens of the vocabulary, which has no unknown token, received "
                    f"{token!r}."
                )
            ids.append(i)
        return ids

    def write_tokenizer(self, path: str | Path) -> None:
        """Not possible: what was made elsewhere stays in its own format.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "write_tokenizer: expected a vocabulary that can be a tokenizer.json, received a "
            f"{type(self).__name__}. Give clients the original, or the texts to the artifact."
        )

    def _base_config(self, kind: str) -> Config:
        return {
            "kind": kind,
            "tokens": list(self.tokens),
            "special_ids": list(self.special_ids),
            "longest": self.longest,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The vocabulary that `get_config` described."""
        return cls(**{name: value for name, value in config.items() if name != "kind"})
