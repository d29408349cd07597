"""The features of items for a user at one moment, in the order of the feature schema.

Capturing reads state and changes none, so the same state always gives the same features.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS
from streams.features.cross_features import capture_cross
from streams.features.decay import as_of
from streams.features.item_features import CLICK_LOGIT, capture_items, smoothed_logit
from streams.features.items import ItemTable
from streams.features.user_state import SESSION_GAP_MS, UserState
from streams.settings import CatalogueFields

__all__ = ["Captured", "Request", "capture", "capture_user", "compile_capture"]

Float32 = NDArray[np.float32]
DISLIKE = EVENT_KINDS.index("dislike")


class Request(msgspec.Struct, frozen=True):
    """What a rank request adds to the features: words and the site's own relevance per item."""

    query: str = ""
    relevance: dict[int, float] | None = None


class Captured(msgspec.Struct, frozen=True):
    """Features of N items for one user."""

    user_U: Float32
    item_NI: Float32
    cross_NX: Float32

    @property
    def fallback_N(self) -> Float32:  # noqa: N802 - an array with its shape
        """float32[N]: smoothed click rate, what is known without a model."""
        return (1.0 / (1.0 + np.exp(-self.item_NI[:, CLICK_LOGIT]))).astype(np.float32)


def capture(user: UserState, items: ItemTable, slots: NDArray[np.int32], now_ms: int, request: Request) -> Captured:
    """Features of `slots` (int32[N]) for a user as of the event time `now_ms`."""
    return Captured(
        capture_user(user, items, now_ms),
        capture_items(items, slots, now_ms),
        capture_cross(user, items, slots, now_ms, query=request.query, relevance=request.relevance),
    )


def capture_user(user: UserState, items: ItemTable, now_ms: int) -> Float32:
    """float32[U]: click rate, activity over the horizons, session, hour of day (UTC)."""
    rate = smoothed_logit(float(user.totals[2]), float(user.totals[0]), items.base_rate)
    decayed = as_of(user.decayed_values(), user.decayed_at_ms, max(now_ms, user.decayed_at_ms))
    idle_ms = max(now_ms - user.last_event_ms, 0) if user.last_event_ms else 0
    num_actions = user.num_session_actions if idle_ms <= SESSION_GAP_MS else 0
    angle = 2 * math.pi * (now_ms % 86_400_000) / 86_400_000
    counted = [math.log1p(value) for index, value in enumerate(decayed) if index % len(EVENT_KINDS) != DISLIKE]
    rest = math.log1p(num_actions), math.log1p(idle_ms / 1000), math.sin(angle), math.cos(angle)
    return np.array([rate, math.log1p(user.num_slates), *counted, *rest], np.float32)


def compile_capture(fields: CatalogueFields) -> None:
    """Have what is compiled at first use ready: seconds on a machine's first time, moments later."""
    items = ItemTable(fields, 1)
    slot = items.slot("any")
    items.count(0, [slot], 0, 0)
    items.count_one(0, slot, 0, 0)
    items.add_dwell(0, slot, 0, 0)
    capture(UserState(""), items, items.slots(["any"]), 0, Request())
