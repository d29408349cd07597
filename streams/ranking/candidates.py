"""Candidate generation: the few hundred items worth scoring for a user.

Sources: items matching the query, items clicked together with the user's recent ones, the best of the same
categories, trending, new. Each has a share; what one leaves is filled from the others, so a small catalogue comes
back whole. Items never catalogued, removed or out of stock are never candidates. The order follows from
the arguments and the last refresh.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.features.items import ItemTable
from streams.ranking.popularity import CategoryShelves, strongest, trend
from streams.ranking.query_index import QueryIndex

__all__ = ["CandidateIndex", "Candidates"]

Slots = NDArray[np.int32]

# Shares of the candidates by source, before what one leaves is filled from the others. Personal sources get the most;
# "new" is what keeps items without counts from never being shown (peers.md 5.4: feedback loops).
COVISITED_FRAC, CATEGORY_FRAC, TRENDING_FRAC, NEW_FRAC = 0.4, 0.25, 0.2, 0.15
RECENT_ITEMS_MAX = 20
RECENT_CATEGORIES_MAX = 5
# How much less an older recent item says than the next newer one.
RECENCY_DECAY = 0.85
# A weight that decayed to nothing must not divide by zero.
TINY = 1e-12
# A partial match stays while it has this share of the best match's idf: "red shoes" does not bring all that is red.
MATCH_FRAC_MIN = 0.5
# Popularity decides between equal matches, and never between unequal ones: idf sums differ by far more than this.
TREND_TIE_BREAK = 1e-6
# Shared lists are deeper than one answer, for users who have seen their top.
LIST_DEPTH = 2
_NONE: Slots = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """int32[N] distinct slots, most promising first; the first `num_matched` match the query."""

    slots: Slots
    num_matched: int = 0


class CandidateIndex:
    """User-independent lists, refreshed about once a second, and the query index, updated with the catalogue."""

    def __init__(self, num_candidates: int) -> None:
        self.queries = QueryIndex()
        self._num_candidates = num_candidates
        self._trend_N: NDArray[np.float64] = np.empty(0)
        self._trending: Slots = _NONE
        self._new: Slots = _NONE
        self._shelves = CategoryShelves(num_candidates)
        # Scratch by slot, kept so that a request allocates nothing of the catalogue's size.
        self._weight_N = np.zeros(0)
        self._is_marked_N = np.zeros(0, np.bool_)
        self._first_at_N = np.zeros(0, np.int64)

    def refresh(self, items: ItemTable, now_ms: int) -> None:
        """Recompute the shared lists at event time `now_ms`. About 5 ms for 100,000 items."""
        n = items.n
        depth = self._num_candidates * LIST_DEPTH
        is_servable_N = items.is_known[:n] & items.in_stock[:n]
        self._trend_N = trend(items, now_ms)
        self._trending = strongest(np.where(is_servable_N & (self._trend_N > 0), self._trend_N, -np.inf), depth)
        self._new = strongest(np.where(is_servable_N, items.first_seen_ms[:n], -np.inf), depth)
        self._shelves.refresh(np.where(is_servable_N, items.category[:n], -1), self._trend_N)

    def generate(
        self,
        items: ItemTable,
        recent: Sequence[int],
        *,
        query: str = "",
        exclude: Sequence[int] = (),
        seen: Sequence[int] = (),
    ) -> Candidates:
        """Candidates for a user whose recent items (slots, newest first) are `recent`.

        `exclude` (slots) never come back. `seen` (slots) come last, except where they match the query.
        """
        self._grow(len(items.is_known))
        matched = _servable(items, self._matched(query), exclude)[: self._num_candidates]
        found = _servable(items, self._merged(items, recent[:RECENT_ITEMS_MAX]), exclude)
        is_seen = self._is_among(found, seen)
        slots = self._distinct(np.concatenate([matched, found[~is_seen], found[is_seen]]))
        return Candidates(slots[: self._num_candidates], len(matched))

    def _merged(self, items: ItemTable, recent: Sequence[int]) -> Slots:
        sources = (
            (self._covisited(items, recent), COVISITED_FRAC),
            (self._same_category(items, recent), CATEGORY_FRAC),
            (self._trending, TRENDING_FRAC),
            (self._new, NEW_FRAC),
        )
        caps = [round(self._num_candidates * frac) for _, frac in sources]
        heads = [source[:cap] for (source, _), cap in zip(sources, caps, strict=True)]
        tails = [source[cap:] for (source, _), cap in zip(sources, caps, strict=True)]
        return np.concatenate(heads + tails)

    def _covisited(self, items: ItemTable, recent: Sequence[int]) -> Slots:
        """Neighbours of recent items by summed weight; each recent item has the same say, newer ones a little more."""
        found = [items.neighbours(slot) for slot in recent]
        sizes = [len(slots) for slots, _ in found]
        others = np.concatenate([slots for slots, _ in found]) if found else _NONE
        if not len(others):
            return _NONE
        say = [
            RECENCY_DECAY**age / max(float(weights[0]), TINY) if len(weights) else 0.0
            for age, (_, weights) in enumerate(found)
        ]
        np.add.at(self._weight_N, others, np.concatenate([weights for _, weights in found]) * np.repeat(say, sizes))
        distinct = self._distinct(others)
        weight = self._weight_N[distinct]
        self._weight_N[distinct] = 0.0
        weight[self._is_among(distinct, recent)] = -np.inf
        best: Slots = distinct[strongest(weight, self._num_candidates * LIST_DEPTH)]
        return best

    def _same_category(self, items: ItemTable, recent: Sequence[int]) -> Slots:
        """The best of each recent category, then the second best of each, and so on."""
        categories = dict.fromkeys(items.category[recent].tolist()) if recent else {}
        shelves = [self._shelves.shelf(c) for c in categories if c >= 0][:RECENT_CATEGORIES_MAX]
        if not shelves:
            return _NONE
        depth = np.concatenate([np.arange(len(shelf)) for shelf in shelves])
        order = np.argsort(depth, kind="stable")[: self._num_candidates * LIST_DEPTH]
        interleaved: Slots = np.concatenate(shelves)[order]
        return interleaved

    def _matched(self, query: str) -> Slots:
        slots, scores = self.queries.match(query)
        if not len(slots):
            return _NONE
        is_close = scores >= MATCH_FRAC_MIN * scores.max()
        slots, scores = slots[is_close], scores[is_close]
        popularity = np.zeros(len(slots))
        is_old = slots < len(self._trend_N)
        popularity[is_old] = self._trend_N[slots[is_old]]
        best = strongest(scores + TREND_TIE_BREAK * popularity / (1 + popularity), self._num_candidates * LIST_DEPTH)
        matched: Slots = slots[best]
        return matched

    def _distinct(self, slots: Slots) -> Slots:
        """First occurrences, in order. Writing places backwards leaves the first place of each slot: no sort."""
        places = np.arange(len(slots))
        self._first_at_N[slots[::-1]] = places[::-1]
        distinct: Slots = slots[self._first_at_N[slots] == places]
        return distinct

    def _is_among(self, slots: Slots, marked: Sequence[int]) -> NDArray[np.bool_]:
        """Which of the slots are marked."""
        marks = np.array(marked, np.int32)
        self._is_marked_N[marks] = True
        found: NDArray[np.bool_] = self._is_marked_N[slots]
        self._is_marked_N[marks] = False
        return found

    def _grow(self, capacity: int) -> None:
        """Make room for new items. All of `_weight_N` is zero between calls, and nothing is marked."""
        if len(self._weight_N) < capacity:
            self._weight_N = np.zeros(capacity)
            self._is_marked_N = np.zeros(capacity, np.bool_)
            self._first_at_N = np.zeros(capacity, np.int64)


def _servable(items: ItemTable, slots: Slots, exclude: Sequence[int]) -> Slots:
    is_servable = items.is_known[slots] & items.in_stock[slots]
    if len(exclude):
        is_servable &= ~np.isin(slots, np.asarray(exclude, np.int32))
    servable: Slots = slots[is_servable]
    return servable
