"""Learning pieces of words: what stands together most often is joined, again and again."""

import heapq
from collections import Counter, defaultdict
from itertools import pairwise


def learn_pieces(words, count, alphabet, mark, continued):
    """Pieces that words can be taken apart into, from the most useful on.

    At first every character is a piece, at the beginning of a word and (with
    `continued` before it) inside. Then the two neighbours that occur most
    often become one piece, until there are enough, or no two neighbours occur
    twice. The same words always give the same pieces.

    Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare
    Words with Subword Units", 2016.

    Args:
        words: a dictionary from words to how often they occur.
        count: how many pieces at most; characters come even if there are more.
        alphabet: how many characters at most, the most frequent.
        mark: a character that only begins words.
        continued: what a piece inside a word begins with.

    Returns:
        A list of strings.

    Example:

    >>> from keras_attention.text.word_pieces import learn_pieces
    >>> learn_pieces({"aba": 3, "ab": 2, "c": 9}, 9, 10, "▁", "##")
    ['▁', 'a', '##a', 'b', '##b', 'c', '##c', 'ab', 'aba']
    """
    characters = Counter()
    for word, times in words.items():
        for character in word:
            characters[character] += times
    del characters[mark]
    kept = sorted(characters, key=lambda c: (-characters[c], c))[:alphabet]
    pieces = [mark] + [before + c for c in sorted(kept) for before in ("", continued)]
    known, characters = set(pieces), {mark, *kept}

    # Sorted, since the order of the words must not matter for what is as frequent.
    rows = sorted((w, n) for w, n in words.items() if characters.issuperset(w))
    parts = [[w[0], *(continued + c for c in w[1:])] for w, _ in rows]
    times = [n for _, n in rows]
    counts, places = Counter(), defaultdict(set)
    for i, row in enumerate(parts):
        for pair in pairwise(row):
            counts[pair] += times[i]
            places[pair].add(i)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapq.heapify(heap)
    while heap and len(pieces) < count:
        negative, pair = heapq.heappop(heap)
        if counts[pair] != -negative:
            continue  # what it was before another two were joined
        if counts[pair] < 2:
            break
        joined = pair[0] + pair[1].removeprefix(continued)
        if joined not in known:
            known.add(joined)
            pieces.append(joined)
        changed = set()
        for i in places.pop(pair):
            row = parts[i]
            for before in pairwise(row):
                counts[before] -= times[i]
                changed.add(before)
            parts[i] = row = _with_joined(row, pair, joined)
            for after in pairwise(row):
                counts[after] += times[i]
                places[after].add(i)
                changed.add(after)
        for other in changed:
            if counts[other] > 0:
                heapq.heappush(heap, (-counts[other], other))
    return pieces


def _with_joined(row, pair, joined):
    result, i = [], 0
    while i < len(row):
        if i + 1 < len(row) and (row[i], row[i + 1]) == pair:
            result.append(joined)
            i += 2
        else:
            result.append(row[i])
            i += 1
    return result
