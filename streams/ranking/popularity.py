"""Item lists that do not depend on the user: trending, new, and the best of each category.

Computed from the item table's arrays about once a second, so that a request only slices them. Selections are exact:
ties go to a stated side, never to the whim of a partial sort.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS
from streams.features.decay import decay_to
from streams.features.items import ItemTable

__all__ = ["CategoryShelves", "strongest", "trend"]

Slots = NDArray[np.int32]
Scores = NDArray[np.float64]

TREND_KINDS = ("view", "click")


def trend(items: ItemTable, now_ms: int) -> Scores:
    """float64[n]: decayed views and clicks summed over all horizons, so that recent ones count more than once.

    Values are decayed from their own time to `now_ms`, and never upward when `now_ms` is earlier.
    """
    n = items.n
    counts_NHK = items.decayed[:n][:, :, [EVENT_KINDS.index(kind) for kind in TREND_KINDS]]
    counts_NH1 = counts_NHK.sum(axis=2, keepdims=True)
    trend_N: Scores = decay_to(counts_NH1, items.at_ms[:n], now_ms).sum(axis=(1, 2))
    return trend_N


def strongest(score_N: Scores, count: int) -> Slots:
    """Indices of the `count` >= 1 highest scores, best first, equal ones in index order. NaN and -inf never count."""
    eligible = np.flatnonzero(score_N > -np.inf)
    if len(eligible) > count:
        scores = score_N[eligible]
        edge = np.partition(scores, len(scores) - count)[len(scores) - count]
        above = eligible[scores > edge]
        eligible = np.concatenate([above, eligible[scores == edge][: count - len(above)]])
        eligible.sort()
    best_first = np.argsort(-score_N[eligible], kind="stable")
    return eligible[best_first].astype(np.int32)


class CategoryShelves:
    """The strongest items of each category; a shelf is sorted when it is first asked for after a refresh."""

    def __init__(self, shelf_size: int) -> None:
        self._shelf_size = shelf_size
        self._category_N: NDArray[np.int32] = np.empty(0, np.int32)
        self._score_N: Scores = np.empty(0)
        self._members: Slots = np.empty(0, np.int32)
        self._bounds: dict[int, tuple[int, int]] = {}
        self._shelves: dict[int, Slots] = {}

    def refresh(self, category_N: NDArray[np.int32], score_N: Scores) -> None:
        """Take new scores. `category_N`: -1 keeps an item off every shelf."""
        self._score_N = score_N
        self._shelves = {}
        # Sorting by category is the dear part, and categories seldom change.
        if not np.array_equal(category_N, self._category_N):
            self._group(category_N.copy())

    def _group(self, category_N: NDArray[np.int32]) -> None:
        self._category_N = category_N
        self._members = np.argsort(category_N, kind="stable").astype(np.int32)
        sorted_N = category_N[self._members]
        starts = np.flatnonzero(np.diff(sorted_N, prepend=-1))
        edges = [*starts.tolist(), len(sorted_N)]
        self._bounds = dict(zip(sorted_N[starts].tolist(), pairwise(edges), strict=True))

    def shelf(self, category: int) -> Slots:
        """Slots of the category's strongest items, best first; empty for an unknown category."""
        found = self._shelves.get(category)
        if found is None:
            start, end = self._bounds.get(category, (0, 0))
            members = self._members[start:end]
            found = members[strongest(self._score_N[members], self._shelf_size)]
            self._shelves[category] = found
        return found
