"""Ranking quality over time: what shoppers saw, against the site's own order and the best that there was. Pure.

Quality of a list is its expected worth over that of the oracle's list of the same length from the same candidates;
a period's is the ratio of the sums, so that a list with little to win counts little.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.demo.shoppers import Shown
from streams.demo.world import World

__all__ = ["Period", "QualityBoard"]


@dataclass(slots=True)
class Period:
    """Worth summed over the lists of one stretch of time."""

    num_lists: int = 0
    worth: dict[str, float] = field(default_factory=lambda: {"as_shown": 0.0, "freshrank": 0.0, "oracle": 0.0})

    def quality(self, ranker: str) -> float:
        """Of the oracle's worth, the share that this ranker's lists have; nan without lists."""
        return self.worth[ranker] / self.worth["oracle"] if self.worth["oracle"] else float("nan")


class QualityBoard:
    """Sorts shown lists into `num_periods` of `period_s` from `starts_at_ms` on; a straggler belongs to the last.

    Only lists whose candidates the site named can be judged.
    """

    def __init__(
        self, world: World, weights: Mapping[str, float], starts_at_ms: int, *, period_s: float, num_periods: int
    ) -> None:
        self._world, self._weights = world, weights
        self._starts_at_ms, self._num_periods, self.period_s = starts_at_ms, num_periods, period_s
        self.periods: list[Period] = []
        self.num_unanswered = 0

    def take(self, shown: Shown) -> None:
        """Judge a list that was put before a shopper."""
        self.num_unanswered += not shown.is_answered
        if shown.asked is None:
            return
        world, user, at_ms = self._world, shown.user, shown.at_ms
        num_shown = len(shown.shown)
        lists = {
            "as_shown": shown.asked[:num_shown],
            "freshrank": shown.shown,
            "oracle": world.oracle(user, shown.asked, at_ms, self._weights)[:num_shown],
        }
        period = self._period(at_ms)
        period.num_lists += 1
        for ranker, items_N in lists.items():
            period.worth[ranker] += world.expected_worth(user, items_N, at_ms, self._weights)

    def has_improved(self) -> bool:
        """The last period beats the site's own order clearly, and is above the first."""
        judged = [period for period in self.periods if period.num_lists]
        if not judged:
            return False
        first, last = judged[0], judged[-1]
        beats = last.quality("freshrank") > 1.1 * last.quality("as_shown")
        return beats and (len(judged) == 1 or last.quality("freshrank") > first.quality("freshrank"))

    def _period(self, at_ms: int) -> Period:
        number = min(int((at_ms - self._starts_at_ms) / (1000 * self.period_s)), self._num_periods - 1)
        while len(self.periods) <= number:
            self.periods.append(Period())
        return self.periods[number]
