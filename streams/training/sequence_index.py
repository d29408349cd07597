"""Sequence numbers of the ready queue in memory, eight bytes each: counting and drawing need no scan of the disk."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

import numpy as np

__all__ = ["SequenceIndex"]


class SequenceIndex:
    """A sorted set of sequence numbers. They are added in rising order."""

    def __init__(self, seqs: Iterable[int] = ()) -> None:
        self._seqs = array("q", seqs)

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, seq: int) -> None:
        """Add a number above all others."""
        self._seqs.append(seq)

    def remove(self, seqs: Collection[int]) -> None:
        """Remove those of the numbers that are there, in one pass from the lowest on."""
        if not seqs:
            return
        start = bisect_left(self._seqs, min(seqs))
        held = np.array(self._seqs[start:], np.int64)
        kept = held[~np.isin(held, np.fromiter(seqs, np.int64, len(seqs)))]
        self._seqs[start:] = array("q", kept.tobytes())

    def after(self, seq: int, limit: int) -> list[int]:
        """The first `limit` numbers above `seq`."""
        start = bisect_right(self._seqs, seq)
        return self._seqs[start : start + limit].tolist()

    def count_after(self, seq: int) -> int:
        """How many are above `seq`."""
        return len(self._seqs) - bisect_right(self._seqs, seq)

    def draw(self, num: int, rng: np.random.Generator, before_seq: int) -> list[int]:
        """At most `num` different numbers below `before_seq`, each equally likely, in rising order."""
        count = bisect_left(self._seqs, before_seq)
        places = rng.choice(count, size=min(num, count), replace=False)
        return sorted(self._seqs[place] for place in places.tolist())
