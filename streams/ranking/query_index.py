"""A small inverted index over the catalogue's words, for requests that carry a query.

Words are lower-case runs of Unicode letters, digits and underscores; there is no stemming and no phrase search. The
score of an item is the sum of idf over the query's words it has, so a rare word outweighs a common one. Postings are
flat integer arrays (4 bytes an entry); an update that leaves an item's words as they were costs one comparison.
"""

import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["QueryIndex", "item_words", "tokenise"]

SEARCHED_FIELDS = ("title", "text", "tags", "category", "brand")
# Bounds on memory and work: one item's description, one query, one word.
ITEM_WORDS_MAX = 256
QUERY_WORDS_MAX = 16
WORD_CHARS_MAX = 64

_WORD = re.compile(r"\w+")


def tokenise(text: str) -> Iterator[str]:
    """The words of `text`, lower-case, in order, repeats included."""
    return (match.group()[:WORD_CHARS_MAX] for match in _WORD.finditer(text.lower()))


def item_words(item: Mapping[str, object]) -> tuple[str, ...]:
    """Distinct words of a catalogue item's title, text, tags, category and brand; the first 256 of them.

    A tuple, as there is one for every item: a set of ten words takes five times as much.
    """
    words: dict[str, None] = {}
    for text in _texts(item):
        for word in tokenise(text):
            words[sys.intern(word)] = None
            if len(words) == ITEM_WORDS_MAX:
                return tuple(words)
    return tuple(words)


def _texts(item: Mapping[str, object]) -> Iterator[str]:
    for field in SEARCHED_FIELDS:
        value = item.get(field)
        if isinstance(value, str):
            yield value
        elif isinstance(value, Iterable):
            yield from (part for part in value if isinstance(part, str))


class QueryIndex:
    """Which item slots have a word."""

    def __init__(self) -> None:
        self._postings: dict[str, array[int]] = {}
        self._words: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        """Items indexed."""
        return len(self._words)

    def update(self, slot: int, words: tuple[str, ...]) -> None:
        """Make `words` the words of the item; no words remove it."""
        old = self._words.get(slot, ())
        if words == old:
            return
        for word in set(old) - set(words):
            self._drop(word, slot)
        for word in set(words) - set(old):
            self._postings.setdefault(word, array("i")).append(slot)
        if words:
            self._words[slot] = words
        else:
            del self._words[slot]

    def remove(self, slot: int) -> None:
        """Forget the item; unknown slots are fine."""
        self.update(slot, ())

    def match(self, query: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Slots that have a word of `query`, ascending, and their summed idf. At most 16 distinct words count."""
        words = list(dict.fromkeys(tokenise(query)))[:QUERY_WORDS_MAX]
        postings = [posting for word in words if (posting := self._postings.get(word))]
        if not postings:
            return np.empty(0, np.int32), np.empty(0)
        slots = np.concatenate([np.array(posting, np.int32) for posting in postings])
        lengths = np.array([len(posting) for posting in postings])
        score_by_slot = np.bincount(slots, np.repeat(self._idf(lengths), lengths)).astype(np.float64, copy=False)
        matched = np.flatnonzero(score_by_slot)
        return matched.astype(np.int32), score_by_slot[matched]

    def _idf(self, num_with_word: NDArray[np.int64]) -> NDArray[np.float64]:
        # The always positive form of Robertson's idf, as in Lucene's BM25.
        return np.log1p((len(self._words) - num_with_word + 0.5) / (num_with_word + 0.5))

    def _drop(self, word: str, slot: int) -> None:
        posting = self._postings[word]
        posting.remove(slot)
        if not posting:
            del self._postings[word]
