"""Pieces of words: byte-pair encoding learns them, and pieces give back whole words."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise


def learn_pieces(
    words: Mapping[str, int], count: int, alphabet: int, mark: str, continued: str
) -> list[str]:
    """Pieces into which words can be split, the most useful first.

    At first every character is a piece, at the beginning of a word and (with
    `continued` before it) inside. Then the most frequent pair of neighbours
    becomes one piece, until there are enough pieces or no pair occurs twice.
    The same words always give the same pieces.

    Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare
    Words with Subword Units", 2016.

    Args:
        words: how often each word occurs.
        count: the largest number of pieces; single characters are kept even if
            there are more.
        alphabet: the largest number of characters; the most frequent are kept.
        mark: a character that only begins words.
        continued: the prefix of a piece inside a word.

    Returns:
        A list of strings.

    Example:

    >>> from keras_attention.text.word_pieces import learn_pieces
    >>> learn_pieces({"aba": 3, "ab": 2, "c": 9}, 9, 10, "▁", "##")
    ['▁', 'a', '##a', 'b', '##b', 'c', '##c', 'ab', 'aba']
    """
    characters: Counter[str] = Counter()
    for word, times in words.items():
        for character in word:
            characters[character] += times
    del characters[mark]
    kept = sorted(characters, key=lambda c: (-characters[c], c))[:alphabet]
    pieces = [mark] + [before + c for c in sorted(kept) for before in ("", continued)]
    known, allowed = set(pieces), {mark, *kept}

    # Sorted: the order of the words must not matter where pairs are equally frequent.
    used = sorted((word, times) for word, times in words.items() if allowed.issuperset(word))
    splits = [[word[0], *(continued + c for c in word[1:])] for word, _ in used]
    counts: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for i, (_, times) in enumerate(used):
        for pair in pairwise(splits[i]):
            counts[pair] += times
            where[pair].add(i)
    heap = [(-times, pair) for pair, times in counts.items()]
    heapq.heapify(heap)
    while heap and len(pieces) < count:
        negative, pair = heapq.heappop(heap)
        if counts[pair] != -negative:
            continue  # an outdated entry
        if counts[pair] < 2:
            break
        joined = pair[0] + pair[1].removeprefix(continued)
        if joined not in known:
            known.add(joined)
            pieces.append(joined)
        changed = set()
        for i in where.pop(pair):
            times = used[i][1]
            for before in pairwise(splits[i]):
                counts[before] -= times
                changed.add(before)
            splits[i] = _with_joined(splits[i], pair, joined)
            for after in pairwise(splits[i]):
                counts[after] += times
                where[after].add(i)
                changed.add(after)
        for other in changed:
            if counts[other] > 0:
                heapq.heappush(heap, (-counts[other], other))
    return pieces


def _with_joined(parts: list[str], pair: tuple[str, str], joined: str) -> list[str]:
    """`parts` with every occurrence of `pair` replaced by `joined`."""
    result, i = [], 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            result.append(joined)
            i += 2
        else:
            result.append(parts[i])
            i += 1
    return result


def words_of_pieces(
    pieces: Sequence[str],
    begins_word: Callable[[str], bool],
    join: Callable[[Sequence[str]], str],
) -> list[str]:
    """For each piece of a text the word that it belongs to.

    Args:
        pieces: those of a text.
        begins_word: whether a piece begins a word; the first one does.
        join: the text of pieces.

    Example:

    >>> from keras_attention.text.word_pieces import words_of_pieces
    >>> words_of_pieces(["_a", "b", "_c"], lambda piece: piece[0] == "_", "".join)
    ['_ab', '_ab', '_c']
    """
    begins = [i for i, piece in enumerate(pieces) if i == 0 or begins_word(piece)]
    words: list[str] = []
    for begin, end in pairwise([*begins, len(pieces)]):
        words += [join(pieces[begin:end])] * (end - begin)
    return words
