"""Features of items alone, compiled: smoothed rates (lifetime and decayed), dwell, kind, declared numbers.

Compiled because a shown slate asks for twenty rows of thirty numbers: numpy spends ten times as long on starting its
loops as in them.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS
from streams.features.catalogue import KINDS
from streams.features.decay import HALF_LIVES_MS
from streams.features.items import ItemTable

__all__ = ["CLICK_LOGIT", "capture_items", "smoothed_logit"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
IMPRESSION, CLICK, DISLIKE = (EVENT_KINDS.index(kind) for kind in ("impression", "click", "dislike"))
COUPON, AD = KINDS.index("coupon"), KINDS.index("ad")
# Column of the item's smoothed click log-odds among its features.
CLICK_LOGIT = 0
# Strength of the prior of smoothed rates, in impressions: (clicks + 10 P) / (impressions + 10), models.md 11.3.
PRIOR_IMPRESSIONS = 10.0


@njit(cache=True, error_model="numpy")
def smoothed_logit(positive: float, shown: float, base: float) -> float:
    """Log-odds of a rate with a prior of ten impressions at the base rate."""
    positive += PRIOR_IMPRESSIONS * base
    # More answers than impressions happen (pages opened from elsewhere): the rate stays below one.
    return math.log(positive / (max(shown + PRIOR_IMPRESSIONS, positive + 1.0) - positive))


def capture_items(items: ItemTable, slots: NDArray[np.int32], now_ms: int) -> Float32:
    """float32[N, I] in the order of `FeatureSchema.item`."""
    out_NI = np.empty((len(slots), items.item_width), np.float32)
    _fill(
        out_NI, slots, now_ms, items.base_rate, items.totals, items.decayed, items.at_ms, items.kind, items.number,
        HALF_LIVES_MS,
    )  # fmt: skip
    return out_NI


@njit(cache=True, error_model="numpy", nogil=True)
def _fill(  # noqa: PLR0917 - numba compiles no keywords
    out_NI: Float32, slots: NDArray[np.int32], now_ms: int, base: float, totals: NDArray[np.int64], decayed: Float64,
    at_ms: NDArray[np.int64], kind: NDArray[np.uint8], number: Float32, half_life_ms: Float64,
) -> None:  # fmt: skip
    for n in range(len(slots)):
        slot, row = slots[n], out_NI[n]
        shown, views, clicks = float(totals[slot, 0]), float(totals[slot, 1]), float(totals[slot, 2])
        row[0], row[1], row[2] = smoothed_logit(clicks, shown, base), math.log1p(shown), math.log1p(views)
        age_ms = max(now_ms - at_ms[slot], 0)
        column = 3
        kept = 1.0
        for h in range(len(half_life_ms)):
            kept = 2.0 ** (-age_ms / half_life_ms[h])
            recent = decayed[slot, h, CLICK] * kept
            row[column] = smoothed_logit(recent, decayed[slot, h, IMPRESSION] * kept, base)
            row[column + 1] = math.log1p(recent)
            column += 2
        # Rarer answers get priors in proportion: a cart after one click in ten, an order after one cart in three.
        row[column] = smoothed_logit(float(totals[slot, 3]), shown, base / 10)
        row[column + 1] = smoothed_logit(float(totals[slot, 4]), shown, base / 30)
        last = decayed[slot, len(half_life_ms) - 1]
        row[column + 2] = smoothed_logit(last[DISLIKE] * kept, last[IMPRESSION] * kept, base / 20)
        row[column + 3] = math.log1p(totals[slot, 5] / 1000 / (clicks + views + 1))
        row[column + 4] = 1.0 if kind[slot] == COUPON else 0.0
        row[column + 5] = 1.0 if kind[slot] == AD else 0.0
        column += 6
        for j in range(number.shape[1]):
            value = float(number[slot, j])
            is_missing = math.isnan(value)
            row[column] = 0.0 if is_missing else math.copysign(math.log1p(abs(value)), value)
            row[column + 1] = 1.0 if is_missing else 0.0
            column += 2
