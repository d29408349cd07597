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
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.vector_math import FAST, exp32

__all__ = ["MAX_CONTENDERS", "Contest", "Uncertainty", "chances", "normal_cdf"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
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
_ZERO, _HALF, _ONE, _SQRT_HALF = (np.float32(number) for number in (0.0, 0.5, 1.0, math.sqrt(0.5)))
# Abramowitz and Stegun 1964, 7.1.26: erf to 1.5e-7.
_P, _A1, _A2, _A3, _A4, _A5 = (
    np.float32(number) for number in (0.3275911, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
)


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
    chance_LD = np.empty((len(contests), len(NODES)), np.float32)
    _fill_all_lower(value_LC, deviation_LC, np.array(places), NODES, chance_LD)
    chances_of: list[float] = np.minimum(chance_LD @ NODE_WEIGHTS, 1.0).tolist()
    return chances_of


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _fill_all_lower(
    value_LC: Float32, deviation_LC: Float32, place_L: NDArray[np.int64], node_D: Float32, chance_LD: Float32
) -> None:
    """The chance that all others of a contest are lower, if the contender at `place_L` is drawn at each node."""
    for one in range(len(place_L)):
        place, chance_D = place_L[one], chance_LD[one]
        value, deviation = value_LC[one, place], deviation_LC[one, place]
        chance_D[:] = _ONE
        for other in range(value_LC.shape[1]):
            if other != place:
                ratio = deviation / deviation_LC[one, other]
                ahead = (value - value_LC[one, other]) / deviation_LC[one, other]
                for d in range(len(chance_D)):
                    chance_D[d] *= normal_cdf(ahead + ratio * node_D[d])


@njit(inline="always")
def normal_cdf(x: Any) -> Any:  # noqa: ANN401 - as the functions of vector_math
    """P(standard normal < x) of a float32, right to 2e-7: Abramowitz and Stegun 1964, 7.1.26, and rounding."""
    half = abs(x) * _SQRT_HALF
    t = _ONE / (_ONE + _P * half)
    series = t * (_A1 + t * (_A2 + t * (_A3 + t * (_A4 + t * _A5))))
    upper = _HALF * series * exp32(-half * half)
    return upper if x < _ZERO else _ONE - upper


def _normals(num: int, uniform: Uniform) -> Float64:
    """Standard normals by Box and Muller (1958), two at a time."""
    drawn: list[float] = []
    for _ in range((num + 1) // 2):
        radius, angle = math.sqrt(-2.0 * math.log(1.0 - uniform())), 2.0 * math.pi * uniform()
        drawn += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(drawn[:num])
