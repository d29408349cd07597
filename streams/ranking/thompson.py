"""Exploration by Thompson sampling: a place goes to the item whose value, drawn from what is known of it, is highest.

Each item's value is normal around its prediction, with the deviation that the user's taste leaves open: what may be
good is tried, and what is known to be bad is not. Items are drawn independently: what they share (how generous the user
is) moves all alike and decides no order. The chance of every item is computed, not counted, so it is a propensity.
"""

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_CONTENDERS", "Contest", "Uncertainty", "chances", "normal_cdf"]

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating]
Uniform = Callable[[], float]
# Only the items with the highest value + DEVIATIONS deviations are drawn; the others would hardly ever win.
MAX_CONTENDERS, DEVIATIONS = 16, 2.0
# No contender counts as more than so many times as certain as the least certain one: chances are then so smooth that
# the sum over NODES, in deviations of one item's own value, is right to 1e-5 (tested), in float32 too.
MAX_RATIO = 4.0
# Finer than float32 predictions are: less than this is no uncertainty.
MIN_DEVIATION = 1e-9
NODES = np.linspace(-5.0, 5.0, 61, dtype=np.float32)
NODE_WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()


@dataclass(frozen=True, slots=True)
class Contest:
    """The items, by rank, that exploration draws among for one place. Without deviations the draw is even."""

    ranks: Sequence[int]
    values: list[float]
    deviations: list[float]

    def draw(self, uniform: Uniform) -> int:
        """The rank that is drawn. `uniform` gives numbers in [0, 1)."""
        if not self.deviations:
            return self.ranks[int(uniform() * len(self.ranks))]
        drawn = np.array(self.values) + np.array(self.deviations) * _normals(len(self.ranks), uniform)
        return self.ranks[int(drawn.argmax())]


class Uncertainty:
    """What is known of the values of R items; none of the deviations is below 0."""

    def __init__(self, value_R: Float64, deviation_R: Float64) -> None:
        known_R = np.where(deviation_R < MIN_DEVIATION, 0.0, deviation_R)
        self._values, self._deviations = value_R.tolist(), known_R.tolist()
        by_bound_R = np.argsort(-(value_R + DEVIATIONS * known_R), kind="stable")
        self._by_bound = by_bound_R.tolist() if known_R.any() else []

    def contest(self, ranks: Sequence[int], members: AbstractSet[int]) -> Contest:
        """Among those of `ranks` that may be best; among all of them, evenly, when none is uncertain.

        `members`: the same ranks as a set.
        """
        chosen = list(islice(filter(members.__contains__, self._by_bound), MAX_CONTENDERS))
        deviations = [self._deviations[rank] for rank in chosen]
        least = max(deviations, default=0.0) / MAX_RATIO
        if least == 0:
            return Contest(tuple(ranks), [], [])
        return Contest(chosen, [self._values[rank] for rank in chosen], [max(one, least) for one in deviations])


def chances(contests: Sequence[Contest], ranks: Sequence[int]) -> list[float]:
    """P(`draw` gives the rank) for each contest and rank: over that item's draws, the chance that all others are lower.

    A rank that does not take part has none.
    """
    found = [float(rank in contest.ranks) / len(contest.ranks) for contest, rank in zip(contests, ranks, strict=True)]
    drawn = [n for n, contest in enumerate(contests) if contest.deviations and found[n]]
    if drawn:
        places = [list(contests[n].ranks).index(ranks[n]) for n in drawn]
        for n, chance in zip(drawn, _chances_of_best([contests[n] for n in drawn], places), strict=True):
            found[n] = chance
    return found


def _chances_of_best(contests: Sequence[Contest], places: Sequence[int]) -> list[float]:
    # L contests, C contenders, D nodes. Where there are fewer, one that is never higher stands in.
    shape = len(contests), max(len(contest.ranks) for contest in contests)
    value_LC, deviation_LC = np.full(shape, -np.inf, np.float32), np.ones(shape, np.float32)
    for row, contest in enumerate(contests):
        # By how much they differ is what counts, also of values that float32 cannot tell apart.
        value_LC[row, : len(contest.ranks)] = np.array(contest.values) - contest.values[0]
        deviation_LC[row, : len(contest.ranks)] = contest.deviations
    each_L, place_L = np.arange(len(contests)), np.array(places)
    mean_L1, width_L1 = value_LC[each_L, place_L, None], deviation_LC[each_L, place_L, None]
    drawn_LD = mean_L1 + width_L1 * NODES
    below_LCD = normal_cdf((drawn_LD[:, None, :] - value_LC[:, :, None]) / deviation_LC[:, :, None])
    below_LCD[each_L, place_L] = 1.0
    chances_of: list[float] = np.minimum(below_LCD.prod(1) @ NODE_WEIGHTS, 1.0).tolist()
    return chances_of


def normal_cdf(x: Floats) -> Floats:
    """P(standard normal < x), right to 7.5e-8: Abramowitz and Stegun 1964, 7.1.26, gives erf to twice that."""
    half = np.abs(x) * math.sqrt(0.5)
    t = 1.0 / (1.0 + 0.3275911 * half)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper: Floats = 0.5 * series * np.exp(-half * half)
    return np.where(x < 0, upper, 1.0 - upper)


def _normals(num: int, uniform: Uniform) -> Float64:
    """Standard normals by Box and Muller (1958), two at a time."""
    drawn: list[float] = []
    for _ in range((num + 1) // 2):
        radius, angle = math.sqrt(-2.0 * math.log(1.0 - uniform())), 2.0 * math.pi * uniform()
        drawn += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(drawn[:num])
