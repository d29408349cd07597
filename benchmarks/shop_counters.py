"""Features of the seeded shop as a stream would have them: counters of what is past, read before a block is shown.

Only features that the shop can know are given; the others are missing (NaN), as they are for a site that lacks them.
An order is counted when it happens, everything else when its block is over.
"""

import heapq
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.shop_world import DAY_S, NUM_CATEGORIES, ShopWorld

__all__ = ["ShopCounters"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

# Smoothing of rates: rows of the prior, and the rates they stand for.
_PRIOR_ROWS = 10.0
_PRIOR_RATE: Mapping[str, float] = {"click": 0.15, "cart": 0.04, "order": 0.02, "dislike": 0.02}
_AFFINITY_ROWS = 4.0


class ShopCounters:
    """Counts by item, user, user x category and user x item."""

    def __init__(self, world: ShopWorld) -> None:
        self._world = world
        num_items, num_users = world.spec.num_items, world.spec.num_users
        self._shown_I, self._day_shown_I, self._day_clicks_I = (np.zeros(num_items) for _ in range(3))
        self._num_I = {task: np.zeros(num_items) for task in _PRIOR_RATE}
        self._dwell_I = np.zeros((2, num_items))
        self._shown_U, self._clicks_U, self._slates_U, self._price_U = (np.zeros(num_users) for _ in range(4))
        self._shown_UC, self._clicks_UC = (np.zeros((num_users, NUM_CATEGORIES)) for _ in range(2))
        self._shown_UI, self._clicks_UI = (np.zeros((num_users, num_items), np.float32) for _ in range(2))
        self._orders: list[tuple[float, int]] = []
        self._at_s = 0.0

    def advance(self, at_s: float) -> None:
        """Time passes: counters of a day decay, orders that have happened are counted."""
        kept = 0.5 ** ((at_s - self._at_s) / DAY_S)
        self._day_shown_I *= kept
        self._day_clicks_I *= kept
        self._at_s = at_s
        while self._orders and self._orders[0][0] <= at_s:
            self._num_I["order"][heapq.heappop(self._orders)[1]] += 1

    def add(self, user_N: Int64, item_N: Int64, y: Mapping[str, Float64], order_at_s_N: Float64, num_rows: int) -> None:
        """Counts rows that are over; `num_rows` a slate."""
        click_N, category_N = y["click"], self._world.category_I[item_N]
        clicked = click_N > 0
        ones_N = np.ones(len(item_N))
        for counter, at, value in (
            (self._shown_I, item_N, ones_N),
            (self._day_shown_I, item_N, ones_N),
            (self._day_clicks_I, item_N, click_N),
            (self._shown_U, user_N, ones_N),
            (self._clicks_U, user_N, click_N),
            (self._slates_U, user_N, ones_N / num_rows),
            (self._price_U, user_N, click_N * self._world.log_price_I[item_N]),
            *((self._num_I[task], item_N, y[task]) for task in ("click", "cart", "dislike")),
        ):
            np.add.at(counter, at, value)
        np.add.at(self._shown_UC, (user_N, category_N), 1.0)
        np.add.at(self._clicks_UC, (user_N, category_N), click_N)
        np.add.at(self._shown_UI, (user_N, item_N), 1.0)
        np.add.at(self._clicks_UI, (user_N, item_N), click_N)
        np.add.at(self._dwell_I[0], item_N[clicked], np.log1p(y["dwell"][clicked]))
        np.add.at(self._dwell_I[1], item_N[clicked], 1.0)
        for place in np.flatnonzero(np.isfinite(order_at_s_N)):
            heapq.heappush(self._orders, (float(order_at_s_N[place]), int(item_N[place])))

    def user(self, user_S: Int64, at_s_S: Float64) -> dict[str, Float64]:
        """Columns of the users' features."""
        angle_S = 2 * np.pi * (at_s_S % DAY_S) / DAY_S
        return {
            "user_click_logit": self._logit(self._clicks_U[user_S], self._shown_U[user_S], "click"),
            "user_log_slates": np.log1p(self._slates_U[user_S]),
            "hour_sin": np.sin(angle_S),
            "hour_cos": np.cos(angle_S),
        }

    def item(self, item_N: Int64) -> dict[str, Float64]:
        """Columns of the items' features."""
        world, shown_N = self._world, self._shown_I[item_N]
        sums_N, visits_N = self._dwell_I[:, item_N]
        rates = {f"item_{task}_logit": self._logit(num[item_N], shown_N, task) for task, num in self._num_I.items()}
        styles = {f"number_style_{v}": column for v, column in enumerate(world.style_IV[item_N].T)}
        return rates | {
            "item_log_impressions": np.log1p(shown_N),
            "item_click_logit_24h": self._logit(self._day_clicks_I[item_N], self._day_shown_I[item_N], "click"),
            "item_log_mean_dwell_s": np.where(visits_N > 0, sums_N / np.maximum(visits_N, 1), np.nan),
            "is_coupon": np.asarray(world.kind_I[item_N] == 1, np.float64),
            "is_ad": np.asarray(world.kind_I[item_N] == 2, np.float64),
            "number_price": world.log_price_I[item_N],
            **styles,
        }

    def cross(self, user_N: Int64, item_N: Int64) -> dict[str, Float64]:
        """Columns of the features of pairs."""
        category_N = self._world.category_I[item_N]
        shown_N, clicks_N = self._shown_UC[user_N, category_N], self._clicks_UC[user_N, category_N]
        rate_N = (clicks_N + _AFFINITY_ROWS * _PRIOR_RATE["click"]) / (shown_N + _AFFINITY_ROWS)
        bought_N = self._clicks_U[user_N]
        mean_N = np.where(bought_N > 0, self._price_U[user_N] / np.maximum(bought_N, 1), np.nan)
        return {
            "rate_category": rate_N,
            "clicks_category": np.log1p(clicks_N),
            "affinity_category": clicks_N / np.maximum(bought_N, 1),
            "log_times_shown": np.log1p(self._shown_UI[user_N, item_N].astype(np.float64)),
            "log_times_clicked": np.log1p(self._clicks_UI[user_N, item_N].astype(np.float64)),
            "log_price_ratio": self._world.log_price_I[item_N] - mean_N,
        }

    @staticmethod
    def matrix(columns: Mapping[str, Float64], names: Sequence[str], num_rows: int) -> Float32:
        """float32[num_rows, F] in the order of `names`; NaN where the shop does not have the feature."""
        missing = np.full(num_rows, np.nan)
        return np.stack([columns.get(name, missing) for name in names], 1).astype(np.float32)

    @staticmethod
    def _logit(num_N: Float64, rows_N: Float64, task: str) -> Float64:
        prior = _PRIOR_RATE[task]
        rate_N = (num_N + _PRIOR_ROWS * prior) / (rows_N + _PRIOR_ROWS)
        return np.asarray(np.log(rate_N) - np.log1p(-np.minimum(rate_N, 0.999)))
