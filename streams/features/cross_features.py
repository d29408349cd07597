"""Features of a user and an item together: how the user answered items with the same field values, co-clicks, history.

The rate of a field value v is (clicks_uv + 2 P) / (shown_uv + 2) over the user's remembered answers; an item gets the
mean over its values, per declared field (measured on public lists: models.md 11.3).
"""

import math

import numpy as np
from numpy.typing import NDArray

from streams.features.answers import joined
from streams.features.cross_kernel import PRIOR_CO_CLICKS, CrossInputs, fill_cross
from streams.features.item_content import WORD
from streams.features.items import ItemTable
from streams.features.user_state import UserState

__all__ = ["NEVER_SHOWN_S", "capture_cross"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
RECENT_CLICKS = 20
# Seconds since an item was last shown, where it never was: 30 days.
NEVER_SHOWN_S = 30 * 86_400.0


def capture_cross(
    user: UserState,
    items: ItemTable,
    slots: NDArray[np.int32],
    now_ms: int,
    *,
    query: str,
    relevance: dict[int, float] | None,
) -> Float32:
    """float32[N, X] in the order of `FeatureSchema.cross`."""
    out_NX = np.zeros((len(slots), items.cross_width), np.float32)
    fill_cross(out_NX, slots, len(items.fields.affinity), _inputs(user, items, now_ms))
    if query:
        out_NX[:, -2] = _query_overlap(items, slots, query)
    if relevance:
        out_NX[:, -1] = [relevance.get(slot, 0.0) for slot in slots.tolist()]
    return out_NX


def _inputs(user: UserState, items: ItemTable, now_ms: int) -> CrossInputs:
    """Of the user as of now."""
    answers = joined(user.answers)
    others, weights, num_co_clicked = _co_clicks(user, items)
    values, leaning = _leaning(user, now_ms)
    return CrossInputs(
        answered_A=answers.slot_A,
        answer_A=answers.answer_A,
        num_S=answers.num_S,
        shown_ms_S=answers.at_ms_S,
        action_H=np.frombuffer(user.action_slots, np.int32),
        action_kind_H=np.frombuffer(user.action_kinds, np.int8),
        value_B=values,
        lean_B=leaning,
        other_C=others,
        weight_C=weights,
        num_co_clicked=num_co_clicked,
        log_price=math.log1p(user.price_sum / user.num_prices) if user.num_prices else math.nan,
        base_rate=items.base_rate,
        now_ms=now_ms,
        never_shown_s=NEVER_SHOWN_S,
        price=items.price,
        value_start=items.value_ids.start,
        value_num=items.value_ids.num,
        values=items.value_ids.held,
        field_of=items.field_of,
        place_of_slot=items.place_of_slot,
        place_of_value=items.place_of_value,
    )


def _leaning(user: UserState, now_ms: int) -> tuple[NDArray[np.int32], Float64]:
    """Values the user leans to, and how much of that is left."""
    values: list[int] = []
    weights: list[float] = []
    for held in user.affinity:
        values += held
        weights += held.values()
    return np.array(values, np.int32), np.array(weights, np.float64) * user.affinity_left(now_ms)


def _co_clicks(user: UserState, items: ItemTable) -> tuple[NDArray[np.int32], Float64, int]:
    """Items co-clicked with those that the user clicked lately, as often as they are; co-click rates; and how many."""
    clicked = user.recently_clicked(RECENT_CLICKS)
    if not clicked:
        return np.zeros(0, np.int32), np.zeros(0), 0
    found = [items.near(slot) for slot in clicked]
    scale = 1.0 / (items.totals[clicked, 2] + PRIOR_CO_CLICKS)
    weights = np.concatenate([weights for _, weights in found]) * np.repeat(scale, [len(one) for one, _ in found])
    return np.concatenate([others for others, _ in found]), weights, len(clicked)


def _query_overlap(items: ItemTable, slots: NDArray[np.int32], query: str) -> list[float]:
    """Of each of N items: share of the query's words that the item's text has."""
    words = set(WORD.findall(query.lower()))
    texts = (set(WORD.findall(items.texts.get(slot, "").lower())) for slot in slots.tolist())
    return [len(words & text) / len(words) if words else 0.0 for text in texts]
