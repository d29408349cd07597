"""Selection: which scored items make the list, and in which order.

A list of items that a request names is only sorted. A list of our own goes by tiers (matching the query, then fresh,
then seen before), keeps each category to a share of the list, and explores a little. The share and the tiers bend
before a list gets shorter than it must: a small catalogue is soon all seen, and a shop may have one category.

The rule of exploration, place by place: the pool is what is left of the best tier, without the categories whose share
is used up. With chance `explore_frac` an item is drawn from the pool by what is not known of the user (thompson.py),
or evenly where nothing is said to be uncertain; else its best is taken. The propensity of a place is the chance that
its item got there, given the places above it.
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from operator import not_
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.ranking.thompson import Contest, Uncertainty, chances

__all__ = [
    "DROPPED",
    "FRESH",
    "MATCHED",
    "SEEN",
    "Selection",
    "by_place",
    "seeded_uniform",
    "select_given",
    "select_own",
    "tiers",
]

DROPPED, MATCHED, FRESH, SEEN = -1, 0, 1, 2
NO_CATEGORY = -1


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of the scored items, best place first. `propensity`: per place, under exploration; else None."""

    rows: list[int]
    propensity: list[float] | None = None

    @property
    def policy(self) -> Literal["score", "explore"]:
        """The rule that made the list; under `explore` every place has a propensity, drawn or not."""
        return "score" if self.propensity is None else "explore"


def tiers(is_servable_N: NDArray[np.bool_], seen_N: NDArray[np.bool_], num_matched: int) -> NDArray[np.int8]:
    """int8[N]: what is placed first. A searched item comes back though it was seen; what cannot be sold never does."""
    tier_N = np.where(seen_N, SEEN, FRESH).astype(np.int8)
    tier_N[:num_matched] = MATCHED
    tier_N[~is_servable_N] = DROPPED
    return tier_N


def by_place(value_N: NDArray[np.float64], tier_N: NDArray[np.int8]) -> NDArray[np.intp]:
    """Rows by tier, the best of each first, without those that are dropped."""
    return np.lexsort((-value_N, tier_N))[np.count_nonzero(tier_N == DROPPED) :]


def seeded_uniform(slate_id: str) -> Callable[[], float]:
    """Random numbers in [0, 1) that depend on the slate id alone, on any machine: a replay draws the same list."""
    seed = hashlib.blake2b(slate_id.encode(), digest_size=8).digest()
    return Random(int.from_bytes(seed, "big")).random


def select_given(value_N: NDArray[np.float64], k: int) -> Selection:
    """All items by value, equal ones in the order of the request, cut at `k`."""
    return Selection(np.argsort(-value_N, kind="stable")[:k].tolist())


def select_own(
    value_N: NDArray[np.float64],
    tier_N: NDArray[np.int8],
    category_N: NDArray[np.int32],
    *,
    k: int,
    category_share_max: float,
    explore_frac: float,
    uniform: Callable[[], float],
    deviation_N: NDArray[np.float64] | None = None,
) -> Selection:
    """At most `k` items by tier and value under the rules above. `uniform` gives numbers in [0, 1).

    `deviation_N`: of the values, at least 0; None where nothing is known of them. Equal values keep the order of the
    candidates. Items without a category (-1) count towards no share.
    """
    order = by_place(value_N, tier_N)
    num_places = min(k, len(order))
    # The small number keeps shares such as 0.29 x 100, which is 28.999..., whole.
    shares = _Shares(category_N[order].tolist(), max(1, int(category_share_max * num_places + 1e-9)))
    known = Uncertainty(value_N[order], np.zeros(len(order)) if deviation_N is None else deviation_N[order])
    ranks: list[int] = []
    drawn_from: list[Contest] = []
    best: list[int] = []
    for start, end in _runs(tier_N[order]):
        pool = _Pool(range(start, end), shares)
        while len(ranks) < num_places and (found := pool.candidates()):
            best.append(found[0])
            if explore_frac > 0:
                drawn_from.append(known.contest(found, pool.members))
            is_drawn = explore_frac > 0 and uniform() < explore_frac
            ranks.append(pool.take(drawn_from[-1].draw(uniform) if is_drawn else found[0]))
    if explore_frac == 0:
        return Selection(order[ranks].tolist())
    chance_of = zip(chances(drawn_from, ranks), ranks, best, strict=True)
    propensity = [explore_frac * chance + (1.0 - explore_frac) * (rank == top) for chance, rank, top in chance_of]
    return Selection(order[ranks].tolist(), propensity)


def _runs(sorted_N: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Start and end of each run of equal values."""
    bounds = [0, *(np.flatnonzero(np.diff(sorted_N)) + 1).tolist(), len(sorted_N)]
    return list(pairwise(bounds))


class _Shares:
    """How much of the list each category has. `category_R`: of each candidate, by rank."""

    def __init__(self, category_R: list[int], cap: int) -> None:
        self._category_R = category_R
        self._cap = cap
        self._used = Counter[int]()
        self._full = set[int]()

    def count(self, rank: int) -> bool:
        """A candidate was placed; true when that used up its category's share."""
        category = self._category_R[rank]
        self._used[category] += 1
        if category == NO_CATEGORY or self._used[category] != self._cap:
            return False
        self._full.add(category)
        return True

    def split(self, ranks: Sequence[int]) -> tuple[list[int], list[int]]:
        """Candidates whose category may have one more place, and those whose share is used up; both in order."""
        if not self._full:
            return list(ranks), []
        is_full = [self._category_R[rank] in self._full for rank in ranks]
        return list(compress(ranks, map(not_, is_full))), list(compress(ranks, is_full))


class _Pool:
    """Candidates of one tier that are not placed yet: open ones, and those whose category's share is used up.

    `members`: the open ones.
    """

    def __init__(self, ranks: Sequence[int], shares: _Shares) -> None:
        self._shares = shares
        self._open, self._held = shares.split(ranks)
        self.members = set(self._open)
        self._is_capped = True

    def candidates(self) -> list[int]:
        """Ranks to choose from, best first. When only held ones are left, the share yields and they open."""
        if not self._open:
            self._open, self._held, self._is_capped = sorted(self._held), [], False
            self.members = set(self._open)
        return self._open

    def take(self, rank: int) -> int:
        """Remove and return a candidate."""
        del self._open[bisect_left(self._open, rank)]
        self.members.discard(rank)
        if self._shares.count(rank) and self._is_capped:
            self._open, held = self._shares.split(self._open)
            self.members.difference_update(held)
            self._held += held
        return rank
