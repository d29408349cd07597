"""The features of items for a user at one moment, in the order of the feature schema.

Capturing reads state and changes none, so the same state always gives the same features.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS
from streams.features.cross_features import capture_cross
from streams.features.decay import decay_to
from streams.features.items import ItemTable
from streams.features.user_state import SESSION_GAP_MS, UserState

__all__ = ["CLICK_LOGIT", "Captured", "Request", "capture", "capture_items", "capture_user"]

Float32 = NDArray[np.float32]
IMPRESSION, VIEW, CLICK, CART, ORDER, DISLIKE = range(len(EVENT_KINDS))
# Column of the item's smoothed click log-odds among its features.
CLICK_LOGIT = 0
# Strength of the prior of smoothed rates, in impressions: (clicks + 10 P) / (impressions + 10), models.md 11.3.
PRIOR_IMPRESSIONS = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a rank request adds to the features: words and the site's own relevance per item."""

    query: str = ""
    relevance: dict[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """Features of N items for one user. `fallback_N`: smoothed click rate, what is known without a model."""

    user_U: Float32
    item_NI: Float32
    cross_NX: Float32
    fallback_N: Float32


def capture(user: UserState, items: ItemTable, slots: NDArray[np.int32], now_ms: int, request: Request) -> Captured:
    """Features of `slots` (int32[N]) for a user as of the event time `now_ms`."""
    item = capture_items(items, slots, now_ms)
    fallback = (1.0 / (1.0 + np.exp(-item[:, CLICK_LOGIT]))).astype(np.float32)
    return Captured(
        capture_user(user, items, now_ms),
        item,
        capture_cross(user, items, slots, now_ms, query=request.query, relevance=request.relevance),
        fallback,
    )


def capture_user(user: UserState, items: ItemTable, now_ms: int) -> Float32:
    """float32[U]: click rate, activity over the horizons, session, hour of day (UTC)."""
    base = items.base_rate
    rate = _smoothed_logit(float(user.totals[2]), float(user.totals[0]), base)
    decayed = decay_to(np.array(user.decayed).reshape(1, -1, len(EVENT_KINDS)), np.array([user.decayed_at_ms]), now_ms)[
        0, :, :DISLIKE
    ]
    idle_ms = max(now_ms - user.last_event_ms, 0) if user.last_event_ms else 0
    num_actions = user.num_session_actions if idle_ms <= SESSION_GAP_MS else 0
    angle = 2 * math.pi * (now_ms % 86_400_000) / 86_400_000
    return np.concatenate(
        [
            [rate, math.log1p(user.num_slates)],
            np.log1p(decayed).ravel(),
            [math.log1p(num_actions), math.log1p(idle_ms / 1000), math.sin(angle), math.cos(angle)],
        ]
    ).astype(np.float32)


def capture_items(items: ItemTable, slots: NDArray[np.int32], now_ms: int) -> Float32:
    """float32[N, I]: smoothed rates (lifetime and decayed), dwell, kind, declared numbers."""
    base = items.base_rate
    totals = items.totals[slots].astype(np.float64)
    impressions, views, clicks, carts, orders, dwell_ms = totals.T
    decayed = decay_to(items.decayed[slots], items.at_ms[slots], now_ms)
    columns = [_smoothed_logit(clicks, impressions, base), np.log1p(impressions), np.log1p(views)]
    logits = _smoothed_logit(decayed[:, :, CLICK], decayed[:, :, IMPRESSION], base)
    logs = np.log1p(decayed[:, :, CLICK])
    for h in range(decayed.shape[1]):
        columns += [logits[:, h], logs[:, h]]
    # Rarer answers get priors in proportion: a cart after one click in ten, an order after one cart in three.
    columns.append(_smoothed_logit(carts, impressions, base / 10))
    columns.append(_smoothed_logit(orders, impressions, base / 30))
    columns.append(_smoothed_logit(decayed[:, -1, DISLIKE], decayed[:, -1, IMPRESSION], base / 20))
    columns.append(np.log1p(dwell_ms / 1000 / (clicks + views + 1)))
    columns += [(items.kind[slots] == kind).astype(np.float64) for kind in (1, 2)]
    for j in range(items.number.shape[1]):
        number = items.number[slots, j].astype(np.float64)
        is_missing = np.isnan(number)
        filled = np.where(is_missing, 0.0, number)
        columns += [np.sign(filled) * np.log1p(np.abs(filled)), is_missing.astype(np.float64)]
    return np.stack(columns, axis=1).astype(np.float32)


def _smoothed_logit(
    positive: NDArray[np.float64] | float, shown: NDArray[np.float64] | float, base: float
) -> NDArray[np.float64]:
    positive = np.asarray(positive) + PRIOR_IMPRESSIONS * base
    # More answers than impressions happen (pages opened from elsewhere): the rate stays below one.
    return np.log(positive / (np.maximum(np.asarray(shown) + PRIOR_IMPRESSIONS, positive + 1.0) - positive))
